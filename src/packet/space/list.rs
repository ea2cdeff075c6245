//! A set of packets spelled out: its values, disjoint rows, one packet of it.

use rustc_hash::FxHashMap;

use super::diagram::{Diagram, Edge, TERMINAL};
use super::levels::Names;
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
/// asks for nothing above the level. How many nodes were looked at; `None` where the intervals are more than `most`.
pub(super) fn intervals(
    diagram: &Diagram,
    edge: Edge,
    level: Level,
    most: usize,
    each: &mut dyn FnMut(u128, u128, Edge),
) -> Option<u64> {
    let mut left = most;
    let mut looked_at = 0;
    let mut open = vec![(edge, 0, 0u128)];
    while let Some((edge, depth, block)) = open.pop() {
        looked_at += 1;
        let bit = diagram.bit(edge);
        if bit >= level.end() {
            left = left.checked_sub(1)?;
            each(block, block | level.span(depth), edge);
            continue;
        }
        // What hangs on bits of another level in between is no list of values.
        if !level.holds(bit) {
            return None;
        }
        // Bits that are not asked for stand for both halves.
        let (low, high) = if bit == level.at(depth) { diagram.halves(edge) } else { (edge, edge) };
        let span = level.span(depth);
        open.push((high, depth + 1, block | (span - (span >> 1))));
        open.push((low, depth + 1, block));
    }
    Some(looked_at)
}

/// Nodes that are looked at in one step of work.
const LOOKS_A_STEP: u64 = 4;

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
        let looked_at = intervals(&self.diagram, only.0, level, most, &mut |lo, hi, rest| {
            if rest != Edge::NONE {
                ranges.push((lo, hi));
            }
        })?;
        self.spend(looked_at / LOOKS_A_STEP);
        Some(self.named(level, Set::of(ranges)))
    }

    /// Packets by the values that they can have at a level, whatever else is in the set: each group with the packets
    /// that can have those and no others. `None` where the groups are more than `most`, or the values of one are too
    /// many to list.
    pub fn choices(&mut self, space: Space, level: Level, most: usize) -> Option<Vec<(Set, Space)>> {
        let mut rest = space;
        let mut groups = Vec::new();
        while !rest.is_none() {
            if groups.len() == most {
                return None;
            }
            let values = self.choices_of_one(rest, level)?;
            let within = self.within(level, &values);
            let packets = self.without(rest, &[level]);
            let (beyond, short) = (self.minus(rest, within), self.minus(within, rest));
            let others = self.or(beyond, short);
            let others = self.without(others, &[level]);
            let group = self.minus(packets, others);
            if group.is_none() {
                return None;
            }
            groups.push((values, group));
            rest = self.minus(rest, group);
        }
        Some(groups)
    }

    /// The values that one packet of a set can have at a level.
    fn choices_of_one(&mut self, space: Space, level: Level) -> Option<Set> {
        const FEW: usize = 1 << 12;
        let mut edge = self.without(space, &[level]).0;
        let mut fixed = FxHashMap::default();
        for bit in self.diagram.support(space.0, TERMINAL) {
            if level.holds(bit) {
                continue;
            }
            let (low, high) =
                if self.diagram.bit(edge) == bit { self.diagram.halves(edge) } else { (edge, edge) };
            let goes_high = low == Edge::NONE;
            fixed.insert(bit, goes_high);
            edge = if goes_high { high } else { low };
        }
        let one = self.diagram.restrict(space.0, &fixed, &mut FxHashMap::default());
        self.listed(Space(one), level, FEW)
    }

    /// The values that packets of the set have at a level, in groups that are alike at the other one: each with the
    /// values there. `None` where they are too many to list.
    pub fn values_by(&mut self, space: Space, level: Level, other: Level) -> Option<Vec<(Set, Set)>> {
        let both = self.only(space, &[level, other]);
        let groups = if level < other { self.groups(both, level)? } else { return None };
        let groups =
            groups.into_iter().map(|(values, rest)| (self.named(level, values), self.values(rest, other)));
        Some(groups.collect())
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

    /// One of these rows; `None` of the empty set, and where a field has more values than are listed.
    pub fn first_row(&self, mut space: Space) -> Option<Row> {
        let mut row = Row::default();
        let fields: Vec<(Field, Level)> = self.layout.known_fields().collect();
        loop {
            let bit = self.diagram.bit(space.0);
            let Some((field, level)) = fields.iter().find(|(_, level)| level.holds(bit)) else {
                return (!space.is_none()).then_some(row);
            };
            let (values, rest) = self.groups(space, *level)?.into_iter().next()?;
            row.fields.push((*field, self.named(*level, values)));
            space = rest;
        }
    }

    /// The interfaces that are told from all others.
    pub fn interfaces(&self) -> Vec<u128> {
        let levels = [Field::Iif, Field::Oif].into_iter().filter_map(|field| self.level(field));
        let names = levels.filter_map(|level| self.layout.names_at(level));
        names.flat_map(Names::single).collect()
    }

    /// Values of a level, numbers of interfaces as their names.
    fn named(&self, level: Level, values: Set) -> Set {
        match self.layout.names_at(level) {
            Some(names) => names.names(&values),
            None => values,
        }
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
            row.fields.push((field, self.named(level, values)));
            self.rows_below(rest, &fields[at + 1..], row, rows, most)?;
            row.fields.pop();
        }
        Some(())
    }

    /// One packet of the set, a likely one where there is a choice; `None` of the empty set. Fields on which
    /// nothing hangs are left open.
    pub fn witness(&self, space: Space) -> Option<Packet> {
        if space.is_none() {
            return None;
        }
        let fields: Vec<(Field, Level)> = self.layout.known_fields().collect();
        let mut values: Vec<Option<u128>> = vec![None; fields.len()];
        let mut edge = space.0;
        loop {
            let bit = self.diagram.bit(edge);
            let (low, high) = self.diagram.halves(edge);
            let Some(at) = fields.iter().position(|(_, level)| level.holds(bit)) else {
                if bit == TERMINAL {
                    break;
                }
                edge = if low == Edge::NONE { high } else { low };
                continue;
            };
            let (field, level) = fields[at];
            let value = values[at].get_or_insert(wish(field) & level.last());
            let mask = 1u128 << level.number(bit);
            let high_first = wish(field) & mask != 0;
            let goes_high = if high_first { high != Edge::NONE } else { low == Edge::NONE };
            *value = if goes_high { *value | mask } else { *value & !mask };
            edge = if goes_high { high } else { low };
        }
        let protocol = fields.iter().position(|(field, _)| *field == Field::Proto).and_then(|at| values[at]);
        let mut packet = Packet::new(self.family(), protocol.map_or(proto::TCP, |protocol| protocol as u8));
        for ((field, level), value) in fields.into_iter().zip(values) {
            let Some(value) = value else { continue };
            packet.set(field, self.named(level, Set::one(value)).first()?);
        }
        Some(packet)
    }
}

/// What a likely packet has.
fn wish(field: Field) -> u128 {
    match field {
        Field::Proto => proto::TCP.into(),
        Field::Sport => 50_000,
        // Addresses that are set aside for documentation.
        Field::Src4 | Field::Dst4 => 0xcb00_7109,
        Field::Src6 | Field::Dst6 => 0x2001_0db8_0000_0009 << 64 | 9,
        Field::Iif | Field::Oif => 1,
        _ => 0,
    }
}
