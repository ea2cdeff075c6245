//! An answered request as reports take it.

use schemars::JsonSchema;
use serde::Serialize;

use super::ends::End;
use super::request::{Inquiry, State, state_of};
use super::told::{Teller, ToldHop, ToldRule};
use crate::analysis::Decider;
use crate::judge::{Asked, By, Fare, Fares, Gate, Part, Request, Share};
use crate::lint::requested::{Grant, Granted, Objection};
use crate::lint::{Beyond, promises, words};
use crate::packet::{Family, Field, Packet, Prefix, Set, proto};
use crate::site::{End as Place, Far};

/// Networks that a sentence names.
const SHOWN: usize = 4;

/// An answered request. Its JSON form is stable: keys are added, never renamed or removed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct ToldRequest {
    /// Of this form.
    pub version: u32,
    /// Who opens the connections.
    pub from: String,
    /// To whom.
    pub to: String,
    /// What is asked for, such as `tcp 1720, udp 20000-20600`.
    pub traffic: String,
    /// Whether it gets through, and is answered.
    pub state: State,
    /// The answer in one sentence.
    pub summary: String,
    /// What it depends on.
    pub depends_on: Vec<String>,
    /// What is taken for granted.
    pub assumes: Vec<String>,
    /// The firewalls on the way, in order.
    pub firewalls: Vec<ToldGate>,
    /// Addresses that firewalls translate on the way.
    pub translations: Vec<ToldTranslation>,
    /// Each protocol from each place to each.
    pub ways: Vec<ToldWay>,
    /// What the site file has against it.
    pub objections: Vec<ToldObjection>,
    /// What grants it, where it does not get through.
    pub change: Option<ToldChange>,
}

/// What a firewall does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GateState {
    /// It lets all through that gets there.
    Open,
    /// It lets a part through.
    Part,
    /// It lets some through, and that depends on something.
    Depends,
    /// It lets nothing through.
    Closed,
    /// It lets it through, and stops the answers.
    Unanswered,
    /// Nothing gets there.
    Unreached,
}

/// A firewall on the way.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct ToldGate {
    /// Its name.
    pub firewall: String,
    /// What it does.
    pub state: GateState,
    /// Who lets packets through, the largest share first; where nothing gets there, who will once it does.
    pub lets: Vec<ToldDecider>,
    /// Who stops them, or their answers.
    pub stops: Vec<ToldDecider>,
    /// The lines that it needs, where some were tried and grant what is asked for.
    pub lines: Vec<ToldLines>,
}

/// Who decides.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub(crate) struct ToldDecider {
    /// The rule; null where what decides is not written.
    pub rule: Option<ToldRule>,
    /// What is to be seen there, in words.
    pub what: String,
    /// The text of the rule says the same.
    #[serde(skip)]
    pub in_text: bool,
}

/// Lines, and where they go.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub(crate) struct ToldLines {
    /// Where, such as `before line 12 of edge.rules`.
    pub place: String,
    /// The lines.
    pub lines: Vec<String>,
}

/// An address that a firewall translates.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub(crate) struct ToldTranslation {
    /// The firewall.
    pub firewall: String,
    /// `source` or `destination`.
    pub end: &'static str,
    /// As packets come.
    pub before: String,
    /// As they leave.
    pub after: String,
}

/// One protocol from one place to another.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct ToldWay {
    /// `ipv4` or `ipv6`.
    pub family: &'static str,
    /// `tcp`, `udp`, `sctp`, `icmp` or `icmpv6`.
    pub protocol: &'static str,
    /// The destination ports; of ICMP the types.
    pub ports: Vec<[u16; 2]>,
    /// The zone of the one end.
    pub from_zone: String,
    /// The zone of the other.
    pub to_zone: String,
    /// The addresses that packets are sent to, where they are others than those of the far end.
    pub dialled: Vec<String>,
    /// Whether it gets through, and is answered.
    pub state: State,
    /// All packets, in parts that fare alike; none where no firewall stands between.
    pub parts: Vec<ToldPart>,
    /// The firewalls on the way, in order.
    pub path: Vec<String>,
    /// The way of one packet, firewall by firewall: of one that is in trouble, where one is.
    pub hops: Vec<ToldHop>,
    /// The packet as `pinhole trace` takes it.
    pub trace: Option<String>,
}

