//! What devices lose by a change to a firewall, and lines that bring it back.

use rustc_hash::FxHashMap;

use super::{FEW_LEGS, Trouble, left, troubles};
use crate::catalog::{Requirement, Transport};
use crate::finding::Edit;
use crate::judge::{Judge, Near};
use crate::lint::mend::{Aim, Lack, Outcome, Workshop, seek};
use crate::packet::Set;
use crate::site::{Leg, Party};

/// What devices lose where firewalls become others: what gets through before, and not after.
pub(in crate::lint) struct Lost<'a> {
    before: Before,
    lost: Vec<Trouble<'a>>,
}

impl<'a> Lost<'a> {
    pub(in crate::lint) fn between(before: &Judge<'a>, after: &Judge<'a>, devices: &[usize]) -> Lost<'a> {
        let before = Before::of(&troubles(before, devices));
        let lost = before.worse(troubles(after, devices));
        Lost { before, lost }
    }

    pub(in crate::lint) fn is_nothing(&self) -> bool {
        self.lost.is_empty()
    }

    /// Changes to the files as they are after it that bring back what is lost, and nothing else.
    pub(in crate::lint) fn brought_back(
        &self,
        after: &Judge<'_>,
        workshop: &Workshop<'_>,
    ) -> Option<Vec<Edit>> {
        if self.lost.len() > FEW_LEGS {
            return None;
        }
        let of = |judge: &Judge<'_>, all: &[Trouble<'_>]| -> Vec<Lack> {
            all.iter().map(|trouble| Lack::of(judge, trouble)).collect()
        };
        let again = |now: &Judge<'_>| of(now, &self.before.worse(left(now, &self.lost)));
        let lacks = of(after, &self.lost);
        match seek(after, workshop, Aim { lacks: &lacks, again: &again, exact: true, fewest: true }) {
            Outcome::Works(remedy) if remedy.answered => Some(remedy.edits),
            _ => None,
        }
    }
}

/// One leg of a row of a device, over one transport.
type OneLeg = (usize, Leg, *const Requirement, Transport);

/// What of a leg did not get through: between whom, whether for certain, and which ports.
type Bad = (Near, Party, bool, Set);

/// What did not get through of each leg.
struct Before(FxHashMap<OneLeg, Vec<Bad>>);

impl Before {
    fn of(troubles: &[Trouble<'_>]) -> Before {
        let mut legs: FxHashMap<_, Vec<_>> = FxHashMap::default();
        for trouble in troubles {
            let known =
                (trouble.near.clone(), trouble.whom.party.clone(), trouble.certain, trouble.bad.clone());
            legs.entry(Self::leg(trouble)).or_default().push(known);
        }
        Before(legs)
    }

    fn leg(trouble: &Trouble<'_>) -> OneLeg {
        let flow = &trouble.flow;
        (flow.device, flow.leg, std::ptr::from_ref(flow.requirement), trouble.transport)
    }

    /// What of some trouble was none.
    fn worse<'t>(&self, troubles: Vec<Trouble<'t>>) -> Vec<Trouble<'t>> {
        let worse = |mut trouble: Trouble<'t>| {
            let known = self.0.get(&Self::leg(&trouble)).into_iter().flatten();
            let known = known.filter(|(near, party, certain, _)| {
                (near, party) == (&trouble.near, &trouble.whom.party) && (*certain || !trouble.certain)
            });
            let bad = known.fold(trouble.bad.clone(), |bad, (_, _, _, had)| bad.minus(had));
            trouble.bad = bad;
            (!trouble.bad.is_empty()).then_some(trouble)
        };
        troubles.into_iter().filter_map(worse).collect()
    }
}
