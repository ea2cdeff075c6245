//! Values of options: numbers, ports, addresses, as the libraries of iptables 1.8.9 read them.

use crate::dialect::names::{self, IcmpNameError};
use crate::packet::Family;

/// A number as `strtoul(…, 0)` reads it: `0x50` is 80, `010` is 8. The rest of the text comes back too.
pub(super) fn number_prefix(text: &str) -> Option<(u64, &str)> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', next, ..] if next.is_ascii_hexdigit() => (16, &digits[2..]),
        [b'0', ..] => (8, digits),
        _ => (10, digits),
    };
    let end = digits.bytes().position(|b| !(b as char).is_digit(radix)).unwrap_or(digits.len());
    if end == 0 {
        return None;
    }
    let value = digits[..end].bytes().try_fold(0u64, |sum, b| {
        sum.checked_mul(radix.into())?.checked_add((b as char).to_digit(radix)?.into())
    })?;
    Some((value, &digits[end..]))
}

/// A whole word as a number of at most `max`.
pub(super) fn number(text: &str, max: u64) -> Option<u64> {
    // Plain decimals first: nearly all are.
    let bytes = text.as_bytes();
    if let [b'1'..=b'9', rest @ ..] = bytes
        && rest.len() < 9
        && rest.iter().all(u8::is_ascii_digit)
    {
        let value = bytes.iter().fold(0u64, |sum, b| sum * 10 + u64::from(b - b'0'));
        return (value <= max).then_some(value);
    }
    match number_prefix(text)? {
        (value, "") if value <= max => Some(value),
        _ => None,
    }
}

/// A port: a number, or the name of a service of the transport.
pub(super) fn port(text: &str, transport: u8) -> Option<u16> {
    match number(text, 0xffff) {
        Some(port) => Some(port as u16),
        None => names::service(text, transport),
    }
}

/// The same for an option of the transport's own match: those of UDP and DCCP take the name of a service
/// of any transport.
fn own_port(text: &str, transport: u8) -> Option<u16> {
    port(text, transport).or_else(|| match transport {
        names::proto::UDP | names::proto::DCCP => names::any_service(text),
        _ => None,
    })
}

/// A port of a translation: a number, or a service of any transport.
pub(super) fn nat_port(text: &str) -> Option<u16> {
    number(text, 0xffff).map(|port| port as u16).or_else(|| names::any_service(text))
}

/// `port` or `low-high` of a translation, as `parse_ports` of libxt_NAT reads it: what does not begin with a
/// number is the name of one service, which may hold a hyphen, and ranges are of numbers.
pub(super) fn nat_port_range(text: &str) -> Option<(u16, u16)> {
    let whole = |text| number(text, 0xffff).map(|port| port as u16);
    match text.split_once('-') {
        Some((lo, hi)) if whole(lo).is_some() => whole(lo).zip(whole(hi)),
        _ => nat_port(text).map(|port| (port, port)),
    }
}

/// Why a range is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RangeError<'a> {
    /// This part is no value.
    Value(&'a str),
    /// The first is above the second.
    Reversed,
}

/// `a`, `a:b`, `a:` or `:b` as a port range.
pub(super) fn port_range(text: &str, transport: u8) -> Result<(u16, u16), RangeError<'_>> {
    let one = |text| own_port(text, transport).ok_or(RangeError::Value(text));
    let Some((lo, hi)) = text.split_once(':') else {
        return one(text).map(|port| (port, port));
    };
    let lo = if lo.is_empty() { 0 } else { one(lo)? };
    let hi = if hi.is_empty() { 0xffff } else { one(hi)? };
    if lo > hi { Err(RangeError::Reversed) } else { Ok((lo, hi)) }
}

/// `a`, `a:b`, `a:` or `:b` as a range of numbers up to `max`.
pub(super) fn range(text: &str, max: u64) -> Result<(u64, u64), RangeError<'_>> {
    let one = |text| number(text, max).ok_or(RangeError::Value(text));
    let Some((lo, hi)) = text.split_once(':') else {
        return one(text).map(|value| (value, value));
    };
    let lo = if lo.is_empty() { 0 } else { one(lo)? };
    let hi = if hi.is_empty() { max } else { one(hi)? };
    if lo > hi { Err(RangeError::Reversed) } else { Ok((lo, hi)) }
}

/// `value` or `value/mask`, 32 bits each; the mask is full where there is none.
pub(super) fn marked(text: &str) -> Option<(u32, u32)> {
    masked(text, u64::from(u32::MAX)).map(|(value, mask)| (value as u32, mask as u32))
}

/// `value` or `value/mask` up to `max`.
pub(super) fn masked(text: &str, max: u64) -> Option<(u64, u64)> {
    match text.split_once('/') {
        None => Some((number(text, max)?, max)),
        Some((value, mask)) => Some((number(value, max)?, number(mask, max)?)),
    }
}

