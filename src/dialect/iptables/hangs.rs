//! What dumps and scripts say of sets and of the lists of `recent`: how they are made, and which rules fill them
//! (iptables-extensions(8), ipset(8)).

use crate::dialect::hangs::{Said, Sayings};
use crate::dialect::mentions::lines;

/// Options of `recent` that change a list.
const CHANGES: [&str; 4] = ["--set", "--update", "--remove", "--reap"];

/// What a text says.
pub(super) fn hangs(text: &str) -> Vec<Said> {
    let mut said = Sayings::default();
    let mut read: Vec<&str> = Vec::new();
    for words in lines(text, &['#']) {
        let words: Vec<&str> = words.into_iter().flat_map(|(_, word)| parted(word)).collect();
        variables(&words, &mut read, &mut said);
        statement(&words, &mut said);
    }
    said.done()
}

/// `--name=K` is two words.
fn parted(word: &str) -> impl Iterator<Item = &str> {
    let (option, value) = match word.split_once('=') {
        Some((option, value)) if option.starts_with("--") => (option, Some(value)),
        _ => (word, None),
    };
    std::iter::once(option).chain(value)
}

/// Where the variables of a script come from; `read` are those that loops read from what stands behind their end.
fn variables<'t>(words: &[&'t str], read: &mut Vec<&'t str>, said: &mut Sayings) {
    let behind = |word: &str| words.iter().position(|known| *known == word).map(|at| &words[at + 1..]);
    if let Some((name, _)) = words.first().and_then(|word| word.split_once('='))
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    {
        said.note(format!("${name}"), words.iter().copied());
    }
    if let Some([name, ..]) = behind("for") {
        said.note(format!("${name}"), words.iter().copied());
    }
    if let Some(names) = behind("read") {
        let names =
            names.iter().copied().filter(|word| word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
        for name in names.clone() {
            said.note(format!("${name}"), words.iter().copied());
        }
        *read = names.collect();
    }
    if words.first() == Some(&"done") {
        for name in read.drain(..) {
            said.note(format!("${name}"), words.iter().copied());
        }
    }
}

fn statement(words: &[&str], said: &mut Sayings) {
    let behind = |option: &'static str, short: usize| {
        // Options may be cut.
        let is = move |word: &str| word.len() >= short && option.starts_with(word);
        words.windows(2).filter(move |pair| is(pair[0])).map(|pair| pair[1])
    };
    let matches = |name: &str| behind("-m", 2).chain(behind("--match", 5)).any(|known| known == name);
    if matches("recent") && words.iter().any(|word| CHANGES.contains(word)) {
        let name = behind("--name", 4).next().unwrap_or("DEFAULT");
        said.note(format!("recent {name}"), does(words));
    }
    if matches("connlabel") && words.contains(&"--set") {
        said.note("connlabel".to_string(), does(words));
    }
    if words.contains(&"RATEEST") {
        said.note("rateest".to_string(), does(words));
    }
    for set in ["--add-set", "--del-set", "--map-set"].into_iter().flat_map(|option| behind(option, 7)) {
        said.note(format!("set {set}"), does(words));
    }
    // A dump of sets, or `ipset` in a script.
    let is_ipset = words.first().is_some_and(|word| matches!(*word, "create" | "add" | "del"))
        || words.iter().any(|word| word.ends_with("ipset"));
    let made = words.windows(2).find(|pair| matches!(pair[0], "create" | "add" | "del" | "-N" | "-A" | "-D"));
    if let (true, Some([_, name])) = (is_ipset, made) {
        said.note(format!("set {name}"), does(words));
    }
    let target = ["-j", "-g"].into_iter().find_map(|option| behind(option, 2).next());
    if let Some(chain) = target {
        // Who comes to a chain that fills a list fills it.
        said.note(format!("-A {chain}"), does(words));
    }
    if words.contains(&"ECN") {
        said.note("ecn".to_string(), does(words));
    }
}

/// The words of a rule without counters and comments.
fn does<'w>(words: &[&'w str]) -> Vec<&'w str> {
    let mut kept = Vec::new();
    // However the program is called.
    let from = words.iter().position(|word| word.starts_with('-') && word.len() > 1).unwrap_or(0);
    let is_rule = words[..from].iter().all(|word| !word.ends_with("ipset"));
    let mut words = words[if is_rule { from } else { 0 }..].iter().copied();
    while let Some(word) = words.next() {
        match word {
            "--comment" => drop(words.next()),
            "comment" if kept.last() == Some(&"-m") => drop(kept.pop()),
            "-c" | "--set-counters" => drop(words.nth(1)),
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
        let text = "*filter\n[1:2] -A INPUT -p tcp -m recent --set --name=S --rsource -m comment --comment \"a b\"\n\
                    -A INPUT -m recent --rcheck --name S -j DROP\n-A INPUT -j SET --add-set bad src\n\
                    # -A INPUT -j SET --add-set no src\nipset create bad hash:ip timeout 60\nadd bad 192.0.2.1\nP=22\n";
        assert_eq!(
            told(&hangs(text)),
            "recent S: -A INPUT -p tcp -m recent --set --name S --rsource\n\
             -A DROP: -A INPUT -m recent --rcheck --name S -j DROP\n\
             set bad: -A INPUT -j SET --add-set bad src\n-A SET: -A INPUT -j SET --add-set bad src\nset bad: ipset create bad hash:ip timeout 60\n\
             set bad: add bad 192.0.2.1\n$P: P=22\n"
        );
    }
}
