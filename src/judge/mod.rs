//! Questions to the site: who gets through where, through all firewalls on the way.
//!
//! What leaves one firewall enters the next, with its translation; answers come back through the same firewalls
//! and need what those remember. A [`Journey`] is worked out once for all packets from one zone to the hosts of
//! another that the site names, and every question about these is answered from it.

mod answer;
mod fates;
mod helped;
mod hops;
mod journey;
mod promise;
mod request;

use std::sync::{Arc, Mutex};

use rustc_hash::FxHashMap;

use crate::analysis::{Decider, Flow};
use crate::catalog::{Catalog, Transport};
use crate::dialect::Dialect;
use crate::model::Ruleset;
use crate::packet::{Family, Packet, Set, Spaces, interface, proto};
use crate::site::{End, Far, Flow as Need, Leg, Needs, Party, Site, ZoneId, loopbacks, unicast};

pub(crate) use answer::{Want, along, together};
pub(crate) use helped::{Elsewhere, Opener, Sight};
pub(crate) use hops::{Example, Step};
pub(crate) use journey::{Journey, Kind};
pub(crate) use promise::{Broken, Kept, Promise};
pub(crate) use request::{Asked, Fare, Fares, Gate, Part, Request};

use journey::JourneyKey;

/// Work that one journey may take, in steps of [`Spaces`].
const JOURNEY_LIMIT: u64 = 4_000_000;
/// Nodes after which a desk throws away what it knows.
const DESK_SIZE: usize = 3_000_000;

/// A firewall whose files were read.
#[derive(Debug)]
pub(crate) struct Firewall {
    /// Its name in the site file, or the path of its file.
    pub name: String,
    /// The language of its files.
    pub dialect: Dialect,
    /// Its rules.
    pub rules: Ruleset,
    /// How much work may go into looking for rules that do nothing.
    pub search: u64,
}

/// Who refuses or lets through what, and on which firewall.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Share {
    /// Index into the site's firewalls.
    pub firewall: usize,
    /// The rule or policy.
    pub by: Decider,
    /// It is a translation that leads elsewhere, or the lack of one.
    pub astray: bool,
    /// The destination ports, or ICMP types.
    pub values: Set,
    /// The source addresses of the packets.
    pub sources: Set,
}

/// Who decides: a firewall of the site, and its rule, policy or translation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct By {
    /// Index into the site's firewalls.
    pub firewall: usize,
    /// What decides there.
    pub by: Decider,
    /// It is a translation that leads elsewhere, or the lack of one.
    pub astray: bool,
}

impl From<&Share> for By {
    fn from(share: &Share) -> By {
        By { firewall: share.firewall, by: share.by, astray: share.astray }
    }
}

/// What becomes of one leg of a row between one address of a device and one party.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// The ports that were asked for.
    pub asked: Set,
    /// Those that get through, whatever the unknowns are, from every source port.
    pub open: Set,
    /// Those that do not.
    pub blocked: Set,
    /// Those of `blocked` that get through from some of the source ports.
    pub partly: Set,
    /// Those where it depends.
    pub depends: Set,
    /// Who blocks, the largest share first.
    pub blockers: Vec<Share>,
    /// Who may block.
    pub may_block: Vec<Share>,
    /// Who lets through.
    pub openers: Vec<Share>,
    /// Who may let through.
    pub may_open: Vec<Share>,
    /// What it depends on.
    pub depends_on: Vec<String>,
    /// What was taken for granted where it decides: that rates are kept.
    pub assumes: Vec<String>,
    /// A packet that is blocked or, where none is, may be.
    pub witness: Option<Witness>,
    /// A packet that gets through.
    pub passes: Option<Witness>,
}

/// One packet at one firewall, as `pinhole trace` takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Witness {
    /// The firewall that it comes to.
    pub firewall: usize,
    /// The way before translation.
    pub way: crate::model::Way,
    /// The packet.
    pub packet: Packet,
}

impl Answer {
    fn all_open(asked: &Set) -> Answer {
        Answer { asked: asked.clone(), open: asked.clone(), ..Answer::default() }
    }

    /// One place or another: a packet has to get through from one of them.
    fn or(&mut self, other: Answer) {
        self.open = self.open.or(&other.open);
        self.blocked = self.blocked.and(&other.blocked);
        self.partly = self.partly.or(&other.partly).and(&self.blocked);
        self.depends = self.asked.minus(&self.open).minus(&self.blocked);
        self.blockers.extend(other.blockers);
        self.may_block.extend(other.may_block);
        self.may_open.extend(other.may_open);
        self.openers.extend(other.openers);
        self.depends_on.extend(other.depends_on);
        self.assumes.extend(other.assumes);
        self.witness = self.witness.take().or(other.witness);
        self.passes = self.passes.take().or(other.passes);
    }

