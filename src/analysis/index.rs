//! Finds the rules of a chain that can concern an address without looking at all of them.

use std::cell::RefCell;
use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::model::{ChainId, Ruleset, Step, Test, Values};
use crate::packet::{Dim, Family, Field, Region, Set};

/// Chains of fewer rules are looked through.
const SMALL: usize = 64;
/// Regions of more addresses are looked up rule by rule.
const FEW_ADDRESSES: u128 = 16;
/// Regions of more ports likewise.
const FEW_PORTS: u128 = 8192;

/// A ruleset with what was found out about it: shared by its [`super::Scope`]s.
pub struct Engine<'a> {
    rules: &'a Ruleset,
    /// By chain and by source or destination.
    buckets: RefCell<FxHashMap<(ChainId, Dim), Rc<Buckets>>>,
}

/// A block of addresses: family, low bits that are left out, the others.
type Block = (Family, u32, u128);

/// The rules of a chain by the blocks of addresses that they look for: in the first dimension, or, where they
/// do not look at that, in the second; those without addresses by the block of destination ports.
struct Buckets {
    first: FxHashMap<Block, Vec<u32>>,
    second: FxHashMap<Block, Vec<u32>>,
    /// All rules of `second`.
    seconds: Vec<u32>,
    ports: FxHashMap<u32, Vec<u32>>,
    /// All rules of `ports`.
    ported: Vec<u32>,
    /// All others.
    wide: Vec<u32>,
}

impl<'a> Engine<'a> {
    /// An engine over a ruleset.
    pub fn new(rules: &'a Ruleset) -> Rc<Self> {
        Rc::new(Engine { rules, buckets: RefCell::default() })
    }

    /// The ruleset.
    pub fn rules(&self) -> &'a Ruleset {
        self.rules
    }

    /// Rules of a chain among which all are that can match an untranslated packet of the region, in order;
    /// `None` where all rules have to be looked at.
    pub(super) fn candidates(&self, chain: ChainId, region: &Region) -> Option<Vec<u32>> {
        if self.rules.chain(chain).rules.len() < SMALL {
            return None;
        }
        let few = |dim: Dim| region.side(dim).filter(|side| side.count() <= FEW_ADDRESSES);
        let (dim, side) = [Dim::Dst, Dim::Src].into_iter().find_map(|dim| Some((dim, few(dim)?)))?;
        let buckets = self.buckets(chain, dim);
        let mut found = buckets.wide.clone();
        gather(&buckets.first, region.family(), side, &mut found);
        match few(other(dim)) {
            Some(side) => gather(&buckets.second, region.family(), side, &mut found),
            None => found.extend_from_slice(&buckets.seconds),
        }
        match region.side(Dim::Dport).filter(|side| side.count() <= FEW_PORTS) {
            Some(side) => {
                let blocks = side.ranges().iter().flat_map(|(lo, hi)| port_block(*lo)..=port_block(*hi));
                let blocks: FxHashSet<u32> = blocks.collect();
                found.extend(blocks.iter().filter_map(|block| buckets.ports.get(block)).flatten());
            }
            None => found.extend_from_slice(&buckets.ported),
        }
        found.sort_unstable();
        found.dedup();
        Some(found)
    }

    fn buckets(&self, chain: ChainId, dim: Dim) -> Rc<Buckets> {
        let mut all = self.buckets.borrow_mut();
        all.entry((chain, dim)).or_insert_with(|| Rc::new(self.sort_rules(chain, dim))).clone()
    }

    fn sort_rules(&self, chain: ChainId, dim: Dim) -> Buckets {
        let mut buckets = Buckets {
            first: FxHashMap::default(),
            second: FxHashMap::default(),
            seconds: Vec::new(),
            ports: FxHashMap::default(),
            ported: Vec::new(),
            wide: Vec::new(),
        };
        for (index, rule) in self.rules.chain(chain).rules.iter().enumerate() {
            let (index, steps) = (index as u32, self.rules.steps_of(rule));
            if let Some(key) = self.block_of(steps, dim) {
                buckets.first.entry(key).or_default().push(index);
            } else if let Some(key) = self.block_of(steps, other(dim)) {
                buckets.second.entry(key).or_default().push(index);
                buckets.seconds.push(index);
            } else if let Some(key) = self.port_block_of(steps) {
                buckets.ports.entry(key).or_default().push(index);
                buckets.ported.push(index);
            } else {
                buckets.wide.push(index);
            }
        }
        buckets
    }

    /// The block in which all destination ports lie that a rule's first tests look for.
    fn port_block_of(&self, steps: &[Step]) -> Option<u32> {
        let tests = steps.iter().map_while(|step| match step {
            Step::Test(test) => Some(test),
            _ => None,
        });
        for test in tests {
            if let Test::In { field: Field::Dport, values: Values::Range(lo, hi), negate: false } = *test {
                let (first, last) = (port_block(lo.into()), port_block(hi.into()));
                return (first == last).then_some(first);
            }
        }
        None
    }

    /// The block in which all addresses lie that a rule's first tests look for.
    fn block_of(&self, steps: &[Step], dim: Dim) -> Option<Block> {
        let tests = steps.iter().map_while(|step| match step {
            Step::Test(test) => Some(test),
            _ => None,
        });
        for test in tests {
            let Test::In { field, values, negate: false } = *test else { continue };
            let address = matches!(field, Field::Src4 | Field::Dst4 | Field::Src6 | Field::Dst6);
            if !address || Dim::of(field) != Some(dim) {
                continue;
            }
            let family = field.family()?;
            let set: Set = self.rules.values(values);
            let (first, last) = (set.ranges().first()?.0, set.ranges().last()?.1);
            let same = |bits: &&u32| first >> **bits == last >> **bits;
            return sizes(family).iter().find(same).map(|bits| (family, *bits, first >> bits));
        }
        None
    }
}

fn port_block(port: u128) -> u32 {
    (port >> 8) as u32
}

fn other(dim: Dim) -> Dim {
    if dim == Dim::Dst { Dim::Src } else { Dim::Dst }
}

/// Adds the rules of the blocks that a few addresses are in.
fn gather(from: &FxHashMap<Block, Vec<u32>>, family: Family, side: &Set, found: &mut Vec<u32>) {
    let addresses = side.ranges().iter().flat_map(|(lo, hi)| *lo..=*hi);
    let blocks = addresses.flat_map(|address| sizes(family).map(|bits| (family, bits, address >> bits)));
    for block in blocks {
        found.extend(from.get(&block).into_iter().flatten());
    }
}

/// The sizes of blocks, in bits: one address, and two usual lengths of networks.
fn sizes(family: Family) -> [u32; 3] {
    match family {
        Family::V4 => [0, 8, 16],
        Family::V6 => [0, 64, 80],
    }
}
