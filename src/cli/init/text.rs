//! The site file, as text with comments.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::IpAddr;

use super::guess::guesses;
use super::look::Seen;
use super::written;
use crate::catalog::Catalog;
use crate::packet::{Prefix, Set};
use crate::ports::list_text;

/// Hosts that are told.
const MOST_HOSTS: usize = 24;
/// Conditions that are told.
const MOST_CONDITIONS: usize = 24;
/// Zones that stand for everything else, by the names of their interfaces.
const OUTSIDE: [&str; 5] = ["outside", "wan", "internet", "untrust", "external"];

/// Writes a site file for these firewalls.
pub(super) fn site_file(seen: &[Seen], catalog: &Catalog) -> String {
    let mut text = String::from(
        "# What stands where: docs/site-file.md describes every key. What pinhole guessed says so.\n",
    );
    let zones = zones(seen);
    let mut unknown = 0;
    for (name, networks) in &zones.networks {
        text += "\n[[zone]]\n";
        push(&mut text, format_args!("name = {}\n", quoted(name)));
        if Some(name) == zones.outside.as_ref() {
            text += "# A zone without networks is everything that is in no other one.\n";
            continue;
        }
        let list: Vec<String> = networks.iter().map(|network| quoted(&network.to_string())).collect();
        match list.is_empty() {
            true => {
                // Networks for documentation (RFC 5737), each zone its own.
                let example = format!("192.0.2.{}/28", unknown % 16 * 16);
                unknown += 1;
                text += "# The rules do not say which networks are behind the interface: put them here.\n";
                push(&mut text, format_args!("networks = [{}]\n", quoted(&example)));
            }
            false => {
                push(&mut text, format_args!("networks = [{}]  # guessed from the rules\n", list.join(", ")))
            }
        }
    }
    for firewall in seen {
        push_firewall(&mut text, firewall, &zones);
    }
    push_hosts(&mut text, seen, catalog);
    text += "\n# Who fills a role that none of the devices fills, and where:\n# [[peer]]\n# role = \"h323-entity\"\n";
    push(&mut text, format_args!("# zone = {}\n", quoted(zones.outside.as_deref().unwrap_or("internet"))));
    text
}

/// The zones, which are one for each interface.
struct Zones {
    networks: BTreeMap<String, BTreeSet<Prefix>>,
    /// The one that is everything else.
    outside: Option<String>,
    /// By firewall and interface.
    of: BTreeMap<(String, String), String>,
}

fn zones(seen: &[Seen]) -> Zones {
    let mut zones = Zones { networks: BTreeMap::new(), outside: None, of: BTreeMap::new() };
    let mut taken: BTreeSet<Prefix> = BTreeSet::new();
    for firewall in seen {
        let outside = outside(firewall);
        for (interface, networks) in &firewall.interfaces {
            let is_outside = outside.as_ref() == Some(interface);
            let zone = match is_outside {
                true => zones.outside.get_or_insert_with(|| "internet".to_string()).clone(),
                false => {
                    // Two firewalls that know the same network have it in one zone.
                    let shared = zones
                        .networks
                        .iter()
                        .find(|(_, known)| networks.iter().any(|one| known.contains(one)));
                    match shared {
                        Some((name, _)) => name.clone(),
                        None if seen.len() == 1 => interface.to_lowercase(),
                        None => format!("{}-{}", firewall.name, interface.to_lowercase()),
                    }
                }
            };
            let known = zones.networks.entry(zone.clone()).or_default();
            if !is_outside {
                known.extend(networks.iter().filter(|network| taken.insert(**network)));
            }
            zones.of.insert((firewall.name.clone(), interface.clone()), zone);
        }
    }
    zones
}

/// The interface that everybody else is behind: by its name, or the one of which no private network is known.
fn outside(firewall: &Seen) -> Option<String> {
    let named = |name: &&String| OUTSIDE.iter().any(|word| name.to_lowercase().contains(word));
    let bare =
        || firewall.interfaces.iter().filter(|(_, networks)| networks.is_empty()).map(|(name, _)| name);
    firewall.interfaces.keys().find(named).or_else(|| bare().next()).cloned()
}

