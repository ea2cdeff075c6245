//! A piece of a set of packets on its way: where it stands, and how tests cut it.

mod change;

use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use super::{Cond, Decider};
use crate::model::{Hook, RuleId, Ruleset, Stage, Test, Verdict, Way};
use crate::packet::{Dim, Family, Field, Region, Set, State, interface, states};

/// What a stage sees.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub rules: &'a Ruleset,
    pub hook: Hook,
    pub stage: &'a Stage,
    /// The second half of a trip from the box to itself.
    pub returned: bool,
}

/// How a side of the region relates to that of the packets as they came.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Link {
    /// It is the same.
    Same,
    /// It is that side, moved by a number modulo a number of bits.
    Shift(u128, u32),
    /// It says among which values the translation chose; the packets came with these.
    Loose(Option<Set>),
}

/// Everything about a piece that is one value for all its packets.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Ctrl {
    pub way: Way,
    pub fwd_oif: Option<u128>,
    pub looping: bool,
    pub pending: Option<(Verdict, RuleId)>,
    pub tried: [bool; 2],
    pub mapped: [bool; 2],
    pub helper: Option<u32>,
    pub keeps_state: bool,
    own: bool,
    untracked: bool,
    /// `None` where it is not known.
    mark: Option<u32>,
    ct_mark: Option<u32>,
    tag: Option<u32>,
    translated: [Option<bool>; 2],
    /// The output interface after a new routing decision; inside, `None` where it is not known.
    oif: Option<Option<u128>>,
}

/// A set of packets on its way.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// The packets as they are now.
    pub region: Region,
    pub ctrl: Ctrl,
    pub conds: Vec<Cond>,
    pub decider: Decider,
    /// How well it names the answer, [`Decider::weight`].
    pub weight: u8,
    /// Source, destination, source port, destination port.
    links: [Link; 4],
}

/// How a test cuts a piece.
#[derive(Default)]
pub(super) struct Split {
    pub yes: Vec<Piece>,
    pub no: Vec<Piece>,
    pub maybe: Vec<(Piece, Cond)>,
}

impl Split {
    fn all_yes(piece: Piece) -> Split {
        Split { yes: vec![piece], ..Split::default() }
    }

    fn all_no(piece: Piece) -> Split {
        Split { no: vec![piece], ..Split::default() }
    }

    fn all_maybe(piece: Piece, cond: Cond) -> Split {
        Split { maybe: vec![(piece, cond)], ..Split::default() }
    }

    fn constant(piece: Piece, answer: bool) -> Split {
        if answer { Split::all_yes(piece) } else { Split::all_no(piece) }
    }

    fn negated_if(mut self, negate: bool) -> Split {
        if negate {
            std::mem::swap(&mut self.yes, &mut self.no);
        }
        self
    }
}

/// What a field reads as for all packets of a piece.
enum Reading {
    Constant(u128),
    Unknown,
    Absent,
    /// A side of the region as it is.
    Side(Dim),
    /// A side of the region as the packets came.
    Origin(Dim),
}

const LINKED: [Dim; 4] = [Dim::Src, Dim::Dst, Dim::Sport, Dim::Dport];

fn link_of(dim: Dim) -> Option<usize> {
    LINKED.iter().position(|d| *d == dim)
}

impl Piece {
    pub fn start(region: Region, way: Way, fwd_oif: Option<u128>) -> Piece {
        let new = is_within(&region, &[State::New]);
        let known = if new { Some(0) } else { None };
        Piece {
            region,
            conds: Vec::new(),
            decider: Decider::End,
            weight: 0,
            links: [const { Link::Same }; 4],
            ctrl: Ctrl {
                way,
                fwd_oif,
                looping: false,
                pending: None,
                tried: [false; 2],
                mapped: [false; 2],
                helper: None,
                keeps_state: false,
                own: false,
                untracked: false,
                mark: Some(0),
                ct_mark: known,
                tag: Some(0),
                translated: [new.then_some(false); 2],
                oif: None,
            },
        }
    }

