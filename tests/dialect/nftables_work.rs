//! Work is bounded: what a few lines could blow up stops with a finding, and with verdicts that are open.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use crate::common;

use std::fmt::Write as _;
use std::path::Path;

use pinhole::analysis::{Trip, interpret};
use pinhole::dialect::{Dialect, Environment, Loaded, load};
use pinhole::model::{Verdict, Way};
use pinhole::packet::{Family, Field, Packet};
use pinhole::source::SourceMap;

use common::Scratch;

fn read(text: &str) -> Loaded {
    let mut sources = SourceMap::new();
    let id = sources.add("rules.nft", text.as_bytes().to_vec()).unwrap();
    load(Dialect::Nftables, &mut sources, &[id], &Environment::default())
}

fn read_file(path: &Path) -> Loaded {
    let mut sources = SourceMap::new();
    let id = sources.read(path, path).unwrap();
    load(Dialect::Nftables, &mut sources, &[id], &Environment::default())
}

fn lines(n: usize, line: impl Fn(usize) -> String) -> String {
    (0..n).fold(String::new(), |mut text, at| {
        let _ = writeln!(text, "{}", line(at));
        text
    })
}

fn table(inner: &str) -> String {
    format!("table inet t {{\n{inner}\n}}\n")
}

fn chain(rules: &str) -> String {
    format!("chain c {{\ntype filter hook forward priority 0; policy drop;\n{rules}\n}}")
}

/// Whether both ends are possible for a packet.
fn is_open(loaded: &Loaded) -> bool {
    let mut packet = Packet::new(Family::V4, 6);
    for (field, value) in [(Field::Src4, 0x0a00_0001), (Field::Dst4, 0x0a00_0002), (Field::Dport, 22)] {
        packet.set(field, value);
    }
    let trip = Trip { packet, way: Way::Forward, fwd_oif: None, loopback: false };
    let ends = interpret(&loaded.ruleset, &trip, &mut ());
    let accepts = |accept: bool| ends.iter().any(|end| (end.verdict == Verdict::Accept) == accept);
    accepts(true) && accepts(false)
}

fn stops(loaded: &Loaded) -> bool {
    loaded
        .findings
        .iter()
        .any(|finding| finding.code() == "PH006" || finding.message.contains("not read to its end"))
}

#[test]
fn what_a_few_lines_blow_up_stops_and_stays_open() {
    let base = table(&chain("tcp dport 22 accept"));
    let doubling = |first: &str, sign: &str, last: &str| {
        let more = lines(30, |at| format!("define v{} = {}", at + 1, sign.replace('$', &format!("$v{at}"))));
        format!("define v0 = {first}\n{more}{}", table(&chain(&last.replace('$', "$v30"))))
    };
    for text in [
        doubling("{ 22 }", "{ $, $ }", "tcp dport $ accept"),
        doubling("22", "$ | $", "tcp dport $ accept"),
        String::from("define v0 = 1\n")
            + &lines(5_000, |at| format!("define v{} = $v{at} | 1", at + 1))
            + &base,
    ] {
        let loaded = read(&text);
        assert!(stops(&loaded), "{:?}", loaded.findings);
        assert!(is_open(&loaded));
    }
    let ways = table(&chain(&lines(200, |_| "fib daddr type local ".repeat(11) + "accept")));
    let loaded = read(&ways);
    assert!(stops(&loaded) && is_open(&loaded));
    assert!(loaded.ruleset.rules() < 400_000);
    let moved = String::from("add table t\nadd chain t c\n")
        + &lines(9_000, |_| "insert rule t c index 0 accept".to_string()).replacen(
            "insert rule t c index 0",
            "add rule t c",
            1,
        );
    let loaded = read(&(moved + "add chain t c { type filter hook forward priority 0; policy drop; }\n"));
    assert!(stops(&loaded) && is_open(&loaded));
}

#[test]
fn includes_that_multiply_stop() {
    let folder = Scratch::new("multiply");
    for at in 0..15 {
        let next = format!("include \"f{}.nft\"\n", at + 1);
        folder.file(&format!("inside/f{at}.nft"), next.repeat(8));
    }
    folder.file("inside/f15.nft", table(&chain("tcp dport 22 accept")));
    let loaded = read_file(&folder.0.join("inside/f0.nft"));
    assert!(stops(&loaded) && is_open(&loaded));
    folder.file("inside/big.nft", format!("# {}\n", "x".repeat(1 << 20)));
    let text = "include \"big.nft\"\n".repeat(100) + &table(&chain("tcp dport 22 accept"));
    let loaded = read_file(&folder.file("inside/again.nft", &text));
    assert!(stops(&loaded) && is_open(&loaded));
}

#[test]
fn includes_stay_in_the_folder_of_the_config() {
    let folder = Scratch::new("outside");
    folder.write("secret", "token 4711\n").write("inside/near.nft", table(&chain("tcp dport 22 accept")));
    let link = folder.0.join("inside/link.nft");
    std::os::unix::fs::symlink(folder.0.join("secret"), &link).unwrap();
    let pipe = folder.0.join("inside/pipe.nft");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for name in [
        "../secret",
        "link.nft",
        "/proc/self/environ",
        "/proc/kmsg",
        "/dev/zero",
        "/dev/stdin",
        "pipe.nft",
        "/etc/*",
    ] {
        let text = format!("include \"{name}\"\n{}", table(&chain("tcp dport 22 accept")));
        let loaded = read_file(&folder.file("inside/main.nft", &text));
        let found: Vec<_> = loaded.findings.iter().filter(|finding| finding.code() < "PH1").collect();
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        assert_eq!(found[0].code(), "PH003", "{name}");
        assert!(!format!("{found:?}").contains("4711"));
    }
    let loaded =
        read_file(&folder.file("inside/main.nft", "include \"./near.nft\"\ninclude \"../inside/*.none\"\n"));
    assert!(loaded.findings.iter().all(|finding| finding.code() >= "PH1"), "{:?}", loaded.findings);
}
