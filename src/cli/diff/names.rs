//! Packets of a region in words: addresses by the names of the site, ports as people write them.

use super::likely::is_odd;
use super::pairs::Pair;
use super::values;
use crate::analysis::compare::{End, Kind, Leaves, Region};
use crate::model::Way;
use crate::packet::{Family, Field, Set, State, interface, proto};
use crate::ports::interval_text;
use crate::site::Site;

/// Items of a list that are written out.
const FEW: usize = 5;

/// A region in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Words {
    /// Protocols and ports.
    pub what: Vec<Traffic>,
    /// Where they come from.
    pub from: String,
    /// Where they go.
    pub to: String,
    /// Interfaces, states and the like: empty, or starting with a comma.
    pub rest: String,
}

/// Protocols, with ports and what else tells them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Traffic {
    protocols: Set,
    ports: Option<Set>,
    more: String,
}

impl Words {
    /// All of it.
    pub(super) fn sentence(&self) -> String {
        format!("{} from {} to {}{}", self.what(), self.from, self.to, self.rest)
    }

    /// Whether they differ in protocols and ports alone.
    pub(super) fn is_beside(&self, other: &Words) -> bool {
        (&self.from, &self.to, &self.rest) == (&other.from, &other.to, &other.rest)
    }

    /// Whether some protocol and port is in both.
    pub(super) fn shares_traffic(&self, other: &Words) -> bool {
        let meets = |one: &Traffic, two: &Traffic| {
            let ports = one.ports.as_ref().zip(two.ports.as_ref());
            one.protocols.meets(&two.protocols) && ports.is_none_or(|(one, two)| one.meets(two))
        };
        self.what.iter().any(|one| other.what.iter().any(|two| meets(one, two)))
    }

    /// Adds the traffic of another region that is alike in all else.
    pub(super) fn add(&mut self, other: Words) {
        for traffic in other.what {
            let alike = |known: &Traffic| {
                known.protocols == traffic.protocols && known.more == traffic.more && known.ports.is_some()
            };
            match (self.what.iter().position(alike), &traffic.ports) {
                (Some(at), Some(ports)) => {
                    let known = &mut self.what[at].ports;
                    *known = known.as_ref().map(|known| known.or(ports));
                }
                _ if self.what.contains(&traffic) => {}
                _ => self.what.push(traffic),
            }
        }
    }

    /// Protocols and ports: `tcp 1720, 5060`.
    pub(super) fn what(&self) -> String {
        let all = Set::range(0, 255);
        let is_whole = |traffic: &&Traffic| traffic.ports.is_none() && traffic.more.is_empty();
        let union = |parts: &mut dyn Iterator<Item = &Traffic>| {
            parts.fold(Set::empty(), |union, traffic| union.or(&traffic.protocols))
        };
        let whole = union(&mut self.what.iter().filter(is_whole));
        if whole.count() < 128 {
            let texts: Vec<String> = self.what.iter().map(Traffic::text).collect();
            return texts.join(" and ");
        }
        let partly = union(&mut self.what.iter().filter(|traffic| !is_whole(traffic))).minus(&whole);
        let missing = all.minus(&whole).minus(&partly);
        let mut text = "all traffic".to_string();
        if !missing.is_empty() {
            text += &format!(" but {}", some(&protocols(&missing), " and "));
        }
        if !partly.is_empty() {
            text += &format!(" (of {} only a part)", some(&protocols(&partly), " and "));
        }
        text
    }
}

impl Traffic {
    fn text(&self) -> String {
        let all = Set::range(0, 255);
        let others = all.minus(&self.protocols);
        let with_ports = Set::of(proto::WITH_PORTS.map(|p| (u128::from(p), u128::from(p))));
        let names = if others.is_empty() {
            "all protocols".to_string()
        } else if others.count() < self.protocols.count() {
            format!("all protocols but {}", some(&protocols(&others), " and "))
        } else if self.protocols == with_ports {
            "any port protocol".to_string()
        } else {
            some(&protocols(&self.protocols), " and ")
        };
        let single = self.protocols.single();
        let has_ports = [proto::TCP, proto::UDP].iter().any(|port| single == Some(u128::from(*port)));
        match &self.ports {
            Some(ports) => format!("{names} {}{}", numbers(ports, 0xffff), self.more),
            None if has_ports => format!("all {names}{}", self.more),
            None => format!("{names}{}", self.more),
        }
    }
}

