//! Neighbours in a chain that could be one rule.

use super::steps::after_tests;
use crate::model::{ChainId, ChainKind, Effect, Rule, RuleId, Ruleset, Step, Test};
use crate::packet::{Field, Set};

/// Neighbours that do the same, and differ in one field alone, whose values are one interval together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mergeable {
    /// The rules, in order.
    pub rules: Vec<RuleId>,
    /// The field.
    pub field: Field,
    /// Its values in all of them.
    pub values: Set,
}

/// Rows of neighbours.
pub(super) fn find(rules: &Ruleset) -> Vec<Mergeable> {
    let mut found = Vec::new();
    for (at, chain) in rules.chains.iter().enumerate() {
        if !matches!(chain.kind, ChainKind::Plain | ChainKind::AccessList) {
            continue;
        }
        let mut row: Option<Mergeable> = None;
        for (index, pair) in chain.rules.windows(2).enumerate() {
            let ids =
                [index, index + 1].map(|index| RuleId { chain: ChainId(at as u32), index: index as u32 });
            let joined = joined(rules, [&pair[0], &pair[1]], row.as_ref());
            match (joined, &mut row) {
                (Some((field, values)), Some(known)) if known.field == field => {
                    known.rules.push(ids[1]);
                    known.values = values;
                }
                (Some((field, values)), _) => {
                    found.extend(row.replace(Mergeable { rules: ids.to_vec(), field, values }));
                }
                (None, _) => found.extend(row.take()),
            }
        }
        found.extend(row);
    }
    found
}

/// The field in which neighbours differ, and all its values; `row` is what the first of them has grown to.
fn joined(rules: &Ruleset, [one, other]: [&Rule; 2], row: Option<&Mergeable>) -> Option<(Field, Set)> {
    // What one written rule is taken apart into is one already.
    if one.span() == other.span() || !one.origin.is_written() || one.beside != other.beside {
        return None;
    }
    let (a, b) = (rules.steps_of(one), rules.steps_of(other));
    let (ends, same) = (after_tests(a), after_tests(b));
    let decides = matches!(ends, [.., Step::Effect(Effect::Verdict(_))]);
    if ends != same || a.len() != b.len() || !decides {
        return None;
    }
    let mut differs = None;
    for pair in a[..a.len() - ends.len()].iter().zip(b) {
        let (Step::Test(x), Step::Test(y)) = pair else { return None };
        if let Test::Unknown { cond, .. } = x
            && rules.condition(*cond).each_its_own()
        {
            return None;
        }
        if x == y {
            continue;
        }
        let (
            Test::In { field, values, negate: false },
            Test::In { field: other, values: more, negate: false },
        ) = (x, y)
        else {
            return None;
        };
        if field != other || differs.is_some() || !is_mergeable(*field) {
            return None;
        }
        differs = Some((*field, rules.values(*values), rules.values(*more)));
    }
    let (field, first, second) = differs?;
    let first = match row {
        Some(row) if row.field == field && row.values.covers(&first) => row.values.clone(),
        _ => first,
    };
    let whole = first.or(&second);
    let [(lo, hi)] = *whole.ranges() else { return None };
    (!first.meets(&second) && fits(field, lo, hi)).then_some((field, whole))
}

fn is_mergeable(field: Field) -> bool {
    field.family().is_some() || matches!(field, Field::Sport | Field::Dport)
}

/// Whether an interval is one value of a rule: any of ports, a network of addresses.
fn fits(field: Field, lo: u128, hi: u128) -> bool {
    let size = hi - lo;
    field.family().is_none() || (size & size.wrapping_add(1) == 0 && lo & size == 0)
}
