//! Rules that do nothing, in configs of each language as they are written: held to brute force over one packet of each
//! kind that the rules tell apart. `PINHOLE_WRITTEN_SEED` replays a run, `PINHOLE_WRITTEN_CASES` says how many configs
//! of each language are drawn.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a test fails by a panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use pinhole::analysis::anomaly::{Ask, find};
use pinhole::dialect::{Dialect, Environment, load};
use pinhole::model::{ChainId, ChainKind, OwnAddress, RuleId, Ruleset, Step, Test, Way};
use pinhole::packet::{Family, Field, Packet, Set, interface, proto};
use pinhole::source::SourceMap;

use crate::anomalies::{show, shown, shows, told, unknowns, without, worlds};
use crate::rng::Rng;

const HOSTS: [&str; 4] = ["10.0.0.1", "10.0.0.2", "10.0.0.0/30", "192.0.2.0/24"];
const PORTS: [(u32, u32); 4] = [(80, 80), (81, 81), (80, 81), (1024, 65535)];
/// More packets than that are too many to try.
const MOST: usize = 200_000;

fn iptables(rng: &mut Rng) -> String {
    let mut text = String::from("*filter\n");
    for chain in ["INPUT", "FORWARD"] {
        writeln!(text, ":{chain} {}", rng.pick(&["ACCEPT", "DROP"])).unwrap();
    }
    text.push_str(":OUTPUT ACCEPT\n:one -\n:two -\n");
    for _ in 0..5 + rng.below(6) {
        let chain = rng.pick(&["INPUT", "FORWARD", "FORWARD", "one", "one", "two"]);
        write!(text, "-A {chain}").unwrap();
        for side in ["-s", "-d"].into_iter().filter(|_| rng.one_in(3)).collect::<Vec<_>>() {
            let not = if rng.one_in(6) { "! " } else { "" };
            write!(text, " {not}{side} {}", rng.pick(&HOSTS)).unwrap();
        }
        if rng.one_in(4) {
            write!(text, " -i {}", rng.pick(&["eth0", "eth1", "eth+"])).unwrap();
        }
        match rng.below(4) {
            0 => {
                let (lo, hi) = rng.pick(&PORTS);
                write!(text, " -p tcp --dport {lo}:{hi}").unwrap();
            }
            1 => text.push_str(" -p udp"),
            _ => {}
        }
        match rng.below(8) {
            0 => text.push_str(" -m conntrack --ctstate RELATED,ESTABLISHED"),
            1 => text.push_str(" -m set --match-set odd src"),
            2 => text.push_str(" -m recent --rcheck --seconds 60 --name X --rsource"),
            _ => {}
        }
        let target = match chain {
            "two" => rng.pick(&["ACCEPT", "DROP", "RETURN", "REJECT"]),
            "one" => rng.pick(&["ACCEPT", "DROP", "RETURN", "two"]),
            _ => rng.pick(&["ACCEPT", "DROP", "one", "two"]),
        };
        writeln!(text, " -j {target}").unwrap();
    }
    text.push_str("COMMIT\n");
    text
}

fn nftables(rng: &mut Rng) -> String {
    let mut text = String::from("table ip t {\n set odd { type ipv4_addr; flags dynamic; }\n");
    for chain in ["two", "one", "in", "fwd"] {
        writeln!(text, " chain {chain} {{").unwrap();
        if let Some(hook) = match chain {
            "in" => Some("input"),
            "fwd" => Some("forward"),
            _ => None,
        } {
            let policy = rng.pick(&["accept", "drop"]);
            writeln!(text, "  type filter hook {hook} priority 0; policy {policy};").unwrap();
        }
        for _ in 0..1 + rng.below(4) {
            text.push_str("  ");
            for side in ["saddr", "daddr"].into_iter().filter(|_| rng.one_in(3)).collect::<Vec<_>>() {
                let not = if rng.one_in(6) { "!= " } else { "" };
                match rng.one_in(3) {
                    true => {
                        write!(text, "ip {side} {not}{{ {}, 192.0.2.7 }} ", rng.pick(&HOSTS[..2])).unwrap()
                    }
                    false => write!(text, "ip {side} {not}{} ", rng.pick(&HOSTS)).unwrap(),
                }
            }
            if rng.one_in(4) {
                write!(text, "iifname {} ", rng.pick(&["\"eth0\"", "\"eth1\"", "\"eth*\""])).unwrap();
            }
            let of_ports = !matches!(chain, "one" | "two") && rng.one_in(4);
            match rng.below(5) {
                _ if of_ports => {}
                0 => {
                    let (lo, hi) = rng.pick(&PORTS);
                    write!(text, "tcp dport {lo}-{} ", hi.max(lo + 1)).unwrap();
                }
                1 => text.push_str("meta l4proto udp "),
                _ => {}
            }
            match rng.below(8) {
                0 => text.push_str("ct state established,related "),
                1 => text.push_str("ip saddr @odd "),
                _ => {}
            }
            let verdict = match chain {
                "two" => rng.pick(&["accept", "drop", "return", "reject"]),
                "one" => rng.pick(&["accept", "drop", "jump two", "goto two"]),
                _ if of_ports => "tcp dport vmap { 80 : accept, 81 : jump two }",
                _ => rng.pick(&["accept", "drop", "jump one", "goto two"]),
            };
            writeln!(text, "{verdict}").unwrap();
        }
        text.push_str(" }\n");
    }
    text.push_str("}\n");
    text
}

