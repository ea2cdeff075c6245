//! Remedies work: every line that help prints is put where it says, and the config is checked again.
//!
//! What is put in is taken from the JSON report alone. Afterwards the finding has to be gone, and of random packets
//! none may fare otherwise than before but those that the finding names.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use crate::examples;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use examples::{Example, examples};
use pinhole::rule::LINTS;
use serde_json::Value;

use crate::common::Scratch;

/// What every remedy has to hold: the codes that name rules.
const CODES: [&str; 6] = ["PH101", "PH102", "PH103", "PH104", "PH105", "PH106"];

/// A folder of its own with the files of a case.
pub(crate) struct Case {
    pub folder: Scratch,
    pub args: Vec<String>,
}

impl Case {
    pub(crate) fn new(files: &[(&str, &str)], args: &[&str]) -> Case {
        let folder = Scratch::new("remedies");
        for (name, text) in files {
            folder.write(name, text);
        }
        Case { folder, args: args.iter().map(|arg| arg.to_string()).collect() }
    }

    /// That of an example on a page.
    pub(crate) fn of_example(example: &Example) -> Case {
        let mut args = vec!["firewall.conf", "--dialect", example.words[0]];
        args.extend(&example.words[2..]);
        let mut files = vec![("firewall.conf", example.config.as_str())];
        match example.site {
            Some(site) => files.push(("pinhole.toml", site)),
            None => args.push("--no-site"),
        }
        Case::new(&files, &args)
    }

    fn check(&self) -> Output {
        let mut check = Command::new(env!("CARGO_BIN_EXE_pinhole"));
        check.args(["check", "--format", "json"]).args(&self.args).current_dir(&self.folder.0);
        check.stdin(Stdio::null()).output().unwrap()
    }

    fn report(&self) -> Value {
        let Output { stdout, stderr, .. } = self.check();
        let errors = String::from_utf8(stderr).unwrap();
        serde_json::from_slice(&stdout).unwrap_or_else(|_| panic!("{errors}"))
    }

    pub(crate) fn findings(&self) -> Vec<Value> {
        self.report()["findings"].as_array().unwrap().clone()
    }

    /// Whether the files are read.
    pub(crate) fn is_read(&self) -> bool {
        let output = self.check();
        output.status.code() != Some(2) && !output.stdout.is_empty()
    }

    /// The language of one of its files.
    pub(crate) fn dialect_of(&self, file: &str) -> String {
        let report = self.report();
        let files = report["files"].as_array().unwrap();
        let own = files.iter().find(|one| one["path"] == file).unwrap_or_else(|| panic!("{file}: {files:?}"));
        own["dialect"].as_str().unwrap().to_string()
    }

    /// Puts the lines of a finding in, and gives the files back as they were.
    pub(crate) fn with(&self, finding: &Value) -> Vec<(PathBuf, Vec<u8>)> {
        let mut edits: Vec<&Value> = finding["edits"].as_array().unwrap().iter().collect();
        edits.sort_by_key(|edit| std::cmp::Reverse(edit["start"].as_u64()));
        let mut before: Vec<(PathBuf, Vec<u8>)> = Vec::new();
        for edit in edits {
            let path = self.folder.0.join(edit["file"].as_str().unwrap());
            let mut text = std::fs::read(&path).unwrap();
            if before.iter().all(|(known, _)| *known != path) {
                before.push((path.clone(), text.clone()));
            }
            let [start, end] = ["start", "end"].map(|key| edit[key].as_u64().unwrap() as usize);
            text.splice(start..end, edit["text"].as_str().unwrap().bytes());
            std::fs::write(&path, text).unwrap();
        }
        before
    }

    /// Tries all remedies one by one; gives how many there were, and how many findings had none.
    fn try_all(&self, name: &str, wrong: &mut Vec<String>) -> (usize, usize) {
        let (mut tried, mut without) = (0, 0);
        let found = self.findings();
        for finding in &found {
            let code = finding["code"].as_str().unwrap();
            if !CODES.contains(&code) {
                continue;
            }
            if finding["edits"].as_array().unwrap().is_empty() {
                assert!(finding["mend"].as_array().unwrap().is_empty(), "{name}: lines without a place");
                // Answers that a state lets through have no line of their own.
                without += usize::from(code != "PH105");
                continue;
            }
            tried += 1;
            let before = self.with(finding);
            for after in self.findings() {
                let is_other =
                    found.iter().any(|other| other != finding && other["message"] == after["message"]);
                if is_same(finding, &after) && !is_other {
                    wrong.push(format!("{name}: {code} is there again: {}", after["message"]));
                }
                let is_new = found.iter().all(|other| other["message"] != after["message"]);
                if after["code"].as_str().unwrap().starts_with("PH0") && is_new {
                    wrong.push(format!("{name}: what {code} prints is not read: {}", after["message"]));
                }
            }
            for (path, text) in before {
                std::fs::write(path, text).unwrap();
            }
        }
        (tried, without)
    }
}

