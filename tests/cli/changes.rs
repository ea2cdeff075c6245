//! The changes under `fixtures/changes`, told as a user has them told. What the run prints lies beside each, to be
//! read: `human.snap` and `markdown.snap` for all of them, `json.snap` for some.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use crate::common;

use std::path::Path;
use std::process::{Command, Stdio};

use common::{Scratch, pinhole, read};
use serde_json::Value as Json;

/// Runs `pinhole diff` in a folder; gives what it printed, and the exit code in the last line.
pub(super) fn diff(folder: &Path, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_pinhole"))
        .current_dir(folder)
        .args(["diff", "--color", "never"])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    assert_eq!(text(output.stderr), "", "{args:?}");
    let printed = text(output.stdout);
    let printed = match args.contains(&"json") {
        true => {
            serde_json::to_string_pretty(&serde_json::from_str::<Json>(&printed).unwrap()).unwrap() + "\n"
        }
        false => printed,
    };
    format!("{printed}exit code {}", output.status.code().unwrap())
}

fn told(name: &str, files: [&str; 2], formats: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/changes").join(name);
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(&folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for format in formats {
            let args = [files[0], files[1], "--format", format];
            insta::assert_snapshot!(*format, diff(&folder, &args));
        }
    });
}

#[test]
fn iptables_sip() {
    told("iptables-sip", ["old.rules", "new.rules"], &["human", "markdown", "json", "html"]);
}

#[test]
fn nftables_rewritten_lets_ipv6_in() {
    told("nftables-rewritten", ["old.nft", "new.nft"], &["human", "markdown"]);
}

#[test]
fn pf_other_server() {
    told("pf-other-server", ["old.pf.conf", "new.pf.conf"], &["human", "markdown"]);
}

#[test]
fn what_one_way_breaks_the_other_way_mends() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/changes/pf-other-server");
    let calls = |files: [&str; 2]| {
        let told = diff(&folder, &[files[0], files[1], "--format", "json"]);
        let (json, _) = told.rsplit_once("exit code").unwrap();
        let told: Json = serde_json::from_str(json).unwrap();
        told["calls"].as_array().unwrap().clone()
    };
    let there = calls(["old.pf.conf", "new.pf.conf"]);
    let back = calls(["new.pf.conf", "old.pf.conf"]);
    assert_eq!(there.len(), 4);
    assert_eq!(there.len(), back.len());
    for (broken, mended) in there.iter().zip(&back) {
        assert_eq!((&broken["change"], &mended["change"]), (&"broken".into(), &"mended".into()));
        assert_eq!((&broken["was"], &broken["is"]), (&mended["is"], &mended["was"]));
        let who = |call: &Json| [call["from"].clone(), call["to"].clone(), call["call"].clone()];
        assert_eq!(who(broken), who(mended));
        assert_eq!(broken["stage"], mended["stage"]);
    }
}

#[test]
fn code_scanning_gets_what_is_new() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/changes/pf-other-server");
    let told = |format: &str| -> Json {
        let told = diff(&folder, &["old.pf.conf", "new.pf.conf", "--format", format]);
        serde_json::from_str(told.rsplit_once("exit code").map_or(told.as_str(), |(json, _)| json)).unwrap()
    };
    let codes = |findings: &Json, key: &str| -> Vec<String> {
        let codes = findings.as_array().unwrap().iter().map(|one| one[key].as_str().unwrap().to_string());
        let mut codes: Vec<String> = codes.collect();
        codes.sort();
        codes
    };
    let (sarif, json) = (told("sarif"), told("json"));
    assert_eq!(sarif["version"], "2.1.0");
    let new = codes(&sarif["runs"][0]["results"], "ruleId");
    assert!(!new.is_empty());
    assert_eq!(new, codes(&json["broken"], "code"));
}

#[test]
fn asa_partner() {
    told("asa-partner", ["old.cfg", "new.cfg"], &["human", "markdown"]);
}

#[test]
fn migration() {
    told("migration", ["old.rules", "new.nft"], &["human", "markdown"]);
}

#[test]
fn equality_is_an_exit_code() {
    let scratch = Scratch::new("diff-equal");
    let rules = |ports: &[&str]| {
        let rules: String = ports
            .iter()
            .map(|ports| format!("-A FORWARD -p tcp -m multiport --dports {ports} -j ACCEPT\n"))
            .collect();
        format!("{RULES}{rules}COMMIT\n")
    };
    scratch.write("a.rules", rules(&["22", "80:89", "85:99"])).write("b.rules", rules(&["80:99", "22"]));
    scratch.write("c.rules", rules(&["80:98", "22"]));
    let same = diff(&scratch.0, &["--equal", "a.rules", "b.rules"]);
    assert_eq!(same, "equal: every packet fares alike on both sides\nexit code 0");
    let other = diff(&scratch.0, &["--equal", "a.rules", "c.rules"]);
    assert!(other.contains("dport=99") && other.ends_with("exit code 1"), "{other}");
}

