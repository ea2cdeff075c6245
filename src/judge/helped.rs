//! What connection helpers open for calls.

use super::journey::Kind;
use super::{Answer, Ask, Desk, number};
use crate::catalog::Requirement;
use crate::packet::Set;
use crate::site::{Far, Flow, Leg, Party};

/// What a helper opens.
pub struct Helped {
    /// The ports.
    pub ports: Set,
    /// What that depends on; empty where they are open for certain.
    pub depends_on: Vec<String>,
}

/// How signalling fares at the firewalls on a path.
#[derive(Default)]
struct Watch {
    /// The crossings at which some of the calls are watched, one bit each.
    some: u32,
    /// Those at which all of them are.
    all: u32,
    /// Some call gets through.
    calls: bool,
}

impl Desk<'_, '_> {
    /// What helpers open of a row that signalling announces, for the calls that they watch: each firewall on the
    /// path needs its own, on the leg that opens the call.
    pub fn helped(&mut self, flow: &Flow<'_>, ask: &Ask<'_>, party: &Party) -> Option<Helped> {
        if flow.requirement.announced_by.is_empty() {
            return None;
        }
        let product = self.judge().catalog.product(&self.judge().site.devices[flow.device].product)?;
        let mut helped = Helped { ports: Set::empty(), depends_on: Vec::new() };
        let [far] = party.places.as_slice() else { return None };
        let mut ways: Vec<Option<u32>> = Vec::new();
        for service in &flow.requirement.announced_by {
            for row in product.requirements.iter().filter(|row| row.service == *service) {
                let Some(helper) = row.helper else { continue };
                let ports = self.judge().site.ports_of(flow.device, product, row);
                for transport in &row.transports {
                    for leg in legs(row) {
                        let ask = Ask {
                            ports: &ports,
                            protocol: number(*transport),
                            leg: *leg,
                            from: None,
                            ..*ask
                        };
                        let Some(watch) = self.watch(&ask, far, helper.name()) else { continue };
                        if !watch.calls {
                            continue;
                        }
                        ways.push((watch.some != 0).then_some(watch.some));
                        if watch.some != watch.all && watch.some != 0 {
                            helped.depends_on.push(WATCHED.to_string());
                        }
                    }
                }
            }
        }
        // A helper that no call meets opens nothing.
        let watched: Vec<u32> = ways.iter().flatten().copied().collect();
        let first = *watched.first()?;
        if watched.len() < ways.len() || watched.iter().any(|crossings| *crossings != first) {
            helped.depends_on.push(WHO_CALLS.to_string());
        }
        let best = watched.into_iter().max_by_key(|crossings| crossings.count_ones())?;
        let announced: Answer = self.answer(ask, far, Kind::Announced(best))?;
        helped.ports = announced.open.or(&announced.unsure);
        if !announced.unsure.is_empty() {
            helped.depends_on.extend(announced.depends_on);
        }
        helped.depends_on.sort();
        helped.depends_on.dedup();
        Some(helped)
    }

    /// At which firewalls calls are watched.
    fn watch(&mut self, ask: &Ask<'_>, far: &Far, wanted: &str) -> Option<Watch> {
        let (journey, region) = self.asked(ask, far, Kind::First)?;
        let judge = self.judge();
        let spaces = &mut self.stores[ask.near.family as usize].spaces;
        let calls = spaces.and(journey.usual, region);
        let mut watch = Watch { calls: !calls.is_none(), ..Watch::default() };
        for (at, leg) in journey.legs.iter().enumerate().take(32) {
            let Some(firewall) = judge.firewall(leg.firewall) else { continue };
            let mut unwatched = calls;
            for (helper, space) in &leg.passage.helpers {
                if firewall.rules.helpers[helper.index()] == wanted {
                    unwatched = spaces.minus(unwatched, *space);
                }
            }
            if unwatched != calls {
                watch.some |= 1 << at;
            }
            if unwatched.is_none() && watch.calls {
                watch.all |= 1 << at;
            }
        }
        Some(watch)
    }
}

/// Which end opens a call.
fn legs(row: &Requirement) -> &'static [Leg] {
    match row.initiator {
        crate::catalog::Initiator::Peer => &[Leg::ToDevice],
        crate::catalog::Initiator::Device => &[Leg::FromDevice],
        crate::catalog::Initiator::Either => &[Leg::ToDevice, Leg::FromDevice],
    }
}

const WATCHED: &str = "whether the call is one that a helper watches";
const WHO_CALLS: &str = "which end places the call";
