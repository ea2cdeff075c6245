//! Puts the site's flows to the rulesets of its firewalls.

use std::cell::RefCell;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::analysis::{Engine, Query, Reach, Scope, Share, Target};
use crate::catalog::{Catalog, Transport};
use crate::dialect::Dialect;
use crate::model::{NatAddr, Ruleset, Way};
use crate::packet::{Dim, Family, Region, Set, State, interface, proto};
use crate::site::{Crossing, End, Far, Flow, Leg, Party, Site, ZoneId, unicast};

/// A firewall whose files were read.
#[derive(Debug)]
pub struct Firewall {
    /// Its name in the site file, or the path of its file.
    pub name: String,
    /// The language of its files.
    pub dialect: Dialect,
    /// Its rules.
    pub rules: Ruleset,
}

/// Who refuses or lets through what, and on which firewall.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Blame {
    /// Index into [`Judge::firewalls`].
    pub firewall: usize,
    /// The rule or policy, and its share.
    pub share: Share,
}

/// What becomes of one leg of a row between one address of a device and one party.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// The ports that were asked for.
    pub asked: Set,
    /// Those that get through, whatever the unknowns are.
    pub open: Set,
    /// Those that do not.
    pub blocked: Set,
    /// Those where it depends.
    pub unsure: Set,
    /// Who blocks, the largest share first.
    pub blockers: Vec<Blame>,
    /// Who may block.
    pub doubters: Vec<Blame>,
    /// Who lets through.
    pub openers: Vec<Blame>,
    /// Who may let through.
    pub granters: Vec<Blame>,
    /// What it depends on.
    pub depends_on: Vec<String>,
    /// The helpers that the connections get.
    helpers: Vec<String>,
    /// Those that they get where they get through at all.
    possible_helpers: Vec<String>,
}

impl Judgement {
    fn all_open(asked: &Set) -> Judgement {
        Judgement { asked: asked.clone(), open: asked.clone(), ..Judgement::default() }
    }

    /// One crossing after another: a packet has to pass both.
    fn then(&mut self, next: Judgement) {
        self.open = self.open.and(&next.open);
        self.blocked = self.blocked.or(&next.blocked);
        self.unsure = self.asked.minus(&self.open).minus(&self.blocked);
        self.blockers.extend(next.blockers);
        self.doubters.extend(next.doubters);
        self.granters.extend(next.granters);
        // The last firewall that lets a packet through is the one next to its destination.
        self.openers = next.openers;
        self.openers.retain(|blame| blame.share.values.meets(&self.open));
        self.depends_on.extend(next.depends_on);
        self.helpers.extend(next.helpers);
        self.possible_helpers.extend(next.possible_helpers);
    }

    /// One place or another: a packet has to get through from one of them.
    fn or(&mut self, other: Judgement) {
        self.open = self.open.or(&other.open);
        self.blocked = self.blocked.and(&other.blocked);
        self.unsure = self.asked.minus(&self.open).minus(&self.blocked);
        self.blockers.extend(other.blockers);
        self.doubters.extend(other.doubters);
        self.granters.extend(other.granters);
        self.openers.extend(other.openers);
        self.depends_on.extend(other.depends_on);
        self.helpers.extend(other.helpers);
        self.possible_helpers.extend(other.possible_helpers);
    }

    /// Whether nothing gets through.
    pub fn all_blocked(&self) -> bool {
        self.open.is_empty() && self.unsure.is_empty()
    }
}

/// The packets of a leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The first packet of a connection.
    First,
    /// The first answer.
    Reply,
    /// The first packet of a connection that another one announced.
    Announced,
}

/// The device's end of a flow: one of its addresses, or any where none was given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Near {
    /// The family.
    pub family: Family,
    /// The addresses.
    pub addresses: Set,
    /// The zone that they are in.
    pub zone: ZoneId,
}

/// One question to the site.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Index into the site's devices.
    pub device: usize,
    /// The device's end.
    pub near: &'a Near,
    /// Who opens the connection.
    pub leg: Leg,
    /// The protocol number.
    pub protocol: u8,
    /// Destination ports of the first packet, or ICMP types.
    pub ports: &'a Set,
    /// All who open the ports are wanted, and from which addresses; else it is enough to know that one does.
    pub every_opener: bool,
}

/// Which part of the rules a scope covers: firewall, device address, direction.
type ScopeKey = (usize, Family, Set, bool);

