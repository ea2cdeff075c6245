//! Exact sets of packets, over all fields and over what nobody knows.
//!
//! A [`Space`] is a set of packets of one family; a [`Spaces`] holds many of them and does their algebra. What
//! nobody knows (the answer to a condition, the port that a translation chooses) is a [`Level`] of its own, a
//! *variable*, below all fields: a packet is in a set *for certain* where it is for all values of the variables,
//! and *possibly* where it is for some.

mod diagram;
mod levels;
mod list;
mod nodes;

pub use levels::{Level, Side};

use std::collections::BTreeMap;
use std::ops::Range;

use diagram::{Diagram, Edge, FEW, Going, TERMINAL};
use rustc_hash::FxHashMap;

use super::{Family, Field, Set, ext, proto};
use levels::{Layout, MIDDLE, VARIABLES};

/// A set of packets of one [`Spaces`]; equal sets are equal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Space(Edge);

impl Space {
    /// All packets.
    pub const ALL: Space = Space(Edge::ALL);
    /// No packet.
    pub const NONE: Space = Space(Edge::NONE);

    /// Whether there is no packet in it.
    pub fn is_none(self) -> bool {
        self == Space::NONE
    }

    /// The packets that are not in it.
    #[must_use]
    pub fn not(&self) -> Space {
        Space(self.0.not())
    }
}

/// Identity of a variable: equal keys are one variable.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct VariableKey {
    /// What people call it.
    pub name: String,
    /// What tells variables of one name apart.
    pub of: Vec<u64>,
}

/// A variable.
#[derive(Clone, Debug)]
struct Variable {
    level: Level,
    name: String,
}

/// A projection: what is done away with.
#[derive(PartialEq, Eq, Hash)]
enum Projection {
    /// All bits from one on.
    From(u32),
    /// Some levels.
    Without(Box<[Level]>),
    /// All but some levels.
    Only(Box<[Level]>),
    /// What translation made of packets.
    AsCame,
}

/// Sets of packets of one family, and their algebra.
pub struct Spaces {
    diagram: Diagram,
    layout: Layout,
    variables: Vec<Variable>,
    known: FxHashMap<VariableKey, usize>,
    /// The variables by their first bit.
    places: BTreeMap<u32, usize>,
    /// The bits of those that there are.
    taken: Range<u32>,
    sets: FxHashMap<Level, FxHashMap<Set, Space>>,
    /// The projections that were asked for, each with its number.
    projections: FxHashMap<Projection, u32>,
    /// The bits of variables that are noted as usual.
    usual: FxHashMap<u32, bool>,
    /// What sets are with these.
    usually: FxHashMap<Edge, Edge>,
}

impl Spaces {
    /// How many sets a union is best made of at once.
    pub(crate) const FEW: usize = FEW;

    /// An empty store. `names` are all sets of interface names that will be asked for; `limit` is the work after
    /// which it gives up, in steps of some tens of nanoseconds.
    pub fn new(family: Family, names: impl IntoIterator<Item = Set>, limit: u64) -> Self {
        Spaces {
            diagram: Diagram::new(limit),
            layout: Layout::new(family, names),
            variables: Vec::new(),
            known: FxHashMap::default(),
            places: BTreeMap::new(),
            taken: MIDDLE..MIDDLE,
            sets: FxHashMap::default(),
            projections: FxHashMap::default(),
            usual: FxHashMap::default(),
            usually: FxHashMap::default(),
        }
    }

    /// The family.
    pub fn family(&self) -> Family {
        self.layout.family
    }

    /// Whether the limit on work was hit: every answer since then may be wrong and has to count as unknown.
    pub fn exhausted(&self) -> bool {
        self.diagram.exhausted()
    }

    /// Gives up: from here on [`Spaces::exhausted`] says so.
    pub fn exhaust(&mut self) {
        self.diagram.set_limit(0);
    }

    /// Steps of work so far.
    pub fn work(&self) -> u64 {
        self.diagram.work()
    }

