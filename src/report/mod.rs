//! Findings for people and for programs.

mod annotations;
mod clean;
pub(crate) mod columns;
mod concise;
mod evidence;
mod excerpt;
mod html;
mod human;
mod junit;
mod ladder;
mod line_hash;
mod log;
mod machine;
mod markdown;
pub(crate) mod markup;
mod matrix;
pub(crate) mod page;
mod redact;
mod request;
mod sarif;
mod svg;
mod ticket;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

pub(crate) use clean::{Screen, clean, json, json_text};
pub(crate) use human::{HumanOptions, fatal};
pub(crate) use ladder::write as ladder;
pub(crate) use log::write as log;
pub(crate) use matrix::{MatrixFormat, write as matrix};
pub(crate) use redact::{Named, Redact, Redactor};
pub(crate) use request::{ticket as request_ticket, write as request};
pub(crate) use svg::write as svg;
pub(crate) use ticket::write as ticket;

use crate::explain::told::{Told, ToldEntry};
use crate::finding::Finding;

use crate::rule::{Lint, Severity};
use crate::source::{SourceMap, Span};

/// One file that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct FileSummary {
    /// The path as it is shown to the user.
    pub path: PathBuf,
    /// The name of its dialect.
    pub dialect: &'static str,
    /// Rules as written.
    pub rules: usize,
    /// Which way its traffic was judged, such as `forwarded traffic`; `None` where none was.
    pub way: Option<String>,
}

/// One of several sites, or the files that are of none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct SiteSummary {
    /// The site file; `None` for files without one.
    pub path: Option<PathBuf>,
    /// Which findings are of it.
    pub findings: Range<usize>,
    /// Which files are of it.
    pub files: Range<usize>,
}

/// What a run did, besides its findings.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct RunSummary {
    /// The files that were read, in the order in which they were read.
    pub files: Vec<FileSummary>,
    /// Lints that were not asked, because `--select`, `--ignore` or the site file's `[check]` say so.
    pub unselected: usize,
    /// The sites that were checked, in the order of their findings and files; none where that is all one.
    pub sites: Vec<SiteSummary>,
    /// Findings left out by an entry `[[check.ignore]]` of the site file.
    pub ignored: usize,
    /// Findings left out by comments in the configs.
    pub suppressed: usize,
    /// Findings left out because a baseline has them.
    pub baselined: usize,
    /// Findings of a baseline that are gone.
    pub stale: usize,
    /// Findings that are not severe enough to be printed.
    pub below: usize,
    /// Say how many findings each lint has.
    pub statistics: bool,
    /// Files in folders that were not read, without those whose names tell that they are no configs.
    pub unread: usize,
    /// What could not be done, each in one sentence.
    pub failures: Vec<String>,
}

impl RunSummary {
    /// The site that a finding is of, by its place among the findings.
    fn site_of(&self, finding: usize) -> Option<&Path> {
        let at = self.sites.partition_point(|site| site.findings.end <= finding);
        self.sites.get(at)?.path.as_deref()
    }

    /// Rules as written, of all files.
    pub(crate) fn rules(&self) -> usize {
        self.files.iter().map(|file| file.rules).sum()
    }
}

/// All that a report says.
pub(crate) struct Report<'a> {
    /// Where the spans lead.
    pub sources: &'a SourceMap,
    /// The findings, in the order of [`sort`].
    pub findings: &'a [Finding],
    /// What the run did.
    pub summary: &'a RunSummary,
    /// What a page shows besides, site by site.
    pub views: &'a [SiteView],
}

/// What a page shows of a site besides its findings.
#[derive(Clone, Debug, Default)]
pub(crate) struct SiteView {
    /// The site file.
    pub name: Option<PathBuf>,
    /// The devices.
    pub devices: Vec<String>,
    /// Who must reach whom, and whether they can.
    pub matrix: Vec<ToldEntry>,
    /// Calls that do not work.
    pub ladders: Vec<Told>,
}

