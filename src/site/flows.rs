//! Who must reach whom, on what: the flows that the catalog asks for at this site.

use std::cell::OnceCell;
use std::net::IpAddr;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::fillers::Fillers;
use super::{End, Site, ZoneId};
use crate::catalog::{
    Catalog, Confined, Initiator, Listener, Parity, Product, Requirement, SecurityMode, Transport,
    Zone as Side,
};
use crate::packet::{Family, Set};

/// Which end opens the connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Leg {
    /// The peer, towards the device.
    ToDevice,
    /// The device, towards the peer.
    FromDevice,
}

impl Leg {
    /// The other way.
    pub fn other(self) -> Leg {
        match self {
            Leg::ToDevice => Leg::FromDevice,
            Leg::FromDevice => Leg::ToDevice,
        }
    }
}

/// One end of a flow that is not the device: a host or everybody in a zone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Far {
    /// The zone it is in.
    pub zone: ZoneId,
    /// The device, where it is one of ours.
    pub device: Option<usize>,
    /// Its address, or all of the zone's.
    pub v4: Set,
    /// Likewise for IPv6.
    pub v6: Set,
}

impl Far {
    /// Its addresses of a family.
    pub fn addresses(&self, family: Family) -> &Set {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    /// Whether it is one address.
    fn is_host(&self) -> bool {
        let count = self.v4.count().saturating_add(self.v6.count());
        count == 1
    }
}

/// Somebody who has to get through: by one of several places, where it is not said which.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Party {
    /// For people: `gatekeeper ecs-1`, `h323-entity in zone internet`, `anybody outside zone video`.
    pub name: String,
    /// The places; it is enough that one of them gets through.
    pub places: Vec<Far>,
    /// The site names nobody: it is anybody.
    pub anybody: bool,
}

/// What one leg of a row needs.
#[derive(Clone, Debug)]
pub struct Flow<'a> {
    /// The device whose row it is: index into [`Site::devices`].
    pub device: usize,
    /// Who is at the near end, in one place, where the row is about two other machines.
    pub host: Option<Arc<Party>>,
    /// The row.
    pub requirement: &'a Requirement,
    /// Who opens the connection.
    pub leg: Leg,
    /// Nobody says at which end the ports are: it is enough that `leg` or the other way gets through.
    pub either_way: bool,
    /// The transports; with `either_transport` it is enough that one of them gets through.
    pub transports: Vec<Transport>,
    /// The guide does not say which transport it is.
    pub either_transport: bool,
    /// The destination ports.
    pub ports: Set,
    /// The source ports, where the device sends from the ports that it listens on: over UDP, for a service that
    /// either end opens.
    pub from: Option<Set>,
    /// The source ports that the operating system may choose where the device opens a connection: the usual ones,
    /// but for those on which the device listens.
    pub chosen: Option<Arc<Set>>,
    /// It is enough that one of the ports gets through.
    pub any_port: bool,
    /// Everybody who has to get through.
    pub parties: Vec<Arc<Party>>,
    /// The row is needed only on a condition, and the site has nobody who fills its role.
    pub doubtful: bool,
}

impl Flow<'_> {
    /// The device at the near end, where one of ours is.
    pub fn near(&self) -> Option<usize> {
        match &self.host {
            Some(host) => host.places.first().and_then(|far| far.device),
            None => Some(self.device),
        }
    }

    /// The ways of which one has to get through.
    pub fn ways(&self) -> impl Iterator<Item = Leg> + use<> {
        [Some(self.leg), self.either_way.then(|| self.leg.other())].into_iter().flatten()
    }
}

/// What the products of a site need, with everything that is asked for again and again worked out once.
#[derive(Debug)]
pub struct Needs<'a> {
    site: &'a Site,
    /// The product of each device.
    products: Vec<Option<&'a Product>>,
    fillers: Fillers<'a>,
    /// Roles that say nothing of how a system is set up.
    endpoints: FxHashSet<&'a str>,
    /// For each device the ports that it offers for each service.
    offered: Vec<FxHashMap<&'a str, Set>>,
    /// For each device the source ports that its operating system may choose.
    chosen: Vec<Arc<Set>>,
}

