//! `rule 3/0(match): block in on em0: 203.0.113.9.50000 > 10.1.2.10.1720: Flags [S], …`, as `tcpdump -n -e -i pflog0`
//! prints it.

use std::net::IpAddr;

use super::{Dropped, Line};

/// Reads a line; what was passed is no drop.
pub(super) fn read(line: &str) -> Line {
    let Some((_, rest)) = line.split_once("): ") else { return Line::Unknown };
    let Some((action, rest)) = rest.split_once(' ') else { return Line::Unknown };
    if action != "block" {
        return Line::Other;
    }
    match dropped(rest) {
        Some(dropped) => Line::Dropped(dropped),
        None => Line::Unknown,
    }
}

fn dropped(rest: &str) -> Option<Dropped> {
    let (way, rest) = rest.split_once(" on ")?;
    let (name, rest) = rest.split_once(": ")?;
    let (from, rest) = rest.split_once(" > ")?;
    let from = from.rsplit(' ').next()?;
    let (to, text) = rest.split_once(": ")?;
    let protocol = if text.starts_with("Flags [") || text.starts_with("S ") || text.starts_with("tcp") {
        6
    } else if text.contains("ICMP6") || text.contains("icmp6") {
        58
    } else if text.contains("ICMP") || text.contains("icmp") {
        1
    } else {
        17
    };
    let ((src, sport), (dst, dport)) = (end(from, protocol)?, end(to, protocol)?);
    let flags = text.strip_prefix("Flags [").and_then(|rest| rest.split(']').next());
    let bits = |marks: &str| {
        marks.chars().fold(0, |bits, mark| {
            bits | match mark {
                'F' => 1,
                'S' => 2,
                'R' => 4,
                'P' => 8,
                '.' => 16,
                'U' => 32,
                _ => 0,
            }
        })
    };
    let named = Some(name.to_string());
    let (iif, oif) = if way.starts_with("out") { (None, named) } else { (named, None) };
    Some(Dropped { src, dst, protocol, sport, dport, iif, oif, flags: flags.map(bits), times: 1 })
}

/// `203.0.113.9.50000`, or an address alone where the protocol has no ports.
fn end(text: &str, protocol: u8) -> Option<(IpAddr, Option<u16>)> {
    if !matches!(protocol, 6 | 17) {
        return Some((text.parse().ok()?, None));
    }
    let (address, port) = text.rsplit_once('.')?;
    Some((address.parse().ok()?, port.parse().ok()))
}
