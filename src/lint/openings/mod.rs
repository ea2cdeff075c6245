//! PH201 to PH203, PH207 to PH209, PH415, PH525 and PH526: what a filter opens too wide or does not look at, judged by what its
//! rules let through after those before them, and what it refuses that every host needs.

mod excess;
mod measure;
mod message;
mod needed;
mod overruled;
mod policy;
mod services;
mod sides;
mod strangers;
mod unasked;

use std::cell::{Cell, OnceCell};
use std::collections::hash_map::Entry;

use rustc_hash::{FxHashMap, FxHashSet};

use super::mend::Workshop;
use super::mend::close::{self, Excess};
use super::{cores, witness};
use crate::dialect::programs;
use crate::finding::Finding;
use crate::judge::{Firewall, Judge, Witness};
use crate::model::{ChainId, ChainKind, Effect, Rule, RuleId, Step, Test, Verdict, Way};
use crate::packet::{Family, Field, Set, Spaces, State, interface_prefix, proto};
use crate::rule::{Lint, PH201, PH202, PH203, PH207, PH208, PH209, PH415, PH525, PH526};
use crate::site::loopbacks;
use crate::source::Span;
use services::FEW_SOURCES;
use sides::Sides;

/// What is found here.
pub(super) const LINTS: &[&Lint] = &[&PH201, &PH202, &PH203, &PH207, &PH208, &PH209, &PH415, &PH525, &PH526];

/// So many ports of a protocol are all of them, but for a few that rules before name.
const NEARLY_ALL: u128 = 65_000;
/// Up to so many sources are a few that are known.
const FEW: u128 = 256;
/// Work for one look at all packets of a firewall, in steps of [`Spaces`].
const LIMIT: u64 = 5_000_000;
/// Work for all looks at one firewall: so much, and so much more for each rule.
const LIMIT_OF_ALL: (u64, u64) = (12_000_000, 300);

/// Checks all firewalls of the site.
pub(super) fn check(judge: &Judge<'_>, workshop: Option<&Workshop<'_>>) -> Vec<Finding> {
    let order: Vec<usize> = (0..judge.firewalls.len()).collect();
    let found = cores::for_each(judge, &order, |_, at| {
        let Some(firewall) = judge.firewall(at) else { return (Vec::new(), Vec::new()) };
        let lens = Lens::of(judge, firewall, at);
        let selection = &judge.site.settings.selection;
        let mut findings = Vec::new();
        let wide = if selection.has_any(&[&PH201, &PH202]) { lens.openings() } else { Vec::new() };
        if let Some(close) = firewall.dialect.language().close.filter(|_| selection.has(&PH203)) {
            findings.extend(lens.default_accept(close));
        }
        if selection.has(&PH207) {
            findings.extend(lens.services());
        }
        if selection.has(&PH209) {
            findings.extend(lens.by_source_port());
        }
        if selection.has(&PH415) && PH415.dialects.contains(&firewall.dialect.name()) {
            findings.extend(lens.overruled());
        }
        findings.extend(lens.needed());
        (wide, findings)
    });
    let mut findings = Vec::new();
    for (wide, others) in found {
        findings.extend(wide.into_iter().map(|wide| wide.narrowed(judge, workshop)));
        findings.extend(others);
    }
    findings
}

/// A finding about a rule that lets much through, and what has to be closed for it to be gone.
struct Wide {
    finding: Finding,
    excess: Option<Excess>,
}

impl From<Finding> for Wide {
    fn from(finding: Finding) -> Wide {
        Wide { finding, excess: None }
    }
}

impl Wide {
    /// The finding, with the change that closes what is too much.
    fn narrowed(self, judge: &Judge<'_>, workshop: Option<&Workshop<'_>>) -> Finding {
        let Wide { mut finding, excess } = self;
        if let (Some(workshop), Some(excess)) = (workshop, excess) {
            let (lint, message) = (finding.lint(), finding.message.clone());
            let again = |judge: &Judge<'_>| {
                let same = |wide: &Wide| wide.finding.lint() == lint && wide.finding.message == message;
                let firewall = judge.firewall(excess.firewall);
                firewall.is_some_and(|own| Lens::of(judge, own, excess.firewall).openings().iter().any(same))
            };
            close::offer(judge, workshop, &excess, &mut finding, again);
        }
        finding
    }
}

/// One firewall, and what is inside of it.
struct Lens<'l, 'a> {
    judge: &'l Judge<'a>,
    firewall: &'a Firewall,
    at: usize,
    /// Work that may still be done.
    left: Cell<u64>,
    /// The interfaces that the rules name.
    named: Set,
    deciding: OnceCell<FxHashSet<ChainId>>,
    outside: OnceCell<Set>,
    /// For each family the sources that no rule names.
    unnamed: [OnceCell<Set>; 2],
    /// The fields that packets can get other values of on their way.
    changed: FxHashSet<Field>,
}

