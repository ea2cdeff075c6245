//! The syntax tree of pf.conf: what was written, before lists are multiplied out.
//!
//! One tree serves both families. A translation rule of FreeBSD and macOS (`nat`, `rdr`, `binat`), a `scrub`
//! rule and an anchor are rules like `pass` and `block`, with another [`Action`].

mod list;
mod options;

use std::net::IpAddr;

use crate::source::Span;

pub use list::List;
pub use options::{
    Divert, Flags, IcmpMatch, IdMatch, Options, Pool, PoolOptions, PoolPort, Route, RouteKind, State,
    StateKind, StateOptions,
};

/// Which flavour of the language a file is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flavour {
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
    Macro,
    /// `set …`
    Option(Box<SetOption>),
    /// `table <name> …`
    Table(Box<Table>),
    /// `altq on …` or `queue …`
    Queue(Box<Queue>),
    /// `pass`, `block`, `match`, `scrub`, `nat`, `rdr`, `binat`
    Rule(Box<Rule>),
    /// `anchor`, `nat-anchor`, `rdr-anchor`, `binat-anchor`
    Anchor(Box<Anchor>),
    /// `load anchor name from file`, with what the file says, where it could be read
    LoadAnchor {
        /// The anchor's path.
        name: Box<str>,
        /// The file's statements; `None` where it could not be read.
        body: Option<Box<[Statement]>>,
    },
    /// `antispoof for …`: the rules that it stands for
    Antispoof(Vec<Rule>),
    /// `include "file"`
    Include {
        /// The path as written.
        path: Box<str>,
        /// The file's statements; `None` where it could not be read.
        body: Option<Box<[Statement]>>,
    },
    /// A statement that could not be read, with what its first word tells that it does.
    Broken(Option<Action>),
    /// Left out, because it decides nothing about routed packets.
    Ignored,
}

/// An option of `set`.
#[derive(Clone, Debug)]
pub enum SetOption {
    /// `skip on`
    Skip(Vec<Interface>),
    /// `timeout`, where it is about states that have seen packets both ways: `tcp.established` and the like, with seconds
    Timeouts(Vec<(String, u32, Span)>),
    /// One that changes no verdict, or that the parser heeds
    Other,
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
#[derive(Clone, Default, Debug)]
pub struct Queue {
    /// The queue's name; `None` for `altq on`.
    pub name: Option<String>,
    /// Where it stands.
    pub interfaces: Vec<Interface>,
    /// Child queues named by it (ALTQ).
    pub children: Vec<String>,
    /// `parent …` (OpenBSD).
    pub parent: Option<String>,
    /// Whether a bandwidth is given.
    pub bandwidth: bool,
    /// Whether `flows` is given.
    pub flows: bool,
    /// `default`
    pub default: bool,
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
    /// Where `quick` stands.
    pub quick: Option<Span>,
    /// `on …`: empty for any.
    pub interfaces: List<Interface>,
    /// `inet` or `inet6`.
    pub af: Option<Af>,
    /// `proto …`: empty for any.
    pub protocols: List<Protocol>,
    /// `from …`
    pub from: Peer,
    /// `to …`
    pub to: Peer,
    /// Everything after the addresses, and what few rules have.
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
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
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
    /// As written, where the number is not known.
    pub text: Box<str>,
}

/// `from` or `to`: hosts and ports.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// Empty for any.
    pub hosts: List<Host>,
    /// Empty for any.
    pub ports: List<PortMatch>,
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
    pub scope: Option<Box<InterfaceName>>,
}

/// What may stand for a host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Address {
    /// `any` as an element of a list.
    Any,
    /// An address or a network, host bits masked.
    Net(Net),
    /// `a - b`
    Range(Box<(IpAddr, IpAddr)>),
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

impl PortOp {
    /// The name of a service in it that is not known here.
    pub fn unknown(&self) -> Option<&str> {
        let (a, b) = match self {
            PortOp::Eq(a) | PortOp::Ne(a) | PortOp::Lt(a) | PortOp::Le(a) | PortOp::Gt(a) | PortOp::Ge(a) => {
                (a, a)
            }
            PortOp::Range(a, b) | PortOp::Inside(a, b) | PortOp::Outside(a, b) => (a, b),
        };
        [a, b].into_iter().find_map(|port| match port {
            Port::Number(_) => None,
            Port::Unknown(name) => Some(&**name),
        })
    }
}

/// A port, or the name of a service that is not known here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Port {
    /// Its number.
    Number(u16),
    /// A name that only the system that loads the rules can resolve.
    Unknown(Box<str>),
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
