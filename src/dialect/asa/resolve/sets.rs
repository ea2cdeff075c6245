//! Addresses and services as sets, and their unions.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::packet::{Family, Field, Set, proto};

/// Holes in a mask up to which its addresses are written out as intervals.
const MASK_INTERVALS: u32 = 12;

/// Addresses, as far as they are known.
#[derive(Clone, Default, Debug)]
pub(in super::super) struct Addresses {
    /// IPv4.
    pub v4: Set,
    /// IPv6.
    pub v6: Set,
    /// IPv4 addresses by mask and masked value, where intervals would be too many.
    pub masked: Vec<(u32, u32)>,
    /// What else may belong to it.
    pub unknown: Vec<Unknown>,
}

impl Addresses {
    /// Whether they are everybody: half of all addresses are, as `128.0.0.0` for a mask is a slip.
    pub(in super::super) fn is_most(&self) -> bool {
        self.v4.count() > Family::V4.last() / 2 || self.v6.count() > Family::V6.last() / 2
    }
}

/// Addresses that the files do not tell.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(in super::super) struct Unknown {
    /// What they are, as conditions name it: `fqdn www.example.com`.
    pub name: String,
    /// Whether it can be IPv4.
    pub v4: bool,
    /// Whether it can be IPv6.
    pub v6: bool,
}

impl Unknown {
    pub(in super::super) fn both(name: impl Into<String>) -> Unknown {
        Unknown { name: name.into(), v4: true, v6: true }
    }
}

/// A part of a service that the files do not tell: the name of the condition, and what it looks at.
pub(in super::super) type Untold = (String, &'static [Field]);

/// All that a service looks at.
pub(super) const SERVICE: &[Field] =
    &[Field::Proto, Field::Sport, Field::Dport, Field::IcmpType, Field::IcmpCode];

/// A product that counts where all of some conditions hold.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(in super::super) struct Guess {
    /// What is known.
    pub product: Product,
    /// What is not.
    pub conditions: Vec<Untold>,
}

impl Guess {
    pub(super) fn of(name: impl Into<String>, about: &'static [Field]) -> Guess {
        Guess { product: Product::default(), conditions: vec![(name.into(), about)] }
    }
}

/// Products of protocol, ports and ICMP type; `None` is open.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub(in super::super) struct Product {
    /// Protocols.
    pub protocol: Option<Set>,
    /// Source ports.
    pub source: Option<Set>,
    /// Destination ports.
    pub destination: Option<Set>,
    /// ICMP types.
    pub icmp_type: Option<Set>,
    /// ICMP codes.
    pub icmp_code: Option<Set>,
}

/// What services an entry is about.
#[derive(Clone, Default, Debug)]
pub(in super::super) struct Services {
    /// The union of these.
    pub products: Vec<Product>,
    /// What else may belong to it.
    pub guesses: Vec<Guess>,
}

impl Services {
    pub(super) fn guess(name: impl Into<String>, about: &'static [Field]) -> Services {
        Services { products: Vec::new(), guesses: vec![Guess::of(name, about)] }
    }
}

pub(in super::super) fn tcp_udp() -> Set {
    Set::of([(proto::TCP.into(), proto::TCP.into()), (proto::UDP.into(), proto::UDP.into())])
}

/// A set and what else may belong to it.
#[derive(Clone, Default, Debug)]
pub(super) struct Partly {
    pub set: Set,
    pub unknown: Option<String>,
}

/// Leaves of each product what is in a set, and beside it what may be in the part of it that is unknown.
pub(super) fn narrow(
    all: &mut Vec<Guess>,
    part: &Partly,
    about: &'static [Field],
    cut: impl Fn(&mut Product, &Set),
) {
    let untold = part.unknown.as_ref().map(|name| {
        let mut guesses = all.clone();
        guesses.iter_mut().for_each(|guess| guess.conditions.push((name.clone(), about)));
        guesses
    });
    if untold.is_some() && part.set.is_empty() {
        all.clear();
    }
    all.iter_mut().for_each(|guess| cut(&mut guess.product, &part.set));
    all.extend(untold.into_iter().flatten());
}

pub(super) fn meet(side: &mut Option<Set>, set: &Set) {
    *side = Some(side.as_ref().map_or_else(|| set.clone(), |old| old.and(set)));
}

/// All of some protocols.
pub(super) fn of_protocols(set: Set) -> Services {
    Services { products: vec![Product { protocol: Some(set), ..Product::default() }], guesses: Vec::new() }
}

