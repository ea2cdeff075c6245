//! Shell scripts of `iptables` commands, as far as they can be read without running them.
//!
//! Followed are plain assignments, quotes, line continuations, comments, `for` over plain words and
//! here-documents for `iptables-restore`. What is in a condition, a loop of another kind or a function
//! may run or not: its rules stay, under an unknown condition.

use std::borrow::Cow;

use rustc_hash::FxHashMap;

use super::apply::{Place, Reader, table_of};
use super::command::load_error;
use super::dump::Dump;
use super::words::Word;
use crate::finding::{Finding, Severity};
use crate::packet::Family;
use crate::source::Span;

/// Commands after which loops are no longer followed.
const COMMAND_LIMIT: usize = 2_000_000;

/// Whether a text is a script: the first line that tells it.
pub fn is_script(text: &str) -> bool {
    if text.starts_with("#!") {
        return true;
    }
    for line in text.lines() {
        let line = line.trim_start();
        match line.as_bytes().first() {
            Some(b'*' | b':' | b'[' | b'-') => return false,
            Some(b'#') | None => continue,
            _ => {}
        }
        let mut words = line.split_ascii_whitespace().filter(|w| !matches!(*w, "sudo" | "exec" | "command"));
        let first = words.next().unwrap_or("");
        if tool(first).is_some() {
            return true;
        }
        let variable = first.starts_with('$') || first.starts_with("\"$");
        if variable && words.next().is_some_and(|w| w.starts_with('-')) {
            return true;
        }
    }
    false
}

/// The program that a word names: its family, and whether it is the restore program.
fn tool(word: &str) -> Option<(Family, bool)> {
    let name = word.rsplit('/').next().unwrap_or(word);
    let (family, rest) = match name.strip_prefix("ip6tables") {
        Some(rest) => (Family::V6, rest),
        None => (Family::V4, name.strip_prefix("iptables")?),
    };
    match rest {
        "" | "-legacy" | "-nft" => Some((family, false)),
        "-restore" | "-legacy-restore" | "-nft-restore" => Some((family, true)),
        _ => None,
    }
}

/// Something that is open: it ends with a word of its own.
#[derive(Debug)]
enum Open {
    /// Runs or not: `if`, `while`, `case`, a function.
    Maybe(&'static str),
    /// `{ … }` or `( … )`.
    Group,
    /// `for` over words that are known.
    For { variable: String, values: Vec<String>, next: usize, body: usize },
}

/// What ended a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Line,
    /// `;`, `&`, `|`, a parenthesis.
    Separator,
    /// `&&`, `||`: the next command depends on this one.
    Chain,
    File,
}

/// Reads a script.
pub struct Shell<'r, 'c, 't> {
    reader: &'r mut Reader<'c>,
    text: &'t str,
    base: u32,
    at: usize,
    forced: Option<Family>,
    variables: FxHashMap<String, Option<String>>,
    open: Vec<Open>,
    /// Delimiters of here-documents that begin after this line, and whether their text is taken.
    documents: Vec<(String, bool)>,
    /// The command before depends on nothing that could fail.
    chained: bool,
    commands: usize,
    noted: Option<usize>,
}

impl<'r, 'c, 't> Shell<'r, 'c, 't> {
    /// A reader of a script.
    pub fn new(reader: &'r mut Reader<'c>, text: &'t str, base: u32, forced: Option<Family>) -> Self {
        Shell {
            reader,
            text,
            base,
            at: 0,
            forced,
            variables: FxHashMap::default(),
            open: Vec::new(),
            documents: Vec::new(),
            chained: false,
            commands: 0,
            noted: None,
        }
    }

    /// Reads all of it.
    pub fn read(&mut self) {
        loop {
            let mut words = Vec::new();
            let end = self.next_command(&mut words);
            self.commands += 1;
            let chained = std::mem::replace(&mut self.chained, false);
            if !words.is_empty() {
                let plain = self.command(&words, chained);
                self.chained = end == End::Chain && (!plain || chained);
            }
            match end {
                End::Line => self.read_documents(),
                End::File => return,
                End::Separator | End::Chain => {}
            }
        }
    }

