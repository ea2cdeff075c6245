//! The stages of a call, each judged between those who take part in it.

use std::cmp::Reverse;
use std::rc::Rc;

use super::fate::{self, Fate, Helpers, Works, carries};
use super::legs::Question;
use super::parties::{Between, Case, Party};
use super::{Explanation, Row, answer};
use crate::analysis::Decider;
use crate::calls::{Need, Stage, Ways, Who};
use crate::catalog::Transport;
use crate::judge::{By, Desk};
use crate::packet::Field;
use crate::site::{End as Place, Leg, RoutingMode};

/// What a call depends on where the ways of signalling differ.
pub(super) const MODE: &str = "the gatekeeper's mode";

/// A stage between two parties, judged.
pub(super) struct Ran<'a> {
    /// Its place in the call.
    pub place: usize,
    /// Its ways.
    pub rows: Vec<Row<'a>>,
    /// Whether all of it works.
    pub works: Works,
    /// The gatekeeper's modes in which it happens; empty where that makes no difference.
    pub modes: Vec<RoutingMode>,
}

/// Judges all stages of a call; `None` where the call makes no sense between its ends.
pub(super) fn run<'j, 'a>(case: Case<'j, 'a>, desk: &mut Desk<'j, 'a>) -> Option<Explanation<'a>> {
    if !case.makes_sense() {
        return None;
    }
    let mut runner = Runner::new(&case, desk);
    let call = case.call;
    let mut ran: Vec<Ran<'a>> = Vec::new();
    for (place, stage) in call.stages.iter().enumerate() {
        ran.extend(runner.stage(place, stage));
    }
    let modes = runner.modes.clone();
    Some(answer::whole(&case, &modes, ran))
}

struct Runner<'r, 'j, 'a> {
    case: &'r Case<'j, 'a>,
    desk: &'r mut Desk<'j, 'a>,
    /// The gatekeeper's modes that are possible, and the gatekeeper.
    modes: Vec<RoutingMode>,
    middle: Option<Rc<Party>>,
    /// The services in whose signalling the call announces ports.
    signalling: Rc<[&'j str]>,
}

impl<'r, 'j, 'a> Runner<'r, 'j, 'a> {
    fn new(case: &'r Case<'j, 'a>, desk: &'r mut Desk<'j, 'a>) -> Self {
        let through = case.call.stages.iter().find(|stage| stage.through.is_some());
        let (modes, middle) = through.map_or((vec![RoutingMode::Direct], None), |stage| case.modes(stage));
        let services = case.call.stages.iter().flat_map(|stage| stage.services.iter().map(String::as_str));
        let signalling = services.collect();
        Runner { case, desk, modes, middle, signalling }
    }

