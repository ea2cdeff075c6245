//! The syntax tree, the same for text and for JSON.
//!
//! Words are kept as spans wherever the text of the file says what they are, so that a set of a
//! million elements costs forty bytes an element. Variables are replaced by their values while
//! parsing, as nft does: a use keeps its own span and shares the value.

use std::rc::Rc;

pub(super) use super::declarations::*;
use super::headers::HeaderField;
use crate::source::Span;

/// An address family of a table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum TableFamily {
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// IPv4 and IPv6.
    Inet,
    /// ARP.
    Arp,
    /// Frames that a bridge forwards.
    Bridge,
    /// Frames of one device, before or after all else.
    Netdev,
}

impl TableFamily {
    /// The family of a word of the language.
    pub(super) fn of(word: &str) -> Option<TableFamily> {
        Some(match word {
            "ip" => TableFamily::Ip,
            "ip6" => TableFamily::Ip6,
            "inet" => TableFamily::Inet,
            "arp" => TableFamily::Arp,
            "bridge" => TableFamily::Bridge,
            "netdev" => TableFamily::Netdev,
            _ => return None,
        })
    }

    /// The word for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            TableFamily::Ip => "ip",
            TableFamily::Ip6 => "ip6",
            TableFamily::Inet => "inet",
            TableFamily::Arp => "arp",
            TableFamily::Bridge => "bridge",
            TableFamily::Netdev => "netdev",
        }
    }
}

/// A name and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Name {
    /// The name, without quotes.
    pub text: Box<str>,
    /// Where it is written.
    pub span: Span,
}

/// A table by family and name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct TableRef {
    /// The family; `ip` where none is written.
    pub family: TableFamily,
    /// The name.
    pub name: Name,
}

/// An expression.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Expr {
    /// Where it is written.
    pub span: Span,
    /// What it is.
    pub kind: ExprKind,
}

/// The kinds of expression.
#[expect(
    clippy::box_collection,
    reason = "an expression stays at 24 bytes, and a set of a million elements small"
)]
#[derive(Clone, PartialEq, Debug)]
pub(super) enum ExprKind {
    /// A number.
    Number(u64),
    /// A word, quoted or not: its text is what stands at the span.
    Word,
    /// A word whose text is not what stands in the file (escapes in JSON).
    Text(Box<str>),
    /// `exists` or `missing`.
    Bool(bool),
    /// `*`, the element that matches what no other one does.
    Star,
    /// The value of a variable.
    Ref(Rc<Expr>),
    /// `@name`: a named set or map; the text at the span is the name.
    SetRef(Box<str>),
    /// `{ … }`.
    Set(Rc<Vec<Elem>>),
    /// `a-b`.
    Range(Box<(Expr, Expr)>),
    /// `a/len`.
    Prefix(Box<(Expr, u32)>),
    /// `a, b`: flags.
    List(Box<Vec<Expr>>),
    /// `a . b`.
    Concat(Box<Vec<Expr>>),
    /// `a & b` and the like.
    Binary(BinOp, Box<(Expr, Expr)>),
    /// `key map { … }`.
    Map(Box<(Expr, Expr)>),
    /// A field of a header.
    Header(&'static HeaderField),
    /// A property of the packet's metadata.
    Meta(MetaKey),
    /// A property of the packet's connection.
    Ct(CtKey, CtDir),
    /// Everything else that a packet has.
    Other(Box<Selector>),
}

/// Bit operators.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BinOp {
    /// `&`
    And,
    /// `|`
    Or,
    /// `^`
    Xor,
    /// `<<`
    Shl,
    /// `>>`
    Shr,
}

macro_rules! keys {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub(crate) enum $name { $($variant),* }

        impl $name {
            /// The key of a word of the language.
            pub(crate) fn of(word: &str) -> Option<$name> {
                Some(match word { $($word => $name::$variant,)* _ => return None })
            }

            /// The word for it.
            pub(crate) fn name(self) -> &'static str {
                match self { $($name::$variant => $word),* }
            }
        }
    };
}

