//! What changes of files do to packets, one line for each kind of traffic.

use super::names::{self, Context};
use super::pairs::Pair;
use super::text::Texts;
use super::{KINDS, likely};
use crate::analysis::compare::{Difference, Kind, Region, Scope, compare};
use crate::model::Ruleset;
use crate::site::Site;

/// Lines of one kind that are written out.
const MOST: usize = 20;

/// What differs for packets between two rulesets of a firewall of a site.
pub(in crate::cli) fn effects(
    site: &Site,
    firewall: Option<usize>,
    old: &Ruleset,
    new: &Ruleset,
) -> Vec<String> {
    let Difference { regions, unknown } = compare(old, new, &Scope::default());
    let pair = Pair {
        name: String::new(),
        dialects: [None; 2],
        files: Default::default(),
        regions: Vec::new(),
        unknown: Vec::new(),
        not_compared: Vec::new(),
        first_packets: false,
        firewall,
        scope: Vec::new(),
        is_apart: false,
        is_unread: false,
        texts: Texts::default(),
        translates: [old, new].iter().any(|rules| rules.nats.iter().any(|nat| nat.destination)),
    };
    let context = Context { site, pair: &pair };
    let told = |region: &&Region| region.kind != Kind::Replied && !likely::is_odd(site, &pair, region);
    let mut told_of = Vec::new();
    for kind in KINDS {
        let all = context.merged(regions.iter().filter(told).filter(|region| region.kind == kind));
        let verb = names::kind(kind).0;
        told_of.extend(all.iter().take(MOST).map(|(_, words)| format!("{verb}: {}", words.sentence())));
        if let Some(more) = all.len().checked_sub(MOST).filter(|more| *more > 0) {
            told_of.push(format!("{verb}: {more} more kinds of traffic"));
        }
    }
    if !unknown.is_empty() {
        told_of.push("what else differs is not listed: it would have taken too much work".to_string());
    }
    told_of
}
