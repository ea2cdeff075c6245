//! Packets through the chains of a stage.

use std::borrow::Cow;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::class::{Class, Classes, Ctrl, Expr, Gathering};
use super::read::View;
use super::{DEPTH_LIMIT, Run, TooMuch};
use crate::analysis::Decider;
use crate::model::{
    ChainId, CondId, Effect, Map, MapId, Rule, RuleId, StageKind, Step, Test, Values, Verdict,
};
use crate::packet::{Field, Level, Set, Space, VariableKey};

/// A stage that is being walked.
pub(super) struct Walking<'v> {
    view: View<'v>,
    pub(super) accepted: Gathering,
    settled: Gathering,
    /// Which rules left a verdict behind for the end, for which packets: the last one counts.
    pending: Vec<(RuleId, Verdict, Space)>,
}

/// A chain, and what its rules can be told apart by: the levels of destination, source and destination port,
/// and how often what is known of their values has grown.
pub(super) type ListKey = (ChainId, [Option<(Expr, u32)>; 3]);

/// What a rule makes of packets.
#[derive(Default)]
struct Done {
    /// They go on with the next rule.
    passed: Classes,
    /// They leave the chain.
    returned: Classes,
}

/// Rules that are looked at in one step of work.
const LOOKS_A_STEP: u64 = 8;

