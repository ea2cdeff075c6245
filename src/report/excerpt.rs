//! The lines of one file that a finding shows.
//!
//! miette's own sources walk the file from its first byte for every label and count lines so that far
//! labels grow into one snippet. An [`Excerpt`] holds copies of only the lines that are shown, cuts
//! long ones around the labels, and tells their true numbers.

use std::ops::Range;

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use super::clean;
use crate::source::{SourceFile, Span};

/// Lines of more bytes than this are cut around their labels.
const LONG_LINE: usize = 240;
/// Bytes of a long line that are shown on either side of a label.
const AROUND: usize = 60;
/// Bytes of a label in a long line that are shown.
const MARKED: usize = 120;
/// A label over more lines than this marks its first one only.
const MARKED_LINES: usize = 6;
/// Lines shown before and after a label.
pub(super) const CONTEXT: usize = 1;

/// Some lines of a file.
#[derive(Debug)]
pub(super) struct Excerpt {
    name: String,
    text: String,
    /// In the order of the file.
    lines: Vec<Line>,
    /// Columns (from 0, in characters) of the starts of the labels, by their offset in the text.
    columns: Vec<(usize, usize)>,
}

#[derive(Debug)]
struct Line {
    /// From 0.
    number: usize,
    /// Where the line stands in the excerpt's text, without a line end.
    shown: Range<usize>,
    /// What is shown of the file's text, and where each part starts in the excerpt's text.
    parts: Vec<(Range<usize>, usize)>,
}

impl Excerpt {
    /// The lines around some spans of a file, and where the spans are in the excerpt's text.
    pub(super) fn new(file: &SourceFile, spans: &[Span]) -> (Excerpt, Vec<SourceSpan>) {
        let marks: Vec<Mark> = spans.iter().map(|span| Mark::new(file, *span)).collect();
        let count = file.line_starts().len();
        let mut numbers: Vec<usize> = marks
            .iter()
            .flat_map(|mark| mark.first.saturating_sub(CONTEXT)..(mark.last + CONTEXT + 1).min(count))
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        let name = clean(&file.path.to_string_lossy());
        let mut excerpt = Excerpt { name, text: String::new(), lines: Vec::new(), columns: Vec::new() };
        for number in numbers {
            excerpt.push_line(file, number, &marks);
        }
        let spans = marks.iter().map(|mark| excerpt.shown(file, mark)).collect();
        (excerpt, spans)
    }

    fn push_line(&mut self, file: &SourceFile, number: usize, marks: &[Mark]) {
        if !self.lines.is_empty() {
            self.text.push('\n');
        }
        let line = line_range(file, number);
        let start = self.text.len();
        let mut parts = Vec::new();
        let mut at = line.start;
        for part in kept(&file.text, &line, marks) {
            if part.start > at {
                self.text.push('…');
            }
            parts.push((part.clone(), self.text.len()));
            self.text.push_str(&clean(&file.text[part.clone()]));
            at = part.end;
        }
        if at < line.end {
            self.text.push('…');
        }
        self.lines.push(Line { number, shown: start..self.text.len(), parts });
    }

    /// Where a mark is in the excerpt's text.
    fn shown(&mut self, file: &SourceFile, mark: &Mark) -> SourceSpan {
        let start = self.offset(mark.first, mark.range.start);
        let end = self.offset(mark.last, mark.range.end).max(start);
        let column = file.place(file.base + mark.range.start as u32).column as usize - 1;
        self.columns.push((start, column));
        (start, end - start).into()
    }

    fn offset(&self, number: usize, at: usize) -> usize {
        let Ok(index) = self.lines.binary_search_by_key(&number, |line| line.number) else { return 0 };
        let line = &self.lines[index];
        let part = line.parts.iter().rev().find(|(part, _)| part.start <= at);
        part.map_or(line.shown.start, |(part, shown)| shown + at.min(part.end) - part.start)
    }
}

/// A label's place in a file, cut down to what can be shown.
struct Mark {
    range: Range<usize>,
    /// Its first and last line, from 0.
    first: usize,
    last: usize,
}

