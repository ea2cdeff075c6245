//! What the flow engine says of the packets of a ruleset: of each alone, and of all in one set.

use std::net::IpAddr;

use pinhole::analysis::Trip;
use pinhole::dialect::{Dialect, Environment, load};
use pinhole::model::{OwnAddress, Reply, Ruleset, Verdict, Way};
use pinhole::packet::{Family, Field, Packet, State, ext, interface};
use pinhole::source::SourceMap;

use crate::lab::{End, Fate};
use crate::netns::ADDRESSES;
use crate::one_packet::{self, Ending};
use crate::packet::{Hook, Probe};
use crate::scenario::{Language, Scenario};
use crate::wire::{self, ESP, ICMP, ICMPV6, TCP, UDP, UDPLITE};

/// The answers for one packet.
pub(crate) struct Said {
    alone: Ending,
    among_all: Ending,
}

/// Asks for all packets of a scenario; the answers are in their order.
pub(crate) fn ask(scenario: &Scenario) -> Result<Vec<Said>, String> {
    let rules = ruleset(scenario)?;
    let trips: Vec<Trip> = scenario.cases.iter().map(|case| trip(&case.probe)).collect();
    let mut said: Vec<Option<Said>> = trips.iter().map(|_| None).collect();
    let key = |trip: &Trip| (trip.packet.family(), trip.way, trip.fwd_oif, trip.loopback);
    let mut left: Vec<usize> = (0..trips.len()).collect();
    while let Some(first) = left.first().copied() {
        let (set, others): (Vec<usize>, Vec<usize>) =
            left.into_iter().partition(|at| key(&trips[*at]) == key(&trips[first]));
        let members: Vec<Trip> = set.iter().map(|at| trips[*at].clone()).collect();
        for (at, among_all) in set.into_iter().zip(one_packet::endings(&rules, &members)) {
            let alone = one_packet::endings(&rules, std::slice::from_ref(&trips[at])).pop();
            said[at] = Some(Said { alone: alone.ok_or("there is no answer")?, among_all });
        }
        left = others;
    }
    Ok(said.into_iter().flatten().collect())
}

/// The rules of a scenario.
pub(crate) fn ruleset(scenario: &Scenario) -> Result<Ruleset, String> {
    let mut sources = SourceMap::new();
    let mut read = |path: &std::path::Path| {
        sources.read(path, path).map_err(|error| format!("{}: {error:?}", path.display()))
    };
    let file = read(&scenario.path)?;
    let ipsets = scenario.ipset.as_deref().map(&mut read).transpose()?.into_iter().collect();
    let (dialect, family) = match scenario.language {
        Language::Iptables => (Dialect::Iptables, None),
        Language::Ip6tables => (Dialect::Iptables, Some(Family::V6)),
        Language::Nftables => (Dialect::Nftables, None),
    };
    let own = ADDRESSES.iter().map(|(interface, address, prefix)| {
        let (family, address) = Family::of(address.parse().unwrap());
        OwnAddress { interface: interface.to_string(), family, address, prefix: (*prefix).into() }
    });
    let environment =
        Environment { own: own.collect(), ipsets, family, told: true, ..Environment::default() };
    Ok(load(dialect, &mut sources, &[file], &environment).ruleset)
}

/// The packet and its way, as `pinhole trace` makes them of [`Probe::json`].
pub(crate) fn trip(probe: &Probe) -> Trip {
    let header = &probe.header;
    let ((family, src), (_, dst)) = (Family::of(header.src), Family::of(header.dst));
    let mut packet = Packet::new(family, header.proto);
    let mut set = |field: Field, value: u128| packet.set(field, value);
    set(Field::src(family), src);
    set(Field::dst(family), dst);
    set(Field::Ttl, header.ttl.into());
    set(Field::Dscp, header.dscp.into());
    set(Field::Ecn, 0);
    set(Field::PktType, 0);
    if header.proto == ESP {
        set(Field::Spi, header.spi.into());
    }
    if header.has_ports() {
        set(Field::Sport, header.sport.into());
        set(Field::Dport, header.dport.into());
    }
    // The header of a fragment that is whole.
    let (frag, length) = if header.fragment { (ext::FRAG, 8) } else { (0, 0) };
    let network = if family == Family::V4 { 20 } else { 40 + length };
    let transport = match header.proto {
        TCP => {
            set(Field::TcpFlags, header.flags.into());
            header.mss.iter().for_each(|mss| set(Field::TcpMss, (*mss).into()));
            Some(if header.mss.is_some() { 24 } else { 20 })
        }
        UDP | UDPLITE => Some(8),
        ICMP | ICMPV6 => {
            set(Field::IcmpType, header.icmp.0.into());
            set(Field::IcmpCode, header.icmp.1.into());
            Some(8)
        }
        _ => None,
    };
    if let Some(transport) = transport {
        set(Field::Length, network + transport + 16 + u128::from(header.extra));
    }
    if family == Family::V6 {
        set(
            Field::Ext,
            frag | match header.proto {
                ESP => ext::ESP,
                59 => ext::NONE,
                _ => ext::PROTO,
            },
        );
    }
    if probe.established {
        set(Field::State, State::Established as u128);
    }
    let (way, fwd_oif) = match probe.hook {
        Hook::Forward => (Way::Forward, None),
        Hook::Input => (Way::Input, Some(interface(probe.oif()))),
        Hook::Output => (Way::Output, None),
    };
    if probe.hook != Hook::Output {
        set(Field::Iif, interface(probe.iif));
        set(Field::SrcMac, if probe.iif == "eth0" { 0x0200_0000_0c00 } else { 0x0200_0000_0c01 });
    }
    if probe.hook != Hook::Input {
        set(Field::Oif, interface(probe.oif()));
    }
    if header.proto == TCP && header.mss.is_none() {
        packet.remove(Field::TcpMss);
    }
    let loopback = probe.hook == Hook::Output && probe.oif() == "lo";
    Trip { packet, way, fwd_oif, loopback }
}

