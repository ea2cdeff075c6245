//! Which ports of a destination can be reached: what the entries of the flow engine say of one query.

use std::collections::BTreeSet;

use super::{Cond, Decider, Entry, Scope};
use crate::model::{Ruleset, Step, Test, Way};
use crate::packet::{Dim, Region, Set};

/// One question: packets that start a connection (or answer one), and where they have to arrive.
#[derive(Clone, Debug)]
pub struct Query {
    /// The packets as they come.
    pub region: Region,
    /// Their way before translation.
    pub way: Way,
    /// The output interface should translation turn them from the box into the network behind it.
    pub fwd_oif: Option<u128>,
    /// Where they have to arrive: what ends elsewhere did not get through.
    pub target: Target,
    /// The dimension along which the answer is given, a port or the ICMP type.
    pub along: Dim,
}

/// Where packets have to arrive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// It does not matter.
    Anywhere,
    /// At the box itself.
    Box,
    /// At one of these addresses.
    Addresses(Set),
}

/// Who refused or let through, and what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Share {
    /// The rule or policy.
    pub by: Decider,
    /// The values, along the dimension of the query.
    pub values: Set,
    /// The source addresses of the packets.
    pub sources: Set,
}

/// The answer: each value along the dimension is in exactly one of the three sets.
#[derive(Clone, Debug)]
pub struct Reach {
    /// Some packet gets through, whatever the unknowns are.
    pub open: Set,
    /// No packet gets through, whatever the unknowns are.
    pub blocked: Set,
    /// It depends.
    pub unsure: Set,
    /// Who blocks the blocked ones, those that block the largest part of the packets first.
    pub blockers: Vec<Share>,
    /// Who blocks the unsure ones, likewise.
    pub doubters: Vec<Share>,
    /// Who lets the open ones through, likewise.
    pub openers: Vec<Share>,
    /// Who may let the unsure ones through, likewise.
    pub granters: Vec<Share>,
    /// What the unsure ones depend on.
    pub conds: Vec<Cond>,
    /// The helpers that connections of open ones get for certain, as indices of the ruleset's.
    pub helpers: Vec<u32>,
    /// The helpers that connections of unsure ones get where they get through.
    pub possible_helpers: Vec<u32>,
    /// Whether replies of every open one pass without rules.
    pub keeps_state: bool,
    /// The packets that get through for certain, as they leave.
    pub leaves: Vec<Region>,
}

impl Query {
    /// The packets that are under way to the target as it is, and those that have to be translated to get there:
    /// taken together, it would depend on nothing that has a name which of them arrive.
    fn parts(&self) -> Vec<Region> {
        let Target::Addresses(target) = &self.target else { return vec![self.region.clone()] };
        let parts = [self.region.within(Dim::Dst, target), self.region.without(Dim::Dst, target)];
        parts.into_iter().flatten().collect()
    }
}