    /// A stage: between the ends themselves, through the gatekeeper, or both, as its mode may be.
    fn stage(&mut self, place: usize, stage: &Stage) -> Vec<Ran<'a>> {
        let routed: Vec<RoutingMode> = match (&stage.through, &self.middle) {
            (Some(through), Some(_)) => {
                self.modes.iter().filter(|mode| through.modes.contains(mode)).copied().collect()
            }
            _ => Vec::new(),
        };
        let direct: Vec<RoutingMode> =
            self.modes.iter().filter(|mode| !routed.contains(mode)).copied().collect();
        let mut ran = Vec::new();
        if !direct.is_empty() {
            let modes = if routed.is_empty() { Vec::new() } else { direct };
            for between in self.case.between(stage) {
                ran.push(self.between(place, stage, between, &modes));
            }
        }
        if let (false, Some(middle)) = (routed.is_empty(), self.middle.clone()) {
            let modes = if routed.len() == self.modes.len() { Vec::new() } else { routed };
            let (caller, called) = (&self.case.caller, &self.case.called);
            let hops = [self.case.ask(stage, caller, &middle), self.case.ask(stage, &middle, called)];
            for between in hops.into_iter().flatten() {
                ran.push(self.between(place, stage, between, &modes));
            }
        }
        ran
    }

    fn between(
        &mut self,
        place: usize,
        stage: &Stage,
        between: Between<'a>,
        modes: &[RoutingMode],
    ) -> Ran<'a> {
        let ran = |(works, rows)| Ran { place, rows, works, modes: modes.to_vec() };
        if !stage.any {
            return ran(self.all_of(stage, &between, modes));
        }
        let kind = |question: &Question<'_>| (question.row.service.clone(), question.transport);
        let mut kinds: Vec<(String, Transport)> = Vec::new();
        for question in between.forth.iter().chain(&between.back) {
            if !kinds.contains(&kind(question)) {
                kinds.push(kind(question));
            }
        }
        let mut best: Option<(Rank, Judged<'a>)> = None;
        for one in kinds {
            let of = |all: &[Question<'a>]| -> Vec<Question<'a>> {
                all.iter().filter(|question| kind(question) == one).cloned().collect()
            };
            let (from, to) = (Rc::clone(&between.from), Rc::clone(&between.to));
            let part = Between { from, to, forth: of(&between.forth), back: of(&between.back) };
            if part.forth.is_empty() {
                continue;
            }
            let found = self.all_of(stage, &part, modes);
            let rank = (found.0, Reverse(self.pointed(&found.1)));
            if best.as_ref().is_none_or(|(known, _)| rank < *known) {
                best = Some((rank, found));
            }
        }
        match best {
            Some((_, best)) => ran(best),
            None => ran(self.all_of(stage, &between, modes)),
        }
    }

    /// How much the rule says that stops the first row: of several that fail, the one is told that somebody has
    /// something against, and not the one that nobody thought of.
    fn pointed(&self, rows: &[Row<'a>]) -> usize {
        let by = rows.iter().filter(|row| row.fate.works != Works::Yes).find_map(|row| row.fate.by);
        let Some((By { by: Decider::Rule(id), .. }, firewall)) =
            by.and_then(|by| Some((by, self.case.judge.firewall(by.firewall)?)))
        else {
            return 0;
        };
        firewall.rules.steps_of(firewall.rules.rule(id)).len()
    }

    /// All questions of a stage between two, each of which has to be answered with yes.
    fn all_of(&mut self, stage: &Stage, between: &Between<'a>, modes: &[RoutingMode]) -> Judged<'a> {
        let (from, to) = (&between.from, &between.to);
        let forth = self.fates(stage, &between.forth, (from, to));
        let back = match stage.ways.has_back() {
            true => self.fates(stage, &between.back, (to, from)),
            false => Vec::new(),
        };
        let meet = stage.ways == Ways::Both && self.meet((from, to), &forth, &back);
        let (forth, back) = combined(stage, forth, back, meet);
        let mut rows = Vec::new();
        for (way, (one, two), asked) in [(0, (from, to), forth), (1, (to, from), back)] {
            for (question, fate) in asked {
                let hops = self.hops(&question, (one, two), &fate);
                rows.push((
                    way,
                    Row {
                        stage: stage.name.clone(),
                        title: stage.title.clone(),
                        from: Rc::clone(one),
                        to: Rc::clone(two),
                        question,
                        need: stage.need,
                        symptom: String::new(),
                        reached: true,
                        modes: modes.to_vec(),
                        hops,
                        fate,
                    },
                ));
            }
        }
        match stage.ways {
            Ways::Both => self.hidden_senders(&mut rows),
            Ways::Dialog => self.hidden_caller(&mut rows),
            Ways::Forth | Ways::Either => {}
        }
        let fails =
            |wanted: usize| rows.iter().any(|(way, row)| *way == wanted && row.fate.works != Works::Yes);
        let fails = [fails(0), fails(1)];
        let mut rows: Vec<(usize, Row<'a>)> = rows;
        for (way, row) in &mut rows {
            row.symptom = symptom(stage, &row.question, &row.fate, (fails[1 - *way], *way == 1));
        }
        let rows: Vec<Row<'a>> = rows.into_iter().map(|(_, row)| row).collect();
        let works = rows.iter().map(|row| row.fate.works).max().unwrap_or(Works::Yes);
        (works, rows)
    }

    fn fates(
        &mut self,
        stage: &Stage,
        questions: &[Question<'a>],
        (from, to): (&Rc<Party>, &Rc<Party>),
    ) -> Vec<(Question<'a>, Fate)> {
        let mut fates = Vec::new();
        let signalling = Rc::clone(&self.signalling);
        for question in questions {
            let helpers = self
                .helped(stage, question)
                .then(|| Helpers { services: &signalling, leg: self.placed(question) });
            let sides = (from.side(), to.side());
            let mut fate = fate::judge(self.desk, question, sides, self.case.family, helpers);
            // Whoever is not one of ours may have somebody else to register with.
            if stage.from == Who::Each && from.end.device.is_none() {
                fate.unless(&format!("whether {} registers at {}", from.end.name, to.end.name));
            }
            if fate.helped && self.modes.iter().any(|mode| *mode != RoutingMode::Direct) {
                fate.depends_on.push(MODE.to_string());
                fate.works = Works::Depends;
            }
            let helpers = self
                .helped(stage, question)
                .then(|| Helpers { services: &signalling, leg: self.placed(question) });
            if fate.works != Works::No && self.is_announced_wrong(question, (from, to)) {
                let read = helpers.is_some_and(|helpers| {
                    fate::is_read(self.desk, question, sides, self.case.family, helpers)
                });
                if !read {
                    self.announced(to, &mut fate);
                }
            }
            fates.push((question.clone(), fate));
        }
        fates
    }

    /// Whether the receiver is reached at another address than its own, and nobody says that it tells that one.
    fn is_announced_wrong(&self, question: &Question<'_>, (from, to): (&Rc<Party>, &Rc<Party>)) -> bool {
        let judge = self.case.judge;
        // Who dials knows the address; what the call itself opens later goes where signalling says.
        let later = question.row.announced_by.iter().any(|service| service != "ras");
        let announces = to.end.device.is_some_and(|device| judge.site.devices[device].announces_public());
        let [from_end, to_end] =
            [from, to].map(|party| Place { zone: party.far.zone, device: party.end.device });
        let (family, own) = (self.case.family, to.far.addresses(self.case.family));
        later && !announces && judge.is_renamed(from_end, to_end, family, own)
    }

    /// What becomes of media for a device that may tell far ends its own address, or does.
    fn announced(&self, to: &Party, fate: &mut Fate) {
        let Some(device) = to.end.device else { return };
        let told = &self.case.judge.site.devices[device];
        if told.announces_private && !told.public_addresses.is_empty() {
            fate.works = Works::No;
            fate.why = Some(format!("{} tells far ends its own address, which is none outside", told.name));
            return;
        }
        fate.hangs_on(format!("the address that {} announces", told.name));
    }

    /// Whether helpers can read no signalling of this call.
    fn is_blind(&self) -> bool {
        let case = self.case;
        let encrypted =
            |party: &Party| party.end.device.is_some_and(|device| case.judge.site.devices[device].encrypted);
        case.call.encrypted
            || case.call.no_helpers.is_some()
            || encrypted(&case.caller)
            || encrypted(&case.called)
    }

    /// Whether helpers may open something for a question: not where they cannot read the signalling, or where the
    /// media of the call does not go between those who signal.
    fn helped(&self, stage: &Stage, question: &Question<'_>) -> bool {
        let blind = self.is_blind() || !self.modes.contains(&RoutingMode::Direct);
        !blind && stage.need != Need::Fallback && !question.row.announced_by.is_empty()
    }

    /// Which way the call is placed, as seen from the device of a question.
    fn placed(&self, question: &Question<'_>) -> Option<Leg> {
        match (self.case.caller.end.device, self.case.called.end.device) {
            (_, Some(device)) if device == question.device => Some(Leg::ToDevice),
            (Some(device), _) if device == question.device => Some(Leg::FromDevice),
            _ => None,
        }
    }

    /// Who sends with a translated address, and has no public one that it could tell, is sent to at the address that it
    /// announces.
    fn hidden_senders(&self, rows: &mut [(usize, Row<'a>)]) {
        let hidden = [0, 1].map(|way| {
            let mut of_way = rows.iter().filter(|(of, _)| *of == way);
            of_way.any(|(_, row)| self.translated_at(row).is_some())
        });
        for (_, row) in rows.iter_mut().filter(|(way, _)| hidden[1 - *way]) {
            if !self.is_public(&row.to) && !row.fate.helped && row.fate.works != Works::No {
                self.announced(&Rc::clone(&row.to), &mut row.fate);
            }
        }
    }

    /// What the far end sends within a dialog goes to the address that the caller announced (RFC 3261, section
    /// 12.2.1.1, the remote target): its own, where that is translated and no helper reads the signalling there.
    fn hidden_caller(&self, rows: &mut [(usize, Row<'a>)]) {
        let blind = self.is_blind();
        let hidden = rows
            .iter()
            .filter(|(way, _)| *way == 0)
            .any(|(_, row)| self.translated_at(row).is_some_and(|at| blind || !self.is_read_at(row, at)));
        for (_, row) in rows.iter_mut().filter(|(way, _)| hidden && *way == 1) {
            if !self.is_public(&row.to) && row.fate.works != Works::No {
                self.announced(&Rc::clone(&row.to), &mut row.fate);
            }
        }
    }

    /// Whether the helper of a row of signalling reads it at a firewall of its way.
    fn is_read_at(&self, row: &Row<'_>, at: usize) -> bool {
        let Some((step, wanted)) = row.hops.get(at).zip(row.question.row.helper) else { return false };
        let Some(firewall) = self.case.judge.firewall(step.firewall) else { return false };
        step.helper.is_some_and(|helper| firewall.rules.helpers[helper.index()] == wanted.name())
    }

    /// Where on the way the source of what a row sends is translated.
    fn translated_at(&self, row: &Row<'_>) -> Option<usize> {
        let src = Field::src(self.case.family);
        let changed = |step: &crate::judge::Step| {
            step.leaves.as_ref().is_some_and(|leaves| leaves.get(src) != step.packet.get(src))
        };
        row.hops.iter().position(changed)
    }

    /// Whether a party has an address to announce to others than its own, or nobody knows better.
    fn is_public(&self, party: &Party) -> bool {
        let device = party.end.device.map(|device| &self.case.judge.site.devices[device]);
        device.is_none_or(|device| !device.public_addresses.is_empty())
    }

    /// Whether what both ends send passes, on its way to the firewall that stops it, the one that stops what comes from
    /// the other end: then each leaves there the connection by which the other gets through.
    fn meet(&self, (from, to): (&Rc<Party>, &Rc<Party>), forth: &Asked<'a>, back: &Asked<'a>) -> bool {
        let ends = [from, to].map(|party| Place { zone: party.far.zone, device: party.end.device });
        let path = self.case.judge.site.path(ends[0], ends[1]).unwrap_or_default();
        let stops = |asked: &Asked<'a>| -> Option<Vec<usize>> {
            let stop = |fate: &Fate| {
                let by = fate.by.filter(|_| !fate.reply)?;
                path.iter().position(|crossing| crossing.firewall == by.firewall)
            };
            asked.iter().map(|(_, fate)| stop(fate)).collect()
        };
        let (Some(forth), Some(back)) = (stops(forth), stops(back)) else { return false };
        forth.iter().min().zip(back.iter().max()).is_some_and(|(forth, back)| back < forth)
    }

    fn hops(
        &mut self,
        question: &Question<'_>,
        (from, to): (&Rc<Party>, &Rc<Party>),
        fate: &Fate,
    ) -> Vec<crate::judge::Step> {
        let passes = fate.works == Works::Yes && !fate.helped || fate.reply;
        fate::steps(self.desk, question, (from.side(), to.side()), self.case.family, passes)
    }
}

/// How a stage fares in one of its alternatives, and how much the rule says that stops it.
type Rank = (Works, Reverse<usize>);

/// A stage that was judged: whether it works, and its ways.
type Judged<'a> = (Works, Vec<Row<'a>>);

type Asked<'a> = Vec<(Question<'a>, Fate)>;

/// What both ways of a stage say together.
fn combined<'a>(
    stage: &Stage,
    mut forth: Asked<'a>,
    mut back: Asked<'a>,
    meet: bool,
) -> (Asked<'a>, Asked<'a>) {
    let all = |asked: &Asked<'a>| !asked.is_empty() && asked.iter().all(|(_, fate)| carries(fate));
    let (forth_open, back_open) = (all(&forth), all(&back));
    let symmetric =
        |one: &Asked<'a>, two: &Asked<'a>| one.iter().chain(two).all(|(question, _)| question.symmetric);
    match stage.ways {
        Ways::Forth => {}
        Ways::Either => match (forth_open, back_open) {
            (true, false) => depend(&mut back, stage.opens.as_deref()),
            (false, true) => depend(&mut forth, stage.opens.as_deref()),
            _ => {}
        },
        Ways::Both => {
            let carried = symmetric(&forth, &back);
            match (forth_open, back_open) {
                (true, false) => carry(&mut back, carried, stage.carried.as_deref()),
                (false, true) => carry(&mut forth, carried, stage.carried.as_deref()),
                (false, false) if meet => {
                    depend(&mut forth, stage.carried.as_deref());
                    depend(&mut back, stage.carried.as_deref());
                }
                _ => {}
            }
        }
        Ways::Dialog if forth_open => {
            // What the far end sends over UDP goes between the ports that the caller signals from and to.
            let (over_udp, others): (Asked<'a>, Asked<'a>) =
                back.into_iter().partition(|(question, _)| question.transport == Transport::Udp);
            back = over_udp;
            carry(&mut back, true, stage.carried.as_deref());
            let mut others = others;
            carry(&mut others, false, stage.carried.as_deref());
            back.extend(others);
        }
        // Without a call there is nothing that the far end could send.
        Ways::Dialog => back.clear(),
    }
    let neither = !forth_open && !back_open;
    if let (Some(unless), true) = (&stage.unless, neither) {
        depend(&mut forth, Some(unless));
        depend(&mut back, Some(unless));
    }
    (forth, back)
}

fn depend(asked: &mut Asked<'_>, on: Option<&str>) {
    for (_, fate) in asked.iter_mut().filter(|(_, fate)| fate.works != Works::Yes) {
        on.iter().for_each(|on| fate.unless(on));
    }
}

/// What is blocked on its own is carried by the connection of the other way: certainly, or that depends.
fn carry(asked: &mut Asked<'_>, certain: bool, on: Option<&str>) {
    if !certain {
        return depend(asked, on);
    }
    for (_, fate) in asked.iter_mut().filter(|(_, fate)| fate.works != Works::Yes) {
        let assumes = vec!["the state of the connection lasts as long as the call".to_string()];
        *fate = Fate { assumes, carried: true, ..Fate::free() };
    }
}

/// What people notice of a row that fails; `other` where the other way of its stage fails as well.
fn symptom(stage: &Stage, question: &Question<'_>, fate: &Fate, (other, back): (bool, bool)) -> String {
    if fate.works == Works::Yes {
        return String::new();
    }
    if let Some(symptom) = stage.symptom_control.as_ref().filter(|_| fate.control) {
        return symptom.clone();
    }
    let one_way = match stage.ways {
        Ways::Forth => None,
        Ways::Dialog => stage.symptom_one_way.as_ref().filter(|_| back),
        Ways::Both | Ways::Either => stage.symptom_one_way.as_ref().filter(|_| !other),
    };
    let part = stage.symptom_part.as_ref().filter(|_| fate.part);
    let own = question.row.notice.as_ref().filter(|_| stage.row_symptom);
    one_way.or(part).or(own).unwrap_or(&stage.symptom).clone()
}
