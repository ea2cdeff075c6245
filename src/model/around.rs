//! The networks around the box: which addresses lie behind which interfaces, and how the other side knows them.

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

impl Ruleset {
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
}