    fn bytes(&self) -> &'t [u8] {
        self.text.as_bytes()
    }

    /// Reads the words of one command and its end.
    fn next_command(&mut self, words: &mut Vec<Word<'t>>) -> End {
        let bytes = self.bytes();
        loop {
            match bytes.get(self.at) {
                None => return End::File,
                Some(b' ' | b'\t' | b'\r') => self.at += 1,
                Some(b'\\') if matches!(bytes.get(self.at + 1), Some(b'\n' | b'\r')) => self.at += 2,
                Some(b'#') => self.at += self.text[self.at..].find('\n').unwrap_or(self.text.len() - self.at),
                Some(b'\n') => {
                    self.at += 1;
                    return End::Line;
                }
                Some(b'&' | b'|') if bytes.get(self.at + 1) == bytes.get(self.at) => {
                    self.at += 2;
                    return End::Chain;
                }
                Some(b';' | b'&' | b'|') => {
                    self.at += 1;
                    return End::Separator;
                }
                Some(b'(' | b')') => {
                    let span = self.span(self.at, self.at + 1);
                    let text = Cow::Borrowed(&self.text[self.at..=self.at]);
                    words.push(Word { text, span, quoted: false, unresolved: false });
                    self.at += 1;
                    // A parenthesis is a command of its own, but for the pair behind a function's name.
                    if words.len() == 1 || bytes[self.at - 1] == b')' {
                        return End::Separator;
                    }
                }
                Some(b'<' | b'>') => self.redirection(),
                Some(_) => self.word(words),
            }
        }
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.base + start as u32, self.base + end as u32)
    }

    /// A redirection with its operand; a here-document is noted.
    fn redirection(&mut self) {
        let rest = &self.text[self.at..];
        if rest.starts_with("<<") && !rest.starts_with("<<<") {
            let mark = rest[2..].trim_start_matches('-').trim_start_matches([' ', '\t']);
            let len = mark.find([' ', '\t', '\n', '\r', ';', '|', '&', ')', '>']).unwrap_or(mark.len());
            let word = mark[..len].trim_matches(['"', '\'', '\\']).to_string();
            self.at = self.text.len() - mark.len() + len;
            self.documents.push((word, false));
            return;
        }
        self.at += rest.find(|c| c != '<' && c != '>' && c != '&').unwrap_or(rest.len());
        self.at += self.text[self.at..].len() - self.text[self.at..].trim_start_matches([' ', '\t']).len();
        let mut operand = Vec::new();
        if !matches!(
            self.bytes().get(self.at),
            None | Some(b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>')
        ) {
            self.word(&mut operand);
        }
    }

    /// Passes over here-documents, or gives them to the reader of dumps.
    fn read_documents(&mut self) {
        for (mark, wanted) in std::mem::take(&mut self.documents) {
            let start = self.at;
            let mut end = self.text.len();
            while self.at < self.text.len() {
                let line_end = self.text[self.at..].find('\n').map_or(self.text.len(), |len| self.at + len);
                let line = &self.text[self.at..line_end];
                let begin = self.at;
                self.at = (line_end + 1).min(self.text.len());
                if line.trim_start_matches('\t').trim_end_matches('\r') == mark {
                    end = begin;
                    break;
                }
            }
            if wanted {
                let text = &self.text[start..end];
                Dump::new(self.reader, self.forced, None, text).read(text, self.base + start as u32);
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
            words.push(Word { text: Cow::Borrowed(plain), span, quoted: false, unresolved: false });
            return;
        }
        let mut made = Made { text: plain.to_string(), ..Made::default() };
        self.rest_of_word(&mut made);
        let span = self.span(start, self.at);
        made.finish();
        for (text, unresolved) in made.done {
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
                    let len = self.text[self.at + 1..].find('\'').unwrap_or(self.text.len() - self.at - 1);
                    made.text.push_str(&self.text[self.at + 1..self.at + 1 + len]);
                    made.quoted = true;
                    self.at = (self.at + len + 2).min(self.text.len());
                }
                b'"' => self.double_quoted(made),
                b'$' | b'`' => self.expansion(made, false),
                _ => {
                    let len = bytes[self.at + 1..]
                        .iter()
                        .position(|b| is_special(*b))
                        .unwrap_or(bytes.len() - self.at - 1);
                    made.text.push_str(&self.text[self.at..self.at + 1 + len]);
                    self.at += 1 + len;
                }
            }
        }
    }

    fn double_quoted(&mut self, made: &mut Made) {
        made.quoted = true;
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
    }

    /// `$NAME`, `${NAME}`; all else that begins with `$` or a backquote is not followed.
    fn expansion(&mut self, made: &mut Made, quoted: bool) {
        let start = self.at;
        let rest = &self.text[self.at + 1..];
        if self.bytes()[self.at] == b'`' {
            let len = rest.find('`').map_or(rest.len(), |len| len + 1);
            self.at += 1 + len;
            return made.unknown(&self.text[start..self.at]);
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
            Some(b'0'..=b'9' | b'@' | b'*' | b'#' | b'?' | b'!' | b'$' | b'-') => (&rest[..0], 1),
            _ => {
                self.at += 1;
                return made.text.push('$');
            }
        };
        self.at += 1 + len;
        match self.variables.get(name) {
            Some(Some(value)) if quoted => made.text.push_str(value),
            Some(Some(value)) => made.split(value),
            _ => made.unknown(&self.text[start..self.at]),
        }
    }

    /// Does a command; true where it is one of iptables, on which others may depend.
    fn command(&mut self, words: &[Word<'t>], chained: bool) -> bool {
        let mut rest = words;
        while let Some(first) = rest.first() {
            let keyword = if first.quoted { "" } else { first.text.as_ref() };
            match keyword {
                "then" | "do" | "else" | "!" | "sudo" | "exec" | "command" | "time" => rest = &rest[1..],
                "if" | "elif" => {
                    if first.text == "if" {
                        self.begin(Open::Maybe("if"));
                    }
                    rest = &rest[1..];
                }
                "while" | "until" => {
                    self.begin(Open::Maybe("while"));
                    rest = &rest[1..];
                }
                "case" => {
                    self.begin(Open::Maybe("case"));
                    return false;
                }
                "for" => {
                    self.begin_for(rest);
                    return false;
                }
                "{" => {
                    if !matches!(self.open.last(), Some(Open::Maybe("function"))) {
                        self.open.push(Open::Group);
                    }
                    rest = &rest[1..];
                }
                "function" => {
                    self.begin(Open::Maybe("function"));
                    return false;
                }
                "(" => {
                    return false;
                }
                "fi" | "esac" | "}" => {
                    self.open.pop();
                    return false;
                }
                "done" => {
                    self.end_loop();
                    return false;
                }
                _ if rest.len() >= 3 && rest[1].text == "(" && rest[2].text == ")" && !rest[1].quoted => {
                    self.begin(Open::Maybe("function"));
                    return false;
                }
                _ => match assignment(first) {
                    Some((name, value)) => {
                        self.assign(name, value, first.unresolved);
                        rest = &rest[1..];
                    }
                    None => break,
                },
            }
        }
        let Some(first) = rest.first() else { return true };
        if matches!(first.text.as_ref(), "export" | "readonly" | "local" | "declare" | "typeset") {
            for word in &rest[1..] {
                if let Some((name, value)) = assignment(word) {
                    self.assign(name, value, word.unresolved);
                }
            }
            return true;
        }
        let Some((family, restore)) = (if first.unresolved { None } else { tool(&first.text) }) else {
            self.maybe_tool(rest);
            return matches!(first.text.as_ref(), "true" | ":" | "echo");
        };
        if restore {
            if let Some(document) = self.documents.last_mut() {
                document.1 = true;
            }
            return true;
        }
        self.iptables(family, first, rest, chained);
        true
    }

    /// A command whose program is a variable without a known value, but that looks like iptables.
    fn maybe_tool(&mut self, words: &[Word<'t>]) {
        let looks = |word: &Word<'_>| matches!(word.text.as_ref(), "-A" | "-I" | "-P" | "-N" | "--append");
        if words[0].unresolved && words.iter().skip(1).any(looks) {
            let span = words[0].span.to(words[words.len() - 1].span);
            self.reader.findings.push(
                Finding::new("PH002", Severity::Info, Some(span), "the program of this command is not known")
                    .label("left out")
                    .help(
                        "Assign the variable plainly, such as `IPT=/sbin/iptables`, for the rule to be read.",
                    ),
            );
        }
    }

    fn iptables(&mut self, family: Family, first: &Word<'t>, words: &[Word<'t>], chained: bool) {
        let span = first.span.to(words[words.len() - 1].span);
        let family = self.forced.unwrap_or(family);
        let words = &words[1..];
        let table = match table_of(words) {
            Ok(table) => self.reader.config.table_or_new(family, table, span),
            Err(at) => {
                self.reader.findings.push(load_error(at, "there is no such table"));
                return;
            }
        };
        let open = self.open.iter().find_map(|open| match open {
            Open::Maybe(what) => Some(*what),
            _ => None,
        });
        let condition = open.map(|what| format!("shell `{what}`"));
        let condition = condition.or_else(|| chained.then(|| "shell condition".to_string()));
        if condition.is_some() && self.noted != Some(self.open.len()) {
            self.noted = Some(self.open.len());
            self.reader.findings.push(
                Finding::new("PH002", Severity::Info, Some(span), "whether this command runs is not known")
                    .label("stays under an unknown condition")
                    .help("Check the rules as loaded, the output of `iptables-save`."),
            );
        }
        let conditions: Vec<_> =
            condition.iter().map(|text| (self.reader.config.names.intern(text), false)).collect();
        self.reader.command(words, Place { family, table, span, conditions: &conditions, restore: false });
    }

    fn begin(&mut self, open: Open) {
        self.noted = None;
        self.open.push(open);
    }

    fn assign(&mut self, name: &str, value: &str, unresolved: bool) {
        let known = !unresolved && !self.open.iter().any(|open| matches!(open, Open::Maybe(_)));
        self.variables.insert(name.to_string(), known.then(|| value.to_string()));
    }

    /// `for NAME in WORDS`: followed where the words are known.
    fn begin_for(&mut self, words: &[Word<'t>]) {
        let (Some(name), Some("in")) = (words.get(1), words.get(2).map(|w| w.text.as_ref())) else {
            return self.open.push(Open::Maybe("for"));
        };
        let variable = name.text.to_string();
        let values = &words[3..];
        if values.is_empty() || values.iter().any(|w| w.unresolved || w.text.contains(['*', '?'])) {
            self.variables.insert(variable, None);
            return self.begin(Open::Maybe("for"));
        }
        let values: Vec<String> = values.iter().map(|w| w.text.to_string()).collect();
        self.variables.insert(variable.clone(), Some(values[0].clone()));
        self.open.push(Open::For { variable, values, next: 1, body: self.at });
    }

    fn end_loop(&mut self) {
        if let Some(Open::For { variable, values, next, body }) = self.open.last_mut()
            && *next < values.len()
            && self.commands < COMMAND_LIMIT
        {
            self.variables.insert(variable.clone(), Some(values[*next].clone()));
            *next += 1;
            self.at = *body;
            return;
        }
        self.open.pop();
    }
}

/// A word in the making.
#[derive(Default)]
struct Made {
    text: String,
    done: Vec<(String, bool)>,
    quoted: bool,
    unresolved: bool,
    /// An expansion gave nothing: without other text there is no word.
    expanded: bool,
}

impl Made {
    /// Takes in the value of a variable outside of quotes: blanks in it separate words.
    fn split(&mut self, value: &str) {
        self.expanded = true;
        if value.starts_with([' ', '\t', '\n']) {
            self.end();
        }
        let mut parts = value.split_ascii_whitespace().peekable();
        while let Some(part) = parts.next() {
            self.text.push_str(part);
            if parts.peek().is_some() {
                self.end();
            }
        }
        if value.ends_with([' ', '\t', '\n']) {
            self.end();
        }
    }

    /// Takes in what is not followed: its text stands for it.
    fn unknown(&mut self, text: &str) {
        self.text.push_str(text);
        self.unresolved = true;
    }

    fn end(&mut self) {
        if !self.text.is_empty() {
            self.done.push((std::mem::take(&mut self.text), std::mem::take(&mut self.unresolved)));
        }
    }

    fn finish(&mut self) {
        if self.text.is_empty() && (self.quoted || !self.expanded) && self.done.is_empty() {
            self.done.push((String::new(), self.unresolved));
        }
        self.end();
    }
}

/// `NAME=value`.
fn assignment<'w>(word: &'w Word<'_>) -> Option<(&'w str, &'w str)> {
    let (name, value) = word.text.split_once('=')?;
    let mut bytes = name.bytes();
    let starts = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    (starts && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')).then_some((name, value))
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
