//! Packets as users write them: JSON Lines, or `key=value` words.

use std::net::IpAddr;

use serde::Deserialize;
use serde_json::Value as Json;

use crate::analysis::Trip;
use crate::dialect::names;
use crate::model::Way;
use crate::packet::{Family, Field, Packet, State, ext, first_state, interface, proto};

/// One packet of the trace input. Unknown keys are passed over.
///
/// What is not given is that of a plain first packet: TCP flags SYN, ICMP echo request, TTL 64 (255 for
/// neighbour discovery), DSCP and ECN 0, no options, no extension headers, sixteen bytes of payload.
#[derive(Debug, Default, Deserialize)]
pub(super) struct PacketLine {
    /// Copied to the answer.
    #[serde(default)]
    pub id: Json,
    #[serde(default)]
    hook: Option<Way>,
    iif: Option<String>,
    oif: Option<String>,
    fwd_oif: Option<String>,
    src: Option<IpAddr>,
    dst: Option<IpAddr>,
    proto: Option<Json>,
    sport: Option<u16>,
    dport: Option<u16>,
    tcp_flags: Option<Json>,
    icmp_type: Option<u8>,
    icmp_code: Option<u8>,
    state: Option<String>,
    ttl: Option<u8>,
    dscp: Option<u8>,
    /// Bytes of payload beyond sixteen.
    payload_len: Option<u16>,
    smac: Option<String>,
    tcp_mss: Option<u16>,
    spi: Option<u32>,
    mark: Option<u32>,
    #[serde(default)]
    ext: Vec<String>,
    #[serde(default)]
    loopback: bool,
}

/// Reads `key=value` words, the keys being those of the JSON form.
pub(super) fn parse_words(text: &str) -> Result<PacketLine, String> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| error.to_string());
    }
    let mut object = serde_json::Map::new();
    for word in text.split_whitespace() {
        let (key, value) = word.split_once('=').ok_or_else(|| {
            format!(
                "`{word}` is not `key=value`; for example: `src=192.0.2.1 dst=10.1.2.10 proto=tcp dport=1720`"
            )
        })?;
        let json = match key {
            "sport" | "dport" | "icmp_type" | "icmp_code" | "ttl" | "dscp" | "payload_len" | "tcp_mss"
            | "spi" | "mark" => Json::from(
                value.parse::<u64>().map_err(|_| format!("`{key}` takes a number, not `{value}`"))?,
            ),
            "loopback" => Json::from(value == "true"),
            "ext" => Json::from(value.split(',').collect::<Vec<_>>()),
            "id" | "hook" | "iif" | "oif" | "fwd_oif" | "src" | "dst" | "proto" | "tcp_flags" | "state"
            | "smac" => Json::from(value),
            _ => return Err(format!("`{key}` is no field of a packet")),
        };
        object.insert(key.to_string(), json);
    }
    serde_json::from_value(Json::Object(object)).map_err(|error| error.to_string())
}

impl PacketLine {
    /// The packet and its way.
    pub(super) fn trip(&self) -> Result<Trip, String> {
        let src = self.src.ok_or("a packet needs `src`, its source address")?;
        let dst = self.dst.ok_or("a packet needs `dst`, its destination address")?;
        let ((family, src), (other, dst)) = (Family::of(src), Family::of(dst));
        if family != other {
            return Err("`src` and `dst` are of different families".to_string());
        }
        let inner = self.protocol(family)?;
        // Netfilter's walk over the extension headers ends at AH (`IP6_FH_F_AUTH`); connection tracking
        // looks through it.
        let hidden = family == Family::V6 && self.ext.iter().any(|name| name == "ah");
        let protocol = if hidden { proto::AH } else { inner };
        let mut packet = Packet::new(family, protocol);
        let way = self.hook.unwrap_or(Way::Forward);
        if hidden {
            let mut tracked = Packet::new(family, inner);
            self.set_header(&mut tracked, inner)?;
            if let Some(state) = first_state(&tracked, way != Way::Output) {
                packet.set(Field::State, state as u128);
            }
        }
        packet.set(Field::src(family), src);
        packet.set(Field::dst(family), dst);
        for (field, name) in [(Field::Iif, &self.iif), (Field::Oif, &self.oif)] {
            if let Some(name) = name {
                packet.set(field, interface(name));
            }
        }
        if self.loopback && self.oif.is_none() {
            packet.set(Field::Oif, interface("lo"));
        }
        self.set_header(&mut packet, protocol)?;
        self.set_rest(&mut packet, family, protocol)?;
        Ok(Trip { packet, way, fwd_oif: self.fwd_oif.as_deref().map(interface), loopback: self.loopback })
    }

    fn protocol(&self, family: Family) -> Result<u8, String> {
        let number = match &self.proto {
            None => {
                return Err("a packet needs `proto`, such as `tcp`, `udp`, `icmp` or a number".to_string());
            }
            Some(Json::Number(n)) => n.as_u64().and_then(|n| u8::try_from(n).ok()),
            Some(Json::String(name)) => name.parse().ok().or_else(|| {
                let named = names::protocol(&name.to_ascii_lowercase());
                // By name it is that of the family; by number it is what the number says.
                named.map(|number| match number {
                    proto::ICMP if family == Family::V6 => proto::ICMPV6,
                    number => number,
                })
            }),
            Some(_) => None,
        };
        match number {
            None => Err(format!("`proto` {} is no protocol", self.proto.as_ref().unwrap_or(&Json::Null))),
            Some(number) => Ok(number),
        }
    }

