//! The normalized rules: what every dialect is lowered into, and all that analysis knows.
//!
//! A packet crosses *hooks*. At each hook it passes *stages* in order. A stage walks a chain from the
//! top; the first rule that decides ends the walk, and what falls off the end gets the stage's policy.
//! Accepting passes the packet on to the next stage, dropping ends it. A rule is a row of [`Step`]s,
//! run in order: a test that fails ends the rule, an effect happens and the row goes on, unless the
//! effect decides. Last-match languages are normalized by their dialect before they come here.

mod assume;
mod build;
mod condition;
mod effects;

use rustc_hash::FxHashSet;

use crate::packet::{Family, Field, Set};
use crate::source::Span;

pub use assume::{Answer, Assumption, Fits, Unmet};
pub use build::Builder;
pub use condition::{About, Condition, Nature};

/// Names a chain of a [`Ruleset`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ChainId(pub u32);

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub struct $name(pub(crate) u32);
    )*};
}

ids! {
    /// Names a [`Set`] of values of a ruleset.
    SetId,
    /// Names a [`Tuples`] of a ruleset.
    TuplesId,
    /// Names a [`Map`] of a ruleset.
    MapId,
    /// Names an unknown condition of a ruleset.
    CondId,
    /// Names a translation of a ruleset.
    NatId,
    /// Names a connection helper of a ruleset, such as `Q.931`.
    HelperId,
}

impl HelperId {
    /// Its place in [`Ruleset::helpers`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The values that a test compares with: a small interval in place, or a set by name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Values {
    /// A closed interval of values below 2^32.
    Range(u32, u32),
    /// A set of [`Ruleset::sets`].
    Set(SetId),
}

/// A condition on a packet.
///
/// A test on a field that the packet does not have fails, negated or not.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Test {
    /// The field's value is among the values, or, negated, is not.
    In {
        /// What is looked at.
        field: Field,
        /// What it is compared with.
        values: Values,
        /// Turns the answer round.
        negate: bool,
    },
    /// `value & mask` is among the values: for address masks that are no prefix, and for marks.
    Masked {
        /// What is looked at.
        field: Field,
        /// The mask, one value of [`Ruleset::masks`].
        mask: u32,
        /// What the masked value is compared with.
        values: Values,
        /// Turns the answer round.
        negate: bool,
    },
    /// The packet is in one of several products of field sets, or, negated, in none of them.
    Tuple {
        /// The products.
        tuples: TuplesId,
        /// Turns the answer round.
        negate: bool,
    },
    /// Something that the file does not tell: may hold or not.
    Unknown {
        /// What.
        cond: CondId,
        /// Turns the answer round.
        negate: bool,
    },
    /// Never holds.
    Never,
}

/// A union of products over a few fields: concatenations of nftables, service groups of the ASA,
/// `multiport --ports` of iptables.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tuples {
    /// The fields, in the order of the sides.
    pub fields: Vec<Field>,
    /// The products: for each field its values, `None` where any value does and even absence.
    pub boxes: Vec<Vec<Option<Set>>>,
}

/// A lookup table: the first entry whose key holds the packet has its effect.
///
/// A packet in no entry ends the rule, as a failed test does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Map {
    /// The fields of the keys.
    pub fields: Vec<Field>,
    /// The entries in order. Where there is one field, the keys are disjoint.
    pub entries: Vec<MapEntry>,
    /// For a single field: intervals of keys, sorted, each with the index of its entry.
    pub index: Vec<(u128, u128, u32)>,
}

/// One entry of a [`Map`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MapEntry {
    /// For each field its values; `None` where any value does.
    pub key: Vec<Option<Set>>,
    /// What happens on a hit.
    pub effect: Effect,
    /// Where the entry is written.
    pub span: Span,
}

/// What a refused sender gets to see.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reply {
    /// A TCP reset.
    TcpReset,
    /// An ICMP or ICMPv6 error of this type and code.
    Icmp {
        /// ICMP type (3, 11) or ICMPv6 type (1, 3).
        kind: u8,
        /// The code.
        code: u8,
    },
    /// A reset for TCP, a port unreachable for the rest.
    ResetOrUnreachable,
}

impl Reply {
    /// What a router says of a packet whose source is not to leave its link ([`Family::beyond_scope`]).
    pub const BEYOND_SCOPE: Reply = Reply::Icmp { kind: 1, code: 2 };

    /// What a router says of a packet whose TTL is at its end (RFC 792, RFC 4443 section 3.3).
    pub fn time_exceeded(family: Family) -> Reply {
        Reply::Icmp { kind: if family == Family::V4 { 11 } else { 3 }, code: 0 }
    }
}

