//! Each stage of each kind of call in `rules/calls` can be seen to fail alone: on sites whose firewall lets through what
//! `pinhole explain` asks for, and nothing else, the rules of one stage are left out. What fails then is that stage and no
//! other, and with all of them the call works. The firewall is written in one language or another.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value as Json;

use crate::common::{CatalogRow, Scratch, catalog};

/// A call at a site.
struct Case {
    /// One that makes sense there.
    calls: &'static [&'static str],
    from: &'static str,
    to: &'static str,
    /// Names, products, addresses, and what else the site says of them.
    devices: &'static [(&'static str, &'static str, &'static str, &'static str)],
}

const BRANCH: &str = "10.20.0.0/16";
const A: &str = "10.20.0.5";
const B: &str = "10.1.2.10";
const C: &str = "10.1.3.20";

const CASES: &[Case] = &[
    Case {
        calls: &["h323", "h323-direct"],
        from: "a",
        to: "b",
        devices: &[
            ("a", "scopia-xt1000", A, ""),
            ("b", "scopia-elite-5200", B, ""),
            ("c", "scopia-ecs", C, "mode = \"direct\""),
        ],
    },
    Case {
        calls: &["h323-routed"],
        from: "a",
        to: "b",
        devices: &[
            ("a", "scopia-xt1000", A, ""),
            ("b", "scopia-elite-5200", B, ""),
            ("c", "gnugk", C, "mode = \"q931-routed\""),
        ],
    },
    Case {
        calls: &["h323", "h323-direct"],
        from: "a",
        to: "b",
        devices: &[("a", "presenter", A, ""), ("b", "presenter", B, "")],
    },
    Case {
        calls: &["h323-routed"],
        from: "a",
        to: "b",
        devices: &[
            ("a", "presenter", A, ""),
            ("b", "presenter", B, ""),
            ("c", "gnugk", C, "mode = \"q931-routed\""),
        ],
    },
    Case { calls: &["h460"], from: "role:h460-entity@branch", to: "b", devices: &[("b", "gnugk", B, "")] },
    Case {
        calls: &["h460"],
        from: "a",
        to: "b",
        devices: &[("a", "scopia-pathfinder-client", A, ""), ("b", "scopia-pathfinder", B, "")],
    },
    Case {
        calls: &["sip", "sip-udp", "sip-tcp", "sip-tls", "sip-registered"],
        from: "a",
        to: "b",
        devices: &[("a", "avaya-xt5000", A, ""), ("b", "avaya-xt5000", B, ""), ("c", "kamailio", C, "")],
    },
    Case {
        calls: &["desktop"],
        from: "branch",
        to: "b",
        devices: &[
            ("d", "scopia-desktop", C, ""),
            ("b", "scopia-elite-5200", B, ""),
            ("c", "scopia-ecs", "10.1.2.20", "mode = \"direct\""),
        ],
    },
    Case {
        calls: &["webrtc"],
        from: "branch",
        to: "b",
        devices: &[("b", "nextcloud-talk-hpb", B, ""), ("c", "coturn", C, "")],
    },
    Case { calls: &["webrtc"], from: "branch", to: "b", devices: &[("b", "livekit-server", B, "")] },
    Case { calls: &["webrtc"], from: "branch", to: "b", devices: &[("b", "freeswitch", B, "")] },
    Case { calls: &["management"], from: "branch", to: "b", devices: &[("b", "scopia-elite-5200", B, "")] },
    Case { calls: &["management"], from: "branch", to: "b", devices: &[("b", "scopia-ecs", B, "")] },
    Case { calls: &["management"], from: "branch", to: "b", devices: &[("b", "ivp", B, "")] },
    served("role:ldap-server@branch", &[("b", "cisco-expressway-c", B, "")]),
    served("role:xmpp-server@branch", &[("b", "avaya-xt5000", B, "")]),
    served("role:ntp-server@branch", &[("b", "cisco-expressway-c", B, "")]),
    served("role:dns-server@branch", &[("b", "cisco-expressway-c", B, "")]),
    served("role:smtp-server@branch", &[("b", "cisco-expressway-c", B, "")]),
    served("role:monitoring-server@branch", &[("b", "cisco-expressway-c", B, "")]),
];

const fn served(
    from: &'static str,
    devices: &'static [(&'static str, &'static str, &'static str, &'static str)],
) -> Case {
    Case { calls: &["management"], from, to: "b", devices }
}

