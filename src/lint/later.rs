//! The rule that would let a flow through, if the rule that decides did not come first.

use super::judge::{Ask, Blame, Judge};
use crate::analysis::Decider;
use crate::model::{Effect, Rule, Ruleset, Step, Test, Verdict};
use crate::packet::{Dim, Region, Set};
use crate::site::Party;
use crate::source::Span;

/// How many rules behind the one that decides are looked at: a hint is not worth a pass through a large file.
const NEAR: usize = 4096;

/// The first rule behind the one that decides, in the same chain, that names ports and lets some of the
/// blocked ones through.
pub fn rule_behind(
    judge: &Judge<'_>,
    ask: &Ask<'_>,
    party: &Party,
    blame: &Blame,
    blocked: &Set,
) -> Option<Span> {
    let Decider::Rule(decides) = blame.share.by else { return None };
    let rules = &judge.firewall(blame.firewall)?.rules;
    let packets = judge.packets_at(ask, party, blame.firewall)?.with(Dim::Dport, blocked.clone());
    let behind = rules.chain(decides.chain).rules.iter().skip(decides.index as usize + 1).take(NEAR);
    let own = rules.rule(decides).span;
    behind
        .filter(|rule| rule.span != own)
        .find(|rule| lets_through(rules, rule, &packets))
        .map(|rule| rule.span)
}

/// Whether a rule accepts some of the packets for certain, and names ports.
fn lets_through(rules: &Ruleset, rule: &Rule, packets: &Region) -> bool {
    let (mut accepts, mut names_ports) = (false, false);
    for step in rules.steps_of(rule) {
        match *step {
            Step::Test(Test::In { field, values, negate }) => {
                if field.family().is_some_and(|family| family != packets.family()) {
                    return false;
                }
                let Some(dim) = Dim::of(field) else { return false };
                let (side, set) = (packets.values(dim), rules.values(values));
                if (if negate { side.minus(&set) } else { side.and(&set) }).is_empty() {
                    return false;
                }
                names_ports |= dim == Dim::Dport && !negate;
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
