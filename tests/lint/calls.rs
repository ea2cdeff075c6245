//! `pinhole explain` over the sites in `fixtures/calls`: each works as it is, in four languages; each rule that a stage
//! needs is turned into its opposite, one at a time, and the explanation names that rule and nothing else as failed.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by a panic")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value as Json;

/// The configs of each site, with what opens and what closes in their languages.
const LANGUAGES: [(&str, &str, &str); 4] = [
    ("edge.rules", "-j ACCEPT", "-j DROP"),
    ("edge.nft", " accept ", " drop "),
    ("edge.pf", "pass ", "block "),
    ("edge.asa", " permit ", " deny "),
];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/calls")
}

/// A site of the fixtures in one language, with some rules turned into their opposites.
struct Site {
    folder: PathBuf,
}

/// A rule that a stage needs.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Marked {
    stage: String,
    /// From 1.
    line: usize,
}

impl Site {
    fn new(site: &str, file: &str, name: &str, closed: &dyn Fn(&str) -> bool) -> Site {
        let language = LANGUAGES.iter().find(|(known, ..)| *known == file).unwrap();
        let folder = std::env::temp_dir()
            .join(format!("pinhole-calls-{}", std::process::id()))
            .join(format!("{site}-{file}-{name}").replace(' ', "-"));
        std::fs::create_dir_all(&folder).unwrap();
        let toml = std::fs::read_to_string(fixtures().join(site).join("pinhole.toml")).unwrap();
        std::fs::write(folder.join("pinhole.toml"), toml.replace("CONFIG", file)).unwrap();
        let text = std::fs::read_to_string(fixtures().join(site).join(file)).unwrap();
        let turned: Vec<usize> =
            marks(&text).into_iter().filter(|mark| closed(&mark.stage)).map(|mark| mark.line).collect();
        let mut out = String::new();
        for (at, line) in text.lines().enumerate() {
            let line =
                if turned.contains(&(at + 1)) { line.replace(language.1, language.2) } else { line.into() };
            writeln!(out, "{line}").unwrap();
        }
        std::fs::write(folder.join(file), out).unwrap();
        Site { folder }
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_pinhole")).current_dir(&self.folder).args(args).output().unwrap()
    }

    /// The explanation and the exit code.
    fn explain(&self, args: &[&str]) -> (Json, i32) {
        let args: Vec<&str> = ["explain", "--format", "json"].iter().chain(args).copied().collect();
        let output = self.run(&args);
        let text = String::from_utf8(output.stdout).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        (
            serde_json::from_str(&text).unwrap_or_else(|_| panic!("{args:?}: {text}{said}")),
            output.status.code().unwrap(),
        )
    }
}

/// The rules that stages need: those that say so themselves, or that a remark stands before.
fn marks(text: &str) -> Vec<Marked> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let Some((before, stage)) = line.split_once("stage ") else { continue };
        let stage = stage.split(['"', '\n']).next().unwrap().trim().to_string();
        let line = if before.contains(" remark ") { at + 2 } else { at + 1 };
        found.push(Marked { stage, line });
    }
    found
}

/// A call on a site: who calls whom, and what the answer is when a stage fails, where it is not *no*.
struct Case {
    site: &'static str,
    args: &'static [&'static str],
    /// Marks whose failure makes the answer *depends*.
    depends: &'static [&'static str],
    /// Marks whose failure leaves the call working.
    works: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        site: "h323",
        args: &["--from", "xt-1", "--to", "mcu-1", "--call", "h323"],
        depends: &["h245 a-to-b", "h245 b-to-a", "media a-to-b", "media b-to-a"],
        works: &["discovery"],
    },
    Case {
        site: "sip",
        args: &["--from", "room-1", "--to", "room-2", "--call", "sip"],
        depends: &["sip b-to-a", "media a-to-b", "media b-to-a"],
        works: &["content"],
    },
    Case {
        site: "webrtc",
        args: &["--from", "anybody", "--to", "talk-1", "--call", "webrtc"],
        depends: &[],
        works: &["ice-udp", "turn-udp", "turn-tcp", "turn-tls", "relay"],
    },
    Case {
        site: "livekit",
        args: &["--from", "anybody", "--to", "meet-1", "--call", "webrtc"],
        depends: &[],
        works: &["ice-udp", "ice-tcp", "turn-udp", "turn-tls"],
    },
    Case {
        site: "desktop",
        args: &["--from", "office", "--to", "mcu-1", "--call", "desktop"],
        depends: &["h245 forth", "h245 back", "relay forth", "relay back"],
        works: &["media"],
    },
    Case {
        site: "h460",
        args: &["--from", "role:h460-entity@branch", "--to", "traversal-1", "--call", "h460"],
        depends: &["h245"],
        works: &[],
    },
    Case {
        site: "management",
        args: &["--from", "office", "--to", "mcu-1", "--call", "management"],
        depends: &[],
        works: &["web", "ssh", "snmp a-to-b", "snmp b-to-a", "xml-api", "admin-api"],
    },
];

