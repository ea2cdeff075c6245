//! The rules of all files as one tree: lists multiplied out, anchors in place, tables found.

use std::collections::BTreeMap;
use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::dialect::Environment;
use crate::finding::Finding;
use crate::source::Span;

use super::ast::{
    Action, Address, Anchor, Flavour, Interface, Reply, Rule, SetOption, Statement, StatementKind, Table,
    TranslateKind,
};
use super::expand::{Expander, Flat, Resolved, Where, addresses};
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
        /// How many statements it is, where it is statements that cannot be read, and what the first of them says.
        unread: Option<(u32, Box<str>)>,
    },
}

/// How many things that nobody knows are told apart, in all and of one written rule; beyond, they are one.
const MOST_UNKNOWN: usize = 1000;
/// Characters of a statement that a condition names it by.
const NAMED_BY: usize = 60;

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
    /// Whether a match inside ends the walk.
    pub quick: bool,
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
    /// `set timeout`: names, seconds and places.
    pub timeouts: Vec<&'a (String, u32, Span)>,
    /// Number of rules as written.
    pub written: usize,
    /// The first statement.
    pub first: Span,
    /// The first filter rule, or what may be one; the first statement where there is none.
    pub first_filter: Span,
    /// The flavour of the first file.
    pub flavour: Flavour,
    /// Tables that rules fill at run time.
    pub overloaded: FxHashSet<&'a str>,
    /// Where rules are loaded into anchors that no rule calls.
    pub uncalled: Vec<Span>,
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

/// What `load anchor` gives an anchor.
struct Loaded<'a> {
    /// The statement.
    span: Span,
    /// The rules; `None` where they cannot be read.
    body: Option<&'a [Statement]>,
    /// Whether an anchor with the path was found.
    called: bool,
}

/// Builds the tree.
pub struct Grower<'a> {
    expander: Expander<'a>,
    env: &'a Environment,
    /// Anchors that `load anchor` fills, by their paths.
    loaded: BTreeMap<String, Loaded<'a>>,
    /// The path of the anchor that is being read.
    path: String,
    /// Loaded anchors that are being read.
    open: Vec<String>,
    /// How many anchors had rules in braces: pfctl names those without a name by it (parse.y).
    braces: usize,
    /// How many things nobody knows.
    unknowns: usize,
    /// How often each statement that cannot be read was met.
    unread: FxHashMap<Box<str>, u32>,
    tree: Tree<'a>,
    /// The rules that one rule is multiplied out into, until they have their places.
    flats: Vec<Flat<'a>>,
    text_of: &'a dyn Fn(Span) -> &'a str,
}

/// The tree of a firewall's files.
pub fn grow<'a>(
    configs: &'a [Config],
    env: &'a Environment,
    text_of: &'a dyn Fn(Span) -> &'a str,
) -> (Tree<'a>, Vec<Finding>) {
    let first =
        configs.iter().find_map(|config| config.statements.first()).map_or(Span::default(), |s| s.span);
    let flavour = configs.first().map_or(Flavour::OpenBsd, |config| config.flavour);
    let mut grower = Grower {
        expander: Expander::new(env, flavour),
        env,
        loaded: BTreeMap::new(),
        path: String::new(),
        open: Vec::new(),
        braces: 0,
        unknowns: 0,
        tree: Tree {
            nodes: Vec::new(),
            skipped: Vec::new(),
            timeouts: Vec::new(),
            written: 0,
            first,
            first_filter: first,
            flavour,
            overloaded: FxHashSet::default(),
            uncalled: Vec::new(),
            tables: vec![Tables::default()],
        },
        flats: Vec::new(),
        unread: FxHashMap::default(),
        text_of,
    };
    for config in configs {
        grower.survey(&config.statements, Scope(0));
    }
    for config in configs {
        grower.expander.set_flavour(config.flavour);
        let mut number = 0;
        let mut nodes = std::mem::take(&mut grower.tree.nodes);
        nodes.reserve(config.statements.len());
        grower.statements(&config.statements, Scope(0), &mut number, &mut nodes);
        grower.tree.nodes = nodes;
    }
    let uncalled = grower.loaded.values().filter(|loaded| !loaded.called);
    grower.tree.uncalled = uncalled.map(|loaded| loaded.span).collect();
    let first_filter = grower.tree.nodes.iter().find_map(filters);
    grower.tree.first_filter = first_filter.unwrap_or(first);
    (grower.tree, grower.expander.findings)
}

