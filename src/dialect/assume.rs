//! Assumptions about what the files do not tell, and what is wrong with them.

use super::Loaded;
use crate::finding::Finding;
use crate::model::{Assumption, Fits, Ruleset, Unmet};
use crate::rule::{PH611, PH612};
use crate::spelling::nearest;

/// So many names of conditions are listed where no nearest one is found.
const LISTED: usize = 6;

/// Puts what is assumed into the rules.
pub(super) fn apply(loaded: &mut Loaded, assumptions: &[Assumption]) {
    if assumptions.is_empty() {
        return;
    }
    let (rules, unmet) = std::mem::take(&mut loaded.ruleset).assume(assumptions);
    loaded.findings.extend(unmet.iter().map(|unmet| match *unmet {
        Unmet::NoCondition { assumption } => no_condition(&rules, &assumptions[assumption]),
        Unmet::Unfit { assumption, cond, fits } => {
            unfit(&rules.condition(cond).name, fits, &assumptions[assumption])
        }
    }));
    loaded.ruleset = rules;
}

/// PH611.
fn no_condition(rules: &Ruleset, assumption: &Assumption) -> Finding {
    let names = || rules.conditions.iter().map(|condition| condition.name.as_str());
    let mut listed: Vec<&str> = names().collect();
    listed.sort_unstable();
    listed.dedup();
    let more = listed.len().saturating_sub(LISTED);
    let in_ticks: Vec<String> = listed.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
    let help = match nearest(assumption.name.trim_end_matches('*'), names()) {
        Some(near) => format!("Did you mean `{near}`?"),
        None if listed.is_empty() => "Remove it: the rules depend on nothing unknown.".to_string(),
        None if more > 0 => format!("The rules depend on these: {} and {more} more.", in_ticks.join(", ")),
        None => format!("The rules depend on these: {}.", in_ticks.join(", ")),
    };
    let message = format!("no rule of the firewall depends on `{}`", assumption.name);
    Finding::of(&PH611, assumption.span, message).label("answers nothing").help(help)
}

/// PH612.
fn unfit(name: &str, fits: Fits, assumption: &Assumption) -> Finding {
    let help = match fits {
        Fits::Truth => "Write `true` if it holds, or `false` if it does not.",
        Fits::TruthOrEmpty => {
            "The rules look for more there than one address: write `\"empty\"` if nothing is in it, `true` if it \
             holds for all packets, or `false` if it does for none."
        }
        Fits::Empty => "It stands for rules that are not in the files: write `\"empty\"` if there are none.",
    };
    let message = format!("`{name}` cannot be answered so");
    Finding::of(&PH612, assumption.span, message).label("it stays unknown").help(help)
}
