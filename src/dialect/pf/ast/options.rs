//! What stands after the addresses of a rule.

use crate::source::Span;

use super::{Af, Host, Interface, List, Port};

/// Everything of a rule after the addresses.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `flags …`
    pub flags: Option<Flags>,
    /// `icmp-type …`, `icmp6-type …`
    pub icmp: List<IcmpMatch>,
    /// `keep state`, `no state`, …
    pub state: Option<State>,
    /// `fragment`
    pub fragment: bool,
    /// `allow-opts`
    pub allow_opts: bool,
    /// Written by a program: `antispoof`, pfSense, OPNsense.
    pub generated: bool,
    /// What few rules have.
    rare: Option<Box<Rare>>,
}

/// What few rules have, to keep the others small.
#[derive(Clone, Debug, Default)]
pub struct Rare {
    /// `log`, with the text of its options.
    pub log: Option<String>,
    /// `os …`: empty for any.
    pub os: Vec<String>,
    /// `label …`
    pub labels: Vec<String>,
    /// `queue …`
    pub queue: Option<String>,
    /// `tag …`
    pub tag: Option<String>,
    /// `tagged …`, and whether negated.
    pub tagged: Option<(bool, String)>,
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
    log: None,
    os: Vec::new(),
    labels: Vec::new(),
    queue: None,
    tag: None,
    tagged: None,
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
