//! JSON with spans.

use crate::source::Span;

/// How deep arrays and objects may nest.
const MAX_DEPTH: u32 = 128;

/// A value, and where it is written; of a string, what is between the quotes.
#[derive(Debug)]
pub(super) struct Node {
    /// Where.
    pub span: Span,
    /// What.
    pub value: Json,
}

/// The kinds of value.
#[derive(Debug)]
pub(super) enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number: its text is at the span.
    Number,
    /// A string whose text is at the span.
    Plain,
    /// A string with escapes, as it reads without them.
    Escaped(Box<str>),
    /// An array.
    Array(Vec<Node>),
    /// An object: names and values, in order.
    Object(Vec<(Box<str>, Node)>),
}

/// Why a text is not JSON.
#[derive(Debug)]
pub(super) struct Broken {
    /// Where.
    pub at: usize,
    /// What was expected there.
    pub expected: &'static str,
}

/// Reads values from a text.
pub(super) struct JsonReader<'t> {
    text: &'t str,
    base: u32,
    /// The next byte.
    pub at: usize,
    depth: u32,
}

impl<'t> JsonReader<'t> {
    /// A reader at the start of a text.
    pub(super) fn new(text: &'t str, base: u32) -> Self {
        JsonReader { text, base, at: 0, depth: 0 }
    }

    /// The next byte behind blanks.
    pub(super) fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    /// Takes a byte, where it is next.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    /// Takes a byte that has to be there.
    pub(super) fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), Broken> {
        if self.eat(byte) { Ok(()) } else { Err(self.broken(expected)) }
    }

    fn broken(&self, expected: &'static str) -> Broken {
        Broken { at: self.at, expected }
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.base + start as u32, self.base + end as u32)
    }

    /// Reads a value.
    pub(super) fn value(&mut self) -> Result<Node, Broken> {
        let first = self.peek().ok_or_else(|| self.broken("a value"))?;
        let start = self.at;
        let value = match first {
            b'{' => self.deeper(Self::object)?,
            b'[' => self.deeper(Self::array)?,
            b'"' => return self.string(),
            b't' => self.word("true", Json::Bool(true))?,
            b'f' => self.word("false", Json::Bool(false))?,
            b'n' => self.word("null", Json::Null)?,
            b'-' | b'0'..=b'9' => {
                let part = |b: &u8| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
                let rest = &self.text.as_bytes()[start..];
                self.at += rest.iter().position(|b| !part(b)).unwrap_or(rest.len());
                Json::Number
            }
            _ => return Err(self.broken("a value")),
        };
        Ok(Node { span: self.span(start, self.at), value })
    }

    fn deeper(&mut self, read: fn(&mut Self) -> Result<Json, Broken>) -> Result<Json, Broken> {
        if self.depth >= MAX_DEPTH {
            return Err(self.broken("at most 128 levels of nesting"));
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, Broken> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.broken("a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn object(&mut self) -> Result<Json, Broken> {
        self.at += 1;
        let mut members = Vec::new();
        if self.eat(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            let name = self.key()?;
            members.push((name, self.value()?));
            if self.eat(b'}') {
                return Ok(Json::Object(members));
            }
            self.expect(b',', "`,` or `}`")?;
        }
    }

    /// A name and the colon behind it.
    pub(super) fn key(&mut self) -> Result<Box<str>, Broken> {
        if self.peek() != Some(b'"') {
            return Err(self.broken("a name in quotes"));
        }
        let node = self.string()?;
        self.expect(b':', "`:`")?;
        Ok(node.text(self.text, self.base).into())
    }

    fn array(&mut self) -> Result<Json, Broken> {
        self.at += 1;
        let mut items = Vec::new();
        if self.eat(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value()?);
            if self.eat(b']') {
                items.shrink_to_fit();
                return Ok(Json::Array(items));
            }
            self.expect(b',', "`,` or `]`")?;
        }
    }

    fn string(&mut self) -> Result<Node, Broken> {
        let start = self.at + 1;
        let bytes = self.text.as_bytes();
        let mut at = start;
        let mut escaped = false;
        loop {
            match bytes.get(at) {
                None => return Err(Broken { at: start - 1, expected: "the end of the string" }),
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    at += 2;
                }
                Some(_) => at += 1,
            }
        }
        self.at = at + 1;
        let value = if escaped { Json::Escaped(unescape(&self.text[start..at]).into()) } else { Json::Plain };
        Ok(Node { span: self.span(start, at), value })
    }

    /// Goes on behind a broken value that began at `start`: to the `,` or `]` that ends it.
    pub(super) fn skip(&mut self, start: usize) {
        let bytes = self.text.as_bytes();
        let mut depth = 0u32;
        let mut at = start;
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'"' => {
                    at += 1;
                    while !matches!(bytes.get(at), None | Some(b'"' | b'\n')) {
                        at += if bytes[at] == b'\\' { 2 } else { 1 };
                    }
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 0 => break,
                b'}' | b']' => depth -= 1,
                b',' if depth == 0 => break,
                _ => {}
            }
            at += 1;
        }
        self.at = at.min(bytes.len());
    }
}

/// A string without its escapes; what is no escape stays.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let hex: String = chars.by_ref().take(4).collect();
                let code = u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32);
                out.push(code.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

impl Node {
    /// The text of a string or number; empty for everything else.
    pub(super) fn text<'a>(&'a self, text: &'a str, base: u32) -> &'a str {
        match &self.value {
            Json::Plain | Json::Number => {
                &text[(self.span.start - base) as usize..(self.span.end - base) as usize]
            }
            Json::Escaped(text) => text,
            _ => "",
        }
    }

    /// A member of an object.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        match &self.value {
            Json::Object(members) => members.iter().find(|(n, _)| **n == *name).map(|(_, node)| node),
            _ => None,
        }
    }

    /// The only member of an object.
    pub(super) fn only(&self) -> Option<(&str, &Node)> {
        match &self.value {
            Json::Object(members) => match &members[..] {
                [(name, node)] => Some((name, node)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The items of an array, or the value itself as the only one.
    pub(super) fn items(&self) -> &[Node] {
        match &self.value {
            Json::Array(items) => items,
            Json::Null => &[],
            _ => std::slice::from_ref(self),
        }
    }

    /// Whether it is a string.
    pub(super) fn is_string(&self) -> bool {
        matches!(self.value, Json::Plain | Json::Escaped(_))
    }
}
