//! What is doubtful in a site file that can be read: PH602 and on.

use std::collections::{BTreeMap, BTreeSet};

use super::{Choice, Date, Device, Expect, MovedRow, PeerPlace, Route, Site, Traffic, Who, ZoneId};
use crate::catalog::{Catalog, Product, Requirement, SecurityMode};
use crate::finding::Finding;
use crate::rule::{PH602, PH603, PH604, PH605, PH606, PH607, PH608, PH609, PH613, PH614};
use crate::spelling::nearest;

/// Holds a site against the catalog and the calendar.
pub fn findings(site: &Site, catalog: &Catalog, today: Date) -> Vec<Finding> {
    let mut findings = Vec::new();
    let products: Vec<Option<&Product>> =
        site.devices.iter().map(|device| catalog.product(&device.product)).collect();
    for (device, product) in site.devices.iter().zip(&products) {
        match product {
            None => findings.push(unknown_product(device, catalog)),
            Some(product) => {
                findings.extend(unknown_mode(device, product));
                findings.extend(unknown_services(device, product));
                findings.extend(other_numbering(device, product));
                findings.extend(device.moved.iter().filter_map(|moved| moved_row(moved, product)));
            }
        }
    }
    findings.extend(site.expects.iter().filter_map(|expect| unknown_service(expect, &products)));
    let known: Vec<&Product> = products.iter().flatten().copied().collect();
    let rows = known.iter().flat_map(|product| &product.requirements);
    let asked: BTreeSet<&str> = rows.filter_map(|row| row.peer.as_deref()).collect();
    for peer in &site.peers {
        if catalog.role(&peer.role).is_none() {
            let help = match catalog.nearest_role(&peer.role) {
                Some(near) => format!("Did you mean `{near}`?"),
                None => "`pinhole catalog show PRODUCT` prints the role of each row's peer.".to_string(),
            };
            let message = format!("no row of the catalog has a peer with the role `{}`", peer.role);
            findings.push(Finding::of(&PH603, peer.span, message).label("no such role").help(help));
        } else if known.len() == products.len()
            && !catalog.implied_roles(&peer.role).iter().any(|role| asked.contains(role))
        {
            let message = format!("no device needs a peer with the role `{}`", peer.role);
            let help = "Correct the role, add the device that needs it, or remove the peer.";
            findings.push(Finding::of(&PH608, peer.span, message).label("fills nothing").help(help));
        }
    }
    findings.extend(outside_zones(site));
    findings.extend(undecided(site));
    findings.extend(expired(site, today));
    findings
}

fn unknown_product(device: &Device, catalog: &Catalog) -> Finding {
    let message = format!("the catalog has no product `{}`", device.product);
    let finding = Finding::of(&PH602, device.product_span, message)
        .label(format!("nothing is checked for {}", device.name));
    finding.help(match catalog.nearest_product(&device.product) {
        Some(near) => format!("Did you mean `{near}`?"),
        None => "`pinhole catalog list` prints all products.".to_string(),
    })
}

fn unknown_mode(device: &Device, product: &Product) -> Option<Finding> {
    let mode = device.security_mode.as_deref().filter(|mode| product.mode(mode).is_none())?;
    let modes: BTreeSet<&str> = product.modes.iter().map(|mode| mode.name.as_str()).collect();
    let help = match (nearest(mode, modes.iter().copied()), modes.is_empty()) {
        (Some(near), _) => format!("Did you mean `{near}`?"),
        (None, true) => format!("{} has no security modes: remove the key.", product.title),
        (None, false) => format!(
            "{} has these: {}.",
            product.title,
            modes.iter().map(|mode| format!("`{mode}`")).collect::<Vec<_>>().join(", ")
        ),
    };
    let message = format!("`{}` has no security mode `{mode}`", product.name);
    let finding = Finding::of(&PH604, device.mode_span, message);
    Some(finding.label("all services are taken to be on").help(help))
}

