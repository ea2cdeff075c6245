//! The closed vocabularies of pf.conf: ICMP types and codes, TCP flags, TOS names, timeouts (pf.conf(5),
//! icmp(4), icmp6(4)).

/// ICMP types by pf's names.
const ICMP_TYPES: &[(&str, u8)] = &[
    ("echorep", 0),
    ("unreach", 3),
    ("squench", 4),
    ("redir", 5),
    ("althost", 6),
    ("echoreq", 8),
    ("routeradv", 9),
    ("routersol", 10),
    ("timex", 11),
    ("paramprob", 12),
    ("timereq", 13),
    ("timerep", 14),
    ("inforeq", 15),
    ("inforep", 16),
    ("maskreq", 17),
    ("maskrep", 18),
    ("trace", 30),
    ("dataconv", 31),
    ("mobredir", 32),
    ("ipv6-where", 33),
    ("ipv6-here", 34),
    ("mobregreq", 35),
    ("mobregrep", 36),
    ("skip", 39),
    ("photuris", 40),
];

/// ICMPv6 types by pf's names.
const ICMP6_TYPES: &[(&str, u8)] = &[
    ("unreach", 1),
    ("toobig", 2),
    ("timex", 3),
    ("paramprob", 4),
    ("echoreq", 128),
    ("echorep", 129),
    ("groupqry", 130),
    ("listqry", 130),
    ("grouprep", 131),
    ("listenrep", 131),
    ("groupterm", 132),
    ("listendone", 132),
    ("routersol", 133),
    ("routeradv", 134),
    ("neighbrsol", 135),
    ("neighbradv", 136),
    ("redir", 137),
    ("routrrenum", 138),
    ("wrureq", 139),
    ("fqdnreq", 139),
    ("niqry", 139),
    ("wrurep", 140),
    ("fqdnrep", 140),
    ("nirep", 140),
    ("listenrepv2", 143),
    ("mtraceresp", 200),
    ("mtrace", 201),
];

/// ICMP codes: name, type, code.
const ICMP_CODES: &[(&str, u8, u8)] = &[
    ("net-unr", 3, 0),
    ("host-unr", 3, 1),
    ("proto-unr", 3, 2),
    ("port-unr", 3, 3),
    ("needfrag", 3, 4),
    ("srcfail", 3, 5),
    ("net-unk", 3, 6),
    ("host-unk", 3, 7),
    ("isolate", 3, 8),
    ("net-prohib", 3, 9),
    ("host-prohib", 3, 10),
    ("net-tos", 3, 11),
    ("host-tos", 3, 12),
    ("filter-prohib", 3, 13),
    ("host-preced", 3, 14),
    ("cutoff-preced", 3, 15),
    ("redir-net", 5, 0),
    ("redir-host", 5, 1),
    ("redir-tos-net", 5, 2),
    ("redir-tos-host", 5, 3),
    ("normal-adv", 9, 0),
    ("common-adv", 9, 16),
    ("transit", 11, 0),
    ("reassemb", 11, 1),
    ("badhead", 12, 0),
    ("optmiss", 12, 1),
    ("badlen", 12, 2),
    ("unknown-ind", 40, 1),
    ("auth-fail", 40, 2),
    ("decrypt-fail", 40, 3),
];

/// ICMPv6 codes: name, type, code.
const ICMP6_CODES: &[(&str, u8, u8)] = &[
    ("noroute-unr", 1, 0),
    ("admin-unr", 1, 1),
    ("notnbr-unr", 1, 2),
    ("beyond-unr", 1, 2),
    ("addr-unr", 1, 3),
    ("port-unr", 1, 4),
    ("transit", 3, 0),
    ("reassemb", 3, 1),
    ("badhead", 4, 0),
    ("nxthdr", 4, 1),
    ("redironlink", 137, 0),
    ("redirrouter", 137, 1),
];

/// TOS and DSCP names, with the value of the whole byte.
const TOS: &[(&str, u8)] = &[
    ("af11", 0x28),
    ("af12", 0x30),
    ("af13", 0x38),
    ("af21", 0x48),
    ("af22", 0x50),
    ("af23", 0x58),
    ("af31", 0x68),
    ("af32", 0x70),
    ("af33", 0x78),
    ("af41", 0x88),
    ("af42", 0x90),
    ("af43", 0x98),
    ("critical", 0xa0),
    ("cs0", 0x00),
    ("cs1", 0x20),
    ("cs2", 0x40),
    ("cs3", 0x60),
    ("cs4", 0x80),
    ("cs5", 0xa0),
    ("cs6", 0xc0),
    ("cs7", 0xe0),
    ("ef", 0xb8),
    ("inetcontrol", 0xc0),
    ("lowdelay", 0x10),
    ("netcontrol", 0xe0),
    ("reliability", 0x04),
    ("throughput", 0x08),
    ("va", 0xb0),
];

