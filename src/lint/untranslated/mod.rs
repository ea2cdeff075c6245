//! PH520 for Linux: a rule for packets to the box, about a port that translation sends elsewhere before.

mod replaced;

use rustc_hash::FxHashSet;

use crate::finding::Finding;
use crate::judge::{Firewall, Judge};
use crate::model::{ChainId, Effect, Hook, NatAddr, NatPort, Rule, Ruleset, Step, Test, Verdict};
use crate::packet::{Field, Set, proto};
use crate::rule::PH520;
use crate::source::Span;

/// The most translations that rules are held against.
const MOST: usize = 500;

/// Checks all firewalls of the site.
pub(super) fn check(judge: &Judge<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for at in 0..judge.firewalls.len() {
        let Some(firewall) = judge.firewall(at) else { continue };
        if firewall.dialect.language().has_chains {
            findings.extend(of(firewall));
        }
    }
    findings
}

/// A translation of a port to another host.
struct Sent {
    span: Span,
    limits: Limits,
    to: String,
}

/// What a rule asks for, as far as it can be held against another.
#[derive(Default)]
struct Limits {
    proto: Option<Set>,
    ports: Option<Set>,
    dst: Option<Set>,
}

impl Limits {
    /// Whether some packet may be asked for by both.
    fn meets(&self, other: &Limits) -> bool {
        let meets = |one: &Option<Set>, other: &Option<Set>| match (one, other) {
            (Some(one), Some(other)) => one.meets(other),
            (None, _) | (_, None) => true,
        };
        meets(&self.proto, &other.proto) && meets(&self.ports, &other.ports) && meets(&self.dst, &other.dst)
    }
}

fn of(firewall: &Firewall) -> Vec<Finding> {
    let rules = &firewall.rules;
    let sent = translations(rules);
    let input = walked(rules, &[Hook::Input]);
    let others = walked(rules, &[Hook::Prerouting, Hook::Forward, Hook::Output, Hook::Postrouting]);
    let mut findings = Vec::new();
    for (at, chain) in rules.chains.iter().enumerate() {
        let id = ChainId(at as u32);
        if !input.contains(&id) || others.contains(&id) {
            continue;
        }
        for rule in &chain.rules {
            if let Some(sent) = missed(rules, rule, &sent) {
                findings.push(finding(rule, sent));
            }
        }
    }
    findings.extend(replaced::find(rules));
    findings
}

fn finding(rule: &Rule, sent: &Sent) -> Finding {
    let message = format!("the rule refuses nobody whom translation has sent on to {} before", sent.to);
    Finding::of(&PH520, rule.span(), message)
        .label("for packets to this host alone")
        .related(sent.span, "sends packets to this port elsewhere, before any filter rule")
        .notice("The port looks closed, and is open.")
        .help(
            "Refuse them where forwarded packets pass: in `DOCKER-USER` with Docker, else in the forward chain. There \
             they have the translated address and port; `--ctorigdstport` or `ct original proto-dst` name the one that \
             was asked for.",
        )
}

/// The first translation that takes packets which a rule means to refuse, all of whose ports it has.
fn missed<'s>(rules: &Ruleset, rule: &Rule, sent: &'s [Sent]) -> Option<&'s Sent> {
    let steps = rules.steps_of(rule);
    let refuses =
        |step: &Step| matches!(step, Step::Effect(Effect::Verdict(Verdict::Drop | Verdict::Reject(_))));
    if !steps.iter().any(refuses) {
        return None;
    }
    let own = limits(rules, steps)?;
    let ports = own.ports.as_ref()?;
    sent.iter().find(|sent| {
        sent.limits.ports.as_ref().is_some_and(|sent| sent.covers(ports)) && own.meets(&sent.limits)
    })
}

/// The translations that send a port to one other host.
fn translations(rules: &Ruleset) -> Vec<Sent> {
    let mut first: Vec<ChainId> = walked(rules, &[Hook::Prerouting]).into_iter().collect();
    first.sort_unstable();
    let mut found = Vec::new();
    for chain in first {
        for rule in &rules.chain(chain).rules {
            let steps = rules.steps_of(rule);
            let nat = steps.iter().find_map(|step| match step {
                Step::Effect(Effect::Nat(nat)) => Some(rules.nat(*nat)),
                Step::Effect(_) | Step::Test(_) | Step::Lookup(_) => None,
            });
            let Some(nat) = nat.filter(|nat| nat.destination) else { continue };
            let NatAddr::Pool(family, lo, hi) = nat.addr else { continue };
            if lo != hi || rules.delivered_set(family).contains(lo) {
                continue;
            }
            let Some(limits) = limits(rules, steps) else { continue };
            let host = family.address(lo);
            let to = match nat.port {
                NatPort::Pool(from, to) if from == to => format!("`{host}` port {from}"),
                _ => format!("`{host}`"),
            };
            if limits.ports.is_some() && found.len() < MOST {
                found.push(Sent { span: rule.span(), limits, to });
            }
        }
    }
    found
}

/// What a rule asks for; `None` where it is about other packets than first ones.
fn limits(rules: &Ruleset, steps: &[Step]) -> Option<Limits> {
    let mut limits = Limits::default();
    for step in steps {
        let Step::Test(test) = step else { continue };
        let Test::In { field, values, negate } = *test else { continue };
        let set = rules.values(values);
        if field == Field::State && set.contains(crate::packet::State::New as u128) == negate {
            return None;
        }
        match field {
            _ if negate => {}
            Field::Proto => limits.proto = Some(set),
            Field::Dport => limits.ports = Some(set),
            Field::Dst4 | Field::Dst6 => limits.dst = Some(set),
            _ => {}
        }
    }
    let carried = Set::of(proto::WITH_PORTS.map(|p| (p.into(), p.into())));
    limits.proto = limits.proto.or(Some(carried));
    Some(limits)
}

/// The chains that the stages of hooks walk.
fn walked(rules: &Ruleset, hooks: &[Hook]) -> FxHashSet<ChainId> {
    rules.reached(hooks.iter().flat_map(|hook| rules.stages(*hook)).map(|stage| stage.chain))
}
