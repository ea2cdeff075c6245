//! Phrases that several lints share.

use crate::analysis::Decider;
use crate::catalog::{Product, Requirement, Transport};
use crate::finding::{Finding, RequirementRef};
use crate::judge::Firewall;
use crate::model::{Effect, Hook, RuleId, Step, Verdict, Why};
use crate::packet::Set;
use crate::ports::list_text;
use crate::source::Span;

/// A row in a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Listed {
    /// The device's name.
    pub device: String,
    /// The protocol, such as `Q.931`.
    pub protocol: String,
    /// `tcp`, `udp` or both.
    pub transports: Vec<&'static str>,
    /// The ports in trouble.
    pub ports: Set,
    /// The ports of the row.
    pub asked: Set,
    /// One of the ports would do.
    pub any_port: bool,
}

impl Listed {
    /// `tcp 1720`, `tcp and udp 5060`, `any of tcp 1024-65535`.
    pub(crate) fn numbers(&self) -> String {
        let any = if self.any_port { "any of " } else { "" };
        format!("{any}{} {}", self.transports.join(" and "), ports(&self.ports))
    }
}

/// Ports as people write them: `1720`, `1024-1324`; more than four intervals are cut.
pub(crate) fn ports(set: &Set) -> String {
    const SHOWN: usize = 4;
    let ranges = set.ranges();
    let text = list_text(ranges.iter().take(SHOWN).copied());
    match ranges.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => {
            let last = ranges.last().map_or(0, |(_, hi)| *hi);
            format!("{text}, … up to {last}")
        }
        _ => text,
    }
}

/// Ports as people write them, all of them.
pub(crate) fn all_ports(set: &Set) -> String {
    list_text(set.ranges().iter().copied())
}

/// Port intervals for the JSON form.
pub(crate) fn intervals(set: &Set) -> Vec<[u16; 2]> {
    set.ranges().iter().map(|(lo, hi)| [*lo as u16, (*hi).min(0xffff) as u16]).collect()
}

/// Rows in a row: `Q.931 (tcp 1720), H.245 (tcp 1024-1324) and 3 more`.
pub(crate) fn listing(rows: &[Listed]) -> String {
    const SHOWN: usize = 4;
    let mut all: Vec<&str> = Vec::new();
    let mut told: Vec<(String, Vec<&str>)> = Vec::new();
    for row in rows {
        if !all.contains(&row.device.as_str()) {
            all.push(&row.device);
        }
        let text = format!("{} ({}", row.protocol, row.numbers());
        match told.iter_mut().find(|(known, _)| *known == text) {
            Some((_, devices)) if devices.contains(&row.device.as_str()) => {}
            Some((_, devices)) => devices.push(&row.device),
            None => told.push((text, vec![&row.device])),
        }
    }
    let texts: Vec<String> = told
        .into_iter()
        .map(|(text, devices)| match devices.as_slice() {
            devices if devices.len() >= all.len() => format!("{text})"),
            [one] => format!("{text}, {one} alone)"),
            several => format!("{text}, {} of them)", several.len()),
        })
        .collect();
    match texts.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => format!("{} and {more} more", texts[..SHOWN].join(", ")),
        _ => and(&texts),
    }
}

/// Several as one list: `a, b and c`.
pub(crate) fn and(texts: &[String]) -> String {
    match texts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Up to `shown` of several names, then the number of the others; `thing` is what one of them is.
pub(crate) fn some(names: &[String], shown: usize, thing: &str) -> String {
    match names.len().checked_sub(shown) {
        None | Some(0) => and(names),
        Some(1) => format!("{} and 1 more {thing}", names[..shown].join(", ")),
        Some(more) => format!("{} and {more} more {thing}s", names[..shown].join(", ")),
    }
}

/// The name of a party in a sentence that says yes: `anybody outside zone video` cannot get through, `somebody
/// outside zone video` can.
pub(crate) fn somebody(name: String) -> String {
    match name.strip_prefix("anybody") {
        Some(rest) => format!("somebody{rest}"),
        None => name,
    }
}

/// Each item once, in the order of their first appearance.
pub(crate) fn unique(items: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = rustc_hash::FxHashSet::default();
    items.filter(|item| seen.insert(item.clone())).collect()
}

/// The first three different texts; of a sentence that comes more than once, the last is kept.
pub(crate) fn sentences<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let texts = unique(texts.map(str::to_string)).into_iter().take(3).collect::<Vec<_>>().join(" ");
    let all: Vec<&str> = texts.trim_end_matches('.').split(". ").collect();
    let last = |(at, sentence): &(usize, &&str)| !all[at + 1..].contains(*sentence);
    let kept: Vec<&str> = all.iter().enumerate().filter(last).map(|(_, sentence)| *sentence).collect();
    if texts.is_empty() { texts } else { kept.join(". ") + "." }
}

