//! The stages that translate, and the check of the reverse path.

use super::super::{Alternative, Lower};
use super::pairs::{address_map, dynamic_pairs, family_of, is_single, other_side, pairs, port_map};
use super::{PortPair, Range, Side, Translation};
use crate::model::{
    ChainId, ChainKind, Condition, Effect, Hook, MarkOp, Nat, NatAddr, NatPort, Origin, StageKind, Verdict,
    Why,
};
use crate::packet::{Family, Field, Set};
use crate::source::Span;

impl<'c, 'a> Lower<'c, 'a> {
    /// The stage that translates destinations back, before anything else looks at them.
    pub(in super::super) fn untranslate(&mut self, nat: &[Translation]) {
        if nat.is_empty() {
            return;
        }
        let chain = self.b.chain_of(ChainKind::Translation, "un-nat", self.nowhere);
        for (at, rule) in nat.iter().enumerate() {
            self.mapped_side_opens(chain, rule, mark_of(at));
            self.mapped_destination(chain, rule, mark_of(at));
        }
        self.untranslates = !self.b.ruleset().chain(chain).rules.is_empty();
        self.stage(Hook::Prerouting, chain, StageKind::DstNat, Verdict::Accept);
    }

    /// Connections from the mapped side to mapped addresses get the real destination.
    fn mapped_side_opens(&mut self, chain: ChainId, rule: &Translation, mark: u32) {
        if rule.one_way {
            return;
        }
        for (real, mapped, exact) in pairs(&rule.real, &rule.mapped, rule.identity) {
            for source in other_side(rule.destination.as_ref().map(|(_, real, _)| real), family_of(&mapped)) {
                self.interface_test(Field::Iif, rule.mapped_if.as_ref());
                self.other(&source, Field::src(family_of(&mapped)));
                self.target(&mapped, &rule.mapped, Field::dst(family_of(&mapped)));
                self.service_tests(rule, rule.source_ports.map(|pair| pair.mapped), Field::Dport);
                self.ports_test(rule.destination_ports.map(|pair| pair.real), Field::Sport);
                self.step(Effect::Mark(MarkOp { clear: u32::MAX, flip: mark }));
                if !rule.identity {
                    let port =
                        rule.source_ports.map_or(NatPort::Keep, |pair| port_map(pair.mapped, pair.real));
                    self.nat(true, address_map(&real, exact), port);
                }
                self.verdict(chain, Verdict::Accept, follows(rule.span));
            }
        }
    }

    /// Connections from the real side to a mapped destination get the real one.
    fn mapped_destination(&mut self, chain: ChainId, rule: &Translation, mark: u32) {
        let Some((mapped, real, identity)) = &rule.destination else { return };
        for (real, mapped_range, exact) in pairs(real, mapped, *identity) {
            for source in other_side(Some(&rule.real), family_of(&mapped_range)) {
                self.interface_test(Field::Iif, rule.real_if.as_ref());
                self.other(&source, Field::src(family_of(&mapped_range)));
                self.target(&mapped_range, mapped, Field::dst(family_of(&mapped_range)));
                self.service_tests(rule, rule.destination_ports.map(|pair| pair.mapped), Field::Dport);
                self.ports_test(rule.source_ports.map(|pair| pair.real), Field::Sport);
                self.step(Effect::Mark(MarkOp { clear: u32::MAX, flip: mark }));
                let port =
                    rule.destination_ports.map_or(NatPort::Keep, |pair| port_map(pair.mapped, pair.real));
                if !identity || port != NatPort::Keep {
                    self.nat(true, if *identity { NatAddr::Keep } else { address_map(&real, exact) }, port);
                }
                self.verdict(chain, Verdict::Accept, follows(rule.span));
            }
        }
    }

