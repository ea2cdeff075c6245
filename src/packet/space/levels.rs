//! In which order a set of packets asks for what: fields, what translation made of them, variables.

use std::ops::Range;

use crate::packet::{Cuts, FIELDS, Family, Field, Set};

/// A number of bits, from the most significant one, each as far from the next: a field, or a variable.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Level {
    start: u32,
    width: u32,
    /// 1 where the bits are neighbours. Bits of values that are copied into each other stand in turns: that two of
    /// them are equal is then a small set.
    step: u32,
}

impl Level {
    /// Neighbouring bits.
    pub(super) fn new(start: u32, width: u32) -> Self {
        Level { start, width, step: 1 }
    }

    pub(super) fn holds(self, bit: u32) -> bool {
        self.start <= bit && bit < self.end() && (bit - self.start).is_multiple_of(self.step)
    }

    /// The place of a bit, counted from the most significant one; the first one is where the level begins.
    pub(super) fn at(self, depth: u32) -> u32 {
        self.start + depth * self.step
    }

    /// The first place behind all of its bits.
    pub(super) fn end(self) -> u32 {
        if self.width == 0 { self.start } else { self.at(self.width - 1) + 1 }
    }

    /// Which of its bits stands at a place, counted from the least significant one.
    pub(super) fn number(self, bit: u32) -> u32 {
        self.width - 1 - (bit - self.start) / self.step
    }

    /// The low bits from a depth on, all set: the size of a block less one.
    pub(super) fn span(self, depth: u32) -> u128 {
        let left = self.width - depth;
        if left >= 128 { u128::MAX } else { (1 << left) - 1 }
    }

    /// The largest value.
    pub fn last(self) -> u128 {
        self.span(0)
    }

    /// How many bits it has.
    pub fn bits(self) -> u32 {
        self.width
    }

    /// One of its bits, counted from the least significant one.
    pub fn bit(self, number: u32) -> Level {
        Level::new(self.at(self.width - 1 - number), 1)
    }
}

/// What can be another one at each firewall on a path: translation rewrites it, or it belongs to the firewall.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Side {
    /// The interface by which packets come in.
    Iif,
    /// The interface by which they leave.
    Oif,
    /// The source address.
    Src,
    /// The destination address.
    Dst,
    /// The source port.
    Sport,
    /// The destination port.
    Dport,
}

impl Side {
    /// The side of a field, where it has one.
    pub fn of(field: Field) -> Option<Side> {
        Some(match field {
            Field::Iif => Side::Iif,
            Field::Oif => Side::Oif,
            Field::Src4 | Field::Src6 => Side::Src,
            Field::Dst4 | Field::Dst6 => Side::Dst,
            Field::Sport => Side::Sport,
            Field::Dport => Side::Dport,
            _ => return None,
        })
    }
}

const SIDES: usize = Side::Dport as usize + 1;

/// Bits of variables: below all fields, but for those that rules set, which have the bits from there to the last.
pub(super) const VARIABLES: Range<u32> = 0xa000..0xa000 + 0x4000;

/// Where variables of one bit grow upwards from, and those of several bits downwards.
pub(super) const MIDDLE: u32 = VARIABLES.start + 0x2000;

/// Bits of a mark.
const MARK_BITS: u32 = 32;

/// Firewalls on one path whose translations have levels of their own.
const HOPS: usize = 8;

/// Where everything stands for packets of one family.
pub(super) struct Layout {
    pub family: Family,
    fields: [Option<Level>; FIELDS],
    rewritten: [[Level; HOPS]; SIDES],
    /// The first bit of the fields that count as unknown beforehand.
    pub unknown_from: u32,
    /// The mark that packets came with, for who wants to know it after it was overwritten.
    pub mark_came: Level,
    unknown: Vec<(Level, Field)>,
    names: Names,
    /// Variables that stand for interface names.
    pub named: Vec<Level>,
}

/// The next level, so many bits wide.
fn take(next: &mut u32, width: u32) -> Level {
    let level = Level::new(*next, width);
    *next += width;
    level
}

impl Layout {
    pub(super) fn new(family: Family, names: impl IntoIterator<Item = Set>) -> Self {
        let names = Names::new(names);
        let mut layout = Layout {
            family,
            fields: [None; FIELDS],
            rewritten: [[Level::new(0, 0); HOPS]; SIDES],
            unknown_from: 0,
            mark_came: Level::new(0, 0),
            unknown: Vec::new(),
            names,
            named: Vec::new(),
        };
        let (mut next, mut below) = (0, VARIABLES.end);
        // Marks are copied to and from connections.
        let marks = take(&mut below, 3 * MARK_BITS).start;
        let [mark, ct_mark, came] =
            [0, 1, 2].map(|at| Level { start: marks + at, width: MARK_BITS, step: 3 });
        layout.mark_came = came;
        layout.place_fields_of_packets(&mut next);
        layout.unknown_from = next;
        for field in Field::ALL {
            let alien = field.family().is_some_and(|f| f != family) || field == Field::Version;
            if alien || layout.fields[field as usize].is_some() {
                continue;
            }
            let width = layout.width(field);
            let level = match field {
                Field::Mark => mark,
                Field::CtMark => ct_mark,
                // What rules set hangs on everything else.
                Field::Tag | Field::Dnat | Field::Snat => take(&mut below, width),
                _ => take(&mut next, width),
            };
            layout.unknown.push((level, field));
            layout.fields[field as usize] = Some(level);
        }
        layout
    }

