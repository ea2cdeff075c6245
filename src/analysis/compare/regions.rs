//! What differs, spelled out in boxes.

use super::effect::product;
use super::leaves::Leaves;
use super::{Kind, Region};
use crate::analysis::Decider;
use crate::model::{Verdict, Way};
use crate::packet::{
    Field, Packet, Set, Space, Spaces, State, first_state, interface, interface_name, proto,
};

/// What all packets of a find have in common.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Same {
    pub kind: Kind,
    pub by: [Decider; 2],
    pub leaves: Option<[Leaves; 2]>,
    pub verdicts: Option<[Verdict; 2]>,
    pub helpers: [Option<String>; 2],
    pub holds: [bool; 2],
}

impl Same {
    pub(super) fn of(kind: Kind) -> Same {
        Same {
            kind,
            by: [Decider::End; 2],
            leaves: None,
            verdicts: None,
            helpers: [None, None],
            holds: [false; 2],
        }
    }
}

/// Packets that fare differently in one way.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub same: Same,
    /// The packets.
    pub space: Space,
    /// They, and the values of the variables with which they fare so.
    pub live: Space,
}

/// Finds in boxes.
pub(super) struct Spelled {
    pub regions: Vec<Region>,
    /// They are all of it.
    pub all: bool,
    /// Where they are not, a box of the rest.
    pub example: Option<Region>,
}

/// All finds in boxes, `most` at most; `None` where the store gave up.
pub(super) fn spelled(spaces: &mut Spaces, way: Way, found: Vec<Found>, most: usize) -> Option<Spelled> {
    let mut groups: Vec<Found> = Vec::new();
    let mut places: rustc_hash::FxHashMap<Same, usize> = rustc_hash::FxHashMap::default();
    for one in found {
        match places.get(&one.same) {
            Some(at) => {
                let known = &mut groups[*at];
                known.space = spaces.or(known.space, one.space);
                known.live = spaces.or(known.live, one.live);
            }
            None => {
                places.insert(one.same.clone(), groups.len());
                groups.push(one);
            }
        }
    }
    let mut spelled = Spelled { regions: Vec::new(), all: true, example: None };
    for group in groups {
        match spaces.rows(group.space, most - spelled.regions.len()) {
            Some(rows) => {
                for row in rows {
                    spelled.regions.extend(region(spaces, way, &group, plain(spaces, row.fields))?);
                }
            }
            None => {
                spelled.all = false;
                if spelled.example.is_none() {
                    let row = spaces.first_row(group.space)?;
                    spelled.example = region(spaces, way, &group, plain(spaces, row.fields))?;
                }
            }
        }
    }
    (!spaces.exhausted()).then_some(spelled)
}

/// The packets of a find that have some values. `Some(None)` where no packet has them; `None` where the store gave up.
fn region(
    spaces: &mut Spaces,
    way: Way,
    Found { same, space, live }: &Found,
    fields: Vec<(Field, Set)>,
) -> Option<Option<Region>> {
    let within = product(spaces, &fields);
    let within = spaces.and(*space, within);
    if within.is_none() {
        return Some(None);
    }
    let live = spaces.and(*live, within);
    Some(Some(Region {
        kind: same.kind,
        way,
        family: spaces.family(),
        by: same.by,
        leaves: same.leaves.clone(),
        verdicts: same.verdicts,
        helpers: same.helpers.clone(),
        holds: same.holds,
        witness: witness(spaces, within, &fields, way)?,
        depends_on: match same.kind {
            // Which rule decides may hang on something, what becomes of them does not.
            Kind::Opened | Kind::Closed => Vec::new(),
            _ => spaces.names_of_variables(live),
        },
        fields,
    }))
}

/// The fields of a row that limit something.
fn plain(spaces: &Spaces, fields: Vec<(Field, Set)>) -> Vec<(Field, Set)> {
    let limited = fields.into_iter().filter_map(|(field, set)| {
        let last = match field {
            Field::Iif | Field::Oif => u128::MAX,
            // One more value stands for packets without the option.
            Field::TcpMss => spaces.level(field)?.last(),
            _ => field.last(),
        };
        let all = Set::range(0, last);
        let set = set.and(&all);
        (set != all).then_some((field, set))
    });
    limited.collect()
}

