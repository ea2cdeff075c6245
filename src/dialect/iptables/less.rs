//! Rules of iptables that let less through.

use crate::dialect::write::{Less, Words, place, ports};

/// A line for each source and each range of ports; nothing where the rule names them in a way that is not known.
pub(super) fn less(text: &str, less: &Less<'_>) -> Option<Vec<String>> {
    let sourced = match less.sources {
        Some(sources) => sources.iter().map(|source| from(text, &place(*source))).collect::<Option<_>>()?,
        None => vec![text.to_string()],
    };
    match less.ports {
        Some(set) => {
            let mut ranges = ports(set, ":");
            // A list takes fifteen ports, a range of which counts as two (xt_multiport.h, `XT_MULTI_PORTS`).
            let places: usize = ranges.iter().map(|range| if range.contains(':') { 2 } else { 1 }).sum();
            if text.contains("multiport") && places <= 15 {
                ranges = vec![ranges.join(",")];
            }
            let each = |text: &String| ranges.iter().map(|range| to(text, range)).collect::<Vec<_>>();
            sourced.iter().flat_map(each).collect()
        }
        None => Some(sourced),
    }
}

fn from(text: &str, source: &str) -> Option<String> {
    let words = Words::of(text);
    const FLAGS: [&str; 3] = ["-s", "--source", "--src"];
    if words.has(&FLAGS) {
        let at = words.one(&FLAGS)?;
        return words.with(at + 1..at + 2, source);
    }
    let chain = words.one(&["-A", "--append"])? + 1;
    words.behind(chain, &format!("-s {source}"))
}

fn to(text: &str, range: &str) -> Option<String> {
    let words = Words::of(text);
    const FLAGS: [&str; 6] =
        ["--dport", "--dports", "--destination-port", "--destination-ports", "--ports", "--port"];
    if words.has(&FLAGS) {
        let at = words.one(&FLAGS[..4])?;
        return words.with(at + 1..at + 2, range);
    }
    let at = words.one(&["-p", "--protocol", "--proto"])? + 1;
    let protocol = words.get(at);
    if !matches!(protocol, "tcp" | "udp") {
        return None;
    }
    let loaded = words.get(at + 1) == "-m" && words.get(at + 2) == protocol;
    if loaded {
        words.behind(at + 2, &format!("--dport {range}"))
    } else {
        words.behind(at, &format!("-m {protocol} --dport {range}"))
    }
}
