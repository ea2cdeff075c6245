//! The rules of a chain as boxes, and an index that finds those which hold a point or meet a box.
//!
//! In each dimension values are numbered by the intervals that rules tell apart, so that a box is a few small
//! numbers. Each box stands in the dimension in which it is narrowest, in a tree over its intervals.

use crate::model::{ChainId, CondId, Rule, Ruleset, Test, Tuples};
use crate::packet::{FIELDS, Family, Field, Fields, Set};

use super::atoms::{Atoms, Literal};
use super::axes::{Dim, Draft, steady};
use super::reach::{Reach, Walked};
use super::steps::{first_tests, takes};
use super::tree::Tree;

/// Boxes of one rule; one that would be more is taken as the box around it.
pub(super) const MOST_BOXES: usize = 64;

/// A closed interval of numbers in each dimension.
pub(super) type Box = Vec<(u32, u32)>;

/// Closed intervals of one dimension.
type Sides = Vec<(u32, u32)>;

/// Boxes or rules that are looked at in one step of work.
const LOOKS_A_STEP: usize = 32;

/// How much may be looked at for one rule.
#[derive(Clone, Copy)]
pub(super) struct Share {
    /// Boxes, for what meets its own and what is left of them.
    pub boxes: usize,
    /// Rules that packets are held against.
    pub rules: usize,
    /// Boxes, for what meets its own among those behind it.
    pub behind: usize,
}

impl Share {
    /// The share of each of some rules in what may be looked at for all together, and the least that is worth while; for
    /// so much work in all, in steps.
    pub(super) fn among(count: usize, work: u64) -> Share {
        let count = count.max(1);
        let most = usize::try_from(work).unwrap_or(usize::MAX).saturating_mul(LOOKS_A_STEP) / count;
        let looks = |all: usize, least: usize| (all / count).max(least).min(most);
        Share {
            boxes: looks(10_000_000, 2_000),
            rules: looks(25_000_000, 500),
            behind: looks(50_000_000, 2_000),
        }
    }
}

/// What a rule does to the packets that match it, as far as its chain goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Kind {
    /// The boxes are exactly what it matches, as far as its literals hold.
    pub exact: bool,
    /// No packet that matches comes to the rules after it in the chain.
    pub takes: bool,
}

/// The rules of a chain.
pub(super) struct Table {
    dims: Vec<Dim>,
    /// For each field which dimension it is.
    dim_of: Vec<Option<usize>>,
    /// For each field what else a packet has that has it, in numbers.
    brings: Vec<Vec<(Field, Sides)>>,
    /// The boxes one after the other, each as long as there are dimensions.
    sides: Vec<(u32, u32)>,
    /// For each box its rule.
    of: Vec<u32>,
    /// For each rule its first box; one more for the end.
    first: Vec<u32>,
    kinds: Vec<Kind>,
    atoms: Atoms,
    /// For each rule its literals, each atom once.
    literals: Vec<Vec<Literal>>,
    trees: Vec<Tree>,
    /// Boxes that are wide in all dimensions.
    wide: Vec<u32>,
}

impl Table {
    /// The table of a chain. `paths` are limits under which packets come to it: what they name is told apart too.
    pub(super) fn new(rules: &Ruleset, chain: ChainId, reach: &Reach, paths: &[Vec<(Field, Set)>]) -> Table {
        let walked = reach.of(chain);
        let listed = &rules.chain(chain).rules;
        // Most rules have the same fields steady: those change with few of them.
        let mut changing: Vec<u32> = walked.settled.iter().map(|(_, from)| *from).collect();
        changing.push(0);
        changing.sort_unstable();
        changing.dedup();
        let steady: Vec<(u32, Fields)> =
            changing.into_iter().map(|from| (from, steady(walked, from))).collect();
        let steady_for = |index: u32| steady[steady.partition_point(|(from, _)| *from <= index) - 1].1;
        let mut draft = Draft::new(rules);
        for (index, rule) in (0..).zip(listed) {
            draft.note(rule, steady_for(index));
        }
        let last = steady_for(listed.len() as u32);
        for (field, set) in paths.iter().flatten().filter(|(field, _)| last.has(*field)) {
            draft.tell_apart(*field, set);
        }
        let dims = draft.dims();
        let mut dim_of = vec![None; FIELDS];
        dims.iter().enumerate().for_each(|(at, dim)| dim_of[dim.field as usize] = Some(at));
        let mut table = Table {
            brings: Field::ALL.into_iter().map(|field| brings(field, &dims)).collect(),
            dim_of,
            dims,
            sides: Vec::new(),
            of: Vec::new(),
            first: Vec::with_capacity(listed.len() + 1),
            kinds: Vec::with_capacity(listed.len()),
            atoms: Atoms::default(),
            literals: Vec::with_capacity(listed.len()),
            trees: Vec::new(),
            wide: Vec::new(),
        };
        for (index, rule) in (0..).zip(listed) {
            table.first.push(table.of.len() as u32);
            table.add(rules, index, rule, (walked, steady_for(index)), reach);
        }
        table.first.push(table.of.len() as u32);
        table.plant();
        table
    }

