//! Names of services and protocols: the shared ones, and those that only BSD systems have.

use crate::dialect::names;
use crate::packet::proto;

/// Services of `/etc/services` on OpenBSD and FreeBSD that the shared table lacks, or has elsewhere.
const BSD_SERVICES: &[(&str, u16)] = &[
    ("irc", 194),
    ("imap3", 220),
    ("h323gatedisc", 1718),
    ("h323gatestat", 1719),
    ("h323hostcall", 1720),
    ("nfsd", 2049),
    ("rdp", 3389),
    ("ipsec-msft", 4500),
    ("ftp-proxy", 8021),
    ("spamd", 8025),
    ("spamd-cfg", 8026),
    ("spamd-sync", 8025),
    ("irc-serv", 529),
    ("kpasswd5", 464),
    ("l2f", 1701),
    ("pptp", 1723),
    ("ssdp", 1900),
    ("hsrp", 1985),
    ("squid", 3128),
    ("stun", 3478),
    ("turn", 3478),
    ("teredo", 3544),
    ("vxlan", 4789),
    ("stuns", 5349),
    ("turns", 5349),
    ("nat-pmp", 5351),
    ("rfb", 5900),
    ("privoxy", 8118),
];

/// Protocols of `/etc/protocols` on OpenBSD and FreeBSD that the shared table lacks.
const BSD_PROTOCOLS: &[(&str, u8)] =
    &[("ipv4", 4), ("st2", 5), ("icmp6", 58), ("icmpv6", 58), ("carp", 112), ("pfsync", 240)];

/// The port of a service of TCP, else of UDP, as pfctl looks it up.
pub fn service(name: &str) -> Option<u16> {
    let own = BSD_SERVICES.iter().find(|(known, _)| *known == name).map(|(_, port)| *port);
    own.or_else(|| names::service(name, proto::TCP)).or_else(|| names::service(name, proto::UDP))
}

/// The number of a protocol. Aliases on BSD are the names in upper case.
pub fn protocol(name: &str) -> Option<u8> {
    let lower = name.to_ascii_lowercase();
    let own = BSD_PROTOCOLS.iter().find(|(known, _)| *known == lower).map(|(_, number)| *number);
    own.or_else(|| names::protocol(&lower))
}

/// The name of a protocol.
pub fn protocol_name(number: u8) -> Option<&'static str> {
    let own = BSD_PROTOCOLS.iter().find(|(name, known)| *known == number && !name.starts_with("icmp"));
    own.map(|(name, _)| *name).or_else(|| names::protocol_name(number))
}

/// The users that every BSD has, by number (`/etc/passwd`).
const USERS: &[(&str, &str)] = &[("root", "0"), ("daemon", "1"), ("operator", "2"), ("bin", "3")];
/// Likewise the groups (`/etc/group`).
const GROUPS: &[(&str, &str)] = &[
    ("wheel", "0"),
    ("daemon", "1"),
    ("kmem", "2"),
    ("sys", "3"),
    ("tty", "4"),
    ("operator", "5"),
    ("bin", "7"),
];

/// The number of a user or a group, where every system has it under that name; else the word itself.
pub fn owner(word: &str, group: bool) -> &str {
    let known = if group { GROUPS } else { USERS };
    known.iter().find(|(name, _)| *name == word).map_or(word, |(_, number)| number)
}

/// The name of such a number.
pub fn owner_name(number: &str, group: bool) -> &str {
    let known = if group { GROUPS } else { USERS };
    known.iter().find(|(_, known)| *known == number).map_or(number, |(name, _)| name)
}
