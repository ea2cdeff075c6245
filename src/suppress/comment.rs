//! Comments that say which findings are not to be told.
//!
//! `pinhole: ignore[PH201] why until=2027-01-31` is for the statement in which it stands or, on a line of its own, for
//! the next one with all that is in its braces; `ignore-begin[…] why` … `ignore-end` is for what lies between them, and
//! `ignore-file[…] why` for the whole file.

use crate::dialect::Dialect;
use crate::finding::{Edit, Finding};
use crate::rule::{Lint, PH008};
use crate::site::Date;
use crate::source::{SourceFile, Span};

use super::line::{Line, Part, statement};

/// What such a comment begins with.
const SIGN: &str = "pinhole:";

/// A comment that leaves findings out.
#[derive(Debug)]
pub(super) struct Directive {
    /// The comment, from its sign to its end.
    pub span: Span,
    /// The findings that are left out.
    pub lints: Vec<&'static Lint>,
    /// The words by which it names them, and how many lints each stands for.
    pub words: Vec<(String, usize)>,
    /// Why.
    pub reason: String,
    /// The last day on which it holds.
    pub until: Option<Date>,
    /// Findings that begin or end in here are meant.
    pub target: Span,
    /// What takes the comment out, where nothing else has to change.
    pub removal: Option<Edit>,
}

/// The comments of a file, and what is wrong with some.
#[derive(Debug, Default)]
pub(super) struct Directives {
    /// Those that can be understood.
    pub all: Vec<Directive>,
    /// A finding for each other one.
    pub broken: Vec<Finding>,
}

/// What stands behind the sign.
enum Said {
    Ignore(Scope, Words),
    End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Here,
    Begin,
    File,
}

struct Words {
    words: Vec<(String, usize)>,
    lints: Vec<&'static Lint>,
    reason: String,
    until: Option<Date>,
}

/// Reads the comments of a file.
pub(super) fn read(file: &SourceFile, dialect: Dialect) -> Directives {
    let mut found = Directives::default();
    if !file.text.contains(SIGN) {
        return found;
    }
    let mut reader = Reader { file, dialect, begun: Vec::new(), line: None, statement: None, done: 0 };
    let mut take = |step: Step| match step {
        Some(Ok(Some(directive))) => found.all.push(directive),
        Some(Err(finding)) => found.broken.push(*finding),
        Some(Ok(None)) | None => {}
    };
    let signs = file.text.match_indices(SIGN).map(|(at, _)| at);
    if file.text.trim_start().starts_with('{') {
        let signs: Vec<usize> = signs.collect();
        let objects = objects_around(&file.text, &signs);
        signs.into_iter().zip(objects).for_each(|(at, object)| take(reader.in_json(at, object)));
    } else {
        signs.for_each(|at| take(reader.in_line(at)));
    }
    let message = "`ignore-begin` has no `ignore-end`, and leaves nothing out";
    let help = "Write `pinhole: ignore-end` in a comment behind what it is for.";
    let unended = reader.begun.into_iter();
    let unended =
        unended.map(|begun| Finding::of(&PH008, begun.span, message).label("begun here").help(help));
    found.broken.extend(unended);
    found
}

struct Reader<'f> {
    file: &'f SourceFile,
    dialect: Dialect,
    /// Blocks that have begun.
    begun: Vec<Directive>,
    /// The line that was looked at last.
    line: Option<(usize, Line<'f>)>,
    /// The statement that was looked at last, by its first line.
    statement: Option<(usize, Span)>,
    /// Everything before this byte was read.
    done: usize,
}

/// A directive that is whole, or nothing yet, or what is wrong; `None` where the text is no comment.
type Step = Option<Result<Option<Directive>, Box<Finding>>>;

impl<'f> Reader<'f> {
    fn span(&self, from: usize, to: usize) -> Span {
        Span::new(self.file.base + from as u32, self.file.base + to as u32)
    }

