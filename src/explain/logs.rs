//! What firewalls have dropped, read back as calls: which device, which stage, which rule.

use std::io::{self, BufRead, Read};
use std::net::IpAddr;

use rustc_hash::FxHashMap;

use crate::analysis::{Trip, interpret};
use crate::calls::{Call, Calls, Stage};
use crate::catalog::{Initiator, Listener, Requirement, Transport};
use crate::droplog::{self, Dropped, Line};
use crate::judge::{By, Judge};
use crate::model::Verdict;
use crate::packet::{Family, Field, Packet, Set};
use crate::site::{End as Place, Leg, ZoneId};

/// The longest line that is read, in bytes.
const LONGEST: u64 = 1 << 16;
/// Different packets that are looked at one by one; of more, the rest is counted.
const MOST: usize = 200_000;

/// What a log comes to.
#[derive(Debug, Default)]
pub(crate) struct Heard<'a> {
    /// Lines.
    pub lines: u64,
    /// Packets that were dropped.
    pub drops: u64,
    /// Messages of firewalls about other things.
    pub others: u64,
    /// Lines that are of no form that is known.
    pub unread: u64,
    /// Drops that belong to no row of a device: scans, broadcast, other machines.
    pub noise: u64,
    /// Those that do, the most frequent first.
    pub groups: Vec<Group<'a>>,
}

/// Drops of one cause.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    /// Who sent them, one of several where there are more.
    pub peer: IpAddr,
    /// How many have sent them.
    pub peers: usize,
    /// The device.
    pub device: usize,
    /// Its row.
    pub row: &'a Requirement,
    /// Towards the device, or from it.
    pub leg: Leg,
    /// The transport.
    pub transport: Transport,
    /// The ports that were tried.
    pub ports: Set,
    /// How many packets.
    pub drops: u64,
    /// They belong to connections that were open: the firewall knew them no longer, or never did.
    pub midstream: bool,
    /// Call and stage.
    pub stage: Option<(String, String)>,
    /// What people notice.
    pub symptom: String,
    /// What the configs do with such packets today.
    pub now: Now,
}

/// What the configs as they were read do with a packet of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Now {
    /// They drop it, by this rule.
    Drops(By),
    /// They let it pass: the log is of another version, or of packets that were no first ones.
    Passes,
    /// That depends on what the files do not tell.
    Depends,
    /// It is not known which way it takes.
    NoPath,
}

/// The same packet, but for its source port.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    src: IpAddr,
    dst: IpAddr,
    protocol: u8,
    dport: Option<u16>,
    /// Where it is none of the first packets of a connection: its source port tells what it belongs to.
    sport: Option<u16>,
}

/// Reads a log.
pub(crate) fn hear<'a>(judge: &Judge<'a>, calls: &Calls, input: &mut impl BufRead) -> io::Result<Heard<'a>> {
    let mut heard = Heard::default();
    let mut packets: FxHashMap<Key, u64> = FxHashMap::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.by_ref().take(LONGEST).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        heard.lines += 1;
        match droplog::read(&String::from_utf8_lossy(&line)) {
            Line::Dropped(dropped) => {
                heard.drops += dropped.times;
                let key = key(&dropped);
                let room = packets.len() < MOST;
                match packets.get_mut(&key) {
                    Some(times) => *times += dropped.times,
                    None if room => {
                        packets.insert(key, dropped.times);
                    }
                    None => heard.noise += dropped.times,
                }
            }
            Line::Other => heard.others += 1,
            Line::Unknown => heard.unread += 1,
        }
    }
    let mut packets: Vec<(Key, u64)> = packets.into_iter().collect();
    packets.sort_by_key(|(key, _)| (key.src, key.dst, key.protocol, key.dport, key.sport));
    let listener = Reader { judge, calls };
    for (key, times) in packets {
        match listener.meant(&key) {
            Some(found) => listener.add(&mut heard.groups, &key, times, found),
            None => heard.noise += times,
        }
    }
    heard.groups.sort_by_key(|group| std::cmp::Reverse(group.drops));
    Ok(heard)
}

fn key(dropped: &Dropped) -> Key {
    // TCP packets with ACK or RST and without SYN alone are within a connection.
    let later = dropped.flags.is_some_and(|flags| flags & 0x17 != 2);
    Key {
        src: dropped.src,
        dst: dropped.dst,
        protocol: dropped.protocol,
        dport: dropped.dport,
        sport: dropped.sport.filter(|_| later),
    }
}

/// What a packet belongs to.
struct Found<'a> {
    device: usize,
    row: &'a Requirement,
    leg: Leg,
    transport: Transport,
    midstream: bool,
}

struct Reader<'r, 'a> {
    judge: &'r Judge<'a>,
    calls: &'r Calls,
}

