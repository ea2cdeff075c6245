//! PH201, PH202 and PH203: openings that are too wide, judged by what they let through after the rules
//! before them.

mod measure;
mod policy;
mod strangers;
mod unasked;
mod words;

use std::cell::Cell;
use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use super::{cores, witness};
use crate::finding::Finding;
use crate::judge::{Firewall, Judge, Witness};
use crate::model::{ChainId, ChainKind, Effect, Rule, RuleId, Step, Test, Verdict, Way};
use crate::packet::{Family, Field, Set, Spaces, State, proto};
use crate::rule::{Lint, PH201, PH202, PH203};
use crate::site::loopbacks;
use crate::source::Span;

/// What is found here.
pub(super) const LINTS: &[&Lint] = &[&PH201, &PH202, &PH203];

/// So many ports of a protocol are all of them, but for a few that rules before name.
const NEARLY_ALL: u128 = 65_000;
/// Work for one look at all packets of a firewall, in steps of [`Spaces`].
const LIMIT: u64 = 5_000_000;
/// Work for all looks at one firewall: so much, and so much more for each rule.
const LIMIT_OF_ALL: (u64, u64) = (12_000_000, 300);

/// Checks all firewalls of the site.
pub fn check(judge: &Judge<'_>) -> Vec<Finding> {
    let order: Vec<usize> = (0..judge.firewalls.len()).collect();
    let findings = cores::for_each(judge, &order, |_, at| {
        let Some(firewall) = judge.firewall(at) else { return Vec::new() };
        let (some, each) = LIMIT_OF_ALL;
        let left = Cell::new(some + each * firewall.rules.rules() as u64);
        let lens = Lens { judge, firewall, at, left };
        let selection = &judge.site.settings.selection;
        let mut findings = Vec::new();
        if selection.has_any(&[&PH201, &PH202]) {
            findings.extend(lens.openings());
        }
        if let Some(close) = firewall.dialect.language().close.filter(|_| selection.has(&PH203)) {
            findings.extend(lens.default_accept(close));
        }
        findings
    });
    findings.into_iter().flatten().collect()
}

/// One firewall, and what is inside of it.
struct Lens<'l, 'a> {
    judge: &'l Judge<'a>,
    firewall: &'a Firewall,
    at: usize,
    /// Work that may still be done.
    left: Cell<u64>,
}

/// What a rule lets through to one kind of destination.
struct Opening {
    protocol: u8,
    /// All destination ports that can be reached through it.
    ports: Set,
    /// Those that no row of the catalog asks for.
    excess: Set,
    /// Where to.
    whom: String,
    /// It is open to most of the addresses that there are.
    any_source: bool,
    /// It leads to most of the addresses that there are.
    anywhere: bool,
    /// Towards the outside.
    outward: bool,
    /// It is that of several rules of one line.
    several: bool,
    /// A packet that gets through.
    witness: Option<Witness>,
}

impl Opening {
    /// Adds it to those of its line.
    fn join(mut self, all: &mut Vec<Opening>) {
        self.several = true;
        all.iter_mut().for_each(|known| known.several = true);
        let same = |known: &&mut Opening| {
            (known.protocol, &known.whom, known.outward) == (self.protocol, &self.whom, self.outward)
        };
        match all.iter_mut().find(same) {
            Some(known) => {
                known.ports = known.ports.or(&self.ports);
                known.excess = known.excess.or(&self.excess);
                known.any_source |= self.any_source;
                known.anywhere |= self.anywhere;
            }
            None => all.push(self),
        }
    }

    /// Whether it is one to the same place, of the same ports.
    fn is_like(&self, other: &Opening) -> bool {
        self.whom == other.whom && self.ports == other.ports && self.outward == other.outward
    }
}

/// A rule that accepts, and what it looks for.
#[derive(Clone)]
struct Candidate {
    id: RuleId,
    every_protocol: bool,
    from_any_interface: bool,
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

    /// PH201 and PH202: rules that let much through.
    fn openings(&self) -> Vec<Finding> {
        let candidates = self.candidates();
        if candidates.is_empty() {
            return Vec::new();
        }
        let ways: &[Way] = match (self.host(), self.judge.site.is_made_up()) {
            (Some(_), _) => &[Way::Input],
            (None, true) => &[Way::Forward, Way::Input],
            (None, false) => &[Way::Forward],
        };
        let mut openings: Vec<Vec<Opening>> = candidates.iter().map(|_| Vec::new()).collect();
        let mut given_up: Vec<usize> = Vec::new();
        for family in [Family::V4, Family::V6] {
            for way in ways.iter().filter(|_| self.firewall.speaks(family)) {
                self.measure(family, *way, &candidates, &mut openings, &mut given_up);
            }
        }
        let rules = &self.firewall.rules;
        let mut findings = self.by_line(&candidates, openings);
        let first = given_up.iter().min().map(|at| rules.rule(candidates[*at].id));
        given_up.sort_unstable();
        given_up.dedup();
        findings.extend(first.map(|rule| words::not_judged(rule, given_up.len())));
        findings
    }

