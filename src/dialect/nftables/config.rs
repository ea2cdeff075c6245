//! Commands applied in order: what the kernel would hold in the end.

use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::syntax::{
    ChainBody, Command, CommandObject, Elem, Expr, ExprKind, HookSpec, Item, Lost, MapData, Name, Object,
    ObjectKind, Position, Rule, Selector, SetBody, StmtKind, TableFamily, TableRef, Target, Verb, Verdict,
};
use super::{refusal, unresolved};
use crate::budget::Budget;
use crate::dialect::over_budget;
use crate::finding::Finding;
use crate::source::Span;

/// A chain as it stands in the end.
#[derive(Debug)]
pub(super) struct Chain {
    /// Its name, and where it is declared.
    pub name: Name,
    /// The hook of a base chain.
    pub hook: Option<HookSpec>,
    /// The policy, where written: true is accept.
    pub policy: Option<(bool, Span)>,
    /// The rules.
    pub rules: Vec<Rule>,
    /// What of it could not be read.
    pub lost: Lost,
    /// When it was made: the kernel orders chains of one priority by it, the latest first.
    pub made: u32,
    /// Rules that were put in front of these, the first of all at the end.
    front: Vec<Rule>,
}

impl Chain {
    /// Puts all rules into one row, and says how many had to move.
    fn settle(&mut self) -> usize {
        if self.front.is_empty() {
            return 0;
        }
        let mut rules = std::mem::take(&mut self.front);
        rules.reverse();
        rules.append(&mut self.rules);
        self.rules = rules;
        self.rules.len()
    }

    fn clear(&mut self) {
        self.rules.clear();
        self.front.clear();
    }
}

/// A set or map as it stands in the end.
#[derive(Debug)]
pub(super) struct NamedSet {
    /// Its name, and where it is declared.
    pub name: Name,
    /// What was said of it.
    pub body: SetBody,
    /// Whether a rule adds or removes elements.
    pub updated: bool,
}

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    /// The family.
    pub family: TableFamily,
    /// Its name, and where it is first named.
    pub name: Name,
    /// Whether it sleeps: none of its base chains is registered.
    pub dormant: bool,
    /// The chains, in the order in which they were made.
    pub chains: Vec<Chain>,
    /// The sets and maps.
    pub sets: Vec<NamedSet>,
    /// The objects and flowtables.
    pub objects: Vec<Object>,
    chain_index: FxHashMap<Box<str>, usize>,
    set_index: FxHashMap<Box<str>, usize>,
    object_index: FxHashMap<(ObjectKind, Box<str>), usize>,
    dead_chains: FxHashSet<usize>,
    dead_sets: FxHashSet<usize>,
    dead_objects: FxHashSet<usize>,
}

impl Table {
    /// A chain by name.
    pub(super) fn chain(&self, name: &str) -> Option<usize> {
        self.chain_index.get(name).copied()
    }

    /// A set or map by name.
    pub(super) fn set(&self, name: &str) -> Option<usize> {
        self.set_index.get(name).copied()
    }

    /// An object by kind and name.
    pub(super) fn object(&self, kind: ObjectKind, name: &str) -> Option<&Object> {
        self.object_index.get(&(kind, name.into())).map(|at| &self.objects[*at])
    }

    fn forget_object(&mut self, kind: ObjectKind, name: &str) {
        let dead = self.object_index.remove(&(kind, name.into()));
        self.dead_objects.extend(dead);
    }

    fn forget_chain(&mut self, name: &str) {
        let dead = self.chain_index.remove(name);
        self.dead_chains.extend(dead);
    }

    fn forget_set(&mut self, name: &str) {
        let dead = self.set_index.remove(name);
        self.dead_sets.extend(dead);
    }

