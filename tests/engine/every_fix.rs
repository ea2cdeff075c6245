//! Every change that a finding offers, of every fixture and every example on a page: made, it ends the finding, and
//! `diff` tells no other effect than that which the finding names.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use pinhole::rule::LINTS;
use serde_json::Value;

use crate::common::Scratch;
use crate::examples::examples;
use crate::remedies::Case;

/// What the changes of a code may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Effect {
    /// Let through, and nothing else.
    Opens,
    /// Refuse, and nothing else.
    Closes,
    /// Nothing at all.
    None,
    /// Make a rule what it was meant to be.
    OfRule,
}

fn effect(code: &str) -> Effect {
    match code {
        "PH101" | "PH102" | "PH103" | "PH104" | "PH105" | "PH106" | "PH107" => Effect::Opens,
        "PH201" | "PH202" | "PH204" | "PH205" | "PH206" | "PH301" => Effect::Closes,
        "PH410" | "PH412" | "PH422" | "PH423" | "PH433" => Effect::OfRule,
        _ => Effect::None,
    }
}

/// How often a change of a code was made in a language.
type Made = BTreeMap<(String, String), usize>;

/// Makes each change of a case alone, and gives what is wrong.
fn each(case: &Case, name: &str, made: &mut Made, wrong: &mut Vec<String>) {
    let found = case.findings();
    for finding in &found {
        let edits = finding["edits"].as_array().unwrap();
        if edits.is_empty() || edits.iter().any(|edit| edit["file"] == "pinhole.toml") {
            continue;
        }
        let code = code_of(finding);
        let before = Scratch::new("before");
        copy(&case.folder.0, &before.0);
        let texts = case.with(finding);
        let same = |all: &[Value]| {
            all.iter().filter(|other| other["code"] == code && other["message"] == finding["message"]).count()
        };
        let after = case.findings();
        if same(&after) >= same(&found) {
            wrong.push(format!("{name}: {code} is there again: {}", finding["message"]));
        }
        let file = finding["file"].as_str().unwrap_or_default();
        let dialect = case.dialect_of(file);
        let told = difference(&before.0.join(file), &case.folder.0.join(file), &dialect);
        let lists =
            |keys: &[&str]| keys.iter().map(|key| told[*key].as_array().map_or(0, Vec::len)).sum::<usize>();
        let (opens, closes) = (lists(&["opened"]), lists(&["closed"]));
        let others = lists(&["retargeted"]);
        let right = match effect(code) {
            Effect::Opens => {
                let named = Named::by(finding, case);
                let opened = told["opened"].as_array().unwrap();
                opened.iter().all(|region| named.has(region))
                    && (closes == 0 || is_to_translated(&told, edits))
            }
            Effect::Closes => {
                let needed = |all: &[Value]| {
                    all.iter().filter(|found| effect(code_of(found)) == Effect::Opens).count()
                };
                opens == 0 && others == 0 && closes > 0 && needed(&after) <= needed(&found)
            }
            Effect::None => told["equal"] == true,
            Effect::OfRule => true,
        };
        if !right {
            wrong.push(format!("{name}: {code}: diff says {told:#}"));
        }
        *made.entry((code.to_string(), dialect)).or_default() += 1;
        for (path, text) in texts {
            std::fs::write(path, text).unwrap();
        }
    }
}

fn code_of(finding: &Value) -> &str {
    finding["code"].as_str().unwrap()
}

/// What a finding says that a device needs and does not have.
struct Named {
    /// The addresses of the devices, and those that others know them by.
    addresses: BTreeSet<IpAddr>,
    /// Transports with their ports.
    flows: Vec<(String, Vec<(u64, u64)>)>,
}