    pub fn untranslated(&self) -> bool {
        self.links.iter().all(|link| *link == Link::Same)
    }

    pub fn same_links(&self, other: &Piece) -> bool {
        self.links == other.links
    }

    /// Whether the other's packets are all here and in the same state.
    pub fn stands_for(&self, other: &Piece) -> bool {
        self.ctrl == other.ctrl && self.links == other.links && self.region.covers(&other.region)
    }

    /// Joins pieces in the same state that differ in one side alone.
    pub fn join(mut pieces: Vec<Piece>) -> Vec<Piece> {
        for dim in [Dim::Src, Dim::Dst, Dim::Dport, Dim::Sport] {
            let mut places: FxHashMap<(Region, Ctrl, [Link; 4], Decider, bool), usize> = FxHashMap::default();
            let mut joined: Vec<(Piece, Vec<(u128, u128)>)> = Vec::with_capacity(pieces.len());
            for piece in pieces {
                let loose = link_of(dim).is_some_and(|at| matches!(piece.links[at], Link::Loose(_)));
                let Some(side) = piece.region.side(dim).filter(|_| !loose).cloned() else {
                    joined.push((piece, Vec::new()));
                    continue;
                };
                let mut rest = piece.region.clone();
                rest.open(dim);
                let certain = piece.conds.is_empty();
                let key = (rest, piece.ctrl.clone(), piece.links.clone(), piece.decider, certain);
                match places.entry(key) {
                    Entry::Occupied(place) => {
                        let (first, ranges) = &mut joined[*place.get()];
                        ranges.extend_from_slice(side.ranges());
                        piece.conds.iter().for_each(|cond| first.assume(*cond));
                    }
                    Entry::Vacant(place) => {
                        place.insert(joined.len());
                        joined.push((piece, side.ranges().to_vec()));
                    }
                }
            }
            let widened = joined.into_iter().map(|(mut piece, ranges)| {
                if !ranges.is_empty() {
                    piece.region.set(dim, Set::of(ranges));
                }
                piece
            });
            pieces = widened.collect();
        }
        pieces
    }

    pub fn assume(&mut self, cond: Cond) {
        if let Err(at) = self.conds.binary_search(&cond) {
            self.conds.insert(at, cond);
        }
    }

    /// The packets as they came.
    pub fn original(&self) -> Region {
        let mut region = self.region.clone();
        for (dim, link) in LINKED.into_iter().zip(&self.links) {
            match link {
                Link::Same => {}
                Link::Shift(delta, bits) => {
                    let back = region.values(dim).shifted(delta.wrapping_neg(), *bits);
                    region.set(dim, back);
                }
                Link::Loose(Some(side)) => region.set(dim, side.clone()),
                Link::Loose(None) => region.open(dim),
            }
        }
        region
    }

    /// Cuts the piece along a test.
    pub fn split(self, view: &View<'_>, test: Test) -> Split {
        match test {
            Test::In { field, values, negate } => {
                self.split_set(view, field, &view.rules.values(values), negate)
            }
            Test::Masked { field, mask, values, negate } => {
                let (mask, values) = (view.rules.masks[mask as usize], view.rules.values(values));
                self.split_masked(view, field, mask, &values, negate)
            }
            Test::Tuple { tuples, negate } => {
                let tuples = view.rules.tuple(tuples);
                self.split_union(view, &tuples.fields, &tuples.boxes, negate)
            }
            Test::Unknown { cond, .. } => Split::all_maybe(self, Cond::Named(cond)),
            Test::Never => Split::all_no(self),
        }
    }

