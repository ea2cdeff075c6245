//! What `check` says of a site, held against what becomes of its packets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::common::{Finding, Report};

use super::oracle::{Answers, Key, Packet, Talk};
use super::world::{CLIENT_PORTS, Form, LINK, Opens, PUBLIC, Peer, Place, ROWS, Row, TELNET, World, parse};
use super::write::face;

/// Open questions that are tried together, at most.
const QUESTIONS: usize = 6;

/// What is so of the connections between an address of a device and a party.
struct Truth {
    /// Some address of the party gets through and is answered, from all ports; from each port some address is.
    passes: bool,
    passes_by_port: bool,
    /// No address gets through from some port: its own, or one that is the same for all.
    blocked: bool,
    blocked_by_port: bool,
    /// Likewise that none is answered, where it got through or not.
    unanswered: bool,
    /// Some packet gets through: for some answers, for all.
    open: bool,
    open_for_certain: bool,
}

impl World {
    /// The addresses that a party in a zone can have.
    fn sources(&self, zone: usize, device: usize, v4: bool) -> Vec<IpAddr> {
        let others =
            self.devices.iter().enumerate().filter(|(at, other)| *at != device && other.zone == zone);
        let all =
            self.hosts(zone).into_iter().chain(others.flat_map(|(_, other)| other.addresses.iter().copied()));
        let own = &self.devices[device].addresses;
        all.filter(|address| address.is_ipv4() == v4 && !own.contains(address)).collect()
    }

    /// What is so of a party; nothing where no firewall is between, or too much is open.
    fn truth(&self, talk: Talk, far: &[IpAddr], helped: bool) -> Option<Truth> {
        if far.is_empty() || !self.is_apart(&talk) {
            return None;
        }
        let mut shared = BTreeSet::new();
        let none = BTreeMap::new();
        let talks = |far: &IpAddr| CLIENT_PORTS.map(|client_port| Talk { far: *far, client_port, ..talk });
        for talk in far.iter().flat_map(talks) {
            let mut answers = Answers::new(&none);
            answers.all(|answers| self.run(&talk, helped, answers));
            shared.extend(answers.asked.into_iter().filter(|key| key.shared(far)));
        }
        if shared.len() > QUESTIONS {
            return None;
        }
        let shared: Vec<Key> = shared.into_iter().collect();
        let mut truth = Truth {
            passes: true,
            passes_by_port: true,
            blocked: true,
            blocked_by_port: false,
            unanswered: true,
            open: false,
            open_for_certain: true,
        };
        let mut by_port = [true; CLIENT_PORTS.len()];
        for bits in 0..1usize << shared.len() {
            let given = shared.iter().enumerate().map(|(at, key)| (*key, bits >> at & 1 == 1)).collect();
            let cells: Vec<Vec<Vec<(bool, bool)>>> = far
                .iter()
                .map(|far| {
                    let ports = talks(far);
                    let run =
                        |talk: &Talk| Answers::new(&given).all(|answers| self.run(talk, helped, answers));
                    ports.iter().map(run).collect()
                })
                .collect();
            let whole = |ends: &Vec<(bool, bool)>| ends.iter().all(|(there, back)| *there && *back);
            let never = |ends: &Vec<(bool, bool)>| ends.iter().all(|(there, _)| !there);
            let unanswered = |ends: &Vec<(bool, bool)>| ends.iter().all(|(there, back)| !(*there && *back));
            truth.passes &= cells.iter().any(|ports| ports.iter().all(whole));
            truth.blocked &= cells.iter().all(|ports| ports.iter().any(never));
            truth.unanswered &= cells.iter().all(|ports| ports.iter().any(unanswered));
            truth.open |= cells.iter().flatten().flatten().any(|(there, _)| *there);
            truth.open_for_certain &= cells.iter().flatten().any(|ends| ends.iter().all(|(there, _)| *there));
            for (port, blocked) in by_port.iter_mut().enumerate() {
                // Only what is claimed of answers is held against ports that devices listen on.
                let own = !talk.inward && matches!(CLIENT_PORTS[port], 1720 | 5060);
                let taken = own || matches!(CLIENT_PORTS[port], 2900 | 5000..=5015);
                truth.passes_by_port &= taken || cells.iter().any(|ports| whole(&ports[port]));
                *blocked &= !taken && cells.iter().all(|ports| never(&ports[port]));
            }
        }
        truth.blocked_by_port = by_port.contains(&true);
        Some(truth)
    }

