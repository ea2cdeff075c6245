//! What the lints claim of a site is what the interpreter does to its packets.
//!
//! Rules draw their addresses and ports from small pools, so that one packet for each cell between the bounds of
//! the pools stands for all packets: what is compared here is the whole truth and no sample of it.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use pinhole::analysis::{Outcome, Trip, interpret};
use pinhole::catalog::{Catalog, Initiator, Listener, Requirement, Transport};
use pinhole::dialect::{Dialect, Environment, load};
use pinhole::finding::Finding;
use pinhole::lint::{self, Firewall, Judge, pages};
use pinhole::model::{NatAddr, OwnAddress, Verdict, Way};
use pinhole::packet::{Family, Field, Packet, Set, State, interface, proto};
use pinhole::site::{self, Far, Leg, Party, Site};
use pinhole::source::{SourceMap, Span};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// Numbers drawn from a row of bytes, so that failures shrink; zeros when it is used up.
struct Draw<'a>(&'a [u8]);

impl Draw<'_> {
    fn below(&mut self, n: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first) % n
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// Stands for whatever rule is named.
const ANY: Span = Span { start: u32::MAX, end: u32::MAX };

/// The networks of the zones; the internet is everything else.
const VIDEO: &str = "10.1.2.0/24";
const OFFICE: &str = "10.9.0.0/16";
const LAB: &str = "10.7.0.0/24";
const NETWORKS: [&str; 12] = [
    "10.1.2.10/32",
    "10.1.2.20/32",
    "10.7.0.10/32",
    VIDEO,
    OFFICE,
    LAB,
    "10.9.0.5/32",
    "10.9.0.30/32",
    "192.0.2.10/32",
    "192.0.2.0/24",
    "128.0.0.0/1",
    "198.51.100.10/32",
];
const PORTS: [&str; 19] = [
    "1720",
    "5060",
    "1719",
    "23",
    "21",
    "22",
    "80",
    "161",
    "443",
    "3336:3338",
    "1024:1324",
    "1024:4999",
    "16384:16984",
    "16384:16700",
    "12000:13200",
    "2326:3488",
    "6000:6999",
    "1024:65535",
    "0:65535",
];
const PRODUCTS: [&str; 6] =
    ["scopia-elite-5200", "scopia-mcu", "scopia-gateway", "scopia-ecs", "scopia-desktop", "scopia-xt1000"];

struct Case {
    site: String,
    /// The rules of the firewalls: `edge`, and `inner` where there is one.
    rules: Vec<String>,
}

fn case(d: &mut Draw) -> Case {
    let inner = d.one_in(3);
    let mut site = format!(
        "[[zone]]\nname = \"internet\"\n[[zone]]\nname = \"video\"\nnetworks = [\"{VIDEO}\"]\n\
         [[zone]]\nname = \"office\"\nnetworks = [\"{OFFICE}\"]\n"
    );
    let second = if d.one_in(4) { ", eth3 = \"office\"" } else { "" };
    let owned = if d.one_in(2) { ", \"198.51.100.10/24\"" } else { "" };
    let mut places = vec!["10.1.2.10", "10.1.2.20", "10.9.0.30"];
    if inner {
        site += &format!("[[zone]]\nname = \"lab\"\nnetworks = [\"{LAB}\"]\n");
        places.push("10.7.0.10");
    }
    site += &format!(
        "[[firewall]]\nname = \"edge\"\nconfig = [\"0.rules\"]\n\
         interfaces = {{ eth0 = \"internet\", eth1 = \"video\", eth2 = \"office\"{second} }}\n\
         addresses = {{ eth0 = [\"198.51.100.1/24\"{owned}], eth1 = [\"10.1.2.1/24\"] }}\n"
    );
    if inner {
        site += "[[firewall]]\nname = \"inner\"\nconfig = [\"1.rules\"]\n\
                 interfaces = { eth0 = \"office\", eth1 = \"lab\" }\n";
    }
    for at in 0..1 + d.below(2) {
        let place = places.remove(d.below(places.len()));
        site += &device(d, at, place, &mut places);
    }
    for role in
        ["h323-entity", "sip-entity", "gatekeeper", "web-client", "snmp-manager", "mcu", "media-entity"]
    {
        let place = match d.below(6) {
            0 => "zone = \"internet\"",
            1 => "zone = \"office\"",
            2 => "addresses = [\"192.0.2.10\", \"10.9.0.5\"]",
            3 => "addresses = [\"10.9.0.5\"]",
            4 => "zone = \"video\"",
            _ => continue,
        };
        site += &format!("[[peer]]\nrole = \"{role}\"\n{place}\n");
    }
    let rules = (0..1 + usize::from(inner)).map(|at| rules(d, at == 0)).collect();
    Case { site, rules }
}

