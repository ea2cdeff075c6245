//! How many ports a product takes, as `pinhole size` tells it and PH108 holds ranges against it.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use crate::common;

use std::process::{Command, Output};

use common::Scratch;
use pinhole::catalog::Catalog;
use serde_json::Value;

fn run(scratch: &Scratch, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pinhole")).args(args).current_dir(&scratch.0).output().unwrap()
}

fn sized(args: &[&str]) -> Vec<Value> {
    let scratch = Scratch::new("sizes");
    let output = run(&scratch, &[&["size", "--format", "json"], args].concat());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_guide_counts_eleven_ports_a_connection_and_six_a_recording() {
    let [one] = sized(&["scopia-desktop", "--connections", "100", "--recordings", "10"]).try_into().unwrap();
    assert_eq!((&one["needed"], &one["range"]), (&Value::from(1160), &Value::from(vec![10000, 11159])));
    assert_eq!(one["document"], "Port Security Reference Guide, table 1-26");
    let [one] = sized(&["scopia-desktop", "--connections", "1", "--from", "20001"]).try_into().unwrap();
    assert_eq!(one["range"], Value::from(vec![20002, 20012]));
    let [tcp, udp] = sized(&["polycom-hdx", "--connections", "3"]).try_into().unwrap();
    assert_eq!(
        (&tcp["range"], &udp["range"]),
        (&Value::from(vec![3230, 3235]), &Value::from(vec![3230, 3253]))
    );
}

#[test]
fn the_arithmetic_is_shown() {
    let scratch = Scratch::new("sizes-shown");
    let output = run(&scratch, &["size", "scopia-desktop", "--connections", "100", "--recordings", "5"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = text.lines().map(words).collect();
    for line in [
        "100 licensed connections x 11 ports 1100",
        "5 recordings x 6 ports 30",
        "ports needed 1130",
        "narrowest range: 10000-11129",
        "connections = 100",
    ] {
        assert!(lines.iter().any(|known| known == line), "{line}\n{text}");
    }
    assert!(text.contains("Multimedia Ports") && text.contains("table 1-26"), "{text}");
}

#[test]
fn what_cannot_be_counted_is_refused() {
    let scratch = Scratch::new("sizes-refused");
    for (args, code, expected) in [
        (&["scopia-dekstop"][..], 2, "the nearest is `scopia-desktop`"),
        (&["scopia-ecs"], 2, "no document of the catalog tells how many ports `scopia-ecs` takes"),
        (&["scopia-desktop", "--recordings", "11"], 2, "makes at most 10 at once"),
        (&["scopia-xt-desktop", "--recordings", "1"], 2, "no document tells of ports"),
        (&["scopia-desktop", "--connections", "5049"], 1, "no range within 10000-65535 holds so many"),
    ] {
        let output = run(&scratch, &[&["size"], args].concat());
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains(expected), "{text}");
        assert_eq!(output.status.code(), Some(code), "{args:?}");
    }
}

#[test]
fn every_product_that_is_counted_has_room_for_one() {
    let catalog = Catalog::bundled().unwrap();
    for product in catalog.products().iter().filter(|product| !product.sizings.is_empty()) {
        for range in sized(&[&product.name, "--connections", "1"]) {
            assert_eq!(range["needed"], range["ports"], "{}", product.name);
            assert!(range["range"].is_array() && range["room"].as_u64() >= Some(1), "{}", product.name);
        }
    }
}

const SITE: &str = r#"
[[zone]]
name = "internet"
[[zone]]
name = "dmz"
networks = ["10.1.3.0/24"]
[[firewall]]
name = "edge"
config = ["edge.nft"]
interfaces = { eth0 = "internet", eth1 = "dmz" }
[[device]]
name = "meet-1"
product = "scopia-desktop"
addresses = ["10.1.3.10"]
"#;

/// What PH108 says of a device with these keys, behind a firewall that opens a range.
fn findings(keys: &str, open: &str) -> Vec<Value> {
    let scratch = Scratch::new("sizes-check");
    scratch.write("pinhole.toml", format!("{SITE}{keys}\n"));
    scratch.write(
        "edge.nft",
        format!(
            "table ip f {{\n\tchain forward {{\n\t\ttype filter hook forward priority 0; policy drop;\n\t\tct state \
             established,related accept\n\t\tip daddr 10.1.3.10 udp dport {open} accept\n\t}}\n}}\n"
        ),
    );
    let output = run(&scratch, &["check", "--select", "PH108", "--format", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    report["findings"].as_array().unwrap().clone()
}

#[test]
fn a_range_holds_the_connections_or_is_too_small() {
    let moved = |range: &str, count| {
        findings(&format!("ports = {{ client-media-internet = \"{range}\" }}\nconnections = {count}"), range)
    };
    assert_eq!(moved("20000-20109", 10), Vec::<Value>::new());
    let [one] = moved("20000-20108", 10).try_into().unwrap();
    assert_eq!(one["file"], "pinhole.toml");
    assert_eq!(
        one["message"],
        "udp 20000-20108 (RTP/RTCP) of meet-1 has 109 ports, and 10 licensed connections need 110"
    );
    assert!(one["help"].as_str().unwrap().starts_with("20000-20109 is large enough"), "{one}");
    // Nobody says how many connections there are.
    assert_eq!(
        findings("ports = { client-media-internet = \"20000-20001\" }", "20000-20001"),
        Vec::<Value>::new()
    );
}

#[test]
fn the_open_part_of_a_range_holds_the_connections_or_is_too_small() {
    assert_eq!(findings("connections = 10", "10000-10109"), Vec::<Value>::new());
    let [one] = findings("connections = 10\nrecordings = 1", "10000-10109").try_into().unwrap();
    assert_eq!((&one["file"], &one["line"]), (&Value::from("edge.nft"), &Value::from(5)));
    let message = one["message"].as_str().unwrap();
    assert!(
        message.starts_with("110 ports of udp 10000-65535 (RTP/RTCP) of meet-1 are open to "),
        "{message}"
    );
    assert!(message.ends_with("10 licensed connections and 1 recording need 116"), "{message}");
    assert!(one["help"].as_str().unwrap().starts_with("10000-10115 is large enough"), "{one}");
    // What is closed as a whole is no matter of size.
    assert_eq!(findings("connections = 10", "53"), Vec::<Value>::new());
}
