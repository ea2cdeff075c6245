//! Rules that do nothing, held to brute force: all packets of a small universe, all answers to what is not known.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::collections::BTreeSet;

use pinhole::analysis::anomaly::{Anomalies, Ask, find};
use pinhole::analysis::{Outcome, Trip, interpret};
use pinhole::model::{
    Builder, ChainId, CondId, Condition, Effect, Hook, MapEntry, MapId, MarkOp, OwnAddress, Reply, Rule,
    RuleId, Ruleset, Stage, StageKind, Step, Test, Tuples, Values, Verdict, Way,
};
use pinhole::packet::{Family, Field, Packet, Set, interface};
use pinhole::source::Span;

use crate::rng::Rng;

/// What packets can have: those that rules name, and one that none does.
const SRC: &[u128] = &[0, 1, 2, 9];
const DST: &[u128] = &[0, 1, 9];
const PORTS: &[u128] = &[0, 1, 2, 9];
const PROTOS: &[u128] = &[6, 17, 33, 50];
const STATES: &[u128] = &[0, 1, 2, 3, 4];
const MARKS: &[u128] = &[0, 1, 2, 3, 4, 5, 6, 7];

const FIELDS: [Field; 9] = [
    Field::Src4,
    Field::Dst4,
    Field::Src6,
    Field::Dport,
    Field::State,
    Field::Mark,
    Field::Iif,
    Field::Oif,
    Field::Ttl,
];

fn names() -> [u128; 3] {
    ["eth0", "eth1", "eth2"].map(interface)
}

/// Which kinds of things a ruleset has.
#[derive(Clone, Copy)]
struct Taste {
    marks: bool,
    conditions: bool,
    /// Marks are changed bit by bit.
    bits: bool,
    /// Packets of both families come.
    both: bool,
}

fn some(rng: &mut Rng, last: u32) -> Set {
    let lo = rng.below(last + 1);
    Set::range(lo.into(), (lo + rng.below(2)).min(last).into())
}

fn test(rng: &mut Rng, b: &mut Builder, taste: Taste) -> Test {
    let negate = rng.one_in(5);
    if taste.both && rng.one_in(3) {
        let (field, set) = match rng.below(3) {
            0 => (Field::Version, Set::one(rng.pick(&[4, 6]))),
            _ => (Field::Src6, some(rng, 2)),
        };
        return Test::In { field, values: b.values(set), negate };
    }
    let kind = rng.below(if taste.marks { 12 } else { 9 });
    if taste.conditions && rng.one_in(5) {
        let condition = match rng.below(3) {
            0 => Condition::chance("chance"),
            1 => Condition::global("time"),
            _ => Condition::of("set a", [Field::Src4]),
        };
        return Test::Unknown { cond: b.condition(condition), negate };
    }
    let (field, set) = match kind {
        0..=2 => (Field::Src4, some(rng, 2)),
        3 => (Field::Dst4, some(rng, 1)),
        4 => (Field::Dport, some(rng, 1)),
        5 => (Field::Proto, Set::one(rng.pick(&[6, 17]))),
        6 => (Field::State, some(rng, 4)),
        7 => (rng.pick(&[Field::Iif, Field::Oif]), Set::one(names()[rng.below(2) as usize])),
        8 => {
            let fields = vec![Field::Src4, Field::Dport];
            let side = |rng: &mut Rng, last| (!rng.one_in(3)).then(|| some(rng, last));
            let boxes = (0..2).map(|_| vec![side(rng, 2), side(rng, 1)]).collect();
            return Test::Tuple { tuples: b.tuples(Tuples { fields, boxes }), negate };
        }
        9 | 10 => (Field::Mark, some(rng, 2)),
        _ => {
            let mask = b.mask(rng.pick(&[1, 2]));
            return Test::Masked { field: Field::Mark, mask, values: Values::Range(0, 0), negate };
        }
    };
    let values = b.values(set);
    Test::In { field, values, negate }
}