/// The rows that do not work, of stages that are reached.
fn failed(explanation: &Json) -> Vec<&Json> {
    let rows = explanation["stages"].as_array().unwrap().iter();
    rows.filter(|row| row["works"] != "yes" && row["reached"] == true).collect()
}

#[test]
fn calls_work_where_all_rules_are_there() {
    for case in CASES {
        for (file, ..) in LANGUAGES {
            let (explanation, code) = Site::new(case.site, file, "all", &|_| false).explain(case.args);
            let bad: Vec<String> = failed(&explanation).iter().map(|row| short(row)).collect();
            assert!(bad.is_empty(), "{} {file}: {bad:#?}", case.site);
            assert_eq!((&explanation["works"], code), (&Json::from("yes"), 0), "{} {file}", case.site);
        }
    }
}

/// Whether the packet that a row shows arrives, as the interpreter has it.
fn arrives(site: &Site, row: &Json) -> Option<bool> {
    let command = row["trace"].as_str()?;
    let args: Vec<&str> = command.split(' ').skip(1).collect();
    let output = site.run(&args);
    let said = String::from_utf8_lossy(&output.stderr).to_string();
    assert!(output.status.success(), "{command}: {said}");
    Some(String::from_utf8_lossy(&output.stdout).contains("it arrives"))
}

#[test]
fn the_interpreter_says_the_same_of_every_row() {
    for case in CASES {
        for (file, ..) in LANGUAGES {
            let site =
                Site::new(case.site, file, "traced", &|stage| stage.contains("h245") || stage == "web");
            let (explanation, _) = site.explain(case.args);
            for row in explanation["stages"].as_array().unwrap() {
                let carried = row["carried"] == true || row["reply"] == true;
                let Some(arrives) = arrives(&site, row).filter(|_| !carried) else { continue };
                let open = row["blocked"].as_array().unwrap().is_empty();
                assert_eq!(arrives, open, "{} {file}: {}: {}", case.site, row["trace"], short(row));
            }
        }
    }
}

#[test]
fn the_rule_that_stops_a_stage_is_named_and_no_other() {
    for case in CASES {
        for (file, ..) in LANGUAGES {
            let text = std::fs::read_to_string(fixtures().join(case.site).join(file)).unwrap();
            for mark in marks(&text) {
                one_stage_fails(case, file, &mark);
            }
        }
    }
}

fn one_stage_fails(case: &Case, file: &str, mark: &Marked) {
    let (explanation, code) =
        Site::new(case.site, file, &mark.stage, &|stage| stage == mark.stage).explain(case.args);
    let place = format!("{} {file}, {}", case.site, mark.stage);
    let rows = failed(&explanation);
    let shown: Vec<String> = rows.iter().map(|row| short(row)).collect();
    assert!(!rows.is_empty(), "{place}: nothing failed");
    let name = mark.stage.split(' ').next().unwrap();
    for row in &rows {
        assert_eq!(row["stage"], name, "{place}: {shown:#?}");
        assert_eq!(row["rule"]["line"], mark.line, "{place}: {shown:#?}");
        assert!(!row["symptom"].as_str().unwrap().is_empty(), "{place}");
    }
    let stage = mark.stage.as_str();
    let expected = if case.works.contains(&stage) {
        ("yes", 0)
    } else if case.depends.contains(&stage) {
        ("depends", 1)
    } else {
        ("no", 1)
    };
    assert_eq!((explanation["works"].as_str().unwrap(), code), expected, "{place}: {shown:#?}");
}

/// A row in one line.
fn short(row: &Json) -> String {
    format!(
        "{} {} → {} {} {} {}: {} by {} ({})",
        row["stage"].as_str().unwrap(),
        row["from"],
        row["to"],
        row["transport"],
        row["ports"],
        row["works"],
        row["blocked"],
        row["rule"],
        row["depends_on"],
    )
}
