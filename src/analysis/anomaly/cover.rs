//! Whether the rules before a box leave anything of it.

use super::atoms::Literal;
use super::table::{Box, Table};

/// Pieces that are looked at for one box before it is given up.
const MOST_PIECES: usize = 20_000;
/// Rules that may take something of one box, of which the largest parts are looked at.
const MOST_TAKERS: usize = 512;
/// Rules that cover a box together, of which each is tried whether it can be done without.
const TRIED: usize = 24;

/// What rules before it leave of a box.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Left {
    /// Nothing: these rules take it all, and none of them can be done without.
    Nothing(Vec<u32>),
    /// This part of it, and maybe more; and what has to hold there.
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

/// What the rules before a rule leave of one of its boxes, or of a part of one.
pub(super) fn left(table: &Table, whole: &[(u32, u32)], before: u32) -> Left {
    let takers = table.takers_meeting(whole, before);
    if let Some(at) = takers.iter().find(|at| table.covers(**at, whole, before)) {
        return Left::Nothing(vec![table.rule_of(*at)]);
    }
    // What takes most comes first: few pieces are left.
    let size = |at: u32| (std::cmp::Reverse(overlap(table.sides_of(at), whole)), at);
    let mut sized: Vec<_> = takers.into_iter().map(size).collect();
    if sized.len() > MOST_TAKERS {
        sized.select_nth_unstable(MOST_TAKERS);
        sized.truncate(MOST_TAKERS);
    }
    sized.sort_unstable();
    let takers: Vec<u32> = sized.into_iter().map(|(_, at)| at).collect();
    let mut used = match subtract(table, whole, &takers, before) {
        Left::Nothing(used) => used,
        other => return other,
    };
    // The smallest are tried first: what a large one takes is seldom taken by others.
    let mut at = used.len();
    while at > 0 && used.len() <= TRIED {
        at -= 1;
        let mut fewer = used.clone();
        fewer.remove(at);
        if matches!(subtract(table, whole, &fewer, before), Left::Nothing(_)) {
            used = fewer;
        }
    }
    let mut rules: Vec<u32> = used.into_iter().map(|at| table.rule_of(at)).collect();
    rules.sort_unstable();
    rules.dedup();
    Left::Nothing(rules)
}

/// Takes boxes out of one, in order; `Nothing` has the boxes that were needed, by their numbers.
fn subtract(table: &Table, whole: &[(u32, u32)], takers: &[u32], rule: u32) -> Left {
    let mut used = vec![false; takers.len()];
    let mut literals = table.literals(rule).to_vec();
    literals.sort_unstable();
    let whole = Piece { sides: whole.to_vec(), literals };
    let mut open: Vec<(Piece, usize)> = vec![(whole, 0)];
    let mut work = 0;
    while let Some((piece, from)) = open.pop() {
        let mut next = from;
        loop {
            work += 1;
            if work > MOST_PIECES {
                return Left::Unknown;
            }
            let Some(at) = takers.get(next).copied() else { return Left::Part(piece.sides, piece.literals) };
            let literals = table.literals(table.rule_of(at));
            if meets(table.sides_of(at), literals, &piece) {
                used[next] = true;
                cut(piece, table.sides_of(at), literals, next + 1, &mut open);
                break;
            }
            next += 1;
        }
    }
    let needed = takers.iter().zip(used).filter(|(_, used)| *used).map(|(at, _)| *at);
    Left::Nothing(needed.collect())
}

fn meets(sides: &[(u32, u32)], literals: &[Literal], piece: &Piece) -> bool {
    sides.iter().zip(&piece.sides).all(|((lo, hi), (from, to))| lo <= to && from <= hi)
        && !literals.iter().any(|(atom, holds)| piece.says((*atom, !holds)))
}

/// The parts of a piece outside a box, apart from each other.
fn cut(
    mut rest: Piece,
    taken: &[(u32, u32)],
    literals: &[Literal],
    next: usize,
    open: &mut Vec<(Piece, usize)>,
) {
    for (at, (from, to)) in taken.iter().copied().enumerate() {
        let (lo, hi) = rest.sides[at];
        if lo < from {
            let mut below = rest.clone();
            below.sides[at] = (lo, from - 1);
            open.push((below, next));
            rest.sides[at].0 = from;
        }
        if to < hi {
            let mut above = rest.clone();
            above.sides[at] = (to + 1, hi);
            open.push((above, next));
            rest.sides[at].1 = to;
        }
    }
    let mut new = literals.iter().copied().filter(|literal| !rest.says(*literal)).collect::<Vec<_>>();
    // Behind the last one nothing of the rest is needed.
    let Some((atom, holds)) = new.pop() else { return };
    for (atom, holds) in new {
        open.push((rest.clone().and((atom, !holds)), next));
        rest = rest.and((atom, holds));
    }
    open.push((rest.and((atom, !holds)), next));
}

/// How large a part of a box another one is, as a number to compare.
fn overlap(one: &[(u32, u32)], whole: &[(u32, u32)]) -> u128 {
    let side = |((lo, hi), (from, to)): (&(u32, u32), &(u32, u32))| {
        u128::from((hi.min(to) + 1).saturating_sub(*lo.max(from)))
    };
    one.iter().zip(whole).map(side).fold(1, u128::saturating_mul)
}
