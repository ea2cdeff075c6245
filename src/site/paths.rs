//! Through which firewalls packets go from one place of the site to another.

use super::{Site, ZoneId};
use crate::model::Way;
use crate::packet::{Family, Set, interface};

/// One firewall on a path, and how it is crossed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Crossing {
    /// Index into [`Site::firewalls`].
    pub firewall: usize,
    /// The way through it.
    pub way: Way,
    /// The interfaces by which packets can come in; `None` where any can be it.
    pub iif: Option<Set>,
    /// The interfaces by which they can leave, likewise.
    pub oif: Option<Set>,
}

impl Crossing {
    /// A firewall of which no interfaces are known. What others send to a host, and what it sends to them, goes
    /// by any interface but the loopback, on which most hosts let everything pass.
    pub(super) fn open(firewall: usize, way: Way) -> Crossing {
        let side = |here: bool| here.then(|| loopbacks().not());
        Crossing { firewall, way, iif: side(way == Way::Input), oif: side(way == Way::Output) }
    }

    /// The same firewall, crossed the other way.
    pub(super) fn back(&self) -> Crossing {
        let way = match self.way {
            Way::Forward => Way::Forward,
            Way::Input => Way::Output,
            Way::Output => Way::Input,
        };
        Crossing { firewall: self.firewall, way, iif: self.oif.clone(), oif: self.iif.clone() }
    }
}

/// One end of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct End {
    /// The zone.
    pub zone: ZoneId,
    /// The device, where it is one of ours: a firewall may run on it.
    pub device: Option<usize>,
}

/// How packets get from zone to zone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Route {
    /// Through these firewalls, in order; freely where there are none.
    Through(Vec<Crossing>),
    /// By several ways, and the site file does not say by which.
    Choice(Choice),
}

/// Why it is open which way packets take.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Choice {
    /// They can go through any of these firewalls.
    Either(Vec<usize>),
    /// They go through the first firewall; behind it a zone shares an interface with another one, from which the
    /// second firewall may separate it.
    Beyond(usize, usize),
    /// They can go through this firewall, or around it: both zones share an interface of another one.
    Around(usize),
}

impl Site {
    /// The firewalls from one end to the other, in order: none where nothing keeps them apart, `None` where it is
    /// open which way packets take. Replies take the path from `to` to `from`.
    pub fn path(&self, from: End, to: End) -> Option<Vec<Crossing>> {
        let Route::Through(between) = self.route(from.zone, to.zone) else { return None };
        let host = |end: End| self.index().host(end.device?);
        let out = host(from).map(|[out, _]| out);
        let into = host(to).map(|[_, into]| into);
        Some(out.into_iter().chain(between).chain(into).cloned().collect())
    }

    /// How packets get from zone to zone. Between zones that no firewall keeps apart they pass freely.
    pub fn route(&self, from: ZoneId, to: ZoneId) -> &Route {
        self.index().route(from, to)
    }

    /// The unicast addresses of a zone: its networks, less what longer prefixes give to other zones.
    pub fn addresses_of(&self, zone: ZoneId, family: Family) -> Set {
        self.index().addresses_of(zone, family).clone()
    }

    /// Whether a zone is everything that is in no other one.
    pub fn is_everything_else(&self, zone: ZoneId) -> bool {
        self.zones[zone].networks.is_empty()
    }
}

/// The loopback interfaces of Linux and BSD.
pub fn loopbacks() -> Set {
    Set::of(["lo", "lo0"].map(|name| (interface(name), interface(name))))
}

/// The addresses that a single host elsewhere can have.
pub fn unicast(family: Family) -> Set {
    match family {
        Family::V4 => Set::of([(0x0100_0000, 0x7eff_ffff), (0x8000_0000, 0xdfff_ffff)]),
        Family::V6 => Set::range(2, (0xff << 120) - 1),
    }
}
