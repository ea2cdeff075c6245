//! Damaged configs end soon and in bounds: nothing that a file says takes the machine.
//!
//! `PINHOLE_MUTATIONS=10000 cargo test --release --test dialect mutations` runs so many files.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]
#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::Scratch;

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

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let ends = path.extension().unwrap_or_default().to_string_lossy().to_string();
        if path.is_dir() {
            files(&path, out);
        } else if ["rules", "nft", "conf", "cfg", "in"].contains(&ends.as_str()) {
            out.push(path);
        }
    }
}

#[test]
fn damaged_configs_end_soon_and_in_bounds() {
    let count: usize = std::env::var("PINHOLE_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(12);
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let mut random = Random(seed | 1);
    let mut all = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"), &mut all);
    let place = Scratch::new("mutations");
    for _ in 0..count {
        let original = &all[random.below(all.len())];
        let path = place.0.join(original.file_name().unwrap());
        let text = damaged(&std::fs::read(original).unwrap(), &mut random);
        std::fs::write(&path, &text).unwrap();
        let packet = "src=192.0.2.1 dst=10.1.2.10 proto=tcp dport=1720 iif=eth0 oif=eth1";
        for args in [&["check", "--format", "json"][..], &["model"], &["trace", "--packet", packet]] {
            // The shell sets the bounds: CPU seconds, which a debug build needs more of, and KiB of memory.
            let seconds = if cfg!(debug_assertions) { 60 } else { 2 };
            let bounds = format!("ulimit -t {seconds}; ulimit -v 262144; exec \"$@\"");
            let output = Command::new("sh")
                .args(["-c", &bounds, "sh", env!("CARGO_BIN_EXE_pinhole")])
                .args(args)
                .arg(&path)
                .current_dir(&place.0)
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            let ended = output.status.code().is_some_and(|code| code <= 2) && !said.contains("panicked");
            assert!(ended, "seed {seed}: {args:?} of {}: {:?} {said}", path.display(), output.status);
        }
        std::fs::remove_file(&path).unwrap();
    }
}
