//! Addresses, networks and ports as the site file writes them.

use std::net::IpAddr;

use toml::Spanned;
use toml::de::DeValue;

use super::Prefix;
use super::reader::{Placed, Problems, wrong_type};
use crate::ports::list;

/// An address of one machine.
pub(super) fn address(text: &Placed<String>, problems: &mut Problems) -> Option<IpAddr> {
    let help = match text.value.parse::<IpAddr>() {
        Ok(address) if address.is_unspecified() || address.is_multicast() => {
            "Write the address of one machine, such as `10.1.2.10`."
        }
        Ok(address) => return Some(address),
        Err(_) if text.value.contains('/') => "Write one address, without a prefix length.",
        Err(_) => "Write an address such as `10.1.2.10` or `2001:db8::10`.",
    };
    problems.add(&text.at, format!("`{}` is no address of a machine", text.value), "no address", help);
    None
}

/// A network such as `10.1.2.0/24`; an address alone is a network of one.
pub(super) fn network(text: &Placed<String>, problems: &mut Problems) -> Option<Prefix> {
    let prefix = interface_address(text, problems)?;
    let base = prefix.network().address;
    if base != prefix.address {
        problems.add(
            &text.at,
            format!("`{}` is no network: bits after the prefix are set", text.value),
            format!("the network is `{base}/{}`", prefix.length),
            format!("Write `{base}/{}`, or `{}` for the one address.", prefix.length, prefix.address),
        );
        return None;
    }
    Some(prefix)
}

/// An address of an interface with the length of its network, such as `10.1.2.1/24`.
pub(super) fn interface_address(text: &Placed<String>, problems: &mut Problems) -> Option<Prefix> {
    match parse_prefix(&text.value) {
        Ok(prefix) => Some(prefix),
        Err(reason) => {
            let message = format!("`{}` is no address or network", text.value);
            problems.add(&text.at, message, reason, "Write it such as `10.1.2.0/24` or `2001:db8::/64`.");
            None
        }
    }
}

/// Reads `ADDRESS` or `ADDRESS/LENGTH`; the error says what is wrong.
pub fn parse_prefix(text: &str) -> Result<Prefix, &'static str> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| "not an IPv4 or IPv6 address")?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => most,
        Some(digits) => digits
            .parse()
            .ok()
            .filter(|length| *length <= most && digits.bytes().all(|byte| byte.is_ascii_digit()))
            .ok_or("the prefix length is 0-32, or 0-128 for IPv6")?,
    };
    Ok(Prefix { address, length })
}

/// Ports: a number, a text such as `"5060"`, `"20000-20600"` or `"80, 8080"`, or a list of such.
pub(super) fn ports(value: &Spanned<DeValue>, key: &str, problems: &mut Problems) -> Option<Vec<[u16; 2]>> {
    let parsed = match value.get_ref() {
        DeValue::Integer(number) => list(&number.to_string()),
        DeValue::String(text) => list(text),
        DeValue::Array(items) if !items.is_empty() => {
            let lists: Option<Vec<Vec<[u16; 2]>>> =
                items.iter().map(|item| ports(item, key, problems)).collect();
            return lists.map(|lists| lists.concat());
        }
        other => {
            wrong_type(&value.span(), key, "ports", other, problems);
            return None;
        }
    };
    match parsed {
        Ok(ports) => Some(ports.into_iter().map(|(low, high)| [low, high]).collect()),
        Err(error) => {
            let help = "Write ports from 1 to 65535, such as `5060`, `\"20000-20600\"` or `\"80, 8080\"`.";
            problems.add(&value.span(), format!("the ports of `{key}` cannot be read"), error.label(), help);
            None
        }
    }
}
