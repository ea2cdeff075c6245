//! `-m addrtype`: kinds of addresses, as the routing tables know them.
//!
//! Sources: `xt_addrtype.c`, `inet_dev_addr_type` and `fib_add_ifaddr` of Linux 6.x. Which addresses are
//! the box's own, and so which are local, the files do not tell: it has to be given.

use super::targets::bit;
use super::{Lowering, Ways};
use crate::dialect::iptables::ast::{Answer, Hook, Limit};
use crate::dialect::iptables::matches::ADDRESS_TYPES;
use crate::model::{Test, Values};
use crate::packet::{Family, Field, Set, interface};

const UNSPEC: u16 = 1;
const UNICAST: u16 = 2;
const LOCAL: u16 = 4;
const BROADCAST: u16 = 8;
const ANYCAST: u16 = 16;
const MULTICAST: u16 = 32;

impl Lowering<'_> {
    /// Adds a condition on the type of an address.
    pub(super) fn address_type(&mut self, destination: bool, types: u16, limit: Limit, negate: bool) {
        let field = if destination { Field::dst(self.family) } else { Field::src(self.family) };
        let needs_own = match self.family {
            Family::V4 => types & (UNICAST | LOCAL | BROADCAST) != 0,
            Family::V6 => types & !(UNSPEC | UNICAST | MULTICAST) != 0,
        };
        // IPv4 has anycast routes only where somebody made them by hand, which nobody does; of other routes,
        // and of the anycast addresses that IPv6 makes of its own, nothing is known.
        let anycast = if self.family == Family::V4 { ANYCAST } else { 0 };
        let sure = types & !(UNSPEC | UNICAST | LOCAL | BROADCAST | MULTICAST | anycast) == 0;
        if !sure {
            let test = self.ask("addrtype", &names_of(types), Answer::Of(field), negate);
            return self.tests.extend(test);
        }
        let known = self.own.iter().any(|own| own.family == self.family);
        if needs_own && !known {
            return self.without_own(field, types, destination && limit == Limit::None, negate);
        }
        match limit {
            Limit::None => {
                let set = self.addresses_of_type(types, None);
                let test = self.set_test(field, set, negate);
                self.tests.push(test);
            }
            Limit::In | Limit::Out => self.limited(field, types, limit, negate),
        }
    }

    /// The box's addresses are not known: what no box's own can be is certain, the rest depends.
    fn without_own(&mut self, field: Field, types: u16, arrived: bool, negate: bool) {
        let never_own = self.never_own();
        // With no addresses of its own, an address of the sure kind has its type all the same.
        let sure = self.addresses_of_type(types, None);
        let (yes, no) = (sure.and(&never_own), never_own.minus(&sure));
        let yes = if negate { no } else { yes };
        let certain = self.set_test(field, yes, false);
        let rest = self.set_test(field, never_own, true);
        let depends = match types {
            LOCAL => self.ask("", "the firewall's own addresses", Answer::Of(field), negate),
            _ => self.ask("addrtype", &names_of(types), Answer::Of(field), negate),
        };
        let mut ways = vec![vec![certain]];
        if !(arrived && self.reached & bit(Hook::Input) != 0 && self.reached & bit(Hook::Prerouting) == 0) {
            ways.push([rest].into_iter().chain(depends).collect());
            return self.add_ways(ways);
        }
        // What has come to the input hook, where there is no output interface, is for the box.
        let here = self.set_test(Field::Oif, Set::one(0), false);
        let elsewhere = self.set_test(Field::Oif, Set::one(0), true);
        ways.push([rest, elsewhere].into_iter().chain(depends).collect());
        let (plain, special) = (self.may_be_special(field, true), self.may_be_special(field, false));
        let local = types & LOCAL != 0;
        if local != negate {
            ways.push(vec![rest, here, plain]);
        }
        // In IPv4 the others are local or broadcast addresses.
        if self.family == Family::V4 && local == (types & BROADCAST != 0) {
            if local != negate {
                ways.push(vec![rest, here, special]);
            }
        } else {
            ways.push([rest, here, special].into_iter().chain(depends).collect());
        }
        self.add_ways(ways);
    }

    /// Whether an address can be the broadcast address of a network, or the anycast address of its routers:
    /// no network that has them is smaller than four addresses.
    fn may_be_special(&mut self, field: Field, negate: bool) -> Test {
        let last = if self.family == Family::V4 { 3 } else { 0 };
        let mask = self.out.mask(3);
        Test::Masked { field, mask, values: Values::Range(last, last), negate }
    }

    /// Addresses whose type does not depend on the box: multicast, loopback, the broadcast addresses of
    /// all networks.
    fn never_own(&self) -> Set {
        match self.family {
            Family::V4 => Set::of([
                (0, 0x00ff_ffff),
                (0x7f00_0000, 0x7fff_ffff),
                (0xe000_0000, 0xefff_ffff),
                (0xffff_ffff, 0xffff_ffff),
            ]),
            Family::V6 => Set::of([(0, 1), (0xff << 120, u128::MAX)]),
        }
    }

    /// The same where the type is asked for as seen by the packet's interface: an address of another
    /// interface is no local one.
    fn limited(&mut self, field: Field, types: u16, limit: Limit, negate: bool) {
        let device = if limit == Limit::In { Field::Iif } else { Field::Oif };
        let mut names: Vec<String> = self
            .out
            .ruleset()
            .own
            .iter()
            .map(|own| own.interface.clone())
            .chain(["lo".to_string()])
            .collect();
        names.sort_unstable();
        names.dedup();
        let mut ways: Ways = Vec::new();
        for name in &names {
            let set = self.addresses_of_type(types, Some(name));
            let on = self.set_test(device, Set::one(interface(name)), false);
            ways.push(vec![on, self.set_test(field, set, negate)]);
        }
        let all = Set::of(names.iter().map(|name| (interface(name), interface(name))));
        let elsewhere = self.set_test(device, all, true);
        let set = self.addresses_of_type(types, Some(""));
        ways.push(vec![elsewhere, self.set_test(field, set, negate)]);
        self.add_ways(ways);
    }

    /// The addresses that have one of the types, by what is known of the box; with a name, as seen by
    /// that interface.
    fn addresses_of_type(&mut self, types: u16, device: Option<&str>) -> Set {
        let family = self.family;
        let own = &self.own;
        let mine: Vec<_> = own
            .iter()
            .filter(|own| own.family == family && device.is_none_or(|name| name == own.interface))
            .collect();
        let loopback = device.is_none_or(|name| name == "lo");
        let local = mine.iter().map(|own| (own.address, own.address));
        match family {
            Family::V4 => {
                let broadcast = mine.iter().filter(|own| own.prefix < 31).map(|own| {
                    let (_, last) = family.prefix(own.address, own.prefix);
                    (last, last)
                });
                let zero = (0, 0x00ff_ffff);
                // Linux `fib_add_ifaddr`: the last address of 127.0.0.0/8 is a broadcast address.
                let of_loopback = loopback.then_some((0x7fff_ffff, 0x7fff_ffff));
                let everywhere = [zero, (0xffff_ffff, 0xffff_ffff)];
                let broadcast = Set::of(broadcast.chain(everywhere).chain(of_loopback));
                let multicast = Set::range(0xe000_0000, 0xefff_ffff);
                let local = Set::of(local.chain(loopback.then_some((0x7f00_0000, 0x7fff_fffe))));
                let local = local.minus(&multicast);
                let broadcast = broadcast.minus(&local);
                let named = multicast.or(&local).or(&broadcast);
                self.union(
                    types,
                    &[
                        (LOCAL, local),
                        (BROADCAST, broadcast),
                        (MULTICAST, multicast),
                        (UNICAST, Set::range(0, family.last()).minus(&named)),
                    ],
                )
            }
            Family::V6 => {
                let multicast = Set::range(0xff << 120, u128::MAX);
                let local = Set::of(local.chain(loopback.then_some((1, 1))));
                let unicast = Set::range(1, u128::MAX).minus(&multicast);
                // Here the types are demanded together: `match_type6` of the kernel.
                let mut all = Set::full();
                for (bit, set) in
                    [(UNSPEC, Set::one(0)), (UNICAST, unicast), (MULTICAST, multicast), (LOCAL, local)]
                {
                    if types & bit != 0 {
                        all = all.and(&set);
                    }
                }
                if types & BROADCAST != 0 { Set::empty() } else { all }
            }
        }
    }

    fn union(&self, types: u16, sets: &[(u16, Set)]) -> Set {
        sets.iter().filter(|(bit, _)| types & bit != 0).fold(Set::empty(), |all, (_, set)| all.or(set))
    }
}

/// The names of address types.
fn names_of(types: u16) -> String {
    let names = ADDRESS_TYPES.iter().enumerate().filter(|(bit, _)| types & 1 << bit != 0);
    names.map(|(_, name)| *name).collect::<Vec<_>>().join(",")
}
