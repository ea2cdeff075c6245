//! Names of interfaces as numbers.

use std::sync::{LazyLock, RwLock};

use rustc_hash::FxHashMap;

/// The names that are longer than their numbers, as they were met: `GigabitEthernet0/0`.
static LONG_NAMES: LazyLock<RwLock<FxHashMap<u128, Box<str>>>> = LazyLock::new(RwLock::default);
/// So many are kept; further ones are told by their beginning.
const MOST_LONG_NAMES: usize = 1 << 16;

/// An interface name as a number: its bytes, big-endian, padded with zeros to sixteen
/// (Linux and BSD names have at most fifteen). Longer names keep eight bytes and a hash of the rest.
pub fn interface(name: &str) -> u128 {
    let mut bytes = [0u8; 16];
    let raw = name.as_bytes();
    if raw.len() <= 16 {
        bytes[..raw.len()].copy_from_slice(raw);
    } else {
        bytes[..8].copy_from_slice(&raw[..8]);
        let hash = raw[8..].iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        bytes[8..].copy_from_slice(&hash.to_be_bytes());
        keep(u128::from_be_bytes(bytes), name);
    }
    u128::from_be_bytes(bytes)
}

/// Keeps the text of a name that its number does not hold.
fn keep(number: u128, name: &str) {
    if LONG_NAMES.read().is_ok_and(|known| known.contains_key(&number)) {
        return;
    }
    if let Ok(mut known) = LONG_NAMES.write()
        && known.len() < MOST_LONG_NAMES
    {
        known.insert(number, name.into());
    }
}

/// The interval of all interface names that start with `prefix` (at most fifteen bytes of it count).
pub fn interface_prefix(prefix: &str) -> (u128, u128) {
    let raw = &prefix.as_bytes()[..prefix.len().min(15)];
    let mut bytes = [0xffu8; 16];
    bytes[..raw.len()].copy_from_slice(raw);
    let mut low = [0u8; 16];
    low[..raw.len()].copy_from_slice(raw);
    (u128::from_be_bytes(low), u128::from_be_bytes(bytes))
}

/// The name that an interval of names is, or `name*` for all that start so; `None` where it is neither.
pub fn interface_pattern(low: u128, high: u128) -> Option<String> {
    if low == high {
        return Some(interface_name(low));
    }
    let (first, last) = (low.to_be_bytes(), high.to_be_bytes());
    let common = first.iter().zip(&last).take_while(|(a, b)| a == b).count();
    let prefix = std::str::from_utf8(first.get(..common)?).ok()?;
    (interface_prefix(prefix) == (low, high)).then(|| format!("{prefix}*"))
}

/// The name that [`interface`] made a number of.
pub fn interface_name(number: u128) -> String {
    if let Ok(known) = LONG_NAMES.read()
        && let Some(name) = known.get(&number)
    {
        return name.to_string();
    }
    let bytes = number.to_be_bytes();
    let text = String::from_utf8_lossy(&bytes);
    let name = text.trim_end_matches('\0');
    // More names than are kept. The hash that stands for the rest is hardly ever text.
    if name.chars().any(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
        return format!("{}…", String::from_utf8_lossy(&bytes[..8]));
    }
    name.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_they_went_in() {
        for name in ["eth0", "a", "sixteen-bytes-xx", "GigabitEthernet0/0/1", "Port-channel10.100"] {
            assert_eq!(interface_name(interface(name)), name);
        }
        assert_ne!(interface("GigabitEthernet0/0/1"), interface("GigabitEthernet0/0/2"));
    }
}
