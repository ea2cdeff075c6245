//! PH506: a firewall reads the signalling of a product whose document rules that out.

use super::{cores, words};
use crate::catalog::Helper;
use crate::finding::{Finding, LegRef, Opener};
use crate::judge::{Ask, Judge, number};
use crate::rule::PH506;

/// What one helper of one firewall reads.
#[derive(PartialEq, Eq)]
struct Reads {
    device: usize,
    firewall: usize,
    helper: Helper,
    /// `SIP (udp 5060)`.
    what: String,
}

/// Checks all devices of the site.
pub(super) fn check(judge: &Judge<'_>) -> Vec<Finding> {
    let found = cores::for_each(judge, &cores::devices(judge), |desk, device| {
        let mut found: Vec<Reads> = Vec::new();
        let Some(product) = judge.catalog.product(&judge.site.devices[device].product) else { return found };
        let Some(ruled_out) = &product.uninspected else { return found };
        for (near, flow) in judge.flows(device) {
            let row = flow.requirement;
            let (Some(transport), Some(helper)) = (flow.transports.first(), row.helper) else { continue };
            if flow.host.is_some() || !ruled_out.helpers.contains(&helper) {
                continue;
            }
            let ports = judge.site.ports_of(device, product, row);
            let (leg, protocol) = (flow.leg, number(*transport));
            let ask = Ask { device: Some(device), near: &near, leg, protocol, ports: &ports, from: None };
            for party in &flow.parties {
                let sights = desk.sights_of([row], (product, device), &ask, party);
                for sight in sights.into_iter().filter(|sight| sight.all) {
                    let what = words::service(row, sight.transport, &ports);
                    let reads = Reads { device, firewall: sight.firewall, helper, what };
                    if !found.contains(&reads) {
                        found.push(reads);
                    }
                }
            }
        }
        found
    });
    let mut groups: Vec<Vec<Reads>> = Vec::new();
    for reads in found.into_iter().flatten() {
        let same = |group: &&mut Vec<Reads>| {
            group
                .first()
                .is_some_and(|first| (first.firewall, first.helper) == (reads.firewall, reads.helper))
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(reads),
            None => groups.push(vec![reads]),
        }
    }
    groups.iter().filter_map(|group| word(judge, group)).collect()
}

fn word(judge: &Judge<'_>, group: &[Reads]) -> Option<Finding> {
    let first = group.first()?;
    let firewall = judge.firewall(first.firewall)?;
    let devices = words::unique(group.iter().map(|reads| judge.site.devices[reads.device].name.clone()));
    let what = words::unique(group.iter().map(|reads| reads.what.clone()));
    let product = judge.catalog.product(&judge.site.devices[first.device].product)?;
    let ruled_out = product.uninspected.as_ref()?;
    let message = format!(
        "the firewall reads {} of {}, whose document rules that out",
        words::some(&what, 2, "service"),
        words::some(&devices, 3, "device")
    );
    let mut finding = Finding::of(&PH506, words::assigning(firewall, first.helper.name()), message)
        .label(format!("gives it to helper `{}`", first.helper.name()))
    .notice(
        "What the firewall rewrites no longer fits what the device has negotiated: calls drop, or have no sound or \
         picture, now and then or always.",
    )
    .help(format!(
        "Exempt the device from it, or turn it off, and open the ports of the device instead. It is ruled out by: {}.",
        product.titled(&ruled_out.source)
    ));
    if finding.span.is_none() {
        finding.span = judge.site.devices[first.device].span;
    }
    finding.devices = devices;
    finding.leg = Some(LegRef { opened_by: Opener::Either, peers: Vec::new(), some_source_ports: false });
    Some(finding)
}