/// The names of protocols.
fn protocols(set: &Set) -> Vec<String> {
    let numbers = set.ranges().iter().flat_map(|(lo, hi)| *lo..=*hi);
    numbers.map(|number| values::protocol(number as u8)).collect()
}

/// What all regions of a firewall are told with.
pub(super) struct Context<'c> {
    /// The site of NEW.
    pub site: &'c Site,
    /// The firewall.
    pub pair: &'c Pair,
}

impl Context<'_> {
    /// The traffic of effects of some kinds, but for odd packets.
    pub(super) fn of_kinds(&self, kinds: &[Kind]) -> Vec<Words> {
        let regions = self.pair.regions.iter().map(|seen| &seen.region);
        let told =
            regions.filter(|region| kinds.contains(&region.kind) && !is_odd(self.site, self.pair, region));
        self.merged(told).into_iter().map(|(_, words)| words).collect()
    }

    /// Regions in words: those that differ in protocols and ports alone are one.
    pub(super) fn merged<'r>(&self, regions: impl Iterator<Item = &'r Region>) -> Vec<(Kind, Words)> {
        let mut found: Vec<(Kind, Words)> = Vec::new();
        for region in regions {
            let words = self.words(region);
            match found.iter_mut().find(|(kind, known)| *kind == region.kind && known.is_beside(&words)) {
                Some((_, known)) => known.add(words),
                None => found.push((region.kind, words)),
            }
        }
        found
    }

    /// Puts a region into words.
    pub(super) fn words(&self, region: &Region) -> Words {
        let family = region.family;
        let address = |field: Field| match region.field(field) {
            Some(set) => addresses(self.site, family, set),
            None => "anywhere".to_string(),
        };
        let (mut from, mut to) = (address(Field::src(family)), address(Field::dst(family)));
        if region.way == Way::Output && region.field(Field::src(family)).is_none() {
            from = "the firewall itself".to_string();
        }
        if region.way == Way::Input && region.field(Field::dst(family)).is_none() {
            to = "the firewall itself".to_string();
        }
        let first_packets = self.pair.first_packets;
        Words { what: vec![traffic(region, first_packets)], from, to, rest: self.rest(region) }
    }
}

/// Protocols and ports.
fn traffic(region: &Region, first_packets: bool) -> Traffic {
    let protocols = region.field(Field::Proto).cloned().unwrap_or_else(|| Set::range(0, 255));
    let mut more = String::new();
    if let Some(ports) = region.field(Field::Sport) {
        more += &format!(" (source port {})", numbers(ports, 0xffff));
    }
    if let Some(kinds) = region.field(Field::IcmpType).filter(|_| !first_packets) {
        more += &format!(" type {}", numbers(kinds, 255));
    }
    if let Some(codes) = region.field(Field::IcmpCode) {
        more += &format!(" code {}", numbers(codes, 255));
    }
    if let Some(flags) = region.field(Field::TcpFlags).filter(|flags| !flags.contains(2)) {
        let cubes = values::flag_cubes(flags);
        let one = |(mask, value): &(u8, u8)| {
            format!("{}/{}", values::flags(*value).join(","), values::flags(*mask).join(","))
        };
        more += &format!(" with flags {}", some(&cubes.iter().map(one).collect::<Vec<_>>(), " or "));
    }
    Traffic { protocols, ports: region.field(Field::Dport).cloned(), more }
}

