//! Packets as bytes: written to be sent, and read back where they arrive.
//!
//! Every packet carries a tag in its payload, another one for each transmission, so that what is seen
//! somewhere is tied to what was sent.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Begins with a zero, so that a payload never looks like an IP header.
const MAGIC: [u8; 4] = [0, b'P', b'H', b'L'];
/// Bytes of the tag in a payload.
const TAG_LEN: usize = 16;

pub(crate) const ICMP: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const FRAGMENT: u8 = 44;
pub(crate) const ESP: u8 = 50;
pub(crate) const AH: u8 = 51;
pub(crate) const ICMPV6: u8 = 58;
pub(crate) const SCTP: u8 = 132;
pub(crate) const UDPLITE: u8 = 136;

/// TCP flag bits.
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const ACK: u8 = 16;

/// What a packet says; the ports of a protocol without any are 0.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Header {
    pub src: IpAddr,
    pub dst: IpAddr,
    pub proto: u8,
    pub sport: u16,
    pub dport: u16,
    pub flags: u8,
    pub icmp: (u8, u8),
    /// Of ESP.
    pub spi: u32,
    pub ttl: u8,
    pub dscp: u8,
    /// Bytes of payload after the tag.
    pub extra: u16,
    pub mss: Option<u16>,
    /// In IPv6: it comes as a fragment that is whole.
    pub fragment: bool,
    /// The tag of the packet that it acknowledges.
    pub answers: Option<u64>,
}

impl Header {
    /// A first packet as most are.
    pub(crate) fn new(src: IpAddr, dst: IpAddr, proto: u8) -> Header {
        let icmp = (if proto == ICMPV6 { 128 } else { 8 }, 0);
        Header {
            src,
            dst,
            proto,
            sport: 0,
            dport: 0,
            flags: SYN,
            icmp,
            spi: 4096,
            ttl: 64,
            dscp: 0,
            extra: 0,
            mss: None,
            fragment: false,
            answers: None,
        }
    }

    /// Whether the protocol has ports.
    pub(crate) fn has_ports(&self) -> bool {
        has_ports(self.proto)
    }

    /// Whether it is an ICMP error, which no error answers.
    pub(crate) fn is_icmp_error(&self) -> bool {
        match self.proto {
            ICMP => matches!(self.icmp.0, 3 | 4 | 5 | 11 | 12),
            ICMPV6 => self.icmp.0 < 128,
            _ => false,
        }
    }

    /// The packet in bytes, from the IP header on.
    pub(crate) fn bytes(&self, tag: u64) -> Vec<u8> {
        let transport = self.transport(tag);
        let mut packet = Vec::with_capacity(60 + transport.len());
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let total = (20 + transport.len()) as u16;
                packet.extend([0x45, self.dscp << 2]);
                packet.extend(total.to_be_bytes());
                packet.extend(((tag as u16) | 1).to_be_bytes());
                packet.extend([0, 0, self.ttl, self.proto, 0, 0]);
                packet.extend(src.octets());
                packet.extend(dst.octets());
                let sum = checksum(&[&packet]);
                packet[10..12].copy_from_slice(&sum.to_be_bytes());
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                packet.extend((6 << 28 | u32::from(self.dscp) << 22).to_be_bytes());
                let (next, header) = if self.fragment { (FRAGMENT, 8) } else { (self.proto, 0) };
                packet.extend((transport.len() as u16 + header).to_be_bytes());
                packet.extend([next, self.ttl]);
                packet.extend(src.octets());
                packet.extend(dst.octets());
                if self.fragment {
                    packet.extend([self.proto, 0, 0, 0]);
                    packet.extend((tag as u32).to_be_bytes());
                }
            }
            _ => panic!("{} and {} are of different families", self.src, self.dst),
        }
        packet.extend(transport);
        packet
    }

    /// The transport header and the payload.
    fn transport(&self, tag: u64) -> Vec<u8> {
        let mut payload = tag_bytes(tag).to_vec();
        payload.resize(TAG_LEN + usize::from(self.extra), 0);
        let mut l4 = Vec::new();
        if self.has_ports() {
            l4.extend(self.sport.to_be_bytes());
            l4.extend(self.dport.to_be_bytes());
        }
        let sum_at = match self.proto {
            TCP => {
                let options = self.mss.map_or(0, |_| 1);
                l4.extend(sequence(tag).to_be_bytes());
                // connection tracking wants the SYN and the payload acknowledged
                let next = self.answers.map_or(sequence(tag), |of| sequence(of) + 1 + TAG_LEN as u32);
                l4.extend(if self.flags & ACK != 0 { next.to_be_bytes() } else { [0; 4] });
                l4.extend([(5 + options) << 4, self.flags, 0xfa, 0xf0, 0, 0, 0, 0]);
                if let Some(mss) = self.mss {
                    l4.extend([2, 4]);
                    l4.extend(mss.to_be_bytes());
                }
                16
            }
            UDP | UDPLITE => {
                l4.extend(((8 + payload.len()) as u16).to_be_bytes());
                l4.extend([0, 0]);
                6
            }
            ICMP | ICMPV6 => {
                l4.extend([self.icmp.0, self.icmp.1, 0, 0, 0x4f, 0x52]);
                l4.extend((tag as u16).to_be_bytes());
                2
            }
            SCTP => return sctp_init(l4, &payload),
            ESP => {
                l4.extend(self.spi.to_be_bytes());
                l4.extend([0; 4]);
                4
            }
            // a REJECT answers other protocols only where the sum of the payload is right
            _ => {
                l4.extend([0; 8]);
                2
            }
        };
        l4.extend(payload);
        let sum = match self.proto {
            ICMP => checksum(&[&l4]),
            _ => self.pseudo_checksum(&l4),
        };
        l4[sum_at..sum_at + 2].copy_from_slice(&sum.to_be_bytes());
        l4
    }

    /// The checksum over pseudo header and transport; zero over a packet whose sum is filled in.
    fn pseudo_checksum(&self, l4: &[u8]) -> u16 {
        pseudo_checksum(self.src, self.dst, self.proto, l4)
    }
}

