//! Findings as SARIF 2.1.0, in the form that GitHub's code scanning takes.
//!
//! Source: the standard (OASIS, *Static Analysis Results Interchange Format 2.1.0*); GitHub's documentation, "SARIF
//! support for code scanning", for what is shown and the limits of an upload.

use std::cmp::Reverse;
use std::io::{self, Write};
use std::path::{Component, Path};

use rustc_hash::FxHashMap;
use serde_json::{Value, json};

use super::annotations::fingerprint;
use super::line_hash::line_hashes;
use super::machine::{Place, place};
use super::{Report, clean, told};
use crate::finding::Finding;
use crate::rule::{LINTS, Lint, Severity};
use crate::source::{SourceFile, Span};

/// An upload with more results is refused.
const MOST_RESULTS: usize = 25_000;
/// Related places of a result.
const MOST_RELATED: usize = 100;
/// Characters of a description.
const MOST_CHARACTERS: usize = 1024;

/// Writes one run.
pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let (placed, placeless): (Vec<&Finding>, Vec<&Finding>) =
        report.findings.iter().partition(|finding| finding.span.is_some());
    let results = Results { report, hashes: hashes(report, &placed) };
    let mut notes: Vec<Value> = placeless.into_iter().map(notification).collect();
    notes.extend(report.summary.failures.iter().map(|failure| note("error", failure)));
    let mut kept = placed;
    if kept.len() > MOST_RESULTS {
        let left = kept.len() - MOST_RESULTS;
        notes.push(note("warning", &format!("{left} findings are left out, none of them more severe")));
        kept.sort_by_key(|finding| Reverse(finding.severity));
        kept.truncate(MOST_RESULTS);
    }
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "pinhole",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": LINTS.iter().map(|lint| rule(lint)).collect::<Vec<_>>(),
            } },
            "automationDetails": { "id": "pinhole/" },
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": report.summary.failures.is_empty(),
                "toolExecutionNotifications": notes,
            }],
            "results": kept.iter().filter_map(|finding| results.result(finding)).collect::<Vec<_>>(),
        }],
    });
    super::json(&log, out)?;
    writeln!(out)
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn rule(lint: &Lint) -> Value {
    let (problem, security) = match lint.severity {
        Severity::Error => ("error", "8.0"),
        Severity::Warning => ("warning", "5.5"),
        Severity::Info => ("recommendation", "2.0"),
    };
    let tags = ["security"].into_iter().chain(lint.frameworks.iter().copied()).take(10);
    json!({
        "id": lint.code,
        "name": lint.name,
        "shortDescription": { "text": short(lint.summary) },
        "fullDescription": { "text": short(lint.summary) },
        "help": { "text": lint.text, "markdown": lint.text },
        "defaultConfiguration": { "level": level(lint.severity) },
        "properties": {
            "tags": tags.collect::<Vec<_>>(),
            "precision": "high",
            "problem.severity": problem,
            "security-severity": security,
        },
    })
}

/// The beginning of a description that is too long.
fn short(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARACTERS - 1) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_string(),
    }
}

fn note(level: &str, text: &str) -> Value {
    json!({ "level": level, "message": { "text": clean(text) } })
}

/// What is told of a finding, with links to the other places that matter.
fn message(finding: &Finding, related: &[Value]) -> String {
    let mut text = plain(&told(finding));
    for location in related {
        let words = location["message"]["text"].as_str().filter(|words| !words.is_empty());
        text += &format!("\n[{}]({})", plain(words.unwrap_or("see also")), location["id"]);
    }
    text
}

/// Text in which no bracket begins a link (SARIF, 3.11.6).
fn plain(text: &str) -> String {
    text.replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]")
}

/// What has no place, which results need.
fn notification(finding: &Finding) -> Value {
    let mut note = note(level(finding.severity), &finding.message);
    note["associatedRule"] = json!({ "id": finding.code() });
    note
}

