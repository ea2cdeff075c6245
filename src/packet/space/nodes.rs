//! The nodes of a decision diagram, each once.

use super::diagram::Edge;

/// What a node is made of: the bit that it asks for, and the sets where that is 0 and 1.
pub(super) type Parts = (u16, Edge, Edge);

/// A node asks for one bit. The high edge is never complemented, so that each set has one form. There are many: bits
/// are few enough for two bytes, [`super::diagram::TERMINAL`].
#[derive(Clone, Copy)]
pub(super) struct Node {
    pub low: Edge,
    pub high: Edge,
    pub bit: u16,
    /// The last bit that it or a node below it asks for.
    pub last: u16,
    /// The node that was made last of those of which this is the younger half; [`NOBODY`], or [`CROWD`].
    above: u32,
    /// The node of the same younger half that was made before.
    before: u32,
}

/// No node.
const NOBODY: u32 = u32::MAX;
/// Too many nodes to look at one after the other: they are in [`Crowd`].
const CROWD: u32 = u32::MAX - 1;
/// Up to so many nodes above one are looked at one after the other.
const FEW: usize = 4;
/// The bits of the number of a node.
const NUMBER: u32 = (1 << 26) - 1;
/// Bits of a number that tell nodes of one piece apart.
const PIECE: u32 = 14;

impl Node {
    fn parts(&self) -> Parts {
        (self.bit, self.low, self.high)
    }
}

/// Nodes in pieces: none is moved when there are more of them, and no room for twice as many is needed.
struct Pieces(Vec<Vec<Node>>);

impl Pieces {
    fn len(&self) -> usize {
        let last = self.0.last().map_or(0, Vec::len);
        (self.0.len().saturating_sub(1) << PIECE) + last
    }

    fn at(&self, number: usize) -> &Node {
        &self.0[number >> PIECE][number & ((1 << PIECE) - 1)]
    }

    fn at_mut(&mut self, number: usize) -> &mut Node {
        &mut self.0[number >> PIECE][number & ((1 << PIECE) - 1)]
    }

    fn push(&mut self, node: Node) {
        match self.0.last_mut() {
            // The first one grows: most stores are small.
            Some(piece) if piece.len() < 1 << PIECE => piece.push(node),
            _ => {
                let mut piece = Vec::with_capacity(1 << PIECE);
                piece.push(node);
                self.0.push(piece);
            }
        }
    }
}

/// All nodes.
///
/// A node is found through the younger of its halves. That is the one that was looked at last, so that it costs less
/// than a table in which neighbours are far from each other.
pub(super) struct Nodes {
    pieces: Pieces,
    crowd: Crowd,
}

impl Nodes {
    /// With the terminal as the only node.
    pub(super) fn new() -> Self {
        let terminal =
            Node { low: Edge::ALL, high: Edge::ALL, bit: u16::MAX, last: 0, above: CROWD, before: NOBODY };
        Nodes {
            pieces: Pieces(vec![vec![terminal]]),
            crowd: Crowd { places: vec![NOBODY; 1 << 10], count: 0 },
        }
    }

    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    pub(super) fn at(&self, number: usize) -> &Node {
        self.pieces.at(number)
    }

    /// The number of the node that is made of these parts; `None` where there are too many nodes.
    pub(super) fn of(&mut self, parts: Parts) -> Option<u32> {
        let younger = parts.1.node().max(parts.2.node());
        let mut above = self.at(younger).above;
        if above != CROWD {
            let (mut id, mut count) = (above, 0);
            while id != NOBODY {
                let node = self.at(id as usize);
                if node.parts() == parts {
                    return Some(id);
                }
                id = node.before;
                count += 1;
            }
            if count < FEW {
                let id = self.push(parts, above)?;
                self.pieces.at_mut(younger).above = id;
                return Some(id);
            }
            while above != NOBODY {
                self.crowd.join(&self.pieces, above);
                above = self.at(above as usize).before;
            }
            self.pieces.at_mut(younger).above = CROWD;
        }
        if let Some(id) = self.crowd.find(&self.pieces, parts) {
            return Some(id);
        }
        let id = self.push(parts, NOBODY)?;
        self.crowd.join(&self.pieces, id);
        Some(id)
    }

    fn push(&mut self, (bit, low, high): Parts, before: u32) -> Option<u32> {
        let id = self.len() as u32;
        if id >= NUMBER {
            return None;
        }
        let last = bit.max(self.at(low.node()).last).max(self.at(high.node()).last);
        self.pieces.push(Node { low, high, bit, last, above: NOBODY, before });
        Some(id)
    }
}

/// The nodes above those that have many above them, by open addressing: the number of a node below some bits of its
/// hash, which tell most others apart without a look at them.
struct Crowd {
    places: Vec<u32>,
    count: usize,
}

impl Crowd {
    /// The node of these parts.
    fn find(&self, pieces: &Pieces, parts: Parts) -> Option<u32> {
        let hash = hash_of(parts);
        let mask = self.places.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let known = self.places[at];
            if known == NOBODY {
                return None;
            }
            if tag(hash) == known & !NUMBER && pieces.at((known & NUMBER) as usize).parts() == parts {
                return Some(known & NUMBER);
            }
            at = (at + 1) & mask;
        }
    }

    /// Takes in a node that is not there.
    fn join(&mut self, pieces: &Pieces, id: u32) {
        self.count += 1;
        if self.count * 4 > self.places.len() * 3 {
            self.grow(pieces);
        }
        self.put(pieces, id);
    }

    fn put(&mut self, pieces: &Pieces, id: u32) {
        let hash = hash_of(pieces.at(id as usize).parts());
        let mask = self.places.len() - 1;
        let mut at = hash as usize & mask;
        while self.places[at] != NOBODY {
            at = (at + 1) & mask;
        }
        self.places[at] = tag(hash) | id;
    }

    fn grow(&mut self, pieces: &Pieces) {
        let size = self.places.len() * 2;
        let before = std::mem::replace(&mut self.places, vec![NOBODY; size]);
        for id in before.into_iter().filter(|known| *known != NOBODY) {
            self.put(pieces, id & NUMBER);
        }
    }
}

fn hash_of((bit, low, high): Parts) -> u64 {
    super::diagram::hash(bit.into(), low.number(), high.number())
}

/// The part of a hash that stands above the number of a node.
fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32 & !NUMBER
}
