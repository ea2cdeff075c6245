//! Sites as plain data: what each language writes, and what the oracle walks through.

use std::net::IpAddr;

use crate::splitmix::next;

/// Numbers that a seed decides (SplitMix64).
pub(crate) struct Draw(pub u64);

impl Draw {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (next(&mut self.0) % n as u64) as usize
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// The zones: everything else, and a network behind each firewall.
pub(crate) const ZONES: [&str; 3] = ["internet", "video", "lab"];
pub(crate) const NETWORKS: [&[&str]; 3] =
    [&[], &["10.81.1.0/24", "2001:db8:81:1::/64"], &["10.81.2.0/24", "2001:db8:81:2::/64"]];

/// Sources that stand for all that rules can tell apart, by zone.
pub(crate) const HOSTS: [&[&str]; 3] = [
    &["9.1.1.1", "192.0.2.5", "192.0.2.200", "203.0.113.5", "203.0.113.77", "2001:db8:c::5", "2400:1::1"],
    &["10.81.1.50", "10.81.1.10", "10.81.1.11", "10.81.1.60", "2001:db8:81:1::50", "2001:db8:81:1::10"],
    &["10.81.2.50", "10.81.2.10", "2001:db8:81:2::50", "2001:db8:81:2::10"],
];
/// The networks that rules name.
const NAMED: [&str; 14] = [
    "192.0.2.0/24",
    "192.0.2.128/25",
    "203.0.113.5/32",
    "10.81.1.0/24",
    "10.81.2.0/24",
    "10.81.1.10/32",
    "10.81.1.11/32",
    "10.81.2.10/32",
    "10.81.1.60/32",
    "2001:db8:c::/48",
    "2001:db8:81:1::/64",
    "2001:db8:81:2::/64",
    "2001:db8:81:1::10/128",
    "2001:db8:81:2::10/128",
];
/// The destination ports that rules name.
const PORTS: [(u16, u16); 10] = [
    (1720, 1720),
    (5060, 5060),
    (5000, 5009),
    (5000, 5004),
    (5003, 5020),
    (23, 23),
    (389, 389),
    (2900, 2900),
    (1024, 65535),
    (1, 6000),
];
/// The source ports that rules name, and ports that stand for all that rules can tell apart.
const SOURCE_PORTS: [(u16, u16); 4] = [(1024, 65535), (2000, 2000), (1024, 39999), (40000, 65535)];
pub(crate) const CLIENT_PORTS: [u16; 11] =
    [1024, 1720, 2000, 2900, 5000, 5003, 5005, 5015, 5060, 39999, 65535];
/// What outer addresses devices have, and what a firewall puts in the place of a source, by side.
pub(crate) const PUBLIC: [&str; 2] = ["198.51.100.7", "198.51.100.8"];
pub(crate) const MASKS: [&str; 2] = ["198.51.100.9", "10.81.1.60"];

/// Who opens the connection.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Opens {
    Peer,
    Device,
    Either,
}

/// A row of the only product.
pub(crate) struct Row {
    pub service: &'static str,
    pub tcp: bool,
    pub ports: (u16, u16),
    pub opens: Opens,
    pub severity: &'static str,
}

pub(crate) const TELNET: Row =
    Row { service: "telnet", tcp: true, ports: (23, 23), opens: Opens::Peer, severity: "recommended" };
pub(crate) const LINK: Row =
    Row { service: "link", tcp: true, ports: (2900, 2900), opens: Opens::Peer, severity: "internal" };
pub(crate) const ROWS: [Row; 6] = [
    Row { service: "q931", tcp: true, ports: (1720, 1720), opens: Opens::Either, severity: "mandatory" },
    Row { service: "sip", tcp: false, ports: (5060, 5060), opens: Opens::Peer, severity: "mandatory" },
    Row { service: "rtp", tcp: false, ports: (5000, 5009), opens: Opens::Peer, severity: "mandatory" },
    Row { service: "ldap", tcp: true, ports: (389, 389), opens: Opens::Device, severity: "mandatory" },
    TELNET,
    LINK,
];

/// A network; `not` is everything of its family but it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Net {
    pub address: IpAddr,
    pub length: u32,
    pub not: bool,
}

