//! What PH201 and PH202 say.

use super::{Lens, Opening};
use crate::catalog::{ByDesign, Listener, Requirement, Transport};
use crate::finding::{Finding, OpensRef};
use crate::judge::number;
use crate::lint::words;
use crate::model::Rule;
use crate::packet::{Set, proto};
use crate::rule::{PH201, PH202, Severity};

const ALL_PORTS: u128 = 65536;

impl Lens<'_, '_> {
    /// The ports that the catalog asks to be open towards a device.
    pub(super) fn required(&self, device: usize, protocol: u8) -> Set {
        self.ports_of(device, protocol, |_| true)
    }

    /// Those of them that are open to the world by design.
    pub(super) fn open_by_design(&self, device: usize, protocol: u8) -> Set {
        self.ports_of(device, protocol, |row| row.by_design == Some(ByDesign::World))
    }

    fn ports_of(&self, device: usize, protocol: u8, counts: impl Fn(&Requirement) -> bool) -> Set {
        let site = self.judge.site;
        let Some(product) = self.judge.catalog.product(&site.devices[device].product) else {
            return Set::empty();
        };
        let rows = product.requirements.iter().filter(|row| {
            let speaks = row.transports.is_empty()
                || row.transports.iter().any(|t: &Transport| number(*t) == protocol);
            let here = row.listener == Listener::Device && row.host.is_none();
            let current = row.is_in(site.devices[device].version.as_ref());
            speaks && here && current && !row.internal_only && counts(row)
        });
        rows.fold(Set::empty(), |set, row| set.or(&site.ports_of(device, product, row)))
    }

    pub(super) fn too_wide(&self, rule: &Rule, opening: &Opening, protocols: &[u8], wide: u128) -> Finding {
        let what = names(protocols);
        let count = opening.ports.count();
        let range = match count {
            ALL_PORTS => format!("every {what} port"),
            _ => format!("{what} {}", words::ports(&opening.ports)),
        };
        let to = &opening.whom;
        let needed = count - opening.excess.count();
        let used = match needed {
            0 => "none".to_string(),
            _ if opening.excess.is_empty() => "all".to_string(),
            _ => needed.to_string(),
        };
        if opening.excess.count() < wide {
            let message = format!("{range} is open to {to}, as wide as the product asks for");
            return Finding::of(&PH201, rule.span, message)
                .severity(Severity::Info)
                .label(format!("opens {count} ports, {used} of them needed"))
                .help(self.narrower_all(to, protocols));
        }
        let message = if self.judge.site.devices.is_empty() && !opening.outward {
            format!("{range} is open: {count} ports in one rule")
        } else if self.is_device(to) {
            format!("{range} is open to {to}: {count} ports, of which it needs {used}")
        } else {
            format!("{range} is open to {to}: {count} ports")
        };
        let severity = if opening.outward { Severity::Info } else { Severity::Warning };
        let mut finding = Finding::of(&PH201, rule.span, message).severity(severity);
        finding.opens = opens(protocols, &opening.excess);
        finding.devices.extend(Some(to.clone()).filter(|to| self.is_device(to)));
        finding
            .label(format!("opens {count} ports"))
            .notice(if opening.outward {
                "Calls work. So does everything else that devices behind the rule send out on these ports."
            } else {
                "Calls work. So does every other service on these ports that somebody offers behind the rule, now or later."
            })
            .help(self.narrower_all(to, protocols))
    }

    fn is_device(&self, name: &str) -> bool {
        self.judge.site.devices.iter().any(|device| device.name == name)
    }

    /// What to open instead, for each protocol.
    fn narrower_all(&self, whom: &str, protocols: &[u8]) -> String {
        let mut all: Vec<String> = protocols.iter().map(|protocol| self.narrower(whom, *protocol)).collect();
        all.dedup();
        all.join(" ")
    }