/// Packets that fare alike.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct ToldPart {
    /// `open`, `closed`, `unanswered` (the answers are stopped) or `depends`.
    pub state: &'static str,
    /// It is all packets from these to those; else some of them.
    pub whole: bool,
    /// Who sends them: networks, or the name of the end where it is all of it.
    pub from: Vec<String>,
    /// Who of these does not.
    pub but: Vec<String>,
    /// Where they go, likewise.
    pub to: Vec<String>,
    /// The destination ports; of ICMP the types.
    pub ports: Vec<[u16; 2]>,
}

/// What the site file has against a request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub(crate) struct ToldObjection {
    /// What `check` finds where it is granted all the same.
    pub code: &'static str,
    /// What is against it.
    pub what: String,
    /// Why, where the site file says so; else empty.
    pub reason: String,
    /// The site file.
    pub file: Option<String>,
    /// The line there, from 1.
    pub line: Option<u32>,
}

/// What grants a request.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct ToldChange {
    /// Lines were found, put in, all of them together, read again and judged again: what is asked for gets through.
    pub proved: bool,
    /// Its answers come back, too.
    pub answered: bool,
    /// What else the lines open; empty where it is nothing.
    pub besides: Vec<String>,
    /// What `check` will have to say of the lines: code and message.
    pub finds: Vec<String>,
    /// What to know or to do, in whole sentences.
    pub help: String,
    /// The lines as a unified diff, which `patch` takes; empty where it was not asked for.
    pub diff: String,
}

