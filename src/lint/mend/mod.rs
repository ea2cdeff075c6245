//! Remedies that were tried: lines to put in, after which what is asked for gets through, and nothing else.
//!
//! Lines are put where they should decide, the firewall's files are read again, and the questions are asked again.
//! What is still refused then, by another rule or for want of a translation, gets its lines in the next round. In the
//! end the firewalls are compared with what they were: packets that they treat in another way have to be those that
//! are asked for.

pub(in crate::lint) mod close;
mod draft;
pub(super) mod help;
mod lack;
pub(super) mod owner;
mod place;
mod propose;
mod trial;

use crate::analysis::{Decider, Trip, interpret};
use crate::dialect::write::{Goal, Job, Wanted};
use crate::dialect::{Answers, Lines};
use crate::finding::{Edit, Mend};
use crate::judge::{Firewall, Judge, Share};
use crate::lint::requirements::host;
use crate::model::{Hook, Verdict, Way};
use crate::packet::{Family, Field, Prefix, Set, Value, interface_name};
use crate::site::{Crossing, End, Leg};

use rustc_hash::{FxHashMap, FxHashSet};

use draft::Draft;
pub(super) use lack::Lack;
use place::{Places, STYLES};
pub(crate) use propose::{Shop, settle};
pub(crate) use trial::{Beyond, Files, Workshop};
pub(super) use trial::{Made, judge_of};

/// Rounds until all that stands in the way is out of it.
const ROUNDS: usize = 5;
/// Rounds in which lines are put in at one hook for one goal: where a third is needed, there is no end of it.
const ROUNDS_AT_A_PLACE: usize = 2;
/// Lines beyond which a remedy is none that somebody reads.
const MOST_LINES: usize = 400;

/// Deciders beyond which nothing simple lets a row through.
const MOST_IN_THE_WAY: usize = 16;

/// Lines that mend a finding.
pub(super) struct Remedy {
    /// For people.
    pub mends: Vec<Mend>,
    /// The changes to the files.
    pub edits: Vec<Edit>,
    /// What it translates: from which address to which.
    pub translates: Vec<(Wanted, std::net::IpAddr)>,
    /// What it lets through, on which firewall.
    pub passes: Vec<(usize, Wanted, Set)>,
    /// The answers get back, too.
    pub answered: bool,
    /// It translates whole addresses, whatever the ports.
    pub whole: bool,
    /// What it opens besides.
    pub besides: Vec<Beyond>,
}

/// What came of looking for a remedy.
pub(super) enum Outcome {
    /// It was tried, and works.
    Works(Remedy),
    /// None was found.
    Nothing,
    /// Too much was tried already.
    Untried,
}

/// How lines are made and placed.
#[derive(Clone, Copy)]
struct Plan {
    style: usize,
    /// Translations are for the sources of the finding alone, and the lists of interfaces name addresses as they come.
    second: bool,
}

/// One need at one firewall.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Task {
    firewall: usize,
    by: Decider,
    hook: Option<Hook>,
    goal: Goal,
    wanted: Wanted,
    ports: Set,
}

/// What lines are to do.
#[derive(Clone, Copy)]
pub(super) struct Aim<'t> {
    /// What does not get through.
    pub lacks: &'t [Lack],
    /// What of it still does not, asked again of firewalls with lines put in.
    pub again: &'t dyn Fn(&Judge<'_>) -> Vec<Lack>,
    /// Nothing else may get through; else it is the caller who tells what does.
    pub exact: bool,
    /// Lines without which it works as well are taken out again, one place after the other.
    pub fewest: bool,
}

/// Looks for lines that let through what is lacking.
pub(super) fn seek(judge: &Judge<'_>, workshop: &Workshop<'_>, aim: Aim<'_>) -> Outcome {
    let plans =
        [false, true].into_iter().flat_map(|second| (0..STYLES).map(move |style| Plan { style, second }));
    let mut tried: Vec<Vec<Edit>> = Vec::new();
    for plan in plans {
        match attempt(judge, workshop, aim, plan, &mut tried) {
            Outcome::Nothing => {}
            found => return found,
        }
    }
    Outcome::Nothing
}

/// One attempt at a remedy, round by round.
struct Attempt<'t, 'j> {
    judge: &'t Judge<'j>,
    workshop: &'t Workshop<'t>,
    aim: Aim<'t>,
    plan: Plan,
    draft: Draft<'t>,
    /// The firewalls with the lines of the rounds before.
    made: Vec<Made>,
    /// What lines were written for.
    all: Vec<Task>,
    rounds_at: FxHashMap<(usize, Option<Hook>, Goal), usize>,
}

