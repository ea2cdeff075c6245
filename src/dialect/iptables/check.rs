//! What the kernel refuses once the chains are known: cycles, and matches and targets at hooks that
//! they do not work at.

use super::ast::{Config, Hook, Target, builtin};
use super::command::load_error;
use super::modules;
use crate::finding::Finding;

/// Checks all tables in force.
pub(super) fn check(config: &Config, findings: &mut Vec<Finding>) {
    for table in 0..config.tables.len() {
        if !config.tables[table].replaced {
            let reach = Reach::of(config, table);
            reach.hooks(config, table, findings);
            findings.extend(reach.cycle);
        }
    }
}

/// From which hooks each chain of a table is reached, one bit each.
pub(super) fn reach(config: &Config, table: usize) -> Vec<u8> {
    Reach::of(config, table).hooks
}

/// From which hooks each chain of a table is reached.
struct Reach {
    hooks: Vec<u8>,
    cycle: Option<Finding>,
}

impl Reach {
    fn of(config: &Config, table: usize) -> Reach {
        let chains = &config.tables[table].chains;
        let mut reach = Reach { hooks: vec![0; chains.len()], cycle: None };
        for (at, chain) in chains.iter().enumerate() {
            if let Some(hook) = chain.hook {
                reach.walk(config, table, at as u32, hook);
            }
        }
        reach
    }

    /// Marks all chains that are reached from a built-in one; the first jump back into an open chain is
    /// a cycle. Without recursion: chains may be nested as deep as the file is long.
    fn walk(&mut self, config: &Config, table: usize, start: u32, hook: Hook) {
        let chains = &config.tables[table].chains;
        let bit = 1u8 << hook as u8;
        let mut open = vec![(start, 0usize)];
        let mut is_open = rustc_hash::FxHashSet::default();
        is_open.insert(start);
        self.hooks[start as usize] |= bit;
        while let Some((chain, next)) = open.last_mut() {
            let Some(rule) = chains[*chain as usize].rules.get(*next) else {
                is_open.remove(chain);
                open.pop();
                continue;
            };
            *next += 1;
            let rule = &config.rules[*rule as usize];
            let (Target::Jump(to) | Target::Goto(to)) = rule.target else { continue };
            if is_open.contains(&to) {
                let name = config.names.text(chains[to as usize].name);
                let message = format!("jumps to chain `{name}` go round in a circle");
                self.cycle
                    .get_or_insert_with(|| load_error(rule.target_span, message).label("closes the circle"));
            } else if self.hooks[to as usize] & bit == 0 {
                self.hooks[to as usize] |= bit;
                is_open.insert(to);
                open.push((to, 0));
            }
        }
    }

    /// Finds rules that are reached from a hook at which their match or target does not work.
    fn hooks(&self, config: &Config, table: usize, findings: &mut Vec<Finding>) {
        for (chain, reached) in config.tables[table].chains.iter().zip(&self.hooks) {
            for rule in &chain.rules {
                let rule = &config.rules[*rule as usize];
                let wrong = reached & !rule.hooks;
                if wrong == 0 {
                    continue;
                }
                let module = &modules::ALL[rule.limiter as usize];
                let what = if module.target { "target" } else { "match" };
                let all = [Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting];
                let names: Vec<&str> =
                    all.into_iter().filter(|h| wrong & 1 << *h as u8 != 0).map(builtin).collect();
                let message = format!("{what} `{}` does not work in {}", module.name, names.join(" and "));
                findings.push(load_error(rule.span, message));
            }
        }
    }
}
