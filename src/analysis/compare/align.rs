//! Where two rulesets can differ: equal rules are put side by side, and what is left says which packets have to
//! be looked at. A packet that meets none of the rules that one side has alone fares alike on both.

use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHashSet};
use similar::{Algorithm, DiffOp, capture_diff_slices_deadline};

use super::shape::{Name, Shaped, Shapes, Target, callees_first, name_of, shaped};
use crate::model::{ChainId, Effect, Hook, Rule, RuleId, Ruleset, Stage, StageKind, Step, Test, Way};
use crate::packet::{Field, Set, Space, Spaces};

/// Time for putting rules side by side; what is not found to be equal by then is looked at.
const PATIENCE: Duration = Duration::from_millis(400);
/// With more rules that differ, and more than half of all, all packets are looked at.
const FEW_CHANGES: usize = 2000;

/// The rules of either side that the other has not, old and new; `None` where all packets have to be looked at.
pub(super) struct Changes {
    lone: Option<[Vec<(ChainId, u32)>; 2]>,
}

impl Changes {
    /// Puts two rulesets side by side.
    pub(super) fn of(old: &Ruleset, new: &Ruleset) -> Changes {
        Changes { lone: lone_rules(old, new) }
    }

    /// Whether nothing differs that could decide about packets.
    pub(super) fn is_nothing(&self) -> bool {
        self.lone.as_ref().is_some_and(|[old, new]| old.is_empty() && new.is_empty())
    }

    /// Sets of packets, apart from each other, among which all are that fare differently.
    pub(super) fn packets(&self, spaces: &mut Spaces, [old, new]: [&Ruleset; 2], way: Way) -> Vec<Space> {
        let Some(lone) = &self.lone else { return vec![Space::ALL] };
        let mut parts = Vec::new();
        for (rules, lone) in [old, new].into_iter().zip(lone) {
            if !lone.is_empty() {
                Reach::of(rules, way, spaces).lone(spaces, lone, &mut parts);
            }
        }
        apart(spaces, parts)
    }
}

/// The same packets, none of them twice.
fn apart(spaces: &mut Spaces, parts: Vec<Space>) -> Vec<Space> {
    const FEW: usize = 64;
    let parts = if parts.len() > FEW { vec![spaces.union(parts)] } else { parts };
    let mut seen = Space::NONE;
    let mut done = Vec::new();
    for part in parts {
        let fresh = spaces.minus(part, seen);
        seen = spaces.or(seen, part);
        if !fresh.is_none() {
            done.push(fresh);
        }
    }
    done
}

