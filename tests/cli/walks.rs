//! What documents tell people to type: each line is typed, in a place like the one that its document speaks of, and what
//! is shown of the output is what is printed.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::common::{Scratch, folder};
use crate::docs::{documents, text_of};

/// What follows `$ ` in a block of a document, and what the document shows of the output.
struct Typed {
    line: String,
    shown: Option<String>,
}

/// All that a document has people type, in order.
fn typed(text: &str) -> Vec<Typed> {
    let mut all: Vec<Typed> = Vec::new();
    let parts: Vec<&str> = text.split("\n```").collect();
    for pair in parts.chunks(2) {
        let [between, block] = pair else { break };
        let (kind, body) = block.split_once('\n').unwrap_or((block, ""));
        let mut near = between.lines().map(str::trim).filter(|line| !line.is_empty());
        if kind == "text" && near.all(|line| line.starts_with("<!-- The output")) {
            all.last_mut().unwrap().shown = Some(body.to_string() + "\n");
        }
        if kind == "console" {
            let lines = body.lines().filter_map(|line| line.strip_prefix("$ "));
            all.extend(lines.map(|line| Typed { line: line.to_string(), shown: None }));
        }
    }
    all
}

const MORE_DEVICES: &str = r#"
[[device]]
name = "meet-1"
product = "jitsi-meet"
addresses = ["10.1.2.30"]

[[device]]
name = "pbx-1"
product = "freepbx"
addresses = ["10.1.2.40"]
"#;

const ASA: &str = "ASA Version 9.8(4)\nhostname edge\ninterface GigabitEthernet0/0\n nameif eth0\n security-level 0\n ip address \
                   198.51.100.1 255.255.255.0\ninterface GigabitEthernet0/1\n nameif eth1\n security-level 100\n ip \
                   address 10.1.2.1 255.255.255.0\naccess-list in extended permit tcp any host 10.1.2.10 eq \
                   1720\naccess-group in in interface eth0\n";

const NFT: &str = "table inet f {\n  chain forward {\n    type filter hook forward priority filter; policy drop;\n    ct \
                   state established,related accept\n    iifname \"eth1\" accept\n    iifname \"eth0\" ip daddr \
                   10.1.2.10 tcp dport 1720 accept\n  }\n}\n";

const DROPS: &str = "Nov 28 10:00:00 edge kernel: [1.0] edge drop: IN=eth0 OUT=eth1 SRC=203.0.113.9 DST=10.1.2.10 LEN=60 \
                     TOS=0x00 PREC=0x00 TTL=64 ID=1 DF PROTO=TCP SPT=50000 DPT=1024 WINDOW=64240 RES=0x00 SYN URGP=0\n";

const ASA_DROPS: &str = "Nov 28 2026 10:00:00 edge : %ASA-4-106023: Deny tcp src eth0:203.0.113.9/50000 dst \
                         eth1:10.1.2.10/1024 by access-group \"in\" [0x0, 0x0]\n";

/// The site file of a place.
fn site_of(document: &str) -> String {
    let example = folder("fixtures/scenarios/h245-blocked/pinhole.toml");
    let site = std::fs::read_to_string(example).unwrap() + MORE_DEVICES;
    if document == "docs/migration.md" { site.replace("edge.rules", "edge.nft") } else { site }
}