impl<'a> Teller<'_, 'a> {
    /// Tells an answered request.
    pub(crate) fn request(
        &self,
        inquiry: &Inquiry,
        objections: &[Objection],
        grant: Option<&Grant>,
    ) -> ToldRequest {
        let found = match grant {
            Some(Grant::Found(found)) => Some(found.as_ref()),
            _ => None,
        };
        let firewalls = self.gates(inquiry, found);
        let fares = || inquiry.ways.iter().filter_map(|(_, asked)| judged(asked));
        let mut depends_on = words::unique(fares().flat_map(|fares| fares.depends_on.iter().cloned()));
        for (request, asked) in &inquiry.ways {
            let name = match asked {
                Asked::Silent(at) => {
                    let family = if request.family == Family::V4 { "IPv4" } else { "IPv6" };
                    format!("the {family} rules of {}", self.judge.site.firewalls[*at].name)
                }
                Asked::GivenUp => "more cases than the analysis follows".to_string(),
                _ => continue,
            };
            if !depends_on.contains(&name) {
                depends_on.push(name);
            }
        }
        let assumes = fares().flat_map(|fares| [&fares.first, &fares.reply]);
        ToldRequest {
            version: 1,
            from: inquiry.from.name.clone(),
            to: inquiry.to.name.clone(),
            traffic: promises::listed(&inquiry.wanted),
            state: inquiry.state(),
            summary: summary(inquiry, &firewalls, &depends_on),
            depends_on,
            assumes: words::unique(assumes.flat_map(|answer| answer.assumes.iter().cloned())),
            firewalls,
            translations: self.translations(inquiry),
            ways: inquiry.ways.iter().map(|(request, asked)| self.way(inquiry, request, asked)).collect(),
            objections: objections.iter().map(|objection| self.objection(objection)).collect(),
            change: grant.map(|grant| self.change(inquiry, grant)),
        }
    }

    /// The firewalls on the ways, each once.
    fn gates(&self, inquiry: &Inquiry, found: Option<&Granted>) -> Vec<ToldGate> {
        let mut told: Vec<(usize, ToldGate)> = Vec::new();
        for (fares, gate) in inquiry
            .ways
            .iter()
            .filter_map(|(_, asked)| judged(asked))
            .flat_map(|fares| fares.gates.iter().map(move |gate| (fares, gate)))
        {
            let state = gate_state(fares, gate);
            let lets = self.deciders(&gate.lets, false);
            let mut stops = self.deciders(&gate.stops, true);
            let mutes = self.deciders(&gate.mutes, true).into_iter();
            let mutes = mutes.map(|by| {
                let what = format!("its answers: {}", by.what);
                ToldDecider { what, in_text: false, ..by }
            });
            add(&mut stops, mutes.collect());
            match told.iter_mut().find(|(at, _)| *at == gate.firewall) {
                Some((_, known)) => {
                    known.state = both(known.state, state);
                    add(&mut known.lets, lets);
                    add(&mut known.stops, stops);
                }
                None => {
                    let firewall = self.judge.site.firewalls[gate.firewall].name.clone();
                    told.push((gate.firewall, ToldGate { firewall, state, lets, stops, lines: Vec::new() }));
                }
            }
        }
        for (at, gate) in &mut told {
            let Some(found) = found else { continue };
            let of_it = found.lines.iter().filter(|(firewall, _)| firewall == at);
            gate.lines = of_it
                .map(|(_, mend)| ToldLines { place: mend.place.clone(), lines: mend.lines.clone() })
                .collect();
            let later = found.lets.iter().find(|by| by.firewall == *at);
            if let Some(by) = later.filter(|_| gate.lets.is_empty()) {
                gate.lets.push(self.decider(*by, false));
            }
        }
        told.into_iter().map(|(_, gate)| gate).collect()
    }

    fn deciders(&self, shares: &[Share], stops: bool) -> Vec<ToldDecider> {
        let mut told = Vec::new();
        add(&mut told, shares.iter().map(|share| self.decider(By::from(share), stops)).collect());
        told
    }

    fn decider(&self, by: By, stops: bool) -> ToldDecider {
        let (what, in_text) = if stops {
            let says = |firewall| !by.astray && words::is_in_text(firewall, by.by);
            (self.decides(by), self.judge.firewall(by.firewall).is_some_and(says))
        } else {
            (words::opens(by.by).to_string(), !matches!(by.by, Decider::Policy(..)))
        };
        ToldDecider { rule: self.rule(by), what, in_text }
    }

    fn way(&self, inquiry: &Inquiry, request: &Request, asked: &Asked) -> ToldWay {
        let (site, family) = (self.judge.site, request.family);
        let fares = judged(asked);
        let place = |far: &Far| Place { zone: far.zone, device: far.device };
        let path = site.path(place(&request.from), place(&request.to)).unwrap_or_default();
        let own = request.to.addresses(family);
        let dialled = fares.map(|fares| &fares.dialled).filter(|dialled| !own.covers(dialled));
        let steps = fares.map_or(&[][..], |fares| &fares.steps);
        ToldWay {
            family: if family == Family::V4 { "ipv4" } else { "ipv6" },
            protocol: promises::protocol_name(request.protocol),
            ports: words::intervals(&request.ports),
            from_zone: site.zones[request.from.zone].name.clone(),
            to_zone: site.zones[request.to.zone].name.clone(),
            dialled: dialled.map_or(Vec::new(), |dialled| networks(family, dialled)),
            state: state_of(asked),
            parts: fares.map_or(Vec::new(), |fares| {
                fares.parts.iter().map(|part| told_part(inquiry, request, fares, part)).collect()
            }),
            path: path.iter().map(|crossing| site.firewalls[crossing.firewall].name.clone()).collect(),
            hops: steps.iter().map(|step| self.hop(step, family)).collect(),
            trace: steps.first().map(|step| trace(&step.packet)),
        }
    }

    fn translations(&self, inquiry: &Inquiry) -> Vec<ToldTranslation> {
        let mut told: Vec<ToldTranslation> = Vec::new();
        let steps = inquiry.ways.iter().filter_map(|(_, asked)| judged(asked)).flat_map(|fares| &fares.steps);
        for step in steps {
            let Some(leaves) = &step.leaves else { continue };
            let family = leaves.family();
            for (end, field) in [("source", Field::src(family)), ("destination", Field::dst(family))] {
                let [before, after] = [&step.packet, leaves].map(|packet| packet.get(field).known());
                let (Some(before), Some(after)) = (before, after) else { continue };
                let [before, after] = [before, after].map(|number| family.address(number).to_string());
                let firewall = self.judge.site.firewalls[step.firewall].name.clone();
                let one = ToldTranslation { firewall, end, before, after };
                if one.before != one.after && !told.contains(&one) {
                    told.push(one);
                }
            }
        }
        told
    }

    fn objection(&self, objection: &Objection) -> ToldObjection {
        let place = objection.span.and_then(|span| Some((self.sources.file_of(span)?, span)));
        ToldObjection {
            code: objection.lint.code,
            what: objection.what.clone(),
            reason: objection.reason.clone(),
            file: place.map(|(file, _)| file.path.display().to_string()),
            line: place.map(|(file, span)| file.place(span.start).line),
        }
    }

    fn change(&self, inquiry: &Inquiry, grant: &Grant) -> ToldChange {
        let nothing = |help: &str| ToldChange {
            proved: false,
            answered: false,
            besides: Vec::new(),
            finds: Vec::new(),
            help: help.to_string(),
            diff: String::new(),
        };
        let found = match grant {
            Grant::Found(found) => found,
            Grant::Nothing => {
                return nothing(
                    "No lines were found that let this through: see what stops it on each firewall, and what of it \
                     no rule decides.",
                );
            }
            Grant::Untried => {
                return nothing("No lines were tried: the rules are too many for that. See what stops it.");
            }
        };
        let mut help = found.by_tool.clone();
        if !found.answered {
            let lost = "With these lines it gets through, and its answers are still stopped: let packets of \
                        established connections pass in both directions.";
            help = format!("{help} {lost}").trim().to_string();
        }
        ToldChange {
            proved: true,
            answered: found.answered && inquiry.ways.iter().any(|(request, _)| request.answered),
            finds: found
                .finds
                .iter()
                .map(|finding| format!("{} {}", finding.code(), finding.message))
                .collect(),
            besides: found.besides.iter().flat_map(|beyond| self.beyond(inquiry, beyond)).collect(),
            help,
            diff: String::new(),
        }
    }

    /// What lines open besides.
    fn beyond(&self, inquiry: &Inquiry, beyond: &Beyond) -> Vec<String> {
        let site = self.judge.site;
        let (from, to) = beyond.zones;
        let zones = [from, to].map(|zone| site.zones[zone].name.as_str());
        let family = match beyond.boxes.iter().flatten().any(|(field, _)| field.family() == Some(Family::V6))
        {
            true => Family::V6,
            false => Family::V4,
        };
        let say = |fields: &Vec<(Field, Set)>| {
            let of = |field: Field| fields.iter().find(|(known, _)| *known == field).map(|(_, set)| set);
            let end = |field: Field, zone: usize| match of(field) {
                Some(set) if set != self.judge.addresses(zone, family) => {
                    words::some(&named(&inquiry.to, family, set), SHOWN, "network")
                }
                _ => format!("zone {}", site.zones[zone].name),
            };
            let protocols = of(Field::Proto).and_then(Set::single);
            let ports = of(Field::Dport).map(words::ports);
            let what = match (protocols, ports) {
                (Some(protocol), ports) => {
                    let name = promises::protocol_name(protocol as u8);
                    ports.map_or(name.to_string(), |ports| format!("{name} {ports}"))
                }
                (None, _) => "all traffic".to_string(),
            };
            let (src, dst) = (end(Field::src(family), from), end(Field::dst(family), to));
            let zone =
                if src.starts_with("zone ") { String::new() } else { format!(" in zone {}", zones[0]) };
            let firewall = &site.firewalls[beyond.firewall].name;
            format!("{what} from {src}{zone} to {dst}, on {firewall}")
        };
        words::unique(beyond.boxes.iter().map(say))
    }
}

