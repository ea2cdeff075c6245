//! One packet, and sets of packets.
//!
//! Depends on nothing: knows no file, no rule and no finding. Every field value is a number of at
//! most 128 bits; interface names are numbers too ([`interface`]), so that an exact name is one value
//! and a prefix such as `eth+` is one interval.

mod cuts;
mod fields;
mod interface;
mod prefix;
mod set;
mod space;

pub(crate) use cuts::Cuts;
pub(crate) use fields::Fields;
pub use interface::{interface, interface_name, interface_pattern, interface_prefix};
pub use prefix::Prefix;
pub use set::Set;
pub use space::{Level, Side, Space, Spaces, VariableKey};

/// IPv4 or IPv6.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Width of an address in bits.
    pub fn bits(self) -> u32 {
        match self {
            Family::V4 => 32,
            Family::V6 => 128,
        }
    }

    /// The number of the version of IP.
    pub fn version(self) -> u8 {
        match self {
            Family::V4 => 4,
            Family::V6 => 6,
        }
    }

    /// The largest address, as a number.
    pub fn last(self) -> u128 {
        match self {
            Family::V4 => u128::from(u32::MAX),
            Family::V6 => u128::MAX,
        }
    }

    /// The family and number of an address.
    pub fn of(address: std::net::IpAddr) -> (Family, u128) {
        match address {
            std::net::IpAddr::V4(a) => (Family::V4, u128::from(u32::from(a))),
            std::net::IpAddr::V6(a) => (Family::V6, u128::from(a)),
        }
    }

    /// The address that a number stands for.
    pub fn address(self, number: u128) -> std::net::IpAddr {
        match self {
            Family::V4 => std::net::IpAddr::V4((number as u32).into()),
            Family::V6 => std::net::IpAddr::V6(number.into()),
        }
    }

    /// Source addresses whose packets no router passes on: unspecified, loopback, link-local and multicast
    /// ones of IPv6 (RFC 4291, sections 2.5.2, 2.5.3, 2.5.6 and 2.7; Linux `ip6_forward`).
    pub fn unforwardable(self) -> Set {
        match self {
            Family::V4 => Set::empty(),
            Family::V6 => Set::of([(0, 1), (0xfe80 << 112, (0xfec0 << 112) - 1)]).or(&self.multicast()),
        }
    }

    /// The addresses of groups of hosts (RFC 5771, RFC 4291 section 2.7).
    pub fn multicast(self) -> Set {
        match self {
            Family::V4 => Set::range(0xe000_0000, 0xefff_ffff),
            Family::V6 => Set::range(0xff00 << 112, u128::MAX),
        }
    }

    /// Those of them whose senders are told so: link-local ones, "beyond scope of source address" (RFC 4443, section
    /// 3.1; Linux `ip6_forward`).
    pub fn beyond_scope(self) -> Set {
        match self {
            Family::V4 => Set::empty(),
            Family::V6 => Set::range(0xfe80 << 112, (0xfec0 << 112) - 1),
        }
    }

    /// The addresses of a prefix, as a closed interval; host bits are masked.
    pub fn prefix(self, number: u128, len: u32) -> (u128, u128) {
        let host = self.bits().saturating_sub(len);
        let span = if host >= 128 { u128::MAX } else { (1 << host) - 1 };
        (number & !span & self.last(), (number | span) & self.last())
    }
}

/// What a rule can look at.
///
/// Address fields carry their family: on a packet of the other one they are absent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Field {
    /// Input interface name, [`interface`]; 0 where the hook has none.
    Iif,
    /// Output interface name, [`interface`]; 0 where the hook has none.
    Oif,
    /// IPv4 source address.
    Src4,
    /// IPv4 destination address.
    Dst4,
    /// IPv6 source address.
    Src6,
    /// IPv6 destination address.
    Dst6,
    /// IP protocol number; in IPv6 that of the upper layer, after the extension headers.
    Proto,
    /// Source port of TCP, UDP, DCCP, SCTP, UDP-Lite; absent in other protocols.
    Sport,
    /// Destination port, likewise.
    Dport,
    /// Type of ICMP or ICMPv6; absent in other protocols.
    IcmpType,
    /// Code of ICMP or ICMPv6.
    IcmpCode,
    /// The eight TCP flag bits: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128.
    TcpFlags,
    /// Connection state, a [`State`] as number.
    State,
    /// IPv4 source of the connection's first packet, before translation; absent without a connection.
    OrigSrc4,
    /// IPv4 destination of it.
    OrigDst4,
    /// IPv6 source of it.
    OrigSrc6,
    /// IPv6 destination of it.
    OrigDst6,
    /// Source port of it.
    OrigSport,
    /// Destination port of it.
    OrigDport,
    /// 1 where the destination was translated, else 0; absent without a connection.
    Dnat,
    /// 1 where the source was translated, else 0; absent without a connection.
    Snat,
    /// 0 in the direction of the connection's first packet, 1 for replies; absent without a connection.
    Direction,
    /// Packet mark.
    Mark,
    /// Connection mark; absent without a connection.
    CtMark,
    /// Tag of pf, as its number in the ruleset; 0 is none.
    Tag,
    /// 4 or 6.
    Version,
    /// TTL or hop limit.
    Ttl,
    /// Differentiated services code point, 0 to 63.
    Dscp,
    /// Length of the IP packet in bytes, headers included.
    Length,
    /// Ethernet source address, 48 bits.
    SrcMac,
    /// TCP maximum segment size option; absent where the packet has none.
    TcpMss,
    /// IPv6 extension headers that are there, bits of [`ext`].
    Ext,
    /// Link-layer kind: 0 to this host, 1 broadcast, 2 multicast.
    PktType,
    /// SPI of ESP or AH.
    Spi,
    /// Explicit congestion notification, the two low bits of the traffic class.
    Ecn,
}