/// One end of the flows that are worked out: a place of a device, or of those whom its rows call hosts.
struct Here<'h> {
    /// The device whose rows they are.
    device: usize,
    host: Option<&'h Arc<Party>>,
    zone: ZoneId,
    /// Anybody outside, by the side of the network that is meant.
    anybody: [OnceCell<Option<Arc<Party>>>; 3],
}

impl<'h> Here<'h> {
    fn new(device: usize, host: Option<&'h Arc<Party>>, zone: ZoneId) -> Self {
        Here { device, host, zone, anybody: Default::default() }
    }

    /// The device that is there.
    fn occupant(&self) -> Option<usize> {
        match self.host {
            Some(host) => host.places.first().and_then(|far| far.device),
            None => Some(self.device),
        }
    }
}

impl<'a> Needs<'a> {
    /// What the devices of a site need.
    pub fn of(site: &'a Site, catalog: &'a Catalog) -> Self {
        let products: Vec<Option<&Product>> =
            site.devices.iter().map(|device| catalog.product(&device.product)).collect();
        let offered = |(device, product): (usize, &Option<&'a Product>)| {
            let mut offered: FxHashMap<&'a str, Set> = FxHashMap::default();
            let rows =
                product.iter().flat_map(|product| product.requirements.iter().map(move |row| (product, row)));
            for (product, row) in rows.filter(|(_, row)| row.listener == Listener::Device) {
                let ports = site.ports_of(device, product, row);
                let known = offered.entry(row.service.as_str()).or_default();
                *known = known.or(&ports);
            }
            offered
        };
        let offered: Vec<FxHashMap<&str, Set>> = products.iter().enumerate().map(offered).collect();
        let chosen = |offered: &FxHashMap<&str, Set>| {
            let free = offered.values().fold(high_ports(), |free, listens| free.minus(listens));
            Arc::new(if free.is_empty() { high_ports() } else { free })
        };
        Needs {
            site,
            chosen: offered.iter().map(chosen).collect(),
            offered,
            fillers: Fillers::of(site, catalog, &products),
            endpoints: catalog
                .roles()
                .iter()
                .filter(|role| role.endpoint)
                .map(|role| role.name.as_str())
                .collect(),
            products,
        }
    }

    /// The source ports that a device's operating system may choose.
    pub fn chosen(&self, device: usize) -> &Set {
        &self.chosen[device]
    }

