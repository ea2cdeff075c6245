//! What `explain` says of calls, sent as packets.

use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::world::Site;
use crate::lab::{End, Fate, Lab};
use crate::packet::{Hook, Probe};
use crate::random::Rng;
use crate::stages;
use crate::wire::{Header, TCP, UDP};

/// Kinds of calls.
const KINDS: [&str; 9] =
    ["h323", "h323-direct", "h323-routed", "h460", "sip", "sip-udp", "sip-tcp", "management", "desktop"];
/// Kinds that are asked about for each pair of ends.
const ASKED: usize = 2;
/// The zone of the far end.
const ZONE: &str = "internet";
/// Source ports of a far end.
const SPORTS: [u16; 6] = [1024, 2000, 5060, 20000, 50000, 65535];
/// Addresses of the zone that rules tell apart: within both networks that these name, within one, and in none.
const OTHERS4: [&str; 3] = ["192.0.2.14", "192.0.2.77", "198.18.9.9"];
const OTHERS6: [&str; 3] = ["2001:db8:9::e", "2001:db8:9::77", "2001:db8:99::9"];
/// Traps of SNMP, which nobody answers.
const TRAPS: u16 = 162;
/// Begins what a stage depends on of which some ports are blocked, and nothing else is to be said.
const SOME_PORTS: [&str; 3] =
    ["which port the ", "whether the ends need RTCP (", "whether RTP takes odd ports ("];

/// What was asked, and what was sent.
#[derive(Default, Debug)]
pub(crate) struct Tally {
    /// Sites that were loaded.
    pub sites: usize,
    /// Calls that were explained.
    pub calls: usize,
    /// Calls of which it is said that they make no sense.
    pub senseless: usize,
    /// Stages that are said to be blocked for certain, and packets sent for them.
    pub blocked: (usize, usize),
    /// Stages some of whose ports are said to be blocked, and packets.
    pub part: (usize, usize),
    /// Packets of those that arrive, and do not from other source ports.
    pub partly: usize,
    /// Stages that are said to be open, and packets.
    pub open: (usize, usize),
    /// Stages whose answers are said to be blocked, and packets.
    pub silent: (usize, usize),
    /// Stages that the other way's connection is said to carry.
    pub carried: usize,
    /// Stages of which `explain` says that it depends.
    pub unsure: usize,
    pub failures: usize,
}

/// What `explain --format json` says, as far as it is read here.
#[derive(Deserialize)]
struct Told {
    stages: Vec<Stage>,
}

#[derive(Deserialize)]
struct Stage {
    stage: String,
    from: String,
    to: String,
    works: String,
    transport: String,
    ports: Vec<[u16; 2]>,
    blocked: Vec<[u16; 2]>,
    reply: bool,
    carried: bool,
    depends_on: Vec<String>,
    path: Vec<String>,
    trace: Option<String>,
}

/// What is said of calls of a site that is not so.
pub(super) fn faults(
    lab: &mut Lab,
    site: &Site,
    folder: &Path,
    rng: &mut Rng,
    tally: &mut Tally,
) -> Result<Vec<String>, String> {
    let mut bench = Bench { lab, site, rng, tally, faults: Vec::new() };
    let peer = site.peer.to_string();
    for device in &site.devices {
        for (from, to) in
            [(peer.as_str(), device.product), (device.product, peer.as_str()), (ZONE, device.product)]
        {
            let begin = bench.rng.below(KINDS.len());
            for at in 0..ASKED {
                let call = KINDS[(begin + at * 4) % KINDS.len()];
                let Some(told) = bench.ask(folder, from, to, call)? else { continue };
                for stage in &told.stages {
                    bench.hear(stage, &format!("{call} from {from} to {to}"))?;
                }
            }
        }
    }
    Ok(bench.faults)
}

struct Bench<'a> {
    lab: &'a mut Lab,
    site: &'a Site,
    rng: &'a mut Rng,
    tally: &'a mut Tally,
    faults: Vec<String>,
}

/// Whether an end of a stage is the zone: of that it is said what somebody in it can do.
fn is_zone(stage: &Stage) -> bool {
    stage.from == ZONE || stage.to == ZONE
}

/// A packet of a stage without its destination port, and the address where it has to arrive.
#[derive(Clone)]
struct Sent {
    header: Header,
    iif: &'static str,
    back: &'static str,
    there: IpAddr,
}