    fn set_header(&self, packet: &mut Packet, protocol: u8) -> Result<(), String> {
        if proto::WITH_PORTS.contains(&protocol) {
            for (field, port) in [(Field::Sport, self.sport), (Field::Dport, self.dport)] {
                if let Some(port) = port {
                    packet.set(field, port.into());
                }
            }
        }
        match protocol {
            proto::TCP => {
                packet.set(Field::TcpFlags, tcp_flags(self.tcp_flags.as_ref())?.into());
                match self.tcp_mss {
                    Some(mss) => packet.set(Field::TcpMss, mss.into()),
                    None => packet.remove(Field::TcpMss),
                }
            }
            proto::ICMP | proto::ICMPV6 => {
                let echo = if protocol == proto::ICMP { 8 } else { 128 };
                packet.set(Field::IcmpType, self.icmp_type.unwrap_or(echo).into());
                packet.set(Field::IcmpCode, self.icmp_code.unwrap_or(0).into());
            }
            proto::ESP | proto::AH => packet.set(Field::Spi, self.spi.unwrap_or(0x1000).into()),
            _ => {}
        }
        Ok(())
    }

    fn set_rest(&self, packet: &mut Packet, family: Family, protocol: u8) -> Result<(), String> {
        let discovery = protocol == proto::ICMPV6 && matches!(self.icmp_type, Some(133..=137));
        packet.set(Field::Ttl, self.ttl.unwrap_or(if discovery { 255 } else { 64 }).into());
        packet.set(Field::Dscp, self.dscp.unwrap_or(0).into());
        packet.set(Field::Ecn, 0);
        packet.set(Field::PktType, 0);
        if let Some(mark) = self.mark {
            packet.set(Field::Mark, mark.into());
        }
        if let Some(state) = &self.state {
            let known = State::ALL.into_iter().find(|s| s.name() == state.to_ascii_lowercase());
            let state = known.ok_or_else(|| {
                format!("`state` is new, established, related, invalid or untracked, not `{state}`")
            })?;
            packet.set(Field::State, state as u128);
        }
        if let Some(mac) = &self.smac {
            let digits: String = mac.chars().filter(|c| *c != ':').collect();
            let mac = u64::from_str_radix(&digits, 16).map_err(|_| format!("`{mac}` is no MAC address"))?;
            packet.set(Field::SrcMac, mac.into());
        }
        let (mut bits, mut extra) = (0, 0);
        for name in &self.ext {
            let (bit, len) = match name.as_str() {
                "hbh" => (ext::HOP, 8),
                "dst" => (ext::DST, 8),
                "rt" | "rt0" => (ext::ROUTE, 8),
                "frag" => (ext::FRAG, 8),
                "ah" => (ext::AUTH, 24),
                _ => return Err(format!("`ext` knows hbh, dst, rt, rt0, frag and ah, not `{name}`")),
            };
            bits |= bit;
            extra += len;
        }
        if family == Family::V6 {
            // The chain of headers ends at ESP, what is in it cannot be seen, and where nothing follows.
            let last = match protocol {
                proto::ESP => ext::ESP,
                proto::NONE => ext::NONE,
                _ => ext::PROTO,
            };
            packet.set(Field::Ext, bits | last);
        }
        let network = if family == Family::V4 { 20 } else { 40 + extra };
        let transport = match protocol {
            proto::TCP => Some(if self.tcp_mss.is_some() { 24 } else { 20 }),
            proto::UDP | proto::UDPLITE | proto::ICMP | proto::ICMPV6 => Some(8),
            _ => None,
        };
        if let Some(transport) = transport {
            packet.set(Field::Length, network + transport + 16 + u128::from(self.payload_len.unwrap_or(0)));
        }
        Ok(())
    }
}

fn tcp_flags(given: Option<&Json>) -> Result<u8, String> {
    let text = match given {
        None => return Ok(2),
        Some(Json::Number(n)) => {
            return n
                .as_u64()
                .and_then(|n| u8::try_from(n).ok())
                .ok_or("`tcp_flags` is at most 255".to_string());
        }
        Some(Json::String(text)) => text.to_ascii_lowercase(),
        Some(other) => return Err(format!("`tcp_flags` is a list of names such as `syn,ack`, not {other}")),
    };
    let mut bits = 0;
    for word in text.split([',', '|', ' ', '/']).filter(|w| !w.is_empty() && *w != "none") {
        bits |= match word {
            "fin" => 1,
            "syn" => 2,
            "rst" => 4,
            "psh" => 8,
            "ack" => 16,
            "urg" => 32,
            "ecn" | "ece" => 64,
            "cwr" => 128,
            _ => return Err(format!("`{word}` is no TCP flag")),
        };
    }
    Ok(bits)
}
