//! Sets of values of one field, as sorted disjoint intervals.

use std::sync::Arc;

/// A set of field values: sorted, disjoint, non-adjacent closed intervals `[lo, hi]`.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Set {
    ranges: Arc<[(u128, u128)]>,
}

impl Set {
    /// The empty set.
    pub fn empty() -> Self {
        Self::default()
    }

    /// All values of 128 bits.
    pub fn full() -> Self {
        Self::range(0, u128::MAX)
    }

    /// One value.
    pub fn one(value: u128) -> Self {
        Self::range(value, value)
    }

    /// The closed interval `[lo, hi]`; empty where `lo > hi`.
    pub fn range(lo: u128, hi: u128) -> Self {
        if lo > hi { Self::empty() } else { Set { ranges: Arc::from([(lo, hi)]) } }
    }

    /// The union of closed intervals in any order; those with `lo > hi` are passed over.
    pub fn of(ranges: impl IntoIterator<Item = (u128, u128)>) -> Self {
        let mut ranges: Vec<(u128, u128)> = ranges.into_iter().filter(|(lo, hi)| lo <= hi).collect();
        if !ranges.is_sorted() {
            ranges.sort_unstable();
        }
        let mut merged: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
        for (lo, hi) in ranges {
            match merged.last_mut() {
                Some(last) if last.1 == u128::MAX || lo <= last.1 + 1 => last.1 = last.1.max(hi),
                _ => merged.push((lo, hi)),
            }
        }
        Set { ranges: merged.into() }
    }

