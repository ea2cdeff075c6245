//! PH101 to PH107: what the devices need, and a firewall refuses.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::mend::{self, Outcome, Workshop};
use super::words::{self, Listed};
use super::{cores, later, slips, witness};
use crate::catalog::{Initiator, Need, Requirement, Transport};
use crate::finding::{Finding, Label, RequirementRef, Severity};
use crate::judge::{Answer, Ask, Desk, Judge, Kind, Near, Share, Want, Witness, number, together};
use crate::packet::{Family, Set};
use crate::site::{Far, Flow, Leg, Party, Prefix, Site, ZoneId};
use crate::source::Span;

/// So many hosts are named one by one in a rule to add.
const FEW_HOSTS: u128 = 256;

/// Lines are tried for findings about so many legs of rows.
const FEW_LEGS: usize = 200;

/// One leg of a row that does not get through.
#[derive(Clone)]
pub(super) struct Trouble<'a> {
    pub(super) code: &'static str,
    severity: Severity,
    /// It holds whatever the unknowns are.
    pub(super) certain: bool,
    pub(super) flow: Arc<Flow<'a>>,
    pub(super) transport: Transport,
    pub(super) near: Near,
    pub(super) whom: Whom,
    pub(super) asked: Set,
    pub(super) bad: Set,
    /// Who blocks, the largest share first.
    pub(super) blame: Vec<Share>,
    /// Who may let through what may be blocked.
    granters: Vec<Share>,
    depends_on: Vec<String>,
    assumes: Vec<String>,
    pub(super) witness: Option<Witness>,
    /// It is the answers that are blocked.
    pub(super) reply: bool,
    /// It gets through from some source ports.
    partly: bool,
}

impl Trouble<'_> {
    /// Whether it is about the same leg, for the same address and party.
    pub(super) fn is_of_question(&self, other: &Trouble<'_>) -> bool {
        let (one, two) = (&self.flow, &other.flow);
        (one.device, one.leg, &one.ports) == (two.device, two.leg, &two.ports)
            && std::ptr::eq(one.requirement, two.requirement)
            && self.near == other.near
            && self.whom.party == other.whom.party
    }

    /// The ports that a rule has to name.
    pub(super) fn ports(&self) -> &Set {
        if self.flow.any_port { &self.asked } else { &self.bad }
    }

    /// The addresses by which the outside knows the device, where the site says them.
    pub(super) fn public(&self, site: &Site) -> Set {
        mend::numbers(site.devices[self.flow.device].public_addresses.iter(), self.near.family)
    }
}

/// Checks all devices of the site.
pub fn check(judge: &Judge<'_>, workshop: Option<&Workshop<'_>>) -> Vec<Finding> {
    let groups = group(troubles(judge).into_iter());
    groups.into_iter().map(|group| word(judge, workshop, &group)).collect()
}

/// Checks one leg of a row between one address and one party.
pub fn about<'a>(
    judge: &Judge<'a>,
    workshop: Option<&Workshop<'_>>,
    desk: &mut Desk<'_, 'a>,
    flow: &Arc<Flow<'a>>,
    near: &Near,
    party: &Party,
) -> Vec<Finding> {
    let mut troubles = Vec::new();
    look_at(desk, flow, near, &Whom::of(&[party]), &mut troubles);
    let groups = group(troubles.into_iter());
    groups.into_iter().map(|group| word(judge, workshop, &group)).collect()
}

/// How many legs of mandatory rows do not get through, for some party; and how much trouble there is in all.
pub fn lacking(judge: &Judge<'_>) -> (usize, usize) {
    let troubles = troubles(judge);
    let mandatory = troubles.iter().filter(|trouble| trouble.flow.requirement.severity == Need::Mandatory);
    let mut rows: Vec<_> = mandatory
        .map(|trouble| {
            (
                trouble.flow.device,
                &trouble.flow.requirement.service,
                &trouble.flow.requirement.row,
                trouble.flow.leg,
            )
        })
        .collect();
    rows.sort_unstable();
    rows.dedup();
    (rows.len(), troubles.len())
}

/// Every leg of a row that does not get through.
fn troubles<'a>(judge: &Judge<'a>) -> Vec<Trouble<'a>> {
    let troubles = cores::for_each(judge, &cores::devices(judge), |desk, device| {
        let mut troubles = Vec::new();
        for (near, flow) in judge.flows(device) {
            look(desk, &Arc::new(flow), &near, &mut troubles);
        }
        troubles
    });
    troubles.into_iter().flatten().collect()
}

