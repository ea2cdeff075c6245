//! Security levels: which interfaces are higher, equal and lower, with bridge-groups.
//!
//! *General Operations CLI Configuration Guide*, "Routed and Transparent Mode Interfaces": in routed mode
//! the level of a member counts within its bridge-group only, that of the BVI towards all others; in
//! transparent mode bridge-groups are isolated from each other.

use rustc_hash::FxHashMap;

use super::super::ast::{Config, Interface};
use super::Lower;
use crate::model::{ChainId, Origin, Verdict, Why};
use crate::packet::{Field, Set};
use crate::source::Span;

/// An interface as far as security levels go.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Levelled<'a> {
    pub name: &'a str,
    pub level: u8,
    pub span: Span,
    /// The bridge-group that it is a member of.
    pub group: Option<u16>,
    /// The level that counts towards interfaces outside its bridge-group; `None` where nothing passes.
    pub routed: Option<u8>,
}

/// Interfaces with a name, and their levels: 100 for `inside`, 0 for others, unless written.
///
/// *Command Reference*, `nameif`, `security-level`.
pub(in super::super) fn levelled<'a>(config: &Config<'a>) -> Vec<Levelled<'a>> {
    let level = |interface: &Interface<'a>| {
        let name = interface.name?;
        let implied = (if name.text.eq_ignore_ascii_case("inside") { 100 } else { 0 }, name.span);
        let (level, span) = interface.level.unwrap_or(implied);
        let (group, routed) = (interface.bridge_group, Some(level));
        Some(Levelled { name: name.text, level, span, group, routed })
    };
    let mut all: Vec<Levelled<'a>> = config.interfaces.iter().filter_map(level).collect();
    let bridges = config.interfaces.iter().filter(|_| !config.transparent);
    let bridges: FxHashMap<u16, u8> =
        bridges.filter_map(|interface| Some((bvi_number(interface)?, level(interface)?.level))).collect();
    for member in &mut all {
        if let Some(group) = member.group {
            member.routed = bridges.get(&group).copied();
        }
    }
    all
}

/// The bridge-group of a BVI.
pub(super) fn bvi_number(interface: &Interface<'_>) -> Option<u16> {
    let name = interface.hardware.text;
    name.get(..3)
        .filter(|kind| kind.eq_ignore_ascii_case("BVI"))
        .and(name.get(3..))
        .and_then(|number| number.parse().ok())
}

/// Which interfaces are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Towards {
    Lower,
    Equal,
}

/// Interfaces that a packet may leave by: those of a set, and none of another.
pub(super) struct Out {
    pub set: Set,
    pub but: Option<Set>,
}

/// The names of interfaces by level, and of each bridge-group by level.
#[derive(Default)]
pub(super) struct Ranks {
    routed: FxHashMap<u8, Set>,
    lower: FxHashMap<u8, Set>,
    pub groups: FxHashMap<u16, Group>,
    /// All names.
    pub all: Set,
    /// The place of each interface in the list of levels.
    pub places: FxHashMap<String, usize>,
}

#[derive(Default)]
pub(super) struct Group {
    all: Set,
    equal: FxHashMap<u8, Set>,
    lower: FxHashMap<u8, Set>,
}

/// Sets by level, and for each level the union of those below.
fn ranked(names: &[(u8, Set)]) -> (FxHashMap<u8, Set>, FxHashMap<u8, Set>) {
    let mut levels: FxHashMap<u8, Vec<(u128, u128)>> = FxHashMap::default();
    for (level, set) in names {
        levels.entry(*level).or_default().extend_from_slice(set.ranges());
    }
    let mut order: Vec<u8> = levels.keys().copied().collect();
    order.sort_unstable();
    let mut below = Set::empty();
    let (mut equal, mut lower) = (FxHashMap::default(), FxHashMap::default());
    for level in order {
        let here = Set::of(levels.remove(&level).unwrap_or_default());
        lower.insert(level, below.clone());
        below = below.or(&here);
        equal.insert(level, here);
    }
    (equal, lower)
}

