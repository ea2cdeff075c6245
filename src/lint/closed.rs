//! PH204 and PH206: ports that are to stay closed, those of a box or an installation and those that a product no
//! longer uses.

use super::exposure::{Exposure, Fault, exposure, service};
use crate::catalog::{ByDesign, Confined, Listener, Product, Requirement, Transport};
use crate::judge::{Ask, Desk, Judge, Near, Share, number};
use crate::packet::{Family, Set};
use crate::site::{Leg, Party, PeerPlace};

/// Looks at one address of a device.
pub(super) fn check(
    desk: &mut Desk<'_, '_>,
    product: &Product,
    device: usize,
    near: &Near,
    out: &mut Vec<Exposure>,
) {
    confined(desk, product, device, near, out);
    stale(desk, product, device, near, out);
}

/// PH204: ports of the box or of the installation that others reach.
fn confined(desk: &mut Desk<'_, '_>, product: &Product, device: usize, near: &Near, out: &mut Vec<Exposure>) {
    let judge = desk.judge();
    let placed = &judge.site.devices[device];
    let rows = product.requirements.iter().filter(|row| {
        is_confined(row)
            && row.listener != Listener::Peer
            && row.host.is_none()
            && row.is_in(placed.version.as_ref())
    });
    for row in rows {
        let in_box = row.confined == Some(Confined::Box);
        let fault = match row.confined {
            _ if row.no_login => Fault::NoLogin,
            Some(Confined::Box) => Fault::Box,
            Some(Confined::Cluster) | None => Fault::Cluster,
        };
        let everybody = judge.site.everybody(device);
        let party = if in_box { everybody } else { others(judge, device, row, everybody) };
        let all = judge.site.ports_of(device, product, row);
        for transport in &row.transports {
            let offered = used(judge, (device, near), Leg::ToDevice, *transport, |other| !is_confined(other));
            let ports = all.minus(&offered);
            let ask = Ask {
                device: Some(device),
                near,
                leg: Leg::ToDevice,
                protocol: number(*transport),
                ports: &ports,
                from: None,
            };
            let Some(answer) = desk.let_through(&ask, &party) else { continue };
            let reached = if answer.open.is_empty() { &answer.depends } else { &answer.open };
            if reached.is_empty() {
                continue;
            }
            let mut service = service(&placed.name, product, row, *transport, (&all, reached));
            let role = row.peer.as_deref().filter(|_| !in_box).and_then(|role| judge.catalog.role(role));
            service.meant_for = role.map(|role| role.title.clone());
            out.extend(exposure(fault, device, service, &answer, |_| true));
        }
    }
}

/// Whether an opening of a row to the world is a fault.
fn is_confined(row: &Requirement) -> bool {
    row.by_design != Some(ByDesign::World) && (row.internal_only || row.confined.is_some() || row.no_login)
}

/// Everybody but those who fill the role of a row's peer.
fn others(judge: &Judge<'_>, device: usize, row: &Requirement, mut everybody: Party) -> Party {
    let Some(role) = row.peer.as_deref() else { return everybody };
    let site = judge.site;
    let mut own = [Vec::new(), Vec::new()];
    for (at, other) in site.devices.iter().enumerate() {
        let fills = judge.catalog.product(&other.product).is_some_and(|product| product.fills(role));
        if at != device && fills {
            for address in other.addresses.iter().chain(&other.public_addresses) {
                let (family, number) = Family::of(*address);
                own[family as usize].push((number, number));
            }
        }
    }
    let peers = site.peers.iter().filter(|peer| judge.catalog.implied_roles(&peer.role).contains(&role));
    for peer in peers {
        match &peer.place {
            PeerPlace::Addresses(addresses) => {
                for (family, number) in addresses.iter().map(|address| Family::of(*address)) {
                    own[family as usize].push((number, number));
                }
            }
            PeerPlace::Zone(zone) => everybody.places.retain(|far| far.zone != *zone),
        }
    }
    let [v4, v6] = own.map(Set::of);
    for far in &mut everybody.places {
        far.v4 = far.v4.minus(&v4);
        far.v6 = far.v6.minus(&v6);
    }
    everybody
}

