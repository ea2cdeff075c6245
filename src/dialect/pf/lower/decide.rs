//! What a rule does to the packets that it decides about: state, tags, translation, and what is put off.

use crate::model::{Builder, ChainId, Condition, Effect, MarkOp, Origin, Test, Values, Verdict};
use crate::packet::{Family, Field, proto};
use crate::source::Span;

use super::super::ast::{Action, Direction, Divert, Flavour, InterfaceName, Reply, RouteKind, StateKind};
use super::super::expand::Flat;
use super::super::tree::Scope;
use super::condition::{Ask, limits};
use super::system::icmp_errors;
use super::{Lowering, mark, marked};

/// A pass rule, in one of the forms that it is written out as.
#[derive(Clone, Copy)]
pub(super) struct Passing<'a> {
    pub flat: &'a Flat<'a>,
    pub scope: Scope,
    pub family: Option<Family>,
}

/// Where a chain goes on after a rule that matched.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The verdict is final.
    Verdict,
    /// The filter rules accepted already: what was put off is done now, once.
    Done,
}

impl Ending {
    fn effect(self) -> Effect {
        match self {
            Ending::Verdict => Effect::Verdict(Verdict::Accept),
            Ending::Done => Effect::Mark(MarkOp { clear: mark::DEFERRED, flip: 0 }),
        }
    }
}

/// How a rule sends a packet elsewhere.
pub(super) enum Elsewhere<'a> {
    /// Before routing: the output interface is another one.
    In,
    /// After routing: by another interface than these, the packet crosses the rules again there.
    Out(&'a [String]),
}

impl<'a> Lowering<'a> {
    /// A pass rule that is the one that decides.
    pub(super) fn pass(
        &mut self,
        b: &mut Builder,
        chain: ChainId,
        passing: Passing<'a>,
        way: Direction,
        ending: Ending,
        tests: &mut dyn FnMut(&mut Self, &mut Builder),
    ) {
        let Passing { flat, scope, family } = passing;
        self.limit(b, chain, flat, tests);
        if let Some(what) = beyond_the_model(flat) {
            tests(self, b);
            self.forget_deferred(b);
            let cond = b.condition(Condition::elsewhere(what));
            b.effect(Effect::Undefined(cond));
            b.rule(chain, flat.origin());
            return;
        }
        if let Some(family) = family.filter(|_| flat.nat.is_some() || flat.rdr.is_some()) {
            self.untranslated_errors(b, chain, (flat, family), ending, tests);
        }
        for chosen in self.choices(flat, scope, family).iter() {
            let elsewhere = self.leaves_elsewhere(flat, way);
            tests(self, b);
            for choice in chosen {
                self.chosen(b, flat, choice);
            }
            if let Some(Elsewhere::Out(interfaces)) = &elsewhere {
                self.through(b, flat, interfaces);
            }
            if ending == Ending::Verdict {
                self.tag(b, flat);
                self.keep_state(b, flat);
                self.forget_deferred(b);
            }
            for choice in chosen {
                choice.effect(b);
            }
            if let Some(Elsewhere::In) = elsewhere {
                b.effect(Effect::Forget(Field::Oif));
            }
            b.effect(ending.effect());
            b.rule(chain, flat.origin());
        }
        if let Some(Elsewhere::Out(_)) = self.leaves_elsewhere(flat, way) {
            tests(self, b);
            let cond = b.condition(Condition::elsewhere("the interface that `route-to` takes"));
            b.effect(Effect::Undefined(cond));
            b.rule(chain, flat.origin());
        }
    }

    /// What a pass rule does not let through although its tests hold.
    fn limit(
        &mut self,
        b: &mut Builder,
        chain: ChainId,
        flat: &'a Flat<'a>,
        tests: &mut dyn FnMut(&mut Self, &mut Builder),
    ) {
        if let Some(most) = flat.rule.options.rare().max_packet_size {
            // whether a longer packet is dropped or left to other rules is not written in pf.conf(5)
            tests(self, b);
            let longer = b.range(u128::from(most.unsigned_abs()) + 1, Field::Length.last());
            b.field(Field::Length, longer, false);
            let cond = b.condition(Condition::of(format!("max-pkt-size {most}"), [Field::Length]));
            b.effect(Effect::Undefined(cond));
            b.rule(chain, flat.origin());
        }
        for (ask, text) in limits(flat) {
            tests(self, b);
            let cond = self.questions.ask(b, flat, ask, &text);
            b.test(Test::Unknown { cond, negate: false });
            b.effect(Effect::Verdict(Verdict::Drop));
            b.rule(chain, flat.origin());
        }
    }

    /// Whether replies pass on this side.
    pub(super) fn keep_state(&self, b: &mut Builder, flat: &Flat) {
        let keeps = flat.state.is_some_and(|state| state != StateKind::No);
        b.effect(Effect::KeepState(keeps));
        if self.moves {
            let flip = if keeps { mark::KEPT } else { 0 };
            b.effect(Effect::Mark(MarkOp { clear: mark::KEPT, flip }));
        }
    }

    /// What an earlier rule put off does not happen: this one decides.
    pub(super) fn forget_deferred(&self, b: &mut Builder) {
        if !self.deferred.is_empty() {
            b.effect(Effect::Mark(MarkOp { clear: mark::DEFERRED, flip: 0 }));
        }
    }

