//! Work on all cores.

use std::sync::{LazyLock, OnceLock};

use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Stack of a thread: sets of packets are followed bit by bit.
const STACK: usize = 256 << 20;

/// How many the command line asks for.
static WANTED: OnceLock<usize> = OnceLock::new();

/// The threads; `None` where there is no thread to be had.
static POOL: LazyLock<Option<ThreadPool>> = LazyLock::new(|| {
    ThreadPoolBuilder::new().num_threads(WANTED.get().copied().unwrap_or(0)).stack_size(STACK).build().ok()
});

/// Sets how many threads run at a time, before the first is started; 0 are as many as there are cores.
pub(crate) fn limit(count: usize) {
    // What was set first stays.
    let _ = WANTED.set(count);
}

/// How many threads run at a time: as [`limit`] or `RAYON_NUM_THREADS` says, else as many as there are cores.
pub(crate) fn count() -> usize {
    POOL.as_ref().map_or(1, ThreadPool::current_num_threads)
}

/// Does each piece of work, as many at a time as there are threads; the results come in the order of the pieces.
pub(crate) fn each<J: Sync, T: Send>(jobs: &[J], work: impl Fn(&J) -> T + Sync + Send) -> Vec<T> {
    match &*POOL {
        Some(pool) => pool.install(|| jobs.par_iter().with_max_len(1).map(work).collect()),
        None => jobs.iter().map(work).collect(),
    }
}

/// Does one thing on another thread, where one is free, while this thread does another.
pub(crate) fn beside<A: Send, B>(there: impl Fn() -> A + Sync, here: impl FnOnce() -> B) -> (A, B) {
    let Some(pool) = &*POOL else { return (there(), here()) };
    let mut done = None;
    let here = pool.in_place_scope(|scope| {
        scope.spawn(|_| done = Some(there()));
        here()
    });
    (done.unwrap_or_else(there), here)
}
