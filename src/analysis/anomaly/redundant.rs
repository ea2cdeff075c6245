//! Rules that can be taken out although they do something: others do the same.

use rustc_hash::FxHashSet;

use super::exact::Without;
use super::table::Share;
use super::units::{self, Unit};
use super::{Anomalies, Fate, Finder, Redundant};
use crate::model::RuleId;

impl Finder<'_> {
    /// The written rules that can be taken out: each by itself, and all of them together. The last come first, so
    /// that none is kept for the sake of one that goes.
    pub(super) fn redundant(
        &mut self,
        units: &[Unit],
        dead: FxHashSet<RuleId>,
        repeats: bool,
        found: &mut Anomalies,
    ) {
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