    /// Takes out what was deleted: until then everything stays at its place.
    fn settle(&mut self) {
        self.chains.iter_mut().for_each(|chain| {
            chain.settle();
        });
        if bury(&mut self.chains, &mut self.dead_chains) {
            let names = self.chains.iter().map(|chain| chain.name.text.clone());
            self.chain_index = names.enumerate().map(|(at, name)| (name, at)).collect();
        }
        if bury(&mut self.sets, &mut self.dead_sets) {
            let names = self.sets.iter().map(|set| set.name.text.clone());
            self.set_index = names.enumerate().map(|(at, name)| (name, at)).collect();
        }
        if bury(&mut self.objects, &mut self.dead_objects) {
            let keys = self.objects.iter().map(|object| (object.kind, object.name.text.clone()));
            self.object_index = keys.enumerate().map(|(at, key)| (key, at)).collect();
        }
    }
}

/// Removes what stands at some places: true where there were any.
fn bury<T>(all: &mut Vec<T>, dead: &mut FxHashSet<usize>) -> bool {
    let dead = std::mem::take(dead);
    let mut at = 0;
    all.retain(|_| {
        at += 1;
        !dead.contains(&(at - 1))
    });
    !dead.is_empty()
}

/// All tables.
#[derive(Debug, Default)]
pub(super) struct Config {
    /// The tables, in the order in which they were made.
    pub tables: Vec<Table>,
    /// Rules as written, those that were removed again not counted.
    pub findings: Vec<Finding>,
    /// Where the ruleset, or a table of these rules, is emptied before it is filled.
    pub flushes: bool,
    /// For IPv4 and IPv6: how many chains there were when the first rule that needs connection
    /// tracking was added. Only then does connection tracking hook in.
    pub tracked_at: [Option<u32>; 2],
    /// The place of rules that are missing here: from there on it was too much work, or they could not be read.
    pub cut: Option<Span>,
    made: u32,
    work: usize,
    table_index: FxHashMap<(TableFamily, Box<str>), usize>,
    dead_tables: FxHashSet<usize>,
}

/// Applies commands. What they search through and move is drawn from the budget.
pub(super) fn apply(commands: Vec<Command>, budget: &Budget) -> Config {
    let mut config = Config::default();
    for command in commands {
        if let Err(exhausted) = budget.steps(std::mem::take(&mut config.work)) {
            config.cut = Some(command.span);
            config.findings.push(over_budget(command.span, "what commands move about", exhausted));
            break;
        }
        let tracks = config.newly_tracked(&command);
        config.command(command);
        let made = config.made;
        for (at, tracks) in config.tracked_at.iter_mut().zip(tracks) {
            *at = at.or(tracks.then_some(made));
        }
    }
    bury(&mut config.tables, &mut config.dead_tables);
    config.tables.iter_mut().for_each(Table::settle);
    config.mark_updated();
    config
}

impl Config {
    fn command(&mut self, command: Command) {
        let Command { verb, object, span } = command;
        match object {
            CommandObject::Read | CommandObject::ByHandle => {}
            CommandObject::Ruleset(family) => {
                self.flushes = true;
                let goes = |of: TableFamily| family.is_none_or(|family| of == family);
                self.work += self.table_index.len();
                let dead = self.table_index.extract_if(|(of, _), _| goes(*of)).map(|(_, at)| at);
                self.dead_tables.extend(dead);
            }
            CommandObject::Table { table, dormant, items } => {
                self.table_command(verb, &table, dormant, items)
            }
            CommandObject::Item(table, item) => self.item_command(verb, &table, item),
            CommandObject::Rename(table, chain, name) => self.rename(&table, &chain, name),
            CommandObject::Rule { table, chain, position, rule } => {
                self.rule_command(verb, &table, &chain, position, rule, span);
            }
            CommandObject::Elements { table, set, elements } => self.elements(verb, &table, &set, elements),
        }
    }

    /// A table by family and name.
    pub(super) fn find(&self, table: &TableRef) -> Option<usize> {
        self.table_index.get(&(table.family, table.name.text.clone())).copied()
    }

