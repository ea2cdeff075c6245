//! The two ends of a call, and third parties of the site: from what people write to where it is.

use std::net::IpAddr;

use crate::catalog::{Catalog, Product, Requirement};
use crate::packet::{Family, Set};
use crate::site::{Far, Peer, PeerPlace, Prefix, Site, ZoneId, parse_prefix};
use crate::spelling::nearest;

/// One end of a call.
#[derive(Clone, Debug)]
pub(crate) struct End {
    /// As people call it.
    pub name: String,
    /// The device, where it is one of ours.
    pub device: Option<usize>,
    /// Where it can be: for a device one place for each address.
    pub places: Vec<Far>,
    /// The roles that it fills, where it is no device and somebody says them.
    pub roles: Option<Vec<String>>,
}

/// An end in one place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side<'e> {
    /// Which end.
    pub end: &'e End,
    /// Which place.
    pub far: &'e Far,
}

/// A name that means nothing at the site.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unknown {
    /// Nobody is called so.
    #[error("the site has no device, zone or peer `{word}`{hint}")]
    Name {
        /// What was asked for.
        word: String,
        /// The nearest right name, as the end of the sentence.
        hint: String,
    },
    /// The catalog has no such role.
    #[error("the catalog has no role `{word}`{hint}")]
    Role {
        /// What was asked for.
        word: String,
        /// The nearest right name, as the end of the sentence.
        hint: String,
    },
    /// An address or network that is in no zone.
    #[error("{0} is in no zone of the site; a zone without `networks` is everything else")]
    Nowhere(String),
    /// A network with bits set behind its length.
    #[error("`{word}` is no network: bits after the prefix are set; the network is {network}")]
    NoNetwork {
        /// What was asked for.
        word: String,
        /// The network around it.
        network: Prefix,
    },
    /// There is nobody else.
    #[error("the site has no other zone than that of `{0}`")]
    Nobody(String),
}

/// Anybody who is not at the other end.
const ANYBODY: &str = "anybody";

impl End {
    /// What a word means: a device, a zone, a peer, an address, a network, `role:ROLE`, `role:ROLE@ZONE`, or `anybody`
    /// who is not where the other end is.
    pub(crate) fn find(
        site: &Site,
        catalog: &Catalog,
        word: &str,
        other: Option<&End>,
    ) -> Result<End, Unknown> {
        if let Some(device) = site.devices.iter().position(|device| device.name == word) {
            return Ok(End::device(site, device));
        }
        if let Some(zone) = site.zones.iter().position(|zone| zone.name == word) {
            return Ok(End::zone(site, zone, None));
        }
        if let Some(peer) = site.peers.iter().find(|peer| peer.name.as_deref() == Some(word)) {
            return End::of_peers(site, catalog, word.to_string(), &peer.role, &[&peer.place]);
        }
        if let Some(role) = word.strip_prefix("role:") {
            return End::role(site, catalog, role);
        }
        if let Ok(address) = word.parse::<IpAddr>() {
            return End::address(site, catalog, address);
        }
        if let Some(network) = word.contains('/').then(|| parse_prefix(word).ok()).flatten() {
            return End::network(site, catalog, word, network);
        }
        if word == ANYBODY {
            return End::anybody(site, other);
        }
        let names = site.devices.iter().map(|device| device.name.as_str());
        let names = names.chain(site.zones.iter().map(|zone| zone.name.as_str()));
        let names = names.chain(site.peers.iter().filter_map(|peer| peer.name.as_deref()));
        Err(Unknown::Name { word: word.to_string(), hint: hint(word, names.chain([ANYBODY])) })
    }

    /// A device of the site.
    pub(crate) fn device(site: &Site, at: usize) -> End {
        let device = &site.devices[at];
        let place = |address: &IpAddr| Some(far(site.zone_of(*address)?, Some(at), *address));
        let places = device.addresses.iter().filter_map(place).collect();
        End { name: device.name.clone(), device: Some(at), places, roles: None }
    }

    /// Everybody in a zone.
    fn zone(site: &Site, zone: ZoneId, roles: Option<Vec<String>>) -> End {
        let places = vec![whole(site, zone)];
        End { name: site.zones[zone].name.clone(), device: None, places, roles }
    }

    fn of_peers(
        site: &Site,
        catalog: &Catalog,
        name: String,
        role: &str,
        places: &[&PeerPlace],
    ) -> Result<End, Unknown> {
        let roles = catalog.implied_roles(role).into_iter().map(str::to_string).collect();
        let mut found = Vec::new();
        for place in places {
            match place {
                PeerPlace::Zone(zone) => found.push(whole(site, *zone)),
                PeerPlace::Addresses(addresses) => {
                    for address in addresses {
                        let zone =
                            site.zone_of(*address).ok_or_else(|| Unknown::Nowhere(address.to_string()))?;
                        found.push(far(zone, None, *address));
                    }
                }
            }
        }
        Ok(End { name, device: None, places: found, roles: Some(roles) })
    }

    /// A peer of the site; `None` where its addresses are in no zone.
    pub(crate) fn of_peer(site: &Site, catalog: &Catalog, name: String, peer: &Peer) -> Option<End> {
        End::of_peers(site, catalog, name, &peer.role, &[&peer.place]).ok()
    }

