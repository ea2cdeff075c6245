//! Traffic to the box itself: interface access-lists do not see it.
//!
//! *Command Reference*, `access-group`: rules of `ssh`, `telnet` and `http` come before a control-plane
//! list; what that list does not match goes on to the box's own rules. `icmp`: without a rule for an
//! interface all ICMP to it is answered, with one the rest is not.

use super::super::ast::{Action, Address, BoxService, Direction, IcmpRule, Protocol, Service};
use super::super::resolve::Addresses;
use super::{Alternative, Lower, Use};
use crate::model::{ChainId, Effect, Hook, StageKind, Test, Verdict};
use crate::packet::{Family, Field, Set, State, proto, states};

impl<'c, 'a> Lower<'c, 'a> {
    pub(super) fn box_rules(&mut self) {
        let chain = self.b.chain("to the box", self.nowhere);
        self.within(Field::State, states(&[State::Established, State::Related]));
        self.within(
            Field::Proto,
            Set::of([proto::TCP, proto::UDP, proto::SCTP].map(|p| (p.into(), p.into()))),
        );
        self.verdict(chain, Verdict::Accept, self.nowhere);
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
                    let cond = self.b.condition(&format!("access-list {}", group.acl.text));
                    self.step(Effect::Undefined(cond));
                }
            }
            self.b.rule(chain, group.span, group.span);
        }
        self.listeners(chain);
        self.icmp(chain);
        self.stage(Hook::Input, chain, StageKind::Filter, Verdict::Drop);
    }

    /// The box answers on the address of the interface by which a packet comes in, and on no other,
    /// but for `management-access` through a tunnel.
    fn far_interfaces(&mut self, chain: ChainId) {
        let config = self.config;
        for interface in &config.interfaces {
            let Some(name) = interface.name else { continue };
            let own = self.resolver.interface(name);
            for (field, set) in [(Field::Dst4, own.v4), (Field::Dst6, own.v6)] {
                if set.is_empty() {
                    continue;
                }
                self.within(field, set);
                let here = self.interface_set(name.text);
                let here = self.values(here);
                self.b.field(Field::Iif, here, true);
                if config.management_access.is_some_and(|access| access.text == name.text) {
                    self.b.unknown("the packet does not arrive through the VPN tunnel");
                }
                self.verdict(chain, Verdict::Drop, name.span);
            }
        }
    }

    fn services_of_the_box(&mut self, chain: ChainId) {
        let config = self.config;
        let lowest = self.levelled().iter().map(|interface| interface.level).min();
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
            let through_tunnel = access.service == BoxService::Telnet
                && self.levelled().iter().any(|known| {
                    known.name == access.interface.text && Some(known.level) == lowest && known.level == 0
                });
            let from = self.resolver.address(access.from);
            self.from(chain, &from, access.span, |lower| {
                lower.on(Field::Iif, access.interface.text);
                lower.b.is(Field::Proto, protocol.into());
                lower.b.is(Field::Dport, port.into());
                if through_tunnel {
                    lower.b.unknown("the packet arrives through the VPN tunnel");
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
                self.b.unknown(&format!("{} runs on the interface", listener.what));
            }
            self.verdict(chain, Verdict::Accept, listener.span);
        }
    }

    fn icmp(&mut self, chain: ChainId) {
        let config = self.config;
        for (v6, protocol) in [(false, proto::ICMP), (true, proto::ICMPV6)] {
            let rules: Vec<&IcmpRule<'a>> = config.icmp_rules.iter().filter(|rule| rule.v6 == v6).collect();
            for rule in &rules {
                self.icmp_rule(chain, rule, protocol);
            }
            for (at, rule) in rules.iter().enumerate() {
                if rules[..at].iter().any(|earlier| earlier.interface.text == rule.interface.text) {
                    continue;
                }
                self.on(Field::Iif, rule.interface.text);
                self.b.is(Field::Proto, protocol.into());
                self.verdict(chain, Verdict::Drop, rule.span);
            }
            self.b.is(Field::Proto, protocol.into());
            self.verdict(chain, Verdict::Accept, self.nowhere);
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
            if let Some(unknown) = &services.unknown {
                lower.b.unknown(unknown);
            } else {
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
                let field = Field::src(family);
                match alternative {
                    Alternative::All => self.b.is(Field::Version, if family == Family::V4 { 4 } else { 6 }),
                    Alternative::In(set) => self.within(field, set),
                    Alternative::Masked(mask, value) => {
                        let mask = self.b.mask(mask.into());
                        let values = self.b.range(value.into(), value.into());
                        self.b.test(Test::Masked { field, mask, values, negate: false });
                    }
                    Alternative::Unknown(name) => {
                        self.b.is(Field::Version, if family == Family::V4 { 4 } else { 6 });
                        self.b.unknown(&name);
                    }
                }
                let verdict = rest(self);
                self.verdict(chain, verdict, span);
            }
        }
    }
}
