//! Promises about all packets from one place to another.

use super::journey::{JourneyKey, Named, Trip};
use super::{Desk, JOURNEY_LIMIT, Witness};
use crate::analysis::Decider;
use crate::analysis::flow::{Class, Classes, Ctrl, Hop, Passage};
use crate::model::Way;
use crate::packet::{Family, Field, Set, Space, Spaces, State, proto};
use crate::site::{Crossing, End, Spot, unicast};

/// What is promised: of protocols and ports, that all of it gets through, or none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promise<'p> {
    /// Where the packets come from.
    pub from: &'p Spot,
    /// Where they go.
    pub to: &'p Spot,
    /// Protocols with their destination ports; `None` stands for all.
    pub traffic: &'p [(u8, Option<Set>)],
    /// All gets through, or nothing does.
    pub allow: bool,
}

/// Whether a promise is kept.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    /// For all packets, whatever is not known.
    Yes,
    /// No firewall that was read stands between.
    Free,
    /// Which way packets take is not known, or it would have taken too much work.
    Unknown,
    /// Not for this packet.
    No(Box<Broken>),
}

/// A packet that breaks a promise.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    /// Whether it does whatever is not known.
    pub certain: bool,
    /// On what it hangs.
    pub depends_on: Vec<String>,
    /// Index into the site's firewalls.
    pub firewall: usize,
    /// Who decides there.
    pub by: Decider,
    /// The packet, as it comes to the first firewall.
    pub witness: Option<Witness>,
}

/// A firewall that was crossed.
struct Leg {
    firewall: usize,
    hop: Hop,
    passage: Passage,
}

impl Desk<'_, '_> {
    /// Whether a promise is kept for packets of a family.
    pub(crate) fn kept(&mut self, promise: &Promise<'_>, family: Family) -> Kept {
        let judge = self.judge;
        let end = |spot: &Spot| End { zone: spot.zone, device: judge.hosted(spot.device) };
        let (from, to) = (end(promise.from), end(promise.to));
        let Some(path) = judge.site.path(from, to) else { return Kept::Unknown };
        let heard = |crossing: &&Crossing| {
            judge.firewall(crossing.firewall).is_some_and(|firewall| firewall.speaks(family))
        };
        if path.is_empty() {
            return Kept::Free;
        }
        let path: Vec<Crossing> = path.iter().filter(heard).cloned().collect();
        if path.is_empty() {
            return Kept::Unknown;
        }
        self.tidy(family);
        let key = JourneyKey {
            from: (from.zone, from.device),
            to: (to.zone, to.device),
            named: Named::To,
            announced: 0,
        };
        let spaces = &mut self.stores[family as usize].spaces;
        spaces.allow(JOURNEY_LIMIT);
        let mut trip = Trip { judge, spaces, family, key: &key };
        let Some((all, legs, arrived)) = trip.promised(promise, &path) else { return Kept::Unknown };
        let arrived = trip.spaces.usually(arrived);
        let answer = broken(trip.spaces, promise.allow, all, &legs, arrived);
        if trip.spaces.exhausted() {
            return Kept::Unknown;
        }
        answer.map_or(Kept::Yes, |broken| Kept::No(Box::new(broken)))
    }
}

