//! What follows from a site and is asked often, worked out once: which zone an address is in, and through which
//! firewalls packets go from zone to zone.

use std::net::IpAddr;
use std::sync::OnceLock;

use super::graph::Graph;
use super::{Crossing, Route, Site, ZoneId, unicast};
use crate::model::Way;
use crate::packet::{Family, Set};

/// The index of a site, made when it is asked for first. A copy of a site makes its own.
#[derive(Debug, Default)]
pub(super) struct Cache(OnceLock<Index>);

impl Cache {
    pub(super) fn of(&self, site: &Site) -> &Index {
        self.0.get_or_init(|| Index::of(site))
    }
}

impl Clone for Cache {
    fn clone(&self) -> Self {
        Cache::default()
    }
}

impl PartialEq for Cache {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Cache {}

/// What follows from a site.
#[derive(Debug)]
pub(super) struct Index {
    /// For each family the networks, apart from each other and in order, with the zone that each is in.
    networks: [Vec<(u128, u128, ZoneId)>; 2],
    /// The zone that is everything else.
    rest: Option<ZoneId>,
    /// The addresses of each zone, of both families.
    addresses: Vec<[Set; 2]>,
    /// For each device the crossings of its own firewall: out of the device and into it.
    hosts: Vec<Option<[Crossing; 2]>>,
    /// From each zone to each.
    routes: Vec<Route>,
}

impl Index {
    fn of(site: &Site) -> Index {
        let networks = [Family::V4, Family::V6].map(|family| networks(site, family));
        let rest = site.zones.iter().position(|zone| zone.networks.is_empty());
        let mut hosts = vec![None; site.devices.len()];
        for (at, firewall) in site.firewalls.iter().enumerate() {
            if let Some(host) = firewall.host.and_then(|device| hosts.get_mut(device)) {
                let ways = || [Way::Output, Way::Input].map(|way| Crossing::open(at, way));
                host.get_or_insert_with(ways);
            }
        }
        let zone_of = |address: IpAddr| {
            let (family, number) = Family::of(address);
            zone_of(&networks[family as usize], number).or(rest)
        };
        let routes = Graph::of(site, &zone_of).routes(site);
        Index { addresses: addresses(site.zones.len(), rest, &networks), networks, rest, hosts, routes }
    }

    /// The zone that an address is in.
    pub(super) fn zone_of(&self, family: Family, address: u128) -> Option<ZoneId> {
        zone_of(&self.networks[family as usize], address).or(self.rest)
    }

    pub(super) fn addresses_of(&self, zone: ZoneId, family: Family) -> &Set {
        &self.addresses[zone][family as usize]
    }

    /// The crossings of a device's own firewall: out of the device and into it.
    pub(super) fn host(&self, device: usize) -> Option<&[Crossing; 2]> {
        self.hosts.get(device)?.as_ref()
    }

    pub(super) fn route(&self, from: ZoneId, to: ZoneId) -> &Route {
        &self.routes[from * self.addresses.len() + to]
    }
}

/// The zone of the network that an address is in.
fn zone_of(networks: &[(u128, u128, ZoneId)], address: u128) -> Option<ZoneId> {
    let next = networks.partition_point(|(low, ..)| *low <= address);
    let (_, high, zone) = networks[next.checked_sub(1)?];
    (address <= high).then_some(zone)
}

/// The networks of a family, cut so that each address is in one: that with the longest prefix.
fn networks(site: &Site, family: Family) -> Vec<(u128, u128, ZoneId)> {
    let all = site.zones.iter().enumerate().flat_map(|(id, zone)| zone.networks.iter().map(move |n| (id, n)));
    let mut given: Vec<(u128, u8, u128, ZoneId)> = all
        .filter_map(|(zone, network)| {
            let (its, number) = Family::of(network.address);
            let (low, high) = family.prefix(number, network.length.into());
            (its == family).then_some((low, network.length, high, zone))
        })
        .collect();
    given.sort_unstable();
    let mut sweep = Sweep { open: Vec::new(), next: Some(0), cut: Vec::new() };
    for (low, _, high, zone) in given {
        sweep.up_to(Some(low));
        sweep.open.push((high, zone));
    }
    sweep.up_to(None);
    sweep.cut
}

/// A walk over networks in the order of their addresses.
struct Sweep {
    /// The networks that hold the place where the walk is, by their last address; the innermost last.
    open: Vec<(u128, ZoneId)>,
    /// The first address that is not done; `None` where all are.
    next: Option<u128>,
    /// What is done.
    cut: Vec<(u128, u128, ZoneId)>,
}

impl Sweep {
    /// Goes on to an address, or to the end.
    fn up_to(&mut self, until: Option<u128>) {
        while let Some(&(high, zone)) = self.open.last()
            && until.is_none_or(|until| high < until)
        {
            if let Some(next) = self.next.filter(|next| *next <= high) {
                self.cut.push((next, high, zone));
                self.next = high.checked_add(1);
            }
            self.open.pop();
        }
        if let (Some((_, zone)), Some(until), Some(next)) = (self.open.last(), until, self.next)
            && next < until
        {
            self.cut.push((next, until - 1, *zone));
        }
        self.next = until.or(self.next);
    }
}

fn addresses(zones: usize, rest: Option<ZoneId>, networks: &[Vec<(u128, u128, ZoneId)>; 2]) -> Vec<[Set; 2]> {
    let mut ranges: Vec<[Vec<(u128, u128)>; 2]> = vec![Default::default(); zones];
    for (family, networks) in networks.iter().enumerate() {
        networks.iter().for_each(|(low, high, zone)| ranges[*zone][family].push((*low, *high)));
    }
    let mut addresses: Vec<[Set; 2]> = ranges.into_iter().map(|both| both.map(Set::of)).collect();
    if let Some(rest) = rest {
        addresses[rest] = [Family::V4, Family::V6].map(|family| {
            let taken = networks[family as usize].iter().map(|(low, high, _)| (*low, *high));
            unicast(family).minus(&Set::of(taken))
        });
    }
    addresses
}
