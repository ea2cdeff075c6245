//! The interpreter and the flow engine give the same answers.

use pinhole::analysis::flow::{Class, Classes, Ctrl, Expr, Hop};
use pinhole::analysis::{Cond, Decider, Flow, Trip, interpret};
use pinhole::model::{
    Builder, ChainId, Condition, Effect, Hook, MapEntry, MarkOp, Nat, NatAddr, NatPort, OwnAddress, Reply,
    Ruleset, Stage, StageKind, Step, Test, Tuples, Values, Verdict, Way,
};
use pinhole::packet::{Family, Field, Packet, Set, Space, Spaces, State, interface};
use pinhole::source::Span;
use proptest::prelude::*;

/// Numbers drawn from a row of bytes, so that failures shrink; zeros when it is used up.
struct Draw<'a>(&'a [u8]);

impl Draw<'_> {
    fn below(&mut self, n: u32) -> u32 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        u32::from(*first) % n
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == n - 1
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u32) as usize]
    }

    fn set(&mut self, last: u32) -> Set {
        let mut range = || {
            let lo = self.below(last + 1);
            (u128::from(lo), u128::from((lo + self.below(3)).min(last)))
        };
        let ranges = [range(), range()];
        Set::of(ranges)
    }
}

const FIELDS: [(Field, u32); 16] = [
    (Field::Src4, 7),
    (Field::Dst4, 7),
    (Field::Dport, 7),
    (Field::Proto, 17),
    (Field::Sport, 3),
    (Field::State, 4),
    (Field::TcpFlags, 3),
    (Field::IcmpType, 9),
    (Field::Mark, 2),
    (Field::CtMark, 2),
    (Field::OrigDst4, 7),
    (Field::OrigDport, 7),
    (Field::Dnat, 1),
    (Field::Ttl, 7),
    (Field::Dst6, 7),
    (Field::Tag, 1),
];
const PROTOS: [u8; 3] = [6, 17, 1];
const NAMES: [&str; 2] = ["eth0", "lo"];

fn test(d: &mut Draw, b: &mut Builder) -> Test {
    let negate = d.one_in(4);
    match d.below(12) {
        0 => {
            let condition = match d.below(4) {
                0 => Condition::chance("chance"),
                1 => Condition::global("time"),
                2 => Condition::of("set a", [Field::Src4]),
                _ => Condition::of("set b", [Field::Dst4, Field::Dport]),
            };
            Test::Unknown { cond: b.condition(condition), negate }
        }
        1 => {
            let name = interface(d.pick(&NAMES));
            let values = b.values(Set::one(name));
            Test::In { field: d.pick(&[Field::Iif, Field::Oif]), values, negate }
        }
        2 => {
            let mask = b.mask(d.pick(&[1, 2, 5, 6]));
            Test::Masked {
                field: d.pick(&[Field::Src4, Field::Dst4, Field::Mark]),
                mask,
                values: Values::Range(0, d.below(2)),
                negate,
            }
        }
        3 => {
            let fields = vec![Field::Dst4, Field::Dport, Field::OrigDst4];
            let side = |d: &mut Draw| d.one_in(2).then(|| d.set(7));
            let boxes = (0..2).map(|_| vec![side(d), side(d), side(d)]).collect();
            Test::Tuple { tuples: b.tuples(Tuples { fields, boxes }), negate }
        }
        4 => {
            let proto = u128::from(d.pick(&PROTOS));
            Test::In { field: Field::Proto, values: b.values(Set::one(proto)), negate }
        }
        _ => {
            let (field, last) = d.pick(&FIELDS);
            let set = d.set(last);
            Test::In { field, values: b.values(set), negate }
        }
    }
}

fn nat(d: &mut Draw, destination: bool) -> Nat {
    let lo = u128::from(d.below(8));
    let addr = match d.below(7) {
        0 => NatAddr::Keep,
        1 => NatAddr::Pool(Family::V4, lo, lo + 1),
        2 => NatAddr::Prefix(Family::V4, lo, 30),
        3 => NatAddr::Interface,
        4 => NatAddr::Unknown,
        _ => NatAddr::Pool(Family::V4, lo, lo),
    };
    let port = match d.below(5) {
        0 => NatPort::Pool(2, 3),
        1 => NatPort::Pool(4, 4),
        2 => NatPort::Shift(1),
        _ => NatPort::Keep,
    };
    Nat { destination, addr, port }
}