    /// Whether nothing gets through.
    pub(crate) fn all_blocked(&self) -> bool {
        self.open.is_empty() && self.depends.is_empty()
    }
}

/// The device's end of a flow: one of its addresses, or any where none was given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Near {
    /// The family.
    pub family: Family,
    /// The addresses.
    pub addresses: Set,
    /// The zone that they are in.
    pub zone: ZoneId,
}

/// One question to the site.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    /// Index into the site's devices; `None` where the near end is none of them.
    pub device: Option<usize>,
    /// The near end.
    pub near: &'a Near,
    /// Who opens the connection.
    pub leg: Leg,
    /// The protocol number.
    pub protocol: u8,
    /// Destination ports of the first packet, or ICMP types.
    pub ports: &'a Set,
    /// Source ports of the first packet; `None` where the sender may have chosen any of 1024-65535.
    pub from: Option<&'a Set>,
}

/// The site with the rulesets of its firewalls: what all threads share.
pub(crate) struct Judge<'a> {
    /// The site.
    pub site: &'a Site,
    /// The catalog.
    pub catalog: &'a Catalog,
    /// Who must reach whom.
    pub needs: Arc<Needs<'a>>,
    /// By index of the site's firewalls; `None` for those that are not judged.
    pub firewalls: Vec<Option<&'a Firewall>>,
    flows: Vec<Option<Arc<Flow<'a>>>>,
    /// All sets of interface names that somebody asks for.
    names: Vec<Set>,
    /// The addresses of each zone.
    zones: Vec<[Set; 2]>,
    /// The devices on which firewalls run.
    hosted: rustc_hash::FxHashSet<usize>,
    /// What desks leave to those that come after them.
    worked_out: WorkedOut,
}

/// What was worked out over a site and its firewalls, for whoever judges the same again.
#[derive(Clone, Default)]
pub(crate) struct WorkedOut(Arc<Mutex<Vec<Vec<Store>>>>);

impl<'a> Judge<'a> {
    /// A judge over the firewalls of a site.
    pub(crate) fn new(site: &'a Site, catalog: &'a Catalog, firewalls: &'a [Option<Firewall>]) -> Self {
        Judge::resumed(site, catalog, firewalls, WorkedOut::default())
    }

    /// A judge that begins with what another one worked out over the same site and firewalls.
    pub(crate) fn resumed(
        site: &'a Site,
        catalog: &'a Catalog,
        firewalls: &'a [Option<Firewall>],
        worked_out: WorkedOut,
    ) -> Self {
        let flow = |(at, firewall): (usize, &'a Option<Firewall>)| {
            firewall.as_ref().map(|firewall| Arc::new(Flow::new(&firewall.rules, at as u64, true)))
        };
        let flows = firewalls.iter().enumerate().map(flow).collect();
        let mut names = vec![loopbacks()];
        for firewall in firewalls.iter().flatten() {
            names.extend(Flow::names(&firewall.rules));
        }
        for firewall in &site.firewalls {
            names.extend(firewall.interfaces.keys().map(|name| Set::one(interface(name))));
        }
        let addresses = |zone| [Family::V4, Family::V6].map(|family| site.addresses_of(zone, family));
        let zones = (0..site.zones.len()).map(addresses).collect();
        let firewalls = firewalls.iter().map(Option::as_ref).collect();
        let hosted = site.firewalls.iter().filter_map(|firewall| firewall.host).collect();
        let needs = Arc::new(Needs::of(site, catalog));
        Judge { site, catalog, needs, firewalls, flows, names, zones, hosted, worked_out }
    }

    /// What was worked out so far.
    pub(crate) fn worked_out(&self) -> WorkedOut {
        self.worked_out.clone()
    }