/// Whether two findings are of one code and direction, with a row in common.
fn is_same(one: &Value, other: &Value) -> bool {
    let key = |row: &Value| ["device", "table", "row", "service", "transport"].map(|key| row[key].clone());
    let rows =
        |finding: &Value| finding["requirements"].as_array().unwrap().iter().map(key).collect::<Vec<_>>();
    let opener = |finding: &Value| finding["leg"]["opened_by"].clone();
    let theirs = rows(other);
    one["code"] == other["code"]
        && opener(one) == opener(other)
        && rows(one).iter().any(|row| theirs.contains(row))
}

#[test]
fn remedies_of_all_scenarios_work() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/scenarios");
    let mut wrong = Vec::new();
    let mut tried = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let case = Case::new(&[], &[]);
        for file in std::fs::read_dir(&path).unwrap() {
            let file = file.unwrap().path();
            if file.extension().is_some_and(|end| end != "snap" && end != "new") {
                std::fs::copy(&file, case.folder.0.join(file.file_name().unwrap())).unwrap();
            }
        }
        tried += case.try_all(&path.display().to_string(), &mut wrong).0;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tried >= 8, "{tried} remedies in all scenarios");
}

#[test]
fn remedies_of_all_page_examples_work() {
    let mut wrong = Vec::new();
    let mut tried = 0;
    for lint in LINTS.iter().filter(|lint| CODES.contains(&lint.code)) {
        for example in examples(lint.text) {
            let case = Case::of_example(&example);
            tried += case.try_all(&format!("{} {}", lint.code, example.info), &mut wrong).0;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tried >= 12, "{tried} remedies on all pages");
}

/// A site with one firewall between the internet and a room system.
fn site(config: &str, device: &str) -> String {
    format!(
        "[[zone]]\nname = \"internet\"\n[[zone]]\nname = \"office\"\nnetworks = [\"10.40.7.0/24\"]\n\
         [[firewall]]\nname = \"gate\"\nconfig = [\"{config}\"]\n\
         interfaces = {{ wan0 = \"internet\", lan0 = \"office\" }}\n\
         addresses = {{ wan0 = [\"198.51.100.33/28\"], lan0 = [\"10.40.7.1/24\"] }}\n\
         [[device]]\nname = \"mcu\"\nproduct = \"scopia-elite-5200\"\naddresses = [\"10.40.7.22\"]\n{device}\
         [[peer]]\nrole = \"h323-entity\"\nzone = \"internet\"\n\
         [check]\nselect = [\"PH101\", \"PH102\", \"PH105\", \"PH106\"]\n"
    )
}

/// The site's one PH101, with its lines, after these were tried.
fn mended(name: &str, config: &str, device: &str) -> Vec<String> {
    let case = Case::new(&[(name, config), ("pinhole.toml", &site(name, device))], &[]);
    let mut wrong = Vec::new();
    let (tried, without) = case.try_all(name, &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tried > 0 && without == 0, "{name}: {tried} remedies, {without} findings without one");
    let found = case.findings();
    let lines = found.iter().flat_map(|finding| finding["mend"].as_array().unwrap());
    lines.map(|line| line.as_str().unwrap().to_string()).collect()
}

const PUBLIC: &str = "public-addresses = [\"198.51.100.34\"]\n";

#[test]
fn what_is_not_translated_gets_a_translation() {
    let config = "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n\
                  :FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:LOGDROP - [0:0]\n-A INPUT -i wan0 -j LOGDROP\n\
                  -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -i lan0 -j ACCEPT\n\
                  -A FORWARD -j LOGDROP\n-A LOGDROP -j LOG\n-A LOGDROP -j DROP\nCOMMIT\n";
    let lines = mended("gate.rules", config, PUBLIC);
    assert!(lines.iter().any(|line| line.contains("DNAT --to-destination 10.40.7.22")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("-A FORWARD ")), "{lines:#?}");
}

#[test]
fn a_translation_to_another_port_gets_one_before_it() {
    let config = "*nat\n:PREROUTING ACCEPT [0:0]\n\
                  -A PREROUTING -d 198.51.100.34 -p tcp --dport 1720 -j DNAT --to-destination 10.40.7.22:5060\n\
                  -A PREROUTING -d 198.51.100.34 -j DNAT --to-destination 10.40.7.22\nCOMMIT\n\
                  *filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
                  -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -i lan0 -j ACCEPT\n\
                  -A FORWARD -i wan0 -d 10.40.7.22 -j ACCEPT\nCOMMIT\n";
    let lines = mended("gate.rules", config, PUBLIC);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].ends_with("--dport 1720 -j DNAT --to-destination 10.40.7.22"), "{lines:#?}");
}