/// What a rule lets through to one kind of destination.
struct Opening {
    protocol: u8,
    family: Family,
    /// Which way the packets go.
    way: Way,
    /// All destination ports that can be reached through it.
    ports: Set,
    /// Those that no row of the catalog asks for.
    excess: Set,
    /// Where to.
    whom: String,
    /// How many addresses it is open to.
    sources: u128,
    /// They are most of the addresses that there are.
    any_source: bool,
    /// Nearly all ports are open by all interfaces.
    from_all: bool,
    /// By which of the interfaces of a made-up site it is.
    sides: Sides,
    /// The destinations.
    to: Set,
    /// It leads to most of the addresses that there are.
    anywhere: bool,
    /// Towards the outside.
    outward: bool,
    /// It is that of several rules of one line.
    several: bool,
    /// Lists of hosts that may stop some of it.
    lists: Vec<String>,
    /// A packet that gets through.
    witness: Option<Witness>,
}

impl Opening {
    /// Adds it to those of its line.
    fn join(mut self, all: &mut Vec<Opening>) {
        self.several = true;
        all.iter_mut().for_each(|known| known.several = true);
        let same = |known: &&mut Opening| {
            (known.protocol, known.family, known.way, &known.whom, known.outward)
                == (self.protocol, self.family, self.way, &self.whom, self.outward)
        };
        match all.iter_mut().find(same) {
            Some(known) => {
                known.ports = known.ports.or(&self.ports);
                known.excess = known.excess.or(&self.excess);
                known.sources = known.sources.max(self.sources);
                known.any_source |= self.any_source;
                known.from_all |= self.from_all;
                known.sides.join(&self.sides);
                known.to = known.to.or(&self.to);
                known.anywhere |= self.anywhere;
                known.lists.extend(self.lists);
                known.lists.sort_unstable();
                known.lists.dedup();
            }
            None => all.push(self),
        }
    }

    /// Whether it is one to the same place, of the same ports.
    fn is_like(&self, other: &Opening) -> bool {
        self.whom == other.whom && self.ports == other.ports && self.outward == other.outward
    }
}

/// What there is to say of a line.
enum Said {
    Nothing,
    /// It lets everything through that comes or leaves by some interfaces, from anybody.
    Trusts(Sides),
    Finding(Box<Wide>),
}

/// A rule that accepts, and what it looks for.
#[derive(Clone)]
struct Candidate {
    id: RuleId,
    every_protocol: bool,
}

impl<'l, 'a> Lens<'l, 'a> {
    fn of(judge: &'l Judge<'a>, firewall: &'a Firewall, at: usize) -> Self {
        let (some, each) = LIMIT_OF_ALL;
        Lens {
            judge,
            firewall,
            at,
            left: Cell::new(some + each * firewall.rules.rules() as u64),
            named: firewall.interfaces(),
            deciding: OnceCell::new(),
            outside: OnceCell::new(),
            unnamed: Default::default(),
            changed: measure::changed(&firewall.rules),
        }
    }
}

impl Lens<'_, '_> {
    /// A store for a look at packets of a family, with no more work than is left.
    fn store(&self, family: Family, limit: u64) -> Spaces {
        self.judge.spaces(family, limit.min(self.left.get()))
    }

    /// Takes the work of a store since it had done `before` from what is left.
    fn charge(&self, spaces: &Spaces, before: u64) {
        self.left.set(self.left.get().saturating_sub(spaces.work().saturating_sub(before)));
    }

    /// Whether nothing is said of openings to some hosts: nobody told what stands behind the firewall.
    fn by_any_source_alone(&self) -> bool {
        let site = self.judge.site;
        site.is_made_up() && site.devices.is_empty() && self.firewall.rules.outward.is_empty()
    }

    /// PH201 and PH202: rules that let much through.
    fn openings(&self) -> Vec<Wide> {
        let candidates = self.candidates();
        if candidates.is_empty() {
            return Vec::new();
        }
        let ways: &[Way] = match (self.host(), self.judge.site.is_made_up()) {
            (Some(_), _) => &[Way::Input],
            (None, true) => &[Way::Forward, Way::Input],
            (None, false) => &[Way::Forward],
        };
        let by_any_source_alone = self.by_any_source_alone();
        let mut openings: Vec<Vec<Opening>> = candidates.iter().map(|_| Vec::new()).collect();
        let mut given_up: Vec<usize> = Vec::new();
        for family in [Family::V4, Family::V6] {
            let ways = ways.iter().filter(|way| !by_any_source_alone || !self.lets_few_in(family, **way));
            for way in ways.filter(|_| self.firewall.speaks(family)) {
                self.measure(family, *way, &candidates, &mut openings, &mut given_up);
            }
        }
        let rules = &self.firewall.rules;
        let mut findings = self.by_line(&candidates, openings);
        let first = given_up.iter().min().map(|at| rules.rule(candidates[*at].id));
        given_up.sort_unstable();
        given_up.dedup();
        findings.extend(first.map(|rule| message::not_judged(rule, given_up.len()).into()));
        findings
    }

