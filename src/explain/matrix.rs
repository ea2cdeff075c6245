//! The port matrix of a site: who must reach whom on which ports, and whether they can.

use std::sync::Arc;

use super::ends::End;
use super::fate::Works;
use crate::catalog::{Initiator, Listener, Need, Requirement, Transport};
use crate::judge::{Ask, By, Desk, Example, Judge, Kind, Near, Want, number, together};
use crate::lint::cores;
use crate::packet::{Family, Set};
use crate::site::{End as Place, Far, Flow, Leg, Party, ZoneId};

/// What of a matrix is wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Who opens the connections.
    pub from: Option<End>,
    /// To whom.
    pub to: Option<End>,
    /// Only what goes through this firewall.
    pub firewall: Option<usize>,
    /// Nothing that is optional or needed under a condition that the site does not tell.
    pub needed_only: bool,
    /// What no firewall keeps apart as well.
    pub all: bool,
}

/// One row: parties in one place that fare alike, and one address of a device.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'a> {
    /// The device whose row it is.
    pub device: usize,
    /// The row.
    pub row: &'a Requirement,
    /// Which end opens.
    pub leg: Leg,
    /// The names at the device's end.
    pub near: String,
    /// The names at the other end.
    pub far: Vec<String>,
    /// The zones, the device's first.
    pub zones: (ZoneId, ZoneId),
    /// The firewalls between, in the order of the packets.
    pub path: Vec<usize>,
    /// The transport.
    pub transport: Transport,
    /// The destination ports.
    pub ports: Set,
    /// One of the ports is enough.
    pub any_port: bool,
    /// Whether it gets through.
    pub works: Works,
    /// The ports that do not, or may not.
    pub bad: Set,
    /// It is the answers that do not.
    pub reply: bool,
    /// Who decides.
    pub by: Option<By>,
    /// What it depends on.
    pub depends_on: Vec<String>,
    /// It is needed under a condition that the site does not tell.
    pub doubtful: bool,
}

impl Entry<'_> {
    /// The zones in the order of the packets.
    pub(crate) fn way(&self) -> (ZoneId, ZoneId) {
        let (near, far) = self.zones;
        if self.leg == Leg::ToDevice { (far, near) } else { (near, far) }
    }
}

/// The matrix of a site, in the order of zone pairs, devices and rows.
pub(crate) fn matrix<'a>(judge: &Judge<'a>, filter: &Filter) -> Vec<Entry<'a>> {
    let entries = cores::for_each(judge, &cores::devices(judge), |desk, device| {
        let mut entries = Vec::new();
        for (near, flow) in judge.flows(device) {
            if filter.needed_only && (flow.doubtful || !is_needed(flow.requirement)) {
                continue;
            }
            look(desk, filter, &near, &flow, &mut entries);
        }
        entries
    });
    let mut entries: Vec<Entry<'a>> = entries.into_iter().flatten().collect();
    entries.sort_by_key(Entry::way);
    entries
}

/// Parties in one zone, or on one host that a firewall protects.
type Group<'p> = ((ZoneId, Option<usize>), Vec<&'p Party>);

fn is_needed(row: &Requirement) -> bool {
    matches!(row.severity, Need::Mandatory | Need::Recommended)
}

fn look<'a>(
    desk: &mut Desk<'_, 'a>,
    filter: &Filter,
    near: &Near,
    flow: &Flow<'a>,
    entries: &mut Vec<Entry<'a>>,
) {
    let judge = desk.judge();
    let mut groups: Vec<Group<'_>> = Vec::new();
    let parties = flow.parties.iter().map(Arc::as_ref);
    for party in parties.filter(|party| !covered(judge, flow, party)) {
        let Some(one) = party.places.first() else { continue };
        let shown = party.places.iter().any(|far| wanted(filter, flow, near, far));
        if !shown || party.places.iter().all(|far| far.addresses(near.family).is_empty()) {
            continue;
        }
        let key = (one.zone, one.device.filter(|device| judge.hosted(Some(*device)).is_some()));
        match groups.iter_mut().find(|(known, group)| *known == key && group[0].places.len() == 1) {
            Some((_, group)) if party.places.len() == 1 => group.push(party),
            _ => groups.push((key, vec![party])),
        }
    }
    for (_, parties) in &groups {
        for transport in &flow.transports {
            let ask = ask(flow, near, *transport);
            for class in classes(desk, &ask, near.family, parties) {
                entries.extend(entry(desk, filter, flow, near, *transport, &class));
            }
        }
    }
}

