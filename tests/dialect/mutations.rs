//! Damaged configs end soon and in bounds: nothing that a file says takes the machine.
//!
//! `PINHOLE_MUTATIONS=10000 cargo test --release --test dialect mutations -- --nocapture` runs so many files of each
//! language, and says what the worst of them took.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]
#![expect(clippy::print_stdout, reason = "figures, for whoever asks with --nocapture")]
#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::{Scratch, folder};
use crate::took::{Took, took};

/// The languages, and how the names of their configs end.
const LANGUAGES: [(&str, &[&str]); 4] = [
    ("iptables", &["rules", "rules6"]),
    ("nftables", &["nft", "json"]),
    ("pf", &["conf", "pf", "in", "ok"]),
    ("asa", &["cfg", "asa"]),
];

/// What one run may take: processor time, of which a debug build needs more, and memory in bytes.
const TIME: Duration = Duration::from_secs(if cfg!(debug_assertions) { 60 } else { 2 });
const MEMORY: u64 = 256 << 20;

/// How many configs were kept.
static FAULTS: AtomicUsize = AtomicUsize::new(0);

/// A packet of which `trace` tells the way.
const PACKET: &str = "src=192.0.2.1 dst=10.1.2.10 proto=tcp dport=1720 iif=eth0 oif=eth1";

/// Numbers that look random: a xorshift generator.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}

const WEDGES: [&[u8]; 12] =
    [b"{", b"}", b"\"", b"(", b"\\", b"!", b"$", b"\r", b"\0", b"99999999999999999999", b"-1", b"::/0"];

/// A text with a few faults of the kinds that editors, transfers and generators make.
fn damaged(text: &[u8], random: &mut Random) -> Vec<u8> {
    let mut text = text.to_vec();
    for _ in 0..1 + random.below(4) {
        let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
        let (a, b) = (random.below(lines.len()), random.below(lines.len()));
        let (at, other) = (random.below(text.len()), random.below(text.len()));
        text = match random.below(8) {
            0 => [&text[..at], &[random.below(256) as u8], &text[at..]].concat(),
            1 => [&text[..at], &text[(at + random.below(30)).min(text.len())..]].concat(),
            2 => [&text[..at], &text[other..(other + 80).min(text.len())], &text[at..]].concat(),
            3 => text[..at].to_vec(),
            4 => [&text[..at], WEDGES[random.below(WEDGES.len())], &text[at..]].concat(),
            5 => {
                let again = vec![lines[b]; 1 + random.below(100)];
                lines.splice(a..a, again);
                lines.join(&b'\n')
            }
            6 => {
                lines.remove(a);
                lines.join(&b'\n')
            }
            _ => {
                lines.swap(a, b);
                lines.join(&b'\n')
            }
        };
    }
    text
}

/// The configs of a language below a folder.
fn configs(folder: &Path, ends: &[&str], out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let end = path.extension().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            configs(&path, ends, out);
        } else if ends.contains(&&*end) {
            out.push(path);
        }
    }
}

/// The most that a run of a command took.
#[derive(Default)]
struct Worst {
    time: Duration,
    memory: u64,
}

/// Keeps a config that one command did not get along with, and says what happened.
fn fault(language: &str, text: &[u8], args: &[&str], took: &Took) -> Option<String> {
    if took.ended() && took.time <= TIME && took.memory <= MEMORY {
        return None;
    }
    let number = FAULTS.fetch_add(1, Ordering::Relaxed);
    let kept = std::env::temp_dir().join(format!("damaged-{}-{number}", std::process::id()));
    std::fs::write(&kept, text).unwrap();
    Some(format!("{args:?} of {} in {language}: {took:?}", kept.display()))
}

/// Puts damaged configs of one language to the commands, and says what the worst run of each took, and what was wrong.
fn worst(
    language: &str,
    originals: &[PathBuf],
    count: usize,
    mut random: Random,
) -> ([Worst; 3], Vec<String>) {
    let place = Scratch::new("mutations");
    let config = place.0.join("config");
    let mut worst: [Worst; 3] = Default::default();
    let mut faults = Vec::new();
    for _ in 0..count {
        let original = &originals[random.below(originals.len())];
        let text = damaged(&std::fs::read(original).unwrap(), &mut random);
        std::fs::write(&config, &text).unwrap();
        let commands =
            [&["check", "--no-site", "--format", "json"][..], &["model"], &["trace", "--packet", PACKET]];
        for (args, worst) in commands.into_iter().zip(&mut worst) {
            let took = took(&place.0, &[args, &["--dialect", language, "config"]].concat());
            faults.extend(fault(language, &text, args, &took));
            worst.time = worst.time.max(took.time);
            worst.memory = worst.memory.max(took.memory);
        }
    }
    (worst, faults)
}

#[test]
fn damaged_configs_end_soon_and_in_bounds() {
    let count: usize = std::env::var("PINHOLE_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(4);
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let faults = std::thread::scope(|scope| {
        let languages = LANGUAGES.map(|(language, ends)| {
            scope.spawn(move || {
                let mut originals = Vec::new();
                configs(&folder("fixtures"), ends, &mut originals);
                let (worst, faults) = worst(language, &originals, count, Random(seed | 1));
                for (command, worst) in ["check", "model", "trace"].iter().zip(worst) {
                    let memory = worst.memory >> 20;
                    println!("{language}, {command}: {count} files, {:.2?}, {memory} MiB", worst.time);
                }
                faults
            })
        });
        languages.map(|language| language.join().unwrap()).concat()
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
