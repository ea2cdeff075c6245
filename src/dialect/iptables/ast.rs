//! The syntax tree: tables, chains and rules as they stand after all commands of the files.
//!
//! Made for dumps of a million rules: a rule is a slice of one array of matches, numbers are parsed,
//! names are interned, and nothing borrows from the text.

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::packet::Family;
use crate::source::Span;

/// A name of the files: a chain, an interface, a set, a helper.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Name(pub u32);

/// Interned names.
#[derive(Debug, Default)]
pub struct Names {
    ids: FxHashMap<Box<str>, Name>,
    texts: Vec<Box<str>>,
}

impl Names {
    /// The id of a name.
    pub fn intern(&mut self, text: &str) -> Name {
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        let id = Name(self.texts.len() as u32);
        self.texts.push(text.into());
        self.ids.insert(text.into(), id);
        id
    }

    /// The id of a name, where it has one.
    pub fn find(&self, text: &str) -> Option<Name> {
        self.ids.get(text).copied()
    }

    /// The text of a name.
    pub fn text(&self, name: Name) -> &str {
        &self.texts[name.0 as usize]
    }
}

/// The tables, in the order in which a hook passes them, translation apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum TableName {
    /// Before connection tracking.
    Raw,
    /// Changes packets.
    Mangle,
    /// Translates addresses.
    Nat,
    /// Lets packets pass or not.
    Filter,
    /// Mandatory access control.
    Security,
}

impl TableName {
    /// All tables.
    pub const ALL: [TableName; 5] =
        [TableName::Raw, TableName::Mangle, TableName::Nat, TableName::Filter, TableName::Security];

    /// The name in files.
    pub fn text(self) -> &'static str {
        match self {
            TableName::Raw => "raw",
            TableName::Mangle => "mangle",
            TableName::Nat => "nat",
            TableName::Filter => "filter",
            TableName::Security => "security",
        }
    }

    /// The table of a name.
    pub fn of(text: &str) -> Option<TableName> {
        TableName::ALL.into_iter().find(|table| table.text() == text)
    }

    /// The bit of the table in [`super::modules::Module::tables`].
    pub fn bit(self) -> u8 {
        1 << self as u8
    }

    /// The hooks at which the table has a built-in chain.
    pub fn hooks(self) -> &'static [Hook] {
        use Hook::{Forward, Input, Output, Postrouting, Prerouting};
        match self {
            TableName::Raw => &[Prerouting, Output],
            TableName::Mangle => &[Prerouting, Input, Forward, Output, Postrouting],
            TableName::Nat => &[Prerouting, Input, Output, Postrouting],
            TableName::Filter | TableName::Security => &[Input, Forward, Output],
        }
    }
}

pub use crate::model::Hook;

/// The name of the built-in chain of a hook.
pub fn builtin(hook: Hook) -> &'static str {
    match hook {
        Hook::Prerouting => "PREROUTING",
        Hook::Input => "INPUT",
        Hook::Forward => "FORWARD",
        Hook::Output => "OUTPUT",
        Hook::Postrouting => "POSTROUTING",
    }
}

/// What becomes of packets that fall off the end of a built-in chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// On to the next table.
    Accept,
    /// Gone.
    Drop,
    /// The name of no policy was given: the file does not load.
    Unknown,
}

/// A policy that is set under conditions of the shell, each turned round or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyIf {
    /// The conditions, which all have to hold.
    pub conditions: Vec<(Name, bool)>,
    /// The policy.
    pub policy: Policy,
    /// Where it is written.
    pub span: Span,
}

/// Names a chain of a [`Table`].
pub type ChainIx = u32;

/// One table of one family.
#[derive(Debug)]
pub struct Table {
    /// IPv4 or IPv6.
    pub family: Family,
    /// Which table.
    pub name: TableName,
    /// The `*table` line, or the command that named it first.
    pub span: Span,
    /// The chains, built-in ones first.
    pub chains: Vec<Chain>,
    /// Chains by name; deleted ones are not in it.
    pub index: FxHashMap<Name, ChainIx>,
    /// The chains that got a rule since the table was last emptied; some may be empty again.
    pub filled: Vec<usize>,
    /// A later restore of the same table flushed it: its rules are not in force.
    pub replaced: bool,
}