fn device(d: &mut Draw, at: usize, place: &str, places: &mut Vec<&str>) -> String {
    let product = d.pick(&PRODUCTS);
    let mut addresses = format!("\"{place}\"");
    if d.one_in(5) && !places.is_empty() {
        addresses += &format!(", \"{}\"", places.remove(d.below(places.len())));
    }
    let mut text =
        format!("[[device]]\nname = \"dev-{at}\"\nproduct = \"{product}\"\naddresses = [{addresses}]\n");
    if place == "10.1.2.10" && d.one_in(2) {
        text += "public-addresses = [\"198.51.100.10\"]\n";
    }
    if d.one_in(2) {
        text += &format!("security-mode = \"{}\"\n", d.pick(&["high", "maximum"]));
    }
    if d.one_in(4) {
        text += "ports = { h245 = \"6000-6999\" }\n";
    }
    text
}

fn rules(d: &mut Draw, edge: bool) -> String {
    let mut text = String::new();
    if edge && d.one_in(2) {
        text += "*nat\n:PREROUTING ACCEPT [0:0]\n";
        for _ in 0..1 + d.below(2) {
            let to = d.pick(&["", ":1720"]);
            text += &match d.below(3) {
                0 if to.is_empty() => {
                    "-A PREROUTING -d 198.51.100.10/32 -i eth0 -j DNAT --to-destination 10.1.2.10\n"
                        .to_string()
                }
                _ => format!(
                    "-A PREROUTING -d 198.51.100.10/32 -p {} --dport {} -j DNAT --to-destination 10.1.2.10{to}\n",
                    d.pick(&["tcp", "udp"]),
                    d.pick(&PORTS)
                ),
            };
        }
        text += "COMMIT\n";
    }
    let policy = |d: &mut Draw| d.pick(&["DROP", "DROP", "ACCEPT"]);
    text += &format!(
        "*filter\n:INPUT {} [0:0]\n:FORWARD {} [0:0]\n:OUTPUT ACCEPT [0:0]\n:U0 - [0:0]\n:U1 - [0:0]\n",
        policy(d),
        policy(d)
    );
    if !d.one_in(4) {
        text += "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n";
    }
    for (chain, below, most) in [("FORWARD", 2, 9), ("U0", 1, 4), ("U1", 0, 4), ("INPUT", 0, 2)] {
        for _ in 0..d.below(most) {
            text += &format!("-A {chain}{}{}\n", matches(d), target(d, below));
        }
    }
    text + "COMMIT\n"
}

