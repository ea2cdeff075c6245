//! Rules that do nothing, exactly: for all packets, and whatever is not known.
//!
//! Most rules do something, and one packet shows it ([`scout`]): made from what the rule asks for, where the rules
//! before it leave something ([`cover`], over an index of boxes, [`table`]). Where they leave nothing, the rule is
//! dead. What neither shows is asked of the flow engine, with the rule under watch ([`exact`]).

mod at_once;
mod atoms;
mod axes;
mod behind;
mod cover;
mod exact;
mod merge;
mod reach;
mod redundant;
mod scout;
mod seek;
mod steps;
mod table;
mod takers;
mod tree;
mod units;

use rustc_hash::FxHashSet;

use crate::model::{ChainId, RuleId, Ruleset, Verdict};

use at_once::AtOnce;
use exact::{Desk, Exact, Without};
pub use merge::Mergeable;
use reach::Reach;
use seek::{Found, Seeker};
use table::Share;
pub use units::Unit;

/// What is known of one rule of the model.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Fate {
    /// It does something.
    Lives,
    /// It does nothing: rules of its chain take all that it would match.
    Dead(Taken),
    /// Nothing comes to its chain.
    Unreached,
    /// It was not found out.
    Open,
}

/// Who takes the packets of a rule.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Taken {
    /// Rules of its chain; none where nothing that it matches comes there.
    by: Vec<u32>,
    /// Some of what it matches does not come to its chain.
    elsewhere: bool,
    /// They are known to take some of it, and not only to match it.
    asked: bool,
}

/// A written rule that does nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dead {
    /// The rule.
    pub unit: Unit,
    /// The rules that take its packets, as few as suffice. Empty where no packet that it matches comes to its chain.
    pub by: Vec<RuleId>,
    /// They take what comes to its chain; some of what it matches does not.
    pub elsewhere: bool,
    /// One of them is the same rule once more.
    pub twin: Option<RuleId>,
    /// All of them decide the opposite.
    pub opposite: bool,
}

/// A written rule of which a part does nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Partly {
    /// The rule.
    pub unit: Unit,
    /// Its elements that do nothing.
    pub dead: Vec<Unit>,
    /// The rules that take their packets.
    pub by: Vec<RuleId>,
    /// How many elements it has.
    pub of: usize,
}

/// A written rule that changes nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Redundant {
    /// The rule.
    pub unit: Unit,
    /// The rules that do the same for its packets. Empty where the policy does.
    pub by: Vec<RuleId>,
}

/// All that was found in a ruleset.
#[derive(Clone, Default, Debug)]
pub struct Anomalies {
    /// Rules that never do anything.
    pub dead: Vec<Dead>,
    /// Rules of which a part never does anything.
    pub partly: Vec<Partly>,
    /// Rules that can be taken out, all of them and those of `dead` together, and nothing changes.
    pub redundant: Vec<Redundant>,
    /// Rules that only repeat the policy behind them, where they were asked for; they can go as well.
    pub repeats: Vec<Redundant>,
    /// Rules that refuse sources, and to which no packet of a running connection comes: with the rules that let
    /// those pass before.
    pub behind: Vec<(Unit, Vec<RuleId>)>,
    /// Neighbours that could be one rule.
    pub mergeable: Vec<Mergeable>,
    /// Chains that something leads to, and no packet comes to.
    pub unreached: Vec<ChainId>,
    /// Chains that nothing leads to.
    pub apart: Vec<ChainId>,
    /// Rules of which it was not found out.
    pub open: Vec<RuleId>,
    /// All work that was allowed was done before the end.
    pub stopped: bool,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// Rules that repeat the policy too.
    pub repeats: bool,
    /// Work after which the rest stays open, in steps of [`crate::packet::Spaces`].
    pub work: u64,
}

impl Ask {
    /// Work for one question about one rule.
    pub fn question(&self) -> u64 {
        self.work / 8
    }
}

impl Default for Ask {
    fn default() -> Self {
        Ask { repeats: false, work: 8_000_000 }
    }
}

/// Finds the rules that do nothing.
pub fn find(rules: &Ruleset, ask: Ask) -> Anomalies {
    let reach = Reach::new(rules);
    let units = units::of(rules, &reach);
    let seeker = Seeker::new(rules, &reach, &units, ask.work);
    let mut finder = Finder {
        rules,
        reach: &reach,
        seeker: &seeker,
        exact: Exact::new(rules, &reach, ask.question()),
        desk: Desk::default(),
        fates: rules.chains.iter().map(|chain| vec![Fate::Open; chain.rules.len()]).collect(),
        shown: vec![None; units.len()],
        ask,
        left: ask.work,
    };
    finder.seek();
    finder.ask_the_rest();
    finder.name_takers();
    let mut found = Anomalies::default();
    finder.chains(&mut found);
    let gone = finder.dead(&units, &mut found);
    found.behind = finder.behind(&units);
    found.mergeable = merge::find(rules);
    finder.redundant(&units, gone, ask.repeats, &mut found);
    found.stopped = finder.left < ask.question();
    found
}

