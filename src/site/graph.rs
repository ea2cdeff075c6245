//! The ways from zone to zone through firewalls.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{Choice, Crossing, GivenPath, Route, Site, ZoneId};
use crate::model::Way;
use crate::packet::{Set, interface};

/// The interfaces of a firewall between zones, by the zone behind them.
type Sides = BTreeMap<ZoneId, BTreeSet<u128>>;

/// How a zone was reached.
#[derive(Clone, Copy)]
struct Reached {
    /// Through so many firewalls.
    steps: usize,
    /// The last of them; none where there are no steps.
    by: usize,
}

/// Zones, and the firewalls between them.
pub(super) struct Graph {
    zones: usize,
    /// By firewall, as the site file says it; one on a host has none.
    named: Vec<Sides>,
    /// By firewall, with those zones that an interface is in itself, as far as its addresses tell that.
    firewalls: Vec<Sides>,
    /// Zones that are behind an interface, but not the one that it is in, which comes first.
    beyond: Vec<(ZoneId, ZoneId)>,
    /// By zone, the firewalls that have interfaces in it.
    around: Vec<Vec<usize>>,
}

impl Graph {
    /// The graph; `zone_of` finds the zone of an address.
    pub(super) fn of(site: &Site, zone_of: &impl Fn(IpAddr) -> Option<ZoneId>) -> Graph {
        let zones = site.zones.len();
        let mut graph = Graph {
            zones,
            named: Vec::new(),
            firewalls: Vec::new(),
            beyond: Vec::new(),
            around: vec![Vec::new(); zones],
        };
        for (at, firewall) in site.firewalls.iter().enumerate() {
            let (mut named, mut sides) = (Sides::new(), Sides::new());
            for (name, behind) in &firewall.interfaces {
                let known = || behind.iter().copied().filter(|zone| *zone < zones);
                let own = firewall.addresses.get(name);
                let own: BTreeSet<ZoneId> =
                    own.into_iter().flatten().filter_map(|prefix| zone_of(prefix.address)).collect();
                let mut within = known().filter(|zone| own.contains(zone));
                let home = within.next().filter(|_| within.next().is_none());
                for zone in known() {
                    named.entry(zone).or_default().insert(interface(name));
                    match home {
                        Some(home) if home != zone => graph.beyond.push((home, zone)),
                        _ => {
                            sides.entry(zone).or_default().insert(interface(name));
                        }
                    }
                }
            }
            sides.keys().for_each(|zone| graph.around[*zone].push(at));
            graph.named.push(named);
            graph.firewalls.push(sides);
        }
        graph
    }

    /// The routes from each zone to each.
    pub(super) fn routes(&self, site: &Site) -> Vec<Route> {
        let shared = Shared::of(self);
        let mates = |zone: ZoneId| -> Vec<ZoneId> {
            (0..self.zones).filter(|other| shared.group[*other] == shared.group[zone]).collect()
        };
        let apart: Vec<Vec<Option<Reached>>> =
            (0..self.zones).map(|zone| self.reach(&mates(zone), &[], Some(&shared.group))).collect();
        let pairs = (0..self.zones).flat_map(|from| (0..self.zones).map(move |to| (from, to)));
        let mut routes: Vec<Route> =
            pairs.map(|(from, to)| self.shortest(from, to, &apart, &shared)).collect();
        let given: BTreeSet<(ZoneId, ZoneId)> = site.paths.iter().map(|path| (path.from, path.to)).collect();
        for path in &site.paths {
            let Ok(crossings) = self.along(path) else { continue };
            if !given.contains(&(path.to, path.from)) {
                let back = crossings.iter().rev().map(Crossing::back).collect();
                self.set(&mut routes, (path.to, path.from), back);
            }
            self.set(&mut routes, (path.from, path.to), crossings);
        }
        routes
    }

    fn set(&self, routes: &mut [Route], (from, to): (ZoneId, ZoneId), crossings: Vec<Crossing>) {
        if let Some(route) = routes.get_mut(from * self.zones + to) {
            *route = Route::Through(crossings);
        }
    }

