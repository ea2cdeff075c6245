//! Rules that do nothing, exactly: for all packets, and whatever is not known.
//!
//! Most rules do something, and one packet shows it ([`scout`]): made from what the rule asks for, where the rules
//! before it leave something ([`cover`], over an index of boxes, [`table`]). Where they leave nothing, the rule is
//! dead. What neither shows is asked of the flow engine, with the rule under watch ([`exact`]).

mod at_once;
mod atoms;
mod axes;
mod behind;
mod cover;
mod exact;
mod merge;
mod reach;
mod scout;
mod seek;
mod steps;
mod table;
mod tree;
mod units;

use rustc_hash::FxHashSet;

use crate::model::{ChainId, Effect, RuleId, Ruleset, Verdict};

use at_once::AtOnce;
use exact::{Desk, Exact, Takers, Without};
pub use merge::Mergeable;
use reach::Reach;
use seek::{Found, Seeker};
use table::Share;
pub use units::Unit;

/// What is known of one rule of the model.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Fate {
    /// It does something.
    Lives,
    /// It does nothing: rules of its chain take all that it would match.
    Dead(Taken),
    /// Nothing comes to its chain.
    Unreached,
    /// It was not found out.
    Open,
}

/// Who takes the packets of a rule.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Taken {
    /// Rules of its chain; none where nothing that it matches comes there.
    by: Vec<u32>,
    /// Some of what it matches does not come to its chain.
    elsewhere: bool,
    /// They are known to take some of it, and not only to match it.
    asked: bool,
}

/// A written rule that does nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dead {
    /// The rule.
    pub unit: Unit,
    /// The rules that take its packets, as few as suffice. Empty where no packet that it matches comes to its chain.
    pub by: Vec<RuleId>,
    /// They take what comes to its chain; some of what it matches does not.
    pub elsewhere: bool,
    /// One of them is the same rule once more.
    pub twin: Option<RuleId>,
    /// All of them decide the opposite.
    pub opposite: bool,
}

/// A written rule of which a part does nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Partly {
    /// The rule.
    pub unit: Unit,
    /// Its elements that do nothing.
    pub dead: Vec<Unit>,
    /// The rules that take their packets.
    pub by: Vec<RuleId>,
    /// How many elements it has.
    pub of: usize,
}

/// A written rule that changes nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Redundant {
    /// The rule.
    pub unit: Unit,
    /// The rules that do the same for its packets. Empty where the policy does.
    pub by: Vec<RuleId>,
}

/// All that was found in a ruleset.
#[derive(Clone, Default, Debug)]
pub struct Anomalies {
    /// Rules that never do anything.
    pub dead: Vec<Dead>,
    /// Rules of which a part never does anything.
    pub partly: Vec<Partly>,
    /// Rules that can be taken out, all of them and those of `dead` together, and nothing changes.
    pub redundant: Vec<Redundant>,
    /// Rules that only repeat the policy behind them, where they were asked for; they can go as well.
    pub repeats: Vec<Redundant>,
    /// Rules that refuse sources, and to which no packet of a running connection comes: with the rules that let
    /// those pass before.
    pub behind: Vec<(Unit, Vec<RuleId>)>,
    /// Neighbours that could be one rule.
    pub mergeable: Vec<Mergeable>,
    /// Chains that something leads to, and no packet comes to.
    pub unreached: Vec<ChainId>,
    /// Chains that nothing leads to.
    pub apart: Vec<ChainId>,
    /// Rules of which it was not found out.
    pub open: Vec<RuleId>,
    /// All work that was allowed was done before the end.
    pub stopped: bool,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// Rules that repeat the policy too.
    pub repeats: bool,
    /// Work after which the rest stays open, in steps of [`crate::packet::Spaces`].
    pub work: u64,
}

impl Ask {
    /// Work for one question about one rule.
    pub fn question(&self) -> u64 {
        self.work / 8
    }
}

impl Default for Ask {
    fn default() -> Self {
        Ask { repeats: false, work: 8_000_000 }
    }
}

