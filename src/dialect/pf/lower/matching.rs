//! The conditions of a rule as tests of the model.

use crate::model::{Builder, Condition, Test, Tuples, Values};
use crate::packet::{Family, Field, Set, interface, interface_prefix, proto};

use super::super::ast::{Action, Af, Direction, Flags, Interface, InterfaceName, Modifiers, Port, PortOp};
use super::super::expand::{DRIVER_GROUPS, Flat, Resolved, Where, own_addresses, own_nets};
use super::super::table::interval;
use super::super::tree::Scope;
use super::condition::{self, unknown};
use super::system::{ICMP_REPLIES, ICMP6_REPLIES};
use super::{Lowering, mark, marked};

/// One of the forms that a rule is written out in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Form {
    /// The family of its packets, `None` for both.
    pub family: Option<Family>,
    /// Whether the source is the interface's own address because translation has put it there; `None` where that
    /// makes no difference.
    pub own_source: Option<bool>,
}

/// The families for which a rule has to be written out, `None` for both at once: where its addresses differ
/// between them.
fn families(rows: &[(&Flat, Scope)]) -> &'static [Option<Family>] {
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
    let set = |host: &Resolved| !matches!(host.place, Where::Any | Where::Net(_) | Where::Range(_));
    let splits = |flat: &Flat| set(&flat.src) || set(&flat.dst) || flat.nat.is_some() || flat.rdr.is_some();
    if rows.iter().any(|(flat, _)| splits(flat)) { EACH } else { &[None] }
}

impl<'a> Lowering<'a> {
    /// The forms that a rule has to be written out in: for each family, where its addresses differ between them,
    /// and with and without a source that translation has made the interface's own.
    pub(super) fn forms(&self, rows: &[(&Flat, Scope)], way: Direction) -> Vec<Form> {
        let own: &[Option<bool>] = match way {
            Direction::Out if rows.iter().any(|(flat, _)| self.is_own_source(&flat.src)) => {
                &[Some(true), Some(false)]
            }
            _ => &[None],
        };
        let families = families(rows).iter();
        families.flat_map(|family| own.iter().map(|own| Form { family: *family, own_source: *own })).collect()
    }

    /// Whether a host is an interface whose addresses nobody tells, and that translation gives to packets.
    fn is_own_source(&self, host: &Resolved) -> bool {
        let (name, modifiers, prefix) = match host.place {
            Where::Dynamic { name, modifiers, prefix } | Where::Unknown { name, modifiers, prefix } => {
                (name, modifiers, prefix)
            }
            _ => return false,
        };
        let plain = modifiers == Modifiers::default() && prefix.is_none() && !host.negated;
        plain && self.given.contains(name) && own_addresses(name, self.env).is_empty()
    }

    /// Adds the tests of a rule's conditions to the rule that is being made.
    pub(super) fn conditions(
        &mut self,
        b: &mut Builder,
        flat: &Flat<'a>,
        scope: Scope,
        form: Form,
        way: Direction,
    ) {
        let family = form.family;
        if flat.rule.options.fragment {
            // A whole packet is no fragment.
            b.test(Test::Never);
        }
        let on = if way == Direction::In { Field::Iif } else { Field::Oif };
        if let Some((negated, name)) = flat.interface {
            self.interface(b, name, negated, on);
        }
        if let Some(received) = &flat.rule.options.rare().received_on {
            self.received_on(b, received);
        }
        if let Some(family) = family
            && !names_family(&flat.src)
            && !names_family(&flat.dst)
        {
            b.is(Field::Version, family.version().into());
        }
        if let Some(protocol) = flat.protocol {
            match protocol.number {
                Some(number) => b.is(Field::Proto, number.into()),
                None => {
                    unknown(b, Condition::of(format!("protocol {}", protocol.text), [Field::Proto]), false)
                }
            }
        }
        match form.own_source.filter(|_| self.is_own_source(&flat.src)) {
            Some(true) => marked(b, mark::OWN_SOURCE, mark::OWN_SOURCE),
            Some(false) => {
                marked(b, mark::OWN_SOURCE, 0);
                self.host(b, &flat.src, scope, family, (true, on));
            }
            None => self.host(b, &flat.src, scope, family, (true, on)),
        }
        self.host(b, &flat.dst, scope, family, (false, on));
        port(b, Field::Sport, flat.src_port);
        port(b, Field::Dport, flat.dst_port);
        self.flags(b, flat);
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
        self.uncertain(b, flat);
    }

