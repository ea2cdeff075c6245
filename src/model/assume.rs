//! Answers to what the files do not tell: a ruleset in which conditions are replaced by what is assumed of them.

use rustc_hash::FxHashMap;

use super::{About, CondId, Condition, Effect, Nature, Ruleset, SetId, Step, Test, Tuples, TuplesId, Values};
use crate::packet::{Family, Field, Set};
use crate::source::Span;

/// What somebody who knows the firewall says of its unknown conditions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assumption {
    /// The name of a [`Condition`]; a `*` at the end stands for any rest.
    pub name: String,
    /// What is so.
    pub answer: Assumed,
    /// Why it may be assumed.
    pub reason: Option<String>,
    /// Where it is written.
    pub span: Option<Span>,
}

/// What is assumed of a condition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Assumed {
    /// A set, a table or the like has no elements; an anchor or a chain has no rules.
    Empty,
    /// It holds for all packets, or for none.
    Holds(bool),
    /// A set or the like has these addresses, and no others.
    Addresses {
        /// Those of IPv4.
        v4: Set,
        /// Those of IPv6.
        v6: Set,
    },
}

/// An assumption that changes nothing, or not all that it speaks of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unmet {
    /// No condition has the name.
    NoCondition {
        /// Index of the assumption.
        assumption: usize,
    },
    /// The condition cannot be answered so.
    Unfit {
        /// Index of the assumption.
        assumption: usize,
        /// The condition.
        cond: CondId,
        /// What it can be.
        fits: Fits,
    },
}

/// What can be assumed of a condition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fits {
    /// That it holds or does not.
    Truth,
    /// That it holds or does not, or is empty.
    TruthOrEmpty,
    /// That it is empty: it stands for rules.
    Empty,
}

impl Ruleset {
    /// The ruleset in which conditions are what is assumed of them, and the assumptions that could not be kept.
    /// Where several name a condition, its whole name counts before a `*`, and the longest before the `*`.
    pub fn assume(self, assumptions: &[Assumption]) -> (Ruleset, Vec<Unmet>) {
        let names = Names::of(assumptions);
        let mut said = vec![false; assumptions.len()];
        let chosen: Vec<Option<usize>> =
            self.conditions.iter().map(|condition| names.find(&condition.name, &mut said)).collect();
        let silent = said.iter().enumerate().filter(|(_, said)| !**said);
        let mut unmet: Vec<Unmet> = silent.map(|(assumption, _)| Unmet::NoCondition { assumption }).collect();
        if chosen.iter().all(Option::is_none) {
            return (self, unmet);
        }
        let mut change =
            Change { rules: self, assumptions, tests: FxHashMap::default(), unfit: Vec::new(), chosen };
        change.steps();
        change.entries();
        change.unfit.sort_unstable_by_key(|(cond, ..)| *cond);
        change.unfit.dedup_by_key(|(cond, ..)| *cond);
        unmet.extend(change.unfit.iter().map(|&(cond, assumption, fits)| Unmet::Unfit {
            assumption,
            cond,
            fits,
        }));
        (change.rules, unmet)
    }
}

/// The names of the assumptions: whole ones, and starts of names.
struct Names<'a> {
    whole: FxHashMap<&'a str, usize>,
    starts: FxHashMap<&'a str, usize>,
}

impl<'a> Names<'a> {
    fn of(assumptions: &'a [Assumption]) -> Self {
        let mut names = Names { whole: FxHashMap::default(), starts: FxHashMap::default() };
        for (at, assumption) in assumptions.iter().enumerate() {
            match assumption.name.strip_suffix('*') {
                Some(start) => names.starts.insert(start, at),
                None => names.whole.insert(&assumption.name, at),
            };
        }
        names
    }

    /// The assumption that counts for a condition; notes all that speak of it.
    fn find(&self, name: &str, said: &mut [bool]) -> Option<usize> {
        let whole = self.whole.get(name).copied();
        let ends = (0..=name.len()).rev().filter(|end| name.is_char_boundary(*end));
        let starts = ends.filter_map(|end| self.starts.get(&name[..end]).copied());
        let mut first = None;
        for at in whole.into_iter().chain(starts) {
            said[at] = true;
            first.get_or_insert(at);
        }
        first
    }
}

/// A ruleset under change.
struct Change<'a> {
    rules: Ruleset,
    assumptions: &'a [Assumption],
    /// For each condition the assumption that counts.
    chosen: Vec<Option<usize>>,
    /// What a test of a condition becomes, by condition and negation.
    tests: FxHashMap<(CondId, bool), Option<Vec<Test>>>,
    unfit: Vec<(CondId, usize, Fits)>,
}

