//! All packets from one place to another, through the firewalls between.

use std::sync::Arc;

use super::fates::Fates;
use super::{Ask, Desk, JOURNEY_LIMIT, Judge};
use crate::analysis::flow::{Class, Classes, Ctrl, Expr, Hop, Passage, TooMuch, answers};
use crate::analysis::{Decider, Flow};
use crate::model::Way;
use crate::packet::{
    Family, Field, Level, Set, Space, Spaces, State, interface, interface_name, proto, states,
};
use crate::site::{Crossing, End, ZoneId, unicast};

/// The packets of a leg.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Kind {
    /// The first packet of a connection.
    First,
    /// The first answer.
    Reply,
    /// The first packet of a connection that another one announced, to the helpers of these firewalls: one bit
    /// for each crossing.
    Announced(u32),
}

/// At which end of a journey the hosts are that the site names; at the other end is everybody.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Named {
    /// Where the packets go.
    To,
    /// Where they come from.
    From,
}

/// Which journey: packets of one family from one end to another.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct JourneyKey {
    pub from: (ZoneId, Option<usize>),
    pub to: (ZoneId, Option<usize>),
    pub named: Named,
    /// The crossings where the packets are announced.
    pub announced: u32,
}

/// What became of packets at one firewall.
#[derive(Debug)]
pub(crate) struct Leg {
    /// Index into the site's firewalls.
    pub firewall: usize,
    /// How they crossed it.
    pub hop: Hop,
    /// What became of them.
    pub passage: Passage,
}

/// What became of all packets of a journey. All spaces are over the packets as they came to the first firewall.
#[derive(Debug)]
pub(crate) struct Journey {
    /// Firewall after firewall, as far as any packet came.
    pub legs: Vec<Leg>,
    /// All packets.
    pub all: Space,
    /// Those that arrived where they were meant to.
    pub arrived: Space,
    /// Those that arrived when all rates are kept.
    pub usual: Space,
    /// Those that did not, when all rates are kept: refused or led astray.
    pub stopped: Space,
    /// Who stops packets on the way, the largest share first.
    pub stops: Vec<Stop>,
    /// Who stops the answers to what arrives, likewise.
    pub unanswered: Vec<Stop>,
    /// All of these.
    pub unheard: Space,
    /// How packets fare.
    pub(super) fates: Fates,
    /// How the answers fare to those that arrive.
    pub(super) answers: Fates,
    /// The limits on work were hit: nothing is known.
    pub given_up: bool,
}

impl Journey {
    /// A journey that has not begun.
    fn of(all: Space) -> Self {
        Journey {
            legs: Vec::new(),
            all,
            arrived: Space::NONE,
            usual: Space::NONE,
            stopped: Space::NONE,
            stops: Vec::new(),
            unanswered: Vec::new(),
            unheard: Space::NONE,
            fates: Fates::NONE,
            answers: Fates::NONE,
            given_up: false,
        }
    }
}

/// Who stops packets, or lets them pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop {
    /// Index into the site's firewalls.
    pub firewall: usize,
    /// The rule or policy.
    pub by: Decider,
    /// It let them through to elsewhere: a translation, or who needed none.
    pub astray: bool,
    /// The packets.
    pub space: Space,
}

/// A host: the addresses by which others know it, and its own.
#[derive(Clone, Debug)]
pub(super) struct Host {
    pub dialled: Set,
    pub own: Set,
}

