//! What firewalls log of packets that they drop, read line by line.
//!
//! The forms: lines of the kernel's LOG and NFLOG targets and of nft's `log`, with the heads of syslog and the journal
//! (`nf_log_syslog.c` of Linux); messages 106001, 106006, 106015, 106023 and 106100 of a Cisco ASA (its Syslog
//! Messages guide); pflog as `tcpdump -n -e` prints it; and JSON lines of ulogd2.

mod asa;
mod kernel;
mod pflog;
mod ulogd;

use std::net::IpAddr;

/// One packet that was dropped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Dropped {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// The protocol number.
    pub protocol: u8,
    /// Source port.
    pub sport: Option<u16>,
    /// Destination port, or ICMP type.
    pub dport: Option<u16>,
    /// The interface by which it came.
    pub iif: Option<String>,
    /// The one by which it would have left.
    pub oif: Option<String>,
    /// Bits of the TCP flags, where the line tells them.
    pub flags: Option<u8>,
    /// How often, where one line stands for several.
    pub times: u64,
}

/// What a line is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Line {
    /// A packet that was dropped.
    Dropped(Dropped),
    /// A message of a firewall about something else.
    Other,
    /// Nothing that is known.
    Unknown,
}

/// Reads a line.
pub(crate) fn read(line: &str) -> Line {
    if line.contains("%ASA-") || line.contains("%FTD-") || line.contains("%PIX-") {
        return asa::read(line);
    }
    if line.contains("IN=") && line.contains("SRC=") {
        return kernel::read(line).map_or(Line::Unknown, Line::Dropped);
    }
    if line.contains("(match") || line.contains("rule ") && line.contains(" > ") {
        return pflog::read(line);
    }
    if line.trim_start().starts_with('{') {
        return ulogd::read(line);
    }
    Line::Unknown
}

/// The number of a protocol that a log names.
fn protocol(word: &str) -> Option<u8> {
    Some(match word {
        _ if word.eq_ignore_ascii_case("tcp") => 6,
        _ if word.eq_ignore_ascii_case("udp") => 17,
        _ if word.eq_ignore_ascii_case("icmp") => 1,
        _ if word.eq_ignore_ascii_case("icmpv6") || word.eq_ignore_ascii_case("icmp6") => 58,
        _ if word.eq_ignore_ascii_case("sctp") => 132,
        _ if word.eq_ignore_ascii_case("gre") => 47,
        _ if word.eq_ignore_ascii_case("esp") => 50,
        _ => word.parse().ok()?,
    })
}

/// The bit of a TCP flag.
fn flag(word: &str) -> u8 {
    match word {
        "FIN" => 1,
        "SYN" => 2,
        "RST" => 4,
        "PSH" => 8,
        "ACK" => 16,
        "URG" => 32,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