    /// The findings. A line that stands for several rules has one for all of them.
    fn by_line(&self, candidates: &[Candidate], openings: Vec<Vec<Opening>>) -> Vec<Wide> {
        let rules = &self.firewall.rules;
        let mut places: FxHashMap<Span, usize> = FxHashMap::default();
        let mut lines: Vec<(Candidate, Vec<Opening>)> = Vec::new();
        for (candidate, openings) in candidates.iter().zip(openings) {
            let next = lines.len();
            match places.entry(rules.rule(candidate.id).span()) {
                Entry::Vacant(place) => {
                    place.insert(next);
                    lines.push((candidate.clone(), openings));
                }
                Entry::Occupied(place) => {
                    let (line, known) = &mut lines[*place.get()];
                    line.every_protocol |= candidate.every_protocol;
                    openings.into_iter().for_each(|opening| opening.join(known));
                }
            }
        }
        let mut trusting: Vec<(Span, Sides)> = Vec::new();
        let mut findings = Vec::new();
        for (line, all) in &lines {
            match self.judged(line, rules.rule(line.id), all) {
                Said::Nothing => {}
                Said::Finding(wide) => findings.push(*wide),
                // What programs write there nobody else can write otherwise.
                Said::Trusts(_) if programs::makes_of(rules, line.id.chain) => {}
                Said::Trusts(sides) => trusting.push((rules.rule(line.id).span(), sides)),
            }
        }
        findings.extend(message::trusted(&trusting).map(Wide::from));
        findings
    }

    fn judged(&self, candidate: &Candidate, rule: &Rule, openings: &[Opening]) -> Said {
        let site = self.judge.site;
        let all_ports = openings.iter().filter(|opening| opening.ports.count() >= NEARLY_ALL);
        let (outward, inward): (Vec<&Opening>, Vec<&Opening>) =
            all_ports.partition(|opening| opening.outward);
        let to_all: Vec<&Opening> = inward.into_iter().filter(|opening| opening.any_source).collect();
        let mut any: Vec<&Opening> = to_all.iter().copied().filter(|opening| opening.from_all).collect();
        any.sort_by_key(|opening| !opening.lists.is_empty());
        if let Some(first) = any.first() {
            let mut wide = self.said(message::any_to_any(rule, &any, site.is_made_up()), first);
            wide.excess = self.of_outside(candidate.id, &any).filter(|_| first.lists.is_empty());
            wide.finding.careful = true;
            return Said::Finding(Box::new(wide));
        }
        if candidate.every_protocol {
            // Where the config itself says which side is the outside, what leaves without a limit is worth a word.
            let ranked = !self.firewall.rules.outward.is_empty();
            let for_many = |o: &&Opening| ranked && o.anywhere && o.sources > FEW;
            let anywhere: Vec<&Opening> = outward.into_iter().filter(for_many).collect();
            if let Some(first) = anywhere.first() {
                let wide = self.said(message::unrestricted(rule, &protocols(&anywhere)), first);
                return Said::Finding(Box::new(wide));
            }
            // All protocols by interfaces that it names are what such a rule is for.
            return if site.is_made_up() { trusts(&to_all) } else { Said::Nothing };
        }
        let wide = site.settings.wide_range.into();
        let widest = openings
            .iter()
            .filter(|opening| opening.ports.count() >= wide && self.is_for_many(opening))
            .max_by_key(|o| (o.lists.is_empty(), !o.outward, o.excess.count(), o.ports.count()));
        let Some(widest) = widest else { return Said::Nothing };
        let alike = openings.iter().filter(|o| o.several && widest.several && o.is_like(widest));
        let protocols = match protocols(&alike.collect::<Vec<_>>()) {
            none if none.is_empty() => vec![widest.protocol],
            several => several,
        };
        let mut said = self.said(self.too_wide(rule, widest, &protocols, wide), widest);
        if widest.excess.count() >= wide && widest.lists.is_empty() {
            said.excess = self.of_device(candidate.id, widest, &protocols);
        }
        Said::Finding(Box::new(said))
    }

