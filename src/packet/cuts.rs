//! What sets of values tell apart.

use super::Set;

/// The places between values that some sets tell apart, in memory of the size of what is kept in the end.
#[derive(Clone, Default)]
pub(crate) struct Cuts {
    starts: Vec<u128>,
    /// How many there were when they were last sorted: each of them once.
    sorted: usize,
}

impl Cuts {
    /// So many are not worth sorting.
    const FEW: usize = 1024;

    /// A value that is told from the one before it.
    pub(crate) fn at(&mut self, start: u128) {
        self.starts.push(start);
        if self.starts.len() > Self::FEW + 2 * self.sorted {
            self.sort();
        }
    }

    /// The values from `lo` to `hi` are told from all others.
    pub(crate) fn around(&mut self, lo: u128, hi: u128) {
        self.at(lo);
        if let Some(next) = hi.checked_add(1) {
            self.at(next);
        }
    }

    /// The values of a set are told from all others.
    pub(crate) fn of(&mut self, set: &Set) {
        set.ranges().iter().for_each(|(lo, hi)| self.around(*lo, *hi));
    }

    fn sort(&mut self) {
        self.starts.sort_unstable();
        self.starts.dedup();
        self.sorted = self.starts.len();
    }

    /// Where intervals begin that nothing tells apart, in order.
    pub(crate) fn starts(mut self) -> Vec<u128> {
        self.sort();
        self.starts.shrink_to_fit();
        self.starts
    }
}
