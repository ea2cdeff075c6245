//! Builds a [`Ruleset`]: interns what rules share.

use rustc_hash::FxHashMap;

use super::{
    Chain, ChainId, ChainKind, CondId, Condition, Effect, HelperId, Hook, Map, MapEntry, MapId, Nat, NatId,
    Origin, Rule, Ruleset, SetId, Stage, Step, Test, Tuples, TuplesId, Values,
};
use crate::packet::{Field, Set};
use crate::source::Span;

/// Makes a [`Ruleset`].
///
/// Chains are declared first or on the way; a rule is the steps pushed since the last one.
#[derive(Default)]
pub struct Builder {
    rules: Ruleset,
    first: u32,
    sets: FxHashMap<Set, SetId>,
    masks: FxHashMap<u128, u32>,
    conditions: FxHashMap<Condition, CondId>,
    numbered: FxHashMap<(String, String, String), u32>,
    helpers: FxHashMap<String, HelperId>,
    tags: FxHashMap<String, u32>,
    besides: FxHashMap<String, u32>,
    beside: u32,
}

impl Builder {
    /// An empty ruleset.
    pub fn new() -> Self {
        Self::default()
    }

    /// The ruleset so far, for its plain fields.
    pub fn ruleset(&mut self) -> &mut Ruleset {
        &mut self.rules
    }

    /// Declares a chain.
    pub fn chain(&mut self, name: impl Into<String>, span: Span) -> ChainId {
        self.chain_of(ChainKind::Plain, name, span)
    }

    /// Declares a chain of a kind.
    pub fn chain_of(&mut self, kind: ChainKind, name: impl Into<String>, span: Span) -> ChainId {
        let id = ChainId(self.rules.chains.len() as u32);
        self.rules.chains.push(Chain { kind, name: name.into(), span, rules: Vec::new() });
        id
    }

    /// Adds a stage at the end of a hook's row.
    pub fn stage(&mut self, hook: Hook, stage: Stage) {
        self.rules.hooks[hook as usize].push(stage);
    }

    /// Adds a step to the rule that is being made.
    pub fn step(&mut self, step: Step) {
        self.rules.steps.push(step);
    }

    /// Adds a test to the rule that is being made.
    pub fn test(&mut self, test: Test) {
        self.step(Step::Test(test));
    }

    /// Adds a test of a field against values.
    pub fn field(&mut self, field: Field, values: Values, negate: bool) {
        self.test(Test::In { field, values, negate });
    }

    /// Adds a test of a field against one value.
    pub fn is(&mut self, field: Field, value: u128) {
        let values = self.range(value, value);
        self.field(field, values, false);
    }

    /// Adds an unknown condition.
    pub fn unknown(&mut self, condition: impl Into<Condition>) {
        let cond = self.condition(condition);
        self.test(Test::Unknown { cond, negate: false });
    }

    /// Adds an effect to the rule that is being made.
    pub fn effect(&mut self, effect: Effect) {
        self.step(Step::Effect(effect));
    }

    /// Ends the rule: the steps since the last end become a rule of `chain`.
    pub fn rule(&mut self, chain: ChainId, origin: impl Into<Origin>) {
        let last = self.rules.steps.len() as u32;
        let rule = Rule { first: self.first, last, origin: origin.into(), beside: self.beside };
        self.first = last;
        self.rules.chains[chain.0 as usize].rules.push(rule);
    }

    /// Says what the rules that are made from here on do besides their steps; empty where that is nothing.
    pub fn beside(&mut self, what: &str) {
        self.beside = match (what, self.besides.get(what)) {
            ("", _) => 0,
            (_, Some(known)) => *known,
            (_, None) => {
                let number = self.besides.len() as u32 + 1;
                self.besides.insert(what.to_string(), number);
                number
            }
        };
    }

    /// The steps of the rule that is being made.
    pub fn pending(&self) -> &[Step] {
        &self.rules.steps[self.first as usize..]
    }

