//! Packets through both rulesets, and what became of them side by side.

use super::leaves::{self, Leaves};
use super::regions::{Found, Same};
use super::{Kind, Scope, first_packets};
use crate::analysis::flow::{Class, Classes, Ctrl, Hop, Passage, TooMuch, answers};
use crate::analysis::{Decider, Flow};
use crate::model::{Reply, Verdict, Way};
use crate::packet::{Family, Field, Set, Space, Spaces, State, proto, states};

/// All packets that are compared.
pub(super) fn universe(spaces: &mut Spaces, scope: &Scope, way: Way) -> Space {
    let mut all = spaces.test(Field::State, &states(&State::ALL));
    let no_such = |field: &Field| match way {
        Way::Forward => false,
        Way::Input => *field == Field::Oif,
        Way::Output => *field == Field::Iif,
    };
    for (field, set) in scope.fields.iter().filter(|(field, _)| !no_such(field)) {
        let family = spaces.family();
        if field.family().is_none_or(|of| of == family) {
            let side = spaces.test(*field, set);
            all = spaces.and(all, side);
        }
    }
    if scope.first_packets {
        let kinds: Vec<Space> =
            first_packets(spaces.family()).iter().map(|fields| product(spaces, fields)).collect();
        let kinds = spaces.union(kinds);
        all = spaces.and(all, kinds);
        if spaces.family() == Family::V6 {
            let plain = spaces.plain_headers();
            all = spaces.and(all, plain);
        }
    }
    all
}

/// The packets that have all of some values.
pub(super) fn product(spaces: &mut Spaces, fields: &[(Field, Set)]) -> Space {
    let mut product = Space::ALL;
    for (field, set) in fields {
        let side = spaces.test(*field, set);
        product = spaces.and(product, side);
    }
    product
}

/// One side: what became of the packets.
struct Side {
    passage: Passage,
    /// Those that pass, as they came.
    passed: Space,
    /// Those that are refused: what is in neither has values that nobody chooses.
    refused: Space,
}

/// Finds what differs for some packets.
pub(super) fn find(
    spaces: &mut Spaces,
    flows: &[Flow<'_>; 2],
    way: Way,
    scope: &Scope,
    packets: Space,
    found: &mut Vec<Found>,
) -> Result<(), TooMuch> {
    let hop = Hop::first(way);
    let mut side = |flow: &Flow<'_>| -> Result<Side, TooMuch> {
        let packets = Classes::one(Class { space: packets, ctrl: Ctrl::new(way) });
        let passage = flow.run(spaces, &packets, &hop)?;
        let passed = passage.passed.union(spaces);
        let passed = spaces.as_came(passed);
        let refused: Vec<Space> = passage.refused.iter().map(|(_, _, space)| *space).collect();
        let refused = spaces.union(refused);
        Ok(Side { passage, passed, refused })
    };
    let sides = [side(&flows[0])?, side(&flows[1])?];
    let mut effects = Effects { spaces, flows, sides: &sides, found };
    effects.passing();
    let both = effects.spaces.and(sides[0].passed, sides[1].passed);
    if !both.is_none() {
        effects.translation(both);
        effects.helpers(both);
        if scope.first_packets { effects.answered(&hop, both)? } else { effects.kept(way, both) }
    }
    effects.replies(packets);
    if effects.spaces.exhausted() { Err(TooMuch) } else { Ok(()) }
}

struct Effects<'e, 'a> {
    spaces: &'e mut Spaces,
    flows: &'e [Flow<'a>; 2],
    sides: &'e [Side; 2],
    found: &'e mut Vec<Found>,
}

/// Who decided, how, and about which packets.
type Part = (Decider, Space);

impl Effects<'_, '_> {
    /// The packets that pass on one side alone, for certain or depending on conditions.
    fn passing(&mut self) {
        let [old, new] = self.sides;
        let opens = self.spaces.and(old.refused, new.passed);
        let closes = self.spaces.and(old.passed, new.refused);
        let opened = self.for_certain(opens);
        let closed = self.for_certain(closes);
        let certain = self.spaces.or(opened, closed);
        let may_open = self.spaces.for_some(opens);
        let may_close = self.spaces.for_some(closes);
        let (may_open, may_close) =
            (self.spaces.minus(may_open, certain), self.spaces.minus(may_close, certain));
        let both = self.spaces.and(may_open, may_close);
        let changes = self.spaces.or(opens, closes);
        let (may_open, may_close) = (self.spaces.minus(may_open, both), self.spaces.minus(may_close, both));
        for (kind, region, live) in [
            (Kind::Opened, opened, opens),
            (Kind::Closed, closed, closes),
            (Kind::MayOpen, may_open, opens),
            (Kind::MayClose, may_close, closes),
            (Kind::MayChange, both, changes),
        ] {
            self.split(Same::of(kind), region, live);
        }
    }

