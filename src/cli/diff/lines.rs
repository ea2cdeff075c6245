//! The effects of a change, line by line.

use std::collections::BTreeMap;

use super::causes::Changed;
use super::likely::is_odd;
use super::pairs::{By, Pair, Seen, Unknown};
use super::sides::Side;
use super::{KINDS, Told, json, moved, names, values};
use crate::analysis::compare::Kind;
use crate::cli::trace;
use crate::source::{SourceId, Span};

/// Changed lines that are named as the cause of an effect.
const MOST_CAUSES: usize = 3;

/// An effect in words: several regions that differ in protocols and ports alone are one.
pub(super) struct Line {
    /// What becomes of the packets.
    pub kind: Kind,
    /// Which packets.
    pub words: names::Words,
    /// Who decides before and after.
    pub by: [By; 2],
    /// What it hangs on.
    pub depends_on: Vec<String>,
    /// What is particular to the kind.
    pub detail: String,
    /// One packet, as `pinhole trace --packet` takes it.
    pub example: String,
    /// The changed lines behind it.
    causes: Vec<Changed>,
    /// Whether the rules before and after stand on lines that changed.
    is_rule_changed: [bool; 2],
}

impl Line {
    /// Whether they differ in protocols, ports and the rules behind them alone.
    pub(super) fn is_beside(&self, other: &Line) -> bool {
        (self.kind, &self.detail, &self.depends_on) == (other.kind, &other.detail, &other.depends_on)
            && self.words.is_beside(&other.words)
    }

    /// The rule to name as the reason: that which lets it pass or refuses it now says more than what did nothing.
    pub(super) fn reason<'l>(&'l self, told: &'l Told<'_>) -> (&'l Side, &'l By) {
        let is_old = self.by[1].rule.is_none() && self.by[0].rule.is_some();
        if is_old { (&told.sides.old, &self.by[0]) } else { (&told.sides.new, &self.by[1]) }
    }

    /// Changed lines behind it beside those of the rules that are shown of each side, with their places. Where the rule
    /// that decides now is one, it is the cause.
    pub(super) fn changed(&self, told: &Told<'_>, shown: [bool; 2]) -> Vec<String> {
        let lines = [&told.sides.old, &told.sides.new].map(|side| {
            let place = |span: Span| Some((side.sources.id_at(span.start)?, side.place(span)?.1));
            move |by: &By| by.rule.or(by.policy).and_then(place)
        });
        let [old, new] = [lines[0](&self.by[0]), lines[1](&self.by[1])];
        let is = |cause: &Changed, side: usize, at: Option<(SourceId, u32)>| {
            cause.side == side && at == Some((cause.file, cause.line))
        };
        if self.by[1].rule.is_some() && self.is_changed(false) {
            return Vec::new();
        }
        let is_told = |cause: &&Changed| {
            let of_rule = |at: usize| shown[at] || self.by[at].rule.is_none();
            !(is(cause, 0, old) && of_rule(0) || is(cause, 1, new) && of_rule(1))
        };
        self.causes.iter().filter(is_told).take(MOST_CAUSES).map(|cause| cause.text(told.sides)).collect()
    }

    /// Whether the rule that decided before, or that decides now, stands on a line that changed.
    pub(super) fn is_changed(&self, old: bool) -> bool {
        self.is_rule_changed[usize::from(!old)]
    }
}

/// The effects on a firewall of one kind; `odd` are those on packets that do not belong where they come from.
pub(super) fn lines(told: &Told<'_>, pair: &Pair, kind: Kind, odd: bool) -> Vec<Line> {
    let context = names::Context { site: &told.sides.new.site, pair };
    let mut lines: Vec<Line> = Vec::new();
    for seen in pair.regions.iter().filter(|seen| seen.region.kind == kind) {
        if is_odd(context.site, pair, &seen.region) != odd {
            continue;
        }
        let words = context.words(&seen.region);
        let detail = detail(told, seen);
        let known = lines.iter_mut().find(|line| {
            line.by == seen.by
                && line.detail == detail
                && line.depends_on == seen.region.depends_on
                && line.words.is_beside(&words)
        });
        match known {
            Some(line) => line.words.add(words),
            None => lines.push(Line {
                kind,
                words,
                by: seen.by.clone(),
                depends_on: seen.region.depends_on.clone(),
                detail,
                example: example(seen),
                causes: pair.texts.causes.behind(told.sides, &seen.by),
                is_rule_changed: pair.texts.causes.are_changed(told.sides, &seen.by),
            }),
        }
    }
    lines
}

