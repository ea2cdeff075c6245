//! PH402 and PH409: rules that can be taken out, and nothing changes.

use std::cell::LazyCell;

use super::quiet::Loggers;
use super::{Lens, RELATED, Told, together, words_of};
use crate::analysis::anomaly::{Anomalies, Redundant, Unit};
use crate::dialect::programs;
use crate::finding::Finding;
use crate::model::{Effect, RuleId, Step, Test, Verdict};
use crate::packet::{Field, State};
use crate::rule::{PH402, PH409};
use crate::source::Span;

pub(super) fn check(lens: &Lens<'_>, found: &Anomalies) -> Vec<Told> {
    let loggers = LazyCell::new(|| Loggers::find(lens));
    let silent = |redundant: &&Redundant| {
        lens.is_the_fast_way(&redundant.unit)
            || lens.looks_into_nothing(&redundant.unit)
            || lens.asks_a_named_map(&redundant.unit)
            || lens.is_of_a_program(&redundant.unit)
            || lens.changes_the_log(&loggers, redundant)
    };
    let told = found.redundant.iter().filter(|redundant| !silent(redundant));
    let keyed = told.map(|redundant| {
        let places = lens.places(&lens.meeting(&redundant.unit, &redundant.by), &redundant.unit);
        let still = lens.still(&redundant.unit);
        ((places.clone(), still), (redundant, places, still))
    });
    let mut told: Vec<Told> = Vec::new();
    for group in together(keyed) {
        let Some((first, places, still)) = group.first() else { continue };
        let units: Vec<&Unit> = group.iter().map(|(redundant, ..)| &redundant.unit).collect();
        let mut finding = lens.redundant(&units, places, *still);
        for place in places.iter().take(RELATED) {
            finding = finding.related(*place, "does the same for its packets");
        }
        for other in &units[1..] {
            finding = finding.related(other.span, "can go as well");
        }
        debug_assert_eq!(finding.span, Some(first.unit.span));
        told.push(Told { finding, rules: units.iter().map(|unit| unit.span).collect() });
    }
    let noun = lens.noun();
    for repeats in &found.repeats {
        let message = format!("the {noun} does what the policy behind it does anyway");
        let finding = Finding::of(&PH409, repeats.unit.span, message)
            .label("without it every packet fares as with it")
            .help(format!("Remove the {noun}, or keep it should the policy ever change."));
        told.push(Told { finding, rules: Vec::new() });
    }
    told
}

impl Lens<'_> {
    /// PH402 for rules that can go for one reason.
    fn redundant(&self, units: &[&Unit], places: &[Span], still: Option<&'static str>) -> Finding {
        let (noun, nouns, count) = (self.noun(), self.nouns(), units.len());
        let who = match places.len() {
            0 => "what follows does the same for all that it matches".to_string(),
            1 => format!("{} the same and does the same", self.who(places, units[0].span)),
            _ => format!("{} the same and do the same", self.who(places, units[0].span)),
        };
        let message = match (still, count) {
            (Some(still), 1) => format!("the {noun} decides nothing, and only {still}: {who}"),
            (Some(still), _) => {
                format!("{count} {nouns} decide nothing, and only {}: {who}", still.trim_end_matches('s'))
            }
            (None, 1) => format!("the {noun} changes nothing: {who}"),
            (None, _) => format!("{count} {nouns} change nothing: {who}"),
        };
        let which = if count == 1 { format!("the {noun}") } else { format!("these {nouns}") };
        let what = if count == 1 { "it" } else { "them" };
        let help = match still {
            Some(still) if count == 1 => {
                format!("Keep it for what it {still}, or remove it: every packet fares as before.")
            }
            Some(_) => {
                "Keep them for what they note, or remove them: every packet fares as before.".to_string()
            }
            None => format!("Remove {which}: every packet fares as before."),
        };
        let mut finding = Finding::of(&PH402, units[0].span, message)
            .label(format!("without {what} every packet fares as with {what}"))
            .help(help);
        finding.careful = still.is_some();
        finding
    }

    /// Those of some rules which look for packets that a written rule looks for.
    pub(super) fn meeting(&self, unit: &Unit, by: &[RuleId]) -> Vec<RuleId> {
        let meets = |by: &&RuleId| unit.rules.iter().any(|own| self.can_meet(*own, **by));
        by.iter().filter(meets).copied().collect()
    }

    /// Whether a rule lets pass what belongs to connections and nothing else: where all is let through it changes
    /// nothing, and saves the box the walk.
    fn is_the_fast_way(&self, unit: &Unit) -> bool {
        let new = |step: &Step| match *step {
            Step::Test(Test::In { field: Field::State, values, negate }) => {
                Some(self.rules().values(values).contains(State::New as u128) != negate)
            }
            Step::Test(_) | Step::Effect(_) | Step::Lookup(_) => None,
        };
        unit.rules.iter().all(|id| {
            let steps = self.rules().steps_of(self.rules().rule(*id));
            let accepts = steps.contains(&Step::Effect(Effect::Verdict(Verdict::Accept)));
            accepts && steps.iter().find_map(new) == Some(false)
        })
    }

    /// Whether a rule looks up what to do in a map by its name: programs fill such while they run.
    fn asks_a_named_map(&self, unit: &Unit) -> bool {
        let marks = self.firewall.dialect.language().names_sets;
        let text = self.sources.map_or("", |sources| sources.text(unit.span));
        marks.iter().any(|mark| text.contains(&format!("map {mark}")))
    }

    /// Whether a rule stands in a chain that a program writes anew.
    pub(super) fn is_of_a_program(&self, unit: &Unit) -> bool {
        unit.rules.iter().all(|id| programs::makes_of(self.rules(), id.chain))
    }

    /// What a rule does besides deciding.
    fn still(&self, unit: &Unit) -> Option<&'static str> {
        let text = self.sources?.text(unit.span);
        words_of(text).find_map(|word| match word {
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