fn effect(rng: &mut Rng, (chain, chains): (u32, u32), taste: Taste) -> Effect {
    let further = chain + 1 + rng.below(chains);
    match rng.below(if taste.marks { 15 } else { 12 }) {
        0..=2 => Effect::Verdict(Verdict::Accept),
        3..=5 => Effect::Verdict(Verdict::Drop),
        6 => Effect::Verdict(Verdict::Reject(Reply::TcpReset)),
        7 | 8 if further < chains => Effect::Jump(ChainId(further)),
        9 if further < chains => Effect::Goto(ChainId(further)),
        10 => Effect::Return,
        11 => rng.pick(&[Effect::Pend(Verdict::Drop), Effect::Settle, Effect::NextRule]),
        12..=14 => Effect::Mark(MarkOp {
            clear: if taste.bits { rng.below(4) } else { u32::MAX },
            flip: rng.below(3),
        }),
        _ => Effect::Verdict(Verdict::Accept),
    }
}

/// A ruleset in which each rule stands in a place of its own.
fn ruleset(rng: &mut Rng, taste: Taste) -> Ruleset {
    let mut b = Builder::new();
    let mut place = 0;
    let mut next = || {
        place += 10;
        Span::new(place, place + 5)
    };
    let chains = 5;
    for at in 0..chains {
        b.chain(format!("c{at}"), next());
    }
    for chain in 0..chains {
        for _ in 0..1 + rng.below(4) {
            for _ in 0..rng.below(3) {
                let test = test(rng, &mut b, taste);
                b.test(test);
            }
            if rng.one_in(10) {
                let entries = (0..2)
                    .map(|_| MapEntry {
                        key: vec![Some(some(rng, 2))],
                        effect: effect(rng, (chain, chains), taste),
                        span: Span::new(1, 2),
                    })
                    .collect();
                let map = b.map(vec![rng.pick(&[Field::Dport, Field::Src4])], entries);
                b.step(Step::Lookup(map));
            } else {
                b.effect(effect(rng, (chain, chains), taste));
                if rng.one_in(4) {
                    b.effect(effect(rng, (chain, chains), taste));
                }
            }
            let span = next();
            b.rule(ChainId(chain), span);
        }
    }
    for (hook, chain) in
        [(Hook::Prerouting, 0), (Hook::Forward, 1), (Hook::Forward, 2), (Hook::Input, 2), (Hook::Output, 1)]
    {
        let (v4, v6) =
            if taste.both { rng.pick(&[(true, true), (true, true), (false, true)]) } else { (true, false) };
        b.stage(
            hook,
            Stage {
                chain: ChainId(chain),
                kind: StageKind::Filter,
                v4,
                v6,
                policy: rng.pick(&[Verdict::Accept, Verdict::Drop]),
                policy_origin: next().into(),
                priority: 0,
                before_tracking: false,
            },
        );
    }
    b.ruleset().own =
        vec![OwnAddress { interface: "eth0".into(), family: Family::V4, address: 77, prefix: 32 }];
    b.finish()
}

fn all_rules(rules: &Ruleset) -> Vec<RuleId> {
    let of = |at: usize| {
        (0..rules.chains[at].rules.len() as u32).map(move |index| RuleId { chain: ChainId(at as u32), index })
    };
    (0..rules.chains.len()).flat_map(of).collect()
}

/// The places of a rule's steps.
fn steps(rules: &Ruleset, id: RuleId) -> std::ops::Range<usize> {
    let rule: &Rule = rules.rule(id);
    let from = rules.steps_of(rule).as_ptr();
    let first = (from as usize - rules.steps.as_ptr() as usize) / size_of::<Step>();
    first..first + rules.steps_of(rule).len()
}

/// Without some rules.
pub(crate) fn without<'r>(rules: &Ruleset, gone: impl IntoIterator<Item = &'r RuleId>) -> Ruleset {
    let mut less = rules.clone();
    for id in gone {
        let first = steps(rules, *id).start;
        less.steps[first] = Step::Test(Test::Never);
    }
    less
}