/// A product with what few have: presentations and data in H.323 calls on ports of their own.
const PRESENTER: &str = "name = \"presenter\"\ntitle = \"an end with presentations and data\"\n\
    fills = [\"h323-entity\", \"t120-entity\"]\n\
    [[source]]\nid = \"test\"\ndocument = \"tests/lint/every_stage.rs\"\ndate = \"2026-11-28\"\n";

/// Service, ports, transport.
const PRESENTED: [(&str, &str, &str); 5] = [
    ("q931", "1720", "tcp"),
    ("h245", "11000-11009", "tcp"),
    ("rtp", "12000-12009", "udp"),
    ("people-content", "13000-13009", "udp"),
    ("t120", "1503", "tcp"),
];

fn presenter() -> String {
    let mut text = PRESENTER.to_string();
    for (service, ports, transport) in PRESENTED {
        write!(
            text,
            "[[requirement]]\nsource = [\"test\"]\nports = \"{ports}\"\ntransports = [\"{transport}\"]\n\
             protocol = \"{service}\"\nfunction = \"{service}\"\ninitiator = \"either\"\nlistener = \"device\"\n\
             peer = \"h323-entity\"\nseverity = \"mandatory\"\nservice = \"{service}\"\nnotice = \"It fails.\"\n"
        )
        .unwrap();
    }
    text
}

/// What a stage needs: from whom to whom, over what, to which ports.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Rule {
    from: String,
    to: String,
    transport: String,
    ports: Vec<(u64, u64)>,
}

/// Writes a firewall that has some rules alone.
type Write = fn(&[Rule]) -> String;

/// The languages: names of files, and how they are written.
const LANGUAGES: [(&str, Write); 4] =
    [("edge.rules", iptables), ("edge.nft", nftables), ("edge.pf", pf), ("edge.asa", asa)];

fn lines(rules: &[Rule], one: impl Fn(&Rule, u64, u64) -> String) -> String {
    rules
        .iter()
        .flat_map(|rule| rule.ports.iter().map(|(lo, hi)| one(rule, *lo, *hi)).collect::<Vec<_>>())
        .collect()
}

fn iptables(rules: &[Rule]) -> String {
    let one = |rule: &Rule, lo: u64, hi: u64| {
        let Rule { from, to, transport, .. } = rule;
        format!("-A FORWARD -s {from} -d {to} -p {transport} -m {transport} --dport {lo}:{hi} -j ACCEPT\n")
    };
    format!(
        "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
         -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n{}COMMIT\n",
        lines(rules, one)
    )
}

fn nftables(rules: &[Rule]) -> String {
    let one = |rule: &Rule, lo: u64, hi: u64| {
        let Rule { from, to, transport, .. } = rule;
        let ports = if lo == hi { format!("{lo}") } else { format!("{lo}-{hi}") };
        format!("ip saddr {from} ip daddr {to} {transport} dport {ports} accept\n")
    };
    format!(
        "table inet edge {{\nchain forward {{\ntype filter hook forward priority 0; policy drop;\n\
         ct state established,related accept\n{}}}\n}}\n",
        lines(rules, one)
    )
}

fn pf(rules: &[Rule]) -> String {
    let one = |rule: &Rule, lo: u64, hi: u64| {
        let Rule { from, to, transport, .. } = rule;
        format!("pass quick proto {transport} from {from} to {to} port {lo}:{hi}\n")
    };
    format!("block all\n{}", lines(rules, one))
}

fn asa(rules: &[Rule]) -> String {
    let end = |word: &str| match word.split_once('/') {
        Some((network, _)) => format!("{network} 255.255.0.0"),
        None => format!("host {word}"),
    };
    let mut text = "ASA Version 9.8(4)\n".to_string();
    for (at, (name, network)) in INTERFACES.iter().enumerate() {
        writeln!(
            text,
            "interface GigabitEthernet0/{at}\n nameif {name}\n security-level 50\n ip address {network}.1 255.255.255.0\n\
             access-list {name}_in extended deny ip host 192.0.2.1 any"
        )
        .unwrap();
    }
    text += "same-security-traffic permit inter-interface\n";
    text += &lines(rules, |rule, lo, hi| {
        let inside = |(_, begins): &&(&str, &str)| rule.from.starts_with(begins);
        let (name, _) = INTERFACES.iter().find(inside).unwrap();
        format!(
            "access-list {name}_in extended permit {} {} {} range {lo} {hi}\n",
            rule.transport,
            end(&rule.from),
            end(&rule.to)
        )
    });
    for (name, _) in INTERFACES {
        writeln!(text, "access-group {name}_in in interface {name}").unwrap();
    }
    text
}

