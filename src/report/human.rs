//! Findings with the lines that they are about, for people at a terminal.

use std::cmp::Reverse;
use std::fmt;
use std::io::{self, Write};

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode};

use rustc_hash::FxHashMap;

use super::clean::link;
use super::columns::{columns, wrap};
use super::excerpt::{CONTEXT, Excerpt};
use super::{FileSummary, Report, SiteSummary, clean, counted, docs};
use crate::finding::{Finding, RequirementRef};
use crate::ports::list_text;
use crate::rule::{Lint, Severity};
use crate::source::{SourceFile, SourceMap, Span};

/// Width of the text that is wrapped, in columns.
const WIDTH: usize = 100;
/// Other places shown of one finding.
const MAX_RELATED: usize = 8;
/// Rows of the catalog shown of one finding.
const MAX_ROWS: usize = 12;

/// Files named one by one in the summary.
const MAX_FILES: usize = 4;

/// How the human form looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HumanOptions {
    /// Whether to use colours.
    pub color: bool,
    /// Whether places are links that terminals can open.
    pub links: bool,
    /// At most this many findings are printed, the most severe ones.
    pub max_findings: usize,
}

/// Writes the findings and the summary.
pub(super) fn write(report: &Report, options: &HumanOptions, out: &mut impl Write) -> io::Result<()> {
    let printer = Printer { links: options.links, ..Printer::new(report.sources, options.color) };
    let shown = most_severe(report, options.max_findings);
    let sites = &report.summary.sites;
    let mut site = None;
    for index in &shown {
        let here = sites.partition_point(|site| site.findings.end <= *index);
        if sites.len() > 1 && site.replace(here) != Some(here) {
            printer.site(&sites[here], out)?;
        }
        printer.finding(&report.findings[*index], out)?;
    }
    if shown.len() < report.findings.len() {
        let more = counted(report.findings.len() - shown.len(), "more finding");
        writeln!(out, "and {more}, none more severe; `--format concise` lists all\n")?;
    }
    summary(report, &printer.paint, out)
}

/// Writes findings that kept a run from its work, such as those of a broken site file.
pub(crate) fn fatal(
    sources: &SourceMap,
    findings: &[Finding],
    color: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    let printer = Printer::new(sources, color);
    findings.iter().try_for_each(|finding| printer.finding(finding, out))
}

/// The places of the `max` most severe findings, in the order of the report. Among equally severe ones, the first of each
/// code in each file come before the second ones, so that a fault that a file repeats hides no other.
fn most_severe(report: &Report<'_>, max: usize) -> Vec<usize> {
    let mut seen: FxHashMap<(Option<u32>, &Lint), usize> = FxHashMap::default();
    let mut order: Vec<(Reverse<Severity>, usize, usize)> = Vec::new();
    for (index, finding) in report.findings.iter().enumerate() {
        let file = finding.span.and_then(|span| report.sources.file_of(span)).map(|file| file.base);
        let earlier = seen.entry((file, finding.lint())).or_default();
        order.push((Reverse(finding.severity), *earlier, index));
        *earlier += 1;
    }
    order.sort_unstable();
    let mut shown: Vec<usize> = order.into_iter().take(max).map(|(_, _, index)| index).collect();
    shown.sort_unstable();
    shown
}

/// What one call of miette's handler prints: a line of text, and labels in one file.
#[derive(Debug)]
struct Snippet {
    severity: Severity,
    message: String,
    excerpt: Option<Excerpt>,
    labels: Vec<LabeledSpan>,
}

impl fmt::Display for Snippet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Snippet {}

impl Diagnostic for Snippet {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Info => miette::Severity::Advice,
        })
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.excerpt.as_ref().map(|excerpt| excerpt as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}

struct Printer<'a> {
    sources: &'a SourceMap,
    handler: GraphicalReportHandler,
    paint: Paint,
    links: bool,
}

impl<'a> Printer<'a> {
    fn new(sources: &'a SourceMap, color: bool) -> Self {
        let theme = if color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_links(false)
            .with_width(WIDTH)
            .with_wrap_lines(false)
            .with_context_lines(CONTEXT);
        Printer { sources, handler, paint: Paint { on: color }, links: false }
    }

