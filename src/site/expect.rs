//! The promises of the site file: `[[expect]]`.

use std::net::IpAddr;

use toml::de::DeTable;

use super::reader::{At, Placed, Problems, Table, list};
use super::value::{address, network};
use super::{PeerPlace, Prefix, Site, ZoneId};
use crate::packet::{Family, Set, proto};
use crate::ports;
use crate::source::Span;
use crate::spelling::nearest;

/// A promise that holds for all packets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expect {
    /// Who opens the connections.
    pub from: Named,
    /// To whom.
    pub to: Named,
    /// On what.
    pub traffic: Traffic,
    /// Whether all of it gets through, or none.
    pub allow: bool,
    /// Why.
    pub reason: String,
    /// The entry's `verdict` in the site file.
    pub span: Span,
    /// Its `service`, where it has one.
    pub service_span: Option<Span>,
}

/// One end of a promise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Named {
    /// As the site file has it.
    pub name: String,
    /// Who it is.
    pub who: Who,
}

/// Who is at one end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Who {
    /// Index into [`Site::devices`].
    Device(usize),
    /// Everybody in a zone.
    Zone(ZoneId),
    /// Addresses.
    Networks(Vec<Prefix>),
}

/// What a promise is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Traffic {
    /// Protocols and destination ports; `None` where all are meant.
    Ports(Vec<(u8, Option<Set>)>),
    /// A service of the device at the far end, by its tag in the catalog.
    Service(String),
    /// All of it.
    All,
}

/// One end in one zone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spot {
    /// The zone.
    pub zone: ZoneId,
    /// The device, where it is one.
    pub device: Option<usize>,
    /// Its addresses of a family.
    pub addresses: Set,
}

impl Site {
    /// Where the end of a promise is, zone by zone.
    pub fn spots(&self, named: &Named, family: Family) -> Vec<Spot> {
        let numbers = |addresses: &mut dyn Iterator<Item = IpAddr>| {
            let of_family = addresses.map(Family::of).filter(|(of, _)| *of == family);
            Set::of(of_family.map(|(_, number)| (number, number)))
        };
        let (device, set) = match &named.who {
            Who::Zone(zone) => {
                let addresses = self.addresses_of(*zone, family);
                let spot = Spot { zone: *zone, device: None, addresses };
                return if spot.addresses.is_empty() { Vec::new() } else { vec![spot] };
            }
            Who::Device(at) => (Some(*at), numbers(&mut self.devices[*at].addresses.iter().copied())),
            Who::Networks(networks) => {
                let of_family = networks.iter().map(|net| (Family::of(net.address), net.length));
                let of_family = of_family.filter(|((of, _), _)| *of == family);
                (None, Set::of(of_family.map(|((_, base), length)| family.prefix(base, length.into()))))
            }
        };
        let spots = (0..self.zones.len()).map(|zone| {
            let addresses = self.addresses_of(zone, family).and(&set);
            Spot { zone, device, addresses }
        });
        spots.filter(|spot| !spot.addresses.is_empty()).collect()
    }
}

const EXPECT: &[&str] = &["from", "to", "service", "traffic", "verdict", "reason"];

/// Reads an entry `[[expect]]`.
pub(super) fn expect(table: &DeTable, at: At, site: &Site, problems: &mut Problems) -> Option<Expect> {
    let table = Table::new(table, at, "[[expect]]", EXPECT, problems);
    let from = table.required("from", problems).and_then(|word| named(word, site, problems));
    let to = table.required("to", problems).and_then(|word| named(word, site, problems));
    let traffic = traffic(&table, to.as_ref(), problems);
    let verdict = table.required("verdict", problems);
    let reason = table.optional("reason", problems).map(|reason| reason.value).unwrap_or_default();
    let verdict = verdict?;
    let allow = match verdict.value.as_str() {
        "allow" => true,
        "block" => false,
        other => {
            let message = format!("`{other}` is no verdict");
            problems.add(&verdict.at, message, "no verdict", "Write `allow` or `block`.");
            return None;
        }
    };
    let span = problems.span(&verdict.at);
    let service_span = table.optional("service", problems).map(|service| problems.span(&service.at));
    Some(Expect { from: from?, to: to?, traffic: traffic?, allow, reason, span, service_span })
}