    /// Whether a rule is for packets of connections that there are already alone, or for what a host sends to itself: nobody
    /// gets in by it.
    fn is_for_known(&self, steps: &[Step]) -> bool {
        let rules = &self.firewall.rules;
        steps.iter().any(|step| match *step {
            Step::Test(Test::In { field: Field::State, values, negate }) => {
                !self.changed.contains(&Field::State) && rules.holds(values, State::New as u128) == negate
            }
            Step::Test(Test::In { field: Field::Iif | Field::Oif, values, negate: false }) => {
                // pf names all of its loopback interfaces by their group.
                let group = Set::range(interface_prefix("lo0").0, interface_prefix("lo9").1);
                loopbacks().or(&group).covers(&rules.values(values))
            }
            Step::Test(_) | Step::Effect(_) | Step::Lookup(_) => false,
        })
    }

    /// Whether an opening is for more than a few who are known: ports between hosts are what a rule for these is for.
    fn is_for_many(&self, opening: &Opening) -> bool {
        let site = self.judge.site;
        opening.any_source || !site.is_made_up() || self.is_device(&opening.whom) && opening.sources > FEW
    }

    fn said(&self, mut finding: Finding, opening: &Opening) -> Wide {
        if opening.lists.is_empty() {
            witness::show(&mut finding, opening.witness.as_ref(), Some(self.at));
        } else {
            message::doubt(&mut finding, &opening.lists);
        }
        finding.into()
    }

    /// The rules that accept many ports.
    fn candidates(&self) -> Vec<Candidate> {
        let mut found = Vec::new();
        let deciding = self.deciding();
        for (chain, listed) in self.firewall.rules.chains.iter().enumerate() {
            let chain = ChainId(chain as u32);
            // What levels let pass by themselves has a finding of its own.
            if listed.kind == ChainKind::SecurityLevels || !deciding.contains(&chain) {
                continue;
            }
            for (index, rule) in listed.rules.iter().enumerate() {
                found.extend(self.candidate(RuleId { chain, index: index as u32 }, rule));
            }
        }
        self.without_few(found)
    }

    /// Those of lines that can be for anybody, where nothing is said of others: what is for hosts that are known is
    /// no opening as long as nobody told what stands behind the firewall.
    fn without_few(&self, mut candidates: Vec<Candidate>) -> Vec<Candidate> {
        let (site, rules) = (self.judge.site, &self.firewall.rules);
        if !site.is_made_up() || !site.devices.is_empty() {
            return candidates;
        }
        let outward = |candidate: &Candidate| candidate.every_protocol && !rules.outward.is_empty();
        let for_many =
            candidates.iter().filter(|candidate| outward(candidate) || !self.is_for_few(candidate.id));
        let lines: FxHashSet<Span> = for_many.map(|candidate| rules.rule(candidate.id).span()).collect();
        candidates.retain(|candidate| lines.contains(&rules.rule(candidate.id).span()));
        candidates
    }

    fn candidate(&self, id: RuleId, rule: &Rule) -> Option<Candidate> {
        let rules = &self.firewall.rules;
        let steps = rules.steps_of(rule);
        let accepts = |step: &Step| {
            matches!(step, Step::Effect(Effect::Verdict(Verdict::Accept) | Effect::Pend(Verdict::Accept)))
        };
        if !steps.iter().any(accepts) || self.is_for_known(steps) {
            return None;
        }
        let mut candidate = Candidate { id, every_protocol: true };
        for step in steps {
            let Step::Test(Test::In { field, values, negate }) = *step else { continue };
            let set = rules.values(values);
            match field {
                _ if negate => {}
                Field::IcmpType | Field::IcmpCode => return None,
                // Such a rule is PH209.
                Field::Sport if set.count() <= FEW_SOURCES => return None,
                Field::Proto => {
                    if !set.contains(proto::TCP.into()) && !set.contains(proto::UDP.into()) {
                        return None;
                    }
                    candidate.every_protocol = false;
                }
                Field::Dport if set.count() < self.judge.site.settings.wide_range.into() => return None,
                _ => {}
            }
        }
        Some(candidate)
    }
}

/// What there is to say of what comes or leaves by some interfaces: to a few hosts, and between hosts of one link, all
/// ports are what such a rule is for.
fn trusts(openings: &[&Opening]) -> Said {
    let mut wide = openings.iter().filter(|opening| opening.to.count() > FEW && !opening.sides.is_one());
    let Some(first) = wide.next() else { return Said::Nothing };
    let mut sides = first.sides.clone();
    wide.for_each(|other| sides.join(&other.sides));
    Said::Trusts(sides)
}

/// The protocols of openings, each once.
fn protocols(openings: &[&Opening]) -> Vec<u8> {
    let mut all: Vec<u8> = openings.iter().map(|opening| opening.protocol).collect();
    all.sort_unstable();
    all.dedup();
    all
}
