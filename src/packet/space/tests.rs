use proptest::prelude::*;

use super::*;
use crate::packet::interface;

/// Six fields in small ranges, so that a few hundred packets are all there are.
const FIELDS: [Field; 4] = [Field::Src4, Field::Dport, Field::Iif, Field::Ttl];

fn names() -> Vec<Set> {
    ["a", "b"].map(|name| Set::one(interface(name))).to_vec()
}

fn value(field: Field, number: u128) -> u128 {
    match field {
        Field::Iif => interface(["a", "b", "c"][number as usize % 3]),
        _ => number,
    }
}

#[derive(Clone, Debug)]
enum Expr {
    Test(usize, Vec<(u128, u128)>),
    Variable(u8),
    Not(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
}

fn expr() -> impl Strategy<Value = Expr> {
    let range = (0u128..8, 0u128..4).prop_map(|(lo, len)| (lo, lo + len));
    let leaf = prop_oneof![
        (0usize..4, proptest::collection::vec(range, 1..3))
            .prop_map(|(field, ranges)| Expr::Test(field, ranges)),
        (0u8..3).prop_map(Expr::Variable),
    ];
    leaf.prop_recursive(5, 40, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|e| Expr::Not(Box::new(e))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Expr::And(Box::new(a), Box::new(b))),
            (inner.clone(), inner).prop_map(|(a, b)| Expr::Or(Box::new(a), Box::new(b))),
        ]
    })
}

fn set_of(field: Field, ranges: &[(u128, u128)]) -> Set {
    match field {
        Field::Iif if ranges[0].0.is_multiple_of(2) => Set::one(interface("a")),
        Field::Iif => Set::one(interface("b")),
        _ => Set::of(ranges.iter().copied()),
    }
}

fn build(spaces: &mut Spaces, expr: &Expr) -> Space {
    match expr {
        Expr::Test(field, ranges) => {
            let field = FIELDS[*field];
            let level = spaces.level(field).unwrap();
            spaces.within(level, &set_of(field, ranges))
        }
        Expr::Variable(number) => {
            let level = variable(spaces, *number);
            spaces.within(level, &Set::one(1))
        }
        Expr::Not(a) => build(spaces, a).not(),
        Expr::And(a, b) => {
            let (a, b) = (build(spaces, a), build(spaces, b));
            spaces.and(a, b)
        }
        Expr::Or(a, b) => {
            let (a, b) = (build(spaces, a), build(spaces, b));
            spaces.or(a, b)
        }
    }
}

fn variable(spaces: &mut Spaces, number: u8) -> Level {
    spaces.variable(VariableKey { name: format!("v{number}"), of: vec![number.into()] }, 1)
}

fn holds(expr: &Expr, packet: &[u128; 4], answers: u8) -> bool {
    match expr {
        Expr::Test(field, ranges) => set_of(FIELDS[*field], ranges).contains(packet[*field]),
        Expr::Variable(number) => answers >> number & 1 == 1,
        Expr::Not(a) => !holds(a, packet, answers),
        Expr::And(a, b) => holds(a, packet, answers) && holds(b, packet, answers),
        Expr::Or(a, b) => holds(a, packet, answers) || holds(b, packet, answers),
    }
}

fn contains(spaces: &mut Spaces, space: Space, packet: &[u128; 4]) -> bool {
    let mut rest = space;
    for (field, value) in FIELDS.into_iter().zip(packet) {
        let level = spaces.level(field).unwrap();
        let class = match field {
            // The third name is one of those that no set names.
            Field::Iif if *value == interface("c") => Set::range(interface("b") + 1, u128::MAX),
            _ => Set::one(*value),
        };
        let one = spaces.within(level, &class);
        rest = spaces.and(rest, one);
    }
    !rest.is_none()
}

