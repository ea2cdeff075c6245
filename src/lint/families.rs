//! PH610: addresses of which no file speaks, so that nothing could be judged for them.

use super::words;
use crate::finding::Finding;
use crate::judge::{Judge, Near};
use crate::packet::Family;
use crate::rule::PH610;

/// Checks all devices of the site.
pub(super) fn check(judge: &Judge<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (device, placed) in judge.site.devices.iter().enumerate() {
        // A product without an address is judged in the families that there are.
        if placed.addresses.is_empty() {
            continue;
        }
        for near in judge.nears(device) {
            let silent = judge.silent(device, &near);
            if !silent.is_empty() {
                let mut finding = unjudged(judge, &near, &silent);
                finding.span = placed.span;
                finding.devices = vec![placed.name.clone()];
                findings.push(finding);
            }
        }
    }
    findings
}

fn unjudged(judge: &Judge<'_>, near: &Near, silent: &[usize]) -> Finding {
    let family = if near.family == Family::V4 { "IPv4" } else { "IPv6" };
    let names = silent.iter().filter_map(|at| judge.firewall(*at)).map(|firewall| firewall.name.clone());
    let address = near.addresses.single().map_or(String::new(), |at| near.family.address(at).to_string());
    let message = format!(
        "nothing is judged for `{address}`: no rule of {} speaks of {family}",
        words::some(&words::unique(names), 3, "firewall")
    );
    Finding::of(&PH610, None, message)
        .label("its rules are missing")
        .notice("What the device needs may be blocked for this address, or everything may be open.")
        .help(format!(
            "Give the {family} rules of the firewall as well, such as the output of `{}`.",
            if near.family == Family::V4 { "iptables-save" } else { "ip6tables-save" }
        ))
}
