//! Random numbers for tests.

use crate::splitmix::next;

/// Numbers that a seed decides (SplitMix64).
pub(crate) struct Rng(pub u64);

impl Rng {
    pub(crate) fn below(&mut self, n: u32) -> u32 {
        (next(&mut self.0) % u64::from(n)) as u32
    }

    pub(crate) fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u32) as usize]
    }
}
