//! Asking who gets through on which leg of a row, and what is wrong where not all do.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Fault, Trouble, Whom};
use crate::catalog::{Initiator, Need, Requirement, Transport};
use crate::judge::{Answer, Ask, Desk, Kind, Near, Want, number};
use crate::lint::{slips, words};
use crate::packet::{Family, Set};
use crate::rule::Severity;
use crate::site::{Far, Flow, Leg, Party, ZoneId};

/// Looks at one leg of a row, for one address: at all who have to get through from one place at once, and at each
/// only where not all do.
pub(super) fn look<'a>(
    desk: &mut Desk<'_, '_>,
    flow: &Arc<Flow<'a>>,
    near: &Near,
    troubles: &mut Vec<Trouble<'a>>,
) {
    let answered = is_answered(flow.requirement);
    let mut groups: BTreeMap<(ZoneId, Option<usize>), Vec<&Party>> = BTreeMap::new();
    let mut waiting: Vec<Whom> = Vec::new();
    for party in flow.parties.iter().map(Arc::as_ref) {
        match party.places.as_slice() {
            [one] => {
                let host = one.device.filter(|device| desk.judge().hosted(Some(*device)).is_some());
                groups.entry((one.zone, host)).or_default().push(party);
            }
            _ => waiting.push(Whom::of(&[party])),
        }
    }
    for parties in groups.into_values() {
        let places: Vec<&Far> = parties.iter().flat_map(|party| &party.places).collect();
        let mut all_pass = |leg: Leg| {
            let asks = flow.transports.iter().map(|transport| Ask { leg, ..ask(flow, near, *transport) });
            asks.into_iter().all(|ask| desk.all_pass(&ask, &places, answered))
        };
        if flow.ways().any(&mut all_pass) {
            continue;
        }
        let (hosts, others): (Vec<&Party>, Vec<&Party>) =
            parties.into_iter().partition(|party| party.places.iter().all(|far| is_host(far, near.family)));
        let mut classes = vec![hosts];
        for (leg, transport) in flow.ways().flat_map(|leg| flow.transports.iter().map(move |t| (leg, t))) {
            let ask = Ask { leg, ..ask(flow, near, *transport) };
            classes = classes.iter().flat_map(|class| desk.alike(&ask, class)).collect();
        }
        waiting.extend(classes.iter().filter(|class| !class.is_empty()).map(|class| Whom::of(class)));
        waiting.extend(others.iter().map(|party| Whom::of(&[*party])));
    }
    for whom in &waiting {
        look_at(desk, flow, near, whom, troubles);
    }
}

/// Whether a place is one host.
fn is_host(far: &Far, family: Family) -> bool {
    far.addresses(family).single().is_some()
}

pub(super) fn ask<'n>(flow: &'n Flow<'_>, near: &'n Near, transport: Transport) -> Ask<'n> {
    let own = flow.from.as_ref().filter(|_| transport == Transport::Udp);
    let from = own.or(flow.chosen.as_deref());
    Ask { device: flow.near(), near, leg: flow.leg, protocol: number(transport), ports: &flow.ports, from }
}

/// Looks at one leg of a row, for one address and parties that fare alike.
pub(super) fn look_at<'a>(
    desk: &mut Desk<'_, '_>,
    flow: &Arc<Flow<'a>>,
    near: &Near,
    whom: &Whom,
    troubles: &mut Vec<Trouble<'a>>,
) {
    let party = &whom.party;
    let other_way = if flow.either_way {
        let Some(lacking) = other_way(desk, flow, near, party) else { return };
        Some(lacking)
    } else {
        None
    };
    let Some(judged) = by_transport(desk, flow, near, party) else { return };
    let look = Look { flow, near, whom, other_way };
    for (transport, answer) in judged {
        if look.first_packets(desk, transport, &answer, troubles) {
            look.answers(desk, transport, troubles);
        }
    }
}

/// How a leg fares by each of its transports; `None` where there is nothing to say of it.
fn by_transport(
    desk: &mut Desk<'_, '_>,
    flow: &Flow<'_>,
    near: &Near,
    party: &Party,
) -> Option<Vec<(Transport, Answer)>> {
    let mut judged: Vec<(Transport, Answer)> = Vec::new();
    for transport in &flow.transports {
        let answer = judge_leg(desk, flow, &ask(flow, near, *transport), party, Want::Faults)?;
        judged.push((*transport, answer));
    }
    if flow.either_transport {
        // Nobody says which transport it is: only what neither gets through is blocked.
        if judged.iter().any(|(_, answer)| !answer.all_blocked()) {
            return None;
        }
        judged.truncate(1);
    }
    Some(judged)
}

