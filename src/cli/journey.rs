//! `pinhole trace --from --to`: one packet along the site's path, firewall by firewall.

use std::io::Write;
use std::net::IpAddr;

use serde_json::json;

use super::explain::ends;
use super::input::ConfigArgs;
use super::journal::Journal;
use super::packets::{PacketLine, parse_words};
use super::trace::{TraceFormat, jsonl, print_human};
use super::{Failure, whole};
use crate::analysis::{Outcome, Trip, interpret};
use crate::explain::End;
use crate::judge::Judge;
use crate::model::{Verdict, Way};
use crate::packet::{Family, Field, Packet, Set, interface_name};
use crate::report;
use crate::site::{Crossing, End as Place, Far};
use crate::source::SourceMap;

/// Between whom the packet goes.
pub(super) struct Ends<'w> {
    /// Who sends it.
    pub from: &'w str,
    /// To whom.
    pub to: &'w str,
    /// Its source port.
    pub sport: Option<u16>,
}

/// Addresses of documentation (RFC 5737, RFC 3849): somebody outside is shown with one of these.
const SOMEBODY: [IpAddr; 2] = [
    IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9)),
    IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 9)),
];

/// Follows a packet along the path; the exit code is 0 whatever becomes of it.
pub(super) fn run(
    config: &ConfigArgs,
    ends_of: &Ends<'_>,
    format: TraceFormat,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let mut sources = SourceMap::new();
    let traffic = traffic(config)?;
    let whole = whole::load(config.site_file(), &[], &[], config.input(), &mut sources)?;
    let judge = whole.session.judge();
    let (from, to) = ends(&judge, ends_of.from, ends_of.to)?;
    let Some((here, there, family)) = meeting(&from, &to) else {
        let message = format!("`{}` and `{}` have no addresses of one family", from.name, to.name);
        return Err(Failure::usage(message));
    };
    let place = |end: &End, far: &Far| Place { zone: far.zone, device: end.device };
    let site = judge.site;
    let Some(path) = site.path(place(&from, here), place(&to, there)) else {
        let [from, to] = [here.zone, there.zone].map(|zone| &site.zones[zone].name);
        return Err(Failure::usage(format!(
            "packets from zone {from} to zone {to} can take several ways: say which with a `[[path]]` in the site file"
        )));
    };
    let src = somebody(here.addresses(family), family);
    let dst = match ends_of.to.parse::<IpAddr>() {
        Ok(address) => address,
        Err(_) => dialled(&judge, &to, here, there, family, &path),
    };
    let line = packet(src, dst, &traffic, ends_of.sport.unwrap_or(50_000))?;
    let trip = line.trip().map_err(Failure::usage)?;
    if path.is_empty() {
        let message = "no firewall is between these two: nothing stops the packet";
        match format {
            TraceFormat::Human => writeln!(out, "{message}")?,
            TraceFormat::Jsonl => {}
        }
        return Ok(0);
    }
    follow(&judge, &sources, &path, trip, format, out)?;
    Ok(0)
}

/// The word that says what the packet is, in place of a config.
fn traffic(config: &ConfigArgs) -> Result<(String, Option<u16>), Failure> {
    let wrong = || {
        Failure::usage(
            "with `--from` and `--to`, one word says what the packet is: `tcp/1720`, `udp/5060`, `icmp`",
        )
    };
    let [word] = config.words() else { return Err(wrong()) };
    let word = word.to_str().ok_or_else(wrong)?;
    match word.split_once('/') {
        Some((protocol, port)) => Ok((protocol.to_string(), Some(port.parse().map_err(|_| wrong())?))),
        None if word.starts_with("icmp") => Ok((word.to_string(), None)),
        None => Err(wrong()),
    }
}

fn packet(
    src: IpAddr,
    dst: IpAddr,
    (protocol, port): &(String, Option<u16>),
    sport: u16,
) -> Result<PacketLine, Failure> {
    let ports = port.map_or(String::new(), |port| format!(" sport={sport} dport={port}"));
    parse_words(&format!("src={src} dst={dst} proto={protocol}{ports}")).map_err(Failure::usage)
}

