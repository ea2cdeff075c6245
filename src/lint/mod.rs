//! The lints: the facts come from the analysis, the words are here, and each has a page in `rules/lints/`.

mod cores;
mod exposure;
mod families;
mod later;
mod mend;
mod openings;
pub mod pages;
mod requirements;
mod words;

use crate::finding::Finding;
use crate::judge::Judge;
use crate::model::{Hook, Ruleset, StageKind, Way};
use crate::packet::Family;
use crate::site::Site;

/// What the lints have to say of a site and its firewalls.
pub fn check(judge: &Judge<'_>) -> Vec<Finding> {
    let mut findings = requirements::check(judge);
    findings.extend(openings::check(judge));
    findings.extend(exposure::check(judge));
    findings.extend(families::check(judge));
    findings
}

/// Which way to judge a config by where no site file tells: a device address that is one of the box's own is
/// on the box; else traffic is forwarded, unless only the input chains hold rules.
pub fn way(rules: &Ruleset, site: &Site) -> Way {
    let own = |address: &std::net::IpAddr| {
        let (family, number) = Family::of(*address);
        rules.own.iter().any(|own| own.family == family && own.address == number)
    };
    if site.devices.iter().flat_map(|device| &device.addresses).any(own) {
        return Way::Input;
    }
    let holds = |hook: Hook| {
        let filters = rules.stages(hook).iter().filter(|stage| stage.kind == StageKind::Filter);
        filters.map(|stage| rules.chain(stage.chain).rules.len()).sum::<usize>() > 0
    };
    if !holds(Hook::Forward) && holds(Hook::Input) { Way::Input } else { Way::Forward }
}
