//! Names to what they stand for: addresses, services and ports as sets, each group worked out once.
//!
//! A group of a thousand elements is one set, so that an entry over three groups costs the sum of their
//! sizes and not the product. What cannot be resolved becomes a named unknown.

mod groups;
mod sets;

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

pub(super) use sets::{Addresses, Guess, Product, Services, Unknown, tcp_udp};
use sets::{Partly, SERVICE, meet, narrow, net, of_protocols};

use super::ast::{Address, Config, Families, Host, Icmp, Member, Named, Ports, Protocol, Service};
use crate::finding::Finding;
use crate::packet::{Family, Field, Set};
use crate::rule::{PH002, PH003};
use crate::source::Span;

/// Unknown parts of one group beyond which the group counts as one.
const UNKNOWNS: usize = 32;
/// Intervals of all groups together beyond which no more are worked out.
const WORK: usize = 10_000_000;

/// Resolves the names of one configuration.
pub(super) struct Resolver<'c, 'a> {
    config: &'c Config<'a>,
    objects: FxHashMap<&'a str, usize>,
    services: FxHashMap<&'a str, usize>,
    groups: FxHashMap<&'a str, usize>,
    interfaces: FxHashMap<&'a str, usize>,
    hardware: FxHashSet<&'a str>,
    addresses: Vec<Option<Addresses>>,
    service_groups: Vec<Option<Arc<Services>>>,
    port_groups: Vec<Option<Partly>>,
    icmp_groups: Vec<Option<Partly>>,
    /// Number of elements of each group with all that it contains, each as often as it occurs.
    weights: Vec<u64>,
    /// Groups in an order in which every group comes after those that it contains.
    order: Vec<usize>,
    /// Group-object lines that close a cycle.
    cyclic: FxHashSet<Span>,
    /// Names that were looked for and are not there.
    missing: FxHashSet<(&'a str, &'static str)>,
    /// Objects and groups that were looked at.
    used: FxHashSet<&'a str>,
    pub findings: Vec<Finding>,
}

impl<'c, 'a> Resolver<'c, 'a> {
    pub(super) fn new(config: &'c Config<'a>) -> Self {
        let mut resolver = Resolver {
            config,
            objects: config.objects.iter().enumerate().map(|(at, object)| (object.name.text, at)).collect(),
            services: config.services.iter().enumerate().map(|(at, object)| (object.name.text, at)).collect(),
            groups: config.groups.iter().enumerate().map(|(at, group)| (group.name.text, at)).collect(),
            interfaces: config
                .interfaces
                .iter()
                .enumerate()
                .filter_map(|(at, interface)| Some((interface.name?.text, at)))
                .collect(),
            hardware: config.interfaces.iter().map(|interface| interface.hardware.text).collect(),
            addresses: vec![None; config.groups.len()],
            service_groups: vec![None; config.groups.len()],
            port_groups: vec![None; config.groups.len()],
            icmp_groups: vec![None; config.groups.len()],
            weights: vec![0; config.groups.len()],
            order: Vec::new(),
            cyclic: FxHashSet::default(),
            missing: FxHashSet::default(),
            used: FxHashSet::default(),
            findings: Vec::new(),
        };
        resolver.sort_groups();
        let mut work = 0;
        for at in resolver.order.clone() {
            if work > WORK {
                resolver.too_much(at);
                break;
            }
            resolver.group(at);
            work += resolver.addresses[at]
                .as_ref()
                .map_or(0, |set| set.v4.ranges().len() + set.v6.ranges().len());
        }
        // What groups hold is in use only if the groups are.
        resolver.used.clear();
        resolver
    }

    /// Says once that a name is not defined.
    pub(super) fn missing(&mut self, name: Named<'a>, what: &'static str) {
        if self.missing.insert((name.text, what)) {
            let message = format!("{what} `{}` is not defined", name.text);
            self.findings.push(
                Finding::of(&PH003, name.span, message)
                    .label("not defined in this configuration")
                    .help("Define it, or take the line out. What it stands for counts as unknown."),
            );
        }
    }

    /// The address that a host stands for.
    pub(super) fn host(&mut self, host: Host<'a>) -> Option<(Family, u128)> {
        match host {
            Host::V4(address) => Some((Family::V4, address.into())),
            Host::V6(address) => Some((Family::V6, address)),
            Host::Name(name) => match self.config.names.get(name.text) {
                Some((Host::V4(address), _)) => Some((Family::V4, (*address).into())),
                Some((Host::V6(address), _)) => Some((Family::V6, *address)),
                _ => {
                    self.unknown_name(name);
                    None
                }
            },
        }
    }

