//! The machine-readable form. Version 1 is stable: keys are added, never renamed or removed.

use std::borrow::Cow;
use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use super::{Report, docs, json};
use crate::finding::{Edit, LegRef, OpensRef, RequirementRef, Witness};
use crate::rule::Severity;
use crate::source::{SourceMap, Span};

/// A report of `pinhole check`.
#[derive(Serialize, JsonSchema)]
pub(super) struct Output<'a> {
    version: u32,
    files: Vec<File<'a>>,
    sites: Vec<Site<'a>>,
    findings: Vec<Item<'a>>,
    summary: Summary,
}

#[derive(Serialize, JsonSchema)]
struct File<'a> {
    path: String,
    dialect: &'a str,
    rules: usize,
    way: Option<&'a str>,
}

/// One of several sites.
#[derive(Serialize, JsonSchema)]
struct Site<'a> {
    path: Option<Cow<'a, str>>,
    files: usize,
    findings: usize,
}

/// A finding.
#[derive(Serialize, JsonSchema)]
pub(super) struct Item<'a> {
    code: &'a str,
    name: &'a str,
    severity: Severity,
    message: &'a str,
    #[serde(flatten)]
    place: Place,
    devices: &'a [String],
    requirements: &'a [RequirementRef],
    leg: Option<&'a LegRef>,
    opens: &'a [OpensRef],
    depends_on: &'a [String],
    assumes: &'a [String],
    witness: Option<&'a Witness>,
    related: Vec<Related<'a>>,
    impact: &'a str,
    /// The same, by its earlier name.
    notice: &'a str,
    help: &'a str,
    /// Config lines to add.
    mend: Vec<&'a str>,
    /// The same as changes to the files.
    edits: Vec<Change<'a>>,
    docs: String,
    /// The site file, where there are several.
    site: Option<Cow<'a, str>>,
}

/// All null where there is no text to point at. Columns count characters from 1; the end column is the
/// one after the last character.
#[derive(Serialize, JsonSchema, Default)]
pub(super) struct Place {
    pub file: Option<String>,
    pub line: Option<u32>,
    pub column: Option<u32>,
    pub end_line: Option<u32>,
    pub end_column: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
struct Related<'a> {
    file: Option<String>,
    line: Option<u32>,
    message: &'a str,
}

/// Bytes `start` to `end` of a file become `text`.
#[derive(Serialize, JsonSchema)]
struct Change<'a> {
    file: String,
    start: u32,
    end: u32,
    text: &'a str,
}

#[derive(Serialize, JsonSchema)]
struct Summary {
    errors: usize,
    warnings: usize,
    infos: usize,
    hidden: usize,
    ignored: usize,
    suppressed: usize,
    baselined: usize,
    stale: usize,
    below: usize,
    by_rule: Vec<Count>,
    unread: usize,
    files: usize,
    rules: usize,
}

/// How many findings a lint has.
#[derive(Serialize, JsonSchema)]
struct Count {
    code: &'static str,
    count: usize,
}

/// Writes the report as one JSON object on one line.
pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let files = report.summary.files.iter().map(|file| File {
        path: file.path.to_string_lossy().into_owned(),
        dialect: file.dialect,
        rules: file.rules,
        way: file.way.as_deref(),
    });
    let sites = report.summary.sites.iter().map(|site| Site {
        path: site.path.as_ref().map(|path| path.to_string_lossy()),
        files: site.files.len(),
        findings: site.findings.len(),
    });
    let counts = report.statistics().into_iter();
    let output = Output {
        version: 1,
        files: files.collect(),
        sites: sites.collect(),
        findings: (0..report.findings.len()).map(|index| item(report, index)).collect(),
        summary: Summary {
            errors: report.count(Severity::Error),
            warnings: report.count(Severity::Warning),
            infos: report.count(Severity::Info),
            hidden: report.summary.unselected,
            ignored: report.summary.ignored,
            suppressed: report.summary.suppressed,
            baselined: report.summary.baselined,
            stale: report.summary.stale,
            below: report.summary.below,
            by_rule: counts.map(|(lint, count)| Count { code: lint.code, count }).collect(),
            unread: report.summary.unread,
            files: report.summary.files.len(),
            rules: report.summary.rules(),
        },
    };
    json(&output, out)?;
    writeln!(out)
}

/// Writes each finding as one JSON object on a line of its own.
pub(super) fn lines(report: &Report, out: &mut impl Write) -> io::Result<()> {
    for index in 0..report.findings.len() {
        json(&item(report, index), out)?;
        writeln!(out)?;
    }
    Ok(())
}

fn item<'a>(report: &Report<'a>, index: usize) -> Item<'a> {
    let finding = &report.findings[index];
    let related = finding.related.iter().map(|label| {
        let Place { file, line, .. } = place(report.sources, label.span);
        Related { file, line, message: &label.message }
    });
    Item {
        code: finding.code(),
        name: finding.lint().name,
        severity: finding.severity,
        message: &finding.message,
        place: finding.span.map(|span| place(report.sources, span)).unwrap_or_default(),
        devices: &finding.devices,
        requirements: &finding.requirements,
        leg: finding.leg.as_ref(),
        opens: &finding.opens,
        depends_on: &finding.depends_on,
        assumes: &finding.assumes,
        witness: finding.witness.as_ref(),
        related: related.collect(),
        impact: &finding.notice,
        notice: &finding.notice,
        help: &finding.help,
        mend: finding.mend.iter().flat_map(|mend| &mend.lines).map(String::as_str).collect(),
        edits: finding.edits.iter().filter_map(|edit| change(report.sources, edit)).collect(),
        docs: docs(finding.lint()),
        site: report.summary.site_of(index).map(|path| path.to_string_lossy()),
    }
}

fn change<'a>(sources: &SourceMap, edit: &'a Edit) -> Option<Change<'a>> {
    let file = sources.file_of(edit.span)?;
    let [start, end] = [edit.span.start, edit.span.end].map(|at| at - file.base);
    Some(Change { file: file.path.to_string_lossy().into_owned(), start, end, text: &edit.text })
}

pub(super) fn place(sources: &SourceMap, span: Span) -> Place {
    let Some(file) = sources.file_of(span) else { return Place::default() };
    let (start, end) = (file.place(span.start), file.place(span.end));
    Place {
        file: Some(file.path.to_string_lossy().into_owned()),
        line: Some(start.line),
        column: Some(start.column),
        end_line: Some(end.line),
        end_column: Some(end.column),
    }
}
