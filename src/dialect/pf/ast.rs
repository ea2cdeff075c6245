//! The syntax tree of pf.conf: what was written, before lists are multiplied out.
//!
//! One tree serves both families. A translation rule of FreeBSD and macOS (`nat`, `rdr`, `binat`), a `scrub`
//! rule and an anchor are rules like `pass` and `block`, with another [`Action`].

use std::net::IpAddr;

use crate::source::Span;

/// Which family of the language a file is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// OpenBSD since 4.7: `match`, `nat-to`, `rdr-to`; translation is part of filtering.
    OpenBsd,
    /// FreeBSD, macOS, NetBSD, DragonFly, pfSense, OPNsense: `nat`, `rdr`, `binat` before filtering.
    FreeBsd,
}

/// A statement and where it stands.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The whole statement.
    pub span: Span,
    /// What it says.
    pub kind: StatementKind,
}

/// What a statement says.
#[derive(Clone, Debug)]
pub enum StatementKind {
    /// `name = "value"`
    Macro(String),
    /// `set …`
    Option(SetOption),
    /// `table <name> …`
    Table(Table),
    /// `altq on …` or `queue …`
    Queue(Queue),
    /// `pass`, `block`, `match`, `scrub`, `nat`, `rdr`, `binat`
    Rule(Box<Rule>),
    /// `anchor`, `nat-anchor`, `rdr-anchor`, `binat-anchor`
    Anchor(Box<Anchor>),
    /// `load anchor name from file`, with what the file says, where it could be read
    LoadAnchor {
        /// The anchor's path.
        name: String,
        /// The file's statements; `None` where it could not be read.
        body: Option<Vec<Statement>>,
    },
    /// `antispoof for …`: the rules that it stands for
    Antispoof(Vec<Rule>),
    /// `include "file"`
    Include {
        /// The path as written.
        path: String,
        /// The file's statements; `None` where it could not be read.
        body: Option<Vec<Statement>>,
    },
    /// A statement that could not be read, with what its first word tells that it does.
    Broken(Option<Action>),
    /// Left out, because it decides nothing about routed packets.
    Ignored(&'static str),
}

/// An option of `set`.
#[derive(Clone, Debug)]
pub enum SetOption {
    /// `block-policy`
    BlockPolicy(Reply),
    /// `skip on`
    Skip(Vec<Interface>),
    /// `state-policy`: true where states are bound to interfaces
    StatePolicy(bool),
    /// `require-order`
    RequireOrder(bool),
    /// `reassemble`: whether fragments are put together before filtering (the default on OpenBSD)
    Reassemble(bool),
    /// `state-defaults`
    StateDefaults(StateOptions),
    /// An option that changes no verdict, by its name
    Other(&'static str),
}

/// `table <name> …`
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// `const`
    pub constant: bool,
    /// `persist`
    pub persist: bool,
    /// `counters`
    pub counters: bool,
    /// The addresses written out or read from a file, in order.
    pub entries: Vec<Host>,
    /// Files that could not be read: the contents are not all known.
    pub unread: Vec<String>,
    /// Whether contents were given at all, be they empty.
    pub initialized: bool,
}

/// `altq on …` and `queue …`: bandwidth, which no verdict depends on.
#[derive(Clone, Debug)]
pub struct Queue {
    /// The queue's name; `None` for `altq on`.
    pub name: Option<String>,
    /// Where it stands.
    pub interfaces: Vec<Interface>,
    /// Child queues named by it (ALTQ).
    pub children: Vec<String>,
    /// `parent …` (OpenBSD).
    pub parent: Option<String>,
}

/// One rule of any kind.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The whole rule.
    pub span: Span,
    /// What it does.
    pub action: Action,
    /// `in` or `out`; both where missing.
    pub direction: Option<Direction>,
    /// `log`, with the text of its options.
    pub log: Option<String>,
    /// Where `quick` stands.
    pub quick: Option<Span>,
    /// `on …`: empty for any.
    pub interfaces: Vec<Interface>,
    /// `inet` or `inet6`.
    pub af: Option<Af>,
    /// `proto …`: empty for any.
    pub protocols: Vec<Protocol>,
    /// `from …`
    pub from: Peer,
    /// `to …`
    pub to: Peer,
    /// `os …`: empty for any.
    pub os: Vec<String>,
    /// Everything after the addresses.
    pub options: Options,
}

