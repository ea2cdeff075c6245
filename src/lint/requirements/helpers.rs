//! PH503 to PH505 and PH508: a firewall has the helper for calls, and what they announce is blocked all the same.

use super::{Fault, Trouble, ask};
use crate::catalog::Helper;
use crate::finding::{Finding, LegRef, Opener};
use crate::judge::{Desk, Judge, Kind, Sight, Want};
use crate::lint::words;
use crate::packet::Set;
use crate::rule::{Lint, PH503, PH504, PH505, PH508};
use crate::site::Leg;
use crate::source::Span;

/// Why a helper opens nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    /// It reads the signalling, and what it announces is refused as `related`.
    Refused,
    /// It does not get the signalling of the device.
    Missed,
    /// The signalling is encrypted.
    Encrypted,
    /// The device announces an address from which its signalling does not come.
    Elsewhere,
}

impl Why {
    fn lint(self) -> &'static Lint {
        match self {
            Why::Refused => &PH503,
            Why::Missed => &PH504,
            Why::Encrypted => &PH505,
            Why::Elsewhere => &PH508,
        }
    }
}

/// One helper of one firewall that opens nothing, for one reason.
struct Idle<'t, 'a> {
    why: Why,
    firewall: usize,
    helper: Helper,
    /// The signalling of each device that is concerned.
    signalling: Vec<String>,
    devices: Vec<String>,
    peers: Vec<String>,
    trouble: &'t Trouble<'a>,
}

/// Looks for the reason at all announced rows that are blocked for certain.
pub(super) fn check(judge: &Judge<'_>, troubles: &[Trouble<'_>]) -> Vec<Finding> {
    let selection = &judge.site.settings.selection;
    if !selection.has_any(&[&PH503, &PH504, &PH505, &PH508]) {
        return Vec::new();
    }
    let announced = troubles.iter().filter(|trouble| {
        trouble.certain
            && matches!(trouble.fault, Fault::Mandatory | Fault::Part)
            && trouble.flow.leg == Leg::ToDevice
            && !trouble.flow.either_way
            && trouble.flow.host.is_none()
            && !trouble.flow.requirement.announced_by.is_empty()
            && trouble.whom.party.places.len() == 1
    });
    let mut desk = Desk::new(judge);
    let mut idle: Vec<Idle<'_, '_>> = Vec::new();
    for trouble in announced {
        let Some(firewall) = trouble.blame.first().map(|share| share.firewall) else { continue };
        if judge.firewall(firewall).is_none_or(|firewall| firewall.rules.helpers.is_empty()) {
            continue;
        }
        for (why, sight) in reasons(&mut desk, trouble, firewall) {
            add(judge, &mut idle, (why, &sight), trouble);
        }
    }
    idle.iter().map(|idle| word(judge, idle)).collect()
}

