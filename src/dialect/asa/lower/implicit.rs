//! What decides around the access-lists: first packets, ways that are closed, tunnels, security levels.

use rustc_hash::FxHashMap;

use super::super::ast::{Config, Direction, Interface, Vpn};
use super::{Lower, Use};
use crate::model::{ChainId, Effect, Verdict};
use crate::packet::{Field, Set, State, proto, states};
use crate::source::Span;

const SYN: u32 = 2;
/// FIN, SYN, RST and ACK: a first packet has SYN of these, and nothing else.
const HANDSHAKE: u32 = 1 | SYN | 4 | 16;

/// An interface as far as security levels go.
pub(in super::super) struct Levelled<'a> {
    pub name: &'a str,
    pub level: u8,
    pub span: Span,
}

/// Interfaces with a name, and their levels: 100 for `inside`, 0 for others, unless written.
///
/// *Command Reference*, `nameif`, `security-level`.
pub(in super::super) fn levelled<'a>(config: &Config<'a>) -> Vec<Levelled<'a>> {
    let level = |interface: &Interface<'a>| {
        let name = interface.name?;
        let implied = (if name.text.eq_ignore_ascii_case("inside") { 100 } else { 0 }, name.span);
        let (level, span) = interface.level.unwrap_or(implied);
        Some(Levelled { name: name.text, level, span })
    };
    config.interfaces.iter().filter_map(level).collect()
}

/// The bridge-group of a BVI.
fn bvi_number(interface: &Interface<'_>) -> Option<u16> {
    let name = interface.hardware.text;
    name.get(..3)
        .filter(|kind| kind.eq_ignore_ascii_case("BVI"))
        .and(name.get(3..))
        .and_then(|number| number.parse().ok())
}