fn attempt(
    judge: &Judge<'_>,
    workshop: &Workshop<'_>,
    aim: Aim<'_>,
    plan: Plan,
    tried: &mut Vec<Vec<Edit>>,
) -> Outcome {
    let mut attempt = Attempt {
        judge,
        workshop,
        aim,
        plan,
        draft: Draft::new(workshop.sources),
        made: Vec::new(),
        all: Vec::new(),
        rounds_at: FxHashMap::default(),
    };
    let mut rest: Option<Vec<Lack>> = None;
    for _ in 0..ROUNDS {
        let Some(needed) = attempt.write(rest.as_deref().unwrap_or(aim.lacks)) else {
            return Outcome::Nothing;
        };
        let edits = attempt.draft.edits();
        let lines = edits.iter().map(|edit| edit.text.lines().count()).sum::<usize>();
        if tried.contains(&edits) || lines > MOST_LINES {
            return Outcome::Nothing;
        }
        tried.push(edits);
        let mut firewalls: Vec<usize> = attempt.made.iter().map(|made| made.at).collect();
        firewalls.extend(needed.iter().map(|task| task.firewall));
        firewalls.sort_unstable();
        firewalls.dedup();
        attempt.all.extend(needed);
        if !attempt.may_try(&firewalls) {
            return Outcome::Untried;
        }
        let read = |at: &usize| workshop.read(&attempt.draft, *at, judge.firewall(*at)?);
        let Some(made) = firewalls.iter().map(read).collect() else { return Outcome::Nothing };
        attempt.made = made;
        let Some(now) = trial::judge_of(judge, &attempt.made) else { return Outcome::Nothing };
        let left = (aim.again)(&now);
        if left.is_empty() {
            return attempt.with_fewest_lines().done(true);
        }
        // That its answers are blocked is another finding, where no line mends that as well.
        let answers_alone = aim.lacks.iter().any(|lack| !lack.reply) && left.iter().all(|lack| lack.reply);
        if answers_alone && tasks(&now, &left, plan).is_none() {
            return attempt.done(false);
        }
        rest = Some(left);
    }
    Outcome::Nothing
}

impl<'t> Attempt<'t, '_> {
    /// Writes lines for what is still refused, and says what they are for; `None` where there are none, or no end of
    /// them.
    fn write(&mut self, lacks: &[Lack]) -> Option<Vec<Task>> {
        let now = trial::judge_of(self.judge, &self.made);
        let now = now.as_ref().unwrap_or(self.judge);
        let needed = tasks(now, lacks, self.plan).filter(|tasks| !tasks.is_empty())?;
        put(now, self.workshop, &self.made, &needed, self.plan, &mut self.draft)?;
        if needed.iter().all(|task| self.all.contains(task)) {
            return None;
        }
        let places: FxHashSet<_> = needed.iter().map(|task| (task.firewall, task.hook, task.goal)).collect();
        for place in places {
            let rounds = self.rounds_at.entry(place).or_default();
            *rounds += 1;
            if *rounds > ROUNDS_AT_A_PLACE {
                return None;
            }
        }
        Some(needed)
    }

    /// Whether there is work left to read and ask some firewalls again.
    fn may_try(&self, firewalls: &[usize]) -> bool {
        let size = |at: &usize| self.judge.firewall(*at).map_or(0, |firewall| trial::size(&firewall.rules));
        self.workshop.may_try(firewalls.iter().map(size).sum::<usize>() + 20 * self.aim.lacks.len())
    }

    /// The same with lines of several rounds in one, and without those that others make needless.
    fn with_fewest_lines(mut self) -> Self {
        if !self.aim.fewest {
            return self;
        }
        let mut draft = Draft::new(self.workshop.sources);
        let joined = joined(&self.all);
        if joined.len() < self.all.len()
            && put(self.judge, self.workshop, &[], &joined, self.plan, &mut draft).is_some()
        {
            self.adopt(draft);
        }
        let places = self.draft.places();
        for place in places.iter().rev().filter(|_| places.len() > 1) {
            self.adopt(self.draft.without(*place));
        }
        self
    }

    /// Takes other lines, if they do as well.
    fn adopt(&mut self, draft: Draft<'t>) {
        let firewalls: Vec<usize> = self.made.iter().map(|made| made.at).collect();
        if !self.may_try(&firewalls) {
            return;
        }
        let read = |at: &usize| self.workshop.read(&draft, *at, self.judge.firewall(*at)?);
        let Some(made) = firewalls.iter().map(read).collect::<Option<Vec<Made>>>() else { return };
        let now = trial::judge_of(self.judge, &made);
        if now.is_some_and(|now| (self.aim.again)(&now).is_empty()) {
            (self.draft, self.made) = (draft, made);
        }
    }

    /// The remedy, if nothing else passes with it.
    fn done(&self, answered: bool) -> Outcome {
        let whole = whole(self.judge, &self.all);
        let Some(now) = trial::judge_of(self.judge, &self.made) else { return Outcome::Nothing };
        match trial::beyond(self.judge, &now, &self.made, self.aim.lacks, whole) {
            Some(besides) if besides.is_empty() || !self.aim.exact => {
                Outcome::Works(Remedy { answered, besides, ..remedy(&self.draft, &self.all, whole) })
            }
            _ => Outcome::Nothing,
        }
    }
}