    /// The packets that are in a set for all values of the variables that can be.
    fn for_certain(&mut self, space: Space) -> Space {
        let [old, new] = self.sides;
        let (old, new) = (self.spaces.or(old.passed, old.refused), self.spaces.or(new.passed, new.refused));
        let all = self.spaces.and(old, new);
        let others = self.spaces.minus(all, space);
        let (some, others) = (self.spaces.for_some(space), self.spaces.for_some(others));
        self.spaces.minus(some, others)
    }

    /// Notes packets of a region, apart for who decides on the two sides. `live` are those for which, and the
    /// values of the variables with which, they fare differently.
    fn split(&mut self, same: Same, region: Space, live: Space) {
        if region.is_none() {
            return;
        }
        let live = self.spaces.and(live, region);
        let mut left = region;
        for (old, part) in self.parts(0, live) {
            for (new, part) in self.parts(1, part) {
                left = self.note(Same { by: [old, new], ..same.clone() }, part, left);
            }
        }
    }

    /// The packets of a set, whatever is not known, that are left of some: no packet is in two regions of one list.
    fn taken(&mut self, live: Space, left: &mut Space) -> Space {
        let region = self.spaces.for_some(live);
        let region = self.spaces.and(region, *left);
        *left = self.spaces.minus(*left, region);
        region
    }

    /// Notes those of `part` that are left; gives back what is left then.
    fn note(&mut self, same: Same, part: Space, left: Space) -> Space {
        let space = self.spaces.for_some(part);
        let space = self.spaces.and(space, left);
        if space.is_none() {
            return left;
        }
        let live = self.spaces.and(part, space);
        self.found.push(Found { same, space, live });
        self.spaces.minus(left, space)
    }

    /// Packets by who decided about them on a side: who refused them, else who names best why they pass.
    fn parts(&mut self, side: usize, within: Space) -> Vec<Part> {
        parts(self.spaces, &self.sides[side].passage, within)
    }

    /// The packets that pass on both sides and are translated to different places.
    fn translation(&mut self, both: Space) {
        let [old, new] = [0, 1].map(|side| {
            let passed = &self.sides[side].passage.passed;
            leaves::of(self.spaces, passed, both)
        });
        let mut left = self.spaces.for_some(both);
        for (before, space) in &old {
            let same = new.iter().find(|(after, _)| after == before);
            let rest = same.map_or(*space, |(_, same)| self.spaces.minus(*space, *same));
            if rest.is_none() {
                continue;
            }
            for (after, other) in new.iter().filter(|(after, _)| after != before) {
                let live = self.spaces.and(rest, *other);
                let equal = leaves::agree(self.spaces, before, after);
                let live = self.spaces.minus(live, equal);
                if !live.is_none() {
                    left = self.retargeted([before, after], live, left);
                }
            }
        }
    }

    /// Notes packets that leave to different places; gives back those that are left of some.
    fn retargeted(&mut self, leaves: [&Leaves; 2], live: Space, left: Space) -> Space {
        let same = Same { leaves: Some(leaves.map(Clone::clone)), ..Same::of(Kind::Retargeted) };
        let destination = leaves[0].dst != leaves[1].dst || leaves[0].dport != leaves[1].dport;
        let mut left = left;
        for (old, part) in self.translators(0, destination, live) {
            for (new, part) in self.translators(1, destination, part) {
                left = self.note(Same { by: [old, new], ..same.clone() }, part, left);
            }
        }
        left
    }

    /// Packets by the rule that translated them; those that none translated by who let them pass.
    fn translators(&mut self, side: usize, destination: bool, within: Space) -> Vec<Part> {
        let mut rest = within;
        let mut found = Vec::new();
        for (rule, of_destination, space) in &self.sides[side].passage.translations {
            let part = self.spaces.and(rest, *space);
            if *of_destination == destination && !part.is_none() {
                rest = self.spaces.minus(rest, part);
                found.push((Decider::Rule(*rule), part));
            }
        }
        found.extend(self.parts(side, rest));
        found
    }

    /// The packets that pass on both sides and whose connections have different helpers.
    fn helpers(&mut self, both: Space) {
        let [old, new] = [0, 1].map(|side| {
            let mut rest = both;
            let mut named: Vec<(Option<String>, Space)> = Vec::new();
            for (helper, space) in &self.sides[side].passage.helpers {
                let part = self.spaces.and(rest, *space);
                rest = self.spaces.minus(rest, part);
                if !part.is_none() {
                    let name = &self.flows[side].rules().helpers[helper.index()];
                    named.push((Some(name.clone()), part));
                }
            }
            named.push((None, rest));
            named
        });
        let mut left = self.spaces.for_some(both);
        for (before, space) in &old {
            for (after, other) in new.iter().filter(|(after, _)| after != before) {
                let live = self.spaces.and(*space, *other);
                let region = self.taken(live, &mut left);
                let helpers = [before.clone(), after.clone()];
                self.split(Same { helpers, ..Same::of(Kind::Helped) }, region, live);
            }
        }
    }

