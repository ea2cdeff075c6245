//! Rules written into pf.conf.

use crate::dialect::write::{Goal, Job, Spot, Text, Wanted, braced, is_whole, place, word};
use crate::model::Hook;
use crate::packet::{Family, Prefix, Set, proto};

/// Words that rules of the filter start with.
const FILTER: [&str; 5] = ["block", "pass", "match", "antispoof", "anchor"];

/// Where the rules go: the last rule that matches decides, unless one is `quick`.
pub(super) fn spot(job: &Job<'_>) -> Option<Spot> {
    if job.goal == Goal::Answer && job.style > 2 {
        return None;
    }
    let main = main_file(job)?;
    let translates = matches!(job.goal, Goal::Translate(_));
    let rdr = translates && has_own_translation(main.text);
    let direction = if translates { Some("in") } else { direction(job) };
    let form = Form { quick: job.style > 0 && !rdr, direction, rdr };
    let rules: Vec<String> =
        job.flows.iter().map(|(wanted, set)| rule(wanted, set, job.goal, form)).collect();
    if rdr {
        return translation(job, main, &rules);
    }
    match job.style {
        0 => Some(main.at_end(&rules)),
        1 => {
            let span = job.span(job.rule?);
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
    match (job.style, job.rule) {
        (0, Some(rule)) => {
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
    let stage = job.rules.stages(Hook::Prerouting).first()?;
    Text::of(job.map, job.rules.chain(stage.chain).span)
}

/// Which of the two passes through the rules decides; both where one rule is to be for both.
fn direction(job: &Job<'_>) -> Option<&'static str> {
    let whole = job.flows.iter().all(|(wanted, _)| wanted.src.is_some() && wanted.dst.is_some());
    if whole {
        return None;
    }
    let outwards = |chain| job.rules.chain(chain).short_name() == "out";
    Some(if job.chain.is_some_and(outwards) { "out" } else { "in" })
}

/// How a rule of pf is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(in crate::dialect) struct Form {
    /// It ends the walk.
    pub quick: bool,
    /// `in` or `out`; `None` for both.
    pub direction: Option<&'static str>,
    /// Translation has rules of its own (`rdr`), as on FreeBSD.
    pub rdr: bool,
}

/// A rule of pf.
pub(in crate::dialect) fn rule(wanted: &Wanted, set: &Set, goal: Goal, form: Form) -> String {
    let end = |address: Option<Prefix>| address.map_or("any".to_string(), place);
    let family = if wanted.family == Family::V4 { "inet" } else { "inet6" };
    let name = match form.direction {
        Some("out") => wanted.oif.as_ref(),
        Some(_) => wanted.iif.as_ref(),
        None => None,
    };
    let on = name.map_or(String::new(), |name| format!("on {name} "));
    let (proto, port) = match wanted.protocol {
        proto::ICMP => ("icmp", "icmp-type"),
        proto::ICMPV6 => ("icmp6", "icmp6-type"),
        _ => (word(wanted), "port"),
    };
    let (src, dst) = (end(wanted.src), end(wanted.dst));
    let port = if is_whole(wanted, set) { String::new() } else { format!(" {port} {}", braced(set, ":")) };
    let ends = format!("{family} proto {proto} from {src} to {dst}{port}");
    let direction = form.direction.map_or(String::new(), |word| format!("{word} "));
    let quick = if form.quick { "quick " } else { "" };
    match goal {
        Goal::Translate(to) if form.rdr => format!("rdr {on}{ends} -> {to}"),
        Goal::Translate(to) => format!("pass {direction}{quick}{on}{ends} rdr-to {to}"),
        Goal::Pass | Goal::Answer => format!("pass {direction}{quick}{on}{ends}"),
        Goal::Refuse => format!("block {direction}{quick}{on}{ends}"),
    }
}