/// Whether a protocol's header begins with two ports.
pub(crate) fn has_ports(proto: u8) -> bool {
    matches!(proto, TCP | UDP | SCTP | UDPLITE)
}

fn pseudo_checksum(src: IpAddr, dst: IpAddr, proto: u8, l4: &[u8]) -> u16 {
    let length = (l4.len() as u32).to_be_bytes();
    match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            checksum(&[&src.octets(), &dst.octets(), &[0, proto], &length, l4])
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            checksum(&[&src.octets(), &dst.octets(), &[0, proto], &length, l4])
        }
        _ => 0,
    }
}

/// The internet checksum (RFC 1071) over parts, all but the last of even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum: u32 = 0;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// One INIT chunk (RFC 9260, 3.3.2) whose unknown parameter carries the payload.
fn sctp_init(mut l4: Vec<u8>, payload: &[u8]) -> Vec<u8> {
    let parameter = 4 + payload.len();
    l4.extend([0; 8]); // verification tag, checksum
    l4.extend([1, 0]);
    l4.extend(((20 + parameter) as u16).to_be_bytes());
    l4.extend([0x11, 0x11, 0x11, 0x11, 0, 0, 0xff, 0xff, 0, 10, 0, 10, 0, 0, 0, 1]);
    l4.extend([0xc0, 0xde]);
    l4.extend((parameter as u16).to_be_bytes());
    l4.extend(payload);
    while !l4.len().is_multiple_of(4) {
        l4.push(0);
    }
    let mut crc = u32::MAX;
    for byte in &l4 {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    l4[8..12].copy_from_slice(&(!crc).to_le_bytes());
    l4
}

fn tag_bytes(tag: u64) -> [u8; TAG_LEN] {
    let mut bytes = [0; TAG_LEN];
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[8..].copy_from_slice(&tag.to_be_bytes());
    bytes
}

/// Sequence and acknowledgement number of a transmission: a reset carries no payload, these tie it.
fn sequence(tag: u64) -> u32 {
    ((tag & 0xf_ffff) as u32) << 11 | 0x4000_0000
}

/// A packet as it was seen.
#[derive(Clone, Debug)]
pub(crate) struct Seen<'a> {
    pub src: IpAddr,
    /// Not known for IPv6 that the box delivered to itself, see [`Seen::local6`].
    pub dst: Option<IpAddr>,
    pub proto: u8,
    l4: &'a [u8],
}

