//! The words for legs that do not get through.

use rustc_hash::FxHashMap;

use super::{FEW_LEGS, Fault, Trouble, left};
use crate::catalog::Requirement;
use crate::finding::{Finding, Label, LegRef, Opener, RequirementRef, RowSaid};
use crate::judge::{Judge, number};
use crate::lint::mend::{self, Aim, Lack, Outcome, Workshop};
use crate::lint::words::{self, Listed};
use crate::lint::{later, slips, witness};
use crate::packet::Set;
use crate::site::{Flow, Leg};
use crate::source::Span;

/// Words a finding for troubles of one cause.
pub(super) fn word(judge: &Judge<'_>, workshop: Option<&Workshop<'_>>, group: &[Trouble<'_>]) -> Finding {
    let first = &group[0];
    let blame = first.blame.first();
    let firewall = blame.and_then(|blame| judge.firewall(blame.firewall));
    let span = blame.zip(firewall).and_then(|(blame, firewall)| blame.by.span(&firewall.rules));
    let listed = listing(first.fault, &list(judge, group));
    let mut finding =
        Finding::of(first.fault.lint(), span, message(judge, group, &listed)).severity(first.severity);
    finding.listed = listed;
    finding.label = match blame.zip(firewall) {
        Some(_) if first.fault == Fault::WrongTransport => {
            format!("opens them for {}", slips::other(first.transport).name())
        }
        Some((blame, firewall)) => words::blocks(firewall, blame.by),
        None => String::new(),
    };
    let behind = behind(judge, group);
    finding.related = related(judge, group, span, &behind);
    let media = group.iter().find(|trouble| trouble.flow.requirement.service == "rtp");
    finding.notice = words::sentences(group.iter().map(row_notice)) + &media_notice(media.unwrap_or(first));
    help(judge, workshop, group, &mut finding);
    finding.devices =
        words::unique(group.iter().map(|trouble| judge.site.devices[trouble.flow.device].name.clone()));
    finding.depends_on = words::unique(group.iter().flat_map(|trouble| trouble.depends_on.iter().cloned()));
    finding.assumes = words::unique(group.iter().flat_map(|trouble| trouble.assumes.iter().cloned()));
    finding.requirements = requirements(judge, group);
    finding.leg = Some(leg(group));
    let shown = group.iter().find_map(|trouble| trouble.witness.as_ref().filter(|_| !trouble.reply()));
    witness::show(&mut finding, shown, blame.map(|blame| blame.firewall));
    finding
}

/// The connections of a group: whatever tells its members apart, they are opened by the same end.
fn leg(group: &[Trouble<'_>]) -> LegRef {
    let first = &group[0];
    let opened_by = match first.flow.leg {
        _ if first.flow.either_way => Opener::Either,
        Leg::ToDevice => Opener::Peer,
        Leg::FromDevice => Opener::Device,
    };
    let peers = words::unique(group.iter().flat_map(|trouble| trouble.whom.names.iter().cloned()));
    LegRef { opened_by, peers, some_source_ports: first.partly }
}

/// The rows of a group with the ports that are in trouble, each once.
fn list(judge: &Judge<'_>, group: &[Trouble<'_>]) -> Vec<Listed> {
    let mut listed: Vec<Listed> = Vec::new();
    let mut places: FxHashMap<(&str, &str, &Set), usize> = FxHashMap::default();
    for trouble in group {
        let protocol = trouble.flow.requirement.protocol.as_str();
        let entry = listed_as(judge, trouble);
        let transport = entry.transports[0];
        let at =
            *places.entry((subject(judge, &trouble.flow), protocol, &trouble.bad)).or_insert_with(|| {
                listed.push(entry);
                listed.len() - 1
            });
        if !listed[at].transports.contains(&transport) {
            listed[at].transports.push(transport);
        }
    }
    listed
}

/// One of these rows.
fn listed_as(judge: &Judge<'_>, trouble: &Trouble<'_>) -> Listed {
    let transport = if trouble.flow.either_transport { "tcp or udp" } else { trouble.transport.name() };
    Listed {
        device: subject(judge, &trouble.flow).to_string(),
        protocol: words::protocol(&trouble.flow.requirement.protocol),
        transports: vec![transport],
        ports: trouble.bad.clone(),
        asked: trouble.asked.clone(),
        any_port: trouble.flow.any_port,
    }
}

/// Rows as a message names them.
fn listing(fault: Fault, listed: &[Listed]) -> String {
    if fault == Fault::Part { parts(listed) } else { words::listing(listed) }
}

/// What the message of a group names.
struct Named<'n> {
    device: String,
    /// The peers in a sentence that says no, and in one that says yes.
    whom: String,
    whom_too: String,
    /// The rows.
    what: &'n str,
    depends: String,
    /// Said where part of the source ports is blocked alone.
    from: &'static str,
}