fn ask<'n>(flow: &'n Flow<'_>, near: &'n Near, transport: Transport) -> Ask<'n> {
    let own = flow.from.as_ref().filter(|_| transport == Transport::Udp);
    let from = own.or(flow.chosen.as_deref());
    Ask { device: flow.near(), near, leg: flow.leg, protocol: number(transport), ports: &flow.ports, from }
}

/// Parties that fare alike.
fn classes<'p>(
    desk: &mut Desk<'_, '_>,
    ask: &Ask<'_>,
    family: Family,
    parties: &[&'p Party],
) -> Vec<Vec<&'p Party>> {
    let places: Vec<&Far> = parties.iter().flat_map(|party| &party.places).collect();
    if parties.len() == 1 || desk.all_pass(ask, &places, true) {
        return vec![parties.to_vec()];
    }
    let is_host = |party: &&&Party| party.places.iter().all(|far| far.addresses(family).single().is_some());
    let (hosts, others): (Vec<&Party>, Vec<&Party>) = parties.iter().partition(is_host);
    let mut classes = if hosts.is_empty() { Vec::new() } else { desk.alike(ask, &hosts) };
    classes.extend(others.into_iter().map(|party| vec![party]));
    classes
}

fn entry<'a>(
    desk: &mut Desk<'_, 'a>,
    filter: &Filter,
    flow: &Flow<'a>,
    near: &Near,
    transport: Transport,
    class: &[&Party],
) -> Option<Entry<'a>> {
    let judge = desk.judge();
    let site = judge.site;
    let far = class.first()?.places.first()?;
    let ends = [Place { zone: near.zone, device: flow.near() }, Place { zone: far.zone, device: far.device }];
    let [from, to] = if flow.leg == Leg::ToDevice { [ends[1], ends[0]] } else { ends };
    let route = site.path(from, to);
    let path: Vec<usize> = route.iter().flatten().map(|crossing| crossing.firewall).collect();
    if filter.firewall.is_some_and(|wanted| !path.contains(&wanted)) {
        return None;
    }
    if route.as_ref().is_some_and(Vec::is_empty) && !filter.all {
        return None;
    }
    let mut entry = Entry {
        device: flow.device,
        row: flow.requirement,
        leg: flow.leg,
        near: flow
            .host
            .as_ref()
            .map_or_else(|| site.devices[flow.device].name.clone(), |host| host.name.clone()),
        far: class.iter().map(|party| party.name.clone()).collect(),
        zones: (near.zone, far.zone),
        path,
        transport,
        ports: flow.ports.clone(),
        any_port: flow.any_port,
        works: Works::Yes,
        bad: Set::empty(),
        reply: false,
        by: None,
        depends_on: Vec::new(),
        doubtful: flow.doubtful,
    };
    if route.is_none() {
        entry.works = Works::Depends;
        entry.depends_on = vec!["the path between these zones".to_string()];
        return Some(entry);
    }
    let party = match class {
        [one] => (*one).clone(),
        _ => {
            let places: Vec<&Far> = class.iter().flat_map(|party| &party.places).collect();
            Party { name: String::new(), places: together(&places).into_iter().collect(), anybody: false }
        }
    };
    judged(desk, flow, &ask(flow, near, transport), &party, &mut entry);
    Some(entry)
}

