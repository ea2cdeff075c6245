//! What reading takes of memory: 64 MiB and thirty times the file, for each kind of line that could take more.

#![cfg(target_os = "linux")]

use crate::common;

use std::process::{Command, Stdio};

use common::Scratch;

/// The program and its libraries, and the stacks of its threads, in KiB.
const PROGRAM: usize = 48 << 10;

fn lines(n: usize, line: impl Fn(usize) -> String) -> String {
    (0..n).map(line).collect()
}

fn listed(n: usize, item: impl Fn(usize) -> String) -> String {
    (0..n).map(item).collect::<Vec<_>>().join(", ")
}

fn address(at: usize) -> String {
    format!("10.{}.{}.{}", at >> 16 & 255, at >> 8 & 255, at & 255)
}

fn table(inner: &str, rules: &str) -> String {
    format!(
        "table inet t {{\n{inner}\nchain c {{\ntype filter hook forward priority 0; policy drop;\n{rules}\n}}\n}}\n"
    )
}

/// Files by name, of as many lines.
fn kinds(n: usize) -> Vec<(&'static str, &'static str, String)> {
    let shell = |text: String| format!("#!/bin/sh\n{text}");
    let dump = |text: String| format!("*filter\n{text}COMMIT\n");
    let owner =
        " -m conntrack ! --ctstate SNAT,DNAT -m helper ! --helper x -m owner ! --uid-owner 1".repeat(8);
    let set = format!("set s {{ type ipv4_addr; elements = {{ {} }}; }}", listed(n, |at| address(2 * at)));
    let targets = lines(n, |at| format!("chain c{at} {{ accept; }}\n"));
    vec![
        (
            "iptables",
            "appended, then deleted",
            shell(
                lines(n, |at| format!("iptables -A INPUT -p tcp --dport {at}\n"))
                    + &lines(n, |at| format!("iptables -D INPUT -p tcp --dport {at}\n")),
            ),
        ),
        (
            "iptables",
            "chains",
            shell(lines(n, |at| format!("iptables -N c{at}\niptables -E c{at} d{at}\niptables -X\n"))),
        ),
        (
            "iptables",
            "here-documents",
            shell(lines(n, |_| {
                "iptables-restore <<E\n*filter\n-A INPUT -m state --state NEW -j DROP\nCOMMIT\nE\n"
                    .to_string()
            })),
        ),
        (
            "iptables",
            "doubling",
            shell(format!(
                "A=x\n{}{}",
                "A=\"$A$A\"\n".repeat(40),
                lines(n, |_| "iptables -A INPUT -s $A -j DROP\n".to_string())
            )),
        ),
        (
            "iptables",
            "loops",
            shell(format!(
                "{}iptables -A INPUT -s 10.0.0.$a\n{}",
                "for a in 1 2 3 4 5 6 7 8 9; do\n".repeat(8),
                "done\n".repeat(8)
            )),
        ),
        ("iptables", "negated", dump(lines(n, |_| format!("-A OUTPUT{owner} -j DROP\n")))),
        ("iptables", "restored again", lines(n, |_| dump("-A INPUT -j DROP\n".to_string()))),
        ("nftables", "tables", lines(n, |at| format!("table ip t{at} {{ chain c {{ accept; }}; }}\n"))),
        ("nftables", "lookups", table(&set, &lines(n, |at| format!("tcp dport {at} ip saddr @s accept\n")))),
        (
            "nftables",
            "jumps",
            table(
                &targets,
                &format!("ip saddr vmap {{ {} }}", listed(n, |at| format!("{} : jump c{at}", address(at)))),
            ),
        ),
        ("nftables", "ways", table("", &lines(n, |_| "fib daddr type local ".repeat(11) + "accept\n"))),
        (
            "nftables",
            "defines",
            format!(
                "define v0 = {{ 22 }}\n{}{}",
                lines(30, |at| format!("define v{} = {{ $v{at}, $v{at} }}\n", at + 1)),
                table("", "tcp dport $v30 accept")
            ),
        ),
        ("nftables", "braces", "{".repeat(10 * n)),
        (
            "nftables",
            "in JSON",
            format!(
                "{{\"nftables\": [{}]}}",
                listed(n, |at| format!("{{\"table\": {{\"family\": \"ip\", \"name\": \"t{at}\"}}}}"))
            ),
        ),
    ]
}

#[test]
fn reading_takes_memory_by_the_size_of_the_file() {
    let folder = Scratch::new("memory");
    for (dialect, kind, text) in kinds(4_000) {
        folder.write("config", &text);
        let most = PROGRAM + (64 << 10) + 30 * text.len() / 1024;
        let output = Command::new("sh")
            .args(["-c", &format!("ulimit -v {most}; exec \"$@\""), "sh", env!("CARGO_BIN_EXE_pinhole")])
            .args(["model", "--dialect", dialect, "config"])
            .current_dir(&folder.0)
            .env("MALLOC_ARENA_MAX", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let ended = output.status.code().is_some_and(|code| code <= 2) && !said.contains("panicked");
        assert!(ended, "{dialect}, {kind}: {:?} in {most} KiB: {said}", output.status);
    }
}
