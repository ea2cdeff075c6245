//! Work on all cores, in the order of its parts.

use crate::judge::{Desk, Judge};

/// Stack of a thread: sets of packets are followed bit by bit.
const STACK: usize = 256 << 20;

/// Does a piece of work for each of `count` things, neighbours in `order` on one desk; the results come in the
/// order of the things, whatever the number of threads.
pub fn for_each<'a, T: Send>(
    judge: &Judge<'a>,
    order: &[usize],
    work: impl Fn(&mut Desk<'_, 'a>, usize) -> T + Sync,
) -> Vec<T> {
    for_parts(judge, order, 1, work)
}

/// The same, with no fewer than `least` things on a desk: where all ask for the same journeys, several desks would work
/// them out several times.
pub fn for_parts<'a, T: Send>(
    judge: &Judge<'a>,
    order: &[usize],
    least: usize,
    work: impl Fn(&mut Desk<'_, 'a>, usize) -> T + Sync,
) -> Vec<T> {
    let most = order.len().div_ceil(least).max(1);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(most);
    let share = order.len().div_ceil(threads).max(1);
    let mut done: Vec<(usize, T)> = Vec::with_capacity(order.len());
    std::thread::scope(|scope| {
        let work = &work;
        let mut running = Vec::new();
        for part in order.chunks(share) {
            let here = move || {
                let mut desk = Desk::new(judge);
                part.iter().map(|at| (*at, work(&mut desk, *at))).collect::<Vec<_>>()
            };
            // Where there is no thread to be had, this one does it.
            match std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, here) {
                Ok(thread) => running.push(thread),
                Err(_) => done.extend(here()),
            }
        }
        for thread in running {
            match thread.join() {
                Ok(part) => done.extend(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// The devices of the site, neighbours side by side: what is on the way to one is on the way to the next.
pub fn devices(judge: &Judge<'_>) -> Vec<usize> {
    let site = judge.site;
    let mut order: Vec<usize> = (0..site.devices.len()).collect();
    order.sort_by_key(|at| site.devices[*at].addresses.first().and_then(|address| site.zone_of(*address)));
    order
}
