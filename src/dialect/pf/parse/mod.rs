//! Text to syntax tree, one statement at a time: an error costs its statement.

mod cursor;
mod files;
mod host;
mod option;
mod rule;
mod setting;
mod state;
mod tokens;

use std::collections::BTreeSet;
use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use self::cursor::{Cursor, Error, Refusal, refuse};
pub(super) use self::rule::is_loopback;
use self::tokens::{Ended, Reader};
use super::ast::{
    Action, Anchor, Flavour, InterfaceName, Queue, Reply, StateOptions, Statement, StatementKind,
    TranslateKind,
};
use super::detect::{detect, is_pfctl_output};
use super::lexer::{Kind, Lexer, Macro, Macros, Token};
use super::queues;
use crate::budget::Budget;
use crate::dialect::{over_budget, tell};
use crate::finding::Finding;
use crate::rule::{PH001, PH003, PH004};
use crate::source::{SourceId, SourceMap, Span};

/// How deep anchors may stand in each other (pfctl's `PFCTL_ANCHOR_STACK_DEPTH`).
const DEEPEST_ANCHOR: usize = 64;
/// The longest text of a macro, in bytes: macros of macros could grow without end.
const LONGEST_MACRO: usize = 1 << 18;

/// A read file.
#[derive(Debug)]
pub struct Config {
    /// Its statements; included files stand in their `include`.
    pub statements: Vec<Statement>,
    /// The flavour that it was read as.
    pub flavour: Flavour,
    /// Macros that nothing used: name and definition.
    pub unused_macros: Vec<UnusedMacro>,
    /// Tables that nothing in the text names beside their definition; none where an anchor or another file may.
    pub unused_tables: Vec<(String, Span)>,
    /// What reading had to say.
    pub findings: Vec<Finding>,
}

/// Reads a file; `flavour` overrides what the text tells. Files that it names, and macros, draw on the budget.
pub fn parse(sources: &mut SourceMap, id: SourceId, flavour: Option<Flavour>, budget: &Budget) -> Config {
    let detected = detect(&sources.file(id).text);
    let flavour = flavour.unwrap_or(detected.flavour);
    // what pfctl prints by several commands may stand in any order
    let require_order = !is_pfctl_output(&sources.file(id).text);
    let mut session = Session {
        sources,
        findings: Vec::new(),
        macros: Macros::default(),
        unused_macros: Vec::new(),
        flavour,
        prio_assigns: detected.prio_assigns,
        block_policy: Reply::Drop,
        state_defaults: None,
        require_order,
        stage: Order::Option,
        top: id,
        budget,
        open_files: Vec::new(),
        files_read: FxHashSet::default(),
        anchor_depth: 0,
        altq: None,
        tables: FxHashMap::default(),
    };
    let statements = session.file(id);
    if flavour == Flavour::OpenBsd && session.altq.is_none() {
        for (span, message) in queues::check(&statements) {
            session.report(&Error { span, refusal: Refusal::Load(message) });
        }
    }
    let mut unused = std::mem::take(&mut session.unused_macros);
    unused.extend(unused_of(&session.macros));
    unused.sort_unstable_by_key(|unused| unused.span);
    if !unused.is_empty() {
        // Lines that are commented out come back, and want their macros then.
        let named = names_after_dollars(&session.sources.file(id).text);
        unused.retain(|unused| unused.again.is_some() || !named.contains(unused.name.as_str()));
    }
    let unused_tables = unused_tables(&session, id);
    Config { statements, flavour, unused_macros: unused, unused_tables, findings: session.findings }
}

impl Config {
    /// Number of rules as written, those of included files with them.
    pub fn written(&self) -> usize {
        fn count(statements: &[Statement]) -> usize {
            statements
                .iter()
                .map(|statement| match &statement.kind {
                    StatementKind::Rule(_) | StatementKind::Antispoof(_) => 1,
                    StatementKind::Anchor(anchor) => 1 + anchor.body.as_deref().map_or(0, count),
                    StatementKind::Include { body: Some(body), .. } => count(body),
                    _ => 0,
                })
                .sum()
        }
        count(&self.statements)
    }
}

