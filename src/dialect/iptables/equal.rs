//! Whether two rules say the same, for `-D` by rule.

use super::ast::{Config, Match, MatchKind, Net, Rule, Target};

/// Whether two conditions say the same.
pub(super) fn matches(config: &Config, a: &Match, b: &Match) -> bool {
    use MatchKind::{Connection, CtAddress, Destination, IpRange, Multiport, Open, Owner, Set, Source};
    if a.negated != b.negated {
        return false;
    }
    match (a.kind, b.kind) {
        (Source(a), Source(b)) | (Destination(a), Destination(b)) => nets(config, a, b),
        (CtAddress(end_a, a), CtAddress(end_b, b)) => end_a == end_b && nets(config, a, b),
        (IpRange(side_a, a), IpRange(side_b, b)) => {
            side_a == side_b && config.ip_ranges[a as usize] == config.ip_ranges[b as usize]
        }
        (Set(a), Set(b)) => {
            let (a, b) = (&config.set_uses[a as usize], &config.set_uses[b as usize]);
            (a.set, &a.sides, a.return_nomatch) == (b.set, &b.sides, b.return_nomatch)
        }
        (
            Multiport { first: a, count: na, source: sa, destination: da },
            Multiport { first: b, count: nb, source: sb, destination: db },
        ) => {
            let list = |first: u32, count: u8| &config.ports[first as usize..first as usize + count as usize];
            (sa, da) == (sb, db) && list(a, na) == list(b, nb)
        }
        (Connection(a), Connection(b)) => {
            let (a, b) = (&config.connections[a as usize], &config.connections[b as usize]);
            let pairs = a.parts.iter().zip(&b.parts);
            a.states == b.states
                && a.parts.len() == b.parts.len()
                && pairs.into_iter().all(|(a, b)| matches(config, a, b))
        }
        (Open(a), Open(b)) | (Owner(a), Owner(b)) => config.opens[a as usize] == config.opens[b as usize],
        (a, b) => a == b,
    }
}

fn nets(config: &Config, a: Net, b: Net) -> bool {
    match (a, b) {
        (Net::V6(a), Net::V6(b)) => config.nets6[a as usize] == config.nets6[b as usize],
        (a, b) => a == b,
    }
}

/// Whether two targets do the same.
pub(super) fn targets(config: &Config, a: Target, b: Target) -> bool {
    match (a, b) {
        (Target::Dnat(a), Target::Dnat(b))
        | (Target::Snat(a), Target::Snat(b))
        | (Target::Masquerade(a), Target::Masquerade(b))
        | (Target::Redirect(a), Target::Redirect(b)) => config.nats[a as usize] == config.nats[b as usize],
        (Target::Netmap(a), Target::Netmap(b)) => config.netmaps[a as usize] == config.netmaps[b as usize],
        (Target::Queue(a), Target::Queue(b)) => config.opens[a as usize] == config.opens[b as usize],
        (Target::Mark(a), Target::Mark(b))
        | (Target::ConnMark(a), Target::ConnMark(b))
        | (Target::Tproxy(a), Target::Tproxy(b)) => {
            config.marks.get(a as usize) == config.marks.get(b as usize)
        }
        (a, b) => a == b,
    }
}

/// A number that rules which say the same have in common: the order of their conditions does not matter.
pub(super) fn print(config: &Config, rule: &Rule) -> u64 {
    use std::hash::{Hash, Hasher};
    let hash = |write: &dyn Fn(&mut rustc_hash::FxHasher)| {
        let mut hasher = rustc_hash::FxHasher::default();
        write(&mut hasher);
        hasher.finish()
    };
    let one = |one: &Match| {
        hash(&|hasher| {
            (one.negated, std::mem::discriminant(&one.kind)).hash(hasher);
            match one.kind {
                MatchKind::Source(net) | MatchKind::Destination(net) => match net {
                    Net::V4(address, mask) => (address, mask).hash(hasher),
                    Net::V6(index) => config.nets6[index as usize].hash(hasher),
                },
                MatchKind::Protocol(number) => number.hash(hasher),
                MatchKind::SourcePort(lo, hi) | MatchKind::DestinationPort(lo, hi) => (lo, hi).hash(hasher),
                MatchKind::InInterface(name, wild) | MatchKind::OutInterface(name, wild) => {
                    (name, wild).hash(hasher);
                }
                MatchKind::Open(index) => config.opens[index as usize].text.hash(hasher),
                _ => {}
            }
        })
    };
    let target = hash(&|hasher| std::mem::discriminant(&rule.target).hash(hasher));
    config.matches_of(rule).iter().fold(target, |sum, match_| sum.wrapping_add(one(match_)))
}
