//! Findings as one page: nothing in it is loaded from elsewhere, it prints, and without scripts it shows everything.

mod ports;
mod tables;

use std::io::{self, Write};

use super::markup::html;
use super::{Report, clean, counted, docs, page, svg};
use crate::explain::Works;
use crate::finding::Finding;
use crate::rule::Severity;
use crate::source::{SourceFile, Span};

/// What the filters do.
const SCRIPT: &str = include_str!("page.js");
/// Lines shown before and behind those that matter.
const AROUND: u32 = 1;
/// Characters of a line that are shown.
const LONGEST: usize = 400;
/// Findings that are shown.
const MOST: usize = 2000;

/// Writes the page.
pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    page::begin(&found(report.findings), out)?;
    head(report, out)?;
    filters(report, out)?;
    writeln!(out, "<main>\n<section aria-labelledby=\"findings\"><h2 id=\"findings\">Findings</h2>")?;
    let mut site = None;
    for (index, finding) in report.findings.iter().enumerate().take(MOST) {
        let here = report.summary.sites.partition_point(|site| site.findings.end <= index);
        if let Some(summary) = report.summary.sites.get(here)
            && site.replace(here) != Some(here)
        {
            writeln!(out, "<h3 class=\"site\">{}</h3>", html(&summary.name()))?;
        }
        article(report, finding, out)?;
    }
    if report.findings.len() > MOST {
        writeln!(out, "<p>and {}</p>", counted(report.findings.len() - MOST, "more finding"))?;
    }
    writeln!(out, "<p id=\"none\" hidden>No finding is left by these filters.</p>\n</section>")?;
    for (at, view) in report.views.iter().enumerate() {
        let range =
            report.summary.sites.get(at).map_or(0..report.findings.len(), |site| site.findings.clone());
        let name = view.name.as_deref().filter(|_| report.views.len() > 1);
        let of = name.map_or(String::new(), |name| format!(" of {}", html(&name.to_string_lossy())));
        ports::write(view, &report.findings[range], &of, out)?;
        tables::matrix(&view.matrix, &of, out)?;
        ladders(&view.ladders, &of, out)?;
    }
    writeln!(out, "</main>")?;
    page::end(SCRIPT, out)
}

/// How many findings there are, in words.
fn found(findings: &[Finding]) -> String {
    let counts = [Severity::Error, Severity::Warning, Severity::Info]
        .map(|severity| (severity, findings.iter().filter(|finding| finding.severity == severity).count()));
    let counts: Vec<String> = counts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(severity, count)| counted(count, severity.name()))
        .collect();
    if counts.is_empty() { "no findings".to_string() } else { counts.join(", ") }
}

fn head(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let summary = report.summary;
    writeln!(out, "<header><h1>pinhole: {}</h1>\n<p>", html(&found(report.findings)))?;
    write!(out, "{} with {} read", counted(summary.files.len(), "file"), counted(summary.rules(), "rule"))?;
    for (count, what) in [
        (summary.ignored, "ignored by the site file"),
        (summary.suppressed, "left out by comments"),
        (summary.baselined, "known by the baseline"),
    ] {
        if count > 0 {
            write!(out, "; {count} {what}")?;
        }
    }
    writeln!(out, "</p>")?;
    for failure in &summary.failures {
        writeln!(out, "<p class=\"error\">{}</p>", html(failure))?;
    }
    if !summary.files.is_empty() {
        writeln!(
            out,
            "<details><summary>Files</summary><table><tr><th>file</th><th>language</th><th>rules</th></tr>"
        )?;
        for file in &summary.files {
            let path = html(&file.path.to_string_lossy());
            writeln!(out, "<tr><td>{path}</td><td>{}</td><td>{}</td></tr>", file.dialect, file.rules)?;
        }
        writeln!(out, "</table></details>")?;
    }
    writeln!(out, "</header>")
}

/// The controls that leave findings out: by severity, device and file.
fn filters(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "<form id=\"filters\" aria-label=\"Filter findings\"><fieldset><legend>Show</legend>")?;
    for severity in [Severity::Error, Severity::Warning, Severity::Info] {
        let (name, count) = (severity.name(), report.count(severity));
        writeln!(
            out,
            "<label><input type=\"checkbox\" name=\"severity\" value=\"{name}\" checked> {name} ({count})</label>"
        )?;
    }
    let mut devices: Vec<&str> =
        report.findings.iter().flat_map(|finding| &finding.devices).map(String::as_str).collect();
    devices.sort_unstable();
    devices.dedup();
    let mut files: Vec<String> =
        report.findings.iter().filter_map(|finding| file_of(report, finding)).collect();
    files.sort_unstable();
    files.dedup();
    choice("device", devices.into_iter(), out)?;
    choice("file", files.iter().map(String::as_str), out)?;
    writeln!(out, "<output id=\"shown\" aria-live=\"polite\"></output></fieldset></form>")
}

fn choice<'a>(name: &str, values: impl Iterator<Item = &'a str>, out: &mut impl Write) -> io::Result<()> {
    write!(out, "<label>{name} <select name=\"{name}\"><option value=\"\">all</option>")?;
    for value in values {
        write!(out, "<option>{}</option>", html(value))?;
    }
    writeln!(out, "</select></label>")
}

