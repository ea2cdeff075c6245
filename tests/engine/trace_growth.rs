//! `trace` ends soon and in bounds, however many ways a packet may take: what it cannot follow is said, and open.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]
#![cfg(target_os = "linux")]

use crate::common;

use std::process::{Command, Stdio};

use common::Scratch;

const PACKET: &str = "hook=input src=192.0.2.1 dst=10.1.2.10 proto=tcp dport=22 iif=eth0";

/// Chains each of which jumps to the next by several rules.
fn ladder(table: &str, chains: usize, rungs: impl Fn(usize) -> String) -> String {
    let mut text = format!("*{table}\n:INPUT DROP [0:0]\n");
    (0..chains).for_each(|at| text += &format!(":c{at} - [0:0]\n"));
    text += "-A INPUT -j c0\n";
    (0..chains).for_each(|at| text += &rungs(at));
    text + "COMMIT\n"
}

/// What is printed of the packet's way, in 20 s of CPU, which a debug build needs more of than a user's, and 256 MiB.
fn traced(name: &str, text: &str, format: &str) -> String {
    let folder = Scratch::new(name);
    folder.write("rules", text);
    let output = Command::new("sh")
        .args(["-c", "ulimit -t 20; ulimit -v 262144; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_pinhole")])
        .args([
            "trace",
            "--no-site",
            "--dialect",
            "iptables",
            "--format",
            format,
            "--packet",
            PACKET,
            "rules",
        ])
        .current_dir(&folder.0)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{name} as {format}: {:?} {said}", output.status);
    assert!(output.stdout.len() < 1 << 20, "{name} as {format}: {} bytes", output.stdout.len());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn ways_that_multiply_are_bounded() {
    let plain =
        ladder("filter", 24, |at| format!("-A c{at} -j c{0}\n", at + 1).repeat(usize::from(at < 23) * 2));
    let asked = ladder("filter", 24, |at| {
        let next = if at < 23 { format!("c{}", at + 1) } else { "ACCEPT".to_string() };
        format!(
            "-A c{at} -m owner --uid-owner {at} -j {next}\n-A c{at} -m statistic --mode random -j {next}\n"
        )
    });
    let marked = ladder("mangle", 24, |at| {
        let mark =
            format!("-A c{at} -m statistic --mode random -j MARK --set-xmark {0:#x}/{0:#x}\n", 1u32 << at);
        let next = if at < 23 { format!("c{}", at + 1) } else { "DROP".to_string() };
        format!("{mark}-A c{at} -m statistic --mode random -j {next}\n-A c{at} -m cpu --cpu {at} -j {next}\n")
    });
    for (name, text) in [("plain", plain), ("asked", asked), ("marked", marked)] {
        for format in ["human", "jsonl"] {
            let printed = traced(name, &text, format);
            assert!(!printed.contains("no router"), "{printed}");
        }
    }
}

#[test]
fn rules_that_may_do_anything_are_bounded() {
    let refused = "-A INPUT -j NOWHERE\n-A OTHER -j NOWHERE\n".repeat(100);
    let text = format!(
        "*filter\n:INPUT DROP [0:0]\n:OTHER - [0:0]\n-A INPUT -j OTHER\n-A INPUT -j OTHER\n{refused}COMMIT\n"
    );
    let printed = traced("refused", &text, "jsonl");
    assert!(printed.contains("\"unknown\""), "{printed}");
}
