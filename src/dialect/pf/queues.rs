//! The queues of OpenBSD as trees: what pfctl refuses of them (pfctl.c, `pfctl_check_qassignments`,
//! `pfctl_load_queues`).

use rustc_hash::{FxHashMap, FxHashSet};

use crate::source::Span;

use super::ast::{Queue, Statement, StatementKind};

/// Checks the queues of a file and the rules that assign packets to them. Files without queues are left alone:
/// theirs may be elsewhere.
pub fn check(statements: &[Statement]) -> Vec<(Span, String)> {
    let queues: Vec<(&Queue, Span)> = statements
        .iter()
        .filter_map(|statement| match &statement.kind {
            StatementKind::Queue(queue) => Some((&**queue, statement.span)),
            _ => None,
        })
        .collect();
    let by_name: FxHashMap<&str, usize> =
        queues.iter().enumerate().filter_map(|(at, (queue, _))| Some((queue.name.as_deref()?, at))).collect();
    if by_name.is_empty() {
        return Vec::new();
    }
    let mut problems: Vec<(Span, String)> =
        queues.iter().filter_map(|(queue, span)| Some((*span, problem(queue, &queues, &by_name)?))).collect();
    if problems.is_empty() {
        problems.extend(without_default(&queues, &by_name));
        problems.extend(undefined(statements, &by_name));
    }
    problems
}

fn problem(queue: &Queue, queues: &[(&Queue, Span)], by_name: &FxHashMap<&str, usize>) -> Option<String> {
    let name = queue.name.as_deref()?;
    let Some(parent) = &queue.parent else {
        return queue.interfaces.is_empty().then(|| format!("queue `{name}` has no parent and no interface"));
    };
    let Some((parent, _)) = by_name.get(parent.as_str()).and_then(|at| queues.get(*at)) else {
        return Some(format!("queue `{name}` has no parent"));
    };
    if parent.flows {
        return Some(format!("queue `{name}` stands below one with `flows`"));
    }
    (!queue.bandwidth).then(|| format!("queue `{name}` has no bandwidth"))
}

/// Roots with no default queue in their trees.
fn without_default(queues: &[(&Queue, Span)], by_name: &FxHashMap<&str, usize>) -> Vec<(Span, String)> {
    let mut covered = vec![false; queues.len()];
    for (at, (queue, _)) in queues.iter().enumerate() {
        let mut next = queue.default.then_some(at);
        while let Some(at) = next.filter(|at| !covered[*at]) {
            covered[at] = true;
            next = queues[at].0.parent.as_deref().and_then(|parent| by_name.get(parent).copied());
        }
    }
    let roots = queues.iter().zip(covered).filter(|((queue, _), covered)| queue.parent.is_none() && !covered);
    roots.map(|((_, span), _)| (*span, "the queue has no default queue below it".to_string())).collect()
}

/// Rules that name a queue which is not there.
fn undefined(statements: &[Statement], by_name: &FxHashMap<&str, usize>) -> Vec<(Span, String)> {
    let mut said = FxHashSet::default();
    let mut problems = Vec::new();
    for statement in statements {
        let StatementKind::Rule(rule) = &statement.kind else { continue };
        let Some(names) = &rule.options.rare().queue else { continue };
        for name in names.split(", ").filter(|name| !by_name.contains_key(name)) {
            if said.insert(name) {
                problems.push((rule.span, format!("queue `{name}` is not defined")));
            }
        }
    }
    problems
}