fn judged(asked: &Asked) -> Option<&Fares> {
    match asked {
        Asked::Judged(fares) => Some(fares),
        _ => None,
    }
}

fn add(known: &mut Vec<ToldDecider>, more: Vec<ToldDecider>) {
    for one in more {
        if !known.contains(&one) {
            known.push(one);
        }
    }
}

/// What a firewall does to the packets of one way.
fn gate_state(fares: &Fares, gate: &Gate) -> GateState {
    let certain = fares.first.blockers.iter().any(|share| share.firewall == gate.firewall);
    match (gate.lets.is_empty(), gate.stops.is_empty(), gate.mutes.is_empty()) {
        (true, true, _) => GateState::Unreached,
        (false, true, true) => GateState::Open,
        (false, true, false) if !fares.has(Fare::Open) && !fares.has(Fare::Depends) => GateState::Unanswered,
        (false, true, false) if fares.has(Fare::Unanswered) => GateState::Part,
        (false, true, false) => GateState::Depends,
        (_, false, _) if !certain => GateState::Depends,
        (true, false, _) => GateState::Closed,
        (false, false, _) => GateState::Part,
    }
}

/// What it does to those of two ways.
fn both(one: GateState, two: GateState) -> GateState {
    match (one, two) {
        (one, two) if one == two => one,
        (GateState::Unreached, other) | (other, GateState::Unreached) => other,
        (GateState::Open, GateState::Depends) | (GateState::Depends, GateState::Open) => GateState::Depends,
        _ => GateState::Part,
    }
}