    /// The flows of a device at one of its addresses, which is in the zone; in the order of its rows.
    pub fn flows(&self, device: usize, zone: ZoneId) -> Vec<Flow<'a>> {
        let here = Here::new(device, None, zone);
        let Some(product) = self.products[device] else { return Vec::new() };
        let rows = product.requirements.iter().filter(|row| row.host.is_none());
        rows.flat_map(|row| self.legs(&here, product, row)).collect()
    }

    /// The flows of a device's rows that are about two other machines, as far as the site has somebody at the near
    /// end.
    pub fn flows_of_others(&self, device: usize) -> Vec<Flow<'a>> {
        let Some(product) = self.products[device] else { return Vec::new() };
        let mut flows = Vec::new();
        for row in &product.requirements {
            let Some(role) = row.host.as_deref() else { continue };
            for host in self.fillers.of_role(role) {
                let Some(far) = host.places.first() else { continue };
                flows.extend(self.legs(&Here::new(device, Some(host), far.zone), product, row));
            }
        }
        flows
    }

    /// Whether somebody is in a zone, it is not said at which address, whose own connections a row is about.
    pub fn hosts_somewhere(&self, zone: ZoneId) -> bool {
        let rows = self.products.iter().flatten().flat_map(|product| &product.requirements);
        let roles: FxHashSet<&str> = rows.filter_map(|row| row.host.as_deref()).collect();
        roles.into_iter().flat_map(|role| self.fillers.of_role(role)).any(|party| {
            party.places.iter().any(|far| far.zone == zone && far.device.is_none() && !far.is_host())
        })
    }

    fn legs(&self, here: &Here<'_>, product: &'a Product, row: &'a Requirement) -> Vec<Flow<'a>> {
        if !self.site.is_judged(here.device, product, row) {
            return Vec::new();
        }
        let (parties, known) = self.parties(here, row);
        // Whoever fills a component's role is there because the component is used; endpoints are there anyway.
        let telling = known && !row.peer.as_deref().is_some_and(|role| self.endpoints.contains(role));
        let ports = self.site.ports_of(here.device, product, row);
        let inbound = Set::of_ports(&row.inbound);
        let own = here.occupant().map(|near| Arc::clone(&self.chosen[near]));
        let chosen = own.unwrap_or_else(|| Arc::new(high_ports()));
        let flow = |leg, ports: Set, parties: Vec<Arc<Party>>| Flow {
            device: here.device,
            host: here.host.cloned(),
            requirement: row,
            leg,
            either_way: false,
            transports: match row.transports.as_slice() {
                [] => vec![Transport::Tcp, Transport::Udp],
                some => some.to_vec(),
            },
            either_transport: row.transports.is_empty(),
            from: None,
            chosen: (leg == Leg::FromDevice).then(|| Arc::clone(&chosen)),
            ports,
            any_port: false,
            parties,
            doubtful: row.condition.is_some() && !telling,
        };
        let flows = match (row.initiator, row.listener) {
            (Initiator::Peer, Listener::Device) => vec![flow(Leg::ToDevice, ports, parties)],
            (Initiator::Device, Listener::Peer) => vec![
                flow(Leg::FromDevice, ports.minus(&inbound), parties.clone()),
                flow(Leg::ToDevice, inbound, parties),
            ],
            (Initiator::Either, Listener::Device) => {
                let there = self.ports_there(row, &ports, &parties);
                let outward = there.into_iter().map(|(there, any_port, parties)| Flow {
                    any_port,
                    from: Some(ports.clone()),
                    ..flow(Leg::FromDevice, there, parties)
                });
                let outward: Vec<Flow<'_>> = outward.collect();
                std::iter::once(flow(Leg::ToDevice, ports.clone(), parties)).chain(outward).collect()
            }
            // The port at the far end is not told: it is enough that one of the usual ones gets through.
            (Initiator::Device, Listener::Device) => {
                vec![Flow { any_port: true, ..flow(Leg::FromDevice, high_ports(), parties) }]
            }
            // The ports are where somebody listens: both ends can be it.
            (initiator, Listener::Unknown) => {
                let leg = if initiator == Initiator::Device { Leg::FromDevice } else { Leg::ToDevice };
                vec![Flow { either_way: true, ..flow(leg, ports, parties) }]
            }
            // Contradictions, which no catalog can hold.
            (Initiator::Peer | Initiator::Either, Listener::Peer) => Vec::new(),
        };
        flows.into_iter().filter(|flow| !flow.parties.is_empty() && !flow.ports.is_empty()).collect()
    }

    /// To which ports of its peers a device goes for a service that both ends offer, and whether one of them is
    /// enough; peers with the same ports together.
    fn ports_there(
        &self,
        row: &Requirement,
        here: &Set,
        parties: &[Arc<Party>],
    ) -> Vec<(Set, bool, Vec<Arc<Party>>)> {
        let usual = match here.single() {
            Some(port) if port < 1024 || matches!(port, 1719 | 1720 | 5060) => (here.clone(), false),
            _ => (high_ports(), true),
        };
        let mut groups: Vec<(Set, bool, Vec<Arc<Party>>)> = Vec::new();
        let mut places: FxHashMap<Option<&Set>, usize> = FxHashMap::default();
        for party in parties {
            let peer = party.places.iter().find_map(|far| far.device);
            let offered = peer.and_then(|peer| self.offered[peer].get(row.service.as_str()));
            let offered = offered.filter(|ports| !ports.is_empty());
            let at = *places.entry(offered).or_insert_with(|| {
                let (ports, any) = offered.map_or(usual.clone(), |ports| (ports.clone(), true));
                groups.push((ports, any, Vec::new()));
                groups.len() - 1
            });
            groups[at].2.push(Arc::clone(party));
        }
        groups
    }

    /// Everybody who fills the role of a row's peer; where nobody does, anybody outside the zone, unless the row is
    /// for those of the same installation alone. Also whether the site knows somebody who fills it.
    fn parties(&self, here: &Here<'_>, row: &Requirement) -> (Vec<Arc<Party>>, bool) {
        let fillers = row.peer.as_deref().map_or(&[][..], |role| self.fillers.of_role(role));
        let meant = |party: &&Arc<Party>| {
            let itself = |far: &Far| {
                far.device.is_some() && (far.device == Some(here.device) || far.device == here.occupant())
            };
            let side = |far: &Far| self.site.is_on_side(row.zone, far.zone);
            !party.places.iter().any(itself) && party.places.iter().all(side)
        };
        let parties: Vec<Arc<Party>> = fillers.iter().filter(meant).cloned().collect();
        match (parties.is_empty(), row.confined) {
            (false, _) => (parties, true),
            (true, Some(Confined::Cluster)) => (parties, false),
            (true, Some(Confined::Box) | None) => (self.anybody(here, row.zone).into_iter().collect(), false),
        }
    }

    /// Anybody outside the zone of one end, as far as firewalls are on the way to it.
    fn anybody(&self, here: &Here<'_>, side: Option<Side>) -> Option<Arc<Party>> {
        let known = match side {
            None => &here.anybody[0],
            Some(Side::Internet) => &here.anybody[1],
            Some(Side::Internal) => &here.anybody[2],
        };
        let found = || self.site.anybody(here.device, End { zone: here.zone, device: here.occupant() }, side);
        known.get_or_init(|| found().map(Arc::new)).clone()
    }
}