    /// The findings. A line that stands for several rules has one for all of them.
    fn by_line(&self, candidates: &[Candidate], openings: Vec<Vec<Opening>>) -> Vec<Finding> {
        let rules = &self.firewall.rules;
        let mut places: FxHashMap<Span, usize> = FxHashMap::default();
        let mut lines: Vec<(Candidate, Vec<Opening>)> = Vec::new();
        for (candidate, openings) in candidates.iter().zip(openings) {
            let next = lines.len();
            match places.entry(rules.rule(candidate.id).span) {
                Entry::Vacant(place) => {
                    place.insert(next);
                    lines.push((candidate.clone(), openings));
                }
                Entry::Occupied(place) => {
                    let (line, known) = &mut lines[*place.get()];
                    line.every_protocol |= candidate.every_protocol;
                    line.from_any_interface |= candidate.from_any_interface;
                    openings.into_iter().for_each(|opening| opening.join(known));
                }
            }
        }
        let judged = lines.iter().filter_map(|(line, all)| self.judged(line, rules.rule(line.id), all));
        judged.collect()
    }

    fn judged(&self, candidate: &Candidate, rule: &Rule, openings: &[Opening]) -> Option<Finding> {
        let all_ports = openings.iter().filter(|opening| opening.ports.count() >= NEARLY_ALL);
        let (outward, inward): (Vec<&Opening>, Vec<&Opening>) =
            all_ports.partition(|opening| opening.outward);
        let any: Vec<&Opening> = inward.into_iter().filter(|opening| opening.any_source).collect();
        if let Some(first) = any.first().filter(|_| candidate.from_any_interface) {
            let mut finding = words::any_to_any(rule, &protocols(&any));
            witness::show(&mut finding, first.witness.as_ref(), Some(self.at));
            return Some(finding);
        }
        if candidate.every_protocol {
            // Where the config itself says which side is the outside, what leaves without a limit is worth a word.
            let ranked = !self.firewall.rules.outward.is_empty();
            let anywhere: Vec<&Opening> = outward.into_iter().filter(|o| ranked && o.anywhere).collect();
            let first = anywhere.first()?;
            let mut finding = words::unrestricted(rule, &protocols(&anywhere));
            witness::show(&mut finding, first.witness.as_ref(), Some(self.at));
            return Some(finding);
        }
        let wide = self.judge.site.settings.wide_range.into();
        let widest = openings
            .iter()
            .filter(|opening| opening.ports.count() >= wide)
            .max_by_key(|o| (!o.outward, o.excess.count(), o.ports.count()))?;
        let alike = openings.iter().filter(|o| o.several && widest.several && o.is_like(widest));
        let protocols = match protocols(&alike.collect::<Vec<_>>()) {
            none if none.is_empty() => vec![widest.protocol],
            several => several,
        };
        let mut finding = self.too_wide(rule, widest, &protocols, wide);
        witness::show(&mut finding, widest.witness.as_ref(), Some(self.at));
        Some(finding)
    }

    /// The rules that accept many ports.
    fn candidates(&self) -> Vec<Candidate> {
        let mut found = Vec::new();
        for (chain, listed) in self.firewall.rules.chains.iter().enumerate() {
            // What levels let pass by themselves has a finding of its own.
            if listed.kind == ChainKind::SecurityLevels {
                continue;
            }
            for (index, rule) in listed.rules.iter().enumerate() {
                let id = RuleId { chain: ChainId(chain as u32), index: index as u32 };
                found.extend(self.candidate(id, rule));
            }
        }
        found
    }

    fn candidate(&self, id: RuleId, rule: &Rule) -> Option<Candidate> {
        let rules = &self.firewall.rules;
        let steps = rules.steps_of(rule);
        let accepts = |step: &Step| {
            matches!(step, Step::Effect(Effect::Verdict(Verdict::Accept) | Effect::Pend(Verdict::Accept)))
        };
        if !steps.iter().any(accepts) {
            return None;
        }
        let mut candidate = Candidate { id, every_protocol: true, from_any_interface: true };
        for step in steps {
            let Step::Test(Test::In { field, values, negate: false }) = *step else { continue };
            let set = rules.values(values);
            match field {
                Field::State if !set.contains(State::New as u128) => return None,
                Field::IcmpType | Field::IcmpCode => return None,
                Field::Proto => {
                    if !set.contains(proto::TCP.into()) && !set.contains(proto::UDP.into()) {
                        return None;
                    }
                    candidate.every_protocol = false;
                }
                // What a host sends to itself is nobody's opening.
                Field::Iif if loopbacks().covers(&set) => return None,
                Field::Iif | Field::Oif if self.judge.site.is_made_up() => {
                    candidate.from_any_interface = false
                }
                Field::Dport if set.count() < self.judge.site.settings.wide_range.into() => return None,
                _ => {}
            }
        }
        // All protocols between interfaces that it names are what such a rule is for.
        let meant = candidate.every_protocol && !candidate.from_any_interface;
        (!meant).then_some(candidate)
    }
}

/// The protocols of openings, each once.
fn protocols(openings: &[&Opening]) -> Vec<u8> {
    let mut all: Vec<u8> = openings.iter().map(|opening| opening.protocol).collect();
    all.sort_unstable();
    all.dedup();
    all
}