    /// What is so of a leg of a row at one of its ports, for each address of a device and each peer.
    fn truths(&self, device: usize, row: &Row, port: u16, inward: bool, helped: bool) -> Vec<Truth> {
        let mut truths = Vec::new();
        for near in self.devices[device].addresses.iter().copied() {
            for peer in &self.peers {
                let (far_zone, far) = match peer {
                    Peer::Zone(zone) => (*zone, self.sources(*zone, device, near.is_ipv4())),
                    Peer::Host(zone, host) => (*zone, vec![*host]),
                };
                if far.first().is_none_or(|far| far.is_ipv4() != near.is_ipv4()) {
                    continue;
                }
                let talk =
                    Talk { device, near, far: near, far_zone, inward, tcp: row.tcp, port, client_port: 0 };
                truths.extend(self.truth(talk, &far, helped));
            }
        }
        truths
    }

    /// The faults of a report; none where all that it says is so, and nothing is left out.
    pub(crate) fn faults(&self, report: &Report) -> Vec<String> {
        let mut faults = Vec::new();
        for device in 0..self.devices.len() {
            for row in ROWS.iter().filter(|row| row.severity != "internal") {
                if row.service == TELNET.service && self.devices[device].high {
                    continue;
                }
                for port in row.ports.0..=row.ports.1 {
                    faults.extend(self.row_faults(report, device, row, port));
                }
            }
            faults.extend(self.opening_faults(report, device));
        }
        for at in 0..self.walls.len() {
            faults.extend(self.policy_faults(report, at));
        }
        faults.extend(
            report.of("PH2").chain(report.of("PH3")).filter_map(|finding| self.witness_fault(finding)),
        );
        faults
    }

    fn row_faults(&self, report: &Report, device: usize, row: &Row, port: u16) -> Vec<String> {
        let name = format!("dev-{device}");
        let covers = |finding: &&Finding| {
            let named = finding.requirements.iter().filter(|r| r.device == name && r.service == row.service);
            named.flat_map(|r| &r.blocked).any(|[lo, hi]| (*lo..=*hi).contains(&port))
        };
        let told: Vec<&Finding> = report.of("PH1").filter(covers).collect();
        let main = row.opens != Opens::Device;
        let legs = |code: &str| match (code, row.opens) {
            ("PH105", Opens::Either) => vec![true, false],
            ("PH106", _) => vec![false],
            _ => vec![main],
        };
        let truths = |code: &str, helped| {
            let legs = legs(code).into_iter();
            legs.flat_map(|inward| self.truths(device, row, port, inward, helped)).collect::<Vec<_>>()
        };
        let of = format!("{} {port} of {name}", row.service);
        let mut faults = Vec::new();
        for finding in &told {
            let code = finding.code.as_str();
            let truths = truths(code, finding.depends_on.is_empty());
            let so = match (finding.depends_on.is_empty(), code) {
                (true, "PH105") => truths.iter().any(|truth| truth.unanswered),
                (true, _) => truths.iter().any(|truth| truth.blocked),
                (false, _) => truths.iter().any(|truth| !truth.passes),
            };
            if !so {
                faults.push(format!("{of}: it is not so that {}", finding.message));
            }
        }
        let asked = if row.opens == Opens::Either { "PH105" } else { "PH101" };
        if told.is_empty() && truths(asked, true).iter().any(|truth| !truth.passes_by_port) {
            faults.push(format!("{of}: nothing is said, and it does not pass"));
        }
        // What a helper opens hangs on who places the call, and that the simulator does not draw.
        let caller = |f: &&Finding| f.depends_on.iter().any(|on| on == "which end places the call");
        let sure = told
            .iter()
            .any(|f| (f.depends_on.is_empty() || caller(f)) && !matches!(f.code.as_str(), "PH105" | "PH106"));
        if !sure && truths("PH101", true).iter().any(|truth| truth.blocked_by_port) {
            faults.push(format!("{of}: it is blocked, and that is not said"));
        }
        faults
    }

