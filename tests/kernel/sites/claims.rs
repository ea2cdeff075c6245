//! Each claim of a report, sent as packets.

use std::net::IpAddr;

use super::Tally;
use super::world::{Device, Site};
use crate::common::{CatalogRow, Finding, Report, Row};
use crate::lab::{End, Fate, Lab};
use crate::packet::{Hook, Probe};
use crate::random::Rng;
use crate::wire::{Header, TCP, UDP};

/// Packets for each claim.
const DRAWN: usize = 3;
/// Source ports of a far end, near enough to each other that every range that is drawn holds one.
const SPORTS: [u16; 14] =
    [1024, 1300, 2000, 3000, 4500, 7000, 10000, 14500, 20000, 28000, 31000, 50000, 61500, 65535];
/// Findings that say of rows that they do not get through.
const BLOCKED: [&str; 5] = ["PH101", "PH102", "PH103", "PH106", "PH107"];

/// Of these rows the guide does not tell at which end the ports are: one reading that passes is enough.
const EITHER_READING: [&str; 1] = ["xml-hints"];

/// A row of a device, one of its transports, and who opens.
struct Leg<'a> {
    device: &'a Device,
    row: &'a CatalogRow,
    transport: &'static str,
    inward: bool,
}

/// What the report says that is not so.
pub(super) fn faults(
    lab: &mut Lab,
    site: &Site,
    report: &Report,
    catalog: &[CatalogRow],
    rng: &mut Rng,
    tally: &mut Tally,
) -> Result<Vec<String>, String> {
    let mut bench = Bench { lab, site, report, catalog, rng, tally, faults: Vec::new() };
    for finding in report.findings.iter().filter(|f| BLOCKED.contains(&f.code.as_str())) {
        bench.witness(finding)?;
    }
    for leg in legs(site, catalog) {
        bench.hear(&leg)?;
    }
    Ok(bench.faults)
}

fn legs<'a>(site: &'a Site, catalog: &'a [CatalogRow]) -> Vec<Leg<'a>> {
    let mut legs = Vec::new();
    for device in &site.devices {
        for row in catalog.iter().filter(|row| row.product == device.product && row.peer.is_some()) {
            for transport in ["tcp", "udp"].into_iter().filter(|t| row.transports.iter().any(|own| own == t))
            {
                for inward in [true, false] {
                    if row.initiator != if inward { "device" } else { "peer" } {
                        legs.push(Leg { device, row, transport, inward });
                    }
                }
            }
        }
    }
    legs
}

impl Leg<'_> {
    /// The row as a finding has it.
    fn of<'f>(&self, finding: &'f Finding) -> Option<&'f Row> {
        let meets = |row: &Row| {
            row.ports.iter().any(|[lo, hi]| self.row.ports.iter().any(|[from, to]| lo <= to && from <= hi))
        };
        finding.requirements.iter().find(|row| {
            row.device == self.device.product
                && row.service == self.row.service
                && (&row.table, &row.row) == (&self.row.table, &self.row.row)
                && row.transport == self.transport
                && meets(row)
        })
    }

    /// Whether findings of a code can be about it.
    fn is_spoken_of_by(&self, code: &str) -> bool {
        let calls_back = self.row.initiator == "either" && !self.inward;
        (code == "PH106") == calls_back
    }

    /// Whether the ports are those that the packets go to: what a device calls has ports of its own, save one
    /// that all know.
    fn has_its_ports(&self) -> bool {
        let well_known = [[1719, 1719], [1720, 1720], [5060, 5060]];
        self.row.initiator != "either" || self.inward || self.row.ports.iter().all(|p| well_known.contains(p))
    }

    fn name(&self) -> String {
        let way = if self.inward { "to" } else { "from" };
        format!("{} {} {way} {}", self.row.service, self.transport, self.device.product)
    }
}

struct Bench<'a> {
    lab: &'a mut Lab,
    site: &'a Site,
    report: &'a Report,
    catalog: &'a [CatalogRow],
    rng: &'a mut Rng,
    tally: &'a mut Tally,
    faults: Vec<String>,
}

