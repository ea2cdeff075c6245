//! A change for people: its effects, then findings, then the text.

use std::io::Write;

use super::calls::{self, Change};
use super::findings::Findings;
use super::likely::is_odd;
use super::pairs::{By, Pair, Seen, Unknown};
use super::sides::Side;
use super::{Failure, KINDS, Told, json, names, text, values};
use crate::analysis::compare::Kind;
use crate::cli::trace;
use crate::explain::Works;
use crate::finding::Finding;
use crate::report::clean;

/// Effects of one kind that are written out.
const MOST: usize = 40;
/// Lines of text differences that are written out.
const MOST_LINES: usize = 400;

/// An effect in words: several regions that differ in protocols and ports alone are one.
pub(super) struct Line {
    /// What becomes of the packets.
    pub kind: Kind,
    /// Which packets.
    pub words: names::Words,
    /// Who decides before and after.
    pub by: [By; 2],
    /// What it hangs on.
    pub depends_on: Vec<String>,
    /// What is particular to the kind.
    pub detail: String,
    /// One packet, as `pinhole trace --packet` takes it.
    pub example: String,
}

/// The effects on a firewall of one kind; `odd` are those on packets that do not belong where they come from.
pub(super) fn lines(told: &Told<'_>, pair: &Pair, kind: Kind, odd: bool) -> Vec<Line> {
    let context = names::Context { site: &told.sides.new.site, pair };
    let mut lines: Vec<Line> = Vec::new();
    for seen in pair.regions.iter().filter(|seen| seen.region.kind == kind) {
        if is_odd(context.site, pair, &seen.region) != odd {
            continue;
        }
        let words = context.words(&seen.region);
        let detail = detail(told, seen);
        let known = lines.iter_mut().find(|line| {
            line.by == seen.by
                && line.detail == detail
                && line.depends_on == seen.region.depends_on
                && (&line.words.from, &line.words.to, &line.words.rest)
                    == (&words.from, &words.to, &words.rest)
        });
        match known {
            Some(line) => line.words.add(words),
            None => lines.push(Line {
                kind,
                words,
                by: seen.by.clone(),
                depends_on: seen.region.depends_on.clone(),
                detail,
                example: example(seen),
            }),
        }
    }
    lines
}

/// What else is to be said of a firewall: what was left out, is not known, or was not compared.
pub(super) fn notes(told: &Told<'_>, pair: &Pair) -> Vec<String> {
    let said = [odd_ones(told, pair), replies(told, pair)];
    said.into_iter().filter(|said| !said.is_empty()).chain(limits(pair)).collect()
}

/// How much is refused as before, with another answer to its sender; empty where nothing is.
fn replies(told: &Told<'_>, pair: &Pair) -> String {
    let count = lines(told, pair, Kind::Replied, false).len();
    let kinds = if count == 1 { "kind of traffic is" } else { "kinds of traffic are" };
    match count {
        0 => String::new(),
        _ => format!(
            "{count} {kinds} refused as before, with another answer to the sender (all of it: --format json)"
        ),
    }
}

/// What is not known, or was not compared.
fn limits(pair: &Pair) -> Vec<String> {
    let unknown = pair.unknown.iter().map(|Unknown { way, family, example: one }| {
        let (family, hook) = (json::family_name(*family), way.name());
        match one {
            Some(seen) => format!(
                "more differs for {family} packets, hook {hook}, than is listed; for example, {}: {}",
                names::kind(seen.region.kind).0,
                example(seen)
            ),
            None => format!(
                "unknown: what differs for {family} packets, hook {hook}: it would have taken too much work"
            ),
        }
    });
    unknown.chain(pair.not_compared.iter().map(|what| format!("not compared: {what}"))).collect()
}

/// How many effects there are on packets that do not belong where they come from, in words; empty where none.
fn odd_ones(told: &Told<'_>, pair: &Pair) -> String {
    let count: usize = KINDS.into_iter().map(|kind| lines(told, pair, kind, true).len()).sum();
    match count {
        0 => String::new(),
        1 => "1 more effect on packets from or to where they do not belong (all of it: --format json)"
            .to_string(),
        _ => format!(
            "{count} more effects on packets from or to where they do not belong (all of it: --format json)"
        ),
    }
}