/// A macro whose value nothing uses.
#[derive(Clone, Debug)]
pub struct UnusedMacro {
    /// Its name.
    pub name: String,
    /// Its definition.
    pub span: Span,
    /// The definition that takes its place.
    pub again: Option<Span>,
}

fn unused_of(macros: &Macros) -> impl Iterator<Item = UnusedMacro> {
    let unused = macros.iter().filter(|(_, found)| !found.used.get());
    unused.map(|(name, found)| UnusedMacro { name: name.clone(), span: found.span, again: None })
}

/// Tables that the text names once, in comments too.
fn unused_tables(session: &Session<'_>, id: SourceId) -> Vec<(String, Span)> {
    let text = &session.sources.file(id).text;
    if session.tables.is_empty() || text.contains("anchor") || text.contains("include") {
        return Vec::new();
    }
    let mut named: FxHashMap<&str, usize> = FxHashMap::default();
    for part in text.split('<').skip(1) {
        *named.entry(part.split('>').next().unwrap_or_default().trim()).or_default() += 1;
    }
    let once = |name: &String| named.get(name.as_str()).is_none_or(|count| *count < 2);
    let unused = session.tables.iter().filter(|(name, _)| once(name));
    let mut unused: Vec<(String, Span)> = unused.map(|(name, span)| (name.clone(), *span)).collect();
    unused.sort_unstable_by_key(|(_, span)| *span);
    unused
}

/// What a text calls by `$`, in comments too.
fn names_after_dollars(text: &str) -> FxHashSet<&str> {
    let name =
        |rest: &'_ str| rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    text.split('$').skip(1).map(|rest| &rest[..name(rest)]).collect()
}

/// The order of statements that FreeBSD and macOS demand.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Order {
    Option,
    Scrub,
    Queue,
    Translate,
    Filter,
}

/// The queues of ALTQ: for each name the interfaces that it is on.
type Altq = FxHashMap<String, BTreeSet<String>>;

/// What is carried from statement to statement, over included files too.
struct Session<'s> {
    sources: &'s mut SourceMap,
    findings: Vec<Finding>,
    macros: Macros,
    unused_macros: Vec<UnusedMacro>,
    flavour: Flavour,
    prio_assigns: bool,
    block_policy: Reply,
    state_defaults: Option<StateOptions>,
    require_order: bool,
    stage: Order,
    /// The configuration: beside it lie the files that absolute paths name.
    top: SourceId,
    budget: &'s Budget,
    /// The files that are being read, outermost first.
    open_files: Vec<SourceId>,
    /// All that were read.
    files_read: FxHashSet<SourceId>,
    anchor_depth: usize,
    /// The queues of ALTQ so far; `None` before the first `altq`.
    altq: Option<Altq>,
    tables: FxHashMap<String, Span>,
}