impl Judge<'_> {
    /// The hosts of a zone that the site names, as seen from another one.
    pub(super) fn hosts(&self, key: &JourneyKey, family: Family, path: &[Crossing]) -> Vec<Host> {
        let (zone, device) = if key.named == Named::To { key.to } else { key.from };
        let outside =
            key.named == Named::To && key.announced == 0 && self.site.is_everything_else(key.from.0);
        let mut hosts = Vec::new();
        for (at, placed) in self.site.devices.iter().enumerate() {
            if device.is_some_and(|device| device != at) {
                continue;
            }
            for address in
                placed.addresses.iter().filter(|address| self.site.zone_of(**address) == Some(zone))
            {
                let (of, own) = Family::of(*address);
                if of == family {
                    let dialled = if outside { self.dialled(at, family, own, path) } else { Set::one(own) };
                    hosts.push(Host { dialled, own: Set::one(own) });
                }
            }
            // Nobody said where it is: anywhere.
            if placed.addresses.is_empty() {
                hosts.push(Host { dialled: unicast(family), own: unicast(family) });
            }
        }
        let peers = self.site.peers.iter().filter_map(|peer| match &peer.place {
            crate::site::PeerPlace::Addresses(addresses) if device.is_none() => Some(addresses),
            _ => None,
        });
        for address in peers.flatten().filter(|address| self.site.zone_of(**address) == Some(zone)) {
            let (of, own) = Family::of(*address);
            if of == family {
                hosts.push(Host { dialled: Set::one(own), own: Set::one(own) });
            }
        }
        // Those of whom nobody says where in the zone they are.
        if device.is_none() && key.named == Named::From && self.needs.hosts_somewhere(zone) {
            let all = self.addresses(zone, family);
            hosts.push(Host { dialled: all.clone(), own: all.clone() });
        }
        hosts
    }

    /// The addresses by which the device of a question is dialled on a journey.
    pub(super) fn dialled_as(&self, ask: &Ask<'_>, key: &JourneyKey) -> Set {
        let Some(own) = ask.near.addresses.single() else { return ask.near.addresses.clone() };
        if key.announced != 0 || !self.site.is_everything_else(key.from.0) {
            return ask.near.addresses.clone();
        }
        let from = End { zone: key.from.0, device: key.from.1 };
        let to = End { zone: key.to.0, device: key.to.1 };
        let path = self.site.path(from, to).unwrap_or_default();
        ask.device.map_or(Set::one(own), |device| self.dialled(device, ask.near.family, own, &path))
    }

    /// A device on which a firewall runs.
    pub(crate) fn hosted(&self, device: Option<usize>) -> Option<usize> {
        device.filter(|device| self.hosted.contains(device))
    }

    /// Whether the outside, at `from`, dials the device at `to` by another address than its own.
    pub(crate) fn is_renamed(&self, from: End, to: End, family: Family, own: &Set) -> bool {
        let (Some(device), Some(own), true) =
            (to.device, own.single(), self.site.is_everything_else(from.zone))
        else {
            return false;
        };
        let path = self.site.path(from, to).unwrap_or_default();
        self.dialled(device, family, own, &path) != Set::one(own)
    }

    /// The addresses by which the outside knows a device: its public ones, or where nobody says them those that
    /// some firewall on the way translates to it, or its own.
    pub(crate) fn dialled(&self, device: usize, family: Family, own: u128, path: &[Crossing]) -> Set {
        let public = self.site.devices[device].public_addresses.iter().map(|a| Family::of(*a));
        let public = Set::of(public.filter(|(f, _)| *f == family).map(|(_, number)| (number, number)));
        if !public.is_empty() {
            return public;
        }
        self.mapped(family, own, path)
    }

    /// The addresses that firewalls on the way translate to a host, else its own.
    pub(super) fn mapped(&self, family: Family, own: u128, path: &[Crossing]) -> Set {
        let mut seen = Set::empty();
        for crossing in path.iter().filter(|crossing| crossing.way == Way::Forward) {
            if let Some(firewall) = self.firewall(crossing.firewall) {
                let before = firewall.rules.translated_from(family, own);
                let apart = before.minus(&firewall.rules.own_set(family));
                seen = seen.or(&if apart.is_empty() { before } else { apart.or(&Set::one(own)) });
            }
        }
        if seen.is_empty() { Set::one(own) } else { seen }
    }
}

