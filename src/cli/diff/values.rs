//! Field values in the machine-readable form.

use serde_json::{Map, Value as Json, json};

use crate::packet::{
    Family, Field, Packet, Set, State, first_state, interface_name, interface_pattern, proto,
};
use crate::packet::{ext, interface_prefix};

/// Intervals of addresses.
pub(super) fn addresses(family: Family, set: &Set) -> Json {
    let text = |number: u128| family.address(number).to_string();
    set.and(&Set::range(0, family.last()))
        .ranges()
        .iter()
        .map(|(lo, hi)| json!([text(*lo), text(*hi)]))
        .collect()
}

/// Intervals of numbers.
pub(super) fn numbers(set: &Set, last: u128) -> Json {
    let set = set.and(&Set::range(0, last));
    set.ranges().iter().map(|(lo, hi)| json!([number(*lo), number(*hi)])).collect()
}

fn number(number: u128) -> Json {
    u64::try_from(number).map_or_else(|_| Json::from(number.to_string()), Json::from)
}

/// Names of protocols, or `{"not": […]}` where that is shorter.
pub(super) fn protocols(set: &Set) -> Json {
    let set = set.and(&Set::range(0, 255));
    let listed = |set: &Set| -> Vec<String> {
        set.ranges().iter().flat_map(|(lo, hi)| *lo..=*hi).map(|number| protocol(number as u8)).collect()
    };
    let others = set.not().and(&Set::range(0, 255));
    if others.count() < set.count() { json!({ "not": listed(&others) }) } else { json!(listed(&set)) }
}

/// The name of a protocol that packets are described with.
pub(super) fn protocol(number: u8) -> String {
    let name = match number {
        proto::TCP => "tcp",
        proto::UDP => "udp",
        proto::ICMP => "icmp",
        proto::ICMPV6 => "icmpv6",
        proto::SCTP => "sctp",
        proto::ESP => "esp",
        47 => "gre",
        _ => return number.to_string(),
    };
    name.to_string()
}

/// Names of interfaces; `name*` stands for all that start so. `{"not": […]}` are all others, and
/// `{"in": […], "not": […]}` those of the first that are not among the second.
pub(super) fn interfaces(set: &Set) -> Json {
    let names = set.minus(&Set::one(0));
    let others = set.not().minus(&Set::one(0));
    if let Some(listed) = listed(&names) {
        return json!(listed);
    }
    if let Some(listed) = listed(&others) {
        return json!({ "not": listed });
    }
    let mut include = Vec::new();
    let mut around = Set::empty();
    for (lo, hi) in names.ranges() {
        let prefix = common(*lo, *hi);
        let (from, to) = interface_prefix(&prefix);
        around = around.or(&Set::range(from, to));
        if !include.contains(&format!("{prefix}*")) {
            include.push(format!("{prefix}*"));
        }
    }
    let exclude = listed(&around.minus(&names)).unwrap_or_default();
    json!({ "in": include, "not": exclude })
}

/// Names and `name*`, where the set is made of such.
fn listed(set: &Set) -> Option<Vec<String>> {
    let all: Option<Vec<Vec<String>>> = set.ranges().iter().map(|(lo, hi)| patterns(*lo, *hi)).collect();
    Some(all?.concat())
}

/// The names of an interval, or what they begin with: those of a group of pf begin with its name and a digit.
fn patterns(lo: u128, hi: u128) -> Option<Vec<String>> {
    if let Some(one) = interface_pattern(lo, hi) {
        return Some(vec![one]);
    }
    let prefix = common(lo, hi);
    let at = prefix.len();
    let (first, last) = (*lo.to_be_bytes().get(at)?, *hi.to_be_bytes().get(at)?);
    let (from, to) = ((first as char).is_ascii_graphic(), (last as char).is_ascii_graphic());
    let all = (first..=last).map(|next| format!("{prefix}{}", next as char));
    let whole = interface_prefix(&format!("{prefix}{}", first as char)).0 == lo
        && interface_prefix(&format!("{prefix}{}", last as char)).1 == hi;
    (from && to && whole).then(|| all.map(|start| format!("{start}*")).collect())
}

/// The start that two names have in common.
fn common(lo: u128, hi: u128) -> String {
    let bytes = lo.to_be_bytes();
    let same = bytes.iter().zip(hi.to_be_bytes()).take_while(|(a, b)| **a == *b).count();
    String::from_utf8_lossy(&bytes[..same]).trim_end_matches('\0').to_string()
}

/// Names of connection states.
pub(super) fn states(set: &Set) -> Json {
    State::ALL.iter().filter(|state| set.contains(**state as u128)).map(|state| state.name()).collect()
}

const FLAGS: [&str; 8] = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"];

/// The names of flags.
pub(super) fn flags(bits: u8) -> Vec<&'static str> {
    (0..8).filter(|bit| bits >> bit & 1 == 1).map(|bit| FLAGS[bit]).collect()
}

