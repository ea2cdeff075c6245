//! `-m set`: uses of ipsets whose contents are known.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Lowering, Ways, numbers};
use crate::dialect::iptables::ast::SetUse;
use crate::dialect::iptables::ipset::{Entry, Ipset, Part, Value};
use crate::finding::Finding;
use crate::model::{Condition, Test, Tuples};
use crate::packet::{Field, Set, proto};
use crate::rule::{PH002, PH003};

/// A use of a set, for not doing the work twice: family, name, sides,
/// negated, and whether nobody asks what is not known.
pub(super) type Key = (crate::packet::Family, super::super::ast::Name, Vec<bool>, bool, bool);

/// How a use of a set became conditions.
#[derive(Clone, Debug)]
pub(super) struct Lowered(Ways);

/// Products of field values.
type Rows = Vec<Vec<(Field, Set)>>;

/// What is in a set, for the sides that a rule looks at.
#[derive(Default)]
struct Contents {
    /// Entries that stay.
    sure: Rows,
    /// Entries that go away by themselves.
    timed: Rows,
    /// Something is not known.
    unknown: bool,
}

/// Protocols whose ports a `port` part looks at (`ip_set_get_ip4_port` of the kernel).
const PORTS: [u8; 4] = [proto::TCP, proto::UDP, proto::SCTP, proto::UDPLITE];

