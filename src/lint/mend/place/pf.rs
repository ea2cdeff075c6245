//! Places in pf.conf.

use super::super::draft::Spot;
use super::super::lines::{self, Goal, PfForm};
use super::super::text::{Text, short};
use super::Job;
use crate::analysis::Decider;
use crate::model::{Hook, Ruleset};
use crate::source::Span;

/// Words that rules of the filter start with.
const FILTER: [&str; 5] = ["block", "pass", "match", "antispoof", "anchor"];

/// Where the rules go: the last rule that matches decides, unless one is `quick`.
pub fn spot(job: &Job<'_>) -> Option<Spot> {
    if job.goal == Goal::Answer && job.style > 2 {
        return None;
    }
    let main = main_file(job)?;
    let translates = matches!(job.goal, Goal::Translate(_));
    let rdr = translates && has_own_translation(main.text);
    let direction = if translates { Some("in") } else { direction(job) };
    let form = PfForm { quick: job.style > 0 && !rdr, direction, rdr };
    let rules: Vec<String> =
        job.flows.iter().map(|(wanted, set)| lines::pf(wanted, set, job.goal, form)).collect();
    if rdr {
        return translation(job, main, &rules);
    }
    match job.style {
        0 => Some(main.at_end(&rules)),
        1 => {
            let Decider::Rule(rule) = job.by else { return None };
            let span = job.span(rule);
            let text = Text::of(job.map, span)?;
            Some(text.spot(text.line_start(text.local(span.start)), &rules, String::new()))
        }
        2 => {
            let (start, _) = main.lines().find(|(_, line)| starts_with(line, &FILTER))?;
            Some(main.spot(start, &rules, "before all rules of the filter".to_string()))
        }
        _ => None,
    }
}

/// Rules that translate stand before those that filter, and the first that matches decides.
fn translation(job: &Job<'_>, main: Text<'_>, rules: &[String]) -> Option<Spot> {
    let is_of_translation = |line: &&str| starts_with(line, &["rdr", "nat", "binat", "no"]);
    match (job.style, job.by) {
        (0, Decider::Rule(rule)) => {
            let span = job.span(rule);
            let text = Text::of(job.map, span)?;
            let at = text.local(span.start);
            if is_of_translation(&text.line(at).trim_start()) {
                return Some(text.spot(text.line_start(at), rules, String::new()));
            }
            last_translation(main, rules)
        }
        (0, _) => last_translation(main, rules),
        (1, _) => {
            let (start, _) = main.lines().find(|(_, line)| is_of_translation(line))?;
            Some(main.spot(start, rules, String::new()))
        }
        _ => None,
    }
}

fn last_translation(main: Text<'_>, rules: &[String]) -> Option<Spot> {
    let (start, _) = main.lines().find(|(_, line)| starts_with(line, &FILTER))?;
    Some(main.spot(start, rules, String::new()))
}

fn starts_with(line: &str, words: &[&str]) -> bool {
    line.split_whitespace().next().is_some_and(|first| words.contains(&first))
}

/// Whether the file translates by rules of their own, as FreeBSD has them, and not by `rdr-to`.
fn has_own_translation(text: &str) -> bool {
    text.lines().any(|line| starts_with(line, &["rdr", "nat", "binat"]))
}

/// The file that is loaded itself: where chains of the whole ruleset are declared.
fn main_file<'m>(job: &Job<'m>) -> Option<Text<'m>> {
    let rules: &Ruleset = &job.firewall.rules;
    let stage = rules.stages(Hook::Prerouting).first()?;
    let span: Span = rules.chain(stage.chain).span;
    Text::of(job.map, span)
}

/// Which of the two passes through the rules decides; both where one rule is to be for both.
fn direction(job: &Job<'_>) -> Option<&'static str> {
    let whole = job.flows.iter().all(|(wanted, _)| wanted.src.is_some() && wanted.dst.is_some());
    if whole {
        return None;
    }
    let chain = match job.by {
        Decider::Rule(rule) => rule.chain,
        Decider::Policy(hook, at) => job.rules().stages(hook)[at as usize].chain,
        Decider::End => return Some("in"),
    };
    Some(if short(&job.rules().chain(chain).name) == "out" { "out" } else { "in" })
}