fn effect(d: &mut Draw, b: &mut Builder, chain: u32, chains: u32, kind: StageKind) -> Effect {
    let further = chain + 1 + d.below(chains);
    match d.below(18) {
        0..=2 => Effect::Verdict(Verdict::Accept),
        3 | 4 => Effect::Verdict(Verdict::Drop),
        5 => Effect::Verdict(Verdict::Reject(Reply::TcpReset)),
        6..=8 if further < chains => Effect::Jump(ChainId(further)),
        9 if further < chains => Effect::Goto(ChainId(further)),
        10 => Effect::Return,
        11 => Effect::Mark(MarkOp { clear: d.below(4), flip: d.below(4) }),
        12 => d.pick(&[
            Effect::SaveMark(u32::MAX),
            Effect::RestoreMark(1),
            Effect::CtMark(MarkOp { clear: u32::MAX, flip: 1 }),
        ]),
        13 => d.pick(&[
            Effect::NoTrack,
            Effect::Tag(1),
            Effect::Set(Field::Dport, 3),
            Effect::Set(Field::Dst4, 5),
            Effect::Set(Field::Ttl, 2),
            Effect::Forget(Field::Sport),
            Effect::Forget(Field::Mark),
            Effect::KeepState(true),
        ]),
        14 => Effect::Pend(d.pick(&[Verdict::Accept, Verdict::Drop])),
        15 => Effect::Settle,
        16 if d.one_in(3) => Effect::Undefined(b.condition(Condition::elsewhere("anchor"))),
        _ if kind != StageKind::Filter => Effect::Nat(b.nat(nat(d, kind == StageKind::DstNat))),
        _ => Effect::NextRule,
    }
}

fn ruleset(d: &mut Draw) -> Ruleset {
    let mut b = Builder::new();
    let span = Span::default();
    let chains = 5;
    for at in 0..chains {
        b.chain(format!("c{at}"), span);
    }
    let kinds =
        [StageKind::Filter, StageKind::DstNat, StageKind::Filter, StageKind::SrcNat, StageKind::Filter];
    for chain in 0..chains {
        for _ in 0..d.below(5) {
            for _ in 0..d.below(3) {
                let test = test(d, &mut b);
                b.test(test);
            }
            if d.one_in(8) {
                let entries = (0..2)
                    .map(|_| MapEntry {
                        key: vec![Some(d.set(7))],
                        effect: effect(d, &mut b, chain, chains, kinds[chain as usize]),
                        span,
                    })
                    .collect();
                let map = b.map(vec![d.pick(&[Field::Dport, Field::Src4, Field::Dst4])], entries);
                b.step(Step::Lookup(map));
            }
            for _ in 0..1 + d.below(2) {
                let effect = effect(d, &mut b, chain, chains, kinds[chain as usize]);
                b.effect(effect);
            }
            b.rule(ChainId(chain), span, span);
        }
    }
    for (hook, chain) in [
        (Hook::Prerouting, 0),
        (Hook::Prerouting, 1),
        (Hook::Forward, 2),
        (Hook::Forward, 4),
        (Hook::Input, 2),
        (Hook::Output, 1),
        (Hook::Output, 2),
        (Hook::Postrouting, 3),
    ] {
        let kind = kinds[chain as usize];
        let policy = if kind == StageKind::Filter {
            d.pick(&[Verdict::Accept, Verdict::Drop])
        } else {
            Verdict::Accept
        };
        b.stage(
            hook,
            Stage {
                chain: ChainId(chain),
                kind,
                v4: true,
                v6: false,
                policy,
                policy_span: span,
                policy_written: true,
                priority: 0,
                before_tracking: chain == 0 && d.one_in(2),
            },
        );
    }
    if d.one_in(2) {
        b.ruleset().own = vec![
            OwnAddress { interface: "eth0".into(), family: Family::V4, address: 6, prefix: 30 },
            OwnAddress { interface: "lo".into(), family: Family::V4, address: 7, prefix: 30 },
        ];
    }
    b.finish()
}

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
    for hook in [Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting] {
        for stage in rules.stages(hook) {
            text += &format!(
                "{hook:?} {:?} {:?} {:?} blind {}\n",
                stage.chain, stage.kind, stage.policy, stage.before_tracking
            );
        }
    }
    for chain in &rules.chains {
        text += &format!("{}\n", chain.name);
        for rule in &chain.rules {
            text += &format!("   {:?}\n", rules.steps_of(rule));
        }
    }
    text + &format!(
        "{:?} {:?} {:?} {:?} own {:?} {:?}",
        rules.nats,
        rules.maps,
        rules.tuples,
        rules.masks,
        rules.own.len(),
        rules.conditions
    )
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
                let mut passes = passage.best_first().into_iter();
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
