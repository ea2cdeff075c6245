//! Requests: which lines grant them, and what the site file has against them.

use super::exposure::turned_off;
use super::mend::{self, Aim, Beyond, Lack, Made, Outcome, Workshop, owner};
use super::promises;
use crate::finding::{Edit, Finding, Mend};
use crate::judge::{Answer, Asked, By, Desk, Fare, Fares, Judge, Near, Part, Request};
use crate::packet::{Family, Prefix, Set};
use crate::rule::{Lint, PH110, PH301};
use crate::site::{Far, Leg, Party};
use crate::source::Span;

/// What came of looking for lines.
pub(crate) enum Grant {
    /// These were tried, all of them together, and what is asked for gets through.
    Found(Box<Granted>),
    /// No lines were found that do it.
    Nothing,
    /// Too much was tried already.
    Untried,
}

/// Lines that grant requests.
pub(crate) struct Granted {
    /// For people, with the firewall of each.
    pub lines: Vec<(usize, Mend)>,
    /// The changes to the files.
    pub edits: Vec<Edit>,
    /// The answers come back, too.
    pub answered: bool,
    /// What is let through besides, between which zones.
    pub besides: Vec<Beyond>,
    /// Who lets it through on firewalls to which nothing came before, and which need no line.
    pub lets: Vec<By>,
    /// What reading the files has to say of the lines.
    pub finds: Vec<Finding>,
    /// The program that writes the rules, and how it is told; empty where there is none.
    pub by_tool: String,
}

/// Looks for lines that let through all that is asked for and does not get through: such that open nothing besides, else
/// such of which is told what they open.
pub(crate) fn grant(judge: &Judge<'_>, workshop: &Workshop<'_>, requests: &[Request]) -> Grant {
    let again = |now: &Judge<'_>| {
        let mut desk = Desk::new(now);
        requests.iter().flat_map(|request| lacking(&mut desk, request)).collect::<Vec<Lack>>()
    };
    let lacks = again(judge);
    let [strict, tolerant] = [false, true].map(|tolerant| workshop.for_request(tolerant));
    for (workshop, exact) in [(&strict, true), (&strict, false), (&tolerant, true), (&tolerant, false)] {
        match mend::seek(judge, workshop, Aim { lacks: &lacks, again: &again, exact, fewest: true }) {
            Outcome::Works(remedy) => {
                let by_tool = owner::command(judge, &remedy);
                let lines = remedy.mends.iter().zip(&remedy.edits);
                let lines: Vec<(usize, Mend)> = lines
                    .filter_map(|(mend, edit)| Some((workshop.firewall_at(edit.span)?, mend.clone())))
                    .collect();
                let made = workshop.with_edits(judge, &remedy.edits).unwrap_or_default();
                return Grant::Found(Box::new(Granted {
                    lets: lets(judge, &made, requests),
                    finds: made.iter().flat_map(|made| &made.news).cloned().collect(),
                    lines,
                    edits: remedy.edits,
                    answered: remedy.answered,
                    besides: remedy.besides,
                    by_tool,
                }));
            }
            Outcome::Untried => return Grant::Untried,
            Outcome::Nothing => {}
        }
    }
    Grant::Nothing
}

/// Who lets requests through on firewalls that stay as they are, with lines put into others.
fn lets(judge: &Judge<'_>, made: &[Made], requests: &[Request]) -> Vec<By> {
    let Some(now) = mend::judge_of(judge, made) else { return Vec::new() };
    let mut desk = Desk::new(&now);
    let mut found: Vec<By> = Vec::new();
    for request in requests {
        let Asked::Judged(fares) = desk.requested(request) else { continue };
        let same = fares.gates.iter().filter(|gate| made.iter().all(|made| made.at != gate.firewall));
        for by in same.filter_map(|gate| gate.lets.first()).map(By::from) {
            if found.iter().all(|known| known.firewall != by.firewall) {
                found.push(by);
            }
        }
    }
    found
}

/// What does not get through of a request.
fn lacking(desk: &mut Desk<'_, '_>, request: &Request) -> Vec<Lack> {
    let judge = desk.judge();
    let fares = match desk.requested(request) {
        Asked::Free => return Vec::new(),
        Asked::Judged(fares) => fares,
        // Nothing that lines change.
        Asked::NoPath | Asked::Silent(_) | Asked::GivenUp => {
            return vec![lack(judge, request, None, (&Answer::default(), Fare::Depends))];
        }
    };
    let mut lacks = Vec::new();
    for (fare, answer) in
        [(Fare::Closed, &fares.first), (Fare::Depends, &fares.first), (Fare::Unanswered, &fares.reply)]
    {
        let of_it = lack(judge, request, Some(&fares), (answer, fare));
        if fares.has(fare) && !of_it.blame.is_empty() {
            lacks.push(of_it);
        }
    }
    if fares.has(Fare::Depends) && !fares.reply.depends.is_empty() {
        lacks.push(Lack { reply: true, ..lack(judge, request, Some(&fares), (&fares.reply, Fare::Depends)) });
    }
    let whole = fares.parts.iter().all(|part| part.fare == Fare::Open);
    if lacks.is_empty() && !whole {
        lacks.push(lack(judge, request, Some(&fares), (&Answer::default(), Fare::Depends)));
    }
    lacks
}

