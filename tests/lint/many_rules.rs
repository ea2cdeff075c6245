//! Random rules in one long chain, in each language: what is dead in one is dead in all. Where packets are looked at once
//! (iptables, nftables), it is found out of every rule as well whether others do the same.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::common;

use crate::rng::Rng;
use common::{Scratch, check};

struct Net {
    address: u32,
    length: u32,
}

impl Net {
    fn random(rng: &mut Rng) -> Net {
        let length = rng.pick(&[8, 12, 16, 20, 24, 28, 32, 32]);
        let mask = u32::MAX << (32 - length);
        Net { address: (10 << 24 | rng.below(1 << 24)) & mask, length }
    }

    fn address(&self) -> std::net::Ipv4Addr {
        self.address.into()
    }

    fn prefix(&self) -> String {
        format!("{}/{}", self.address(), self.length)
    }

    fn of_asa(&self) -> String {
        match self.length {
            32 => format!("host {}", self.address()),
            length => format!("{} {}", self.address(), std::net::Ipv4Addr::from(u32::MAX << (32 - length))),
        }
    }
}

struct Rule {
    src: Net,
    dst: Net,
    protocol: &'static str,
    ports: (u32, u32),
    accept: bool,
}

impl Rule {
    fn random(rng: &mut Rng) -> Rule {
        let ports = match rng.below(3) {
            0 => rng.pick(&[22, 53, 80, 443, 1720, 5060].map(|port| (port, port))),
            1 => {
                let one = 1 + rng.below(65_535);
                (one, one)
            }
            _ => {
                let low = 1 + rng.below(65_534);
                (low, low + 1 + rng.below(65_535 - low))
            }
        };
        let (src, dst) = (Net::random(rng), Net::random(rng));
        Rule { src, dst, protocol: rng.pick(&["tcp", "udp"]), ports, accept: rng.one_in(2) }
    }

    fn ports(&self, between: &str) -> String {
        let (low, high) = self.ports;
        if low == high { low.to_string() } else { format!("{low}{between}{high}") }
    }
}

/// A config of one language: what stands before and after the rules, and how each is written.
struct Form {
    dialect: &'static str,
    head: &'static str,
    rule: fn(&Rule) -> String,
    tail: &'static str,
}

const FORMS: [Form; 4] = [
    Form {
        dialect: "iptables",
        head: "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n",
        rule: |rule| {
            let target = if rule.accept { "ACCEPT" } else { "DROP" };
            let (src, dst, protocol) = (rule.src.prefix(), rule.dst.prefix(), rule.protocol);
            format!("-A FORWARD -s {src} -d {dst} -p {protocol} --dport {} -j {target}", rule.ports(":"))
        },
        tail: "COMMIT\n",
    },
    Form {
        dialect: "nftables",
        head: "table ip filter {\nchain forward {\ntype filter hook forward priority 0; policy drop;\n",
        rule: |rule| {
            let verdict = if rule.accept { "accept" } else { "drop" };
            let (src, dst, protocol) = (rule.src.prefix(), rule.dst.prefix(), rule.protocol);
            format!("ip saddr {src} ip daddr {dst} {protocol} dport {} {verdict}", rule.ports("-"))
        },
        tail: "}\n}\n",
    },
    Form {
        dialect: "pf",
        head: "block all\npass out quick all\n",
        rule: |rule| {
            let action = if rule.accept { "pass" } else { "block" };
            let (src, dst, protocol) = (rule.src.prefix(), rule.dst.prefix(), rule.protocol);
            // Else it would be for the first packets of connections alone.
            let flags = if rule.accept && protocol == "tcp" { " flags any" } else { "" };
            let ports = rule.ports(":");
            format!("{action} in quick inet proto {protocol} from {src} to {dst} port {ports}{flags}")
        },
        tail: "",
    },
    Form {
        dialect: "asa",
        head: "interface Ethernet0\n nameif outside\n security-level 0\n ip address 203.0.113.1 255.255.255.0\n\
               interface Ethernet1\n nameif inside\n security-level 100\n ip address 10.0.0.1 255.0.0.0\n",
        rule: |rule| {
            let action = if rule.accept { "permit" } else { "deny" };
            let ports = match rule.ports {
                (low, high) if low == high => format!("eq {low}"),
                (low, high) => format!("range {low} {high}"),
            };
            let (src, dst, protocol) = (rule.src.of_asa(), rule.dst.of_asa(), rule.protocol);
            format!("access-list in extended {action} {protocol} {src} {dst} {ports}")
        },
        tail: "access-group in in interface outside\n",
    },
];

/// The rules that a config's report calls dead, by their place among them.
fn dead(form: &Form, rules: &[Rule], folder: &Scratch) -> BTreeSet<usize> {
    let mut text = form.head.to_string();
    for rule in rules {
        writeln!(text, "{}", (form.rule)(rule)).unwrap();
    }
    text.push_str(form.tail);
    folder.write(form.dialect, text);
    let findings = check(&folder.0, &["--no-site", "--dialect", form.dialect, form.dialect]).findings;
    let (left, found): (Vec<_>, Vec<_>) =
        findings.iter().partition(|finding| finding.message.contains("not examined"));
    let is_looked_at_once = ["iptables", "nftables"].contains(&form.dialect);
    assert!(left.is_empty() || !is_looked_at_once, "{}: {}", form.dialect, left[0].message);
    let first = form.head.lines().count() + 1;
    let of_dead = found.into_iter().filter(|finding| ["PH401", "PH403", "PH406"].contains(&&*finding.code));
    // One finding speaks of all that are dead for one reason.
    let places = of_dead.flat_map(|finding| {
        let others = finding.related.iter().filter(|place| place.message.contains("for the same reason"));
        finding.line.into_iter().chain(others.filter_map(|place| place.line)).collect::<Vec<_>>()
    });
    places.map(|line| line - first).collect()
}

#[test]
fn the_same_rules_of_a_long_list_are_dead_in_each_language() {
    let folder = Scratch::new("many-rules");
    let mut rng = Rng(0x6c69_7374);
    let rules: Vec<Rule> = (0..12_000).map(|_| Rule::random(&mut rng)).collect();
    let found: Vec<BTreeSet<usize>> = FORMS.iter().map(|form| dead(form, &rules, &folder)).collect();
    assert!(found[0].len() > 20, "{} dead rules of {}", found[0].len(), rules.len());
    for (form, other) in FORMS.iter().zip(&found).skip(1) {
        let differ: Vec<&usize> = other.symmetric_difference(&found[0]).collect();
        assert!(differ.is_empty(), "{}: {differ:?} are dead in one language alone", form.dialect);
    }
}
