//! What is printed does not depend on how many threads there are, nor on the order of arguments.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::process::Command;

use crate::common::{Scratch, folder};

fn printed(args: &[&str], threads: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pinhole"));
    let output =
        command.current_dir(folder("")).args(args).env("RAYON_NUM_THREADS", threads).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.code() < Some(2), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    assert!(text.len() > 500, "{args:?}: {text}");
    text
}

/// Configs of all languages, with sites and without.
const PLACES: [&str; 6] = [
    "fixtures/scenarios/h245-blocked",
    "fixtures/scenarios/two-firewalls",
    "fixtures/scenarios/pf-last-match",
    "fixtures/scenarios/asa-media-cut",
    "fixtures/kernel",
    "fixtures/pf/expansion",
];

#[test]
fn any_number_of_threads_prints_the_same() {
    for form in ["json", "human"] {
        let args = [&["check", "--exit-zero", "--format", form][..], &PLACES].concat();
        let one = printed(&args, "1");
        for threads in ["2", "3", "16"] {
            assert_eq!(printed(&args, threads), one, "{form} on {threads} threads");
        }
        assert_eq!(printed(&[&args[..], &["--jobs", "5"]].concat(), "1"), one, "{form} with --jobs");
    }
    let site = "fixtures/changes/pf-other-server";
    let [old, new] = ["old.pf.conf", "new.pf.conf"].map(|name| format!("{site}/{name}"));
    let site = format!("{site}/pinhole.toml");
    for args in [
        &["diff", "--exit-zero", "--format", "json", "--site", &site, &old, &new][..],
        &["matrix", "--all", "--format", "json", "--site", &site],
        &["check", "--exit-zero", "--format", "sarif", "fixtures/scenarios/public-address"],
        &["check", "--exit-zero", "--format", "html", "fixtures/scenarios/two-firewalls"],
    ] {
        let one = printed(args, "1");
        assert_eq!(printed(args, "7"), one, "{args:?}");
    }
}

#[test]
fn any_order_of_arguments_prints_the_same() {
    for form in ["json", "human", "concise", "sarif"] {
        let options = ["--exit-zero", "--no-suppressions", "--format", form, "--ignore", "PH002"];
        let args = [&["check"][..], &options, &PLACES].concat();
        let one = printed(&args, "2");
        let mut turned = PLACES;
        for turn in 1..4 {
            turned.rotate_left(turn);
            turned.swap(0, turn);
            let args = [&["check"][..], &turned, &options[1..], &options[..1]].concat();
            assert_eq!(printed(&args, "2"), one, "{form} {turned:?}");
        }
    }
}

#[test]
fn files_of_no_site_come_by_name_whatever_their_order() {
    let scratch = Scratch::new("order");
    let names: Vec<String> = (0..12).map(|at| format!("{at:02}.rules")).collect();
    for (at, name) in names.iter().enumerate() {
        let port = 1000 + at;
        let rule = format!("-A FORWARD -p tcp --dport {port} -j ACCEPT\n");
        scratch.write(
            name,
            format!("*filter\n:INPUT DROP\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n{rule}{rule}COMMIT\n"),
        );
    }
    let run = |names: &[&String], form: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pinhole"));
        let command = command.current_dir(&scratch.0).args(["check", "--format", form]).args(names);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    for form in ["json", "human", "jsonl", "markdown", "html", "junit", "gitlab", "github", "evidence"] {
        let mut order: Vec<&String> = names.iter().collect();
        let one = run(&order, form);
        order.reverse();
        assert_eq!(run(&order, form), one, "{form}");
        order.rotate_left(5);
        order.swap(2, 9);
        assert_eq!(run(&order, form), one, "{form}");
    }
}
