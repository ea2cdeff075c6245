//! What one rule does, for all packets that it can concern: the flow engine with the rule under watch.

use rustc_hash::{FxHashMap, FxHashSet};

use super::at_once::AtOnce;
use super::reach::{Course, Reach, seen_otherwise};
use crate::analysis::Decider;
use crate::analysis::flow::{Class, Classes, Ctrl, Hop, Passage, TooMuch, Watch};
use crate::analysis::{Flow, flow};
use crate::model::{ChainId, RuleId, Ruleset, Step, Test, Verdict, Way};
use crate::packet::{Family, Field, Level, Set, Space, Spaces};

/// So much of what was worked out for one rule is kept for the next, in nodes of [`Spaces::size`].
const KEPT: usize = 1_000_000;

/// Questions about single rules of a ruleset.
pub(super) struct Exact<'a> {
    rules: &'a Ruleset,
    reach: &'a Reach,
    flow: Flow<'a>,
    names: Vec<Set>,
    /// Work for one question about one rule, in steps of [`Spaces`].
    limit: u64,
}

/// Sets of packets that one thread works with.
#[derive(Default)]
pub(super) struct Desk {
    spaces: [Option<Spaces>; 2],
    /// Work done with what was cleared away.
    before: u64,
    /// What is known of all rules.
    all: Option<AtOnce>,
}

impl Desk {
    /// Work done on it so far.
    pub(super) fn work(&self) -> u64 {
        let all = self.all.as_ref().map_or(0, AtOnce::work);
        self.before + all + self.spaces.iter().flatten().map(Spaces::work).sum::<u64>()
    }
}

/// Who takes the packets that a rule would match.
#[derive(Default)]
pub(super) struct Takers {
    /// Rules before it, as few as suffice.
    pub by: Vec<RuleId>,
    /// Some of those packets do not come to its chain.
    pub elsewhere: bool,
}

/// What comes of leaving a rule out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Without {
    /// Something changes.
    Changes,
    /// Nothing does: other rules do the same, these.
    Same(Vec<RuleId>),
    /// Nothing does, because the policy does the same for some of the packets.
    Policy,
}

impl<'a> Exact<'a> {
    pub(super) fn new(rules: &'a Ruleset, reach: &'a Reach, limit: u64) -> Self {
        Exact { rules, reach, flow: Flow::of_rules(rules), names: Flow::names(rules), limit }
    }

    /// Sets the work for one question.
    pub(super) fn allow(&mut self, limit: u64) {
        self.limit = limit;
    }

