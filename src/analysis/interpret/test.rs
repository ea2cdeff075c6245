//! What a packet answers to a test.

use std::hash::{Hash, Hasher};

use super::super::walk::Walk;
use super::super::{Cond, Learns, Question, Truth, hasher};
use super::Interpreter;
use super::again::asked_again;
use crate::model::{About, CondId, Test};
use crate::packet::{Field, Set, Value};

/// Intervals of a field's values that are told apart when a test asks for them.
const FEW_PIECES: usize = 64;

impl Interpreter<'_> {
    pub(super) fn test(&self, walk: &Walk, test: Test) -> Truth {
        let stage = self.stage(walk);
        match test {
            Test::In { field, values, negate } => match walk.value(field, stage) {
                Value::Absent => Truth::No,
                Value::Known(value) => Truth::of(self.rules.holds(values, value) != negate),
                Value::Among(lo, hi) => {
                    self.among(walk, &self.rules.values(values), (lo, hi), field).negated_if(negate)
                }
            },
            Test::Masked { field, mask, values, negate } => match walk.value(field, stage) {
                Value::Absent => Truth::No,
                Value::Known(value) => {
                    let masked = value & self.rules.masks[mask as usize];
                    Truth::of(self.rules.holds(values, masked) != negate)
                }
                Value::Among(lo, hi) => {
                    let (mask, values) = (self.rules.masks[mask as usize], self.rules.values(values));
                    match Set::range(lo, hi).masked(mask, &values, field.last()) {
                        Some(set) => self.among(walk, &set, (lo, hi), field).negated_if(negate),
                        None => Truth::Maybe(Cond::Field(field).into()),
                    }
                }
            },
            Test::Tuple { tuples, negate } => {
                let tuples = self.rules.tuple(tuples);
                let mut answer = Truth::No;
                for sides in &tuples.boxes {
                    match self.product(walk, &tuples.fields, sides) {
                        Truth::Yes => {
                            answer = Truth::Yes;
                            break;
                        }
                        Truth::No => {}
                        depends => answer = depends,
                    }
                }
                let lacks = |field: &Field| {
                    let at = tuples.fields.iter().position(|f| f == field);
                    walk.value(*field, stage) == Value::Absent
                        && tuples.boxes.iter().any(|sides| at.is_some_and(|at| sides[at].is_some()))
                };
                if negate && tuples.fields.iter().any(lacks) { Truth::No } else { answer.negated_if(negate) }
            }
            Test::Unknown { cond, negate } => self.condition(walk, cond).negated_if(negate),
            Test::Never => Truth::No,
        }
    }

    /// Whether the packet is in a product of field sets.
    pub(super) fn product(&self, walk: &Walk, fields: &[Field], sides: &[Option<Set>]) -> Truth {
        let stage = self.stage(walk);
        let mut answer = Truth::Yes;
        for (field, side) in fields.iter().zip(sides) {
            let Some(set) = side else { continue };
            match walk.value(*field, stage) {
                Value::Absent => return Truth::No,
                Value::Known(value) if set.contains(value) => {}
                Value::Known(_) => return Truth::No,
                Value::Among(lo, hi) => match among(set, (lo, hi), *field) {
                    Truth::Yes => {}
                    Truth::No => return Truth::No,
                    depends => answer = depends,
                },
            }
        }
        answer
    }

    /// Whether a value that lies in an interval is among some.
    fn among(&self, walk: &Walk, set: &Set, (lo, hi): (u128, u128), field: Field) -> Truth {
        let truth = among(set, (lo, hi), field);
        // What a test says of a value that stays the same is known from then on.
        let late = field == Field::Ttl && walk.late_ttl();
        let set = if late { before_forwarding(set) } else { set.clone() };
        let stays = late || walk.packet.get(field) == Value::Among(lo, hi);
        let pieces = set.and(&Set::range(lo, hi)).ranges().len();
        match truth {
            Truth::Maybe(question) if stays && pieces <= FEW_PIECES => {
                Truth::Maybe(Question { learns: Learns::Value(field, set), ..question })
            }
            other => other,
        }
    }

    /// What is known of a condition: one of one name about the same values has one answer.
    fn condition(&self, walk: &Walk, cond: CondId) -> Truth {
        let number = self.number(walk, cond);
        match walk.answer(number) {
            Some(answer) => Truth::of(answer == 1),
            None if self.is_asked_again(cond) => {
                Truth::Maybe(Question { cond: Cond::Named(cond), learns: Learns::Answer(number) })
            }
            None => Truth::Maybe(Cond::Named(cond).into()),
        }
    }

    pub(super) fn is_asked_again(&self, cond: CondId) -> bool {
        self.again.get_or_init(|| asked_again(self.rules))[cond.0 as usize]
    }

    /// A number for a condition and the values on which its answer hangs.
    pub(super) fn number(&self, walk: &Walk, cond: CondId) -> u64 {
        let mut hasher = hasher();
        let condition = self.rules.condition(cond);
        cond.0.hash(&mut hasher);
        match &condition.about {
            _ if condition.each_its_own() => {}
            About::Nothing => {}
            About::Fields(fields) => {
                for field in fields {
                    walk.value(*field, self.stage(walk)).hash(&mut hasher);
                }
            }
            About::Everything => (walk.hook() as u8, &walk.packet).hash(&mut hasher),
        }
        hasher.finish()
    }
}

fn among(set: &Set, (lo, hi): (u128, u128), field: Field) -> Truth {
    if !set.meets_range(lo, hi) {
        Truth::No
    } else if set.covers(&Set::range(lo, hi)) {
        Truth::Yes
    } else {
        Truth::Maybe(Cond::Field(field).into())
    }
}

/// The TTLs that are among some once forwarding has taken one off.
fn before_forwarding(set: &Set) -> Set {
    let up = Set::of(set.ranges().iter().map(|(lo, hi)| (lo.saturating_add(1), hi.saturating_add(1))));
    if set.contains(0) { up.or(&Set::range(0, 1)) } else { up }
}