/// One leg of a row, for one address and parties that fare alike.
struct Look<'l, 'a> {
    flow: &'l Arc<Flow<'a>>,
    near: &'l Near,
    whom: &'l Whom,
    /// What is lacking the other way round, where it could be that one as well.
    other_way: Option<Lacking>,
}

impl<'a> Look<'_, 'a> {
    /// Whether what is blocked here is so for certain, as far as the other way is concerned.
    fn is_sure(&self) -> bool {
        self.other_way.as_ref().is_none_or(|lacking| lacking.certain)
    }

    fn trouble(
        &self,
        transport: Transport,
        (fault, severity, certain): (Fault, Severity, bool),
        bad: &Set,
        answer: &Answer,
    ) -> Trouble<'a> {
        let partly =
            answer.partly.covers(bad) || self.other_way.as_ref().is_some_and(|lacking| lacking.partly);
        Trouble {
            fault,
            severity,
            certain,
            flow: Arc::clone(self.flow),
            transport,
            near: self.near.clone(),
            whom: self.whom.clone(),
            asked: self.flow.ports.clone(),
            bad: bad.clone(),
            blame: match certain || answer.may_block.is_empty() {
                true => answer.blockers.clone(),
                false => answer.may_block.clone(),
            },
            may_open: if certain { Vec::new() } else { answer.may_open.clone() },
            depends_on: match certain {
                true => Vec::new(),
                false => {
                    let others = self.other_way.iter().flat_map(|lacking| &lacking.depends_on);
                    words::unique(answer.depends_on.iter().chain(others).cloned())
                }
            },
            assumes: answer.assumes.clone(),
            witness: answer.witness.clone(),
            partly: certain && partly,
        }
    }

    /// What there is to say of first packets; true where some get through, so that answers are worth a look.
    fn first_packets(
        &self,
        desk: &mut Desk<'_, '_>,
        transport: Transport,
        answer: &Answer,
        troubles: &mut Vec<Trouble<'a>>,
    ) -> bool {
        let Look { flow, near, whom, .. } = self;
        let (blocked, depends) = faults(flow, answer);
        if blocked.is_empty() && depends.is_empty() {
            return true;
        }
        if one_direction(flow) && (flow.doubtful || !called(desk, flow, near, &whom.party, transport)) {
            return false;
        }
        // What is blocked, and what may be besides.
        for (certain, bad) in [(self.is_sure(), &blocked), (false, &depends)] {
            if bad.is_empty() {
                continue;
            }
            let whole = bad.covers(&flow.ports) || flow.any_port;
            let (fault, severity) = fault(flow, whole, certain);
            let mut found = self.trouble(transport, (fault, severity, certain), bad, answer);
            if certain && matches!(fault, Fault::Mandatory | Fault::Part) {
                let parties = (&whom.party, whom.names.len() > 1);
                let slip = slips::rule(desk, flow, near, parties, (transport, bad));
                found.fault = if slip.is_some() { Fault::WrongTransport } else { fault };
                found.blame.splice(..0, slip);
            }
            troubles.push(found);
        }
        !(flow.any_port || blocked.or(&depends).covers(&flow.ports))
    }

    /// What there is to say of the answers.
    fn answers(&self, desk: &mut Desk<'_, '_>, transport: Transport, troubles: &mut Vec<Trouble<'a>>) {
        if !is_answered(self.flow.requirement) {
            return;
        }
        let ask = ask(self.flow, self.near, transport);
        let Some(reply) = desk.judge_leg(&ask, &self.whom.party, Kind::Reply, Want::Faults) else { return };
        let (blocked, depends) = faults(self.flow, &reply);
        let known = !blocked.is_empty();
        let certain = known && self.is_sure();
        let bad = if known { &blocked } else { &depends };
        if !bad.is_empty() {
            let severity = if certain { weight(self.flow) } else { Severity::Warning };
            troubles.push(self.trouble(transport, (Fault::Reply, severity, certain), bad, &reply));
        }
    }
}

/// What keeps the other way of a row from getting through of which nobody says who listens.
struct Lacking {
    certain: bool,
    /// Something gets through, from some source ports.
    partly: bool,
    depends_on: Vec<String>,
}

