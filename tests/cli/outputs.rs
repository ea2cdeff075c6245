//! Reports for other programs: each form on the same site, and several at once.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use crate::common;

use common::{Scratch, folder, pinhole, read};
use serde_json::Value;

/// What `check` prints in a form, of a site in which a rule cuts H.245 off.
fn report(form: &str) -> String {
    pinhole(&folder("fixtures/scenarios/h245-blocked"), &["check", "--format", form, "--ignore", "PH403"])
}

#[test]
fn annotations_name_the_line_and_what_to_do() {
    let text = report("github");
    let [line] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    let (properties, message) = line.strip_prefix("::error ").unwrap().split_once("::").unwrap();
    assert_eq!(
        properties,
        "file=edge.rules,line=14,endLine=14,col=1,endColumn=116,title=PH101 blocked-mandatory-port"
    );
    assert!(message.starts_with("mcu-1 cannot be reached by h323-entity"), "{message}");
    assert!(message.contains("%0A    -A FORWARD -i eth0"), "{message}");
}

#[test]
fn a_line_of_a_config_starts_no_command_of_its_own() {
    let scratch = Scratch::new("commands");
    scratch.write("a,b:c.rules", "*filter\n:INPUT DROP [0:0]\n-A INPUT -m %0A::error::x -j ACCEPT\nCOMMIT\n");
    let text = pinhole(&scratch.0, &["check", "--format", "github", "a,b:c.rules"]);
    assert!(text.contains("file=a%2Cb%3Ac.rules"), "{text}");
    assert!(text.lines().all(|line| line.starts_with("::")), "{text}");
    assert!(!text.contains("%0A::"), "{text}");
}

#[test]
fn a_quality_report_has_what_gitlab_asks_for() {
    let entries: Vec<Value> = read(&report("gitlab"));
    let [entry] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!(entry["check_name"], "PH101");
    assert_eq!(entry["severity"], "critical");
    assert_eq!(entry["location"]["path"], "edge.rules");
    assert_eq!(entry["location"]["lines"]["begin"], 14);
    assert_eq!(entry["fingerprint"].as_str().unwrap().len(), 16);
}

#[test]
fn a_fingerprint_stays_where_lines_move() {
    let scratch = Scratch::new("fingerprints");
    let print = |first: &str| {
        let chains = ":INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n";
        let rule = "-A INPUT -s 192.0.2.1/32 -j DROP\n";
        scratch.write("a.rules", format!("{first}*filter\n{chains}{rule}COMMIT\n"));
        let entries: Vec<Value> = read(&pinhole(&scratch.0, &["check", "--format", "gitlab", "a.rules"]));
        let prints = entries.iter().map(|entry| entry["fingerprint"].as_str().unwrap().to_string());
        (prints.collect::<Vec<_>>(), entries[0]["location"]["lines"]["begin"].clone())
    };
    let (before, after) = (print(""), print("# one more line\n"));
    assert!(before.0.len() > 1 && before.0[0] != before.0[1]);
    assert_eq!(before.0, after.0);
    assert_ne!(before.1, after.1);
}

#[test]
fn junit_has_a_suite_for_each_file() {
    let text = report("junit");
    assert!(text.contains("<testsuite name=\"edge.rules\" tests=\"1\""), "{text}");
    assert!(text.contains("classname=\"edge.rules\"") && text.contains("edge.rules:14:1: mcu-1"), "{text}");
    let healthy = pinhole(&folder("fixtures/scenarios/healthy"), &["check", "--format", "junit"]);
    assert!(healthy.contains("failures=\"0\"") && healthy.contains("no findings"), "{healthy}");
}

#[test]
fn markdown_has_a_section_for_each_finding() {
    let text = report("markdown");
    assert!(text.starts_with("**pinhole: 1 error** in 1 file with 13 rules\n"), "{text}");
    assert!(text.contains("\n### error PH101 blocked-mandatory-port\n"), "{text}");
    assert!(text.contains("\n`edge.rules:14`\n"), "{text}");
}

#[test]
fn fences_of_markdown_hold_what_a_config_has() {
    let scratch = Scratch::new("fences");
    scratch.write("a.rules", "*filter\n-A INPUT -m ```` -j <script>\nCOMMIT\n");
    let text = pinhole(&scratch.0, &["check", "--format", "markdown", "a.rules"]);
    assert!(text.contains("\n`````text\n-A INPUT -m ```` -j <script>\n`````\n"), "{text}");
    let told = text.lines().filter(|line| !line.starts_with("-A")).collect::<Vec<_>>().join("\n");
    assert!(!told.replace("`<script>`", "").contains(" <script>"), "{told}");
}

