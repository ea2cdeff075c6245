//! PH204, PH205 and PH301: services of devices that can be reached and should not be.

use super::{cores, witness, words};
use crate::catalog::{Initiator, Listener, Need, Product, Requirement};
use crate::finding::{Finding, Label, RequirementRef, Severity};
use crate::judge::{Answer, Ask, Desk, Judge, Near, Share, Witness, number};
use crate::packet::{Family, Set, proto};
use crate::site::{Leg, Party};
use crate::source::Span;

/// The roles of people and systems that administer a device.
const ADMINISTRATORS: [&str; 7] = [
    "web-client",
    "ssh-client",
    "telnet-client",
    "ftp-client",
    "snmp-manager",
    "api-client",
    "conference-control",
];

/// A service, for people and for programs.
#[derive(Clone)]
struct Service {
    /// `Telnet (tcp 23)`.
    what: String,
    row: RequirementRef,
}

/// A service that can be reached.
struct Exposure {
    code: &'static str,
    certain: bool,
    device: usize,
    service: Service,
    /// The security mode that forbids it.
    mode: Option<String>,
    by: Share,
    /// Others that let some of it through.
    others: Vec<Share>,
    /// A packet that gets through, or may.
    witness: Option<Witness>,
    depends_on: Vec<String>,
}

/// Checks all devices of the site.
pub fn check(judge: &Judge<'_>) -> Vec<Finding> {
    let exposures = cores::for_each(judge, &cores::devices(judge), |desk, device| {
        let mut exposures = Vec::new();
        let site = desk.judge().site;
        let Some(product) = desk.judge().catalog.product(&site.devices[device].product) else {
            return exposures;
        };
        let anybody = site.everybody(device);
        for near in desk.judge().nears(device) {
            forbidden(desk, product, device, &near, &anybody, &mut exposures);
            internal(desk, product, device, &near, &anybody, &mut exposures);
            management(desk, product, device, &near, &mut exposures);
        }
        exposures
    });
    group(exposures.into_iter().flatten()).iter().map(|group| word(judge, group)).collect()
}

/// PH301: what the security mode turns off and the firewall lets in.
fn forbidden(
    desk: &mut Desk<'_, '_>,
    product: &Product,
    device: usize,
    near: &Near,
    anybody: &Party,
    out: &mut Vec<Exposure>,
) {
    let judge = desk.judge();
    let Some(mode) = judge.site.mode_of(device, product) else { return };
    for (service, title, protocol, port) in [
        ("telnet", "Telnet", proto::TCP, 23),
        ("ftp", "FTP", proto::TCP, 21),
        ("snmp", "SNMP", proto::UDP, 161),
        ("icmp", "ping", proto::ICMP, 8),
    ] {
        if mode.is_on(service) != Some(false) {
            continue;
        }
        let row = product
            .requirements
            .iter()
            .find(|row| row.service == service && row.listener == Listener::Device);
        let ports = row.map_or(Set::one(port), |row| judge.site.ports_of(device, product, row));
        let (protocol, ports) = match (protocol, near.family) {
            (proto::ICMP, Family::V6) => (proto::ICMPV6, Set::one(128)),
            (proto::ICMP, Family::V4) => (proto::ICMP, Set::one(8)),
            other => (other.0, ports),
        };
        let what = match protocol {
            proto::ICMP | proto::ICMPV6 => format!("{title} (ICMP echo request)"),
            _ => format!(
                "{title} ({} {})",
                if protocol == proto::TCP { "tcp" } else { "udp" },
                words::ports(&ports)
            ),
        };
        let ask = Ask { device: Some(device), near, leg: Leg::ToDevice, protocol, ports: &ports, from: None };
        let Some(judgement) = desk.let_through(&ask, anybody) else { continue };
        let transport = match protocol {
            proto::TCP => "tcp",
            proto::UDP => "udp",
            _ => "icmp",
        };
        let row = RequirementRef {
            device: judge.site.devices[device].name.clone(),
            product: product.name.clone(),
            table: mode.table.clone(),
            row: None,
            service: service.to_string(),
            transport: transport.to_string(),
            ports: if transport == "icmp" { Vec::new() } else { words::intervals(&ports) },
            blocked: Vec::new(),
        };
        let service = Service { what, row };
        out.extend(exposure("PH301", device, service, Some(mode.name.clone()), &judgement, |_| true));
    }
}

