//! What becomes of one packet and of its answer, by walking through the rules as they were drawn.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::world::{Act, CLIENT_PORTS, Cond, MASKS, Match, PUBLIC, Place, Rule, Wall, World, parse};

/// A question that the files leave open: one answer wherever it is asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Key {
    /// Whether an address is in a set of a firewall.
    Member(usize, usize, IpAddr),
    /// Whether it is the time.
    Time(usize, usize),
    /// Whether a rule takes a packet, or its answer.
    Chance(usize, bool),
}

impl Key {
    /// Whether the answer is the same for all whom a device talks to, who are these.
    pub(crate) fn shared(&self, far: &[IpAddr]) -> bool {
        match self {
            Key::Member(_, _, address) => !far.contains(address),
            Key::Time(..) => true,
            Key::Chance(..) => false,
        }
    }
}

/// Answers to open questions: some are given, the others are tried one after the other.
pub(crate) struct Answers<'a> {
    given: &'a BTreeMap<Key, bool>,
    tried: Vec<(Key, bool)>,
    at: usize,
    /// Whether what keeps a rate is a question, too.
    rates: bool,
    /// All questions that were asked and not given.
    pub asked: BTreeSet<Key>,
}

impl<'a> Answers<'a> {
    pub(crate) fn new(given: &'a BTreeMap<Key, bool>) -> Self {
        Answers { given, tried: vec![], at: 0, rates: false, asked: BTreeSet::new() }
    }

    /// The same for traffic of which it is not known whether it keeps to rates.
    pub(crate) fn with_rates(given: &'a BTreeMap<Key, bool>) -> Self {
        Answers { rates: true, ..Answers::new(given) }
    }

    fn ask(&mut self, key: Key) -> bool {
        if let Some(answer) = self.given.get(&key) {
            return *answer;
        }
        if let Some((_, answer)) = self.tried[..self.at].iter().find(|(known, _)| *known == key) {
            return *answer;
        }
        if self.at == self.tried.len() {
            self.tried.push((key, false));
            self.asked.insert(key);
        }
        self.at += 1;
        self.tried[self.at - 1].1
    }

