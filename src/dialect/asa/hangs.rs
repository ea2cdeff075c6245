//! What a running-config says of its time ranges, classes, group policies, users and their groups (Cisco ASA Series
//! Command Reference).

use crate::dialect::hangs::{Said, Sayings};
use crate::dialect::mentions::{Word, lines};

/// Modes whose lines say what has the name.
const MODES: [&str; 6] =
    ["time-range", "object-group", "object", "object-group-user", "object-group-security", "group-policy"];

/// What a text says.
pub(super) fn hangs(text: &str) -> Vec<Said> {
    let mut said = Sayings::default();
    let mut mode: Option<String> = None;
    for words in lines(text, &['!']) {
        let Some((start, first)) = words.first().copied() else { continue };
        let top = start == 0 || text.as_bytes().get(start - 1) == Some(&b'\n');
        if !top {
            if let (Some(of), true) = (&mode, first != "description") {
                said.note(of.clone(), plain(&words));
            }
            continue;
        }
        mode = made(&words);
        match (first, &mode) {
            ("access-list", _) if words.get(2).is_some_and(|(_, word)| *word != "remark") => {
                said.note(format!("access-list {}", words[1].1), plain(&words[2..]));
            }
            // `group-policy NAME internal`, `class-map match-all NAME`: that it is made says something, too.
            (_, Some(of)) => said.note(of.clone(), plain(&words)),
            _ => {}
        }
    }
    said.done()
}

fn plain<'w>(words: &'w [Word<'w>]) -> impl Iterator<Item = &'w str> {
    words.iter().map(|(_, word)| *word)
}

/// What the lines below a line of the top are about.
fn made(words: &[Word<'_>]) -> Option<String> {
    let word = |at: usize| words.get(at).map(|(_, word)| *word);
    match (word(0)?, word(1)?, word(2)) {
        ("object-group", kind @ ("user" | "security"), Some(name)) => {
            Some(format!("object-group-{kind} {name}"))
        }
        ("object" | "object-group", _, Some(name)) => Some(format!("{} {name}", word(0)?)),
        ("class-map", ..) => Some(format!("class-map {}", words.last()?.1)),
        (mode, name, _) if MODES.contains(&mode) => Some(format!("{mode} {name}")),
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
                    match access-list L\naccess-list L remark hello\naccess-list L extended permit tcp any any\n";
        assert_eq!(
            told(&hangs(text)),
            "time-range WORK: time-range WORK\ntime-range WORK: periodic weekdays 8:00 to 17:00\n\
             class-map C: class-map match-any C\nclass-map C: match access-list L\n\
             access-list L: extended permit tcp any any\n"
        );
    }
}