/// Number of fields.
pub const FIELDS: usize = Field::Ecn as usize + 1;

/// Bits of [`Field::Ext`].
pub mod ext {
    /// Hop-by-hop options.
    pub const HOP: u128 = 1;
    /// Destination options.
    pub const DST: u128 = 2;
    /// Routing header.
    pub const ROUTE: u128 = 4;
    /// Fragment header.
    pub const FRAG: u128 = 8;
    /// Authentication header.
    pub const AUTH: u128 = 16;
    /// Encapsulating security payload.
    pub const ESP: u128 = 32;
    /// No next header.
    pub const NONE: u128 = 64;
    /// Upper-layer protocol.
    pub const PROTO: u128 = 128;
}

/// What connection tracking says of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum State {
    /// Belongs to no connection and cannot start one.
    Invalid = 0,
    /// Of a connection that has seen packets both ways.
    Established = 1,
    /// Starts a connection that another one announced.
    Related = 2,
    /// Starts a connection.
    New = 3,
    /// Exempt from tracking.
    Untracked = 4,
}

/// A set of states as values of [`Field::State`].
pub fn states(states: &[State]) -> Set {
    Set::of(states.iter().map(|s| (*s as u128, *s as u128)))
}

impl State {
    /// Whether there is a connection entry to look at.
    pub fn tracked(self) -> bool {
        matches!(self, State::Established | State::Related | State::New)
    }

    /// All states.
    pub const ALL: [State; 5] =
        [State::Invalid, State::Established, State::Related, State::New, State::Untracked];

    /// The state of a number of [`Field::State`].
    pub fn of(number: u128) -> Option<State> {
        State::ALL.into_iter().find(|s| *s as u128 == number)
    }

    /// The word that trace output and input use.
    pub fn name(self) -> &'static str {
        match self {
            State::Invalid => "invalid",
            State::Established => "established",
            State::Related => "related",
            State::New => "new",
            State::Untracked => "untracked",
        }
    }
}

/// Protocol numbers.
pub mod proto {
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// DCCP.
    pub const DCCP: u8 = 33;
    /// ESP.
    pub const ESP: u8 = 50;
    /// AH.
    pub const AH: u8 = 51;
    /// ICMPv6.
    pub const ICMPV6: u8 = 58;
    /// No next header.
    pub const NONE: u8 = 59;
    /// SCTP.
    pub const SCTP: u8 = 132;
    /// IPv6 mobility header.
    pub const MH: u8 = 135;
    /// UDP-Lite.
    pub const UDPLITE: u8 = 136;
    /// Protocols whose header begins with two ports.
    pub const WITH_PORTS: [u8; 5] = [TCP, UDP, DCCP, SCTP, UDPLITE];
}

impl Field {
    /// All fields.
    pub const ALL: [Field; FIELDS] = [
        Field::Iif,
        Field::Oif,
        Field::Src4,
        Field::Dst4,
        Field::Src6,
        Field::Dst6,
        Field::Proto,
        Field::Sport,
        Field::Dport,
        Field::IcmpType,
        Field::IcmpCode,
        Field::TcpFlags,
        Field::State,
        Field::OrigSrc4,
        Field::OrigDst4,
        Field::OrigSrc6,
        Field::OrigDst6,
        Field::OrigSport,
        Field::OrigDport,
        Field::Dnat,
        Field::Snat,
        Field::Direction,
        Field::Mark,
        Field::CtMark,
        Field::Tag,
        Field::Version,
        Field::Ttl,
        Field::Dscp,
        Field::Length,
        Field::SrcMac,
        Field::TcpMss,
        Field::Ext,
        Field::PktType,
        Field::Spi,
        Field::Ecn,
    ];

