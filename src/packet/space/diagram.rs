//! Sets of bit strings as hash-consed binary decision diagrams with complemented edges.
//!
//! Equal sets are equal numbers. Nothing is thrown away before the whole store is; a limit on the total work
//! makes sure that this stays affordable.

use rustc_hash::FxHashMap;

use super::nodes::{Node, Nodes};

/// A set: an edge to a node, complemented where the lowest bit is set. Node 0 is the set of all.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(super) struct Edge(u32);

impl Edge {
    pub(super) const ALL: Edge = Edge(0);
    pub(super) const NONE: Edge = Edge(1);

    pub(super) fn not(self) -> Edge {
        Edge(self.0 ^ 1)
    }

    pub(super) fn node(self) -> usize {
        (self.0 >> 1) as usize
    }

    /// A number that no other set has.
    pub(super) fn number(self) -> u32 {
        self.0
    }

    fn complemented(self) -> bool {
        self.0 & 1 == 1
    }

    fn complement_if(self, yes: bool) -> Edge {
        Edge(self.0 ^ u32::from(yes))
    }
}

/// The bits that a projection does away with.
pub(super) struct Going<'g> {
    /// Another one for each projection: results are kept under it.
    pub number: u32,
    /// The first of them.
    pub first: u32,
    /// Behind the last one that is told by `goes`: from here on all stay, or all go.
    pub end: u32,
    pub rest_stays: bool,
    pub goes: &'g dyn Fn(u32) -> bool,
}

/// A few sets; those that are not there are empty.
pub(super) type Few = [Edge; FEW];

/// Bits are numbered from the one that is asked first.
pub(super) struct Diagram {
    nodes: Nodes,
    /// Results of [`Diagram::and`], each place holding the last one that fell on it.
    results: Vec<(Edge, Edge, Edge)>,
    /// Results of [`Diagram::project`], likewise: by the number of the projection.
    projected: Vec<(u32, Edge, Edge)>,
    /// Results of [`Diagram::any`], likewise; made when there is one.
    unions: Vec<(Few, Edge)>,
    work: u64,
    limit: u64,
}

/// The bit of the terminal: below all others, which two bytes hold.
pub(super) const TERMINAL: u32 = u16::MAX as u32;
const FIRST_SIZE: usize = 1 << 12;
/// A free place among the results of projections.
const NO_PROJECTION: (u32, Edge, Edge) = (u32::MAX, Edge::ALL, Edge::ALL);
/// So many sets are united at once.
pub(super) const FEW: usize = 8;
/// Places for results; more do not pay.
const MOST_RESULTS: usize = 1 << 18;

impl Diagram {
    pub(super) fn new(limit: u64) -> Self {
        Diagram {
            nodes: Nodes::new(),
            results: vec![(Edge::ALL, Edge::ALL, Edge::ALL); FIRST_SIZE],
            projected: vec![NO_PROJECTION; FIRST_SIZE / 4],
            unions: Vec::new(),
            work: 0,
            limit,
        }
    }

    /// Whether the limit on work was hit: every answer since then may be wrong.
    pub(super) fn exhausted(&self) -> bool {
        self.work > self.limit || self.work == u64::MAX
    }

    /// Steps so far.
    pub(super) fn work(&self) -> u64 {
        self.work
    }

    /// Counts work that was done elsewhere.
    pub(super) fn spend(&mut self, steps: u64) {
        self.work = self.work.saturating_add(steps);
    }

    pub(super) fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The bit that a set asks first; [`TERMINAL`] for all and none.
    pub(super) fn bit(&self, edge: Edge) -> u32 {
        self.nodes.at(edge.node()).bit.into()
    }

    /// The last bit that a set asks for; 0 for all and none.
    fn last(&self, edge: Edge) -> u32 {
        self.nodes.at(edge.node()).last.into()
    }

    /// The parts in which the first bit is 0 and 1.
    pub(super) fn halves(&self, edge: Edge) -> (Edge, Edge) {
        let node = self.nodes.at(edge.node());
        (node.low.complement_if(edge.complemented()), node.high.complement_if(edge.complemented()))
    }

    /// The set that is `low` where the bit is 0, and `high` where it is 1.
    pub(super) fn choice(&mut self, bit: u32, low: Edge, high: Edge) -> Edge {
        if low == high {
            return low;
        }
        if high.complemented() {
            return self.node(bit, low.not(), high.not()).not();
        }
        self.node(bit, low, high)
    }

    fn node(&mut self, bit: u32, low: Edge, high: Edge) -> Edge {
        // Finding a node that is there takes as long as making one.
        self.work += 1;
        let Some(number) = self.nodes.of((bit as u16, low, high)) else {
            self.work = u64::MAX;
            return Edge::NONE;
        };
        if self.nodes.len() * 4 > self.results.len() * 3 && self.results.len() < MOST_RESULTS {
            self.more_results();
        }
        Edge(number << 1)
    }

