//! What is said of things that are easily taken for others: which code, how severe, and in which words.

use std::fmt::Write;

use crate::common;

use common::{Report, Scratch, check};

/// What is said of a config in a language, under the codes that begin so: code, severity, line and message.
fn said(language: &str, text: &str, codes: &[&str]) -> Vec<(String, String, usize, String)> {
    let report = report(language, text);
    let about = |finding: &&common::Finding| codes.iter().any(|code| finding.code.starts_with(code));
    let found = report.findings.iter().filter(about);
    found.map(|f| (f.code.clone(), f.severity.clone(), f.line.unwrap_or(0), f.message.clone())).collect()
}

fn report(language: &str, text: &str) -> Report {
    let folder = Scratch::new("kinds");
    folder.write("config", text);
    check(&folder.0, &["--no-site", "--dialect", language, "config"])
}

/// Asserts that these are the findings under the codes.
fn says(language: &str, text: &str, codes: &[&str], wanted: &[(&str, &str, usize, &str)]) {
    let found = said(language, text, codes);
    let found: Vec<(&str, &str, usize, &str)> = found
        .iter()
        .map(|(code, severity, line, message)| (&**code, &**severity, *line, &**message))
        .collect();
    assert_eq!(found, wanted, "{text}");
}

fn filter(rules: &str) -> String {
    format!("*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n{rules}COMMIT\n")
}

fn table(chains: &str) -> String {
    format!("table inet filter {{\n{chains}}}\n")
}

const INPUT: &str = "chain input {\ntype filter hook input priority filter; policy drop;\n";

const ASA: &str = "ASA Version 9.8(4)\ninterface Ethernet0/0\n nameif outside\n security-level 0\n \
                   ip address 198.51.100.1 255.255.255.0\n";

#[test]
fn what_is_open_is_named_as_a_whole() {
    // All but 10/8 is not everybody, and nearly so.
    says(
        "iptables",
        &filter("-A INPUT ! -s 10.0.0.0/8 -j ACCEPT\n"),
        &["PH20"],
        &[(
            "PH202",
            "warning",
            5,
            "all ports of tcp and udp are open from nearly any source to the firewall itself",
        )],
    );
    // A port that is closed before does not leave the other protocol alone.
    says(
        "iptables",
        &filter("-A INPUT -p tcp -m tcp --dport 25 -j DROP\n-A INPUT -j ACCEPT\n"),
        &["PH202"],
        &[(
            "PH202",
            "warning",
            6,
            "all ports of tcp and udp are open from any source to the firewall itself",
        )],
    );
    // What inspection opens by itself is not taken out of what an entry opens.
    says(
        "asa",
        &format!(
            "{ASA}access-list a extended permit tcp any any\naccess-group a in interface outside\npolicy-map global_policy\n \
             class inspection_default\n  inspect ftp\n  inspect h323 h225\nservice-policy global_policy global\n"
        ),
        &["PH20"],
        &[("PH202", "warning", 6, "all ports of tcp are open from any source")],
    );
}

#[test]
fn a_cause_has_one_finding() {
    // A chain without a policy accepts what is left: said once.
    let open = table("chain input {\ntype filter hook input priority filter;\ntcp dport 23 drop\n}\n");
    says(
        "nftables",
        &open,
        &["PH203", "PH414"],
        &[("PH203", "warning", 2, "traffic to the firewall itself that no rule speaks of is let through")],
    );
    let blacked: String = (1..50).fold(String::new(), |mut text, at| {
        let _ =
            writeln!(text, "-A FORWARD -s 10.1.2.{at}/32 -m mac --mac-source XX:XX:XX:XX:XX:XX -j ACCEPT");
        text
    });
    says(
        "iptables",
        &filter(&blacked),
        &["PH00"],
        &[("PH004", "error", 5, "`XX:XX:XX:XX:XX:XX` is no MAC address, here and in 48 more places")],
    );
    // Three kinds of one anchor.
    let anchors = "nat-anchor \"ftp-proxy/*\"\nrdr-anchor \"ftp-proxy/*\"\nblock all\nanchor \"ftp-proxy/*\"\npass out\n";
    let wanted = ("PH426", "info", 1, "the rules of anchor `ftp-proxy/*` are not in the file");
    says("pf", anchors, &["PH426"], &[wanted]);
    let translating = report("pf", "nat-anchor \"relay\"\nrdr-anchor \"relay\"\nblock all\npass out\n");
    let help: Vec<&str> = translating.of("PH426").map(|finding| finding.help.as_str()).collect();
    let wanted = "Translations of a program are put there while it runs. Where they are in a file, name it with `load \
                  anchor`, to have them checked too.";
    assert_eq!(help, [wanted]);
    // Three interfaces from which all may pass.
    let interfaces: String = [(1, "inside", 100), (2, "dmz", 50), (3, "guests", 20)].iter().fold(
        String::new(),
        |mut text, (at, name, level)| {
            let _ = writeln!(
                text,
                "interface Ethernet0/{at}\n nameif {name}\n security-level {level}\n ip address 10.1.{at}.1 255.255.255.0"
            );
            text
        },
    );
    let lists =
        "access-list o extended permit tcp any host 10.1.1.5 eq 443\naccess-group o in interface outside\n";
    says(
        "asa",
        &format!("{ASA}{interfaces}{lists}"),
        &["PH536"],
        &[("PH536", "info", 8, "everything may pass from `inside` to `outside`, `dmz`, `guests`")],
    );
    // What `show access-list` expands is the entry's.
    let shown = "access-list a; 2 elements; name hash: 0x1\n\
                 access-list a line 1 extended permit tcp object-group g any eq www inactive (hitcnt=0) (inactive) 0x1\n  \
                 access-list a line 1 extended permit tcp host 10.1.1.1 any eq www inactive (hitcnt=0) (inactive) 0x2\n  \
                 access-list a line 1 extended permit tcp host 10.1.1.2 any eq www inactive (hitcnt=0) (inactive) 0x3\n";
    says("asa", shown, &["PH434"], &[]);
}

