//! PH401, PH403 and PH406: rules that never do anything.

use std::cell::LazyCell;

use rustc_hash::FxHashMap;

use super::{Lens, RELATED, Told, together, words_of};
use crate::analysis::anomaly::{Anomalies, Dead, Partly, Unit};
use crate::finding::Finding;
use crate::model::{ChainId, Effect, RuleId, Step, Test, Verdict};
use crate::rule::{Lint, PH401, PH403, PH406, Severity};
use crate::source::Span;

/// Words of options that decide about no packet, or not alone, and differ in rules that match the same.
const APART: [&str; 12] =
    ["allow-opts", "label", "log", "LOG", "prio", "queue", "quick", "tag", "tos", "ttl", "user", "NFLOG"];

/// For each chain the places of the rules that lead to it.
type Ways = FxHashMap<ChainId, Vec<Span>>;

pub(super) fn check(lens: &Lens<'_>, found: &Anomalies) -> Vec<Told> {
    let told = found
        .dead
        .iter()
        .filter(|dead| !lens.looks_into_nothing(&dead.unit) && !lens.is_of_a_program(&dead.unit));
    let keyed = told.map(|dead| {
        let places = lens.places(&lens.meeting(&dead.unit, &dead.by), &dead.unit);
        let twin = dead.twin.filter(|twin| lens.reads_alike(&dead.unit, *twin));
        // Where nothing comes to rules of one chain, it is for one reason.
        let chain = dead.unit.rules.first().filter(|_| places.is_empty()).map(|id| id.chain);
        let alone = lens.contradicts_itself(&dead.unit).then_some(dead.unit.span);
        ((places.clone(), twin, dead.opposite, dead.elsewhere, chain, alone), (dead, twin, places))
    });
    let ways = LazyCell::new(|| lens.ways());
    let mut told: Vec<Told> = Vec::new();
    for group in together(keyed) {
        let Some((first, twin, places)) = group.first() else { continue };
        let units: Vec<&Unit> = group.iter().map(|(dead, ..)| &dead.unit).collect();
        let mut finding = match twin {
            Some(twin) => lens.twin(&units, *twin),
            None if lens.contradicts_itself(&first.unit) => lens.contradiction(&first.unit),
            None if places.is_empty() => lens.with_ways(lens.dead(&units, places, first), &first.unit, &ways),
            None => lens.dead(&units, places, first),
        };
        for other in &units[1..] {
            finding = finding.related(other.span, "does nothing for the same reason");
        }
        told.push(Told { finding, rules: units.iter().map(|unit| unit.span).collect() });
    }
    let partly = found.partly.iter().map(|partly| lens.partly(partly));
    told.extend(partly.map(|finding| Told { finding, rules: Vec::new() }));
    told
}