fn told_part(inquiry: &Inquiry, request: &Request, fares: &Fares, part: &Part) -> ToldPart {
    let family = request.family;
    let end = |end: &End, far: &Far, asked: &Set, part: &Set| match (asked == part, end.places.len()) {
        (true, 1) => vec![end.name.clone()],
        (true, _) => named(end, family, far.addresses(family)),
        (false, _) => named(end, family, part),
    };
    let mut from = end(&inquiry.from, &request.from, &fares.sources, &part.sources);
    let mut but = networks(family, &fares.sources.minus(&part.sources));
    if inquiry.from.places.len() == 1 && !but.is_empty() && but.len() < from.len() {
        from = vec![inquiry.from.name.clone()];
    } else {
        but.clear();
    }
    let to = end(&inquiry.to, &request.to, &fares.dialled, &part.destinations);
    ToldPart {
        state: match part.fare {
            Fare::Open => "open",
            Fare::Closed => "closed",
            Fare::Unanswered => "unanswered",
            Fare::Depends => "depends",
        },
        whole: part.whole,
        from,
        but,
        to,
        ports: words::intervals(&part.ports),
    }
}

/// Addresses as networks; by the name of an end where they are all of it.
fn named(end: &End, family: Family, set: &Set) -> Vec<String> {
    let all = end.places.iter().fold(Set::empty(), |all, far| all.or(far.addresses(family)));
    if all == *set { vec![end.name.clone()] } else { networks(family, set) }
}

fn networks(family: Family, set: &Set) -> Vec<String> {
    let text = |prefix: Prefix| match u32::from(prefix.length) == family.bits() {
        true => prefix.address.to_string(),
        false => prefix.to_string(),
    };
    Prefix::of_set(family, set).into_iter().map(text).collect()
}

/// The packet as a command that follows it along the path.
fn trace(packet: &Packet) -> String {
    let family = packet.family();
    let number = |field: Field| packet.get(field).known();
    let address =
        |field: Field| number(field).map_or(String::new(), |number| family.address(number).to_string());
    let (from, to) = (address(Field::src(family)), address(Field::dst(family)));
    let name = promises::protocol_name(packet.protocol());
    let what = match packet.protocol() {
        proto::ICMP | proto::ICMPV6 => name.to_string(),
        _ => format!("{name}/{}", number(Field::Dport).unwrap_or_default()),
    };
    let sport = number(Field::Sport).map_or(String::new(), |port| format!(" --sport {port}"));
    format!("pinhole trace --from {from} --to {to} {what}{sport}")
}

/// The answer in one sentence.
fn summary(inquiry: &Inquiry, firewalls: &[ToldGate], depends_on: &[String]) -> String {
    let traffic = promises::listed(&inquiry.wanted);
    let what = format!("{traffic} from {} to {}", inquiry.from.name, inquiry.to.name);
    let names = |states: &[GateState]| {
        let of_them = firewalls.iter().filter(|gate| states.contains(&gate.state));
        let names: Vec<String> = of_them.map(|gate| gate.firewall.clone()).collect();
        let verb = if names.len() == 1 { "stops" } else { "stop" };
        format!("{} {verb}", words::some(&names, 3, "firewall"))
    };
    let mute = firewalls.iter().any(|gate| gate.state == GateState::Unanswered)
        && firewalls.iter().all(|gate| matches!(gate.state, GateState::Unanswered | GateState::Open));
    match inquiry.state() {
        State::Open if firewalls.is_empty() => format!("{what} is open: no firewall stands between."),
        State::Open => format!("{what} is open."),
        State::Closed if mute => {
            format!("{what} gets through, and its answers do not: {} them.", names(&[GateState::Unanswered]))
        }
        State::Closed => {
            let all = [GateState::Closed, GateState::Part, GateState::Unanswered];
            format!("{what} is not open: {} it.", names(&all))
        }
        State::Part => {
            let all = [GateState::Closed, GateState::Part, GateState::Unanswered];
            let depends = match depends_on {
                [] => String::new(),
                on => format!(", and some depends on {}", words::some(on, 3, "condition")),
            };
            format!("Not all of {what} is open: {} some of it{depends}.", names(&all))
        }
        State::Depends => {
            format!("Whether {what} is open depends on {}.", words::some(depends_on, 3, "condition"))
        }
    }
}