    /// Zones that are behind the same interface of firewalls which do not keep them apart, and these firewalls.
    fn sharing(&self) -> BTreeMap<(ZoneId, ZoneId), Vec<usize>> {
        let mut sharing: BTreeMap<(ZoneId, ZoneId), Vec<usize>> = BTreeMap::new();
        for (firewall, sides) in self.firewalls.iter().enumerate() {
            let mut single: BTreeMap<u128, Vec<ZoneId>> = BTreeMap::new();
            for (zone, names) in sides.iter().filter(|(_, names)| names.len() == 1) {
                names.iter().for_each(|name| single.entry(*name).or_default().push(*zone));
            }
            for zones in single.values() {
                for (at, one) in zones.iter().enumerate() {
                    for two in &zones[at + 1..] {
                        sharing.entry((*one, *two)).or_default().push(firewall);
                    }
                }
            }
        }
        sharing
    }

    /// For each zone, how many firewalls it is away from some zones, and the last of them. Some firewalls can be
    /// left out; zones of one group are reached together.
    fn reach(&self, from: &[ZoneId], without: &[usize], group: Option<&[ZoneId]>) -> Vec<Option<Reached>> {
        let mut reached = vec![None; self.zones];
        let mut front = from.to_vec();
        front.iter().for_each(|zone| reached[*zone] = Some(Reached { steps: 0, by: usize::MAX }));
        for steps in 1.. {
            let mut next = Vec::new();
            let firewalls = front.iter().flat_map(|zone| &self.around[*zone]).copied();
            let firewalls: BTreeSet<usize> = firewalls.filter(|at| !without.contains(at)).collect();
            for by in firewalls {
                let sides = &self.firewalls[by];
                let here: BTreeSet<u128> =
                    front.iter().filter_map(|zone| sides.get(zone)).flatten().copied().collect();
                for (zone, there) in sides {
                    if reached[*zone].is_some() || !crosses(&here, there) {
                        continue;
                    }
                    let mates =
                        group.map(|group| (0..self.zones).filter(|other| group[*other] == group[*zone]));
                    for zone in mates.into_iter().flatten().chain([*zone]) {
                        if reached[zone].is_none() {
                            reached[zone] = Some(Reached { steps, by });
                            next.push(zone);
                        }
                    }
                }
            }
            if next.is_empty() {
                break;
            }
            front = next;
        }
        reached
    }

    /// The way through the fewest firewalls, where there is one alone.
    fn shortest(&self, from: ZoneId, to: ZoneId, apart: &[Vec<Option<Reached>>], shared: &Shared) -> Route {
        if from == to {
            return Route::Through(Vec::new());
        }
        if let Some(firewall) = shared.around.get(&(from.min(to), from.max(to))) {
            return Route::Choice(Choice::Around(*firewall));
        }
        if shared.group[from] == shared.group[to] {
            let between = self.crossings(&[from], &[to]).next();
            return between
                .map_or(Route::Through(Vec::new()), |way| Route::Choice(Choice::Around(way.firewall)));
        }
        let Some(Reached { steps: length, .. }) = apart[from][to] else { return Route::Through(Vec::new()) };
        let steps = |one: ZoneId, two: ZoneId| apart[one][two].map(|reached| reached.steps);
        let mut levels: Vec<Vec<ZoneId>> = vec![Vec::new(); length + 1];
        for zone in 0..self.zones {
            if let Some((before, after)) = steps(from, zone).zip(steps(to, zone))
                && before + after == length
            {
                levels[before].push(zone);
            }
        }
        self.along_levels((from, to), &levels, shared)
    }

