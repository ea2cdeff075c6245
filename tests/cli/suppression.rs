//! What is found and not told: comments in configs, entries of the site file, baselines.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use crate::common;

use std::process::{Command, Output};

use common::{Finding, Report, Scratch, check, read};

/// A rule that lets anything in, with a comment of its language before it, and another behind it.
fn config(dialect: &str, before: &str, behind: &str) -> String {
    match dialect {
        "iptables" => format!(
            "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n{}\n-A FORWARD -m comment \
             --comment \"{behind}\" -j ACCEPT\nCOMMIT\n",
            sign("#", before)
        ),
        "nftables" => format!(
            "table inet filter {{\n  chain forward {{\n    type filter hook forward priority 0; policy drop;\n{}\n    \
             accept comment \"{behind}\"\n  }}\n}}\n",
            sign("    #", before)
        ),
        "pf" => format!("block all\n{}\npass all # {behind}\n", sign("#", before)),
        "asa" => format!(
            "hostname fw\ninterface GigabitEthernet0/0\n nameif outside\n security-level 0\n ip address 198.51.100.2 \
             255.255.255.0\ninterface GigabitEthernet0/1\n nameif inside\n security-level 100\n ip address 10.1.2.1 \
             255.255.255.0\n{}\naccess-list in remark {behind}\naccess-list in extended permit ip any any\naccess-group in \
             in interface outside\n",
            sign("!", before)
        ),
        other => panic!("{other}"),
    }
}

fn sign(sign: &str, text: &str) -> String {
    format!("{sign} {text}")
}

const DIALECTS: [&str; 4] = ["iptables", "nftables", "pf", "asa"];

/// What is found in one config.
fn found(dialect: &str, text: &str, args: &[&str]) -> Report {
    let scratch = Scratch::new("suppression");
    scratch.write("fw.conf", text);
    check(&scratch.0, &[&["fw.conf", "--no-site", "--dialect", dialect], args].concat())
}

fn codes(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|finding| finding.code.as_str()).collect()
}

fn the<'a>(report: &'a Report, code: &str) -> &'a Finding {
    let all: Vec<&Finding> = report.of(code).collect();
    let [one] = all[..] else { panic!("{code}: {report:?}") };
    one
}

fn run(scratch: &Scratch, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pinhole")).args(args).current_dir(&scratch.0).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_comment_leaves_out_what_it_names_in_every_language() {
    const WORDS: &str = "pinhole: ignore[PH202] the lab is open";
    for dialect in DIALECTS {
        let open = found(dialect, &config(dialect, "nothing", "nothing"), &[]);
        assert!(open.of("PH202").count() == 1, "{dialect}: {open:?}");
        for (before, behind) in [(WORDS, "nothing"), ("nothing", WORDS)] {
            let closed = found(dialect, &config(dialect, before, behind), &[]);
            let other: Vec<&str> = codes(&open).into_iter().filter(|code| *code != "PH202").collect();
            assert_eq!(codes(&closed), other, "{dialect} {before}");
            let all = found(dialect, &config(dialect, before, behind), &["--no-suppressions"]);
            assert_eq!(codes(&all), codes(&open), "{dialect} {before}");
        }
    }
}

#[test]
fn a_name_stands_for_its_code_and_a_beginning_for_all() {
    for words in ["any-to-any", "PH2", "ph202", "PH202, PH2"] {
        let report =
            found("pf", &config("pf", &format!("pinhole: ignore[{words}] the lab is open"), ""), &[]);
        assert_eq!(report.of("PH202").count(), 0, "{words}: {report:?}");
    }
}

#[test]
fn blocks_braces_and_files() {
    let rule = "    accept\n";
    let chain = |inside: &str, before: &str| {
        format!(
            "table inet filter {{\n{before}  chain forward {{\n    type filter hook forward priority 0; policy drop;\n\
             {inside}  }}\n}}\n"
        )
    };
    let why = "the lab is open";
    for text in [
        chain(&format!("# pinhole: ignore-begin[PH202] {why}\n\n{rule}# pinhole: ignore-end\n"), ""),
        chain(rule, &format!("# pinhole: ignore[PH202] {why}\n# and more\n\n")),
        chain(&format!("{rule}# pinhole: ignore-file[PH202] {why}\n"), ""),
        chain("    ct state { new,\n      established } accept # pinhole: ignore[PH202] it is open\n", ""),
        chain("    # pinhole: ignore[PH202] it is open\n    ct state new \\\n      accept\n", ""),
    ] {
        let report = found("nftables", &text, &[]);
        assert!(report.of("PH202").count() == 0 && report.of("PH009").count() == 0, "{text}\n{report:?}");
    }
    for text in [
        chain(&format!("# pinhole: ignore-begin[PH202] {why}\n# pinhole: ignore-end\n{rule}"), ""),
        chain(&format!("{rule}# pinhole: ignore[PH202] {why}\n"), ""),
        chain("    log prefix \"pinhole: ignore[PH202] no comment\" accept\n", ""),
    ] {
        let report = found("nftables", &text, &[]);
        assert_eq!(report.of("PH202").count(), 1, "{text}\n{report:?}");
    }
}