/// Names of interfaces, which are those of the zones, and how the addresses behind them begin.
const INTERFACES: [(&str, &str); 3] = [("branch", "10.20.0"), ("video", "10.1.2"), ("control", "10.1.3")];

fn site(case: &Case, folder: &Path, file: &str) {
    let names = if file == "edge.asa" { ["branch", "video", "control"] } else { ["eth0", "eth1", "eth2"] };
    let mut text = format!("catalog = [{:?}]\n", folder.join("catalog").display().to_string());
    for (zone, network) in [("branch", BRANCH), ("video", "10.1.2.0/24"), ("control", "10.1.3.0/24")] {
        writeln!(text, "[[zone]]\nname = \"{zone}\"\nnetworks = [\"{network}\"]").unwrap();
    }
    writeln!(
        text,
        "[[firewall]]\nname = \"edge\"\nconfig = [\"{file}\"]\n\
         interfaces = {{ {} = \"branch\", {} = \"video\", {} = \"control\" }}",
        names[0], names[1], names[2]
    )
    .unwrap();
    for (name, product, address, more) in case.devices {
        writeln!(
            text,
            "[[device]]\nname = \"{name}\"\nproduct = \"{product}\"\naddresses = [\"{address}\"]\n{more}"
        )
        .unwrap();
    }
    std::fs::create_dir_all(folder.join("catalog")).unwrap();
    std::fs::write(folder.join("catalog/presenter.toml"), presenter()).unwrap();
    std::fs::write(folder.join("pinhole.toml"), text).unwrap();
}

fn explain(folder: &Path, case: &Case, call: &str) -> Json {
    let mut explain = Command::new(env!("CARGO_BIN_EXE_pinhole"));
    explain.current_dir(folder).args(["explain", "--format", "json", "--from", case.from, "--to", case.to]);
    let out = explain.args(["--call", call]).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("{call} of {}: {said}", case.from))
}

/// The rules of the stages that do not work, by stage.
fn wanted(told: &Json, case: &Case) -> BTreeMap<String, BTreeSet<Rule>> {
    let address = |name: &str| {
        let device = case.devices.iter().find(|(known, ..)| *known == name);
        device.map_or(BRANCH.to_string(), |(.., address, _)| (*address).to_string())
    };
    let mut wanted: BTreeMap<String, BTreeSet<Rule>> = BTreeMap::new();
    for row in told["stages"].as_array().unwrap().iter().filter(|row| row["works"] != "yes") {
        let text = |key: &str| row[key].as_str().unwrap().to_string();
        let ports = row["ports"].as_array().unwrap().iter();
        let ports = ports.map(|range| (range[0].as_u64().unwrap(), range[1].as_u64().unwrap())).collect();
        let rule = Rule {
            from: address(&text("from")),
            to: address(&text("to")),
            transport: text("transport"),
            ports,
        };
        wanted.entry(text("stage")).or_default().insert(rule);
    }
    wanted
}

/// The rules of all stages: some are asked for once others work.
fn all_rules(folder: &Path, case: &Case, call: &str) -> BTreeMap<String, BTreeSet<Rule>> {
    let mut all: BTreeMap<String, BTreeSet<Rule>> = BTreeMap::new();
    for _ in 0..6 {
        std::fs::write(folder.join("edge.rules"), iptables(&without(&all, ""))).unwrap();
        let more = wanted(&explain(folder, case, call), case);
        if more.is_empty() {
            return all;
        }
        for (stage, rules) in more {
            all.entry(stage).or_default().extend(rules);
        }
    }
    panic!("{call} of {} does not come to work: {all:?}", case.from);
}

/// The rules of all stages but one.
fn without(all: &BTreeMap<String, BTreeSet<Rule>>, left_out: &str) -> Vec<Rule> {
    let kept = all.iter().filter(|(stage, _)| *stage != left_out).flat_map(|(_, rules)| rules);
    let kept: BTreeSet<&Rule> = kept.collect();
    kept.into_iter().cloned().collect()
}