const SEEN: Verdict = Verdict::Reject(Reply::Icmp { kind: 77, code: 0 });

/// A rule shows what it acts on.
pub(crate) fn shown(rules: &Ruleset, id: RuleId) -> Ruleset {
    let mut with = rules.clone();
    let range = steps(rules, id);
    let at = range.clone().find(|at| !matches!(rules.steps[*at], Step::Test(_)));
    match at.map(|at| (at, rules.steps[at])) {
        Some((at, Step::Lookup(map))) => {
            // Other rules may look up the same.
            let mut seen = rules.map(map).clone();
            seen.entries.iter_mut().for_each(|entry| entry.effect = Effect::Verdict(SEEN));
            with.steps[at] = Step::Lookup(MapId(with.maps.len() as u32));
            with.maps.push(seen);
        }
        Some((at, _)) => with.steps[at] = Step::Effect(Effect::Verdict(SEEN)),
        // It shows nothing: whatever it asks for, nothing comes of it.
        None => {}
    }
    with
}

/// Packets that come into a chain are shown.
fn chain_shown(rules: &Ruleset, chain: ChainId) -> Ruleset {
    let mut with = rules.clone();
    let leads = |effect: Effect| effect == Effect::Jump(chain) || effect == Effect::Goto(chain);
    for step in &mut with.steps {
        if let Step::Effect(effect) = step
            && leads(*effect)
        {
            *step = Step::Effect(Effect::Verdict(SEEN));
        }
    }
    for entry in with.maps.iter_mut().flat_map(|map| &mut map.entries) {
        if leads(entry.effect) {
            entry.effect = Effect::Verdict(SEEN);
        }
    }
    with
}

/// The policies of the stages that may come to a chain are shown.
fn policies_shown(rules: &Ruleset, chain: ChainId) -> Ruleset {
    let mut with = rules.clone();
    for stage in with.hooks.iter_mut().flatten() {
        if comes(rules, stage.chain, chain) {
            stage.policy = SEEN;
        }
    }
    with
}

fn comes(rules: &Ruleset, from: ChainId, to: ChainId) -> bool {
    let led = |rule: &Rule| {
        rules.steps_of(rule).iter().any(|step| {
            let leads = |effect: Effect| match effect {
                Effect::Jump(next) | Effect::Goto(next) => comes(rules, next, to),
                _ => false,
            };
            match step {
                Step::Test(_) => false,
                Step::Effect(effect) => leads(*effect),
                Step::Lookup(map) => rules.map(*map).entries.iter().any(|entry| leads(entry.effect)),
            }
        })
    };
    from == to || rules.chain(from).rules.iter().any(led)
}