impl<'a> Reader<'_, 'a> {
    /// The row of a device that a packet belongs to.
    fn meant(&self, key: &Key) -> Option<Found<'a>> {
        let transport = match key.protocol {
            6 => Transport::Tcp,
            17 => Transport::Udp,
            _ => return None,
        };
        let midstream = key.sport.is_some();
        let found = |device, row, leg| Some(Found { device, row, leg, transport, midstream });
        if let Some(device) = self.device(key.dst) {
            if let Some(row) = key.dport.and_then(|port| self.row(device, transport, port, Leg::ToDevice)) {
                return found(device, row, Leg::ToDevice);
            }
            if let Some(row) = key.sport.and_then(|port| self.row(device, transport, port, Leg::FromDevice)) {
                return found(device, row, Leg::FromDevice);
            }
        }
        let device = self.device(key.src)?;
        if let Some(row) = key.sport.and_then(|port| self.row(device, transport, port, Leg::ToDevice)) {
            return found(device, row, Leg::ToDevice);
        }
        let row = key.dport.and_then(|port| self.row(device, transport, port, Leg::FromDevice))?;
        found(device, row, Leg::FromDevice)
    }

    fn device(&self, address: IpAddr) -> Option<usize> {
        let has = |device: &crate::site::Device| {
            device.addresses.contains(&address) || device.public_addresses.contains(&address)
        };
        self.judge.site.devices.iter().position(has)
    }

    /// The row with the fewest ports that a packet of a leg goes to.
    fn row(&self, device: usize, transport: Transport, port: u16, leg: Leg) -> Option<&'a Requirement> {
        let (site, catalog) = (self.judge.site, self.judge.catalog);
        let product = catalog.product(&site.devices[device].product)?;
        let is_it = |row: &&Requirement| {
            let side = match leg {
                Leg::ToDevice => row.listener != Listener::Peer && row.initiator != Initiator::Device,
                Leg::FromDevice => row.listener == Listener::Peer,
            };
            side && row.transports.contains(&transport) && site.is_judged(device, product, row)
        };
        let rows = product.requirements.iter().filter(is_it);
        let fits = rows.filter(|row| site.ports_of(device, product, row).contains(port.into()));
        fits.min_by_key(|row| site.ports_of(device, product, row).count())
    }

    fn add(&self, groups: &mut Vec<Group<'a>>, key: &Key, times: u64, found: Found<'a>) {
        let device = &self.judge.site.devices[found.device];
        let inward = device.addresses.contains(&key.dst) || device.public_addresses.contains(&key.dst);
        let peer = if inward { key.src } else { key.dst };
        let now = if found.midstream { Now::Passes } else { self.now(key, found.transport) };
        let port = key.dport.map_or(Set::empty(), |port| Set::one(port.into()));
        let same = |group: &&mut Group<'a>| {
            std::ptr::eq(group.row, found.row)
                && (group.device, group.leg, group.transport) == (found.device, found.leg, found.transport)
                && (group.midstream, group.now) == (found.midstream, now)
        };
        if let Some(group) = groups.iter_mut().find(same) {
            group.drops += times;
            group.ports = group.ports.or(&port);
            // Keys come in the order of their sources.
            group.peers += usize::from(group.peer != peer);
            group.peer = peer;
            return;
        }
        let stage = self.stage(found.row);
        groups.push(Group {
            peer,
            peers: 1,
            device: found.device,
            row: found.row,
            leg: found.leg,
            transport: found.transport,
            ports: port,
            drops: times,
            midstream: found.midstream,
            symptom: match (&found.row.notice, stage) {
                (_, Some((_, stage))) => stage.symptom.clone(),
                (Some(notice), None) => notice.clone(),
                (None, None) => String::new(),
            },
            stage: stage.map(|(call, stage)| (call.title.clone(), stage.title.clone())),
            now,
        });
    }

    /// The stage of the first call that uses a row's service.
    fn stage(&self, row: &Requirement) -> Option<(&Call, &Stage)> {
        let of = |call: &'_ Call| call.stages.iter().position(|stage| stage.services.contains(&row.service));
        self.calls.all().iter().find_map(|call| Some((call, &call.stages[of(call)?])))
    }

    /// What the configs do with a first packet like this.
    fn now(&self, key: &Key, transport: Transport) -> Now {
        let site = self.judge.site;
        let zone = |address: IpAddr| -> Option<(ZoneId, Option<usize>)> {
            let device = self.device(address);
            let own = device.and_then(|device| site.devices[device].addresses.first()).copied();
            Some((site.zone_of(own.unwrap_or(address))?, device))
        };
        let (Some((from, sender)), Some((to, receiver))) = (zone(key.src), zone(key.dst)) else {
            return Now::NoPath;
        };
        let ends = [Place { zone: from, device: sender }, Place { zone: to, device: receiver }];
        let Some(path) = site.path(ends[0], ends[1]) else { return Now::NoPath };
        let mut packet = packet(key, transport);
        for crossing in path {
            let Some(firewall) = self.judge.firewall(crossing.firewall) else { return Now::Depends };
            for (field, side) in [(Field::Iif, &crossing.iif), (Field::Oif, &crossing.oif)] {
                match side.as_ref().and_then(Set::single) {
                    Some(name) => packet.set(field, name),
                    None => packet.forget(field),
                }
            }
            let trip = Trip { packet: packet.clone(), way: crossing.way, fwd_oif: None, loopback: false };
            let outcomes = interpret(&firewall.rules, &trip, &mut ());
            let refused = outcomes.iter().filter(|outcome| outcome.verdict != Verdict::Accept).count();
            match outcomes.first() {
                Some(first) if refused == outcomes.len() => {
                    return Now::Drops(By { firewall: crossing.firewall, by: first.decider, astray: false });
                }
                Some(first) if refused == 0 => packet = first.packet.clone(),
                _ => return Now::Depends,
            }
        }
        Now::Passes
    }
}

/// A first packet of a connection.
fn packet(key: &Key, transport: Transport) -> Packet {
    let (family, src) = Family::of(key.src);
    let (_, dst) = Family::of(key.dst);
    let mut packet = Packet::new(family, crate::judge::number(transport));
    packet.set(Field::src(family), src);
    packet.set(Field::dst(family), dst);
    packet.set(Field::Sport, 50_000);
    if let Some(port) = key.dport {
        packet.set(Field::Dport, port.into());
    }
    if transport == Transport::Tcp {
        packet.set(Field::TcpFlags, 2);
    }
    for (field, value) in [(Field::Ttl, 64), (Field::Dscp, 0), (Field::Ecn, 0), (Field::PktType, 0)] {
        packet.set(field, value);
    }
    packet
}
