//! Questions answered from journeys.

use std::rc::Rc;

use super::journey::{Journey, JourneyKey, Kind, Named, interface_levels};
use super::{Answer, Ask, Desk, Share, Store, Witness};
use crate::analysis::Decider;
use crate::packet::{Field, Level, Set, Space, Spaces, proto};
use crate::site::{Far, Leg};

/// What a report says where the analysis was given up.
pub const GIVEN_UP: &str = "more cases than the analysis follows";

impl Desk<'_, '_> {
    /// The answer for one place; `None` where no firewall that was read stands between.
    pub(super) fn answer(&mut self, ask: &Ask<'_>, far: &Far, kind: Kind) -> Option<Answer> {
        let (journey, region) = self.asked(ask, far, kind)?;
        if journey.given_up {
            return Some(given_up(ask.ports));
        }
        let along = along(ask.protocol);
        let store = &mut self.stores[ask.near.family as usize];
        store.spaces.allow(super::JOURNEY_LIMIT);
        let mut view = Look { spaces: &mut store.spaces, journey: &journey, region, along };
        let answer = view.answer(ask.ports, kind);
        Some(if store.spaces.exhausted() { given_up(ask.ports) } else { answer })
    }

    /// Whether everybody of several places gets through for certain on all ports: then there is nothing to say.
    pub fn all_pass(&mut self, ask: &Ask<'_>, places: &[&Far], with_answers: bool) -> bool {
        let Some(first) = places.first() else { return true };
        let mut far = Far { zone: first.zone, device: first.device, v4: Set::empty(), v6: Set::empty() };
        far.v4 = places.iter().fold(Set::empty(), |set, place| set.or(&place.v4));
        far.v6 = places.iter().fold(Set::empty(), |set, place| set.or(&place.v6));
        let Some((journey, region)) = self.asked(ask, &far, Kind::First) else { return false };
        if journey.given_up {
            return false;
        }
        let store: &mut Store = &mut self.stores[ask.near.family as usize];
        store.spaces.allow(super::JOURNEY_LIMIT);
        let spaces = &mut store.spaces;
        let entering = spaces.and(journey.all, region);
        let stopped = spaces.and(journey.stopped, region);
        let silent =
            with_answers && journey.unanswered.iter().any(|(_, _, space)| spaces.meets(*space, entering));
        stopped.is_none() && !silent && !entering.is_none() && !spaces.exhausted()
    }

    /// The journey that a question is about, and the packets of it that the question means.
    pub(super) fn asked(&mut self, ask: &Ask<'_>, far: &Far, kind: Kind) -> Option<(Rc<Journey>, Space)> {
        let family = ask.near.family;
        let site = self.judge.site;
        let hosted = |device: Option<usize>| {
            device.filter(|device| site.firewalls.iter().any(|firewall| firewall.host == Some(*device)))
        };
        let near = (ask.near.zone, hosted(Some(ask.device)));
        let there = (far.zone, hosted(far.device));
        let announced = match kind {
            Kind::Announced(crossings) => crossings,
            Kind::First | Kind::Reply => 0,
        };
        let (from, to, named) = match ask.leg {
            Leg::ToDevice => (there, near, Named::To),
            Leg::FromDevice => (near, there, Named::From),
        };
        let key = JourneyKey { from, to, named, announced };
        let journey = self.journey(key.clone(), family)?;
        let near_addresses = match ask.leg {
            Leg::ToDevice if ask.near.addresses.single().is_some() => self.dialled_by(ask, &key),
            _ => ask.near.addresses.clone(),
        };
        let far_addresses = far.addresses(family);
        let (src, dst) = match ask.leg {
            Leg::ToDevice => (far_addresses, &near_addresses),
            Leg::FromDevice => (&near_addresses, far_addresses),
        };
        let spaces = &mut self.stores[family as usize].spaces;
        let mut region = spaces.test(Field::Proto, &Set::one(ask.protocol.into()));
        for (field, set) in
            [(Field::src(family), src), (Field::dst(family), dst), (along(ask.protocol), ask.ports)]
        {
            let side = spaces.test(field, set);
            region = spaces.and(region, side);
        }
        if let Some(from) = ask.from {
            let side = spaces.test(Field::Sport, from);
            region = spaces.and(region, side);
        }
        Some((journey, region))
    }

