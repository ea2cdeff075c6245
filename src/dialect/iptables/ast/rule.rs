//! What a rule says: its matches and its target.

use super::{ChainIx, Name};
use crate::source::Span;

/// All hooks.
pub(crate) const ANY_HOOK: u8 = 0b1_1111;

/// An IPv4 address with its mask, or the index of an IPv6 one in [`super::Config::nets6`].
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
    /// `-m multiport`: first of [`super::Config::ports`], their number, and whether source and destination count.
    Multiport {
        /// First of [`super::Config::ports`].
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
    /// `-m iprange`: source if true; index of [`super::Config::ip_ranges`].
    IpRange(bool, u32),
    /// `-m conntrack --ctstate`, `-m state`: bits of [`state`].
    State(u8),
    /// `-m conntrack` with more than states: index of [`super::Config::connections`].
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
    /// `-m set`: index of [`super::Config::set_uses`].
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
    /// `-m owner`: index of [`super::Config::opens`].
    Owner(u32),
    /// Something that the file does not tell, or that is not understood: index of [`super::Config::opens`].
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
pub(crate) mod state {
    /// INVALID.
    pub(crate) const INVALID: u8 = 1;
    /// ESTABLISHED.
    pub(crate) const ESTABLISHED: u8 = 2;
    /// RELATED.
    pub(crate) const RELATED: u8 = 4;
    /// NEW.
    pub(crate) const NEW: u8 = 8;
    /// UNTRACKED.
    pub(crate) const UNTRACKED: u8 = 16;
    /// The source was translated.
    pub(crate) const SNAT: u8 = 32;
    /// The destination was translated.
    pub(crate) const DNAT: u8 = 64;
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
    /// `QUEUE`, `NFQUEUE`: index of [`super::Config::opens`].
    Queue(u32),
    /// `DNAT`: index of [`super::Config::nats`].
    Dnat(u32),
    /// `SNAT`.
    Snat(u32),
    /// `MASQUERADE`.
    Masquerade(u32),
    /// `REDIRECT`.
    Redirect(u32),
    /// `NETMAP`: index of [`super::Config::netmaps`].
    Netmap(u32),
    /// `MARK`: index of [`super::Config::marks`].
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
pub(crate) type Netmap = (u128, u8);
