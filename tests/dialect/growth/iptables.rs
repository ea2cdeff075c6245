//! What a dump of iptables, or a script that calls it, can hold many of.

use super::{Kind, address, lines};

fn dump(rules: String) -> String {
    format!("*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n{rules}COMMIT\n")
}

fn script(lines: String) -> String {
    format!("#!/bin/sh\n{lines}")
}

/// Matches of which each can hold in several ways.
const MANY_WAYS: &str = " -m conntrack ! --ctstate SNAT,DNAT -m helper ! --helper x -m owner ! --uid-owner 1";

pub(super) const DUMPS: &[Kind] = &[
    ("rules", 2000, |n| dump(lines(n, |at| format!("-A FORWARD -d {}/32 -p tcp -j ACCEPT", address(at))))),
    ("ports", 500, |n| {
        dump(lines(n, |at| format!("-A FORWARD -p tcp -m tcp --dport {}:{} -j ACCEPT", at + 1, at + 900)))
    }),
    ("strings", 300, |n| {
        dump(lines(n, |at| format!("-A FORWARD -p tcp -m string --algo bm --string s{at} -j ACCEPT")))
    }),
    ("strings that drop", 300, |n| {
        dump(lines(n, |at| format!("-A FORWARD -p tcp -m string --algo bm --string s{at} -j DROP")))
    }),
    ("host names", 300, |n| dump(lines(n, |at| format!("-A FORWARD -s h{at}.example.com -j ACCEPT")))),
    ("unknown options", 300, |n| dump(lines(n, |at| format!("-A FORWARD --frob{at} 5 -j DROP")))),
    ("limits and marks", 200, |n| {
        dump(lines(n, |at| {
            format!(
                "-A FORWARD -s {} -m limit --limit {}/s -j MARK --set-xmark {at:#x}/0xffffffff\n\
                 -A FORWARD -m mark --mark {at:#x} -j ACCEPT",
                address(at),
                at + 1
            )
        }))
    }),
    ("negated alternatives", 200, |n| dump(lines(n, |_| format!("-A INPUT{} -j DROP", MANY_WAYS.repeat(8))))),
    ("one rule of negated alternatives", 6, |n| dump(format!("-A INPUT{} -j DROP\n", MANY_WAYS.repeat(n)))),
    ("chains that jump twice", 500, |n| {
        dump(
            lines(n, |at| format!(":c{at} - [0:0]"))
                + "-A FORWARD -j c0\n"
                + &lines(n - 1, |at| {
                    format!("-A c{at} -s 10.0.0.{0} -j c{1}\n-A c{at} -j c{1}", at % 256, at + 1)
                }),
        )
    }),
    ("tables restored again", 600, |n| "*filter\n-A INPUT -j DROP\nCOMMIT\n".repeat(n)),
    ("a listing", 600, |n| {
        let head = "(1 references)\n pkts bytes target prot opt in out source destination\n";
        lines(n, |at| {
            format!("Chain c{at} {head}    0     0 DROP  6  --  *  *  10.0.0.1  0.0.0.0/0  tcp dpt:22\n")
        })
    }),
];

pub(super) const SCRIPTS: &[Kind] = &[
    ("doubling variables", 300, |n| {
        let rules = lines(n, |_| "iptables -A INPUT -s $A -j DROP".to_string());
        script(format!("A=x\n{}{rules}", "A=\"$A$A\"\n".repeat(40)))
    }),
    // More commands than are followed, whatever stands behind them.
    ("loops in loops", 20, |n| {
        let open = "for a in 1 2 3 4 5 6 7 8 9; do\n".repeat(8);
        script(format!("{open}iptables -A INPUT -s 10.0.0.$a\n{}", "done\n".repeat(8)).repeat(n))
    }),
    ("here-documents", 500, |n| {
        script("iptables-restore <<E\n*filter\n-A INPUT -m state --state NEW -j DROP\nCOMMIT\nE\n".repeat(n))
    }),
    ("open here-documents", 600, |n| script(lines(n, |at| format!("cat <<E{at}")))),
    ("appended, then deleted", 1000, |n| {
        let rule = |at: usize| format!("INPUT -p tcp --dport {at} -s {} -j DROP", address(at));
        script(
            lines(n, |at| format!("iptables -A {}", rule(at)))
                + &lines(n, |at| format!("iptables -D {}", rule(n - 1 - at))),
        )
    }),
    ("looked for, then appended", 500, |n| {
        script(lines(n, |at| format!("iptables -C INPUT -s {0} || iptables -A INPUT -s {0}", address(at))))
    }),
    ("put in between", 600, |n| script(lines(n, |at| format!("iptables -I INPUT {} -j DROP", at / 2 + 1)))),
    ("chains that come and go", 500, |n| {
        script(lines(n, |at| format!("iptables -N c{at}\niptables -E c{at} d{at}\niptables -F\niptables -X")))
    }),
    ("chains that stay", 500, |n| {
        script(lines(n, |at| format!("iptables -N c{at}\niptables -E c{at} d{at}\niptables -X")))
    }),
    ("many chains, many flushes", 600, |n| {
        script(
            lines(n, |at| format!("iptables -N c{at}"))
                + &lines(n, |_| "iptables -F\niptables -A INPUT".to_string()),
        )
    }),
    ("functions that are called", 600, |n| {
        script(
            lines(n, |at| format!("f{at}() {{ iptables -A INPUT -p $1 -j DROP; }}"))
                + &lines(n, |at| format!("f{at} tcp")),
        )
    }),
];