fn matches(d: &mut Draw) -> String {
    let mut text = String::new();
    let not = |d: &mut Draw| if d.one_in(6) { " !" } else { "" };
    if d.one_in(3) {
        text += &format!("{} -s {}", not(d), d.pick(&NETWORKS));
    }
    if d.one_in(2) {
        text += &format!("{} -d {}", not(d), d.pick(&NETWORKS));
    }
    if d.one_in(5) {
        text += &format!("{} -i {}", not(d), d.pick(&["eth0", "eth1", "eth2", "eth+"]));
    }
    if d.one_in(7) {
        text += &format!("{} -o {}", not(d), d.pick(&["eth0", "eth1", "eth2"]));
    }
    if !d.one_in(3) {
        text += &format!(" -p {}", d.pick(&["tcp", "udp"]));
        match d.below(5) {
            0 => {}
            1 => text += &format!(" -m multiport{} --dports {},{}", not(d), d.pick(&PORTS), d.pick(&PORTS)),
            _ => text += &format!("{} --dport {}", not(d), d.pick(&PORTS)),
        }
        if d.one_in(12) {
            text += &format!("{} --sport 40000:65535", not(d));
        }
    } else if d.one_in(4) {
        text += " -p icmp --icmp-type echo-request";
    }
    match d.below(10) {
        0 => text += &format!(" -m conntrack --ctstate {}", d.pick(&["NEW", "INVALID", "NEW,ESTABLISHED"])),
        1 => text += " -m limit --limit 5/min",
        2 => text += &format!(" -m set{} --match-set friends src", not(d)),
        _ => {}
    }
    text
}

fn target(d: &mut Draw, below: usize) -> String {
    let chain = |d: &mut Draw| if below == 2 && d.one_in(2) { "U0" } else { "U1" };
    match d.below(10) {
        0 | 1 if below > 0 => format!(" -j {}", chain(d)),
        2 if below > 0 => format!(" -g {}", chain(d)),
        3 => " -j DROP".to_string(),
        4 => " -j REJECT".to_string(),
        5 => " -j RETURN".to_string(),
        _ => " -j ACCEPT".to_string(),
    }
}

/// What the interpreter says of packets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Fate {
    Blocked,
    Depends,
    Passes,
}

/// The site as it was read.
struct World {
    site: Site,
    catalog: Catalog,
    firewalls: Vec<Option<Firewall>>,
    /// The source ports that stand for all.
    sports: Vec<u128>,
}

fn number(text: &str) -> u128 {
    text.parse::<Ipv4Addr>().unwrap().to_bits().into()
}

/// The first address and the last of a network.
fn network(text: &str) -> (u128, u128) {
    let (address, length) = text.split_once('/').unwrap();
    Family::V4.prefix(number(address), length.parse().unwrap())
}

/// The first value of each cell between the bounds of a pool.
fn cells(bounds: impl Iterator<Item = (u128, u128)>, within: &Set) -> Vec<u128> {
    let firsts = bounds.flat_map(|(lo, hi)| [lo, hi + 1]).chain(within.ranges().iter().map(|(lo, _)| *lo));
    let firsts: BTreeSet<u128> = firsts.filter(|value| within.contains(*value)).collect();
    firsts.into_iter().collect()
}

fn port_cells(within: &Set) -> Vec<u128> {
    let bounds = PORTS.iter().map(|text| {
        let (lo, hi) = text.split_once(':').unwrap_or((text, text));
        (lo.parse().unwrap(), hi.parse().unwrap())
    });
    cells(bounds, within)
}

fn read(case: &Case) -> World {
    let mut sources = SourceMap::new();
    let id = sources.add("pinhole.toml", case.site.clone().into_bytes()).unwrap();
    let site = site::load(&sources, id, &pages::codes()).unwrap();
    let mut firewalls = Vec::new();
    for (at, text) in case.rules.iter().enumerate() {
        let id = sources.add(format!("{at}.rules"), text.clone().into_bytes()).unwrap();
        let own = site.firewalls[at].addresses.iter().flat_map(|(name, prefixes)| {
            prefixes.iter().map(|prefix| {
                let (family, address) = Family::of(prefix.address);
                OwnAddress { interface: name.clone(), family, address, prefix: prefix.length.into() }
            })
        });
        let environment = Environment { own: own.collect(), ..Environment::default() };
        let mut rules = load(Dialect::Iptables, &mut sources, &[id], &environment).ruleset;
        let devices = site.devices.iter().flat_map(|device| &device.addresses);
        rules.elsewhere = devices.map(|address| Family::of(*address)).collect();
        firewalls.push(Some(Firewall { name: at.to_string(), dialect: Dialect::Iptables, rules }));
    }
    let cut = case.rules.iter().any(|text| text.contains("--sport"));
    let sports = if cut { vec![1024, 40000] } else { vec![1024] };
    World { site, catalog: Catalog::bundled().unwrap(), firewalls, sports }
}