/// The universe of a ruleset: what it does not look at has one value.
fn packets(rules: &Ruleset) -> Vec<(Packet, Way)> {
    let mut read: BTreeSet<Field> = BTreeSet::new();
    for step in &rules.steps {
        if let Step::Test(Test::In { field, .. } | Test::Masked { field, .. }) = step {
            read.insert(*field);
        }
    }
    read.extend(rules.tuples.iter().flat_map(|tuples| tuples.fields.clone()));
    read.extend(rules.maps.iter().flat_map(|map| map.fields.clone()));
    if read.contains(&Field::Dport) {
        read.insert(Field::Proto);
    }
    let values = |field: Field| -> Vec<Option<u128>> {
        let all: Vec<u128> = match field {
            // No router passes on what comes from the first two of IPv6.
            Field::Src6 if !read.contains(&field) => vec![9],
            Field::Src4 | Field::Src6 => SRC.to_vec(),
            Field::Dst4 => DST.to_vec(),
            Field::Dport => PORTS.to_vec(),
            Field::Proto => PROTOS.to_vec(),
            Field::State => STATES.to_vec(),
            Field::Mark => MARKS.to_vec(),
            // Who sent one whose time is over is told, where it is forwarded.
            Field::Ttl => return vec![Some(1), Some(64)],
            _ => names().to_vec(),
        };
        if read.contains(&field) { all.into_iter().map(Some).collect() } else { vec![Some(all[0])] }
    };
    let comes = |family: Family| rules.hooks.iter().flatten().any(|stage| stage.sees(family));
    let families = [Family::V4, Family::V6].into_iter().filter(|family| comes(*family));
    let mut found: Vec<(Packet, Way)> = Vec::new();
    for (family, way) in
        families.flat_map(|family| [Way::Forward, Way::Input, Way::Output].map(|way| (family, way)))
    {
        for proto in values(Field::Proto) {
            let mut packets = vec![Packet::new(family, proto.unwrap() as u8)];
            for field in FIELDS {
                let none = field.family().is_some_and(|of| of != family)
                    || field == Field::Iif && way == Way::Output
                    || field == Field::Oif && way == Way::Input
                    || field == Field::Ttl && way != Way::Forward
                    || field == Field::Dport && proto == Some(50);
                if none {
                    continue;
                }
                packets = packets
                    .iter()
                    .flat_map(|packet| {
                        values(field).into_iter().map(|value| {
                            let mut packet = packet.clone();
                            packet.set(field, value.unwrap());
                            packet
                        })
                    })
                    .collect();
            }
            found.extend(packets.into_iter().map(|packet| (packet, way)));
        }
    }
    found
}

/// What is not known of a ruleset.
pub(crate) fn unknowns(rules: &Ruleset) -> Vec<CondId> {
    let asked = rules.steps.iter().filter_map(|step| match step {
        Step::Test(Test::Unknown { cond, .. }) => Some(*cond),
        _ => None,
    });
    let conds: BTreeSet<CondId> = asked.collect();
    conds.into_iter().collect()
}

/// All ways in which it can come out for one packet: nothing is unknown then.
pub(crate) fn worlds(rules: &Ruleset, conds: &[CondId]) -> Vec<Ruleset> {
    let world = |answers: u32| {
        let mut world = rules.clone();
        for step in &mut world.steps {
            if let Step::Test(Test::Unknown { cond, negate }) = *step {
                let at = conds.iter().position(|known| *known == cond).unwrap();
                let holds = (answers >> at & 1 == 1) != negate;
                let always = Test::In { field: Field::Proto, values: Values::Range(0, 255), negate: false };
                *step = Step::Test(if holds { always } else { Test::Never });
            }
        }
        world
    };
    (0..1u32 << conds.len()).map(world).collect()
}

fn outcome(rules: &Ruleset, (packet, way): &(Packet, Way)) -> Outcome {
    let trip = Trip { packet: packet.clone(), way: *way, fwd_oif: None, loopback: false };
    let mut ends = interpret(rules, &trip, &mut ());
    assert_eq!(ends.len(), 1, "nothing is unknown");
    ends.remove(0)
}

pub(crate) type Told = (Verdict, Packet, Way, Option<u32>, bool);

pub(crate) fn told(rules: &Ruleset, packets: &[(Packet, Way)]) -> Vec<Told> {
    let of = |packet| {
        let end = outcome(rules, packet);
        // Of a refused packet nothing is left to look at.
        let left = if end.verdict == Verdict::Accept { end.packet } else { Packet::new(Family::V4, 0) };
        (end.verdict, left, end.way, end.helper, end.keeps_state)
    };
    packets.iter().map(of).collect()
}

pub(crate) fn shows(rules: &Ruleset, packets: &[(Packet, Way)]) -> bool {
    packets.iter().any(|packet| outcome(rules, packet).verdict == SEEN)
}

