//! Which language a text is in: what pinhole reads, or what else it looks like.

use std::path::Path;

use super::look::{Look, Score, count, look};
use super::marks::{
    DOCUMENT, Kind, Near, OTHER_JSON, OTHER_PROGRAM, OTHER_SCRIPT, OTHER_TOOLS, PART_OF_NFTABLES,
    RULES_OF_NFTABLES, TEMPLATE, XML, YAML, YAML_OF_FIREWALL,
};
use super::shell::{Interpreter, Tool, interpreter, tool};
use crate::dialect::{Dialect, iptables, pf};

/// What a text is, as far as its look and its name tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Told {
    /// A config in a language that pinhole reads.
    Config(Dialect),
    /// Nothing but its name tells: it has no content, or none that speaks a language. Others may use the name
    /// as well where it is not `sure`.
    ByName {
        /// The dialect of the name.
        dialect: Dialect,
        /// Whether the name is that of a firewall's config.
        sure: bool,
    },
    /// Something near to it.
    Near(Near),
    /// No content at all: blanks and comments.
    Empty,
    /// Something else.
    Unknown,
}

/// What a text is. It takes several sure marks, or one where most of the other lines agree with it; where
/// two languages have marks, the one with more different ones is meant.
pub(crate) fn sniff(text: &str, path: &Path) -> Told {
    let text = text.trim_start_matches('\u{feff}');
    let joined = text.contains("\\\n").then(|| text.replace("\\\n", " "));
    let text = joined.as_deref().unwrap_or(text);
    if let Some(told) = by_form(text) {
        return told;
    }
    let seen = look(text);
    match (by_marks(&seen), document(text)) {
        (Some(Told::Config(_)), _) if is_template(text) => return Told::Near(TEMPLATE),
        (Some(Told::Near(near)), _) | (_, Some(near)) => return Told::Near(near),
        (Some(told), None) => return told,
        (None, None) => {}
    }
    // What the dialects themselves know their texts by, where single lines are not enough.
    if iptables::is_script(text) && tool(text) == Some(Tool::Iptables) {
        return Told::Config(Dialect::Iptables);
    }
    if pf::detect::is_pfctl_output(text) && spoken(&seen, Dialect::Pf) == seen.lines {
        return Told::Config(Dialect::Pf);
    }
    if count(text, RULES_OF_NFTABLES) >= 2 {
        return Told::Near(PART_OF_NFTABLES);
    }
    if count(text, OTHER_TOOLS) >= 1 {
        return Told::Near(OTHER_SCRIPT);
    }
    match by_name(path, text) {
        Some((dialect, sure)) => Told::ByName { dialect, sure },
        None if seen.lines == 0 => Told::Empty,
        None => Told::Unknown,
    }
}

/// What the first characters tell.
fn by_form(text: &str) -> Option<Told> {
    match interpreter(text) {
        Some(Interpreter::Nft) => return Some(Told::Config(Dialect::Nftables)),
        Some(Interpreter::Restore) => return Some(Told::Config(Dialect::Iptables)),
        Some(Interpreter::Pfctl) => return Some(Told::Config(Dialect::Pf)),
        Some(Interpreter::Shell) => {
            return Some(match tool(text) {
                Some(Tool::Iptables) => Told::Config(Dialect::Iptables),
                Some(Tool::Other) => Told::Near(OTHER_SCRIPT),
                None => Told::Unknown,
            });
        }
        Some(Interpreter::Other) => {
            let calls = tool(text) == Some(Tool::Iptables);
            return Some(if calls { Told::Near(OTHER_PROGRAM) } else { Told::Unknown });
        }
        None => {}
    }
    let start = text.trim_start();
    if start.starts_with('{') && start[1..].trim_start().starts_with(['"', '}']) {
        let mut lists =
            start.match_indices("\"nftables\"").map(|(at, key)| start[at + key.len()..].trim_start());
        let list = |rest: &str| rest.strip_prefix(':').is_some_and(|rest| rest.trim_start().starts_with('['));
        return Some(if lists.any(list) { Told::Config(Dialect::Nftables) } else { Told::Near(OTHER_JSON) });
    }
    None
}

