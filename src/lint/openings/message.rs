//! What PH201 and PH202 say.

use super::sides::Sides;
use super::{Lens, NEARLY_ALL, Opening};
use crate::catalog::{ByDesign, Listener, Requirement, Transport};
use crate::finding::{Finding, OpensRef};
use crate::judge::number;
use crate::lint::words;
use crate::model::{Rule, Way};
use crate::packet::{Family, Set, proto};
use crate::rule::{PH201, PH202, Severity};
use crate::site::unicast;
use crate::source::Span;

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
            let current =
                row.is_in(site.devices[device].version.as_ref()) && !site.is_off(device, product, row);
            speaks && here && current && !row.internal_only && counts(row)
        });
        rows.fold(Set::empty(), |set, row| set.or(&site.ports_of(device, product, row)))
    }

    pub(super) fn too_wide(&self, rule: &Rule, opening: &Opening, protocols: &[u8], wide: u128) -> Finding {
        let what = names(protocols);
        let count = opening.ports.count();
        let range = match count {
            ALL_PORTS => format!("every {what} port"),
            _ if count >= NEARLY_ALL => format!("nearly every {what} port"),
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
            let message = match opening.excess.is_empty() {
                true => format!("{range} is open to {to}, as wide as the product asks for"),
                false => format!("{range} is open to {to}: {count} ports, of which it needs {used}"),
            };
            return Finding::of(&PH201, rule.span(), message)
                .severity(Severity::Info)
                .label(format!("opens {count} ports, {used} of them needed"))
                .help(self.narrower_all(to, protocols));
        }
        let nowhere = self.judge.site.devices.is_empty() && !opening.outward;
        let message = if let Some(network) = whom(&[opening]).filter(|_| nowhere) {
            format!("{range} is open to {network}: {count} ports in one rule")
        } else if nowhere {
            format!("{range} is open: {count} ports in one rule")
        } else if self.is_device(to) {
            format!("{range} is open to {to}: {count} ports, of which it needs {used}")
        } else {
            format!("{range} is open to {to}: {count} ports")
        };
        // From one side of the firewall to everywhere: most often from the inside to the world.
        let outward = opening.outward
            || opening.sides.come.is_some() && opening.way == Way::Forward && opening.anywhere;
        let severity = if outward { Severity::Info } else { Severity::Warning };
        let mut finding = Finding::of(&PH201, rule.span(), message).severity(severity);
        finding.opens = opens(protocols, &opening.excess);
        finding.devices.extend(Some(to.clone()).filter(|to| self.is_device(to)));
        finding
            .label(format!("opens {count} ports"))
            .notice(if outward {
                "Calls work. So does everything else that devices behind the rule send out on these ports."
            } else {
                "Calls work. So does every other service on these ports that somebody offers behind the rule, now or later."
            })
            .help(self.narrower_all(to, protocols))
    }

    pub(super) fn is_device(&self, name: &str) -> bool {
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
            let current =
                row.is_in(site.devices[device].version.as_ref()) && !site.is_off(device, product, row);
            let used = !row.internal_only && current;
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

/// Makes of a finding about what is open one about what may be: lists of hosts can stop some.
pub(super) fn doubt(finding: &mut Finding, lists: &[String]) {
    finding.message = doubtful(&finding.message, lists);
    finding.depends_on = lists.to_vec();
}

/// A sentence that says that something is open, as one that says that it may be.
pub(super) fn doubtful(message: &str, lists: &[String]) -> String {
    if lists.is_empty() {
        return message.to_string();
    }
    let verbs =
        [(" is ", " may be "), (" are ", " may be "), (" gets ", " may get "), (" lets ", " may let ")];
    let verb = verbs.iter().filter_map(|(is, may)| Some((message.find(is)?, *is, *may))).min();
    let message = verb.map_or_else(|| message.to_string(), |(_, is, may)| message.replacen(is, may, 1));
    format!("{message}, depending on {}", words::some(lists, 3, "condition"))
}

/// PH202 for a rule that opens all ports. On a made-up site nobody knows which side is the inside.
pub(super) fn any_to_any(rule: &Rule, openings: &[&Opening], made_up: bool) -> Finding {
    let protocols = super::protocols(openings);
    let to = match whom(openings) {
        Some(one) => format!(" to {one}"),
        None if !made_up => " to the inside".to_string(),
        None if openings.iter().all(|opening| opening.way == Way::Input) => {
            " to the firewall itself".to_string()
        }
        None => String::new(),
    };
    // Of IPv6, no router passes on those of one link.
    let enough = |family: Family| match family {
        Family::V4 => unicast(family).count(),
        Family::V6 => unicast(family).count() / 2,
    };
    let some = made_up && openings.iter().any(|opening| opening.sources < enough(opening.family));
    let any = if some { "nearly any" } else { "any" };
    let message = format!("all ports of {} are open from {any} source{to}", names(&protocols));
    let mut finding = Finding::of(&PH202, rule.span(), message);
    finding.opens = opens(&protocols, &Set::of([(0, ALL_PORTS - 1)]));
    finding
        .label("lets everything through that no rule before it stops")
        .notice(if made_up {
            "Calls work, and so does everything else: every service that this rule leads to can be reached."
        } else {
            "Calls work, and so does everything else: every service of every device behind the firewall can be reached."
        })
        .help(
            "Replace it by rules that name the devices and the ports that they need; `pinhole catalog show PRODUCT` \
             lists them.",
        )
}

/// Where openings lead to, if that is one host or network.
fn whom(openings: &[&Opening]) -> Option<String> {
    let (first, rest) = openings.split_first()?;
    let alike = rest.iter().all(|other| other.to == first.to && other.family == first.family);
    network(first.family, &first.to).filter(|_| alike && !first.anywhere)
}

/// A set of addresses that is one host or network, in words.
fn network(family: Family, set: &Set) -> Option<String> {
    let [(lo, hi)] = set.ranges() else { return None };
    let size = hi.wrapping_sub(*lo).wrapping_add(1);
    if !size.is_power_of_two() || lo % size != 0 {
        return None;
    }
    let bits = family.bits() - size.trailing_zeros();
    let address = family.address(*lo);
    Some(if size == 1 { format!("`{address}`") } else { format!("`{address}/{bits}`") })
}

/// What is said of rules that let everything through which comes or leaves by interfaces that they name.
pub(super) fn trusted(rules: &[(Span, Sides)]) -> Option<Finding> {
    const SHOWN: usize = 5;
    let ((first, sides), others) = rules.split_first()?;
    let what = sides.words();
    let message = match (others.len(), &what) {
        (0, Some(what)) => format!("the rule lets through {what}"),
        (0, None) => "the rule lets everything through on some of the interfaces".to_string(),
        (more, Some(what)) => {
            format!("{} rules let everything through on some of the interfaces, this one {what}", more + 1)
        }
        (more, None) => format!("{} rules let everything through on some of the interfaces", more + 1),
    };
    let mut finding = Finding::of(&PH201, *first, message)
        .severity(Severity::Info)
        .label("all ports, from any source, on the interfaces that lead to this rule")
        .notice("Whoever comes that way can use every service that the rule leads to.")
        .help("Where the networks behind them are not trusted as a whole, accept the ports that are needed instead.");
    for (span, sides) in others.iter().take(SHOWN) {
        let what = sides.words().unwrap_or_else(|| "all".to_string());
        finding = finding.related(*span, format!("lets through {what}"));
    }
    Some(finding)
}

/// What is said of a rule that lets everything out.
pub(super) fn unrestricted(rule: &Rule, protocols: &[u8]) -> Finding {
    let message = format!("all ports of {} are open to the outside", names(protocols));
    Finding::of(&PH201, rule.span(), message)
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
    Finding::of(&PH201, first.span(), message)
        .severity(Severity::Info)
        .label("not judged")
        .help("Ask for one packet with `pinhole trace`, which follows any ruleset.")
}