impl Session<'_> {
    /// All statements of a file.
    fn file(&mut self, id: SourceId) -> Vec<Statement> {
        let file = self.sources.file(id);
        let (text, base) = (file.text.clone(), file.base);
        let damage = file.damage.clone();
        self.open_files.push(id);
        self.files_read.insert(id);
        let mut reader = Reader::new(Lexer::new(&text, base, self.budget));
        let mut statements = Vec::new();
        let mut tokens = Vec::new();
        let mut scope = Scope { file: id, damage: &damage };
        loop {
            match self.statement(&mut reader, &mut tokens, &mut scope, &mut statements) {
                Ended::File => break,
                Ended::Close => {
                    let span = tokens.last().map_or(Span::default(), |token| token.span);
                    self.report(&Error {
                        span,
                        refusal: Refusal::Syntax("expected a statement, found `}`".into()),
                    });
                }
                Ended::Line | Ended::Body => {}
            }
        }
        self.open_files.pop();
        statements
    }

    /// Reads one statement and what belongs to it.
    fn statement<'a>(
        &mut self,
        reader: &mut Reader<'a>,
        tokens: &mut Vec<Token<'a>>,
        scope: &mut Scope,
        statements: &mut Vec<Statement>,
    ) -> Ended {
        tokens.clear();
        let (ended, error) = self.collect(reader, tokens, scope);
        if matches!(ended, Ended::Close) {
            return ended;
        }
        let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else {
            if let Some(error) = error {
                self.report(&error);
            }
            return ended;
        };
        let span = first.span.to(last.span);
        let end = Span::new(span.end, span.end);
        let kind = match error {
            Some(error) => Err(error),
            None => self.dispatch(tokens, end, scope),
        };
        let kind = kind.unwrap_or_else(|error| {
            self.report(&error);
            StatementKind::Broken(intent(tokens))
        });
        let broken = matches!(kind, StatementKind::Broken(_));
        statements.push(Statement { span, kind });
        if matches!(ended, Ended::Body) {
            let body = self.body(reader, scope, span);
            if let Some(Statement { kind: StatementKind::Anchor(anchor), .. }) = statements.last_mut() {
                anchor.body = body;
            } else if !broken {
                self.report(&Error {
                    span,
                    refusal: Refusal::Syntax("expected an anchor before `{`".into()),
                });
            }
            return Ended::Line;
        }
        self.check_unnamed(statements.last());
        ended
    }

    /// An anchor without a name needs rules in braces.
    fn check_unnamed(&mut self, statement: Option<&Statement>) {
        if let Some(Statement { span, kind: StatementKind::Anchor(anchor) }) = statement
            && anchor.name.is_none()
        {
            let message = "an anchor without rules in braces needs a name".to_string();
            self.report(&Error { span: *span, refusal: Refusal::Load(message) });
        }
    }

    /// The statements up to the `}` of an anchor.
    fn body<'a>(&mut self, reader: &mut Reader<'a>, scope: &mut Scope, head: Span) -> Option<Vec<Statement>> {
        if self.anchor_depth >= DEEPEST_ANCHOR {
            let message = format!("anchors stand more than {DEEPEST_ANCHOR} deep in each other");
            self.report(&Error { span: head, refusal: Refusal::Load(message) });
            self.skip_body(reader);
            return None;
        }
        self.anchor_depth += 1;
        let mut statements = Vec::new();
        let mut tokens = Vec::new();
        loop {
            match self.statement(reader, &mut tokens, scope, &mut statements) {
                Ended::Close => break,
                Ended::File => {
                    let message = "the rules of this anchor are not closed by `}`".to_string();
                    self.report(&Error { span: head, refusal: Refusal::Syntax(message) });
                    break;
                }
                Ended::Line | Ended::Body => {}
            }
        }
        self.anchor_depth -= 1;
        Some(statements)
    }

    /// Reads the tokens of one statement.
    fn dispatch(&mut self, tokens: &[Token], end: Span, scope: &Scope) -> cursor::Result<StatementKind> {
        let mut cursor = Cursor::new(tokens, end);
        let cursor = &mut cursor;
        skip_number_of_output(cursor);
        let start = cursor.span();
        if is_output(cursor) {
            return Ok(StatementKind::Ignored);
        }
        if *cursor.peek_at(1) == Kind::Sign('=') {
            return self.define(cursor, start);
        }
        let Some(word) = cursor.word() else {
            return cursor.fail("a statement");
        };
        cursor.advance();
        let kind = match word {
            "pass" | "block" | "match" => rule::filter(cursor, self, start, word),
            "nat" => rule::translate(cursor, self, start, TranslateKind::Nat, false),
            "rdr" => rule::translate(cursor, self, start, TranslateKind::Rdr, false),
            "binat" => rule::translate(cursor, self, start, TranslateKind::Binat, false),
            "scrub" => rule::scrub(cursor, self, start, false),
            "no" => {
                let (scrub, kind) = match cursor.word() {
                    Some("scrub") => (true, TranslateKind::Nat),
                    Some("nat") => (false, TranslateKind::Nat),
                    Some("rdr") => (false, TranslateKind::Rdr),
                    Some("binat") => (false, TranslateKind::Binat),
                    _ => return cursor.fail("`nat`, `rdr`, `binat` or `scrub`"),
                };
                cursor.advance();
                if scrub {
                    rule::scrub(cursor, self, start, true)
                } else {
                    rule::translate(cursor, self, start, kind, true)
                }
            }
            "anchor" => self.anchor(cursor, start, None),
            "nat-anchor" => self.anchor(cursor, start, Some(TranslateKind::Nat)),
            "rdr-anchor" => self.anchor(cursor, start, Some(TranslateKind::Rdr)),
            "binat-anchor" => self.anchor(cursor, start, Some(TranslateKind::Binat)),
            "antispoof" => rule::antispoof(cursor, self, start),
            "set" => setting::set(cursor, self, start).map(|option| StatementKind::Option(Box::new(option))),
            "table" => setting::table(cursor, self, scope.file, start),
            "altq" => setting::altq(cursor, self, start),
            "queue" => setting::queue(cursor, self, start),
            "include" => self.include(cursor, scope.file, start),
            "load" => self.load_anchor(cursor, scope.file, start),
            "ether" => rule::ignore(cursor),
            "scrub-anchor" | "dummynet-anchor" | "dummynet" => rule::ignore(cursor),
            "state" | "source" if cursor.word() == Some("limiter") => rule::ignore(cursor),
            _ => {
                let message = format!("expected a statement, found `{word}`");
                return Err(Error { span: start, refusal: Refusal::Syntax(message) });
            }
        }?;
        if !cursor.done() {
            return cursor.fail("the end of the statement");
        }
        Ok(kind)
    }

    fn anchor(
        &mut self,
        cursor: &mut Cursor,
        start: Span,
        kind: Option<TranslateKind>,
    ) -> cursor::Result<StatementKind> {
        rule::anchor(cursor, self, start, kind).map(|anchor: Anchor| StatementKind::Anchor(Box::new(anchor)))
    }

    /// `name = value`
    fn define(&mut self, cursor: &mut Cursor, start: Span) -> cursor::Result<StatementKind> {
        let name = cursor.string_or_number("the name of a macro")?;
        if name.contains(char::is_whitespace) {
            return refuse(start, "the name of a macro cannot hold blanks");
        }
        cursor.expect_sign('=')?;
        let mut value = cursor.string_or_number("the value of the macro")?;
        while !cursor.done() {
            value.push(' ');
            value.push_str(&cursor.string_or_number("the end of the statement")?);
        }
        let span = cursor.since(start);
        if value.len() > LONGEST_MACRO {
            return refuse(span, format!("the macro is longer than {LONGEST_MACRO} bytes"));
        }
        let new = Macro { value: Rc::from(value), span, used: std::cell::Cell::new(false) };
        if let Some(old) = self.macros.insert(name.clone(), new)
            && !old.used.get()
        {
            self.unused_macros.push(UnusedMacro { name: name.clone(), span: old.span, again: Some(span) });
        }
        Ok(StatementKind::Macro)
    }

    fn include(&mut self, cursor: &mut Cursor, from: SourceId, start: Span) -> cursor::Result<StatementKind> {
        let path = cursor.string("a file")?;
        let span = cursor.since(start);
        let body = self.include_file(from, &path, span)?.map(|id| self.file(id).into());
        Ok(StatementKind::Include { path: path.into(), body })
    }

    /// `load anchor name from file`: the file is read by itself, without the macros of this one.
    fn load_anchor(
        &mut self,
        cursor: &mut Cursor,
        from: SourceId,
        start: Span,
    ) -> cursor::Result<StatementKind> {
        cursor.expect("anchor")?;
        let name = cursor.string("the name of an anchor")?;
        cursor.expect("from")?;
        let path = cursor.strings("a file")?;
        let span = cursor.since(start);
        let body = self.anchor_file(from, &path, span)?.map(|id| {
            let macros = std::mem::take(&mut self.macros);
            let kept = (self.block_policy, self.state_defaults.take(), self.stage);
            (self.block_policy, self.stage) = (Reply::Drop, Order::Option);
            let statements = self.file(id);
            let own = std::mem::replace(&mut self.macros, macros);
            self.unused_macros.extend(unused_of(&own));
            (self.block_policy, self.state_defaults, self.stage) = kept;
            statements.into()
        });
        Ok(StatementKind::LoadAnchor { name: name.into(), body })
    }

    fn table_defined(&mut self, name: &str, span: Span) {
        self.tables.insert(name.to_string(), span);
    }

    /// Checks the order that FreeBSD and macOS demand of statements.
    fn order(&mut self, stage: Order, span: Span) -> cursor::Result<()> {
        if self.flavour == Flavour::FreeBsd && self.require_order && stage < self.stage {
            return refuse(span, "the order is options, normalization, queueing, translation, filtering");
        }
        self.stage = stage;
        Ok(())
    }

    /// Notes the queues of `altq on …`.
    fn altq(&mut self, queue: &Queue) {
        let known = self.altq.get_or_insert_default();
        for interface in &queue.interfaces {
            if let InterfaceName::Named(on) = &interface.name {
                for child in &queue.children {
                    known.entry(child.clone()).or_default().insert(on.clone());
                }
            }
        }
    }

    /// Checks that a queue of ALTQ was announced, and notes its children.
    fn queue(&mut self, queue: &Queue, span: Span) -> cursor::Result<()> {
        let (Some(known), Some(name)) = (&mut self.altq, &queue.name) else {
            return Ok(());
        };
        let Some(on) = known.get(name).cloned() else {
            return refuse(span, format!("queue `{name}` has no parent"));
        };
        for child in &queue.children {
            let interfaces = known.entry(child.clone()).or_default();
            for interface in &on {
                if !interfaces.insert(interface.clone()) {
                    return refuse(span, format!("queue `{child}` is defined twice on `{interface}`"));
                }
            }
        }
        Ok(())
    }

    /// Makes a finding of an error.
    fn report(&mut self, error: &Error) {
        let (rule, message, label) = match &error.refusal {
            Refusal::Syntax(message) => (&PH001, message, "not pf.conf"),
            Refusal::Load(message) => (&PH004, message, "pfctl refuses this"),
            Refusal::Unresolved(message) => (&PH003, message, "not known here"),
            Refusal::Budget(what, exhausted) => {
                return self.findings.push(over_budget(error.span, what, *exhausted));
            }
        };
        tell(&mut self.findings, Finding::of(rule, error.span, message.clone()).label(label));
    }
}

