//! Work on all cores, in the order of its parts.

use crate::judge::{Desk, Judge};
use crate::threads;

/// Does a piece of work for each of `count` things, neighbours in `order` on one desk; the results come in the
/// order of the things, whatever the number of threads.
pub(crate) fn for_each<'a, T: Send>(
    judge: &Judge<'a>,
    order: &[usize],
    work: impl Fn(&mut Desk<'_, 'a>, usize) -> T + Sync,
) -> Vec<T> {
    for_parts(judge, order, 1, work)
}

/// The same, with no fewer than `least` things on a desk: where all ask for the same journeys, several desks would work
/// them out several times.
pub(crate) fn for_parts<'a, T: Send>(
    judge: &Judge<'a>,
    order: &[usize],
    least: usize,
    work: impl Fn(&mut Desk<'_, 'a>, usize) -> T + Sync,
) -> Vec<T> {
    spread(order, least, || Desk::new(judge), work)
}

/// Does a piece of work for each thing, in as many threads as there are cores, each of which begins with something of
/// its own, and has no fewer than `least` things.
pub(crate) fn spread<S, T: Send>(
    order: &[usize],
    least: usize,
    begin: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize) -> T + Sync,
) -> Vec<T> {
    let most = order.len().div_ceil(least).max(1);
    let share = order.len().div_ceil(threads::count().min(most)).max(1);
    let parts: Vec<&[usize]> = order.chunks(share).collect();
    let done = threads::each(&parts, |part| {
        let mut own = begin();
        part.iter().map(|at| (*at, work(&mut own, *at))).collect::<Vec<_>>()
    });
    let mut done: Vec<(usize, T)> = done.into_iter().flatten().collect();
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// The devices of the site, neighbours side by side: what is on the way to one is on the way to the next.
pub(crate) fn devices(judge: &Judge<'_>) -> Vec<usize> {
    let site = judge.site;
    let mut order: Vec<usize> = (0..site.devices.len()).collect();
    order.sort_by_key(|at| site.devices[*at].addresses.first().and_then(|address| site.zone_of(*address)));
    order
}