/// An IPv4 address as iptables reads it: missing bytes at the end are zero, `010` is 8.
pub(super) fn address4(text: &str) -> Option<u32> {
    if let Some(address) = plain_address4(text.as_bytes()) {
        return Some(address);
    }
    let mut address = 0u32;
    for (count, part) in text.split('.').enumerate() {
        if count == 4 {
            return None;
        }
        address |= (number(part, 255)? as u32) << (24 - 8 * count);
    }
    Some(address)
}

/// The usual form: four decimal bytes without leading zeros.
fn plain_address4(text: &[u8]) -> Option<u32> {
    let (mut address, mut byte, mut digits, mut dots) = (0u32, 0u32, 0u8, 0u8);
    for b in text {
        match b {
            b'0'..=b'9' if digits < 3 && !(digits > 0 && byte == 0) => {
                byte = byte * 10 + u32::from(b - b'0');
                digits += 1;
            }
            b'.' if digits > 0 && dots < 3 => {
                address = address << 8 | byte;
                (byte, digits, dots) = (0, 0, dots + 1);
            }
            _ => return None,
        }
        if byte > 255 {
            return None;
        }
    }
    (dots == 3 && digits > 0).then_some(address << 8 | byte)
}

/// An address of a family, as a number.
pub(super) fn address(text: &str, family: Family) -> Option<u128> {
    match family {
        Family::V4 => address4(text).map(u128::from),
        Family::V6 => text.parse::<std::net::Ipv6Addr>().ok().map(u128::from),
    }
}

/// The mask of a prefix length.
pub(super) fn prefix_mask(family: Family, len: u32) -> u128 {
    let (lo, hi) = family.prefix(0, len);
    family.last() & !(lo ^ hi)
}

/// Why an address with a mask is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NetError {
    /// The address is none: the name of a host or network.
    Name,
    /// An address of the other family.
    Family,
    /// The mask is none.
    Mask,
}

/// `address[/mask]`, the mask a prefix length or an address; host bits are cleared.
pub(super) fn net(text: &str, family: Family) -> Result<(u128, u128), NetError> {
    let (host, mask) = match text.split_once('/') {
        None => (text, family.last()),
        Some((host, _)) if other_family(host, family) => return Err(NetError::Family),
        Some((host, mask)) => (host, self::mask(mask, family).ok_or(NetError::Mask)?),
    };
    match address(host, family) {
        Some(address) => Ok((address & mask, mask)),
        None if other_family(host, family) => Err(NetError::Family),
        None => Err(NetError::Name),
    }
}

/// Whether the text is an address of the family that is not `family`.
pub(super) fn other_family(text: &str, family: Family) -> bool {
    match family {
        Family::V4 => text.contains(':'),
        Family::V6 => text.contains('.') && address4(text).is_some(),
    }
}

/// A mask as prefix length or as address.
pub(super) fn mask(text: &str, family: Family) -> Option<u128> {
    if let Some(len) = number(text, family.bits().into()) {
        return Some(prefix_mask(family, len as u32));
    }
    match family {
        Family::V4 if text.bytes().filter(|b| *b == b'.').count() == 3 => address4(text).map(u128::from),
        Family::V4 => None,
        Family::V6 => address(text, family),
    }
}

/// Length of a mask whose ones all stand in front; `None` for others.
pub(super) fn prefix_len(mask: u128, family: Family) -> Option<u32> {
    let len = mask.count_ones();
    (prefix_mask(family, len) == mask).then_some(len)
}

/// TCP flags by name, as `--tcp-flags` takes them.
pub(super) fn tcp_flags(text: &str) -> Option<u8> {
    const NAMES: [(&str, u8); 8] =
        [("FIN", 1), ("SYN", 2), ("RST", 4), ("PSH", 8), ("ACK", 16), ("URG", 32), ("ALL", 63), ("NONE", 0)];
    let one =
        |word: &str| NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, bit)| *bit);
    text.split([',', ' ']).filter(|w| !w.is_empty()).try_fold(0, |bits, word| Some(bits | one(word)?))
}

/// A MAC address.
pub(super) fn mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        let part = parts.next()?;
        if part.is_empty() || part.len() > 2 {
            return None;
        }
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

/// A class of DSCP: `EF`, `BE`, `CS0`-`CS7`, `AF11`-`AF43`.
pub(super) fn dscp_class(text: &str) -> Option<u8> {
    let upper = text.to_ascii_uppercase();
    Some(match upper.as_bytes() {
        b"EF" => 46,
        b"BE" => 0,
        [b'C', b'S', class @ b'0'..=b'7'] => (class - b'0') << 3,
        [b'A', b'F', class @ b'1'..=b'4', drop @ b'1'..=b'3'] => (class - b'0') << 3 | (drop - b'0') << 1,
        _ => return None,
    })
}

