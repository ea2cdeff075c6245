//! Openings that are too wide: which side they lead to, and what is said where the rules are many.

use std::fmt::Write;

use crate::common;

use common::{Report, Scratch, check};

const INTERFACES: &str = "ASA Version 9.12(4)\ninterface Ethernet0/0\n nameif isp\n security-level 0\n \
                          ip address 198.51.100.1 255.255.255.0\ninterface Ethernet0/1\n nameif guests\n \
                          security-level 20\n ip address 10.9.0.1 255.255.255.0\ninterface Ethernet0/2\n \
                          nameif rooms\n security-level 90\n ip address 10.1.0.1 255.255.255.0\n";

fn report(name: &str, text: &str, args: &[&str]) -> Report {
    let folder = Scratch::new("openings");
    folder.write(name, text);
    check(&folder.0, &[args, &[name]].concat())
}

/// The codes and severities of the findings about what is too wide.
fn said(report: &Report) -> Vec<(&str, &str, usize)> {
    let about = report.of("PH20").filter(|f| ["PH201", "PH202", "PH203"].contains(&f.code.as_str()));
    about.map(|f| (f.code.as_str(), f.severity.as_str(), f.line.unwrap_or(0))).collect()
}

fn asa(lines: &str) -> Report {
    report("edge.cfg", &format!("{INTERFACES}{lines}"), &[])
}

#[test]
fn what_leads_to_a_lower_level_is_open_to_the_outside() {
    let bound = |interface: &str, entry: &str| {
        asa(&format!("access-list l extended permit {entry}\naccess-group l in interface {interface}\n"))
    };
    let out = bound("rooms", "ip any any");
    assert_eq!(said(&out), [("PH201", "info", 14)], "{}", out.told());
    let out = bound("rooms", "udp any any range 16384 32767");
    assert_eq!(said(&out), [("PH201", "info", 14)], "{}", out.told());
    let inside = bound("isp", "ip any any");
    assert_eq!(said(&inside), [("PH202", "warning", 14)], "{}", inside.told());
    let inside = bound("isp", "udp any any range 16384 32767");
    assert_eq!(said(&inside), [("PH201", "warning", 14)], "{}", inside.told());
    // From there both ways lead: up to the rooms, and down to the provider.
    let both = bound("guests", "ip any any");
    assert_eq!(said(&both), [("PH202", "warning", 14)], "{}", both.told());
    let lines = "access-list l extended permit ip any any\naccess-group l global\n";
    let global = asa(lines);
    assert_eq!(said(&global), [("PH202", "warning", 14)], "{}", global.told());
    let narrow = bound("rooms", "ip any host 192.0.2.10");
    assert_eq!(said(&narrow), [], "{}", narrow.told());
}

/// Rules for single hosts, in the form of a language.
fn hosts(count: usize, line: impl Fn(String, usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, at| {
        let _ =
            writeln!(text, "{}", line(format!("10.{}.{}.{}", at >> 16, at >> 8 & 255, at & 255), 1024 + at));
        text
    })
}

/// So many rules that all of them at once take more work than is done.
const MANY: usize = 4000;

#[test]
fn policies_of_large_rulesets_are_judged() {
    let pass = |at: String, port| format!("pass in quick on em0 proto tcp from any to {at} port {port}");
    let rules = hosts(MANY, pass);
    let closed = report("pf.conf", &format!("block all\npass out all\n{rules}"), &[]);
    assert_eq!(said(&closed), [], "{}", closed.told());
    let open = report("pf.conf", &format!("pass out all\n{rules}"), &[]);
    assert_eq!(said(&open), [("PH203", "warning", 1)], "{}", open.told());
    let on_one = report("pf.conf", &format!("block in on em0\npass out all\n{rules}"), &[]);
    assert_eq!(said(&on_one), [("PH203", "warning", 1)], "{}", on_one.told());
    let accept = |at: String, port| format!("-A FORWARD -d {at}/32 -p tcp -m tcp --dport {port} -j ACCEPT");
    let table = |end: &str| {
        let rules = hosts(MANY, accept);
        format!(
            "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n{rules}{end}COMMIT\n"
        )
    };
    let open = report("a.rules", &table(""), &[]);
    assert_eq!(said(&open), [("PH203", "warning", 3)], "{}", open.told());
    let closed = report("a.rules", &table("-A FORWARD -j DROP\n"), &[]);
    assert_eq!(said(&closed), [], "{}", closed.told());
    let part = report("a.rules", &table("-A FORWARD -p tcp -j DROP\n"), &[]);
    assert_eq!(said(&part), [("PH203", "warning", 3)], "{}", part.told());
}

