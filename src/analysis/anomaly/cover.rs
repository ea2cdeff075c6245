//! Whether the rules before a box leave anything of it.

use super::atoms::Literal;
use super::table::{Box, Table};

/// Pieces that are looked at to say whether a rule can be done without.
const MOST_PIECES: usize = 20_000;
/// Rules that hold one corner, of which that is taken which takes most.
const MOST_TAKERS: usize = 64;
/// Rules that cover a box together, of which each is tried whether it can be done without.
const TRIED: usize = 24;

/// What rules before it leave of a box.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Left {
    /// Nothing: these rules take it all, and none of them can be done without.
    Nothing(Vec<u32>),
    /// The lowest corner of this part of it, and maybe more; and what has to hold there.
    Part(Box, Vec<Literal>),
    /// It was too much work to say.
    Unknown,
}

/// A part of a box, and what has to hold there, in order.
#[derive(Clone)]
struct Piece {
    sides: Box,
    literals: Vec<Literal>,
}

impl Piece {
    /// A box of a rule, or a part of one.
    fn of(table: &Table, whole: &[(u32, u32)], rule: u32) -> Piece {
        let mut literals = table.literals(rule).to_vec();
        literals.sort_unstable();
        Piece { sides: whole.to_vec(), literals }
    }

    fn says(&self, literal: Literal) -> bool {
        self.literals.binary_search(&literal).is_ok()
    }

    /// Of what has to hold, one thing more.
    fn and(mut self, literal: Literal) -> Piece {
        if let Err(at) = self.literals.binary_search(&literal) {
            self.literals.insert(at, literal);
        }
        self
    }
}

/// What the rules before a rule leave of one of its boxes, or of a part of one. No more boxes are looked at than
/// `most`.
pub(super) fn left(table: &Table, whole: &[(u32, u32)], before: u32, most: usize) -> Left {
    let mut part = None;
    let used = corners(table, whole, before, most, |piece, literals| {
        part = Some(Left::Part(piece.to_vec(), literals.to_vec()));
        None
    });
    let Some(mut used) = used else { return part.unwrap_or(Left::Unknown) };
    used.sort_unstable();
    used.dedup();
    let mut rules: Vec<u32> =
        fewest(table, whole, used, before).into_iter().map(|at| table.rule_of(at)).collect();
    rules.sort_unstable();
    rules.dedup();
    Left::Nothing(rules)
}

/// Goes through a box by the corners of what is left of it: a rule before that holds a corner is taken out. Of a corner
/// that none holds `free` says, by the piece that begins there, which box goes on with it, or ends the search. Gives
/// back the boxes that were taken out, where they are all of it.
pub(super) fn corners(
    table: &Table,
    whole: &[(u32, u32)],
    before: u32,
    most: usize,
    mut free: impl FnMut(&[(u32, u32)], &[Literal]) -> Option<u32>,
) -> Option<Vec<u32>> {
    let mut used: Vec<u32> = Vec::new();
    let mut open = vec![Piece::of(table, whole, before)];
    let mut looked = 0;
    while let Some(piece) = open.pop() {
        let corner = lowest(&piece.sides);
        let all = overlap(&piece.sides, &piece.sides);
        let mut best: Option<(u128, u32)> = None;
        let mut tried = 0;
        looked += 1 + table.takers(&corner, before, &mut |at| {
            let literals = table.literals(table.rule_of(at));
            if let Some(share) = share(table.sides_of(at), literals, &piece)
                && best.is_none_or(|(known, _)| share > known)
            {
                best = Some((share, at));
            }
            tried += 1;
            tried == MOST_TAKERS || best.is_some_and(|(known, _)| known == all)
        });
        let at = match best {
            Some((_, at)) => at,
            None => free(&piece.sides, &piece.literals)?,
        };
        if looked > most {
            return None;
        }
        used.push(at);
        cut(table, piece, at, &mut |part| open.push(part));
    }
    Some(used)
}