    /// Whether a command brings the first rule that needs connection tracking, for IPv4 and IPv6.
    fn newly_tracked(&self, command: &Command) -> [bool; 2] {
        if self.tracked_at.iter().all(Option::is_some) {
            return [false; 2];
        }
        let of = |item: &Item| matches!(item, Item::Chain(_, body) if any_tracks(&body.rules));
        let (table, tracks) = match &command.object {
            CommandObject::Table { table, items, .. } => (table, items.iter().any(of)),
            CommandObject::Item(table, item) => (table, of(item)),
            CommandObject::Rule { table, rule: Some(rule), .. } => {
                (table, any_tracks(std::slice::from_ref(rule)))
            }
            _ => return [false; 2],
        };
        let (v4, v6) = match table.family {
            TableFamily::Ip => (true, false),
            TableFamily::Ip6 => (false, true),
            TableFamily::Inet => (true, true),
            _ => (false, false),
        };
        [tracks && v4, tracks && v6]
    }

    fn make(&mut self, table: &TableRef) -> usize {
        if let Some(at) = self.find(table) {
            return at;
        }
        self.table_index.insert((table.family, table.name.text.clone()), self.tables.len());
        self.tables.push(Table {
            family: table.family,
            name: table.name.clone(),
            dormant: false,
            chains: Vec::new(),
            sets: Vec::new(),
            objects: Vec::new(),
            chain_index: FxHashMap::default(),
            set_index: FxHashMap::default(),
            object_index: FxHashMap::default(),
            dead_chains: FxHashSet::default(),
            dead_sets: FxHashSet::default(),
            dead_objects: FxHashSet::default(),
        });
        self.tables.len() - 1
    }

    /// The table that a command names; where it was not made, that is said once.
    fn need(&mut self, table: &TableRef) -> usize {
        if self.find(table).is_none() {
            let message =
                format!("the table `{} {}` does not exist here", table.family.name(), table.name.text);
            self.findings.push(unresolved(table.name.span, message));
        }
        self.make(table)
    }

    fn table_command(&mut self, verb: Verb, table: &TableRef, dormant: bool, items: Vec<Item>) {
        match verb {
            Verb::Delete | Verb::Destroy => {
                let dead = self.table_index.remove(&(table.family, table.name.text.clone()));
                self.dead_tables.extend(dead);
                self.flushes = true;
            }
            Verb::Flush => {
                if let Some(at) = self.find(table) {
                    self.work += self.tables[at].chains.len();
                    self.tables[at].chains.iter_mut().for_each(Chain::clear);
                }
                self.flushes = true;
            }
            _ => {
                if verb == Verb::Create && self.find(table).is_some() {
                    let message = format!("the table `{}` exists already", table.name.text);
                    self.findings.push(refusal(table.name.span, message));
                }
                let at = self.make(table);
                self.tables[at].dormant |= dormant;
                // Sets first, then chains: nft makes what rules refer to before the rules.
                for item in items {
                    self.add(at, item, Verb::Add);
                }
            }
        }
    }

    fn item_command(&mut self, verb: Verb, table: &TableRef, item: Item) {
        if matches!(verb, Verb::Add | Verb::Create | Verb::Insert | Verb::Replace) {
            let at = self.need(table);
            self.add(at, item, verb);
            return;
        }
        self.flushes |= verb == Verb::Flush && matches!(item, Item::Chain(..));
        let Some(at) = self.find(table) else { return };
        let table = &mut self.tables[at];
        match item {
            Item::Chain(name, _) => {
                let Some(chain) = table.chain(&name.text) else { return };
                match verb {
                    Verb::Flush => table.chains[chain].clear(),
                    _ => table.forget_chain(&name.text),
                }
            }
            Item::Set(name, _) => {
                let Some(set) = table.set(&name.text) else { return };
                match verb {
                    Verb::Flush => table.sets[set].body.elements.clear(),
                    _ => table.forget_set(&name.text),
                }
            }
            Item::Object(object) => {
                table.forget_object(object.kind, &object.name.text);
            }
        }
    }

    fn add(&mut self, at: usize, item: Item, verb: Verb) {
        match item {
            Item::Chain(name, body) => self.add_chain(at, name, *body, verb),
            Item::Set(name, body) => self.add_set(at, name, *body, verb),
            Item::Object(object) => {
                let table = &mut self.tables[at];
                let key = (object.kind, object.name.text.clone());
                match table.object_index.get(&key) {
                    Some(old) => table.objects[*old] = object,
                    None => {
                        table.object_index.insert(key, table.objects.len());
                        table.objects.push(object);
                    }
                }
            }
        }
    }

