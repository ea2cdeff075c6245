//! Words of the shell: quotes, expansions, redirections, here-documents (POSIX.1-2017, "Shell Command Language").

use std::borrow::Cow;

use super::{Document, Shell};
use crate::dialect::iptables::words::Word;
use crate::finding::Finding;
use crate::source::Span;

/// What ended a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    Line,
    /// `;`, `&`, a parenthesis.
    Separator,
    /// `|`.
    Pipe,
    /// `&&` (true) or `||`.
    Chain(bool),
    /// `;;`.
    Clause,
    File,
}

/// Longest value of a variable that is followed.
const VALUE_MAX: usize = 64 * 1024;

impl<'t> Shell<'_, '_, 't> {
    fn bytes(&self) -> &'t [u8] {
        self.text.as_bytes()
    }

    pub(super) fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.base + start as u32, self.base + end as u32)
    }

    fn is_at(&self, start: &str) -> bool {
        self.text[self.at..].starts_with(start)
    }

    fn blanks(&mut self) {
        while matches!(self.bytes().get(self.at), Some(b' ' | b'\t' | b'\r')) {
            self.at += 1;
        }
    }

    /// Reads the words of one command and its end.
    pub(super) fn next_command(&mut self, words: &mut Vec<Word<'t>>) -> End {
        let bytes = self.bytes();
        loop {
            self.blanks();
            match bytes.get(self.at) {
                None => return End::File,
                Some(b'\\') if self.is_at("\\\n") => self.at += 2,
                Some(b'\\') if self.is_at("\\\r\n") => self.at += 3,
                Some(b'#') => self.at += self.text[self.at..].find('\n').unwrap_or(self.text.len() - self.at),
                Some(b'\n') => {
                    self.at += 1;
                    return End::Line;
                }
                Some(b'&') if self.is_at("&>") => {
                    self.at += 1;
                    self.redirection();
                }
                Some(b'&' | b'|') if bytes.get(self.at + 1) == bytes.get(self.at) => {
                    self.at += 2;
                    return End::Chain(bytes[self.at - 1] == b'&');
                }
                Some(b'|') => {
                    self.at += 1;
                    return End::Pipe;
                }
                Some(b';') if matches!(bytes.get(self.at + 1), Some(b';' | b'&')) => {
                    self.at += 2 + usize::from(self.text[self.at + 2..].starts_with('&'));
                    return End::Clause;
                }
                Some(b';' | b'&') => {
                    self.at += 1;
                    return End::Separator;
                }
                Some(b'(' | b')') => {
                    if let Some(end) = self.parenthesis(words) {
                        return end;
                    }
                }
                Some(b'<' | b'>') => self.redirection(),
                Some(_) => self.word(words),
            }
        }
    }

    /// A parenthesis is a command of its own, but for the pair behind the name of a function and the list behind
    /// `NAME=`.
    fn parenthesis(&mut self, words: &mut Vec<Word<'t>>) -> Option<End> {
        let open = self.bytes()[self.at] == b'(';
        if open && words.last().is_some_and(|word| word.text.ends_with('=')) {
            let rest = &self.text[self.at..];
            self.at += rest.find(')').map_or(rest.len(), |at| at + 1);
            if let Some(word) = words.last_mut() {
                word.unresolved = true;
            }
            return None;
        }
        let begins = words.is_empty() || open && words.len() <= 2;
        if !begins {
            return Some(End::Separator);
        }
        let push = |words: &mut Vec<Word<'t>>, text: &'static str, span| {
            words.push(Word { text: Cow::Borrowed(text), span, quoted: false, unresolved: false });
        };
        let span = self.span(self.at, self.at + 1);
        self.at += 1;
        push(words, if open { "(" } else { ")" }, span);
        if open && words.len() > 1 {
            self.blanks();
            if self.is_at(")") {
                self.at += 1;
                push(words, ")", span);
            }
        }
        Some(End::Separator)
    }

    /// A redirection with its operand; a here-document is noted.
    fn redirection(&mut self) {
        let rest = &self.text[self.at..];
        if rest.starts_with("<<") && !rest.starts_with("<<<") {
            let mark = rest[2..].trim_start_matches('-').trim_start_matches([' ', '\t']);
            let len = mark.find([' ', '\t', '\n', '\r', ';', '|', '&', ')', '>']).unwrap_or(mark.len());
            let word = mark[..len].trim_matches(['"', '\'', '\\']).to_string();
            let start = self.at;
            self.at = self.text.len() - mark.len() + len;
            self.documents.push(Document { mark: word, wanted: None, span: self.span(start, self.at) });
            return;
        }
        let input = rest.starts_with('<') && !rest.starts_with("<<<") && !rest.starts_with("<&");
        let output = rest.starts_with('>') && !rest.starts_with(">&");
        self.at += rest.find(|c| c != '<' && c != '>' && c != '&' && c != '|').unwrap_or(rest.len());
        self.blanks();
        let mut operand = Vec::new();
        if self.bytes().get(self.at).is_some_and(|b| !ends_word(*b)) {
            self.word(&mut operand);
        }
        if input {
            self.input = operand.pop();
        } else if output {
            self.output = operand.pop();
        }
    }

    /// Passes over here-documents, or gives them to the reader of dumps.
    pub(super) fn read_documents(&mut self) {
        for document in std::mem::take(&mut self.documents) {
            let start = self.at;
            let mut end = None;
            while self.at < self.text.len() && end.is_none() {
                let line_end = self.text[self.at..].find('\n').map_or(self.text.len(), |len| self.at + len);
                let line = &self.text[self.at..line_end];
                if line.trim_start_matches('\t').trim_end_matches('\r') == document.mark {
                    end = Some(self.at);
                }
                self.at = (line_end + 1).min(self.text.len());
            }
            if end.is_none() {
                self.broken(document.span, "the here-document has no end");
            }
            if let Some(restore) = document.wanted {
                let text = &self.text[start..end.unwrap_or(self.text.len())];
                self.restore(text, self.base + start as u32, restore);
            }
        }
    }

    /// Reads one word, which a variable may split into several.
    fn word(&mut self, words: &mut Vec<Word<'t>>) {
        let (bytes, start) = (self.bytes(), self.at);
        while self.at < bytes.len() && !is_special(bytes[self.at]) {
            self.at += 1;
        }
        let plain = &self.text[start..self.at];
        if bytes.get(self.at).is_none_or(|b| ends_word(*b)) {
            let span = self.span(start, self.at);
            // `2>` redirects, and is no word.
            let number = !plain.is_empty() && plain.bytes().all(|b| b.is_ascii_digit());
            if !(number && matches!(bytes.get(self.at), Some(b'<' | b'>'))) {
                words.push(Word { text: Cow::Borrowed(plain), span, quoted: false, unresolved: false });
            }
            return;
        }
        let mut made = Made { text: plain.to_string(), ..Made::default() };
        self.rest_of_word(&mut made);
        let span = self.span(start, self.at);
        made.finish();
        for (text, unresolved, from) in made.done {
            self.work += text.len();
            let span = from.unwrap_or(span);
            words.push(Word { text: Cow::Owned(text), span, quoted: made.quoted, unresolved });
        }
    }

    fn rest_of_word(&mut self, made: &mut Made) {
        let bytes = self.bytes();
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b if ends_word(*b) => return,
                b'\\' => {
                    let next = self.text[self.at + 1..].chars().next();
                    self.at += 1 + next.map_or(0, char::len_utf8);
                    // A backslash before the line end joins the lines.
                    match next {
                        Some('\n') | None => {}
                        Some(c) => made.text.push(c),
                    }
                }
                b'\'' => {
                    let start = self.at;
                    let found = self.text[self.at + 1..].find('\'');
                    let len = found.unwrap_or(self.text.len() - self.at - 1);
                    made.text.push_str(&self.text[self.at + 1..self.at + 1 + len]);
                    made.quoted = true;
                    self.at = (self.at + len + 2).min(self.text.len());
                    if found.is_none() {
                        self.broken(self.span(start, start + 1), "a quote is not closed");
                    }
                }
                b'"' => self.double_quoted(made),
                b'$' | b'`' => self.expansion(made, false),
                _ => {
                    let rest = bytes[self.at + 1..].iter();
                    let len = rest.clone().position(|b| is_special(*b)).unwrap_or(rest.len());
                    made.text.push_str(&self.text[self.at..self.at + 1 + len]);
                    self.at += 1 + len;
                }
            }
        }
    }

    fn double_quoted(&mut self, made: &mut Made) {
        made.quoted = true;
        let start = self.at;
        self.at += 1;
        let bytes = self.bytes();
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b'"' => {
                    self.at += 1;
                    return;
                }
                b'\\' if matches!(bytes.get(self.at + 1), Some(b'"' | b'\\' | b'$' | b'`' | b'\n')) => {
                    if bytes[self.at + 1] != b'\n' {
                        made.text.push(bytes[self.at + 1] as char);
                    }
                    self.at += 2;
                }
                b'$' | b'`' => self.expansion(made, true),
                _ => {
                    let first = self.text[self.at..].chars().next().map_or(1, char::len_utf8);
                    let rest = &self.text[self.at + first..];
                    let len = first + rest.find(['"', '\\', '$', '`']).unwrap_or(rest.len());
                    made.text.push_str(&self.text[self.at..self.at + len]);
                    self.at += len;
                }
            }
        }
        self.broken(self.span(start, start + 1), "a quote is not closed");
    }

    /// `$NAME`, `${NAME}`, `${NAME:-word}`, the arguments of a function; all else that begins with `$` or a
    /// backquote is not followed.
    fn expansion(&mut self, made: &mut Made, quoted: bool) {
        let start = self.at;
        let rest = &self.text[self.at + 1..];
        if self.bytes()[self.at] == b'`' {
            let len = rest.find('`').map_or(rest.len(), |len| len + 1);
            self.at += 1 + len;
            return self.substituted(made, start);
        }
        let (name, len) = match rest.as_bytes().first() {
            Some(b'{') => {
                let len = rest.find('}').unwrap_or(rest.len());
                (&rest[1..len.max(1)], (len + 1).min(rest.len()))
            }
            Some(b'(') => (&rest[..0], closing(rest)),
            Some(b) if b.is_ascii_alphabetic() || *b == b'_' => {
                let len = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                (&rest[..len], len)
            }
            Some(b'0'..=b'9' | b'@' | b'*' | b'#' | b'?' | b'!' | b'$' | b'-') => (&rest[..1], 1),
            _ => {
                self.at += 1;
                return made.text.push('$');
            }
        };
        self.at += 1 + len;
        if rest.starts_with('(') {
            return self.substituted(made, start);
        }
        let (name, default) = match name.split_once(":-").or_else(|| name.split_once(":=")) {
            Some((name, default)) if !default.contains('$') => (name, Some(default)),
            _ => (name, None),
        };
        if matches!(name, "@" | "*") && !self.params.is_empty() {
            return self.arguments(made, quoted, name);
        }
        match self.value(name) {
            Some(value) => {
                let value = if value.is_empty() { default.unwrap_or(&value) } else { &value };
                match quoted {
                    true => made.text.push_str(value),
                    false => made.split(value),
                }
            }
            // Whatever the environment says, it is this program.
            None => match default.filter(|default| super::programs::tool(default).is_some()) {
                Some(program) => made.text.push_str(program),
                None => made.unknown(&self.text[start..self.at]),
            },
        }
    }

    /// The value of a variable, or of an argument of the function that is called.
    fn value(&mut self, name: &str) -> Option<String> {
        if let (Ok(number), Some(params)) = (name.parse::<usize>(), self.params.last()) {
            self.used_params = true;
            return match number.checked_sub(1).and_then(|at| params.get(at)) {
                Some(word) => (!word.unresolved).then(|| word.text.to_string()),
                None => (number > 0).then(String::new),
            };
        }
        if let ("#", Some(params)) = (name, self.params.last()) {
            return Some(params.len().to_string());
        }
        self.variables.get(name).cloned().flatten()
    }

    /// `$@` and `$*`.
    fn arguments(&mut self, made: &mut Made, quoted: bool, name: &str) {
        self.used_params = true;
        let Some(params) = self.params.last() else { return };
        made.expanded = true;
        for (at, word) in params.iter().enumerate() {
            if at > 0 && quoted && name == "*" {
                made.text.push(' ');
            } else if at > 0 {
                made.end(quoted);
            }
            match (quoted, word.unresolved) {
                (_, true) => made.unknown(&word.text),
                (true, false) => made.text.push_str(&word.text),
                (false, false) => made.split(&word.text),
            }
            made.from = Some(word.span);
        }
        if quoted && params.is_empty() && made.text.is_empty() {
            made.nothing = true;
        }
    }

    /// A command whose output is taken: the path of a program, or something that is not followed.
    fn substituted(&mut self, made: &mut Made, start: usize) {
        let text = &self.text[start..self.at];
        if let Some(program) = super::programs::sought(text) {
            return made.text.push_str(program);
        }
        made.unknown(text);
        let mut words = text.split(|c: char| c.is_ascii_whitespace() || matches!(c, '(' | ')' | '`' | ';'));
        if words.any(|word| super::programs::tool(word).is_some())
            && text.split_ascii_whitespace().any(super::programs::changes)
        {
            let span = self.span(start, self.at);
            self.not_followed(span, "a command in a substitution");
            self.anything(None, span, "shell substitution");
        }
    }

    pub(super) fn assign(&mut self, name: &str, value: &str, unresolved: bool) {
        let sure = self.inner().is_some_and(|guard| guard.is_empty());
        let known = !unresolved && sure && value.len() <= VALUE_MAX;
        self.variables.insert(name.to_string(), known.then(|| value.to_string()));
    }

    /// The text cannot be read by a shell either.
    pub(super) fn broken(&mut self, span: Span, message: &str) {
        let finding: Finding = crate::dialect::iptables::command::syntax_error(span, message);
        if !self.reader.findings.contains(&finding) {
            self.reader.findings.push(finding);
        }
    }
}

