//! Marks that are copied between packet and connection.

use crate::analysis::Cond;
use crate::analysis::rewrite::copy_mark;
use crate::analysis::walk::Walk;
use crate::model::{RuleId, Ruleset, Step, Test};
use crate::packet::{Field, Value};

use super::Interpreter;

/// Ways on which a packet goes on after one copy.
const FEW_WAYS: usize = 64;
/// Values that are looked at one by one.
const FEW_VALUES: u128 = 1 << 12;

/// An interval of values.
type Interval = (u128, u128);

impl Interpreter<'_> {
    /// Copies the bits of a mark that are in `mask`. Where nobody knows what is copied, the intervals of its values that
    /// rules tell apart go on as ways of their own.
    pub(super) fn copy_mark(
        &mut self,
        walk: &mut Walk,
        place: (RuleId, usize),
        (from, to): (Field, Field),
        mask: u32,
    ) {
        let Some(ways) = self.copies(walk, (from, to), mask) else {
            return copy_mark(&mut walk.packet, from, to, mask);
        };
        if ways.len() > 1 {
            walk.conds.add(Cond::Field(from));
        }
        let take = |walk: &mut Walk, (source, target): &(Interval, Interval)| {
            walk.packet.set_among(from, source.0, source.1);
            walk.packet.set_among(to, target.0, target.1);
        };
        let Some((first, others)) = ways.split_first() else { return };
        for way in others {
            let mut other = walk.clone();
            take(&mut other, way);
            other.resume = Some((place.0, place.1 + 1));
            self.put_off(other);
        }
        take(walk, first);
    }

    /// What is copied and what comes of it; `None` where it is known, or where there are more ways than are followed.
    fn copies(
        &self,
        walk: &Walk,
        (from, to): (Field, Field),
        mask: u32,
    ) -> Option<Vec<(Interval, Interval)>> {
        let Value::Among(lo, hi) = walk.packet.get(from) else { return None };
        let whole = mask == u32::MAX;
        let old = match walk.packet.get(to) {
            Value::Absent => return None,
            Value::Known(old) => old,
            Value::Among(..) if whole => 0,
            Value::Among(..) => return None,
        };
        let mask = u128::from(mask);
        let mut ways = Vec::new();
        for source in self.told_apart(lo, hi) {
            match whole {
                true => ways.push((source, source)),
                false => {
                    let results = bits_of(source, mask)?.into_iter().map(|bits| (old & !mask) | bits);
                    ways.extend(results.map(|result| (source, (result, result))));
                }
            }
            if ways.len() > FEW_WAYS {
                return None;
            }
        }
        Some(ways)
    }

    /// The parts of an interval of which rules tell no values of marks apart.
    fn told_apart(&self, lo: u128, hi: u128) -> Vec<Interval> {
        let starts = self.marks.get_or_init(|| starts(self.rules));
        let inside = starts.iter().copied().filter(|start| lo < *start && *start <= hi);
        let starts: Vec<u128> = std::iter::once(lo).chain(inside).collect();
        let ends = starts.iter().skip(1).map(|start| start - 1).chain([hi]);
        starts.iter().copied().zip(ends).collect()
    }
}

/// The bits in a mask that the values of an interval have; `None` where they are too many, or too many to look at.
fn bits_of((lo, hi): Interval, mask: u128) -> Option<Vec<u128>> {
    let count = hi - lo + 1;
    let mut bits: Vec<u128> = if count <= FEW_VALUES {
        (lo..=hi).map(|value| value & mask).collect()
    } else if mask.count_ones() <= FEW_WAYS.ilog2() && count > mask << 1 {
        // All of them: what is between the bits of the mask does not matter.
        let mut bits = vec![0];
        for bit in (0..u32::BITS).map(|at| 1 << at).filter(|bit| mask & bit != 0) {
            bits.extend(bits.clone().into_iter().map(|other| other | bit));
        }
        bits
    } else {
        return None;
    };
    bits.sort_unstable();
    bits.dedup();
    Some(bits)
}

/// Where intervals of marks begin that rules tell apart, of packets and connections alike: one is copied to the other.
fn starts(rules: &Ruleset) -> Vec<u128> {
    let is_mark = |field: &Field| matches!(field, Field::Mark | Field::CtMark);
    let mut starts: Vec<u128> = Vec::new();
    let mut cut = |lo: u128, hi: u128| starts.extend([lo, hi.saturating_add(1)]);
    for step in &rules.steps {
        if let Step::Test(Test::In { field, values, .. }) = step
            && is_mark(field)
        {
            rules.values(*values).ranges().iter().for_each(|(lo, hi)| cut(*lo, *hi));
        }
    }
    for map in rules.maps.iter().filter(|map| map.fields.iter().any(is_mark)) {
        map.index.iter().for_each(|(lo, hi, _)| cut(*lo, *hi));
    }
    starts.sort_unstable();
    starts.dedup();
    starts
}
