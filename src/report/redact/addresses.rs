//! Addresses in texts, and their stand-ins.

use std::net::{Ipv4Addr, Ipv6Addr};

use rustc_hash::FxHashMap;

/// The longest text of an IPv6 address.
const LONGEST: usize = 45;
/// 198.18.0.0/15, by its /24s.
const FIRST: u32 = 0xc6_12_00;
const COUNT: u32 = 512;
/// 240.0.0.0/4, which nobody has, for what is beyond.
const BEYOND: u32 = 0xf0_00_00;
const BEYOND_COUNT: u32 = 1 << 20;
/// 2001:db8::/32, by its /64s.
const FIRST_SIX: u64 = 0x2001_0db8_0000_0000;
/// Interface identifiers below are numbers that people gave; those above may tell a device.
const LOW: u64 = 0x1_0000;

/// The stand-ins that were given out.
#[derive(Default)]
pub(super) struct Addresses {
    /// By /24.
    four: FxHashMap<u32, u32>,
    given: u32,
    /// By /64.
    six: FxHashMap<u64, u64>,
    given_six: u64,
    /// By /64 and interface identifier.
    ends: FxHashMap<(u64, u64), u64>,
}

impl Addresses {
    /// The address that starts at a byte of a text: where it ends, and what stands for it.
    pub(super) fn at(&mut self, text: &str, at: usize) -> Option<(usize, String)> {
        if let Some((end, address)) = six(text, at) {
            return Some((end, self.six(address).to_string()));
        }
        let (end, address) = four(text.as_bytes(), at)?;
        match keeps(address) {
            true => Some((end, text[at..end].to_string())),
            false => Some((end, self.four(address).to_string())),
        }
    }

    fn four(&mut self, address: Ipv4Addr) -> Ipv4Addr {
        let (network, last) = (address.to_bits() >> 8, address.to_bits() & 0xff);
        let given = &mut self.given;
        let stand_in = *self.four.entry(network).or_insert_with(|| {
            loop {
                let free = match *given {
                    number if number < COUNT => FIRST + number,
                    number => BEYOND + (number - COUNT) % BEYOND_COUNT,
                };
                *given += 1;
                if free != network {
                    break free;
                }
            }
        });
        Ipv4Addr::from_bits(stand_in << 8 | last)
    }

    fn six(&mut self, address: Ipv6Addr) -> Ipv6Addr {
        if address.is_unspecified() || address.is_loopback() || address.is_multicast() {
            return address;
        }
        let (network, end) = ((address.to_bits() >> 64) as u64, address.to_bits() as u64);
        let given = &mut self.given_six;
        let stand_in = *self.six.entry(network).or_insert_with(|| {
            *given += 1;
            if FIRST_SIX | *given == network {
                *given += 1;
            }
            FIRST_SIX | *given & 0xffff_ffff
        });
        let next = LOW + self.ends.len() as u64;
        let end = if end < LOW { end } else { *self.ends.entry((network, end)).or_insert(next) };
        Ipv6Addr::from_bits(u128::from(stand_in) << 64 | u128::from(end))
    }
}

/// What tells nobody anything: no address, this host, multicast, everybody, and masks of either kind.
fn keeps(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    let is_mask = bits.leading_ones() + bits.trailing_zeros() >= 32;
    address.octets()[0] == 0 || address.is_loopback() || address.is_multicast() || is_mask
}

/// An IPv6 address that starts at a byte, and where it ends.
fn six(text: &str, at: usize) -> Option<(usize, Ipv6Addr)> {
    let bytes = text.as_bytes();
    let begins = bytes[at].is_ascii_hexdigit() || bytes[at..].starts_with(b"::");
    if !begins || at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_') {
        return None;
    }
    let is_part = |byte: &&u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let length = bytes[at..].iter().take(LONGEST).take_while(is_part).count();
    if bytes[at..at + length].iter().filter(|byte| **byte == b':').count() < 2 {
        return None;
    }
    (2..=length).rev().find_map(|length| Some((at + length, text[at..at + length].parse().ok()?)))
}

/// An IPv4 address that starts at a byte, and where it ends: four numbers, or fewer before the length of a prefix.
fn four(bytes: &[u8], start: usize) -> Option<(usize, Ipv4Addr)> {
    if !bytes[start].is_ascii_digit() || start > 0 && bytes[start - 1].is_ascii_digit() {
        return None;
    }
    let (mut octets, mut count, mut at) = ([0; 4], 0, start);
    loop {
        let length = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = bytes[at..at + length]
            .iter()
            .fold(0, |sum: u32, byte| sum.saturating_mul(10).saturating_add(u32::from(byte - b'0')));
        octets[count] = u8::try_from(number).ok().filter(|_| (1..=3).contains(&length))?;
        (count, at) = (count + 1, at + length);
        if count == 4 {
            return Some((at, octets.into()));
        }
        match bytes.get(at) {
            Some(b'.') => at += 1,
            Some(b'/') if count > 1 && length_of_prefix(&bytes[at + 1..]) => {
                return Some((at, octets.into()));
            }
            _ => return None,
        }
    }
}

fn length_of_prefix(bytes: &[u8]) -> bool {
    let length = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (1..=2).contains(&length) && !bytes.get(length).is_some_and(|byte| matches!(byte, b'.' | b'/'))
}
