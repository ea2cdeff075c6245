//! What reading, checking and tracing cost grows with the size of a config: each kind of text that could make it grow
//! faster, at one size and at four times that size, through the binary.
//!
//! `PINHOLE_GROWTH=10 cargo test --release --test dialect growth -- --nocapture` takes ten times the sizes, and says what
//! each kind took.

#![expect(clippy::print_stdout, reason = "figures, for whoever asks with --nocapture")]
#![cfg(target_os = "linux")]

mod asa;
mod iptables;
mod nftables;
mod pf;

use crate::common::Scratch;
use crate::took::{Took, took_exactly};

/// What four times the text may cost.
const MOST: f64 = 6.0;
/// What is no more than this is not held to the factor: the search for rules that do nothing grows faster until its limit on
/// work ends it.
const NOISE: f64 = if cfg!(debug_assertions) { 2.0 } else { 0.6 };
/// The memory that a run may take whatever it reads, and for each byte of the config.
const MEMORY: u64 = 256 << 20;
const MEMORY_EACH: u64 = 30;

/// A packet of which `trace` tells the way.
const PACKET: &str = "src=192.0.2.1 dst=10.1.2.10 proto=tcp dport=1720 iif=eth0 oif=eth1";
const COMMANDS: [&[&str]; 3] = [&["check", "--no-site"], &["model"], &["trace", "--packet", PACKET]];

/// A name, a size, and what makes the text.
type Kind = (&'static str, usize, fn(usize) -> String);

fn lines(n: usize, line: impl Fn(usize) -> String) -> String {
    (0..n).map(|at| line(at) + "\n").collect()
}

fn joined(n: usize, by: &str, item: impl Fn(usize) -> String) -> String {
    (0..n).map(item).collect::<Vec<_>>().join(by)
}

fn address(at: usize) -> String {
    format!("10.{}.{}.{}", at >> 16 & 255, at >> 8 & 255, at & 255)
}

/// What a run takes, and what is wrong with that.
fn held(folder: &Scratch, dialect: &str, command: &[&str], text: &str) -> (Took, Option<String>) {
    folder.write("config", text);
    let took = took_exactly(&folder.0, &[command, &["--dialect", dialect, "config"]].concat());
    let most = MEMORY + MEMORY_EACH * text.len() as u64;
    let wrong = if !took.ended() {
        Some(format!("{took:?}"))
    } else if took.memory > most {
        Some(format!("{} MiB for {} KiB of text", took.memory >> 20, text.len() >> 10))
    } else {
        None
    };
    (took, wrong)
}

/// Puts each kind of one language to the commands at a size and at four times that size.
fn grows(dialect: &str, kinds: &[&[Kind]]) {
    let folder = Scratch::new("growth");
    let times: usize = std::env::var("PINHOLE_GROWTH").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let mut wrong = Vec::new();
    for (name, n, make) in kinds.iter().copied().flatten() {
        let (small, large) = (make(n * times), make(4 * n * times));
        for command in COMMANDS {
            let (one, _) = held(&folder, dialect, command, &small);
            let (four, fault) = held(&folder, dialect, command, &large);
            let (less, more) = (one.time.as_secs_f64(), four.time.as_secs_f64());
            let what = format!("{dialect}, {name}, {}: {less:.2} s, then {more:.2} s", command[0]);
            println!("{what}, {} MiB for {} KiB", four.memory >> 20, large.len() >> 10);
            if let Some(fault) = fault {
                wrong.push(format!("{what}: {fault}"));
            }
            if more > NOISE && more > MOST * less.max(NOISE / MOST) {
                wrong.push(what);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn iptables() {
    grows("iptables", &[iptables::DUMPS, iptables::SCRIPTS]);
}

#[test]
fn nftables() {
    grows("nftables", &[nftables::COMMANDS, nftables::SETS, nftables::CHAINS, nftables::JSON]);
}

#[test]
fn pf() {
    grows("pf", &[pf::UNREAD, pf::UNKNOWN, pf::LISTS, pf::RULES, pf::NAMES]);
}

#[test]
fn asa() {
    grows("asa", &[asa::INTERFACES, asa::LISTS, asa::OBJECTS]);
}
