//! PH101 to PH106: what the devices need, and a firewall refuses.

use super::judge::{Ask, Blame, Firewall, Judge, Judgement, Kind, Near, number};
use super::mend::{self, Wanted};
use super::words::{self, Listed};
use crate::catalog::{Need, Transport};
use crate::finding::{Finding, RequirementRef, Severity};
use crate::packet::{Set, proto};
use crate::site::{Flow, Leg, Party};
use crate::source::Span;

/// One leg of a row that does not get through.
struct Trouble<'a> {
    code: &'static str,
    severity: Severity,
    /// It holds whatever the unknowns are.
    certain: bool,
    flow: Flow<'a>,
    transport: Transport,
    near: Near,
    party: Party,
    asked: Set,
    bad: Set,
    /// Who blocks, the largest share first.
    blame: Vec<Blame>,
    depends_on: Vec<String>,
    /// It is the answers that are blocked.
    reply: bool,
}

/// Checks all devices of the site.
pub fn check(judge: &Judge<'_>) -> Vec<Finding> {
    let mut troubles = Vec::new();
    for device in 0..judge.site.devices.len() {
        for near in judge.nears(device) {
            for flow in judge.site.flows(judge.catalog, device) {
                for party in flow.parties.clone() {
                    look(judge, &flow, &near, &party, &mut troubles);
                }
            }
        }
    }
    group(troubles).into_iter().map(|group| word(judge, &group)).collect()
}

/// Looks at one leg of a row, for one address and one party.
fn look<'a>(judge: &Judge<'_>, flow: &Flow<'a>, near: &Near, party: &Party, troubles: &mut Vec<Trouble<'a>>) {
    let ask = |transport: Transport| Ask {
        device: flow.device,
        near,
        leg: flow.leg,
        protocol: number(transport),
        ports: &flow.ports,
        every_opener: false,
    };
    let mut judged: Vec<(Transport, Judgement)> = Vec::new();
    for transport in &flow.transports {
        let Some(judgement) = judge_leg(judge, flow, &ask(*transport), party) else { return };
        judged.push((*transport, judgement));
    }
    if flow.either_transport {
        // Nobody says which transport it is: only what neither gets through is blocked.
        if judged.iter().any(|(_, judgement)| !judgement.all_blocked()) {
            return;
        }
        judged.truncate(1);
    }
    for (transport, judgement) in judged {
        let trouble = |code, severity, certain, bad: &Set, blame: &[Blame], reply| Trouble {
            code,
            severity,
            certain,
            flow: flow.clone(),
            transport,
            near: near.clone(),
            party: party.clone(),
            asked: flow.ports.clone(),
            bad: bad.clone(),
            blame: blame.to_vec(),
            depends_on: if certain { Vec::new() } else { judgement.depends_on.clone() },
            reply,
        };
        let (blocked, unsure) = faults(flow, &judgement);
        if !blocked.is_empty() || !unsure.is_empty() {
            if one_direction(flow) && (flow.doubtful || !called(judge, flow, near, party, transport)) {
                continue;
            }
            let certain = !blocked.is_empty();
            let bad = if certain { &blocked } else { &unsure };
            let whole = blocked.or(&unsure).covers(&flow.ports) && bad.covers(&flow.ports) || flow.any_port;
            let (code, severity) = code(flow, whole, certain);
            let blame = if certain { &judgement.blockers } else { &judgement.doubters };
            troubles.push(trouble(code, severity, certain, bad, blame, false));
            continue;
        }
        if let Some(reply) = judge.reply(&ask(transport), party) {
            let (blocked, unsure) = faults(flow, &reply);
            let certain = !blocked.is_empty();
            let (bad, blame) = if certain { (&blocked, &reply.blockers) } else { (&unsure, &reply.doubters) };
            if !bad.is_empty() {
                let severity = if certain { weight(flow) } else { Severity::Warning };
                let mut trouble = trouble("PH105", severity, certain, bad, blame, true);
                trouble.depends_on = if certain { Vec::new() } else { reply.depends_on.clone() };
                troubles.push(trouble);
            }
        }
    }
}

/// The judgement of a leg, with what a helper opens counted in.
fn judge_leg(judge: &Judge<'_>, flow: &Flow<'_>, ask: &Ask<'_>, party: &Party) -> Option<Judgement> {
    let mut judgement = judge.judge(ask, party, Kind::First)?;
    let closed = judgement.blocked.or(&judgement.unsure);
    if closed.is_empty() {
        return Some(judgement);
    }
    if let Some((opened, every)) = judge.helped(flow, ask, party) {
        if every {
            judgement.open = judgement.open.or(&opened);
        } else {
            judgement.depends_on.push("whether the call is one that a helper watches".to_string());
        }
        judgement.blocked = judgement.blocked.minus(&opened);
        judgement.unsure = judgement.asked.minus(&judgement.open).minus(&judgement.blocked);
        if judgement.doubters.is_empty() {
            judgement.doubters = judgement.blockers.clone();
        }
    }
    Some(judgement)
}

