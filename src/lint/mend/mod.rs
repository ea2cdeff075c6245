//! Remedies that were tried: lines to put in, after which what a finding is about gets through, and nothing else.
//!
//! Lines are put where they should decide, the firewall's files are read again, and the finding's questions are
//! asked again. What is still refused then, by another rule or for want of a translation, gets its lines in the
//! next round. In the end the firewalls are compared with what they were: packets that they treat in another way
//! have to be those that the finding names.

pub(in crate::lint) mod close;
mod draft;
mod owner;
mod place;
mod propose;
mod trial;
pub(super) mod words;

use crate::analysis::{Decider, Trip, interpret};
use crate::dialect::write::{Goal, Job, Wanted};
use crate::dialect::{Answers, Lines};
use crate::finding::{Edit, Mend};
use crate::judge::{Firewall, Judge, Share, number};
use crate::lint::requirements::{Fault, Trouble, ends, host};
use crate::model::{Hook, Verdict, Way};
use crate::packet::{Family, Field, Set, Value, interface_name};
use crate::site::{Crossing, End, Leg};

use rustc_hash::{FxHashMap, FxHashSet};

use draft::Draft;
use place::{Places, STYLES};
pub(crate) use propose::{Shop, settle};
use trial::Made;
pub(crate) use trial::{Files, Workshop};

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