    fn dialled_by(&self, ask: &Ask<'_>, key: &JourneyKey) -> Set {
        let site = self.judge.site;
        let own = ask.near.addresses.single().unwrap_or(0);
        if key.announced != 0 || !site.is_everything_else(key.from.0) {
            return ask.near.addresses.clone();
        }
        let from = crate::site::End { zone: key.from.0, device: key.from.1 };
        let to = crate::site::End { zone: key.to.0, device: key.to.1 };
        let path = site.path(from, to).unwrap_or_default();
        self.judge.dialled(ask.device, ask.near.family, own, &path)
    }
}

/// Nobody knows.
fn given_up(asked: &Set) -> Answer {
    Answer {
        asked: asked.clone(),
        unsure: asked.clone(),
        depends_on: vec![GIVEN_UP.to_string()],
        ..Answer::default()
    }
}

/// Along what the answer is given.
fn along(protocol: u8) -> Field {
    match protocol {
        proto::ICMP | proto::ICMPV6 => Field::IcmpType,
        _ => Field::Dport,
    }
}

/// One question to one journey.
struct Look<'s> {
    spaces: &'s mut Spaces,
    journey: &'s Journey,
    region: Space,
    along: Field,
}

/// How packets fare: as they come, without what nobody knows.
struct Fates {
    all: Space,
    possible: Space,
    certain: Space,
}

