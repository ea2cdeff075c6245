//! Who takes the packets of rules that do nothing.

use super::exact::Takers;
use super::table::Share;
use super::{Fate, Finder, Taken, steps, units};
use crate::model::{ChainId, Effect, RuleId, Verdict};

/// The part of the work that is left which is done to name rules.
const PART: u64 = 8;

impl Finder<'_> {
    /// Who takes what a rule matches, asked of the engine.
    pub(super) fn takers(&mut self, id: RuleId) -> Option<Taken> {
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
    pub(super) fn name_takers(&mut self) {
        let enough = self.left - self.left / PART;
        let covered = |fate: &&Fate| matches!(fate, Fate::Dead(Taken { asked: false, .. }));
        let share = Share::among(self.fates.iter().flatten().filter(covered).count(), self.ask.work);
        for chain in self.reach.order().to_vec() {
            // To a chain that the system walks all comes that there is, but for what is stopped at another hook.
            let comes = self.is_of_stage(chain);
            for index in 0..self.fates[chain.0 as usize].len() as u32 {
                let id = RuleId { chain, index };
                let Fate::Dead(taken) = self.fate(id) else { continue };
                let taken = self.alive(chain, taken);
                let known = |by: &u32| self.seeker.takes(RuleId { chain, index: *by }, id, share);
                let sure = taken.asked || taken.by.is_empty() || comes || taken.by.iter().any(known);
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

    /// Whether a rule lets all pass that matches, or none, in the chain that it leads to at the latest; `None` where neither
    /// is known.
    pub(super) fn lets_pass(&self, id: RuleId) -> Option<bool> {
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
}
