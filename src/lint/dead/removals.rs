//! Changes that take rules out which do nothing: offered where the files, read again, are the same without them.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Lens, Told};
use crate::analysis::anomaly::{Anomalies, Unit};
use crate::analysis::compare::is_without;
use crate::dialect::write::removal;
use crate::finding::Edit;
use crate::lint::Workshop;
use crate::model::{ChainId, RuleId};
use crate::source::Span;

/// How often the files of a firewall are read again.
const MOST_TRIALS: usize = 24;

/// What takes one written rule out.
struct Removal {
    span: Span,
    rules: Vec<RuleId>,
    edit: Edit,
}

/// Gives each finding about a rule that can go the change that takes it out. That all of them can go together, and each
/// by itself, the analysis has shown.
pub(super) fn offer(
    lens: &Lens<'_>,
    workshop: &Workshop<'_>,
    at: usize,
    found: &Anomalies,
    told: &mut [Told],
) {
    let units = found.dead.iter().map(|dead| &dead.unit).chain(found.redundant.iter().map(|one| &one.unit));
    let written = lens.written();
    let all: Vec<Removal> = units.filter_map(|unit| lens.removal(workshop, &written, unit)).collect();
    let mut proved: FxHashMap<Span, Edit> = FxHashMap::default();
    let mut open: Vec<&[Removal]> = vec![&all];
    for _ in 0..MOST_TRIALS {
        let Some(some) = open.pop() else { break };
        if some.is_empty() {
            continue;
        }
        if lens.may_go(workshop, at, some) {
            proved.extend(some.iter().map(|one| (one.span, one.edit.clone())));
        } else if some.len() > 1 {
            let (first, second) = some.split_at(some.len() / 2);
            open.extend([second, first]);
        }
    }
    for told in told {
        let edits = told.rules.iter().filter_map(|span| proved.get(span));
        told.finding.edits.extend(edits.cloned());
    }
}

impl Lens<'_> {
    /// The rules of the model by where they are written.
    fn written(&self) -> FxHashMap<Span, Vec<RuleId>> {
        let mut written: FxHashMap<Span, Vec<RuleId>> = FxHashMap::default();
        for (at, chain) in self.rules().chains.iter().enumerate() {
            for (index, rule) in chain.rules.iter().enumerate() {
                let id = RuleId { chain: ChainId(at as u32), index: index as u32 };
                written.entry(rule.span()).or_default().push(id);
            }
        }
        written
    }

    /// What takes a rule out; `None` where that would take more out than the rule.
    fn removal(
        &self,
        workshop: &Workshop<'_>,
        written: &FxHashMap<Span, Vec<RuleId>>,
        unit: &Unit,
    ) -> Option<Removal> {
        let rules = written.get(&unit.span)?;
        if rules.len() != unit.rules.len() {
            return None;
        }
        let comments = self.firewall.dialect.language().comments;
        let edit = removal(workshop.sources(), unit.span, comments)?;
        Some(Removal { span: unit.span, rules: rules.clone(), edit })
    }

    /// Whether the files, read again, say the same but for these rules.
    fn may_go(&self, workshop: &Workshop<'_>, at: usize, some: &[Removal]) -> bool {
        let edits: Vec<Edit> = some.iter().map(|one| one.edit.clone()).collect();
        let gone: FxHashSet<RuleId> = some.iter().flat_map(|one| one.rules.iter().copied()).collect();
        let after = workshop.edited(&edits, at, self.firewall);
        after.is_some_and(|after| is_without(self.rules(), &after, [&gone, &FxHashSet::default()]))
    }
}