/// Whether lines are about more than the ports that are lacking, as translations of whole addresses are.
fn whole(judge: &Judge<'_>, tasks: &[Task]) -> bool {
    let of_addresses = |at| judge.firewall(at).is_some_and(|firewall| lines(firewall).of_interfaces);
    tasks.iter().any(|task| task.goal != Goal::Pass && of_addresses(task.firewall))
}

fn remedy(draft: &Draft<'_>, tasks: &[Task], whole: bool) -> Remedy {
    let mut remedy = Remedy {
        mends: draft.mends(),
        edits: draft.edits(),
        translates: Vec::new(),
        passes: Vec::new(),
        answered: true,
        whole,
        besides: Vec::new(),
    };
    for task in tasks {
        match task.goal {
            Goal::Translate(to) => remedy.translates.push((task.wanted.clone(), to)),
            Goal::Pass => remedy.passes.push((task.firewall, task.wanted.clone(), task.ports.clone())),
            Goal::Answer | Goal::Refuse => {}
        }
    }
    remedy
}

/// Tasks of which those that differ in ports alone are one.
fn joined(tasks: &[Task]) -> Vec<Task> {
    let mut joined: Vec<Task> = Vec::new();
    for task in tasks {
        let same = |other: &&mut Task| Task { ports: task.ports.clone(), ..(**other).clone() } == *task;
        match joined.iter_mut().find(same) {
            Some(other) => other.ports = other.ports.or(&task.ports),
            None => joined.push(task.clone()),
        }
    }
    joined
}

/// Puts lines in; nothing where there is no place for some.
fn put(
    judge: &Judge<'_>,
    workshop: &Workshop<'_>,
    made: &[Made],
    tasks: &[Task],
    plan: Plan,
    draft: &mut Draft<'_>,
) -> Option<()> {
    let same = |a: &Task, b: &Task| {
        (a.firewall, a.by, a.hook, a.goal, a.wanted.family)
            == (b.firewall, b.by, b.hook, b.goal, b.wanted.family)
    };
    let mut jobs: Vec<(&Task, Vec<(Wanted, Set)>)> = Vec::new();
    for task in tasks {
        let flow = (task.wanted.clone(), task.ports.clone());
        match jobs.iter_mut().find(|(first, _)| same(first, task)) {
            Some((_, flows)) => match flows.iter_mut().find(|(wanted, _)| *wanted == task.wanted) {
                Some((_, ports)) => *ports = ports.or(&task.ports),
                None => flows.push(flow),
            },
            None => jobs.push((task, vec![flow])),
        }
    }
    let mut spots = Vec::new();
    for (task, flows) in &jobs {
        let map =
            made.iter().find(|made| made.at == task.firewall).map_or(workshop.sources, |made| &made.map);
        let firewall = judge.firewall(task.firewall)?;
        let (rules, by, hook, family) = (&firewall.rules, task.by, task.hook, task.wanted.family);
        let at = Places { rules, by, hook, family }.of(task.goal).get(plan.style).copied();
        let (rule, chain) = match by {
            Decider::Rule(rule) => (Some(rule), Some(rule.chain)),
            Decider::Policy(hook, at) => (None, rules.stages(hook).get(at as usize).map(|stage| stage.chain)),
            Decider::End => (None, None),
        };
        let (goal, style) = (task.goal, plan.style);
        let found = (lines(firewall).spots)(&Job { map, rules, rule, chain, at, family, goal, flows, style });
        if found.is_empty() {
            return None;
        }
        spots.extend(found);
    }
    // From behind, as each moves what follows it.
    spots.sort_by_key(|spot| std::cmp::Reverse((spot.file, spot.at)));
    spots.into_iter().for_each(|spot| draft.put(spot));
    Some(())
}

