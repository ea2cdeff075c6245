//! Seeks, for each rule, a packet that shows that it does something, or the rules of its chain that leave it nothing.

use std::cell::{Cell, RefCell};

use rustc_hash::FxHashSet;

use super::atoms::Literal;
use super::cover::{Left, corners, left, lowest};
use super::exact::Without;
use super::reach::{Course, Reach};
use super::scout::{Orders, Scouts, Wish};
use super::steps::after_tests;
use super::table::{Share, Table};
use super::units::{self, Unit};
use crate::model::{ChainId, Hook, RuleId, Ruleset, Verdict};
use crate::packet::{Family, Field, Packet, Set, State};
use crate::threads;

/// Ways to a chain that are tried.
const MOST_PATHS: usize = 4;
/// Rules that lead from one to the next on a way.
const LONGEST_PATH: usize = 16;
/// Packets of one kind that are tried.
const TURNS: usize = 4;
/// A written rule of no more rules is left out at once, to see what comes of it.
const FEW_RULES: usize = 16;
/// Rules that decide the opposite, of which packets are tried.
const MOST_OPPOSED: usize = 64;

/// What was found of a rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// There is a packet for which it does something; and what that shows of leaving out the written rule.
    Lives(Option<Without>),
    /// These rules of its chain take all that it matches.
    Covered(Vec<u32>),
    /// Neither.
    Nothing,
}

/// Seeks in one ruleset.
pub(super) struct Seeker<'a> {
    rules: &'a Ruleset,
    reach: &'a Reach,
    units: &'a [Unit],
    /// For each rule the written one that it is of.
    unit_of: Vec<Vec<Option<u32>>>,
    tables: Vec<Option<Table>>,
    /// For each chain, what has to hold to come to it by one of some ways.
    paths: Vec<Vec<Wish>>,
    nothing: FxHashSet<RuleId>,
    /// What may be looked at for each of all rules.
    pub(super) share: Share,
}

/// Does something for each rule, on all cores, in order.
pub(super) fn each<T: Send>(rules: &[RuleId], work: impl Fn(RuleId) -> T + Sync) -> Vec<(RuleId, T)> {
    const FEW: usize = 256;
    if rules.len() < FEW || threads::count() == 1 {
        return rules.iter().map(|id| (*id, work(*id))).collect();
    }
    // Small pieces: later rules of a chain have more before them.
    let pieces: Vec<&[RuleId]> = rules.chunks(rules.len().div_ceil(threads::count() * 8)).collect();
    let done = threads::each(&pieces, |piece| piece.iter().map(|id| (*id, work(*id))).collect::<Vec<_>>());
    done.into_iter().flatten().collect()
}

impl<'a> Seeker<'a> {
    pub(super) fn new(rules: &'a Ruleset, reach: &'a Reach, units: &'a [Unit], work: u64) -> Self {
        let mut paths: Vec<Vec<Wish>> = rules.chains.iter().map(|_| Vec::new()).collect();
        for chain in reach.order() {
            paths[chain.0 as usize] = paths_to(rules, reach, *chain, &paths);
        }
        let tables = (0..rules.chains.len() as u32).map(ChainId).map(|chain| {
            let walked = reach.of(chain);
            let limits: Vec<Vec<(Field, Set)>> =
                paths[chain.0 as usize].iter().map(|path| path.fields.clone()).collect();
            (!walked.is_apart()).then(|| Table::new(rules, chain, reach, &limits))
        });
        let tables = tables.collect();
        let mut unit_of: Vec<Vec<Option<u32>>> =
            rules.chains.iter().map(|chain| vec![None; chain.rules.len()]).collect();
        for (at, unit) in (0..).zip(units) {
            for id in &unit.rules {
                unit_of[id.chain.0 as usize][id.index as usize] = Some(at);
            }
        }
        let share = Share::among(rules.rules(), work);
        Seeker { rules, reach, units, unit_of, tables, paths, nothing: FxHashSet::default(), share }
    }