#[test]
fn rules_before_and_behind_a_policy_can_bring_packets_to_it() {
    let before = "*mangle\n-A PREROUTING -s 192.0.2.1/32 -i eth0 -j ACCEPT\n-A PREROUTING -j DROP\nCOMMIT\n";
    let there = report("a.rules", before, &[]);
    assert_eq!(said(&there), [], "{}", there.told());
    let filter = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n";
    let there = report("a.rules", &format!("{before}{filter}"), &[]);
    let policies = [("PH203", "warning", 6), ("PH203", "warning", 7)];
    assert_eq!(said(&there), policies, "{}", there.told());
    let behind = "block out\npass out proto tcp to 10.0.0.5 port 22\n";
    let there = report("pf.conf", behind, &[]);
    assert_eq!(said(&there), [("PH203", "warning", 1)], "{}", there.told());
    let there = report("pf.conf", &format!("{behind}block in\n"), &[]);
    assert_eq!(said(&there), [], "{}", there.told());
}

/// A list of hosts in front stops none of them for good.
#[test]
fn lists_in_front_close_nothing() {
    let lists = [
        ("-m set --match-set bad src", "set bad"),
        ("-m recent --update --seconds 60 --name bad --rsource", "recent filter INPUT"),
    ];
    for (list, name) in lists {
        let rules = |policy: &str, rest: &str| {
            let text = format!(
                "*filter\n:INPUT {policy} [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
                 -A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT\n-A INPUT {list} -j DROP\n{rest}COMMIT\n"
            );
            report("box.rules", &text, &["--no-site", "--ignore", "PH002"])
        };
        let named = |report: &Report, code: &str| {
            let found: Vec<_> = report.of(code).collect();
            assert_eq!(found.len(), 1, "{}", report.told());
            assert!(
                found[0].message.contains(" may ") && found[0].message.contains(name),
                "{}",
                report.told()
            );
            assert!(
                found[0].depends_on.iter().all(|condition| condition.starts_with(name)),
                "{}",
                report.told()
            );
        };
        named(&rules("ACCEPT", "-A INPUT -p tcp -m tcp --dport 80 -j DROP\n"), "PH203");
        named(&rules("DROP", "-A INPUT -j ACCEPT\n"), "PH202");
        named(&rules("DROP", "-A INPUT -p tcp -m tcp --dport 1024:65535 -j ACCEPT\n"), "PH201");
        named(&rules("DROP", "-A INPUT -p tcp -m tcp --dport 23 -j ACCEPT\n"), "PH207");
        // Behind a list of those who may, nobody else passes.
        let allowed = rules("ACCEPT", "-A INPUT -m set ! --match-set good src -j DROP\n");
        assert_eq!(said(&allowed), [], "{}", allowed.told());
    }
}

/// Of one rule a service can be open for certain in one family, and another one hang on a list in the other.
#[test]
fn what_a_list_leaves_open_is_told_service_by_service() {
    let text = "table inet box {\n\tset bad {\n\t\ttype ipv4_addr\n\t\tflags timeout\n\t}\n\tchain input {\n\
                \t\ttype filter hook input priority 0; policy drop;\n\t\tip saddr @bad drop\n\
                \t\tmeta nfproto ipv6 tcp dport 23 drop\n\t\ttcp dport { 22, 23 } accept\n\t}\n}\n";
    let found = report("box.nft", text, &["--no-site", "--select", "PH207"]);
    let mut said: Vec<(&str, usize)> =
        found.findings.iter().map(|finding| (finding.message.as_str(), finding.depends_on.len())).collect();
    said.sort_unstable();
    let doubtful = "Telnet (tcp 23) may be open to any source, depending on set bad";
    assert_eq!(said, [("SSH (tcp 22) is open to any source", 0), (doubtful, 1)], "{}", found.told());
}

