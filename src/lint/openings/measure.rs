//! What rules let through after those before them.

use rustc_hash::{FxHashMap, FxHashSet};

use super::sides::Sides;
use super::{Candidate, LIMIT, Lens, NEARLY_ALL, Opening};
use crate::analysis::Decider;
use crate::analysis::flow::{Class, Classes, Ctrl, Hop, NO_MSS, Passage, Watch};
use crate::judge::Witness;
use crate::model::{
    ChainId, Effect, Hook, Rule, RuleId, Ruleset, Stage, StageKind, Step, Test, Verdict, Way,
};
use crate::packet::{Family, Field, Level, Set, Space, Spaces, State, proto};
use crate::site::{ZoneId, unicast};

/// Work for the openings of one rule, where all at once were too much.
const RULE_LIMIT: u64 = 1_000_000;
/// So much of what was worked out for one rule is kept for the next, in nodes of [`Spaces::size`].
const KEPT: usize = 1_000_000;
/// Maps with more entries are not looked through for ones that accept.
const LOOKED_THROUGH: usize = 64;

/// More rules are never looked at all at once: each takes some hundred steps.
pub(super) const MOST_AT_ONCE: usize = 20_000;

/// What became of the packets of a way.
struct Through<'p> {
    passage: &'p Passage,
    /// The packets that leave for the outside.
    outwards: Space,
    way: Way,
}

impl Lens<'_, '_> {
    /// What the candidates let through of a family on a way, after the rules before them; and which of them
    /// have more cases than are followed.
    pub(super) fn measure(
        &self,
        family: Family,
        way: Way,
        candidates: &[Candidate],
        openings: &mut [Vec<Opening>],
        given_up: &mut Vec<usize>,
    ) {
        let rules = &self.firewall.rules;
        let naming = naming(rules, family, way);
        if !candidates.iter().any(|candidate| naming.contains(&candidate.id.chain)) {
            return;
        }
        if rules.rules() <= MOST_AT_ONCE {
            let mut spaces = self.store(family, LIMIT);
            let all = self.measured_by(&mut spaces, way);
            let found = self.measured(&mut spaces, all, way, candidates);
            self.charge(&spaces, 0);
            if let Some(found) = found {
                return found.into_iter().for_each(|(at, found)| openings[at].extend(found));
            }
        }
        let mut kept: Option<(Spaces, Space)> = None;
        for (at, candidate) in candidates.iter().enumerate().filter(|(_, of)| naming.contains(&of.id.chain)) {
            let (mut spaces, all) =
                kept.take().filter(|(spaces, _)| spaces.size() <= KEPT).unwrap_or_else(|| {
                    let mut spaces = self.store(family, RULE_LIMIT);
                    let all = self.measured_by(&mut spaces, way);
                    (spaces, all)
                });
            let before = spaces.work();
            spaces.allow(RULE_LIMIT.min(self.left.get()));
            let looked_for = self.looked_for(&mut spaces, candidate.id, &self.changed);
            let looked_for = spaces.and(all, looked_for);
            match self.measured(&mut spaces, looked_for, way, std::slice::from_ref(candidate)) {
                Some(found) => openings[at].extend(found.into_iter().flat_map(|(_, found)| found)),
                None => given_up.push(at),
            }
            self.charge(&spaces, before);
            kept = Some((spaces, all));
        }
    }

