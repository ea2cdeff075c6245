//! Translation: all its forms become one list of translations in the order in which the box looks at them.
//!
//! *Firewall CLI Configuration Guide*, "NAT Rule Order": section 1 twice NAT in the order of the file;
//! section 2 object NAT, static before dynamic, then fewer real addresses, then lower ones, then by name;
//! section 3 twice NAT with `after-auto`. Before 8.3: exemptions, statics, then dynamic rules.

mod pairs;
mod stages;

use rustc_hash::FxHashMap;

use super::super::ast::{
    Action, Address, Entry, Icmp, Mapped, Named, NetworkObject, OldNat, Ports, Protocol, Service, TwiceNat,
};
use super::super::resolve::{Addresses, Unknown};
use super::Lower;
use crate::packet::{Family, Set};
use crate::source::Span;

type Range = (Family, u128, u128);

/// One side of a translation.
#[derive(Clone, Debug)]
pub(super) struct Side {
    /// The addresses as a set, with what is unknown of them.
    set: Addresses,
    /// The addresses in the order of the file; `None` where some are unknown.
    ranges: Option<Vec<Range>>,
    /// The address of the interface on this side.
    interface: bool,
}

/// Ports on both sides of a translation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct PortPair {
    real: (u16, u16),
    mapped: (u16, u16),
}

/// One translation, of whatever form.
#[derive(Clone, Debug)]
pub(super) struct Translation {
    span: Span,
    real_if: Option<Set>,
    mapped_if: Option<Set>,
    dynamic: bool,
    real: Side,
    mapped: Side,
    /// Nothing changes.
    identity: bool,
    /// Mapped and real destination; the flag says that they are the same.
    destination: Option<(Side, Side, bool)>,
    protocol: Option<u8>,
    source_ports: Option<PortPair>,
    destination_ports: Option<PortPair>,
    /// A list selects more than is modelled: the name of the condition that it does.
    condition: Option<String>,
    /// No connections from the mapped side, and none are checked for.
    one_way: bool,
}

impl Translation {
    /// One that turns a real side into a mapped one, in both directions, wherever packets come from.
    fn of(span: Span, real: Side, mapped: Side) -> Translation {
        Translation {
            span,
            real_if: None,
            mapped_if: None,
            dynamic: false,
            real,
            mapped,
            identity: false,
            destination: None,
            protocol: None,
            source_ports: None,
            destination_ports: None,
            condition: None,
            one_way: false,
        }
    }

    /// What the lints look at, where it is a static translation that changes addresses.
    pub(super) fn as_static(&self) -> Option<super::Static> {
        let (real, mapped) = (self.real.set.v4.clone(), self.mapped.set.v4.clone());
        let changes = !self.dynamic && !self.identity && !mapped.is_empty();
        let (interfaces, protocol, ports) = (self.mapped_if.clone(), self.protocol, self.source_ports);
        let ports = ports.map(|pair| (pair.real, pair.mapped));
        changes.then_some(super::Static { span: self.span, real, mapped, interfaces, protocol, ports })
    }
}