/// Finds the rules that do nothing.
pub fn find(rules: &Ruleset, ask: Ask) -> Anomalies {
    let reach = Reach::new(rules);
    let units = units::of(rules, &reach);
    let seeker = Seeker::new(rules, &reach, &units, ask.work);
    let mut finder = Finder {
        rules,
        reach: &reach,
        seeker: &seeker,
        exact: Exact::new(rules, &reach, ask.question()),
        desk: Desk::default(),
        fates: rules.chains.iter().map(|chain| vec![Fate::Open; chain.rules.len()]).collect(),
        shown: vec![None; units.len()],
        ask,
        left: ask.work,
    };
    finder.seek();
    finder.ask_the_rest();
    finder.name_takers();
    let mut found = Anomalies::default();
    finder.chains(&mut found);
    let gone = finder.dead(&units, &mut found);
    found.behind = finder.behind(&units);
    found.mergeable = merge::find(rules);
    finder.redundant(&units, gone, ask.repeats, &mut found);
    found.stopped = finder.left < ask.question();
    found
}

struct Finder<'a> {
    rules: &'a Ruleset,
    reach: &'a Reach,
    exact: Exact<'a>,
    desk: Desk,
    fates: Vec<Vec<Fate>>,
    seeker: &'a Seeker<'a>,
    /// What a packet shows of leaving out each written rule.
    shown: Vec<Option<Without>>,
    ask: Ask,
    /// Work that may still be done.
    left: u64,
}

