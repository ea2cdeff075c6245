//! What rules can do to packets, read off their steps.

use super::{ChainId, Effect, Rule, Ruleset, Step};

impl Effect {
    /// The chain that packets go to.
    pub fn leads_to(self) -> Option<ChainId> {
        match self {
            Effect::Jump(chain) | Effect::Goto(chain) => Some(chain),
            Effect::Verdict(_)
            | Effect::Return
            | Effect::NextRule
            | Effect::Pend(_)
            | Effect::Settle
            | Effect::Mark(_)
            | Effect::CtMark(_)
            | Effect::SaveMark(_)
            | Effect::RestoreMark(_)
            | Effect::Forget(_)
            | Effect::Tag(_)
            | Effect::Set(..)
            | Effect::NoTrack
            | Effect::Helper(_)
            | Effect::Nat(_)
            | Effect::KeepState(_)
            | Effect::Undefined(_) => None,
        }
    }
}

impl Ruleset {
    /// The effects of steps, those that lookups may find included.
    pub fn effects<'r>(&'r self, steps: &'r [Step]) -> impl Iterator<Item = Effect> + 'r {
        steps.iter().flat_map(|step| {
            let (own, found) = match step {
                Step::Test(_) => (None, [].as_slice()),
                Step::Effect(effect) => (Some(*effect), [].as_slice()),
                Step::Lookup(map) => (None, self.map(*map).entries.as_slice()),
            };
            own.into_iter().chain(found.iter().map(|entry| entry.effect))
        })
    }

    /// The chains that a rule leads to.
    pub fn led_to<'r>(&'r self, rule: &Rule) -> impl Iterator<Item = ChainId> + use<'r> {
        self.effects(self.steps_of(rule)).filter_map(Effect::leads_to)
    }

    /// All effects that there are.
    pub fn all_effects(&self) -> impl Iterator<Item = Effect> + '_ {
        let own = self.steps.iter().filter_map(|step| match step {
            Step::Effect(effect) => Some(*effect),
            Step::Test(_) | Step::Lookup(_) => None,
        });
        own.chain(self.maps.iter().flat_map(|map| &map.entries).map(|entry| entry.effect))
    }
}