/// The addresses of a network; a mask with holes gives several intervals.
pub(super) fn net(out: &mut Addresses, address: u32, mask: u32) {
    let value = address & mask;
    // Below the lowest set bit of the mask the addresses are one interval; each hole above doubles them.
    let low = mask.trailing_zeros();
    let span = 1u64.checked_shl(low).unwrap_or(1 << 32) - 1;
    let holes = !mask & !(span as u32);
    if holes.count_ones() > MASK_INTERVALS {
        out.masked.push((mask, value));
        return;
    }
    let mut ranges = Vec::new();
    let mut bits = 0u32;
    loop {
        let lo = u128::from(value | bits);
        ranges.push((lo, lo + u128::from(span)));
        // The next subset of the holes.
        bits = bits.wrapping_sub(holes) & holes;
        if bits == 0 {
            break;
        }
    }
    out.v4 = Set::of(ranges);
}

pub(super) fn union(parts: Vec<Addresses>) -> Addresses {
    let mut masked: Vec<_> = parts.iter().flat_map(|part| part.masked.iter().copied()).collect();
    masked.sort_unstable();
    masked.dedup();
    let mut unknown = Vec::new();
    let mut seen: FxHashSet<&Unknown> = FxHashSet::default();
    unknown
        .extend(parts.iter().flat_map(|part| &part.unknown).filter(|unknown| seen.insert(unknown)).cloned());
    Addresses {
        v4: Set::of(parts.iter().flat_map(|part| part.v4.ranges().iter().copied())),
        v6: Set::of(parts.iter().flat_map(|part| part.v6.ranges().iter().copied())),
        masked,
        unknown,
    }
}

/// Closed intervals in any order.
type Ranges = Vec<(u128, u128)>;

/// Products that differ in one side only become one.
pub(super) fn merged(products: Vec<Product>) -> Vec<Product> {
    let by_destination = fold(
        products,
        |product| std::mem::take(&mut product.destination),
        |product, side| {
            product.destination = side;
        },
    );
    let by_source = fold(
        by_destination,
        |product| std::mem::take(&mut product.source),
        |product, side| product.source = side,
    );
    fold(by_source, |product| std::mem::take(&mut product.protocol), |product, side| product.protocol = side)
}

fn fold(
    products: Vec<Product>,
    take: impl Fn(&mut Product) -> Option<Set>,
    put: impl Fn(&mut Product, Option<Set>),
) -> Vec<Product> {
    let mut places: FxHashMap<Product, usize> = FxHashMap::default();
    let mut sides: Vec<(Product, Option<Ranges>)> = Vec::new();
    for mut product in products {
        let side = take(&mut product);
        let at = *places.entry(product.clone()).or_insert_with(|| {
            sides.push((product, Some(Vec::new())));
            sides.len() - 1
        });
        match (side, &mut sides[at].1) {
            (Some(set), Some(ranges)) => ranges.extend_from_slice(set.ranges()),
            (None, ranges) => *ranges = None,
            (Some(_), None) => {}
        }
    }
    let mut out = Vec::with_capacity(sides.len());
    for (mut product, ranges) in sides {
        put(&mut product, ranges.map(Set::of));
        out.push(product);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Family;

    #[test]
    fn masks_with_holes_select_by_bits() {
        let mut out = Addresses::default();
        net(&mut out, 0x0a00_0500, 0xff00_ff00);
        assert_eq!(out.v4.ranges().len(), 256);
        assert!(out.v4.contains(0x0a07_05ff) && !out.v4.contains(0x0a07_06ff));
        let mut out = Addresses::default();
        net(&mut out, 0x0a00_0100, 0x0000_00ff);
        assert!(out.v4.is_empty());
        assert_eq!(out.masked, vec![(0xff, 0)]);
        let mut out = Addresses::default();
        net(&mut out, 0, 0);
        assert_eq!(out.v4, Set::range(0, Family::V4.last()));
    }

    #[test]
    fn products_merge_side_by_side() {
        let one = |protocol: u128, port: u128| Product {
            protocol: Some(Set::one(protocol)),
            destination: Some(Set::one(port)),
            ..Product::default()
        };
        let all = merged(vec![one(6, 80), one(17, 80), one(6, 81), one(17, 81)]);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].protocol, Some(tcp_udp()));
        assert_eq!(all[0].destination, Some(Set::range(80, 81)));
    }
}
