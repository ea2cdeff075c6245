//! Through which firewalls packets go from one place of the site to another.

use std::collections::VecDeque;

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

/// One end of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct End {
    /// The zone.
    pub zone: ZoneId,
    /// The device, where it is one of ours: a firewall may run on it.
    pub device: Option<usize>,
}

impl Site {
    /// The firewalls from one end to the other, in order: none where both are in one zone and neither has
    /// a firewall of its own; `None` where no path is known.
    pub fn path(&self, from: End, to: End) -> Option<Vec<Crossing>> {
        if let Some(way) = self.single {
            let way = match way {
                Way::Forward => Way::Forward,
                _ if from.device.is_some() => Way::Output,
                _ => Way::Input,
            };
            return Some(vec![open_crossing(0, way)]);
        }
        let mut path = Vec::new();
        path.extend(self.host_firewall(from.device).map(|firewall| open_crossing(firewall, Way::Output)));
        path.extend(self.between(from.zone, to.zone)?);
        path.extend(self.host_firewall(to.device).map(|firewall| open_crossing(firewall, Way::Input)));
        Some(path)
    }

    fn host_firewall(&self, device: Option<usize>) -> Option<usize> {
        let device = device?;
        self.firewalls.iter().position(|firewall| firewall.host == Some(device))
    }

    /// The shortest way from zone to zone; in a site with firewalls on hosts alone, zones touch.
    fn between(&self, from: ZoneId, to: ZoneId) -> Option<Vec<Crossing>> {
        if from == to || self.firewalls.iter().all(|firewall| firewall.host.is_some()) {
            return Some(Vec::new());
        }
        let mut reached: Vec<Option<(ZoneId, usize)>> = vec![None; self.zones.len()];
        let mut queue = VecDeque::from([from]);
        while let Some(zone) = queue.pop_front() {
            for (at, firewall) in self.firewalls.iter().enumerate() {
                if !firewall.interfaces.values().any(|z| *z == zone) {
                    continue;
                }
                for next in firewall.interfaces.values().copied() {
                    if next != from && reached[next].is_none() {
                        reached[next] = Some((zone, at));
                        queue.push_back(next);
                    }
                }
            }
        }
        let mut path = Vec::new();
        let mut zone = to;
        while zone != from {
            let (before, firewall) = reached[zone]?;
            path.push(Crossing {
                firewall,
                way: Way::Forward,
                iif: Some(self.interfaces(firewall, before)),
                oif: Some(self.interfaces(firewall, zone)),
            });
            zone = before;
        }
        path.reverse();
        Some(path)
    }

    fn interfaces(&self, firewall: usize, zone: ZoneId) -> Set {
        let names = self.firewalls[firewall].interfaces.iter().filter(|(_, z)| **z == zone);
        Set::of(names.map(|(name, _)| (interface(name), interface(name))))
    }

    /// The unicast addresses of a zone: its networks, less what longer prefixes give to other zones.
    pub fn addresses_of(&self, zone: ZoneId, family: Family) -> Set {
        let all: Vec<_> = self
            .zones
            .iter()
            .enumerate()
            .flat_map(|(id, z)| z.networks.iter().map(move |n| (id, n)))
            .collect();
        let of_family = all.iter().filter_map(|(id, net)| {
            let (f, number) = Family::of(net.address);
            let (lo, hi) = f.prefix(number, net.length.into());
            (f == family).then_some((*id, u32::from(net.length), lo, hi))
        });
        let nets: Vec<_> = of_family.collect();
        if self.is_everything_else(zone) {
            return unicast(family).minus(&Set::of(nets.iter().map(|(_, _, lo, hi)| (*lo, *hi))));
        }
        // From the shortest prefix to the longest, each gives or takes.
        let mut by_length = nets.clone();
        by_length.sort_by_key(|(_, length, _, _)| *length);
        by_length.iter().fold(Set::empty(), |set, (id, _, lo, hi)| {
            let net = Set::range(*lo, *hi);
            if *id == zone { set.or(&net) } else { set.minus(&net) }
        })
    }

    /// Whether a zone is everything that is in no other one.
    pub fn is_everything_else(&self, zone: ZoneId) -> bool {
        self.zones[zone].networks.is_empty()
    }
}

/// A firewall of which no interfaces are known. What others send to a host, and what it sends to them, goes by any
/// interface but the loopback, on which most hosts let everything pass.
fn open_crossing(firewall: usize, way: Way) -> Crossing {
    let side = |here: bool| here.then(|| loopbacks().not());
    Crossing { firewall, way, iif: side(way == Way::Input), oif: side(way == Way::Output) }
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
