//! The types of the language: their widths, their names in `type …`, and their symbols.
//!
//! Sources: nft(8) "DATA TYPES"; symbols as `nft describe` prints them.

use crate::dialect::names;

/// The type of a value.
#[expect(clippy::enum_variant_names, reason = "the language calls them so")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Type {
    Integer,
    Str,
    Bitmask,
    Boolean,
    Verdict,
    Ipv4Addr,
    Ipv6Addr,
    EtherAddr,
    LinkAddr,
    Proto,
    Service,
    IcmpType,
    IcmpCode,
    Icmp6Type,
    Icmp6Code,
    IcmpxCode,
    IgmpType,
    DccpType,
    MhType,
    CtState,
    CtDir,
    CtStatus,
    CtLabel,
    CtEvent,
    Mark,
    IfName,
    IfIndex,
    IfType,
    Uid,
    Gid,
    Dscp,
    Ecn,
    TcpFlag,
    FibType,
    NfProto,
    EtherType,
    ArpOp,
    PktType,
    Time,
    Hour,
    Day,
    Realm,
    ClassId,
    DevGroup,
    CgroupV2,
}

use Type::*;

const NAMES: &[(&str, Type, u32)] = &[
    ("integer", Integer, 0),
    ("string", Str, 0),
    ("bitmask", Bitmask, 0),
    ("boolean", Boolean, 1),
    ("verdict", Verdict, 32),
    ("ipv4_addr", Ipv4Addr, 32),
    ("ipv6_addr", Ipv6Addr, 128),
    ("ether_addr", EtherAddr, 48),
    ("ll_addr", LinkAddr, 0),
    ("inet_proto", Proto, 8),
    ("inet_service", Service, 16),
    ("icmp_type", IcmpType, 8),
    ("icmp_code", IcmpCode, 8),
    ("icmpv6_type", Icmp6Type, 8),
    ("icmpv6_code", Icmp6Code, 8),
    ("icmpx_code", IcmpxCode, 8),
    ("igmp_type", IgmpType, 8),
    ("dccp_pkttype", DccpType, 4),
    ("mh_type", MhType, 8),
    ("ct_state", CtState, 32),
    ("ct_dir", CtDir, 8),
    ("ct_status", CtStatus, 32),
    ("ct_label", CtLabel, 128),
    ("ct_event", CtEvent, 32),
    ("mark", Mark, 32),
    ("ifname", IfName, 128),
    ("iface_index", IfIndex, 32),
    ("iface_type", IfType, 16),
    ("uid", Uid, 32),
    ("gid", Gid, 32),
    ("dscp", Dscp, 6),
    ("ecn", Ecn, 2),
    ("tcp_flag", TcpFlag, 8),
    ("fib_addrtype", FibType, 32),
    ("nf_proto", NfProto, 8),
    ("ether_type", EtherType, 16),
    ("arp_op", ArpOp, 16),
    ("pkt_type", PktType, 8),
    ("time", Time, 64),
    ("hour", Hour, 32),
    ("day", Day, 8),
    ("realm", Realm, 32),
    ("classid", ClassId, 32),
    ("devgroup", DevGroup, 32),
    ("cgroupsv2", CgroupV2, 64),
];

impl Type {
    /// The type of a word after `type`.
    pub(super) fn of(word: &str) -> Option<Type> {
        NAMES.iter().find(|(name, ..)| *name == word).map(|(_, kind, _)| *kind)
    }