proptest! {
    #[test]
    fn algebra_agrees_with_membership(
        expr in expr(), src in 0u128..12, port in 0u128..12, iif in 0u128..3, ttl in 0u128..12, mask in 1u128..16
    ) {
        let mut spaces = Spaces::new(Family::V4, names(), u64::MAX);
        let space = build(&mut spaces, &expr);
        let packet = [src, port, value(Field::Iif, iif), ttl];
        // The TTL counts as unknown too.
        let some = (0..8).any(|answers| holds(&expr, &packet, answers));
        prop_assert_eq!(contains(&mut spaces, space, &packet), some);
        let for_any_ttl =
            (0..256).any(|ttl| (0..8).any(|answers| holds(&expr, &[src, port, packet[2], ttl], answers)));
        let possibly = spaces.possibly(space);
        prop_assert_eq!(contains(&mut spaces, possibly, &packet), for_any_ttl);
        let level = spaces.level(Field::Dport).unwrap();
        let values = spaces.values(space, level);
        prop_assert!(!some || values.contains(port));
        let listed = spaces.rows(possibly, 10_000).unwrap();
        let hit = |row: &&list::Row| row.fields.iter().all(|(field, set)| {
            FIELDS.iter().position(|f| f == field).is_none_or(|at| set.contains(packet[at]))
        });
        prop_assert_eq!(listed.iter().filter(hit).count(), usize::from(for_any_ttl));
        if let Some(witness) = spaces.witness(possibly) {
            let get = |field: Field, other: u128| witness.get(field).known().unwrap_or(other);
            let found = [get(Field::Src4, 0), get(Field::Dport, 0), get(Field::Iif, interface("c")), 0];
            let real = (0..256).any(|ttl| {
                (0..8).any(|answers| holds(&expr, &[found[0], found[1], found[2], ttl], answers))
            });
            prop_assert!(real);
        } else {
            prop_assert!(possibly.is_none());
        }
        let source = spaces.level(Field::Src4).unwrap();
        let masked = spaces.masked(source, mask, &Set::range(2, 5));
        prop_assert_eq!(contains(&mut spaces, masked, &packet), (2..=5).contains(&(src & mask)));
        let moved = spaces.masked_moved(source, u128::from(u32::MAX) - 3, mask, 4 & mask);
        let now = (src + u128::from(u32::MAX) - 3) & u128::from(u32::MAX);
        prop_assert_eq!(contains(&mut spaces, moved, &packet), now & mask == 4 & mask);
    }

    #[test]
    fn packets_stand_in_the_group_of_their_choices(
        expr in expr(), src in 0u128..12, iif in 0u128..3, ttl in 0u128..12, answers in 0u8..8
    ) {
        let mut spaces = Spaces::new(Family::V4, names(), u64::MAX);
        let space = build(&mut spaces, &expr);
        let level = spaces.level(Field::Dport).unwrap();
        let with = |port: u128| [src, port, value(Field::Iif, iif), ttl];
        let right = Set::of((0..=20).filter(|port| holds(&expr, &with(*port), answers)).map(|port| (port, port)));
        let near = Set::range(0, 20);
        let mut known = Space::ALL;
        for number in 0..3u8 {
            let variable = variable(&mut spaces, number);
            let answer = spaces.within(variable, &Set::one((answers >> number & 1).into()));
            known = spaces.and(known, answer);
        }
        let groups = spaces.choices(space, level, 1000).unwrap();
        let mut mine = Vec::new();
        for (values, group) in groups {
            let group = spaces.and(group, known);
            if contains(&mut spaces, group, &with(0)) {
                mine.push(values.and(&near));
            }
        }
        prop_assert!(mine.len() <= 1);
        prop_assert_eq!(mine.pop().unwrap_or_else(Set::empty), right);
    }

    #[test]
    fn what_it_depends_on_is_what_matters(expr in expr()) {
        let mut spaces = Spaces::new(Family::V4, names(), u64::MAX);
        let space = build(&mut spaces, &expr);
        let named = spaces.depends_on(space);
        for number in 0..3u8 {
            let level = variable(&mut spaces, number);
            let with = spaces.given(space, level, 1);
            let without = spaces.given(space, level, 0);
            prop_assert_eq!(with != without, named.contains(&format!("v{number}")));
        }
    }
}

#[test]
fn work_is_limited() {
    let mut spaces = Spaces::new(Family::V4, [], 50);
    let (src, dst) = (spaces.level(Field::Src4).unwrap(), spaces.level(Field::Dst4).unwrap());
    for number in 0..100 {
        let one = spaces.within(src, &Set::one(number));
        let other = spaces.within(dst, &Set::one(number));
        spaces.and(one, other);
    }
    assert!(spaces.exhausted());
}

#[test]
fn what_was_given_up_is_not_remembered() {
    let sets = |number: u128| Set::of((0..40).map(|at| (at * 97 + number, at * 97 + number * 3)));
    let build = |spaces: &mut Spaces| {
        let ports = spaces.test(Field::Dport, &sets(7));
        let sources = spaces.test(Field::Sport, &sets(11));
        let both = spaces.and(ports, sources);
        let either = spaces.or(ports, sources);
        spaces.minus(either, both)
    };
    let mut fresh = Spaces::new(Family::V4, names(), u64::MAX);
    let right = build(&mut fresh);
    let share = fresh.share(right);
    for limit in (0..fresh.work()).step_by(11) {
        let mut spaces = Spaces::new(Family::V4, names(), limit);
        build(&mut spaces);
        assert!(spaces.exhausted());
        spaces.allow(u64::MAX);
        let again = build(&mut spaces);
        assert_eq!(spaces.share(again), share, "after a limit of {limit}");
    }
}

#[test]
fn all_bits_have_room() {
    let names = (0..5000).map(|at| Set::one(interface(&format!("eth{at}"))));
    for family in [Family::V4, Family::V6] {
        let layout = Layout::new(family, names.clone());
        for (field, level) in layout.known_fields() {
            let ruled = matches!(field, Field::Mark | Field::CtMark | Field::Tag | Field::Dnat | Field::Snat);
            let room = if ruled { VARIABLES.end..TERMINAL } else { 0..VARIABLES.start };
            assert!(room.contains(&level.at(0)) && level.end() <= room.end, "{field:?}: {level:?}");
        }
    }
}