/// The line fingerprints of the files that findings point at.
fn hashes(report: &Report, findings: &[&Finding]) -> FxHashMap<u32, Vec<String>> {
    let mut hashes: FxHashMap<u32, Vec<String>> = FxHashMap::default();
    for file in findings.iter().filter_map(|finding| report.sources.file_of(finding.span?)) {
        hashes.entry(file.base).or_insert_with(|| line_hashes(&file.text));
    }
    hashes
}

struct Results<'r, 'a> {
    report: &'r Report<'a>,
    /// By the base of the file.
    hashes: FxHashMap<u32, Vec<String>>,
}

impl Results<'_, '_> {
    fn result(&self, finding: &Finding) -> Option<Value> {
        let span = finding.span?;
        let file = self.report.sources.file_of(span)?;
        let related: Vec<Value> = finding
            .related
            .iter()
            .take(MOST_RELATED)
            .enumerate()
            .filter_map(|(at, label)| {
                let mut location = self.location(label.span)?;
                location["id"] = json!(at + 1);
                location["message"] = json!({ "text": clean(&label.message) });
                Some(location)
            })
            .collect();
        let line = file.place(span.start).line as usize;
        let hash = self.hashes.get(&file.base).and_then(|lines| lines.get(line.saturating_sub(1)));
        let mut prints = json!({ "pinhole/v1": fingerprint(self.report, finding) });
        if let Some(hash) = hash {
            prints["primaryLocationLineHash"] = json!(hash);
        }
        let mut result = json!({
            "ruleId": finding.code(),
            "ruleIndex": LINTS.iter().position(|lint| lint.code == finding.code()),
            "level": level(finding.severity),
            "message": { "text": message(finding, &related) },
            "locations": [self.location(span)?],
            "partialFingerprints": prints,
        });
        if !related.is_empty() {
            result["relatedLocations"] = json!(related);
        }
        if let Some(fix) = self.fix(finding) {
            result["fixes"] = json!([fix]);
        }
        Some(result)
    }

    fn location(&self, span: Span) -> Option<Value> {
        let file = self.report.sources.file_of(span)?;
        Some(json!({ "physicalLocation": {
            "artifactLocation": { "uri": uri(&file.path) },
            "region": self.region(span),
        } }))
    }

    fn region(&self, span: Span) -> Value {
        let Place { line, column, end_line, end_column, .. } = place(self.report.sources, span);
        json!({ "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column })
    }

    /// The changes to the files that mend the finding.
    fn fix(&self, finding: &Finding) -> Option<Value> {
        let mut changes: Vec<(&SourceFile, Vec<Value>)> = Vec::new();
        for edit in &finding.edits {
            let file = self.report.sources.file_of(edit.span)?;
            let replacement =
                json!({ "deletedRegion": self.region(edit.span), "insertedContent": { "text": edit.text } });
            match changes.iter_mut().find(|(known, _)| known.base == file.base) {
                Some((_, replacements)) => replacements.push(replacement),
                None => changes.push((file, vec![replacement])),
            }
        }
        let changes: Vec<Value> = changes
            .into_iter()
            .map(|(file, replacements)| {
                json!({ "artifactLocation": { "uri": uri(&file.path) }, "replacements": replacements })
            })
            .collect();
        let what = "puts in the rules that were tried, and mends this";
        (!changes.is_empty()).then(|| json!({ "description": { "text": what }, "artifactChanges": changes }))
    }
}

/// A path as a URI: relative to the current folder where it is below it.
fn uri(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let path = path.strip_prefix(&here).unwrap_or(path);
    let mut text = String::from(if path.is_absolute() { "file://" } else { "" });
    let mut first = true;
    for part in path.components() {
        let part = match part {
            Component::Normal(part) => part.to_string_lossy(),
            Component::ParentDir => "..".into(),
            Component::RootDir => {
                text.push('/');
                continue;
            }
            Component::CurDir | Component::Prefix(_) => continue,
        };
        if !first {
            text.push('/');
        }
        first = false;
        for byte in part.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(byte.into()),
                _ => text += &format!("%{byte:02X}"),
            }
        }
    }
    text
}
