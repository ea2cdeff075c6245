//! What happens to a packet on its way, written down for people.

use std::collections::VecDeque;
use std::io::{self, Write};

use super::trace::{hook_name, place, text};
use crate::analysis::{Cond, Passed, Trace};
use crate::model::{ChainId, Hook, RuleId, Ruleset, Stage};
use crate::packet::Field;
use crate::source::SourceMap;

/// Events that are kept from the start of the way, and from its end: chains that jump to each other may be
/// walked millions of times.
const FIRST: usize = 4000;
const LAST: usize = 1000;

#[derive(Clone, Copy)]
enum Event {
    Stage(Hook, ChainId),
    Passed(RuleId, Option<Field>),
    Matched(RuleId, Option<Cond>),
}

/// Keeps what happens on the way.
#[derive(Default)]
pub(super) struct Journal {
    first: Vec<Event>,
    last: VecDeque<Event>,
    left_out: usize,
}

impl Journal {
    fn add(&mut self, event: Event) {
        if self.first.len() < FIRST {
            self.first.push(event);
            return;
        }
        if self.last.len() == LAST {
            self.last.pop_front();
            self.left_out += 1;
        }
        self.last.push_back(event);
    }

    /// Writes it, a line for each written rule: of the elements of a list those alone that match, if some do.
    pub(super) fn write(&self, sources: &SourceMap, rules: &Ruleset, out: &mut impl Write) -> io::Result<()> {
        lines(&self.first, sources, rules, out)?;
        if self.left_out > 0 {
            writeln!(out, "  … {} more, which are left out here", self.left_out)?;
        }
        let last: Vec<Event> = self.last.iter().copied().collect();
        lines(&last, sources, rules, out)
    }
}

impl Event {
    fn rule(self) -> Option<RuleId> {
        match self {
            Event::Stage(..) => None,
            Event::Passed(rule, _) | Event::Matched(rule, _) => Some(rule),
        }
    }

    /// What a rule made of the packet, and the field or the condition for which it did.
    fn why(self, rules: &Ruleset) -> (&'static str, String) {
        match self {
            Event::Stage(..) | Event::Passed(_, None) => ("does not decide", String::new()),
            Event::Passed(_, Some(field)) => ("passed over: ", field.name().to_string()),
            Event::Matched(_, Some(cond)) => ("may match: ", cond.name(rules)),
            Event::Matched(_, None) => ("MATCHES", String::new()),
        }
    }
}

fn lines(events: &[Event], sources: &SourceMap, rules: &Ruleset, out: &mut impl Write) -> io::Result<()> {
    let one_line = |a: &Event, b: &Event| match (a.rule(), b.rule()) {
        (Some(a), Some(b)) => a.chain == b.chain && rules.rule(a).span() == rules.rule(b).span(),
        _ => false,
    };
    for run in events.chunk_by(one_line) {
        match run {
            [Event::Stage(hook, chain), ..] => {
                writeln!(out, "{} · {}", hook_name(*hook), rules.chain(*chain).name)?
            }
            _ => line(run, sources, rules, out)?,
        }
    }
    Ok(())
}

/// A line of what the elements of one written rule did.
fn line(run: &[Event], sources: &SourceMap, rules: &Ruleset, out: &mut impl Write) -> io::Result<()> {
    let rule = run.first().and_then(|event| event.rule());
    let Some(origin) = rule.map(|rule| rules.rule(rule).origin) else { return Ok(()) };
    let Some(span) = origin.text() else { return Ok(()) };
    let (_, number) = place(sources, span);
    // What no rule says is in a line that says more.
    let shown = match sources.file_of(span) {
        Some(file) if !origin.is_written() => file.line_span(number),
        _ => span,
    };
    let matched: Vec<&Event> = run.iter().filter(|event| matches!(event, Event::Matched(..))).collect();
    let told = if matched.is_empty() { run.iter().collect() } else { matched };
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for (what, about) in told.into_iter().map(|event| event.why(rules)) {
        match reasons.iter_mut().find(|(known, _)| *known == what) {
            Some((_, known)) if known.contains(&about) => {}
            Some((_, known)) => known.push(about),
            None => reasons.push((what, vec![about])),
        }
    }
    for (what, about) in reasons {
        let why = format!("{what}{}", about.join(", "));
        writeln!(out, "  {number:>6}  {why:<28}  {}", text(sources, shown))?;
    }
    Ok(())
}

impl Trace for Journal {
    fn stage(&mut self, hook: Hook, stage: &Stage) {
        self.add(Event::Stage(hook, stage.chain));
    }

    fn passed(&mut self, passed: Passed) {
        self.add(Event::Passed(passed.rule, passed.field));
    }

    fn matched(&mut self, rule: RuleId, depends: Option<Cond>) {
        self.add(Event::Matched(rule, depends));
    }
}