    /// Those who fill a role, in a zone or where the site has them.
    fn role(site: &Site, catalog: &Catalog, word: &str) -> Result<End, Unknown> {
        let (role, zone) = word.split_once('@').map_or((word, None), |(role, zone)| (role, Some(zone)));
        if catalog.role(role).is_none() {
            let known = catalog.roles().iter().map(|role| role.name.as_str());
            return Err(Unknown::Role { word: role.to_string(), hint: hint(role, known) });
        }
        let roles = || Some(catalog.implied_roles(role).into_iter().map(str::to_string).collect());
        if let Some(zone) = zone {
            let names = || site.zones.iter().map(|zone| zone.name.as_str());
            let Some(at) = names().position(|name| name == zone) else {
                return Err(Unknown::Name { word: zone.to_string(), hint: hint(zone, names()) });
            };
            return Ok(End { name: format!("{role} in {zone}"), ..End::zone(site, at, roles()) });
        }
        let fills = |peer: &&Peer| catalog.implied_roles(&peer.role).contains(&role);
        let places: Vec<&PeerPlace> = site.peers.iter().filter(fills).map(|peer| &peer.place).collect();
        if places.is_empty() {
            return Ok(End { name: role.to_string(), roles: roles(), ..End::anybody(site, None)? });
        }
        End::of_peers(site, catalog, role.to_string(), role, &places)
    }

    fn address(site: &Site, catalog: &Catalog, address: IpAddr) -> Result<End, Unknown> {
        let has = |device: &crate::site::Device| {
            device.addresses.contains(&address) || device.public_addresses.contains(&address)
        };
        if let Some(device) = site.devices.iter().position(has) {
            return Ok(End::device(site, device));
        }
        let at = |peer: &&Peer| matches!(&peer.place, PeerPlace::Addresses(addresses) if addresses.contains(&address));
        let filled: Vec<&str> = site.peers.iter().filter(at).map(|peer| peer.role.as_str()).collect();
        let implied = filled.iter().flat_map(|role| catalog.implied_roles(role)).map(str::to_string);
        let roles = (!filled.is_empty()).then(|| implied.collect());
        let zone = site.zone_of(address).ok_or_else(|| Unknown::Nowhere(address.to_string()))?;
        Ok(End { name: address.to_string(), device: None, places: vec![far(zone, None, address)], roles })
    }

    /// Everybody in a network, zone by zone.
    fn network(site: &Site, catalog: &Catalog, word: &str, network: Prefix) -> Result<End, Unknown> {
        if network != network.network() {
            return Err(Unknown::NoNetwork { word: word.to_string(), network: network.network() });
        }
        let (family, base) = Family::of(network.address);
        if u32::from(network.length) == family.bits() {
            return End::address(site, catalog, network.address);
        }
        let (low, high) = family.prefix(base, network.length.into());
        let all = Set::range(low, high);
        let place = |zone: ZoneId| {
            let of = |wanted| match wanted == family {
                true => site.addresses_of(zone, family).and(&all),
                false => Set::empty(),
            };
            Far { zone, device: None, v4: of(Family::V4), v6: of(Family::V6) }
        };
        let places: Vec<Far> =
            (0..site.zones.len()).map(place).filter(|far| !far.addresses(family).is_empty()).collect();
        if places.is_empty() {
            return Err(Unknown::Nowhere(word.to_string()));
        }
        Ok(End { name: network.to_string(), device: None, places, roles: None })
    }

    /// Everybody in the zone that is everything else; where there is none, in all zones but that of the other end.
    fn anybody(site: &Site, other: Option<&End>) -> Result<End, Unknown> {
        let theirs: Vec<ZoneId> = other.iter().flat_map(|end| &end.places).map(|far| far.zone).collect();
        let rest = (0..site.zones.len()).find(|zone| site.is_everything_else(*zone));
        let zones: Vec<ZoneId> = match rest {
            Some(rest) => vec![rest],
            None => (0..site.zones.len()).filter(|zone| !theirs.contains(zone)).collect(),
        };
        if zones.is_empty() {
            return Err(Unknown::Nobody(other.map_or(String::new(), |end| end.name.clone())));
        }
        let places = zones.into_iter().map(|zone| whole(site, zone)).collect();
        Ok(End { name: ANYBODY.to_string(), device: None, places, roles: None })
    }

    /// The product of a device.
    pub(crate) fn product<'c>(&self, site: &Site, catalog: &'c Catalog) -> Option<&'c Product> {
        catalog.product(&site.devices[self.device?].product)
    }

    /// Whether it may be the peer of a row: by its product's roles or, where nobody says what it is, by those that
    /// the call gives to its end.
    pub(crate) fn may_be(
        &self,
        site: &Site,
        catalog: &Catalog,
        row: &Requirement,
        of_call: &[String],
    ) -> bool {
        let Some(peer) = row.peer.as_deref() else { return true };
        let implied = |role: &String| catalog.implied_roles(role).contains(&peer);
        match (self.product(site, catalog), &self.roles) {
            (Some(product), _) => {
                // Some products have the rows of a role that their documents do not say that they fill.
                let speaks = product.requirements.iter().any(|own| own.service == row.service);
                product.fills(peer) || speaks && of_call.iter().any(implied)
            }
            (None, Some(roles)) => roles.iter().any(|role| role == peer),
            (None, None) => of_call.iter().any(implied),
        }
    }
}

impl Side<'_> {
    /// Its addresses of a family.
    pub(crate) fn addresses(&self, family: Family) -> &Set {
        self.far.addresses(family)
    }
}

fn far(zone: ZoneId, device: Option<usize>, address: IpAddr) -> Far {
    let (family, number) = Family::of(address);
    let of = |wanted| if family == wanted { Set::one(number) } else { Set::empty() };
    Far { zone, device, v4: of(Family::V4), v6: of(Family::V6) }
}

fn whole(site: &Site, zone: ZoneId) -> Far {
    let addresses = |family| site.addresses_of(zone, family);
    Far { zone, device: None, v4: addresses(Family::V4), v6: addresses(Family::V6) }
}

fn hint<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> String {
    nearest(word, names).map_or(String::new(), |near| format!("; did you mean `{near}`?"))
}