#[test]
fn what_is_not_at_hand_is_information() {
    says(
        "nftables",
        &table(&format!("{INPUT}tcp dport frobnicate accept\n}}\n")),
        &["PH00"],
        &[("PH003", "info", 4, "service `frobnicate` is not known")],
    );
    says(
        "iptables",
        &filter("-A INPUT -p tcp -m tcp --dport frobnicate -j ACCEPT\n"),
        &["PH00"],
        &[("PH003", "info", 5, "service `frobnicate` of tcp is not known")],
    );
    says(
        "pf",
        "block all\npass in proto tcp to port frobnicate\n",
        &["PH00"],
        &[("PH003", "info", 2, "service `frobnicate` is not known")],
    );
    for line in [
        "include \"/etc/pf.more\"",
        "table <a> persist file \"/etc/pf.a\"",
        "anchor \"a\"\nload anchor \"a\" from \"/etc/pf.a\"",
    ] {
        let found = said("pf", &format!("{line}\nblock all\npass in from 10.0.0.0/8\n"), &["PH00", "PH42"]);
        let told = !found.is_empty() && found.iter().all(|(_, severity, ..)| severity == "info");
        assert!(
            told || line.starts_with("table") && found.iter().any(|(code, ..)| code == "PH002"),
            "{found:?}"
        );
    }
    // The rest of a ruleset of which a part is given.
    says(
        "nftables",
        "table inet filter {\nchain a {\njump b\njump c\njump d\n}\n}\n",
        &["PH003"],
        &[("PH003", "info", 3, "the chain `b` does not exist in this table, and 2 names more")],
    );
    says(
        "nftables",
        &table(&format!("{INPUT}jump b\n}}\n")),
        &["PH003"],
        &[("PH003", "error", 4, "the chain `b` does not exist in this table")],
    );
}

#[test]
fn rules_that_do_nothing_are_told_apart() {
    // The last match wins, not the first that differs.
    let pf = "block all\npass in on em0 proto tcp to 10.1.2.10 port 1720\nblock in on em0 proto tcp to 10.1.2.10\n\
              pass in on em0 proto tcp to 10.1.2.10 port 1719:1730\n";
    let report = report("pf", pf);
    let dead: Vec<(Option<usize>, Vec<Option<usize>>)> =
        report.of("PH401").map(|f| (f.line, f.related.iter().map(|place| place.line).collect())).collect();
    assert_eq!(dead, [(Some(2), vec![Some(4)])], "{}", report.told());
    says(
        "pf",
        "gw = \"10.1.2.20\"\ngw = \"10.1.2.21\"\nblock all\npass in on em0 proto udp to $gw port 1719\n",
        &["PH405"],
        &[("PH405", "info", 1, "macro `gw` is defined again before anything uses it")],
    );
    // A part of what the rule matches is dropped before its chain.
    let nft = "table inet a {\nchain first {\ntype filter hook prerouting priority raw; policy accept;\n\
               ip saddr 192.0.2.0/25 drop\n}\nchain input {\ntype filter hook input priority filter; policy drop;\n\
               ip saddr 192.0.2.128/25 accept\nip saddr 192.0.2.0/24 tcp dport 1720 accept\n}\n}\n";
    let message = "the rule never accepts: of what comes here, an earlier rule matches all that it matches";
    says("nftables", nft, &["PH401"], &[("PH401", "warning", 9, message)]);
}