keys! {
    /// The keys of `meta`, nft(8) "META EXPRESSIONS".
    MetaKey {
        Length = "length", Protocol = "protocol", Priority = "priority", Random = "random",
        Secmark = "secmark", NfProto = "nfproto", L4Proto = "l4proto", BriIifPvid = "ibrpvid",
        BriIifVproto = "ibrvproto", Sdif = "sdif", SdifName = "sdifname", Broute = "broute",
        BriHwAddr = "ibrhwaddr", IifKind = "iifkind", OifKind = "oifkind", Mark = "mark", Iif = "iif", IifName = "iifname",
        IifType = "iiftype", Oif = "oif", OifName = "oifname", OifType = "oiftype", SkUid = "skuid",
        SkGid = "skgid", NfTrace = "nftrace", RtClassId = "rtclassid", BriIif = "ibriport",
        BriOif = "obriport", BriIifName = "ibrname", BriOifName = "obrname", PktType = "pkttype",
        Cpu = "cpu", IifGroup = "iifgroup", OifGroup = "oifgroup", Cgroup = "cgroup",
        IpSec = "ipsec", SecPath = "secpath", Time = "time", Day = "day", Hour = "hour",
    }
}

impl MetaKey {
    /// Whether it may stand without `meta` in front.
    pub(super) fn unqualified(self) -> bool {
        use MetaKey::*;
        !matches!(
            self,
            Length
                | Protocol
                | Priority
                | Random
                | Secmark
                | NfProto
                | L4Proto
                | BriIifPvid
                | BriIifVproto
                | Sdif
                | SdifName
                | Broute
                | BriHwAddr
                | IifKind
                | OifKind
                | SecPath
        )
    }
}

keys! {
    /// The keys of `ct`, nft(8) "CONNTRACK EXPRESSIONS".
    CtKey {
        L3Proto = "l3proto", Protocol = "protocol", Mark = "mark", State = "state",
        Direction = "direction", Status = "status", Expiration = "expiration", Helper = "helper",
        Saddr = "saddr", Daddr = "daddr", ProtoSrc = "proto-src", ProtoDst = "proto-dst",
        IpSaddr = "ip saddr", IpDaddr = "ip daddr", Ip6Saddr = "ip6 saddr", Ip6Daddr = "ip6 daddr",
        Label = "label", Event = "event", Secmark = "secmark", Id = "id", Bytes = "bytes",
        Packets = "packets", AvgPkt = "avgpkt", Zone = "zone",
    }
}

/// The direction that a `ct` key is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum CtDir {
    /// None is written.
    None,
    /// `original`.
    Original,
    /// `reply`.
    Reply,
}