/// PH604 as well: services that a device turns on or off, and its product does not have.
fn unknown_services(device: &Device, product: &Product) -> Vec<Finding> {
    let mut known: BTreeSet<&str> = SecurityMode::SWITCHED.into();
    known.extend(product.requirements.iter().map(|row| row.service.as_str()));
    let said = device.own_mode.iter().flat_map(|mode| mode.on.iter().chain(&mode.off));
    let unknown = said.filter(|service| !known.contains(service.as_str()));
    let finding = |service: &String| {
        let help = match nearest(service, known.iter().copied()) {
            Some(near) => format!("Did you mean `{near}`?"),
            None => format!("`pinhole catalog show {}` prints the services.", product.name),
        };
        let message = format!("`{}` has no service `{service}`", product.name);
        Finding::of(&PH604, device.mode_span, message).label("it changes nothing").help(help)
    };
    unknown.map(finding).collect()
}

/// PH614.
fn other_numbering(device: &Device, product: &Product) -> Option<Finding> {
    let version = device.version.as_ref()?;
    let marks =
        product.requirements.iter().flat_map(|row| [row.since.as_ref(), row.until.as_ref()]).flatten();
    let mark = marks.into_iter().find(|mark| version.compare(mark).is_none())?;
    let message = format!(
        "version `{version}` of {} cannot be compared with `{mark}`, at which the ports of {} change",
        device.name, product.title
    );
    let help =
        format!("Write the version in the same way as `{mark}`, or leave the key out if it is the newest.");
    let finding = Finding::of(&PH614, device.version_span, message);
    Some(finding.label("taken to be the newest").help(help))
}

/// PH605 where the row cannot be told, PH606 where it cannot be moved so.
fn moved_row(moved: &MovedRow, product: &Product) -> Option<Finding> {
    let unknown = |message: String, label: &str, help: String| {
        Some(Finding::of(&PH605, moved.span, message).label(label).help(help))
    };
    let fixed = |message: String, label: String| {
        let help =
            "See whether the device is really on these ports; if it is, accept this with `[[check.ignore]]`.";
        Some(Finding::of(&PH606, moved.span, message).label(label).help(help))
    };
    match product.rows_named(&moved.row).as_slice() {
        [] => {
            let words =
                product.requirements.iter().flat_map(|row| [row.row.as_deref(), Some(row.service.as_str())]);
            let help = nearest_row(&moved.row, words.flatten(), product);
            let message = format!("`{}` has no row or service `{}`", product.name, moved.row);
            unknown(message, "moves nothing", help)
        }
        [row] if !row.configurable && product.sizing(row).is_none() => fixed(
            format!("the port guide does not call `{}` of `{}` configurable", moved.row, product.name),
            format!("printed as {}", row.ports_text()),
        ),
        [row] if !allowed(row, moved) => {
            let ranges: Vec<String> = row.allowed.iter().map(|(low, high)| format!("{low}-{high}")).collect();
            fixed(
                format!("the port guide does not allow `{}` of `{}` on these ports", moved.row, product.name),
                format!("configurable within {}", ranges.join(", ")),
            )
        }
        [_] => None,
        several => {
            let rows: Vec<String> =
                several.iter().filter_map(|row| row.row.as_ref()).map(|row| format!("`{row}`")).collect();
            let message = format!("`{}` of `{}` is a service of several rows", moved.row, product.name);
            unknown(message, "which of them?", format!("Name the row: {}.", rows.join(", ")))
        }
    }
}

fn nearest_row<'a>(word: &str, words: impl Iterator<Item = &'a str>, product: &Product) -> String {
    match nearest(word, words) {
        Some(near) => format!("Did you mean `{near}`?"),
        None => format!("`pinhole catalog show {}` prints the rows.", product.name),
    }
}

/// PH605 for a promise about a service that the device's product does not have.
fn unknown_service(expect: &Expect, products: &[Option<&Product>]) -> Option<Finding> {
    let (Traffic::Service(word), Who::Device(device)) = (&expect.traffic, &expect.to.who) else {
        return None;
    };
    let product = (*products.get(*device)?)?;
    let services = || product.requirements.iter().map(|row| row.service.as_str());
    if services().any(|service| service == word) {
        return None;
    }
    let message = format!("`{}` has no service `{word}`", product.name);
    let finding = Finding::of(&PH605, expect.service_span, message).label("this promise is not checked");
    Some(finding.help(nearest_row(word, services(), product)))
}