    /// What candidates let through of some packets, each by its place; `None` where there are more cases than are
    /// followed.
    fn measured(
        &self,
        spaces: &mut Spaces,
        all: Space,
        way: Way,
        candidates: &[Candidate],
    ) -> Option<Vec<(usize, Vec<Opening>)>> {
        let places: FxHashMap<RuleId, usize> =
            candidates.iter().enumerate().map(|(at, candidate)| (candidate.id, at)).collect();
        let named = places.keys().copied().collect();
        let watch = Watch { named: Some(&named), ..Watch::default() };
        let passage = self.run(spaces, all, way, watch)?;
        let passed = passage.passed.union(spaces);
        let passed = spaces.as_came(passed);
        let mut found = Vec::new();
        let decided = decided(spaces, &passage, passed);
        let through = Through { passage: &passage, outwards: self.outwards(spaces), way };
        let mut passed_by_rules = None;
        for (by, space) in &decided {
            let Decider::Rule(id) = *by else { continue };
            let Some(at) = places.get(&id).copied() else { continue };
            let (certain, lists) = certainly(spaces, all, *space);
            let mut openings = Vec::new();
            for protocol in [proto::TCP, proto::UDP] {
                let of = spaces.test(Field::Proto, &Set::one(protocol.into()));
                let part = spaces.and(certain, of);
                if !part.is_none() {
                    let first = openings.len();
                    self.opened(spaces, part, protocol, &through, &mut openings);
                    if openings.len() > first {
                        let sides = self.sides(spaces, part, way);
                        openings[first..].iter_mut().for_each(|opening| opening.sides = sides.clone());
                    }
                    if openings[first..].iter().any(|opening| opening.ports.count() >= NEARLY_ALL) {
                        let by_rules = *passed_by_rules.get_or_insert_with(|| by_rules(spaces, &decided));
                        let all_passed = spaces.and(by_rules, of);
                        let from_all = self.by_all_interfaces(spaces, (part, all_passed), way);
                        openings[first..].iter_mut().for_each(|opening| opening.from_all = from_all);
                    }
                }
            }
            openings.iter_mut().for_each(|opening| opening.lists.clone_from(&lists));
            found.push((at, openings));
        }
        (!spaces.exhausted()).then_some(found)
    }

    /// The packets that a rule can look for, by the fields that nothing changes before.
    pub(super) fn looked_for(&self, spaces: &mut Spaces, rule: RuleId, changed: &FxHashSet<Field>) -> Space {
        let (rules, family) = (&self.firewall.rules, spaces.family());
        let mut space = Space::ALL;
        for step in rules.steps_of(rules.rule(rule)) {
            let Step::Test(Test::In { field, values, negate: false }) = *step else { break };
            let ends = [Field::Iif, Field::Proto, Field::src(family), Field::dst(family), Field::Dport];
            if ends.contains(&field) && !changed.contains(&field) {
                let test = spaces.test(field, &rules.values(values));
                space = spaces.and(space, test);
            }
        }
        space
    }

    /// Whether a rule looks for sources that are so few that not even several such rules are for anybody.
    pub(super) fn is_for_few(&self, rule: RuleId) -> bool {
        let rules = &self.firewall.rules;
        let few = |step: &Step| match *step {
            Step::Test(Test::In { field, values, negate: false }) if !self.changed.contains(&field) => {
                let family = match field {
                    Field::Src4 => Family::V4,
                    Field::Src6 => Family::V6,
                    _ => return false,
                };
                rules.values(values).count() < unicast(family).count() / 16
            }
            Step::Test(_) | Step::Effect(_) | Step::Lookup(_) => false,
        };
        rules.steps_of(rules.rule(rule)).iter().any(few)
    }

    /// Whether one of the filters on a way lets first packets in from so few sources, all its rules together, that nothing
    /// there is open to anybody.
    pub(super) fn lets_few_in(&self, family: Family, way: Way) -> bool {
        let rules = &self.firewall.rules;
        let most = unicast(family).count() / 2;
        let stages = way.hooks().iter().flat_map(|hook| rules.stages(*hook));
        let mut filters = stages.filter(|stage| stage.kind == StageKind::Filter && stage.sees(family));
        filters.any(|stage| {
            let chains = rules.reached([stage.chain]);
            let listed = chains.iter().flat_map(|chain| &rules.chain(*chain).rules);
            let mut sources = listed.map(|rule| self.sources_of(rule, family));
            let refuses = |rule: &Rule| match rules.steps_of(rule) {
                [Step::Effect(Effect::Verdict(verdict))] => *verdict != Verdict::Accept,
                _ => false,
            };
            let ends = stage.policy != Verdict::Accept || rules.chain(stage.chain).rules.iter().any(refuses);
            ends && sources
                .try_fold(0, |all: u128, more| Some(all.saturating_add(more)).filter(|all| *all <= most))
                .is_some()
        })
    }

