//! Every lint is found by somebody, and named by nothing but its static.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use crate::common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::{folder, try_check};
use pinhole::dialect::Dialect;
use pinhole::rule::LINTS;

/// The names and texts of the crate's files, without tests.
fn source() -> Vec<(PathBuf, String)> {
    let mut folders = vec![folder("src")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs")
                && !name.ends_with("tests.rs")
                && path.parent().unwrap().file_name().unwrap() != "tests"
            {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod").next().unwrap().to_string();
                files.push((path, code));
            }
        }
    }
    files
}

#[test]
fn every_lint_has_an_emitter() {
    let source = source();
    let silent: Vec<&str> = LINTS
        .iter()
        .map(|lint| lint.code)
        .filter(|code| !source.iter().any(|(_, text)| text.contains(&format!("&{code}"))))
        .collect();
    assert!(silent.is_empty(), "nothing finds {silent:?}");
}

#[test]
fn no_code_stands_as_text() {
    for (path, text) in source() {
        let codes = text.split("\"PH").skip(1).filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        assert_eq!(codes.count(), 0, "{} compares or makes codes as text", path.display());
    }
}

#[test]
fn lints_name_dialects_that_there_are() {
    let known = Dialect::ALL.map(Dialect::name);
    for lint in LINTS {
        assert!(
            lint.dialects.iter().all(|dialect| known.contains(dialect)),
            "{}: {:?}",
            lint.code,
            lint.dialects
        );
    }
}

#[test]
fn no_finding_is_outside_the_dialects_of_its_lint() {
    let mut folders = vec![folder("fixtures")];
    let mut looked_at = 0;
    while let Some(folder) = folders.pop() {
        let below = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let (below, files): (Vec<PathBuf>, Vec<PathBuf>) = below.partition(|path| path.is_dir());
        folders.extend(below);
        if !files.is_empty() {
            looked_at += findings_fit(&folder);
        }
    }
    assert!(looked_at > 50, "{looked_at} findings in all fixtures");
}

/// Checks what is in a folder; how many findings there are in configs.
fn findings_fit(folder: &Path) -> usize {
    // Some folders hold logs and shared sites alone.
    let Some(report) = try_check(folder, &["."]) else { return 0 };
    let dialects: BTreeMap<&str, &str> =
        report.files.iter().map(|file| (file.path.as_str(), file.dialect.as_str())).collect();
    let places =
        report.findings.iter().filter_map(|found| Some((found, *dialects.get(found.file.as_deref()?)?)));
    let mut count = 0;
    for (found, dialect) in places {
        let lint = LINTS.iter().find(|lint| lint.code == found.code).unwrap();
        assert!(
            lint.dialects.contains(&dialect),
            "{} speaks of {dialect} in {}",
            found.code,
            folder.display()
        );
        count += 1;
    }
    count
}