/// Looks at one leg of a row, for one address: at all who have to get through from one place at once, and at each
/// only where not all do.
fn look<'a>(desk: &mut Desk<'_, '_>, flow: &Arc<Flow<'a>>, near: &Near, troubles: &mut Vec<Trouble<'a>>) {
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

/// Parties that fare alike.
#[derive(Clone)]
pub(super) struct Whom {
    /// All of them as one.
    pub(super) party: Party,
    /// The name of each.
    names: Vec<String>,
}

impl Whom {
    fn of(parties: &[&Party]) -> Whom {
        let names = parties.iter().map(|party| party.name.clone()).collect();
        let places: Vec<&Far> = parties.iter().flat_map(|party| &party.places).collect();
        let one = match parties {
            [one] => (*one).clone(),
            _ => {
                Party { name: String::new(), places: together(&places).into_iter().collect(), anybody: false }
            }
        };
        Whom { party: one, names }
    }
}

fn ask<'n>(flow: &'n Flow<'_>, near: &'n Near, transport: Transport) -> Ask<'n> {
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
    let sure = other_way.as_ref().is_none_or(|lacking| lacking.certain);
    let mut judged: Vec<(Transport, Answer)> = Vec::new();
    for transport in &flow.transports {
        let Some(answer) = judge_leg(desk, flow, &ask(flow, near, *transport), party, Want::Faults) else {
            return;
        };
        judged.push((*transport, answer));
    }
    if flow.either_transport {
        // Nobody says which transport it is: only what neither gets through is blocked.
        if judged.iter().any(|(_, answer)| !answer.all_blocked()) {
            return;
        }
        judged.truncate(1);
    }
    for (transport, answer) in judged {
        let trouble = |code, severity, certain, bad: &Set, answer: &Answer, reply| Trouble {
            code,
            severity,
            certain,
            flow: Arc::clone(flow),
            transport,
            near: near.clone(),
            whom: whom.clone(),
            asked: flow.ports.clone(),
            bad: bad.clone(),
            blame: match certain || answer.doubters.is_empty() {
                true => answer.blockers.clone(),
                false => answer.doubters.clone(),
            },
            granters: if certain { Vec::new() } else { answer.granters.clone() },
            depends_on: match certain {
                true => Vec::new(),
                false => {
                    let others = other_way.iter().flat_map(|lacking| &lacking.depends_on);
                    words::unique(answer.depends_on.iter().chain(others).cloned())
                }
            },
            assumes: answer.assumes.clone(),
            witness: answer.witness.clone(),
            reply,
            partly: certain && answer.partly.covers(bad),
        };
        let (blocked, unsure) = faults(flow, &answer);
        if !blocked.is_empty() || !unsure.is_empty() {
            if one_direction(flow) && (flow.doubtful || !called(desk, flow, near, party, transport)) {
                continue;
            }
            // What is blocked, and what may be besides.
            for (certain, bad) in [(sure, &blocked), (false, &unsure)] {
                if bad.is_empty() {
                    continue;
                }
                let whole = bad.covers(&flow.ports) || flow.any_port;
                let (code, severity) = code(flow, whole, certain);
                let mut found = trouble(code, severity, certain, bad, &answer, false);
                if certain && matches!(code, "PH101" | "PH102") {
                    let whom = (party, whom.names.len() > 1);
                    let slip = slips::rule(desk, flow, near, whom, (transport, bad));
                    found.code = if slip.is_some() { "PH107" } else { code };
                    found.blame.splice(..0, slip);
                }
                troubles.push(found);
            }
            if flow.any_port || blocked.or(&unsure).covers(&flow.ports) {
                continue;
            }
        }
        if !is_answered(flow.requirement) {
            continue;
        }
        let Some(reply) = desk.judge_leg(&ask(flow, near, transport), party, Kind::Reply, Want::Faults)
        else {
            continue;
        };
        let (blocked, unsure) = faults(flow, &reply);
        let known = !blocked.is_empty();
        let certain = known && sure;
        let bad = if known { &blocked } else { &unsure };
        if !bad.is_empty() {
            let severity = if certain { weight(flow) } else { Severity::Warning };
            troubles.push(trouble("PH105", severity, certain, bad, &reply, true));
        }
    }
}

/// What keeps the other way of a row from getting through of which nobody says who listens.
struct Lacking {
    certain: bool,
    depends_on: Vec<String>,
}