impl Desk<'_, '_> {
    /// The journey of a key; `None` where no firewall that was read stands between, or no path is known.
    pub(super) fn journey(&mut self, key: JourneyKey, family: Family) -> Option<Arc<Journey>> {
        if let Some(known) = self.stores[family as usize].journeys.get(&key) {
            return known.clone();
        }
        self.tidy(family);
        let judge = self.judge;
        let from = End { zone: key.from.0, device: key.from.1 };
        let to = End { zone: key.to.0, device: key.to.1 };
        let path = judge.site.path(from, to)?;
        let store = &mut self.stores[family as usize];
        store.spaces.allow(JOURNEY_LIMIT);
        let mut trip = Trip { judge, spaces: &mut store.spaces, family, key: &key };
        let journey = trip.run(&path).map(Arc::new);
        store.journeys.insert(key, journey.clone());
        journey
    }
}

/// A journey that is being worked out.
pub(super) struct Trip<'t, 'j, 'a> {
    pub judge: &'j Judge<'a>,
    pub spaces: &'t mut Spaces,
    pub family: Family,
    pub key: &'t JourneyKey,
}

impl<'j, 'a> Trip<'_, 'j, 'a> {
    fn run(&mut self, path: &[Crossing]) -> Option<Journey> {
        let family = self.family;
        let hosts = self.judge.hosts(self.key, family, path);
        let dialled = Set::of(hosts.iter().flat_map(|host| host.dialled.ranges().to_vec()));
        let own = Set::of(hosts.iter().flat_map(|host| host.own.ranges().to_vec()));
        let everybody = |zone: ZoneId| self.judge.addresses(zone, family);
        let (src, dst) = match self.key.named {
            Named::To => (self.senders(everybody(self.key.from.0), path), dialled),
            Named::From => (own, everybody(self.key.to.0).clone()),
        };
        let icmp = if family == Family::V4 { proto::ICMP } else { proto::ICMPV6 };
        let packets = self.packets(src, dst, &[proto::TCP, proto::UDP, icmp]);
        self.through(path, packets, &hosts)
    }

    /// What becomes of packets on a path; `None` where no firewall on it speaks of their family.
    pub(super) fn through(&mut self, path: &[Crossing], all: Space, hosts: &[Host]) -> Option<Journey> {
        let crossed: Vec<(&Crossing, &'j Flow<'a>)> = path
            .iter()
            .filter(|crossing| {
                self.judge.firewall(crossing.firewall).is_some_and(|firewall| firewall.speaks(self.family))
            })
            .filter_map(|crossing| Some((crossing, self.judge.flow(crossing.firewall)?)))
            .collect();
        if crossed.is_empty() {
            return None;
        }
        let packets = Classes::one(Class { space: all, ctrl: Ctrl::new(Way::Forward) });
        let packets = self.as_rules_see(packets, &crossed);
        let mut journey = Journey::of(all);
        if self.cross(&crossed, packets, hosts, &mut journey).is_err() || self.spaces.exhausted() {
            journey = Journey { given_up: true, ..Journey::of(all) };
        }
        Some(journey)
    }

    /// Addresses without those of the firewalls on a path: nobody in a zone behind a firewall has one of its own.
    fn senders(&self, addresses: &Set, path: &[Crossing]) -> Set {
        let mut addresses = addresses.clone();
        for crossing in path.iter().filter(|crossing| crossing.way == Way::Forward) {
            if let Some(firewall) = self.judge.firewall(crossing.firewall) {
                addresses = addresses.minus(&firewall.rules.own_set(self.family));
            }
        }
        addresses
    }

    /// The packets that honest senders send: they start connections, and have no options.
    pub(super) fn packets(&mut self, src: Set, dst: Set, protocols: &[u8]) -> Space {
        let family = self.family;
        let mut kind = Space::NONE;
        for protocol in protocols {
            let mut fields = vec![(Field::Proto, Set::one((*protocol).into()))];
            fields.extend(match *protocol {
                proto::TCP => vec![(Field::TcpFlags, Set::one(2))],
                proto::ICMP => vec![(Field::IcmpType, Set::one(8)), (Field::IcmpCode, Set::one(0))],
                proto::ICMPV6 => vec![(Field::IcmpType, Set::one(128)), (Field::IcmpCode, Set::one(0))],
                _ => Vec::new(),
            });
            if proto::WITH_PORTS.contains(protocol) {
                fields.push((Field::Sport, Set::range(1024, 65535)));
            }
            let one = self.product(&fields);
            kind = self.spaces.or(kind, one);
        }
        let ends = self.product(&[
            (Field::src(family), src),
            (Field::dst(family), dst),
            (Field::State, states(&[State::New])),
            (Field::PktType, Set::one(0)),
        ]);
        let space = self.spaces.and(ends, kind);
        if family == Family::V4 {
            return space;
        }
        let plain = self.spaces.plain_headers();
        self.spaces.and(space, plain)
    }

    /// Packets without what no rule on the way looks at: it makes no difference, and sets stay smaller.
    fn as_rules_see(&mut self, packets: Classes, crossed: &[(&Crossing, &Flow<'a>)]) -> Classes {
        const SELDOM: [Field; 6] =
            [Field::Sport, Field::TcpFlags, Field::IcmpType, Field::IcmpCode, Field::PktType, Field::Ext];
        let seen_by = |flow: &Flow<'_>, field: Field| {
            let read = |field| flow.reads(field);
            // Answers go to the port that packets came from, and translation may change it.
            read(field) || field == Field::Sport && (read(Field::Dport) || !flow.rules().nats.is_empty())
        };
        let unseen =
            SELDOM.into_iter().filter(|field| !crossed.iter().any(|(_, flow)| seen_by(flow, *field)));
        let unseen: Vec<Level> = unseen.filter_map(|field| self.spaces.level(field)).collect();
        let mut seen = Classes::default();
        for Class { space, ctrl } in packets {
            let space = self.spaces.without(space, &unseen);
            seen.add(self.spaces, Class { space, ctrl });
        }
        seen
    }

    fn product(&mut self, fields: &[(Field, Set)]) -> Space {
        let mut product = Space::ALL;
        for (field, set) in fields {
            let side = self.spaces.test(*field, set);
            product = self.spaces.and(product, side);
        }
        product
    }

    fn cross(
        &mut self,
        crossed: &[(&Crossing, &Flow<'a>)],
        packets: Classes,
        hosts: &[Host],
        journey: &mut Journey,
    ) -> Result<(), TooMuch> {
        let mut packets = packets;
        for (number, (crossing, flow)) in crossed.iter().enumerate() {
            let state = if self.key.announced >> number & 1 == 1 { State::Related } else { State::New };
            let hop = self.hop(number, crossing, state);
            let passage = flow.run(self.spaces, &packets, &hop)?;
            packets = passage.passed.clone();
            let refused = self.spaces.union(passage.refused.iter().map(|(_, _, space)| *space));
            journey.stopped = self.spaces.or(journey.stopped, refused);
            journey.legs.push(Leg { firewall: crossing.firewall, hop, passage });
        }
        let last_way = crossed.last().map_or(Way::Forward, |(crossing, _)| crossing.way);
        let mut lost = Space::NONE;
        for class in packets.iter() {
            let there = self.there(class, hosts, last_way);
            let there = self.spaces.and(class.space, there);
            let elsewhere = self.spaces.minus(class.space, there);
            let (there, elsewhere) = (self.spaces.as_came(there), self.spaces.as_came(elsewhere));
            journey.arrived = self.spaces.or(journey.arrived, there);
            lost = self.spaces.or(lost, elsewhere);
        }
        journey.usual = self.spaces.usually(journey.arrived);
        journey.stopped = self.spaces.or(journey.stopped, lost);
        journey.stopped = self.spaces.usually(journey.stopped);
        self.blame_translation(lost, journey);
        self.come_back(crossed, journey)
    }

    /// The `number`-th crossing on the way, for first packets of this state.
    pub(super) fn hop(&self, number: usize, crossing: &Crossing, state: State) -> Hop {
        Hop {
            number,
            way: crossing.way,
            by_address: crossing.way == Way::Forward,
            loopback: false,
            iif: self.side(crossing, &crossing.iif),
            oif: self.side(crossing, &crossing.oif),
            fwd_oif: crossing.oif.clone(),
            state: Some(state),
            known: None,
        }
    }

    /// The interfaces on one side of a crossing: of a host of which nobody says them, the one that has the
    /// device's address, or those that its rules name, but for the loopback and those of virtual networks.
    pub(super) fn side(&self, crossing: &Crossing, side: &Option<Set>) -> Option<Set> {
        let side = side.as_ref()?;
        if crossing.way == Way::Forward {
            return Some(side.clone());
        }
        let firewall = self.judge.firewall(crossing.firewall)?;
        let host = self.judge.site.firewalls.get(crossing.firewall).and_then(|firewall| firewall.host);
        let addresses = host.map(|host| &self.judge.site.devices[host].addresses);
        let has = |own: &&crate::model::OwnAddress| {
            let address = own.family.address(own.address);
            !own.interface.is_empty() && addresses.is_some_and(|all| all.contains(&address))
        };
        if let Some(own) = firewall.rules.own.iter().find(has) {
            return Some(Set::one(interface(&own.interface)));
        }
        let named = firewall.interfaces();
        let real = named.ranges().iter().filter(|(name, _)| !is_virtual(&interface_name(*name)));
        let real = Set::of(real.copied());
        Some(if real.is_empty() { side.minus(&named) } else { real })
    }

    /// Of a class, the packets that are where they were meant to be: at the host that they were sent to, on the
    /// port that they were sent to.
    fn there(&mut self, class: &Class, hosts: &[Host], way: Way) -> Space {
        let family = self.family;
        let right_way = if way == Way::Input { Way::Input } else { Way::Forward };
        if way != Way::Output && class.ctrl.way != right_way {
            return Space::NONE;
        }
        let port = self.unmoved(class, Field::Dport);
        let dst = class.ctrl.expr(self.spaces, Field::dst(family));
        let address = match (dst, self.spaces.level(Field::dst(family))) {
            (Some(Expr::At(level, 0)), Some(own)) if level == own && self.key.named == Named::From => {
                Space::ALL
            }
            (Some(expr), Some(came)) if self.key.named == Named::To => {
                let mut there = Space::NONE;
                for host in hosts {
                    let sent = self.spaces.within(came, &host.dialled);
                    let now = self.reads(expr, &host.own);
                    let both = self.spaces.and(sent, now);
                    there = self.spaces.or(there, both);
                }
                there
            }
            _ => self.unmoved(class, Field::dst(family)),
        };
        self.spaces.and(address, port)
    }

    fn reads(&mut self, expr: Expr, set: &Set) -> Space {
        match expr {
            Expr::Const(value) if set.contains(value) => Space::ALL,
            Expr::Const(_) => Space::NONE,
            Expr::At(level, 0) => self.spaces.within(level, set),
            Expr::At(level, delta) => {
                let before = set.shifted(delta.wrapping_neg(), level.bits());
                self.spaces.within(level, &before)
            }
        }
    }

    /// The packets whose field is what it was when they came.
    fn unmoved(&mut self, class: &Class, field: Field) -> Space {
        const FEW: u128 = 4096;
        let (Some(expr), Some(came)) = (class.ctrl.expr(self.spaces, field), self.spaces.level(field)) else {
            return Space::ALL;
        };
        let carriers =
            field.carrier_set().map_or(Space::ALL, |carriers| self.spaces.test(Field::Proto, &carriers));
        let same = match expr {
            Expr::At(level, 0) if level == came => return Space::ALL,
            Expr::At(level, _) if level == came => Space::NONE,
            Expr::Const(value) => self.spaces.within(came, &Set::one(value)),
            Expr::At(level, delta) => {
                let now = self.spaces.hull(class.space, level).shifted(delta, level.bits());
                if now.count() > FEW {
                    Space::NONE
                } else {
                    let mut same = Space::NONE;
                    for value in now.ranges().iter().flat_map(|(lo, hi)| *lo..=*hi) {
                        let value = Set::one(value);
                        let (before, after) = (self.spaces.within(came, &value), self.reads(expr, &value));
                        let both = self.spaces.and(before, after);
                        same = self.spaces.or(same, both);
                    }
                    same
                }
            }
        };
        self.spaces.or(same, carriers.not())
    }

    /// Who led packets astray: the translation that they met first, else the firewall that has none for them.
    fn blame_translation(&mut self, lost: Space, journey: &mut Journey) {
        let mut lost = lost;
        for leg in &journey.legs {
            for (rule, destination, space) in &leg.passage.translations {
                let part = self.spaces.and(lost, *space);
                if *destination && !part.is_none() {
                    journey.stops.push(Stop {
                        firewall: leg.firewall,
                        by: Decider::Rule(*rule),
                        astray: true,
                        space: part,
                    });
                    lost = self.spaces.minus(lost, part);
                }
            }
        }
        let Some(leg) = journey.legs.first() else { return };
        for pass in leg.passage.passes.iter() {
            let part = self.spaces.and(lost, pass.space);
            if !part.is_none() {
                journey.stops.push(Stop { firewall: leg.firewall, by: pass.by, astray: true, space: part });
                lost = self.spaces.minus(lost, part);
            }
        }
        if !lost.is_none() {
            journey.stops.push(Stop { firewall: leg.firewall, by: Decider::End, astray: true, space: lost });
        }
    }

    fn largest_first(&self, stops: &mut Vec<Stop>) {
        let sizes = self.spaces.shares(stops.iter().map(|stop| stop.space));
        let mut sized: Vec<(f64, Stop)> = sizes.into_iter().zip(stops.drain(..)).collect();
        sized.sort_by(|a, b| b.0.total_cmp(&a.0));
        stops.extend(sized.into_iter().map(|(_, stop)| stop));
    }

    /// The answers to what arrived, firewall after firewall: what one translated it translates back.
    fn come_back(
        &mut self,
        crossed: &[(&Crossing, &Flow<'a>)],
        journey: &mut Journey,
    ) -> Result<(), TooMuch> {
        for leg in &journey.legs {
            let refused = leg.passage.refused.iter();
            let stops = refused.map(|(by, _, space)| Stop {
                firewall: leg.firewall,
                by: *by,
                astray: false,
                space: *space,
            });
            journey.stops.extend(stops);
        }
        self.largest_first(&mut journey.stops);
        let mut unanswered: Vec<Stop> = Vec::new();
        for (leg, (_, flow)) in journey.legs.iter().zip(crossed) {
            let mut arriving = Classes::default();
            for class in answers(self.spaces, &leg.passage.passed) {
                let space = self.spaces.and(class.space, journey.arrived);
                arriving.extend(self.spaces, [Class { space, ctrl: class.ctrl }]);
            }
            let back = leg.hop.back(&leg.passage);
            let passage = flow.run(self.spaces, &arriving, &back)?;
            for (by, _, space) in passage.refused {
                let part = self.spaces.and(space, journey.arrived);
                if !part.is_none() {
                    unanswered.push(Stop { firewall: leg.firewall, by, astray: false, space: part });
                }
            }
        }
        self.largest_first(&mut unanswered);
        let unheard: Vec<Space> = unanswered.iter().map(|stop| stop.space).collect();
        let unheard = self.spaces.union(unheard);
        journey.unheard = self.spaces.usually(unheard);
        journey.unanswered = unanswered;
        let hops = journey.legs.len();
        journey.fates = Fates::new(self.spaces, journey.usual, journey.stopped, hops);
        let heard = self.spaces.minus(journey.usual, journey.unheard);
        let unheard = self.spaces.and(journey.usual, journey.unheard);
        journey.answers = Fates::new(self.spaces, heard, unheard, hops);
        Ok(())
    }
}

/// Whether an interface belongs to containers, virtual machines or tunnels, by the names that these have.
fn is_virtual(name: &str) -> bool {
    const STARTS: [&str; 12] =
        ["docker", "br-", "veth", "virbr", "vnet", "cni", "cali", "flannel", "tun", "tap", "wg", "lxc"];
    STARTS.iter().any(|start| name.starts_with(start))
}