/// Timeouts; those with a dot may stand in state options.
const TIMEOUTS: &[&str] = &[
    "tcp.first",
    "tcp.opening",
    "tcp.established",
    "tcp.closing",
    "tcp.finwait",
    "tcp.closed",
    "tcp.tsdiff",
    "udp.first",
    "udp.single",
    "udp.multiple",
    "sctp.first",
    "sctp.opening",
    "sctp.established",
    "sctp.closing",
    "sctp.closed",
    "icmp.first",
    "icmp.error",
    "other.first",
    "other.single",
    "other.multiple",
    "frag",
    "interval",
    "adaptive.start",
    "adaptive.end",
    "src.track",
    // macOS
    "grev1.first",
    "grev1.initiating",
    "grev1.estblished",
    "esp.first",
    "esp.initiating",
    "esp.estblished",
];

/// What `set limit` can limit.
const LIMITS: &[&str] = &[
    "states",
    "src-nodes",
    "frags",
    "tables",
    "table-entries",
    "pktdelay-pkts",
    "anchors",
    "app-states",
    "eth-anchors",
];

fn by_name(table: &[(&str, u8)], name: &str) -> Option<u8> {
    table.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// The number of an ICMP or ICMPv6 type.
pub fn icmp_type(name: &str, v6: bool) -> Option<u8> {
    by_name(if v6 { ICMP6_TYPES } else { ICMP_TYPES }, name)
}

/// pf's name of an ICMP or ICMPv6 type.
pub fn icmp_type_name(kind: u8, v6: bool) -> Option<&'static str> {
    let table = if v6 { ICMP6_TYPES } else { ICMP_TYPES };
    table.iter().find(|(_, value)| *value == kind).map(|(name, _)| *name)
}

/// The number of a code of an ICMP or ICMPv6 type.
pub fn icmp_code(kind: u8, name: &str, v6: bool) -> Option<u8> {
    let table = if v6 { ICMP6_CODES } else { ICMP_CODES };
    table.iter().find(|(known, of, _)| *known == name && *of == kind).map(|(_, _, code)| *code)
}

/// pf's name of a code of an ICMP or ICMPv6 type.
pub fn icmp_code_name(kind: u8, code: u8, v6: bool) -> Option<&'static str> {
    let table = if v6 { ICMP6_CODES } else { ICMP_CODES };
    table.iter().find(|(_, of, value)| *value == code && *of == kind).map(|(name, _, _)| *name)
}

/// The value of a TOS or DSCP name.
pub fn tos(name: &str) -> Option<u8> {
    by_name(TOS, &name.to_ascii_lowercase())
}

/// Whether a timeout has this name.
pub fn is_timeout(name: &str) -> bool {
    TIMEOUTS.contains(&name)
}

/// Whether `set limit` knows this name.
pub fn is_limit(name: &str) -> bool {
    LIMITS.contains(&name)
}

/// pf's letters of the TCP flags, from the lowest bit of the header's byte.
const TCP_FLAGS: &str = "FSRPAUEW";

/// The bits of a word of TCP flag letters.
pub fn tcp_flags(letters: &str) -> Option<u8> {
    letters.chars().try_fold(0, |bits, letter| TCP_FLAGS.find(letter).map(|index| bits | 1u8 << index))
}

/// The letters of TCP flag bits.
pub fn tcp_flag_letters(bits: u8) -> String {
    TCP_FLAGS.chars().enumerate().filter(|(index, _)| bits & (1 << index) != 0).map(|(_, c)| c).collect()
}

/// Words that the grammar reserves in every version, so that they cannot be names.
pub fn is_keyword(word: &str) -> bool {
    matches!(
        word,
        "all"
            | "allow-opts"
            | "anchor"
            | "antispoof"
            | "any"
            | "block"
            | "code"
            | "divert-to"
            | "dup-to"
            | "file"
            | "flags"
            | "for"
            | "fragment"
            | "from"
            | "group"
            | "icmp-type"
            | "icmp6-type"
            | "in"
            | "inet"
            | "inet6"
            | "keep"
            | "label"
            | "load"
            | "log"
            | "max-mss"
            | "min-ttl"
            | "modulate"
            | "nat-to"
            | "no"
            | "no-df"
            | "no-route"
            | "on"
            | "os"
            | "out"
            | "pass"
            | "port"
            | "probability"
            | "proto"
            | "queue"
            | "quick"
            | "rdr-to"
            | "received-on"
            | "reply-to"
            | "return"
            | "return-icmp"
            | "return-icmp6"
            | "return-rst"
            | "route-to"
            | "rtable"
            | "scrub"
            | "set"
            | "state"
            | "synproxy"
            | "table"
            | "tag"
            | "tagged"
            | "to"
            | "tos"
            | "urpf-failed"
            | "user"
            | "once"
            | "max-pkt-rate"
            | "binat-to"
            | "af-to"
            | "divert-packet"
            | "divert-reply"
            | "dnpipe"
            | "dnqueue"
            | "ridentifier"
            | "prio"
            | "static-port"
            | "sticky-address"
            | "round-robin"
            | "bitmask"
            | "random"
            | "source-hash"
            | "least-states"
    )
}
