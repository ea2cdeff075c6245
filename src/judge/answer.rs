//! Questions answered from journeys.

use std::sync::Arc;

use super::fates::Fates;
use super::journey::{Journey, JourneyKey, Kind, Leg as CrossedLeg, Named, Stop};
use super::{Answer, Ask, Desk, Share, Store, Witness};
use crate::analysis::flow::Expr;
use crate::packet::{Family, Field, Packet, Set, Space, Spaces, proto};
use crate::site::{Far, Leg, Party};

/// What a report says where the analysis was given up.
pub(super) const GIVEN_UP: &str = "more cases than the analysis follows";

/// Deciders of one answer that are named; where there are more, each has a small share.
const MOST_SHARES: usize = 24;

/// What a question is asked for: who decides is worked out only where there is something to say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Want {
    /// Which ports get through, and nothing else.
    Ports,
    /// What does not get through, and who stops it.
    Faults,
    /// What gets through, and who lets it.
    Openings,
}

impl Want {
    /// Whether there is something to say of an answer.
    pub(super) fn is_met(self, answer: &Answer) -> bool {
        match self {
            Want::Ports => false,
            Want::Faults => !(answer.blocked.is_empty() && answer.depends.is_empty()),
            Want::Openings => !(answer.open.is_empty() && answer.depends.is_empty()),
        }
    }
}

impl Desk<'_, '_> {
    /// Which ports get through from or to one place; `None` where no firewall that was read stands between.
    pub(super) fn answer(&mut self, ask: &Ask<'_>, far: &Far, kind: Kind, want: Want) -> Option<Answer> {
        self.look(ask, far, kind, |look| look.ports(ask, kind, want))
    }

    /// Adds to an answer for one place who decides.
    pub(super) fn explain(&mut self, ask: &Ask<'_>, far: &Far, kind: Kind, answer: &mut Answer) {
        let explained = self.look(ask, far, kind, |look| {
            let mut answer = answer.clone();
            look.explain(&mut answer, kind);
            answer
        });
        if let Some(explained) = explained {
            *answer = explained;
        }
    }

