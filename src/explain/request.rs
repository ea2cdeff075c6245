//! A change request as a question: whether all packets of some traffic get through from one end to the other.

use std::net::IpAddr;

use super::ends::End;
use super::fate::is_answered;
use crate::judge::{Asked, Desk, Fare, Judge, Request};
use crate::lint::promises;
use crate::packet::{Family, Set, proto};
use crate::site::{Far, Traffic, parse_traffic};
use crate::spelling::nearest;

/// Places and protocols that are asked about at once, at the most.
const MOST: usize = 256;

/// What is asked for: protocols with their destination ports; `None` where all are meant.
pub(crate) type Wanted = Vec<(u8, Option<Set>)>;

/// A request, and what becomes of it way by way.
pub(crate) struct Inquiry {
    /// Who opens the connections.
    pub from: End,
    /// To whom.
    pub to: End,
    /// On what.
    pub wanted: Wanted,
    /// Each protocol from each place to each.
    pub ways: Vec<(Request, Asked)>,
}

/// Whether a request is granted as things stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// All of it, whatever is not known.
    Open,
    /// Part of it.
    Part,
    /// That depends on something.
    Depends,
    /// None of it.
    Closed,
}

/// Why a request cannot be answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Wrong {
    /// The words are no traffic.
    #[error(
        "the traffic `{word}` cannot be read: {why}; write it such as `tcp/1720`, `udp/20000-20600`, `tcp/80,443 udp/53`, \
         `icmp` or `any`"
    )]
    Traffic {
        /// What was written.
        word: String,
        /// What is wrong.
        why: String,
    },
    /// The device has no such service.
    #[error("nobody connects to `{device}` for `{service}`{hint}")]
    Service {
        /// The device.
        device: String,
        /// What was written.
        service: String,
        /// The nearest right name, as the end of the sentence.
        hint: String,
    },
    /// Both ends are the same.
    #[error("`{0}` is at both ends of the request")]
    Same(String),
    /// They have no addresses of one family that the traffic is of.
    #[error("`{from}` and `{to}` have no addresses of one family for {traffic}")]
    NoFamily {
        /// The one end.
        from: String,
        /// The other.
        to: String,
        /// What is asked for.
        traffic: String,
    },
    /// The site file leaves a choice.
    #[error(
        "packets from zone {from} to zone {to} can take several ways: say which with a `[[path]]` in the site file"
    )]
    NoPath {
        /// The one zone.
        from: String,
        /// The other.
        to: String,
    },
    /// The box is no device of the site.
    #[error(
        "{address} is an address of the firewall `{firewall}` itself, and a request is about what it lets through: \
         `pinhole trace` follows a packet to it"
    )]
    Firewall {
        /// The address.
        address: IpAddr,
        /// The firewall.
        firewall: String,
    },
    /// Several hosts share an address.
    #[error("{address} is translated to {hosts}: name the one that is meant")]
    Shared {
        /// The address.
        address: IpAddr,
        /// The hosts.
        hosts: String,
    },
    /// It would take too long.
    #[error("the request is about more than {MOST} pairs of places and protocols: ask for less at once")]
    TooMuch,
}

/// What words ask for: traffic, or services of the device at the far end.
pub(crate) fn wanted(judge: &Judge<'_>, to: &End, words: &[String]) -> Result<Wanted, Wrong> {
    let mut wanted: Wanted = Vec::new();
    for word in words.iter().flat_map(|words| words.split_whitespace()) {
        let parts = match parse_traffic(word) {
            Ok(Traffic::Ports(parts)) => parts,
            Ok(_) => promises::all(),
            Err(why) => match to.device.filter(|_| !word.contains('/')) {
                Some(device) => service(judge, device, word)?,
                None => return Err(Wrong::Traffic { word: word.to_string(), why }),
            },
        };
        for (protocol, ports) in parts {
            match wanted.iter_mut().find(|(known, _)| *known == protocol) {
                Some((_, known)) => *known = known.take().zip(ports).map(|(one, two)| one.or(&two)),
                None => wanted.push((protocol, ports)),
            }
        }
    }
    match wanted.is_empty() {
        true => Err(Wrong::Traffic { word: String::new(), why: "nothing in it".to_string() }),
        false => Ok(wanted),
    }
}

fn service(judge: &Judge<'_>, device: usize, word: &str) -> Result<Wanted, Wrong> {
    promises::of_service(judge, device, word).ok_or_else(|| {
        let device = &judge.site.devices[device];
        let rows = judge.catalog.product(&device.product).map_or(&[][..], |product| &product.requirements);
        let known = rows.iter().map(|row| row.service.as_str());
        let hint = nearest(word, known).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        Wrong::Service { device: device.name.clone(), service: word.to_string(), hint }
    })
}

/// Puts a request to the judge. `dialled` is the word for the far end, where that is an address.
pub(crate) fn inquire(
    judge: &Judge<'_>,
    from: End,
    to: End,
    wanted: Wanted,
    dialled: Option<IpAddr>,
) -> Result<Inquiry, Wrong> {
    if from.device.is_some() && from.device == to.device {
        return Err(Wrong::Same(from.name));
    }
    let to = real(judge, to)?;
    let places = |end: &End| -> Vec<Far> { end.places.iter().flat_map(|far| apart(judge, far)).collect() };
    let requests = requests((&places(&from), &places(&to)), &wanted, dialled);
    if requests.is_empty() {
        let traffic = promises::listed(&wanted);
        return Err(Wrong::NoFamily { from: from.name, to: to.name, traffic });
    }
    if requests.len() > MOST {
        return Err(Wrong::TooMuch);
    }
    let mut desk = Desk::new(judge);
    let mut ways = Vec::with_capacity(requests.len());
    for request in requests {
        let asked = desk.requested(&request);
        if matches!(asked, Asked::NoPath) {
            let [from, to] = [&request.from, &request.to].map(|far| judge.site.zones[far.zone].name.clone());
            return Err(Wrong::NoPath { from, to });
        }
        ways.push((request, asked));
    }
    Ok(Inquiry { from, to, wanted, ways })
}

