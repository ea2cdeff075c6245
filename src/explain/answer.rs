//! From the stages to the answer about the call.

use super::fate::Works;
use super::parties::Case;
use super::stages::{MODE, Ran};
use super::{Explanation, Row};
use crate::calls::{Call, Need, Stage};
use crate::catalog::Catalog;
use crate::site::RoutingMode;

/// What a stage comes to, in one of the gatekeeper's modes.
struct Result<'s> {
    stage: &'s Stage,
    works: Works,
    /// Under which condition the products have it at all.
    condition: Option<String>,
}

/// What the stages come to together.
#[derive(Default)]
struct Overall {
    works: Option<Works>,
    degraded: Vec<String>,
    depends_on: Vec<String>,
}

/// The answer about a call of which all stages were judged.
pub(super) fn whole<'a>(case: &Case<'_, 'a>, modes: &[RoutingMode], ran: Vec<Ran<'a>>) -> Explanation<'a> {
    let call = case.call;
    let per_mode: Vec<Overall> =
        modes.iter().map(|mode| overall(call, &results(call, &ran, *mode))).collect();
    let works = one(per_mode.iter().map(|overall| overall.works.unwrap_or(Works::Yes)));
    let differ = per_mode.windows(2).any(|pair| pair[0].works != pair[1].works);
    let under: Vec<String> = per_mode.iter().flat_map(|overall| overall.depends_on.clone()).collect();
    let degraded = unique(per_mode.into_iter().flat_map(|overall| overall.degraded));
    let mut rows: Vec<Row<'a>> = ran.into_iter().flat_map(|ran| ran.rows).collect();
    for row in rows.iter_mut().filter(|row| !row.modes.is_empty()) {
        row.fate.unless(MODE);
    }
    reach(call, &mut rows);
    let stood_in = stood_in(call, &rows);
    let counts = |row: &Row<'_>| {
        row.need == Need::Required && row.fate.works != Works::Yes && !stood_in.contains(&row.stage)
    };
    let first = rows.iter().position(|row| counts(row) && row.reached);
    let first =
        first.or_else(|| rows.iter().position(|row| row.fate.works != Works::Yes && works != Works::Yes));
    let mut depends_on = Vec::new();
    if works == Works::Depends {
        let on = rows.iter().filter(|row| counts(row)).flat_map(|row| row.fate.depends_on.iter().cloned());
        depends_on = unique(on.chain(under));
        if depends_on.is_empty() {
            depends_on = unique(rows.iter().flat_map(|row| row.fate.depends_on.iter().cloned()));
        }
        if differ && !depends_on.iter().any(|on| on == MODE) {
            depends_on.push(MODE.to_string());
        }
    }
    let assumes = unique(rows.iter().flat_map(|row| row.fate.assumes.iter().cloned()));
    let mut explanation = Explanation {
        from: case.caller.end.name.clone(),
        to: case.called.end.name.clone(),
        call: call.name.clone(),
        title: call.title.clone(),
        family: case.family,
        works,
        depends_on,
        rows,
        first,
        degraded,
        assumes,
        notes: Vec::new(),
    };
    notes(case, &mut explanation);
    explanation
}

