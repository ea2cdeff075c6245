//! The interpreter and the flow engine give the same answers.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use pinhole::analysis::flow::{Class, Classes, Ctrl, Expr, Hop};
use pinhole::analysis::{Cond, Decider, Flow, Trip, interpret};
use pinhole::model::{Ruleset, Verdict, Way};
use pinhole::packet::{Family, Field, Packet, Set, Space, Spaces, State, interface};
use proptest::prelude::*;

use crate::rulesets;

use rulesets::{Draw, NAMES, PROTOS, ruleset};

/// The fields that packets have, each with the largest value drawn.
const GIVEN: [(Field, u32); 10] = [
    (Field::Src4, 7),
    (Field::Dst4, 7),
    (Field::Sport, 3),
    (Field::Dport, 7),
    (Field::IcmpType, 9),
    (Field::IcmpCode, 3),
    (Field::TcpFlags, 3),
    (Field::State, 4),
    (Field::Ttl, 7),
    (Field::Proto, 17),
];

/// A packet, and for its fields sets in which it is; a field that is not named can have any value.
fn packet(d: &mut Draw) -> (Packet, Vec<(Field, Set)>) {
    let proto = d.pick(&PROTOS);
    let mut packet = Packet::new(Family::V4, proto);
    let mut sides = Vec::new();
    for (field, last) in GIVEN {
        let value = match field {
            Field::Proto => u128::from(proto),
            Field::State => d.pick(&State::ALL) as u128,
            _ => d.below(last + 1).into(),
        };
        packet.set(field, value);
        if !d.one_in(4) {
            sides.push((field, d.set(last).or(&Set::one(value))));
        }
    }
    for field in [Field::Iif, Field::Oif] {
        let name = interface(d.pick(&NAMES));
        packet.set(field, name);
        if d.one_in(2) {
            sides.push((field, Set::one(name)));
        }
    }
    (packet, sides)
}

fn space_of(spaces: &mut Spaces, sides: &[(Field, Set)]) -> Space {
    let mut space = Space::ALL;
    for (field, set) in sides {
        let side = spaces.test(*field, set);
        space = spaces.and(space, side);
    }
    space
}

/// The one packet as a set.
fn alone(spaces: &mut Spaces, packet: &Packet) -> Space {
    let fields = GIVEN.map(|(field, _)| field).into_iter().chain([Field::Iif, Field::Oif]);
    let sides: Vec<(Field, Set)> =
        fields.filter_map(|field| Some((field, Set::one(packet.get(field).known()?)))).collect();
    space_of(spaces, &sides)
}

/// What a failure needs to be understood.
fn story(rules: &Ruleset, packet: &Packet, way: Way) -> String {
    let mut text = format!("{way:?}\n");
    for (field, _) in GIVEN.into_iter().chain([(Field::Iif, 0), (Field::Oif, 0)]) {
        text += &format!("{field:?} {:?}\n", packet.get(field));
    }
    text + &rulesets::story(rules)
}

fn word(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Accept => 1,
        Verdict::Drop => 2,
        Verdict::Reject(_) => 4,
    }
}

/// How many rulesets are tried: `TWO_ENGINES_CASES` or a few thousand.
fn cases() -> u32 {
    std::env::var("TWO_ENGINES_CASES").ok().and_then(|number| number.parse().ok()).unwrap_or(4000)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 600, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn a_packet_ends_as_its_set_does(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        agree(&bytes)?;
    }
}

/// A packet and rules of which the engines said different things once: what the box sends to itself is sent to the
/// address of the interface that it comes back by.
const ONCE_APART: [u8; 280] = [
    78, 46, 80, 246, 210, 205, 219, 212, 177, 186, 172, 74, 213, 189, 221, 56, 184, 45, 237, 138, 74, 145,
    87, 81, 17, 146, 13, 220, 158, 83, 132, 242, 39, 90, 142, 243, 191, 10, 130, 171, 187, 180, 163, 104,
    235, 51, 0, 90, 42, 196, 71, 126, 29, 13, 234, 165, 242, 205, 60, 140, 49, 12, 153, 141, 247, 59, 102,
    110, 48, 251, 151, 133, 11, 90, 56, 10, 149, 210, 133, 254, 77, 139, 98, 169, 217, 103, 36, 52, 213, 147,
    72, 176, 88, 221, 164, 22, 194, 125, 74, 68, 66, 90, 200, 162, 138, 19, 117, 110, 3, 62, 108, 195, 3,
    100, 133, 76, 202, 218, 170, 158, 97, 229, 53, 37, 192, 75, 29, 51, 177, 205, 81, 144, 124, 47, 205, 169,
    189, 159, 17, 119, 126, 72, 232, 255, 51, 220, 100, 254, 211, 111, 245, 106, 81, 129, 22, 98, 97, 40, 94,
    11, 148, 30, 88, 14, 114, 126, 125, 32, 39, 185, 126, 21, 112, 74, 98, 53, 36, 175, 100, 232, 232, 7,
    253, 129, 85, 121, 197, 11, 185, 35, 190, 40, 226, 114, 198, 106, 8, 121, 246, 8, 216, 64, 176, 165, 18,
    170, 208, 171, 26, 72, 165, 58, 39, 84, 54, 58, 132, 239, 200, 241, 39, 128, 246, 173, 1, 130, 180, 232,
    101, 90, 23, 6, 98, 18, 243, 178, 103, 193, 253, 10, 37, 183, 227, 26, 147, 51, 40, 173, 136, 216, 87,
    90, 159, 51, 16, 56, 147, 46, 126, 89, 147, 173, 175, 255, 198, 130, 214, 10, 200, 252, 30, 212, 196, 86,
    182, 162, 255, 63, 231, 37,
];

