//! Which files are read and which findings are told, by the command line.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::common::{Scratch, check, read};

/// A policy that accepts (a warning) and an opening of everything behind a set that nobody knows.
const OPEN: &str = "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A FORWARD -p tcp --dport 22 \
                    -j ACCEPT\nCOMMIT\n";

struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn run_with(scratch: &Scratch, args: &[&str], stdin: &str) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pinhole"));
    command
        .current_dir(&scratch.0)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Whoever does not read it has closed it.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let ran = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: ran.status.code().unwrap(), out: text(ran.stdout), err: text(ran.stderr) }
}

fn run(scratch: &Scratch, args: &[&str]) -> Ran {
    run_with(scratch, args, "")
}

fn files(ran: &Ran) -> Vec<String> {
    let report: Value = read(&ran.out);
    let files = report["files"].as_array().unwrap();
    files.iter().map(|file| file["path"].as_str().unwrap().to_string()).collect()
}

#[test]
fn what_is_printed_and_what_fails_are_two_things() {
    let scratch = Scratch::new("choice");
    scratch.write("open.rules", OPEN);
    let all = run(&scratch, &["check", "open.rules", "--fail-on", "warning"]);
    assert!(all.code == 1 && all.out.contains("warning[PH203]"), "{}", all.out);
    let severe = run(&scratch, &["check", "open.rules", "--fail-on", "warning", "--min-severity", "error"]);
    assert_eq!(severe.code, 1, "{}", severe.out);
    assert!(
        !severe.out.contains("PH203") && severe.out.contains("below `--min-severity` not shown"),
        "{}",
        severe.out
    );
    let json = run(&scratch, &["check", "open.rules", "--min-severity", "error", "--format", "json"]);
    let report: Value = read(&json.out);
    assert_eq!(report["findings"], serde_json::json!([]));
    assert!(report["summary"]["below"].as_u64().unwrap() > 0, "{report}");
    let zero = run(&scratch, &["check", "open.rules", "--fail-on", "info", "--exit-zero"]);
    assert!(zero.code == 0 && zero.out == all.out, "{}", zero.out);
    // What kept pinhole from its work is no finding.
    assert_eq!(run(&scratch, &["check", "nowhere.rules", "--exit-zero"]).code, 2);
}

#[test]
fn findings_that_depend_can_be_left_out() {
    let scratch = Scratch::new("choice");
    let rule =
        "-A FORWARD -m set --match-set partners src -p tcp -m tcp --dport 1720 -d 10.1.2.10/32 -j ACCEPT\n";
    let config = format!("*filter\n:INPUT DROP\n:FORWARD DROP\n:OUTPUT ACCEPT\n{rule}COMMIT\n");
    scratch.write("edge.rules", config);
    let args = ["check", "edge.rules", "--product", "scopia-elite-5200@10.1.2.10", "--format", "json"];
    let depend = |ran: &Ran| {
        let report: Value = read(&ran.out);
        let findings = report["findings"].as_array().unwrap().clone();
        let depend = findings.iter().filter(|finding| finding["depends_on"] != serde_json::json!([])).count();
        (depend, findings.len() - depend)
    };
    let (depending, certain) = depend(&run(&scratch, &args));
    assert!(depending > 0 && certain > 0, "{depending} {certain}");
    let definite = run(&scratch, &[&args[..], &["--certainty", "definite"]].concat());
    assert_eq!(depend(&definite), (0, certain));
}

#[test]
fn paths_come_from_a_list() {
    let scratch = Scratch::new("choice");
    for name in ["a.rules", "b.rules", "c.rules", "with blank.rules"] {
        scratch.write(name, OPEN);
    }
    scratch.write("list", "b.rules\n\nwith blank.rules\n");
    let args = ["check", "--exit-zero", "--format", "json", "--files-from"];
    let listed = run(&scratch, &[&args[..], &["list"]].concat());
    assert_eq!(files(&listed), ["b.rules", "with blank.rules"], "{}", listed.err);
    let more = run_with(&scratch, &[&args[..], &["-", "a.rules"]].concat(), "b.rules\n");
    assert_eq!(files(&more), ["a.rules", "b.rules"]);
    // An empty list is no folder.
    let none = run_with(&scratch, &[&args[..], &["-"]].concat(), "");
    assert_eq!((none.code, files(&none)), (0, Vec::new()), "{}", none.err);
    assert_eq!(run_with(&scratch, &["tidy", "--files-from", "-"], "").out, "no config is listed\n");
    let missing = run(&scratch, &[&args[..], &["nowhere"]].concat());
    assert!(missing.code == 2 && missing.err.contains("cannot read `nowhere`"), "{}", missing.err);
}