/// Why the helpers of a firewall do not open an announced row, for each that the firewall has.
fn reasons<'a>(desk: &mut Desk<'_, 'a>, trouble: &Trouble<'a>, firewall: usize) -> Vec<(Why, Sight<'a>)> {
    let judge = desk.judge();
    let device = &judge.site.devices[trouble.flow.device];
    let (Some(product), Some(rules)) =
        (judge.catalog.product(&device.product), judge.firewall(firewall).map(|firewall| &firewall.rules))
    else {
        return Vec::new();
    };
    let asked = ask::ask(&trouble.flow, &trouble.near, trouble.transport);
    let party = &trouble.whom.party;
    let sights = desk.sights(product, &trouble.flow, &asked, party);
    let crossings = sights.iter().filter(|sight| sight.all).fold(0, |all, sight| all | sight.crossing);
    let here: Vec<Sight<'_>> = sights
        .into_iter()
        .filter(|sight| {
            sight.firewall == firewall && rules.helpers.iter().any(|name| name == sight.helper.name())
        })
        .collect();
    let seen: Vec<&Sight<'_>> = here.iter().filter(|sight| sight.some).collect();
    if seen.is_empty() {
        if device.encrypted {
            return Vec::new();
        }
        let first =
            |(at, sight): &(usize, &Sight<'_>)| here[..*at].iter().all(|known| known.helper != sight.helper);
        let missed = here.iter().enumerate().filter(first);
        return missed.map(|(_, sight)| (Why::Missed, *sight)).collect();
    }
    let why = if device.encrypted {
        Why::Encrypted
    } else if desk.announces_elsewhere(&asked, party) {
        Why::Elsewhere
    } else if here.iter().all(|sight| sight.all) {
        // What is refused as related, at this firewall and no other.
        let announced = Kind::Announced(crossings);
        let refused = desk.judge_leg(&asked, party, announced, Want::Faults);
        if refused.and_then(|answer| Some(answer.blockers.first()?.firewall)) != Some(firewall) {
            return Vec::new();
        }
        Why::Refused
    } else {
        // Who is not watched is not helped, whatever becomes of what is related.
        return Vec::new();
    };
    seen.first().map(|sight| (why, **sight)).into_iter().collect()
}

fn add<'t, 'a>(
    judge: &Judge<'_>,
    idle: &mut Vec<Idle<'t, 'a>>,
    (why, sight): (Why, &Sight<'_>),
    trouble: &'t Trouble<'a>,
) {
    let Sight { firewall, helper, row, .. } = *sight;
    let at =
        idle.iter().position(|known| (known.why, known.firewall, known.helper) == (why, firewall, helper));
    let at = at.unwrap_or_else(|| {
        let (signalling, devices, peers) = Default::default();
        idle.push(Idle { why, firewall, helper, signalling, devices, peers, trouble });
        idle.len() - 1
    });
    let device = trouble.flow.device;
    let name = &judge.site.devices[device].name;
    let product = judge.catalog.product(&judge.site.devices[device].product);
    let ports = product.map_or_else(Set::empty, |product| judge.site.ports_of(device, product, row));
    let said = words::service(row, sight.transport, &ports);
    let known = &mut idle[at];
    let once = |list: &mut Vec<String>, item: &String| {
        if !list.contains(item) {
            list.push(item.clone());
        }
    };
    once(&mut known.signalling, &said);
    once(&mut known.devices, name);
    trouble.whom.names.iter().for_each(|peer| once(&mut known.peers, peer));
}

fn word(judge: &Judge<'_>, idle: &Idle<'_, '_>) -> Finding {
    let (helper, signalling) = (idle.helper.name(), words::some(&idle.signalling, 2, "service"));
    let device = words::some(&idle.devices, 3, "device");
    let firewall = judge.firewall(idle.firewall);
    let assigned = firewall.and_then(|firewall| words::assigning(firewall, helper));
    let refusing = idle.trouble.blame.first().zip(firewall);
    let refusing: Option<(Span, String)> = refusing.and_then(|(share, firewall)| {
        Some((share.by.span(&firewall.rules)?, words::blocks(firewall, share.by)))
    });
    let (message, label, help) = match idle.why {
        Why::Refused => (
            format!(
                "helper `{helper}` reads {signalling} of {device}, and what it announces is not accepted as related"
            ),
            "reads the calls",
            "Accept related packets before the rule or policy that refuses them, in both directions.",
        ),
        Why::Missed => (
            format!("helper `{helper}` is in use, and {signalling} of {device} does not get it"),
            "assigns the helper to other packets",
            "Assign the helper to the first packets of these connections, whichever end opens them: to their port, on the \
             interfaces that they come in by.",
        ),
        Why::Encrypted => (
            format!("helper `{helper}` gets {signalling} of {device}, which is encrypted"),
            "cannot read what it gets",
            "Open the ports of the device, since no helper can: `pinhole catalog show` lists them.",
        ),
        Why::Elsewhere => (
            format!(
                "helper `{helper}` reads {signalling} of {device}, which announces another address than it sends from"
            ),
            "opens ports at the sender's address alone",
            "Let the device announce its own address, so that the helper translates it; or open its ports and take the \
             helper out.",
        ),
    };
    let mut finding = Finding::of(idle.why.lint(), assigned, message)
        .label(label)
        .notice(
            "Calls are set up, and what they announce is blocked: they end at once, or are silent and dark.",
        )
        .help(help);
    if let Some((span, what)) = refusing.filter(|(span, _)| span.start < span.end && Some(*span) != assigned)
    {
        finding = finding.related(span, what);
    }
    if finding.span.is_none() {
        finding.span = judge.site.devices[idle.trouble.flow.device].span;
    }
    finding.devices.clone_from(&idle.devices);
    finding.leg =
        Some(LegRef { opened_by: Opener::Peer, peers: idle.peers.clone(), some_source_ports: false });
    finding
}