#[test]
fn what_was_told_apart_once_is_not_any_more() {
    agree(&ONCE_APART).unwrap();
}

/// Draws rules and a packet of bytes, and holds the engines together.
fn agree(bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut d = Draw(bytes);
    let (packet, sides) = packet(&mut d);
    let way = d.pick(&[Way::Forward, Way::Input, Way::Output]);
    let fwd_oif = Some(interface("eth0"));
    let rules = ruleset(&mut d);
    let trip = Trip { packet: packet.clone(), way, fwd_oif, loopback: d.one_in(4) };
    let one = interpret(&rules, &trip, &mut ());
    prop_assume!(!one.iter().any(|o| o.conds.contains(&Cond::Limit)));
    let names = Flow::names(&rules).into_iter().chain(NAMES.map(|name| Set::one(interface(name))));
    let mut spaces = Spaces::new(Family::V4, names, 20_000_000);
    let all = space_of(&mut spaces, &sides);
    let flow = Flow::new(&rules, 0, false);
    let hop = Hop { fwd_oif: Some(Set::one(interface("eth0"))), loopback: trip.loopback, ..Hop::first(way) };
    let packets = Classes::one(Class { space: all, ctrl: Ctrl::new(way) });
    let passage = flow.run(&mut spaces, &packets, &hop).unwrap();
    let here = alone(&mut spaces, &packet);

    let by_interpreter = one.iter().fold(0, |bits, o| bits | word(o.verdict));
    let passed = passage.passed.union(&mut spaces);
    let passed = spaces.as_came(passed);
    let mut by_flow = u8::from(spaces.meets(passed, here));
    for (_, verdict, space) in &passage.refused {
        if spaces.meets(*space, here) {
            by_flow |= word(*verdict);
        }
    }
    // Of a value that nobody knows, the interpreter forgets what a test on several fields or on some of its bits
    // said of it.
    let blurred = !(rules.tuples.is_empty() && rules.masks.is_empty())
        && one.iter().any(|o| o.conds.iter().any(|c| matches!(c, Cond::Field(_))));
    let same =
        if blurred { by_flow != 0 && by_flow & !by_interpreter == 0 } else { by_interpreter == by_flow };
    prop_assert!(same, "{by_interpreter} {by_flow} {}", story(&rules, &packet, way));

    // Every packet ends somewhere, and for all that is not known in one place alone.
    let mut seen = passed;
    for (_, _, space) in &passage.refused {
        prop_assert!(!spaces.meets(seen, *space), "{}", story(&rules, &packet, way));
        seen = spaces.or(seen, *space);
    }
    let (ended, came) = (spaces.possibly(seen), spaces.possibly(all));
    prop_assert_eq!(ended, came, "{}", story(&rules, &packet, way));

    if let [only] = &*one
        && only.conds.is_empty()
    {
        let mut deciders: Vec<Decider> = Vec::new();
        for (by, _, space) in &passage.refused {
            if spaces.meets(*space, here) {
                deciders.push(*by);
            }
        }
        if deciders.is_empty() {
            let mut passes = passage.passes.iter();
            let last = passes.find(|pass| spaces.meets(pass.space, here));
            deciders.push(last.map_or(Decider::End, |pass| pass.by));
        }
        prop_assert_eq!(&deciders, &[only.decider], "{}", story(&rules, &packet, way));
        for class in passage.passed.iter() {
            let part = spaces.and(class.space, here);
            if part.is_none() {
                continue;
            }
            prop_assert_eq!(class.ctrl.way, only.way);
            for field in [Field::Src4, Field::Dst4, Field::Sport, Field::Dport] {
                let Some(value) = only.packet.get(field).known() else { continue };
                let leaves = match class.ctrl.expr(&spaces, field).unwrap() {
                    Expr::Const(value) => Set::one(value),
                    Expr::At(level, delta) => {
                        let bits = 128 - level.last().leading_zeros();
                        spaces.values(part, level).shifted(delta, bits)
                    }
                };
                prop_assert_eq!(leaves, Set::one(value), "{:?} {}", field, story(&rules, &packet, way));
            }
        }
    }
    Ok(())
}
