//! One packet of a journey, firewall after firewall.

use super::answer::{Look, along};
use super::journey::{Kind, Leg as CrossedLeg};
use super::{Ask, By, Desk};
use crate::model::{HelperId, Verdict};
use crate::packet::{Field, Packet, Set, Space, interface_name};
use crate::site::Party;

/// A packet at one firewall.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Index into the site's firewalls.
    pub firewall: usize,
    /// The interfaces by which it comes and leaves, where they are known.
    pub iif: Option<String>,
    /// Likewise where it leaves.
    pub oif: Option<String>,
    /// The packet as it comes.
    pub packet: Packet,
    /// The packet as it leaves, where it does.
    pub leaves: Option<Packet>,
    /// What becomes of it; `None` where that depends on something.
    pub verdict: Option<Verdict>,
    /// Who decides.
    pub by: Option<By>,
    /// The helper that reads its connection.
    pub helper: Option<HelperId>,
}

/// Which packet of a question is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Example {
    /// One that arrives and, where some are, is answered.
    Answered,
    /// One that arrives, and is not answered.
    Unanswered,
    /// One that does not arrive.
    Stopped,
}

impl Desk<'_, '_> {
    /// The way of one packet of a question, as far as it gets.
    pub(crate) fn steps(&mut self, ask: &Ask<'_>, party: &Party, example: Example) -> Vec<Step> {
        for far in self.places(ask, party) {
            let Some((journey, region)) = self.asked(ask, far, Kind::First) else { continue };
            if journey.given_up {
                continue;
            }
            let store = &mut self.stores[ask.near.family as usize];
            store.spaces.allow(super::JOURNEY_LIMIT);
            let mut look =
                Look { spaces: &mut store.spaces, journey: &journey, region, along: along(ask.protocol) };
            let steps = look.steps(example, ask.from.is_some());
            if !steps.is_empty() && !store.spaces.exhausted() {
                return steps;
            }
        }
        Vec::new()
    }
}

impl Look<'_> {
    pub(super) fn steps(&mut self, example: Example, some_ports: bool) -> Vec<Step> {
        let wanted = match example {
            Example::Answered => self.answered(some_ports),
            Example::Unanswered => self.unanswered(),
            Example::Stopped => self.not_arriving(),
        };
        let whole = self.spaces.and(self.journey.all, wanted);
        let Some(first) = self.spaces.witness(whole) else { return Vec::new() };
        let one = self.only(&first);
        let journey = self.journey;
        let mut packet = first;
        let mut steps = Vec::new();
        for leg in &journey.legs {
            let mut step = self.step(leg, one, &packet);
            if step.verdict.is_none_or(|verdict| verdict == Verdict::Accept) {
                step.leaves = self.on_the_way(&packet, leg);
            }
            let next = step.leaves.clone();
            steps.push(step);
            match next {
                Some(next) => packet = next,
                None => break,
            }
        }
        steps
    }

    /// The packets that arrive for certain; of these, where there are any, those that are answered for certain, and
    /// those of somebody who fares so from each of his source ports.
    fn answered(&mut self, some_ports: bool) -> Space {
        let (first, answers) = (*self.fates(Kind::First), *self.fates(Kind::Reply));
        let arriving = self.spaces.and(first.certain, self.region);
        let heard = self.spaces.and(arriving, answers.certain);
        let [there, back] = [first, answers].map(|fates| match some_ports {
            true => fates.of(self.spaces, self.region).open,
            false => fates.by_port.open,
        });
        let always = self.spaces.and(heard, there);
        let always = self.spaces.and(always, back);
        [always, heard].into_iter().find(|space| !space.is_none()).unwrap_or(arriving)
    }

    /// The packets that arrive for certain; of these, where there are any, those that are not answered.
    fn unanswered(&mut self) -> Space {
        let (first, answers) = (*self.fates(Kind::First), *self.fates(Kind::Reply));
        let arriving = self.spaces.and(first.certain, self.region);
        let heard = [answers.possible, answers.certain].map(|heard| self.spaces.minus(arriving, heard));
        heard.into_iter().find(|space| !space.is_none()).unwrap_or(arriving)
    }

    /// The packets that do not arrive, whatever is not known, or else those that may not.
    fn not_arriving(&mut self) -> Space {
        let fates = *self.fates(Kind::First);
        let never = self.spaces.minus(fates.all, fates.possible);
        let never = self.spaces.and(never, self.region);
        if !never.is_none() {
            return never;
        }
        let depends = self.spaces.minus(fates.all, fates.certain);
        self.spaces.and(depends, self.region)
    }

    /// The packets that are this one, whatever the unknowns are.
    fn only(&mut self, packet: &Packet) -> Space {
        let family = self.spaces.family();
        let ends = [Field::src(family), Field::dst(family), Field::Sport, Field::Dport];
        let mut one = self.region;
        for field in [Field::Proto, Field::IcmpType].into_iter().chain(ends) {
            if let Some(value) = packet.get(field).known() {
                let side = self.spaces.test(field, &Set::one(value));
                one = self.spaces.and(one, side);
            }
        }
        one
    }

    fn step(&mut self, leg: &CrossedLeg, one: Space, packet: &Packet) -> Step {
        let mut refused = None;
        for (by, verdict, space) in &leg.passage.refused {
            let part = self.usual_part(*space, one);
            if !part.is_none() {
                refused.get_or_insert((*by, *verdict));
            }
        }
        let mut passed = None;
        for pass in leg.passage.passes.iter() {
            let part = self.usual_part(pass.space, one);
            if !part.is_none() {
                passed.get_or_insert(pass.by);
            }
        }
        let through: Vec<Space> = leg.passage.passed.iter().map(|class| class.space).collect();
        let through = self.spaces.union(through);
        let through = !self.usual_part(through, one).is_none();
        let helper = leg.passage.helpers.iter().find(|(_, space)| self.spaces.meets(*space, one));
        let by = |by| Some(By { firewall: leg.firewall, by, astray: false });
        let (verdict, by) = match (refused, through) {
            (Some((who, verdict)), false) => (Some(verdict), by(who)),
            (None, _) => (Some(Verdict::Accept), passed.and_then(by)),
            (Some((who, _)), true) => (None, by(who)),
        };
        let name = |side: &Option<Set>| side.as_ref().and_then(Set::single).map(interface_name);
        Step {
            firewall: leg.firewall,
            iif: name(&leg.hop.iif),
            oif: name(&leg.hop.oif),
            packet: packet.clone(),
            leaves: None,
            verdict,
            by,
            helper: helper.map(|(id, _)| *id),
        }
    }

    fn usual_part(&mut self, space: Space, one: Space) -> Space {
        let part = self.spaces.and(space, one);
        self.spaces.usually(part)
    }
}
