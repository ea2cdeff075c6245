//! PH110: what the site file promises in `[[expect]]` and is not so.

use super::{cores, witness, words};
use crate::catalog::Transport;
use crate::finding::Finding;
use crate::judge::{Broken, Judge, Kept, Promise, number};
use crate::packet::{Family, Set, proto};
use crate::rule::{PH110, PH605, Severity};
use crate::site::{Expect, Leg, Traffic, Who};

/// Checks all promises of the site.
pub(super) fn check(judge: &Judge<'_>) -> Vec<Finding> {
    let order: Vec<usize> = (0..judge.site.expects.len()).collect();
    let found = cores::for_each(judge, &order, |desk, at| {
        let expect = &judge.site.expects[at];
        let Some(traffic) = traffic(judge, expect) else { return no_service(judge, expect) };
        let mut unknown = false;
        let mut depends: Option<Finding> = None;
        for family in [Family::V4, Family::V6] {
            let traffic: Vec<(u8, Option<Set>)> =
                traffic.iter().filter(|(protocol, _)| speaks(*protocol, family)).cloned().collect();
            let (from, to) = (judge.site.spots(&expect.from, family), judge.site.spots(&expect.to, family));
            for (from, to) in from.iter().flat_map(|from| to.iter().map(move |to| (from, to))) {
                if traffic.is_empty() || from.zone == to.zone && expect.allow {
                    continue;
                }
                let promise = Promise { from, to, traffic: &traffic, allow: expect.allow };
                match desk.kept(&promise, family) {
                    Kept::Yes => {}
                    Kept::Free if expect.allow => {}
                    Kept::Free => depends = depends.or_else(|| Some(nothing_between(expect))),
                    Kept::Unknown => unknown = true,
                    Kept::No(broken) if broken.certain => return Some(finding(judge, expect, &broken)),
                    Kept::No(broken) => depends = depends.or_else(|| Some(finding(judge, expect, &broken))),
                }
            }
        }
        depends.or_else(|| unknown.then(|| not_known(expect)))
    });
    found.into_iter().flatten().collect()
}

/// Whether packets of a family have the protocol.
pub(crate) fn speaks(protocol: u8, family: Family) -> bool {
    match protocol {
        proto::ICMP => family == Family::V4,
        proto::ICMPV6 => family == Family::V6,
        _ => true,
    }
}

/// All traffic.
pub(crate) fn all() -> Vec<(u8, Option<Set>)> {
    [proto::TCP, proto::UDP, proto::ICMP, proto::ICMPV6].map(|protocol| (protocol, None)).to_vec()
}

/// Protocols and ports that a promise is about; `None` where the device has no such service.
pub(super) fn traffic(judge: &Judge<'_>, expect: &Expect) -> Option<Vec<(u8, Option<Set>)>> {
    match (&expect.traffic, &expect.to.who) {
        (Traffic::Ports(parts), _) => Some(parts.clone()),
        (Traffic::All, _) => Some(all()),
        (Traffic::Service(service), Who::Device(device)) => of_service(judge, *device, service),
        (Traffic::Service(_), Who::Zone(_) | Who::Networks(_)) => None,
    }
}

/// Protocols and ports on which others connect to a device for a service; `None` where nobody does.
pub(crate) fn of_service(judge: &Judge<'_>, device: usize, service: &str) -> Option<Vec<(u8, Option<Set>)>> {
    let flows = judge.flows(device).into_iter().map(|(_, flow)| flow);
    let own = flows.filter(|flow| {
        flow.leg == Leg::ToDevice && flow.host.is_none() && flow.requirement.service == *service
    });
    let mut parts: Vec<(u8, Option<Set>)> = Vec::new();
    for flow in own {
        for transport in &flow.transports {
            let transport: Transport = *transport;
            match parts.iter_mut().find(|(known, _)| *known == number(transport)) {
                Some((_, Some(ports))) => *ports = ports.or(&flow.ports),
                _ => parts.push((number(transport), Some(flow.ports.clone()))),
            }
        }
    }
    (!parts.is_empty()).then_some(parts)
}