/// One chain.
#[derive(Debug)]
pub struct Chain {
    /// Its name.
    pub name: Name,
    /// Where it is declared; for a built-in chain that is not, the table.
    pub span: Span,
    /// The hook of a built-in chain.
    pub hook: Option<Hook>,
    /// The policy of a built-in chain.
    pub policy: Policy,
    /// Where the policy is written.
    pub policy_span: Option<Span>,
    /// Policies that a script sets under conditions, in order, since the one above.
    pub policies: Vec<PolicyIf>,
    /// The rules, as indices of [`Config::rules`].
    pub rules: VecDeque<u32>,
    /// Deleted with `-X`.
    pub deleted: bool,
    /// The rules by what they say ([`super::equal::print`]), where that was asked for since they were cleared.
    pub prints: Option<FxHashMap<u64, VecDeque<u32>>>,
    /// Rules were put in before others since then: those that say the same are in no order.
    pub mixed: bool,
    /// Rules that were deleted and are still among `rules`.
    pub dead: FxHashSet<u32>,
}

impl Chain {
    /// Takes all rules out.
    pub fn clear(&mut self) {
        self.rules.clear();
        self.dead.clear();
        self.prints = None;
    }

    /// Takes the deleted rules out for good.
    pub fn settle(&mut self) {
        if !self.dead.is_empty() {
            let dead = std::mem::take(&mut self.dead);
            self.rules.retain(|rule| !dead.contains(rule));
        }
    }
}

/// One rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The rule as it is written.
    pub span: Span,
    /// The target's name as it is written; the rule where it has none.
    pub target_span: Span,
    /// First of [`Config::matches`].
    pub first: u32,
    /// Number of matches.
    pub count: u32,
    /// What it does.
    pub target: Target,
    /// The hooks, one bit each, at which its matches and target work.
    pub hooks: u8,
    /// The module that limits the hooks, as an index of [`super::modules::ALL`].
    pub limiter: u8,
}

/// All hooks.
pub const ANY_HOOK: u8 = 0b1_1111;

/// An IPv4 address with its mask, or the index of an IPv6 one in [`Config::nets6`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Net {
    /// Address, host bits cleared, and mask.
    V4(u32, u32),
    /// Index.
    V6(u32),
}

/// One condition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Match {
    /// Turned round with `!`.
    pub negated: bool,
    /// What is looked at.
    pub kind: MatchKind,
}

/// One end of a connection's tuples, as `-m conntrack` names them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CtEnd {
    /// Source of the original direction.
    OrigSrc,
    /// Destination of the original direction.
    OrigDst,
    /// Source of the reply direction.
    ReplSrc,
    /// Destination of the reply direction.
    ReplDst,
}

/// How TTL and hop limit are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Equal.
    Eq,
    /// Less.
    Lt,
    /// Greater.
    Gt,
}

/// IPv6 header chains that a match looks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Header {
    /// `-m frag`.
    Frag,
    /// `-m rt`, `-m srh`.
    Route,
    /// `-m hbh`.
    HopByHop,
    /// `-m dst`.
    Destination,
    /// `-m ah` in IPv6.
    Auth,
}

