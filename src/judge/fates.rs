//! How packets fare, without what nobody knows.

use crate::packet::{Field, Level, Side, Space, Spaces};

/// How the packets of a journey fare. Over the packets as they come, without the variables and without the
/// interfaces of which nobody says which they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fates {
    /// All packets.
    pub all: Space,
    /// Those that arrive for some value of what nobody knows.
    pub possible: Space,
    /// Those that arrive for all.
    pub certain: Space,
    /// The same, by who sends to what port, whatever the source port is.
    pub by_port: ByPort,
}

/// Packets without their source ports.
#[derive(Clone, Copy, Debug)]
pub(super) struct ByPort {
    /// They arrive from every source port.
    pub open: Space,
    /// They may arrive from every source port.
    pub depends: Space,
    /// They may arrive from some source port.
    pub some: Space,
    /// They arrive from some source port: whoever wants to get in chooses it.
    pub reached: Space,
}

impl Fates {
    /// Nothing is known.
    pub(super) const NONE: Fates = Fates {
        all: Space::NONE,
        possible: Space::NONE,
        certain: Space::NONE,
        by_port: ByPort { open: Space::NONE, depends: Space::NONE, some: Space::NONE, reached: Space::NONE },
    };

    /// The fates of packets of which these arrive and those do not, through so many firewalls.
    pub(super) fn new(spaces: &mut Spaces, good: Space, bad: Space, hops: usize) -> Fates {
        let levels = interface_levels(spaces, hops);
        let [good, bad] = [good, bad].map(|space| {
            let known = spaces.possibly(space);
            spaces.without(known, &levels)
        });
        let all = spaces.or(good, bad);
        let certain = spaces.minus(good, bad);
        let by_port = by_port(spaces, all, good, certain);
        Fates { all, possible: good, certain, by_port }
    }

    /// For the packets of a region, which may have some source ports alone.
    pub(super) fn of(&self, spaces: &mut Spaces, region: Space) -> ByPort {
        let [all, possible, certain] =
            [self.all, self.possible, self.certain].map(|space| spaces.and(space, region));
        by_port(spaces, all, possible, certain)
    }
}

fn by_port(spaces: &mut Spaces, all: Space, possible: Space, certain: Space) -> ByPort {
    let Some(sport) = spaces.level(Field::Sport) else {
        return ByPort { open: certain, depends: possible, some: possible, reached: certain };
    };
    // Who is in doubt from one source port, and open from all others, is in doubt.
    let never = spaces.minus(all, possible);
    let not_sure = spaces.minus(all, certain);
    let [anybody, never, not_sure, some, reached] =
        [all, never, not_sure, possible, certain].map(|space| spaces.without(space, &[sport]));
    ByPort { open: spaces.minus(anybody, not_sure), depends: spaces.minus(anybody, never), some, reached }
}

/// The levels of the interfaces by which packets cross firewalls.
fn interface_levels(spaces: &Spaces, hops: usize) -> Vec<Level> {
    let first = [Field::Iif, Field::Oif].into_iter().filter_map(|field| spaces.level(field));
    let later = (1..hops).flat_map(|hop| [(Side::Iif, hop - 1), (Side::Oif, hop - 1)]);
    let later = later.filter_map(|(side, hop)| spaces.rewritten(side, hop));
    first.chain(later).collect()
}
