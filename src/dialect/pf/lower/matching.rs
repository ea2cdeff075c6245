//! The conditions of a rule as tests of the model.

use crate::model::{Builder, Test, Tuples, Values};
use crate::packet::{Family, Field, Set, interface, interface_prefix, proto};

use super::super::ast::{
    Action, Af, Direction, Flags, IdMatch, InterfaceName, Modifiers, Port, PortOp, Reply,
};
use super::super::expand::{Flat, Resolved, Where, own_addresses, own_nets};
use super::super::table::interval;
use super::super::tree::Scope;
use super::Lowering;

/// The families for which a rule has to be written out, `None` for both at once: where its addresses or its
/// reply differ between them.
pub fn families(rows: &[(&Flat, Scope)]) -> &'static [Option<Family>] {
    const V4: &[Option<Family>] = &[Some(Family::V4)];
    const V6: &[Option<Family>] = &[Some(Family::V6)];
    const EACH: &[Option<Family>] = &[Some(Family::V4), Some(Family::V6)];
    if let Some(af) = rows.iter().find_map(|(flat, _)| flat.af) {
        let clash = rows.iter().any(|(flat, _)| flat.af.is_some_and(|other| other != af));
        return match af {
            _ if clash => &[],
            Af::V4 => V4,
            Af::V6 => V6,
        };
    }
    let splits = |flat: &Flat| {
        let reply = matches!(flat.rule.action, Action::Block(Reply::Icmp { .. }));
        let table = |host: &Resolved| matches!(host.place, Where::Table(_) | Where::Dynamic { .. });
        reply || table(&flat.src) || table(&flat.dst) || flat.nat.is_some() || flat.rdr.is_some()
    };
    if rows.iter().any(|(flat, _)| splits(flat)) { EACH } else { &[None] }
}

/// Interfaces that come in numbered units belong to a group of their driver's name (ifconfig(8), `group`).
const DRIVER_GROUPS: &[&str] = &[
    "lo", "tun", "tap", "vlan", "svlan", "bridge", "carp", "enc", "gif", "gre", "egre", "nvgre", "pair",
    "pflog", "pfsync", "pppoe", "ppp", "trunk", "lagg", "aggr", "tpmr", "veb", "vether", "vport", "vxlan",
    "wg", "etherip", "mpe", "mpw", "switch", "stf", "ipsec", "utun", "epair", "ovpns", "ovpnc",
];

impl<'a> Lowering<'a> {
    /// Adds the tests of a rule's conditions to the rule that is being made.
    pub(super) fn conditions(
        &mut self,
        b: &mut Builder,
        flat: &Flat<'a>,
        scope: Scope,
        family: Option<Family>,
        way: Direction,
    ) {
        if flat.rule.options.fragment {
            // A whole packet is no fragment.
            b.test(Test::Never);
        }
        if let Some((negated, name)) = flat.interface {
            self.interface(b, name, negated, if way == Direction::In { Field::Iif } else { Field::Oif });
        }
        if let Some(received) = &flat.rule.options.rare().received_on {
            self.interface(b, &received.name, received.negated, Field::Iif);
        }
        if let Some(family) = family
            && !names_family(&flat.src)
            && !names_family(&flat.dst)
        {
            b.is(Field::Version, if family == Family::V4 { 4 } else { 6 });
        }
        if let Some(protocol) = flat.protocol {
            match protocol.number {
                Some(number) => b.is(Field::Proto, number.into()),
                None => b.unknown(&format!("protocol `{}`", protocol.text)),
            }
        }
        self.host(b, &flat.src, scope, family, true);
        self.host(b, &flat.dst, scope, family, false);
        port(b, Field::Sport, flat.src_port);
        port(b, Field::Dport, flat.dst_port);
        if let Some(flags) = flat.flags {
            self.flags(b, flags, flat.protocol.is_some_and(|protocol| protocol.number == Some(proto::TCP)));
        }
        if let Some(icmp) = flat.icmp {
            b.is(Field::IcmpType, icmp.kind.into());
            if let Some(code) = icmp.code {
                b.is(Field::IcmpCode, code.into());
            }
        }
        if let Some((negated, tag)) = &flat.extras().tagged {
            let tag = b.tag(tag);
            b.field(Field::Tag, Values::Range(tag, tag), *negated);
        }
        uncertain(b, flat);
    }

    /// Tests an interface by name, group or kind.
    pub(super) fn interface(&mut self, b: &mut Builder, name: &InterfaceName, negated: bool, field: Field) {
        let name = match name {
            InterfaceName::Named(name) => name,
            InterfaceName::Any => {
                let values = b.values(units("lo"));
                return b.field(field, values, !negated);
            }
            InterfaceName::Rdomain(number) => return b.unknown(&format!("rdomain {number}")),
        };
        let values = match self.interfaces.get(name) {
            Some(values) => *values,
            None => {
                let values = self.members(name).map(|set| b.values(set));
                self.interfaces.insert(name.clone(), values);
                values
            }
        };
        match values {
            Some(values) => b.field(field, values, negated),
            None => b.unknown(&format!("interface group `{name}`")),
        }
    }

