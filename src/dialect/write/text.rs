//! Places in the text of a config.

use super::Spot;
use crate::source::{SourceId, SourceMap, Span};

/// One file of a source map.
#[derive(Clone, Copy)]
pub(crate) struct Text<'m> {
    /// Its id.
    pub file: SourceId,
    /// Its text.
    pub text: &'m str,
    base: u32,
}

impl<'m> Text<'m> {
    /// The file that a span lies in; `None` for a span of no text.
    pub(crate) fn of(map: &'m SourceMap, span: Span) -> Option<Text<'m>> {
        Text::by_id(map, map.id_at(span.start)?)
    }

    /// The file of an id.
    pub(crate) fn by_id(map: &'m SourceMap, file: SourceId) -> Option<Text<'m>> {
        let found = map.file(file);
        (!found.text.is_empty()).then_some(Text { file, text: &found.text, base: found.base })
    }

    /// An offset of the source map in the text.
    pub(crate) fn local(&self, offset: u32) -> usize {
        (offset.saturating_sub(self.base) as usize).min(self.text.len())
    }

    /// Where the line of an offset starts.
    pub(crate) fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |end| end + 1)
    }

    /// Where the line after that of an offset starts, or the end of the text.
    pub(crate) fn next_line(&self, at: usize) -> usize {
        self.text[at..].find('\n').map_or(self.text.len(), |end| at + end + 1)
    }

    /// Where the first line starts of those that belong together with that of an offset: lines can go in before it.
    pub(crate) fn first_line(&self, at: usize) -> usize {
        let mut start = self.line_start(at);
        while self.is_joined(start) {
            start = self.line_start(start - 1);
        }
        start
    }

    /// Where the line starts behind all that belong together with that of an offset, or the end of the text.
    pub(crate) fn behind(&self, at: usize) -> usize {
        let mut next = self.next_line(at);
        while next < self.text.len() && self.is_joined(next) {
            next = self.next_line(next);
        }
        next
    }

    /// Whether what starts at an offset goes on with what the lines before end with: `\`, or `&&`, `||` and `|` of a
    /// shell, with comments between them.
    pub(crate) fn is_joined(&self, start: usize) -> bool {
        let lines = self.text[..start].lines().rev().map(str::trim);
        let last = lines.filter(|line| !line.starts_with('#')).find(|line| !line.is_empty());
        last.is_some_and(|line| line.ends_with(['\\', '|']) || line.ends_with("&&"))
    }

    /// Where the statement of a rule starts: behind another one on its line, the command of nftables that adds it, or the
    /// counters of a saved rule (`[3:180]`) included. `None` where it hangs on something that stands before it.
    pub(crate) fn statement(&self, rule: usize) -> Option<usize> {
        let line = self.line_start(rule);
        let before = &self.text[line..rule];
        let start = before.rfind([';', '{', '}']).map_or(0, |at| at + 1);
        let ahead = before[start..].trim();
        let counters = ahead.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let is_count = |numbers: &str| numbers.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
        let mut words = ahead.split_whitespace();
        let is_of_rule = ahead.is_empty()
            || counters.is_some_and(is_count)
            || matches!((words.next(), words.next()), (Some("add" | "insert"), Some("rule")));
        (is_of_rule && !self.is_joined(line)).then_some(line + start)
    }

    /// The line of an offset, without its end.
    pub(crate) fn line(&self, at: usize) -> &'m str {
        self.text[self.line_start(at)..self.next_line(at)].trim_end()
    }

    /// The spaces that a line starts with.
    pub(crate) fn indent(&self, at: usize) -> &'m str {
        let line = self.line(at);
        &line[..line.len() - line.trim_start().len()]
    }

    /// All lines with their starts.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &'m str)> {
        let mut at = 0;
        self.text.split_inclusive('\n').map(move |line| {
            let start = at;
            at += line.len();
            (start, line.trim_end())
        })
    }

    /// Lines as a spot of whole lines before the one that starts at an offset.
    pub(crate) fn spot(&self, at: usize, lines: &[String], context: String) -> Spot {
        let end = self.line_end();
        // Where the last line has no end, it is the new one that has none.
        let text = match at == self.text.len() && !self.text.is_empty() && !self.text.ends_with('\n') {
            true => lines.iter().flat_map(|line| [end, line.as_str()]).collect(),
            false => lines.iter().flat_map(|line| [line.as_str(), end]).collect(),
        };
        Spot { file: self.file, at, text, context }
    }

    /// What lines of the file end with.
    pub(crate) fn line_end(&self) -> &'static str {
        let windows = self.text.split_once('\n').is_some_and(|(first, _)| first.ends_with('\r'));
        if windows { "\r\n" } else { "\n" }
    }

    /// Lines at the end of the file.
    pub(crate) fn at_end(&self, lines: &[String]) -> Spot {
        self.spot(self.text.len(), lines, String::new())
    }
}

/// Lines behind an indent.
pub(crate) fn indented(indent: &str, lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| format!("{indent}{line}")).collect()
}
