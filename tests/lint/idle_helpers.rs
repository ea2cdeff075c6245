//! Helpers that are there and open nothing: PH503 to PH506 and PH508, and what must not be said.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use crate::common;

use std::process::Command;

use common::{Report, Scratch};

/// A site with one device behind one firewall.
fn site(product: &str, keys: &str) -> String {
    format!(
        "[[zone]]\nname = \"internet\"\n[[zone]]\nname = \"video\"\nnetworks = [\"10.1.2.0/24\"]\n[[firewall]]\nname = \
         \"edge\"\nconfig = [\"edge.nft\"]\ninterfaces = {{ eth0 = \"internet\", eth1 = \"video\" }}\n[[device]]\nname = \
         \"room-1\"\nproduct = \"{product}\"\naddresses = [\"10.1.2.10\"]\n{keys}[[peer]]\nrole = \
         \"h323-entity\"\nzone = \"internet\"\n"
    )
}

/// A ruleset with both helpers of H.323 and that of SIP, and rules for where they are assigned and what is forwarded.
fn ruleset(assigned: &str, forward: &str) -> String {
    format!(
        "table inet f {{\n\tct helper q931 {{\n\t\ttype \"Q.931\" protocol tcp;\n\t}}\n\tct helper sip {{\n\t\ttype \"sip\" \
         protocol udp;\n\t}}\n\tchain pre {{\n\t\ttype filter hook prerouting priority filter; policy \
         accept;\n\t\t{assigned}\n\t}}\n\tchain forward {{\n\t\ttype filter hook forward priority filter; policy \
         drop;\n\t\t{forward}\n\t}}\n}}\n"
    )
}

/// The codes from PH503 to PH508, each with its line and message.
fn told(site: &str, ruleset: &str) -> Vec<(String, Option<usize>, String)> {
    let scratch = Scratch::new("idle-helpers");
    scratch.write("pinhole.toml", site);
    scratch.write("edge.nft", ruleset);
    let output = Command::new(env!("CARGO_BIN_EXE_pinhole"))
        .args(["check", "--select", "PH503,PH504,PH505,PH506,PH508", "--format", "json"])
        .current_dir(&scratch.0)
        .output()
        .unwrap();
    let report: Report = serde_json::from_slice(&output.stdout).unwrap();
    report.findings.into_iter().map(|found| (found.code, found.line, found.message)).collect()
}

const BOTH: &str = "ct state established,related accept\n\t\ttcp dport 1720 accept";
const MCU: &str = "scopia-elite-5200";

#[test]
fn a_helper_that_works_is_no_finding() {
    let works = ruleset("tcp dport 1720 ct helper set \"q931\"", BOTH);
    assert_eq!(told(&site(MCU, ""), &works), []);
}

#[test]
fn ports_that_are_open_need_no_helper() {
    let open = "ct state established accept\n\t\tip daddr 10.1.2.10 accept\n\t\tip saddr 10.1.2.10 accept";
    for assigned in ["tcp dport 1720 ct helper set \"q931\"", "tcp dport 1721 ct helper set \"q931\""] {
        assert_eq!(told(&site(MCU, ""), &ruleset(assigned, open)), []);
        assert_eq!(told(&site(MCU, "encrypted = true\n"), &ruleset(assigned, open)), []);
    }
}

#[test]
fn without_a_helper_nobody_speaks_of_one() {
    let none = "table inet f {\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy drop;\n\t\tct state \
                established accept\n\t\ttcp dport 1720 accept\n\t}\n}\n";
    assert_eq!(told(&site(MCU, ""), none), []);
}

#[test]
fn each_way_in_which_it_fails_has_a_code_of_its_own() {
    let right = "tcp dport 1720 ct helper set \"q931\"";
    let established = "ct state established accept\n\t\ttcp dport 1720 accept";
    let refused = "ct state related drop\n\t\tct state established,related accept\n\t\ttcp dport 1720 accept";
    for (keys, assigned, forward, code) in [
        ("", right, established, "PH503"),
        ("", right, refused, "PH503"),
        ("", "tcp dport 1721 ct helper set \"q931\"", BOTH, "PH504"),
        ("", "ip daddr 10.1.2.99 tcp dport 1720 ct helper set \"q931\"", BOTH, "PH504"),
        ("encrypted = true\n", right, BOTH, "PH505"),
    ] {
        let found = told(&site(MCU, keys), &ruleset(assigned, forward));
        assert_eq!(found.len(), 1, "{assigned} / {forward}: {found:?}");
        assert_eq!((found[0].0.as_str(), found[0].1), (code, Some(10)), "{found:?}");
        assert!(found[0].2.contains("`Q.931`") && found[0].2.contains("room-1"), "{found:?}");
    }
}

#[test]
fn a_leg_that_is_not_watched_leaves_the_answer_open() {
    // Calls from outside are watched, those of the device are not: it depends on who calls.
    let one = ruleset("iifname \"eth0\" tcp dport 1720 ct helper set \"q931\"", BOTH);
    assert_eq!(told(&site(MCU, ""), &one), []);
}

#[test]
fn what_a_document_rules_out_is_a_finding_even_where_all_is_open() {
    let open =
        "ct state established,related accept\n\t\tip daddr 10.1.2.10 accept\n\t\tip saddr 10.1.2.10 accept";
    let assigned = "udp dport 5060 ct helper set \"sip\"";
    let found = told(&site("cisco-expressway-e", ""), &ruleset(assigned, open));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].0.as_str(), found[0].1), ("PH506", Some(10)), "{found:?}");
    let others = "ip daddr 10.1.2.99 udp dport 5060 ct helper set \"sip\"";
    assert_eq!(told(&site("cisco-expressway-e", ""), &ruleset(others, open)), []);
    assert_eq!(told(&site("asterisk", ""), &ruleset(assigned, open)), []);
}
