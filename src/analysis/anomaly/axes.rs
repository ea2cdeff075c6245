//! The dimensions of a chain: fields that its rules look at, each cut where rules tell values apart.

use crate::model::{Rule, Ruleset, Test};
use crate::packet::{FIELDS, Field, Set};

use super::reach::{Fields, OF_CONNECTION, Walked};
use super::steps::first_tests;
use super::table::MOST_BOXES;

/// One dimension: a field, and where its intervals begin.
pub(super) struct Dim {
    pub field: Field,
    pub starts: Vec<u128>,
}

impl Dim {
    pub(super) fn number(&self, value: u128) -> u32 {
        (self.starts.partition_point(|start| *start <= value) - 1) as u32
    }

    pub(super) fn last(&self) -> u32 {
        self.starts.len() as u32 - 1
    }

    pub(super) fn end(&self, number: u32) -> u128 {
        self.starts.get(number as usize + 1).map_or(self.field.last(), |next| next - 1)
    }
}

/// What the fields of a chain's rules tell apart.
pub(super) struct Draft<'a> {
    rules: &'a Ruleset,
    steady: Fields,
    starts: Vec<Option<Vec<u128>>>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(rules: &'a Ruleset, steady: Fields) -> Draft<'a> {
        Draft { rules, steady, starts: vec![None; FIELDS] }
    }

    pub(super) fn note(&mut self, rule: &Rule) {
        for test in first_tests(self.rules.steps_of(rule)) {
            match *test {
                Test::In { field, values, .. } => self.tell_apart(field, &self.rules.values(values)),
                Test::Tuple { tuples, negate: false } => {
                    let tuples = self.rules.tuple(tuples);
                    for sides in tuples.boxes.iter().take(MOST_BOXES + 1) {
                        for (field, side) in tuples.fields.iter().zip(sides) {
                            side.iter().for_each(|set| self.tell_apart(*field, set));
                        }
                    }
                }
                Test::Masked { field, .. } => self.tell_apart(field, &Set::range(0, field.last())),
                Test::Tuple { .. } | Test::Unknown { .. } | Test::Never => {}
            }
        }
    }

    pub(super) fn tell_apart(&mut self, field: Field, set: &Set) {
        if !self.steady.has(field) {
            return;
        }
        if let Some(carriers) = field.carriers() {
            let carriers = Set::of(carriers.iter().map(|p| (u128::from(*p), u128::from(*p))));
            if self.starts[field as usize].is_none() {
                self.cut(Field::Proto, &carriers);
            }
        }
        if field.family().is_some() && self.starts[Field::Version as usize].is_none() {
            self.cut(Field::Version, &Set::one(4));
            self.cut(Field::Version, &Set::one(6));
        }
        self.cut(field, set);
    }

    fn cut(&mut self, field: Field, set: &Set) {
        let starts = self.starts[field as usize].get_or_insert_with(|| vec![0]);
        let mut end = |lo: u128, hi: u128| {
            starts.push(lo);
            starts.extend(hi.checked_add(1));
        };
        if set.ranges().len() > MOST_BOXES {
            if let (Some(first), Some(last)) = (set.ranges().first(), set.ranges().last()) {
                end(first.0, last.1);
            }
            return;
        }
        set.ranges().iter().for_each(|(lo, hi)| end(*lo, *hi));
    }

    pub(super) fn dims(self) -> Vec<Dim> {
        let fields = Field::ALL.into_iter().zip(self.starts);
        fields
            .filter_map(|(field, starts)| {
                let mut starts = starts?;
                starts.retain(|start| *start <= field.last());
                starts.sort_unstable();
                starts.dedup();
                Some(Dim { field, starts })
            })
            .collect()
    }
}

/// Fields that read the same for all rules of a chain, and that every packet has, but for families and protocols.
pub(super) fn steady(walked: &Walked) -> Fields {
    let mut steady = Fields::default();
    let odd = [Field::Ttl, Field::TcpMss, Field::SrcMac];
    for field in Field::ALL {
        let of_connection = OF_CONNECTION[1..].contains(&field) || field == Field::State && walked.early;
        if !of_connection && !odd.contains(&field) && !walked.changes.has(field) {
            steady.add(field);
        }
    }
    steady
}