    fn look(
        &mut self,
        ask: &Ask<'_>,
        far: &Far,
        kind: Kind,
        question: impl FnOnce(&mut Look<'_>) -> Answer,
    ) -> Option<Answer> {
        let (journey, region) = self.asked(ask, far, kind)?;
        if journey.given_up {
            return Some(given_up(ask.ports));
        }
        let store = &mut self.stores[ask.near.family as usize];
        store.spaces.allow(super::JOURNEY_LIMIT);
        let mut look =
            Look { spaces: &mut store.spaces, journey: &journey, region, along: along(ask.protocol) };
        let answer = question(&mut look);
        Some(if store.spaces.exhausted() { given_up(ask.ports) } else { answer })
    }

    /// Whether everybody of several places gets through for certain on all ports, and is answered where that is
    /// asked for: then there is nothing to say.
    pub(crate) fn all_pass(&mut self, ask: &Ask<'_>, places: &[&Far], with_answers: bool) -> bool {
        let Some(far) = together(places) else { return true };
        let Some((journey, region)) = self.asked(ask, &far, Kind::First) else { return false };
        if journey.given_up {
            return false;
        }
        let store: &mut Store = &mut self.stores[ask.near.family as usize];
        store.spaces.allow(super::JOURNEY_LIMIT);
        let spaces = &mut store.spaces;
        let stopped = spaces.meets(journey.stopped, region);
        let unheard = with_answers && spaces.meets(journey.unheard, region);
        spaces.meets(journey.all, region) && !stopped && !unheard && !spaces.exhausted()
    }

    /// Parts parties in one place into those that fare alike on all ports, answers included: what is so of one is so
    /// of the others.
    pub(crate) fn alike<'p>(&mut self, ask: &Ask<'_>, parties: &[&'p Party]) -> Vec<Vec<&'p Party>> {
        let family = ask.near.family;
        let places: Vec<&Far> = parties.iter().flat_map(|party| &party.places).collect();
        let Some(far) = together(&places) else { return Vec::new() };
        let Some((journey, region)) = self.asked(ask, &far, Kind::First) else {
            return vec![parties.to_vec()];
        };
        let spaces = &mut self.stores[family as usize].spaces;
        let end = match ask.leg {
            Leg::ToDevice => Field::src(family),
            Leg::FromDevice => Field::dst(family),
        };
        let (Some(end), Some(along)) = (spaces.level(end), spaces.level(along(ask.protocol))) else {
            return vec![parties.to_vec()];
        };
        let mut fates: Vec<Vec<(Set, Set)>> = Vec::new();
        for fates_of in [&journey.fates, &journey.answers] {
            for space in [fates_of.by_port.open, fates_of.by_port.depends] {
                let here = spaces.and(space, region);
                match spaces.values_by(here, end, along) {
                    Some(groups) => fates.push(groups),
                    None => return parties.iter().map(|party| vec![*party]).collect(),
                }
            }
        }
        let mut classes: Vec<(Vec<Option<usize>>, Vec<&Party>)> = Vec::new();
        for party in parties {
            let address = party.places.first().and_then(|place| place.addresses(family).first());
            let fate: Vec<Option<usize>> = fates
                .iter()
                .map(|groups| {
                    groups.iter().position(|(set, _)| address.is_some_and(|address| set.contains(address)))
                })
                .collect();
            match classes.iter_mut().find(|(known, _)| *known == fate) {
                Some((_, class)) => class.push(party),
                None => classes.push((fate, vec![party])),
            }
        }
        classes.into_iter().map(|(_, class)| class).collect()
    }

    /// The journey that a question is about, and the packets of it that the question means.
    pub(super) fn asked(&mut self, ask: &Ask<'_>, far: &Far, kind: Kind) -> Option<(Arc<Journey>, Space)> {
        let family = ask.near.family;
        let announced = match kind {
            Kind::Announced(crossings) => crossings,
            Kind::First | Kind::Reply => 0,
        };
        let near = (ask.near.zone, self.judge.hosted(ask.device));
        let there = (far.zone, self.judge.hosted(far.device));
        let (from, to, named) = match ask.leg {
            Leg::ToDevice => (there, near, Named::To),
            Leg::FromDevice => (near, there, Named::From),
        };
        let key = JourneyKey { from, to, named, announced };
        let journey = self.journey(key.clone(), family)?;
        let near_addresses = match ask.leg {
            Leg::ToDevice => self.judge.dialled_as(ask, &key),
            Leg::FromDevice => ask.near.addresses.clone(),
        };
        let mut others = far.addresses(family).clone();
        if far.device.is_none() && ask.near.addresses.single().is_some() {
            // What a device says to itself crosses no network.
            others = others.minus(&ask.near.addresses);
        }
        let (src, dst) = match ask.leg {
            Leg::ToDevice => (&others, &near_addresses),
            Leg::FromDevice => (&near_addresses, &others),
        };
        let spaces = &mut self.stores[family as usize].spaces;
        let mut region = spaces.test(Field::Proto, &Set::one(ask.protocol.into()));
        let sides = [(along(ask.protocol), ask.ports), (Field::src(family), src), (Field::dst(family), dst)];
        for (field, set) in sides {
            let side = spaces.test(field, set);
            region = spaces.and(region, side);
        }
        if let Some(from) = ask.from {
            let side = spaces.test(Field::Sport, from);
            region = spaces.and(region, side);
        }
        Some((journey, region))
    }
}

/// Several places of one zone as one.
pub(crate) fn together(places: &[&Far]) -> Option<Far> {
    let first = places.first()?;
    let all = |family| Set::of(places.iter().flat_map(|place| place.addresses(family).ranges().to_vec()));
    Some(Far { zone: first.zone, device: first.device, v4: all(Family::V4), v6: all(Family::V6) })
}

/// Nobody knows.
fn given_up(asked: &Set) -> Answer {
    Answer {
        asked: asked.clone(),
        depends: asked.clone(),
        depends_on: vec![GIVEN_UP.to_string()],
        ..Answer::default()
    }
}

/// Along what the answer is given.
pub(crate) fn along(protocol: u8) -> Field {
    match protocol {
        proto::ICMP | proto::ICMPV6 => Field::IcmpType,
        _ => Field::Dport,
    }
}

/// One question to one journey.
pub(super) struct Look<'s> {
    pub spaces: &'s mut Spaces,
    pub journey: &'s Journey,
    pub region: Space,
    pub along: Field,
}

impl Look<'_> {
    pub(super) fn fates(&self, kind: Kind) -> &Fates {
        if kind == Kind::Reply { &self.journey.answers } else { &self.journey.fates }
    }

