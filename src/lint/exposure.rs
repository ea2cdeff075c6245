//! PH204, PH205, PH206 and PH301: services of devices that can be reached and should not be.

use super::mend::{Workshop, close};
use super::{closable, closed, cores, exposed, words};
use crate::catalog::{Initiator, Listener, Need, Product, Requirement, SecurityMode, Transport};
use crate::finding::{Finding, RequirementRef, RowSaid};
use crate::judge::{Answer, Ask, Desk, Judge, Near, Share, Witness, number};
use crate::packet::{Family, Set, proto};
use crate::rule::{Lint, PH204, PH205, PH206, PH301};
use crate::site::{Leg, Party};

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

/// What is wrong with an opening.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// The security mode turns the service off.
    Forbidden,
    /// The traffic never leaves the box.
    Box,
    /// It is for the other parts of the installation alone.
    Cluster,
    /// Likewise, and nobody is asked for a login.
    NoLogin,
    /// Anybody can try to administer the device.
    Administration,
    /// The product no longer uses the ports, on which it was reached.
    Stale,
    /// The product no longer uses the ports, on which it reached others.
    StaleOutward,
}

impl Fault {
    /// The rule that it breaks.
    pub(super) fn lint(self) -> &'static Lint {
        match self {
            Fault::Forbidden => &PH301,
            Fault::Box | Fault::Cluster | Fault::NoLogin => &PH204,
            Fault::Administration => &PH205,
            Fault::Stale | Fault::StaleOutward => &PH206,
        }
    }

    /// Whether it is said too where it is not certain.
    fn counts_where_it_depends(self) -> bool {
        matches!(self, Fault::Forbidden | Fault::NoLogin)
    }
}

/// A service, for people and for programs.
#[derive(Clone)]
pub(super) struct Service {
    /// `Telnet (tcp 23)`.
    pub what: String,
    /// Its row.
    pub row: RequirementRef,
    /// The security mode that forbids it, or the version that has it no longer.
    pub mark: Option<String>,
    /// Where the row stands.
    pub document: String,
    /// For whom the ports are, in words.
    pub meant_for: Option<String>,
    /// Their role.
    pub peer: Option<String>,
}

/// A service that can be reached.
pub(super) struct Exposure {
    /// What is wrong with that.
    pub fault: Fault,
    /// It holds whatever the unknowns are.
    pub certain: bool,
    /// Index into the site's devices.
    pub device: usize,
    /// Its address.
    pub near: Near,
    /// The service.
    pub service: Service,
    /// Who lets it through.
    pub by: Share,
    /// Others that let some of it through.
    pub others: Vec<Share>,
    /// A packet that gets through, or may.
    pub witness: Option<Witness>,
    /// What it depends on.
    pub depends_on: Vec<String>,
}

/// What is found here.
pub(super) const LINTS: &[&Lint] = &[&PH204, &PH205, &PH206, &PH301];

/// Checks all devices of the site.
pub(super) fn check(judge: &Judge<'_>, workshop: Option<&Workshop<'_>>) -> Vec<Finding> {
    let found = groups(judge, &cores::devices(judge));
    let word = |group: &Vec<Exposure>| {
        let mut finding = exposed::word(judge, group);
        if let (Some(workshop), Some(excess)) = (workshop, closable::excess(judge, group)) {
            let message = finding.message.clone();
            let mut devices: Vec<usize> = group.iter().map(|exposure| exposure.device).collect();
            devices.dedup();
            let again = |judge: &Judge<'_>| {
                groups(judge, &devices).iter().any(|group| exposed::word(judge, group).message == message)
            };
            close::offer(judge, workshop, &excess, &mut finding, again);
        }
        finding
    };
    found.iter().map(word).collect()
}

/// What is open of some devices and should not be, by the rules that open it.
fn groups(judge: &Judge<'_>, devices: &[usize]) -> Vec<Vec<Exposure>> {
    let exposures = cores::for_each(judge, devices, |desk, device| {
        let mut exposures = Vec::new();
        let site = desk.judge().site;
        let Some(product) = desk.judge().catalog.product(&site.devices[device].product) else {
            return exposures;
        };
        let anybody = site.everybody(device);
        let selection = &site.settings.selection;
        for near in desk.judge().nears(device) {
            if selection.has(&PH301) {
                forbidden(desk, product, device, &near, &anybody, &mut exposures);
            }
            if selection.has(&PH205) {
                management(desk, product, device, &near, &mut exposures);
            }
            if selection.has_any(&[&PH204, &PH206]) {
                closed::check(desk, product, device, &near, &mut exposures);
            }
        }
        exposures
    });
    group(exposures.into_iter().flatten())
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
    for Off { service, protocol, ports } in turned_off(desk.judge(), product, device, near) {
        let ask = Ask { device: Some(device), near, leg: Leg::ToDevice, protocol, ports: &ports, from: None };
        let Some(answer) = desk.let_through(&ask, anybody) else { continue };
        out.extend(exposure(Fault::Forbidden, (device, near), service, &answer, |_| true));
    }
}

/// A service that the device's security mode turns off.
pub(super) struct Off {
    pub service: Service,
    /// The protocol number.
    pub protocol: u8,
    /// Its ports, or types of ICMP.
    pub ports: Set,
}

/// What the security mode of a device turns off at one of its addresses.
pub(super) fn turned_off(judge: &Judge<'_>, product: &Product, device: usize, near: &Near) -> Vec<Off> {
    let Some(mode) = judge.site.mode_of(device, product) else { return Vec::new() };
    let mut off = switched(judge, product, mode, (device, near));
    off.extend(rows_off(judge, product, mode, (device, near)));
    off
}