/// What statements of one file share.
struct Scope<'f> {
    file: SourceId,
    damage: &'f [Span],
}

impl Scope<'_> {
    fn damaged(&self, span: Span) -> bool {
        let at = self.damage.partition_point(|damage| damage.end <= span.start);
        self.damage.get(at).is_some_and(|damage| damage.start < span.end)
    }
}

/// `@12` and `@12(1000)` before the rules that `pfctl -vvsr` prints.
fn skip_number_of_output(cursor: &mut Cursor) {
    if !cursor.eat_sign('@') {
        return;
    }
    cursor.advance();
    if cursor.eat_sign('(') {
        cursor.advance();
        cursor.eat_sign(')');
    }
}

/// Lines that pfctl prints around rules: counters in brackets, headings.
fn is_output(cursor: &Cursor) -> bool {
    match (cursor.peek(), cursor.peek_at(1)) {
        (Kind::Sign('['), _) => true,
        (Kind::Word(first), Kind::Word(second)) => {
            second == "RULES:" && matches!(first.as_ref(), "FILTER" | "TRANSLATION" | "ETHER")
        }
        _ => false,
    }
}

/// What a statement that cannot be read was about to do.
fn intent(tokens: &[Token]) -> Option<Action> {
    tokens.iter().find_map(|token| match &token.kind {
        Kind::Word(word) => match word.as_ref() {
            "pass" => Some(Action::Pass),
            "block" | "antispoof" => Some(Action::Block(Reply::Drop)),
            "match" => Some(Action::Match),
            "anchor" => Some(Action::Anchor),
            "nat" | "nat-anchor" => Some(translation(TranslateKind::Nat)),
            "rdr" | "rdr-anchor" => Some(translation(TranslateKind::Rdr)),
            "binat" | "binat-anchor" => Some(translation(TranslateKind::Binat)),
            _ => None,
        },
        _ => None,
    })
}

fn translation(kind: TranslateKind) -> Action {
    Action::Translate { kind, no: false, pass: false }
}
