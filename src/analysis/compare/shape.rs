//! What rules are, whatever numbers their parts have: rules of two rulesets with one shape do the same.

use rustc_hash::FxHashMap;

use crate::model::{
    Chain, ChainId, ChainKind, CondId, Condition, Effect, MapEntry, MapId, MarkOp, Rule, RuleId, Ruleset,
    Step, Test, Tuples, Values, Verdict,
};
use crate::packet::{Field, Set};

/// Numbers for what is equal in both rulesets.
#[derive(Default)]
pub(super) struct Shapes {
    sets: FxHashMap<Set, u32>,
    texts: FxHashMap<String, u32>,
    conditions: FxHashMap<(Condition, u32), u32>,
    tuples: FxHashMap<Vec<u32>, u32>,
    steps: FxHashMap<StepShape, u32>,
    rules: FxHashMap<Vec<u32>, u32>,
    maps: FxHashMap<Vec<u32>, u32>,
    chains: FxHashMap<Vec<u32>, u32>,
}

/// A step with the numbers of [`Shapes`] for its parts.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum StepShape {
    In(Field, ValuesShape, bool),
    Masked(Field, u128, ValuesShape, bool),
    Tuple(u32, bool),
    Unknown(u32, bool),
    Never,
    Lookup(u32),
    Effect(EffectShape),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum ValuesShape {
    Range(u32, u32),
    Set(u32),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum EffectShape {
    Verdict(Verdict),
    Jump(Target),
    Goto(Target),
    Return,
    NextRule,
    Pend(Verdict),
    Settle,
    Mark(MarkOp),
    CtMark(MarkOp),
    SaveMark(u32),
    RestoreMark(u32),
    Forget(Field),
    Tag(u32),
    Set(Field, u32),
    NoTrack,
    Helper(u32),
    Nat(u32),
    KeepState(bool),
    Undefined(u32),
}

/// Where a jump leads: to a chain by its name, where each ruleset has one of that name, else by what is in it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Target {
    Named(u32, ChainKind),
    Like(u32),
}

/// What tells a chain from others: the entries of a list and its implicit deny are two of one name.
pub(super) type Name<'r> = (&'r str, ChainKind);

pub(super) fn name_of(chain: &Chain) -> Name<'_> {
    (&chain.name, chain.kind)
}

impl Shapes {
    fn set(&mut self, rules: &Ruleset, values: Values) -> ValuesShape {
        match values {
            Values::Range(lo, hi) => ValuesShape::Range(lo, hi),
            Values::Set(id) => ValuesShape::Set(self.number_of_set(rules.set(id))),
        }
    }

    fn number_of_set(&mut self, set: &Set) -> u32 {
        if let Some(known) = self.sets.get(set) {
            return *known;
        }
        let number = self.sets.len() as u32;
        self.sets.insert(set.clone(), number);
        number
    }

    pub(super) fn text(&mut self, text: &str) -> u32 {
        if let Some(known) = self.texts.get(text) {
            return *known;
        }
        let number = self.texts.len() as u32;
        self.texts.insert(text.to_string(), number);
        number
    }

    fn tuple(&mut self, tuples: &Tuples) -> u32 {
        let mut key = fields_key(&tuples.fields);
        for side in tuples.boxes.iter().flatten() {
            key.push(side.as_ref().map_or(u32::MAX, |set| self.number_of_set(set)));
        }
        number(&mut self.tuples, key)
    }
}

/// The start of a key that is about several fields.
fn fields_key(fields: &[Field]) -> Vec<u32> {
    std::iter::once(fields.len() as u32).chain(fields.iter().map(|field| *field as u32)).collect()
}

fn number(known: &mut FxHashMap<Vec<u32>, u32>, key: Vec<u32>) -> u32 {
    let next = known.len() as u32;
    *known.entry(key).or_insert(next)
}

/// The shapes of one ruleset's rules.
pub(super) struct Shaped {
    /// For each chain, its rules.
    pub chains: Vec<Vec<u32>>,
    /// For each chain, how others jump to it.
    pub targets: Vec<Target>,
}

/// The shapes of the rules of a ruleset; `once` are the names that one chain has in each of both rulesets.
pub(super) fn shaped(shapes: &mut Shapes, rules: &Ruleset, once: &FxHashMap<Name<'_>, ChainId>) -> Shaped {
    let mut shaper = Shaper {
        conditions: conditions(shapes, rules),
        shaped: Shaped {
            chains: vec![Vec::new(); rules.chains.len()],
            targets: vec![Target::Like(0); rules.chains.len()],
        },
        maps: vec![None; rules.maps.len()],
        shapes,
        rules,
    };
    for id in callees_first(rules) {
        let chain = rules.chain(id);
        let mut row = Vec::with_capacity(chain.rules.len());
        for (rule, index) in chain.rules.iter().zip(0..) {
            let choice = rules.choices.get(&RuleId { chain: id, index });
            row.push(shaper.rule(rule, choice.map(|(said, _)| *said)));
        }
        let target = match once.get(&name_of(chain)) {
            Some(_) => Target::Named(shaper.shapes.text(&chain.name), chain.kind),
            None => Target::Like(number(&mut shaper.shapes.chains, row.clone())),
        };
        shaper.shaped.targets[id.0 as usize] = target;
        shaper.shaped.chains[id.0 as usize] = row;
    }
    shaper.shaped
}

/// For each condition a number for it and, where each place answers for itself, for its place.
fn conditions(shapes: &mut Shapes, rules: &Ruleset) -> Vec<u32> {
    let mut counts: FxHashMap<&str, u32> = FxHashMap::default();
    let of = rules.conditions.iter().map(|condition| {
        let count = counts.entry(&condition.name).or_default();
        *count += 1;
        let ordinal = if condition.each_its_own() { *count } else { 0 };
        let next = shapes.conditions.len() as u32;
        *shapes.conditions.entry((condition.clone(), ordinal)).or_insert(next)
    });
    of.collect()
}