/// PH204: ports whose traffic never leaves a chassis.
fn internal(
    desk: &mut Desk<'_, '_>,
    product: &Product,
    device: usize,
    near: &Near,
    anybody: &Party,
    out: &mut Vec<Exposure>,
) {
    let rows = product.requirements.iter().filter(|row| row.internal_only && row.severity == Need::Internal);
    for row in rows {
        for (service, judgement) in reached(desk, product, device, near, row, anybody) {
            if !judgement.open.is_empty() {
                out.extend(exposure("PH204", device, service, None, &judgement, |_| true));
            }
        }
    }
}

/// PH205: administration that is open to any source.
fn management(
    desk: &mut Desk<'_, '_>,
    product: &Product,
    device: usize,
    near: &Near,
    out: &mut Vec<Exposure>,
) {
    let judge = desk.judge();
    let site = judge.site;
    let mut party = site.everybody(device);
    party.places.retain(|far| site.is_made_up() || site.is_everything_else(far.zone));
    let from: u128 =
        party.places.iter().map(|far| far.addresses(near.family).count()).fold(0, u128::saturating_add);
    let rows = product.requirements.iter().filter(|row| {
        let role = row.peer.as_deref().unwrap_or("");
        let off = site.mode_of(device, product).is_some_and(|mode| mode.is_on(&row.service) == Some(false));
        let managed = row.severity == Need::Recommended && ADMINISTRATORS.contains(&role);
        managed
            && !off
            && row.initiator == Initiator::Peer
            && row.listener == Listener::Device
            && row.by_design.is_none()
            && !wanted(judge, role)
    });
    for row in rows {
        for (service, judgement) in reached(desk, product, device, near, row, &party) {
            // Open to any source: to most of the addresses, whatever was blocked before.
            let any = |share: &Share| share.sources.count() > from / 2;
            out.extend(exposure("PH205", device, service, None, &judgement, any));
        }
    }
}

/// Whether the site says that the role is out there, so that the opening is meant.
fn wanted(judge: &Judge<'_>, role: &str) -> bool {
    judge.site.peers.iter().any(|peer| {
        let there = match &peer.place {
            crate::site::PeerPlace::Zone(zone) => judge.site.is_everything_else(*zone),
            crate::site::PeerPlace::Addresses(_) => false,
        };
        there && judge.catalog.implied_roles(&peer.role).contains(&role)
    })
}

/// What becomes of a row's ports from a party, for each transport.
fn reached(
    desk: &mut Desk<'_, '_>,
    product: &Product,
    device: usize,
    near: &Near,
    row: &Requirement,
    party: &Party,
) -> Vec<(Service, Answer)> {
    let judge = desk.judge();
    let ports = judge.site.ports_of(device, product, row);
    let mut one = |transport: &crate::catalog::Transport| {
        let ask = Ask {
            device: Some(device),
            near,
            leg: Leg::ToDevice,
            protocol: number(*transport),
            ports: &ports,
            from: None,
        };
        let what =
            format!("{} ({} {})", words::protocol(&row.protocol), transport.name(), words::ports(&ports));
        let row = RequirementRef {
            device: judge.site.devices[device].name.clone(),
            product: product.name.clone(),
            table: row.table.clone(),
            row: row.row.clone(),
            service: row.service.clone(),
            transport: transport.name().to_string(),
            ports: words::intervals(&ports),
            blocked: Vec::new(),
        };
        Some((Service { what, row }, desk.let_through(&ask, party)?))
    };
    row.transports.iter().filter_map(&mut one).collect()
}

/// An exposure by the rules that open; where none does for certain, by those that may.
fn exposure(
    code: &'static str,
    device: usize,
    service: Service,
    mode: Option<String>,
    judgement: &Answer,
    counts: impl Fn(&Share) -> bool,
) -> Option<Exposure> {
    const SHOWN: usize = 3;
    let make = |found: Vec<&Share>, certain: bool| {
        let (by, others) = found.split_first()?;
        Some(Exposure {
            code,
            certain,
            device,
            service: service.clone(),
            mode: mode.clone(),
            by: (*by).clone(),
            others: others.iter().take(SHOWN).map(|by| (*by).clone()).collect(),
            witness: if certain { judgement.passes.clone() } else { judgement.witness.clone() },
            depends_on: if certain { Vec::new() } else { judgement.depends_on.clone() },
        })
    };
    let openers: Vec<&Share> = judgement.openers.iter().filter(|blame| counts(blame)).collect();
    if !openers.is_empty() || judgement.unsure.is_empty() || code != "PH301" {
        return make(openers, true);
    }
    make(judgement.granters.iter().collect(), false)
}

