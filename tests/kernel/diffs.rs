//! What is said to differ between two rulesets is what the kernel does otherwise.
//!
//! Random rulesets are changed in a few lines, or put beside one of another language; both are loaded in turn, and the
//! same packets are sent through both. A packet that fares otherwise has to lie in one region, and packets of the
//! regions have to fare otherwise. `PINHOLE_KERNEL_DIFFS` says how many pairs there are, of which every other has a
//! seed that stays the same; `PINHOLE_KERNEL_DIFF_SEED` is the first of the new ones, to see a pair again.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use pinhole::analysis::compare::{Kind, Region, Scope, compare, families};
use pinhole::packet::{Family, Field, Packet, State, Value, first_state};

use crate::flow;
use crate::judge;
use crate::lab::{End, Fate, Lab};
use crate::packet::{Hook, Probe};
use crate::random::{self, Rng};
use crate::scenario::{Language, Scenario, Tool};
use crate::wire::{ICMP, ICMPV6, SCTP, TCP, UDP};
use pinhole::model::Way;

/// Pairs, where nothing else is wished.
const USUAL: u64 = 12;
/// Packets that are looked for in one region, and those that are sent for each.
const TRIES: usize = 24;
const OF_REGION: usize = 3;
/// Regions of one pair for which packets are made.
const REGIONS: usize = 60;
/// Faults of one pair that are told of.
const TOLD: usize = 3;

/// What was sent, and what was wrong.
#[derive(Default, Debug)]
pub(crate) struct Tally {
    /// Pairs of which both were loaded; of two languages; and of which nothing differs.
    pub pairs: usize,
    pub across: usize,
    pub equal: usize,
    /// Pairs that were not loaded, or of which too much differs.
    pub left_out: usize,
    pub packets: usize,
    /// Packets that fare otherwise: pass on one side alone, or leave for another place.
    pub differ: usize,
    pub moved: usize,
    /// Packets of regions.
    pub inside: usize,
    pub failures: usize,
}

/// Draws pairs and has them judged.
pub(crate) fn run(lab: &mut Lab, folder: &Path, tools: &[Tool]) -> Tally {
    let number = |name: &str| std::env::var(name).ok().and_then(|number| number.parse::<u64>().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_secs() << 8);
    let fresh = number("PINHOLE_KERNEL_DIFF_SEED").unwrap_or(now);
    let each = number("PINHOLE_KERNEL_DIFFS").unwrap_or(USUAL).div_ceil(2);
    eprintln!("diffs: {each} with seeds from 1, {each} with PINHOLE_KERNEL_DIFF_SEED={fresh}");
    let mut tally = Tally::default();
    for seed in (1..=each).chain(fresh..fresh + each) {
        let faults = one(lab, folder, tools, seed, &mut tally).unwrap_or_else(|error| vec![error]);
        tally.failures += faults.len();
        for fault in faults.iter().take(TOLD) {
            eprintln!("FAILED diffs, seed {seed}: {fault}");
        }
    }
    tally
}

/// One pair; the answer is what is wrong.
fn one(
    lab: &mut Lab,
    folder: &Path,
    tools: &[Tool],
    seed: u64,
    tally: &mut Tally,
) -> Result<Vec<String>, String> {
    let mut rng = Rng::new(!seed);
    let languages = [Language::Iptables, Language::Nftables, Language::Ip6tables];
    let language = languages[(seed % 3) as usize];
    let across = seed.is_multiple_of(5);
    let places = ["old", "new"].map(|side| folder.join(format!("{seed}-{side}")));
    places.iter().try_for_each(std::fs::create_dir_all).map_err(|error| error.to_string())?;
    let old = random::scenario(language, seed, &places[0]);
    let mut new = match (across, language) {
        (false, _) => random::scenario(language, seed, &places[1]),
        (true, Language::Nftables) => random::scenario(Language::Iptables, seed, &places[1]),
        (true, _) => random::scenario(Language::Nftables, seed, &places[1]),
    };
    if !across {
        new.text = changed(&mut rng, &new.text);
        std::fs::write(&new.path, &new.text).map_err(|error| error.to_string())?;
    }
    let [before, after] = [flow::ruleset(&old)?, flow::ruleset(&new)?];
    let found = compare(&before, &after, &Scope { first_packets: across, fields: Vec::new() });
    if !found.unknown.is_empty() {
        tally.left_out += 1;
        return Ok(Vec::new());
    }
    let mut both = families(&before, &after);
    // A line that is for the other program alone makes its family spoken of, and is not loaded.
    for side in [&old, &new] {
        match side.language {
            Language::Iptables => both.retain(|family| *family == Family::V4),
            Language::Ip6tables => both.retain(|family| *family == Family::V6),
            Language::Nftables => {}
        }
    }
    let mut probes: Vec<Probe> = old.cases.iter().map(|case| case.probe.clone()).collect();
    for region in found.regions.iter().take(REGIONS) {
        probes.extend(of_region(&mut rng, region));
    }
    probes.retain(|probe| {
        let family = Family::of(probe.header.src).0;
        // Across languages only packets that open connections are compared, without extension headers.
        let opens = || {
            let packet = complete(probe);
            packet.get(Field::State).known() == Some(State::New as u128)
                && (packet.protocol() != TCP || probe.header.flags == 2)
                && !probe.header.fragment
        };
        both.contains(&family) && (!across || opens())
    });
    let Some(was) = send(lab, tools, &old, &probes)? else {
        tally.left_out += 1;
        return Ok(Vec::new());
    };
    let Some(is) = send(lab, tools, &new, &probes)? else {
        tally.left_out += 1;
        return Ok(Vec::new());
    };
    tally.pairs += 1;
    tally.across += usize::from(across);
    tally.equal += usize::from(found.regions.is_empty());
    let mut faults = Vec::new();
    for ((probe, was), is) in probes.iter().zip(&was).zip(&is) {
        tally.packets += 1;
        if let Some(fault) = fault(&found.regions, probe, was, is, tally) {
            faults.push(format!("{}: {probe}: {fault}\n  before {was:?}\n  after {is:?}", old.name));
        }
    }
    if faults.is_empty() {
        places.iter().for_each(|place| drop(std::fs::remove_dir_all(place)));
    }
    Ok(faults)
}

