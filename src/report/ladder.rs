//! An explained call as a ladder, for people at a terminal and for tickets.

use std::io::{self, Write};

use super::clean;
use super::columns::{columns, padded};
use crate::explain::told::{Told, ToldHop, ToldMend, ToldStage};
use crate::explain::{Direction, Works};
use crate::ports::list_text;

/// Width of a line from one to the next, at least.
const LINE: usize = 22;

/// The mark of an answer, and its colour.
pub(super) fn mark(works: Works) -> (&'static str, &'static str) {
    match works {
        Works::Yes => ("✔", "32"),
        Works::Depends => ("?", "33"),
        Works::No => ("✘", "31"),
    }
}

/// Text in a colour.
pub(super) fn paint(text: &str, color: &str, on: bool) -> String {
    if on { format!("\u{1b}[{color}m{text}\u{1b}[0m") } else { text.to_string() }
}

/// Writes an explanation; `hops` adds the way of one packet of each stage.
pub(crate) fn write(told: &Told, color: bool, hops: bool, out: &mut impl Write) -> io::Result<()> {
    let (sign, shade) = mark(told.works);
    writeln!(out, "{} {}", paint(sign, shade, color), paint(&clean(&told.summary), "1", color))?;
    if !told.symptom.is_empty() && told.works != Works::Yes {
        writeln!(out, "  people notice: {}", clean(&told.symptom))?;
    }
    for group in groups(&told.stages) {
        writeln!(out)?;
        ladder(&group, color, hops, out)?;
    }
    if told.stages.iter().any(|stage| !stage.reached) {
        writeln!(out, "\n  (…) is not reached: a stage before it fails; it is judged on its own")?;
    }
    writeln!(out)?;
    for (what, lines) in [
        ("depends on", &told.depends_on),
        ("worse than it could be", &told.degraded),
        ("taken for granted", &told.assumes),
        ("note", &told.notes),
    ] {
        for line in lines {
            writeln!(out, "  {what}: {}", clean(line))?;
        }
    }
    told.mend.iter().try_for_each(|mend| help(mend, out))
}

/// What to change.
fn help(mend: &ToldMend, out: &mut impl Write) -> io::Result<()> {
    let mut lines = mend.help.lines();
    writeln!(out, "  help ({}): {}", clean(&mend.stage), clean(lines.next().unwrap_or_default()))?;
    lines.try_for_each(|line| writeln!(out, "    {}", clean(line)))?;
    mend.lines.iter().try_for_each(|line| writeln!(out, "      {}", clean(line)))
}

/// Stages between the same two, whichever of them opens.
pub(super) struct Group<'t> {
    /// The one on the left.
    pub left: &'t str,
    /// The one on the right.
    pub right: &'t str,
    /// The firewalls between, from left to right.
    pub path: Vec<String>,
    /// The ways of the stages.
    pub stages: Vec<&'t ToldStage>,
}

/// The ladders of a call.
pub(super) fn groups(stages: &[ToldStage]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for stage in stages {
        let backwards = stage.direction == Some(Direction::BToA);
        let (left, right) = if backwards { (&stage.to, &stage.from) } else { (&stage.from, &stage.to) };
        let same = |group: &&mut Group<'_>| {
            (group.left, group.right) == (left, right) || (group.left, group.right) == (right, left)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.stages.push(stage),
            None => {
                let path = stage.path.iter().cloned();
                let path = if backwards { path.rev().collect() } else { path.collect() };
                groups.push(Group { left, right, path, stages: vec![stage] });
            }
        }
    }
    groups
}

fn ladder(group: &Group<'_>, color: bool, hops: bool, out: &mut impl Write) -> io::Result<()> {
    let (left, right) = (clean(group.left), clean(group.right));
    let names: Vec<String> = group.path.iter().map(|name| clean(name)).collect();
    let longest = names.iter().map(|name| columns(name) + 6).max().unwrap_or(0);
    let wide = (names.len() + 1).max(2) * LINE.max(longest);
    let places: Vec<usize> = (1..=names.len()).map(|at| at * wide / (names.len() + 1)).collect();
    let margin = group.stages.iter().map(|stage| columns(&stage.stage)).max().unwrap_or(0) + 6;
    writeln!(out, "{:margin$}{}", "", header(&left, &right, &names, &places, wide))?;
    for stage in &group.stages {
        let (sign, shade) = mark(stage.works);
        let (open, close) = if stage.reached { ("", "") } else { ("(", ")") };
        let name = format!("{open}{}{close}", clean(&stage.stage));
        let line = line(stage, group, &names, &places, wide);
        let pad = margin.saturating_sub(4);
        let text = format!("{}{line}", padded(&name, pad));
        writeln!(
            out,
            "  {} {}  {}",
            paint(sign, shade, color),
            paint(&text, shade, color),
            clean(&tail(stage))
        )?;
        if hops {
            stage.hops.iter().try_for_each(|step| hop(step, margin, out))?;
        }
    }
    Ok(())
}