/// The promise in words: `tcp/1720 from internet to mcu-1`.
pub(super) fn said(expect: &Expect) -> String {
    let what = match &expect.traffic {
        Traffic::Service(service) => service.clone(),
        Traffic::All => "all traffic".to_string(),
        Traffic::Ports(parts) => listed(parts),
    };
    format!("{what} from {} to {}", expect.from.name, expect.to.name)
}

/// Protocols and ports in words: `tcp 1720, udp 20000-20600`.
pub(crate) fn listed(parts: &[(u8, Option<Set>)]) -> String {
    let one = |(protocol, ports): &(u8, Option<Set>)| {
        let name = protocol_name(*protocol);
        ports.as_ref().map_or(name.to_string(), |ports| format!("{name} {}", words::ports(ports)))
    };
    parts.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The name of a protocol, as traffic is written.
pub(crate) fn protocol_name(protocol: u8) -> &'static str {
    match protocol {
        proto::ICMPV6 => "icmpv6",
        other => crate::dialect::names::protocol_name(other).unwrap_or("protocol"),
    }
}

fn finding(judge: &Judge<'_>, expect: &Expect, broken: &Broken) -> Finding {
    let said = said(expect);
    let (wanted, is) = if expect.allow { ("allowed", "blocked") } else { ("blocked", "allowed") };
    let verb = if broken.certain { "is" } else { "may be" };
    let severity = if broken.certain { Severity::Error } else { Severity::Warning };
    let mut message = format!("{said} is expected to be {wanted}, and {verb} {is}");
    if !broken.depends_on.is_empty() {
        message += &format!(", depending on {}", words::some(&broken.depends_on, 3, "condition"));
    }
    let firewall = judge.firewall(broken.firewall);
    let span = firewall.and_then(|firewall| broken.by.span(&firewall.rules));
    let written = span.filter(|span| span.start < span.end);
    let mut finding = Finding::of(&PH110, written.or(Some(expect.span)), message).severity(severity);
    if let (Some(firewall), true) = (firewall, written.is_some()) {
        let label = if expect.allow {
            words::blocks(firewall, broken.by)
        } else {
            words::opens(broken.by).to_string()
        };
        finding = finding.label(label).related(expect.span, "what is expected");
    } else {
        finding = finding.label("what is expected");
    }
    finding.depends_on.clone_from(&broken.depends_on);
    witness::show(&mut finding, broken.witness.as_ref(), Some(broken.firewall));
    finding.notice(notice(expect)).help(format!(
        "Change the rule so that {said} is {wanted}, or take the promise out of the site file if it is out of date."
    ))
}

/// Why it was promised.
fn notice(expect: &Expect) -> String {
    let reason = expect.reason.trim().trim_end_matches('.');
    if reason.is_empty() { String::new() } else { format!("The site file says why: {reason}.") }
}

fn nothing_between(expect: &Expect) -> Finding {
    let message = format!("{} is expected to be blocked, and no firewall stands between", said(expect));
    Finding::of(&PH110, expect.span, message)
        .label("what is expected")
        .notice(notice(expect))
        .help("Give the firewall between the two a `[[firewall]]` in the site file, or take the promise out.")
}

fn not_known(expect: &Expect) -> Finding {
    let message = format!(
        "it is not known whether {} is {}",
        said(expect),
        if expect.allow { "allowed" } else { "blocked" }
    );
    Finding::of(&PH110, expect.span, message)
        .severity(Severity::Warning)
        .label("what is expected")
        .help("Say with a `[[path]]` through which firewalls the packets go, or promise less at once.")
}

/// A service of the device to which nobody connects; one that its product does not have is PH605.
fn no_service(judge: &Judge<'_>, expect: &Expect) -> Option<Finding> {
    let (Traffic::Service(service), Who::Device(device)) = (&expect.traffic, &expect.to.who) else {
        return None;
    };
    let product = judge.catalog.product(&judge.site.devices[*device].product)?;
    let known = product.requirements.iter().any(|row| row.service == *service);
    if !known && judge.site.settings.selection.has(&PH605) {
        return None;
    }
    let message = format!("nobody connects to `{}` for `{service}`", expect.to.name);
    let finding = Finding::of(&PH110, expect.service_span.or(Some(expect.span)), message);
    Some(finding.severity(Severity::Warning).label("this promise is not checked").help(
        "`pinhole catalog show` prints who opens the connections of a service; or give the `traffic`, such as `tcp/1720`.",
    ))
}