    fn text(&self, index: usize) -> Option<&'f str> {
        let starts = self.file.line_starts();
        let from = *starts.get(index)? as usize;
        let to = starts.get(index + 1).map_or(self.file.text.len(), |next| *next as usize);
        Some(self.file.text[from..to].trim_end_matches(['\n', '\r']))
    }

    fn line_at(&self, at: usize) -> usize {
        self.file.line_starts().partition_point(|start| *start as usize <= at) - 1
    }

    /// The lines of the statement that begins on a line.
    fn statement(&mut self, first: usize) -> Span {
        if let Some((known, span)) = self.statement
            && known == first
        {
            return span;
        }
        let lines = statement(first, |index| self.text(index), self.dialect.language());
        let starts = self.file.line_starts();
        let end = starts.get(lines.end).map_or(self.file.text.len(), |start| *start as usize - 1);
        let span = self.span(starts[first] as usize, end);
        self.statement = Some((first, span));
        span
    }

    /// The next statement behind a line.
    fn next(&mut self, index: usize) -> Option<Span> {
        // Comments that follow each other are all for the same one.
        if let Some((known, span)) = self.statement
            && known > index
        {
            return Some(span);
        }
        let language = self.dialect.language();
        let says = |at: &usize| self.text(*at).is_some_and(|line| !Line::new(line, language).says_nothing());
        let next = (index + 1..self.file.line_starts().len()).find(says);
        next.map(|at| self.statement(at))
    }

    fn in_line(&mut self, at: usize) -> Step {
        if at < self.done {
            return None;
        }
        let index = self.line_at(at);
        let start = self.file.line_starts()[index] as usize;
        let text = self.text(index)?;
        let line = match self.line.take() {
            Some((known, line)) if known == index => line,
            _ => Line::new(text, self.dialect.language()),
        };
        let (alone, part) = (line.says_nothing(), line.part(at - start));
        let removal = self.removal(at, index, &line);
        self.line = Some((index, line));
        let end = match part {
            Part::Code => return None,
            Part::Quoted(end) => start + end,
            Part::Comment(_) | Part::Remark => start + text.len(),
        };
        self.done = end;
        let span = self.span(at, end);
        let said = match self.said(at, end) {
            Ok(said) => said,
            Err(finding) => return Some(Err(finding)),
        };
        let words = match said {
            Said::End => return Some(self.end(span)),
            Said::Ignore(Scope::Begin, words) => {
                self.begun.push(directive(span, words, span, removal));
                return Some(Ok(None));
            }
            Said::Ignore(Scope::File, words) => (words, self.file.span()),
            Said::Ignore(Scope::Here, words) => {
                let target = if alone { self.next(index) } else { Some(self.statement(index)) };
                (words, target.unwrap_or(span))
            }
        };
        Some(Ok(Some(directive(span, words.0, words.1, removal))))
    }

    /// The block that began last ends here.
    fn end(&mut self, span: Span) -> Result<Option<Directive>, Box<Finding>> {
        let message = "`ignore-end` ends nothing: no `ignore-begin` stands before it";
        let Some(begun) = self.begun.pop() else {
            let help = "Remove it, or write where it begins.";
            return Err(Box::new(Finding::of(&PH008, span, message).label("ends nothing").help(help)));
        };
        // Taking out one of the two would leave the other.
        Ok(Some(Directive { target: begun.span.to(span), removal: None, ..begun }))
    }

    /// The comment of a rule in JSON: it is for the object that holds it.
    fn in_json(&mut self, at: usize, object: Option<(usize, usize)>) -> Step {
        let text = &self.file.text;
        let from = text[..at].rfind('"')?;
        if !text[..from].trim_end().strip_suffix(':')?.trim_end().ends_with("\"comment\"") {
            return None;
        }
        let end = at + text[at..].find('"')?;
        let (open, close) = object?;
        let target = self.span(open, close);
        Some(match self.said(at, end) {
            Ok(Said::Ignore(Scope::Here, words)) => {
                Ok(Some(directive(self.span(at, end), words, target, None)))
            }
            Ok(Said::Ignore(Scope::File, words)) => {
                Ok(Some(directive(self.span(at, end), words, self.file.span(), None)))
            }
            Ok(Said::Ignore(Scope::Begin, _) | Said::End) => {
                let message = "a block cannot begin or end in the comment of a rule in JSON";
                let finding = Finding::of(&PH008, self.span(at, end), message);
                Err(Box::new(finding.help("Write `ignore[…]` into each rule, or `ignore-file[…]` into one.")))
            }
            Err(finding) => Err(finding),
        })
    }

    /// Takes a comment out that is nothing else: with its line, or from the line.
    fn removal(&self, at: usize, index: usize, line: &Line<'_>) -> Option<Edit> {
        let start = self.file.line_starts()[index] as usize;
        let sign = match line.part(at - start) {
            Part::Comment(sign) => sign,
            Part::Remark => {
                let before = self.file.text[start..at].split_whitespace().next_back();
                let alone = before.is_some_and(|word| self.dialect.language().remarks.contains(&word));
                return alone.then(|| self.without_line(index));
            }
            Part::Quoted(_) | Part::Code => return None,
        };
        let comment = self.file.text[start + sign..at].trim_start_matches(self.dialect.language().comments);
        if !comment.trim().is_empty() {
            return None;
        }
        if line.says_nothing() {
            return Some(self.without_line(index));
        }
        let code = self.file.text[start..start + sign].trim_end().len();
        let end = start + self.text(index)?.len();
        Some(Edit { span: self.span(start + code, end), text: String::new() })
    }

    fn without_line(&self, index: usize) -> Edit {
        let starts = self.file.line_starts();
        let end = starts.get(index + 1).map_or(self.file.text.len(), |next| *next as usize);
        Edit { span: self.span(starts[index] as usize, end), text: String::new() }
    }

    /// What stands between the sign and the end of the comment.
    fn said(&self, at: usize, end: usize) -> Result<Said, Box<Finding>> {
        let broken = |message: String, help: &str| {
            let finding = Finding::of(&PH008, self.span(at, end), message);
            Box::new(finding.label("leaves nothing out").help(help))
        };
        const FORM: &str =
            "Write it as `pinhole: ignore[PH201] the reason`; the reason may end with `until=2027-01-31`.";
        let text = self.file.text[at + SIGN.len()..end].trim();
        let text = text.trim_end_matches("*/").trim_end();
        let word = text.split(|c: char| c == '[' || c.is_whitespace()).next().unwrap_or_default();
        let scope = match word {
            "ignore" => Scope::Here,
            "ignore-begin" => Scope::Begin,
            "ignore-file" => Scope::File,
            "ignore-end" => return Ok(Said::End),
            _ => return Err(broken(format!("`{word}` is nothing that pinhole takes from a comment"), FORM)),
        };
        let Some((codes, rest)) =
            text[word.len()..].trim_start().strip_prefix('[').and_then(|rest| rest.split_once(']'))
        else {
            return Err(broken(format!("`{word}` does not say which findings"), FORM));
        };
        let (mut words, mut lints) = (Vec::new(), Vec::new());
        for code in codes.split(',').map(str::trim).filter(|code| !code.is_empty()) {
            let found = left_out(code).map_err(|(message, help)| broken(message, &help))?;
            words.push((code.to_string(), found.len()));
            lints.extend(found);
        }
        if lints.is_empty() {
            return Err(broken(format!("`{word}` does not say which findings"), FORM));
        }
        let mut until = None;
        let mut reason: Vec<&str> = Vec::new();
        for word in rest.split_whitespace() {
            let Some(day) = word.strip_prefix("until=") else {
                reason.push(word);
                continue;
            };
            match Date::parse(day) {
                Some(day) => until = Some(day),
                None => {
                    let help = "Write the last day as `until=2027-01-31`.";
                    return Err(broken(format!("`{day}` is no day"), help));
                }
            }
        }
        if !reason.iter().any(|word| word.contains(char::is_alphanumeric)) {
            return Err(broken("the comment gives no reason".to_string(), FORM));
        }
        Ok(Said::Ignore(scope, Words { words, lints, reason: reason.join(" "), until }))
    }
}