/// One packet of a leg, at the ends.
#[derive(Clone, Copy)]
struct Sent {
    src: u128,
    dst: u128,
    protocol: u8,
    /// The port that the row is about, or the ICMP type.
    port: u128,
    other: u128,
    reply: bool,
}

impl World {
    /// The firewalls between two zones, with the interfaces that packets cross them by.
    fn hops(&self, from: usize, to: usize) -> Vec<(usize, Vec<String>, Vec<String>)> {
        let sides = |firewall: usize, zone: usize| -> Vec<String> {
            let names = self.site.firewalls[firewall].interfaces.iter();
            names.filter(|(_, zones)| zones.contains(&zone)).map(|(name, _)| name.clone()).collect()
        };
        let (office, lab) = (2, 3);
        match (from, to) {
            _ if from == to => vec![],
            (3, 2) | (2, 3) => vec![(1, sides(1, from), sides(1, to))],
            (3, _) => vec![(1, sides(1, lab), sides(1, office)), (0, sides(0, office), sides(0, to))],
            (_, 3) => vec![(0, sides(0, from), sides(0, office)), (1, sides(1, office), sides(1, lab))],
            _ => vec![(0, sides(0, from), sides(0, to))],
        }
    }

    /// What becomes of a packet, and the places that let it through in the end.
    fn send(&self, sent: Sent, from: usize, to: usize) -> (Fate, Vec<Span>) {
        let mut total = (Fate::Passes, Vec::new());
        for (at, iifs, oifs) in self.hops(from, to) {
            let mut best = (Fate::Blocked, Vec::new());
            for (iif, oif) in iifs.iter().flat_map(|iif| oifs.iter().map(move |oif| (iif, oif))) {
                for known_as in self.known_as(sent, at, from) {
                    let (fate, spans) = self.cross(sent, at, known_as, (iif, oif));
                    if fate == Fate::Passes {
                        best.1.extend(spans);
                    }
                    best.0 = best.0.max(fate);
                }
            }
            total = (total.0.min(best.0), best.1);
        }
        total
    }

    /// By which addresses a firewall's one side knows the destination that is on the other.
    fn known_as(&self, sent: Sent, at: usize, from: usize) -> Vec<u128> {
        let rules = &self.firewalls[at].as_ref().unwrap().rules;
        let to_it = NatAddr::Pool(Family::V4, sent.dst, sent.dst);
        if from != 0 || sent.reply || !rules.nats.iter().any(|nat| nat.destination && nat.addr == to_it) {
            return vec![sent.dst];
        }
        let number_of = |address: &std::net::IpAddr| Family::of(*address).1;
        let said = self.site.devices.iter().any(|device| {
            device.addresses.iter().any(|a| number_of(a) == sent.dst) && !device.public_addresses.is_empty()
        });
        let public = number("198.51.100.10");
        // Where the site does not say how others see a device, its own address may be routed as well.
        let own = rules.own.iter().any(|own| own.address == public);
        if said || own { vec![public] } else { vec![public, sent.dst] }
    }