/// PH206: ports that rules name and the device's version no longer uses.
fn stale(desk: &mut Desk<'_, '_>, product: &Product, device: usize, near: &Near, out: &mut Vec<Exposure>) {
    let judge = desk.judge();
    let placed = &judge.site.devices[device];
    let gone = product
        .requirements
        .iter()
        .filter(|row| row.host.is_none() && row.multicast.is_none() && row.is_gone(placed.version.as_ref()));
    let gone: Vec<&Requirement> = gone.collect();
    for row in &gone {
        let (leg, fault) = match row.listener {
            Listener::Device | Listener::Unknown => (Leg::ToDevice, Fault::Stale),
            Listener::Peer => (Leg::FromDevice, Fault::StaleOutward),
        };
        let all = judge.site.ports_of(device, product, row);
        for transport in &row.transports {
            let still = used(judge, (device, near), leg, *transport, |_| true);
            let ports = all.minus(&still);
            let ask = Ask {
                device: Some(device),
                near,
                leg,
                protocol: number(*transport),
                ports: &ports,
                from: None,
            };
            let everybody = judge.site.everybody(device);
            let Some(mut answer) = desk.let_through(&ask, &everybody) else { continue };
            if answer.open.is_empty() {
                continue;
            }
            let past = gone.iter().filter(|past| past.transports.contains(transport));
            let known = past.fold(still, |known, past| known.or(&judge.site.ports_of(device, product, past)));
            let opened = opened_by(desk, &ask, &everybody);
            answer.openers.retain(|share| names(&opened, share, &known));
            let named = answer.openers.iter().fold(Set::empty(), |set, share| set.or(&share.values));
            let shown = named.and(&answer.open);
            let mut service = service(&placed.name, product, row, *transport, (&all, &shown));
            service.mark = row.until.as_ref().map(ToString::to_string);
            out.extend(exposure(fault, device, service, &answer, |_| true));
        }
    }
}

/// Who lets what through over all ports of the protocol that is asked about.
pub(super) fn opened_by(desk: &mut Desk<'_, '_>, ask: &Ask<'_>, party: &Party) -> Vec<Share> {
    let every = Set::range(0, 65535);
    let answer = desk.let_through(&Ask { ports: &every, ..*ask }, party);
    answer.map_or(Vec::new(), |answer| answer.openers)
}

/// Whether who lets ports through means these: at least half of the ranges in which they lie, of all that it opens,
/// are ports that the device is known for.
pub(super) fn names(opened: &[Share], share: &Share, known: &Set) -> bool {
    let all = opened.iter().find(|by| (by.firewall, by.by) == (share.firewall, share.by));
    let ranges = all.into_iter().flat_map(|by| by.values.ranges());
    let around = Set::of(ranges.filter(|(low, high)| share.values.meets(&Set::range(*low, *high))).copied());
    !around.is_empty() && around.and(known).count() * 2 >= around.count()
}

/// The ports that an address is reached on, or reaches others on, over a transport: for the rows that count of all
/// devices with that address, in the versions that they have.
pub(super) fn used(
    judge: &Judge<'_>,
    (device, near): (usize, &Near),
    leg: Leg,
    transport: Transport,
    counts: impl Fn(&Requirement) -> bool,
) -> Set {
    let site = judge.site;
    let there = |at: usize| {
        let own = site.devices[at].addresses.iter().map(|address| Family::of(*address));
        at == device
            || own
                .into_iter()
                .any(|(family, number)| family == near.family && near.addresses.contains(number))
    };
    let mut ports = Set::empty();
    for (at, placed) in site.devices.iter().enumerate().filter(|(at, _)| there(*at)) {
        let Some(product) = judge.catalog.product(&placed.product) else { continue };
        let rows = product.requirements.iter().filter(|row| {
            let here = match row.listener {
                Listener::Device => leg == Leg::ToDevice,
                Listener::Peer => leg == Leg::FromDevice,
                Listener::Unknown => true,
            };
            let speaks = row.transports.is_empty() || row.transports.contains(&transport);
            here && speaks && row.host.is_none() && row.is_in(placed.version.as_ref()) && counts(row)
        });
        ports = rows.fold(ports, |ports, row| ports.or(&site.ports_of(at, product, row)));
    }
    ports
}
