//! What connection helpers open for calls.

use super::journey::Kind;
use super::{Answer, Ask, Desk, Near, Want, number};
use crate::catalog::{Helper, Product, Requirement, Transport};
use crate::packet::Set;
use crate::site::{End, Far, Flow, Leg, Party};

/// What a helper opens.
pub(crate) struct Helped {
    /// The ports.
    pub ports: Set,
    /// What that depends on; empty where they are open for certain.
    pub depends_on: Vec<String>,
}

/// Which calls are looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Opener<'s> {
    /// Those that are signalled by one of these services; all where `None`.
    pub services: Option<&'s [&'s str]>,
    /// Those that are placed this way; both where `None`.
    pub leg: Option<Leg>,
    /// What is signalled to somebody else than the far end.
    pub elsewhere: &'s [Elsewhere],
}

/// Signalling that goes to somebody else than the far end: a gatekeeper confirms to the caller whom he may call, which
/// opens the way for the call (`process_acf` of nf_conntrack_h323_main.c).
#[derive(Clone, Debug)]
pub(crate) struct Elsewhere {
    /// The service.
    pub service: String,
    /// Index into the site's devices of the one whose row it is.
    pub device: usize,
    /// Its end.
    pub near: Near,
    /// Towards it, or from it.
    pub leg: Leg,
    /// The transport.
    pub transport: Transport,
    /// The destination ports.
    pub ports: Set,
    /// The other end.
    pub far: Far,
}

impl Elsewhere {
    fn ask(&self) -> Ask<'_> {
        Ask {
            device: Some(self.device),
            near: &self.near,
            leg: self.leg,
            protocol: number(self.transport),
            ports: &self.ports,
            from: None,
        }
    }
}

impl Opener<'_> {
    fn signals(&self, row: &Requirement) -> bool {
        self.services.is_none_or(|services| services.contains(&row.service.as_str()))
    }

    fn places(&self, leg: Leg) -> bool {
        self.leg.is_none_or(|only| only == leg)
    }
}

/// A row that signals, between a device of a product and a far end.
#[derive(Clone, Copy)]
struct Signalling<'s> {
    product: &'s Product,
    row: &'s Requirement,
    /// What can read it.
    helper: Helper,
    far: &'s Far,
    /// The calls that it is of.
    opener: Opener<'s>,
}

/// The crossings at which calls of one kind are read, one bit each, and what that depends on; `None` where they are not.
type Reading = (Option<u32>, Vec<String>);

/// A firewall that signalling crosses.
#[derive(Clone, Copy)]
pub(crate) struct Sight<'a> {
    /// Index into the site's firewalls.
    pub firewall: usize,
    /// Which crossing of the path it is, as one bit of [`Kind::Announced`].
    pub crossing: u32,
    /// The signalling.
    pub row: &'a Requirement,
    /// Over which transport.
    pub transport: Transport,
    /// The helper that can read it.
    pub helper: Helper,
    /// The helper meets some of it.
    pub some: bool,
    /// It meets all of it, whatever the unknowns are.
    pub all: bool,
}

/// How signalling fares at the firewalls on a path.
#[derive(Default)]
struct Watch {
    /// The firewalls, in order of the crossings.
    firewalls: Vec<usize>,
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
    pub(crate) fn helped(&mut self, flow: &Flow<'_>, ask: &Ask<'_>, party: &Party) -> Option<Helped> {
        self.helped_by(flow, ask, party, Opener::default())
    }

    /// Likewise for some of the calls alone.
    pub(crate) fn helped_by(
        &mut self,
        flow: &Flow<'_>,
        ask: &Ask<'_>,
        party: &Party,
        opener: Opener<'_>,
    ) -> Option<Helped> {
        // Nobody can read what is encrypted.
        if flow.requirement.announced_by.is_empty() || self.judge().site.devices[flow.device].encrypted {
            return None;
        }
        let product = self.judge().catalog.product(&self.judge().site.devices[flow.device].product)?;
        let mut helped = Helped { ports: Set::empty(), depends_on: Vec::new() };
        let [far] = party.places.as_slice() else { return None };
        let mut ways: Vec<Option<u32>> = Vec::new();
        for row in roots(product, flow.requirement).into_iter().filter(|row| opener.signals(row)) {
            let Some(helper) = row.helper else { continue };
            let signalling = Signalling { product, row, helper, far, opener };
            let mut read = self.read_elsewhere(&signalling, ask);
            if !opener.elsewhere.iter().any(|there| there.service == row.service) {
                let ports = self.judge().site.ports_of(flow.device, product, row);
                read.extend(self.read_here(&signalling, &Ask { ports: &ports, ..*ask }));
            }
            for (crossings, depends_on) in read {
                ways.push(crossings);
                helped.depends_on.extend(depends_on);
            }
        }
        // A helper that no call meets opens nothing.
        let watched: Vec<u32> = ways.iter().flatten().copied().collect();
        let first = *watched.first()?;
        if watched.len() < ways.len() || watched.iter().any(|crossings| *crossings != first) {
            helped.depends_on.push(WHO_CALLS.to_string());
        }
        let best = watched.into_iter().max_by_key(|crossings| crossings.count_ones())?;
        if self.announces_another(ask, far) {
            if self.follow_sender(ask, far) {
                return None;
            }
            helped.depends_on.push(ANOTHER.to_string());
        }
        let kind = Kind::Announced(best);
        let mut announced: Answer = self.answer(ask, far, kind, Want::Ports)?;
        helped.ports = announced.open.or(&announced.depends);
        if !announced.depends.is_empty() {
            self.explain(ask, far, kind, &mut announced);
            helped.depends_on.extend(announced.depends_on);
        }
        helped.depends_on.sort();
        helped.depends_on.dedup();
        Some(helped)
    }