fn pf(rng: &mut Rng) -> String {
    let mut text = String::from("table <odd> persist\n");
    for _ in 0..3 + rng.below(4) {
        text.push_str(rng.pick(&["pass", "pass", "block", "block return"]));
        if rng.one_in(2) {
            text.push_str(rng.pick(&[" in", " out"]));
        }
        if rng.one_in(3) {
            text.push_str(" quick");
        }
        if rng.one_in(3) {
            write!(text, " on {}", rng.pick(&["em0", "em1"])).unwrap();
        }
        let ports = rng.one_in(3).then(|| rng.pick(&PORTS));
        match ports {
            Some(_) => text.push_str(" inet proto tcp"),
            None => text.push_str(rng.pick(&["", " inet", " inet proto udp"])),
        }
        let hosts =
            ["10.0.0.1", "10.0.0.2", "10.0.0.0/30", "{ 10.0.0.1 10.0.0.2 }", "! 10.0.0.1", "<odd>", "any"];
        if rng.one_in(2) || ports.is_some() {
            write!(text, " from {} to {}", rng.pick(&hosts), rng.pick(&hosts)).unwrap();
        }
        if let Some((lo, hi)) = ports {
            write!(text, " port {lo}:{hi}").unwrap();
        }
        if rng.one_in(6) {
            text.push_str(" label \"x\"");
        }
        text.push('\n');
    }
    text
}

fn asa(rng: &mut Rng) -> String {
    let mut text = String::from(
        "ASA Version 9.8(2)\nhostname fw\n\
         interface GigabitEthernet0/0\n nameif outside\n security-level 0\n ip address 203.0.113.1 255.255.255.0\n\
         interface GigabitEthernet0/1\n nameif inside\n security-level 100\n ip address 10.0.0.254 255.255.255.0\n\
         object-group network hosts\n network-object host 10.0.0.1\n network-object host 10.0.0.2\n\
         object-group service web tcp\n port-object eq 80\n port-object eq 81\n",
    );
    let hosts = ["any", "host 10.0.0.1", "host 10.0.0.2", "object-group hosts"];
    let ports = ["", " eq 80", " eq 81", " range 80 81", " object-group web"];
    for list in ["from_outside", "from_inside", "all"] {
        for _ in 0..1 + rng.below(4) {
            write!(text, "access-list {list} extended {}", rng.pick(&["permit", "permit", "deny"])).unwrap();
            let (from, to) = (rng.pick(&hosts), rng.pick(&hosts));
            match rng.below(3) {
                0 => writeln!(text, " ip {from} {to}").unwrap(),
                1 => writeln!(text, " udp {from} {to}").unwrap(),
                _ => writeln!(text, " tcp {from} {to}{}", rng.pick(&ports)).unwrap(),
            }
        }
    }
    text.push_str("access-group from_outside in interface outside\n");
    if rng.one_in(2) {
        text.push_str("access-group from_inside in interface inside\n");
    }
    if rng.one_in(2) {
        text.push_str("access-group all global\n");
    }
    text
}

