//! What rules change while packets pass: sets that they fill, fields that they set.

use rustc_hash::{FxHashMap, FxHashSet};

use super::sees_ip;
use crate::dialect::nftables::config::{Config, plain};
use crate::dialect::nftables::syntax::{
    CtKey, Data, Expr, ExprKind, MetaKey, ObjectKind, Rule, Stmt, StmtKind, Target, Verdict,
};

/// A set or map: its table, and its name.
pub(super) type SetName = (usize, Box<str>);

/// Where rules look a set up and change it: chain and place, or none where it is in no rule's own statements.
#[derive(Default)]
struct Uses {
    lookups: Vec<(usize, usize)>,
    updates: Vec<(usize, usize)>,
}

/// The sets whose answer may change on a packet's own way: a rule adds the packet's key, and one that may come
/// later looks it up. A rule that drops what it adds, and lookups before it in its base chain, do no harm.
pub(super) fn unsteady(config: &Config) -> FxHashSet<SetName> {
    let mut found = FxHashSet::default();
    for (t, table) in config.tables.iter().enumerate().filter(|(_, table)| sees_ip(table.family)) {
        let mut uses: FxHashMap<&str, Uses> = FxHashMap::default();
        for (c, chain) in table.chains.iter().enumerate() {
            for (r, rule) in chain.rules.iter().enumerate() {
                uses_of(rule, (c, r), &mut uses);
            }
        }
        for (name, uses) in uses {
            let before = |lookup: &(usize, usize), update: &(usize, usize)| {
                lookup.0 == update.0 && lookup.1 < update.1 && table.chains[update.0].hook.is_some()
            };
            let last = |at: &(usize, usize)| uses.updates.iter().all(|update| before(at, update));
            if !uses.updates.is_empty() && !uses.lookups.iter().all(last) {
                found.insert((t, name.into()));
            }
        }
    }
    found
}

fn uses_of<'c>(rule: &'c Rule, at: (usize, usize), uses: &mut FxHashMap<&'c str, Uses>) {
    for (s, stmt) in rule.stmts.iter().enumerate() {
        match &stmt.kind {
            StmtKind::Update(update) => {
                expr_uses(&update.key, at, uses);
                if update.counts.is_some() || !drops(&rule.stmts[s + 1..]) {
                    uses.entry(&update.set.text).or_default().updates.push(at);
                }
            }
            StmtKind::Match(parts) => {
                expr_uses(&parts.0, at, uses);
                expr_uses(&parts.2, at, uses);
            }
            StmtKind::Vmap(parts) | StmtKind::Mangle(parts) => {
                expr_uses(&parts.0, at, uses);
                expr_uses(&parts.1, at, uses);
            }
            StmtKind::Object(parts) => expr_uses(&parts.1, at, uses),
            StmtKind::Nat(nat) => {
                nat.addr.iter().chain(&nat.port).for_each(|expr| expr_uses(expr, at, uses));
            }
            StmtKind::Verdict(
                Verdict::Jump(Target::Block(rules, _)) | Verdict::Goto(Target::Block(rules, _)),
            ) => {
                rules.iter().for_each(|rule| uses_of(rule, at, uses));
            }
            _ => {}
        }
    }
}

/// Whether these statements do nothing but drop.
fn drops(stmts: &[Stmt]) -> bool {
    let end = stmts.iter().find(|stmt| !matches!(stmt.kind, StmtKind::Passive(_)));
    matches!(end.map(|stmt| &stmt.kind), Some(StmtKind::Verdict(Verdict::Drop) | StmtKind::Reject(_)))
}

fn expr_uses<'c>(expr: &'c Expr, at: (usize, usize), uses: &mut FxHashMap<&'c str, Uses>) {
    match &plain(expr).kind {
        ExprKind::SetRef(name) => uses.entry(name).or_default().lookups.push(at),
        ExprKind::Map(parts) => expr_uses(&parts.1, at, uses),
        _ => {}
    }
}

