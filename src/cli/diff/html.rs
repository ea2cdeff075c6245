//! A change as one page: nothing in it is loaded from elsewhere, and it prints.

use std::io::Write;

use super::calls::{self, Change};
use super::human::line_of;
use super::lines::{Line, decider, lines, notes};
use super::pairs::Pair;
use super::summary::summary;
use super::{Failure, KINDS, Told, names};
use crate::report::markup::html;
use crate::report::page;

/// Effects of a firewall that are shown.
const MOST: usize = 1000;

/// Writes the page.
pub(super) fn write(told: &Told<'_>, out: &mut impl Write) -> Result<(), Failure> {
    let summary = summary(told);
    page::begin(&summary, out)?;
    writeln!(out, "<header><h1>{}</h1></header>\n<main>", html(&summary))?;
    for pair in told.pairs {
        effects(told, pair, out)?;
    }
    of_calls(told, out)?;
    findings(told, out)?;
    texts(told, out)?;
    writeln!(out, "</main>")?;
    page::end("", out)?;
    Ok(())
}

fn effects(told: &Told<'_>, pair: &Pair, out: &mut impl Write) -> Result<(), Failure> {
    let rows: Vec<Line> = KINDS.into_iter().flat_map(|kind| lines(told, pair, kind, false)).collect();
    let notes = notes(told, pair);
    if rows.is_empty() && notes.is_empty() {
        return Ok(());
    }
    let of = if pair.name.is_empty() { String::new() } else { format!(" on {}", html(&pair.name)) };
    writeln!(out, "<section><h2>Effects{of}</h2>")?;
    if !rows.is_empty() {
        writeln!(
            out,
            "<table><tr><th>effect</th><th>traffic</th><th>from</th><th>to</th><th>before</th><th>after</th>\
             <th>one packet</th></tr>"
        )?;
        rows.iter().take(MOST).try_for_each(|line| row(told, line, out))?;
        writeln!(out, "</table>")?;
    }
    if rows.len() > MOST {
        writeln!(out, "<p>and {} more effects (all of them: --format json)</p>", rows.len() - MOST)?;
    }
    list(notes.iter().map(|note| html(note)), out)?;
    writeln!(out, "</section>")?;
    Ok(())
}

fn row(told: &Told<'_>, line: &Line, out: &mut impl Write) -> Result<(), Failure> {
    let (word, _) = names::kind(line.kind);
    let mut traffic = format!("{}{}", line.words.what(), line.words.rest);
    if !line.detail.is_empty() {
        traffic += &format!("; {}", line.detail);
    }
    if !line.depends_on.is_empty() {
        traffic += &format!("; depends on {}", line.depends_on.join(", "));
    }
    let changed: String = line
        .changed(told, [true; 2])
        .iter()
        .map(|line| format!("<br>changed: <code>{}</code>", html(line)))
        .collect();
    let by = [(&told.sides.old, &line.by[0]), (&told.sides.new, &line.by[1])];
    let [before, after] = by.map(|(side, by)| html(&decider(side, by)));
    writeln!(
        out,
        "<tr><td>{word}</td><td>{}</td><td>{}</td><td>{}</td><td><code>{before}</code></td>\
         <td><code>{after}</code>{changed}</td><td><code>{}</code></td></tr>",
        html(&traffic),
        html(&line.words.from),
        html(&line.words.to),
        html(&line.example)
    )?;
    Ok(())
}

fn of_calls(told: &Told<'_>, out: &mut impl Write) -> Result<(), Failure> {
    let changes = &told.findings.calls;
    for (broken, title) in [(true, "Calls that break or may fail"), (false, "Calls that are mended")] {
        let some: Vec<&Change> = changes.all.iter().filter(|change| change.broken() == broken).collect();
        if some.is_empty() {
            continue;
        }
        writeln!(out, "<section><h2>{title}</h2>")?;
        let told = some.into_iter().map(|change| {
            let sentence = html(&change.sentence(change.side(told.sides)));
            let symptom = if broken { html(&change.state.symptom) } else { String::new() };
            if symptom.is_empty() { sentence } else { format!("{sentence}<br>{symptom}") }
        });
        list(told, out)?;
        writeln!(out, "</section>")?;
    }
    if changes.more {
        writeln!(out, "<p>{}</p>", html(calls::MORE))?;
    }
    Ok(())
}

fn findings(told: &Told<'_>, out: &mut impl Write) -> Result<(), Failure> {
    for (some, side, title) in [
        (&told.findings.broken, &told.sides.new, "New findings"),
        (&told.findings.mended, &told.sides.old, "Findings that are gone"),
    ] {
        if some.is_empty() {
            continue;
        }
        writeln!(out, "<section><h2>{title}</h2>")?;
        let told = some.iter().map(|finding| {
            let (line, impact) = (html(&line_of(side, finding)), html(&side.said(&finding.notice)));
            if impact.is_empty() { line } else { format!("{line}<br>{impact}") }
        });
        list(told, out)?;
        writeln!(out, "</section>")?;
    }
    Ok(())
}

fn texts(told: &Told<'_>, out: &mut impl Write) -> Result<(), Failure> {
    for file in told.pairs.iter().flat_map(|pair| &pair.texts.files) {
        writeln!(out, "<section><h2>Changed lines of {}</h2>", html(&file.names[1]))?;
        for hunk in &file.hunks {
            list(hunk.effects.iter().map(|effect| html(effect)), out)?;
            writeln!(out, "<pre><i>{}</i>", html(&hunk.head))?;
            for (mark, line) in &hunk.lines {
                let line = format!("{mark}{}", html(line));
                match mark {
                    '-' => writeln!(out, "<del>{line}</del>")?,
                    '+' => writeln!(out, "<ins>{line}</ins>")?,
                    _ => writeln!(out, "{line}")?,
                }
            }
            writeln!(out, "</pre>")?;
        }
        writeln!(out, "</section>")?;
    }
    Ok(())
}

/// A list of what is HTML already; nothing where it has no items.
fn list(items: impl Iterator<Item = String>, out: &mut impl Write) -> Result<(), Failure> {
    let items: String = items.map(|item| format!("<li>{item}</li>\n")).collect();
    if !items.is_empty() {
        writeln!(out, "<ul>\n{items}</ul>")?;
    }
    Ok(())
}
