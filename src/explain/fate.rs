//! What becomes of one question: judged over the whole path, answers and helpers counted in.

use std::sync::Arc;

use super::ends::Side;
use super::legs::Question;
use super::pairs;
use crate::catalog::Transport;
use crate::judge::{
    Answer, Ask, By, Desk, Elsewhere, Example, Kind, Near, Opener, Share, Step, Want, number,
};
use crate::packet::{Family, Set};
use crate::site::{End as Place, Flow, Leg, Party};

/// A stage works, does not, or that depends on something.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Works {
    /// Whatever is not known.
    Yes,
    /// For some of what is not known.
    Depends,
    /// Whatever is not known.
    No,
}

/// What becomes of one question.
#[derive(Clone, Debug)]
pub(crate) struct Fate {
    /// Whether it gets through.
    pub works: Works,
    /// The ports that do not, or may not.
    pub bad: Set,
    /// Who stops it.
    pub by: Option<By>,
    /// What it depends on.
    pub depends_on: Vec<String>,
    /// What is taken for granted.
    pub assumes: Vec<String>,
    /// Why it does not work, where no rule stops it.
    pub why: Option<String>,
    /// The answers are blocked, not the packets themselves.
    pub reply: bool,
    /// A helper opens it.
    pub helped: bool,
    /// The connection of the other way carries it.
    pub carried: bool,
    /// Part of the ports gets through.
    pub part: bool,
    /// RTCP alone does not get through.
    pub control: bool,
}

impl Fate {
    /// It gets through.
    pub(crate) fn free() -> Fate {
        Fate {
            works: Works::Yes,
            bad: Set::empty(),
            by: None,
            depends_on: Vec::new(),
            assumes: Vec::new(),
            why: None,
            reply: false,
            helped: false,
            carried: false,
            part: false,
            control: false,
        }
    }

    fn unknown(ports: &Set, on: String) -> Fate {
        Fate { works: Works::Depends, bad: ports.clone(), depends_on: vec![on], ..Fate::free() }
    }

    /// Makes even a *yes* depend on something.
    pub(crate) fn hangs_on(&mut self, on: String) {
        self.works = self.works.max(Works::Depends);
        if self.works == Works::Depends && !self.depends_on.contains(&on) {
            self.depends_on.push(on);
        }
    }

    /// Makes a *no* depend on something, or adds to what a *depends* depends on.
    pub(crate) fn unless(&mut self, on: &str) {
        if self.works == Works::No {
            self.works = Works::Depends;
        }
        if self.works == Works::Depends && !self.depends_on.iter().any(|known| known == on) {
            self.depends_on.push(on.to_string());
        }
    }
}

/// What helpers may open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Helpers<'c> {
    /// The services in whose signalling the call announces ports.
    pub services: &'c [&'c str],
    /// Who places the call, seen from the device of a question: towards it or from it.
    pub leg: Option<Leg>,
    /// What the caller signals to third parties.
    pub elsewhere: &'c [Elsewhere],
}

/// Puts a question to the judge.
pub(super) fn judge(
    desk: &mut Desk<'_, '_>,
    question: &Question<'_>,
    (from, to): (Side<'_>, Side<'_>),
    family: Family,
    helpers: Option<Helpers<'_>>,
) -> Fate {
    let site = desk.judge().site;
    let place = |side: Side<'_>| Place { zone: side.far.zone, device: side.end.device };
    let Some(path) = site.path(place(from), place(to)) else {
        let [from, to] = [from, to].map(|side| &site.zones[side.far.zone].name);
        return Fate::unknown(&question.ports, format!("the path from {from} to {to}"));
    };
    if path.is_empty() {
        return Fate::free();
    }
    let silent = path.iter().find(|crossing| {
        desk.judge().firewall(crossing.firewall).is_none_or(|firewall| !firewall.speaks(family))
    });
    if let Some(silent) = silent {
        let name = &site.firewalls[silent.firewall].name;
        let what = match family {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        };
        return Fate::unknown(&question.ports, format!("the {what} rules of {name}"));
    }
    let (near, party) = ends(question, (from, to), family);
    let ask = ask(question, &near);
    let Some(answer) = desk.judge_leg(&ask, &party, Kind::First, Want::Faults) else { return Fate::free() };
    let mut fate = first(question, answer);
    if let (Works::No | Works::Depends, Some(helpers)) = (fate.works, helpers) {
        help(desk, question, &ask, &party, helpers, &mut fate);
    }
    if fate.works != Works::No && !fate.helped {
        answers(desk, &ask, &party, &mut fate);
    }
    if fate.works != Works::Yes && pairs::is_control(question) {
        fate.control = true;
        fate.unless(pairs::CONTROL);
    }
    fate
}