impl Said {
    /// Whether nothing is certain but that it ends somehow.
    pub(crate) fn is_unknown(&self) -> bool {
        let passes = |verdict: &Verdict| *verdict == Verdict::Accept;
        let verdicts = &self.alone.verdicts;
        verdicts.iter().any(passes) && !verdicts.iter().all(passes)
    }

    /// In what the answers for the packet alone and among all others differ.
    pub(crate) fn is_torn(&self) -> Option<String> {
        let words = |ending: &Ending| {
            let mut words: Vec<String> = ending.verdicts.iter().map(|v| format!("{v:?}")).collect();
            words.sort();
            words
        };
        let (alone, all) = (&self.alone, &self.among_all);
        let same = words(alone) == words(all) && alone.leaves == all.leaves;
        (!same).then(|| format!("alone {alone:?}, among all {all:?}"))
    }

    /// In what it differs from what the kernel did.
    pub(crate) fn against(&self, fate: &Fate, probe: &Probe) -> Option<String> {
        let agrees = match fate {
            Fate::Accept { src, dst } => {
                self.alone.verdicts.contains(&Verdict::Accept)
                    && self.leaves(0, src)
                    && dst.as_ref().is_none_or(|dst| self.leaves(1, dst))
            }
            Fate::Drop => self.alone.verdicts.iter().any(|verdict| match verdict {
                Verdict::Accept => false,
                Verdict::Drop => true,
                Verdict::Reject(reply) => is_silent(*reply, probe),
            }),
            Fate::Reject(reply) => self.alone.verdicts.iter().any(|verdict| match verdict {
                Verdict::Reject(said) => name(*said, probe) == *reply,
                _ => false,
            }),
        };
        (!agrees).then(|| format!("{:?}", self.alone))
    }

    /// Whether the packet can leave with an end: 0 its source, 1 its destination.
    fn leaves(&self, side: usize, end: &End) -> bool {
        let [address, port] = [&self.alone.leaves[side], &self.alone.leaves[side + 2]];
        address.contains(number(end.address)) && end.port.is_none_or(|seen| port.contains(seen.into()))
    }
}

fn number(address: IpAddr) -> u128 {
    Family::of(address).1
}

/// The name of an answer, as [`Fate`] has it.
fn name(reply: Reply, probe: &Probe) -> String {
    let v6 = probe.header.src.is_ipv6();
    let code = match reply {
        Reply::TcpReset => return "tcp-reset".to_string(),
        Reply::ResetOrUnreachable if probe.header.proto == TCP => return "tcp-reset".to_string(),
        Reply::ResetOrUnreachable => {
            if v6 {
                4
            } else {
                3
            }
        }
        // The time of the packet is exceeded.
        Reply::Icmp { kind: 11, code } => return format!("icmp-type-11-code-{code}"),
        Reply::Icmp { kind: 3, code } if v6 => return format!("icmp6-type-3-code-{code}"),
        Reply::Icmp { code, .. } => code,
    };
    if v6 { wire::unreachable6(code) } else { wire::unreachable4(code) }
}

/// Whether nobody hears of the refusal: a reset answers no reset, an ICMP error no ICMP error.
fn is_silent(reply: Reply, probe: &Probe) -> bool {
    match reply {
        Reply::TcpReset => probe.header.proto == TCP && probe.header.flags & wire::RST != 0,
        _ => probe.header.is_icmp_error(),
    }
}
