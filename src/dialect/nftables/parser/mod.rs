//! Text into the syntax tree: recursive descent over the tokens of [`super::lexer`].
//!
//! Grammar facts: nft(8) and the accepted language of nft 1.0.6 to 1.1. A statement that cannot be
//! read costs that statement: reading goes on behind its end, at the depth of braces where it began.

mod block;
mod command;
mod expr;
mod include;
mod selector;
mod stateful;
mod stmt;

pub(super) use stateful::meter;

use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::lexer::{Kind, Token, after, token};
use super::syntax::{Command, Expr, Name, Stmt};
use crate::budget::{Budget, Exhausted};
use crate::dialect::{over_budget, tell};
use crate::finding::Finding;
use crate::rule::PH001;
use crate::source::{SourceId, SourceMap, Span};

/// How deep brackets, sets and blocks may nest.
const MAX_DEPTH: u32 = 64;
/// How many operators one expression may hold.
const MAX_OPERATORS: usize = 256;

/// Why a statement could not be read.
#[derive(Debug)]
pub(super) struct Failed {
    /// Where.
    pub span: Span,
    /// What is wrong.
    pub message: String,
}

/// The result of reading a part of a statement.
pub(super) type Read<T> = Result<T, Failed>;

/// What reading all files of one ruleset brings together.
pub(super) struct Reader<'s> {
    /// The files; includes are added.
    pub sources: &'s mut SourceMap,
    /// What is to be said.
    pub findings: Vec<Finding>,
    /// The commands, in order.
    pub commands: Vec<Command>,
    /// Variables: one map for each open block.
    scopes: Vec<FxHashMap<Box<str>, Variable>>,
    /// How much the variables hold that the value which is read names.
    grown: Growth,
    /// The files that are being read, outermost first.
    including: Vec<SourceId>,
    /// The files that were included.
    included: FxHashSet<SourceId>,
    /// What includes and their patterns draw on.
    budget: &'s Budget,
    /// Where reading stopped, because it was too much.
    pub cut: Option<Span>,
    /// The first place where rules were written that could not be read, so that nobody knows to which chain they belong.
    pub lost: Option<Span>,
}

/// A variable.
#[derive(Clone)]
struct Variable {
    value: Rc<Expr>,
    growth: Growth,
}

/// What a value holds, variables replaced.
#[derive(Clone, Copy, Default)]
struct Growth {
    /// Parts.
    size: u64,
    /// Variables inside variables.
    depth: u32,
}

impl<'s> Reader<'s> {
    /// A reader with nothing read.
    pub(super) fn new(sources: &'s mut SourceMap, budget: &'s Budget) -> Self {
        Reader {
            sources,
            findings: Vec::new(),
            commands: Vec::new(),
            scopes: vec![FxHashMap::default()],
            grown: Growth::default(),
            including: Vec::new(),
            included: FxHashSet::default(),
            budget,
            cut: None,
            lost: None,
        }
    }

    /// Reads one file of commands.
    pub(super) fn file(&mut self, id: SourceId) {
        let file = self.sources.file(id);
        let (text, base) = (file.text.clone(), file.base);
        self.damage(id);
        self.including.push(id);
        Parser::new(self, &text, base).commands();
        self.including.pop();
    }

    /// Says that a file holds bytes that are no text.
    pub(super) fn damage(&mut self, id: SourceId) {
        let damage = self.sources.file(id).damage.first().copied();
        if let Some(span) = damage {
            self.syntax_error(Failed { span, message: "bytes that are no text".to_string() });
        }
    }

    /// Notes a syntax error.
    pub(super) fn syntax_error(&mut self, failed: Failed) {
        let finding = Finding::of(&PH001, failed.span, failed.message)
            .label("not understood")
            .help("Mend the statement: nft refuses the whole file. The rest of the file was read.");
        tell(&mut self.findings, finding);
    }

    /// Notes a place where rules cannot be read.
    pub(super) fn lose(&mut self, span: Span) {
        self.lost.get_or_insert(span);
    }

    /// Notes something that nft refuses.
    pub(super) fn refused(&mut self, span: Span, message: impl Into<String>) {
        self.findings.push(super::refusal(span, message));
    }

    /// Notes a name that leads nowhere.
    fn unresolved(&mut self, span: Span, message: impl Into<String>) {
        self.findings.push(super::unresolved(span, message));
    }

