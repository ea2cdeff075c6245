//! An answered change request, for people at a terminal and for tickets.

use std::io::{self, Write};

use super::clean;
use super::columns::{columns, padded, wrap};
use super::ladder::{hop, intervals, mark, paint};
use super::markup::{fence, markdown};
use crate::explain::Works;
use crate::explain::request::State;
use crate::explain::told_request::{GateState, ToldDecider, ToldGate, ToldPart, ToldRequest, ToldWay};

/// Width of a line of text.
const WIDTH: usize = 100;
/// Deciders of one firewall that are named.
const MOST_DECIDERS: usize = 3;
/// Networks of one part that are named.
const MOST_NETWORKS: usize = 4;
/// Parts that are listed.
const MOST_PARTS: usize = 12;

/// Writes it for people; `hops` adds the way of one packet.
pub(crate) fn write(told: &ToldRequest, color: bool, hops: bool, out: &mut impl Write) -> io::Result<()> {
    let (sign, shade) = mark(works(told.state));
    writeln!(out, "{} {}", paint(sign, shade, color), paint(&clean(&told.summary), "1", color))?;
    let wide = told.firewalls.iter().map(|gate| columns(&clean(&gate.firewall))).max().unwrap_or(0);
    if !told.firewalls.is_empty() {
        writeln!(out)?;
    }
    for gate in &told.firewalls {
        let (sign, shade) = mark(gate_works(gate.state));
        let name = padded(&clean(&gate.firewall), wide);
        writeln!(out, "  {} {name}  {}", paint(sign, shade, color), gate_words(gate))?;
        for decider in deciders(gate) {
            writeln!(out, "    {:wide$}  {}", "", clean(&decider))?;
        }
        for lines in &gate.lines {
            writeln!(out, "    {:wide$}  it needs, {}:", "", clean(&lines.place))?;
            lines.lines.iter().try_for_each(|line| writeln!(out, "    {:wide$}    {}", "", clean(line)))?;
        }
    }
    let parts = parts(told);
    if !parts.is_empty() {
        writeln!(out)?;
        parts.iter().try_for_each(|part| writeln!(out, "  {}", clean(part)))?;
    }
    let facts = facts(told);
    if !facts.is_empty() {
        writeln!(out)?;
    }
    for (what, text) in facts {
        let mut lines = wrap(&clean(&format!("{what}: {text}")), WIDTH - 4).into_iter();
        writeln!(out, "  {}", lines.next().unwrap_or_default())?;
        lines.try_for_each(|line| writeln!(out, "    {line}"))?;
    }
    if hops {
        writeln!(out)?;
        told.ways.iter().flat_map(|way| &way.hops).try_for_each(|step| hop(step, 2, out))?;
    }
    match told.change.as_ref().filter(|change| !change.diff.is_empty()) {
        Some(change) => {
            writeln!(out)?;
            change.diff.split_inclusive('\n').try_for_each(|line| {
                let text = line.trim_end_matches(['\r', '\n']);
                write!(out, "{}{}", clean(text), &line[text.len()..])
            })
        }
        None => Ok(()),
    }
}

/// Writes it as Markdown.
pub(crate) fn ticket(told: &ToldRequest, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "**{}**\n", markdown(&told.summary))?;
    if !told.firewalls.is_empty() {
        writeln!(out, "| firewall | now | by |\n| --- | --- | --- |")?;
    }
    for gate in &told.firewalls {
        let by: Vec<String> = deciders(gate).iter().map(|by| markdown(by)).collect();
        writeln!(out, "| {} | {} | {} |", markdown(&gate.firewall), gate_words(gate), by.join("; "))?;
    }
    for gate in &told.firewalls {
        for lines in &gate.lines {
            let text: Vec<String> = lines.lines.iter().map(|line| clean(line)).collect();
            let fence = fence(&text);
            let (firewall, place) = (markdown(&gate.firewall), markdown(&lines.place));
            writeln!(out, "\n{firewall} needs, {place}:\n\n{fence}text\n{}\n{fence}", text.join("\n"))?;
        }
    }
    let parts = parts(told).into_iter().map(|part| ("", part));
    let facts: Vec<(&str, String)> = parts.chain(facts(told)).collect();
    if !facts.is_empty() {
        writeln!(out)?;
    }
    for (what, text) in facts {
        let what = if what.is_empty() { String::new() } else { format!("{what}: ") };
        writeln!(out, "- {what}{}", markdown(&text))?;
    }
    match told.change.as_ref().filter(|change| !change.diff.is_empty()) {
        Some(change) => {
            let lines: Vec<String> = change.diff.lines().map(clean).collect();
            let fence = fence(&lines);
            writeln!(out, "\n{fence}diff\n{}\n{fence}", lines.join("\n"))
        }
        None => Ok(()),
    }
}

fn works(state: State) -> Works {
    match state {
        State::Open => Works::Yes,
        State::Depends => Works::Depends,
        State::Part | State::Closed => Works::No,
    }
}

fn gate_works(state: GateState) -> Works {
    match state {
        GateState::Open => Works::Yes,
        GateState::Depends | GateState::Unreached => Works::Depends,
        GateState::Part | GateState::Closed | GateState::Unanswered => Works::No,
    }
}

