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
