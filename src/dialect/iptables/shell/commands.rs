//! What single commands of a script do: keywords, builtins, calls, and iptables itself.

use super::flow::{Kind, Spot, Status, under};
use super::programs::{self, Found, Program};
use super::{DEPTH_MAX, Function, Shell, Step};
use crate::budget::Exhausted;
use crate::dialect::iptables::apply::{Place, table_of};
use crate::dialect::iptables::ast::Name;
use crate::dialect::iptables::command::load_error;
use crate::dialect::iptables::dump::{Dump, Restore};
use crate::dialect::iptables::words::Word;
use crate::dialect::over_budget;
use crate::finding::Finding;
use crate::packet::Family;
use crate::rule::PH002;
use crate::source::{Refusal, Span};

/// How many calls of functions may be open at a time.
const CALLS_MAX: usize = 30;

impl<'t> Shell<'_, '_, 't> {
    /// Reads a keyword of the shell, an assignment, or the head of a function.
    pub(super) fn keyword(&mut self, keyword: &str, words: &[Word<'t>]) -> Step {
        match keyword {
            "if" => {
                let guard = self.guard();
                self.push(Kind::If(guard));
            }
            "elif" | "else" => self.other_branch(),
            "while" | "until" => self.push(Kind::While(keyword == "until")),
            "case" => {
                self.begin_case(words);
                return Step::Ends;
            }
            "for" | "select" => {
                self.begin_for(words);
                return Step::Ends;
            }
            "{" | "(" => self.begin_group(&words[0]),
            "function" => {
                if let Some(name) = words.get(1) {
                    self.define(&name.text);
                }
                if let Some(brace) = words.iter().find(|word| word.text == "{") {
                    self.begin_group(brace);
                    self.at = self.local(brace.span.end);
                }
                return Step::Ends;
            }
            "fi" | "esac" | "}" | ")" => {
                self.close();
                return Step::Ends;
            }
            "done" => {
                self.end_loop();
                return Step::Ends;
            }
            _ if words.len() >= 3 && words[1].text == "(" && words[2].text == ")" && !words[1].quoted => {
                self.define(&words[0].text);
                return Step::Ends;
            }
            _ => match super::assignment(&words[0]) {
                Some((name, value)) => {
                    if self.guard().is_some() {
                        self.assign(name, value, words[0].unresolved);
                    }
                }
                None => return Step::Command,
            },
        }
        Step::Goes(1)
    }

    /// The place in the text of an offset of the map.
    fn local(&self, offset: u32) -> usize {
        (offset.saturating_sub(self.base) as usize).min(self.text.len())
    }

    fn begin_group(&mut self, brace: &Word<'t>) {
        let body = Spot { at: self.local(brace.span.end), ..self.spot() };
        let Some(frame) = self.open.last_mut() else { return self.push(Kind::Group) };
        let Kind::Define(name, begun @ false) = &mut frame.kind else { return self.push(Kind::Group) };
        *begun = true;
        if frame.outer.is_some() {
            let name = name.clone();
            self.function_names.insert(name.clone(), self.functions.len());
            self.functions.push(Function { body, called: false, name });
        }
    }

    /// The head of a function: its body is not run where it stands.
    fn define(&mut self, name: &str) {
        self.push(Kind::Define(name.to_string(), false));
        if let Some(frame) = self.open.last_mut() {
            frame.guard = None;
        }
    }

    fn begin_case(&mut self, words: &[Word<'t>]) {
        let word = words.get(1);
        if let Some(head) = words.get(2).filter(|word| word.text == "in") {
            self.at = self.local(head.span.end);
        }
        self.push(Kind::Case {
            text: word.map_or_else(String::new, |word| word.text.to_string()),
            word: word.filter(|word| !word.unresolved).map(|word| word.text.to_string()),
            taken: false,
            pattern: true,
        });
    }

    /// `for NAME in WORDS`: followed where the words are known.
    fn begin_for(&mut self, words: &[Word<'t>]) {
        let known = match words {
            [_, _, head, values @ ..] if head.text == "in" && !values.is_empty() => {
                let plain = |word: &Word<'_>| !word.unresolved && !word.text.contains(['*', '?', '{']);
                values.iter().all(plain).then(|| values.iter().map(|word| word.text.to_string()).collect())
            }
            _ => None,
        };
        let variable = words.get(1).map_or_else(String::new, |word| word.text.to_string());
        let known: Option<Vec<String>> = known.filter(|_| self.guard().is_some());
        let Some(values) = known else {
            self.variables.insert(variable, None);
            let status = self.condition(words);
            self.push(Kind::ForUnknown);
            if let Some(frame) = self.open.last_mut() {
                frame.guard = under(&frame.outer, status);
            }
            return;
        };
        self.variables.insert(variable.clone(), values.first().cloned());
        let body = self.spot();
        self.push(Kind::For { variable, values, next: 1, body });
    }

    fn end_loop(&mut self) {
        if let Some(super::flow::Frame { kind: Kind::For { variable, values, next, body }, .. }) =
            self.open.last_mut()
            && let Some(value) = values.get(*next)
        {
            self.variables.insert(variable.clone(), Some(value.clone()));
            *next += 1;
            (self.text, self.base, self.at) = (body.text, body.base, body.at);
            return;
        }
        self.close();
    }

    /// The condition that a command ends well, by its words.
    fn condition(&mut self, words: &[Word<'t>]) -> Status {
        let texts = words.iter().flat_map(|word| word.text.split_ascii_whitespace());
        let name = format!("shell {}", texts.collect::<Vec<_>>().join(" "));
        Status::If(self.reader.config.names.intern(&name), false)
    }

    /// A command that is no keyword.
    pub(super) fn simple(&mut self, words: &[Word<'t>]) {
        let first = &words[0];
        if let Some(index) = self.function_names.get(first.text.as_ref()).copied() {
            return self.call(index, words);
        }
        match first.text.as_ref() {
            "export" | "readonly" | "local" | "declare" | "typeset" => {
                for word in &words[1..] {
                    if let Some((name, value)) = super::assignment(word) {
                        self.assign(name, value, word.unresolved);
                    }
                }
            }
            "read" | "unset" | "getopts" | "mapfile" => {
                words[1..].iter().for_each(|word| drop(self.variables.insert(word.text.to_string(), None)));
                self.status = self.condition(words);
            }
            "shift" => {
                if let Some(params) = self.params.last_mut().filter(|params| !params.is_empty()) {
                    params.remove(0);
                }
            }
            "exit" | "return" => self.leaves(first.text == "exit"),
            "trap" if words[1..].iter().any(|word| programs::holds_command(&word.text)) => {
                let span = first.span.to(words[words.len() - 1].span);
                self.not_followed(span, "`trap`");
                self.anything(None, span, "shell trap");
            }
            "alias" => {
                for word in &words[1..] {
                    let value = word.text.split_once('=').map_or("", |(_, value)| value);
                    if value.split_whitespace().any(|part| programs::tool(part).is_some()) {
                        self.not_followed(word.span, "an alias");
                        self.anything(None, word.span, "shell alias");
                    }
                }
            }
            "echo" => self.kernel_file(words),
            "true" | ":" | "printf" | "logger" | "sleep" | "set" | "cd" | "umask" | "trap" => {}
            "false" => self.status = Status::Known(false),
            "[" | "[[" | "test" => {
                self.status = test(words).map_or_else(|| self.condition(words), Status::Known)
            }
            _ => self.program(words),
        }
    }

    /// `exit` and `return`: the rest does not run, where it is certain that this does.
    fn leaves(&mut self, all: bool) {
        if self.guard().is_none_or(|guard| !guard.is_empty()) {
            return;
        }
        if all {
            self.done = true;
        } else {
            self.leave();
        }
    }

    /// Follows a function.
    pub(super) fn call(&mut self, index: usize, words: &[Word<'t>]) {
        self.functions[index].called = true;
        let span = words.first().zip(words.last()).map_or_else(Span::default, |(a, b)| a.span.to(b.span));
        if self.calls.len() >= CALLS_MAX || self.calls.iter().any(|(_, open)| *open == index) {
            return self.not_followed(span, "a function that calls itself");
        }
        let body = self.functions[index].body;
        self.push(Kind::Call(self.spot()));
        self.params.push(words.get(1..).unwrap_or_default().to_vec());
        self.calls.push((span, index));
        (self.text, self.base, self.at) = (body.text, body.base, body.at);
    }

    fn program(&mut self, words: &[Word<'t>]) {
        let span = words[0].span.to(words[words.len() - 1].span);
        let Found { program, namespace } = programs::find(words);
        let namespace = namespace.map(|name| {
            if !matches!(program, Program::Nothing(_)) {
                self.say(span, format!("this command is for network namespace `{name}`"));
            }
            (self.reader.config.names.intern(&format!("netns {name}")), false)
        });
        match program {
            Program::Tool(family, at) => self.iptables(family, &words[at..], span, namespace),
            Program::Restore(family, _) if namespace.is_some() => {
                self.anything(Some(family), span, "restored rules");
            }
            Program::Restore(family, at) => self.restored(family, &words[at..], span),
            Program::Script(at) => match words.get(at) {
                Some(word) => self.script(word, span),
                None => self.not_followed(span, "this command"),
            },
            Program::Source(at) => self.source(words.get(at), span),
            Program::Other("ipset") => self.not_followed(span, "`ipset`"),
            Program::File(name) | Program::Remote(name) => self.not_followed(span, &format!("`{name}`")),
            Program::Other(name) => {
                let name = name.to_string();
                self.not_followed(span, &format!("`{name}`"));
                self.anything(None, span, &format!("shell {name}"));
            }
            Program::Nothing(at) => {
                self.sysctl(&words[at.min(words.len() - 1)..]);
                self.perhaps_tool(&words[at.min(words.len() - 1)..]);
                self.status = self.condition(words);
            }
        }
    }

    /// A script in a word: read where it stands, if it stands there as the shell will see it.
    fn script(&mut self, word: &Word<'t>, span: Span) {
        let (start, end) = (self.local(word.span.start), self.local(word.span.end));
        let raw = self.text.get(start..end).unwrap_or_default();
        let quote = raw.chars().next().filter(|c| matches!(c, '"' | '\''));
        let inside = quote.and_then(|quote| raw.strip_prefix(quote)?.strip_suffix(quote));
        let plain = inside.is_some_and(|inside| !inside.contains(['\\', '`', '"', '\'']));
        if !plain || quote == Some('\'') && raw.contains('$') {
            if programs_in(&word.text) {
                self.not_followed(span, "the script in this word");
                self.anything(None, span, "shell script in a word");
            }
            return;
        }
        self.push(Kind::Inside(self.spot()));
        (self.text, self.at) = (&self.text[..end - 1], start + 1);
    }

    /// A file that is read in place.
    fn source(&mut self, word: Option<&Word<'t>>, span: Span) {
        let file = self.file_of(word);
        let Ok((text, base)) = file else {
            // It may give other values to variables; one that names the program goes on naming it.
            for value in self.variables.values_mut() {
                if !value
                    .as_deref()
                    .is_some_and(|value| value.split(' ').any(|word| programs::tool(word).is_some()))
                {
                    *value = None;
                }
            }
            self.not_read(span, "the file that is read here", file.err().flatten());
            if let Some(word) = word.filter(|word| !programs::only_sets_up(&word.text)) {
                self.anything(None, span, &format!("file {}", word.text));
            }
            return;
        };
        self.push(Kind::Inside(self.spot()));
        (self.text, self.base, self.at) = (text, base, 0);
    }

    /// `iptables-restore`: from a here-document, or from a file.
    fn restored(&mut self, family: Family, words: &[Word<'t>], span: Span) {
        let asked = programs::restores(words);
        let restore = Restore { family, keep: asked.keep };
        if asked.test {
            self.documents.last_mut().map_or_else(|| self.input = None, |document| document.wanted = None);
            return;
        }
        if asked.in_part {
            self.not_followed(span, "what is restored here in part");
            return self.anything(Some(family), span, "restored rules");
        }
        if let Some(document) = self.documents.last_mut() {
            document.wanted = Some(restore);
            return;
        }
        let file = self.input.take().or(asked.file);
        match self.file_of(file.as_ref()) {
            Ok((text, base)) => self.restore(text, base, restore),
            Err(why) => {
                self.not_read(span, "what is restored here", why);
                let name =
                    file.map_or_else(|| "restored rules".to_string(), |word| format!("file {}", word.text));
                self.anything(Some(family), span, &name);
            }
        }
    }

    /// The file that a word names: text and base, or why it is not read, where that is known.
    fn file_of(&self, word: Option<&Word<'t>>) -> Result<(&'t str, u32), Option<&'t Refusal>> {
        let word = word.filter(|word| !word.unresolved).ok_or(None)?;
        self.sourced.get(word.text.as_ref()).ok_or(None)?.map_err(Some)
    }

    /// A file that is not read.
    fn not_read(&mut self, span: Span, what: &str, why: Option<&Refusal>) {
        match why {
            Some(Refusal::Exhausted(exhausted)) => {
                self.reader.findings.push(over_budget(span, what, *exhausted));
            }
            Some(why) => self.say(span, format!("{what} is not followed: {why}")),
            None => self.not_followed(span, what),
        }
    }

    /// Reads a dump that the script restores.
    pub(super) fn restore(&mut self, text: &'t str, base: u32, restore: Restore) {
        self.work += text.len();
        let family = self.forced.unwrap_or(restore.family);
        if self.guard().is_some_and(|guard| guard.is_empty()) {
            return Dump::restored(self.reader, Restore { family, ..restore }, text).read(text, base);
        }
        let span = Span::new(base, base + text.find('\n').unwrap_or(text.len()) as u32);
        self.not_followed(span, "what is restored under a condition");
        self.anything(Some(family), span, "restored rules");
    }

    /// A command whose program is a variable without a known value, but that looks like iptables.
    fn perhaps_tool(&mut self, words: &[Word<'t>]) {
        if words[0].unresolved && words.iter().skip(1).any(|word| programs::changes(&word.text)) {
            let span = words[0].span.to(words[words.len() - 1].span);
            self.reader.findings.push(
                Finding::of(&PH002, span, "the program of this command is not known")
                    .label("what it does to the firewall is not known")
                    .help(
                        "Assign the variable plainly, such as `IPT=/sbin/iptables`, for the rule to be read.",
                    ),
            );
            self.anything(None, span, &format!("shell {}", words[0].text));
        }
    }

    fn iptables(&mut self, family: Family, words: &[Word<'t>], span: Span, namespace: Option<(Name, bool)>) {
        let Some(mut conditions) = self.guard() else { return };
        let family = self.forced.unwrap_or(family);
        let within = |(call, _): &&(Span, usize)| {
            words.iter().any(|word| call.start <= word.span.start && word.span.end <= call.end)
        };
        let span = match self.calls.iter().rev().find(within) {
            Some((call, _)) if self.used_params => *call,
            _ => span,
        };
        let table = match table_of(words) {
            Ok(table) => self.reader.config.table_or_new(family, table, span),
            Err(at) => {
                self.reader.findings.push(load_error(at, "there is no such table"));
                return;
            }
        };
        if !conditions.is_empty() {
            self.note(span);
        }
        conditions.extend(namespace);
        let place = Place { family, table, span, conditions: &conditions, unknown: None, restore: false };
        if let Some(well) = self.reader.command(words, place) {
            self.status = Status::Known(well);
        }
    }

    /// Says once for a branch that it may run or not.
    fn note(&mut self, span: Span) {
        if let Some(frame) = self.open.last_mut()
            && self.link.is_none()
            && std::mem::replace(&mut frame.noted, true)
        {
            return;
        }
        self.reader.findings.push(
            Finding::of(&PH002, span, "whether this command runs is not known")
                .label("stays under a condition")
                .help("Check the rules as loaded, the output of `iptables-save`."),
        );
    }

    /// Something that changes the firewall and is not followed.
    pub(super) fn not_followed(&mut self, span: Span, what: &str) {
        let what = if what.is_empty() { "this command" } else { what };
        self.say(span, format!("{what} is not followed"));
    }

    fn say(&mut self, span: Span, message: String) {
        let finding = Finding::of(&PH002, span, message)
            .label("what it does to the firewall is not known")
            .help("Check the rules as loaded, the output of `iptables-save`.");
        if self.reader.findings.last() != Some(&finding) {
            self.reader.findings.push(finding);
        }
    }

    /// From here on anything may become of packets.
    pub(super) fn anything(&mut self, family: Option<Family>, span: Span, name: &str) {
        let Some(conditions) = self.guard() else { return };
        self.reader.anything(family, span, name, &conditions);
    }

    /// Stops where calls and branches nest too deep.
    pub(super) fn too_deep(&mut self, from: usize) {
        let span = self.span(from, self.at.max(from));
        self.say(span, format!("branches and calls nest deeper than {DEPTH_MAX}"));
        self.stop(span);
    }

    /// Stops where nothing is left of the budget.
    pub(super) fn too_much(&mut self, from: usize, exhausted: Exhausted) {
        let span = self.span(from, self.at.max(from));
        self.reader.findings.push(over_budget(span, "what the script does over and over", exhausted));
        self.stop(span);
    }

    fn stop(&mut self, span: Span) {
        self.done = true;
        self.reader.anything(None, span, "the rest of the script", &[]);
    }
}

/// Whether a script in a word has to do with the firewall.
fn programs_in(text: &str) -> bool {
    text.split(|c: char| c.is_ascii_whitespace() || matches!(c, ';' | '&' | '|' | '(')).any(|word| {
        programs::tool(word).is_some()
            || word.starts_with('$')
            || matches!(word, "nft" | "ufw" | "ipset" | "firewall-cmd")
    })
}

/// The answer of `[ … ]` where the words tell it.
fn test(words: &[Word<'_>]) -> Option<bool> {
    let closing = usize::from(words.last().is_some_and(|word| matches!(word.text.as_ref(), "]" | "]]")));
    let mut words = &words[1..words.len() - closing.min(words.len() - 1)];
    let mut inverted = false;
    while let Some(rest) = words.strip_prefix_word("!") {
        (words, inverted) = (rest, !inverted);
    }
    if words.iter().any(|word| word.unresolved) {
        return None;
    }
    let number = |word: &Word<'_>| word.text.parse::<i64>().ok();
    let answer = match words {
        [one] => !one.text.is_empty(),
        [op, one] if op.text == "-n" => !one.text.is_empty(),
        [op, one] if op.text == "-z" => one.text.is_empty(),
        [a, op, b] if !b.text.contains(['*', '?', '[']) || b.quoted => match op.text.as_ref() {
            "=" | "==" => a.text == b.text,
            "!=" => a.text != b.text,
            "-eq" => number(a)? == number(b)?,
            "-ne" => number(a)? != number(b)?,
            "-gt" => number(a)? > number(b)?,
            "-ge" => number(a)? >= number(b)?,
            "-lt" => number(a)? < number(b)?,
            "-le" => number(a)? <= number(b)?,
            _ => return None,
        },
        _ => return None,
    };
    Some(answer != inverted)
}

trait StripWord {
    /// The words after the first one, where it is this.
    fn strip_prefix_word(&self, text: &str) -> Option<&Self>;
}

impl StripWord for [Word<'_>] {
    fn strip_prefix_word(&self, text: &str) -> Option<&Self> {
        self.split_first().filter(|(first, _)| first.text == text && !first.quoted).map(|(_, rest)| rest)
    }
}
