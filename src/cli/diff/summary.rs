//! A whole change in a few sentences.

use super::Told;
use super::calls::Change;
use super::names::{Context, some};
use crate::analysis::compare::Kind;
use crate::explain::Works;
use crate::finding::Finding;
use crate::rule::Severity;

/// So much traffic of one kind is named; more is counted.
const FEW: usize = 2;
/// Characters of traffic that is named.
const SHORT: usize = 100;

/// What the change does, the worst first.
pub(super) fn summary(told: &Told<'_>) -> String {
    let mut parts = broken_calls(told);
    parts.extend(of_packets(told));
    parts.extend(mended_calls(told));
    let effect = match (parts.is_empty(), told.equal) {
        (false, _) => format!("The change {}", parts.join("; ")),
        (true, None) if told.pairs.iter().any(|pair| pair.is_apart) => {
            "Nothing was compared: one side has no rules for the packets of the other".to_string()
        }
        (true, None) if told.pairs.iter().all(|pair| pair.unknown.is_empty()) => {
            "No change in effect as far as the files are understood: one side has lines that are not"
                .to_string()
        }
        (true, None) => {
            "The effect of the change is not known: it would have taken too much work".to_string()
        }
        (true, Some(false)) if told.pairs.iter().any(|pair| !pair.unknown.is_empty()) => {
            "The change has more effects than can be listed".to_string()
        }
        (true, Some(true)) => "No change in effect: every packet fares as before".to_string(),
        (true, Some(false)) => "No change in effect for packets that belong where they come from".to_string(),
    };
    let findings = &told.findings;
    let new = counted("New findings", &findings.broken);
    let gone = counted("Findings gone", &findings.mended);
    format!("{effect}.{}{new}{gone}", untouched_calls(told))
}

/// What the change does to packets.
fn of_packets(told: &Told<'_>) -> Vec<String> {
    let mut parts = Vec::new();
    for (kinds, verb) in [
        (&[Kind::Opened][..], "opens"),
        (&[Kind::Closed][..], "closes"),
        (&[Kind::Retargeted][..], "redirects"),
        (&[Kind::MayOpen, Kind::MayClose, Kind::MayChange][..], "may change, depending on conditions,"),
        (&[Kind::Answered, Kind::Kept][..], "changes the answers of"),
        (&[Kind::Helped][..], "changes the helper of"),
    ] {
        let all = traffic(told, kinds);
        let is_short = all.len() <= FEW && all.iter().map(String::len).sum::<usize>() <= FEW * SHORT;
        parts.extend(match all.len() {
            0 => None,
            _ if is_short => Some(format!("{verb} {}", all.join(", and "))),
            count => Some(format!("{verb} {count} kinds of traffic")),
        });
    }
    match told.pairs.iter().filter(|pair| pair.dialects.contains(&None)).count() {
        0 => {}
        1 => parts.push("adds or removes 1 firewall".to_string()),
        alone => parts.push(format!("adds or removes {alone} firewalls")),
    }
    parts
}

/// The traffic of some kinds of effects in words.
fn traffic(told: &Told<'_>, kinds: &[Kind]) -> Vec<String> {
    let mut all = Vec::new();
    for pair in told.pairs {
        let context = Context { site: &told.sides.new.site, pair };
        let on = if pair.name.is_empty() { String::new() } else { format!(" on {}", pair.name) };
        all.extend(context.of_kinds(kinds).iter().map(|words| format!("{}{on}", words.sentence())));
    }
    all
}

/// Calls that fare otherwise, by their names: `3 calls (H.323 and SIP)`.
fn calls(told: &Told<'_>, is_one: impl Fn(&Change) -> bool) -> Option<String> {
    let all: Vec<&Change> = told.findings.calls.all.iter().filter(|change| is_one(change)).collect();
    let mut names: Vec<String> =
        all.iter().map(|change| change.state.title.trim_end_matches(" call").to_string()).collect();
    names.dedup();
    let names = some(&names, " and ");
    match all.len() {
        0 => None,
        1 => Some(format!("1 kind of call ({names})")),
        count => Some(format!("{count} kinds of call ({names})")),
    }
}

fn broken_calls(told: &Told<'_>) -> Vec<String> {
    let fail = calls(told, |change| change.broken() && change.is == Works::No);
    let may_fail = calls(told, |change| change.broken() && change.is == Works::Depends);
    let fail = fail.map(|calls| format!("breaks {calls}"));
    fail.into_iter().chain(may_fail.map(|calls| format!("puts {calls} in doubt"))).collect()
}

fn mended_calls(told: &Told<'_>) -> Option<String> {
    calls(told, |change| !change.broken()).map(|calls| format!("mends {calls}"))
}

/// That calls were looked at, and none fares otherwise.
fn untouched_calls(told: &Told<'_>) -> &'static str {
    let calls = &told.findings.calls;
    let untouched = calls.any && calls.all.is_empty();
    if untouched { " Each call that the site file knows works, or fails, as before." } else { "" }
}

/// How many findings there are, by their severity.
fn counted(what: &str, findings: &[Finding]) -> String {
    let of = |severity: Severity| {
        let count = findings.iter().filter(|finding| finding.severity == severity).count();
        let s = if count == 1 || severity == Severity::Info { "" } else { "s" };
        (count > 0).then(|| format!("{count} {}{s}", severity.name()))
    };
    let counts: Vec<String> =
        [Severity::Error, Severity::Warning, Severity::Info].into_iter().filter_map(of).collect();
    if counts.is_empty() { String::new() } else { format!(" {what}: {}.", counts.join(", ")) }
}
