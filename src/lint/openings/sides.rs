//! By which interfaces an opening is: a rule that looks for some of them, in itself or on the way to it, is not for
//! everybody.

use rustc_hash::FxHashSet;

use super::{Lens, NEARLY_ALL};
use crate::lint::words;
use crate::model::{ChainId, Hook, StageKind, Way};
use crate::packet::{Field, Set, Space, Spaces, interface_pattern};
use crate::site::loopbacks;

/// The priority of mangle and raw tables, in which nothing is decided for good (`netfilter_ipv4.h`,
/// `NF_IP_PRI_MANGLE`).
pub(super) const MANGLE: i32 = -150;

/// Interfaces by which packets come, and by which they leave; `None` where that is all of them.
#[derive(Clone, Default)]
pub(super) struct Sides {
    pub come: Option<Set>,
    pub leave: Option<Set>,
}

impl Sides {
    /// Adds those of other packets.
    pub(super) fn join(&mut self, other: &Sides) {
        let either = |one: &mut Option<Set>, other: &Option<Set>| {
            *one = one.take().zip(other.as_ref()).map(|(one, other)| one.or(other));
        };
        either(&mut self.come, &other.come);
        either(&mut self.leave, &other.leave);
    }

    /// Whether packets leave by where they come from: what talks so is on one link, or on one switch.
    pub(super) fn is_one(&self) -> bool {
        self.come.is_some() && self.come == self.leave
    }

    /// `all that comes by `lan0` and leaves by `wan0``; `None` where the names are too many.
    pub(super) fn words(&self) -> Option<String> {
        let side = |set: &Option<Set>| set.as_ref().map(named).map_or(Some(None), |named| named.map(Some));
        match (side(&self.come)?, side(&self.leave)?) {
            (Some(come), Some(leave)) => Some(format!("all that comes by {come} and leaves by {leave}")),
            (Some(come), None) => Some(format!("all that comes by {come}")),
            (None, Some(leave)) => Some(format!("all that leaves by {leave}")),
            (None, None) => None,
        }
    }
}

/// Interfaces by their names, or as all but some.
fn named(interfaces: &Set) -> Option<String> {
    const MOST: usize = 4;
    let spared = loopbacks().or(&Set::one(0));
    let told = |set: &Set| -> Option<Vec<String>> {
        let names = set.ranges().iter().filter(|(lo, hi)| !spared.covers(&Set::range(*lo, *hi)));
        names.map(|(lo, hi)| interface_pattern(*lo, *hi).map(|name| format!("`{name}`"))).collect()
    };
    let few = |names: &Vec<String>| (1..=MOST).contains(&names.len());
    let of = told(interfaces).filter(few).map(|names| words::some(&names, MOST, "interface"));
    let but = || told(&interfaces.not().minus(&spared)).filter(few);
    of.or_else(|| but().map(|names| format!("all interfaces but {}", words::some(&names, MOST, "interface"))))
}

impl Lens<'_, '_> {
    /// The chains whose rules have the word about traffic to and through the firewall: an accept in others, for marks or
    /// before connection tracking, lets packets go on to these.
    pub(super) fn deciding(&self) -> &FxHashSet<ChainId> {
        self.deciding.get_or_init(|| {
            let rules = &self.firewall.rules;
            let one = self.firewall.dialect.language().one_filter;
            let hooks: &[Hook] =
                if one { &[Hook::Prerouting, Hook::Postrouting] } else { &[Hook::Input, Hook::Forward] };
            let stages = hooks.iter().flat_map(|hook| rules.stages(*hook));
            let filters =
                stages.filter(|stage| stage.kind == StageKind::Filter && (one || stage.priority > MANGLE));
            rules.reached(filters.map(|stage| stage.chain))
        })
    }

    /// Whether packets come in by all interfaces, and leave by all, with nearly all ports: those of a rule itself by all
    /// that no rule names, and by the others those that rules let pass at all.
    pub(super) fn by_all_interfaces(
        &self,
        spaces: &mut Spaces,
        (part, passed): (Space, Space),
        way: Way,
    ) -> bool {
        if !self.has_free_sides() {
            return true;
        }
        let sides: &[Field] = if way == Way::Forward { &[Field::Iif, Field::Oif] } else { &[Field::Iif] };
        sides.iter().all(|side| {
            let missing = self.real_interfaces(*side).minus(&wide_open(spaces, part, *side));
            if missing.is_empty() || !self.are_named(&missing) {
                return missing.is_empty();
            }
            let there = spaces.test(*side, &missing);
            let there = spaces.and(passed, there);
            missing.minus(&wide_open(spaces, there, *side)).is_empty()
        })
    }

    /// Whether rules name all of these interfaces.
    pub(super) fn are_named(&self, interfaces: &Set) -> bool {
        self.named.covers(interfaces)
    }

    /// Whether nothing but the rules says which side is which: no zones, and no levels as those of an ASA.
    pub(super) fn has_free_sides(&self) -> bool {
        self.judge.site.is_made_up() && !self.firewall.dialect.language().lines.of_interfaces
    }

    /// By which of the interfaces of a made-up site packets come and leave.
    pub(super) fn sides(&self, spaces: &mut Spaces, packets: Space, way: Way) -> Sides {
        let mut some = |side: Field| {
            let level = spaces.level(side).filter(|_| self.has_free_sides())?;
            let (there, all) = (spaces.hull(packets, level), self.real_interfaces(side));
            (!there.covers(&all)).then(|| there.and(&all))
        };
        let come = some(Field::Iif);
        Sides { come, leave: if way == Way::Forward { some(Field::Oif) } else { None } }
    }

    /// All interfaces that strangers' packets can come in, or leave, by.
    pub(super) fn real_interfaces(&self, side: Field) -> Set {
        let real = loopbacks().not().and(&Set::range(1, u128::MAX));
        // Where a config tells all interfaces, there are no others; one alone is not all.
        let told = &self.firewall.rules.interfaces;
        let all_told = told.count() > 1 || side == Field::Iif && !told.is_empty();
        if self.judge.site.is_made_up() && all_told { real.and(told) } else { real }
    }
}

/// The interfaces by which packets have nearly all ports.
fn wide_open(spaces: &mut Spaces, packets: Space, side: Field) -> Set {
    let (Some(side), Some(dport)) = (spaces.level(side), spaces.level(Field::Dport)) else {
        return Set::empty();
    };
    let groups = spaces.values_by(packets, side, dport).unwrap_or_default();
    let wide = groups.into_iter().filter(|(_, ports)| ports.count() >= NEARLY_ALL);
    wide.fold(Set::empty(), |all, (names, _)| all.or(&names))
}
