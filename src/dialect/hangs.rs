//! What a config says of that on which its conditions hang: the hours of a time range, the rules that fill a set.
//!
//! It is read off the words, like the names of [`super::mentions`].

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
const KINDS: [&str; 20] = [
    "numgen",
    "hash",
    "set",
    "map",
    "table",
    "recent",
    "connlabel",
    "rateest",
    "ecn",
    "limit",
    "quota",
    "limiter",
    "time-range",
    "class-map",
    "group-policy",
    "user",
    "object",
    "object-group",
    "object-group-user",
    "object-group-security",
];
/// Of what the order counts.
const ORDERED: &str = "access-list ";

/// What some files of one language say.
#[derive(Default)]
pub struct Told {
    of: FxHashMap<String, Vec<String>>,
    /// Dumps and documents in JSON say the same in other words than scripts.
    forms: FxHashSet<Form>,
}

/// How a text is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Form {
    Json,
    /// It has lines that begin with `*`, as iptables-save writes them.
    Dump,
    Plain,
}

impl Form {
    fn of(text: &str) -> Form {
        match () {
            () if text.trim_start().starts_with('{') => Form::Json,
            () if text.lines().any(|line| line.starts_with('*')) => Form::Dump,
            () => Form::Plain,
        }
    }
}

impl Told {
    /// What texts say, in their order.
    pub fn of<'t>(dialect: Dialect, texts: impl IntoIterator<Item = &'t str>) -> Told {
        let mut told = Told::default();
        for text in texts {
            told.forms.insert(Form::of(text));
            for said in (dialect.language().hangs)(text) {
                told.of.entry(said.of).or_default().push(said.text);
            }
        }
        for (of, texts) in &mut told.of {
            if !of.starts_with(ORDERED) {
                texts.sort_unstable();
            }
        }
        told
    }

    /// Whether both are written in one way, so that their words can be compared.
    pub fn is_of_one_form(&self, other: &Told) -> bool {
        self.forms == other.forms
    }
}

/// Of what two sides say different things, be it of what that names.
pub struct Differing {
    of: FxHashSet<String>,
}

impl Differing {
    /// Compares what two sides say.
    pub fn of(sides: &[Told; 2]) -> Differing {
        let [old, new] = sides;
        let is_said = |key: &str| sides.iter().any(|side| side.of.contains_key(key));
        let mut users: FxHashMap<String, Vec<&String>> = FxHashMap::default();
        for (key, texts) in sides.iter().flat_map(|side| &side.of) {
            for text in texts {
                let words: Vec<&str> = text.split(' ').collect();
                named(&words)
                    .filter(|name| is_said(name))
                    .for_each(|name| users.entry(name).or_default().push(key));
            }
        }
        let all = old.of.keys().chain(new.of.keys());
        let mut open: Vec<&String> = all.filter(|key| old.of.get(*key) != new.of.get(*key)).collect();
        let mut of = FxHashSet::default();
        while let Some(key) = open.pop() {
            if of.insert(key.clone()) {
                open.extend(users.get(key).into_iter().flatten());
            }
        }
        Differing { of }
    }

    /// Whether a condition hangs on one of them.
    pub fn concerns(&self, condition: &str) -> bool {
        keys(condition).iter().any(|key| self.of.contains(key))
    }

    /// Whether words name one of them.
    pub fn is_named_in(&self, words: &[&str]) -> bool {
        named(words).any(|name| self.of.contains(&name))
    }
}

/// What words may name.
fn named<'w>(words: &'w [&str]) -> impl Iterator<Item = String> + 'w {
    let pairs = words.windows(2).map(|pair| pair.join(" "));
    let tables = words.iter().filter_map(|word| {
        let (_, name) = word.split_once('<')?;
        Some(format!("table {}", name.split_once('>')?.0))
    });
    let plain = words.iter().map(|word| format!("${word}"));
    let macros = words.iter().flat_map(|word| macros(word));
    pairs.chain(tables).chain(plain).chain(macros)
}

/// The macros and variables in a word, with their sign.
fn macros(word: &str) -> impl Iterator<Item = String> {
    word.split('$').skip(1).filter_map(|rest| {
        let rest = rest.trim_start_matches('{');
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        (end > 0).then(|| format!("${}", &rest[..end]))
    })
}

/// What the name of a condition may be about.
fn keys(condition: &str) -> Vec<String> {
    let words = || condition.split(' ').map(|word| word.trim_matches(['"', '<', '>']));
    let mut keys: Vec<String> = words().flat_map(macros).collect();
    // What rules write: `ip id`, `meta priority`.
    keys.extend(words().zip(words().skip(1)).next().map(|(first, second)| format!("{first} {second}")));
    let Some(kind) = words().next().filter(|kind| KINDS.contains(kind)) else { return keys };
    keys.push(kind.to_string());
    keys.extend(words().skip(1).map(|name| format!("{kind} {name}")));
    if kind == "recent" {
        keys.push("recent DEFAULT".to_string());
    }
    keys
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

#[cfg(test)]
pub(super) mod tests {
    use super::Said;

    /// What is said, a line each.
    pub(in crate::dialect) fn told(said: &[Said]) -> String {
        said.iter().map(|Said { of, text }| format!("{of}: {text}\n")).collect()
    }
}
