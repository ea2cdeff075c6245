//! Addresses and networks as pfctl reads them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::ast::{Af, Net};

impl Net {
    /// The network of an address, its host bits cleared.
    pub fn new(address: IpAddr, prefix: u8) -> Net {
        let address = match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from(u32::from(v4) & mask))
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from(u128::from(v6) & mask))
            }
        };
        Net { address, prefix }
    }

    /// The network of one address.
    pub fn host(address: IpAddr) -> Net {
        Net { address, prefix: Af::of(address).bits() }
    }

    /// Its family.
    pub fn af(self) -> Af {
        Af::of(self.address)
    }

    /// Whether it holds every address of its family.
    pub fn is_everything(self) -> bool {
        self.prefix == 0
    }

    /// The last address of the network.
    pub fn last(self) -> IpAddr {
        match self.address {
            IpAddr::V4(v4) => {
                let host = u32::MAX.checked_shr(u32::from(self.prefix)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from(u32::from(v4) | host))
            }
            IpAddr::V6(v6) => {
                let host = u128::MAX.checked_shr(u32::from(self.prefix)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from(u128::from(v6) | host))
            }
        }
    }
}

/// What a word says as an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parsed {
    /// An address or network; the scope of a link-local address is cut off.
    Net(Net),
    /// Made of digits and dots only, but no address: no name server will know it either.
    Malformed,
    /// The prefix is too long for the family.
    BadPrefix,
    /// No address.
    Other,
}

/// Reads `address` and an optional prefix length. Trailing octets of an IPv4 network may be left out where a
/// prefix is given: `10/8` (inet_net_pton(3)).
pub fn parse(word: &str, prefix: Option<i64>) -> Parsed {
    if !word.bytes().all(|b| b.is_ascii_digit() || b == b'.') || word.is_empty() {
        let bare = word.split_once('%').map_or(word, |(bare, _scope)| bare);
        return match bare.parse::<Ipv6Addr>() {
            Ok(v6) => finish(IpAddr::V6(v6), prefix),
            Err(_) => Parsed::Other,
        };
    }
    let mut octets = [0u8; 4];
    let mut count = 0;
    for octet in word.split('.') {
        match (octets.get_mut(count), octet.parse()) {
            (Some(place), Ok(octet)) => *place = octet,
            _ => return Parsed::Malformed,
        }
        count += 1;
    }
    if count < 4 && prefix.is_none() {
        return Parsed::Malformed;
    }
    finish(IpAddr::V4(Ipv4Addr::from(octets)), prefix)
}

fn finish(address: IpAddr, prefix: Option<i64>) -> Parsed {
    let bits = Af::of(address).bits();
    match prefix {
        None => Parsed::Net(Net::host(address)),
        Some(prefix) => match u8::try_from(prefix) {
            Ok(prefix) if prefix <= bits => Parsed::Net(Net::new(address, prefix)),
            _ => Parsed::BadPrefix,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(address: &str, prefix: u8) -> Parsed {
        Parsed::Net(Net { address: address.parse().unwrap(), prefix })
    }

    #[test]
    fn short_networks_and_host_bits() {
        assert_eq!(parse("10", Some(8)), net("10.0.0.0", 8));
        assert_eq!(parse("10.1", Some(8)), net("10.0.0.0", 8));
        assert_eq!(parse("192.168.37.29", Some(25)), net("192.168.37.0", 25));
        assert_eq!(parse("::1", Some(127)), net("::", 127));
        assert_eq!(parse("fe80::1%em0", None), net("fe80::1", 128));
        assert_eq!(parse("10.1", None), Parsed::Malformed);
        assert_eq!(parse("1.1.1.1.1", None), Parsed::Malformed);
        assert_eq!(parse("10.0.0.0", Some(161)), Parsed::BadPrefix);
        assert_eq!(parse("example.org", None), Parsed::Other);
    }

    #[test]
    fn last_address_of_a_network() {
        assert_eq!(
            Net::new("10.0.0.0".parse().unwrap(), 8).last(),
            "10.255.255.255".parse::<IpAddr>().unwrap()
        );
        assert_eq!(
            Net::new("0.0.0.0".parse().unwrap(), 0).last(),
            "255.255.255.255".parse::<IpAddr>().unwrap()
        );
        assert_eq!(Net::host("::1".parse().unwrap()).last(), "::1".parse::<IpAddr>().unwrap());
    }
}
