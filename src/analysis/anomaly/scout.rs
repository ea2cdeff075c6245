//! One packet that meets a rule: made from what the rule asks for, and sent through the rules before it.
//!
//! A scout that arrives proves that the rule does something. One that does not proves nothing.

use std::cell::Cell;

use rustc_hash::{FxHashMap, FxHashSet};

use super::table::Table;
use crate::analysis::rewrite::{change_mark, copy_mark};
use crate::analysis::trip::Trip;
use crate::analysis::walk::{At, Walk};
use crate::model::{
    ChainId, CondId, Effect, Hook, MapId, RuleId, Ruleset, Stage, StageKind, Step, Test, Verdict, Way,
};
use crate::packet::{Family, Field, Packet, Set, State, Value, interface, proto};

use super::reach::Course;

/// Rules that a scout passes before it is called back.
const MOST_RULES: usize = 100_000;
/// What a chain costs a scout besides its rules, in rules.
const A_CHAIN: usize = 8;

/// What a packet has to have to come to a rule and to match it.
#[derive(Clone, Default, Debug)]
pub(super) struct Wish {
    /// The values of fields.
    pub fields: Vec<(Field, Set)>,
    /// The answers to what is not known.
    pub answers: Vec<(CondId, bool)>,
    /// Rules that lead from one to the next.
    pub length: usize,
}

impl Wish {
    /// Limits a field to some values; false where none is left.
    pub(super) fn limit(&mut self, field: Field, set: &Set) -> bool {
        match self.fields.iter_mut().find(|(known, _)| *known == field) {
            Some((_, known)) => {
                *known = known.and(set);
                !known.is_empty()
            }
            None => {
                let set = set.and(&Set::range(0, field.last()));
                let some = !set.is_empty();
                self.fields.push((field, set));
                some
            }
        }
    }

    /// What has to hold for this and another; `None` where both cannot.
    pub(super) fn with(&self, other: &Wish) -> Option<Wish> {
        let mut both = self.clone();
        both.answers.extend(other.answers.iter().copied());
        other.fields.iter().all(|(field, set)| both.limit(*field, set)).then_some(both)
    }

    /// Adds what the first tests of a rule ask for; false where they cannot hold.
    pub(super) fn tests(&mut self, rules: &Ruleset, steps: &[Step]) -> bool {
        for step in steps {
            let Step::Test(test) = step else { break };
            let holds = match *test {
                Test::In { field, values, negate } => {
                    let set = rules.values(values);
                    let set = if negate { Set::range(0, field.last()).minus(&set) } else { set };
                    self.limit(field, &set)
                }
                Test::Masked { field, mask, values, negate: false } => {
                    let mask = rules.masks[mask as usize];
                    let first =
                        rules.values(values).ranges().iter().map(|(lo, _)| *lo).find(|v| v & !mask == 0);
                    first.is_none_or(|value| self.limit(field, &Set::one(value)))
                }
                Test::Tuple { tuples, negate: false } => {
                    let tuples = rules.tuple(tuples);
                    let Some(sides) = tuples.boxes.first() else { return false };
                    let mut sides = tuples.fields.iter().zip(sides);
                    sides.all(|(field, side)| side.as_ref().is_none_or(|set| self.limit(*field, set)))
                }
                Test::Masked { .. } | Test::Tuple { .. } => true,
                Test::Unknown { cond, negate } => {
                    self.answers.push((cond, !negate));
                    true
                }
                Test::Never => false,
            };
            if !holds {
                return false;
            }
        }
        true
    }

    /// Adds what a lookup of a rule asks for to lead to a chain; false where it does not.
    pub(super) fn lookups(&mut self, rules: &Ruleset, steps: &[Step], chain: ChainId) -> bool {
        for step in steps {
            let Step::Lookup(map) = step else { continue };
            let map = rules.map(*map);
            let leads = |effect: Effect| effect.leads_to() == Some(chain);
            let Some(entry) = map.entries.iter().find(|entry| leads(entry.effect)) else { continue };
            let mut sides = map.fields.iter().zip(&entry.key);
            return sides.all(|(field, side)| side.as_ref().is_none_or(|set| self.limit(*field, set)));
        }
        true
    }