/// Looks at the other way; `None` where it gets through, so that nothing can be said of the row.
fn other_way(desk: &mut Desk<'_, '_>, flow: &Flow<'_>, near: &Near, party: &Party) -> Option<Lacking> {
    let mut lacking = Lacking { certain: false, depends_on: Vec::new() };
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
            let (blocked, unsure) = faults(flow, &answer);
            passes &= blocked.is_empty() && unsure.is_empty();
            lacking.certain |= !blocked.is_empty();
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
    let closed = judgement.blocked.or(&judgement.unsure);
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
        judgement.unsure = judgement.asked.minus(&judgement.open).minus(&judgement.blocked);
        if judgement.doubters.is_empty() {
            judgement.doubters = judgement.blockers.clone();
        }
    }
    Some(judgement)
}

/// The ports that are blocked, and those that may be; none where one port is enough and one gets through.
fn faults(flow: &Flow<'_>, judgement: &Answer) -> (Set, Set) {
    if !flow.any_port {
        return (judgement.blocked.clone(), judgement.unsure.clone());
    }
    if !judgement.open.is_empty() {
        (Set::empty(), Set::empty())
    } else if judgement.unsure.is_empty() {
        (judgement.blocked.clone(), Set::empty())
    } else {
        (Set::empty(), judgement.unsure.clone())
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
        .is_none_or(|judgement| judgement.blocked.is_empty() && judgement.unsure.is_empty())
}

/// The code and severity of a leg that does not get through.
fn code(flow: &Flow<'_>, whole: bool, certain: bool) -> (&'static str, Severity) {
    let row = flow.requirement;
    let (code, severity) = match row.severity {
        _ if one_direction(flow) => ("PH106", Severity::Warning),
        _ if !whole => ("PH102", weight(flow)),
        Need::Mandatory => ("PH101", weight(flow)),
        Need::Recommended => ("PH103", Severity::Warning),
        Need::Optional | Need::Internal => ("PH104", Severity::Info),
    };
    (code, if certain { severity } else { severity.min(Severity::Warning) })
}

/// The severity of a fault in a mandatory row; one that may not be needed here does not fail a run.
fn weight(flow: &Flow<'_>) -> Severity {
    if flow.requirement.severity == Need::Mandatory && !flow.doubtful {
        Severity::Error
    } else {
        Severity::Warning
    }
}

/// Troubles of one cause: one code, one rule that decides, one direction.
fn group<'a>(troubles: impl Iterator<Item = Trouble<'a>>) -> Vec<Vec<Trouble<'a>>> {
    let mut groups: Vec<Vec<Trouble>> = Vec::new();
    for trouble in troubles {
        let same = |group: &Vec<Trouble>| {
            let first = &group[0];
            let by = |t: &Trouble| t.blame.first().map(|blame| (blame.firewall, blame.by));
            first.code == trouble.code
                && (first.certain, first.severity, first.flow.leg, first.flow.either_way)
                    == (trouble.certain, trouble.severity, trouble.flow.leg, trouble.flow.either_way)
                && by(first) == by(&trouble)
                && (first.code != "PH107" || first.transport == trouble.transport)
                && first.partly == trouble.partly
        };
        match groups.iter_mut().find(|group| same(group)) {
            Some(group) => group.push(trouble),
            None => groups.push(vec![trouble]),
        }
    }
    groups
}

