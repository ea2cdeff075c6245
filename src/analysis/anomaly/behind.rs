//! Rules that refuse sources, behind one that lets pass what belongs to a connection: those that run go on.

use super::cover::{Left, left};
use super::seek::Seeker;
use super::units;
use crate::model::{About, Effect, RuleId, Ruleset, Step, Test, Verdict};
use crate::packet::{Field, Set, State};

/// Rules that lead from one to the next on the way to a rule.
const DEEPEST: usize = 8;

/// Whether a rule bans: it refuses packets by where in the world they come from, wherever they go and whatever their
/// connection is.
pub(super) fn is_ban(rules: &Ruleset, id: RuleId) -> bool {
    let steps = rules.steps_of(rules.rule(id));
    let refuses = units::verdict(rules, id).is_some_and(|verdict| verdict != Verdict::Accept);
    let tests = steps.iter().filter_map(|step| match step {
        Step::Test(test) => Some(test),
        Step::Effect(_) | Step::Lookup(_) => None,
    });
    let is_source = |field: &Field| matches!(field, Field::Src4 | Field::Src6);
    let of_policy =
        |field: &Field| matches!(field, Field::State | Field::Iif | Field::Oif | Field::Dst4 | Field::Dst6);
    let (mut by_source, mut otherwise) = (None, false);
    for test in tests {
        match test {
            Test::In { field, values, negate } if is_source(field) => {
                let values = rules.values(*values);
                otherwise |= *negate || nowhere(*field).covers(&values);
                by_source = Some(Some(*test));
            }
            Test::In { field, .. } | Test::Masked { field, .. } => {
                by_source = by_source.or(is_source(field).then_some(None));
                otherwise |= of_policy(field);
            }
            Test::Unknown { cond, negate } => match &rules.condition(*cond).about {
                About::Fields(fields) => {
                    let looks = !negate && fields.iter().any(is_source);
                    by_source = by_source.or(looks.then_some(None));
                    otherwise |= fields.iter().any(of_policy);
                }
                About::Nothing | About::Everything => {}
            },
            Test::Tuple { tuples, .. } => {
                let fields = &rules.tuple(*tuples).fields;
                by_source = by_source.or(fields.iter().any(is_source).then_some(None));
                otherwise |= fields.iter().any(of_policy);
            }
            Test::Never => return false,
        }
    }
    let rest = || by_source.flatten().is_some_and(|source| is_the_rest(rules, id, source));
    refuses && by_source.is_some() && !otherwise && !rest()
}

/// Whether a rule just before lets packets of the same source pass: the rest of them is no ban.
fn is_the_rest(rules: &Ruleset, id: RuleId, source: Test) -> bool {
    let chain = rules.chain(id.chain);
    let before = chain.rules[..id.index as usize].iter().rev().map(|rule| rules.steps_of(rule));
    let mut alike = before.take_while(|steps| steps.contains(&Step::Test(source)));
    alike.any(|steps| {
        steps.iter().any(|step| {
            matches!(step, Step::Effect(Effect::Verdict(Verdict::Accept) | Effect::Return | Effect::Jump(_)))
        })
    })
}

/// Addresses that are nobody's in particular: of one's own networks, of no network, of groups.
fn nowhere(field: Field) -> Set {
    let v4 = |text: [u8; 4], len: u32| {
        let first = u128::from(u32::from_be_bytes(text));
        (first, first + (1 << (32 - len)) - 1)
    };
    let v6 = |first: u128, len: u32| (first << 112, (first << 112) + ((1 << (128 - len)) - 1));
    if field == Field::Src4 {
        let nets = [
            v4([0, 0, 0, 0], 8),
            v4([10, 0, 0, 0], 8),
            v4([127, 0, 0, 0], 8),
            v4([169, 254, 0, 0], 16),
            v4([172, 16, 0, 0], 12),
            v4([192, 168, 0, 0], 16),
            v4([224, 0, 0, 0], 3),
        ];
        return Set::of(nets);
    }
    Set::of([(0, 1), v6(0xfc00, 7), v6(0xfe80, 10), v6(0xff00, 8)])
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
            let Left::Nothing(by) = left(table, &part, id.index, self.share.boxes) else { return None };
            all.extend(by.into_iter().map(|index| RuleId { chain: id.chain, index }));
        }
        let accepts = |id: &RuleId| units::verdict(self.rules(), *id) == Some(Verdict::Accept);
        (some && all.iter().all(accepts)).then_some(all)
    }
}
