//! Hardware addresses in texts, and their stand-ins.

use rustc_hash::FxHashMap;

/// 00-00-5E-00-53-00 to -FF are for documentation (RFC 7042, section 2.1.2).
const FIRST: u64 = 0x0000_5e00_5300;
const COUNT: u64 = 256;
/// Addresses that nobody was given: the bit that says so is set.
const BEYOND: u64 = 0x0200_0000_0000;
/// The bit of addresses of groups.
const GROUP: u64 = 0x0100_0000_0000;
const BYTES: usize = 6;
/// The bytes of both addresses and of the type of a frame, as the kernel logs them.
const FRAME: usize = 14;

/// The stand-ins that were given out.
#[derive(Default)]
pub(super) struct Hardware {
    given: FxHashMap<u64, u64>,
}

impl Hardware {
    /// The address that starts at a byte of a text: where it ends, and what stands for it.
    pub(super) fn at(&mut self, text: &str, at: usize) -> Option<(usize, String)> {
        let bytes = text.as_bytes();
        if !bytes[at].is_ascii_hexdigit() {
            return None;
        }
        let written =
            pairs(bytes, at, b':').or_else(|| pairs(bytes, at, b'-')).or_else(|| fours(bytes, at))?;
        let said = &text[at..written.end];
        let digits: String = said.chars().filter(char::is_ascii_hexdigit).collect();
        let address = u64::from_str_radix(&digits, 16).ok()?;
        if keeps(address) {
            return Some((written.end, said.to_string()));
        }
        let next = self.given.len() as u64;
        let stand_in = if next < COUNT { FIRST + next } else { BEYOND + next };
        let digits = format!("{:012x}", *self.given.entry(address).or_insert(stand_in));
        let parts: Vec<&str> = (0..digits.len())
            .step_by(written.group)
            .map(|from| &digits[from..from + written.group])
            .collect();
        Some((written.end, parts.join(written.between)))
    }
}

/// How an address is written.
struct Written {
    end: usize,
    /// Digits that stand together.
    group: usize,
    between: &'static str,
}

/// Addresses of groups tell nobody anything, nor do masks.
fn keeps(address: u64) -> bool {
    address & GROUP != 0 || address.to_be_bytes()[2..].iter().all(|byte| matches!(byte, 0 | 0xff))
}

/// `00:11:22:33:44:55`, or the first of those that the kernel logs of a frame.
fn pairs(bytes: &[u8], at: usize, between: u8) -> Option<Written> {
    let count = groups(bytes, at, 2, between)?;
    let within = at >= 3 && bytes[at - 1] == between && bytes[at - 2].is_ascii_hexdigit();
    let fits = if within { count == FRAME - BYTES } else { count == BYTES || count == FRAME };
    fits.then_some(Written {
        end: at + 3 * BYTES - 1,
        group: 2,
        between: if between == b':' { ":" } else { "-" },
    })
}

/// `0011.2233.4455`.
fn fours(bytes: &[u8], at: usize) -> Option<Written> {
    let alone = at == 0 || bytes[at - 1] != b'.';
    (alone && groups(bytes, at, 4, b'.')? == 3).then_some(Written { end: at + 14, group: 4, between: "." })
}

/// How many groups of so many digits stand from a byte on, where nothing else of their kind is around them.
fn groups(bytes: &[u8], at: usize, digits: usize, between: u8) -> Option<usize> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    if at > 0 && is_word(&bytes[at - 1]) {
        return None;
    }
    let is_group = |from: usize| {
        bytes.get(from..from + digits).is_some_and(|some| some.iter().all(u8::is_ascii_hexdigit))
    };
    let (mut end, mut count) = (at, 0);
    while is_group(end) {
        (end, count) = (end + digits, count + 1);
        if bytes.get(end) != Some(&between) || !is_group(end + 1) {
            break;
        }
        end += 1;
    }
    let ends = bytes.get(end).is_none_or(|byte| !is_word(byte) && !matches!(byte, b':' | b'-'));
    let goes_on = bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(is_word);
    (ends && !goes_on).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> String {
        let mut hardware = Hardware::default();
        let (mut out, mut at) = (String::new(), 0);
        while at < text.len() {
            let (end, said) = hardware.at(text, at).unwrap_or_else(|| (at + 1, text[at..=at].to_string()));
            out += &said;
            at = end;
        }
        out
    }

    #[test]
    fn each_way_to_write_one_has_the_same_stand_in() {
        let text = "52:54:00:ab:cd:ef 52-54-00-AB-CD-EF, 5254.00ab.cdef. 52:54:00:00:00:01/ff:ff:ff:00:00:00";
        let told = "00:00:5e:00:53:00 00-00-5e-00-53-00, 0000.5e00.5300. 00:00:5e:00:53:01/ff:ff:ff:00:00:00";
        assert_eq!(all(text), told);
        let frame = "MAC=52:54:00:ab:cd:ef:52:54:00:00:00:01:08:00 SRC";
        assert_eq!(all(frame), "MAC=00:00:5e:00:53:00:00:00:5e:00:53:01:08:00 SRC");
    }

    #[test]
    fn what_is_none_stays() {
        for text in [
            "10:20:30",
            "01:00:5e:00:00:fb",
            "2001:db8:11:22:33:44:55:66",
            "11:22:33:44:55:66:77:88",
            "11:22:33:44:55::1",
            "1.2.3.4",
            "2026.1128.1000.1",
            "feed-dead-beef",
        ] {
            assert_eq!(all(text), text);
        }
    }
}