/// The corner of a box at which all its sides begin.
pub(super) fn lowest(sides: &[(u32, u32)]) -> Vec<u32> {
    sides.iter().map(|(lo, _)| *lo).collect()
}

/// Of boxes that take all of one, those that cannot be done without.
fn fewest(table: &Table, whole: &[(u32, u32)], mut used: Vec<u32>, before: u32) -> Vec<u32> {
    // What takes most comes first: few pieces are left. The smallest are tried first: what a large one takes is
    // seldom taken by others.
    used.sort_by_key(|at| (std::cmp::Reverse(overlap(table.sides_of(*at), whole)), *at));
    let mut at = used.len();
    while at > 0 && used.len() <= TRIED {
        at -= 1;
        let mut fewer = used.clone();
        fewer.remove(at);
        if takes_all(table, whole, &fewer, before) {
            used = fewer;
        }
    }
    used
}

/// How much of a piece a box takes, less where more has to hold for it; `None` where it takes nothing.
fn share(sides: &[(u32, u32)], literals: &[Literal], piece: &Piece) -> Option<u128> {
    if literals.iter().any(|(atom, holds)| piece.says((*atom, !holds))) {
        return None;
    }
    let more = literals.iter().filter(|literal| !piece.says(**literal)).count();
    Some(overlap(sides, &piece.sides) >> more.min(127))
}

/// Whether boxes, taken out of one in order, leave nothing of it.
fn takes_all(table: &Table, whole: &[(u32, u32)], takers: &[u32], rule: u32) -> bool {
    let mut open: Vec<(Piece, usize)> = vec![(Piece::of(table, whole, rule), 0)];
    let mut work = 0;
    while let Some((piece, from)) = open.pop() {
        let mut next = from;
        loop {
            work += 1;
            let Some(at) = takers.get(next).copied().filter(|_| work <= MOST_PIECES) else { return false };
            if meets(table.sides_of(at), table.literals(table.rule_of(at)), &piece) {
                cut(table, piece, at, &mut |part| open.push((part, next + 1)));
                break;
            }
            next += 1;
        }
    }
    true
}

fn meets(sides: &[(u32, u32)], literals: &[Literal], piece: &Piece) -> bool {
    sides.iter().zip(&piece.sides).all(|((lo, hi), (from, to))| lo <= to && from <= hi)
        && !literals.iter().any(|(atom, holds)| piece.says((*atom, !holds)))
}

/// The parts of a piece outside a box, apart from each other. What decides which other fields there are is cut first.
fn cut(table: &Table, mut rest: Piece, taker: u32, part: &mut dyn FnMut(Piece)) {
    let (taken, literals) = (table.sides_of(taker), table.literals(table.rule_of(taker)));
    for at in table.order() {
        let ((from, to), (lo, hi)) = (taken[at], rest.sides[at]);
        if lo < from {
            let mut below = rest.clone();
            below.sides[at] = (lo, from - 1);
            part(below);
            rest.sides[at].0 = from;
        }
        if to < hi {
            let mut above = rest.clone();
            above.sides[at] = (to + 1, hi);
            part(above);
            rest.sides[at].1 = to;
        }
    }
    let mut new = literals.iter().copied().filter(|literal| !rest.says(*literal)).collect::<Vec<_>>();
    // Behind the last one nothing of the rest is needed.
    let Some((atom, holds)) = new.pop() else { return };
    for (atom, holds) in new {
        part(rest.clone().and((atom, !holds)));
        rest = rest.and((atom, holds));
    }
    part(rest.and((atom, !holds)));
}

/// How large a part of a box another one is, as a number to compare.
fn overlap(one: &[(u32, u32)], whole: &[(u32, u32)]) -> u128 {
    let side = |((lo, hi), (from, to)): (&(u32, u32), &(u32, u32))| {
        u128::from((hi.min(to) + 1).saturating_sub(*lo.max(from)))
    };
    one.iter().zip(whole).map(side).fold(1, u128::saturating_mul)
}