impl Lens<'_> {
    /// PH406.
    fn twin(&self, units: &[&Unit], twin: RuleId) -> Finding {
        let noun = self.noun();
        let message = match units.len() {
            1 => format!("the {noun} stands here once more"),
            count => format!("the {noun} stands here and below {count} times more"),
        };
        Finding::of(&PH406, units[0].span, message)
            .label("does nothing that the other has not done")
            .related(self.rules().rule(twin).span(), format!("the same {noun}"))
            .help(format!(
                "Remove {}. If another {noun} was meant, one of them has a slip.",
                if units.len() == 1 { "one of the two" } else { "all but one of them" }
            ))
    }

    /// PH401 for a rule that matches nothing whatever is before it.
    fn contradiction(&self, unit: &Unit) -> Finding {
        let (noun, verb) = (self.noun(), self.verb(unit.rules.first()));
        let message = format!("the {noun} never {verb}: no packet is all that it asks for");
        let text = self.sources.map_or("", |sources| sources.text(unit.span));
        let fragments = ["-f", "--fragment", "frag", "frag-off"];
        let label = match words_of(text).any(|word| fragments.contains(&word)) {
            true => "connection tracking puts fragments together before they come here",
            false => "what is asked for here excludes each other, or is nothing",
        };
        Finding::of(&PH401, unit.span, message)
            .label(label)
            .help(format!("Correct the {noun}, or remove it."))
    }

    /// PH401 and PH403 for rules whose packets others take.
    fn dead(&self, units: &[&Unit], places: &[Span], first: &Dead) -> Finding {
        let (noun, count, opposite) = (self.noun(), units.len(), first.opposite);
        let verb = self.verb(units[0].rules.first());
        let alike = units.iter().all(|unit| self.verb(unit.rules.first()) == verb);
        let (which, matched, come) = match count {
            1 => (format!("the {noun} never {verb}"), "it matches", "comes to it"),
            _ => {
                let verb = self.plural(if alike { verb } else { "applies" });
                (format!("{count} {} never {verb}", self.nouns()), "they match", "comes to them")
            }
        };
        let message = match places.len() {
            0 => format!("{which}: no packet that {matched} {come}"),
            _ => {
                let who = self.who(places, units[0].span);
                let opposite = if opposite { ", and the opposite is done" } else { "" };
                let here = if first.elsewhere { "of what comes here, " } else { "" };
                format!("{which}: {here}{who} all that {matched}{opposite}")
            }
        };
        let this = if count == 1 { format!("this {noun}") } else { format!("these {}", self.nouns()) };
        let them = if count == 1 { "it" } else { "them" };
        let (lint, help): (&Lint, String) = match opposite {
            _ if places.is_empty() => (
                &PH401,
                format!("Remove {this}, or find out why the packets that {} meant for never come here.", {
                    if count == 1 { "it is" } else { "they are" }
                }),
            ),
            true => (
                &PH403,
                format!(
                    "Decide which of them is right. If it is {this}, move {them} to where {} first; if not, remove {them}.",
                    if count == 1 { "it comes" } else { "they come" }
                ),
            ),
            false if count == 1 => {
                (&PH401, format!("Remove the {noun}, or move it to where it comes first."))
            }
            false => (&PH401, format!("Remove {this}, or move them to where they come first.")),
        };
        let label =
            if count == 1 { "no packet is left for it" } else { "no packet is left for it and the others" };
        let mut finding = Finding::of(lint, units[0].span, message).label(label).help(help);
        // Which of the two is right nobody can tell but the one who wrote them. What refuses packets that something else
        // keeps away is a second defence.
        let refuses = units.iter().any(|unit| matches!(self.verb(unit.rules.first()), "drops" | "rejects"));
        finding.careful = opposite || places.is_empty() && refuses;
        let takes = match places.len() {
            1 if !first.elsewhere => "takes all its packets",
            _ => "takes some of its packets",
        };
        let takes = if count == 1 { takes } else { "takes packets first" };
        for place in places.iter().take(RELATED) {
            finding = finding.related(*place, takes);
        }
        finding
    }

    /// For each chain the rules that lead to it.
    fn ways(&self) -> Ways {
        let rules = self.rules();
        let mut ways = Ways::default();
        for rule in rules.chains.iter().flat_map(|chain| &chain.rules) {
            for to in rules.led_to(rule) {
                let known = ways.entry(to).or_default();
                if known.last() != Some(&rule.span()) {
                    known.push(rule.span());
                }
            }
        }
        ways
    }

    /// A finding with the rules that lead to a chain to which nothing comes of what one of its rules is for.
    fn with_ways(&self, finding: Finding, unit: &Unit, ways: &Ways) -> Finding {
        let chain = unit.rules.first().map(|id| id.chain);
        let leads = chain.and_then(|chain| ways.get(&chain)).into_iter().flatten().take(RELATED);
        leads.fold(finding, |finding, way| finding.related(*way, "leads there, for other packets"))
    }

    /// Whether two rules that say the same in the model do so as they are written. What decides about no packet may
    /// be what sets them apart; how packets are told is spelt in many ways.
    fn reads_alike(&self, unit: &Unit, twin: RuleId) -> bool {
        let Some(sources) = self.sources else { return true };
        let (one, other) = (sources.text(unit.span), sources.text(self.rules().rule(twin).span()));
        let names = self.firewall.dialect.language().names_sets;
        let plain = |text: &str| {
            !words_of(text).any(|word| APART.contains(&word)) && !names.iter().any(|mark| text.contains(mark))
        };
        plain(one) && plain(other) || one.split_whitespace().eq(other.split_whitespace())
    }

    /// Whether a rule asks for what no packet is.
    fn contradicts_itself(&self, unit: &Unit) -> bool {
        let never =
            |id: &RuleId| self.rules().steps_of(self.rules().rule(*id)).contains(&Step::Test(Test::Never));
        unit.rules.iter().all(never)
    }

    /// Whether nothing matches because a named set or map is empty: programs fill such while they run.
    pub(super) fn looks_into_nothing(&self, unit: &Unit) -> bool {
        let marks = self.firewall.dialect.language().names_sets;
        let text = self.sources.map_or("", |sources| sources.text(unit.span));
        let empty = |step: &Step| match *step {
            Step::Test(test) => test == Test::Never,
            Step::Lookup(map) => self.rules().map(map).entries.is_empty(),
            Step::Effect(_) => false,
        };
        let finds_nothing = |id: &RuleId| self.rules().steps_of(self.rules().rule(*id)).iter().any(empty);
        marks.iter().any(|mark| text.contains(mark)) && unit.rules.iter().all(finds_nothing)
    }

    fn partly(&self, partly: &Partly) -> Finding {
        let noun = self.noun();
        let places = self.places(&partly.by, &partly.unit);
        let verb = self.verb(partly.unit.rules.first());
        let which = match partly.dead.len() {
            1 => format!("1 of {} elements of the {noun} never {verb}", partly.of),
            count => format!("{count} of {} elements of the {noun} never {}", partly.of, self.plural(verb)),
        };
        let by_others = partly.by.iter().any(|id| partly.unit.rules.contains(id));
        let message = match places.len() {
            0 if by_others => format!("{which}: other elements match all that is meant"),
            0 => format!("{which}: no packet that is meant comes to the {noun}"),
            _ => format!("{which}: {} all that is meant", self.who(&places, partly.unit.span)),
        };
        let mut finding = Finding::of(&PH401, partly.unit.span, message)
            .severity(Severity::Info)
            .label("works for the other elements")
            .help(match partly.dead.len() {
                1 => "Take the element out, or leave it for the sake of order: it changes nothing.",
                _ => "Take the elements out, or leave them for the sake of order: they change nothing.",
            });
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
        if steps.iter().any(|step| matches!(step, Step::Effect(Effect::Nat(_)))) {
            return "applies";
        }
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
