//! The site: zones, the firewalls between them, and the devices that stand in them.
//!
//! It comes from `pinhole.toml` ([`load`]) or, where there is none, from the command line ([`Site::of_products`]).

mod assume;
mod date;
mod expect;
mod fillers;
mod findings;
mod firewalls;
mod flows;
mod graph;
mod index;
mod made_up;
mod parse;
mod paths;
mod reader;
mod required;
mod services;
mod settings;
mod value;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::catalog::SecurityMode;
pub use crate::packet::Prefix;
pub use date::Date;
pub use expect::{Expect, Spot, Traffic, Who, parse_traffic};
pub use findings::findings;
pub use flows::{Far, Flow, Leg, Needs, Party};
pub use made_up::Reading;
pub use parse::load;
pub use paths::{Choice, Crossing, End, Route, loopbacks, unicast};
pub use services::Service;
pub use settings::{Ignore, Settings};
pub use value::parse_prefix;

use crate::catalog::Version;
use crate::fence;
use crate::model::{Assumption, OwnAddress};
use crate::packet::Family;
use crate::source::Span;

/// The name of the site file.
pub const FILE_NAME: &str = "pinhole.toml";

impl Prefix {
    /// An address of a firewall's interface.
    pub fn on(self, interface: &str) -> OwnAddress {
        let (family, address) = Family::of(self.address);
        OwnAddress { interface: interface.to_string(), family, address, prefix: self.length.into() }
    }
}

/// A part of the network; which one an address is in, the longest prefix decides.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Zone {
    /// Unique among zones.
    pub name: String,
    /// Its networks; a zone without any is everything that is in no other zone.
    pub networks: Vec<Prefix>,
    /// The name in the site file.
    pub span: Option<Span>,
}

/// Index into [`Site::zones`].
pub type ZoneId = usize;

/// A firewall.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Firewall {
    /// Unique among firewalls.
    pub name: String,
    /// Its config files, paths as they can be opened.
    pub configs: Vec<PathBuf>,
    /// The zones behind each interface.
    pub interfaces: BTreeMap<String, Vec<ZoneId>>,
    /// The firewall's own addresses, by interface; those of which it is not said on which are under the empty
    /// name. A firewall on a device has the device's.
    pub addresses: BTreeMap<String, Vec<Prefix>>,
    /// pf interface groups: the interfaces of each.
    pub groups: BTreeMap<String, Vec<String>>,
    /// Index of the device that the firewall runs on, where it protects that device alone; such a
    /// firewall has no interfaces into zones.
    pub host: Option<usize>,
    /// What is so of that which the config files do not tell.
    pub assumptions: Vec<Assumption>,
    /// The name in the site file.
    pub span: Option<Span>,
}

impl Firewall {
    /// The firewall's own addresses, as far as the site tells them.
    pub fn own_addresses(&self) -> Vec<OwnAddress> {
        let all = self.addresses.iter();
        all.flat_map(|(name, prefixes)| prefixes.iter().map(|prefix| prefix.on(name))).collect()
    }
}

/// A product at work.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// Unique among devices.
    pub name: String,
    /// The product's name in the catalog.
    pub product: String,
    /// Where the site file names the product.
    pub product_span: Option<Span>,
    /// Its version; the newest where `None`.
    pub version: Option<Version>,
    /// Where the site file gives it.
    pub version_span: Option<Span>,
    /// Its addresses; none only where the command line gives a product without address.
    pub addresses: Vec<IpAddr>,
    /// How others see it, where a firewall translates.
    pub public_addresses: Vec<IpAddr>,
    /// The security mode it runs in, in lower case.
    pub security_mode: Option<String>,
    /// The services that it turns on and off, where the site file says these in place of a mode.
    pub own_mode: Option<SecurityMode>,
    /// Where the site file names the mode.
    pub mode_span: Option<Span>,
    /// Rows of its catalog that are on other ports here.
    pub moved: Vec<MovedRow>,
    /// How many connections it is to carry at once, as its document counts them.
    pub connections: Option<u32>,
    /// How many recordings it makes at once.
    pub recordings: Option<u32>,
    /// How a gatekeeper routes calls, as the site file says it.
    pub mode: Option<RoutingMode>,
    /// Its signalling is encrypted: helpers of firewalls cannot read it.
    pub encrypted: bool,
    /// It tells far ends its own addresses, although it has public ones.
    pub announces_private: bool,
    /// The name in the site file.
    pub span: Option<Span>,
}

impl Device {
    /// Whether it tells far ends public addresses of its own.
    pub(crate) fn announces_public(&self) -> bool {
        !self.public_addresses.is_empty() && !self.announces_private
    }
}

/// What a gatekeeper routes (ITU-T H.323, clause 8).
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum RoutingMode {
    /// Nothing: the ends signal to each other.
    Direct,
    /// The call signalling.
    Q931Routed,
    /// Call signalling and call control.
    H245Routed,
}

impl RoutingMode {
    /// All of them.
    pub const ALL: [RoutingMode; 3] = [RoutingMode::Direct, RoutingMode::Q931Routed, RoutingMode::H245Routed];

    /// As site files and calls write it.
    pub fn name(self) -> &'static str {
        match self {
            RoutingMode::Direct => "direct",
            RoutingMode::Q931Routed => "q931-routed",
            RoutingMode::H245Routed => "h245-routed",
        }
    }
}