    /// The packets that start connections on both sides, which one side alone remembers.
    fn kept(&mut self, way: Way, both: Space) {
        let kept = [0, 1].map(|side| match self.sides[side].passage.known {
            Some(known) if way == Way::Forward => self.spaces.and(known.came_in, known.went_out),
            Some(known) => known.came_in,
            None => Space::NONE,
        });
        let new = self.spaces.test(Field::State, &Set::one(State::New as u128));
        let both = self.spaces.and(both, new);
        let mut left = self.spaces.for_some(both);
        for holds in [[true, false], [false, true]] {
            let (with, without) = if holds[0] { (kept[0], kept[1]) } else { (kept[1], kept[0]) };
            let live = self.spaces.and(both, with);
            let live = self.spaces.minus(live, without);
            let region = self.taken(live, &mut left);
            self.split(Same { holds, ..Same::of(Kind::Kept) }, region, live);
        }
    }

    /// The packets that pass on both sides, and whose answers do on one side alone.
    fn answered(&mut self, hop: &Hop, both: Space) -> Result<(), TooMuch> {
        let mut backs = Vec::with_capacity(2);
        for (side, flow) in self.sides.iter().zip(self.flows) {
            let mut arriving = Classes::default();
            for class in answers(self.spaces, &side.passage.passed) {
                let space = self.spaces.and(class.space, both);
                arriving.add(self.spaces, Class { space, ctrl: class.ctrl });
            }
            backs.push(flow.run(self.spaces, &arriving, &hop.back(&side.passage))?);
        }
        let [old, new] = [&backs[0], &backs[1]];
        let mut fates = [old, new].map(|passage| {
            let refused: Vec<Space> = passage.refused.iter().map(|(_, _, space)| *space).collect();
            let (refused, passed) = (self.spaces.union(refused), passage.passed.union(self.spaces));
            [passed, refused].map(|space| {
                let came = self.spaces.as_came(space);
                self.spaces.and(came, both)
            })
        });
        let mut left = self.spaces.for_some(both);
        for holds in [[true, false], [false, true]] {
            let live = self.spaces.and(fates[0][0], fates[1][1]);
            fates.reverse();
            for (by_old, part) in parts(self.spaces, old, live) {
                for (by_new, part) in parts(self.spaces, new, part) {
                    let same = Same { holds, by: [by_old, by_new], ..Same::of(Kind::Answered) };
                    left = self.note(same, part, left);
                }
            }
        }
        Ok(())
    }

    /// The packets that are refused on both sides, the sender being told in different ways.
    fn replies(&mut self, packets: Space) {
        let [old, new] = [0, 1].map(|side| {
            let mut verdicts: Vec<(Verdict, Space)> = Vec::new();
            for (_, verdict, space) in &self.sides[side].passage.refused {
                let space = self.spaces.and(*space, packets);
                for (verdict, space) in told(self.spaces, *verdict, space) {
                    match verdicts.iter_mut().find(|(known, _)| *known == verdict) {
                        Some((_, known)) => *known = self.spaces.or(*known, space),
                        None => verdicts.push((verdict, space)),
                    }
                }
            }
            verdicts
        });
        let mut left = packets;
        for (before, space) in &old {
            for (after, other) in new.iter().filter(|(after, _)| after != before) {
                let live = self.spaces.and(*space, *other);
                let region = self.taken(live, &mut left);
                let verdicts = Some([*before, *after]);
                self.split(Same { verdicts, ..Same::of(Kind::Replied) }, region, live);
            }
        }
    }
}

/// What the senders of refused packets see: a reply that depends on the protocol is told apart.
fn told(spaces: &mut Spaces, verdict: Verdict, space: Space) -> Vec<(Verdict, Space)> {
    if verdict != Verdict::Reject(Reply::ResetOrUnreachable) {
        return vec![(verdict, space)];
    }
    let tcp = spaces.test(Field::Proto, &Set::one(proto::TCP.into()));
    let (kind, code) = if spaces.family() == Family::V4 { (3, 3) } else { (1, 4) };
    let (with, without) = (spaces.and(space, tcp), spaces.minus(space, tcp));
    vec![(Verdict::Reject(Reply::TcpReset), with), (Verdict::Reject(Reply::Icmp { kind, code }), without)]
}

fn parts(spaces: &mut Spaces, passage: &Passage, within: Space) -> Vec<Part> {
    let mut rest = within;
    let mut found = Vec::new();
    for (by, _, space) in &passage.refused {
        if rest.is_none() {
            return found;
        }
        let part = spaces.and(rest, *space);
        if !part.is_none() {
            rest = spaces.minus(rest, part);
            found.push((*by, part));
        }
    }
    for pass in passage.passes.iter() {
        if rest.is_none() {
            return found;
        }
        let part = spaces.and(rest, pass.space);
        if !part.is_none() {
            rest = spaces.minus(rest, part);
            found.push((pass.by, part));
        }
    }
    if !rest.is_none() {
        found.push((Decider::End, rest));
    }
    found
}

impl Spaces {
    /// The packets that are in the set for some values of the variables.
    pub fn for_some(&mut self, space: Space) -> Space {
        let variables = self.variables_of(space);
        if variables.is_empty() { space } else { self.without(space, &variables) }
    }
}