/// What is needed, firewall by firewall; nothing where something is in the way that no line mends.
fn tasks(judge: &Judge<'_>, lacks: &[Lack], plan: Plan) -> Option<Vec<Task>> {
    let mut tasks: Vec<Task> = Vec::new();
    let mut known: FxHashSet<Task> = FxHashSet::default();
    for lack in lacks {
        // Each takes a line.
        if lack.blame.len() > MOST_IN_THE_WAY || tasks.len() > MOST_LINES {
            return None;
        }
        // What no rule decides about is decided by none that could be put in.
        for share in lack.blame.iter().filter(|share| share.astray || share.by != Decider::End) {
            for task in of_share(judge, lack, share, plan)? {
                if known.insert(task.clone()) {
                    tasks.push(task);
                }
            }
        }
    }
    Some(tasks)
}

/// How lines are written for a firewall.
fn lines(firewall: &Firewall) -> &'static Lines {
    &firewall.dialect.language().lines
}

/// How a packet that is lacking comes to a firewall.
struct Seen {
    crossings: Vec<Crossing>,
    /// The hook that it is refused at.
    hook: Hook,
    /// Its destination there.
    dst: Option<u128>,
    /// The firewall is the first that it comes to.
    first: bool,
}

fn of_share(judge: &Judge<'_>, lack: &Lack, share: &Share, plan: Plan) -> Option<Vec<Task>> {
    let firewall = judge.firewall(share.firewall)?;
    let seen = seen(judge, lack, share)?;
    let near = lack.near.addresses.single();
    let family = lack.near.family;
    let ports = if lack.together { lack.ports.clone() } else { lack.ports.and(&share.values) };
    if ports.is_empty() {
        return Some(Vec::new());
    }
    let ports = lack.in_pairs(&ports);
    let to_device = lack.leg == Leg::ToDevice;
    let translates = to_device && !lack.public.is_empty() && near.is_some() && seen.first;
    let forwards = seen.crossings.iter().all(|crossing| crossing.way == Way::Forward);
    // Filters before the translation see the packets as they came.
    let early = !lines(firewall).filter_translates && is_early(judge, share);
    let missing = seen.dst != near && !early && !plan.second;
    let here = translates && forwards && (share.astray || missing);
    if share.astray && !here {
        return None;
    }
    let goal = match near {
        Some(near) if here => Goal::Translate(family.address(near)),
        _ if !lack.reply => Goal::Pass,
        _ => match lines(firewall).answers {
            Answers::ByState => Goal::Answer,
            Answers::ByRule => Goal::Pass,
            Answers::OfItself => return None,
        },
    };
    let of_interfaces = lines(firewall).of_interfaces;
    let one = |number: u128| Some(host(family, number));
    let own_ends: Vec<Option<Prefix>> = match seen.dst {
        _ if here || of_interfaces && to_device && plan.second && !lack.public.is_empty() => {
            lack.public.ranges().iter().flat_map(|(lo, hi)| *lo..=*hi).map(one).collect()
        }
        Some(dst) if to_device && near.is_some() => vec![one(dst)],
        _ => lack.near_ends.clone(),
    };
    let mut tasks = Vec::new();
    for far in &lack.far_ends {
        let everywhere = far.is_none();
        let far = if matches!(goal, Goal::Translate(_)) && !plan.second { None } else { *far };
        for own in &own_ends {
            let (src, dst) = if to_device { (far, *own) } else { (*own, far) };
            let sides = sides(&seen.crossings, goal, far.is_none(), of_interfaces);
            for (iif, oif) in sides {
                // Where destinations are translated, nothing is known yet of where packets leave.
                let oif = oif.filter(|_| of_interfaces || !matches!(goal, Goal::Translate(_)));
                let wanted = Wanted { family, src, dst, iif, oif, protocol: lack.protocol };
                let (firewall, by, hook) = (share.firewall, share.by, Some(seen.hook));
                tasks.push(Task { firewall, by, hook, goal, wanted, ports: ports.clone() });
            }
        }
        if everywhere {
            break;
        }
    }
    Some(tasks)
}

