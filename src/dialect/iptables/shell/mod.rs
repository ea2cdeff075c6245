//! Shell scripts of `iptables` commands, as far as they can be read without running them.
//!
//! Followed are plain assignments, quotes, line continuations, comments, functions that the script defines, loops
//! over words that it tells, wrappers such as `sudo`, scripts in words (`sh -c`), files that are read in place
//! and here-documents for `iptables-restore`. What is in a branch, a loop of another kind or a function that
//! nothing calls may run or not: its rules stay under conditions, which are named by their text. What changes the
//! firewall in a way that is not followed is a finding at its place.

mod commands;
mod flow;
mod kernel;
mod lex;
mod programs;

use rustc_hash::FxHashMap;

use super::apply::Reader;
use super::dump::Restore;
use super::words::Word;
use crate::packet::Family;
use crate::source::{Refusal, Span};

use flow::{Guard, Kind, Spot, Status, under};
use lex::End;

/// How much text is read before it is drawn from the budget, in bytes.
const WORK_AT_ONCE: usize = 1024;
/// How many branches, loops and calls may be open at a time.
const DEPTH_MAX: usize = 100;

/// Files that scripts read in place, by the name that they use: text and base, or why they are not read.
pub(super) type Sourced<'t> = FxHashMap<String, Result<(&'t str, u32), &'t Refusal>>;

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
        if programs::tool(first).is_some() {
            return true;
        }
        let variable = first.starts_with('$') || first.starts_with("\"$");
        if variable && words.next().is_some_and(|w| w.starts_with('-')) {
            return true;
        }
    }
    false
}

/// A here-document whose text begins after this line.
struct Document {
    mark: String,
    /// Whose input it is.
    wanted: Option<Restore>,
    span: Span,
}

/// A function of the script.
struct Function<'t> {
    body: Spot<'t>,
    called: bool,
    name: String,
}

/// Reads a script.
pub(super) struct Shell<'r, 'c, 't> {
    reader: &'r mut Reader<'c>,
    sourced: &'r Sourced<'t>,
    text: &'t str,
    base: u32,
    at: usize,
    forced: Option<Family>,
    variables: FxHashMap<String, Option<String>>,
    functions: Vec<Function<'t>>,
    function_names: FxHashMap<String, usize>,
    /// The arguments of the functions that are being called.
    params: Vec<Vec<Word<'t>>>,
    /// An argument stands in the command that is being read.
    used_params: bool,
    /// The calls that are being followed: where each stands, and which function it is of.
    calls: Vec<(Span, usize)>,
    open: Vec<flow::Frame<'t>>,
    /// How the last command ended.
    status: Status,
    /// Under what the next command runs, where `&&`, `||` or `|` stands before it.
    link: Option<Guard>,
    /// How the list before `&&` or `||` ended, and which of the two it is.
    list: Option<(Status, bool)>,
    /// A command has to come before what is open ends, or what `&&`, `||` or `|` joins: the shell refuses an empty body.
    awaited: bool,
    documents: Vec<Document>,
    /// The file that the command's input is read from.
    input: Option<Word<'t>>,
    /// The file that the command's output is written to.
    output: Option<Word<'t>>,
    /// How many bytes of text were read that is not drawn from the budget yet.
    work: usize,
    done: bool,
}

