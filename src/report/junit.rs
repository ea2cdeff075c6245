//! Findings as a JUnit report: each file is a suite of tests, and each finding a test that failed.

use std::io::{self, Write};

use quick_junit::{NonSuccessKind, Report as Suites, TestCase, TestCaseStatus, TestSuite};

use super::{Report, clean, told};
use crate::finding::Finding;
use crate::rule::Severity;

/// Writes the report. A file without findings is a suite of one test that passed; infos are tests that passed, with
/// what they say as their output.
pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let mut suites: Vec<TestSuite> = Vec::new();
    let files = report.summary.files.iter().map(|file| clean(&file.path.to_string_lossy()));
    for name in files {
        if suites.iter().all(|suite| suite.name.as_str() != name) {
            suites.push(TestSuite::new(name));
        }
    }
    for finding in report.findings {
        let file = finding.span.and_then(|span| report.sources.file_of(span));
        let name = file.map_or("site".to_string(), |file| clean(&file.path.to_string_lossy()));
        let case = case(report, finding, &name);
        match suites.iter_mut().find(|suite| suite.name.as_str() == name) {
            Some(suite) => {
                suite.add_test_case(case);
            }
            None => {
                let mut suite = TestSuite::new(name);
                suite.add_test_case(case);
                suites.push(suite);
            }
        }
    }
    for suite in suites.iter_mut().filter(|suite| suite.test_cases.is_empty()) {
        suite.add_test_case(TestCase::new("no findings", TestCaseStatus::success()));
    }
    let mut all = Suites::new("pinhole");
    all.add_test_suites(suites);
    all.serialize(&mut *out).map_err(io::Error::other)?;
    Ok(())
}

fn case(report: &Report, finding: &Finding, file: &str) -> TestCase {
    let place = finding.span.and_then(|span| {
        let place = report.sources.file_of(span)?.place(span.start);
        Some(format!("{file}:{}:{}: ", place.line, place.column))
    });
    let text = place.unwrap_or_default() + &told(finding);
    let mut status = match finding.severity {
        Severity::Info => TestCaseStatus::success(),
        Severity::Error | Severity::Warning => TestCaseStatus::non_success(NonSuccessKind::Failure),
    };
    if finding.severity != Severity::Info {
        status.set_message(clean(&finding.message)).set_type(finding.severity.name());
        status.set_description(&text);
    }
    let name = format!("{} {}: {}", finding.code(), finding.lint().name, clean(&finding.message));
    let mut case = TestCase::new(name, status);
    case.set_classname(file);
    if finding.severity == Severity::Info {
        case.set_system_out(text);
    }
    case
}