/// The ends as the judge takes them.
pub(super) fn ends(
    question: &Question<'_>,
    (from, to): (Side<'_>, Side<'_>),
    family: Family,
) -> (Near, Party) {
    let (mine, other) = match question.leg {
        Leg::ToDevice => (to, from),
        Leg::FromDevice => (from, to),
    };
    let near = Near { family, addresses: mine.addresses(family).clone(), zone: mine.far.zone };
    let party = Party { name: other.end.name.clone(), places: vec![other.far.clone()], anybody: false };
    (near, party)
}

fn ask<'q>(question: &'q Question<'_>, near: &'q Near) -> Ask<'q> {
    Ask {
        device: Some(question.device),
        near,
        leg: question.leg,
        protocol: number(question.transport),
        ports: &question.ports,
        from: question.from(),
    }
}

/// A question as signalling to a third party.
pub(super) fn elsewhere(
    question: &Question<'_>,
    sides: (Side<'_>, Side<'_>),
    family: Family,
) -> Option<Elsewhere> {
    let (near, party) = ends(question, sides, family);
    Some(Elsewhere {
        service: question.row.service.clone(),
        device: question.device,
        near,
        leg: question.leg,
        transport: question.transport,
        ports: question.ports.clone(),
        far: party.places.into_iter().next()?,
    })
}

/// A question as the site's flows are.
pub(super) fn flow<'a>(question: &Question<'a>) -> Flow<'a> {
    Flow {
        device: question.device,
        host: None,
        requirement: question.row,
        leg: question.leg,
        either_way: false,
        transports: vec![question.transport],
        either_transport: false,
        ports: question.ports.clone(),
        from: question.own.clone(),
        chosen: question.chosen.clone().map(Arc::new),
        any_port: false,
        parties: Vec::new(),
        doubtful: false,
    }
}

/// The way of one packet of a question, which shows what becomes of it: of the ports that do not get through, where it
/// is they that do not.
pub(super) fn steps(
    desk: &mut Desk<'_, '_>,
    question: &Question<'_>,
    sides: (Side<'_>, Side<'_>),
    family: Family,
    fate: &Fate,
) -> Vec<Step> {
    let (near, party) = ends(question, sides, family);
    let all = ask(question, &near);
    if fate.bad.is_empty() {
        let example = if fate.helped { Example::Stopped } else { Example::Answered };
        return desk.steps(&all, &party, example);
    }
    let example = if fate.reply { Example::Unanswered } else { Example::Stopped };
    desk.steps(&Ask { ports: &fate.bad, ..all }, &party, example)
}