    /// The line before the findings of one of several sites.
    fn site(&self, site: &SiteSummary, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}\n", self.paint.strong(&format!("── {} ──", site.name())))
    }

    fn finding(&self, finding: &Finding, out: &mut impl Write) -> io::Result<()> {
        self.header(finding, out)?;
        let main = finding.span.and_then(|span| Some((self.sources.file_of(span)?, span)));
        let related = &finding.related[..finding.related.len().min(MAX_RELATED)];
        let mut elsewhere: Vec<(&SourceFile, Vec<(Span, &str)>)> = Vec::new();
        let mut here = Vec::new();
        for label in related {
            let Some(file) = self.sources.file_of(label.span) else { continue };
            if main.is_some_and(|(main, _)| main.base == file.base) {
                here.push((label.span, label.message.as_str()));
                continue;
            }
            match elsewhere.iter_mut().find(|(other, _)| other.base == file.base) {
                Some((_, labels)) => labels.push((label.span, &label.message)),
                None => elsewhere.push((file, vec![(label.span, &label.message)])),
            }
        }
        let file = main.map(|(file, span)| {
            here.insert(0, (span, finding.label.as_str()));
            file
        });
        self.snippet(finding.severity, clean(&finding.message), file, &here, out)?;
        for (file, labels) in elsewhere {
            let message = format!("see also `{}`", clean(&file.path.to_string_lossy()));
            self.snippet(Severity::Info, message, Some(file), &labels, out)?;
        }
        if related.len() < finding.related.len() {
            writeln!(out, "  and {}", counted(finding.related.len() - related.len(), "more place"))?;
        }
        self.footer(finding, out)
    }

    /// `error[PH101] blocked-mandatory-port: edge.rules:14:1`
    fn header(&self, finding: &Finding, out: &mut impl Write) -> io::Result<()> {
        let word = format!("{}[{}]", finding.severity.name(), finding.code());
        write!(out, "{} {}", self.paint.severity(finding.severity, &word), finding.lint().name)?;
        if let Some(span) = finding.span
            && let Some(file) = self.sources.file_of(span)
        {
            let place = file.place(span.start);
            let said = format!("{}:{}:{}", clean(&file.path.to_string_lossy()), place.line, place.column);
            let link = if self.links { link(&file.path, &said) } else { None };
            write!(out, ": {}", link.unwrap_or(said))?;
        }
        writeln!(out)
    }

    fn snippet(
        &self,
        severity: Severity,
        message: String,
        file: Option<&SourceFile>,
        labels: &[(Span, &str)],
        out: &mut impl Write,
    ) -> io::Result<()> {
        // Behind the sign of the severity and two blanks on either side.
        let message = wrap(&message, WIDTH - 4).join("\n");
        let mut snippet = Snippet { severity, message, excerpt: None, labels: Vec::new() };
        if let Some(file) = file {
            let spans: Vec<Span> = labels.iter().map(|(span, _)| *span).collect();
            let (excerpt, spans) = Excerpt::new(file, &spans);
            let labelled = spans.iter().zip(labels).enumerate().map(|(index, (span, (_, text)))| {
                let text = Some(clean(text)).filter(|text| !text.is_empty());
                match index {
                    0 => LabeledSpan::new_primary_with_span(text, *span),
                    _ => LabeledSpan::new_with_span(text, *span),
                }
            });
            snippet.labels = labelled.collect();
            snippet.excerpt = Some(excerpt);
        }
        let mut text = String::new();
        self.handler.render_report(&mut text, &snippet).map_err(io::Error::other)?;
        out.write_all(text.as_bytes())
    }

    fn footer(&self, finding: &Finding, out: &mut impl Write) -> io::Result<()> {
        let rows = &finding.requirements[..finding.requirements.len().min(MAX_ROWS)];
        let several = rows.iter().any(|row| row.device != rows[0].device);
        for (index, row) in rows.iter().enumerate() {
            let word = if index == 0 { self.paint.strong("rows:") } else { "     ".to_string() };
            writeln!(out, "  {word} {}", clean(&describe(row, several)))?;
        }
        if rows.len() < finding.requirements.len() {
            writeln!(out, "        and {}", counted(finding.requirements.len() - rows.len(), "more row"))?;
        }
        self.paragraph("depends on", &finding.depends_on.join(", "), out)?;
        self.paragraph("assumes", &finding.assumes.join(", "), out)?;
        self.paragraph("impact", &finding.notice, out)?;
        self.paragraph("help", &finding.help, out)?;
        for mend in &finding.mend {
            if !mend.place.is_empty() {
                writeln!(out, "        {}:", clean(&mend.place))?;
            }
            let lines = &mend.lines[..mend.lines.len().min(MAX_ROWS)];
            for line in lines {
                writeln!(out, "          {}", self.paint.strong(&clean(line)))?;
            }
            if lines.len() < mend.lines.len() {
                writeln!(out, "          … and {} more", mend.lines.len() - lines.len())?;
            }
        }
        if let (Some(witness), true) = (&finding.witness, finding.witness_here)
            && let Some(file) = finding.span.and_then(|span| self.sources.file_of(span))
        {
            let path = file.path.display();
            let command = format!("pinhole trace {path} --packet \"{witness}\"");
            writeln!(out, "  {} {}", self.paint.strong("try:"), clean(&command))?;
        }
        self.paragraph("docs", &docs(finding.lint()), out)?;
        writeln!(out)
    }

    /// Prints `  word: text`, wrapped; nothing where there is no text. Lines that are indented stay as they
    /// are: they are config text to copy.
    fn paragraph(&self, word: &str, text: &str, out: &mut impl Write) -> io::Result<()> {
        if text.trim().is_empty() {
            return Ok(());
        }
        let indent = word.len() + 4;
        write!(out, "  {}", self.paint.strong(&format!("{word}:")))?;
        let mut column = indent - 1;
        for line in text.lines() {
            if line.starts_with(' ') {
                write!(out, "\n{:indent$}{}", "", clean(line.trim_end()))?;
                column = WIDTH;
                continue;
            }
            for piece in line.split_whitespace() {
                let piece = clean(piece);
                let width = columns(&piece);
                if column + 1 + width > WIDTH && column >= indent {
                    write!(out, "\n{:indent$}{piece}", "")?;
                    column = indent + width;
                } else {
                    write!(out, " {piece}")?;
                    column += 1 + width;
                }
            }
        }
        writeln!(out)
    }
}