    /// The same site with other rules for one firewall.
    pub(crate) fn with(&self, index: usize, firewall: &'a Firewall) -> Judge<'a> {
        let mut judge = Judge {
            site: self.site,
            catalog: self.catalog,
            needs: Arc::clone(&self.needs),
            firewalls: self.firewalls.clone(),
            flows: self.flows.clone(),
            names: self.names.clone(),
            zones: self.zones.clone(),
            hosted: self.hosted.clone(),
            worked_out: WorkedOut::default(),
        };
        judge.names.extend(Flow::names(&firewall.rules));
        judge.flows[index] = Some(Arc::new(Flow::new(&firewall.rules, index as u64, true)));
        judge.firewalls[index] = Some(firewall);
        judge
    }

    /// The device's ends: its addresses that are in a zone.
    pub(crate) fn nears(&self, device: usize) -> Vec<Near> {
        let addresses = &self.site.devices[device].addresses;
        if addresses.is_empty() {
            // Nobody said where it is: in the last zone of a made-up site.
            let zone = self.site.zones.len().saturating_sub(1);
            let any = |family| Near { family, addresses: unicast(family), zone };
            return vec![any(Family::V4), any(Family::V6)];
        }
        let near = |address: &std::net::IpAddr| {
            let (family, number) = Family::of(*address);
            Some(Near { family, addresses: Set::one(number), zone: self.site.zone_of(*address)? })
        };
        addresses.iter().filter_map(near).collect()
    }

    /// All flows of a device's rows, each with its near end.
    pub(crate) fn flows(&self, device: usize) -> Vec<(Near, Need<'a>)> {
        let mut flows = Vec::new();
        for near in self.nears(device) {
            let own = self.needs.flows(device, near.zone).into_iter();
            flows.extend(own.map(|flow| (near.clone(), flow)));
        }
        for flow in self.needs.flows_of_others(device) {
            for family in [Family::V4, Family::V6] {
                let places = flow.host.iter().flat_map(|host| &host.places);
                let nears: Vec<Near> = places
                    .map(|far| Near { family, addresses: far.addresses(family).clone(), zone: far.zone })
                    .filter(|near| !near.addresses.is_empty())
                    .collect();
                flows.extend(nears.into_iter().map(|near| (near, flow.clone())));
            }
        }
        flows
    }

    /// The firewall of an index that an answer names.
    pub(crate) fn firewall(&self, index: usize) -> Option<&'a Firewall> {
        *self.firewalls.get(index)?
    }

    /// The flow engine of a firewall.
    pub(crate) fn flow(&self, index: usize) -> Option<&Flow<'a>> {
        self.flows.get(index)?.as_deref()
    }

    /// A store for sets of packets in which all interface names of the site can be told apart.
    pub(crate) fn spaces(&self, family: Family, limit: u64) -> Spaces {
        Spaces::new(family, self.names.iter().cloned(), limit)
    }

    /// The addresses of a zone.
    pub(crate) fn addresses(&self, zone: ZoneId, family: Family) -> &Set {
        &self.zones[zone][family as usize]
    }

    /// The firewalls around an address of a device, where none of those that were read speaks of its family.
    pub(crate) fn silent(&self, device: usize, near: &Near) -> Vec<usize> {
        let end = End { zone: near.zone, device: Some(device) };
        let paths =
            (0..self.site.zones.len()).filter_map(|zone| self.site.path(End { zone, device: None }, end));
        let mut around: Vec<usize> = paths.flatten().map(|crossing| crossing.firewall).collect();
        around.retain(|at| self.firewall(*at).is_some());
        around.sort_unstable();
        around.dedup();
        let heard = |at: &usize| self.firewall(*at).is_some_and(|firewall| firewall.speaks(near.family));
        if around.iter().any(heard) { Vec::new() } else { around }
    }
}

impl Firewall {
    /// The interfaces that the rules name one by one, but for the loopback.
    pub(crate) fn interfaces(&self) -> Set {
        let singles = Flow::names(&self.rules).into_iter().filter_map(|set| set.single());
        let names = Set::of(singles.filter(|name| *name != 0).map(|name| (name, name)));
        names.minus(&loopbacks())
    }

    /// Whether its files speak of a family.
    pub(crate) fn speaks(&self, family: Family) -> bool {
        match family {
            Family::V4 => self.rules.v4,
            Family::V6 => self.rules.v6,
        }
    }
}

/// One thread's work: sets of packets, and the journeys that were worked out with them.
pub(crate) struct Desk<'j, 'a> {
    judge: &'j Judge<'a>,
    /// One for each family.
    stores: Vec<Store>,
}

struct Store {
    spaces: Spaces,
    journeys: FxHashMap<JourneyKey, Option<Arc<Journey>>>,
}

impl Store {
    fn new(judge: &Judge<'_>, family: Family) -> Store {
        Store { spaces: judge.spaces(family, 0), journeys: FxHashMap::default() }
    }
}

impl Drop for Desk<'_, '_> {
    fn drop(&mut self) {
        if let Ok(mut left) = self.judge.worked_out.0.lock() {
            left.push(std::mem::take(&mut self.stores));
        }
    }
}