fn git(folder: &Path, args: &[&str]) {
    let done = Command::new("git")
        .current_dir(folder)
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"])
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(done.success(), "git {args:?}");
}

/// Trees can be made that name places outside of any folder: nothing is written there.
#[test]
#[cfg(unix)]
fn a_revision_writes_nowhere_but_in_its_folder() {
    let scratch = Scratch::new("git-outside");
    let told = |args: &[&str], input: &[u8]| {
        let mut child = Command::new("git")
            .current_dir(&scratch.0)
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input).unwrap();
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "git {args:?}");
        String::from_utf8(done.stdout).unwrap().trim().to_string()
    };
    git(&scratch.0, &["init", "-q", "-b", "main"]);
    let blob = told(&["hash-object", "-w", "--stdin"], b"not yours\n");
    let number: Vec<u8> =
        (0..blob.len()).step_by(2).map(|at| u8::from_str_radix(&blob[at..at + 2], 16).unwrap()).collect();
    let outside = scratch.0.join("outside");
    for name in [outside.to_str().unwrap(), "../outside", "a/../../outside"] {
        let tree = [format!("100644 {name}\0").as_bytes(), &number].concat();
        let tree = told(&["hash-object", "-w", "--literally", "-t", "tree", "--stdin"], &tree);
        let commit = told(&["commit-tree", "-m", "x", &tree], b"");
        scratch.write("edge.rules", format!("{RULES}COMMIT\n"));
        let ran = Command::new(env!("CARGO_BIN_EXE_pinhole"))
            .current_dir(&scratch.0)
            .args(["diff", "--git", &commit])
            .output()
            .unwrap();
        assert_eq!(ran.status.code(), Some(2), "{name}");
        assert!(!outside.exists(), "{name}");
    }
}

/// A link of a repository leads to another file: what it leads to is what changes.
#[test]
#[cfg(unix)]
fn a_link_that_leads_elsewhere_is_a_change() {
    let scratch = Scratch::new("git-links");
    git(&scratch.0, &["init", "-q", "-b", "main"]);
    std::fs::create_dir(scratch.0.join("v")).unwrap();
    scratch.write("v/strict.rules", format!("{RULES}COMMIT\n"));
    scratch.write("v/open.rules", format!("{}COMMIT\n", RULES.replace("FORWARD DROP", "FORWARD ACCEPT")));
    for to in ["v/strict.rules", "v/open.rules"] {
        let _ = std::fs::remove_file(scratch.0.join("edge.rules"));
        std::os::unix::fs::symlink(to, scratch.0.join("edge.rules")).unwrap();
        git(&scratch.0, &["add", "."]);
        git(&scratch.0, &["commit", "-q", "-m", "link"]);
    }
    let told = diff(&scratch.0, &["--git", "HEAD~1..HEAD"]);
    assert!(told.contains("edge.rules") && !told.contains("No change in effect"), "{told}");
}

const RULES: &str = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n";

/// A repository with one config: as committed twice, as staged, and as it lies there.
fn repository(scratch: &Scratch) {
    let rules = |port: u16| format!("{RULES}-A FORWARD -p tcp -m tcp --dport {port} -j ACCEPT\nCOMMIT\n");
    git(&scratch.0, &["init", "-q", "-b", "main"]);
    std::fs::create_dir(scratch.0.join("site")).unwrap();
    for port in [1, 2] {
        scratch.write("site/edge.rules", rules(port));
        git(&scratch.0, &["add", "."]);
        git(&scratch.0, &["commit", "-q", "-m", "rules"]);
    }
    scratch.write("site/edge.rules", rules(3));
    git(&scratch.0, &["add", "."]);
    scratch.write("site/edge.rules", rules(4));
}

/// The ports that a change closes and opens.
fn ports(folder: &Path, args: &[&str]) -> (u64, u64) {
    let args: Vec<&str> = ["--format", "json"].iter().chain(args).copied().collect();
    let text = diff(folder, &args);
    let (json, _) = text.rsplit_once("exit code").unwrap();
    let told: Json = serde_json::from_str(json).unwrap();
    assert!(!text.contains("pinhole-diff-"), "{text}");
    let port = |key: &str| told[key][0]["dport"][0][0].as_u64().unwrap();
    (port("closed"), port("opened"))
}