impl Lowering<'_> {
    /// Adds a condition on a set.
    pub(super) fn ipset(&mut self, index: u32, negate: bool) {
        let set_use = &self.config.set_uses[index as usize];
        let plain = !set_use.counters && !set_use.return_nomatch;
        let key: Key = (self.family, set_use.set, set_use.sides.clone(), negate, self.idle);
        if let Some(Lowered(ways)) = self.set_tests.get(&key)
            && plain
        {
            let ways = ways.clone();
            return self.add_ways(ways);
        }
        let ways = self.set_ways(set_use, negate);
        if plain {
            self.set_tests.insert(key, Lowered(ways.clone()));
        }
        self.add_ways(ways);
    }

    /// The condition that stands for a set: what is in it is the same for all packets that are alike in what
    /// is looked up.
    fn unknown_set(&mut self, set_use: &SetUse, negate: bool) -> Option<Test> {
        let name = self.config.names.text(set_use.set);
        if set_use.counters || set_use.return_nomatch {
            // Counters change with each packet, and exceptions are told in another way.
            return self.chance("set", name, negate);
        }
        if self.idle {
            return None;
        }
        let condition = Condition::of(format!("set {name}"), self.looked_up(name, &set_use.sides));
        Some(Test::Unknown { cond: self.out.condition(condition), negate })
    }

    /// The fields that a use of a set looks at: by the set's type where it is known, else all that a set of so
    /// many parts may look at.
    fn looked_up(&self, name: &str, sides: &[bool]) -> Vec<Field> {
        let address = |source: bool| if source { Field::src(self.family) } else { Field::dst(self.family) };
        let port = |source: bool| if source { Field::Sport } else { Field::Dport };
        let interface = |source: bool| if source { Field::Iif } else { Field::Oif };
        let parts = self.sets.sets.get(name).map_or(&[][..], |set| &set.parts[..]);
        let mut fields = Vec::new();
        for (at, source) in sides.iter().enumerate() {
            match parts.get(at) {
                Some(Part::Address) => fields.push(address(*source)),
                Some(Part::Port | Part::PlainPort) => {
                    fields.extend([Field::Proto, port(*source), Field::IcmpType, Field::IcmpCode]);
                }
                Some(Part::Mac) => fields.push(Field::SrcMac),
                Some(Part::Interface) => fields.push(interface(*source)),
                Some(Part::Mark) => fields.push(Field::Mark),
                None if !parts.is_empty() => {}
                None if at == 0 => fields.extend([address(*source), Field::Proto, port(*source)]),
                None => fields.extend([address(*source), Field::Proto, port(*source), interface(*source)]),
            }
        }
        fields.sort_unstable();
        fields.dedup();
        fields
    }

    fn set_ways(&mut self, set_use: &SetUse, negate: bool) -> Ways {
        let name = self.config.names.text(set_use.set);
        self.note(set_use, name);
        let changed = self.config.changed_sets.contains(&set_use.set);
        let known =
            !changed && !set_use.counters && !set_use.return_nomatch && self.sets.sets.contains_key(name);
        let mut contents = Contents::default();
        if known {
            self.gather(name, &set_use.sides, &mut contents, &mut FxHashSet::default());
        }
        if !known || contents.unknown {
            return vec![self.unknown_set(set_use, negate).into_iter().collect()];
        }
        let (sure, timed) = (merge(contents.sure), merge(contents.timed));
        let mut ways = Ways::new();
        let within = self.rows(&sure, negate);
        if timed.is_empty() {
            return within;
        }
        let cond = self.unknown_set(set_use, negate);
        if negate {
            // Outside of both for certain; outside of the lasting ones alone, it depends.
            for way in within {
                for more in self.rows(&timed, true) {
                    ways.push(way.iter().chain(&more).copied().collect());
                }
                for more in self.rows(&timed, false) {
                    ways.push(way.iter().chain(&more).copied().chain(cond).collect());
                }
            }
        } else {
            let outside = self.rows(&sure, true);
            ways.extend(within);
            for way in outside {
                for more in self.rows(&timed, false) {
                    ways.push(way.iter().chain(&more).copied().chain(cond).collect());
                }
            }
        }
        ways
    }

    /// Says once for a set what is not known of it.
    fn note(&mut self, set_use: &SetUse, name: &str) {
        if self.sets.sets.contains_key(name) || self.noted.insert(set_use.set, ()).is_some() {
            return;
        }
        let finding = if self.sets.given {
            Finding::of(&PH003, set_use.span, format!("ipset `{name}` does not exist"))
                .help("Create the set before the rules are loaded, or correct the name.")
        } else {
            let message = format!("the contents of ipset `{name}` are not in the file");
            Finding::of(&PH002, set_use.span, message)
                .label("rules with it depend on the set")
                .help("Give the output of `ipset save` with `--ipset FILE`.")
        };
        self.findings.push(finding);
    }

    /// Collects the entries of a set, and of the members of a list.
    fn gather(&self, name: &str, sides: &[bool], contents: &mut Contents, open: &mut FxHashSet<String>) {
        let Some(set) = self.sets.sets.get(name) else {
            contents.unknown = true;
            return;
        };
        contents.unknown |= set.unknown;
        if set.parts.is_empty() {
            // A list holds no lists; one that does would not load, and is not followed.
            if open.insert(name.to_string()) && open.len() == 1 {
                for member in &set.members {
                    self.gather(member, sides, contents, open);
                }
            }
            return;
        }
        // A set of the other family, or with more parts than the rule names, holds no packet.
        if set.family.is_some_and(|family| family != self.family) || set.parts.len() > sides.len() {
            return;
        }
        if set.entries.iter().any(|entry| entry.nomatch) {
            let timed = set.entries.iter().any(|entry| entry.timeout);
            match set.parts[..] {
                [Part::Address] if !timed => contents.sure.extend(self.networks(set, sides[0])),
                [Part::Address, Part::Port] if !timed => {
                    contents.sure.extend(self.networks_of_ports(set, sides))
                }
                _ => contents.unknown = true,
            }
            return;
        }
        if let [Part::Address, Part::Interface] = set.parts[..] {
            contents.unknown |= set.entries.iter().any(|entry| entry.timeout);
            contents.sure.extend(self.networks_of_interfaces(set, sides));
            return;
        }
        for entry in &set.entries {
            let rows = if entry.timeout { &mut contents.timed } else { &mut contents.sure };
            rows.extend(self.entry(set, entry, sides));
        }
    }

    /// Networks with exceptions: the longest prefix that holds an address decides.
    fn networks(&self, set: &Ipset, source: bool) -> Rows {
        let field = if source { Field::src(self.family) } else { Field::dst(self.family) };
        vec![vec![(field, longest(set.entries.iter().collect()))]]
    }

    /// `hash:net,port` with exceptions: for each port, the longest prefix that is listed with it decides
    /// (`mtype_test_cidrs` of the kernel).
    fn networks_of_ports(&self, set: &Ipset, sides: &[bool]) -> Rows {
        let port = |entry: &Entry| match entry.parts[1] {
            Value::Ports(protocol, lo, hi) => Some((protocol, u32::from(lo), u32::from(hi) + 1)),
            Value::Values(_) => None,
        };
        let mut cuts: Vec<(u8, u32)> =
            set.entries.iter().filter_map(port).flat_map(|(p, lo, end)| [(p, lo), (p, end)]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let mut by_cut: FxHashMap<(u8, u32), Vec<&Entry>> = FxHashMap::default();
        for entry in &set.entries {
            let Some((protocol, lo, end)) = port(entry) else { continue };
            let from = cuts.partition_point(|cut| *cut < (protocol, lo));
            for cut in cuts[from..].iter().take_while(|cut| **cut < (protocol, end)) {
                by_cut.entry(*cut).or_default().push(entry);
            }
        }
        let mut rows = Rows::new();
        for pair in cuts.windows(2) {
            let Some(entries) = by_cut.remove(&pair[0]) else { continue };
            let all = longest(entries);
            let ports = Value::Ports(pair[0].0, pair[0].1 as u16, (pair[1].1 - 1) as u16);
            let parts = vec![Value::Values(all), ports];
            let entry = Entry { parts, nomatch: false, timeout: false, prefix: 0 };
            rows.extend(self.entry(set, &entry, sides));
        }
        rows
    }

    /// `hash:net,iface`: the longest network that holds the address decides, whichever interface it is
    /// listed with; shorter ones are not asked any more (`multi` in `mtype_test_cidrs` of the kernel).
    fn networks_of_interfaces(&self, set: &Ipset, sides: &[bool]) -> Rows {
        let mut entries: Vec<&Entry> = set.entries.iter().collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.prefix));
        let mut longer = Set::empty();
        let mut rows = Rows::new();
        for same in entries.chunk_by(|a, b| a.prefix == b.prefix) {
            let mut networks: FxHashMap<&Set, Set> = FxHashMap::default();
            for entry in same {
                if let [Value::Values(network), Value::Values(interface)] = &entry.parts[..] {
                    let interfaces = networks.entry(network).or_insert_with(Set::empty);
                    *interfaces = interfaces.or(interface);
                }
            }
            let mut all: Vec<(&Set, Set)> = networks.into_iter().collect();
            all.sort_unstable_by_key(|(network, _)| network.first());
            let ranges = all.iter().flat_map(|(network, _)| network.ranges().to_vec());
            let level = Set::of(ranges);
            for (network, interfaces) in all {
                let rest = network.minus(&longer);
                let address = if sides[0] { Field::src(self.family) } else { Field::dst(self.family) };
                let device = if sides[1] { Field::Iif } else { Field::Oif };
                if !rest.is_empty() {
                    rows.push(vec![(address, rest), (device, interfaces)]);
                }
            }
            longer = longer.or(&level);
        }
        rows
    }

    /// An entry as a product; `None` where no packet can be in it.
    fn entry(&self, set: &Ipset, entry: &Entry, sides: &[bool]) -> Option<Vec<(Field, Set)>> {
        let mut row: Vec<(Field, Set)> = Vec::new();
        for ((part, value), source) in set.parts.iter().zip(&entry.parts).zip(sides) {
            let field = match (part, source) {
                (Part::Address, true) => Field::src(self.family),
                (Part::Address, false) => Field::dst(self.family),
                (Part::Port | Part::PlainPort, true) => Field::Sport,
                (Part::Port | Part::PlainPort, false) => Field::Dport,
                (Part::Mac, true) => Field::SrcMac,
                (Part::Mac, false) => return None,
                (Part::Interface, true) => Field::Iif,
                (Part::Interface, false) => Field::Oif,
                (Part::Mark, _) => Field::Mark,
            };
            match value {
                Value::Values(values) => {
                    if *part == Part::PlainPort {
                        add(&mut row, Field::Proto, numbers(&[proto::TCP, proto::UDP]));
                    }
                    if *values != Set::full() {
                        add(&mut row, field, values.clone());
                    }
                }
                Value::Ports(protocol, lo, hi) => {
                    add(&mut row, Field::Proto, numbers(&[*protocol]));
                    if PORTS.contains(protocol) {
                        add(&mut row, field, Set::range((*lo).into(), (*hi).into()));
                    } else if matches!(*protocol, proto::ICMP | proto::ICMPV6) {
                        add(&mut row, Field::IcmpType, Set::one(u128::from(lo >> 8)));
                        add(&mut row, Field::IcmpCode, Set::one(u128::from(lo & 255)));
                    } else if *lo != 0 {
                        return None;
                    }
                }
            }
        }
        Some(row)
    }

    /// The ways to be in the rows, or, negated, in none of them.
    fn rows(&mut self, rows: &Rows, negate: bool) -> Ways {
        if rows.is_empty() {
            return if negate { vec![Vec::new()] } else { Vec::new() };
        }
        if let [row] = &rows[..]
            && let [(field, values)] = &row[..]
        {
            let (field, values) = (*field, values.clone());
            return vec![vec![self.set_test(field, values, negate)]];
        }
        if !negate {
            return vec![vec![self.tuple(rows, |_| true, false)]];
        }
        // Where a row asks for ports, packets without ports are in none of them, and so on: a packet is
        // held against the rows that it has the fields for.
        let has = |row: &[(Field, Set)], fields: [Field; 2]| row.iter().any(|(f, _)| fields.contains(f));
        let with_ports = |row: &[(Field, Set)]| has(row, [Field::Sport, Field::Dport]);
        let with_types = |row: &[(Field, Set)]| has(row, [Field::IcmpType, Field::IcmpCode]);
        if !rows.iter().any(|row| with_ports(row) || with_types(row)) {
            return vec![vec![self.tuple(rows, |_| true, true)]];
        }
        let (ports, types) = (numbers(&proto::WITH_PORTS), numbers(&[proto::ICMP, proto::ICMPV6]));
        let both = ports.or(&types);
        let mut ways = Ways::new();
        for (set, outside, class) in [
            (ports, false, &(|row: &[(Field, Set)]| !with_types(row)) as &dyn Fn(&[(Field, Set)]) -> bool),
            (types, false, &|row: &[(Field, Set)]| !with_ports(row)),
            (both, true, &|row: &[(Field, Set)]| !with_ports(row) && !with_types(row)),
        ] {
            let mut way = vec![self.set_test(Field::Proto, set, outside)];
            if rows.iter().any(|row| class(row)) {
                way.push(self.tuple(rows, class, true));
            }
            ways.push(way);
        }
        ways
    }

    fn tuple(&mut self, rows: &Rows, keep: impl Fn(&[(Field, Set)]) -> bool, negate: bool) -> Test {
        let mut fields: Vec<Field> = Vec::new();
        for (field, _) in rows.iter().filter(|row| keep(row)).flatten() {
            if !fields.contains(field) {
                fields.push(*field);
            }
        }
        let boxes = rows
            .iter()
            .filter(|row| keep(row))
            .map(|row| {
                let side =
                    |field: &Field| row.iter().find(|(f, _)| f == field).map(|(_, values)| values.clone());
                fields.iter().map(side).collect()
            })
            .collect();
        let tuples = self.out.tuples(Tuples { fields, boxes });
        Test::Tuple { tuples, negate }
    }
}