#[test]
fn rules_in_json_have_comments_too() {
    let rule = |comment: &str| {
        format!(
            "{{\"nftables\":[{{\"table\":{{\"family\":\"inet\",\"name\":\"f\"}}}},{{\"chain\":{{\"family\":\"inet\",\
             \"table\":\"f\",\"name\":\"forward\",\"type\":\"filter\",\"hook\":\"forward\",\"prio\":0,\"policy\":\"drop\"\
             }}}},{{\"rule\":{{\"family\":\"inet\",\"table\":\"f\",\"chain\":\"forward\",\"comment\":\"{comment}\",\"expr\"\
             :[{{\"accept\":null}}]}}}}]}}"
        )
    };
    assert_eq!(found("nftables", &rule("all"), &[]).of("PH202").count(), 1);
    let report = found("nftables", &rule("pinhole: ignore[PH202] the lab is open"), &[]);
    assert!(report.of("PH202").count() == 0 && report.of("PH009").count() == 0, "{report:?}");
}

#[test]
fn what_cannot_be_understood_leaves_nothing_out() {
    for (words, said) in [
        ("ignore[PH202]", "gives no reason"),
        ("ignore[PH202] --", "gives no reason"),
        ("ignore the lab is open", "does not say which findings"),
        ("ignore[] the lab is open", "does not say which findings"),
        ("ignore[PH299] the lab is open", "no rule `PH299`"),
        ("ignore[PH202] the lab is open until=2027-02-30", "`2027-02-30` is no day"),
        ("disable[PH202] the lab is open", "`disable` is nothing"),
        ("ignore-begin[PH202] the lab is open", "has no `ignore-end`"),
        ("ignore-end", "ends nothing"),
    ] {
        let report = found("pf", &config("pf", &format!("pinhole: {words}"), ""), &[]);
        let broken = the(&report, "PH008");
        assert!(broken.message.contains(said) && broken.line == Some(2), "{words}: {broken:?}");
        assert_eq!(report.of("PH202").count(), 1, "{words}");
    }
}

/// The rules whose findings comments leave out, or those whose findings they do not.
fn rules(suppressible: bool) -> Vec<String> {
    let scratch = Scratch::new("rules");
    let all: Vec<serde_json::Value> = read(&text(&run(&scratch, &["rule", "--format", "json"]).stdout));
    let all = all.into_iter().filter(|rule| rule["suppressible"] == suppressible);
    all.map(|rule| rule["code"].as_str().unwrap().to_string()).collect()
}

#[test]
fn what_was_not_read_is_told_whatever_the_file_says() {
    let unread = rules(false);
    assert!(unread.contains(&"PH001".to_string()) && rules(true).contains(&"PH202".to_string()));
    for code in &unread {
        let report =
            found("pf", &config("pf", &format!("pinhole: ignore-file[{code}] it is known"), ""), &[]);
        assert_eq!(the(&report, "PH008").message, format!("no comment leaves out `{code}`"));
    }
    let all = "# pinhole: ignore-file[PH0] it is known\n";
    let dump = |lines: &str| format!("*filter\n:FORWARD DROP\n{lines}\nCOMMIT\n");
    let lists = "{ 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 }";
    for (code, dialect, args, text) in [
        ("PH001", "iptables", &[][..], dump("-A FORWARD -p tcp -m tcp --dport")),
        ("PH005", "iptables", &[], "*filter\n:WEB - [0:0]\n-A WEB -p tcp -j ACCEPT\nCOMMIT\n".to_string()),
        (
            "PH006",
            "pf",
            &["--budget", "nodes=1"],
            format!("block all\npass in proto tcp from {lists} to {lists} port {{ 1 3 5 }}\n"),
        ),
        ("PH009", "iptables", &[], dump("# pinhole: ignore[PH301] it is known")),
    ] {
        let report = found(dialect, &format!("{all}{text}"), args);
        assert!(report.of(code).count() > 0, "{code}: {report:?}");
        let scratch = Scratch::new("accepted");
        let entry = format!("[[check.ignore]]\nrule = \"{code}\"\nreason = \"it is known\"\n");
        scratch.write("fw.conf", text).write("pinhole.toml", entry);
        check(&scratch.0, &[&["fw.conf", "--dialect", dialect], args].concat()).silent(code);
    }
}