    fn of(&self, field: Field) -> Option<&Set> {
        self.fields.iter().find(|(known, _)| *known == field).map(|(_, set)| set)
    }

    /// The packets that it asks for, in some families and states; `turn` chooses among their values.
    pub(super) fn packet(
        &self,
        family: Family,
        (way, _): Course,
        state: State,
        turn: usize,
    ) -> Option<Packet> {
        let protocol = self.protocol()?;
        let version = family.version().into();
        if self.of(Field::Version).is_some_and(|set| !set.contains(version)) {
            return None;
        }
        let mut packet = Packet::new(family, protocol);
        for field in Field::ALL {
            if matches!(field, Field::Proto | Field::Version) {
                continue;
            }
            let alien = field.family().is_some_and(|of| of != family);
            let lacks = field.carriers().is_some_and(|carriers| !carriers.contains(&protocol));
            if (alien || lacks) && self.of(field).is_some_and(|set| !set.is_empty() && narrows(field, set)) {
                return None;
            }
            if alien || lacks {
                continue;
            }
            let usual = usual(field, family, way, state, turn);
            let comes_by =
                field == Field::Iif && way != Way::Output || field == Field::Oif && way != Way::Input;
            let value = match self.of(field) {
                // Nobody brings these with him.
                _ if field == Field::Tag || state == State::New && FIRST_ZERO.contains(&field) => 0,
                Some(set) if set.contains(usual) => usual,
                Some(set) if field == Field::TcpFlags => {
                    sound_flags(set, turn).or_else(|| pick(set, turn))?
                }
                // No interface is 0.
                Some(set) if comes_by => pick(&set.minus(&Set::one(0)), turn)?,
                Some(set) => pick(set, turn)?,
                None => usual,
            };
            packet.set(field, value);
        }
        Some(packet)
    }

    /// A protocol that has all the fields that are asked for.
    fn protocol(&self) -> Option<u8> {
        let carried = |protocol: u8| {
            self.fields.iter().all(|(field, set)| {
                !narrows(*field, set) || field.carriers().is_none_or(|carriers| carriers.contains(&protocol))
            })
        };
        let liked = [proto::TCP, proto::UDP, proto::ICMP, proto::ICMPV6, proto::ESP];
        let fits = |protocol: &u8| self.of(Field::Proto).is_none_or(|set| set.contains((*protocol).into()));
        let first = self.of(Field::Proto).and_then(Set::first).map(|first| first as u8);
        liked.into_iter().chain(first).find(|protocol| fits(protocol) && carried(*protocol))
    }
}

/// What is 0 for the first packet of a connection.
const FIRST_ZERO: [Field; 4] = [Field::CtMark, Field::Dnat, Field::Snat, Field::Direction];

/// Whether a packet has to have the field to have one of the values.
fn narrows(field: Field, set: &Set) -> bool {
    !set.covers(&Set::range(0, field.last()))
}

/// Flags as hosts set them: others are often refused before any rule.
fn sound_flags(set: &Set, turn: usize) -> Option<u128> {
    const SYN: u128 = 0x02;
    const RST: u128 = 0x04;
    const ACK: u128 = 0x10;
    const FIN: u128 = 0x01;
    let sound = [ACK, SYN | ACK, RST, FIN | ACK, SYN];
    let mut fitting = sound.into_iter().filter(|flags| set.contains(*flags)).cycle();
    fitting.nth(turn)
}

fn pick(set: &Set, turn: usize) -> Option<u128> {
    let ranges = set.ranges();
    let (lo, hi) = *ranges.get((turn / 2) % ranges.len().max(1))?;
    Some(if turn.is_multiple_of(2) { lo } else { hi })
}

