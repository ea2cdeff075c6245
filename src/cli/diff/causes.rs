//! Which changed lines are behind an effect: those of the rules that decide, and of what these name.

use std::collections::{BTreeSet, btree_map::BTreeMap};

use rustc_hash::{FxHashMap, FxHashSet};

use super::pairs::By;
use super::sides::{Side, Sides};
use crate::dialect::mentions::{Mention, Thing};
use crate::dialect::write::definition;
use crate::dialect::{Block, Dialect};
use crate::source::{SourceId, Span};

/// A line that is not the same on both sides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Changed {
    /// 0 for OLD, 1 for NEW.
    pub side: usize,
    /// Its file.
    pub file: SourceId,
    /// Its number, from 1.
    pub line: u32,
}

impl Changed {
    /// The side that it is of.
    pub(super) fn of(self, sides: &Sides) -> &Side {
        if self.side == 0 { &sides.old } else { &sides.new }
    }

    /// The line with its place.
    pub(super) fn text(self, sides: &Sides) -> String {
        let side = self.of(sides);
        let file = side.sources.file(self.file);
        let text = side.sources.text(file.line_span(self.line)).trim();
        format!("{}:{}: {text}", side.shown(&file.path), self.line)
    }
}

/// The changed lines of each file of a side.
pub(super) type Lines = BTreeMap<SourceId, BTreeSet<u32>>;

/// What is made under a name: its kind, the table that it is in, the name.
type Key = (Thing, String, String);

/// The changed lines of both sides, and what stands in them.
#[derive(Default)]
pub(super) struct Causes {
    sides: [Names; 2],
}

/// The changed lines of one side.
#[derive(Default)]
struct Names {
    changed: Lines,
    /// All names in their order.
    mentions: Vec<(Span, Key)>,
    /// The changed lines of what is made, and the names in it.
    made: FxHashMap<Key, (Vec<Changed>, Vec<Key>)>,
}

impl Causes {
    pub(super) fn of(sides: &Sides, dialects: [Option<Dialect>; 2], changed: [Lines; 2]) -> Causes {
        let [old, new] = changed;
        let of = |at: usize, side: &Side, changed: Lines| match dialects[at] {
            Some(dialect) => Names::of(at, side, dialect, changed),
            None => Names::default(),
        };
        Causes { sides: [of(0, &sides.old, old), of(1, &sides.new, new)] }
    }

    /// The changed lines without which the rules that decide would be others, as far as they tell: those of NEW first.
    pub(super) fn behind(&self, sides: &Sides, by: &[By; 2]) -> Vec<Changed> {
        let mut found: BTreeSet<Changed> = BTreeSet::new();
        let mut keys: BTreeSet<&Key> = BTreeSet::new();
        for (at, side) in [&sides.old, &sides.new].into_iter().enumerate() {
            let Some(span) = by[at].rule.or(by[at].policy) else { continue };
            found.extend(self.sides[at].in_lines(at, side, span));
            keys.extend(self.sides[at].reached(span));
        }
        for key in keys {
            let changed =
                |names: &Names| names.made.get(key).map_or(Vec::new(), |(changed, _)| changed.clone());
            let [old, new] = [changed(&self.sides[0]), changed(&self.sides[1])];
            found.extend(if new.is_empty() { old } else { new });
        }
        let mut found: Vec<Changed> = found.into_iter().collect();
        found.sort_by_key(|changed| (1 - changed.side, changed.file, changed.line));
        found
    }

    /// Whether the rules that decide before and after stand on changed lines.
    pub(super) fn are_changed(&self, sides: &Sides, by: &[By; 2]) -> [bool; 2] {
        let sides = [&sides.old, &sides.new];
        std::array::from_fn(|at| {
            by[at].rule.is_some_and(|span| !self.sides[at].in_lines(at, sides[at], span).is_empty())
        })
    }
}

impl Names {
    fn of(at: usize, side: &Side, dialect: Dialect, changed: Lines) -> Names {
        let language = dialect.language();
        let mut names = Names { changed, ..Names::default() };
        let mut made: Vec<(Key, Span)> = Vec::new();
        for file in names.changed.keys() {
            let file = side.sources.file(*file);
            for Mention { thing, scope, name, span, defines } in (language.mentions)(&file.text) {
                if !matches!(thing, Thing::Set | Thing::Object | Thing::Macro | Thing::TimeRange) {
                    continue;
                }
                let span = Span::new(file.base + span.start, file.base + span.end);
                let key = (thing, scope, name);
                if defines { made.push((key, span)) } else { names.mentions.push((span, key)) }
            }
        }
        names.mentions.sort_unstable_by_key(|(span, _)| span.start);
        for (key, span) in made {
            let whole = whole(side, span, language.block);
            let inside: Vec<Key> = names.inside(whole).cloned().collect();
            let changed = names.in_lines(at, side, whole);
            let (lines, uses) = names.made.entry(key).or_default();
            lines.extend(changed);
            uses.extend(inside);
        }
        names
    }

    /// The changed lines that a text stands in.
    fn in_lines(&self, at: usize, side: &Side, span: Span) -> Vec<Changed> {
        let Some(id) = side.sources.id_at(span.start) else { return Vec::new() };
        let Some(lines) = self.changed.get(&id) else { return Vec::new() };
        let file = side.sources.file(id);
        let first = file.place(span.start).line;
        let last = file.place(span.end.max(span.start + 1) - 1).line;
        lines.range(first..=last).map(|line| Changed { side: at, file: id, line: *line }).collect()
    }

    /// The names in a text.
    fn inside(&self, span: Span) -> impl Iterator<Item = &Key> {
        let from = self.mentions.partition_point(|(at, _)| at.start < span.start);
        self.mentions[from..].iter().take_while(move |(at, _)| at.start < span.end).map(|(_, key)| key)
    }

    /// What a text names, and what that names.
    fn reached(&self, span: Span) -> FxHashSet<&Key> {
        let mut reached = FxHashSet::default();
        let mut open: Vec<&Key> = self.inside(span).collect();
        while let Some(key) = open.pop() {
            if reached.insert(key) {
                open.extend(self.made.get(key).into_iter().flat_map(|(_, uses)| uses));
            }
        }
        reached
    }
}

/// All of what is made at a name.
fn whole(side: &Side, name: Span, block: Block) -> Span {
    let line = || {
        let file = side.sources.file_of(name);
        file.map_or(name, |file| file.line_span(file.place(name.start).line))
    };
    definition(&side.sources, name, block).map_or_else(line, |edit| edit.span)
}