/// What the rules ask for, by field: each place where a packet begins to fare otherwise.
fn cuts(rules: &Ruleset) -> BTreeMap<Field, BTreeSet<u128>> {
    let mut cuts: BTreeMap<Field, BTreeSet<u128>> = BTreeMap::new();
    let mut cut = |field: Field, set: &Set| {
        let known = cuts.entry(field).or_insert_with(|| BTreeSet::from([0]));
        let ends = set.ranges().iter().flat_map(|(lo, hi)| [Some(*lo), hi.checked_add(1)]).flatten();
        match field {
            // Behind the last name of a group there is none.
            Field::Iif | Field::Oif => known.extend(set.ranges().iter().map(|(first, _)| *first)),
            _ => known.extend(ends),
        }
    };
    for step in &rules.steps {
        match step {
            Step::Test(Test::In { field, values, .. }) => cut(*field, &rules.values(*values)),
            Step::Test(Test::Masked { field, mask, .. }) => {
                let mask = rules.masks[*mask as usize];
                let mut part = mask;
                while part != 0 {
                    cut(*field, &Set::one(part));
                    part = (part - 1) & mask;
                }
            }
            _ => {}
        }
    }
    for tuples in &rules.tuples {
        for (at, field) in tuples.fields.iter().enumerate() {
            tuples.boxes.iter().filter_map(|sides| sides[at].as_ref()).for_each(|set| cut(*field, set));
        }
    }
    for map in &rules.maps {
        for (at, field) in map.fields.iter().enumerate() {
            map.entries.iter().filter_map(|entry| entry.key[at].as_ref()).for_each(|set| cut(*field, set));
        }
    }
    cuts
}

/// One value of each piece between two cuts; where nobody asks, one that packets have.
fn values(cuts: &BTreeMap<Field, BTreeSet<u128>>, field: Field, way: Way) -> Vec<u128> {
    let last = match field {
        Field::State => 4,
        _ => field.last(),
    };
    let comes_by = match field {
        Field::Iif => way != Way::Output,
        Field::Oif => way != Way::Input,
        _ => false,
    };
    match (field, cuts.get(&field)) {
        (Field::Iif | Field::Oif, _) if !comes_by => vec![0],
        (Field::Iif | Field::Oif, cuts) => {
            let named = cuts.into_iter().flatten().copied().filter(|name| *name != 0);
            named.chain([interface("zz9")]).collect()
        }
        // The configs name the first two alone.
        (Field::Proto, _) => {
            [proto::TCP, proto::UDP, proto::ICMP, proto::ICMPV6, proto::ESP].map(u128::from).to_vec()
        }
        // All that anything hangs on: SYN and ACK, each with and without, and odd ones.
        (Field::TcpFlags, _) => vec![0x02, 0x12, 0x10, 0x00, 0x3f],
        (_, None) => vec![match field {
            Field::Src4 => 0xcb00_7109,
            Field::Dst4 => 0xc633_6409,
            Field::Src6 => 0x2001_0db8_0000_0009 << 64 | 9,
            Field::Dst6 => 0x2001_0db8_0000_0019 << 64 | 9,
            Field::Sport => 50_007,
            Field::Dport => 40_009,
            Field::IcmpType => 8,
            Field::Ttl => 63,
            Field::Length => 200,
            Field::TcpMss => 1460,
            _ => 0,
        }],
        (_, Some(cuts)) => {
            let cuts: Vec<u128> = cuts.iter().copied().filter(|cut| *cut <= last).collect();
            let ends = cuts.iter().skip(1).map(|cut| cut - 1).chain([last]);
            cuts.iter().zip(ends).map(|(lo, hi)| lo + (hi - lo) / 2).collect()
        }
    }
}

/// One packet of each kind; `None` where there are too many.
fn universe(rules: &Ruleset) -> Option<Vec<(Packet, Way)>> {
    let cuts = cuts(rules);
    let comes = |family: Family| rules.hooks.iter().flatten().any(|stage| stage.sees(family));
    let mut found = Vec::new();
    for family in [Family::V4, Family::V6].into_iter().filter(|family| comes(*family)) {
        for way in [Way::Forward, Way::Input, Way::Output] {
            for number in values(&cuts, Field::Proto, way) {
                let number = number as u8;
                let mut packets = vec![Packet::new(family, number)];
                for field in Field::ALL {
                    let alien = field.family().is_some_and(|of| of != family);
                    let lacks = field.carriers().is_some_and(|carriers| !carriers.contains(&number));
                    if alien || lacks || matches!(field, Field::Proto | Field::Version) {
                        continue;
                    }
                    let values = values(&cuts, field, way);
                    if packets.len() * values.len() > MOST {
                        return None;
                    }
                    let with = |packet: &Packet, value: u128| {
                        let mut packet = packet.clone();
                        packet.set(field, value);
                        packet
                    };
                    packets = packets
                        .iter()
                        .flat_map(|packet| values.iter().map(|value| with(packet, *value)))
                        .collect();
                }
                found.extend(packets.into_iter().map(|packet| (packet, way)));
                if found.len() > MOST {
                    return None;
                }
            }
        }
    }
    Some(found)
}

