//! Lines held against the patterns of [`super::marks`].

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use super::marks::{Kind, LANGUAGES, Language};
use crate::dialect::Dialect;

/// Lines with content that are looked at; by then a text has told what it is.
const MOST_LINES: usize = 4000;
/// Words of a line that patterns look at.
const MOST_WORDS: usize = 12;
/// What a mark counts that no other language has, against 1 for others.
const DECISIVE: u32 = 10;

/// How much a text speaks a language.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Score {
    /// Different sure marks, weighed.
    pub marks: u32,
    /// Lines with a sure mark.
    pub sure: u32,
    /// Lines that are or may be of it.
    pub spoken: u32,
}

/// What was seen of a text.
#[derive(Debug)]
pub(super) struct Look {
    /// For each of [`LANGUAGES`].
    pub scores: Vec<(Kind, Score)>,
    /// Lines with content: neither blank nor, as it seems, a comment.
    pub lines: u32,
}

/// One word of a pattern.
enum Word {
    Any,
    End,
    OneOf(Vec<(String, bool)>),
}

/// A pattern, ready to be held against lines.
pub(super) struct Pattern {
    words: Vec<Word>,
    decisive: bool,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Pattern {
        let rest = text.strip_prefix('!');
        let word = |word: &str| match word {
            "_" => Word::Any,
            "$" => Word::End,
            _ => Word::OneOf(word.split('|').map(alternative).collect()),
        };
        Pattern {
            words: rest.unwrap_or(text).split_whitespace().map(word).collect(),
            decisive: rest.is_some(),
        }
    }

    pub(super) fn matches(&self, line: &[&str]) -> bool {
        self.words.iter().enumerate().all(|(at, word)| match (word, line.get(at)) {
            (Word::End, found) => found.is_none(),
            (_, None) => false,
            (Word::Any, Some(_)) => true,
            (Word::OneOf(all), Some(found)) => all
                .iter()
                .any(|(text, prefix)| if *prefix { found.starts_with(text.as_str()) } else { text == found }),
        })
    }
}

fn alternative(text: &str) -> (String, bool) {
    match text.strip_suffix('~') {
        Some(start) => (start.to_string(), true),
        None => (text.to_string(), false),
    }
}

/// All patterns of all languages, by the first word that they ask for.
struct Index {
    /// Language, number of the mark (`None` where a line only may be of the language), pattern.
    patterns: Vec<(usize, Option<usize>, Pattern)>,
    by_word: FxHashMap<String, Vec<usize>>,
    /// Those of which only the beginning of the first word is given, or nothing.
    open: Vec<usize>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut index = Index { patterns: Vec::new(), by_word: FxHashMap::default(), open: Vec::new() };
    for (language, Language { sure, hints, .. }) in LANGUAGES.iter().enumerate() {
        let sure = sure.iter().enumerate().map(|(mark, text)| (Some(mark), text));
        for (mark, text) in sure.chain(hints.iter().map(|text| (None, text))) {
            let at = index.patterns.len();
            let pattern = Pattern::new(text);
            match pattern.words.first() {
                Some(Word::OneOf(all)) if all.iter().all(|(_, prefix)| !prefix) => {
                    for (word, _) in all {
                        index.by_word.entry(word.clone()).or_default().push(at);
                    }
                }
                _ => index.open.push(at),
            }
            index.patterns.push((language, mark, pattern));
        }
    }
    index
});

/// The lines of a text as patterns see them: without blanks around, prompts, and paths of programs.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.split(['\n', '\r']).map(|line| {
        let line = without_prompt(line.trim());
        let mut words: Vec<&str> = line.split_whitespace().take(MOST_WORDS).collect();
        words.drain(..words.iter().take_while(|word| is_wrapper(word)).count());
        if let Some(first) = words.first_mut()
            && first.starts_with('/')
            && let Some((_, name)) = first.rsplit_once('/')
            && name.contains("tables")
        {
            *first = name;
        }
        words
    })
}

/// Words that stand before a command without changing what it does.
fn is_wrapper(word: &str) -> bool {
    matches!(word, "sudo" | "exec" | "command" | "nice" | "env" | "busybox")
}

/// A line of a terminal session without the prompt of a Cisco device: `fw/pri/act(config)# …`.
fn without_prompt(line: &str) -> &str {
    let Some((prompt, rest)) = line.split_once([' ', '\t']) else { return line };
    let Some(name) = prompt.strip_suffix(['#', '>']) else { return line };
    let name = match name.strip_suffix(')') {
        Some(inside) => inside.split_once('(').map_or("", |(name, _)| name),
        None => name,
    };
    let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':'));
    if is_name { rest.trim_start() } else { line }
}

/// Whether a line is blank or a comment in some language.
pub(super) fn is_comment(words: &[&str]) -> bool {
    match words.first() {
        None => true,
        Some(first) => {
            first.starts_with(['#', ';']) || *first == "!" || *first == ":" || first.starts_with("//")
        }
    }
}

/// A macro of pf without blanks: `ext_if="em0"`.
fn is_macro(word: &str) -> bool {
    word.split_once("=\"").is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// Looks at a text.
pub(super) fn look(text: &str) -> Look {
    let mut scores = vec![Score::default(); LANGUAGES.len()];
    let mut seen: Vec<u64> = vec![0; LANGUAGES.len()];
    let mut lines_seen = 0;
    // What each language made of the line: 1 it may be its own, 2 it is.
    let mut speaks: Vec<u8> = vec![0; LANGUAGES.len()];
    for words in lines(text) {
        if words.is_empty() {
            continue;
        }
        let counts = !is_comment(&words);
        lines_seen += u32::from(counts);
        let by_word = INDEX.by_word.get(words[0]).map_or(&[][..], Vec::as_slice);
        for at in by_word.iter().chain(&INDEX.open) {
            let (language, mark, pattern) = &INDEX.patterns[*at];
            if !pattern.matches(&words) {
                continue;
            }
            let Some(mark) = mark else {
                speaks[*language] = speaks[*language].max(1);
                continue;
            };
            speaks[*language] = 2;
            let bit = 1 << (mark % 64);
            if seen[*language] & bit == 0 {
                seen[*language] |= bit;
                scores[*language].marks += if pattern.decisive { DECISIVE } else { 1 };
            }
        }
        if is_macro(words[0]) {
            for (speaks, language) in speaks.iter_mut().zip(LANGUAGES.iter()) {
                *speaks = (*speaks).max(u8::from(language.kind == Kind::Ours(Dialect::Pf)));
            }
        }
        for (speaks, score) in speaks.iter_mut().zip(&mut scores) {
            score.sure += u32::from(*speaks == 2);
            score.spoken += u32::from(*speaks > 0 && counts);
            *speaks = 0;
        }
        if lines_seen as usize >= MOST_LINES {
            break;
        }
    }
    let kinds = LANGUAGES.iter().map(|language| language.kind);
    Look { scores: kinds.zip(scores).collect(), lines: lines_seen }
}

/// How many of the patterns some line of the text has.
pub(super) fn count(text: &str, patterns: &[&str]) -> usize {
    let patterns: Vec<Pattern> = patterns.iter().map(|text| Pattern::new(text)).collect();
    let mut found = vec![false; patterns.len()];
    for words in lines(text).filter(|words| !words.is_empty()).take(MOST_LINES) {
        for (found, pattern) in found.iter_mut().zip(&patterns) {
            *found |= pattern.matches(&words);
        }
    }
    found.iter().filter(|found| **found).count()
}