fn lone_rules(old: &Ruleset, new: &Ruleset) -> Option<[Vec<(ChainId, u32)>; 2]> {
    let about_box =
        |rules: &Ruleset| (rules.own.clone(), rules.elsewhere.clone(), rules.stateful, keeps_by_rule(rules));
    if about_box(old) != about_box(new) {
        return None;
    }
    let names = [old, new].map(names_once);
    let mut once: [FxHashMap<Name<'_>, ChainId>; 2] = Default::default();
    for (name, id) in &names[0] {
        if let Some(other) = names[1].get(name) {
            once[0].insert(*name, *id);
            once[1].insert(*name, *other);
        }
    }
    let mut shapes = Shapes::default();
    let old_shapes = shaped(&mut shapes, old, &once[0]);
    let new_shapes = shaped(&mut shapes, new, &once[1]);
    let mut pairs: FxHashSet<(ChainId, ChainId)> =
        once[0].iter().map(|(name, id)| (*id, once[1][name])).collect();
    let mut lone: [Vec<(ChainId, u32)>; 2] = Default::default();
    for hook in HOOKS {
        stages([old, new], hook, [&old_shapes, &new_shapes], &mut pairs, &mut lone)?;
    }
    let by = Instant::now() + PATIENCE;
    let mut pairs: Vec<(ChainId, ChainId)> = pairs.into_iter().collect();
    pairs.sort_unstable();
    for (a, b) in pairs {
        differing(
            (&old_shapes.chains[a.0 as usize], a),
            (&new_shapes.chains[b.0 as usize], b),
            by,
            &mut lone,
        );
    }
    for lone in &mut lone {
        lone.sort_unstable();
        lone.dedup();
    }
    let few = FEW_CHANGES.max((old.rules() + new.rules()) / 4);
    (lone[0].len() + lone[1].len() <= few).then_some(lone)
}

/// Whether two rulesets are the same but for some rules of each.
pub fn is_without(old: &Ruleset, new: &Ruleset, but: [&FxHashSet<RuleId>; 2]) -> bool {
    let same_chains = old.chains.len() == new.chains.len()
        && old.chains.iter().zip(&new.chains).all(|(a, b)| a.name == b.name && a.kind == b.kind);
    let about_box =
        |rules: &Ruleset| (rules.own.clone(), rules.elsewhere.clone(), rules.stateful, keeps_by_rule(rules));
    if !same_chains || about_box(old) != about_box(new) {
        return false;
    }
    let once = old.chains.iter().zip(0..).map(|(chain, at)| (name_of(chain), ChainId(at)));
    let once: FxHashMap<Name<'_>, ChainId> = once.collect();
    let mut shapes = Shapes::default();
    let [a, b] = [old, new].map(|rules| shaped(&mut shapes, rules, &once));
    let decides = |stage: &Stage| {
        (stage.chain, stage.kind, stage.v4, stage.v6, stage.before_tracking, stage.policy, stage.priority)
    };
    let same_stages = HOOKS
        .iter()
        .all(|hook| old.stages(*hook).iter().map(decides).eq(new.stages(*hook).iter().map(decides)));
    let same_rules = |at: usize| {
        let stays = |side: usize, index: usize| {
            !but[side].contains(&RuleId { chain: ChainId(at as u32), index: index as u32 })
        };
        let shown = |rules: &Ruleset, shapes: &Shaped, index: usize| {
            let steps = rules.steps_of(&rules.chains[at].rules[index]);
            let to: Vec<ChainId> = steps.iter().filter_map(jump).collect();
            (shapes.chains[at][index], to)
        };
        let left = (0..a.chains[at].len()).filter(|index| stays(0, *index));
        let right = (0..b.chains[at].len()).filter(|index| stays(1, *index));
        left.map(|index| shown(old, &a, index)).eq(right.map(|index| shown(new, &b, index)))
    };
    same_stages && (0..old.chains.len()).all(same_rules)
}

/// The chain that a step leads to: of two of one name, which one.
fn jump(step: &Step) -> Option<ChainId> {
    match step {
        Step::Effect(effect) => effect.leads_to(),
        Step::Test(_) | Step::Lookup(_) => None,
    }
}

const HOOKS: [Hook; 5] = [Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting];

fn keeps_by_rule(rules: &Ruleset) -> bool {
    rules.all_effects().any(|effect| matches!(effect, Effect::KeepState(_)))
}

/// The chains whose name no other of their kind has.
fn names_once(rules: &Ruleset) -> FxHashMap<Name<'_>, ChainId> {
    let mut found: FxHashMap<Name<'_>, Option<ChainId>> = FxHashMap::default();
    for (at, chain) in rules.chains.iter().enumerate() {
        found.entry(name_of(chain)).and_modify(|known| *known = None).or_insert(Some(ChainId(at as u32)));
    }
    found.into_iter().filter_map(|(name, id)| Some((name, id?))).collect()
}

/// What has to be equal for two stages to stand side by side.
fn key(stage: &Stage, shapes: &Shaped) -> (StageKind, bool, bool, bool, Target) {
    let target = shapes.targets[stage.chain.0 as usize];
    (stage.kind, stage.v4, stage.v6, stage.before_tracking, target)
}