/// What a rule does with a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// `pass`
    Pass,
    /// `block`, with its reply
    Block(Reply),
    /// `match`
    Match,
    /// `scrub`, or `no scrub`
    Scrub {
        /// `no scrub`
        no: bool,
    },
    /// `nat`, `rdr`, `binat`
    Translate {
        /// Which of the three.
        kind: TranslateKind,
        /// `no nat`, …
        no: bool,
        /// `nat pass`, …: passed without filtering.
        pass: bool,
    },
    /// An anchor: its conditions decide whether its rules are looked at.
    Anchor,
}

/// The three kinds of translation rules of FreeBSD and macOS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TranslateKind {
    /// Source translation of what leaves.
    Nat,
    /// Destination translation of what arrives.
    Rdr,
    /// Both ways, one to one.
    Binat,
}

/// What a block rule answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply {
    /// Nothing.
    Drop,
    /// `return`: a TCP reset, an ICMP unreachable for UDP, and for the rest by the system's rules.
    Return,
    /// `return-rst`, with its TTL.
    Reset(Option<u8>),
    /// `return-icmp`, `return-icmp6`: the codes for IPv4 and IPv6.
    Icmp {
        /// Code of an ICMP unreachable.
        v4: u8,
        /// Code of an ICMPv6 unreachable.
        v6: u8,
    },
}

/// The way of a packet through an interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Into the host.
    In,
    /// Out of the host.
    Out,
}

/// An address family.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Af {
    /// `inet`
    V4,
    /// `inet6`
    V6,
}

impl Af {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Af {
        if address.is_ipv4() { Af::V4 } else { Af::V6 }
    }

    /// The length of an address in bits.
    pub fn bits(self) -> u8 {
        match self {
            Af::V4 => 32,
            Af::V6 => 128,
        }
    }
}

/// An interface in a rule.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Where it stands.
    pub span: Span,
    /// `! em0`
    pub negated: bool,
    /// Which one.
    pub name: InterfaceName,
}

/// Which interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum InterfaceName {
    /// An interface or a group of interfaces.
    Named(String),
    /// `any`: every interface that is no loopback (OpenBSD).
    Any,
    /// `rdomain n` (OpenBSD).
    Rdomain(i64),
}

/// A protocol in a rule.
#[derive(Clone, Debug)]
pub struct Protocol {
    /// Where it stands.
    pub span: Span,
    /// Its number; `None` where the name is not known here.
    pub number: Option<u8>,
    /// As written.
    pub text: String,
}

/// `from` or `to`: hosts and ports.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// Empty for any.
    pub hosts: Vec<Host>,
    /// Empty for any.
    pub ports: Vec<PortMatch>,
}

/// One host of a list.
#[derive(Clone, Debug)]
pub struct Host {
    /// Where it stands.
    pub span: Span,
    /// `! host`
    pub negated: bool,
    /// What it is.
    pub address: Address,
    /// `fe80::1%em0`: the interface of a link-local address.
    pub scope: Option<InterfaceName>,
}

/// What may stand for a host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Address {
    /// `any` as an element of a list.
    Any,
    /// An address or a network, host bits masked.
    Net(Net),
    /// `a - b`
    Range(IpAddr, IpAddr),
    /// A bare name: a host name, or an interface whose addresses are taken when the rules are loaded.
    Name {
        /// The name, modifiers taken off.
        name: String,
        /// `:network`, `:0`, …
        modifiers: Modifiers,
        /// `/24`
        prefix: Option<u8>,
    },
    /// `(em0)`: an interface's addresses at the time of the packet.
    Dynamic {
        /// The interface or group.
        name: String,
        /// `:network`, `:0`, …
        modifiers: Modifiers,
        /// `/24`
        prefix: Option<u8>,
    },
    /// `<table>`
    Table(String),
    /// `no-route`
    NoRoute,
    /// `urpf-failed`
    UrpfFailed,
    /// `route "label"`
    RouteLabel(String),
}

/// A network: the address has its host bits cleared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Net {
    /// First address.
    pub address: IpAddr,
    /// Prefix length.
    pub prefix: u8,
}

/// Modifiers of an interface name (pf.conf(5), PARAMETERS, `from`).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Modifiers {
    /// `:network`
    pub network: bool,
    /// `:broadcast`
    pub broadcast: bool,
    /// `:peer`
    pub peer: bool,
    /// `:0`: without aliases
    pub no_alias: bool,
}

