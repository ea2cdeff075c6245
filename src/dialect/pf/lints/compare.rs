//! Whether one rule matches all that another one does, or some of it.

use super::super::ast::{Direction, Net, PortOp};
use super::super::expand::{Flat, Resolved, SYN_OF_SYN_ACK, Where};
use super::super::lower::ports;
use super::super::table::interval;
use crate::packet::{Family, Set};

/// Whether `wide` matches every packet that `narrow` matches. True only where the text shows it.
pub(super) fn covers(wide: &Flat, narrow: &Flat) -> bool {
    is_certain(wide)
        && wide.direction.is_none_or(|direction| narrow.direction == Some(direction))
        && wide.interface.is_none_or(|interface| narrow.interface == Some(interface))
        && wide.af.is_none_or(|af| narrow.af == Some(af))
        && wide
            .protocol
            .is_none_or(|wide| narrow.protocol.is_some_and(|p| p.number.is_some() && p.number == wide.number))
        && wide.icmp.is_none_or(|wide| {
            narrow
                .icmp
                .is_some_and(|icmp| icmp.kind == wide.kind && (wide.code.is_none() || wide.code == icmp.code))
        })
        && wide.flags.is_none_or(|flags| narrow.flags == Some(flags))
        && covers_host(&wide.src, &narrow.src)
        && covers_host(&wide.dst, &narrow.dst)
        && covers_ports(wide, narrow)
}

fn covers_ports(wide: &Flat, narrow: &Flat) -> bool {
    [(wide.src_port, narrow.src_port), (wide.dst_port, narrow.dst_port)].into_iter().all(|pair| match pair {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => matches!((ports(wide), ports(narrow)), (Ok(w), Ok(n)) if w.covers(&n)),
    })
}

fn covers_host(wide: &Resolved, narrow: &Resolved) -> bool {
    if is_everyone(wide) || (wide.place == narrow.place && wide.negated == narrow.negated && is_fixed(wide)) {
        return true;
    }
    match (&wide.place, &narrow.place) {
        (Where::Net(w), Where::Net(n)) if !wide.negated && !narrow.negated => {
            w.af() == n.af() && w.prefix <= n.prefix && Net::new(n.address, w.prefix) == *w
        }
        _ => false,
    }
}

/// Any host at all.
pub(super) fn is_everyone(host: &Resolved) -> bool {
    !host.negated && host.place == Where::Any
}

/// A place that is the same whenever it is looked at.
fn is_fixed(host: &Resolved) -> bool {
    !matches!(host.place, Where::UrpfFailed | Where::NoRoute | Where::RouteLabel(_))
}

/// Whether a rule's match depends on nothing but the packet.
pub(super) fn is_certain(flat: &Flat) -> bool {
    let rare = flat.rule.options.rare();
    flat.extras().tagged.is_none()
        && flat.extras().os.is_none()
        && flat.extras().user.is_none()
        && flat.extras().group.is_none()
        && !flat.rule.options.fragment
        && rare.tos.is_none()
        && rare.prio.is_none()
        && rare.probability.is_none()
        && rare.max_packet_rate.is_none()
        && rare.max_packet_size.is_none()
        && rare.limiter.is_none()
        && rare.received_on.is_none()
        && !rare.once
        && flat.protocol.is_none_or(|protocol| protocol.number.is_some())
}

/// Whether both rules match some packet of a new connection that both see. True only where the text shows it.
pub(super) fn meet(a: &Flat, b: &Flat) -> bool {
    let new = |flat: &Flat| flat.flags.is_none_or(|flags| flags == SYN_OF_SYN_ACK);
    let protocol = |flat: &Flat| flat.protocol.and_then(|protocol| protocol.number);
    is_certain(a)
        && is_certain(b)
        && new(a)
        && new(b)
        && same(a.direction, b.direction)
        && same(a.interface, b.interface)
        && same(a.af, b.af)
        && same(protocol(a), protocol(b))
        && same(a.icmp.map(|icmp| icmp.kind), b.icmp.map(|icmp| icmp.kind))
        && hosts_meet(&a.src, &b.src)
        && hosts_meet(&a.dst, &b.dst)
        && ports_meet(a.src_port, b.src_port)
        && ports_meet(a.dst_port, b.dst_port)
}

/// Whether two conditions can hold together, one that is not there holding always.
fn same<T: PartialEq>(a: Option<T>, b: Option<T>) -> bool {
    a.is_none() || b.is_none() || a == b
}

/// Whether two port conditions have a port in common.
pub(super) fn ports_meet(a: Option<&PortOp>, b: Option<&PortOp>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => matches!((ports(a), ports(b)), (Ok(a), Ok(b)) if a.meets(&b)),
        _ => true,
    }
}

/// Whether two hosts have an address in common; a table is taken to hold some.
pub(super) fn hosts_meet(a: &Resolved, b: &Resolved) -> bool {
    if is_everyone(a) || is_everyone(b) || (a.place == b.place && a.negated == b.negated) {
        return true;
    }
    let set = |host: &Resolved, family| match &host.place {
        Where::Net(net) => interval(*net, family).map(|(lo, hi)| {
            let set = Set::range(lo, hi);
            if host.negated { Set::range(0, Family::last(family)).minus(&set) } else { set }
        }),
        _ => None,
    };
    [Family::V4, Family::V6]
        .into_iter()
        .any(|family| matches!((set(a, family), set(b, family)), (Some(a), Some(b)) if a.meets(&b)))
}

/// The other way through an interface.
pub(super) fn opposite(direction: Option<Direction>) -> Option<Direction> {
    direction.map(|direction| match direction {
        Direction::In => Direction::Out,
        Direction::Out => Direction::In,
    })
}
