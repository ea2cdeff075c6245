//! PH402 and PH409: rules that can be taken out, and nothing changes.

use super::Lens;
use crate::analysis::anomaly::{Anomalies, Unit};
use crate::finding::Finding;
use crate::rule::{PH402, PH409};

/// Places that a finding names beside its own.
const RELATED: usize = 10;

pub(super) fn check(lens: &Lens<'_>, found: &Anomalies, findings: &mut Vec<Finding>) {
    let noun = lens.noun();
    for redundant in &found.redundant {
        let places = lens.places(&redundant.by, &redundant.unit);
        let still = lens.still(&redundant.unit);
        let who = match places.len() {
            0 => "what follows does the same for all that it matches".to_string(),
            1 => format!("{} the same and does the same", lens.who(&places, redundant.unit.span)),
            _ => format!("{} the same and do the same", lens.who(&places, redundant.unit.span)),
        };
        let message = match still {
            Some(still) => format!("the {noun} decides nothing, and only {still}: {who}"),
            None => format!("the {noun} changes nothing: {who}"),
        };
        let help = match still {
            Some(still) => {
                format!("Keep it for what it {still}, or remove it: every packet fares as before.")
            }
            None => format!("Remove the {noun}: every packet fares as before."),
        };
        let mut finding = Finding::of(&PH402, redundant.unit.span, message)
            .label("without it every packet fares as with it")
            .help(help);
        finding.careful = still.is_some();
        for place in places.iter().take(RELATED) {
            finding = finding.related(*place, "does the same for its packets");
        }
        findings.push(finding);
    }
    for repeats in &found.repeats {
        let message = format!("the {noun} does what the policy behind it does anyway");
        let finding = Finding::of(&PH409, repeats.unit.span, message)
            .label("without it every packet fares as with it")
            .help(format!("Remove the {noun}, or keep it should the policy ever change."));
        findings.push(finding);
    }
}

impl Lens<'_> {
    /// What a rule does besides deciding.
    fn still(&self, unit: &Unit) -> Option<&'static str> {
        let text = self.sources?.text(unit.span);
        let mut words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
        words.find_map(|word| match word {
            "log" => Some("logs"),
            "counter" | "label" => Some("counts"),
            "queue" => Some("queues"),
            "modulate" | "synproxy" | "sloppy" => Some("says how connections are kept"),
            "route-to" | "reply-to" | "dup-to" | "rtable" => Some("routes"),
            "prio" | "tos" => Some("sets priorities"),
            _ => None,
        })
    }
}
