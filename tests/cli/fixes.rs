//! Changes that findings offer, as a user has them printed and made.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use crate::common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use common::Scratch;

fn pinhole(folder: &Scratch, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pinhole")).current_dir(&folder.0).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

const RULES: &str = "\
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -s 10.1.0.0/16 -p tcp -m tcp --dport 1720 -j ACCEPT
[12:720] -A FORWARD -s 10.1.2.0/24 -p tcp -m tcp --dport 1720 -j ACCEPT
-A FORWARD -s 10.1.3.0/24 -p tcp -m tcp --dport 1720 -j DROP
-A FORWARD -s 10.9.0.0/16 -p udp -m udp --dport 1719 -j ACCEPT
COMMIT
";

/// The text without the lines that have one of some words.
fn without(text: &str, words: &[&str]) -> String {
    text.split_inclusive('\n').filter(|line| !words.iter().any(|word| line.contains(word))).collect()
}

#[test]
fn a_shadowed_rule_goes_and_a_contradicted_one_stays_until_it_is_asked_for() {
    let folder = Scratch::new("iptables");
    let path = folder.file("edge.rules", RULES);
    let diff = pinhole(&folder, &["check", "--select", "PH4", "--diff", "edge.rules"]);
    assert_eq!(diff.status.code(), Some(1), "{}", text(&diff.stderr));
    let diff = text(&diff.stdout);
    assert!(diff.starts_with("--- a/edge.rules\n+++ b/edge.rules\n@@ "), "{diff}");
    let gone: Vec<&str> =
        diff.lines().filter(|line| line.starts_with('-') && !line.starts_with("---")).collect();
    assert_eq!(gone, ["-[12:720] -A FORWARD -s 10.1.2.0/24 -p tcp -m tcp --dport 1720 -j ACCEPT"]);
    assert_eq!(read(&path), RULES);

    let fixed = pinhole(&folder, &["check", "--select", "PH4", "--fix", "edge.rules"]);
    let told = text(&fixed.stdout);
    assert!(told.starts_with("fixed edge.rules:6: PH401 the rule never accepts"), "{told}");
    assert!(told.contains("PH403"), "what is left is reported: {told}");
    assert_eq!(read(&path), without(RULES, &["10.1.2.0"]));

    pinhole(&folder, &["check", "--select", "PH4", "--fix", "--unsafe-fixes", "edge.rules"]);
    assert_eq!(read(&path), without(RULES, &["10.1.2.0", "10.1.3.0"]));
    let left = pinhole(&folder, &["check", "--select", "PH4", "--diff", "--unsafe-fixes", "edge.rules"]);
    assert_eq!((left.status.code(), text(&left.stdout)), (Some(0), String::new()));
}

#[test]
fn line_ends_and_a_missing_last_one_stay() {
    let folder = Scratch::new("ends");
    let text = RULES.trim_end().replace('\n', "\r\n");
    let path = folder.file("edge.rules", &text);
    pinhole(&folder, &["check", "--select", "PH401", "--fix", "edge.rules"]);
    assert_eq!(read(&path), without(&text, &["10.1.2.0"]));
}

#[test]
fn tidy_takes_out_what_does_nothing_in_all_languages() {
    let configs = [
        (
            "edge.nft",
            "table inet filter {\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy drop;\n\t\tip \
             saddr 10.1.0.0/16 tcp dport 1720 accept\n\t\t# of the branch\n\t\tip saddr 10.1.2.0/24 tcp dport 1720 \
             accept # GONE\n\t\tudp dport 1719 accept; ip saddr 10.1.2.0/24 udp dport 1719 accept # twice\n\t}\n}\n",
        ),
        (
            "pf.conf",
            "block all\npass in quick on em0 proto tcp to 10.1.2.0/24 port 1720\npass in quick on em0 proto tcp to \
             10.1.2.10 port 1720 # GONE\n",
        ),
        (
            "edge.cfg",
            "ASA Version 9.8(4)\n!\ninterface GigabitEthernet0/0\n nameif outside\n security-level 0\n ip address \
             198.51.100.1 255.255.255.0\n!\ninterface GigabitEthernet0/1\n nameif inside\n security-level 100\n ip \
             address 10.1.1.1 255.255.255.0\n!\naccess-list outside_in extended permit tcp any 10.1.1.0 255.255.255.0 \
             eq 1720\naccess-list outside_in extended permit tcp any host 10.1.1.77 eq 1720\naccess-list outside_in \
             extended permit udp any host 10.1.1.4 eq 1719\naccess-group outside_in in interface outside\n",
        ),
    ];
    for (name, config) in configs {
        let folder = Scratch::new(name);
        let path = folder.file(name, config);
        let dry = pinhole(&folder, &["tidy", name]);
        let told = text(&dry.stdout);
        assert!(
            told.contains("1 line and") && told.contains("can go"),
            "{name}: {told}{}",
            text(&dry.stderr)
        );
        assert_eq!(read(&path), config);
        let done = pinhole(&folder, &["tidy", "--write", name]);
        assert!(
            text(&done.stdout).contains("every packet fares as before"),
            "{name}: {}",
            text(&done.stdout)
        );
        assert_eq!(read(&path), without(config, &["GONE", "10.1.1.77"]), "{name}");
        let again = pinhole(&folder, &["tidy", name]);
        assert!(text(&again.stdout).starts_with("no rule does nothing"), "{name}: {}", text(&again.stdout));
    }
}
