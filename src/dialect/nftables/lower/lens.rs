//! What a selector looks at, as the model has it.

mod beside;
mod header;
mod selector;

use std::fmt::Write as _;
use std::rc::Rc;

use super::Lower;
use super::conditions::Hidden;
use super::context::Context;
use crate::dialect::nftables::config::plain;
use crate::dialect::nftables::eval::{Eval, Fault, Spec};
use crate::dialect::nftables::syntax::{BinOp, Expr, ExprKind, MetaKey, TableFamily};
use crate::dialect::nftables::types::Type;
use crate::model::Test;
use crate::packet::{Field, State};

/// Where a value comes from.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum View {
    /// A field of the model.
    Field(Field),
    /// A field of the model under other numbers: pairs of nft's number and the model's.
    Coded(Field, &'static [(u128, u128)]),
    /// A field that is larger by this much.
    Plus(Field, u128),
    /// [`Field::Length`] without the network header.
    RestLength,
    /// Zero, but for the bits of the mask, which are open.
    Whole(u128),
    /// The first next-header number of IPv6.
    FirstNextHeader,
    /// Bits of [`Field::Ext`]: 1 where any of them is set, else 0.
    Extension(u128),
    /// The status of the connection.
    Status,
    /// The kind of an address: source or destination.
    AddressType(bool),
    /// Nothing that the model has.
    Hidden(Rc<Hidden>),
    /// Whether packets of a protocol have a part that is hidden: 1, else and for other protocols 0.
    PartOf(u8, Rc<Hidden>),
}

/// A selector with what has to hold before it is read.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Lens {
    /// Tests that the packet has the field at all, beyond those of the context.
    pub presence: Vec<Test>,
    /// Where the value is.
    pub view: View,
    /// Its type and width.
    pub spec: Spec,
    /// Bits that are kept.
    pub mask: u128,
    /// Bits that are turned over then.
    pub flip: u128,
    /// Places that the value is moved to the right then; to the left where negative.
    pub shift: i32,
}

impl Lens {
    fn new(view: View, kind: Type, bits: u32) -> Lens {
        let spec = Spec { kind, bits };
        Lens { presence: Vec::new(), view, spec, mask: spec.last(), flip: 0, shift: 0 }
    }

    /// A value of a type, as it is.
    pub(super) fn of_type(kind: Type) -> Lens {
        Lens::new(View::Whole(u128::MAX), kind, kind.bits())
    }

    /// Whether the value is looked at as it is.
    pub(super) fn is_plain(&self) -> bool {
        self.mask == self.spec.last() && self.flip == 0 && self.shift == 0
    }

    /// What is shown of a value.
    pub(super) fn shows(&self, value: u128) -> u128 {
        shift((value & self.mask) ^ self.flip, self.shift)
    }

    /// The operators between the value and what is shown, as they are written; nothing where there are none.
    pub(super) fn transform(&self) -> String {
        let mut text = String::new();
        if self.mask != self.spec.last() {
            let _ = write!(text, " & {:#x}", self.mask);
        }
        if self.flip != 0 {
            let _ = write!(text, " ^ {:#x}", self.flip);
        }
        match self.shift {
            0 => {}
            n if n > 0 => drop(write!(text, " >> {n}")),
            n => drop(write!(text, " << {}", n.unsigned_abs())),
        }
        text
    }
}

/// `ct state` bits and the model's states.
pub(super) const STATES: &[(u128, u128)] = &[
    (1, State::Invalid as u128),
    (2, State::Established as u128),
    (4, State::Related as u128),
    (8, State::New as u128),
    (64, State::Untracked as u128),
];
const NFPROTO: &[(u128, u128)] = &[(2, 4), (10, 6)];
const ETHERTYPE: &[(u128, u128)] = &[(0x0800, 4), (0x86dd, 6)];
const VERSION: &[(u128, u128)] = &[(4, 4), (6, 6)];
const PKTTYPE: &[(u128, u128)] = &[(0, 0), (1, 1), (2, 2)];

/// A part of a packet that the model has no field for.
fn unmodelled(name: impl Into<String>) -> View {
    hidden(Hidden::unmodelled(name))
}

fn hidden(hidden: Hidden) -> View {
    View::Hidden(Rc::new(hidden))
}

