//! Tables as sets of addresses.

use rustc_hash::FxHashMap;

use crate::dialect::Environment;
use crate::packet::{Family, Set};

use super::ast::{Address, Host, Net, Table};
use super::expand::addresses;

/// What is known of a table.
#[derive(Clone, Default, Debug)]
pub struct TableSet {
    /// Its IPv4 addresses.
    pub v4: Set,
    /// Its IPv6 addresses.
    pub v6: Set,
    /// Whether that is all: nothing is filled in at run time or read from a file elsewhere.
    pub complete: bool,
    /// Whether anything of it is written in the files.
    pub has_contents: bool,
}

impl TableSet {
    /// The addresses of a family.
    pub fn of(&self, family: Family) -> &Set {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }
}

/// The contents of a table: the most specific entry that holds an address decides, negated or not
/// (pf.conf(5), TABLES). `overloaded` tables are filled by rules at run time.
pub fn contents(table: &Table, overloaded: bool, env: &Environment) -> TableSet {
    let mut complete = table.initialized && table.unread.is_empty() && !overloaded;
    let mut entries: Vec<(Net, bool)> = Vec::with_capacity(table.entries.len());
    for host in &table.entries {
        match nets(host, env) {
            Some(nets) => entries.extend(nets.into_iter().map(|net| (net, host.negated))),
            None => complete = false,
        }
    }
    let (v4, v6) = if entries.iter().any(|(_, negated)| *negated) {
        nested(entries)
    } else {
        let of = |family| Set::of(entries.iter().filter_map(|(net, _)| interval(*net, family)));
        (of(Family::V4), of(Family::V6))
    };
    let has_contents = !table.entries.is_empty() || !table.unread.is_empty();
    TableSet { v4, v6, complete, has_contents }
}

fn nets(host: &Host, env: &Environment) -> Option<Vec<Net>> {
    match &host.address {
        Address::Net(net) => Some(vec![*net]),
        Address::Name { name, modifiers, prefix } => addresses(name, *modifiers, *prefix, env),
        _ => None,
    }
}

/// The interval of a network, where it is of the family.
pub fn interval(net: Net, family: Family) -> Option<(u128, u128)> {
    let (own, number) = Family::of(net.address);
    (own == family).then(|| family.prefix(number, u32::from(net.prefix)))
}

/// Sets of entries that are partly negated: from the widest to the most specific, each overrides.
fn nested(mut entries: Vec<(Net, bool)>) -> (Set, Set) {
    entries.sort_by_key(|(net, _)| net.prefix);
    let mut by_prefix: FxHashMap<(u8, bool, Family), Vec<(u128, u128)>> = FxHashMap::default();
    let mut order: Vec<(u8, bool, Family)> = Vec::new();
    for (net, negated) in entries {
        let (family, _) = Family::of(net.address);
        let key = (net.prefix, negated, family);
        let intervals = by_prefix.entry(key).or_insert_with(|| {
            order.push(key);
            Vec::new()
        });
        intervals.extend(interval(net, family));
    }
    let (mut v4, mut v6) = (Set::default(), Set::default());
    for key in order {
        let Some(intervals) = by_prefix.remove(&key) else { continue };
        let set = Set::of(intervals);
        let of_family = if key.2 == Family::V4 { &mut v4 } else { &mut v6 };
        *of_family = if key.1 { of_family.minus(&set) } else { of_family.or(&set) };
    }
    (v4, v6)
}