/// The names of the ends and of the firewalls between.
fn header(left: &str, right: &str, names: &[String], places: &[usize], wide: usize) -> String {
    let mut text: String = left.to_string();
    for (name, place) in names.iter().zip(places) {
        let start = place.saturating_sub(columns(name) / 2).max(columns(&text) + 1);
        text += &" ".repeat(start - columns(&text));
        text += name;
    }
    let start = wide.max(columns(&text) + 1);
    text += &" ".repeat(start - columns(&text));
    text + right
}

/// One way of a stage as an arrow: up to the firewall that stops it.
fn line(stage: &ToldStage, group: &Group<'_>, names: &[String], places: &[usize], wide: usize) -> String {
    let forth = stage.from == group.left;
    let stopper =
        stage.firewall.as_ref().and_then(|name| names.iter().position(|known| clean(name) == *known));
    let stopped = stopper.filter(|_| stage.works != Works::Yes);
    let mut line: Vec<char> = vec!['─'; wide + 1];
    places.iter().for_each(|place| line[*place] = '┼');
    let mut label: Vec<char> = format!(" {} ", ports(stage)).chars().collect();
    let room =
        places.first().map_or(wide, |first| if forth { *first } else { wide - places[places.len() - 1] });
    if label.len() + 4 > room {
        label.truncate(room.saturating_sub(6));
        label.extend(['…', ' ']);
    }
    let start = if forth { 2 } else { wide.saturating_sub(label.len() + 2) };
    for (at, c) in label.into_iter().enumerate() {
        if let Some(place) = line.get_mut(start + at) {
            *place = c;
        }
    }
    let answers = stage.reply && stopped.is_some();
    let (tip, end) = if forth { ('▶', wide) } else { ('◀', 0) };
    line[end] = tip;
    line[wide - end] = '├';
    if !forth {
        line[wide] = '┤';
    }
    if let Some(at) = stopped {
        line[places[at]] = if stage.works == Works::No { '╳' } else { '?' };
        let beyond: Vec<usize> = match forth != answers {
            true => (places[at] + 1..=wide).collect(),
            false => (0..places[at]).collect(),
        };
        for place in beyond.into_iter().filter(|_| !answers) {
            if matches!(line[place], '─' | '▶' | '◀' | '┼') {
                line[place] = if matches!(line[place], '─') { '·' } else { line[place] };
            }
        }
    }
    line.into_iter().collect()
}

/// `tcp 1024-1324`.
pub(super) fn ports(stage: &ToldStage) -> String {
    format!("{} {}", stage.transport, intervals(&stage.ports))
}

/// Intervals as people write them; more than three are cut.
pub(super) fn intervals(ports: &[[u16; 2]]) -> String {
    const SHOWN: usize = 3;
    let shown = list_text(ports.iter().take(SHOWN).map(|[low, high]| (low, high)));
    let cut = if ports.len() > SHOWN { ", …" } else { "" };
    format!("{shown}{cut}")
}

/// What is said behind the arrow.
pub(super) fn tail(stage: &ToldStage) -> String {
    if stage.works == Works::Yes {
        let how = if stage.helped {
            "opened by a helper"
        } else if stage.carried {
            "carried by the other way"
        } else {
            ""
        };
        return how.to_string();
    }
    let mut text = String::new();
    if stage.reply {
        text += "answers: ";
    }
    text += &match (&stage.rule, &stage.firewall) {
        (Some(rule), _) => format!("{}:{} {}", rule.file, rule.line, rule.text),
        (None, Some(firewall)) => format!("{firewall}: {}", stage.by),
        (None, None) => String::new(),
    };
    if !stage.depends_on.is_empty() {
        let on = stage.depends_on.join(", ");
        text = if text.is_empty() { format!("depends on {on}") } else { format!("{text}; depends on {on}") };
    }
    text
}

pub(super) fn hop(step: &ToldHop, margin: usize, out: &mut impl Write) -> io::Result<()> {
    let rule = step
        .rule
        .as_ref()
        .map_or(String::new(), |rule| format!(" by {}:{} {}", rule.file, rule.line, rule.text));
    let helper = step.helper.as_ref().map_or(String::new(), |helper| format!(", read by helper {helper}"));
    let side = |name: &Option<String>| name.clone().unwrap_or_else(|| "any".to_string());
    let text = format!(
        "{}: {} → {}, in by {}, out by {}: {}{rule}{helper}",
        step.firewall,
        step.src,
        step.dst,
        side(&step.iif),
        side(&step.out),
        step.verdict
    );
    writeln!(out, "{:margin$}{}", "", clean(&text))
}