impl Named {
    fn by(finding: &Value, case: &Case) -> Named {
        let devices: Vec<&str> =
            finding["devices"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let site = std::fs::read_to_string(case.folder.0.join("pinhole.toml")).unwrap_or_default();
        let site: toml::Table = site.parse().unwrap();
        let all = site.get("device").and_then(toml::Value::as_array).into_iter().flatten();
        let own = all.filter(|device| device["name"].as_str().is_some_and(|name| devices.contains(&name)));
        let lists = own.flat_map(|device| ["addresses", "public-addresses"].map(|key| device.get(key)));
        let addresses = lists.flatten().flat_map(|list| list.as_array().unwrap());
        // `--product NAME@ADDRESS`.
        let given = case.args.iter().filter_map(|arg| arg.split_once('@')?.1.parse().ok());
        let flow = |required: &Value| {
            let ports = required["blocked"].as_array().unwrap().iter();
            let ports = ports.map(|range| (range[0].as_u64().unwrap(), range[1].as_u64().unwrap()));
            (required["transport"].as_str().unwrap().to_string(), ports.collect())
        };
        // What the config translates to the device already is the device as well.
        let file = case.folder.0.join(finding["file"].as_str().unwrap());
        let config = std::fs::read_to_string(file).unwrap();
        let mapped = config.lines().filter_map(|line| line.split_once(" static ")?.1.parse().ok());
        let given = given.chain(mapped);
        Named {
            addresses: addresses
                .map(|address| address.as_str().unwrap().parse().unwrap())
                .chain(given)
                .collect(),
            flows: finding["requirements"].as_array().unwrap().iter().map(flow).collect(),
        }
    }

    /// Whether all packets of a region are between one of the devices and its ports, or ports that it needs of others.
    fn has(&self, region: &Value) -> bool {
        let end = |value: &Value| value.as_str().unwrap().parse::<IpAddr>().unwrap();
        let own = |side: &str| {
            region[side].as_array().is_some_and(|ranges| {
                ranges.iter().all(|range| {
                    let (lo, hi) = (end(&range[0]), end(&range[1]));
                    self.addresses.iter().filter(|own| (lo..=hi).contains(*own)).count() as u128
                        == span(lo, hi)
                })
            })
        };
        let protocols = region["proto"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let protocols: Vec<&str> = protocols.collect();
        let ports = |side: &str, protocol: &str| {
            let of = |(transport, ports): &(String, Vec<(u64, u64)>)| {
                (transport == protocol).then_some(ports.clone())
            };
            let mut needed: Vec<(u64, u64)> = self.flows.iter().filter_map(of).flatten().collect();
            needed.sort_unstable();
            region[side].as_array().is_some_and(|ranges| {
                ranges.iter().all(|range| {
                    (range[0].as_u64().unwrap()..=range[1].as_u64().unwrap())
                        .all(|port| needed.iter().any(|(lo, hi)| (*lo..=*hi).contains(&port)))
                })
            })
        };
        let named = |protocol: &&str| match *protocol {
            "icmp" | "icmpv6" => self.flows.iter().any(|(transport, _)| transport.starts_with("icmp")),
            protocol => {
                let answers =
                    region["state"].as_array().is_some_and(|states| !states.contains(&"new".into()));
                own("dst") && (ports("dport", protocol) || answers && ports("sport", protocol))
                    || own("src") && (ports("sport", protocol) || ports("dport", protocol))
            }
        };
        !protocols.is_empty() && (own("src") || own("dst")) && protocols.iter().all(named)
    }
}

/// How many addresses there are from one to another.
fn span(lo: IpAddr, hi: IpAddr) -> u128 {
    let number = |address: IpAddr| match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => u128::from(address),
    };
    (number(hi) - number(lo)).saturating_add(1)
}

/// Whether what passes no more went to an address that the change translates: nothing was there before.
fn is_to_translated(told: &Value, edits: &[Value]) -> bool {
    let names = |address: &str| edits.iter().any(|edit| edit["text"].as_str().unwrap().contains(address));
    told["closed"].as_array().unwrap().iter().all(|region| {
        let ends = region["dst"].as_array().map_or(&[][..], Vec::as_slice);
        !ends.is_empty() && ends.iter().all(|end| end[0] == end[1] && names(end[0].as_str().unwrap()))
    })
}

fn copy(from: &Path, to: &Path) {
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap().path();
        if file.is_file() {
            std::fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
        }
    }
}

