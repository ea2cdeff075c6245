//! `%ASA-4-106023: Deny tcp src outside:203.0.113.9/50000 dst inside:10.1.2.10/1720 by access-group "outside_in"`.

use std::net::IpAddr;

use super::{Dropped, Line, flag, protocol};

/// Reads a line of an ASA.
pub(super) fn read(line: &str) -> Line {
    let Some((_, rest)) = ["%ASA-", "%FTD-", "%PIX-"].iter().find_map(|mark| line.split_once(mark)) else {
        return Line::Unknown;
    };
    let Some((head, text)) = rest.split_once(": ") else { return Line::Unknown };
    let number = head.rsplit('-').next().unwrap_or_default();
    let dropped = match number {
        "106023" => denied(text),
        "106100" => listed(text),
        "106001" | "106006" | "106015" | "106007" => inbound(text),
        _ => return Line::Other,
    };
    match dropped {
        Some(dropped) => Line::Dropped(dropped),
        // A permit of 106100 is no drop.
        None if number == "106100" => Line::Other,
        None => Line::Unknown,
    }
}

/// 106023: `Deny PROTOCOL src IF:ADDRESS/PORT dst IF:ADDRESS/PORT [(type N, code M)] by access-group …`; behind an
/// address may stand a user's name in brackets.
fn denied(text: &str) -> Option<Dropped> {
    let mut words = text.split_ascii_whitespace();
    words.by_ref().find(|word| *word == "Deny")?;
    let number = match words.next()? {
        "protocol" => words.next()?.parse().ok()?,
        word => protocol(word)?,
    };
    words.by_ref().find(|word| *word == "src")?;
    let (iif, src, sport) = placed(words.next()?)?;
    words.by_ref().find(|word| *word == "dst")?;
    let (oif, dst, dport) = placed(words.next()?)?;
    let kind = text.split_once("(type ").and_then(|(_, rest)| rest.split(',').next()?.trim().parse().ok());
    Some(Dropped {
        src,
        dst,
        protocol: number,
        sport,
        dport: dport.or(kind),
        iif: Some(iif),
        oif: Some(oif),
        flags: None,
        times: 1,
    })
}

/// `outside:203.0.113.9/50000`, or without a port.
fn placed(word: &str) -> Option<(String, IpAddr, Option<u16>)> {
    let (name, end) = word.split_once(':')?;
    let (address, port) = slashed(end)?;
    Some((name.to_string(), address, port))
}

fn slashed(end: &str) -> Option<(IpAddr, Option<u16>)> {
    let end = end.split('(').next()?.trim_end_matches(',');
    match end.rsplit_once('/') {
        Some((address, port)) => Some((address.parse().ok()?, port.parse().ok())),
        None => Some((end.parse().ok()?, None)),
    }
}

/// 106100: `access-list ID denied PROTOCOL IF/ADDRESS(PORT) -> IF/ADDRESS(PORT) hit-cnt N …`.
fn listed(text: &str) -> Option<Dropped> {
    let (head, tail) = text.split_once(" -> ")?;
    let mut words = head.split_ascii_whitespace();
    words.by_ref().find(|word| *word == "denied")?;
    let number = protocol(words.next()?)?;
    let (iif, src, sport) = bracketed(words.next()?)?;
    let (oif, dst, dport) = bracketed(tail.split_ascii_whitespace().next()?)?;
    let times = tail.split_once("hit-cnt ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    Some(Dropped {
        src,
        dst,
        protocol: number,
        sport,
        dport,
        iif: Some(iif),
        oif: Some(oif),
        flags: None,
        times: times.unwrap_or(1),
    })
}

/// `outside/203.0.113.9(50000)`.
fn bracketed(word: &str) -> Option<(String, IpAddr, Option<u16>)> {
    let (name, rest) = word.split_once('/')?;
    let (address, port) = rest.split_once('(')?;
    let port = port.split(')').next().and_then(|port| port.parse().ok());
    Some((name.to_string(), address.parse().ok()?, port))
}

/// 106001, 106006, 106007 and 106015: `… TCP|UDP … from ADDRESS/PORT to ADDRESS/PORT [flags F G] on interface IF`.
fn inbound(text: &str) -> Option<Dropped> {
    let number = if text.contains("TCP") { 6 } else { 17 };
    let (_, rest) = text.split_once(" from ")?;
    let (from, rest) = rest.split_once(" to ")?;
    let (src, sport) = slashed(from.trim())?;
    let (dst, dport) = slashed(rest.split_ascii_whitespace().next()?)?;
    let flags = rest.split_once("flags ").map(|(_, flags)| {
        flags
            .split_ascii_whitespace()
            .take_while(|word| *word != "on")
            .fold(0, |bits, word| bits | flag(word))
    });
    let iif = rest.split_once("on interface ").and_then(|(_, name)| name.split_ascii_whitespace().next());
    Some(Dropped {
        src,
        dst,
        protocol: number,
        sport,
        dport,
        iif: iif.map(str::to_string),
        oif: None,
        flags: flags.filter(|_| number == 6),
        times: 1,
    })
}
