//! Findings by the controls of frameworks: an auditor's evidence, as CSV (RFC 4180).

use std::io::{self, Write};

use super::matrix::quoted;
use super::{Report, docs};
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
                let file = finding.span.and_then(|span| Some((report.sources.file_of(span)?, span)));
                let (path, line, text) = match file {
                    Some((file, span)) => (
                        file.path.to_string_lossy().into_owned(),
                        file.place(span.start).line.to_string(),
                        report.sources.text(file.line_span(file.place(span.start).line)).to_string(),
                    ),
                    None => (String::new(), String::new(), String::new()),
                };
                let tables: Vec<String> =
                    finding.requirements.iter().map(|row| format!("{} {}", row.product, row.table)).collect();
                let mut documents = tables;
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

fn row(cells: &[&str], out: &mut impl Write) -> io::Result<()> {
    let cells: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
    writeln!(out, "{}", cells.join(","))
}
