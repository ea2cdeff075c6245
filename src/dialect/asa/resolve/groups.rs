//! Groups, each worked out once, those that it contains before it.

use super::super::ast::{Address, Group, GroupKind, Icmp, Member, Ports, Protocol, Service};
use super::sets::{Partly, SERVICE, Unknown, merged, union};
use super::{Addresses, Guess, Resolver, Services, UNKNOWNS};
use crate::finding::Finding;
use crate::packet::Set;
use crate::rule::{PH002, PH004};

impl<'a> Resolver<'_, 'a> {
    /// Orders the groups so that contained ones come first, and finds cycles. Walks by its own stack:
    /// the nesting is as deep as the file likes.
    pub(super) fn sort_groups(&mut self) {
        let config = self.config;
        let mut state = vec![0u8; config.groups.len()];
        for start in 0..config.groups.len() {
            if state[start] != 0 {
                continue;
            }
            state[start] = 1;
            let mut stack = vec![(start, 0usize)];
            while let Some((at, next)) = stack.last_mut() {
                let Some((span, member)) = config.groups[*at].members.get(*next) else {
                    state[*at] = 2;
                    self.order.push(*at);
                    stack.pop();
                    continue;
                };
                *next += 1;
                let Member::Group(name) = member else { continue };
                let Some(inner) = self.groups.get(name.text).copied() else { continue };
                match state[inner] {
                    0 => {
                        state[inner] = 1;
                        stack.push((inner, 0));
                    }
                    1 => {
                        self.cyclic.insert(*span);
                        let message = format!("`{}` contains itself", name.text);
                        self.findings.push(
                            Finding::of(&PH004, *span, message)
                                .label("this closes the circle")
                                .help("The ASA refuses the line. Take it out of the group."),
                        );
                    }
                    _ => {}
                }
            }
        }
    }

    /// Groups that hold each other in a long row are not worked out to the end: they stay unknown.
    pub(super) fn too_much(&mut self, at: usize) {
        let name = self.config.groups[at].name;
        self.findings.push(
            Finding::of(&PH002, name.span, "the object-groups hold too much to work out")
                .label("this group and those that hold it count as unknown")
                .help("Groups of thousands of elements are nested thousands deep. Entries that name them match or not."),
        );
    }

    /// Works out one group, all groups in it being worked out.
    pub(super) fn group(&mut self, at: usize) {
        let config = self.config;
        let group = &config.groups[at];
        let mut weight = 0u64;
        for (span, member) in &group.members {
            weight = weight.saturating_add(match member {
                Member::Group(name) if !self.cyclic.contains(span) => {
                    self.groups.get(name.text).map_or(1, |inner| self.weights[*inner])
                }
                _ => 1,
            });
        }
        self.weights[at] = weight;
        match group.kind {
            GroupKind::Network => self.addresses[at] = Some(self.network_group(group)),
            GroupKind::Service | GroupKind::Protocol => {
                self.service_groups[at] = Some(self.service_group(group).into())
            }
            GroupKind::Ports => self.port_groups[at] = Some(self.port_group(group)),
            GroupKind::Icmp => self.icmp_groups[at] = Some(self.icmp_group(group)),
            GroupKind::User | GroupKind::Security | GroupKind::Other => {}
        }
    }

    fn network_group(&mut self, group: &Group<'a>) -> Addresses {
        let mut parts = Vec::with_capacity(group.members.len());
        for (span, member) in &group.members {
            match member {
                Member::Address(address) => parts.push(self.address(*address)),
                Member::Group(_) if self.cyclic.contains(span) => {}
                Member::Group(name) => parts.push(self.address(Address::Group(*name))),
                _ => {}
            }
        }
        let mut all = union(parts);
        if group.damaged || all.unknown.len() > UNKNOWNS {
            all.unknown = vec![Unknown::both(format!("object-group {}", group.name.text))];
        }
        all
    }

    fn service_group(&mut self, group: &Group<'a>) -> Services {
        let mut all = Services::default();
        for (span, member) in &group.members {
            let part = match member {
                Member::Service(service) => self.service(*service),
                Member::Group(_) if self.cyclic.contains(span) => continue,
                Member::Group(name) => self.service(Service::of(Protocol::Group(*name))),
                _ => continue,
            };
            all.products.extend_from_slice(&part.products);
            if all.guesses.len() <= UNKNOWNS {
                all.guesses.extend_from_slice(&part.guesses);
            }
        }
        all.products = merged(all.products);
        if group.damaged || all.guesses.len() > UNKNOWNS {
            all.guesses = vec![Guess::of(format!("object-group {}", group.name.text), SERVICE)];
        }
        all
    }

    fn port_group(&mut self, group: &Group<'a>) -> Partly {
        let mut ranges = Vec::new();
        let mut unknown = group.damaged.then(|| format!("object-group {}", group.name.text));
        for (span, member) in &group.members {
            let part = match member {
                Member::Ports(ports) => self.ports(*ports),
                Member::Group(_) if self.cyclic.contains(span) => continue,
                Member::Group(name) => self.ports(Ports::Group(*name)),
                _ => continue,
            };
            ranges.extend_from_slice(part.set.ranges());
            unknown = unknown.or(part.unknown);
        }
        Partly { set: Set::of(ranges), unknown }
    }

    fn icmp_group(&mut self, group: &Group<'a>) -> Partly {
        let mut ranges = Vec::new();
        let mut unknown = group.damaged.then(|| format!("object-group {}", group.name.text));
        for (span, member) in &group.members {
            let (part, _) = match member {
                Member::Service(service) => self.icmp(service.icmp),
                Member::Group(_) if self.cyclic.contains(span) => continue,
                Member::Group(name) => self.icmp(Icmp::Group(*name)),
                _ => continue,
            };
            ranges.extend_from_slice(part.set.ranges());
            unknown = unknown.or(part.unknown);
        }
        Partly { set: Set::of(ranges), unknown }
    }
}