fn push_firewall(text: &mut String, firewall: &Seen, zones: &Zones) {
    *text += "\n[[firewall]]\n";
    push(text, format_args!("name = {}\n", quoted(&firewall.name)));
    let files: Vec<String> = firewall.files.iter().map(|file| quoted(&written(file))).collect();
    push(text, format_args!("config = [{}]\n", files.join(", ")));
    if firewall.made_up {
        *text += "# The rules name no interface, so these are made up. Is it the firewall of a device itself? Then write\n\
                  # host = \"NAME\" in their place.\n";
    }
    let all = firewall.interfaces.keys().filter_map(|interface| {
        let zone = zones.of.get(&(firewall.name.clone(), interface.clone()))?;
        Some(format!("{} = {}", key(interface), quoted(zone)))
    });
    let all = all.collect::<Vec<_>>().join(", ");
    push(text, format_args!("interfaces = {{ {all} }}  # guessed: which zone is behind which\n"));
    let mut own: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for address in firewall.own.iter().filter(|own| firewall.interfaces.contains_key(&own.interface)) {
        let text = match address.family {
            crate::packet::Family::V4 => {
                IpAddr::from(std::net::Ipv4Addr::from(address.address as u32)).to_string()
            }
            crate::packet::Family::V6 => IpAddr::from(std::net::Ipv6Addr::from(address.address)).to_string(),
        };
        own.entry(&address.interface).or_default().push(quoted(&format!("{text}/{}", address.prefix)));
    }
    if own.is_empty() {
        *text += "# The firewall's own addresses matter where it translates: addresses = { eth0 = [\"198.51.100.1/24\"] }\n";
    } else {
        let all = own.iter().map(|(name, list)| format!("{} = [{}]", key(name), list.join(", ")));
        push(text, format_args!("addresses = {{ {} }}\n", all.collect::<Vec<_>>().join(", ")));
    }
    if !firewall.conditions.is_empty() {
        *text += "\n# What the files leave open, and an answer can be given to:\n# [firewall.assume]\n";
        for condition in firewall.conditions.iter().take(MOST_CONDITIONS) {
            push(text, format_args!("# {} = \"empty\"\n", quoted(condition)));
        }
    }
}

fn push_hosts(text: &mut String, seen: &[Seen], catalog: &Catalog) {
    let mut hosts: BTreeMap<IpAddr, [Set; 2]> = BTreeMap::new();
    for (address, open) in seen.iter().flat_map(|firewall| &firewall.hosts) {
        let known = hosts.entry(*address).or_default();
        known.iter_mut().zip(open).for_each(|(known, open)| *known = known.or(open));
    }
    if hosts.is_empty() {
        *text += "\n# The devices behind the firewalls, as `pinhole catalog list` names their products:\n# [[device]]\n\
                  # name = \"mcu-1\"\n# product = \"scopia-elite-5200\"\n# addresses = [\"10.1.2.10\"]\n";
        return;
    }
    *text += "\n# Hosts that the rules let somebody reach. Those that are devices of the catalog: take the signs away.\n";
    for (at, (address, open)) in hosts.iter().take(MOST_HOSTS).enumerate() {
        let ports: Vec<String> = ["tcp", "udp"]
            .iter()
            .zip(open)
            .filter(|(_, set)| !set.is_empty())
            .map(|(word, set)| format!("{word} {}", ranges(set)))
            .collect();
        push(text, format_args!("\n# {address} has {} open", ports.join(" and ")));
        let guesses = guesses(catalog, open);
        let named: Vec<String> = guesses
            .iter()
            .map(|guess| format!("{} ({} of {} functions)", guess.product.name, guess.fits, guess.of))
            .collect();
        match named.is_empty() {
            true => *text += "\n",
            false => push(text, format_args!(": perhaps {}\n", named.join(" or "))),
        }
        let product = guesses.first().map_or("…", |guess| guess.product.name.as_str());
        push(
            text,
            format_args!(
                "# [[device]]\n# name = \"device-{}\"\n# product = \"{product}\"\n# addresses = [\"{address}\"]\n",
                at + 1
            ),
        );
    }
    if hosts.len() > MOST_HOSTS {
        push(text, format_args!("\n# and {} more hosts\n", hosts.len() - MOST_HOSTS));
    }
}

fn ranges(set: &Set) -> String {
    const SHOWN: usize = 12;
    let shown = list_text(set.ranges().iter().take(SHOWN).copied());
    let more = if set.ranges().len() > SHOWN { " and more" } else { "" };
    format!("{shown}{more}")
}

/// A text in quotes, as TOML has it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_string()).to_string()
}

/// A key, in quotes where it has to be.
fn key(text: &str) -> String {
    let bare = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if bare { text.to_string() } else { quoted(text) }
}

fn push(text: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a text does not fail.
    let _ = text.write_fmt(words);
}
