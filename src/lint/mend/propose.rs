//! Changes that findings of reading propose: what nothing uses taken out, what is misspelt written right.
//!
//! What is taken out is proved to do nothing: the files are read again, and every packet fares as before. Of what is
//! written in another way, all other rules are proved to be the same.

use rustc_hash::{FxHashMap, FxHashSet};

use super::trial::{self, Workshop};
use crate::analysis::compare::is_without;
use crate::dialect::Block;
use crate::dialect::write::{Text, definition, removal};
use crate::finding::{Edit, Finding};
use crate::judge::Firewall;
use crate::model::{ChainId, RuleId, Ruleset};
use crate::rule::{
    Lint, PH404, PH405, PH410, PH412, PH413, PH414, PH416, PH422, PH423, PH428, PH429, PH430, PH433, PH434,
};
use crate::source::{SourceId, SourceMap, Span};

/// What these lints are about does nothing.
const IDLE: [&Lint; 8] = [&PH404, &PH405, &PH413, &PH414, &PH428, &PH429, &PH430, &PH434];

/// What these say is written in another way than it is meant.
const MISSPELT: [&Lint; 6] = [&PH410, &PH412, &PH416, &PH422, &PH423, &PH433];

/// Firewalls that are judged together, and where changes to them are tried.
pub(crate) type Shop<'s> = (Workshop<'s>, &'s [Option<Firewall>]);

