//! Which address of an interface a packet gets where a rule of Linux gives it the interface's own:
//! `MASQUERADE` and `REDIRECT` of iptables, `masquerade` and `redirect` of nftables.
//!
//! Sources: `nf_nat_masquerade.c`, `nf_nat_redirect.c`, `ipv6_dev_get_saddr` (RFC 6724) and
//! `__ipv6_addr_type` of Linux 6.7 and later. IPv4 takes the first address of the interface where there is
//! one; IPv6 takes one of the scope of the packet's destination.

use crate::model::{Builder, NatAddr, OwnAddress, Test};
use crate::packet::{Family, Field, Set, interface, interface_name};

/// Under which conditions the new address is which; `None` where the packet is dropped. The conditions
/// exclude each other, and one of them holds.
pub(super) type Choices = Vec<(Vec<Test>, Option<NatAddr>)>;

/// The box's own addresses, as far as they are known, in one family.
pub(super) struct Interfaces<'a> {
    /// The addresses, of both families.
    pub own: &'a [OwnAddress],
    /// The family of the packets.
    pub family: Family,
    /// Where sets of values are kept.
    pub builder: &'a mut Builder,
}

/// Link-local addresses.
fn link_local() -> Set {
    let (lo, hi) = Family::V6.prefix(0xfe80 << 112, 10);
    Set::range(lo, hi)
}

/// Destinations of link-local scope, multicast ones too.
fn link_scope() -> Set {
    let multicast = (0..16u128).map(|flags| {
        let (lo, hi) = Family::V6.prefix((0xff02 | flags << 4) << 112, 16);
        (lo, hi)
    });
    link_local().or(&Set::of(multicast))
}

/// Destinations of scopes that no address of an interface has these days: IPv4-compatible and site-local.
fn dead_scope() -> Set {
    let site = Family::V6.prefix(0xfec0 << 112, 10);
    let multicast = (0..16u128).map(|flags| Family::V6.prefix((0xff05 | flags << 4) << 112, 16));
    Set::of(multicast.chain([site, (2, u128::from(u32::MAX))]))
}

impl Interfaces<'_> {
    /// The addresses that masquerading gives.
    pub(super) fn masquerade(mut self) -> Choices {
        if self.family == Family::V6 {
            return self.scoped(Field::Oif, Set::empty());
        }
        // Of several addresses, the one that is near the next hop: which hop that is, nobody knows.
        let here =
            |name: &str| self.own.iter().filter(|o| o.family == Family::V4 && o.interface == name).count();
        let many = self.with_address(|name| here(name) > 1);
        if many.is_empty() {
            return vec![(Vec::new(), Some(NatAddr::Interface))];
        }
        let inside = self.is(Field::Oif, many.clone(), false);
        let outside = self.is(Field::Oif, many, true);
        vec![(vec![inside], Some(NatAddr::Unknown)), (vec![outside], Some(NatAddr::Interface))]
    }

    /// The addresses that redirecting gives before routing.
    pub(super) fn redirect(mut self) -> Choices {
        if self.family == Family::V6 {
            return self.scoped(Field::Iif, dead_scope());
        }
        let without = self.without_address();
        let mut choices = Choices::new();
        let mut others = Vec::new();
        if !without.is_empty() {
            choices.push((vec![self.is(Field::Iif, without.clone(), false)], None));
            others.push(self.is(Field::Iif, without, true));
        }
        choices.push((others, Some(NatAddr::Interface)));
        choices
    }

    fn scoped(&mut self, device: Field, dropped: Set) -> Choices {
        let mut choices = Choices::new();
        if !dropped.is_empty() {
            choices.push((vec![self.is(Field::Dst6, dropped.clone(), false)], None));
        }
        let to_near = self.is(Field::Dst6, link_scope(), false);
        let to_far = self.is(Field::Dst6, link_scope().or(&dropped), true);
        let all = self.with_address(|_| true);
        for (name, _) in all.ranges() {
            let name = interface_name(*name);
            let mine = self.own.iter().filter(|o| o.family == Family::V6 && o.interface == name);
            let (near, far): (Vec<u128>, Vec<u128>) =
                mine.map(|o| o.address).partition(|address| link_local().contains(*address));
            let one = |addresses: &[u128]| match addresses {
                [address] => NatAddr::Pool(Family::V6, *address, *address),
                _ => NatAddr::Unknown,
            };
            let on = self.is(device, Set::one(interface(&name)), false);
            choices.push((vec![on, to_near], Some(one(&near))));
            // Redirecting asks the interface alone; masquerading takes an address of another one.
            let nowhere = far.is_empty() && device == Field::Iif;
            choices.push((vec![on, to_far], (!nowhere).then(|| one(&far))));
        }
        let mut rest = Vec::new();
        if !all.is_empty() {
            rest.push(self.is(device, all.clone(), true));
        }
        // An interface has a link-local address even if nobody says so; others it has where it is given one.
        let without = if device == Field::Iif { self.without_address() } else { Set::empty() };
        if !without.is_empty() {
            let on = self.is(device, without.clone(), false);
            choices.push((vec![on, to_far], None));
            choices.push((vec![on, to_near], Some(NatAddr::Unknown)));
            rest.push(self.is(device, without, true));
        }
        if !dropped.is_empty() {
            rest.push(self.is(Field::Dst6, dropped, true));
        }
        choices.push((rest, Some(NatAddr::Interface)));
        choices
    }

    /// The interfaces of which an address of the family is known, and for which `keep` holds.
    fn with_address(&self, keep: impl Fn(&str) -> bool) -> Set {
        let own = self.own.iter().filter(|own| own.family == self.family && keep(&own.interface));
        Set::of(own.map(|own| {
            let name = interface(&own.interface);
            (name, name)
        }))
    }

    /// The interfaces that are known to have no address of the family: they have one of the other, and others
    /// have one of this.
    fn without_address(&self) -> Set {
        let with = self.with_address(|_| true);
        if with.is_empty() {
            return with;
        }
        let all = self.own.iter().map(|own| (interface(&own.interface), interface(&own.interface)));
        Set::of(all).minus(&with)
    }

    fn is(&mut self, field: Field, set: Set, negate: bool) -> Test {
        if set.is_empty() && !negate {
            return Test::Never;
        }
        let values = self.builder.values(set);
        Test::In { field, values, negate }
    }
}