/// One packet as `pinhole trace --packet` takes it.
fn example(seen: &Seen) -> String {
    let packet = values::packet(seen.region.way.name(), &seen.region.witness);
    let words = packet.as_object().into_iter().flatten().map(|(key, value)| match value {
        serde_json::Value::String(text) => format!("{key}={text}"),
        serde_json::Value::Array(items) => {
            let items: Vec<&str> = items.iter().filter_map(|item| item.as_str()).collect();
            format!("{key}={}", items.join(","))
        }
        other => format!("{key}={other}"),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// What is particular to a kind of change.
fn detail(told: &Told<'_>, seen: &Seen) -> String {
    let region = &seen.region;
    let yes = |holds: bool| if holds { "yes" } else { "no" };
    match region.kind {
        Kind::Opened | Kind::Closed | Kind::MayOpen | Kind::MayClose | Kind::MayChange => String::new(),
        Kind::Retargeted => region.leaves.as_ref().map_or(String::new(), |[old, new]| {
            let site = &told.sides.new.site;
            let (old, new) =
                (names::leaves(site, region.family, old), names::leaves(site, region.family, new));
            format!("was {old}, is {new}")
        }),
        Kind::Helped => {
            let name = |helper: &Option<String>| helper.clone().unwrap_or_else(|| "none".to_string());
            format!("was {}, is {}", name(&region.helpers[0]), name(&region.helpers[1]))
        }
        Kind::Kept => format!("remembered before: {}, after: {}", yes(region.holds[0]), yes(region.holds[1])),
        Kind::Answered => {
            format!("answers pass before: {}, after: {}", yes(region.holds[0]), yes(region.holds[1]))
        }
        Kind::Replied => region
            .verdicts
            .map_or(String::new(), |[old, new]| format!("was {}, is {}", json::reply(old), json::reply(new))),
    }
}

/// A rule or policy with its place.
pub(super) fn decider(side: &Side, by: &By) -> String {
    match by.rule {
        Some(span) => {
            let (file, line) = side.place(span).unwrap_or_default();
            format!("{file}:{line}: {}", trace::text(&side.sources, span))
        }
        None => json::by_words(side, by),
    }
}

/// One sentence about the whole change.
pub(super) fn summary(told: &Told<'_>) -> String {
    let Findings { broken, mended, .. } = told.findings;
    let found = |count: usize, what: &str| match count {
        0 => String::new(),
        1 => format!("; 1 finding is {what}"),
        _ => format!("; {count} findings are {what}"),
    };
    format!(
        "{}{}{}{}.",
        of_packets(told),
        of_calls(told),
        found(broken.len(), "new"),
        found(mended.len(), "gone")
    )
}

/// What the change does to packets.
fn of_packets(told: &Told<'_>) -> String {
    let count = |kinds: &[Kind]| -> usize {
        told.pairs
            .iter()
            .map(|pair| kinds.iter().map(|kind| lines(told, pair, *kind, false).len()).sum::<usize>())
            .sum()
    };
    let mut parts = Vec::new();
    for (kinds, verb) in [
        (&[Kind::Opened][..], "opens"),
        (&[Kind::Closed][..], "closes"),
        (&[Kind::Retargeted][..], "translates differently"),
        (&[Kind::MayOpen, Kind::MayClose, Kind::MayChange][..], "may change, depending on conditions,"),
        (&[Kind::Answered, Kind::Kept][..], "changes the answers of"),
        (&[Kind::Helped][..], "changes the helper of"),
    ] {
        match count(kinds) {
            0 => {}
            1 => parts.push(format!("{verb} 1 kind of traffic")),
            number => parts.push(format!("{verb} {number} kinds of traffic")),
        }
    }
    match told.pairs.iter().filter(|pair| pair.dialects.contains(&None)).count() {
        0 => {}
        1 => parts.push("adds or removes 1 firewall".to_string()),
        alone => parts.push(format!("adds or removes {alone} firewalls")),
    }
    match (parts.as_slice(), told.equal) {
        ([], None) => "The effect of the change is not known: it would have taken too much work".to_string(),
        ([], Some(false)) if told.pairs.iter().any(|pair| !pair.unknown.is_empty()) => {
            "The change has more effects than can be listed".to_string()
        }
        ([], Some(true)) => "No change in effect".to_string(),
        ([], Some(false)) => "No change in effect for packets that belong where they come from".to_string(),
        ([one], _) => format!("The change {one}"),
        ([first @ .., last], _) => format!("The change {}, and {last}", first.join(", ")),
    }
}

/// What the change does to calls.
fn of_calls(told: &Told<'_>) -> String {
    let of = |verb: &str, is: &dyn Fn(&Change) -> bool, end: &str| match told
        .findings
        .calls
        .all
        .iter()
        .filter(|change| is(change))
        .count()
    {
        0 => String::new(),
        1 => format!("; it {verb} 1 call{end}"),
        count => format!("; it {verb} {count} calls{end}"),
    };
    let fails = |change: &Change| change.broken() && change.is == Works::No;
    let doubtful = |change: &Change| change.broken() && change.is == Works::Depends;
    let better = |change: &Change| !change.broken();
    [of("breaks", &fails, ""), of("puts", &doubtful, " in doubt"), of("mends", &better, "")].concat()
}

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
        texts(told, pair, &paint, out)?;
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
    if !line.depends_on.is_empty() {
        writeln!(out, "             depends on {}", clean(&line.depends_on.join(", ")))?;
    }
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

fn texts(told: &Told<'_>, pair: &Pair, paint: Paint<'_>, out: &mut impl Write) -> Result<(), Failure> {
    let mut left = MOST_LINES;
    for file in text::of(told.sides, pair) {
        writeln!(out, "\n--- {}\n+++ {}", clean(&file.names[0]), clean(&file.names[1]))?;
        for hunk in file.hunks {
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

/// Writes the answer to `--equal`.
pub(super) fn equal(told: &Told<'_>, out: &mut impl Write) -> Result<(), Failure> {
    match told.equal {
        Some(true) => writeln!(out, "equal: every packet fares alike on both sides")?,
        Some(false) => writeln!(out, "different: each of these packets fares otherwise")?,
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
            }
        }
        for note in limits(pair) {
            writeln!(out, "  {}", clean(&note))?;
        }
    }
    Ok(())
}