#[test]
fn text_of_a_config_is_no_markup() {
    let scratch = Scratch::new("markup");
    scratch.write("a.rules", "*filter\n-A INPUT -m ``<img> -j ACCEPT\n-A INPUT -j [x](y)\nCOMMIT\n");
    let text = pinhole(&scratch.0, &["check", "--format", "markdown", "a.rules"]);
    assert!(text.contains("img"), "{text}");
    let mut fence = None;
    for line in text.lines() {
        let ticks = line.len() - line.trim_start_matches('`').len();
        match fence {
            Some(open) if ticks == open => fence = None,
            None if ticks > 2 => fence = Some(ticks),
            Some(_) => {}
            None => {
                let bare = line.replace("\\\\", "").replace("\\<", "").replace("\\[", "");
                assert!(!bare.contains('<') && !bare.contains('['), "{line}");
            }
        }
    }
}

#[test]
fn each_line_is_a_finding() {
    let text = report("jsonl");
    let findings: Vec<Value> = text.lines().map(read).collect();
    let whole: Value = read(&report("json"));
    assert_eq!(Value::Array(findings), whole["findings"]);
}

/// What GitHub's documentation requires of an upload to code scanning.
fn assert_scannable(log: &Value) {
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    for rule in rules {
        for text in ["shortDescription", "fullDescription", "help"] {
            assert!(!rule[text]["text"].as_str().unwrap().is_empty(), "{rule}");
        }
        assert!(rule["shortDescription"]["text"].as_str().unwrap().chars().count() <= 1024);
        let severity: f64 = rule["properties"]["security-severity"].as_str().unwrap().parse().unwrap();
        assert!((0.1..=10.0).contains(&severity));
        assert!(rule["properties"]["tags"].as_array().unwrap().contains(&"security".into()));
    }
    for result in run["results"].as_array().unwrap() {
        let rule = &rules[result["ruleIndex"].as_u64().unwrap() as usize];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        let related = result["relatedLocations"].as_array().into_iter().flatten();
        for location in result["locations"].as_array().unwrap().iter().chain(related) {
            let location = &location["physicalLocation"];
            let uri = location["artifactLocation"]["uri"].as_str().unwrap();
            assert!(!uri.starts_with('/') && !uri.contains('\\') && !uri.contains(' '), "{uri}");
            let at = |key: &str| location["region"][key].as_u64().unwrap();
            assert!(at("startLine") >= 1 && at("startColumn") >= 1, "{location}");
            assert!((at("startLine"), at("startColumn")) <= (at("endLine"), at("endColumn")), "{location}");
        }
        assert!(result["partialFingerprints"]["primaryLocationLineHash"].as_str().unwrap().contains(':'));
    }
}

#[test]
fn sarif_has_what_code_scanning_requires() {
    let log: Value = read(&report("sarif"));
    assert_scannable(&log);
    let result = &log["runs"][0]["results"][0];
    assert_eq!((&result["ruleId"], &result["level"]), (&"PH101".into(), &"error".into()));
    let region = &result["locations"][0]["physicalLocation"]["region"];
    assert_eq!((&region["startLine"], &region["endColumn"]), (&14.into(), &116.into()));
    assert_eq!(result["relatedLocations"][0]["id"], 1);
    let change = &result["fixes"][0]["artifactChanges"][0];
    assert_eq!(change["artifactLocation"]["uri"], "edge.rules");
    assert_eq!(change["replacements"][0]["deletedRegion"]["startLine"], 14);
    assert_eq!(log["runs"][0]["invocations"][0]["executionSuccessful"], true);
}

#[test]
fn sarif_tells_what_could_not_be_read_and_what_has_no_place() {
    let scratch = Scratch::new("unreadable");
    scratch.write("first line.rules", "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n");
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_pinhole"))
        .args(["check", "--format", "sarif", "first line.rules", "missing.rules"])
        .current_dir(&scratch.0)
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(2));
    let log: Value = read(&String::from_utf8(run.stdout).unwrap());
    assert_scannable(&log);
    let invocation = &log["runs"][0]["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    assert!(invocation["toolExecutionNotifications"].to_string().contains("missing.rules"), "{invocation}");
    assert!(log["runs"][0]["results"].to_string().contains("first%20line.rules"));
}

