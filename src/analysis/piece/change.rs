//! What rules change in a set of packets: translation and marks.

use super::{LINKED, Link, Piece, View};
use crate::model::{Effect, MarkOp, Nat, NatAddr, NatPort};
use crate::packet::{Dim, Family, Field, Set};

impl Piece {
    /// Does an effect that does not decide; a translation can part the piece.
    pub fn change(mut self, view: &View<'_>, effect: Effect) -> Vec<Piece> {
        let blind = view.stage.before_tracking && !view.returned;
        let tracked = !(self.ctrl.untracked || blind);
        match effect {
            Effect::Mark(op) => self.ctrl.mark = marked(self.ctrl.mark, op),
            Effect::CtMark(op) if tracked => self.ctrl.ct_mark = marked(self.ctrl.ct_mark, op),
            Effect::SaveMark(mask) if tracked => {
                self.ctrl.ct_mark = copied(self.ctrl.mark, self.ctrl.ct_mark, mask)
            }
            Effect::RestoreMark(mask) if tracked => {
                self.ctrl.mark = copied(self.ctrl.ct_mark, self.ctrl.mark, mask)
            }
            Effect::Forget(Field::Mark) => self.ctrl.mark = None,
            Effect::Forget(Field::CtMark) if tracked => self.ctrl.ct_mark = None,
            Effect::Tag(tag) => self.ctrl.tag = Some(tag),
            Effect::NoTrack => self.ctrl.untracked = !view.returned,
            Effect::Helper(helper) => self.ctrl.helper = Some(helper.0),
            Effect::KeepState(keeps) => self.ctrl.keeps_state = keeps,
            Effect::Nat(nat) => return self.translate(view, view.rules.nat(nat)),
            _ => {}
        }
        vec![self]
    }

    /// Translates, apart for the packets that have the new values already.
    fn translate(self, view: &View<'_>, nat: &Nat) -> Vec<Piece> {
        let family = self.region.family();
        let (address, port) = if nat.destination {
            (Field::dst(family), Field::Dport)
        } else {
            (Field::src(family), Field::Sport)
        };
        let mut parts = vec![self];
        if let NatAddr::Pool(_, lo, hi) = nat.addr {
            let pool = Set::range(lo, hi);
            parts = parts.into_iter().flat_map(|piece| piece.parted(view, address, pool.clone())).collect();
        }
        if let NatAddr::Prefix(_, net, len) = nat.addr {
            let (lo, hi) = family.prefix(net, len);
            parts = parts.into_iter().flat_map(|piece| piece.by_block(view, address, lo ^ hi)).collect();
        }
        if nat.port != NatPort::Keep {
            let pool = match nat.port {
                NatPort::Pool(lo, hi) | NatPort::Random(lo, hi) => Set::range(lo.into(), hi.into()),
                _ => Set::full(),
            };
            parts = parts.into_iter().flat_map(|piece| piece.parted(view, port, pool.clone())).collect();
        }
        for piece in &mut parts {
            piece.translate_all(view, nat, port);
        }
        parts
    }

    /// Parts the piece by the network blocks that an address side lies in, where they are few.
    fn by_block(self, view: &View<'_>, address: Field, host: u128) -> Vec<Piece> {
        const FEW: usize = 64;
        let Some(dim) = Dim::of(address) else { return vec![self] };
        let side = self.region.values(dim);
        let mut blocks: Vec<u128> = Vec::new();
        for (lo, hi) in side.ranges() {
            let mut block = lo & !host;
            while block <= *hi {
                if blocks.last() != Some(&block) {
                    blocks.push(block);
                }
                if blocks.len() > FEW {
                    return vec![self];
                }
                let Some(next) = (block | host).checked_add(1) else { break };
                block = next;
            }
        }
        let mut parts = vec![self];
        for block in blocks {
            let block = Set::range(block, block | host);
            parts = parts.into_iter().flat_map(|piece| piece.parted(view, address, block.clone())).collect();
        }
        parts
    }

    fn parted(self, view: &View<'_>, field: Field, set: Set) -> Vec<Piece> {
        let split = self.split_set(view, field, &set, false);
        split.yes.into_iter().chain(split.no).chain(split.maybe.into_iter().map(|(piece, _)| piece)).collect()
    }

