//! One cause gives one finding, however often it is met, and many rules that are not understood end soon.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]
#![cfg(target_os = "linux")]

use crate::common;

use std::process::{Command, Stdio};

use common::Scratch;

/// The lines that `check` prints, in 30 s of CPU: a debug build needs more of it than a user's.
fn checked(folder: &Scratch, dialect: &str, file: &str) -> Vec<String> {
    let output = Command::new("sh")
        .args(["-c", "ulimit -t 30; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_pinhole")])
        .args(["check", "--no-site", "--format", "concise", "--dialect", dialect, file])
        .current_dir(&folder.0)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{dialect}: {:?} {said}", output.status);
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_string).collect()
}

/// Files each of which reads the next one twice; the last one holds a text.
fn doubling(folder: &Scratch, depth: usize, line: impl Fn(usize) -> String, last: &str) {
    for at in 0..depth {
        folder.write(&format!("f{at}"), line(at + 1).repeat(2));
    }
    folder.write(&format!("f{depth}"), last);
}

#[test]
fn what_is_read_again_and_again_is_found_once() {
    let folder = Scratch::new("again-nft");
    doubling(&folder, 6, |next| format!("include \"f{next}\"\n"), "include \"gone\"\n");
    let found = checked(&folder, "nftables", "f0");
    assert_eq!(found.iter().filter(|line| line.contains("`gone`")).count(), 1, "{found:#?}");

    let folder = Scratch::new("again-pf");
    doubling(&folder, 6, |next| format!("include \"f{next}\"\n"), "pass bananas\n");
    let found = checked(&folder, "pf", "f0");
    assert_eq!(found.iter().filter(|line| line.contains("`bananas`")).count(), 1, "{found:#?}");

    let folder = Scratch::new("again-sh");
    let head = "iptables -P INPUT DROP\n";
    doubling(&folder, 6, |next| format!("{head}. ./f{next}\n"), &format!("{head}nft add rule x\n. ./gone\n"));
    let found = checked(&folder, "iptables", "f0");
    let of = |text: &str| found.iter().filter(|line| line.contains(text)).cloned().collect::<Vec<_>>();
    let (nft, gone) = (of("`nft` is not followed"), of("there is no such file"));
    assert_eq!((nft.len(), gone.len()), (1, 1), "{found:#?}");
    assert!(nft[0].contains("here 64 times"), "{nft:?}");
}

#[test]
fn a_budget_that_is_hit_is_said_once() {
    let folder = Scratch::new("budget");
    doubling(&folder, 16, |next| format!("include \"f{next}\"\n"), "pass in\n");
    let found = checked(&folder, "pf", "f0");
    assert_eq!(found.iter().filter(|line| line.contains("PH006")).count(), 1, "{found:#?}");
}

#[test]
fn many_rules_that_are_not_understood_end_soon() {
    let folder = Scratch::new("many");
    folder.write("pf", "pass in proto tcp to port nosuch\n".repeat(12_000));
    checked(&folder, "pf", "pf");
    folder.write("sh", format!("#!/bin/sh\n{}", "iptables -A INPUT --bananas -j ACCEPT\n".repeat(12_000)));
    checked(&folder, "iptables", "sh");
}

#[test]
fn rules_without_a_statement_are_counted() {
    let rules: String = (1718..1724).map(|port| format!("\t\ttcp dport {port}\n")).collect();
    let chain =
        format!("\tchain input {{\n\t\ttype filter hook input priority 0; policy drop;\n{rules}\t}}\n");
    let folder = Scratch::new("no-statement");
    folder.write("a.nft", format!("table ip filter {{\n{chain}}}\n"));
    let found = checked(&folder, "nftables", "a.nft");
    let of: Vec<&String> = found.iter().filter(|line| line.contains("PH419")).collect();
    assert_eq!(of.len(), 1, "{found:#?}");
    assert!(of[0].contains("here and in 5 more places"), "{of:?}");
}
