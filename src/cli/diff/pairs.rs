//! Which firewall of one side is which of the other, and what differs between them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::sides::{Side, Sides};
use super::text::Texts;
use super::untold::untold;
use super::{DiffArgs, Failure};
use crate::analysis::Decider;
use crate::analysis::compare::{self, Difference, Kind, Region, Scope, families};
use crate::dialect::Dialect;
use crate::model::{Ruleset, Verdict, Way, Why};
use crate::packet::{Family, Field, Set, interface};
use crate::session::Config;
use crate::source::{SourceId, Span};

/// One firewall on both sides.
pub(super) struct Pair {
    /// Its name: that of the site file, or of its file.
    pub name: String,
    /// The dialects before and after; `None` where a side has no such firewall.
    pub dialects: [Option<Dialect>; 2],
    /// The files before and after.
    pub files: [Vec<SourceId>; 2],
    /// What differs, with who decides.
    pub regions: Vec<Seen>,
    /// Ways and families of which not all is known.
    pub unknown: Vec<Unknown>,
    /// What is not compared, in words.
    pub not_compared: Vec<String>,
    /// Whether only first packets of connections and their answers are compared.
    pub first_packets: bool,
    /// Its index in the site of NEW.
    pub firewall: Option<usize>,
    /// Values that all packets have which are compared.
    pub scope: Vec<(Field, Set)>,
    /// Whether destinations are translated on either side.
    pub translates: bool,
    /// The sides have no family in common: nothing was compared.
    pub is_apart: bool,
    /// One side alone says something that was not read or is not modelled.
    pub is_unread: bool,
    /// The text that changed, once it was looked at.
    pub texts: Texts,
}

/// A way and family of which not all that differs is told.
pub(super) struct Unknown {
    pub way: Way,
    pub family: Family,
    /// One packet that fares differently, where more do than are spelled out.
    pub example: Option<Seen>,
}

/// A region, with who decides on the two sides.
pub(super) struct Seen {
    /// The packets.
    pub region: Region,
    /// Who decides before and after.
    pub by: [By; 2],
}

/// Who decides.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct By {
    /// The rule as it is written; `None` where a policy decides, or what the firewall does without a rule.
    pub rule: Option<Span>,
    /// The policy where it is written.
    pub policy: Option<Span>,
    /// What it is, where it is no rule.
    pub words: String,
}

/// Compares all firewalls.
pub(super) fn compare(args: &DiffArgs, sides: &Sides) -> Result<Vec<Pair>, Failure> {
    let mut pairs = Vec::new();
    for (name, old, new) in matched(args, sides)? {
        pairs.push(match (old, new) {
            (Some(old), Some(new)) => compared(args, sides, name, old, new)?,
            (old, new) => one_sided(name, old, new),
        });
    }
    Ok(pairs)
}

/// Whether all firewalls do the same on both sides; `None` where it is not known.
pub(super) fn equal(pairs: &[Pair]) -> Option<bool> {
    let differs = |pair: &Pair| {
        let examples = pair.unknown.iter().filter_map(|unknown| unknown.example.as_ref());
        let mut seen = pair.regions.iter().chain(examples);
        pair.dialects.contains(&None) || seen.any(|seen| seen.region.kind != Kind::Replied)
    };
    if pairs.iter().any(differs) {
        return Some(false);
    }
    if pairs.iter().any(|pair| pair.is_apart || pair.is_unread) {
        return None;
    }
    if pairs.iter().all(|pair| pair.unknown.is_empty()) { Some(true) } else { None }
}

type Matched<'s> = (String, Option<&'s Config>, Option<&'s Config>);

/// The firewalls of both sides by name.
fn matched<'s>(args: &DiffArgs, sides: &'s Sides) -> Result<Vec<Matched<'s>>, Failure> {
    let mut by_name: BTreeMap<String, (Option<&Config>, Option<&Config>)> = BTreeMap::new();
    for (side, is_new) in [(&sides.old, false), (&sides.new, true)] {
        for config in &side.configs {
            let name = name(side, config, sides.files);
            if args.firewall.as_ref().is_some_and(|wanted| *wanted != name) {
                continue;
            }
            let place = by_name.entry(name).or_default();
            if is_new { place.1 = Some(config) } else { place.0 = Some(config) }
        }
    }
    if let (true, Some(wanted)) = (by_name.is_empty(), &args.firewall) {
        return Err(Failure::usage(format!("--firewall: there is no `{wanted}` on either side")));
    }
    if by_name.is_empty() {
        return Err(Failure::usage("there is no firewall config on either side"));
    }
    Ok(by_name.into_iter().map(|(name, (old, new))| (name, old, new)).collect())
}

