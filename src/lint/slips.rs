//! PH107: the right ports, opened for the wrong transport.

use super::closed;
use crate::analysis::Decider;
use crate::catalog::{Need, Transport};
use crate::judge::{Ask, Desk, Kind, Near, Share, Want, number};
use crate::model::{Ruleset, Step, Test};
use crate::packet::{Field, Set};
use crate::site::{Far, Flow, Party};

/// The transport that the other one is mistaken for.
pub(super) fn other(transport: Transport) -> Transport {
    match transport {
        Transport::Tcp => Transport::Udp,
        Transport::Udp => Transport::Tcp,
    }
}

/// The rule that opens most of the blocked ports to the same party for the other transport, and names them; `all`
/// where the party is several that all have to get through.
pub(super) fn rule(
    desk: &mut Desk<'_, '_>,
    flow: &Flow<'_>,
    near: &Near,
    (party, all): (&Party, bool),
    (transport, blocked): (Transport, &Set),
) -> Option<Share> {
    if flow.requirement.severity != Need::Mandatory || flow.any_port || flow.either_transport {
        return None;
    }
    let (judge, wrong) = (desk.judge(), other(transport));
    // What is needed over the other transport as well is opened there for its own sake.
    let ports = blocked.minus(&closed::used(judge, (flow.device, near), flow.leg, wrong, |_| true));
    if ports.is_empty() {
        return None;
    }
    let ask =
        Ask { device: flow.near(), near, leg: flow.leg, protocol: number(wrong), ports: &ports, from: None };
    let answer = desk.judge_leg(&ask, party, Kind::First, Want::Openings)?;
    if answer.open.count() * 2 < blocked.count() {
        return None;
    }
    let places: Vec<&Far> = party.places.iter().collect();
    if all && !desk.all_pass(&Ask { ports: &answer.open, ..ask }, &places, false) {
        return None;
    }
    let needed = closed::used(judge, (flow.device, near), flow.leg, transport, |_| true);
    let opened = closed::opened_by(desk, &ask, party);
    let most = answer.openers.into_iter().max_by_key(|share| share.values.count())?;
    let much = most.values.count() * 2 >= blocked.count();
    let rules = &judge.firewall(most.firewall)?.rules;
    (much && is_about(rules, most.by, (wrong, transport)) && closed::names(&opened, &most, &needed))
        .then_some(most)
}

/// Whether who lets packets through is a rule for ports of a transport, and not of the one that is needed: a policy, and
/// a rule for everything, mistake nothing.
fn is_about(rules: &Ruleset, by: Decider, (wrong, needed): (Transport, Transport)) -> bool {
    let Decider::Rule(id) = by else { return false };
    let (mut transport, mut ports) = (false, false);
    for step in rules.steps_of(rules.rule(id)) {
        let Step::Test(Test::In { field, values, negate: false }) = *step else { continue };
        let set = rules.values(values);
        match field {
            Field::Proto => {
                transport = set.contains(number(wrong).into()) && !set.contains(number(needed).into());
            }
            Field::Dport => ports = true,
            _ => {}
        }
    }
    transport && ports
}
