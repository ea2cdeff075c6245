//! Who is named for a rule that does nothing: rules that take its packets, and no others.

use crate::common;

use common::{Finding, Scratch, check};

/// The findings about rules of an iptables filter, its chains and rules from line 4 on.
fn found(rules: &str) -> Vec<Finding> {
    let folder = Scratch::new("takers");
    let head = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n";
    folder.write("box.rules", format!("{head}{rules}COMMIT\n"));
    let args = ["--no-site", "--select", "PH401,PH402,PH403,PH406", "box.rules"];
    check(&folder.0, &args).findings
}

/// Code, line and the lines that are named of each, by line.
fn told(findings: &[Finding]) -> Vec<(&str, usize, Vec<usize>)> {
    let of = |finding: &Finding| finding.related.iter().filter_map(|place| place.line).collect();
    let mut told: Vec<_> = findings
        .iter()
        .map(|finding| (finding.code.as_str(), finding.line.unwrap_or(0), of(finding)))
        .collect();
    told.sort_by_key(|(_, line, _)| *line);
    told
}

/// A rule that is dead itself takes nothing: where nothing of the second one comes to the chain, its callers are named.
#[test]
fn a_dead_rule_takes_nothing() {
    let all = found(
        ":web - [0:0]\n-A FORWARD -d 10.1.0.0/16 -j web\n-A web -d 10.2.0.0/16 -p tcp -j ACCEPT\n\
         -A web -d 10.2.3.0/24 -p tcp --dport 80 -j ACCEPT\n-A web -p udp -j ACCEPT\n",
    );
    assert_eq!(told(&all), [("PH401", 6, vec![5]), ("PH401", 7, vec![5])]);
    assert!(all.iter().all(|finding| finding.message.contains("comes to it")), "{all:?}");
}

/// What takes the packets of a dead rule takes those of one that it would have covered.
#[test]
fn the_one_before_a_dead_rule_is_named() {
    let all = found(
        "-A FORWARD -d 10.0.0.0/8 -j ACCEPT\n-A FORWARD -d 10.2.0.0/16 -p tcp -j ACCEPT\n\
         -A FORWARD -d 10.2.3.0/24 -p tcp --dport 80 -j ACCEPT\n",
    );
    assert_eq!(told(&all), [("PH401", 5, vec![4]), ("PH401", 6, vec![4])]);
}

/// Two that are alike behind something that takes both are dead for that reason.
#[test]
fn of_two_that_are_alike_and_dead_neither_is_the_reason() {
    let all = found(
        "-A FORWARD -p gre -j DROP\n-A FORWARD -d 10.2.0.1/32 -p gre -j ACCEPT\n\
         -A FORWARD -d 10.2.0.1/32 -p gre -j ACCEPT\n",
    );
    assert_eq!(told(&all), [("PH403", 5, vec![4]), ("PH403", 6, vec![4])]);
}

/// A chain from which nothing comes back takes all, and what it decides is the opposite.
#[test]
fn a_chain_that_ends_decides() {
    let all = found(
        ":end - [0:0]\n-A FORWARD -p gre -j end\n-A FORWARD -d 10.2.0.1/32 -p gre -j ACCEPT\n\
         -A end -m limit --limit 1/min -j REJECT --reject-with icmp-port-unreachable\n-A end -j DROP\n",
    );
    assert_eq!(told(&all), [("PH403", 6, vec![5])]);
    // Where some come back, the rule behind it lives.
    let all = found(
        ":end - [0:0]\n-A FORWARD -p gre -j end\n-A FORWARD -d 10.2.0.1/32 -p gre -j ACCEPT\n\
         -A end -s 10.9.0.1/32 -j RETURN\n-A end -j DROP\n",
    );
    assert_eq!(told(&all), []);
}

/// Of later rules that do the same the one that suffices alone is named.
#[test]
fn one_that_suffices_is_named_alone() {
    let all = found(
        "-A FORWARD -s 10.2.0.0/24 -p tcp --dport 80 -j ACCEPT\n-A FORWARD -s 10.2.0.7/32 -p tcp -j ACCEPT\n\
         -A FORWARD -s 10.2.0.8/32 -p tcp -j ACCEPT\n-A FORWARD -s 10.2.0.0/16 -p tcp --dport 1:1023 -j ACCEPT\n",
    );
    assert_eq!(told(&all), [("PH402", 4, vec![7])]);
}

/// Translation behind a chain changes nothing in what comes to it.
#[test]
fn what_is_translated_later_comes_as_it_came() {
    let folder = Scratch::new("takers-nat");
    folder.write(
        "box.rules",
        "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n\
         -A POSTROUTING -d 10.0.0.42/32 -j SNAT --to-source 10.0.0.1\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n\
         :own - [0:0]\n:rest - [0:0]\n-A INPUT -i eth1 -j own\n-A INPUT -i eth1 -j rest\n\
         -A own -s 192.0.2.0/24 -j DROP\n-A rest -s 198.51.100.0/24 -p udp -j ACCEPT\n\
         -A rest -s 192.0.2.0/24 -p udp -j ACCEPT\nCOMMIT\n",
    );
    let report = check(&folder.0, &["--no-site", "--select", "PH401,PH403", "box.rules"]);
    assert_eq!(told(&report.findings), [("PH401", 14, vec![11])], "{}", report.told());
    assert!(report.findings[0].message.contains("comes to it"), "{}", report.told());
}

/// Packets that a rule of the chain has tagged are taken as they came.
#[test]
fn what_asks_for_a_tag_is_named() {
    let folder = Scratch::new("takers-tags");
    folder.write(
        "pf.conf",
        "block all\nmatch in on em0 proto tcp to port 25 tag MAIL\npass in quick tagged MAIL\n\
         pass in quick on em0 proto tcp to port 25\n",
    );
    let all = check(&folder.0, &["--no-site", "--select", "PH401,PH402,PH403", "pf.conf"]).findings;
    assert_eq!(told(&all), [("PH401", 4, vec![3])]);
}
