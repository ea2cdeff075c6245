//! The packets that openings are measured by: first packets of strangers.

use super::Lens;
use crate::model::{Step, Test, Way};
use crate::packet::{Family, Field, Set, Space, Spaces, State, interface, proto};
use crate::site::{ZoneId, unicast};

/// The ports that senders choose from by themselves.
const CHOSEN: (u16, u16) = (1024, 65535);

/// Sources that are so small a part of all, one set of them or all together, do not make up any source, nor do they miss
/// where they are left out.
const NARROW: u128 = 1 << 15;
const FEW_OF_ALL: u128 = 64;

impl Lens<'_, '_> {
    pub(super) fn host(&self) -> Option<usize> {
        self.judge.site.firewalls.get(self.at).and_then(|firewall| firewall.host)
    }

    /// First packets of TCP and UDP from anybody, on all ways between different zones.
    pub(super) fn strangers(&self, spaces: &mut Spaces, way: Way) -> Space {
        self.strangers_from(spaces, way, CHOSEN)
    }

    /// Likewise from some source ports.
    pub(super) fn strangers_from(&self, spaces: &mut Spaces, way: Way, sports: (u16, u16)) -> Space {
        let family = spaces.family();
        let site = self.judge.site;
        let named = |zone: ZoneId, field: Field, spaces: &mut Spaces| {
            let firewall = site.firewalls.get(self.at);
            let names = firewall.into_iter().flat_map(|firewall| &firewall.interfaces);
            let names = names.filter(|(_, zones)| zones.contains(&zone)).map(|(name, _)| interface(name));
            let names = Set::of(names.map(|name| (name, name)));
            spaces.test(field, &names)
        };
        let mut ends = Space::NONE;
        match self.host() {
            Some(host) => {
                let own = site.devices[host].addresses.iter().map(|address| Family::of(*address));
                let own = Set::of(own.filter(|(f, _)| *f == family).map(|(_, number)| (number, number)));
                let dst = spaces.test(Field::dst(family), &own);
                let src = spaces.test(Field::src(family), &unicast(family).minus(&own));
                ends = spaces.and(src, dst);
            }
            None if site.is_made_up() => {
                let dst = spaces.test(Field::dst(family), &unicast(family));
                let src = spaces.test(Field::src(family), &unicast(family));
                ends = spaces.and(src, dst);
            }
            None => {
                let zones = self.zones();
                for from in &zones {
                    let from_side = named(*from, Field::Iif, spaces);
                    let src = spaces.test(Field::src(family), self.judge.addresses(*from, family));
                    let from_side = spaces.and(from_side, src);
                    for to in zones.iter().filter(|to| *to != from) {
                        let to_side = named(*to, Field::Oif, spaces);
                        // What is translated is addressed to whatever is translated.
                        let dst = match self.firewall.rules.nats.iter().any(|nat| nat.destination) {
                            true => spaces.test(Field::dst(family), &unicast(family)),
                            false => spaces.test(Field::dst(family), self.judge.addresses(*to, family)),
                        };
                        let to_side = spaces.and(to_side, dst);
                        let both = spaces.and(from_side, to_side);
                        ends = spaces.or(ends, both);
                    }
                }
            }
        }
        let anybody = self.anybody_from(spaces, way, sports);
        spaces.and(ends, anybody)
    }

    /// The packets that rules are measured by: where nothing is said of openings to some hosts, those of sources that no
    /// rule names are enough.
    pub(super) fn measured_by(&self, spaces: &mut Spaces, way: Way) -> Space {
        let strangers = self.strangers(spaces, way);
        if !self.by_any_source_alone() {
            return strangers;
        }
        let unnamed = self.unnamed(spaces);
        spaces.and(strangers, unnamed)
    }

    /// All packets from sources that no rule names.
    pub(super) fn unnamed(&self, spaces: &mut Spaces) -> Space {
        let family = spaces.family();
        let sources = self.unnamed[family as usize].get_or_init(|| self.unnamed_sources(family));
        spaces.test(Field::src(family), sources)
    }

    /// The sources of a family but for hosts and small networks that rules name, with their neighbours; all of them where
    /// the others are so many that what is open to any source might look otherwise.
    fn unnamed_sources(&self, family: Family) -> Set {
        let (all, source) = (unicast(family), Field::src(family));
        let neighbours: u128 = match family {
            Family::V4 => 0xff,
            Family::V6 => u64::MAX.into(),
        };
        let rules = &self.firewall.rules;
        let steps = self.each_rule().flat_map(|(_, rule)| rules.steps_of(rule));
        let sets = steps.filter_map(|step| match *step {
            Step::Test(Test::In { field, values, .. }) if field == source => Some(rules.values(values)),
            _ => None,
        });
        let sets = sets.filter(|set| set.count() <= all.count() / NARROW);
        let blocks = |set: Set| -> Vec<(u128, u128)> {
            set.ranges().iter().map(|(lo, hi)| (lo & !neighbours, hi | neighbours)).collect()
        };
        let named = Set::of(sets.flat_map(blocks));
        if named.count() <= all.count() / FEW_OF_ALL { all.minus(&named) } else { all }
    }

    /// First packets of TCP and UDP from anybody to anybody.
    pub(super) fn anybody(&self, spaces: &mut Spaces, way: Way) -> Space {
        self.anybody_from(spaces, way, CHOSEN)
    }

    fn anybody_from(&self, spaces: &mut Spaces, way: Way, (first, last): (u16, u16)) -> Space {
        let family = spaces.family();
        let mut fields = vec![
            (Field::src(family), unicast(family)),
            (Field::dst(family), unicast(family)),
            (Field::Iif, self.real_interfaces(Field::Iif)),
            (Field::Proto, Set::of([proto::TCP, proto::UDP].map(|p| (p.into(), p.into())))),
            (Field::State, Set::one(State::New as u128)),
            (Field::TcpFlags, Set::one(2)),
            (Field::Sport, Set::range(first.into(), last.into())),
        ];
        if way == Way::Forward {
            fields.push((Field::Oif, self.real_interfaces(Field::Oif)));
        }
        fields.into_iter().fold(Space::ALL, |all, (field, set)| {
            let side = spaces.test(field, &set);
            spaces.and(all, side)
        })
    }

    /// The zones behind the firewall's interfaces.
    pub(super) fn zones(&self) -> Vec<ZoneId> {
        let Some(firewall) = self.judge.site.firewalls.get(self.at) else { return Vec::new() };
        let mut zones: Vec<ZoneId> = firewall.interfaces.values().flatten().copied().collect();
        zones.sort_unstable();
        zones.dedup();
        zones
    }

    /// The packets that go from a side of the firewall to one that its config ranks lower. With a site file, its
    /// zones say what the outside is.
    pub(super) fn outwards(&self, spaces: &mut Spaces) -> Space {
        let mut outwards = Space::NONE;
        for (from, to) in self.firewall.rules.outward.iter().filter(|_| self.judge.site.is_made_up()) {
            let (from, to) = (spaces.test(Field::Iif, from), spaces.test(Field::Oif, to));
            let pair = spaces.and(from, to);
            outwards = spaces.or(outwards, pair);
        }
        outwards
    }
}