impl Scope<'_> {
    /// Answers a query, a few samples of the side `far` first: where they get through, nothing else matters.
    /// `openers` are those of the samples then.
    pub fn reach_any(&self, query: &Query, far: Dim) -> Reach {
        const SAMPLES: usize = 4;
        let asked = query.region.values(query.along);
        let side = query.region.values(far);
        let mut seen: Option<Reach> = None;
        if side.count() > 1 {
            for sample in side.samples(SAMPLES) {
                let region = query.region.clone().with(far, Set::one(sample));
                let reach = self.reach(&Query { region, ..query.clone() });
                let all = seen.get_or_insert_with(|| Reach::none(&asked));
                all.or(reach);
                if all.open.covers(&asked) {
                    break;
                }
            }
        }
        match seen {
            Some(seen) if seen.open.covers(&asked) => seen,
            seen => {
                let mut reach = self.reach(query);
                // Where the analysis of all gave up, what the samples showed still holds.
                if let (Some(seen), true) = (seen, reach.conds.contains(&Cond::Limit)) {
                    reach.or(Reach {
                        blocked: asked.clone(),
                        unsure: Set::empty(),
                        conds: Vec::new(),
                        ..seen
                    });
                    reach.unsure = asked.minus(&reach.open).minus(&reach.blocked);
                }
                reach
            }
        }
    }

    /// Answers a query.
    pub fn reach(&self, query: &Query) -> Reach {
        let entries: Vec<Entry> =
            query.parts().iter().flat_map(|part| self.run(part, query.way, query.fwd_oif)).collect();
        let asked = query.region.values(query.along);
        let arrives = |entry: &&Entry| entry.accepted() && arrival(entry, &query.target) != Some(false);
        let accepted: Vec<&Entry> = entries.iter().filter(arrives).collect();
        let refused: Vec<&Entry> = entries.iter().filter(|entry| !arrives(entry)).collect();
        let sure = certain(&accepted, &refused, &query.target);
        let side = |region: &Region| region.values(query.along).and(&asked);
        let union = |sets: &mut dyn Iterator<Item = Set>| Set::of(sets.flat_map(|s| s.ranges().to_vec()));
        let open = union(&mut sure.iter().map(|(_, region)| side(region)));
        let possible = union(&mut accepted.iter().map(|entry| side(&entry.region)));
        let blocked = asked.minus(&possible);
        let unsure = possible.minus(&open);
        let mut conds: Vec<Cond> = entries
            .iter()
            .filter(|entry| side(&entry.region).meets(&unsure))
            .flat_map(|entry| entry.conds.iter().copied())
            .collect();
        let astray =
            |entry: &&&Entry| arrival(entry, &query.target).is_none() && side(&entry.region).meets(&unsure);
        conds.extend(accepted.iter().find(astray).map(|_| Cond::Translation));
        conds.sort_unstable();
        conds.dedup();
        let helpers: BTreeSet<u32> = sure.iter().filter_map(|(entry, _)| entry.helper).collect();
        let possible: BTreeSet<u32> = accepted.iter().filter_map(|entry| entry.helper).collect();
        Reach {
            blockers: shares(
                self.rules(),
                refused.iter().map(|e| (e.decider, &e.region)),
                &blocked,
                query.along,
            ),
            doubters: shares(
                self.rules(),
                refused.iter().map(|e| (e.decider, &e.region)),
                &unsure,
                query.along,
            ),
            openers: shares(
                self.rules(),
                sure.iter().map(|(e, region)| (e.decider, region)),
                &open,
                query.along,
            ),
            granters: shares(
                self.rules(),
                accepted.iter().map(|e| (e.decider, &e.region)),
                &unsure,
                query.along,
            ),
            keeps_state: sure.iter().all(|(entry, _)| entry.keeps_state),
            leaves: sure.iter().map(|(entry, _)| entry.leaves.clone()).collect(),
            open,
            blocked,
            unsure,
            conds,
            helpers: helpers.into_iter().collect(),
            possible_helpers: possible.into_iter().collect(),
        }
    }
}

impl Reach {
    /// Nothing gets through.
    fn none(asked: &Set) -> Reach {
        Reach {
            open: Set::empty(),
            blocked: asked.clone(),
            unsure: Set::empty(),
            blockers: Vec::new(),
            doubters: Vec::new(),
            openers: Vec::new(),
            granters: Vec::new(),
            conds: Vec::new(),
            helpers: Vec::new(),
            possible_helpers: Vec::new(),
            keeps_state: true,
            leaves: Vec::new(),
        }
    }

    /// The answer for the packets of both.
    fn or(&mut self, other: Reach) {
        let asked = self.open.or(&self.blocked).or(&self.unsure);
        self.open = self.open.or(&other.open);
        self.blocked = self.blocked.and(&other.blocked);
        self.unsure = asked.minus(&self.open).minus(&self.blocked);
        self.blockers.extend(other.blockers);
        self.doubters.extend(other.doubters);
        self.openers.extend(other.openers);
        self.granters.extend(other.granters);
        self.conds.extend(other.conds);
        self.helpers.extend(other.helpers);
        self.possible_helpers.extend(other.possible_helpers);
        self.keeps_state &= other.keeps_state;
        self.leaves.extend(other.leaves);
    }
}

