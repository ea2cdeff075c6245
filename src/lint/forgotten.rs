//! PH507: a firewall forgets connections that calls keep open without sending anything.

use super::{cores, words};
use crate::catalog::{Helper, Transport};
use crate::finding::Finding;
use crate::judge::{Ask, Desk, Judge, Kind, Near, Want, number};
use crate::model::{Idle, Ruleset, Timeout};
use crate::rule::PH507;
use crate::site::{End, Flow, Leg, Party};

/// Nothing is sent on a connection of Q.931 during a call but TCP keep-alives, of which there is none for two hours
/// where nobody sets them otherwise (RFC 1122, section 4.2.3.6); RFC 5382, REQ-5, gives them four minutes more.
const SIGNALLING: u32 = 7_440;
/// Whoever is muted or on hold may send nothing: RFC 4787, REQ-5.
const MEDIA: u32 = 120;

/// One timeout, and what it is too short for.
struct Short<'a> {
    firewall: usize,
    timeout: &'a Timeout,
    device: usize,
    /// `Q.931 (tcp 1720)`.
    what: String,
}

/// Checks all firewalls of the site.
pub(super) fn check(judge: &Judge<'_>) -> Vec<Finding> {
    let timeouts = |at: usize| judge.firewall(at).map_or(&[][..], |firewall| &firewall.rules.timeouts);
    let any = (0..judge.firewalls.len()).any(|at| timeouts(at).iter().any(|one| one.seconds < needed(one)));
    if !any {
        return Vec::new();
    }
    let found = cores::for_each(judge, &cores::devices(judge), |desk, device| {
        let mut found: Vec<Short<'_>> = Vec::new();
        for (near, flow) in judge.flows(device) {
            if flow.host.is_some() {
                continue;
            }
            for party in &flow.parties {
                found.extend(short(desk, &near, &flow, party));
            }
        }
        found
    });
    let mut groups: Vec<Vec<Short<'_>>> = Vec::new();
    for one in found.into_iter().flatten() {
        let same = |group: &&mut Vec<Short<'_>>| {
            group.first().is_some_and(|first| (first.firewall, first.timeout) == (one.firewall, one.timeout))
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    groups.iter().filter_map(|group| word(judge, group)).collect()
}

/// How long a connection may be silent that a timeout is about.
fn needed(timeout: &Timeout) -> u32 {
    match timeout.of {
        Idle::Tcp => SIGNALLING,
        Idle::Udp | Idle::Announced(_) => MEDIA,
    }
}

/// The timeouts of the firewalls on the way of a flow that are too short for it.
fn short<'a>(desk: &mut Desk<'_, 'a>, near: &Near, flow: &Flow<'_>, party: &Party) -> Vec<Short<'a>> {
    let judge = desk.judge();
    let mut found = Vec::new();
    let here = End { zone: near.zone, device: Some(flow.device) };
    for far in &party.places {
        let there = End { zone: far.zone, device: far.device };
        for crossing in judge.site.path(here, there).unwrap_or_default() {
            let Some(firewall) = judge.firewall(crossing.firewall) else { continue };
            for timeout in firewall.rules.timeouts.iter().filter(|one| one.seconds < needed(one)) {
                let Some(transport) = concerned(&firewall.rules, timeout, flow) else { continue };
                if transport == Transport::Tcp || is_carried_by_state(desk, near, flow, party, transport) {
                    let what = words::service(flow.requirement, transport, &flow.ports);
                    let firewall = crossing.firewall;
                    found.push(Short { firewall, timeout, device: flow.device, what });
                }
            }
        }
    }
    found
}

/// The transport of a flow whose connections a timeout is about: call signalling of H.323, and media.
fn concerned(rules: &Ruleset, timeout: &Timeout, flow: &Flow<'_>) -> Option<Transport> {
    let row = flow.requirement;
    let has = |helpers: &[&str]| helpers.iter().any(|helper| rules.helpers.iter().any(|name| name == helper));
    let is_media = !row.announced_by.is_empty();
    let (transport, concerned) = match timeout.of {
        Idle::Tcp => (Transport::Tcp, row.helper == Some(Helper::Q931)),
        Idle::Udp => (Transport::Udp, is_media),
        Idle::Announced(helpers) => (Transport::Udp, is_media && has(helpers)),
    };
    let other = timeout.ports.as_ref().is_some_and(|ports| !ports.meets(&flow.ports));
    (concerned && !other && !has(timeout.besides) && flow.transports.contains(&transport))
        .then_some(transport)
}

/// Whether media gets in as answers alone: where rules let it in, a forgotten connection is made anew.
fn is_carried_by_state(
    desk: &mut Desk<'_, '_>,
    near: &Near,
    flow: &Flow<'_>,
    party: &Party,
    transport: Transport,
) -> bool {
    if flow.leg != Leg::ToDevice {
        return false;
    }
    let ask = Ask {
        device: Some(flow.device),
        near,
        leg: Leg::ToDevice,
        protocol: number(transport),
        ports: &flow.ports,
        from: None,
    };
    desk.judge_leg(&ask, party, Kind::First, Want::Ports).is_some_and(|answer| answer.open.is_empty())
}

fn word(judge: &Judge<'_>, group: &[Short<'_>]) -> Option<Finding> {
    let first = group.first()?;
    let devices = words::unique(group.iter().map(|one| judge.site.devices[one.device].name.clone()));
    let what = words::unique(group.iter().map(|one| one.what.clone()));
    let (after, wanted) = (time(first.timeout.seconds), needed(first.timeout));
    let message = format!(
        "connections for {} of {} are forgotten after {after} without a packet",
        words::some(&what, 2, "service"),
        words::some(&devices, 3, "device")
    );
    let (impact, help) = match first.timeout.of {
        Idle::Tcp => (
            "Calls that last longer end by themselves, or one end hangs up and the other does not notice.",
            format!(
                "Set it to {wanted} seconds (2:04:00) or more: nothing is sent on this connection during a call but TCP \
                 keep-alives, the first of which may come after two hours (RFC 1122, section 4.2.3.6; RFC 5382, REQ-5)."
            ),
        ),
        Idle::Udp | Idle::Announced(_) => (
            "Whoever is muted or on hold for that long is not heard or seen any more.",
            format!(
                "Set it to {wanted} seconds (0:02:00) or more (RFC 4787, REQ-5), or let the media in by rules, which \
                 need no state."
            ),
        ),
    };
    let mut finding = Finding::of(&PH507, first.timeout.span, message);
    finding = finding.label(format!("calls need {wanted} seconds")).notice(impact).help(help);
    finding.devices = devices;
    Some(finding)
}

/// `2 hours`, `90 seconds`.
fn time(seconds: u32) -> String {
    let (count, unit) = match seconds {
        0 => (0, "second"),
        _ if seconds.is_multiple_of(3_600) => (seconds / 3_600, "hour"),
        _ if seconds.is_multiple_of(60) => (seconds / 60, "minute"),
        _ => (seconds, "second"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}
