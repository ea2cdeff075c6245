//! Who takes part in a call: the two ends, and third parties of the site.

use std::cell::RefCell;
use std::rc::Rc;

use super::ends::{End, Side};
use super::legs::{Asker, Question};
use crate::calls::{Call, Stage, Who};
use crate::judge::Judge;
use crate::packet::Family;
use crate::site::{Far, PeerPlace, RoutingMode};

/// Somebody in one place.
#[derive(Clone, Debug)]
pub(crate) struct Party {
    /// Who.
    pub end: End,
    /// Where.
    pub far: Far,
    /// The roles that the call gives to it.
    pub roles: Vec<String>,
    /// Which end of the call it is.
    pub part: Part,
}

/// What somebody is to a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    /// The caller.
    Caller,
    /// The called end.
    Called,
    /// Somebody else.
    Third,
}

impl Party {
    /// As the end of a question.
    pub(crate) fn side(&self) -> Side<'_> {
        Side { end: &self.end, far: &self.far }
    }
}

/// A call between two ends in one family of addresses.
pub(super) struct Case<'j, 'a> {
    /// The site.
    pub judge: &'j Judge<'a>,
    /// The call.
    pub call: &'j Call,
    /// The family.
    pub family: Family,
    /// The caller.
    pub caller: Rc<Party>,
    /// The called end.
    pub called: Rc<Party>,
    /// Those who fill roles, worked out when they are asked for.
    roles: RefCell<Vec<(String, Vec<Rc<Party>>)>>,
}

/// Between whom a stage is, and what it asks for.
pub(super) struct Between<'a> {
    /// Who opens it.
    pub from: Rc<Party>,
    /// To whom.
    pub to: Rc<Party>,
    /// From the one to the other.
    pub forth: Vec<Question<'a>>,
    /// And back.
    pub back: Vec<Question<'a>>,
}

impl<'j, 'a> Case<'j, 'a> {
    /// A call that was not asked about yet.
    pub(super) fn new(
        judge: &'j Judge<'a>,
        call: &'j Call,
        (from, caller): (Side<'_>, &[String]),
        (to, called): (Side<'_>, &[String]),
        family: Family,
    ) -> Self {
        let party = |side: Side<'_>, roles: &[String], part| {
            let (end, far) = (side.end.clone(), side.far.clone());
            Rc::new(Party { end, far, roles: roles.to_vec(), part })
        };
        Case {
            judge,
            call,
            family,
            caller: party(from, caller, Part::Caller),
            called: party(to, called, Part::Called),
            roles: RefCell::default(),
        }
    }

    /// Whether the ends have one of the stages that the call needs.
    pub(super) fn makes_sense(&self) -> bool {
        self.lacks_middle().is_none() && self.needed().any(|stage| self.has(stage))
    }

    /// Whether it is such a call that one would think of: rows of the ends are about the roles that the call names.
    pub(super) fn comes_to_mind(&self) -> bool {
        let named = |question: &Question<'_>| {
            let roles = || self.caller.roles.iter().chain(&self.called.roles);
            let meant = question.row.peer.as_ref().is_none_or(|peer| roles().any(|role| role == peer));
            meant && question.row.condition.is_none()
        };
        self.lacks_middle().is_none()
            && self
                .needed()
                .filter(|stage| self.has(stage))
                .flat_map(|stage| self.between(stage))
                .any(|between| between.forth.iter().any(named))
    }

