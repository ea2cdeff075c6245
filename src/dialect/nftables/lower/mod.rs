//! The configuration as rules of the model.

mod addresses;
mod conditions;
mod context;
mod graph;
mod lens;
mod matching;
mod nat;
mod preimage;
mod sets;
mod stages;
mod steady;
mod stmt;

use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

pub(super) use self::stages::Base;

use self::addresses::Addresses;
use self::context::Context;
use self::graph::Graph;
use self::lens::Lens;
use self::matching::Seen;
use self::sets::{Keys, KeysByType, MadeMaps, MapSource};
use self::steady::SetName;
use super::config::{Config, tracks_ipv6};
use super::eval::{Fault, Spec, Values};
use super::merged;
use super::syntax::{Rule, Stmt, StmtKind, TableFamily, Verdict};
use super::{refusal, unresolved};
use crate::budget::Exhausted;
use crate::dialect::{Environment, over_budget};
use crate::finding::Finding;
use crate::model::{Builder, ChainId, CondId, Condition, Effect, Origin, Ruleset, Step, Test, Why};
use crate::rule::{PH001, PH002, PH003, PH006, Severity};
use crate::source::{SourceMap, Span};

/// How many ways one rule may be split into.
const MAX_FORKS: usize = 4_096;
/// What rules with tests that are [`merged`] depend on.
const MERGES: &str = "nft before 1.1 loads the rules";
/// What one of them costs, statement by statement, in nodes.
const NODES_A_FORK: usize = 4;

/// Whether findings say that something of the files was not read, or is somewhere else.
pub(super) fn any_lacks(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| [&PH001, &PH003, &PH006].contains(&finding.lint()))
}

/// Lowers a configuration: the rules, and what was found wrong on the way. It `lacks` something where reading found
/// that.
pub(super) fn lower(
    sources: &SourceMap,
    config: &Config,
    env: &Environment,
    lacks: bool,
) -> (Ruleset, Vec<Finding>) {
    let (bases, findings) = stages::bases(config);
    let places = Graph::new(config, &stages::hooks_of(&bases));
    let mut lower = Lower {
        sources,
        values: Values { sources, budget: &env.budget },
        config,
        builder: Builder::new(),
        findings,
        own: &env.own,
        addresses: Addresses::new(&env.own),
        whole: tracks_ipv6(config),
        places,
        chain_ids: FxHashMap::default(),
        set_specs: FxHashMap::default(),
        set_cache: FxHashMap::default(),
        variable_sets: FxHashMap::default(),
        known_lookups: FxHashMap::default(),
        known_maps: FxHashMap::default(),
        named: FxHashSet::default(),
        blocks: FxHashMap::default(),
        unsteady: steady::unsteady(config),
        ambiguous: steady::ambiguous(config),
        sets_hidden: steady::sets_hidden(config),
        stmt_at: 0,
        rule_conds: FxHashMap::default(),
        idle: false,
        last: false,
        rules: 0,
    };
    lower.report_graph();
    lower.declare_chains();
    lower.find_set_specs();
    lower.check_sets();
    lower.add_rules();
    lower.add_stages(&bases);
    lower.add_lost_chains(&bases);
    if let Some(span) = config.cut {
        lower.add_open("what was not read", span, None);
    }
    let reached = |table, chain| lower.places.of(table, chain).is_some();
    let lacks = lacks || any_lacks(&lower.findings);
    let mut said = super::lints::lint(sources, config, &bases, lacks, &reached);
    lower.findings.append(&mut said);
    let written = config.tables.iter().flat_map(|table| &table.chains).map(|chain| chain.rules.len()).sum();
    let rules = lower.builder.ruleset();
    rules.v4 = true;
    rules.v6 = true;
    rules.own = env.own.clone();
    rules.answers_for_routers = true;
    rules.written = written;
    (lower.builder.finish(), lower.findings)
}

