//! A row of tokens and the ways to take them.

use crate::budget::Exhausted;
use crate::source::Span;

use super::super::ast::List;
use super::super::lexer::{Kind, Token};
use super::super::vocabulary;

/// Why a statement is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    /// The grammar has no such text (PH001).
    Syntax(String),
    /// The grammar has it, and pfctl refuses it nevertheless (PH004).
    Load(String),
    /// It names something that is not there (PH003).
    Unresolved(String),
    /// It would cost more than is left of the budget (PH006).
    Budget(&'static str, Exhausted),
}

/// A refused statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Error {
    /// The place.
    pub span: Span,
    /// The reason.
    pub refusal: Refusal,
}

/// The result of reading a part of a statement.
pub(super) type Result<T> = std::result::Result<T, Error>;

/// A PH004 at a place.
pub(super) fn refuse<T>(span: Span, message: impl Into<String>) -> Result<T> {
    Err(Error { span, refusal: Refusal::Load(message.into()) })
}

/// Takes the tokens of one statement.
pub(super) struct Cursor<'t, 'a> {
    tokens: &'t [Token<'a>],
    at: usize,
    end: Span,
}

impl<'t, 'a> Cursor<'t, 'a> {
    /// A cursor over a statement's tokens; `end` is where the statement ends.
    pub(super) fn new(tokens: &'t [Token<'a>], end: Span) -> Self {
        Cursor { tokens, at: 0, end }
    }

    /// The next token's kind; [`Kind::End`] after the last.
    pub(super) fn peek(&self) -> &'t Kind<'a> {
        self.tokens.get(self.at).map_or(&Kind::End, |token| &token.kind)
    }

    /// The kind of the token `ahead` places further.
    pub(super) fn peek_at(&self, ahead: usize) -> &'t Kind<'a> {
        self.tokens.get(self.at + ahead).map_or(&Kind::End, |token| &token.kind)
    }

    /// The place of the next token.
    pub(super) fn span(&self) -> Span {
        self.tokens.get(self.at).map_or(self.end, |token| token.span)
    }

    /// The place of the token taken last.
    pub(super) fn last_span(&self) -> Span {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or(self.end, |token| token.span)
    }

    /// From a place to the token taken last.
    pub(super) fn since(&self, start: Span) -> Span {
        start.to(self.last_span())
    }

    /// Takes the next token.
    pub(super) fn advance(&mut self) {
        self.at += 1;
    }

    /// Whether all tokens are taken.
    pub(super) fn done(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// The next token where it is a bare word.
    pub(super) fn word(&self) -> Option<&'t str> {
        match self.peek() {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    /// Takes the next token if it is this word.
    pub(super) fn eat(&mut self, word: &str) -> bool {
        let hit = self.word() == Some(word);
        self.at += usize::from(hit);
        hit
    }

    /// Takes the next token if it is this sign.
    pub(super) fn eat_sign(&mut self, sign: char) -> bool {
        let hit = *self.peek() == Kind::Sign(sign);
        self.at += usize::from(hit);
        hit
    }

    /// Whether the next token is this sign.
    pub(super) fn is_sign(&self, sign: char) -> bool {
        *self.peek() == Kind::Sign(sign)
    }

    /// Takes this sign or fails.
    pub(super) fn expect_sign(&mut self, sign: char) -> Result<()> {
        if self.eat_sign(sign) { Ok(()) } else { self.fail(&format!("`{sign}`")) }
    }

    /// Takes this word or fails.
    pub(super) fn expect(&mut self, word: &str) -> Result<()> {
        if self.eat(word) { Ok(()) } else { self.fail(&format!("`{word}`")) }
    }

    /// Takes a comma where there is one: commas are optional everywhere.
    pub(super) fn comma(&mut self) {
        self.eat_sign(',');
    }

    /// Takes line ends: they may stand in braces.
    pub(super) fn newlines(&mut self) {
        while *self.peek() == Kind::Newline {
            self.at += 1;
        }
    }

    /// The error that something else was expected here.
    pub(super) fn error(&self, expected: &str) -> Error {
        let message = match self.peek() {
            Kind::End | Kind::Newline => format!("expected {expected}, found the end of the statement"),
            kind => format!("expected {expected}, found `{}`", shown(kind)),
        };
        Error { span: self.span(), refusal: Refusal::Syntax(message) }
    }

    /// Fails because something else was expected here.
    pub(super) fn fail<T>(&self, expected: &str) -> Result<T> {
        Err(self.error(expected))
    }

    /// Takes a name: quoted text, or a bare word that is no keyword.
    pub(super) fn name(&mut self, what: &str) -> Result<&'t str> {
        let name = match self.peek() {
            Kind::Text(text) => text,
            Kind::Word(word) if !vocabulary::is_keyword(word) => word,
            _ => return self.fail(what),
        };
        self.advance();
        Ok(name)
    }

    /// Takes a name, to be kept.
    pub(super) fn string(&mut self, what: &str) -> Result<String> {
        self.name(what).map(str::to_string)
    }

    /// Takes names up to the next keyword, joined with blanks.
    pub(super) fn strings(&mut self, what: &str) -> Result<String> {
        let mut joined = self.string(what)?;
        while let Ok(more) = self.string(what) {
            joined.push(' ');
            joined.push_str(&more);
        }
        Ok(joined)
    }

    /// Takes a name or a number.
    pub(super) fn string_or_number(&mut self, what: &str) -> Result<String> {
        if let Kind::Number(number) = self.peek() {
            self.advance();
            return Ok(number.to_string());
        }
        self.string(what)
    }

    /// Takes a number; words such as `0x10` are read as C reads them.
    pub(super) fn number(&mut self, what: &str) -> Result<i64> {
        let number = match self.peek() {
            Kind::Number(number) => Some(*number),
            Kind::Word(word) | Kind::Text(word) => c_number(word),
            _ => None,
        };
        match number {
            Some(number) => {
                self.advance();
                Ok(number)
            }
            None => self.fail(what),
        }
    }

    /// Takes a number of a range, or refuses the statement.
    pub(super) fn number_in(&mut self, what: &str, range: std::ops::RangeInclusive<i64>) -> Result<i64> {
        let span = self.span();
        let number = self.number(what)?;
        if range.contains(&number) {
            return Ok(number);
        }
        refuse(span, format!("{what} `{number}` is not within {} to {}", range.start(), range.end()))
    }

    /// Takes one item, or items in braces with optional commas between them.
    pub(super) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<List<T>> {
        if !self.eat_sign('{') {
            return item(self).map(List::One);
        }
        self.newlines();
        let mut items = Vec::new();
        loop {
            items.push(item(self)?);
            self.newlines();
            if self.eat_sign('}') {
                return Ok(items.into());
            }
            self.comma();
        }
    }

    /// Takes items in parentheses, with optional commas between them.
    pub(super) fn in_parentheses(&mut self, mut item: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.expect_sign('(')?;
        loop {
            item(self)?;
            if self.eat_sign(')') {
                return Ok(());
            }
            self.comma();
        }
    }
}

/// A number as strtoul(3) with base 0 reads it: decimal, `0x` hexadecimal, `0` octal.
pub(super) fn c_number(word: &str) -> Option<i64> {
    let (digits, radix) = match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None if word.len() > 1 && word.starts_with('0') => (&word[1..], 8),
        None => (word, 10),
    };
    i64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with(['+', '-']))
}

/// A token as the user may recognize it.
pub(super) fn shown(kind: &Kind) -> String {
    match kind {
        Kind::Word(word) => word.chars().take(60).collect(),
        Kind::Text(text) => format!("\"{}\"", text.chars().take(60).collect::<String>()),
        Kind::Number(number) => number.to_string(),
        Kind::Sign(sign) => sign.to_string(),
        Kind::NotEqual => "!=".into(),
        Kind::LessEqual => "<=".into(),
        Kind::GreaterEqual => ">=".into(),
        Kind::Inside => "><".into(),
        Kind::Outside => "<>".into(),
        Kind::Arrow => "->".into(),
        Kind::Newline | Kind::End => "end of line".into(),
    }
}