impl Net {
    fn of(text: &str, not: bool) -> Net {
        let (address, length) = text.split_once('/').unwrap();
        Net { address: address.parse().unwrap(), length: length.parse().unwrap(), not }
    }

    pub(crate) fn has(&self, address: IpAddr) -> bool {
        let cut = |bits: u128, width: u32| bits.checked_shr(width - self.length).unwrap_or(0);
        let inside = match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => cut(a.to_bits().into(), 32) == cut(b.to_bits().into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => cut(a.to_bits(), 128) == cut(b.to_bits(), 128),
            _ => return false,
        };
        inside != self.not
    }
}

/// What a file does not tell, on a rule.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Cond {
    /// The source is in a set, or is not.
    Set { name: usize, not: bool },
    /// A time of the week.
    Time(usize),
    /// Each packet anew.
    Chance,
    /// Up to a rate, which honest traffic keeps.
    Rate,
}

#[derive(Clone, Default, Debug)]
pub(crate) struct Match {
    pub v4: Option<bool>,
    pub tcp: Option<bool>,
    pub src: Option<Net>,
    pub dst: Option<Net>,
    /// The side that it comes in by: 0 is the outer one.
    pub side: Option<usize>,
    pub sport: Option<(u16, u16)>,
    pub dport: Option<(u16, u16)>,
    /// New connections alone.
    pub new: bool,
    pub cond: Option<Cond>,
    /// It has the mark, or has it not.
    pub mark: Option<bool>,
}

#[derive(Clone, Debug)]
pub(crate) enum Act {
    Accept,
    Drop,
    Reject,
    Return,
    /// The packet gets the mark, and goes on.
    Mark,
    Jump(Vec<Rule>),
}

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// Its own within the site.
    pub id: usize,
    pub when: Match,
    pub act: Act,
}

/// Translation of a device's public address, for what comes in by the outer side.
#[derive(Clone, Debug)]
pub(crate) struct Dnat {
    pub device: usize,
    pub tcp: Option<bool>,
    pub ports: Option<(u16, u16)>,
    pub to_port: Option<u16>,
}

/// A change of ports that no answer undoes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rewrite {
    pub tcp: bool,
    pub from: u16,
    pub to: u16,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Form {
    Iptables,
    Nftables,
    Pf,
    Asa,
}

/// A firewall between two zones, or on a device.
#[derive(Clone, Debug)]
pub(crate) struct Wall {
    pub form: Form,
    /// The zone on its outer side, the next one is on the other; or the device that it is on.
    pub place: Place,
    pub rules: Vec<Rule>,
    /// What marks packets, before the rules.
    pub marks: Vec<Rule>,
    /// A destination port that is written over before anything else, in what comes in by the outer side.
    pub rewrite: Option<Rewrite>,
    /// What the policy does with IPv4, and with IPv6.
    pub accepts: [bool; 2],
    /// Answers pass by themselves.
    pub state: bool,
    /// On which sides a SIP helper watches.
    pub helper: [bool; 2],
    pub dnat: Vec<Dnat>,
    /// On the way out of which side sources are replaced.
    pub snat: Option<usize>,
}

impl Wall {
    /// Whether the policy accepts packets of a family.
    pub(crate) fn accepts(&self, v4: bool) -> bool {
        self.accepts[usize::from(!v4)]
    }
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Place {
    Between(usize),
    On(usize),
}

#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub zone: usize,
    pub addresses: Vec<IpAddr>,
    /// It has the public address of its number.
    pub public: bool,
    /// In the security mode that forbids telnet.
    pub high: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Peer {
    Zone(usize),
    Host(usize, IpAddr),
}

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub walls: Vec<Wall>,
    pub devices: Vec<Device>,
    pub peers: Vec<Peer>,
    /// The public addresses are addresses of the outer firewall.
    pub owned: bool,
}

