//! What a translation may turn a packet into.

use std::borrow::Cow;

use crate::model::{Builder, Effect, MarkOp, Nat, NatAddr, NatPort, Test, Values};
use crate::packet::{Family, Field, Set};

use super::super::ast::{InterfaceName, Port, PortOp};
use super::super::expand::{Flat, FlatPool, FlatPort, Resolved, Where};
use super::super::table::interval;
use super::super::tree::Scope;
use super::condition::Ask;
use super::{Lowering, mark};

/// The most addresses of a pool that are followed one by one.
const MOST_ADDRESSES: usize = 16;
/// The most pieces that a range of ports is cut into, where it is mapped onto a shorter one.
const MOST_PIECES: u32 = 16;

/// The one outcome of a rule that translates nothing.
const PLAIN: &[Vec<Choice>] = &[Vec::new()];

/// One of the outcomes of a translation.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    /// Only for packets to these ports.
    pub ports: Option<(u16, u16)>,
    /// Its place in the pool; `None` where it is the only outcome left when it is come to.
    pub place: Option<usize>,
    /// The outcome.
    pub nat: Nat,
}

impl Choice {
    /// Adds its effect.
    pub(super) fn effect(&self, b: &mut Builder) {
        if self.nat.addr == NatAddr::Interface && !self.nat.destination {
            b.effect(Effect::Mark(MarkOp { clear: mark::OWN_SOURCE, flip: mark::OWN_SOURCE }));
        }
        let nat = b.nat(self.nat.clone());
        b.effect(Effect::Nat(nat));
    }

    /// The addresses that it is about, as text.
    fn text(&self) -> String {
        match self.nat.addr {
            NatAddr::Pool(family, lo, hi) if lo == hi => family.address(lo).to_string(),
            NatAddr::Pool(family, lo, hi) => format!("{} - {}", family.address(lo), family.address(hi)),
            NatAddr::Prefix(family, net, len) => format!("{}/{len}", family.address(net)),
            NatAddr::Keep | NatAddr::Interface | NatAddr::Loopback | NatAddr::Unknown => String::new(),
        }
    }
}

impl<'a> Lowering<'a> {
    /// Adds the tests of an outcome: an address of a pool is given, and none before it.
    pub(super) fn chosen(&mut self, b: &mut Builder, flat: &Flat<'a>, choice: &Choice) {
        if let Some((lo, hi)) = choice.ports {
            b.field(Field::Dport, Values::Range(lo.into(), hi.into()), false);
        }
        if let Some(place) = choice.place {
            let ask = Ask::Pool(place, choice.nat.destination);
            let cond = self.questions.ask(b, flat, ask, &choice.text());
            b.test(Test::Unknown { cond, negate: false });
        }
    }

    /// All outcomes of a rule's translations, in both directions; a single empty one where there is none.
    pub(super) fn choices(
        &self,
        flat: &Flat<'a>,
        scope: Scope,
        family: Option<Family>,
    ) -> Cow<'static, [Vec<Choice>]> {
        let Some(family) = family.filter(|_| flat.rdr.is_some() || flat.nat.is_some()) else {
            return Cow::Borrowed(PLAIN);
        };
        let mut all: Vec<Vec<Choice>> = vec![Vec::new()];
        for (pool, destination) in [(&flat.rdr, true), (&flat.nat, false)] {
            let Some(pool) = pool else { continue };
            let choices = self.of_pool(pool, flat, destination, scope, family);
            all = all
                .iter()
                .flat_map(|chosen| {
                    choices.iter().map(|choice| {
                        let mut chosen = chosen.clone();
                        chosen.push(choice.clone());
                        chosen
                    })
                })
                .collect();
        }
        Cow::Owned(all)
    }

    fn of_pool(
        &self,
        pool: &FlatPool<'a>,
        flat: &Flat<'a>,
        destination: bool,
        scope: Scope,
        family: Family,
    ) -> Vec<Choice> {
        let addresses = self.addresses(pool, flat, scope, family);
        let ports =
            if destination { destination_ports(pool, flat) } else { vec![(None, source_port(&pool.port))] };
        let mut choices = Vec::new();
        for (range, port) in &ports {
            for (at, addr) in addresses.iter().enumerate() {
                let place = (at + 1 < addresses.len()).then_some(at);
                let nat = Nat { destination, addr: addr.clone(), port: port.clone() };
                choices.push(Choice { ports: *range, place, nat });
            }
        }
        choices
    }

    fn addresses(&self, pool: &FlatPool<'a>, flat: &Flat<'a>, scope: Scope, family: Family) -> Vec<NatAddr> {
        let keeps_host_part = pool.kind == Some("bitmask") || pool.port == FlatPort::Static;
        if let [Resolved { place: Where::Net(net), .. }] = pool.hosts.as_slice()
            && keeps_host_part
            && let Some((lo, hi)) = interval(*net, family)
            && lo != hi
        {
            return vec![NatAddr::Prefix(family, lo, net.prefix.into())];
        }
        let mut intervals = Vec::new();
        for host in &pool.hosts {
            match self.place(host, scope, family) {
                Some(set) => intervals.extend(set.ranges().iter().copied()),
                None if is_own_interface(host, flat) => return vec![NatAddr::Interface],
                None => return vec![NatAddr::Unknown],
            }
        }
        let set = Set::of(intervals);
        if set.is_empty() || set.ranges().len() > MOST_ADDRESSES {
            return vec![NatAddr::Unknown];
        }
        set.ranges().iter().map(|(lo, hi)| NatAddr::Pool(family, *lo, *hi)).collect()
    }

    fn place(&self, host: &Resolved<'a>, scope: Scope, family: Family) -> Option<Set> {
        match &host.place {
            Where::Net(net) => Some(Set::of(interval(*net, family))),
            Where::Range((first, last)) => {
                let ((own, lo), (_, hi)) = (Family::of(*first), Family::of(*last));
                Some(if own == family { Set::range(lo, hi) } else { Set::empty() })
            }
            Where::Dynamic { name, modifiers, prefix } => self.dynamic(name, *modifiers, *prefix, family),
            Where::Table(name) => self
                .tree
                .table(scope, name)
                .filter(|table| table.complete)
                .map(|table| table.of(family).clone()),
            _ => None,
        }
    }
}