impl Mark {
    fn new(file: &SourceFile, span: Span) -> Mark {
        let len = file.text.len();
        let local = |offset: u32| (offset.saturating_sub(file.base) as usize).min(len);
        let line_of = |at: usize| file.line_starts().partition_point(|start| *start as usize <= at) - 1;
        let (mut start, mut end) = (local(span.start), local(span.end));
        let mut first = line_of(start);
        // The empty line after the last line end has nothing to show.
        if first > 0 && line_range(file, first).is_empty() && first + 1 == file.line_starts().len() {
            first -= 1;
            start = line_range(file, first).end;
        }
        let line = line_range(file, first);
        let mut last = line_of(end.saturating_sub(1).max(start));
        if last - first >= MARKED_LINES {
            last = first;
        }
        end = end.clamp(start, line_range(file, last).end.max(start));
        if end == start && start >= line.end {
            start = line.end.saturating_sub(1).max(line.start);
            end = line.end;
        }
        if first == last && line.len() > LONG_LINE {
            end = end.min(start + MARKED);
        }
        Mark { range: floor(&file.text, start)..ceil(&file.text, end), first, last }
    }
}

/// The bytes of a line, from 0, without its line end.
fn line_range(file: &SourceFile, number: usize) -> Range<usize> {
    let span = file.line_span(number as u32 + 1);
    (span.start - file.base) as usize..(span.end - file.base) as usize
}

/// The parts of a line that are shown: all of it, or the surroundings of the labels, or its start.
fn kept(text: &str, line: &Range<usize>, marks: &[Mark]) -> Vec<Range<usize>> {
    if line.len() <= LONG_LINE {
        return vec![line.clone()];
    }
    let inside = |at: usize| line.start <= at && at <= line.end;
    let mut wanted: Vec<Range<usize>> = Vec::new();
    for mark in marks {
        let Range { start, end } = mark.range;
        if inside(start) {
            wanted.push(start.saturating_sub(AROUND)..end.min(start + MARKED) + AROUND);
        }
        if inside(end) {
            wanted.push(end.saturating_sub(AROUND)..end + AROUND);
        }
    }
    if wanted.is_empty() {
        wanted.push(line.start..line.start + 2 * AROUND);
    }
    wanted.sort_by_key(|range| range.start);
    let mut parts: Vec<Range<usize>> = Vec::new();
    for range in wanted {
        let start = floor(text, range.start.max(line.start));
        let end = ceil(text, range.end.min(line.end));
        match parts.last_mut() {
            Some(last) if last.end >= start => last.end = last.end.max(end),
            _ => parts.push(start..end),
        }
    }
    parts
}

/// The character boundary at or before an offset.
fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The character boundary at or after an offset.
fn ceil(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        context_lines_before: usize,
        context_lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let (start, end) = (span.offset(), span.offset() + span.len());
        if end > self.text.len() {
            return Err(MietteError::OutOfBounds);
        }
        let line_of = |at: usize| self.lines.partition_point(|line| line.shown.start <= at) - 1;
        let (mut first, mut last) = (line_of(start), line_of(end.saturating_sub(1).max(start)));
        let follows = |index: usize| self.lines[index].number == self.lines[index - 1].number + 1;
        for _ in 0..context_lines_before {
            if first > 0 && follows(first) {
                first -= 1;
            }
        }
        for _ in 0..context_lines_after {
            if last + 1 < self.lines.len() && follows(last + 1) {
                last += 1;
            }
        }
        let whole = context_lines_before > 0 || context_lines_after > 0;
        let shown =
            if whole { self.lines[first].shown.start..self.lines[last].shown.end } else { start..end };
        let column =
            self.columns.iter().find(|(offset, _)| *offset == start).map_or(0, |(_, column)| *column);
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            self.text[shown.clone()].as_bytes(),
            (shown.start, shown.len()).into(),
            self.lines[first].number,
            if whole { 0 } else { column },
            last - first + 1,
        )))
    }
}