fn group(exposures: impl Iterator<Item = Exposure>) -> Vec<Vec<Exposure>> {
    let mut groups: Vec<Vec<Exposure>> = Vec::new();
    for exposure in exposures {
        let same = |group: &Vec<Exposure>| {
            let first = &group[0];
            (first.code, first.certain, first.by.firewall, first.by.by)
                == (exposure.code, exposure.certain, exposure.by.firewall, exposure.by.by)
        };
        match groups.iter_mut().find(|group| same(group)) {
            Some(group) => group.push(exposure),
            None => groups.push(vec![exposure]),
        }
    }
    groups
}

fn word(judge: &Judge<'_>, group: &[Exposure]) -> Finding {
    let first = &group[0];
    let whats = words::unique(group.iter().map(|exposure| exposure.service.what.clone()));
    let devices =
        words::unique(group.iter().map(|exposure| judge.site.devices[exposure.device].name.clone()));
    let (what, device) = (words::some(&whats, 4, "service"), words::some(&devices, 3, "device"));
    let is = if whats.len() == 1 { "is" } else { "are" };
    let depends_on = words::unique(group.iter().flat_map(|exposure| exposure.depends_on.iter().cloned()));
    let modes = words::unique(group.iter().filter_map(|exposure| exposure.mode.clone()));
    let (message, severity, notice, help) = match first.code {
        "PH301" => (
            format!(
                "{what} of {device} {} open, which security mode {} forbids",
                if first.certain { is } else { "may be" },
                words::some(&modes, 3, "mode")
            ),
            if first.certain { Severity::Error } else { Severity::Warning },
            "Calls do not need it. The device turns the service off in this mode, so that nobody is served by the \
             opening; if the mode is ever lowered, the service can be reached from that minute on.",
            "Take the service out of the rule. If it is needed, run the device in a mode that offers it, and say so in \
             the site file.",
        ),
        "PH204" => (
            format!("{what} of {device} {is} open, though the traffic never leaves the device"),
            Severity::Warning,
            "Calls do not need it. Whoever gets through can reach a control link between parts of the device.",
            "Take the port out of the rule: the port guide says that it can be blocked.",
        ),
        _ => (
            format!("{what} of {device} {is} open to any source"),
            Severity::Warning,
            "Calls do not need it. Anybody can try to administer the device.",
            "Limit the rule to the addresses of those who administer the device, or name them in the site file as a \
             `[[peer]]` with their zone if this is meant.",
        ),
    };
    let firewall = judge.firewall(first.by.firewall);
    let span = firewall.and_then(|firewall| first.by.by.span(&firewall.rules));
    let message = match depends_on.as_slice() {
        [] => message,
        conds => format!("{message}, depending on {}", words::some(conds, 3, "condition")),
    };
    let mut finding = Finding::new(first.code, severity, span, message).notice(notice).help(help);
    finding.label = match first.certain {
        true => words::opens(first.by.by).to_string(),
        false => "this may let it through".to_string(),
    };
    for other in group.iter().flat_map(|exposure| &exposure.others) {
        let there = judge.firewall(other.firewall).and_then(|at| other.by.span(&at.rules));
        let known = |span: &Span| {
            finding.span == Some(*span) || finding.related.iter().any(|label| label.span == *span)
        };
        if let Some(there) = there.filter(|there| !known(there)) {
            let message =
                if first.certain { "lets some of it through too" } else { "may let it through too" };
            finding.related.push(Label { span: there, message: message.to_string() });
        }
    }
    for exposure in group {
        if !finding.requirements.contains(&exposure.service.row) {
            finding.requirements.push(exposure.service.row.clone());
        }
    }
    finding.devices = devices;
    finding.depends_on = depends_on;
    let shown = group.iter().find_map(|exposure| exposure.witness.as_ref());
    witness::show(&mut finding, shown, Some(first.by.firewall));
    finding
}
