//! The interpreter and the flow engine give the same answers.

use pinhole::analysis::{Cond, Engine, Scope, Trip, interpret};
use pinhole::model::{
    Builder, ChainId, Effect, Hook, MapEntry, MarkOp, Nat, NatAddr, NatPort, OwnAddress, Reply, Ruleset,
    Stage, StageKind, Step, Test, Tuples, Values, Verdict, Way,
};
use pinhole::packet::{Dim, Family, Field, Packet, Region, Set, State, interface};
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

const FIELDS: [(Field, u32); 15] = [
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
];
const PROTOS: [u8; 3] = [6, 17, 1];
const NAMES: [&str; 2] = ["eth0", "lo"];

fn test(d: &mut Draw, b: &mut Builder) -> Test {
    let negate = d.one_in(4);
    match d.below(12) {
        0 => Test::Unknown { cond: b.condition(d.pick(&["limit", "time"])), negate: false },
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
        13 => Effect::NoTrack,
        14 => Effect::Pend(d.pick(&[Verdict::Accept, Verdict::Drop])),
        15 => Effect::Settle,
        16 if d.one_in(3) => Effect::Undefined(b.condition("target")),
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

fn packet(d: &mut Draw) -> (Packet, Region) {
    let proto = d.pick(&PROTOS);
    let mut packet = Packet::new(Family::V4, proto);
    let mut region = Region::all(Family::V4);
    let mut give = |field: Field, dim: Dim, value: u128, last: u32, d: &mut Draw| {
        packet.set(field, value);
        let side = d.set(last).or(&Set::one(value));
        if field == Field::State {
            // The connection's own fields are known only where the state is; a mask over all addresses is not followed.
            region.set(dim, Set::one(value));
        } else if matches!(dim, Dim::Src | Dim::Dst) || !d.one_in(4) {
            region.set(dim, side);
        }
    };
    give(Field::Src4, Dim::Src, d.below(8).into(), 7, d);
    give(Field::Dst4, Dim::Dst, d.below(8).into(), 7, d);
    give(Field::Sport, Dim::Sport, d.below(4).into(), 3, d);
    give(Field::Dport, Dim::Dport, d.below(8).into(), 7, d);
    give(Field::IcmpType, Dim::IcmpType, d.below(10).into(), 9, d);
    give(Field::IcmpCode, Dim::IcmpCode, d.below(4).into(), 3, d);
    give(Field::TcpFlags, Dim::TcpFlags, d.below(4).into(), 3, d);
    give(Field::State, Dim::State, d.pick(&State::ALL) as u128, 4, d);
    give(Field::Proto, Dim::Proto, proto.into(), 17, d);
    let (iif, oif) = (interface(d.pick(&NAMES)), interface(d.pick(&NAMES)));
    packet.set(Field::Iif, iif);
    packet.set(Field::Oif, oif);
    region.set(Dim::Iif, Set::one(iif));
    region.set(Dim::Oif, Set::one(oif));
    (packet, region)
}

fn holds(region: &Region, packet: &Packet) -> bool {
    holds_in(&Dim::ALL, region, packet)
}

fn holds_in(dims: &[Dim], region: &Region, packet: &Packet) -> bool {
    dims.iter().all(|dim| {
        let value = packet.get(dim.field(Family::V4)).known();
        match (region.side(*dim), value) {
            (Some(side), Some(value)) => side.contains(value),
            _ => true,
        }
    })
}

/// What a failure needs to be understood.
fn story(rules: &Ruleset, packet: &Packet, way: Way, region: &Region) -> String {
    let mut text = format!("{way:?}\n");
    for dim in Dim::ALL {
        let field = dim.field(Family::V4);
        text += &format!("{field:?} {:?} of {:?}\n", packet.get(field), region.side(dim));
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
        "{:?} {:?} {:?} {:?} own {:?}",
        rules.nats,
        rules.maps,
        rules.tuples,
        rules.masks,
        rules.own.len()
    )
}

fn word(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Accept => 1,
        Verdict::Drop => 2,
        Verdict::Reject(_) => 4,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4000) })]

    #[test]
    fn a_packet_ends_as_its_region_does(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut d = Draw(&bytes);
        let (packet, region) = packet(&mut d);
        let way = d.pick(&[Way::Forward, Way::Input, Way::Output]);
        let fwd_oif = Some(interface("eth0"));
        let rules = ruleset(&mut d);
        let trip = Trip { packet: packet.clone(), way, fwd_oif, loopback: false };
        let one = interpret(&rules, &trip, &mut ());
        let all = Scope::new(&Engine::new(&rules), region.clone()).run(&region, way, fwd_oif);
        prop_assume!(!one.iter().any(|o| o.conds.contains(&Cond::Limit)));
        prop_assume!(!all.iter().any(|e| e.conds.contains(&Cond::Limit)));
        let by_interpreter = one.iter().fold(0, |bits, o| bits | word(o.verdict));
        let here: Vec<_> = all.iter().filter(|e| holds(&e.region, &packet)).collect();
        let by_flow = here.iter().fold(0, |bits, e| bits | word(e.verdict));
        // Several translations on top of one another may blur what an engine knows, never bend it.
        let same = if rules.nats.len() > 1 { by_interpreter & by_flow != 0 } else { by_interpreter == by_flow };
        prop_assert!(same, "{by_interpreter} {by_flow} {}", story(&rules, &packet, way, &region));
        if let [only] = &*one
            && let [entry] = &*here
            && only.conds.is_empty()
            && entry.conds.is_empty()
        {
            prop_assert_eq!(only.decider, entry.decider, "{}", story(&rules, &packet, way, &region));
            prop_assert_eq!(only.way, entry.way);
            prop_assert!(holds_in(&[Dim::Src, Dim::Dst, Dim::Sport, Dim::Dport], &entry.leaves, &only.packet), "{}", story(&rules, &packet, way, &region));
        }
        // Entries that depend on nothing share no packet with any other.
        for (at, entry) in all.iter().enumerate() {
            for other in &all[at + 1..] {
                let apart = !entry.conds.is_empty() || !other.conds.is_empty();
                prop_assert!(apart || entry.region.and(&other.region).is_none(), "{:?}\n{:?}\n{}", entry, other, story(&rules, &packet, way, &region));
            }
        }
    }
}
