//! The rule that would let a flow through, if the rule that decides did not come first.

use crate::analysis::Decider;
use crate::judge::{Judge, Share};
use crate::model::{Effect, Rule, Ruleset, Step, Test, Verdict};
use crate::packet::{Family, Field, Set, State};
use crate::site::{Leg, Party};
use crate::source::Span;

/// How many rules behind the one that decides are looked at: a hint is not worth a pass through a large file.
const NEAR: usize = 4096;

/// Packets that are blocked.
pub(super) struct Wanted<'a> {
    /// Their family.
    pub family: Family,
    /// Their protocol.
    pub protocol: u8,
    /// Their destination ports.
    pub ports: &'a Set,
    /// The device's addresses.
    pub near: &'a Set,
    /// Who is at the other end.
    pub far: &'a Party,
    /// Who opens the connection.
    pub leg: Leg,
}

impl Wanted<'_> {
    /// The values that the packets have in a field, as the filters of the firewall see it; `None` where it can
    /// be any.
    fn values(&self, field: Field) -> Option<Set> {
        let far = || self.far.places.iter().fold(Set::empty(), |set, far| set.or(far.addresses(self.family)));
        Some(match field {
            Field::Proto => Set::one(self.protocol.into()),
            Field::Dport => self.ports.clone(),
            Field::State => Set::one(State::New as u128),
            Field::Src4 | Field::Src6 if self.leg == Leg::FromDevice => self.near.clone(),
            Field::Src4 | Field::Src6 => far(),
            Field::Dst4 | Field::Dst6 if self.leg == Leg::FromDevice => far(),
            Field::Dst4 | Field::Dst6 => self.near.clone(),
            _ => return None,
        })
    }
}

/// The first rule behind the one that decides, in the same chain, that names ports and lets some of the
/// blocked ones through.
pub(super) fn rule_behind(judge: &Judge<'_>, wanted: &Wanted<'_>, share: &Share) -> Option<Span> {
    let Decider::Rule(decides) = share.by else { return None };
    let rules = &judge.firewall(share.firewall)?.rules;
    let behind = rules.chain(decides.chain).rules.iter().skip(decides.index as usize + 1).take(NEAR);
    let own = rules.rule(decides).span();
    behind
        .filter(|rule| rule.span() != own)
        .find(|rule| lets_through(rules, rule, wanted))
        .map(|rule| rule.span())
}

/// Whether a rule accepts some of the packets for certain, and names ports.
fn lets_through(rules: &Ruleset, rule: &Rule, packets: &Wanted<'_>) -> bool {
    let (mut accepts, mut names_ports) = (false, false);
    for step in rules.steps_of(rule) {
        match *step {
            Step::Test(Test::In { field, values, negate }) => {
                if field.family().is_some_and(|family| family != packets.family) {
                    return false;
                }
                let Some(side) = packets.values(field) else { continue };
                let set = rules.values(values);
                if (if negate { side.minus(&set) } else { side.and(&set) }).is_empty() {
                    return false;
                }
                names_ports |= field == Field::Dport && !negate;
            }
            Step::Test(_) | Step::Lookup(_) => return false,
            Step::Effect(Effect::Verdict(verdict) | Effect::Pend(verdict)) => {
                accepts = verdict == Verdict::Accept;
            }
            Step::Effect(Effect::Jump(_) | Effect::Goto(_) | Effect::Return | Effect::NextRule) => {
                return false;
            }
            Step::Effect(_) => {}
        }
    }
    accepts && names_ports
}