/// Whether a host is the interface that the rule is for, which gives the packet an address of its own.
fn is_own_interface(host: &Resolved, flat: &Flat) -> bool {
    own_name(host).is_some_and(|name| {
        matches!(flat.interface, Some((false, InterfaceName::Named(on))) if on == name)
            && name.ends_with(|c: char| c.is_ascii_digit())
    })
}

fn own_name<'a>(host: &Resolved<'a>) -> Option<&'a str> {
    match host.place {
        Where::Dynamic { name, modifiers, .. } | Where::Unknown { name, modifiers, .. } => {
            (!modifiers.network && !modifiers.peer && !modifiers.broadcast).then_some(name)
        }
        _ => None,
    }
}

/// The interface whose own address a rule gives to what leaves by it: `on em0 … -> (em0)`.
pub(super) fn own_interface<'a>(flat: &Flat<'a>) -> Option<&'a str> {
    let pool = flat.nat.as_ref()?;
    let [host] = pool.hosts.as_slice() else { return None };
    if is_own_interface(host, flat) { own_name(host) } else { None }
}

/// The ports that a source gets where none are named (pfctl_parser.h, `PF_NAT_PROXY_PORT_LOW` and `_HIGH`).
const PROXY_PORTS: (u16, u16) = (50001, 65535);

/// A new source port is one of the system's choice within the range, be the old one already in it; a range that
/// runs backwards is turned round (pf_lb.c, `pf_get_sport`).
fn source_port(port: &FlatPort) -> NatPort {
    match port {
        FlatPort::Static => NatPort::Keep,
        FlatPort::One(port) => NatPort::Pool(*port, *port),
        FlatPort::Default => NatPort::Random(PROXY_PORTS.0, PROXY_PORTS.1),
        FlatPort::Range(a, b) => NatPort::Random(*a.min(b), *a.max(b)),
        FlatPort::Unknown(_) => NatPort::Unknown,
    }
}

/// A range of destination ports keeps its offset into the new range, modulo its length (pf.c, `pf_get_rdr`).
fn destination_ports(pool: &FlatPool, flat: &Flat) -> Vec<(Option<(u16, u16)>, NatPort)> {
    let whole = |port| vec![(None, port)];
    let (lo, hi) = match &pool.port {
        FlatPort::Default | FlatPort::Static => return whole(NatPort::Keep),
        FlatPort::One(port) => return whole(NatPort::Pool(*port, *port)),
        FlatPort::Unknown(_) => return whole(NatPort::Unknown),
        FlatPort::Range(lo, hi) if lo > hi => return whole(NatPort::Unknown),
        FlatPort::Range(lo, hi) => (u32::from(*lo), u32::from(*hi)),
    };
    let (first, last) = match flat.dst_port {
        Some(PortOp::Eq(Port::Number(_))) => return whole(NatPort::Pool(lo as u16, lo as u16)),
        Some(PortOp::Range(Port::Number(first), Port::Number(last))) => (u32::from(*first), u32::from(*last)),
        None => (0, 0xffff),
        Some(_) => return whole(NatPort::Unknown),
    };
    let width = hi - lo + 1;
    if first > last || (last - first) / width >= MOST_PIECES {
        return whole(NatPort::Unknown);
    }
    let mut pieces = Vec::new();
    let mut at = first;
    while at <= last {
        let end = (at + width - 1).min(last);
        pieces.push((Some((at as u16, end as u16)), NatPort::Shift((lo as u16).wrapping_sub(at as u16))));
        at = end + 1;
    }
    pieces
}