impl<'c, 'a> Lower<'c, 'a> {
    pub(super) fn rank(&mut self) {
        let named = |pick: &dyn Fn(&Levelled<'a>) -> Option<u8>| -> Vec<(u8, Set)> {
            self.levels
                .iter()
                .filter_map(|known| Some((pick(known)?, self.interface_set(known.name))))
                .collect()
        };
        let (routed, lower) = ranked(&named(&|known| known.routed));
        let mut members: FxHashMap<u16, Vec<(u8, Set)>> = FxHashMap::default();
        for known in &self.levels {
            if let Some(group) = known.group {
                members.entry(group).or_default().push((known.level, self.interface_set(known.name)));
            }
        }
        let groups = members.into_iter().map(|(group, names)| {
            let (equal, lower) = ranked(&names);
            let all = Set::of(names.iter().flat_map(|(_, set)| set.ranges().iter().copied()));
            (group, Group { all, equal, lower })
        });
        let all = self.levels.iter().map(|known| self.interface_set(known.name));
        let all = Set::of(all.flat_map(|set| set.ranges().to_vec()));
        let places = self.levels.iter().enumerate().map(|(at, known)| (known.name.to_string(), at)).collect();
        self.ranks = Ranks { routed, lower, groups: groups.collect(), all, places };
    }

    /// From which interfaces to which packets go down in level.
    pub(super) fn outward(&self) -> Vec<(Set, Set)> {
        let groups = self.ranks.groups.values().map(|group| (&group.equal, &group.lower));
        let ranks = groups.chain([(&self.ranks.routed, &self.ranks.lower)]);
        let pairs = ranks.flat_map(|(equal, lower)| {
            equal.iter().filter_map(|(level, from)| Some((from.clone(), lower.get(level)?.clone())))
        });
        let mut pairs: Vec<(Set, Set)> = pairs.filter(|(_, to)| !to.is_empty()).collect();
        // Nothing is above level 100: whatever else there is lies lower.
        if let Some(highest) = self.ranks.routed.get(&100) {
            pairs.push((highest.clone(), highest.not()));
        }
        // Lists without the interfaces that they are bound to: what is called so has level 100, as long as nobody says
        // otherwise.
        let bound = self.config.access_groups.iter().filter_map(|group| group.interface);
        let inside = bound.map(|name| name.text).find(|name| name.eq_ignore_ascii_case("inside"));
        if let Some(name) = inside.filter(|name| !self.ranks.places.contains_key(*name)) {
            let inside = self.interface_set(name);
            pairs.push((inside, Set::full()));
        }
        pairs.sort_by(|a, b| a.0.ranges().cmp(b.0.ranges()));
        pairs
    }

    /// The names of a bridge-group's members.
    pub(super) fn members(&self, group: u16) -> Set {
        self.ranks.groups.get(&group).map_or_else(Set::empty, |group| group.all.clone())
    }

    /// The interfaces of lower or equal level, seen from one.
    pub(super) fn towards(&self, at: usize, towards: Towards) -> Vec<Out> {
        let from = &self.levels[at];
        let pick = |lower: &FxHashMap<u8, Set>, equal: &FxHashMap<u8, Set>, level: u8| {
            let sets = if towards == Towards::Lower { lower } else { equal };
            sets.get(&level).cloned().unwrap_or_default()
        };
        let group = from.group.and_then(|group| self.ranks.groups.get(&group));
        let mut out = Vec::new();
        if let Some(group) = group {
            out.push(Out { set: pick(&group.lower, &group.equal, from.level), but: None });
        }
        if let Some(level) = from.routed {
            let set = pick(&self.ranks.lower, &self.ranks.routed, level);
            out.push(Out { set, but: group.map(|group| group.all.clone()) });
        }
        let own = self.interface_set(from.name);
        out.retain(|out| !out.set.is_empty() && out.set != own);
        out
    }

    /// Tests that a packet leaves by one of some interfaces.
    pub(super) fn to(&mut self, out: &Out) {
        self.within(Field::Oif, out.set.clone());
        if let Some(but) = &out.but {
            let but = self.values(but.clone());
            self.b.field(Field::Oif, but, true);
        }
    }

    /// Nothing passes into or out of a bridge-group that no routing joins with the others.
    pub(super) fn apart(&mut self, chain: ChainId) {
        let mut seen = rustc_hash::FxHashSet::default();
        for at in 0..self.levels.len() {
            let Levelled { group, routed, span, .. } = self.levels[at];
            let Some(group) = group.filter(|_| routed.is_none()) else { continue };
            let members = self.members(group);
            if !seen.insert(group) {
                continue;
            }
            for (inside, outside) in [(Field::Iif, Field::Oif), (Field::Oif, Field::Iif)] {
                self.within(inside, members.clone());
                let members = self.values(members.clone());
                self.b.field(outside, members, true);
                self.verdict(chain, Verdict::Drop, Origin::setting(span));
            }
        }
    }
}

/// What lets pass or stops by the level of an interface.
pub(super) fn by_level(interface: Span) -> Origin {
    Origin::Implied { by: interface, why: Why::SecurityLevels }
}
