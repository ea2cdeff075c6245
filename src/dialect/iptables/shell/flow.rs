//! What runs and what may run: branches, loops, functions and lists of commands.

use super::Shell;
use crate::dialect::iptables::ast::Name;

/// How a command ends, as far as the text tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Status {
    /// Well, or not.
    Known(bool),
    /// Well if the condition holds, or, negated, if it does not.
    If(Name, bool),
}

impl Status {
    /// The opposite.
    pub(super) fn not(self) -> Status {
        match self {
            Status::Known(known) => Status::Known(!known),
            Status::If(name, negated) => Status::If(name, !negated),
        }
    }
}

/// Conditions that all have to hold, each turned round or not; none where it never runs.
pub(super) type Guard = Option<Vec<(Name, bool)>>;

/// A guard with one more condition.
pub(super) fn under(guard: &Guard, status: Status) -> Guard {
    let mut guard = guard.clone()?;
    match status {
        Status::Known(true) => {}
        Status::Known(false) => return None,
        Status::If(name, negated) if guard.contains(&(name, !negated)) => return None,
        Status::If(name, negated) => {
            if !guard.contains(&(name, negated)) {
                guard.push((name, negated));
            }
        }
    }
    Some(guard)
}

/// A place in a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot<'t> {
    pub text: &'t str,
    pub base: u32,
    pub at: usize,
}

/// Something that is open: it ends with a word of its own.
#[derive(Debug)]
pub(super) struct Frame<'t> {
    pub kind: Kind<'t>,
    /// Under what the whole of it runs.
    pub outer: Guard,
    /// Under what the part runs that is being read.
    pub guard: Guard,
    /// It was said that it is not known whether this runs.
    pub noted: bool,
    /// What holds for the command behind a call.
    pub after: After,
}

/// Under what a command runs, and the list that it is in: how what is before it ends, and `&&` (true) or `||`.
pub(super) type After = (Option<Guard>, Option<(Status, bool)>);

/// What is open.
#[derive(Debug)]
pub(super) enum Kind<'t> {
    /// `if`: under what none of the branches so far is taken.
    If(Guard),
    /// `while`, `until` (true).
    While(bool),
    /// `case`: the word, as it is written, and its value where that is known; whether a branch is taken
    /// for sure; whether a pattern comes next.
    Case { text: String, word: Option<String>, taken: bool, pattern: bool },
    /// `for` over words that are known.
    For { variable: String, values: Vec<String>, next: usize, body: Spot<'t> },
    /// `for` over words that are not.
    ForUnknown,
    /// `{ … }` or `( … )`.
    Group,
    /// The definition of a function; whether its body has begun.
    Define(String, bool),
    /// The body of a function that is called: where the call goes on.
    Call(Spot<'t>),
    /// A script in the script, or another file: where this one goes on.
    Inside(Spot<'t>),
}

impl<'t> Shell<'_, '_, 't> {
    /// Under what the next command runs.
    pub(super) fn guard(&self) -> Guard {
        match &self.link {
            Some(guard) => guard.clone(),
            None => self.inner(),
        }
    }

    /// Under what the part of the innermost frame runs.
    pub(super) fn inner(&self) -> Guard {
        self.open.last().map_or_else(|| Some(Vec::new()), |frame| frame.guard.clone())
    }

    pub(super) fn push(&mut self, kind: Kind<'t>) {
        let outer = self.guard();
        self.open.push(Frame { kind, guard: outer.clone(), outer, noted: false, after: (None, None) });
        self.link = None;
    }

    /// The branch of the innermost `if` or `while` that its condition leads to.
    pub(super) fn branch(&mut self) {
        let status = self.status;
        let Some(frame) = self.open.last_mut() else { return };
        match &mut frame.kind {
            Kind::If(rest) => {
                frame.guard = under(rest, status);
                *rest = under(rest, status.not());
            }
            Kind::While(until) => {
                frame.guard = under(&frame.outer, if *until { status.not() } else { status });
            }
            _ => {}
        }
    }

    /// `elif` and `else`: what is left.
    pub(super) fn other_branch(&mut self) {
        if let Some(Frame { kind: Kind::If(rest), guard, .. }) = self.open.last_mut() {
            *guard = rest.clone();
        }
    }

    /// The next pattern of a `case`.
    pub(super) fn pattern(&mut self, pattern: &str) {
        let Some(Frame { kind: Kind::Case { text, word, taken, pattern: next }, .. }) = self.open.last_mut()
        else {
            return;
        };
        *next = false;
        let pattern = pattern.trim().trim_start_matches('(');
        let plain = !pattern.contains(['*', '?', '[', '$', '`', '\\', '"', '\'']);
        let status = match word {
            _ if *taken => Status::Known(false),
            _ if pattern == "*" && word.is_some() => Status::Known(true),
            Some(word) if plain => Status::Known(pattern.split('|').any(|one| one.trim() == *word)),
            _ => {
                let name = format!("shell case {text} in {pattern}");
                Status::If(self.reader.config.names.intern(&name), false)
            }
        };
        *taken |= status == Status::Known(true);
        if let Some(frame) = self.open.last_mut() {
            frame.guard = under(&frame.outer, status);
        }
    }

    /// The status of two commands of a list: both well, or one of them.
    pub(super) fn join(&mut self, first: Status, second: Status, and: bool) -> Status {
        match (first, second) {
            (Status::Known(known), other) | (other, Status::Known(known)) => match known == and {
                true => other,
                false => Status::Known(!and),
            },
            (Status::If(a, not_a), Status::If(b, not_b)) => {
                let names = &mut self.reader.config.names;
                let text = |name: Name, not: bool| {
                    let text = names.text(name);
                    let text = text.strip_prefix("shell ").unwrap_or(text);
                    if not { format!("! {text}") } else { text.to_string() }
                };
                let sign = if and { "&&" } else { "||" };
                let joined = format!("shell {} {sign} {}", text(a, not_a), text(b, not_b));
                Status::If(names.intern(&joined), false)
            }
        }
    }
}