/// What a packet has besides header fields, metadata and connection.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Selector {
    /// `@base,offset,length`, in bits.
    Raw {
        /// `ll`, `nh`, `th` or `ih`.
        base: RawBase,
        /// First bit.
        offset: u32,
        /// Number of bits.
        len: u32,
    },
    /// `exthdr NAME`: whether an IPv6 extension header is there. Field name of [`super::headers`].
    ExtHeader(&'static HeaderField),
    /// `tcp option NAME [FIELD]`; with no field, whether it is there.
    TcpOption {
        /// The option's name or number.
        option: Box<str>,
        /// The field.
        field: Option<Box<str>>,
    },
    /// An `ip option`, `sctp chunk` or `dccp option`: written `KIND NAME`, and the field.
    HeaderOption {
        /// `ip option`, `sctp chunk` or `dccp option`.
        kind: &'static str,
        /// The name.
        name: Box<str>,
        /// The field; with none, whether it is there.
        field: Option<Box<str>>,
    },
    /// A field of a header inside a tunnel.
    Inner {
        /// `vxlan`, `geneve`, `gre` or `gretap`.
        tunnel: &'static str,
        /// The field.
        field: Expr,
    },
    /// `fib a . b result`.
    Fib {
        /// `saddr`, `daddr`, `mark`, `iif`, `oif`.
        flags: Vec<&'static str>,
        /// `oif`, `oifname`, `type`.
        result: &'static str,
    },
    /// `rt KEY`: `classid`, `nexthop`, `mtu`, `ipsec`.
    Route {
        /// The key.
        key: &'static str,
        /// `ip` or `ip6`, for the next hop.
        family: Option<TableFamily>,
    },
    /// `socket KEY`.
    Socket(&'static str),
    /// `osf …`.
    Osf,
    /// `ipsec in|out …`; the key, and its family where written.
    Ipsec(&'static str),
    /// `numgen`: the modulus and the offset.
    Numgen {
        /// Modulus.
        modulus: u64,
        /// Offset.
        offset: u64,
    },
    /// `jhash` or `symhash`: the modulus and the offset.
    Hash {
        /// Modulus.
        modulus: u64,
        /// Offset.
        offset: u64,
    },
}

/// The word of a list that is the given one.
pub(super) fn one_of(word: &str, words: &[&'static str]) -> Option<&'static str> {
    words.iter().find(|w| **w == word).copied()
}

/// The key of `ipsec`, of a family where one is written.
pub(super) fn ipsec_key(family: &str, word: &str) -> Option<&'static str> {
    let written = format!("{family} {word}");
    one_of(
        written.trim(),
        &["spi", "reqid", "saddr", "daddr", "ip saddr", "ip daddr", "ip6 saddr", "ip6 daddr"],
    )
}

/// Keys of `fib … result`.
pub(super) const FIB_RESULTS: &[&str] = &["oif", "oifname", "type", "check"];
/// Flags of `fib`.
pub(super) const FIB_FLAGS: &[&str] = &["saddr", "daddr", "mark", "iif", "oif"];
/// Keys of `rt`.
pub(super) const ROUTE_KEYS: &[&str] = &["classid", "nexthop", "mtu", "ipsec"];
/// Keys of `socket`.
pub(super) const SOCKET_KEYS: &[&str] = &["transparent", "mark", "wildcard", "cgroupv2"];
/// Tunnels that can be looked into.
pub(super) const TUNNELS: &[&str] = &["vxlan", "geneve", "gre", "gretap"];

/// Where raw payload is counted from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RawBase {
    /// Link layer.
    Link,
    /// Network layer.
    Network,
    /// Transport layer.
    Transport,
    /// Behind the transport header.
    Inner,
}

impl RawBase {
    /// The word for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            RawBase::Link => "ll",
            RawBase::Network => "nh",
            RawBase::Transport => "th",
            RawBase::Inner => "ih",
        }
    }
}

/// An element of a set or map.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Elem {
    /// The key.
    pub key: Expr,
    /// What a map says of it.
    pub data: Option<Box<Data>>,
    /// Whether it has a time limit of its own, or a statement that can fail (`limit`, `quota`, `ct count`).
    pub open: bool,
}

/// What a map says of a key.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Data {
    /// A value.
    Value(Expr),
    /// A verdict.
    Verdict(Verdict),
}

/// A verdict.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Verdict {
    /// `accept`
    Accept,
    /// `drop`
    Drop,
    /// `continue`
    Continue,
    /// `return`
    Return,
    /// `jump NAME`
    Jump(Target),
    /// `goto NAME`
    Goto(Target),
}

/// Where a jump goes.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Target {
    /// A named chain.
    Chain(Name),
    /// `{ … }`: a chain written in place.
    Block(Rc<Vec<Rule>>, Span),
}

/// Relational operators.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RelOp {
    /// None written: equality, membership, or a bit test, as the types say.
    Implicit,
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `>`
    Gt,
    /// `<=`
    Le,
    /// `>=`
    Ge,
    /// `!`: no bit of it is set.
    Neg,
}

/// A statement of a rule.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Stmt {
    /// Where it is written.
    pub span: Span,
    /// What it is.
    pub kind: StmtKind,
}

