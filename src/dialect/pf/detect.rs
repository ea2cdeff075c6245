//! Which family of the language a text is written in.

use super::ast::Family;

/// What the text tells of its family and version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Detected {
    /// The family; OpenBSD where the text is valid in both.
    pub family: Family,
    /// `prio` outside `set` assigns a priority (OpenBSD 5.0) instead of asking for one.
    pub prio_assigns: bool,
}

/// First words that only FreeBSD and its kin have.
const FREEBSD_FIRST: &[&str] =
    &["nat", "rdr", "binat", "no", "scrub", "altq", "nat-anchor", "rdr-anchor", "binat-anchor", "ether"];
/// Words anywhere in a line that only FreeBSD and its kin have.
const FREEBSD_ANYWHERE: &[&str] = &[
    "fail-policy",
    "require-order",
    "keepcounters",
    "ridentifier",
    "tracker",
    "dnpipe",
    "dnqueue",
    "fastroute",
];
/// Words anywhere in a line that came from OpenBSD.
const OPENBSD_ANYWHERE: &[&str] = &["nat-to", "rdr-to", "binat-to", "af-to", "divert-packet"];

/// Looks through a text. What OpenBSD refuses outright settles it; FreeBSD 15 has the rules of OpenBSD too.
pub fn detect(text: &str) -> Detected {
    let mut detected = Detected { family: Family::OpenBsd, prio_assigns: false };
    let mut first = true;
    for line in text.lines() {
        let code = line.split('#').next().unwrap_or("");
        let starts = std::mem::replace(&mut first, !code.trim_end().ends_with('\\'));
        if starts && code.split_whitespace().next().is_some_and(|word| FREEBSD_FIRST.contains(&word)) {
            detected.family = Family::FreeBsd;
        }
        if !code.contains(['-', 'k', 'd']) && !code.contains("prio") {
            continue;
        }
        if has_word(code, FREEBSD_ANYWHERE) && !has_word(code, OPENBSD_ANYWHERE) {
            detected.family = Family::FreeBsd;
        }
        detected.prio_assigns |= assigns_prio(code);
    }
    detected
}

fn has_word(code: &str, words: &[&str]) -> bool {
    code.split([' ', '\t', '(', ')', ',']).any(|word| words.contains(&word))
}

/// `prio (a, b)` without `set` before it.
fn assigns_prio(code: &str) -> bool {
    code.match_indices("prio").any(|(at, word)| {
        let after = code[at + word.len()..].trim_start();
        let before = code[..at].trim_end();
        after.starts_with('(') && !before.ends_with("set") && !before.ends_with(['(', ','])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(text: &str) -> Family {
        detect(text).family
    }

    #[test]
    fn the_text_tells_the_family() {
        assert_eq!(family("pass in\nmatch out on egress nat-to (egress)\n"), Family::OpenBsd);
        assert_eq!(family("# nat on em0\nblock\n"), Family::OpenBsd);
        assert_eq!(family("block all\nnat on em0 from any to any -> (em0)\n"), Family::FreeBsd);
        assert_eq!(family("no rdr on lo0\n"), Family::FreeBsd);
        assert_eq!(family("set require-order no\npass\n"), Family::FreeBsd);
        assert_eq!(family("pass in proto tcp \\\n no state\n"), Family::OpenBsd);
    }

    #[test]
    fn the_old_prio_is_told_from_the_new() {
        assert!(detect("pass prio (5 2)\n").prio_assigns);
        assert!(!detect("pass set prio (5 2)\npass set ( prio(1, 2) )\n").prio_assigns);
    }
}