/// The addresses of networks with exceptions: the longest prefix that holds an address decides.
fn longest(mut entries: Vec<&Entry>) -> Set {
    entries.sort_by_key(|entry| entry.prefix);
    let mut all = Set::empty();
    for same in entries.chunk_by(|a, b| (a.prefix, a.nomatch) == (b.prefix, b.nomatch)) {
        let ranges = same.iter().flat_map(|entry| match &entry.parts[0] {
            Value::Values(values) => values.ranges().to_vec(),
            Value::Ports(..) => Vec::new(),
        });
        let values = Set::of(ranges);
        all = if same[0].nomatch { all.minus(&values) } else { all.or(&values) };
    }
    all
}

/// Adds a side to a product: where the field has one, what both allow.
fn add(row: &mut Vec<(Field, Set)>, field: Field, values: Set) {
    match row.iter_mut().find(|(f, _)| *f == field) {
        Some((_, side)) => *side = side.and(&values),
        None => row.push((field, values)),
    }
}

/// Joins rows that differ in their first side alone: a set of hosts with one port is one row.
fn merge(rows: Rows) -> Rows {
    type Rest = Vec<(Field, Set)>;
    type Open = (Field, Vec<(u128, u128)>, Rest);
    let mut places: FxHashMap<(Field, Rest), usize> = FxHashMap::default();
    let mut merged: Vec<Open> = Vec::new();
    let mut whole = false;
    for mut row in rows {
        if row.is_empty() {
            whole = true;
            continue;
        }
        let (field, values) = row.remove(0);
        let at = *places.entry((field, row.clone())).or_insert_with(|| {
            merged.push((field, Vec::new(), row.clone()));
            merged.len() - 1
        });
        merged[at].1.extend_from_slice(values.ranges());
    }
    if whole {
        return vec![vec![(Field::Version, Set::full())]];
    }
    let row = |(field, ranges, rest): Open| std::iter::once((field, Set::of(ranges))).chain(rest).collect();
    merged.into_iter().map(row).collect()
}