/// The span of a node that filters.
fn filters(node: &Node) -> Option<Span> {
    match node {
        Node::Rule(flat, _) => match flat.rule.action {
            Action::Pass | Action::Block(_) | Action::Match => Some(flat.rule.span),
            Action::Scrub { .. } | Action::Translate { .. } | Action::Anchor => None,
        },
        Node::Anchor(anchor) => anchor.kind.is_none().then_some(anchor.rule.span),
        Node::Unknown { span, kind, .. } => kind.is_none().then_some(*span),
    }
}

impl<'a> Grower<'a> {
    /// Looks for what rules refer to wherever it stands: tables, overload targets, loaded anchors.
    fn survey(&mut self, statements: &'a [Statement], scope: Scope) {
        self.refer(statements, "");
        self.tables(statements, scope);
    }

    /// Tables and loaded anchors that statements of the anchor `path` name.
    fn refer(&mut self, statements: &'a [Statement], path: &str) {
        for statement in statements {
            match &statement.kind {
                StatementKind::Rule(rule) => {
                    let state = rule.options.state.as_ref();
                    let table = state.and_then(|state| state.overload());
                    self.tree.overloaded.extend(table);
                }
                StatementKind::Anchor(anchor) => {
                    self.refer(anchor.body.as_deref().unwrap_or_default(), path);
                }
                StatementKind::Include { body: Some(body), .. } => self.refer(body, path),
                StatementKind::LoadAnchor { name, body } => {
                    let path = below(path, name);
                    let body = body.as_deref();
                    self.refer(body.unwrap_or_default(), &path);
                    self.loaded.insert(path, Loaded { span: statement.span, body, called: false });
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
        let set = contents(table, self.tree.overloaded.contains(table.name.as_str()), self.env);
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
            if self.gives_up(statement.span, nodes) {
                return;
            }
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
                    everything_unknown(statement.span, &format!("include {path}"), nodes);
                    self.unknowns += 1;
                }
                StatementKind::Option(option) => match &**option {
                    SetOption::Skip(interfaces) => self.tree.skipped.extend(interfaces),
                    SetOption::Timeouts(timeouts) => self.tree.timeouts.extend(timeouts),
                    SetOption::Other => {}
                },
                StatementKind::Broken(intent) => self.broken(statement.span, *intent, nodes),
                _ => {}
            }
        }
    }

