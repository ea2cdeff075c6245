//! Networks of addresses.

use std::net::IpAddr;

use super::{Family, Set};

/// A network: an address and the number of its leading bits that count.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Prefix {
    /// The address; bits after `length` may be set where it is also an interface's own address.
    pub address: IpAddr,
    /// 0-32 for IPv4, 0-128 for IPv6.
    pub length: u8,
}

impl Prefix {
    /// The network that is one address.
    pub fn host(address: IpAddr) -> Prefix {
        Prefix { address, length: if address.is_ipv4() { 32 } else { 128 } }
    }

    /// The network of so many bits that an address is in.
    pub(crate) fn around(family: Family, number: u128, length: u8) -> Prefix {
        Prefix { address: family.address(family.prefix(number, length.into()).0), length }
    }

    /// The network that a closed interval of addresses is, if it is one.
    pub(crate) fn of_range(family: Family, low: u128, high: u128) -> Option<Prefix> {
        let length = (low ^ high).leading_zeros() + family.bits() - 128;
        (family.prefix(low, length) == (low, high))
            .then(|| Prefix { address: family.address(low), length: length as u8 })
    }

    /// The fewest networks that make up a set of addresses.
    pub(crate) fn of_set(family: Family, set: &Set) -> Vec<Prefix> {
        let mut found = Vec::new();
        for (low, high) in set.ranges() {
            let mut next = Some(*low);
            while let Some(from) = next.filter(|from| from <= high) {
                let fits = |length: &u32| {
                    let (base, last) = family.prefix(from, *length);
                    base == from && last <= *high
                };
                let length = (0..=family.bits()).find(fits).unwrap_or(family.bits());
                found.push(Prefix::around(family, from, length as u8));
                next = family.prefix(from, length).1.checked_add(1);
            }
        }
        found
    }

    /// The same with all bits after the length cut off.
    pub(crate) fn network(&self) -> Prefix {
        let (family, number) = Family::of(self.address);
        Prefix::around(family, number, self.length)
    }

    /// Whether an address is in the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        Prefix { address, length: self.length }.network() == self.network()
    }
}

impl std::fmt::Display for Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}
