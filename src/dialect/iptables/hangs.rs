//! What dumps and scripts say of sets and of the lists of `recent`: how they are made, and which rules fill them
//! (iptables-extensions(8), ipset(8)).

use crate::dialect::hangs::{Said, Sayings};
use crate::dialect::mentions::lines;

/// Options of `recent` that change a list.
const CHANGES: [&str; 4] = ["--set", "--update", "--remove", "--reap"];

/// What a text says.
pub(super) fn hangs(text: &str) -> Vec<Said> {
    let mut said = Sayings::default();
    for words in lines(text, &['#']) {
        let words: Vec<&str> = words.into_iter().map(|(_, word)| word).collect();
        let behind = |option: &str| {
            words.windows(2).filter(move |pair| pair[0] == option).map(|pair| pair[1]).collect::<Vec<_>>()
        };
        if behind("-m").contains(&"recent") && words.iter().any(|word| CHANGES.contains(word)) {
            let name = behind("--name").first().copied().unwrap_or("DEFAULT");
            said.note(format!("recent {name}"), does(&words));
        }
        for set in behind("--add-set").into_iter().chain(behind("--del-set")).chain(behind("--map-set")) {
            said.note(format!("set {set}"), does(&words));
        }
        // A dump of sets, or `ipset` in a script.
        let made = words.iter().position(|word| matches!(*word, "create" | "-N"));
        if let Some(at) = made.filter(|at| {
            words[*at] == "create" || at.checked_sub(1).is_some_and(|at| words[at].ends_with("ipset"))
        }) && let Some(name) = words.get(at + 1)
        {
            said.note(format!("set {name}"), words[at + 1..].iter().copied());
        }
    }
    said.done()
}

/// The words of a rule without counters and comments.
fn does<'w>(words: &[&'w str]) -> Vec<&'w str> {
    let mut kept = Vec::new();
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        match word {
            "--comment" => drop(words.next()),
            "-c" | "--set-counters" => drop(words.nth(1)),
            "comment" if kept.last() == Some(&"-m") => drop(kept.pop()),
            counters if counters.starts_with('[') && counters.ends_with(']') => {}
            word => kept.push(word),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::hangs::tests::told;

    #[test]
    fn rules_that_fill_a_list() {
        let text = "*filter\n[1:2] -A INPUT -p tcp -m recent --set --name S --rsource -m comment --comment \"a b\"\n\
                    -A INPUT -m recent --rcheck --name S -j DROP\n-A INPUT -j SET --add-set bad src\n\
                    # -A INPUT -j SET --add-set no src\nipset create bad hash:ip timeout 60\n";
        assert_eq!(
            told(&hangs(text)),
            "recent S: -A INPUT -p tcp -m recent --set --name S --rsource\n\
             set bad: -A INPUT -j SET --add-set bad src\nset bad: bad hash:ip timeout 60\n"
        );
    }
}