/// The lints that a word in brackets stands for; else what is wrong, and what to do.
fn left_out(code: &str) -> Result<Vec<&'static Lint>, (String, String)> {
    let mut found = Lint::select(code).map_err(|near| {
        let help = match near {
            Some(near) => format!("Did you mean `{near}`?"),
            None => "`pinhole rule` lists all rules.".to_string(),
        };
        (format!("there is no rule `{code}`"), help)
    })?;
    found.retain(|lint| lint.suppressible);
    if found.is_empty() {
        let help = "It says that something was not read, or that such a comment is wrong. `[[check.ignore]]` in the site file \
                    can accept it.";
        return Err((format!("no comment leaves out `{code}`"), help.to_string()));
    }
    Ok(found)
}

/// For each place, which are in order, the innermost object of JSON that holds it.
fn objects_around(text: &str, places: &[usize]) -> Vec<Option<(usize, usize)>> {
    let mut found = vec![None; places.len()];
    let (mut opens, mut quoted, mut escaped) = (Vec::new(), false, false);
    let mut waiting: Vec<(usize, usize)> = Vec::new();
    let mut next = 0;
    for (at, byte) in text.bytes().enumerate() {
        if places.get(next) == Some(&at) {
            waiting.push((next, opens.len()));
            next += 1;
        }
        match byte {
            _ if std::mem::take(&mut escaped) => {}
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' if !quoted => opens.push(at),
            b'}' if !quoted => {
                let Some(open) = opens.pop() else { continue };
                while let Some((place, depth)) = waiting.last()
                    && *depth > opens.len()
                {
                    found[*place] = Some((open, at + 1));
                    waiting.pop();
                }
            }
            _ => {}
        }
    }
    found
}

fn directive(span: Span, said: Words, target: Span, removal: Option<Edit>) -> Directive {
    let Words { words, lints, reason, until } = said;
    Directive { span, lints, words, reason, until, target, removal }
}
