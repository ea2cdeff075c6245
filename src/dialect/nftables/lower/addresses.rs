//! What kind of address an address is, as the routing tables have it (`fib … type`).

use crate::model::OwnAddress;
use crate::packet::{Family, Set};

const UNICAST: u128 = 1;
const LOCAL: u128 = 2;
const BROADCAST: u128 = 3;
const ANYCAST: u128 = 4;
const MULTICAST: u128 = 5;
const UNREACHABLE: u128 = 7;

/// The kinds of addresses of one box.
///
/// Source: Linux `net/ipv4/fib_frontend.c` (`__inet_dev_addr_type`) and `net/ipv6/netfilter/nft_fib_ipv6.c`
/// (`nft_fib6_eval_type`).
pub(super) struct Addresses {
    /// Kind, IPv4 and IPv6 addresses: disjoint.
    known: Vec<(u128, Set, Set)>,
    /// Addresses whose kind is one of these, and open.
    open: Vec<(Vec<u128>, Set, Set)>,
}

impl Addresses {
    /// From the addresses of the box, as far as they are known.
    pub(super) fn new(own: &[OwnAddress]) -> Addresses {
        let v4 = |net: u32, len: u32| {
            let (lo, hi) = Family::V4.prefix(net.into(), len);
            Set::range(lo, hi)
        };
        let v6 = |net: u128, len: u32| {
            let (lo, hi) = Family::V6.prefix(net, len);
            Set::range(lo, hi)
        };
        let mine = |family: Family| {
            Set::of(own.iter().filter(|a| a.family == family).map(|a| (a.address, a.address)))
        };
        let all = || (Set::range(0, Family::V4.last()), Set::full());
        let multicast = (v4(0xe000_0000, 4), v6(0xff << 120, 8));
        // Linux `fib_add_ifaddr`: the last address of 127.0.0.0/8 is a broadcast address, too.
        let broadcast = v4(0, 8).or(&Set::of([0x7fff_ffff, 0xffff_ffff].map(|last| (last, last))));
        let loopback = (v4(0x7f00_0000, 8).minus(&broadcast), Set::one(1));
        let local = (loopback.0.or(&mine(Family::V4)).minus(&multicast.0), loopback.1.or(&mine(Family::V6)));
        let mut rest = all();
        rest.0 = rest.0.minus(&multicast.0).minus(&broadcast).minus(&local.0);
        rest.1 = rest.1.minus(&multicast.1).minus(&local.1);
        let mut open = Vec::new();
        if own.is_empty() {
            open.push((vec![UNICAST, LOCAL, BROADCAST], std::mem::take(&mut rest.0), Set::empty()));
            open.push((
                vec![UNICAST, LOCAL, ANYCAST, UNREACHABLE],
                Set::empty(),
                std::mem::take(&mut rest.1),
            ));
        } else {
            // The broadcast addresses of the box's networks, where it has routes to them; its other
            // link-local addresses; the anycast address of each network, where it forwards.
            let ends = edges(own, Family::V4, |_, hi| hi).and(&rest.0);
            let starts = edges(own, Family::V6, |lo, _| lo).and(&rest.1);
            let link = v6(0xfe80 << 112, 10).and(&rest.1);
            rest.0 = rest.0.minus(&ends);
            rest.1 = rest.1.minus(&starts).minus(&link);
            open.push((vec![UNICAST, BROADCAST], ends, Set::empty()));
            open.push((vec![UNICAST, ANYCAST], Set::empty(), starts));
            open.push((vec![UNICAST, LOCAL], Set::empty(), link));
            open.push((vec![UNICAST, UNREACHABLE], Set::empty(), std::mem::take(&mut rest.1)));
        }
        let known = vec![
            (MULTICAST, multicast.0, multicast.1),
            (BROADCAST, broadcast, Set::empty()),
            (LOCAL, local.0, local.1),
            (UNICAST, rest.0, rest.1),
        ];
        Addresses { known, open }
    }

    /// The addresses that are of a wanted kind in any case.
    pub(super) fn of_kinds(&self, wanted: impl Fn(u128) -> bool) -> (Set, Set) {
        let sure = self.open.iter().filter(|(kinds, ..)| kinds.iter().all(|kind| wanted(*kind)));
        let sure = sure.map(|(_, set4, set6)| (set4, set6));
        let known = self.known.iter().filter(|(kind, ..)| wanted(*kind)).map(|(_, set4, set6)| (set4, set6));
        union(known.chain(sure))
    }

    /// The addresses that may be of a wanted kind or not.
    pub(super) fn open(&self, wanted: impl Fn(u128) -> bool) -> (Set, Set) {
        let split = |kinds: &[u128]| {
            kinds.iter().any(|kind| wanted(*kind)) && !kinds.iter().all(|kind| wanted(*kind))
        };
        union(self.open.iter().filter(|(kinds, ..)| split(kinds)).map(|(_, set4, set6)| (set4, set6)))
    }
}

fn union<'a>(sets: impl Iterator<Item = (&'a Set, &'a Set)>) -> (Set, Set) {
    sets.fold((Set::empty(), Set::empty()), |(all4, all6), (set4, set6)| (all4.or(set4), all6.or(set6)))
}

fn edges(own: &[OwnAddress], family: Family, edge: impl Fn(u128, u128) -> u128) -> Set {
    Set::of(own.iter().filter(|a| a.family == family && a.prefix + 2 <= family.bits()).map(|a| {
        let (lo, hi) = family.prefix(a.address, a.prefix);
        let end = edge(lo, hi);
        (end, end)
    }))
}
