//! Access-lists as chains.

use super::super::ast::{
    Ace, Acl, AclKind, Action, Address, Entry, Host, Icmp, Named, Ports, Protocol, Service,
};
use super::super::resolve::{Product, Services};
use super::{Alternative, Lower, Use};
use crate::model::{ChainId, Effect, Test, Tuples, Values, Verdict};
use crate::packet::{Family, Field, Set};
use crate::source::Span;

/// Combinations of source and destination alternatives that become rules of their own; beyond, the
/// addresses of an entry count as unknown.
const COMBINATIONS: usize = 4096;

impl<'c, 'a> Lower<'c, 'a> {
    /// The chain of an access-list for a use; `None` where there is no such list to walk.
    pub(super) fn acl_chain(&mut self, name: Named<'a>, usage: Use) -> Option<ChainId> {
        let at = *self.acls.get(name.text)?;
        if let Some(chain) = self.chains.get(&(at, usage)) {
            return Some(*chain);
        }
        let acl = &self.config.acls[at];
        if !Self::bindable(acl) {
            return None;
        }
        let label = match usage {
            Use::Filter | Use::Egress | Use::FilterOriginal => format!("access-list {}", acl.name.text),
            Use::ControlPlane => format!("{} (control-plane)", acl.name.text),
            Use::Inspect(helper) => {
                let helper = self.b.ruleset().helpers[helper.0 as usize].clone();
                format!("{} ({helper})", acl.name.text)
            }
            Use::Tunnel => format!("{} (tunnel)", acl.name.text),
        };
        let chain = self.b.chain(label, acl.name.span);
        self.chains.insert((at, usage), chain);
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
                Entry::Other(span) if acl.damaged => {
                    let cond = self.b.condition(&format!(
                        "a line of access-list {} that could not be read",
                        acl.name.text
                    ));
                    self.step(Effect::Undefined(cond));
                    self.b.rule(chain, *span, *span);
                }
                Entry::Other(_) | Entry::Remark(_) | Entry::Standard(..) => {}
            }
        }
    }

    /// The rules of one entry: usually one.
    fn ace(&mut self, ace: &'c Ace<'a>, (span, any): (Span, Address<'a>), usage: Use, chain: ChainId) {
        if ace.inactive {
            return;
        }
        if self.plain_ace(ace, span, usage, chain) {
            return;
        }
        let any = |address| if address == Address::Any { any } else { address };
        let mut source = self.resolver.address(any(ace.source));
        let mut destination = self.resolver.address(any(ace.destination));
        if usage == Use::Tunnel {
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
                sources = vec![Alternative::Unknown("masked source addresses".to_string())];
                destinations = vec![Alternative::Unknown("masked destination addresses".to_string())];
            }
            for source in &sources {
                for destination in &destinations {
                    let (src, dst) = address_fields(family, usage);
                    self.services(ace, span, &services, usage, chain, |lower| {
                        if matches!((source, destination), (Alternative::All, Alternative::All)) {
                            lower.b.is(Field::Version, if family == Family::V4 { 4 } else { 6 });
                        }
                        lower.alternative(src, source, (family, "source"));
                        lower.alternative(dst, destination, (family, "destination"));
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
        if (source.is_none() && destination.is_none()) || usage == Use::Tunnel {
            return false;
        }
        let (src, dst) = address_fields(Family::V4, usage);
        let (sport, dport) = port_fields(usage);
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

    fn alternative(&mut self, field: Field, alternative: &Alternative, (family, side): (Family, &str)) {
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
                self.b.unknown(&format!("{name} ({side})"));
            }
        }
    }

    /// One rule for the known services of an entry, and one for the unknown ones.
    fn services(
        &mut self,
        ace: &'c Ace<'a>,
        span: Span,
        services: &Services,
        usage: Use,
        chain: ChainId,
        mut addresses: impl FnMut(&mut Self),
    ) {
        if !services.products.is_empty() {
            addresses(self);
            self.products(&services.products, usage);
            self.finish_ace(ace, span, usage, chain);
        }
        if let Some(unknown) = &services.unknown {
            addresses(self);
            self.b.unknown(unknown);
            self.finish_ace(ace, span, usage, chain);
        }
    }

    fn products(&mut self, products: &[Product], usage: Use) {
        let [product] = products else { return self.tuples(products, usage) };
        let Product { protocol, source, destination, icmp_type, icmp_code } = product;
        let (mut sport, mut dport) = port_fields(usage);
        if usage == Use::Tunnel {
            std::mem::swap(&mut sport, &mut dport);
        }
        let fields = [
            (Field::Proto, protocol),
            (sport, source),
            (dport, destination),
            (Field::IcmpType, icmp_type),
            (Field::IcmpCode, icmp_code),
        ];
        for (field, set) in fields {
            if let Some(set) = set {
                self.within(field, set.clone());
            }
        }
    }

    fn tuples(&mut self, products: &[Product], usage: Use) {
        let (mut sport, mut dport) = port_fields(usage);
        if usage == Use::Tunnel {
            std::mem::swap(&mut sport, &mut dport);
        }
        let all = [Field::Proto, sport, dport, Field::IcmpType, Field::IcmpCode];
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
            return;
        }
        let boxes =
            products.iter().map(|product| needed.iter().map(|at| side(product, *at)).collect()).collect();
        let fields = needed.iter().map(|at| all[*at]).collect();
        let tuples = self.b.tuples(Tuples { fields, boxes });
        self.b.test(Test::Tuple { tuples, negate: false });
    }

    /// The conditions that every rule of an entry has, and what it does.
    fn finish_ace(&mut self, ace: &'c Ace<'a>, span: Span, usage: Use, chain: ChainId) {
        for identity in &ace.identities {
            self.b.unknown(&format!("{} {}", identity.kind, identity.name.text));
        }
        if let Some(range) = ace.time_range {
            if !self.config.time_ranges.iter().any(|known| known.name.text == range.text) && !ace.shown {
                self.resolver.missing(range, "time-range");
            }
            self.b.unknown(&format!("time-range {}", range.text));
        }
        let effect = match (usage, ace.action) {
            (Use::Filter | Use::Egress | Use::FilterOriginal, Action::Permit) => {
                Effect::Verdict(Verdict::Accept)
            }
            (Use::Filter | Use::Egress | Use::FilterOriginal | Use::ControlPlane, Action::Deny) => {
                Effect::Verdict(Verdict::Drop)
            }
            (Use::Tunnel, Action::Permit) => {
                self.b.unknown("the packet arrives through the VPN tunnel");
                Effect::Verdict(Verdict::Accept)
            }
            (Use::Inspect(helper), Action::Permit) => {
                self.step(Effect::Helper(helper));
                Effect::Return
            }
            (Use::ControlPlane, Action::Permit) | (Use::Inspect(_) | Use::Tunnel, Action::Deny) => {
                Effect::Return
            }
        };
        self.step(effect);
        self.b.rule(chain, span, ace.span);
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
    let original = matches!(usage, Use::FilterOriginal | Use::Tunnel);
    let dst = match (family, original) {
        (Family::V4, true) => Field::OrigDst4,
        (Family::V6, true) => Field::OrigDst6,
        (family, false) => Field::dst(family),
    };
    (Field::src(family), dst)
}

fn port_fields(usage: Use) -> (Field, Field) {
    match usage {
        Use::FilterOriginal => (Field::Sport, Field::OrigDport),
        _ => (Field::Sport, Field::Dport),
    }
}
