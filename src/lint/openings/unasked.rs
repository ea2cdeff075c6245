//! One source, destination and port that stand for all that no rule asks for.

use rustc_hash::FxHashSet;

use super::measure::changed;
use crate::model::{ChainId, Effect, Rule, Ruleset, Step, Test, Verdict};
use crate::packet::{Family, Field, Set};
use crate::site::unicast;

/// The fields of connections, which read as a first packet's own.
const OF_CONNECTION: [Field; 6] =
    [Field::OrigSrc4, Field::OrigDst4, Field::OrigSrc6, Field::OrigDst6, Field::OrigDport, Field::OrigSport];

/// How a rule looks at source, destination and port.
enum Look {
    /// Not at all: it treats all of them alike.
    Blind,
    /// It never matches packets of the family.
    Never,
    /// It is for some values of one of them alone.
    For(usize, Set),
    /// In another way.
    Else,
}

/// A source, a destination and a port that no rule asks for.
pub(super) struct Unasked {
    pub values: [u128; 3],
    /// Chains with rules for some values that let packets pass, or may.
    pub accepting: FxHashSet<ChainId>,
}

/// Values that no rule asks for. `None` where there are none, or where rules for some values do more than decide about
/// them: a packet that they pass over might fare otherwise without them.
pub(super) fn find(rules: &Ruleset, family: Family) -> Option<Unasked> {
    let fields = [Field::src(family), Field::dst(family), Field::Dport];
    let changed = changed(rules);
    if fields.iter().any(|field| changed.contains(field)) {
        return None;
    }
    let mut asked: [Vec<(u128, u128)>; 3] = Default::default();
    let (mut jumps, mut accepting) = (Vec::new(), FxHashSet::default());
    for (id, chain) in rules.chains.iter().enumerate() {
        for rule in &chain.rules {
            match look(rules, rule, family, &fields) {
                Look::Blind | Look::Never => {}
                Look::Else => return None,
                Look::For(at, values) => {
                    let effects: Vec<Effect> = rules.effects(rules.steps_of(rule)).collect();
                    if !effects.iter().all(|effect| matches!(effect, Effect::Jump(_)) || decides(*effect)) {
                        return None;
                    }
                    jumps.extend(effects.iter().filter_map(|effect| match effect {
                        Effect::Jump(chain) => Some(*chain),
                        _ => None,
                    }));
                    if effects.into_iter().any(accepts) {
                        accepting.insert(ChainId(id as u32));
                    }
                    asked[at].extend_from_slice(values.ranges());
                }
            }
        }
    }
    for chain in rules.reached(jumps) {
        for effect in rules.chain(chain).rules.iter().flat_map(|rule| rules.effects(rules.steps_of(rule))) {
            let goes_on = matches!(effect, Effect::Jump(_) | Effect::Goto(_) | Effect::Return);
            if !(decides(effect) || goes_on) {
                return None;
            }
            if accepts(effect) {
                accepting.insert(chain);
            }
        }
    }
    let here = rules.delivered_set(family);
    let all = [unicast(family), unicast(family).minus(&here), Set::range(0, Field::Dport.last())];
    let mut values = [0; 3];
    for (value, (all, asked)) in values.iter_mut().zip(all.iter().zip(asked)) {
        *value = all.minus(&Set::of(asked)).ranges().first()?.0;
    }
    Some(Unasked { values, accepting })
}

/// Effects that let packets pass, or may.
fn accepts(effect: Effect) -> bool {
    matches!(effect, Effect::Verdict(Verdict::Accept) | Effect::Pend(Verdict::Accept) | Effect::Undefined(_))
}

/// Effects that decide about the packets of the rule, and change nothing that other rules look at.
fn decides(effect: Effect) -> bool {
    matches!(
        effect,
        Effect::Verdict(_)
            | Effect::Pend(_)
            | Effect::KeepState(_)
            | Effect::Helper(_)
            | Effect::Undefined(_)
    )
}

fn look(rules: &Ruleset, rule: &Rule, family: Family, fields: &[Field; 3]) -> Look {
    let steps = rules.steps_of(rule);
    let first = steps.iter().map_while(|step| match step {
        Step::Test(test) => Some(test),
        Step::Effect(_) | Step::Lookup(_) => None,
    });
    let mut narrow: Option<(usize, Set)> = None;
    for test in first {
        let Test::In { field, values, negate } = *test else { continue };
        if field.family().is_some_and(|of| of != family) {
            return Look::Never;
        }
        let Some(at) = fields.iter().position(|of| *of == field) else { continue };
        // The rule is for the fewest values: an address says more than a range of ports.
        if !negate && narrow.as_ref().is_none_or(|(known, _)| *known == 2) {
            narrow = Some((at, rules.values(values)));
        }
    }
    let looks = |field: Field| fields.contains(&field) || OF_CONNECTION.contains(&field);
    match narrow {
        Some((at, values)) => Look::For(at, values),
        None if steps.iter().any(|step| looked_at(rules, step).into_iter().any(looks)) => Look::Else,
        None => Look::Blind,
    }
}

/// The fields that a step looks at.
fn looked_at(rules: &Ruleset, step: &Step) -> Vec<Field> {
    match *step {
        Step::Test(Test::In { field, .. } | Test::Masked { field, .. }) => vec![field],
        Step::Test(Test::Tuple { tuples, .. }) => rules.tuple(tuples).fields.clone(),
        Step::Lookup(map) => rules.map(map).fields.clone(),
        // Its answer is the same for all of them, or a variable of its own.
        Step::Test(Test::Unknown { .. } | Test::Never) | Step::Effect(_) => Vec::new(),
    }
}