impl Look<'_> {
    fn answer(&mut self, asked: &Set, kind: Kind) -> Answer {
        let all = self.spaces.and(self.journey.all, self.region);
        if all.is_none() {
            return Answer::all_open(asked);
        }
        let usual = self.spaces.and(self.journey.usual, all);
        let (good, bad) = match kind {
            Kind::First | Kind::Announced(_) => (usual, self.spaces.and(self.journey.stopped, self.region)),
            // Answers are asked about where packets get through.
            Kind::Reply => {
                let stopped: Vec<Space> =
                    self.journey.unanswered.iter().map(|(_, _, space)| *space).collect();
                let stopped = self.spaces.union(stopped);
                (self.spaces.minus(usual, stopped), self.spaces.and(usual, stopped))
            }
        };
        let fates = self.fates(good, bad);
        let ports = self.ports(&fates, asked);
        let [open, partly, unsure] = ports;
        let blocked = asked.minus(&open).minus(&unsure);
        let mut answer = Answer {
            asked: asked.clone(),
            partly: partly.and(&blocked),
            open,
            blocked,
            unsure,
            ..Answer::default()
        };
        self.blame(&mut answer, &fates, kind);
        if !answer.unsure.is_empty() {
            let doubtful = self.spaces.minus(fates.possible, fates.certain);
            let part = self.at(doubtful, &answer.unsure);
            let hangs = self.spaces.and(good, part);
            // What honest packets have in common is nothing that it hangs on.
            let common =
                [Field::PktType, Field::Ext].into_iter().filter_map(|field| self.spaces.level(field));
            let hangs = self.spaces.without(hangs, &common.collect::<Vec<_>>());
            answer.depends_on = self.spaces.depends_on(hangs);
        }
        answer.assumes = self.assumed(all);
        answer
    }

    /// What was taken for granted where it decides.
    fn assumed(&mut self, all: Space) -> Vec<String> {
        let arrived = self.spaces.and(self.journey.arrived, all);
        let usual = self.spaces.and(self.journey.usual, all);
        if arrived == usual {
            Vec::new()
        } else {
            let on = self.spaces.depends_on(usual);
            self.spaces.depends_on(arrived).into_iter().filter(|name| !on.contains(name)).collect()
        }
    }

    /// Interfaces of which nobody says which it is count as unknown.
    fn unknowns(&self) -> Vec<Level> {
        interface_levels(self.spaces, self.journey.legs.len())
    }

    fn fates(&mut self, good: Space, bad: Space) -> Fates {
        let levels = self.unknowns();
        let [good, bad] = [good, bad].map(|space| {
            let known = self.spaces.possibly(space);
            self.spaces.without(known, &levels)
        });
        let all = self.spaces.or(good, bad);
        Fates { all, possible: good, certain: self.spaces.minus(good, bad) }
    }

    /// The ports that are open from somebody whatever his source port is, those that are so from some source
    /// ports, and those where it depends.
    fn ports(&mut self, fates: &Fates, asked: &Set) -> [Set; 3] {
        let Some(sport) = self.spaces.level(Field::Sport) else {
            return [Set::empty(), Set::empty(), Set::empty()];
        };
        // Who is in doubt from one source port, and open from all others, is in doubt.
        let never = self.spaces.minus(fates.all, fates.possible);
        let not_sure = self.spaces.minus(fates.all, fates.certain);
        let [anybody, never, not_sure, some] =
            [fates.all, never, not_sure, fates.possible].map(|space| self.spaces.without(space, &[sport]));
        let open = self.spaces.minus(anybody, not_sure);
        let doubtful = self.spaces.minus(anybody, never);
        let (open, doubtful, some) = (self.values(open), self.values(doubtful), self.values(some));
        let unsure = doubtful.minus(&open).and(asked);
        [open.and(asked), some.minus(&open).minus(&unsure), unsure]
    }

    fn values(&mut self, space: Space) -> Set {
        match self.spaces.level(self.along) {
            Some(level) => self.spaces.values(space, level),
            None => Set::empty(),
        }
    }

    fn at(&mut self, space: Space, ports: &Set) -> Space {
        let at = self.spaces.test(self.along, ports);
        self.spaces.and(space, at)
    }

    /// Who decides, and one packet to show it with.
    fn blame(&mut self, answer: &mut Answer, fates: &Fates, kind: Kind) {
        let stops = self.stops(kind);
        let never = self.spaces.minus(fates.all, fates.possible);
        let never = self.at(never, &answer.blocked);
        answer.blockers = self.shares(&stops, never);
        let doubtful = self.spaces.minus(fates.possible, fates.certain);
        let doubtful = self.at(doubtful, &answer.unsure);
        answer.doubters = self.shares(&stops, doubtful);
        let passes = self.passes();
        let open = self.at(fates.certain, &answer.open);
        answer.openers = self.shares(&passes, open);
        answer.granters = self.shares(&passes, doubtful);
        let shown = if never.is_none() { doubtful } else { never };
        answer.witness = self.witness(shown);
        answer.passes = self.witness(open);
    }

    /// Everything that stops packets on the way, or their answers.
    fn stops(&mut self, kind: Kind) -> Vec<(usize, Decider, bool, Space)> {
        if kind == Kind::Reply {
            return self.journey.unanswered.iter().map(|(at, by, space)| (*at, *by, false, *space)).collect();
        }
        let legs = self.journey.legs.iter();
        let refused = legs.flat_map(|leg| {
            leg.passage.refused.iter().map(|(by, _, space)| (leg.firewall, *by, false, *space))
        });
        let astray = self.journey.astray.iter().map(|(at, by, space)| (*at, *by, true, *space));
        refused.chain(astray).collect()
    }

    /// Who lets through what arrives: the firewall next to the destination, by what names it best.
    fn passes(&mut self) -> Vec<(usize, Decider, bool, Space)> {
        let Some(leg) = self.journey.legs.last() else { return Vec::new() };
        let mut passes: Vec<_> = leg.passage.passes.iter().enumerate().collect();
        passes.sort_by_key(|(at, pass)| std::cmp::Reverse((pass.weight, *at)));
        let mut rest = self.spaces.and(self.journey.usual, self.region);
        let mut found = Vec::new();
        for (_, pass) in passes {
            if rest.is_none() {
                break;
            }
            let part = self.spaces.and(rest, pass.space);
            if !part.is_none() {
                found.push((leg.firewall, pass.by, false, part));
                rest = self.spaces.minus(rest, part);
            }
        }
        found
    }

    /// Who decides about packets, the largest share first.
    fn shares(&mut self, by: &[(usize, Decider, bool, Space)], among: Space) -> Vec<Share> {
        if among.is_none() {
            return Vec::new();
        }
        let source = self.spaces.level(Field::src(self.spaces.family()));
        let mut shares: Vec<(f64, Share)> = Vec::new();
        for (firewall, by, astray, space) in by {
            let part = self.spaces.and(*space, among);
            if part.is_none() {
                continue;
            }
            let known = self.spaces.possibly(part);
            let size = self.spaces.share(known);
            let values = self.values(known);
            let sources = source.map_or(Set::empty(), |level| self.spaces.hull(known, level));
            let (firewall, by, astray) = (*firewall, *by, *astray);
            shares.push((size, Share { firewall, by, astray, values, sources }));
        }
        shares.sort_by(|a, b| b.0.total_cmp(&a.0));
        shares.into_iter().map(|(_, share)| share).collect()
    }

    fn witness(&mut self, space: Space) -> Option<Witness> {
        let leg = self.journey.legs.first()?;
        // The packet as it comes, with the interfaces that the rules look at.
        let whole = self.spaces.and(self.journey.all, space);
        let packet = self.spaces.witness(whole)?;
        Some(Witness { firewall: leg.firewall, way: leg.hop.way, packet })
    }
}