fn verdict_only(rules: &Ruleset, id: RuleId) -> bool {
    let mut effects: Vec<Effect> = Vec::new();
    for step in rules.steps_of(rules.rule(id)) {
        match step {
            Step::Test(_) => {}
            Step::Effect(effect) => effects.push(*effect),
            Step::Lookup(map) => effects.extend(rules.map(*map).entries.iter().map(|entry| entry.effect)),
        }
    }
    let mut verdicts: Vec<Verdict> = Vec::new();
    let mut other = false;
    for effect in effects {
        match effect {
            Effect::Verdict(verdict) | Effect::Pend(verdict) => verdicts.push(verdict),
            Effect::Jump(_) | Effect::Goto(_) | Effect::Return | Effect::NextRule | Effect::Undefined(_) => {
                other = true;
            }
            _ => {}
        }
    }
    verdicts.dedup();
    verdicts.len() == 1 && !other
}

/// A ruleset, to read.
pub(crate) fn show(rules: &Ruleset) -> String {
    let mut text = String::new();
    for (hook, stages) in rules.hooks.iter().enumerate() {
        for stage in stages {
            let families =
                [(stage.v4, " v4"), (stage.v6, " v6")].map(|(sees, name)| if sees { name } else { "" });
            text += &format!(
                "\nhook {hook} walks c{} policy {:?}{}",
                stage.chain.0,
                stage.policy,
                families.concat()
            );
        }
    }
    for (at, chain) in rules.chains.iter().enumerate() {
        for (index, rule) in chain.rules.iter().enumerate() {
            text += &format!("\nc{at} {index}:");
            for step in rules.steps_of(rule) {
                text += &match step {
                    Step::Test(Test::In { field, values, negate }) => {
                        format!(" {}{field:?}={:?}", if *negate { "!" } else { "" }, rules.values(*values))
                    }
                    Step::Test(Test::Unknown { cond, negate }) => {
                        format!(" {}{cond:?} {}", if *negate { "!" } else { "" }, rules.condition(*cond).name)
                    }
                    Step::Test(Test::Tuple { tuples, negate }) => {
                        format!(" {}{:?}", if *negate { "!" } else { "" }, rules.tuple(*tuples))
                    }
                    Step::Test(test) => format!(" {test:?}"),
                    Step::Effect(effect) => format!(" -> {effect:?}"),
                    Step::Lookup(map) => format!(" map {:?}", rules.map(*map).entries),
                };
            }
        }
    }
    text
}

fn ids(units: impl IntoIterator<Item = Vec<RuleId>>) -> BTreeSet<RuleId> {
    units.into_iter().flatten().collect()
}

