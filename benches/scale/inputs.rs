//! Configs of any size.

use std::fmt::Write;

use crate::rules::Rng;

/// The name of a file and its text, for a number of rules.
pub(crate) type Input = fn(usize) -> (&'static str, String);

/// A condition of its own on each rule, by kind.
pub(crate) const CONDITIONS: [(&str, Input); 11] = [
    ("iptables limit", |n| iptables(n, |at| format!("-m limit --limit {}/min", at + 1))),
    ("iptables statistic", |n| iptables(n, |_| "-m statistic --mode random --probability 0.5".to_string())),
    ("iptables set", |n| iptables(n, |at| format!("-m set --match-set s{at} src"))),
    ("iptables string", |n| iptables(n, |at| format!("-m string --algo bm --string \"word-{at}\""))),
    ("iptables limit and mark", marks),
    ("nftables limit", |n| nftables(n, |at| format!("limit rate {}/minute", at + 1))),
    ("nftables set", |n| nftables(n, |at| format!("ip saddr @s{at}"))),
    ("pf table", |n| pf(n, |at| (format!("<t{at}>"), String::new()))),
    ("pf user", |n| pf(n, |at| ("any".to_string(), format!(" user {}", 1000 + at)))),
    ("pf probability", |n| pf(n, |_| ("any".to_string(), " probability 50%".to_string()))),
    ("asa time-range", asa),
];

/// Other shapes that grow, and their sizes.
pub(crate) const SHAPES: [(&str, Input, &[usize]); 6] = [
    ("pf overlapping ranges", overlapping, &[100, 1000]),
    ("pf tags", tags, &[100, 1000]),
    ("nftables vmap to chains", vmap, &[60, 600]),
    ("asa static nat", static_nat, &[50, 500]),
    ("iptables two sets each", two_sets, &[16, 128]),
    ("pf users and ports", users, &[8, 48, 192]),
];

/// Accepts and drops in turn, so that each rule matters.
fn in_turn(at: usize, yes: &'static str, no: &'static str) -> &'static str {
    if at.is_multiple_of(2) { yes } else { no }
}

fn iptables(count: usize, condition: impl Fn(usize) -> String) -> (&'static str, String) {
    let mut text = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n".to_string();
    for at in 0..count {
        let target = in_turn(at, "ACCEPT", "DROP");
        writeln!(text, "-A FORWARD -p tcp {} -j {target}", condition(at)).unwrap();
    }
    ("a.rules", text + "COMMIT\n")
}

/// Each rule may set a mark, and each mark is accepted by a rule of its own.
fn marks(count: usize) -> (&'static str, String) {
    let mut text = "*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n\
                    :OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n"
        .to_string();
    for at in 0..count {
        writeln!(
            text,
            "-A FORWARD -m limit --limit {}/min -j MARK --set-xmark {:#x}/0xffffffff",
            at + 1,
            at + 1
        )
        .unwrap();
    }
    text += "COMMIT\n*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n";
    for at in 0..count {
        writeln!(
            text,
            "-A FORWARD -m mark --mark {:#x} -p tcp -m tcp --dport {} -j ACCEPT",
            at + 1,
            1024 + at
        )
        .unwrap();
    }
    ("a.rules", text + "COMMIT\n")
}

fn two_sets(count: usize) -> (&'static str, String) {
    iptables(count, |at| format!("-m set --match-set a{at} src -m set ! --match-set b{at} src"))
}

fn nftables(count: usize, condition: impl Fn(usize) -> String) -> (&'static str, String) {
    let mut text = "table inet f {\n".to_string();
    for at in 0..count {
        write!(text, "\tset s{at} {{\n\t\ttype ipv4_addr\n\t\tflags timeout\n\t}}\n").unwrap();
    }
    text += "\tchain forward {\n\t\ttype filter hook forward priority filter; policy drop;\n";
    for at in 0..count {
        writeln!(text, "\t\tmeta l4proto tcp {} {}", condition(at), in_turn(at, "accept", "drop")).unwrap();
    }
    ("a.nft", text + "\t}\n}\n")
}

/// A verdict map from ports to chains, of which each has a rule for some sources.
fn vmap(count: usize) -> (&'static str, String) {
    let mut text = "table inet f {\n".to_string();
    for at in 0..count {
        let source = std::net::Ipv4Addr::from(0xc000_0200 + at as u32);
        writeln!(text, "\tchain c{at} {{\n\t\tip saddr {source} drop\n\t\taccept\n\t}}").unwrap();
    }
    text += "\tchain forward {\n\t\ttype filter hook forward priority filter; policy drop;\n\t\ttcp dport vmap { ";
    let elements = (0..count).map(|at| format!("{} : jump c{at}", 1024 + at));
    text += &elements.collect::<Vec<_>>().join(", ");
    ("a.nft", text + " }\n\t}\n}\n")
}