/// The state of the lowering.
struct Lower<'a> {
    sources: &'a SourceMap,
    values: Values<'a>,
    config: &'a Config,
    builder: Builder,
    findings: Vec<Finding>,
    /// The box's own addresses.
    own: &'a [crate::model::OwnAddress],
    addresses: Addresses,
    /// Whether no packet shows a fragment header.
    whole: bool,
    places: Graph,
    chain_ids: FxHashMap<(usize, usize), ChainId>,
    set_specs: FxHashMap<(usize, usize), Vec<Spec>>,
    set_cache: FxHashMap<(usize, usize), Rc<Keys>>,
    /// The keys of sets that variables hold, by type.
    variable_sets: FxHashMap<usize, KeysByType>,
    /// Lookups in sets that rules share, and verdict maps that they share, by what is looked up.
    known_lookups: FxHashMap<usize, Vec<(Vec<Lens>, Seen)>>,
    known_maps: FxHashMap<MapSource, MadeMaps>,
    /// Constructs that were called unsupported.
    named: FxHashSet<String>,
    /// Chains written in place, by where they are written.
    blocks: FxHashMap<Span, ChainId>,
    /// Sets whose answer may change on a packet's own way.
    unsteady: FxHashSet<SetName>,
    /// Sets whose name alone does not say which.
    ambiguous: FxHashSet<SetName>,
    /// Whether rules change parts of a packet that the model has no field for.
    sets_hidden: bool,
    /// The statement of the rule that is lowered, and the rule's own conditions, by statement and words.
    stmt_at: usize,
    rule_conds: FxHashMap<(usize, String), CondId>,
    /// Whether nothing that matters follows in the rule, and whether the statement is its last.
    idle: bool,
    last: bool,
    /// How many ways rules were split into so far, and how many rules there were.
    rules: usize,
}

/// Whether tables of a family see routed IP packets.
fn sees_ip(family: TableFamily) -> bool {
    !matches!(family, TableFamily::Arp | TableFamily::Bridge)
}

