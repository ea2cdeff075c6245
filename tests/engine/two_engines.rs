//! The interpreter and the flow engine give the same answers.

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
        let mut d = Draw(&bytes);
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
        let blurred = !(rules.tuples.is_empty() && rules.masks.is_empty()) && one.iter().any(|o| o.conds.iter().any(|c| matches!(c, Cond::Field(_))));
        let same = if blurred { by_flow != 0 && by_flow & !by_interpreter == 0 } else { by_interpreter == by_flow };
        prop_assert!(same, "{by_interpreter} {by_flow} {}", story(&rules, &packet, way));

        // Every packet ends somewhere, and for all that is not known in one place alone.
        let mut seen = passed;
        for (_, _, space) in &passage.refused {
            prop_assert!(!spaces.meets(seen, *space), "{}", story(&rules, &packet, way));
            seen = spaces.or(seen, *space);
        }
        let (ended, came) = (spaces.possibly(seen), spaces.possibly(all));
        prop_assert_eq!(ended, came, "{}", story(&rules, &packet, way));

        if let [only] = &*one && only.conds.is_empty() {
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
    }
}
