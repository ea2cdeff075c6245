//! Tests that are no sides of boxes: they hold or not, and what is known is where two are the same.

use rustc_hash::FxHashMap;

use crate::model::{About, CondId, Ruleset, Test};
use crate::packet::{Field, Fields, Set};

/// A test of [`Atoms`] by number, and whether it has to hold.
pub(super) type Literal = (u32, bool);

/// The tests of a chain that are no sides of boxes.
#[derive(Default)]
pub(super) struct Atoms {
    /// Without negation; the rule, where each has its own answer.
    numbers: FxHashMap<(Test, Option<u32>), u32>,
    /// For each the condition that it is.
    conditions: Vec<Option<CondId>>,
    /// For each the values of a field for which it holds, where it is no condition and these are few.
    values: Vec<Option<(Field, Set)>>,
}

impl Atoms {
    /// The literal that a test of a rule is. `None` where the test may say something else for another rule of the
    /// chain, although it reads the same: only what is `steady` is looked at, `still` if nothing else changes either.
    pub(super) fn literal(
        &mut self,
        rules: &Ruleset,
        steady: Fields,
        still: bool,
        rule: u32,
        test: Test,
    ) -> Option<Literal> {
        let (test, holds, own) = match test {
            Test::Masked { field, mask, values, negate } if steady.has(field) => {
                (Test::Masked { field, mask, values, negate: false }, !negate, None)
            }
            Test::Unknown { cond, negate } => {
                let condition = rules.condition(cond);
                let own = condition.each_its_own();
                let same = match &condition.about {
                    About::Nothing => true,
                    About::Fields(fields) => fields.iter().all(|field| steady.has(*field)),
                    About::Everything => still,
                };
                if !own && !same {
                    return None;
                }
                (Test::Unknown { cond, negate: false }, !negate, own.then_some(rule))
            }
            Test::Masked { .. } | Test::In { .. } | Test::Tuple { .. } | Test::Never => return None,
        };
        let (conditions, values) = (&mut self.conditions, &mut self.values);
        let number = *self.numbers.entry((test, own)).or_insert_with(|| {
            conditions.push(match test {
                Test::Unknown { cond, .. } => Some(cond),
                _ => None,
            });
            values.push(holding(rules, test));
            conditions.len() as u32 - 1
        });
        Some((number, holds))
    }

    /// The values of fields for which literals hold, of those that are no conditions.
    pub(super) fn limits(&self, literals: &[Literal]) -> impl Iterator<Item = (Field, Set)> {
        literals.iter().filter_map(|(atom, holds)| {
            let (field, set) = self.values[*atom as usize].as_ref()?;
            let set = if *holds { set.clone() } else { Set::range(0, field.last()).minus(set) };
            Some((*field, set))
        })
    }

    /// The answers to conditions that literals are.
    pub(super) fn answers(&self, literals: &[Literal]) -> impl Iterator<Item = (CondId, bool)> {
        literals.iter().filter_map(|(atom, holds)| Some((self.conditions[*atom as usize]?, *holds)))
    }
}

/// The values for which a test by a mask holds, of a field of one byte.
fn holding(rules: &Ruleset, test: Test) -> Option<(Field, Set)> {
    let Test::Masked { field, mask, values, .. } = test else { return None };
    let mask = rules.masks[mask as usize];
    let all = (field.last() <= 0xff).then(|| 0..=field.last())?;
    let holding = all.filter(|value| rules.holds(values, value & mask));
    Some((field, Set::of(holding.map(|value| (value, value)))))
}
