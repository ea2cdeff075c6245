//! Networks of peers.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer};

/// A network that a vendor publishes for its service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    /// Its first address.
    pub address: IpAddr,
    /// The length of its prefix.
    pub length: u8,
}

impl Network {
    fn parse(text: &str) -> Option<Network> {
        let (address, length) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let length: u8 = length.parse().ok()?;
        let (bits, width) = match address {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
            IpAddr::V6(v6) => (v6.to_bits(), 128),
        };
        let host = if length == 0 { u128::MAX } else { (1u128 << (width - length.min(width))) - 1 };
        (length <= width && bits & host == 0).then_some(Network { address, length })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl JsonSchema for Network {
    fn schema_name() -> Cow<'static, str> {
        "Network".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Address and length, such as `192.0.2.0/24`",
            "type": "string",
            "pattern": "^[0-9A-Fa-f.:]+/[0-9]{1,3}$",
        })
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Network::parse(&text)
            .ok_or_else(|| de::Error::custom(format!("`{text}` is no network; write it like `192.0.2.0/24`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_no_host_bits() {
        for text in ["192.0.2.0/24", "2001:db8::/38", "0.0.0.0/0", "::/0", "192.0.2.1/32", "2001:db8::1/128"]
        {
            assert_eq!(Network::parse(text).unwrap().to_string(), text);
        }
        for text in ["192.0.2.1/24", "192.0.2.0/33", "192.0.2.0", "2001:db8::1/64", "x/8"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
