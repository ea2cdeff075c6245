//! The dimensions of a chain: fields that its rules look at, each cut where rules tell values apart.

use crate::model::{Rule, Ruleset, Test};
use crate::packet::{Cuts, FIELDS, Field, Fields, Set};

use super::reach::{OF_CONNECTION, Walked};
use super::steps::first_tests;
use super::table::MOST_BOXES;

/// Sets of many ranges up to which values are told apart by the sets that hold them.
const MOST_SETS: usize = 8;
/// A set of more ranges is of many.
const FEW_RANGES: usize = 4;

/// One dimension: a field, and numbers for its values, of which rules tell those of one number not apart.
pub(super) struct Dim {
    pub field: Field,
    /// Where its intervals begin.
    starts: Vec<u128>,
    /// Where few sets of many ranges are asked for (TCP flags): for each interval its number, and the values of each
    /// number. Elsewhere intervals are numbered in order.
    sorted: Option<(Vec<u32>, Vec<Set>)>,
}

impl Dim {
    pub(super) fn number(&self, value: u128) -> u32 {
        let at = self.starts.partition_point(|start| *start <= value) - 1;
        self.sorted.as_ref().map_or(at as u32, |(numbers, _)| numbers[at])
    }

    /// The last number.
    pub(super) fn last(&self) -> u32 {
        self.sorted.as_ref().map_or(self.starts.len(), |(_, values)| values.len()) as u32 - 1
    }

    /// The values of some numbers.
    pub(super) fn values(&self, (lo, hi): (u32, u32)) -> Set {
        match &self.sorted {
            Some((_, values)) => {
                let values = &values[lo as usize..=hi as usize];
                Set::of(values.iter().flat_map(|set| set.ranges().iter().copied()))
            }
            None => Set::range(self.starts[lo as usize], self.end(hi as usize)),
        }
    }

    /// The numbers of the values of a set, in ranges.
    pub(super) fn numbers(&self, set: &Set) -> Vec<(u32, u32)> {
        if self.field == Field::Version {
            return [4, 6]
                .into_iter()
                .filter(|v| set.contains(*v))
                .map(|v| (self.number(v), self.number(v)))
                .collect();
        }
        let Some((_, values)) = &self.sorted else {
            let last = self.field.last();
            let inside = set.ranges().iter().filter(|(lo, _)| *lo <= last);
            return inside.map(|(lo, hi)| (self.number(*lo), self.number((*hi).min(last)))).collect();
        };
        let mut numbers: Vec<(u32, u32)> = Vec::new();
        for (number, _) in (0..).zip(values).filter(|(_, values)| values.meets(set)) {
            match numbers.last_mut() {
                Some((_, last)) if *last + 1 == number => *last = number,
                _ => numbers.push((number, number)),
            }
        }
        numbers
    }

    fn end(&self, at: usize) -> u128 {
        self.starts.get(at + 1).map_or(self.field.last(), |next| next - 1)
    }

    /// Numbers values by which sets hold them.
    fn sort_by(&mut self, sets: &[Set]) {
        let held = |start: &u128| sets.iter().map(|set| set.contains(*start)).collect::<Vec<bool>>();
        let held: Vec<Vec<bool>> = self.starts.iter().map(held).collect();
        let mut kinds = held.clone();
        kinds.sort_unstable();
        kinds.dedup();
        let numbers: Vec<u32> =
            held.iter().map(|kind| kinds.partition_point(|other| other < kind) as u32).collect();
        let mut ranges: Vec<Vec<(u128, u128)>> = vec![Vec::new(); kinds.len()];
        for (at, number) in numbers.iter().enumerate() {
            ranges[*number as usize].push((self.starts[at], self.end(at)));
        }
        self.sorted = Some((numbers, ranges.into_iter().map(Set::of).collect()));
    }
}