    /// The way that leads from each level of zones to the next one, where one firewall alone does.
    fn along_levels(&self, (from, to): (ZoneId, ZoneId), levels: &[Vec<ZoneId>], shared: &Shared) -> Route {
        let mut crossings = Vec::new();
        for (at, pair) in levels.windows(2).enumerate() {
            let (before, after) = (&pair[0], &pair[1]);
            // The ends are these zones, if they are at the firewall themselves, and not those around them.
            let (first, last) = ([from], [to]);
            let exact = |crossing: Crossing| {
                let sides = &self.firewalls[crossing.firewall];
                let start = at == 0 && sides.contains_key(&from);
                let end = at + 2 == levels.len() && sides.contains_key(&to);
                let (before, after) = (
                    if start { &first } else { before.as_slice() },
                    if end { &last } else { after.as_slice() },
                );
                cross(crossing.firewall, sides, before, after).unwrap_or(crossing)
            };
            let mut ways = self.crossings(before, after);
            let Some(way) = ways.next() else { return Route::Through(Vec::new()) };
            let others: Vec<usize> = ways.map(|other| other.firewall).collect();
            if !others.is_empty() {
                return Route::Choice(Choice::Either([vec![way.firewall], others].concat()));
            }
            let behind =
                before.iter().chain(after).find_map(|zone| shared.behind.get(&(way.firewall, *zone)));
            if let Some(behind) = behind {
                return Route::Choice(Choice::Beyond(way.firewall, *behind));
            }
            crossings.push(exact(way));
        }
        Route::Through(crossings)
    }

    /// The ways through one firewall from some zones to others.
    fn crossings(&self, before: &[ZoneId], after: &[ZoneId]) -> impl Iterator<Item = Crossing> {
        let firewalls: BTreeSet<usize> =
            before.iter().flat_map(|zone| &self.around[*zone]).copied().collect();
        firewalls.into_iter().filter_map(|at| cross(at, &self.firewalls[at], before, after))
    }

    /// The crossings of a path that the site file gives, or where it breaks off.
    pub(super) fn along(&self, path: &GivenPath) -> Result<Vec<Crossing>, Gap> {
        let mut levels: Vec<Vec<ZoneId>> = vec![vec![path.from]];
        let last = path.firewalls.len().saturating_sub(1);
        for (at, firewall) in path.firewalls.iter().enumerate() {
            let sides = self.named.get(*firewall).filter(|sides| !sides.is_empty());
            let Some(sides) = sides else { return Err(Gap::Host(at)) };
            if path.firewalls[..at].contains(firewall) {
                return Err(Gap::Twice(at));
            }
            let ends = [(0, path.from), (last, path.to)];
            if let Some((_, end)) =
                ends.into_iter().find(|(end, zone)| *end == at && !sides.contains_key(zone))
            {
                return Err(Gap::End(at, end));
            }
            let before = &levels[at];
            let meant = |zone: &ZoneId| match at == last {
                true => *zone == path.to,
                false => *zone != path.from && *zone != path.to,
            };
            let leads = |zone: &ZoneId| {
                let before: Vec<ZoneId> = before.iter().copied().filter(|other| other != zone).collect();
                cross_or_turn(*firewall, sides, &before, &[*zone]).is_some()
            };
            levels.push(sides.keys().copied().filter(meant).filter(leads).collect());
            if levels[at + 1].is_empty() {
                return Err(Gap::Between(at));
            }
        }
        self.trim(path, &mut levels);
        let steps = path.firewalls.iter().zip(levels.windows(2));
        let crossing = |firewall: usize, pair: &[Vec<ZoneId>]| {
            cross_or_turn(firewall, &self.named[firewall], &pair[0], &pair[1])
        };
        Ok(steps.filter_map(|(firewall, pair)| crossing(*firewall, pair)).collect())
    }

    /// Leaves out zones from which the rest of a path leads nowhere.
    fn trim(&self, path: &GivenPath, levels: &mut [Vec<ZoneId>]) {
        for at in (0..path.firewalls.len()).rev() {
            let after = levels[at + 1].clone();
            levels[at].retain(|zone| {
                let after: Vec<ZoneId> = after.iter().copied().filter(|other| other != zone).collect();
                let firewall = path.firewalls[at];
                cross_or_turn(firewall, &self.named[firewall], &[*zone], &after).is_some()
            });
        }
    }
}

