//! One line for each finding: `path:line:column: error[PH101] message`.

use std::io::{self, Write};

use super::{Report, clean};

/// Writes the findings, one a line, and nothing else.
pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    for finding in report.findings {
        if let Some(span) = finding.span
            && let Some(file) = report.sources.file_of(span)
        {
            let place = file.place(span.start);
            write!(out, "{}:{}:{}: ", clean(&file.path.to_string_lossy()), place.line, place.column)?;
        }
        writeln!(out, "{}[{}] {}", finding.severity.name(), finding.code(), clean(&finding.message))?;
    }
    Ok(())
}