    fn cross(&self, sent: Sent, at: usize, dst: u128, (iif, oif): (&str, &str)) -> (Fate, Vec<Span>) {
        let rules = &self.firewalls[at].as_ref().unwrap().rules;
        let mut packet = Packet::new(Family::V4, sent.protocol);
        let own = rules.own.iter().any(|own| own.address == dst);
        let way = if own { Way::Input } else { Way::Forward };
        packet.set(Field::Src4, sent.src);
        packet.set(Field::Dst4, dst);
        packet.set(Field::Iif, interface(iif));
        packet.set(Field::Oif, interface(oif));
        packet.set(Field::State, if sent.reply { State::Established } else { State::New } as u128);
        if sent.protocol == proto::ICMP {
            packet.set(Field::IcmpType, sent.port);
            packet.set(Field::IcmpCode, 0);
        } else {
            let (here, there) =
                if sent.reply { (Field::Sport, Field::Dport) } else { (Field::Dport, Field::Sport) };
            packet.set(here, sent.port);
            packet.set(there, sent.other);
        }
        if sent.protocol == proto::TCP {
            packet.set(Field::TcpFlags, if sent.reply { 0x12 } else { 2 });
        }
        let trip = Trip { packet, way, fwd_oif: Some(interface(oif)), loopback: false };
        let ends = interpret(rules, &trip, &mut ());
        let arrives = |end: &&Outcome| {
            end.verdict == Verdict::Accept && end.packet.dst() == Some(sent.dst) && end.way == Way::Forward
        };
        let arrived: Vec<&Outcome> = ends.iter().filter(arrives).collect();
        let mut spans: Vec<Span> = arrived.iter().filter_map(|end| end.decider.span(rules)).collect();
        // Where several ways lead to the same end, the interpreter keeps one of their rules.
        if arrived.iter().any(|end| !end.conds.is_empty()) {
            spans.push(ANY);
        }
        let fate = match arrived.len() {
            0 => Fate::Blocked,
            n if n == ends.len() => Fate::Passes,
            _ => Fate::Depends,
        };
        (fate, spans)
    }

    /// What becomes of a port between an address of a device and a party.
    fn fate(
        &self,
        near: u128,
        party: &Party,
        leg: Leg,
        protocol: u8,
        port: u128,
        reply: bool,
    ) -> (Fate, Vec<Span>) {
        let mut total = (Fate::Blocked, Vec::new());
        let home = self.site.zone_of(Family::V4.address(near)).unwrap();
        for Far { zone, v4, .. } in &party.places {
            for far in cells(NETWORKS.iter().map(|text| network(text)), v4) {
                // Nobody in a zone behind a firewall has an address of the firewall's own.
                let mut rulesets = self.firewalls.iter().flatten();
                let own = rulesets.any(|f| f.rules.own.iter().any(|own| own.address == far));
                if own && v4.single().is_none() {
                    continue;
                }
                // Rules about destination ports look at the far end's own port of an answer.
                let others = if reply { port_cells(&Set::range(1024, 65535)) } else { self.sports.clone() };
                for other in others {
                    let outward = (leg == Leg::FromDevice) != reply;
                    let (src, dst) = if outward { (near, far) } else { (far, near) };
                    let (from, to) = if outward { (home, *zone) } else { (*zone, home) };
                    let (fate, spans) = self.send(Sent { src, dst, protocol, port, other, reply }, from, to);
                    total.0 = total.0.max(fate);
                    if fate == Fate::Passes {
                        total.1.extend(spans);
                    }
                }
            }
        }
        total
    }

    fn nears(&self, device: usize) -> Vec<(u128, usize)> {
        let addresses = self.site.devices[device].addresses.iter();
        addresses.map(|a| (Family::of(*a).1, self.site.zone_of(*a).unwrap())).collect()
    }
}

/// Those of a party who have to cross a firewall.
fn outside(mut party: Party, zone: usize) -> Party {
    party.places.retain(|far| far.zone != zone);
    party
}

/// What findings say of a row and of a leg of it.
type Key = (String, String, Option<String>, String, String, bool, bool);

fn key(device: &str, row: &Requirement, transport: Transport, leg: Leg, reply: bool) -> Key {
    let inward = leg == Leg::ToDevice;
    let name = transport.name().to_string();
    (device.to_string(), row.table.clone(), row.row.clone(), row.service.clone(), name, inward, reply)
}