/// One port condition.
#[derive(Clone, Debug)]
pub struct PortMatch {
    /// Where it stands.
    pub span: Span,
    /// The comparison.
    pub op: PortOp,
}

/// A comparison of a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PortOp {
    /// `= p`
    Eq(Port),
    /// `!= p`
    Ne(Port),
    /// `< p`
    Lt(Port),
    /// `<= p`
    Le(Port),
    /// `> p`
    Gt(Port),
    /// `>= p`
    Ge(Port),
    /// `a:b`, with the ends
    Range(Port, Port),
    /// `a >< b`, without the ends
    Inside(Port, Port),
    /// `a <> b`, what lies outside
    Outside(Port, Port),
}

/// A port, or the name of a service that is not known here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Port {
    /// Its number.
    Number(u16),
    /// A name that only the system that loads the rules can resolve.
    Unknown(String),
}

/// Everything of a rule after the addresses.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `flags …`
    pub flags: Option<Flags>,
    /// `icmp-type …`, `icmp6-type …`
    pub icmp: Vec<IcmpMatch>,
    /// `keep state`, `no state`, …
    pub state: Option<State>,
    /// `fragment`
    pub fragment: bool,
    /// `allow-opts`
    pub allow_opts: bool,
    /// `label …`
    pub labels: Vec<String>,
    /// `queue …`
    pub queue: Option<String>,
    /// `tag …`
    pub tag: Option<String>,
    /// `tagged …`, and whether negated.
    pub tagged: Option<(bool, String)>,
    /// What few rules have.
    rare: Option<Box<Rare>>,
}

/// The options of a rule that few rules have.
#[derive(Clone, Debug, Default)]
pub struct Rare {
    /// `user …`, in pfctl's order: the last one written comes first.
    pub users: Vec<IdMatch>,
    /// `group …`, likewise.
    pub groups: Vec<IdMatch>,
    /// `tos …`
    pub tos: Option<u8>,
    /// `probability …`, as written.
    pub probability: Option<String>,
    /// `rtable n`
    pub rtable: Option<i64>,
    /// `divert-to`, `divert-reply`, `divert-packet`
    pub divert: Option<Divert>,
    /// What changes the packet without changing verdicts: `scrub (…)`, `set …`, `dnpipe …`, as normalized text.
    pub packet: Vec<String>,
    /// `nat-to …`, or the pool of a `nat` or `binat` rule.
    pub nat: Option<Pool>,
    /// `rdr-to …`, or the pool of an `rdr` rule.
    pub rdr: Option<Pool>,
    /// `binat-to`: `nat` is to be applied both ways.
    pub binat: bool,
    /// `af-to`: the family translated to; the pools are `nat` and `rdr`.
    pub af_to: Option<Af>,
    /// `route-to`, `reply-to`, `dup-to`
    pub route: Option<Route>,
    /// `received-on …`
    pub received_on: Option<Interface>,
    /// `once`
    pub once: bool,
    /// `max-pkt-rate n/s`
    pub max_packet_rate: Option<String>,
    /// `max-pkt-size n`
    pub max_packet_size: Option<i64>,
    /// `prio n` as a condition.
    pub prio: Option<i64>,
    /// `state limiter …`, `source limiter …` with its name
    pub limiter: Option<String>,
}

/// The rare options of a rule that has none.
static NO_RARE: Rare = Rare {
    users: Vec::new(),
    groups: Vec::new(),
    tos: None,
    probability: None,
    rtable: None,
    divert: None,
    packet: Vec::new(),
    nat: None,
    rdr: None,
    binat: false,
    af_to: None,
    route: None,
    received_on: None,
    once: false,
    max_packet_rate: None,
    max_packet_size: None,
    prio: None,
    limiter: None,
};

impl Options {
    /// The options that few rules have.
    pub fn rare(&self) -> &Rare {
        self.rare.as_deref().unwrap_or(&NO_RARE)
    }

    /// The same, to be set.
    pub fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

/// One user or group condition, as normalized text: `= 0`, `!= root`, `1000 >< 2000`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdMatch {
    /// `=`, `!=`, `<`, `<=`, `>`, `>=`, `><`, `<>`, `:`
    pub op: &'static str,
    /// The first operand, a name or a number.
    pub first: String,
    /// The second operand of the ranges.
    pub second: Option<String>,
}