impl<'j, 'a> Trip<'_, 'j, 'a> {
    /// All packets that a promise is about, what became of them firewall by firewall, and those that arrived.
    fn promised(&mut self, promise: &Promise<'_>, path: &[Crossing]) -> Option<(Space, Vec<Leg>, Space)> {
        let mut classes = self.meant(promise, path);
        let all = classes.union(self.spaces);
        let mut legs = Vec::new();
        for (number, crossing) in path.iter().enumerate() {
            let flow = self.judge.flow(crossing.firewall)?;
            let hop = self.hop(number, crossing, State::New);
            let passage = flow.run(self.spaces, &classes, &hop).ok()?;
            classes = passage.passed.clone();
            legs.push(Leg { firewall: crossing.firewall, hop, passage });
        }
        let right_way =
            if path.last().is_some_and(|last| last.way == Way::Input) { Way::Input } else { Way::Forward };
        let mut arrived = Space::NONE;
        for class in classes.iter() {
            let turned =
                path.last().is_some_and(|last| last.way != Way::Output) && class.ctrl.way != right_way;
            if turned {
                continue;
            }
            let there = self.there_now(class, promise);
            let there = self.spaces.as_came(there);
            arrived = self.spaces.or(arrived, there);
        }
        Some((all, legs, arrived))
    }

    /// The packets that a promise is about, as they are sent: to whatever address leads there where nothing may
    /// get through, else to the address by which the far end is known.
    fn meant(&mut self, promise: &Promise<'_>, path: &[Crossing]) -> Classes {
        let family = self.family;
        let mut src = promise.from.addresses.clone();
        for crossing in path.iter().filter(|crossing| crossing.way == Way::Forward) {
            if let Some(firewall) = self.judge.firewall(crossing.firewall) {
                src = src.minus(&firewall.rules.own_set(family));
            }
        }
        let outside = self.judge.site.is_everything_else(promise.from.zone);
        let dst = match promise.to.device {
            _ if !promise.allow => unicast(family),
            Some(device) if outside => {
                let own = promise.to.addresses.ranges().iter().flat_map(|(lo, hi)| *lo..=*hi);
                own.fold(Set::empty(), |all, own| all.or(&self.judge.dialled(device, family, own, path)))
            }
            _ => promise.to.addresses.clone(),
        };
        let mut kinds = Vec::new();
        for (protocol, ports) in promise.traffic {
            let mut kind = self.spaces.test(Field::Proto, &Set::one((*protocol).into()));
            let first = match *protocol {
                proto::TCP => Some((Field::TcpFlags, 2)),
                proto::ICMP => Some((Field::IcmpType, 8)),
                proto::ICMPV6 => Some((Field::IcmpType, 128)),
                _ => None,
            };
            let ports = ports.as_ref().filter(|_| promise.allow).map(|ports| (Field::Dport, ports.clone()));
            for (field, set) in first.map(|(field, value)| (field, Set::one(value))).into_iter().chain(ports)
            {
                let side = self.spaces.test(field, &set);
                kind = self.spaces.and(kind, side);
            }
            kinds.push(kind);
        }
        let mut space = self.spaces.union(kinds);
        for (field, set) in [
            (Field::src(family), src),
            (Field::dst(family), dst),
            (Field::State, Set::one(State::New as u128)),
            (Field::PktType, Set::one(0)),
        ] {
            let side = self.spaces.test(field, &set);
            space = self.spaces.and(space, side);
        }
        if family == Family::V6 {
            let plain = self.spaces.plain_headers();
            space = self.spaces.and(space, plain);
        }
        Classes::one(Class { space, ctrl: Ctrl::new(Way::Forward) })
    }

    /// Of a class, the packets that are now at the far end, on one of the ports.
    fn there_now(&mut self, class: &Class, promise: &Promise<'_>) -> Space {
        let family = self.family;
        let at = class.ctrl.reads(self.spaces, Field::dst(family), &promise.to.addresses);
        let mut kinds = Vec::new();
        for (protocol, ports) in promise.traffic {
            let mut kind = self.spaces.test(Field::Proto, &Set::one((*protocol).into()));
            if let Some(ports) = ports {
                let on = class.ctrl.reads(self.spaces, Field::Dport, ports);
                kind = self.spaces.and(kind, on);
            }
            kinds.push(kind);
        }
        let kinds = self.spaces.union(kinds);
        let there = self.spaces.and(at, kinds);
        self.spaces.and(class.space, there)
    }
}

/// A packet that breaks the promise, for certain where there is one.
fn broken(spaces: &mut Spaces, allow: bool, all: Space, legs: &[Leg], arrived: Space) -> Option<Broken> {
    let missed = spaces.minus(all, arrived);
    let (bad, good) = if allow { (missed, arrived) } else { (arrived, missed) };
    let (may_bad, may_good) = (spaces.possibly(bad), spaces.possibly(good));
    let certain = spaces.minus(may_bad, may_good);
    let shown = if certain.is_none() { may_bad } else { certain };
    if shown.is_none() {
        return None;
    }
    let bad = spaces.and(bad, shown);
    let (firewall, by, part) = decides(spaces, allow, legs, bad)?;
    let whole = spaces.and(all, part);
    let whole = spaces.possibly(whole);
    let first = legs.first()?;
    let mut packet = spaces.witness(whole)?;
    for (field, side) in [(Field::Iif, &first.hop.iif), (Field::Oif, &first.hop.oif)] {
        let name = side.as_ref().and_then(Set::first).filter(|_| packet.get(field).known().is_none());
        if let Some(name) = name {
            packet.set(field, name);
        }
    }
    let depends_on = if certain.is_none() { spaces.names_of_variables(bad) } else { Vec::new() };
    let witness = Some(Witness { firewall: first.firewall, way: first.hop.way, packet });
    Some(Broken { certain: !certain.is_none(), depends_on, firewall, by, witness })
}

/// Who decides about the largest part of the packets that break a promise.
fn decides(spaces: &mut Spaces, allow: bool, legs: &[Leg], bad: Space) -> Option<(usize, Decider, Space)> {
    let mut found: Vec<(f64, usize, Decider, Space)> = Vec::new();
    let mut note = |spaces: &mut Spaces, firewall: usize, by: Decider, part: Space| {
        if !part.is_none() {
            found.push((spaces.share(part), firewall, by, part));
        }
    };
    if allow {
        for leg in legs {
            for (by, _, space) in &leg.passage.refused {
                let part = spaces.and(bad, *space);
                note(spaces, leg.firewall, *by, part);
            }
        }
    } else {
        let last = legs.last()?;
        let mut rest = bad;
        for pass in last.passage.passes.iter() {
            let part = spaces.and(rest, pass.space);
            rest = spaces.minus(rest, part);
            note(spaces, last.firewall, pass.by, part);
        }
    }
    let largest = found.into_iter().max_by(|a, b| a.0.total_cmp(&b.0));
    match largest {
        Some((_, firewall, by, part)) => Some((firewall, by, part)),
        // Nobody refuses them: translation leads them elsewhere, or nothing does what would be needed.
        None => Some((legs.last()?.firewall, Decider::End, bad)),
    }
}
