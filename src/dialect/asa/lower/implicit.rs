//! What decides before and after the access-lists: first packets, ways that are closed, security levels.

use super::Lower;
use super::levels::{Towards, by_level};
use crate::model::{ChainId, ChainKind, Condition, Effect, Origin, Test, Verdict};
use crate::packet::{Field, Set, State, proto, states};

const SYN: u32 = 2;
/// FIN, SYN, RST and ACK: a first packet has SYN of these, and nothing else.
const HANDSHAKE: u32 = 1 | SYN | 4 | 16;

impl<'c, 'a> Lower<'c, 'a> {
    /// A TCP connection starts with SYN alone; where ICMP is inspected, a reply needs its request.
    ///
    /// Syslog messages 106015 (no connection) and 313004 (stateful ICMP).
    pub(super) fn first_packets(&mut self, chain: ChainId) {
        let bad = Set::where_(255, |flags| flags & HANDSHAKE != SYN);
        self.b.is(Field::Proto, proto::TCP.into());
        self.within(Field::TcpFlags, bad);
        for class in self.bypassing() {
            let cond = self.b.condition(class);
            self.b.test(Test::Unknown { cond, negate: true });
        }
        self.verdict(chain, Verdict::Drop, self.system());
        for (span, interfaces) in self.icmp_inspections() {
            if interfaces.is_some() {
                continue;
            }
            let replies = Set::of([0, 14, 16, 18].map(|kind| (kind, kind)));
            for (protocol, replies) in [(proto::ICMP, replies), (proto::ICMPV6, Set::one(129))] {
                self.b.is(Field::Proto, protocol.into());
                self.within(Field::IcmpType, replies);
                self.within(Field::State, states(&[State::Invalid, State::New]));
                self.verdict(chain, Verdict::Drop, Origin::setting(span));
            }
        }
    }

    /// The classes whose connections are not checked for their state.
    fn bypassing(&self) -> Vec<Condition> {
        let maps = super::inspect::policies(self.config);
        let classes = maps.iter().flat_map(|(map, ..)| &map.classes);
        let bypass = classes.filter(|class| class.tcp_state_bypass.is_some());
        bypass.map(|class| Condition::of(format!("class-map {}", class.name.text), CLASSIFIED)).collect()
    }

    /// Ways that no access-list opens.
    pub(super) fn forbidden_ways(&mut self, chain: ChainId) {
        let config = self.config;
        for interface in &config.interfaces {
            let closed = interface.shutdown || (interface.management_only && interface.name.is_some());
            if let (true, Some(name)) = (closed, interface.name) {
                for field in [Field::Iif, Field::Oif] {
                    self.on(field, name.text);
                    self.verdict(chain, Verdict::Drop, Origin::setting(interface.hardware.span));
                }
            }
        }
        self.multicast(chain);
        self.same_security(chain);
    }

    /// In routed mode multicast and broadcast do not pass, whatever the access-lists say, unless
    /// multicast routing is on.
    ///
    /// *Firewall CLI Configuration Guide*, "Access Rules": "Allowing Broadcast and Multicast Traffic".
    fn multicast(&mut self, chain: ChainId) {
        if self.config.transparent {
            return;
        }
        let v4 = Set::of([(0xe000_0000, 0xefff_ffff), (0xffff_ffff, 0xffff_ffff)]);
        let v6 = Set::range(0xff << 120, u128::MAX);
        let span = self.config.multicast;
        for (field, set) in [(Field::Dst4, v4), (Field::Dst6, v6)] {
            self.within(field, set);
            if span.is_some() {
                let cond = self.b.condition(Condition::of("multicast-routing", [field]));
                self.b.test(Test::Unknown { cond, negate: true });
            }
            self.verdict(chain, Verdict::Drop, span.map_or(self.system(), Origin::setting));
        }
    }

    /// Between interfaces of one level, and out by the interface it came in by, a packet passes only
    /// where `same-security-traffic` says so, whatever the access-lists say. Bridge-groups that no routing
    /// joins are apart.
    ///
    /// *Command Reference*, `same-security-traffic`; *General Operations CLI Configuration Guide*, "Bridge
    /// Groups".
    fn same_security(&mut self, chain: ChainId) {
        let (inter, intra) = (self.config.inter_interface.is_some(), self.config.intra_interface.is_some());
        self.apart(chain);
        for at in 0..self.levels.len() {
            let (name, span) = (self.levels[at].name, self.levels[at].span);
            let own = self.interface_set(name);
            for peers in if inter { Vec::new() } else { self.towards(at, Towards::Equal) } {
                self.on(Field::Iif, name);
                self.to(&peers);
                let own = self.values(own.clone());
                self.b.field(Field::Oif, own, true);
                self.verdict(chain, Verdict::Drop, Origin::setting(span));
            }
            if !intra && !self.config.transparent {
                self.on(Field::Iif, name);
                self.on(Field::Oif, name);
                self.verdict(chain, Verdict::Drop, Origin::setting(span));
            }
        }
    }

    /// Interfaces without a list: to lower levels everything passes, and to equal ones where
    /// `same-security-traffic` says so; nothing passes to higher ones.
    ///
    /// *General Operations CLI Configuration Guide*, "Security Levels".
    pub(super) fn security_levels(&mut self, ingress: ChainId) {
        let chain = self.b.chain_of(ChainKind::SecurityLevels, "security levels", self.nowhere);
        self.step(Effect::Jump(chain));
        self.b.rule(ingress, self.system());
        if self.levels.is_empty() {
            self.b.unknown(Condition::of("security-level", [Field::Iif, Field::Oif]));
            self.verdict(chain, Verdict::Accept, self.system());
            return;
        }
        let (inter, intra) = (self.config.inter_interface.is_some(), self.config.intra_interface.is_some());
        for at in 0..self.levels.len() {
            let (name, span) = (self.levels[at].name, self.levels[at].span);
            self.listed_by_bridge(chain, at);
            let mut open = self.towards(at, Towards::Lower);
            if inter {
                open.extend(self.towards(at, Towards::Equal));
            }
            if !open.is_empty() || intra {
                self.nat_control(chain, name);
            }
            for to in open {
                self.on(Field::Iif, name);
                self.to(&to);
                self.verdict(chain, Verdict::Accept, by_level(span));
            }
            if intra && !inter {
                self.on(Field::Iif, name);
                self.on(Field::Oif, name);
                self.verdict(chain, Verdict::Accept, by_level(span));
            }
            self.on(Field::Iif, name);
            self.deny(chain, by_level(span));
        }
    }

    /// With `nat-control`, before 8.3, what leaves for a lower level needs a translation.
    fn nat_control(&mut self, chain: ChainId, from: &str) {
        if let Some(span) = self.config.nat_control.filter(|_| self.mapped_addresses()) {
            self.on(Field::Iif, from);
            self.b.unknown(Condition::of("nat-control", [Field::Src4, Field::Dst4]));
            self.verdict(chain, Verdict::Drop, Origin::setting(span));
        }
    }
}

/// What a class-map can select by.
pub(super) const CLASSIFIED: [Field; 9] = [
    Field::Iif,
    Field::Src4,
    Field::Src6,
    Field::Dst4,
    Field::Dst6,
    Field::Proto,
    Field::Sport,
    Field::Dport,
    Field::Dscp,
];
