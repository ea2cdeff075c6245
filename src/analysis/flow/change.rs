//! What rules change in packets: translation, marks, what is remembered of them.

use super::Run;
use super::class::{Class, Classes, Expr, number_of};
use super::read::{View, side_of};
use crate::model::{Effect, MarkOp, Nat, NatAddr, NatId, NatPort, RuleId};
use crate::packet::{Family, Field, Level, Set, Space, VariableKey, interface};

/// Network blocks that are told apart in a translation of a whole network.
const FEW_BLOCKS: usize = 256;
/// Bits of a host part that are copied one by one, where the blocks are too many.
const FEW_HOST_BITS: u32 = 8;

/// Bits of a variable that are copied exactly into a mark.
const FAR_BITS: u32 = 6;

impl Run<'_, '_, '_> {
    /// Does an effect that does not decide; the packets are added to `out`.
    pub(super) fn change(
        &mut self,
        view: &View<'_>,
        id: RuleId,
        effect: Effect,
        mut class: Class,
        out: &mut Classes,
    ) {
        let hangs_on_entry = matches!(
            effect,
            Effect::CtMark(_)
                | Effect::SaveMark(_)
                | Effect::RestoreMark(_)
                | Effect::Forget(Field::CtMark)
                | Effect::NoTrack
        );
        if hangs_on_entry {
            // Without a connection there is nothing to write to or to read from; with one, it is too late for `notrack`
            // (Linux `connmark_tg`, `nft_notrack_eval`).
            let tracked = self.tracked(view, &class.ctrl);
            let with = self.spaces.and(class.space, tracked);
            let without = self.spaces.minus(class.space, tracked);
            let (concerned, others) =
                if effect == Effect::NoTrack { (without, with) } else { (with, without) };
            if !others.is_none() {
                out.add(self.spaces, Class { space: others, ctrl: class.ctrl.clone() });
            }
            if concerned.is_none() {
                return;
            }
            class.space = concerned;
        }
        match effect {
            Effect::Mark(op) => self.mark(Field::Mark, op, id, &mut class),
            Effect::CtMark(op) => self.mark(Field::CtMark, op, id, &mut class),
            Effect::SaveMark(mask) => {
                self.copy_mark((Field::Mark, Field::CtMark), mask, id, &mut class);
            }
            Effect::RestoreMark(mask) => {
                self.copy_mark((Field::CtMark, Field::Mark), mask, id, &mut class);
            }
            Effect::Forget(field) => self.forget(field, id, &mut class),
            Effect::Tag(tag) => self.assign(Field::Tag, tag.into(), &mut class),
            Effect::Set(field, value) => self.assign(field, value.into(), &mut class),
            Effect::NoTrack => class.ctrl.untracked = !view.returned,
            Effect::Helper(helper) => {
                let space = self.lasting(class.space);
                let mut helpers = std::mem::take(&mut self.passage.helpers);
                for (_, with) in &mut helpers {
                    *with = self.spaces.minus(*with, space);
                }
                match helpers.iter_mut().find(|(known, _)| *known == helper) {
                    Some((_, with)) => *with = self.spaces.or(*with, space),
                    None => helpers.push((helper, space)),
                }
                self.passage.helpers = helpers;
            }
            Effect::KeepState(keeps) => {
                let side = super::reply::side(view.hook);
                let space = self.lasting(class.space);
                self.kept[side] = match keeps {
                    true => self.spaces.or(self.kept[side], space),
                    false => self.spaces.minus(self.kept[side], space),
                };
            }
            Effect::Nat(nat) => return self.translate(view, id, nat, class, out),
            Effect::Verdict(_)
            | Effect::Jump(_)
            | Effect::Goto(_)
            | Effect::Return
            | Effect::NextRule
            | Effect::Pend(_)
            | Effect::Settle
            | Effect::Undefined(_) => {}
        }
        out.add(self.spaces, class);
    }

    /// Whether the values of a field stand at a level of its own, as part of the set of packets.
    fn in_space(&self, field: Field) -> bool {
        matches!(field, Field::Mark | Field::CtMark | Field::Tag | Field::Dnat | Field::Snat)
    }

    /// A field gets a value.
    fn assign(&mut self, field: Field, value: u128, class: &mut Class) {
        if self.in_space(field) {
            if !self.flow.reads.contains(&field) {
                return;
            }
            let Some(level) = self.spaces.level(field) else { return };
            let open = self.spaces.without(class.space, &[level]);
            let one = self.spaces.within(level, &Set::one(value));
            class.space = self.spaces.and(open, one);
            class.ctrl.clear(field);
            return;
        }
        let level = side_of(field).and_then(|side| self.spaces.rewritten(side, self.hop.number));
        match level {
            Some(level) => {
                self.translated = true;
                let value = Set::one(value);
                class.space = self.spaces.without(class.space, &[level]);
                let one = self.spaces.within(level, &value);
                class.space = self.spaces.and(class.space, one);
                class.ctrl.set(field, Expr::At(level, 0));
                self.widen(level, &value);
            }
            None => class.ctrl.set(field, Expr::Const(value)),
        }
    }

    /// A field gets a value that the file does not tell.
    fn forget(&mut self, field: Field, id: RuleId, class: &mut Class) {
        if self.in_space(field) && !self.flow.reads.contains(&field) {
            return;
        }
        self.choose(field, &Set::range(0, field.last()), field.name(), id, class);
    }

    /// A number for a rule that chooses: by what it says where that is known, so that it is the same in two files that
    /// differ elsewhere.
    fn chooser(&self, id: RuleId) -> u64 {
        match self.flow.rules.choices.get(&id) {
            Some(choice) => number_of(choice),
            None => number_of(&id),
        }
    }

    /// A field gets one of several values; nobody knows which.
    fn choose(&mut self, field: Field, values: &Set, name: &str, id: RuleId, class: &mut Class) {
        if matches!(field, Field::Iif | Field::Oif) {
            let of = vec![self.flow.number, number_of(&(self.chooser(id), field))];
            let level = self.spaces.interface_variable(VariableKey { name: name.to_string(), of });
            class.ctrl.set(field, Expr::At(level, 0));
            return;
        }
        self.choose_of(field, values, name, number_of(&(self.chooser(id), field, values)), class);
    }

    /// Likewise for a field that is not an interface, with what tells the choice from others.
    fn choose_of(&mut self, field: Field, values: &Set, name: &str, choice: u64, class: &mut Class) {
        // As wide as the field: what is added to it later has to wrap where the field does.
        let width = 128 - field.last().leading_zeros();
        let of = vec![self.flow.number, choice, u64::from(self.hop.known.is_some())];
        let level = self.spaces.variable(VariableKey { name: name.to_string(), of }, width);
        let within = self.spaces.within(level, values);
        class.space = self.spaces.and(class.space, within);
        class.ctrl.set(field, Expr::At(level, 0));
        self.hulls.insert(level, (values.clone(), 0));
    }

    fn mark(&mut self, field: Field, op: MarkOp, id: RuleId, class: &mut Class) {
        if !self.flow.reads.contains(&field) {
            return;
        }
        if op.clear == u32::MAX {
            return self.assign(field, op.flip.into(), class);
        }
        let Some(level) = self.spaces.level(field) else { return };
        let before = class.ctrl.expr(self.spaces, field);
        if before != Some(Expr::At(level, 0)) {
            // Which value comes of it hangs on what it was.
            let values = Set::range(0, field.last());
            return self.choose_of(
                field,
                &values,
                field.name(),
                number_of(&(id, op.clear, op.flip, before)),
                class,
            );
        }
        class.space = self.spaces.change_bits(class.space, level, op.clear.into(), op.flip.into());
    }

    fn copy_mark(&mut self, (from, to): (Field, Field), mask: u32, id: RuleId, class: &mut Class) {
        if !self.flow.reads.contains(&to) || !self.flow.reads.contains(&from) {
            return;
        }
        let (Some(source), Some(target)) = (self.spaces.level(from), self.spaces.level(to)) else { return };
        let source_known = class.ctrl.expr(self.spaces, from) == Some(Expr::At(source, 0));
        if let (false, u32::MAX, Some(expr)) = (source_known, mask, class.ctrl.expr(self.spaces, from)) {
            // What is read is a constant or a variable: neither changes.
            return class.ctrl.set(to, expr);
        }
        let target_known = class.ctrl.expr(self.spaces, to) == Some(Expr::At(target, 0)) || mask == u32::MAX;
        // A variable stands far from the field: of many bits the copy would be too large.
        let near = source_known || mask.count_ones() <= FAR_BITS;
        let (true, true, Some(Expr::At(source, 0))) =
            (target_known, near, class.ctrl.expr(self.spaces, from))
        else {
            return self.forget(to, id, class);
        };
        class.ctrl.clear(to);
        class.space = self.spaces.copy_bits(class.space, source, target, mask.into());
    }

    /// Translates packets, apart for those that nothing changes for.
    fn translate(&mut self, view: &View<'_>, id: RuleId, nat: NatId, class: Class, out: &mut Classes) {
        let nat = self.flow.rules.nat(nat);
        self.note_translation(id, nat.destination, class.space);
        let family = self.spaces.family();
        let (address, port) = if nat.destination {
            (Field::dst(family), Field::Dport)
        } else {
            (Field::src(family), Field::Sport)
        };
        let side = usize::from(!nat.destination);
        let moved = if nat.destination { Field::Dnat } else { Field::Snat };
        let mut parts = Vec::new();
        self.translate_address(view, id, nat, address, class, &mut parts);
        for (part, address_moved) in parts {
            let mut ported = Vec::new();
            self.translate_port(view, id, &nat.port, port, part, &mut ported);
            for (mut part, port_moved) in ported {
                part.ctrl.mapped[side] = true;
                if matches!((address_moved, port_moved), (Some(true), _) | (_, Some(true))) {
                    let space = self.lasting(part.space);
                    self.moved[side] = self.spaces.or(self.moved[side], space);
                }
                if self.flow.reads.contains(&moved) {
                    match (address_moved, port_moved) {
                        (Some(true), _) | (_, Some(true)) => self.assign(moved, 1, &mut part),
                        (Some(false), Some(false)) => {}
                        _ => self.forget(moved, id, &mut part),
                    }
                }
                out.add(self.spaces, part);
            }
        }
    }

    fn note_translation(&mut self, id: RuleId, destination: bool, space: Space) {
        let space = self.lasting(space);
        let known = self.passage.translations.iter_mut().find(|(by, to, _)| (*by, *to) == (id, destination));
        match known {
            Some((_, _, known)) => *known = self.spaces.or(*known, space),
            None => self.passage.translations.push((id, destination, space)),
        }
    }

    /// Parts a class by whether a field's value is among some.
    fn parted(&mut self, view: &View<'_>, class: Class, field: Field, set: &Set) -> [Class; 2] {
        let within = self.among(view, &class.ctrl, field, set, false);
        let inside = self.spaces.and(class.space, within);
        let outside = self.spaces.minus(class.space, within);
        [Class { space: inside, ctrl: class.ctrl.clone() }, Class { space: outside, ctrl: class.ctrl }]
    }

    /// The new address; with each part whether it is another one than before, where that is known.
    fn translate_address(
        &mut self,
        view: &View<'_>,
        id: RuleId,
        nat: &Nat,
        field: Field,
        class: Class,
        parts: &mut Vec<(Class, Option<bool>)>,
    ) {
        let family = self.spaces.family();
        match nat.addr {
            NatAddr::Keep => parts.push((class, Some(false))),
            NatAddr::Pool(_, lo, hi) if lo == hi => self.new_address(view, field, lo, class, parts),
            NatAddr::Pool(_, lo, hi) => {
                let pool = Set::range(lo, hi);
                let [mut inside, mut outside] = self.parted(view, class, field, &pool);
                self.choose(field, &pool, POOL, id, &mut inside);
                self.choose(field, &pool, POOL, id, &mut outside);
                parts.push((inside, None));
                parts.push((outside, Some(true)));
            }
            NatAddr::Prefix(_, net, len) => {
                self.new_network(view, id, field, family.prefix(net, len), class, parts)
            }
            NatAddr::Interface => self.interface_address(view, id, nat.destination, field, class, parts),
            NatAddr::Loopback => {
                let mut class = class;
                class.ctrl.own |= nat.destination;
                let loopback = if family == Family::V4 { 0x7f00_0001 } else { 1 };
                self.new_address(view, field, loopback, class, parts);
            }
            NatAddr::Unknown => {
                let mut class = class;
                self.choose(field, &Set::range(0, field.last()), POOL, id, &mut class);
                parts.push((class, None));
            }
        }
    }

    fn new_address(
        &mut self,
        view: &View<'_>,
        field: Field,
        address: u128,
        class: Class,
        parts: &mut Vec<(Class, Option<bool>)>,
    ) {
        let [same, mut other] = self.parted(view, class, field, &Set::one(address));
        parts.push((same, Some(false)));
        self.assign(field, address, &mut other);
        parts.push((other, Some(true)));
    }

    /// The network part becomes another one, the host part stays.
    fn new_network(
        &mut self,
        view: &View<'_>,
        id: RuleId,
        field: Field,
        (lo, hi): (u128, u128),
        class: Class,
        parts: &mut Vec<(Class, Option<bool>)>,
    ) {
        let host = lo ^ hi;
        let hull = self.now(&class, field);
        let Some(blocks) = blocks_of(&hull, host) else {
            // Whose network it is already keeps its address.
            let [same, mut other] = self.parted(view, class, field, &Set::range(lo, hi));
            parts.push((same, Some(false)));
            if host.count_ones() > FEW_HOST_BITS || !self.copy_host(field, (lo, host), &mut other) {
                self.choose(field, &Set::range(lo, hi), POOL, id, &mut other);
            }
            return parts.push((other, Some(true)));
        };
        let mut rest = class;
        for block in blocks {
            let [mut inside, outside] = self.parted(view, rest, field, &Set::range(block, block | host));
            rest = outside;
            if let Some(Expr::At(level, delta)) = inside.ctrl.expr(self.spaces, field)
                && block != lo
            {
                let delta = delta.wrapping_add(lo.wrapping_sub(block)) & self.spaces.family().last();
                inside.ctrl.set(field, Expr::At(level, delta));
            }
            parts.push((inside, Some(block != lo)));
        }
        if !rest.space.is_none() {
            self.choose(field, &Set::range(lo, hi), POOL, id, &mut rest);
            parts.push((rest, None));
        }
    }

    /// Copies the host part of an address behind a new network part; false where it cannot.
    fn copy_host(&mut self, field: Field, (net, host): (u128, u128), class: &mut Class) -> bool {
        let to = side_of(field).and_then(|side| self.spaces.rewritten(side, self.hop.number));
        let from = class.ctrl.expr(self.spaces, field);
        let (Some(to), Some(Expr::At(from, 0))) = (to, from) else { return false };
        if from == to {
            class.space = self.spaces.change_bits(class.space, to, !host & to.last(), net);
            self.widen(to, &Set::range(net, net | host));
            return true;
        }
        self.translated = true;
        let open = self.spaces.without(class.space, &[to]);
        let set = self.spaces.change_bits(open, to, !host & to.last(), net);
        class.space = self.spaces.copy_bits(set, from, to, host);
        class.ctrl.set(field, Expr::At(to, 0));
        self.widen(to, &Set::range(net, net | host));
        true
    }

    /// The values that a field has in a class.
    fn now(&mut self, class: &Class, field: Field) -> Set {
        match class.ctrl.expr(self.spaces, field) {
            Some(Expr::Const(value)) => Set::one(value),
            Some(Expr::At(level, delta)) => {
                let bits = 128 - level.last().leading_zeros();
                let set = self.spaces.hull(class.space, level);
                if delta == 0 { set } else { set.shifted(delta, bits) }
            }
            None => Set::empty(),
        }
    }

    /// The address of the interface that the packets leave by (source), or came in by (destination).
    fn interface_address(
        &mut self,
        view: &View<'_>,
        id: RuleId,
        destination: bool,
        field: Field,
        class: Class,
        parts: &mut Vec<(Class, Option<bool>)>,
    ) {
        let family = self.spaces.family();
        let by = if destination { Field::Iif } else { Field::Oif };
        let mut rest = class;
        rest.ctrl.own |= destination;
        let rules = self.flow.rules;
        let mut names: Vec<u128> = rules.own.iter().map(|own| interface(&own.interface)).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let Some(address) = rules.own_address(name, family) else { continue };
            let [here, other] = self.parted(view, rest, by, &Set::one(name));
            rest = other;
            if !here.space.is_none() {
                self.new_address(view, field, address, here, parts);
            }
        }
        if !rest.space.is_none() {
            self.choose(field, &Set::range(0, field.last()), OWN, id, &mut rest);
            parts.push((rest, None));
        }
    }

    fn translate_port(
        &mut self,
        view: &View<'_>,
        id: RuleId,
        port: &NatPort,
        field: Field,
        class: Class,
        parts: &mut Vec<(Class, Option<bool>)>,
    ) {
        if *port == NatPort::Keep {
            return parts.push((class, Some(false)));
        }
        let [mut with, without] = self.parted(view, class, field, &Set::range(0, 0xffff));
        parts.push((without, Some(false)));
        match *port {
            NatPort::Keep => {}
            NatPort::Pool(lo, hi) => {
                let pool = Set::range(lo.into(), hi.into());
                let [inside, mut outside] = self.parted(view, with, field, &pool);
                parts.push((inside, Some(false)));
                match pool.single() {
                    Some(port) => self.assign(field, port, &mut outside),
                    None => self.choose(field, &pool, POOL, id, &mut outside),
                }
                parts.push((outside, Some(true)));
            }
            NatPort::Shift(delta) => {
                match with.ctrl.expr(self.spaces, field) {
                    Some(Expr::At(level, before)) if level.last() == 0xffff => {
                        let delta = (before + u128::from(delta)) & 0xffff;
                        with.ctrl.set(field, Expr::At(level, delta));
                    }
                    Some(Expr::Const(before)) => {
                        with.ctrl.set(field, Expr::Const((before + u128::from(delta)) & 0xffff));
                    }
                    _ => self.choose(field, &Set::range(0, 0xffff), POOL, id, &mut with),
                }
                parts.push((with, Some(delta != 0)));
            }
            NatPort::Random(lo, hi) => {
                let pool = Set::range(lo.into(), hi.into());
                let [inside, outside] = self.parted(view, with, field, &pool);
                for (mut part, moved) in [(inside, None), (outside, Some(true))] {
                    self.choose(field, &pool, PORT, id, &mut part);
                    parts.push((part, moved));
                }
            }
            NatPort::Unknown => {
                self.choose(field, &Set::range(0, 0xffff), PORT, id, &mut with);
                parts.push((with, None));
            }
        }
    }
}