/// For each row that findings speak of: the ports, and whether it is said for certain.
fn claims(findings: &[Finding]) -> BTreeMap<Key, Vec<(bool, Set)>> {
    let mut claims: BTreeMap<Key, Vec<(bool, Set)>> = BTreeMap::new();
    for finding in findings {
        if !["PH101", "PH102", "PH103", "PH104", "PH105"].contains(&finding.code) {
            continue;
        }
        let inward = finding.message.contains("be reached by") || finding.message.contains(" needs ");
        for row in &finding.requirements {
            let ports = Set::of(row.blocked.iter().map(|[lo, hi]| (u128::from(*lo), u128::from(*hi))));
            let key = (
                row.device.clone(),
                row.table.clone(),
                row.row.clone(),
                row.service.clone(),
                row.transport.clone(),
                inward,
                finding.code == "PH105",
            );
            claims.entry(key).or_default().push((finding.depends_on.is_empty(), ports));
        }
    }
    claims
}

/// What the interpreter says of one party: the ports that are blocked, and those where it depends.
fn faults(
    world: &World,
    near: u128,
    party: &Party,
    flow: &site::Flow,
    protocol: u8,
    reply: bool,
) -> [Set; 2] {
    let mut sets = [Set::empty(), Set::empty()];
    let mut best = Fate::Blocked;
    for port in port_cells(&flow.ports) {
        let fate = world.fate(near, party, flow.leg, protocol, port, reply).0;
        best = best.max(fate);
        match fate {
            Fate::Blocked => sets[0] = sets[0].or(&Set::one(port)),
            Fate::Depends => sets[1] = sets[1].or(&Set::one(port)),
            Fate::Passes => {}
        }
    }
    match (flow.any_port, best) {
        (true, Fate::Passes) => [Set::empty(), Set::empty()],
        (true, Fate::Depends) => [Set::empty(), sets[1].clone()],
        _ => sets,
    }
}

fn requirements_are_true(world: &World, findings: &[Finding]) -> Result<(), TestCaseError> {
    let mut claimed = claims(findings);
    for (at, device) in world.site.devices.iter().enumerate() {
        let mut wanted: BTreeMap<Key, (Set, [Set; 2])> = BTreeMap::new();
        for (near, zone) in world.nears(at) {
            for flow in world.site.flows(&world.catalog, at, zone) {
                let row = flow.requirement;
                if flow.either_transport
                    || (flow.leg == Leg::FromDevice && row.initiator == Initiator::Either)
                {
                    // What becomes of these hangs on what becomes of another leg or transport.
                    for (transport, reply) in flow.transports.iter().flat_map(|t| [(*t, false), (*t, true)]) {
                        claimed.remove(&key(&device.name, row, transport, flow.leg, reply));
                    }
                    continue;
                }
                for (transport, party) in
                    flow.transports.iter().flat_map(|t| flow.parties.iter().map(move |p| (*t, p)))
                {
                    let protocol = if transport == Transport::Tcp { proto::TCP } else { proto::UDP };
                    let first = faults(world, near, party, &flow, protocol, false);
                    let replies = first[0].is_empty() && first[1].is_empty() && row.service != "snmp";
                    for (reply, [blocked, unsure]) in [
                        (false, first),
                        (
                            true,
                            if replies && !keeps_state(world) {
                                faults(world, near, party, &flow, protocol, true)
                            } else {
                                [Set::empty(), Set::empty()]
                            },
                        ),
                    ] {
                        let entry = wanted
                            .entry(key(&device.name, row, transport, flow.leg, reply))
                            .or_insert((Set::empty(), [Set::empty(), Set::empty()]));
                        entry.0 = entry.0.or(&Set::of(port_cells(&flow.ports).into_iter().map(|p| (p, p))));
                        // What is blocked for certain is told first; the rest of that leg is not told.
                        if blocked.is_empty() {
                            entry.1[1] = entry.1[1].or(&unsure);
                        }
                        entry.1[0] = entry.1[0].or(&blocked);
                    }
                }
            }
        }
        for (key, (asked, truth)) in wanted {
            if key.3 == "snmp" && key.6 {
                claimed.remove(&key);
                continue;
            }
            let said = claimed.remove(&key).unwrap_or_default();
            for (certain, truth) in [true, false].into_iter().zip(truth) {
                let said = said.iter().filter(|(sure, _)| *sure == certain);
                let said = said.fold(Set::empty(), |set, (_, ports)| set.or(ports)).and(&asked);
                prop_assert_eq!(&said, &truth, "{:?}, certain: {}", key, certain);
            }
        }
    }
    prop_assert!(claimed.is_empty(), "of no flow: {:?}", claimed);
    Ok(())
}