    /// Cuts the piece by whether a field's value is in a set.
    pub fn split_set(self, view: &View<'_>, field: Field, set: &Set, negate: bool) -> Split {
        let (piece, mut absent) = match self.present(field) {
            (Some(piece), absent) => (piece, absent),
            (None, absent) => return Split { no: absent, ..Split::default() },
        };
        let mut split = match piece.reading(view, field) {
            Reading::Absent => Split::all_no(piece),
            Reading::Unknown if set.covers(&Set::range(0, field.last())) => Split::constant(piece, !negate),
            Reading::Unknown if !set.meets(&Set::range(0, field.last())) => Split::constant(piece, negate),
            Reading::Unknown => Split::all_maybe(piece, Cond::Field(field)),
            Reading::Constant(value) => Split::constant(piece, set.contains(value) != negate),
            Reading::Side(dim) => piece.cut(dim, set, field).negated_if(negate),
            Reading::Origin(dim) => piece.cut_origin(dim, set, field).negated_if(negate),
        };
        split.no.append(&mut absent);
        split
    }

    /// The part that has the field, and the parts that have not.
    fn present(self, field: Field) -> (Option<Piece>, Vec<Piece>) {
        if field.family().is_some_and(|family| family != self.region.family()) {
            return (None, vec![self]);
        }
        let Some(carriers) = field.carriers() else { return (Some(self), Vec::new()) };
        let carriers = Set::of(carriers.iter().map(|p| (u128::from(*p), u128::from(*p))));
        if self.region.side(Dim::Proto).is_some_and(|side| carriers.covers(side)) {
            return (Some(self), Vec::new());
        }
        let with = |region| Piece { region, ..self.clone() };
        let absent = self.region.without(Dim::Proto, &carriers).map(with);
        let present = self.region.within(Dim::Proto, &carriers).map(with);
        (present, absent.into_iter().collect())
    }

    fn reading(&self, view: &View<'_>, field: Field) -> Reading {
        let blind = view.stage.before_tracking && !view.returned;
        let state = match (self.ctrl.untracked, blind) {
            (true, _) => Some(State::Untracked),
            (false, true) => Some(State::Invalid),
            _ => None,
        };
        let new = state.is_none() && is_within(&self.region, &[State::New]);
        let lost = match state {
            Some(_) => true,
            None => is_within(&self.region, &[State::Invalid, State::Untracked]),
        };
        let value = |value: Option<u128>| value.map_or(Reading::Unknown, Reading::Constant);
        let of_connection = |reading: Reading| {
            if lost {
                Reading::Absent
            } else if new {
                reading
            } else {
                Reading::Unknown
            }
        };
        match field {
            Field::State => state.map_or(Reading::Side(Dim::State), |s| Reading::Constant(s as u128)),
            Field::Iif if view.returned => Reading::Constant(interface("lo")),
            Field::Iif if self.ctrl.way == Way::Output => Reading::Constant(0),
            Field::Oif if matches!(view.hook, Hook::Prerouting | Hook::Input) => Reading::Constant(0),
            Field::Oif => match self.ctrl.oif {
                Some(oif) => value(oif),
                None => Reading::Side(Dim::Oif),
            },
            Field::SrcMac if self.ctrl.way == Way::Output => Reading::Absent,
            Field::Mark => value(self.ctrl.mark.map(u128::from)),
            Field::Tag => value(self.ctrl.tag.map(u128::from)),
            Field::CtMark if lost => Reading::Absent,
            Field::CtMark => value(self.ctrl.ct_mark.map(u128::from)),
            Field::Dnat | Field::Snat if lost => Reading::Absent,
            Field::Dnat => value(self.ctrl.translated[0].map(u128::from)),
            Field::Snat => value(self.ctrl.translated[1].map(u128::from)),
            Field::Direction => of_connection(Reading::Constant(0)),
            Field::OrigSrc4 | Field::OrigSrc6 => of_connection(Reading::Origin(Dim::Src)),
            Field::OrigDst4 | Field::OrigDst6 => of_connection(Reading::Origin(Dim::Dst)),
            Field::OrigSport => of_connection(Reading::Origin(Dim::Sport)),
            Field::OrigDport => of_connection(Reading::Origin(Dim::Dport)),
            Field::Version => Reading::Constant(if self.region.family() == Family::V4 { 4 } else { 6 }),
            _ => Dim::of(field).map_or(Reading::Unknown, Reading::Side),
        }
    }

