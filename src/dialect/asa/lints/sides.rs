//! Entries with the address of the wrong side of a translation.

use super::super::ast::{AccessGroup, Ace, Acl, Direction};
use super::super::lower::{REAL_ADDRESSES, Static, effective_version};
use super::{Facts, permits, ports_of};
use crate::finding::Finding;
use crate::packet::{Family, Set, interface};
use crate::rule::PH531;

/// Translations that are looked at for one entry.
const CANDIDATES: usize = 64;

impl<'c, 'a> Facts<'_, 'c, 'a> {
    /// From 8.3 on the lists of interfaces hold real addresses, before that those that the interface sees.
    pub(super) fn wrong_side(&mut self) {
        let real = effective_version(self.config) >= REAL_ADDRESSES;
        let statics = self.statics;
        let named = |nat: &'_ Static| if real { nat.mapped.clone() } else { nat.real.clone() };
        let right = Set::of(
            statics
                .iter()
                .flat_map(|nat| if real { nat.real.ranges() } else { nat.mapped.ranges() }.to_vec()),
        );
        let mut index: Vec<(u128, u128, usize)> = Vec::new();
        for (at, nat) in statics.iter().enumerate() {
            index.extend(named(nat).ranges().iter().map(|(lo, hi)| (*lo, *hi, at)));
        }
        index.sort_unstable();
        if index.is_empty() {
            return;
        }
        for (group, acl) in self.bound(Direction::In) {
            let named = self.destinations(acl);
            for ace in permits(acl) {
                let to = self.resolver.address(ace.destination).v4;
                if to.is_empty() || to == Set::range(0, Family::V4.last()) || right.meets(&to) {
                    continue;
                }
                // Where the right address stands in the list as well, nothing is blocked.
                let missing = |nat: &Static| {
                    let right = if real { &nat.real } else { &nat.mapped };
                    !named.meets(right)
                };
                let found = near(&index, &to)
                    .find(|at| missing(&statics[*at]) && self.is_about(group, ace, &statics[*at]));
                if let Some(at) = found {
                    self.findings.push(finding(ace, &statics[at], real));
                }
            }
        }
    }

    /// The single addresses and networks that entries of a list permit to.
    fn destinations(&mut self, acl: &'c Acl<'a>) -> Set {
        let all = Set::range(0, Family::V4.last());
        let to: Vec<Set> = permits(acl).map(|ace| self.resolver.address(ace.destination).v4).collect();
        Set::of(to.iter().filter(|to| **to != all).flat_map(|to| to.ranges().to_vec()))
    }

    /// Whether an entry of a bound list is for connections that a translation is for.
    fn is_about(&mut self, group: &AccessGroup<'a>, ace: &Ace<'a>, nat: &Static) -> bool {
        let here = match (group.interface, &nat.interfaces) {
            (Some(name), Some(interfaces)) => interfaces.contains(interface(name.text)),
            // Where the translation is for any interface, the list may be that of the translated host's own side.
            (Some(_), None) => false,
            (None, _) => true,
        };
        let Some((protocol, (real, mapped))) = nat.protocol.zip(nat.ports) else { return here };
        here && self.resolver.service(ace.service).products.iter().any(|product| {
            let carried = product.protocol.as_ref().is_none_or(|set| set.contains(protocol.into()));
            let either =
                |set: &Set| [real, mapped].iter().any(|(lo, hi)| set.meets_range((*lo).into(), (*hi).into()));
            carried && ports_of(product, protocol).is_none_or(either)
        })
    }
}

/// The translations whose addresses meet a set, the first of them.
fn near<'i>(index: &'i [(u128, u128, usize)], to: &'i Set) -> impl Iterator<Item = usize> + 'i {
    let meets = |(lo, hi): (u128, u128)| {
        // An interval that starts before may reach into it: one of the neighbours, as they seldom overlap.
        let first = index.partition_point(|(start, ..)| *start < lo).saturating_sub(1);
        index[first..]
            .iter()
            .take_while(move |(start, ..)| *start <= hi)
            .filter(move |(_, end, _)| *end >= lo)
    };
    to.ranges()
        .iter()
        .take(CANDIDATES)
        .flat_map(move |range| meets(*range))
        .take(CANDIDATES)
        .map(|(.., at)| *at)
}

fn finding(ace: &Ace<'_>, nat: &Static, real: bool) -> Finding {
    let (named, wanted) = if real { ("mapped", "real") } else { ("real", "mapped") };
    let message = format!("the entry names the {named} address, and this version looks at the {wanted} one");
    Finding::of(&PH531, ace.span, message)
        .related(nat.span, "translates it")
        .notice("Connections from outside to the translated host are blocked.")
        .help(format!(
            "Write the {wanted} address. From 8.3 on access-lists hold real addresses, before that mapped ones."
        ))
}