    /// From how many addresses a rule lets first packets in, at the most.
    fn sources_of(&self, rule: &Rule, family: Family) -> u128 {
        let rules = &self.firewall.rules;
        let steps = rules.steps_of(rule);
        let accepts = |effect: &Effect| {
            matches!(
                effect,
                Effect::Verdict(Verdict::Accept) | Effect::Pend(Verdict::Accept) | Effect::Undefined(_)
            )
        };
        let may_accept = |step: &Step| match step {
            Step::Effect(effect) => accepts(effect),
            Step::Lookup(map) => {
                let entries = &rules.map(*map).entries;
                entries.len() > LOOKED_THROUGH || entries.iter().any(|entry| accepts(&entry.effect))
            }
            Step::Test(_) => false,
        };
        if !steps.iter().any(may_accept) || self.is_for_known(steps) {
            return 0;
        }
        let source = Field::src(family);
        let named = steps.iter().filter_map(|step| match *step {
            Step::Test(Test::In { field, values, negate: false }) if field == source => {
                Some(rules.values(values).count())
            }
            _ => None,
        });
        named.filter(|_| !self.changed.contains(&source)).min().unwrap_or(u128::MAX)
    }

    /// What becomes of packets.
    pub(super) fn run(
        &self,
        spaces: &mut Spaces,
        all: Space,
        way: Way,
        mut watch: Watch<'_>,
    ) -> Option<Passage> {
        let flow = self.judge.flow(self.at)?;
        let packets = Classes::one(Class { space: all, ctrl: Ctrl::new(way) });
        let hop = Hop { by_address: way == Way::Forward, state: Some(State::New), ..Hop::first(way) };
        flow.run_watched(spaces, &packets, &hop, &mut watch).ok()
    }

    /// What packets of one protocol that a rule lets through can reach: to each kind of destination.
    fn opened(
        &self,
        spaces: &mut Spaces,
        part: Space,
        protocol: u8,
        &Through { passage, outwards, way }: &Through<'_>,
        openings: &mut Vec<Opening>,
    ) {
        let family = spaces.family();
        let site = self.judge.site;
        let (Some(src), Some(dport)) = (spaces.level(Field::src(family)), spaces.level(Field::Dport)) else {
            return;
        };
        let mut rest = spaces.minus(part, outwards);
        for (device, placed) in site.devices.iter().enumerate() {
            for address in placed.addresses.iter().map(|address| Family::of(*address)) {
                if address.0 != family {
                    continue;
                }
                let here = arriving(spaces, passage, rest, address.1);
                if here.is_none() {
                    continue;
                }
                rest = spaces.minus(rest, here);
                let ports = spaces.values(here, dport);
                let open = self.open_by_design(device, protocol);
                if !open.is_empty() && ports.minus(&open).count() < site.settings.wide_range.into() {
                    continue;
                }
                let sources = spaces.hull(here, src);
                openings.push(Opening {
                    protocol,
                    family,
                    way,
                    from_all: false,
                    sides: Sides::default(),
                    sources: sources.count(),
                    to: Set::one(address.1),
                    excess: ports.minus(&self.required(device, protocol)),
                    ports,
                    whom: placed.name.clone(),
                    any_source: is_most(&sources, family),
                    anywhere: false,
                    outward: false,
                    several: false,
                    lists: Vec::new(),
                    witness: self.witness(spaces, here, way),
                });
            }
        }
        if self.host().is_some() {
            return;
        }
        openings.extend(self.widest(spaces, rest, (protocol, way), false));
        let rest = spaces.and(part, outwards);
        openings.extend(self.widest(spaces, rest, (protocol, way), true));
    }

