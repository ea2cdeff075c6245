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

    /// Writes it, one line for each event.
    pub(super) fn write(&self, sources: &SourceMap, rules: &Ruleset, out: &mut impl Write) -> io::Result<()> {
        for event in &self.first {
            line(*event, sources, rules, out)?;
        }
        if self.left_out > 0 {
            writeln!(out, "  … {} more, which are left out here", self.left_out)?;
        }
        self.last.iter().try_for_each(|event| line(*event, sources, rules, out))
    }
}

fn line(event: Event, sources: &SourceMap, rules: &Ruleset, out: &mut impl Write) -> io::Result<()> {
    let (rule, why) = match event {
        Event::Stage(hook, chain) => {
            return writeln!(out, "{} · {}", hook_name(hook), rules.chain(chain).name);
        }
        Event::Passed(rule, Some(field)) => (rule, format!("passed over: {}", field.name())),
        Event::Passed(rule, None) => (rule, "does not decide".to_string()),
        Event::Matched(rule, Some(cond)) => (rule, format!("may match: {}", cond.name(rules))),
        Event::Matched(rule, None) => (rule, "MATCHES".to_string()),
    };
    let Some(span) = rules.rule(rule).origin.text() else { return Ok(()) };
    let (_, line) = place(sources, span);
    writeln!(out, "  {line:>6}  {why:<28}  {}", text(sources, span))
}

impl Trace for Journal {
    fn stage(&mut self, hook: Hook, stage: &Stage) {
        self.add(Event::Stage(hook, stage.chain));
    }

    fn passed(&mut self, passed: Passed) {
        self.add(Event::Passed(passed.rule, passed.field));
    }

    fn matched(&mut self, rule: RuleId, maybe: Option<Cond>) {
        self.add(Event::Matched(rule, maybe));
    }
}
