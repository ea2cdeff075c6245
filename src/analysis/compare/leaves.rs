//! Where packets leave to: what translation made of them.

use crate::analysis::flow::{Class, Classes, Expr};
use crate::model::Way;
use crate::packet::{Field, Set, Side, Space, Spaces};

/// More values of one field are not told apart.
const MOST_VALUES: u128 = 4096;
/// Nor more ways in which the rest of a packet limits what is chosen for it.
const MOST_CHOICES: usize = 64;

/// What became of one end of packets.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum End {
    /// The value that it came with, plus a number modulo its size: the same one where that is 0.
    Moved(u128),
    /// One value.
    One(u128),
    /// One of several; nobody knows which.
    Among(Set),
}

/// What became of the ends of packets, and whether they are for the box itself in the end.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Leaves {
    /// Source address.
    pub src: End,
    /// Destination address.
    pub dst: End,
    /// Source port.
    pub sport: End,
    /// Destination port.
    pub dport: End,
    /// The way in the end.
    pub way: Way,
}

/// Packets by where they leave to; the spaces are over the packets as they came.
pub(super) fn of(spaces: &mut Spaces, passed: &Classes, within: Space) -> Vec<(Leaves, Space)> {
    let mut found: Vec<(Leaves, Space)> = Vec::new();
    for class in passed.iter() {
        let family = spaces.family();
        let fields = [Field::src(family), Field::dst(family), Field::Sport, Field::Dport];
        let mut parts: Vec<(Vec<End>, Space)> = vec![(Vec::new(), class.space)];
        for field in fields {
            let mut next = Vec::new();
            for (ends, space) in parts {
                for (end, space) in end_of(spaces, class, field, space) {
                    let mut ends = ends.clone();
                    ends.push(end);
                    next.push((ends, space));
                }
            }
            parts = next;
        }
        for (ends, space) in parts {
            let space = spaces.as_came(space);
            let space = spaces.and(space, within);
            let Ok([src, dst, sport, dport]) = <[End; 4]>::try_from(ends) else { continue };
            let leaves = Leaves { src, dst, sport, dport, way: class.ctrl.way };
            if space.is_none() {
                continue;
            }
            match found.iter_mut().find(|(known, _)| *known == leaves) {
                Some((_, known)) => *known = spaces.or(*known, space),
                None => found.push((leaves, space)),
            }
        }
    }
    found
}

/// What a field became for packets of a class, apart for each value.
fn end_of(spaces: &mut Spaces, class: &Class, field: Field, space: Space) -> Vec<(End, Space)> {
    let (Some(expr), Some(came)) = (class.ctrl.expr(spaces, field), spaces.level(field)) else {
        return vec![(End::Moved(0), space)];
    };
    let (level, delta) = match expr {
        Expr::Const(value) => return vec![(End::One(value), space)],
        Expr::At(level, delta) if level == came => return vec![(End::Moved(delta), space)],
        Expr::At(level, delta) => (level, delta),
    };
    let bits = level.bits();
    let own = Side::of(field).and_then(|side| spaces.rewritten(side, 0));
    let end = |values: Set| {
        let now = values.shifted(delta, bits);
        now.single().map_or(End::Among(now), End::One)
    };
    if own != Some(level)
        && let Some(told) = spaces.choices(space, level, MOST_CHOICES)
    {
        return told.into_iter().map(|(values, space)| (end(values), space)).collect();
    }
    let hull = spaces.hull(space, level);
    if own != Some(level) || hull.count() > MOST_VALUES {
        return vec![(end(hull), space)];
    }
    let mut found = Vec::new();
    for value in hull.ranges().iter().flat_map(|(lo, hi)| *lo..=*hi) {
        let one = spaces.within(level, &Set::one(value));
        let part = spaces.and(space, one);
        if !part.is_none() {
            let value = Set::one(value).shifted(delta, bits).first().unwrap_or(value);
            found.push((End::One(value), part));
        }
    }
    found
}

/// The packets that leave to the same place in both ways after all: one was moved by a number to where the other
/// was sent.
pub(super) fn agree(spaces: &mut Spaces, a: &Leaves, b: &Leaves) -> Space {
    if a.way != b.way {
        return Space::NONE;
    }
    let family = spaces.family();
    let ends = [
        (Field::src(family), &a.src, &b.src),
        (Field::dst(family), &a.dst, &b.dst),
        (Field::Sport, &a.sport, &b.sport),
        (Field::Dport, &a.dport, &b.dport),
    ];
    let mut agree = Space::ALL;
    for (field, a, b) in ends {
        let same = match (a, b) {
            (a, b) if a == b => Space::ALL,
            (End::Moved(by), End::One(value)) | (End::One(value), End::Moved(by)) => {
                match spaces.level(field) {
                    Some(level) => {
                        let before = Set::one(*value).shifted(by.wrapping_neg(), level.bits());
                        let same = spaces.within(level, &before);
                        // What has no port leaves without one.
                        let absent = absent(spaces, field);
                        spaces.or(same, absent)
                    }
                    None => Space::ALL,
                }
            }
            _ => absent(spaces, field),
        };
        agree = spaces.and(agree, same);
    }
    agree
}

/// The packets that have no such field.
fn absent(spaces: &mut Spaces, field: Field) -> Space {
    match field.carrier_set() {
        Some(carriers) => spaces.test(Field::Proto, &carriers).not(),
        None => Space::NONE,
    }
}