#[test]
fn a_chain_that_input_and_forward_share_is_left_alone() {
    let config = "table inet gate {\n\tchain input { type filter hook input priority 0; policy accept; jump no; }\n\
                  \tchain forward {\n\t\ttype filter hook forward priority 0; policy drop;\n\
                  \t\tct state established,related accept\n\t\tiifname \"lan0\" accept\n\t\tjump no\n\t}\n\
                  \tchain no { reject; }\n}\n";
    let lines = mended("gate.nft", config, "");
    assert!(lines.iter().all(|line| line.starts_with("iifname \"wan0\"")), "{lines:#?}");
}

#[test]
fn pf_translates_and_passes() {
    let config = "rdr on wan0 inet proto udp from any to 198.51.100.34 port 5060 -> 10.40.7.22\nblock in all\n\
                  pass out all\npass in on lan0 all\n";
    let lines = mended("pf.conf", config, PUBLIC);
    assert!(lines.iter().any(|line| line.starts_with("rdr on wan0 ")), "{lines:#?}");
}

#[test]
fn lists_of_old_versions_name_the_translated_address() {
    let config = "ASA Version 8.2(5)\ninterface Ethernet0/0\n nameif wan0\n security-level 0\n \
                  ip address 198.51.100.33 255.255.255.240\ninterface Ethernet0/1\n nameif lan0\n security-level 100\n \
                  ip address 10.40.7.1 255.255.255.0\n\
                  access-list from_wan extended permit tcp any host 198.51.100.34 eq h323\n\
                  static (lan0,wan0) 198.51.100.34 10.40.7.22 netmask 255.255.255.255\n\
                  access-group from_wan in interface wan0\n";
    let lines = mended("gate.cfg", config, PUBLIC);
    assert!(lines.iter().all(|line| line.contains("host 198.51.100.34")), "{lines:#?}");
}

/// What becomes of packets to the device and to others, from hosts of the internet: true where they pass.
fn verdicts(case: &Case, name: &str) -> Vec<(String, u64, bool)> {
    let mut packets = String::new();
    let mut sent = Vec::new();
    for dst in ["10.40.7.22", "198.51.100.34", "10.40.7.23", "198.51.100.33"] {
        for proto in ["tcp", "udp"] {
            for port in [
                21, 80, 1023, 1024, 1324, 1325, 1719, 1720, 2900, 3338, 5060, 5061, 16384, 16984, 16985,
                60000,
            ] {
                packets += &format!(
                    "{{\"id\":{},\"hook\":\"forward\",\"iif\":\"wan0\",\"oif\":\"lan0\",\"fwd_oif\":\"lan0\",\
                     \"src\":\"192.0.2.77\",\"dst\":\"{dst}\",\"proto\":\"{proto}\",\"sport\":40000,\"dport\":{port}}}\n",
                    sent.len()
                );
                sent.push((format!("{proto} {dst}"), port));
            }
        }
    }
    std::fs::write(case.folder.0.join("packets.jsonl"), packets).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_pinhole"))
        .args(["trace", name, "--packets", "packets.jsonl", "--format", "jsonl"])
        .args(["--interface", "wan0=198.51.100.33/28", "--interface", "lan0=10.40.7.1/24"])
        .current_dir(&case.folder.0)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), sent.len(), "{}", String::from_utf8_lossy(&output.stderr));
    let passes = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["verdict"] == "accept"
    };
    sent.into_iter().zip(text.lines()).map(|((to, port), line)| (to, port, passes(line))).collect()
}

