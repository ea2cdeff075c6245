//! Access-lists as chains.

use std::sync::Arc;

use super::super::ast::{
    Ace, Acl, AclKind, Action, Address, Entry, Host, Icmp, Identity, Named, Ports, Protocol, Service,
};
use super::super::resolve::{Guess, Product, Services};
use super::{Alternative, Lower, Use};
use crate::model::{ChainId, ChainKind, Condition, Effect, Origin, Test, Tuples, TuplesId, Values, Verdict};
use crate::packet::{Family, Field, Set};
use crate::source::Span;

/// Characters of a line that a condition names it by.
const NAMED_BY: usize = 60;

/// Combinations of source and destination alternatives that become rules of their own; beyond, what is no
/// set of the addresses of an entry counts as unknown.
const COMBINATIONS: usize = 256;

impl<'c, 'a> Lower<'c, 'a> {
    /// The chain of an access-list for a use; `None` where there is no such list to walk.
    pub(super) fn acl_chain(&mut self, name: Named<'a>, usage: Use) -> Option<ChainId> {
        let at = *self.acls.get(name.text)?;
        if let Some(chain) = self.chains.get(&(at, usage)) {
            return Some(*chain);
        }
        let acl = &self.config.acls[at];
        if !Self::is_filter(acl) {
            return None;
        }
        let label = match usage {
            Use::Filter | Use::Egress | Use::FilterOriginal => format!("access-list {}", acl.name.text),
            Use::ControlPlane => format!("{} (control-plane)", acl.name.text),
            Use::Inspect(helper) => {
                let helper = self.b.ruleset().helpers[helper.0 as usize].clone();
                format!("{} ({helper})", acl.name.text)
            }
            Use::Tunnel(_) => format!("{} (tunnel)", acl.name.text),
            Use::VpnFilter => format!("{} (vpn-filter)", acl.name.text),
        };
        let chain = self.b.chain_of(ChainKind::AccessList, label, acl.name.span);
        self.chains.insert((at, usage), chain);
        self.answers(acl.name.text, usage, chain);
        self.acl_rules(acl, usage, chain);
        Some(chain)
    }

    fn acl_rules(&mut self, acl: &'c Acl<'a>, usage: Use, chain: ChainId) {
        // `show access-list` prints again what the running-config of the same file has.
        let written = Self::is_written(acl);
        // Before 9.0 `any` is of the list's own family.
        let any = match acl.kind {
            Some(AclKind::V6) => Address::Any6,
            _ if self.version >= super::BOTH_FAMILIES => Address::Any,
            _ => Address::Any4,
        };
        for entry in &acl.entries {
            match entry {
                Entry::Extended(ace) if written && ace.shown => {}
                Entry::Extended(ace) if ace.elements.is_empty() => {
                    self.ace(ace, (ace.span, any), usage, chain)
                }
                Entry::Extended(ace) => {
                    // An inactive entry's elements are marked inactive too, but so are names that were
                    // not resolved at the time.
                    for element in ace.elements.iter().filter(|_| !ace.inactive) {
                        self.ace(element, (ace.span, any), usage, chain);
                    }
                }
                Entry::Unread(line) => {
                    // Without `access-list NAME`, which the condition has already.
                    let words: Vec<&str> = line.text.split_ascii_whitespace().collect();
                    let skip = if words.first() == Some(&"access-list") { 2 } else { 0 };
                    let text: String =
                        words[skip.min(words.len())..].join(" ").chars().take(NAMED_BY).collect();
                    let name = self.b.numbered("acl", acl.name.text, &text);
                    self.undefined(chain, Condition::elsewhere(name), line.span);
                }
                Entry::EtherType(..) | Entry::WebType(_) | Entry::Remark(_) | Entry::Standard(..) => {}
            }
        }
    }

