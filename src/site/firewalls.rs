//! Firewalls and the paths through them, as `pinhole.toml` writes them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::graph::{Gap, Graph};
use super::parse::{name, refer, zone_named};
use super::reader::{At, Placed, Problems, Table, text, texts, wrong_type};
use super::value::interface_address;
use super::{Firewall, GivenPath, Prefix, Site, ZoneId, assume};

const FIREWALL: &[&str] = &["name", "config", "interfaces", "addresses", "groups", "host", "assume"];

/// One `[[firewall]]`.
pub(super) fn firewall(
    table: &DeTable,
    at: At,
    site: &Site,
    folder: &Path,
    problems: &mut Problems,
) -> Option<Firewall> {
    let table = Table::new(table, at, "[[firewall]]", FIREWALL, problems);
    let earlier = site.firewalls.iter().map(|firewall| (firewall.name.as_str(), firewall.span));
    let name = name(&table, earlier, problems);
    let configs = configs(&table, site, folder, problems);
    let zones: Vec<(String, Vec<ZoneId>)> =
        by_name(&table, "interfaces", problems, |value, key, problems| {
            zones_behind(value, key, site, problems)
        });
    let host = table.optional("host", problems);
    let host_id = host.as_ref().and_then(|word| {
        refer(word, "device", site.devices.iter().map(|device| device.name.as_str()), problems)
    });
    stands_somewhere(&table, host.as_ref(), problems);
    let interfaces: BTreeMap<String, Vec<ZoneId>> = zones.into_iter().collect();
    let addresses = by_name(&table, "addresses", problems, |value, key, problems| {
        let texts = texts(value, key, problems);
        Some(texts.iter().filter_map(|text| interface_address(text, problems)).collect::<Vec<Prefix>>())
    });
    let groups = by_name(&table, "groups", problems, |value, key, problems| {
        let members = texts(value, key, problems);
        members.iter().for_each(|member| known_interface(member, &interfaces, host.is_some(), problems));
        Some(members.into_iter().map(|member| member.value).collect::<Vec<String>>())
    });
    if let Some((given, _)) = table.table("addresses", problems) {
        for key in given.keys() {
            let word = Placed { value: key.get_ref().to_string(), at: key.span() };
            known_interface(&word, &interfaces, host.is_some(), problems);
        }
    }
    let assumptions =
        table.table("assume", problems).map_or(Vec::new(), |(inner, _)| assume::read(inner, problems));
    let mut addresses: BTreeMap<String, Vec<Prefix>> = addresses.into_iter().collect();
    if let Some(device) = host_id {
        add_host_addresses(&mut addresses, &site.devices[device].addresses);
    }
    let name = name?;
    Some(Firewall {
        span: Some(problems.span(&name.at)),
        name: name.value,
        configs,
        interfaces,
        addresses,
        groups: groups.into_iter().collect(),
        host: host_id,
        assumptions,
    })
}

/// The files of a firewall, which are of no other.
fn configs(table: &Table<'_, '_>, site: &Site, folder: &Path, problems: &mut Problems) -> Vec<PathBuf> {
    let files = table.texts("config", problems);
    if table.get("config").is_none() {
        table.missing("config", problems);
    }
    let mut configs: Vec<PathBuf> = Vec::new();
    for file in files {
        let path = folder.join(&file.value);
        if let Some(other) = site.firewalls.iter().find(|firewall| firewall.configs.contains(&path)) {
            let message = format!("`{}` is the config of two firewalls", file.value);
            problems.add(&file.at, message, "given again", "Give each firewall a config of its own.");
            problems.see_also(other.span, "also of this firewall");
        }
        configs.push(path);
    }
    configs
}

/// A firewall stands between zones, or on a device.
fn stands_somewhere(table: &Table<'_, '_>, host: Option<&Placed<String>>, problems: &mut Problems) {
    match (host, table.get("interfaces")) {
        (Some(host), Some(_)) => {
            let help = "Leave out `host`, or leave out `interfaces`.";
            problems.add(&host.at, "a firewall has both `host` and `interfaces`", "one too many", help);
        }
        (None, None) => {
            let help = "Say which zone is behind each interface, such as `interfaces = { eth0 = \"internet\" }`, \
                        or which device the firewall runs on, such as `host = \"mcu-1\"`.";
            let message = "[[firewall]] has neither `interfaces` nor `host`";
            problems.add(&table.at, message, "where does it stand?", help);
        }
        _ => {}
    }
}

/// The zones behind an interface: one name, or a list of them.
fn zones_behind(
    value: &Spanned<DeValue>,
    key: &str,
    site: &Site,
    problems: &mut Problems,
) -> Option<Vec<ZoneId>> {
    let words = match value.get_ref() {
        DeValue::String(_) => vec![text(value, key, problems)?],
        DeValue::Array(_) => texts(value, key, problems),
        other => {
            wrong_type(&value.span(), key, "the name of a zone or a list of names", other, problems);
            return None;
        }
    };
    let mut zones: Vec<ZoneId> = Vec::new();
    for word in &words {
        let Some(zone) = zone_named(word, &site.zones, problems) else { continue };
        if zones.contains(&zone) {
            let message = format!("zone `{}` is behind `{key}` twice", word.value);
            problems.add(&word.at, message, "given again", "Leave one of them out.");
        }
        zones.push(zone);
    }
    Some(zones)
}

