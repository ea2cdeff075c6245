//! What has to be closed for a finding about something open to be gone.

use super::exposure::{Exposure, Fault};
use super::mend::close::{Excess, Shut};
use crate::judge::Judge;
use crate::packet::{Family, Prefix, Set, interface, proto};
use crate::site::{PeerPlace, Site};

/// What a group of exposures of one rule says is open; nothing where it is not certain, or nobody knows for whom the
/// rest is.
pub(super) fn excess(judge: &Judge<'_>, group: &[Exposure]) -> Option<Excess> {
    let first = group.first().filter(|first| first.certain)?;
    let site = judge.site;
    let mut kept: Vec<Prefix> = Vec::new();
    for exposure in group {
        if let Some(role) = exposure.service.peer.as_deref().filter(|_| !is_for_nobody(first.fault)) {
            kept.extend(members(judge, exposure.device, role)?);
        }
    }
    let mut excess = Excess {
        firewall: first.by.firewall,
        by: first.by.by,
        flows: Vec::new(),
        kept,
        inside: Vec::new(),
        others_by: Set::empty(),
        refused_on: Vec::new(),
        spared: group.iter().map(|exposure| exposure.device).collect(),
        first_packets: false,
        nameless: Vec::new(),
    };
    if first.fault == Fault::Administration {
        if site.is_made_up() {
            return None;
        }
        from_outside_alone(judge, &mut excess);
    }
    excess.spared.sort_unstable();
    excess.spared.dedup();
    excess.kept.sort_unstable();
    excess.kept.dedup();
    for exposure in group {
        // All that comes to the box is for the device that it is.
        let on_box = site.firewalls.get(excess.firewall).is_some_and(|own| own.host == Some(exposure.device));
        let families = if on_box { vec![Family::V4, Family::V6] } else { vec![exposure.near.family] };
        for family in families {
            let shut = shut(site, exposure, family, on_box)?;
            if !excess.flows.contains(&shut) {
                excess.flows.push(shut);
            }
        }
    }
    Some(excess)
}

/// Whether nobody is to reach it.
fn is_for_nobody(fault: Fault) -> bool {
    match fault {
        Fault::Forbidden | Fault::Box | Fault::Stale | Fault::StaleOutward => true,
        Fault::Cluster | Fault::NoLogin | Fault::Administration => false,
    }
}

/// What comes from outside is closed alone: all networks of the site may go on.
pub(super) fn from_outside_alone(judge: &Judge<'_>, excess: &mut Excess) {
    let site = judge.site;
    excess.inside.extend(site.zones.iter().flat_map(|zone| zone.networks.iter().copied()));
    let Some(firewall) = site.firewalls.get(excess.firewall) else { return };
    let outside = firewall
        .interfaces
        .iter()
        .filter(|(_, zones)| zones.iter().all(|zone| site.is_everything_else(*zone)))
        .map(|(name, _)| name);
    let names = Set::of(outside.clone().map(|name| (interface(name), interface(name))));
    let rules = judge.firewalls.get(excess.firewall).and_then(Option::as_ref).map(|known| &known.rules);
    let synonyms = rules.into_iter().flat_map(|rules| &rules.synonyms).filter(|all| all.meets(&names));
    excess.others_by = synonyms.fold(names.clone(), |all, more| all.or(more));
    excess.refused_on = outside.cloned().collect();
}

/// Who fills a role, by addresses; nothing where they are everywhere.
fn members(judge: &Judge<'_>, device: usize, role: &str) -> Option<Vec<Prefix>> {
    let site = judge.site;
    let mut members = Vec::new();
    for (at, other) in site.devices.iter().enumerate() {
        let fills = judge.catalog.product(&other.product).is_some_and(|product| product.fills(role));
        if at != device && fills {
            members
                .extend(other.addresses.iter().chain(&other.public_addresses).map(|own| Prefix::host(*own)));
        }
    }
    for peer in site.peers.iter().filter(|peer| judge.catalog.implied_roles(&peer.role).contains(&role)) {
        match &peer.place {
            PeerPlace::Addresses(addresses) => {
                members.extend(addresses.iter().map(|address| Prefix::host(*address)));
            }
            PeerPlace::Zone(zone) if site.is_everything_else(*zone) => return None,
            PeerPlace::Zone(zone) => members.extend(site.zones.get(*zone)?.networks.iter().copied()),
        }
    }
    Some(members)
}

/// The packets of one exposure.
fn shut(site: &Site, exposure: &Exposure, family: Family, on_box: bool) -> Option<Shut> {
    let protocol = match (exposure.service.row.transport.as_str(), family) {
        ("tcp", _) => proto::TCP,
        ("udp", _) => proto::UDP,
        ("icmp", Family::V4) => proto::ICMP,
        ("icmp", Family::V6) => proto::ICMPV6,
        _ => return None,
    };
    exposure.near.addresses.single()?;
    let public = site.devices.get(exposure.device)?.public_addresses.iter().map(|own| Family::of(*own));
    let public = public.filter(|(of, _)| *of == family).map(|(_, number)| (number, number));
    let own = exposure.near.addresses.or(&Set::of(public));
    let outward = exposure.fault == Fault::StaleOutward;
    Some(Shut {
        family,
        protocol: Some(protocol),
        src: (outward && !on_box).then(|| own.clone()),
        dst: (!outward && !on_box).then_some(own),
        ports: if protocol == proto::ICMPV6 { Set::one(128) } else { exposure.by.values.clone() },
    })
}