/// The ports that are blocked, and those that may be; none where one port is enough and one gets through.
fn faults(flow: &Flow<'_>, judgement: &Judgement) -> (Set, Set) {
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

/// Whether the leg is the second one of a row that either end can open.
fn one_direction(flow: &Flow<'_>) -> bool {
    flow.leg == Leg::FromDevice && flow.requirement.initiator == crate::catalog::Initiator::Either
}

/// Whether the party gets through to the device on the same row: else the other leg has its own finding.
fn called(judge: &Judge<'_>, flow: &Flow<'_>, near: &Near, party: &Party, transport: Transport) -> bool {
    let site = judge.site;
    let Some(product) = judge.catalog.product(&site.devices[flow.device].product) else { return false };
    let ports = site.ports_of(flow.device, product, flow.requirement);
    let ask = Ask {
        device: flow.device,
        near,
        leg: Leg::ToDevice,
        protocol: number(transport),
        ports: &ports,
        every_opener: false,
    };
    let flow = Flow { leg: Leg::ToDevice, ports: ports.clone(), any_port: false, ..flow.clone() };
    judge_leg(judge, &flow, &ask, party)
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
fn group(troubles: Vec<Trouble<'_>>) -> Vec<Vec<Trouble<'_>>> {
    let mut groups: Vec<Vec<Trouble>> = Vec::new();
    for trouble in troubles {
        let same = |group: &Vec<Trouble>| {
            let first = &group[0];
            let by = |t: &Trouble| t.blame.first().map(|blame| (blame.firewall, blame.share.by));
            first.code == trouble.code
                && (first.certain, first.severity, first.flow.leg)
                    == (trouble.certain, trouble.severity, trouble.flow.leg)
                && by(first) == by(&trouble)
        };
        match groups.iter_mut().find(|group| same(group)) {
            Some(group) => group.push(trouble),
            None => groups.push(vec![trouble]),
        }
    }
    groups
}

/// Words a finding for troubles of one cause.
fn word(judge: &Judge<'_>, group: &[Trouble<'_>]) -> Finding {
    let first = &group[0];
    let blame = first.blame.first();
    let firewall = blame.and_then(|blame| judge.firewall(blame.firewall));
    let span = blame.zip(firewall).and_then(|(blame, firewall)| blame.share.by.span(&firewall.rules));
    let listed: Vec<Listed> = list(judge, group);
    let mut finding = Finding::new(first.code, first.severity, span, message(judge, group, &listed));
    finding.label = blame
        .zip(firewall)
        .map_or(String::new(), |(blame, firewall)| words::blocks(firewall, blame.share.by));
    finding.related = related(judge, group, span);
    finding.notice =
        words::sentences(group.iter().filter_map(|trouble| trouble.flow.requirement.notice.as_deref()));
    finding.notice += &range_notice(first);
    (finding.help, finding.mend) = help(first, group, blame.zip(firewall));
    finding.devices =
        words::unique(group.iter().map(|trouble| judge.site.devices[trouble.flow.device].name.clone()));
    finding.depends_on = words::unique(group.iter().flat_map(|trouble| trouble.depends_on.iter().cloned()));
    finding.requirements = requirements(judge, group);
    finding
}

/// The rows of a group with the ports that are in trouble, each once.
fn list(judge: &Judge<'_>, group: &[Trouble<'_>]) -> Vec<Listed> {
    let mut listed: Vec<Listed> = Vec::new();
    for trouble in group {
        let entry = Listed {
            device: judge.site.devices[trouble.flow.device].name.clone(),
            protocol: trouble.flow.requirement.protocol.clone(),
            transport: if trouble.flow.either_transport { "tcp or udp" } else { trouble.transport.name() },
            ports: trouble.bad.clone(),
        };
        if !listed.contains(&entry) {
            listed.push(entry);
        }
    }
    listed
}

fn message(judge: &Judge<'_>, group: &[Trouble<'_>], listed: &[Listed]) -> String {
    let first = &group[0];
    let what = words::listing(listed);
    let parties = words::unique(group.iter().map(|trouble| trouble.party.name.clone()));
    let whom = words::some(&parties, 2, "peers");
    let verb = if first.certain { "cannot" } else { "may not" };
    let devices = words::unique(listed.iter().map(|entry| entry.device.clone()));
    let device = words::some(&devices, 3, "devices");
    let sentence = match (first.code, first.flow.leg) {
        (_, _) if first.reply => format!("answers on {what} are {}blocked", may(first.certain)),
        ("PH106", _) => format!("{device} can be reached by {whom}, but {verb} open {what} towards them"),
        ("PH102", Leg::ToDevice) => {
            let share = words::share(&first.bad, &first.asked);
            format!(
                "{share} of {what} of {device} {} {}blocked",
                if listed.len() == 1 { "is" } else { "are" },
                may(first.certain)
            )
        }
        (_, Leg::ToDevice) => format!("{whom} {verb} reach {device} on {what}"),
        (_, Leg::FromDevice) => format!("{device} {verb} reach {whom} on {what}"),
    };
    let depends = words::unique(group.iter().flat_map(|trouble| trouble.depends_on.iter().cloned()));
    let _ = judge;
    if depends.is_empty() {
        sentence
    } else {
        format!("{sentence}, depending on {}", words::some(&depends, 3, "conditions"))
    }
}

