//! The rules of all files as one tree: lists multiplied out, anchors in place, tables found.

use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::dialect::Environment;
use crate::finding::Finding;
use crate::source::Span;

use super::ast::{
    Action, Address, Anchor, Interface, Reply, Rule, SetOption, Statement, StatementKind, Table,
    TranslateKind,
};
use super::expand::{Expander, Flat, addresses};
use super::parse::Config;
use super::table::{TableSet, contents};

/// A rule, or an anchor with its rules, at its place.
#[derive(Debug)]
pub enum Node<'a> {
    /// A rule, and the tables that it sees.
    Rule(Box<Flat<'a>>, Scope),
    /// An anchor.
    Anchor(Box<AnchorNode<'a>>),
    /// Something whose rules are not known, or that cannot be read: it may do anything.
    Unknown {
        /// Where it is written.
        span: Span,
        /// The name of the condition.
        what: Box<str>,
        /// For which kind of translation; `None` for filtering.
        kind: Option<TranslateKind>,
    },
}

/// An anchor's conditions and rules.
#[derive(Debug)]
pub struct AnchorNode<'a> {
    /// The anchor as written.
    pub rule: &'a Rule,
    /// Its conditions, without lists: the rules are looked at once for each that holds.
    pub flats: Vec<Flat<'a>>,
    /// The tables that the conditions see.
    pub scope: Scope,
    /// For which kind of translation; `None` for filtering.
    pub kind: Option<TranslateKind>,
    /// Its rules; `None` where they are not known.
    pub body: Option<Vec<Node<'a>>>,
    /// The name of the condition that its rules are not known.
    pub what: String,
}

/// Names the tables that are seen from a place: those of an anchor hide those outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scope(u32);

/// The tables of one scope.
#[derive(Debug, Default)]
struct Tables {
    outer: Option<Scope>,
    sets: FxHashMap<String, Rc<TableSet>>,
}

/// The tree and what stands beside it.
#[derive(Debug)]
pub struct Tree<'a> {
    /// The nodes of the main ruleset.
    pub nodes: Vec<Node<'a>>,
    /// Interfaces that are not filtered: `set skip on`.
    pub skipped: Vec<&'a Interface>,
    /// Number of rules as written.
    pub written: usize,
    /// The first statement.
    pub first: Span,
    tables: Vec<Tables>,
}

impl Tree<'_> {
    /// What a table's name means at a place; `None` where nothing defines it.
    pub fn table(&self, scope: Scope, name: &str) -> Option<&TableSet> {
        let mut scope = Some(scope);
        while let Some(Scope(at)) = scope {
            let tables = self.tables.get(at as usize)?;
            if let Some(set) = tables.sets.get(name) {
                return Some(set);
            }
            scope = tables.outer;
        }
        None
    }
}

/// Builds the tree.
pub struct Grower<'a> {
    expander: Expander<'a>,
    env: &'a Environment,
    /// Tables that rules fill at run time.
    overloaded: FxHashSet<&'a str>,
    /// Anchors whose rules `load anchor` gives.
    loaded: FxHashMap<&'a str, &'a [Statement]>,
    /// Loaded anchors that are being read.
    open: Vec<&'a str>,
    tree: Tree<'a>,
    /// The rules that one rule is multiplied out into, until they have their places.
    flats: Vec<Flat<'a>>,
    line_of: &'a dyn Fn(Span) -> u32,
}

/// The tree of a firewall's files.
pub fn grow<'a>(
    configs: &'a [Config],
    env: &'a Environment,
    line_of: &'a dyn Fn(Span) -> u32,
) -> (Tree<'a>, Vec<Finding>) {
    let first =
        configs.iter().find_map(|config| config.statements.first()).map_or(Span::default(), |s| s.span);
    let mut grower = Grower {
        expander: Expander::new(env, configs.first().map_or(super::ast::Family::OpenBsd, |c| c.family)),
        env,
        overloaded: FxHashSet::default(),
        loaded: FxHashMap::default(),
        open: Vec::new(),
        tree: Tree {
            nodes: Vec::new(),
            skipped: Vec::new(),
            written: 0,
            first,
            tables: vec![Tables::default()],
        },
        flats: Vec::new(),
        line_of,
    };
    for config in configs {
        grower.survey(&config.statements, Scope(0));
    }
    for config in configs {
        grower.expander.set_family(config.family);
        let mut number = 0;
        let mut nodes = std::mem::take(&mut grower.tree.nodes);
        nodes.reserve(config.statements.len());
        grower.statements(&config.statements, Scope(0), &mut number, &mut nodes);
        grower.tree.nodes = nodes;
    }
    (grower.tree, grower.expander.findings)
}

impl<'a> Grower<'a> {
    /// Looks for what rules refer to wherever it stands: tables, overload targets, loaded anchors.
    fn survey(&mut self, statements: &'a [Statement], scope: Scope) {
        self.find_overloaded(statements);
        self.tables(statements, scope);
    }

    fn find_overloaded(&mut self, statements: &'a [Statement]) {
        for statement in statements {
            match &statement.kind {
                StatementKind::Rule(rule) => {
                    let state = rule.options.state.as_ref();
                    let table = state.and_then(|state| state.overload());
                    self.overloaded.extend(table);
                }
                StatementKind::Anchor(anchor) => {
                    self.find_overloaded(anchor.body.as_deref().unwrap_or_default());
                }
                StatementKind::Include { body: Some(body), .. } => self.find_overloaded(body),
                StatementKind::LoadAnchor { name, body: Some(body) } => {
                    self.loaded.insert(name, body);
                    self.find_overloaded(body);
                }
                _ => {}
            }
        }
    }

