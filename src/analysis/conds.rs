//! What had to hold or not to hold on the way of a packet.

use std::sync::Arc;

use super::Cond;

/// Conditions, each once. Ways that part share those that they had in common: they can be many thousands.
#[derive(Clone, Default)]
pub struct Conds(Option<Arc<Last>>);

/// The condition that was met last.
struct Last {
    cond: Cond,
    before: Conds,
    count: usize,
}

impl Conds {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |last| last.count)
    }

    /// Whether a condition is among them.
    pub fn contains(&self, cond: &Cond) -> bool {
        self.iter().any(|known| known == cond)
    }

    /// All of them, the one that was met last first.
    pub fn iter(&self) -> impl Iterator<Item = &Cond> {
        std::iter::successors(self.0.as_deref(), |last| last.before.0.as_deref()).map(|last| &last.cond)
    }

    pub(super) fn add(&mut self, cond: Cond) {
        if !self.contains(&cond) {
            let count = self.len() + 1;
            let before = std::mem::take(self);
            self.0 = Some(Arc::new(Last { cond, before, count }));
        }
    }
}

impl PartialEq for Conds {
    fn eq(&self, other: &Conds) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Conds {}

impl std::hash::Hash for Conds {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.iter().for_each(|cond| cond.hash(state));
    }
}

impl std::fmt::Debug for Conds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Drop for Conds {
    /// One after the other: each in the next one would be a stack as deep as there are conditions.
    fn drop(&mut self) {
        let mut rest = self.0.take();
        while let Some(last) = rest {
            rest = Arc::try_unwrap(last).ok().and_then(|mut last| last.before.0.take());
        }
    }
}
