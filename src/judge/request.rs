//! Requests: that all packets from some addresses to some get through, and are answered.

use super::answer::{Look, along};
use super::journey::{Host, Journey, JourneyKey, Kind, Named, Stop, Trip};
use super::{Answer, Desk, Example, JOURNEY_LIMIT, Judge, Share, Step};
use crate::model::Way;
use crate::packet::{Family, Field, Set, Space};
use crate::site::{Crossing, End, Far};

/// Addresses by which a host is dialled, of which one has to do.
const MOST_DIALLED: u128 = 16;
/// Parts of a request that are told apart.
const MOST_PARTS: usize = 48;

/// What is asked for: new connections of one protocol.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Request {
    /// Where they come from.
    pub from: Far,
    /// Where they go.
    pub to: Far,
    /// The address that whoever opens them dials; else one by which the far end is known there.
    pub dialled: Option<u128>,
    /// The family.
    pub family: Family,
    /// The protocol number.
    pub protocol: u8,
    /// Destination ports, or types of ICMP.
    pub ports: Set,
    /// The answers have to come back.
    pub answered: bool,
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    /// No firewall stands between.
    Free,
    /// There are several ways, and the site file does not say which is taken.
    NoPath,
    /// The files of this firewall do not speak of the family.
    Silent(usize),
    /// It would have taken too much work.
    GivenUp,
    /// This.
    Judged(Box<Fares>),
}

/// How packets fare.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fare {
    /// They get through and are answered, whatever is not known.
    Open,
    /// They do not get through.
    Closed,
    /// They get through, and their answers do not.
    Unanswered,
    /// It depends.
    Depends,
}

/// Packets of a request that fare alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Part {
    /// How they fare.
    pub fare: Fare,
    /// Who sends them.
    pub sources: Set,
    /// To which addresses.
    pub destinations: Set,
    /// To which ports, or of which types.
    pub ports: Set,
    /// It is all packets from these to those; else some of them.
    pub whole: bool,
}

/// A firewall on the way.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    /// Index into the site's firewalls.
    pub firewall: usize,
    /// Who lets packets through here, the largest share first.
    pub lets: Vec<Share>,
    /// Who stops them.
    pub stops: Vec<Share>,
    /// Who stops the answers.
    pub mutes: Vec<Share>,
}

/// What becomes of all packets of a request.
#[derive(Clone, Debug)]
pub(crate) struct Fares {
    /// The addresses that packets come from.
    pub sources: Set,
    /// Those that they are sent to.
    pub dialled: Set,
    /// All packets, in parts.
    pub parts: Vec<Part>,
    /// The firewalls on the way, in order.
    pub gates: Vec<Gate>,
    /// First packets: who stops them for certain, who may, and on what that depends.
    pub first: Answer,
    /// The answers to those that get through.
    pub reply: Answer,
    /// What it depends on.
    pub depends_on: Vec<String>,
    /// The way of one packet: of one that is in trouble, where one is.
    pub steps: Vec<Step>,
}

impl Fares {
    /// Whether some packets fare so.
    pub(crate) fn has(&self, fare: Fare) -> bool {
        self.parts.iter().any(|part| part.fare == fare)
    }

    /// How much is open, for comparing.
    fn rank(&self) -> u8 {
        match (self.has(Fare::Open), self.parts.iter().all(|part| part.fare == Fare::Open)) {
            (_, true) => 3,
            (true, _) => 2,
            (false, _) => u8::from(!self.has(Fare::Closed)),
        }
    }
}

impl Judge<'_> {
    /// The addresses of a zone that nobody behind the firewalls of a path has: what these keep for themselves, and what no
    /// router forwards.
    fn never_forwarded(&self, family: Family, path: &[Crossing]) -> Set {
        let routers = path.iter().filter(|crossing| crossing.way == Way::Forward);
        let kept = routers.filter_map(|crossing| self.firewall(crossing.firewall));
        let kept = kept.fold(Set::empty(), |all, router| all.or(&router.rules.delivered_set(family)));
        kept.or(&family.unforwardable())
    }
}