/// Puts the stages of a hook side by side. A stage that one side has alone is as good as one without rules there,
/// where its policy accepts; `None` where a policy is another one.
fn stages(
    [old, new]: [&Ruleset; 2],
    hook: Hook,
    [old_shapes, new_shapes]: [&Shaped; 2],
    pairs: &mut FxHashSet<(ChainId, ChainId)>,
    lone: &mut [Vec<(ChainId, u32)>; 2],
) -> Option<()> {
    let accepts = |stage: &Stage| stage.policy == crate::model::Verdict::Accept;
    let mut left: Vec<&Stage> = new.stages(hook).iter().collect();
    for stage in old.stages(hook) {
        // The first that fits: what stands between is taken as standing alone.
        let found = left.iter().position(|other| key(other, new_shapes) == key(stage, old_shapes));
        let Some(at) = found else {
            alone(old, stage.chain, &mut lone[0]);
            accepts(stage).then_some(())?;
            continue;
        };
        let other = left[at];
        for skipped in left.drain(..=at).take(at) {
            alone(new, skipped.chain, &mut lone[1]);
            accepts(skipped).then_some(())?;
        }
        (other.policy == stage.policy).then_some(())?;
        pairs.insert((stage.chain, other.chain));
    }
    for stage in left {
        alone(new, stage.chain, &mut lone[1]);
        accepts(stage).then_some(())?;
    }
    Some(())
}

/// All rules of a chain stand alone. Rules of chains that it jumps to are met through its own.
fn alone(rules: &Ruleset, chain: ChainId, lone: &mut Vec<(ChainId, u32)>) {
    lone.extend((0..rules.chain(chain).rules.len() as u32).map(|index| (chain, index)));
}

/// The rules of two chains that are not found in the other one, in order.
fn differing(
    (old, a): (&[u32], ChainId),
    (new, b): (&[u32], ChainId),
    by: Instant,
    lone: &mut [Vec<(ChainId, u32)>; 2],
) {
    let start = old.iter().zip(new).take_while(|(x, y)| x == y).count();
    let (old_rest, new_rest) = (&old[start..], &new[start..]);
    let end = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(x, y)| x == y).count();
    let (old_mid, new_mid) = (&old_rest[..old_rest.len() - end], &new_rest[..new_rest.len() - end]);
    if old_mid.is_empty() && new_mid.is_empty() {
        return;
    }
    for op in capture_diff_slices_deadline(Algorithm::Myers, old_mid, new_mid, Some(by)) {
        if let DiffOp::Equal { .. } = op {
            continue;
        }
        let (_, from, to) = op.as_tag_tuple();
        lone[0].extend(from.map(|at| (a, (start + at) as u32)));
        lone[1].extend(to.map(|at| (b, (start + at) as u32)));
    }
}

/// Which packets can come to the rules of a ruleset, at the most.
struct Reach<'r> {
    rules: &'r Ruleset,
    way: Way,
    /// For each chain the packets that come to it.
    chains: Vec<Space>,
    /// For each chain how early and how late it is walked: what it rewrites does not matter before, and what others
    /// rewrite later does not matter to it.
    earliest: Vec<u8>,
    latest: Vec<u8>,
    /// Packets of which a field may have been rewritten by a rule that is walked so early.
    rewritten: FxHashMap<Field, [Space; 3]>,
    /// Whether rules see the connection state as the packets have it.
    plain_state: bool,
}

/// The place of the last hooks.
const LAST: u8 = 2;

/// How late a hook comes on its way.
fn place(hook: Hook) -> u8 {
    match hook {
        Hook::Prerouting | Hook::Output => 0,
        Hook::Input | Hook::Forward => 1,
        Hook::Postrouting => LAST,
    }
}

