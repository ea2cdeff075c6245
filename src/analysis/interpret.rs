//! One packet through a ruleset: the specification.
//!
//! The order of things is that of Linux netfilter, which is the most general of the four: hooks,
//! stages, the routing decision after prerouting, and the way of a packet from the box to itself
//! (output, postrouting, then prerouting and input on the loopback interface).

mod again;
mod marks;
mod test;

use std::cell::OnceCell;

use rustc_hash::FxHashSet;

use super::rewrite::change_mark;
use super::walk::{At, Frame, Walk};
use super::{Cond, Conds, Decider, Learns, Outcome, Passed, Trace, Trip, Truth};
use crate::model::{
    CondId, Effect, Hook, Map, MapId, RuleId, Ruleset, Stage, StageKind, Step, Test, Verdict, Way,
};
use crate::packet::{Field, Set, State, Value, interface};

/// Steps after which a packet's possible ways are too many to follow.
const STEP_LIMIT: usize = 10_000_000;
/// How many steps it counts for to keep the state of a walk, beside what the walk has assumed: that takes memory.
const STEPS_A_STATE: usize = 600;

/// All possible ends of a trip: one where nothing unknown matters, several where it does.
pub fn interpret(rules: &Ruleset, trip: &Trip, trace: &mut impl Trace) -> Vec<Outcome> {
    let mut engine = Interpreter {
        rules,
        seen: FxHashSet::default(),
        joins: FxHashSet::default(),
        work: Vec::new(),
        ends: Vec::new(),
        steps: 0,
        again: OnceCell::new(),
        marks: OnceCell::new(),
    };
    engine.work.push(Walk::start(trip, rules));
    while let Some(walk) = engine.work.pop() {
        engine.run(walk, trace);
        if engine.steps > STEP_LIMIT {
            engine.give_up(trip);
            break;
        }
    }
    engine.ends
}

struct Interpreter<'a> {
    rules: &'a Ruleset,
    /// States that were reached, and the places where ways can come together again.
    seen: FxHashSet<Walk>,
    joins: FxHashSet<(At, Frame)>,
    work: Vec<Walk>,
    ends: Vec<Outcome>,
    steps: usize,
    /// For each condition, whether one packet can meet it more than once.
    again: OnceCell<Vec<bool>>,
    /// Where intervals of marks begin that rules tell apart.
    marks: OnceCell<Vec<u128>>,
}