impl<'r, 'c, 't> Shell<'r, 'c, 't> {
    /// A reader of a script.
    pub(super) fn new(
        reader: &'r mut Reader<'c>,
        (text, base): (&'t str, u32),
        forced: Option<Family>,
        sourced: &'r Sourced<'t>,
    ) -> Self {
        Shell {
            reader,
            sourced,
            text,
            base,
            at: 0,
            forced,
            variables: FxHashMap::default(),
            functions: Vec::new(),
            function_names: FxHashMap::default(),
            params: Vec::new(),
            used_params: false,
            calls: Vec::new(),
            open: Vec::new(),
            status: Status::Known(true),
            link: None,
            list: None,
            awaited: false,
            documents: Vec::new(),
            input: None,
            output: None,
            work: 0,
            done: false,
        }
    }

    /// Reads all of it, and at the end the functions that nothing called.
    pub(super) fn read(&mut self) {
        loop {
            self.run();
            if self.done {
                return;
            }
            self.open.clear();
            let Some(index) = self.functions.iter().position(|function| !function.called) else { return };
            let name = format!("shell function {}", self.functions[index].name);
            let condition = self.reader.config.names.intern(&name);
            self.link = Some(Some(vec![(condition, false)]));
            self.call(index, &[]);
        }
    }

    /// Runs to the end of the text.
    fn run(&mut self) {
        let mut words = Vec::new();
        while !self.done {
            if let Some(flow::Frame { kind: Kind::Case { pattern: true, .. }, .. }) = self.open.last()
                && !self.read_pattern()
            {
                continue;
            }
            words.clear();
            (self.used_params, self.input, self.output) = (false, None, None);
            let from = self.at;
            let end = self.next_command(&mut words);
            self.work += 1 + self.at.saturating_sub(from);
            if self.open.len() > DEPTH_MAX {
                return self.too_deep(from);
            }
            if self.work >= WORK_AT_ONCE
                && let Err(exhausted) = self.reader.budget.again(std::mem::take(&mut self.work))
            {
                return self.too_much(from, exhausted);
            }
            if !words.is_empty() {
                self.one_command(&words, end);
            } else {
                self.awaited &= self.only_words();
                if end == End::Clause {
                    self.next_clause();
                }
            }
            match end {
                End::Line => self.read_documents(),
                End::File if self.at >= self.text.len() => {
                    self.expect_no_more("the end of the script", self.span(self.at, self.at));
                    if !self.leave() {
                        return;
                    }
                }
                _ => {}
            }
        }
    }

    /// A command, and what its end means for the next one.
    fn one_command(&mut self, words: &[Word<'t>], end: End) {
        let depth = self.open.len();
        self.command(words);
        if let Some((before, and)) = self.list.take() {
            self.status = self.join(before, self.status, and);
        }
        let jumped =
            matches!(self.open.last(), Some(flow::Frame { kind: Kind::Call(..) | Kind::Inside(..), .. }))
                && self.open.len() == depth + 1;
        self.awaited |= !jumped && matches!(end, End::Chain(_) | End::Pipe);
        let after = self.after(end, jumped);
        match self.open.last_mut().filter(|_| jumped) {
            // What follows the call is for when it is over.
            Some(frame) => {
                frame.after = after;
                (self.link, self.list) = (None, None);
            }
            None => (self.link, self.list) = after,
        }
        if end == End::Clause {
            self.next_clause();
        }
    }

    /// What the end of a command means for the next one: under what it runs, and the list that it is in.
    fn after(&self, end: End, jumped: bool) -> flow::After {
        match end {
            End::Chain(and) => {
                let here = self.open.len() - usize::from(jumped);
                let inner =
                    self.open[..here].last().map_or_else(|| Some(Vec::new()), |frame| frame.guard.clone());
                let status = if and { self.status } else { self.status.not() };
                (Some(under(&inner, status)), Some((self.status, and)))
            }
            End::Pipe => (self.link.clone(), None),
            _ => (None, None),
        }
    }

    fn next_clause(&mut self) {
        self.link = None;
        let inside = |frame: &&mut flow::Frame<'_>| !matches!(frame.kind, Kind::Call(_) | Kind::Inside(_));
        if let Some(flow::Frame { kind: Kind::Case { pattern, .. }, .. }) =
            self.open.iter_mut().rev().find(inside)
        {
            *pattern = true;
        }
    }

    /// Reads a pattern of a `case`; false where that ended the text.
    fn read_pattern(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n', ';']);
        self.at = self.text.len() - trimmed.len();
        if trimmed.starts_with('#') {
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            return false;
        }
        let ends = trimmed
            .strip_prefix("esac")
            .is_some_and(|after| !after.starts_with(|c: char| c.is_alphanumeric()));
        let len = trimmed.find(')');
        if ends || len.is_none() {
            if let Some(flow::Frame { kind: Kind::Case { pattern, .. }, .. }) = self.open.last_mut() {
                *pattern = false;
            }
            return true;
        }
        let len = len.unwrap_or_default();
        self.at += len + 1;
        self.work += len;
        self.pattern(&trimmed[..len]);
        true
    }

    /// Leaves a script in the script; false at the end of all.
    fn leave(&mut self) -> bool {
        let inside = |frame: &flow::Frame<'_>| matches!(frame.kind, Kind::Inside(_) | Kind::Call(_));
        let Some(at) = self.open.iter().rposition(inside) else { return false };
        self.open.truncate(at + 1);
        self.close();
        true
    }

    /// Ends the innermost frame.
    fn close(&mut self) {
        let Some(frame) = self.open.pop() else { return };
        (self.link, self.list) = frame.after;
        let spot = match frame.kind {
            Kind::Call(spot) => {
                self.params.pop();
                self.calls.pop();
                spot
            }
            Kind::Inside(spot) => spot,
            _ => return,
        };
        (self.text, self.base, self.at) = (spot.text, spot.base, spot.at);
    }

    fn spot(&self) -> Spot<'t> {
        Spot { text: self.text, base: self.base, at: self.at }
    }

    /// Whether the command redirects nothing: a redirection is a command by itself.
    fn only_words(&self) -> bool {
        self.input.is_none() && self.output.is_none()
    }

    /// Says that something ends where a command has to come.
    fn expect_no_more(&mut self, found: &str, span: Span) {
        if std::mem::take(&mut self.awaited) {
            self.broken(span, &format!("expected a command, found {found}"));
        }
    }

    /// Does a command.
    fn command(&mut self, words: &[Word<'t>]) {
        let mut rest = words;
        let mut inverted = false;
        let before = std::mem::replace(&mut self.status, Status::Known(true));
        while let Some(first) = rest.first() {
            let keyword = if first.quoted { "" } else { first.text.as_ref() };
            if ENDS_BODY.contains(&keyword) {
                self.expect_no_more(&format!("`{keyword}`"), first.span);
            }
            self.awaited = BEGINS_BODY.contains(&keyword);
            let passed = match keyword {
                "!" => {
                    inverted = !inverted;
                    1
                }
                "then" | "do" => {
                    self.status = before;
                    self.branch();
                    self.status = Status::Known(true);
                    1
                }
                _ => match self.keyword(keyword, rest) {
                    Step::Goes(words) => words,
                    Step::Ends => return,
                    Step::Command => break,
                },
            };
            rest = &rest[passed..];
        }
        self.awaited &= rest.is_empty() && self.only_words();
        if !rest.is_empty() && self.guard().is_some() {
            self.simple(rest);
        }
        if inverted {
            self.status = self.status.not();
        }
    }
}

/// Words behind which a command has to come (POSIX.1-2017, "Shell Command Language", 2.10.2).
const BEGINS_BODY: [&str; 10] = ["if", "then", "elif", "else", "while", "until", "do", "{", "!", "function"];
/// Words that end what such a word begins.
const ENDS_BODY: [&str; 8] = ["then", "elif", "else", "fi", "do", "done", "}", "esac"];

/// What a word at the start of a command is.
enum Step {
    /// So many words belong to it; a command follows.
    Goes(usize),
    /// The whole command belongs to it.
    Ends,
    /// It begins a plain command.
    Command,
}

/// `NAME=value`.
fn assignment<'w>(word: &'w Word<'_>) -> Option<(&'w str, &'w str)> {
    let (name, value) = word.text.split_once('=')?;
    let mut bytes = name.bytes();
    let starts = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    (starts && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')).then_some((name, value))
}
