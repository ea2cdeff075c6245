//! Characters to tokens, with macros expanded in place.
//!
//! A macro is replaced by its text where a token starts, and the text goes on into what follows, so that
//! `$if:network` is one word. Nothing is expanded inside quotes or inside the text of another macro: nested
//! macros were expanded where they were defined (pfctl's `yylex`; pf.conf(5), MACROS).

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::budget::{Budget, Exhausted};
use crate::source::Span;

/// pfctl's limit on the length of one word or string.
pub const LONGEST_WORD: usize = 8095;

/// What a token is. Words may be keywords; quoted text never is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind<'a> {
    /// A bare word.
    Word(Cow<'a, str>),
    /// Text in quotes, without them.
    Text(Cow<'a, str>),
    /// A decimal number that ends where pfctl ends numbers: before a blank, `)`, `,`, `/`, `}` or `=`.
    Number(i64),
    /// One of the operators and brackets, or a character that the language does not know.
    Sign(char),
    /// `!=`
    NotEqual,
    /// `<=`
    LessEqual,
    /// `>=`
    GreaterEqual,
    /// `><`
    Inside,
    /// `<>`
    Outside,
    /// `->`
    Arrow,
    /// The end of a line.
    Newline,
    /// The end of the file.
    End,
}

/// A token and where it stands. A token out of a macro stands where the macro is used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind<'a>,
    /// Where it stands.
    pub span: Span,
}

/// Why a token could not be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LexError {
    /// A macro that is not defined so far.
    UndefinedMacro(String),
    /// A word or string of more than [`LONGEST_WORD`] bytes.
    TooLong,
    /// Quotes that are not closed before the file ends.
    OpenQuote,
    /// A NUL byte.
    Nul,
    /// The macros come to more text than is left of the budget.
    TooMuch(Exhausted),
}

/// A macro: its text, where it was defined, and whether anything used it.
#[derive(Clone, Debug)]
pub struct Macro {
    /// The text that takes its place.
    pub value: Rc<str>,
    /// The span of its definition.
    pub span: Span,
    /// Set by the first use.
    pub used: Cell<bool>,
}

/// All macros defined so far; a later definition replaces an earlier one.
pub type Macros = FxHashMap<String, Macro>;

/// Reads tokens from the text of one file.
pub struct Lexer<'a> {
    text: &'a str,
    base: u32,
    at: usize,
    expansion: Option<Expansion>,
    /// What the text of macros draws on.
    budget: &'a Budget,
}

/// The text of a macro that is being read instead of the file.
#[derive(Clone)]
struct Expansion {
    value: Rc<str>,
    at: usize,
    used_at: usize,
}

impl<'a> Lexer<'a> {
    /// A lexer over a file's text, which starts at `base` of the address space.
    pub fn new(text: &'a str, base: u32, budget: &'a Budget) -> Self {
        Lexer { text, base, at: 0, expansion: None, budget }
    }