impl Bench<'_> {
    /// An explanation; `None` where the products have nothing to do with such a call.
    fn ask(&mut self, folder: &Path, from: &str, to: &str, call: &str) -> Result<Option<Told>, String> {
        let mut explain = Command::new(env!("CARGO_BIN_EXE_pinhole"));
        explain.current_dir(folder).stdin(Stdio::null());
        explain.args(["explain", "--format", "json", "--from", from, "--to", to, "--call", call]);
        let out = explain.output().map_err(|error| error.to_string())?;
        let err = String::from_utf8_lossy(&out.stderr);
        match out.status.code() {
            Some(0 | 1) => {
                self.tally.calls += 1;
                serde_json::from_slice(&out.stdout).map(Some).map_err(|error| error.to_string())
            }
            Some(2) if err.contains("makes no sense") => {
                self.tally.senseless += 1;
                Ok(None)
            }
            _ => Err(format!("explain {call} from {from} to {to}: {err}")),
        }
    }

    fn hear(&mut self, stage: &Stage, call: &str) -> Result<(), String> {
        if stage.path.is_empty() {
            return Ok(());
        }
        if stage.carried {
            // the answers to the other way's packets are this
            self.tally.carried += 1;
            return Ok(());
        }
        let name =
            format!("{call}, {} ({}) from {} to {}", stage.stage, stage.transport, stage.from, stage.to);
        let Some(sent) = stage.trace.as_deref().and_then(|trace| self.sent(trace)) else {
            return if stage.works == "depends" {
                Ok(())
            } else {
                Err(format!("{name}: no packet is shown"))
            };
        };
        let only_ports = matches!(stage.depends_on.as_slice(), [one] if SOME_PORTS.iter().any(|some| one.starts_with(some)));
        match stage.works.as_str() {
            "no" if stage.reply => self.is_silent(stage, sent, &name),
            "no" => {
                self.tally.blocked.0 += 1;
                for port in some(&stage.ports) {
                    self.tally.blocked.1 += 1;
                    self.must_not_arrive(stage, &sent, port, &name)?;
                }
                Ok(())
            }
            "yes" => {
                self.tally.open.0 += 1;
                self.is_open(stage, &sent, &stage.ports, &name)
            }
            _ if only_ports && !stage.reply => self.is_open_in_part(stage, &sent, &name),
            _ => {
                self.tally.unsure += 1;
                Ok(())
            }
        }
    }

    /// Some ports are blocked and the others open, both for certain.
    fn is_open_in_part(&mut self, stage: &Stage, sent: &Sent, name: &str) -> Result<(), String> {
        self.tally.part.0 += 1;
        for port in some(&stage.blocked) {
            self.tally.part.1 += 1;
            if !self.lacks_a_port(sent, port)? {
                self.must_not_arrive(stage, sent, port, name)?;
            }
        }
        self.is_open(stage, sent, &without(&stage.ports, &stage.blocked), name)
    }

    /// Packets arrive, and answers come back: where an end is a zone, those of somebody in it, for each port, and those
    /// of the packet that is shown.
    fn is_open(&mut self, stage: &Stage, sent: &Sent, ports: &[[u16; 2]], name: &str) -> Result<(), String> {
        for port in some(ports) {
            self.tally.open.1 += 1;
            let mut faults = Vec::new();
            for who in self.anybody(stage, sent) {
                match self.fails(stage, &who, port)? {
                    None => {
                        faults.clear();
                        break;
                    }
                    Some(fault) => faults.push(fault),
                }
            }
            if let Some(fault) = faults.first() {
                self.faults.push(format!("{name} is said to work, and {fault}"));
            }
        }
        let shown = sent.header.dport;
        if is_zone(stage) && stage.works == "yes" {
            let fault = self.fails(stage, sent, shown)?;
            self.faults
                .extend(fault.map(|fault| format!("{name} is said to work, shown by one of which {fault}")));
        }
        Ok(())
    }

    /// What is wrong with what somebody sends to a port, from any of the source ports that he may have.
    fn fails(&mut self, stage: &Stage, sent: &Sent, port: u16) -> Result<Option<String>, String> {
        let sports: &[u16] = if sent.iif == "eth0" && stage.from == ZONE { &SPORTS } else { &[] };
        let drawn = self.probe(stage, sent, port);
        let from = |sport: &u16| {
            let mut probe = drawn.clone();
            probe.header.sport = *sport;
            probe
        };
        for probe in sports.iter().map(from).chain([drawn.clone()]) {
            let end = End { address: sent.there, port: Some(port) };
            match self.lab.exchange(&probe, end, sent.back)? {
                None => return Ok(Some(format!("{probe} does not arrive"))),
                Some(fate) if fate != answered(&probe.header) && !is_trap(&probe.header) => {
                    return Ok(Some(format!("{probe} gets no answer: {fate:?}")));
                }
                Some(_) => {}
            }
        }
        Ok(None)
    }

    /// The packet that is shown and, where an end is a zone, what others in it would send.
    fn anybody(&self, stage: &Stage, sent: &Sent) -> Vec<Sent> {
        let mut all = vec![sent.clone()];
        let others = if self.site.v6 { OTHERS6 } else { OTHERS4 };
        let others = others.iter().filter_map(|other| other.parse().ok()).chain([self.site.peer]);
        for other in others.filter(|_| is_zone(stage)) {
            let mut who = sent.clone();
            if stage.from == ZONE {
                who.header.src = other;
            } else {
                who.header.dst = other;
                who.there = other;
            }
            all.push(who);
        }
        all
    }

    /// What arrives gets no answer.
    fn is_silent(&mut self, stage: &Stage, sent: Sent, name: &str) -> Result<(), String> {
        self.tally.silent.0 += 1;
        for port in some(&stage.ports) {
            self.tally.silent.1 += 1;
            let anybody = self.anybody(stage, &sent);
            let who = &anybody[self.rng.below(anybody.len())];
            let probe = self.probe(stage, who, port);
            let end = End { address: who.there, port: Some(port) };
            stages::forget_inner()?;
            // From some zone it is said of those who get through from each of their ports.
            if self.lab.exchange(&probe, end, who.back)? == Some(answered(&probe.header))
                && !(is_zone(stage) && self.fails(stage, who, port)?.is_some())
            {
                self.faults.push(format!("{name} is said to get no answers, and {probe} does"));
            }
        }
        Ok(())
    }

    fn must_not_arrive(&mut self, stage: &Stage, sent: &Sent, port: u16, name: &str) -> Result<(), String> {
        let anybody = self.anybody(stage, sent);
        let who = &anybody[self.rng.below(anybody.len())];
        let mut probe = self.probe(stage, who, port);
        if who.iif == "eth0" {
            probe.header.sport = self.rng.pick(&SPORTS);
        }
        if self.arrives(&probe, who.there)? {
            self.faults.push(format!("{name} is said to be blocked, and {probe} arrives"));
        }
        Ok(())
    }

    /// Whether a packet arrives, and the same from some other source port does not: what does not get through
    /// from all of them is blocked.
    fn lacks_a_port(&mut self, sent: &Sent, port: u16) -> Result<bool, String> {
        let mut probe = sent.probe(port);
        if !self.arrives(&probe, sent.there)? {
            return Ok(false);
        }
        for sport in SPORTS {
            probe.header.sport = sport;
            if !self.arrives(&probe, sent.there)? {
                self.tally.partly += 1;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a packet arrives that belongs to no connection that a firewall remembers.
    fn arrives(&mut self, probe: &Probe, there: IpAddr) -> Result<bool, String> {
        let end = End { address: there, port: Some(probe.header.dport) };
        let mut arrives = || {
            Ok::<_, String>(matches!(self.lab.probe(probe)?, Fate::Accept { dst, .. } if dst == Some(end)))
        };
        if !arrives()? {
            return Ok(false);
        }
        stages::forget_inner()?;
        arrives()
    }

    /// A packet to a port; whoever is not one of ours sends it from any of his.
    fn probe(&mut self, stage: &Stage, sent: &Sent, port: u16) -> Probe {
        let mut probe = sent.probe(port);
        if sent.iif == "eth0" && stage.from != ZONE && self.rng.one_in(2) {
            probe.header.sport = self.rng.pick(&SPORTS);
        }
        probe
    }

    /// The packet that an explanation shows, as a command that traces it.
    fn sent(&self, trace: &str) -> Option<Sent> {
        let mut words = trace.split_whitespace().skip_while(|word| *word != "--from").skip(1);
        let src: IpAddr = words.next()?.parse().ok()?;
        let dst: IpAddr = words.nth(1)?.parse().ok()?;
        let (transport, port) = words.next()?.split_once('/')?;
        let mut header = Header::new(src, dst, if transport == "tcp" { TCP } else { UDP });
        header.dport = port.parse().ok()?;
        header.sport = words.nth(1).and_then(|sport| sport.parse().ok()).unwrap_or(SPORTS[0]);
        let inside = self.site.walls.last().map_or("eth1", |wall| wall.links[1]);
        let outward = self.site.devices.iter().any(|device| device.address == src);
        let (iif, back) = if outward { (inside, "eth0") } else { ("eth0", inside) };
        let dialled = self.site.devices.iter().find(|device| device.public.unwrap_or(device.address) == dst);
        let there = dialled.map_or(dst, |device| device.address);
        Some(Sent { header, iif, back, there })
    }
}

impl Sent {
    fn probe(&self, port: u16) -> Probe {
        let mut header = self.header.clone();
        header.dport = port;
        Probe { hook: Hook::Forward, iif: self.iif, header, established: false }
    }
}

/// What becomes of the answer to a packet that gets back.
fn answered(header: &Header) -> Fate {
    let src = End { address: header.dst, port: Some(header.dport) };
    Fate::Accept { src, dst: Some(End { address: header.src, port: Some(header.sport) }) }
}

fn is_trap(header: &Header) -> bool {
    (header.proto, header.dport) == (UDP, TRAPS)
}

/// The first, the middle and the last port of each range.
fn some(ranges: &[[u16; 2]]) -> Vec<u16> {
    let mut ports: Vec<u16> = ranges.iter().flat_map(|[lo, hi]| [*lo, lo + (hi - lo) / 2, *hi]).collect();
    ports.dedup();
    ports
}

/// Ranges without others.
fn without(ranges: &[[u16; 2]], others: &[[u16; 2]]) -> Vec<[u16; 2]> {
    let mut rest = ranges.to_vec();
    for [from, to] in others {
        rest = rest
            .into_iter()
            .flat_map(|[lo, hi]| {
                if *from > hi || *to < lo {
                    return vec![[lo, hi]];
                }
                let below = (lo < *from).then(|| [lo, from - 1]);
                let above = (*to < hi).then(|| [to + 1, hi]);
                below.into_iter().chain(above).collect()
            })
            .collect();
    }
    rest
}
