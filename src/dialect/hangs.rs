//! What a config says of that on which its conditions hang: the hours of a time range, the rules that fill a set.
//!
//! It is read off the words, like the names of [`super::mentions`]. What is known exactly, the addresses that are written
//! out, is left out.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rustc_hash::{FxHashMap, FxHashSet};

use super::Dialect;

/// Something that a text says of what it names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    /// Of what: a kind and a name, as in the names of conditions (`time-range night`), or `$` and the name of a macro.
    pub of: String,
    /// The words, one blank between two.
    pub text: String,
}

/// How the names of conditions begin that hang on something which files make or fill.
const KINDS: [&str; 13] = [
    "set",
    "map",
    "table",
    "recent",
    "limit",
    "quota",
    "limiter",
    "time-range",
    "class-map",
    "group-policy",
    "user",
    "object-group-user",
    "object-group-security",
];

/// What some files of one language say.
#[derive(Default)]
pub struct Told {
    of: FxHashMap<String, Vec<String>>,
}

impl Told {
    /// What texts say, in their order.
    pub fn of<'t>(dialect: Dialect, texts: impl IntoIterator<Item = &'t str>) -> Told {
        let mut told = Told::default();
        for text in texts {
            for said in (dialect.language().hangs)(text) {
                told.of.entry(said.of).or_default().push(said.text);
            }
        }
        told
    }

    /// Whether other files say the same of what a condition hangs on.
    pub fn agrees(&self, other: &Told, condition: &str) -> bool {
        keys(condition).iter().all(|key| self.all(key) == other.all(key))
    }

    /// All that is said of something, and of what that names.
    fn all(&self, key: &str) -> Vec<&str> {
        let mut seen: FxHashSet<String> = FxHashSet::default();
        let mut open = vec![key.to_string()];
        let mut all = Vec::new();
        while let Some(key) = open.pop() {
            let Some(texts) = self.of.get(&key) else { continue };
            if !seen.insert(key) {
                continue;
            }
            for text in texts {
                let words: Vec<&str> = text.split(' ').collect();
                open.extend(words.iter().filter(|word| word.starts_with('$')).map(ToString::to_string));
                open.extend(
                    words.windows(2).map(|pair| pair.join(" ")).filter(|key| self.of.contains_key(key)),
                );
                all.push(text.as_str());
            }
        }
        all
    }
}

/// What the name of a condition may be about.
fn keys(condition: &str) -> Vec<String> {
    let mut words = condition.split(' ').map(|word| word.trim_matches(['"', '<', '>']));
    let Some(kind) = words.next().filter(|kind| KINDS.contains(kind)) else { return Vec::new() };
    words.map(|name| format!("{kind} {name}")).collect()
}

/// Puts together what a text says.
#[derive(Default)]
pub(super) struct Sayings {
    all: Vec<Said>,
}

impl Sayings {
    /// Notes words about something.
    pub(super) fn note<'w>(&mut self, of: String, words: impl IntoIterator<Item = &'w str>) {
        let text = words.into_iter().collect::<Vec<_>>().join(" ");
        self.all.push(Said { of, text });
    }

    /// All of it, in the order of the text.
    pub(super) fn done(self) -> Vec<Said> {
        self.all
    }
}

/// The words of a list of which the addresses are known: each once, without these.
pub(super) fn unlisted<'w>(words: impl IntoIterator<Item = &'w str>) -> Vec<&'w str> {
    let is_address = |word: &str| {
        let plain = word.trim_start_matches('!');
        let ends = plain.split(['/', '-']);
        plain.is_empty()
            || ends.clone().all(|end| end.parse::<IpAddr>().is_ok() || end.parse::<u16>().is_ok())
    };
    let words = words.into_iter().filter(|word| !is_address(word) && !matches!(*word, "," | "{" | "}"));
    words.collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::Said;

    /// What is said, a line each.
    pub(in crate::dialect) fn told(said: &[Said]) -> String {
        said.iter().map(|Said { of, text }| format!("{of}: {text}\n")).collect()
    }
}
