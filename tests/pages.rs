//! The examples on the pages of the lints, as a user runs them.
//!
//! The info string of a fenced block says what it is: the language, `fail` or `pass`, and the arguments of
//! `pinhole check` that it needs.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use pinhole::lint::pages::pages;

/// The codes that `pinhole check` reports for a config.
fn check(dialect: &str, args: &[&str], config: &str) -> Vec<String> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pinhole"))
        .args(["check", "-", "--no-site", "--format", "json", "--dialect", dialect])
        .args(args)
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(config.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["code"].as_str().unwrap().to_string()).collect()
}

#[test]
fn examples_are_what_they_say() {
    let mut wrong = Vec::new();
    for page in pages().iter().filter(|page| !page.head.dialects.is_empty()) {
        let mut seen: BTreeMap<&str, [bool; 2]> = BTreeMap::new();
        for block in page.text.split("\n```").skip(1).step_by(2) {
            let (info, config) = block.split_once('\n').unwrap();
            let mut words = info.split_whitespace();
            let (Some(dialect), Some(kind)) = (words.next(), words.next()) else {
                panic!("{}: {info}", page.code)
            };
            let fails = match kind {
                "fail" => true,
                "pass" => false,
                _ => panic!("{}: {info}", page.code),
            };
            seen.entry(dialect).or_default()[usize::from(fails)] = true;
            let found = check(dialect, &words.collect::<Vec<_>>(), &format!("{config}\n"));
            if found.iter().any(|code| code == page.code) != fails {
                wrong.push(format!("{} {info}: found {found:?}", page.code));
            }
        }
        for dialect in &page.head.dialects {
            let both = seen.remove(dialect.name());
            assert_eq!(both, Some([true, true]), "{} needs both examples for {}", page.code, dialect.name());
        }
        assert!(seen.is_empty(), "{} has examples for dialects that it does not name: {seen:?}", page.code);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