#[test]
fn patterns_leave_files_out() {
    let scratch = Scratch::new("choice");
    for name in ["a.rules", "lab/b.rules", "lab/c.rules", "old/d.rules"] {
        scratch.write(name, OPEN);
    }
    scratch.write(".pinholeignore", "old\n");
    let check =
        |args: &[&str]| run(&scratch, &[&["check", "--exit-zero", "--format", "json"], args].concat());
    assert_eq!(files(&check(&["."])), ["a.rules", "lab/b.rules", "lab/c.rules"]);
    assert_eq!(files(&check(&["--exclude", "lab/"])), ["a.rules"]);
    assert_eq!(
        files(&check(&[".", "--exclude", "lab/*", "--exclude", "!b.rules"])),
        ["a.rules", "lab/b.rules"]
    );
    let listed = run(&scratch, &["check", "--list-files", "--exclude", "b.rules"]);
    assert!(listed.out.contains("lab/b.rules: not read: `--exclude` leaves it out"), "{}", listed.out);
    // What is named is read, unless that is not wanted.
    let named = ["a.rules", "lab/b.rules", "old/d.rules", "--exclude", "lab"];
    assert_eq!(files(&check(&named)), ["a.rules", "lab/b.rules", "old/d.rules"]);
    assert_eq!(files(&check(&[&named[..], &["--force-exclude"]].concat())), ["a.rules"]);
    let wrong = run(&scratch, &["check", "--exclude", "a{b"]);
    assert!(wrong.code == 2 && wrong.err.contains("--exclude"), "{}", wrong.err);
}

#[test]
fn what_another_config_brings_in_is_no_firewall_of_its_own() {
    let folder = Scratch::new("parts");
    let loads =
        "set skip on lo\nblock all\nanchor \"ftp\"\nload anchor \"ftp\" from \"ftp.conf\"\npass out on em0\n";
    folder.write("pf/pf.conf", loads).write("pf/ftp.conf", "pass in on em0 proto tcp to port 21\n");
    let chain = |name: &str, policy: &str| {
        format!(
            "table inet {name} {{\n chain c {{ type filter hook forward priority 0; policy {policy}; tcp dport 80 accept; }}\n}}\n"
        )
    };
    let includes = format!("include \"part.nft\"\n{}", chain("a", "drop"));
    folder.write("nft/z.nft", includes).write("nft/part.nft", chain("b", "accept"));
    // Of those that name each other, one is the config.
    let (one, other) = (chain("one", "drop"), chain("other", "drop"));
    folder.write("loop/a.nft", format!("include \"b.nft\"\n{one}"));
    folder.write("loop/b.nft", format!("include \"a.nft\"\n{other}"));
    check(&folder.0, &["."]).silent("PH203");
    let ran = run(&folder, &["check", "--format", "json", "pf", "nft", "loop"]);
    assert_eq!(files(&ran), ["loop/a.nft", "nft/z.nft", "pf/pf.conf"]);
    // What a script restores is a whole config, and the script may not come to it.
    folder.write("run/old.rules", OPEN).write("run/new.rules", OPEN);
    folder.write("run/apply.sh", "#!/bin/sh\niptables-restore < new.rules || iptables-restore < old.rules\n");
    let told = check(&folder.0, &["run"]);
    for name in ["old.rules", "new.rules"] {
        assert!(
            told.of("PH203").any(|finding| finding.file.as_deref().is_some_and(|file| file.ends_with(name))),
            "{}",
            told.told()
        );
    }
    // By themselves, they are what they seem.
    assert_eq!(check(&folder.0, &["pf/ftp.conf", "nft/part.nft"]).of("PH203").count(), 2);
}
