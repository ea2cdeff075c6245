//! Findings by the controls of frameworks: an auditor's evidence, as CSV (RFC 4180).

use std::io::{self, Write};

use super::matrix::quoted;
use super::{Report, docs};
use crate::finding::Finding;
use crate::rule::FRAMEWORKS;

/// Writes a line for each finding of each control, and one for each control without findings.
pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "framework,control,asks for,state,rule,severity,finding,file,line,config,document")?;
    for framework in FRAMEWORKS {
        for (control, what) in framework.controls {
            let lints = framework.lints(control);
            let found: Vec<_> =
                report.findings.iter().filter(|finding| lints.contains(&finding.lint())).collect();
            let rules: Vec<&str> = lints.iter().map(|lint| lint.code).collect();
            if found.is_empty() {
                row(
                    &[
                        framework.title,
                        control,
                        what,
                        "nothing found",
                        &rules.join(" "),
                        "",
                        "",
                        "",
                        "",
                        "",
                        "",
                    ],
                    out,
                )?;
            }
            for finding in found {
                let [path, line, text] = place(report, finding);
                let mut documents: Vec<String> =
                    finding.requirements.iter().map(|row| format!("{} {}", row.product, row.table)).collect();
                documents.dedup();
                documents.push(docs(finding.lint()));
                row(
                    &[
                        framework.title,
                        control,
                        what,
                        "found",
                        finding.code(),
                        finding.severity.name(),
                        &finding.message,
                        &path,
                        &line,
                        &text,
                        &documents.join("; "),
                    ],
                    out,
                )?;
            }
        }
    }
    Ok(())
}

/// File, line and text of what a finding is about; empty where it has no place.
fn place(report: &Report, finding: &Finding) -> [String; 3] {
    let file = finding.span.and_then(|span| Some((report.sources.file_of(span)?, span)));
    let Some((file, span)) = file else { return Default::default() };
    let line = file.place(span.start).line;
    let text = report.sources.text(file.line_span(line)).to_string();
    [file.path.to_string_lossy().into_owned(), line.to_string(), text]
}

fn row(cells: &[&str], out: &mut impl Write) -> io::Result<()> {
    let cells: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
    writeln!(out, "{}", cells.join(","))
}
