//! Findings as GitHub's workflow commands and GitLab's code quality report.

use std::io::{self, Write};

use serde::Serialize;

use super::machine::{Place, place};
use super::{Report, clean, json, told};
use crate::finding::Finding;
use crate::rule::Severity;
use crate::suppress::meaning;

/// Writes workflow commands, which GitHub shows beside the lines of a change.
///
/// Source: GitHub's documentation, "Workflow commands for GitHub Actions". Columns are left out of findings over
/// several lines, which GitHub refuses.
pub(super) fn github(report: &Report, out: &mut impl Write) -> io::Result<()> {
    for finding in report.findings {
        let level = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "notice",
        };
        let mut properties = Vec::new();
        if let Some(Place { file: Some(file), line, column, end_line, end_column }) =
            finding.span.map(|span| place(report.sources, span))
        {
            properties.push(format!("file={}", property(&file)));
            let numbers = [("line", line), ("endLine", end_line)];
            let columns = [("col", column), ("endColumn", end_column)];
            let columns = columns.into_iter().filter(|_| line == end_line);
            for (key, number) in numbers.into_iter().chain(columns) {
                properties.extend(number.map(|number| format!("{key}={number}")));
            }
        }
        let title = format!("{} {}", finding.code(), finding.lint().name);
        properties.push(format!("title={}", property(&title)));
        writeln!(out, "::{level} {}::{}", properties.join(","), data(&told(finding)))?;
    }
    Ok(())
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(&clean(text)).replace(':', "%3A").replace(',', "%2C")
}

/// One entry of a code quality report.
#[derive(Serialize)]
struct Quality<'a> {
    description: &'a str,
    check_name: &'a str,
    fingerprint: String,
    severity: &'a str,
    location: Location,
}

#[derive(Serialize)]
struct Location {
    path: String,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: u32,
    end: u32,
}

/// Writes the JSON that GitLab takes as a code quality report.
///
/// Source: GitLab's documentation, "Code Quality", *Code Quality report format*. What has no place is left out, as each
/// entry needs one.
pub(super) fn gitlab(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let entry = |finding: &'_ Finding| {
        let Place { file, line, end_line, .. } = place(report.sources, finding.span?);
        Some((file?, line?, end_line?))
    };
    let entries: Vec<Quality<'_>> = report
        .findings
        .iter()
        .filter_map(|finding| {
            let (path, begin, end) = entry(finding)?;
            Some(Quality {
                description: &finding.message,
                check_name: finding.code(),
                fingerprint: fingerprint(report, finding),
                severity: match finding.severity {
                    Severity::Error => "critical",
                    Severity::Warning => "minor",
                    Severity::Info => "info",
                },
                location: Location { path, lines: Lines { begin, end } },
            })
        })
        .collect();
    json(&entries, out)?;
    writeln!(out)
}

/// What a finding means, as [`meaning::of`] numbers it, with the names that reports show.
pub(super) fn fingerprint(report: &Report, finding: &Finding) -> String {
    meaning::of(finding, report.sources, |path| path.to_string_lossy().into_owned())
}
