//! One row of the catalog.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Network, Version, ports};

/// What a product needs from the network: one row of the document that its ports are taken from.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Requirement {
    /// The document's table, such as `1-1`; empty where the document has none.
    #[serde(default)]
    pub table: String,
    /// The documents that the row stands in, by the `id` of the product's documents.
    #[serde(default)]
    pub source: Vec<String>,
    /// The row's own name; given, and unique within the product, where several rows share a service.
    pub row: Option<String>,
    /// The ports, as sorted inclusive intervals that do not overlap; `listener` tells at which
    /// end they are. Empty where the guide names none.
    #[serde(default, deserialize_with = "ports::deserialize")]
    #[schemars(with = "ports::Text")]
    pub ports: Vec<(u16, u16)>,
    /// Only the even or only the odd ports are used.
    pub parity: Option<Parity>,
    /// The device's end has a port that the operating system chooses.
    #[serde(default)]
    pub dynamic: bool,
    /// The range within which the ports can be configured. It need not be open.
    #[serde(default, deserialize_with = "ports::deserialize")]
    #[schemars(with = "ports::Text")]
    pub allowed: Vec<(u16, u16)>,
    /// Those of `ports` that, against `listener`, are the device's own and are opened by the peer.
    #[serde(default, deserialize_with = "ports::deserialize")]
    #[schemars(with = "ports::Text")]
    pub inbound: Vec<(u16, u16)>,
    /// The transports; empty where the guide prints none and nothing settles it.
    pub transports: Vec<Transport>,
    /// The guide prints no transport, and `transports` is what the protocol normally runs on.
    #[serde(default)]
    pub transport_inferred: bool,
    /// The protocol, such as `H.245`.
    pub protocol: String,
    /// What the ports are for: lower case, no full stop.
    pub function: String,
    /// The way of the packets as the guide prints it; `None` where it prints nothing. It does not say who opens
    /// the connection.
    pub direction: Option<Direction>,
    /// Who opens the connection.
    pub initiator: Initiator,
    /// At which end `ports` are.
    pub listener: Listener,
    /// The role at the near end where that is not the product itself: the row is about two other machines.
    pub host: Option<String>,
    /// The role at the far end; `None` where the guide names none and nothing settles it.
    pub peer: Option<String>,
    /// The network behind which the peer is meant to be, where the guide has tables by network.
    pub zone: Option<Zone>,
    /// Packets go to this group and not to the peer's own address.
    pub multicast: Option<IpAddr>,
    /// With `multicast`: the peer answers at its own address too, so that the row is asked for between networks.
    #[serde(default)]
    pub unicast: bool,
    /// The guide calls the ports configurable, or `setting` names what moves them.
    #[serde(default)]
    pub configurable: bool,
    /// The product's own name of the setting that moves the ports or turns them on, with its default where that is
    /// not what `ports` say.
    pub setting: Option<String>,
    /// The first version that has the row.
    pub since: Option<Version>,
    /// The first version that has it no longer.
    pub until: Option<Version>,
    /// The severity that the guide prints.
    pub stated_severity: Option<Need>,
    /// How much the product needs the row: the printed severity, else derived from what fails.
    pub severity: Need,
    /// The tag by which call stages, security modes and site files mean the row, such as `q931`.
    pub service: String,
    /// The row is signalling that this connection helper reads to open what is announced in it.
    pub helper: Option<Helper>,
    /// The services of the product in whose signalling the ports are announced, call by call.
    #[serde(default)]
    pub announced_by: Vec<String>,
    /// What carries the traffic where this row is blocked: rows or services of the product, in the order in which it
    /// tries them.
    #[serde(default)]
    pub fallback: Vec<String>,
    /// The document that says that the product sends from the port that it listens on, and sends first.
    pub symmetric: Option<String>,
    /// Whoever may reach the ports although nobody in particular is meant: such an opening is no finding.
    pub by_design: Option<ByDesign>,
    /// How far the ports may be reachable; an opening beyond is a finding.
    pub confined: Option<Confined>,
    /// Whoever reaches the ports is served without a login.
    #[serde(default)]
    pub no_login: bool,
    /// The networks that the vendor publishes for the peer.
    #[serde(default)]
    pub networks: Vec<Network>,
    /// The row is needed only where this holds: lower case, no full stop.
    pub condition: Option<String>,
    /// What fails when the ports are blocked, after the guide: lower case, no full stop. `None` where it does
    /// not say.
    pub blocked: Option<String>,
    /// What people notice, in whole sentences.
    pub notice: Option<String>,
    /// What else there is to know, in whole sentences.
    pub notes: Option<String>,
    /// The guide contradicts itself, or is silent where a verdict would need it to speak; `notes` say how.
    #[serde(default)]
    pub doubtful: bool,
    /// The guide lists the ports as those of an external server.
    #[serde(default)]
    pub external: bool,
    /// Reserved for future use: nothing breaks today.
    #[serde(default)]
    pub future_use: bool,
    /// The traffic never leaves the box; opening the ports in a firewall is a fault. So it is for every row with the
    /// severity `internal`.
    #[serde(default)]
    pub internal_only: bool,
}