impl<'r> Reach<'r> {
    fn of(rules: &'r Ruleset, way: Way, spaces: &mut Spaces) -> Self {
        let chains = rules.chains.len();
        let untracks = rules.all_effects().any(|effect| effect == Effect::NoTrack);
        let blind = |stage: &Stage| stage.before_tracking && !rules.chain(stage.chain).rules.is_empty();
        let mut reach = Reach {
            rules,
            way,
            chains: vec![Space::NONE; chains],
            earliest: vec![LAST; chains],
            latest: vec![0; chains],
            rewritten: FxHashMap::default(),
            plain_state: !untracks && !rules.hooks.iter().flatten().any(blind),
        };
        // Translation on the way can lead from each way to the other one.
        for hook in HOOKS {
            for stage in rules.stages(hook).iter().filter(|stage| stage.sees(spaces.family())) {
                let at = stage.chain.0 as usize;
                reach.chains[at] = Space::ALL;
                // What the box sends to itself comes in again after it went out.
                let late = if way == Way::Output { LAST } else { place(hook) };
                reach.latest[at] = reach.latest[at].max(late);
                reach.earliest[at] = reach.earliest[at].min(place(hook));
            }
        }
        let order = callees_first(rules);
        for id in order.iter().rev() {
            let (early, late) = (reach.earliest[id.0 as usize], reach.latest[id.0 as usize]);
            for rule in &rules.chain(*id).rules {
                for target in rules.led_to(rule) {
                    let at = target.0 as usize;
                    reach.earliest[at] = reach.earliest[at].min(early);
                    reach.latest[at] = reach.latest[at].max(late);
                }
            }
        }
        // What is rewritten first is rewritten by a rule that sees packets as they came.
        reach.fill(spaces, &order);
        reach.note_rewriting(spaces);
        if !reach.rewritten.is_empty() {
            reach.fill(spaces, &order);
        }
        reach
    }

    /// Works out which packets come to chains that others jump to.
    fn fill(&mut self, spaces: &mut Spaces, order: &[ChainId]) {
        for id in order.iter().rev() {
            let here = self.chains[id.0 as usize];
            if here.is_none() {
                continue;
            }
            for rule in &self.rules.chain(*id).rules {
                let mut jumps = self.rules.led_to(rule).peekable();
                if jumps.peek().is_none() {
                    continue;
                }
                let head = self.head(spaces, *id, rule);
                let part = spaces.and(here, head);
                for target in jumps {
                    let known = &mut self.chains[target.0 as usize];
                    *known = spaces.or(*known, part);
                }
            }
        }
    }

    fn note_rewriting(&mut self, spaces: &mut Spaces) {
        let family = spaces.family();
        let mut found: FxHashMap<Field, [Vec<Space>; 3]> = FxHashMap::default();
        for (at, chain) in self.rules.chains.iter().enumerate() {
            let (here, earliest) = (self.chains[at], self.earliest[at]);
            for rule in &chain.rules {
                let fields = rewrites(self.rules, rule, family);
                if fields.is_empty() {
                    continue;
                }
                let head = self.head(spaces, ChainId(at as u32), rule);
                let part = spaces.and(here, head);
                for field in fields {
                    for later in earliest..=LAST {
                        found.entry(field).or_default()[later as usize].push(part);
                    }
                }
            }
        }
        for (field, parts) in found {
            let parts = parts.map(|parts| spaces.union(parts));
            self.rewritten.insert(field, parts);
        }
    }

    /// The packets that rules which stand alone can decide about.
    fn lone(&self, spaces: &mut Spaces, lone: &[(ChainId, u32)], parts: &mut Vec<Space>) {
        for (chain, index) in lone {
            let rule = &self.rules.chain(*chain).rules[*index as usize];
            let head = self.head(spaces, *chain, rule);
            let part = spaces.and(self.chains[chain.0 as usize], head);
            if !part.is_none() && !parts.contains(&part) {
                parts.push(part);
            }
        }
    }

    /// The packets that can match a rule up to the first thing that it does, at the most.
    fn head(&self, spaces: &mut Spaces, chain: ChainId, rule: &Rule) -> Space {
        let mut head = Space::ALL;
        for step in self.rules.steps_of(rule) {
            let Step::Test(test) = step else { break };
            let can = self.can_match(spaces, chain, test);
            head = spaces.and(head, can);
        }
        head
    }