impl Desk<'_, '_> {
    /// What becomes of a request.
    pub(crate) fn requested(&mut self, request: &Request) -> Asked {
        let judge = self.judge;
        let end = |far: &Far| End { zone: far.zone, device: judge.hosted(far.device) };
        let (from, to) = (end(&request.from), end(&request.to));
        let Some(path) = judge.site.path(from, to) else { return Asked::NoPath };
        if path.is_empty() {
            return Asked::Free;
        }
        let silent = |crossing: &&Crossing| {
            judge.firewall(crossing.firewall).is_none_or(|firewall| !firewall.speaks(request.family))
        };
        if let Some(silent) = path.iter().find(silent) {
            return Asked::Silent(silent.firewall);
        }
        let mut best: Option<Box<Fares>> = None;
        for (host, named) in self.hosts_of(request, &path) {
            let key =
                JourneyKey { from: (from.zone, from.device), to: (to.zone, to.device), named, announced: 0 };
            let Some(fares) = self.fares(request, &path, &key, host) else { return Asked::GivenUp };
            if best.as_ref().is_none_or(|best| fares.rank() > best.rank()) {
                best = Some(Box::new(fares));
            }
        }
        best.map_or(Asked::GivenUp, Asked::Judged)
    }

    /// The far end of a request, once for each address by which it is dialled.
    fn hosts_of(&self, request: &Request, path: &[Crossing]) -> Vec<(Host, Named)> {
        let own = request.to.addresses(request.family);
        let (Some(number), true) = (own.single(), self.judge.site.is_everything_else(request.from.zone))
        else {
            return vec![(Host { dialled: own.clone(), own: own.clone() }, Named::From)];
        };
        let known = match request.to.device {
            Some(device) => self.judge.dialled(device, request.family, number, path),
            None => self.judge.mapped(request.family, number, path),
        };
        let known = match request.dialled.filter(|dialled| known.contains(*dialled)) {
            Some(dialled) => Set::one(dialled),
            None => known,
        };
        let host = |dialled: Set| (Host { dialled, own: own.clone() }, Named::To);
        if known.count() > MOST_DIALLED {
            return vec![host(known)];
        }
        let all = known.ranges().iter().flat_map(|(lo, hi)| *lo..=*hi);
        all.map(|one| host(Set::one(one))).collect()
    }

    fn fares(&mut self, request: &Request, path: &[Crossing], key: &JourneyKey, host: Host) -> Option<Fares> {
        let (judge, family) = (self.judge, request.family);
        self.tidy(family);
        let spaces = &mut self.stores[family as usize].spaces;
        spaces.allow(JOURNEY_LIMIT);
        let mut trip = Trip { judge, spaces, family, key };
        let kept = judge.never_forwarded(family, path);
        let but = |addresses: &Set| match addresses.single() {
            Some(_) => addresses.clone(),
            None => addresses.minus(&kept),
        };
        let (sources, dialled) = (but(request.from.addresses(family)), but(&host.dialled));
        let packets = trip.packets(sources.clone(), dialled.clone(), &[request.protocol]);
        let ports = trip.spaces.test(along(request.protocol), &request.ports);
        let packets = trip.spaces.and(packets, ports);
        let journey = trip.through(path, packets, &[host]).filter(|_| !packets.is_none())?;
        if journey.given_up {
            return None;
        }
        let (region, along) = (journey.all, along(request.protocol));
        let mut look = Look { spaces, journey: &journey, region, along };
        let fares = look.fares(request, [sources, dialled]);
        (!spaces.exhausted()).then_some(fares)
    }
}