impl World {
    pub(crate) fn draw(d: &mut Draw) -> World {
        let inner = d.one_in(2);
        let zones = if inner { 3 } else { 2 };
        let mut devices = Vec::new();
        for at in 0..1 + d.below(2) {
            let zone = 1 + d.below(zones - 1);
            let mut addresses = vec![parse(&format!("10.81.{zone}.1{at}"))];
            if d.one_in(3) {
                addresses.push(parse(&format!("2001:db8:81:{zone}::1{at}")));
            } else if d.one_in(6) {
                addresses.push(parse(&format!("10.81.{zone}.2{at}")));
            }
            // A public address stands for one of the device's.
            let public = addresses.iter().filter(|address| address.is_ipv4()).count() == 1 && d.one_in(2);
            devices.push(Device { zone, addresses, public, high: d.one_in(2) });
        }
        let mut world = World { walls: vec![], devices, peers: vec![], owned: d.one_in(2) };
        let mut ids = 0;
        for zone in 0..zones - 1 {
            let wall = world.wall(d, Place::Between(zone), &mut ids);
            world.walls.push(wall);
        }
        if d.one_in(5) {
            let on = Place::On(d.below(world.devices.len()));
            let wall = world.wall(d, on, &mut ids);
            world.walls.push(wall);
        }
        if world.walls.iter().any(|wall| wall.snat.is_some()) {
            // A firewall that replaces sources may choose another port as well.
            world.walls.iter_mut().flat_map(|wall| &mut wall.rules).for_each(forget_source_port);
            world.walls.iter_mut().flat_map(|wall| &mut wall.marks).for_each(forget_source_port);
        }
        for _ in 0..1 + d.below(2) {
            let zone = if d.one_in(2) { 0 } else { d.below(zones) };
            let host = parse(d.pick(HOSTS[zone]));
            let ours = world.devices.iter().any(|device| device.addresses.contains(&host));
            world.peers.push(if d.one_in(3) && !ours { Peer::Host(zone, host) } else { Peer::Zone(zone) });
        }
        world
    }

    fn wall(&self, d: &mut Draw, place: Place, ids: &mut usize) -> Wall {
        let forms = [Form::Iptables, Form::Nftables, Form::Pf, Form::Asa];
        let form = d.pick(if place == Place::Between(0) || place == Place::Between(1) {
            &forms
        } else {
            &forms[..3]
        });
        let mut wall = Wall {
            form,
            place,
            rules: vec![],
            marks: vec![],
            rewrite: None,
            accepts: [d.one_in(3); 2],
            state: form == Form::Asa || !d.one_in(4),
            helper: [false; 2],
            dnat: vec![],
            snat: None,
        };
        if form == Form::Iptables {
            wall.accepts[1] = d.one_in(3);
        }
        if place == Place::Between(0) && (wall.state || form != Form::Pf) {
            self.draw_translation(d, &mut wall);
            if matches!(form, Form::Iptables | Form::Nftables) && d.one_in(4) {
                wall.helper = d.pick(&[[true, false], [false, true], [true, true]]);
            }
        }
        if form == Form::Nftables && matches!(place, Place::Between(_)) && d.one_in(5) {
            let row = &ROWS[d.below(ROWS.len())];
            wall.rewrite = Some(Rewrite { tcp: row.tcp, from: row.ports.0, to: d.pick(&[23, 5003, 7777]) });
        }
        if form != Form::Asa && d.one_in(4) {
            for _ in 0..1 + d.below(2) {
                *ids += 1;
                wall.marks.push(Rule { id: *ids, when: when(d, &wall), act: Act::Mark });
            }
        }
        for _ in 0..d.below(7) {
            let rule = rule(d, &wall, ids, matches!(form, Form::Iptables | Form::Nftables));
            wall.rules.push(rule);
        }
        wall
    }

    fn draw_translation(&self, d: &mut Draw, wall: &mut Wall) {
        let known: Vec<usize> = (0..self.devices.len()).filter(|at| self.devices[*at].public).collect();
        for device in known {
            let whole = d.one_in(2);
            for _ in 0..d.below(3) {
                let row = &ROWS[d.below(ROWS.len() - 1)];
                let ports = if wall.form == Form::Asa { (row.ports.0, row.ports.0) } else { row.ports };
                let to_port = d.one_in(4).then_some(d.pick(&[1720, 5060, 5003]));
                // An ASA drops what its reverse path would translate by another entry.
                let real =
                    |rule: &Dnat| (rule.device, rule.tcp, rule.to_port.or(rule.ports.map(|(lo, _)| lo)));
                let this = (device, Some(row.tcp), to_port.or(Some(ports.0)));
                let twice = wall.dnat.iter().any(|rule| real(rule) == this);
                if !(wall.form == Form::Asa && (whole || twice)) {
                    wall.dnat.push(Dnat { device, tcp: Some(row.tcp), ports: Some(ports), to_port });
                }
            }
            if whole {
                wall.dnat.push(Dnat { device, tcp: None, ports: None, to_port: None });
            }
        }
        if wall.form != Form::Asa && d.one_in(3) {
            wall.snat = Some(d.below(2));
        }
    }

