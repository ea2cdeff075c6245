//! The lints: the facts come from the analysis, the words are here, and each has a page in `rules/lints/`.

mod closed;
mod cores;
mod dead;
mod exposed;
mod exposure;
mod families;
mod later;
mod mend;
mod openings;
pub mod pages;
mod requirements;
mod slips;
mod untranslated;
mod witness;
mod words;

use crate::finding::Finding;
use crate::judge::Judge;

pub use mend::{Files, Workshop};

/// What the lints have to say of a site and its firewalls. Without a workshop no remedy is tried, and none printed.
pub fn check(judge: &Judge<'_>, workshop: Option<&Workshop<'_>>) -> Vec<Finding> {
    let mut findings = requirements::check(judge, workshop);
    findings.extend(openings::check(judge));
    findings.extend(exposure::check(judge));
    findings.extend(families::check(judge));
    findings.extend(untranslated::check(judge));
    findings.extend(dead::check(judge, workshop.map(Workshop::sources)));
    findings
}

/// How many legs of mandatory rows do not get through, and how much trouble there is in all: the less, the better a
/// site explains a config.
pub fn lacking(judge: &Judge<'_>) -> (usize, usize) {
    requirements::lacking(judge)
}