    /// What is so of a port, for everybody from whom a firewall keeps a device apart.
    fn openings(&self, device: usize, row: &Row) -> Vec<Truth> {
        let mut truths = Vec::new();
        for near in self.devices[device].addresses.iter().copied() {
            for far_zone in 0..self.zones() {
                let far = self.sources(far_zone, device, near.is_ipv4());
                let (tcp, port) = (row.tcp, row.ports.0);
                let talk =
                    Talk { device, near, far: near, far_zone, inward: true, tcp, port, client_port: 0 };
                truths.extend(self.truth(talk, &far, false));
            }
        }
        truths
    }

    fn opening_faults(&self, report: &Report, device: usize) -> Vec<String> {
        let name = format!("dev-{device}");
        let mut faults = Vec::new();
        let mut look = |code: &str, row: &Row| {
            let told: Vec<&Finding> = report
                .of(code)
                .filter(|f| f.requirements.iter().any(|r| r.device == name && r.service == row.service))
                .collect();
            let said_for_certain = told.iter().any(|finding| finding.depends_on.is_empty());
            let truths = self.openings(device, row);
            let open = truths.iter().any(|truth| truth.open);
            let certain = truths.iter().any(|truth| truth.open_for_certain);
            let of = format!("{} of {name}, {code}", row.service);
            match (said_for_certain, told.is_empty()) {
                (true, _) if !open => faults.push(format!("{of}: it is said to be open, and is not")),
                (true, _) if !certain && truths.iter().filter(|truth| truth.open).count() < 2 => {
                    faults.push(format!("{of}: it is said to be open for certain, and that depends"));
                }
                (false, _) if certain => faults.push(format!("{of}: it is open, and that is not said")),
                (false, false) if !open => faults.push(format!("{of}: it may not be open at all")),
                (false, true) if open && code == "PH301" => {
                    faults.push(format!("{of}: it may be open, and that is not said"));
                }
                _ => {}
            }
        };
        if self.devices[device].high {
            look("PH301", &TELNET);
        }
        look("PH204", &LINK);
        faults
    }

    /// PH203 is said where the policy lets some new connection through, and nowhere else.
    fn policy_faults(&self, report: &Report, at: usize) -> Vec<String> {
        let wall = &self.walls[at];
        // An ASA has no such policy, and pf none where a rule speaks of everything.
        if wall.form == Form::Asa || wall.form == Form::Pf && wall.state {
            return vec![];
        }
        let families: &[&[bool]] =
            if wall.form == Form::Iptables { &[&[true], &[false]] } else { &[&[true, false]] };
        let (mut faults, mut missed, mut told) = (Vec::new(), Vec::new(), false);
        for (file, families) in self.names(at).into_iter().zip(families) {
            let said = report.of("PH203").any(|finding| finding.file.as_ref() == Some(&file));
            if said && families.iter().all(|v4| !wall.accepts(*v4)) {
                faults.push(format!("{file}: its policy does not accept"));
            }
            let strangers = families.iter().flat_map(|v4| self.strangers(at, *v4));
            if strangers.into_iter().any(|(packet, side)| self.falls_through(at, packet, side)) {
                told |= said;
                missed.push(file);
            }
        }
        // One finding may speak of both families.
        if let (false, [file, ..]) = (told, missed.as_slice()) {
            faults.push(format!("{file}: the policy lets packets through, and that is not said"));
        }
        faults
    }

