//! Traffic to the box itself: interface access-lists do not see it.
//!
//! *Command Reference*, `access-group`: rules of `ssh`, `telnet` and `http` come before a control-plane
//! list; what that list does not match goes on to the box's own rules. `icmp`: without a rule for an
//! interface all ICMP to it is answered, with one the rest is not.

use rustc_hash::FxHashSet;

use super::super::ast::{Action, Address, BoxService, Direction, IcmpRule, Protocol, Service};
use super::super::resolve::Addresses;
use super::levels::bvi_number;
use super::{Alternative, Lower, Use};
use crate::model::{ChainId, ChainKind, Condition, Effect, Hook, Origin, StageKind, Verdict};
use crate::packet::{Family, Field, Set, State, proto, states};

impl<'c, 'a> Lower<'c, 'a> {
    pub(super) fn box_rules(&mut self) {
        let chain = self.b.chain_of(ChainKind::BuiltIn, "to the box", self.nowhere);
        self.foreign(chain);
        self.within(Field::State, states(&[State::Established, State::Related]));
        self.within(
            Field::Proto,
            Set::of([proto::TCP, proto::UDP, proto::SCTP].map(|p| (p.into(), p.into()))),
        );
        self.verdict(chain, Verdict::Accept, self.system());
        self.spoofed(chain);
        self.far_interfaces(chain);
        self.services_of_the_box(chain);
        for (group, interface) in self.bound(Direction::ControlPlane) {
            let list = self.acl_chain(group.acl, Use::ControlPlane);
            if let Some(interface) = interface {
                self.on(Field::Iif, interface.text);
            }
            match list {
                Some(list) => self.step(Effect::Jump(list)),
                None if self.acls.contains_key(group.acl.text) => {
                    self.b.abandon();
                    continue;
                }
                None => {
                    let cond = self.b.condition(Condition::elsewhere(format!("acl {}", group.acl.text)));
                    self.step(Effect::Undefined(cond));
                }
            }
            self.b.rule(chain, Origin::setting(group.span));
        }
        self.listeners(chain);
        self.icmp(chain);
        self.box_resets(chain);
        self.stage(Hook::Input, chain, StageKind::Filter, Verdict::Drop);
    }

    /// The box answers on the address of the interface by which a packet comes in, and on no other, but
    /// for `management-access` through a tunnel. The members of a bridge-group share the address of its BVI.
    fn far_interfaces(&mut self, chain: ChainId) {
        let config = self.config;
        let tunnels = self.vpn_interfaces();
        for interface in &config.interfaces {
            let Some(name) = interface.name else { continue };
            let own = self.resolver.interface(name);
            let mut here = self.interface_set(name.text);
            if let Some(group) = bvi_number(interface) {
                here = here.or(&self.members(group));
            }
            let managed = config.management_access.is_some_and(|access| access.text == name.text);
            for (field, set) in [(Field::Dst4, own.v4), (Field::Dst6, own.v6)] {
                if set.is_empty() {
                    continue;
                }
                let mut near = here.clone();
                for tunnel in tunnels.iter().filter(|_| managed) {
                    near = near.or(&self.interface_set(tunnel));
                    if *tunnel == name.text {
                        continue;
                    }
                    self.within(field, set.clone());
                    self.on(Field::Iif, tunnel);
                    self.tunnelled(tunnel, true);
                    self.verdict(chain, Verdict::Drop, Origin::setting(name.span));
                }
                self.within(field, set);
                let near = self.values(near);
                self.b.field(Field::Iif, near, true);
                self.verdict(chain, Verdict::Drop, Origin::setting(name.span));
            }
        }
    }