/// A firewall on a device has the device's addresses; on which interface, the site file may say.
fn add_host_addresses(addresses: &mut BTreeMap<String, Vec<Prefix>>, device: &[IpAddr]) {
    let listed =
        |address: &&IpAddr| addresses.values().flatten().any(|prefix: &Prefix| prefix.address == **address);
    let more: Vec<Prefix> =
        device.iter().filter(|address| !listed(address)).map(|address| Prefix::host(*address)).collect();
    if !more.is_empty() {
        addresses.entry(String::new()).or_default().extend(more);
    }
}

/// All `[[path]]`.
pub(super) fn paths(tables: Vec<(&DeTable, At)>, site: &Site, problems: &mut Problems) -> Vec<GivenPath> {
    // Which zone an interface is in does not matter for a path that is given.
    let graph = Graph::of(site, &|_| None);
    let mut paths: Vec<GivenPath> = Vec::new();
    for (table, at) in tables {
        let path = path(table, at, (site, &graph, &paths), problems);
        paths.extend(path);
    }
    paths
}

fn path(
    table: &DeTable,
    at: At,
    (site, graph, earlier): (&Site, &Graph, &[GivenPath]),
    problems: &mut Problems,
) -> Option<GivenPath> {
    let table = Table::new(table, at, "[[path]]", &["from", "to", "firewalls"], problems);
    let mut end = |key: &str| {
        let word = table.required(key, problems)?;
        zone_named(&word, &site.zones, problems)
    };
    let (from, to) = (end("from"), end("to"));
    if table.get("firewalls").is_none() {
        table.missing("firewalls", problems);
    }
    let words = table.texts("firewalls", problems);
    let names = || site.firewalls.iter().map(|firewall| firewall.name.as_str());
    let found: Vec<Option<usize>> =
        words.iter().map(|word| refer(word, "firewall", names(), problems)).collect();
    let (from, to) = (from?, to?);
    let firewalls: Vec<usize> = found.into_iter().collect::<Option<_>>()?;
    if from == to {
        let help = "A path leads from one zone to another; within a zone there is no firewall.";
        problems.add(&table.at, "[[path]] leads from a zone to itself", "both ends are one zone", help);
        return None;
    }
    if let Some(other) = earlier.iter().find(|path| (path.from, path.to) == (from, to)) {
        let [from, to] = [from, to].map(|zone| &site.zones[zone].name);
        let message = format!("the path from `{from}` to `{to}` is given twice");
        problems.add(&table.at, message, "the second one", "Leave one of them out.");
        problems.see_also(other.span, "the first one");
        return None;
    }
    let path = GivenPath { from, to, firewalls, span: Some(problems.span(&table.at)) };
    if let Err(gap) = graph.along(&path) {
        let (at, message, help) = told(&gap, &path, site, &words, &table.at);
        problems.add(&at, message, "the path breaks off here", help);
        return None;
    }
    Some(path)
}

/// Where a path breaks off, why, and what to do.
fn told(
    gap: &Gap,
    path: &GivenPath,
    site: &Site,
    words: &[Placed<String>],
    table: &At,
) -> (At, String, &'static str) {
    let place = |at: usize| words.get(at).map_or_else(|| table.clone(), |word| word.at.clone());
    let firewall = |at: usize| &site.firewalls[path.firewalls[at]].name;
    let zone = |zone: ZoneId| &site.zones[zone].name;
    let order = "Name the firewalls in the order in which packets go through them.";
    match *gap {
        Gap::Host(at) => {
            let help = "Leave it out: it is on the path of its device anyway.";
            (place(at), format!("`{}` runs on a device and is between no zones", firewall(at)), help)
        }
        Gap::Twice(at) => (place(at), format!("`{}` is on the path twice", firewall(at)), order),
        Gap::End(at, end) => {
            (place(at), format!("zone `{}` is behind no interface of `{}`", zone(end), firewall(at)), order)
        }
        Gap::Between(at) => {
            let message = match at {
                0 => format!("`{}` does not lead towards zone `{}`", firewall(at), zone(path.to)),
                _ => format!("no zone is between `{}` and `{}`", firewall(at - 1), firewall(at)),
            };
            (place(at), message, order)
        }
    }
}

/// The entries of a table within a table, each read by `read`.
fn by_name<T>(
    table: &Table,
    key: &'static str,
    problems: &mut Problems,
    read: impl Fn(&toml::Spanned<toml::de::DeValue>, &str, &mut Problems) -> Option<T>,
) -> Vec<(String, T)> {
    let Some((inner, _)) = table.table(key, problems) else { return Vec::new() };
    let entries = inner.iter().filter_map(|(name, value)| {
        let value = read(value, name.get_ref(), problems)?;
        Some((name.get_ref().to_string(), value))
    });
    entries.collect()
}

/// Complains where an interface has no zone; on a host's own firewall none has.
fn known_interface(
    word: &Placed<String>,
    interfaces: &BTreeMap<String, Vec<ZoneId>>,
    host: bool,
    problems: &mut Problems,
) {
    if !host && !interfaces.is_empty() {
        refer(word, "interface", interfaces.keys().map(String::as_str), problems);
    }
}
