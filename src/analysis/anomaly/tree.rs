//! Intervals in a tree: which of them hold a number, and which begin inside of another.

/// Boxes by their interval in one dimension.
#[derive(Default)]
pub(super) struct Tree {
    /// Leaves stand from here on.
    size: usize,
    /// Where the list of each node begins.
    heads: Vec<u32>,
    lists: Vec<u32>,
    /// All boxes of the tree by where they begin.
    by_start: Vec<(u32, u32)>,
}

impl Tree {
    /// The nodes that together are an interval.
    fn cover(size: usize, (lo, hi): (u32, u32), each: &mut dyn FnMut(usize)) {
        let (mut lo, mut hi) = (lo as usize + size, hi as usize + size + 1);
        while lo < hi {
            if lo & 1 == 1 {
                each(lo);
                lo += 1;
            }
            if hi & 1 == 1 {
                hi -= 1;
                each(hi);
            }
            lo /= 2;
            hi /= 2;
        }
    }

    pub(super) fn new(count: usize, boxes: &[(u32, (u32, u32))]) -> Tree {
        if boxes.is_empty() {
            return Tree::default();
        }
        let size = count.next_power_of_two();
        let mut heads = vec![0u32; 2 * size + 1];
        for (_, side) in boxes {
            Self::cover(size, *side, &mut |node| heads[node + 1] += 1);
        }
        for node in 1..heads.len() {
            heads[node] += heads[node - 1];
        }
        let mut next = heads.clone();
        let mut lists = vec![0; heads[2 * size] as usize];
        for (at, side) in boxes {
            Self::cover(size, *side, &mut |node| {
                lists[next[node] as usize] = *at;
                next[node] += 1;
            });
        }
        let mut by_start: Vec<(u32, u32)> = boxes.iter().map(|(at, (lo, _))| (*lo, *at)).collect();
        by_start.sort_unstable();
        Tree { size, heads, lists, by_start }
    }

    /// The lists of boxes whose interval holds a number, each in order.
    pub(super) fn holding(&self, number: u32) -> impl Iterator<Item = &[u32]> {
        let mut node = if self.size == 0 { 0 } else { number as usize + self.size };
        std::iter::from_fn(move || {
            if node == 0 {
                return None;
            }
            let list = &self.lists[self.heads[node] as usize..self.heads[node + 1] as usize];
            node /= 2;
            Some(list)
        })
    }

    /// The boxes whose interval begins after `lo`, up to `hi`.
    pub(super) fn beginning(&self, (lo, hi): (u32, u32)) -> impl Iterator<Item = u32> + '_ {
        let from = self.by_start.partition_point(|(start, _)| *start <= lo);
        self.by_start[from..].iter().take_while(move |(start, _)| *start <= hi).map(|(_, at)| *at)
    }
}