    /// Where what is signalled to somebody else is read. The connection that is announced there has the helper of what it
    /// is.
    fn read_elsewhere(&mut self, signalling: &Signalling<'_>, ask: &Ask<'_>) -> Vec<Reading> {
        let Signalling { product, row, helper, far, opener } = *signalling;
        let mut read = Vec::new();
        for told in row.announced_by.iter().chain([&row.service]) {
            let by = if *told == row.service { Some(helper) } else { helper_of(product, told) };
            for there in opener.elsewhere.iter().filter(|there| there.service == *told) {
                if let Some(crossings) = by.and_then(|by| self.told_at(there, by, ask, far)) {
                    read.push((Some(crossings), self.signalled(&there.ask(), &there.far)));
                }
            }
        }
        read
    }

    /// Where the signalling of a row is read; `ask` has its ports.
    fn read_here(&mut self, signalling: &Signalling<'_>, ask: &Ask<'_>) -> Vec<Reading> {
        let Signalling { row, helper, far, opener, .. } = *signalling;
        let mut read = Vec::new();
        for transport in &row.transports {
            for leg in legs(row).iter().filter(|leg| opener.places(**leg)) {
                let ask = Ask { protocol: number(*transport), leg: *leg, from: None, ..*ask };
                let Some(watch) = self.watch(&ask, far, helper.name()) else { continue };
                if !watch.calls {
                    continue;
                }
                let mut depends_on = self.signalled(&ask, far);
                if watch.some != watch.all && watch.some != 0 {
                    depends_on.push(WATCHED.to_string());
                }
                read.push(((watch.some != 0).then_some(watch.some), depends_on));
            }
        }
        read
    }