/// The results of the stages that happen in a mode: each stage once.
fn results<'s>(call: &'s Call, ran: &[Ran<'_>], mode: RoutingMode) -> Vec<Result<'s>> {
    let mut results: Vec<(usize, Result<'s>)> = Vec::new();
    for one in ran.iter().filter(|ran| ran.modes.is_empty() || ran.modes.contains(&mode)) {
        match results.iter_mut().find(|(place, _)| *place == one.place) {
            Some((_, known)) => known.works = known.works.max(one.works),
            None => {
                let condition = one.rows.iter().find_map(|row| row.question.row.condition.clone());
                results.push((
                    one.place,
                    Result { stage: &call.stages[one.place], works: one.works, condition },
                ));
            }
        }
    }
    results.into_iter().map(|(_, result)| result).collect()
}

/// Whether the call works, on what that hangs, and what is worse than it could be.
fn overall(call: &Call, results: &[Result<'_>]) -> Overall {
    let mut overall = Overall::default();
    let mut works = Works::Yes;
    for stage in call.stages.iter().filter(|stage| stage.need == Need::Required) {
        let own = results.iter().find(|result| std::ptr::eq(result.stage, stage));
        let others: Vec<(Works, &Result<'_>)> =
            stage.instead.iter().filter_map(|name| standing(results, name)).collect();
        // What the products do not have at all, others always stand in for.
        let absent = own.is_none() && !others.is_empty();
        let Some(mut fares) = own.map(|own| own.works).or(absent.then_some(Works::No)) else { continue };
        for (other, result) in others.into_iter().filter(|_| own.is_none_or(|own| own.works != Works::Yes)) {
            let sure = absent || result.condition.is_none();
            let other = if sure { other } else { other.max(Works::Depends) };
            if other >= fares {
                continue;
            }
            fares = other;
            overall.degraded.extend(result.stage.worse.clone().filter(|_| !absent));
            if let (Some(condition), false, Works::Depends) = (&result.condition, sure, other) {
                overall.depends_on.push(format!("whether {condition}"));
            }
        }
        works = works.max(fares);
    }
    let optional: Vec<&Result<'_>> =
        results.iter().filter(|result| result.stage.need == Need::Optional).collect();
    for result in optional.iter().filter(|result| result.works == Works::No) {
        overall.degraded.push(format!("{}: {}", result.stage.title, result.stage.symptom));
    }
    // A call that needs nothing in particular works where something does.
    if !call.stages.iter().any(|stage| stage.need == Need::Required) {
        works = optional.iter().map(|result| result.works).min().unwrap_or(Works::Yes);
    }
    overall.works = Some(works);
    overall
}

/// How a stage fares that stands in for another one, with those that it needs.
fn standing<'r, 's>(results: &'r [Result<'s>], name: &str) -> Option<(Works, &'r Result<'s>)> {
    let found = results.iter().find(|result| result.stage.name == name)?;
    let with = |name: &String| results.iter().find(|result| result.stage.name == *name);
    let with = found.stage.with.iter().filter_map(with).map(|result| result.works);
    Some((with.chain([found.works]).max()?, found))
}

/// The stages for which others stand in.
fn stood_in(call: &Call, rows: &[Row<'_>]) -> Vec<String> {
    let works = |name: &String| {
        let mut of = rows.iter().filter(|row| row.stage == *name).peekable();
        of.peek().is_some() && of.all(|row| row.fate.works == Works::Yes)
    };
    let absent = |name: &String| !rows.iter().any(|row| row.stage == *name);
    let good = |name: &String| {
        let with = call.named(name).flat_map(|stage| &stage.with);
        works(name) && with.into_iter().all(|name| works(name) || absent(name))
    };
    let stages = call.stages.iter().filter(|stage| stage.instead.iter().any(good));
    stages.map(|stage| stage.name.clone()).collect()
}

/// Marks the rows of stages that are not reached: those that they come after were not, or fail.
fn reach(call: &Call, rows: &mut [Row<'_>]) {
    let mut lost: Vec<&str> = Vec::new();
    for stage in &call.stages {
        let reached = !stage.after.iter().any(|name| lost.contains(&name.as_str()));
        let mut fails = false;
        for row in rows.iter_mut().filter(|row| row.stage == stage.name) {
            row.reached = reached;
            fails |= row.fate.works == Works::No;
        }
        if (!reached || fails) && stage.need != Need::Optional {
            lost.push(&stage.name);
        }
    }
}

/// One answer for all: theirs where they agree.
fn one(mut all: impl Iterator<Item = Works>) -> Works {
    let Some(first) = all.next() else { return Works::Yes };
    if all.all(|other| other == first) { first } else { Works::Depends }
}

/// Each text once.
pub(super) fn unique(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    texts.for_each(|text| {
        if !all.contains(&text) {
            all.push(text);
        }
    });
    all
}

/// What else there is to know: stages that the site has nobody for.
fn notes(case: &Case<'_, '_>, explanation: &mut Explanation<'_>) {
    for stage in case.call.stages.iter().filter(|stage| stage.need == Need::Required) {
        let roles = stage.to.iter().filter_map(|who| match who {
            crate::calls::Who::Role(role) => Some(role),
            _ => None,
        });
        let missing = roles.filter(|role| case.of_role(role).is_empty());
        let there = explanation.rows.iter().any(|row| row.stage == stage.name);
        for role in missing.filter(|_| !there) {
            let title = filler(case.judge.catalog, role);
            explanation.notes.push(format!("The site has no {title}: {} is left out.", stage.title));
        }
    }
}

/// Who fills a role, for people, without an article.
pub(super) fn filler<'c>(catalog: &'c Catalog, role: &'c str) -> &'c str {
    let title = catalog.role(role).map_or(role, |role| role.title.as_str());
    title.trim_start_matches("a ").trim_start_matches("an ")
}

/// The explanation with which a call fares best; it says how the others fare.
pub(super) fn best(all: Vec<Explanation<'_>>) -> Explanation<'_> {
    let mut all: Vec<Explanation<'_>> = all;
    let failed = |explanation: &Explanation<'_>| {
        explanation.rows.iter().filter(|row| row.fate.works != Works::Yes).count()
    };
    all.sort_by_key(|explanation| (explanation.works, failed(explanation)));
    let others: Vec<String> = all
        .iter()
        .skip(1)
        .filter(|other| all.first().is_some_and(|first| first.works < other.works))
        .map(|other| format!("Over {} it does not work as well.", family(other)))
        .collect();
    let mut best = all.swap_remove(0);
    best.notes.extend(unique(others.into_iter()));
    best
}

fn family(explanation: &Explanation<'_>) -> &'static str {
    match explanation.family {
        crate::packet::Family::V4 => "IPv4",
        crate::packet::Family::V6 => "IPv6",
    }
}