impl Bench<'_> {
    /// The packet that a finding shows does not arrive.
    fn witness(&mut self, finding: &Finding) -> Result<(), String> {
        let Some(witness) = finding.witness.as_ref().filter(|_| finding.depends_on.is_empty()) else {
            return Ok(());
        };
        let address = |key: &str| witness[key].as_str().and_then(|text| text.parse::<IpAddr>().ok());
        let port = |key: &str| witness[key].as_u64().map_or(0, |port| port as u16);
        let (Some(src), Some(dst)) = (address("src"), address("dst")) else { return Ok(()) };
        let proto = if witness["proto"] == "tcp" { TCP } else { UDP };
        let inward = witness["iif"] == "eth0";
        if !inward && witness["iif"] != self.inside() {
            return Ok(()); // as it comes to the second firewall
        }
        let there = self.site.devices.iter().find(|d| inward && d.public.unwrap_or(d.address) == dst);
        let there = there.map_or(dst, |device| device.address);
        let mut header = Header::new(src, dst, proto);
        (header.sport, header.dport) = (port("sport"), port("dport"));
        self.tally.witnesses += 1;
        let probe = Probe { hook: Hook::Forward, iif: self.link(inward), header, established: false };
        self.must_not_arrive(&probe, there, &format!("the witness of {}: {}", finding.code, finding.message))
    }

    fn inside(&self) -> &'static str {
        self.site.walls.last().map_or("eth1", |wall| wall.links[1])
    }

    fn link(&self, inward: bool) -> &'static str {
        if inward { "eth0" } else { self.inside() }
    }

    fn hear(&mut self, leg: &Leg) -> Result<(), String> {
        let report = self.report;
        let said: Vec<(&Finding, &Row)> = report
            .findings
            .iter()
            .filter(|f| BLOCKED.contains(&f.code.as_str()) && leg.is_spoken_of_by(&f.code))
            .filter_map(|finding| Some((finding, leg.of(finding)?)))
            .collect();
        for (finding, row) in &said {
            if !finding.depends_on.is_empty() {
                self.tally.unsure += 1;
            } else if leg.has_its_ports() && !finding.leg.as_ref().is_some_and(|leg| leg.some_source_ports) {
                self.tally.blocked.0 += 1;
                for _ in 0..DRAWN {
                    let Some(port) = self.port(&row.blocked, leg) else { continue };
                    let (probe, there) = self.probe(leg, port);
                    self.tally.blocked.1 += 1;
                    let claim = format!("{}: {}", finding.code, leg.name());
                    if leg.inward && self.lacks_a_port(&probe, there)? {
                        self.tally.partly += 1;
                    } else {
                        self.must_not_arrive(&probe, there, &claim)?;
                    }
                }
            }
        }
        let whole = ["PH101", "PH107"]
            .iter()
            .any(|code| report.about(code, &leg.row.service).iter().any(|f| leg.of(f).is_some()));
        let told = !EITHER_READING.contains(&leg.row.service.as_str());
        let judged = leg.row.severity == "mandatory" && told && !leg.row.future_use && !leg.row.internal_only;
        if said.is_empty() && !whole && judged && leg.has_its_ports() {
            self.is_open(leg)?;
        }
        Ok(())
    }

    /// A mandatory row of which nothing is said gets through, and so do the answers.
    fn is_open(&mut self, leg: &Leg) -> Result<(), String> {
        self.tally.open.0 += 1;
        let report = self.report;
        let silent = report.findings.iter().find(|f| f.code == "PH105" && leg.of(f).is_some());
        let of_answers = silent.and_then(|f| leg.of(f)).filter(|_| leg.row.initiator != "either");
        let ports = of_answers.map_or(&leg.row.ports, |row| &row.blocked);
        let mut back = 0;
        let mut sent = 0;
        for _ in 0..DRAWN {
            let Some(port) = self.port(ports, leg) else { continue };
            let (probe, there) = self.probe(leg, port);
            let end = End { address: there, port: Some(port) };
            self.tally.open.1 += 1;
            let Some(fate) = self.lab.exchange(&probe, end, self.link(!leg.inward))? else {
                self.faults.push(format!("nothing is said of {}, and {probe} does not arrive", leg.name()));
                continue;
            };
            sent += 1;
            let header = &probe.header;
            let from = End { address: header.dst, port: Some(header.dport) };
            let to = End { address: header.src, port: Some(header.sport) };
            let came = fate == (Fate::Accept { src: from, dst: Some(to) });
            back += usize::from(came);
            if silent.is_none() {
                self.tally.answered += 1;
                if !came {
                    self.faults.push(format!("{probe} of {} gets no answer: {fate:?}", leg.name()));
                }
            }
        }
        let certain = silent.is_some_and(|f| f.depends_on.is_empty());
        if certain && sent > 0 {
            self.tally.silent.0 += 1;
            self.tally.silent.1 += sent;
            // a row that both open may lack the answers of one of them
            let either = leg.row.initiator == "either";
            // drawn source ports need not be those whose answers are blocked
            let partly = silent.and_then(|f| f.leg.as_ref()).is_some_and(|leg| leg.some_source_ports);
            if back > 0 && !either && !partly && !self.lacks_an_answer(leg, ports)? {
                self.faults.push(format!("PH105 of {}, and {back} of {sent} answers come back", leg.name()));
            }
        }
        Ok(())
    }

    /// Whether some packet of a row, be it from one source port alone, gets no answer.
    fn lacks_an_answer(&mut self, leg: &Leg, ports: &[[u16; 2]]) -> Result<bool, String> {
        let Some(port) = self.port(ports, leg) else { return Ok(false) };
        let (mut probe, there) = self.probe(leg, port);
        let end = End { address: there, port: Some(port) };
        for sport in SPORTS {
            probe.header.sport = sport;
            let fate = self.lab.exchange(&probe, end, self.link(!leg.inward))?;
            if !matches!(fate, Some(Fate::Accept { .. })) {
                self.tally.partly += 1;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a packet arrives, and the same from some other source port does not: what does not get through
    /// from all of them is blocked.
    fn lacks_a_port(&mut self, probe: &Probe, there: IpAddr) -> Result<bool, String> {
        if !self.arrives(probe, there)? {
            return Ok(false);
        }
        for sport in SPORTS {
            let mut other = probe.clone();
            other.header.sport = sport;
            if !self.arrives(&other, there)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn arrives(&mut self, probe: &Probe, there: IpAddr) -> Result<bool, String> {
        let end = End { address: there, port: Some(probe.header.dport) };
        Ok(matches!(self.lab.probe(probe)?, Fate::Accept { dst, .. } if dst == Some(end)))
    }

    fn must_not_arrive(&mut self, probe: &Probe, there: IpAddr, claim: &str) -> Result<(), String> {
        if self.arrives(probe, there)? {
            self.faults.push(format!("{claim}: {probe} arrives"));
        }
        Ok(())
    }

    /// A first packet of a row, and the address where it has to arrive.
    fn probe(&mut self, leg: &Leg, port: u16) -> (Probe, IpAddr) {
        let device = leg.device;
        let peer = self.site.peer;
        let (src, dst, there) = match leg.inward {
            true => (peer, device.public.unwrap_or(device.address), device.address),
            false => (device.address, peer, peer),
        };
        let mut header = Header::new(src, dst, if leg.transport == "tcp" { TCP } else { UDP });
        header.dport = port;
        // over UDP, who is called on a port also calls from it
        let own = !leg.inward && leg.transport == "udp" && leg.row.initiator == "either";
        header.sport = match (leg.inward, self.rng.below(4)) {
            (true, 0) => self.rng.pick(&[1024, 65535]),
            (true, _) => 1024 + self.rng.below(64512) as u16,
            (false, _) if own => leg.row.ports[0][0],
            (false, _) => 32768 + self.rng.below(28232) as u16,
        };
        let probe = Probe { hook: Hook::Forward, iif: self.link(leg.inward), header, established: false };
        (probe, there)
    }

    /// A port of some ranges that is no other row's own.
    fn port(&mut self, ranges: &[[u16; 2]], leg: &Leg) -> Option<u16> {
        let others = self.catalog.iter().filter(|row| row.product == leg.device.product);
        let own: Vec<u16> = others
            .filter(|row| row.ports != leg.row.ports)
            .flat_map(|row| row.ports.iter().filter(|[lo, hi]| lo == hi).map(|[lo, _]| *lo))
            .collect();
        (0..10).find_map(|_| {
            if ranges.is_empty() {
                return None;
            }
            let [lo, hi] = self.rng.pick(ranges);
            let port = match self.rng.below(4) {
                0 => lo,
                1 => hi,
                _ => lo + self.rng.below(usize::from(hi - lo) + 1) as u16,
            };
            Some(port).filter(|port| lo == hi || !own.contains(port))
        })
    }
}