/// Whether an accepted entry arrives where it should; `None` where only some of its packets may.
fn arrival(entry: &Entry, target: &Target) -> Option<bool> {
    let target = match target {
        Target::Anywhere => return Some(true),
        Target::Box => return Some(entry.way == Way::Input),
        Target::Addresses(_) if entry.way == Way::Input => return Some(false),
        Target::Addresses(target) => target,
    };
    let side = entry.leaves.values(Dim::Dst);
    if target.covers(&side) {
        Some(true)
    } else if target.meets(&side) {
        None
    } else {
        Some(false)
    }
}

/// The packets of accepted entries that no refused entry holds too.
fn certain<'e>(accepted: &[&'e Entry], refused: &[&Entry], target: &Target) -> Vec<(&'e Entry, Region)> {
    const FEW: usize = 512;
    let doubtful: Vec<&Region> = refused.iter().filter(|e| !e.conds.is_empty()).map(|e| &e.region).collect();
    let mut sure = Vec::new();
    for entry in accepted.iter().filter(|entry| arrival(entry, target) == Some(true)) {
        let mut parts = vec![entry.region.clone()];
        if !entry.conds.is_empty() {
            for region in &doubtful {
                parts = parts.iter().flat_map(|part| part.minus(region)).collect();
                // Too many parts to follow: nothing of it is called certain.
                if parts.len() > FEW {
                    parts.clear();
                }
            }
        }
        sure.extend(parts.into_iter().map(|part| (*entry, part)));
    }
    sure
}

/// Adds up who decided what, by the size of the packet sets, largest first.
fn shares<'r>(
    rules: &Ruleset,
    parts: impl Iterator<Item = (Decider, &'r Region)>,
    among: &Set,
    along: Dim,
) -> Vec<Share> {
    let mut shares: Vec<(f64, Share)> = Vec::new();
    for (by, region) in parts {
        let values = region.values(along).and(among);
        if values.is_empty() {
            continue;
        }
        let size = size(region) * values.count() as f64;
        match shares.iter_mut().find(|(_, share)| share.by == by) {
            Some((sum, share)) => {
                *sum += size;
                share.values = share.values.or(&values);
                share.sources = share.sources.or(&region.values(Dim::Src));
            }
            None => shares.push((size, Share { by, values, sources: region.values(Dim::Src) })),
        }
    }
    // What stands nowhere in the file cannot be shown; of two with the same share, the one that asks nothing
    // unknown decides in any case.
    shares.sort_by(|a, b| {
        let unseen = |share: &Share| share.by.span(rules).is_none_or(|span| span.start == span.end);
        unseen(&a.1)
            .cmp(&unseen(&b.1))
            .then_with(|| b.0.total_cmp(&a.0))
            .then_with(|| asks_unknown(rules, a.1.by).cmp(&asks_unknown(rules, b.1.by)))
    });
    shares.into_iter().map(|(_, share)| share).collect()
}

/// Whether a rule hangs on a condition that the files do not tell.
fn asks_unknown(rules: &Ruleset, by: Decider) -> bool {
    let Decider::Rule(id) = by else { return false };
    rules.steps_of(rules.rule(id)).iter().any(|step| matches!(step, Step::Test(Test::Unknown { .. })))
}

/// How many packets of a region differ in where they come from and go to.
fn size(region: &Region) -> f64 {
    [Dim::Iif, Dim::Src, Dim::Dst]
        .into_iter()
        .filter_map(|dim| region.side(dim))
        .map(|side| side.count() as f64)
        .product()
}