    /// Conditions that depend on more than the packet.
    fn uncertain(&mut self, b: &mut Builder, flat: &Flat<'a>) {
        let options = &flat.rule.options;
        if let Some(os) = flat.extras().os {
            unknown(b, Condition::elsewhere(format!("os {os}")), false);
        }
        for (word, id) in [("user", flat.extras().user), ("group", flat.extras().group)] {
            if let Some(id) = id {
                let (condition, negate) = condition::owner(word, id);
                unknown(b, condition, negate);
            }
        }
        if let Some(tos) = options.rare().tos.filter(|tos| *tos != 0) {
            // The lower two bits are no part of the code point.
            if tos & 3 == 0 {
                b.is(Field::Dscp, u128::from(tos >> 2));
            } else {
                unknown(b, Condition::elsewhere(format!("tos {tos:#04x}")), false);
            }
        }
        if let Some(prio) = options.rare().prio {
            unknown(b, Condition::elsewhere(format!("prio {prio}")), false);
        }
        if let Some(size) = options.rare().max_packet_size.filter(|_| flat.rule.action != Action::Pass) {
            unknown(b, Condition::of(format!("max-pkt-size {size}"), [Field::Length]), false);
        }
        for (ask, text) in condition::asks(flat) {
            let cond = self.questions.ask(b, flat, ask, &text);
            b.test(Test::Unknown { cond, negate: false });
        }
    }

    /// Tests an interface by name, group or kind.
    pub(super) fn interface(&mut self, b: &mut Builder, name: &InterfaceName, negated: bool, field: Field) {
        let name = match name {
            InterfaceName::Named(name) => name,
            InterfaceName::Any => {
                let values = b.values(units("lo"));
                return b.field(field, values, !negated);
            }
            InterfaceName::Rdomain(number) => {
                return unknown(b, Condition::of(format!("rdomain {number}"), [field]), negated);
            }
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
            None => unknown(b, Condition::of(format!("interface group {name}"), [field]), negated),
        }
    }