/// One packet of a set that people would send, where there is one: it starts a connection, with nothing odd about
/// it.
fn witness(spaces: &mut Spaces, space: Space, fields: &[(Field, Set)], way: Way) -> Option<Packet> {
    let likely: [(Field, Set); 9] = [
        (Field::State, Set::one(State::New as u128)),
        (Field::Proto, Set::of([(6, 6), (17, 17), (1, 1), (58, 58)])),
        (Field::TcpFlags, Set::one(2)),
        (Field::Sport, Set::range(1024, 65535)),
        (Field::Ttl, Set::one(64)),
        (Field::Dscp, Set::one(0)),
        (Field::Ecn, Set::one(0)),
        (Field::PktType, Set::one(0)),
        (Field::Ext, Set::one(128)),
    ];
    let mut space = space;
    for (field, set) in likely {
        if spaces.level(field).is_none() {
            continue;
        }
        let usual = spaces.test(field, &set);
        // Flags are those of TCP alone.
        let usual = match field.carrier_set() {
            Some(carriers) => {
                let others = spaces.test(Field::Proto, &carriers).not();
                spaces.or(usual, others)
            }
            None => usual,
        };
        let part = spaces.and(space, usual);
        if !part.is_none() {
            space = part;
        }
    }
    let mut packet = spaces.witness(space)?;
    for (field, set) in fields.iter().filter(|(field, _)| matches!(field, Field::Iif | Field::Oif)) {
        let other = if *field == Field::Iif { Field::Oif } else { Field::Iif };
        let taken = fields.iter().find(|(known, _)| *known == other).and_then(|(_, set)| set.single());
        if let Some(name) = likely_name(set, spaces.interfaces(), taken) {
            packet.set(*field, name);
        }
    }
    fill(&mut packet, way);
    Some(packet)
}

/// A name among some that an interface can have, all of which do as well: one that rules name and that is not on the
/// other side.
fn likely_name(set: &Set, known: Vec<u128>, taken: Option<u128>) -> Option<u128> {
    let is_name = |name: &u128| {
        let text = interface_name(*name);
        !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic())
    };
    let named = set.ranges().iter().map(|(name, _)| *name).find(is_name);
    let usual = ["eth0", "eth1", "eth2", "em0", "em1", "em2", "other0", "other1"].map(interface);
    let spared = [taken, Some(interface("lo"))];
    let known = known.into_iter().filter(|name| is_name(name) && !spared.contains(&Some(*name)));
    named.or_else(|| known.chain(usual).find(|name| set.contains(*name)))
}

/// What a packet of the set needs so that it can be sent: addresses, ports, flags.
fn fill(packet: &mut Packet, way: Way) {
    let family = packet.family();
    let mut wanted = vec![(Field::src(family), None), (Field::dst(family), None)];
    if proto::WITH_PORTS.contains(&packet.protocol()) {
        wanted.extend([(Field::Sport, Some(50_000)), (Field::Dport, Some(9))]);
    }
    match packet.protocol() {
        proto::TCP => wanted.push((Field::TcpFlags, Some(2))),
        proto::ICMP => wanted.extend([(Field::IcmpType, Some(8)), (Field::IcmpCode, Some(0))]),
        proto::ICMPV6 => wanted.extend([(Field::IcmpType, Some(128)), (Field::IcmpCode, Some(0))]),
        _ => {}
    }
    for (field, value) in wanted {
        if !packet.has(field) {
            packet.set(field, value.unwrap_or_else(|| address(field)));
        }
    }
    if !packet.has(Field::State)
        && let Some(state) = first_state(packet, way != Way::Output)
    {
        packet.set(Field::State, state as u128);
    }
}

/// An address that is set aside for documentation; nothing in the set hangs on it.
fn address(field: Field) -> u128 {
    match field {
        Field::Src4 => 0xcb00_7109,
        Field::Dst4 => 0xc000_0209,
        Field::Src6 => 0x2001_0db8_0000_0009 << 64 | 9,
        _ => 0x2001_0db8_0000_0002 << 64 | 9,
    }
}
