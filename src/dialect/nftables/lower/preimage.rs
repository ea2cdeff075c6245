//! Which values of a field a lens shows as values of a set.

use super::lens::{Lens, View};
use crate::packet::{Field, Set};

/// Values in intervals that are turned over one by one, at the most.
const MOST_TURNED: u128 = 256;

/// The field and the values of it that a lens shows as values of a set; `None` where that is no set
/// of intervals of one field.
pub(super) fn preimage(lens: &Lens, set: &Set) -> Option<(Field, Set)> {
    match &lens.view {
        View::Field(field) => field_preimage(lens, *field, set).map(|set| (*field, set)),
        View::Coded(field, codes) => {
            let shown = |code: u128| set.contains(lens.shows(code));
            let values = codes.iter().filter(|(code, _)| shown(*code)).map(|(_, value)| (*value, *value));
            Some((*field, Set::of(values)))
        }
        View::Plus(field, more) if lens.is_plain() => {
            let values =
                set.ranges().iter().map(|(lo, hi)| (lo.saturating_add(*more), hi.saturating_add(*more)));
            Some((*field, Set::of(values)))
        }
        _ => None,
    }
}

/// A mask, and the values under it that a lens shows as values of a set; `None` where bits are turned over in
/// long intervals.
pub(super) fn masked_preimage(lens: &Lens, set: &Set) -> Option<(u128, Set)> {
    let ranges: Vec<(u128, u128)> = match lens.shift {
        places if places >= 0 => {
            let up = |value: u128| value.checked_mul(1u128.checked_shl(places as u32)?);
            let ranges = set.ranges().iter();
            ranges.filter_map(|(lo, hi)| Some((up(*lo)?, up(*hi).unwrap_or(u128::MAX)))).collect()
        }
        places => {
            let step = 1u128.checked_shl(places.unsigned_abs())?;
            let ranges = set.ranges().iter().map(|(lo, hi)| (lo.div_ceil(step), hi / step));
            ranges.filter(|(lo, hi)| lo <= hi).collect()
        }
    };
    // What is shifted out is not looked at.
    let kept = u128::MAX.checked_shl(lens.shift.max(0) as u32).unwrap_or(0);
    let (mask, flip) = (lens.mask & kept, lens.flip & kept);
    if flip == 0 {
        return Some((mask, Set::of(ranges)));
    }
    let count = ranges.iter().fold(0u128, |count, (lo, hi)| count.saturating_add(hi - lo).saturating_add(1));
    let turned = || Set::of(ranges.iter().flat_map(|(lo, hi)| *lo..=*hi).map(|v| (v ^ flip, v ^ flip)));
    (count <= MOST_TURNED).then(|| (mask, turned()))
}

fn field_preimage(lens: &Lens, field: Field, set: &Set) -> Option<Set> {
    if lens.is_plain() {
        return Some(set.clone());
    }
    if field.last() <= 0xffff {
        let shown = |value: u32| set.contains(lens.shows(value.into()));
        return Some(Set::where_(field.last() as u32, shown));
    }
    // A mask of leading bits keeps intervals intervals.
    let dropped = lens.spec.last() & !lens.mask;
    if lens.flip != 0 || lens.shift != 0 || dropped & dropped.wrapping_add(1) != 0 {
        return None;
    }
    let values = set.ranges().iter().filter_map(|(lo, hi)| {
        let first = lo.checked_add(dropped)? & !dropped;
        (first <= *hi).then_some((first, (*hi & !dropped) | dropped))
    });
    Some(Set::of(values))
}
