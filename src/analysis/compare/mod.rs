//! What one ruleset does to packets and another does not: exactly, for all packets.
//!
//! Both rulesets work on one store of sets, so that a condition of one name is one variable on both sides. Packets
//! that meet none of the rules that differ fare alike and are left out first; the others go through both, and what
//! became of them is put side by side. What differs is spelled out in [`Region`]s: boxes of packets as they come,
//! none of them in two of one list, each with the rule that decides on either side.

mod align;
mod effect;
mod leaves;
mod regions;
mod rename;
mod shape;

pub use align::is_without;
pub use leaves::{End, Leaves};
pub use rename::{has_choices, rename, tell_apart, tell_choices_apart};

use rustc_hash::FxHashSet;

use super::{Decider, Flow};
use crate::model::{Ruleset, Verdict, Way};
use crate::packet::{Family, Field, Packet, Set, Space, Spaces, State, proto};
use crate::threads;

use align::Changes;
use regions::Spelled;

/// Work that one way and family may take, in steps of [`Spaces`].
const LIMIT: u64 = 400_000_000;
/// Boxes that one list of regions may hold.
const MOST_REGIONS: usize = 20_000;

/// What is compared.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Only what all firewall languages speak of: first packets of connections, and the answers to them.
    pub first_packets: bool,
    /// Only packets that have these values.
    pub fields: Vec<(Field, Set)>,
}

/// How packets of a [`Region`] fare on the two sides.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// They are refused before, and pass after.
    Opened,
    /// They pass before, and are refused after.
    Closed,
    /// They may pass after, and are refused before or may be: it hangs on conditions.
    MayOpen,
    /// They may be refused after where they passed.
    MayClose,
    /// Some outcomes of the conditions open, others close.
    MayChange,
    /// They pass on both sides, and are translated to different places.
    Retargeted,
    /// They pass on both sides; their connection has a helper on one side, or another one.
    Helped,
    /// They pass on both sides; the firewall remembers them for their answers on one side alone.
    Kept,
    /// They pass on both sides, and their answers on one side alone.
    Answered,
    /// They are refused on both sides, and their sender is told so in different ways.
    Replied,
}

/// A box of packets that fare differently: a product of field values, of packets as they come.
#[derive(Clone, Debug)]
pub struct Region {
    /// How they fare.
    pub kind: Kind,
    /// The way before translation.
    pub way: Way,
    /// The family.
    pub family: Family,
    /// The fields that are limited, each with its values; all other fields have any.
    pub fields: Vec<(Field, Set)>,
    /// Who decides about them before and after.
    pub by: [Decider; 2],
    /// Where they leave to before and after, for [`Kind::Retargeted`].
    pub leaves: Option<[Leaves; 2]>,
    /// What the refused sender sees before and after, for [`Kind::Replied`].
    pub verdicts: Option<[Verdict; 2]>,
    /// The helpers before and after, by name, for [`Kind::Helped`].
    pub helpers: [Option<String>; 2],
    /// Whether it is so before and after, for [`Kind::Kept`] and [`Kind::Answered`].
    pub holds: [bool; 2],
    /// One packet of the region.
    pub witness: Packet,
    /// The conditions on which it hangs whether they fare differently.
    pub depends_on: Vec<String>,
}

impl Region {
    /// The values of a field; `None` where it can have any.
    pub fn field(&self, field: Field) -> Option<&Set> {
        self.fields.iter().find(|(known, _)| *known == field).map(|(_, set)| set)
    }
}

/// What differs.
#[derive(Clone, Debug, Default)]
pub struct Difference {
    /// All regions, by kind.
    pub regions: Vec<Region>,
    /// What is not known, or not spelled out.
    pub unknown: Vec<Unknown>,
}

/// A way and family of which not all that differs is told.
#[derive(Clone, Debug)]
pub struct Unknown {
    /// The way before translation.
    pub way: Way,
    /// The family.
    pub family: Family,
    /// Some packets that fare differently, where more do than can be spelled out in boxes: the regions are not all of
    /// them. `None` where nothing is known, because it would have taken too much work.
    pub example: Option<Region>,
}

/// All ways.
pub const WAYS: [Way; 3] = [Way::Forward, Way::Input, Way::Output];

/// What differs between two rulesets, for packets of the families that both speak of.
pub fn compare(old: &Ruleset, new: &Ruleset, scope: &Scope) -> Difference {
    compare_within(old, new, scope, LIMIT)
}