    /// A connection to real addresses whose replies would be translated is dropped, unless the rule that
    /// would do so is the one by which it came in. Replies meet both halves of every rule, in order.
    ///
    /// Syslog message 305013: asymmetric NAT rules matched for forward and reverse flows.
    pub(in super::super) fn reverse_path(&mut self, nat: &[Translation]) {
        let checked = |rule: &Translation| rule.dynamic || !rule.one_way || rule.destination.is_some();
        if !nat.iter().any(checked) {
            return;
        }
        let chain = self.b.chain_of(ChainKind::Translation, "nat reverse path", self.nowhere);
        self.established(chain);
        for (at, rule) in nat.iter().enumerate() {
            let far = rule.destination.as_ref().map(|(_, real, _)| real);
            if rule.dynamic || !rule.one_way {
                let ways = (rule.mapped_if.as_ref(), rule.real_if.as_ref());
                let ports = (rule.destination_ports, rule.source_ports);
                self.reverse(chain, (at, rule), ways, (far, Some(&rule.real)), ports, rule.identity);
            }
            if let Some((_, real, identity)) = &rule.destination {
                let ways = (rule.real_if.as_ref(), rule.mapped_if.as_ref());
                let ports = (rule.source_ports, rule.destination_ports);
                let sides = (Some(&rule.real), Some(real));
                self.reverse(chain, (at, rule), ways, sides, ports, *identity || rule.one_way);
            }
        }
        self.stage(Hook::Forward, chain, StageKind::Filter, Verdict::Accept);
    }

    /// One half of a rule, as replies meet it: what came in by it passes, and where it changes addresses
    /// nothing else does.
    fn reverse(
        &mut self,
        chain: ChainId,
        (at, rule): (usize, &Translation),
        ways: (Option<&Set>, Option<&Set>),
        (from, to): (Option<&Side>, Option<&Side>),
        (sport, dport): (Option<PortPair>, Option<PortPair>),
        unchanged: bool,
    ) {
        let passes: &[bool] = if unchanged { &[false] } else { &[true, false] };
        for family in [Family::V4, Family::V6] {
            let sources = other_side(from, family);
            for to in other_side(to, family) {
                for source in &sources {
                    for marked in passes {
                        self.interface_test(Field::Iif, ways.0);
                        self.interface_test(Field::Oif, ways.1);
                        self.other(source, Field::src(family));
                        self.other(&to, Field::dst(family));
                        if matches!((source, &to), (Alternative::All, Alternative::All)) {
                            self.b.is(Field::Version, family.version().into());
                        }
                        self.service_tests(rule, dport.map(|pair| pair.real), Field::Dport);
                        self.ports_test(sport.map(|pair| pair.real), Field::Sport);
                        if *marked {
                            self.b.is(Field::Mark, mark_of(at).into());
                        }
                        // Passing decides nothing: it leaves the chain for the stage's policy.
                        let pass = *marked || unchanged;
                        self.step(if pass { Effect::Return } else { Effect::Verdict(Verdict::Drop) });
                        self.b.rule(chain, follows(rule.span));
                    }
                }
            }
        }
    }

    /// The stage that translates sources, after everything else.
    pub(in super::super) fn translate(&mut self, nat: &[Translation]) {
        if nat.is_empty() {
            return;
        }
        let chain = self.b.chain_of(ChainKind::Translation, "nat", self.nowhere);
        for rule in nat {
            self.real_side_opens(chain, rule);
            self.mapped_source(chain, rule);
        }
        self.stage(Hook::Postrouting, chain, StageKind::SrcNat, Verdict::Accept);
    }

