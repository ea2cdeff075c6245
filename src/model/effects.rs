//! What rules can do to packets, read off their steps.

use super::{ChainId, Effect, Rule, Ruleset, Step};
use crate::packet::Field;

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

    /// The fields that can read as another value after an effect. Packets that are not tracked have no connection to
    /// look at; that is not told here.
    pub(crate) fn rewritten(&self, effect: Effect) -> impl Iterator<Item = Field> + use<> {
        let (always, one): (&'static [Field], Option<Field>) = match effect {
            Effect::Mark(_) | Effect::RestoreMark(_) => (&[Field::Mark], None),
            Effect::CtMark(_) | Effect::SaveMark(_) => (&[Field::CtMark], None),
            Effect::Forget(field) | Effect::Set(field, _) => (&[], Some(field)),
            Effect::Tag(_) => (&[Field::Tag], None),
            Effect::Nat(nat) if self.nat(nat).destination => {
                (&[Field::Dst4, Field::Dst6, Field::Dport, Field::Oif, Field::Dnat], None)
            }
            Effect::Nat(_) => (&[Field::Src4, Field::Src6, Field::Sport, Field::Snat], None),
            Effect::Verdict(_)
            | Effect::Jump(_)
            | Effect::Goto(_)
            | Effect::Return
            | Effect::NextRule
            | Effect::Pend(_)
            | Effect::Settle
            | Effect::NoTrack
            | Effect::Helper(_)
            | Effect::KeepState(_)
            | Effect::Undefined(_) => (&[], None),
        };
        always.iter().copied().chain(one)
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
