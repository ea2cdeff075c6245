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
            let mut before = None;
            for step in self.steps_of(rule) {
                match step {
                    Step::Test(Test::In { field, values, negate: false }) if *field == Field::dst(family) => {
                        before.get_or_insert_with(|| self.values(*values));
                    }
                    Step::Test(_) => {}
                    Step::Effect(effect) => {
                        found = found.or(&self.turned(*effect, before.as_ref(), family, address))
                    }
                    Step::Lookup(map) => {
                        let map = self.map(*map);
                        let at = map.fields.iter().position(|field| *field == Field::dst(family));
                        for entry in &map.entries {
                            let key = at.and_then(|at| entry.key[at].as_ref()).or(before.as_ref());
                            found = found.or(&self.turned(entry.effect, key, family, address));
                        }
                    }
                }
            }
        }
        found
    }

    /// The addresses of other machines into which translation turns one, as far as each is one alone.
    pub fn translated_to(&self, family: Family, address: u128) -> Set {
        const MOST: u128 = 1024;
        let mut found = Set::empty();
        for nat in self.nats.iter().filter(|nat| nat.destination) {
            let (lo, hi) = match nat.addr {
                NatAddr::Pool(of, lo, hi) if of == family => (lo, hi),
                NatAddr::Prefix(of, net, len) if of == family => family.prefix(net, len),
                _ => continue,
            };
            if hi - lo < MOST {
                let turned = (lo..=hi).filter(|own| self.translated_from(family, *own).contains(address));
                found = found.or(&Set::of(turned.map(|own| (own, own))));
            }
        }
        found
    }

    /// Those of some destinations that an effect turns into an address.
    fn turned(&self, effect: Effect, before: Option<&Set>, family: Family, address: u128) -> Set {
        let (Effect::Nat(nat), Some(before)) = (effect, before) else { return Set::empty() };
        let Nat { destination: true, addr, .. } = self.nat(nat) else { return Set::empty() };
        if addr.gives(family, address) != Some(true) {
            return Set::empty();
        }
        let NatAddr::Prefix(_, net, len) = *addr else { return before.clone() };
        let (lo, hi) = family.prefix(net, len);
        match before.ranges() {
            [(from, to)] if to - from == hi - lo => Set::one(from + (address - lo)),
            _ => Set::empty(),
        }
    }
}