/// Moves a value to the right, or to the left where negative.
pub(super) fn shift(value: u128, places: i32) -> u128 {
    match places {
        n if n >= 0 => value.checked_shr(n as u32).unwrap_or(0),
        n => value.checked_shl(n.unsigned_abs()).unwrap_or(0),
    }
}

impl Lower<'_> {
    /// The lens of an expression; needs of protocol and family go into the context.
    pub(super) fn lens(&mut self, cx: &mut Context, expr: &Expr) -> Eval<Lens> {
        let expr = plain(expr);
        match &expr.kind {
            ExprKind::Header(field) => self.header(cx, field, expr),
            ExprKind::Meta(MetaKey::NfProto) if matches!(cx.family, TableFamily::Ip | TableFamily::Ip6) => {
                let message = format!("`meta nfproto` in a table of the family `{}`", cx.family.name());
                Err(Fault::Refused(expr.span, message))
            }
            ExprKind::Meta(key) => Ok(self.meta(*key)),
            ExprKind::Ct(key, dir) => self.ct(cx, *key, *dir, expr),
            ExprKind::Other(selector) => self.selector(cx, selector, expr),
            ExprKind::Binary(op, sides) => self.masked(cx, *op, &sides.0, &sides.1),
            ExprKind::Map(_) => Ok(Lens::new(unmodelled("a value from a map"), Type::Integer, 0)),
            _ => Err(Fault::Refused(expr.span, "expected something that a packet has".to_string())),
        }
    }

    /// The lenses of a key. Beside what a packet has, a key of several parts may hold constants.
    pub(super) fn key_lenses(&mut self, cx: &mut Context, key: &Expr) -> Eval<Vec<Lens>> {
        let parts = match &key.kind {
            ExprKind::Concat(parts) => &parts[..],
            _ => std::slice::from_ref(key),
        };
        let constant = || Lens::new(unmodelled("a constant in a key"), Type::Integer, 0);
        let several = parts.len() > 1;
        parts
            .iter()
            .map(|part| if several && !is_selector(part) { Ok(constant()) } else { self.lens(cx, part) })
            .collect()
    }

    fn masked(&mut self, cx: &mut Context, op: BinOp, left: &Expr, right: &Expr) -> Eval<Lens> {
        let mut lens = self.lens(cx, left)?;
        if matches!(lens.spec.kind, Type::IfName | Type::Str) {
            return Err(Fault::Refused(left.span, "a bit operator on text".to_string()));
        }
        let spec = if matches!(op, BinOp::Shl | BinOp::Shr) {
            Spec { kind: Type::Integer, bits: 0 }
        } else {
            lens.spec
        };
        let value = match self.values.exact(right, spec) {
            Ok(value) => value,
            Err(Fault::Refused(..)) if is_selector(right) => {
                self.lens(cx, right)?;
                lens.view = unmodelled("bits of two fields");
                return Ok(lens);
            }
            Err(fault) => return Err(fault),
        };
        let moved = |value: u128| match lens.shift {
            n if n >= 0 => value.checked_shl(n as u32).unwrap_or(0) & spec.last(),
            n => value.checked_shr(n.unsigned_abs()).unwrap_or(0),
        };
        match op {
            BinOp::And => {
                lens.mask &= moved(value);
                lens.flip &= moved(value);
            }
            BinOp::Or => {
                lens.mask &= !moved(value);
                lens.flip = (lens.flip & !moved(value)) | moved(value);
            }
            BinOp::Xor => lens.flip ^= moved(value),
            BinOp::Shr => lens.shift += value.min(128) as i32,
            BinOp::Shl => {
                lens.shift -= value.min(128) as i32;
                let kept = lens.spec.last().checked_shr(value.min(128) as u32).unwrap_or(0);
                lens.mask &= kept;
                lens.flip &= kept;
            }
        }
        Ok(lens)
    }
}

/// Whether an expression looks at the packet anywhere. Variables hold constants.
pub(super) fn is_selector(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Header(_)
        | ExprKind::Meta(_)
        | ExprKind::Ct(..)
        | ExprKind::Other(_)
        | ExprKind::Map(_) => true,
        ExprKind::Binary(_, sides) => is_selector(&sides.0) || is_selector(&sides.1),
        ExprKind::Concat(parts) => parts.iter().any(is_selector),
        _ => false,
    }
}
