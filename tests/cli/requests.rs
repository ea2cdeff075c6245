//! Change requests as a user asks them, and what is printed applied as it says.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value as Json, json};

use crate::common::{Scratch, folder, patch};
use crate::fits::wrong;

/// Asks in a folder.
fn asked(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pinhole"))
        .current_dir(folder)
        .arg("explain")
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The answer as data; the exit code has to be that of its state.
#[track_caller]
fn answer(folder: &Path, args: &[&str]) -> Json {
    let output = asked(folder, &[args, &["--format", "json"]].concat());
    let told: Json =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    assert_eq!(output.status.code(), Some(i32::from(told["state"] != "open")), "{told}");
    told
}

/// The message of what cannot be answered.
#[track_caller]
fn refused(folder: &Path, args: &[&str]) -> String {
    let output = asked(folder, args);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()), "{args:?}");
    text(&output.stderr)
}

const SITE: &str = r#"
[[zone]]
name = "internet"

[[zone]]
name = "office"
networks = ["10.2.0.0/16"]

[[zone]]
name = "video"
networks = ["10.1.2.0/24"]

[[device]]
name = "mcu-1"
product = "scopia-elite-5200"
addresses = ["10.1.2.10"]
security-mode = "high"

[[expect]]
from = "internet"
to = "mcu-1"
traffic = "tcp/22"
verdict = "block"
reason = "administration is done from the office"
"#;