/// What a condition looks at. Sources: iptables(8), iptables-extensions(8) of 1.8.9.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MatchKind {
    /// `-s`.
    Source(Net),
    /// `-d`.
    Destination(Net),
    /// `-p`, without `all`.
    Protocol(u8),
    /// `-i`; the name without its `+`, and whether it had one.
    InInterface(Name, bool),
    /// `-o`.
    OutInterface(Name, bool),
    /// `-f`: not the first fragment.
    Fragment,
    /// A source port in `[lo, hi]`.
    SourcePort(u16, u16),
    /// A destination port in `[lo, hi]`.
    DestinationPort(u16, u16),
    /// `-m multiport`: first of [`Config::ports`], their number, and whether source and destination count.
    Multiport {
        /// First of [`Config::ports`].
        first: u32,
        /// Number of ranges.
        count: u8,
        /// The source port may be among them.
        source: bool,
        /// The destination port may be among them.
        destination: bool,
    },
    /// `flags & mask == comp`.
    TcpFlags(u8, u8),
    /// A TCP option is there.
    TcpOption(u8),
    /// `--mss`.
    TcpMss(u16, u16),
    /// ICMP or ICMPv6 type and codes `[lo, hi]`.
    Icmp(u8, u8, u8),
    /// SPI of ESP or AH in `[lo, hi]`.
    Spi(u32, u32),
    /// `-m iprange`: source if true; index of [`Config::ip_ranges`].
    IpRange(bool, u32),
    /// `-m conntrack --ctstate`, `-m state`: bits of [`state`].
    State(u8),
    /// `-m conntrack` with more than states: index of [`Config::connections`].
    Connection(u32),
    /// `--ctproto`.
    CtProto(u8),
    /// `--ctorigsrc` and the like.
    CtAddress(CtEnd, Net),
    /// `--ctorigsrcport` and the like.
    CtPort(CtEnd, u16, u16),
    /// `--ctstatus`: bits of the kernel's `enum ip_conntrack_status`.
    CtStatus(u8),
    /// `--ctdir`: a reply if true.
    CtDirection(bool),
    /// `-m mark`: value and mask.
    Mark(u32, u32),
    /// `-m connmark`.
    ConnMark(u32, u32),
    /// `-m set`: index of [`Config::set_uses`].
    Set(u32),
    /// `-m mac`.
    Mac([u8; 6]),
    /// `-m physdev --physdev-is-bridged`.
    IsBridged,
    /// `-m addrtype`: destination if true, a mask of address types, and the interface that it is limited to.
    AddrType(bool, u16, Limit),
    /// `-m pkttype`: the kernel's packet type.
    PktType(u8),
    /// `-m length`.
    Length(u16, u16),
    /// `-m ttl`, `-m hl`.
    Ttl(Order, u8),
    /// `-m dscp`.
    Dscp(u8),
    /// `-m tos`: value and mask of the whole byte.
    Tos(u8, u8),
    /// `-m ecn --ecn-ip-ect`.
    EcnIp(u8),
    /// `-m ecn`: a bit of the TCP flags.
    EcnTcp(u8),
    /// `-m ipv6header`: header bits of [`crate::packet::ext`], and `--soft`.
    Ipv6Header(u8, bool),
    /// A header is there.
    HasHeader(Header),
    /// `-m helper`.
    Helper(Name),
    /// `-m owner`: index of [`Config::opens`].
    Owner(u32),
    /// Something that the file does not tell, or that is not understood: index of [`Config::opens`].
    Open(u32),
    /// Cannot hold.
    Never,
}

/// A condition that the file does not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Open {
    /// What it is of: the name of a module, `shell`, `fqdn`; may be empty.
    pub kind: Name,
    /// What is written.
    pub text: Name,
    /// What is known of the answer.
    pub answer: Answer,
}

/// What is known of the answer to an [`Open`] condition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Each place answers for itself, and each time anew.
    Chance,
    /// Each place counts for itself; what it says as long as the rate is kept.
    Rate(bool),
    /// It finds out packets that no honest sender makes; what it says of the others.
    Forgery(bool),
    /// The same for all packets.
    Global,
    /// It hangs on this field.
    Of(crate::packet::Field),
    /// It hangs on the packet, nobody knows how, and stays as it is.
    Elsewhere,
}

/// The interface that `-m addrtype` is limited to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limit {
    /// Any.
    None,
    /// `--limit-iface-in`.
    In,
    /// `--limit-iface-out`.
    Out,
}