    fn add_chain(&mut self, at: usize, name: Name, body: ChainBody, verb: Verb) {
        let table = &mut self.tables[at];
        let Some(old) = table.chain(&name.text) else {
            self.made += 1;
            table.chain_index.insert(name.text.clone(), table.chains.len());
            let ChainBody { hook, policy, rules, lost } = body;
            let made = self.made;
            table.chains.push(Chain { name, hook, policy, rules, lost, made, front: Vec::new() });
            return;
        };
        if verb == Verb::Create {
            let message = format!("the chain `{}` exists already", name.text);
            self.findings.push(refusal(name.span, message));
        }
        let chain = &mut table.chains[old];
        if body.hook.is_some() {
            chain.hook = body.hook;
        }
        if body.policy.is_some() {
            chain.policy = body.policy;
        }
        chain.rules.extend(body.rules);
        chain.lost = chain.lost.or(body.lost);
    }

    fn add_set(&mut self, at: usize, name: Name, body: SetBody, verb: Verb) {
        if body.key.is_none() {
            self.findings.push(refusal(name.span, format!("`{}` has no type for its keys", name.text)));
        }
        let table = &mut self.tables[at];
        let Some(old) = table.set(&name.text) else {
            table.set_index.insert(name.text.clone(), table.sets.len());
            table.sets.push(NamedSet { name, body, updated: false });
            return;
        };
        if verb == Verb::Create {
            let message = format!("the set `{}` exists already", name.text);
            self.findings.push(refusal(name.span, message));
        }
        let set = &mut table.sets[old];
        set.body.elements.extend(body.elements);
        set.body.key = set.body.key.take().or(body.key);
        set.body.data = set.body.data.take().or(body.data);
        set.body.interval |= body.interval;
        set.body.auto_merge |= body.auto_merge;
        set.body.dynamic |= body.dynamic;
        set.body.timeout |= body.timeout;
    }

    fn rename(&mut self, table: &TableRef, chain: &Name, name: Name) {
        let at = self.need(table);
        let table = &mut self.tables[at];
        let Some(index) = table.chain_index.remove(&chain.text) else {
            let message = format!("the chain `{}` does not exist here", chain.text);
            self.findings.push(unresolved(chain.span, message));
            return;
        };
        table.chain_index.insert(name.text.clone(), index);
        table.chains[index].name = name;
    }

    fn rule_command(
        &mut self,
        verb: Verb,
        table: &TableRef,
        name: &Name,
        position: Position,
        rule: Option<Rule>,
        span: Span,
    ) {
        let at = self.need(table);
        let table = &mut self.tables[at];
        let Some(chain) = table.chain(&name.text) else {
            let message = format!("the chain `{}` does not exist here", name.text);
            self.findings.push(unresolved(name.span, message));
            let body = ChainBody { rules: rule.into_iter().collect(), ..ChainBody::default() };
            self.add_chain(at, name.clone(), body, Verb::Add);
            return;
        };
        let chain = &mut table.chains[chain];
        if let (Verb::Insert, Position::None, Some(_)) = (verb, position, &rule) {
            chain.front.extend(rule);
            return;
        }
        if position != Position::None {
            self.work += chain.settle() + chain.rules.len();
        }
        let rules = &mut chain.rules;
        let found = match position {
            Position::None => None,
            Position::Index(index) => Some(index as usize).filter(|index| *index < rules.len()),
            Position::Handle(handle) => rules.iter().position(|rule| rule.handle == Some(handle)),
        };
        if found.is_none() && matches!(position, Position::Index(_)) {
            self.findings.push(refusal(span, format!("the chain `{}` has no rule at that place", name.text)));
        }
        let Some(rule) = rule else {
            if let Some(at) = found {
                rules.remove(at);
            }
            return;
        };
        match (verb, found) {
            (Verb::Replace, Some(at)) => rules[at] = rule,
            (Verb::Insert, Some(at)) => rules.insert(at, rule),
            (Verb::Insert, None) => chain.front.push(rule),
            (_, Some(at)) => rules.insert(at + 1, rule),
            (_, None) => rules.push(rule),
        }
    }

