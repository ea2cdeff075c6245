//! What helps to start with pinhole and to keep it: completions, manual pages, settings with their origin, versions.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use crate::common;

use std::process::{Command, Output};

use common::{Scratch, folder, read};
use serde_json::Value;

fn run(scratch: &Scratch, args: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pinhole"));
    command.args(args).current_dir(&scratch.0).envs(variables.iter().copied());
    command.output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn five_shells_complete_every_command() {
    let scratch = Scratch::new("completions");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = run(&scratch, &["completions", shell], &[]);
        assert!(ran.status.success(), "{shell}");
        for word in ["check", "explain", "write-baseline", "completions"] {
            assert!(text(&ran).contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(run(&scratch, &["completions", "tcsh"], &[]).status.code(), Some(2));
    let script = run(&scratch, &["completions", "bash"], &[]);
    scratch.write("pinhole.bash", &script.stdout);
    let parsed = Command::new("bash").args(["-n", "pinhole.bash"]).current_dir(&scratch.0).output().unwrap();
    assert!(parsed.status.success(), "{}", text(&parsed));
}

#[test]
fn every_command_has_a_manual_page() {
    let scratch = Scratch::new("man");
    std::fs::create_dir(scratch.0.join("man")).unwrap();
    assert!(run(&scratch, &["man", "--dir", "man"], &[]).status.success());
    let help = text(&run(&scratch, &["help"], &[]));
    let commands = help.split("Commands:").nth(1).unwrap().split("\n\n").next().unwrap();
    for line in commands.lines().filter(|line| !line.trim().is_empty()) {
        let command = line.split_whitespace().next().unwrap();
        if command != "help" && line.starts_with("  ") && !line.starts_with("   ") {
            let page = std::fs::read_to_string(scratch.0.join(format!("man/pinhole-{command}.1"))).unwrap();
            assert!(page.contains(".SH SYNOPSIS") && page.contains(".SH OPTIONS"), "{command}");
        }
    }
    let check = text(&run(&scratch, &["man", "check"], &[]));
    assert!(check.contains("write\\-baseline") && check.contains("PINHOLE_FORMAT"), "{check}");
    assert_eq!(run(&scratch, &["man", "nothing"], &[]).status.code(), Some(2));
}

const SITE: &str = "catalog = [\"products\"]\n[check]\nfail-on = \"warning\"\nseverity = { PH106 = \"error\" }\n\
                    thresholds = { wide-range = 500 }\n[[check.ignore]]\nrule = \"PH201\"\nreason = \"known\"\n";

#[test]
fn settings_say_where_they_come_from() {
    let scratch = Scratch::new("config");
    scratch.write("pinhole.toml", SITE);
    let shown = |args: &[&str], variables: &[(&str, &str)]| -> Vec<Value> {
        let args = [&["config", "show", "--format", "json"], args].concat();
        let ran = run(&scratch, &args, variables);
        assert!(ran.status.success(), "{}", text(&ran));
        read(&String::from_utf8(ran.stdout).unwrap())
    };
    let of = |all: &[Value], key: &str| {
        let setting = all.iter().find(|setting| setting["key"] == key).unwrap().clone();
        (setting["value"].clone(), setting["origin"].clone(), setting["line"].clone())
    };
    let all = shown(&[], &[]);
    assert_eq!(of(&all, "site file"), ("pinhole.toml".into(), "found".into(), Value::Null));
    assert_eq!(of(&all, "fail-on"), ("warning".into(), "site file".into(), 3.into()));
    assert_eq!(of(&all, "severity.PH106"), ("error".into(), "site file".into(), 4.into()));
    assert_eq!(of(&all, "thresholds.wide-range"), ("500".into(), "site file".into(), 5.into()));
    assert_eq!(of(&all, "check.ignore"), ("PH201: known".into(), "site file".into(), 7.into()));
    assert_eq!(of(&all, "baseline"), ("none".into(), "default".into(), Value::Null));
    assert_eq!(of(&all, "catalog"), ("products".into(), "site file".into(), 1.into()));
    let told = shown(&["--fail-on", "info", "--select", "PH1"], &[]);
    assert_eq!(of(&told, "fail-on"), ("info".into(), "command line".into(), Value::Null));
    assert_eq!(of(&told, "select"), ("PH1".into(), "command line".into(), Value::Null));
    let set = shown(&[], &[("PINHOLE_FAIL_ON", "info"), ("PINHOLE_CATALOG", "more")]);
    assert_eq!(of(&set, "fail-on"), ("info".into(), "environment".into(), Value::Null));
    assert_eq!(set.iter().filter(|setting| setting["key"] == "catalog").count(), 2);
    let none = shown(&["--no-site"], &[]);
    assert_eq!(of(&none, "fail-on"), ("error".into(), "default".into(), Value::Null));
}

#[test]
fn variables_stand_for_options() {
    let scratch = Scratch::new("variables");
    scratch.write("pf.conf", "block all\npass all\n");
    let ran = |variables: &[(&str, &str)]| run(&scratch, &["check", "pf.conf"], variables);
    assert_eq!(ran(&[]).status.code(), Some(0));
    assert_eq!(ran(&[("PINHOLE_FAIL_ON", "warning")]).status.code(), Some(1));
    let both = ran(&[("PINHOLE_FORMAT", "concise,json=out.json")]);
    assert!(text(&both).contains("pf.conf:2:1: warning[PH202]"), "{}", text(&both));
    let written: Value = read(&std::fs::read_to_string(scratch.0.join("out.json")).unwrap());
    assert_eq!(written["summary"]["by_rule"][0]["code"], "PH202");
}

#[test]
fn a_variable_names_the_site_file() {
    let scratch = Scratch::new("variable-site");
    scratch.write("pf.conf", "block all\npass all\n").write("other.toml", "[check]\nfail-on = \"info\"\n");
    scratch.write("strict.toml", "[check]\nfail-on = \"warning\"\n");
    scratch.write("pinhole.toml", "[check]\nselect = [\"PH1\"]\nfail-on = \"info\"\n");
    let set = [("PINHOLE_SITE", "strict.toml")];
    let code = |args: &[&str], variables: &[(&str, &str)]| {
        run(&scratch, &[&["check", "pf.conf"], args].concat(), variables).status.code()
    };
    assert_eq!((code(&[], &[]), code(&[], &set)), (Some(0), Some(1)));
    // An empty one is none, and what the command line says is at odds with nothing.
    assert_eq!(code(&[], &[("PINHOLE_SITE", "")]), Some(0));
    assert_eq!(code(&["--site", "pinhole.toml"], &set), Some(0));
    assert_eq!(code(&["--no-site"], &set), Some(0));
    assert_eq!(code(&["--product", "scopia-mcu"], &set), code(&["--product", "scopia-mcu"], &[]));
    assert_eq!(code(&[], &[("PINHOLE_SITE", "nowhere.toml")]), Some(2));
    let matrix = run(&scratch, &["matrix"], &[("PINHOLE_SITE", "nowhere.toml")]);
    assert!(text(&matrix).contains("cannot read `nowhere.toml`"), "{}", text(&matrix));
    let shown = |args: &[&str]| text(&run(&scratch, &[&["config", "show"], args].concat(), &set));
    assert!(shown(&[]).contains("= strict.toml  (environment)"), "{}", shown(&[]));
    let told = shown(&["--site", "other.toml"]);
    assert!(told.contains("= other.toml  (command line)"), "{told}");
    assert!(shown(&["--no-site"]).contains("= none  (command line)"), "{}", shown(&["--no-site"]));
}

#[test]
fn statistics_and_timings() {
    let scratch = Scratch::new("statistics");
    scratch.write("pf.conf", "block all\npass all\n");
    let plain = run(&scratch, &["check", "pf.conf"], &[]);
    let more = run(&scratch, &["check", "pf.conf", "--statistics", "--timings"], &[]);
    let shown = String::from_utf8_lossy(&more.stdout).into_owned();
    assert!(
        shown.contains("\n     1  PH202 any-to-any\n") && !text(&plain).contains("     1  PH202"),
        "{shown}"
    );
    let timed = String::from_utf8_lossy(&more.stderr).into_owned();
    assert!(timed.contains(" s  look for findings\n") && timed.contains(" s  all\n"), "{timed}");
    assert!(plain.stderr.is_empty());
}

#[test]
fn a_site_file_asks_for_a_version() {
    let scratch = Scratch::new("required");
    scratch.write("pf.conf", "block all\n");
    for (wanted, code, said) in [
        (">=0.1", 0, ""),
        (">=99", 2, "the site file asks for pinhole `>=99`, and this is"),
        ("~1", 2, "`~1` is no version"),
    ] {
        scratch.write("pinhole.toml", format!("required-version = \"{wanted}\"\n"));
        let ran = run(&scratch, &["check", "pf.conf"], &[]);
        assert_eq!(ran.status.code(), Some(code), "{wanted}: {}", text(&ran));
        assert!(text(&ran).contains(said), "{wanted}: {}", text(&ran));
    }
}

#[test]
fn the_version_says_how_it_was_built() {
    let scratch = Scratch::new("version");
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(text(&run(&scratch, &["-V"], &[])), format!("pinhole {version}\n"));
    assert!(text(&run(&scratch, &["--version"], &[])).starts_with(&format!("pinhole {version}")));
}

/// The words after `pinhole` in the lines of a file that run it, up to what is no word of it.
fn commands(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for line in text.lines() {
        for (at, _) in line.match_indices("pinhole ") {
            let before = line[..at].trim_end();
            let starts = before.is_empty()
                || before.ends_with(['-', ':', '|', '$', '&', '`', '/'])
                || before.ends_with("then");
            let words: Vec<String> = line[at + 8..]
                .split_whitespace()
                .map(|word| word.trim_matches(['`', '"', '\'', ',', '.']).to_string())
                .collect();
            if starts && words.first().is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()))
            {
                found.push(words);
            }
        }
    }
    found
}

#[test]
fn files_for_other_tools_call_pinhole_as_it_is() {
    let scratch = Scratch::new("packaging");
    let mut seen = 0;
    for file in [".pre-commit-hooks.yaml", "action.yml", "ci/gitlab.yml", ".github/workflows/release.yml"] {
        let whole = std::fs::read_to_string(folder(file)).unwrap();
        for words in commands(&whole) {
            let help = run(&scratch, &[&words[0], "--help"], &[]);
            if !help.status.success() {
                // A name or a description, such as `pinhole contributors`.
                assert!(words.iter().all(|word| !word.starts_with("--")), "{file}: {words:?}");
                continue;
            }
            let help = text(&help);
            for option in words.iter().filter(|word| word.starts_with("--") && word.len() > 2) {
                seen += 1;
                let option = option.split('=').next().unwrap();
                assert!(help.contains(option), "{file}: `pinhole {}` has no {option}", words.join(" "));
            }
        }
    }
    assert!(seen >= 8, "{seen}");
}

/// A folder with the config of a scenario, and nothing else.
fn newcomer(scenario: &str, file: &str) -> Scratch {
    let scratch = Scratch::new("init");
    let text = std::fs::read(folder("fixtures/scenarios").join(scenario).join(file)).unwrap();
    scratch.write(file, text);
    scratch
}

#[test]
fn init_writes_a_site_file_that_can_be_used() {
    for (scenario, file) in [
        ("h245-blocked", "edge.rules"),
        ("asa-media-cut", "edge.cfg"),
        ("pf-last-match", "pf.conf"),
        ("livekit-healthy", "nftables.conf"),
    ] {
        if !folder("fixtures/scenarios").join(scenario).join(file).exists() {
            continue;
        }
        let scratch = newcomer(scenario, file);
        let ran = run(&scratch, &["init"], &[]);
        assert!(
            ran.status.success() && text(&ran).contains("pinhole.toml is written"),
            "{scenario}: {}",
            text(&ran)
        );
        let checked = run(&scratch, &["check"], &[]);
        let site = std::fs::read_to_string(scratch.0.join("pinhole.toml")).unwrap();
        assert_ne!(checked.status.code(), Some(2), "{scenario}: {}\n{site}", text(&checked));
        assert!(!text(&checked).contains("PH6"), "{scenario}: {}\n{site}", text(&checked));
        // With the signs before the hosts taken away it is one as well.
        let with = site.replace("# [[device]]", "[[device]]");
        let bare = |line: &str| {
            ["# name = \"", "# product = ", "# addresses = [\""].iter().any(|key| line.starts_with(key))
        };
        let with: String = with
            .lines()
            .map(|line| if bare(line) { &line[2..] } else { line })
            .map(|line| line.replace("product = \"…\"", "product = \"scopia-mcu\"") + "\n")
            .collect();
        scratch.write("pinhole.toml", &with);
        let checked = run(&scratch, &["check"], &[]);
        assert_ne!(checked.status.code(), Some(2), "{scenario}: {}\n{with}", text(&checked));
    }
}

#[test]
fn init_sees_interfaces_networks_and_products() {
    let scratch = newcomer("h245-blocked", "edge.rules");
    let site = text(&run(&scratch, &["init", "--stdout"], &[]));
    for part in [
        "name = \"internet\"",
        "networks = [\"10.1.2.0/24\"]",
        "config = [\"edge.rules\"]",
        "eth0 = \"internet\"",
        "# 10.1.2.10 has tcp ",
        "perhaps ",
        "scopia-elite-5200",
    ] {
        assert!(site.contains(part), "{part}:\n{site}");
    }
    assert!(!scratch.0.join("pinhole.toml").exists());
}

#[test]
fn init_replaces_nothing_unasked() {
    let scratch = newcomer("h245-blocked", "edge.rules");
    scratch.write("pinhole.toml", "# mine\n");
    let ran = run(&scratch, &["init"], &[]);
    assert_eq!(ran.status.code(), Some(2));
    assert!(text(&ran).contains("`--force` replaces it"), "{}", text(&ran));
    assert_eq!(std::fs::read_to_string(scratch.0.join("pinhole.toml")).unwrap(), "# mine\n");
    assert!(run(&scratch, &["init", "--force"], &[]).status.success());
    let empty = Scratch::new("init-empty");
    assert_eq!(run(&empty, &["init"], &[]).status.code(), Some(2));
}

#[test]
fn files_of_two_families_are_one_firewall() {
    let scratch = Scratch::new("init-two");
    let rules =
        "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -i eth0 -o eth1 -p tcp --dport 22 -j ACCEPT\nCOMMIT\n";
    scratch.write("edge.rules.v4", rules).write("edge.rules.v6", rules);
    let site = text(&run(&scratch, &["init", "--stdout"], &[]));
    assert_eq!(site.matches("[[firewall]]").count(), 1, "{site}");
    assert!(site.contains("config = [\"edge.rules.v4\", \"edge.rules.v6\"]"), "{site}");
}
