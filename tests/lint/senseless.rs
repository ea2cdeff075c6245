//! What names something that does not exist, and calls that make no sense: said where it stands, with the nearest right
//! name, and the exit code is 2.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use crate::common;

use std::process::{Command, Stdio};

use common::Scratch;

const RULES: &str = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n";
const SITE: &str = "[[zone]]\nname = \"outside\"\n[[zone]]\nname = \"video\"\nnetworks = [\"10.7.0.0/16\"]\n\
    [[firewall]]\nname = \"edge\"\nconfig = [\"edge.rules\"]\n\
    interfaces = { wan = \"outside\", lan = \"video\" }\n";
const ROOM: &str = "[[device]]\nname = \"room\"\nproduct = \"scopia-xt1000\"\naddresses = [\"10.7.0.9\"]\n";

/// Runs pinhole at a site; gives the exit code and what it says is wrong.
fn run(site: &str, args: &[&str]) -> (i32, String) {
    let scratch = Scratch::new("senseless");
    scratch.write("pinhole.toml", site).write("edge.rules", RULES);
    let mut pinhole = Command::new(env!("CARGO_BIN_EXE_pinhole"));
    let output = pinhole.current_dir(&scratch.0).args(args).stdin(Stdio::null()).output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (output.status.code().unwrap(), text)
}

fn explain<'a>(to: &'a str, call: &'a str) -> Vec<&'a str> {
    vec!["explain", "--from", "outside", "--to", to, "--call", call]
}

/// Asserts that a question at a site is refused in these words.
fn refused(site: &str, args: &[&str], words: &[&str]) {
    let (code, text) = run(site, args);
    assert_eq!(code, 2, "{args:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{args:?}: `{word}` is not in\n{text}");
    }
}

#[test]
fn names_of_the_site_file_that_mean_nothing() {
    let promise =
        "from = \"outside\"\nto = \"roam\"\ntraffic = \"tcp/1720\"\nverdict = \"allow\"\nreason = \"x\"\n";
    let cases = [
        (format!("{SITE}{}", ROOM.replace("xt1000", "xt100")), "pinhole.toml:12:11", "`scopia-xt1000`"),
        (SITE.replace("lan = \"video\"", "lan = \"vidoe\"") + ROOM, "pinhole.toml:9:39", "`video`"),
        (format!("{SITE}host = \"roam\"\n{ROOM}"), "pinhole.toml:10:8", "`room`"),
        (format!("{SITE}{ROOM}mode = \"h245-rooted\"\n"), "pinhole.toml:14:8", "`h245-routed`"),
        (format!("{SITE}{ROOM}[[expect]]\n{promise}"), "pinhole.toml:16:6", "`room`"),
        (
            format!("{SITE}{ROOM}[[path]]\nfrom = \"outsid\"\nto = \"video\"\nfirewalls = [\"edge\"]\n"),
            "pinhole.toml:15:8",
            "`outside`",
        ),
        (
            format!("{SITE}{ROOM}[[path]]\nfrom = \"outside\"\nto = \"video\"\nfirewalls = [\"edg\"]\n"),
            "pinhole.toml:17:14",
            "`edge`",
        ),
        (
            format!("{SITE}{ROOM}[[peer]]\nrole = \"gatekeper\"\nzone = \"outside\"\n"),
            "pinhole.toml:15:8",
            "`gatekeeper`",
        ),
        (
            format!("{SITE}{ROOM}[[peer]]\nrole = \"gatekeeper\"\nzone = \"outsde\"\n"),
            "pinhole.toml:16:8",
            "`outside`",
        ),
    ];
    for (site, place, near) in cases {
        refused(&site, &explain("room", "sip"), &[place, &format!("Did you mean {near}?")]);
    }
}

#[test]
fn calls_that_the_products_do_not_have() {
    let site = format!(
        "{SITE}{ROOM}[[device]]\nname = \"meet\"\nproduct = \"jitsi-meet\"\naddresses = [\"10.7.0.10\"]\n\
         [[device]]\nname = \"pbx\"\nproduct = \"cisco-unified-cm\"\naddresses = [\"10.7.0.11\"]\n"
    );
    let cases = [
        ("room", "webrtc", "the product of `room` is SCOPIA XT1000"),
        ("room", "desktop", "nothing between them on `https`"),
        ("room", "sip-tls", "nothing between them on `sips`"),
        ("meet", "h323", "nothing between them on `q931`"),
        ("meet", "sip", "nothing between them on `sip` or `sips`"),
        ("pbx", "webrtc", "the product of `pbx` is Cisco Unified"),
        // There is a registrar, and nobody who registers there.
        ("meet", "sip-registered", "nothing between them on `sip` or `sips`"),
    ];
    for (to, call, why) in cases {
        let sense = format!("a call `{call}` makes no sense from `outside` to `{to}`: ");
        refused(&site, &explain(to, call), &[&sense, why]);
    }
}

#[test]
fn a_call_through_a_gatekeeper_that_is_not_there() {
    let site = format!("{SITE}{ROOM}");
    let why =
        "a call `h323-routed` makes no sense from `outside` to `room`: the site has no H.323 gatekeeper";
    refused(&site, &explain("room", "h323-routed"), &[why]);
    let gatekeeper = "[[peer]]\nrole = \"gatekeeper\"\naddresses = [\"192.0.2.7\"]\n";
    let (code, text) = run(&format!("{site}{gatekeeper}"), &explain("room", "h323-routed"));
    assert_eq!(code, 1, "{text}");
}

#[test]
fn a_stage_is_no_call() {
    let site = format!("{SITE}{ROOM}");
    refused(&site, &explain("room", "ras"), &["there is no call `ras`; it is a stage of `h323`"]);
    refused(&site, &explain("room", "webrct"), &["there is no call `webrct`; did you mean `webrtc`?"]);
}

#[test]
fn an_address_fills_the_roles_of_all_peers_there() {
    let peers: String = ["gatekeeper", "sip-phone"]
        .map(|role| format!("[[peer]]\nrole = \"{role}\"\naddresses = [\"192.0.2.7\"]\n"))
        .concat();
    let site = format!("{SITE}{ROOM}{peers}");
    let (code, text) = run(&site, &["explain", "--from", "192.0.2.7", "--to", "room", "--call", "sip-udp"]);
    assert_eq!(code, 1, "{text}");
}