impl<'n> Named<'n> {
    fn of(judge: &Judge<'_>, group: &[Trouble<'_>], what: &'n str) -> Self {
        let parties = || group.iter().flat_map(|trouble| trouble.whom.names.iter().cloned());
        let depends = words::unique(group.iter().flat_map(|trouble| trouble.depends_on.iter().cloned()));
        Self {
            device: words::some(&words::unique(group.iter().map(|trouble| at(judge, trouble))), 3, "device"),
            whom: words::some(&words::unique(parties()), 2, "peer"),
            whom_too: words::some(&words::unique(parties().map(words::somebody)), 2, "peer"),
            what,
            depends: words::some(&depends, 3, "condition"),
            from: if group[0].partly { " from part of the source ports" } else { "" },
        }
    }
}

fn message(judge: &Judge<'_>, group: &[Trouble<'_>], listed: &str) -> String {
    let first = &group[0];
    let named = Named::of(judge, group, listed);
    let Named { device, whom, whom_too, what, depends, from } = &named;
    match (first.fault, first.flow.leg) {
        (fault, _) if first.flow.either_way && fault != Fault::Reply => whichever_listens(first, &named),
        (Fault::Part, _) => part_of_range(first, &named),
        (Fault::Reply, _) => unanswered(first, &named),
        (Fault::OneDirection, _) if first.certain => {
            format!("{device} can be reached by {whom_too}, but cannot reach them on {what}")
        }
        (Fault::OneDirection, _) => format!(
            "{device} can be reached by {whom_too}, but whether it reaches them on {what} depends on {depends}"
        ),
        (Fault::WrongTransport, leg) => {
            let reach = match leg {
                Leg::ToDevice => "cannot be reached by",
                Leg::FromDevice => "cannot reach",
            };
            let (right, wrong) = (first.transport.name(), slips::other(first.transport).name());
            format!(
                "{device} {reach} {whom} on {what}: the rule opens the ports for {wrong}, not for {right}"
            )
        }
        (_, Leg::ToDevice) if first.certain => {
            format!("{device} cannot be reached by {whom} on {what}{from}")
        }
        (_, Leg::FromDevice) if first.certain => format!("{device} cannot reach {whom} on {what}{from}"),
        (_, Leg::ToDevice) => {
            format!("whether {device} can be reached by {whom} on {what} depends on {depends}")
        }
        (_, Leg::FromDevice) => format!("whether {device} can reach {whom} on {what} depends on {depends}"),
    }
}

/// Of a connection that either end may open.
fn whichever_listens(first: &Trouble<'_>, named: &Named<'_>) -> String {
    let Named { device, whom_too, what, depends, .. } = named;
    let between = format!("connection between {device} and {whom_too} gets through on {what}");
    match first.certain {
        true if first.partly => format!(
            "connections between {device} and {whom_too} on {what} get through from part of the source ports \
             only, whichever end listens"
        ),
        true => format!("no {between}, whichever end listens"),
        false => format!("whether a {between} depends on {depends}, whichever end listens"),
    }
}

/// Of a range of which some ports get through.
fn part_of_range(first: &Trouble<'_>, named: &Named<'_>) -> String {
    let Named { device, whom, what, depends, from, .. } = named;
    let (uses, whom) = match first.flow.leg {
        Leg::ToDevice => ("needs", format!(" for {whom}")),
        Leg::FromDevice => ("uses", format!(" towards {whom}")),
    };
    let (fate, on) = match first.certain {
        true => ("is blocked", String::new()),
        false => ("may be blocked", format!(", depending on {depends}")),
    };
    format!("part of a range that {device} {uses} {fate}{whom}{from}{on}: {what}")
}

