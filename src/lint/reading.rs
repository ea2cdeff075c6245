//! What reading has found, put together: one cause, one finding, and a place that people find.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::finding::{Finding, Label};
use crate::rule::{Lint, PH001, PH002, PH003, PH004, PH005, PH006, PH419, Severity};
use crate::source::{SourceId, SourceMap, Span};

/// So many findings of one text in one file are one.
const MANY: usize = 3;
/// Longer lines have more than one statement.
const LONGEST: u32 = 2000;

/// Leaves out what is but the echo of a statement that could not be read, and puts together what is the same.
pub(super) fn once(findings: &mut Vec<Finding>, sources: &SourceMap) {
    let lines = |lints: &[&Lint]| -> FxHashSet<(SourceId, u32)> {
        let places = findings.iter().filter(|f| lints.contains(&f.lint())).flat_map(Finding::places);
        places.filter_map(|span| line_at(span.start, sources)).collect()
    };
    let (broken, refused) = (lines(&[&PH001]), lines(&[&PH001, &PH003, &PH004]));
    findings.retain(|f| match f.lint() {
        lint if lint == &PH003 || lint == &PH004 => {
            !line(f, sources).is_some_and(|line| broken.contains(&line))
        }
        // Of a rule that does not load, what it was to do may be what is wrong.
        lint if lint == &PH419 => !lines_of(f, sources).iter().any(|line| refused.contains(line)),
        _ => true,
    });
    repeated(findings);
    together(findings, sources);
    parts(findings, sources);
}

/// What a part of a ruleset names and does not define stands in the rest of it, which is not at hand: once for each
/// file of which PH005 says that it is a part.
fn parts(findings: &mut Vec<Finding>, sources: &SourceMap) {
    let file = |finding: &Finding| sources.id_at(finding.span?.start);
    let of = |lint: &'static Lint| move |finding: &&Finding| finding.lint() == lint;
    let partial: FxHashSet<SourceId> = findings
        .iter()
        .filter(of(&PH005))
        .filter(|finding| finding.severity != Severity::Info)
        .filter_map(file)
        .collect();
    let mut firsts: FxHashMap<SourceId, usize> = FxHashMap::default();
    let mut more: Vec<(usize, usize)> = Vec::new();
    for (at, finding) in findings.iter().enumerate().filter(|(_, f)| of(&PH003)(f)) {
        let Some(id) = file(finding).filter(|id| partial.contains(id)) else { continue };
        let first = *firsts.entry(id).or_insert(at);
        more.extend((first != at).then_some((first, at)));
    }
    let mut counts: FxHashMap<usize, usize> = firsts.into_values().map(|first| (first, 0)).collect();
    for (first, at) in &more {
        let other = &findings[*at];
        let message = other.message.clone();
        let label = other.span.map(|span| Label { span, message });
        findings[*first].related.extend(label);
        *counts.entry(*first).or_default() += 1;
    }
    for (first, count) in counts {
        let finding = &mut findings[first];
        finding.severity = Severity::Info;
        match count {
            0 => {}
            1 => finding.message.push_str(", and one name more"),
            _ => finding.message.push_str(&format!(", and {count} names more")),
        }
    }
    let gone: FxHashSet<usize> = more.into_iter().map(|(_, at)| at).collect();
    let mut at = 0;
    findings.retain(|_| {
        at += 1;
        !gone.contains(&(at - 1))
    });
}

/// What reading a file has to say of a place in it.
static READING: [&Lint; 5] = [&PH001, &PH002, &PH003, &PH004, &PH006];

/// What is read several times, such as a file that is included again and again, is found once: with how often.
fn repeated(findings: &mut Vec<Finding>) {
    let mut places: FxHashMap<(&str, String, Span), (usize, usize)> = FxHashMap::default();
    let of_reading = |finding: &Finding| finding.span.filter(|_| READING.contains(&finding.lint()));
    for (at, finding) in findings.iter().enumerate() {
        let Some(span) = of_reading(finding) else { continue };
        places.entry((finding.code(), finding.message.clone(), span)).or_insert((at, 0)).1 += 1;
    }
    let firsts: FxHashMap<usize, usize> = places.into_values().collect();
    let mut next = 0;
    findings.retain_mut(|finding| {
        let at = next;
        next += 1;
        if of_reading(finding).is_none() {
            return true;
        }
        let Some(times) = firsts.get(&at).copied() else { return false };
        if times > 1 {
            finding.message = format!("{}, here {times} times", finding.message);
        }
        true
    });
}