/// The way through a firewall from some zones to others, by any interfaces that are not the same.
fn cross(firewall: usize, sides: &Sides, before: &[ZoneId], after: &[ZoneId]) -> Option<Crossing> {
    let meets = |zones: &[ZoneId]| zones.iter().any(|zone| sides.contains_key(zone));
    if !meets(before) || !meets(after) {
        return None;
    }
    let of = |zones: &[ZoneId]| -> BTreeSet<u128> {
        zones.iter().filter_map(|zone| sides.get(zone)).flatten().copied().collect()
    };
    let (here, there) = (of(before), of(after));
    if !crosses(&here, &there) {
        return None;
    }
    let leads = |names: &BTreeSet<u128>, others: &BTreeSet<u128>| {
        let other = |name: &&u128| others.len() > 1 || !others.contains(*name);
        Some(Set::of(names.iter().filter(other).map(|name| (*name, *name))))
    };
    let (iif, oif) = (leads(&here, &there), leads(&there, &here));
    Some(Crossing { firewall, way: Way::Forward, iif, oif })
}

/// Likewise; or in and out by the one interface behind which both are, where the site file says that packets go this way.
fn cross_or_turn(firewall: usize, sides: &Sides, before: &[ZoneId], after: &[ZoneId]) -> Option<Crossing> {
    let side = |zones: &[ZoneId]| {
        let names = zones.iter().filter_map(|zone| sides.get(zone)).flatten();
        Some(Set::of(names.map(|name| (*name, *name)))).filter(|names| !names.is_empty())
    };
    cross(firewall, sides, before, after).or_else(|| {
        let (iif, oif) = (Some(side(before)?), Some(side(after)?));
        Some(Crossing { firewall, way: Way::Forward, iif, oif })
    })
}

/// Whether something can come in by one of some interfaces and leave by one of others that is not the same.
fn crosses(here: &BTreeSet<u128>, there: &BTreeSet<u128>) -> bool {
    !(here.is_empty() || there.is_empty() || here.len() == 1 && here == there)
}

/// What zones that share an interface of a firewall are to each other.
struct Shared {
    /// For each zone the first of those that no firewall keeps apart: itself, or one that it shares interfaces with.
    group: Vec<ZoneId>,
    /// Zones that share an interface, the lower one first, and a firewall on another way between them.
    around: BTreeMap<(ZoneId, ZoneId), usize>,
    /// For a firewall and a zone that shares an interface of it: another firewall, behind which the zone may lie.
    behind: BTreeMap<(usize, ZoneId), usize>,
}

impl Shared {
    fn of(graph: &Graph) -> Shared {
        let group = (0..graph.zones).collect();
        let mut shared = Shared { group, around: BTreeMap::new(), behind: BTreeMap::new() };
        let mut without: BTreeMap<(ZoneId, Vec<usize>), Vec<Option<Reached>>> = BTreeMap::new();
        for ((one, two), firewalls) in graph.sharing() {
            // What leads from the one to the other, if not by the interfaces that they share.
            let mut last = |from: ZoneId, to: ZoneId| {
                let key = (from, firewalls.clone());
                let reached = without.entry(key).or_insert_with(|| graph.reach(&[from], &firewalls, None));
                reached[to].map(|reached| (reached.steps, reached.by))
            };
            let Some(((steps, by_two), (_, by_one))) = last(one, two).zip(last(two, one)) else {
                shared.join(one, two);
                continue;
            };
            if steps > 1 {
                shared.around.insert((one, two), by_two);
            }
            for firewall in firewalls {
                shared.behind.entry((firewall, one)).or_insert(by_one);
                shared.behind.entry((firewall, two)).or_insert(by_two);
            }
        }
        let mut reached: BTreeMap<ZoneId, Vec<Option<Reached>>> = BTreeMap::new();
        for (home, zone) in &graph.beyond {
            let from_home = reached.entry(*home).or_insert_with(|| graph.reach(&[*home], &[], None));
            if from_home[*zone].is_none() {
                shared.join(*home, *zone);
            }
        }
        shared
    }

    /// Nothing keeps two zones apart.
    fn join(&mut self, one: ZoneId, two: ZoneId) {
        let (one, two) = (self.group[one], self.group[two]);
        self.group.iter_mut().filter(|group| **group == one.max(two)).for_each(|group| *group = one.min(two));
    }
}

/// Where a path that the site file gives breaks off: at which of its firewalls.
pub(super) enum Gap {
    /// The firewall runs on a device.
    Host(usize),
    /// It is on the path before.
    Twice(usize),
    /// The zone at the path's end is not behind it.
    End(usize, ZoneId),
    /// There is no zone that leads on from the firewall before it.
    Between(usize),
}