/// What tells a firewall from the others: its name in the site file, else the path of its file below the folder
/// that is compared.
fn name(side: &Side, config: &Config, files: bool) -> String {
    if files {
        return String::new();
    }
    if let Some(id) = config.firewall {
        return side.site.firewalls[id].name.clone();
    }
    let path = config.files.first().map(|id| side.sources.file(*id).path.clone()).unwrap_or_default();
    // A link is told by its own name: what it leads to may be what changes.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    let full = path.file_name().map_or_else(|| folder.clone(), |name| folder.join(name));
    let base = side.base.canonicalize().unwrap_or_else(|_| side.base.clone());
    full.strip_prefix(&base).unwrap_or(&full).to_string_lossy().into_owned()
}

/// The files of a config, and those that they include.
pub(super) fn files(config: Option<&Config>) -> Vec<SourceId> {
    let Some(config) = config else { return Vec::new() };
    let mut files = config.files.clone();
    files.extend(config.loaded.rules.iter().map(|(id, _)| *id).filter(|id| !config.files.contains(id)));
    files
}

fn one_sided(name: String, old: Option<&Config>, new: Option<&Config>) -> Pair {
    let what = if new.is_some() { "it is new" } else { "it is gone" };
    Pair {
        name,
        dialects: [old, new].map(|config| config.map(|config| config.dialect)),
        files: [files(old), files(new)],
        regions: Vec::new(),
        unknown: Vec::new(),
        not_compared: vec![format!("the whole firewall: {what}")],
        first_packets: false,
        firewall: None,
        scope: Vec::new(),
        translates: false,
        is_apart: false,
        is_unread: false,
        texts: Texts::default(),
    }
}

fn compared(
    args: &DiffArgs,
    sides: &Sides,
    name: String,
    old: &Config,
    new: &Config,
) -> Result<Pair, Failure> {
    let renames = renames(args, sides, old, new)?;
    let (mut old_rules, mut new_rules) =
        (Cow::Borrowed(&old.loaded.ruleset), Cow::Borrowed(&new.loaded.ruleset));
    if !renames.is_empty() {
        compare::rename(old_rules.to_mut(), &renames);
    }
    let untold = untold(sides, [old, new], [&mut old_rules, &mut new_rules]);
    let (old_rules, new_rules) = (&*old_rules, &*new_rules);
    let across = old.dialect != new.dialect;
    let mut scope = Scope { first_packets: across, fields: Vec::new() };
    let mut not_compared = silent_families(old_rules, new_rules);
    if across {
        not_compared.push(format!(
            "packets of established connections, and TCP packets with unusual flags, which {} and {} treat by rules \
             of their own",
            old.dialect.name(),
            new.dialect.name()
        ));
        if families(old_rules, new_rules).contains(&Family::V6) {
            not_compared.push("IPv6 packets with extension headers".to_string());
        }
    }
    let is_unread = !untold.is_empty();
    not_compared.extend(untold);
    interfaces(old_rules, new_rules, across, &mut scope, &mut not_compared);
    hops(old_rules, new_rules, &mut scope, &mut not_compared);
    let Difference { regions, unknown } = compare::compare(old_rules, new_rules, &scope);
    let seen = |region: Region| {
        let by = [by(old_rules, region.by[0]), by(new_rules, region.by[1])];
        Seen { region, by }
    };
    let unknown = unknown.into_iter().map(|unknown| Unknown {
        way: unknown.way,
        family: unknown.family,
        example: unknown.example.map(seen),
    });
    Ok(Pair {
        name,
        dialects: [Some(old.dialect), Some(new.dialect)],
        files: [files(Some(old)), files(Some(new))],
        unknown: unknown.collect(),
        regions: regions.into_iter().map(seen).collect(),
        not_compared,
        first_packets: across,
        firewall: new.firewall,
        scope: scope.fields,
        is_apart: families(old_rules, new_rules).is_empty(),
        is_unread,
        texts: Texts::default(),
        translates: [old_rules, new_rules].iter().any(|rules| rules.nats.iter().any(|nat| nat.destination)),
    })
}