/// What else is to be said of a firewall: what was left out, is not known, or was not compared.
pub(super) fn notes(told: &Told<'_>, pair: &Pair) -> Vec<String> {
    moved::notes(told, pair)
        .into_iter()
        .chain(odd_ones(told, pair))
        .chain(replies(told, pair))
        .chain(limits(pair))
        .collect()
}

/// What is refused as before, with another answer to its sender: one example of each.
fn replies(told: &Told<'_>, pair: &Pair) -> Vec<String> {
    let mut all: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    for line in lines(told, pair, Kind::Replied, false) {
        all.entry(line.detail.clone()).or_default().push(line);
    }
    let said = |(detail, lines): (&String, &Vec<Line>)| {
        let one = lines[0].words.sentence();
        let more = lines.len() - 1;
        let more =
            if more > 0 { format!(" (and {more} more, which `--format json` lists)") } else { String::new() };
        format!("refused as before, with another answer to the sender ({detail}): {one}{more}")
    };
    all.iter().map(said).collect()
}

/// What is not known, or was not compared.
pub(super) fn limits(pair: &Pair) -> Vec<String> {
    let unknown = pair.unknown.iter().map(|Unknown { way, family, example: one }| {
        let (family, hook) = (json::family_name(*family), way.name());
        match one {
            Some(seen) => format!(
                "more differs for {family} packets, hook {hook}, than is listed; for example, {}: {}",
                names::kind(seen.region.kind).0,
                example(seen)
            ),
            None => format!(
                "unknown: what differs for {family} packets, hook {hook}: it would have taken too much work"
            ),
        }
    });
    unknown.chain(pair.not_compared.iter().map(|what| format!("not compared: {what}"))).collect()
}

/// How many effects there are on packets that do not belong where they come from, in words; empty where none.
fn odd_ones(told: &Told<'_>, pair: &Pair) -> Option<String> {
    let count: usize = KINDS.into_iter().map(|kind| lines(told, pair, kind, true).len()).sum();
    let effects = if count == 1 { "effect" } else { "effects" };
    (count > 0).then(|| {
        format!(
            "{count} more {effects} on packets that the site does not send this way, such as those with a source that is \
             behind another interface (`--format json` lists them)"
        )
    })
}

/// One packet as `pinhole trace --packet` takes it.
fn example(seen: &Seen) -> String {
    let packet = values::packet(seen.region.way.name(), &seen.region.witness);
    let words = packet.as_object().into_iter().flatten().map(|(key, value)| match value {
        serde_json::Value::String(text) => format!("{key}={text}"),
        serde_json::Value::Array(items) => {
            let items: Vec<&str> = items.iter().filter_map(|item| item.as_str()).collect();
            format!("{key}={}", items.join(","))
        }
        other => format!("{key}={other}"),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// What is particular to a kind of change.
fn detail(told: &Told<'_>, seen: &Seen) -> String {
    let region = &seen.region;
    let yes = |holds: bool| if holds { "yes" } else { "no" };
    match region.kind {
        Kind::Opened | Kind::Closed | Kind::MayOpen | Kind::MayClose | Kind::MayChange => String::new(),
        Kind::Retargeted => region.leaves.as_ref().map_or(String::new(), |[old, new]| {
            let site = &told.sides.new.site;
            let (old, new) =
                (names::leaves(site, region.family, old), names::leaves(site, region.family, new));
            format!("was {old}, is {new}")
        }),
        Kind::Helped => {
            let name = |helper: &Option<String>| helper.clone().unwrap_or_else(|| "none".to_string());
            format!("was {}, is {}", name(&region.helpers[0]), name(&region.helpers[1]))
        }
        Kind::Kept => format!("remembered before: {}, after: {}", yes(region.holds[0]), yes(region.holds[1])),
        Kind::Answered => {
            format!("answers pass before: {}, after: {}", yes(region.holds[0]), yes(region.holds[1]))
        }
        Kind::Replied => {
            let answer =
                |verdict| trace::reply_name(verdict, &region.witness).unwrap_or_else(|| "none".to_string());
            region
                .verdicts
                .map_or(String::new(), |[old, new]| format!("was {}, is {}", answer(old), answer(new)))
        }
    }
}

/// A rule or policy with its place.
pub(super) fn decider(side: &Side, by: &By) -> String {
    match by.rule {
        Some(span) => {
            let (file, line) = side.place(span).unwrap_or_default();
            format!("{file}:{line}: {}", trace::text(&side.sources, span))
        }
        None => json::by_words(side, by),
    }
}