impl<'c, 'a> Lower<'c, 'a> {
    pub(super) fn levelled(&self) -> Vec<Levelled<'a>> {
        levelled(self.config)
    }

    /// A TCP connection starts with SYN alone; where ICMP is inspected, a reply needs its request.
    ///
    /// Syslog messages 106015 (no connection) and 313004 (stateful ICMP).
    pub(super) fn first_packets(&mut self, chain: ChainId) {
        let bad = Set::where_(255, |flags| flags & HANDSHAKE != SYN);
        self.b.is(Field::Proto, proto::TCP.into());
        self.within(Field::TcpFlags, bad);
        let bypass = self
            .config
            .policy_maps
            .iter()
            .flat_map(|map| &map.classes)
            .find_map(|class| class.tcp_state_bypass);
        if bypass.is_some() {
            self.b.unknown("the connection does not bypass TCP state checks");
        }
        self.verdict(chain, Verdict::Drop, self.nowhere);
        for (span, interfaces) in self.icmp_inspections() {
            if interfaces.is_some() {
                continue;
            }
            let replies = Set::of([0, 14, 16, 18].map(|kind| (kind, kind)));
            for (protocol, replies) in [(proto::ICMP, replies), (proto::ICMPV6, Set::one(129))] {
                self.b.is(Field::Proto, protocol.into());
                self.within(Field::IcmpType, replies);
                self.within(Field::State, states(&[State::Invalid, State::New]));
                self.verdict(chain, Verdict::Drop, span);
            }
        }
    }

    /// Ways that no access-list opens.
    pub(super) fn forbidden_ways(&mut self, chain: ChainId) {
        let config = self.config;
        for interface in &config.interfaces {
            let closed = interface.shutdown || (interface.management_only && interface.name.is_some());
            if let (true, Some(name)) = (closed, interface.name) {
                for field in [Field::Iif, Field::Oif] {
                    self.on(field, name.text);
                    self.verdict(chain, Verdict::Drop, interface.hardware.span);
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
                self.b.unknown("multicast routing does not carry the group");
            }
            self.verdict(chain, Verdict::Drop, span.unwrap_or(self.nowhere));
        }
    }

    /// Between interfaces of one level, and out by the interface it came in by, a packet passes only
    /// where `same-security-traffic` says so, whatever the access-lists say.
    ///
    /// *Command Reference*, `same-security-traffic`.
    fn same_security(&mut self, chain: ChainId) {
        let interfaces = self.levelled();
        let (inter, intra) = (self.config.inter_interface.is_some(), self.config.intra_interface.is_some());
        let mut levels: FxHashMap<u8, Vec<&str>> = FxHashMap::default();
        for interface in &interfaces {
            levels.entry(interface.level).or_default().push(interface.name);
        }
        let levels: FxHashMap<u8, Set> =
            levels.into_iter().map(|(level, names)| (level, self.interfaces_set(names))).collect();
        for from in &interfaces {
            let own = self.interface_set(from.name);
            let peers = levels.get(&from.level).filter(|peers| !inter && **peers != own);
            if let Some(peers) = peers {
                self.on(Field::Iif, from.name);
                self.within(Field::Oif, peers.clone());
                let own = self.values(own);
                self.b.field(Field::Oif, own, true);
                self.verdict(chain, Verdict::Drop, from.span);
            }
            if !intra && !self.config.transparent {
                self.on(Field::Iif, from.name);
                self.on(Field::Oif, from.name);
                self.verdict(chain, Verdict::Drop, from.span);
            }
        }
    }

    /// Packets that may have come through a tunnel pass without the interface's access-list.
    ///
    /// *Command Reference*, `sysopt connection permit-vpn`: on by default.
    pub(super) fn tunnels(&mut self, chain: ChainId) {
        if self.config.no_permit_vpn.is_some() {
            return;
        }
        let config = self.config;
        let mut maps: FxHashMap<&str, Vec<&Vpn<'a>>> = FxHashMap::default();
        for vpn in &config.vpns {
            if let Vpn::Match { map, .. } | Vpn::Dynamic { map } = vpn {
                maps.entry(map).or_default().push(vpn);
            }
        }
        for vpn in &config.vpns {
            let Vpn::Interface { map, interface } = vpn else { continue };
            for entry in maps.get(map).into_iter().flatten() {
                let Vpn::Match { acl, .. } = entry else {
                    self.clients(chain, interface.text, interface.span);
                    continue;
                };
                let Some(list) = self.acl_chain(*acl, Use::Tunnel) else { continue };
                self.on(Field::Iif, interface.text);
                self.step(Effect::Jump(list));
                self.b.rule(chain, acl.span, acl.span);
            }
        }
        for vpn in &config.vpns {
            if let Vpn::Remote { interface } = vpn {
                self.clients(chain, interface.text, interface.span);
            }
        }
    }

    /// Remote-access clients have addresses of the pools.
    fn clients(&mut self, chain: ChainId, interface: &str, span: Span) {
        let config = self.config;
        for vpn in &config.vpns {
            let Vpn::Pool { addresses } = vpn else { continue };
            let set = self.resolver.address(*addresses);
            for (field, set) in [(Field::Src4, set.v4), (Field::Src6, set.v6)] {
                if set.is_empty() {
                    continue;
                }
                self.on(Field::Iif, interface);
                self.within(field, set);
                self.b.unknown("the packet arrives through the VPN tunnel");
                self.verdict(chain, Verdict::Accept, span);
            }
        }
    }

    fn filter_use(&self) -> Use {
        if self.mapped_addresses() && self.untranslates { Use::FilterOriginal } else { Use::Filter }
    }

    /// The interfaces' access-lists, then the global one, then the implicit deny of both.
    ///
    /// *Firewall CLI Configuration Guide*, "Access Rules": "Implicit Deny".
    pub(super) fn ingress_lists(&mut self, chain: ChainId) {
        let usage = self.filter_use();
        let groups = self.bound(Direction::In);
        // Chains are made before the rules that walk them.
        let lists: Vec<_> = groups.iter().map(|(group, _)| self.acl_chain(group.acl, usage)).collect();
        // The lists of interfaces come first wherever they are written.
        for ((group, interface), list) in groups.iter().zip(&lists) {
            let Some(interface) = interface else { continue };
            self.bridged(chain, group, (Field::Iif, interface.text));
            if group.per_user_override && self.config.cut_through.is_some() {
                let cond = self.b.condition("the user's own access-list");
                self.on(Field::Iif, interface.text);
                self.step(Effect::Undefined(cond));
                self.b.rule(chain, group.span, group.span);
            }
            self.on(Field::Iif, interface.text);
            self.walk(chain, group, *list);
        }
        for ((group, interface), list) in groups.iter().zip(&lists) {
            if interface.is_none() {
                self.walk(chain, group, *list);
            }
        }
        for span in &self.config.established {
            self.within(Field::Proto, super::super::resolve::tcp_udp());
            self.b.unknown("`established` lets the connection back in");
            self.verdict(chain, Verdict::Accept, *span);
        }
        // A list that is the last to be walked has its implicit deny as its own last rule.
        let global = groups.iter().any(|(group, interface)| interface.is_none() && self.binds(group));
        for ((group, interface), list) in groups.into_iter().zip(lists) {
            if !self.binds(group) {
                continue;
            }
            let last = (!global || interface.is_none()) && self.config.established.is_empty();
            if let (Some(list), true) = (list, last) {
                self.close(list, group.span);
                continue;
            }
            if let Some(interface) = interface {
                self.on(Field::Iif, interface.text);
            }
            self.family_of(group);
            self.verdict(chain, Verdict::Drop, group.span);
        }
    }

    /// A list of a BVI is for what leaves or enters the bridge-group by routing: what passes its members
    /// depends on it.
    fn bridged(
        &mut self,
        chain: ChainId,
        group: &super::super::ast::AccessGroup<'a>,
        (field, name): (Field, &str),
    ) {
        let config = self.config;
        let named = |known: &&Interface<'a>| known.name.is_some_and(|known| known.text == name);
        let Some(number) = config.interfaces.iter().find(named).and_then(bvi_number) else { return };
        let members = config.interfaces.iter().filter(|known| known.bridge_group == Some(number));
        let members = self.interfaces_set(members.filter_map(|known| known.name).map(|name| name.text));
        if members.is_empty() {
            return;
        }
        let cond = self.b.condition(&format!("access-list {} of the bridge-group", group.acl.text));
        self.within(field, members);
        self.step(Effect::Undefined(cond));
        self.b.rule(chain, group.span, group.span);
    }

    /// Ends a list with its implicit deny, once.
    fn close(&mut self, list: ChainId, span: Span) {
        if self.closed.insert(list) {
            self.verdict(list, Verdict::Drop, span);
        }
    }

    /// A rule that walks a bound list; its first tests are there already.
    fn walk(&mut self, chain: ChainId, group: &super::super::ast::AccessGroup<'a>, list: Option<ChainId>) {
        self.family_of(group);
        match list {
            Some(list) => self.step(Effect::Jump(list)),
            None if self.acls.contains_key(group.acl.text) => return self.b.abandon(),
            None => {
                let cond = self.b.condition(&format!("access-list {}", group.acl.text));
                self.step(Effect::Undefined(cond));
            }
        }
        self.b.rule(chain, group.span, group.span);
    }

    /// Whether a binding stands: the list is there and can be bound, or is not there at all.
    pub(super) fn binds(&self, group: &super::super::ast::AccessGroup<'a>) -> bool {
        self.acls.get(group.acl.text).is_none_or(|at| Self::bindable(&self.config.acls[*at]))
    }

    /// Before 9.0 a list holds one family, and leaves the other to its own list or the security levels.
    fn family_of(&mut self, group: &super::super::ast::AccessGroup<'a>) {
        if self.version >= super::BOTH_FAMILIES {
            return;
        }
        let v6 = self
            .acls
            .get(group.acl.text)
            .is_some_and(|at| self.config.acls[*at].kind == Some(super::AclKind::V6));
        self.b.is(Field::Version, if v6 { 6 } else { 4 });
    }

    /// Interfaces without a list: to lower levels everything passes, and to equal ones where
    /// `same-security-traffic` says so; nothing passes to higher ones.
    ///
    /// *General Operations CLI Configuration Guide*, "Security Levels".
    pub(super) fn implicit_rules(&mut self, chain: ChainId) {
        let interfaces = self.levelled();
        if interfaces.is_empty() {
            self.b.unknown("the security levels of the interfaces");
            self.verdict(chain, Verdict::Accept, self.nowhere);
            return;
        }
        let mut opened: FxHashMap<u8, Set> = FxHashMap::default();
        for from in &interfaces {
            let (inter, intra) =
                (self.config.inter_interface.is_some(), self.config.intra_interface.is_some());
            let lower = opened.entry(from.level).or_insert_with(|| {
                let open = |to: &&Levelled<'_>| to.level < from.level || (inter && to.level == from.level);
                let names = interfaces.iter().filter(open).map(|to| to.name);
                let sets: Vec<Set> = names.filter_map(|name| self.interfaces.get(name).cloned()).collect();
                Set::of(sets.iter().flat_map(|set| set.ranges().iter().copied()))
            });
            let open = lower.clone();
            let own = self.interface_set(from.name);
            if !open.is_empty() || intra {
                self.nat_control(chain, from);
                for set in [open, own].into_iter().take(1 + usize::from(intra && !inter)) {
                    if set.is_empty() {
                        continue;
                    }
                    self.on(Field::Iif, from.name);
                    self.within(Field::Oif, set);
                    self.verdict(chain, Verdict::Accept, from.span);
                }
            }
            self.on(Field::Iif, from.name);
            self.verdict(chain, Verdict::Drop, from.span);
        }
    }

    /// With `nat-control`, before 8.3, what leaves for a lower level needs a translation.
    fn nat_control(&mut self, chain: ChainId, from: &Levelled<'_>) {
        if let Some(span) = self.config.nat_control.filter(|_| self.mapped_addresses()) {
            self.on(Field::Iif, from.name);
            self.b.unknown("`nat-control` and no translation for the packet");
            self.verdict(chain, Verdict::Drop, span);
        }
    }

    /// Lists bound on the way out.
    pub(super) fn egress_lists(&mut self, chain: ChainId) {
        for (group, interface) in self.bound(Direction::Out) {
            let Some(interface) = interface.filter(|_| self.binds(group)) else { continue };
            let list = self.acl_chain(group.acl, Use::Egress);
            self.bridged(chain, group, (Field::Oif, interface.text));
            self.on(Field::Oif, interface.text);
            let none = self.b.range(0, 0);
            // What the box itself sends has no way in, and passes.
            self.b.field(Field::Iif, none, true);
            self.walk(chain, group, list);
            if let Some(list) = list {
                self.close(list, group.span);
            }
        }
    }
}
