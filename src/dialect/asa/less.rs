//! Entries of the ASA that let less through.

use super::write::network;
use crate::dialect::write::{Less, Words, is_host, ports};
use crate::packet::Prefix;

/// An entry for each source and each range of ports; nothing where the entry names them in a way that is not known.
pub(super) fn less(text: &str, less: &Less<'_>) -> Option<Vec<String>> {
    let sourced = match less.sources {
        Some(sources) => sources.iter().map(|source| from(text, *source)).collect::<Option<_>>()?,
        None => vec![text.to_string()],
    };
    match less.ports {
        Some(set) => {
            let ranges = ports(set, " ");
            let each = |text: &String| ranges.iter().map(|range| to(text, range)).collect::<Vec<_>>();
            sourced.iter().flat_map(each).collect()
        }
        None => Some(sourced),
    }
}

/// Where the words of an entry are: its source, and its destination's ports.
struct Entry {
    source: (usize, usize),
    ports: (usize, usize),
}

fn entry(words: &Words<'_>) -> Option<Entry> {
    let protocol = words.one(&["permit"])? + 1;
    if !matches!(words.get(protocol), "tcp" | "udp" | "icmp" | "ip") {
        return None;
    }
    let source = (protocol + 1, address(words, protocol + 1)?);
    let behind = ports_end(words, source.1);
    let ports = address(words, behind)?;
    Some(Entry { source, ports: (ports, ports_end(words, ports)) })
}

/// Behind an address.
fn address(words: &Words<'_>, at: usize) -> Option<usize> {
    match words.get(at) {
        "any" | "any4" | "any6" => Some(at + 1),
        "host" | "object" | "object-group" | "interface" => Some(at + 2),
        word if word.contains(':') => Some(at + 1),
        word if word.contains('.') => Some(at + 2),
        _ => None,
    }
}

/// Behind ports, where there are some.
fn ports_end(words: &Words<'_>, at: usize) -> usize {
    match words.get(at) {
        "eq" | "gt" | "lt" | "neq" => at + 2,
        "range" => at + 3,
        _ => at,
    }
}

fn from(text: &str, source: Prefix) -> Option<String> {
    let words = Words::of(text);
    let (start, end) = entry(&words)?.source;
    let source = if is_host(source) { format!("host {}", source.address) } else { network(source) };
    words.with(start..end, &source)
}

fn to(text: &str, range: &str) -> Option<String> {
    let words = Words::of(text);
    let (start, end) = entry(&words)?.ports;
    if !words.has(&["tcp", "udp"]) {
        return None;
    }
    let range = if range.contains(' ') { format!("range {range}") } else { format!("eq {range}") };
    match words.get(start) {
        "object-group" => None,
        _ if start == end => words.behind(start - 1, &range),
        _ => words.with(start..end, &range),
    }
}