/// A firewall between three zones, in a language.
#[derive(Clone, Copy)]
struct Edge {
    file: &'static str,
    /// Its interfaces to the internet, to the office and to the video zone.
    sides: [&'static str; 3],
    rules: &'static str,
}

/// One policy in four languages: signalling is open to the MCU, but not for a partner who was banned.
const EDGES: [Edge; 4] = [
    Edge {
        file: "edge.rules",
        sides: ["eth0", "eth2", "eth1"],
        rules: "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
                -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
                -A FORWARD -s 203.0.113.128/25 -j DROP\n\
                -A FORWARD -d 10.1.2.10 -p tcp -m tcp --dport 1720 -j ACCEPT\nCOMMIT\n",
    },
    Edge {
        file: "edge.nft",
        sides: ["eth0", "eth2", "eth1"],
        rules: "table inet filter {\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy drop;\n\
                \t\tct state established,related accept\n\t\tip saddr 203.0.113.128/25 drop\n\
                \t\tip daddr 10.1.2.10 tcp dport 1720 accept\n\t}\n}\n",
    },
    Edge {
        file: "pf.conf",
        sides: ["em0", "em2", "em1"],
        rules: "set skip on lo\nblock all\nblock in quick from 203.0.113.128/25\n\
                pass inet proto tcp from any to 10.1.2.10 port 1720\n",
    },
    Edge {
        file: "edge.cfg",
        sides: ["outside", "office", "video"],
        rules: "ASA Version 9.8(4)\nhostname edge\n!\ninterface GigabitEthernet0/0\n nameif outside\n security-level 0\n \
                ip address 198.51.100.1 255.255.255.0\n!\ninterface GigabitEthernet0/1\n nameif video\n security-level 90\n \
                ip address 10.1.2.1 255.255.255.0\n!\ninterface GigabitEthernet0/2\n nameif office\n security-level 50\n \
                ip address 10.2.0.1 255.255.0.0\n!\n\
                access-list outside_in extended deny ip 203.0.113.128 255.255.255.128 any\n\
                access-list outside_in extended permit tcp any host 10.1.2.10 eq h323\n\
                access-list office_in extended permit tcp any host 10.1.2.10 eq h323\n!\n\
                access-group outside_in in interface outside\naccess-group office_in in interface office\n\
                policy-map global_policy\n class inspection_default\n  inspect icmp\nservice-policy global_policy global\n",
    },
];

impl Edge {
    /// A site with this firewall alone.
    fn site(&self) -> Scratch {
        let [internet, office, video] = self.sides;
        let firewall = format!(
            "[[firewall]]\nname = \"edge\"\nconfig = [\"{}\"]\ninterfaces = {{ {internet} = \"internet\", {office} = \
             \"office\", {video} = \"video\" }}\n",
            self.file
        );
        let scratch = Scratch::new("request");
        scratch.write("pinhole.toml", format!("{SITE}{firewall}")).write(self.file, self.rules);
        scratch
    }
}

/// Puts lines in where they are said to go.
fn put(folder: &Path, told: &Json) {
    let mut texts: std::collections::BTreeMap<String, Vec<(usize, String)>> = Default::default();
    for lines in
        told["firewalls"].as_array().unwrap().iter().flat_map(|gate| gate["lines"].as_array().unwrap())
    {
        let place = lines["place"].as_str().unwrap();
        let (line, file) = match place.rsplit_once("before line ") {
            Some((_, rest)) => {
                let (number, file) = rest.split_once(" of ").unwrap();
                (number.parse().unwrap(), file.to_string())
            }
            None => (usize::MAX, place.rsplit_once("at the end of ").unwrap().1.to_string()),
        };
        for text in lines["lines"].as_array().unwrap() {
            texts.entry(file.clone()).or_default().push((line, text.as_str().unwrap().to_string()));
        }
    }
    assert!(!texts.is_empty(), "{told}");
    for (file, mut lines) in texts {
        let path = folder.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        let mut out = String::new();
        lines.sort_by_key(|(line, _)| *line);
        let mut lines = lines.into_iter().peekable();
        for (at, line) in text.lines().enumerate() {
            while let Some((_, new)) = lines.next_if(|(before, _)| *before == at + 1) {
                out += &format!("{new}\n");
            }
            out += &format!("{line}\n");
        }
        lines.for_each(|(_, new)| out += &format!("{new}\n"));
        std::fs::write(path, out).unwrap();
    }
}

/// The verdicts of `trace` for packets of a file.
fn verdicts(folder: &Path, config: &str) -> Vec<String> {
    let traced = crate::common::trace(folder, &[config, "--packets", "packets.jsonl"]);
    traced.into_iter().map(|traced| traced.verdict).collect()
}

/// A packet from one of a few addresses to one of a few.
struct Drawn {
    from: (&'static str, usize),
    to: &'static str,
    proto: &'static str,
    port: Option<u16>,
}

/// Packets around all that is asked for, in order.
fn drawn() -> Vec<Drawn> {
    let mut all = Vec::new();
    for from in [("203.0.113.7", 0), ("203.0.113.200", 0), ("198.18.0.1", 0), ("10.2.9.9", 1)] {
        for to in ["10.1.2.10", "10.1.2.11"] {
            for port in [22, 53, 80, 443, 444, 1720, 5000, 5005, 5011, 5061] {
                all.extend(["tcp", "udp"].map(|proto| Drawn { from, to, proto, port: Some(port) }));
            }
            all.push(Drawn { from, to, proto: "icmp", port: None });
        }
    }
    all
}

/// What is asked for, and which of the drawn packets are meant.
type Ask = (&'static str, &'static str, &'static str, fn(&Drawn) -> bool);

const ASKS: [Ask; 8] = [
    ("203.0.113.0/24", "mcu-1", "tcp/5061", |d| {
        in_net(d) && mcu(d) && d.proto == "tcp" && d.port == Some(5061)
    }),
    ("203.0.113.7", "mcu-1", "udp/5000-5010", |d| {
        d.from.0 == "203.0.113.7" && mcu(d) && d.proto == "udp" && matches!(d.port, Some(5000..=5010))
    }),
    ("office", "mcu-1", "tcp/80,443", |d| {
        d.from.1 == 1 && mcu(d) && d.proto == "tcp" && matches!(d.port, Some(80 | 443))
    }),
    ("203.0.113.0/24", "10.1.2.0/24", "icmp", |d| in_net(d) && d.proto == "icmp"),
    ("office", "10.1.2.0/24", "tcp", |d| d.from.1 == 1 && d.proto == "tcp"),
    ("203.0.113.0/25", "10.1.2.11", "udp/53 tcp/53", |d| {
        d.from.0 == "203.0.113.7" && d.to == "10.1.2.11" && d.port == Some(53)
    }),
    ("203.0.113.0/24", "mcu-1", "tcp/1720", |d| {
        in_net(d) && mcu(d) && d.proto == "tcp" && d.port == Some(1720)
    }),
    ("internet", "mcu-1", "tcp/443-444", |d| {
        d.from.1 == 0 && mcu(d) && d.proto == "tcp" && matches!(d.port, Some(443 | 444))
    }),
];

fn in_net(drawn: &Drawn) -> bool {
    drawn.from.0.starts_with("203.0.113.")
}

fn mcu(drawn: &Drawn) -> bool {
    drawn.to == "10.1.2.10"
}

#[test]
fn printed_lines_open_what_is_asked_for_and_nothing_else_in_every_language() {
    for edge in &EDGES {
        for (from, to, traffic, meant) in ASKS {
            let site = edge.site();
            let place = format!("{}: {traffic} from {from} to {to}", edge.file);
            let packets: String = drawn().iter().fold(String::new(), |all, drawn| {
                let mut packet = json!({
                    "src": drawn.from.0, "dst": drawn.to, "proto": drawn.proto,
                    "iif": edge.sides[drawn.from.1], "oif": edge.sides[2],
                });
                if let Some(port) = drawn.port {
                    packet["sport"] = 50_000.into();
                    packet["dport"] = port.into();
                }
                format!("{all}{packet}\n")
            });
            site.write("packets.jsonl", packets);
            let args = ["--from", from, "--to", to, traffic];
            let told = answer(&site.0, &args);
            assert_ne!(told["state"], "open", "{place}");
            let change = &told["change"];
            assert_eq!(
                (&change["proved"], &change["besides"]),
                (&json!(true), &json!([])),
                "{place}: {told}"
            );
            let before = verdicts(&site.0, edge.file);
            put(&site.0, &told);
            assert_eq!(answer(&site.0, &args)["state"], "open", "{place}");
            let after = verdicts(&site.0, edge.file);
            for ((drawn, before), after) in drawn().iter().zip(before).zip(after) {
                let (Drawn { from, to, proto, port }, accept) = (drawn, "accept".to_string());
                let right = if meant(drawn) { accept } else { before };
                assert_eq!(after, right, "{place}: {proto} {port:?} from {} to {to}", from.0);
            }
        }
    }
}

#[test]
fn the_diff_is_what_patch_takes() {
    for edge in &EDGES {
        let site = edge.site();
        let args = ["--from", "203.0.113.0/24", "--to", "mcu-1", "tcp/1720", "udp/5000", "--mend"];
        let told = answer(&site.0, &args);
        if patch(&site.0, told["change"]["diff"].as_str().unwrap()) {
            assert_eq!(answer(&site.0, &args)["state"], "open", "{}", edge.file);
        }
        // Without the flag there is none.
        assert_eq!(answer(&edge.site().0, &args[..6])["change"]["diff"], "", "{}", edge.file);
    }
}

#[test]
fn parts_of_a_network_are_told_apart() {
    for edge in &EDGES {
        let site = edge.site();
        let told = answer(&site.0, &["--from", "203.0.113.0/24", "--to", "mcu-1", "tcp/1720"]);
        assert_eq!(told["state"], "part", "{told}");
        let mut parts: Vec<(&str, &Json)> = told["ways"][0]["parts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| (part["state"].as_str().unwrap(), &part["from"]))
            .collect();
        parts.sort_by_key(|(state, _)| *state);
        let wanted = [("closed", &json!(["203.0.113.128/25"])), ("open", &json!(["203.0.113.0/25"]))];
        assert_eq!(parts, wanted, "{}", edge.file);
        // One rule opens it, another one stops it, and the line is for the part that is lacking.
        let gate = &told["firewalls"][0];
        assert_eq!(
            (gate["lets"].as_array().unwrap().len(), gate["stops"].as_array().unwrap().len()),
            (1, 1),
            "{gate}"
        );
        assert!(gate["stops"][0]["rule"]["text"].as_str().unwrap().contains("203.0.113.128"), "{gate}");
        let line = gate["lines"][0]["lines"][0].as_str().unwrap();
        assert!(line.contains("203.0.113.128"), "{line}");
        // A packet of the part that is closed shows it.
        assert!(told["ways"][0]["trace"].as_str().unwrap().contains("--from 203.0.113.1"), "{told}");
        let open = answer(&site.0, &["--from", "203.0.113.0/25", "--to", "mcu-1", "q931"]);
        assert_eq!(
            (&open["state"], &open["traffic"], &open["change"]),
            (&json!("open"), &json!("tcp 1720"), &Json::Null)
        );
        assert!(open["firewalls"][0]["lets"][0]["rule"]["line"].is_u64(), "{open}");
    }
}

#[test]
fn what_the_site_file_has_against_it_is_named() {
    for edge in &EDGES {
        let site = edge.site();
        let told = answer(&site.0, &["--from", "203.0.113.9", "--to", "10.1.2.0/24", "tcp/22-23"]);
        let objections = told["objections"].as_array().unwrap();
        let codes: Vec<&Json> = objections.iter().map(|objection| &objection["code"]).collect();
        assert_eq!(codes, ["PH110", "PH301"], "{told}");
        assert_eq!(objections[0]["reason"], "administration is done from the office");
        assert_eq!((&objections[0]["file"], &objections[0]["line"]), (&json!("pinhole.toml"), &json!(23)));
        assert_eq!(objections[1]["what"], "security mode high of mcu-1 forbids Telnet (tcp 23)");
        // All the same the lines are told, and `check` finds what was said.
        put(&site.0, &told);
        let found = crate::common::check(&site.0, &["--select", "PH110,PH301"]);
        let mut found: Vec<&str> = found.findings.iter().map(|finding| finding.code.as_str()).collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found, ["PH110", "PH301"], "{}", edge.file);
        // Who is not meant by the promise, and another port, are no objection.
        let told = answer(&site.0, &["--from", "office", "--to", "mcu-1", "tcp/22"]);
        assert_eq!(told["objections"], json!([]), "{told}");
    }
}

#[test]
fn two_firewalls_in_a_row_get_a_rule_each() {
    let site = folder("fixtures/scenarios/two-firewalls");
    let told = answer(&site, &["--from", "203.0.113.0/24", "--to", "mcu-1", "tcp/22"]);
    let gates: Vec<(&str, &str, usize)> = told["firewalls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|gate| {
            let lines = gate["lines"].as_array().unwrap().len();
            (gate["firewall"].as_str().unwrap(), gate["state"].as_str().unwrap(), lines)
        })
        .collect();
    assert_eq!(gates, [("outer", "closed", 1), ("inner", "unreached", 1)], "{told}");
    // Where one lets it through already, it needs none, and that is said of those behind, too.
    let told = answer(&site, &["--from", "203.0.113.0/24", "--to", "mcu-1", "tcp/5060"]);
    let lines = |at: usize| told["firewalls"][at]["lines"].as_array().unwrap().len();
    assert_eq!((&told["firewalls"][0]["state"], lines(0), lines(1)), (&json!("open"), 0, 1), "{told}");
    // Neither can leave out neighbours in a line for everybody: what it opens for them is said.
    let told = answer(&site, &["--from", "internet", "--to", "mcu-1", "tcp/5060"]);
    assert_eq!(told["change"]["besides"], json!(["tcp 5060 from zone dmz to mcu-1, on inner"]), "{told}");
    let human = asked(&site, &["--from", "203.0.113.0/24", "--to", "mcu-1", "tcp/22", "--hops"]);
    let human = text(&human.stdout);
    for line in [
        "✘ tcp 22 from 203.0.113.0/24 to mcu-1 is not open: outer stops it.",
        "  ? inner  stops it as well, once it gets there",
        "-A FORWARD -s 203.0.113.0/24 -d 10.1.2.10 -p tcp -m tcp --dport 22 -j ACCEPT",
        "  proved: with these lines all of it gets through, and is answered. They open nothing else.",
        "  outer: 203.0.113.9:50000 → 10.1.2.10:22, in by outside, out by dmz: drop by outer.cfg:23",
    ] {
        assert!(human.contains(line), "{line}\n{human}");
    }
}

#[test]
fn fewest_lines_do_it() {
    let rules = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
                 -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n\
                 -A FORWARD -s 203.0.113.128/25 -j DROP\n\
                 -A FORWARD -m set --match-set banned src -j DROP\n\
                 -A FORWARD -d 10.1.2.10 -p tcp -m tcp --dport 1720 -j ACCEPT\nCOMMIT\n";
    let edge = Edge { rules, ..EDGES[0] };
    let site = edge.site();
    let told = answer(&site.0, &["--from", "203.0.113.0/24", "--to", "mcu-1", "tcp/1721"]);
    let line = "-A FORWARD -s 203.0.113.0/24 -d 10.1.2.10 -p tcp -m tcp --dport 1721 -j ACCEPT";
    assert_eq!(
        told["firewalls"][0]["lines"],
        json!([{ "place": "before line 6 of edge.rules", "lines": [line] }]),
        "{told}"
    );
    // What hangs on a set says on which.
    let told = answer(&site.0, &["--from", "203.0.113.0/25", "--to", "mcu-1", "tcp/1720"]);
    assert_eq!((&told["state"], &told["depends_on"]), (&json!("depends"), &json!(["set banned"])), "{told}");
    assert!(told["summary"].as_str().unwrap().ends_with("is open depends on set banned."), "{told}");
    assert_eq!(told["firewalls"][0]["state"], "depends");
    put(&site.0, &told);
    assert_eq!(answer(&site.0, &["--from", "203.0.113.0/25", "--to", "mcu-1", "tcp/1720"])["state"], "open");
}

const PUBLIC: &str = r#"
[[zone]]
name = "internet"

[[zone]]
name = "video"
networks = ["10.1.2.0/24"]

[[device]]
name = "mcu-1"
product = "scopia-elite-5200"
addresses = ["10.1.2.10"]
public-addresses = ["198.51.100.10"]
"#;

/// A firewall that translates the MCU on one port, and a server that is no device.
fn translating() -> [Scratch; 2] {
    let linux = Scratch::new("request");
    let firewall = "[[firewall]]\nname = \"edge\"\nconfig = [\"edge.rules\"]\ninterfaces = { eth0 = \"internet\", eth1 = \
                    \"video\" }\naddresses = { eth0 = [\"198.51.100.1/24\"], eth1 = [\"10.1.2.1/24\"] }\n";
    linux.write("pinhole.toml", format!("{PUBLIC}{firewall}")).write(
        "edge.rules",
        "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n\
         -A PREROUTING -i eth0 -d 198.51.100.10 -p tcp -m tcp --dport 1720 -j DNAT --to-destination 10.1.2.10\n\
         -A PREROUTING -i eth0 -d 198.51.100.20 -j DNAT --to-destination 10.1.2.20\n\
         -A POSTROUTING -s 10.1.2.0/24 -o eth0 -j SNAT --to-source 198.51.100.1\nCOMMIT\n\
         *filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
         -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n\
         -A FORWARD -d 10.1.2.10 -p tcp -m tcp --dport 1720 -j ACCEPT\n\
         -A FORWARD -i eth1 -p tcp -m tcp --dport 443 -j ACCEPT\nCOMMIT\n",
    );
    let asa = Scratch::new("request");
    let firewall = "[[firewall]]\nname = \"edge\"\nconfig = [\"edge.cfg\"]\ninterfaces = { outside = \"internet\", video = \
                    \"video\" }\n";
    asa.write("pinhole.toml", format!("{PUBLIC}{firewall}")).write(
        "edge.cfg",
        "ASA Version 9.8(4)\nhostname edge\ninterface GigabitEthernet0/0\n nameif outside\n security-level 0\n ip address \
         198.51.100.1 255.255.255.0\ninterface GigabitEthernet0/1\n nameif video\n security-level 50\n ip address \
         10.1.2.1 255.255.255.0\nobject network mcu\n host 10.1.2.10\n nat (video,outside) static 198.51.100.10\n\
         object network web\n host 10.1.2.20\n nat (video,outside) static 198.51.100.20\n\
         access-list outside_in extended permit tcp any host 10.1.2.10 eq h323\n\
         access-group outside_in in interface outside\n",
    );
    [linux, asa]
}

#[test]
fn translation_on_the_way_is_told_and_made() {
    for site in translating() {
        let site = &site.0;
        let told = answer(site, &["--from", "203.0.113.0/24", "--to", "mcu-1", "tcp/1720"]);
        assert_eq!(told["state"], "open", "{told}");
        let turned = json!({
            "firewall": "edge", "end": "destination", "before": "198.51.100.10", "after": "10.1.2.10",
        });
        assert_eq!(told["translations"], json!([turned]), "{told}");
        assert_eq!(told["ways"][0]["dialled"], json!(["198.51.100.10"]));
        // A port that is not translated yet, or not let through.
        let args = ["--from", "203.0.113.0/24", "--to", "198.51.100.10", "tcp/5061"];
        let told = answer(site, &args);
        assert_eq!((&told["state"], &told["change"]["proved"]), (&json!("closed"), &json!(true)), "{told}");
        put(site, &told);
        assert_eq!(answer(site, &args)["state"], "open");
        // A host that is no device, by the address into which nothing but the firewall translates it.
        let args = ["--from", "203.0.113.0/24", "--to", "198.51.100.20", "tcp/443"];
        let told = answer(site, &args);
        assert_eq!(
            (&told["state"], &told["ways"][0]["to_zone"]),
            (&json!("closed"), &json!("video")),
            "{told}"
        );
        put(site, &told);
        assert_eq!(answer(site, &args)["state"], "open");
        let err = refused(site, &["--from", "internet", "--to", "198.51.100.1", "tcp/22"]);
        assert!(err.contains("198.51.100.1 is an address of the firewall `edge` itself"), "{err}");
    }
    let [linux, _] = translating();
    let told = answer(&linux.0, &["--from", "mcu-1", "--to", "internet", "tcp/443"]);
    assert_eq!(
        (&told["state"], &told["translations"][0]["end"]),
        (&json!("open"), &json!("source")),
        "{told}"
    );
}

#[test]
fn both_families_are_asked_about() {
    let site = Scratch::new("request");
    let text = PUBLIC.replace("\"10.1.2.0/24\"", "\"10.1.2.0/24\", \"2001:db8:1::/64\"");
    let text = text.replace(
        "\"10.1.2.10\"]\npublic-addresses = [\"198.51.100.10\"]",
        "\"10.1.2.10\", \"2001:db8:1::10\"]",
    );
    let firewall = "[[firewall]]\nname = \"edge\"\nconfig = [\"edge.nft\"]\ninterfaces = { eth0 = \"internet\", eth1 = \
                    \"video\" }\n";
    site.write("pinhole.toml", format!("{text}{firewall}")).write(
        "edge.nft",
        "table inet filter {\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy drop;\n\
         \t\tct state established accept\n\t\tiifname \"eth0\" ip daddr 10.1.2.10 tcp dport 1720 accept\n\t}\n}\n",
    );
    let args = ["--from", "internet", "--to", "mcu-1", "tcp/1720"];
    let told = answer(&site.0, &args);
    let ways: Vec<(&Json, &Json)> =
        told["ways"].as_array().unwrap().iter().map(|way| (&way["family"], &way["state"])).collect();
    assert_eq!(ways, [(&json!("ipv4"), &json!("open")), (&json!("ipv6"), &json!("closed"))], "{told}");
    assert_eq!(told["state"], "part");
    put(&site.0, &told);
    assert_eq!(answer(&site.0, &args)["state"], "open");
    let told = answer(&site.0, &["--from", "2001:db8:9::/48", "--to", "mcu-1", "icmpv6 icmp"]);
    let line = &told["firewalls"][0]["lines"][0]["lines"];
    assert_eq!(
        line,
        &json!(["ip6 saddr 2001:db8:9::/48 ip6 daddr 2001:db8:1::10 icmpv6 type 128 accept"]),
        "{told}"
    );
    let err = refused(&site.0, &["--from", "2001:db8:9::/48", "--to", "10.1.2.9", "tcp/80"]);
    assert!(err.contains("`2001:db8:9::/48` and `10.1.2.9` have no addresses of one family"), "{err}");
    // A firewall of which no file speaks of IPv6.
    let rules = EDGES[0].rules;
    site.write("pinhole.toml", format!("{text}{firewall}").replace("edge.nft", "edge.rules"))
        .write("edge.rules", rules);
    let told = answer(&site.0, &["--from", "2001:db8:9::/48", "--to", "mcu-1", "tcp/1720"]);
    assert_eq!(
        (&told["state"], &told["depends_on"]),
        (&json!("depends"), &json!(["the IPv6 rules of edge"])),
        "{told}"
    );
}

#[test]
fn answers_have_to_come_back() {
    let rules =
        EDGES[0].rules.replace("-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n", "");
    let site = EDGES[0].site();
    site.write("edge.rules", rules);
    let args = ["--from", "203.0.113.0/25", "--to", "mcu-1", "tcp/1720"];
    let told = answer(&site.0, &args);
    let summary =
        "tcp 1720 from 203.0.113.0/25 to mcu-1 gets through, and its answers do not: edge stops them.";
    assert_eq!((&told["state"], &told["summary"]), (&json!("closed"), &json!(summary)), "{told}");
    assert_eq!(told["ways"][0]["parts"][0]["state"], "unanswered");
    assert_eq!(
        (&told["firewalls"][0]["state"], &told["change"]["answered"]),
        (&json!("unanswered"), &json!(true))
    );
    put(&site.0, &told);
    assert_eq!(answer(&site.0, &args)["state"], "open");
    // Traps are not answered.
    let told = answer(&site.0, &["--from", "mcu-1", "--to", "203.0.113.7", "udp/162"]);
    assert_eq!(told["state"], "closed", "{told}");
    put(&site.0, &told);
    assert_eq!(answer(&site.0, &["--from", "mcu-1", "--to", "203.0.113.7", "udp/162"])["state"], "open");
}

#[test]
fn what_cannot_be_answered_says_why() {
    let edge = EDGES[0].site();
    let site = &edge.0;
    for (from, to, traffic, wanted) in [
        (
            "internet",
            "mcu-1",
            "tcp/70000",
            "the traffic `tcp/70000` cannot be read: no port or range of ports",
        ),
        ("internet", "10.1.2.11", "q931", "the traffic `q931` cannot be read: `q931` is no protocol"),
        ("internet", "mcu-1", "q932", "nobody connects to `mcu-1` for `q932`; did you mean `q931`?"),
        (
            "203.0.113.9/24",
            "mcu-1",
            "tcp/80",
            "`203.0.113.9/24` is no network: bits after the prefix are set; the \
                                                network is 203.0.113.0/24",
        ),
        ("mcu-1", "10.1.2.10", "tcp/80", "`mcu-1` is at both ends of the request"),
        ("nobody", "mcu-1", "tcp/80", "the site has no device, zone or peer `nobody`"),
    ] {
        let err = refused(site, &["--from", from, "--to", to, traffic]);
        assert!(err.contains(wanted), "{err}");
    }
    let err = refused(site, &["--from", "internet", "--to", "mcu-1", "tcp/80", "--format", "svg"]);
    assert!(err.contains("a request has no picture"), "{err}");
    for args in [
        &["--to", "mcu-1", "tcp/80"][..],
        &["--from", "internet", "--to", "mcu-1", "tcp/80", "--call", "h323"],
    ] {
        refused(site, args);
    }
    let nowhere = Scratch::new("request");
    let err = refused(&nowhere.0, &["--from", "203.0.113.0/24", "--to", "10.1.2.10", "tcp/80"]);
    assert!(err.contains("there is no site file"), "{err}");
    // Nothing between: nothing stops it.
    let told = answer(site, &["--from", "10.1.2.0/24", "--to", "mcu-1", "any"]);
    assert!(told["summary"].as_str().unwrap().ends_with("is open: no firewall stands between."), "{told}");
}

#[test]
fn answers_fit_their_schema_and_name_nobody_when_redacted() {
    let schema = Command::new(env!("CARGO_BIN_EXE_pinhole")).args(["schema", "request"]).output().unwrap();
    let schema: Json = serde_json::from_slice(&schema.stdout).unwrap();
    let edge = EDGES[0].site();
    let [linux, asa] = translating();
    for (site, args) in [
        (&edge, ["--from", "203.0.113.0/24", "--to", "mcu-1", "any"]),
        (&edge, ["--from", "203.0.113.0/24", "--to", "mcu-1", "tcp/22,1720"]),
        (&linux, ["--from", "203.0.113.0/24", "--to", "mcu-1", "tcp/5061"]),
        (&asa, ["--from", "203.0.113.0/24", "--to", "mcu-1", "tcp/1720-1721"]),
    ] {
        let told = answer(&site.0, &[&args[..], &["--mend"]].concat());
        assert_eq!(wrong(&schema, &told), [""; 0], "{told}");
        for format in ["human", "markdown", "json"] {
            let args = [&args[..], &["--mend", "--redact", "--format", format]].concat();
            let printed = text(&asked(&site.0, &args).stdout);
            assert!(printed.len() > 100, "{printed}");
            for secret in ["203.0.113.", "10.1.2.", "198.51.100.", "mcu-1", "edge"] {
                assert!(!printed.contains(secret), "{format}: {secret}\n{printed}");
            }
        }
    }
}

#[test]
fn a_ticket_says_all_of_it() {
    let edge = EDGES[3].site();
    let told =
        asked(&edge.0, &["--from", "203.0.113.0/24", "--to", "mcu-1", "tcp/22", "--format", "markdown"]);
    insta::assert_snapshot!(text(&told.stdout));
}
