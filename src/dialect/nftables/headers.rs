//! The header fields that the language knows: their types, and where the model has them.
//!
//! Sources: nft(8) "PAYLOAD EXPRESSIONS" and "EXTENSION HEADER EXPRESSIONS"; widths as the protocols define them.

use super::types::Type;
use crate::packet::{Field, ext};

/// A header.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Header {
    Ether,
    Vlan,
    Arp,
    Ip,
    Ip6,
    Icmp,
    Icmp6,
    Igmp,
    Tcp,
    Udp,
    UdpLite,
    Sctp,
    Dccp,
    Ah,
    Esp,
    Comp,
    Th,
    Gre,
    GreTap,
    Vxlan,
    Geneve,
    Hbh,
    Rt,
    Rt0,
    Rt2,
    Srh,
    Frag,
    Dst,
    Mh,
}

impl Header {
    /// The header of a word of the language.
    pub(super) fn of(word: &str) -> Option<Header> {
        HEADERS.iter().find(|(name, ..)| *name == word).map(|(_, header, _)| *header)
    }

    /// The word for it.
    pub(super) fn name(self) -> &'static str {
        HEADERS.iter().find(|(_, header, _)| *header == self).map_or("", |(name, ..)| name)
    }

    /// The protocol number that the header implies.
    pub(super) fn protocol(self) -> Option<u8> {
        HEADERS.iter().find(|(_, header, _)| *header == self).and_then(|(_, _, protocol)| *protocol)
    }

    /// Whether it is an IPv6 extension header.
    pub(super) fn extension(self) -> Option<u128> {
        Some(match self {
            Header::Hbh => ext::HOP,
            Header::Rt | Header::Rt0 | Header::Rt2 | Header::Srh => ext::ROUTE,
            Header::Frag => ext::FRAG,
            Header::Dst => ext::DST,
            _ => return None,
        })
    }
}

const HEADERS: &[(&str, Header, Option<u8>)] = &[
    ("ether", Header::Ether, None),
    ("vlan", Header::Vlan, None),
    ("arp", Header::Arp, None),
    ("ip", Header::Ip, None),
    ("ip6", Header::Ip6, None),
    ("icmp", Header::Icmp, Some(1)),
    ("icmpv6", Header::Icmp6, Some(58)),
    ("igmp", Header::Igmp, Some(2)),
    ("tcp", Header::Tcp, Some(6)),
    ("udp", Header::Udp, Some(17)),
    ("udplite", Header::UdpLite, Some(136)),
    ("sctp", Header::Sctp, Some(132)),
    ("dccp", Header::Dccp, Some(33)),
    ("ah", Header::Ah, Some(51)),
    ("esp", Header::Esp, Some(50)),
    ("comp", Header::Comp, Some(108)),
    ("th", Header::Th, None),
    ("gre", Header::Gre, Some(47)),
    ("gretap", Header::GreTap, Some(47)),
    ("vxlan", Header::Vxlan, Some(17)),
    ("geneve", Header::Geneve, Some(17)),
    ("hbh", Header::Hbh, None),
    ("rt", Header::Rt, None),
    ("rt0", Header::Rt0, None),
    ("rt2", Header::Rt2, None),
    ("srh", Header::Srh, None),
    ("frag", Header::Frag, None),
    ("dst", Header::Dst, None),
    ("mh", Header::Mh, Some(135)),
];

/// How a field of a header shows in the model.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Seen {
    /// As it is.
    As(Field),
    /// As a field that is larger by this much.
    Plus(Field, u32),
    /// As the version: 4 or 6.
    Version,
    /// As the version, under the numbers of Ethernet.
    EtherType,
    /// As the first next-header number of IPv6, before any extension header.
    FirstNextHeader,
    /// As a port, or the same bytes of what has no ports.
    AnyPort(Field),
    /// As what is left of the packet's length behind the network header.
    RestLength,
    /// As zero but for the bits of the mask: the packets of the model are whole.
    Whole(u32),
    /// Not at all.
    Not,
}