/// Where a stage's walk, or the whole way, ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verdict {
    /// On to the next stage.
    Accept,
    /// Gone without a word.
    Drop,
    /// Gone, and the sender is told.
    Reject(Reply),
}

/// A new mark: `(old & !clear) ^ flip`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MarkOp {
    /// Bits that are cleared first.
    pub clear: u32,
    /// Bits that are turned over then.
    pub flip: u32,
}

/// What a rule does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Effect {
    /// Ends the stage.
    Verdict(Verdict),
    /// Walks another chain; where that falls off its end or returns, the next rule here is next.
    Jump(ChainId),
    /// Walks another chain and does not come back here, but to the chain that last jumped.
    Goto(ChainId),
    /// Back to the chain that jumped; in a stage's own chain, to its policy.
    Return,
    /// Ends this rule without a decision (nft `continue`).
    NextRule,
    /// Remembers a verdict for when the stage's chain falls off its end, in place of its policy:
    /// the pending decision of last-match languages where order matters. Does not end the rule.
    Pend(Verdict),
    /// Ends the stage with the pending verdict, or its policy where none is pending (pf `quick` on an anchor).
    Settle,
    /// Changes the packet mark.
    Mark(MarkOp),
    /// Changes the connection mark.
    CtMark(MarkOp),
    /// The packet mark's bits of the mask go into the connection mark.
    SaveMark(u32),
    /// The connection mark's bits of the mask go into the packet mark.
    RestoreMark(u32),
    /// A field gets a value that the file does not tell.
    Forget(Field),
    /// The packet gets a tag of pf.
    Tag(u32),
    /// A field gets a value: TTL, DSCP and the like.
    Set(Field, u32),
    /// The connection is exempt from tracking: its state is untracked from here on.
    NoTrack,
    /// The connection gets a helper that opens what its signalling announces.
    Helper(HelperId),
    /// The packet is translated. Does not end the stage: dialects where it does add an accept.
    Nat(NatId),
    /// Replies to this packet's connection pass without rules on the side where it is said (pf `keep state`), or do
    /// not (`no state`): where the packet comes in, or where it goes out.
    KeepState(bool),
    /// Nobody knows what happens: the target is not in the file, or is not understood. The packet may
    /// be accepted, dropped, or go on with the next rule.
    Undefined(CondId),
}

/// One step of a rule.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Step {
    /// Goes on only if it holds.
    Test(Test),
    /// Happens.
    Effect(Effect),
    /// Has the effect of the entry that the packet is in; ends the rule where it is in none.
    Lookup(MapId),
}

/// One rule.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rule {
    /// First of [`Ruleset::steps`].
    pub(crate) first: u32,
    /// One past the last.
    pub(crate) last: u32,
    /// The rule as it is written.
    pub span: Span,
    /// The element of a list, group or set that this expanded rule stands for; equal to `span` where
    /// there is none.
    pub element: Span,
    /// What it does besides its steps, and no verdict hangs on (queues, priorities, copies), by number: rules of one
    /// number do the same. 0 where that is nothing.
    pub beside: u32,
}

/// What the rules of a chain are, where the language has kinds that people tell apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum ChainKind {
    /// A chain as the file has it, or a part of the way through the box.
    #[default]
    Plain,
    /// The entries of an access-list.
    AccessList,
    /// The end that a bound access-list has without an entry: one rule for each reply.
    ImpliedDeny,
    /// What the security levels of interfaces let pass and stop.
    SecurityLevels,
    /// Translations, and what has to hold for them.
    Translation,
    /// What the box does beside these without being told, and in which order it asks them.
    BuiltIn,
}

impl ChainKind {
    /// Whether nobody wrote the rules as rules: they follow from other lines, or from the box itself.
    pub fn is_of_the_box(self) -> bool {
        match self {
            ChainKind::Plain | ChainKind::AccessList | ChainKind::ImpliedDeny => false,
            ChainKind::SecurityLevels | ChainKind::Translation | ChainKind::BuiltIn => true,
        }
    }
}

/// A chain: rules from the top.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chain {
    /// What its rules are.
    pub kind: ChainKind,
    /// Its name, with the table where the dialect has tables: `filter INPUT`.
    pub name: String,
    /// Where it is declared.
    pub span: Span,
    /// The rules, in order.
    pub rules: Vec<Rule>,
}

