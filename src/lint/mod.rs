//! The lints: the facts come from the analysis, the words are here, and each has a page in `rules/lints/`.

mod closable;
mod closed;
pub(crate) mod cores;
mod dead;
mod exposed;
mod exposure;
mod families;
mod forgotten;
mod inspected;
mod later;
mod mend;
mod openings;
pub(crate) mod promises;
mod reading;
pub(crate) mod requested;
mod requirements;
mod slips;
mod unreached;
mod untranslated;
mod witness;
pub(crate) mod words;

use rustc_hash::FxHashSet;

use crate::finding::Finding;
use crate::judge::{Desk, Judge, Near};
use crate::rule::{
    PH001, PH003, PH006, PH110, PH203, PH208, PH401, PH402, PH403, PH404, PH406, PH414, PH419, PH502, PH506,
    PH507, PH512, PH520, PH525, PH526, PH610,
};
use crate::site::{Flow, Party};
use crate::source::{SourceMap, Span};
use crate::threads;

#[cfg(feature = "lsp")]
pub(crate) use dead::LINTS as SEARCHED;
pub(crate) use mend::{Beyond, Files, Shop, Workshop, settle};
pub(crate) use words::retain_rows;

/// What the lints have to say of a site and its firewalls; what is not selected is not worked out. Without a workshop
/// no remedy is tried, and none printed.
pub(crate) fn check(judge: &Judge<'_>, workshop: Option<&Workshop<'_>>) -> Vec<Finding> {
    // Neither asks the other for anything.
    let (dead, mut findings) = threads::beside(|| dead::find(judge), || judged(judge, workshop));
    findings.extend(dead::check(judge, workshop, &dead));
    findings
}

/// What is found at once: all but rules that do nothing, and no remedy.
#[cfg(feature = "lsp")]
pub(crate) fn glance(judge: &Judge<'_>) -> Vec<Finding> {
    judged(judge, None)
}

/// What the lints say that ask what becomes of packets.
fn judged(judge: &Judge<'_>, workshop: Option<&Workshop<'_>>) -> Vec<Finding> {
    let selection = &judge.site.settings.selection;
    let mut findings = Vec::new();
    if selection.has_any(requirements::LINTS) {
        findings.extend(requirements::check(judge, workshop));
    }
    if selection.has_any(openings::LINTS) {
        findings.extend(openings::check(judge, workshop));
    }
    if selection.has_any(exposure::LINTS) {
        findings.extend(exposure::check(judge, workshop));
    }
    if selection.has(&PH610) {
        findings.extend(families::check(judge));
    }
    if selection.has(&PH502) {
        findings.extend(unreached::check(judge));
    }
    if selection.has(&PH506) {
        findings.extend(inspected::check(judge));
    }
    if selection.has(&PH507) {
        findings.extend(forgotten::check(judge));
    }
    if selection.has(&PH110) {
        findings.extend(promises::check(judge));
    }
    if selection.has(&PH520) {
        findings.extend(untranslated::check(judge));
    }
    findings
}

/// Leaves out what another finding says of the same place in better words, and what says that something is missing
/// where a part of the files was not read.
pub(crate) fn once(findings: &mut Vec<Finding>, sources: &SourceMap) {
    let idle: FxHashSet<Span> =
        findings.iter().filter(|f| f.lint() == &PH419).flat_map(Finding::places).collect();
    findings.retain(|f| {
        let dead = [&PH401, &PH402, &PH403, &PH406].contains(&f.lint());
        !dead || !f.span.is_some_and(|span| idle.contains(&span))
    });
    reading::once(findings, sources);
    let unread = [&PH001, &PH003, &PH006];
    if findings.iter().any(|finding| unread.contains(&finding.lint())) {
        findings.retain(|finding| ![&PH208, &PH404, &PH525, &PH526].contains(&finding.lint()));
    }
    let compared: Vec<Span> = findings.iter().filter(|f| f.lint() == &PH512).filter_map(|f| f.span).collect();
    findings.retain(|f| {
        let holds = |span: Span| compared.iter().any(|part| span.start <= part.start && part.end <= span.end);
        f.lint() != &PH401 || !f.span.is_some_and(holds)
    });
    let open: FxHashSet<Span> =
        findings.iter().filter(|f| f.lint() == &PH203).filter_map(|f| f.span).collect();
    findings.retain(|f| f.lint() != &PH414 || f.span.is_none_or(|span| !open.contains(&span)));
    reading::named(findings, sources);
}

/// How many legs of mandatory rows do not get through, and how much trouble there is in all: the less, the better a
/// site explains a config.
pub(crate) fn lacking(judge: &Judge<'_>) -> (usize, usize) {
    requirements::lacking(judge)
}

/// What there is to say of legs of rows, each between one address and one party, and what mends them.
pub(crate) fn about<'a>(
    judge: &Judge<'a>,
    workshop: Option<&Workshop<'_>>,
    asked: Vec<(Flow<'a>, Near, Party)>,
) -> Vec<Finding> {
    requirements::about(judge, workshop, &mut Desk::new(judge), asked)
}