    /// What to open instead.
    fn narrower(&self, whom: &str, protocol: u8) -> String {
        let site = self.judge.site;
        let device = site.devices.iter().position(|device| device.name == whom);
        let product = device.and_then(|at| self.judge.catalog.product(&site.devices[at].product));
        let (Some(device), Some(product)) = (device, product) else {
            return "Open the ports that are needed, to the addresses that need them.".to_string();
        };
        let word = if protocol == proto::TCP { "tcp" } else { "udp" };
        let needed = self.required(device, protocol);
        if needed.is_empty() {
            return format!(
                "Take {word} out of the rule, or limit it to the devices that need it: {whom} does not."
            );
        }
        let mut help = format!("{whom} needs {word} {}.", words::all_ports(&needed));
        let wide = site.settings.wide_range.into();
        for row in &product.requirements {
            let ports = site.ports_of(device, product, row);
            let speaks = row.transports.iter().any(|t| number(*t) == protocol);
            let used = !row.internal_only && row.is_in(site.devices[device].version.as_ref());
            if ports.count() < wide || !speaks || row.listener != Listener::Device || !used {
                continue;
            }
            help += &format!(
                " {} is the range of {} ({}).",
                words::ports(&ports),
                row.protocol,
                words::document(product, row)
            );
            if row.configurable {
                help += " It can be made smaller in the device's own settings; say so in the site file with `ports`.";
            } else if let Some(condition) = &row.condition {
                help += &format!(" It is needed only where {condition}.");
            }
        }
        help
    }
}

/// Ports that are open and not needed, for each protocol.
fn opens(protocols: &[u8], excess: &Set) -> Vec<OpensRef> {
    let port = |number: u128| u16::try_from(number).unwrap_or(u16::MAX);
    let ports: Vec<[u16; 2]> = excess.ranges().iter().map(|(low, high)| [port(*low), port(*high)]).collect();
    let transport = |protocol: &u8| if *protocol == proto::TCP { "tcp" } else { "udp" };
    protocols.iter().map(|p| OpensRef { transport: transport(p), ports: ports.clone() }).collect()
}

/// Protocols in words.
fn names(protocols: &[u8]) -> &'static str {
    match (protocols.contains(&proto::TCP), protocols.contains(&proto::UDP)) {
        (true, true) => "tcp and udp",
        (true, false) => "tcp",
        _ => "udp",
    }
}

/// PH202 for a rule that opens all ports of these protocols.
pub(super) fn any_to_any(rule: &Rule, protocols: &[u8]) -> Finding {
    let message = format!("all ports of {} are open from any source to the inside", names(protocols));
    let mut finding = Finding::of(&PH202, rule.span, message);
    finding.opens = opens(protocols, &Set::of([(0, ALL_PORTS - 1)]));
    finding
        .label("lets everything through that no rule before it stops")
        .notice(
            "Calls work, and so does everything else: every service of every device behind the firewall can be reached.",
        )
        .help(
            "Replace it by rules that name the devices and the ports that they need; `pinhole catalog show PRODUCT` \
             lists them.",
        )
}

/// What is said of a rule that lets everything out.
pub(super) fn unrestricted(rule: &Rule, protocols: &[u8]) -> Finding {
    let message = format!("all ports of {} are open to the outside", names(protocols));
    Finding::of(&PH201, rule.span, message)
        .severity(Severity::Info)
        .label("lets everything out that no rule before it stops")
        .notice("Calls work. So does everything else that devices behind the rule send out.")
        .help("Where what leaves is meant to be filtered, permit the ports that are needed instead.")
}

/// What is said of rules that have more cases than are followed: nothing is said of them as certain.
pub(super) fn not_judged(first: &Rule, count: usize) -> Finding {
    let message = match count {
        1 => "how much this rule opens was not worked out: it has more cases than the analysis follows"
            .to_string(),
        _ => format!(
            "how much {count} rules open, this one first, was not worked out: they have more cases than the analysis follows"
        ),
    };
    Finding::of(&PH201, first.span, message)
        .severity(Severity::Info)
        .label("not judged")
        .help("Ask for one packet with `pinhole trace`, which follows any ruleset.")
}
