//! How packets come to a firewall: what it knows of them, of their interfaces and of their connection.

use super::read;
use super::{Class, Classes, Ctrl, Expr, OF_CONNECTION, Run, TooMuch};
use crate::model::Way;
use crate::packet::{Field, Set, Side, Space, State, VariableKey};

impl Run<'_, '_, '_> {
    /// The packets as this firewall gets them.
    pub(super) fn arrive(&mut self, packets: &Classes) -> Result<Classes, TooMuch> {
        let read = OF_CONNECTION.into_iter().chain([Field::Mark, Field::Tag]);
        self.of_box = read
            .filter(|field| self.flow.reads.contains(field))
            .filter_map(|field| self.spaces.level(field))
            .collect();
        let mut classes = Classes::default();
        for class in packets.iter() {
            let Class { space, mut ctrl } = class.clone();
            self.translated |= ctrl.is_translated();
            ctrl.begin(self.hop.way);
            ctrl.looping = self.hop.loopback && self.hop.way == Way::Output;
            OF_CONNECTION
                .into_iter()
                .chain([Field::Mark, Field::Direction])
                .for_each(|field| ctrl.clear(field));
            let mut space = self.zero(space, &[Field::Tag]);
            space = self.marked(space);
            space = self.side(&mut ctrl, space, Field::Iif, self.hop.iif.as_ref())?;
            space = self.side(&mut ctrl, space, Field::Oif, self.hop.oif.as_ref())?;
            if let Some(state) = self.hop.state {
                ctrl.set(Field::State, Expr::Const(state as u128));
            }
            ctrl.arrive(self.spaces);
            let (new, old) = self.by_newness(&ctrl, space);
            let reply = self.hop.known.is_some();
            for (part, is_new) in [(new, !reply), (old, false)] {
                let mut ctrl = ctrl.clone();
                let mut part = part;
                if is_new {
                    ctrl.set(Field::Direction, Expr::Const(0));
                    part = self.zero(part, &OF_CONNECTION);
                } else {
                    self.unknown_connection(&mut ctrl);
                    part = self.translated_before(part, &mut ctrl);
                }
                self.by_address(Class { space: part, ctrl }, &mut classes);
            }
        }
        self.measure(&classes);
        Ok(classes)
    }

    /// Answers belong to connections of which the firewall knows whether it has translated them.
    fn translated_before(&mut self, space: Space, ctrl: &mut Ctrl) -> Space {
        let Some(known) = self.hop.known else { return space };
        let mut space = space;
        for (field, moved) in [Field::Dnat, Field::Snat].into_iter().zip(known.moved) {
            if self.flow.reads.contains(&field) {
                ctrl.clear(field);
                let [one, zero] = [1, 0].map(|value| self.spaces.test(field, &Set::one(value)));
                let (was, was_not) = (self.spaces.and(moved, one), self.spaces.minus(zero, moved));
                let either = self.spaces.or(was, was_not);
                space = self.spaces.and(space, either);
            }
        }
        space
    }

    /// Parts what is addressed to the box itself from what goes through it, where that is asked for.
    fn by_address(&mut self, class: Class, classes: &mut Classes) {
        let family = self.spaces.family();
        let own = self.flow.rules.delivered_set(family);
        if !self.hop.by_address || self.hop.way != Way::Forward {
            return classes.add(self.spaces, class);
        }
        let here = match class.ctrl.expr(self.spaces, Field::dst(family)) {
            Some(Expr::Const(dst)) => read::constant(own.contains(dst)),
            Some(Expr::At(level, 0)) => self.spaces.within(level, &own),
            Some(Expr::At(level, delta)) => {
                self.spaces.within(level, &own.shifted(delta.wrapping_neg(), family.bits()))
            }
            None => Space::NONE,
        };
        let mut ctrl = class.ctrl.clone();
        ctrl.way = Way::Input;
        let space = self.spaces.and(class.space, here);
        classes.add(self.spaces, Class { space, ctrl });
        let space = self.spaces.minus(class.space, here);
        classes.add(self.spaces, Class { space, ctrl: class.ctrl });
    }

    /// Of a connection that runs, nobody knows what was remembered of it.
    fn unknown_connection(&mut self, ctrl: &mut Ctrl) {
        let reply = self.hop.known.is_some();
        for field in OF_CONNECTION {
            if self.flow.reads.contains(&field) {
                let of = vec![self.flow.number, u64::from(reply)];
                let width = 128 - field.last().leading_zeros();
                let level = self.spaces.variable(VariableKey { name: field.name().to_string(), of }, width);
                ctrl.set(field, Expr::At(level, 0));
            }
        }
        if reply {
            ctrl.set(Field::Direction, Expr::Const(1));
        }
    }

    pub(super) fn zero(&mut self, space: Space, fields: &[Field]) -> Space {
        let read = fields.iter().filter(|field| self.flow.reads.contains(field));
        read.fold(space, |space, field| {
            let zero = self.spaces.test(*field, &Set::one(0));
            self.spaces.and(space, zero)
        })
    }

    /// The interface on one side.
    pub(super) fn side(
        &mut self,
        ctrl: &mut Ctrl,
        space: Space,
        field: Field,
        names: Option<&Set>,
    ) -> Result<Space, TooMuch> {
        let side = if field == Field::Iif { Side::Iif } else { Side::Oif };
        let level = match self.hop.number.checked_sub(1) {
            None => self.spaces.level(field),
            Some(later) => self.spaces.rewritten(side, later),
        };
        let level = level.ok_or(TooMuch)?;
        // Answers leave where the packets came in.
        if self.hop.known.is_some() && names.is_none() && ctrl.has(field) {
            return Ok(space);
        }
        let Some(names) = names else {
            ctrl.set(field, Expr::At(level, 0));
            return Ok(space);
        };
        if let Some(name) = names.single() {
            ctrl.set(field, Expr::Const(name));
            return Ok(space);
        }
        ctrl.set(field, Expr::At(level, 0));
        let within = self.spaces.within(level, names);
        Ok(self.spaces.and(space, within))
    }

    pub(super) fn by_newness(&mut self, ctrl: &Ctrl, space: Space) -> (Space, Space) {
        match ctrl.expr(self.spaces, Field::State) {
            Some(Expr::At(level, _)) => {
                let new = self.spaces.within(level, &Set::one(State::New as u128));
                (self.spaces.and(space, new), self.spaces.minus(space, new))
            }
            Some(Expr::Const(state)) if state == State::New as u128 => (space, Space::NONE),
            _ => (Space::NONE, space),
        }
    }
}