#[test]
fn several_forms_at_once() {
    let scratch = Scratch::new("forms");
    let rules = std::fs::read_to_string(folder("fixtures/scenarios/h245-blocked/edge.rules")).unwrap();
    scratch.write("edge.rules", rules);
    let args = ["check", "--format", "concise", "--format", "sarif=out.sarif", "--format", "junit=out.xml"];
    let shown = pinhole(&scratch.0, &[&args[..], &["edge.rules"]].concat());
    assert_eq!(shown, pinhole(&scratch.0, &["check", "--format", "concise", "edge.rules"]));
    let file = |name: &str| std::fs::read_to_string(scratch.0.join(name)).unwrap();
    assert_eq!(file("out.sarif"), pinhole(&scratch.0, &["check", "--format", "sarif", "edge.rules"]));
    assert!(file("out.xml").contains("<testsuites"));
}

#[test]
fn two_forms_for_one_output_and_unknown_forms_are_refused() {
    for (args, said) in [
        (&["--format", "json", "--format", "sarif"][..], "only one report can go to standard output"),
        (&["--format", "xml"][..], "the forms are human, concise, json, jsonl, sarif"),
        (&["--format", "sarif="][..], "the name of a file is missing"),
        (&["--format", "sarif=no/such/folder/x"][..], "cannot write no/such/folder/x"),
    ] {
        let run = std::process::Command::new(env!("CARGO_BIN_EXE_pinhole"))
            .arg("check")
            .args(args)
            .current_dir(folder("fixtures/scenarios/healthy"))
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(2), "{err}");
        assert!(err.contains(said), "{err}");
    }
}

#[test]
fn evidence_names_each_control() {
    let text = report("evidence");
    let mut lines = text.lines();
    assert!(lines.next().unwrap().starts_with("framework,control,asks for,state,rule"), "{text}");
    assert!(text.contains("PCI DSS 4.0,1.3.1,") && text.contains(",nothing found,"), "{text}");
    let open = pinhole(&folder("fixtures/scenarios/any-any-hole"), &["check", "--format", "evidence"]);
    let found: Vec<&str> = open.lines().filter(|line| line.contains(",found,PH202,")).collect();
    assert_eq!(found.len(), 5, "{open}");
    assert!(found.iter().all(|line| line.contains("pinhole rule PH202")), "{open}");
}

#[test]
fn rules_by_framework() {
    let listed = pinhole(&folder(""), &["rule", "--framework", "nist"]);
    assert!(
        listed.starts_with("NIST SP 800-41 Revision 1") && listed.contains("PH202 any-to-any"),
        "{listed}"
    );
    let unknown = std::process::Command::new(env!("CARGO_BIN_EXE_pinhole"))
        .args(["rule", "--framework", "iso"])
        .output()
        .unwrap();
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&unknown.stderr).contains("nist-sp-800-41r1, pci-dss-4.0, cis-controls-8")
    );
}

/// The same findings in every form.
#[test]
fn each_form_of_one_report() {
    let forms =
        ["human", "concise", "json", "jsonl", "sarif", "github", "gitlab", "junit", "markdown", "html"];
    for form in forms {
        let mut text = report(form).replace(env!("CARGO_PKG_VERSION"), "VERSION");
        if form == "sarif" {
            // All rules are listed; their help stands on their pages.
            let mut report: Value = read(&text);
            let rules = report["runs"][0]["tool"]["driver"]["rules"].as_array_mut().unwrap();
            rules.retain(|rule| rule["id"] == "PH101");
            text = serde_json::to_string_pretty(&report).unwrap();
        }
        insta::assert_snapshot!(format!("form_{form}"), text);
    }
}

/// The way of one packet, in each language: where it is dropped, and for every rule before, the field that did not match.
#[test]
fn a_way_is_told_rule_by_rule() {
    let packet =
        "hook=forward iif=eth0 oif=eth1 src=203.0.113.9 dst=10.1.2.10 proto=tcp sport=50000 dport=1720";
    for (language, file, packet) in [
        ("iptables", "fixtures/scenarios/h245-blocked/edge.rules", packet.to_string()),
        ("nftables", "fixtures/changes/migration/new.nft", packet.to_string()),
        (
            "pf",
            "fixtures/scenarios/pf-last-match/pf.conf",
            packet.replace("eth0", "em0").replace("eth1", "em1"),
        ),
        (
            "asa",
            "fixtures/scenarios/asa-media-cut/edge.cfg",
            packet.replace("eth0", "outside").replace("eth1", "video"),
        ),
    ] {
        insta::assert_snapshot!(
            format!("trace_{language}"),
            pinhole(&folder(""), &["trace", file, "--packet", &packet])
        );
    }
}
