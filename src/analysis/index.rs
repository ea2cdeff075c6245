//! Finds the rules of a chain that can concern an address without looking at all of them.

use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::{FxHashMap, FxHashSet};

use crate::model::{ChainId, Ruleset, Step, Test, Values};
use crate::packet::{Family, Field, Set};

/// Chains of fewer rules are looked through.
const SMALL: usize = 64;
/// More addresses are looked up rule by rule.
const FEW_ADDRESSES: u128 = 4096;
/// More ports likewise.
const FEW_PORTS: u128 = 8192;

/// The rules of a ruleset's chains, sorted by what they look for, as far as somebody asked.
#[derive(Default)]
pub(super) struct Index {
    buckets: Mutex<FxHashMap<(ChainId, Side), Arc<Buckets>>>,
}

/// Which addresses rules are sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Side {
    Dst,
    Src,
}

impl Side {
    fn other(self) -> Side {
        match self {
            Side::Dst => Side::Src,
            Side::Src => Side::Dst,
        }
    }

    fn is(self, field: Field) -> bool {
        match self {
            Side::Dst => matches!(field, Field::Dst4 | Field::Dst6),
            Side::Src => matches!(field, Field::Src4 | Field::Src6),
        }
    }
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

impl Index {
    /// Rules of a chain among which all are that can match packets with these destinations, sources and
    /// destination ports, in order; `None` where all rules have to be looked at. A side that is `None` can have
    /// any value.
    pub(super) fn candidates(
        &self,
        rules: &Ruleset,
        chain: ChainId,
        family: Family,
        [dst, src, ports]: [&Option<Set>; 3],
    ) -> Option<Vec<u32>> {
        if rules.chain(chain).rules.len() < SMALL {
            return None;
        }
        let few = |side: Side| {
            let set = if side == Side::Dst { dst } else { src };
            set.as_ref().filter(|set| set.count() <= FEW_ADDRESSES)
        };
        let (side, set) = [Side::Dst, Side::Src].into_iter().find_map(|side| Some((side, few(side)?)))?;
        let buckets = self.sorted(rules, chain, side);
        let mut found = buckets.wide.clone();
        gather(&buckets.first, family, set, &mut found);
        match few(side.other()) {
            Some(set) => gather(&buckets.second, family, set, &mut found),
            None => found.extend_from_slice(&buckets.seconds),
        }
        match ports.as_ref().filter(|set| set.count() <= FEW_PORTS) {
            Some(set) => {
                let blocks = set.ranges().iter().flat_map(|(lo, hi)| port_block(*lo)..=port_block(*hi));
                let blocks: FxHashSet<u32> = blocks.collect();
                found.extend(blocks.iter().filter_map(|block| buckets.ports.get(block)).flatten());
            }
            None => found.extend_from_slice(&buckets.ported),
        }
        found.sort_unstable();
        found.dedup();
        Some(found)
    }

    fn sorted(&self, rules: &Ruleset, chain: ChainId, side: Side) -> Arc<Buckets> {
        let mut all = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry((chain, side)).or_insert_with(|| Arc::new(sort_rules(rules, chain, side))).clone()
    }
}

fn sort_rules(rules: &Ruleset, chain: ChainId, side: Side) -> Buckets {
    let mut buckets = Buckets {
        first: FxHashMap::default(),
        second: FxHashMap::default(),
        seconds: Vec::new(),
        ports: FxHashMap::default(),
        ported: Vec::new(),
        wide: Vec::new(),
    };
    for (index, rule) in rules.chain(chain).rules.iter().enumerate() {
        let (index, steps) = (index as u32, rules.steps_of(rule));
        if let Some(key) = block_of(rules, steps, side) {
            buckets.first.entry(key).or_default().push(index);
        } else if let Some(key) = block_of(rules, steps, side.other()) {
            buckets.second.entry(key).or_default().push(index);
            buckets.seconds.push(index);
        } else if let Some(key) = port_block_of(steps) {
            buckets.ports.entry(key).or_default().push(index);
            buckets.ported.push(index);
        } else {
            buckets.wide.push(index);
        }
    }
    buckets
}

/// The block in which all destination ports lie that a rule's first tests look for.
fn port_block_of(steps: &[Step]) -> Option<u32> {
    for test in first_tests(steps) {
        if let Test::In { field: Field::Dport, values: Values::Range(lo, hi), negate: false } = *test {
            let (first, last) = (port_block(lo.into()), port_block(hi.into()));
            return (first == last).then_some(first);
        }
    }
    None
}

/// The block in which all addresses lie that a rule's first tests look for.
fn block_of(rules: &Ruleset, steps: &[Step], side: Side) -> Option<Block> {
    for test in first_tests(steps) {
        let Test::In { field, values, negate: false } = *test else { continue };
        if !side.is(field) {
            continue;
        }
        let family = field.family()?;
        let set: Set = rules.values(values);
        let (first, last) = (set.ranges().first()?.0, set.ranges().last()?.1);
        let same = |bits: &&u32| first >> **bits == last >> **bits;
        return sizes(family).iter().find(same).map(|bits| (family, *bits, first >> bits));
    }
    None
}

/// The tests before anything happens.
fn first_tests(steps: &[Step]) -> impl Iterator<Item = &Test> + '_ {
    steps.iter().map_while(|step| match step {
        Step::Test(test) => Some(test),
        Step::Effect(_) | Step::Lookup(_) => None,
    })
}

fn port_block(port: u128) -> u32 {
    (port >> 8) as u32
}

/// Adds the rules of the blocks that a few addresses are in.
fn gather(from: &FxHashMap<Block, Vec<u32>>, family: Family, side: &Set, found: &mut Vec<u32>) {
    let addresses = side.ranges().iter().flat_map(|(lo, hi)| *lo..=*hi);
    let blocks = addresses.flat_map(|address| sizes(family).map(|bits| (family, bits, address >> bits)));
    let blocks: FxHashSet<Block> = blocks.collect();
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