/// Gives findings the changes that they propose, where these are proved; takes those away that are not.
pub(crate) fn settle(shops: &[Shop<'_>], findings: &mut [Finding]) {
    let mut at_file: FxHashMap<SourceId, (&Shop<'_>, usize)> = FxHashMap::default();
    for shop in shops {
        let files = (0..shop.1.len()).flat_map(|at| shop.0.files_of(at).into_iter().map(move |id| (id, at)));
        at_file.extend(files.map(|(id, at)| (id, (shop, at))));
    }
    let proposes =
        |finding: &&mut Finding| IDLE.contains(&finding.lint()) || MISSPELT.contains(&finding.lint());
    for finding in findings.iter_mut().filter(proposes) {
        finding.edits = proved(&at_file, finding).unwrap_or_default();
    }
}

fn proved(at_file: &FxHashMap<SourceId, (&Shop<'_>, usize)>, finding: &Finding) -> Option<Vec<Edit>> {
    let start = finding.span?.start;
    let ((workshop, firewalls), at) =
        at_file.values().next().and_then(|(shop, _)| at_file.get(&shop.0.sources.id_at(start)?)).copied()?;
    let firewall = firewalls.get(at)?.as_ref().filter(|_| workshop.may_try_more())?;
    let edits = proposed(workshop.sources, firewall, finding)?;
    is_proved(workshop, at, firewall, finding, &edits).then_some(edits)
}

/// The change that a finding proposes.
fn proposed(sources: &SourceMap, firewall: &Firewall, finding: &Finding) -> Option<Vec<Edit>> {
    if !finding.edits.is_empty() {
        return Some(finding.edits.clone());
    }
    let language = firewall.dialect.language();
    let lint = finding.lint();
    let places = finding.span.into_iter().chain(finding.related.iter().map(|label| label.span));
    if lint == &PH404 {
        return places.map(|span| chain(sources, firewall, span)).collect::<Option<Vec<_>>>().map(joined);
    }
    if lint == &PH430 && language.block == Block::Indent {
        return list(sources, finding.span?);
    }
    if lint == &PH434 {
        return Some(vec![removal(sources, finding.span?, language.comments)?]);
    }
    if lint == &PH433 {
        return masks(sources, finding.span?);
    }
    if lint == &PH414 {
        return with_policy(sources, finding.span?).map(|edit| vec![edit]);
    }
    if lint == &PH422 {
        return quick(sources, finding.span?).map(|edit| vec![edit]);
    }
    if lint == &PH405 || lint == &PH429 || lint == &PH428 {
        return Some(vec![definition(sources, finding.span?, language.block)?]);
    }
    if lint == &PH413 {
        return places.map(|span| definition(sources, span, language.block)).collect();
    }
    None
}

/// A chain with its rules, and those that lead to it.
fn chain(sources: &SourceMap, firewall: &Firewall, span: Span) -> Option<Vec<Edit>> {
    let rules = &firewall.rules;
    let language = firewall.dialect.language();
    let at = rules.chains.iter().position(|chain| chain.span == span)?;
    let whole = definition(sources, span, language.block)?;
    let leads = |rule: &crate::model::Rule| rules.led_to(rule).any(|to| to == ChainId(at as u32));
    let own = rules.chains[at].rules.iter();
    let leading = rules.chains.iter().flat_map(|chain| &chain.rules).filter(|rule| leads(rule));
    let mut spans: Vec<Span> = own.chain(leading).map(|rule| rule.span()).collect();
    spans.sort_unstable_by_key(|span| span.start);
    spans.dedup();
    let inside = |span: &Span| whole.span.start <= span.start && span.end <= whole.span.end;
    let others = spans.into_iter().filter(|span| !inside(span));
    let mut edits: Vec<Edit> =
        others.map(|span| removal(sources, span, language.comments)).collect::<Option<_>>()?;
    edits.push(whole);
    Some(edits)
}

/// Network masks in the place of those of IOS.
fn masks(sources: &SourceMap, span: Span) -> Option<Vec<Edit>> {
    let text = Text::of(sources, span)?;
    let (start, base) = (text.local(span.start), sources.file_of(span)?.base);
    let line = text.text.get(start..text.local(span.end))?;
    let mask = |word: &str| {
        let bits = u32::from(word.parse::<std::net::Ipv4Addr>().ok()?);
        (bits != 0 && bits != u32::MAX && bits & bits.wrapping_add(1) == 0).then_some(!bits)
    };
    let mut edits = Vec::new();
    for word in line.split_whitespace() {
        let Some(right) = mask(word) else { continue };
        let at = base + (start + (word.as_ptr() as usize - line.as_ptr() as usize)) as u32;
        let span = Span::new(at, at + word.len() as u32);
        edits.push(Edit { span, text: std::net::Ipv4Addr::from(right).to_string() });
    }
    Some(edits)
}

/// The policy that a base chain has without saying so.
fn with_policy(sources: &SourceMap, name: Span) -> Option<Edit> {
    let text = Text::of(sources, name)?;
    let from = text.local(name.start);
    let hook = from + text.text.get(from..)?.find(" hook ")?;
    let end = hook + text.text.get(hook..)?.find([';', '\n'])?;
    let at = sources.file_of(name)?.base + end as u32;
    let spoken = text.text.get(end..)?.starts_with(';');
    let (at, put) = if spoken { (at + 1, " policy accept;") } else { (at, "; policy accept;") };
    Some(Edit { span: Span::new(at, at), text: put.to_string() })
}

/// A rule of pf that ends the walk.
fn quick(sources: &SourceMap, rule: Span) -> Option<Edit> {
    let text = Text::of(sources, rule)?;
    let (start, end) = (text.local(rule.start), text.local(rule.end));
    let mut at = start;
    // Behind the action, its options, the direction and `log`.
    for word in text.text.get(start..end)?.split_inclusive(' ') {
        let head = ["block", "drop", "return", "in", "out", "log"];
        let of_head = |known: &str| word.trim() == known || word.starts_with(&format!("{known}-"));
        if !head.iter().any(|known| of_head(known)) {
            break;
        }
        at += word.len();
    }
    let at = sources.file_of(rule)?.base + at as u32;
    Some(Edit { span: Span::new(at, at), text: "quick ".to_string() })
}

fn joined(all: Vec<Vec<Edit>>) -> Vec<Edit> {
    let mut edits: Vec<Edit> = Vec::new();
    for edit in all.into_iter().flatten() {
        if !edits.contains(&edit) {
            edits.push(edit);
        }
    }
    edits
}

/// All lines of an access list.
fn list(sources: &SourceMap, span: Span) -> Option<Vec<Edit>> {
    let text = Text::of(sources, span)?;
    let base = sources.file_of(span)?.base;
    let head: Vec<&str> = text.line(text.local(span.start)).split_whitespace().take(2).collect();
    let is_of_it = |line: &str| line.split_whitespace().take(2).eq(head.iter().copied());
    let lines = text.lines().filter(|(_, line)| is_of_it(line));
    let edits: Vec<Edit> = lines
        .map(|(start, _)| {
            let end = text.next_line(start);
            Edit { span: Span::new(base + start as u32, base + end as u32), text: String::new() }
        })
        .collect();
    (head.first() == Some(&"access-list")).then_some(edits)
}

/// Whether a change does what its finding says and nothing else.
fn is_proved(
    workshop: &Workshop<'_>,
    at: usize,
    firewall: &Firewall,
    finding: &Finding,
    edits: &[Edit],
) -> bool {
    if edits.is_empty() || !workshop.may_try(trial::size(&firewall.rules)) {
        return false;
    }
    let Some((made, said)) = workshop.changed_and_said(edits, at, firewall) else { return false };
    let often = |all: &[&Lint]| all.iter().filter(|lint| **lint == finding.lint()).count();
    let gone = workshop.said_before(at).is_some_and(|before| often(&said) < often(before));
    if !gone && finding.lint() != &PH404 {
        return false;
    }
    let (old, new) = (&firewall.rules, &made.firewall.rules);
    if IDLE.contains(&finding.lint()) || finding.lint() == &PH416 {
        let difference = trial::difference(old, new);
        return difference.regions.is_empty() && difference.unknown.is_empty();
    }
    is_without(old, new, [&touched(old, edits), &touched(new, &moved(workshop.sources, &made.map, edits))])
}

/// The rules whose text changes touch.
fn touched(rules: &Ruleset, edits: &[Edit]) -> FxHashSet<RuleId> {
    let meets =
        |span: Span| edits.iter().any(|edit| span.start <= edit.span.end && edit.span.start <= span.end);
    let mut found = FxHashSet::default();
    for (chain, listed) in rules.chains.iter().enumerate() {
        for (index, rule) in listed.rules.iter().enumerate() {
            if meets(rule.span()) {
                found.insert(RuleId { chain: ChainId(chain as u32), index: index as u32 });
            }
        }
    }
    found
}

/// The same places in the files as they are after the changes.
fn moved(before: &SourceMap, after: &SourceMap, edits: &[Edit]) -> Vec<Edit> {
    let shift = |edit: &Edit| {
        let id = before.id_at(edit.span.start)?;
        let (old, new) = (before.file(id).base, after.file(id).base);
        let earlier = edits.iter().filter(|other| before.id_at(other.span.start) == Some(id));
        let earlier = earlier.filter(|other| other.span.start < edit.span.start);
        let grown: i64 =
            earlier.map(|other| other.text.len() as i64 - i64::from(other.span.end - other.span.start)).sum();
        let start = i64::from(edit.span.start) - i64::from(old) + i64::from(new) + grown;
        let start = u32::try_from(start).ok()?;
        Some(Edit { span: Span::new(start, start + edit.text.len() as u32), text: String::new() })
    };
    edits.iter().filter_map(shift).collect()
}