    /// The next byte after line continuations are taken out, without taking it. A backslash before any other
    /// byte is dropped, as pfctl does.
    fn peek(&mut self) -> Option<u8> {
        if let Some(expansion) = &self.expansion {
            if let Some(byte) = expansion.value.as_bytes().get(expansion.at) {
                return Some(*byte);
            }
            self.expansion = None;
        }
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                Some(b'\\') => match (bytes.get(self.at + 1), bytes.get(self.at + 2)) {
                    (Some(b'\n'), _) => self.at += 2,
                    (Some(b'\r'), Some(b'\n')) => self.at += 3,
                    _ => self.at += 1,
                },
                byte => return byte.copied(),
            }
        }
    }

    fn save(&self) -> (usize, Option<Expansion>) {
        (self.at, self.expansion.clone())
    }

    fn restore(&mut self, (at, expansion): (usize, Option<Expansion>)) {
        self.at = at;
        self.expansion = expansion;
    }

    fn bump(&mut self) {
        match &mut self.expansion {
            Some(expansion) => expansion.at += 1,
            None => self.at += 1,
        }
    }

    /// Where a token that starts with the next byte starts in the file.
    fn mark(&self) -> usize {
        self.expansion.as_ref().map_or(self.at, |expansion| expansion.used_at)
    }

    fn span_from(&self, start: usize) -> Span {
        Span::new(self.base + start as u32, self.base + self.at as u32)
    }

    /// The next token. After an error, the caller skips the line.
    pub fn next(&mut self, macros: &Macros) -> Result<Token<'a>, (LexError, Span)> {
        loop {
            while matches!(self.peek(), Some(b' ' | b'\t' | b'\r')) {
                self.bump();
            }
            match self.peek() {
                Some(b'#') => {
                    while !matches!(self.peek(), None | Some(b'\n')) {
                        self.bump();
                    }
                }
                Some(b'$') if self.expansion.is_none() => self.expand(macros)?,
                _ => break,
            }
        }
        let start = self.mark();
        let Some(byte) = self.peek() else {
            return Ok(Token { kind: Kind::End, span: self.span_from(start) });
        };
        let kind = match byte {
            b'"' | b'\'' => self.quoted(byte, start)?,
            b'0'..=b'9' => self.number_or_word(start)?,
            b'-' => self.minus(start)?,
            b'a'..=b'z' | b'A'..=b'Z' | b':' | b'_' => self.word(start)?,
            0 => {
                self.bump();
                return Err((LexError::Nul, self.span_from(start)));
            }
            _ => self.sign(byte),
        };
        Ok(Token { kind, span: self.span_from(start) })
    }

    fn expand(&mut self, macros: &Macros) -> Result<(), (LexError, Span)> {
        let start = self.at;
        self.bump();
        let mut name = String::new();
        while let Some(byte) = self.peek().filter(|b| b.is_ascii_alphanumeric() || *b == b'_') {
            name.push(char::from(byte));
            self.bump();
        }
        let Some(found) = macros.get(&name) else {
            return Err((LexError::UndefinedMacro(name), self.span_from(start)));
        };
        found.used.set(true);
        let len = found.value.len();
        let drawn = self.budget.bytes(len).and_then(|()| self.budget.again(len));
        drawn.map_err(|exhausted| (LexError::TooMuch(exhausted), self.span_from(start)))?;
        self.expansion = Some(Expansion { value: Rc::clone(&found.value), at: 0, used_at: start });
        Ok(())
    }

    /// Text in quotes: newlines vanish, a backslash before the quote or a blank gives that byte. Quotes that
    /// are still open where a line starts like a statement were never closed: reading goes on there.
    fn quoted(&mut self, quote: u8, start: usize) -> Result<Kind<'a>, (LexError, Span)> {
        self.bump();
        let mut text: Vec<u8> = Vec::new();
        let mut too_long = false;
        loop {
            let Some(byte) = self.raw() else {
                return self.open_quote(start);
            };
            match byte {
                _ if byte == quote => break,
                b'\n' if self.expansion.is_none() && starts_statement(&self.text[self.at..]) => {
                    return self.open_quote(start);
                }
                b'\n' => continue,
                0 => return Err((LexError::Nul, self.span_from(start))),
                b'\\' => match self.raw_peek() {
                    Some(next) if next == quote || next == b' ' || next == b'\t' => {
                        self.raw();
                        text.push(next);
                    }
                    Some(b'\n') => {
                        self.raw();
                    }
                    _ => text.push(b'\\'),
                },
                _ => text.push(byte),
            }
            if text.len() > LONGEST_WORD {
                text.clear();
                too_long = true;
            }
        }
        if too_long {
            return Err((LexError::TooLong, self.span_from(start)));
        }
        Ok(Kind::Text(Cow::Owned(String::from_utf8_lossy(&text).into_owned())))
    }

    fn open_quote(&mut self, start: usize) -> Result<Kind<'a>, (LexError, Span)> {
        self.expansion = None;
        let line = self.text[start..].find('\n').map_or(self.text.len(), |at| start + at);
        self.at = line;
        Err((LexError::OpenQuote, self.span_from(start)))
    }

    /// The next byte of quoted text, taken: continuations are not treated here.
    fn raw(&mut self) -> Option<u8> {
        let byte = self.raw_peek()?;
        self.bump();
        Some(byte)
    }

    fn raw_peek(&mut self) -> Option<u8> {
        if let Some(expansion) = &self.expansion {
            if let Some(byte) = expansion.value.as_bytes().get(expansion.at) {
                return Some(*byte);
            }
            self.expansion = None;
        }
        self.text.as_bytes().get(self.at).copied()
    }

    fn number_or_word(&mut self, start: usize) -> Result<Kind<'a>, (LexError, Span)> {
        let word = self.run(start, allowed_in_word)?;
        let ends = matches!(
            self.peek(),
            None | Some(b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | b')' | b',' | b'/' | b'}' | b'=')
        );
        match word.parse::<i64>() {
            Ok(number) if ends => Ok(Kind::Number(number)),
            _ => Ok(Kind::Word(word)),
        }
    }

    /// `->`, a negative number, or the sign of an address range.
    fn minus(&mut self, start: usize) -> Result<Kind<'a>, (LexError, Span)> {
        self.bump();
        match self.peek() {
            Some(b'>') => {
                self.bump();
                Ok(Kind::Arrow)
            }
            Some(b'0'..=b'9') => {
                let before = self.save();
                match self.number_or_word(start)? {
                    Kind::Number(number) => Ok(Kind::Number(-number)),
                    _ => {
                        self.restore(before);
                        Ok(Kind::Sign('-'))
                    }
                }
            }
            _ => Ok(Kind::Sign('-')),
        }
    }

    fn word(&mut self, start: usize) -> Result<Kind<'a>, (LexError, Span)> {
        Ok(Kind::Word(self.run(start, allowed_in_word)?))
    }

    /// Takes bytes while `wanted`: borrowed from the file where they stand together there.
    fn run(&mut self, start: usize, wanted: fn(u8) -> bool) -> Result<Cow<'a, str>, (LexError, Span)> {
        if self.expansion.is_none() {
            let text: &'a str = self.text;
            let bytes = text.as_bytes();
            let from = self.at;
            let mut to = from;
            while to < bytes.len() && wanted(bytes[to]) && bytes[to] != b'\\' {
                to += 1;
            }
            if bytes.get(to) != Some(&b'\\') {
                self.at = to;
                if to - from > LONGEST_WORD {
                    return Err((LexError::TooLong, self.span_from(start)));
                }
                return Ok(Cow::Borrowed(&text[from..to]));
            }
        }
        let mut word = String::new();
        while let Some(byte) = self.peek().filter(|b| wanted(*b)) {
            word.push(char::from(byte));
            self.bump();
            if word.len() > LONGEST_WORD {
                return Err((LexError::TooLong, self.span_from(start)));
            }
        }
        Ok(Cow::Owned(word))
    }

    fn sign(&mut self, byte: u8) -> Kind<'a> {
        self.bump();
        let pair = match (byte, self.peek()) {
            (b'!', Some(b'=')) => Some(Kind::NotEqual),
            (b'<', Some(b'>')) => Some(Kind::Outside),
            (b'<', Some(b'=')) => Some(Kind::LessEqual),
            (b'>', Some(b'<')) => Some(Kind::Inside),
            (b'>', Some(b'=')) => Some(Kind::GreaterEqual),
            _ => None,
        };
        if let Some(pair) = pair {
            self.bump();
            return pair;
        }
        if byte == b'\n' {
            return Kind::Newline;
        }
        if byte < 0x80 {
            return Kind::Sign(char::from(byte));
        }
        // The rest of a character outside ASCII belongs to it.
        while matches!(self.peek(), Some(0x80..=0xbf)) {
            self.bump();
        }
        Kind::Sign(char::REPLACEMENT_CHARACTER)
    }
}

