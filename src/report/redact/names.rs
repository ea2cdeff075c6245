//! Names of hosts and devices in texts, and their stand-ins.

use std::net::IpAddr;

use rustc_hash::FxHashMap;

/// A name that is replaced.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    /// What has it, in one word: its stand-in is that with a number.
    pub kind: &'static str,
    /// The name.
    pub name: String,
}

/// The names that are known.
#[derive(Default)]
pub(super) struct Names {
    /// By the name in lower case.
    stand_ins: FxHashMap<String, String>,
    /// How many there are of each kind.
    counts: FxHashMap<&'static str, usize>,
    /// Their lengths, the longest first.
    lengths: Vec<usize>,
}

impl Names {
    /// Adds a name. Addresses are replaced as such, and single letters and numbers name nobody.
    pub(super) fn add(&mut self, Named { kind, name }: Named) {
        let name = name.to_ascii_lowercase();
        let says_nothing = name.len() < 2 || name.bytes().all(|byte| byte.is_ascii_digit());
        if says_nothing || name.parse::<IpAddr>().is_ok() || self.stand_ins.contains_key(&name) {
            return;
        }
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        if let Err(at) = self.lengths.binary_search_by(|length| name.len().cmp(length)) {
            self.lengths.insert(at, name.len());
        }
        self.stand_ins.insert(name, format!("{kind}-{count}"));
    }

    /// The name that starts at a byte of a text, as a whole word: where it ends, and what stands for it.
    pub(super) fn at(&self, text: &str, at: usize) -> Option<(usize, String)> {
        let bytes = text.as_bytes();
        let in_word =
            |at: usize| bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        if at > 0 && in_word(at - 1) {
            return None;
        }
        self.lengths.iter().find_map(|length| {
            let end = at + length;
            let word = text.get(at..end).filter(|_| !in_word(end))?;
            Some((end, self.stand_ins.get(&word.to_ascii_lowercase())?.clone()))
        })
    }
}

/// The hosts that a config gives names to: `hostname`, `domain-name`, `name` and `fqdn` of an ASA, its objects of one
/// host, and definitions of one address in pf and nftables.
pub(super) fn of_hosts(text: &str, names: &mut Names) {
    let mut object: Option<&str> = None;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().take(4).collect();
        let named = match *words.as_slice() {
            ["hostname" | "domain-name", name, ..] | ["name", _, name, ..] => vec![name],
            ["object", "network", name, ..] => {
                object = Some(name);
                continue;
            }
            ["host", ..] => object.take().into_iter().collect(),
            ["fqdn", "v4" | "v6", name, ..] | ["fqdn", name, ..] => {
                object.take().into_iter().chain([name]).collect()
            }
            _ => defined(line).into_iter().collect(),
        };
        object = None;
        for name in named {
            names.add(Named { kind: "host", name: name.to_string() });
        }
    }
}

/// The name of `NAME = ADDRESS`.
fn defined(line: &str) -> Option<&str> {
    let (name, value) = line.split_once('=')?;
    let value = value.trim().trim_matches(['"', '{', '}', ' ']);
    value.parse::<IpAddr>().ok()?;
    name.split_whitespace().last()
}
