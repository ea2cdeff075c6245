//! A change for people: its effects, then findings, then the text.

use std::io::Write;

use super::calls::{self, Change};
use super::lines::{Line, decider, limits, lines, notes};
use super::pairs::Pair;
use super::sides::Side;
use super::summary::summary;
use super::{Failure, KINDS, Told, names};
use crate::analysis::compare::Kind;
use crate::finding::Finding;
use crate::report::clean;

/// Effects of one kind that are written out.
const MOST: usize = 40;
/// Lines of text differences that are written out.
const MOST_LINES: usize = 400;

/// Writes the report.
pub(super) fn write(told: &Told<'_>, color: bool, out: &mut impl Write) -> Result<(), Failure> {
    let paint = |code: &str, text: &str| match color {
        true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        false => text.to_string(),
    };
    writeln!(out, "{}", paint("1", &summary(told)))?;
    for pair in told.pairs {
        effects(told, pair, &paint, out)?;
    }
    calls(told, &paint, out)?;
    findings(told, &paint, out)?;
    for pair in told.pairs {
        texts(pair, &paint, out)?;
    }
    Ok(())
}

type Paint<'p> = &'p dyn Fn(&str, &str) -> String;

fn heading(told: &Told<'_>, pair: &Pair) -> String {
    match (pair.name.is_empty(), told.pairs.len()) {
        (true, _) => String::new(),
        (false, _) => pair.name.clone(),
    }
}

fn effects(told: &Told<'_>, pair: &Pair, paint: Paint<'_>, out: &mut impl Write) -> Result<(), Failure> {
    let title = heading(told, pair);
    let quiet = pair.regions.is_empty() && pair.unknown.is_empty() && pair.not_compared.is_empty();
    if quiet {
        return Ok(());
    }
    writeln!(out)?;
    if !title.is_empty() {
        writeln!(out, "{}", paint("1", &clean(&title)))?;
    }
    for kind in KINDS {
        let lines = lines(told, pair, kind, false);
        for line in lines.iter().take(MOST) {
            effect(told, line, paint, out)?;
        }
        if let Some(more) = lines.len().checked_sub(MOST).filter(|more| *more > 0) {
            writeln!(out, "  … and {more} more of this kind")?;
        }
    }
    for note in notes(told, pair) {
        writeln!(out, "  {}", clean(&note))?;
    }
    Ok(())
}

fn effect(told: &Told<'_>, line: &Line, paint: Paint<'_>, out: &mut impl Write) -> Result<(), Failure> {
    let (word, _) = names::kind(line.kind);
    let code = match line.kind {
        Kind::Opened => "32",
        Kind::Closed => "31",
        _ => "33",
    };
    writeln!(out, "  {} {}", paint(code, &format!("{word:<10}")), clean(&line.words.sentence()))?;
    if !line.detail.is_empty() {
        writeln!(out, "             {}", clean(&line.detail))?;
    }
    let sides = [(&told.sides.old, "before"), (&told.sides.new, "after")];
    for ((side, when), by) in sides.into_iter().zip(&line.by) {
        writeln!(out, "             {when:<7} {}", clean(&decider(side, by)))?;
    }
    for changed in line.changed(told, [true; 2]) {
        writeln!(out, "             changed {}", clean(&changed))?;
    }
    depends(out, line)?;
    writeln!(out, "             {}", paint("2", &format!("packet: {}", clean(&line.example))))?;
    Ok(())
}

fn calls(told: &Told<'_>, paint: Paint<'_>, out: &mut impl Write) -> Result<(), Failure> {
    let changes = &told.findings.calls;
    for (broken, title) in [(true, "calls that break or may fail"), (false, "calls that are mended")] {
        let list: Vec<&Change> = changes.all.iter().filter(|change| change.broken() == broken).collect();
        if list.is_empty() {
            continue;
        }
        writeln!(out, "\n{}", paint("1", title))?;
        for change in list.iter().take(MOST) {
            writeln!(out, "  {}", clean(&change.sentence(change.side(told.sides))))?;
            if broken && !change.state.symptom.is_empty() {
                writeln!(out, "      {}", clean(&change.state.symptom))?;
            }
        }
        if let Some(more) = list.len().checked_sub(MOST).filter(|more| *more > 0) {
            writeln!(out, "  … and {more} more")?;
        }
    }
    if changes.more {
        writeln!(out, "\n{}", calls::MORE)?;
    }
    Ok(())
}