/// Of the languages that have marks enough, the one with the most different ones, and among those the one
/// with the most lines.
fn by_marks(seen: &Look) -> Option<Told> {
    let told = seen.scores.iter().filter(|(kind, score)| match kind {
        // A table may be the only line that surely is of nftables, in a ruleset of any length.
        Kind::Ours(Dialect::Nftables) if score.marks > 0 && score.spoken > 1 => true,
        Kind::Ours(_) => enough(score, seen.lines),
        Kind::Near(_) => score.marks >= 2,
    });
    told.max_by_key(|(_, score)| (score.marks, score.sure)).map(|(kind, _)| match kind {
        Kind::Ours(dialect) => Told::Config(*dialect),
        Kind::Near(near) => Told::Near(*near),
    })
}

/// Whether the marks of one of our languages tell it: several, or one in a text that is otherwise of the
/// language too.
fn enough(score: &Score, lines: u32) -> bool {
    score.marks >= 3 || score.sure >= 3 || score.sure > 0 && score.spoken * 2 >= lines
}

/// How many lines are or may be of a dialect.
fn spoken(seen: &Look, dialect: Dialect) -> u32 {
    let of = |(kind, _): &&(Kind, Score)| *kind == Kind::Ours(dialect);
    seen.scores.iter().find(of).map_or(0, |(_, score)| score.spoken)
}

/// Whether configs are made of a text by Jinja or the like.
fn is_template(text: &str) -> bool {
    text.lines().any(|line| line.trim_start().starts_with("{%"))
}

/// Documents in which a config may be quoted.
fn document(text: &str) -> Option<Near> {
    if text.trim_start().starts_with('<') {
        return Some(XML);
    }
    let fenced = text.lines().any(|line| line.trim_start().starts_with("```"));
    if fenced {
        return Some(DOCUMENT);
    }
    let mut content = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let first = content.clone().next()?;
    let is_key = |line: &str| {
        let key = line.trim_start_matches("- ").split([' ', '"']).next().unwrap_or("");
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        key.strip_suffix(':').is_some_and(|key| !key.is_empty() && key.chars().all(plain))
    };
    let (keys, all) = content
        .by_ref()
        .take(1000)
        .fold((0, 0), |(keys, all), line| (keys + usize::from(is_key(line)), all + 1));
    let is_yaml = first == "---" || keys * 2 > all;
    is_yaml.then(|| if text.lines().any(changes_a_firewall) { YAML_OF_FIREWALL } else { YAML })
}

/// Whether a line of a document calls a firewall's program: as a command with its arguments, or as a key.
fn changes_a_firewall(line: &str) -> bool {
    const PROGRAMS: [&str; 5] = ["iptables", "ip6tables", "nft", "ufw", "pfctl"];
    const VERBS: [&str; 7] = ["add", "insert", "flush", "delete", "allow", "deny", "default"];
    let words: Vec<&str> = line.split_whitespace().collect();
    let named = |word: &str| PROGRAMS.contains(&word.rsplit(['/', '.', '"', '\'']).next().unwrap_or(word));
    let called = words.windows(2).any(|pair| {
        let given = pair[1].starts_with('-') || VERBS.contains(&pair[1]);
        named(pair[0]) && given && pair[1] != "-L"
    });
    let key = words.first().filter(|word| **word != "-").or(words.get(1));
    called || key.and_then(|key| key.strip_suffix(':')).is_some_and(named)
}

/// The dialect that a file's name tells, and whether surely: a name that others use as well counts only where
/// the text is nothing but comments.
fn by_name(path: &Path, text: &str) -> Option<(Dialect, bool)> {
    let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
    let extension = path.extension().map(|end| end.to_string_lossy().to_ascii_lowercase());
    let comments = |start: &[char]| {
        text.lines().map(str::trim).filter(|line| !line.is_empty()).all(|line| line.starts_with(start))
    };
    let sure = Dialect::ALL.into_iter().find(|dialect| {
        let marks = &dialect.language().marks;
        extension.as_deref().is_some_and(|extension| marks.extensions.contains(&extension))
            || marks.names.iter().any(|known| match known.strip_prefix('*') {
                Some(end) => name.ends_with(end),
                None => name == *known,
            })
    });
    if let Some(dialect) = sure {
        return Some((dialect, true));
    }
    match extension.as_deref() {
        Some("rules" | "save") if comments(&['#']) => Some((Dialect::Iptables, false)),
        Some("cfg" | "conf") if text.contains('!') && comments(&['!', ':']) => Some((Dialect::Asa, false)),
        _ => None,
    }
}