impl SiteSummary {
    /// The name for people.
    fn name(&self) -> String {
        match &self.path {
            Some(path) => clean(&path.to_string_lossy()),
            None => "without a site file".to_string(),
        }
    }
}

/// The forms of a report.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Format {
    /// Each finding with the lines that it is about
    #[default]
    Human,
    /// One line for each finding
    Concise,
    /// One JSON object, version 1
    Json,
    /// One JSON object a line for each finding
    Jsonl,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Workflow commands of GitHub Actions: annotations beside the lines
    Github,
    /// A code quality report of GitLab
    Gitlab,
    /// JUnit XML: a suite for each file
    Junit,
    /// Markdown, for a comment or a job's summary
    Markdown,
    /// CSV: findings by the controls of security frameworks
    Evidence,
    /// One page, with the ports of devices, who reaches whom, and the calls that do not work
    Html,
}

impl Report<'_> {
    /// Writes the report; `options` matter to the human form alone.
    pub(crate) fn write(
        &self,
        format: Format,
        options: &HumanOptions,
        mut out: &mut (impl Write + ?Sized),
    ) -> io::Result<()> {
        let out = &mut out;
        match format {
            Format::Human => human::write(self, options, out),
            Format::Concise => concise::write(self, out),
            Format::Json => machine::write(self, out),
            Format::Jsonl => machine::lines(self, out),
            Format::Sarif => sarif::write(self, out),
            Format::Github => annotations::github(self, out),
            Format::Gitlab => annotations::gitlab(self, out),
            Format::Junit => junit::write(self, out),
            Format::Markdown => markdown::write(self, out),
            Format::Evidence => evidence::write(self, out),
            Format::Html => html::write(self, out),
        }
    }

    /// How many findings each lint has, the most frequent first.
    fn statistics(&self) -> Vec<(&'static Lint, usize)> {
        let mut counts: BTreeMap<&Lint, usize> = BTreeMap::new();
        self.findings.iter().for_each(|finding| *counts.entry(finding.lint()).or_default() += 1);
        let mut counts: Vec<(&Lint, usize)> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| Reverse(*count));
        counts
    }

    /// How many findings are of this severity.
    fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

/// The JSON Schema of a report, and of one finding.
pub(crate) fn schemas() -> (schemars::Schema, schemars::Schema) {
    let generator = || schemars::generate::SchemaSettings::draft2020_12().for_serialize().into_generator();
    let report = generator().into_root_schema_for::<machine::Output<'static>>();
    (report, generator().into_root_schema_for::<machine::Item<'static>>())
}

/// Puts findings in the order of reports: path, place, code; those without a place come last.
pub(crate) fn sort(findings: &mut [Finding], sources: &SourceMap) {
    let path = |span: Span| sources.file_of(span).map(|file| file.path.as_path());
    findings.sort_by_cached_key(|finding| {
        let place: Option<(&Path, Span)> = finding.span.and_then(|span| Some((path(span)?, span)));
        (place.is_none(), place, finding.lint(), Reverse(finding.severity), finding.message.clone())
    });
}

/// The message as a sentence, what people notice, what to do, and the lines to add.
pub(crate) fn told(finding: &Finding) -> String {
    let mut text = finding.message.clone() + ".";
    for more in [&finding.notice, &finding.help] {
        if !more.is_empty() {
            text += "\n";
            text += more;
        }
    }
    for line in finding.mend.iter().flat_map(|mend| &mend.lines) {
        text += "\n    ";
        text += line;
    }
    text.lines().map(clean).collect::<Vec<_>>().join("\n")
}

/// How a user asks for the page of a lint.
fn docs(lint: &Lint) -> String {
    format!("pinhole rule {}", lint.code)
}

/// `1 rule`, `2 rules`.
fn counted(count: usize, one: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {one}{s}")
}

#[cfg(test)]
mod tests;