fn allowed(row: &Requirement, moved: &MovedRow) -> bool {
    let within = |[low, high]: &[u16; 2]| row.allowed.iter().any(|range| range.0 <= *low && *high <= range.1);
    row.allowed.is_empty() || moved.ports.iter().all(within)
}

fn outside_zones(site: &Site) -> Vec<Finding> {
    if site.zones.is_empty() {
        return Vec::new();
    }
    let devices = site.devices.iter().map(|device| (&device.addresses, device.name.clone(), device.span));
    let peers = site.peers.iter().filter_map(|peer| match &peer.place {
        PeerPlace::Addresses(addresses) => Some((addresses, format!("the {} peer", peer.role), peer.span)),
        PeerPlace::Zone(_) => None,
    });
    let mut findings = Vec::new();
    for (addresses, name, span) in devices.chain(peers) {
        for address in addresses.iter().filter(|address| site.zone_of(**address).is_none()) {
            let message = format!("`{address}` of {name} is in no zone");
            let help = "Correct the address, add its network to a zone, or add a zone without networks, which is \
                        everything else.";
            let finding = Finding::of(&PH607, span, message);
            findings.push(finding.label("nothing is judged for this address").help(help));
        }
    }
    findings
}

/// PH613: for each choice of ways one finding, for all pairs of zones that it concerns.
fn undecided(site: &Site) -> Vec<Finding> {
    let mut pairs: BTreeMap<&Choice, Vec<(ZoneId, ZoneId)>> = BTreeMap::new();
    for from in 0..site.zones.len() {
        for to in from + 1..site.zones.len() {
            if let Route::Choice(choice) = site.route(from, to) {
                pairs.entry(choice).or_default().push((from, to));
            }
        }
    }
    pairs.into_iter().filter_map(|(choice, pairs)| choice_of_ways(site, choice, &pairs)).collect()
}

fn choice_of_ways(site: &Site, choice: &Choice, pairs: &[(ZoneId, ZoneId)]) -> Option<Finding> {
    let (from, to) = pairs.first()?;
    let between = format!("`{}` and `{}`", site.zones[*from].name, site.zones[*to].name);
    let name = |firewall: &usize| format!("`{}`", site.firewalls[*firewall].name);
    let (message, firewalls) = match choice {
        Choice::Either(firewalls) => {
            let names: Vec<String> = firewalls.iter().map(name).collect();
            (
                format!("packets between zones {between} can go through {}", names.join(" or ")),
                firewalls.clone(),
            )
        }
        Choice::Beyond(near, far) => {
            let ways = format!("{} alone or through {} as well", name(near), name(far));
            (format!("packets between zones {between} can go through {ways}"), vec![*near, *far])
        }
        Choice::Around(firewall) => {
            let ways = format!("{} or around it", name(firewall));
            (format!("packets between zones {between} can go through {ways}"), vec![*firewall])
        }
    };
    let (first, others) = firewalls.split_first()?;
    let label = match pairs.len() - 1 {
        0 => "nothing is judged between these zones".to_string(),
        1 => "nothing is judged between these zones, nor between one other pair".to_string(),
        more => format!("nothing is judged between these zones, nor between {more} other pairs"),
    };
    let help = "Add a `[[path]]` with `from`, `to` and `firewalls`: those that packets go through, in order.";
    let finding = Finding::of(&PH613, site.firewalls[*first].span, message);
    let spans = others.iter().filter_map(|other| site.firewalls[*other].span);
    let finding = spans.fold(finding, |finding, span| finding.related(span, "also on a way"));
    Some(finding.label(label).help(help))
}

fn expired(site: &Site, today: Date) -> Vec<Finding> {
    let over = site.settings.accepted.iter().filter(|entry| entry.expired(today));
    let finding = over.filter_map(|entry| {
        let message = format!("this accepted finding expired after {}", entry.expires?);
        let help = "Look at what it hid: mend the cause and remove the entry, or give it a new last day.";
        let finding = Finding::of(&PH609, entry.span, message);
        Some(finding.label(format!("accepted because: {}", entry.reason)).help(help))
    });
    finding.collect()
}