fn may(certain: bool) -> &'static str {
    if certain { "" } else { "possibly " }
}

/// The other rules that block a share.
fn related(judge: &Judge<'_>, group: &[Trouble<'_>], main: Option<Span>) -> Vec<crate::finding::Label> {
    const SHOWN: usize = 3;
    let mut labels: Vec<crate::finding::Label> = Vec::new();
    for trouble in group {
        for blame in trouble.blame.iter().skip(1) {
            let Some(firewall) = judge.firewall(blame.firewall) else { continue };
            let Some(span) = blame.share.by.span(&firewall.rules) else { continue };
            if Some(span) == main || labels.len() >= SHOWN || labels.iter().any(|label| label.span == span) {
                continue;
            }
            let values = words::ports(&blame.share.values);
            labels.push(crate::finding::Label { span, message: format!("blocks {values} too") });
        }
    }
    labels
}

/// What a partly blocked range does to calls.
fn range_notice(trouble: &Trouble<'_>) -> String {
    let (bad, all) = (trouble.bad.count(), trouble.asked.count());
    if trouble.code != "PH102" || trouble.flow.requirement.service != "rtp" || all < 2 {
        return String::new();
    }
    format!(
        " Ports are taken from the range one after the other, so about {} of 100 streams fail, and a call that fails may \
         work at the next try.",
        (100 * bad / all).clamp(1, 99)
    )
}

fn help(
    first: &Trouble<'_>,
    group: &[Trouble<'_>],
    blame: Option<(&Blame, &Firewall)>,
) -> (String, Vec<String>) {
    let Some((blame, firewall)) = blame else { return (String::new(), Vec::new()) };
    if first.reply {
        let help = "Let packets of established connections pass in both directions, before the rule that blocks them.";
        return (help.to_string(), Vec::new());
    }
    let chain = words::chain(firewall, blame.share.by);
    let mut lines: Vec<String> = Vec::new();
    for trouble in group {
        let far = match trouble.party.places.as_slice() {
            [one] => one.addresses(trouble.near.family).single(),
            _ => None,
        };
        let near = trouble.near.addresses.single();
        let (src, dst) = if trouble.flow.leg == Leg::ToDevice { (far, near) } else { (near, far) };
        let wanted = Wanted {
            family: trouble.near.family,
            src,
            dst,
            protocol: if trouble.transport == Transport::Tcp { proto::TCP } else { proto::UDP },
            ports: if trouble.flow.any_port { &trouble.asked } else { &trouble.bad },
            chain: &chain,
        };
        for line in mend::rules(firewall.dialect, &wanted) {
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    let condition = first.flow.requirement.condition.as_deref().filter(|_| first.flow.doubtful);
    let condition = condition.map_or(String::new(), |condition| format!("Needed only where {condition}. "));
    (format!("{condition}{}", words::where_to_put(firewall, blame.share.by)), lines)
}

fn requirements(judge: &Judge<'_>, group: &[Trouble<'_>]) -> Vec<RequirementRef> {
    let mut rows: Vec<RequirementRef> = Vec::new();
    for trouble in group {
        let device = &judge.site.devices[trouble.flow.device];
        let row = trouble.flow.requirement;
        let mut entry = RequirementRef {
            device: device.name.clone(),
            product: device.product.clone(),
            table: row.table.clone(),
            row: row.row.clone(),
            service: row.service.clone(),
            transport: trouble.transport.name().to_string(),
            ports: words::intervals(&trouble.asked),
            blocked: words::intervals(&trouble.bad),
        };
        let key = |e: &RequirementRef| {
            (e.device.clone(), e.table.clone(), e.row.clone(), e.service.clone(), e.transport.clone())
        };
        match rows.iter_mut().find(|known| key(known) == key(&entry)) {
            Some(known) => {
                let set = |ranges: &[[u16; 2]]| {
                    Set::of(ranges.iter().map(|[lo, hi]| (u128::from(*lo), u128::from(*hi))))
                };
                known.blocked = words::intervals(&set(&known.blocked).or(&set(&entry.blocked)));
            }
            None => {
                entry.blocked.dedup();
                rows.push(entry);
            }
        }
    }
    rows
}