/// Whether no firewall has to be asked about replies.
fn keeps_state(world: &World) -> bool {
    world.firewalls.iter().flatten().all(|firewall| firewall.rules.stateful)
}

fn exposures_are_true(world: &World, findings: &[Finding]) -> Result<(), TestCaseError> {
    for (at, device) in world.site.devices.iter().enumerate() {
        let product = world.catalog.product(&device.product).unwrap();
        let Some(mode) = world.site.mode_of(at, product) else { continue };
        for (service, protocol, port) in [
            ("telnet", proto::TCP, 23),
            ("ftp", proto::TCP, 21),
            ("snmp", proto::UDP, 161),
            ("icmp", proto::ICMP, 8),
        ] {
            if mode.is_on(service) != Some(false) {
                continue;
            }
            let row =
                product.requirements.iter().find(|r| r.service == service && r.listener == Listener::Device);
            let ports = row.map_or(Set::one(port), |row| world.site.ports_of(at, product, row));
            let mut truth = (Fate::Blocked, Vec::new());
            for (near, zone) in world.nears(at) {
                let party = outside(world.site.everybody(at), zone);
                for port in port_cells(&ports) {
                    let (fate, spans) = world.fate(near, &party, Leg::ToDevice, protocol, port, false);
                    truth.0 = truth.0.max(fate);
                    truth.1.extend(spans);
                }
            }
            let told: Vec<&Finding> = findings
                .iter()
                .filter(|f| f.code == "PH301")
                .filter(|f| f.requirements.iter().any(|r| r.device == device.name && r.service == service))
                .collect();
            let said = match told.iter().map(|f| f.depends_on.is_empty()).max() {
                None => Fate::Blocked,
                Some(false) => Fate::Depends,
                Some(true) => Fate::Passes,
            };
            prop_assert_eq!(said, truth.0, "PH301 {} of {}", service, device.name);
            for finding in told.iter().filter(|f| f.depends_on.is_empty()) {
                let span = finding.span.unwrap();
                prop_assert!(
                    truth.1.contains(&span) || truth.1.contains(&ANY),
                    "{} opens by another rule: {:?}",
                    finding.message,
                    span
                );
            }
        }
    }
    for finding in findings.iter().filter(|f| matches!(f.code, "PH204" | "PH205")) {
        prop_assert!(finding.depends_on.is_empty());
        for row in &finding.requirements {
            let at = world.site.devices.iter().position(|device| device.name == row.device).unwrap();
            let protocol = if row.transport == "tcp" { proto::TCP } else { proto::UDP };
            let ports = Set::of(row.ports.iter().map(|[lo, hi]| (u128::from(*lo), u128::from(*hi))));
            let mut spans = Vec::new();
            for (near, zone) in world.nears(at) {
                let party = outside(world.site.everybody(at), zone);
                for port in port_cells(&ports) {
                    spans.extend(world.fate(near, &party, Leg::ToDevice, protocol, port, false).1);
                }
            }
            let named = spans.contains(&finding.span.unwrap()) || spans.contains(&ANY);
            prop_assert!(named, "{}: {}", finding.code, finding.message);
        }
    }
    Ok(())
}

proptest! {
    // The cases are always the same. Known gap: across two firewalls a whole zone counts as getting through where
    // each lets some address of it through, not the same one; random cases meet it about once in five thousand.
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 300,
        rng_seed: RngSeed::Fixed(7),
        ..ProptestConfig::with_cases(150)
    })]

    #[test]
    fn what_is_claimed_is_what_happens(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let case = case(&mut Draw(&bytes));
        let world = read(&case);
        let findings = lint::check(&Judge::new(&world.site, &world.catalog, &world.firewalls), None);
        let story = || {
            let told: Vec<String> = findings.iter().map(|f| format!("{} {}", f.code, f.message)).collect();
            format!("{}\n{}\n{}", case.site, case.rules.join("\n"), told.join("\n"))
        };
        for result in [requirements_are_true(&world, &findings), exposures_are_true(&world, &findings)] {
            if let Err(error) = result {
                return Err(TestCaseError::fail(format!("{error}\n{}", story())));
            }
        }
    }
}