    /// The rules of one entry: usually one.
    fn ace(&mut self, ace: &'c Ace<'a>, (span, any): (Span, Address<'a>), usage: Use, chain: ChainId) {
        if ace.inactive || self.is_over(ace) {
            return;
        }
        if self.plain_ace(ace, span, usage, chain) {
            return;
        }
        let any = |address| if address == Address::Any { any } else { address };
        let mut source = self.resolver.address(any(ace.source));
        let mut destination = self.resolver.address(any(ace.destination));
        if usage.is_reversed() {
            std::mem::swap(&mut source, &mut destination);
        }
        let services = self.resolver.service(ace.service);
        let sides = |family| (Self::alternatives(&source, family), Self::alternatives(&destination, family));
        let (v4, v6) = (sides(Family::V4), sides(Family::V6));
        let all = |side: &(Vec<Alternative>, Vec<Alternative>)| {
            matches!((&side.0[..], &side.1[..]), ([Alternative::All], [Alternative::All]))
        };
        if all(&v4) && all(&v6) {
            return self.services(ace, span, &services, usage, chain, |_| {});
        }
        for (family, (mut sources, mut destinations)) in [(Family::V4, v4), (Family::V6, v6)] {
            if sources.len() * destinations.len() > COMBINATIONS {
                Alternative::shorten(&mut sources, ace.source);
                Alternative::shorten(&mut destinations, ace.destination);
            }
            for source in &sources {
                for destination in &destinations {
                    let (src, dst) = address_fields(family, usage);
                    self.services(ace, span, &services, usage, chain, |lower| {
                        if matches!((source, destination), (Alternative::All, Alternative::All)) {
                            lower.b.is(Field::Version, if family == Family::V4 { 4 } else { 6 });
                        }
                        lower.alternative(src, source, family);
                        lower.alternative(dst, destination, family);
                    });
                }
            }
        }
    }

    /// An entry of single intervals only, which is what most are: the same tests without sets.
    /// False where it is not one.
    fn plain_ace(&mut self, ace: &'c Ace<'a>, span: Span, usage: Use, chain: ChainId) -> bool {
        let (Some(source), Some(destination), Some(service)) =
            (plain_address(ace.source), plain_address(ace.destination), plain_service(&ace.service))
        else {
            return false;
        };
        // One address at least has to be of IPv4: it keeps the other family out.
        if (source.is_none() && destination.is_none()) || usage.is_reversed() {
            return false;
        }
        let (src, dst) = address_fields(Family::V4, usage);
        let (sport, dport) = (port_field(Field::Sport, usage), port_field(Field::Dport, usage));
        let (protocol, source_ports, destination_ports) = service;
        let tests = [
            (src, source),
            (dst, destination),
            (Field::Proto, protocol),
            (sport, source_ports),
            (dport, destination_ports),
        ];
        for (field, range) in tests {
            if let Some((lo, hi)) = range {
                self.b.field(field, Values::Range(lo, hi), false);
            }
        }
        self.finish_ace(ace, span, usage, chain);
        true
    }

    /// Tests that an address is in an alternative.
    pub(super) fn alternative(&mut self, field: Field, alternative: &Alternative, family: Family) {
        match alternative {
            Alternative::All => {}
            Alternative::In(set) => self.within(field, set.clone()),
            Alternative::Masked(mask, value) => {
                let mask = self.b.mask((*mask).into());
                let values = self.b.range((*value).into(), (*value).into());
                self.b.test(Test::Masked { field, mask, values, negate: false });
            }
            Alternative::Unknown(name) => {
                self.b.is(Field::Version, if family == Family::V4 { 4 } else { 6 });
                self.b.unknown(Condition::of(name, [field]));
            }
        }
    }

    /// One rule for the known services of an entry, and one for each of the unknown ones.
    fn services(
        &mut self,
        ace: &'c Ace<'a>,
        span: Span,
        services: &Arc<Services>,
        usage: Use,
        chain: ChainId,
        mut addresses: impl FnMut(&mut Self),
    ) {
        if !services.products.is_empty() {
            addresses(self);
            self.products(services, usage);
            self.finish_ace(ace, span, usage, chain);
        }
        for Guess { product, conditions } in &services.guesses {
            addresses(self);
            self.product(product, usage);
            for (name, about) in conditions {
                let about: Vec<Field> = about.iter().map(|field| port_field(*field, usage)).collect();
                self.b.unknown(Condition::of(name, about));
            }
            self.finish_ace(ace, span, usage, chain);
        }
    }

    fn products(&mut self, services: &Arc<Services>, usage: Use) {
        if let [product] = &services.products[..] {
            return self.product(product, usage);
        }
        // What the resolver keeps, a group, has its place: its products are written out once.
        let kept = Arc::strong_count(services) > 1;
        let key = (
            Arc::as_ptr(services) as usize,
            port_field(Field::Sport, usage),
            port_field(Field::Dport, usage),
        );
        let known = self.products.get(&key).filter(|_| kept).copied();
        let tuples = match known {
            Some(tuples) => tuples,
            None => self.tuples(&services.products, usage),
        };
        if kept {
            self.products.insert(key, tuples);
        }
        if let Some(tuples) = tuples {
            self.b.test(Test::Tuple { tuples, negate: false });
        }
    }

    /// Tests of what is limited in a product.
    fn product(&mut self, product: &Product, usage: Use) {
        let Product { protocol, source, destination, icmp_type, icmp_code } = product;
        let fields = [
            (Field::Proto, protocol),
            (port_field(Field::Sport, usage), source),
            (port_field(Field::Dport, usage), destination),
            (Field::IcmpType, icmp_type),
            (Field::IcmpCode, icmp_code),
        ];
        for (field, set) in fields {
            if let Some(set) = set {
                self.within(field, set.clone());
            }
        }
    }

    /// Products as one test; `None` where they limit nothing.
    fn tuples(&mut self, products: &[Product], usage: Use) -> Option<TuplesId> {
        let all = [Field::Proto, Field::Sport, Field::Dport, Field::IcmpType, Field::IcmpCode]
            .map(|field| port_field(field, usage));
        let side = |product: &Product, at: usize| -> Option<Set> {
            match at {
                0 => product.protocol.clone(),
                1 => product.source.clone(),
                2 => product.destination.clone(),
                3 => product.icmp_type.clone(),
                _ => product.icmp_code.clone(),
            }
        };
        let needed: Vec<usize> =
            (0..all.len()).filter(|at| products.iter().any(|p| side(p, *at).is_some())).collect();
        if needed.is_empty() {
            return None;
        }
        let boxes =
            products.iter().map(|product| needed.iter().map(|at| side(product, *at)).collect()).collect();
        let fields = needed.iter().map(|at| all[*at]).collect();
        Some(self.b.tuples(Tuples { fields, boxes }))
    }

    /// The conditions that every rule of an entry has, and what it does.
    fn finish_ace(&mut self, ace: &'c Ace<'a>, span: Span, usage: Use, chain: ChainId) {
        for (field, way) in [(Field::Iif, ace.ways.0), (Field::Oif, ace.ways.1)] {
            if let Some(name) = way {
                self.on(field, name.text);
            }
        }
        for identity in &ace.identities {
            self.identity(identity, usage);
        }
        if let Some(range) = ace.time_range {
            if !self.time_ranges.contains_key(range.text) && !ace.shown {
                self.resolver.missing(range, "time-range");
            }
            self.b.unknown(Condition::global(format!("time-range {}", range.text)));
        }
        if let Some(no) = ace.taken_back {
            let name: String = no.text.chars().take(NAMED_BY).collect();
            self.b.unknown(Condition::global(name));
        }
        if matches!(usage, Use::Filter | Use::Egress | Use::FilterOriginal) {
            match (ace.action, ace.snort) {
                (Action::Permit, Some(rule)) => self.snort(chain, rule, Origin::of(span, ace.span)),
                (Action::Permit, None) => {}
                (Action::Deny, _) => self.reset(chain, Origin::of(span, ace.span)),
            }
        }
        let effect = match (usage, ace.action) {
            (Use::Filter | Use::Egress | Use::FilterOriginal | Use::VpnFilter, Action::Permit) => {
                Effect::Verdict(Verdict::Accept)
            }
            (
                Use::Filter | Use::Egress | Use::FilterOriginal | Use::ControlPlane | Use::VpnFilter,
                Action::Deny,
            ) => Effect::Verdict(Verdict::Drop),
            (Use::Tunnel(vpn), Action::Permit) => {
                self.b.test(Test::Unknown { cond: vpn, negate: false });
                self.through_tunnel()
            }
            (Use::Inspect(helper), Action::Permit) => {
                self.step(Effect::Helper(helper));
                Effect::Return
            }
            (Use::ControlPlane, Action::Permit) | (Use::Inspect(_) | Use::Tunnel(_), Action::Deny) => {
                Effect::Return
            }
        };
        self.step(effect);
        self.b.rule(chain, Origin::of(span, ace.span));
    }

    /// Who somebody is, by the address.
    ///
    /// *Command Reference*, `access-list extended`: users come before the source; a security group before
    /// the address that it is about. Both are looked up by the address (`user-identity`, `cts`).
    fn identity(&mut self, identity: &Identity<'a>, usage: Use) {
        let (src, dst) = (address_fields(Family::V4, usage), address_fields(Family::V6, usage));
        let about = if identity.destination != usage.is_reversed() { [src.1, dst.1] } else { [src.0, dst.0] };
        self.b.unknown(Condition::of(format!("{} {}", identity.kind, identity.name.text), about));
    }

    /// What an entry lets pass goes on to Snort, which may still block it (FTD).
    ///
    /// *Clarify the Firepower Threat Defense Access Control Policy Rule Actions*: rules with conditions
    /// above layer 4 are permits for the firewall, whatever Snort does; denies of layers 3 and 4, and trust,
    /// are decided without it.
    fn snort(&mut self, chain: ChainId, rule: Named<'a>, origin: Origin) {
        let tests = self.b.pending().to_vec();
        let name = self.config.rule_names.get(rule.text).copied().unwrap_or(rule.text);
        self.b.unknown(Condition::elsewhere(format!("snort {name}")));
        self.step(Effect::Verdict(Verdict::Drop));
        self.b.rule(chain, origin);
        tests.into_iter().for_each(|step| self.b.step(step));
    }

    /// Whether a time range has ended for good.
    fn is_over(&self, ace: &Ace<'a>) -> bool {
        let end = ace.time_range.and_then(|range| self.time_ranges.get(range.text)).copied().flatten();
        end.is_some_and(|end| end < self.now)
    }
}

type Interval = Option<(u32, u32)>;

/// An address as one interval of IPv4, `None` inside for any; `None` where it is more.
fn plain_address(address: Address<'_>) -> Option<Interval> {
    match address {
        Address::Any | Address::Any4 => Some(None),
        Address::Host(Host::V4(address)) => Some(Some((address, address))),
        Address::Net(Host::V4(address), mask)
            if mask != 0 && mask.leading_ones() + mask.trailing_zeros() == 32 =>
        {
            Some(Some((address & mask, address | !mask)))
        }
        _ => None,
    }
}

/// A service as intervals of protocol, source and destination ports; `None` where it is more.
fn plain_service(service: &Service<'_>) -> Option<(Interval, Interval, Interval)> {
    let ports = |ports| match ports {
        Ports::Any => Some(None),
        Ports::Eq(port) => Some(Some((port.into(), port.into()))),
        Ports::Range(lo, hi) if lo <= hi => Some(Some((lo.into(), hi.into()))),
        Ports::Gt(port) if port < u16::MAX => Some(Some((u32::from(port) + 1, u16::MAX.into()))),
        Ports::Lt(port) if port > 0 => Some(Some((0, u32::from(port) - 1))),
        _ => None,
    };
    let protocol = match service.protocol {
        Protocol::Ip => None,
        Protocol::Number(number) => Some((number.into(), number.into())),
        _ => return None,
    };
    (service.icmp == Icmp::Any).then_some(())?;
    Some((protocol, ports(service.source)?, ports(service.destination)?))
}

/// The address fields that a list looks at.
fn address_fields(family: Family, usage: Use) -> (Field, Field) {
    let original = matches!(usage, Use::FilterOriginal | Use::Tunnel(_));
    let dst = match (family, original) {
        (Family::V4, true) => Field::OrigDst4,
        (Family::V6, true) => Field::OrigDst6,
        (family, false) => Field::dst(family),
    };
    (Field::src(family), dst)
}

/// Where a list finds what an entry says of a field.
fn port_field(field: Field, usage: Use) -> Field {
    match (field, usage) {
        (Field::Dport, Use::FilterOriginal) => Field::OrigDport,
        (Field::Sport, Use::Tunnel(_)) => Field::Dport,
        (Field::Dport, Use::Tunnel(_)) => Field::Sport,
        (field, _) => field,
    }
}
