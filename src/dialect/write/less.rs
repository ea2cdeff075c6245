//! Rules that let less through, in the words in which they are written.

use std::ops::Range;

use crate::packet::{Prefix, Set};

/// What a rule is to let through of what it does.
pub struct Less<'l> {
    /// Its protocol.
    pub protocol: u8,
    /// These ports; `None` where those stay as they are.
    pub ports: Option<&'l Set>,
    /// From these sources, likewise.
    pub sources: Option<&'l [Prefix]>,
}

/// The words of a rule with their places: what stands in quotes or braces is one.
pub(in crate::dialect) struct Words<'t> {
    text: &'t str,
    words: Vec<Range<usize>>,
}

impl<'t> Words<'t> {
    pub(in crate::dialect) fn of(text: &'t str) -> Words<'t> {
        let mut words = Vec::new();
        let (mut start, mut depth, mut quoted) = (None, 0_usize, false);
        for (at, byte) in text.bytes().enumerate() {
            let apart = byte.is_ascii_whitespace() && depth == 0 && !quoted;
            match (apart, start) {
                (true, Some(from)) => {
                    words.push(from..at);
                    start = None;
                }
                (false, None) => start = Some(at),
                _ => {}
            }
            match byte {
                b'"' => quoted = !quoted,
                b'{' if !quoted => depth += 1,
                b'}' if !quoted => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        words.extend(start.map(|from| from..text.len()));
        Words { text, words }
    }

    pub(in crate::dialect) fn get(&self, at: usize) -> &'t str {
        self.words.get(at).map_or("", |word| &self.text[word.clone()])
    }

    /// The one word that is one of some, and not turned round by a `!` before it; nothing where there are several.
    pub(in crate::dialect) fn one(&self, of: &[&str]) -> Option<usize> {
        let mut found = (0..self.words.len()).filter(|at| of.contains(&self.get(*at)));
        let at = found.next().filter(|_| found.next().is_none())?;
        (at == 0 || self.get(at - 1) != "!").then_some(at)
    }

    pub(in crate::dialect) fn has(&self, of: &[&str]) -> bool {
        (0..self.words.len()).any(|at| of.contains(&self.get(at)))
    }

    /// The text with other words in the place of some.
    pub(in crate::dialect) fn with(&self, words: Range<usize>, other: &str) -> Option<String> {
        let from = self.words.get(words.start)?.start;
        let to = self.words.get(words.end.checked_sub(1)?)?.end;
        Some(format!("{}{other}{}", &self.text[..from], &self.text[to..]))
    }

    /// The text with words put in behind one.
    pub(in crate::dialect) fn behind(&self, at: usize, other: &str) -> Option<String> {
        let to = self.words.get(at)?.end;
        Some(format!("{} {other}{}", &self.text[..to], &self.text[to..]))
    }
}
