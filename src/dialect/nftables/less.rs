//! Rules of nftables that let less through.

use crate::dialect::write::{Less, Words, braced, place};
use crate::packet::{Family, Prefix, proto};

/// The rule with other ports and sources; nothing where it names them in a way that is not known.
pub(super) fn less(text: &str, less: &Less<'_>) -> Option<Vec<String>> {
    let mut text = text.to_string();
    if let Some(sources) = less.sources {
        text = from(&text, sources)?;
    }
    if let Some(set) = less.ports {
        text = to(&text, &braced(set, "-"), if less.protocol == proto::TCP { "tcp" } else { "udp" })?;
    }
    Some(vec![text])
}

/// Whether a word is a value, or a set of values: no operator, no name of a set, no part of a concatenation.
fn is_value(words: &Words<'_>, at: usize) -> bool {
    let word = words.get(at);
    let plain = word.starts_with('{') || word.starts_with(|c: char| c.is_ascii_alphanumeric());
    plain && words.get(at + 1) != "." && !matches!(word, "vmap" | "map")
}

fn from(text: &str, sources: &[Prefix]) -> Option<String> {
    let words = Words::of(text);
    let family = Family::of(sources.first()?.address).0;
    let all: Vec<String> = sources.iter().map(|source| place(*source)).collect();
    let all = if let [one] = all.as_slice() { one.clone() } else { format!("{{ {} }}", all.join(", ")) };
    if words.has(&["saddr"]) {
        let at = words.one(&["saddr"])? + 1;
        return if is_value(&words, at) { words.with(at..at + 1, &all) } else { None };
    }
    Some(format!("{} saddr {all} {text}", if family == Family::V4 { "ip" } else { "ip6" }))
}

fn to(text: &str, ports: &str, protocol: &str) -> Option<String> {
    let words = Words::of(text);
    if words.has(&["dport"]) {
        let at = words.one(&["dport"])? + 1;
        return if is_value(&words, at) { words.with(at..at + 1, ports) } else { None };
    }
    let at = words.one(&["l4proto", "protocol", "nexthdr"])?;
    if words.get(at + 1) != protocol {
        return None;
    }
    words.with(at.checked_sub(1)?..at + 2, &format!("{protocol} dport {ports}"))
}