/// The same, by so much work for each way and family.
pub fn compare_within(old: &Ruleset, new: &Ruleset, scope: &Scope, work: u64) -> Difference {
    let changes = Changes::of(old, new);
    let mut found = Difference::default();
    if changes.is_nothing() {
        return found;
    }
    let flows = [old, new].map(|rules| Flow::new(rules, 0, false));
    let jobs = families(old, new).into_iter().flat_map(|family| WAYS.map(|way| (way, family)));
    let jobs: Vec<(Way, Family)> = jobs.collect();
    let mut names: FxHashSet<Set> = Flow::names(old).into_iter().chain(Flow::names(new)).collect();
    let interfaces = scope.fields.iter().filter(|(field, _)| matches!(field, Field::Iif | Field::Oif));
    names.extend(interfaces.map(|(_, set)| set.clone()));
    let results = threads::each(&jobs, |&(way, family)| {
        let mut spaces = Spaces::new(family, names.iter().cloned(), work);
        let packets = changes.packets(&mut spaces, [old, new], way);
        let mut regions = Vec::new();
        let all = effect::universe(&mut spaces, scope, way);
        for part in packets {
            let part = spaces.and(part, all);
            if !part.is_none() {
                effect::find(&mut spaces, &flows, way, scope, part, &mut regions).ok()?;
            }
        }
        regions::spelled(&mut spaces, way, regions, MOST_REGIONS)
    });
    for ((way, family), spelled) in jobs.into_iter().zip(results) {
        let none = Spelled { regions: Vec::new(), all: false, example: None };
        let Spelled { regions, all, example } = spelled.unwrap_or(none);
        found.regions.extend(regions);
        if !all {
            found.unknown.push(Unknown { way, family, example });
        }
    }
    found.regions.sort_by_key(|region| region.kind);
    found
}

/// Whether all that differs is that packets pass no more, and all of them have the values of one of some lists. How what
/// was refused before is refused does not matter.
pub fn closes_only(difference: &Difference, named: &[(Family, Vec<(Field, Set)>)]) -> bool {
    let closes = |region: &&Region| matches!(region.kind, Kind::Closed | Kind::MayClose | Kind::Replied);
    if !difference.unknown.is_empty() || !difference.regions.iter().all(|region| closes(&region)) {
        return false;
    }
    let closed: Vec<&Region> =
        difference.regions.iter().filter(|region| region.kind != Kind::Replied).collect();
    let interfaces = |fields: &[(Field, Set)]| {
        let names = fields.iter().filter(|(field, _)| matches!(field, Field::Iif | Field::Oif));
        names.map(|(_, set)| set.clone()).collect::<Vec<_>>()
    };
    let names = closed.iter().map(|region| region.fields.as_slice());
    let names: Vec<Set> =
        names.chain(named.iter().map(|(_, fields)| fields.as_slice())).flat_map(interfaces).collect();
    [Family::V4, Family::V6].into_iter().all(|family| {
        let mut spaces = Spaces::new(family, names.iter().cloned(), LIMIT);
        let mut may = Space::NONE;
        for (_, fields) in named.iter().filter(|(of, _)| *of == family) {
            let one = effect::product(&mut spaces, fields);
            may = spaces.or(may, one);
        }
        let mut here = closed.iter().filter(|region| region.family == family);
        here.all(|region| {
            let one = effect::product(&mut spaces, &region.fields);
            spaces.covers(may, one)
        }) && !spaces.exhausted()
    })
}

/// The families that both speak of.
pub fn families(old: &Ruleset, new: &Ruleset) -> Vec<Family> {
    let both = [(Family::V4, old.v4 && new.v4), (Family::V6, old.v6 && new.v6)];
    both.into_iter().filter(|(_, both)| *both).map(|(family, _)| family).collect()
}

/// Protocols of which first packets can be told, and what they have then: a SYN alone, a request.
fn first_packets(family: Family) -> Vec<Vec<(Field, Set)>> {
    let new = (Field::State, Set::one(State::New as u128));
    let (icmp, requests) = match family {
        Family::V4 => (proto::ICMP, [(8, 8), (13, 13), (15, 15), (17, 17)].to_vec()),
        Family::V6 => (proto::ICMPV6, [(128, 128), (139, 139)].to_vec()),
    };
    let proto = |number: u8| (Field::Proto, Set::one(number.into()));
    let special = [proto::TCP, proto::ICMP, proto::ICMPV6].map(|p| (u128::from(p), u128::from(p)));
    let others = Set::of(special).not().and(&Set::range(0, 255));
    vec![
        vec![new.clone(), proto(proto::TCP), (Field::TcpFlags, Set::one(2))],
        vec![new.clone(), proto(icmp), (Field::IcmpType, Set::of(requests))],
        vec![new, (Field::Proto, others)],
    ]
}
