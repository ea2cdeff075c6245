//! Configurations, packets and what the box does with them, each by a rule of Cisco's manuals.
//!
//! `fixtures/asa/cases/NAME.cfg` is a configuration, `NAME.toml` its cases. Both engines have to agree.

#![expect(clippy::panic, clippy::expect_used, reason = "a test fails by a panic")]

use std::path::Path;

use crate::one_packet;

use pinhole::analysis::{Decider, Outcome, Trip, interpret};
use pinhole::dialect::{Dialect, Environment, Loaded, load};
use pinhole::model::{Reply, Ruleset, Verdict, Way};
use pinhole::packet::{Family, Field, Packet, Set, interface};
use pinhole::source::SourceMap;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// The manual and the section that the cases of the file show, unless a case has its own.
    manual: String,
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// `key=value` words.
    packet: String,
    /// `accept`, `drop`, or `depends`.
    verdict: String,
    /// The rule that the case shows.
    why: String,
    manual: Option<String>,
    /// How the line that decides starts; empty where the language implies it.
    rule: Option<String>,
    /// The helper that the connection gets; empty for none.
    helper: Option<String>,
    /// A word of what the answer depends on.
    on: Option<String>,
    /// What the sender of a denied packet gets: `tcp-reset`, or nothing where it is empty.
    reply: Option<String>,
    /// The new destination, `address` or `address:port`.
    dnat: Option<String>,
    /// The new source.
    snat: Option<String>,
}

