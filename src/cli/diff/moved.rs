//! Traffic that closes for one host and opens for another one.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Told;
use super::names::Context;
use super::pairs::Pair;
use crate::analysis::compare::Kind;

/// A sentence for each host in whose place another one is.
pub(super) fn notes(told: &Told<'_>, pair: &Pair) -> Vec<String> {
    let context = Context { site: &told.sides.new.site, pair };
    let (opened, closed) = (context.of_kinds(&[Kind::Opened]), context.of_kinds(&[Kind::Closed]));
    let mut swaps: BTreeMap<(String, String), usize> = BTreeMap::new();
    for old in &closed {
        for new in opened.iter().filter(|new| new.rest == old.rest && new.shares_traffic(old)) {
            let swapped = match (old.from == new.from, old.to == new.to) {
                (true, false) => Some((&old.to, &new.to)),
                (false, true) => Some((&old.from, &new.from)),
                _ => None,
            };
            if let Some((old, new)) =
                swapped.filter(|(old, new)| is_host(old) && is_host(new) && !is_of_site(new))
            {
                *swaps.entry((old.clone(), new.clone())).or_default() += 1;
            }
        }
    }
    swaps.iter().map(|((old, new), count)| said(old, new, *count)).collect()
}

fn said(old: &str, new: &str, count: usize) -> String {
    let kinds = if count == 1 { "kind" } else { "kinds" };
    let told = format!("{new} gets what {old} loses ({count} {kinds} of traffic)");
    match old.split_once(" (").map(|(_, name)| name.trim_end_matches(')')) {
        Some(device) => format!(
            "{told}: calls and findings are those of {device} at the address in the site file; if it has moved, change it \
             there, and run this again"
        ),
        None => told,
    }
}

/// Whether an end in words is one address.
fn is_host(end: &str) -> bool {
    end.split(' ').next().is_some_and(|word| word.parse::<IpAddr>().is_ok()) && !end.contains(" and ")
}

/// Whether a host has a name.
fn is_of_site(end: &str) -> bool {
    end.contains('(')
}