    /// A rule; where pfctl refuses it, nobody knows what was meant.
    fn rule(&mut self, rule: &'a Rule, scope: Scope, number: &mut usize, nodes: &mut Vec<Node<'a>>) {
        self.expander.expand(rule, number, &mut self.flats);
        if self.flats.is_empty() || self.blurs(rule) {
            self.flats.clear();
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
        if let Some(Node::Unknown { what, unread: Some((count, first)), kind: before, .. }) = nodes.last_mut()
            && *before == kind
        {
            // what stands side by side is one thing that nobody knows
            *count += 1;
            *what = meant(first, *count).into();
            return;
        }
        // By its text, and not by its line: a change elsewhere in the file leaves it what it is.
        let text = (self.text_of)(span).lines().next().unwrap_or_default();
        let words: Vec<&str> = text.split_whitespace().collect();
        let mut first: Box<str> = words.join(" ").chars().take(NAMED_BY).collect();
        let times = self.unread.entry(first.clone()).or_default();
        *times += 1;
        if *times > 1 {
            first = format!("{first} ({times})").into();
        }
        nodes.push(Node::Unknown { span, what: meant(&first, 1).into(), kind, unread: Some((1, first)) });
        self.unknowns += 1;
    }

    /// Whether the rest is left out, because too much is not known already; says so once.
    fn gives_up(&mut self, span: Span, nodes: &mut Vec<Node<'a>>) -> bool {
        if self.unknowns < MOST_UNKNOWN {
            return false;
        }
        if self.unknowns == MOST_UNKNOWN {
            self.unknowns += 1;
            everything_unknown(span, "the rules behind too many that are not known", nodes);
            let label = "from here on, the rules are not looked at";
            self.expander.give_up(span, format!("more than {MOST_UNKNOWN} rules are not known"), label);
        }
        true
    }

    /// Whether a rule multiplied out into more alternatives than can be told apart, because nobody tells the
    /// addresses in it.
    fn blurs(&mut self, rule: &Rule) -> bool {
        let untold = |host: &Resolved| {
            matches!(host.place, Where::Unknown { .. } | Where::Dynamic { .. } | Where::RouteLabel(_))
        };
        let blurs = self.flats.len() > MOST_UNKNOWN
            && self.flats.iter().any(|flat| untold(&flat.src) || untold(&flat.dst));
        if blurs {
            let message = format!(
                "the lists multiply out into more than {MOST_UNKNOWN} rules whose addresses are not known"
            );
            self.expander.give_up(rule.span, message, "what it matches is not looked at");
        }
        blurs
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
        let named = anchor.name.as_deref();
        if anchor.body.is_some() {
            self.braces += 1;
        }
        let path = match named {
            Some(name) => below(&self.path, name),
            None => below(&self.path, &format!("_{}", self.braces)),
        };
        let word = match anchor.kind {
            None => "anchor",
            Some(TranslateKind::Nat) => "nat-anchor",
            Some(TranslateKind::Rdr) => "rdr-anchor",
            Some(TranslateKind::Binat) => "binat-anchor",
        };
        // What is in the children of an anchor ends the walk by being quick itself (pf.c, `pf_step_into_anchor`).
        let children = path.ends_with("/*") && self.tree.flavour == Flavour::OpenBsd;
        let (quick, what) = (anchor.rule.quick.is_some() && !children, format!("{word} {path}"));
        let body = self.body(anchor, path, scope);
        self.unknowns += usize::from(body.is_none());
        nodes.push(Node::Anchor(Box::new(AnchorNode {
            rule: &anchor.rule,
            flats,
            scope,
            kind: anchor.kind,
            body,
            quick,
            what,
        })));
    }

    /// The rules of an anchor: in braces, or from the files that `load anchor` names.
    fn body(&mut self, anchor: &'a Anchor, path: String, scope: Scope) -> Option<Vec<Node<'a>>> {
        if let Some(body) = &anchor.body {
            return Some(self.inside(body, path, scope));
        }
        let Some(parent) = path.strip_suffix('*') else {
            return self.loaded_body(path, scope);
        };
        // What is in a file that cannot be read may be children.
        let own = self.loaded.get_mut(parent.trim_end_matches('/'));
        own.into_iter().for_each(|own| own.called |= own.body.is_none());
        // all children, in the order of their names (pf.c, `RB_FOREACH`)
        let children: Vec<String> = self.loaded.keys().filter(|key| is_child(key, parent)).cloned().collect();
        let bodies: Option<Vec<Vec<Node<'a>>>> =
            children.into_iter().map(|child| self.loaded_body(child, scope)).collect();
        bodies.filter(|bodies| !bodies.is_empty()).map(|bodies| bodies.into_iter().flatten().collect())
    }

    /// The rules that were loaded into an anchor.
    fn loaded_body(&mut self, path: String, scope: Scope) -> Option<Vec<Node<'a>>> {
        let loaded = self.loaded.get_mut(&path)?;
        loaded.called = true;
        let statements = loaded.body?;
        if self.open.contains(&path) {
            return None;
        }
        self.open.push(path.clone());
        let nodes = self.inside(statements, path, scope);
        self.open.pop();
        Some(nodes)
    }

    /// The nodes of the rules of an anchor.
    fn inside(&mut self, statements: &'a [Statement], path: String, outer: Scope) -> Vec<Node<'a>> {
        let scope = Scope(self.tree.tables.len() as u32);
        self.tree.tables.push(Tables { outer: Some(outer), sets: FxHashMap::default() });
        self.tables(statements, scope);
        let (mut number, mut nodes) = (0, Vec::new());
        let kept = std::mem::replace(&mut self.path, path);
        self.statements(statements, scope, &mut number, &mut nodes);
        self.path = kept;
        nodes
    }
}

/// The path of an anchor that is named inside another: relative to it, unless it begins with a slash
/// (pf.conf(5), ANCHORS).
fn below(path: &str, name: &str) -> String {
    match name.strip_prefix('/') {
        Some(absolute) => absolute.to_string(),
        None if path.is_empty() => name.to_string(),
        None => format!("{path}/{name}"),
    }
}

/// Whether a path is that of a child of an anchor, whose path is given with its slash.
fn is_child(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent).is_some_and(|name| !name.is_empty() && !name.contains('/'))
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
fn everything_unknown(span: Span, what: &str, nodes: &mut Vec<Node>) {
    for (kind, word) in
        [(None, ""), (Some(TranslateKind::Nat), "nat rules of "), (Some(TranslateKind::Rdr), "rdr rules of ")]
    {
        nodes.push(Node::Unknown { span, what: format!("{word}{what}").into(), kind, unread: None });
    }
}

fn meant(first: &str, count: u32) -> String {
    match count {
        1 => format!("what `{first}` was meant to do"),
        _ => format!("what `{first}` and {} more were meant to do", count - 1),
    }
}