/// The line of a finding, where lines are statements.
fn line(finding: &Finding, sources: &SourceMap) -> Option<(SourceId, u32)> {
    line_at(finding.span?.start, sources)
}

/// The first line of a finding, and its last.
fn lines_of(finding: &Finding, sources: &SourceMap) -> Vec<(SourceId, u32)> {
    let ends = finding.span.map(|span| [span.start, span.end.saturating_sub(1).max(span.start)]);
    ends.into_iter().flatten().filter_map(|at| line_at(at, sources)).collect()
}

fn line_at(at: u32, sources: &SourceMap) -> Option<(SourceId, u32)> {
    let id = sources.id_at(at)?;
    let file = sources.file(id);
    let at = at - file.base;
    let starts = file.line_starts();
    let number = starts.partition_point(|start| *start <= at);
    let end = starts.get(number).copied().unwrap_or(file.text.len() as u32);
    let start = number.checked_sub(1).and_then(|number| starts.get(number).copied())?;
    (end - start <= LONGEST).then_some((id, start))
}

fn together(findings: &mut Vec<Finding>, sources: &SourceMap) {
    let mut places: FxHashMap<(&str, String, Option<SourceId>), Vec<usize>> = FxHashMap::default();
    for (at, finding) in findings.iter().enumerate() {
        if finding.lint() != &PH419 && !READING.contains(&finding.lint()) {
            continue;
        }
        let Some(id) = finding.span.and_then(|span| sources.id_at(span.start)) else { continue };
        // The budget is one for all files.
        let file = (finding.lint() != &PH006).then_some(id);
        places.entry((finding.code(), finding.message.clone(), file)).or_default().push(at);
    }
    let mut gone: FxHashSet<usize> = FxHashSet::default();
    let many = |same: &Vec<usize>| same.len() >= MANY || same.iter().any(|at| !findings[*at].also.is_empty());
    let places: Vec<Vec<usize>> = places.into_values().filter(many).collect();
    for same in places {
        let spans: Vec<Span> = same.iter().flat_map(|at| findings[*at].places()).collect();
        let first = &mut findings[same[0]];
        first.message = format!("{}, here and in {} more places", first.message, spans.len() - 1);
        let others =
            spans[1..].iter().map(|span| Label { span: *span, message: "the same here".to_string() });
        first.related.extend(others);
        gone.extend(&same[1..]);
    }
    let mut at = 0;
    findings.retain(|_| {
        at += 1;
        !gone.contains(&(at - 1))
    });
}

/// Says of findings on long lines, in which a whole config stands, which rule they are about.
pub(super) fn named(findings: &mut [Finding], sources: &SourceMap) {
    for finding in findings {
        let (Some(span), None) = (finding.span, line(finding, sources)) else { continue };
        if let Some(name) = rule_name(sources.text(span)) {
            finding.message = format!("{name}: {}", finding.message);
        }
        for label in &mut finding.related {
            if let Some(name) = rule_name(sources.text(label.span)) {
                label.message = format!("{name}: {}", label.message);
            }
        }
    }
}

/// The name of a rule of nftables that is written as JSON: its chain and its handle.
fn rule_name(text: &str) -> Option<String> {
    let value = |key: &str| {
        let rest = text.split_once(&format!("\"{key}\":"))?.1.trim_start();
        let end = rest.find([',', '}'])?;
        Some(rest[..end].trim().trim_matches('"').to_string())
    };
    let (chain, handle) = (value("chain")?, value("handle")?);
    text.starts_with('{').then(|| format!("rule {handle} of chain `{chain}`"))
}