/// What matches some packets, and nobody knows which, closes nothing either.
#[test]
fn conditions_in_front_close_nothing() {
    let head = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n";
    for condition in
        ["-m length --length 1:5", "-m statistic --mode random --probability 0.5", "-m geoip --src-cc KP"]
    {
        for verdict in ["DROP", "ACCEPT"] {
            let rules = format!("{head}-A FORWARD {condition} -j {verdict}\n-A FORWARD -j ACCEPT\nCOMMIT\n");
            let told = report("box.rules", &rules, &["--no-site"]);
            assert!(told.of("PH202").any(|finding| finding.line == Some(6)), "{rules}{}", told.told());
        }
        let rules =
            format!("{head}-A INPUT {condition} -j DROP\n-A INPUT -p tcp --dport 23 -j ACCEPT\nCOMMIT\n");
        let told = report("box.rules", &rules, &["--no-site"]);
        let doubtful = told.of("PH20").any(|finding| finding.message.contains("depending on"));
        assert!(doubtful, "{rules}{}", told.told());
    }
}

#[test]
fn what_was_not_worked_out_is_told() {
    // A rule for some addresses lets them go on to the policy: whether any is left takes all of them.
    let rules = hosts(20_000, |at, port| match port % 2 {
        0 => format!("-A FORWARD -s {at}/32 -p tcp -m tcp --dport {port} -j RETURN"),
        _ => format!("-A FORWARD -d {at}/32 -p tcp -m tcp --dport {port} -j ACCEPT"),
    });
    let text =
        format!("*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n{rules}COMMIT\n");
    let report = report("a.rules", &text, &["--select", "PH203"]);
    assert_eq!(said(&report), [("PH203", "info", 3)], "{}", report.told());
}

#[test]
fn a_few_anchors_that_are_elsewhere_are_followed() {
    let anchors = "nat-anchor \"n\"\nrdr-anchor \"r\"\nbinat-anchor \"b\"\nanchor \"a\"\n";
    let there = report("pf.conf", anchors, &[]);
    assert_eq!(said(&there), [], "{}", there.told());
    let damaged = "binat on em0 frobs\nnat on em0 frobs\nrdr on em0 frobs\nblock frobs\n";
    let there = report("pf.conf", damaged, &["--dialect", "pf"]);
    assert_eq!(said(&there), [], "{}", there.told());
}

#[test]
fn rules_that_lie_beside_many_others_are_judged() {
    let pass = |at: String, port| format!("pass in quick on em0 proto tcp from any to {at} port {port}");
    let text = format!(
        "block all\n{}pass in on em1 proto udp to port 20000:40000\npass out all\n",
        hosts(MANY, pass)
    );
    let report = report("pf.conf", &text, &[]);
    assert_eq!(said(&report), [("PH201", "warning", MANY + 2)], "{}", report.told());
}

#[test]
fn what_is_trusted_as_a_whole_is_named() {
    let filter = |rules: &str| {
        let chains = ":INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:rooms - [0:0]\n";
        let found = report("a.rules", &format!("*filter\n{chains}{rules}COMMIT\n"), &["--select", "PH201"]);
        found.of("PH201").map(|finding| finding.message.clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        filter("-A FORWARD -i eth1 -o eth0 -j ACCEPT\n"),
        ["the rule lets through all that comes by `eth1` and leaves by `eth0`"]
    );
    assert_eq!(filter("-A INPUT -i tun+ -j ACCEPT\n"), ["the rule lets through all that comes by `tun*`"]);
    // Where the rule is jumped to tells as much as what it says itself.
    assert_eq!(
        filter("-A FORWARD ! -i eth0 -j rooms\n-A rooms -j ACCEPT\n"),
        ["the rule lets through all that comes by all interfaces but `eth0`"]
    );
    assert_eq!(
        filter("-A FORWARD -o eth0 -j ACCEPT\n-A FORWARD -i eth2 -j ACCEPT\n"),
        ["2 rules let everything through on some of the interfaces, this one all that leaves by `eth0`"]
    );
    assert_eq!(filter("-A FORWARD -i br0 -o br0 -j ACCEPT\n"), [""; 0]);
}
