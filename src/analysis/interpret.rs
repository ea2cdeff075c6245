//! One packet through a ruleset: the specification.
//!
//! The order of things is that of Linux netfilter, which is the most general of the four: hooks,
//! stages, the routing decision after prerouting, and the way of a packet from the box to itself
//! (output, postrouting, then prerouting and input on the loopback interface).

use rustc_hash::FxHashSet;

use super::rewrite::{change_mark, copy_mark};
use super::walk::{At, Frame, Walk};
use super::{Cond, Decider, Outcome, Passed, Trace, Trip, Truth};
use crate::model::{Effect, Hook, MapId, RuleId, Ruleset, Stage, StageKind, Step, Test, Verdict, Way};
use crate::packet::{Field, Set, State, Value, interface};

/// Steps after which a packet's possible ways are too many to follow.
const STEP_LIMIT: usize = 20_000_000;

/// All possible ends of a trip: one where nothing unknown matters, several where it does.
pub fn interpret(rules: &Ruleset, trip: &Trip, trace: &mut impl Trace) -> Vec<Outcome> {
    let mut engine = Engine {
        rules,
        seen: FxHashSet::default(),
        joins: FxHashSet::default(),
        work: Vec::new(),
        ends: Vec::new(),
        steps: 0,
    };
    engine.work.push(Walk::start(trip));
    while let Some(walk) = engine.work.pop() {
        engine.run(walk, trace);
        if engine.steps > STEP_LIMIT {
            engine.give_up(trip);
            break;
        }
    }
    engine.ends
}

struct Engine<'a> {
    rules: &'a Ruleset,
    /// States that were reached, and the places where ways can come together again.
    seen: FxHashSet<Walk>,
    joins: FxHashSet<(At, Frame)>,
    work: Vec<Walk>,
    ends: Vec<Outcome>,
    steps: usize,
}

