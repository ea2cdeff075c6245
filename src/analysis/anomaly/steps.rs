//! What the steps of a rule come to: its tests, and whether packets go on after it.

use crate::model::{Effect, Step, Test};

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

/// Whether no packet for which the tests hold comes to the next rule of the chain.
pub(super) fn takes(steps: &[Step]) -> bool {
    for step in after_tests(steps) {
        let Step::Effect(effect) = step else { return false };
        match effect {
            Effect::Verdict(_) | Effect::Return | Effect::Goto(_) | Effect::Settle => return true,
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

/// Whether packets may not come to the next rule of the chain.
pub(super) fn decides(steps: &[Step]) -> bool {
    let is_test = |step: &Step| matches!(step, Step::Test(_));
    takes(steps)
        || !steps.iter().all(is_test)
            && steps.iter().any(|step| matches!(step, Step::Lookup(_) | Step::Effect(Effect::Jump(_))))
}