    /// The interfaces that a name stands for. Names of interfaces end in a digit, those of groups do not.
    fn members(&self, name: &str) -> Option<Set> {
        if name == "all" {
            return Some(Set::full());
        }
        if let Some((_, members)) = self.env.groups.iter().find(|(group, _)| group == name) {
            return Some(Set::of(members.iter().map(|member| (interface(member), interface(member)))));
        }
        let known = self.env.own.iter().any(|own| own.interface == name);
        if known || name.ends_with(|c: char| c.is_ascii_digit()) {
            return Some(Set::one(interface(name)));
        }
        DRIVER_GROUPS.contains(&name).then(|| units(name))
    }

    fn host(
        &mut self,
        b: &mut Builder,
        host: &Resolved<'a>,
        scope: Scope,
        family: Option<Family>,
        source: bool,
    ) {
        let set = match &host.place {
            Where::Any if !host.negated => return,
            Where::Any => return b.test(Test::Never),
            Where::Net(net) if net.is_everything() && !host.negated => return,
            Where::Net(net) => {
                family.and_then(|family| interval(*net, family)).map(|(lo, hi)| Set::range(lo, hi))
            }
            Where::Range((first, last)) => {
                let ((own, lo), (_, hi)) = (Family::of(*first), Family::of(*last));
                (Some(own) == family).then(|| Set::range(lo, hi))
            }
            Where::Table(name) => return self.table(b, host, name, scope, family, source),
            Where::Dynamic { name, modifiers, prefix } => {
                let found = family.and_then(|family| self.dynamic(name, *modifiers, *prefix, family));
                match found {
                    Some(set) => Some(set),
                    None => return b.unknown(&addresses_of(name, *modifiers)),
                }
            }
            Where::Unknown { name, modifiers, .. } => return b.unknown(&addresses_of(name, *modifiers)),
            Where::NoRoute => return b.unknown("whether there is a route"),
            Where::UrpfFailed => return b.unknown("the reverse path"),
            Where::RouteLabel(label) => return b.unknown(&format!("route label `{label}`")),
        };
        match (set, family) {
            (Some(set), Some(family)) => self.address(b, set, family, source, host.negated),
            _ => b.test(Test::Never),
        }
    }

    fn address(&self, b: &mut Builder, set: Set, family: Family, source: bool, negated: bool) {
        let field = if source { Field::src(family) } else { Field::dst(family) };
        if set.is_empty() {
            return if negated {
                b.is(Field::Version, if family == Family::V4 { 4 } else { 6 })
            } else {
                b.test(Test::Never)
            };
        }
        let values = b.values(set);
        b.field(field, values, negated);
    }

    fn table(
        &mut self,
        b: &mut Builder,
        host: &Resolved,
        name: &str,
        scope: Scope,
        family: Option<Family>,
        source: bool,
    ) {
        match (self.tree.table(scope, name), family) {
            (Some(table), Some(family)) if table.complete => {
                let set = table.of(family).clone();
                self.address(b, set, family, source, host.negated);
            }
            _ => b.unknown(&format!("table `{name}`")),
        }
    }

    /// The addresses of an interface at the time of the packet, where the environment tells them.
    pub(super) fn dynamic(
        &self,
        name: &str,
        modifiers: Modifiers,
        prefix: Option<u8>,
        family: Family,
    ) -> Option<Set> {
        let own = own_addresses(name, self.env);
        if own.is_empty() || modifiers.peer {
            return None;
        }
        let mut intervals: Vec<(u128, u128)> =
            own_nets(&own, modifiers, prefix).into_iter().filter_map(|net| interval(net, family)).collect();
        if name == "self" {
            intervals.push(if family == Family::V4 { (0x7f00_0001, 0x7f00_0001) } else { (1, 1) });
        }
        Some(Set::of(intervals))
    }

    /// TCP flags: packets of other protocols are not asked for them.
    fn flags(&mut self, b: &mut Builder, flags: Flags, tcp: bool) {
        let test = *self.flag_tests.entry((flags, tcp)).or_insert_with(|| {
            let hits = |bits: &u128| bits & u128::from(flags.mask) == u128::from(flags.set);
            let set = Set::of((0..=255u128).filter(hits).map(|bits| (bits, bits)));
            if tcp {
                return Test::In { field: Field::TcpFlags, values: b.values(set), negate: false };
            }
            let tcp = u128::from(proto::TCP);
            let others = Set::of([(0, tcp - 1), (tcp + 1, 255)]);
            let tuples = b.tuples(Tuples {
                fields: vec![Field::Proto, Field::TcpFlags],
                boxes: vec![vec![Some(others), None], vec![Some(Set::one(tcp)), Some(set)]],
            });
            Test::Tuple { tuples, negate: false }
        });
        b.test(test);
    }
}