/// pfctl's `allowed_in_string`.
fn allowed_in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || (byte.is_ascii_punctuation()
            && !matches!(byte, b'(' | b')' | b'{' | b'}' | b'<' | b'>' | b'!' | b'=' | b'/' | b'#' | b','))
}

/// Whether a line starts with the first word of a statement: there, open braces and quotes end.
pub fn starts_statement(line: &str) -> bool {
    let line = line.trim_start_matches([' ', '\t']);
    let end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(line.len());
    let rest = &line[end..];
    is_statement_word(&line[..end]) && rest.starts_with([' ', '\t', '\n', '\r'])
}

/// The words that only ever start a statement.
pub fn is_statement_word(word: &str) -> bool {
    matches!(
        word,
        "pass"
            | "block"
            | "match"
            | "anchor"
            | "nat"
            | "rdr"
            | "binat"
            | "scrub"
            | "set"
            | "table"
            | "antispoof"
            | "altq"
            | "load"
            | "include"
            | "nat-anchor"
            | "rdr-anchor"
            | "binat-anchor"
            | "ether"
            | "scrub-anchor"
            | "dummynet-anchor"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str, macros: &[(&str, &str)]) -> Vec<String> {
        let macros: Macros = macros
            .iter()
            .map(|(name, value)| {
                let value = Macro { value: Rc::from(*value), span: Span::default(), used: Cell::new(false) };
                (name.to_string(), value)
            })
            .collect();
        let budget = Budget::default();
        let mut lexer = Lexer::new(text, 0, &budget);
        let mut out = Vec::new();
        loop {
            match lexer.next(&macros) {
                Ok(Token { kind: Kind::End, .. }) => return out,
                Ok(Token { kind: Kind::Word(word), .. }) => out.push(word.to_string()),
                Ok(Token { kind: Kind::Text(text), .. }) => out.push(format!("\"{text}\"")),
                Ok(Token { kind: Kind::Number(n), .. }) => out.push(format!("#{n}")),
                Ok(Token { kind, .. }) => out.push(format!("{kind:?}")),
                Err((error, _)) => out.push(format!("{error:?}")),
            }
        }
    }

    #[test]
    fn macros_join_what_follows_and_stay_out_of_quotes() {
        let macros = [("ext", "em0"), ("net", "10.0.0.0"), ("list", "{ a b }"), ("dollar", "$ext")];
        assert_eq!(kinds("$ext:network", &macros), ["em0:network"]);
        assert_eq!(kinds("$net/24", &macros), ["10.0.0.0", "Sign('/')", "#24"]);
        assert_eq!(kinds("$list", &macros), ["Sign('{')", "a", "b", "Sign('}')"]);
        assert_eq!(kinds("\"$ext\"", &macros), ["\"$ext\""]);
        assert_eq!(kinds("$dollar", &macros), ["Sign('$')", "ext"]);
        assert_eq!(kinds("$none x", &macros), ["UndefinedMacro(\"none\")", "x"]);
    }

    #[test]
    fn a_backslash_goes_on_in_comments_too() {
        assert_eq!(kinds("# off \\\npass\nblock", &[]), ["Newline", "block"]);
        assert_eq!(kinds("pa\\\nss", &[]), ["pass"]);
    }

    #[test]
    fn numbers_end_where_pfctl_ends_them() {
        assert_eq!(
            kinds("10/8 80, 22:23 1.2.3.4", &[])[..],
            ["#10", "Sign('/')", "#8", "#80", "Sign(',')", "22:23", "1.2.3.4"]
        );
        assert_eq!(kinds("1 -> 2 a -b -5", &[])[..], ["#1", "Arrow", "#2", "a", "Sign('-')", "b", "#-5"]);
        assert_eq!(kinds("10.0.0.1 -10.0.0.9", &[])[..], ["10.0.0.1", "Sign('-')", "10.0.0.9"]);
        assert_eq!(
            kinds("1 >< 2<>3 >=4 !=5", &[])[..],
            ["#1", "Inside", "2", "Outside", "#3", "GreaterEqual", "#4", "NotEqual", "#5"]
        );
    }

    #[test]
    fn an_open_quote_costs_its_line() {
        assert_eq!(
            kinds("x = \"a\npass all\ny", &[]),
            ["x", "Sign('=')", "OpenQuote", "Newline", "pass", "all", "Newline", "y"]
        );
        assert_eq!(kinds("x = \"{ a,\n b }\"\n", &[]), ["x", "Sign('=')", "\"{ a, b }\"", "Newline"]);
        assert_eq!(kinds("a \0 b", &[]), ["a", "Nul", "b"]);
    }
}