/// The codes and devices of a site's findings, with the firewalls that were read.
fn told(site: &str, rules: &[&str], unread: Option<usize>) -> Vec<(&'static str, String)> {
    let rules = rules.iter().map(|text| (*text).to_string()).collect();
    let mut world = read(&Case { site: site.to_string(), rules });
    if let Some(at) = unread {
        world.firewalls[at] = None;
    }
    let findings = lint::check(&Judge::new(&world.site, &world.catalog, &world.firewalls), None);
    findings.into_iter().map(|finding| (finding.code, finding.message)).collect()
}

const ZONES: &str = "[[zone]]\nname = \"internet\"\n[[zone]]\nname = \"video\"\nnetworks = [\"10.1.2.0/24\"]\n\
                     [[zone]]\nname = \"office\"\nnetworks = [\"10.9.0.0/16\"]\n";
const EDGE: &str = "[[firewall]]\nname = \"edge\"\nconfig = [\"0.rules\"]\n\
                    interfaces = { eth0 = \"internet\", eth1 = \"video\" }\n";
const INNER: &str = "[[firewall]]\nname = \"inner\"\nconfig = [\"1.rules\"]\n\
                     interfaces = { eth0 = \"video\", eth1 = \"office\" }\n";
const TELNET: &str = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
                      -A FORWARD -p tcp --dport 23 -j ACCEPT\n-A INPUT -s 10.1.2.0/24 -p tcp --dport 23 -j ACCEPT\n\
                      COMMIT\n";

fn mcu(addresses: &str) -> String {
    format!(
        "[[device]]\nname = \"mcu\"\nproduct = \"scopia-mcu\"\naddresses = [{addresses}]\n\
         security-mode = \"high\"\n"
    )
}

fn forbidden(told: &[(&str, String)]) -> bool {
    told.iter().any(|(code, _)| *code == "PH301")
}

#[test]
fn a_service_is_open_at_a_second_address() {
    let edge = EDGE.replace("eth1", "eth2 = \"office\", eth1");
    let rules = TELNET.replace("-A FORWARD", "-A FORWARD -d 10.9.0.10");
    let site = format!("{ZONES}{edge}{}", mcu("\"10.1.2.10\", \"10.9.0.10\""));
    assert!(forbidden(&told(&site, &[&rules], None)));
}

#[test]
fn a_service_is_open_by_the_one_firewall_that_was_read() {
    let site = format!("{ZONES}{EDGE}{INNER}{}", mcu("\"10.1.2.10\""));
    assert!(forbidden(&told(&site, &[TELNET, TELNET], Some(1))));
}

#[test]
fn a_service_is_open_to_the_zone_of_a_host_with_a_firewall() {
    let host = "[[firewall]]\nname = \"host\"\nconfig = [\"0.rules\"]\nhost = \"mcu\"\n";
    assert!(forbidden(&told(&format!("{ZONES}{host}{}", mcu("\"10.1.2.10\"")), &[TELNET], None)));
}

#[test]
fn zones_with_free_passage_are_not_said_to_be_kept_out() {
    let told = told(&format!("{ZONES}{EDGE}{}", mcu("\"10.1.2.10\"")), &[TELNET], None);
    assert!(told.iter().any(|(_, message)| message.contains("reached by anybody in zone internet on")));
    assert!(told.iter().all(|(_, message)| !message.contains("anybody outside")), "{told:?}");
}

#[test]
fn an_address_of_which_no_file_speaks_is_told() {
    let told = told(&format!("{ZONES}{EDGE}{}", mcu("\"2001:db8::10\"")), &[TELNET], None);
    assert!(told.iter().any(|(code, _)| *code == "PH610"), "{told:?}");
}
