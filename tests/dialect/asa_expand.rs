//! Object-groups as sets, held against the plain entries that they stand for: expanded here by the book,
//! one entry for each combination, the same packets must have the same verdicts.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use pinhole::analysis::{Trip, interpret};
use pinhole::dialect::{Dialect, Environment, Loaded, load};
use pinhole::model::{Verdict, Way};
use pinhole::packet::{Family, Field, Packet, interface};
use pinhole::source::SourceMap;

use crate::splitmix::next;

/// What a name stands for: texts that can take its place in an entry.
#[derive(Default)]
struct Names {
    objects: BTreeMap<String, String>,
    groups: BTreeMap<String, (String, Vec<String>)>,
}

impl Names {
    /// Reads the definitions; lines of other commands are passed over.
    fn read(text: &str) -> Names {
        let mut names = Names::default();
        let mut open: Option<(bool, String)> = None;
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["object", _, name] => open = Some((false, name.to_string())),
                ["object-group", kind, name, rest @ ..] => {
                    let kind = if rest.is_empty() { kind.to_string() } else { "ports".to_string() };
                    names.groups.entry(name.to_string()).or_insert((kind, Vec::new()));
                    open = Some((true, name.to_string()));
                }
                [first, ..] if !line.starts_with(' ') && *first != "!" => open = None,
                [first, rest @ ..] => match &open {
                    Some((false, name)) => {
                        let value = match *first {
                            "host" => format!("host {}", rest[0]),
                            "subnet" => rest.join(" "),
                            "range" => format!("range {}", rest.join(" ")),
                            "service" => rest.join(" "),
                            _ => continue,
                        };
                        names.objects.insert(name.clone(), value);
                    }
                    Some((true, name)) if first.contains("object") => {
                        let member = format!("{first} {}", rest.join(" "));
                        names.groups.get_mut(name).expect("open group").1.push(member);
                    }
                    _ => {}
                },
                [] => {}
            }
        }
        names
    }

    /// All texts that a group stands for.
    fn members(&self, name: &str) -> Vec<String> {
        let mut out = Vec::new();
        for member in &self.groups[name].1 {
            let (first, rest) = member.split_once(' ').expect("a member has two words");
            match (first, rest.split_once(' ')) {
                ("group-object", _) => out.extend(self.members(rest)),
                (_, Some(("object", name))) => out.push(self.objects[name].clone()),
                _ => out.push(rest.to_string()),
            }
        }
        out
    }

    /// The texts that stand for the next words of an entry, of which `at` is moved past.
    fn operand(&self, words: &[&str], at: &mut usize) -> Vec<String> {
        let first = words[*at];
        *at += 1;
        let mut two = || {
            *at += 1;
            words[*at - 1]
        };
        match first {
            "object" => vec![self.objects[two()].clone()],
            "object-group" => self.members(two()),
            "any" | "any4" | "any6" => vec![first.to_string()],
            "host" => vec![format!("host {}", two())],
            _ if first.contains('/') => vec![first.to_string()],
            _ => vec![format!("{first} {}", two())],
        }
    }

    /// One line for each combination of what an entry names.
    fn expand(&self, line: &str) -> Vec<String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.first() != Some(&"access-list") || words.get(2) != Some(&"extended") {
            return vec![line.to_string()];
        }
        let mut at = 4;
        let services = match words[at] {
            "object" | "object-group" => self.operand(&words, &mut at),
            protocol => {
                at += 1;
                vec![protocol.to_string()]
            }
        };
        let ports = |at: &mut usize| -> Vec<String> {
            match words.get(*at).copied() {
                Some("eq" | "gt" | "lt" | "neq") => {
                    *at += 2;
                    vec![words[*at - 2..*at].join(" ")]
                }
                Some("range") => {
                    *at += 3;
                    vec![words[*at - 3..*at].join(" ")]
                }
                Some("object-group")
                    if matches!(self.groups[words[*at + 1]].0.as_str(), "ports" | "icmp-type") =>
                {
                    *at += 2;
                    self.members(words[*at - 1])
                }
                _ => vec![String::new()],
            }
        };
        let sources = self.operand(&words, &mut at);
        let source_ports = ports(&mut at);
        let destinations = self.operand(&words, &mut at);
        let destination_ports = ports(&mut at);
        let tail = words[at..].join(" ");
        let mut out = Vec::new();
        for service in &services {
            let (protocols, own_source, own_destination) = parts(service);
            for protocol in protocols {
                for source in &sources {
                    for source_port in &source_ports {
                        for destination in &destinations {
                            for destination_port in &destination_ports {
                                let head = words[..4].join(" ");
                                out.push(format!(
                                    "{head} {protocol} {source} {source_port} {own_source} {destination} {destination_port} {own_destination} {tail}"
                                ));
                            }
                        }
                    }
                }
            }
        }
        out
    }
}

/// The protocols, source ports and destination ports (or ICMP type) of a service element.
fn parts(service: &str) -> (Vec<&str>, String, String) {
    let (protocol, rest) = service.split_once(' ').unwrap_or((service, ""));
    let protocols = if protocol == "tcp-udp" { vec!["tcp", "udp"] } else { vec![protocol] };
    let (source, destination) = match rest.split_once("destination") {
        Some((source, destination)) => (source, destination),
        None if rest.starts_with("source") => (rest, ""),
        None => ("", rest),
    };
    (protocols, source.replace("source", "").trim().to_string(), destination.trim().to_string())
}

