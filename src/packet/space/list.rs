//! A set of packets spelled out: its values, disjoint rows, one packet of it.

use super::diagram::{Diagram, Edge};
use super::{Level, Space, Spaces};
use crate::packet::{Field, Packet, Set, proto};

/// A product of field values: one of the disjoint rows that make up a set. A field that is not named has any
/// value, as far as the packet has it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Row {
    /// The fields that are limited, each with its values.
    pub fields: Vec<(Field, Set)>,
}

/// Calls back for each interval of values at a level, in order, with what is left of the set below it. The set
/// asks for nothing above the level. `None` where they are more than `most`.
pub(super) fn intervals(
    diagram: &Diagram,
    edge: Edge,
    level: Level,
    most: usize,
    each: &mut dyn FnMut(u128, u128, Edge),
) -> Option<()> {
    let mut left = most;
    let mut open = vec![(edge, 0, 0u128)];
    while let Some((edge, depth, block)) = open.pop() {
        let bit = diagram.bit(edge);
        if bit >= level.start + level.width {
            left = left.checked_sub(1)?;
            each(block, block | level.span(depth), edge);
            continue;
        }
        // Bits that are not asked for stand for both halves.
        let (low, high) = if bit == level.start + depth { diagram.halves(edge) } else { (edge, edge) };
        let span = level.span(depth);
        open.push((high, depth + 1, block | (span - (span >> 1))));
        open.push((low, depth + 1, block));
    }
    Some(())
}

/// Intervals of values that are listed one by one.
const MOST_INTERVALS: usize = 1 << 18;

impl Spaces {
    /// The values that packets of the set have at a level. Where they are scattered over too many intervals to
    /// list, the store is [exhausted](Spaces::exhausted).
    pub fn values(&mut self, space: Space, level: Level) -> Set {
        match self.listed(space, level, MOST_INTERVALS) {
            Some(set) => set,
            None => {
                self.exhaust();
                Set::range(0, level.last())
            }
        }
    }

    /// Values among which all are that packets of the set have at a level.
    pub fn hull(&mut self, space: Space, level: Level) -> Set {
        const FEW: usize = 1 << 12;
        self.listed(space, level, FEW).unwrap_or_else(|| Set::range(0, level.last()))
    }

    fn listed(&mut self, space: Space, level: Level, most: usize) -> Option<Set> {
        let only = self.only(space, &[level]);
        let mut ranges = Vec::new();
        intervals(&self.diagram, only.0, level, most, &mut |lo, hi, rest| {
            if rest != Edge::NONE {
                ranges.push((lo, hi));
            }
        })?;
        let set = Set::of(ranges);
        Some(match self.layout.names_at(level) {
            Some(names) => names.names(&set),
            None => set,
        })
    }

    /// The values that packets of the set have at a level, in groups that are alike at the other one: each with the
    /// values there. `None` where they are too many to list.
    pub fn values_by(&mut self, space: Space, level: Level, other: Level) -> Option<Vec<(Set, Set)>> {
        let both = self.only(space, &[level, other]);
        let groups = if level < other { self.groups(both, level)? } else { return None };
        Some(groups.into_iter().map(|(values, rest)| (values, self.values(rest, other))).collect())
    }

    /// The values at a level, in groups that are alike in all else: each with what is left below. The set asks
    /// for nothing above the level.
    fn groups(&self, space: Space, level: Level) -> Option<Vec<(Set, Space)>> {
        let mut groups: Vec<(Vec<(u128, u128)>, Edge)> = Vec::new();
        let mut places = rustc_hash::FxHashMap::default();
        intervals(&self.diagram, space.0, level, MOST_INTERVALS, &mut |lo, hi, rest| {
            if rest == Edge::NONE {
                return;
            }
            let at = *places.entry(rest).or_insert_with(|| {
                groups.push((Vec::new(), rest));
                groups.len() - 1
            });
            groups[at].0.push((lo, hi));
        })?;
        Some(groups.into_iter().map(|(ranges, rest)| (Set::of(ranges), Space(rest))).collect())
    }

    /// Disjoint rows that make up the set, over the fields alone: variables and rewritten values have to be
    /// projected away before. `None` where they are more than `most`.
    pub fn rows(&self, space: Space, most: usize) -> Option<Vec<Row>> {
        let mut rows = Vec::new();
        let fields: Vec<(Field, Level)> = self.layout.known_fields().collect();
        self.rows_below(space, &fields, &mut Row::default(), &mut rows, most)?;
        Some(rows)
    }

    fn rows_below(
        &self,
        space: Space,
        fields: &[(Field, Level)],
        row: &mut Row,
        rows: &mut Vec<Row>,
        most: usize,
    ) -> Option<()> {
        if space.is_none() {
            return Some(());
        }
        let bit = self.diagram.bit(space.0);
        let Some(at) = fields.iter().position(|(_, level)| level.holds(bit)) else {
            if rows.len() == most {
                return None;
            }
            rows.push(row.clone());
            return Some(());
        };
        let (field, level) = fields[at];
        for (values, rest) in self.groups(space, level)? {
            let values = match self.layout.names_at(level) {
                Some(names) => names.names(&values),
                None => values,
            };
            row.fields.push((field, values));
            self.rows_below(rest, &fields[at + 1..], row, rows, most)?;
            row.fields.pop();
        }
        Some(())
    }

    /// One packet of the set, likely ones first; `None` of the empty set. Fields on which nothing hangs are
    /// left open.
    pub fn witness(&mut self, space: Space) -> Option<Packet> {
        let space = self.likely(space);
        if space.is_none() {
            return None;
        }
        let mut rest = space;
        let mut values: Vec<(Field, u128)> = Vec::new();
        for (field, level) in self.layout.known_fields().collect::<Vec<_>>() {
            if !self.diagram.support(rest.0).iter().any(|bit| level.holds(*bit)) {
                continue;
            }
            let set = self.values(rest, level);
            let value = set.first()?;
            let one = self.within(level, &whole_class(self, level, value));
            rest = self.and(rest, one);
            values.push((field, value));
        }
        let protocol =
            values.iter().find(|(field, _)| *field == Field::Proto).map_or(u128::from(proto::TCP), |v| v.1);
        let mut packet = Packet::new(self.family(), protocol as u8);
        for (field, value) in values {
            packet.set(field, value);
        }
        Some(packet)
    }

    /// The set, or the part of it that looks most like a usual packet.
    fn likely(&mut self, space: Space) -> Space {
        let wishes: [(Field, Set); 4] = [
            (Field::Proto, Set::of([(6, 6), (17, 17)])),
            (Field::Proto, Set::one(6)),
            (Field::Sport, Set::range(49_152, 65_535)),
            (Field::Iif, Set::range(1, u128::MAX)),
        ];
        let mut space = space;
        for (field, set) in wishes {
            let Some(level) = self.level(field) else { continue };
            let wish = self.within(level, &set);
            let part = self.and(space, wish);
            if !part.is_none() {
                space = part;
            }
        }
        space
    }
}

/// The values that stand for one value at a level: for interface names, the whole class.
fn whole_class(spaces: &Spaces, level: Level, value: u128) -> Set {
    match spaces.layout.names_at(level) {
        Some(names) => names.class_of(value),
        None => Set::one(value),
    }
}
