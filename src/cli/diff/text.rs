//! The lines that changed, with what each hunk does.

use similar::{ChangeTag, TextDiff};

use super::causes::{Causes, Changed, Lines};
use super::likely::is_odd;
use super::names;
use super::pairs::{Pair, Seen};
use super::sides::{Side, Sides};
use crate::analysis::compare::Kind;
use crate::source::SourceId;

/// Lines around a change.
const CONTEXT: usize = 3;

/// The changed texts of a firewall.
#[derive(Default)]
pub(super) struct Texts {
    /// File by file.
    pub files: Vec<FileDiff>,
    /// Which of their lines are behind an effect.
    pub causes: Causes,
}

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
    /// What it does: effects behind which its lines are.
    pub effects: Vec<String>,
    changed: Vec<Changed>,
}

/// The text differences of the files of a firewall.
pub(super) fn of(sides: &Sides, pair: &Pair) -> Texts {
    let mut files = Vec::new();
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
        files.push(FileDiff { hunks: hunks(&before, &after, [old, new]), names });
    }
    // Where nothing differs for packets, nobody asks why.
    let causes = match pair.regions.is_empty() {
        true => Causes::default(),
        false => Causes::of(sides, pair.dialects, changed(pair, &files)),
    };
    let mut texts = Texts { files, causes };
    let effects = effects(sides, pair, &texts);
    let hunks = texts.files.iter_mut().flat_map(|file| &mut file.hunks);
    for (hunk, effects) in hunks.zip(effects) {
        hunk.effects = effects;
    }
    texts
}

fn hunks(before: &str, after: &str, files: [Option<SourceId>; 2]) -> Vec<Hunk> {
    let mut config = TextDiff::configure();
    let diff = config.timeout(std::time::Duration::from_millis(500)).diff_lines(before, after);
    let hunk = |hunk: similar::udiff::UnifiedDiffHunk<'_, '_, '_, str>| {
        let (mut lines, mut changed) = (Vec::new(), Vec::new());
        for change in hunk.iter_changes() {
            let (mark, side, at) = match change.tag() {
                ChangeTag::Equal => (' ', 0, None),
                ChangeTag::Delete => ('-', 0, change.old_index()),
                ChangeTag::Insert => ('+', 1, change.new_index()),
            };
            if let (Some(at), Some(file)) = (at, files[side]) {
                changed.push(Changed { side, file, line: at as u32 + 1 });
            }
            lines.push((mark, change.value().trim_end_matches(['\n', '\r']).to_string()));
            if change.missing_newline() {
                lines.push(('\\', " No newline at end of file".to_string()));
            }
        }
        changed.sort_unstable();
        let head = hunk.header().to_string().trim_end().to_string();
        Hunk { head, lines, effects: Vec::new(), changed }
    };
    diff.unified_diff().context_radius(CONTEXT).iter_hunks().map(hunk).collect()
}

/// The changed lines of all files of both sides.
fn changed(pair: &Pair, files: &[FileDiff]) -> [Lines; 2] {
    let mut lines = pair.files.each_ref().map(|ids| {
        let none = ids.iter().map(|id| (*id, std::collections::BTreeSet::new()));
        none.collect::<Lines>()
    });
    for changed in files.iter().flat_map(|file| &file.hunks).flat_map(|hunk| &hunk.changed) {
        lines[changed.side].entry(changed.file).or_default().insert(changed.line);
    }
    lines
}

/// What each hunk does. Where there is one alone, all comes from it.
fn effects(sides: &Sides, pair: &Pair, texts: &Texts) -> Vec<Vec<String>> {
    let hunks: Vec<&Hunk> = texts.files.iter().flat_map(|file| &file.hunks).collect();
    if let [_] = hunks.as_slice() {
        return vec![told(sides, pair, &mut pair.regions.iter())];
    }
    let causes: Vec<Vec<Changed>> =
        pair.regions.iter().map(|seen| texts.causes.behind(sides, &seen.by)).collect();
    let of = |hunk: &&Hunk| {
        let caused =
            |causes: &Vec<Changed>| causes.iter().any(|line| hunk.changed.binary_search(line).is_ok());
        let here = pair.regions.iter().zip(&causes).filter(|(_, causes)| caused(causes));
        told(sides, pair, &mut here.map(|(seen, _)| seen))
    };
    hunks.iter().map(of).collect()
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

/// Effects in words, each once, but for those on odd packets.
fn told<'p>(sides: &Sides, pair: &'p Pair, seen: &mut dyn Iterator<Item = &'p Seen>) -> Vec<String> {
    let context = names::Context { site: &sides.new.site, pair };
    let tells = |seen: &&Seen| seen.region.kind != Kind::Replied && !is_odd(context.site, pair, &seen.region);
    let found = context.merged(seen.filter(tells).map(|seen| &seen.region));
    found.iter().map(|(kind, words)| format!("{}: {}", names::kind(*kind).0, words.sentence())).collect()
}