/// What the first packets fare like.
fn first(question: &Question<'_>, answer: Answer) -> Fate {
    let bad = answer.blocked.or(&answer.depends);
    let mut fate = Fate { bad: bad.clone(), assumes: answer.assumes.clone(), ..Fate::free() };
    let by = |shares: &[Share]| shares.first().map(By::from);
    if bad.is_empty() {
        return fate;
    }
    if answer.open.is_empty() && answer.depends.is_empty() {
        fate.works = if answer.partly.is_empty() { Works::No } else { Works::Depends };
        if fate.works == Works::Depends {
            fate.depends_on.push("which source port the sender takes".to_string());
        }
        fate.by = by(&answer.blockers);
        return fate;
    }
    fate.works = Works::Depends;
    fate.depends_on = answer.depends_on;
    if !answer.blocked.is_empty() {
        fate.part = true;
        let whose = if question.guessed { "far end" } else { "device" };
        fate.control = pairs::are_control(question, &bad);
        fate.depends_on.push(pairs::depends_on(question, &answer.blocked, whose));
        fate.by = by(&answer.blockers);
    }
    if fate.by.is_none() {
        fate.by = by(&answer.may_block).or_else(|| by(&answer.blockers));
    }
    fate
}

/// Whether a helper reads the signalling in which the ports of a question are announced: it rewrites addresses in it.
pub(super) fn is_read(
    desk: &mut Desk<'_, '_>,
    question: &Question<'_>,
    sides: (Side<'_>, Side<'_>),
    family: Family,
    helpers: Helpers<'_>,
) -> bool {
    let (near, party) = ends(question, sides, family);
    let opener = Opener { services: Some(helpers.services), leg: helpers.leg, elsewhere: helpers.elsewhere };
    let helped = desk.helped_by(&flow(question), &ask(question, &near), &party, opener);
    helped.is_some_and(|helped| !helped.ports.is_empty())
}

/// What a helper opens.
fn help(
    desk: &mut Desk<'_, '_>,
    question: &Question<'_>,
    ask: &Ask<'_>,
    party: &Party,
    helpers: Helpers<'_>,
    fate: &mut Fate,
) {
    let flow = flow(question);
    let opener = Opener { services: Some(helpers.services), leg: helpers.leg, elsewhere: helpers.elsewhere };
    let Some(helped) = desk.helped_by(&flow, ask, party, opener) else { return };
    if helped.ports.is_empty() {
        return;
    }
    let rest = fate.bad.minus(&helped.ports);
    if !rest.is_empty() {
        return;
    }
    fate.helped = true;
    (fate.part, fate.control) = (false, false);
    fate.depends_on = helped.depends_on;
    fate.works = if fate.depends_on.is_empty() { Works::Yes } else { Works::Depends };
    if fate.works == Works::Yes {
        fate.bad = Set::empty();
        fate.by = None;
    }
}

/// What the answers fare like to what gets through.
fn answers(desk: &mut Desk<'_, '_>, ask: &Ask<'_>, party: &Party, fate: &mut Fate) {
    if !is_answered(ask.protocol, ask.ports) {
        return;
    }
    let Some(reply) = desk.judge_leg(ask, party, Kind::Reply, Want::Faults) else { return };
    let bad = reply.blocked.or(&reply.depends);
    if bad.is_empty() {
        return;
    }
    let none = reply.open.is_empty() && reply.depends.is_empty() && reply.partly.is_empty();
    let first = fate.works;
    fate.reply = true;
    fate.bad = fate.bad.or(&bad);
    fate.works = if none { Works::No } else { Works::Depends };
    if none {
        fate.depends_on.clear();
    } else {
        fate.depends_on.extend(reply.depends_on.clone());
        if reply.depends.is_empty() && first == Works::Yes {
            fate.depends_on.push("which ports the connection has".to_string());
        }
    }
    fate.by = reply.blockers.first().or(reply.may_block.first()).map(By::from).or(fate.by);
}

/// Traps of SNMP are sent and never answered (RFC 3416, section 4.2.6).
pub(super) fn is_answered(protocol: u8, ports: &Set) -> bool {
    const TRAPS: u128 = 162;
    protocol != number(Transport::Udp) || ports.single() != Some(TRAPS)
}

/// Whether the answers to what one end sends get back for certain: what the other end sends over that connection
/// does, too.
pub(super) fn carries(fate: &Fate) -> bool {
    fate.works == Works::Yes && !fate.reply
}