impl<'j, 'a> Desk<'j, 'a> {
    /// A desk, with what an earlier one worked out.
    pub(crate) fn new(judge: &'j Judge<'a>) -> Self {
        let left = judge.worked_out.0.lock().ok().and_then(|mut left| left.pop());
        let stores =
            left.unwrap_or_else(|| [Family::V4, Family::V6].map(|family| Store::new(judge, family)).into());
        Desk { judge, stores }
    }

    /// The judge whose questions are answered here.
    pub(crate) fn judge(&self) -> &'j Judge<'a> {
        self.judge
    }

    /// What becomes of a leg for one address, transport and party; `None` where no firewall that was read
    /// stands between, or none of its files speaks of the address's family.
    pub(crate) fn judge_leg(
        &mut self,
        ask: &Ask<'_>,
        party: &Party,
        kind: Kind,
        want: Want,
    ) -> Option<Answer> {
        let places = self.places(ask, party);
        let mut answers: Vec<Answer> = Vec::with_capacity(places.len());
        let mut asked: Vec<&Far> = Vec::with_capacity(places.len());
        for far in &places {
            let answer = self.answer(ask, far, kind, want)?;
            // Where nothing gets through, there is nothing to answer.
            if kind == Kind::Reply && answer.asked.is_empty() {
                continue;
            }
            asked.push(far);
            let enough = answer.open.covers(&answer.asked) && want != Want::Openings;
            if enough {
                return Some(answer);
            }
            answers.push(answer);
        }
        self.explained(ask, &asked, kind, want, answers)
    }

    /// Likewise for new connections from those places alone that a firewall which was read keeps apart from the
    /// device: what it lets through it lets through, whoever reaches the device on other ways.
    pub(crate) fn let_through(&mut self, ask: &Ask<'_>, party: &Party) -> Option<Answer> {
        let kept: Vec<(&Far, Answer)> = self
            .places(ask, party)
            .into_iter()
            .filter_map(|far| Some((far, self.answer(ask, far, Kind::First, Want::Openings)?)))
            .collect();
        let (places, answers): (Vec<&Far>, Vec<Answer>) = kept.into_iter().unzip();
        self.explained(ask, &places, Kind::First, Want::Openings, answers)
    }

    /// The answers of several places in one; with who decides, where there is something to say.
    fn explained(
        &mut self,
        ask: &Ask<'_>,
        places: &[&Far],
        kind: Kind,
        want: Want,
        mut answers: Vec<Answer>,
    ) -> Option<Answer> {
        let total = any_of(answers.clone())?;
        if !want.is_met(&total) {
            return Some(total);
        }
        let family = ask.near.family;
        let met = |(_, answer): &(&&Far, &mut Answer)| want.is_met(answer);
        let mut met: Vec<(&&Far, &mut Answer)> = places.iter().zip(&mut answers).filter(met).collect();
        if want == Want::Faults {
            // Who stops the most is told of the place with the most addresses.
            met.sort_by_key(|(far, _)| std::cmp::Reverse(far.addresses(family).count()));
            met.truncate(1);
        }
        for (far, answer) in met {
            self.explain(ask, far, kind, answer);
        }
        any_of(answers)
    }

    /// A party's places that a path leads to.
    fn places<'p>(&self, ask: &Ask<'_>, party: &'p Party) -> Vec<&'p Far> {
        let near = End { zone: ask.near.zone, device: ask.device };
        let leads = |far: &&Far| {
            let there = End { zone: far.zone, device: far.device };
            let path = match ask.leg {
                Leg::ToDevice => self.judge.site.path(there, near),
                Leg::FromDevice => self.judge.site.path(near, there),
            };
            !far.addresses(ask.near.family).is_empty() && path.is_some()
        };
        party.places.iter().filter(leads).collect()
    }

    /// Makes room where much was kept.
    fn tidy(&mut self, family: Family) {
        let store = &mut self.stores[family as usize];
        if store.spaces.size() > DESK_SIZE {
            *store = Store::new(self.judge, family);
        }
    }
}

/// The answer for somebody who may be in any of several places.
fn any_of(answers: Vec<Answer>) -> Option<Answer> {
    let mut total = answers.into_iter().reduce(|mut total, other| {
        total.or(other);
        total
    })?;
    for names in [&mut total.depends_on, &mut total.assumes] {
        names.sort();
        names.dedup();
    }
    Some(total)
}

/// The protocol number of a transport.
pub(crate) fn number(transport: Transport) -> u8 {
    match transport {
        Transport::Tcp => proto::TCP,
        Transport::Udp => proto::UDP,
    }
}
