//! Phrases that several lints share.

use super::judge::Firewall;
use crate::analysis::Decider;
use crate::dialect::Dialect;
use crate::model::{Effect, Hook, Step, Verdict};
use crate::packet::Set;

/// A row in a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// The device's name.
    pub device: String,
    /// The protocol, such as `Q.931`.
    pub protocol: String,
    /// `tcp`, `udp` or both.
    pub transport: &'static str,
    /// The ports.
    pub ports: Set,
}

/// Ports as people write them: `1720`, `1024-1324`; more than four intervals are cut.
pub fn ports(set: &Set) -> String {
    const SHOWN: usize = 4;
    let ranges = set.ranges();
    let one = |(lo, hi): &(u128, u128)| if lo == hi { lo.to_string() } else { format!("{lo}-{hi}") };
    let text: Vec<String> = ranges.iter().take(SHOWN).map(one).collect();
    match ranges.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => {
            let last = ranges.last().map_or(0, |(_, hi)| *hi);
            format!("{}, … up to {last}", text.join(", "))
        }
        _ => text.join(", "),
    }
}

/// Port intervals for the JSON form.
pub fn intervals(set: &Set) -> Vec<[u16; 2]> {
    set.ranges().iter().map(|(lo, hi)| [*lo as u16, (*hi).min(0xffff) as u16]).collect()
}

/// Rows in a row: `Q.931 (tcp 1720), H.245 (tcp 1024-1324) and 3 more`.
pub fn listing(rows: &[Listed]) -> String {
    const SHOWN: usize = 4;
    let mut texts: Vec<String> = Vec::new();
    for row in rows {
        let text = format!("{} ({} {})", row.protocol, row.transport, ports(&row.ports));
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    match texts.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => format!("{} and {more} more", texts[..SHOWN].join(", ")),
        _ => and(&texts),
    }
}

fn and(texts: &[String]) -> String {
    match texts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Up to `shown` of several names, then their number.
pub fn some(names: &[String], shown: usize, things: &str) -> String {
    if names.len() <= shown {
        and(names)
    } else {
        format!("{} and {} more {things}", names[..shown].join(", "), names.len() - shown)
    }
}

/// Each item once, in the order of their first appearance.
pub fn unique(items: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = Vec::new();
    for item in items {
        if !seen.contains(&item) {
            seen.push(item);
        }
    }
    seen
}

/// Different sentences, at most three.
pub fn sentences<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    unique(texts.map(str::to_string)).into_iter().take(3).collect::<Vec<_>>().join(" ")
}

/// How much of a range: `120 of 301 ports`.
pub fn share(part: &Set, whole: &Set) -> String {
    format!("{} of {} ports", part.count(), whole.count())
}

/// What is to be seen at a rule or policy that refuses.
pub fn blocks(firewall: &Firewall, by: Decider) -> String {
    let verb = |verdict: Verdict| match verdict {
        Verdict::Drop => "drops",
        Verdict::Reject(_) => "rejects",
        Verdict::Accept => "accepts",
    };
    match by {
        Decider::Rule(id) => {
            let steps = firewall.rules.steps_of(firewall.rules.rule(id));
            let verdict = steps.iter().rev().find_map(|step| match step {
                Step::Effect(Effect::Verdict(verdict) | Effect::Pend(verdict)) => Some(*verdict),
                _ => None,
            });
            verdict.map_or("decides here".to_string(), |verdict| format!("this rule {} it", verb(verdict)))
        }
        Decider::Policy(hook, at) => {
            let stage = &firewall.rules.stages(hook)[at as usize];
            let written = if stage.policy_written { "the policy" } else { "the implied end" };
            format!("{written} {} what no rule before lets pass", verb(stage.policy))
        }
        Decider::End => "nothing lets it through".to_string(),
    }
}

/// The name of the chain or list of a rule or policy.
pub fn chain(firewall: &Firewall, by: Decider) -> String {
    let id = match by {
        Decider::Rule(id) => id.chain,
        Decider::Policy(hook, at) => firewall.rules.stages(hook)[at as usize].chain,
        Decider::End => match firewall.rules.stages(Hook::Forward).first() {
            Some(stage) => stage.chain,
            None => return "FORWARD".to_string(),
        },
    };
    firewall.rules.chain(id).name.clone()
}

/// Where a rule that lets it through has to go.
pub fn where_to_put(firewall: &Firewall, by: Decider) -> &'static str {
    match (firewall.dialect, by) {
        (Dialect::Pf, _) => "Let it through with a rule after the one that decides (the last match wins):",
        (_, Decider::Rule(_)) => "Let it through with a rule before this one:",
        (_, _) => "Let it through with a rule at the end of the chain:",
    }
}