#[test]
fn what_leaves_nothing_out_is_found_with_a_mend() {
    for dialect in DIALECTS {
        let report = found(dialect, &config(dialect, "pinhole: ignore[PH301] telnet is needed", ""), &[]);
        let unused = the(&report, "PH009");
        let [edit] = &unused.edits[..] else { panic!("{dialect}: {unused:?}") };
        let before = config(dialect, "pinhole: ignore[PH301] telnet is needed", "");
        let after = [&before[..edit.start], &edit.text, &before[edit.end..]].concat();
        assert_eq!(after.lines().count() + 1, before.lines().count(), "{after}");
        assert!(
            !after.contains("pinhole") && found(dialect, &after, &[]).of("PH009").count() == 0,
            "{after}"
        );
    }
    let part = found("pf", &config("pf", "pinhole: ignore[PH301, PH202] the lab is open", ""), &[]);
    assert!(the(&part, "PH009").message.contains("no finding of `PH301`"));
    // Nobody asked for what it leaves out.
    let unasked = config("pf", "pinhole: ignore[PH301] telnet is needed", "");
    assert_eq!(found("pf", &unasked, &["--ignore", "PH301"]).of("PH009").count(), 0);
}

#[test]
fn a_comment_holds_until_its_last_day() {
    let with = |day: &str| {
        let words = format!("pinhole: ignore[PH202] the lab is open until={day}");
        found("pf", &config("pf", &words, ""), &[])
    };
    assert_eq!(with("9999-12-31").of("PH202").count(), 0);
    let over = with("2020-05-31");
    assert_eq!(over.of("PH202").count(), 1);
    assert!(the(&over, "PH010").message.contains("expired after 2020-05-31"));
    assert_eq!(over.of("PH009").count(), 0);
}