impl<'c, 'a> Lower<'c, 'a> {
    /// All translations, in order.
    pub(super) fn nat_rules(&mut self) -> Vec<Translation> {
        let config = self.config;
        let mut out = Vec::new();
        for nat in config.nats.iter().filter(|nat| !nat.after_auto && !nat.inactive) {
            out.push(self.twice(nat));
        }
        let mut objects: Vec<(&NetworkObject<'a>, Translation)> = Vec::new();
        for object in &config.objects {
            objects.extend(self.object_nat(object).map(|translation| (object, translation)));
        }
        objects.sort_by_cached_key(|(object, translation)| {
            let set = &translation.real.set;
            let count = set.v4.count().saturating_add(set.v6.count());
            let first = set.v4.first().or(set.v6.first()).unwrap_or(0);
            (translation.dynamic, count, first, object.name.text)
        });
        out.extend(objects.into_iter().map(|(_, translation)| translation));
        for nat in config.nats.iter().filter(|nat| nat.after_auto && !nat.inactive) {
            out.push(self.twice(nat));
        }
        self.old_rules(&mut out);
        out
    }

    fn side(&mut self, address: Address<'a>) -> Side {
        let (mut set, ranges) = (self.resolver.address(address), self.resolver.ordered(address));
        if ranges.is_none() && set.unknown.is_empty() {
            // Masks with holes, or more elements than are written out.
            let (Address::Group(name) | Address::Object(name)) = address else {
                set.unknown.push(Unknown::both("nat addresses"));
                return Side { set, ranges, interface: false };
            };
            set.unknown.push(Unknown::both(format!("object-group {}", name.text)));
        }
        Side { set, ranges, interface: false }
    }

    /// The mapped side; the address of an interface is known where the interface is.
    fn mapped_side(&mut self, mapped: Mapped<'a>, interface: Option<Named<'a>>) -> Side {
        match mapped {
            Mapped::Address(address) | Mapped::Pool(address) => self.side(address),
            Mapped::Interface => {
                let set = match interface {
                    Some(name) => self.resolver.interface(name),
                    None => Addresses::default(),
                };
                let known = set.unknown.is_empty() && !set.v4.is_empty();
                let ranges =
                    known.then(|| set.v4.ranges().iter().map(|(lo, hi)| (Family::V4, *lo, *hi)).collect());
                Side { set, ranges, interface: true }
            }
        }
    }

    fn interface_of(&self, name: Option<Named<'a>>) -> Option<Set> {
        name.map(|name| self.interface_set(name.text))
    }

    fn twice(&mut self, nat: &TwiceNat<'a>) -> Translation {
        let (real_if, mapped_if) = nat.interfaces;
        let real = self.side(nat.real);
        let mapped = self.mapped_side(nat.mapped, mapped_if);
        let identity = !nat.dynamic && same(&nat.real, &nat.mapped);
        let destination = nat.destination.map(|(mapped, real)| {
            let identity = same(&real, &mapped);
            // The destination is mapped where the real source is.
            (self.mapped_side(mapped, real_if), self.side(real), identity)
        });
        let mut out = Translation {
            real_if: self.interface_of(real_if),
            mapped_if: self.interface_of(mapped_if),
            dynamic: nat.dynamic,
            identity,
            destination,
            one_way: nat.unidirectional || nat.dynamic,
            ..Translation::of(nat.span, real, mapped)
        };
        if let Some((first, second)) = nat.services {
            self.twice_services(&mut out, first, second);
        }
        out
    }

    /// The first service object holds real source and mapped destination ports, the second mapped source
    /// and real destination ports.
    fn twice_services(&mut self, out: &mut Translation, first: Option<Named<'a>>, second: Option<Named<'a>>) {
        let first = first.and_then(|name| self.resolver.service_of(name));
        let second = second.and_then(|name| self.resolver.service_of(name));
        out.protocol = [first, second].iter().flatten().find_map(|service| match service.protocol {
            Protocol::Number(number) => Some(number),
            _ => None,
        });
        let pair = |real: Option<Ports<'_>>, mapped: Option<Ports<'_>>| {
            Some(PortPair { real: real.and_then(interval)?, mapped: mapped.and_then(interval)? })
        };
        // Of a dynamic rule only the destination is translated by port.
        if !out.dynamic {
            out.source_ports = pair(first.map(|s| s.source), second.map(|s| s.source));
        }
        out.destination_ports = pair(second.map(|s| s.destination), first.map(|s| s.destination));
    }

    fn object_nat(&mut self, object: &'c NetworkObject<'a>) -> Option<Translation> {
        let nat = object.nat.as_ref()?;
        let (real_if, mapped_if) = nat.interfaces;
        let real = self.side(Address::Object(object.name));
        let mapped = match nat.mapped {
            // A lone address maps a whole subnet from there on.
            Mapped::Address(Address::Host(host)) if !nat.dynamic => self.mapped_from(host, &real),
            mapped => self.mapped_side(mapped, mapped_if),
        };
        let identity = !nat.dynamic
            && real.ranges.is_some()
            && real.ranges == mapped.ranges
            && nat.service.is_none_or(|(_, a, b)| a == b);
        Some(Translation {
            real_if: self.interface_of(real_if),
            mapped_if: self.interface_of(mapped_if),
            dynamic: nat.dynamic,
            identity,
            protocol: nat.service.map(|(protocol, ..)| protocol),
            source_ports: nat.service.map(|(_, real, mapped)| pair(real, mapped)),
            one_way: nat.dynamic,
            ..Translation::of(nat.span, real, mapped)
        })
    }

    /// The mapped side that starts at an address and is as large as the real one.
    fn mapped_from(&mut self, host: super::super::ast::Host<'a>, real: &Side) -> Side {
        let side = self.side(Address::Host(host));
        let (Some(&[(family, start, _)]), Some(&[(real_family, lo, hi)])) =
            (side.ranges.as_deref(), real.ranges.as_deref())
        else {
            return side;
        };
        let end = start.saturating_add(hi - lo);
        if family != real_family || end > family.last() {
            return side;
        }
        let mut set = Addresses::default();
        match family {
            Family::V4 => set.v4 = Set::range(start, end),
            Family::V6 => set.v6 = Set::range(start, end),
        }
        Side { set, ranges: Some(vec![(family, start, end)]), interface: false }
    }

    /// `nat`, `global` and `static` of before 8.3.
    fn old_rules(&mut self, out: &mut Vec<Translation>) {
        let config = self.config;
        for nat in &config.old_nats {
            if let OldNat::Nat { span, interface, id: 0, what: Err(acl) } = nat {
                // An exemption does not look at ports.
                for Selected { source, destination, .. } in self.selected(*acl) {
                    let (real, to) = (self.side(source), self.side(destination));
                    let mut rule = Translation::of(*span, real.clone(), real);
                    rule.real_if = self.interface_of(Some(*interface));
                    rule.identity = true;
                    rule.destination = Some((to.clone(), to, true));
                    out.push(rule);
                }
            }
        }
        for nat in &config.old_nats {
            let OldNat::Static { span, interfaces, mapped, real, mask, service } = nat else { continue };
            let selected = match real {
                Ok(host) => vec![Selected::all_of(Address::Net(*host, *mask))],
                Err(acl) => self.selected(*acl),
            };
            for entry in selected {
                let real = self.side(entry.source);
                let mapped = match mapped {
                    Mapped::Address(Address::Host(host)) => self.mapped_from(*host, &real),
                    other => self.mapped_side(*other, Some(interfaces.1)),
                };
                let mut rule = Translation::of(*span, real, mapped);
                rule.real_if = self.interface_of(Some(interfaces.0));
                rule.mapped_if = self.interface_of(Some(interfaces.1));
                rule.protocol = service.map(|(protocol, ..)| protocol);
                rule.source_ports = service.map(|(_, mapped, real)| pair(real, mapped));
                self.select(&mut rule, entry);
                rule.identity = rule.real.ranges.is_some()
                    && rule.real.ranges == rule.mapped.ranges
                    && rule.source_ports.is_none_or(|pair| pair.real == pair.mapped);
                out.push(rule);
            }
        }
        self.old_dynamic(out);
    }

    fn old_dynamic(&mut self, out: &mut Vec<Translation>) {
        let config = self.config;
        let mut globals: FxHashMap<u32, Vec<(Mapped<'a>, Named<'a>)>> = FxHashMap::default();
        for global in &config.old_nats {
            if let OldNat::Global { interface, id, pool, .. } = global {
                globals.entry(*id).or_default().push((*pool, *interface));
            }
        }
        let mut dynamic = Vec::new();
        for nat in &config.old_nats {
            let OldNat::Nat { span, interface, id, what } = nat else { continue };
            let selected = match what {
                Ok(address) => vec![Selected::all_of(*address)],
                Err(_) if *id == 0 => continue,
                Err(acl) => self.selected(*acl),
            };
            for entry in selected {
                let real = self.side(entry.source);
                let mut pools: Vec<(Side, Option<Set>)> = Vec::new();
                if *id == 0 {
                    pools.push((real.clone(), None));
                }
                for (pool, interface) in globals.get(id).into_iter().flatten() {
                    let mapped = self.mapped_side(*pool, Some(*interface));
                    pools.push((mapped, self.interface_of(Some(*interface))));
                }
                for (mapped, mapped_if) in pools {
                    let mut rule = Translation::of(*span, real.clone(), mapped);
                    (rule.identity, rule.dynamic, rule.one_way) = (*id == 0, *id != 0, true);
                    rule.real_if = self.interface_of(Some(*interface));
                    rule.mapped_if = mapped_if;
                    self.select(&mut rule, entry);
                    dynamic.push((!entry.by_list, real.set.v4.count(), rule));
                }
            }
        }
        // Rules with an access-list first, then the closest match.
        dynamic.sort_by_key(|(plain, count, _)| (*plain, if *plain { *count } else { 0 }));
        out.extend(dynamic.into_iter().map(|(.., rule)| rule));
    }

    /// What the permits of a list select.
    fn selected(&mut self, acl: Named<'a>) -> Vec<Selected<'a>> {
        let Some(at) = self.acls.get(acl.text).copied() else {
            self.resolver.missing(acl, "access-list");
            return Vec::new();
        };
        let permits = self.config.acls[at].entries.iter().filter_map(|entry| match entry {
            Entry::Extended(ace) if !ace.inactive && ace.action == Action::Permit => Some(Selected {
                source: ace.source,
                destination: ace.destination,
                service: ace.service,
                by_list: true,
                acl: acl.text,
            }),
            _ => None,
        });
        permits.collect()
    }

    /// Narrows a rule to what an entry of its list selects: the other end, and ports.
    fn select(&mut self, rule: &mut Translation, entry: Selected<'a>) {
        if !entry.by_list {
            return;
        }
        let to = self.side(entry.destination);
        rule.destination = Some((to.clone(), to, true));
        let Service { protocol, source, destination, icmp } = entry.service;
        let number = match protocol {
            Protocol::Number(number) => Some(number),
            Protocol::Ip
            | Protocol::TcpUdp
            | Protocol::Object(_)
            | Protocol::Group(_)
            | Protocol::Unknown(_) => None,
        };
        rule.protocol = rule.protocol.or(number);
        let (from, to) = (interval(source), interval(destination));
        rule.destination_ports = to.map(|ports| PortPair { real: ports, mapped: ports });
        if !rule.dynamic && rule.source_ports.is_none() {
            rule.source_ports = from.map(|ports| PortPair { real: ports, mapped: ports });
        }
        // `static tcp` writes the mapped port, its list the real one.
        if let (Some(pair), Some(ports)) = (&mut rule.source_ports, from) {
            pair.real = ports;
        }
        let read = (number.is_some() || protocol == Protocol::Ip)
            && (source == Ports::Any || (from.is_some() && !rule.dynamic))
            && (destination == Ports::Any || to.is_some())
            && icmp == Icmp::Any;
        rule.condition = (!read).then(|| format!("acl {} service", entry.acl));
    }
}

/// What an entry of a list selects for a translation, or all of an address.
#[derive(Clone, Copy)]
struct Selected<'a> {
    source: Address<'a>,
    destination: Address<'a>,
    service: Service<'a>,
    by_list: bool,
    acl: &'a str,
}

impl<'a> Selected<'a> {
    fn all_of(source: Address<'a>) -> Self {
        let service = Service::of(Protocol::Ip);
        Selected { source, destination: Address::Any, service, by_list: false, acl: "" }
    }
}

fn pair(real: u16, mapped: u16) -> PortPair {
    PortPair { real: (real, real), mapped: (mapped, mapped) }
}

/// Whether the real and the mapped side are written alike.
fn same(real: &Address<'_>, mapped: &Mapped<'_>) -> bool {
    match (real, mapped) {
        (Address::Object(a), Mapped::Address(Address::Object(b))) => a.text == b.text,
        (a, Mapped::Address(b)) => a == b,
        _ => false,
    }
}

/// The single interval of a condition on ports.
fn interval(ports: Ports<'_>) -> Option<(u16, u16)> {
    match ports {
        Ports::Eq(port) => Some((port, port)),
        Ports::Range(lo, hi) => Some((lo, hi)),
        Ports::Gt(port) => Some((port.checked_add(1)?, u16::MAX)),
        Ports::Lt(port) => Some((0, port.checked_sub(1)?)),
        Ports::Any | Ports::Neq(_) | Ports::Group(_) | Ports::Unknown(_) => None,
    }
}