/// Of a connection whose answers do not come back.
fn unanswered(first: &Trouble<'_>, named: &Named<'_>) -> String {
    let Named { device, whom_too, what, depends, .. } = named;
    let (passes, whose) = match first.flow.leg {
        Leg::ToDevice => (format!("{device} can be reached by {whom_too} on {what}"), "its"),
        Leg::FromDevice => (format!("{device} can reach {whom_too} on {what}"), "their"),
    };
    let to = if first.partly { " to part of the source ports" } else { "" };
    match first.certain {
        true => format!("{passes}, but {whose} answers{to} are blocked"),
        false => format!("{passes}, but whether {whose} answers get through depends on {depends}"),
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
            let message = match trouble.fault {
                Fault::WrongTransport => words::blocks(firewall, blame.by),
                _ => format!("blocks {} too", words::ports(&blame.values)),
            };
            labels.push(Label { span, message });
        }
        for blame in trouble.may_open.iter() {
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
        .filter(|trouble| trouble.certain && !trouble.reply() && trouble.fault != Fault::WrongTransport)
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

/// What people notice where a row does not get through.
fn row_notice<'t>(trouble: &'t Trouble<'_>) -> &'t str {
    let row = trouble.flow.requirement;
    match trouble.fault {
        Fault::OneDirection => outward_notice(row),
        _ => row.notice.as_deref().unwrap_or_default(),
    }
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
    if trouble.fault == Fault::OneDirection {
        return String::new();
    }
    let (bad, all) = (trouble.bad.count(), trouble.asked.count());
    let row = trouble.flow.requirement;
    let mut notice = String::new();
    if trouble.fault == Fault::Part && matches!(row.service.as_str(), "rtp" | "h245") && all >= 2 {
        notice += &format!(
            " Which calls are hit depends on the ports that the device gives them: {bad} of {all} are blocked."
        );
    }
    if row.service == "rtp" && trouble.flow.leg == Leg::ToDevice && !trouble.reply() {
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
    let told = judge.site.settings.selection.has(first.fault.lint());
    let workshop = workshop.filter(|_| told && group.len() <= FEW_LEGS);
    let of = |judge: &Judge<'_>, all: &[Trouble<'_>]| -> Vec<Lack> {
        all.iter().map(|trouble| Lack::of(judge, trouble)).collect()
    };
    let again = |now: &Judge<'_>| of(now, &left(now, group));
    let lacks = of(judge, group);
    let aim = Aim { lacks: &lacks, again: &again, exact: true, fewest: false };
    let mut found = workshop.map_or(Outcome::Untried, |workshop| mend::seek(judge, workshop, aim));
    finding.help = mend::help::help(judge, group, &mut found);
    if let Outcome::Works(remedy) = found {
        finding.mend = remedy.mends;
        finding.edits = remedy.edits;
    }
}

fn requirements(judge: &Judge<'_>, group: &[Trouble<'_>]) -> Vec<RequirementRef> {
    let mut rows: Vec<(RequirementRef, Set, &Trouble<'_>)> = Vec::new();
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
                said: RowSaid::default(),
            };
            rows.push((entry, Set::empty(), trouble));
            rows.len() - 1
        });
        if !rows[at].1.covers(&trouble.bad) {
            rows[at].1 = rows[at].1.or(&trouble.bad);
        }
    }
    let whole = |(entry, bad, trouble): (RequirementRef, Set, &Trouble<'_>)| {
        let listed = Listed { ports: bad.clone(), ..listed_as(judge, trouble) };
        let said = RowSaid {
            name: listing(trouble.fault, &[listed]),
            notice: format!("{}{}", row_notice(trouble), media_notice(trouble)),
        };
        RequirementRef { blocked: words::intervals(&bad), said, ..entry }
    };
    rows.into_iter().map(whole).collect()
}
