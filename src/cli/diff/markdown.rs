//! A change as a comment for a pull request: one sentence, a table of effects, the rest folded.

use std::io::Write;

use super::calls::{self, Change};
use super::human::line_of;
use super::lines::{Line, decider, lines, notes};
use super::summary::summary;
use super::{Failure, KINDS, Told, names};
use crate::report::clean;
use crate::report::markup::{fence, markdown};

/// Characters that a comment may have on GitHub, less room for what closes it.
const MOST: usize = 65_000;

/// Writes the comment.
pub(super) fn write(told: &Told<'_>, out: &mut impl Write) -> Result<(), Failure> {
    let mut comment = Comment { text: format!("**{}**\n", markdown(&summary(told))), cut: false };
    comment.effects(told);
    comment.calls(told);
    comment.findings(told);
    comment.texts(told);
    if comment.cut {
        comment.text += "\nThe rest is left out: the comment would have been too long.\n";
    }
    out.write_all(comment.text.as_bytes())?;
    Ok(())
}

struct Comment {
    text: String,
    cut: bool,
}

impl Comment {
    /// Adds a part, where there is room for it.
    fn add(&mut self, part: &str) {
        if self.cut || self.text.len() + part.len() > MOST {
            self.cut = true;
        } else {
            self.text += part;
        }
    }

    fn effects(&mut self, told: &Told<'_>) {
        let mut details = String::new();
        for pair in told.pairs {
            let rows: Vec<Line> = KINDS.into_iter().flat_map(|kind| lines(told, pair, kind, false)).collect();
            let notes: Vec<String> =
                notes(told, pair).iter().map(|note| format!("- {}\n", markdown(note))).collect();
            if !(pair.name.is_empty() || rows.is_empty() && notes.is_empty()) {
                self.add(&format!("\n### {}\n", markdown(&pair.name)));
            }
            if !rows.is_empty() {
                self.add(
                    "\n| Effect | Traffic | From | To | Because of |\n| --- | --- | --- | --- | --- |\n",
                );
            }
            merged(&rows).iter().for_each(|lines| self.add(&row(told, lines)));
            rows.iter().for_each(|line| details += &detail(told, line));
            if !notes.is_empty() {
                self.add("\n");
                self.add(&notes.concat());
            }
        }
        if !details.is_empty() {
            self.folded("Rules before and after, and example packets", &details);
        }
    }

    fn calls(&mut self, told: &Told<'_>) {
        let changes = &told.findings.calls;
        for (broken, title) in [(true, "Calls that break or may fail"), (false, "Calls that are mended")] {
            let list: Vec<&Change> = changes.all.iter().filter(|change| change.broken() == broken).collect();
            if list.is_empty() {
                continue;
            }
            self.add(&format!("\n**{title}**\n\n"));
            for change in list {
                let symptom = match broken && !change.state.symptom.is_empty() {
                    true => format!("  \n  {}", markdown(&change.state.symptom)),
                    false => String::new(),
                };
                self.add(&format!("- {}{symptom}\n", markdown(&change.sentence(change.side(told.sides)))));
            }
        }
        if changes.more {
            self.add(&format!("\n{}\n", calls::MORE));
        }
    }

    fn findings(&mut self, told: &Told<'_>) {
        let lists = [
            (&told.findings.broken, &told.sides.new, "New findings"),
            (&told.findings.mended, &told.sides.old, "Findings that are gone"),
        ];
        for (list, side, title) in lists {
            if list.is_empty() {
                continue;
            }
            self.add(&format!("\n**{title}**\n\n"));
            for finding in list {
                let notice = side.said(&finding.notice);
                let notice = if notice.is_empty() { notice } else { format!("  \n  {}", markdown(&notice)) };
                self.add(&format!("- {}{notice}\n", markdown(&line_of(side, finding))));
            }
        }
    }