    /// The ports of closed intervals.
    pub fn of_ports<'p>(ranges: impl IntoIterator<Item = &'p (u16, u16)>) -> Self {
        Set::of(ranges.into_iter().map(|(lo, hi)| (u128::from(*lo), u128::from(*hi))))
    }

    /// The values of a field of at most 16 bits that satisfy a predicate.
    pub fn where_(limit: u32, keep: impl Fn(u32) -> bool) -> Self {
        Set::of((0..=limit).filter(|v| keep(*v)).map(|v| (u128::from(v), u128::from(v))))
    }

    /// The intervals, in order.
    pub fn ranges(&self) -> &[(u128, u128)] {
        &self.ranges
    }

    /// Whether there is no value in it.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many values there are; saturates at `u128::MAX`.
    pub fn count(&self) -> u128 {
        self.ranges.iter().fold(0u128, |sum, (lo, hi)| sum.saturating_add((hi - lo).saturating_add(1)))
    }

    /// The smallest value.
    pub fn first(&self) -> Option<u128> {
        self.ranges.first().map(|(lo, _)| *lo)
    }

    /// The only value, where there is exactly one.
    pub fn single(&self) -> Option<u128> {
        match *self.ranges {
            [(lo, hi)] if lo == hi => Some(lo),
            _ => None,
        }
    }

    /// Whether a value is in it.
    pub fn contains(&self, value: u128) -> bool {
        let at = self.ranges.partition_point(|(_, hi)| *hi < value);
        self.ranges.get(at).is_some_and(|(lo, _)| *lo <= value)
    }

    /// Whether the interval `[lo, hi]` has a value in common with it.
    pub fn meets_range(&self, lo: u128, hi: u128) -> bool {
        let at = self.ranges.partition_point(|range| range.1 < lo);
        self.ranges.get(at).is_some_and(|range| range.0 <= hi)
    }

    /// Whether both have a value in common.
    pub fn meets(&self, other: &Set) -> bool {
        let (small, large) =
            if self.ranges.len() <= other.ranges.len() { (self, other) } else { (other, self) };
        small.ranges.iter().any(|(lo, hi)| large.meets_range(*lo, *hi))
    }

    /// Whether every value of `other` is in it.
    pub fn covers(&self, other: &Set) -> bool {
        other.ranges.iter().all(|(lo, hi)| {
            let at = self.ranges.partition_point(|range| range.1 < *lo);
            self.ranges.get(at).is_some_and(|range| range.0 <= *lo && *hi <= range.1)
        })
    }

    /// The values in both.
    pub fn and(&self, other: &Set) -> Set {
        let (small, large) =
            if self.ranges.len() <= other.ranges.len() { (self, other) } else { (other, self) };
        if let [(0, u128::MAX)] = *small.ranges {
            return large.clone();
        }
        let mut out = Vec::new();
        for (lo, hi) in small.ranges.iter() {
            let from = large.ranges.partition_point(|range| range.1 < *lo);
            for range in &large.ranges[from..] {
                if range.0 > *hi {
                    break;
                }
                out.push((range.0.max(*lo), range.1.min(*hi)));
            }
        }
        Set { ranges: out.into() }
    }

    /// The values in either.
    pub fn or(&self, other: &Set) -> Set {
        if self.is_empty() {
            return other.clone();
        }
        if other.is_empty() {
            return self.clone();
        }
        Set::of(self.ranges.iter().chain(other.ranges.iter()).copied())
    }

    /// The values of 128 bits that are not in it.
    pub fn not(&self) -> Set {
        let mut out = Vec::with_capacity(self.ranges.len() + 1);
        let mut next = Some(0u128);
        for (lo, hi) in self.ranges.iter() {
            if let Some(from) = next
                && from < *lo
            {
                out.push((from, lo - 1));
            }
            next = hi.checked_add(1);
        }
        if let Some(from) = next {
            out.push((from, u128::MAX));
        }
        Set { ranges: out.into() }
    }

    /// The values in it that are not in `other`.
    pub fn minus(&self, other: &Set) -> Set {
        if !self.meets(other) {
            return self.clone();
        }
        self.and(&other.not())
    }

    /// The values `v` with `v & mask` in `values`, at least those of this set, of a field whose values
    /// end at `last`; `None` where they are too many to list.
    pub fn masked(&self, mask: u128, values: &Set, last: u128) -> Option<Set> {
        const LISTED: u128 = 1 << 16;
        if self.count() <= LISTED {
            let fits = |v: &u128| values.contains(v & mask);
            return Some(Set::of(
                self.ranges.iter().flat_map(|(lo, hi)| *lo..=*hi).filter(fits).map(|v| (v, v)),
            ));
        }
        let value = values.single()?;
        // Free bits below the lowest masked one make intervals, those above make a list of them.
        let low = mask.trailing_zeros().min(127);
        let below = (1u128 << low) - 1;
        let upper = !mask & last & !below;
        if value & !mask != 0 || upper.count_ones() > 16 {
            return (value & !mask != 0).then(Set::empty);
        }
        let mut ranges = Vec::new();
        let mut bits = 0u128;
        loop {
            ranges.push((value | bits, value | bits | below));
            bits = bits.wrapping_sub(upper) & upper;
            if bits == 0 {
                return Some(Set::of(ranges));
            }
        }
    }

    /// The set with `delta` added to every value, wrapping at `bits` bits.
    pub fn shifted(&self, delta: u128, bits: u32) -> Set {
        let mask = if bits >= 128 { u128::MAX } else { (1 << bits) - 1 };
        Set::of(self.ranges.iter().flat_map(|(lo, hi)| {
            let (from, to) = (lo.wrapping_add(delta) & mask, hi.wrapping_add(delta) & mask);
            if from <= to { [(from, to), (1, 0)] } else { [(from, mask), (0, to)] }
        }))
    }
}

impl std::fmt::Debug for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.ranges.iter().map(|(lo, hi)| format!("{lo}-{hi}"))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn small() -> impl Strategy<Value = Set> {
        proptest::collection::vec((0u128..40, 0u128..6), 0..6)
            .prop_map(|v| Set::of(v.into_iter().map(|(lo, len)| (lo, lo + len))))
    }

    proptest! {
        #[test]
        fn algebra_agrees_with_membership(a in small(), b in small(), delta in 0u128..64) {
            for v in 0..64u128 {
                let (ina, inb) = (a.contains(v), b.contains(v));
                prop_assert_eq!(a.and(&b).contains(v), ina && inb);
                prop_assert_eq!(a.or(&b).contains(v), ina || inb);
                prop_assert_eq!(a.minus(&b).contains(v), ina && !inb);
                prop_assert_eq!(a.not().contains(v), !ina);
                prop_assert_eq!(a.shifted(delta, 6).contains((v + delta) % 64), ina);
            }
            prop_assert_eq!(a.meets(&b), !a.and(&b).is_empty());
            prop_assert_eq!(a.covers(&b), b.minus(&a).is_empty());
            prop_assert_eq!(a.count(), (0..64u128).filter(|v| a.contains(*v)).count() as u128);
            prop_assert_eq!(a.not().not(), a.clone());
        }
    }
}