    /// Makes room for twice as many results. Those that are known are not kept: what is needed of them is soon found again.
    fn more_results(&mut self) {
        let size = self.results.len() * 2;
        // What is made anew is given back before: memory for both is never needed.
        self.results = Vec::new();
        self.results = vec![(Edge::ALL, Edge::ALL, Edge::ALL); size];
        self.projected = Vec::new();
        self.projected = vec![NO_PROJECTION; size / 4];
        self.unions = Vec::new();
    }

    /// Whether two sets have a string in common: no set is made for that.
    pub(super) fn meets(&mut self, a: Edge, b: Edge) -> bool {
        if a == Edge::NONE || b == Edge::NONE || a == b.not() {
            return false;
        }
        if a == b || a == Edge::ALL || b == Edge::ALL {
            return true;
        }
        let (a, b) = if a < b { (a, b) } else { (b, a) };
        if let Some(known) = self.known(a, b) {
            return known != Edge::NONE;
        }
        self.work += 1;
        if self.exhausted() {
            return true;
        }
        let (_, (a0, a1), (b0, b1)) = self.parted(a, b);
        let meets = self.meets(a0, b0) || self.meets(a1, b1);
        if !meets && !self.exhausted() {
            self.keep(a, b, Edge::NONE);
        }
        meets
    }

    /// What two sets have in common, where it was found before.
    fn known(&self, a: Edge, b: Edge) -> Option<Edge> {
        let (x, y, both) = self.results[self.place(a, b)];
        ((x, y) == (a, b)).then_some(both)
    }

    fn keep(&mut self, a: Edge, b: Edge, both: Edge) {
        let place = self.place(a, b);
        self.results[place] = (a, b, both);
    }

    /// Where the result of two sets has its place, the second one being the younger: the places of neighbours are near
    /// each other, since they are asked for one after the other.
    fn place(&self, a: Edge, b: Edge) -> usize {
        let near = hash(a.0, b.0, 0) as usize & 255;
        (b.0 as usize * 4 + near) & (self.results.len() - 1)
    }

    /// Where the result of a projection has its place.
    fn place_of_projection(&self, edge: Edge, number: u32) -> usize {
        (u64::from(edge.0) ^ hash(number, 0, 1)) as usize & (self.projected.len() - 1)
    }

    /// The bit that the first of two sets asks for, and their parts where it is 0 and 1.
    fn parted(&self, a: Edge, b: Edge) -> (u32, (Edge, Edge), (Edge, Edge)) {
        let (bit_a, bit_b) = (self.bit(a), self.bit(b));
        let bit = bit_a.min(bit_b);
        let halves = |edge, own| if own == bit { self.halves(edge) } else { (edge, edge) };
        (bit, halves(a, bit_a), halves(b, bit_b))
    }

    pub(super) fn and(&mut self, a: Edge, b: Edge) -> Edge {
        if a == b || b == Edge::ALL {
            return a;
        }
        if a == Edge::ALL {
            return b;
        }
        if a == b.not() || a == Edge::NONE || b == Edge::NONE {
            return Edge::NONE;
        }
        let (a, b) = if a < b { (a, b) } else { (b, a) };
        if let Some(known) = self.known(a, b) {
            return known;
        }
        self.work += 1;
        if self.exhausted() {
            return Edge::NONE;
        }
        let (bit, (a0, a1), (b0, b1)) = self.parted(a, b);
        let low = self.and(a0, b0);
        let high = self.and(a1, b1);
        let both = self.choice(bit, low, high);
        // What was given up on the way is no result.
        if !self.exhausted() {
            self.keep(a, b, both);
        }
        both
    }

    pub(super) fn or(&mut self, a: Edge, b: Edge) -> Edge {
        self.and(a.not(), b.not()).not()
    }

    pub(super) fn minus(&mut self, a: Edge, b: Edge) -> Edge {
        self.and(a, b.not())
    }

    /// The strings that are in any of a few sets. Unlike [`Diagram::or`] of one after the other, it makes no nodes that
    /// only the sets between need.
    pub(super) fn any(&mut self, edges: Few) -> Edge {
        let (few, count) = in_order(edges);
        // A set and its complement are neighbours.
        if few[0] == Edge::ALL || few.windows(2).any(|pair| pair[0] == pair[1].not()) {
            return Edge::ALL;
        }
        match few[..count] {
            [] => return Edge::NONE,
            [one] => return one,
            [a, b] => return self.or(a, b),
            _ => {}
        }
        let place = self.place_of_union(&few);
        let (known, any) = self.unions[place];
        if known == few {
            return any;
        }
        self.work += count as u64;
        if self.exhausted() {
            return Edge::NONE;
        }
        let bit = few.iter().map(|edge| self.bit(*edge)).fold(TERMINAL, u32::min);
        let halves = few.map(|edge| if self.bit(edge) == bit { self.halves(edge) } else { (edge, edge) });
        let low = self.any(halves.map(|(low, _)| low));
        let high = self.any(halves.map(|(_, high)| high));
        let any = self.choice(bit, low, high);
        if !self.exhausted() {
            let place = self.place_of_union(&few);
            self.unions[place] = (few, any);
        }
        any
    }

