//! RTP takes an even port and RTCP the next odd one (RFC 3550, section 11): what `pinhole explain` says where a rule
//! lets one half of the ports pass, or cuts a range within a pair.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use crate::common;

use common::{Scratch, pinhole, read};
use serde_json::Value as Json;

/// Ranges of ports as the set of a rule.
fn every_other(first: u16, last: u16) -> String {
    (first..=last).step_by(2).map(|port| port.to_string()).collect::<Vec<_>>().join(", ")
}

/// What is said of media to a device whose other ports are open; `media` is a rule for it.
fn media(product: &str, media: &str, call: &str) -> (Json, Vec<Json>) {
    let scratch = Scratch::new("rtp-pairs");
    scratch.write(
        "pinhole.toml",
        format!(
            "[[zone]]\nname = \"outside\"\n[[zone]]\nname = \"video\"\nnetworks = [\"10.7.0.0/16\"]\n\
             [[firewall]]\nname = \"edge\"\nconfig = [\"edge.nft\"]\n\
             interfaces = {{ wan = \"outside\", lan = \"video\" }}\n\
             [[device]]\nname = \"room\"\nproduct = \"{product}\"\naddresses = [\"10.7.0.9\"]\n"
        ),
    );
    scratch.write(
        "edge.nft",
        format!(
            "table inet edge {{\n\tchain forward {{\n\t\ttype filter hook forward priority filter; policy drop;\n\
             \t\tct state established,related accept\n\t\tiifname \"lan\" accept\n\
             \t\tiifname \"wan\" meta l4proto tcp accept\n\t\tiifname \"wan\" udp dport 5060 accept\n\
             \t\tiifname \"wan\" {media}\n\t}}\n}}\n"
        ),
    );
    let args = ["explain", "--format", "json", "--from", "outside", "--to", "room", "--call", call];
    let told: Json = read(&pinhole(&scratch.0, &args));
    let stages = told["stages"].as_array().unwrap().iter();
    let rows = stages.filter(|row| row["stage"] == "media" && row["direction"] == "a-to-b").cloned();
    let rows = rows.collect();
    (told, rows)
}

/// What media of a product with one range for both, 3230-3287, depends on first, and what people notice.
fn shared(ports: &str) -> (String, String) {
    let (_, rows) = media("scopia-xt1000", &format!("udp dport {{ {ports} }} accept"), "sip-udp");
    let [row] = rows.as_slice() else { return (format!("{} rows", rows.len()), String::new()) };
    assert_eq!(row["works"], "depends");
    let text = |value: &Json| value.as_str().unwrap().to_string();
    (text(&row["depends_on"][0]), text(&row["symptom"]))
}

const QUIET: &str =
    "Sound and picture are there; reports of quality stay empty, and some devices hang up after minutes.";

#[test]
fn where_even_ports_alone_pass_there_is_sound() {
    let (on, symptom) = shared(&every_other(3230, 3286));
    assert_eq!(on, "whether the ends need RTCP (29 of its 29 odd ports are blocked)");
    assert_eq!(symptom, QUIET);
}

#[test]
fn where_odd_ports_alone_pass_there_is_none() {
    let (on, symptom) = shared(&every_other(3231, 3287));
    assert_eq!(on, "whether RTP takes odd ports (all of its 29 even ones are blocked)");
    assert_eq!(symptom, "One side hears nothing.");
}

#[test]
fn one_port_of_rtcp_is_no_silent_call() {
    let (on, symptom) = shared("3230-3240, 3242-3287");
    assert_eq!(on, "whether the ends need RTCP (1 of its 29 odd ports is blocked)");
    assert_eq!(symptom, QUIET);
}

#[test]
fn a_pair_that_is_cut_is_named() {
    let (on, _) = shared("3230-3240");
    assert_eq!(on, "which port the device takes (47 of 58 are blocked, of the pair 3240-3241 one alone)");
    let (on, _) = shared("3231-3286");
    assert_eq!(
        on,
        "which port the device takes (2 of 58 are blocked, of 2 pairs such as 3230-3231 one alone)"
    );
    let (on, _) = shared("3230-3241");
    assert_eq!(on, "which port the device takes (46 of 58 are blocked)");
}

#[test]
fn where_both_have_ports_of_their_own_rtcp_alone_ends_no_call() {
    let odd = "udp dport 12000-12960 @th,16,16 & 0x1 == 0x1 drop; iifname \"wan\" meta l4proto udp accept";
    let (told, rows) = media("scopia-gateway", odd, "h323");
    assert_eq!(told["works"], "depends");
    assert_eq!(told["depends_on"], Json::from(vec!["whether the ends need RTCP"]));
    let bad: Vec<&Json> = rows.iter().filter(|row| row["works"] != "yes").collect();
    assert!(bad.iter().all(|row| row["service"] == "rtcp" && row["symptom"] == QUIET), "{bad:#?}");
    assert_eq!(bad.len(), 1);
}

#[test]
fn where_both_have_ports_of_their_own_no_rtp_is_no_call() {
    let even = "udp dport 12000-12960 @th,16,16 & 0x1 == 0x0 drop; iifname \"wan\" meta l4proto udp accept";
    let (told, rows) = media("scopia-gateway", even, "h323");
    assert_eq!(told["works"], "no");
    let bad: Vec<&Json> = rows.iter().filter(|row| row["works"] != "yes").collect();
    assert!(bad.iter().all(|row| row["service"] == "rtp" && row["works"] == "no"), "{bad:#?}");
    assert_eq!(bad.len(), 1);
}
