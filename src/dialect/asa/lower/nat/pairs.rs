//! Which address becomes which.

use super::super::{Alternative, Lower};
use super::{Range, Side};
use crate::model::{NatAddr, NatPort};
use crate::packet::Family;

/// Pieces into which a static translation may be cut; beyond, which address a packet gets counts as open.
const PIECES: usize = 64;

/// Real and mapped intervals that belong together, and whether each address has its own counterpart.
pub(super) fn pairs(real: &Side, mapped: &Side, identity: bool) -> Vec<(Range, Range, bool)> {
    let any = |family: Family| (family, 0, family.last());
    let (reals, maps) = match (&real.ranges, &mapped.ranges) {
        (Some(reals), Some(maps)) => (reals, maps),
        (Some(reals), None) => return reals.iter().map(|range| (*range, any(range.0), false)).collect(),
        (None, Some(maps)) => return maps.iter().map(|range| (any(range.0), *range, false)).collect(),
        (None, None) => return vec![(any(Family::V4), any(Family::V4), false)],
    };
    if identity {
        return reals.iter().map(|range| (*range, *range, true)).collect();
    }
    let size = |ranges: &[Range]| {
        ranges.iter().fold(0u128, |sum, (_, lo, hi)| sum.saturating_add((hi - lo).saturating_add(1)))
    };
    let families = |ranges: &[Range]| ranges.iter().all(|(family, ..)| *family == ranges[0].0);
    let plain =
        !reals.is_empty() && !maps.is_empty() && families(reals) && families(maps) && reals[0].0 == maps[0].0;
    if plain
        && size(reals) == size(maps)
        && let Some(cut) = cut(reals, maps)
    {
        return cut;
    }
    // Few to many or many to few: which one it is stays open.
    let mut out = Vec::new();
    for real in reals {
        for mapped in maps.iter().filter(|mapped| mapped.0 == real.0) {
            out.push((*real, *mapped, false));
        }
    }
    out.truncate(PIECES * PIECES);
    out
}

/// Cuts two lists of the same length into blocks that are networks on both sides.
fn cut(reals: &[Range], maps: &[Range]) -> Option<Vec<(Range, Range, bool)>> {
    let mut out = Vec::new();
    let (mut reals, mut maps) = (reals.iter().copied(), maps.iter().copied());
    let (mut real, mut mapped) = (reals.next()?, maps.next()?);
    loop {
        let len = (real.2 - real.1).min(mapped.2 - mapped.1);
        let aligned = |at: u128, block: u128| at & block == 0;
        let mut block = 0u128;
        while let Some(double) = block.checked_mul(2).and_then(|twice| twice.checked_add(1))
            && double <= len
            && aligned(real.1, double)
            && aligned(mapped.1, double)
        {
            block = double;
        }
        out.push(((real.0, real.1, real.1 + block), (mapped.0, mapped.1, mapped.1 + block), true));
        if out.len() > PIECES {
            return None;
        }
        let next = |range: Range, more: &mut dyn Iterator<Item = Range>| {
            if range.1 + block == range.2 {
                more.next()
            } else {
                Some((range.0, range.1 + block + 1, range.2))
            }
        };
        match (next(real, &mut reals), next(mapped, &mut maps)) {
            (Some(r), Some(m)) => (real, mapped) = (r, m),
            _ => return Some(out),
        }
    }
}

/// A dynamic translation takes any address of the pool.
pub(super) fn dynamic_pairs(real: &Side, mapped: &Side) -> Vec<(Range, Range, bool)> {
    let reals = real.ranges.clone().unwrap_or_else(|| vec![(Family::V4, 0, Family::V4.last())]);
    let mut out = Vec::new();
    for real in reals {
        let pool = mapped.ranges.as_ref().and_then(|maps| {
            let same: Vec<_> = maps.iter().filter(|mapped| mapped.0 == real.0).collect();
            let lo = same.iter().map(|range| range.1).min()?;
            let hi = same.iter().map(|range| range.2).max()?;
            Some((real.0, lo, hi))
        });
        out.push((real, pool.unwrap_or((real.0, 0, real.0.last())), false));
    }
    out
}

pub(super) fn family_of(range: &Range) -> Family {
    range.0
}

pub(super) fn is_single(range: &Range) -> bool {
    range.1 == range.2
}

/// What a side can be, in one family; no side at all is everything.
pub(super) fn other_side(side: Option<&Side>, family: Family) -> Vec<Alternative> {
    match side {
        Some(side) => Lower::alternatives(&side.set, family),
        None => vec![Alternative::All],
    }
}

/// How an address becomes one of `to`.
pub(super) fn address_map(to: &Range, exact: bool) -> NatAddr {
    let (family, lo, hi) = *to;
    let host = hi - lo;
    if exact && host > 0 && host & host.wrapping_add(1) == 0 && lo & host == 0 {
        return NatAddr::Prefix(family, lo, family.bits() - host.trailing_ones());
    }
    if lo == 0 && hi == family.last() { NatAddr::Unknown } else { NatAddr::Pool(family, lo, hi) }
}

pub(super) fn port_map(from: (u16, u16), to: (u16, u16)) -> NatPort {
    if from == to {
        NatPort::Keep
    } else if to.0 == to.1 {
        NatPort::Pool(to.0, to.1)
    } else if to.1 - to.0 == from.1.saturating_sub(from.0) {
        NatPort::Shift(to.0.wrapping_sub(from.0))
    } else {
        NatPort::Pool(to.0, to.1)
    }
}