fn loaded(text: &str) -> Loaded {
    let mut sources = SourceMap::new();
    let id = sources.add("config", text.as_bytes().to_vec()).unwrap();
    let loaded = load(Dialect::Asa, &mut sources, &[id], &Environment::default());
    let errors: Vec<_> = loaded
        .findings
        .iter()
        .filter(|f| f.code() == "PH001")
        .map(|f| sources.text(f.span.unwrap()))
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    loaded
}

/// Values around those that the text names, so that every edge is crossed.
fn values(text: &str) -> (Vec<u32>, Vec<u128>, Vec<u16>) {
    let mut addresses: BTreeSet<u32> = BTreeSet::from([0x0808_0808]);
    let mut long: BTreeSet<u128> = BTreeSet::from([1 << 125]);
    let mut ports: BTreeSet<u16> = BTreeSet::from([1, 1720, 5060, 80, 443, 22, 53]);
    for word in text.split_whitespace() {
        if let Ok(address) = word.parse::<Ipv4Addr>() {
            let address = u32::from(address);
            addresses.extend([address, address.wrapping_add(1), address.wrapping_sub(1), address | 0x3f]);
        }
        if let Ok(address) = word.split('/').next().expect("a word").parse::<Ipv6Addr>() {
            let address = u128::from(address);
            long.extend([address, address.wrapping_add(1), address.wrapping_sub(1), address | 0xffff]);
        }
        if let Ok(port) = word.parse::<u16>() {
            ports.extend([port, port.wrapping_add(1), port.wrapping_sub(1)]);
        }
    }
    (addresses.into_iter().collect(), long.into_iter().collect(), ports.into_iter().collect())
}

/// The interfaces that have lists.
fn interfaces(text: &str) -> Vec<&str> {
    let bound = |line: &'_ str| line.starts_with("access-group ") && line.contains(" interface ");
    let mut all: Vec<&str> =
        text.lines().filter(|line| bound(line)).filter_map(|line| line.split_whitespace().nth(4)).collect();
    all.push("outside");
    all
}

/// A generator of numbers that is the same everywhere (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        (next(&mut self.0) % below as u64) as usize
    }
}

fn same_verdicts(text: &str, packets: usize) -> usize {
    let names = Names::read(text);
    let expanded: String = text.lines().flat_map(|line| names.expand(line)).map(|line| line + "\n").collect();
    let (folded, flat) = (loaded(text), loaded(&expanded));
    assert!(flat.ruleset.rules() >= folded.ruleset.rules());
    let (addresses, long, ports) = values(text);
    let interfaces = interfaces(text);
    let mut numbers = Numbers(7);
    let mut accepted = 0;
    for _ in 0..packets {
        let protocol = [6u8, 17, 1, 47][numbers.next(4)];
        let family = if numbers.next(3) == 0 { Family::V6 } else { Family::V4 };
        let protocol = if (family, protocol) == (Family::V6, 1) { 58 } else { protocol };
        let mut packet = Packet::new(family, protocol);
        for field in [Field::src(family), Field::dst(family)] {
            let address = match family {
                Family::V4 => addresses[numbers.next(addresses.len())].into(),
                Family::V6 => long[numbers.next(long.len())],
            };
            packet.set(field, address);
        }
        packet.set(Field::Sport, ports[numbers.next(ports.len())].into());
        packet.set(Field::Dport, ports[numbers.next(ports.len())].into());
        packet.set(Field::IcmpType, [0u128, 3, 8, 11, 13][numbers.next(5)]);
        packet.set(Field::IcmpCode, 0);
        packet.set(Field::TcpFlags, 2);
        packet.set(Field::Iif, interface(interfaces[numbers.next(interfaces.len())]));
        packet.set(Field::Oif, interface("inside"));
        let trip = Trip { packet, way: Way::Forward, fwd_oif: None, loopback: false };
        let verdicts = |loaded: &Loaded| -> BTreeSet<bool> {
            interpret(&loaded.ruleset, &trip, &mut ())
                .iter()
                .map(|end| end.verdict == Verdict::Accept)
                .collect()
        };
        let (a, b) = (verdicts(&folded), verdicts(&flat));
        assert_eq!(a, b, "{trip:?}");
        accepted += usize::from(a.contains(&true));
    }
    accepted
}

#[test]
fn groups_mean_what_their_expansion_means() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/asa/groups");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 3);
    for file in files {
        let accepted = same_verdicts(&std::fs::read_to_string(&file).unwrap(), 20_000);
        assert!(accepted > 30, "{}: only {accepted} packets pass", file.display());
    }
}

/// The product of three large groups costs the sum of their sizes.
#[test]
fn large_groups_are_not_multiplied() {
    let mut text = String::from("ASA Version 9.8\n");
    for (name, net) in [("from", 10), ("to", 11)] {
        text += &format!("object-group network {name}\n");
        for host in 0..1000 {
            text += &format!(" network-object host {net}.0.{}.{}\n", host / 250, 2 * (host % 100) + 1);
        }
    }
    text += "object-group service ports tcp\n";
    for port in 0..100 {
        text += &format!(" port-object eq {}\n", 2000 + 2 * port);
    }
    text +=
        "access-list outside_in extended permit tcp object-group from object-group to object-group ports\n";
    text += "access-group outside_in in interface outside\n";
    let loaded = loaded(&text);
    assert!(loaded.ruleset.rules() < 50, "{} rules", loaded.ruleset.rules());
    assert_eq!(loaded.ruleset.written, 1);
}