/// The interfaces of OLD that have another name in NEW: those that the user says, or those that lead to the same
/// zone alone.
fn renames(
    args: &DiffArgs,
    sides: &Sides,
    old: &Config,
    new: &Config,
) -> Result<Vec<(String, String)>, Failure> {
    let mut names = BTreeSet::new();
    for name in args.map.iter().flat_map(|(old, new)| [old, new].into_iter().collect::<BTreeSet<_>>()) {
        if !names.insert(name) {
            return Err(Failure::usage(format!("--map: `{name}` is named twice")));
        }
    }
    if !args.map.is_empty() {
        return Ok(args.map.clone());
    }
    let by_zone = |side: &Side, config: &Config| {
        let mut found: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
        let Some(firewall) = config.firewall.map(|id| &side.site.firewalls[id]) else { return found };
        for (interface, zones) in &firewall.interfaces {
            let names = zones.iter().map(|zone| side.site.zones[*zone].name.clone()).collect();
            found.entry(names).or_default().push(interface.clone());
        }
        found
    };
    let (before, after) = (by_zone(&sides.old, old), by_zone(&sides.new, new));
    let mut pairs = Vec::new();
    for (zones, names) in before {
        if let ([from], Some([to])) = (names.as_slice(), after.get(&zones).map(Vec::as_slice))
            && from != to
        {
            pairs.push((from.clone(), to.clone()));
        }
    }
    Ok(pairs)
}

/// Families of which one side alone speaks.
fn silent_families(old: &Ruleset, new: &Ruleset) -> Vec<String> {
    let both = families(old, new);
    let all = [(Family::V4, "IPv4", old.v4, new.v4), (Family::V6, "IPv6", old.v6, new.v6)];
    let silent = all.into_iter().filter(|(family, _, old, new)| (*old || *new) && !both.contains(family));
    silent
        .map(|(_, name, old, _)| format!("{name}: {} has no rules for it", if old { "NEW" } else { "OLD" }))
        .collect()
}

/// Where the files of a side tell all interfaces there are, packets use no others.
fn interfaces(old: &Ruleset, new: &Ruleset, across: bool, scope: &mut Scope, not_compared: &mut Vec<String>) {
    let mut known = match (old.interfaces.is_empty(), new.interfaces.is_empty()) {
        (true, true) => return,
        (false, true) if across => old.interfaces.clone(),
        (true, false) if across => new.interfaces.clone(),
        (false, false) => old.interfaces.or(&new.interfaces),
        _ => return,
    };
    if !across {
        known = known.or(&Set::one(interface("lo")));
    }
    scope.fields.extend([(Field::Iif, known.clone()), (Field::Oif, known)]);
    if across {
        not_compared.push("other interfaces than those that the files name".to_string());
    }
}

/// Where one side alone takes one off the TTL, packets come that have some left.
fn hops(old: &Ruleset, new: &Ruleset, scope: &mut Scope, not_compared: &mut Vec<String>) {
    if old.keeps_ttl != new.keeps_ttl {
        scope.fields.push((Field::Ttl, Set::range(2, Field::Ttl.last())));
        let keeps = if old.keeps_ttl { "OLD" } else { "NEW" };
        not_compared.push(format!("packets with a TTL of 0 or 1: {keeps} does not decrement it"));
    }
}

fn by(rules: &Ruleset, decider: Decider) -> By {
    let said = |words: String| By { rule: None, policy: None, words };
    match decider {
        Decider::Rule(id) => {
            let origin = rules.rule(id).origin;
            let line = Some(origin.span());
            match origin.why() {
                None | Some(Why::Translation | Why::Unread | Why::Setting) => {
                    By { rule: line, ..said(String::new()) }
                }
                Some(Why::ImplicitDeny) => {
                    let name = &rules.chain(id.chain).name;
                    By { policy: line, ..said(format!("the implicit deny of {name}")) }
                }
                Some(Why::SecurityLevels) => By { policy: line, ..said("the security levels".to_string()) },
                Some(Why::Policy) => By { policy: line, ..said("the policy".to_string()) },
                Some(Why::System) => said("the firewall itself, without a rule".to_string()),
            }
        }
        Decider::Policy(hook, at) => {
            let stage = &rules.stages(hook)[at as usize];
            let word = match stage.policy {
                Verdict::Accept => "accept",
                Verdict::Drop => "drop",
                Verdict::Reject(_) => "reject",
            };
            let written_there =
                if stage.policy_origin.is_written() { "the policy" } else { "the implied policy" };
            let name = &rules.chain(stage.chain).name;
            By { policy: stage.policy_origin.text(), ..said(format!("{written_there} `{word}` of {name}")) }
        }
        Decider::End => said("no rule and no policy refuses it".to_string()),
    }
}