    fn variable(&mut self, name: &str) -> Option<Rc<Expr>> {
        let known = self.scopes.iter().rev().find_map(|scope| scope.get(name))?;
        self.grown.size = self.grown.size.saturating_add(known.growth.size);
        self.grown.depth = self.grown.depth.max(known.growth.depth);
        Some(known.value.clone())
    }

    /// Says, once, that reading stops here.
    fn stop(&mut self, span: Span, what: &str) {
        if self.cut.is_none() {
            self.findings.push(super::too_much(span, what));
        }
        self.cut = self.cut.or(Some(span));
    }

    /// Likewise, because nothing is left of the budget.
    fn exhausted(&mut self, span: Span, exhausted: Exhausted) {
        if self.cut.is_none() {
            self.findings.push(over_budget(span, "what is included here", exhausted));
        }
        self.cut = self.cut.or(Some(span));
    }
}

/// Whether what a word is about are rules.
pub(super) fn holds_rules(word: &str) -> bool {
    matches!(word, "ruleset" | "table" | "chain" | "rule" | "element")
}

/// Reads one text.
pub(super) struct Parser<'r, 's, 't> {
    reader: &'r mut Reader<'s>,
    text: &'t str,
    base: u32,
    /// The token that is looked at.
    cur: Token,
    /// One past the last byte that was taken, and the kind of the last token taken.
    last_end: usize,
    last_kind: Kind,
    /// The kind of the last token of the line before.
    line_kind: Kind,
    /// Braces that are open.
    open: usize,
    depth: u32,
}

impl<'r, 's, 't> Parser<'r, 's, 't> {
    pub(super) fn new(reader: &'r mut Reader<'s>, text: &'t str, base: u32) -> Self {
        let cur = token(text, 0);
        Parser {
            reader,
            text,
            base,
            cur,
            last_end: 0,
            last_kind: Kind::Newline,
            line_kind: Kind::Newline,
            open: 0,
            depth: 0,
        }
    }

    /// Takes the token that is looked at.
    fn bump(&mut self) -> Token {
        let taken = self.cur;
        match taken.kind {
            Kind::LBrace => self.open += 1,
            Kind::RBrace => self.open = self.open.saturating_sub(1),
            _ => {}
        }
        if taken.kind == Kind::Newline && self.last_kind != Kind::Newline {
            self.line_kind = self.last_kind;
        }
        self.last_end = after(self.text, taken);
        self.last_kind = taken.kind;
        self.cur = token(self.text, self.last_end);
        taken
    }

    /// The token behind the one that is looked at.
    fn ahead(&self) -> Token {
        token(self.text, after(self.text, self.cur))
    }