/// A field of a header.
#[derive(PartialEq, Debug)]
pub(super) struct HeaderField {
    /// The header.
    pub header: Header,
    /// Its name.
    pub name: &'static str,
    /// The type of its values.
    pub kind: Type,
    /// How many bits it has.
    pub bits: u32,
    /// Where the model has it.
    pub seen: Seen,
}

/// The field of a header by name.
pub(super) fn field(header: Header, name: &str) -> Option<&'static HeaderField> {
    let same = |f: &&HeaderField| f.header == header && f.name == name;
    FIELDS.iter().find(same).or_else(|| {
        let alias = match (header, name) {
            (Header::Vlan, "cfi") => "dei",
            (Header::Icmp6, "parameter-problem" | "param-problem") => "param-problem",
            (Header::Icmp6, "packet-too-big") => "mtu",
            _ => return None,
        };
        FIELDS.iter().find(|f| f.header == header && f.name == alias)
    })
}

macro_rules! fields {
    ($($header:ident: $($name:literal $kind:ident $bits:literal $seen:expr),* ;)*) => {
        &[$($(HeaderField {
            header: Header::$header,
            name: $name,
            kind: Type::$kind,
            bits: $bits,
            seen: $seen,
        }),*),*]
    };
}

use Seen::{AnyPort, As, EtherType, FirstNextHeader, Not, Plus, RestLength, Version, Whole};