impl Look<'_> {
    fn fares(&mut self, request: &Request, ends: [Set; 2]) -> Fares {
        let mut parts = Vec::new();
        let [open, closed, unanswered, depends] = self.by_fare(request);
        let kinds = [Fare::Open, Fare::Closed, Fare::Unanswered, Fare::Depends];
        for (fare, space) in kinds.into_iter().zip([open, closed, unanswered, depends]) {
            self.parts(fare, space, (request, &ends), &mut parts);
        }
        let first = self.who(request, Kind::First);
        let reply = if request.answered { self.who(request, Kind::Reply) } else { Answer::default() };
        let mut depends_on = first.depends_on.clone();
        depends_on.extend(reply.depends_on.iter().filter(|name| !first.depends_on.contains(name)).cloned());
        if !depends.is_none() && depends_on.is_empty() {
            depends_on.push("which source port the sender takes".to_string());
        }
        let example = match (closed.is_none() && depends.is_none(), unanswered.is_none()) {
            (false, _) => Example::Stopped,
            (true, false) => Example::Unanswered,
            (true, true) => Example::Answered,
        };
        let steps = self.steps(example, false);
        let [sources, dialled] = ends;
        Fares { sources, dialled, parts, gates: self.gates(request), first, reply, depends_on, steps }
    }

    /// All packets by how they fare, whatever their source ports are.
    fn by_fare(&mut self, request: &Request) -> [Space; 4] {
        let (first, back) = (self.journey.fates, self.journey.answers);
        let all = self.spaces.possibly(first.all);
        let all = match self.spaces.level(Field::Sport) {
            Some(sport) => self.spaces.without(all, &[sport]),
            None => all,
        };
        let arrived = first.by_port.open;
        let (open, unanswered) = match request.answered {
            true => {
                let mute = self.spaces.minus(arrived, back.by_port.some);
                (self.spaces.and(arrived, back.by_port.open), mute)
            }
            false => (arrived, Space::NONE),
        };
        let closed = self.spaces.minus(all, first.by_port.some);
        let known = self.spaces.union([open, unanswered, closed]);
        [open, closed, unanswered, self.spaces.minus(all, known)]
    }

    fn parts(
        &mut self,
        fare: Fare,
        space: Space,
        (request, ends): (&Request, &[Set; 2]),
        parts: &mut Vec<Part>,
    ) {
        if space.is_none() {
            return;
        }
        let family = request.family;
        let fields = [Field::src(family), Field::dst(family), self.along];
        let levels: Vec<_> = fields.into_iter().filter_map(|field| self.spaces.level(field)).collect();
        let space = self.spaces.only(space, &levels);
        let asked = |field: Field, set: Option<Set>| {
            let all = match field {
                field if field == Field::src(family) => &ends[0],
                field if field == Field::dst(family) => &ends[1],
                _ => &request.ports,
            };
            set.map_or(all.clone(), |set| set.and(all))
        };
        let made = |[sources, destinations, ports]: [Set; 3], whole| Part {
            fare,
            sources,
            destinations,
            ports,
            whole,
        };
        match self.spaces.rows(space, MOST_PARTS) {
            Some(rows) => parts.extend(rows.into_iter().map(|row| {
                let of = |field: Field| row.fields.iter().find(|(known, _)| *known == field);
                made(fields.map(|field| asked(field, of(field).map(|(_, set)| set.clone()))), true)
            })),
            None => {
                let sets = fields.map(|field| {
                    let level = self.spaces.level(field);
                    asked(field, level.map(|level| self.spaces.hull(space, level)))
                });
                parts.push(made(sets, false));
            }
        }
    }

    /// Who stops packets, or their answers.
    fn who(&mut self, request: &Request, kind: Kind) -> Answer {
        let fates = *self.fates(kind);
        let never = self.spaces.minus(fates.all, fates.possible);
        let depends = self.spaces.minus(fates.possible, fates.certain);
        let [open, blocked, depends] = [fates.certain, never, depends].map(|space| {
            let here = self.spaces.and(space, self.region);
            self.values(here).and(&request.ports)
        });
        let mut answer = Answer { asked: request.ports.clone(), open, blocked, depends, ..Answer::default() };
        self.explain(&mut answer, kind);
        answer
    }

    fn gates(&mut self, request: &Request) -> Vec<Gate> {
        let journey: &Journey = self.journey;
        let known = |firewall: usize, spaces: &mut crate::packet::Spaces, by, space| {
            let space = spaces.usually(space);
            Stop { firewall, by, astray: false, space }
        };
        let mut gates = Vec::new();
        for leg in &journey.legs {
            let of_leg = |stop: &&Stop| stop.firewall == leg.firewall;
            let passes = leg.passage.passes.iter();
            let lets: Vec<Stop> =
                passes.map(|pass| known(leg.firewall, self.spaces, pass.by, pass.space)).collect();
            let stops: Vec<Stop> = journey.stops.iter().filter(of_leg).copied().collect();
            let mutes: Vec<Stop> = journey.unanswered.iter().filter(of_leg).copied().collect();
            let stopped = self.spaces.and(journey.stopped, self.region);
            gates.push(Gate {
                firewall: leg.firewall,
                lets: self.shares(lets, self.region),
                stops: self.shares(stops, stopped),
                mutes: if request.answered { self.shares(mutes, journey.unheard) } else { Vec::new() },
            });
        }
        gates
    }
}