/// Many sites in all languages: what is open, what is translated, who shares a chain.
#[test]
fn remedies_of_made_up_sites_work() {
    let mut wrong = Vec::new();
    let mut tried = 0;
    for number in 0..48_u32 {
        let bit = |at: u32| number >> at & 1 == 1;
        let (name, config) = made_up(number % 4, bit(2), bit(3), bit(4));
        let device = if bit(5) { PUBLIC } else { "" };
        let case = Case::new(&[(name, &config), ("pinhole.toml", &site(name, device))], &[]);
        let called = format!("site {number} ({name})");
        tried += case.try_all(&called, &mut wrong).0;
        let was = verdicts(&case, name);
        for finding in
            case.findings().iter().filter(|finding| !finding["edits"].as_array().unwrap().is_empty())
        {
            let before = case.with(finding);
            for ((to, port, passed), (_, _, passes)) in was.iter().zip(verdicts(&case, name)) {
                let named = |row: &Value| {
                    let ranges = row["blocked"].as_array().unwrap().iter();
                    let mut ranges = ranges.map(|range| [0, 1].map(|end| range[end].as_u64().unwrap()));
                    to.starts_with(row["transport"].as_str().unwrap())
                        && ranges.any(|[lo, hi]| (lo..=hi).contains(port))
                };
                let rows = finding["requirements"].as_array().unwrap();
                let to_device = to.ends_with("10.40.7.22") || to.ends_with("198.51.100.34");
                if *passed != passes && !(passes && to_device && rows.iter().any(named)) {
                    wrong.push(format!("{called}: {} to {port} of {to}: passes: {passes}", finding["code"]));
                }
            }
            for (path, text) in before {
                std::fs::write(path, text).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tried >= 48, "{tried} remedies in all");
}

/// A config in one of four languages: with a rule of its own for Q.931, translated, and ending in a chain that others
/// share or, in pf, in a quick rule.
fn made_up(language: u32, q931: bool, translated: bool, shared: bool) -> (&'static str, String) {
    let on = |here: bool, text: &str| if here { text.to_string() } else { String::new() };
    match language {
        0 => (
            "gate.rules",
            format!(
                "*nat\n:PREROUTING ACCEPT [0:0]\n{}COMMIT\n*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n\
                 :OUTPUT ACCEPT [0:0]\n:NO - [0:0]\n-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n\
                 -A FORWARD -i lan0 -j ACCEPT\n{}{}-A NO -j DROP\nCOMMIT\n",
                on(translated, "-A PREROUTING -d 198.51.100.34 -j DNAT --to-destination 10.40.7.22\n"),
                on(q931, "-A FORWARD -d 10.40.7.22 -p tcp --dport 1720 -j ACCEPT\n"),
                on(shared, "-A INPUT -j NO\n-A FORWARD -j NO\n"),
            ),
        ),
        1 => (
            "gate.nft",
            format!(
                "table ip gate {{\n\tchain pre {{\n\t\ttype nat hook prerouting priority dstnat;\n{}\t}}\n\
                 \tchain no {{\n\t\tdrop\n\t}}\n\tchain input {{\n\t\ttype filter hook input priority 0; policy drop;\n\
                 {}\t}}\n\tchain forward {{\n\t\ttype filter hook forward priority 0; policy drop;\n\
                 \t\tct state established accept\n\t\tiifname lan0 accept\n{}{}\t}}\n}}\n",
                on(translated, "\t\tip daddr 198.51.100.34 dnat to 10.40.7.22\n"),
                on(shared, "\t\tjump no\n"),
                on(q931, "\t\tip daddr 10.40.7.22 tcp dport 1720 accept\n"),
                on(shared, "\t\tjump no\n"),
            ),
        ),
        2 => (
            "pf.conf",
            format!(
                "{}block in {}on wan0 all\npass out all\npass in on lan0 all\n{}",
                on(translated, "rdr on wan0 inet from any to 198.51.100.34 -> 10.40.7.22\n"),
                on(shared, "quick "),
                on(q931, "pass in on wan0 inet proto tcp from any to 10.40.7.22 port 1720\n"),
            ),
        ),
        _ => (
            "gate.cfg",
            format!(
                "ASA Version 9.8(2)\ninterface Ethernet0/0\n nameif wan0\n security-level 0\n \
                 ip address 198.51.100.33 255.255.255.240\ninterface Ethernet0/1\n nameif lan0\n security-level 100\n \
                 ip address 10.40.7.1 255.255.255.0\n{}access-list from_wan extended permit udp any host 10.40.7.22 eq 9\n\
                 {}{}access-group from_wan in interface wan0\n",
                on(
                    translated,
                    "object network mcu\n host 10.40.7.22\n nat (lan0,wan0) static 198.51.100.34\n"
                ),
                on(q931, "access-list from_wan extended permit tcp any host 10.40.7.22 eq 1720\n"),
                on(shared, "access-list from_wan extended deny ip any any\n"),
            ),
        ),
    }
}