impl Lower<'_> {
    fn refuse(&mut self, span: Span, message: impl Into<String>) {
        self.findings.push(refusal(span, message));
    }

    fn unresolved(&mut self, span: Span, message: impl Into<String>) {
        self.findings.push(unresolved(span, message));
    }

    /// Says of a construct, once, that the model has nothing for it.
    fn unsupported(&mut self, span: Span, name: &str) {
        if self.named.insert(name.to_string()) {
            let message = format!("`{name}` is read but not followed: rules with it may match or not");
            self.findings.push(
                Finding::of(&PH002, span, message)
                    .label("the first of them")
                    .help("Answers that rest on such a rule are given as depending on it."),
            );
        }
    }

    /// Notes a fault, and gives the name of the condition that stands in its place.
    fn fault(&mut self, fault: Fault) -> String {
        match fault {
            Fault::Refused(span, message) => {
                self.refuse(span, message);
                "a statement that nft refuses".to_string()
            }
            Fault::Unknown(name, _) => name,
            Fault::Unresolved(span, name) => {
                self.findings.push(
                    Finding::of(&PH003, span, format!("{name} is not known"))
                        .severity(Severity::Info)
                        .label("nft refuses this unless the machine that loads it knows the name")
                        .help("Write the number."),
                );
                name
            }
            Fault::TooMuch(span, exhausted) => {
                self.over_budget(span, "working out the values of the ruleset", exhausted);
                "values beyond the budget".to_string()
            }
        }
    }

    /// Says once that something is beyond the budget.
    fn over_budget(&mut self, span: Span, what: &str, exhausted: Exhausted) {
        if self.named.insert(what.to_string()) {
            self.findings.push(over_budget(span, what, exhausted));
        }
    }

    /// Says that something is more work than is done for one place.
    fn refuse_work(&mut self, span: Span, what: &str) {
        if self.named.insert(what.to_string()) {
            self.findings.push(super::too_much(span, what));
        }
    }

    /// Says once that what iptables left in a ruleset carries no more than a name.
    fn unread_extension(&mut self, span: Span) {
        if self.named.insert("xt".to_string()) {
            let message = "`xt` names an extension of iptables without what it compares: rules with it may match or not";
            self.findings.push(
                Finding::of(&PH002, span, message).severity(Severity::Warning)
                    .label("the first of them")
                    .help("These rules were made by iptables-nft. Give the output of `iptables-save` (and of `ip6tables-save`) instead, which has all of them."),
            );
        }
    }

    fn chain_name(&self, (t, c): (usize, usize)) -> String {
        let table = &self.config.tables[t];
        format!("{} {} {}", table.family.name(), table.name.text, table.chains[c].name.text)
    }

    fn report_graph(&mut self) {
        let config = self.config;
        for (t, from, to, span) in self.places.cycles.clone() {
            // The kernel looks for loops from base chains only.
            if self.places.of(t, from).is_none() {
                continue;
            }
            let table = &config.tables[t];
            let (to, what) = match table.chains.get(to) {
                Some(chain) => (&chain.name, "chain"),
                None => (&table.sets[to - table.chains.len()].name, "map"),
            };
            let message =
                format!("the jump from `{}` to `{}` closes a loop", table.chains[from].name.text, to.text);
            self.findings
                .push(refusal(span, message).related(to.span, format!("the loop runs through this {what}")));
        }
        for (t, c) in self.places.too_deep.clone() {
            let name = &config.tables[t].chains[c].name;
            self.refuse(name.span, format!("jumps from `{}` nest deeper than 16 chains", name.text));
        }
        for table in &config.tables {
            let hangs = table.chains.iter().any(|chain| chain.hook.is_some());
            if !sees_ip(table.family) && hangs {
                let message = format!(
                    "the table `{} {}` is left out: it filters no routed IP packet",
                    table.family.name(),
                    table.name.text
                );
                self.findings.push(Finding::of(&PH002, table.name.span, message).help(
                    "Frames that a bridge forwards and ARP are no part of the answers. \
                         Packets that the box routes pass without these chains.",
                ));
            }
        }
    }

    fn declare_chains(&mut self) {
        let config = self.config;
        for (t, table) in config.tables.iter().enumerate().filter(|(_, table)| sees_ip(table.family)) {
            for (c, chain) in table.chains.iter().enumerate() {
                let id = self.builder.chain(self.chain_name((t, c)), chain.name.span);
                self.chain_ids.insert((t, c), id);
            }
        }
    }

    /// Reads the elements of all named sets once, so that what is wrong with them is said.
    fn check_sets(&mut self) {
        let config = self.config;
        for (t, table) in config.tables.iter().enumerate() {
            for (s, set) in table.sets.iter().enumerate() {
                if !set.body.map {
                    self.set_keys(t, s);
                }
            }
        }
    }

    fn add_rules(&mut self) {
        let config = self.config;
        for (t, table) in config.tables.iter().enumerate().filter(|(_, table)| sees_ip(table.family)) {
            for (c, chain) in table.chains.iter().enumerate() {
                let Some(id) = self.chain_ids.get(&(t, c)).copied() else { continue };
                for rule in &chain.rules {
                    self.rule(id, Context::new(t, table.family, c, rule.span), rule);
                }
                if chain.lost.policy {
                    let cond = Condition::elsewhere(format!("policy of {}", self.chain_name((t, c))));
                    let cond = self.builder.condition(cond);
                    self.builder.effect(Effect::Undefined(cond));
                    self.builder.rule(id, Origin::Implied { by: chain.name.span, why: Why::Unread });
                }
            }
        }
    }

    /// The chain of a block that is written in place.
    fn block_chain(&mut self, cx: &Context, rules: &[Rule], span: Span) -> ChainId {
        if let Some(id) = self.blocks.get(&span) {
            return *id;
        }
        let id = self.builder.chain(format!("{} (block)", self.chain_name((cx.table, cx.chain))), span);
        self.blocks.insert(span, id);
        let outer = (self.stmt_at, self.idle, self.last, std::mem::take(&mut self.rule_conds));
        for rule in rules {
            self.rule(id, Context::new(cx.table, cx.family, cx.chain, rule.span), rule);
        }
        (self.stmt_at, self.idle, self.last, self.rule_conds) = outer;
        id
    }

    /// Adds a rule. Where older versions of nft read two of its tests as one, it holds there for packets that pass either.
    fn rule(&mut self, chain: ChainId, cx: Context, rule: &Rule) {
        self.rules += 1;
        if let Some((one, two)) = merged::pair(rule) {
            let findings = self.findings.len();
            for left_out in [two, one] {
                let mut looser = rule.clone();
                looser.stmts.remove(left_out);
                let mut cx = cx.clone();
                let cond = self.builder.condition(Condition::global(MERGES));
                cx.test(Test::Unknown { cond, negate: false });
                self.written(chain, cx, &looser);
            }
            // What is wrong with the rule will be said.
            self.findings.truncate(findings);
        }
        self.written(chain, cx, rule);
    }

    /// Adds a rule as it is written; where it looks at ports of any protocol, once for each side.
    fn written(&mut self, chain: ChainId, cx: Context, rule: &Rule) {
        let start = cx.clone();
        self.rule_conds.clear();
        let beside = self.beside(rule);
        let made = self.ways(cx, rule);
        self.builder.beside(&beside);
        self.add(chain, start, rule, &made);
        self.builder.beside("");
    }

    /// What a rule does that no verdict hangs on, and how it writes what the model does not tell, as it is written.
    fn beside(&self, rule: &Rule) -> String {
        let mut all = String::new();
        for stmt in rule.stmts.iter().filter(|stmt| steady::is_beside(stmt)) {
            for word in self.sources.text(stmt.span).split_whitespace() {
                all.push_str(word);
                all.push(' ');
            }
        }
        all
    }

    fn add(&mut self, chain: ChainId, start: Context, rule: &Rule, made: &[Context]) {
        if !made.iter().any(Context::wants_sides) {
            made.iter().for_each(|cx| self.emit(chain, cx));
            return;
        }
        // What is wrong with the rule has been said.
        let findings = self.findings.len();
        let sides = [start.side(true, &mut self.builder), start.side(false, &mut self.builder)];
        let [with, without] = sides.map(|cx| self.ways(cx, rule));
        self.findings.truncate(findings);
        with.iter().chain(&without).for_each(|cx| self.emit(chain, cx));
    }

    /// The ways through the statements of a rule: one, or more where a statement splits it.
    fn ways(&mut self, cx: Context, rule: &Rule) -> Vec<Context> {
        self.check_order(rule);
        let mut main = cx;
        // Ways that forked off, in the order in which they are tried: all of them before the main one.
        let mut others: Vec<Context> = Vec::new();
        for (at, stmt) in rule.stmts.iter().enumerate() {
            let last = at + 1 == rule.stmts.len();
            self.stmt_at = at;
            self.last = last;
            self.idle = !rule.stmts[at..].iter().any(|stmt| steady::matters(stmt, stmt::IDLE));
            let mut forked = Vec::new();
            for mut cx in others {
                self.one_stmt(&mut cx, stmt, last);
                forked.append(&mut cx.forks);
                forked.push(cx);
            }
            self.one_stmt(&mut main, stmt, last);
            forked.append(&mut main.forks);
            others = forked;
            let drawn = self.values.budget.nodes(others.len() * NODES_A_FORK);
            if others.len() > MAX_FORKS || drawn.is_err() {
                others.clear();
                match drawn {
                    Err(exhausted) => self.over_budget(rule.span, "the cases of this rule", exhausted),
                    Ok(()) => self.refuse_work(rule.span, "a rule with too many cases"),
                }
                let cond = self.builder.condition("a rule with too many cases");
                main.steps.insert(0, Step::Effect(Effect::Undefined(cond)));
                break;
            }
        }
        others.push(main);
        others
    }

    /// Adds a statement to one way; what cannot be lowered becomes an unknown condition.
    fn one_stmt(&mut self, cx: &mut Context, stmt: &Stmt, last: bool) {
        let Err(fault) = self.stmt(cx, stmt, last) else { return };
        match fault {
            // A value that the loading machine has is the same wherever it is named.
            Fault::Unknown(name, true) => {
                self.ask(cx, false, |lower| lower.builder.condition(Condition::elsewhere(name)))
            }
            fault @ Fault::Unresolved(..) => {
                let name = self.fault(fault);
                self.ask(cx, false, |lower| lower.builder.condition(Condition::elsewhere(name)));
            }
            fault => {
                let name = self.fault(fault);
                let text = self.short_text(stmt.span);
                self.chance(cx, &name, &text);
            }
        }
    }

    /// What is written, on one line; nothing where it is JSON.
    pub(super) fn short_text(&self, span: Span) -> String {
        let words: Vec<_> = self.sources.text(span).split_whitespace().take(16).collect();
        let text: String = words.join(" ").chars().filter(|c| *c != '"').take(60).collect();
        if text.starts_with('{') { String::new() } else { text }
    }

    /// nft refuses what stands behind a verdict.
    fn check_order(&mut self, rule: &Rule) {
        let ends = |kind: &StmtKind| match kind {
            StmtKind::Verdict(verdict) => !matches!(verdict, Verdict::Continue),
            StmtKind::Reject(_) | StmtKind::Nat(_) | StmtKind::Queue(_) | StmtKind::Fwd => true,
            _ => false,
        };
        if let Some(at) = rule.stmts.iter().position(|stmt| ends(&stmt.kind))
            && let Some(next) = rule.stmts.get(at + 1)
        {
            self.refuse(next.span, "a statement behind one that ends the rule");
        }
    }

    fn emit(&mut self, chain: ChainId, cx: &Context) {
        cx.steps.iter().for_each(|step| self.builder.step(*step));
        self.builder.rule(chain, cx.span);
    }
}