fn lack(
    judge: &Judge<'_>,
    request: &Request,
    fares: Option<&Fares>,
    (answer, fare): (&Answer, Fare),
) -> Lack {
    let family = request.family;
    // All that does not get through has the same ends: one line may do for several who stop it.
    let lacking = |set: fn(&Part) -> &Set| {
        let parts = fares.iter().flat_map(|fares| &fares.parts).filter(|part| part.fare != Fare::Open);
        parts.fold(Set::empty(), |all, part| all.or(set(part)))
    };
    let public = request.to.device.map_or(Set::empty(), |device| {
        mend::numbers(judge.site.devices[device].public_addresses.iter(), family)
    });
    let depends = fare == Fare::Depends;
    let near_ends = match request.to.addresses(family).single() {
        Some(number) => vec![Some(Prefix::host(family.address(number)))],
        None => ends(judge, &request.to, family, &lacking(|part| &part.destinations)),
    };
    Lack {
        leg: Leg::ToDevice,
        near: Near { family, addresses: request.to.addresses(family).clone(), zone: request.to.zone },
        device: request.to.device,
        public,
        party: Party { name: String::new(), places: vec![request.from.clone()], anybody: false },
        near_ends,
        far_ends: ends(judge, &request.from, family, &lacking(|part| &part.sources)),
        protocol: request.protocol,
        ports: if depends { answer.depends.clone() } else { answer.blocked.clone() },
        together: false,
        partners: Set::empty(),
        blame: if depends { answer.may_block.clone() } else { answer.blockers.clone() },
        reply: fare == Fare::Unanswered,
        witness: answer.witness.clone(),
    }
}

/// How lines name an end: by the part of it that does not get through where that takes no more lines, else by all of it.
fn ends(judge: &Judge<'_>, far: &Far, family: Family, lacking: &Set) -> Vec<Option<Prefix>> {
    let all = far.addresses(family);
    let is_rest = judge.site.is_everything_else(far.zone) && all == judge.addresses(far.zone, family);
    let whole: Vec<Option<Prefix>> =
        if is_rest { vec![None] } else { Prefix::of_set(family, all).into_iter().map(Some).collect() };
    let part = Prefix::of_set(family, &lacking.and(all));
    if !part.is_empty() && lacking != all && part.len() <= whole.len() {
        return part.into_iter().map(Some).collect();
    }
    whole
}

/// Something that the site file has against a request.
pub(crate) struct Objection {
    /// What will be found.
    pub lint: &'static Lint,
    /// What is against it.
    pub what: String,
    /// Why, where the site file says so.
    pub reason: String,
    /// Where the site file says it.
    pub span: Option<Span>,
}

/// What the site file has against requests: promises that they break, and security modes that turn off what is asked for.
pub(crate) fn objections(judge: &Judge<'_>, requests: &[Request]) -> Vec<Objection> {
    let mut found = Vec::new();
    for expect in judge.site.expects.iter().filter(|expect| !expect.allow) {
        let Some(traffic) = promises::traffic(judge, expect) else { continue };
        let breaks = |request: &Request| {
            let meets = |end, far: &Far| {
                let spots = judge.site.spots(end, request.family);
                spots.iter().any(|spot| spot.addresses.meets(far.addresses(request.family)))
            };
            let is_asked = |(protocol, ports): &(u8, Option<Set>)| {
                *protocol == request.protocol
                    && ports.as_ref().is_none_or(|ports| ports.meets(&request.ports))
            };
            traffic.iter().any(is_asked)
                && meets(&expect.from, &request.from)
                && meets(&expect.to, &request.to)
        };
        if requests.iter().any(breaks) {
            found.push(Objection {
                lint: &PH110,
                what: format!("{} is expected to be blocked", promises::said(expect)),
                reason: expect.reason.trim().trim_end_matches('.').to_string(),
                span: Some(expect.span),
            });
        }
    }
    found.extend(forbidden(judge, requests));
    found
}

/// What security modes turn off of what is asked for.
fn forbidden(judge: &Judge<'_>, requests: &[Request]) -> Vec<Objection> {
    let mut found: Vec<Objection> = Vec::new();
    for (at, device) in judge.site.devices.iter().enumerate() {
        let Some(product) = judge.catalog.product(&device.product) else { continue };
        for near in judge.nears(at) {
            for off in turned_off(judge, product, at, &near) {
                let asks = |request: &Request| {
                    let to = request.to.addresses(request.family);
                    (request.family, request.protocol) == (near.family, off.protocol)
                        && to.covers(&near.addresses)
                        && request.ports.meets(&off.ports)
                };
                let mode = off.service.mark.as_deref().unwrap_or_default();
                let what = match mode {
                    "" => format!("{} of {} is turned off in the site file", off.service.what, device.name),
                    mode => format!("security mode {mode} of {} forbids {}", device.name, off.service.what),
                };
                let known = found.iter().any(|known| known.what == what);
                if requests.iter().any(asks) && !known {
                    let span = device.mode_span;
                    found.push(Objection { lint: &PH301, what, reason: String::new(), span });
                }
            }
        }
    }
    found
}
