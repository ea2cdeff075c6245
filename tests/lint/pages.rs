//! The examples on the pages of the lints, as a user runs them.
//!
//! The info string of a fenced block says what it is: the language, `fail` or `pass`, and the arguments of
//! `pinhole check` that it needs. A block `toml site` before it is the site file that it is checked with, in which
//! it is `firewall.conf`.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use crate::examples;

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use examples::{Example, examples};
use pinhole::rule::LINTS;

/// The codes that `pinhole check` reports for a config at a site.
fn check_at(site: &str, dialect: &str, args: &[&str], config: &str) -> Vec<String> {
    let folder = std::env::temp_dir().join(format!("pinhole-pages-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("pinhole.toml"), site).unwrap();
    std::fs::write(folder.join("firewall.conf"), config).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_pinhole"))
        .args(["check", "firewall.conf", "--format", "json", "--dialect", dialect])
        .args(args)
        .current_dir(&folder)
        .output()
        .unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    codes(&output.stdout)
}

/// The codes of the findings in a report.
fn codes(report: &[u8]) -> Vec<String> {
    let report: serde_json::Value = serde_json::from_slice(report).unwrap();
    let findings = report["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["code"].as_str().unwrap().to_string()).collect()
}

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
    codes(&child.wait_with_output().unwrap().stdout)
}

#[test]
fn examples_are_what_they_say() {
    let mut wrong = Vec::new();
    for lint in LINTS.iter().filter(|lint| !lint.dialects.is_empty()) {
        let mut seen: BTreeMap<&str, [bool; 2]> = BTreeMap::new();
        for Example { info, words, config, site } in examples(lint.text) {
            let [dialect, kind, args @ ..] = words.as_slice() else { panic!("{}: {info}", lint.code) };
            let fails = match *kind {
                "fail" => true,
                "pass" => false,
                _ => panic!("{}: {info}", lint.code),
            };
            seen.entry(dialect).or_default()[usize::from(fails)] = true;
            let found = match site {
                Some(site) => check_at(site, dialect, args, &config),
                None => check(dialect, args, &config),
            };
            if found.iter().any(|code| code == lint.code) != fails {
                wrong.push(format!("{} {info}: found {found:?}", lint.code));
            }
        }
        for dialect in lint.dialects {
            let both = seen.remove(dialect);
            assert_eq!(both, Some([true, true]), "{} needs both examples for {dialect}", lint.code);
        }
        assert!(seen.is_empty(), "{} has examples for dialects that it does not name: {seen:?}", lint.code);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