    /// The word for it.
    pub(super) fn name(self) -> &'static str {
        NAMES.iter().find(|(_, kind, _)| *kind == self).map_or("", |(name, ..)| name)
    }

    /// Its width in bits; 0 where it has none of its own.
    pub(super) fn bits(self) -> u32 {
        NAMES.iter().find(|(_, kind, _)| *kind == self).map_or(0, |(.., bits)| *bits)
    }

    /// Whether a single value without an operator is a bit test.
    pub(super) fn is_flags(self) -> bool {
        matches!(self, CtState | CtStatus | CtLabel | CtEvent | TcpFlag | Bitmask)
    }

    /// Whether both have the same values: an integer fits every type that is made of integers.
    pub(super) fn fits(self, other: Type) -> bool {
        self == other || self == Integer || other == Integer || (self.texts() && other.texts())
    }

    fn texts(self) -> bool {
        matches!(self, Str | IfName)
    }

    /// The value of a symbol.
    pub(super) fn symbol(self, word: &str) -> Option<u128> {
        let word_is = |(name, _): &&(&str, u32)| *name == word;
        match self {
            // What is a keyword of the language is no name of the machine's list.
            Proto if word == "comp" => return Some(108),
            Proto => return names::protocol(word).map(u128::from),
            Service => return names::any_service(word).map(u128::from),
            Day => return day(word),
            _ => {}
        }
        self.symbols().iter().find(word_is).map(|(_, value)| u128::from(*value))
    }

    /// The word for a value, where the language has one that does not depend on the machine.
    pub(super) fn word_of(self, value: u128) -> Option<&'static str> {
        if self == Day {
            return DAYS.get(usize::try_from(value).ok()?).copied();
        }
        self.symbols().iter().find(|(_, known)| u128::from(*known) == value).map(|(name, _)| *name)
    }

    fn symbols(self) -> &'static [(&'static str, u32)] {
        match self {
            Boolean => &[("exists", 1), ("missing", 0)],
            IcmpType => ICMP_TYPE,
            IcmpCode => ICMP_CODE,
            Icmp6Type => ICMP6_TYPE,
            Icmp6Code => ICMP6_CODE,
            IcmpxCode => {
                &[("port-unreachable", 1), ("admin-prohibited", 3), ("no-route", 0), ("host-unreachable", 2)]
            }
            IgmpType => IGMP_TYPE,
            DccpType => DCCP_TYPE,
            MhType => MH_TYPE,
            CtState => &[("invalid", 1), ("established", 2), ("related", 4), ("new", 8), ("untracked", 64)],
            CtDir => &[("original", 0), ("reply", 1)],
            CtStatus => CT_STATUS,
            CtEvent => CT_EVENT,
            IfType => IF_TYPE,
            Dscp => DSCP,
            Ecn => &[("not-ect", 0), ("ect1", 1), ("ect0", 2), ("ce", 3)],
            TcpFlag => TCP_FLAG,
            FibType => FIB_TYPE,
            NfProto => &[("ipv4", 2), ("ipv6", 10)],
            EtherType => ETHER_TYPE,
            ArpOp => ARP_OP,
            PktType => &[("host", 0), ("unicast", 0), ("broadcast", 1), ("multicast", 2), ("other", 3)],
            Uid | Gid => &[("root", 0)],
            Realm | DevGroup => &[("default", 0)],
            _ => &[],
        }
    }

    /// Whether a word that is no symbol may still be one on the machine that loads: host names,
    /// users, groups, labels.
    pub(super) fn open(self) -> bool {
        matches!(
            self,
            Ipv4Addr | Ipv6Addr | Uid | Gid | CtLabel | Mark | Realm | DevGroup | IfIndex | CgroupV2
        )
    }
}

const DAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

fn day(word: &str) -> Option<u128> {
    let word = word.to_ascii_lowercase();
    DAYS.iter().position(|name| word.len() >= 3 && name.starts_with(&word)).map(|at| at as u128)
}

#[rustfmt::skip]
const ICMP_TYPE: &[(&str, u32)] = &[
    ("echo-reply", 0), ("destination-unreachable", 3), ("source-quench", 4), ("redirect", 5),
    ("echo-request", 8), ("router-advertisement", 9), ("router-solicitation", 10), ("time-exceeded", 11),
    ("parameter-problem", 12), ("timestamp-request", 13), ("timestamp-reply", 14), ("info-request", 15),
    ("info-reply", 16), ("address-mask-request", 17), ("address-mask-reply", 18),
];

#[rustfmt::skip]
const ICMP_CODE: &[(&str, u32)] = &[
    ("net-unreachable", 0), ("host-unreachable", 1), ("prot-unreachable", 2), ("port-unreachable", 3),
    ("net-prohibited", 9), ("host-prohibited", 10), ("admin-prohibited", 13), ("frag-needed", 4),
];

#[rustfmt::skip]
const ICMP6_TYPE: &[(&str, u32)] = &[
    ("destination-unreachable", 1), ("packet-too-big", 2), ("time-exceeded", 3), ("parameter-problem", 4),
    ("echo-request", 128), ("echo-reply", 129), ("mld-listener-query", 130), ("mld-listener-report", 131),
    ("mld-listener-done", 132), ("mld-listener-reduction", 132), ("nd-router-solicit", 133),
    ("nd-router-advert", 134), ("nd-neighbor-solicit", 135), ("nd-neighbor-advert", 136),
    ("nd-redirect", 137), ("router-renumbering", 138), ("ind-neighbor-solicit", 141),
    ("ind-neighbor-advert", 142), ("mld2-listener-report", 143),
];