impl Finder<'_> {
    fn fate(&self, id: RuleId) -> &Fate {
        &self.fates[id.chain.0 as usize][id.index as usize]
    }

    /// Whether nothing was found out about a rule that is part of a written one: nobody asks about the others.
    fn is_open(&self, id: RuleId) -> bool {
        *self.fate(id) == Fate::Open && self.seeker.unit_of(id).is_some()
    }

    fn open(&self, chain: ChainId) -> impl Iterator<Item = RuleId> {
        let rules = (0..self.fates[chain.0 as usize].len() as u32).map(move |index| RuleId { chain, index });
        rules.filter(|id| self.is_open(*id))
    }

    /// What one packet or the boxes of its chain show of each rule.
    fn seek(&mut self) {
        let all: Vec<RuleId> = self
            .reach
            .order()
            .iter()
            .filter(|chain| !self.reach.of(**chain).is_apart())
            .flat_map(|chain| {
                (0..self.rules.chain(*chain).rules.len() as u32).map(|index| RuleId { chain: *chain, index })
            })
            .collect();
        self.seek_each(&all, self.seeker.share);
        // What the others did not need is for those that are left.
        let left: Vec<RuleId> = all.into_iter().filter(|id| self.is_open(*id)).collect();
        self.seek_each(&left, Share::among(left.len(), self.ask.work));
    }

    fn seek_each(&mut self, rules: &[RuleId], share: Share) {
        for (id, found) in seek::each(rules, |id| self.seeker.seek(id, share)) {
            self.fates[id.chain.0 as usize][id.index as usize] = match found {
                Found::Lives(without) => {
                    if let (Some(at), Some(without)) = (self.seeker.unit_of(id), without) {
                        let known = &mut self.shown[at];
                        if *known != Some(Without::Changes) {
                            *known = Some(without);
                        }
                    }
                    Fate::Lives
                }
                Found::Covered(by) => Fate::Dead(Taken { by, elsewhere: false, asked: false }),
                Found::Nothing => Fate::Open,
            };
        }
    }

    /// Asks the engine about the rules that are left, chain after chain, callers before what they call.
    fn ask_the_rest(&mut self) {
        self.look_at_all();
        for chain in self.reach.order().to_vec() {
            let at = chain.0 as usize;
            if !self.is_entered(chain) {
                self.fates[at].iter_mut().for_each(|fate| *fate = Fate::Unreached);
                continue;
            }
            for index in 0..self.fates[at].len() as u32 {
                let id = RuleId { chain, index };
                if self.is_open(id) {
                    self.fates[at][index as usize] = self.ask(id);
                }
            }
        }
    }

    /// Looks at all rules of the chains of which rules are left, where that is less work than one rule after the other.
    fn look_at_all(&mut self) {
        let left: usize = (0..self.fates.len() as u32).map(|chain| self.open(ChainId(chain)).count()).sum();
        if !AtOnce::pays(left, self.rules.rules()) {
            return;
        }
        let walked = |chain: &ChainId| !self.reach.of(*chain).is_apart();
        let chains: FxHashSet<ChainId> = self.reach.order().iter().copied().filter(walked).collect();
        let rules = chains.iter().filter(|chain| self.open(**chain).next().is_some());
        let of = |chain: &ChainId| {
            let chain = *chain;
            (0..self.fates[chain.0 as usize].len() as u32).map(move |index| RuleId { chain, index })
        };
        let rules: FxHashSet<RuleId> = rules.flat_map(of).collect();
        self.work(|exact, desk| exact.look_at_all(desk, &rules, &chains));
    }

    /// Whether packets come to a chain; true where it was not found out.
    fn is_entered(&mut self, chain: ChainId) -> bool {
        let walked = self.reach.of(chain);
        if walked.is_apart() {
            return false;
        }
        if self.fates[chain.0 as usize].contains(&Fate::Lives) || self.is_of_stage(chain) {
            return true;
        }
        let mut callers =
            walked.callers.iter().filter(|id| !matches!(self.fate(**id), Fate::Dead(_) | Fate::Unreached));
        if callers.next().is_none() {
            return false;
        }
        self.work(|exact, desk| exact.enters(desk, chain)) != Some(false)
    }

    fn is_of_stage(&self, chain: ChainId) -> bool {
        self.rules.hooks.iter().flatten().any(|stage| stage.chain == chain)
    }

    fn ask(&mut self, id: RuleId) -> Fate {
        match self.work(|exact, desk| exact.acts(desk, id)) {
            Some(true) => Fate::Lives,
            Some(false) => Fate::Dead(self.takers(id).unwrap_or_default()),
            None => Fate::Open,
        }
    }

    /// Who takes what a rule matches, asked of the engine.
    fn takers(&mut self, id: RuleId) -> Option<Taken> {
        let decides = |index: &u32| {
            steps::decides(self.rules.steps_of(&self.rules.chain(id.chain).rules[*index as usize]))
        };
        let before: Vec<RuleId> =
            (0..id.index).filter(decides).map(|index| RuleId { chain: id.chain, index }).collect();
        let Takers { by, elsewhere } = self.work(|exact, desk| exact.takers(desk, id, &before))?;
        Some(Taken { by: by.into_iter().map(|id| id.index).collect(), elsewhere, asked: true })
    }

    /// Names the rules that take what dead rules match. Those that match all of it need not: they can be dead themselves,
    /// and where nothing of it comes to their chain nobody takes it.
    fn name_takers(&mut self) {
        let enough = self.left / 2;
        for chain in self.reach.order().to_vec() {
            for index in 0..self.fates[chain.0 as usize].len() as u32 {
                let id = RuleId { chain, index };
                let Fate::Dead(taken) = self.fate(id) else { continue };
                let taken = self.alive(chain, taken);
                let known = |by: &u32| self.seeker.takes(RuleId { chain, index: *by }, id, self.seeker.share);
                let sure = taken.asked || taken.by.iter().all(known);
                let asked = if sure || self.left <= enough { None } else { self.takers(id) };
                // Those that match all of it, and take some, are fewer and as true.
                let others = |asked: &Taken| taken.by.iter().any(|by| !asked.by.contains(by));
                let taken = asked.filter(others).unwrap_or(taken);
                self.fates[chain.0 as usize][index as usize] = Fate::Dead(taken);
            }
        }
    }

    /// The same with those that take the packets of rules which are dead themselves in the place of these.
    fn alive(&self, chain: ChainId, taken: &Taken) -> Taken {
        let mut alive = Taken { by: Vec::new(), ..taken.clone() };
        for index in &taken.by {
            match self.fate(RuleId { chain, index: *index }) {
                Fate::Dead(other) => {
                    alive.elsewhere |= other.elsewhere || other.by.is_empty();
                    alive.by.extend(&other.by);
                }
                Fate::Lives | Fate::Unreached | Fate::Open => alive.by.push(*index),
            }
        }
        alive.by.sort_unstable();
        alive.by.dedup();
        alive
    }

    /// Asks the engine something, as long as there is work left.
    fn work<T>(
        &mut self,
        question: impl FnOnce(&Exact<'_>, &mut Desk) -> Result<T, crate::analysis::flow::TooMuch>,
    ) -> Option<T> {
        if self.left == 0 {
            return None;
        }
        let before = self.desk.work();
        let answer = question(&self.exact, &mut self.desk);
        self.left = self.left.saturating_sub(self.desk.work().saturating_sub(before).max(1000));
        answer.ok()
    }

    fn chains(&self, found: &mut Anomalies) {
        for chain in (0..self.rules.chains.len() as u32).map(ChainId) {
            let fates = &self.fates[chain.0 as usize];
            if self.reach.of(chain).is_apart() {
                found.apart.push(chain);
            } else if !fates.is_empty() && fates.iter().all(|fate| *fate == Fate::Unreached) {
                found.unreached.push(chain);
            }
            found.open.extend(self.open(chain));
        }
    }

    /// The written rules that never do anything; gives back all rules that do not.
    fn dead(&self, units: &[Unit], found: &mut Anomalies) -> FxHashSet<RuleId> {
        let mut gone = FxHashSet::default();
        let twins = units::Twins::new(
            self.rules,
            self.fates.iter().map(|fates| fates.iter().any(|fate| matches!(fate, Fate::Dead(_)))),
        );
        for unit in units {
            let walked: Vec<RuleId> =
                unit.rules.iter().filter(|id| *self.fate(**id) != Fate::Unreached).copied().collect();
            let dead = |id: &RuleId| matches!(self.fate(*id), Fate::Dead(_));
            if walked.is_empty() {
                continue;
            }
            if walked.iter().all(dead) {
                gone.extend(unit.rules.iter().copied());
                found.dead.push(self.describe(unit, &walked, &twins));
            } else if unit.elements > 1 {
                let elements = units::elements(self.rules, unit);
                let of = elements.len();
                let lost = |element: &Unit| {
                    let mut walked =
                        element.rules.iter().filter(|id| *self.fate(**id) != Fate::Unreached).peekable();
                    walked.peek().is_some() && walked.all(dead)
                };
                let dead: Vec<Unit> = elements.into_iter().filter(lost).collect();
                if !dead.is_empty() {
                    let by = dead.iter().flat_map(|element| self.by(&element.rules)).collect();
                    found.partly.push(Partly { unit: unit.clone(), dead, by: sorted(by), of });
                }
            }
        }
        gone
    }

    /// The rules that refuse sources behind what lets running connections pass. Where answers need no rule, no order
    /// would help.
    fn behind(&self, units: &[Unit]) -> Vec<(Unit, Vec<RuleId>)> {
        if self.rules.stateful {
            return Vec::new();
        }
        let mut found = Vec::new();
        for unit in units {
            let lives = |id: &&RuleId| *self.fate(**id) == Fate::Lives;
            let bans: Vec<RuleId> = unit.rules.iter().filter(lives).copied().collect();
            if bans.is_empty() || !bans.iter().all(|id| behind::is_ban(self.rules, *id)) {
                continue;
            }
            let before: Option<Vec<Vec<RuleId>>> =
                bans.iter().map(|id| self.seeker.before_connections(*id, 0)).collect();
            if let Some(before) = before {
                found.push((unit.clone(), sorted(before.concat())));
            }
        }
        found
    }

    fn by(&self, rules: &[RuleId]) -> Vec<RuleId> {
        let taken = |id: &RuleId| match self.fate(*id) {
            Fate::Dead(Taken { by, .. }) => {
                by.iter().map(|index| RuleId { chain: id.chain, index: *index }).collect()
            }
            Fate::Lives | Fate::Unreached | Fate::Open => Vec::new(),
        };
        rules.iter().flat_map(taken).collect()
    }

    fn describe(&self, unit: &Unit, walked: &[RuleId], twins: &units::Twins) -> Dead {
        let by = sorted(self.by(walked));
        // Of two that are dead for another reason neither makes the other so.
        let twin = twins.of(self.rules, &unit.rules).filter(|_| walked.len() == unit.rules.len());
        let twin = twin.filter(|twin| !matches!(self.fate(*twin), Fate::Dead(_)));
        let accepts = |id: &RuleId| units::verdict(self.rules, *id).map(|verdict| verdict == Verdict::Accept);
        let own = walked.first().and_then(accepts);
        let opposite = !by.is_empty()
            && own.is_some_and(|own| {
                walked.iter().all(|id| accepts(id) == Some(own))
                    && by.iter().all(|id| self.lets_pass(*id) == Some(!own))
            });
        let elsewhere =
            walked.iter().any(|id| matches!(self.fate(*id), Fate::Dead(Taken { elsewhere: true, .. })));
        Dead { unit: unit.clone(), by, elsewhere, twin, opposite }
    }

    /// Whether a rule lets all pass that matches, or none, in the chain that it leads to at the latest; `None` where neither
    /// is known.
    fn lets_pass(&self, id: RuleId) -> Option<bool> {
        if let Some(verdict) = units::verdict(self.rules, id) {
            return Some(verdict == Verdict::Accept);
        }
        let effects = self.rules.effects(self.rules.steps_of(self.rules.rule(id)));
        let to: Vec<ChainId> = effects.filter_map(Effect::leads_to).collect();
        if to.is_empty() || !to.iter().all(|chain| self.reach.of(*chain).ends) {
            return None;
        }
        let reached = self.rules.reached(to);
        let every = reached.iter().flat_map(|chain| &self.rules.chain(*chain).rules);
        let mut verdicts =
            every.flat_map(|rule| self.rules.effects(self.rules.steps_of(rule))).filter_map(|effect| {
                match effect {
                    Effect::Verdict(verdict) | Effect::Pend(verdict) => Some(verdict == Verdict::Accept),
                    _ => None,
                }
            });
        let first = verdicts.next()?;
        verdicts.all(|other| other == first).then_some(first)
    }

    /// The written rules that can be taken out: each by itself, and all of them together. The last come first, so
    /// that none is kept for the sake of one that goes.
    fn redundant(&mut self, units: &[Unit], dead: FxHashSet<RuleId>, repeats: bool, found: &mut Anomalies) {
        let mut alone: Vec<Redundant> = Vec::new();
        let mut policy: Vec<&Unit> = Vec::new();
        let candidates = self.candidates(units, &dead);
        let unshown = candidates.iter().filter(|unit| self.shown_of(unit).is_none());
        let share = Share::among(unshown.map(|unit| unit.rules.len()).sum(), self.ask.work);
        // By itself: rules that are dead because of it may come to life.
        let mut answers: Vec<(&Unit, Option<Without>)> = Vec::new();
        for unit in candidates {
            answers.push((unit, self.leave_out(unit, share)));
        }
        // What the others did not need is for those that take more, but for what says which of them go together.
        let mut hard = answers.iter().filter(|(_, answer)| answer.is_none()).count() as u64;
        let kept = self.left / 2;
        for (unit, answer) in answers.iter_mut().filter(|(_, answer)| answer.is_none()) {
            self.exact.allow(self.left.saturating_sub(kept) / hard);
            hard -= 1;
            *answer = self.ask_without(unit);
        }
        for (unit, answer) in answers {
            match answer {
                Some(Without::Same(by)) => {
                    let one = self.seeker.matches_all(&self.living(unit), &by, share);
                    alone.push(Redundant { unit: unit.clone(), by: one.map_or(by, |one| vec![one]) });
                }
                Some(Without::Policy) => policy.push(unit),
                Some(Without::Changes) => {}
                None => found.open.push(unit.rules[0]),
            }
        }
        let mut gone = dead;
        found.redundant = self.together(alone, &mut gone, (share, false), &mut found.open);
        if repeats {
            let policy =
                policy.into_iter().map(|unit| Redundant { unit: unit.clone(), by: Vec::new() }).collect();
            found.repeats = self.together(policy, &mut gone, (share, true), &mut found.open);
        }
    }

    /// Those of the rules that can each go alone which can go together, and with those that are `gone`.
    fn together(
        &mut self,
        mut alone: Vec<Redundant>,
        gone: &mut FxHashSet<RuleId>,
        (share, policy): (Share, bool),
        unknown: &mut Vec<RuleId>,
    ) -> Vec<Redundant> {
        let mut together = Vec::new();
        loop {
            let before = together.len();
            let mut left = alone.len() as u64;
            let mut kept = Vec::new();
            for redundant in alone {
                self.exact.allow((self.left / left).max(self.ask.question()).min(self.left));
                left -= 1;
                match self.may_go(&redundant.unit, gone, (share, policy)) {
                    Some(true) => {
                        gone.extend(redundant.unit.rules.iter().copied());
                        together.push(redundant);
                    }
                    Some(false) => kept.push(redundant),
                    None => unknown.push(redundant.unit.rules[0]),
                }
            }
            alone = kept;
            if alone.is_empty() || together.len() == before {
                break;
            }
        }
        together.sort_by_key(|redundant| redundant.unit.span);
        together
    }

    /// The written rules that decide, and do so for some packets; the last first.
    fn candidates<'u>(&self, units: &'u [Unit], dead: &FxHashSet<RuleId>) -> Vec<&'u Unit> {
        let order = self.reach.places();
        let last = |unit: &&Unit| {
            let places = unit.rules.iter().map(|id| (order[id.chain.0 as usize], id.index));
            std::cmp::Reverse(places.max().unwrap_or_default())
        };
        let decides = |unit: &&Unit| {
            unit.rules.iter().all(|id| {
                units::verdict(self.rules, *id).is_some()
                    && *self.fate(*id) != Fate::Open
                    && !dead.contains(id)
            }) && unit.rules.iter().any(|id| *self.fate(*id) == Fate::Lives)
        };
        let mut candidates: Vec<&Unit> = units.iter().filter(decides).collect();
        candidates.sort_by_key(last);
        candidates
    }

    /// What a packet shows of leaving out a written rule.
    fn shown_of(&self, unit: &Unit) -> Option<&Without> {
        self.seeker.unit_of(unit.rules[0]).and_then(|at| self.shown[at].as_ref())
    }

    /// What comes of leaving out one written rule, and no other.
    fn leave_out(&mut self, unit: &Unit, share: Share) -> Option<Without> {
        if let Some(without) = self.shown_of(unit) {
            return Some(self.beside(unit, without.clone()));
        }
        let gone = FxHashSet::default();
        let lives = self.living(unit);
        if let Some(by) = self.seeker.stand_in(&lives, &gone, share) {
            return Some(self.beside(unit, Without::Same(by)));
        }
        if let Some(without) = self.seeker.misses(&lives, &unit.rules, &gone, share) {
            return Some(self.beside(unit, without));
        }
        self.ask_without(unit)
    }

    /// Asks the engine what comes of leaving out one written rule, and no other.
    fn ask_without(&mut self, unit: &Unit) -> Option<Without> {
        let without = self.work(|exact, desk| exact.without(desk, &unit.rules, &FxHashSet::default()))?;
        Some(self.beside(unit, without))
    }

    /// The rules of a written one that do something.
    fn living(&self, unit: &Unit) -> Vec<RuleId> {
        unit.rules.iter().filter(|id| *self.fate(**id) == Fate::Lives).copied().collect()
    }

    /// What comes of leaving rules out, what they do besides their verdicts counted in.
    fn beside(&self, unit: &Unit, without: Without) -> Without {
        let by: &[RuleId] = match &without {
            Without::Same(by) => by,
            Without::Policy | Without::Changes => &[],
        };
        let nothing = self.rules.rule(unit.rules[0]).beside == 0 || !by.is_empty();
        let same = nothing && units::same_beside(self.rules, &unit.rules, by);
        if same { without } else { Without::Changes }
    }

    /// Whether nothing changes where a rule goes together with others; by the policy, where that is `allowed`. `None`
    /// where it was not found out.
    fn may_go(
        &mut self,
        unit: &Unit,
        gone: &FxHashSet<RuleId>,
        (share, allowed): (Share, bool),
    ) -> Option<bool> {
        let lives = self.living(unit);
        if let Some(by) = self.seeker.stand_in(&lives, gone, share)
            && units::same_beside(self.rules, &unit.rules, &by)
        {
            return Some(true);
        }
        match self.seeker.misses(&lives, &unit.rules, gone, share) {
            Some(Without::Changes) => return Some(false),
            Some(Without::Policy) if !allowed => return Some(false),
            Some(_) | None => {}
        }
        let without = self.work(|exact, desk| exact.without(desk, &unit.rules, gone))?;
        Some(match self.beside(unit, without) {
            Without::Same(_) => true,
            Without::Policy => allowed,
            Without::Changes => false,
        })
    }
}

fn sorted(mut rules: Vec<RuleId>) -> Vec<RuleId> {
    rules.sort_unstable();
    rules.dedup();
    rules
}
