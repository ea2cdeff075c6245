//! Rules that block, and later ones pass what they block: in pf, the last match wins.

use rustc_hash::FxHashSet;

use crate::finding::Finding;
use crate::rule::PH422;
use crate::source::Span;

use super::super::ast::Action;
use super::super::expand::Flat;
use super::super::tree::Node;
use super::compare::{covers, is_everyone, meet};

/// How many pairs of rules are compared at most.
const MOST_PAIRS: usize = 2_000_000;
/// How many wide rules every rule is held against.
const MOST_WIDE: usize = 200;

/// The filter rules of the main ruleset, in order.
pub(super) fn filter_rules<'a>(nodes: &'a [Node<'a>]) -> Vec<&'a Flat<'a>> {
    nodes
        .iter()
        .filter_map(|node| match node {
            Node::Rule(flat, _) if matches!(flat.rule.action, Action::Pass | Action::Block(_)) => {
                Some(&**flat)
            }
            _ => None,
        })
        .collect()
}

/// PH422. What a program has written is its affair: nobody can follow the help.
pub(super) fn lint(rules: &[&Flat], findings: &mut Vec<Finding>) {
    let wide: Vec<(usize, &Flat)> = rules
        .iter()
        .enumerate()
        .filter(|(_, flat)| is_everyone(&flat.src) && is_everyone(&flat.dst))
        .map(|(at, flat)| (at, *flat))
        .take(MOST_WIDE)
        .collect();
    let passes: Vec<(usize, &Flat)> = rules
        .iter()
        .enumerate()
        .filter(|(_, flat)| flat.rule.action == Action::Pass && is_everyone(&flat.src))
        .map(|(at, flat)| (at, *flat))
        .collect();
    let mut said: FxHashSet<Span> = FxHashSet::default();
    let mut pairs = 0;
    for (at, flat) in rules.iter().enumerate() {
        if flat.rule.quick.is_some() || flat.rule.options.generated || said.contains(&flat.rule.span) {
            continue;
        }
        // A rule that never decides is another matter.
        if later(&wide, at).iter().any(|(_, wide)| covers(wide, flat)) {
            said.insert(flat.rule.span);
            continue;
        }
        if !matches!(flat.rule.action, Action::Block(_)) || is_everyone(&flat.src) || flat.src.negated {
            continue;
        }
        let later = later(&passes, at);
        pairs += later.len();
        if pairs > MOST_PAIRS {
            return;
        }
        if let Some((_, pass)) = later.iter().find(|(_, pass)| meet(pass, flat)) {
            said.insert(flat.rule.span);
            findings.push(not_quick(flat, pass));
        }
    }
}

/// Those after a place.
fn later<'s, 'a>(rules: &'s [(usize, &'a Flat<'a>)], at: usize) -> &'s [(usize, &'a Flat<'a>)] {
    &rules[rules.partition_point(|(other, _)| *other <= at)..]
}

fn not_quick(flat: &Flat, pass: &Flat) -> Finding {
    let mut finding = Finding::of(
        &PH422,
        flat.rule.span,
        "the block rule is not `quick`: a later rule passes some of what it blocks",
    )
    .label("blocks these sources, but a later match wins")
    .related(pass.rule.span, "passes packets from any source, these too")
    .help("Add `quick` after the direction, so that the rule is final.");
    finding.careful = true;
    finding
}