/// What `diff` says of a file before and after.
fn difference(old: &Path, new: &Path, dialect: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_pinhole"))
        .args(["diff", "--equal", "--no-site", "--format", "json", "--dialect", dialect])
        .args([old, new])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn of_all_fixtures() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let (mut wrong, mut made) = (Vec::new(), Made::new());
    let folders = ["scenarios", "changes"].map(|name| std::fs::read_dir(root.join(name)).unwrap());
    for entry in folders.into_iter().flatten() {
        let path = entry.unwrap().path();
        let case = Case::new(&[], &[]);
        copy(&path, &case.folder.0);
        each(&case, &path.display().to_string(), &mut made, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(made.values().sum::<usize>() >= 20, "{made:?}");
}

#[test]
fn of_all_other_rulesets() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let (mut wrong, mut made) = (Vec::new(), Made::new());
    let mut open: Vec<_> = ["asa", "nftables", "pf", "kernel"].map(|name| root.join(name)).to_vec();
    let mut read = 0;
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap();
        let case = Case::new(&[], &[name, "--no-site"]);
        copy(path.parent().unwrap(), &case.folder.0);
        // Some are no configs, or are none by themselves.
        if case.is_read() {
            read += 1;
            each(&case, &path.display().to_string(), &mut made, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(read >= 20 && !made.is_empty(), "{read} read, {made:?}");
}

/// What has a change in each of its languages on its page, where it can have one.
const ALWAYS: [(&str, &[&str]); 11] = [
    ("PH101", &["iptables", "nftables", "pf", "asa"]),
    ("PH201", &["iptables", "nftables", "pf", "asa"]),
    ("PH202", &["iptables", "nftables", "asa"]),
    ("PH204", &["iptables", "nftables", "pf", "asa"]),
    ("PH206", &["iptables", "nftables", "pf", "asa"]),
    ("PH301", &["iptables", "nftables", "pf", "asa"]),
    ("PH401", &["iptables", "nftables", "pf", "asa"]),
    ("PH402", &["iptables", "nftables", "pf", "asa"]),
    ("PH404", &["iptables", "nftables"]),
    ("PH405", &["nftables", "pf", "asa"]),
    ("PH406", &["iptables", "nftables", "pf", "asa"]),
];

#[test]
fn of_all_examples_on_pages() {
    let (mut wrong, mut made) = (Vec::new(), Made::new());
    for lint in LINTS {
        for example in examples(lint.text).into_iter().filter(|example| example.words[0] != "toml") {
            let case = Case::of_example(&example);
            each(&case, &format!("{} {}", lint.code, example.info), &mut made, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (code, languages) in ALWAYS {
        for language in languages {
            let there = made.contains_key(&(code.to_string(), language.to_string()));
            assert!(there, "no page shows a change of {code} in {language}: {made:#?}");
        }
    }
}

/// Administration that is open to anybody, where others may go on: by the networks that the site file names.
#[test]
fn of_administration_that_is_open_to_any_source() {
    let (mut wrong, mut made) = (Vec::new(), Made::new());
    let configs = [
        (
            "gate.rules",
            "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
             -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n-A FORWARD -i lan0 -j ACCEPT\n\
             -A FORWARD -d 10.40.7.22 -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n",
        ),
        (
            "gate.nft",
            "table ip gate {\n\tchain forward {\n\t\ttype filter hook forward priority 0; policy drop;\n\
             \t\tct state established accept\n\t\tiifname lan0 accept\n\
             \t\tip daddr 10.40.7.22 tcp dport { 22, 1720 } accept\n\t}\n}\n",
        ),
        (
            "pf.conf",
            "block in all\npass out all\npass in on lan0 all\n\
             pass in inet proto tcp from any to 10.40.7.22 port 22\n",
        ),
        (
            "gate.cfg",
            "ASA Version 9.8(2)\ninterface Ethernet0/0\n nameif wan0\n security-level 0\n \
             ip address 198.51.100.33 255.255.255.240\ninterface Ethernet0/1\n nameif lan0\n security-level 100\n \
             ip address 10.40.7.1 255.255.255.0\ninterface Ethernet0/2\n nameif adm0\n security-level 50\n \
             ip address 10.40.9.1 255.255.255.0\n\
             access-list from_wan extended permit tcp any host 10.40.7.22 eq 22\n\
             access-group from_wan in interface wan0\n\
             access-list from_adm extended permit tcp any host 10.40.7.22 eq 22\n\
             access-group from_adm in interface adm0\n",
        ),
    ];
    for (name, config) in configs {
        let site = format!(
            "[[zone]]\nname = \"internet\"\n[[zone]]\nname = \"office\"\nnetworks = [\"10.40.7.0/24\"]\n\
             [[zone]]\nname = \"admins\"\nnetworks = [\"10.40.9.0/24\"]\n\
             [[firewall]]\nname = \"gate\"\nconfig = [\"{name}\"]\n\
             interfaces = {{ wan0 = \"internet\", lan0 = \"office\", adm0 = \"admins\" }}\n\
             [[device]]\nname = \"mcu\"\nproduct = \"scopia-elite-5200\"\naddresses = [\"10.40.7.22\"]\n\
             [check]\nselect = [\"PH205\"]\n"
        );
        let case = Case::new(&[(name, config), ("pinhole.toml", &site)], &[]);
        each(&case, name, &mut made, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(made.len(), 4, "{made:#?}");
}

/// A rule for all traffic: what takes it away leaves what the device needs, and the office goes on.
#[test]
fn of_rules_for_all_traffic() {
    let (mut wrong, mut made) = (Vec::new(), Made::new());
    let configs = [
        (
            "gate.rules",
            "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
             -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -j ACCEPT\nCOMMIT\n",
        ),
        (
            "gate.nft",
            "table ip gate {\n\tchain forward {\n\t\ttype filter hook forward priority 0; policy drop;\n\
             \t\tct state established,related accept\n\t\taccept\n\t}\n}\n",
        ),
        ("pf.conf", "block in all\npass out all\npass in on lan0 all\npass in inet all\n"),
        (
            "gate.cfg",
            "ASA Version 9.8(2)\ninterface Ethernet0/0\n nameif wan0\n security-level 0\n \
             ip address 198.51.100.33 255.255.255.240\ninterface Ethernet0/1\n nameif lan0\n security-level 100\n \
             ip address 10.40.7.1 255.255.255.0\naccess-list from_wan extended permit ip any4 any4\n\
             access-group from_wan in interface wan0\n",
        ),
    ];
    for (name, config) in configs {
        let site = format!(
            "[[zone]]\nname = \"internet\"\n[[zone]]\nname = \"office\"\nnetworks = [\"10.40.7.0/24\"]\n\
             [[firewall]]\nname = \"gate\"\nconfig = [\"{name}\"]\n\
             interfaces = {{ wan0 = \"internet\", lan0 = \"office\" }}\n\
             [[device]]\nname = \"mcu\"\nproduct = \"scopia-elite-5200\"\naddresses = [\"10.40.7.22\"]\n\
             [[peer]]\nrole = \"h323-entity\"\nzone = \"internet\"\n"
        );
        let case = Case::new(&[(name, config), ("pinhole.toml", &site)], &["--ignore", "PH201,PH205"]);
        each(&case, name, &mut made, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let languages = made.keys().filter(|(code, _)| code == "PH202").count();
    assert_eq!(languages, 4, "{made:#?}");
}

/// Without a rule for running connections the one for all traffic lets answers in, too: nothing is offered that takes these
/// away. Nor is anything where nobody said which IPv6 is inside, or where packets are not tracked.
#[test]
fn of_rules_for_all_traffic_that_let_answers_in() {
    let configs = [
        (
            "gate.rules",
            "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A FORWARD -j ACCEPT\nCOMMIT\n",
        ),
        (
            "gate.rules",
            "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p udp -j CT --notrack\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n\
             :FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
             -A FORWARD -j ACCEPT\nCOMMIT\n",
        ),
        (
            "gate.nft",
            "table inet gate {\n\tchain forward {\n\t\ttype filter hook forward priority 0; policy drop;\n\
             \t\tct state established,related accept\n\t\taccept\n\t}\n}\n",
        ),
    ];
    for (name, config) in configs {
        let site = format!(
            "[[zone]]\nname = \"internet\"\n[[zone]]\nname = \"office\"\nnetworks = [\"10.40.7.0/24\"]\n\
             [[firewall]]\nname = \"gate\"\nconfig = [\"{name}\"]\n\
             interfaces = {{ wan0 = \"internet\", lan0 = \"office\" }}\n\
             [[device]]\nname = \"mcu\"\nproduct = \"scopia-elite-5200\"\naddresses = [\"10.40.7.22\"]\n"
        );
        let case = Case::new(&[(name, config), ("pinhole.toml", &site)], &["--select", "PH202"]);
        let found = case.findings();
        assert!(!found.is_empty(), "{config}");
        assert!(found.iter().all(|finding| finding["edits"].as_array().unwrap().is_empty()), "{found:#?}");
    }
}