impl Change<'_> {
    /// Replaces steps; a test can become none, so that rules move.
    fn steps(&mut self) {
        let old = std::mem::take(&mut self.rules.steps);
        let mut steps = Vec::with_capacity(old.len());
        let mut moved = Vec::with_capacity(old.len() + 1);
        for step in old {
            moved.push(steps.len() as u32);
            match step {
                Step::Test(Test::Unknown { cond, negate }) => match self.test(cond, negate) {
                    Some(tests) => steps.extend(tests.iter().map(|test| Step::Test(*test))),
                    None => steps.push(step),
                },
                Step::Effect(effect) => steps.push(Step::Effect(self.effect(effect))),
                Step::Test(_) | Step::Lookup(_) => steps.push(step),
            }
        }
        moved.push(steps.len() as u32);
        self.rules.steps = steps;
        for rule in self.rules.chains.iter_mut().flat_map(|chain| &mut chain.rules) {
            (rule.first, rule.last) = (moved[rule.first as usize], moved[rule.last as usize]);
        }
    }

    fn entries(&mut self) {
        let mut maps = std::mem::take(&mut self.rules.maps);
        for entry in maps.iter_mut().flat_map(|map| &mut map.entries) {
            entry.effect = self.effect(entry.effect);
        }
        self.rules.maps = maps;
    }

    /// Rules that are not there do nothing: the next rule is next.
    fn effect(&mut self, effect: Effect) -> Effect {
        let Effect::Undefined(cond) = effect else { return effect };
        let Some(at) = self.chosen[cond.0 as usize] else { return effect };
        match self.assumptions[at].answer {
            Assumed::Empty => Effect::NextRule,
            Assumed::Holds(_) | Assumed::Addresses { .. } => {
                self.unfit.push((cond, at, Fits::Empty));
                effect
            }
        }
    }

    /// The tests in place of a condition: all have to hold. `None` where it stays unknown.
    fn test(&mut self, cond: CondId, negate: bool) -> Option<&[Test]> {
        if !self.tests.contains_key(&(cond, negate)) {
            let tests = self.answer(cond, negate);
            self.tests.insert((cond, negate), tests);
        }
        self.tests.get(&(cond, negate))?.as_deref()
    }

    fn answer(&mut self, cond: CondId, negate: bool) -> Option<Vec<Test>> {
        let at = self.chosen[cond.0 as usize]?;
        let condition = &self.rules.conditions[cond.0 as usize];
        let sides = Sides::of(&condition.about);
        match &self.assumptions[at].answer {
            Assumed::Holds(holds) => Some(if *holds != negate { Vec::new() } else { vec![Test::Never] }),
            Assumed::Empty if !can_be_empty(condition) => {
                self.unfit.push((cond, at, Fits::Truth));
                None
            }
            Assumed::Empty if !negate => Some(vec![Test::Never]),
            // Nobody is in it, but only who has an address can be looked for: an IPv6 packet is not outside of
            // a set of IPv4 addresses.
            Assumed::Empty => {
                Some(sides.map_or_else(Vec::new, |sides| {
                    vec![self.within(sides, &Set::empty(), &Set::empty(), true)]
                }))
            }
            Assumed::Addresses { v4, v6 } => match sides {
                Some(sides) => Some(vec![self.within(sides, v4, v6, negate)]),
                None => {
                    let fits = if can_be_empty(condition) { Fits::TruthOrEmpty } else { Fits::Truth };
                    self.unfit.push((cond, at, fits));
                    None
                }
            },
        }
    }

    /// The test that an address is among some, or, negated, is there and not among them.
    fn within(&mut self, sides: Sides, v4: &Set, v6: &Set, negate: bool) -> Test {
        match sides {
            Sides::One(field) => {
                let set = if field.family() == Some(Family::V4) { v4 } else { v6 };
                Test::In { field, values: self.values(set.clone()), negate }
            }
            // A negated tuple asks that all its fields are there, and no packet has both: each side is turned.
            Sides::Both(fields) => {
                let side = |set: &Set, family: Family| {
                    Some(if negate { Set::range(0, family.last()).minus(set) } else { set.clone() })
                };
                let boxes = vec![vec![side(v4, Family::V4), None], vec![None, side(v6, Family::V6)]];
                self.rules.tuples.push(Tuples { fields: fields.to_vec(), boxes });
                Test::Tuple { tuples: TuplesId(self.rules.tuples.len() as u32 - 1), negate: false }
            }
        }
    }

    fn values(&mut self, set: Set) -> Values {
        self.rules.sets.push(set);
        Values::Set(SetId(self.rules.sets.len() as u32 - 1))
    }
}