    /// A name that is not defined, or an address that somebody made unreadable.
    fn unknown_name(&mut self, name: Named<'a>) {
        if !is_redacted(name.text) {
            return self.missing(name, "name");
        }
        if self.missing.insert((name.text, "address")) {
            self.findings.push(
                Finding::of(&PH002, name.span, format!("the address `{}` was made unreadable", name.text))
                    .help("What it stands for counts as unknown."),
            );
        }
    }

    /// What an address stands for; `any` is both families.
    pub(super) fn address(&mut self, address: Address<'a>) -> Addresses {
        let all4 = Set::range(0, Family::V4.last());
        let mut out = Addresses::default();
        match address {
            Address::Any => {
                out.v4 = all4;
                out.v6 = Set::full();
            }
            Address::Any4 => out.v4 = all4,
            Address::Any6 => out.v6 = Set::full(),
            Address::Host(host) => match self.host(host) {
                Some((Family::V4, address)) => out.v4 = Set::one(address),
                Some((Family::V6, address)) => out.v6 = Set::one(address),
                None => out.unknown.push(unknown_host(host)),
            },
            Address::Net(host, mask) => match self.host(host) {
                Some((Family::V4, address)) => net(&mut out, address as u32, mask),
                Some((Family::V6, _)) | None => out.unknown.push(unknown_host(host)),
            },
            Address::Prefix(address, length) => {
                let (lo, hi) = Family::V6.prefix(address, length.into());
                out.v6 = Set::range(lo, hi);
            }
            Address::Range(from, to) => match (self.host(from), self.host(to)) {
                (Some((Family::V4, lo)), Some((Family::V4, hi))) => out.v4 = Set::range(lo, hi),
                (Some((Family::V6, lo)), Some((Family::V6, hi))) => out.v6 = Set::range(lo, hi),
                (None, _) => out.unknown.push(unknown_host(from)),
                _ => out.unknown.push(unknown_host(to)),
            },
            Address::Interface(name) => return self.interface(name),
            Address::Object(name) => return self.object(name),
            Address::Group(name) => return self.network(name),
            Address::Fqdn(name, families) => {
                let (v4, v6) = (families != Families::V6, families != Families::V4);
                out.unknown.push(Unknown { name: format!("fqdn {}", name.text), v4, v6 });
            }
        }
        out
    }

    /// The addresses of one of the box's interfaces.
    pub(super) fn interface(&mut self, name: Named<'a>) -> Addresses {
        let mut out = Addresses::default();
        let Some(at) = self.interfaces.get(name.text).copied() else {
            self.check_interface(name);
            out.unknown.push(Unknown::both(format!("interface {}", name.text)));
            return out;
        };
        let interface = &self.config.interfaces[at];
        match interface.v4.and_then(|(host, _)| self.host(host)) {
            Some((_, address)) => out.v4 = Set::one(address),
            None if interface.dynamic_address || interface.v4.is_some() => {
                out.unknown.push(Unknown::both(format!("interface {}", name.text)));
            }
            None => {}
        }
        out.v6 = Set::of(interface.v6.iter().map(|(address, _)| (*address, *address)));
        out
    }

    /// An object, or an object-group where the language does not say which.
    fn object(&mut self, name: Named<'a>) -> Addresses {
        self.used.insert(name.text);
        if let Some(at) = self.objects.get(name.text).copied() {
            return match self.config.objects[at].address {
                // An object holds no other object: this goes no deeper.
                Some(Address::Object(_)) | None => nothing_but("object", name),
                Some(address) => self.address(address),
            };
        }
        if self.groups.contains_key(name.text) {
            return self.network(name);
        }
        self.missing(name, "object");
        nothing_but("object", name)
    }

    fn network(&mut self, name: Named<'a>) -> Addresses {
        self.used.insert(name.text);
        let group = self.groups.get(name.text).copied();
        if group.is_none() {
            self.missing(name, "object-group");
        }
        group.and_then(|at| self.addresses[at].clone()).unwrap_or_else(|| nothing_but("object-group", name))
    }