/// Which ports of a range are used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Parity {
    /// The even ones.
    Even,
    /// The odd ones.
    Odd,
}

/// A transport protocol.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Deserialize, serde::Serialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Transport {
    /// `tcp` or `udp`.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        }
    }
}

/// A connection helper of a firewall, by the name that Linux has for it; the ASA's inspections read the same
/// protocols (`inspect h323 h225` is `Q.931`, `inspect h323 ras` is `RAS`, `inspect skinny` is `skinny`).
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Deserialize, serde::Serialize, JsonSchema,
)]
pub enum Helper {
    /// H.225.0 RAS.
    #[serde(rename = "RAS")]
    Ras,
    /// H.225.0 call signalling.
    #[serde(rename = "Q.931")]
    Q931,
    /// H.245 control.
    #[serde(rename = "H.245")]
    H245,
    /// SIP without TLS.
    #[serde(rename = "sip")]
    Sip,
    /// Skinny (SCCP).
    #[serde(rename = "skinny")]
    Skinny,
    /// MGCP.
    #[serde(rename = "mgcp")]
    Mgcp,
    /// CTIQBE, the protocol of Cisco's CTI.
    #[serde(rename = "ctiqbe")]
    Ctiqbe,
    /// RTSP.
    #[serde(rename = "rtsp")]
    Rtsp,
    /// The control connection of FTP.
    #[serde(rename = "ftp")]
    Ftp,
    /// TFTP.
    #[serde(rename = "tftp")]
    Tftp,
}

impl Helper {
    /// Its name, as `model::Ruleset::helpers` has it.
    pub fn name(self) -> &'static str {
        match self {
            Helper::Ras => "RAS",
            Helper::Q931 => "Q.931",
            Helper::H245 => "H.245",
            Helper::Sip => "sip",
            Helper::Skinny => "skinny",
            Helper::Mgcp => "mgcp",
            Helper::Ctiqbe => "ctiqbe",
            Helper::Rtsp => "rtsp",
            Helper::Ftp => "ftp",
            Helper::Tftp => "tftp",
        }
    }
}

/// To whom ports are open by design.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ByDesign {
    /// To everybody.
    World,
}

/// How far ports may be reachable.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Confined {
    /// On the box that they are on, and nowhere else.
    Box,
    /// For those who fill the row's `peer` role: the other parts of the same installation.
    Cluster,
}

/// The way of the packets as the guide prints it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Towards the device.
    In,
    /// From the device.
    Out,
    /// Both ways.
    Both,
    /// From one role to another.
    Between {
        /// Where packets come from.
        from: String,
        /// Where they go.
        to: String,
    },
}

/// Who opens the connection, or sends the first packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Initiator {
    /// The far end.
    Peer,
    /// The device.
    Device,
    /// One or the other, as calls come and go.
    Either,
}

/// At which end a row's ports are.
///
/// Where the peer opens the connection, they are the device's. Where the device does, they are the peer's. Where
/// either does, they are the device's own, and what the device opens goes to the peer's own ports for the service.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Listener {
    /// On the device.
    Device,
    /// On the peer.
    Peer,
    /// The guide does not settle it: a verdict has to hold for both readings.
    Unknown,
}

/// How much a product needs a row.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Deserialize, serde::Serialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    /// The guide says mandatory or that it cannot be blocked, or without it calls, media, registration, cascading
    /// or an external component fail.
    Mandatory,
    /// Without it management, interfaces, recording, content, logs, time or directories fail, or there is a way
    /// round.
    Recommended,
    /// The guide says optional, that it can be blocked, that blocking has no effect, or future use.
    Optional,
    /// The traffic never leaves the box.
    Internal,
}

impl Need {
    /// The word that reports print.
    pub fn name(self) -> &'static str {
        match self {
            Need::Mandatory => "mandatory",
            Need::Recommended => "recommended",
            Need::Optional => "optional",
            Need::Internal => "internal",
        }
    }
}

/// The network that a table of the guide speaks of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Zone {
    /// The organization's own.
    Internal,
    /// The public internet.
    Internet,
}

impl Requirement {
    /// The name by which a site file can mean this row: its row name, else its service.
    pub fn name(&self) -> &str {
        self.row.as_deref().unwrap_or(&self.service)
    }

