//! The table `[check]`: which lints speak, how loud, and what is ignored.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Date;
use super::reader::{At, Placed, Problems, Table, text, texts, wrong_type};
use super::services::{self, Service};
use crate::rule::{Lint, Selection, Severity};
use crate::source::Span;

/// How to check a site.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Which lints speak.
    pub selection: Selection,
    /// The least severity that fails a run.
    pub fail_on: Option<Severity>,
    /// Severities that differ from the lints' own.
    pub severity: BTreeMap<&'static Lint, Severity>,
    /// Without devices, an opening of more ports than this is too wide (PH201).
    pub wide_range: u32,
    /// Services that are meant for a few who are known (PH207).
    pub services: Vec<Service>,
    /// Findings that are known and accepted.
    pub accepted: Vec<Ignore>,
    /// The file of findings that are known, a path as it can be opened.
    pub baseline: Option<PathBuf>,
    /// Where the site file says so, by key.
    pub origins: BTreeMap<&'static str, Span>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            selection: Selection::default(),
            fail_on: None,
            severity: BTreeMap::new(),
            wide_range: 1000,
            services: services::usual(),
            accepted: Vec::new(),
            baseline: None,
            origins: BTreeMap::new(),
        }
    }
}

/// An entry `[[check.ignore]]`: findings that somebody looked at and accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ignore {
    /// The lints.
    pub lints: Vec<&'static Lint>,
    /// The file or folder, a path as it can be opened; every file where `None`.
    pub file: Option<PathBuf>,
    /// Why.
    pub reason: String,
    /// The last day on which it holds.
    pub expires: Option<Date>,
    /// The entry's `rule` in the site file.
    pub span: Span,
}

impl Ignore {
    /// Whether the entry's last day is over.
    pub fn expired(&self, today: Date) -> bool {
        self.expires.is_some_and(|last| last < today)
    }
}

const CHECK: &[&str] = &["select", "ignore", "fail-on", "severity", "thresholds", "service", "baseline"];

/// Reads the table `[check]`.
pub(super) fn read(table: &DeTable, at: At, folder: &Path, problems: &mut Problems) -> Settings {
    let mut settings = Settings::default();
    let table = Table::new(table, at, "[check]", CHECK, problems);
    for key in CHECK {
        settings.origins.extend(table.get(key).map(|value| (*key, problems.span(&value.span()))));
    }
    if table.get("select").is_some() {
        let words = table.texts("select", problems);
        settings.selection.only = Some(words.iter().flat_map(|word| select(word, problems)).collect());
    }
    if let Some(value) = table.get("ignore") {
        ignore(value, folder, &mut settings, problems);
    }
    settings.fail_on = table.get("fail-on").and_then(|value| severity(value, "fail-on", problems));
    settings.baseline = table.optional("baseline", problems).map(|file| folder.join(file.value));
    if let Some((levels, at)) = table.table("severity", problems) {
        let known: Vec<&str> = levels.keys().map(|key| key.get_ref().as_ref()).collect();
        let levels = Table::new(levels, at, "[check.severity]", &known, problems);
        for (key, value) in levels.entries() {
            let word = Placed { value: key.value.to_string(), at: key.at };
            let found = select(&word, problems);
            if let Some(severity) = severity(value, key.value, problems) {
                settings.severity.extend(found.into_iter().map(|lint| (lint, severity)));
            }
        }
    }
    if let Some((thresholds, at)) = table.table("thresholds", problems) {
        let thresholds = Table::new(thresholds, at, "[check.thresholds]", &["wide-range"], problems);
        if let Some(ports) = thresholds.number("wide-range", 1..=65_536, problems) {
            settings.wide_range = ports;
        }
    }
    for (service, at) in table.tables("service", problems) {
        services::read(service, at, &mut settings.services, problems);
    }
    settings
}

/// The list `ignore` holds lints (by code or name), or tables (`[[check.ignore]]`), or both.
fn ignore(value: &Spanned<DeValue>, folder: &Path, settings: &mut Settings, problems: &mut Problems) {
    let DeValue::Array(items) = value.get_ref() else {
        wrong_type(&value.span(), "ignore", "a list", value.get_ref(), problems);
        return;
    };
    for item in items.iter() {
        match item.get_ref() {
            DeValue::Table(table) => {
                settings.accepted.extend(accepted(table, item.span(), folder, problems));
            }
            _ => {
                let word = text(item, "ignore", problems);
                settings.selection.without.extend(word.iter().flat_map(|word| select(word, problems)));
            }
        }
    }
}

fn accepted(table: &DeTable, at: At, folder: &Path, problems: &mut Problems) -> Option<Ignore> {
    let known = ["rule", "file", "reason", "expires"];
    let table = Table::new(table, at, "[[check.ignore]]", &known, problems);
    let rules = match table.get("rule") {
        Some(value) if value.get_ref().is_array() => texts(value, "rule", problems),
        Some(value) => text(value, "rule", problems).into_iter().collect(),
        None => {
            table.missing("rule", problems);
            Vec::new()
        }
    };
    let file = table.optional("file", problems).map(|file| folder.join(file.value));
    let reason = table.required("reason", problems);
    let expires = table.get("expires").and_then(|value| date(value, problems));
    let span = problems.span(&rules.first()?.at);
    let lints = rules.iter().flat_map(|word| select(word, problems)).collect();
    Some(Ignore { lints, file, reason: reason?.value, expires, span })
}

fn date(value: &Spanned<DeValue>, problems: &mut Problems) -> Option<Date> {
    if let DeValue::Datetime(when) = value.get_ref()
        && let (Some(date), None) = (when.date, when.time)
    {
        return Some(Date { year: date.year, month: date.month, day: date.day });
    }
    let (message, label) = ("`expires` takes a date", "no date");
    problems.add(&value.span(), message, label, "Write the last day, such as `2027-01-31`, without quotes.");
    None
}

pub(super) fn severity(value: &Spanned<DeValue>, key: &str, problems: &mut Problems) -> Option<Severity> {
    let word = text(value, key, problems)?;
    let severity = Severity::named(&word.value);
    if severity.is_none() {
        let message = format!("`{}` is no severity", word.value);
        problems.add(&word.at, message, "no severity", "Write `info`, `warning` or `error`.");
    }
    severity
}

fn select(word: &Placed<String>, problems: &mut Problems) -> Vec<&'static Lint> {
    match Lint::select(&word.value) {
        Ok(lints) => lints,
        Err(near) => {
            let help = match near {
                Some(near) => format!("Did you mean `{near}`?"),
                None => "`pinhole rule` lists all rules.".to_string(),
            };
            problems.add(&word.at, format!("there is no rule `{}`", word.value), "no such rule", help);
            Vec::new()
        }
    }
}