    fn translate_all(&mut self, view: &View<'_>, nat: &Nat, port: Field) {
        let side = usize::from(!nat.destination);
        self.ctrl.mapped[side] = true;
        let (addr_at, port_at) = if nat.destination { (1, 3) } else { (0, 2) };
        let came = self.clone();
        self.translate_address(view, nat, addr_at);
        let has_port = match (port.carriers(), self.region.side(Dim::Proto)) {
            (Some(carriers), Some(side)) => carriers.iter().any(|c| side.contains((*c).into())),
            _ => true,
        };
        if has_port {
            self.translate_port(&nat.port, port_at);
        }
        let at = |piece: &Piece, at: usize| (piece.links[at].clone(), piece.region.values(LINKED[at]));
        let same =
            [addr_at, port_at].into_iter().all(|i| at(&came, i) == at(self, i) || unmoved(&came, self, i));
        if !same {
            let moved = [addr_at, port_at].into_iter().any(|i| {
                !came.region.values(LINKED[i]).meets(&self.region.values(LINKED[i]))
                    || matches!(self.links[i], Link::Shift(delta, _) if delta != 0)
            });
            self.ctrl.translated[side] = if moved { Some(true) } else { None };
        }
    }

    /// Gives a side values that the packets did not come with.
    fn loosen(&mut self, at: usize, values: Option<Set>) {
        let dim = LINKED[at];
        if !matches!(self.links[at], Link::Loose(_)) {
            self.links[at] = Link::Loose(self.original().side(dim).cloned());
        }
        match values {
            Some(values) => self.region.set(dim, values),
            None => self.region.open(dim),
        }
    }

    fn translate_address(&mut self, view: &View<'_>, nat: &Nat, at: usize) {
        let family = self.region.family();
        match nat.addr {
            NatAddr::Keep => {}
            NatAddr::Pool(_, lo, hi) => self.loosen(at, Some(Set::range(lo, hi))),
            NatAddr::Prefix(_, net, len) => self.translate_prefix(at, family.prefix(net, len)),
            NatAddr::Interface => {
                self.ctrl.own |= nat.destination;
                let dim = if nat.destination { Dim::Iif } else { Dim::Oif };
                let name = match (dim, self.ctrl.oif) {
                    (Dim::Oif, Some(oif)) => oif,
                    _ => self.region.side(dim).and_then(Set::single),
                };
                let address = name.and_then(|name| view.rules.own_address(name, family));
                self.loosen(at, address.map(Set::one));
            }
            NatAddr::Loopback => {
                self.ctrl.own |= nat.destination;
                self.loosen(at, Some(Set::one(if family == Family::V4 { 0x7f00_0001 } else { 1 })));
            }
            NatAddr::Unknown => self.loosen(at, None),
        }
    }

    fn translate_prefix(&mut self, at: usize, (lo, hi): (u128, u128)) {
        let host = lo ^ hi;
        let side = self.region.values(LINKED[at]);
        let first = side.first().unwrap_or(0);
        let one_block =
            side.ranges().iter().all(|(a, b)| a & !host == first & !host && b & !host == first & !host);
        if one_block && first & !host == lo {
            return;
        }
        if self.links[at] == Link::Same && one_block {
            let bits = self.region.family().bits();
            let delta = lo.wrapping_sub(first & !host);
            self.region.set(LINKED[at], side.shifted(delta, bits));
            self.links[at] = Link::Shift(delta, bits);
        } else {
            let values = if one_block {
                side.shifted(lo.wrapping_sub(first & !host), 128)
            } else {
                Set::range(lo, hi)
            };
            self.loosen(at, Some(values));
        }
    }

    fn translate_port(&mut self, port: &NatPort, at: usize) {
        let side = self.region.values(LINKED[at]);
        match *port {
            NatPort::Keep => {}
            NatPort::Pool(lo, hi) => {
                let pool = Set::range(lo.into(), hi.into());
                if !pool.covers(&side) {
                    self.loosen(at, Some(pool));
                }
            }
            NatPort::Random(lo, hi) => self.loosen(at, Some(Set::range(lo.into(), hi.into()))),
            NatPort::Shift(delta) if self.links[at] == Link::Same => {
                self.region.set(LINKED[at], side.shifted(delta.into(), 16));
                self.links[at] = Link::Shift(delta.into(), 16);
            }
            NatPort::Shift(delta) => self.loosen(at, Some(side.shifted(delta.into(), 16))),
            NatPort::Unknown => self.loosen(at, None),
        }
    }
}

/// Whether a side holds one and the same value before and after.
fn unmoved(before: &Piece, after: &Piece, at: usize) -> bool {
    let (before, after) = (before.region.values(LINKED[at]), after.region.values(LINKED[at]));
    before.single().is_some() && before == after
}

fn marked(mark: Option<u32>, op: MarkOp) -> Option<u32> {
    match mark {
        Some(old) => Some((old & !op.clear) ^ op.flip),
        None if op.clear == u32::MAX => Some(op.flip),
        None => None,
    }
}

fn copied(from: Option<u32>, to: Option<u32>, mask: u32) -> Option<u32> {
    let from = from?;
    match to {
        Some(to) => Some((to & !mask) | (from & mask)),
        None if mask == u32::MAX => Some(from),
        None => None,
    }
}
