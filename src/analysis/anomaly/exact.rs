//! What one rule does, for all packets that it can concern: the flow engine with the rule under watch.

use rustc_hash::{FxHashMap, FxHashSet};

use super::reach::{Course, Reach, seen_otherwise};
use crate::analysis::Decider;
use crate::analysis::flow::{Class, Classes, Ctrl, Expr, Hop, Marks, Passage, TooMuch, Watch};
use crate::analysis::{Flow, flow};
use crate::model::{ChainId, ChainKind, Effect, RuleId, Ruleset, Step, Test, Verdict, Way};
use crate::packet::{Family, Field, Level, Set, Space, Spaces};

/// So much of what was worked out for one rule is kept for the next, in nodes of [`Spaces::size`].
const KEPT: usize = 1_000_000;

/// Questions about single rules of a ruleset.
pub struct Exact<'a> {
    rules: &'a Ruleset,
    reach: &'a Reach,
    /// Says which rules do something.
    acts: Flow<'a>,
    /// Says what packets look like in the end.
    ends: Flow<'a>,
    names: Vec<Set>,
    /// Work for one question about one rule, in steps of [`Spaces`].
    limit: u64,
}

/// Sets of packets that one thread works with.
#[derive(Default)]
pub struct Desk {
    spaces: [Option<Spaces>; 2],
    /// Work done with what was cleared away.
    before: u64,
}

impl Desk {
    /// Work done on it so far.
    pub fn work(&self) -> u64 {
        self.before + self.spaces.iter().flatten().map(Spaces::work).sum::<u64>()
    }
}

/// What comes of leaving a rule out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Without {
    /// Something changes.
    Changes,
    /// Nothing does: other rules do the same, these.
    Same(Vec<RuleId>),
    /// Nothing does, because the policy does the same for some of the packets.
    Policy,
}

impl<'a> Exact<'a> {
    pub fn new(rules: &'a Ruleset, reach: &'a Reach, limit: u64) -> Self {
        // What a rule pends waits for the end of the stage: by then a mark that was overwritten tells packets that
        // met the rule no more from those that did not.
        let pends = rules.all_effects().any(|effect| matches!(effect, Effect::Pend(_)));
        Exact {
            rules,
            reach,
            acts: Flow::of_rules(rules, if pends { Marks::Told } else { Marks::Any }),
            ends: Flow::of_rules(rules, Marks::Told),
            names: Flow::names(rules),
            limit,
        }
    }