/// A row of the catalog that is on other ports than the catalog says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MovedRow {
    /// The row's name, or its service where no other row shares that.
    pub row: String,
    /// The ports it is on.
    pub ports: Vec<[u16; 2]>,
    /// Where the site file says so.
    pub span: Option<Span>,
}

/// Who fills a role that no device fills.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Unique among peers, devices and zones.
    pub name: Option<String>,
    /// The role's name in the catalog.
    pub role: String,
    /// Where it is.
    pub place: PeerPlace,
    /// The role in the site file.
    pub span: Option<Span>,
}

/// Where a peer is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PeerPlace {
    /// At each of these addresses.
    Addresses(Vec<IpAddr>),
    /// Anywhere in a zone.
    Zone(ZoneId),
}

/// A path that the site file gives, where the graph of zones leaves a choice. It is the way back as well, unless
/// another one is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GivenPath {
    /// Where it starts.
    pub from: ZoneId,
    /// Where it ends.
    pub to: ZoneId,
    /// Indexes into [`Site::firewalls`], in order.
    pub firewalls: Vec<usize>,
    /// The entry in the site file.
    pub span: Option<Span>,
}

/// Everything about one site. Zones, firewalls, devices and paths stay as they are once something was asked: what
/// follows from them is worked out at the first question.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Site {
    /// The site file; `None` where the site comes from the command line.
    pub path: Option<PathBuf>,
    /// Zones.
    pub zones: Vec<Zone>,
    /// Firewalls.
    pub firewalls: Vec<Firewall>,
    /// Paths that are given.
    pub paths: Vec<GivenPath>,
    /// Devices.
    pub devices: Vec<Device>,
    /// Peers.
    pub peers: Vec<Peer>,
    /// What is promised.
    pub expects: Vec<Expect>,
    /// Folders with more products for the catalog.
    pub catalogs: Vec<PathBuf>,
    /// Folders with more calls.
    pub calls: Vec<PathBuf>,
    /// How to check.
    pub settings: Settings,
    index: index::Cache,
}

impl Site {
    /// The site of the command line: one device for each `NAME[@ADDRESS]`, all in one security mode.
    pub fn of_products(products: &[(String, Option<IpAddr>)], mode: Option<&str>) -> Site {
        let devices = products.iter().map(|(product, address)| Device {
            name: address.map_or(product.clone(), |address| format!("{product}@{address}")),
            product: product.clone(),
            product_span: None,
            version: None,
            version_span: None,
            addresses: address.iter().copied().collect(),
            public_addresses: Vec::new(),
            security_mode: mode.map(str::to_ascii_lowercase),
            own_mode: None,
            mode_span: None,
            moved: Vec::new(),
            connections: None,
            recordings: None,
            mode: None,
            encrypted: false,
            announces_private: false,
            span: None,
        });
        Site { devices: devices.collect(), ..Site::default() }
    }

    /// Whether it is made up for a config that no site file speaks of.
    pub fn is_made_up(&self) -> bool {
        self.path.is_none()
    }

    /// Whether any of its networks or devices is of IPv6.
    pub fn has_v6(&self) -> bool {
        self.zones.iter().flat_map(|zone| &zone.networks).any(|network| network.address.is_ipv6())
            || self.devices.iter().flat_map(|device| &device.addresses).any(IpAddr::is_ipv6)
    }

    /// What somebody is called of whom a zone is known alone.
    pub fn in_zone(&self, who: &str, zone: ZoneId) -> String {
        format!("{who} in zone {}", self.zones[zone].name)
    }

    /// The zone that an address is in: the one with the longest prefix that holds it, else the one that is
    /// everything else; `None` where there is neither.
    pub fn zone_of(&self, address: IpAddr) -> Option<ZoneId> {
        let (family, number) = Family::of(address);
        self.index().zone_of(family, number)
    }

    fn index(&self) -> &index::Index {
        self.index.of(self)
    }

    /// The firewall that a config file belongs to.
    pub fn firewall_of(&self, config: &Path) -> Option<usize> {
        let config = config.canonicalize().ok()?;
        let is_it = |path: &PathBuf| path.canonicalize().is_ok_and(|path| path == config);
        self.firewalls.iter().position(|firewall| firewall.configs.iter().any(is_it))
    }
}

/// The site file that applies to a config file or a folder: the nearest one in its folder or above.
pub fn find(start: &Path) -> Option<PathBuf> {
    let folder = if start.is_dir() { start } else { start.parent()? };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let plain = folder.join(FILE_NAME);
    // One that cannot be read is told: without it, nothing would be asked for.
    let is_there = |path: &Path| path.symlink_metadata().is_ok();
    if is_there(&plain) {
        return Some(if folder == Path::new(".") { PathBuf::from(FILE_NAME) } else { plain });
    }
    let absolute = folder.canonicalize().ok()?;
    let above = absolute.ancestors().skip(1).take_while(|above| fence::pass(above).is_ok());
    let found = above.map(|above| above.join(FILE_NAME)).find(|path| is_there(path))?;
    // Shown as short as a user would write it, where it is below the current folder.
    let here = std::env::current_dir().and_then(|here| here.canonicalize()).ok();
    let below = here.and_then(|here| found.strip_prefix(here).ok().map(Path::to_path_buf));
    Some(below.unwrap_or(found))
}

#[cfg(test)]
mod tests;