/// Looks at the other way; `None` where it gets through, so that nothing can be said of the row.
fn other_way(desk: &mut Desk<'_, '_>, flow: &Flow<'_>, near: &Near, party: &Party) -> Option<Lacking> {
    let mut lacking = Lacking { certain: false, partly: false, depends_on: Vec::new() };
    let mut passes = true;
    for transport in &flow.transports {
        let ask = Ask { leg: flow.leg.other(), ..ask(flow, near, *transport) };
        for kind in [Kind::First, Kind::Reply] {
            let answer = match kind {
                Kind::First => judge_leg(desk, flow, &ask, party, Want::Faults)?,
                // Where nothing gets there, nothing is answered.
                Kind::Reply | Kind::Announced(_) => match desk.judge_leg(&ask, party, kind, Want::Faults) {
                    Some(answer) => answer,
                    None => continue,
                },
            };
            let (blocked, depends) = faults(flow, &answer);
            passes &= blocked.is_empty() && depends.is_empty();
            lacking.certain |= !blocked.is_empty();
            lacking.partly |= !blocked.is_empty() && answer.partly.covers(&blocked);
            lacking.depends_on.extend(answer.depends_on);
        }
    }
    (!passes).then_some(lacking)
}

/// The answer for a leg, with what a helper opens counted in.
fn judge_leg(
    desk: &mut Desk<'_, '_>,
    flow: &Flow<'_>,
    ask: &Ask<'_>,
    party: &Party,
    want: Want,
) -> Option<Answer> {
    let mut judgement = desk.judge_leg(ask, party, Kind::First, want)?;
    let closed = judgement.blocked.or(&judgement.depends);
    if closed.is_empty() {
        return Some(judgement);
    }
    if let Some(helped) = desk.helped(flow, ask, party) {
        if helped.depends_on.is_empty() {
            judgement.open = judgement.open.or(&helped.ports);
        }
        judgement.depends_on.extend(helped.depends_on);
        judgement.depends_on.sort();
        judgement.depends_on.dedup();
        judgement.blocked = judgement.blocked.minus(&helped.ports);
        judgement.depends = judgement.asked.minus(&judgement.open).minus(&judgement.blocked);
        if judgement.may_block.is_empty() {
            judgement.may_block = judgement.blockers.clone();
        }
    }
    Some(judgement)
}

/// The ports that are blocked, and those that may be; none where one port is enough and one gets through.
fn faults(flow: &Flow<'_>, judgement: &Answer) -> (Set, Set) {
    if !flow.any_port {
        return (judgement.blocked.clone(), judgement.depends.clone());
    }
    if !judgement.open.is_empty() {
        (Set::empty(), Set::empty())
    } else if judgement.depends.is_empty() {
        (judgement.blocked.clone(), Set::empty())
    } else {
        (Set::empty(), judgement.depends.clone())
    }
}

/// Traps of SNMP are sent and never answered (RFC 3416, section 4.2.6).
fn is_answered(row: &Requirement) -> bool {
    !(row.service == "snmp" && row.initiator == Initiator::Device)
}

/// Whether the leg is the second one of a row that either end can open.
fn one_direction(flow: &Flow<'_>) -> bool {
    flow.leg == Leg::FromDevice && flow.requirement.initiator == Initiator::Either
}

/// Whether the party gets through to the device on the same row: else the other leg has its own finding.
fn called(
    desk: &mut Desk<'_, '_>,
    flow: &Flow<'_>,
    near: &Near,
    party: &Party,
    transport: Transport,
) -> bool {
    let site = desk.judge().site;
    let Some(product) = desk.judge().catalog.product(&site.devices[flow.device].product) else {
        return false;
    };
    let ports = site.ports_of(flow.device, product, flow.requirement);
    let flow = Flow {
        device: flow.device,
        host: flow.host.clone(),
        requirement: flow.requirement,
        leg: Leg::ToDevice,
        either_way: false,
        transports: flow.transports.clone(),
        either_transport: flow.either_transport,
        ports,
        from: None,
        chosen: None,
        any_port: false,
        parties: Vec::new(),
        doubtful: flow.doubtful,
    };
    judge_leg(desk, &flow, &ask(&flow, near, transport), party, Want::Ports)
        .is_none_or(|judgement| judgement.blocked.is_empty() && judgement.depends.is_empty())
}

/// What is wrong with a leg that does not get through, and how bad that is.
fn fault(flow: &Flow<'_>, whole: bool, certain: bool) -> (Fault, Severity) {
    let row = flow.requirement;
    let (fault, severity) = match row.severity {
        _ if one_direction(flow) => (Fault::OneDirection, Severity::Warning),
        _ if !whole => (Fault::Part, weight(flow)),
        Need::Mandatory => (Fault::Mandatory, weight(flow)),
        Need::Recommended => (Fault::Recommended, Severity::Warning),
        Need::Optional | Need::Internal => (Fault::Optional, Severity::Info),
    };
    (fault, if certain { severity } else { severity.min(Severity::Warning) })
}

/// The severity of a fault in a mandatory row; one that may not be needed here does not fail a run.
fn weight(flow: &Flow<'_>) -> Severity {
    if flow.requirement.severity == Need::Mandatory && !flow.doubtful {
        Severity::Error
    } else {
        Severity::Warning
    }
}