/// A repository with the files that documents name: a site, a firewall in three languages, what it was and what it is
/// to be, on branches and staged, and logs.
fn place(document: &str) -> Scratch {
    let place = Scratch::new("walk");
    let rules = std::fs::read_to_string(folder("fixtures/scenarios/h245-blocked/edge.rules")).unwrap();
    let mended: String =
        rules.lines().filter(|line| !line.contains("no registered")).fold(String::new(), |t, l| t + l + "\n");
    let dead = rules.replace(
        "COMMIT\n",
        "-A FORWARD -i eth2 -s 10.9.0.5/32 -d 10.1.2.10/32 -p udp -m udp --dport 161 -j ACCEPT\nCOMMIT\n",
    );
    if document != "docs/start.md" {
        place.write("pinhole.toml", site_of(document));
    }
    place.write("edge.rules", dead).write("edge.cfg", ASA).write("edge.nft", NFT);
    place.write("old.rules", &rules).write("new.rules", &mended);
    place
        .write("configs.old/edge.rules", &rules)
        .write("configs/edge.rules", &mended)
        .write("firewalls/edge.rules", &rules);
    place.write(
        "packets.jsonl",
        "{\"src\":\"203.0.113.7\",\"dst\":\"10.1.2.10\",\"proto\":\"tcp\",\"dport\":1720}\n",
    );
    place.write("asa-syslog.txt", ASA_DROPS).write("drops.log", DROPS);
    place.write(".gitignore", "bin\nhome\n");
    // The programs of the place: the pinhole of this build, and a journal.
    std::fs::create_dir_all(place.0.join("bin")).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_pinhole"), place.0.join("bin/pinhole")).unwrap();
    let journal = place.file("bin/journalctl", format!("#!/bin/sh\ncat {}/drops.log\n", place.0.display()));
    std::fs::set_permissions(journal, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::create_dir_all(place.0.join("home")).unwrap();
    for line in [
        "git init --quiet --initial-branch main",
        "git add . && git commit --quiet -m 'as it is'",
        "git checkout --quiet -b feature && cp new.rules edge.rules && git commit --quiet -a -m 'a change'",
        "git checkout --quiet main && cp new.rules edge.rules && git add . && cp old.rules edge.rules",
    ] {
        let ran = run(&place.0, &place.0, line);
        assert!(ran.status.success(), "{line}: {}", String::from_utf8_lossy(&ran.stderr));
    }
    if document != "docs/diff.md" && document != "docs/pre-commit.md" {
        assert!(run(&place.0, &place.0, "git checkout --quiet HEAD -- edge.rules").status.success());
    }
    place
}

/// Types a line in a folder of a place.
fn run(place: &Path, at: &Path, line: &str) -> Output {
    let path = std::env::var("PATH").unwrap();
    Command::new("bash")
        .args(["-c", &format!("set -o pipefail; {line}")])
        .current_dir(at)
        .env("PATH", format!("{}:{path}", place.join("bin").display()))
        .env("HOME", place.join("home"))
        .envs([("GIT_AUTHOR_NAME", "t"), ("GIT_AUTHOR_EMAIL", "t@example.org")])
        .envs([("GIT_COMMITTER_NAME", "t"), ("GIT_COMMITTER_EMAIL", "t@example.org")])
        .env_remove("PINHOLE_FORMAT")
        .output()
        .unwrap()
}

/// Lines of which each stands for itself: what the one before wrote is not there.
const APART: [&str; 1] = ["docs/fixes.md"];

/// Lines that print nothing where all is well.
fn silent(line: &str) -> bool {
    ["mkdir ", "pinhole diff --equal", "pinhole man --dir"].iter().any(|start| line.starts_with(start))
}

#[test]
fn every_line_of_the_documents_does_what_it_is_there_for() {
    let mut seen = 0;
    let root = folder("");
    for document in documents() {
        let name = document.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_str().unwrap();
        let all = typed(&text_of(&document));
        let lines = all.iter().filter(|typed| !of_cargo(&typed.line)).collect::<Vec<_>>();
        if lines.is_empty() {
            continue;
        }
        let mut there = place(name);
        let mut at = there.0.clone();
        for Typed { line, shown } in lines {
            if APART.contains(&name) {
                there = place(name);
                at.clone_from(&there.0);
            }
            if let Some(folder) = line.strip_prefix("cd ") {
                at = at.join(folder);
                assert!(at.is_dir(), "{name}: {line}");
                continue;
            }
            seen += 1;
            let line = line.replace("cargo run -- ", "pinhole ");
            // Fixtures are looked at where they are.
            let ran = run(&there.0, if line.contains("fixtures/") { &root } else { &at }, &line);
            let [out, err] =
                [&ran.stdout, &ran.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
            let code = ran.status.code().unwrap();
            assert!(code < 2, "{name}: {line}\n{code} {out}\n{err}");
            assert!(!err.contains("error") && !err.contains("No such file"), "{name}: {line}\n{err}");
            let written = line.split_once(" > ").map(|(_, file)| file.split(' ').next().unwrap());
            let written =
                written.map(|file| at.join(file.replace('~', there.0.join("home").to_str().unwrap())));
            let some = written.map_or(!out.is_empty(), |file: PathBuf| file.metadata().unwrap().len() > 0);
            assert!(some || silent(&line), "{name}: {line} prints nothing");
            if line == "pinhole init" {
                // Whoever reads on has said which hosts are devices.
                std::fs::write(at.join("pinhole.toml"), site_of(name)).unwrap();
            }
            if let Some(shown) = shown {
                assert_eq!(&out, shown, "{name}: {line}");
            }
        }
    }
    assert!(seen > 50, "{seen}");
}

/// What needs the toolchain, which whoever runs the tests has and used, or programs that tests of their own look for: mdbook,
/// pre-commit.
fn of_cargo(line: &str) -> bool {
    line.contains("cargo ") && !line.starts_with("cargo run ")
        || line.contains("mdbook ")
        || line.starts_with("git commit ")
}

#[test]
fn lines_for_cargo_name_what_there_is() {
    let known = ["build", "clippy", "fmt", "install", "run", "test", "bench", "deb"];
    for document in documents() {
        for Typed { line, .. } in typed(&text_of(&document)) {
            let Some((_, rest)) = line.split_once("cargo ") else { continue };
            let words: Vec<&str> = rest.split('#').next().unwrap().split_whitespace().collect();
            assert!(known.contains(&words[0]), "{}: {line}", document.display());
            if let Some(at) = words.iter().position(|word| *word == "--test") {
                let name = words[at + 1];
                assert!(folder(&format!("tests/{name}/main.rs")).exists(), "{}: {line}", document.display());
            }
        }
    }
}