    fn can_match(&self, spaces: &mut Spaces, chain: ChainId, test: &Test) -> Space {
        match *test {
            Test::Never => Space::NONE,
            Test::In { field, values, negate } => {
                if !self.is_plain(field, negate) {
                    return Space::ALL;
                }
                let Some(level) = spaces.level(field) else { return self.moved(chain, field) };
                let set = self.rules.values(values);
                let set = if negate { set.not().and(&Set::range(0, level.last())) } else { set };
                let within = if negate && matches!(field, Field::Iif | Field::Oif) {
                    Space::ALL
                } else {
                    spaces.within(level, &set)
                };
                let moved = self.moved(chain, field);
                spaces.or(within, moved)
            }
            Test::Masked { field, mask, values, negate } => {
                if negate || !self.is_plain(field, negate) {
                    return Space::ALL;
                }
                let Some(level) = spaces.level(field) else { return Space::NONE };
                let within =
                    spaces.masked(level, self.rules.masks[mask as usize], &self.rules.values(values));
                let moved = self.moved(chain, field);
                spaces.or(within, moved)
            }
            Test::Tuple { tuples, negate: false } => {
                let tuples = self.rules.tuple(tuples);
                let mut parts = Vec::with_capacity(tuples.boxes.len());
                for sides in &tuples.boxes {
                    let mut product = Space::ALL;
                    for (field, side) in tuples.fields.iter().zip(sides) {
                        let (Some(set), true) = (side, self.is_plain(*field, false)) else { continue };
                        let within = spaces.test(*field, set);
                        let moved = self.moved(chain, *field);
                        let can = spaces.or(within, moved);
                        product = spaces.and(product, can);
                    }
                    parts.push(product);
                }
                spaces.union(parts)
            }
            Test::Tuple { negate: true, .. } | Test::Unknown { .. } => Space::ALL,
        }
    }

    /// Whether rules see a field as the packets came with it, but where another rule has rewritten it.
    fn is_plain(&self, field: Field, negate: bool) -> bool {
        match field {
            Field::State => self.plain_state,
            // At some hooks there is no such interface, and packets to the box itself have others.
            Field::Iif | Field::Oif => !negate && self.way != Way::Output,
            Field::Src4
            | Field::Dst4
            | Field::Src6
            | Field::Dst6
            | Field::Proto
            | Field::Sport
            | Field::Dport
            | Field::IcmpType
            | Field::IcmpCode
            | Field::TcpFlags
            | Field::Dscp
            | Field::Length
            | Field::SrcMac
            | Field::Ext
            | Field::PktType
            | Field::Spi
            | Field::Ecn => true,
            Field::OrigSrc4
            | Field::OrigDst4
            | Field::OrigSrc6
            | Field::OrigDst6
            | Field::OrigSport
            | Field::OrigDport
            | Field::Dnat
            | Field::Snat
            | Field::Direction
            | Field::Mark
            | Field::CtMark
            | Field::Tag
            | Field::Version
            | Field::Ttl
            | Field::TcpMss => false,
        }
    }

    /// The packets whose field may have been rewritten before a chain sees them.
    fn moved(&self, chain: ChainId, field: Field) -> Space {
        let latest = self.latest[chain.0 as usize];
        self.rewritten.get(&field).map_or(Space::NONE, |parts| parts[latest as usize])
    }
}

/// The fields that a rule rewrites.
fn rewrites(rules: &Ruleset, rule: &Rule, family: crate::packet::Family) -> Vec<Field> {
    let mut fields = Vec::new();
    rules.effects(rules.steps_of(rule)).for_each(|effect| match effect {
        Effect::Nat(nat) if rules.nat(nat).destination => {
            fields.extend([Field::dst(family), Field::Dport, Field::Oif, Field::Iif]);
        }
        Effect::Nat(_) => fields.extend([Field::src(family), Field::Sport]),
        Effect::Forget(field) | Effect::Set(field, _) => fields.push(field),
        _ => {}
    });
    fields
}
