//! Who must reach whom, on what: the flows that the catalog asks for at this site.

use std::net::IpAddr;

use super::{End, PeerPlace, Site, ZoneId};
use crate::catalog::{Catalog, Initiator, Listener, Parity, Product, Requirement, Transport, Zone as Side};
use crate::packet::{Family, Set};

/// Roles that say nothing of how a system is set up.
const ENDPOINTS: [&str; 4] = ["h323-entity", "sip-entity", "media-entity", "desktop-client"];

/// Which end opens the connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Leg {
    /// The peer, towards the device.
    ToDevice,
    /// The device, towards the peer.
    FromDevice,
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
    /// Index into [`Site::devices`].
    pub device: usize,
    /// The row.
    pub requirement: &'a Requirement,
    /// Who opens the connection.
    pub leg: Leg,
    /// The transports; with `either_transport` it is enough that one of them gets through.
    pub transports: Vec<Transport>,
    /// The guide does not say which transport it is.
    pub either_transport: bool,
    /// The destination ports.
    pub ports: Set,
    /// The source ports, where the device sends from the ports that it listens on: over UDP, for a service that
    /// either end opens.
    pub from: Option<Set>,
    /// It is enough that one of the ports gets through.
    pub any_port: bool,
    /// Everybody who has to get through.
    pub parties: Vec<Party>,
    /// The row is needed only on a condition, and the site has nobody who fills its role.
    pub doubtful: bool,
}