impl Site {
    /// Rows that no rule of a firewall can satisfy or break are left out: those within a chassis, those that are for
    /// a multicast group alone, what the device's security mode turns off, and what its version does not use yet
    /// or no longer.
    pub fn is_judged(&self, device: usize, product: &Product, row: &Requirement) -> bool {
        let there = row.is_in(self.devices[device].version.as_ref());
        let nowhere = row.internal_only || row.future_use || row.for_group_alone();
        there && !nowhere && !self.is_off(device, product, row)
    }

    /// Whether the device's security mode turns off the service that a row is.
    pub fn is_off(&self, device: usize, product: &Product, row: &Requirement) -> bool {
        let mode = self.mode_of(device, product).filter(|_| row.listener == Listener::Device);
        mode.is_some_and(|mode| mode.is_on(&row.service) == Some(false))
    }

    /// The security mode that a device is in, where it is said and known.
    pub fn mode_of<'a>(&'a self, device: usize, product: &'a Product) -> Option<&'a SecurityMode> {
        let device = &self.devices[device];
        device.own_mode.as_ref().or_else(|| product.mode(device.security_mode.as_deref()?))
    }

    /// The ports of a row at this device: the site may have moved them, and what another row names as its own port
    /// is none of a range.
    pub fn ports_of(&self, device: usize, product: &Product, row: &Requirement) -> Set {
        let ports = self.ports_as_told(device, product, row);
        if row.listener != Listener::Device || row.host.is_some() || ports.single().is_some() {
            return ports;
        }
        let mut own = Vec::new();
        for other in product.requirements.iter().filter(|other| other.names_ports_within(row)) {
            let version = self.devices[device].version.as_ref();
            if other.is_in(version) && (other.internal_only || self.is_judged(device, product, other)) {
                own.extend(self.ports_as_told(device, product, other).ranges().to_vec());
            }
        }
        if own.is_empty() { ports } else { ports.minus(&Set::of(own)) }
    }

