//! Test packets and their way, as fixtures write them and as `pinhole trace` reads them.

use std::net::{IpAddr, SocketAddr};

use serde_json::{Value as Json, json};

use crate::netns::{ADDRESSES, NEAR};
use crate::wire::{ESP, Header, ICMP, ICMPV6, SCTP, TCP, UDP, UDPLITE};

/// The way before any translation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Hook {
    Forward,
    Input,
    Output,
}

/// A packet and where it enters.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    pub hook: Hook,
    /// The link that it comes in by: `eth0` or `eth1`.
    pub iif: &'static str,
    pub header: Header,
    /// It answers a connection that was opened from the other side.
    pub established: bool,
}

/// Protocol names of fixtures, in both families.
const PROTOCOLS: [(&str, u8); 8] = [
    ("tcp", TCP),
    ("udp", UDP),
    ("icmp", ICMP),
    ("icmpv6", ICMPV6),
    ("sctp", SCTP),
    ("udplite", UDPLITE),
    ("gre", 47),
    ("esp", ESP),
];

const FLAGS: [(&str, u8); 6] = [("fin", 1), ("syn", 2), ("rst", 4), ("psh", 8), ("ack", 16), ("urg", 32)];

impl Probe {
    /// Reads `forward udp 192.0.2.7:1024 > 10.1.2.3:53`, with words such as `in=eth1` after it.
    pub(crate) fn parse(text: &str) -> Result<Probe, String> {
        let mut words = text.split_whitespace();
        let mut word = |what: &str| words.next().ok_or(format!("{what} is missing"));
        let hook = match word("the way")? {
            "forward" => Hook::Forward,
            "input" => Hook::Input,
            "output" => Hook::Output,
            other => return Err(format!("`{other}` is no way")),
        };
        let name = word("the protocol")?;
        let named = PROTOCOLS.iter().find(|(n, _)| *n == name).map(|(_, number)| *number);
        let proto = named.or(name.parse().ok()).ok_or(format!("`{name}` is no protocol"))?;
        let (src, sport) = end(word("the source")?)?;
        if word("`>`")? != ">" {
            return Err("`>` is missing between source and destination".to_string());
        }
        let (dst, dport) = end(word("the destination")?)?;
        let mut header = Header::new(src, dst, proto);
        (header.sport, header.dport) = (sport, dport);
        let mut probe = Probe { hook, iif: "eth0", header, established: false };
        words.try_for_each(|word| probe.option(word))?;
        Ok(probe)
    }

    fn option(&mut self, word: &str) -> Result<(), String> {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        let bad = || format!("`{word}` is no option of a packet");
        let number = || value.parse::<u16>().map_err(|_| bad());
        match key {
            "in" => self.iif = ["eth0", "eth1"].into_iter().find(|n| *n == value).ok_or_else(bad)?,
            "flags" => {
                self.header.flags = 0;
                for name in value.split(',').filter(|n| *n != "none") {
                    self.header.flags |= FLAGS.iter().find(|(n, _)| *n == name).ok_or_else(bad)?.1;
                }
            }
            "type" => self.header.icmp.0 = number()? as u8,
            "code" => self.header.icmp.1 = number()? as u8,
            "spi" => self.header.spi = value.parse().map_err(|_| bad())?,
            "ttl" => self.header.ttl = number()? as u8,
            "dscp" => self.header.dscp = number()? as u8,
            "extra" => self.header.extra = number()?,
            "mss" => self.header.mss = Some(number()?),
            "fragment" => self.header.fragment = true,
            "established" => {
                self.established = true;
                self.header.flags = Probe::answer_flags();
            }
            _ => return Err(bad()),
        }
        Ok(())
    }