    /// What a service stands for; that of a group is shared by all who ask.
    pub(super) fn service(&mut self, service: Service<'a>) -> Arc<Services> {
        let of = match service.protocol {
            Protocol::Ip => Services { products: vec![Product::default()], guesses: Vec::new() }.into(),
            Protocol::Number(number) => of_protocols(Set::one(number.into())).into(),
            Protocol::TcpUdp => of_protocols(tcp_udp()).into(),
            Protocol::Object(name) => self.service_object(name),
            Protocol::Group(name) => self.services(name),
            Protocol::Unknown(name) => {
                self.missing(name, "protocol");
                Services::guess(format!("protocol {}", name.text), &[Field::Proto]).into()
            }
        };
        if (service.source, service.destination, service.icmp) == (Ports::Any, Ports::Any, Icmp::Any) {
            return of;
        }
        let (source, destination) = (self.ports(service.source), self.ports(service.destination));
        let (types, codes) = self.icmp(service.icmp);
        let certain =
            of.products.iter().map(|product| Guess { product: product.clone(), conditions: Vec::new() });
        let mut all: Vec<Guess> = certain.chain(of.guesses.iter().cloned()).collect();
        if service.source != Ports::Any {
            narrow(&mut all, &source, &[Field::Sport], |product, set| meet(&mut product.source, set));
        }
        if service.destination != Ports::Any {
            narrow(&mut all, &destination, &[Field::Dport], |product, set| {
                meet(&mut product.destination, set)
            });
        }
        if service.icmp != Icmp::Any {
            narrow(&mut all, &types, &[Field::IcmpType], |product, set| {
                product.icmp_type = Some(set.clone());
                product.icmp_code = codes.clone();
            });
        }
        let mut out = Services::default();
        for guess in all {
            if guess.conditions.is_empty() {
                out.products.push(guess.product);
            } else {
                out.guesses.push(guess);
            }
        }
        out.into()
    }

    fn service_object(&mut self, name: Named<'a>) -> Arc<Services> {
        self.used.insert(name.text);
        match self.services.get(name.text).copied() {
            Some(at) => match self.config.services[at].service {
                Some(Service { protocol: Protocol::Object(_) | Protocol::Group(_), .. }) | None => {
                    Services::guess(format!("object {}", name.text), SERVICE).into()
                }
                Some(service) => self.service(service),
            },
            None => {
                self.missing(name, "object");
                Services::guess(format!("object {}", name.text), SERVICE).into()
            }
        }
    }

    fn services(&mut self, name: Named<'a>) -> Arc<Services> {
        self.used.insert(name.text);
        let group = self.groups.get(name.text).copied();
        if group.is_none() {
            self.missing(name, "object-group");
        }
        match group.and_then(|at| self.service_groups[at].clone()) {
            Some(services) => services,
            None => Services::guess(format!("object-group {}", name.text), SERVICE).into(),
        }
    }

    fn ports(&mut self, ports: Ports<'a>) -> Partly {
        let set = match ports {
            Ports::Any => Set::range(0, 0xffff),
            Ports::Eq(port) => Set::one(port.into()),
            Ports::Neq(port) => Set::range(0, 0xffff).minus(&Set::one(port.into())),
            Ports::Lt(port) => port.checked_sub(1).map_or_else(Set::empty, |hi| Set::range(0, hi.into())),
            Ports::Gt(port) => Set::range(u128::from(port) + 1, 0xffff),
            Ports::Range(lo, hi) => Set::range(lo.min(hi).into(), lo.max(hi).into()),
            Ports::Group(name) => {
                self.used.insert(name.text);
                let group = self.groups.get(name.text).copied();
                if group.is_none() {
                    self.missing(name, "object-group");
                }
                return match group.and_then(|at| self.port_groups[at].clone()) {
                    Some(ports) => ports,
                    None => {
                        Partly { set: Set::empty(), unknown: Some(format!("object-group {}", name.text)) }
                    }
                };
            }
            Ports::Unknown(name) => {
                self.missing(name, "port");
                return Partly { set: Set::empty(), unknown: Some(format!("port {}", name.text)) };
            }
        };
        Partly { set, unknown: None }
    }