    fn real_side_opens(&mut self, chain: ChainId, rule: &Translation) {
        let ways = if rule.dynamic || rule.mapped.interface {
            dynamic_pairs(&rule.real, &rule.mapped)
        } else {
            pairs(&rule.real, &rule.mapped, rule.identity)
        };
        for (real, mapped, exact) in ways {
            let family = family_of(&real);
            for to in other_side(rule.destination.as_ref().map(|(_, real, _)| real), family) {
                self.interface_test(Field::Iif, rule.real_if.as_ref());
                self.interface_test(Field::Oif, rule.mapped_if.as_ref());
                self.target(&real, &rule.real, Field::src(family));
                self.other(&to, Field::dst(family));
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
                self.service_tests(rule, rule.source_ports.map(|pair| pair.real), Field::Sport);
                self.ports_test(rule.destination_ports.map(|pair| pair.real), Field::Dport);
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
                self.verdict(chain, Verdict::Accept, follows(rule.span));
            }
        }
    }

    /// Connections from the mapped side by twice NAT: the source is the destination's real side.
    fn mapped_source(&mut self, chain: ChainId, rule: &Translation) {
        let Some((mapped, real, identity)) = &rule.destination else { return };
        if rule.one_way {
            return;
        }
        let ways =
            if mapped.interface { dynamic_pairs(real, mapped) } else { pairs(real, mapped, *identity) };
        for (real_range, mapped_range, exact) in ways {
            let family = family_of(&real_range);
            for to in other_side(Some(&rule.real), family) {
                self.interface_test(Field::Iif, rule.mapped_if.as_ref());
                self.interface_test(Field::Oif, rule.real_if.as_ref());
                self.target(&real_range, real, Field::src(family));
                self.other(&to, Field::dst(family));
                self.service_tests(rule, rule.destination_ports.map(|pair| pair.real), Field::Sport);
                self.ports_test(rule.source_ports.map(|pair| pair.real), Field::Dport);
                let port =
                    rule.destination_ports.map_or(NatPort::Keep, |pair| port_map(pair.real, pair.mapped));
                if mapped.interface {
                    self.nat(false, NatAddr::Interface, port);
                } else if !identity {
                    self.nat(false, address_map(&mapped_range, exact), port);
                } else if port != NatPort::Keep {
                    self.nat(false, NatAddr::Keep, port);
                }
                self.verdict(chain, Verdict::Accept, follows(rule.span));
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

    /// Tests the protocol of a rule and ports.
    fn service_tests(&mut self, rule: &Translation, ports: Option<(u16, u16)>, field: Field) {
        if let Some(protocol) = rule.protocol {
            self.b.is(Field::Proto, protocol.into());
        }
        if let Some(name) = &rule.condition {
            self.b.unknown(Condition::of(name, [Field::Proto, Field::Sport, Field::Dport]));
        }
        self.ports_test(ports, field);
    }

    fn ports_test(&mut self, ports: Option<(u16, u16)>, field: Field) {
        if let Some((lo, hi)) = ports {
            self.within(field, Set::range(lo.into(), hi.into()));
        }
    }

    /// Tests the address that is translated.
    fn target(&mut self, range: &Range, side: &Side, field: Field) {
        let (family, lo, hi) = *range;
        match (&side.set.unknown, &side.ranges) {
            (_, Some(_)) if lo == 0 && hi == family.last() => {
                self.b.is(Field::Version, family.version().into());
            }
            (_, Some(_)) => self.within(field, Set::range(lo, hi)),
            (unknown, None) => {
                self.b.is(Field::Version, family.version().into());
                // Several unknown parts: which of them it is decides nothing here.
                let names: Vec<&str> = unknown.iter().map(|of| of.name.as_str()).collect();
                self.b.unknown(Condition::of(names.join(", "), [field]));
            }
        }
    }

    /// Tests the address at the other end.
    fn other(&mut self, alternative: &Alternative, field: Field) {
        let v6 = matches!(field, Field::Src6 | Field::Dst6);
        self.alternative(field, alternative, if v6 { Family::V6 } else { Family::V4 });
    }
}

/// The mark by which the reverse path check knows how a packet came in.
fn mark_of(at: usize) -> u32 {
    at as u32 + 1
}

/// What a translation does to packets, or asks of them.
fn follows(line: Span) -> Origin {
    Origin::Implied { by: line, why: Why::Translation }
}