/// The address fields: that of IPv4 and that of IPv6.
const ADDRESSES: [[Field; 2]; 4] = [
    [Field::Src4, Field::Src6],
    [Field::Dst4, Field::Dst6],
    [Field::OrigSrc4, Field::OrigSrc6],
    [Field::OrigDst4, Field::OrigDst6],
];

/// The one address that a condition looks at.
#[derive(Clone, Copy)]
enum Sides {
    /// In packets of one family.
    One(Field),
    /// In those of both: the field of IPv4, then that of IPv6.
    Both([Field; 2]),
}

impl Sides {
    fn of(about: &About) -> Option<Sides> {
        let About::Fields(fields) = about else { return None };
        match *fields.as_slice() {
            [field] => ADDRESSES.as_flattened().contains(&field).then_some(Sides::One(field)),
            [a, b] => ADDRESSES.into_iter().find(|pair| *pair == [a, b] || *pair == [b, a]).map(Sides::Both),
            _ => None,
        }
    }
}

/// Whether it is a thing that has something in it.
fn can_be_empty(condition: &Condition) -> bool {
    let counts = match condition.nature {
        Nature::Rate { .. } | Nature::Forgery { .. } => true,
        Nature::Stable | Nature::Chance => false,
    };
    !counts && condition.about != About::Nothing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{Trip, interpret};
    use crate::model::{Builder, Chain, Hook, MapEntry, Stage, StageKind, Verdict, Way};
    use crate::packet::Packet;

    /// A forward chain with one rule for each condition, which accepts; what no rule takes is dropped.
    fn rules(tests: &[(Condition, bool)]) -> Ruleset {
        let (mut build, chain) = empty();
        for (condition, negate) in tests {
            let cond = build.condition(condition.clone());
            build.test(Test::Unknown { cond, negate: *negate });
            build.effect(Effect::Verdict(Verdict::Accept));
            build.rule(chain, Span::default());
        }
        build.finish()
    }

    fn empty() -> (Builder, crate::model::ChainId) {
        let mut build = Builder::new();
        let chain = build.chain("filter FORWARD", Span::default());
        let stage = Stage {
            chain,
            kind: StageKind::Filter,
            v4: true,
            v6: true,
            policy: Verdict::Drop,
            policy_origin: Span::default().into(),
            priority: 0,
            before_tracking: false,
        };
        build.stage(Hook::Forward, stage);
        (build, chain)
    }

    fn assumption(name: &str, answer: Assumed) -> Assumption {
        Assumption { name: name.to_string(), answer, reason: None, span: None }
    }

    fn addresses(v4: &[u128], v6: &[u128]) -> Assumed {
        let set = |all: &[u128]| Set::of(all.iter().map(|one| (*one, *one)));
        Assumed::Addresses { v4: set(v4), v6: set(v6) }
    }

    /// Whether a packet from an address passes; `None` where it may.
    fn passes(rules: &Ruleset, family: Family, source: u128) -> Option<bool> {
        let mut packet = Packet::new(family, 6);
        packet.set(Field::src(family), source);
        packet.set(Field::dst(family), 9);
        let trip = Trip { packet, way: Way::Forward, fwd_oif: None, loopback: false };
        let ends = interpret(rules, &trip, &mut ());
        let mut passed = ends.iter().map(|end| end.verdict == Verdict::Accept);
        let first = passed.next()?;
        passed.all(|other| other == first).then_some(first)
    }

    /// What becomes of packets from 1 and 2 in IPv4 and from 5 in IPv6.
    fn seen(condition: &Condition, negate: bool, answer: Assumed) -> [Option<bool>; 3] {
        let all = rules(&[(condition.clone(), negate)]);
        let (all, unmet) = all.assume(&[assumption(&condition.name, answer)]);
        assert_eq!(unmet, []);
        [(Family::V4, 1), (Family::V4, 2), (Family::V6, 5)].map(|(family, from)| passes(&all, family, from))
    }

    const NO: Option<bool> = Some(false);
    const YES: Option<bool> = Some(true);

    #[test]
    fn a_set_of_addresses_has_them_and_no_others() {
        let set = Condition::of("set friends", [Field::Src4]);
        assert_eq!(seen(&set, false, addresses(&[1], &[5])), [YES, NO, NO]);
        assert_eq!(seen(&set, true, addresses(&[1], &[])), [NO, YES, NO]);
        let table = Condition::of("table <friends>", [Field::Src6, Field::Src4]);
        assert_eq!(seen(&table, false, addresses(&[1], &[5])), [YES, NO, YES]);
        assert_eq!(seen(&table, true, addresses(&[1], &[])), [NO, YES, YES]);
    }

    #[test]
    fn an_empty_set_has_nobody() {
        let set = Condition::of("set bad", [Field::Src4]);
        assert_eq!(seen(&set, false, Assumed::Empty), [NO, NO, NO]);
        assert_eq!(seen(&set, true, Assumed::Empty), [YES, YES, NO]);
        let table = Condition::of("table <bad>", [Field::Src4, Field::Src6]);
        assert_eq!(seen(&table, true, Assumed::Empty), [YES, YES, YES]);
        let ports = Condition::of("set ports", [Field::Src4, Field::Dport]);
        assert_eq!(seen(&ports, true, Assumed::Empty), [YES, YES, YES]);
    }

    #[test]
    fn a_condition_holds_or_does_not() {
        let night = Condition::global("time-range night");
        for (holds, negate) in [(true, false), (false, false), (true, true), (false, true)] {
            assert_eq!(seen(&night, negate, Assumed::Holds(holds)), [Some(holds != negate); 3]);
        }
    }

    #[test]
    fn rules_around_a_condition_stay_what_they_are() {
        let [a, b] = ["a", "b"].map(|name| (Condition::global(name), false));
        let all = rules(&[a.clone(), b.clone(), a, b]);
        let (all, _) = all.assume(&[assumption("a", Assumed::Holds(true))]);
        let lengths: Vec<usize> = all.chains[0].rules.iter().map(|rule| all.steps_of(rule).len()).collect();
        assert_eq!(lengths, [1, 2, 1, 2]);
        assert_eq!(passes(&all, Family::V4, 1), YES);
    }

    #[test]
    fn an_empty_anchor_goes_on_with_the_next_rule() {
        let (mut build, chain) = empty();
        let cond = build.condition(Condition::elsewhere("anchor guests"));
        build.effect(Effect::Undefined(cond));
        build.effect(Effect::Settle);
        build.rule(chain, Span::default());
        let entry = MapEntry { key: vec![None], effect: Effect::Undefined(cond), span: Span::default() };
        let map = build.map(vec![Field::Proto], vec![entry]);
        build.step(Step::Lookup(map));
        build.rule(chain, Span::default());
        build.effect(Effect::Verdict(Verdict::Accept));
        build.rule(chain, Span::default());
        let rules = build.finish();
        assert_eq!(passes(&rules, Family::V4, 1), None);
        let (same, unmet) = rules.clone().assume(&[assumption("anchor guests", Assumed::Holds(false))]);
        assert_eq!(unmet, [Unmet::Unfit { assumption: 0, cond, fits: Fits::Empty }]);
        assert_eq!(same, rules);
        let (rules, unmet) = rules.assume(&[assumption("anchor gue*", Assumed::Empty)]);
        assert_eq!((passes(&rules, Family::V4, 1), unmet), (YES, Vec::new()));
    }

    #[test]
    fn the_nearest_name_counts() {
        let names = ["set a", "set ab", "set abc", "set b"];
        let all = rules(&names.map(|name| (Condition::of(name, [Field::Src4]), false)));
        let (all, unmet) = all.assume(&[
            assumption("set *", Assumed::Empty),
            assumption("set ab*", addresses(&[1], &[])),
            assumption("set ab", addresses(&[2], &[])),
            assumption("set abcd*", Assumed::Empty),
        ]);
        assert_eq!(unmet, [Unmet::NoCondition { assumption: 3 }]);
        let first = |chain: &Chain| chain.rules.iter().map(|rule| all.steps_of(rule)[0]).collect::<Vec<_>>();
        let values = |step: Step| match step {
            Step::Test(Test::In { values, .. }) => all.values(values).single(),
            _ => None,
        };
        let found: Vec<Option<u128>> = first(&all.chains[0]).into_iter().map(values).collect();
        assert_eq!(found, [None, Some(2), Some(1), None]);
    }

    #[test]
    fn what_cannot_be_so_stays_unknown() {
        let set = Condition::of("set pairs", [Field::Src4, Field::Dst4]);
        let night = Condition::global("time-range night");
        let limit = Condition::rate("limit FORWARD \"3/min\" 1", true);
        let all = rules(&[
            (set.clone(), false),
            (night.clone(), false),
            (limit.clone(), true),
            (set.clone(), true),
        ]);
        let (after, unmet) = all.clone().assume(&[
            assumption(&set.name, addresses(&[1], &[])),
            assumption(&night.name, Assumed::Empty),
            assumption(&limit.name, Assumed::Empty),
        ]);
        let fits: Vec<(usize, Fits)> = unmet
            .iter()
            .map(|unmet| match unmet {
                Unmet::Unfit { assumption, fits, .. } => (*assumption, *fits),
                Unmet::NoCondition { .. } => panic!("{unmet:?}"),
            })
            .collect();
        assert_eq!(fits, [(0, Fits::TruthOrEmpty), (1, Fits::Truth), (2, Fits::Truth)]);
        assert_eq!(after, all);
    }
}
