//! Nothing of an address or a name is left in a report for others.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const FORMS: [&str; 11] = [
    "human", "concise", "json", "jsonl", "sarif", "github", "gitlab", "junit", "markdown", "evidence", "html",
];

/// Names and addresses of the site below, as they are written and as they are printed.
const SECRETS: [&str; 19] = [
    "10.20.30.",
    "10.20/16",
    "10.40.0.",
    "62.5.7.",
    "62.5.8.",
    "fd12:3456:789a",
    "fd12%3a",
    "a1b2",
    "berlin",
    "Berlin",
    "BERLIN",
    "partner-x",
    "bridge-east",
    "ops-host",
    "acme.example",
    "10.20.30",
    "52:54:00:ab:cd",
    "52-54-00-ab-cd",
    "5254.00ab",
];

const SITE: &str = r#"
[[zone]]
name = "inside"
networks = ["10.20.30.0/24", "fd12:3456:789a:1::/64"]

[[zone]]
name = "internet"

[[firewall]]
name = "edge-berlin"
config = ["edge-berlin-62.5.7.1.rules"]
interfaces = { eth0 = "internet", eth1 = "inside" }

[[firewall]]
name = "ASA-Berlin"
config = ["asa-berlin.cfg"]
interfaces = { outside = "internet", inside = "inside" }

[[device]]
name = "bridge-east"
product = "scopia-elite-5200"
addresses = ["10.20.30.44", "fd12:3456:789a:1:a1b2:1:2:3"]

[[path]]
from = "internet"
to = "inside"
firewalls = ["edge-berlin"]

[[peer]]
name = "partner-x"
role = "h323-entity"
addresses = ["62.5.8.9"]
"#;

const RULES: &str = "\
# bridge-east is 10.20.30.44, see edge-berlin; was fd12:3456:789a:1:a1b2:1:2:3
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -s 62.5.8.9/32 -d 10.20.30.44/32 -p tcp -m tcp --dport 1720 -m comment --comment \"bridge-east 10.20.30.44\" -j DROP
-A FORWARD -s 10.40.0.0/16 -d 10.20.30.0/24 -j ACCEPT
-A FORWARD -s 10.40.0.7/32 -d 10.20.30.44/32 -p tcp -m tcp --dport 23 -j ACCEPT
-A FORWARD -m iprange --dst-range 10.20.30.40-10.20.30.50 -p udp -j ACCEPT
-A FORWARD -m nosuch --what 10.20.30.44 -j ACCEPT
-A FORWARD -m mac --mac-source 52:54:00:AB:CD:EF -m nosuch --what 5254.00ab.cdef -j ACCEPT
COMMIT
";

const ASA: &str = "\
hostname fw-berlin
domain-name acme.example
name 10.20.30.61 ops-host
interface GigabitEthernet0/0
 nameif outside
 security-level 0
 ip address 62.5.7.1 255.255.255.0
interface GigabitEthernet0/1
 nameif inside
 security-level 100
 ip address 10.20.30.1 255.255.255.0
! the bridge is 5254.00ab.cdef, 52-54-00-ab-cd-ef
object network bridge-berlin
 host 10.20.30.44
access-list OUT extended permit tcp any host 10.20.30.44 range 1 65535
access-list OUT extended permit udp 62.5.8.0 255.255.255.0 object bridge-berlin
access-list OUT extended permit udp 62.5.8.0 255.255.255.0 object bridge-berlin
access-list OUT extended permit ip any ops-host
access-group OUT in interface outside
";

