//! What `check` costs grows with the size of a config: each kind of text that could make it grow faster, at one size
//! and at four times that size, in processor time and within 512 MiB of addresses.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]
#![cfg(target_os = "linux")]

use crate::common;

use std::process::{Command, Stdio};

use common::Scratch;

/// What four times the text may cost.
const MOST: f64 = 6.0;
/// What is no more than this is noise: ticks of the system, and what a run costs whatever it reads.
const NOISE: f64 = if cfg!(debug_assertions) { 0.6 } else { 0.15 };

/// Dialect, name, size, and what makes the text.
type Kind = (&'static str, &'static str, usize, fn(usize) -> String);

fn lines(n: usize, line: impl Fn(usize) -> String) -> String {
    (0..n).map(|at| line(at) + "\n").collect()
}

fn listed(n: usize, item: impl Fn(usize) -> String) -> String {
    (0..n).map(item).collect::<Vec<_>>().join(" ")
}

fn address(at: usize) -> String {
    format!("10.{}.{}.{}", at >> 16 & 255, at >> 8 & 255, at & 255)
}

fn dump(rules: String) -> String {
    format!("*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n{rules}COMMIT\n")
}

fn script(lines: String) -> String {
    format!("#!/bin/sh\n{lines}")
}

fn interface(at: usize) -> String {
    format!(
        "interface GigabitEthernet0/{at}\n nameif if{at}\n security-level {}\n ip address {} 255.255.255.0",
        at % 101,
        address(at << 8)
    )
}

/// Each rule hangs on something of its own that the file does not tell.
const CONDITIONS: &[Kind] = &[
    ("iptables", "strings", 300, |n| {
        dump(lines(n, |at| format!("-A FORWARD -p tcp -m string --algo bm --string s{at} -j ACCEPT")))
    }),
    ("iptables", "strings that drop", 300, |n| {
        dump(lines(n, |at| format!("-A FORWARD -p tcp -m string --algo bm --string s{at} -j DROP")))
    }),
    ("iptables", "host names", 300, |n| {
        dump(lines(n, |at| format!("-A FORWARD -s h{at}.example.com -j ACCEPT")))
    }),
    ("iptables", "unknown options", 300, |n| dump(lines(n, |at| format!("-A FORWARD --frob{at} 5 -j DROP")))),
    ("iptables", "negated alternatives", 200, |n| {
        let one = " -m conntrack ! --ctstate SNAT,DNAT -m helper ! --helper x -m owner ! --uid-owner 1";
        dump(lines(n, |_| format!("-A INPUT{} -j DROP", one.repeat(8))))
    }),
    ("nftables", "owners", 300, |n| {
        let rules = lines(n, |at| format!("tcp dport 22 meta skuid {at} accept"));
        format!(
            "table inet t {{ chain c {{ type filter hook output priority 0; policy drop;\n{rules}}}; }}\n"
        )
    }),
    ("pf", "owners and chances", 300, |n| {
        lines(n, |at| {
            format!(
                "pass out proto tcp to port {0} user u{1}\npass in proto tcp to port {0} probability 10%",
                at + 1,
                at % 8
            )
        })
    }),
    ("pf", "a mixture", 150, |n| {
        lines(n, |at| match at % 4 {
            0 => format!("pass in from (lo{at}) to no-route"),
            1 => format!("pass in from <t{at}> to (em{at})"),
            2 => "block in from urpf-failed".to_string(),
            _ => format!("pass in from ! <t{at}> to em{at}:network"),
        })
    }),
    ("pf", "translation anchors", 30, |n| {
        let ports = listed(n, |at| (10 * at + 1).to_string());
        format!(
            "nat-anchor \"n/*\" proto tcp from (em0) port {{ {ports} }} to (em1) port {{ {ports} }}\n\
             rdr-anchor \"r/*\" proto tcp from (em0) to (em1) port {{ {ports} }}\npass in\n"
        )
    }),
];