    /// How many dimensions there are.
    fn width(&self) -> usize {
        self.dims.len()
    }

    pub(super) fn kind(&self, rule: u32) -> Kind {
        self.kinds[rule as usize]
    }

    fn sides(&self, at: u32) -> &[(u32, u32)] {
        &self.sides[at as usize * self.width()..][..self.width()]
    }

    /// The boxes of a rule.
    pub(super) fn boxes(&self, rule: u32) -> impl Iterator<Item = &[(u32, u32)]> {
        (self.first[rule as usize]..self.first[rule as usize + 1]).map(|at| self.sides(at))
    }

    /// The whole of a dimension for all: a box of everything.
    fn whole(&self, walked: &Walked) -> Box {
        self.dims
            .iter()
            .map(|dim| match (dim.field, walked.families) {
                (Field::Version, [true, false]) => (dim.number(4), dim.number(4)),
                (Field::Version, [false, true]) => (dim.number(6), dim.number(6)),
                _ => (0, dim.last()),
            })
            .collect()
    }

    /// Whether values of a field are told apart.
    pub(super) fn tells(&self, field: Field) -> bool {
        self.dim_of[field as usize].is_some()
    }

    /// The parts of a box in which a field has one of some values; the values are told apart.
    pub(super) fn limited(&self, within: &[(u32, u32)], limits: &[(Field, Set)]) -> Option<Box> {
        let mut limited = within.to_vec();
        for (field, set) in limits {
            let Some(at) = self.dim_of[*field as usize] else { continue };
            let (lo, hi) = limited[at];
            let numbers = self.numbers(at, set, false);
            let part = numbers.iter().find(|(from, to)| *from <= hi && lo <= *to)?;
            limited[at] = (lo.max(part.0), hi.min(part.1));
        }
        Some(limited)
    }

    /// The values of a box's sides, by field: of those fields that its packets have.
    fn values(&self, of: &[(u32, u32)]) -> Vec<(Field, Set)> {
        let side = |(dim, (lo, hi)): (&Dim, &(u32, u32))| (dim.field, dim.values((*lo, *hi)));
        let mut values: Vec<(Field, Set)> = self.dims.iter().zip(of).map(side).collect();
        let of = |field: Field| values.iter().find(|(known, _)| *known == field).map(|(_, set)| set.clone());
        let (versions, protocols) = (of(Field::Version), of(Field::Proto));
        let some = |of: &Option<Set>, wanted: &[u8]| {
            of.as_ref().is_none_or(|set| wanted.iter().any(|value| set.contains((*value).into())))
        };
        values.retain(|(field, _)| {
            let version = field.family().map(Family::version);
            version.is_none_or(|version| some(&versions, &[version]))
                && field.carriers().is_none_or(|carriers| some(&protocols, carriers))
        });
        values
    }

    /// The point that a packet is, by the values that its fields have; that of 0 where it has none.
    pub(super) fn point(&self, value: impl Fn(Field) -> Option<u128>) -> Vec<u32> {
        self.dims.iter().map(|dim| dim.number(value(dim.field).unwrap_or(0))).collect()
    }

    fn numbers(&self, at: usize, set: &Set, negate: bool) -> Vec<(u32, u32)> {
        let dim = &self.dims[at];
        let turned;
        let set = if negate {
            turned = Set::range(0, dim.field.last()).minus(set);
            &turned
        } else {
            set
        };
        dim.numbers(set)
    }

