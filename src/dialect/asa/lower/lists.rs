//! Access-lists where they are bound: on the way in, on the way out, and for bridge-groups.
//!
//! *Firewall CLI Configuration Guide*, "Access Rules": the list of the interface comes before the global
//! one, both end with an implicit deny. In routed mode a BVI's list is for what is routed into or out of its
//! bridge-group: inbound after the member's list, outbound before it.

use rustc_hash::FxHashMap;

use super::super::ast::{AccessGroup, AclKind, Action, Direction, Entry, Named};
use super::levels::{bvi_number, by_level};
use super::{Lower, Use};
use crate::model::{ChainId, ChainKind, Condition, Effect, Hook, Origin, StageKind, Verdict, Why};
use crate::packet::{Field, Set};

/// A binding with the interface's name; `None` is everywhere.
type Bound<'c, 'a> = (&'c AccessGroup<'a>, Option<Named<'a>>);

impl<'c, 'a> Lower<'c, 'a> {
    fn kind(&self, group: &AccessGroup<'a>) -> Option<AclKind> {
        self.acls.get(group.acl.text).and_then(|at| self.config.acls[*at].kind)
    }

    /// The access-groups of one direction, in order. Of those for one interface and kind of list the last
    /// one counts.
    pub(super) fn bound(&self, direction: Direction) -> Vec<Bound<'c, 'a>> {
        let groups = self.config.access_groups.iter().filter(|group| group.direction == direction);
        let key = |group: &AccessGroup<'a>| {
            let class = match self.kind(group) {
                Some(AclKind::EtherType) => 1,
                Some(AclKind::V6) => 2,
                Some(AclKind::Extended | AclKind::Standard | AclKind::WebType) | None => 0,
            };
            (group.interface.map(|name| name.text), class)
        };
        let last: FxHashMap<_, usize> =
            groups.clone().enumerate().map(|(at, group)| (key(group), at)).collect();
        let counts = |at: usize, group: &AccessGroup<'a>| last.get(&key(group)) == Some(&at);
        groups
            .enumerate()
            .filter(|(at, group)| counts(*at, group))
            .map(|(_, group)| (group, group.interface))
            .collect()
    }

    /// The bindings that decide about IP packets.
    fn filters(&self, direction: Direction) -> Vec<Bound<'c, 'a>> {
        let mut groups = self.bound(direction);
        groups.retain(|(group, _)| self.binds(group));
        groups
    }

    /// Whether a binding stands: the list is there and can be bound, or is not there at all.
    fn binds(&self, group: &AccessGroup<'a>) -> bool {
        self.acls.get(group.acl.text).is_none_or(|at| Self::is_filter(&self.config.acls[*at]))
    }

    /// The bridge-group of a BVI by the name of the interface, with its members.
    fn bridge(&self, name: &str) -> Option<(u16, Set)> {
        let number = self.bridges.get(name).copied()?;
        let members = self.members(number);
        (!members.is_empty()).then_some((number, members))
    }

    /// Lists of EtherTypes decide nothing about IP, but for an entry that names it or denies everything.
    ///
    /// *Firewall CLI Configuration Guide*, "EtherType Rules": the implicit deny at the end does not affect
    /// IP traffic; an explicit deny of all does.
    pub(super) fn ether_lists(&mut self, chain: ChainId, direction: Direction) {
        let field = if direction == Direction::In { Field::Iif } else { Field::Oif };
        for (group, interface) in self.bound(direction) {
            if self.kind(group) != Some(AclKind::EtherType) {
                continue;
            }
            let Some(at) = self.acls.get(group.acl.text).copied() else { continue };
            let list = self.ether_chain(at);
            if self.b.ruleset().chain(list).rules.is_empty() {
                continue;
            }
            if let Some(interface) = interface {
                self.on(field, interface.text);
            }
            self.step(Effect::Jump(list));
            self.b.rule(chain, Origin::setting(group.span));
        }
    }

    fn ether_chain(&mut self, at: usize) -> ChainId {
        if let Some(chain) = self.chains.get(&(at, Use::Filter)) {
            return *chain;
        }
        let acl = &self.config.acls[at];
        let name = format!("access-list {}", acl.name.text);
        let chain = self.b.chain_of(ChainKind::AccessList, name, acl.name.span);
        self.chains.insert((at, Use::Filter), chain);
        for entry in &acl.entries {
            let Entry::EtherType(span, action, (v4, v6)) = entry else { continue };
            let effect = match action {
                Action::Permit => Effect::Return,
                Action::Deny => Effect::Verdict(Verdict::Drop),
            };
            for (version, holds) in [(4, *v4), (6, *v6)] {
                if holds {
                    self.b.is(Field::Version, version);
                    self.step(effect);
                    self.b.rule(chain, *span);
                }
            }
        }
        chain
    }

    fn filter_use(&self) -> Use {
        if self.mapped_addresses() && self.untranslates { Use::FilterOriginal } else { Use::Filter }
    }

    /// The interfaces' access-lists, then the global one, then the implicit deny of both.
    pub(super) fn ingress_lists(&mut self, chain: ChainId) {
        let usage = self.filter_use();
        let groups = self.filters(Direction::In);
        // Chains are made before the rules that walk them.
        let lists: Vec<_> = groups.iter().map(|(group, _)| self.acl_chain(group.acl, usage)).collect();
        // The lists of interfaces come first wherever they are written.
        for ((group, interface), list) in groups.iter().zip(&lists) {
            let Some(interface) = interface else { continue };
            if group.per_user_override && self.config.cut_through.is_some() {
                self.on(Field::Iif, interface.text);
                let name = format!("per-user-override {}", interface.text);
                self.undefined(chain, Condition::elsewhere(name), Origin::setting(group.span));
            }
            self.on(Field::Iif, interface.text);
            self.walk(chain, group, *list);
        }
        self.unbound(chain, Direction::In);
        let global = groups.iter().zip(&lists).find(|((_, interface), _)| interface.is_none());
        if let Some(((group, _), list)) = global {
            self.walk(chain, group, *list);
        }
        for (at, line) in self.config.established.iter().enumerate() {
            self.within(Field::Proto, super::super::resolve::tcp_udp());
            self.b.unknown(Condition::chance(format!("{} {}", line.text, at + 1)));
            self.verdict(chain, Verdict::Accept, Origin::setting(line.span));
        }
        if let Some(((group, _), _)) = global {
            self.implied_deny(chain, group, None);
            return;
        }
        for (group, interface) in groups {
            let field = interface.map(|interface| (Field::Iif, interface.text));
            self.implied_deny(chain, group, field);
        }
    }

    /// The end of a list that is bound, a chain of its own.
    fn implied_deny(&mut self, chain: ChainId, group: &AccessGroup<'a>, on: Option<(Field, &str)>) {
        let name = format!("access-list {}", group.acl.text);
        let end = self.b.chain_of(ChainKind::ImpliedDeny, name, group.span);
        let usage = if group.direction == Direction::Out { Use::Egress } else { Use::Filter };
        self.answers(group.acl.text, usage, end);
        self.deny(end, Origin::Implied { by: group.span, why: Why::ImplicitDeny });
        if let Some((field, name)) = on {
            self.on(field, name);
        }
        self.not_from_the_box(group.direction);
        self.family_of(group);
        self.step(Effect::Jump(end));
        self.b.rule(chain, Origin::setting(group.span));
    }

    /// What the box itself sends has no way in, and passes.
    fn not_from_the_box(&mut self, direction: Direction) {
        if direction == Direction::Out {
            let none = self.b.range(0, 0);
            self.b.field(Field::Iif, none, true);
        }
    }

    /// Interfaces whose binding was taken out, and what it was is not in the files.
    fn unbound(&mut self, chain: ChainId, direction: Direction) {
        let config = self.config;
        for group in config.unbound.iter().filter(|group| group.direction == direction) {
            let bound = |other: &&AccessGroup<'a>| {
                other.direction == direction
                    && other.interface.map(|name| name.text) == group.interface.map(|name| name.text)
            };
            if config.access_groups.iter().find(bound).is_some() {
                continue;
            }
            let place = group.interface.map_or("global", |interface| interface.text);
            if let Some(interface) = group.interface {
                let field = if direction == Direction::In { Field::Iif } else { Field::Oif };
                self.on(field, interface.text);
            }
            self.undefined(
                chain,
                Condition::elsewhere(format!("access-group {place}")),
                Origin::setting(group.span),
            );
        }
    }

    /// A rule that walks a bound list; its first tests are there already.
    fn walk(&mut self, chain: ChainId, group: &AccessGroup<'a>, list: Option<ChainId>) {
        self.family_of(group);
        match list {
            Some(list) => self.step(Effect::Jump(list)),
            None => {
                let cond = self.b.condition(Condition::elsewhere(format!("acl {}", group.acl.text)));
                self.step(Effect::Undefined(cond));
            }
        }
        self.b.rule(chain, Origin::setting(group.span));
    }

    /// Before 9.0 a list holds one family, and leaves the other to its own list or the security levels.
    fn family_of(&mut self, group: &AccessGroup<'a>) {
        if self.version < super::BOTH_FAMILIES {
            let v6 = self.kind(group) == Some(AclKind::V6);
            self.b.is(Field::Version, if v6 { 6 } else { 4 });
        }
    }

    /// Lists bound on the way out.
    pub(super) fn egress_lists(&mut self, chain: ChainId) {
        self.unbound(chain, Direction::Out);
        for (group, interface) in self.filters(Direction::Out) {
            let Some(interface) = interface else { continue };
            let list = self.acl_chain(group.acl, Use::Egress);
            self.on(Field::Oif, interface.text);
            self.not_from_the_box(Direction::Out);
            self.walk(chain, group, list);
            self.implied_deny(chain, group, Some((Field::Oif, interface.text)));
        }
    }

    /// The lists of BVIs, for what is routed into or out of their bridge-groups.
    pub(super) fn bridge_stage(&mut self, direction: Direction) {
        let groups = self.filters(direction);
        let bridged = groups.into_iter().filter_map(|(group, interface)| {
            let (_, members) = self.bridge(interface?.text)?;
            Some((group, members))
        });
        let bridged: Vec<_> = bridged.collect();
        if bridged.is_empty() {
            return;
        }
        let (name, usage, sides) = match direction {
            Direction::In => ("ingress of bridge-groups", self.filter_use(), (Field::Iif, Field::Oif)),
            _ => ("egress of bridge-groups", Use::Egress, (Field::Oif, Field::Iif)),
        };
        let chain = self.b.chain_of(ChainKind::BuiltIn, name, self.nowhere);
        self.established(chain);
        for (group, members) in bridged {
            let list = self.acl_chain(group.acl, usage);
            let bridge =
                self.b.chain_of(ChainKind::BuiltIn, format!("{name} {}", group.acl.text), group.span);
            self.walk(bridge, group, list);
            self.implied_deny(bridge, group, None);
            self.within(sides.0, members.clone());
            let members = self.values(members);
            self.b.field(sides.1, members, true);
            self.not_from_the_box(direction);
            self.step(Effect::Jump(bridge));
            self.b.rule(chain, Origin::setting(group.span));
        }
        self.stage(Hook::Forward, chain, StageKind::Filter, Verdict::Accept);
    }

    /// What leaves a bridge-group by routing is decided by the list of its BVI and not by levels, where it
    /// has one.
    pub(super) fn listed_by_bridge(&mut self, chain: ChainId, at: usize) {
        let from = self.levels[at];
        let Some(group) = from.group.filter(|group| self.listed_bridges.contains(group)) else { return };
        self.on(Field::Iif, from.name);
        let members = self.members(group);
        let members = self.values(members);
        self.b.field(Field::Oif, members, true);
        self.verdict(chain, Verdict::Accept, by_level(from.span));
    }

    /// The bridge-groups by the names of their BVIs, and those that have a list on the way in.
    pub(super) fn find_bridges(&mut self) {
        if self.config.transparent {
            return;
        }
        let named = self.config.interfaces.iter();
        self.bridges = named.filter_map(|known| Some((known.name?.text, bvi_number(known)?))).collect();
        let groups = self.filters(Direction::In);
        let bridges = groups.into_iter().filter_map(|(_, interface)| self.bridge(interface?.text));
        self.listed_bridges = bridges.map(|(group, _)| group).collect();
    }
}
