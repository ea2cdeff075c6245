//! In which chain and before which rule lines have to stand so that they decide.

use crate::analysis::Decider;
use crate::dialect::write::{At, Goal};
use crate::model::{ChainId, Hook, RuleId, Ruleset, StageKind};
use crate::packet::Family;

/// How many ways to place lines there are in each language, the likeliest first.
pub(super) const STYLES: usize = 4;

/// What is known of who decides, in a language in which the first match does.
pub(super) struct Places<'p> {
    /// The rules.
    pub rules: &'p Ruleset,
    /// Who decides now.
    pub by: Decider,
    /// At which hook, as far as that is known.
    pub hook: Option<Hook>,
    /// The family of the flows.
    pub family: Family,
}

impl Places<'_> {
    /// Where lines for a goal go, the likeliest place first.
    pub(super) fn of(&self, goal: Goal) -> Vec<At> {
        if matches!(goal, Goal::Translate(_)) { self.translations() } else { self.passes() }
    }

    /// Where rules that let through go: into the chain that is there for it; before the rule that decides or,
    /// where that is in a chain that others jump to, before the jump; before the rule itself; at the start of
    /// the chain of the hook.
    fn passes(&self) -> Vec<At> {
        let mut places = Vec::new();
        let policy = |hook: Hook, at: u32| self.rules.stages(hook).get(at as usize).map(|stage| stage.chain);
        match self.by {
            Decider::Rule(rule) => {
                let Some((chain, jump)) = self.base(rule.chain) else { return vec![At::Rule(rule)] };
                places.extend(self.own_chain(chain));
                places.extend(jump.map(|index| At::Rule(RuleId { chain, index })));
                places.push(At::Rule(rule));
                places.push(At::Start(chain));
            }
            Decider::Policy(hook, at) => {
                let Some(chain) = policy(hook, at) else { return places };
                places.extend(self.own_chain(chain));
                places.push(At::End(chain));
                places.push(At::Start(chain));
            }
            Decider::End => {}
        }
        places
    }

    /// The chain that Docker leaves to others.
    fn own_chain(&self, base: ChainId) -> Option<At> {
        let is_it =
            |chain: &crate::model::Chain| chain.name.ends_with(" DOCKER-USER") && !chain.rules.is_empty();
        let at = self.rules.chains.iter().position(is_it)?;
        let chain = ChainId(at as u32);
        self.reach(base, chain).map(|_| At::Start(chain))
    }

    /// Where translations go: before the one that leads elsewhere, else at the end of the chain that translates
    /// destinations, or at its start.
    fn translations(&self) -> Vec<At> {
        let mut stages = self.rules.stages(Hook::Prerouting).iter();
        let translates =
            |stage: &&crate::model::Stage| stage.kind == StageKind::DstNat && stage.sees(self.family);
        let Some(chain) = stages.find(translates).map(|stage| stage.chain) else { return Vec::new() };
        let mut places = Vec::new();
        if let Decider::Rule(rule) = self.by
            && let Some(jump) = self.reach(chain, rule.chain)
        {
            places.push(jump.map_or(At::Rule(rule), |index| At::Rule(RuleId { chain, index })));
        }
        places.extend([At::End(chain), At::Start(chain)]);
        places
    }

    /// The chain of the hook from which packets get to a chain, and the first rule there that leads to it;
    /// `None` for that where it is the chain itself.
    fn base(&self, chain: ChainId) -> Option<(ChainId, Option<u32>)> {
        let hooks = [Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting];
        let first = self.hook.into_iter().chain(hooks);
        let stages = first.flat_map(|hook| self.rules.stages(hook)).filter(|stage| stage.sees(self.family));
        stages.into_iter().find_map(|stage| Some((stage.chain, self.reach(stage.chain, chain)?)))
    }

    /// Whether a chain leads to another one, and by which of its rules first.
    fn reach(&self, from: ChainId, to: ChainId) -> Option<Option<u32>> {
        if from == to {
            return Some(None);
        }
        let rules = self.rules;
        let mut leads = vec![None; rules.chains.len()];
        leads[to.0 as usize] = Some(true);
        // Each chain once, those that are jumped to before those that jump.
        let mut open = vec![(from, false)];
        while let Some((chain, seen)) = open.pop() {
            if leads[chain.0 as usize].is_some() && !seen {
                continue;
            }
            let next = rules.chain(chain).rules.iter().flat_map(|rule| rules.led_to(rule));
            if seen {
                let found = next.into_iter().any(|next| leads[next.0 as usize] == Some(true));
                leads[chain.0 as usize] = Some(found);
            } else {
                leads[chain.0 as usize] = Some(false);
                open.push((chain, true));
                open.extend(next.filter(|next| leads[next.0 as usize].is_none()).map(|next| (next, false)));
            }
        }
        let first = rules
            .chain(from)
            .rules
            .iter()
            .position(|rule| rules.led_to(rule).any(|next| leads[next.0 as usize] == Some(true)));
        first.map(|index| Some(index as u32))
    }
}
