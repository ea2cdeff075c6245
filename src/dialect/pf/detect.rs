//! Which flavour of the language a text is written in.

use super::ast::Flavour;

/// What the text tells of its flavour and version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Detected {
    /// The flavour; OpenBSD where the text is valid in both.
    pub flavour: Flavour,
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
    let mut detected = Detected { flavour: Flavour::OpenBsd, prio_assigns: false };
    let mut first = true;
    for line in text.lines() {
        let code = line.split('#').next().unwrap_or("");
        let starts = std::mem::replace(&mut first, !code.trim_end().ends_with('\\'));
        if starts && code.split_whitespace().next().is_some_and(|word| FREEBSD_FIRST.contains(&word)) {
            detected.flavour = Flavour::FreeBsd;
        }
        if !code.contains(['-', 'k', 'd']) && !code.contains("prio") {
            continue;
        }
        if has_word(code, FREEBSD_ANYWHERE) && !has_word(code, OPENBSD_ANYWHERE) {
            detected.flavour = Flavour::FreeBsd;
        }
        detected.prio_assigns |= assigns_prio(code);
    }
    detected
}

/// Whether a text is what `pfctl -sr` and `pfctl -sn` print, and not a file that somebody wrote: every rule is on one
/// line and says what is implied, and there are no macros, options and tables (pfctl(8), `-s`; print_rule in
/// pfctl_parser.c). Enough lines have to show it.
pub fn is_pfctl_output(text: &str) -> bool {
    const WRITTEN: &[&str] = &["set", "table", "include", "load", "antispoof", "altq", "queue"];
    let (mut shown, mut rules) = (0usize, 0usize);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let first = line.split_whitespace().next().unwrap_or("");
        if line.starts_with('[') || line.ends_with("RULES:") || line.starts_with('@') {
            shown += 1;
            continue;
        }
        if WRITTEN.contains(&first)
            || line.contains(['#', '$'])
            || line.ends_with('\\')
            || line.contains(" = \"")
        {
            return false;
        }
        rules += 1;
        let implied = ["port = ", " flags S/SA", " flags any", " all", " drop", " round-robin", " -> "];
        let long = line.contains(" from ") && line.contains(" to ");
        shown += usize::from(long || implied.iter().any(|mark| line.contains(mark)));
    }
    shown > 0 && 10 * shown >= 9 * rules
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

    #[test]
    fn output_is_told_from_what_is_written() {
        let filter = "scrub in all fragment reassemble\nblock drop in log all\n\
            pass in quick on em0 inet proto tcp from any to 10.1.2.10 port = 1720 flags S/SA keep state\n";
        assert!(is_pfctl_output(filter));
        assert!(is_pfctl_output(
            "nat on em0 inet from 10.1.0.0/16 to any -> (em0) round-robin\nno rdr on lo0 all\n"
        ));
        assert!(is_pfctl_output("@0 block drop all\n  [ Evaluations: 3  Packets: 1 ]\n"));
        assert!(!is_pfctl_output("set skip on lo0\nblock drop all\n"));
        assert!(!is_pfctl_output("ext = \"em0\"\npass in on $ext all\n"));
        assert!(!is_pfctl_output("block\npass in proto tcp port 22\n"));
        assert!(!is_pfctl_output(""));
    }

    fn flavour(text: &str) -> Flavour {
        detect(text).flavour
    }

    #[test]
    fn the_text_tells_the_flavour() {
        assert_eq!(flavour("pass in\nmatch out on egress nat-to (egress)\n"), Flavour::OpenBsd);
        assert_eq!(flavour("# nat on em0\nblock\n"), Flavour::OpenBsd);
        assert_eq!(flavour("block all\nnat on em0 from any to any -> (em0)\n"), Flavour::FreeBsd);
        assert_eq!(flavour("no rdr on lo0\n"), Flavour::FreeBsd);
        assert_eq!(flavour("set require-order no\npass\n"), Flavour::FreeBsd);
        assert_eq!(flavour("pass in proto tcp \\\n no state\n"), Flavour::OpenBsd);
    }

    #[test]
    fn the_old_prio_is_told_from_the_new() {
        assert!(detect("pass prio (5 2)\n").prio_assigns);
        assert!(!detect("pass set prio (5 2)\npass set ( prio(1, 2) )\n").prio_assigns);
    }
}
