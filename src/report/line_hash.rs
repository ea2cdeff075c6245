//! Fingerprints of lines, by which code scanning follows a finding from commit to commit.

use rustc_hash::FxHashMap;

/// Units of text that one fingerprint is made from.
const BLOCK: usize = 100;
const BASE: u64 = 37;
/// What stands behind the text.
const END: u16 = u16::MAX;

/// The fingerprint of each line, as GitHub's code scanning computes `primaryLocationLineHash`: a rolling hash over the
/// hundred UTF-16 units from the start of the line that are no blanks, then `:n` for the n-th line that has it.
pub(super) fn line_hashes(text: &str) -> Vec<String> {
    let mut roll = Roll {
        window: [0; BLOCK],
        starts: [false; BLOCK],
        hash: 0,
        at: 0,
        seen: FxHashMap::default(),
        lines: Vec::new(),
    };
    let (mut line_start, mut after_return) = (true, false);
    let newline = u16::from(b'\n');
    for unit in text.encode_utf16().chain([END]) {
        let blank = unit == u16::from(b' ') || unit == u16::from(b'\t');
        if blank || after_return && unit == newline {
            after_return = false;
            continue;
        }
        after_return = unit == u16::from(b'\r');
        let unit = if after_return { newline } else { unit };
        roll.take(unit, line_start);
        line_start = unit == newline;
    }
    for _ in 0..BLOCK {
        roll.take(0, false);
    }
    roll.lines
}

struct Roll {
    window: [u16; BLOCK],
    /// Which places of the window are the first of a line.
    starts: [bool; BLOCK],
    hash: u64,
    at: usize,
    seen: FxHashMap<u64, usize>,
    lines: Vec<String>,
}

impl Roll {
    fn take(&mut self, unit: u16, starts_line: bool) {
        if self.starts[self.at] {
            let seen = self.seen.entry(self.hash).or_default();
            *seen += 1;
            self.lines.push(format!("{:x}:{seen}", self.hash));
        }
        self.starts[self.at] = starts_line;
        let gone = std::mem::replace(&mut self.window[self.at], unit);
        let weight = BASE.wrapping_pow(BLOCK as u32);
        self.hash = (self.hash.wrapping_mul(BASE).wrapping_add(unit.into()))
            .wrapping_sub(weight.wrapping_mul(gone.into()));
        self.at = (self.at + 1) % BLOCK;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_texts_have_the_known_hashes() {
        assert_eq!(line_hashes(""), ["c129715d7a2bc9a3:1"]);
    }

    #[test]
    fn blanks_and_line_ends_make_no_difference_and_equal_lines_are_numbered() {
        assert_eq!(line_hashes("a b\n\tc\n"), line_hashes("ab\r\nc\r\n"));
        let long = format!("{}\n", "x".repeat(200));
        let hashes = line_hashes(&long.repeat(3));
        let number = |line: usize| hashes[line].split_once(':').unwrap();
        assert_eq!(number(0).0, number(1).0);
        assert_eq!((number(0).1, number(1).1), ("1", "2"));
    }
}