impl Context<'_> {
    /// Interfaces, states and fields that regions seldom have.
    fn rest(&self, region: &Region) -> String {
        let first_packets = self.pair.first_packets;
        let mut text = String::new();
        let name = |field: Field| {
            region.field(field).filter(|set| !self.is_every_other(region, field, set)).map(interfaces)
        };
        match (region.way, name(Field::Iif), name(Field::Oif)) {
            (Way::Output | Way::Forward, None, Some(oif)) | (Way::Output, Some(_), Some(oif)) => {
                text += &format!(", leaving by {oif}");
            }
            (Way::Input | Way::Forward, Some(iif), None) | (Way::Input, Some(iif), Some(_)) => {
                text += &format!(", arriving on {iif}");
            }
            (Way::Forward, Some(iif), Some(oif)) => {
                text += &format!(", arriving on {iif} and leaving by {oif}");
            }
            _ => {}
        }
        if let Some(set) = region.field(Field::State).filter(|_| !first_packets) {
            let has = |state: State| set.contains(state as u128);
            if !has(State::New) {
                let names: Vec<String> = State::ALL
                    .into_iter()
                    .filter(|state| has(*state))
                    .map(|state| state.name().to_string())
                    .collect();
                text += &format!(", state {}", some(&names, " or "));
            }
        }
        for (field, set) in &region.fields {
            let told = matches!(
                field,
                Field::Iif
                    | Field::Oif
                    | Field::Src4
                    | Field::Src6
                    | Field::Dst4
                    | Field::Dst6
                    | Field::Proto
                    | Field::Sport
                    | Field::Dport
                    | Field::IcmpType
                    | Field::IcmpCode
                    | Field::TcpFlags
                    | Field::State
            );
            // What is not at the end of its TTL is what a router passes on.
            let passed_on = *field == Field::Ttl && *set == Set::range(2, 255) && region.way == Way::Forward;
            let told = told || passed_on || self.pair.scope.contains(&(*field, set.clone()));
            if !(told || *field == Field::Ext && first_packets) {
                text += &format!(", {} {}", field.name(), numbers(set, field.last()));
            }
        }
        if region.family == Family::V6 {
            text += ", IPv6";
        }
        text
    }

    /// Whether a set has all interfaces that there are but the loopback and the one on the other side.
    fn is_every_other(&self, region: &Region, field: Field, set: &Set) -> bool {
        let Some((_, all)) = self.pair.scope.iter().find(|(scoped, _)| *scoped == field) else {
            return false;
        };
        let other = if field == Field::Iif { Field::Oif } else { Field::Iif };
        let other = region.field(other).and_then(Set::single).unwrap_or_default();
        let spared = [0, interface("lo"), other].map(|name| (name, name));
        set.covers(&all.minus(&Set::of(spared)))
    }
}

/// Interface names.
fn interfaces(set: &Set) -> String {
    let value = values::interfaces(set);
    let list = |value: &serde_json::Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|name| name.as_str().map(str::to_string)).collect()
    };
    match (value.get("in"), value.get("not")) {
        (Some(names), Some(not)) => {
            format!("{} but {}", some(&list(names), " or "), some(&list(not), " and "))
        }
        (None, Some(not)) => format!("any interface but {}", some(&list(not), " and ")),
        _ => some(&list(&value), " or "),
    }
}

/// Addresses by the names that the site has for them, else as networks.
pub(super) fn addresses(site: &Site, family: Family, set: &Set) -> String {
    let all = Set::range(0, family.last());
    let others = all.minus(set);
    // Sources that no router passes on are missing wherever packets are forwarded.
    if others.minus(&family.unforwardable()).is_empty() {
        return "anywhere".to_string();
    }
    if let Some(zone) = (0..site.zones.len()).find(|zone| site.addresses_of(*zone, family) == *set) {
        return format!("zone {}", site.zones[zone].name);
    }
    if others.ranges().len() < set.ranges().len() {
        return format!("anywhere but {}", some(&networks(site, family, &others), " and "));
    }
    some(&networks(site, family, set), " and ")
}