    fn add(
        &mut self,
        rules: &Ruleset,
        index: u32,
        rule: &Rule,
        (walked, steady): (&Walked, Fields),
        reach: &Reach,
    ) {
        let steps = rules.steps_of(rule);
        let mut exact = true;
        let mut literals: Vec<Literal> = Vec::new();
        let still = walked.changes == Fields::default();
        let mut product: Vec<Vec<Sides>> =
            vec![self.whole(walked).into_iter().map(|side| vec![side]).collect()];
        for test in first_tests(steps) {
            match *test {
                Test::In { field, values, negate } => {
                    exact &= self.narrow(&mut product, steady, field, (&rules.values(values), negate));
                }
                Test::Tuple { tuples, negate: false } => {
                    exact &= self.narrow_to_any(&mut product, steady, rules.tuple(tuples));
                }
                Test::Never => product.clear(),
                Test::Tuple { .. } => exact = false,
                Test::Masked { .. } | Test::Unknown { .. } => {
                    let Some((atom, holds)) = self.atoms.literal(rules, steady, still, index, *test) else {
                        exact = false;
                        continue;
                    };
                    if let Test::Masked { field, .. } = *test {
                        // A packet without the field matches neither this nor the opposite.
                        let any = Set::range(0, field.last());
                        exact &= self.narrow(&mut product, steady, field, (&any, false));
                    }
                    match literals.iter().find(|(known, _)| *known == atom) {
                        Some((_, known)) if *known != holds => product.clear(),
                        Some(_) => {}
                        None => literals.push((atom, holds)),
                    }
                }
            }
        }
        self.literals.push(literals);
        exact &= are_few(&mut product);
        for dims in &product {
            self.push_all(index, dims);
        }
        self.kinds.push(Kind { exact, takes: takes(steps, &|chain| reach.of(chain).ends) });
    }

    /// Limits the boxes to those in any of some tuples; false where that is not exact.
    fn narrow_to_any(&self, product: &mut Vec<Vec<Sides>>, steady: Fields, tuples: &Tuples) -> bool {
        if product.len() * tuples.boxes.len() > MOST_BOXES {
            return false;
        }
        let mut exact = true;
        let mut all = Vec::new();
        for sides in &tuples.boxes {
            let mut part = product.clone();
            for (field, side) in tuples.fields.iter().zip(sides) {
                if let Some(set) = side {
                    exact &= self.narrow(&mut part, steady, *field, (set, false));
                }
            }
            all.append(&mut part);
        }
        *product = all;
        exact
    }

    /// Limits the boxes to those whose field has some values; false where the field is no dimension, or not steady.
    fn narrow(
        &self,
        product: &mut [Vec<Sides>],
        steady: Fields,
        field: Field,
        (set, negate): (&Set, bool),
    ) -> bool {
        let dim_of = |field: Field| self.dim_of[field as usize].filter(|_| steady.has(field));
        let mut limit = |at: usize, numbers: &[(u32, u32)]| {
            product.iter_mut().for_each(|dims| meet(&mut dims[at], numbers));
        };
        let mut known = dim_of(field).is_some_and(|at| {
            let are_few = set.ranges().len() <= MOST_BOXES;
            let numbers = self.numbers(at, set, negate);
            limit(at, &if are_few { numbers } else { hull(&numbers) });
            are_few
        });
        for (of, numbers) in &self.brings[field as usize] {
            match dim_of(*of) {
                Some(at) => limit(at, numbers),
                None => known = false,
            }
        }
        known
    }

    fn push_all(&mut self, rule: u32, dims: &[Sides]) {
        if dims.iter().any(Vec::is_empty) {
            return;
        }
        let mut pick = vec![0; dims.len()];
        loop {
            self.sides.extend(dims.iter().zip(&pick).map(|(side, at): (&Vec<(u32, u32)>, &usize)| side[*at]));
            self.of.push(rule);
            let Some(next) = (0..pick.len()).find(|at| pick[*at] + 1 < dims[*at].len()) else { return };
            pick[next] += 1;
            pick[..next].fill(0);
        }
    }

    /// Puts each box into the tree of the dimension in which it is narrowest.
    fn plant(&mut self) {
        let mut parts: Vec<Vec<(u32, (u32, u32))>> = self.dims.iter().map(|_| Vec::new()).collect();
        for at in 0..self.of.len() as u32 {
            let share = |(dim, (lo, hi)): (usize, &(u32, u32))| {
                let share = f64::from(hi - lo + 1) / f64::from(self.dims[dim].last() + 1);
                (dim, share)
            };
            let narrowest = self.sides(at).iter().enumerate().map(share).min_by(|a, b| a.1.total_cmp(&b.1));
            match narrowest {
                Some((dim, share)) if share < 1.0 => parts[dim].push((at, self.sides(at)[dim])),
                _ => self.wide.push(at),
            }
        }
        self.trees = self
            .dims
            .iter()
            .zip(&parts)
            .map(|(dim, boxes)| Tree::new(dim.last() as usize + 1, boxes))
            .collect();
    }

