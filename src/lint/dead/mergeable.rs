//! PH407: neighbours that could be one rule.

use super::{Lens, RELATED};
use crate::analysis::anomaly::{Anomalies, Mergeable};
use crate::finding::Finding;
use crate::model::{RuleId, Step, Test};
use crate::packet::{Family, Field, Set};
use crate::rule::PH407;
use crate::source::Span;

/// Fewer hosts or ports than so many are named one by one.
const FEW: u128 = 4;
/// Hosts and ports that rules name singly are named so on purpose, up to this many.
const SINGLES: u128 = 16;

pub(super) fn check(lens: &Lens<'_>, found: &Anomalies, findings: &mut Vec<Finding>) {
    let dead = |row: &Mergeable| {
        found.dead.iter().any(|dead| dead.unit.rules.iter().any(|id| row.rules.contains(id)))
    };
    // Two or three hosts that happen to be neighbours are nobody's network, and ports no range.
    let few = |row: &Mergeable| row.values.count() < FEW;
    let mut said = rustc_hash::FxHashSet::default();
    for row in found.mergeable.iter().filter(|row| !dead(row) && !few(row) && lens.is_better_as_one(row)) {
        let mut spans: Vec<_> = row.rules.iter().map(|id| lens.rules().rule(*id).span()).collect();
        // Where the last match wins, the model has them the other way round.
        spans.sort_unstable_by_key(|span| span.start);
        // What stands in several chains of the model is said once.
        if !lens.are_written_alike(&spans) || !said.insert(spans.clone()) {
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

impl Lens<'_> {
    /// Whether the one rule would be written as its parts are: ranges of ports as a range, parts of a network as the
    /// network.
    fn is_better_as_one(&self, row: &Mergeable) -> bool {
        let single = |id: &RuleId| self.value(*id, row.field).is_some_and(|set| set.count() == 1);
        let singles = row.rules.iter().all(single) && row.values.count() < SINGLES;
        !singles && row.field.family().is_none_or(|family| is_usual(family, &row.values))
    }

    fn value(&self, id: RuleId, of: Field) -> Option<Set> {
        self.rules().steps_of(self.rules().rule(id)).iter().find_map(|step| match *step {
            Step::Test(Test::In { field, values, negate: false }) if field == of => {
                Some(self.rules().values(values))
            }
            _ => None,
        })
    }

    /// Whether rules are written one after the other, and in the same words but for one: what else differs (how is
    /// logged, a comment, a remark between them) tells that each has a meaning of its own.
    fn are_written_alike(&self, spans: &[Span]) -> bool {
        let Some(sources) = self.sources else { return true };
        spans.windows(2).all(|pair| {
            let between = Span::new(pair[0].end, pair[1].start);
            let one_file = sources.id_at(pair[0].start) == sources.id_at(pair[1].start);
            let (one, other) = (written(sources.text(pair[0])), written(sources.text(pair[1])));
            let differ = one.iter().zip(&other).filter(|(a, b)| a != b).count();
            one_file && is_blank(sources.text(between)) && one.len() == other.len() && differ == 1
        })
    }
}

/// The words of a rule; what it has counted so far is none.
fn written(text: &str) -> Vec<&str> {
    let mut counts = false;
    let told = |word: &&str| {
        let counted = std::mem::replace(&mut counts, matches!(*word, "packets" | "bytes"));
        !(counted && word.bytes().all(|byte| byte.is_ascii_digit()))
    };
    text.split_whitespace().filter(told).collect()
}

/// Whether nothing stands between two rules, but for what the second has counted (`[12:3456]`).
fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || c.is_ascii_digit() || matches!(c, '[' | ']' | ':' | ';'))
}

/// Whether addresses are a network as people number them: whole bytes or a part of the last, whole digits of IPv6.
fn is_usual(family: Family, values: &Set) -> bool {
    let host = values.count().saturating_sub(1).count_ones();
    let bits = family.bits() - host;
    match family {
        Family::V4 => bits >= 24 || bits.is_multiple_of(8),
        Family::V6 => bits.is_multiple_of(4),
    }
}

/// The values of the one rule, as people write them.
fn values(row: &Mergeable) -> String {
    let Some((lo, hi)) = row.values.ranges().first().copied() else { return String::new() };
    let family = match row.field {
        Field::Src4 | Field::Dst4 => Family::V4,
        Field::Src6 | Field::Dst6 => Family::V6,
        _ => return format!("{lo}-{hi}"),
    };
    let host = (hi - lo).count_ones();
    format!("{}/{}", family.address(lo), family.bits() - host)
}
