//! What the steps of a rule come to: its tests, and whether packets go on after it.

use crate::model::{ChainId, Effect, Ruleset, Step, Test};

/// The tests before anything happens.
pub(super) fn first_tests(steps: &[Step]) -> impl Iterator<Item = &Test> {
    steps.iter().map_while(|step| match step {
        Step::Test(test) => Some(test),
        Step::Effect(_) | Step::Lookup(_) => None,
    })
}

/// What a rule does once its first tests hold.
pub(super) fn after_tests(steps: &[Step]) -> &[Step] {
    let tests = steps.iter().take_while(|step| matches!(step, Step::Test(_))).count();
    &steps[tests..]
}

/// Whether no packet for which the tests hold comes to the next rule of the chain; `ends` tells the chains from which
/// none comes back.
pub(super) fn takes(steps: &[Step], ends: &dyn Fn(ChainId) -> bool) -> bool {
    for step in after_tests(steps) {
        let Step::Effect(effect) = step else { return false };
        match effect {
            Effect::Verdict(_) | Effect::Return | Effect::Goto(_) | Effect::Settle => return true,
            Effect::Jump(chain) if ends(*chain) => return true,
            Effect::Jump(_) | Effect::NextRule | Effect::Undefined(_) => return false,
            Effect::Pend(_)
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
            | Effect::KeepState(_) => {}
        }
    }
    false
}

/// Whether no packet that comes to a chain comes back from it, where that is known of the chains that it leads to: one of
/// its rules takes all, and none before it sends any back.
pub(super) fn ends(rules: &Ruleset, chain: ChainId, known: &dyn Fn(ChainId) -> bool) -> bool {
    for rule in &rules.chain(chain).rules {
        let steps = rules.steps_of(rule);
        let sends_back = |step: &Step| match step {
            Step::Effect(Effect::Return | Effect::Undefined(_)) | Step::Lookup(_) => true,
            Step::Effect(Effect::Goto(to)) => !known(*to),
            Step::Effect(_) | Step::Test(_) => false,
        };
        if steps.iter().any(sends_back) {
            return false;
        }
        if first_tests(steps).next().is_none() && takes(steps, known) {
            return true;
        }
    }
    false
}

/// Whether packets may not come to the next rule of the chain.
pub(super) fn decides(steps: &[Step]) -> bool {
    let is_test = |step: &Step| matches!(step, Step::Test(_));
    takes(steps, &|_| false)
        || !steps.iter().all(is_test)
            && steps.iter().any(|step| matches!(step, Step::Lookup(_) | Step::Effect(Effect::Jump(_))))
}