/// Whether a rule changes a part of the packet that the model has no field for.
pub(super) fn sets_hidden(config: &Config) -> bool {
    let changes = |stmt: &Stmt| match &stmt.kind {
        StmtKind::StripOption | StmtKind::Synproxy => true,
        StmtKind::Mangle(parts) => match &plain(&parts.0).kind {
            ExprKind::Meta(key) => !matches!(key, MetaKey::Mark | MetaKey::PktType),
            ExprKind::Ct(key, _) => *key != CtKey::Mark,
            _ => true,
        },
        _ => false,
    };
    config
        .tables
        .iter()
        .flat_map(|table| &table.chains)
        .flat_map(|chain| &chain.rules)
        .any(|rule| rule.stmts.iter().any(changes))
}

/// Whether a statement does something that matters to a verdict.
pub(super) fn matters(stmt: &Stmt, idle: &[&str]) -> bool {
    match &stmt.kind {
        StmtKind::Match(_)
        | StmtKind::Meter(_)
        | StmtKind::Passive(_)
        | StmtKind::StripOption
        | StmtKind::Dup
        | StmtKind::Tproxy
        | StmtKind::Offload(_)
        | StmtKind::Update(_)
        | StmtKind::Verdict(Verdict::Continue) => false,
        StmtKind::Xt(parts) => parts.0 && !idle.contains(&&*parts.1),
        StmtKind::Object(parts) => matches!(parts.0, ObjectKind::CtHelper | ObjectKind::Synproxy),
        StmtKind::Mangle(parts) => match &plain(&parts.0).kind {
            ExprKind::Meta(key) => matches!(key, MetaKey::Mark | MetaKey::PktType),
            ExprKind::Ct(key, _) => *key == CtKey::Mark,
            _ => true,
        },
        StmtKind::Vmap(parts) => match &plain(&parts.1).kind {
            ExprKind::Set(elements) => elements
                .iter()
                .any(|elem| !matches!(elem.data.as_deref(), Some(Data::Verdict(Verdict::Continue)))),
            _ => true,
        },
        StmtKind::Verdict(_)
        | StmtKind::Reject(_)
        | StmtKind::Nat(_)
        | StmtKind::Queue(_)
        | StmtKind::Synproxy
        | StmtKind::Fwd
        | StmtKind::Unread
        | StmtKind::Notrack => true,
    }
}

/// Whether a statement does something that lasts, and that the model does not tell or not wholly. Counters and logs
/// are not meant: they are the rule's own.
pub(super) fn is_beside(stmt: &Stmt) -> bool {
    match &stmt.kind {
        StmtKind::StripOption
        | StmtKind::Dup
        | StmtKind::Offload(_)
        | StmtKind::Update(_)
        | StmtKind::Mangle(_) => true,
        StmtKind::Object(parts) => parts.0 != ObjectKind::Counter,
        StmtKind::Xt(parts) => parts.0,
        StmtKind::Passive(name) => !matches!(*name, "counter" | "log" | "last"),
        StmtKind::Match(_)
        | StmtKind::Verdict(_)
        | StmtKind::Vmap(_)
        | StmtKind::Meter(_)
        | StmtKind::Reject(_)
        | StmtKind::Nat(_)
        | StmtKind::Queue(_)
        | StmtKind::Tproxy
        | StmtKind::Synproxy
        | StmtKind::Fwd
        | StmtKind::Notrack
        | StmtKind::Unread => false,
    }
}

/// The names of sets and maps that tables of the same kind of key share: a condition about one says which.
pub(super) fn ambiguous(config: &Config) -> FxHashSet<SetName> {
    let mut first: FxHashMap<(bool, &str), usize> = FxHashMap::default();
    let mut found = FxHashSet::default();
    for (t, table) in config.tables.iter().enumerate().filter(|(_, table)| sees_ip(table.family)) {
        for set in &table.sets {
            let six = set.body.key.as_ref().is_some_and(super::sets::is_ipv6_key);
            match first.get(&(six, &*set.name.text)) {
                None => drop(first.insert((six, &set.name.text), t)),
                Some(other) => {
                    found.insert((*other, set.name.text.clone()));
                    found.insert((t, set.name.text.clone()));
                }
            }
        }
    }
    found
}