impl Site {
    /// The flows of a device at one of its addresses, which is in the zone; in the order of its rows.
    pub fn flows<'a>(&self, catalog: &'a Catalog, device: usize, zone: ZoneId) -> Vec<Flow<'a>> {
        let Some(product) = catalog.product(&self.devices[device].product) else { return Vec::new() };
        product
            .requirements
            .iter()
            .filter(|row| self.is_judged(device, product, row))
            .flat_map(|row| self.legs(catalog, (device, zone), product, row))
            .filter(|flow| !flow.parties.is_empty() && !flow.ports.is_empty())
            .collect()
    }

    /// Rows that no rule of a firewall can satisfy or break are left out: those within a chassis, those of
    /// two other machines, multicast, what the device's security mode turns off, and what its version does not use
    /// yet or no longer.
    fn is_judged(&self, device: usize, product: &Product, row: &Requirement) -> bool {
        let off = row.listener == Listener::Device
            && self.mode_of(device, product).is_some_and(|mode| mode.is_on(&row.service) == Some(false));
        let there = row.is_in(self.devices[device].version.as_ref());
        there
            && !(row.internal_only || row.future_use || row.host.is_some() || row.multicast.is_some() || off)
    }

    /// The security mode that a device is in, where it is said and known.
    pub fn mode_of<'a>(
        &self,
        device: usize,
        product: &'a Product,
    ) -> Option<&'a crate::catalog::SecurityMode> {
        product.mode(self.devices[device].security_mode.as_deref()?)
    }

    fn legs<'a>(
        &self,
        catalog: &'a Catalog,
        (device, zone): (usize, ZoneId),
        product: &Product,
        row: &'a Requirement,
    ) -> Vec<Flow<'a>> {
        let (parties, known) = self.parties(catalog, device, zone, row);
        // Whoever fills a component's role is there because the component is used; endpoints are there anyway.
        let telling = known && !ENDPOINTS.contains(&row.peer.as_deref().unwrap_or(""));
        let doubtful = row.condition.is_some() && !telling;
        let ports = self.ports_of(device, product, row);
        let inbound = Set::of(row.inbound.iter().map(|(lo, hi)| (u128::from(*lo), u128::from(*hi))));
        let both = [Transport::Tcp, Transport::Udp];
        let own = ports.clone();
        let flow = |leg, ports: Set, any_port, parties: Vec<Party>| Flow {
            device,
            requirement: row,
            leg,
            transports: if row.transports.is_empty() { both.to_vec() } else { row.transports.clone() },
            either_transport: row.transports.is_empty(),
            from: (leg == Leg::FromDevice && row.initiator == Initiator::Either).then(|| own.clone()),
            ports,
            any_port,
            parties,
            doubtful,
        };
        match (row.initiator, row.listener) {
            (Initiator::Peer, Listener::Device) => vec![flow(Leg::ToDevice, ports, false, parties)],
            (Initiator::Device, Listener::Peer) => vec![
                flow(Leg::FromDevice, ports.minus(&inbound), false, parties.clone()),
                flow(Leg::ToDevice, inbound, false, parties),
            ],
            (Initiator::Either, Listener::Device) => {
                let mut flows = vec![flow(Leg::ToDevice, ports.clone(), false, parties.clone())];
                for party in parties {
                    let (there, any) = self.ports_there(catalog, row, &ports, &party);
                    flows.push(flow(Leg::FromDevice, there, any, vec![party]));
                }
                flows
            }
            // The port at the far end is not told: it is enough that one of the usual ones gets through.
            (Initiator::Device, Listener::Device) => vec![flow(Leg::FromDevice, high_ports(), true, parties)],
            // Nothing says to which port of whom.
            (Initiator::Peer | Initiator::Either, Listener::Peer) | (_, Listener::Unknown) => Vec::new(),
        }
    }

    /// The ports of a row at this device: the site may have moved them.
    pub fn ports_of(&self, device: usize, product: &Product, row: &Requirement) -> Set {
        let moved = self.devices[device].moved.iter().find(|moved| {
            product.rows_named(&moved.row).iter().any(|named| std::ptr::eq(*named, row) || **named == *row)
        });
        let ports = match moved {
            Some(moved) => Set::of(moved.ports.iter().map(|[lo, hi]| (u128::from(*lo), u128::from(*hi)))),
            None => Set::of(row.ports.iter().map(|(lo, hi)| (u128::from(*lo), u128::from(*hi)))),
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

    /// To which ports of a peer the device goes for a service that both ends offer.
    fn ports_there(&self, catalog: &Catalog, row: &Requirement, here: &Set, party: &Party) -> (Set, bool) {
        let peer = party.places.iter().find_map(|far| far.device);
        if let Some(peer) = peer
            && let Some(product) = catalog.product(&self.devices[peer].product)
        {
            let offered = product.requirements.iter().filter(|other| {
                other.service == row.service && other.listener == Listener::Device && !other.ports.is_empty()
            });
            let ports = offered.fold(Set::empty(), |set, other| set.or(&self.ports_of(peer, product, other)));
            if !ports.is_empty() {
                return (ports, true);
            }
        }
        match here.single() {
            Some(port) if port < 1024 || matches!(port, 1719 | 1720 | 5060) => (here.clone(), false),
            _ => (high_ports(), true),
        }
    }

    /// Everybody who fills the role of a row's peer; where nobody does, anybody outside the device's zone.
    /// Also whether the site knows somebody who fills it.
    fn parties(
        &self,
        catalog: &Catalog,
        device: usize,
        zone: ZoneId,
        row: &Requirement,
    ) -> (Vec<Party>, bool) {
        let mut parties = Vec::new();
        if let Some(role) = row.peer.as_deref() {
            for (at, other) in self.devices.iter().enumerate() {
                let fills = catalog.product(&other.product).is_some_and(|product| product.fills(role));
                if at != device && fills {
                    parties.extend(
                        other
                            .addresses
                            .iter()
                            .filter_map(|address| self.party(other.name.clone(), *address, Some(at))),
                    );
                }
            }
            for peer in &self.peers {
                if !catalog.implied_roles(&peer.role).contains(&role) {
                    continue;
                }
                let called = peer.name.as_ref().unwrap_or(&peer.role);
                match &peer.place {
                    PeerPlace::Addresses(addresses) => parties.extend(
                        addresses.iter().filter_map(|a| self.party(format!("{called} {a}"), *a, None)),
                    ),
                    PeerPlace::Zone(zone) => parties.push(Party {
                        name: format!("{called} in zone {}", self.zones[*zone].name),
                        places: vec![self.whole(*zone)],
                        anybody: false,
                    }),
                }
            }
        }
        let side = |party: &Party| party.places.iter().all(|far| self.is_on_side(row.zone, far.zone));
        parties.retain(side);
        if parties.is_empty() {
            (self.anybody(device, zone, row.zone).into_iter().collect(), false)
        } else {
            (parties, true)
        }
    }

    /// Whether a zone is on the side of the network that a row speaks of.
    fn is_on_side(&self, side: Option<Side>, zone: ZoneId) -> bool {
        match side {
            None => true,
            Some(Side::Internet) => self.is_everything_else(zone),
            Some(Side::Internal) => self.is_made_up() || !self.is_everything_else(zone),
        }
    }

    fn party(&self, name: String, address: IpAddr, device: Option<usize>) -> Option<Party> {
        let (family, number) = Family::of(address);
        let (mut v4, mut v6) = (Set::empty(), Set::empty());
        match family {
            Family::V4 => v4 = Set::one(number),
            Family::V6 => v6 = Set::one(number),
        }
        let places = vec![Far { zone: self.zone_of(address)?, device, v4, v6 }];
        Some(Party { name, places, anybody: false })
    }

    fn whole(&self, zone: ZoneId) -> Far {
        let addresses = |family| self.addresses_of(zone, family);
        Far { zone, device: None, v4: addresses(Family::V4), v6: addresses(Family::V6) }
    }

    /// Anybody outside the zone of a device's address, as far as firewalls are on the way to it.
    fn anybody(&self, device: usize, zone: ZoneId, side: Option<Side>) -> Option<Party> {
        if self.is_made_up() {
            return Some(self.everybody(device));
        }
        let near = End { zone, device: Some(device) };
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