    /// Counts work that was done with the sets, in the same steps.
    pub fn spend(&mut self, steps: u64) {
        self.diagram.spend(steps);
    }

    /// How much is kept in memory, in nodes of some twenty bytes.
    pub fn size(&self) -> usize {
        self.diagram.len()
    }

    /// Allows for this much more work from here on.
    pub fn allow(&mut self, steps: u64) {
        self.diagram.set_limit(self.diagram.work().saturating_add(steps));
    }

    /// The packets in both.
    pub fn and(&mut self, a: Space, b: Space) -> Space {
        Space(self.diagram.and(a.0, b.0))
    }

    /// The packets in either.
    pub fn or(&mut self, a: Space, b: Space) -> Space {
        Space(self.diagram.or(a.0, b.0))
    }

    /// The packets of `a` that are not in `b`.
    pub fn minus(&mut self, a: Space, b: Space) -> Space {
        Space(self.diagram.minus(a.0, b.0))
    }

    /// Whether both have a packet in common.
    pub fn meets(&mut self, a: Space, b: Space) -> bool {
        self.diagram.meets(a.0, b.0)
    }

    /// Whether every packet of `b` is in `a`.
    pub fn covers(&mut self, a: Space, b: Space) -> bool {
        !self.diagram.meets(b.0, a.not().0)
    }

    /// IPv6 packets without extension headers: their headers end at once, at ESP or where nothing follows for the
    /// protocols that are these, at the transport for the others (RFC 8200, section 4; ip6tables-extensions(8),
    /// ipv6header).
    pub fn plain_headers(&mut self) -> Space {
        let ends = [(Some(proto::ESP), ext::ESP), (Some(proto::NONE), ext::NONE), (None, ext::PROTO)];
        let kinds = ends.map(|(protocol, end)| {
            let protocols = match protocol {
                Some(protocol) => Set::one(protocol.into()),
                None => Set::of([proto::ESP, proto::NONE].map(|other| (other.into(), other.into()))).not(),
            };
            let of = self.test(Field::Proto, &protocols);
            let headers = self.test(Field::Ext, &Set::of([(0, 0), (end, end)]));
            self.and(of, headers)
        });
        self.union(kinds)
    }

    /// The union of many.
    pub fn union(&mut self, spaces: impl IntoIterator<Item = Space>) -> Space {
        // A few, and a few of these: a long list of small sets stays small for longest.
        let mut layer: Vec<Edge> = spaces.into_iter().map(|space| space.0).collect();
        while layer.len() > 1 {
            let few = |sets: &[Edge]| std::array::from_fn(|at| sets.get(at).copied().unwrap_or(Edge::NONE));
            layer = layer.chunks(FEW).map(|sets| self.diagram.any(few(sets))).collect();
        }
        Space(layer.first().copied().unwrap_or(Edge::NONE))
    }

    /// Where a field stands; `None` where packets of the family have no such field.
    pub fn level(&self, field: Field) -> Option<Level> {
        self.layout.field(field)
    }

    /// The packets, with their mark noted: it stays known which ones they are when rules write another one.
    pub(crate) fn with_mark_as_came(&mut self, space: Space) -> Space {
        let Some(mark) = self.level(Field::Mark) else { return space };
        let came = self.layout.mark_came;
        let same = (0..mark.bits()).fold(Space::ALL, |same, number| {
            let [is, was] = [mark, came].map(|level| self.within(level.bit(number), &Set::one(1)));
            let (both, either) = (self.and(is, was), self.or(is, was));
            let alike = self.or(both, either.not());
            self.and(same, alike)
        });
        self.and(space, same)
    }

    /// The level of a field that translation has rewritten, for the `hop`-th firewall from 0; `None` for more
    /// firewalls than there are levels.
    pub fn rewritten(&self, side: Side, hop: usize) -> Option<Level> {
        self.layout.rewritten(side, hop)
    }

