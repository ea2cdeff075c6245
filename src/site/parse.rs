//! From the text of `pinhole.toml` to a [`Site`]. A mistake stops the run, so that nothing is judged by
//! half a site; all mistakes are told at once.

use std::net::IpAddr;
use std::path::Path;

use toml::de::{DeTable, DeValue, Error};

use super::reader::{At, Placed, Problems, Table, list};
use super::value::{address, network, ports};
use super::{Device, MovedRow, Peer, PeerPlace, RoutingMode, Site, Zone, ZoneId, expect, firewalls};
use super::{required, settings};
use crate::catalog::{SecurityMode, Version};
use crate::finding::Finding;
use crate::source::{SourceId, SourceMap, Span};
use crate::spelling::nearest;

/// At most this many errors of TOML itself are told: the first ones cause the others.
const MAX_SYNTAX_ERRORS: usize = 5;

/// Reads a site file that is in the source map already. The error is what is wrong with it (PH601).
pub fn load(sources: &SourceMap, id: SourceId) -> Result<Site, Vec<Finding>> {
    let file = sources.file(id);
    let mut problems = Problems::new(file.base);
    if let Some(damage) = file.damage.first() {
        let at = (damage.start - file.base) as usize..(damage.end - file.base) as usize;
        let help = "Save the file as UTF-8 text.";
        problems.add(&at, "the site file is no UTF-8 text", "bytes that are no text", help);
        return Err(problems.into_findings());
    }
    let (root, errors) = DeTable::parse_recoverable(&file.text);
    if !errors.is_empty() {
        errors
            .iter()
            .take(MAX_SYNTAX_ERRORS)
            .for_each(|error| syntax_error(error, file.text.len(), &mut problems));
        return Err(problems.into_findings());
    }
    let site = read(root.get_ref(), &file.path, &mut problems);
    let findings = problems.into_findings();
    if findings.is_empty() { Ok(site) } else { Err(findings) }
}

fn syntax_error(error: &Error, len: usize, problems: &mut Problems) {
    let at = error.span().unwrap_or(len..len);
    let message = format!("the site file is no TOML: {}", error.message().replace('\n', ", "));
    problems.add(&at, message, "here", "The TOML language is described at https://toml.io.");
}

const TOP: &[&str] = &[
    "required-version",
    "calls",
    "catalog",
    "check",
    "zone",
    "firewall",
    "path",
    "device",
    "peer",
    "expect",
];

fn read(root: &DeTable, path: &Path, problems: &mut Problems) -> Site {
    let folder = path.parent().unwrap_or(Path::new(""));
    let root = Table::new(root, 0..0, "the site file", TOP, problems);
    let mut site = Site { path: Some(path.to_path_buf()), ..Site::default() };
    site.catalogs = root.texts("catalog", problems).into_iter().map(|dir| folder.join(dir.value)).collect();
    site.calls = root.texts("calls", problems).into_iter().map(|dir| folder.join(dir.value)).collect();
    required(&root, problems);
    if let Some((table, at)) = root.table("check", problems) {
        site.settings = settings::read(table, at, folder, problems);
    }
    for key in ["catalog", "calls"] {
        site.settings.origins.extend(root.get(key).map(|value| (key, problems.span(&value.span()))));
    }
    for (table, at) in root.tables("zone", problems) {
        let zone = zone(table, at, &site.zones, problems);
        site.zones.extend(zone);
    }
    for (table, at) in root.tables("device", problems) {
        let device = device(table, at, &site.devices, problems);
        site.devices.extend(device);
    }
    for (table, at) in root.tables("firewall", problems) {
        let firewall = firewalls::firewall(table, at, &site, folder, problems);
        site.firewalls.extend(firewall);
    }
    site.paths = firewalls::paths(root.tables("path", problems), &site, problems);
    for (table, at) in root.tables("peer", problems) {
        let peer = peer(table, at, &site, problems);
        site.peers.extend(peer);
    }
    for (table, at) in root.tables("expect", problems) {
        let expect = expect::expect(table, at, &site, problems);
        site.expects.extend(expect);
    }
    site
}

/// Complains where the site file is written for other versions of pinhole.
fn required(root: &Table, problems: &mut Problems) {
    let Some(wanted) = root.optional("required-version", problems) else { return };
    const HERE: &str = env!("CARGO_PKG_VERSION");
    match required::fits(HERE, &wanted.value) {
        Ok(true) => {}
        Ok(false) => problems.add(
            &wanted.at,
            format!("the site file asks for pinhole `{}`, and this is {HERE}", wanted.value),
            "another version",
            "Install a version that fits, or change what is asked for.",
        ),
        Err(part) => problems.add(
            &wanted.at,
            format!("`{part}` is no version"),
            "no version",
            "Write it such as `>=0.1`, `>=0.1, <0.3` or `0.1`.",
        ),
    }
}

