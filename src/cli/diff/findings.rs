//! What is wrong after a change that was not before, and the reverse: by meaning, not by line.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value as Json, json};

use super::Failure;
use super::calls::{self, CallChanges, Surveyed};
use super::sides::{Side, Sides};
use crate::cli::input::catalog_of;
use crate::finding::{Finding, RequirementRef};
use crate::lint::retain_rows;
use crate::report::{self, Format, HumanOptions, Report, RunSummary};
use crate::rule::PH110;
use crate::session::Session;
use crate::site::Date;
use crate::suppress::Checked;
use crate::threads;

/// Findings of one side alone.
#[derive(Default)]
pub(super) struct Findings {
    /// New ones.
    pub broken: Vec<Finding>,
    /// Those that are gone.
    pub mended: Vec<Finding>,
    /// The new ones as `check --format json` has them.
    pub broken_json: Vec<Json>,
    /// The gone ones likewise.
    pub mended_json: Vec<Json>,
    /// The calls of the site that fare otherwise.
    pub calls: CallChanges,
}

impl Findings {
    /// Checks both sides, and leaves out what they have in common.
    pub(super) fn of(sides: &mut Sides) -> Result<Findings, Failure> {
        let both = [&mut sides.old, &mut sides.new].map(Mutex::new);
        let of = |side: &Mutex<&mut Side>| checked(&mut side.lock().unwrap_or_else(PoisonError::into_inner));
        let mut done = threads::each(&both, of).into_iter();
        let (Some(old), Some(new)) = (done.next(), done.next()) else { return Ok(Findings::default()) };
        let ((old, old_calls), (new, new_calls)) = (old?, new?);
        let broken = beyond(&sides.new, &new, &sides.old, &old);
        let mended = beyond(&sides.old, &old, &sides.new, &new);
        let (broken_json, mended_json) = (as_json(&sides.new, &broken)?, as_json(&sides.old, &mended)?);
        let calls = CallChanges::between(old_calls, new_calls);
        Ok(Findings { broken, mended, broken_json, mended_json, calls })
    }

    /// The promises of the site file that one side alone breaks.
    pub(super) fn expectations(&self) -> Vec<Json> {
        let listed = |findings: &[Json], change: &str| -> Vec<Json> {
            let promises = findings.iter().filter(|finding| finding["code"] == PH110.code);
            promises.map(|finding| json!({ "change": change, "finding": finding })).collect()
        };
        let mut all = listed(&self.broken_json, "broken");
        all.extend(listed(&self.mended_json, "mended"));
        all
    }
}

/// All that is wrong on a side, and how its calls fare.
fn checked(side: &mut Side) -> Result<(Vec<Finding>, Surveyed), Failure> {
    let catalog = catalog_of(&side.site, &[])?;
    let configs = std::mem::take(&mut side.configs);
    let site = std::mem::take(&mut side.site);
    let session = Session::new(site, catalog.clone(), configs, None, &mut side.sources);
    let today = Date::today();
    let findings = session.check(today, &side.sources);
    let checked = Checked {
        settings: &session.site().settings,
        files: session.files(&side.sources),
        whole: session.is_whole(),
        today,
        sources: &side.sources,
        everything: false,
    };
    let mut told = checked.tell(findings).findings;
    report::sort(&mut told, &side.sources);
    let calls = calls::of(&session, side, &catalog)?;
    side.site = session.site().clone();
    Ok((told, calls))
}

/// What a finding is about, whatever its lines: for one about rows of the catalog, row by row.
fn meanings(side: &Side, finding: &Finding) -> Vec<String> {
    let said = format!("{}|{:?}|{:?}", finding.code(), finding.severity, finding.depends_on);
    let row = |row: &RequirementRef| {
        let RequirementRef { device, product, row, service, transport, blocked, .. } = row;
        format!("{said}|{device}|{product}|{row:?}|{service}|{transport}|{blocked:?}")
    };
    match finding.requirements.is_empty() {
        true => vec![format!("{said}|{:?}|{}", finding.devices, side.said(&finding.message))],
        false => finding.requirements.iter().map(row).collect(),
    }
}

/// The findings of a side that the other has not; of equal ones as many as it has more. One about several rows, of
/// which the other side has some as well, is about the rest.
fn beyond(side: &Side, findings: &[Finding], other: &Side, others: &[Finding]) -> Vec<Finding> {
    let mut left: HashMap<String, usize> = HashMap::new();
    for meaning in others.iter().flat_map(|finding| meanings(other, finding)) {
        *left.entry(meaning).or_default() += 1;
    }
    let mut alone = Vec::new();
    for finding in findings {
        let fresh: Vec<bool> = meanings(side, finding)
            .iter()
            .map(|meaning| match left.get_mut(meaning) {
                Some(count) if *count > 0 => {
                    *count -= 1;
                    false
                }
                _ => true,
            })
            .collect();
        if !fresh.contains(&true) {
            continue;
        }
        let mut finding = finding.clone();
        if fresh.contains(&false) {
            let mut fresh = fresh.iter();
            retain_rows(&mut finding, |_| *fresh.next().unwrap_or(&true));
        }
        alone.push(finding);
    }
    alone
}

/// Findings as `check --format json` prints them.
fn as_json(side: &Side, findings: &[Finding]) -> Result<Vec<Json>, Failure> {
    let mut all = printed(side, findings, Format::Json)?;
    Ok(all["findings"].as_array_mut().map(std::mem::take).unwrap_or_default())
}

/// Findings as `check` prints them in a form that is JSON, with the names of files as people know them.
pub(super) fn printed(side: &Side, findings: &[Finding], format: Format) -> Result<Json, Failure> {
    let report = Report { sources: &side.sources, findings, summary: &RunSummary::default(), views: &[] };
    let mut bytes = Vec::new();
    report.write(format, &HumanOptions { color: false, links: false, max_findings: 0 }, &mut bytes)?;
    let mut all: Json = serde_json::from_slice(&bytes)?;
    said(side, &mut all);
    Ok(all)
}

/// Takes away the folder where files of a revision lie.
fn said(side: &Side, value: &mut Json) {
    match value {
        Json::String(text) => *text = side.said(text),
        Json::Array(items) => items.iter_mut().for_each(|item| said(side, item)),
        Json::Object(items) => items.values_mut().for_each(|item| said(side, item)),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}
