//! What single rules do to packets on their way, and what becomes of packets without some of them.

use rustc_hash::{FxHashMap, FxHashSet};

use super::class::{Class, Classes};
use super::read::View;
use super::{Flow, Run};
use crate::analysis::Decider;
use crate::model::{ChainId, RuleId, Ruleset, Step};
use crate::packet::{Field, Space, Spaces};

/// What a run leaves out, and what it notes.
#[derive(Default)]
pub struct Watch<'w> {
    /// Rules that are left out, as if they were not there.
    pub without: Option<&'w FxHashSet<RuleId>>,
    /// Rules that are told apart as those who decide. The first of all others stands for them all.
    pub named: Option<&'w FxHashSet<RuleId>>,
    /// That first one.
    pub unnamed: Option<RuleId>,
    /// Rules of which it is noted for which packets they do something: all their tests hold.
    pub rules: Option<&'w FxHashSet<RuleId>>,
    /// The packets for which they did.
    pub acted: FxHashMap<RuleId, Noted>,
    /// Those of them that did not come to the next rule of its chain.
    pub taken: FxHashMap<RuleId, Noted>,
    /// Chains of which it is noted which packets come into them.
    pub chains: Option<&'w FxHashSet<ChainId>>,
    /// The packets that did.
    pub entered: FxHashMap<ChainId, Space>,
}

/// Packets that were noted, in parts: each is what two sets have in common, and is worked out when somebody asks.
#[derive(Clone, Default, Debug)]
pub struct Noted(Vec<(Space, Space)>);

impl Noted {
    /// Whether there are any.
    pub fn is_any(&self, spaces: &mut Spaces) -> bool {
        self.0.iter().any(|(some, others)| spaces.meets(*some, *others))
    }

    /// All of them.
    pub fn all(&self, spaces: &mut Spaces) -> Space {
        let parts: Vec<Space> = self.0.iter().map(|(some, others)| spaces.and(*some, *others)).collect();
        spaces.union(parts)
    }

    /// Adds some, as far as they are among others.
    fn add(&mut self, spaces: &mut Spaces, some: Space, others: Space) {
        match self.0.iter_mut().find(|(_, known)| *known == others) {
            Some((known, _)) => *known = spaces.or(*known, some),
            None => self.0.push((some, others)),
        }
    }

    /// Adds those of other ones that are among some packets.
    pub(super) fn extend(&mut self, spaces: &mut Spaces, noted: Noted, packets: Space) {
        for (some, others) in noted.0 {
            let others = spaces.and(others, packets);
            self.add(spaces, some, others);
        }
    }
}

/// What marks packets come with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Marks {
    /// None: 0, as the network brings them.
    None,
    /// Any, and it stays known which.
    Any,
}

impl Watch<'_> {
    pub(super) fn leaves_out(&self, id: RuleId) -> bool {
        self.without.is_some_and(|without| without.contains(&id))
    }

    /// Who is told to have decided.
    pub(super) fn told(&mut self, by: Decider) -> Decider {
        match (by, self.named) {
            (Decider::Rule(id), Some(named)) if !named.contains(&id) => {
                Decider::Rule(*self.unnamed.get_or_insert(id))
            }
            _ => by,
        }
    }

    pub(super) fn sees(&self, id: RuleId) -> bool {
        self.rules.is_some_and(|rules| rules.contains(&id))
    }
}

impl<'a> Flow<'a> {
    /// An engine for questions about single rules: programs of the box may have marked packets before, and what
    /// rules write to packets counts though no other rule reads it.
    pub fn of_rules(rules: &'a Ruleset) -> Self {
        let mut flow = Flow::new(rules, 0, false);
        // Where answers need no rule, marks are a means of the model: packets leave without them.
        if !rules.stateful {
            flow.reads.extend(written(rules));
        }
        flow.marks = Marks::Any;
        flow
    }
}

/// The marks that rules write.
fn written(rules: &Ruleset) -> FxHashSet<Field> {
    let fields = rules.all_effects().flat_map(|effect| rules.rewritten(effect));
    fields.filter(|field| matches!(field, Field::Mark | Field::CtMark)).collect()
}

impl Run<'_, '_, '_> {
    /// The packets with the marks that they come with.
    pub(super) fn marked(&mut self, space: Space) -> Space {
        if !self.flow.reads.contains(&Field::Mark) {
            return space;
        }
        match self.flow.marks {
            Marks::None => self.zero(space, &[Field::Mark]),
            Marks::Any => self.spaces.with_mark_as_came(space),
        }
    }

    /// Notes that a rule does something to packets.
    pub(super) fn note_act(&mut self, id: RuleId, space: Space) {
        if self.watch.sees(id) && !space.is_none() {
            self.watch.acted.entry(id).or_default().add(self.spaces, space, Space::ALL);
        }
    }

    /// Notes that of some packets a rule let none come to the next one but those that came `back`.
    pub(super) fn note_taken(&mut self, id: RuleId, space: Space, back: Option<&Classes>) {
        if self.watch.sees(id) {
            let back = back.map_or(Space::NONE, |back| back.union(self.spaces));
            let taken = self.spaces.minus(space, back);
            self.watch.taken.entry(id).or_default().add(self.spaces, taken, Space::ALL);
        }
    }

    /// Notes for which packets a rule would do something, had it anything to do.
    pub(super) fn note_idle<'c>(
        &mut self,
        view: &View<'_>,
        id: RuleId,
        tests: &[Step],
        classes: impl Iterator<Item = &'c Class>,
    ) {
        if !self.watch.sees(id) {
            return;
        }
        for class in classes {
            let space = self.passing(view, tests, class);
            self.note_act(id, space);
        }
    }

    /// Notes that packets come into a chain.
    pub(super) fn note_entry(&mut self, id: ChainId, entering: &Classes) {
        if self.watch.chains.is_some_and(|chains| chains.contains(&id)) {
            let space = entering.union(self.spaces);
            self.note_packets(id, space);
        }
    }

    pub(super) fn note_packets(&mut self, id: ChainId, space: Space) {
        let known = self.watch.entered.entry(id).or_insert(Space::NONE);
        *known = self.spaces.or(*known, space);
    }
}