impl<'a> Seen<'a> {
    /// Reads an IP packet.
    pub(crate) fn parse(data: &'a [u8]) -> Option<Seen<'a>> {
        match data.first()? >> 4 {
            4 => {
                let header = usize::from(data[0] & 15) * 4;
                let field =
                    |at: usize| data.get(at..at + 4)?.try_into().ok().map(|b: [u8; 4]| Ipv4Addr::from(b));
                let (src, dst) = (field(12)?, field(16)?);
                Some(Seen { src: src.into(), dst: Some(dst.into()), proto: data[9], l4: data.get(header..)? })
            }
            6 => {
                let field =
                    |at: usize| data.get(at..at + 16)?.try_into().ok().map(|b: [u8; 16]| Ipv6Addr::from(b));
                let (src, dst) = (field(8)?, field(24)?);
                let (proto, l4) = upper_layer(data[6], data.get(40..)?)?;
                Some(Seen { src: src.into(), dst: Some(dst.into()), proto, l4 })
            }
            _ => None,
        }
    }

    /// What a raw IPv6 socket gives: no header. The destination is that of the candidates to which the
    /// checksum fits.
    pub(crate) fn local6(src: IpAddr, proto: u8, l4: &'a [u8], candidates: &[IpAddr]) -> Seen<'a> {
        let summed = matches!(proto, TCP | UDP | ICMPV6 | UDPLITE);
        let fits = |dst: &&IpAddr| pseudo_checksum(src, **dst, proto, l4) == 0;
        let dst = if summed { candidates.iter().find(fits).copied() } else { None };
        Seen { src, dst, proto, l4 }
    }

    /// Source and destination port.
    pub(crate) fn ports(&self) -> Option<(u16, u16)> {
        let port = |at: usize| Some(u16::from_be_bytes(self.l4.get(at..at + 2)?.try_into().ok()?));
        if has_ports(self.proto) { Some((port(0)?, port(2)?)) } else { None }
    }

    /// Whether it carries the tag, be it in what it quotes.
    pub(crate) fn carries(&self, tag: u64) -> bool {
        let tag = tag_bytes(tag);
        self.l4.windows(TAG_LEN).any(|window| window == tag)
    }

    /// The name of the refusal that it is: an ICMP error that quotes the packet with the tag, or a reset
    /// that answers it.
    pub(crate) fn refusal(&self, tag: u64) -> Option<String> {
        let quoted = |from: usize| self.l4.get(from..).and_then(Seen::parse).is_some_and(|q| q.carries(tag));
        match self.proto {
            ICMP if self.l4.first() == Some(&3) && quoted(8) => Some(unreachable4(*self.l4.get(1)?)),
            ICMPV6 if self.l4.first() == Some(&1) && quoted(8) => Some(unreachable6(*self.l4.get(1)?)),
            // The time of the packet is exceeded.
            ICMP if self.l4.first() == Some(&11) && quoted(8) => Some("icmp-type-11-code-0".to_string()),
            ICMPV6 if self.l4.first() == Some(&3) && quoted(8) => Some("icmp6-type-3-code-0".to_string()),
            TCP if self.l4.get(13)? & RST != 0 && !self.carries(tag) => {
                let number = |at: usize| Some(u32::from_be_bytes(self.l4.get(at..at + 4)?.try_into().ok()?));
                // the acknowledgement is our number and the payload's length, the sequence our acknowledgement
                let near = |n: u32| n.wrapping_sub(sequence(tag)) < 2048;
                (near(number(4)?) || near(number(8)?)).then(|| "tcp-reset".to_string())
            }
            _ => None,
        }
    }
}

/// Passes over extension headers (RFC 8200, 4.1).
fn upper_layer(mut next: u8, mut rest: &[u8]) -> Option<(u8, &[u8])> {
    while matches!(next, 0 | 43 | FRAGMENT | 60 | AH) {
        let units = usize::from(*rest.get(1)?);
        let length = match next {
            FRAGMENT => 8,
            AH => (units + 2) * 4,
            _ => (units + 1) * 8,
        };
        next = rest[0];
        rest = rest.get(length..)?;
    }
    Some((next, rest))
}

/// The name of an ICMP *destination unreachable*, by its code.
pub(crate) fn unreachable4(code: u8) -> String {
    let name = match code {
        0 => "icmp-net-unreachable",
        1 => "icmp-host-unreachable",
        2 => "icmp-proto-unreachable",
        3 => "icmp-port-unreachable",
        9 => "icmp-net-prohibited",
        10 => "icmp-host-prohibited",
        13 => "icmp-admin-prohibited",
        _ => return format!("icmp-type-3-code-{code}"),
    };
    name.to_string()
}

/// The name of an ICMPv6 *destination unreachable*, by its code.
pub(crate) fn unreachable6(code: u8) -> String {
    let name = match code {
        0 => "icmp6-no-route",
        1 => "icmp6-adm-prohibited",
        3 => "icmp6-addr-unreachable",
        4 => "icmp6-port-unreachable",
        5 => "icmp6-policy-fail",
        6 => "icmp6-reject-route",
        _ => return format!("icmp6-type-1-code-{code}"),
    };
    name.to_string()
}
