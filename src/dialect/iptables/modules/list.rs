//! Every match and target that is known.

use super::{
    FILTER, FWD, IN, Kind, MANGLE, Module, NAT, OUT, Openness, Opt, PORTS, POST, PRE, RAW, SECURITY, Val, m,
    n, o, r, t,
};
use crate::dialect::iptables::ast::Header;
use crate::dialect::names::proto;
use crate::packet::Field;

const UDP_OPTIONS: &[Opt] = &[
    n("sport", 1, Val::Sport),
    n("dport", 1, Val::Dport),
    n("source-port", 1, Val::Sport),
    n("destination-port", 1, Val::Dport),
];

/// All modules.
#[rustfmt::skip]
pub(crate) static ALL: &[Module] = &[
    m("tcp", &[
        n("dport", 1, Val::Dport), n("sport", 1, Val::Sport), n("tcp-flags", 2, Val::TcpFlags),
        n("syn", 0, Val::Syn), n("destination-port", 1, Val::Dport), n("source-port", 1, Val::Sport),
        n("tcp-option", 1, Val::TcpOption),
    ], Kind::Options).proto(&[proto::TCP]),
    m("udp", UDP_OPTIONS, Kind::Options).proto(&[proto::UDP]),
    m("conntrack", &[
        n("ctstate", 1, Val::CtState), n("ctproto", 1, Val::CtProto),
        n("ctorigsrc", 1, Val::CtOrigSrc), n("ctorigdst", 1, Val::CtOrigDst),
        n("ctreplsrc", 1, Val::CtReplSrc), n("ctrepldst", 1, Val::CtReplDst),
        n("ctorigsrcport", 1, Val::CtOrigSrcPort), n("ctorigdstport", 1, Val::CtOrigDstPort),
        n("ctreplsrcport", 1, Val::CtReplSrcPort), n("ctrepldstport", 1, Val::CtReplDstPort),
        n("ctstatus", 1, Val::CtStatus), n("ctexpire", 1, Val::CtExpire), o("ctdir", 1, Val::CtDir),
    ], Kind::Connection).needs(),
    m("state", &[n("state", 1, Val::State)], Kind::Connection).needs(),
    m("comment", &[o("comment", 1, Val::Skip)], Kind::Nothing).needs(),
    m("multiport", &[
        n("dports", 1, Val::DestinationPorts), n("sports", 1, Val::SourcePorts), n("ports", 1, Val::EitherPorts),
        n("destination-ports", 1, Val::DestinationPorts), n("source-ports", 1, Val::SourcePorts),
    ], Kind::Options).proto(PORTS).one_of(&["dports", "sports", "ports", "destination-ports", "source-ports"]),
    m("mac", &[n("mac-source", 1, Val::Mac)], Kind::Options).hooks(PRE | IN | FWD).needs(),
    m("icmp", &[n("icmp-type", 1, Val::Icmp)], Kind::Options).v4().proto(&[proto::ICMP]).must("icmp-type"),
    m("icmp6", &[n("icmpv6-type", 1, Val::Icmp)], Kind::Options).v6().proto(&[proto::ICMPV6]).needs(),
    m("limit", &[o("limit", 1, Val::Skip), o("limit-burst", 1, Val::Skip)], Kind::Open(Openness::Rate(true))),
    m("set", &[
        n("match-set", 2, Val::MatchSet), n("set", 2, Val::MatchSet), o("return-nomatch", 0, Val::ReturnNomatch),
        n("update-counters", 0, Val::Skip), n("update-subcounters", 0, Val::Skip),
        n("packets-eq", 1, Val::SetCounter), o("packets-lt", 1, Val::SetCounter), o("packets-gt", 1, Val::SetCounter),
        n("bytes-eq", 1, Val::SetCounter), o("bytes-lt", 1, Val::SetCounter), o("bytes-gt", 1, Val::SetCounter),
    ], Kind::Set).needs(),
    m("addrtype", &[
        n("src-type", 1, Val::SrcType), n("dst-type", 1, Val::DstType),
        o("limit-iface-in", 0, Val::LimitIn), o("limit-iface-out", 0, Val::LimitOut),
    ], Kind::AddrType).any_of(&["src-type", "dst-type"]),
    m("mark", &[n("mark", 1, Val::Mark)], Kind::Options).needs(),
    m("connmark", &[n("mark", 1, Val::ConnMark)], Kind::Options).needs(),
    m("iprange", &[n("src-range", 1, Val::SrcRange), n("dst-range", 1, Val::DstRange)], Kind::Options).needs(),
    m("ah", &[n("ahspi", 1, Val::Range(Field::Spi))], Kind::Options).v4().proto(&[proto::AH]),
    m("ah", &[n("ahspi", 1, Val::Beyond), n("ahlen", 1, Val::Beyond), o("ahres", 0, Val::Beyond)],
        Kind::Header(Header::Auth)).v6(),
    m("bpf", &[o("object-pinned", 1, Val::Skip), o("bytecode", 1, Val::Skip)], Kind::Open(Openness::Chance)),
    m("cgroup", &[n("path", 1, Val::Skip), n("cgroup", 1, Val::Skip)], Kind::Open(Openness::Chance)).hooks(IN | OUT | POST),
    m("cluster", &[
        o("cluster-total-nodes", 1, Val::Skip), n("cluster-local-node", 1, Val::Skip),
        n("cluster-local-nodemask", 1, Val::Skip), o("cluster-hash-seed", 1, Val::Skip),
    ], Kind::Open(Openness::Chance)),
    m("connbytes", &[
        n("connbytes", 1, Val::ConnBytes), o("connbytes-dir", 1, Val::Skip), o("connbytes-mode", 1, Val::Skip),
    ], Kind::Open(Openness::Rate(true))),
    m("connlabel", &[n("label", 1, Val::Skip), o("set", 0, Val::Skip)], Kind::Open(Openness::Chance)),
    m("connlimit", &[
        n("connlimit-upto", 1, Val::Upto), n("connlimit-above", 1, Val::Above), o("connlimit-mask", 1, Val::Skip),
        o("connlimit-saddr", 0, Val::Skip), o("connlimit-daddr", 0, Val::Skip),
    ], Kind::Open(Openness::Rate(false))),
    m("cpu", &[n("cpu", 1, Val::Skip)], Kind::Open(Openness::Chance)),
    m("dccp", &[
        n("sport", 1, Val::Sport), n("dport", 1, Val::Dport), n("source-port", 1, Val::Sport),
        n("destination-port", 1, Val::Dport), n("dccp-types", 1, Val::Beyond), n("dccp-option", 1, Val::Beyond),
    ], Kind::Options).proto(&[proto::DCCP]),
    m("devgroup", &[n("src-group", 1, Val::Beyond), n("dst-group", 1, Val::Beyond)], Kind::Options).needs(),
    m("dscp", &[n("dscp", 1, Val::Number(Field::Dscp)), n("dscp-class", 1, Val::DscpClass)], Kind::Options).one_of(&["dscp", "dscp-class"]),
    m("dst", &[n("dst-len", 1, Val::Beyond), o("dst-opts", 1, Val::Beyond), o("dst-not-strict", 0, Val::Skip)],
        Kind::Header(Header::Destination)).v6(),
    m("ecn", &[
        n("ecn-tcp-cwr", 0, Val::EcnCwr), n("ecn-tcp-ece", 0, Val::EcnEce), n("ecn-ip-ect", 1, Val::Number(Field::Ecn)),
    ], Kind::Options).needs(),
    m("esp", &[n("espspi", 1, Val::Range(Field::Spi))], Kind::Options).proto(&[proto::ESP]),
    m("eui64", &[], Kind::Open(Openness::Chance)).v6().hooks(PRE | IN | FWD),
    m("frag", &[
        n("fragid", 1, Val::Beyond), n("fraglen", 1, Val::Beyond), o("fragres", 0, Val::Beyond),
        o("fragfirst", 0, Val::Beyond), o("fragmore", 0, Val::Beyond), o("fraglast", 0, Val::Beyond),
    ], Kind::Header(Header::Frag)).v6(),
    m("hashlimit", &[
        n("hashlimit-upto", 1, Val::Upto), n("hashlimit-above", 1, Val::Above), n("hashlimit", 1, Val::Upto),
        o("hashlimit-burst", 1, Val::Skip), o("hashlimit-mode", 1, Val::Skip), o("hashlimit-srcmask", 1, Val::Skip),
        o("hashlimit-dstmask", 1, Val::Skip), o("hashlimit-name", 1, Val::Skip),
        o("hashlimit-htable-size", 1, Val::Skip), o("hashlimit-htable-max", 1, Val::Skip),
        o("hashlimit-htable-expire", 1, Val::Skip), o("hashlimit-htable-gcinterval", 1, Val::Skip),
        o("hashlimit-rate-match", 0, Val::Skip), o("hashlimit-rate-interval", 1, Val::Skip),
    ], Kind::Open(Openness::Rate(true))).must("hashlimit-name"),
    m("hbh", &[n("hbh-len", 1, Val::Beyond), o("hbh-opts", 1, Val::Beyond), o("hbh-not-strict", 0, Val::Skip)],
        Kind::Header(Header::HopByHop)).v6(),
    m("helper", &[n("helper", 1, Val::Helper)], Kind::Options).needs(),
    m("hl", &[n("hl-eq", 1, Val::Number(Field::Ttl)), o("hl-lt", 1, Val::TtlLt), o("hl-gt", 1, Val::TtlGt)], Kind::Options)
        .v6().one_of(&["hl-eq", "hl-lt", "hl-gt"]),
    m("ipcomp", &[n("ipcompspi", 1, Val::Skip), o("compres", 0, Val::Skip)], Kind::Open(Openness::Chance)).proto(&[108]),
    m("ipv6header", &[n("header", 1, Val::Header), o("soft", 0, Val::Soft)], Kind::Ipv6Header).v6().needs(),
    m("ipv4options", &[
        o("flags", 1, Val::IpOptions), o("any", 0, Val::IpOptions), n("ssrr", 0, Val::IpOptions), n("lsrr", 0, Val::IpOptions),
        o("no-srr", 0, Val::NoIpOptions), n("rr", 0, Val::IpOptions), n("ts", 0, Val::IpOptions), n("ra", 0, Val::IpOptions),
        n("any-opt", 0, Val::IpOptions),
    ], Kind::Open(Openness::Forgery(false))).v4(),
    m("ipvs", &[
        n("ipvs", 0, Val::Skip), n("vproto", 1, Val::Skip), n("vaddr", 1, Val::Skip), n("vport", 1, Val::Skip),
        o("vdir", 1, Val::Skip), n("vmethod", 1, Val::Skip), n("vportctl", 1, Val::Skip),
    ], Kind::Open(Openness::Options)),
    m("length", &[n("length", 1, Val::Length)], Kind::Options).needs(),
    m("mh", &[n("mh-type", 1, Val::Skip)], Kind::Open(Openness::Chance)).v6().proto(&[proto::MH]),
    m("nfacct", &[o("nfacct-name", 1, Val::Skip)], Kind::Open(Openness::Chance)),
    m("osf", &[n("genre", 1, Val::Skip), o("ttl", 1, Val::Skip), o("log", 1, Val::Skip)], Kind::Open(Openness::Chance))
        .v4().proto(&[proto::TCP]).hooks(PRE | IN | FWD),
    m("owner", &[
        n("uid-owner", 1, Val::Owner), n("gid-owner", 1, Val::Owner), o("suppl-groups", 0, Val::Skip),
        n("socket-exists", 0, Val::Owner),
    ], Kind::Owner).hooks(OUT | POST),
    m("physdev", &[
        n("physdev-in", 1, Val::Beyond), n("physdev-out", 1, Val::Beyond), n("physdev-is-in", 0, Val::Beyond),
        n("physdev-is-out", 0, Val::Beyond), n("physdev-is-bridged", 0, Val::IsBridged),
    ], Kind::Physdev).needs(),
    m("pkttype", &[n("pkt-type", 1, Val::PktType)], Kind::Options).needs(),
    m("policy", &[
        o("dir", 1, Val::PolicyDir), o("pol", 1, Val::Skip), o("strict", 0, Val::Skip), r("reqid", 1, Val::Skip),
        r("spi", 1, Val::Skip), r("proto", 1, Val::Skip), r("mode", 1, Val::Skip), r("tunnel-src", 1, Val::Skip),
        r("tunnel-dst", 1, Val::Skip), r("next", 0, Val::Skip),
    ], Kind::Open(Openness::Options)).must("dir"),
    m("quota", &[n("quota", 1, Val::Skip)], Kind::Open(Openness::Rate(true))),
    m("rateest", &[
        o("rateest-delta", 0, Val::Skip), n("rateest-lt", 0, Val::Skip), n("rateest-gt", 0, Val::Skip),
        n("rateest-eq", 0, Val::Skip), o("rateest", 1, Val::Skip), o("rateest1", 1, Val::Skip),
        o("rateest2", 1, Val::Skip), o("rateest-bps", 1, Val::Skip), o("rateest-pps", 1, Val::Skip),
        o("rateest-bps1", 1, Val::Skip), o("rateest-bps2", 1, Val::Skip), o("rateest-pps1", 1, Val::Skip),
        o("rateest-pps2", 1, Val::Skip),
    ], Kind::Open(Openness::Chance)),
    m("realm", &[n("realm", 1, Val::Skip)], Kind::Open(Openness::Chance)).v4().hooks(IN | FWD | OUT | POST),
    m("recent", &[
        n("set", 0, Val::RecentSet), n("rcheck", 0, Val::Skip), n("update", 0, Val::Skip), n("remove", 0, Val::Skip),
        o("seconds", 1, Val::Skip), o("reap", 0, Val::Skip), o("hitcount", 1, Val::HitCount), o("rttl", 0, Val::Skip),
        o("name", 1, Val::Skip), o("rsource", 0, Val::Skip), o("rdest", 0, Val::Skip), o("mask", 1, Val::Skip),
    ], Kind::Open(Openness::Recent)).one_of(&["set", "rcheck", "update", "remove"]),
    m("rpfilter", &[
        o("loose", 0, Val::Skip), o("validmark", 0, Val::Skip), o("accept-local", 0, Val::Skip),
        o("invert", 0, Val::Invert),
    ], Kind::Open(Openness::Forgery(true))).tables(RAW | MANGLE).hooks(PRE),
    m("rt", &[
        n("rt-type", 1, Val::Beyond), n("rt-segsleft", 1, Val::Beyond), n("rt-len", 1, Val::Beyond),
        o("rt-0-res", 0, Val::Beyond), o("rt-0-addrs", 1, Val::Beyond), o("rt-0-not-strict", 0, Val::Skip),
    ], Kind::Header(Header::Route)).v6(),
    m("sctp", &[
        n("sport", 1, Val::Sport), n("dport", 1, Val::Dport), n("source-port", 1, Val::Sport),
        n("destination-port", 1, Val::Dport), n("chunk-types", 2, Val::Beyond),
    ], Kind::Options).proto(&[proto::SCTP]),
    m("socket", &[
        o("transparent", 0, Val::Skip), o("nowildcard", 0, Val::Skip), o("restore-skmark", 0, Val::Skip),
    ], Kind::Open(Openness::Chance)).hooks(PRE | IN),
    m("srh", &[
        n("srh-next-hdr", 1, Val::Beyond), n("srh-hdr-len-eq", 1, Val::Beyond), n("srh-hdr-len-gt", 1, Val::Beyond),
        n("srh-hdr-len-lt", 1, Val::Beyond), n("srh-segs-left-eq", 1, Val::Beyond), n("srh-segs-left-gt", 1, Val::Beyond),
        n("srh-segs-left-lt", 1, Val::Beyond), n("srh-last-entry-eq", 1, Val::Beyond),
        n("srh-last-entry-gt", 1, Val::Beyond), n("srh-last-entry-lt", 1, Val::Beyond), n("srh-tag", 1, Val::Beyond),
        n("srh-psid", 1, Val::Beyond), n("srh-nsid", 1, Val::Beyond), n("srh-lsid", 1, Val::Beyond),
    ], Kind::Header(Header::Route)).v6(),
    m("statistic", &[
        o("mode", 1, Val::Skip), n("probability", 1, Val::Skip), n("every", 1, Val::Skip), o("packet", 1, Val::Skip),
    ], Kind::Open(Openness::Chance)),
    m("string", &[
        o("algo", 1, Val::Skip), o("from", 1, Val::Skip), o("to", 1, Val::Skip), n("string", 1, Val::Skip),
        n("hex-string", 1, Val::Skip), o("icase", 0, Val::Skip),
    ], Kind::Open(Openness::Chance)).must("algo"),
    m("tcpmss", &[n("mss", 1, Val::Mss)], Kind::Options).proto(&[proto::TCP]).needs(),
    m("time", &[
        o("datestart", 1, Val::Skip), o("datestop", 1, Val::Skip), o("timestart", 1, Val::Skip),
        o("timestop", 1, Val::Skip), n("monthdays", 1, Val::Skip), n("weekdays", 1, Val::Skip),
        o("contiguous", 0, Val::Skip), o("kerneltz", 0, Val::Skip), o("localtz", 0, Val::Skip), o("utc", 0, Val::Skip),
    ], Kind::Open(Openness::Global)),
    m("tos", &[n("tos", 1, Val::Tos)], Kind::Options).needs(),
    m("ttl", &[
        n("ttl-eq", 1, Val::Number(Field::Ttl)), o("ttl-lt", 1, Val::TtlLt), o("ttl-gt", 1, Val::TtlGt), n("ttl", 1, Val::Number(Field::Ttl)),
    ], Kind::Options).v4().one_of(&["ttl-eq", "ttl-lt", "ttl-gt", "ttl"]),
    m("u32", &[n("u32", 1, Val::Skip)], Kind::Open(Openness::Chance)),

    t("LOG", &[
        o("log-level", 1, Val::LogLevel), o("log-prefix", 1, Val::Skip), o("log-tcp-sequence", 0, Val::Skip),
        o("log-tcp-options", 0, Val::Skip), o("log-ip-options", 0, Val::Skip), o("log-uid", 0, Val::Skip),
        o("log-macdecode", 0, Val::Skip),
    ], Kind::Nothing),
    t("REJECT", &[o("reject-with", 1, Val::RejectWith)], Kind::Reject)
        .tables(FILTER).hooks(IN | FWD | OUT),
    t("DNAT", &[
        o("to-destination", 1, Val::ToDestination), o("random", 0, Val::Random), o("persistent", 0, Val::Skip),
    ], Kind::Dnat).tables(NAT).hooks(PRE | OUT).needs(),
    t("SNAT", &[
        o("to-source", 1, Val::ToSource), o("random", 0, Val::Random), o("random-fully", 0, Val::Random),
        o("persistent", 0, Val::Skip),
    ], Kind::Snat).tables(NAT).hooks(IN | POST).needs(),
    t("MASQUERADE", &[
        o("to-ports", 1, Val::ToPorts), o("random", 0, Val::Random), o("random-fully", 0, Val::Random),
    ], Kind::Masquerade).tables(NAT).hooks(POST),
    t("REDIRECT", &[o("to-ports", 1, Val::ToPorts), o("random", 0, Val::Random)], Kind::Redirect)
        .tables(NAT).hooks(PRE | OUT),
    t("NETMAP", &[o("to", 1, Val::Netmap)], Kind::Netmap).tables(NAT).hooks(PRE | OUT | IN | POST).needs(),
    t("MARK", &[
        o("set-xmark", 1, Val::SetXmark), o("set-mark", 1, Val::SetMark), o("and-mark", 1, Val::AndMark),
        o("or-mark", 1, Val::OrMark), o("xor-mark", 1, Val::XorMark),
    ], Kind::Mark).one_of(&["set-xmark", "set-mark", "and-mark", "or-mark", "xor-mark"]),
    t("CONNMARK", &[
        o("set-xmark", 1, Val::SetXmark), o("set-mark", 1, Val::SetMark), o("and-mark", 1, Val::AndMark),
        o("or-mark", 1, Val::OrMark), o("xor-mark", 1, Val::XorMark), o("save-mark", 0, Val::SaveMark),
        o("restore-mark", 0, Val::RestoreMark), o("mask", 1, Val::MarkMask), o("nfmask", 1, Val::NfMask),
        o("ctmask", 1, Val::CtMask), o("left-shift-mark", 1, Val::Skip), o("right-shift-mark", 1, Val::Skip),
    ], Kind::ConnMark).one_of(&["set-xmark", "set-mark", "and-mark", "or-mark", "xor-mark", "save-mark", "restore-mark"]),
    t("CT", &[
        o("notrack", 0, Val::NoTrack), o("helper", 1, Val::CtHelper), o("timeout", 1, Val::Skip),
        o("ctevents", 1, Val::Skip), o("expevents", 1, Val::Skip), o("zone", 1, Val::Zone),
        o("zone-orig", 1, Val::Zone), o("zone-reply", 1, Val::Zone),
    ], Kind::Ct).tables(RAW),
    t("NOTRACK", &[], Kind::NoTrack).tables(RAW),
    t("NFQUEUE", &[
        o("queue-num", 1, Val::Skip), o("queue-balance", 1, Val::Skip), o("queue-bypass", 0, Val::Skip),
        o("queue-cpu-fanout", 0, Val::Skip),
    ], Kind::Queue),
    t("TPROXY", &[
        o("on-port", 1, Val::TproxyPort), o("on-ip", 1, Val::TproxyIp), o("tproxy-mark", 1, Val::TproxyMark),
    ], Kind::Tproxy).proto(&[proto::TCP, proto::UDP]).tables(MANGLE).hooks(PRE).must("on-port"),
    t("NFLOG", &[
        o("nflog-group", 1, Val::Skip), o("nflog-prefix", 1, Val::Skip), o("nflog-range", 1, Val::Skip),
        o("nflog-size", 1, Val::Skip), o("nflog-threshold", 1, Val::Skip),
    ], Kind::Nothing),
    t("ULOG", &[
        o("ulog-nlgroup", 1, Val::Skip), o("ulog-prefix", 1, Val::Skip), o("ulog-cprange", 1, Val::Skip),
        o("ulog-qthreshold", 1, Val::Skip),
    ], Kind::Nothing).v4(),
    t("TCPMSS", &[o("set-mss", 1, Val::Skip), o("clamp-mss-to-pmtu", 0, Val::ClampMss)], Kind::TcpMss)
        .proto(&[proto::TCP]).needs(),
    t("AUDIT", &[o("type", 1, Val::Skip)], Kind::Nothing).needs(),
    t("CHECKSUM", &[o("checksum-fill", 0, Val::Skip)], Kind::Nothing).tables(MANGLE).needs(),
    t("CLASSIFY", &[o("set-class", 1, Val::Skip)], Kind::Nothing).hooks(FWD | OUT | POST).needs(),
    t("CLUSTERIP", &[
        o("new", 0, Val::Skip), o("hashmode", 1, Val::Skip), o("clustermac", 1, Val::Skip),
        o("total-nodes", 1, Val::Skip), o("local-node", 1, Val::Skip), o("hash-init", 1, Val::Skip),
    ], Kind::Undefined).v4().tables(FILTER).hooks(IN),
    t("CONNSECMARK", &[o("save", 0, Val::Skip), o("restore", 0, Val::Skip)], Kind::Nothing)
        .tables(MANGLE | SECURITY).needs(),
    t("SECMARK", &[o("selctx", 1, Val::Skip)], Kind::Nothing).tables(MANGLE | SECURITY).needs(),
    t("DNPT", &[o("src-pfx", 1, Val::Skip), o("dst-pfx", 1, Val::Skip)], Kind::Npt(true))
        .v6().tables(MANGLE).needs(),
    t("SNPT", &[o("src-pfx", 1, Val::Skip), o("dst-pfx", 1, Val::Skip)], Kind::Npt(false))
        .v6().tables(MANGLE).needs(),
    t("DSCP", &[o("set-dscp", 1, Val::SetDscp), o("set-dscp-class", 1, Val::SetDscpClass)], Kind::Dscp)
        .tables(MANGLE).one_of(&["set-dscp", "set-dscp-class"]),
    t("TOS", &[
        o("set-tos", 1, Val::Skip), o("and-tos", 1, Val::Skip), o("or-tos", 1, Val::Skip), o("xor-tos", 1, Val::Skip),
    ], Kind::Dscp).tables(MANGLE).needs(),
    t("ECN", &[
        o("ecn-tcp-remove", 0, Val::EcnRemove), o("ecn-tcp-cwr", 1, Val::Skip), o("ecn-tcp-ece", 1, Val::Skip),
        o("ecn-ip-ect", 1, Val::Skip),
    ], Kind::Nothing).v4().tables(MANGLE),
    t("TTL", &[o("ttl-set", 1, Val::SetTtl), o("ttl-dec", 1, Val::Skip), o("ttl-inc", 1, Val::Skip)], Kind::Ttl)
        .v4().tables(MANGLE).needs(),
    t("HL", &[o("hl-set", 1, Val::SetTtl), o("hl-dec", 1, Val::Skip), o("hl-inc", 1, Val::Skip)], Kind::Ttl)
        .v6().tables(MANGLE).needs(),
    t("HMARK", &[
        o("hmark-tuple", 1, Val::Skip), o("hmark-mod", 1, Val::Skip), o("hmark-offset", 1, Val::Skip),
        o("hmark-src-prefix", 1, Val::Skip), o("hmark-dst-prefix", 1, Val::Skip), o("hmark-sport-mask", 1, Val::Skip),
        o("hmark-dport-mask", 1, Val::Skip), o("hmark-spi-mask", 1, Val::Skip), o("hmark-proto-mask", 1, Val::Skip),
        o("hmark-sport", 1, Val::Skip), o("hmark-dport", 1, Val::Skip), o("hmark-spi", 1, Val::Skip),
        o("hmark-proto", 1, Val::Skip), o("hmark-rnd", 1, Val::Skip),
    ], Kind::Hmark).needs(),
    t("IDLETIMER", &[
        o("timeout", 1, Val::Skip), o("label", 1, Val::Skip), o("alarm", 0, Val::Skip), o("send_nl_msg", 1, Val::Skip),
    ], Kind::Nothing).needs(),
    t("LED", &[
        o("led-trigger-id", 1, Val::Skip), o("led-delay", 1, Val::Skip), o("led-always-blink", 0, Val::Skip),
    ], Kind::Nothing).needs(),
    t("RATEEST", &[
        o("rateest-name", 1, Val::Skip), o("rateest-interval", 1, Val::Skip), o("rateest-ewmalog", 1, Val::Skip),
    ], Kind::Nothing).needs(),
    t("SET", &[
        o("add-set", 2, Val::AddSet), o("del-set", 2, Val::AddSet), o("map-set", 2, Val::MapSet),
        o("timeout", 1, Val::Skip), o("exist", 0, Val::Skip), o("map-mark", 0, Val::MapMark),
        o("map-prio", 0, Val::Skip), o("map-queue", 0, Val::Skip),
    ], Kind::SetTarget).needs(),
    t("SYNPROXY", &[
        o("mss", 1, Val::Skip), o("wscale", 1, Val::Skip), o("sack-perm", 0, Val::Skip), o("timestamp", 0, Val::Skip),
        o("ecn", 0, Val::Skip),
    ], Kind::Undefined).proto(&[proto::TCP]).hooks(IN | FWD),
    t("TCPOPTSTRIP", &[o("strip-options", 1, Val::Skip)], Kind::Nothing).proto(&[proto::TCP]).tables(MANGLE),
    t("TEE", &[o("gateway", 1, Val::Skip), o("oif", 1, Val::Skip)], Kind::Nothing).needs(),
    t("TRACE", &[], Kind::Nothing),
];