/// Bits of [`MatchKind::State`].
pub mod state {
    /// INVALID.
    pub const INVALID: u8 = 1;
    /// ESTABLISHED.
    pub const ESTABLISHED: u8 = 2;
    /// RELATED.
    pub const RELATED: u8 = 4;
    /// NEW.
    pub const NEW: u8 = 8;
    /// UNTRACKED.
    pub const UNTRACKED: u8 = 16;
    /// The source was translated.
    pub const SNAT: u8 = 32;
    /// The destination was translated.
    pub const DNAT: u8 = 64;
}

/// One instance of `-m conntrack`: it looks at one connection, or finds that there is none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Connection {
    /// The states that are asked for, and whether they are turned round.
    pub states: Option<(u8, bool)>,
    /// What else is asked of the connection.
    pub parts: Vec<Match>,
}

/// A use of an ipset: `--match-set NAME FLAGS`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SetUse {
    /// The set.
    pub set: Name,
    /// For each dimension: source if true.
    pub sides: Vec<bool>,
    /// `--return-nomatch`.
    pub return_nomatch: bool,
    /// Counters are compared too.
    pub counters: bool,
    /// Where it is written.
    pub span: Span,
}

/// The port part of a translation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortSpan {
    /// First port.
    pub lo: u16,
    /// Last port.
    pub hi: u16,
    /// `/baseport` of DNAT.
    pub base: Option<u16>,
}

/// A translation: DNAT, SNAT, MASQUERADE, REDIRECT.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NatSpec {
    /// New addresses `[lo, hi]`.
    pub addr: Option<(u128, u128)>,
    /// New ports.
    pub ports: Option<PortSpan>,
    /// `--random`, `--random-fully`.
    pub random: bool,
    /// The specification could not be read.
    pub broken: bool,
}

/// How a mark changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MarkChange {
    /// `(old & !clear) ^ flip`.
    Set(u32, u32),
    /// The packet mark goes into the connection mark: packet bits, connection bits.
    Save(u32, u32),
    /// The connection mark goes into the packet mark: packet bits, connection bits.
    Restore(u32, u32),
}

/// What a rule does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// Counts only.
    None,
    /// `ACCEPT`.
    Accept,
    /// `DROP`.
    Drop,
    /// `RETURN`.
    Return,
    /// `-j CHAIN`.
    Jump(ChainIx),
    /// `-g CHAIN`.
    Goto(ChainIx),
    /// `REJECT` with an ICMP code of the family's unreachable type.
    Reject(u8),
    /// `REJECT --reject-with tcp-reset`.
    RejectReset,
    /// `QUEUE`, `NFQUEUE`: index of [`Config::opens`].
    Queue(u32),
    /// `DNAT`: index of [`Config::nats`].
    Dnat(u32),
    /// `SNAT`.
    Snat(u32),
    /// `MASQUERADE`.
    Masquerade(u32),
    /// `REDIRECT`.
    Redirect(u32),
    /// `NETMAP`: index of [`Config::netmaps`].
    Netmap(u32),
    /// `MARK`: index of [`Config::marks`].
    Mark(u32),
    /// `CONNMARK`.
    ConnMark(u32),
    /// `TPROXY`: the packet mark's change.
    Tproxy(u32),
    /// `CT --notrack`, `NOTRACK`.
    NoTrack,
    /// `CT --helper`.
    Helper(Name),
    /// A header field gets a value, or one that is not told.
    SetTtl(Option<u8>),
    /// `DSCP`, `TOS`: the new code point.
    SetDscp(Option<u8>),
    /// The packet mark gets a value that is not told (`HMARK`, `SET --map-mark`).
    ForgetMark,
    /// `TCPMSS`.
    ForgetMss,
    /// `DNPT` (destination if true) and `SNPT`.
    ForgetAddress(bool),
    /// `LOG` and the like: nothing happens to the packet.
    Continue,
    /// Not understood or not there: `target NAME`, `chain NAME`.
    Undefined(Name),
}

