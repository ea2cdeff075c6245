//! Rules for forwarded packets that name the address which translation has replaced before.

use super::{Limits, MOST, limits};
use crate::finding::Finding;
use crate::model::{ChainId, Effect, Hook, NatAddr, NatPort, Rule, Ruleset, StageKind, Step, Test, Verdict};
use crate::packet::{Family, Field, Set};
use crate::rule::PH520;
use crate::source::Span;

/// What a translation may ask for so that it is known of which packets it is made.
const NAMED: [Field; 5] = [Field::Proto, Field::Dport, Field::Dst4, Field::Dst6, Field::Iif];

/// A translation of all packets that it names to another host.
struct Replaced {
    span: Span,
    limits: Limits,
    iif: Option<Set>,
    family: Family,
    /// The address afterwards, and the ports where they are not what they were.
    host: u128,
    ports: Option<Set>,
}

/// A rule that lets forwarded packets through.
struct Accepting<'r> {
    rule: &'r Rule,
    limits: Limits,
    iif: Option<Set>,
}

/// Rules that let through what is for a replaced address, where none lets through what has become of it.
pub(super) fn find(rules: &Ruleset) -> Vec<Finding> {
    let filters = || rules.stages(Hook::Forward).iter().filter(|stage| stage.kind == StageKind::Filter);
    if filters().all(|stage| stage.policy == Verdict::Accept) {
        return Vec::new();
    }
    let replacing = replacing(rules);
    if replacing.is_empty() {
        return Vec::new();
    }
    let accepting = accepting(rules, filters().map(|stage| stage.chain));
    let named = accepting.iter().filter(|accepting| accepting.limits.dst.is_some());
    let mut findings = Vec::new();
    for Accepting { rule, limits: own, iif } in named {
        let found = replacing.iter().find(|replaced| {
            covers(&replaced.limits.dst, &own.dst)
                && covers(&replaced.limits.proto, &own.proto)
                && covers(&replaced.limits.ports, &own.ports)
                && covers(&replaced.iif, iif)
        });
        let Some(found) = found else { continue };
        let ports = found.ports.clone().or(own.ports.clone());
        let now = Limits { proto: own.proto.clone(), ports, dst: Some(Set::one(found.host)) };
        if !accepting.iter().any(|other| other.limits.meets(&now)) {
            findings.push(word(rule, own, found));
        }
    }
    findings
}

/// Whether all that one asks for is asked for by the other.
fn covers(all: &Option<Set>, part: &Option<Set>) -> bool {
    match (all, part) {
        (None, _) => true,
        (Some(all), Some(part)) => all.covers(part),
        (Some(_), None) => false,
    }
}

fn word(rule: &Rule, own: &Limits, found: &Replaced) -> Finding {
    let named = own.dst.as_ref().and_then(Set::single);
    let named = named.map_or("an address".to_string(), |host| format!("`{}`", found.family.address(host)));
    let host = found.family.address(found.host);
    let message = format!("the rule names {named}, which translation has replaced by `{host}` before");
    Finding::of(&PH520, rule.span(), message)
        .label("never meets a new connection")
        .related(found.span, "translates before any filter rule")
        .notice("The redirection looks complete, and every redirected connection is blocked.")
        .help(format!("Name `{host}` here: forwarded packets have the inner address and port."))
}

/// The rules of chains, and of those that they lead to, that let packets through or may.
fn accepting(rules: &Ruleset, from: impl Iterator<Item = ChainId>) -> Vec<Accepting<'_>> {
    let reached = rules.reached(from);
    let chains = rules.chains.iter().enumerate().filter(|(at, _)| reached.contains(&ChainId(*at as u32)));
    let accepts = |effect: Effect| matches!(effect, Effect::Verdict(Verdict::Accept) | Effect::Undefined(_));
    let all = chains.flat_map(|(_, chain)| &chain.rules);
    all.filter(|rule| rules.effects(rules.steps_of(rule)).any(accepts))
        .filter_map(|rule| {
            let steps = rules.steps_of(rule);
            Some(Accepting { rule, limits: limits(rules, steps)?, iif: interfaces(rules, steps) })
        })
        .collect()
}

/// The translations that are made of all packets that they name: in a chain of a hook, with nothing before them that lets
/// packets go without.
fn replacing(rules: &Ruleset) -> Vec<Replaced> {
    let mut found = Vec::new();
    for stage in rules.stages(Hook::Prerouting).iter().filter(|stage| stage.kind != StageKind::Filter) {
        for rule in &rules.chain(stage.chain).rules {
            let steps = rules.steps_of(rule);
            let only = |effect: Effect| matches!(effect, Effect::Nat(_) | Effect::Verdict(Verdict::Accept));
            let nat = rules.effects(steps).find_map(|effect| {
                let Effect::Nat(nat) = effect else { return None };
                Some(rules.nat(nat))
            });
            let Some(nat) = nat.filter(|_| rules.effects(steps).all(only)) else { break };
            let NatAddr::Pool(family, lo, hi) = nat.addr else { continue };
            let one = nat.destination && lo == hi && !rules.delivered_set(family).contains(lo);
            let limits = limits(rules, steps).filter(|limits| limits.dst.is_some());
            let Some(limits) = limits.filter(|_| one && is_plain(steps) && found.len() < MOST) else {
                continue;
            };
            let ports = match nat.port {
                NatPort::Keep => None,
                NatPort::Pool(from, to) => Some(Set::range(from.into(), to.into())),
                NatPort::Random(..) | NatPort::Shift(_) | NatPort::Unknown => Some(Set::range(0, 65535)),
            };
            found.push(Replaced {
                span: rule.span(),
                iif: interfaces(rules, steps),
                limits,
                family,
                host: lo,
                ports,
            });
        }
    }
    found
}

/// Whether a rule asks for nothing but what is held against others.
fn is_plain(steps: &[Step]) -> bool {
    steps.iter().all(|step| match step {
        Step::Test(test) => matches!(test, Test::In { field, negate: false, .. } if NAMED.contains(field)),
        Step::Lookup(_) => false,
        Step::Effect(_) => true,
    })
}

/// The interfaces by which packets come that a rule asks for.
fn interfaces(rules: &Ruleset, steps: &[Step]) -> Option<Set> {
    steps.iter().find_map(|step| {
        let Step::Test(Test::In { field: Field::Iif, values, negate: false }) = *step else { return None };
        Some(rules.values(values))
    })
}