/// Whether a host's test fails on packets of the other family anyway.
fn names_family(host: &Resolved) -> bool {
    match host.place {
        Where::Net(net) => !net.is_everything(),
        Where::Range(..) => true,
        _ => false,
    }
}

/// All units of a driver: its name and a number.
fn units(driver: &str) -> Set {
    let (first, _) = interface_prefix(&format!("{driver}0"));
    let (_, last) = interface_prefix(&format!("{driver}9"));
    Set::range(first, last)
}

fn addresses_of(name: &str, modifiers: Modifiers) -> String {
    let what = if modifiers.network {
        "the networks of"
    } else if modifiers.peer {
        "the peer of"
    } else {
        "the addresses of"
    };
    format!("{what} `{name}`")
}

/// Adds the test of a port condition.
pub fn port(b: &mut Builder, field: Field, op: Option<&PortOp>) {
    let Some(op) = op else { return };
    match ports(op) {
        Ok(set) if set.is_empty() => b.test(Test::Never),
        Ok(set) => {
            let values = b.values(set);
            b.field(field, values, false);
        }
        Err(name) => b.unknown(&format!("service `{name}`")),
    }
}

/// The ports of a comparison, or the service name that is not known.
pub fn ports(op: &PortOp) -> Result<Set, &str> {
    const LAST: u128 = 0xffff;
    let number = |port: &'_ Port| -> Option<u128> {
        match port {
            Port::Number(number) => Some((*number).into()),
            Port::Unknown(_) => None,
        }
    };
    let (a, b) = match op {
        PortOp::Eq(a) | PortOp::Ne(a) | PortOp::Lt(a) | PortOp::Le(a) | PortOp::Gt(a) | PortOp::Ge(a) => {
            (a, a)
        }
        PortOp::Range(a, b) | PortOp::Inside(a, b) | PortOp::Outside(a, b) => (a, b),
    };
    let (Some(lo), Some(hi)) = (number(a), number(b)) else {
        return Err(match (a, b) {
            (Port::Unknown(name), _) | (_, Port::Unknown(name)) => name,
            _ => "",
        });
    };
    let between = |lo: u128, hi: u128| if lo <= hi { Set::range(lo, hi) } else { Set::empty() };
    Ok(match op {
        PortOp::Eq(_) => Set::one(lo),
        PortOp::Ne(_) => Set::range(0, LAST).minus(&Set::one(lo)),
        PortOp::Lt(_) => lo.checked_sub(1).map_or(Set::empty(), |hi| Set::range(0, hi)),
        PortOp::Le(_) => Set::range(0, lo),
        PortOp::Gt(_) => between(lo + 1, LAST),
        PortOp::Ge(_) => Set::range(lo, LAST),
        PortOp::Range(..) => between(lo, hi),
        PortOp::Inside(..) => hi.checked_sub(1).map_or(Set::empty(), |hi| between(lo + 1, hi)),
        PortOp::Outside(..) => {
            let below = lo.checked_sub(1).map_or(Set::empty(), |hi| Set::range(0, hi));
            below.or(&between(hi + 1, LAST))
        }
    })
}

/// Conditions that depend on more than the packet.
fn uncertain(b: &mut Builder, flat: &Flat) {
    let options = &flat.rule.options;
    if let Some(os) = flat.extras().os {
        b.unknown(&format!("operating system `{os}`"));
    }
    if let Some(user) = flat.extras().user {
        b.unknown(&id("user", user));
    }
    if let Some(group) = flat.extras().group {
        b.unknown(&id("group", group));
    }
    if let Some(tos) = options.rare().tos.filter(|tos| *tos != 0) {
        // The lower two bits are no part of the code point.
        if tos & 3 == 0 {
            b.is(Field::Dscp, u128::from(tos >> 2));
        } else {
            b.unknown(&format!("TOS {tos:#04x}"));
        }
    }
    if let Some(prio) = options.rare().prio {
        b.unknown(&format!("VLAN priority {prio}"));
    }
    if let Some(probability) = &options.rare().probability {
        b.unknown(&format!("probability {probability}"));
    }
    if let Some(rate) = &options.rare().max_packet_rate {
        b.unknown(&format!("packet rate {rate}"));
    }
    if let Some(size) = options.rare().max_packet_size {
        b.unknown(&format!("packet size {size}"));
    }
    if let Some(limiter) = &options.rare().limiter {
        b.unknown(&format!("limiter `{limiter}`"));
    }
    if options.rare().once {
        b.unknown("whether a rule that matches once has matched");
    }
}

fn id(word: &str, id: &IdMatch) -> String {
    match &id.second {
        Some(second) => format!("{word} {} {} {second}", id.first, id.op),
        None => format!("{word} {} {}", id.op, id.first),
    }
}
