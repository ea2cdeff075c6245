//! What all rules do to all packets, in one look for each course: cheaper than rule after rule where rules are few.

use rustc_hash::{FxHashMap, FxHashSet};

use super::exact::Exact;
use super::reach::Course;
use crate::analysis::flow::{Noted, TooMuch, Watch};
use crate::model::{ChainId, RuleId};
use crate::packet::{Family, Space, Spaces};

/// Rules for each one that is asked about, up to which the look pays.
const RULES_FOR_ONE: usize = 200;

/// What was seen of the packets of a course.
struct Seen {
    family: Family,
    course: Course,
    acted: FxHashMap<RuleId, Noted>,
    taken: FxHashMap<RuleId, Noted>,
    entered: FxHashMap<ChainId, Space>,
}

/// What was seen of all packets.
pub(super) struct AtOnce {
    spaces: [Spaces; 2],
    seen: Vec<Seen>,
}

impl AtOnce {
    /// Whether to look at all rules for the sake of some.
    pub(super) fn pays(asked: usize, rules: usize) -> bool {
        asked > 1 && rules <= asked.saturating_mul(RULES_FOR_ONE)
    }

    /// Nothing yet.
    pub(super) fn new(exact: &Exact<'_>) -> AtOnce {
        AtOnce { spaces: [Family::V4, Family::V6].map(|family| exact.store(family)), seen: Vec::new() }
    }

    /// Looks at what some rules do, and at what comes into some chains.
    pub(super) fn look(
        &mut self,
        exact: &Exact<'_>,
        rules: &FxHashSet<RuleId>,
        chains: &FxHashSet<ChainId>,
    ) -> Result<(), TooMuch> {
        let mut crossings: Vec<(Family, Course)> = Vec::new();
        for crossing in chains.iter().flat_map(|chain| exact.crossings(*chain)) {
            if !crossings.contains(&crossing) {
                crossings.push(crossing);
            }
        }
        for (family, course) in crossings {
            let spaces = &mut self.spaces[family as usize];
            let mut watch = Watch { rules: Some(rules), chains: Some(chains), ..Watch::default() };
            exact.run_all(spaces, course, &mut watch)?;
            let Watch { acted, taken, entered, .. } = watch;
            self.seen.push(Seen { family, course, acted, taken, entered });
        }
        Ok(())
    }

    /// Steps of work so far.
    pub(super) fn work(&self) -> u64 {
        self.spaces.iter().map(Spaces::work).sum()
    }

    /// Whether a rule does something for any packet; with a limit on the work.
    pub(super) fn acts(&mut self, id: RuleId, limit: u64) -> Result<bool, TooMuch> {
        for seen in &self.seen {
            let spaces = &mut self.spaces[seen.family as usize];
            spaces.allow(limit);
            let acts = seen.acted.get(&id).is_some_and(|noted| noted.is_any(spaces));
            if spaces.exhausted() {
                return Err(TooMuch);
            }
            if acts {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether packets come into a chain.
    pub(super) fn enters(&self, chain: ChainId) -> bool {
        self.seen.iter().any(|seen| seen.entered.get(&chain).is_some_and(|space| !space.is_none()))
    }

    /// For each course the store, the packets that come to a chain, and those that rules before take of them.
    pub(super) fn taken(
        &mut self,
        chain: ChainId,
        before: &[RuleId],
        mut each: impl FnMut(&mut Spaces, Course, Space, Vec<(RuleId, Space)>),
    ) {
        for seen in &self.seen {
            let Some(entered) = seen.entered.get(&chain) else { continue };
            let spaces = &mut self.spaces[seen.family as usize];
            let taken = |id: &RuleId| Some((*id, seen.taken.get(id)?.all(spaces)));
            let takers = before.iter().filter_map(taken).collect();
            each(spaces, seen.course, *entered, takers);
        }
    }
}