/// Each protocol from each place to each, in each family.
fn requests((from, to): (&[Far], &[Far]), wanted: &Wanted, dialled: Option<IpAddr>) -> Vec<Request> {
    let mut requests = Vec::new();
    for (from, to) in from.iter().flat_map(|from| to.iter().map(move |to| (from, to))) {
        for family in [Family::V4, Family::V6] {
            if from.addresses(family).is_empty() || to.addresses(family).is_empty() {
                continue;
            }
            let of_family = wanted.iter().filter(|(protocol, _)| promises::speaks(*protocol, family));
            requests.extend(of_family.map(|(protocol, ports)| {
                let ports = ports.clone().unwrap_or_else(|| all_of(*protocol));
                let dialled = dialled.map(Family::of).filter(|(of, _)| *of == family);
                Request {
                    from: from.clone(),
                    to: to.clone(),
                    dialled: dialled.map(|(_, number)| number),
                    family,
                    protocol: *protocol,
                    answered: is_answered(*protocol, &ports),
                    ports,
                }
            }));
        }
    }
    requests
}

/// All ports of a protocol; of ICMP the echo request.
fn all_of(protocol: u8) -> Set {
    match protocol {
        proto::ICMP => Set::one(8),
        proto::ICMPV6 => Set::one(128),
        _ => Set::range(0, 65535),
    }
}

/// A place with the devices in it on which firewalls run as places of their own.
fn apart(judge: &Judge<'_>, far: &Far) -> Vec<Far> {
    if far.device.is_some() {
        return vec![far.clone()];
    }
    let mut rest = far.clone();
    let mut places = Vec::new();
    for (at, device) in judge.site.devices.iter().enumerate() {
        if judge.hosted(Some(at)).is_none() {
            continue;
        }
        let mut own = Far { zone: far.zone, device: Some(at), v4: Set::empty(), v6: Set::empty() };
        for (family, number) in device.addresses.iter().map(|address| Family::of(*address)) {
            if !rest.addresses(family).contains(number) {
                continue;
            }
            let one = Set::one(number);
            match family {
                Family::V4 => (own.v4, rest.v4) = (own.v4.or(&one), rest.v4.minus(&one)),
                Family::V6 => (own.v6, rest.v6) = (own.v6.or(&one), rest.v6.minus(&one)),
            }
        }
        if !(own.v4.is_empty() && own.v6.is_empty()) {
            places.push(own);
        }
    }
    if !(rest.v4.is_empty() && rest.v6.is_empty()) {
        places.push(rest);
    }
    places
}

/// The host behind an address into which firewalls translate it, where it is that of no device.
fn real(judge: &Judge<'_>, to: End) -> Result<End, Wrong> {
    let Ok(address) = to.name.parse::<IpAddr>() else { return Ok(to) };
    let (family, number) = Family::of(address);
    let firewalls = judge.firewalls.iter().flatten();
    let hosts = firewalls
        .clone()
        .fold(Set::empty(), |all, firewall| all.or(&firewall.rules.translated_to(family, number)));
    let mut own = firewalls.filter(|firewall| firewall.rules.own_set(family).contains(number));
    let host = match (hosts.single(), hosts.is_empty()) {
        (Some(host), _) => family.address(host),
        (None, true) => {
            return match own.next() {
                Some(firewall) => Err(Wrong::Firewall { address, firewall: firewall.name.clone() }),
                None => Ok(to),
            };
        }
        (None, false) => {
            let all = hosts.ranges().iter().flat_map(|(lo, hi)| *lo..=*hi);
            let all: Vec<String> = all.map(|host| family.address(host).to_string()).collect();
            return Err(Wrong::Shared { address, hosts: crate::lint::words::some(&all, 4, "host") });
        }
    };
    let Ok(found) = End::find(judge.site, judge.catalog, &host.to_string(), None) else { return Ok(to) };
    Ok(End { name: to.name, ..found })
}

/// Whether a request is granted as far as one way of it goes.
pub(crate) fn state_of(asked: &Asked) -> State {
    let Asked::Judged(fares) = asked else {
        return if matches!(asked, Asked::Free) { State::Open } else { State::Depends };
    };
    let stopped = fares.has(Fare::Closed) || fares.has(Fare::Unanswered);
    match (fares.has(Fare::Open), fares.has(Fare::Depends), stopped) {
        (_, false, false) => State::Open,
        (false, false, true) => State::Closed,
        (_, _, true) => State::Part,
        (_, true, false) => State::Depends,
    }
}

impl Inquiry {
    /// Whether it is granted.
    pub(crate) fn state(&self) -> State {
        let mut states = self.ways.iter().map(|(_, asked)| state_of(asked));
        let Some(first) = states.next() else { return State::Open };
        states.fold(first, |all, one| match (all, one) {
            (all, one) if all == one => all,
            (State::Open, State::Depends) | (State::Depends, State::Open) => State::Depends,
            _ => State::Part,
        })
    }

    /// What of it does not get through, or may not.
    pub(crate) fn lacking(&self) -> Vec<Request> {
        let lacking = self
            .ways
            .iter()
            .filter(|(_, asked)| matches!(asked, Asked::Judged(_)) && state_of(asked) != State::Open);
        lacking.map(|(request, _)| request.clone()).collect()
    }

    /// All that is asked for.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.ways.iter().map(|(request, _)| request.clone()).collect()
    }
}