    /// The widest opening of some packets, to all destinations for which it is equally wide.
    fn widest(
        &self,
        spaces: &mut Spaces,
        packets: Space,
        (protocol, way): (u8, Way),
        outwards: bool,
    ) -> Option<Opening> {
        let family = spaces.family();
        let site = self.judge.site;
        let dst = spaces.level(Field::dst(family))?;
        let (src, dport) = (spaces.level(Field::src(family))?, spaces.level(Field::Dport)?);
        let groups = spaces.values_by(packets, dst, dport)?;
        let (to, ports) = groups.into_iter().max_by_key(|(_, ports)| ports.count())?;
        let there = spaces.within(dst, &to);
        let there = spaces.and(packets, there);
        let sources = spaces.hull(there, src);
        let inside =
            |zone: &ZoneId| !site.is_everything_else(*zone) && self.judge.addresses(*zone, family).meets(&to);
        let outward = outwards || !site.is_made_up() && !self.zones().iter().any(inside);
        let whom = if outward { "the outside" } else { "addresses without a device" };
        Some(Opening {
            protocol,
            family,
            way,
            from_all: false,
            sides: Sides::default(),
            sources: sources.count(),
            excess: ports.clone(),
            ports,
            whom: whom.to_string(),
            any_source: is_most(&sources, family),
            anywhere: is_most(&to, family),
            to,
            outward,
            several: false,
            lists: Vec::new(),
            witness: self.witness(spaces, there, way),
        })
    }

    pub(super) fn witness(&self, spaces: &Spaces, space: Space, way: Way) -> Option<Witness> {
        Some(Witness { firewall: self.at, way, packet: spaces.witness(space)? })
    }
}

/// What most packets have where nobody knows what they have.
const USUAL: [(Field, u128); 6] = [
    (Field::Ttl, 64),
    (Field::Length, 100),
    (Field::Dscp, 0),
    (Field::Ecn, 0),
    (Field::SrcMac, 0x0200_0000_0001),
    (Field::TcpMss, NO_MSS),
];

/// The packets of a set in which they are whatever is unknown; where there are none, those that are in it where none of
/// the conditions holds, with their names: no list has all hosts, and few matches all packets.
pub(super) fn certainly(spaces: &mut Spaces, all: Space, space: Space) -> (Space, Vec<String>) {
    let usual = spaces.usually(space);
    let certain = surely(spaces, all, usual);
    if !certain.is_none() {
        return (certain, Vec::new());
    }
    unless_any(spaces, all, usual)
}

/// Those of all packets that are in a set where none of the conditions holds on which it hangs, with their names; no
/// packets where it hangs on none.
pub(super) fn unless_any(spaces: &mut Spaces, all: Space, set: Space) -> (Space, Vec<String>) {
    // Rules that are elsewhere, and what translation chooses, are wider.
    let conditions = spaces.variables_named(set).into_iter().filter(|(level, _)| level.bits() == 1);
    let (levels, mut names): (Vec<Level>, Vec<String>) = conditions.unzip();
    let mut set = set;
    let unknown = spaces.unknown_fields(set);
    for (field, usual) in USUAL {
        // What one field has can settle it for another.
        if unknown.contains(&field)
            && spaces.unknown_fields(set).contains(&field)
            && let Some(level) = spaces.level(field)
        {
            let here = spaces.within(level, &Set::one(usual));
            let here = spaces.and(set, here);
            set = spaces.without(here, &[level]);
            names.push(field.name().to_string());
        }
    }
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return (Space::NONE, names);
    }
    let some = spaces.unless(set, &levels);
    (surely(spaces, all, some), names)
}