    /// What comes out for all answers.
    pub(crate) fn all<T>(&mut self, mut run: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let mut outcomes = Vec::new();
        loop {
            self.at = 0;
            outcomes.push(run(self));
            while self.tried.last().is_some_and(|(_, answer)| *answer) {
                self.tried.pop();
            }
            match self.tried.last_mut() {
                Some((_, answer)) => *answer = true,
                None => return outcomes,
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet {
    pub src: IpAddr,
    pub dst: IpAddr,
    pub tcp: bool,
    pub sport: u16,
    pub dport: u16,
}

impl Packet {
    fn answer(self) -> Packet {
        Packet { src: self.dst, dst: self.src, sport: self.dport, dport: self.sport, ..self }
    }
}

/// A connection between a device and somebody else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Talk {
    pub device: usize,
    /// The device's address, and the far end's with its zone.
    pub near: IpAddr,
    pub far: IpAddr,
    pub far_zone: usize,
    /// The far end opens it.
    pub inward: bool,
    pub tcp: bool,
    pub port: u16,
    pub client_port: u16,
}

/// One firewall on the way.
struct Hop {
    wall: usize,
    /// The side that the opener's packets come in by; `None` is a host's own firewall.
    side: Option<usize>,
    leaves_host: bool,
}

impl World {
    fn path(&self, talk: &Talk) -> Vec<Hop> {
        let zone = self.devices[talk.device].zone;
        let (from, to) = if talk.inward { (talk.far_zone, zone) } else { (zone, talk.far_zone) };
        let between: Vec<usize> = match from < to {
            true => (from..to).collect(),
            false => (to..from).rev().collect(),
        };
        let side = Some(usize::from(from > to));
        let wall = |zone| self.walls.iter().position(|wall| wall.place == Place::Between(zone)).unwrap();
        let mut hops: Vec<Hop> =
            between.into_iter().map(|zone| Hop { wall: wall(zone), side, leaves_host: false }).collect();
        if let Some(wall) = self.host_wall(talk.device) {
            let hop = Hop { wall, side: None, leaves_host: !talk.inward };
            if talk.inward { hops.push(hop) } else { hops.insert(0, hop) }
        }
        hops
    }

    /// Whether any firewall stands between.
    pub(crate) fn is_apart(&self, talk: &Talk) -> bool {
        !self.path(talk).is_empty()
    }

    /// Whether a connection's first packet arrives where it is meant to, and whether the answer comes back.
    pub(crate) fn run(&self, talk: &Talk, helped: bool, answers: &mut Answers) -> (bool, bool) {
        let path = self.path(talk);
        let (src, dst) = if talk.inward { (talk.far, self.dialled(talk)) } else { (talk.near, talk.far) };
        let mut packet = Packet { src, dst, tcp: talk.tcp, sport: talk.client_port, dport: talk.port };
        let mut seen = Vec::new();
        for hop in &path {
            let wall = &self.walls[hop.wall];
            self.translate(wall, hop.side, &mut packet);
            seen.push(packet);
            let opened = helped && self.helps(wall, hop, talk, answers);
            if !hop.leaves_host && !opened && !self.passes(hop.wall, packet, hop.side, false, answers) {
                return (false, false);
            }
            let masked = hop.side.is_some_and(|side| wall.snat == Some(1 - side)) && packet.src.is_ipv4();
            if let (true, Some(side)) = (masked, wall.snat) {
                packet.src = parse(MASKS[side]);
            }
        }
        let meant = if talk.inward { talk.near } else { talk.far };
        if packet.dst != meant || packet.dport != talk.port {
            return (false, false);
        }
        for (hop, packet) in path.iter().zip(seen).rev() {
            // What a host answers leaves it as everything does.
            let leaves = hop.side.is_none() && talk.inward;
            let side = hop.side.map(|side| 1 - side);
            if !leaves
                && !self.walls[hop.wall].state
                && !self.passes(hop.wall, packet.answer(), side, true, answers)
            {
                return (true, false);
            }
        }
        (true, true)
    }

    /// The address that the far end sends to.
    fn dialled(&self, talk: &Talk) -> IpAddr {
        let device = &self.devices[talk.device];
        let known = talk.far_zone == 0 && device.public && talk.near.is_ipv4();
        if known { parse(PUBLIC[talk.device]) } else { talk.near }
    }

    /// Rewrites the destination of what comes in by a side.
    pub(crate) fn translate(&self, wall: &Wall, side: Option<usize>, packet: &mut Packet) {
        if let (Some(0), Some(rewrite)) = (side, wall.rewrite)
            && (rewrite.tcp, rewrite.from) == (packet.tcp, packet.dport)
        {
            packet.dport = rewrite.to;
        }
        let rule = wall.dnat.iter().find(|rule| {
            side == Some(0)
                && packet.dst == parse(PUBLIC[rule.device])
                && rule.tcp.is_none_or(|tcp| tcp == packet.tcp)
                && rule.ports.is_none_or(|(lo, hi)| (lo..=hi).contains(&packet.dport))
        });
        if let Some(rule) = rule {
            packet.dst = self.devices[rule.device].addresses[0];
            packet.dport = rule.to_port.unwrap_or(packet.dport);
        }
    }

    /// Whether the helper of a firewall can have opened media: it sees the call come, and the call gets through.
    fn helps(&self, wall: &Wall, hop: &Hop, talk: &Talk, answers: &Answers) -> bool {
        let watches = hop.side.is_some_and(|side| wall.helper[side]);
        // Linux expects media at the address that signalling comes from and at no other (`set_expected_rtp_rtcp` of
        // nf_conntrack_sip): a device that announces its public one, which is translated, gets none.
        let elsewhere = talk.inward && self.dialled(talk) != talk.near;
        if !(watches && !elsewhere && wall.state && (5000..=5009).contains(&talk.port) && !talk.tcp) {
            return false;
        }
        // The call comes from a port of its own.
        CLIENT_PORTS.into_iter().any(|client_port| {
            let call = Talk { port: 5060, client_port, ..*talk };
            let mut possible = Answers::new(answers.given);
            possible.all(|answers| self.run(&call, false, answers).0).contains(&true)
        })
    }

    pub(crate) fn passes(
        &self,
        at: usize,
        packet: Packet,
        side: Option<usize>,
        answer: bool,
        answers: &mut Answers,
    ) -> bool {
        let look = self.look(at, packet, side, answer, answers);
        let decided = walk(&self.walls[at].rules, &look, answers).flatten();
        decided.unwrap_or(self.walls[at].accepts(packet.src.is_ipv4()))
    }

    /// A packet as the rules of a firewall see it.
    fn look(
        &self,
        at: usize,
        packet: Packet,
        side: Option<usize>,
        answer: bool,
        answers: &mut Answers,
    ) -> Look {
        let mut look = Look { at, packet, side, answer, marked: false };
        // A mark stays, and the rules after it are walked through all the same.
        for rule in &self.walls[at].marks {
            look.marked |= holds(rule, &look, answers);
        }
        look
    }

    /// Whether a packet of a new connection gets to an accepting policy for all answers.
    pub(crate) fn falls_through(&self, at: usize, packet: Packet, side: Option<usize>) -> bool {
        let given = BTreeMap::new();
        let walked = Answers::new(&given).all(|answers| {
            let look = self.look(at, packet, side, false, answers);
            walk(&self.walls[at].rules, &look, answers).flatten()
        });
        self.walls[at].accepts(packet.src.is_ipv4()) && walked.iter().all(Option::is_none)
    }
}

/// A packet at a firewall.
struct Look {
    at: usize,
    packet: Packet,
    side: Option<usize>,
    answer: bool,
    marked: bool,
}

/// What rules decide: nothing where they end, `Some(None)` where one of them returns.
fn walk(rules: &[Rule], look: &Look, answers: &mut Answers) -> Option<Option<bool>> {
    for rule in rules {
        if !holds(rule, look, answers) {
            continue;
        }
        match &rule.act {
            Act::Accept => return Some(Some(true)),
            Act::Drop | Act::Reject => return Some(Some(false)),
            Act::Return => return Some(None),
            Act::Mark => {}
            Act::Jump(inner) => {
                if let Some(decided @ Some(_)) = walk(inner, look, answers) {
                    return Some(decided);
                }
            }
        }
    }
    None
}

fn holds(rule: &Rule, look: &Look, answers: &mut Answers) -> bool {
    let Match { v4, tcp, src, dst, side, sport, dport, new, cond, mark } = &rule.when;
    let packet = &look.packet;
    let within = |ports: &Option<(u16, u16)>, port| ports.is_none_or(|(lo, hi)| (lo..=hi).contains(&port));
    let known = v4.is_none_or(|v4| v4 == packet.src.is_ipv4())
        && tcp.is_none_or(|tcp| tcp == packet.tcp)
        && src.is_none_or(|net| net.has(packet.src))
        && dst.is_none_or(|net| net.has(packet.dst))
        && side.is_none_or(|side| Some(side) == look.side)
        && within(sport, packet.sport)
        && within(dport, packet.dport)
        && mark.is_none_or(|mark| mark == look.marked)
        && !(*new && look.answer);
    known
        && match *cond {
            None => true,
            Some(Cond::Rate) => !answers.rates || answers.ask(Key::Chance(rule.id, look.answer)),
            Some(Cond::Set { name, not }) => answers.ask(Key::Member(look.at, name, packet.src)) != not,
            Some(Cond::Time(name)) => answers.ask(Key::Time(look.at, name)),
            Some(Cond::Chance) => answers.ask(Key::Chance(rule.id, look.answer)),
        }
}
