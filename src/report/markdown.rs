//! Findings as Markdown: for a comment on a change, or a job's summary.

use std::io::{self, Write};

use super::{Report, clean, counted, markup};
use crate::finding::Finding;
use crate::rule::Severity;

/// Findings told in full; the others are counted. GitHub takes 65,536 characters in a comment.
const MOST: usize = 40;

/// Writes a sentence that sums up, and a section for each finding.
pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let counts = [Severity::Error, Severity::Warning, Severity::Info]
        .map(|severity| (severity, report.count(severity)))
        .into_iter()
        .filter(|(_, count)| *count > 0);
    let counts: Vec<String> = counts.map(|(severity, count)| counted(count, severity.name())).collect();
    let found = if counts.is_empty() { "no findings".to_string() } else { counts.join(", ") };
    let (files, rules) = (report.summary.files.len(), report.summary.rules());
    writeln!(out, "**pinhole: {found}** in {} with {}\n", counted(files, "file"), counted(rules, "rule"))?;
    if report.summary.statistics {
        writeln!(out, "| rule | findings |\n| --- | --- |")?;
        for (lint, count) in report.statistics() {
            writeln!(out, "| {} {} | {count} |", lint.code, lint.name)?;
        }
        writeln!(out)?;
    }
    let mut order: Vec<usize> = (0..report.findings.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(report.findings[*index].severity));
    let mut shown = order[..order.len().min(MOST)].to_vec();
    let site = |index: &usize| report.summary.sites.partition_point(|site| site.findings.end <= *index);
    shown.sort_by_key(site);
    let mut last = None;
    for index in shown {
        let here = site(&index);
        if report.summary.sites.len() > 1 && last.replace(here) != Some(here) {
            writeln!(out, "## {}\n", markup::markdown(&report.summary.sites[here].name()))?;
        }
        section(report, &report.findings[index], out)?;
    }
    if order.len() > MOST {
        writeln!(out, "and {}, none more severe", counted(order.len() - MOST, "more finding"))?;
    }
    Ok(())
}

fn section(report: &Report, finding: &Finding, out: &mut impl Write) -> io::Result<()> {
    let (severity, code, name) = (finding.severity.name(), finding.code(), finding.lint().name);
    writeln!(out, "### {severity} {code} {name}\n\n{}\n", markup::markdown(&finding.message))?;
    if let Some(span) = finding.span
        && let Some(file) = report.sources.file_of(span)
    {
        let place = file.place(span.start);
        let line = clean(report.sources.text(file.line_span(place.line)).trim_end());
        let shown = format!("{}:{}", file.path.to_string_lossy(), place.line);
        writeln!(out, "{}\n", markup::code(&shown))?;
        fenced(&[line], out)?;
    }
    for (word, text) in [("What people notice", &finding.notice), ("What to do", &finding.help)] {
        if !text.is_empty() {
            writeln!(out, "**{word}:** {}\n", markup::markdown(text))?;
        }
    }
    for mend in &finding.mend {
        if !mend.place.is_empty() {
            writeln!(out, "{}\n", markup::markdown(&mend.place))?;
        }
        fenced(&mend.lines.iter().map(|line| clean(line)).collect::<Vec<_>>(), out)?;
    }
    Ok(())
}

/// Lines between fences that none of them ends.
fn fenced(lines: &[String], out: &mut impl Write) -> io::Result<()> {
    let fence = markup::fence(lines);
    writeln!(out, "{fence}text\n{}\n{fence}\n", lines.join("\n"))
}