impl Chain {
    /// The name that people use: without the table; of an access-list, the list's own.
    pub fn short_name(&self) -> &str {
        let name = self.name.as_str();
        let found = match self.kind {
            ChainKind::AccessList | ChainKind::ImpliedDeny => {
                name.trim_start_matches("access-list ").split(' ').next()
            }
            _ => name.rsplit(' ').next(),
        };
        found.unwrap_or(name)
    }
}

/// Names one rule of a ruleset.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RuleId {
    /// The chain.
    pub chain: ChainId,
    /// Its place in the chain, from 0.
    pub index: u32,
}

/// The points that a packet crosses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Hook {
    /// Before the routing decision; there is no output interface yet.
    Prerouting,
    /// To the box itself.
    Input,
    /// Through the box.
    Forward,
    /// From the box itself; there is no input interface.
    Output,
    /// On the way out.
    Postrouting,
}

/// The ways through a box.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// From one interface to another: prerouting, forward, postrouting.
    Forward,
    /// To the box itself: prerouting, input.
    Input,
    /// From the box itself: output, postrouting.
    Output,
}

impl Way {
    /// The hooks of the way, in order.
    pub fn hooks(self) -> &'static [Hook] {
        match self {
            Way::Forward => &[Hook::Prerouting, Hook::Forward, Hook::Postrouting],
            Way::Input => &[Hook::Prerouting, Hook::Input],
            Way::Output => &[Hook::Output, Hook::Postrouting],
        }
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Way::Forward => "forward",
            Way::Input => "input",
            Way::Output => "output",
        }
    }
}

/// What a stage is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StageKind {
    /// Lets packets pass or not.
    Filter,
    /// Translates destinations: only packets that start a connection enter, and none whose
    /// destination an earlier stage of this kind translated.
    DstNat,
    /// Translates sources, likewise.
    SrcNat,
}

/// One walk of a chain at a hook.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stage {
    /// The chain that is walked.
    pub chain: ChainId,
    /// What it is for.
    pub kind: StageKind,
    /// Whether IPv4 packets enter.
    pub v4: bool,
    /// Whether IPv6 packets enter.
    pub v6: bool,
    /// What becomes of packets that fall off the end.
    pub policy: Verdict,
    /// Where the policy is written; where it is implied, the chain's declaration.
    pub policy_span: Span,
    /// Whether the policy is written in the file, and not implied by the language.
    pub policy_written: bool,
    /// The place in the order of the hook, as the dialect counts (netfilter priorities).
    pub priority: i32,
    /// Whether the stage runs before connection tracking: there every packet's state reads as
    /// invalid (untracked after [`Effect::NoTrack`]), and fields of the connection are absent.
    pub before_tracking: bool,
}

impl Stage {
    /// Whether packets of a family enter.
    pub fn sees(&self, family: Family) -> bool {
        match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        }
    }
}

/// The new address of a translation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NatAddr {
    /// Stays.
    Keep,
    /// One of the addresses `[lo, hi]` of a family; which one is open where they differ.
    Pool(Family, u128, u128),
    /// The network part is replaced, the host part stays (NETMAP, `bitmask`): network and prefix length.
    Prefix(Family, u128, u32),
    /// The address of the interface that the packet leaves by (source), or came in by (destination).
    Interface,
    /// The loopback address, for a packet that the box itself sends (REDIRECT in output).
    Loopback,
    /// Not told by the file.
    Unknown,
}

/// The new port of a translation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NatPort {
    /// Stays where it can: an implicit change to keep connections apart is not modelled for a first one.
    Keep,
    /// One of the ports `[lo, hi]`; a port already inside stays.
    Pool(u16, u16),
    /// One of the ports `[lo, hi]`, also where the old one is inside (the source port of pf's `nat`, pf_lb.c,
    /// `pf_get_sport`).
    Random(u16, u16),
    /// The port moves by the difference of two range starts, modulo 2^16 (nft and iptables port shifts).
    Shift(u16),
    /// Not told by the file (`random`, or a pool of the system's choice).
    Unknown,
}

/// A translation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nat {
    /// Destination if true, else source.
    pub destination: bool,
    /// The new address.
    pub addr: NatAddr,
    /// The new port.
    pub port: NatPort,
}

/// Addresses that lie behind some of the box's interfaces, by its networks and routes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Behind {
    /// Family of the addresses.
    pub family: Family,
    /// The addresses; those of one family are apart from each other.
    pub addresses: Set,
    /// The interfaces, by name.
    pub interfaces: Set,
}

