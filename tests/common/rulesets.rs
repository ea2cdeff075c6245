//! Rulesets drawn from bytes, with all that the model knows.

#![allow(dead_code, reason = "each test uses a part of it")]

use pinhole::model::{
    Builder, ChainId, Condition, Effect, Hook, MapEntry, MarkOp, Nat, NatAddr, NatPort, OwnAddress, Reply,
    Ruleset, Stage, StageKind, Step, Test, Tuples, Values, Verdict,
};
use pinhole::packet::{Family, Field, Set, interface};
use pinhole::source::Span;

/// Numbers drawn from a row of bytes, so that failures shrink; zeros when it is used up.
pub(crate) struct Draw<'a>(pub &'a [u8]);

impl Draw<'_> {
    pub(crate) fn below(&mut self, n: u32) -> u32 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        u32::from(*first) % n
    }

    pub(crate) fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == n - 1
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u32) as usize]
    }

    pub(crate) fn set(&mut self, last: u32) -> Set {
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
pub(crate) const PROTOS: [u8; 3] = [6, 17, 1];
pub(crate) const NAMES: [&str; 2] = ["eth0", "lo"];

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

/// A ruleset.
pub(crate) fn ruleset(d: &mut Draw) -> Ruleset {
    let mut b = Builder::new();
    for at in 0..CHAINS {
        b.chain(format!("c{at}"), Span::default());
    }
    for chain in 0..CHAINS {
        for _ in 0..d.below(5) {
            rule(d, &mut b, chain);
        }
    }
    finish(d, b)
}

/// A ruleset whose rules are drawn each from bytes of its own: what changes in one leaves the others as they are.
pub(crate) fn ruleset_of(chains: &[Vec<Vec<u8>>], rest: &[u8]) -> Ruleset {
    let mut b = Builder::new();
    for at in 0..CHAINS {
        b.chain(format!("c{at}"), Span::default());
    }
    for (at, rules) in chains.iter().enumerate() {
        for bytes in rules {
            rule(&mut Draw(bytes), &mut b, at as u32);
        }
    }
    finish(&mut Draw(rest), b)
}

/// How many chains there are, and what their stages are for.
pub(crate) const CHAINS: u32 = 5;
const KINDS: [StageKind; CHAINS as usize] =
    [StageKind::Filter, StageKind::DstNat, StageKind::Filter, StageKind::SrcNat, StageKind::Filter];

fn rule(d: &mut Draw, b: &mut Builder, chain: u32) {
    let (span, kind) = (Span::default(), KINDS[chain as usize]);
    for _ in 0..d.below(3) {
        let test = test(d, b);
        b.test(test);
    }
    if d.one_in(8) {
        let entries = (0..2)
            .map(|_| MapEntry { key: vec![Some(d.set(7))], effect: effect(d, b, chain, CHAINS, kind), span })
            .collect();
        let map = b.map(vec![d.pick(&[Field::Dport, Field::Src4, Field::Dst4])], entries);
        b.step(Step::Lookup(map));
    }
    for _ in 0..1 + d.below(2) {
        let effect = effect(d, b, chain, CHAINS, kind);
        b.effect(effect);
    }
    b.rule(ChainId(chain), span);
}

fn finish(d: &mut Draw, mut b: Builder) -> Ruleset {
    b.ruleset().v4 = true;
    b.tag("one");
    let span = Span::default();
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
        let kind = KINDS[chain as usize];
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
                policy_origin: span.into(),
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

/// What a ruleset holds, for whoever has to understand a failure.
pub(crate) fn story(rules: &Ruleset) -> String {
    let mut text = String::new();
    for (at, stages) in rules.hooks.iter().enumerate() {
        for stage in stages {
            text += &format!(
                "hook {at}: {:?} {:?} {:?} blind {}\n",
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
        rules.nats, rules.maps, rules.tuples, rules.masks, rules.own, rules.conditions
    )
}