struct Finder<'a> {
    rules: &'a Ruleset,
    reach: &'a Reach,
    exact: Exact<'a>,
    desk: Desk,
    fates: Vec<Vec<Fate>>,
    seeker: &'a Seeker<'a>,
    /// What a packet shows of leaving out each written rule.
    shown: Vec<Option<Without>>,
    ask: Ask,
    /// Work that may still be done.
    left: u64,
}

impl Finder<'_> {
    fn fate(&self, id: RuleId) -> &Fate {
        &self.fates[id.chain.0 as usize][id.index as usize]
    }

    /// Whether nothing was found out about a rule that is part of a written one: nobody asks about the others.
    fn is_open(&self, id: RuleId) -> bool {
        *self.fate(id) == Fate::Open && self.seeker.unit_of(id).is_some()
    }

    fn open(&self, chain: ChainId) -> impl Iterator<Item = RuleId> {
        let rules = (0..self.fates[chain.0 as usize].len() as u32).map(move |index| RuleId { chain, index });
        rules.filter(|id| self.is_open(*id))
    }

    /// What one packet or the boxes of its chain show of each rule.
    fn seek(&mut self) {
        let all: Vec<RuleId> = self
            .reach
            .order()
            .iter()
            .filter(|chain| !self.reach.of(**chain).is_apart())
            .flat_map(|chain| {
                (0..self.rules.chain(*chain).rules.len() as u32).map(|index| RuleId { chain: *chain, index })
            })
            .collect();
        self.seek_each(&all, self.seeker.share);
        // What the others did not need is for those that are left.
        let left: Vec<RuleId> = all.into_iter().filter(|id| self.is_open(*id)).collect();
        self.seek_each(&left, Share::among(left.len(), self.ask.work));
    }

    fn seek_each(&mut self, rules: &[RuleId], share: Share) {
        for (id, found) in seek::each(rules, |id| self.seeker.seek(id, share)) {
            self.fates[id.chain.0 as usize][id.index as usize] = match found {
                Found::Lives(without) => {
                    if let (Some(at), Some(without)) = (self.seeker.unit_of(id), without) {
                        let known = &mut self.shown[at];
                        if *known != Some(Without::Changes) {
                            *known = Some(without);
                        }
                    }
                    Fate::Lives
                }
                Found::Covered(by) => Fate::Dead(Taken { by, elsewhere: false, asked: false }),
                Found::Nothing => Fate::Open,
            };
        }
    }

    /// Asks the engine about the rules that are left, chain after chain, callers before what they call.
    fn ask_the_rest(&mut self) {
        self.look_at_all();
        for chain in self.reach.order().to_vec() {
            let at = chain.0 as usize;
            if !self.is_entered(chain) {
                self.fates[at].iter_mut().for_each(|fate| *fate = Fate::Unreached);
                continue;
            }
            for index in 0..self.fates[at].len() as u32 {
                let id = RuleId { chain, index };
                if self.is_open(id) {
                    self.fates[at][index as usize] = self.ask(id);
                }
            }
        }
    }

    /// Looks at all rules of the chains of which rules are left, where that is less work than one rule after the other.
    fn look_at_all(&mut self) {
        let left: usize = (0..self.fates.len() as u32).map(|chain| self.open(ChainId(chain)).count()).sum();
        if !AtOnce::pays(left, self.rules.rules()) {
            return;
        }
        let walked = |chain: &ChainId| !self.reach.of(*chain).is_apart();
        let chains: FxHashSet<ChainId> = self.reach.order().iter().copied().filter(walked).collect();
        let rules = chains.iter().filter(|chain| self.open(**chain).next().is_some());
        let of = |chain: &ChainId| {
            let chain = *chain;
            (0..self.fates[chain.0 as usize].len() as u32).map(move |index| RuleId { chain, index })
        };
        let rules: FxHashSet<RuleId> = rules.flat_map(of).collect();
        self.work(|exact, desk| exact.look_at_all(desk, &rules, &chains));
    }

    /// Whether packets come to a chain; true where it was not found out.
    fn is_entered(&mut self, chain: ChainId) -> bool {
        let walked = self.reach.of(chain);
        if walked.is_apart() {
            return false;
        }
        if self.fates[chain.0 as usize].contains(&Fate::Lives) || self.is_of_stage(chain) {
            return true;
        }
        let mut callers =
            walked.callers.iter().filter(|id| !matches!(self.fate(**id), Fate::Dead(_) | Fate::Unreached));
        if callers.next().is_none() {
            return false;
        }
        self.work(|exact, desk| exact.enters(desk, chain)) != Some(false)
    }

    fn is_of_stage(&self, chain: ChainId) -> bool {
        self.rules.hooks.iter().flatten().any(|stage| stage.chain == chain)
    }

    fn ask(&mut self, id: RuleId) -> Fate {
        match self.work(|exact, desk| exact.acts(desk, id)) {
            Some(true) => Fate::Lives,
            Some(false) => Fate::Dead(self.takers(id).unwrap_or_default()),
            None => Fate::Open,
        }
    }

    /// Asks the engine something, as long as there is work left.
    fn work<T>(
        &mut self,
        question: impl FnOnce(&Exact<'_>, &mut Desk) -> Result<T, crate::analysis::flow::TooMuch>,
    ) -> Option<T> {
        if self.left == 0 {
            return None;
        }
        let before = self.desk.work();
        let answer = question(&self.exact, &mut self.desk);
        self.left = self.left.saturating_sub(self.desk.work().saturating_sub(before).max(1000));
        answer.ok()
    }

    fn chains(&self, found: &mut Anomalies) {
        for chain in (0..self.rules.chains.len() as u32).map(ChainId) {
            let fates = &self.fates[chain.0 as usize];
            if self.reach.of(chain).is_apart() {
                found.apart.push(chain);
            } else if !fates.is_empty() && fates.iter().all(|fate| *fate == Fate::Unreached) {
                found.unreached.push(chain);
            }
            found.open.extend(self.open(chain));
        }
    }

    /// The written rules that never do anything; gives back all rules that do not.
    fn dead(&self, units: &[Unit], found: &mut Anomalies) -> FxHashSet<RuleId> {
        let mut gone = FxHashSet::default();
        let twins = units::Twins::new(
            self.rules,
            self.fates.iter().map(|fates| fates.iter().any(|fate| matches!(fate, Fate::Dead(_)))),
        );
        for unit in units {
            let walked: Vec<RuleId> =
                unit.rules.iter().filter(|id| *self.fate(**id) != Fate::Unreached).copied().collect();
            let dead = |id: &RuleId| matches!(self.fate(*id), Fate::Dead(_));
            if walked.is_empty() {
                continue;
            }
            if walked.iter().all(dead) {
                gone.extend(unit.rules.iter().copied());
                found.dead.push(self.describe(unit, &walked, &twins));
            } else if unit.elements > 1 {
                let elements = units::elements(self.rules, unit);
                let of = elements.len();
                let lost = |element: &Unit| {
                    let mut walked =
                        element.rules.iter().filter(|id| *self.fate(**id) != Fate::Unreached).peekable();
                    walked.peek().is_some() && walked.all(dead)
                };
                let dead: Vec<Unit> = elements.into_iter().filter(lost).collect();
                if !dead.is_empty() {
                    let by = dead.iter().flat_map(|element| self.by(&element.rules)).collect();
                    found.partly.push(Partly { unit: unit.clone(), dead, by: sorted(by), of });
                }
            }
        }
        gone
    }

    /// The rules that refuse sources behind what lets running connections pass. Where answers need no rule, no order
    /// would help.
    fn behind(&self, units: &[Unit]) -> Vec<(Unit, Vec<RuleId>)> {
        if self.rules.stateful {
            return Vec::new();
        }
        let mut found = Vec::new();
        for unit in units {
            let lives = |id: &&RuleId| *self.fate(**id) == Fate::Lives;
            let bans: Vec<RuleId> = unit.rules.iter().filter(lives).copied().collect();
            if bans.is_empty() || !bans.iter().all(|id| behind::is_ban(self.rules, *id)) {
                continue;
            }
            let before: Option<Vec<Vec<RuleId>>> =
                bans.iter().map(|id| self.seeker.before_connections(*id, 0)).collect();
            if let Some(before) = before {
                found.push((unit.clone(), sorted(before.concat())));
            }
        }
        found
    }

    fn by(&self, rules: &[RuleId]) -> Vec<RuleId> {
        let taken = |id: &RuleId| match self.fate(*id) {
            Fate::Dead(Taken { by, .. }) => {
                by.iter().map(|index| RuleId { chain: id.chain, index: *index }).collect()
            }
            Fate::Lives | Fate::Unreached | Fate::Open => Vec::new(),
        };
        rules.iter().flat_map(taken).collect()
    }

    fn describe(&self, unit: &Unit, walked: &[RuleId], twins: &units::Twins) -> Dead {
        let by = sorted(self.by(walked));
        // Of two that are dead for another reason neither makes the other so.
        let twin = twins.of(self.rules, &unit.rules).filter(|_| walked.len() == unit.rules.len());
        let twin = twin.filter(|twin| !matches!(self.fate(*twin), Fate::Dead(_)));
        let accepts = |id: &RuleId| units::verdict(self.rules, *id).map(|verdict| verdict == Verdict::Accept);
        let own = walked.first().and_then(accepts);
        let opposite = !by.is_empty()
            && own.is_some_and(|own| {
                walked.iter().all(|id| accepts(id) == Some(own))
                    && by.iter().all(|id| self.lets_pass(*id) == Some(!own))
            });
        let elsewhere =
            walked.iter().any(|id| matches!(self.fate(*id), Fate::Dead(Taken { elsewhere: true, .. })));
        Dead { unit: unit.clone(), by, elsewhere, twin, opposite }
    }
}

fn sorted(mut rules: Vec<RuleId>) -> Vec<RuleId> {
    rules.sort_unstable();
    rules.dedup();
    rules
}
