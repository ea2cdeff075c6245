//! What help says: what to put in and where, or what is in the way.

use super::{Outcome, Remedy, owner};
use crate::analysis::Decider;
use crate::finding::Mend;
use crate::judge::Judge;
use crate::lint::requirements::{Fault, Trouble};
use crate::lint::{slips, words};
use crate::packet::Set;
use crate::site::Leg;

/// The help for a group of troubles. Where one place takes all lines, the help names it in the place of them.
pub(crate) fn help(judge: &Judge<'_>, group: &[Trouble<'_>], found: &mut Outcome) -> String {
    let first = &group[0];
    let mut help = notes(group);
    if !first.certain {
        help += "See whether what it depends on lets the peers through. Where it does, accept the finding with \
                 `[[check.ignore]]` and say why. ";
    }
    match found {
        Outcome::Works(remedy) => {
            let by_tool = owner::command(judge, remedy);
            if !remedy.answered {
                help += "Its answers are blocked as well, which is a finding of its own then. ";
            }
            help += &works(group, remedy);
            if !by_tool.is_empty() {
                help = format!("{by_tool} {help}");
            }
        }
        Outcome::Nothing => help += &in_the_way(judge, first),
        Outcome::Untried => help += untried(first),
    }
    help.trim_end().to_string()
}

/// What to know before anything is opened.
fn notes(group: &[Trouble<'_>]) -> String {
    let first = &group[0];
    let mut notes = String::new();
    if first.fault == Fault::WrongTransport {
        let (right, wrong) = (first.transport.name(), slips::other(first.transport).name());
        notes +=
            &format!("They are needed for {right}, and not for {wrong}: this rule has the wrong transport. ");
    }
    if first.reply() {
        return notes;
    }
    if let Some(condition) = first.flow.requirement.condition.as_deref().filter(|_| first.flow.doubtful) {
        notes += &format!("Needed only where {condition}. ");
    }
    if first.flow.any_port {
        notes += "The far end chooses the port, so the rule names all that it may choose. ";
    }
    let limited = |trouble: &Trouble<'_>| {
        let world = trouble.flow.requirement.by_design.is_some();
        trouble.whom.party.anybody && trouble.flow.leg == Leg::ToDevice && !world
    };
    if group.iter().any(limited) {
        notes += "Limit it to those who need it: the site file names nobody as their `[[peer]]`. ";
    }
    notes
}

/// What the lines do, and where they go.
fn works(group: &[Trouble<'_>], remedy: &mut Remedy) -> String {
    let first = &group[0];
    let astray =
        first.blame.first().is_some_and(|share| share.astray && matches!(share.by, Decider::Rule(_)));
    let what = match remedy.translates.first() {
        Some((wanted, to)) => {
            let public = wanted.dst.map_or(String::new(), |dst| dst.address.to_string());
            let why = if astray {
                format!("This rule leads packets to {public} elsewhere than to the same port of {to}.")
            } else {
                format!("Packets to {public} are not translated on these ports.")
            };
            let pass = if remedy.passes.is_empty() { "" } else { " and let them through" };
            let whole = match remedy.whole {
                true => "; what else the access list lets through to it is reached then, too",
                false => "",
            };
            format!("{why} Translate them to {to}{pass}{whole}")
        }
        None if first.reply() => "Let the answers through".to_string(),
        None if first.certain && in_pairs(group, remedy) => {
            "Let it through, RTP and its RTCP in pairs,".to_string()
        }
        None if first.certain => "Let it through".to_string(),
        None => "Where it does not, let them through without conditions".to_string(),
    };
    match remedy.mends.as_mut_slice() {
        [Mend { place, .. }] => format!("{what} {}:", std::mem::take(place)),
        _ => format!("{what} by these lines:"),
    }
}

/// Whether lines take the RTCP of the streams that the group is about, or the other way round.
fn in_pairs(group: &[Trouble<'_>], remedy: &Remedy) -> bool {
    let parted = group.iter().all(|trouble| trouble.flow.requirement.parity.is_some());
    let asked = group.iter().fold(Set::empty(), |set, trouble| set.or(trouble.ports()));
    parted && remedy.passes.iter().any(|(_, _, ports)| !asked.covers(ports))
}

/// Why no line is printed.
fn in_the_way(judge: &Judge<'_>, trouble: &Trouble<'_>) -> String {
    let Some(share) = trouble.blame.first() else { return String::new() };
    let public = trouble.public(judge.site).ranges().first().map(|(lo, _)| trouble.near.family.address(*lo));
    let own = trouble.near.addresses.single().map(|number| trouble.near.family.address(number));
    let firewall = judge.firewall(share.firewall);
    let name = firewall.map_or("the firewall", |firewall| firewall.name.as_str());
    match (public, own) {
        (Some(public), Some(own)) if share.astray => {
            return format!(
                "Packets to {public} have to arrive at {own} on the port that they were sent to: correct the \
                 translation on {name}."
            );
        }
        _ if share.astray => {
            return format!("The translation on {name} leads these packets elsewhere: correct it.");
        }
        _ => {}
    }
    if trouble.reply() {
        return "Let packets of established connections pass in both directions, before the rule or policy that \
                blocks them."
            .to_string();
    }
    let chain = firewall.map_or(String::new(), |firewall| words::chain(firewall, share.by));
    let at = if chain.is_empty() { String::new() } else { format!(" in `{chain}`") };
    format!(
        "No line was found that lets this through and nothing else. What decides is{at} on {name}: see which rules \
         before and behind it the packets have to pass as well, and let them through at each."
    )
}

/// What to do where nothing was tried.
fn untried(trouble: &Trouble<'_>) -> &'static str {
    if trouble.reply() {
        "Let packets of established connections pass in both directions, before the rule or policy that blocks them."
    } else if trouble.certain {
        "Let it through before the rule or policy that decides."
    } else {
        "Where it does not, let them through by a rule without conditions."
    }
}