    /// Packets of all kinds that a firewall may meet.
    pub(crate) fn strangers(&self, at: usize, v4: bool) -> Vec<(Packet, Option<usize>)> {
        let hosts = |zone: usize| {
            let devices = self.devices.iter().filter(move |device| device.zone == zone);
            let all = self
                .hosts(zone)
                .into_iter()
                .chain(devices.flat_map(|device| device.addresses.iter().copied()));
            all.filter(move |address| address.is_ipv4() == v4).collect::<Vec<_>>()
        };
        let ways: Vec<(Vec<IpAddr>, Vec<IpAddr>, Option<usize>)> = match self.walls[at].place {
            Place::Between(zone) => {
                vec![(hosts(zone), hosts(zone + 1), Some(0)), (hosts(zone + 1), hosts(zone), Some(1))]
            }
            Place::On(device) => {
                let own = self.devices[device].addresses.iter().copied().filter(|a| a.is_ipv4() == v4);
                vec![(hosts(0), own.collect(), None)]
            }
        };
        let mut packets = Vec::new();
        for (from, to, side) in ways {
            for (src, dst) in from.iter().flat_map(|src| to.iter().map(move |dst| (*src, *dst))) {
                for (tcp, dport) in [(true, 1720), (true, 23), (true, 7000), (false, 5003), (false, 5060)] {
                    for sport in [1024, 50000] {
                        let dst = self.known_as(at, dst, side);
                        packets.push((Packet { src, dst, tcp, sport, dport }, side));
                    }
                }
            }
        }
        packets
    }

    /// An ASA drops what comes for the real address of a translated host.
    fn known_as(&self, at: usize, dst: IpAddr, side: Option<usize>) -> IpAddr {
        let wall = &self.walls[at];
        let translated = wall.dnat.iter().find(|rule| self.devices[rule.device].addresses[0] == dst);
        match translated {
            Some(rule) if wall.form == Form::Asa && side == Some(0) => parse(PUBLIC[rule.device]),
            _ => dst,
        }
    }

    /// The packet of a finding does what the finding says.
    fn witness_fault(&self, finding: &Finding) -> Option<String> {
        let witness = finding.witness.as_ref()?;
        let text = |key: &str| witness[key].as_str();
        let file = finding.file.as_deref()?;
        let at = (0..self.walls.len()).find(|at| self.names(*at).iter().any(|name| name == file))?;
        let wall = &self.walls[at];
        let tcp = match text("proto")? {
            "tcp" => true,
            "udp" => false,
            _ => return None,
        };
        let port = |key: &str| witness[key].as_u64().and_then(|port| u16::try_from(port).ok());
        let (sport, dport) = (port("sport")?, port("dport")?);
        let mut packet =
            Packet { src: text("src")?.parse().ok()?, dst: text("dst")?.parse().ok()?, tcp, sport, dport };
        let side = match wall.place {
            // It is told as it comes to the first firewall on its way, which is another one.
            Place::On(_) if text("hook") == Some("forward") => return None,
            Place::On(_) => None,
            Place::Between(_) => Some((0..2).find(|side| text("iif") == Some(face(wall, *side).as_str()))?),
        };
        self.translate(wall, side, &mut packet);
        if is_public(packet.dst) {
            return Some(format!(
                "{}: its packet goes to an address that nobody has: {witness}",
                finding.code
            ));
        }
        let given = BTreeMap::new();
        let ends = Answers::new(&given).all(|answers| self.passes(at, packet, side, false, answers));
        let so = if finding.depends_on.is_empty() { !ends.contains(&false) } else { ends.contains(&true) };
        (!so).then(|| format!("{}: its packet does not pass: {witness}", finding.code))
    }
}

/// Whether it is an address that has to be translated.
pub(crate) fn is_public(address: IpAddr) -> bool {
    PUBLIC.iter().any(|public| parse(public) == address)
}