/// Those of all packets that are in a set for all values of the unknowns.
pub(super) fn surely(spaces: &mut Spaces, all: Space, some: Space) -> Space {
    let others = spaces.minus(all, some);
    let (may, may_not) = (spaces.possibly(some), spaces.possibly(others));
    spaces.minus(may, may_not)
}

/// Of packets, those that arrive at an address.
fn arriving(spaces: &mut Spaces, passage: &Passage, packets: Space, address: u128) -> Space {
    let field = Field::dst(spaces.family());
    let mut arriving = Space::NONE;
    for class in passage.passed.iter() {
        let at = class.ctrl.reads(spaces, field, &Set::one(address));
        let there = spaces.and(class.space, at);
        let there = spaces.as_came(there);
        arriving = spaces.or(arriving, there);
    }
    spaces.and(packets, arriving)
}

/// Whether addresses are most of those that there are outside.
pub(super) fn is_most(addresses: &Set, family: Family) -> bool {
    addresses.count() > unicast(family).count() / 2
}

/// Who lets packets pass: each by what names it best.
pub(super) fn decided(spaces: &mut Spaces, passage: &Passage, passed: Space) -> Vec<(Decider, Space)> {
    let mut rest = passed;
    let mut found: Vec<(Decider, Space)> = Vec::new();
    // Of one stage each packet is let through by one.
    for stage in passage.passes.chunk_by(|a, b| (a.weight, a.at) == (b.weight, b.at)) {
        let before = found.len();
        for pass in stage {
            let part = spaces.and(rest, pass.space);
            if !part.is_none() {
                found.push((pass.by, part));
            }
        }
        let here = spaces.union(found[before..].iter().map(|(_, part)| *part));
        rest = spaces.minus(rest, here);
        if rest.is_none() {
            break;
        }
    }
    found
}

/// What rules let pass, and not policies.
pub(super) fn by_rules(spaces: &mut Spaces, decided: &[(Decider, Space)]) -> Space {
    spaces.union(decided.iter().filter(|(by, _)| matches!(by, Decider::Rule(_))).map(|(_, space)| *space))
}

/// The chains whose rules can be what names best why packets of a family pass on a way: rules that every packet
/// comes to after a stage that names it better are not.
pub(super) fn naming(rules: &Ruleset, family: Family, way: Way) -> FxHashSet<ChainId> {
    let is_filter = |stage: &&Stage| stage.kind == StageKind::Filter && stage.sees(family);
    let has = |hook: Hook| rules.stages(hook).iter().any(|stage| is_filter(&stage));
    let (hooks, last): (&[Hook], bool) = match way {
        Way::Input => (&[Hook::Prerouting, Hook::Input], has(Hook::Input)),
        Way::Output => (&[Hook::Output, Hook::Postrouting], has(Hook::Output)),
        // What is addressed to the box itself goes to the box.
        Way::Forward => (
            &[Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Postrouting],
            has(Hook::Forward) && has(Hook::Input),
        ),
    };
    let policy = |hook: Hook| Decider::Policy(hook, 0).weight(hook);
    let sure = match (last, has(Hook::Prerouting) && way != Way::Output) {
        (true, _) => policy(Hook::Input),
        (false, true) => policy(Hook::Prerouting),
        (false, false) => 0,
    };
    let any_rule = Decider::Rule(RuleId { chain: ChainId(0), index: 0 });
    let hooks = hooks.iter().filter(|hook| any_rule.weight(**hook) >= sure);
    let stages = hooks.flat_map(|hook| rules.stages(*hook).iter().filter(is_filter));
    rules.reached(stages.map(|stage| stage.chain))
}

/// The fields that packets can get other values of on their way.
pub(super) fn changed(rules: &Ruleset) -> FxHashSet<Field> {
    let untracked = rules.all_effects().any(|effect| effect == Effect::NoTrack).then_some(Field::State);
    rules.all_effects().flat_map(|effect| rules.rewritten(effect)).chain(untracked).collect()
}