#[test]
fn revisions_the_index_and_the_working_tree() {
    let scratch = Scratch::new("diff-git");
    repository(&scratch);
    let top = scratch.0.clone();
    assert_eq!(ports(&top, &[]), (2, 4));
    assert_eq!(ports(&top, &["site/edge.rules"]), (2, 4));
    assert_eq!(ports(&top.join("site"), &["edge.rules"]), (2, 4));
    assert_eq!(ports(&top, &["--staged"]), (2, 3));
    assert_eq!(ports(&top, &["--git", "HEAD~1"]), (1, 4));
    assert_eq!(ports(&top, &["--git", "HEAD~1..HEAD"]), (1, 2));
    assert_eq!(ports(&top, &["--git", "HEAD~1..", "site"]), (1, 2));
    let human = diff(&top, &["--git", "HEAD~1..HEAD"]);
    assert!(human.contains("site/edge.rules:5"), "{human}");
}

#[test]
fn a_firewall_that_comes_or_goes_is_told() {
    let scratch = Scratch::new("diff-new");
    repository(&scratch);
    scratch.write("site/core.rules", format!("{RULES}COMMIT\n"));
    let human = diff(&scratch.0, &[]);
    assert!(human.contains("site/core.rules") && human.contains("it is new"), "{human}");
}

#[test]
fn other_names_of_interfaces() {
    let scratch = Scratch::new("diff-map");
    let rules =
        |name: &str| format!("{RULES}-A FORWARD -i {name} -p udp -m udp --dport 5060 -j ACCEPT\nCOMMIT\n");
    scratch.write("a.rules", rules("eth0")).write("b.rules", rules("wan"));
    let equal = |args: &[&str]| diff(&scratch.0, &[args, &["--equal", "a.rules", "b.rules"]].concat());
    assert!(equal(&[]).ends_with("exit code 1"));
    assert!(equal(&["--map", "eth0=wan"]).ends_with("exit code 0"));
}

#[test]
fn other_names_of_interfaces_in_another_language() {
    let scratch = Scratch::new("diff-map-across");
    let known = "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n";
    let open = "-A FORWARD -i eth0 -o eth1 -d 10.1.2.10 -p tcp -m tcp --dport 1720 -j ACCEPT\n";
    let out = "-A FORWARD -i eth1 -o eth0 -j ACCEPT\n";
    scratch.write("a.rules", format!("{RULES}{known}{open}{out}COMMIT\n"));
    let nft = |port: u16| {
        let policy = |hook: &str, policy: &str, rules: &str| {
            format!("chain {hook} {{\ntype filter hook {hook} priority 0; policy {policy};\n{rules}}}\n")
        };
        let known = "ct state established,related accept\n";
        let open = format!("iifname wan oifname lan ip daddr 10.1.2.10 tcp dport {port} accept\n");
        let forward = format!("{known}{open}iifname lan oifname wan accept\n");
        let chains = policy("forward", "drop", &forward) + &policy("input", "accept", "");
        format!("table ip filter {{\n{chains}}}\n")
    };
    scratch.write("b.nft", nft(1720)).write("c.nft", nft(1719));
    let map = ["--map", "eth0=wan", "--map", "eth1=lan"];
    let equal = |args: &[&str]| diff(&scratch.0, &[&["--equal", "a.rules"], args].concat());
    assert!(equal(&[&["b.nft"], &map[..]].concat()).ends_with("exit code 0"));
    assert!(equal(&[&["c.nft"], &map[..]].concat()).contains("iif=wan"));
    assert!(equal(&["b.nft"]).ends_with("exit code 1"));

    let asa = "interface Ethernet0\n nameif outside\n security-level 0\n ip address 203.0.113.1 255.255.255.0\ninterface \
               Ethernet1\n nameif inside\n security-level 100\n ip address 10.1.2.1 255.255.255.0\naccess-list in extended \
               permit tcp any host 10.1.2.10 eq 1720\naccess-group in in interface outside\n";
    scratch.write("d.asa", asa);
    let told = diff(&scratch.0, &["a.rules", "d.asa", "--map", "eth0=outside", "--map", "eth1=inside"]);
    let effects = told.split("new findings").next().unwrap();
    // Nothing is opened: it only seemed so for a loopback that one of them has, and for what TTL forwarding takes.
    let (regions, left) = effects.split_once("\n  not compared: ").unwrap();
    let closes = "\n  closed     all traffic but icmpv6 from anywhere to 224.0.0.0/4";
    assert!(!regions.contains("\n  opened ") && regions.contains(closes), "{told}");
    assert!(!regions.contains("TTL") && !regions.contains(" by lo"), "{told}");
    assert!(left.contains("not compared: packets with a TTL of 0 or 1: NEW does not decrement it"), "{told}");
}