    /// Cuts along a side of the region.
    fn cut(self, dim: Dim, set: &Set, field: Field) -> Split {
        if let Some(Link::Loose(_)) = link_of(dim).map(|at| &self.links[at]) {
            let side = self.region.values(dim);
            return if set.covers(&side) {
                Split::all_yes(self)
            } else if set.meets(&side) {
                Split::all_maybe(self, Cond::Field(field))
            } else {
                Split::all_no(self)
            };
        }
        let yes = self.region.within(dim, set);
        let Some(yes) = yes else { return Split::all_no(self) };
        let Some(no) = self.region.without(dim, set) else { return Split::all_yes(self) };
        let no = Piece { region: no, ..self.clone() };
        Split { yes: vec![Piece { region: yes, ..self }], no: vec![no], maybe: Vec::new() }
    }

    /// Cuts along a side of the region as the packets came.
    fn cut_origin(self, dim: Dim, set: &Set, field: Field) -> Split {
        let Some(at) = link_of(dim) else { return Split::all_maybe(self, Cond::Field(field)) };
        let side = match &self.links[at] {
            Link::Same => return self.cut(dim, set, field),
            Link::Shift(delta, bits) => {
                let set = set.shifted(*delta, *bits);
                return self.cut(dim, &set, field);
            }
            Link::Loose(side) => side.clone(),
        };
        let whole = side.unwrap_or_else(|| Set::range(0, field.last()));
        let part = |set: Set| {
            let mut piece = self.clone();
            piece.links[at] = Link::Loose(Some(set.clone()));
            (!set.is_empty()).then_some(piece)
        };
        Split {
            yes: part(whole.and(set)).into_iter().collect(),
            no: part(whole.minus(set)).into_iter().collect(),
            maybe: Vec::new(),
        }
    }

    fn split_masked(self, view: &View<'_>, field: Field, mask: u128, values: &Set, negate: bool) -> Split {
        if let Reading::Constant(value) = self.reading(view, field) {
            return Split::constant(self, values.contains(value & mask) != negate);
        }
        let side = match self.reading(view, field) {
            Reading::Side(dim) | Reading::Origin(dim) => self.region.values(dim),
            Reading::Absent => return Split::all_no(self),
            _ => return Split::all_maybe(self, Cond::Field(field)),
        };
        match side.masked(mask, values, field.last()) {
            Some(set) => self.split_set(view, field, &set, negate),
            None if field.family().is_some_and(|family| family != self.region.family()) => {
                Split::all_no(self)
            }
            None => Split::all_maybe(self, Cond::Field(field)),
        }
    }

    /// Cuts by whether the packet is in one of several products.
    fn split_union(
        self,
        view: &View<'_>,
        fields: &[Field],
        boxes: &[Vec<Option<Set>>],
        negate: bool,
    ) -> Split {
        let mut out = Split::default();
        let mut rest = vec![self];
        if negate {
            // A field that is absent fails the test, negated or not.
            for (at, field) in fields.iter().enumerate() {
                if boxes.iter().any(|sides| sides[at].is_some()) {
                    let parts: Vec<_> = rest
                        .into_iter()
                        .map(|piece| piece.split_set(view, *field, &Set::full(), false))
                        .collect();
                    rest = Vec::new();
                    for part in parts {
                        out.no.extend(part.no);
                        rest.extend(part.yes);
                        rest.extend(part.maybe.into_iter().map(|(piece, _)| piece));
                    }
                }
            }
        }
        let absent = std::mem::take(&mut out.no);
        let mut rest: Vec<(Piece, Option<Cond>)> = rest.into_iter().map(|piece| (piece, None)).collect();
        for sides in boxes {
            let mut left = Vec::with_capacity(rest.len());
            for (piece, maybe) in rest {
                let split = piece.split_product(view, fields, sides);
                out.yes.extend(split.yes);
                left.extend(split.no.into_iter().map(|piece| (piece, maybe)));
                // A later product may still hold it for certain.
                left.extend(split.maybe.into_iter().map(|(piece, cond)| (piece, maybe.or(Some(cond)))));
            }
            rest = left;
            if rest.is_empty() {
                break;
            }
        }
        for (piece, maybe) in rest {
            match maybe {
                None => out.no.push(piece),
                Some(cond) => out.maybe.push((piece, cond)),
            }
        }
        let mut out = out.negated_if(negate);
        out.no.extend(absent);
        out
    }