    /// ICMP types, and codes where they are limited.
    fn icmp(&mut self, icmp: Icmp<'a>) -> (Partly, Option<Set>) {
        let known = |set| Partly { set, unknown: None };
        match icmp {
            Icmp::Any => (known(Set::range(0, 255)), None),
            Icmp::Type(kind, code) => (known(Set::one(kind.into())), code.map(|code| Set::one(code.into()))),
            Icmp::Group(name) => {
                self.used.insert(name.text);
                let group = self.groups.get(name.text).copied();
                if group.is_none() {
                    self.missing(name, "object-group");
                }
                match group.and_then(|at| self.icmp_groups[at].clone()) {
                    Some(types) => (types, None),
                    None => {
                        let unknown = Some(format!("object-group {}", name.text));
                        (Partly { set: Set::empty(), unknown }, None)
                    }
                }
            }
            Icmp::Unknown(name) => {
                self.missing(name, "ICMP type");
                (Partly { set: Set::empty(), unknown: Some(format!("ICMP type {}", name.text)) }, None)
            }
        }
    }

    /// The service of a service object, for translations.
    pub(super) fn service_of(&mut self, name: Named<'a>) -> Option<Service<'a>> {
        self.used.insert(name.text);
        let at = self.services.get(name.text).copied();
        if at.is_none() {
            self.missing(name, "object");
        }
        self.config.services[at?].service
    }

    /// How many elements a group has with all that it contains, each as often as it occurs.
    pub(super) fn weight(&self, name: &str) -> u64 {
        self.groups.get(name).map_or(1, |at| self.weights[*at])
    }

    /// Intervals of addresses in the order of the file, for translations; `None` where some are unknown.
    pub(super) fn ordered(&mut self, address: Address<'a>) -> Option<Vec<(Family, u128, u128)>> {
        let mut out = Vec::new();
        let mut work = vec![address];
        let mut steps = 0usize;
        while let Some(address) = work.pop() {
            steps += 1;
            if steps > 100_000 {
                return None;
            }
            let group = match address {
                Address::Group(name) | Address::Object(name) if !self.objects.contains_key(name.text) => {
                    self.groups.get(name.text).copied()
                }
                _ => None,
            };
            if let Some(at) = group {
                self.used.insert(self.config.groups[at].name.text);
                let members = &self.config.groups[at].members;
                for (span, member) in members.iter().rev() {
                    match member {
                        Member::Address(address) => work.push(*address),
                        Member::Group(name) if !self.cyclic.contains(span) => {
                            work.push(Address::Group(*name))
                        }
                        _ => {}
                    }
                }
                continue;
            }
            let set = self.address(address);
            if !set.unknown.is_empty() || !set.masked.is_empty() {
                return None;
            }
            out.extend(set.v4.ranges().iter().map(|(lo, hi)| (Family::V4, *lo, *hi)));
            out.extend(set.v6.ranges().iter().map(|(lo, hi)| (Family::V6, *lo, *hi)));
        }
        Some(out)
    }

    /// The objects and groups that were looked at, with all that they hold.
    pub(super) fn used(&self) -> FxHashSet<&'a str> {
        let mut used = self.used.clone();
        let mut work: Vec<&str> = used.iter().copied().collect();
        while let Some(name) = work.pop() {
            let Some(at) = self.groups.get(name) else { continue };
            for (_, member) in &self.config.groups[*at].members {
                let inner = match member {
                    Member::Group(name) | Member::Address(Address::Object(name)) => name.text,
                    Member::Service(Service { protocol: Protocol::Object(name), .. }) => name.text,
                    _ => continue,
                };
                if used.insert(inner) {
                    work.push(inner);
                }
            }
        }
        used
    }

    /// Says so where an interface is not there, unless the file has none at all: then it is a part of one.
    pub(super) fn check_interface(&mut self, name: Named<'a>) {
        let known = self.interfaces.contains_key(name.text) || self.hardware.contains(name.text);
        if !self.interfaces.is_empty() && !known {
            self.missing(name, "interface");
        }
    }
}

/// `192.0.x.x`, `203.0.113.***`: four parts of digits and marks.
fn is_redacted(word: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_digit() || matches!(byte, b'x' | b'X' | b'*' | b'#' | b'?'))
    };
    word.split('.').count() == 4 && word.split('.').all(part)
}

fn nothing_but(kind: &str, name: Named<'_>) -> Addresses {
    Addresses { unknown: vec![Unknown::both(format!("{kind} {}", name.text))], ..Addresses::default() }
}

fn unknown_host(host: Host<'_>) -> Unknown {
    match host {
        Host::Name(name) => Unknown::both(format!("name {}", name.text)),
        Host::V4(address) => Unknown::both(format!("address {}", std::net::Ipv4Addr::from(address))),
        Host::V6(address) => Unknown::both(format!("address {}", std::net::Ipv6Addr::from(address))),
    }
}
