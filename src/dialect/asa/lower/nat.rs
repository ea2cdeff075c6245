//! Translation: all its forms become one list of translations in the order in which the box looks at them.
//!
//! *Firewall CLI Configuration Guide*, "NAT Rule Order": section 1 twice NAT in the order of the file;
//! section 2 object NAT, static before dynamic, then fewer real addresses, then lower ones, then by name;
//! section 3 twice NAT with `after-auto`. Before 8.3: exemptions, statics, then dynamic rules.

use super::super::ast::{Address, Entry, Mapped, Named, NetworkObject, OldNat, Ports, Protocol, TwiceNat};
use super::super::resolve::Addresses;
use super::{Alternative, Lower};
use crate::model::{ChainId, Effect, Hook, MarkOp, Nat, NatAddr, NatPort, StageKind, Verdict};
use crate::packet::{Family, Field, Set};
use crate::source::Span;

/// Pieces into which a static translation may be cut; beyond, which address a packet gets counts as open.
const PIECES: usize = 64;

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
    /// No connections from the mapped side, and none are checked for.
    one_way: bool,
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
        Side { set: self.resolver.address(address), ranges: self.resolver.ordered(address), interface: false }
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
                let known = set.unknown.is_none() && !set.v4.is_empty();
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
            span: nat.span,
            real_if: self.interface_of(real_if),
            mapped_if: self.interface_of(mapped_if),
            dynamic: nat.dynamic,
            real,
            mapped,
            identity,
            destination,
            protocol: None,
            source_ports: None,
            destination_ports: None,
            one_way: nat.unidirectional || nat.dynamic,
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
        out.source_ports = pair(first.map(|s| s.source), second.map(|s| s.source));
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
        let pair =
            |(_, real, mapped): (u8, u16, u16)| PortPair { real: (real, real), mapped: (mapped, mapped) };
        let identity = !nat.dynamic
            && real.ranges.is_some()
            && real.ranges == mapped.ranges
            && nat.service.is_none_or(|(_, a, b)| a == b);
        Some(Translation {
            span: nat.span,
            real_if: self.interface_of(real_if),
            mapped_if: self.interface_of(mapped_if),
            dynamic: nat.dynamic,
            real,
            mapped,
            identity,
            destination: None,
            protocol: nat.service.map(|(protocol, ..)| protocol),
            source_ports: nat.service.map(pair),
            destination_ports: None,
            one_way: nat.dynamic,
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
        let blank = |span, real: Side, mapped: Side| Translation {
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
            one_way: false,
        };
        for nat in &config.old_nats {
            if let OldNat::Nat { span, interface, id: 0, what: Err(acl) } = nat {
                for (source, destination) in self.selected(*acl) {
                    let (real, to) = (self.side(source), self.side(destination));
                    let mut rule = blank(*span, real.clone(), real);
                    rule.real_if = self.interface_of(Some(*interface));
                    rule.identity = true;
                    rule.destination = Some((to.clone(), to, true));
                    out.push(rule);
                }
            }
        }
        for nat in &config.old_nats {
            let OldNat::Static { span, interfaces, mapped, real, mask, service } = nat else { continue };
            let Ok(host) = real else {
                self.findings.push(
                    crate::finding::Finding::new(
                        "PH002",
                        crate::finding::Severity::Info,
                        Some(*span),
                        "`static` with an access-list is not in the model",
                    )
                    .help(
                        "The translation is left out: destinations that it translates are taken as they are.",
                    ),
                );
                continue;
            };
            let real = self.side(Address::Net(*host, *mask));
            let mapped = match mapped {
                Mapped::Address(Address::Host(host)) => self.side(Address::Net(*host, *mask)),
                other => self.mapped_side(*other, Some(interfaces.1)),
            };
            let mut rule = blank(*span, real, mapped);
            rule.identity = rule.real.ranges.is_some()
                && rule.real.ranges == rule.mapped.ranges
                && service.is_none_or(|(_, a, b)| a == b);
            rule.real_if = self.interface_of(Some(interfaces.0));
            rule.mapped_if = self.interface_of(Some(interfaces.1));
            rule.protocol = service.map(|(protocol, ..)| protocol);
            rule.source_ports =
                service.map(|(_, mapped, real)| PortPair { real: (real, real), mapped: (mapped, mapped) });
            out.push(rule);
        }
        self.old_dynamic(out, blank);
    }

    fn old_dynamic(&mut self, out: &mut Vec<Translation>, blank: impl Fn(Span, Side, Side) -> Translation) {
        let config = self.config;
        let mut dynamic = Vec::new();
        for nat in &config.old_nats {
            let OldNat::Nat { span, interface, id, what } = nat else { continue };
            let selected = match what {
                Ok(address) => vec![(*address, None)],
                Err(_) if *id == 0 => continue,
                Err(acl) => self.selected(*acl).into_iter().map(|(from, to)| (from, Some(to))).collect(),
            };
            for (from, to) in selected {
                let real = self.side(from);
                let to = to.map(|to| self.side(to));
                let mut pools: Vec<(Side, Option<Set>)> = Vec::new();
                if *id == 0 {
                    pools.push((real.clone(), None));
                }
                for global in &config.old_nats {
                    if let OldNat::Global { interface, id: of, pool, .. } = global
                        && of == id
                    {
                        pools.push((
                            self.mapped_side(*pool, Some(*interface)),
                            self.interface_of(Some(*interface)),
                        ));
                    }
                }
                for (mapped, mapped_if) in pools {
                    let mut rule = blank(*span, real.clone(), mapped);
                    (rule.identity, rule.dynamic, rule.one_way) = (*id == 0, *id != 0, true);
                    rule.real_if = self.interface_of(Some(*interface));
                    rule.mapped_if = mapped_if;
                    rule.destination = to.clone().map(|to| (to.clone(), to, true));
                    dynamic.push((to.is_none(), real.set.v4.count(), rule));
                }
            }
        }
        // Rules with an access-list first, then the closest match.
        dynamic.sort_by_key(|(plain, count, _)| (*plain, if *plain { *count } else { 0 }));
        out.extend(dynamic.into_iter().map(|(.., rule)| rule));
    }

    /// Source and destination of the permits of a list.
    fn selected(&mut self, acl: Named<'a>) -> Vec<(Address<'a>, Address<'a>)> {
        let Some(at) = self.acls.get(acl.text).copied() else {
            self.resolver.missing(acl, "access-list");
            return Vec::new();
        };
        let permits = self.config.acls[at].entries.iter().filter_map(|entry| match entry {
            Entry::Extended(ace) if !ace.inactive && ace.action == super::super::ast::Action::Permit => {
                Some((ace.source, ace.destination))
            }
            _ => None,
        });
        permits.collect()
    }

    /// The stage that translates destinations back, before anything else looks at them.
    pub(super) fn untranslate(&mut self, nat: &[Translation]) {
        if nat.is_empty() {
            return;
        }
        let chain = self.b.chain("un-nat", self.nowhere);
        for (at, rule) in nat.iter().enumerate() {
            self.from_mapped_side(chain, rule, mark_of(at));
            self.mapped_destination(chain, rule);
        }
        self.untranslates = !self.b.ruleset().chain(chain).rules.is_empty();
        self.stage(Hook::Prerouting, chain, StageKind::DstNat, Verdict::Accept);
    }

    /// Connections from the mapped side to mapped addresses get the real destination.
    fn from_mapped_side(&mut self, chain: ChainId, rule: &Translation, mark: u32) {
        if rule.one_way {
            return;
        }
        for (real, mapped, exact) in pairs(&rule.real, &rule.mapped, rule.identity) {
            for source in other_side(rule.destination.as_ref().map(|(_, real, _)| real), family_of(&mapped)) {
                self.interface_test(Field::Iif, rule.mapped_if.as_ref());
                self.other(source, Field::src(family_of(&mapped)));
                self.target(&mapped, &rule.mapped, Field::dst(family_of(&mapped)));
                self.port_tests(rule.protocol, rule.source_ports.map(|pair| pair.mapped), Field::Dport);
                self.step(Effect::Mark(MarkOp { clear: u32::MAX, flip: mark }));
                if !rule.identity {
                    let port =
                        rule.source_ports.map_or(NatPort::Keep, |pair| port_map(pair.mapped, pair.real));
                    self.nat(true, address_map(&real, exact), port);
                }
                self.verdict(chain, Verdict::Accept, rule.span);
            }
        }
    }

    /// Connections from the real side to a mapped destination get the real one.
    fn mapped_destination(&mut self, chain: ChainId, rule: &Translation) {
        let Some((mapped, real, identity)) = &rule.destination else { return };
        for (real, mapped_range, exact) in pairs(real, mapped, *identity) {
            for source in other_side(Some(&rule.real), family_of(&mapped_range)) {
                self.interface_test(Field::Iif, rule.real_if.as_ref());
                self.other(source, Field::src(family_of(&mapped_range)));
                self.target(&mapped_range, mapped, Field::dst(family_of(&mapped_range)));
                self.port_tests(rule.protocol, rule.destination_ports.map(|pair| pair.mapped), Field::Dport);
                let port =
                    rule.destination_ports.map_or(NatPort::Keep, |pair| port_map(pair.mapped, pair.real));
                if !identity || port != NatPort::Keep {
                    self.nat(true, if *identity { NatAddr::Keep } else { address_map(&real, exact) }, port);
                }
                self.verdict(chain, Verdict::Accept, rule.span);
            }
        }
    }

    /// A connection to real addresses whose replies would be translated is dropped, unless the rule that
    /// would do so is the one by which it came in.
    ///
    /// Syslog message 305013: asymmetric NAT rules matched for forward and reverse flows.
    pub(super) fn reverse_path(&mut self, nat: &[Translation]) {
        let checked = |rule: &&Translation| rule.dynamic || !rule.one_way;
        if !nat.iter().any(|rule| checked(&rule)) {
            return;
        }
        let chain = self.b.chain("nat reverse path", self.nowhere);
        self.established(chain);
        for (at, rule) in nat.iter().enumerate().filter(|(_, rule)| checked(rule)) {
            let passes: &[bool] = if rule.identity { &[false] } else { &[true, false] };
            for family in [Family::V4, Family::V6] {
                for to in Self::alternatives(&rule.real.set, family) {
                    for source in other_side(rule.destination.as_ref().map(|(_, real, _)| real), family) {
                        for marked in passes {
                            self.interface_test(Field::Iif, rule.mapped_if.as_ref());
                            self.interface_test(Field::Oif, rule.real_if.as_ref());
                            self.other(source.clone(), Field::src(family));
                            self.other(to.clone(), Field::dst(family));
                            if matches!((&source, &to), (Alternative::All, Alternative::All)) {
                                self.b.is(Field::Version, if family == Family::V4 { 4 } else { 6 });
                            }
                            self.port_tests(
                                rule.protocol,
                                rule.source_ports.map(|pair| pair.real),
                                Field::Dport,
                            );
                            if *marked {
                                self.b.is(Field::Mark, mark_of(at).into());
                            }
                            // Passing decides nothing: it leaves the chain for the stage's policy.
                            let pass = *marked || rule.identity;
                            self.step(if pass { Effect::Return } else { Effect::Verdict(Verdict::Drop) });
                            self.b.rule(chain, rule.span, rule.span);
                        }
                    }
                }
            }
        }
        self.stage(Hook::Forward, chain, StageKind::Filter, Verdict::Accept);
    }

    /// The stage that translates sources, after everything else.
    pub(super) fn translate(&mut self, nat: &[Translation]) {
        if nat.is_empty() {
            return;
        }
        let chain = self.b.chain("nat", self.nowhere);
        for rule in nat {
            self.from_real_side(chain, rule);
            self.mapped_source(chain, rule);
        }
        self.stage(Hook::Postrouting, chain, StageKind::SrcNat, Verdict::Accept);
    }

    fn from_real_side(&mut self, chain: ChainId, rule: &Translation) {
        let ways = if rule.dynamic || rule.mapped.interface {
            dynamic_pairs(rule)
        } else {
            pairs(&rule.real, &rule.mapped, rule.identity)
        };
        for (real, mapped, exact) in ways {
            let family = family_of(&real);
            for to in other_side(rule.destination.as_ref().map(|(_, real, _)| real), family) {
                self.interface_test(Field::Iif, rule.real_if.as_ref());
                self.interface_test(Field::Oif, rule.mapped_if.as_ref());
                self.target(&real, &rule.real, Field::src(family));
                self.other(to, Field::dst(family));
                if let Some((mapped, _, false)) = &rule.destination {
                    let set =
                        if family == Family::V4 { mapped.set.v4.clone() } else { mapped.set.v6.clone() };
                    if !set.is_empty() {
                        self.within(
                            if family == Family::V4 { Field::OrigDst4 } else { Field::OrigDst6 },
                            set,
                        );
                    }
                }
                self.port_tests(rule.protocol, rule.source_ports.map(|pair| pair.real), Field::Sport);
                if !rule.identity {
                    let port = match rule.source_ports {
                        Some(pair) => port_map(pair.real, pair.mapped),
                        None if rule.dynamic && (rule.mapped.interface || is_single(&mapped)) => {
                            NatPort::Unknown
                        }
                        None => NatPort::Keep,
                    };
                    let address =
                        if rule.mapped.interface { NatAddr::Interface } else { address_map(&mapped, exact) };
                    self.nat(false, address, port);
                }
                self.verdict(chain, Verdict::Accept, rule.span);
            }
        }
    }

    /// Connections from the mapped side by twice NAT: the source is the destination's real side.
    fn mapped_source(&mut self, chain: ChainId, rule: &Translation) {
        let Some((mapped, real, identity)) = &rule.destination else { return };
        if rule.one_way || *identity || mapped.interface {
            return;
        }
        for (real_range, mapped_range, exact) in pairs(real, mapped, false) {
            let family = family_of(&real_range);
            for to in other_side(Some(&rule.real), family) {
                self.interface_test(Field::Iif, rule.mapped_if.as_ref());
                self.interface_test(Field::Oif, rule.real_if.as_ref());
                self.target(&real_range, real, Field::src(family));
                self.other(to, Field::dst(family));
                self.nat(false, address_map(&mapped_range, exact), NatPort::Keep);
                self.verdict(chain, Verdict::Accept, rule.span);
            }
        }
    }

    fn nat(&mut self, destination: bool, addr: NatAddr, port: NatPort) {
        let nat = self.b.nat(Nat { destination, addr, port });
        self.step(Effect::Nat(nat));
    }

    fn interface_test(&mut self, field: Field, set: Option<&Set>) {
        if let Some(set) = set {
            self.within(field, set.clone());
        }
    }

    fn port_tests(&mut self, protocol: Option<u8>, ports: Option<(u16, u16)>, field: Field) {
        if let Some(protocol) = protocol {
            self.b.is(Field::Proto, protocol.into());
        }
        if let Some((lo, hi)) = ports {
            self.within(field, Set::range(lo.into(), hi.into()));
        }
    }

    /// Tests the address that is translated.
    fn target(&mut self, range: &Range, side: &Side, field: Field) {
        let (family, lo, hi) = *range;
        match (&side.set.unknown, &side.ranges) {
            (_, Some(_)) if lo == 0 && hi == family.last() => {
                self.b.is(Field::Version, if family == Family::V4 { 4 } else { 6 });
            }
            (_, Some(_)) => self.within(field, Set::range(lo, hi)),
            (Some(unknown), None) => {
                self.b.is(Field::Version, if family == Family::V4 { 4 } else { 6 });
                self.b.unknown(&unknown.name);
            }
            (None, None) => {
                self.b.is(Field::Version, if family == Family::V4 { 4 } else { 6 });
                self.b.unknown("the addresses of a translation");
            }
        }
    }

    /// Tests the address at the other end.
    fn other(&mut self, alternative: Alternative, field: Field) {
        match alternative {
            Alternative::All => {}
            Alternative::In(set) => self.within(field, set),
            Alternative::Masked(..) => self.b.unknown("the addresses of a translation"),
            Alternative::Unknown(name) => self.b.unknown(&name),
        }
    }
}