/// What it hangs on which of several addresses translation gives.
const POOL: &str = "the address that translation gives";
const PORT: &str = "the port that translation gives";
const OWN: &str = "the firewall's own addresses";

/// The network blocks that addresses lie in; `None` where they are many.
fn blocks_of(set: &Set, host: u128) -> Option<Vec<u128>> {
    let mut blocks: Vec<u128> = Vec::new();
    for (lo, hi) in set.ranges() {
        let mut block = lo & !host;
        while block <= *hi {
            if blocks.last() != Some(&block) {
                blocks.push(block);
            }
            if blocks.len() > FEW_BLOCKS {
                return None;
            }
            let Some(next) = (block | host).checked_add(1) else { break };
            block = next;
        }
    }
    Some(blocks)
}

impl crate::packet::Spaces {
    /// `(value & !clear) ^ flip` at a level.
    pub fn change_bits(&mut self, space: Space, level: Level, clear: u128, flip: u128) -> Space {
        let bits = |mask: u128| (0..level.bits()).filter(move |bit| mask >> bit & 1 == 1);
        let cleared: Vec<Level> = bits(clear).map(|bit| level.bit(bit)).collect();
        let mut space = space;
        if !cleared.is_empty() {
            let open = self.without(space, &cleared);
            let now = self.masked(level, clear, &Set::one(clear & flip));
            space = self.and(open, now);
        }
        bits(flip & !clear).fold(space, |space, bit| self.flipped(space, level.bit(bit)))
    }

    fn flipped(&mut self, space: Space, bit: Level) -> Space {
        let was = [0, 1].map(|value| self.given(space, bit, value));
        let is = [1, 0].map(|value| self.within(bit, &Set::one(value)));
        let parts = [self.and(was[0], is[0]), self.and(was[1], is[1])];
        self.or(parts[0], parts[1])
    }

    /// The masked bits of one level go into another.
    pub fn copy_bits(&mut self, space: Space, from: Level, to: Level, mask: u128) -> Space {
        let mut space = space;
        for bit in (0..from.bits()).filter(|bit| mask >> bit & 1 == 1) {
            let (source, target) = (from.bit(bit), to.bit(bit));
            let open = self.without(space, &[target]);
            // What is forgotten is the target's bit: each packet keeps its source's.
            let parts = [0, 1].map(|value| {
                let has = self.within(source, &Set::one(value));
                let gets = self.within(target, &Set::one(value));
                let both = self.and(has, gets);
                self.and(open, both)
            });
            space = self.or(parts[0], parts[1]);
        }
        space
    }
}
