//! Interfaces and conditions under other names.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::model::{ChainId, Effect, MapEntry, NatAddr, NatPort, RuleId, Ruleset, SetId, Step, Test, Values};
use crate::packet::{Field, Set, interface};
use crate::source::Span;

/// Gives interfaces of a ruleset other names: for each pair, what was called the first is called the second, and
/// the other way round. No name may be in two pairs.
pub fn rename(rules: &mut Ruleset, pairs: &[(String, String)]) {
    let pairs: Vec<(u128, u128)> =
        pairs.iter().map(|(from, to)| (interface(from), interface(to))).filter(|(a, b)| a != b).collect();
    if pairs.is_empty() {
        return;
    }
    let mut done: FxHashMap<Values, Values> = FxHashMap::default();
    let mut sets = std::mem::take(&mut rules.sets);
    for step in &mut rules.steps {
        let Step::Test(Test::In { field: Field::Iif | Field::Oif, values, .. }) = step else { continue };
        *values = *done.entry(*values).or_insert_with_key(|values| {
            let set = match *values {
                Values::Range(lo, hi) => Set::range(lo.into(), hi.into()),
                Values::Set(SetId(at)) => sets[at as usize].clone(),
            };
            let renamed = renamed(&set, &pairs);
            if renamed == set {
                return *values;
            }
            sets.push(renamed);
            Values::Set(SetId(sets.len() as u32 - 1))
        });
    }
    rules.sets = sets;
    let of_name = |field: &Field| matches!(field, Field::Iif | Field::Oif);
    let change = |fields: &[Field], sides: &mut Vec<Option<Set>>| {
        for (_, side) in fields.iter().zip(sides).filter(|(field, _)| of_name(field)) {
            *side = side.take().map(|set| renamed(&set, &pairs));
        }
    };
    for tuples in &mut rules.tuples {
        tuples.boxes.iter_mut().for_each(|sides| change(&tuples.fields, sides));
    }
    for map in &mut rules.maps {
        map.entries.iter_mut().for_each(|entry: &mut MapEntry| change(&map.fields, &mut entry.key));
        if let [field] = *map.fields
            && of_name(&field)
        {
            index_anew(map);
        }
    }
    for own in &mut rules.own {
        let name = interface(&own.interface);
        let to = pairs.iter().find_map(|(a, b)| match name {
            _ if name == *a => Some(*b),
            _ if name == *b => Some(*a),
            _ => None,
        });
        if let Some(to) = to {
            own.interface = crate::packet::interface_name(to);
        }
    }
    rules.interfaces = renamed(&rules.interfaces, &pairs);
    for names in &mut rules.synonyms {
        *names = renamed(names, &pairs);
    }
    for behind in &mut rules.behind {
        behind.interfaces = renamed(&behind.interfaces, &pairs);
    }
}

/// Lets conditions of some names be none of another ruleset: `mark` is put behind their names.
pub fn tell_apart(rules: &mut Ruleset, names: &FxHashSet<String>, mark: &str) {
    for condition in rules.conditions.iter_mut().filter(|condition| names.contains(&condition.name)) {
        condition.name.push_str(mark);
    }
}

/// Whether some rule gives packets what the files do not tell.
pub fn has_choices(rules: &Ruleset) -> bool {
    rules.all_effects().any(|effect| chooses(rules, effect))
}

fn chooses(rules: &Ruleset, effect: Effect) -> bool {
    match effect {
        Effect::Forget(_) => true,
        Effect::Nat(nat) => {
            let nat = rules.nat(nat);
            nat.addr == NatAddr::Unknown || nat.port == NatPort::Unknown
        }
        _ => false,
    }
}

/// Tells rules that give packets what the files do not tell by what they say: it is the same on both sides where they say
/// the same. Gives back what tells them, sorted.
pub fn tell_choices_apart(rules: &mut Ruleset, said: impl Fn(Span) -> u64) -> Vec<u64> {
    let mut counts: FxHashMap<u64, u32> = FxHashMap::default();
    let mut choices: FxHashMap<RuleId, (u64, u32)> = FxHashMap::default();
    for (chain, at) in rules.chains.iter().zip(0..) {
        for (rule, index) in chain.rules.iter().zip(0..) {
            if rules.effects(rules.steps_of(rule)).any(|effect| chooses(rules, effect)) {
                let said = said(rule.span());
                let count = counts.entry(said).or_default();
                choices.insert(RuleId { chain: ChainId(at), index }, (said, *count));
                *count += 1;
            }
        }
    }
    let mut all: Vec<u64> = choices.values().map(|(said, _)| *said).collect();
    all.sort_unstable();
    rules.choices = choices;
    all
}

/// The intervals of a lookup table by interface, whose entries have changed places.
fn index_anew(map: &mut crate::model::Map) {
    let mut index: Vec<(u128, u128, u32)> = Vec::new();
    let mut taken = Set::empty();
    for (at, entry) in map.entries.iter().enumerate() {
        let key = entry.key.first().cloned().flatten().unwrap_or_else(Set::full);
        index.extend(key.minus(&taken).ranges().iter().map(|(lo, hi)| (*lo, *hi, at as u32)));
        taken = taken.or(&key);
    }
    index.sort_unstable();
    map.index = index;
}

fn renamed(set: &Set, pairs: &[(u128, u128)]) -> Set {
    let mut renamed = set.clone();
    for (a, b) in pairs {
        for (name, was) in [(*b, set.contains(*a)), (*a, set.contains(*b))] {
            let one = Set::one(name);
            renamed = if was { renamed.or(&one) } else { renamed.minus(&one) };
        }
    }
    renamed
}