#[test]
fn the_box_does_what_the_manuals_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/asa/cases");
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "toml"));
    files.sort();
    let mut wrong = Vec::new();
    let mut count = 0;
    for file in files {
        let table: Table = toml::from_str(&std::fs::read_to_string(&file).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let config = file.with_extension("cfg");
        let mut sources = SourceMap::new();
        let id = sources.read(&config, &config).unwrap();
        let loaded = load(Dialect::Asa, &mut sources, &[id], &Environment::default());
        assert!(!table.manual.is_empty());
        for case in &table.case {
            count += 1;
            assert!(!case.why.is_empty() && case.manual.as_ref().is_none_or(|manual| !manual.is_empty()));
            if let Err(problem) = check(&loaded, &sources, case) {
                wrong.push(format!("{}: {} ({}): {problem}", config.display(), case.packet, case.why));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 180, "{count} cases");
}

fn check(loaded: &Loaded, sources: &SourceMap, case: &Case) -> Result<(), String> {
    let rules = &loaded.ruleset;
    let trip = trip(&case.packet);
    let ends = interpret(rules, &trip, &mut ());
    let verdict = word(ends.iter().map(|end| end.verdict));
    let conds: Vec<String> =
        ends.iter().flat_map(|end| end.conds.iter()).map(|cond| cond.name(rules)).collect();
    if verdict != case.verdict {
        let by = ends.first().map_or(String::new(), |end| line(rules, sources, end.decider));
        return Err(format!("{verdict} by `{by}`, not {}; depends on {conds:?}", case.verdict));
    }
    let end = &ends[0];
    if let Some(rule) = &case.rule {
        let by = line(rules, sources, end.decider);
        if !(by.starts_with(rule.as_str()) && rule.is_empty() == by.is_empty()) {
            return Err(format!("decided by `{by}`"));
        }
    }
    if let Some(reply) = &case.reply {
        let got = if end.verdict == Verdict::Reject(Reply::TcpReset) { "tcp-reset" } else { "" };
        if got != reply || !matches!(end.verdict, Verdict::Drop | Verdict::Reject(Reply::TcpReset)) {
            return Err(format!("{:?}", end.verdict));
        }
    }
    if let Some(on) = &case.on
        && !conds.iter().any(|cond| cond.contains(on.as_str()))
    {
        return Err(format!("depends on {conds:?}"));
    }
    if let Some(helper) = &case.helper {
        let got = end.helper.map_or("", |at| rules.helpers[at as usize].as_str());
        if got != helper {
            return Err(format!("gets the helper `{got}`"));
        }
    }
    for (field, port, wanted) in [(true, Field::Dport, &case.dnat), (false, Field::Sport, &case.snat)] {
        let Some(wanted) = wanted else { continue };
        let got = translated(end, field, port, wanted.contains(':') && wanted.matches(':').count() == 1);
        if got != *wanted {
            return Err(format!("translated to `{got}`"));
        }
    }
    both_engines(rules, &trip, &ends)
}

/// The flow engine says the same of the set that holds the one packet.
fn both_engines(rules: &Ruleset, trip: &Trip, ends: &[Outcome]) -> Result<(), String> {
    let flow = word(one_packet::verdicts(rules, trip).into_iter());
    let one = word(ends.iter().map(|end| end.verdict));
    if flow == one { Ok(()) } else { Err(format!("the flow engine says {flow}")) }
}

fn word(verdicts: impl Iterator<Item = Verdict>) -> &'static str {
    let (mut accept, mut drop) = (false, false);
    for verdict in verdicts {
        match verdict {
            Verdict::Accept => accept = true,
            _ => drop = true,
        }
    }
    match (accept, drop) {
        (true, false) => "accept",
        (false, true) => "drop",
        _ => "depends",
    }
}

fn line(rules: &Ruleset, sources: &SourceMap, decider: Decider) -> String {
    let text = decider.span(rules).map_or("", |span| sources.text(span));
    text.to_string()
}

fn translated(end: &Outcome, destination: bool, port: Field, with_port: bool) -> String {
    let family = end.packet.family();
    let field = if destination { Field::dst(family) } else { Field::src(family) };
    let address = end.packet.get(field).known().map_or("?".to_string(), |n| family.address(n).to_string());
    match (with_port, end.packet.get(port).known()) {
        (true, Some(port)) => format!("{address}:{port}"),
        (true, None) => format!("{address}:?"),
        _ => address,
    }
}

fn trip(words: &str) -> Trip {
    let get = |key: &str| {
        words
            .split_whitespace()
            .find_map(|word| word.split_once('=').filter(|(k, _)| *k == key))
            .map(|(_, v)| v)
    };
    let number = |key: &str| {
        get(key).map(|value| value.parse::<u128>().unwrap_or_else(|_| panic!("{key} in {words}")))
    };
    let (family, src) = Family::of(get("src").expect("src").parse().expect("src"));
    let (_, dst) = Family::of(get("dst").expect("dst").parse().expect("dst"));
    let protocol = match get("proto").expect("proto") {
        "tcp" => 6,
        "udp" => 17,
        "icmp" => 1,
        "icmp6" => 58,
        other => other.parse().expect("proto"),
    };
    let mut packet = Packet::new(family, protocol);
    packet.set(Field::src(family), src);
    packet.set(Field::dst(family), dst);
    packet.set(Field::Sport, number("sport").unwrap_or(50_000));
    if let Some(port) = number("dport") {
        packet.set(Field::Dport, port);
    }
    packet.set(Field::TcpFlags, number("flags").unwrap_or(2));
    packet.set(Field::IcmpType, number("type").unwrap_or(if family == Family::V4 { 8 } else { 128 }));
    packet.set(Field::IcmpCode, number("code").unwrap_or(0));
    for (key, field) in [("iif", Field::Iif), ("oif", Field::Oif)] {
        if let Some(name) = get(key) {
            packet.set(field, interface(name));
        }
    }
    if let Some(state) = get("state") {
        let state = pinhole::packet::State::ALL.into_iter().find(|known| known.name() == state);
        packet.set(Field::State, state.expect("state") as u128);
    }
    let way = match get("way") {
        Some("input") => Way::Input,
        Some("output") => Way::Output,
        _ => Way::Forward,
    };
    Trip { packet, way, fwd_oif: get("fwd").map(interface), loopback: false }
}

#[test]
fn the_model_knows_what_lies_where_and_under_which_address() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/asa/cases/nat.cfg");
    let mut sources = SourceMap::new();
    let id = sources.read(&config, &config).unwrap();
    let rules = load(Dialect::Asa, &mut sources, &[id], &Environment::default()).ruleset;
    let number = |text: &str| Family::of(text.parse().unwrap()).1;
    let seen = |text: &str| rules.translated_from(Family::V4, number(text));
    assert_eq!(seen("10.1.2.10"), Set::one(number("198.51.100.11")));
    assert_eq!(seen("10.1.2.70"), Set::one(number("198.51.100.70")), "a subnet maps host by host");
    assert_eq!(seen("10.1.2.20"), Set::one(number("198.51.100.1")), "static PAT of the interface");
    assert!(seen("10.1.1.5").is_empty(), "a dynamic translation lets nobody in");
    let behind = |text: &str| rules.behind(Family::V4, &Set::one(number(text)));
    assert_eq!(behind("10.1.2.10"), Set::one(interface("dmz")));
    assert!(behind("192.0.2.1").is_empty(), "what only a default route may lead to is not known");
}
