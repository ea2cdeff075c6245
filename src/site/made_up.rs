//! Sites for configs that no site file speaks of.

use std::collections::BTreeMap;

use super::{Firewall, Prefix, Site, Zone};
use crate::model::Ruleset;
use crate::packet::{Family, Set, interface_name};

/// Where the devices of the command line are, as seen from a config.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reading {
    /// On the box itself.
    OnBox,
    /// Behind it: everybody else comes in by the interface `outside`, the devices are behind `inside`.
    Behind {
        /// The interface towards everybody else.
        outside: String,
        /// The interface towards the devices.
        inside: String,
    },
}

/// Interfaces that are looked at one by one; with more, a config is a switchboard that no reading explains.
const FEW: usize = 6;
/// Names of interfaces that rules do not name.
const UNNAMED: [&str; 2] = ["outside", "inside"];

impl Site {
    /// The site of a config alone: one firewall, with the devices of this site on it or behind it.
    #[must_use]
    pub fn made_up(&self, name: &str, reading: &Reading, rules: &Ruleset) -> Site {
        let mut site =
            Site { devices: self.devices.clone(), settings: self.settings.clone(), ..Site::default() };
        let zone = |name: &str, networks| Zone { name: name.to_string(), networks, span: None };
        let mut firewall = Firewall {
            name: name.to_string(),
            configs: Vec::new(),
            interfaces: BTreeMap::new(),
            addresses: BTreeMap::new(),
            groups: BTreeMap::new(),
            assumptions: Vec::new(),
            host: None,
            span: None,
        };
        site.zones = vec![zone("outside", Vec::new())];
        match reading {
            Reading::OnBox => firewall.host = (!self.devices.is_empty()).then_some(0),
            Reading::Behind { outside, inside } => {
                site.zones.push(zone("inside", self.networks(rules)));
                firewall.interfaces.insert(outside.clone(), vec![0]);
                firewall.interfaces.insert(inside.clone(), vec![1]);
            }
        }
        site.firewalls = vec![firewall];
        site
    }

    /// The networks of the devices: those of the firewall's own interfaces that they are in, else they alone.
    fn networks(&self, rules: &Ruleset) -> Vec<Prefix> {
        let addresses = self.devices.iter().flat_map(|device| &device.addresses);
        let network = |address: &std::net::IpAddr| {
            let (family, number) = Family::of(*address);
            let around = rules.own.iter().filter(|own| own.family == family).filter_map(|own| {
                let (lo, hi) = family.prefix(own.address, own.prefix);
                (lo <= number && number <= hi && lo < hi).then_some((own.prefix, lo))
            });
            match around.max_by_key(|(length, _)| *length) {
                Some((length, base)) => Prefix { address: family.address(base), length: length as u8 },
                None => Prefix::host(*address),
            }
        };
        let mut networks: Vec<Prefix> = addresses.map(network).collect();
        networks.sort_unstable();
        networks.dedup();
        networks
    }

    /// The readings of a config with devices behind it that are worth a look, the likeliest first.
    pub fn readings(&self, rules: &Ruleset, named: &Set) -> Vec<Reading> {
        let mut names: Vec<String> =
            named.ranges().iter().map(|(name, _)| interface_name(*name)).take(FEW).collect();
        let known = self.behind(rules);
        // Where a file tells all interfaces, there are no others.
        if rules.interfaces.is_empty() {
            names.push(String::new());
        }
        let mut readings = Vec::new();
        for inside in names.iter().rev() {
            if known.as_ref().is_some_and(|known| known != inside)
                && names.contains(known.as_ref().unwrap_or(inside))
            {
                continue;
            }
            for outside in names.iter().rev().filter(|outside| *outside != inside || outside.is_empty()) {
                let or = |name: &String, other: &str| {
                    if name.is_empty() { other.to_string() } else { name.clone() }
                };
                readings.push(Reading::Behind {
                    outside: or(outside, UNNAMED[0]),
                    inside: or(inside, UNNAMED[1]),
                });
            }
        }
        if readings.is_empty() {
            let [outside, inside] = UNNAMED.map(str::to_string);
            readings.push(Reading::Behind { outside, inside });
        }
        readings
    }

    /// The interface behind which the devices are, where the config tells.
    fn behind(&self, rules: &Ruleset) -> Option<String> {
        let (family, number) = Family::of(*self.devices.iter().flat_map(|device| &device.addresses).next()?);
        let told = rules.behind(family, &Set::one(number));
        if let Some(name) = told.single() {
            return Some(interface_name(name));
        }
        let around = rules.own.iter().filter(|own| own.family == family).find(|own| {
            let (lo, hi) = family.prefix(own.address, own.prefix);
            lo <= number && number <= hi && lo < hi
        });
        around.map(|own| own.interface.clone()).filter(|name| !name.is_empty())
    }
}