/// Looks for lines that mend what a group of troubles is about.
pub(super) fn seek(judge: &Judge<'_>, workshop: &Workshop<'_>, group: &[Trouble<'_>]) -> Outcome {
    let plans =
        [false, true].into_iter().flat_map(|second| (0..STYLES).map(move |style| Plan { style, second }));
    let mut tried: Vec<Vec<Edit>> = Vec::new();
    for plan in plans {
        match attempt(judge, workshop, group, plan, &mut tried) {
            Outcome::Nothing => {}
            found => return found,
        }
    }
    Outcome::Nothing
}

fn attempt(
    judge: &Judge<'_>,
    workshop: &Workshop<'_>,
    group: &[Trouble<'_>],
    plan: Plan,
    tried: &mut Vec<Vec<Edit>>,
) -> Outcome {
    let mut draft = Draft::new(workshop.sources);
    let mut made: Vec<Made> = Vec::new();
    let mut all: Vec<Task> = Vec::new();
    let mut rest: Option<Vec<Trouble<'_>>> = None;
    let mut rounds_at: FxHashMap<(usize, Option<Hook>, Goal), usize> = FxHashMap::default();
    for _ in 0..ROUNDS {
        let needed = {
            let now = trial::judge_of(judge, &made);
            let now = now.as_ref().unwrap_or(judge);
            let troubles = rest.as_deref().unwrap_or(group);
            let tasks: Option<Vec<Task>> = tasks(now, troubles, plan);
            let Some(tasks) = tasks.filter(|tasks| !tasks.is_empty()) else { return Outcome::Nothing };
            if put(now, workshop, &made, &tasks, plan, &mut draft).is_none() {
                return Outcome::Nothing;
            }
            tasks
        };
        if needed.iter().all(|task| all.contains(task)) {
            return Outcome::Nothing;
        }
        let places: FxHashSet<_> = needed.iter().map(|task| (task.firewall, task.hook, task.goal)).collect();
        for place in places {
            let rounds = rounds_at.entry(place).or_default();
            *rounds += 1;
            if *rounds > ROUNDS_AT_A_PLACE {
                return Outcome::Nothing;
            }
        }
        let edits = draft.edits();
        if tried.contains(&edits)
            || edits.iter().map(|edit| edit.text.lines().count()).sum::<usize>() > MOST_LINES
        {
            return Outcome::Nothing;
        }
        tried.push(edits);
        let mut firewalls: Vec<usize> = made.iter().map(|made| made.at).collect();
        firewalls.extend(needed.iter().map(|task| task.firewall));
        firewalls.sort_unstable();
        firewalls.dedup();
        all.extend(needed);
        let size = |at: &usize| judge.firewall(*at).map_or(0, |firewall| trial::size(&firewall.rules));
        if !workshop.may_try(firewalls.iter().map(size).sum::<usize>() + 20 * group.len()) {
            return Outcome::Untried;
        }
        let read = |at: &usize| workshop.read(&draft, *at, judge.firewall(*at)?);
        let Some(again) = firewalls.iter().map(read).collect::<Option<Vec<Made>>>() else {
            return Outcome::Nothing;
        };
        made = again;
        let Some(now) = trial::judge_of(judge, &made) else { return Outcome::Nothing };
        let left = trial::left(&now, group);
        let whole = whole(judge, &all);
        if left.is_empty() {
            return match trial::opens_no_more(judge, &now, &made, group, whole) {
                true => Outcome::Works(remedy(&draft, all, whole)),
                false => Outcome::Nothing,
            };
        }
        // That its answers are blocked is another finding, where no line mends that as well.
        if !group[0].reply()
            && left.iter().all(|trouble| trouble.reply())
            && tasks(&now, &left, plan).is_none()
        {
            return match trial::opens_no_more(judge, &now, &made, group, whole) {
                true => Outcome::Works(Remedy { answered: false, ..remedy(&draft, all, whole) }),
                false => Outcome::Nothing,
            };
        }
        rest = Some(left);
    }
    Outcome::Nothing
}

/// Whether lines are about more than the ports of the finding, as translations of whole addresses are.
fn whole(judge: &Judge<'_>, tasks: &[Task]) -> bool {
    let of_addresses = |at| judge.firewall(at).is_some_and(|firewall| lines(firewall).of_interfaces);
    tasks.iter().any(|task| task.goal != Goal::Pass && of_addresses(task.firewall))
}

fn remedy(draft: &Draft<'_>, tasks: Vec<Task>, whole: bool) -> Remedy {
    let mut remedy = Remedy {
        mends: draft.mends(),
        edits: draft.edits(),
        translates: Vec::new(),
        passes: Vec::new(),
        answered: true,
        whole,
    };
    for task in tasks {
        match task.goal {
            Goal::Translate(to) => remedy.translates.push((task.wanted, to)),
            Goal::Pass => remedy.passes.push((task.firewall, task.wanted, task.ports)),
            Goal::Answer | Goal::Refuse => {}
        }
    }
    remedy
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
fn tasks(judge: &Judge<'_>, troubles: &[Trouble<'_>], plan: Plan) -> Option<Vec<Task>> {
    let mut tasks: Vec<Task> = Vec::new();
    let mut known: FxHashSet<Task> = FxHashSet::default();
    for trouble in troubles {
        // What no rule decides about is decided by none that could be put in.
        // Where ports were opened for the wrong transport, that rule stands first, and decides nothing.
        let decide = trouble.blame.iter().skip(usize::from(trouble.fault == Fault::WrongTransport));
        // Each takes a line.
        if decide.len() > MOST_IN_THE_WAY || tasks.len() > MOST_LINES {
            return None;
        }
        for share in decide.filter(|share| share.astray || share.by != Decider::End) {
            for task in of_share(judge, trouble, share, plan)? {
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

/// How a packet of a trouble comes to a firewall.
struct Seen {
    crossings: Vec<Crossing>,
    /// The hook that it is refused at.
    hook: Hook,
    /// Its destination there.
    dst: Option<u128>,
    /// The firewall is the first that it comes to.
    first: bool,
}

fn of_share(judge: &Judge<'_>, trouble: &Trouble<'_>, share: &Share, plan: Plan) -> Option<Vec<Task>> {
    let firewall = judge.firewall(share.firewall)?;
    let seen = seen(judge, trouble, share)?;
    let near = trouble.near.addresses.single();
    let family = trouble.near.family;
    let public = trouble.public(judge.site);
    let ports = if trouble.flow.any_port { trouble.asked.clone() } else { trouble.bad.and(&share.values) };
    if ports.is_empty() {
        return Some(Vec::new());
    }
    let ports = whole_pairs(judge, trouble, &ports);
    let to_device = trouble.flow.leg == Leg::ToDevice;
    let translates = to_device && !public.is_empty() && near.is_some() && seen.first;
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
        _ if !trouble.reply() => Goal::Pass,
        _ => match lines(firewall).answers {
            Answers::ByState => Goal::Answer,
            Answers::ByRule => Goal::Pass,
            Answers::OfItself => return None,
        },
    };
    let of_interfaces = lines(firewall).of_interfaces;
    let addresses: Vec<Option<u128>> = match near {
        _ if here || of_interfaces && to_device && plan.second && !public.is_empty() => {
            public.ranges().iter().flat_map(|(lo, hi)| *lo..=*hi).map(Some).collect()
        }
        Some(_) if to_device && seen.dst.is_some() => vec![seen.dst],
        near => vec![near],
    };
    let mut tasks = Vec::new();
    for far in ends(judge, &trouble.whom.party, family) {
        let everywhere = far.is_none();
        let far = if matches!(goal, Goal::Translate(_)) && !plan.second { None } else { far };
        for own in addresses.iter().map(|own| own.map(|number| host(family, number))) {
            let (src, dst) = if to_device { (far, own) } else { (own, far) };
            let sides = sides(&seen.crossings, goal, far.is_none(), of_interfaces);
            for (iif, oif) in sides {
                // Where destinations are translated, nothing is known yet of where packets leave.
                let oif = oif.filter(|_| of_interfaces || !matches!(goal, Goal::Translate(_)));
                let wanted = Wanted { family, src, dst, iif, oif, protocol: number(trouble.transport) };
                let hook = Some(seen.hook);
                let ports = ports.clone();
                tasks.push(Task { firewall: share.firewall, by: share.by, hook, goal, wanted, ports });
            }
        }
        if everywhere {
            break;
        }
    }
    Some(tasks)
}

/// The ports that lines take for some of a trouble's: a stream of RTP together with its RTCP, where the device needs both
/// for the same peers. Nobody writes every other port of a range.
fn whole_pairs(judge: &Judge<'_>, trouble: &Trouble<'_>, ports: &Set) -> Set {
    let row = trouble.flow.requirement;
    let product = judge.catalog.product(&judge.site.devices[trouble.flow.device].product);
    let (Some(product), true, Leg::ToDevice) = (product, row.parity.is_some(), trouble.flow.leg) else {
        return ports.clone();
    };
    let beside = product.requirements.iter().filter(|other| {
        other.parity.is_some()
            && other.parity != row.parity
            && (&other.peer, &other.transports) == (&row.peer, &row.transports)
    });
    let beside = beside
        .fold(Set::empty(), |set, other| set.or(&judge.site.ports_of(trouble.flow.device, product, other)));
    let partners = ports.ranges().iter().filter(|(lo, hi)| lo == hi).map(|(port, _)| (port ^ 1, port ^ 1));
    ports.or(&Set::of(partners).and(&beside))
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

/// How the packets of a trouble come to the firewall of a share.
fn seen(judge: &Judge<'_>, trouble: &Trouble<'_>, share: &Share) -> Option<Seen> {
    let witness = trouble.witness.as_ref()?;
    let rules = &judge.firewall(share.firewall)?.rules;
    let family = trouble.near.family;
    let near = End { zone: trouble.near.zone, device: Some(trouble.flow.device) };
    let mut crossings: Vec<Crossing> = Vec::new();
    for far in &trouble.whom.party.places {
        let far = End { zone: far.zone, device: far.device };
        let path = match trouble.flow.leg {
            Leg::ToDevice => judge.site.path(far, near),
            Leg::FromDevice => judge.site.path(near, far),
        };
        crossings.extend(path.into_iter().flatten().filter(|crossing| crossing.firewall == share.firewall));
    }
    let crossing = crossings.first()?.clone();
    let first = witness.firewall == share.firewall;
    let mut packet = witness.packet.clone();
    if !first
        && trouble.flow.leg == Leg::ToDevice
        && let Some(own) = trouble.near.addresses.single()
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
    let hook = match (way, trouble.reply()) {
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
