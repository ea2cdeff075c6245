//! PH408: bans that running connections do not meet.

use super::Lens;
use crate::analysis::anomaly::Anomalies;
use crate::finding::Finding;
use crate::model::RuleId;
use crate::rule::PH408;
use crate::source::Span;

/// Places that a finding names beside its own.
const RELATED: usize = 5;

pub(super) fn check(lens: &Lens<'_>, found: &Anomalies, findings: &mut Vec<Finding>) {
    let mut groups: Vec<(&[RuleId], Vec<Span>)> = Vec::new();
    for (unit, before) in &found.behind {
        match groups.iter_mut().find(|(known, _)| known == before) {
            Some((_, spans)) => spans.push(unit.span),
            None => groups.push((before, vec![unit.span])),
        }
    }
    for (before, spans) in groups {
        let message = match spans.len() {
            1 => "the rule refuses sources, and connections of theirs that run already go on".to_string(),
            count => format!(
                "{count} rules refuse sources, this one first, and connections of theirs that run already go on"
            ),
        };
        let mut finding = Finding::of(&PH408, spans.first().copied(), message)
            .label("no packet of an established connection comes here")
            .notice("Whoever is banned while connected stays connected.")
            .help("Put the rule before the one that accepts established connections, or cut the connections off with `conntrack -D`.");
        for id in before.iter().take(RELATED) {
            finding =
                finding.related(lens.rules().rule(*id).span(), "accepts established connections before");
        }
        findings.push(finding);
    }
}