/// An address of the box itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnAddress {
    /// The interface's name; empty where it is not known which it is.
    pub interface: String,
    /// Family of the address.
    pub family: Family,
    /// The address.
    pub address: u128,
    /// Length of its prefix in bits.
    pub prefix: u32,
}

/// Everything that decides about packets, of all the files of one firewall.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ruleset {
    /// All chains; [`ChainId`] is the index.
    pub chains: Vec<Chain>,
    /// The stages of each [`Hook`], in order.
    pub hooks: [Vec<Stage>; 5],
    /// The steps of all rules.
    pub steps: Vec<Step>,
    /// The sets of values.
    pub sets: Vec<Set>,
    /// The masks of [`Test::Masked`].
    pub masks: Vec<u128>,
    /// The unions of products.
    pub tuples: Vec<Tuples>,
    /// The lookup tables.
    pub maps: Vec<Map>,
    /// The unknown conditions.
    pub conditions: Vec<Condition>,
    /// The translations.
    pub nats: Vec<Nat>,
    /// The names of the helpers.
    pub helpers: Vec<String>,
    /// The tags of pf; tag 0 is none and has no name here: tag `n` is `tags[n - 1]`.
    pub tags: Vec<String>,
    /// Whether replies of an accepted connection pass without rules (pf, ASA).
    pub stateful: bool,
    /// Whether forwarding leaves the TTL alone (ASA, unless `set connection decrement-ttl`). All others take one
    /// off, and drop what has none left.
    pub keeps_ttl: bool,
    /// Which families the files speak of: an iptables-save dump says nothing of IPv6.
    pub v4: bool,
    /// Likewise for IPv6.
    pub v6: bool,
    /// The names of the interfaces, where the files tell all; else empty.
    pub interfaces: Set,
    /// Which addresses lie behind which interfaces, as far as the files tell.
    pub behind: Vec<Behind>,
    /// Pairs of sides, by the names of their interfaces: the firewall itself trusts the first one more than the second
    /// (security levels of an ASA).
    pub outward: Vec<(Set, Set)>,
    /// The box's own addresses, where they are known.
    pub own: Vec<OwnAddress>,
    /// Addresses that are certainly not the box's own: those of the site's devices.
    pub elsewhere: Vec<(Family, u128)>,
    /// Number of rules as written in the files (expansions not counted).
    pub written: usize,
}

impl Ruleset {
    /// The steps of a rule.
    pub fn steps_of(&self, rule: &Rule) -> &[Step] {
        &self.steps[rule.first as usize..rule.last as usize]
    }

    /// A chain.
    pub fn chain(&self, id: ChainId) -> &Chain {
        &self.chains[id.0 as usize]
    }

    /// A rule.
    pub fn rule(&self, id: RuleId) -> &Rule {
        &self.chains[id.chain.0 as usize].rules[id.index as usize]
    }

    /// The stages of a hook.
    pub fn stages(&self, hook: Hook) -> &[Stage] {
        &self.hooks[hook as usize]
    }

    /// The chains that packets can come to from some of them, which are among them.
    pub fn reached(&self, from: impl IntoIterator<Item = ChainId>) -> FxHashSet<ChainId> {
        let mut open: Vec<ChainId> = from.into_iter().collect();
        let (mut reached, mut looked_up) = (FxHashSet::default(), FxHashSet::default());
        while let Some(chain) = open.pop() {
            if !reached.insert(chain) {
                continue;
            }
            for step in self.chain(chain).rules.iter().flat_map(|rule| self.steps_of(rule)) {
                // A large table that many rules look into is gone through once.
                if !matches!(step, Step::Lookup(map) if !looked_up.insert(*map)) {
                    open.extend(self.effects(std::slice::from_ref(step)).filter_map(Effect::leads_to));
                }
            }
        }
        reached
    }

    /// A set.
    pub fn set(&self, id: SetId) -> &Set {
        &self.sets[id.0 as usize]
    }

    /// The values of a test as a set.
    pub fn values(&self, values: Values) -> Set {
        match values {
            Values::Range(lo, hi) => Set::range(lo.into(), hi.into()),
            Values::Set(id) => self.set(id).clone(),
        }
    }

    /// Whether a value is among the values.
    pub fn holds(&self, values: Values, value: u128) -> bool {
        match values {
            Values::Range(lo, hi) => u128::from(lo) <= value && value <= u128::from(hi),
            Values::Set(id) => self.set(id).contains(value),
        }
    }

    /// An unknown condition.
    pub fn condition(&self, id: CondId) -> &Condition {
        &self.conditions[id.0 as usize]
    }

