//! PH415: what one chain accepts, and a later one at the same hook refuses.

use rustc_hash::{FxHashMap, FxHashSet};

use super::sides::MANGLE;
use super::{LIMIT, Lens};
use crate::analysis::Decider;
use crate::analysis::flow::{Passage, Watch};
use crate::finding::Finding;
use crate::model::{ChainId, Hook, RuleId, StageKind, Way};
use crate::packet::{Family, Spaces};
use crate::rule::PH415;

/// A filter at a hook: its place among the stages, and the chains that packets come to from it.
struct Filter {
    at: u32,
    chain: ChainId,
    reached: FxHashSet<ChainId>,
}

impl Lens<'_, '_> {
    /// For each base chain the first rule of which all new connections that it accepts are refused later at its hook.
    pub(super) fn overruled(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (hook, way) in [(Hook::Input, Way::Input), (Hook::Forward, Way::Forward)] {
            let filters = self.filters(hook);
            if filters.len() < 2 {
                continue;
            }
            let mut found: FxHashMap<ChainId, (RuleId, Decider)> = FxHashMap::default();
            for family in [Family::V4, Family::V6].into_iter().filter(|family| self.firewall.speaks(*family))
            {
                let mut spaces = self.store(family, LIMIT);
                self.refused_later(&mut spaces, (hook, way), &filters, &mut found);
                self.charge(&spaces, 0);
            }
            findings
                .extend(filters.iter().filter_map(|filter| self.overruled_by(*found.get(&filter.chain)?)));
        }
        findings
    }

    fn filters(&self, hook: Hook) -> Vec<Filter> {
        let rules = &self.firewall.rules;
        let stages = rules.stages(hook).iter().enumerate();
        let filters = stages.filter(|(_, stage)| stage.kind == StageKind::Filter && stage.priority > MANGLE);
        let filter = |(at, stage): (usize, &crate::model::Stage)| Filter {
            at: at as u32,
            chain: stage.chain,
            reached: rules.reached([stage.chain]),
        };
        filters.map(filter).collect()
    }

    fn refused_later(
        &self,
        spaces: &mut Spaces,
        (hook, way): (Hook, Way),
        filters: &[Filter],
        found: &mut FxHashMap<ChainId, (RuleId, Decider)>,
    ) {
        let strangers = self.strangers(spaces, way);
        let Some(passage) = self.run(spaces, strangers, way, Watch::default()) else { return };
        let passed = passage.passed.union(spaces);
        let passed = spaces.as_came(passed);
        let may_pass = spaces.possibly(passed);
        let mut here: Vec<(usize, RuleId, Decider)> = Vec::new();
        for pass in &passage.passes {
            let Decider::Rule(id) = pass.by else { continue };
            let of = |filter: &Filter| filter.reached.contains(&id.chain);
            let (Some(first), 1) = (filters.iter().position(of), filters.iter().filter(|f| of(f)).count())
            else {
                continue;
            };
            if pass.space.is_none() || spaces.meets(pass.space, may_pass) {
                continue;
            }
            let later = &filters[first + 1..];
            here.extend(
                self.refuser_of(spaces, pass.space, &passage, (hook, later)).map(|by| (first, id, by)),
            );
        }
        if spaces.exhausted() {
            return;
        }
        let place = |id: RuleId| self.firewall.rules.rule(id).span();
        for (at, id, by) in here {
            let known = found.entry(filters[at].chain).or_insert((id, by));
            if place(id) < place(known.0) {
                *known = (id, by);
            }
        }
    }

    /// Who refuses packets in later filters of a hook.
    fn refuser_of(
        &self,
        spaces: &mut Spaces,
        packets: crate::packet::Space,
        passage: &Passage,
        (hook, later): (Hook, &[Filter]),
    ) -> Option<Decider> {
        passage.refused.iter().find_map(|(by, _, space)| {
            let there = match *by {
                Decider::Rule(id) => later.iter().any(|filter| filter.reached.contains(&id.chain)),
                Decider::Policy(at, place) => at == hook && later.iter().any(|filter| filter.at == place),
                Decider::End => false,
            };
            (there && spaces.meets(packets, *space)).then_some(*by)
        })
    }

    fn overruled_by(&self, (id, by): (RuleId, Decider)) -> Option<Finding> {
        let rules = &self.firewall.rules;
        let name = rules.chain(id.chain).short_name();
        let message = format!("what `{name}` accepts here is refused by a later chain at the same hook");
        let finding = Finding::of(&PH415, rules.rule(id).span(), message)
            .label("ends this base chain only")
            .related(by.span(rules)?, "refuses it all the same")
            .help("Accept the packets in both chains, or keep the rules of a hook in one base chain.");
        Some(finding)
    }
}