    /// The protocols in which the field exists; `None` where it exists in all.
    pub fn carriers(self) -> Option<&'static [u8]> {
        match self {
            Field::Sport | Field::Dport | Field::OrigSport | Field::OrigDport => Some(&proto::WITH_PORTS),
            Field::IcmpType | Field::IcmpCode => Some(&[proto::ICMP, proto::ICMPV6]),
            Field::TcpFlags | Field::TcpMss => Some(&[proto::TCP]),
            Field::Spi => Some(&[proto::ESP, proto::AH]),
            _ => None,
        }
    }

    /// The same as values of [`Field::Proto`].
    pub fn carrier_set(self) -> Option<Set> {
        let one = |protocol: &u8| (u128::from(*protocol), u128::from(*protocol));
        self.carriers().map(|carriers| Set::of(carriers.iter().map(one)))
    }

    /// The family in which the field exists; `None` where it exists in both.
    pub fn family(self) -> Option<Family> {
        match self {
            Field::Src4 | Field::Dst4 | Field::OrigSrc4 | Field::OrigDst4 => Some(Family::V4),
            Field::Src6 | Field::Dst6 | Field::OrigSrc6 | Field::OrigDst6 | Field::Ext => Some(Family::V6),
            _ => None,
        }
    }

    /// The source address field of a family.
    pub fn src(family: Family) -> Field {
        match family {
            Family::V4 => Field::Src4,
            Family::V6 => Field::Src6,
        }
    }

    /// The destination address field of a family.
    pub fn dst(family: Family) -> Field {
        match family {
            Family::V4 => Field::Dst4,
            Family::V6 => Field::Dst6,
        }
    }

    /// The largest value that the field can have.
    pub fn last(self) -> u128 {
        match self {
            Field::Src4 | Field::Dst4 | Field::OrigSrc4 | Field::OrigDst4 => Family::V4.last(),
            Field::Mark | Field::CtMark | Field::Tag | Field::Spi => Family::V4.last(),
            Field::Sport | Field::Dport | Field::OrigSport | Field::OrigDport => 0xffff,
            Field::Length | Field::TcpMss => 0xffff,
            Field::Proto | Field::IcmpType | Field::IcmpCode | Field::TcpFlags | Field::Ttl | Field::Ext => {
                0xff
            }
            Field::State => State::Untracked as u128,
            Field::Dnat | Field::Snat | Field::Direction => 1,
            Field::PktType => 2,
            Field::Ecn => 3,
            Field::Version => 6,
            Field::Dscp => 63,
            Field::SrcMac => (1 << 48) - 1,
            _ => u128::MAX,
        }
    }

    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            Field::Iif => "input interface",
            Field::Oif => "output interface",
            Field::Src4 | Field::Src6 => "source address",
            Field::Dst4 | Field::Dst6 => "destination address",
            Field::Proto => "protocol",
            Field::Sport => "source port",
            Field::Dport => "destination port",
            Field::IcmpType => "ICMP type",
            Field::IcmpCode => "ICMP code",
            Field::TcpFlags => "TCP flags",
            Field::State => "connection state",
            Field::OrigSrc4 | Field::OrigSrc6 => "original source address",
            Field::OrigDst4 | Field::OrigDst6 => "original destination address",
            Field::OrigSport => "original source port",
            Field::OrigDport => "original destination port",
            Field::Dnat => "destination translation",
            Field::Snat => "source translation",
            Field::Direction => "connection direction",
            Field::Mark => "packet mark",
            Field::CtMark => "connection mark",
            Field::Tag => "tag",
            Field::Version => "IP version",
            Field::Ttl => "TTL",
            Field::Dscp => "DSCP",
            Field::Length => "packet length",
            Field::SrcMac => "source MAC address",
            Field::TcpMss => "TCP MSS",
            Field::Ext => "extension headers",
            Field::PktType => "packet type",
            Field::Spi => "SPI",
            Field::Ecn => "ECN",
        }
    }
}

/// The value of a field in a packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Value {
    /// It is this.
    Known(u128),
    /// It lies in this closed interval; nobody said where.
    Among(u128, u128),
    /// The packet has no such field: no test on it holds, not even a negated one.
    Absent,
}