/// What becomes of packets; nothing where the ruleset is not loaded.
fn send(
    lab: &mut Lab,
    tools: &[Tool],
    scenario: &Scenario,
    probes: &[Probe],
) -> Result<Option<Vec<Fate>>, String> {
    let Some(tool) = scenario.language.tools().iter().rev().find(|tool| tools.contains(tool)) else {
        return Ok(None);
    };
    judge::clear(scenario.language);
    let fates = match judge::load(scenario, *tool) {
        Ok(()) => {
            probes.iter().map(|probe| lab.probe(probe)).collect::<Result<Vec<Fate>, String>>().map(Some)
        }
        Err(_) => Ok(None),
    };
    judge::clear(scenario.language);
    fates
}

/// A ruleset after a change of a few lines.
fn changed(rng: &mut Rng, text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(ToString::to_string).collect();
    for _ in 0..2 + rng.below(4) {
        let is_rule = |line: &String| {
            let iptables = line.starts_with("-A ") || line.starts_with("-4 -A") || line.starts_with("-6 -A");
            let verdict = ["accept", "drop", "reject", "jump", "goto", "return", "counter"];
            iptables
                || line.starts_with("\t\t")
                    && verdict.iter().any(|word| line.contains(word))
                    && !line.contains("hook")
        };
        let rules: Vec<usize> = (0..lines.len()).filter(|at| is_rule(&lines[*at])).collect();
        if rules.is_empty() {
            break;
        }
        let at = rng.pick(&rules);
        match rng.below(4) {
            0 => drop(lines.remove(at)),
            1 if at + 1 < lines.len() && is_rule(&lines[at + 1]) => lines.swap(at, at + 1),
            2 => {
                let (from, to) = rng.pick(&[("1720", "1721"), ("5060", "5061"), ("80", "443"), ("22", "53")]);
                lines[at] = lines[at].replacen(from, to, 1);
            }
            _ => {
                let turn = [
                    ("-j ACCEPT", "-j DROP"),
                    ("-j DROP", "-j ACCEPT"),
                    (" accept", " drop"),
                    (" drop", " accept"),
                ];
                if let Some((from, to)) = turn.iter().find(|(from, _)| lines[at].ends_with(from)) {
                    lines[at] = lines[at].replacen(from, to, 1);
                }
            }
        }
    }
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

/// Packets of a region that the lab can send.
fn of_region(rng: &mut Rng, region: &Region) -> Vec<Probe> {
    let mut found = Vec::new();
    for _ in 0..TRIES {
        let Some(mut probe) = between(rng, region) else { break };
        if let Some(protocols) = region.field(Field::Proto) {
            let icmp = if region.family == Family::V6 { ICMPV6 } else { ICMP };
            let known =
                [TCP, UDP, icmp, SCTP, 47].into_iter().filter(|number| protocols.contains((*number).into()));
            let known: Vec<u8> = known.collect();
            if known.is_empty() {
                break;
            }
            probe.header.proto = rng.pick(&known);
            if probe.header.proto != TCP {
                probe.header.mss = None;
            }
        }
        let mut number = |field: Field, own: &mut u16| {
            if let Some(set) = region.field(field)
                && !set.contains((*own).into())
                && let Some((low, high)) = set.ranges().get(rng.below(set.ranges().len().max(1)))
            {
                *own =
                    (*low + (rng.below(usize::from(u16::MAX)) as u128) % (high - low + 1).min(65536)) as u16;
            }
        };
        number(Field::Sport, &mut probe.header.sport);
        number(Field::Dport, &mut probe.header.dport);
        let mut bytes = [
            probe.header.ttl,
            probe.header.dscp,
            probe.header.icmp.0,
            probe.header.icmp.1,
            probe.header.flags,
        ];
        for (field, own) in [Field::Ttl, Field::Dscp, Field::IcmpType, Field::IcmpCode, Field::TcpFlags]
            .into_iter()
            .zip(&mut bytes)
        {
            let mut wide = u16::from(*own);
            number(field, &mut wide);
            *own = wide as u8;
        }
        [probe.header.ttl, probe.header.dscp, probe.header.icmp.0, probe.header.icmp.1, probe.header.flags] =
            bytes;
        if lies_in(region, &probe) {
            found.push(probe);
        }
        if found.len() == OF_REGION {
            break;
        }
    }
    found
}

/// A packet between hosts that a region is about.
fn between(rng: &mut Rng, region: &Region) -> Option<Probe> {
    let (family, v6) = (region.family, region.family == Family::V6);
    let mut probe = random::probe_of(rng, v6);
    let (hosts, own) = random::ends(v6);
    let (src, dst) = match region.way {
        Way::Forward => (hosts, hosts),
        Way::Input => (hosts, own),
        Way::Output => (own, &hosts[..6]),
    };
    probe.hook = match region.way {
        Way::Forward => Hook::Forward,
        Way::Input => Hook::Input,
        Way::Output => Hook::Output,
    };
    let mut pick = |field: Field, from: &[&str]| {
        let own = from.iter().map(|text| text.parse::<std::net::IpAddr>().unwrap());
        let within =
            |own: &std::net::IpAddr| region.field(field).is_none_or(|set| set.contains(Family::of(*own).1));
        let own: Vec<std::net::IpAddr> = own.filter(within).collect();
        (!own.is_empty()).then(|| rng.pick(&own))
    };
    probe.header.src = pick(Field::src(family), src)?;
    probe.header.dst = pick(Field::dst(family), dst)?;
    Some(probe)
}

/// The packet as it comes, with what the box knows of it.
fn complete(probe: &Probe) -> Packet {
    let trip = flow::trip(probe);
    let mut packet = trip.packet;
    // By which it would leave, were it not for the box itself.
    if let Some(oif) = trip.fwd_oif {
        packet.set(Field::Oif, oif);
    }
    let family = packet.family();
    if packet.get(Field::State).known().is_none()
        && let Some(state) = first_state(&packet, trip.way != Way::Output)
    {
        packet.set(Field::State, state as u128);
    }
    if packet.get(Field::State).known() == Some(State::New as u128) {
        let own = match family {
            Family::V4 => [(Field::OrigSrc4, Field::Src4), (Field::OrigDst4, Field::Dst4)],
            Family::V6 => [(Field::OrigSrc6, Field::Src6), (Field::OrigDst6, Field::Dst6)],
        };
        for (field, of) in
            own.into_iter().chain([(Field::OrigSport, Field::Sport), (Field::OrigDport, Field::Dport)])
        {
            if let Some(value) = packet.get(of).known() {
                packet.set(field, value);
            }
        }
    }
    // Beyond all values: there is no such option.
    if packet.protocol() == TCP && packet.get(Field::TcpMss).known().is_none() {
        packet.set(Field::TcpMss, 0x1_0000);
    }
    for field in [Field::Mark, Field::CtMark] {
        packet.set(field, 0);
    }
    packet
}

fn lies_in(region: &Region, probe: &Probe) -> bool {
    let packet = complete(probe);
    let way = flow::trip(probe).way;
    let within = |(field, set): &(Field, pinhole::packet::Set)| match packet.get(*field) {
        Value::Known(value) => set.contains(value),
        Value::Absent | Value::Among(..) => false,
    };
    region.way == way && region.family == packet.family() && region.fields.iter().all(within)
}

/// What is wrong with what is said of one packet.
fn fault(regions: &[Region], probe: &Probe, was: &Fate, is: &Fate, tally: &mut Tally) -> Option<String> {
    let mine: Vec<Kind> =
        regions.iter().filter(|region| lies_in(region, probe)).map(|region| region.kind).collect();
    tally.inside += usize::from(!mine.is_empty());
    let passes = |fate: &Fate| matches!(fate, Fate::Accept { .. });
    let of_passing: Vec<Kind> = mine
        .iter()
        .copied()
        .filter(|kind| {
            matches!(kind, Kind::Opened | Kind::Closed | Kind::MayOpen | Kind::MayClose | Kind::MayChange)
        })
        .collect();
    tally.differ += usize::from(passes(was) != passes(is));
    let right = match of_passing.as_slice() {
        [] => passes(was) == passes(is),
        [Kind::Opened] => !passes(was) && passes(is),
        [Kind::Closed] => passes(was) && !passes(is),
        [Kind::MayOpen | Kind::MayClose | Kind::MayChange] => true,
        _ => false,
    };
    if !right {
        return Some(format!("lies in {mine:?}"));
    }
    let (Fate::Accept { src: from, dst: to }, Fate::Accept { src: later, dst: there }) = (was, is) else {
        return None;
    };
    let same = |one: &End, other: &End| one.address == other.address && one.port == other.port;
    let moved =
        !same(from, later) || to.as_ref().zip(there.as_ref()).is_some_and(|(one, other)| !same(one, other));
    tally.moved += usize::from(moved);
    let told = mine.contains(&Kind::Retargeted);
    // Of ports that the box chooses, two may be the same.
    (moved && !told).then(|| format!("leaves for another place, and lies in {mine:?}"))
}