impl Interpreter<'_> {
    /// Runs a walk to its end; other possibilities on the way go onto the pile.
    fn run(&mut self, mut walk: Walk, trace: &mut impl Trace) {
        while !walk.over() && self.steps <= STEP_LIMIT {
            if let Some((rule, from)) = walk.resume.take() {
                self.rule(&mut walk, rule, from, trace);
            } else if walk.inside {
                self.walk_chain(&mut walk, trace);
            } else if self.known(&walk) {
                return;
            } else {
                self.enter_stage(&mut walk, trace);
            }
        }
    }

    /// Whether another walk was in the same state: it ends the same way, whatever either assumed to get there.
    fn known(&mut self, walk: &Walk) -> bool {
        if walk.conds.is_empty() {
            return false;
        }
        self.steps += STEPS_A_STATE + walk.answers.len() + walk.conds.len();
        let mut plain = walk.clone();
        plain.conds = Conds::default();
        (plain.decider, plain.weight) = (Decider::End, 0);
        !self.seen.insert(plain)
    }

    /// Leaves a walk for later, as another possibility.
    fn put_off(&mut self, walk: Walk) {
        if let (true, Some(frame)) = (walk.inside, walk.stack.last()) {
            self.joins.insert((walk.at, *frame));
        }
        self.work.push(walk);
    }

    /// Finds the next stage that sees the packet and opens its chain, or ends the way.
    fn enter_stage(&mut self, walk: &mut Walk, trace: &mut impl Trace) {
        while !walk.over() {
            let hook = walk.hook();
            let Some(stage) = self.rules.stages(hook).get(walk.at.stage as usize) else {
                self.next_hook(walk);
                continue;
            };
            if self.enters(walk, stage) {
                trace.stage(hook, stage);
                walk.inside = true;
                walk.pending = None;
                walk.stack.push((stage.chain, 0));
                return;
            }
            walk.at.stage += 1;
        }
    }

    fn enters(&self, walk: &Walk, stage: &Stage) -> bool {
        let starts = walk.value(Field::State, stage) == Value::Known(State::New as u128);
        let side = match stage.kind {
            StageKind::Filter => return stage.sees(walk.packet.family()),
            StageKind::DstNat => 0,
            StageKind::SrcNat => 1,
        };
        stage.sees(walk.packet.family()) && starts && !walk.tried[side] && !walk.mapped[side]
    }

    /// Goes on to the next hook, with the routing decision between, or ends the way.
    fn next_hook(&mut self, walk: &mut Walk) {
        let hook = walk.hook();
        let kinds: &[usize] = match hook {
            Hook::Prerouting | Hook::Output => &[0],
            Hook::Input | Hook::Postrouting => &[1],
            Hook::Forward => &[],
        };
        kinds.iter().for_each(|side| walk.tried[*side] = true);
        if hook == Hook::Prerouting && !walk.looping {
            self.route(walk);
        }
        if hook == Hook::Prerouting
            && walk.way == Way::Forward
            && let Some(verdict) = walk.not_passed_on(self.rules)
        {
            walk.decider = Decider::End;
            return self.end(walk, verdict);
        }
        if hook == Hook::Output && walk.mapped[0] {
            self.reroute(walk);
        }
        walk.at = At { hook: walk.at.hook + 1, stage: 0 };
        if walk.looping && walk.hooks.len() == 2 {
            walk.hooks.extend([Hook::Prerouting, Hook::Input]);
        }
        if walk.at.hook as usize >= walk.hooks.len() {
            self.end(walk, Verdict::Accept);
        }
    }

    /// The routing decision for a packet whose destination was translated.
    fn route(&mut self, walk: &mut Walk) {
        if !walk.mapped[0] {
            return;
        }
        let own = self.is_own(walk, &self.rules.turned_here(walk.packet.family()));
        let way = match own {
            Some(true) => Way::Input,
            Some(false) => Way::Forward,
            None => {
                walk.conds.add(Cond::OwnAddresses);
                let mut other = walk.clone();
                other.turn(Way::Input);
                other.at = At { hook: 1, stage: 0 };
                self.put_off(other);
                Way::Forward
            }
        };
        walk.turn(way);
    }

    /// The same for a packet that the box sends: to itself it goes by way of the loopback interface, to the
    /// broadcast address of a network into that (Linux `ip_mc_output`).
    fn reroute(&mut self, walk: &mut Walk) {
        walk.looping = match self.is_own(walk, &self.rules.own_set(walk.packet.family())) {
            Some(own) => own,
            None => {
                walk.conds.add(Cond::OwnAddresses);
                let mut other = walk.clone();
                other.looping = true;
                other.packet.set(Field::Oif, interface("lo"));
                other.at = At { hook: 1, stage: 0 };
                self.put_off(other);
                false
            }
        };
        if walk.looping {
            walk.packet.set(Field::Oif, interface("lo"));
        }
    }

    /// Whether the destination is one of some addresses of the box. One that nobody knows is parted by that first.
    fn is_own(&mut self, walk: &mut Walk, own: &Set) -> Option<bool> {
        if walk.own {
            return Some(true);
        }
        let family = walk.packet.family();
        if let Value::Among(lo, hi) = walk.packet.get(Field::dst(family)) {
            let all = Set::range(lo, hi);
            let (here, others) = (own.and(&all), self.rules.elsewhere_set(family).and(&all).minus(own));
            let rest = all.minus(&here).minus(&others);
            let parts = [here, others, rest];
            let mut parts = parts.iter().flat_map(|set| set.ranges()).peekable();
            let first = parts.next();
            if parts.peek().is_some() {
                walk.conds.add(Cond::Field(Field::dst(family)));
            }
            for (lo, hi) in parts {
                let mut other = walk.clone();
                other.packet.set_among(Field::dst(family), *lo, *hi);
                self.put_off(other);
            }
            if let Some((lo, hi)) = first {
                walk.packet.set_among(Field::dst(family), *lo, *hi);
            }
        }
        match walk.packet.get(Field::dst(family)) {
            Value::Known(dst) => self.rules.is_among(own, family, dst, dst),
            Value::Among(lo, hi) => self.rules.is_among(own, family, lo, hi),
            Value::Absent => None,
        }
    }

    /// Walks the open chains to the end of the stage.
    fn walk_chain(&mut self, walk: &mut Walk, trace: &mut impl Trace) {
        while let Some((chain, index)) = walk.stack.last_mut() {
            let id = RuleId { chain: *chain, index: *index };
            if id.index as usize >= self.rules.chain(id.chain).rules.len() {
                walk.stack.pop();
                continue;
            }
            if self.joins.contains(&(walk.at, (id.chain, id.index))) && self.known(walk) {
                walk.hooks.clear();
                return;
            }
            if let Some((_, index)) = walk.stack.last_mut() {
                *index += 1;
            }
            self.steps += 1;
            self.rule(walk, id, 0, trace);
            if !walk.inside || self.steps > STEP_LIMIT {
                return;
            }
        }
        let policy = self.stage(walk).policy;
        let decider = Decider::Policy(walk.hook(), walk.at.stage);
        match walk.pending.take() {
            Some((verdict, rule)) => self.decide(walk, verdict, Decider::Rule(rule)),
            None => self.decide(walk, policy, decider),
        }
    }

    fn stage(&self, walk: &Walk) -> &Stage {
        &self.rules.stages(walk.hook())[walk.at.stage as usize]
    }

    /// Runs a rule's steps from `from` on.
    fn rule(&mut self, walk: &mut Walk, id: RuleId, from: usize, trace: &mut impl Trace) {
        let rules = self.rules;
        let steps = rules.steps_of(rules.rule(id));
        let mut depends = None;
        for (at, step) in steps.iter().enumerate().skip(from) {
            let effect = match *step {
                Step::Test(test) => match self.test(walk, test) {
                    Truth::Yes => continue,
                    Truth::No => return trace.passed(Passed { rule: id, field: field_of(test) }),
                    Truth::Maybe(question) => {
                        // Where nothing follows that has an effect, the answer does not matter.
                        if steps[at..].iter().all(|step| matches!(step, Step::Test(_))) {
                            return trace.passed(Passed { rule: id, field: None });
                        }
                        walk.conds.add(question.cond);
                        depends = Some(question.cond);
                        self.both_ways(walk, (id, at), &question.learns);
                        continue;
                    }
                },
                Step::Effect(effect) => effect,
                Step::Lookup(map) => match self.lookup(walk, (id, at), map) {
                    Some(effect) => effect,
                    None => {
                        let field = rules.map(map).fields.first().copied();
                        return trace.passed(Passed { rule: id, field });
                    }
                },
            };
            if decides(effect) {
                trace.matched(id, depends);
            }
            if self.effect(walk, (id, at), effect) {
                return;
            }
        }
        trace.passed(Passed { rule: id, field: None });
    }

    /// The effect of the entry that holds the packet; where several may, the others go onto the pile.
    fn lookup(&mut self, walk: &mut Walk, (id, at): (RuleId, usize), map: MapId) -> Option<Effect> {
        let rules = self.rules;
        let map = rules.map(map);
        let stage = self.stage(walk);
        if let [field] = *map.fields
            && let Value::Known(value) = walk.value(field, stage)
        {
            let place = map.index.partition_point(|(_, hi, _)| *hi < value);
            let (lo, _, entry) = map.index.get(place)?;
            return (*lo <= value).then(|| map.entries[*entry as usize].effect);
        }
        if let [field] = *map.fields
            && let Value::Among(lo, hi) = walk.packet.get(field)
            && walk.value(field, stage) == Value::Among(lo, hi)
        {
            return self.lookup_among(walk, (id, at), map, field, (lo, hi));
        }
        for entry in &map.entries {
            match self.product(walk, &map.fields, &entry.key) {
                Truth::Yes => return Some(entry.effect),
                Truth::No => {}
                Truth::Maybe(question) => {
                    walk.conds.add(question.cond);
                    let mut hit = walk.clone();
                    if !self.effect(&mut hit, (id, at), entry.effect) {
                        hit.resume = Some((id, at + 1));
                    }
                    self.put_off(hit);
                }
            }
        }
        None
    }

    /// Likewise for a value that lies in an interval: each part of it has its entry.
    fn lookup_among(
        &mut self,
        walk: &mut Walk,
        (id, at): (RuleId, usize),
        map: &Map,
        field: Field,
        (lo, hi): (u128, u128),
    ) -> Option<Effect> {
        let hits = map.index.iter().filter(|(from, to, _)| *from <= hi && lo <= *to);
        let hits: Vec<(u128, u128, Effect)> = hits
            .map(|(from, to, entry)| (*from.max(&lo), *to.min(&hi), map.entries[*entry as usize].effect))
            .collect();
        let missed = Set::range(lo, hi).minus(&Set::of(hits.iter().map(|(from, to, _)| (*from, *to))));
        if hits.len() + missed.ranges().len() > 1 {
            walk.conds.add(Cond::Field(field));
        }
        let narrowed = |walk: &Walk, from: u128, to: u128| {
            let mut part = walk.clone();
            part.packet.set_among(field, from, to);
            part
        };
        let mut misses = missed.ranges().iter();
        let first_miss = misses.next();
        for (from, to) in misses {
            self.put_off(narrowed(walk, *from, *to));
        }
        let mut hits = hits.into_iter();
        let here = if first_miss.is_none() { hits.next() } else { None };
        for (from, to, effect) in hits {
            let mut hit = narrowed(walk, from, to);
            if !self.effect(&mut hit, (id, at), effect) {
                hit.resume = Some((id, at + 1));
            }
            self.put_off(hit);
        }
        if let Some((from, to)) = first_miss {
            walk.packet.set_among(field, *from, *to);
            return None;
        }
        let (from, to, effect) = here?;
        walk.packet.set_among(field, from, to);
        Some(effect)
    }

    /// Goes on with the test that ends in doubt passed, and leaves for later that it was not.
    fn both_ways(&mut self, walk: &mut Walk, (id, at): (RuleId, usize), learns: &Learns) {
        match learns {
            Learns::Nothing => self.put_off(walk.clone()),
            Learns::Answer(number) => {
                let negated = matches!(
                    self.rules.steps_of(self.rules.rule(id))[at],
                    Step::Test(Test::Unknown { negate: true, .. })
                );
                let mut other = walk.clone();
                other.remember(*number, u8::from(negated));
                self.put_off(other);
                walk.remember(*number, u8::from(!negated));
            }
            Learns::Value(field, set) => {
                let (Value::Among(lo, hi), negate) = (walk.packet.get(*field), self.is_negated(id, at))
                else {
                    return self.put_off(walk.clone());
                };
                let all = Set::range(lo, hi);
                let (inside, outside) = (all.and(set), all.minus(set));
                let (passing, failing) = if negate { (outside, inside) } else { (inside, outside) };
                for (lo, hi) in failing.ranges() {
                    let mut other = walk.clone();
                    other.packet.set_among(*field, *lo, *hi);
                    self.put_off(other);
                }
                for (lo, hi) in passing.ranges().iter().skip(1) {
                    let mut other = walk.clone();
                    other.packet.set_among(*field, *lo, *hi);
                    other.resume = Some((id, at + 1));
                    self.put_off(other);
                }
                if let Some((lo, hi)) = passing.ranges().first() {
                    walk.packet.set_among(*field, *lo, *hi);
                }
            }
        }
    }

    fn is_negated(&self, id: RuleId, at: usize) -> bool {
        match self.rules.steps_of(self.rules.rule(id))[at] {
            Step::Test(Test::In { negate, .. } | Test::Masked { negate, .. }) => negate,
            _ => false,
        }
    }

    /// Nobody knows: the packet is accepted, dropped, or goes on with the next rule.
    fn undefined(&mut self, walk: &mut Walk, id: RuleId, cond: CondId) {
        let number = self.number(walk, cond);
        walk.conds.add(Cond::Named(cond));
        let known = walk.answer(number);
        let verdicts = [(2, Verdict::Drop), (3, Verdict::Accept)];
        for (answer, verdict) in verdicts {
            if known.is_some_and(|known| known != answer) {
                continue;
            }
            let mut other = walk.clone();
            if self.is_asked_again(cond) {
                other.remember(number, answer);
            }
            self.decide(&mut other, verdict, Decider::Rule(id));
            self.put_off(other);
        }
        match known {
            Some(0) => {}
            Some(_) => {
                walk.hooks.clear();
                walk.stack.clear();
                walk.inside = false;
            }
            None if self.is_asked_again(cond) => walk.remember(number, 0),
            None => {}
        }
    }

    /// Does the effect of a rule's step; true where the rule ends with it.
    fn effect(&mut self, walk: &mut Walk, (id, at): (RuleId, usize), effect: Effect) -> bool {
        match effect {
            Effect::Verdict(verdict) => {
                self.decide(walk, verdict, Decider::Rule(id));
                return true;
            }
            Effect::Jump(chain) => {
                walk.stack.push((chain, 0));
                return true;
            }
            Effect::Goto(chain) => {
                walk.stack.pop();
                walk.stack.push((chain, 0));
                return true;
            }
            Effect::Return => {
                walk.stack.pop();
                return true;
            }
            Effect::NextRule => return true,
            Effect::Settle => {
                walk.stack.clear();
                return true;
            }
            Effect::Undefined(cond) => {
                self.undefined(walk, id, cond);
                return true;
            }
            Effect::Pend(verdict) => walk.pending = Some((verdict, id)),
            Effect::Mark(op) => change_mark(&mut walk.packet, Field::Mark, op),
            // Without a connection there is nothing to write to or to read from.
            Effect::CtMark(_)
            | Effect::SaveMark(_)
            | Effect::RestoreMark(_)
            | Effect::Forget(Field::CtMark)
                if !walk.may_be_tracked(self.stage(walk)) => {}
            // It is too late for a packet that has one.
            Effect::NoTrack if walk.may_be_tracked(self.stage(walk)) => {}
            Effect::CtMark(op) => change_mark(&mut walk.packet, Field::CtMark, op),
            Effect::SaveMark(mask) => self.copy_mark(walk, (id, at), (Field::Mark, Field::CtMark), mask),
            Effect::RestoreMark(mask) => self.copy_mark(walk, (id, at), (Field::CtMark, Field::Mark), mask),
            Effect::Forget(field) => walk.packet.forget(field),
            Effect::Tag(tag) => walk.packet.set(Field::Tag, tag.into()),
            Effect::Set(field, value) => walk.packet.set(field, value.into()),
            Effect::NoTrack => walk.untracked = !walk.returned(),
            Effect::Helper(helper) => walk.helper = Some(helper.0),
            Effect::KeepState(keeps) => walk.keep_state(keeps),
            Effect::Nat(nat) => walk.translate(self.rules, self.rules.nat(nat)),
        }
        false
    }

    /// Ends the stage with a verdict.
    fn decide(&mut self, walk: &mut Walk, verdict: Verdict, decider: Decider) {
        let filter = self.stage(walk).kind == StageKind::Filter;
        walk.stack.clear();
        walk.inside = false;
        if verdict != Verdict::Accept {
            walk.decider = decider;
            self.end(walk, verdict);
            return;
        }
        let weight = decider.weight(walk.hook());
        if filter && weight >= walk.weight {
            (walk.decider, walk.weight) = (decider, weight);
        }
        walk.at.stage += 1;
    }

    fn end(&mut self, walk: &mut Walk, verdict: Verdict) {
        self.steps += STEPS_A_STATE;
        self.ends.push(Outcome {
            verdict,
            decider: walk.decider,
            conds: walk.conds.clone(),
            packet: walk.packet.clone(),
            way: walk.way,
            helper: walk.helper,
            keeps_state: walk.is_answered(),
        });
        walk.hooks.clear();
    }

    fn give_up(&mut self, trip: &Trip) {
        for verdict in [Verdict::Accept, Verdict::Drop] {
            let mut walk = Walk::start(trip, self.rules);
            walk.conds.add(Cond::Limit);
            self.end(&mut walk, verdict);
        }
    }
}

fn decides(effect: Effect) -> bool {
    matches!(
        effect,
        Effect::Verdict(_) | Effect::Jump(_) | Effect::Goto(_) | Effect::Return | Effect::Pend(_)
    )
}

fn field_of(test: Test) -> Option<Field> {
    match test {
        Test::In { field, .. } | Test::Masked { field, .. } => Some(field),
        _ => None,
    }
}