/// A device, a zone, a peer, an address or a network.
fn named(word: Placed<String>, site: &Site, problems: &mut Problems) -> Option<Named> {
    let name = word.value.as_str();
    let host = |address: &IpAddr| Prefix::host(*address);
    let who = if let Some(at) = site.devices.iter().position(|device| device.name == name) {
        Who::Device(at)
    } else if let Some(at) = site.zones.iter().position(|zone| zone.name == name) {
        Who::Zone(at)
    } else if let Some(peer) = site.peers.iter().find(|peer| peer.name.as_deref() == Some(name)) {
        match &peer.place {
            PeerPlace::Zone(zone) => Who::Zone(*zone),
            PeerPlace::Addresses(addresses) => Who::Networks(addresses.iter().map(host).collect()),
        }
    } else if name.starts_with(|c: char| c.is_ascii_digit()) || name.contains(':') {
        match name.contains('/') {
            true => Who::Networks(vec![network(&word, problems)?]),
            false => Who::Networks(vec![host(&address(&word, problems)?)]),
        }
    } else {
        unknown_name(&word, site, problems);
        return None;
    };
    Some(Named { name: word.value, who })
}

fn unknown_name(word: &Placed<String>, site: &Site, problems: &mut Problems) {
    let devices = site.devices.iter().map(|device| device.name.as_str());
    let zones = site.zones.iter().map(|zone| zone.name.as_str());
    let peers = site.peers.iter().filter_map(|peer| peer.name.as_deref());
    let known: Vec<&str> = devices.chain(zones).chain(peers).collect();
    let help = match nearest(&word.value, known.iter().copied()) {
        Some(near) => format!("Did you mean `{near}`?"),
        None => format!("Write an address, a network, or one of {}.", list(&known)),
    };
    let message = format!("there is no device, zone or peer `{}`", word.value);
    problems.add(&word.at, message, "nobody of this name", help);
}

fn traffic(table: &Table, to: Option<&Named>, problems: &mut Problems) -> Option<Traffic> {
    let (service, traffic) = (table.optional("service", problems), table.optional("traffic", problems));
    match (service, traffic) {
        (Some(service), None) => {
            if let Some(Named { who: Who::Zone(_) | Who::Networks(_), name }) = to {
                let help = "Write its `traffic` instead, such as `tcp/1720`.";
                let message = format!("`{name}` is no device, so nobody knows the ports of its services");
                problems.add(&service.at, message, "a service of no device", help);
                return None;
            }
            Some(Traffic::Service(service.value))
        }
        (None, Some(word)) => parsed(&word, problems),
        (both, _) => {
            let has = if both.is_some() {
                "both `service` and `traffic`"
            } else {
                "neither `service` nor `traffic`"
            };
            let help = "Give a `service` of the device, or `traffic` such as `tcp/1720`, `udp` or `any`.";
            problems.add(&table.at, format!("[[expect]] has {has}"), "about what?", help);
            None
        }
    }
}

/// `tcp/1720`, `udp/20000-20600`, `tcp/80,443`, `icmp`, `any`; several are parted by blanks.
pub(super) fn parsed(word: &Placed<String>, problems: &mut Problems) -> Option<Traffic> {
    match parse_traffic(&word.value) {
        Ok(traffic) => Some(traffic),
        Err(why) => {
            let help =
                "Write it such as `tcp/1720`, `udp/20000-20600`, `tcp/80,443 udp/53`, `icmp` or `any`.";
            problems.add(&word.at, format!("the traffic `{}` cannot be read", word.value), why, help);
            None
        }
    }
}

/// Reads traffic as people write it; the error says what is wrong.
pub fn parse_traffic(text: &str) -> Result<Traffic, String> {
    let mut parts = Vec::new();
    for word in text.split_whitespace() {
        if matches!(word, "any" | "all") {
            return Ok(Traffic::All);
        }
        let (name, ports) = match word.split_once('/') {
            Some((name, ports)) => (name, Some(ports)),
            None => (word, None),
        };
        let number = match name {
            "tcp" => proto::TCP,
            "udp" => proto::UDP,
            "icmp" => proto::ICMP,
            "icmpv6" => proto::ICMPV6,
            "sctp" => proto::SCTP,
            _ => return Err(format!("`{name}` is no protocol")),
        };
        let ports = match ports {
            Some(_) if matches!(number, proto::ICMP | proto::ICMPV6) => {
                return Err(format!("{name} has no ports"));
            }
            Some(ports) => {
                let listed = ports::list(ports).map_err(|error| error.label().to_string())?;
                Some(Set::of(listed.into_iter().map(|(lo, hi)| (lo.into(), hi.into()))))
            }
            None => None,
        };
        parts.push((number, ports));
    }
    if parts.is_empty() { Err("nothing in it".to_string()) } else { Ok(Traffic::Ports(parts)) }
}