#[test]
fn a_rule_on_one_line_of_json_is_named() {
    let rule = |handle: usize, port: usize| {
        format!(
            r#",{{"rule": {{"family": "inet", "table": "filter", "chain": "input", "handle": {handle}, "expr": [{{"match": {{"op": "==", "left": {{"payload": {{"protocol": "tcp", "field": "dport"}}}}, "right": {port}}}}}, {{"accept": null}}]}}}}"#
        )
    };
    let rules: String = (0..20).map(|at| rule(7 + at, if at == 0 { 23 } else { 1700 + at })).collect();
    let text = format!(
        r#"{{"nftables": [{{"table": {{"family": "inet", "name": "filter", "handle": 1}}}},{{"chain": {{"family": "inet", "table": "filter", "name": "input", "handle": 1, "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}}}}{rules}]}}"#
    );
    let wanted = ("PH207", "warning", 1, "rule 7 of chain `input`: Telnet (tcp 23) is open to any source");
    says("nftables", &text, &["PH207"], &[wanted]);
}

/// Services that no product needs open to the world: protocol, port.
const SERVICES: [(&str, u16); 28] = [
    ("tcp", 22),
    ("tcp", 23),
    ("tcp", 111),
    ("udp", 111),
    ("tcp", 139),
    ("udp", 161),
    ("tcp", 445),
    ("tcp", 514),
    ("udp", 623),
    ("tcp", 1433),
    ("tcp", 1521),
    ("tcp", 2049),
    ("udp", 2049),
    ("tcp", 2375),
    ("tcp", 2379),
    ("tcp", 3306),
    ("tcp", 3389),
    ("tcp", 5038),
    ("tcp", 5432),
    ("tcp", 5900),
    ("tcp", 6379),
    ("tcp", 8021),
    ("tcp", 8291),
    ("tcp", 9200),
    ("tcp", 10250),
    ("tcp", 11211),
    ("udp", 11211),
    ("tcp", 27017),
];

#[test]
fn services_for_a_few_are_found_in_all_languages() {
    let each = |line: &dyn Fn(&str, u16) -> String| -> String {
        SERVICES.iter().map(|(protocol, port)| format!("{}\n", line(protocol, *port))).collect()
    };
    let configs = [
        ("iptables", filter(&each(&|p, port| format!("-A INPUT -p {p} -m {p} --dport {port} -j ACCEPT"))), 5),
        (
            "nftables",
            table(&format!("{INPUT}{}}}\n", each(&|p, port| format!("{p} dport {port} accept")))),
            4,
        ),
        ("pf", format!("block all\n{}", each(&|p, port| format!("pass in proto {p} to port {port}"))), 2),
        (
            "asa",
            format!(
                "{ASA}{}access-group o in interface outside\n",
                each(&|p, port| format!("access-list o extended permit {p} any host 10.1.1.5 eq {port}"))
            ),
            6,
        ),
    ];
    for (language, text, first) in configs {
        let found = said(language, &text, &["PH207"]);
        let found: Vec<(usize, &str)> =
            found.iter().map(|(_, severity, line, _)| (*line, &**severity)).collect();
        let wanted: Vec<(usize, &str)> = SERVICES
            .iter()
            .enumerate()
            .map(|(at, (_, port))| (first + at, if *port == 22 { "info" } else { "warning" }))
            .collect();
        assert_eq!(found, wanted, "{language}");
    }
}

#[test]
fn ipv6_that_is_known_of_and_not_filtered() {
    let script = |settings: &str| format!("#!/bin/sh\n{settings}\niptables -P INPUT DROP\n");
    let forwards = [(
        "PH208",
        "warning",
        3,
        "no rule filters traffic to the firewall itself over IPv6, which the box forwards",
    )];
    let on = "sysctl -w net.ipv6.conf.all.forwarding=1";
    says("iptables", &script(on), &["PH208"], &forwards);
    says("iptables", &script("echo 1 > /proc/sys/net/ipv6/conf/eth0/forwarding"), &["PH208"], &forwards);
    // One interface less leaves the others; `all` is for all of them.
    says(
        "iptables",
        &script(&format!("{on}; sysctl -w net.ipv6.conf.eth1.forwarding=0")),
        &["PH208"],
        &forwards,
    );
    says("iptables", &script(&format!("{on}; sysctl -w net.ipv6.conf.all.forwarding=0")), &["PH208"], &[]);
    says("iptables", &script("sysctl -w net.ipv4.ip_forward=1"), &["PH208"], &[]);
    // A site tells which addresses there are.
    let folder = Scratch::new("family");
    folder.write("edge.rules", filter("-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n"));
    for (address, found) in [("198.51.100.1/24", 0), ("2001:db8::1/64", 1)] {
        let site = "[[zone]]\nname = \"a\"\n[[zone]]\nname = \"b\"\nnetworks = [\"10.0.0.0/8\"]\n[[firewall]]\nname = \"f\"\n\
                    config = [\"edge.rules\"]\ninterfaces = { eth0 = \"a\", eth1 = \"b\" }\n";
        folder.write("pinhole.toml", format!("{site}addresses = {{ eth0 = [\"{address}\"] }}\n"));
        let report = check(&folder.0, &[]);
        assert_eq!(report.of("PH208").count(), found, "{address}: {}", report.told());
    }
}