/// The site with the rulesets of its firewalls.
pub struct Judge<'a> {
    /// The site.
    pub site: &'a Site,
    /// The catalog.
    pub catalog: &'a Catalog,
    /// By index of the site's firewalls; `None` for those that are not judged.
    pub firewalls: &'a [Option<Firewall>],
    engines: Vec<Option<Rc<Engine<'a>>>>,
    scopes: RefCell<FxHashMap<ScopeKey, Rc<Scope<'a>>>>,
}

impl<'a> Judge<'a> {
    /// A judge over the firewalls of a site.
    pub fn new(site: &'a Site, catalog: &'a Catalog, firewalls: &'a [Option<Firewall>]) -> Self {
        let engine =
            |firewall: &'a Option<Firewall>| firewall.as_ref().map(|firewall| Engine::new(&firewall.rules));
        let engines = firewalls.iter().map(engine).collect();
        Judge { site, catalog, firewalls, engines, scopes: RefCell::default() }
    }

    /// The device's ends: its addresses that are in a zone.
    pub fn nears(&self, device: usize) -> Vec<Near> {
        let addresses = &self.site.devices[device].addresses;
        if addresses.is_empty() {
            let any = |family| Near { family, addresses: unicast(family), zone: 0 };
            return vec![any(Family::V4), any(Family::V6)];
        }
        let near = |address: &std::net::IpAddr| {
            let (family, number) = Family::of(*address);
            Some(Near { family, addresses: Set::one(number), zone: self.site.zone_of(*address)? })
        };
        addresses.iter().filter_map(near).collect()
    }