    /// Whether a rule sends the packet another way than routing does.
    pub(super) fn leaves_elsewhere(&self, flat: &'a Flat<'a>, way: Direction) -> Option<Elsewhere<'a>> {
        let options = &flat.rule.options;
        let routed = options.rare().route.as_ref().filter(|route| route.kind == RouteKind::To);
        match (way, routed) {
            (Direction::In, None) => options.rare().rtable.map(|_| Elsewhere::In),
            (Direction::In, Some(_)) => Some(Elsewhere::In),
            (Direction::Out, None) => None,
            (Direction::Out, Some(route)) => Some(Elsewhere::Out(&route.interfaces)),
        }
    }

    /// Tests that the packet leaves by one of these interfaces anyway.
    fn through(&mut self, b: &mut Builder, flat: &Flat<'a>, interfaces: &[String]) {
        match interfaces {
            [] => b.test(Test::Never),
            [one] => self.interface(b, &InterfaceName::Named(one.clone()), false, Field::Oif),
            several => {
                let cond = self.questions.ask(b, flat, Ask::Route, &several.join(" "));
                b.test(Test::Unknown { cond, negate: false });
            }
        }
    }

    pub(super) fn tag(&self, b: &mut Builder, flat: &Flat) {
        if let (true, Some(tag)) = (self.reads_tags, &flat.extras().tag) {
            let tag = b.tag(tag);
            b.effect(Effect::Tag(tag));
        }
    }

    /// The outcomes of a `match` rule's translation, one of which happens.
    pub(super) fn match_translation(
        &mut self,
        b: &mut Builder,
        flat: &'a Flat<'a>,
        scope: Scope,
        family: Option<Family>,
        quick: bool,
    ) -> ChainId {
        let inner = b.chain("pf translation of a match rule", flat.rule.span);
        for chosen in self.choices(flat, scope, family).iter() {
            for choice in chosen {
                self.chosen(b, flat, choice);
            }
            for choice in chosen {
                choice.effect(b);
            }
            if self.moves {
                b.effect(Effect::Mark(MarkOp { clear: mark::MOVED, flip: mark::MOVED }));
            }
            b.effect(if quick { Effect::Settle } else { Effect::Return });
            b.rule(inner, flat.origin());
        }
        inner
    }

    /// On OpenBSD a packet is translated once state is kept for it, and none is for ICMP errors (pf.c,
    /// `pf_test_rule`): rules see what a `match` made of it, but without state it goes on as it came. That is not
    /// known any more here.
    fn undo_moves(&self, b: &mut Builder, chain: ChainId, start: Span) {
        let stateless = mark::MOVED | mark::KEPT;
        for (version, fields) in [(4, [Field::Src4, Field::Dst4]), (6, [Field::Src6, Field::Dst6])] {
            for mask in [stateless, mark::MOVED] {
                marked(b, mask, mark::MOVED);
                b.is(Field::Version, version);
                if mask == mark::MOVED {
                    let errors = b.values(icmp_errors(version == 6));
                    b.field(Field::IcmpType, errors, false);
                }
                fields.into_iter().for_each(|field| b.effect(Effect::Forget(field)));
                b.rule(chain, Origin::system(start));
            }
        }
        marked(b, stateless, mark::MOVED);
        b.field(Field::Dport, Values::Range(0, 0xffff), false);
        b.effect(Effect::Forget(Field::Sport));
        b.effect(Effect::Forget(Field::Dport));
        b.rule(chain, Origin::system(start));
    }

    /// ICMP errors are passed as they come by a rule that translates on OpenBSD: no state is kept for them.
    fn untranslated_errors(
        &mut self,
        b: &mut Builder,
        chain: ChainId,
        (flat, family): (&'a Flat<'a>, Family),
        ending: Ending,
        tests: &mut dyn FnMut(&mut Self, &mut Builder),
    ) {
        let protocol = flat.protocol.and_then(|protocol| protocol.number);
        if self.tree.flavour != Flavour::OpenBsd
            || !matches!(protocol, None | Some(proto::ICMP | proto::ICMPV6))
        {
            return;
        }
        tests(self, b);
        let errors = b.values(icmp_errors(family == Family::V6));
        b.field(Field::IcmpType, errors, false);
        self.tag(b, flat);
        b.effect(Effect::KeepState(false));
        self.forget_deferred(b);
        b.effect(ending.effect());
        b.rule(chain, flat.origin());
    }

    /// What happens once the filter rules accepted: deferred effects, and whether state is kept.
    pub(super) fn put_off(
        &mut self,
        b: &mut Builder,
        chain: ChainId,
        way: Direction,
        translates: bool,
        start: Span,
    ) {
        let deferred = std::mem::take(&mut self.deferred);
        for (at, deferred) in deferred.into_iter().enumerate() {
            self.questions.again(deferred.flat);
            let mut tests = |_: &mut Self, b: &mut Builder| marked(b, mark::DEFERRED, at as u32 + 1);
            self.pass(b, chain, deferred, way, Ending::Done, &mut tests);
        }
        if self.moves {
            self.undo_moves(b, chain, start);
        }
        if translates {
            marked(b, mark::TRANSLATED, mark::TRANSLATED);
            b.effect(Effect::KeepState(true));
            b.rule(chain, Origin::system(start));
        }
    }
}

/// A rule that may do anything.
pub(super) fn undefined(b: &mut Builder, chain: ChainId, span: Span, what: &str) {
    let cond = b.condition(Condition::elsewhere(what));
    b.effect(Effect::Undefined(cond));
    b.rule(chain, span);
}

/// What a block rule answers.
pub(super) fn reply(flat: &Flat) -> Reply {
    match flat.rule.action {
        Action::Block(reply) => reply,
        _ => Reply::Drop,
    }
}

/// What a pass rule does that the model has no words for.
pub(super) fn beyond_the_model(flat: &Flat) -> Option<&'static str> {
    let options = &flat.rule.options;
    if options.rare().af_to.is_some() {
        return Some("af-to");
    }
    match &options.rare().divert {
        Some(Divert::To(..)) => Some("divert-to"),
        Some(Divert::Packet(_)) => Some("divert-packet"),
        Some(Divert::Reply) | None => None,
    }
}
