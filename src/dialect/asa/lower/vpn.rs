//! What comes through a VPN tunnel.
//!
//! That a packet does is a condition about its source, by the interface where the tunnel ends.

use rustc_hash::FxHashMap;

use super::super::ast::Vpn;
use super::{Lower, Use};
use crate::model::{ChainId, ChainKind, CondId, Condition, Effect, Origin, Test, Verdict, Why};
use crate::packet::{Field, Set};
use crate::source::Span;

impl<'c, 'a> Lower<'c, 'a> {
    /// The condition that a packet comes through a tunnel that ends on an interface.
    pub(super) fn vpn(&mut self, interface: &str) -> CondId {
        self.b.condition(Condition::of(format!("vpn {interface}"), [Field::Src4, Field::Src6]))
    }

    /// Tests that a packet came through a tunnel that ends on an interface.
    pub(super) fn tunnelled(&mut self, interface: &str, negate: bool) {
        let cond = self.vpn(interface);
        self.b.test(Test::Unknown { cond, negate });
    }

    /// The interfaces on which tunnels end, each once.
    pub(super) fn vpn_interfaces(&self) -> Vec<&'a str> {
        let mut seen = rustc_hash::FxHashSet::default();
        let ends = self.config.vpns.iter().filter_map(|vpn| match vpn {
            Vpn::Interface { interface, .. } | Vpn::Remote { interface } => Some(interface.text),
            Vpn::Match { .. } | Vpn::Dynamic { .. } | Vpn::Pool { .. } => None,
        });
        ends.filter(|name| seen.insert(*name)).collect()
    }

    /// Packets that come through a tunnel pass without the interface's access-list.
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
                let cond = self.vpn(interface.text);
                let Some(list) = self.acl_chain(*acl, Use::Tunnel(cond)) else { continue };
                self.on(Field::Iif, interface.text);
                self.step(Effect::Jump(list));
                self.b.rule(chain, Origin::setting(acl.span));
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
        let pools: Vec<_> = self
            .config
            .vpns
            .iter()
            .filter_map(|vpn| if let Vpn::Pool { addresses } = vpn { Some(*addresses) } else { None })
            .map(|pool| self.resolver.address(pool))
            .collect();
        let of = |pick: fn(&super::Addresses) -> &Set| {
            Set::of(pools.iter().flat_map(|pool| pick(pool).ranges().iter().copied()))
        };
        for (field, set) in [(Field::Src4, of(|pool| &pool.v4)), (Field::Src6, of(|pool| &pool.v6))] {
            if set.is_empty() {
                continue;
            }
            self.on(Field::Iif, interface);
            self.within(field, set);
            self.tunnelled(interface, false);
            let effect = self.through_tunnel();
            self.step(effect);
            self.b.rule(chain, Origin::setting(span));
        }
    }

    /// What becomes of a packet that came through a tunnel: it passes, or has to pass the list of its
    /// group-policy or user.
    ///
    /// *Command Reference*, `vpn-filter`: which policy is a peer's own is told by the tunnel and by servers.
    pub(super) fn through_tunnel(&mut self) -> Effect {
        let config = self.config;
        if config.vpn_filters.is_empty() {
            return Effect::Verdict(Verdict::Accept);
        }
        if let Some(chain) = self.vpn_chain {
            return Effect::Goto(chain);
        }
        // The rule that is being made waits.
        let pending = self.b.pending().to_vec();
        self.b.abandon();
        let chain = self.b.chain_of(ChainKind::BuiltIn, "vpn filters", self.nowhere);
        self.vpn_chain = Some(chain);
        for filter in &config.vpn_filters {
            let list = self.vpn_filter(filter.acl, filter.span);
            let about = [Field::Src4, Field::Src6];
            self.b.unknown(Condition::of(format!("group-policy {}", filter.policy), about));
            match list {
                Some(list) => self.step(Effect::Goto(list)),
                None => {
                    let cond = self.b.condition(Condition::elsewhere(format!("acl {}", filter.acl.text)));
                    self.step(Effect::Undefined(cond));
                }
            }
            self.b.rule(chain, Origin::setting(filter.span));
        }
        self.verdict(chain, Verdict::Accept, self.system());
        pending.into_iter().for_each(|step| self.b.step(step));
        Effect::Goto(chain)
    }

    /// The list of a `vpn-filter` with its end.
    fn vpn_filter(&mut self, acl: super::Named<'a>, span: Span) -> Option<ChainId> {
        let known =
            self.acls.get(acl.text).is_some_and(|at| self.chains.contains_key(&(*at, Use::VpnFilter)));
        let list = self.acl_chain(acl, Use::VpnFilter);
        if let (Some(list), false) = (list, known) {
            self.verdict(list, Verdict::Drop, Origin::Implied { by: span, why: Why::ImplicitDeny });
        }
        list
    }
}