/// The kinds of statement.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum StmtKind {
    /// `left op right`
    Match(Box<(Expr, RelOp, Expr)>),
    /// A verdict.
    Verdict(Verdict),
    /// `key vmap { … }`
    Vmap(Box<(Expr, Expr)>),
    /// Counts, logs or remembers, and decides nothing: `counter`, `log`, `last`, `nftrace`, `secmark` …
    Passive(&'static str),
    /// A named object of a kind, by name or by map; `counter name`, `limit name` …
    Object(Box<(ObjectKind, Expr)>),
    /// A match that counts traffic: `limit`, `quota`, `ct count`.
    Meter(Box<Meter>),
    /// `reject`
    Reject(Box<Reject>),
    /// `snat`, `dnat`, `masquerade`, `redirect`
    Nat(Box<NatStmt>),
    /// `queue`, and what follows it.
    Queue(Box<str>),
    /// `tproxy`
    Tproxy,
    /// `synproxy`
    Synproxy,
    /// `dup`
    Dup,
    /// `fwd`
    Fwd,
    /// `flow add @name`
    Offload(Name),
    /// `notrack`
    Notrack,
    /// `left set value`
    Mangle(Box<(Expr, Expr)>),
    /// `add @set { … }`, `update`, `delete`, and `meter`.
    Update(Box<Update>),
    /// `reset tcp option`
    StripOption,
    /// What could not be read: nobody knows what it does.
    Unread,
    /// What iptables left there: `xt match "x"`, `xt target "x"`.
    Xt(Box<(bool, Box<str>)>),
}

/// A match that counts traffic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Meter {
    /// `limit`, `quota` or `ct count`.
    pub kind: &'static str,
    /// Whether it matches what is over the rate or amount, rather than what is within.
    pub over: bool,
    /// The rate or amount, as nft prints it: `over 10/second`.
    pub text: Box<str>,
}

/// A set or map changed by a rule.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Update {
    /// The set.
    pub set: Name,
    /// Removes the element, where true.
    pub delete: bool,
    /// The key.
    pub key: Expr,
    /// What a map gets.
    pub data: Option<Expr>,
    /// The part of the statement that can fail.
    pub counts: Option<Meter>,
    /// Whether the set is made by the statement (`meter`).
    pub meter: bool,
}

/// What `reject` sends.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Reject {
    /// Not written.
    Default,
    /// `with tcp reset`
    TcpReset,
    /// `with icmp|icmpv6|icmpx CODE`
    Icmp(IcmpKind, Expr),
}

/// The three kinds of ICMP code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum IcmpKind {
    /// `icmp`
    V4,
    /// `icmpv6`
    V6,
    /// `icmpx`: both.
    Both,
}

/// Kinds of translation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NatKind {
    /// `snat`
    Snat,
    /// `dnat`
    Dnat,
    /// `masquerade`
    Masquerade,
    /// `redirect`
    Redirect,
}

impl NatKind {
    /// The word for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            NatKind::Snat => "snat",
            NatKind::Dnat => "dnat",
            NatKind::Masquerade => "masquerade",
            NatKind::Redirect => "redirect",
        }
    }
}

/// A translation.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct NatStmt {
    /// Which.
    pub kind: NatKind,
    /// `ip` or `ip6`, where written.
    pub family: Option<TableFamily>,
    /// The new address; with [`NatStmt::pair`], address and port in one.
    pub addr: Option<Expr>,
    /// The new port.
    pub port: Option<Expr>,
    /// Whether `addr` holds address and port, as a concatenation (`addr . port to`).
    pub pair: bool,
    /// Whether the network part alone changes (`prefix to`).
    pub prefix: bool,
    /// `random` or `fully-random`.
    pub random: bool,
}

/// A rule.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Rule {
    /// The statements, in order.
    pub stmts: Vec<Stmt>,
    /// Where it is written.
    pub span: Span,
    /// The number that the kernel gave it, where the file says so.
    pub handle: Option<u64>,
}