/// Of the services that modes of the port guide have a switch for.
fn switched(
    judge: &Judge<'_>,
    product: &Product,
    mode: &SecurityMode,
    (device, near): (usize, &Near),
) -> Vec<Off> {
    let mut found = Vec::new();
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
            said: RowSaid::default(),
        };
        let mark = Some(mode.name.clone());
        let service = Service { what, row, mark, document: String::new(), meant_for: None, peer: None };
        found.push(Off { service, protocol, ports });
    }
    found
}

/// Of rows of services that no mode of the port guide has a switch for.
fn rows_off(
    judge: &Judge<'_>,
    product: &Product,
    mode: &SecurityMode,
    (device, near): (usize, &Near),
) -> Vec<Off> {
    let version = judge.site.devices[device].version.as_ref();
    let off = |row: &Requirement| mode.is_on(&row.service) == Some(false);
    let others = product.requirements.iter().filter(|row| {
        let asked =
            SecurityMode::SWITCHED.contains(&row.service.as_str()) || row.internal_only || row.host.is_some();
        !asked && off(row) && row.listener == Listener::Device && row.is_in(version)
    });
    let mut found = Vec::new();
    for row in others {
        let all = judge.site.ports_of(device, product, row);
        for transport in &row.transports {
            // What another service has on the same port is still there.
            let still = closed::used(judge, (device, near), Leg::ToDevice, *transport, |other| !off(other));
            let ports = all.minus(&still);
            if ports.is_empty() {
                continue;
            }
            let mut service =
                service(&judge.site.devices[device].name, product, row, *transport, (&all, &ports));
            service.mark = Some(mode.name.clone());
            found.push(Off { service, protocol: number(*transport), ports });
        }
    }
    found
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
            && row.confined.is_none()
            && row.is_in(site.devices[device].version.as_ref())
            && row.initiator == Initiator::Peer
            && row.listener == Listener::Device
            && row.by_design.is_none()
            && !wanted(judge, role)
    });
    for row in rows {
        for (service, judgement) in reached(desk, product, device, near, row, &party) {
            // Open to any source: to most of the addresses, whatever was blocked before.
            let any = |share: &Share| share.sources.count() > from / 2;
            out.extend(exposure(Fault::Administration, (device, near), service, &judgement, any));
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
    let site = desk.judge().site;
    let ports = site.ports_of(device, product, row);
    let mut one = |transport: &Transport| {
        let protocol = number(*transport);
        // What is open to everybody by design is no opening of this row.
        let by_design = |other: &Requirement| other.by_design.is_some();
        let open = closed::used(desk.judge(), (device, near), Leg::ToDevice, *transport, by_design);
        let ports = ports.minus(&open);
        let ask = Ask { device: Some(device), near, leg: Leg::ToDevice, protocol, ports: &ports, from: None };
        let answer = desk.let_through(&ask, party).filter(|_| !ports.is_empty())?;
        Some((service(&site.devices[device].name, product, row, *transport, (&ports, &ports)), answer))
    };
    row.transports.iter().filter_map(&mut one).collect()
}

/// A row over one transport, with all of its ports and those that it is about.
pub(super) fn service(
    device: &str,
    product: &Product,
    row: &Requirement,
    transport: Transport,
    (all, shown): (&Set, &Set),
) -> Service {
    Service {
        what: format!("{} ({} {})", words::protocol(&row.protocol), transport.name(), words::ports(shown)),
        row: RequirementRef {
            device: device.to_string(),
            product: product.name.clone(),
            table: row.table.clone(),
            row: row.row.clone(),
            service: row.service.clone(),
            transport: transport.name().to_string(),
            ports: words::intervals(all),
            blocked: Vec::new(),
            said: RowSaid::default(),
        },
        mark: None,
        document: words::document(product, row),
        meant_for: None,
        peer: row.peer.clone(),
    }
}

/// An exposure by the rules that open; where none does for certain, by those that may.
pub(super) fn exposure(
    fault: Fault,
    (device, near): (usize, &Near),
    service: Service,
    judgement: &Answer,
    counts: impl Fn(&Share) -> bool,
) -> Option<Exposure> {
    const SHOWN: usize = 3;
    let make = |found: Vec<&Share>, certain: bool| {
        let (by, others) = found.split_first()?;
        Some(Exposure {
            fault,
            certain,
            device,
            near: near.clone(),
            service: service.clone(),
            by: (*by).clone(),
            others: others.iter().take(SHOWN).map(|by| (*by).clone()).collect(),
            witness: if certain { judgement.passes.clone() } else { judgement.witness.clone() },
            depends_on: if certain { Vec::new() } else { judgement.depends_on.clone() },
        })
    };
    let openers: Vec<&Share> = judgement.openers.iter().filter(|blame| counts(blame)).collect();
    if !openers.is_empty() || judgement.depends.is_empty() || !fault.counts_where_it_depends() {
        return make(openers, true);
    }
    make(judgement.may_open.iter().collect(), false)
}

fn group(exposures: impl Iterator<Item = Exposure>) -> Vec<Vec<Exposure>> {
    let mut groups: Vec<Vec<Exposure>> = Vec::new();
    for exposure in exposures {
        let same = |group: &Vec<Exposure>| {
            let first = &group[0];
            let stale = matches!(exposure.fault, Fault::Stale | Fault::StaleOutward);
            (first.fault, first.certain, first.by.firewall, first.by.by)
                == (exposure.fault, exposure.certain, exposure.by.firewall, exposure.by.by)
                && (!stale || first.service.mark == exposure.service.mark)
        };
        match groups.iter_mut().find(|group| same(group)) {
            Some(group) => group.push(exposure),
            None => groups.push(vec![exposure]),
        }
    }
    groups
}