/// Text that is put together, taken apart, or multiplied.
const TEXTS: &[Kind] = &[
    ("iptables", "doubling variables", 300, |n| {
        let rules = lines(n, |_| "iptables -A INPUT -s $A -j DROP".to_string());
        script(format!("A=x\n{}{rules}", "A=\"$A$A\"\n".repeat(30)))
    }),
    ("iptables", "here-documents", 500, |n| {
        script("iptables-restore <<E\n*filter\n-A INPUT -m state --state NEW -j DROP\nCOMMIT\nE\n".repeat(n))
    }),
    ("iptables", "appended, then deleted", 1000, |n| {
        let rule = |at: usize| format!("INPUT -p tcp --dport {at} -s {} -j DROP", address(at));
        script(
            lines(n, |at| format!("iptables -A {}", rule(at)))
                + &lines(n, |at| format!("iptables -D {}", rule(n - 1 - at))),
        )
    }),
    ("iptables", "chains that come and go", 500, |n| {
        script(lines(n, |at| format!("iptables -N c{at}\niptables -E c{at} d{at}\niptables -F\niptables -X")))
    }),
    ("nftables", "tables", 1000, |n| lines(n, |at| format!("table ip t{at} {{ chain c {{ accept; }}; }}"))),
    ("nftables", "base chains", 100, |n| {
        lines(n, |at| {
            format!(
                "table ip t{at} {{ chain c {{ type filter hook forward priority {at}; tcp dport {at} drop; }}; }}"
            )
        })
    }),
    ("nftables", "tables in JSON", 1000, |n| {
        let table = |at: usize| format!("{{\"table\": {{\"family\": \"ip\", \"name\": \"t{at}\"}}}}");
        format!("{{\"nftables\": [{}]}}", (0..n).map(table).collect::<Vec<_>>().join(",\n"))
    }),
    ("pf", "words that are no words", 5000, |n| "pass inn\n".repeat(n)),
    ("pf", "quotes that open", 3000, |n| "a = \"\n".repeat(n)),
    ("pf", "a product", 40, |n| {
        format!(
            "pass in from {{ {} }} to {{ {} }}\n",
            listed(n, address),
            listed(60, |at| address(at + 99_999))
        )
    }),
    ("pf", "tables", 500, |n| {
        lines(n, |at| format!("table <t{at}> {{ {} }}\npass in from <t{at}>", address(at)))
    }),
    ("pf", "antispoof", 200, |n| format!("antispoof for {{ {} }}\n", listed(n, |at| format!("em{at}")))),
    ("pf", "queues in circles", 500, |n| {
        let queues =
            lines(n, |at| format!("queue q{at} bandwidth 1% {{ q{} q{} }}", (at + 1) % n, (7 * at + 3) % n));
        format!("altq on em0 cbq bandwidth 1Gb queue {{ q0 }}\n{queues}")
    }),
    ("asa", "interfaces", 200, |n| lines(n, interface)),
];

/// The seconds of a word such as `0m0.25s`.
fn seconds(word: &str) -> f64 {
    let (minutes, seconds) = word.trim_end_matches('s').split_once('m').unwrap();
    60.0 * minutes.parse::<f64>().unwrap() + seconds.parse::<f64>().unwrap()
}

/// What a check of a text takes, in seconds of processor time: the shell tells what its children took.
fn cost(folder: &Scratch, (dialect, name, ..): &Kind, text: &str) -> f64 {
    folder.write("config", text);
    let script = "ulimit -t 60; ulimit -v 524288; \"$@\" >/dev/null; code=$?; times; exit $code";
    let output = Command::new("sh")
        .args(["-c", script, "sh", env!("CARGO_BIN_EXE_pinhole")])
        .args(["check", "--no-site", "--dialect", dialect, "config"])
        .env("MALLOC_ARENA_MAX", "1")
        .current_dir(&folder.0)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code().is_some_and(|code| code <= 2),
        "{dialect}, {name}: {:?} {said}",
        output.status
    );
    let times = String::from_utf8(output.stdout).unwrap();
    times.lines().nth(1).unwrap().split_whitespace().map(seconds).sum()
}

#[test]
fn four_times_the_text_costs_no_more_than_six_times_as_much() {
    let folder = Scratch::new("growth");
    let mut wrong = Vec::new();
    for kind in CONDITIONS.iter().chain(TEXTS) {
        let (dialect, name, n, make) = kind;
        let (small, large) = (make(*n), make(4 * n));
        let (one, four) = (cost(&folder, kind, &small), cost(&folder, kind, &large));
        if four > NOISE && four > MOST * one.max(NOISE / MOST) {
            wrong.push(format!("{dialect}, {name}: {one:.2} s, and four times as much {four:.2} s"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
