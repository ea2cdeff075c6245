//! Rules without which packets fare as before, and the log tells another story.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Lens, words_of};
use crate::analysis::anomaly::Redundant;
use crate::model::{ChainId, Rule, RuleId, Step, Test};
use crate::packet::{Field, Set};
use crate::source::SourceMap;

/// The rules that log, or lead to such.
pub(super) struct Loggers {
    /// Their places in each chain, in order.
    places: FxHashMap<ChainId, Vec<u32>>,
}

impl Loggers {
    /// Looks at all rules once; without sources nobody knows.
    pub(super) fn find(lens: &Lens<'_>) -> Loggers {
        let mut places: FxHashMap<ChainId, Vec<u32>> = FxHashMap::default();
        let Some(sources) = lens.sources else { return Loggers { places } };
        let rules = lens.rules();
        let mut callers: FxHashMap<ChainId, Vec<RuleId>> = FxHashMap::default();
        let mut open: Vec<RuleId> = Vec::new();
        for (chain, listed) in rules.chains.iter().enumerate() {
            for (index, rule) in listed.rules.iter().enumerate() {
                let id = RuleId { chain: ChainId(chain as u32), index: index as u32 };
                rules.led_to(rule).for_each(|to| callers.entry(to).or_default().push(id));
                open.extend(logs(sources, rule).then_some(id));
            }
        }
        let mut chains: FxHashSet<ChainId> = FxHashSet::default();
        while let Some(id) = open.pop() {
            places.entry(id.chain).or_default().push(id.index);
            if chains.insert(id.chain) {
                open.extend(callers.remove(&id.chain).into_iter().flatten());
            }
        }
        for of_chain in places.values_mut() {
            of_chain.sort_unstable();
            of_chain.dedup();
        }
        Loggers { places }
    }

    fn within(&self, chain: ChainId, (first, end): (u32, u32)) -> impl Iterator<Item = RuleId> + '_ {
        let places = self.places.get(&chain).map_or(&[][..], Vec::as_slice);
        let from = places.partition_point(|index| *index < first);
        places[from..]
            .iter()
            .take_while(move |index| **index < end)
            .map(move |index| RuleId { chain, index: *index })
    }

    /// Whether a rule logs, or leads to one that does.
    fn has(&self, id: RuleId) -> bool {
        self.within(id.chain, (id.index, id.index.saturating_add(1))).next().is_some()
    }
}

/// Whether a rule writes what it meets into the log: targets of iptables(8), `log` of the others.
fn logs(sources: &SourceMap, rule: &Rule) -> bool {
    words_of(sources.text(rule.span())).any(|word| matches!(word, "log" | "LOG" | "NFLOG" | "ULOG"))
}

impl Lens<'_> {
    /// Whether other packets are logged without a rule: it logs and those that do the same do not, or it keeps its
    /// packets from one that logs.
    pub(super) fn changes_the_log(&self, loggers: &Loggers, redundant: &Redundant) -> bool {
        let own = &redundant.unit.rules;
        if own.iter().any(|id| loggers.has(*id)) {
            return redundant.by.is_empty() || !redundant.by.iter().all(|by| loggers.has(*by));
        }
        own.iter().any(|id| {
            let behind = |by: &RuleId| by.chain == id.chain && by.index > id.index;
            let last = redundant.by.iter().filter(|by| behind(by)).map(|by| by.index).max();
            let before_all = !redundant.by.is_empty()
                && redundant.by.iter().all(|by| by.chain == id.chain && by.index < id.index);
            let end = if before_all { id.index } else { last.unwrap_or(u32::MAX) };
            let between = loggers.within(id.chain, (id.index.saturating_add(1), end));
            let elsewhere = redundant.by.iter().filter(|by| by.chain != id.chain);
            let elsewhere = elsewhere.flat_map(|by| loggers.within(by.chain, (0, by.index)));
            let deciding = redundant.by.iter().copied().filter(|by| loggers.has(*by));
            between.chain(elsewhere).chain(deciding).any(|other| self.can_meet(*id, other))
        })
    }

    /// Whether some packet may be what both rules look for.
    pub(super) fn can_meet(&self, one: RuleId, other: RuleId) -> bool {
        let rules = self.rules();
        let tests = |id: RuleId| {
            rules.steps_of(rules.rule(id)).iter().filter_map(|step| match *step {
                Step::Test(Test::In { field, values, negate: false }) => Some((field, rules.values(values))),
                Step::Test(Test::Masked { field, mask, values, negate: false }) => {
                    let (mask, last) = (rules.masks[mask as usize], field.last());
                    Some((field, Set::range(0, last).masked(mask, &rules.values(values), last)?))
                }
                Step::Test(_) | Step::Effect(_) | Step::Lookup(_) => None,
            })
        };
        let of_one: Vec<(Field, Set)> = tests(one).collect();
        tests(other)
            .all(|(field, set)| of_one.iter().all(|(known, values)| *known != field || values.meets(&set)))
    }
}