/// What a packet has in a field where nobody asks for anything.
fn usual(field: Field, family: Family, way: Way, state: State, turn: usize) -> u128 {
    let far = turn as u128;
    match field {
        Field::Iif if way == Way::Output => 0,
        Field::Oif if way == Way::Input => 0,
        Field::Iif => interface("?in"),
        Field::Oif => interface("?out"),
        Field::Src4 | Field::OrigSrc4 => 0xcb00_7109 + far,
        Field::Dst4 | Field::OrigDst4 => 0xc633_6409 + far,
        Field::Src6 | Field::OrigSrc6 => (0x2001_0db8_0000_0009 << 64 | 9) + far,
        Field::Dst6 | Field::OrigDst6 => (0x2001_0db8_0000_0019 << 64 | 9) + far,
        Field::Sport | Field::OrigSport => 50_007 + far,
        Field::Dport | Field::OrigDport => 40_009 + far,
        Field::State => state as u128,
        Field::TcpFlags => 2,
        Field::IcmpType if family == Family::V6 => 128,
        Field::IcmpType => 8,
        Field::Ttl => 63,
        Field::Length => 200,
        Field::TcpMss => 1460,
        Field::Spi => 1009,
        _ => 0,
    }
}

/// Sends packets through the rules of a ruleset.
pub(super) struct Scouts<'a> {
    pub rules: &'a Ruleset,
    pub tables: &'a [Option<Table>],
    /// How many rules they may still look at.
    pub left: Cell<usize>,
}

impl Scouts<'_> {
    /// They have looked at as many rules as they may.
    pub(super) fn are_tired(&self) -> bool {
        self.left.get() == 0
    }
}

/// What became of a scout.
#[derive(Clone, Debug)]
pub(super) struct Fate {
    /// It met the rule that it was to meet, and matched.
    pub met: bool,
    /// How it ended, where that is known.
    pub end: Option<End>,
    /// The stages at which the policy decided, or what stands for one.
    pub policies: Vec<(Hook, u32)>,
}

/// How a packet ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct End {
    verdict: Verdict,
    packet: Option<std::boxed::Box<Packet>>,
    untracked: bool,
    helper: Option<u32>,
    keeps_state: bool,
}

/// What a scout is sent for.
#[derive(Clone, Copy)]
pub(super) struct Orders<'o> {
    /// The rule that it is to meet.
    pub meet: Option<RuleId>,
    /// Rules that are not there.
    pub without: &'o FxHashSet<RuleId>,
    /// Also not there.
    pub less: &'o [RuleId],
}

struct Going<'g> {
    walk: Walk,
    orders: Orders<'g>,
    chosen: FxHashMap<CondId, bool>,
    passed: usize,
    met: bool,
    /// The stages at which the policy decided, or what stands for one.
    policies: Vec<(Hook, u32)>,
}

/// Where a rule leaves a scout.
enum Next {
    On,
    Left,
    Over(Option<End>),
}

