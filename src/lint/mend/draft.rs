//! Files with lines put in that nobody has written yet.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::dialect::write::Spot;
use crate::finding::{Edit, Mend};
use crate::source::{SourceError, SourceId, SourceMap, Span};

/// What is put in at one place of a file as it was read.
#[derive(Clone)]
struct Put {
    text: String,
    context: String,
}

/// Changes to files.
pub(crate) struct Draft<'w> {
    sources: &'w SourceMap,
    puts: BTreeMap<(SourceId, usize), Put>,
}

impl<'w> Draft<'w> {
    /// Nothing is changed yet.
    pub(crate) fn new(sources: &'w SourceMap) -> Self {
        Draft { sources, puts: BTreeMap::new() }
    }

    /// Puts text in.
    pub(crate) fn put(&mut self, spot: Spot) {
        let mut shift = 0;
        let of_file = (spot.file, 0)..=(spot.file, usize::MAX);
        for ((_, at), put) in self.puts.range_mut(of_file) {
            let start = at + shift;
            if spot.at < start {
                break;
            }
            if spot.at <= start + put.text.len() {
                put.text.insert_str(spot.at - start, &spot.text);
                return;
            }
            shift += put.text.len();
        }
        let put = Put { text: spot.text, context: spot.context };
        self.puts.insert((spot.file, spot.at - shift), put);
    }

    /// The places where something is put in.
    pub(crate) fn places(&self) -> Vec<(SourceId, usize)> {
        self.puts.keys().copied().collect()
    }

    /// The same changes but for those at one place.
    pub(crate) fn without(&self, place: (SourceId, usize)) -> Draft<'w> {
        let puts = self.puts.iter().filter(|(at, _)| **at != place);
        Draft { sources: self.sources, puts: puts.map(|(at, put)| (*at, put.clone())).collect() }
    }

    /// All files, with what was put in, under the same ids; those that are not `wanted` are empty.
    ///
    /// # Errors
    /// Where they do not fit into one address space.
    pub(crate) fn read(&self, wanted: &[SourceId]) -> Result<SourceMap, SourceError> {
        let mut texts: FxHashMap<SourceId, String> = FxHashMap::default();
        for ((file, at), put) in self.puts.iter().rev() {
            let text = texts.entry(*file).or_insert_with(|| self.sources.file(*file).text.clone());
            text.insert_str(*at, &put.text);
        }
        self.sources.with_texts(wanted, &texts)
    }

    /// The changes to the files as they were read.
    pub(crate) fn edits(&self) -> Vec<Edit> {
        let edit = |((file, at), put): (&(SourceId, usize), &Put)| {
            let offset = self.sources.file(*file).base + *at as u32;
            Edit { span: Span::new(offset, offset), text: put.text.clone() }
        };
        self.puts.iter().map(edit).collect()
    }

    /// The changes for people.
    pub(crate) fn mends(&self) -> Vec<Mend> {
        let mend = |((file, at), put): (&(SourceId, usize), &Put)| {
            let lines = put.text.lines().map(str::trim_end).filter(|line| !line.is_empty());
            let lines: Vec<&str> = lines.collect();
            let indent = |line: &&str| line.len() - line.trim_start().len();
            let common = lines.iter().map(indent).min().unwrap_or(0);
            let lines = lines.iter().map(|line| line[common..].to_string()).collect();
            Mend { place: self.place(*file, *at, &put.context), lines }
        };
        self.puts.iter().map(mend).collect()
    }

    /// A place in words.
    fn place(&self, file: SourceId, at: usize, context: &str) -> String {
        let file = self.sources.file(file);
        let (text, name) = (&file.text, file.path.display());
        let line = file.place(file.base + at as u32).line;
        let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
        let rest = text[at..].lines().next().unwrap_or("").trim();
        let place = if text[at..].trim().is_empty() {
            format!("at the end of {name}")
        } else if text[start..at].trim().is_empty() {
            format!("before line {line} of {name}")
        } else {
            format!("on line {line} of {name}, before `{rest}`")
        };
        if context.is_empty() { place } else { format!("{context}, {place}") }
    }
}