/// Words a finding for troubles of one cause.
fn word(judge: &Judge<'_>, workshop: Option<&Workshop<'_>>, group: &[Trouble<'_>]) -> Finding {
    let first = &group[0];
    let blame = first.blame.first();
    let firewall = blame.and_then(|blame| judge.firewall(blame.firewall));
    let span = blame.zip(firewall).and_then(|(blame, firewall)| blame.by.span(&firewall.rules));
    let listed: Vec<Listed> = list(judge, group);
    let mut finding = Finding::new(first.code, first.severity, span, message(judge, group, &listed));
    finding.label = match blame.zip(firewall) {
        Some(_) if first.code == "PH107" => {
            format!("opens them for {}", slips::other(first.transport).name())
        }
        Some((blame, firewall)) => words::blocks(firewall, blame.by),
        None => String::new(),
    };
    let behind = behind(judge, group);
    finding.related = related(judge, group, span, &behind);
    finding.notice = match first.code {
        "PH106" => words::sentences(group.iter().map(|trouble| outward_notice(trouble.flow.requirement))),
        _ => {
            let rows = group.iter().filter_map(|trouble| trouble.flow.requirement.notice.as_deref());
            let media = group.iter().find(|trouble| trouble.flow.requirement.service == "rtp");
            words::sentences(rows) + &media_notice(media.unwrap_or(first))
        }
    };
    help(judge, workshop, group, &mut finding);
    finding.devices =
        words::unique(group.iter().map(|trouble| judge.site.devices[trouble.flow.device].name.clone()));
    finding.depends_on = words::unique(group.iter().flat_map(|trouble| trouble.depends_on.iter().cloned()));
    finding.assumes = words::unique(group.iter().flat_map(|trouble| trouble.assumes.iter().cloned()));
    finding.requirements = requirements(judge, group);
    let shown = group.iter().find_map(|trouble| trouble.witness.as_ref().filter(|_| !trouble.reply));
    witness::show(&mut finding, shown, blame.map(|blame| blame.firewall));
    finding
}

/// The rows of a group with the ports that are in trouble, each once.
fn list(judge: &Judge<'_>, group: &[Trouble<'_>]) -> Vec<Listed> {
    let mut listed: Vec<Listed> = Vec::new();
    let mut places: FxHashMap<(&str, &str, &Set), usize> = FxHashMap::default();
    for trouble in group {
        let protocol = trouble.flow.requirement.protocol.as_str();
        let transport = if trouble.flow.either_transport { "tcp or udp" } else { trouble.transport.name() };
        let at =
            *places.entry((subject(judge, &trouble.flow), protocol, &trouble.bad)).or_insert_with(|| {
                listed.push(Listed {
                    device: subject(judge, &trouble.flow).to_string(),
                    protocol: words::protocol(protocol),
                    transports: Vec::new(),
                    ports: trouble.bad.clone(),
                    asked: trouble.asked.clone(),
                    any_port: trouble.flow.any_port,
                });
                listed.len() - 1
            });
        if !listed[at].transports.contains(&transport) {
            listed[at].transports.push(transport);
        }
    }
    listed
}

fn message(judge: &Judge<'_>, group: &[Trouble<'_>], listed: &[Listed]) -> String {
    let first = &group[0];
    let what = words::listing(listed);
    let parties = || group.iter().flat_map(|trouble| trouble.whom.names.iter().cloned());
    let whom = words::some(&words::unique(parties()), 2, "peer");
    let whom_too = words::some(&words::unique(parties().map(words::somebody)), 2, "peer");
    let device = words::some(&words::unique(group.iter().map(|trouble| at(judge, trouble))), 3, "device");
    let depends = words::unique(group.iter().flat_map(|trouble| trouble.depends_on.iter().cloned()));
    let depends = words::some(&depends, 3, "condition");
    let sure = first.certain;
    let from = if first.partly { " from part of the source ports" } else { "" };
    match (first.code, first.flow.leg) {
        (code, _) if first.flow.either_way && code != "PH105" => {
            let between = format!("connection between {device} and {whom_too} gets through on {what}");
            match sure {
                true => format!("no {between}, whichever end listens"),
                false => format!("whether a {between} depends on {depends}, whichever end listens"),
            }
        }
        ("PH102", leg) => {
            let (uses, whom) = match leg {
                Leg::ToDevice => ("needs", format!(" for {whom}")),
                Leg::FromDevice => ("uses", format!(" towards {whom}")),
            };
            let fate = if sure { "is blocked".to_string() } else { "may be blocked".to_string() };
            let on = if sure { String::new() } else { format!(", depending on {depends}") };
            format!("part of a range that {device} {uses} {fate}{whom}{from}{on}: {}", parts(listed))
        }
        ("PH105", leg) => {
            let (passes, whose) = match leg {
                Leg::ToDevice => (format!("{device} can be reached by {whom_too} on {what}"), "its"),
                Leg::FromDevice => (format!("{device} can reach {whom_too} on {what}"), "their"),
            };
            let to = if first.partly { " to part of the source ports" } else { "" };
            match sure {
                true => format!("{passes}, but {whose} answers{to} are blocked"),
                false => format!("{passes}, but whether {whose} answers get through depends on {depends}"),
            }
        }
        ("PH106", _) => match sure {
            true => format!("{device} can be reached by {whom_too}, but cannot reach them on {what}"),
            false => {
                format!(
                    "{device} can be reached by {whom_too}, but whether it reaches them on {what} depends on {depends}"
                )
            }
        },
        ("PH107", leg) => {
            let reach = match leg {
                Leg::ToDevice => "cannot be reached by",
                Leg::FromDevice => "cannot reach",
            };
            let (right, wrong) = (first.transport.name(), slips::other(first.transport).name());
            format!(
                "{device} {reach} {whom} on {what}: the rule opens the ports for {wrong}, not for {right}"
            )
        }
        (_, Leg::ToDevice) if sure => format!("{device} cannot be reached by {whom} on {what}{from}"),
        (_, Leg::FromDevice) if sure => format!("{device} cannot reach {whom} on {what}{from}"),
        (_, Leg::ToDevice) => {
            format!("whether {device} can be reached by {whom} on {what} depends on {depends}")
        }
        (_, Leg::FromDevice) => format!("whether {device} can reach {whom} on {what} depends on {depends}"),
    }
}

