//! An explained call as Markdown, for tickets.

use std::io::{self, Write};

use super::clean;
use super::ladder::{ports, tail};
use super::markup::{fence, markdown};
use crate::explain::Works;
use crate::explain::told::Told;

/// Writes an explanation.
pub(crate) fn write(told: &Told, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "**{}**\n", markdown(&told.summary))?;
    if told.works != Works::Yes && !told.symptom.is_empty() {
        writeln!(out, "People notice: {}\n", markdown(&told.symptom))?;
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
            markdown(&stage.title),
            markdown(&stage.from),
            markdown(&stage.to),
            markdown(&ports(stage)),
            markdown(&tail(stage))
        )?;
    }
    writeln!(out)?;
    for (what, lines) in [
        ("Depends on", &told.depends_on),
        ("Worse than it could be", &told.degraded),
        ("Taken for granted", &told.assumes),
        ("Note", &told.notes),
    ] {
        lines.iter().try_for_each(|line| writeln!(out, "- {what}: {}", markdown(line)))?;
    }
    for mend in &told.mend {
        let all = std::iter::once(&mend.help).chain(&mend.lines);
        let all: Vec<String> = all.flat_map(|lines| lines.lines()).map(clean).collect();
        let fence = fence(&all);
        writeln!(out, "\nTo mend {}:\n\n{fence}text\n{}\n{fence}", markdown(&mend.stage), all.join("\n"))?;
    }
    Ok(())
}
