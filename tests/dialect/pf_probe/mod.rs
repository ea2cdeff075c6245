//! A packet that is sent through pf.conf as text.

#![allow(dead_code, clippy::unwrap_used, reason = "each test uses its part, and fails by a panic")]

use pinhole::analysis::{Outcome, Trip, interpret};
use pinhole::dialect::{Dialect, Environment, Loaded, load};
use pinhole::model::{OwnAddress, Reply, Verdict, Way};
use pinhole::packet::{Family, Field, Packet, interface, proto};
use pinhole::source::SourceMap;

pub(crate) fn environment() -> Environment {
    let own = |interface: &str, address: &str, prefix| {
        let (family, address) = Family::of(address.parse().unwrap());
        OwnAddress { interface: interface.into(), family, address, prefix }
    };
    Environment {
        own: vec![
            own("em0", "198.51.100.1", 24),
            own("em0", "2001:db8::1", 64),
            own("em1", "10.1.2.1", 24),
            own("lo0", "127.0.0.1", 8),
        ],
        groups: vec![("egress".into(), vec!["em0".into()])],
        ..Environment::default()
    }
}

pub(crate) fn read(text: &str, env: &Environment) -> Loaded {
    let mut sources = SourceMap::new();
    let id = sources.add("pf.conf", text.as_bytes().to_vec()).unwrap();
    load(Dialect::Pf, &mut sources, &[id], env)
}

/// A packet from outside (em0) to inside (em1), unless said otherwise.
pub(crate) struct Probe {
    pub packet: Packet,
    pub way: Way,
}

pub(crate) fn tcp(src: &str, dst: &str, dport: u16) -> Probe {
    probe(proto::TCP, src, dst, dport)
}

pub(crate) fn udp(src: &str, dst: &str, dport: u16) -> Probe {
    probe(proto::UDP, src, dst, dport)
}

pub(crate) fn probe(protocol: u8, src: &str, dst: &str, dport: u16) -> Probe {
    let (family, src) = Family::of(src.parse().unwrap());
    let (_, dst) = Family::of(dst.parse().unwrap());
    let mut packet = Packet::new(family, protocol);
    packet.set(Field::src(family), src);
    packet.set(Field::dst(family), dst);
    packet.set(Field::Sport, 40000);
    packet.set(Field::Dport, dport.into());
    if protocol == proto::TCP {
        packet.set(Field::TcpFlags, 2);
    }
    packet.set(Field::Iif, interface("em0"));
    packet.set(Field::Oif, interface("em1"));
    Probe { packet, way: Way::Forward }
}

impl Probe {
    pub(crate) fn by(mut self, iif: &str, oif: &str) -> Self {
        self.packet.set(Field::Iif, interface(iif));
        self.packet.set(Field::Oif, interface(oif));
        self
    }

    pub(crate) fn ending_here(mut self) -> Self {
        self.way = Way::Input;
        self
    }

    pub(crate) fn starting_here(mut self) -> Self {
        self.way = Way::Output;
        self
    }

    pub(crate) fn with(mut self, field: Field, value: u128) -> Self {
        self.packet.set(field, value);
        self
    }

    pub(crate) fn outcomes(&self, text: &str) -> Vec<Outcome> {
        let loaded = read(text, &environment());
        let errors: Vec<_> = loaded.findings.iter().filter(|f| f.code() != "PH002").collect();
        assert!(errors.iter().all(|f| !f.code().starts_with("PH0")), "{text}\n{errors:?}");
        let trip = Trip { packet: self.packet.clone(), way: self.way, fwd_oif: None, loopback: false };
        interpret(&loaded.ruleset, &trip, &mut ())
    }

    /// `pass`, `drop`, `rst`, `icmp`, or `depends`.
    pub(crate) fn verdict(&self, text: &str) -> &'static str {
        let words: Vec<&str> = self
            .outcomes(text)
            .iter()
            .map(|outcome| match outcome.verdict {
                Verdict::Accept => "pass",
                Verdict::Drop => "drop",
                Verdict::Reject(Reply::TcpReset) => "rst",
                Verdict::Reject(Reply::Icmp { .. }) => "icmp",
                Verdict::Reject(Reply::ResetOrUnreachable) => "return",
            })
            .collect();
        if words.iter().all(|word| *word == words[0]) { words[0] } else { "depends" }
    }

    pub(crate) fn leaves(&self, text: &str) -> Packet {
        let outcomes = self.outcomes(text);
        assert_eq!(outcomes.len(), 1, "{outcomes:?}");
        outcomes[0].packet.clone()
    }
}

pub(crate) fn number(address: &str) -> u128 {
    Family::of(address.parse().unwrap()).1
}
