//! The routing decision: which packets are for the box, and what forwarding leaves of the others.

use super::super::Decider;
use super::{Class, Classes, Ctrl, Expr, Run};
use super::{class, read};
use crate::model::{Reply, Verdict};
use crate::packet::{Field, Set, Space, VariableKey};

impl Run<'_, '_, '_> {
    /// The packets without those that no router passes on: of some sources, and at the end of their TTL. Honest
    /// senders give it for the whole way.
    pub(super) fn forwardable(&mut self, class: Class, forward: &mut Classes) {
        let family = self.spaces.family();
        let src = class.ctrl.expr(self.spaces, Field::src(family));
        let mut from = |set: Set| match src {
            Some(Expr::At(level, 0)) => self.spaces.within(level, &set),
            Some(Expr::Const(src)) => read::constant(set.contains(src)),
            _ => Space::NONE,
        };
        let beyond = from(family.beyond_scope());
        let nowhere = from(family.unforwardable().minus(&family.beyond_scope()));
        let spent = match class.ctrl.expr(self.spaces, Field::Ttl) {
            _ if self.flow.honest || self.flow.rules.keeps_ttl => Space::NONE,
            Some(Expr::Const(ttl)) => read::constant(ttl < 2),
            Some(Expr::At(level, 0)) if Some(level) == self.spaces.level(Field::Ttl) => {
                self.spaces.within(level, &Set::range(0, 1))
            }
            _ => Space::NONE,
        };
        let mut space = class.space;
        for (stays, verdict) in [
            (nowhere, Verdict::Drop),
            (spent, Verdict::Reject(Reply::time_exceeded(family))),
            (beyond, Verdict::Reject(Reply::BEYOND_SCOPE)),
        ] {
            let part = self.spaces.and(space, stays);
            self.refuse(Decider::End, verdict, part);
            space = self.spaces.minus(space, stays);
        }
        forward.add(self.spaces, Class { space, ctrl: class.ctrl });
    }

    /// The routing decision for packets whose destination was translated: `send` puts them on the way that leads
    /// to the box itself, or past it.
    pub(super) fn route(&mut self, classes: Classes, own: &Set, send: impl Fn(&mut Ctrl, bool)) -> Classes {
        let mut routed = Classes::default();
        for class in classes {
            if !class.ctrl.mapped[0] {
                routed.add(self.spaces, class);
                continue;
            }
            let own = self.own(&class.ctrl, own);
            for (part, here) in [(own, true), (own.not(), false)] {
                let space = self.spaces.and(class.space, part);
                let mut ctrl = class.ctrl.clone();
                send(&mut ctrl, here);
                routed.add(self.spaces, Class { space, ctrl });
            }
        }
        routed
    }

    /// The packets whose destination is an address of the box itself: one of these, as far as they are known.
    fn own(&mut self, ctrl: &Ctrl, own: &Set) -> Space {
        if ctrl.own {
            return Space::ALL;
        }
        let family = self.spaces.family();
        let rules = self.flow.rules;
        let Some(expr) = ctrl.expr(self.spaces, Field::dst(family)) else { return Space::NONE };
        let elsewhere = rules.elsewhere_set(family);
        let (here, known_other) = match expr {
            Expr::Const(dst) => (read::constant(own.contains(dst)), read::constant(elsewhere.contains(dst))),
            Expr::At(level, delta) => {
                let before = |set: &Set| match delta {
                    0 => set.clone(),
                    _ => set.shifted(delta.wrapping_neg(), family.bits()),
                };
                (self.spaces.within(level, &before(own)), self.spaces.within(level, &before(&elsewhere)))
            }
        };
        if !rules.own.is_empty() {
            return here;
        }
        let of = vec![self.flow.number, class::number_of(&expr)];
        let key = VariableKey { name: "the firewall's own addresses".to_string(), of };
        let level = self.spaces.variable(key, 1);
        let may_be = self.spaces.within(level, &Set::one(1));
        let other = self.spaces.minus(may_be, known_other);
        self.spaces.or(here, other)
    }
}