    /// The packets whose value at a level is among the values.
    pub fn within(&mut self, level: Level, set: &Set) -> Space {
        // A single value of a narrow field is made as quickly as it is found.
        if level.bits() <= 16 && set.single().is_some() {
            return self.build(level, set);
        }
        if let Some(known) = self.sets.get(&level).and_then(|known| known.get(set)) {
            return *known;
        }
        let built = self.build(level, set);
        if !self.exhausted() {
            self.sets.entry(level).or_default().insert(set.clone(), built);
        }
        built
    }

    fn build(&mut self, level: Level, set: &Set) -> Space {
        let mapped;
        let set = match self.layout.names_at(level) {
            Some(names) => match names.numbers(set) {
                Some(numbers) => {
                    mapped = numbers;
                    &mapped
                }
                None => {
                    // A name that nobody announced: no answer is better than a wrong one.
                    self.exhaust();
                    return Space::NONE;
                }
            },
            None => set,
        };
        Space(interval_diagram(&mut self.diagram, level, 0, 0, set.ranges()))
    }

    /// The packets whose value at a level, masked, is among the values.
    pub fn masked(&mut self, level: Level, mask: u128, set: &Set) -> Space {
        Space(masked_diagram(&mut self.diagram, level, mask, (0, 0), set))
    }

    /// The packets whose value at a level, moved by a number and masked, is one value: an adder, bit by bit from
    /// the least significant one.
    pub fn masked_moved(&mut self, level: Level, moved: u128, mask: u128, value: u128) -> Space {
        // For the bits below: those that carry nothing, and those that carry one.
        let mut below = [Edge::ALL, Edge::NONE];
        for number in 0..level.bits() {
            let bit = |of: u128| (of >> number & 1) as usize;
            let fits = |sum: usize| bit(mask) == 0 || sum & 1 == bit(value);
            let mut here = [Edge::NONE; 2];
            for (carries, to) in here.iter_mut().enumerate() {
                let mut halves = [Edge::NONE; 2];
                for (own, half) in halves.iter_mut().enumerate() {
                    for (carried, lower) in below.into_iter().enumerate() {
                        let sum = own + bit(moved) + carried;
                        if sum >> 1 == carries && fits(sum) {
                            *half = self.diagram.or(*half, lower);
                        }
                    }
                }
                *to = self.diagram.choice(level.bit(number).at(0), halves[0], halves[1]);
            }
            below = here;
        }
        let [plain, wrapped] = below;
        Space(self.diagram.or(plain, wrapped))
    }

    /// The variable of a key, with so many bits; a known one where the key is known.
    pub fn variable(&mut self, key: VariableKey, width: u32) -> Level {
        if let Some(at) = self.known.get(&key) {
            return self.variables[*at].level;
        }
        // Of conditions in a chain each is asked of what those before left: the last one stands first, and all sets of
        // the chain share what is below it. A value that was chosen decides what is asked next, and stands before it.
        let start = if width == 1 { self.taken.start.wrapping_sub(1) } else { self.taken.end };
        let level = Level::new(start, width);
        if start < VARIABLES.start || start + width > VARIABLES.end {
            self.exhaust();
            return Level::new(VARIABLES.start, width);
        }
        if width == 1 {
            self.taken.start = start;
        } else {
            self.taken.end = start + width;
        }
        self.known.insert(key.clone(), self.variables.len());
        self.places.insert(start, self.variables.len());
        self.variables.push(Variable { level, name: key.name });
        level
    }

    /// A variable that stands for the name of an interface.
    pub fn interface_variable(&mut self, key: VariableKey) -> Level {
        let width = self.layout.width(Field::Iif);
        let level = self.variable(key, width);
        if !self.layout.named.contains(&level) {
            self.layout.named.push(level);
        }
        level
    }