    fn ports_as_told(&self, device: usize, product: &Product, row: &Requirement) -> Set {
        let moved = self.devices[device].moved.iter().find(|moved| {
            product.rows_named(&moved.row).iter().any(|named| std::ptr::eq(*named, row) || **named == *row)
        });
        let ports = match moved {
            Some(moved) => Set::of(moved.ports.iter().map(|[lo, hi]| (u128::from(*lo), u128::from(*hi)))),
            None => Set::of_ports(&row.ports),
        };
        match row.parity {
            None => ports,
            Some(parity) => {
                let wanted = u128::from(parity == Parity::Odd);
                let fits = |port: &u128| port % 2 == wanted;
                let all = ports.ranges().iter().flat_map(|(lo, hi)| *lo..=*hi);
                Set::of(all.filter(fits).map(|port| (port, port)))
            }
        }
    }

    /// Whether a zone is on the side of the network that a row speaks of.
    pub fn is_on_side(&self, side: Option<Side>, zone: ZoneId) -> bool {
        match side {
            None => true,
            Some(Side::Internet) => self.is_everything_else(zone),
            Some(Side::Internal) => self.is_made_up() || !self.is_everything_else(zone),
        }
    }

    pub(super) fn party(&self, name: String, address: IpAddr, device: Option<usize>) -> Option<Party> {
        let (family, number) = Family::of(address);
        let (mut v4, mut v6) = (Set::empty(), Set::empty());
        match family {
            Family::V4 => v4 = Set::one(number),
            Family::V6 => v6 = Set::one(number),
        }
        let places = vec![Far { zone: self.zone_of(address)?, device, v4, v6 }];
        Some(Party { name, places, anybody: false })
    }

    pub(super) fn whole(&self, zone: ZoneId) -> Far {
        let addresses = |family| self.addresses_of(zone, family);
        Far { zone, device: None, v4: addresses(Family::V4), v6: addresses(Family::V6) }
    }

    /// Anybody outside the zone of one end, as far as firewalls are on the way to it.
    fn anybody(&self, device: usize, near: End, side: Option<Side>) -> Option<Party> {
        if self.is_made_up() {
            return Some(self.everybody(device));
        }
        let zone = near.zone;
        let others: Vec<ZoneId> = (0..self.zones.len()).filter(|other| *other != zone).collect();
        let is_meant = |other: &ZoneId| {
            let path = self.path(End { zone: *other, device: None }, near);
            self.is_on_side(side, *other) && path.is_some_and(|path| !path.is_empty())
        };
        let meant: Vec<ZoneId> = others.iter().copied().filter(is_meant).collect();
        let name = match meant.len() == others.len() {
            true => format!("anybody outside zone {}", self.zones[zone].name),
            false => {
                let names = meant.iter().map(|other| self.zones[*other].name.as_str());
                format!("anybody in zone {}", names.collect::<Vec<_>>().join(" or "))
            }
        };
        let places: Vec<Far> = meant.iter().map(|other| self.whole(*other)).collect();
        (!places.is_empty()).then_some(Party { name, places, anybody: true })
    }

    /// Everybody everywhere but the device itself: what it sends to itself crosses no firewall.
    pub fn everybody(&self, device: usize) -> Party {
        let own = &self.devices[device].addresses;
        let own = |family: Family| {
            let own = own.iter().map(|address| Family::of(*address)).filter(|(f, _)| *f == family);
            Set::of(own.map(|(_, number)| (number, number)))
        };
        // On a made-up site everybody else is outside.
        let zones = if self.is_made_up() { 1 } else { self.zones.len() };
        let places = (0..zones).map(|zone| {
            let far = self.whole(zone);
            Far { v4: far.v4.minus(&own(Family::V4)), v6: far.v6.minus(&own(Family::V6)), ..far }
        });
        Party { name: "anybody".to_string(), places: places.collect(), anybody: true }
    }
}

/// Ports that a far end may have chosen.
fn high_ports() -> Set {
    Set::range(1024, 65535)
}
