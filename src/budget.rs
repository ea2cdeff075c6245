//! How much work a config may cause beyond its own size.
//!
//! A few lines can stand for millions of rules, or for gigabytes of text. Whatever multiplies draws on the
//! budget of its firewall before it does so, and stops where nothing is left. That is a finding (PH006), and
//! what was not built stays in the model as an unknown condition, so that no verdict rests on half of a rule.

use std::cell::Cell;
use std::fmt;

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resource {
    /// Work that builds nothing: a comparison, a look at an element, a command of a loop. Some 50 ns each.
    Steps,
    /// What is built: a rule, a test, an element of a set, a word. Some 100 bytes each.
    Nodes,
    /// Text that comes of text: files that a config names, macros and variables put in.
    Bytes,
    /// Work on sets of packets, for each ruleset in which rules that do nothing are looked for. Some 100 ns each.
    Search,
}

impl Resource {
    /// All kinds.
    pub const ALL: [Resource; 4] = [Resource::Steps, Resource::Nodes, Resource::Bytes, Resource::Search];

    /// The name on the command line and in findings.
    pub fn name(self) -> &'static str {
        match self {
            Resource::Steps => "steps",
            Resource::Nodes => "nodes",
            Resource::Bytes => "bytes",
            Resource::Search => "search",
        }
    }

    /// For so many bytes of a firewall's configs as much is granted once more: a large config may need more than a small
    /// one.
    fn bytes_for_as_much(self) -> u64 {
        match self {
            Resource::Steps => 600_000,
            Resource::Nodes => 1_600_000,
            Resource::Bytes | Resource::Search => 4_000_000,
        }
    }
}

/// How much text makes one node, about, in bytes: `10.0.0.1, `, `-p tcp`.
const BYTES_PER_NODE: usize = 8;

/// What is granted to each firewall; more where its configs are large.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    granted: [u64; 4],
}

impl Default for Limits {
    fn default() -> Self {
        Limits { granted: [10_000_000, 400_000, 32 << 20, 8_000_000] }
    }
}

impl Limits {
    /// Grants another amount of one resource.
    pub fn with(mut self, resource: Resource, amount: u64) -> Self {
        self.granted[resource as usize] = amount;
        self
    }
}

/// The resource that came to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exhausted {
    /// Which one.
    pub resource: Resource,
    /// How much of it there was.
    pub limit: u64,
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the budget of {} {}", self.limit, self.resource.name())
    }
}

impl std::error::Error for Exhausted {}

/// What is left of one firewall's limits. It is shared by reference: drawing needs no exclusive hold.
#[derive(Clone, Debug, Default)]
pub struct Budget {
    limits: Limits,
    input: Cell<u64>,
    used: [Cell<u64>; 4],
    hit: Cell<Option<Exhausted>>,
}

impl Budget {
    /// A budget with nothing drawn yet.
    pub fn new(limits: Limits) -> Self {
        Budget { limits, ..Budget::default() }
    }

    /// Begins anew, for configs of so many bytes.
    pub fn begin(&self, input: u64) {
        self.input.set(input);
        self.used.iter().for_each(|used| used.set(0));
        self.hit.set(None);
    }

    /// Draws an amount before it is spent; where so much is not left, nothing is drawn. A smaller draw may
    /// still succeed afterwards, so that one huge rule does not take the others with it.
    pub fn draw(&self, resource: Resource, amount: u64) -> Result<(), Exhausted> {
        let limit = self.limit(resource);
        let used = &self.used[resource as usize];
        match used.get().checked_add(amount).filter(|sum| *sum <= limit) {
            Some(sum) => {
                used.set(sum);
                Ok(())
            }
            None => {
                let exhausted = Exhausted { resource, limit };
                self.hit.set(self.hit.get().or(Some(exhausted)));
                Err(exhausted)
            }
        }
    }

    /// Draws steps.
    pub fn steps(&self, count: usize) -> Result<(), Exhausted> {
        self.draw(Resource::Steps, count as u64)
    }

    /// Draws nodes.
    pub fn nodes(&self, count: usize) -> Result<(), Exhausted> {
        self.draw(Resource::Nodes, count as u64)
    }

    /// Draws bytes.
    pub fn bytes(&self, count: usize) -> Result<(), Exhausted> {
        self.draw(Resource::Bytes, count as u64)
    }

    /// Draws for text that is read once more than it stands in the files: what it says is built again.
    pub fn again(&self, bytes: usize) -> Result<(), Exhausted> {
        self.nodes(bytes.div_ceil(BYTES_PER_NODE))
    }

    /// How much there is of a resource in all.
    pub fn limit(&self, resource: Resource) -> u64 {
        let granted = self.limits.granted[resource as usize];
        let more =
            u128::from(granted) * u128::from(self.input.get()) / u128::from(resource.bytes_for_as_much());
        granted.saturating_add(u64::try_from(more).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_grows_with_the_input_and_says_what_was_hit() {
        let budget = Budget::new(Limits::default().with(Resource::Nodes, 10));
        assert_eq!(budget.nodes(10), Ok(()));
        let hit = Exhausted { resource: Resource::Nodes, limit: 10 };
        assert_eq!(budget.nodes(1), Err(hit));
        assert_eq!(hit.to_string(), "the budget of 10 nodes");
        budget.begin(16_000_000);
        assert_eq!((budget.nodes(111).is_err(), budget.nodes(110)), (true, Ok(())));
        assert!(budget.draw(Resource::Bytes, u64::MAX).is_err());
    }
}
