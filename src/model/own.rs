//! What is known of the box's own addresses.

use super::Ruleset;
use crate::packet::{Family, Set};

/// An address of the box itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnAddress {
    /// The interface's name; empty where it is not known which it is.
    pub interface: String,
    /// Family of the address.
    pub family: Family,
    /// The address.
    pub address: u128,
    /// Length of its prefix in bits.
    pub prefix: u32,
}

/// The anycast addresses of the routers of the box's networks in IPv6 (RFC 4291, 2.6.1), where they are not addresses
/// of its own already: Linux takes them for its own where it forwards (`addrconf_join_anycast` of `addrconf.c`).
pub fn routers_anycast(own: &[OwnAddress]) -> Set {
    let ours = own.iter().filter(|own| own.family == Family::V6);
    let addresses = Set::of(ours.clone().map(|own| (own.address, own.address)));
    let first = ours.filter(|own| (1..=126).contains(&own.prefix)).map(|own| {
        let (first, _) = Family::V6.prefix(own.address, own.prefix);
        (first, first)
    });
    Set::of(first).minus(&addresses)
}

impl Ruleset {
    /// The box's own addresses of a family as far as they are known; loopback addresses always are.
    pub fn own_set(&self, family: Family) -> Set {
        let loopback = match family {
            Family::V4 => (0x7f00_0000, 0x7fff_ffff),
            Family::V6 => (1, 1),
        };
        let listed = self.own.iter().filter(|own| own.family == family).map(|own| (own.address, own.address));
        let own = Set::of(listed.chain([loopback]));
        if family == Family::V6 && self.answers_for_routers {
            own.or(&routers_anycast(&self.own))
        } else {
            own
        }
    }

    /// The addresses whose packets the box keeps, as far as they are known: its own, and in IPv4 the broadcast
    /// addresses of its networks and of all (`fib_add_ifaddr` and `ip_route_input_slow` of Linux 6.x).
    pub fn delivered_set(&self, family: Family) -> Set {
        let own = self.own_set(family);
        if family == Family::V6 {
            return own;
        }
        let networks = self.own.iter().filter(|own| own.family == family && own.prefix < 31);
        let broadcasts = networks.map(|own| {
            let (_, last) = family.prefix(own.address, own.prefix);
            (last, last)
        });
        own.or(&Set::of(broadcasts.chain([(family.last(), family.last())])))
    }

    /// The addresses at which a translated destination makes a packet one for the box: those, and those of groups, which
    /// nothing but a multicast router forwards (`ip_route_input_mc` and `ip6_mc_input` of Linux 6.x).
    pub fn turned_here(&self, family: Family) -> Set {
        self.delivered_set(family).or(&family.multicast())
    }

    /// The addresses that are known to be of others.
    pub(crate) fn elsewhere_set(&self, family: Family) -> Set {
        let elsewhere = self.elsewhere.iter().filter(|(of, _)| *of == family);
        Set::of(elsewhere.map(|(_, address)| (*address, *address)))
    }

    /// Whether an address from `[lo, hi]` is one of the box's own ([`Ruleset::own_set`]) or one whose packets it
    /// keeps ([`Ruleset::delivered_set`]); `None` where that is open.
    pub fn is_among(&self, own: &Set, family: Family, lo: u128, hi: u128) -> Option<bool> {
        let range = Set::range(lo, hi);
        if own.covers(&range) {
            Some(true)
        } else if self.elsewhere_set(family).covers(&range) {
            Some(false)
        } else if own.meets_range(lo, hi) || self.own.is_empty() {
            None
        } else {
            Some(false)
        }
    }

    /// The address of an interface in a family, where it has one besides its link-local ones: which of
    /// several the system takes depends on routes and scopes.
    pub fn own_address(&self, interface: u128, family: Family) -> Option<u128> {
        let local = |own: &&OwnAddress| family == Family::V6 && own.address >> 118 == 0xfe80 >> 6;
        let mut found = self.own.iter().filter(|own| {
            own.family == family && crate::packet::interface(&own.interface) == interface && !local(own)
        });
        let first = found.next()?;
        found.next().is_none().then_some(first.address)
    }
}