    fn spaces<'d>(&self, desk: &'d mut Desk, family: Family) -> &'d mut Spaces {
        let slot = &mut desk.spaces[family as usize];
        if let Some(full) = slot.take_if(|spaces| spaces.size() > KEPT || spaces.exhausted()) {
            desk.before += full.work();
        }
        let spaces = slot.get_or_insert_with(|| self.store(family));
        spaces.allow(self.limit);
        spaces
    }

    /// A store for the packets of a family.
    pub(super) fn store(&self, family: Family) -> Spaces {
        Spaces::new(family, self.names.iter().cloned(), self.limit)
    }

    /// Looks at what all of some rules do, and at what comes into chains, so that it need not be asked rule by rule.
    pub(super) fn look_at_all(
        &self,
        desk: &mut Desk,
        rules: &FxHashSet<RuleId>,
        chains: &FxHashSet<ChainId>,
    ) -> Result<(), TooMuch> {
        let mut all = AtOnce::new(self);
        let looked = all.look(self, rules, chains);
        match looked {
            Ok(()) => desk.all = Some(all),
            Err(TooMuch) => desk.before += all.work(),
        }
        looked
    }

    /// Whether a rule does something for any packet, whatever is not known.
    pub(super) fn acts(&self, desk: &mut Desk, id: RuleId) -> Result<bool, TooMuch> {
        if let Some(all) = &mut desk.all {
            return all.acts(id, self.limit);
        }
        let watched = FxHashSet::from_iter([id]);
        for (family, course) in self.crossings(id.chain) {
            let spaces = self.spaces(desk, family);
            let packets = self.packets(spaces, course, id);
            let mut watch = Watch { rules: Some(&watched), ..Watch::default() };
            self.run(spaces, course, packets, &mut watch)?;
            if watch.acted.values().any(|noted| noted.is_any(spaces)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether packets come into a chain.
    pub(super) fn enters(&self, desk: &mut Desk, chain: ChainId) -> Result<bool, TooMuch> {
        if let Some(all) = &desk.all {
            return Ok(all.enters(chain));
        }
        let watched = FxHashSet::from_iter([chain]);
        for (family, course) in self.crossings(chain) {
            // Through one of its callers: the packets that these are about are enough.
            for caller in &self.reach.of(chain).callers {
                let spaces = self.spaces(desk, family);
                let packets = self.packets(spaces, course, *caller);
                let mut watch = Watch { chains: Some(&watched), ..Watch::default() };
                self.run(spaces, course, packets, &mut watch)?;
                if watch.entered.values().any(|space| !space.is_none()) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The rules that take the packets which a rule would match, where it matches none: those before it in its
    /// chain, the one that takes most first, and no more than are needed.
    pub(super) fn takers(&self, desk: &mut Desk, id: RuleId, before: &[RuleId]) -> Result<Takers, TooMuch> {
        let mut found = Takers::default();
        if let Some(all) = &mut desk.all {
            let mut exhausted = false;
            all.taken(id.chain, before, |spaces, course, entered, takers| {
                spaces.allow(self.limit);
                let packets = self.packets(spaces, course, id);
                found.add(spaces, packets, entered, takers);
                exhausted |= spaces.exhausted();
            });
            found.by.sort_unstable();
            return if exhausted { Err(TooMuch) } else { Ok(found) };
        }
        let watched = FxHashSet::from_iter(before.iter().copied());
        let chains = FxHashSet::from_iter([id.chain]);
        for (family, course) in self.crossings(id.chain) {
            let spaces = self.spaces(desk, family);
            let packets = self.packets(spaces, course, id);
            let mut watch = Watch { rules: Some(&watched), chains: Some(&chains), ..Watch::default() };
            self.run(spaces, course, packets, &mut watch)?;
            let entered = watch.entered.get(&id.chain).copied().unwrap_or(Space::NONE);
            let takers = watch.taken.iter().map(|(id, noted)| (*id, noted.all(spaces)));
            let mut takers: Vec<(RuleId, Space)> = takers.collect();
            takers.sort_unstable_by_key(|(id, _)| *id);
            found.add(spaces, packets, entered, takers);
        }
        found.by.sort_unstable();
        Ok(found)
    }

    /// What changes where the rules of `unit` are left out of those that `gone` leaves.
    pub(super) fn without(
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
                let with = self.run(spaces, course, packets, &mut watch)?;
                let acted: Vec<Space> = watch.acted.values().map(|noted| noted.all(spaces)).collect();
                let acted = spaces.union(acted);
                if acted.is_none() && !spaces.exhausted() {
                    continue;
                }
                let mut watch = Watch { without: Some(&less), ..Watch::default() };
                let without = self.run(spaces, course, packets, &mut watch)?;
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
        let is_policy = |by: &Decider| match by {
            Decider::Policy(hook, at) => stages.contains(&(*hook, *at)),
            Decider::Rule(id) => self.rules.chain(id.chain).kind.is_policy(),
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

    pub(super) fn crossings(&self, chain: ChainId) -> Vec<(Family, Course)> {
        let walked = self.reach.of(chain);
        let families = [Family::V4, Family::V6].into_iter().filter(|family| walked.sees(*family));
        families
            .flat_map(|family| walked.courses(self.reach.translates).map(move |course| (family, course)))
            .collect()
    }

    fn run(
        &self,
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
        self.flow.run_watched(spaces, &classes, &hop, watch)
    }

    /// Sends all packets of a course.
    pub(super) fn run_all(
        &self,
        spaces: &mut Spaces,
        course: Course,
        watch: &mut Watch<'_>,
    ) -> Result<Passage, TooMuch> {
        let packets = possible(spaces, course);
        self.run(spaces, course, packets, watch)
    }

    /// All packets of a course that a rule can concern.
    fn packets(&self, spaces: &mut Spaces, course: Course, id: RuleId) -> Space {
        let mut space = possible(spaces, course);
        let walked = self.reach.of(id.chain);
        let mut fixed = if course.0 == Way::Output { walked.changed_round } else { walked.changed };
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
            if let Some(carriers) = field.carrier_set() {
                let present = spaces.test(Field::Proto, &carriers);
                within = spaces.and(within, present);
            }
            space = spaces.and(space, within);
        }
        space
    }
}

impl Takers {
    /// Adds the rules that take packets which come to the chain, the one that takes most first, and no more than are
    /// needed.
    fn add(&mut self, spaces: &mut Spaces, packets: Space, entered: Space, takers: Vec<(RuleId, Space)>) {
        let rest = spaces.and(entered, packets);
        self.elsewhere |= rest != packets;
        let rest = self.pick(spaces, rest, &takers);
        if rest.is_none() {
            return;
        }
        // They came with other marks than those that rules of the chain have given them.
        const MARKS: [Field; 3] = [Field::Mark, Field::CtMark, Field::Tag];
        let marks: Vec<Level> = MARKS.iter().filter_map(|field| spaces.level(*field)).collect();
        let takers: Vec<(RuleId, Space)> =
            takers.into_iter().map(|(id, space)| (id, spaces.without(space, &marks))).collect();
        self.pick(spaces, rest, &takers);
    }

    /// Adds the rules that take some packets; gives back those that none takes.
    fn pick(&mut self, spaces: &mut Spaces, mut rest: Space, takers: &[(RuleId, Space)]) -> Space {
        for known in self.by.iter() {
            if let Some((_, space)) = takers.iter().find(|(id, _)| id == known) {
                rest = spaces.minus(rest, *space);
            }
        }
        while !rest.is_none() {
            let mut best: Option<(f64, RuleId, Space)> = None;
            for (id, space) in takers {
                let part = spaces.and(rest, *space);
                let share = if part.is_none() { 0.0 } else { spaces.share(part) };
                if share > best.map_or(0.0, |(share, ..)| share) {
                    best = Some((share, *id, *space));
                }
            }
            let Some((_, id, space)) = best else { break };
            rest = spaces.minus(rest, space);
            self.by.push(id);
        }
        rest
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
    helpers(one) == helpers(other) && one.known == other.known && passed(spaces, one) == passed(spaces, other)
}

/// Those that passed, by what was done to them.
fn passed(spaces: &mut Spaces, passage: &Passage) -> FxHashMap<Ctrl, Space> {
    let mut passed: FxHashMap<Ctrl, Space> = FxHashMap::default();
    for class in passage.passed.iter().filter(|class| !class.space.is_none()) {
        let known = passed.entry(class.ctrl.clone()).or_insert(Space::NONE);
        *known = spaces.or(*known, class.space);
    }
    passed
}
