//! What is known of the box itself and of the networks around it: which packets it keeps, and who is where.

use super::{Effect, Nat, NatAddr, Ruleset, Step, Test};
use crate::packet::{Family, Field, Set};

/// Addresses that lie behind some of the box's interfaces, by its networks and routes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Behind {
    /// Family of the addresses.
    pub family: Family,
    /// The addresses; those of one family are apart from each other.
    pub addresses: Set,
    /// The interfaces, by name.
    pub interfaces: Set,
}

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

impl Ruleset {
    /// The box's own addresses of a family as far as they are known; loopback addresses always are.
    pub fn own_set(&self, family: Family) -> Set {
        let loopback = match family {
            Family::V4 => (0x7f00_0000, 0x7fff_ffff),
            Family::V6 => (1, 1),
        };
        let listed = self.own.iter().filter(|own| own.family == family).map(|own| (own.address, own.address));
        Set::of(listed.chain([loopback]))
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

    /// Whether an address from `[lo, hi]` is one of the box's own ([`Ruleset::own_set`]) or one whose packets it
    /// keeps ([`Ruleset::delivered_set`]); `None` where that is open.
    pub fn is_among(&self, own: &Set, family: Family, lo: u128, hi: u128) -> Option<bool> {
        if own.covers(&Set::range(lo, hi)) {
            Some(true)
        } else if lo == hi && self.elsewhere.contains(&(family, lo)) {
            Some(false)
        } else if own.meets_range(lo, hi) || self.own.is_empty() {
            None
        } else {
            Some(false)
        }
    }

    /// The interfaces behind which all of some addresses lie; empty where the files do not tell.
    pub fn behind(&self, family: Family, addresses: &Set) -> Set {
        let known =
            self.behind.iter().find(|known| known.family == family && known.addresses.covers(addresses));
        known.map_or_else(Set::empty, |known| known.interfaces.clone())
    }

    /// The destinations that translation turns into an address: how the other side knows it.
    pub fn translated_from(&self, family: Family, address: u128) -> Set {
        let mut found = Set::empty();
        if !self.nats.iter().any(|nat| nat.destination) {
            return found;
        }
        for rule in self.chains.iter().flat_map(|chain| &chain.rules) {
            let steps = self.steps_of(rule);
            let nat = steps.iter().find_map(|step| match step {
                Step::Effect(Effect::Nat(nat)) => Some(self.nat(*nat)),
                _ => None,
            });
            let Some(Nat { destination: true, addr, .. }) = nat else { continue };
            let before = steps.iter().find_map(|step| match step {
                Step::Test(Test::In { field, values, negate: false }) if *field == Field::dst(family) => {
                    Some(self.values(*values))
                }
                _ => None,
            });
            let Some(before) = before else { continue };
            match *addr {
                NatAddr::Pool(of, lo, hi) if of == family && (lo..=hi).contains(&address) => {
                    found = found.or(&before)
                }
                NatAddr::Prefix(of, net, len) if of == family => {
                    let (lo, hi) = family.prefix(net, len);
                    if let (true, [(from, to)]) = ((lo..=hi).contains(&address), before.ranges())
                        && to - from == hi - lo
                    {
                        found = found.or(&Set::one(from + (address - lo)));
                    }
                }
                _ => {}
            }
        }
        found
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