struct Shaper<'s, 'r> {
    shapes: &'s mut Shapes,
    rules: &'r Ruleset,
    conditions: Vec<u32>,
    maps: Vec<Option<u32>>,
    shaped: Shaped,
}

impl Shaper<'_, '_> {
    fn rule(&mut self, rule: &Rule, choice: Option<u64>) -> u32 {
        let steps = self.rules.steps_of(rule);
        let mut key = Vec::with_capacity(steps.len());
        key.extend(choice.into_iter().flat_map(|said| [u32::MAX, said as u32, (said >> 32) as u32]));
        for step in steps {
            let shape = self.step(step);
            let next = self.shapes.steps.len() as u32;
            key.push(*self.shapes.steps.entry(shape).or_insert(next));
        }
        number(&mut self.shapes.rules, key)
    }

    fn step(&mut self, step: &Step) -> StepShape {
        let rules = self.rules;
        match *step {
            Step::Test(Test::In { field, values, negate }) => {
                StepShape::In(field, self.shapes.set(rules, values), negate)
            }
            Step::Test(Test::Masked { field, mask, values, negate }) => {
                let values = self.shapes.set(rules, values);
                StepShape::Masked(field, rules.masks[mask as usize], values, negate)
            }
            Step::Test(Test::Tuple { tuples, negate }) => {
                StepShape::Tuple(self.shapes.tuple(rules.tuple(tuples)), negate)
            }
            Step::Test(Test::Unknown { cond, negate }) => StepShape::Unknown(self.condition(cond), negate),
            Step::Test(Test::Never) => StepShape::Never,
            Step::Lookup(map) => StepShape::Lookup(self.map(map)),
            Step::Effect(effect) => StepShape::Effect(self.effect(effect)),
        }
    }

    fn condition(&self, cond: CondId) -> u32 {
        self.conditions[cond.0 as usize]
    }

    fn map(&mut self, id: MapId) -> u32 {
        if let Some(known) = self.maps[id.0 as usize] {
            return known;
        }
        let map = self.rules.map(id);
        let mut key = fields_key(&map.fields);
        for MapEntry { key: sides, effect, .. } in &map.entries {
            for side in sides {
                key.push(side.as_ref().map_or(u32::MAX, |set| self.shapes.number_of_set(set)));
            }
            let shape = StepShape::Effect(self.effect(*effect));
            let next = self.shapes.steps.len() as u32;
            key.push(*self.shapes.steps.entry(shape).or_insert(next));
        }
        let found = number(&mut self.shapes.maps, key);
        self.maps[id.0 as usize] = Some(found);
        found
    }

    fn effect(&mut self, effect: Effect) -> EffectShape {
        let target = |chain: ChainId| self.shaped.targets[chain.0 as usize];
        match effect {
            Effect::Verdict(verdict) => EffectShape::Verdict(verdict),
            Effect::Jump(chain) => EffectShape::Jump(target(chain)),
            Effect::Goto(chain) => EffectShape::Goto(target(chain)),
            Effect::Return => EffectShape::Return,
            Effect::NextRule => EffectShape::NextRule,
            Effect::Pend(verdict) => EffectShape::Pend(verdict),
            Effect::Settle => EffectShape::Settle,
            Effect::Mark(op) => EffectShape::Mark(op),
            Effect::CtMark(op) => EffectShape::CtMark(op),
            Effect::SaveMark(mask) => EffectShape::SaveMark(mask),
            Effect::RestoreMark(mask) => EffectShape::RestoreMark(mask),
            Effect::Forget(field) => EffectShape::Forget(field),
            // Tags and helpers have numbers of their own in each ruleset: their names count.
            Effect::Tag(tag) => {
                let name = tag.checked_sub(1).and_then(|at| self.rules.tags.get(at as usize));
                EffectShape::Tag(match name {
                    Some(name) => self.shapes.text(name),
                    None => self.shapes.text(&format!("tag {tag}")),
                })
            }
            Effect::Set(field, value) => EffectShape::Set(field, value),
            Effect::NoTrack => EffectShape::NoTrack,
            Effect::Helper(helper) => {
                EffectShape::Helper(self.shapes.text(&self.rules.helpers[helper.index()]))
            }
            Effect::Nat(nat) => EffectShape::Nat(self.shapes.text(&format!("{:?}", self.rules.nat(nat)))),
            Effect::KeepState(keeps) => EffectShape::KeepState(keeps),
            Effect::Undefined(cond) => EffectShape::Undefined(self.condition(cond)),
        }
    }
}

/// All chains, each after those that it jumps to; jumps make no circles.
pub(super) fn callees_first(rules: &Ruleset) -> Vec<ChainId> {
    let mut order = Vec::with_capacity(rules.chains.len());
    let mut seen = vec![false; rules.chains.len()];
    for root in 0..rules.chains.len() {
        if std::mem::replace(&mut seen[root], true) {
            continue;
        }
        let jumps = |chain: usize| -> Vec<ChainId> {
            let mut found: Vec<ChainId> =
                rules.chains[chain].rules.iter().flat_map(|rule| rules.led_to(rule)).collect();
            found.sort_unstable();
            found.dedup();
            found
        };
        let mut open = vec![(root, jumps(root))];
        while let Some((chain, left)) = open.last_mut() {
            match left.pop() {
                Some(next) if std::mem::replace(&mut seen[next.0 as usize], true) => {}
                Some(next) => open.push((next.0 as usize, jumps(next.0 as usize))),
                None => {
                    order.push(ChainId(*chain as u32));
                    open.pop();
                }
            }
        }
    }
    order
}