    fn texts(&mut self, told: &Told<'_>) {
        for file in told.pairs.iter().flat_map(|pair| &pair.texts.files) {
            let mut body = String::new();
            for hunk in &file.hunks {
                for effect in &hunk.effects {
                    body += &format!("- {}\n", markdown(effect));
                }
                let lines: Vec<String> =
                    hunk.lines.iter().map(|(mark, line)| format!("{mark}{}\n", clean(line))).collect();
                let fence = fence(&lines);
                body += &format!("\n{fence}diff\n{}\n{}{fence}\n\n", clean(&hunk.head), lines.concat());
            }
            let does = if file.hunks.iter().all(|hunk| hunk.effects.is_empty()) {
                ""
            } else {
                ", with what they do"
            };
            self.folded(&format!("Changed lines of {}{does}", file.names[1]), &body);
        }
    }

    fn folded(&mut self, title: &str, body: &str) {
        self.add(&format!("\n<details><summary>{}</summary>\n\n{body}\n</details>\n", markdown(title)));
    }
}

/// Effects that differ in protocols, ports and the rule behind them alone.
fn merged(rows: &[Line]) -> Vec<Vec<&Line>> {
    let mut merged: Vec<Vec<&Line>> = Vec::new();
    for line in rows {
        match merged.iter_mut().find(|lines| lines[0].is_beside(line)) {
            Some(lines) => lines.push(line),
            None => merged.push(vec![line]),
        }
    }
    merged
}

fn row(told: &Told<'_>, lines: &[&Line]) -> String {
    let line = lines[0];
    let (word, _) = names::kind(line.kind);
    let mut words = line.words.clone();
    lines[1..].iter().for_each(|line| words.add(line.words.clone()));
    let mut traffic = format!("{}{}", words.what(), words.rest);
    for more in [&line.detail, &line.depends_on.join(", ")] {
        if !more.is_empty() {
            traffic += &format!("; {}{more}", if *more == line.detail { "" } else { "depends on " });
        }
    }
    let mut because: Vec<String> = Vec::new();
    for reason in lines.iter().flat_map(|line| reasons(told, line)) {
        if !because.contains(&reason) {
            because.push(reason);
        }
    }
    format!(
        "| {word} | {} | {} | {} | {} |\n",
        markdown(&traffic),
        markdown(&line.words.from),
        markdown(&line.words.to),
        because.join("<br>")
    )
}

/// The changed lines behind an effect, and the rule that decides now or did before, where that is none of them.
fn reasons(told: &Told<'_>, line: &Line) -> Vec<String> {
    let (side, by) = line.reason(told);
    let is_old = std::ptr::eq(side, &told.sides.old);
    let rule = decider(side, by);
    let mut reasons: Vec<String> =
        line.changed(told, [is_old, !is_old]).iter().map(|line| format!("changed: {}", code(line))).collect();
    reasons.push(match (by.rule.is_some(), is_old) {
        (true, _) if line.is_changed(is_old) => format!("changed: {}", code(&rule)),
        (true, true) => format!("decided before: {}", code(&rule)),
        (true, false) => format!("decides: {}", code(&rule)),
        (false, _) => format!("decides: {}", markdown(&rule)),
    });
    reasons
}

fn detail(told: &Told<'_>, line: &Line) -> String {
    let (word, _) = names::kind(line.kind);
    format!(
        "- **{word}** {}\n  - before: {}\n  - after: {}\n  - for example: {}\n",
        markdown(&line.words.sentence()),
        code(&decider(&told.sides.old, &line.by[0])),
        code(&decider(&told.sides.new, &line.by[1])),
        code(&line.example)
    )
}

/// Text as code within a table.
fn code(text: &str) -> String {
    let text = clean(text).replace('|', "\\|");
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let mark = "`".repeat(longest + 1);
    if longest > 0 { format!("{mark} {text} {mark}") } else { format!("{mark}{text}{mark}") }
}
