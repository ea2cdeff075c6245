//! The lines that changed, with what each hunk does.

use std::ops::Range;

use similar::{ChangeTag, TextDiff};

use super::likely::is_odd;
use super::names;
use super::pairs::{Pair, Seen};
use super::sides::{Side, Sides};
use crate::analysis::compare::Kind;
use crate::source::{SourceId, Span};

/// Lines around a change.
const CONTEXT: usize = 3;

/// The changed text of one file.
pub(super) struct FileDiff {
    /// The names of the file before and after.
    pub names: [String; 2],
    /// The hunks.
    pub hunks: Vec<Hunk>,
}

/// One place where lines changed.
pub(super) struct Hunk {
    /// `@@ -1,2 +1,3 @@`.
    pub head: String,
    /// The lines, each with its mark (` `, `-` or `+`) and without its end.
    pub lines: Vec<(char, String)>,
    /// What it does: effects whose rule stands in it.
    pub effects: Vec<String>,
}

/// The text differences of the files of a firewall.
pub(super) fn of(sides: &Sides, pair: &Pair) -> Vec<FileDiff> {
    let mut found = Vec::new();
    for (old, new) in matched(sides, pair) {
        let text = |side: &Side, id: Option<SourceId>| {
            id.map_or(String::new(), |id| side.sources.file(id).text.clone())
        };
        let (before, after) = (text(&sides.old, old), text(&sides.new, new));
        if before == after {
            continue;
        }
        let name = |side: &Side, id: Option<SourceId>| {
            id.map_or("/dev/null".to_string(), |id| side.shown(&side.sources.file(id).path))
        };
        let names = [name(&sides.old, old), name(&sides.new, new)];
        let mut config = TextDiff::configure();
        let diff = config.timeout(std::time::Duration::from_millis(500)).diff_lines(&before, &after);
        let hunks = diff.unified_diff().context_radius(CONTEXT).iter_hunks().map(|hunk| {
            let mut ranges: [Option<Range<usize>>; 2] = [None, None];
            let mut lines = Vec::new();
            for change in hunk.iter_changes() {
                let mark = match change.tag() {
                    ChangeTag::Equal => ' ',
                    ChangeTag::Delete => '-',
                    ChangeTag::Insert => '+',
                };
                for (range, index) in ranges.iter_mut().zip([change.old_index(), change.new_index()]) {
                    if let (Some(index), true) = (index, mark != ' ') {
                        let known = range.get_or_insert(index..index);
                        *known = known.start.min(index)..known.end.max(index + 1);
                    }
                }
                lines.push((mark, change.value().trim_end_matches(['\n', '\r']).to_string()));
            }
            let effects = effects(sides, pair, [old, new], &ranges);
            Hunk { head: hunk.header().to_string().trim_end().to_string(), lines, effects }
        });
        found.push(FileDiff { hunks: hunks.collect(), names });
    }
    if let [FileDiff { hunks, .. }] = found.as_mut_slice()
        && let [only] = hunks.as_mut_slice()
    {
        // All that changes comes from the one place: from an object or a set, too.
        only.effects = all_effects(sides, pair);
    }
    found
}

/// All effects, each once.
fn all_effects(sides: &Sides, pair: &Pair) -> Vec<String> {
    told(sides, pair, &mut pair.regions.iter())
}

/// The files of both sides, by name; where each side has one, these are it.
fn matched(sides: &Sides, pair: &Pair) -> Vec<(Option<SourceId>, Option<SourceId>)> {
    if let [[old], [new]] = [&pair.files[0].as_slice(), &pair.files[1].as_slice()] {
        return vec![(Some(*old), Some(*new))];
    }
    let name = |side: &Side, id: SourceId| {
        let path = &side.sources.file(id).path;
        let full = path.canonicalize().unwrap_or_else(|_| path.clone());
        let base = side.base.canonicalize().unwrap_or_else(|_| side.base.clone());
        full.strip_prefix(&base).map(std::path::Path::to_path_buf).unwrap_or(full)
    };
    let mut left: Vec<SourceId> = pair.files[1].clone();
    let mut found = Vec::new();
    for old in &pair.files[0] {
        let wanted = name(&sides.old, *old);
        let at = left.iter().position(|new| name(&sides.new, *new) == wanted);
        found.push((Some(*old), at.map(|at| left.remove(at))));
    }
    found.extend(left.into_iter().map(|new| (None, Some(new))));
    found
}

/// The effects whose deciding rule stands in the changed lines.
fn effects(
    sides: &Sides,
    pair: &Pair,
    files: [Option<SourceId>; 2],
    ranges: &[Option<Range<usize>>; 2],
) -> Vec<String> {
    let inside = |side: &Side, at: usize, span: Option<Span>| {
        let (Some(id), Some(range), Some(span)) = (files[at], &ranges[at], span) else { return false };
        let file = side.sources.file(id);
        let whole = file.span();
        let first = file.place(span.start).line as usize - 1;
        let last = file.place(span.end.max(span.start + 1) - 1).line as usize - 1;
        whole.start <= span.start && span.end <= whole.end && first < range.end && range.start <= last
    };
    let here = |seen: &&Seen| {
        let place = |at: usize| seen.by[at].rule.or(seen.by[at].policy);
        inside(&sides.old, 0, place(0)) || inside(&sides.new, 1, place(1))
    };
    told(sides, pair, &mut pair.regions.iter().filter(here))
}

/// Effects in words, each once, but for those on odd packets.
fn told<'p>(sides: &Sides, pair: &'p Pair, regions: &mut dyn Iterator<Item = &'p Seen>) -> Vec<String> {
    let context = names::Context { site: &sides.new.site, pair };
    let mut found: Vec<(Kind, names::Words)> = Vec::new();
    let tells = |seen: &&Seen| seen.region.kind != Kind::Replied && !is_odd(context.site, pair, &seen.region);
    for seen in regions.filter(tells) {
        let words = context.words(&seen.region);
        let alike = |(kind, known): &(Kind, names::Words)| {
            *kind == seen.region.kind
                && (&known.from, &known.to, &known.rest) == (&words.from, &words.to, &words.rest)
        };
        match found.iter().position(alike) {
            Some(at) => found[at].1.add(words),
            None => found.push((seen.region.kind, words)),
        }
    }
    found.iter().map(|(kind, words)| format!("{}: {}", names::kind(*kind).0, words.sentence())).collect()
}