    /// The ports that are open from somebody whatever his source port is, those that are so from some source
    /// ports, and those where it depends.
    fn ports(&mut self, ask: &Ask<'_>, kind: Kind, want: Want) -> Answer {
        let asked = ask.ports;
        let fates = *self.fates(kind);
        let all = self.spaces.and(fates.all, self.region);
        if all.is_none() {
            return if kind == Kind::Reply { Answer::default() } else { Answer::all_open(asked) };
        }
        // Answers are asked about where packets get through.
        let asked = if kind == Kind::Reply { self.values(all).and(asked) } else { asked.clone() };
        let some_ports = ask.from.is_some();
        let by_port = if some_ports { fates.of(self.spaces, self.region) } else { fates.by_port };
        // Who wants to get in chooses a source port from which he does.
        let (open, depends) = match want {
            Want::Openings => (by_port.reached, by_port.some),
            Want::Ports | Want::Faults => (by_port.open, by_port.depends),
        };
        let among = if kind == Kind::Reply { self.reaching(some_ports) } else { self.region };
        let [open, depends, some] = [open, depends, by_port.some].map(|space| {
            let here = self.spaces.and(space, among);
            self.values(here).and(&asked)
        });
        let depends = depends.minus(&open);
        let blocked = asked.minus(&open).minus(&depends);
        Answer { asked, partly: some.and(&blocked), open, blocked, depends, ..Answer::default() }
    }

    /// The packets of which answers are asked: of somebody who gets through from every source port, on the ports on which
    /// there is one. That another one would be answered does not help him.
    fn reaching(&mut self, some_ports: bool) -> Space {
        let first = self.journey.fates;
        let by_port = if some_ports { first.of(self.spaces, self.region) } else { first.by_port };
        let open = self.spaces.and(by_port.open, self.region);
        let ports = self.values(open);
        let there = self.spaces.test(self.along, &ports);
        let elsewhere = self.spaces.minus(self.region, there);
        self.spaces.or(open, elsewhere)
    }

    pub(super) fn values(&mut self, space: Space) -> Set {
        match self.spaces.level(self.along) {
            Some(level) => self.spaces.values(space, level),
            None => Set::empty(),
        }
    }

    fn at(&mut self, space: Space, ports: &Set) -> Space {
        let at = self.spaces.test(self.along, ports);
        let at = self.spaces.and(at, self.region);
        self.spaces.and(space, at)
    }

    /// Who decides, on what it hangs, and one packet to show it with.
    pub(super) fn explain(&mut self, answer: &mut Answer, kind: Kind) {
        let fates = *self.fates(kind);
        let journey = self.journey;
        let stops = if kind == Kind::Reply { &journey.unanswered } else { &journey.stops };
        let never = self.spaces.minus(fates.all, fates.possible);
        let never = self.at(never, &answer.blocked);
        answer.blockers = self.shares(stops.iter().copied(), never);
        let depends = self.spaces.minus(fates.possible, fates.certain);
        let depends = self.at(depends, &answer.depends);
        answer.may_block = self.shares(stops.iter().copied(), depends);
        let open = self.at(fates.certain, &answer.open);
        answer.openers = self.passes(open);
        answer.may_open = self.passes(depends);
        let stopped_by = answer.blockers.first().or(answer.may_block.first()).map(|share| share.firewall);
        answer.witness = self.witness(if never.is_none() { depends } else { never }, stopped_by);
        let passed_by = answer.openers.first().map(|share| share.firewall);
        answer.passes = self.witness(open, passed_by);
        if !depends.is_none() {
            let hangs = self.spaces.and(self.journey.usual, depends);
            let hangs =
                if kind == Kind::Reply { self.spaces.minus(hangs, self.journey.unheard) } else { hangs };
            // What honest packets have in common is nothing that it hangs on.
            let common =
                [Field::PktType, Field::Ext].into_iter().filter_map(|field| self.spaces.level(field));
            let common: Vec<_> = common.collect();
            let hangs = self.spaces.without(hangs, &common);
            answer.depends_on = self.spaces.depends_on(hangs);
        }
        answer.assumes = self.assumed();
    }