    /// The role through which the call is signalled, where nobody fills it.
    pub(super) fn lacks_middle(&self) -> Option<&'j str> {
        self.call.mode.filter(|mode| *mode != RoutingMode::Direct)?;
        let mut roles =
            self.call.stages.iter().filter_map(|stage| Some(stage.through.as_ref()?.role.as_str()));
        roles.find(|role| self.of_role(role).is_empty())
    }

    /// The stages one of which the call needs.
    fn needed(&self) -> impl Iterator<Item = &'j Stage> {
        let needs = &self.call.needs;
        self.call.stages.iter().filter(move |stage| needs.is_empty() || needs.contains(&stage.name))
    }

    /// Whether a stage is there, and both ends take part in one that each of them has.
    fn has(&self, stage: &Stage) -> bool {
        let found = self.between(stage);
        let takes_part = |party: &&Rc<Party>| {
            let in_it = |between: &Between<'a>| same(&between.from, party) || same(&between.to, party);
            party.end.device.is_none() || found.iter().any(in_it)
        };
        let each = stage.from == Who::Each;
        !found.is_empty() && (!each || [&self.caller, &self.called].iter().all(takes_part))
    }

    /// Between whom a stage is, at this site; nobody where it has none who offer its services.
    pub(super) fn between(&self, stage: &Stage) -> Vec<Between<'a>> {
        let froms = self.parties(&stage.from);
        let mut found = Vec::new();
        for from in froms {
            let others = stage.to.iter().flat_map(|who| self.parties(who));
            let others = others.filter(|to| !same(&from, to));
            if let Some(between) = others.filter_map(|to| self.ask(stage, &from, &to)).next() {
                found.push(between);
                // Several of a role stand in for each other.
                if matches!(stage.from, Who::Role(_)) {
                    break;
                }
            }
        }
        found
    }

    /// What a stage asks for between two.
    pub(super) fn ask(&self, stage: &Stage, from: &Rc<Party>, to: &Rc<Party>) -> Option<Between<'a>> {
        let asker = Asker { judge: self.judge };
        let has = |party: &Party| !party.far.addresses(self.family).is_empty();
        if !has(from) || !has(to) {
            return None;
        }
        let relays = !stage.source_services.is_empty();
        let questions = |from: &Party, to: &Party| {
            let sender = if relays { &self.caller.roles } else { &from.roles };
            asker.questions(stage, (from.side(), sender), (to.side(), &to.roles))
        };
        let forth = questions(from, to);
        let back = questions(to, from);
        let none = forth.is_empty() && (back.is_empty() || !stage.ways.has_back());
        (!none).then(|| Between { from: Rc::clone(from), to: Rc::clone(to), forth, back })
    }

    /// Whoever is meant.
    pub(super) fn parties(&self, who: &Who) -> Vec<Rc<Party>> {
        match who {
            Who::Caller => vec![Rc::clone(&self.caller)],
            Who::Called => self.installation(&self.called),
            Who::Each => vec![Rc::clone(&self.caller), Rc::clone(&self.called)],
            Who::Role(role) => self.of_role(role),
        }
    }

    /// A party, and the other parts of its installation that are devices of their own.
    fn installation(&self, party: &Rc<Party>) -> Vec<Rc<Party>> {
        let mut all = vec![Rc::clone(party)];
        let whole = |device: usize| {
            let product = self.judge.catalog.product(&self.judge.site.devices[device].product)?;
            Some(product.part_of.as_deref().unwrap_or(&product.name).to_string())
        };
        let Some(own) = party.end.device.and_then(whole) else { return all };
        for device in 0..self.judge.site.devices.len() {
            if party.end.device != Some(device) && whole(device).as_ref() == Some(&own) {
                all.extend(self.standing(End::device(self.judge.site, device), &party.roles, party.part));
            }
        }
        all
    }

    /// Those who fill a role: an end of the call, else others of the site.
    pub(super) fn of_role(&self, role: &str) -> Vec<Rc<Party>> {
        if let Some((_, known)) = self.roles.borrow().iter().find(|(name, _)| name == role) {
            return known.clone();
        }
        let found = self.fillers(role);
        self.roles.borrow_mut().push((role.to_string(), found.clone()));
        found
    }

    fn fillers(&self, role: &str) -> Vec<Rc<Party>> {
        let (site, catalog) = (self.judge.site, self.judge.catalog);
        let fills = |end: &End| match (end.product(site, catalog), &end.roles) {
            (Some(product), _) => product.fills(role),
            (None, Some(roles)) => roles.iter().any(|known| known == role),
            (None, None) => false,
        };
        if let Some(end) = [&self.called, &self.caller].into_iter().find(|party| fills(&party.end)) {
            return vec![Rc::clone(end)];
        }
        let roles = vec![role.to_string()];
        let devices = (0..site.devices.len()).map(|at| End::device(site, at)).filter(fills);
        let mut found: Vec<Rc<Party>> =
            devices.flat_map(|end| self.standing(end, &roles, Part::Third)).collect();
        for peer in site.peers.iter().filter(|peer| catalog.implied_roles(&peer.role).contains(&role)) {
            let name = peer.name.clone().unwrap_or_else(|| match &peer.place {
                PeerPlace::Zone(zone) => format!("{} in {}", peer.role, site.zones[*zone].name),
                PeerPlace::Addresses(_) => peer.role.clone(),
            });
            let end = End::of_peer(site, catalog, name, peer);
            found.extend(end.into_iter().flat_map(|end| self.standing(end, &roles, Part::Third)));
        }
        found
    }

    /// Somebody else, at the first place with addresses of the call's family.
    fn standing(&self, end: End, roles: &[String], part: Part) -> Option<Rc<Party>> {
        let far = end.places.iter().find(|far| !far.addresses(self.family).is_empty())?.clone();
        Some(Rc::new(Party { end, far, roles: roles.to_vec(), part }))
    }

    /// The gatekeeper's modes that a stage can go by at this site, and the gatekeeper.
    pub(super) fn modes(&self, stage: &Stage) -> (Vec<RoutingMode>, Option<Rc<Party>>) {
        let direct = (vec![RoutingMode::Direct], None);
        let Some(through) = &stage.through else { return direct };
        let third = |party: &Rc<Party>| party.part == Part::Third;
        let Some(middle) = self.of_role(&through.role).into_iter().find(third) else { return direct };
        let told = middle.end.device.and_then(|device| self.judge.site.devices[device].mode);
        let modes = match self.call.mode.or(told) {
            // A call that is to be routed is routed as the gatekeeper does it.
            Some(RoutingMode::Q931Routed) => {
                vec![told.filter(|mode| *mode != RoutingMode::Direct).unwrap_or(RoutingMode::Q931Routed)]
            }
            Some(mode) => vec![mode],
            None => RoutingMode::ALL.into_iter().filter(|mode| self.can(*mode, &middle)).collect(),
        };
        (modes, Some(middle))
    }

    /// Whether a gatekeeper can work in a mode: its product has rows for what it routes.
    fn can(&self, mode: RoutingMode, middle: &Rc<Party>) -> bool {
        let routed = self
            .call
            .stages
            .iter()
            .filter(|stage| stage.through.as_ref().is_some_and(|through| through.modes.contains(&mode)));
        routed.into_iter().all(|stage| self.ask(stage, &self.caller, middle).is_some())
    }
}

/// Whether two are one.
pub(super) fn same(one: &Party, two: &Party) -> bool {
    match (one.end.device, two.end.device) {
        (Some(one), Some(two)) => one == two,
        (None, None) => one.far == two.far,
        _ => false,
    }
}