/// The name of an entry, which no earlier entry may have.
pub(super) fn name<'a>(
    table: &Table,
    mut earlier: impl Iterator<Item = (&'a str, Option<crate::source::Span>)>,
    problems: &mut Problems,
) -> Option<Placed<String>> {
    let name = table.required("name", problems)?;
    if let Some((_, span)) = earlier.find(|(other, _)| *other == name.value) {
        let message = format!("the name `{}` is given twice", name.value);
        problems.add(
            &name.at,
            message,
            "the second one",
            format!("Give each {} a name of its own.", table.what),
        );
        problems.see_also(span, "the first one");
    }
    Some(name)
}

fn zone(table: &DeTable, at: At, zones: &[Zone], problems: &mut Problems) -> Option<Zone> {
    let table = Table::new(table, at, "[[zone]]", &["name", "networks"], problems);
    let name = name(&table, zones.iter().map(|zone| (zone.name.as_str(), zone.span)), problems);
    let given = table.texts("networks", problems);
    let mut networks = Vec::new();
    for text in &given {
        let Some(network) = network(text, problems) else { continue };
        if let Some(other) = zones.iter().find(|zone| zone.networks.contains(&network)) {
            let message = format!("the network `{network}` is in two zones");
            let help = "Leave it in one of them; a network within a network may be in a zone of its own.";
            problems.add(&text.at, message, "given again", help);
            problems.see_also(other.span, "also in this zone");
        }
        networks.push(network);
    }
    let name = name?;
    if given.is_empty()
        && let Some(other) = zones.iter().find(|zone| zone.networks.is_empty())
    {
        let message = "two zones have no networks".to_string();
        let help = "Only one zone can be everything else: give the others `networks`.";
        problems.add(&name.at, message, "this one has none either", help);
        problems.see_also(other.span, "a zone without networks is everything else");
    }
    Some(Zone { span: Some(problems.span(&name.at)), name: name.value, networks })
}

/// The index of what a text names.
pub(super) fn refer<'a>(
    word: &Placed<String>,
    kind: &str,
    names: impl Iterator<Item = &'a str> + Clone,
    problems: &mut Problems,
) -> Option<usize> {
    let found = names.clone().position(|name| name == word.value);
    if found.is_none() {
        let known: Vec<&str> = names.collect();
        let help = match (nearest(&word.value, known.iter().copied()), known.is_empty()) {
            (Some(near), _) => format!("Did you mean `{near}`?"),
            (None, true) => format!("Add a `[[{kind}]]` of this name."),
            (None, false) => format!("The site file has these: {}.", list(&known)),
        };
        problems.add(
            &word.at,
            format!("there is no {kind} `{}`", word.value),
            format!("no such {kind}"),
            help,
        );
    }
    found
}

pub(super) fn zone_named(word: &Placed<String>, zones: &[Zone], problems: &mut Problems) -> Option<ZoneId> {
    refer(word, "zone", zones.iter().map(|zone| zone.name.as_str()), problems)
}

const DEVICE: &[&str] = &[
    "name",
    "product",
    "version",
    "addresses",
    "public-addresses",
    "announces",
    "security-mode",
    "mode",
    "encrypted",
    "ports",
    "connections",
    "recordings",
];

fn device(table: &DeTable, at: At, devices: &[Device], problems: &mut Problems) -> Option<Device> {
    let table = Table::new(table, at, "[[device]]", DEVICE, problems);
    let name = name(&table, devices.iter().map(|device| (device.name.as_str(), device.span)), problems);
    let product = table.required("product", problems);
    let version = table.optional("version", problems).and_then(|word| {
        let span = problems.span(&word.at);
        Some((version(&word, problems)?, span))
    });
    let addresses = addresses(&table, "addresses", problems);
    if table.get("addresses").is_none() {
        table.missing("addresses", problems);
    }
    let public_addresses = self::addresses(&table, "public-addresses", problems);
    let (mode, own_mode, mode_span) = security_mode(&table, problems);
    let moved = table.table("ports", problems).map_or(Vec::new(), |(moved, _)| {
        let rows = moved.iter().filter_map(|(row, value)| {
            let ports = ports(value, row.get_ref(), problems)?;
            let span = Some(problems.span(&row.span()));
            Some(MovedRow { row: row.get_ref().to_string(), ports, span })
        });
        rows.collect()
    });
    let connections = table.number("connections", 1..=1_000_000, problems);
    let recordings = table.number("recordings", 1..=1_000_000, problems);
    let routing = choice(&table, "mode", RoutingMode::ALL.map(RoutingMode::name), problems);
    let announces = choice(&table, "announces", ["public", "private"], problems);
    let encrypted = table.flag("encrypted", problems).unwrap_or(false);
    let (name, product) = (name?, product?);
    Some(Device {
        span: Some(problems.span(&name.at)),
        name: name.value,
        product_span: Some(problems.span(&product.at)),
        product: product.value,
        version_span: version.as_ref().map(|(_, span)| *span),
        version: version.map(|(version, _)| version),
        addresses,
        public_addresses,
        mode_span,
        security_mode: mode,
        own_mode,
        moved,
        connections,
        recordings,
        mode: routing.map(|at| RoutingMode::ALL[at]),
        encrypted,
        announces_private: announces == Some(1),
    })
}