    pub(super) fn rules(&self) -> &'a Ruleset {
        self.rules
    }

    pub(super) fn table(&self, chain: ChainId) -> Option<&Table> {
        self.tables[chain.0 as usize].as_ref()
    }

    pub(super) fn callers(&self, chain: ChainId) -> &[RuleId] {
        &self.reach.of(chain).callers
    }

    pub(super) fn is_of_stage(&self, chain: ChainId) -> bool {
        self.rules.hooks.iter().flatten().any(|stage| stage.chain == chain)
    }

    /// Scouts for one rule.
    fn scouts(&self, share: Share) -> Scouts<'_> {
        Scouts { rules: self.rules, tables: &self.tables, left: Cell::new(share.rules) }
    }

    /// The written rule that a rule is of.
    pub(super) fn unit_of(&self, id: RuleId) -> Option<usize> {
        self.unit_of[id.chain.0 as usize][id.index as usize].map(|at| at as usize)
    }

    /// What can be found of a rule.
    pub(super) fn seek(&self, id: RuleId, share: Share) -> Found {
        let Some(table) = &self.tables[id.chain.0 as usize] else { return Found::Nothing };
        let mut packets = Packets { seeker: self, id, table, share };
        let scouts = self.scouts(share);
        let unit = self.unit_of(id).map(|at| &self.units[at].rules);
        let decides = || units::verdict(self.rules, id).is_some();
        let unit = unit.filter(|unit| unit.len() <= FEW_RULES && decides()).map_or(&[][..], |unit| unit);
        let lives = RefCell::new(None);
        let mut ends = |packet: Packet, course: Course, wish: &Wish| {
            let shown = self.shown(&scouts, (id, unit, &self.nothing), (packet, course), wish);
            let met = shown.is_some();
            lives.replace(shown.map(Found::Lives));
            met || scouts.are_tired()
        };
        packets.plain(&mut ends);
        if let Some(lives) = lives.take() {
            return lives;
        }
        let mut covered: Vec<u32> = Vec::new();
        let mut open = false;
        for part in table.boxes(id.index) {
            match left(table, part, id.index, share.boxes) {
                Left::Nothing(by) => covered.extend(by),
                Left::Part(..) | Left::Unknown => {
                    open = true;
                    break;
                }
            }
        }
        if !open && table.boxes(id.index).next().is_some() {
            covered.sort_unstable();
            covered.dedup();
            return Found::Covered(covered);
        }
        if !scouts.are_tired() {
            packets.of_gaps(&mut ends);
        }
        lives.take().unwrap_or(Found::Nothing)
    }

    /// Whether a packet shows that rules cannot be left out where others are `gone`, or that the policy takes their
    /// place.
    pub(super) fn misses(
        &self,
        lives: &[RuleId],
        unit: &[RuleId],
        gone: &FxHashSet<RuleId>,
        share: Share,
    ) -> Option<Without> {
        let found = RefCell::new(None);
        let scouts = self.scouts(share);
        for id in lives {
            let Some(table) = &self.tables[id.chain.0 as usize] else { continue };
            let mut packets = Packets { seeker: self, id: *id, table, share };
            let mut tried = 0;
            let mut shows = |packet: Packet, course: Course, wish: &Wish| {
                let shown = self.shown(&scouts, (*id, unit, gone), (packet, course), wish);
                tried += usize::from(shown.is_some());
                let decides = shown.flatten();
                let is_enough = decides.is_some() || tried > TURNS || scouts.are_tired();
                found.replace(decides);
                is_enough
            };
            if packets.plain(&mut shows) && found.borrow().is_some() {
                break;
            }
            if packets.of_gaps(&mut shows) && found.borrow().is_some() {
                break;
            }
            let mut changes = |packet: Packet, course: Course, wish: &Wish| {
                let shown = self.shown(&scouts, (*id, unit, gone), (packet, course), wish).flatten();
                let is_enough = shown.is_some() || scouts.are_tired();
                found.replace(shown);
                is_enough
            };
            if packets.of_next((unit, gone), &mut changes)
                || packets.of_opposed(&mut changes)
                || scouts.are_tired()
            {
                break;
            }
        }
        found.into_inner()
    }

    /// Whether a packet shows that a rule takes some of what another one of its chain matches.
    pub(super) fn takes(&self, by: RuleId, id: RuleId, share: Share) -> bool {
        let Some(table) = &self.tables[by.chain.0 as usize] else { return false };
        let scouts = self.scouts(share);
        let packets = Packets { seeker: self, id: by, table, share };
        let steps = self.rules.steps_of(self.rules.rule(id));
        let mut met = false;
        let mut meets = |packet: Packet, course: Course, wish: &Wish| {
            met |= self.shown(&scouts, (by, &[], &self.nothing), (packet, course), wish).is_some();
            met || scouts.are_tired()
        };
        let wishes = packets.wishes().filter_map(|mut wish| wish.tests(self.rules, steps).then_some(wish));
        let wishes: Vec<Wish> = wishes.collect();
        if wishes.iter().any(|wish| packets.of_wish(wish, TURNS, &mut meets)) {
            return met;
        }
        // What the rules before it leave of what both match.
        let pairs =
            table.boxes(id.index).flat_map(|one| table.boxes(by.index).map(move |other| (one, other)));
        for (one, other) in pairs {
            let both: Vec<(u32, u32)> =
                one.iter().zip(other).map(|((lo, hi), (from, to))| (*lo.max(from), *hi.min(to))).collect();
            if both.iter().any(|(lo, hi)| lo > hi) {
                continue;
            }
            for wish in &wishes {
                let Some(both) = table.limited(&both, &wish.fields) else { continue };
                let Left::Part(gap, literals) = left(table, &both, by.index, share.boxes) else { continue };
                let within = packets.within(wish, &corner_of(&gap), &literals);
                if within.is_some_and(|wish| packets.of_wish(&wish, 1, &mut meets)) {
                    return met;
                }
            }
        }
        met
    }

    /// The first of some rules that matches all that others before it in its chain match.
    pub(super) fn matches_all(&self, rules: &[RuleId], among: &[RuleId], share: Share) -> Option<RuleId> {
        let mut common: Option<Vec<RuleId>> = None;
        for id in rules {
            let table = self.tables[id.chain.0 as usize].as_ref()?;
            for part in table.boxes(id.index) {
                let covers = |at: &u32| {
                    let index = table.rule_of(*at);
                    table.kind(index).exact && table.covers(*at, part, id.index)
                };
                let behind = table.meeting_after(part, id.index, share.behind)?;
                let whole = behind.into_iter().filter(covers);
                let whole: Vec<RuleId> =
                    whole.map(|at| RuleId { chain: id.chain, index: table.rule_of(at) }).collect();
                common = Some(match common {
                    None => whole.into_iter().filter(|id| among.contains(id)).collect(),
                    Some(known) => known.into_iter().filter(|id| whole.contains(id)).collect(),
                });
            }
        }
        common?.into_iter().min()
    }

    /// The rules behind some others in their chains that do the same for all that these match: between them and the
    /// last of those there is nothing else.
    pub(super) fn stand_in(
        &self,
        rules: &[RuleId],
        gone: &FxHashSet<RuleId>,
        share: Share,
    ) -> Option<Vec<RuleId>> {
        let mut found = Vec::new();
        for id in rules {
            let table = self.tables[id.chain.0 as usize].as_ref()?;
            if !table.kind(id.index).takes {
                return None;
            }
            let own = after_tests(self.rules.steps_of(self.rules.rule(*id)));
            for part in table.boxes(id.index) {
                let mut done = false;
                for at in table.meeting_after(part, id.index, share.behind)? {
                    let next = RuleId { chain: id.chain, index: table.rule_of(at) };
                    if gone.contains(&next) || rules.contains(&next) {
                        continue;
                    }
                    if after_tests(self.rules.steps_of(self.rules.rule(next))) != own {
                        return None;
                    }
                    found.push(next);
                    done = table.kind(next.index).exact && table.covers(at, part, id.index);
                    if done {
                        break;
                    }
                }
                if !done {
                    return None;
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        Some(found)
    }

    /// What one packet shows of leaving rules out; `None` where it does not come to the rule at all.
    fn shown(
        &self,
        scouts: &Scouts<'_>,
        (id, unit, gone): (RuleId, &[RuleId], &FxHashSet<RuleId>),
        (packet, course): (Packet, Course),
        wish: &Wish,
    ) -> Option<Option<Without>> {
        let orders = Orders { meet: Some(id), without: gone, less: &[] };
        let with = scouts.send(packet.clone(), course, wish, orders);
        if !with.met {
            return None;
        }
        if unit.is_empty() || with.end.is_none() {
            return Some(None);
        }
        let without = scouts.send(packet, course, wish, Orders { less: unit, ..orders });
        if without.end.is_none() {
            return Some(None);
        }
        if with.end != without.end {
            return Some(Some(Without::Changes));
        }
        // What the box sends to itself meets other policies before and after.
        let stages = &self.reach.of(id.chain).stages;
        let of_policy = without.policies.iter().any(|policy| !course.1 && stages.contains(policy));
        Some(of_policy.then_some(Without::Policy))
    }
}

/// Packets that may meet a rule.
struct Packets<'p, 'a> {
    seeker: &'p Seeker<'a>,
    id: RuleId,
    table: &'p Table,
    share: Share,
}

/// Says of a packet whether it is enough.
type Enough<'e> = dyn FnMut(Packet, Course, &Wish) -> bool + 'e;

impl Packets<'_, '_> {
    /// The wishes for packets that come to the rule by one of the ways.
    fn wishes(&self) -> impl Iterator<Item = Wish> + '_ {
        let rules = self.seeker.rules;
        let steps = rules.steps_of(rules.rule(self.id));
        self.seeker.paths[self.id.chain.0 as usize].iter().filter_map(move |path| {
            let mut wish = path.clone();
            wish.tests(rules, steps).then_some(wish)
        })
    }

    /// Packets as the rule asks for them.
    fn plain(&mut self, enough: &mut Enough<'_>) -> bool {
        let wishes: Vec<Wish> = self.wishes().collect();
        wishes.iter().any(|wish| self.of_wish(wish, TURNS, enough))
    }

    /// A wish for packets in a part of a box in which literals hold; `None` where there are none.
    fn within(&self, wish: &Wish, part: &[(u32, u32)], literals: &[Literal]) -> Option<Wish> {
        let mut wish = wish.clone();
        wish.answers.extend(self.table.answers(literals));
        let limits = self.table.limits(part, literals);
        limits.iter().all(|(field, set)| wish.limit(*field, set)).then_some(wish)
    }

    /// Packets of the parts that the rules before it leave.
    fn of_gaps(&mut self, enough: &mut Enough<'_>) -> bool {
        let wishes: Vec<Wish> = self.wishes().collect();
        for wish in &wishes {
            for part in self.table.boxes(self.id.index) {
                let Some(part) = self.table.limited(part, &wish.fields) else { continue };
                let left = left(self.table, &part, self.id.index, self.share.boxes);
                let Left::Part(gap, literals) = left else { continue };
                // Usual packets tell most; at the corner they surely come to the rule.
                for part in [&gap, &corner_of(&gap)] {
                    let wish = self.within(wish, part, &literals);
                    if wish.is_some_and(|wish| self.of_wish(&wish, 2, enough)) {
                        return true;
                    }
                }
            }
        }
        false
    }

    /// Packets about which the next rule of the chain decides something else, should this one and others not be there.
    fn of_next(&self, (unit, gone): (&[RuleId], &FxHashSet<RuleId>), enough: &mut Enough<'_>) -> bool {
        let rules = self.seeker.rules;
        let decides = |index: u32| units::verdict(rules, RuleId { chain: self.id.chain, index });
        let own = decides(self.id.index);
        let wishes: Vec<Wish> = self.wishes().collect();
        let mut done = false;
        for part in self.table.boxes(self.id.index) {
            corners(self.table, part, self.id.index, self.share.boxes, |piece, literals| {
                let cannot = |(atom, holds): &Literal| literals.contains(&(*atom, !holds));
                let skipped = |index: u32| {
                    let id = RuleId { chain: self.id.chain, index };
                    unit.contains(&id) || gone.contains(&id) || self.table.literals(index).iter().any(cannot)
                };
                let next = self.table.next(&lowest(piece), self.id.index, &skipped)?;
                if decides(self.table.rule_of(next)) != own {
                    let corner = corner_of(piece);
                    let mut wishes = wishes.iter().filter_map(|wish| self.within(wish, &corner, literals));
                    done = wishes.any(|wish| self.of_wish(&wish, 1, enough));
                }
                Some(next).filter(|_| !done)
            });
            if done {
                break;
            }
        }
        done
    }

    /// Packets about which other rules decide the opposite, should this one not be there.
    fn of_opposed(&mut self, enough: &mut Enough<'_>) -> bool {
        let rules = self.seeker.rules;
        let accepts = |id: RuleId| units::verdict(rules, id).map(|verdict| verdict == Verdict::Accept);
        let Some(own) = accepts(self.id) else { return false };
        let first = self.table.boxes(self.id.index).next();
        let part = first.map(|part| left(self.table, part, self.id.index, self.share.boxes));
        let mut tried = 0;
        for wish in self.wishes().collect::<Vec<Wish>>() {
            let wish = match &part {
                Some(Left::Part(gap, literals)) => self.within(&wish, gap, literals),
                _ => Some(wish),
            };
            let Some(wish) = wish else { continue };
            for chain in self.seeker.reach.order() {
                let Some(table) = &self.seeker.tables[chain.0 as usize] else { continue };
                let after = (*chain == self.id.chain).then_some(self.id.index);
                for path in &self.seeker.paths[chain.0 as usize] {
                    let Some(way) = wish.with(path) else { continue };
                    let Some(part) = table.part(&way.fields) else { continue };
                    let opposed = |index: u32| {
                        after.is_none_or(|own| own < index)
                            && accepts(RuleId { chain: *chain, index }) == Some(!own)
                    };
                    for index in table.rules_meeting(&part, &opposed, (self.share.boxes, MOST_OPPOSED)) {
                        let mut wish = way.clone();
                        let steps = rules.steps_of(rules.rule(RuleId { chain: *chain, index }));
                        if !wish.tests(rules, steps) {
                            continue;
                        }
                        if self.of_wish(&wish, 1, enough) {
                            return true;
                        }
                        tried += 1;
                        if tried > MOST_OPPOSED {
                            return false;
                        }
                    }
                }
            }
        }
        false
    }

    fn of_wish(&self, wish: &Wish, turns: usize, enough: &mut Enough<'_>) -> bool {
        let reach = self.seeker.reach;
        let walked = reach.of(self.id.chain);
        for turn in 0..turns {
            for family in [Family::V4, Family::V6].into_iter().filter(|family| walked.sees(*family)) {
                for state in [State::New, State::Established, State::Invalid] {
                    for course in walked.courses(false) {
                        let Some(packet) = wish.packet(family, course, state, turn) else { continue };
                        let point = self.table.point(|field| match (field, course.0) {
                            // What a hook does not know reads as 0.
                            (Field::Oif, _) if self.no_oif() => Some(0),
                            _ => packet.get(field).known(),
                        });
                        if self.table.has_taker(&point, self.id.index) {
                            continue;
                        }
                        if enough(packet, course, wish) {
                            return true;
                        }
                    }
                }
            }
        }
        false
    }

    fn no_oif(&self) -> bool {
        let stages = &self.seeker.reach.of(self.id.chain).stages;
        stages.iter().all(|(hook, _)| matches!(hook, Hook::Prerouting | Hook::Input))
    }
}

/// The lowest corner of a box, as a box.
fn corner_of(sides: &[(u32, u32)]) -> Vec<(u32, u32)> {
    lowest(sides).into_iter().map(|number| (number, number)).collect()
}

/// What has to hold to come to a chain: by its stage, or by the rules that lead to it.
fn paths_to(rules: &Ruleset, reach: &Reach, chain: ChainId, known: &[Vec<Wish>]) -> Vec<Wish> {
    let mut paths = Vec::new();
    if rules.hooks.iter().flatten().any(|stage| stage.chain == chain) {
        paths.push(Wish::default());
    }
    for caller in &reach.of(chain).callers {
        for path in &known[caller.chain.0 as usize] {
            if paths.len() == MOST_PATHS || path.length == LONGEST_PATH {
                break;
            }
            let mut path = path.clone();
            path.length += 1;
            let steps = rules.steps_of(rules.rule(*caller));
            if path.tests(rules, steps) && path.lookups(rules, steps, chain) {
                paths.push(path);
            }
        }
    }
    paths
}