/// The network of a `NETMAP`: address, and prefix length; 255 where the mask is no prefix.
pub type Netmap = (u128, u8);

/// What the files of one firewall say, all commands done.
#[derive(Debug, Default)]
pub struct Config {
    /// All names.
    pub names: Names,
    /// The tables in order of their first mention; replaced ones stay.
    pub tables: Vec<Table>,
    /// All rules, in the order of the files; deleted ones stay, no chain names them.
    pub rules: Vec<Rule>,
    /// The conditions of all rules.
    pub matches: Vec<Match>,
    /// IPv6 addresses and masks.
    pub nets6: Vec<(u128, u128)>,
    /// Ranges of `-m multiport`.
    pub ports: Vec<(u16, u16)>,
    /// Ranges of `-m iprange`.
    pub ip_ranges: Vec<(u128, u128)>,
    /// Uses of sets.
    pub set_uses: Vec<SetUse>,
    /// Uses of `conntrack`.
    pub connections: Vec<Connection>,
    /// Conditions that the file does not answer.
    pub opens: Vec<Open>,
    /// Sets that rules change (`-j SET`): their contents are not told.
    pub changed_sets: FxHashSet<Name>,
    /// Translations.
    pub nats: Vec<NatSpec>,
    /// Networks of `NETMAP`.
    pub netmaps: Vec<Netmap>,
    /// Changes of marks.
    pub marks: Vec<MarkChange>,
    /// The tables in force, by family and name, as indices of `tables`.
    current: [[Option<u32>; 5]; 2],
}

impl Config {
    /// The conditions of a rule.
    pub fn matches_of(&self, rule: &Rule) -> &[Match] {
        &self.matches[rule.first as usize..(rule.first + rule.count) as usize]
    }

    /// The index of the table in force of a family and name.
    pub fn table(&self, family: Family, name: TableName) -> Option<usize> {
        self.current[family as usize][name as usize].map(|at| at as usize)
    }

    /// The table of a family and name in force; made empty where there is none.
    pub fn table_or_new(&mut self, family: Family, name: TableName, span: Span) -> usize {
        if let Some(at) = self.table(family, name) {
            return at;
        }
        let mut table = Table {
            family,
            name,
            span,
            chains: Vec::new(),
            index: FxHashMap::default(),
            filled: Vec::new(),
            replaced: false,
        };
        for hook in name.hooks() {
            let chain = self.names.intern(builtin(*hook));
            table.add(chain, span, Some(*hook));
        }
        self.tables.push(table);
        let at = self.tables.len() - 1;
        self.current[family as usize][name as usize] = Some(at as u32);
        at
    }

    /// A table that no packet crosses: for rules of a table that does not exist.
    pub fn dead_table(&mut self, family: Family, span: Span) -> usize {
        let kept = self.current[family as usize][TableName::Filter as usize].take();
        let at = self.table_or_new(family, TableName::Filter, span);
        self.tables[at].replaced = true;
        self.current[family as usize][TableName::Filter as usize] = kept;
        at
    }

    /// Flushes a table, as a restore without `--noflush` does: what was in it is replaced. The span of
    /// the replaced table, where it held a rule.
    pub fn flush(&mut self, family: Family, name: TableName) -> Option<Span> {
        let at = self.current[family as usize][name as usize].take()? as usize;
        let table = &mut self.tables[at];
        table.replaced = true;
        table.chains.iter().any(|chain| !chain.rules.is_empty()).then_some(table.span)
    }
}

impl Table {
    /// Adds a chain.
    pub fn add(&mut self, name: Name, span: Span, hook: Option<Hook>) -> ChainIx {
        let at = self.chains.len() as ChainIx;
        self.chains.push(Chain {
            name,
            span,
            hook,
            policy: Policy::Accept,
            policy_span: None,
            policies: Vec::new(),
            rules: VecDeque::new(),
            deleted: false,
            prints: None,
            mixed: false,
            dead: FxHashSet::default(),
        });
        self.index.insert(name, at);
        at
    }
}
