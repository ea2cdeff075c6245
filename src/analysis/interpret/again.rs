//! Which conditions one packet can meet more than once: only of those an answer has to be kept.

use crate::model::{ChainId, CondId, Effect, Ruleset, Step, Test};

/// For each condition, whether one packet can meet it more than once: where rules name it twice, or a chain that
/// leads to it is walked from several places.
pub(super) fn asked_again(rules: &Ruleset) -> Vec<bool> {
    let mut walked = vec![0u32; rules.chains.len()];
    let mut jumps: Vec<Vec<ChainId>> = vec![Vec::new(); rules.chains.len()];
    let mut named = vec![0u32; rules.conditions.len()];
    rules.hooks.iter().flatten().for_each(|stage| walked[stage.chain.0 as usize] += 1);
    for (chain, jumps) in rules.chains.iter().zip(&mut jumps) {
        for step in chain.rules.iter().flat_map(|rule| rules.steps_of(rule)) {
            jumps.extend(rules.effects(std::slice::from_ref(step)).filter_map(Effect::leads_to));
            conditions(rules, step).for_each(|cond| named[cond.0 as usize] += 1);
        }
        jumps.iter().for_each(|to| walked[to.0 as usize] += 1);
    }
    // What is walked from a chain that is walked twice is walked twice too.
    let twice = (0..).map(ChainId).zip(&walked).filter(|(_, times)| **times > 1).map(|(id, _)| id);
    let mut open: Vec<ChainId> = twice.collect();
    while let Some(chain) = open.pop() {
        for to in std::mem::take(&mut jumps[chain.0 as usize]) {
            let times = &mut walked[to.0 as usize];
            if *times < 2 {
                *times = 2;
                open.push(to);
            }
        }
    }
    for (chain, _) in rules.chains.iter().zip(&walked).filter(|(_, times)| **times > 1) {
        for step in chain.rules.iter().flat_map(|rule| rules.steps_of(rule)) {
            conditions(rules, step).for_each(|cond| named[cond.0 as usize] = 2);
        }
    }
    named.into_iter().map(|times| times > 1).collect()
}

fn conditions<'r>(rules: &'r Ruleset, step: &'r Step) -> impl Iterator<Item = CondId> + 'r {
    let asked = match step {
        Step::Test(Test::Unknown { cond, .. }) => Some(*cond),
        _ => None,
    };
    let undefined = rules.effects(std::slice::from_ref(step)).filter_map(|effect| match effect {
        Effect::Undefined(cond) => Some(cond),
        _ => None,
    });
    asked.into_iter().chain(undefined)
}
