//! The flow engine's answer for single packets: each as a set of its own, or all of them in one set.

#![allow(dead_code, clippy::panic, reason = "each test uses a part of it, and fails by a panic")]

use pinhole::analysis::flow::{Class, Classes, Ctrl, Expr, Hop, Passage};
use pinhole::analysis::{Flow, Trip};
use pinhole::model::{Ruleset, Verdict, Way};
use pinhole::packet::{Field, Set, Space, Spaces, Value, first_state, proto};

/// What the engine has for the maximum segment size of packets without that option.
const NO_MSS: u128 = 0x1_0000;

/// How one packet can end.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Ending {
    /// The verdicts, each once.
    pub verdicts: Vec<Verdict>,
    /// What source, destination and their ports can be where it passes.
    pub leaves: [Set; 4],
}

/// How a packet can end, asked as a set of its own.
pub(crate) fn verdicts(rules: &Ruleset, trip: &Trip) -> Vec<Verdict> {
    endings(rules, std::slice::from_ref(trip)).pop().map_or(Vec::new(), |ending| ending.verdicts)
}

/// How each packet of one set can end. They have all but the packet in common, and are of one family.
pub(crate) fn endings(rules: &Ruleset, trips: &[Trip]) -> Vec<Ending> {
    let Some(first) = trips.first() else { return Vec::new() };
    let all: Vec<Vec<(Field, Set)>> = trips.iter().map(|trip| sides(trip, rules)).collect();
    let names = all.iter().flatten().filter(|(field, _)| matches!(field, Field::Iif | Field::Oif));
    let names = names.map(|(_, set)| set.clone()).chain(first.fwd_oif.map(Set::one));
    let names: Vec<Set> = Flow::names(rules).into_iter().chain(names).collect();
    let mut spaces = Spaces::new(first.packet.family(), names, 200_000_000);
    let alone: Vec<Space> = all.iter().map(|sides| space(&mut spaces, sides)).collect();
    let packets = Class { space: spaces.union(alone.iter().copied()), ctrl: Ctrl::new(first.way) };
    let fwd_oif = first.fwd_oif.map(Set::one);
    let hop = Hop { fwd_oif, loopback: first.loopback, ..Hop::first(first.way) };
    let flow = Flow::new(rules, 0, false);
    let passage =
        flow.run(&mut spaces, &Classes::one(packets), &hop).unwrap_or_else(|_| panic!("beyond the limits"));
    alone.into_iter().map(|here| ending(&mut spaces, &passage, here)).collect()
}

/// What is known of a packet's fields.
fn sides(trip: &Trip, rules: &Ruleset) -> Vec<(Field, Set)> {
    let verified = !rules.stateful && trip.way != Way::Output;
    let known = |field: Field| trip.packet.get(field).known().map(|value| (field, Set::one(value)));
    let mut sides: Vec<(Field, Set)> = Field::ALL
        .into_iter()
        .filter(|field| !matches!(field, Field::Version | Field::Mark | Field::Tag))
        .filter_map(known)
        .collect();
    if trip.packet.protocol() == proto::TCP && trip.packet.get(Field::TcpMss) == Value::Absent {
        sides.push((Field::TcpMss, Set::one(NO_MSS)));
    }
    if !trip.packet.has(Field::State)
        && let Some(state) = first_state(&trip.packet, verified)
    {
        sides.push((Field::State, Set::one(state as u128)));
    }
    sides
}

fn space(spaces: &mut Spaces, sides: &[(Field, Set)]) -> Space {
    let mut space = Space::ALL;
    for (field, set) in sides {
        let side = spaces.test(*field, set);
        space = spaces.and(space, side);
    }
    space
}

fn ending(spaces: &mut Spaces, passage: &Passage, here: Space) -> Ending {
    let mut ending = Ending::default();
    for class in passage.passed.iter() {
        let part = spaces.and(class.space, here);
        if part.is_none() {
            continue;
        }
        ending.say(Verdict::Accept);
        let family = spaces.family();
        let fields = [Field::src(family), Field::dst(family), Field::Sport, Field::Dport];
        for (set, field) in ending.leaves.iter_mut().zip(fields) {
            let leaves = match class.ctrl.expr(spaces, field) {
                None => continue,
                Some(Expr::Const(value)) => Set::one(value),
                Some(Expr::At(level, delta)) => spaces.values(part, level).shifted(delta, level.bits()),
            };
            *set = set.or(&leaves);
        }
    }
    for (_, verdict, space) in &passage.refused {
        if spaces.meets(*space, here) {
            ending.say(*verdict);
        }
    }
    ending
}

impl Ending {
    fn say(&mut self, verdict: Verdict) {
        if !self.verdicts.contains(&verdict) {
            self.verdicts.push(verdict);
        }
    }
}