    fn spaces<'d>(&self, desk: &'d mut Desk, family: Family) -> &'d mut Spaces {
        let slot = &mut desk.spaces[family as usize];
        if let Some(full) = slot.take_if(|spaces| spaces.size() > KEPT || spaces.exhausted()) {
            desk.before += full.work();
        }
        let spaces = slot.get_or_insert_with(|| Spaces::new(family, self.names.iter().cloned(), self.limit));
        spaces.allow(self.limit);
        spaces
    }

    /// Whether a rule does something for any packet, whatever is not known.
    pub fn acts(&self, desk: &mut Desk, id: RuleId) -> Result<bool, TooMuch> {
        let watched = FxHashSet::from_iter([id]);
        for (family, course) in self.crossings(id.chain) {
            let spaces = self.spaces(desk, family);
            let packets = self.packets(spaces, course, id);
            let mut watch = Watch { rules: Some(&watched), ..Watch::default() };
            self.run(&self.acts, spaces, course, packets, &mut watch)?;
            if watch.acted.values().any(|space| !space.is_none()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether packets come into a chain.
    pub fn enters(&self, desk: &mut Desk, chain: ChainId) -> Result<bool, TooMuch> {
        let watched = FxHashSet::from_iter([chain]);
        for (family, course) in self.crossings(chain) {
            // Through one of its callers: the packets that these are about are enough.
            for caller in &self.reach.of(chain).callers {
                let spaces = self.spaces(desk, family);
                let packets = self.packets(spaces, course, *caller);
                let mut watch = Watch { chains: Some(&watched), ..Watch::default() };
                self.run(&self.acts, spaces, course, packets, &mut watch)?;
                if watch.entered.values().any(|space| !space.is_none()) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The rules that take the packets which a rule would match, where it matches none: those before it in its
    /// chain, the one that takes most first, and no more than are needed.
    pub fn takers(&self, desk: &mut Desk, id: RuleId, before: &[RuleId]) -> Result<Vec<RuleId>, TooMuch> {
        let watched = FxHashSet::from_iter(before.iter().copied());
        let chains = FxHashSet::from_iter([id.chain]);
        let mut found: Vec<RuleId> = Vec::new();
        for (family, course) in self.crossings(id.chain) {
            let spaces = self.spaces(desk, family);
            let packets = self.packets(spaces, course, id);
            let mut watch = Watch { rules: Some(&watched), chains: Some(&chains), ..Watch::default() };
            self.run(&self.acts, spaces, course, packets, &mut watch)?;
            let mut rest = watch.entered.get(&id.chain).copied().unwrap_or(Space::NONE);
            let mut takers: Vec<(RuleId, Space)> = watch.taken.into_iter().collect();
            takers.sort_unstable_by_key(|(id, _)| *id);
            for known in &found {
                if let Some((_, space)) = takers.iter().find(|(id, _)| id == known) {
                    rest = spaces.minus(rest, *space);
                }
            }
            while !rest.is_none() {
                let mut best: Option<(f64, RuleId, Space)> = None;
                for (id, space) in &takers {
                    let part = spaces.and(rest, *space);
                    let share = if part.is_none() { 0.0 } else { spaces.share(part) };
                    if share > best.map_or(0.0, |(share, ..)| share) {
                        best = Some((share, *id, *space));
                    }
                }
                let Some((_, id, space)) = best else { break };
                rest = spaces.minus(rest, space);
                found.push(id);
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// What changes where the rules of `unit` are left out of those that `gone` leaves.
    pub fn without(
        &self,
        desk: &mut Desk,
        unit: &[RuleId],
        gone: &FxHashSet<RuleId>,
    ) -> Result<Without, TooMuch> {
        let watched = FxHashSet::from_iter(unit.iter().copied());
        let mut less = gone.clone();
        less.extend(unit.iter().copied());
        let mut same: Vec<RuleId> = Vec::new();
        let mut policy = false;
        for id in unit {
            for (family, course) in self.crossings(id.chain) {
                let spaces = self.spaces(desk, family);
                let packets = self.packets(spaces, course, *id);
                let mut watch = Watch { without: Some(gone), rules: Some(&watched), ..Watch::default() };
                let with = self.run(&self.ends, spaces, course, packets, &mut watch)?;
                let acted: Vec<Space> = watch.acted.values().copied().collect();
                let acted = spaces.union(acted);
                if acted.is_none() && !spaces.exhausted() {
                    continue;
                }
                let mut watch = Watch { without: Some(&less), ..Watch::default() };
                let without = self.run(&self.ends, spaces, course, packets, &mut watch)?;
                let alike = alike(spaces, &with, &without);
                // What was worked out after the limit was hit is nothing.
                if spaces.exhausted() {
                    return Err(TooMuch);
                }
                if !alike {
                    return Ok(Without::Changes);
                }
                // What the box sends to itself meets other policies before and after.
                policy |= !course.1 && self.by_policy(spaces, &without, acted, id.chain);
                self.deciders(spaces, &without, acted, id.chain, &mut same);
                if spaces.exhausted() {
                    return Err(TooMuch);
                }
            }
        }
        same.sort_unstable();
        same.dedup();
        Ok(if policy { Without::Policy } else { Without::Same(same) })
    }

    /// Whether a policy at one of the stages of a chain decides about some packets.
    fn by_policy(&self, spaces: &mut Spaces, passage: &Passage, packets: Space, chain: ChainId) -> bool {
        let stages = &self.reach.of(chain).stages;
        // What a language does without being told is a policy too.
        let implied = |id: &RuleId| {
            matches!(self.rules.chain(id.chain).kind, ChainKind::ImpliedDeny | ChainKind::SecurityLevels)
        };
        let is_policy = |by: &Decider| match by {
            Decider::Policy(hook, at) => stages.contains(&(*hook, *at)),
            Decider::Rule(id) => implied(id),
            Decider::End => false,
        };
        let refused = passage.refused.iter().filter(|(by, ..)| is_policy(by)).map(|(.., space)| *space);
        let passed = passage.passes.iter().filter(|pass| is_policy(&pass.by)).map(|pass| pass.space);
        let all: Vec<Space> = refused.chain(passed).collect();
        all.into_iter().any(|space| spaces.meets(packets, space))
    }

    /// The rules that decide about some packets at the stages of a chain.
    fn deciders(
        &self,
        spaces: &mut Spaces,
        passage: &Passage,
        packets: Space,
        chain: ChainId,
        found: &mut Vec<RuleId>,
    ) {
        let stages = &self.reach.of(chain).stages;
        let here = |by: &Decider| match by {
            Decider::Rule(id) => {
                let at = &self.reach.of(id.chain).stages;
                at.iter().any(|stage| stages.contains(stage)).then_some(*id)
            }
            Decider::Policy(..) | Decider::End => None,
        };
        let refused = passage.refused.iter().map(|(by, _, space)| (*by, *space));
        let passed = passage.passes.iter().map(|pass| (pass.by, pass.space));
        let all: Vec<(RuleId, Space)> =
            refused.chain(passed).filter_map(|(by, space)| Some((here(&by)?, space))).collect();
        found.extend(all.into_iter().filter(|(_, space)| spaces.meets(packets, *space)).map(|(id, _)| id));
    }

    fn crossings(&self, chain: ChainId) -> Vec<(Family, Course)> {
        let walked = self.reach.of(chain);
        let families = [Family::V4, Family::V6].into_iter().filter(|family| walked.sees(*family));
        families
            .flat_map(|family| walked.courses(self.reach.translates).map(move |course| (family, course)))
            .collect()
    }

    fn run(
        &self,
        flow: &Flow<'_>,
        spaces: &mut Spaces,
        (way, loopback): Course,
        packets: Space,
        watch: &mut Watch<'_>,
    ) -> Result<Passage, TooMuch> {
        let hop = Hop { loopback, ..Hop::first(way) };
        let classes = Classes::one(Class { space: packets, ctrl: Ctrl::new(way) });
        if packets.is_none() {
            return Ok(Passage::default());
        }
        flow.run_watched(spaces, &classes, &hop, watch)
    }

    /// All packets of a course that a rule can concern.
    fn packets(&self, spaces: &mut Spaces, course: Course, id: RuleId) -> Space {
        let mut space = possible(spaces, course);
        let walked = self.reach.of(id.chain);
        let mut fixed = walked.changed;
        fixed.extend(seen_otherwise(course, walked));
        for step in self.rules.steps_of(self.rules.rule(id)) {
            let Step::Test(Test::In { field, values, negate }) = *step else {
                match step {
                    Step::Test(_) => continue,
                    Step::Effect(_) | Step::Lookup(_) => break,
                }
            };
            // No packet has an address of the other family.
            if field.family().is_some_and(|family| family != spaces.family()) {
                return Space::NONE;
            }
            if fixed.has(field) {
                continue;
            }
            let set = self.rules.values(values);
            let mut within = spaces.test(field, &set);
            if negate {
                within = within.not();
            }
            if let Some(carriers) = field.carriers() {
                let carriers = Set::of(carriers.iter().map(|p| (u128::from(*p), u128::from(*p))));
                let present = spaces.test(Field::Proto, &carriers);
                within = spaces.and(within, present);
            }
            space = spaces.and(space, within);
        }
        space
    }
}

/// All packets that there are.
fn possible(spaces: &mut Spaces, (way, _): Course) -> Space {
    let named = Set::range(1, u128::MAX);
    let mut limits = vec![
        (Field::State, Set::range(0, Field::State.last())),
        (Field::PktType, Set::range(0, Field::PktType.last())),
        (Field::TcpMss, Set::range(0, flow::NO_MSS)),
    ];
    if way != Way::Output {
        limits.push((Field::Iif, named.clone()));
    }
    if way != Way::Input {
        limits.push((Field::Oif, named));
    }
    limits.into_iter().fold(Space::ALL, |space, (field, set)| {
        let within = spaces.test(field, &set);
        spaces.and(space, within)
    })
}

/// Whether packets fare alike.
fn alike(spaces: &mut Spaces, one: &Passage, other: &Passage) -> bool {
    let refused = |spaces: &mut Spaces, passage: &Passage| -> FxHashMap<Verdict, Space> {
        let mut all: FxHashMap<Verdict, Space> = FxHashMap::default();
        for (_, verdict, space) in &passage.refused {
            let known = all.entry(*verdict).or_insert(Space::NONE);
            *known = spaces.or(*known, *space);
        }
        all
    };
    if refused(spaces, one) != refused(spaces, other) {
        return false;
    }
    let helpers = |passage: &Passage| -> FxHashMap<_, Space> {
        passage.helpers.iter().filter(|(_, space)| !space.is_none()).copied().collect()
    };
    helpers(one) == helpers(other)
        && one.known == other.known
        && passed(spaces, one, other) == passed(spaces, other, one)
}

/// Those that passed, by what was done to them. A mark that was written and is what it was is the same mark: packets
/// that came with one which either side writes count among those for which it is written.
fn passed(spaces: &mut Spaces, one: &Passage, other: &Passage) -> FxHashMap<Ctrl, Space> {
    let written = spaces.level(Field::Mark).map(|level| (level, written(spaces, level, [one, other])));
    let mut passed: FxHashMap<Ctrl, Space> = FxHashMap::default();
    let mut add = |spaces: &mut Spaces, ctrl: Ctrl, space: Space| {
        if !space.is_none() {
            let known = passed.entry(ctrl).or_insert(Space::NONE);
            *known = spaces.or(*known, space);
        }
    };
    for class in one.passed.iter() {
        let mut rest = class.space;
        if let (Some((own, marks)), Some(Expr::At(level, 0))) =
            (&written, class.ctrl.expr(spaces, Field::Mark))
            && level != *own
        {
            let mut ctrl = class.ctrl.clone();
            ctrl.clear(Field::Mark);
            for mark in marks {
                let [came, is] = [level, *own].map(|level| spaces.within(level, &Set::one(*mark)));
                let part = spaces.and(rest, came);
                rest = spaces.minus(rest, came);
                let part = spaces.and(part, is);
                add(spaces, ctrl.clone(), part);
            }
        }
        add(spaces, class.ctrl.clone(), rest);
    }
    passed
}

/// The marks that rules wrote, where they are few.
fn written(spaces: &mut Spaces, own: Level, passages: [&Passage; 2]) -> Vec<u128> {
    const FEW: usize = 16;
    let mut marks = Vec::new();
    for class in passages.iter().flat_map(|passage| passage.passed.iter()) {
        if class.ctrl.expr(spaces, Field::Mark) == Some(Expr::At(own, 0)) {
            let hull = spaces.hull(class.space, own);
            marks.extend(hull.ranges().iter().flat_map(|(lo, hi)| *lo..=*hi).take(FEW));
        }
    }
    marks.sort_unstable();
    marks.dedup();
    marks.truncate(FEW);
    marks
}