/// A folder that goes when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("pinhole-redact-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn with_site(name: &str) -> Folder {
        let folder = Folder::new(name);
        for (name, text) in
            [("pinhole.toml", SITE), ("edge-berlin-62.5.7.1.rules", RULES), ("asa-berlin.cfg", ASA)]
        {
            std::fs::write(folder.0.join(name), text).unwrap();
        }
        folder
    }

    fn run(&self, args: &[&str]) -> String {
        let output =
            Command::new(env!("CARGO_BIN_EXE_pinhole")).current_dir(&self.0).args(args).output().unwrap();
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
        assert!(!out.is_empty(), "{args:?}: {err}");
        assert_eq!(err, "", "{args:?}");
        out
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A report without what it says of all lints, whose examples have addresses, and without the numbers of controls, which
/// look like them.
fn said(form: &str, text: &str) -> String {
    match form {
        "sarif" => {
            let mut log: Value = serde_json::from_str(text).unwrap();
            log["runs"][0]["tool"].take();
            log.to_string()
        }
        "evidence" => {
            let control = |line: &str| line.splitn(3, ',').nth(2).unwrap_or(line).to_string();
            text.lines().map(control).collect::<Vec<_>>().join("\n")
        }
        _ => text.to_string(),
    }
}

fn secrets(text: &str) -> Vec<&str> {
    SECRETS
        .into_iter()
        .filter(|secret| text.to_ascii_lowercase().contains(&secret.to_ascii_lowercase()))
        .collect()
}

#[test]
fn no_form_of_a_report_has_an_original() {
    let folder = Folder::with_site("forms");
    for form in FORMS {
        let args = ["check", ".", "--no-suppressions", "--statistics", "--format", form];
        let open = folder.run(&args);
        assert!(secrets(&open).len() > 3, "{form} has something to hide");
        let text = folder.run(&[args.as_slice(), &["--redact"]].concat());
        assert_eq!(secrets(&said(form, &text)), [""; 0], "{form}: {text}");
        assert!(text.contains("198.18."), "{form}");
    }
}

#[test]
fn answers_for_others_have_none() {
    let folder = Folder::with_site("answers");
    for format in ["human", "json", "markdown", "svg"] {
        let text = folder.run(&[
            "explain",
            "--from",
            "partner-x",
            "--to",
            "bridge-east",
            "--hops",
            "--redact",
            "--format",
            format,
        ]);
        assert_eq!(secrets(&text), [""; 0], "{format}: {text}");
        assert!(text.contains("device-1") && text.contains("peer-1"), "{format}: {text}");
    }
    for format in ["human", "json", "markdown"] {
        let text = folder.run(&["explain", "--to", "bridge-east", "--redact", "--format", format]);
        assert_eq!(secrets(&text), [""; 0], "{format}: {text}");
    }
    for format in ["human", "csv", "json", "markdown"] {
        let text = folder.run(&["matrix", "--redact", "--format", format]);
        assert_eq!(secrets(&text), [""; 0], "{format}: {text}");
        assert!(text.contains("firewall-1"), "{format}: {text}");
    }
}

#[test]
fn a_report_says_the_same_with_stand_ins() {
    let folder = Folder::with_site("same");
    let report = |more: &[&str]| -> Value {
        serde_json::from_str(&folder.run(&[&["check", ".", "--format", "json"], more].concat())).unwrap()
    };
    let (open, redacted) = (report(&[]), report(&["--redact"]));
    assert_eq!(open["summary"], redacted["summary"]);
    let keys = ["code", "severity", "line", "end_line", "witness/dport"];
    let both = open["findings"].as_array().unwrap().iter().zip(redacted["findings"].as_array().unwrap());
    for (open, redacted) in both {
        for key in keys {
            assert_eq!(open.pointer(&format!("/{key}")), redacted.pointer(&format!("/{key}")), "{open}");
        }
        assert_eq!(open["mend"].as_array().map(Vec::len), redacted["mend"].as_array().map(Vec::len));
    }
    // The marks of an excerpt fit what is shown.
    let text = folder.run(&["check", ".", "--redact", "--select", "PH101"]);
    let lines: Vec<&str> = text.lines().collect();
    let marked =
        lines.windows(2).filter(|pair| pair[0].contains("--comment \"device-1") && pair[1].contains("·"));
    let widths: Vec<[usize; 2]> =
        marked.map(|pair| [pair[0], pair[1]].map(|line| line.trim_end().chars().count())).collect();
    assert!(!widths.is_empty() && widths.iter().all(|[rule, marks]| rule == marks), "{widths:?} {text}");
}

/// The IPv4 addresses in a text.
fn addresses(text: &str) -> Vec<Ipv4Addr> {
    let words = text.split(|c: char| !c.is_ascii_digit() && c != '.');
    words.filter_map(|word| word.trim_matches('.').parse().ok()).collect()
}

#[test]
fn no_report_of_a_scenario_has_an_address_of_its_own() {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/scenarios");
    let folder = Folder::new("scenarios");
    let mut seen = 0;
    for scenario in std::fs::read_dir(scenarios).unwrap().map(|entry| entry.unwrap().path()) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pinhole"));
        command.current_dir(&folder.0).arg("check").arg(&scenario).args(["--no-suppressions", "--redact"]);
        for form in FORMS {
            command.arg("--format").arg(format!("{form}=report.{form}"));
        }
        assert_ne!(command.output().unwrap().status.code(), Some(2), "{}", scenario.display());
        for form in FORMS {
            let text = std::fs::read_to_string(folder.0.join(format!("report.{form}"))).unwrap();
            for address in addresses(&said(form, &text)) {
                let bits = address.to_bits();
                let kept = address.octets()[0] == 0
                    || bits.leading_ones() + bits.trailing_zeros() >= 32
                    || address.is_loopback()
                    || address.is_multicast();
                assert!(kept || bits >> 17 == 0xc612_0000 >> 17, "{} {form}: {address}", scenario.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 1000, "{seen}");
}
