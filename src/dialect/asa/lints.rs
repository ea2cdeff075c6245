//! The lints of the language: what a configuration says that does nothing or contradicts itself (PH43x),
//! and what it gets wrong about state, translation and inspection (PH53x).

mod calls;
mod entries;
mod lists;
mod management;
mod sides;

use rustc_hash::FxHashMap;

use super::ast::{AccessGroup, Ace, Acl, Action, Config, Direction, Entry};
use super::lower::{Applied, Lowered, applied};
use super::resolve::{Product, Resolver};
use crate::finding::Finding;
use crate::packet::Set;
use crate::source::Span;

/// Everything that the lints look at.
struct Facts<'f, 'c, 'a> {
    config: &'c Config<'a>,
    resolver: &'f mut Resolver<'c, 'a>,
    statics: &'f [super::lower::Static],
    inspections: Vec<Applied<'c, 'a>>,
    acls: FxHashMap<&'a str, usize>,
    findings: Vec<Finding>,
}

/// What the lints have to say of a configuration.
pub(super) fn check<'c, 'a>(
    config: &'c Config<'a>,
    lowered: &mut Lowered<'c, 'a>,
    nowhere: Span,
) -> Vec<Finding> {
    let mut facts = Facts {
        config,
        resolver: &mut lowered.resolver,
        statics: &lowered.statics,
        inspections: applied(config, nowhere),
        acls: config.acls.iter().enumerate().map(|(at, acl)| (acl.name.text, at)).collect(),
        findings: Vec::new(),
    };
    facts.lists();
    facts.entries();
    facts.calls();
    facts.management();
    // What was looked up for the lints was reported when it was lowered.
    facts.resolver.findings.clear();
    facts.findings
}

impl<'c, 'a> Facts<'_, 'c, 'a> {
    fn acl(&self, name: &str) -> Option<&'c Acl<'a>> {
        self.acls.get(name).map(|at| &self.config.acls[*at])
    }

    /// The lists that are bound in a direction, with their binding.
    fn bound(&self, direction: Direction) -> Vec<(&'c AccessGroup<'a>, &'c Acl<'a>)> {
        let groups = self.config.access_groups.iter().filter(|group| group.direction == direction);
        groups.filter_map(|group| Some((group, self.acl(group.acl.text)?))).collect()
    }
}

/// The entries of a list that are on, and part of the configuration itself.
fn active<'c, 'a>(acl: &'c Acl<'a>) -> impl Iterator<Item = &'c Ace<'a>> {
    acl.entries.iter().filter_map(|entry| match entry {
        Entry::Extended(ace) if !ace.inactive && !ace.shown => Some(&**ace),
        _ => None,
    })
}

/// The entries that let pass.
fn permits<'c, 'a>(acl: &'c Acl<'a>) -> impl Iterator<Item = &'c Ace<'a>> {
    active(acl).filter(|ace| ace.action == Action::Permit)
}

/// The destination ports that a product opens for a protocol; `None` where it is not limited to ports.
fn ports_of(product: &Product, protocol: u8) -> Option<&Set> {
    let carried = product.protocol.as_ref().is_some_and(|set| set.contains(protocol.into()));
    product.destination.as_ref().filter(|_| carried)
}