/// The name of a security mode, or the services that the device turns on and off; and where that stands.
fn security_mode(
    table: &Table,
    problems: &mut Problems,
) -> (Option<String>, Option<SecurityMode>, Option<Span>) {
    const KEY: &str = "security-mode";
    let Some(value) = table.get(KEY) else { return (None, None, None) };
    let span = Some(problems.span(&value.span()));
    if !matches!(value.get_ref(), DeValue::Table(_)) {
        let name = table.optional(KEY, problems).map(|mode| mode.value.to_ascii_lowercase());
        return (name, None, span);
    }
    let Some((own, at)) = table.table(KEY, problems) else { return (None, None, span) };
    let own = Table::new(own, at, KEY, &["on", "off"], problems);
    let mut services = |key| own.texts(key, problems).into_iter().map(|service| service.value).collect();
    (None, Some(SecurityMode::own(services("on"), services("off"))), span)
}

/// One of several words: its place among them.
fn choice<const N: usize>(
    table: &Table,
    key: &str,
    words: [&str; N],
    problems: &mut Problems,
) -> Option<usize> {
    let word = table.optional(key, problems)?;
    let found = words.iter().position(|known| *known == word.value);
    if found.is_none() {
        let help = match nearest(&word.value, words) {
            Some(near) => format!("Did you mean `{near}`?"),
            None => format!("Write one of {}.", list(&words)),
        };
        problems.add(&word.at, format!("`{key}` cannot be `{}`", word.value), "no such value", help);
    }
    found
}

/// The version of a device's product.
fn version(word: &Placed<String>, problems: &mut Problems) -> Option<Version> {
    let version = Version::parse(&word.value);
    if version.is_none() {
        let message = format!("`{}` is no version", word.value);
        problems.add(&word.at, message, "no version", "Write it with numbers, such as `4.17.0`.");
    }
    version
}

/// A list of addresses, which may be left out but not be empty.
fn addresses(table: &Table, key: &'static str, problems: &mut Problems) -> Vec<IpAddr> {
    let given = table.texts(key, problems);
    if let Some(value) = table.get(key)
        && value.get_ref().as_array().is_some_and(|items| items.is_empty())
    {
        let help = "Write at least one address, such as `10.1.2.10`.";
        problems.add(&value.span(), format!("`{key}` is empty"), "nothing in it", help);
    }
    given.iter().filter_map(|text| address(text, problems)).collect()
}

fn peer(table: &DeTable, at: At, site: &Site, problems: &mut Problems) -> Option<Peer> {
    let table = Table::new(table, at, "[[peer]]", &["name", "role", "addresses", "zone"], problems);
    let name = table.optional("name", problems);
    if let Some(name) = &name {
        unlike_others(name, site, problems);
    }
    let role = table.required("role", problems);
    let addresses = addresses(&table, "addresses", problems);
    let zone = table.optional("zone", problems);
    let place = match (table.get("addresses").is_some(), &zone) {
        (true, None) => Some(PeerPlace::Addresses(addresses)),
        (false, Some(zone)) => zone_named(zone, &site.zones, problems).map(PeerPlace::Zone),
        (both, _) => {
            let has = if both { "both `addresses` and `zone`" } else { "neither `addresses` nor `zone`" };
            let help = "Give a peer either its `addresses` or the `zone` that it is somewhere in.";
            problems.add(&table.at, format!("[[peer]] has {has}"), "where is it?", help);
            None
        }
    };
    let role = role?;
    let span = Some(problems.span(&role.at));
    Some(Peer { name: name.map(|name| name.value), span, role: role.value, place: place? })
}

/// Complains where a peer has the name of another peer, a device or a zone: one name means one of them.
fn unlike_others(name: &Placed<String>, site: &Site, problems: &mut Problems) {
    let peers = site.peers.iter().filter_map(|peer| Some((peer.name.as_deref()?, peer.span)));
    let devices = site.devices.iter().map(|device| (device.name.as_str(), device.span));
    let zones = site.zones.iter().map(|zone| (zone.name.as_str(), zone.span));
    let Some((_, span)) = peers.chain(devices).chain(zones).find(|(other, _)| *other == name.value) else {
        return;
    };
    let message = format!("the name `{}` is given twice", name.value);
    let help = "Give each peer a name that no other peer, no device and no zone has.";
    problems.add(&name.at, message, "the second one", help);
    problems.see_also(span, "the first one");
}