    fn elements(&mut self, verb: Verb, table: &TableRef, name: &Name, elements: Rc<Vec<Elem>>) {
        let at = self.need(table);
        let table = &mut self.tables[at];
        let Some(set) = table.set(&name.text) else {
            let message = format!("the set `{}` does not exist here", name.text);
            self.findings.push(unresolved(name.span, message));
            return;
        };
        let body = &mut table.sets[set].body;
        match verb {
            Verb::Delete | Verb::Destroy => {
                // Which elements are the same is known when types are: the set is left open instead.
                table.sets[set].updated = true;
            }
            _ => body.elements.push(elements),
        }
    }

    /// Notes which sets rules change.
    fn mark_updated(&mut self) {
        for table in &mut self.tables {
            let mut names: Vec<Name> = Vec::new();
            for chain in &table.chains {
                each_stmt(&chain.rules, &mut |kind| {
                    if let StmtKind::Update(update) = kind {
                        names.push(update.set.clone());
                    }
                });
            }
            for name in names {
                if let Some(at) = table.set(&name.text) {
                    table.sets[at].updated = true;
                }
            }
        }
    }
}

/// Every statement of rules, with those of blocks that are written in place.
pub(super) fn each_stmt(rules: &[Rule], visit: &mut impl FnMut(&StmtKind)) {
    for rule in rules {
        for stmt in &rule.stmts {
            visit(&stmt.kind);
            if let StmtKind::Verdict(
                Verdict::Jump(Target::Block(rules, _)) | Verdict::Goto(Target::Block(rules, _)),
            ) = &stmt.kind
            {
                each_stmt(rules, visit);
            }
        }
    }
}

/// What an expression is, with variables looked through.
pub(super) fn plain(expr: &Expr) -> &Expr {
    let mut expr = expr;
    while let ExprKind::Ref(value) = &expr.kind {
        expr = value;
    }
    expr
}

/// Whether a map is declared to give verdicts.
pub(super) fn gives_verdicts(body: &SetBody) -> bool {
    matches!(body.data, Some(MapData::Verdict))
}

/// Whether a statement needs connection tracking.
fn tracks(kind: &StmtKind) -> bool {
    match kind {
        StmtKind::Match(parts) => uses_ct(&parts.0),
        StmtKind::Vmap(parts) => uses_ct(&parts.0),
        StmtKind::Mangle(parts) => uses_ct(&parts.0) || uses_ct(&parts.1),
        StmtKind::Update(update) => uses_ct(&update.key),
        StmtKind::Meter(meter) => meter.kind == "ct count",
        StmtKind::Nat(_) | StmtKind::Synproxy | StmtKind::Tproxy => true,
        StmtKind::Offload(_) => true,
        StmtKind::Object(parts) => {
            matches!(parts.0, ObjectKind::CtHelper | ObjectKind::CtTimeout | ObjectKind::CtExpectation)
        }
        _ => false,
    }
}

fn any_tracks(rules: &[Rule]) -> bool {
    let mut found = false;
    each_stmt(rules, &mut |kind| found |= tracks(kind));
    found
}

/// Whether rules switch connection tracking on for IPv6. Its defragmentation takes the fragment
/// header off whole packets too, before any chain above priority -400 sees them
/// (`nf_conntrack_reasm.c`, `nf_ct_frag6_gather`).
pub(super) fn tracks_ipv6(config: &Config) -> bool {
    config.tracked_at[1].is_some()
}

/// Whether an expression looks at the connection, or at the socket, which needs whole packets too. Variables hold
/// constants.
fn uses_ct(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Ct(..) => true,
        ExprKind::Other(selector) => matches!(**selector, Selector::Socket(_)),
        ExprKind::Binary(_, sides) => uses_ct(&sides.0) || uses_ct(&sides.1),
        ExprKind::Map(sides) => uses_ct(&sides.0),
        ExprKind::Concat(parts) => parts.iter().any(uses_ct),
        _ => false,
    }
}