/// The first places of both that have addresses of one family.
fn meeting<'e>(from: &'e End, to: &'e End) -> Option<(&'e Far, &'e Far, Family)> {
    for family in [Family::V4, Family::V6] {
        let here = from.places.iter().find(|far| !far.addresses(family).is_empty());
        let there = to.places.iter().find(|far| !far.addresses(family).is_empty());
        if let (Some(here), Some(there)) = (here, there) {
            return Some((here, there, family));
        }
    }
    None
}

/// One of several addresses.
fn somebody(addresses: &Set, family: Family) -> IpAddr {
    let known = SOMEBODY.iter().find(|address| {
        let (of, number) = Family::of(**address);
        of == family && addresses.contains(number)
    });
    let first = addresses.first().unwrap_or_default();
    let ninth = first.saturating_add(9);
    let any = if addresses.contains(ninth) { ninth } else { first };
    known.copied().unwrap_or_else(|| family.address(any))
}

/// The address by which the far end is dialled.
fn dialled(
    judge: &Judge<'_>,
    to: &End,
    here: &Far,
    there: &Far,
    family: Family,
    path: &[Crossing],
) -> IpAddr {
    let own = there.addresses(family);
    let outside = judge.site.is_everything_else(here.zone);
    if let (Some(device), Some(own), true) = (to.device, own.single(), outside) {
        return somebody(&judge.dialled(device, family, own, path), family);
    }
    somebody(own, family)
}

fn follow(
    judge: &Judge<'_>,
    sources: &SourceMap,
    path: &[Crossing],
    mut trip: Trip,
    format: TraceFormat,
    out: &mut impl Write,
) -> Result<(), Failure> {
    for crossing in path {
        let name = &judge.site.firewalls[crossing.firewall].name;
        let Some(firewall) = judge.firewall(crossing.firewall) else { continue };
        cross(&mut trip, crossing);
        let outcomes = match format {
            TraceFormat::Jsonl => {
                let outcomes = interpret(&firewall.rules, &trip, &mut ());
                let mut line = jsonl(sources, &firewall.rules, &trip, &outcomes, &json!(name));
                line["firewall"] = json!(name);
                report::json(&line, out)?;
                writeln!(out)?;
                outcomes
            }
            TraceFormat::Human => {
                let mut journal = Journal::default();
                let outcomes = interpret(&firewall.rules, &trip, &mut journal);
                writeln!(out, "{}", report::clean(&format!("=== {name}, {}", sides(&trip.packet))))?;
                print_human(sources, &firewall.rules, &trip, &outcomes, &journal, out)?;
                writeln!(out)?;
                outcomes
            }
        };
        let Some(next) = passed(&outcomes) else { return Ok(()) };
        trip = Trip { packet: next.packet.clone(), way: Way::Forward, fwd_oif: None, loopback: false };
    }
    if format == TraceFormat::Human {
        writeln!(out, "it arrives")?;
    }
    Ok(())
}

/// Brings a packet to a firewall.
fn cross(trip: &mut Trip, crossing: &Crossing) {
    trip.way = crossing.way;
    for (field, side) in [(Field::Iif, &crossing.iif), (Field::Oif, &crossing.oif)] {
        match side.as_ref().and_then(Set::single) {
            Some(name) => trip.packet.set(field, name),
            None => trip.packet.forget(field),
        }
    }
}

/// How a packet passes, where it may.
fn passed(outcomes: &[Outcome]) -> Option<&Outcome> {
    outcomes.iter().find(|outcome| outcome.verdict == Verdict::Accept)
}

/// By which interfaces it comes and leaves.
fn sides(packet: &Packet) -> String {
    let name = |field: Field| {
        packet
            .get(field)
            .known()
            .filter(|name| *name != 0)
            .map_or("any interface".to_string(), interface_name)
    };
    format!("in by {}, out by {}", name(Field::Iif), name(Field::Oif))
}