/// The name of whoever is at the near end.
fn subject<'t>(judge: &'t Judge<'_>, flow: &'t Flow<'_>) -> &'t str {
    flow.host.as_ref().map_or(&judge.site.devices[flow.device].name, |host| &host.name)
}

/// The device's name, with the address that it is about where the device has several.
fn at(judge: &Judge<'_>, trouble: &Trouble<'_>) -> String {
    if let Some(host) = &trouble.flow.host {
        return host.name.clone();
    }
    let device = &judge.site.devices[trouble.flow.device];
    match trouble.near.addresses.single() {
        Some(number) if device.addresses.len() > 1 => {
            format!("{} at {}", device.name, trouble.near.family.address(number))
        }
        _ => device.name.clone(),
    }
}

/// How much of which ranges is in trouble: `301 of 601 ports of RTP/RTCP (udp 16684-16984)`.
fn parts(listed: &[Listed]) -> String {
    let part = |entry: &Listed| {
        let all = entry.asked.count();
        format!("{} of {all} ports of {} ({})", entry.ports.count(), entry.protocol, entry.numbers())
    };
    words::some(&words::unique(listed.iter().map(part)), 3, "range")
}

/// The other rules that block a share, and those that may let through what is in doubt.
fn related(judge: &Judge<'_>, group: &[Trouble<'_>], main: Option<Span>, behind: &[Span]) -> Vec<Label> {
    const SHOWN: usize = 3;
    let late = |span| Label {
        span,
        message: "this rule would let it through, but the other one decides".to_string(),
    };
    let mut labels: Vec<Label> = behind.iter().map(|span| late(*span)).collect();
    for trouble in group {
        for blame in trouble.blame.iter().skip(1) {
            let Some(firewall) = judge.firewall(blame.firewall) else { continue };
            let Some(span) = blame.by.span(&firewall.rules) else { continue };
            let shown = labels.len() >= SHOWN || labels.iter().any(|label| label.span == span);
            if Some(span) == main || span.start == span.end || shown {
                continue;
            }
            let message = match trouble.code {
                "PH107" => words::blocks(firewall, blame.by),
                _ => format!("blocks {} too", words::ports(&blame.values)),
            };
            labels.push(Label { span, message });
        }
        for blame in trouble.granters.iter() {
            let Some(firewall) = judge.firewall(blame.firewall) else { continue };
            let Some(span) = blame.by.span(&firewall.rules) else { continue };
            if labels.len() < SHOWN && Some(span) != main && labels.iter().all(|label| label.span != span) {
                labels.push(Label { span, message: "this may let it through".to_string() });
            }
        }
    }
    labels
}

/// Rules behind the one that decides, which would let the packets of the first troubles through.
fn behind(judge: &Judge<'_>, group: &[Trouble<'_>]) -> Vec<Span> {
    const LOOKED_AT: usize = 3;
    let mut spans: Vec<Span> = Vec::new();
    for trouble in group
        .iter()
        .take(LOOKED_AT)
        .filter(|trouble| trouble.certain && !trouble.reply && trouble.code != "PH107")
    {
        let span = trouble.blame.first().and_then(|blame| {
            let wanted = later::Wanted {
                family: trouble.near.family,
                protocol: number(trouble.transport),
                ports: &trouble.bad,
                near: &trouble.near.addresses,
                far: &trouble.whom.party,
                leg: trouble.flow.leg,
            };
            later::rule_behind(judge, &wanted, blame)
        });
        spans.extend(span.filter(|span| !spans.contains(span)));
    }
    spans
}