    /// Throws away the steps since the last end of a rule.
    pub fn abandon(&mut self) {
        self.rules.steps.truncate(self.first as usize);
    }

    /// Values of one interval.
    pub fn range(&mut self, lo: u128, hi: u128) -> Values {
        match (u32::try_from(lo), u32::try_from(hi)) {
            (Ok(lo), Ok(hi)) => Values::Range(lo, hi),
            _ => self.values(Set::range(lo, hi)),
        }
    }

    /// Values of a set; equal sets are kept once.
    pub fn values(&mut self, set: Set) -> Values {
        if let [(lo, hi)] = *set.ranges()
            && let (Ok(lo), Ok(hi)) = (u32::try_from(lo), u32::try_from(hi))
        {
            return Values::Range(lo, hi);
        }
        let sets = &mut self.rules.sets;
        Values::Set(*self.sets.entry(set).or_insert_with_key(|set| {
            sets.push(set.clone());
            SetId(sets.len() as u32 - 1)
        }))
    }

    /// The index of a mask for [`Test::Masked`].
    pub fn mask(&mut self, mask: u128) -> u32 {
        let masks = &mut self.rules.masks;
        *self.masks.entry(mask).or_insert_with(|| {
            masks.push(mask);
            masks.len() as u32 - 1
        })
    }

    /// An unknown condition: a known one where it is the same, see [`Condition::each_its_own`].
    pub fn condition(&mut self, condition: impl Into<Condition>) -> CondId {
        let condition = condition.into();
        let own = condition.each_its_own();
        if let Some(id) = self.conditions.get(&condition).filter(|_| !own) {
            return *id;
        }
        let id = CondId(self.rules.conditions.len() as u32);
        self.rules.conditions.push(condition.clone());
        self.conditions.insert(condition, id);
        id
    }

    /// A name for a condition that answers for itself at each place: `limit INPUT "3/min" 2` is the second of
    /// that text in its chain, so that it is the same in two files that differ elsewhere.
    pub fn numbered(&mut self, kind: &str, chain: &str, text: &str) -> String {
        let key = (kind.to_string(), chain.to_string(), text.to_string());
        let number = self.numbered.entry(key).or_default();
        *number += 1;
        format!("{kind} {chain} \"{text}\" {number}")
    }

    /// A helper by name.
    pub fn helper(&mut self, name: &str) -> HelperId {
        intern(&mut self.helpers, &mut self.rules.helpers, name, HelperId)
    }

    /// The number of a tag of pf, from 1.
    pub fn tag(&mut self, name: &str) -> u32 {
        intern(&mut self.tags, &mut self.rules.tags, name, |index| index + 1)
    }

    /// A union of products.
    pub fn tuples(&mut self, tuples: Tuples) -> TuplesId {
        self.rules.tuples.push(tuples);
        TuplesId(self.rules.tuples.len() as u32 - 1)
    }

    /// A translation.
    pub fn nat(&mut self, nat: Nat) -> NatId {
        self.rules.nats.push(nat);
        NatId(self.rules.nats.len() as u32 - 1)
    }

    /// A lookup table over `fields`. With one field, keys that overlap go to the earlier entry.
    pub fn map(&mut self, fields: Vec<Field>, entries: Vec<MapEntry>) -> MapId {
        let index = if fields.len() == 1 { index_of(&entries) } else { Vec::new() };
        self.rules.maps.push(Map { fields, entries, index });
        MapId(self.rules.maps.len() as u32 - 1)
    }

    /// The ruleset. Jumps that close a circle become undefined effects: no walk has to end there.
    pub fn finish(mut self) -> Ruleset {
        self.break_circles();
        self.rules
    }