impl Scouts<'_> {
    /// What becomes of a packet on its course, for some answers to what is not known.
    pub(super) fn send(
        &self,
        packet: Packet,
        (way, loopback): Course,
        wish: &Wish,
        orders: Orders<'_>,
    ) -> Fate {
        let trip = Trip { packet, way, fwd_oif: None, loopback };
        let chosen = wish.answers.iter().copied().collect();
        let walk = Walk::start(&trip, self.rules);
        let mut going = Going { walk, orders, chosen, passed: 0, met: false, policies: Vec::new() };
        if loopback {
            going.walk.hooks.extend([Hook::Prerouting, Hook::Input]);
        }
        for hook in 0..going.walk.hooks.len() {
            if going.walk.hooks[hook] == Hook::Forward
                && let Some(verdict) = going.walk.not_passed_on(self.rules)
            {
                let end = going.ended(verdict);
                return going.over(Some(end));
            }
            for (at, stage) in self.rules.stages(going.walk.hooks[hook]).iter().enumerate() {
                going.walk.at = At { hook: hook as u8, stage: at as u32 };
                if !enters(&going.walk, stage) {
                    continue;
                }
                if self.are_tired() {
                    return going.over(None);
                }
                match self.stage(&mut going, stage) {
                    Next::On | Next::Left => {}
                    Next::Over(end) => return going.over(end),
                }
            }
        }
        let end = going.ended(Verdict::Accept);
        going.over(Some(end))
    }

    fn stage(&self, going: &mut Going<'_>, stage: &Stage) -> Next {
        going.walk.pending = None;
        let near = self.near(going, stage, stage.chain);
        let mut stack: Vec<(ChainId, Vec<u32>, usize)> = vec![(stage.chain, near, 0)];
        while let Some((chain, near, at)) = stack.last_mut() {
            let Some(index) = near.get(*at).copied() else {
                stack.pop();
                continue;
            };
            *at += 1;
            going.passed += 1;
            if going.passed > MOST_RULES {
                return Next::Over(None);
            }
            let id = RuleId { chain: *chain, index };
            match self.rule(going, stage, id, &mut stack) {
                Next::On => {}
                over => return over,
            }
        }
        let pending = going.walk.pending.take();
        if pending.is_none() {
            going.policies.push((going.walk.hook(), going.walk.at.stage));
        }
        match pending.map_or(stage.policy, |(verdict, _)| verdict) {
            Verdict::Accept => Next::Left,
            refused => Next::Over(Some(going.ended(refused))),
        }
    }

    /// The rules of a chain that the packet may match as it is.
    fn near(&self, going: &Going<'_>, stage: &Stage, chain: ChainId) -> Vec<u32> {
        let all = || (0..self.rules.chain(chain).rules.len() as u32).collect();
        let near = match &self.tables[chain.0 as usize] {
            Some(table) => table.matching(&table.point(|field| going.walk.value(field, stage).known())),
            None => all(),
        };
        self.left.set(self.left.get().saturating_sub(A_CHAIN + near.len()));
        near
    }

    fn rule(
        &self,
        going: &mut Going<'_>,
        stage: &Stage,
        id: RuleId,
        stack: &mut Vec<(ChainId, Vec<u32>, usize)>,
    ) -> Next {
        let orders = going.orders;
        if orders.less.contains(&id) || orders.without.contains(&id) {
            return Next::On;
        }
        let meets = orders.meet == Some(id);
        let steps = self.rules.steps_of(self.rules.rule(id));
        for step in steps {
            let effect = match *step {
                Step::Test(test) => match self.holds(going, stage, test) {
                    Some(true) => continue,
                    Some(false) => return Next::On,
                    None => return Next::Over(None),
                },
                Step::Effect(effect) => effect,
                Step::Lookup(map) => match self.lookup(going, stage, map) {
                    Some(effect) => effect,
                    None => return Next::On,
                },
            };
            going.met |= meets;
            match self.effect(going, stage, (id, effect), stack) {
                Done::Goes => {}
                Done::Ends(next) => return next,
            }
        }
        going.met |= meets;
        Next::On
    }

    /// Whether a test holds; `None` where it cannot be said.
    fn holds(&self, going: &mut Going<'_>, stage: &Stage, test: Test) -> Option<bool> {
        let known = |field: Field| match going.walk.value(field, stage) {
            Value::Known(value) => Some(Some(value)),
            Value::Absent => Some(None),
            Value::Among(..) => None,
        };
        Some(match test {
            Test::In { field, values, negate } => {
                known(field)?.is_some_and(|value| self.rules.holds(values, value) != negate)
            }
            Test::Masked { field, mask, values, negate } => {
                let mask = self.rules.masks[mask as usize];
                known(field)?.is_some_and(|value| self.rules.holds(values, value & mask) != negate)
            }
            Test::Tuple { tuples, negate } => {
                let tuples = self.rules.tuple(tuples);
                let values: Vec<Option<u128>> =
                    tuples.fields.iter().map(|field| known(*field)).collect::<Option<_>>()?;
                let within = |sides: &Vec<Option<Set>>| {
                    let mut pairs = sides.iter().zip(&values);
                    pairs.all(|(side, value)| {
                        side.as_ref().is_none_or(|set| value.is_some_and(|value| set.contains(value)))
                    })
                };
                let lacks =
                    |at: usize| values[at].is_none() && tuples.boxes.iter().any(|sides| sides[at].is_some());
                if negate && (0..values.len()).any(lacks) {
                    return Some(false);
                }
                tuples.boxes.iter().any(within) != negate
            }
            // As long as nobody asked for an answer, the one that lets the packet go on is as good as any.
            Test::Unknown { cond, negate } => *going.chosen.entry(cond).or_insert(negate) != negate,
            Test::Never => false,
        })
    }

    fn lookup(&self, going: &Going<'_>, stage: &Stage, map: MapId) -> Option<Effect> {
        let map = self.rules.map(map);
        if let [field] = *map.fields {
            let value = going.walk.value(field, stage).known()?;
            let place = map.index.partition_point(|(_, hi, _)| *hi < value);
            let (lo, _, entry) = map.index.get(place)?;
            return (*lo <= value).then(|| map.entries[*entry as usize].effect);
        }
        let holds = |field: &Field, side: &Option<Set>| {
            side.as_ref().is_none_or(|set| {
                going.walk.value(*field, stage).known().is_some_and(|value| set.contains(value))
            })
        };
        let entry = map
            .entries
            .iter()
            .find(|entry| map.fields.iter().zip(&entry.key).all(|(field, side)| holds(field, side)));
        entry.map(|entry| entry.effect)
    }

    fn effect(
        &self,
        going: &mut Going<'_>,
        stage: &Stage,
        (id, effect): (RuleId, Effect),
        stack: &mut Vec<(ChainId, Vec<u32>, usize)>,
    ) -> Done {
        if matches!(effect, Effect::Verdict(_)) && self.rules.chain(id.chain).kind.is_policy() {
            going.policies.push((going.walk.hook(), going.walk.at.stage));
        }
        let walk = &mut going.walk;
        let tracked = walk.may_be_tracked(stage);
        match effect {
            Effect::Verdict(Verdict::Accept) => return Done::Ends(Next::Left),
            Effect::Verdict(refused) => return Done::Ends(Next::Over(Some(going.ended(refused)))),
            Effect::Jump(to) | Effect::Goto(to) => {
                if matches!(effect, Effect::Goto(_)) {
                    stack.pop();
                }
                let near = self.near(going, stage, to);
                stack.push((to, near, 0));
                return Done::Ends(Next::On);
            }
            Effect::Return => {
                stack.pop();
                return Done::Ends(Next::On);
            }
            Effect::NextRule => return Done::Ends(Next::On),
            Effect::Settle => {
                stack.clear();
                return Done::Ends(Next::On);
            }
            Effect::Pend(verdict) => walk.pending = Some((verdict, id)),
            Effect::Mark(op) => change_mark(&mut walk.packet, Field::Mark, op),
            Effect::CtMark(_) | Effect::SaveMark(_) | Effect::RestoreMark(_) if !tracked => {}
            Effect::NoTrack if tracked => {}
            Effect::CtMark(op) => change_mark(&mut walk.packet, Field::CtMark, op),
            Effect::SaveMark(mask) => copy_mark(&mut walk.packet, Field::Mark, Field::CtMark, mask),
            Effect::RestoreMark(mask) => copy_mark(&mut walk.packet, Field::CtMark, Field::Mark, mask),
            Effect::Tag(tag) => walk.packet.set(Field::Tag, tag.into()),
            Effect::NoTrack => walk.untracked = !walk.returned(),
            Effect::Helper(helper) => walk.helper = Some(helper.0),
            Effect::KeepState(keeps) => walk.keep_state(keeps),
            // It may come out as it was, or somebody lets it go on.
            Effect::Forget(_) | Effect::Undefined(_) => {}
            // Where translation leads is left to the engine that knows.
            Effect::Set(..) | Effect::Nat(_) => return Done::Ends(Next::Over(None)),
        }
        if matches!(effect, Effect::Undefined(_)) { Done::Ends(Next::On) } else { Done::Goes }
    }
}

impl Going<'_> {
    fn over(self, end: Option<End>) -> Fate {
        Fate { met: self.met, end, policies: self.policies }
    }

    fn ended(&self, verdict: Verdict) -> End {
        // Of a refused packet nothing is left to look at.
        let left = verdict == Verdict::Accept;
        End {
            verdict,
            packet: left.then(|| std::boxed::Box::new(self.walk.packet.clone())),
            untracked: left && self.walk.untracked,
            helper: self.walk.helper.filter(|_| left),
            keeps_state: left && self.walk.is_answered(),
        }
    }
}

enum Done {
    /// The rule goes on.
    Goes,
    /// It ends.
    Ends(Next),
}

fn enters(walk: &Walk, stage: &Stage) -> bool {
    let sees = stage.sees(walk.packet.family());
    match stage.kind {
        StageKind::Filter => sees,
        StageKind::DstNat | StageKind::SrcNat => {
            sees && walk.value(Field::State, stage) == Value::Known(State::New as u128) && !walk.returned()
        }
    }
}
