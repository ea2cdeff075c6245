//! Rules as they are written: one may stand for several of the model.

use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHasher};

use super::reach::Reach;
use crate::model::{ChainId, ChainKind, Effect, RuleId, Ruleset, Step, Test, Verdict};
use crate::source::Span;

/// A written rule, or an element of one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unit {
    /// Where it is written.
    pub span: Span,
    /// The rules of the model that it stands for.
    pub rules: Vec<RuleId>,
    /// How many elements it has: 1 where it is no list.
    pub elements: usize,
}

/// The written rules of the chains that something leads to, in the order of the files.
pub(super) fn of(rules: &Ruleset, reach: &Reach) -> Vec<Unit> {
    let lists = rules.chains.iter().any(|chain| chain.kind != ChainKind::Plain);
    let written = if lists { ChainKind::AccessList } else { ChainKind::Plain };
    let mut places: FxHashMap<Span, usize> = FxHashMap::default();
    let mut units: Vec<Unit> = Vec::new();
    for (at, chain) in rules.chains.iter().enumerate() {
        let id = ChainId(at as u32);
        if chain.kind != written || reach.of(id).is_apart() {
            continue;
        }
        for (index, rule) in chain.rules.iter().enumerate() {
            if !rule.origin.is_written() {
                continue;
            }
            let place = *places.entry(rule.span()).or_insert_with(|| {
                units.push(Unit { span: rule.span(), rules: Vec::new(), elements: 1 });
                units.len() - 1
            });
            let unit = &mut units[place];
            unit.rules.push(RuleId { chain: id, index: index as u32 });
            if unit.elements == 1 && rules.rule(unit.rules[0]).origin.part() != rule.origin.part() {
                unit.elements = 2;
            }
        }
    }
    for unit in units.iter_mut().filter(|unit| unit.elements > 1) {
        unit.elements = elements(rules, unit).len();
    }
    units.sort_by_key(|unit| (unit.span.start, unit.span.end));
    units
}

/// The elements of a written rule.
pub(super) fn elements(rules: &Ruleset, unit: &Unit) -> Vec<Unit> {
    let mut places: FxHashMap<Span, usize> = FxHashMap::default();
    let mut found: Vec<Unit> = Vec::new();
    for id in &unit.rules {
        let span = rules.rule(*id).origin.part();
        let place = *places.entry(span).or_insert_with(|| {
            found.push(Unit { span, rules: Vec::new(), elements: 1 });
            found.len() - 1
        });
        found[place].rules.push(*id);
    }
    found
}

/// What a rule decides for all that it matches; `None` where it does not decide, or not the same for all.
pub(super) fn verdict(rules: &Ruleset, id: RuleId) -> Option<Verdict> {
    let mut verdict = None;
    let mut others = false;
    rules.effects(rules.steps_of(rules.rule(id))).for_each(|effect| match effect {
        Effect::Verdict(own) | Effect::Pend(own) => {
            others |= verdict.is_some_and(|known| known != own);
            verdict = Some(own);
        }
        Effect::Jump(_) | Effect::Goto(_) | Effect::Return | Effect::NextRule | Effect::Undefined(_) => {
            others = true;
        }
        Effect::Settle
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
    });
    verdict.filter(|_| !others)
}

/// Rules of one chain that say the same.
pub(super) struct Twins {
    /// By chain and what a rule says, the first that says it.
    first: FxHashMap<(ChainId, u64), u32>,
    /// How many rules stand for one that is written.
    parts: FxHashMap<Span, usize>,
}

impl Twins {
    /// Looks through the chains for which it is asked.
    pub(super) fn new(rules: &Ruleset, asked: impl Iterator<Item = bool>) -> Twins {
        let (mut first, mut parts) = (FxHashMap::default(), FxHashMap::default());
        for ((at, chain), asked) in rules.chains.iter().enumerate().zip(asked) {
            for (index, rule) in chain.rules.iter().enumerate() {
                *parts.entry(rule.span()).or_default() += 1;
                if asked {
                    let key = (ChainId(at as u32), said(rules.steps_of(rule)));
                    first.entry(key).or_insert(index as u32);
                }
            }
        }
        Twins { first, parts }
    }

    /// A written rule whose rules stand before those of another, and say the same: its first rule. What asks for
    /// nothing that there is has no twin: why it does so is not told.
    pub(super) fn of(&self, rules: &Ruleset, others: &[RuleId]) -> Option<RuleId> {
        let twin = |id: &RuleId| {
            let steps = rules.steps_of(rules.rule(*id));
            if steps.contains(&Step::Test(Test::Never)) {
                return None;
            }
            let index = *self.first.get(&(id.chain, said(steps)))?;
            let other = RuleId { chain: id.chain, index };
            let (rule, twin) = (rules.rule(*id), rules.rule(other));
            let same = alike(rules.steps_of(twin), steps) && twin.beside == rule.beside;
            (index < id.index && same && twin.span() != rule.span()).then_some(other)
        };
        let first = twin(others.first()?)?;
        let span = |id: &RuleId| rules.rule(*id).span();
        // A part of a rule is not the rule.
        if self.parts.get(&span(&first)) != Some(&others.len()) {
            return None;
        }
        others.iter().all(|id| twin(id).is_some_and(|twin| span(&twin) == span(&first))).then_some(first)
    }
}

/// Whether rules do the same as some others besides their steps.
pub(super) fn same_beside(rules: &Ruleset, unit: &[RuleId], by: &[RuleId]) -> bool {
    let mut all = unit.iter().chain(by).map(|id| rules.rule(*id).beside);
    let first = all.next();
    all.all(|beside| Some(beside) == first)
}

/// A number for what steps say: the order of tests does not matter.
fn said(steps: &[Step]) -> u64 {
    let number = |step: &Step| {
        let mut hasher = FxHasher::default();
        step.hash(&mut hasher);
        hasher.finish()
    };
    let tests =
        steps.iter().filter(|step| matches!(step, Step::Test(_))).map(number).fold(0, u64::wrapping_add);
    let rest = steps.iter().filter(|step| !matches!(step, Step::Test(_)));
    rest.fold(tests, |said, step| said.rotate_left(7) ^ number(step))
}

fn alike(one: &[Step], other: &[Step]) -> bool {
    let of = |steps: &[Step], tests: bool| -> Vec<Step> {
        steps.iter().filter(|step| matches!(step, Step::Test(_)) == tests).copied().collect()
    };
    let (a, b) = (of(one, true), of(other, true));
    a.len() == b.len() && a.iter().all(|step| b.contains(step)) && of(one, false) == of(other, false)
}