    fn text_of(&self, token: Token) -> &'t str {
        &self.text[token.start..token.end]
    }

    fn word(&self) -> Option<&'t str> {
        (self.cur.kind == Kind::Word).then(|| self.text_of(self.cur))
    }

    fn at(&self, word: &str) -> bool {
        self.word() == Some(word)
    }

    fn at_kind(&self, kind: Kind) -> bool {
        self.cur.kind == kind
    }

    fn eat(&mut self, word: &str) -> bool {
        let there = self.at(word);
        if there {
            self.bump();
        }
        there
    }

    fn eat_kind(&mut self, kind: Kind) -> bool {
        let there = self.cur.kind == kind;
        if there {
            self.bump();
        }
        there
    }

    fn expect(&mut self, word: &str) -> Read<()> {
        if self.eat(word) { Ok(()) } else { Err(self.unexpected(&format!("`{word}`"))) }
    }

    fn expect_kind(&mut self, kind: Kind, what: &str) -> Read<Token> {
        if self.cur.kind == kind { Ok(self.bump()) } else { Err(self.unexpected(what)) }
    }

    /// Passes over line ends.
    fn newlines(&mut self) {
        while self.eat_kind(Kind::Newline) {}
    }

    /// Whether a statement ends here.
    fn at_end(&self) -> bool {
        matches!(self.cur.kind, Kind::Newline | Kind::Semicolon | Kind::RBrace | Kind::End)
    }

    fn span(&self, token: Token) -> Span {
        Span::new(self.base + token.start as u32, self.base + token.end as u32)
    }

    /// From an offset to the end of what was taken.
    fn since(&self, start: usize) -> Span {
        Span::new(self.base + start as u32, self.base + self.last_end.max(start) as u32)
    }

    fn unexpected(&self, wanted: &str) -> Failed {
        let what = match self.cur.kind {
            Kind::End => "end of the file".to_string(),
            Kind::Newline => "end of the line".to_string(),
            _ => {
                let text = self.text_of(self.cur);
                let short: String = text.chars().take(40).filter(|c| !c.is_control()).collect();
                if short.is_empty() { "empty string".to_string() } else { format!("`{short}`") }
            }
        };
        Failed { span: self.span(self.cur), message: format!("unexpected {what}, expected {wanted}") }
    }

    fn name(&mut self) -> Read<Name> {
        if self.at_kind(Kind::Dollar) {
            return self.name_of_variable();
        }
        let token = self.expect_kind(Kind::Word, "a name")?;
        Ok(Name { text: self.text_of(token).into(), span: self.span(token) })
    }

    /// A name, quoted or not, or a variable that holds one.
    fn string(&mut self) -> Read<Name> {
        match self.cur.kind {
            Kind::Word | Kind::Wildcard | Kind::Quoted => {
                let token = self.bump();
                Ok(Name { text: self.text_of(token).into(), span: self.span(token) })
            }
            Kind::Dollar => self.name_of_variable(),
            _ => Err(self.unexpected("a name")),
        }
    }

    fn number(&mut self) -> Read<u64> {
        if self.at_kind(Kind::Number) {
            let token = self.bump();
            return number(self.text_of(token)).ok_or_else(|| Failed {
                span: self.span(token),
                message: format!("`{}` is too large for a number", self.text_of(token)),
            });
        }
        Err(self.unexpected("a number"))
    }

    /// Reads something one level deeper.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        if self.depth >= MAX_DEPTH {
            let span = self.span(self.cur);
            return Err(Failed { span, message: format!("nested deeper than {MAX_DEPTH} levels") });
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    /// Opens a scope for variables around the reading of a block.
    fn scoped<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        self.reader.scopes.push(FxHashMap::default());
        let read = read(self);
        self.reader.scopes.pop();
        read
    }

    /// Goes on behind a statement that could not be read: it began with `open` braces open.
    ///
    /// In a rule (`list`), a line that neither follows a comma or brace nor begins with one cannot be
    /// part of a list: there a closing brace is missing, and the rule ends.
    fn recover(&mut self, open: usize, list: bool) {
        let broken_line =
            self.last_kind == Kind::Newline && !matches!(self.line_kind, Kind::Comma | Kind::LBrace);
        if list && broken_line && self.open > open && !matches!(self.cur.kind, Kind::RBrace | Kind::Comma) {
            self.open = open;
            return;
        }
        loop {
            match self.cur.kind {
                Kind::End => return,
                Kind::RBrace if self.open <= open => return,
                Kind::Newline | Kind::Semicolon if self.open <= open => {
                    self.bump();
                    return;
                }
                Kind::Newline if list && !matches!(self.last_kind, Kind::Comma | Kind::LBrace) => {
                    self.newlines();
                    if !matches!(self.cur.kind, Kind::RBrace | Kind::Comma | Kind::End) {
                        self.open = open;
                        return;
                    }
                }
                _ => {
                    self.bump();
                }
            }
        }
    }

    /// The end of a statement: a line end or `;`. A closing brace does not end one, the end of the file does.
    fn finish(&mut self) -> Read<()> {
        match self.cur.kind {
            Kind::Newline | Kind::Semicolon => {
                self.bump();
                Ok(())
            }
            Kind::End => Ok(()),
            _ => Err(self.unexpected("a line end or `;`")),
        }
    }
}

/// The statements of a text that stands somewhere in a file, at `base`.
pub(super) fn statements(reader: &mut Reader<'_>, text: &str, base: u32) -> Read<Vec<Stmt>> {
    let mut parser = Parser::new(reader, text, base);
    let (rule, read) = parser.rule();
    read?;
    if parser.at_kind(Kind::End) {
        Ok(rule.stmts)
    } else {
        Err(parser.unexpected("the end of the statement"))
    }
}

/// A number as nft reads it: hexadecimal with `0x`, octal with a leading zero.
pub(super) fn number(text: &str) -> Option<u64> {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).ok();
    }
    if text.len() > 1 && text.starts_with('0') {
        return u64::from_str_radix(text, 8).ok();
    }
    text.parse().ok()
}