    /// What nearly all rules look at, with the places of what translation makes of it.
    fn place_fields_of_packets(&mut self, next: &mut u32) {
        let family = self.family;
        self.fields[Field::State as usize] = Some(take(next, 3));
        let ends = [(Side::Dst, Field::dst(family)), (Side::Src, Field::src(family))];
        for (side, field) in [(Side::Iif, Field::Iif), (Side::Oif, Field::Oif)].into_iter().chain(ends) {
            let width = self.width(field);
            self.rewritten[side as usize] = [(); HOPS].map(|()| take(next, width));
            self.fields[field as usize] = Some(take(next, width));
        }
        self.fields[Field::Proto as usize] = Some(take(next, 8));
        for (side, field) in [(Side::Dport, Field::Dport), (Side::Sport, Field::Sport)] {
            self.rewritten[side as usize] = [(); HOPS].map(|()| take(next, 16));
            self.fields[field as usize] = Some(take(next, 16));
        }
        for field in [Field::IcmpType, Field::IcmpCode, Field::TcpFlags] {
            self.fields[field as usize] = Some(take(next, 8));
        }
    }

    pub(super) fn width(&self, field: Field) -> u32 {
        match field {
            Field::Iif | Field::Oif => self.names.width(),
            Field::Src4 | Field::Dst4 | Field::Src6 | Field::Dst6 => self.family.bits(),
            // One more value, for a packet that has none.
            Field::TcpMss => 17,
            _ => 128 - field.last().leading_zeros(),
        }
    }

    pub(super) fn field(&self, field: Field) -> Option<Level> {
        self.fields[field as usize]
    }

    pub(super) fn rewritten(&self, side: Side, hop: usize) -> Option<Level> {
        self.rewritten[side as usize].get(hop).copied()
    }

    /// The bits of addresses and ports that translation has rewritten.
    pub(super) fn translated(&self) -> [Range<u32>; 4] {
        [Side::Src, Side::Dst, Side::Sport, Side::Dport].map(|side| {
            let levels = &self.rewritten[side as usize];
            let (first, last) = (levels[0], levels[HOPS - 1]);
            first.start..last.end()
        })
    }

    /// The names that the values of a level stand for, where it is one of interfaces.
    pub(super) fn names_at(&self, level: Level) -> Option<&Names> {
        let of = |field: Field| self.fields[field as usize] == Some(level);
        let later = |side: Side| self.rewritten[side as usize].contains(&level);
        let variable = self.named.contains(&level);
        let named = variable || of(Field::Iif) || of(Field::Oif) || later(Side::Iif) || later(Side::Oif);
        named.then_some(&self.names)
    }

    /// The field of a bit that counts as unknown beforehand.
    pub(super) fn unknown_field(&self, bit: u32) -> Option<Field> {
        self.unknown.iter().find(|(level, _)| level.holds(bit)).map(|(_, field)| *field)
    }

    /// The field of a bit that stands for the interface at some firewall.
    pub(super) fn interface_field(&self, bit: u32) -> Option<Field> {
        [(Field::Iif, Side::Iif), (Field::Oif, Side::Oif)].into_iter().find_map(|(field, side)| {
            let own = self.fields[field as usize].is_some_and(|level| level.holds(bit));
            let later = self.rewritten[side as usize].iter().any(|level| level.holds(bit));
            (own || later).then_some(field)
        })
    }

    /// The fields that have a level, with it, in order.
    pub(super) fn known_fields(&self) -> impl Iterator<Item = (Field, Level)> + '_ {
        let mut all: Vec<(Field, Level)> =
            Field::ALL.into_iter().filter_map(|field| Some((field, self.fields[field as usize]?))).collect();
        all.sort_by_key(|(_, level)| *level);
        all.into_iter()
    }
}

/// Interface names in classes: two names that no set tells apart have one number.
pub(super) struct Names {
    /// The first name of each class, sorted; the first is 0.
    starts: Vec<u128>,
}

impl Names {
    fn new(sets: impl IntoIterator<Item = Set>) -> Self {
        let mut cuts = Cuts::default();
        cuts.around(0, 0);
        sets.into_iter().for_each(|set| cuts.of(&set));
        Names { starts: cuts.starts() }
    }

    fn width(&self) -> u32 {
        usize::BITS - (self.starts.len() - 1).leading_zeros()
    }

    /// Names that are told from all others.
    pub(super) fn single(&self) -> impl Iterator<Item = u128> {
        self.starts.windows(2).filter(|pair| pair[0] != 0 && pair[0] + 1 == pair[1]).map(|pair| pair[0])
    }

    /// The classes of the names in a set; `None` where the set parts a class.
    pub(super) fn numbers(&self, set: &Set) -> Option<Set> {
        let number = |name: u128| self.starts.partition_point(|start| *start <= name) - 1;
        let parts = |name: u128| self.starts.binary_search(&name).is_err();
        if set.ranges().iter().any(|(lo, hi)| parts(*lo) || hi.checked_add(1).is_some_and(parts)) {
            return None;
        }
        // The last class stands for all numbers that are left, so that every number is a name.
        let end = |class: usize| if class + 1 == self.starts.len() { u128::MAX } else { class as u128 };
        Some(Set::of(set.ranges().iter().map(|(lo, hi)| (number(*lo) as u128, end(number(*hi))))))
    }

    /// The names of the classes in a set.
    pub(super) fn names(&self, set: &Set) -> Set {
        let last = self.starts.len() - 1;
        let first = |class: u128| self.starts[(class as usize).min(last)];
        let end = |class: u128| match self.starts.get(class.min(last as u128) as usize + 1) {
            Some(next) => next - 1,
            None => u128::MAX,
        };
        Set::of(set.ranges().iter().map(|(lo, hi)| (first(*lo), end(*hi))))
    }
}