    fn holds(&self, at: u32, point: &[u32]) -> bool {
        self.sides(at).iter().zip(point).all(|((lo, hi), number)| lo <= number && number <= hi)
    }

    /// The rules that may match a point, in order.
    pub(super) fn matching(&self, point: &[u32]) -> Vec<u32> {
        let mut found: Vec<u32> = Vec::new();
        let mut look = |list: &[u32]| {
            found.extend(list.iter().filter(|at| self.holds(**at, point)).map(|at| self.of[*at as usize]));
        };
        look(&self.wide);
        for (tree, number) in self.trees.iter().zip(point) {
            tree.holding(*number).for_each(&mut look);
        }
        // The stable sort puts lists that are in order together; the other one begins anew.
        found.sort();
        found.dedup();
        found
    }

    /// Whether a rule before another takes the packets of a point for certain, where these match the other one.
    pub(super) fn has_taker(&self, point: &[u32], before: u32) -> bool {
        let own = self.literals(before);
        let mut has = false;
        self.takers(point, before, &mut |at| {
            has = self.literals(self.rule_of(at)).iter().all(|literal| own.contains(literal));
            has
        });
        has
    }

    /// The boxes that hold a point, of rules before another that take packets for certain, until one is `enough`.
    /// Gives back how many boxes were looked at.
    pub(super) fn takers(&self, point: &[u32], before: u32, enough: &mut dyn FnMut(u32) -> bool) -> usize {
        let in_trees = || self.trees.iter().zip(point).flat_map(|(tree, number)| tree.holding(*number));
        let mut looked = 0;
        for list in std::iter::once(&self.wide[..]).chain(in_trees()) {
            for at in list.iter().copied() {
                let rule = self.of[at as usize];
                if rule >= before {
                    break;
                }
                looked += 1;
                if self.is_taker(rule) && self.holds(at, point) && enough(at) {
                    return looked;
                }
            }
        }
        looked
    }

    /// The first box that holds a point, of rules after another that are not to be `skipped`.
    pub(super) fn next(&self, point: &[u32], after: u32, skipped: &dyn Fn(u32) -> bool) -> Option<u32> {
        let in_trees = self.trees.iter().zip(point).flat_map(|(tree, number)| tree.holding(*number));
        let mut first: Option<u32> = None;
        for list in std::iter::once(&self.wide[..]).chain(in_trees) {
            let from = list.partition_point(|at| self.of[*at as usize] <= after);
            let nearer = list[from..].iter().copied().take_while(|at| first.is_none_or(|first| *at < first));
            let mut holding = nearer.filter(|at| self.holds(*at, point) && !skipped(self.of[*at as usize]));
            first = holding.next().or(first);
        }
        first
    }

    /// The dimensions, those first that decide which others there are.
    pub(super) fn order(&self) -> impl Iterator<Item = usize> {
        let first = |at: &usize| matches!(self.dims[*at].field, Field::Version | Field::Proto);
        let all = 0..self.width();
        all.clone().filter(first).chain(all.filter(move |at| !first(at)))
    }

    pub(super) fn rule_of(&self, at: u32) -> u32 {
        self.of[at as usize]
    }

    fn is_taker(&self, rule: u32) -> bool {
        let kind = self.kind(rule);
        kind.exact && kind.takes
    }

    /// What has to hold of a rule besides its boxes.
    pub(super) fn literals(&self, rule: u32) -> &[Literal] {
        &self.literals[rule as usize]
    }

    /// The values that fields have in a part of a box in which literals hold.
    pub(super) fn limits(&self, part: &[(u32, u32)], literals: &[Literal]) -> Vec<(Field, Set)> {
        self.values(part).into_iter().chain(self.atoms.limits(literals)).collect()
    }

    /// The answers to conditions that literals are.
    pub(super) fn answers(&self, literals: &[Literal]) -> impl Iterator<Item = (CondId, bool)> {
        self.atoms.answers(literals)
    }

    /// Whether a box of one rule is in a box of another, whatever holds or not.
    pub(super) fn covers(&self, at: u32, inner: &[(u32, u32)], rule: u32) -> bool {
        let within = self.sides(at).iter().zip(inner).all(|((lo, hi), (from, to))| lo <= from && to <= hi);
        let own = self.literals(rule);
        within && self.literals(self.rule_of(at)).iter().all(|literal| own.contains(literal))
    }