    /// Tests where a packet was received. What the box itself sends was received nowhere: it is on no interface,
    /// and `! received-on` holds for it (pf.c, `pf_match_rcvif`).
    fn received_on(&mut self, b: &mut Builder, received: &Interface) {
        if received.negated && received.name == InterfaceName::Any {
            let values = b.values(units("lo").or(&Set::one(0)));
            return b.field(Field::Iif, values, false);
        }
        if !received.negated {
            b.field(Field::Iif, Values::Range(0, 0), true);
        }
        self.interface(b, &received.name, received.negated, Field::Iif);
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

    /// Tests an address, of the source or the destination; `on` is the field of the interface.
    fn host(
        &mut self,
        b: &mut Builder,
        host: &Resolved<'a>,
        scope: Scope,
        family: Option<Family>,
        (source, on): (bool, Field),
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
                family.and_then(|family| self.dynamic(name, *modifiers, *prefix, family))
            }
            Where::Unknown { .. } | Where::NoRoute | Where::UrpfFailed | Where::RouteLabel(_) => None,
        };
        let Some(family) = family else { return b.test(Test::Never) };
        let field = if source { Field::src(family) } else { Field::dst(family) };
        match (set, condition::host(host, field, on)) {
            (Some(set), _) => self.address(b, set, family, source, host.negated),
            (None, Some(condition)) => {
                unknown(b, condition, host.negated && !condition::has_own_negation(host));
            }
            (None, None) => b.test(Test::Never),
        }
    }

    fn address(&self, b: &mut Builder, set: Set, family: Family, source: bool, negated: bool) {
        let field = if source { Field::src(family) } else { Field::dst(family) };
        if set.is_empty() {
            return if negated { b.is(Field::Version, family.version().into()) } else { b.test(Test::Never) };
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
        let Some(family) = family else { return b.test(Test::Never) };
        match self.tree.table(scope, name) {
            Some(table) if table.complete => {
                let set = table.of(family).clone();
                self.address(b, set, family, source, host.negated);
            }
            known => {
                let field = if source { Field::src(family) } else { Field::dst(family) };
                let contents = known.is_some_and(|table| table.has_contents);
                unknown(b, condition::table(self.tree, name, contents, field), host.negated);
            }
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

    /// TCP flags, and ICMP types that a rule which keeps state passes over: packets of other protocols are not
    /// asked for them.
    fn flags(&mut self, b: &mut Builder, flat: &Flat) {
        let skips = self.skips_replies(flat);
        let only = flat.protocol.and_then(|protocol| protocol.number);
        let about = match only {
            Some(number @ (proto::TCP | proto::ICMP | proto::ICMPV6)) => Some(number),
            Some(_) => return,
            None => None,
        };
        let skips = skips && about != Some(proto::TCP);
        let key = (flat.flags.filter(|_| about.is_none_or(|number| number == proto::TCP)), about, skips);
        if key.0.is_none() && !skips {
            return;
        }
        let test = match self.flag_tests.get(&key) {
            Some(test) => *test,
            None => {
                let test = flag_test(b, key);
                self.flag_tests.insert(key, test);
                test
            }
        };
        b.test(test);
    }
}

/// A test of TCP flags, for one protocol or for all, and whether ICMP replies are passed over.
pub(super) type FlagTest = (Option<Flags>, Option<u8>, bool);

fn flag_test(b: &mut Builder, (flags, about, skips): FlagTest) -> Test {
    let flags = flags.map(|flags| {
        let hits = |bits: &u128| bits & u128::from(flags.mask) == u128::from(flags.set);
        Set::of((0..=255u128).filter(hits).map(|bits| (bits, bits)))
    });
    let without = |replies: &[u8]| {
        Set::range(0, 255).minus(&Set::of(replies.iter().map(|kind| (u128::from(*kind), u128::from(*kind)))))
    };
    let (types, types6) = (without(ICMP_REPLIES), without(ICMP6_REPLIES));
    let single = match about {
        Some(proto::TCP) => flags.clone().map(|set| (Field::TcpFlags, set)),
        Some(proto::ICMP) => Some((Field::IcmpType, types.clone())),
        Some(_) => Some((Field::IcmpType, types6.clone())),
        None => None,
    };
    if let Some((field, set)) = single {
        return Test::In { field, values: b.values(set), negate: false };
    }
    let mut others = Set::range(0, 255);
    let mut boxes = Vec::new();
    let mut of = |protocol: u8, flags: Option<Set>, kind: Option<Set>| {
        let number = Set::one(protocol.into());
        others = others.minus(&number);
        boxes.push(vec![Some(number), flags, kind]);
    };
    if flags.is_some() {
        of(proto::TCP, flags, None);
    }
    if skips {
        of(proto::ICMP, None, Some(types));
        of(proto::ICMPV6, None, Some(types6));
    }
    boxes.insert(0, vec![Some(others), None, None]);
    let tuples = b.tuples(Tuples { fields: vec![Field::Proto, Field::TcpFlags, Field::IcmpType], boxes });
    Test::Tuple { tuples, negate: false }
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

/// Adds the test of a port condition.
pub(super) fn port(b: &mut Builder, field: Field, op: Option<&PortOp>) {
    let Some(op) = op else { return };
    match ports(op) {
        Ok(set) if set.is_empty() => b.test(Test::Never),
        Ok(set) => {
            let values = b.values(set);
            b.field(field, values, false);
        }
        Err(name) => {
            // Only what has a port has one that can be compared.
            b.field(field, Values::Range(0, 0xffff), false);
            let (name, negate) = match op {
                PortOp::Eq(_) => (format!("service {name}"), false),
                PortOp::Ne(_) => (format!("service {name}"), true),
                _ => (format!("service {op}"), false),
            };
            unknown(b, Condition::of(name, [field]), negate);
        }
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