/// What the fields of a chain's rules tell apart.
pub(super) struct Draft<'a> {
    rules: &'a Ruleset,
    starts: Vec<Option<Cuts>>,
    /// For each field the sets that are asked for, each once; `None` where they are too many.
    sets: Vec<Option<Vec<Set>>>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(rules: &'a Ruleset) -> Draft<'a> {
        Draft { rules, starts: vec![None; FIELDS], sets: vec![Some(Vec::new()); FIELDS] }
    }

    /// What a rule tells apart of fields that are steady for it.
    pub(super) fn note(&mut self, rule: &Rule, steady: Fields) {
        let rules = self.rules;
        let mut tell_apart = |field: Field, set: &Set| {
            if steady.has(field) {
                self.tell_apart(field, set);
            }
        };
        for test in first_tests(rules.steps_of(rule)) {
            match *test {
                Test::In { field, values, .. } => tell_apart(field, &rules.values(values)),
                Test::Tuple { tuples, negate: false } => {
                    let tuples = rules.tuple(tuples);
                    for sides in tuples.boxes.iter().take(MOST_BOXES + 1) {
                        for (field, side) in tuples.fields.iter().zip(sides) {
                            side.iter().for_each(|set| tell_apart(*field, set));
                        }
                    }
                }
                Test::Masked { field, .. } => tell_apart(field, &Set::range(0, field.last())),
                Test::Tuple { .. } | Test::Unknown { .. } | Test::Never => {}
            }
        }
    }

    pub(super) fn tell_apart(&mut self, field: Field, set: &Set) {
        if let Some(carriers) = field.carrier_set().filter(|_| self.starts[field as usize].is_none()) {
            self.cut(Field::Proto, &carriers);
        }
        if field.family().is_some() && self.starts[Field::Version as usize].is_none() {
            self.cut(Field::Version, &Set::one(6));
        }
        self.cut(field, set);
    }

    fn cut(&mut self, field: Field, set: &Set) {
        let sets = &mut self.sets[field as usize];
        if let Some(known) = sets {
            if known.contains(set) {
                return;
            }
            known.push(set.clone());
            if known.len() > MOST_SETS || set.ranges().len() > MOST_BOXES {
                *sets = None;
            }
        }
        let cuts = self.starts[field as usize].get_or_insert_default();
        match (set.ranges().first(), set.ranges().last()) {
            (Some(first), Some(last)) if set.ranges().len() > MOST_BOXES => cuts.around(first.0, last.1),
            _ => cuts.of(set),
        }
    }

    pub(super) fn dims(self) -> Vec<Dim> {
        let fields = Field::ALL.into_iter().zip(self.starts).zip(self.sets);
        fields
            .filter_map(|((field, starts), sets)| {
                let mut cuts = starts?;
                cuts.at(0);
                let mut starts = cuts.starts();
                starts.retain(|start| *start <= field.last());
                if field == Field::Version {
                    // There are no others.
                    starts = vec![0, 6];
                }
                let mut dim = Dim { field, starts, sorted: None };
                let of_many = |sets: &Vec<Set>| sets.iter().any(|set| set.ranges().len() > FEW_RANGES);
                if let Some(sets) = sets.filter(of_many) {
                    dim.sort_by(&sets);
                }
                Some(dim)
            })
            .collect()
    }
}

/// Fields that read the same for a rule of a chain and all behind it, and that every packet has, but for families and
/// protocols.
pub(super) fn steady(walked: &Walked, index: u32) -> Fields {
    let mut steady = Fields::default();
    let odd = [Field::Ttl, Field::TcpMss, Field::SrcMac];
    for field in Field::ALL {
        let of_connection = OF_CONNECTION[1..].contains(&field) || field == Field::State && walked.early;
        if !of_connection && !odd.contains(&field) {
            steady.add(field);
        }
    }
    for (field, from) in &walked.settled {
        if index < *from {
            steady.remove(*field);
        }
    }
    steady
}