#[rustfmt::skip]
const ICMP6_CODE: &[(&str, u32)] = &[
    ("no-route", 0), ("admin-prohibited", 1), ("addr-unreachable", 3), ("port-unreachable", 4),
    ("policy-fail", 5), ("reject-route", 6),
];

#[rustfmt::skip]
const IGMP_TYPE: &[(&str, u32)] = &[
    ("membership-query", 0x11), ("membership-report-v1", 0x12), ("membership-report-v2", 0x16),
    ("membership-report-v3", 0x22), ("leave-group", 0x17),
];

#[rustfmt::skip]
const DCCP_TYPE: &[(&str, u32)] = &[
    ("request", 0), ("response", 1), ("data", 2), ("ack", 3), ("dataack", 4), ("closereq", 5), ("close", 6),
    ("reset", 7), ("sync", 8), ("syncack", 9),
];

#[rustfmt::skip]
const MH_TYPE: &[(&str, u32)] = &[
    ("binding-refresh-request", 0), ("home-test-init", 1), ("careof-test-init", 2), ("home-test", 3),
    ("careof-test", 4), ("binding-update", 5), ("binding-acknowledgement", 6), ("binding-error", 7),
    ("fast-binding-update", 8), ("fast-binding-acknowledgement", 9), ("fast-binding-advertisement", 10),
    ("experimental-mobility-header", 11), ("home-agent-switch-message", 12),
];

#[rustfmt::skip]
const CT_STATUS: &[(&str, u32)] = &[
    ("expected", 1), ("seen-reply", 2), ("assured", 4), ("confirmed", 8), ("snat", 16), ("dnat", 32),
    ("dying", 512),
];

#[rustfmt::skip]
const CT_EVENT: &[(&str, u32)] = &[
    ("new", 1), ("related", 2), ("destroy", 4), ("reply", 8), ("assured", 16), ("protoinfo", 32),
    ("helper", 64), ("mark", 128), ("seqadj", 256), ("secmark", 512), ("label", 1024),
];

#[rustfmt::skip]
const IF_TYPE: &[(&str, u32)] = &[
    ("ether", 1), ("ppp", 512), ("ipip", 768), ("ipip6", 769), ("loopback", 772), ("sit", 776), ("ipgre", 778),
];

#[rustfmt::skip]
const DSCP: &[(&str, u32)] = &[
    ("cs0", 0), ("cs1", 8), ("cs2", 16), ("cs3", 24), ("cs4", 32), ("cs5", 40), ("cs6", 48), ("cs7", 56),
    ("df", 0), ("be", 0), ("lephb", 1), ("af11", 10), ("af12", 12), ("af13", 14), ("af21", 18), ("af22", 20),
    ("af23", 22), ("af31", 26), ("af32", 28), ("af33", 30), ("af41", 34), ("af42", 36), ("af43", 38),
    ("va", 44), ("ef", 46),
];

#[rustfmt::skip]
const TCP_FLAG: &[(&str, u32)] = &[
    ("fin", 1), ("syn", 2), ("rst", 4), ("psh", 8), ("ack", 16), ("urg", 32), ("ecn", 64), ("cwr", 128),
];

#[rustfmt::skip]
const FIB_TYPE: &[(&str, u32)] = &[
    ("unspec", 0), ("unicast", 1), ("local", 2), ("broadcast", 3), ("anycast", 4), ("multicast", 5),
    ("blackhole", 6), ("unreachable", 7), ("prohibit", 8),
];

#[rustfmt::skip]
const ETHER_TYPE: &[(&str, u32)] = &[
    ("ip", 0x0800), ("arp", 0x0806), ("ip6", 0x86dd), ("8021q", 0x8100), ("8021ad", 0x88a8), ("vlan", 0x8100),
];

#[rustfmt::skip]
const ARP_OP: &[(&str, u32)] = &[
    ("request", 1), ("reply", 2), ("rrequest", 3), ("rreply", 4), ("inrequest", 8), ("inreply", 9), ("nak", 10),
];