/// Leaves out rows that a finding is about.
pub(crate) fn retain_rows(finding: &mut Finding, is_wanted: impl FnMut(&RequirementRef) -> bool) {
    finding.requirements.retain(is_wanted);
    if finding.listed.is_empty() {
        return;
    }
    let said = || finding.requirements.iter().map(|row| &row.said);
    let listed = and(&unique(said().map(|row| row.name.clone())));
    finding.message = finding.message.replacen(&finding.listed, &listed, 1);
    finding.notice = sentences(said().map(|row| row.notice.as_str()));
    finding.listed = listed;
}

/// What is to be seen at a rule or policy that refuses.
pub(crate) fn blocks(firewall: &Firewall, by: Decider) -> String {
    let verb = |verdict: Verdict| match verdict {
        Verdict::Drop => "drops",
        Verdict::Reject(_) => "rejects",
        Verdict::Accept => "accepts",
    };
    match by {
        Decider::Rule(id) if firewall.rules.rule(id).origin.why() == Some(Why::ImplicitDeny) => {
            format!("the implicit deny of `{}` drops it", chain(firewall, by))
        }
        Decider::Rule(id) if firewall.rules.chain(id.chain).kind.is_of_the_box() => {
            "this keeps it out".to_string()
        }
        Decider::Rule(id) => {
            let verdict = last_verdict(firewall, id);
            verdict.map_or("decides here".to_string(), |verdict| format!("this rule {} it", verb(verdict)))
        }
        Decider::Policy(hook, at) => {
            let stage = &firewall.rules.stages(hook)[at as usize];
            let policy = if stage.policy_origin.is_written() { "the policy" } else { "the implicit policy" };
            format!("{policy} {} it", verb(stage.policy))
        }
        Decider::End => "nothing lets it through".to_string(),
    }
}

/// Whether the text of what decides says the same as [`blocks`].
pub(crate) fn is_in_text(firewall: &Firewall, by: Decider) -> bool {
    let Decider::Rule(id) = by else { return false };
    let of_box = firewall.rules.chain(id.chain).kind.is_of_the_box();
    firewall.rules.rule(id).origin.why() != Some(Why::ImplicitDeny)
        && (of_box || last_verdict(firewall, id).is_some())
}

/// The verdict that a rule has at its end.
fn last_verdict(firewall: &Firewall, id: RuleId) -> Option<Verdict> {
    let steps = firewall.rules.steps_of(firewall.rules.rule(id));
    steps.iter().rev().find_map(|step| match step {
        Step::Effect(Effect::Verdict(verdict) | Effect::Pend(verdict)) => Some(*verdict),
        _ => None,
    })
}

/// The first rule of a firewall that gives connections a helper.
pub(crate) fn assigning(firewall: &Firewall, helper: &str) -> Option<Span> {
    let rules = &firewall.rules;
    let assigns =
        |effect: Effect| matches!(effect, Effect::Helper(id) if rules.helpers[id.index()] == helper);
    let mut all = rules.chains.iter().flat_map(|chain| &chain.rules);
    all.find(|rule| rules.effects(rules.steps_of(rule)).any(assigns)).map(|rule| rule.span())
}

/// What is to be seen at a rule or policy that lets through.
pub(crate) fn opens(by: Decider) -> &'static str {
    match by {
        Decider::Policy(..) => "what no rule stops gets through here",
        Decider::Rule(_) | Decider::End => "this lets it through",
    }
}

/// The protocols of a row as one word: rows of several are listed with others.
pub(crate) fn protocol(name: &str) -> String {
    name.replace(", ", "/")
}

/// A service by its transport and ports: `SIP (udp 5060)`.
pub(crate) fn service(row: &Requirement, transport: Transport, ports: &Set) -> String {
    format!("{} ({} {})", protocol(&row.protocol), transport.name(), self::ports(ports))
}

/// Where a row stands: `Port Security Reference Guide, table 1-1`.
pub(crate) fn document(product: &Product, row: &Requirement) -> String {
    let named = row.source.iter().filter_map(|id| product.document(id));
    let mut titles = unique(named.map(|document| document.document.clone()));
    if titles.is_empty() {
        titles.extend(product.documents.first().map(|document| document.document.clone()));
    }
    let titles = some(&titles, 1, "document");
    if row.table.is_empty() { titles } else { format!("{titles}, table {}", row.table) }
}

/// The short name of the chain or list of a rule or policy; empty where there is none yet.
pub(crate) fn chain(firewall: &Firewall, by: Decider) -> String {
    let id = match by {
        Decider::Rule(id) if firewall.rules.chain(id.chain).kind.is_of_the_box() => return String::new(),
        Decider::Rule(id) => id.chain,
        Decider::Policy(hook, at) => firewall.rules.stages(hook)[at as usize].chain,
        Decider::End => match firewall.rules.stages(Hook::Forward).first() {
            Some(stage) => stage.chain,
            None => return "FORWARD".to_string(),
        },
    };
    firewall.rules.chain(id).short_name().to_string()
}