fn gate_words(gate: &ToldGate) -> &'static str {
    match gate.state {
        GateState::Open => "lets it through",
        GateState::Part => "lets a part through",
        GateState::Depends => "may let it through",
        GateState::Closed => "stops it",
        GateState::Unanswered => "stops its answers",
        GateState::Unreached if !gate.lines.is_empty() => "stops it as well, once it gets there",
        GateState::Unreached if !gate.lets.is_empty() => "will let it through",
        GateState::Unreached => "is not reached",
    }
}

/// Who decides at a firewall: those who stop, else those who let through.
fn deciders(gate: &ToldGate) -> Vec<String> {
    let lets = matches!(gate.state, GateState::Open | GateState::Unreached);
    let mut told = listed(if lets { &gate.lets } else { &gate.stops });
    if matches!(gate.state, GateState::Part | GateState::Depends) {
        told.extend(listed(&gate.lets).into_iter().map(|one| format!("lets through: {one}")));
    }
    told
}

fn listed(deciders: &[ToldDecider]) -> Vec<String> {
    let one = |decider: &ToldDecider| match &decider.rule {
        Some(rule) if decider.in_text => {
            format!("{}:{} {}", rule.file, rule.line, rule.text)
        }
        Some(rule) => format!("{}:{} {}: {}", rule.file, rule.line, rule.text, decider.what),
        None => decider.what.clone(),
    };
    let mut told: Vec<String> = deciders.iter().take(MOST_DECIDERS).map(one).collect();
    if deciders.len() > MOST_DECIDERS {
        told.push(format!("and {} more", deciders.len() - MOST_DECIDERS));
    }
    told
}

/// What fares how, where not all fares alike.
fn parts(told: &ToldRequest) -> Vec<String> {
    let all: Vec<(&ToldWay, &ToldPart)> =
        told.ways.iter().flat_map(|way| way.parts.iter().map(move |part| (way, part))).collect();
    let same = all.windows(2).all(|pair| pair[0].1.state == pair[1].1.state);
    if same && told.ways.iter().all(|way| way.state == told.state) {
        return Vec::new();
    }
    let mut texts: Vec<String> = Vec::new();
    for (way, part) in all {
        let some = if part.whole { "" } else { "some of " };
        let but = if part.but.is_empty() { String::new() } else { format!(" but {}", networks(&part.but)) };
        let (from, to) = (networks(&part.from) + &but, networks(&part.to));
        let ports = match part.ports.as_slice() {
            [[0, 65535]] => String::new(),
            _ if way.protocol.starts_with("icmp") => String::new(),
            ports => format!(" {}", intervals(ports)),
        };
        let text = format!("{}: {some}{}{ports} from {from} to {to}", part.state, way.protocol);
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    let more = texts.len().saturating_sub(MOST_PARTS);
    texts.truncate(MOST_PARTS);
    if more > 0 {
        texts.push(format!("and {more} more parts"));
    }
    texts
}

fn networks(all: &[String]) -> String {
    let shown = all.iter().take(MOST_NETWORKS).cloned().collect::<Vec<_>>().join(", ");
    match all.len().checked_sub(MOST_NETWORKS) {
        Some(more) if more > 0 => format!("{shown} and {more} more"),
        _ => shown,
    }
}

/// What else there is to know.
fn facts(told: &ToldRequest) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some(change) = &told.change {
        if change.proved {
            let answers = if change.answered { ", and is answered" } else { "" };
            let lines: usize =
                told.firewalls.iter().flat_map(|gate| &gate.lines).map(|l| l.lines.len()).sum();
            let (these, nothing) = match lines {
                1 => ("this line", " It opens nothing else."),
                _ => ("these lines", " They open nothing else."),
            };
            let nothing = if change.besides.is_empty() { nothing } else { "" };
            facts.push(("proved", format!("with {these} all of it gets through{answers}.{nothing}")));
        }
        facts.extend(change.besides.iter().map(|what| ("opens besides", what.clone())));
        facts.extend(change.finds.iter().map(|what| ("then found", what.clone())));
        if !change.help.is_empty() {
            facts.push(("help", change.help.clone()));
        }
    }
    for objection in &told.objections {
        let place = match (&objection.file, objection.line) {
            (Some(file), Some(line)) => format!(" ({file}:{line})"),
            _ => String::new(),
        };
        let reason = match objection.reason.is_empty() {
            true => String::new(),
            false => format!(", because: {}", objection.reason),
        };
        facts.push(("against it", format!("{} {}{place}{reason}", objection.code, objection.what)));
    }
    for translation in &told.translations {
        let (end, before, after) = (translation.end, &translation.before, &translation.after);
        facts.push(("translated", format!("{} turns {end} {before} into {after}", translation.firewall)));
    }
    let mut dialled: Vec<&String> = told.ways.iter().flat_map(|way| &way.dialled).collect();
    dialled.dedup();
    if told.translations.is_empty() {
        facts.extend(dialled.iter().map(|address| ("sent to", (*address).clone())));
    }
    facts.extend(told.depends_on.iter().map(|on| ("depends on", on.clone())));
    facts.extend(told.assumes.iter().map(|what| ("taken for granted", what.clone())));
    let trouble = told.ways.iter().find(|way| way.state != State::Open).or(told.ways.first());
    facts.extend(trouble.and_then(|way| way.trace.clone()).map(|trace| ("try", trace)));
    facts
}