impl Run<'_, '_, '_> {
    /// The packets that a stage accepts.
    pub(super) fn stage(
        &mut self,
        view: View<'_>,
        policy: Decider,
        entering: Classes,
    ) -> Result<Classes, TooMuch> {
        self.stages += 1;
        let mut walking = Walking {
            view,
            accepted: Gathering::default(),
            settled: Gathering::default(),
            pending: Vec::new(),
        };
        let fell = self.chain(&mut walking, view.stage.chain, entering)?;
        let settled = std::mem::take(&mut walking.settled).all(self.spaces);
        let pending = std::mem::take(&mut walking.pending);
        for mut class in fell.into_iter().chain(settled) {
            for (rule, verdict, space) in pending.iter().rev() {
                let part = self.spaces.and(class.space, *space);
                if part.is_none() {
                    continue;
                }
                class.space = self.spaces.minus(class.space, *space);
                let part = Class { space: part, ctrl: class.ctrl.clone() };
                self.decide(&mut walking, part, *verdict, Decider::Rule(*rule));
            }
            self.decide(&mut walking, class, view.stage.policy, policy);
        }
        Ok(walking.accepted.all(self.spaces))
    }

    fn decide(&mut self, walking: &mut Walking<'_>, class: Class, verdict: Verdict, by: Decider) {
        if class.space.is_none() {
            return;
        }
        if verdict != Verdict::Accept {
            return self.refuse(by, verdict, class.space);
        }
        if walking.view.stage.kind == StageKind::Filter {
            self.pass(by, by.weight(walking.view.hook), class.space);
        }
        walking.accepted.add(self.spaces, class);
    }

    /// Walks a chain; gives back the packets that fall off its end or return.
    pub(super) fn chain(
        &mut self,
        walking: &mut Walking<'_>,
        id: ChainId,
        entering: Classes,
    ) -> Result<Classes, TooMuch> {
        let chain = self.flow.rules.chain(id);
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(TooMuch);
        }
        let mut returned = Classes::default();
        let mut live = entering;
        self.note_entry(id, &live);
        let mut from = 0;
        while !live.is_empty() {
            let mut lists: Vec<Arc<[u32]>> = Vec::with_capacity(live.len());
            for class in live.iter() {
                lists.push(self.list(id, &class.ctrl));
            }
            let next = lists
                .iter()
                .filter_map(|list| list.get(list.partition_point(|index| *index < from)).copied());
            let Some(index) = next.min() else { break };
            let Some(rule) = chain.rules.get(index as usize) else { break };
            from = index + 1;
            self.visit(live.len())?;
            let mut done = Done::default();
            for (class, list) in live.into_iter().zip(&lists) {
                if list.binary_search(&index).is_ok() {
                    self.rule(walking, RuleId { chain: id, index }, rule, class, &mut done)?;
                } else {
                    done.passed.add(self.spaces, class);
                }
            }
            live = done.passed;
            returned.extend(self.spaces, done.returned);
        }
        self.depth -= 1;
        returned.extend(self.spaces, live);
        Ok(returned)
    }

    /// The rules of a chain that can do something to packets of a class.
    fn list(&mut self, chain: ChainId, ctrl: &Ctrl) -> Arc<[u32]> {
        let family = self.spaces.family();
        let fields = [Field::dst(family), Field::src(family), Field::Dport];
        let key = fields.map(|field| {
            let expr = ctrl.expr(self.spaces, field)?;
            let grown = match expr {
                Expr::At(level, _) => self.hulls.get(&level).map_or(0, |(_, grown)| *grown),
                Expr::Const(_) => 0,
            };
            Some((expr, grown))
        });
        if let Some(list) = self.lists.get(&(chain, key)) {
            return list.clone();
        }
        let [dst, src, dport] = fields.map(|field| self.hull(ctrl, field).map(Cow::into_owned));
        let rules = self.flow.rules;
        let concerns = |index: &u32| {
            let id = RuleId { chain, index: *index };
            let rule = &rules.chain(chain).rules[*index as usize];
            !self.watch.leaves_out(id) && self.concerns(ctrl, rule, self.watch.sees(id))
        };
        let candidates = self.flow.index.candidates(rules, chain, family, [&dst, &src, &dport]);
        let all = || (0..rules.chain(chain).rules.len() as u32).collect();
        let candidates: Vec<u32> = candidates.unwrap_or_else(all);
        let looked_at = candidates.len() as u64;
        let list: Arc<[u32]> = candidates.into_iter().filter(concerns).collect();
        self.spaces.spend(looked_at / LOOKS_A_STEP);
        self.lists.insert((chain, key), list.clone());
        list
    }

    /// The values that a field can have in a class, at the most; `None` where any.
    pub(super) fn hull(&self, ctrl: &Ctrl, field: Field) -> Option<Cow<'_, Set>> {
        match ctrl.expr(self.spaces, field)? {
            Expr::Const(value) => Some(Cow::Owned(Set::one(value))),
            Expr::At(level, 0) => self.hulls.get(&level).map(|(set, _)| Cow::Borrowed(set)),
            Expr::At(level, delta) => {
                let (set, _) = self.hulls.get(&level)?;
                let bits = 128 - level.last().leading_zeros();
                Some(Cow::Owned(set.shifted(delta, bits)))
            }
        }
    }

    /// Notes what values the packets have at the start.
    pub(super) fn measure(&mut self, classes: &Classes) {
        let all = classes.union(self.spaces);
        let family = self.spaces.family();
        let mut levels: Vec<Level> = Vec::new();
        for class in classes.iter() {
            for field in [Field::dst(family), Field::src(family), Field::Dport, Field::Proto] {
                if let Some(Expr::At(level, _)) = class.ctrl.expr(self.spaces, field) {
                    levels.push(level);
                }
            }
        }
        levels.sort_unstable();
        levels.dedup();
        for level in levels {
            let values = self.spaces.hull(all, level);
            self.hulls.insert(level, (values, 0));
        }
    }

    /// Notes that packets get values at a level.
    pub(super) fn widen(&mut self, level: Level, set: &Set) {
        let (known, grown) = self.hulls.entry(level).or_insert_with(|| (Set::empty(), 0));
        if !known.covers(set) {
            *known = known.or(set);
            *grown += 1;
        }
    }

    /// Whether a rule can do something to packets of a class.
    fn concerns(&self, ctrl: &Ctrl, rule: &Rule, watched: bool) -> bool {
        let steps = self.flow.rules.steps_of(rule);
        if !watched && steps.iter().all(|step| matches!(step, Step::Test(_))) {
            return false;
        }
        // Once something has happened, a later test that fails does not undo it.
        let tests = steps.iter().map_while(|step| match step {
            Step::Test(test) => Some(test),
            Step::Effect(_) | Step::Lookup(_) => None,
        });
        let mut tests = tests;
        tests.all(|test| self.can_hold(ctrl, test))
    }

    /// Whether a test can hold for packets of a class; true where in doubt.
    fn can_hold(&self, ctrl: &Ctrl, test: &Test) -> bool {
        match *test {
            Test::Never => false,
            Test::In { field, values, negate } => {
                let family = self.spaces.family();
                if field.family().is_some_and(|f| f != family) {
                    return false;
                }
                let ends = [Field::src(family), Field::dst(family), Field::Dport, Field::Proto];
                if !ends.contains(&field) {
                    return true;
                }
                let Some(hull) = self.hull(ctrl, field) else { return true };
                let rules = self.flow.rules;
                match (values, negate) {
                    (Values::Range(lo, hi), false) => hull.meets_range(lo.into(), hi.into()),
                    (Values::Range(lo, hi), true) => {
                        hull.ranges().iter().any(|(from, to)| *from < u128::from(lo) || u128::from(hi) < *to)
                    }
                    (Values::Set(id), false) => hull.meets(rules.set(id)),
                    (Values::Set(id), true) => !rules.set(id).covers(&hull),
                }
            }
            Test::Masked { .. } | Test::Tuple { .. } | Test::Unknown { .. } => true,
        }
    }

    /// Runs a rule on packets of a class.
    fn rule(
        &mut self,
        walking: &mut Walking<'_>,
        id: RuleId,
        rule: &Rule,
        class: Class,
        done: &mut Done,
    ) -> Result<(), TooMuch> {
        let steps = self.flow.rules.steps_of(rule);
        let mut live = Classes::one(class);
        if steps.is_empty() {
            self.note_idle(&walking.view, id, steps, live.iter());
        }
        let mut at = 0;
        while at < steps.len() && !live.is_empty() {
            match steps[at] {
                Step::Test(_) => {
                    let end = steps[at..].iter().position(|step| !matches!(step, Step::Test(_)));
                    // Where nothing follows that has an effect, the answers do not matter.
                    let Some(count) = end else {
                        self.note_idle(&walking.view, id, &steps[at..], live.iter());
                        break;
                    };
                    live = self.tests(&walking.view, &steps[at..at + count], live, &mut done.passed);
                    at += count;
                }
                Step::Effect(effect) => {
                    let mut still = Classes::default();
                    for class in live {
                        self.effect(walking, id, effect, class, &mut still, done)?;
                    }
                    live = still;
                    at += 1;
                }
                Step::Lookup(map) => {
                    let mut still = Classes::default();
                    for class in live {
                        self.lookup(walking, (id, map), class, &mut still, done)?;
                    }
                    live = still;
                    at += 1;
                }
            }
        }
        done.passed.extend(self.spaces, live);
        Ok(())
    }

    /// The packets that pass all of several tests; the others go to `failed`.
    fn tests(&mut self, view: &View<'_>, tests: &[Step], live: Classes, failed: &mut Classes) -> Classes {
        let mut passed = Classes::default();
        for class in live {
            let space = self.passing(view, tests, &class);
            let rest = self.spaces.minus(class.space, space);
            failed.add(self.spaces, Class { space: rest, ctrl: class.ctrl.clone() });
            passed.add(self.spaces, Class { space, ctrl: class.ctrl });
        }
        passed
    }

    /// The packets of a class that pass all of several tests.
    pub(super) fn passing(&mut self, view: &View<'_>, tests: &[Step], class: &Class) -> Space {
        // The tests of one rule make a small set, whatever the packets are.
        let mut all = Space::ALL;
        for step in tests {
            if all.is_none() {
                break;
            }
            let Step::Test(test) = step else { continue };
            let holds = self.test(view, &class.ctrl, *test);
            all = self.spaces.and(all, holds);
        }
        self.spaces.and(class.space, all)
    }

    /// Does to packets what the entry says that they are in.
    fn lookup(
        &mut self,
        walking: &mut Walking<'_>,
        (id, map): (RuleId, MapId),
        class: Class,
        still: &mut Classes,
        done: &mut Done,
    ) -> Result<(), TooMuch> {
        let map = self.flow.rules.map(map);
        let [field] = *map.fields else {
            let mut rest = class.space;
            for entry in &map.entries {
                self.visit(1)?;
                let key = self.product(&walking.view, &class.ctrl, &map.fields, &entry.key);
                let hit = self.spaces.and(rest, key);
                rest = self.spaces.minus(rest, key);
                self.entry(walking, id, entry.effect, (hit, &class.ctrl), still, done)?;
            }
            done.passed.add(self.spaces, Class { space: rest, ctrl: class.ctrl });
            return Ok(());
        };
        // The keys of one field are apart from each other: those with one effect go together, and what is in none of
        // them is found at once.
        for (effect, keys) in by_effect(map) {
            self.visit(1)?;
            let key = self.among(&walking.view, &class.ctrl, field, &keys, false);
            let hit = self.spaces.and(class.space, key);
            self.entry(walking, id, effect, (hit, &class.ctrl), still, done)?;
        }
        let keys = Set::of(map.index.iter().map(|(lo, hi, _)| (*lo, *hi)));
        let known = self.among(&walking.view, &class.ctrl, field, &keys, false);
        let space = self.spaces.minus(class.space, known);
        done.passed.add(self.spaces, Class { space, ctrl: class.ctrl });
        Ok(())
    }

    /// Does to packets what their entry of a map says.
    fn entry(
        &mut self,
        walking: &mut Walking<'_>,
        id: RuleId,
        effect: Effect,
        (space, ctrl): (Space, &Ctrl),
        still: &mut Classes,
        done: &mut Done,
    ) -> Result<(), TooMuch> {
        if space.is_none() {
            return Ok(());
        }
        self.effect(walking, id, effect, Class { space, ctrl: ctrl.clone() }, still, done)
    }

    /// Does an effect; those with which the rule goes on are added to `still`.
    fn effect(
        &mut self,
        walking: &mut Walking<'_>,
        id: RuleId,
        effect: Effect,
        class: Class,
        still: &mut Classes,
        done: &mut Done,
    ) -> Result<(), TooMuch> {
        let space = class.space;
        self.note_act(id, space);
        if let Effect::Verdict(_) | Effect::Goto(_) | Effect::Return | Effect::Settle = effect {
            self.note_taken(id, space, None);
        }
        match effect {
            Effect::Verdict(verdict) => self.decide(walking, class, verdict, Decider::Rule(id)),
            Effect::Jump(chain) => {
                let back = self.through(walking, chain, class)?;
                self.note_taken(id, space, Some(&back));
                done.passed.extend(self.spaces, back);
            }
            Effect::Goto(chain) => {
                let back = self.through(walking, chain, class)?;
                done.returned.extend(self.spaces, back);
            }
            Effect::Return => done.returned.add(self.spaces, class),
            Effect::NextRule => done.passed.add(self.spaces, class),
            Effect::Settle => walking.settled.add(self.spaces, class),
            Effect::Undefined(cond) => self.undefined(walking, id, cond, class, done),
            Effect::Pend(verdict) => {
                let space = self.lasting(class.space);
                walking.pending.push((id, verdict, space));
                still.add(self.spaces, class);
            }
            Effect::Mark(_)
            | Effect::CtMark(_)
            | Effect::SaveMark(_)
            | Effect::RestoreMark(_)
            | Effect::Forget(_)
            | Effect::Tag(_)
            | Effect::Set(..)
            | Effect::NoTrack
            | Effect::Helper(_)
            | Effect::Nat(_)
            | Effect::KeepState(_) => self.change(&walking.view, id, effect, class, still),
        }
        Ok(())
    }

    /// Nobody knows: the packets are accepted, dropped, or go on with the next rule.
    fn undefined(
        &mut self,
        walking: &mut Walking<'_>,
        id: RuleId,
        cond: CondId,
        class: Class,
        done: &mut Done,
    ) {
        let of = self.identity(&walking.view, &class.ctrl, cond);
        let name = self.flow.rules.condition(cond).name.clone();
        let level = self.spaces.variable(VariableKey { name, of }, 2);
        for (answers, verdict) in [
            (Set::range(0, 1), None),
            (Set::one(2), Some(Verdict::Drop)),
            (Set::one(3), Some(Verdict::Accept)),
        ] {
            let answer = self.spaces.within(level, &answers);
            let space = self.spaces.and(class.space, answer);
            let part = Class { space, ctrl: class.ctrl.clone() };
            match verdict {
                Some(verdict) => self.decide(walking, part, verdict, Decider::Rule(id)),
                None => done.passed.add(self.spaces, part),
            }
        }
    }
}

/// The effects of a map with keys of one field, each with its keys.
fn by_effect(map: &Map) -> Vec<(Effect, Set)> {
    let mut places: FxHashMap<Effect, usize> = FxHashMap::default();
    let mut keys: Vec<(Effect, Vec<(u128, u128)>)> = Vec::new();
    for (lo, hi, entry) in &map.index {
        let effect = map.entries[*entry as usize].effect;
        let at = *places.entry(effect).or_insert_with(|| {
            keys.push((effect, Vec::new()));
            keys.len() - 1
        });
        keys[at].1.push((*lo, *hi));
    }
    keys.into_iter().map(|(effect, keys)| (effect, Set::of(keys))).collect()
}
