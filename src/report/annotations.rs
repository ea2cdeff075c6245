//! Findings as GitHub's workflow commands and GitLab's code quality report.

use std::io::{self, Write};

use serde::Serialize;

use super::machine::{Place, place};
use super::{Report, clean, json, told};
use crate::finding::Finding;
use crate::rule::Severity;

/// Writes workflow commands, which GitHub shows beside the lines of a change.
///
/// Source: GitHub's documentation, "Workflow commands for GitHub Actions". Columns are left out of findings over
/// several lines, which GitHub refuses.
pub fn github(report: &Report, out: &mut impl Write) -> io::Result<()> {
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
pub fn gitlab(report: &Report, out: &mut impl Write) -> io::Result<()> {
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

/// A number for what a finding means, wherever its lines have moved to: the lint, the file, the text that it points at,
/// the message, the devices and rows that it is about.
pub fn fingerprint(report: &Report, finding: &Finding) -> String {
    let mut parts: Vec<String> = vec![finding.code().to_string()];
    if let Some(span) = finding.span {
        parts.extend(report.sources.file_of(span).map(|file| file.path.to_string_lossy().into_owned()));
        parts.extend(report.sources.text(span).split_whitespace().map(str::to_string));
    }
    parts.push(finding.message.clone());
    parts.extend(finding.devices.iter().cloned());
    for row in &finding.requirements {
        let name = row.row.as_deref().unwrap_or_default();
        parts.push([&row.product, &row.service, name, &row.transport].join(" "));
    }
    // FNV-1a: it has to be the same in each version and on each machine.
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    let number = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{number:016x}")
}