/// A row of the catalog in one line, with the device where the finding is about several.
fn describe(row: &RequirementRef, several: bool) -> String {
    let name = row.row.as_deref().unwrap_or(&row.service);
    let mut text = if several {
        format!("{}: {name}, {}", row.device, row.transport)
    } else {
        format!("{name}, {}", row.transport)
    };
    if !row.ports.is_empty() {
        text += &format!(" {}", ranges(&row.ports));
    }
    if !row.blocked.is_empty() && row.blocked != row.ports {
        text += &format!(", affected: {}", ranges(&row.blocked));
    }
    let table = if row.table.is_empty() { String::new() } else { format!(", table {}", row.table) };
    text + &format!(" ({}{table})", row.product)
}

fn ranges(ports: &[[u16; 2]]) -> String {
    list_text(ports.iter().map(|[low, high]| (low, high)))
}

/// The last lines: which way each file was judged, and the counts.
fn summary(report: &Report, paint: &Paint, out: &mut impl Write) -> io::Result<()> {
    let summary = report.summary;
    if summary.statistics {
        for (lint, count) in report.statistics() {
            writeln!(out, "{count:>6}  {} {}", lint.code, lint.name)?;
        }
    }
    ways(&summary.files, out)?;
    if summary.sites.len() > 1 {
        for site in &summary.sites {
            let found = found(&report.findings[site.findings.clone()], paint);
            writeln!(
                out,
                "{}: {found}; {} read",
                site.name(),
                files_and_rules(&summary.files[site.files.clone()])
            )?;
        }
    }
    write!(out, "{}; {} read", found(report.findings, paint), files_and_rules(&summary.files))?;
    if summary.unselected > 0 {
        write!(out, "; {} not selected", counted(summary.unselected, "lint rule"))?;
    }
    if summary.ignored > 0 {
        let files = if summary.sites.len() > 1 { "files" } else { "file" };
        write!(out, "; {} ignored by the site {files}", summary.ignored)?;
    }
    if summary.suppressed > 0 {
        write!(out, "; {} left out by comments", summary.suppressed)?;
    }
    if summary.baselined > 0 {
        write!(out, "; {} known by the baseline", summary.baselined)?;
    }
    if summary.stale > 0 {
        write!(out, "; {} of the baseline gone (`--prune-baseline` forgets them)", summary.stale)?;
    }
    if summary.below > 0 {
        write!(out, "; {} below `--min-severity` not shown", summary.below)?;
    }
    if summary.unread > 0 {
        write!(out, "; {} not read (`--list-files` says why)", counted(summary.unread, "other file"))?;
    }
    writeln!(out)
}

/// How many findings there are of each severity.
fn found(findings: &[Finding], paint: &Paint) -> String {
    let counts: Vec<String> = [Severity::Error, Severity::Warning, Severity::Info]
        .into_iter()
        .map(|severity| (severity, findings.iter().filter(|finding| finding.severity == severity).count()))
        .filter(|(_, count)| *count > 0)
        .map(|(severity, count)| paint.severity(severity, &counted(count, severity.name())))
        .collect();
    if counts.is_empty() { "no findings".to_string() } else { counts.join(", ") }
}

fn files_and_rules(files: &[FileSummary]) -> String {
    let rules = files.iter().map(|file| file.rules).sum();
    format!("{} with {}", counted(files.len(), "file"), counted(rules, "rule"))
}

/// Which way the traffic was judged: of each file, or, where that would be many lines, of all with one answer.
fn ways(files: &[FileSummary], out: &mut impl Write) -> io::Result<()> {
    let mut ways: Vec<(&str, Vec<&FileSummary>)> = Vec::new();
    for file in files {
        let Some(way) = file.way.as_deref() else { continue };
        match ways.iter_mut().find(|(known, _)| *known == way) {
            Some((_, files)) => files.push(file),
            None => ways.push((way, vec![file])),
        }
    }
    for (way, files) in ways {
        if files.len() > MAX_FILES {
            writeln!(out, "{} files: judged {}", files.len(), clean(way))?;
            continue;
        }
        for file in files {
            let path = clean(&file.path.to_string_lossy());
            writeln!(out, "{path} ({}): judged {}", file.dialect, clean(way))?;
        }
    }
    Ok(())
}

/// Colours by ANSI escapes, or none.
struct Paint {
    on: bool,
}

impl Paint {
    fn severity(&self, severity: Severity, text: &str) -> String {
        let code = match severity {
            Severity::Error => "1;31",
            Severity::Warning => "1;33",
            Severity::Info => "1;36",
        };
        self.with(code, text)
    }

    fn strong(&self, text: &str) -> String {
        self.with("1", text)
    }

    fn with(&self, code: &str, text: &str) -> String {
        if self.on { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
    }
}