    /// Where the result of a union has its place.
    fn place_of_union(&mut self, few: &Few) -> usize {
        if self.unions.is_empty() {
            self.unions = vec![([Edge::NONE; FEW], Edge::NONE); self.results.len() / 2];
        }
        let mixed = few.chunks(2).fold((0, 0), |(a, b), pair| {
            let hash = hash(pair[0].0 ^ a, pair[1].0, b);
            (hash as u32, (hash >> 32) as u32)
        });
        mixed.0 as usize & (self.unions.len() - 1)
    }

    /// The strings that are in the set for some values of the bits that go.
    pub(super) fn project(&mut self, edge: Edge, going: &Going<'_>) -> Edge {
        let bit = self.bit(edge);
        if self.last(edge) < going.first {
            return edge;
        }
        if bit >= going.end {
            return if going.rest_stays || edge == Edge::NONE { edge } else { Edge::ALL };
        }
        let place = self.place_of_projection(edge, going.number);
        let (number, known, projected) = self.projected[place];
        if (number, known) == (going.number, edge) {
            return projected;
        }
        self.work += 1;
        if self.exhausted() {
            return Edge::NONE;
        }
        let goes = (going.goes)(bit);
        let (low, high) = self.halves(edge);
        let low = self.project(low, going);
        let projected = if goes && low == Edge::ALL {
            Edge::ALL
        } else {
            let high = self.project(high, going);
            if goes { self.or(low, high) } else { self.choice(bit, low, high) }
        };
        if !self.exhausted() {
            let place = self.place_of_projection(edge, going.number);
            self.projected[place] = (going.number, edge, projected);
        }
        projected
    }

    /// The strings that are in the set when some bits have the values that `value` gives. `known` holds what was found
    /// for the same values before.
    pub(super) fn restrict(
        &mut self,
        edge: Edge,
        value: &FxHashMap<u32, bool>,
        known: &mut FxHashMap<Edge, Edge>,
    ) -> Edge {
        let bit = self.bit(edge);
        if bit == TERMINAL {
            return edge;
        }
        if edge.complemented() {
            return self.restrict(edge.not(), value, known).not();
        }
        if let Some(done) = known.get(&edge) {
            return *done;
        }
        self.work += 1;
        if self.exhausted() {
            return Edge::NONE;
        }
        let (low, high) = self.halves(edge);
        let restricted = match value.get(&bit) {
            Some(yes) => self.restrict(if *yes { high } else { low }, value, known),
            None => {
                let low = self.restrict(low, value, known);
                let high = self.restrict(high, value, known);
                self.choice(bit, low, high)
            }
        };
        if !self.exhausted() {
            known.insert(edge, restricted);
        }
        restricted
    }

    /// The part of the strings that are in the set, from 0 to 1. `known` holds what was found before.
    pub(super) fn share_of(&self, edge: Edge, known: &mut FxHashMap<Edge, f64>) -> f64 {
        match edge {
            Edge::ALL => return 1.0,
            Edge::NONE => return 0.0,
            _ => {}
        }
        if let Some(share) = known.get(&edge) {
            return *share;
        }
        let (low, high) = self.halves(edge);
        let share = (self.share_of(low, known) + self.share_of(high, known)) / 2.0;
        known.insert(edge, share);
        share
    }

    /// The bits before `end` that the set asks for, each once, in order.
    pub(super) fn support(&self, edge: Edge, end: u32) -> Vec<u32> {
        let mut seen = rustc_hash::FxHashSet::default();
        let mut bits = rustc_hash::FxHashSet::default();
        let mut open = vec![edge.node()];
        while let Some(node) = open.pop() {
            let &Node { low, high, bit, .. } = self.nodes.at(node);
            let bit = bit.into();
            if bit >= end || !seen.insert(node) {
                continue;
            }
            bits.insert(bit);
            open.extend([low.node(), high.node()]);
        }
        let mut bits: Vec<u32> = bits.into_iter().collect();
        bits.sort_unstable();
        bits
    }
}

/// Sets in order, each once and the empty ones last, and how many are not empty.
fn in_order(mut edges: Few) -> (Few, usize) {
    edges.sort_unstable();
    let (mut few, mut count) = ([Edge::NONE; FEW], 0);
    for edge in edges {
        if edge != Edge::NONE && (count == 0 || few[count - 1] != edge) {
            few[count] = edge;
            count += 1;
        }
    }
    (few, count)
}

pub(super) fn hash(a: u32, b: u32, c: u32) -> u64 {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut h = u64::from(a).wrapping_mul(K);
    h = (h.rotate_left(23) ^ u64::from(b)).wrapping_mul(K);
    h = (h.rotate_left(23) ^ u64::from(c)).wrapping_mul(K);
    h ^ h >> 32
}