    /// Notes which value a variable has in the usual case, for [`Spaces::usually`].
    pub fn expect(&mut self, level: Level, value: u128) {
        if self.usual.contains_key(&level.at(0)) {
            return;
        }
        // Sets that were asked about before may hang on an older variable.
        if self.variables.last().is_none_or(|newest| newest.level != level) {
            self.usually.clear();
        }
        for number in 0..level.bits() {
            self.usual.insert(level.bit(number).at(0), value >> number & 1 == 1);
        }
    }

    /// The packets that are in the set when all variables have the values that were noted as usual.
    pub fn usually(&mut self, space: Space) -> Space {
        Space(self.diagram.restrict(space.0, &self.usual, &mut self.usually))
    }

    /// The packets that are in the set when the variables at the levels do not hold.
    pub fn unless(&mut self, space: Space, levels: &[Level]) -> Space {
        let bits = levels.iter().flat_map(|level| (0..level.bits()).map(|number| level.bit(number).at(0)));
        let none = bits.map(|bit| (bit, false)).collect();
        Space(self.diagram.restrict(space.0, &none, &mut FxHashMap::default()))
    }

    /// The names of the variables, and of the fields that count as unknown, on which it hangs whether a packet
    /// is in the set: each once, sorted.
    pub fn depends_on(&self, space: Space) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for bit in self.diagram.support(space.0, TERMINAL) {
            if let Some(field) = self.layout.unknown_field(bit).or(self.layout.interface_field(bit)) {
                names.push(field.name().to_string());
            } else if VARIABLES.contains(&bit) {
                names.extend(self.variable_at(bit).map(|variable| variable.name.clone()));
            }
        }
        names.sort();
        names.dedup();
        names
    }

    /// The names of the variables on which the set hangs: each once, sorted.
    pub fn names_of_variables(&self, space: Space) -> Vec<String> {
        let mut names: Vec<String> =
            self.variables_on(space).into_iter().map(|variable| variable.name.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// The variable that a bit belongs to.
    fn variable_at(&self, bit: u32) -> Option<&Variable> {
        let (_, at) = self.places.range(..=bit).next_back()?;
        self.variables.get(*at)
    }

    /// The levels of the variables on which the set hangs.
    pub fn variables_of(&self, space: Space) -> Vec<Level> {
        self.variables_on(space).into_iter().map(|variable| variable.level).collect()
    }

    /// Those of them, with their names.
    pub fn variables_named(&self, space: Space) -> Vec<(Level, String)> {
        self.variables_on(space).into_iter().map(|variable| (variable.level, variable.name.clone())).collect()
    }

    /// The fields that count as unknown on which the set hangs, each once.
    pub fn unknown_fields(&self, space: Space) -> Vec<Field> {
        let bits = self.diagram.support(space.0, TERMINAL);
        let mut fields: Vec<Field> =
            bits.into_iter().filter_map(|bit| self.layout.unknown_field(bit)).collect();
        fields.sort_unstable();
        fields.dedup();
        fields
    }

    /// The variables on which the set hangs: each once, in the order in which it asks for them.
    fn variables_on(&self, space: Space) -> Vec<&Variable> {
        let bits = self.diagram.support(space.0, VARIABLES.end);
        let bits = bits.into_iter().filter(|bit| VARIABLES.contains(bit));
        let mut found: Vec<&Variable> = bits.filter_map(|bit| self.variable_at(bit)).collect();
        found.dedup_by_key(|variable| variable.level);
        found
    }

    /// The packets that are in the set for some value of the unknowns: variables, and the fields of which
    /// nothing is known beforehand (TTL, length and the like).
    pub fn possibly(&mut self, space: Space) -> Space {
        let end = self.layout.unknown_from;
        self.project(space, Projection::From(end), (end, end), false, &|_| false)
    }

    /// The packets that are in the set for some value at the levels.
    pub fn without(&mut self, space: Space, levels: &[Level]) -> Space {
        let goes = |bit: u32| levels.iter().any(|level| level.holds(bit));
        let first = levels.iter().map(|level| level.at(0)).min().unwrap_or(TERMINAL);
        let end = levels.iter().map(|level| level.end()).max().unwrap_or(0);
        self.project(space, Projection::Without(levels.into()), (first, end), true, &goes)
    }

    /// The set without what translation made of the packets: as they came to the first firewall.
    pub fn as_came(&mut self, space: Space) -> Space {
        let ranges = self.layout.translated();
        let goes = |bit: u32| ranges.iter().any(|range| range.contains(&bit));
        let first = ranges.iter().map(|range| range.start).min().unwrap_or(0);
        let end = ranges.iter().map(|range| range.end).max().unwrap_or(0);
        self.project(space, Projection::AsCame, (first, end), true, &goes)
    }

    /// The packets that are in the set for some value everywhere but at the levels.
    pub fn only(&mut self, space: Space, levels: &[Level]) -> Space {
        let goes = |bit: u32| !levels.iter().any(|level| level.holds(bit));
        let end = levels.iter().map(|level| level.end()).max().unwrap_or(0);
        self.project(space, Projection::Only(levels.into()), (0, end), false, &goes)
    }

    fn project(
        &mut self,
        space: Space,
        projection: Projection,
        (first, end): (u32, u32),
        rest_stays: bool,
        goes: &dyn Fn(u32) -> bool,
    ) -> Space {
        let next = self.projections.len() as u32;
        let number = *self.projections.entry(projection).or_insert(next);
        Space(self.diagram.project(space.0, &Going { number, first, end, rest_stays, goes }))
    }

    /// How large a part of all packets the set is: only good for comparing sets.
    pub fn share(&self, space: Space) -> f64 {
        self.diagram.share_of(space.0, &mut FxHashMap::default())
    }

    /// The same for several sets, which often have much in common.
    pub fn shares(&self, spaces: impl IntoIterator<Item = Space>) -> Vec<f64> {
        let mut known = FxHashMap::default();
        spaces.into_iter().map(|space| self.diagram.share_of(space.0, &mut known)).collect()
    }

    /// The packets that are in the set when the value at a level is given.
    pub fn given(&mut self, space: Space, level: Level, value: u128) -> Space {
        let one = self.within(level, &Set::one(value));
        let part = self.and(space, one);
        self.without(part, &[level])
    }
}

/// The values of `ranges` as a diagram over the bits of a level from `depth` on, in the block that the bits
/// before have led to.
fn interval_diagram(
    diagram: &mut Diagram,
    level: Level,
    depth: u32,
    block: u128,
    ranges: &[(u128, u128)],
) -> Edge {
    let span = level.span(depth);
    let last = block | span;
    let from = ranges.partition_point(|range| range.1 < block);
    let to = from + ranges[from..].partition_point(|range| range.0 <= last);
    let ranges = &ranges[from..to];
    match ranges {
        [] => return Edge::NONE,
        [(lo, hi)] if *lo <= block && last <= *hi => return Edge::ALL,
        _ => {}
    }
    let low = interval_diagram(diagram, level, depth + 1, block, ranges);
    let high = interval_diagram(diagram, level, depth + 1, block | (span - (span >> 1)), ranges);
    diagram.choice(level.at(depth), low, high)
}

fn masked_diagram(diagram: &mut Diagram, level: Level, mask: u128, at: (u32, u128), set: &Set) -> Edge {
    let (depth, block) = at;
    let span = level.span(depth);
    if !set.meets_range(block, block | (span & mask)) {
        return Edge::NONE;
    }
    if set.covers(&Set::range(block, block | span)) {
        return Edge::ALL;
    }
    if depth == level.bits() {
        return if set.contains(block) { Edge::ALL } else { Edge::NONE };
    }
    let bit = span - (span >> 1);
    let low = masked_diagram(diagram, level, mask, (depth + 1, block), set);
    if mask & bit == 0 {
        return low;
    }
    let high = masked_diagram(diagram, level, mask, (depth + 1, block | bit), set);
    diagram.choice(level.at(depth), low, high)
}

#[cfg(test)]
mod tests;