fn file_of(report: &Report, finding: &Finding) -> Option<String> {
    let file = report.sources.file_of(finding.span?)?;
    Some(file.path.to_string_lossy().into_owned())
}

fn article(report: &Report, finding: &Finding, out: &mut impl Write) -> io::Result<()> {
    let severity = finding.severity.name();
    let file = file_of(report, finding).unwrap_or_default();
    writeln!(
        out,
        "<article class=\"{severity}\" data-severity=\"{severity}\" data-file=\"{}\" data-devices=\"{}\">",
        html(&file),
        html(&finding.devices.join("\u{1f}").replace('\u{1f}', "|"))
    )?;
    writeln!(
        out,
        "<h3><span class=\"badge\">{severity}</span> {} <small>{}</small></h3>\n<p class=\"message\">{}</p>",
        finding.code(),
        finding.lint().name,
        html(&finding.message)
    )?;
    excerpts(report, finding, out)?;
    for (word, text) in [
        ("Depends on", &finding.depends_on.join(", ")),
        ("Assumes", &finding.assumes.join(", ")),
        ("What people notice", &finding.notice),
        ("What to do", &finding.help),
    ] {
        if !text.is_empty() {
            writeln!(out, "<p><b>{word}:</b> {}</p>", html(text).replace('\n', "<br>"))?;
        }
    }
    for mend in &finding.mend {
        if !mend.place.is_empty() {
            writeln!(out, "<p>{}:</p>", html(&mend.place))?;
        }
        let lines: Vec<String> = mend.lines.iter().map(|line| html(line)).collect();
        writeln!(out, "<pre class=\"mend\">{}</pre>", lines.join("\n"))?;
    }
    writeln!(out, "<p class=\"docs\"><code>{}</code></p>\n</article>", docs(finding.lint()))
}

/// The lines that a finding is about, file by file.
fn excerpts(report: &Report, finding: &Finding, out: &mut impl Write) -> io::Result<()> {
    let main = finding.span.map(|span| (span, finding.label.as_str()));
    let places =
        main.into_iter().chain(finding.related.iter().map(|label| (label.span, label.message.as_str())));
    let mut files: Vec<(&SourceFile, Vec<(Span, &str)>)> = Vec::new();
    for (span, words) in places {
        let Some(file) = report.sources.file_of(span) else { continue };
        match files.iter_mut().find(|(known, _)| known.base == file.base) {
            Some((_, places)) => places.push((span, words)),
            None => files.push((file, vec![(span, words)])),
        }
    }
    files.iter().try_for_each(|(file, places)| excerpt(file, places, out))
}

fn excerpt(file: &SourceFile, places: &[(Span, &str)], out: &mut impl Write) -> io::Result<()> {
    if file.text.is_empty() {
        return writeln!(out, "<p class=\"place\">{}</p>", html(&file.path.to_string_lossy()));
    }
    let line = |span: Span| file.place(span.start).line;
    let first = places.first().map_or(1, |(span, _)| line(*span));
    writeln!(
        out,
        "<p class=\"place\">{}:{first}</p>\n<pre class=\"excerpt\">",
        html(&file.path.to_string_lossy())
    )?;
    let last = file.line_starts().len() as u32;
    let mut lines: Vec<u32> = places
        .iter()
        .flat_map(|(span, _)| line(*span).saturating_sub(AROUND).max(1)..=(line(*span) + AROUND).min(last))
        .collect();
    lines.sort_unstable();
    lines.dedup();
    let mut before = None;
    for number in lines {
        if before.replace(number).is_some_and(|before| before + 1 < number) {
            writeln!(out, "<i>     ⋮</i>")?;
        }
        let span = file.line_span(number);
        let text = &file.text[(span.start - file.base) as usize..(span.end - file.base) as usize];
        let text: String = clean(text).chars().take(LONGEST).collect();
        let here: Vec<&str> =
            places.iter().filter(|(span, _)| line(*span) == number).map(|(_, words)| *words).collect();
        match here.is_empty() {
            true => writeln!(out, "<i>{number:>5}</i> {}", html(&text))?,
            false => writeln!(
                out,
                "<mark><i>{number:>5}</i> {}</mark>\n      <em>╰ {}</em>",
                html(&text),
                html(&here.join("; "))
            )?,
        }
    }
    writeln!(out, "</pre>")
}

/// Calls that do not work, as ladders.
fn ladders(ladders: &[crate::explain::told::Told], of: &str, out: &mut impl Write) -> io::Result<()> {
    if ladders.is_empty() {
        return Ok(());
    }
    writeln!(out, "<section><h2>Calls that do not work{of}</h2>")?;
    for told in ladders {
        let class = if told.works == Works::No { "blocked" } else { "depends" };
        writeln!(
            out,
            "<figure class=\"ladder\"><figcaption class=\"{class}\">{}</figcaption>",
            html(&told.summary)
        )?;
        svg::write(told, out)?;
        writeln!(out, "</figure>")?;
    }
    writeln!(out, "</section>")
}