#[test]
fn the_interfaces_of_a_group_are_named() {
    let folder = Scratch::new("group");
    folder.write("old.conf", "pass all\n");
    folder.write("new.conf", "pass all\nblock in quick on lo proto tcp to port 80\n");
    let args = ["diff", "--no-site", "--dialect-old", "pf", "--dialect-new", "pf", "--format", "json"];
    let told: Json = read(&pinhole(&folder.0, &[&args[..], &["old.conf", "new.conf"]].concat()));
    let names: Vec<String> = (0..10).map(|digit| format!("lo{digit}*")).collect();
    let closed = told["closed"].as_array().unwrap();
    assert!(
        !closed.is_empty() && closed.iter().all(|region| region["iif"] == serde_json::json!(names)),
        "{told}"
    );
}

/// Rules for IPv4 against rules for IPv6, or against none: nothing is compared, and nothing is called equal.
#[test]
fn where_nothing_is_compared_nothing_is_equal() {
    let folder = Scratch::new("apart");
    let rules = "*filter\n:INPUT DROP\n:FORWARD DROP\n:OUTPUT ACCEPT\n-A FORWARD -p tcp --dport 5060 -j ACCEPT\nCOMMIT\n";
    folder.write("rules.v4", rules);
    folder.write("rules.v6", rules);
    folder.write("empty", "");
    for new in ["rules.v6", "empty"] {
        let said = diff(&folder.0, &["--equal", "--dialect", "iptables", "rules.v4", new]);
        assert!(
            said.starts_with("unknown: one side has no rules") && said.ends_with("\nexit code 2"),
            "{said}"
        );
        let said = diff(&folder.0, &["--dialect", "iptables", "rules.v4", new]);
        assert!(said.starts_with("Nothing was compared") && said.ends_with("\nexit code 2"), "{said}");
    }
}

#[test]
fn what_differs_in_too_many_places_differs() {
    let folder = Scratch::new("many-places");
    let hosts = 0..25_000;
    let rules: String = hosts
        .map(|host| {
            let port = 1 + host * 7919 % 60_000;
            format!("-A FORWARD -s 10.1.{}.{}/32 -p tcp --dport {port} -j ACCEPT\n", host / 250, host % 250)
        })
        .collect();
    let of = |rules: &str| format!("*filter\n:INPUT DROP\n:FORWARD DROP\n:OUTPUT ACCEPT\n{rules}COMMIT\n");
    folder.write("old.rules", of(&rules));
    folder.write("new.rules", of(""));
    let said = diff(&folder.0, &["--equal", "old.rules", "new.rules"]);
    assert!(said.starts_with("different: ") && said.ends_with("\nexit code 1"), "{said}");
    let said = diff(&folder.0, &["old.rules", "new.rules", "--format", "json"]);
    let (json, code) = said.split_once("\nexit code ").unwrap();
    let json: Json = serde_json::from_str(json).unwrap();
    assert_eq!((&json["equal"], code), (&Json::Bool(false), "2"));
    let example = &json["unknown"][0]["example"];
    assert_eq!(json["unknown"][0]["hook"], "forward");
    assert_eq!(example["witness"]["proto"], "tcp");
    assert!(example["old"]["text"].as_str().unwrap().contains("-j ACCEPT"), "{example}");
    assert!(json["closed"].as_array().unwrap().len() >= 20_000);
    let said = diff(&folder.0, &["old.rules", "new.rules"]);
    assert!(
        said.contains("more differs for ipv4 packets, hook forward, than is listed; for example, closed: "),
        "{said}"
    );
}

/// The chain of IPv6 headers of a packet of ESP ends at ESP: no extension header stands before it.
#[test]
fn esp_over_ipv6_is_compared_across_languages() {
    let folder = Scratch::new("esp");
    folder.write(
        "old.rules6",
        "*filter\n:INPUT DROP\n:FORWARD DROP\n:OUTPUT ACCEPT\n-6 -A FORWARD -p esp -j ACCEPT\nCOMMIT\n",
    );
    folder.write(
        "new.nft",
        "table ip6 f {\n chain i { type filter hook input priority 0; policy drop; }\n \
         chain f { type filter hook forward priority 0; policy drop; }\n}\n",
    );
    let said = diff(&folder.0, &["old.rules6", "new.nft", "--format", "json", "--exit-zero"]);
    let json: Json = serde_json::from_str(said.split_once("\nexit code ").unwrap().0).unwrap();
    let closed = json["closed"].as_array().unwrap();
    let of_esp: Vec<&Json> = closed.iter().filter(|region| region["proto"][0] == "esp").collect();
    assert!(!of_esp.is_empty(), "{json:#}");
    assert!(
        of_esp.iter().all(|region| region["other"]["ext"] == serde_json::json!([[0, 0], [32, 32]])),
        "{json:#}"
    );
}
