//! PH407: neighbours that could be one rule.

use super::{Lens, RELATED};
use crate::analysis::anomaly::{Anomalies, Mergeable};
use crate::finding::Finding;
use crate::packet::Field;
use crate::rule::PH407;

/// Fewer hosts or ports than so many are named one by one.
const FEW: u128 = 4;

pub(super) fn check(lens: &Lens<'_>, found: &Anomalies, findings: &mut Vec<Finding>) {
    let dead = |row: &Mergeable| {
        found.dead.iter().any(|dead| dead.unit.rules.iter().any(|id| row.rules.contains(id)))
    };
    // Two or three hosts that happen to be neighbours are nobody's network, and ports no range.
    let few = |row: &Mergeable| row.values.count() < FEW;
    let mut said = rustc_hash::FxHashSet::default();
    for row in found.mergeable.iter().filter(|row| !dead(row) && !few(row)) {
        let mut spans: Vec<_> = row.rules.iter().map(|id| lens.rules().rule(*id).span).collect();
        // Where the last match wins, the model has them the other way round.
        spans.sort_unstable_by_key(|span| span.start);
        // What stands in several chains of the model is said once.
        if !said.insert(spans.clone()) {
            continue;
        }
        let Some((first, others)) = spans.split_first() else { continue };
        let message = format!(
            "{} neighbouring {} differ in the {} alone, and could be one: {}",
            spans.len(),
            lens.nouns(),
            row.field.name(),
            values(row)
        );
        let mut finding = Finding::of(&PH407, *first, message)
            .label("the first of them")
            .help(format!("Write one {} in their place: every packet fares as before.", lens.noun()));
        for other in others.iter().take(RELATED) {
            finding = finding.related(*other, "would go");
        }
        findings.push(finding);
    }
}

/// The values of the one rule, as people write them.
fn values(row: &Mergeable) -> String {
    let Some((lo, hi)) = row.values.ranges().first().copied() else { return String::new() };
    let family = match row.field {
        Field::Src4 | Field::Dst4 => crate::packet::Family::V4,
        Field::Src6 | Field::Dst6 => crate::packet::Family::V6,
        _ => return format!("{lo}-{hi}"),
    };
    let host = (hi - lo).count_ones();
    format!("{}/{}", family.address(lo), family.bits() - host)
}