impl Value {
    /// The value, where it is known.
    pub fn known(self) -> Option<u128> {
        match self {
            Value::Known(value) => Some(value),
            _ => None,
        }
    }
}

/// One concrete packet. Fields that were not set may have any value, or are absent where the family
/// or the protocol has none.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Packet {
    family: Family,
    values: [Option<(u128, u128)>; FIELDS],
    absent: u64,
}

impl Packet {
    /// A packet of a family and protocol, all else open.
    pub fn new(family: Family, protocol: u8) -> Self {
        let mut packet = Packet { family, values: [None; FIELDS], absent: 0 };
        packet.set(Field::Proto, u128::from(protocol));
        packet.set(Field::Version, family.version().into());
        packet
    }

    /// The family.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Sets a field.
    pub fn set(&mut self, field: Field, value: u128) {
        self.set_among(field, value, value);
    }

    /// Says that a field's value lies in `[lo, hi]`.
    pub fn set_among(&mut self, field: Field, lo: u128, hi: u128) {
        self.values[field as usize] = Some((lo, hi));
        self.absent &= !(1 << field as u8);
    }

    /// Forgets a field: its value is open.
    pub fn forget(&mut self, field: Field) {
        self.values[field as usize] = None;
        self.absent &= !(1 << field as u8);
    }

    /// Says that the packet has no such field.
    pub fn remove(&mut self, field: Field) {
        self.absent |= 1 << field as u8;
    }

    /// The value of a field.
    pub fn get(&self, field: Field) -> Value {
        if self.absent & (1 << field as u8) != 0 || field.family().is_some_and(|f| f != self.family) {
            return Value::Absent;
        }
        if let Some(carriers) = field.carriers()
            && !carriers.contains(&self.protocol())
        {
            return Value::Absent;
        }
        match self.values[field as usize] {
            Some((lo, hi)) if lo == hi => Value::Known(lo),
            Some((lo, hi)) => Value::Among(lo, hi),
            None => Value::Among(0, field.last()),
        }
    }

    /// Whether a field was set.
    pub fn has(&self, field: Field) -> bool {
        self.values[field as usize].is_some() || self.absent & (1 << field as u8) != 0
    }

    /// The source address, where it is known.
    pub fn src(&self) -> Option<u128> {
        self.get(Field::src(self.family)).known()
    }

    /// The protocol number.
    pub fn protocol(&self) -> u8 {
        self.values[Field::Proto as usize].map_or(0, |(lo, _)| lo as u8)
    }
}

/// What connection tracking with an empty table says of a packet that is the first of its flow.
///
/// TCP: a packet is new if the state machine accepts it as a first one, which is SYN alone or, as
/// pick-up of a running connection, ACK alone (Linux `nf_conntrack_proto_tcp.c`, table
/// `tcp_conntracks`, row *none*, and the flag combinations of `tcp_valid_flags`). ICMP: only
/// requests are new (`nf_conntrack_proto_icmp.c`, `valid_new`). ICMPv6: neighbour discovery and
/// multicast listener and router discovery messages (the last since Linux 5.13) are untracked, echo
/// and node-information requests new
/// (`nf_conntrack_proto_icmpv6.c`, `noct_valid_new`, `valid_new`). UDP-Lite that comes in from the network, where
/// checksums are `verified`, is invalid: Linux sums it up as if it were UDP (`nf_conntrack_proto_udp.c`,
/// `udplite_error`).
pub fn first_state(packet: &Packet, verified: bool) -> Option<State> {
    let known = |field| packet.get(field).known();
    Some(match packet.protocol() {
        proto::TCP => tcp_state(known(Field::TcpFlags)? as u8),
        proto::ICMP if packet.family() == Family::V4 => match known(Field::IcmpType)? {
            8 | 13 | 15 | 17 => State::New,
            _ => State::Invalid,
        },
        proto::ICMPV6 if packet.family() == Family::V6 => match known(Field::IcmpType)? {
            130..=136 | 143 | 151 | 152 => State::Untracked,
            128 | 139 => State::New,
            _ => State::Invalid,
        },
        proto::UDPLITE if verified => State::Invalid,
        _ => State::New,
    })
}

fn tcp_state(flags: u8) -> State {
    const FIN: u8 = 1;
    const SYN: u8 = 2;
    const RST: u8 = 4;
    const ACK: u8 = 16;
    const URG: u8 = 32;
    // PSH, ECE and CWR are masked out before the kernel looks the combination up.
    match flags & (FIN | SYN | RST | ACK | URG) {
        f if f == SYN || f == SYN | URG => State::New,
        f if f == ACK || f == ACK | URG => State::New,
        _ => State::Invalid,
    }
}