    /// Cuts by whether the packet is in a product of field sets.
    pub fn split_product(self, view: &View<'_>, fields: &[Field], sides: &[Option<Set>]) -> Split {
        let mut out = Split::default();
        let mut live: Vec<(Piece, Option<Cond>)> = vec![(self, None)];
        for (field, side) in fields.iter().zip(sides) {
            let Some(set) = side else { continue };
            let mut still = Vec::with_capacity(live.len());
            for (piece, maybe) in live {
                let split = piece.split_set(view, *field, set, false);
                out.no.extend(split.no);
                still.extend(split.yes.into_iter().map(|piece| (piece, maybe)));
                still.extend(split.maybe.into_iter().map(|(piece, cond)| (piece, maybe.or(Some(cond)))));
            }
            live = still;
        }
        for (piece, maybe) in live {
            match maybe {
                None => out.yes.push(piece),
                Some(cond) => out.maybe.push((piece, cond)),
            }
        }
        out
    }

    /// Parts the piece by whether its destination is the box's own.
    pub fn by_owner(&mut self, rules: &Ruleset) -> Vec<(Piece, Option<bool>)> {
        if self.ctrl.own {
            return vec![(self.clone(), Some(true))];
        }
        let family = self.region.family();
        let own = rules.own_set(family);
        let split = self.clone().cut(Dim::Dst, &own, Field::dst(family));
        let others =
            rules.elsewhere.iter().filter(|(f, _)| *f == family).map(|(_, address)| (*address, *address));
        let others = Set::of(others);
        let known = !rules.own.is_empty();
        let is_elsewhere =
            |piece: &Piece| known || piece.region.side(Dim::Dst).is_some_and(|side| others.covers(side));
        let mut parts: Vec<_> = split.yes.into_iter().map(|piece| (piece, Some(true))).collect();
        for piece in split.no {
            let elsewhere = is_elsewhere(&piece).then_some(false);
            parts.push((piece, elsewhere));
        }
        parts.extend(split.maybe.into_iter().map(|(piece, _)| (piece, None)));
        parts
    }

    /// The part whose sources are certainly in a set, and the rest.
    pub fn by_source(self, set: &Set) -> (Vec<Piece>, Vec<Piece>) {
        if set.is_empty() {
            return (Vec::new(), vec![self]);
        }
        let field = Field::src(self.region.family());
        let split = self.cut(Dim::Src, set, field);
        let rest = split.no.into_iter().chain(split.maybe.into_iter().map(|(piece, _)| piece));
        (split.yes, rest.collect())
    }

    pub fn turn(&mut self, way: Way) {
        if way != self.ctrl.way && way == Way::Forward {
            self.ctrl.oif = Some(self.ctrl.fwd_oif);
        }
        self.ctrl.way = way;
    }

    pub fn loop_back(&mut self) {
        self.ctrl.looping = true;
        self.ctrl.oif = Some(Some(interface("lo")));
    }
}

fn is_within(region: &Region, allowed: &[State]) -> bool {
    region.side(Dim::State).is_some_and(|side| states(allowed).covers(side))
}