    /// The part of the whole in which fields have some values.
    pub(super) fn part(&self, limits: &[(Field, Set)]) -> Option<Box> {
        let whole: Box = self.dims.iter().map(|dim| (0, dim.last())).collect();
        self.limited(&whole, limits)
    }

    /// The boxes that meet one, in order, and whether all were looked at: no more than `most`.
    fn meeting(&self, inner: &[(u32, u32)], wanted: &dyn Fn(u32) -> bool, most: usize) -> (Vec<u32>, bool) {
        let meets = |at: u32| {
            let mut pairs = self.sides(at).iter().zip(inner);
            pairs.all(|((lo, hi), (from, to))| lo <= to && from <= hi)
        };
        let trees = self.trees.iter().zip(inner);
        let in_trees = trees
            .flat_map(|(tree, side)| tree.holding(side.0).flatten().copied().chain(tree.beginning(*side)));
        let mut looked = 0;
        let all = self.wide.iter().copied().chain(in_trees).inspect(|_| looked += 1).take(most + 1);
        let mut found: Vec<u32> = all.filter(|at| wanted(self.of[*at as usize]) && meets(*at)).collect();
        found.sort_unstable();
        (found, looked <= most)
    }

    /// Some rules whose boxes meet one, in order, each once.
    pub(super) fn rules_meeting(
        &self,
        inner: &[(u32, u32)],
        wanted: &dyn Fn(u32) -> bool,
        (looks, most): (usize, usize),
    ) -> Vec<u32> {
        let mut rules: Vec<u32> =
            self.meeting(inner, wanted, looks).0.into_iter().map(|at| self.rule_of(at)).collect();
        rules.dedup();
        rules.truncate(most);
        rules
    }

    /// The boxes that meet one, of rules after another, in order; `None` where more than `most` are to be looked at.
    pub(super) fn meeting_after(&self, inner: &[(u32, u32)], after: u32, most: usize) -> Option<Vec<u32>> {
        let (found, all) = self.meeting(inner, &|rule| rule > after, most);
        all.then_some(found)
    }

    /// The sides of a box by its number.
    pub(super) fn sides_of(&self, at: u32) -> &[(u32, u32)] {
        self.sides(at)
    }
}

/// Leaves of some sides what others have too.
fn meet(sides: &mut Sides, others: &[(u32, u32)]) {
    if let ([side], [(from, to)]) = (&mut sides[..], others) {
        *side = (side.0.max(*from), side.1.min(*to));
        sides.retain(|(lo, hi)| lo <= hi);
        return;
    }
    let mut both = Vec::new();
    for (lo, hi) in sides.iter() {
        let meets = others.iter().filter(|(from, to)| from <= hi && lo <= to);
        both.extend(meets.map(|(from, to)| (*lo.max(from), *hi.min(to))));
    }
    *sides = both;
}

/// What a packet that has a field has besides: a protocol, and a version.
fn brings(field: Field, dims: &[Dim]) -> Vec<(Field, Sides)> {
    let protocols = field.carrier_set().map(|carriers| (Field::Proto, carriers));
    let version = field.family().map(|family| (Field::Version, Set::one(family.version().into())));
    let numbered = |(field, set): (Field, Set)| {
        let numbers = dims.iter().find(|dim| dim.field == field).map(|dim| dim.numbers(&set));
        (field, numbers.unwrap_or_default())
    };
    protocols.into_iter().chain(version).map(numbered).collect()
}

fn hull(ranges: &[(u32, u32)]) -> Vec<(u32, u32)> {
    match (ranges.first(), ranges.last()) {
        (Some(first), Some(last)) => vec![(first.0, last.1)],
        _ => Vec::new(),
    }
}

/// Whether the boxes are few; else each side of them becomes all between its ends.
fn are_few(product: &mut Vec<Vec<Sides>>) -> bool {
    let count = product
        .iter()
        .map(|dims| dims.iter().map(Vec::len).fold(1, usize::saturating_mul))
        .fold(0, usize::saturating_add);
    if count <= MOST_BOXES {
        return true;
    }
    product.retain(|dims| dims.iter().all(|side| !side.is_empty()));
    for side in product.iter_mut().flatten() {
        if let (Some(first), Some(last)) = (side.first().copied(), side.last().copied()) {
            *side = vec![(first.0, last.1)];
        }
    }
    false
}