#[test]
fn many_comments_take_no_time() {
    let mut text = String::from("block all\n");
    for _ in 0..20_000 {
        text += "# pinhole: ignore[PH202] the lab is open\n";
    }
    text += "pass all\n";
    let start = std::time::Instant::now();
    assert_eq!(found("pf", &text, &["--select", "PH202"]).findings.len(), 0);
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

const SITE: &str = "[[zone]]\nname = \"internet\"\n[[zone]]\nname = \"lan\"\nnetworks = [\"10.1.2.0/24\"]\n\
                    [[firewall]]\nname = \"edge\"\nconfig = [\"fw.conf\"]\ninterfaces = { em0 = \"internet\", em1 = \"lan\" }\n";

#[test]
fn an_entry_of_the_site_file_that_accepts_nothing_is_found() {
    let scratch = Scratch::new("unused");
    let entry = "[[check.ignore]]\nrule = \"PH301\"\nreason = \"telnet is needed\"\n";
    scratch.write("fw.conf", config("pf", "", "")).write("pinhole.toml", format!("{SITE}{entry}"));
    assert_eq!(the(&check(&scratch.0, &[]), "PH615").line, Some(SITE.lines().count() + 2));
    assert_eq!(check(&scratch.0, &["--no-suppressions"]).of("PH615").count(), 0);
    scratch.write("pinhole.toml", format!("{SITE}{}", entry.replace("PH301", "PH2")));
    assert_eq!(check(&scratch.0, &[]).of("PH615").count(), 0);
    // Half of the site says nothing about the other half.
    let more = "[[firewall]]\nname = \"other\"\nconfig = [\"other.conf\"]\ninterfaces = { em0 = \"lan\" }\n";
    scratch.write("pinhole.toml", format!("{SITE}{more}{entry}"));
    assert_eq!(check(&scratch.0, &["fw.conf"]).of("PH615").count(), 0);
}

#[test]
fn a_baseline_knows_what_was_there() {
    let scratch = Scratch::new("baseline");
    scratch.write("fw.conf", config("iptables", "", "open"));
    let before = check(&scratch.0, &["fw.conf"]);
    let written = run(&scratch, &["check", "fw.conf", "--write-baseline", "known.json"]);
    assert_eq!(written.status.code(), Some(0));
    assert!(text(&written.stdout).contains("known from now on: known.json"), "{}", text(&written.stdout));
    let known = ["fw.conf", "--baseline", "known.json"];
    assert_eq!(codes(&check(&scratch.0, &known)), [""; 0]);
    // Lines move, comments and counters change, blanks come: it is the same finding.
    let moved = config("iptables", "", "whatever").replace("*filter", "# one more line\n*filter");
    scratch.write("fw.conf", moved.replace("-A FORWARD", "[7:420] -A FORWARD "));
    assert_eq!(codes(&check(&scratch.0, &known)), [""; 0]);
    // From another folder it is the same file.
    std::fs::create_dir(scratch.0.join("below")).unwrap();
    let below = Command::new(env!("CARGO_BIN_EXE_pinhole"))
        .args(["check", "../fw.conf", "--baseline", "../known.json", "--format", "json"])
        .current_dir(scratch.0.join("below"))
        .output()
        .unwrap();
    let below: serde_json::Value = read(&text(&below.stdout));
    assert_eq!(below["findings"].as_array().unwrap().len(), 0, "{below}");
    assert_eq!(below["summary"]["baselined"], before.findings.len());
    // Another rule is another finding, and the one that was known is gone.
    scratch.write(
        "fw.conf",
        config("iptables", "", "open").replace("-A FORWARD", "-A FORWARD -s 0.0.0.0/0 -p all"),
    );
    assert_eq!(check(&scratch.0, &known).of("PH202").count(), 1);
    let human = run(&scratch, &[&["check"], &known[..]].concat());
    assert!(text(&human.stdout).contains("of the baseline gone"), "{}", text(&human.stdout));
    let lines = |name: &str| std::fs::read_to_string(scratch.0.join(name)).unwrap().lines().count();
    let had = lines("known.json");
    run(&scratch, &["check", "fw.conf", "--baseline", "known.json", "--prune-baseline"]);
    assert!(lines("known.json") < had);
    let left = text(&run(&scratch, &[&["check"], &known[..]].concat()).stdout);
    assert!(!left.contains("of the baseline gone"), "{left}");
}

#[test]
fn a_baseline_counts_what_means_the_same() {
    let scratch = Scratch::new("counted");
    let twice = "block all\npass all\npass all\n";
    scratch.write("fw.conf", "block all\npass all\n");
    run(&scratch, &["check", "fw.conf", "--write-baseline", "known.json", "--select", "PH2"]);
    scratch.write("fw.conf", twice);
    let args = ["fw.conf", "--baseline", "known.json", "--select", "PH2"];
    let all = check(&scratch.0, &["fw.conf", "--select", "PH2"]).findings.len();
    let told = check(&scratch.0, &args).findings.len();
    run(&scratch, &["check", "fw.conf", "--write-baseline", "known.json", "--select", "PH2"]);
    assert_eq!(check(&scratch.0, &args).findings.len(), 0);
    assert!(told <= all);
}

#[test]
fn the_site_file_names_its_baseline() {
    let scratch = Scratch::new("site-baseline");
    scratch.write("fw.conf", config("pf", "", ""));
    scratch.write("pinhole.toml", format!("[check]\nbaseline = \"known.json\"\n{SITE}"));
    let missing = run(&scratch, &["check"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(
        text(&missing.stderr).contains("cannot read the baseline `known.json`"),
        "{}",
        text(&missing.stderr)
    );
    assert_eq!(run(&scratch, &["check", "--write-baseline", "known.json"]).status.code(), Some(0));
    assert_eq!(codes(&check(&scratch.0, &[])), [""; 0]);
    assert!(!check(&scratch.0, &["--no-suppressions"]).findings.is_empty());
}

#[test]
fn what_is_no_baseline_is_refused() {
    let scratch = Scratch::new("no-baseline");
    scratch.write("fw.conf", config("pf", "", ""));
    for (text_of, said) in [
        ("{}", "is no baseline of pinhole"),
        ("{\"version\":7,\"findings\":[]}", "has version 7"),
        ("block all\n", "is no baseline of pinhole"),
    ] {
        scratch.write("known.json", text_of);
        let ran = run(&scratch, &["check", "fw.conf", "--baseline", "known.json"]);
        assert_eq!(ran.status.code(), Some(2));
        assert!(text(&ran.stderr).contains(said), "{}", text(&ran.stderr));
    }
}

#[test]
fn a_file_that_cannot_be_replaced_stays() {
    let scratch = Scratch::new("whole");
    scratch.write("fw.conf", config("pf", "", ""));
    let ran = run(&scratch, &["check", "fw.conf", "--write-baseline", "no/such/folder.json"]);
    assert_eq!(ran.status.code(), Some(2));
    let left: Vec<_> =
        std::fs::read_dir(&scratch.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["fw.conf"]);
}

#[test]
fn a_comment_counts_in_a_file_that_another_brings_in() {
    let scratch = Scratch::new("part");
    scratch.write("pf.conf", "block all\ninclude \"part.conf\"\n");
    scratch.write("part.conf", "# pinhole: ignore[PH202] a test network\npass all\n");
    for paths in [&["pf.conf"][..], &["."]] {
        check(&scratch.0, paths).silent("PH202");
    }
}
