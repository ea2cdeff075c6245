//! An explained call as Markdown, for tickets.

use std::io::{self, Write};

use super::clean;
use super::ladder::{ports, tail};
use crate::explain::Works;
use crate::explain::told::Told;

/// Writes an explanation.
pub fn write(told: &Told, out: &mut impl Write) -> io::Result<()> {
    let text = |text: &str| clean(text).replace('<', "&lt;");
    let cell = |words: &str| text(words).replace('|', "\\|");
    writeln!(out, "**{}**\n", text(&told.summary))?;
    if told.works != Works::Yes && !told.symptom.is_empty() {
        writeln!(out, "People notice: {}\n", text(&told.symptom))?;
    }
    writeln!(out, "| stage | from | to | ports | works | by |\n| --- | --- | --- | --- | --- | --- |")?;
    for stage in &told.stages {
        let works = match stage.works {
            Works::Yes => "yes",
            Works::Depends => "depends",
            Works::No => "**no**",
        };
        let reached = if stage.reached { "" } else { " (not reached)" };
        writeln!(
            out,
            "| {}{reached} | {} | {} | {} | {works} | {} |",
            cell(&stage.title),
            cell(&stage.from),
            cell(&stage.to),
            cell(&ports(stage)),
            cell(&tail(stage))
        )?;
    }
    writeln!(out)?;
    for (what, lines) in [
        ("Depends on", &told.depends_on),
        ("Worse than it could be", &told.degraded),
        ("Taken for granted", &told.assumes),
        ("Note", &told.notes),
    ] {
        lines.iter().try_for_each(|line| writeln!(out, "- {what}: {}", text(line)))?;
    }
    for mend in &told.mend {
        let all = std::iter::once(&mend.help).chain(&mend.lines);
        let all: Vec<String> = all.map(|lines| clean_lines(lines)).collect();
        writeln!(out, "\nTo mend {}:\n\n```text\n{}\n```", text(&mend.stage), all.join("\n"))?;
    }
    Ok(())
}

/// Text of several lines, which no fence in it ends.
fn clean_lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n").replace("```", "'''")
}