/// TCP flags as masks and values: each value fits exactly one of them.
pub(super) fn flag_cubes(set: &Set) -> Vec<(u8, u8)> {
    let mut cubes = Vec::new();
    let mut open = vec![(0u8, 0u8)];
    while let Some((mask, value)) = open.pop() {
        let inside = |flags: &u8| flags & mask == value;
        let some = (0..=255u8).filter(inside);
        let (with, without) = some.fold((0, 0), |(with, without), flags| match set.contains(flags.into()) {
            true => (with + 1, without),
            false => (with, without + 1),
        });
        if with == 0 {
            continue;
        }
        if without == 0 {
            cubes.push((mask, value));
            continue;
        }
        // The first bit on which something hangs; SYN, ACK, RST and FIN are what rules ask for.
        let hangs = |bit: &u8| {
            (0..=255u8)
                .filter(inside)
                .any(|flags| set.contains(flags.into()) != set.contains((flags ^ bit).into()))
        };
        if let Some(bit) = [2, 16, 4, 1, 32, 8, 64, 128].into_iter().filter(|bit| mask & bit == 0).find(hangs)
        {
            open.push((mask | bit, value));
            open.push((mask | bit, value | bit));
        }
    }
    cubes.sort_unstable();
    cubes
}

/// The key of a field that boxes seldom need.
pub(super) fn other_key(field: Field) -> &'static str {
    match field {
        Field::Ttl => "ttl",
        Field::Dscp => "dscp",
        Field::Length => "length",
        Field::SrcMac => "smac",
        Field::TcpMss => "tcp_mss",
        Field::Ext => "ext",
        Field::PktType => "pkt_type",
        Field::Spi => "spi",
        Field::Ecn => "ecn",
        Field::Mark => "mark",
        Field::CtMark => "ct_mark",
        Field::OrigSrc4 | Field::OrigSrc6 => "orig_src",
        Field::OrigDst4 | Field::OrigDst6 => "orig_dst",
        Field::OrigSport => "orig_sport",
        Field::OrigDport => "orig_dport",
        Field::Direction => "direction",
        Field::Dnat => "dnat",
        Field::Snat => "snat",
        Field::Tag => "tag",
        Field::Iif => "iif",
        Field::Oif => "oif",
        Field::Src4 | Field::Src6 => "src",
        Field::Dst4 | Field::Dst6 => "dst",
        Field::Proto => "proto",
        Field::Sport => "sport",
        Field::Dport => "dport",
        Field::IcmpType => "icmp_type",
        Field::IcmpCode => "icmp_code",
        Field::TcpFlags => "tcp_flags",
        Field::State => "state",
        Field::Version => "version",
    }
}

/// A packet as `pinhole trace` takes it.
pub(super) fn packet(hook: &str, packet: &Packet) -> Json {
    let family = packet.family();
    let known = |field: Field| packet.get(field).known();
    let mut out = Map::new();
    out.insert("hook".to_string(), json!(hook));
    // To the box itself, unless translation turns it into a forwarded packet.
    let out_by = if hook == "input" { "fwd_oif" } else { "oif" };
    for (key, field) in [("iif", Field::Iif), (out_by, Field::Oif)] {
        let name = known(field).filter(|name| *name != 0).map(interface_name);
        if let Some(name) = name.filter(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic()))
        {
            out.insert(key.to_string(), json!(name));
        }
    }
    for (key, field) in [("src", Field::src(family)), ("dst", Field::dst(family))] {
        if let Some(number) = known(field) {
            out.insert(key.to_string(), json!(family.address(number).to_string()));
        }
    }
    // In IPv6 the name `icmp` would mean that of the family.
    let name = match (packet.family(), packet.protocol()) {
        (Family::V6, proto::ICMP) => proto::ICMP.to_string(),
        (_, number) => protocol(number),
    };
    out.insert("proto".to_string(), json!(name));
    for (key, value) in numbers_of(packet) {
        out.insert(key.to_string(), value);
    }
    if let Some(bits) = known(Field::TcpFlags).filter(|bits| *bits != 2) {
        out.insert("tcp_flags".to_string(), json!(flags(bits as u8).join(",")));
    }
    if let Some(mac) = known(Field::SrcMac) {
        let bytes: Vec<String> = mac.to_be_bytes()[10..].iter().map(|byte| format!("{byte:02x}")).collect();
        out.insert("smac".to_string(), json!(bytes.join(":")));
    }
    if let Some(there) = known(Field::Ext).map(headers).filter(|there| !there.is_empty()) {
        out.insert("ext".to_string(), json!(there));
    }
    let state = known(Field::State).and_then(State::of);
    if let Some(state) = state.filter(|state| first_state(packet, hook != "output") != Some(*state)) {
        out.insert("state".to_string(), json!(state.name()));
    }
    Json::Object(out)
}

/// The fields of a packet that are plain numbers, but for those that have their usual value.
fn numbers_of(packet: &Packet) -> Vec<(&'static str, Json)> {
    let plain = [
        Field::Sport,
        Field::Dport,
        Field::IcmpType,
        Field::IcmpCode,
        Field::Ttl,
        Field::Dscp,
        Field::TcpMss,
        Field::Spi,
        Field::Mark,
    ];
    let told = |field: Field| {
        let value = packet.get(field).known()?;
        let usual = matches!((field, value), (Field::Ttl, 64) | (Field::Dscp | Field::Mark, 0));
        let absent = field == Field::TcpMss && value > 0xffff;
        (!usual && !absent).then(|| (other_key(field), number(value)))
    };
    plain.into_iter().filter_map(told).collect()
}

/// The IPv6 extension headers that bits of `Field::Ext` stand for.
fn headers(bits: u128) -> Vec<&'static str> {
    let names =
        [(ext::HOP, "hbh"), (ext::DST, "dst"), (ext::ROUTE, "rt"), (ext::FRAG, "frag"), (ext::AUTH, "ah")];
    names.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name).collect()
}
