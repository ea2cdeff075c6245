//! The flow engine's answer for a set that holds one packet.

use pinhole::analysis::flow::{Class, Classes, Ctrl, Hop};
use pinhole::analysis::{Flow, Trip};
use pinhole::model::{Ruleset, Verdict};
use pinhole::packet::{Field, Set, Space, Spaces, first_state};

/// How a packet can end.
pub fn verdicts(rules: &Ruleset, trip: &Trip) -> Vec<Verdict> {
    let family = trip.packet.family();
    let known = |field: Field| trip.packet.get(field).known().map(|value| (field, Set::one(value)));
    let mut sides: Vec<(Field, Set)> = Field::ALL
        .into_iter()
        .filter(|field| !matches!(field, Field::Version | Field::Mark | Field::Tag))
        .filter_map(known)
        .collect();
    if !trip.packet.has(Field::State)
        && let Some(state) = first_state(&trip.packet)
    {
        sides.push((Field::State, Set::one(state as u128)));
    }
    let names = sides.iter().filter(|(field, _)| matches!(field, Field::Iif | Field::Oif));
    let names = names.map(|(_, set)| set.clone()).chain(trip.fwd_oif.map(Set::one));
    let names: Vec<Set> = Flow::names(rules).into_iter().chain(names).collect();
    let mut spaces = Spaces::new(family, names, 50_000_000);
    let mut space = Space::ALL;
    for (field, set) in &sides {
        let side = spaces.test(*field, set);
        space = spaces.and(space, side);
    }
    let packets = Classes::one(Class { space, ctrl: Ctrl::new(trip.way) });
    let hop = Hop { fwd_oif: trip.fwd_oif.map(Set::one), ..Hop::first(trip.way) };
    let passage = Flow::new(rules, 0, false).run(&mut spaces, &packets, &hop).expect("within the limits");
    let passed = passage.passed.iter().map(|_| Verdict::Accept);
    passed.chain(passage.refused.iter().map(|(_, verdict, _)| *verdict)).collect()
}
