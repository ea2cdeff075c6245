//! Changes that findings offer: one after the other, each found again on what the last one left.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use similar::TextDiff;

use super::Failure;
use crate::finding::{Edit, Finding, applied};
use crate::report::clean;
use crate::rule::{Lint, PH001, PH002, PH003, PH004, PH005, PH006};
use crate::source::{SourceId, SourceMap};

mod write;

pub(super) use write::replace;

/// Rounds of changes.
const MOST_ROUNDS: usize = 40;

/// Which changes are made.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'w> {
    /// Those of these lints alone.
    pub lints: Option<&'w [&'static Lint]>,
    /// Those too that take away what somebody may want.
    pub careful: bool,
}

/// A finding that was mended.
pub(super) struct Mended {
    /// Its code.
    pub code: &'static str,
    /// What it said.
    pub message: String,
    /// Where it was, in the files as they were then.
    pub place: Option<(PathBuf, u32)>,
    /// In how many places the files were changed for it.
    pub changes: usize,
}

/// Files with changes made.
pub(super) struct Fixed {
    /// The files as they were.
    pub before: SourceMap,
    /// The files.
    pub sources: SourceMap,
    /// What was mended, in order.
    pub mended: Vec<Mended>,
    /// What was found and is left.
    pub left: Vec<Finding>,
    /// There may be more to do: the rounds came to an end.
    pub stopped: bool,
}

/// Makes the changes that findings offer, until there are none left. `look` checks the files as they are then.
///
/// # Errors
/// Where the files cannot be checked, or do not fit into one address space any more.
pub(super) fn fix(
    mut sources: SourceMap,
    wanted: Wanted<'_>,
    mut look: impl FnMut(&mut SourceMap) -> Result<Vec<Finding>, Failure>,
) -> Result<Fixed, Failure> {
    let mut findings = look(&mut sources)?;
    let before = sources.clone();
    let mut fixed = Fixed { before, sources, mended: Vec::new(), left: Vec::new(), stopped: false };
    let mut failed: Vec<String> = Vec::new();
    let mut together = true;
    for _ in 0..MOST_ROUNDS {
        let Some(group) = next(&findings, wanted, &failed, together) else { break };
        let edits = edits_of(&group);
        let Some(mut changed) = changed(&fixed.sources, &edits)? else {
            together &= group.len() == 1;
            failed.extend(group.iter().filter(|_| group.len() == 1).map(|finding| key(finding)));
            continue;
        };
        let after = look(&mut changed)?;
        // Whoever was to be mended and is not has to go without.
        let stays = |finding: &&Finding| {
            let same = |other: &Finding| other.code() == finding.code() && other.message == finding.message;
            let count = |all: &[Finding]| all.iter().filter(|other| same(other)).count();
            count(&after) >= count(&findings)
        };
        let of_reading = [&PH001, &PH002, &PH003, &PH004, &PH005, &PH006];
        let said = |all: &[Finding]| all.iter().filter(|one| of_reading.contains(&one.lint())).count();
        let worse = said(&after) > said(&findings);
        if worse || group.iter().any(stays) {
            // What does not go together may go one by one.
            together &= group.len() == 1;
            failed.extend(group.iter().filter(|_| group.len() == 1).map(|finding| key(finding)));
            continue;
        }
        let mended: Vec<Mended> = group.iter().map(|finding| mended(&fixed.sources, finding)).collect();
        fixed.mended.extend(mended);
        (fixed.sources, findings) = (changed, after);
    }
    fixed.stopped = next(&findings, wanted, &failed, together).is_some();
    fixed.left = findings;
    Ok(fixed)
}

