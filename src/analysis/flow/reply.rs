//! What a firewall remembers of packets, and what their answers find.

use super::class::{Class, Classes, Ctrl, Expr};
use super::{Hop, Passage, Run};
use crate::model::{Hook, Way};
use crate::packet::{Field, Set, Space, Spaces, State, proto};

/// The packets whose answers a firewall knows, in terms of the packets themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Known {
    /// Those that it remembers from where they came in.
    pub came_in: Space,
    /// Those that it remembers from where they went out.
    pub went_out: Space,
    /// Those whose destination and source it has translated to another one, as far as it is certain.
    pub moved: [Space; 2],
}

/// Where packets are as a hook sees them: coming in (0), or going out (1).
pub(super) fn side(hook: Hook) -> usize {
    match hook {
        Hook::Prerouting | Hook::Input | Hook::Forward => 0,
        Hook::Output | Hook::Postrouting => 1,
    }
}

impl Run<'_, '_, '_> {
    /// What the firewall will know of answers.
    pub(super) fn remembered(&mut self) -> Known {
        let mut tracked = Classes::default();
        for class in self.passage.passed.clone() {
            if !class.ctrl.untracked {
                tracked.add(self.spaces, class);
            }
        }
        let tracked = tracked.union(self.spaces);
        let tracked = self.lasting(tracked);
        // pf keeps states by its rules, each time that a packet crosses them; the others keep one for all.
        if self.flow.keeps_by_rule {
            let [came_in, went_out] = self.kept;
            let (came_in, went_out) = (self.spaces.and(tracked, came_in), self.spaces.and(tracked, went_out));
            let both_ways = self.hop.way == Way::Forward;
            return Known {
                came_in,
                went_out: if both_ways || self.hop.way == Way::Output { went_out } else { came_in },
                moved: self.moved,
            };
        }
        Known { came_in: tracked, went_out: tracked, moved: self.moved }
    }

    /// Answers at a hook: those that the firewall knows belong to a connection, the others start one or are
    /// nobody's.
    pub(super) fn known_at(&mut self, hook: Hook, classes: Classes) -> Classes {
        let Some(known) = self.hop.known else { return classes };
        // They come in where the packets went out.
        let known = if side(hook) == 0 { known.went_out } else { known.came_in };
        let mut parted = Classes::default();
        for class in classes {
            let space = self.spaces.and(class.space, known);
            let mut ctrl = class.ctrl.clone();
            ctrl.set(Field::State, Expr::Const(State::Established as u128));
            parted.add(self.spaces, Class { space, ctrl });
            let unknown = self.spaces.minus(class.space, known);
            // A SYN with ACK and an answer of ICMP start nothing.
            let nobodys = Set::of([proto::TCP, proto::ICMP, proto::ICMPV6].map(|p| (p.into(), p.into())));
            let nobodys = self.spaces.test(Field::Proto, &nobodys);
            for (part, state) in [(nobodys, State::Invalid), (nobodys.not(), State::New)] {
                let space = self.spaces.and(unknown, part);
                let mut ctrl = class.ctrl.clone();
                ctrl.set(Field::State, Expr::Const(state as u128));
                parted.add(self.spaces, Class { space, ctrl });
            }
        }
        parted
    }
}

/// The answers to packets that passed a firewall, as they come back to it; the spaces stay those of the packets
/// that they answer. `forward` is how those crossed it.
pub fn answers(spaces: &Spaces, passed: &Classes) -> Vec<Class> {
    let family = spaces.family();
    let swapped = |class: &Class| {
        let mut ctrl = Ctrl::new(Way::Forward);
        // What the firewall translated it translates back by itself: its rules see the addresses of the far
        // end as that knows itself, and of the near end as it is.
        let now = |field: Field| class.ctrl.expr(spaces, field);
        let ends = [
            (Field::src(family), now(Field::dst(family))),
            (Field::dst(family), class.ctrl.came(0)),
            (Field::Sport, now(Field::Dport)),
            (Field::Dport, class.ctrl.came(2)),
            (Field::Iif, now(Field::Oif)),
            (Field::Oif, now(Field::Iif)),
        ];
        for (field, expr) in ends {
            if let Some(expr) = expr {
                ctrl.set(field, expr);
            }
        }
        ctrl.set(Field::TcpFlags, Expr::Const(0x12));
        ctrl.set(Field::IcmpType, Expr::Const(if family == crate::packet::Family::V4 { 0 } else { 129 }));
        Class { space: class.space, ctrl }
    };
    passed.iter().map(swapped).collect()
}

impl Hop {
    /// The crossing back.
    pub fn back(&self, passage: &Passage) -> Hop {
        let way = match self.way {
            Way::Forward => Way::Forward,
            Way::Input => Way::Output,
            Way::Output => Way::Input,
        };
        Hop { number: self.number, known: passage.known, ..Hop::first(way) }
    }
}