    /// The tables defined among statements, those of included files with them.
    fn tables(&mut self, statements: &'a [Statement], scope: Scope) {
        for statement in statements {
            match &statement.kind {
                StatementKind::Table(table) => self.table(table, scope),
                StatementKind::Include { body: Some(body), .. } => self.tables(body, scope),
                _ => {}
            }
        }
    }

    fn table(&mut self, table: &Table, scope: Scope) {
        let set = contents(table, self.overloaded.contains(table.name.as_str()), self.env);
        self.tree.tables[scope.0 as usize].sets.insert(table.name.clone(), Rc::new(set));
    }

    fn statements(
        &mut self,
        statements: &'a [Statement],
        scope: Scope,
        number: &mut usize,
        nodes: &mut Vec<Node<'a>>,
    ) {
        for statement in statements {
            match &statement.kind {
                StatementKind::Rule(rule) => {
                    self.tree.written += 1;
                    self.rule(rule, scope, number, nodes);
                }
                StatementKind::Antispoof(rules) => {
                    self.tree.written += 1;
                    for rule in rules.iter().filter(|rule| has_addresses(rule, self.env)) {
                        self.rule(rule, scope, number, nodes);
                    }
                }
                StatementKind::Anchor(anchor) => {
                    self.tree.written += 1;
                    self.anchor(anchor, scope, number, nodes);
                }
                StatementKind::Include { body: Some(body), .. } => {
                    self.statements(body, scope, number, nodes)
                }
                StatementKind::Include { path, body: None } => {
                    everything_unknown(statement.span, format!("the rules of `{path}`"), nodes);
                }
                StatementKind::Option(option) => {
                    if let SetOption::Skip(interfaces) = &**option {
                        self.tree.skipped.extend(interfaces);
                    }
                }
                StatementKind::Broken(intent) => self.broken(statement.span, *intent, nodes),
                _ => {}
            }
        }
    }

    /// A rule; where pfctl refuses it, nobody knows what was meant.
    fn rule(&mut self, rule: &'a Rule, scope: Scope, number: &mut usize, nodes: &mut Vec<Node<'a>>) {
        self.expander.expand(rule, number, &mut self.flats);
        if self.flats.is_empty() {
            self.broken(rule.span, Some(rule.action), nodes);
        }
        nodes.extend(self.flats.drain(..).map(|flat| Node::Rule(Box::new(flat), scope)));
    }

    fn broken(&mut self, span: Span, intent: Option<Action>, nodes: &mut Vec<Node<'a>>) {
        let kind = match intent {
            None | Some(Action::Scrub { .. }) => return,
            Some(Action::Translate { kind, .. }) => Some(kind),
            Some(_) => None,
        };
        let what = format!("what line {} was meant to do", (self.line_of)(span)).into();
        nodes.push(Node::Unknown { span, what, kind });
    }

    fn anchor(&mut self, anchor: &'a Anchor, scope: Scope, number: &mut usize, nodes: &mut Vec<Node<'a>>) {
        let mut flats = Vec::new();
        self.expander.expand(&anchor.rule, number, &mut flats);
        if flats.is_empty() {
            let intent = anchor.kind.map_or(Action::Block(Reply::Drop), |kind| Action::Translate {
                kind,
                no: false,
                pass: false,
            });
            self.broken(anchor.rule.span, Some(intent), nodes);
            return;
        }
        let body = self.body(anchor, scope);
        let what = format!("the rules of anchor `{}`", anchor.name.as_deref().unwrap_or("without a name"));
        nodes.push(Node::Anchor(Box::new(AnchorNode {
            rule: &anchor.rule,
            flats,
            scope,
            kind: anchor.kind,
            body,
            what,
        })));
    }

    /// The rules of an anchor: in braces, or from the file that `load anchor` names.
    fn body(&mut self, anchor: &'a Anchor, scope: Scope) -> Option<Vec<Node<'a>>> {
        let loaded = match (&anchor.body, &anchor.name) {
            (Some(body), _) => return Some(self.inside(body, scope)),
            (None, Some(name)) => name.as_str(),
            (None, None) => return None,
        };
        let statements = *self.loaded.get(loaded)?;
        if self.open.contains(&loaded) || loaded.ends_with("/*") {
            return None;
        }
        self.open.push(loaded);
        let nodes = self.inside(statements, scope);
        self.open.pop();
        Some(nodes)
    }

    fn inside(&mut self, statements: &'a [Statement], outer: Scope) -> Vec<Node<'a>> {
        let scope = Scope(self.tree.tables.len() as u32);
        self.tree.tables.push(Tables { outer: Some(outer), sets: FxHashMap::default() });
        self.tables(statements, scope);
        let (mut number, mut nodes) = (0, Vec::new());
        self.statements(statements, scope, &mut number, &mut nodes);
        nodes
    }
}

/// Whether the source of a rule of `antispoof` has an address: pfctl writes no rule for an interface that has none.
fn has_addresses(rule: &Rule, env: &Environment) -> bool {
    rule.from.hosts.iter().all(|host| match &host.address {
        Address::Name { name, modifiers, prefix } => {
            addresses(name, *modifiers, *prefix, env).is_none_or(|nets| !nets.is_empty())
        }
        _ => true,
    })
}

/// Rules of every kind that nobody knows.
fn everything_unknown(span: Span, what: String, nodes: &mut Vec<Node>) {
    for kind in [None, Some(TranslateKind::Nat), Some(TranslateKind::Rdr)] {
        nodes.push(Node::Unknown { span, what: what.as_str().into(), kind });
    }
}