    /// A translation.
    pub fn nat(&self, id: NatId) -> &Nat {
        &self.nats[id.0 as usize]
    }

    /// A lookup table.
    pub fn map(&self, id: MapId) -> &Map {
        &self.maps[id.0 as usize]
    }

    /// A union of products.
    pub fn tuple(&self, id: TuplesId) -> &Tuples {
        &self.tuples[id.0 as usize]
    }

    /// The box's own addresses of a family as far as they are known; loopback addresses always are.
    pub fn own_set(&self, family: Family) -> Set {
        let loopback = match family {
            Family::V4 => (0x7f00_0000, 0x7fff_ffff),
            Family::V6 => (1, 1),
        };
        let listed = self.own.iter().filter(|own| own.family == family).map(|own| (own.address, own.address));
        Set::of(listed.chain([loopback]))
    }

    /// The addresses whose packets the box keeps, as far as they are known: its own, and in IPv4 the broadcast
    /// addresses of its networks and of all (`fib_add_ifaddr` and `ip_route_input_slow` of Linux 6.x).
    pub fn delivered_set(&self, family: Family) -> Set {
        let own = self.own_set(family);
        if family == Family::V6 {
            return own;
        }
        let networks = self.own.iter().filter(|own| own.family == family && own.prefix < 31);
        let broadcasts = networks.map(|own| {
            let (_, last) = family.prefix(own.address, own.prefix);
            (last, last)
        });
        own.or(&Set::of(broadcasts.chain([(family.last(), family.last())])))
    }

    /// Whether an address from `[lo, hi]` is one of the box's own ([`Ruleset::own_set`]) or one whose packets it
    /// keeps ([`Ruleset::delivered_set`]); `None` where that is open.
    pub fn is_among(&self, own: &Set, family: Family, lo: u128, hi: u128) -> Option<bool> {
        if own.covers(&Set::range(lo, hi)) {
            Some(true)
        } else if lo == hi && self.elsewhere.contains(&(family, lo)) {
            Some(false)
        } else if own.meets_range(lo, hi) || self.own.is_empty() {
            None
        } else {
            Some(false)
        }
    }

    /// The interfaces behind which all of some addresses lie; empty where the files do not tell.
    pub fn behind(&self, family: Family, addresses: &Set) -> Set {
        let known =
            self.behind.iter().find(|known| known.family == family && known.addresses.covers(addresses));
        known.map_or_else(Set::empty, |known| known.interfaces.clone())
    }

    /// The destinations that translation turns into an address: how the other side knows it.
    pub fn translated_from(&self, family: Family, address: u128) -> Set {
        let mut found = Set::empty();
        if !self.nats.iter().any(|nat| nat.destination) {
            return found;
        }
        for rule in self.chains.iter().flat_map(|chain| &chain.rules) {
            let steps = self.steps_of(rule);
            let nat = steps.iter().find_map(|step| match step {
                Step::Effect(Effect::Nat(nat)) => Some(self.nat(*nat)),
                _ => None,
            });
            let Some(Nat { destination: true, addr, .. }) = nat else { continue };
            let before = steps.iter().find_map(|step| match step {
                Step::Test(Test::In { field, values, negate: false }) if *field == Field::dst(family) => {
                    Some(self.values(*values))
                }
                _ => None,
            });
            let Some(before) = before else { continue };
            match *addr {
                NatAddr::Pool(of, lo, hi) if of == family && (lo..=hi).contains(&address) => {
                    found = found.or(&before)
                }
                NatAddr::Prefix(of, net, len) if of == family => {
                    let (lo, hi) = family.prefix(net, len);
                    if let (true, [(from, to)]) = ((lo..=hi).contains(&address), before.ranges())
                        && to - from == hi - lo
                    {
                        found = found.or(&Set::one(from + (address - lo)));
                    }
                }
                _ => {}
            }
        }
        found
    }

    /// The address of an interface in a family, where it has one besides its link-local ones: which of
    /// several the system takes depends on routes and scopes.
    pub fn own_address(&self, interface: u128, family: Family) -> Option<u128> {
        let local = |own: &&OwnAddress| family == Family::V6 && own.address >> 118 == 0xfe80 >> 6;
        let mut found = self.own.iter().filter(|own| {
            own.family == family && crate::packet::interface(&own.interface) == interface && !local(own)
        });
        let first = found.next()?;
        found.next().is_none().then_some(first.address)
    }

    /// Number of normalized rules.
    pub fn rules(&self) -> usize {
        self.chains.iter().map(|chain| chain.rules.len()).sum()
    }
}