    fn services_of_the_box(&mut self, chain: ChainId) {
        let config = self.config;
        let lowest: FxHashSet<&str> = {
            let least = self.levels.iter().map(|known| known.level).min().filter(|level| *level == 0);
            let lowest = self.levels.iter().filter(|known| Some(known.level) == least);
            lowest.map(|known| known.name).collect()
        };
        let tunnels: FxHashSet<&str> = self.vpn_interfaces().into_iter().collect();
        for access in &config.accesses {
            let (protocol, port) = match access.service {
                BoxService::Telnet => (proto::TCP, 23),
                BoxService::Ssh => (proto::TCP, 22),
                BoxService::Snmp if config.no_snmp => continue,
                BoxService::Snmp => (proto::UDP, 161),
                BoxService::Http => match config.http_server {
                    Some((port, _)) => (proto::TCP, port),
                    None => continue,
                },
            };
            // Telnet to the interface of the lowest level works through a tunnel only.
            let name = access.interface.text;
            let through_tunnel = access.service == BoxService::Telnet && lowest.contains(name);
            if through_tunnel && !tunnels.contains(name) {
                continue;
            }
            let from = self.resolver.address(access.from);
            self.from(chain, &from, access.span, |lower| {
                lower.on(Field::Iif, access.interface.text);
                lower.b.is(Field::Proto, protocol.into());
                lower.b.is(Field::Dport, port.into());
                if through_tunnel {
                    lower.tunnelled(name, false);
                }
                Verdict::Accept
            });
        }
    }

    /// Listeners that the file switches on for everybody.
    fn listeners(&mut self, chain: ChainId) {
        let config = self.config;
        for listener in &config.listeners {
            let (protocol, lo, hi) = listener.traffic;
            if let Some(interface) = listener.interface {
                self.on(Field::Iif, interface.text);
            }
            self.b.is(Field::Proto, protocol.into());
            if (lo, hi) != (0, u16::MAX) {
                self.within(Field::Dport, Set::range(lo.into(), hi.into()));
            }
            if listener.interface.is_none() {
                self.b.unknown(Condition::of(format!("listener {}", listener.what), [Field::Iif]));
            }
            self.verdict(chain, Verdict::Accept, Origin::setting(listener.span));
        }
    }

    fn icmp(&mut self, chain: ChainId) {
        let config = self.config;
        for (v6, protocol) in [(false, proto::ICMP), (true, proto::ICMPV6)] {
            let rules: Vec<&IcmpRule<'a>> = config.icmp_rules.iter().filter(|rule| rule.v6 == v6).collect();
            for rule in &rules {
                self.icmp_rule(chain, rule, protocol);
            }
            let mut ruled = FxHashSet::default();
            for rule in rules.iter().filter(|rule| ruled.insert(rule.interface.text)) {
                self.on(Field::Iif, rule.interface.text);
                self.b.is(Field::Proto, protocol.into());
                self.verdict(chain, Verdict::Drop, Origin::setting(rule.span));
            }
            self.b.is(Field::Proto, protocol.into());
            self.verdict(chain, Verdict::Accept, self.system());
        }
    }

    fn icmp_rule(&mut self, chain: ChainId, rule: &'c IcmpRule<'a>, protocol: u8) {
        let service = Service { icmp: rule.icmp, ..Service::of(Protocol::Number(protocol)) };
        let services = self.resolver.service(service);
        let from = match rule.from {
            Address::Any if rule.v6 => Address::Any6,
            Address::Any => Address::Any4,
            from => from,
        };
        let from = self.resolver.address(from);
        let types = services.products.first().and_then(|product| product.icmp_type.clone());
        let codes = services.products.first().and_then(|product| product.icmp_code.clone());
        self.from(chain, &from, rule.span, |lower| {
            lower.on(Field::Iif, rule.interface.text);
            lower.b.is(Field::Proto, protocol.into());
            for (name, about) in services.guesses.iter().flat_map(|guess| &guess.conditions) {
                lower.b.unknown(Condition::of(name, about.iter().copied()));
            }
            if services.guesses.is_empty() {
                for (field, set) in [(Field::IcmpType, &types), (Field::IcmpCode, &codes)] {
                    if let Some(set) = set {
                        lower.within(field, set.clone());
                    }
                }
            }
            match rule.action {
                Action::Permit => Verdict::Accept,
                Action::Deny => Verdict::Drop,
            }
        });
    }

    /// A rule for each family and alternative of a source.
    fn from(
        &mut self,
        chain: ChainId,
        from: &Addresses,
        span: crate::source::Span,
        mut rest: impl FnMut(&mut Self) -> Verdict,
    ) {
        for family in [Family::V4, Family::V6] {
            for alternative in Self::alternatives(from, family) {
                if matches!(alternative, Alternative::All) {
                    self.b.is(Field::Version, if family == Family::V4 { 4 } else { 6 });
                }
                self.alternative(Field::src(family), &alternative, family);
                let verdict = rest(self);
                self.verdict(chain, verdict, Origin::setting(span));
            }
        }
    }
}