/// Holds what is said of one config to all kinds of packets; `None` where they are too many.
fn hold(dialect: Dialect, text: &str) -> Option<()> {
    let mut sources = SourceMap::new();
    let id = sources.add("fw", text.as_bytes().to_vec()).unwrap();
    let own = OwnAddress { interface: "eth0".into(), family: Family::V4, address: 0xac10_0001, prefix: 24 };
    let env = Environment { own: vec![own], ..Environment::default() };
    let rules = load(dialect, &mut sources, &[id], &env).ruleset;
    let packets = universe(&rules)?;
    let found = find(&rules, Ask { repeats: true, ..Ask::default() });
    assert_eq!(found.open, [], "{text}");
    let conds = unknowns(&rules);
    let seen = |id: RuleId| worlds(&shown(&rules, id), &conds).iter().any(|world| shows(world, &packets));
    let lists = rules.chains.iter().any(|chain| chain.kind != ChainKind::Plain);
    let written = if lists { ChainKind::AccessList } else { ChainKind::Plain };
    let unreached: BTreeSet<ChainId> = found.unreached.iter().chain(&found.apart).copied().collect();
    let mut units: BTreeMap<(u32, u32), Vec<RuleId>> = BTreeMap::new();
    for (at, chain) in (0..).map(ChainId).zip(&rules.chains) {
        for (index, rule) in (0..).zip(&chain.rules) {
            if chain.kind == written && rule.origin.is_written() && !unreached.contains(&at) {
                let span = rule.span();
                units.entry((span.start, span.end)).or_default().push(RuleId { chain: at, index });
            }
        }
    }
    let dead: BTreeSet<RuleId> = found.dead.iter().flat_map(|dead| dead.unit.rules.clone()).collect();
    for ((start, end), unit) in &units {
        let acts = unit.iter().any(|id| seen(*id));
        let rule = &text[*start as usize..*end as usize];
        assert_eq!(!acts, dead.contains(&unit[0]), "`{rule}` acts: {acts}\n{text}\n{}", show(&rules));
    }
    let mut gone = dead;
    gone.extend(found.redundant.iter().flat_map(|unit| unit.unit.rules.clone()));
    gone.extend(found.repeats.iter().flat_map(|unit| unit.unit.rules.clone()));
    let less = without(&rules, &gone);
    for (one, other) in worlds(&rules, &conds).iter().zip(worlds(&less, &conds)) {
        assert!(
            told(one, &packets) == told(&other, &packets),
            "{gone:?} cannot go\n{text}\n{}",
            show(&rules)
        );
    }
    Some(())
}

fn run(dialect: Dialect, config: fn(&mut Rng) -> String) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("PINHOLE_WRITTEN_SEED").unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        now.as_nanos() as u64
    });
    let cases = number("PINHOLE_WRITTEN_CASES").unwrap_or(8);
    println!("{}: PINHOLE_WRITTEN_SEED={seed}", dialect.name());
    let held = (0..cases).filter(|case| hold(dialect, &config(&mut Rng(seed.wrapping_add(*case)))).is_some());
    let held = held.count() as u64;
    assert!(held * 2 > cases, "most configs have few kinds of packets: {held} of {cases}");
}

#[test]
fn of_iptables_are_what_brute_force_finds() {
    run(Dialect::Iptables, iptables);
}

#[test]
fn of_nftables_are_what_brute_force_finds() {
    run(Dialect::Nftables, nftables);
}

#[test]
fn of_pf_are_what_brute_force_finds() {
    run(Dialect::Pf, pf);
}

#[test]
fn of_asa_are_what_brute_force_finds() {
    run(Dialect::Asa, asa);
}
