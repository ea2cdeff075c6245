//! The translation rules of FreeBSD and macOS: before filtering, first match.

use crate::model::{Builder, ChainId, Condition, Effect, MarkOp, Nat, NatAddr, NatPort, Verdict};
use crate::source::Span;

use super::super::ast::{Action, Direction, TranslateKind};
use super::super::expand::{Flat, FlatPool, FlatPort};
use super::super::tree::{AnchorNode, Node, Scope};
use super::condition::unknown;
use super::{Lowering, mark};

impl<'a> Lowering<'a> {
    /// The translation rules of one way: in, `rdr` before `binat`; out, `binat` before `nat` (pf.c,
    /// `pf_get_translation`).
    pub(super) fn translation(&mut self, b: &mut Builder, chain: ChainId, way: Direction) {
        let kinds = match way {
            Direction::In => [TranslateKind::Rdr, TranslateKind::Binat],
            Direction::Out => [TranslateKind::Binat, TranslateKind::Nat],
        };
        for kind in kinds {
            self.translations(b, chain, &self.tree.nodes, kind, way);
        }
    }

    fn translations(
        &mut self,
        b: &mut Builder,
        chain: ChainId,
        nodes: &'a [Node<'a>],
        kind: TranslateKind,
        way: Direction,
    ) {
        for node in nodes {
            match node {
                Node::Rule(flat, scope) => match flat.rule.action {
                    Action::Translate { kind: own, .. } if own == kind => {
                        self.translate(b, chain, flat, *scope, way);
                    }
                    _ => {}
                },
                Node::Anchor(anchor) if anchor.kind == Some(kind) => {
                    self.translation_anchor(b, chain, anchor, kind, way);
                }
                Node::Unknown { span, what, kind: Some(own), .. } if *own == kind => {
                    unknown_translation(b, chain, *span, what, way);
                }
                _ => {}
            }
        }
    }

    fn translate(
        &mut self,
        b: &mut Builder,
        chain: ChainId,
        flat: &'a Flat<'a>,
        scope: Scope,
        way: Direction,
    ) {
        let Action::Translate { kind, no, pass } = flat.rule.action else { return };
        let binat = kind == TranslateKind::Binat;
        let turned = if binat && way == Direction::In { turned(flat) } else { flat.clone() };
        self.questions.again(&turned);
        for form in self.forms(&[(&turned, scope)], way) {
            let family = form.family.filter(|_| !no);
            let choices = self.choices(&turned, scope, family);
            for chosen in choices.iter() {
                self.conditions(b, &turned, scope, form, way);
                for choice in chosen {
                    self.chosen(b, &turned, choice);
                }
                for choice in chosen {
                    choice.effect(b);
                }
                if let (true, Some(tag)) = (self.reads_tags, &flat.extras().tag) {
                    let tag = b.tag(tag);
                    b.effect(Effect::Tag(tag));
                }
                if no {
                    b.effect(Effect::Settle);
                } else {
                    end(b, pass);
                }
                b.rule(chain, flat.origin());
            }
        }
    }

    fn translation_anchor(
        &mut self,
        b: &mut Builder,
        chain: ChainId,
        anchor: &'a AnchorNode<'a>,
        kind: TranslateKind,
        way: Direction,
    ) {
        let target = b.chain(anchor.what.clone(), anchor.rule.span);
        match &anchor.body {
            Some(body) => self.translations(b, target, body, kind, way),
            None => unknown_translation(b, target, anchor.rule.span, &anchor.what, way),
        }
        for flat in &anchor.flats {
            for form in self.forms(&[(flat, anchor.scope)], way) {
                self.conditions(b, flat, anchor.scope, form, way);
                b.effect(Effect::Jump(target));
                b.rule(chain, flat.origin());
            }
        }
    }
}

/// A `binat` rule as packets that come in meet it: from the outside to the outer address, which becomes the inner.
fn turned<'a>(flat: &Flat<'a>) -> Flat<'a> {
    let mut turned = flat.clone();
    let Some(pool) = turned.nat.take() else {
        // `no binat`
        std::mem::swap(&mut turned.src, &mut turned.dst);
        return turned;
    };
    let inner = std::mem::replace(&mut turned.src, turned.dst.clone());
    if let Some(outer) = pool.hosts.first() {
        turned.dst = outer.clone();
    }
    turned.rdr = Some(Box::new(FlatPool { hosts: vec![inner], port: FlatPort::Static, ..*pool }));
    turned
}

/// Translation rules that nobody knows: they may turn the packet into anything, and pass it.
fn unknown_translation(b: &mut Builder, chain: ChainId, span: Span, what: &str, way: Direction) {
    for passed in [true, false] {
        unknown(b, Condition::elsewhere(what), false);
        if passed {
            unknown(b, Condition::elsewhere(format!("{what} passes")), false);
        }
        let destination = way == Direction::In;
        let nat = b.nat(Nat { destination, addr: NatAddr::Unknown, port: NatPort::Unknown });
        b.effect(Effect::Nat(nat));
        end(b, passed);
        b.rule(chain, span);
    }
}

/// The first rule that matches is the last. One with `pass` accepts for the filter rules too.
fn end(b: &mut Builder, pass: bool) {
    let bits = mark::TRANSLATED | if pass { mark::PASSED } else { 0 };
    b.effect(Effect::Mark(MarkOp { clear: bits, flip: bits }));
    b.effect(if pass { Effect::Verdict(Verdict::Accept) } else { Effect::Settle });
}