    /// What was taken for granted where it decides.
    fn assumed(&mut self) -> Vec<String> {
        let arrived = self.spaces.and(self.journey.arrived, self.region);
        let usual = self.spaces.and(self.journey.usual, self.region);
        if arrived == usual {
            return Vec::new();
        }
        let on = self.spaces.depends_on(usual);
        self.spaces.depends_on(arrived).into_iter().filter(|name| !on.contains(name)).collect()
    }

    /// Who lets packets through, the largest share first: at the firewall next to the destination, by what names it best.
    fn passes(&mut self, among: Space) -> Vec<Share> {
        let Some(leg) = self.journey.legs.last() else { return Vec::new() };
        let among = self.spaces.and(among, self.journey.usual);
        let stops = leg.passage.passes.iter().map(|pass| Stop {
            firewall: leg.firewall,
            by: pass.by,
            astray: false,
            space: pass.space,
        });
        self.shares(stops, among)
    }

    /// Who decides about packets, the largest share first.
    pub(super) fn shares(&mut self, by: impl IntoIterator<Item = Stop>, among: Space) -> Vec<Share> {
        let source = self.spaces.level(Field::src(self.spaces.family()));
        let mut rest = among;
        let mut shares: Vec<(f64, Share)> = Vec::new();
        for stop in by {
            if rest.is_none() || shares.len() == MOST_SHARES {
                break;
            }
            let part = self.spaces.and(stop.space, rest);
            if part.is_none() {
                continue;
            }
            rest = self.spaces.minus(rest, part);
            let known = self.spaces.possibly(part);
            let size = self.spaces.share(known);
            let values = self.values(known);
            let sources = source.map_or(Set::empty(), |level| self.spaces.hull(known, level));
            let (firewall, by, astray) = (stop.firewall, stop.by, stop.astray);
            shares.push((size, Share { firewall, by, astray, values, sources }));
        }
        shares.sort_by(|a, b| b.0.total_cmp(&a.0));
        shares.into_iter().map(|(_, share)| share).collect()
    }

    /// One packet as it comes to a firewall, with the interfaces that the rules look at.
    pub(super) fn witness(&mut self, space: Space, firewall: Option<usize>) -> Option<Witness> {
        let journey = self.journey;
        let at = journey.legs.iter().position(|leg| Some(leg.firewall) == firewall).unwrap_or(0);
        let leg = journey.legs.get(at)?;
        let whole = self.spaces.and(journey.all, space);
        let mut packet = self.spaces.witness(whole)?;
        if at > 0 {
            packet = self.on_the_way(&packet, &journey.legs[at - 1])?;
        }
        for (field, side) in [(Field::Iif, &leg.hop.iif), (Field::Oif, &leg.hop.oif)] {
            let name = side.as_ref().and_then(Set::first).filter(|_| packet.get(field).known().is_none());
            if let Some(name) = name {
                packet.set(field, name);
            }
        }
        Some(Witness { firewall: leg.firewall, way: leg.hop.way, packet })
    }

    /// A packet as it leaves a firewall, with the addresses and ports that translation has given it.
    pub(super) fn on_the_way(&mut self, packet: &Packet, leg: &CrossedLeg) -> Option<Packet> {
        let family = self.spaces.family();
        let ends = [Field::src(family), Field::dst(family), Field::Sport, Field::Dport];
        let mut one = Space::ALL;
        for field in [Field::Proto, Field::IcmpType].into_iter().chain(ends) {
            if let Some(value) = packet.get(field).known() {
                let side = self.spaces.test(field, &Set::one(value));
                one = self.spaces.and(one, side);
            }
        }
        for class in leg.passage.passed.iter() {
            let part = self.spaces.and(class.space, one);
            if part.is_none() {
                continue;
            }
            let mut now = packet.clone();
            [Field::Iif, Field::Oif].into_iter().for_each(|field| now.forget(field));
            for field in ends {
                match class.ctrl.expr(self.spaces, field)? {
                    Expr::Const(value) => now.set(field, value),
                    Expr::At(level, delta) => {
                        let value = self.spaces.hull(part, level).first()?.wrapping_add(delta);
                        now.set(field, value & level.last());
                    }
                }
            }
            return Some(now);
        }
        None
    }
}