impl Engine<'_> {
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
        let mut plain = walk.clone();
        plain.conds.clear();
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
        if hook == Hook::Prerouting && walk.way == Way::Forward {
            let family = walk.packet.family();
            if walk.packet.src().is_some_and(|src| family.unforwardable().contains(src)) {
                walk.decider = Decider::End;
                return self.end(walk, Verdict::Drop);
            }
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
        let own = self.is_own(walk);
        let way = match own {
            Some(true) => Way::Input,
            Some(false) => Way::Forward,
            None => {
                walk.assume(Cond::OwnAddresses);
                let mut other = walk.clone();
                other.turn(Way::Input);
                other.at = At { hook: 1, stage: 0 };
                self.put_off(other);
                Way::Forward
            }
        };
        walk.turn(way);
    }

    /// The same for a packet that the box sends: to itself it goes by way of the loopback interface.
    fn reroute(&mut self, walk: &mut Walk) {
        walk.looping = match self.is_own(walk) {
            Some(own) => own,
            None => {
                walk.assume(Cond::OwnAddresses);
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

    fn is_own(&self, walk: &Walk) -> Option<bool> {
        if walk.own {
            return Some(true);
        }
        let family = walk.packet.family();
        match walk.packet.get(Field::dst(family)) {
            Value::Known(dst) => self.rules.is_own(family, dst, dst),
            Value::Among(lo, hi) => self.rules.is_own(family, lo, hi),
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
        let mut maybe = None;
        for (at, step) in steps.iter().enumerate().skip(from) {
            let effect = match *step {
                Step::Test(test) => match self.test(walk, test) {
                    Truth::Yes => continue,
                    Truth::No => return trace.passed(Passed { rule: id, field: field_of(test) }),
                    Truth::Maybe(cond) => {
                        // Where nothing follows that has an effect, the answer does not matter.
                        if steps[at..].iter().all(|step| matches!(step, Step::Test(_))) {
                            return trace.passed(Passed { rule: id, field: None });
                        }
                        walk.assume(cond);
                        maybe = Some(cond);
                        self.put_off(walk.clone());
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
                trace.matched(id, maybe);
            }
            if self.effect(walk, id, effect) {
                return;
            }
        }
        trace.passed(Passed { rule: id, field: None });
    }

    fn test(&self, walk: &Walk, test: Test) -> Truth {
        let stage = self.stage(walk);
        match test {
            Test::In { field, values, negate } => match walk.value(field, stage) {
                Value::Absent => Truth::No,
                Value::Known(value) => Truth::of(self.rules.holds(values, value) != negate),
                Value::Among(lo, hi) => among(&self.rules.values(values), lo, hi, field).negated_if(negate),
            },
            Test::Masked { field, mask, values, negate } => match walk.value(field, stage) {
                Value::Absent => Truth::No,
                Value::Known(value) => {
                    let masked = value & self.rules.masks[mask as usize];
                    Truth::of(self.rules.holds(values, masked) != negate)
                }
                Value::Among(lo, hi) => {
                    let (mask, values) = (self.rules.masks[mask as usize], self.rules.values(values));
                    match Set::range(lo, hi).masked(mask, &values, field.last()) {
                        Some(set) => among(&set, lo, hi, field).negated_if(negate),
                        None => Truth::Maybe(Cond::Field(field)),
                    }
                }
            },
            Test::Tuple { tuples, negate } => {
                let tuples = self.rules.tuple(tuples);
                let mut answer = Truth::No;
                for sides in &tuples.boxes {
                    match self.product(walk, &tuples.fields, sides) {
                        Truth::Yes => {
                            answer = Truth::Yes;
                            break;
                        }
                        Truth::No => {}
                        maybe => answer = maybe,
                    }
                }
                let lacks = |field: &Field| {
                    let at = tuples.fields.iter().position(|f| f == field);
                    walk.value(*field, stage) == Value::Absent
                        && tuples.boxes.iter().any(|sides| at.is_some_and(|at| sides[at].is_some()))
                };
                if negate && tuples.fields.iter().any(lacks) { Truth::No } else { answer.negated_if(negate) }
            }
            Test::Unknown { cond, .. } => Truth::Maybe(Cond::Named(cond)),
            Test::Never => Truth::No,
        }
    }

    /// Whether the packet is in a product of field sets.
    fn product(&self, walk: &Walk, fields: &[Field], sides: &[Option<Set>]) -> Truth {
        let stage = self.stage(walk);
        let mut answer = Truth::Yes;
        for (field, side) in fields.iter().zip(sides) {
            let Some(set) = side else { continue };
            match walk.value(*field, stage) {
                Value::Absent => return Truth::No,
                Value::Known(value) if set.contains(value) => {}
                Value::Known(_) => return Truth::No,
                Value::Among(lo, hi) => match among(set, lo, hi, *field) {
                    Truth::Yes => {}
                    Truth::No => return Truth::No,
                    maybe => answer = maybe,
                },
            }
        }
        answer
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
        for entry in &map.entries {
            match self.product(walk, &map.fields, &entry.key) {
                Truth::Yes => return Some(entry.effect),
                Truth::No => {}
                Truth::Maybe(cond) => {
                    walk.assume(cond);
                    let mut hit = walk.clone();
                    if !self.effect(&mut hit, id, entry.effect) {
                        hit.resume = Some((id, at + 1));
                    }
                    self.put_off(hit);
                }
            }
        }
        None
    }

    /// Does an effect; true where the rule ends with it.
    fn effect(&mut self, walk: &mut Walk, id: RuleId, effect: Effect) -> bool {
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
                walk.assume(Cond::Named(cond));
                for verdict in [Verdict::Accept, Verdict::Drop] {
                    let mut other = walk.clone();
                    self.decide(&mut other, verdict, Decider::Rule(id));
                    self.put_off(other);
                }
                return true;
            }
            Effect::Pend(verdict) => walk.pending = Some((verdict, id)),
            Effect::Mark(op) => change_mark(&mut walk.packet, Field::Mark, op),
            // Without a connection there is nothing to write to or to read from.
            Effect::CtMark(_)
            | Effect::SaveMark(_)
            | Effect::RestoreMark(_)
            | Effect::Forget(Field::CtMark)
                if walk.untracked || self.stage(walk).before_tracking && !walk.returned() => {}
            Effect::CtMark(op) => change_mark(&mut walk.packet, Field::CtMark, op),
            Effect::SaveMark(mask) => copy_mark(&mut walk.packet, Field::Mark, Field::CtMark, mask),
            Effect::RestoreMark(mask) => copy_mark(&mut walk.packet, Field::CtMark, Field::Mark, mask),
            Effect::Forget(field) => walk.packet.forget(field),
            Effect::Tag(tag) => walk.packet.set(Field::Tag, tag.into()),
            Effect::Set(field, value) => walk.packet.set(field, value.into()),
            Effect::NoTrack => walk.untracked = !walk.returned(),
            Effect::Helper(helper) => walk.helper = Some(helper.0),
            Effect::KeepState(keeps) => walk.keeps_state = keeps,
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
        self.ends.push(Outcome {
            verdict,
            decider: walk.decider,
            conds: walk.conds.clone(),
            packet: walk.packet.clone(),
            way: walk.way,
            helper: walk.helper,
            keeps_state: walk.keeps_state,
        });
        walk.hooks.clear();
    }

    fn give_up(&mut self, trip: &Trip) {
        for verdict in [Verdict::Accept, Verdict::Drop] {
            let mut walk = Walk::start(trip);
            walk.assume(Cond::Limit);
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

fn among(set: &Set, lo: u128, hi: u128, field: Field) -> Truth {
    if !set.meets_range(lo, hi) {
        Truth::No
    } else if set.covers(&Set::range(lo, hi)) {
        Truth::Yes
    } else {
        Truth::Maybe(Cond::Field(field))
    }
}