/// `flags a/b`: of the flags in `mask` exactly those in `set` are set. Bits are those of the TCP header.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Flags {
    /// `a`
    pub set: u8,
    /// `b`; 0 for `flags any`
    pub mask: u8,
}

/// `icmp-type t code c`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IcmpMatch {
    /// Where it stands.
    pub span: Span,
    /// `icmp6-type`
    pub v6: bool,
    /// The type.
    pub kind: u8,
    /// The code, where given.
    pub code: Option<u8>,
}

/// How a rule treats state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct State {
    /// Where it stands.
    pub span: Span,
    /// `no`, `keep`, `modulate` or `synproxy`
    pub kind: StateKind,
    /// In parentheses; `None` where there is nothing.
    pub options: Option<Box<StateOptions>>,
}

impl State {
    /// The limits that, once reached, let no new state in.
    pub fn limits(&self) -> &[String] {
        self.options.as_ref().map_or(&[], |options| &options.limits)
    }

    /// Whether `sloppy` is given.
    pub fn is_sloppy(&self) -> bool {
        self.options.as_ref().is_some_and(|options| options.sloppy)
    }

    /// The table that `overload` fills.
    pub fn overload(&self) -> Option<&str> {
        self.options.as_ref().and_then(|options| options.overload.as_deref())
    }
}

/// The word before `state`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StateKind {
    /// `no state`
    No,
    /// `keep state`
    Keep,
    /// `modulate state`
    Modulate,
    /// `synproxy state`
    Synproxy,
}

/// The options of a state.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct StateOptions {
    /// Limits that, once reached, let no new state in: `max 100`, `max-src-conn 5`, …
    pub limits: Vec<String>,
    /// `overload <table>`
    pub overload: Option<String>,
    /// Everything that no verdict of a first packet depends on.
    pub other: Vec<String>,
    /// `if-bound` (true) or `floating`.
    pub if_bound: Option<bool>,
    /// `sloppy`
    pub sloppy: bool,
}

/// `divert-…`
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Divert {
    /// `divert-to address port p`: delivered to a local socket.
    To(Option<String>, Port),
    /// `divert-reply`
    Reply,
    /// `divert-packet port p`, and FreeBSD's `divert-to p`: handed to a program, which may let it go on.
    Packet(Port),
}

/// The addresses of a translation.
#[derive(Clone, Debug)]
pub struct Pool {
    /// Where it stands.
    pub span: Span,
    /// The addresses.
    pub hosts: Vec<Host>,
    /// The port, or the port range.
    pub port: Option<PoolPort>,
    /// How an address is chosen.
    pub options: PoolOptions,
}

/// `port …` of a pool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PoolPort {
    /// One port.
    One(Port),
    /// `a:b`
    Range(Port, Port),
    /// `a:*`: as many ports as the rule matches, from `a` on.
    From(Port),
}

/// The options of a pool.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct PoolOptions {
    /// `bitmask`, `random`, `source-hash`, `round-robin`, `least-states`
    pub kind: Option<&'static str>,
    /// `static-port`
    pub static_port: bool,
    /// The rest, as text: `sticky-address`, `map-e-portset …`, …
    pub other: Vec<String>,
}

/// `route-to`, `reply-to`, `dup-to`
#[derive(Clone, Debug)]
pub struct Route {
    /// Which.
    pub kind: RouteKind,
    /// Interfaces that packets are sent out of, where named.
    pub interfaces: Vec<String>,
    /// Next hops.
    pub hosts: Vec<Host>,
    /// How one is chosen.
    pub options: PoolOptions,
}

/// Which kind of routing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RouteKind {
    /// The packet goes elsewhere.
    To,
    /// Replies go elsewhere.
    Reply,
    /// A copy goes elsewhere.
    Dup,
}

/// `anchor …`
#[derive(Clone, Debug)]
pub struct Anchor {
    /// Its conditions, with [`Action::Anchor`].
    pub rule: Rule,
    /// Filter anchor, or the translation that it is for.
    pub kind: Option<TranslateKind>,
    /// Its name, where it has one; may end in `/*`.
    pub name: Option<String>,
    /// The rules in braces.
    pub body: Option<Vec<Statement>>,
}
