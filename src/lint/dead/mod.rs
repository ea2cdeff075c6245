//! Rules that do nothing: what the analysis proves of them, in words.

mod behind_established;
mod mergeable;
mod quiet;
mod redundant;
mod removals;
mod shadowed;
mod unreachable;

use rustc_hash::FxHashMap;

use crate::analysis::anomaly::{self, Anomalies, Ask, Unit};
use crate::finding::Finding;
use crate::judge::{Firewall, Judge};
use crate::lint::Workshop;
use crate::model::{RuleId, Ruleset};
use crate::rule::{Lint, PH401, PH402, PH403, PH404, PH406, PH407, PH408, PH409, Severity};
use crate::source::{SourceMap, Span};

/// What the analysis proves of each firewall of the site that was read; nothing where nobody asks.
pub(super) fn find(judge: &Judge<'_>) -> Vec<(usize, Anomalies)> {
    let selection = &judge.site.settings.selection;
    if !selection.has_any(LINTS) && !repeats(judge) {
        return Vec::new();
    }
    let of = |at| Some((at, anomaly::find(&judge.firewall(at)?.rules, ask(judge, at)?)));
    (0..judge.firewalls.len()).filter_map(of).collect()
}

/// Whether rules that repeat the policy are asked for.
fn repeats(judge: &Judge<'_>) -> bool {
    judge.site.settings.selection.only.as_ref().is_some_and(|only| only.contains(&&PH409))
}

fn ask(judge: &Judge<'_>, at: usize) -> Option<Ask> {
    Some(Ask { repeats: repeats(judge), work: judge.firewall(at)?.search })
}

/// Puts what was found into words. In a workshop it is tried whether rules can be taken out.
pub(super) fn check(
    judge: &Judge<'_>,
    workshop: Option<&Workshop<'_>>,
    found: &[(usize, Anomalies)],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, found) in found {
        let (Some(firewall), Some(ask)) = (judge.firewall(*at), ask(judge, *at)) else { continue };
        let lens = Lens { firewall, sources: workshop.map(Workshop::sources) };
        let mut told = shadowed::check(&lens, found);
        told.extend(redundant::check(&lens, found));
        if let Some(workshop) = workshop {
            removals::offer(&lens, workshop, *at, found, &mut told);
        }
        findings.extend(told.into_iter().map(|told| told.finding));
        unreachable::check(&lens, found, &mut findings);
        mergeable::check(&lens, found, &mut findings);
        behind_established::check(&lens, found, &mut findings);
        findings.extend(lens.not_examined(found, ask));
    }
    findings
}

/// What is looked for unless it is left out.
pub(crate) const LINTS: &[&Lint] = &[&PH401, &PH402, &PH403, &PH404, &PH406, &PH407, &PH408];

/// So many rules that do nothing for one reason have one finding.
const MANY: usize = 3;
/// Places that a finding names beside its own.
const RELATED: usize = 10;

/// A finding about rules that can be taken out.
struct Told {
    finding: Finding,
    /// Where the rules are.
    rules: Vec<Span>,
}

/// Things put together that are alike, in the order in which the first of each came; what is alike but for less than
/// [`MANY`] others stays by itself.
fn together<T, K: std::hash::Hash + Eq>(all: impl Iterator<Item = (K, T)>) -> Vec<Vec<T>> {
    let mut places: FxHashMap<K, usize> = FxHashMap::default();
    let mut groups: Vec<Vec<T>> = Vec::new();
    for (key, one) in all {
        let at = *places.entry(key).or_insert(groups.len());
        match groups.get_mut(at) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    let split = |group: Vec<T>| match group.len() {
        count if count < MANY => group.into_iter().map(|one| vec![one]).collect(),
        _ => vec![group],
    };
    groups.into_iter().flat_map(split).collect()
}

/// The words of a rule as it is written.
fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_')
}

/// One firewall, and how people speak of its rules.
struct Lens<'l> {
    firewall: &'l Firewall,
    sources: Option<&'l SourceMap>,
}

impl Lens<'_> {
    fn rules(&self) -> &Ruleset {
        &self.firewall.rules
    }

    /// What a line of a ruleset is called.
    fn noun(&self) -> &'static str {
        self.firewall.dialect.language().rule.0
    }

    fn nouns(&self) -> &'static str {
        self.firewall.dialect.language().rule.1
    }

    /// Where rules are written, each place once, but for the rule that is spoken of.
    fn places(&self, rules: &[RuleId], of: &Unit) -> Vec<Span> {
        let mut spans: Vec<Span> = rules.iter().map(|id| self.rules().rule(*id).span()).collect();
        spans.retain(|span| *span != of.span && span.start != span.end);
        spans.sort_unstable_by_key(|span| span.start);
        spans.dedup();
        spans
    }

    /// `an earlier rule matches`, `3 later rules together match`: which ones, as seen from a place.
    fn who(&self, places: &[Span], from: Span) -> String {
        let earlier = places.iter().filter(|span| span.start < from.start).count();
        let side = match earlier {
            _ if earlier == places.len() => "earlier",
            0 => "later",
            _ => "other",
        };
        match places.len() {
            1 => format!("{} {side} {} matches", if side == "later" { "a" } else { "an" }, self.noun()),
            count => format!("{count} {side} {} together match", self.nouns()),
        }
    }

    /// What is left undone where there was more work than is done.
    fn not_examined(&self, found: &Anomalies, ask: Ask) -> Option<Finding> {
        let mut open: Vec<Span> = found.open.iter().map(|id| self.rules().rule(*id).span()).collect();
        open.sort_unstable_by_key(|span| span.start);
        open.dedup();
        let (first, others) = open.split_first()?;
        let left = match open.len() {
            1 => format!("1 {} not examined", self.noun()),
            count => format!("{count} {} not examined", self.nouns()),
        };
        let message = match found.stopped {
            true => format!("stopped after {} steps of search: {left}", ask.work),
            false => format!("{left}: more than {} steps of search for each", ask.question()),
        };
        let mut finding = Finding::of(&PH401, *first, message)
            .severity(Severity::Info)
            .label("whether it does anything was not found out")
            .help(format!(
                "What is reported of other {} holds all the same. For an answer, allow more work: `--budget search={}`.",
                self.nouns(),
                ask.work.saturating_mul(10)
            ));
        for other in others.iter().take(RELATED) {
            finding = finding.related(*other, "nor of this one");
        }
        Some(finding)
    }
}