/// What `--icmp-type` names: type, and codes `[lo, hi]`. Type 255 in IPv4 is any.
pub(super) fn icmp(text: &str, family: Family) -> Result<(u8, u8, u8), String> {
    let named = match family {
        Family::V4 if text.eq_ignore_ascii_case("any") => return Ok((255, 0, 255)),
        Family::V4 => names::icmp_v4(text),
        Family::V6 => names::icmp_v6(text),
    };
    match named {
        Ok(name) => return Ok((name.icmp_type, name.code.unwrap_or(0), name.code.unwrap_or(255))),
        Err(IcmpNameError::Ambiguous(a, b)) if !text.is_empty() => {
            return Err(format!("`{text}` may be the ICMP type `{a}` or `{b}`"));
        }
        Err(_) => {}
    }
    let parts = match text.split_once('/') {
        None => number(text, 255).map(|kind| (kind as u8, 0, 255)),
        Some((kind, code)) => {
            number(kind, 255).zip(number(code, 255)).map(|(t, c)| (t as u8, c as u8, c as u8))
        }
    };
    parts.ok_or_else(|| format!("`{text}` is no ICMP type"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::names::proto::{TCP, UDP};

    #[test]
    fn numbers_are_those_of_c() {
        assert_eq!(number("010", 255), Some(8));
        assert_eq!(number("0x50", 255), Some(80));
        assert_eq!(number("0", 255), Some(0));
        assert_eq!(number("256", 255), None);
        assert_eq!(number("08", 255), None);
        assert_eq!(number("0x", 255), None);
        assert_eq!(number("", 255), None);
        assert_eq!(number("-1", 255), None);
        assert_eq!(number("99999999999999999999999", u64::MAX), None);
    }

    #[test]
    fn port_ranges_may_be_open() {
        assert_eq!(port_range("1024:", TCP), Ok((1024, 65535)));
        assert_eq!(port_range(":1023", TCP), Ok((0, 1023)));
        assert_eq!(port_range("0x50:https", TCP), Ok((80, 443)));
        assert_eq!(port_range("65535:1024", TCP), Err(RangeError::Reversed));
        assert_eq!(port_range("h323hostcall", TCP), Err(RangeError::Value("h323hostcall")));
        assert_eq!(port_range("http", UDP), Ok((80, 80)), "as the library of UDP takes it");
        assert_eq!(port("http", UDP), None, "and that of multiport does not");
    }

    #[test]
    fn ports_of_translations_may_be_services_with_hyphens() {
        assert_eq!(nat_port_range("ftp-data"), Some((20, 20)));
        assert_eq!(nat_port_range("http-alt"), Some((8080, 8080)));
        assert_eq!(nat_port_range("80-90"), Some((80, 90)));
        assert_eq!(nat_port_range("tftp"), Some((69, 69)), "of any transport");
        for refused in ["http-https", "80-https", "http-100", "ftp-data-http", "", "-"] {
            assert_eq!(nat_port_range(refused), None, "{refused}");
        }
    }

    #[test]
    fn addresses_lose_host_bits_and_may_have_odd_masks() {
        assert_eq!(net("10.0.0.5/8", Family::V4), Ok((0x0a00_0000, 0xff00_0000)));
        assert_eq!(net("10.0.0.1/255.0.0.255", Family::V4), Ok((0x0a00_0001, 0xff00_00ff)));
        assert_eq!(net("010.1/16", Family::V4), Ok((0x0801_0000, 0xffff_0000)));
        assert_eq!(net("10.1.2.3", Family::V4), Ok((0x0a01_0203, 0xffff_ffff)));
        assert_eq!(net("0/0", Family::V4), Ok((0, 0)));
        assert_eq!(net("10.0.0.256", Family::V4), Err(NetError::Name));
        assert_eq!(net("10.0.0.0/33", Family::V4), Err(NetError::Mask));
        assert_eq!(net("2001:db8::1", Family::V4), Err(NetError::Family));
        assert_eq!(net("2001:db8::1/32", Family::V6), Ok((0x2001_0db8 << 96, prefix_mask(Family::V6, 32))));
        assert_eq!(net("::1/::ffff", Family::V6), Ok((1, 0xffff)));
    }

    #[test]
    fn icmp_types_by_name_and_number() {
        assert_eq!(icmp("any", Family::V4), Ok((255, 0, 255)));
        assert_eq!(icmp("host-prohibited", Family::V4), Ok((3, 10, 10)));
        assert_eq!(icmp("8/0", Family::V4), Ok((8, 0, 0)));
        assert!(icmp("echo-re", Family::V4).is_err());
        assert!(icmp("8/300", Family::V4).is_err());
        assert_eq!(icmp("135", Family::V6), Ok((135, 0, 255)));
    }

    #[test]
    fn classes_and_flags() {
        assert_eq!(dscp_class("af41"), Some(34));
        assert_eq!(dscp_class("CS3"), Some(24));
        assert_eq!(tcp_flags("FIN,SYN,RST,ACK"), Some(23));
        assert_eq!(tcp_flags("SYN,FOO"), None);
        assert_eq!(mac("00:60:08:76:35:51"), Some([0, 0x60, 8, 0x76, 0x35, 0x51]));
        assert_eq!(mac("00:60:08:76:35"), None);
    }
}