    /// Finds jumps back to an open chain, depth first and without recursion.
    fn break_circles(&mut self) {
        const NEW: u8 = 0;
        const OPEN: u8 = 1;
        const DONE: u8 = 2;
        // Lookup tables stand behind the chains, each once, however many rules look it up.
        let mut marks = vec![NEW; self.rules.chains.len() + self.rules.maps.len()];
        let mut circles = Vec::new();
        for root in 0..marks.len() {
            if marks[root] != NEW {
                continue;
            }
            marks[root] = OPEN;
            let mut stack = vec![(root, self.jumps(root), 0)];
            while let Some((chain, jumps, at)) = stack.last_mut() {
                let Some((place, target)) = jumps.get(*at).copied() else {
                    marks[*chain] = DONE;
                    stack.pop();
                    continue;
                };
                *at += 1;
                match marks.get(target) {
                    Some(&NEW) => {
                        marks[target] = OPEN;
                        stack.push((target, self.jumps(target), 0));
                    }
                    Some(&OPEN) => circles.push(place),
                    _ => {}
                }
            }
        }
        for place in circles {
            let undefined = Effect::Undefined(self.condition("a jump in a circle"));
            match place {
                Place::Step(step) => self.rules.steps[step as usize] = Step::Effect(undefined),
                Place::Entry(map, entry) => {
                    self.rules.maps[map as usize].entries[entry as usize].effect = undefined
                }
            }
        }
    }

    /// The jumps of a chain or lookup table: where they are, and the chain or table that they go to.
    fn jumps(&self, from: usize) -> Vec<(Place, usize)> {
        let target = |effect: Effect| effect.leads_to().map(|chain| chain.0 as usize);
        let chains = self.rules.chains.len();
        if let Some(map) = from.checked_sub(chains) {
            let entries = self.rules.maps[map].entries.iter().enumerate();
            let to = |(at, entry): (usize, &MapEntry)| {
                target(entry.effect).map(|chain| (Place::Entry(map as u32, at as u32), chain))
            };
            return entries.filter_map(to).collect();
        }
        let mut jumps = Vec::new();
        for rule in &self.rules.chains[from].rules {
            for step in rule.first..rule.last {
                let to = match self.rules.steps[step as usize] {
                    Step::Effect(effect) => target(effect),
                    Step::Lookup(map) => Some(chains + map.0 as usize),
                    Step::Test(_) => None,
                };
                jumps.extend(to.map(|to| (Place::Step(step), to)));
            }
        }
        jumps
    }
}

/// Where a jump is written: a step, or an entry of a lookup table.
#[derive(Clone, Copy)]
enum Place {
    Step(u32),
    Entry(u32, u32),
}

/// The key intervals of a table over one field, sorted and disjoint.
fn index_of(entries: &[MapEntry]) -> Vec<(u128, u128, u32)> {
    let mut index: Vec<(u128, u128, u32)> = Vec::with_capacity(entries.len());
    for (at, entry) in entries.iter().enumerate() {
        let key = entry.key.first().cloned().flatten().unwrap_or_else(Set::full);
        index.extend(key.ranges().iter().map(|(lo, hi)| (*lo, *hi, at as u32)));
    }
    index.sort_unstable();
    if index.windows(2).all(|pair| pair[0].1 < pair[1].0) {
        return index;
    }
    // Overlapping keys are rare and few: give each value to the first entry that has it.
    let mut taken = Set::empty();
    index.clear();
    for (at, entry) in entries.iter().enumerate() {
        let key = entry.key.first().cloned().flatten().unwrap_or_else(Set::full);
        index.extend(key.minus(&taken).ranges().iter().map(|(lo, hi)| (*lo, *hi, at as u32)));
        taken = taken.or(&key);
    }
    index.sort_unstable();
    index
}

fn intern<I: Copy>(
    known: &mut FxHashMap<String, I>,
    names: &mut Vec<String>,
    name: &str,
    id: impl Fn(u32) -> I,
) -> I {
    if let Some(id) = known.get(name) {
        return *id;
    }
    let id = id(names.len() as u32);
    names.push(name.to_string());
    known.insert(name.to_string(), id);
    id
}