/// A word in the making.
#[derive(Default)]
struct Made {
    text: String,
    done: Vec<(String, bool, Option<Span>)>,
    quoted: bool,
    unresolved: bool,
    /// An expansion gave nothing: without other text there is no word.
    expanded: bool,
    /// `"$@"` without arguments is no word.
    nothing: bool,
    /// Where the text stands that an argument gave.
    from: Option<Span>,
}

impl Made {
    /// Takes in the value of a variable outside of quotes: blanks in it separate words.
    fn split(&mut self, value: &str) {
        self.expanded = true;
        if value.starts_with([' ', '\t', '\n']) {
            self.end(false);
        }
        let mut parts = value.split_ascii_whitespace().peekable();
        while let Some(part) = parts.next() {
            self.text.push_str(part);
            if parts.peek().is_some() {
                self.end(false);
            }
        }
        if value.ends_with([' ', '\t', '\n']) {
            self.end(false);
        }
    }

    /// Takes in what is not followed: its text stands for it.
    fn unknown(&mut self, text: &str) {
        self.text.push_str(text);
        self.unresolved = true;
    }

    fn end(&mut self, even_empty: bool) {
        if even_empty || !self.text.is_empty() {
            let text = std::mem::take(&mut self.text);
            self.done.push((text, std::mem::take(&mut self.unresolved), self.from.take()));
        }
    }

    fn finish(&mut self) {
        let quoted = (self.quoted || !self.expanded) && !self.nothing;
        self.end(quoted && self.done.is_empty());
    }
}

/// Length of `( … )` at the start of a text, nested ones included.
fn closing(text: &str) -> usize {
    let mut depth = 0usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    text.len()
}

fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>')
}

fn is_special(byte: u8) -> bool {
    ends_word(byte) || matches!(byte, b'\\' | b'\'' | b'"' | b'$' | b'`')
}