/// What is changed next: what is too wide, one by one, then all rules that can go, since they can go together, then what
/// is missing.
fn next<'f>(
    findings: &'f [Finding],
    wanted: Wanted<'_>,
    failed: &[String],
    together: bool,
) -> Option<Vec<&'f Finding>> {
    let offers = |finding: &&Finding| {
        !finding.edits.is_empty()
            && (wanted.careful || !finding.careful)
            && wanted.lints.is_none_or(|lints| lints.contains(&finding.lint()))
            && !failed.contains(&key(finding))
    };
    // What is narrowed may have covered others: what they do is known only then.
    if let Some(finding) = findings.iter().filter(offers).find(|finding| finding.is_of_open()) {
        return Some(vec![finding]);
    }
    let going: Vec<&Finding> = findings.iter().filter(offers).filter(|finding| finding.takes_out()).collect();
    if !going.is_empty() {
        return Some(if together { going } else { going.into_iter().take(1).collect() });
    }
    findings.iter().find(offers).map(|finding| vec![finding])
}

/// Tells findings apart.
fn key(finding: &Finding) -> String {
    format!("{} {} {:?}", finding.code(), finding.message, finding.edits)
}

fn edits_of(group: &[&Finding]) -> Vec<Edit> {
    let mut edits: Vec<Edit> = Vec::new();
    for edit in group.iter().flat_map(|finding| &finding.edits) {
        if !edits.contains(edit) {
            edits.push(edit.clone());
        }
    }
    edits
}

/// The files with changes; `None` where these get in each other's way.
fn changed(sources: &SourceMap, edits: &[Edit]) -> Result<Option<SourceMap>, Failure> {
    let Some(texts) = applied(sources, edits) else { return Ok(None) };
    let all: Vec<SourceId> = sources.files().map(|(id, _)| id).collect();
    Ok(Some(sources.with_texts(&all, &texts)?))
}

fn mended(sources: &SourceMap, finding: &Finding) -> Mended {
    let place = finding.span.and_then(|span| {
        let file = sources.file_of(span)?;
        Some((file.path.clone(), file.place(span.start).line))
    });
    let changes = finding.edits.len();
    Mended { code: finding.code(), message: finding.message.clone(), place, changes }
}

/// The texts that differ: before and after, by path.
pub(super) fn differing<'m>(
    before: &'m SourceMap,
    after: &'m SourceMap,
) -> BTreeMap<&'m Path, (&'m str, &'m str)> {
    let pairs = before.files().map(|(_, file)| file).zip(after.files().map(|(_, file)| file));
    let differ = pairs.filter(|(old, new)| old.text != new.text);
    differ.map(|(old, new)| (old.path.as_path(), (old.text.as_str(), new.text.as_str()))).collect()
}

/// Says what was mended.
///
/// # Errors
/// Where it cannot be written.
pub(super) fn tell(fixed: &Fixed, out: &mut impl Write) -> Result<(), Failure> {
    for mended in &fixed.mended {
        let place = mended.place.as_ref().map(|(path, line)| format!("{}:{line}: ", path.display()));
        let line = format!("fixed {}{} {}", place.unwrap_or_default(), mended.code, mended.message);
        writeln!(out, "{}", clean(&line))?;
    }
    if fixed.stopped {
        writeln!(out, "stopped after {MOST_ROUNDS} rounds: there may be more to fix")?;
    }
    Ok(())
}

/// Changes as `patch` takes them.
pub(super) fn unified(path: &Path, before: &str, after: &str) -> String {
    let shown = path.display().to_string();
    let shown = shown.trim_start_matches("./").trim_start_matches('/');
    let diff = TextDiff::from_lines(before, after);
    let [old, new] = ["a/", "b/"].map(|side| quoted(&format!("{side}{shown}")));
    diff.unified_diff().context_radius(3).header(&old, &new).to_string()
}

/// A name as git quotes it where it is no plain one: it must not look like lines of its own.
fn quoted(name: &str) -> String {
    if !name.chars().any(|c| c.is_control() || matches!(c, '"' | '\\')) {
        return name.to_string();
    }
    let mut out = String::from("\"");
    for byte in name.bytes() {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=b'~' => out.push(char::from(byte)),
            byte => out.push_str(&format!("\\{byte:03o}")),
        }
    }
    out + "\""
}