/// Whether who decides does so before destinations are translated.
fn is_early(judge: &Judge<'_>, share: &Share) -> bool {
    let Some(firewall) = judge.firewall(share.firewall) else { return false };
    match share.by {
        Decider::Policy(hook, _) => hook == Hook::Prerouting,
        Decider::Rule(rule) => {
            firewall.rules.stages(Hook::Prerouting).iter().any(|stage| stage.chain == rule.chain)
        }
        Decider::End => false,
    }
}

/// The interfaces that lines name: where an address does not say it, the one by which the packets come or leave.
fn sides(
    crossings: &[Crossing],
    goal: Goal,
    from_anywhere: bool,
    always: bool,
) -> Vec<(Option<String>, Option<String>)> {
    let names = |set: &Option<Set>| -> Vec<Option<String>> {
        match set {
            Some(set) if set.count() <= 8 => {
                let each = set.ranges().iter().flat_map(|(lo, hi)| *lo..=*hi);
                each.map(|name| Some(interface_name(name))).collect()
            }
            _ => vec![None],
        }
    };
    let translates = matches!(goal, Goal::Translate(_));
    if !(from_anywhere || always || translates) {
        return vec![(None, None)];
    }
    let mut sides = Vec::new();
    for crossing in crossings.iter().filter(|crossing| crossing.way == Way::Forward) {
        for iif in names(&crossing.iif) {
            for oif in names(&crossing.oif) {
                let side = (iif.clone(), oif);
                if !sides.contains(&side) {
                    sides.push(side);
                }
            }
        }
    }
    if sides.is_empty() { vec![(None, None)] } else { sides }
}

/// How the packets that are lacking come to the firewall of a share.
fn seen(judge: &Judge<'_>, lack: &Lack, share: &Share) -> Option<Seen> {
    let witness = lack.witness.as_ref()?;
    let rules = &judge.firewall(share.firewall)?.rules;
    let family = lack.near.family;
    let near = End { zone: lack.near.zone, device: lack.device };
    let mut crossings: Vec<Crossing> = Vec::new();
    for far in &lack.party.places {
        let far = End { zone: far.zone, device: far.device };
        let path = match lack.leg {
            Leg::ToDevice => judge.site.path(far, near),
            Leg::FromDevice => judge.site.path(near, far),
        };
        crossings.extend(path.into_iter().flatten().filter(|crossing| crossing.firewall == share.firewall));
    }
    let crossing = crossings.first()?.clone();
    let first = witness.firewall == share.firewall;
    let mut packet = witness.packet.clone();
    if !first
        && lack.leg == Leg::ToDevice
        && let Some(own) = lack.near.addresses.single()
    {
        packet.set(Field::dst(family), own);
    }
    let one = |set: &Option<Set>| set.as_ref().and_then(|set| set.ranges().first().map(|(lo, _)| *lo));
    for (field, set) in [(Field::Iif, &crossing.iif), (Field::Oif, &crossing.oif)] {
        if let Some(name) = one(set) {
            packet.set(field, name);
        }
    }
    let dst = |packet: &crate::packet::Packet| match packet.get(Field::dst(family)) {
        Value::Known(number) => Some(number),
        _ => None,
    };
    let to_box = dst(&packet).is_some_and(|number| rules.own_set(family).contains(number));
    let way = if crossing.way == Way::Forward && to_box { Way::Input } else { crossing.way };
    let (way, dst) = if judge.flow(share.firewall)?.keeps_destinations() {
        (way, dst(&packet))
    } else {
        let trip = Trip { packet, way, fwd_oif: one(&crossing.oif), loopback: false };
        let outcomes = interpret(rules, &trip, &mut ());
        let end = outcomes.iter().find(|end| end.verdict != Verdict::Accept).or(outcomes.first())?;
        (end.way, dst(&end.packet))
    };
    let hook = match (way, lack.reply) {
        (Way::Forward, _) => Hook::Forward,
        (Way::Input, false) | (Way::Output, true) => Hook::Input,
        (Way::Output, false) | (Way::Input, true) => Hook::Output,
    };
    Some(Seen { crossings, hook, dst, first })
}

/// The addresses of a family among some.
pub(super) fn numbers<'n>(addresses: impl Iterator<Item = &'n std::net::IpAddr>, family: Family) -> Set {
    let of_family = addresses.map(|address| Family::of(*address)).filter(|(of, _)| *of == family);
    Set::of(of_family.map(|(_, number)| (number, number)))
}