fn findings(told: &Told<'_>, paint: Paint<'_>, out: &mut impl Write) -> Result<(), Failure> {
    let lists = [
        (&told.findings.broken, &told.sides.new, "new findings"),
        (&told.findings.mended, &told.sides.old, "findings that are gone"),
    ];
    for (list, side, title) in lists {
        if list.is_empty() {
            continue;
        }
        writeln!(out, "\n{}", paint("1", title))?;
        for finding in list.iter().take(MOST) {
            writeln!(out, "  {}", clean(&line_of(side, finding)))?;
            if !finding.notice.is_empty() {
                writeln!(out, "      {}", clean(&side.said(&finding.notice)))?;
            }
        }
        if let Some(more) = list.len().checked_sub(MOST).filter(|more| *more > 0) {
            writeln!(out, "  … and {more} more")?;
        }
    }
    Ok(())
}

/// A finding on one line.
pub(super) fn line_of(side: &Side, finding: &Finding) -> String {
    let place = finding.span.and_then(|span| side.place(span));
    let place = place.map_or(String::new(), |(file, line)| format!(" ({file}:{line})"));
    format!("{}[{}]: {}{place}", finding.severity.name(), finding.code(), side.said(&finding.message))
}

fn texts(pair: &Pair, paint: Paint<'_>, out: &mut impl Write) -> Result<(), Failure> {
    let mut left = MOST_LINES;
    for file in &pair.texts.files {
        writeln!(out, "\n--- {}\n+++ {}", clean(&file.names[0]), clean(&file.names[1]))?;
        for hunk in &file.hunks {
            if left == 0 {
                writeln!(out, "… and more lines")?;
                return Ok(());
            }
            writeln!(out, "{}", paint("36", &hunk.head))?;
            for effect in &hunk.effects {
                writeln!(out, "  {}", paint("33", &format!("» {}", clean(effect))))?;
            }
            for (mark, line) in hunk.lines.iter().take(left) {
                let code = match mark {
                    '+' => "32",
                    '-' => "31",
                    _ => "0",
                };
                let text = format!("{mark}{}", clean(line));
                writeln!(out, "{}", if *mark == ' ' { text } else { paint(code, &text) })?;
            }
            left = left.saturating_sub(hunk.lines.len());
        }
    }
    Ok(())
}

/// What an effect hangs on.
fn depends(out: &mut impl Write, line: &Line) -> Result<(), Failure> {
    if !line.depends_on.is_empty() {
        writeln!(out, "             depends on {}", clean(&line.depends_on.join(", ")))?;
    }
    Ok(())
}

/// Whether nothing differs but what hangs on what the files do not tell.
fn may_differ(told: &Told<'_>) -> bool {
    let mut regions = told.pairs.iter().flat_map(|pair| &pair.regions).map(|seen| seen.region.kind);
    let whole = told.pairs.iter().all(|pair| pair.unknown.is_empty() && !pair.dialects.contains(&None));
    whole
        && regions
            .all(|kind| matches!(kind, Kind::MayOpen | Kind::MayClose | Kind::MayChange | Kind::Replied))
}

/// Writes the answer to `--equal`.
pub(super) fn equal(told: &Told<'_>, out: &mut impl Write) -> Result<(), Failure> {
    match told.equal {
        Some(true) => writeln!(out, "equal: every packet fares alike on both sides")?,
        Some(false) if may_differ(told) => {
            writeln!(
                out,
                "different: whether these packets fare otherwise hangs on what the files do not tell"
            )?;
        }
        Some(false) => writeln!(out, "different: each of these packets fares otherwise")?,
        None if told.pairs.iter().any(|pair| pair.is_apart) => {
            writeln!(out, "unknown: one side has no rules for the packets of the other")?;
        }
        None if told.pairs.iter().all(|pair| pair.unknown.is_empty()) => {
            writeln!(
                out,
                "unknown: nothing differs as far as the files are understood, and one side has lines that are not"
            )?;
        }
        None => writeln!(out, "unknown: it would have taken too much work")?,
    }
    for pair in told.pairs {
        for kind in KINDS {
            let likely = lines(told, pair, kind, false);
            for line in likely.iter().chain(&lines(told, pair, kind, true)).take(MOST) {
                writeln!(out, "  {:<10} {}", names::kind(kind).0, clean(&line.example))?;
                for ((side, when), by) in
                    [(&told.sides.old, "before"), (&told.sides.new, "after")].into_iter().zip(&line.by)
                {
                    writeln!(out, "             {when:<7} {}", clean(&decider(side, by)))?;
                }
                depends(out, line)?;
            }
        }
        for note in limits(pair) {
            writeln!(out, "  {}", clean(&note))?;
        }
    }
    Ok(())
}
