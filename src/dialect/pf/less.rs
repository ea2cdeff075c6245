//! Rules of pf that let less through.

use crate::dialect::write::{Less, Words, braced, place};

/// The rule with other ports and sources; nothing where it names them in a way that is not known.
pub(super) fn less(text: &str, less: &Less<'_>) -> Option<Vec<String>> {
    let mut text = text.to_string();
    if let Some(sources) = less.sources {
        let all: Vec<String> = sources.iter().map(|source| place(*source)).collect();
        let all = if let [one] = all.as_slice() { one.clone() } else { format!("{{ {} }}", all.join(", ")) };
        let words = Words::of(&text);
        text = match words.one(&["from"]) {
            Some(at) => words.with(at + 1..at + 2, &all)?,
            None => {
                let at = words.one(&["all"])?;
                words.with(at..at + 1, &format!("from {all} to any"))?
            }
        };
    }
    if let Some(set) = less.ports {
        text = to(&text, &braced(set, ":"))?;
    }
    Some(vec![text])
}

fn to(text: &str, ports: &str) -> Option<String> {
    let words = Words::of(text);
    let address = words.one(&["to"])? + 1;
    if words.get(address) == "!" {
        return None;
    }
    if words.get(address + 1) != "port" {
        return words.behind(address, &format!("port {ports}"));
    }
    let value = address + 2;
    let end = match (words.get(value), words.get(value + 1)) {
        ("=" | "!=" | "<" | "<=" | ">" | ">=", _) => value + 2,
        (_, "><" | "<>") => value + 3,
        _ => value + 1,
    };
    words.with(value..end, ports)
}