/// Intervals as networks or ranges, hosts with the names of the site's devices.
fn networks(site: &Site, family: Family, set: &Set) -> Vec<String> {
    let one = |(lo, hi): &(u128, u128)| {
        let text = |number: u128| family.address(number).to_string();
        if lo == hi {
            let address = family.address(*lo);
            let device = site.devices.iter().find(|device| {
                device.addresses.contains(&address) || device.public_addresses.contains(&address)
            });
            return match device {
                Some(device) => format!("{address} ({})", device.name),
                None => address.to_string(),
            };
        }
        let span = hi - lo;
        let is_network = span & span.wrapping_add(1) == 0 && lo & span == 0;
        if is_network {
            return format!("{}/{}", text(*lo), family.bits() - span.count_ones());
        }
        format!("{}-{}", text(*lo), text(*hi))
    };
    set.ranges().iter().map(one).collect()
}

/// Numbers and ranges; `all but` where that is shorter.
pub(super) fn numbers(set: &Set, last: u128) -> String {
    let listed = |set: &Set| -> Vec<String> {
        set.ranges().iter().map(|(low, high)| interval_text(low, high)).collect()
    };
    let set = set.and(&Set::range(0, last));
    let others = Set::range(0, last).minus(&set);
    if others.ranges().len() < set.ranges().len() {
        return format!("all but {}", some(&listed(&others), " and "));
    }
    some(&listed(&set), ", ")
}

/// A list with its first items written out.
pub(super) fn some(items: &[String], last: &str) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., end] if items.len() <= FEW => format!("{}{last}{end}", first.join(", ")),
        _ => format!("{} and {} more", items[..FEW].join(", "), items.len() - FEW),
    }
}

/// Where packets leave to: `10.1.2.10 port 443`, or `untranslated`.
pub(super) fn leaves(site: &Site, family: Family, leaves: &Leaves) -> String {
    let end = |end: &End, address: bool| match end {
        End::Moved(0) => None,
        End::Moved(_) => Some("moved to another network".to_string()),
        End::One(value) if address => Some(addresses(site, family, &Set::one(*value))),
        End::Among(set) if address && *set == Set::range(0, family.last()) => {
            Some("an address of the firewall".to_string())
        }
        End::Among(set) if address => Some(addresses(site, family, set)),
        End::One(value) => Some(value.to_string()),
        End::Among(set) if *set == Set::range(0, 0xffff) => None,
        End::Among(set) => Some(numbers(set, 0xffff)),
    };
    let mut parts = Vec::new();
    match (end(&leaves.dst, true), end(&leaves.dport, false)) {
        (Some(dst), Some(port)) => parts.push(format!("to {dst} port {port}")),
        (Some(dst), None) => parts.push(format!("to {dst}")),
        (None, Some(port)) => parts.push(format!("to port {port}")),
        (None, None) => {}
    }
    match (end(&leaves.src, true), end(&leaves.sport, false)) {
        (Some(src), Some(port)) => parts.push(format!("as from {src} port {port}")),
        (Some(src), None) => parts.push(format!("as from {src}")),
        (None, Some(port)) => parts.push(format!("as from port {port}")),
        (None, None) => {}
    }
    if parts.is_empty() { "untranslated".to_string() } else { parts.join(" ") }
}

/// What becomes of packets of a kind: one word, and a longer phrase.
pub(super) fn kind(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Opened => ("opened", "passes now"),
        Kind::Closed => ("closed", "passes no longer"),
        Kind::MayOpen => ("may open", "may pass now"),
        Kind::MayClose => ("may close", "may pass no longer"),
        Kind::MayChange => ("may change", "may pass or be refused in another way"),
        Kind::Retargeted => ("redirected", "is translated to another place"),
        Kind::Helped => ("helper", "has another connection helper"),
        Kind::Kept => ("state", "is remembered for its answers in another way"),
        Kind::Answered => ("answers", "has answers that fare differently"),
        Kind::Replied => ("reply", "is refused in another way"),
    }
}
