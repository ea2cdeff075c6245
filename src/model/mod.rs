//! The normalized rules: what every dialect is lowered into, and all that analysis knows.
//!
//! A packet crosses *hooks*. At each hook it passes *stages* in order. A stage walks a chain from the
//! top; the first rule that decides ends the walk, and what falls off the end gets the stage's policy.
//! Accepting passes the packet on to the next stage, dropping ends it. A rule is a row of [`Step`]s,
//! run in order: a test that fails ends the rule, an effect happens and the row goes on, unless the
//! effect decides. Last-match languages are normalized by their dialect before they come here.

mod around;
mod assume;
mod build;
mod condition;
mod effects;
mod idle;
mod nat;
mod origin;
mod own;
mod rule;
mod stage;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::packet::{Family, Set};

pub use around::Behind;
pub use assume::{Assumed, Assumption, Fits, Unmet};
pub use build::Builder;
pub use condition::{About, Condition, Nature};
pub use idle::{Idle, Timeout};
pub use nat::{Nat, NatAddr, NatPort};
pub use origin::{Origin, Why};
pub use own::{OwnAddress, routers_anycast};
pub use rule::{Effect, Map, MapEntry, MarkOp, Reply, Rule, RuleId, Step, Test, Tuples, Values, Verdict};
pub use stage::{Chain, ChainKind, Hook, Stage, StageKind, Way};

/// Names a chain of a [`Ruleset`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ChainId(pub u32);

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub struct $name(pub u32);
    )*};
}

ids! {
    /// Names a [`Set`] of values of a ruleset.
    SetId,
    /// Names a [`Tuples`] of a ruleset.
    TuplesId,
    /// Names a [`Map`] of a ruleset.
    MapId,
    /// Names an unknown condition of a ruleset.
    CondId,
    /// Names a translation of a ruleset.
    NatId,
    /// Names a connection helper of a ruleset, such as `Q.931`.
    HelperId,
}

impl HelperId {
    /// Its place in [`Ruleset::helpers`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Everything that decides about packets, of all the files of one firewall.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ruleset {
    /// All chains; [`ChainId`] is the index.
    pub chains: Vec<Chain>,
    /// The stages of each [`Hook`], in order.
    pub hooks: [Vec<Stage>; 5],
    /// The steps of all rules.
    pub steps: Vec<Step>,
    /// The sets of values.
    pub sets: Vec<Set>,
    /// The masks of [`Test::Masked`].
    pub masks: Vec<u128>,
    /// The unions of products.
    pub tuples: Vec<Tuples>,
    /// The lookup tables.
    pub maps: Vec<Map>,
    /// The unknown conditions.
    pub conditions: Vec<Condition>,
    /// The translations.
    pub nats: Vec<Nat>,
    /// The names of the helpers.
    pub helpers: Vec<String>,
    /// The tags of pf; tag 0 is none and has no name here: tag `n` is `tags[n - 1]`.
    pub tags: Vec<String>,
    /// Whether replies of an accepted connection pass without rules (pf, ASA).
    pub stateful: bool,
    /// Whether forwarding leaves the TTL alone (ASA, unless `set connection decrement-ttl`). All others take one
    /// off, and drop what has none left.
    pub keeps_ttl: bool,
    /// Which families the files speak of: an iptables-save dump says nothing of IPv6.
    pub v4: bool,
    /// Likewise for IPv6.
    pub v6: bool,
    /// The names of the interfaces, where the files tell all; else empty.
    pub interfaces: Set,
    /// What rules say that give packets what the files do not tell, as a number and which it is of those that say the same:
    /// it is the same choice in two rulesets where both are. Where nothing is noted, it is that of the rule's place.
    pub choices: FxHashMap<RuleId, (u64, u32)>,
    /// The names of interfaces that have several, one set for each.
    pub synonyms: Vec<Set>,
    /// Which addresses lie behind which interfaces, as far as the files tell.
    pub behind: Vec<Behind>,
    /// Pairs of sides, by the names of their interfaces: the firewall itself trusts the first one more than the second
    /// (security levels of an ASA).
    pub outward: Vec<(Set, Set)>,
    /// The box's own addresses, where they are known.
    pub own: Vec<OwnAddress>,
    /// The anycast addresses of the routers of its networks ([`routers_anycast`]) are its own, too: Linux.
    pub answers_for_routers: bool,
    /// Addresses that are certainly not the box's own: those of the site's devices.
    pub elsewhere: Vec<(Family, u128)>,
    /// After how long connections are forgotten, as far as the files say it.
    pub timeouts: Vec<Timeout>,
    /// The files turn on that the box forwards IPv6.
    pub forwards_v6: bool,
    /// Number of rules as written in the files (expansions not counted).
    pub written: usize,
}

impl Ruleset {
    /// The steps of a rule.
    pub fn steps_of(&self, rule: &Rule) -> &[Step] {
        &self.steps[rule.first as usize..rule.last as usize]
    }

    /// A chain.
    pub fn chain(&self, id: ChainId) -> &Chain {
        &self.chains[id.0 as usize]
    }

    /// A rule.
    pub fn rule(&self, id: RuleId) -> &Rule {
        &self.chains[id.chain.0 as usize].rules[id.index as usize]
    }

    /// The stages of a hook.
    pub fn stages(&self, hook: Hook) -> &[Stage] {
        &self.hooks[hook as usize]
    }

    /// The chains that packets can come to from some of them, which are among them.
    pub fn reached(&self, from: impl IntoIterator<Item = ChainId>) -> FxHashSet<ChainId> {
        let mut open: Vec<ChainId> = from.into_iter().collect();
        let (mut reached, mut looked_up) = (FxHashSet::default(), FxHashSet::default());
        while let Some(chain) = open.pop() {
            if !reached.insert(chain) {
                continue;
            }
            for step in self.chain(chain).rules.iter().flat_map(|rule| self.steps_of(rule)) {
                // A large table that many rules look into is gone through once.
                if !matches!(step, Step::Lookup(map) if !looked_up.insert(*map)) {
                    open.extend(self.effects(std::slice::from_ref(step)).filter_map(Effect::leads_to));
                }
            }
        }
        reached
    }

    /// A set.
    pub fn set(&self, id: SetId) -> &Set {
        &self.sets[id.0 as usize]
    }

    /// The values of a test as a set.
    pub fn values(&self, values: Values) -> Set {
        match values {
            Values::Range(lo, hi) => Set::range(lo.into(), hi.into()),
            Values::Set(id) => self.set(id).clone(),
        }
    }

    /// Whether a value is among the values.
    pub fn holds(&self, values: Values, value: u128) -> bool {
        match values {
            Values::Range(lo, hi) => u128::from(lo) <= value && value <= u128::from(hi),
            Values::Set(id) => self.set(id).contains(value),
        }
    }

    /// An unknown condition.
    pub fn condition(&self, id: CondId) -> &Condition {
        &self.conditions[id.0 as usize]
    }

    /// A translation.
    pub fn nat(&self, id: NatId) -> &Nat {
        &self.nats[id.0 as usize]
    }

    /// A lookup table.
    pub fn map(&self, id: MapId) -> &Map {
        &self.maps[id.0 as usize]
    }

    /// A union of products.
    pub fn tuple(&self, id: TuplesId) -> &Tuples {
        &self.tuples[id.0 as usize]
    }

    /// Number of normalized rules.
    pub fn rules(&self) -> usize {
        self.chains.iter().map(|chain| chain.rules.len()).sum()
    }
}
