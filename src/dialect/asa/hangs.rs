//! What a running-config says of its time ranges, classes, group policies, users and their groups (Cisco ASA Series
//! Command Reference).

use crate::dialect::hangs::{Said, Sayings};
use crate::dialect::mentions::{Word, lines};

/// Modes whose lines say what has the name.
const MODES: [&str; 4] = ["time-range", "object-group-user", "object-group-security", "group-policy"];
/// Lines of these modes, where a config is not indented.
const LINES: [&str; 18] = [
    "periodic",
    "absolute",
    "match",
    "network-object",
    "service-object",
    "port-object",
    "group-object",
    "protocol-object",
    "icmp-object",
    "user",
    "user-group",
    "security-group",
    "host",
    "subnet",
    "range",
    "fqdn",
    "service",
    "vpn-filter",
];
/// How a line names the policy of somebody.
const POLICY_OF: [&str; 2] = ["default-group-policy", "vpn-group-policy"];

/// What a text says.
pub(super) fn hangs(text: &str) -> Vec<Said> {
    let mut said = Sayings::default();
    let mut mode: Option<String> = None;
    for words in lines(text, &['!']) {
        let Some((start, first)) = words.first().copied() else { continue };
        // A session with its prompts: `fw(config-time-range)# periodic …`.
        let prompted = first.contains('(') && first.ends_with('#');
        let words = &words[usize::from(prompted)..];
        let Some((_, first)) = words.first().copied() else { continue };
        let words: Vec<&str> = plain(words);
        let top = start == 0 || text.as_bytes().get(start - 1) == Some(&b'\n');
        if let Some(pair) = words.windows(2).find(|pair| POLICY_OF.contains(&pair[0])) {
            said.note(format!("group-policy {}", pair[1]), words.iter().copied());
        }
        if !top || mode.is_some() && LINES.contains(&first) {
            if let (Some(of), true) = (&mode, first != "description") {
                said.note(of.clone(), words.iter().copied());
                // Groups name each other without their kind.
                if let Some((_, name)) =
                    of.split_once("object-group-").and_then(|(_, rest)| rest.split_once(' '))
                {
                    said.note(format!("object-group {name}"), words.iter().copied());
                }
            }
            continue;
        }
        mode = made(&words);
        match (&words[..], &mode) {
            (["access-list", name, kind, ..], _) if *kind != "remark" => {
                let from = if *kind == "line" { 4 } else { 2 };
                let words = words.iter().skip(from).copied().take_while(|word| *word != "log");
                said.note(format!("access-list {name}"), words);
            }
            (["name", address, name, ..], _) => said.note(format!("${name}"), [*address]),
            (["clock", ..], _) => said.note("time-range".to_string(), words.iter().copied()),
            // `group-policy NAME internal`, `class-map match-all NAME`: that it is made says something, too.
            (_, Some(of)) => said.note(of.clone(), words.iter().copied()),
            _ => {}
        }
    }
    said.done()
}

/// The words; a group in a group is named like any other.
fn plain<'w>(words: &[Word<'w>]) -> Vec<&'w str> {
    words.iter().map(|(_, word)| if *word == "group-object" { "object-group" } else { *word }).collect()
}

/// What the lines below a line of the top are about.
fn made(words: &[&str]) -> Option<String> {
    match words {
        ["object-group", kind @ ("user" | "security"), name, ..] => {
            Some(format!("object-group-{kind} {name}"))
        }
        [object @ ("object" | "object-group"), _, name, ..] => Some(format!("{object} {name}")),
        ["class-map", .., name] => Some(format!("class-map {name}")),
        [mode, name, ..] if MODES.contains(mode) => Some(format!("{mode} {name}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::hangs::tests::told;

    #[test]
    fn lines_of_modes_and_of_lists() {
        let text = "time-range WORK\n periodic weekdays 8:00 to 17:00\n!\nclass-map match-any C\n description x\n \
                    match access-list L\naccess-list L remark hello\naccess-list L extended permit tcp any any log\n";
        assert_eq!(
            told(&hangs(text)),
            "time-range WORK: time-range WORK\ntime-range WORK: periodic weekdays 8:00 to 17:00\n\
             class-map C: class-map match-any C\nclass-map C: match access-list L\n\
             access-list L: extended permit tcp any any\n"
        );
        let text = "fw(config)# time-range T\nfw(config-time-range)# absolute end 1:00 1 May 2026\nobject-group user U\nuser A\ngroup-object G\n";
        assert_eq!(
            told(&hangs(text)),
            "time-range T: time-range T\ntime-range T: absolute end 1:00 1 May 2026\n\
             object-group-user U: object-group user U\nobject-group-user U: user A\nobject-group U: user A\n\
             object-group-user U: object-group G\nobject-group U: object-group G\n"
        );
    }
}
