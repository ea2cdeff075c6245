//! Several sites in one run.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use crate::common;

use std::path::Path;
use std::process::{Command, Output};

use common::{Scratch, read};
use serde_json::Value;

const OPEN: &str = "block all\npass all\n";
const SHUT: &str = "block all\npass in on em0 proto tcp from 192.0.2.1 to 192.0.2.2 port 22\npass out all\n";

fn site(more: &str) -> String {
    format!(
        "{more}[[zone]]\nname = \"internet\"\n[[zone]]\nname = \"lan\"\nnetworks = [\"10.1.2.0/24\"]\n[[firewall]]\n\
         name = \"edge\"\nconfig = [\"fw.conf\"]\ninterfaces = {{ em0 = \"internet\", em1 = \"lan\" }}\n"
    )
}

/// Two sites, one of them stricter, and a file beside them.
fn repository() -> Scratch {
    let scratch = Scratch::new("sites");
    for folder in ["a", "b", "loose"] {
        std::fs::create_dir(scratch.0.join(folder)).unwrap();
    }
    scratch
        .write("a/pinhole.toml", site(""))
        .write("a/fw.conf", OPEN)
        .write("b/pinhole.toml", site("[check]\nfail-on = \"warning\"\n"))
        .write("b/fw.conf", OPEN)
        .write("loose/pf.conf", SHUT);
    scratch
}

fn run(folder: &Path, args: &[&str]) -> Output {
    let args = ["check"].iter().chain(args);
    Command::new(env!("CARGO_BIN_EXE_pinhole")).args(args).current_dir(folder).output().unwrap()
}

fn json(folder: &Path, args: &[&str]) -> Value {
    let output = run(folder, &[args, &["--format", "json"]].concat());
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&output.stderr));
    read(&String::from_utf8(output.stdout).unwrap())
}

#[test]
fn each_config_is_checked_with_its_own_site() {
    let scratch = repository();
    let report = json(&scratch.0, &["a", "b", "loose"]);
    let sites: Vec<&Value> = report["sites"].as_array().unwrap().iter().map(|site| &site["path"]).collect();
    assert_eq!(sites, [&Value::Null, &"a/pinhole.toml".into(), &"b/pinhole.toml".into()]);
    for finding in report["findings"].as_array().unwrap() {
        let file = finding["file"].as_str().unwrap();
        match file.split_once('/').unwrap().0 {
            "loose" => assert!(finding["site"].is_null(), "{finding}"),
            folder => assert_eq!(finding["site"], format!("{folder}/pinhole.toml"), "{finding}"),
        }
    }
    assert!(report["findings"].as_array().unwrap().iter().any(|finding| finding["file"] == "a/fw.conf"));
    assert!(report["files"].as_array().unwrap().iter().any(|file| file["path"] == "loose/pf.conf"));
}

#[test]
fn the_order_of_arguments_and_walking_is_all_one() {
    let scratch = repository();
    let whole = json(&scratch.0, &["a", "b", "loose"]);
    for args in [&["loose", "b", "a"][..], &["."], &[], &["b/fw.conf", "loose/pf.conf", "a"]] {
        let other = json(&scratch.0, args);
        assert_eq!(other["findings"], whole["findings"], "{args:?}");
        assert_eq!(other["sites"], whole["sites"], "{args:?}");
    }
}

#[test]
fn one_site_is_checked_as_ever() {
    let scratch = repository();
    let alone = json(&scratch.0.join("a"), &[]);
    assert_eq!((&alone["sites"], alone["findings"][0]["site"].is_null()), (&Value::Array(Vec::new()), true));
    let named = json(&scratch.0, &["a"]);
    let codes = |report: &Value| -> Vec<Value> {
        report["findings"].as_array().unwrap().iter().map(|finding| finding["code"].clone()).collect()
    };
    assert_eq!(codes(&alone), codes(&named));
}

#[test]
fn findings_stand_under_their_site() {
    let scratch = repository();
    let text = String::from_utf8(run(&scratch.0, &["a", "b", "loose"]).stdout).unwrap();
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
    assert!(
        at("── a/pinhole.toml ──") < at("a/fw.conf:") && at("a/fw.conf:") < at("── b/pinhole.toml ──"),
        "{text}"
    );
    assert!(at("── b/pinhole.toml ──") < at("b/fw.conf:"), "{text}");
    assert!(text.contains("\na/pinhole.toml: ") && text.contains("\nwithout a site file: "), "{text}");
}

#[test]
fn each_site_says_what_fails() {
    let scratch = repository();
    scratch.write("a/fw.conf", OPEN).write("b/fw.conf", SHUT).write("loose/pf.conf", SHUT);
    let warned = json(&scratch.0, &["a"]);
    assert_eq!(warned["summary"]["errors"], 0, "{warned}");
    assert!(warned["summary"]["warnings"].as_u64().unwrap() > 0, "{warned}");
    assert_eq!(run(&scratch.0, &["a", "loose"]).status.code(), Some(0));
    scratch.write("b/fw.conf", OPEN);
    assert_eq!(run(&scratch.0, &["a", "b"]).status.code(), Some(1));
}

#[test]
fn a_broken_site_file_keeps_the_others_from_nothing() {
    let scratch = repository();
    scratch.write("a/pinhole.toml", "[[zones]]\n");
    let ran = run(&scratch.0, &["a", "b"]);
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert_eq!(ran.status.code(), Some(2), "{err}");
    assert!(err.contains("a/pinhole.toml:1:") && err.contains("unknown key `zones`"), "{err}");
    assert!(out.contains("b/fw.conf:"), "{out}");
}

#[test]
fn a_site_that_is_named_is_for_all() {
    let scratch = repository();
    let report = json(&scratch.0, &["--site", "a/pinhole.toml", "a", "b"]);
    assert_eq!(report["sites"], Value::Array(Vec::new()));
}