    /// How many zones there are.
    pub(crate) fn zones(&self) -> usize {
        1 + self.walls.iter().filter(|wall| matches!(wall.place, Place::Between(_))).count()
    }

    /// Who stands for all in a zone; what is in no other one is in the internet.
    pub(crate) fn hosts(&self, zone: usize) -> Vec<IpAddr> {
        let elsewhere = if zone == 0 { self.zones()..HOSTS.len() } else { 0..0 };
        let hosts = HOSTS[zone].iter().chain(elsewhere.flat_map(|zone| HOSTS[zone]));
        hosts.map(|text| parse(text)).collect()
    }

    /// The firewall on a device.
    pub(crate) fn host_wall(&self, device: usize) -> Option<usize> {
        self.walls.iter().position(|wall| wall.place == Place::On(device))
    }
}

fn forget_source_port(rule: &mut Rule) {
    rule.when.sport = None;
    if let Act::Jump(rules) = &mut rule.act {
        rules.iter_mut().for_each(forget_source_port);
    }
}

pub(crate) fn parse(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn rule(d: &mut Draw, wall: &Wall, ids: &mut usize, nests: bool) -> Rule {
    *ids += 1;
    let id = *ids;
    let mut when = when(d, wall);
    let act = match d.below(8) {
        0 if nests => Act::Jump((0..1 + d.below(3)).map(|_| leaf(d, wall, ids)).collect()),
        0 | 1 => Act::Drop,
        2 => Act::Reject,
        _ => Act::Accept,
    };
    if !matches!(act, Act::Accept) && when.cond == Some(Cond::Rate) {
        when.cond = None;
    }
    Rule { id, when, act }
}

/// A rule of a chain that others jump to.
fn leaf(d: &mut Draw, wall: &Wall, ids: &mut usize) -> Rule {
    if !d.one_in(4) {
        return rule(d, wall, ids, false);
    }
    let mut rule = rule(d, wall, ids, false);
    rule.act = Act::Return;
    rule.when.cond = None;
    rule
}

fn when(d: &mut Draw, wall: &Wall) -> Match {
    let linux = matches!(wall.form, Form::Iptables | Form::Nftables);
    let mut when = Match::default();
    if d.one_in(4) {
        when.cond = Some(match (wall.form, d.below(4)) {
            (Form::Asa, name) => Cond::Time(name % 2),
            (_, 0 | 1) => Cond::Set { name: d.below(2), not: d.one_in(2) },
            (Form::Iptables | Form::Nftables, 2) => Cond::Rate,
            _ => Cond::Chance,
        });
    }
    let set = matches!(when.cond, Some(Cond::Set { .. }));
    if set {
        when.v4 = Some(true);
    }
    let net = |d: &mut Draw, when: &mut Match| {
        let not = wall.form != Form::Asa && d.one_in(6);
        let net = Net::of(d.pick(&NAMED), not);
        let v4 = net.address.is_ipv4();
        (when.v4.is_none_or(|known| known == v4)).then(|| {
            when.v4 = Some(v4);
            net
        })
    };
    if !set && d.one_in(3) {
        when.src = net(d, &mut when);
    }
    if d.one_in(2) {
        when.dst = net(d, &mut when);
    }
    if matches!(wall.place, Place::Between(_)) && d.one_in(4) {
        when.side = Some(d.below(2));
    }
    if !d.one_in(3) {
        when.tcp = Some(d.one_in(2));
        if !d.one_in(4) {
            when.dport = Some(d.pick(&PORTS));
        }
        if d.one_in(8) {
            when.sport = Some(d.pick(&SOURCE_PORTS));
        }
    }
    when.new = linux && d.one_in(8);
    if !wall.marks.is_empty() && d.one_in(3) {
        when.mark = Some(d.one_in(2));
    }
    when
}
