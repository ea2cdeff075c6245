//! Rules that refuse sources, behind one that lets pass what belongs to a connection: those that run go on.

use super::cover::{Left, left};
use super::seek::Seeker;
use super::units;
use crate::model::{About, RuleId, Ruleset, Step, Test, Verdict};
use crate::packet::{Field, Set, State};

/// Rules that lead from one to the next on the way to a rule.
const DEEPEST: usize = 8;

/// Whether a rule refuses packets by where they come from, whatever their connection is.
pub(super) fn is_ban(rules: &Ruleset, id: RuleId) -> bool {
    let refuses = units::verdict(rules, id).is_some_and(|verdict| verdict != Verdict::Accept);
    let tests = rules.steps_of(rules.rule(id)).iter().filter_map(|step| match step {
        Step::Test(test) => Some(test),
        Step::Effect(_) | Step::Lookup(_) => None,
    });
    let is_source = |field: &Field| matches!(field, Field::Src4 | Field::Src6);
    let (mut by_source, mut by_state) = (false, false);
    for test in tests {
        match test {
            Test::In { field, negate, .. } | Test::Masked { field, negate, .. } => {
                by_source |= is_source(field) && !negate;
                by_state |= *field == Field::State;
            }
            Test::Unknown { cond, negate } => match &rules.condition(*cond).about {
                About::Fields(fields) => by_source |= !negate && fields.iter().any(is_source),
                About::Nothing | About::Everything => {}
            },
            Test::Tuple { tuples, .. } => {
                by_source |= rules.tuple(*tuples).fields.iter().any(is_source);
                by_state |= rules.tuple(*tuples).fields.contains(&Field::State);
            }
            Test::Never => return false,
        }
    }
    refuses && by_source && !by_state
}

impl Seeker<'_> {
    /// The rules that let all packets of running connections pass before they come to a rule; `None` where some come.
    pub(super) fn before_connections(&self, id: RuleId, depth: usize) -> Option<Vec<RuleId>> {
        if let Some(by) = self.accepted_before(id) {
            return Some(by);
        }
        let callers = self.callers(id.chain);
        if depth == DEEPEST || callers.is_empty() || self.is_of_stage(id.chain) {
            return None;
        }
        let mut all = Vec::new();
        for caller in callers {
            all.extend(self.before_connections(*caller, depth + 1)?);
        }
        all.sort_unstable();
        all.dedup();
        Some(all)
    }

    fn accepted_before(&self, id: RuleId) -> Option<Vec<RuleId>> {
        let table = self.table(id.chain)?;
        let running = [(Field::State, Set::one(State::Established as u128))];
        let mut all = Vec::new();
        let mut some = false;
        for part in table.boxes(id.index) {
            some = true;
            if !table.tells(Field::State) {
                return None;
            }
            let part = table.limited(part, &running)?;
            let Left::Nothing(by) = left(table, &part, id.index) else { return None };
            all.extend(by.into_iter().map(|index| RuleId { chain: id.chain, index }));
        }
        let accepts = |id: &RuleId| units::verdict(self.rules(), *id) == Some(Verdict::Accept);
        (some && all.iter().all(accepts)).then_some(all)
    }
}