/// What people notice where a row works in one direction alone: towards the device.
fn outward_notice(row: &Requirement) -> &'static str {
    match row.service.as_str() {
        "q931" | "sip" => "The device can be called; calls that it places fail.",
        "h245" => "Calls in which the device has to open the H.245 connection fail.",
        "rtp" | "rtcp" => {
            "The device hears, and may not be heard: its media gets out only where it answers to the ports that it \
             hears from."
        }
        _ => "What the peer starts works; what the device starts does not.",
    }
}

/// What blocked media and call control do to calls, beyond what the row itself says.
fn media_notice(trouble: &Trouble<'_>) -> String {
    let (bad, all) = (trouble.bad.count(), trouble.asked.count());
    let row = trouble.flow.requirement;
    let mut notice = String::new();
    if trouble.code == "PH102" && matches!(row.service.as_str(), "rtp" | "h245") && all >= 2 {
        notice += &format!(
            " Which calls are hit depends on the ports that the device gives them: {bad} of {all} are blocked."
        );
    }
    if row.service == "rtp" && trouble.flow.leg == Leg::ToDevice && !trouble.reply {
        notice += " A far end that sends to where it hears from (symmetric RTP) may still be heard, once the device \
                   has sent first.";
    }
    notice
}

/// What to change, and lines that were tried.
fn help(judge: &Judge<'_>, workshop: Option<&Workshop<'_>>, group: &[Trouble<'_>], finding: &mut Finding) {
    let first = &group[0];
    if first.blame.is_empty() {
        return;
    }
    let settings = &judge.site.settings;
    let told = settings.select.as_ref().is_none_or(|codes| codes.contains(&first.code))
        && !settings.ignore.contains(&first.code);
    // Lines for more than that nobody reads one by one, nor are they tried in no time.
    let workshop = workshop.filter(|_| told && group.len() <= FEW_LEGS);
    let mut found = workshop.map_or(Outcome::Untried, |workshop| mend::seek(judge, workshop, group));
    finding.help = mend::words::help(judge, group, &mut found);
    if let Outcome::Works(remedy) = found {
        finding.mend = remedy.mends;
        finding.edits = remedy.edits;
    }
}

pub(super) fn host(family: Family, number: u128) -> Prefix {
    Prefix { address: family.address(number), length: family.bits() as u8 }
}

/// Where a party is, for a rule: one host, the networks of a zone, or anywhere.
pub(super) fn ends(judge: &Judge<'_>, party: &Party, family: Family) -> Vec<Option<Prefix>> {
    let [far] = party.places.as_slice() else { return vec![None] };
    let addresses = far.addresses(family);
    if addresses.count() <= FEW_HOSTS {
        let hosts = addresses.ranges().iter().flat_map(|(lo, hi)| *lo..=*hi);
        return hosts.map(|number| Some(host(family, number))).collect();
    }
    let networks = judge.site.zones[far.zone].networks.iter();
    let networks: Vec<_> =
        networks.filter(|net| Family::of(net.address).0 == family).map(|net| Some(*net)).collect();
    if networks.is_empty() { vec![None] } else { networks }
}

fn requirements(judge: &Judge<'_>, group: &[Trouble<'_>]) -> Vec<RequirementRef> {
    let mut rows: Vec<(RequirementRef, Set)> = Vec::new();
    let mut places = FxHashMap::default();
    for trouble in group {
        let device = &judge.site.devices[trouble.flow.device];
        let row = trouble.flow.requirement;
        let key = (
            trouble.flow.device,
            Some(row.table.as_str()),
            row.service.as_str(),
            row.row.as_deref(),
            trouble.transport,
        );
        let at = *places.entry(key).or_insert_with(|| {
            let entry = RequirementRef {
                device: device.name.clone(),
                product: device.product.clone(),
                table: row.table.clone(),
                row: row.row.clone(),
                service: row.service.clone(),
                transport: trouble.transport.name().to_string(),
                ports: words::intervals(&trouble.asked),
                blocked: Vec::new(),
            };
            rows.push((entry, Set::empty()));
            rows.len() - 1
        });
        if !rows[at].1.covers(&trouble.bad) {
            rows[at].1 = rows[at].1.or(&trouble.bad);
        }
    }
    let whole =
        |(entry, bad): (RequirementRef, Set)| RequirementRef { blocked: words::intervals(&bad), ..entry };
    rows.into_iter().map(whole).collect()
}