/// The stages that are reached and do not work.
fn failed(told: &Json) -> BTreeSet<String> {
    let rows = told["stages"].as_array().unwrap().iter();
    let failed = rows.filter(|row| row["works"] != "yes" && row["reached"] == true);
    failed.filter_map(|row| Some(row["stage"].as_str()?.to_string())).collect()
}

#[test]
fn each_stage_of_each_call_fails_alone() {
    let folder = Scratch::new("every-stage");
    let folder = folder.0.as_path();
    let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
    let mut turn = 0;
    for case in CASES {
        for call in case.calls {
            site(case, folder, "edge.rules");
            let all = all_rules(folder, case, call);
            for stage in all.keys() {
                let (file, write) = LANGUAGES[turn % LANGUAGES.len()];
                turn += 1;
                let place = format!("{call} from {} to {}, {stage}, {file}", case.from, case.to);
                site(case, folder, file);
                std::fs::write(folder.join(file), write(&without(&all, ""))).unwrap();
                let told = explain(folder, case, call);
                assert_eq!(told["works"], "yes", "{place}: {told:#}");
                std::fs::write(folder.join(file), write(&without(&all, stage))).unwrap();
                let mut failed = failed(&explain(folder, case, call));
                assert!(failed.iter().all(|failed| failed == stage), "{place}: {failed:?}");
                if failed.is_empty() {
                    // Another stage needs the same rules, which is not reached then, or fails as well.
                    let rest: Vec<Rule> =
                        without(&all, "").into_iter().filter(|rule| !all[stage].contains(rule)).collect();
                    std::fs::write(folder.join(file), write(&rest)).unwrap();
                    failed = self::failed(&explain(folder, case, call));
                }
                if failed.iter().eq([stage]) {
                    seen.insert(((*call).to_string(), stage.clone()));
                }
            }
        }
    }
    let missing: Vec<(String, String)> =
        every_stage().into_iter().filter(|one| !seen.contains(one)).collect();
    assert!(missing.is_empty(), "no site shows how these fail alone: {missing:?}");
}

/// The stages of all calls in `rules/calls`, without those that need the very connection of another stage, and those that
/// stand in for others on the ports of a stage that is needed anyway.
fn every_stage() -> BTreeSet<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/calls");
    let mut files: BTreeMap<String, toml::Table> = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let table: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
        files.insert(path.file_stem().unwrap().to_string_lossy().into_owned(), table);
    }
    let rows = catalog();
    let mut stages = BTreeSet::new();
    for (call, table) in &files {
        let table = table.get("like").map_or(table, |like| &files[like.as_str().unwrap()]);
        let all = table["stage"].as_array().unwrap();
        let name = |stage: &toml::Value| stage["name"].as_str().unwrap().to_string();
        let needs = |stage: &toml::Value| {
            ["from", "to", "services", "transports"].map(|key| stage.get(key).map(toml::Value::to_string))
        };
        for (at, stage) in all.iter().enumerate() {
            let same = |other: &toml::Value| needs(other) == needs(stage);
            if !all[..at].iter().any(|other| same(other) || shares_ports(&rows, [other, stage])) {
                stages.insert((call.clone(), name(stage)));
            }
        }
    }
    stages
}

/// Whether a stage that stands in for others has no port, in any product, that one before it does not need.
fn shares_ports(rows: &[CatalogRow], [before, stage]: [&toml::Value; 2]) -> bool {
    let text = |stage: &toml::Value, key: &str| stage.get(key).map(toml::Value::to_string);
    let alike = ["from", "to"].iter().all(|key| text(before, key) == text(stage, key));
    let roles = [before, stage].map(|stage| text(stage, "need"));
    if !alike || roles != [Some("\"required\"".to_string()), Some("\"fallback\"".to_string())] {
        return false;
    }
    let ports = |stage: &toml::Value| -> BTreeSet<(String, [u16; 2])> {
        let listed = |key: &str, word: &str| {
            let words = stage.get(key).and_then(toml::Value::as_array);
            words.is_some_and(|words| words.iter().any(|known| known.as_str() == Some(word)))
        };
        let rows = rows.iter().filter(|row| listed("services", &row.service));
        let carried = rows.flat_map(|row| {
            let transports = row.transports.iter().filter(|transport| listed("transports", transport));
            transports.flat_map(|transport| row.ports.iter().map(|ports| (transport.clone(), *ports)))
        });
        carried.collect()
    };
    let own = ports(stage);
    !own.is_empty() && own.is_subset(&ports(before))
}
