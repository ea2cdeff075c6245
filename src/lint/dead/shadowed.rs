//! PH401, PH403 and PH406: rules that never do anything.

use super::Lens;
use crate::analysis::anomaly::{Anomalies, Dead, Partly};
use crate::finding::Finding;
use crate::model::{Effect, RuleId, Step, Verdict};
use crate::rule::{Lint, PH401, PH403, PH406, Severity};

/// Places that a finding names beside its own.
const RELATED: usize = 10;

pub(super) fn check(lens: &Lens<'_>, found: &Anomalies, findings: &mut Vec<Finding>) {
    findings.extend(found.dead.iter().map(|dead| lens.dead(dead)));
    findings.extend(found.partly.iter().map(|partly| lens.partly(partly)));
}

impl Lens<'_> {
    fn dead(&self, dead: &Dead) -> Finding {
        let places = self.places(&dead.by, &dead.unit);
        let noun = self.noun();
        if let Some(twin) = dead.twin {
            let message = format!("the {noun} stands here once more");
            let related = self.rules().rule(twin).span;
            return Finding::of(&PH406, dead.unit.span, message)
                .label("does nothing that the other has not done")
                .related(related, format!("the same {noun}"))
                .help(format!(
                    "Remove one of the two. If another {noun} was meant, one of them has a slip."
                ));
        }
        let verb = self.verb(dead.unit.rules.first());
        let message = match places.len() {
            0 => format!("the {noun} never {verb}: no packet that it matches comes to it"),
            _ if dead.opposite => format!(
                "the {noun} never {verb}: {} all that it matches, and the opposite is done",
                self.who(&places, dead.unit.span)
            ),
            _ => {
                format!("the {noun} never {verb}: {} all that it matches", self.who(&places, dead.unit.span))
            }
        };
        let (lint, help): (&Lint, String) = match dead.opposite {
            true => (
                &PH403,
                format!(
                    "Decide which of them is right. If it is this {noun}, move it to where it comes first; if not, remove it."
                ),
            ),
            false => (&PH401, format!("Remove the {noun}, or move it to where it comes first.")),
        };
        let mut finding =
            Finding::of(lint, dead.unit.span, message).label("no packet is left for it").help(help);
        // Which of the two is right nobody can tell but the one who wrote them.
        finding.careful = dead.opposite;
        for place in places.iter().take(RELATED) {
            finding = finding.related(
                *place,
                if places.len() == 1 { "takes all its packets" } else { "takes some of its packets" },
            );
        }
        finding
    }

    fn partly(&self, partly: &Partly) -> Finding {
        let noun = self.noun();
        let places = self.places(&partly.by, &partly.unit);
        let verb = self.verb(partly.unit.rules.first());
        let which = match partly.dead.len() {
            1 => format!("1 of {} elements of the {noun} never {verb}", partly.of),
            count => format!("{count} of {} elements of the {noun} never {}", partly.of, self.plural(verb)),
        };
        let message = match places.len() {
            0 => format!("{which}: no packet that is meant comes to the {noun}"),
            _ => format!("{which}: {} all that is meant", self.who(&places, partly.unit.span)),
        };
        let mut finding = Finding::of(&PH401, partly.unit.span, message)
            .severity(Severity::Info)
            .label("works for the other elements")
            .help("Take the elements out, or leave them for the sake of order: they change nothing.");
        for element in partly.dead.iter().filter(|element| element.span != partly.unit.span).take(RELATED) {
            finding = finding.related(element.span, "no packet is left for this element");
        }
        for place in places.iter().take(RELATED) {
            finding = finding.related(*place, "takes packets first");
        }
        finding
    }

    /// What a rule would do.
    fn verb(&self, id: Option<&RuleId>) -> &'static str {
        let Some(id) = id else { return "applies" };
        let steps = self.rules().steps_of(self.rules().rule(*id));
        let decides = steps.iter().find_map(|step| match step {
            Step::Effect(Effect::Verdict(verdict) | Effect::Pend(verdict)) => Some(*verdict),
            Step::Effect(_) | Step::Test(_) | Step::Lookup(_) => None,
        });
        match decides {
            Some(Verdict::Accept) => "accepts",
            Some(Verdict::Drop) => "drops",
            Some(Verdict::Reject(_)) => "rejects",
            None => "applies",
        }
    }

    fn plural(&self, verb: &str) -> &'static str {
        match verb {
            "accepts" => "accept",
            "drops" => "drop",
            "rejects" => "reject",
            _ => "apply",
        }
    }
}