/// The last rule that matches decides: of each, the source and what stands at its end.
fn pf(count: usize, rule: impl Fn(usize) -> (String, String)) -> (&'static str, String) {
    let mut text = String::new();
    for at in 0..count {
        if rule(at).0 != "any" {
            writeln!(text, "table <t{at}> persist").unwrap();
        }
    }
    text += "block all\npass out quick all\n";
    for at in 0..count {
        let (from, end) = rule(at);
        writeln!(text, "{} in proto tcp from {from} to any{end}", in_turn(at, "pass", "block")).unwrap();
    }
    ("a.pf.conf", text)
}

fn users(count: usize) -> (&'static str, String) {
    pf(count, |at| ("any".to_string(), format!(" port {} user {}", 1024 + at % 300, 1000 + at)))
}

fn overlapping(count: usize) -> (&'static str, String) {
    pf(count, |at| ("any".to_string(), format!(" port {}:{}", 1024 + 20 * at, 6024 + 20 * at)))
}

/// What comes in is tagged by its port, and goes out by its tag.
fn tags(count: usize) -> (&'static str, String) {
    let mut text = "block all\n".to_string();
    for at in 0..count {
        let (lo, hi) = (1024 + 20 * at, 1524 + 20 * at);
        writeln!(text, "pass in proto tcp from any to any port {lo}:{hi} tag T{at}").unwrap();
    }
    for at in 0..count {
        writeln!(text, "pass out proto tcp from any to any tagged T{at}").unwrap();
    }
    ("a.pf.conf", text)
}

const ASA: &str = "ASA Version 9.16(4)\ninterface GigabitEthernet0/0\n nameif outside\n security-level 0\n \
                   ip address 198.51.100.1 255.255.255.0\ninterface GigabitEthernet0/1\n nameif inside\n \
                   security-level 100\n ip address 10.1.2.1 255.255.255.0\n";

fn asa(count: usize) -> (&'static str, String) {
    let mut text = ASA.to_string();
    for at in 0..count {
        writeln!(text, "time-range t{at}\n periodic weekdays 8:00 to {}:{:02}", 9 + at % 12, at / 12 % 60)
            .unwrap();
    }
    for at in 0..count {
        let action = in_turn(at, "permit", "deny");
        writeln!(text, "access-list in extended {action} tcp any any time-range t{at}").unwrap();
    }
    ("a.cfg", text + "access-group in in interface outside\n")
}

fn static_nat(count: usize) -> (&'static str, String) {
    let mut text = ASA.to_string();
    for at in 0..count {
        let (real, mapped) = ((at / 200, at % 200 + 10), (at / 200, at % 200 + 10));
        writeln!(
            text,
            "object network n{at}\n host 10.1.{}.{}\n nat (inside,outside) static 203.0.{}.{}",
            real.0 + 2,
            real.1,
            mapped.0 + 113,
            mapped.1
        )
        .unwrap();
    }
    text += "access-list in extended permit ip any any\naccess-group in in interface outside\n";
    ("a.cfg", text)
}

/// Rules that draw networks, ports and protocols from everywhere.
pub(crate) fn random(count: usize) -> String {
    let mut rng = Rng(3);
    let mut text = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n".to_string();
    for _ in 0..count {
        let mut net = |least: u64| {
            let length = least + rng.below(33 - least);
            let bits = rng.below(1 << 32) as u32 & u32::MAX.checked_shl(32 - length as u32).unwrap_or(0);
            format!("{}/{length}", std::net::Ipv4Addr::from(bits))
        };
        let (src, dst) = (net(4), net(4));
        let first = rng.below(60_000) as u16;
        let last = first + [0, 0, 10, 1000, 5000][rng.below(5) as usize];
        let proto = ["tcp", "udp"][rng.below(2) as usize];
        let target = ["ACCEPT", "ACCEPT", "DROP"][rng.below(3) as usize];
        writeln!(
            text,
            "-A FORWARD -s {src} -d {dst} -p {proto} -m {proto} --dport {first}:{last} -j {target}"
        )
        .unwrap();
    }
    text + "COMMIT\n"
}