    /// The engine over a firewall's rules.
    pub fn engine(&self, index: usize) -> Option<&Rc<Engine<'a>>> {
        self.engines.get(index)?.as_ref()
    }

    /// The firewall of an index that a judgement names.
    pub fn firewall(&self, index: usize) -> Option<&'a Firewall> {
        self.firewalls.get(index)?.as_ref()
    }

    /// What becomes of a leg for one address, transport and party; `None` where no firewall that was read
    /// stands between, or none of its files speaks of the address's family.
    pub fn judge(&self, ask: &Ask<'_>, party: &Party, kind: Kind) -> Option<Judgement> {
        any_of(self.places(ask, party, kind).collect::<Option<Vec<_>>>()?)
    }

    /// Likewise for new connections from those places alone that a firewall which was read keeps apart from the
    /// device: what it lets through it lets through, whoever reaches the device on other ways.
    pub fn let_through(&self, ask: &Ask<'_>, party: &Party) -> Option<Judgement> {
        any_of(self.places(ask, party, Kind::First).flatten().collect())
    }

    /// The judgement for each of a party's places that a path leads to.
    fn places(&self, ask: &Ask<'_>, party: &Party, kind: Kind) -> impl Iterator<Item = Option<Judgement>> {
        let places = party.places.iter().filter(|far| !far.addresses(ask.near.family).is_empty());
        places.filter_map(move |far| Some(self.along(&self.path(ask, far, kind)?, ask, far, kind)))
    }

    /// The firewalls that the packets cross; `None` where no path is known.
    fn path(&self, ask: &Ask<'_>, far: &Far, kind: Kind) -> Option<Vec<Crossing>> {
        let near = End { zone: ask.near.zone, device: Some(ask.device) };
        let there = End { zone: far.zone, device: far.device };
        if is_outward(ask, kind) { self.site.path(near, there) } else { self.site.path(there, near) }
    }

    /// Crossing after crossing; `None` where no firewall on the path was read, so that all gets through.
    fn along(&self, path: &[Crossing], ask: &Ask<'_>, far: &Far, kind: Kind) -> Option<Judgement> {
        let family = ask.near.family;
        let mut total: Option<Judgement> = None;
        for crossing in path {
            let Some((firewall, engine)) =
                self.firewall(crossing.firewall).zip(self.engine(crossing.firewall))
            else {
                continue;
            };
            if !speaks(firewall, family) {
                continue;
            }
            let judgement = self.crossing(ask, far, crossing, (firewall, engine), kind);
            total.get_or_insert_with(|| Judgement::all_open(ask.ports)).then(judgement);
        }
        total
    }

    /// The firewalls around an address of a device, where none of those that were read speaks of its family.
    pub fn silent(&self, device: usize, near: &Near) -> Vec<usize> {
        let end = End { zone: near.zone, device: Some(device) };
        let paths =
            (0..self.site.zones.len()).filter_map(|zone| self.site.path(End { zone, device: None }, end));
        let mut around: Vec<usize> = paths.flatten().map(|crossing| crossing.firewall).collect();
        around.retain(|at| self.firewall(*at).is_some());
        around.sort_unstable();
        around.dedup();
        let heard = |at: &usize| self.firewall(*at).is_some_and(|firewall| speaks(firewall, near.family));
        if around.iter().any(heard) { Vec::new() } else { around }
    }

    fn crossing(
        &self,
        ask: &Ask<'_>,
        far: &Far,
        crossing: &Crossing,
        (firewall, engine): (&Firewall, &Rc<Engine<'a>>),
        kind: Kind,
    ) -> Judgement {
        let query = self.query(ask, far, crossing, &firewall.rules, kind);
        let scope = self.scope(crossing.firewall, engine, ask.near, is_outward(ask, kind));
        let far_side = if is_outward(ask, kind) { Dim::Dst } else { Dim::Src };
        let reach = if ask.every_opener { scope.reach(&query) } else { scope.reach_any(&query, far_side) };
        let blame = |shares: &[Share]| {
            shares.iter().map(|share| Blame { firewall: crossing.firewall, share: share.clone() }).collect()
        };
        let names =
            |helpers: &[u32]| helpers.iter().map(|at| firewall.rules.helpers[*at as usize].clone()).collect();
        Judgement {
            asked: ask.ports.clone(),
            blockers: blame(&reach.blockers),
            doubters: blame(&reach.doubters),
            openers: blame(&reach.openers),
            granters: blame(&reach.granters),
            depends_on: reach.conds.iter().map(|cond| cond.name(&firewall.rules)).collect(),
            helpers: names(&reach.helpers),
            possible_helpers: names(&reach.possible_helpers),
            ..sets(reach)
        }
    }

    /// The packets of a leg as the filters of one firewall see them; `None` where they do not cross it.
    pub fn packets_at(&self, ask: &Ask<'_>, party: &Party, firewall: usize) -> Option<Region> {
        let rules = &self.firewall(firewall)?.rules;
        party.places.iter().filter(|far| !far.addresses(ask.near.family).is_empty()).find_map(|far| {
            let path = self.path(ask, far, Kind::First)?;
            let crossing = path.iter().find(|crossing| crossing.firewall == firewall)?;
            let region = self.query(ask, far, crossing, rules, Kind::First).region;
            // Behind the translation of destinations.
            let inward = !is_outward(ask, Kind::First);
            Some(if inward { region.with(Dim::Dst, ask.near.addresses.clone()) } else { region })
        })
    }

    /// The rules that concern packets to or from an address of a device.
    fn scope(&self, firewall: usize, engine: &Rc<Engine<'a>>, near: &Near, outward: bool) -> Rc<Scope<'a>> {
        let key = (firewall, near.family, near.addresses.clone(), outward);
        if let Some(scope) = self.scopes.borrow().get(&key) {
            return scope.clone();
        }
        let dim = if outward { Dim::Src } else { Dim::Dst };
        let region = Region::all(near.family).with(dim, near.addresses.clone());
        let scope = Rc::new(Scope::new(engine, region));
        self.scopes.borrow_mut().insert(key, scope.clone());
        scope
    }

    fn query(&self, ask: &Ask<'_>, far: &Far, crossing: &Crossing, rules: &Ruleset, kind: Kind) -> Query {
        let family = ask.near.family;
        let near = ask.near.addresses.clone();
        let mut there = far.addresses(family).clone();
        // Nobody in a zone behind a firewall has an address of the firewall's own.
        if crossing.way == Way::Forward && there.single().is_none() {
            there = there.minus(&rules.own_set(family));
        }
        let reply = kind == Kind::Reply;
        let outward = is_outward(ask, kind);
        let (src, dst) = if outward { (near.clone(), there) } else { (there, near.clone()) };
        let mut region = Region::all(family)
            .with(Dim::Src, src)
            .with(Dim::Dst, dst)
            .with(Dim::Proto, Set::one(ask.protocol.into()));
        let state = match kind {
            Kind::First => State::New,
            Kind::Reply => State::Established,
            Kind::Announced => State::Related,
        };
        region.set(Dim::State, Set::one(state as u128));
        let along = match ask.protocol {
            proto::ICMP | proto::ICMPV6 => {
                region.set(Dim::IcmpType, ask.ports.clone());
                region.set(Dim::IcmpCode, Set::one(0));
                Dim::IcmpType
            }
            _ => {
                let (theirs, along) = if reply { (Dim::Dport, Dim::Sport) } else { (Dim::Sport, Dim::Dport) };
                region.set(theirs, Set::range(1024, 65535));
                region.set(along, ask.ports.clone());
                // The first answer to a SYN is a SYN with ACK.
                region.set(Dim::TcpFlags, Set::one(if reply { 0x12 } else { 2 }));
                along
            }
        };
        for (dim, side) in [(Dim::Iif, &crossing.iif), (Dim::Oif, &crossing.oif)] {
            if let Some(side) = side {
                region.set(dim, side.clone());
            } else if has_side(crossing.way, dim)
                && let Some(side) =
                    likely_side(rules, family, &ask.near.addresses, (dim == Dim::Iif) == outward)
            {
                region.set(dim, side);
            }
        }
        if self.site.single == Some(Way::Forward)
            && let Some((behind, segment)) = near.single().and_then(|number| connected(rules, family, number))
        {
            let (near_side, far_side, far_end) =
                if outward { (Dim::Iif, Dim::Oif, Dim::Dst) } else { (Dim::Oif, Dim::Iif, Dim::Src) };
            region.set(near_side, behind.clone());
            region.set(far_side, behind.or(&Set::one(0)).not());
            region.set(far_end, region.values(far_end).minus(&segment));
        }
        let fwd_oif = match &crossing.oif {
            Some(side) => side.first(),
            None => region.side(Dim::Oif).and_then(Set::single),
        };
        let mut query = Query { region, way: crossing.way, fwd_oif, target: Target::Anywhere, along };
        // Where translation sends a packet elsewhere, it has not arrived.
        if !outward || kind == Kind::First {
            query.target = match crossing.way {
                Way::Input => Target::Box,
                _ => Target::Addresses(query.region.values(Dim::Dst)),
            };
        }
        // What connection tracking announced it translates by itself.
        if !outward && kind == Kind::First {
            self.translated(ask, far, rules, &mut query);
        }
        query
    }

    /// Where the firewall translates for the device, others know it by its public addresses.
    fn translated(&self, ask: &Ask<'_>, far: &Far, rules: &Ruleset, query: &mut Query) {
        let device = &self.site.devices[ask.device];
        let family = ask.near.family;
        let Some(number) = ask.near.addresses.single() else { return };
        let public = device.public_addresses.iter().map(|a| Family::of(*a)).filter(|(f, _)| *f == family);
        let public = Set::of(public.map(|(_, number)| (number, number)));
        let outside = self.site.is_everything_else(far.zone);
        // Where nobody says how others see it, the translations do.
        let public = if public.is_empty() && outside && query.way == Way::Forward {
            let seen = rules.translated_from(family, number);
            let apart = seen.minus(&rules.own_set(family));
            if apart.is_empty() { seen } else { apart.or(&ask.near.addresses) }
        } else {
            public
        };
        if public.is_empty() || !outside || query.way != Way::Forward || !translates_to(rules, family, number)
        {
            return;
        }
        let own = rules.own_set(family);
        query.way = if public.ranges().iter().all(|(lo, hi)| own.covers(&Set::range(*lo, *hi))) {
            Way::Input
        } else {
            Way::Forward
        };
        query.region.set(Dim::Dst, public);
    }

    /// Whether replies have to be asked about: where the firewall keeps no state by itself.
    pub fn reply(&self, ask: &Ask<'_>, party: &Party) -> Option<Judgement> {
        let stateful =
            |crossing: &Crossing| self.firewall(crossing.firewall).is_none_or(|f| f.rules.stateful);
        let near = End { zone: ask.near.zone, device: Some(ask.device) };
        let all_stateful = party.places.iter().all(|far| {
            let path = self.site.path(End { zone: far.zone, device: far.device }, near);
            path.is_some_and(|path| path.iter().all(stateful))
        });
        if all_stateful { None } else { self.judge(ask, party, Kind::Reply) }
    }

    /// What a helper opens of media or call control, for the calls that it watches.
    pub fn helped(&self, flow: &Flow<'_>, ask: &Ask<'_>, party: &Party) -> Option<Helped> {
        let signalling: &[(&str, &[&str])] = match flow.requirement.service.as_str() {
            "h245" => &[("q931", &["q.931", "h323"])],
            "rtp" | "rtcp" => &[("q931", &["q.931", "h323"]), ("sip", &["sip"])],
            _ => return None,
        };
        let product = self.catalog.product(&self.site.devices[flow.device].product)?;
        let mut helped = Helped { ports: Set::empty(), depends_on: Vec::new() };
        let (mut some, mut every) = (false, true);
        for (service, names) in signalling {
            let watches = |helpers: &[String]| {
                let known =
                    |helper: &String| names.iter().any(|name| helper.to_ascii_lowercase().contains(name));
                helpers.iter().any(known)
            };
            for row in product.requirements.iter().filter(|row| row.service == *service) {
                let ports = self.site.ports_of(flow.device, product, row);
                for transport in &row.transports {
                    let ask = Ask { ports: &ports, protocol: number(*transport), leg: Leg::ToDevice, ..*ask };
                    let Some(call) = self.judge(&ask, party, Kind::First) else { continue };
                    if call.all_blocked() {
                        continue;
                    }
                    let watched = watches(&call.possible_helpers);
                    some |= watched;
                    every &= watched;
                    if watched && (call.open.is_empty() || !watches(&call.helpers)) {
                        helped.depends_on.extend(call.depends_on);
                    }
                }
            }
        }
        if !some {
            return None;
        }
        if !every {
            helped.depends_on.push("whether the call is one that a helper watches".to_string());
        }
        let announced = self.judge(ask, party, Kind::Announced)?;
        helped.ports = announced.open.or(&announced.unsure);
        if !announced.unsure.is_empty() {
            helped.depends_on.extend(announced.depends_on);
        }
        Some(helped)
    }
}

/// The judgement for somebody who may be in any of several places.
fn any_of(judgements: Vec<Judgement>) -> Option<Judgement> {
    let mut total = judgements.into_iter().reduce(|mut total, other| {
        total.or(other);
        total
    })?;
    total.depends_on.sort();
    total.depends_on.dedup();
    Some(total)
}

/// What a helper opens.
pub struct Helped {
    /// The ports.
    pub ports: Set,
    /// What that depends on; empty where they are open for certain.
    pub depends_on: Vec<String>,
}

/// Whether a firewall's files speak of a family.
fn speaks(firewall: &Firewall, family: Family) -> bool {
    match family {
        Family::V4 => firewall.rules.v4,
        Family::V6 => firewall.rules.v6,
    }
}

/// Whether the packets go away from the device.
fn is_outward(ask: &Ask<'_>, kind: Kind) -> bool {
    (ask.leg == Leg::FromDevice) != (kind == Kind::Reply)
}

/// The interfaces on the device's side or on the other, as far as the firewall's files tell.
fn likely_side(rules: &Ruleset, family: Family, near: &Set, device_side: bool) -> Option<Set> {
    let behind = rules.behind(family, near);
    let side = match (device_side, behind.is_empty()) {
        (true, false) => behind,
        (false, false) => rules.interfaces.minus(&behind),
        (_, true) => rules.interfaces.clone(),
    };
    (!side.is_empty()).then_some(side)
}

/// Whether packets on a way have an interface on this side.
fn has_side(way: Way, dim: Dim) -> bool {
    way == Way::Forward || (way == Way::Input) == (dim == Dim::Iif)
}

fn sets(reach: Reach) -> Judgement {
    Judgement { open: reach.open, blocked: reach.blocked, unsure: reach.unsure, ..Judgement::default() }
}

/// The interface whose network an address is in, and that network, where the firewall's own addresses are
/// known: packets for the address leave there, and those from its neighbours cross no firewall.
fn connected(rules: &Ruleset, family: Family, address: u128) -> Option<(Set, Set)> {
    let networks = rules.own.iter().filter(|own| own.family == family).filter_map(|own| {
        let (lo, hi) = family.prefix(own.address, own.prefix);
        (lo <= address && address <= hi && lo < hi).then_some((own, lo, hi))
    });
    let (own, lo, hi) = networks.max_by_key(|(own, _, _)| own.prefix)?;
    Some((Set::one(interface(&own.interface)), Set::range(lo, hi)))
}

fn translates_to(rules: &Ruleset, family: Family, address: u128) -> bool {
    rules.nats.iter().filter(|nat| nat.destination).any(|nat| match nat.addr {
        NatAddr::Pool(f, lo, hi) => f == family && (lo..=hi).contains(&address),
        NatAddr::Prefix(f, net, len) => {
            let (lo, hi) = family.prefix(net, len);
            f == family && (lo..=hi).contains(&address)
        }
        _ => false,
    })
}

/// The protocol number of a transport.
pub fn number(transport: Transport) -> u8 {
    match transport {
        Transport::Tcp => proto::TCP,
        Transport::Udp => proto::UDP,
    }
}
