//! Chains that only decide: what they make of packets hangs on nothing but the fields that their rules ask for. It is
//! worked out for these fields alone, and then for the packets: a chain of a thousand sources is not gone through
//! again for each kind of destination.

use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashMap;

use super::class::{Class, Classes, Expr, Gathering};
use super::walk::Walking;
use super::watch::Noted;
use super::{Pass, Run, TooMuch};
use crate::analysis::Decider;
use crate::model::{ChainId, Effect, RuleId, Ruleset, Step, Test, Verdict};
use crate::packet::{Field, Fields, Level, Space};

/// Fewer rules do not pay.
const FEW_RULES: usize = 3;
/// Chains that lead to more others are not looked at.
const MOST_CHAINS: usize = 32;
/// Nor are maps of more entries.
const MOST_ENTRIES: usize = 64;

/// What chains ask for that only decide, as far as somebody wanted to know; `None` of others.
#[derive(Default)]
pub(super) struct Asked(Mutex<FxHashMap<ChainId, Option<Fields>>>);

impl Asked {
    fn of(&self, rules: &Ruleset, chain: ChainId) -> Option<Fields> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known.entry(chain).or_insert_with(|| asked(rules, chain))
    }
}

/// The fields that the rules of a chain ask for, and of those that it leads to.
fn asked(rules: &Ruleset, chain: ChainId) -> Option<Fields> {
    let (mut open, mut seen) = (vec![chain], vec![chain]);
    let (mut fields, mut count) = (Fields::default(), 0);
    while let Some(chain) = open.pop() {
        let listed = &rules.chain(chain).rules;
        count += listed.len();
        for rule in listed {
            for step in rules.steps_of(rule) {
                fields.extend(asked_by(rules, step)?);
            }
            for to in rules.led_to(rule) {
                if !seen.contains(&to) {
                    seen.push(to);
                    open.push(to);
                }
            }
            if seen.len() > MOST_CHAINS {
                return None;
            }
        }
    }
    (count >= FEW_RULES).then_some(fields)
}

/// The fields that a step asks for; `None` where it does more than decide.
fn asked_by(rules: &Ruleset, step: &Step) -> Option<Fields> {
    let named = match step {
        Step::Test(Test::In { field, .. } | Test::Masked { field, .. }) => std::slice::from_ref(field),
        Step::Test(Test::Tuple { tuples, .. }) => &rules.tuple(*tuples).fields[..],
        Step::Test(Test::Unknown { .. } | Test::Never) => &[],
        Step::Effect(effect) => return decides(*effect).then(Fields::default),
        Step::Lookup(map) => {
            let map = rules.map(*map);
            let decide =
                map.entries.len() <= MOST_ENTRIES && map.entries.iter().all(|entry| decides(entry.effect));
            decide.then_some(&map.fields[..])?
        }
    };
    let mut fields = Fields::of(named);
    if named.iter().any(|field| field.carrier_set().is_some()) {
        fields.add(Field::Proto);
    }
    Some(fields)
}

/// Whether all that an effect does is to say where packets go.
fn decides(effect: Effect) -> bool {
    matches!(
        effect,
        Effect::Verdict(_)
            | Effect::Jump(_)
            | Effect::Goto(_)
            | Effect::Return
            | Effect::NextRule
            | Effect::Undefined(_)
    )
}

/// What became of packets in a chain, and what was noted of them.
#[derive(Default)]
struct Fate {
    refused: Vec<(Decider, Verdict, Space)>,
    refusals: FxHashMap<(Decider, Verdict), usize>,
    passes: Vec<Pass>,
    accepts: FxHashMap<(Decider, u32), usize>,
    accepted: Gathering,
    acted: FxHashMap<RuleId, Noted>,
    taken: FxHashMap<RuleId, Noted>,
    entered: FxHashMap<ChainId, Space>,
}

impl Run<'_, '_, '_> {
    /// The packets that come back from a chain.
    pub(super) fn through(
        &mut self,
        walking: &mut Walking<'_>,
        chain: ChainId,
        class: Class,
    ) -> Result<Classes, TooMuch> {
        let Some(more) = self.with_more(chain, &class) else {
            return self.chain(walking, chain, Classes::one(class));
        };
        let packets = class.space;
        let mut fate = Fate::default();
        self.exchange(walking, &mut fate);
        self.apart += 1;
        let back = self.chain(walking, chain, Classes::one(Class { space: more, ctrl: class.ctrl }))?;
        self.apart -= 1;
        self.exchange(walking, &mut fate);
        self.befall(walking, fate, packets);
        let mut returned = Classes::default();
        for class in back {
            let space = self.spaces.and(class.space, packets);
            returned.add(self.spaces, Class { space, ctrl: class.ctrl });
        }
        Ok(returned)
    }

    /// More packets than those of a class, which a chain takes for the same because it does not ask for what parts
    /// them; `None` where that makes nothing easier.
    fn with_more(&mut self, chain: ChainId, class: &Class) -> Option<Space> {
        let fields = self.flow.asked.of(self.flow.rules, chain)?;
        let levels: Vec<Level> = fields
            .iter()
            .filter_map(|field| match class.ctrl.expr(self.spaces, field)? {
                Expr::At(level, _) => Some(level),
                Expr::Const(_) => None,
            })
            .collect();
        let more = self.spaces.only(class.space, &levels);
        (more != class.space).then_some(more)
    }

    /// Lays aside what became of packets, and takes up other.
    fn exchange(&mut self, walking: &mut Walking<'_>, fate: &mut Fate) {
        use std::mem::swap;
        swap(&mut self.passage.refused, &mut fate.refused);
        swap(&mut self.refusals, &mut fate.refusals);
        swap(&mut self.passage.passes, &mut fate.passes);
        swap(&mut self.accepts, &mut fate.accepts);
        swap(&mut walking.accepted, &mut fate.accepted);
        swap(&mut self.watch.acted, &mut fate.acted);
        swap(&mut self.watch.taken, &mut fate.taken);
        swap(&mut self.watch.entered, &mut fate.entered);
    }

    /// What became of more packets becomes of some of them.
    fn befall(&mut self, walking: &mut Walking<'_>, fate: Fate, packets: Space) {
        for (by, verdict, space) in fate.refused {
            let space = self.spaces.and(space, packets);
            self.refuse(by, verdict, space);
        }
        for Pass { by, weight, space, .. } in fate.passes {
            let space = self.spaces.and(space, packets);
            self.pass(by, weight, space);
        }
        for class in fate.accepted.all(self.spaces) {
            let space = self.spaces.and(class.space, packets);
            walking.accepted.add(self.spaces, Class { space, ctrl: class.ctrl });
        }
        for (id, noted) in fate.acted {
            self.watch.acted.entry(id).or_default().extend(self.spaces, noted, packets);
        }
        for (id, noted) in fate.taken {
            self.watch.taken.entry(id).or_default().extend(self.spaces, noted, packets);
        }
        for (id, space) in fate.entered {
            let space = self.spaces.and(space, packets);
            self.note_packets(id, space);
        }
    }
}