    /// At which firewalls the signalling that announces a row gets through, and meets the helper that reads it.
    pub(crate) fn sights<'p>(
        &mut self,
        product: &'p Product,
        flow: &Flow<'_>,
        ask: &Ask<'_>,
        party: &Party,
    ) -> Vec<Sight<'p>> {
        let rows = roots(product, flow.requirement);
        self.sights_of(rows, (product, flow.device), ask, party)
    }

    /// Likewise of some rows of a device that are signalling.
    pub(crate) fn sights_of<'p>(
        &mut self,
        rows: impl IntoIterator<Item = &'p Requirement>,
        (product, device): (&Product, usize),
        ask: &Ask<'_>,
        party: &Party,
    ) -> Vec<Sight<'p>> {
        let mut sights = Vec::new();
        for row in rows {
            let Some(helper) = row.helper else { continue };
            let ports = self.judge().site.ports_of(device, product, row);
            let ways = row
                .transports
                .iter()
                .flat_map(|transport| legs(row).iter().map(move |leg| (*transport, *leg)));
            for (transport, leg) in ways {
                let protocol = number(transport);
                let ask = Ask { ports: &ports, protocol, leg, from: None, ..*ask };
                for far in &party.places {
                    let Some(watch) = self.watch(&ask, far, helper.name()).filter(|watch| watch.calls) else {
                        continue;
                    };
                    for (at, firewall) in watch.firewalls.iter().enumerate().take(32) {
                        let [some, all] = [watch.some, watch.all].map(|crossings| crossings & 1 << at != 0);
                        sights.push(Sight {
                            firewall: *firewall,
                            crossing: 1 << at,
                            row,
                            transport,
                            helper,
                            some,
                            all,
                        });
                    }
                }
            }
        }
        sights
    }

    /// Whether helpers open nothing because a device tells far ends an address from which its signalling does not come.
    pub(crate) fn announces_elsewhere(&mut self, ask: &Ask<'_>, party: &Party) -> bool {
        party.places.iter().any(|far| self.announces_another(ask, far) && self.follow_sender(ask, far))
    }

    /// Whether a device tells far ends to send to an address from which its signalling does not come: one that
    /// firewalls translate.
    fn announces_another(&self, ask: &Ask<'_>, far: &Far) -> bool {
        let judge = self.judge();
        let announces = ask.device.is_some_and(|device| judge.site.devices[device].announces_public());
        let (from, to) = ends(ask, far);
        announces
            && ask.leg == Leg::ToDevice
            && judge.is_renamed(from, to, ask.near.family, &ask.near.addresses)
    }

    /// Whether a firewall on the path opens ports only at the address that signalling comes from.
    fn follow_sender(&self, ask: &Ask<'_>, far: &Far) -> bool {
        let (from, to) = ends(ask, far);
        let path = self.judge().site.path(from, to).unwrap_or_default();
        path.iter()
            .filter_map(|crossing| self.judge().firewall(crossing.firewall))
            .any(|firewall| firewall.dialect.language().helpers_follow_sender)
    }

    /// On what it depends that calls get through of which some do.
    fn signalled(&mut self, ask: &Ask<'_>, far: &Far) -> Vec<String> {
        let Some(mut answer) = self.answer(ask, far, Kind::First, Want::Faults) else { return Vec::new() };
        if !answer.depends.is_empty() {
            self.explain(ask, far, Kind::First, &mut answer);
        }
        if !answer.blocked.is_empty() {
            answer.depends_on.push(SIGNALLED.to_string());
        }
        answer.depends_on
    }

    /// At which firewalls on the way of a question what is said elsewhere is read, one bit for each crossing; `None` where
    /// it is at none.
    fn told_at(&mut self, there: &Elsewhere, by: Helper, ask: &Ask<'_>, far: &Far) -> Option<u32> {
        let watch = self.watch(&there.ask(), &there.far, by.name()).filter(|watch| watch.calls)?;
        let (journey, _) = self.asked(ask, far, Kind::First)?;
        let reads = |firewall: usize| {
            let mut known = watch.firewalls.iter().enumerate().take(32);
            known.any(|(at, known)| *known == firewall && watch.some & 1 << at != 0)
        };
        let legs = journey.legs.iter().enumerate().take(32);
        let crossings =
            legs.filter(|(_, leg)| reads(leg.firewall)).fold(0, |crossings, (at, _)| crossings | 1 << at);
        (crossings != 0).then_some(crossings)
    }

    /// At which firewalls calls are watched.
    fn watch(&mut self, ask: &Ask<'_>, far: &Far, wanted: &str) -> Option<Watch> {
        let (journey, region) = self.asked(ask, far, Kind::First)?;
        let judge = self.judge();
        let spaces = &mut self.stores[ask.near.family as usize].spaces;
        let calls = spaces.and(journey.usual, region);
        let firewalls = journey.legs.iter().map(|leg| leg.firewall).collect();
        let mut watch = Watch { firewalls, calls: !calls.is_none(), ..Watch::default() };
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

/// The rows in whose signalling a row is announced in the end: what is itself announced has the helper of the
/// connection that announced it.
fn roots<'p>(product: &'p Product, row: &Requirement) -> Vec<&'p Requirement> {
    let mut roots: Vec<&Requirement> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    let mut open: Vec<&str> = row.announced_by.iter().map(String::as_str).collect();
    while let Some(service) = open.pop() {
        if seen.contains(&service) {
            continue;
        }
        seen.push(service);
        for row in product.requirements.iter().filter(|row| row.service == service) {
            // Nobody assigns the helper for H.245: the one that reads Q.931 does.
            if row.helper.is_some_and(|helper| helper != Helper::H245) {
                roots.push(row);
                continue;
            }
            open.extend(row.announced_by.iter().filter_map(|by| {
                product.requirements.iter().find(|row| row.service == *by).map(|row| row.service.as_str())
            }));
        }
    }
    roots
}

/// The helper that reads a service.
fn helper_of(product: &Product, service: &str) -> Option<Helper> {
    product.requirements.iter().find(|row| row.service == service)?.helper
}

/// The two ends of a question, seen towards the device.
fn ends(ask: &Ask<'_>, far: &Far) -> (End, End) {
    let from = End { zone: far.zone, device: far.device };
    (from, End { zone: ask.near.zone, device: ask.device })
}

/// Which end opens a call.
fn legs(row: &Requirement) -> &'static [Leg] {
    match row.initiator {
        crate::catalog::Initiator::Peer => &[Leg::ToDevice],
        crate::catalog::Initiator::Device => &[Leg::FromDevice],
        crate::catalog::Initiator::Either => &[Leg::ToDevice, Leg::FromDevice],
    }
}

const ANOTHER: &str = "whether the helper opens ports at an announced address that is translated";
const WATCHED: &str = "whether the call is one that a helper watches";
const SIGNALLED: &str = "whether the call that announces it gets through";
const WHO_CALLS: &str = "which end places the call";
