//! What rules change in one packet: translation and marks.

use super::walk::Walk;
use crate::model::{MarkOp, Nat, NatAddr, NatPort, Ruleset};
use crate::packet::{Family, Field, Packet, Value};

impl Walk {
    /// Translates the packet.
    pub(super) fn translate(&mut self, rules: &Ruleset, nat: &Nat) {
        let side = usize::from(!nat.destination);
        self.mapped[side] = true;
        let family = self.packet.family();
        let (addr, port, done) = if nat.destination {
            (Field::dst(family), Field::Dport, Field::Dnat)
        } else {
            (Field::src(family), Field::Sport, Field::Snat)
        };
        let before = (self.packet.get(addr), self.packet.get(port));
        self.translate_address(rules, nat, addr);
        translate_port(&mut self.packet, &nat.port, port);
        match (moved(before.0, self.packet.get(addr)), moved(before.1, self.packet.get(port))) {
            (Some(true), _) | (_, Some(true)) => self.packet.set(done, 1),
            (Some(false), Some(false)) => {}
            _ => self.packet.forget(done),
        }
    }

    fn translate_address(&mut self, rules: &Ruleset, nat: &Nat, field: Field) {
        let family = self.packet.family();
        match nat.addr {
            NatAddr::Keep => {}
            NatAddr::Pool(_, lo, hi) => self.packet.set_among(field, lo, hi),
            NatAddr::Prefix(_, net, len) => {
                let (lo, hi) = family.prefix(net, len);
                let host = lo ^ hi;
                match self.packet.get(field) {
                    Value::Known(old) => self.packet.set(field, lo | (old & host)),
                    Value::Among(a, b) if a & !host == b & !host => {
                        self.packet.set_among(field, lo | (a & host), lo | (b & host));
                    }
                    _ => self.packet.set_among(field, lo, hi),
                }
            }
            NatAddr::Interface => {
                self.own |= nat.destination;
                let by = if nat.destination { Field::Iif } else { Field::Oif };
                match self.interface(by).known().and_then(|name| rules.own_address(name, family)) {
                    Some(address) => self.packet.set(field, address),
                    None => self.packet.forget(field),
                }
            }
            NatAddr::Loopback => {
                self.own |= nat.destination;
                self.packet.set(field, if family == Family::V4 { 0x7f00_0001 } else { 1 });
            }
            NatAddr::Unknown => self.packet.forget(field),
        }
    }
}

/// Whether a value changed; `None` where it may have.
fn moved(before: Value, after: Value) -> Option<bool> {
    match (before, after) {
        (Value::Absent, _) | (_, Value::Absent) => Some(false),
        (Value::Known(before), Value::Known(after)) => Some(before != after),
        (Value::Known(one), Value::Among(lo, hi)) | (Value::Among(lo, hi), Value::Known(one)) => {
            if (lo..=hi).contains(&one) { None } else { Some(true) }
        }
        (before, after) => {
            if before == after {
                Some(false)
            } else {
                None
            }
        }
    }
}

pub(super) fn change_mark(packet: &mut Packet, field: Field, op: MarkOp) {
    match packet.get(field) {
        Value::Absent => {}
        Value::Known(old) => packet.set(field, u128::from((old as u32 & !op.clear) ^ op.flip)),
        Value::Among(..) if op.clear == u32::MAX => packet.set(field, op.flip.into()),
        Value::Among(..) => packet.forget(field),
    }
}

pub(super) fn copy_mark(packet: &mut Packet, from: Field, to: Field, mask: u32) {
    let mask = u128::from(mask);
    match (packet.get(from), packet.get(to)) {
        (_, Value::Absent) | (Value::Absent, _) => {}
        (Value::Known(from), Value::Known(old)) => packet.set(to, (old & !mask) | (from & mask)),
        (Value::Known(from), _) if mask == Field::Mark.last() => packet.set(to, from),
        _ => packet.forget(to),
    }
}

fn translate_port(packet: &mut Packet, port: &NatPort, field: Field) {
    let old = packet.get(field);
    if old == Value::Absent {
        return;
    }
    match *port {
        NatPort::Keep => {}
        NatPort::Pool(lo, hi) => match old.known() {
            Some(port) if (u128::from(lo)..=hi.into()).contains(&port) => {}
            _ => packet.set_among(field, lo.into(), hi.into()),
        },
        NatPort::Random(lo, hi) => packet.set_among(field, lo.into(), hi.into()),
        NatPort::Shift(delta) => match old {
            Value::Known(port) => packet.set(field, u128::from((port as u16).wrapping_add(delta))),
            Value::Among(lo, hi) if hi + u128::from(delta) <= 0xffff => {
                packet.set_among(field, lo + u128::from(delta), hi + u128::from(delta));
            }
            _ => packet.forget(field),
        },
        NatPort::Unknown => packet.forget(field),
    }
}