/// Fills in whether it gets through, and by whom.
fn judged(desk: &mut Desk<'_, '_>, flow: &Flow<'_>, ask: &Ask<'_>, party: &Party, entry: &mut Entry<'_>) {
    let Some(answer) = desk.judge_leg(ask, party, Kind::First, Want::Faults) else { return };
    let mut closed = answer.blocked.or(&answer.depends);
    if !closed.is_empty()
        && let Some(helped) = desk.helped(flow, ask, party)
    {
        closed = closed.minus(&helped.ports);
        if !helped.depends_on.is_empty() {
            entry.works = Works::Depends;
            entry.depends_on = helped.depends_on;
            entry.bad = helped.ports;
        }
    }
    let enough = flow.any_port && !answer.open.is_empty();
    let by = |shares: &[crate::judge::Share]| shares.first().map(By::from);
    if !closed.is_empty() && !enough {
        let none = answer.blocked.and(&closed);
        entry.works = if none.is_empty() || flow.any_port && !answer.depends.is_empty() {
            Works::Depends
        } else {
            Works::No
        };
        entry.by = by(&answer.blockers).or_else(|| by(&answer.may_block));
        if entry.works == Works::Depends {
            entry.depends_on = answer.depends_on;
            entry.by = by(&answer.may_block).or(entry.by);
        }
        entry.bad = closed;
        return;
    }
    let replies = desk.judge_leg(ask, party, Kind::Reply, Want::Faults);
    if let Some(reply) = replies.filter(|_| flow.requirement.service != "snmp" || flow.leg == Leg::ToDevice) {
        let bad = reply.blocked.or(&reply.depends);
        if !bad.is_empty() && (!flow.any_port || reply.open.is_empty()) {
            entry.works = if reply.blocked.is_empty() { Works::Depends } else { Works::No };
            entry.by = by(&reply.blockers).or_else(|| by(&reply.may_block));
            entry.depends_on = if entry.works == Works::Depends { reply.depends_on } else { Vec::new() };
            (entry.bad, entry.reply) = (bad, true);
            return;
        }
    }
    let steps = desk.steps(ask, party, Example::Answered);
    entry.by = steps.iter().rev().find_map(|step| step.by);
}

/// Whether the peer is a device of ours with a row of its own about the same connection: it is told there.
fn covered(judge: &Judge<'_>, flow: &Flow<'_>, party: &Party) -> bool {
    if flow.leg == Leg::ToDevice || flow.requirement.initiator != Initiator::Either {
        return false;
    }
    let product = |device: usize| judge.catalog.product(&judge.site.devices[device].product);
    let Some(peer) = party.places.iter().find_map(|far| far.device) else { return false };
    let (Some(theirs), Some(ours)) = (product(peer), product(flow.device)) else { return false };
    theirs.requirements.iter().any(|row| {
        row.service == flow.requirement.service
            && row.listener == Listener::Device
            && row.initiator != Initiator::Device
            && row.peer.as_deref().is_some_and(|role| ours.fills(role))
            && judge.site.is_judged(peer, theirs, row)
    })
}

/// Whether a connection is between those that are wanted.
fn wanted(filter: &Filter, flow: &Flow<'_>, near: &Near, far: &Far) -> bool {
    let is = |end: &Option<End>, far_side: bool| {
        let Some(end) = end else { return true };
        let (zone, device, addresses) = match far_side {
            true => (far.zone, far.device, far.addresses(near.family)),
            false => (near.zone, flow.near(), &near.addresses),
        };
        match end.device {
            Some(wanted) => device == Some(wanted),
            None => end
                .places
                .iter()
                .any(|place| place.zone == zone && place.addresses(near.family).meets(addresses)),
        }
    };
    let outward = flow.leg == Leg::FromDevice;
    is(&filter.from, !outward) && is(&filter.to, outward)
}