    /// Whether a version of the product has the row; without a version the newest is meant, as it is where versions
    /// are not numbered in the way of `since` and `until`.
    pub fn is_in(&self, version: Option<&Version>) -> bool {
        self.has_come(version) && !self.is_past(version)
    }

    /// Whether a version of the product had the row and has it no longer, likewise.
    pub fn is_gone(&self, version: Option<&Version>) -> bool {
        self.has_come(version) && self.is_past(version)
    }

    fn has_come(&self, version: Option<&Version>) -> bool {
        is_from(version, self.since.as_ref()).unwrap_or(true)
    }

    fn is_past(&self, version: Option<&Version>) -> bool {
        is_from(version, self.until.as_ref()).unwrap_or(self.until.is_some())
    }

    /// Whether all packets go to a multicast group. They stay within the networks between which routers forward the
    /// group, of which no rule of a firewall tells.
    pub fn for_group_alone(&self) -> bool {
        self.multicast.is_some() && !self.unicast
    }

    /// Whether the row has single ports of the device only, of which a range of another row holds all: no other
    /// service is given them.
    pub fn names_ports_within(&self, range: &Requirement) -> bool {
        let single = |(low, high): &(u16, u16)| low == high;
        let within =
            |(port, _): &(u16, u16)| range.ports.iter().any(|(low, high)| (low..=high).contains(&port));
        let speaks = |transport: &Transport| self.transports.contains(transport);
        !self.ports.is_empty()
            && self.listener == Listener::Device
            && self.host.is_none()
            && self.service != range.service
            && !range.ports.iter().all(single)
            && self.ports.iter().all(single)
            && self.ports.iter().all(within)
            && !range.transports.is_empty()
            && range.transports.iter().all(speaks)
    }

    /// Where the ports can be put by somebody who wants them to begin with `from`.
    pub fn places(&self, from: Option<u16>) -> Vec<(u16, u16)> {
        match from {
            _ if !self.allowed.is_empty() => self.allowed.clone(),
            Some(from) if self.configurable => vec![(from, u16::MAX)],
            Some(_) | None => self.ports.clone(),
        }
    }

    /// Whether a port is one of the row's.
    pub fn uses(&self, port: u16) -> bool {
        let fits = match self.parity {
            None => true,
            Some(Parity::Even) => port.is_multiple_of(2),
            Some(Parity::Odd) => !port.is_multiple_of(2),
        };
        fits && self.ports.iter().any(|(low, high)| (*low..=*high).contains(&port))
    }

    /// How many ports the row has.
    pub fn port_count(&self) -> u32 {
        let step = if self.parity.is_some() { 2 } else { 1 };
        self.ports.iter().map(|(low, high)| u32::from(high - low) / step + 1).sum()
    }

    /// The ports as people write them: `7222-7422 even`; `dynamic` where there are none.
    pub fn ports_text(&self) -> String {
        let parity = match self.parity {
            None => "",
            Some(Parity::Even) => " even",
            Some(Parity::Odd) => " odd",
        };
        if self.ports.is_empty() { "dynamic".to_string() } else { ports::show(&self.ports) + parity }
    }
}

/// Whether a version is the mark or a later one; `None` where they cannot be compared.
fn is_from(version: Option<&Version>, mark: Option<&Version>) -> Option<bool> {
    Some(version?.compare(mark?)?.is_ge())
}

impl JsonSchema for Direction {
    fn schema_name() -> Cow<'static, str> {
        "Direction".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The way of the packets as the guide prints it",
            "anyOf": [{ "enum": ["in", "out", "both"] }, generator.subschema_for::<Ends>()],
        })
    }
}

impl<'de> Deserialize<'de> for Direction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DirectionVisitor)
    }
}

/// Takes a word or a table; an untagged enum would do so with poorer messages.
struct DirectionVisitor;

/// From one role to another.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Ends {
    /// Where packets come from.
    from: String,
    /// Where they go.
    to: String,
}

impl<'de> Visitor<'de> for DirectionVisitor {
    type Value = Direction;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("`in`, `out`, `both` or `{ from = …, to = … }`")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Direction, E> {
        match word {
            "in" => Ok(Direction::In),
            "out" => Ok(Direction::Out),
            "both" => Ok(Direction::Both),
            _ => Err(E::invalid_value(de::Unexpected::Str(word), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Direction, A::Error> {
        let Ends { from, to } = Ends::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(Direction::Between { from, to })
    }
}

impl Serialize for Direction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let word = match self {
            Direction::In => "in",
            Direction::Out => "out",
            Direction::Both => "both",
            Direction::Between { from, to } => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("from", from)?;
                map.serialize_entry("to", to)?;
                return map.end();
            }
        };
        serializer.serialize_str(word)
    }
}