    /// The link that it leaves by.
    pub(crate) fn oif(&self) -> &'static str {
        let other = if self.iif == "eth0" { "eth1" } else { "eth0" };
        match self.hook {
            Hook::Forward | Hook::Input => other,
            Hook::Output if is_own(self.header.dst) => "lo",
            Hook::Output if NEAR.iter().any(|net| within(self.header.dst, net)) => "eth0",
            Hook::Output => "eth1",
        }
    }

    /// The line of `pinhole trace --packets`.
    pub(crate) fn json(&self, id: usize) -> Json {
        let header = &self.header;
        let mut line = json!({
            "id": id, "src": header.src, "dst": header.dst, "proto": header.proto,
            "ttl": header.ttl, "dscp": header.dscp, "payload_len": header.extra,
        });
        let (hook, ways) = match self.hook {
            Hook::Forward => ("forward", vec![("iif", self.iif), ("oif", self.oif())]),
            Hook::Input => ("input", vec![("iif", self.iif), ("fwd_oif", self.oif())]),
            Hook::Output => ("output", vec![("oif", self.oif())]),
        };
        line["hook"] = json!(hook);
        for (key, name) in ways {
            line[key] = json!(name);
        }
        if self.hook == Hook::Output {
            line["loopback"] = json!(self.oif() == "lo");
        } else {
            line["smac"] = json!(if self.iif == "eth0" { "02:00:00:00:0c:00" } else { "02:00:00:00:0c:01" });
        }
        if header.has_ports() {
            line["sport"] = json!(header.sport);
            line["dport"] = json!(header.dport);
        }
        match header.proto {
            TCP => {
                line["tcp_flags"] = json!(header.flags);
                line["tcp_mss"] = json!(header.mss);
            }
            ICMP | ICMPV6 => {
                line["icmp_type"] = json!(header.icmp.0);
                line["icmp_code"] = json!(header.icmp.1);
            }
            _ => {}
        }
        if header.proto == ESP {
            line["spi"] = json!(header.spi);
        }
        if header.fragment {
            line["ext"] = json!(["frag"]);
        }
        if self.established {
            line["state"] = json!("established");
        }
        line
    }
}

impl std::fmt::Display for Probe {
    /// As fixtures write it.
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let header = &self.header;
        let hook = match self.hook {
            Hook::Forward => "forward",
            Hook::Input => "input",
            Hook::Output => "output",
        };
        match PROTOCOLS.iter().find(|(_, number)| *number == header.proto) {
            Some((name, _)) => write!(f, "{hook} {name}")?,
            None => write!(f, "{hook} {}", header.proto)?,
        }
        if header.has_ports() {
            let (src, dst) =
                (SocketAddr::new(header.src, header.sport), SocketAddr::new(header.dst, header.dport));
            write!(f, " {src} > {dst}")?;
        } else {
            write!(f, " {} > {}", header.src, header.dst)?;
        }
        if self.iif != "eth0" && self.hook != Hook::Output {
            write!(f, " in={}", self.iif)?;
        }
        if self.established {
            write!(f, " established")?;
        }
        if header.fragment {
            write!(f, " fragment")?;
        }
        if header.proto == TCP {
            let names: Vec<&str> =
                FLAGS.iter().filter(|(_, bit)| header.flags & bit != 0).map(|(n, _)| *n).collect();
            write!(f, " flags={}", if names.is_empty() { "none".to_string() } else { names.join(",") })?;
        }
        if matches!(header.proto, ICMP | ICMPV6) {
            write!(f, " type={} code={}", header.icmp.0, header.icmp.1)?;
        }
        if header.proto == ESP {
            write!(f, " spi={}", header.spi)?;
        }
        let numbers =
            [("ttl", header.ttl.into(), 64), ("dscp", header.dscp.into(), 0), ("extra", header.extra, 0)];
        for (key, value, usual) in numbers {
            if value != usual {
                write!(f, " {key}={value}")?;
            }
        }
        header.mss.map_or(Ok(()), |mss| write!(f, " mss={mss}"))
    }
}

/// Reads `192.0.2.7:80`, `[2001:db8::7]:80`, or an address alone.
pub(crate) fn end(text: &str) -> Result<(IpAddr, u16), String> {
    let bad = || format!("`{text}` is no address with or without a port");
    if let Ok(address) = text.parse() {
        return Ok((address, 0));
    }
    let (address, port) = text.rsplit_once(':').ok_or_else(bad)?;
    let address = address.trim_start_matches('[').trim_end_matches(']');
    Ok((address.parse().map_err(|_| bad())?, port.parse().map_err(|_| bad())?))
}

/// Whether the firewall itself has the address.
pub(crate) fn is_own(address: IpAddr) -> bool {
    ADDRESSES.iter().any(|(_, own, _)| own.parse() == Ok(address))
}

/// Whether an address is in a network such as `203.0.113.0/24`.
pub(crate) fn within(address: IpAddr, network: &str) -> bool {
    let Some((base, length)) = network.split_once('/') else { return false };
    let (Ok(base), Ok(length)) = (base.parse::<IpAddr>(), length.parse::<u32>()) else { return false };
    match (address, base) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= length,
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= length,
        _ => false,
    }
}