#[rustfmt::skip]
static FIELDS: &[HeaderField] = fields! {
    Ether: "saddr" EtherAddr 48 As(Field::SrcMac), "daddr" EtherAddr 48 Not, "type" EtherType 16 EtherType;
    Vlan: "id" Integer 12 Not, "dei" Integer 1 Not, "pcp" Integer 3 Not, "type" EtherType 16 Not;
    Arp: "htype" Integer 16 Not, "ptype" EtherType 16 Not, "hlen" Integer 8 Not, "plen" Integer 8 Not,
        "operation" ArpOp 16 Not, "saddr ether" EtherAddr 48 Not, "daddr ether" EtherAddr 48 Not,
        "saddr ip" Ipv4Addr 32 Not, "daddr ip" Ipv4Addr 32 Not;
    Ip: "saddr" Ipv4Addr 32 As(Field::Src4), "daddr" Ipv4Addr 32 As(Field::Dst4),
        "protocol" Proto 8 As(Field::Proto), "ttl" Integer 8 As(Field::Ttl), "dscp" Dscp 6 As(Field::Dscp),
        "length" Integer 16 As(Field::Length), "version" Integer 4 Version, "hdrlength" Integer 4 Not,
        "ecn" Ecn 2 As(Field::Ecn), "id" Integer 16 Not, "frag-off" Integer 16 Whole(0xc000), "checksum" Integer 16 Not;
    Ip6: "saddr" Ipv6Addr 128 As(Field::Src6), "daddr" Ipv6Addr 128 As(Field::Dst6),
        "nexthdr" Proto 8 FirstNextHeader, "hoplimit" Integer 8 As(Field::Ttl), "dscp" Dscp 6 As(Field::Dscp),
        "length" Integer 16 Plus(Field::Length, 40), "version" Integer 4 Version, "ecn" Ecn 2 As(Field::Ecn),
        "flowlabel" Integer 20 Not;
    Icmp: "type" IcmpType 8 As(Field::IcmpType), "code" IcmpCode 8 As(Field::IcmpCode),
        "checksum" Integer 16 Not, "id" Integer 16 Not, "sequence" Integer 16 Not,
        "gateway" Integer 32 Not, "mtu" Integer 16 Not;
    Icmp6: "type" Icmp6Type 8 As(Field::IcmpType), "code" Icmp6Code 8 As(Field::IcmpCode),
        "checksum" Integer 16 Not, "param-problem" Integer 32 Not, "mtu" Integer 32 Not,
        "id" Integer 16 Not, "sequence" Integer 16 Not, "max-delay" Integer 16 Not,
        "taddr" Ipv6Addr 128 Not, "daddr" Ipv6Addr 128 Not;
    Igmp: "type" IgmpType 8 Not, "checksum" Integer 16 Not, "mrt" Integer 8 Not, "group" Ipv4Addr 32 Not;
    Tcp: "sport" Service 16 As(Field::Sport), "dport" Service 16 As(Field::Dport),
        "flags" TcpFlag 8 As(Field::TcpFlags), "sequence" Integer 32 Not, "ackseq" Integer 32 Not,
        "doff" Integer 4 Not, "reserved" Integer 4 Not, "window" Integer 16 Not, "checksum" Integer 16 Not,
        "urgptr" Integer 16 Not;
    Udp: "sport" Service 16 As(Field::Sport), "dport" Service 16 As(Field::Dport),
        "length" Integer 16 RestLength, "checksum" Integer 16 Not;
    UdpLite: "sport" Service 16 As(Field::Sport), "dport" Service 16 As(Field::Dport),
        "csumcov" Integer 16 Not, "checksum" Integer 16 Not;
    Sctp: "sport" Service 16 As(Field::Sport), "dport" Service 16 As(Field::Dport), "vtag" Integer 32 Not,
        "checksum" Integer 32 Not;
    Dccp: "sport" Service 16 As(Field::Sport), "dport" Service 16 As(Field::Dport), "type" DccpType 4 Not;
    Th: "sport" Service 16 AnyPort(Field::Sport), "dport" Service 16 AnyPort(Field::Dport);
    Ah: "nexthdr" Proto 8 Not, "hdrlength" Integer 8 Not, "reserved" Integer 16 Not,
        "spi" Integer 32 As(Field::Spi), "sequence" Integer 32 Not;
    Esp: "spi" Integer 32 As(Field::Spi), "sequence" Integer 32 Not;
    Comp: "nexthdr" Proto 8 Not, "flags" Integer 8 Not, "cpi" Integer 16 Not;
    Gre: "version" Integer 3 Not, "flags" Integer 5 Not, "protocol" EtherType 16 Not;
    Vxlan: "vni" Integer 24 Not, "flags" Integer 8 Not;
    Geneve: "vni" Integer 24 Not, "type" EtherType 16 Not;
    Hbh: "nexthdr" Proto 8 Not, "hdrlength" Integer 8 Not, "exists" Boolean 1 Not;
    Rt: "nexthdr" Proto 8 Not, "hdrlength" Integer 8 Not, "type" Integer 8 Not, "seg-left" Integer 8 Not,
        "exists" Boolean 1 Not;
    Rt0: "addr" Ipv6Addr 128 Not;
    Rt2: "addr" Ipv6Addr 128 Not;
    Srh: "last-entry" Integer 8 Not, "flags" Integer 8 Not, "tag" Integer 16 Not, "sid" Ipv6Addr 128 Not;
    Frag: "nexthdr" Proto 8 Not, "reserved" Integer 8 Not, "frag-off" Integer 13 Whole(0),
        "reserved2" Integer 2 Not, "more-fragments" Integer 1 Whole(0), "id" Integer 32 Not,
        "exists" Boolean 1 Not;
    Dst: "nexthdr" Proto 8 Not, "hdrlength" Integer 8 Not, "exists" Boolean 1 Not;
    Mh: "nexthdr" Proto 8 Not, "hdrlength" Integer 8 Not, "type" MhType 8 Not, "reserved" Integer 8 Not,
        "checksum" Integer 16 Not, "exists" Boolean 1 Not;
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_by_its_name() {
        for f in FIELDS {
            assert!(std::ptr::eq(field(f.header, f.name).unwrap(), f), "{} {}", f.header.name(), f.name);
            assert_eq!(Header::of(f.header.name()), Some(f.header));
        }
        assert_eq!(field(Header::Vlan, "cfi").unwrap().name, "dei");
        assert!(field(Header::Ip, "hoplimit").is_none());
    }
}