/// Holds what is said of one ruleset to all packets of its universe.
fn hold(seed: u64, rules: &Ruleset) {
    let found: Anomalies = find(rules, Ask { repeats: true, ..Ask::default() });
    assert_eq!(found.open, [], "seed {seed}");
    let packets = packets(rules);
    let conds = unknowns(rules);
    let worlds = |rules: &Ruleset| worlds(rules, &conds);
    let seen = |change: &dyn Fn(&Ruleset) -> Ruleset| {
        worlds(&change(rules)).iter().any(|world| shows(world, &packets))
    };
    let say = |what: &str, id: RuleId| format!("seed {seed}: {what} {id:?} {}", show(rules));
    let staged: BTreeSet<ChainId> = rules.hooks.iter().flatten().map(|stage| stage.chain).collect();
    let apart: BTreeSet<ChainId> = found.apart.iter().copied().collect();
    let unreached: BTreeSet<ChainId> = found.unreached.iter().chain(&found.apart).copied().collect();
    for chain in (0..rules.chains.len() as u32).map(ChainId).filter(|chain| !staged.contains(chain)) {
        let enters = seen(&|rules| chain_shown(rules, chain));
        assert!(!(enters && unreached.contains(&chain)), "seed {seed}: packets come to {chain:?}");
        assert!(
            enters || unreached.contains(&chain),
            "seed {seed}: nothing comes to {chain:?} {}",
            show(rules)
        );
    }
    let dead = ids(found.dead.iter().map(|dead| dead.unit.rules.clone()));
    for id in all_rules(rules) {
        if unreached.contains(&id.chain) {
            assert!(!dead.contains(&id));
            continue;
        }
        let acts = seen(&|rules| shown(rules, id));
        assert_eq!(!acts, dead.contains(&id), "{}", say(if acts { "acts" } else { "is dead" }, id));
    }
    // Whatever is reported can go, all at once.
    let mut gone = dead.clone();
    gone.extend(ids(found.redundant.iter().map(|unit| unit.unit.rules.clone())));
    let same = |one: &Ruleset, other: &Ruleset| {
        worlds(one)
            .iter()
            .zip(worlds(other))
            .all(|(one, other)| told(one, &packets) == told(&other, &packets))
    };
    let difference = |other: &Ruleset| {
        let pairs = worlds(rules).into_iter().zip(worlds(other));
        let all = pairs.flat_map(|(one, other)| {
            let told = told(&one, &packets).into_iter().zip(told(&other, &packets));
            told.zip(&packets)
                .filter(|((one, other), _)| one != other)
                .map(|(_, packet)| {
                    let fields = Field::ALL.into_iter().filter(|field| packet.0.has(*field));
                    (packet.1, fields.map(|field| (field, packet.0.get(field))).collect::<Vec<_>>())
                })
                .collect::<Vec<_>>()
        });
        all.into_iter().next()
    };
    let less = without(rules, &gone);
    assert!(same(rules, &less), "seed {seed}: {gone:?} cannot go {:?} {}", difference(&less), show(rules));
    let mut all = gone.clone();
    all.extend(ids(found.repeats.iter().map(|unit| unit.unit.rules.clone())));
    let least = without(rules, &all);
    assert!(same(rules, &least), "seed {seed}: {all:?} cannot go {:?} {}", difference(&least), show(rules));
    for redundant in &found.redundant {
        let alone = without(rules, &redundant.unit.rules);
        assert!(same(rules, &alone), "{}", say("is not redundant", redundant.unit.rules[0]));
    }
    // And what is not, cannot, or repeats the policy.
    for id in all_rules(rules) {
        let candidate = !gone.contains(&id) && !apart.contains(&id.chain) && !unreached.contains(&id.chain);
        if !candidate || !verdict_only(rules, id) {
            continue;
        }
        let mut more = gone.clone();
        more.insert(id);
        let (alone, fewer) = (without(rules, [&id]), without(rules, &more));
        let by_policy = |with: &Ruleset, less: &Ruleset| {
            let acts = worlds(&shown(with, id));
            let policies = worlds(&policies_shown(less, id.chain));
            acts.iter().zip(&policies).any(|(acts, policies)| {
                let both = |packet| {
                    outcome(acts, packet).verdict == SEEN && outcome(policies, packet).verdict == SEEN
                };
                packets.iter().any(both)
            })
        };
        let redundant = same(rules, &alone) && !by_policy(rules, &alone);
        let still = redundant && same(&less, &fewer) && !by_policy(&less, &fewer);
        assert!(!still, "{}", say("is redundant", id));
    }
}

fn run(seed: u64, cases: u64) {
    for case in 0..cases {
        let seed = seed.wrapping_add(case);
        let mut rng = Rng(seed);
        let (marks, conditions) = (rng.one_in(3), rng.one_in(2));
        let taste = Taste { marks, conditions, bits: rng.one_in(2), both: rng.one_in(3) };
        let taste = Taste { bits: taste.bits && taste.marks, ..taste };
        let rules = ruleset(&mut rng, taste);
        hold(seed, &rules);
    }
}

fn cases() -> u64 {
    std::env::var("PINHOLE_ANOMALY_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(60)
}

#[test]
fn they_are_what_brute_force_finds() {
    run(1, cases());
}

#[test]
fn they_are_what_brute_force_finds_of_fresh_rulesets() {
    let seed = std::env::var("PINHOLE_ANOMALY_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        now.as_nanos() as u64
    });
    // What is printed by a macro is shown only where the test fails.
    use std::io::Write;
    writeln!(std::io::stderr(), "anomalies: PINHOLE_ANOMALY_SEED={seed}").unwrap();
    run(seed, cases());
}
