//! PH502: nothing translates the public address of a device, so that nobody outside reaches it.

use super::words;
use crate::finding::Finding;
use crate::judge::Judge;
use crate::model::{Effect, Nat, Ruleset, Step, Test, Way};
use crate::packet::{Family, Field};
use crate::rule::PH502;
use crate::site::{Crossing, End, Leg, ZoneId};

/// Checks all devices of the site.
pub(super) fn check(judge: &Judge<'_>) -> Vec<Finding> {
    let devices = 0..judge.site.devices.len();
    devices.filter_map(|device| of(judge, device)).collect()
}

fn of(judge: &Judge<'_>, device: usize) -> Option<Finding> {
    let site = judge.site;
    let placed = &site.devices[device];
    let mut lost: Vec<String> = Vec::new();
    let mut walls: Vec<usize> = Vec::new();
    let mut from: Option<ZoneId> = None;
    let outside = outside(judge, device);
    for public in placed.public_addresses.iter().filter(|public| !placed.addresses.contains(public)) {
        let (family, number) = Family::of(*public);
        let own = placed.addresses.iter().filter(|own| Family::of(**own).0 == family);
        let own: Vec<(ZoneId, u128)> =
            own.filter_map(|own| Some((site.zone_of(*own)?, Family::of(*own).1))).collect();
        for zone in &outside {
            let paths: Option<Vec<(Vec<Crossing>, u128)>> = own
                .iter()
                .map(|(near, own)| {
                    let here = End { zone: *near, device: Some(device) };
                    Some((site.path(End { zone: *zone, device: None }, here)?, *own))
                })
                .collect();
            let Some(paths) = paths.filter(|paths| !paths.is_empty()) else { continue };
            let read = |path: &[Crossing]| {
                let forward = path.iter().any(|crossing| crossing.way == Way::Forward);
                forward && path.iter().all(|crossing| judge.firewall(crossing.firewall).is_some())
            };
            let is_lost = |(path, own): &(Vec<Crossing>, u128)| {
                read(path) && !is_led(judge, path, family, number, *own)
            };
            if paths.iter().all(is_lost) {
                lost.push(format!("`{public}`"));
                from.get_or_insert(*zone);
                walls.extend(paths.iter().flat_map(|(path, _)| path).map(|crossing| crossing.firewall));
            }
        }
    }
    let lost = words::unique(lost.into_iter());
    let from = &site.zones[from?].name;
    let walls = words::unique(walls.iter().map(|at| format!("`{}`", site.firewalls[*at].name)));
    let address = if lost.len() == 1 { "address" } else { "addresses" };
    let message = format!(
        "nothing translates {}, the public {address} of {}, on the way from {from}",
        words::some(&lost, 3, "address"),
        placed.name
    );
    let mut finding = Finding::of(&PH502, placed.span, message)
        .label("nobody outside reaches it by that address")
        .notice(format!("Nobody reaches {} from {from}, whatever the filter rules let through.", placed.name))
        .help(format!(
            "Translate it to the device's own address on {}. Where a router or a provider in front of it does so \
             already, leave `public-addresses` out: then packets come with the device's own address.",
            words::some(&walls, 3, "firewall")
        ));
    finding.devices = vec![placed.name.clone()];
    Some(finding)
}

/// The zones that are everything else, from which somebody has to reach a device.
fn outside(judge: &Judge<'_>, device: usize) -> Vec<ZoneId> {
    let site = judge.site;
    let mut zones: Vec<ZoneId> = Vec::new();
    for (_, flow) in judge.flows(device) {
        if flow.leg != Leg::ToDevice || flow.host.is_some() {
            continue;
        }
        let places = flow.parties.iter().flat_map(|party| &party.places);
        zones.extend(places.map(|far| far.zone).filter(|zone| site.is_everything_else(*zone)));
    }
    zones.sort_unstable();
    zones.dedup();
    zones
}

/// Whether some firewall may lead packets for one address to another, by itself or from what an earlier one made of it.
fn is_led(judge: &Judge<'_>, path: &[Crossing], family: Family, public: u128, own: u128) -> bool {
    let mut before = false;
    for crossing in path {
        let Some(firewall) = judge.firewall(crossing.firewall) else { return true };
        let rules = &firewall.rules;
        let leads = |nat: &Nat| nat.destination && nat.addr.gives(family, own) != Some(false);
        if matches(rules, family, public, leads) || before && rules.nats.iter().any(leads) {
            return true;
        }
        before |= matches(rules, family, public, |nat| nat.destination);
    }
    false
}

/// Whether a rule with such a translation may take packets for an address: all but those that ask for others.
fn matches(rules: &Ruleset, family: Family, public: u128, wanted: impl Fn(&Nat) -> bool) -> bool {
    let translates = |effect: Effect| {
        let open = matches!(effect, Effect::Undefined(_)) || effect == Effect::Forget(Field::dst(family));
        open || matches!(effect, Effect::Nat(nat) if wanted(rules.nat(nat)))
    };
    let in_maps = rules.maps.iter().flat_map(|map| &map.entries).any(|entry| translates(entry.effect));
    let other = |step: &Step| match step {
        Step::Test(Test::In { field, values, negate: false }) if *field == Field::dst(family) => {
            !rules.values(*values).contains(public)
        }
        Step::Test(_) | Step::Effect(_) | Step::Lookup(_) => false,
    };
    let leads = |step: &Step| match step {
        Step::Effect(effect) => translates(*effect),
        Step::Test(_) | Step::Lookup(_) => false,
    };
    in_maps
        || rules.chains.iter().flat_map(|chain| &chain.rules).any(|rule| {
            let steps = rules.steps_of(rule);
            steps.iter().any(leads) && !steps.iter().any(other)
        })
}