/// The mark by which the reverse path check knows how a packet came in.
fn mark_of(at: usize) -> u32 {
    at as u32 + 1
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

/// Real and mapped intervals that belong together, and whether each address has its own counterpart.
fn pairs(real: &Side, mapped: &Side, identity: bool) -> Vec<(Range, Range, bool)> {
    let unknown = (Family::V4, 0, 0);
    let (Some(reals), Some(maps)) = (&real.ranges, &mapped.ranges) else {
        if mapped.interface
            && mapped.ranges.is_none()
            && let Some(reals) = &real.ranges
        {
            // The interface's address is not in the file.
            return reals.iter().map(|range| (*range, unknown, true)).collect();
        }
        return vec![(unknown, unknown, false)];
    };
    if identity {
        return reals.iter().map(|range| (*range, *range, true)).collect();
    }
    let size = |ranges: &[Range]| {
        ranges.iter().fold(0u128, |sum, (_, lo, hi)| sum.saturating_add((hi - lo).saturating_add(1)))
    };
    let families = |ranges: &[Range]| ranges.iter().all(|(family, ..)| *family == ranges[0].0);
    let plain =
        !reals.is_empty() && !maps.is_empty() && families(reals) && families(maps) && reals[0].0 == maps[0].0;
    if plain
        && size(reals) == size(maps)
        && let Some(cut) = cut(reals, maps)
    {
        return cut;
    }
    // Few to many or many to few: which one it is stays open.
    let mut out = Vec::new();
    for real in reals {
        for mapped in maps.iter().filter(|mapped| mapped.0 == real.0) {
            out.push((*real, *mapped, false));
        }
    }
    out.truncate(PIECES * PIECES);
    out
}

/// Cuts two lists of the same length into blocks that are networks on both sides.
fn cut(reals: &[Range], maps: &[Range]) -> Option<Vec<(Range, Range, bool)>> {
    let mut out = Vec::new();
    let (mut reals, mut maps) = (reals.iter().copied(), maps.iter().copied());
    let (mut real, mut mapped) = (reals.next()?, maps.next()?);
    loop {
        let len = (real.2 - real.1).min(mapped.2 - mapped.1);
        let aligned = |at: u128, block: u128| at & block == 0;
        let mut block = 0u128;
        while let Some(double) = block.checked_mul(2).and_then(|twice| twice.checked_add(1))
            && double <= len
            && aligned(real.1, double)
            && aligned(mapped.1, double)
        {
            block = double;
        }
        out.push(((real.0, real.1, real.1 + block), (mapped.0, mapped.1, mapped.1 + block), true));
        if out.len() > PIECES {
            return None;
        }
        let next = |range: Range, more: &mut dyn Iterator<Item = Range>| {
            if range.1 + block == range.2 {
                more.next()
            } else {
                Some((range.0, range.1 + block + 1, range.2))
            }
        };
        match (next(real, &mut reals), next(mapped, &mut maps)) {
            (Some(r), Some(m)) => (real, mapped) = (r, m),
            _ => return Some(out),
        }
    }
}

/// A dynamic translation takes any address of the pool.
fn dynamic_pairs(rule: &Translation) -> Vec<(Range, Range, bool)> {
    let unknown = (Family::V4, 0, 0);
    let reals = rule.real.ranges.clone().unwrap_or_else(|| vec![unknown]);
    let mut out = Vec::new();
    for real in reals {
        let pool = rule.mapped.ranges.as_ref().and_then(|maps| {
            let same: Vec<_> = maps.iter().filter(|mapped| mapped.0 == real.0).collect();
            let lo = same.iter().map(|range| range.1).min()?;
            let hi = same.iter().map(|range| range.2).max()?;
            Some((real.0, lo, hi))
        });
        out.push((real, pool.unwrap_or((real.0, 0, real.0.last())), false));
    }
    out
}

fn family_of(range: &Range) -> Family {
    range.0
}

fn is_single(range: &Range) -> bool {
    range.1 == range.2
}

/// What a side can be, in one family; no side at all is everything.
fn other_side(side: Option<&Side>, family: Family) -> Vec<Alternative> {
    match side {
        Some(side) => Lower::alternatives(&side.set, family),
        None => vec![Alternative::All],
    }
}

/// How an address becomes one of `to`.
fn address_map(to: &Range, exact: bool) -> NatAddr {
    let (family, lo, hi) = *to;
    let host = hi - lo;
    if exact && host > 0 && host & host.wrapping_add(1) == 0 && lo & host == 0 {
        return NatAddr::Prefix(family, lo, family.bits() - host.trailing_ones());
    }
    if lo == 0 && hi == family.last() { NatAddr::Unknown } else { NatAddr::Pool(family, lo, hi) }
}

fn port_map(from: (u16, u16), to: (u16, u16)) -> NatPort {
    if from == to {
        NatPort::Keep
    } else if to.0 == to.1 {
        NatPort::Pool(to.0, to.1)
    } else if to.1 - to.0 == from.1.saturating_sub(from.0) {
        NatPort::Shift(to.0.wrapping_sub(from.0))
    } else {
        NatPort::Pool(to.0, to.1)
    }
}
