//! Firewalls read again with lines put in, and judged again.

use std::cell::{Cell, RefCell};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use super::draft::Draft;
use super::whole_pairs;
use crate::analysis::Flow;
use crate::analysis::compare::{Difference, Kind, Region, Scope, compare_within};
use crate::analysis::flow::{Class, Classes, Ctrl, Hop};
use crate::dialect::{Dialect, Environment, load};
use crate::finding::{Edit, Finding, applied};
use crate::judge::{Firewall, Judge, number};
use crate::lint::cores;
use crate::lint::requirements::{Trouble, look_at};
use crate::model::{Nat, NatPort, Ruleset, Way};
use crate::packet::{Family, Field, Set, Space, Spaces, State};
use crate::rule::Lint;
use crate::site::{Crossing, End, Leg, ZoneId};
use crate::source::{SourceId, SourceMap};

/// Work that comparing a firewall before and after may take for one family, in steps of [`Spaces`].
const COMPARE_LIMIT: u64 = 1_000_000;
/// Trials in one run.
const MOST_TRIALS: u32 = 60;
/// Work in all trials of one run: rules that are read, questions that are asked, [`size`].
const MOST_WORK: usize = 30_000;

/// Questions of one finding that one desk answers: they go the same ways.
const OF_ONE_DESK: usize = 32;

/// The files of a firewall.
#[derive(Debug)]
pub(crate) struct Files {
    ids: Vec<SourceId>,
    /// Each reading draws on its budget: one at a time.
    environment: Mutex<Environment>,
}

impl Files {
    /// Files as they were read.
    pub(crate) fn of(ids: &[SourceId], environment: &Environment) -> Files {
        Files { ids: ids.to_vec(), environment: Mutex::new(environment.clone()) }
    }

    fn environment(&self) -> MutexGuard<'_, Environment> {
        // Whoever panicked with it has left it whole: `load` begins its budget anew.
        self.environment.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The files with those of its sets.
    fn all(&self) -> Vec<SourceId> {
        self.ids.iter().chain(&self.environment().ipsets).copied().collect()
    }
}

/// Where remedies are tried.
pub(crate) struct Workshop<'w> {
    /// All files.
    pub(super) sources: &'w SourceMap,
    files: &'w [Option<Files>],
    trials: Cell<u32>,
    work: Cell<usize>,
    /// What reading the files of each firewall had to say, by code.
    said: RefCell<FxHashMap<usize, Vec<&'static Lint>>>,
}

/// A firewall as it would be.
pub(crate) struct Made {
    /// Index into the site's firewalls.
    pub at: usize,
    /// Its files.
    pub map: SourceMap,
    /// What came of reading them.
    pub firewall: Firewall,
}

impl<'w> Workshop<'w> {
    /// The texts of all files.
    pub(crate) fn sources(&self) -> &'w SourceMap {
        self.sources
    }

    /// A workshop for the firewalls of a site, by their index.
    pub(crate) fn new(sources: &'w SourceMap, files: &'w [Option<Files>]) -> Self {
        Workshop { sources, files, trials: Cell::new(0), work: Cell::new(0), said: RefCell::default() }
    }

    /// Whether any more trial may be made.
    pub(crate) fn may_try_more(&self) -> bool {
        self.trials.get() < MOST_TRIALS
    }

    /// Whether one more trial may be made: one of so many rules and questions.
    pub(crate) fn may_try(&self, size: usize) -> bool {
        let work = self.work.get() + size;
        let may = self.may_try_more() && work <= MOST_WORK;
        if may {
            self.trials.set(self.trials.get() + 1);
            self.work.set(work);
        }
        may
    }

    /// Reads a firewall with what was put in; `None` where its files cannot be read so, or where reading finds
    /// more to say than before.
    pub(crate) fn read(&self, draft: &Draft<'_>, at: usize, before: &Firewall) -> Option<Made> {
        let files = self.files.get(at)?.as_ref()?;
        self.made(draft.read(&files.all()).ok()?, at, before)
    }

    /// The rules of a firewall with changed files, likewise.
    pub(crate) fn edited(&self, edits: &[Edit], at: usize, before: &Firewall) -> Option<Ruleset> {
        Some(self.changed(edits, at, before)?.firewall.rules)
    }

    /// A firewall with changed files, likewise.
    pub(super) fn changed(&self, edits: &[Edit], at: usize, before: &Firewall) -> Option<Made> {
        let files = self.files.get(at)?.as_ref()?;
        let map = self.sources.with_texts(&files.all(), &applied(self.sources, edits)?).ok()?;
        self.made(map, at, before)
    }

    /// Likewise, with the lints of what reading it has to say.
    pub(super) fn changed_and_said(
        &self,
        edits: &[Edit],
        at: usize,
        before: &Firewall,
    ) -> Option<(Made, Vec<&'static Lint>)> {
        let files = self.files.get(at)?.as_ref()?;
        let map = self.sources.with_texts(&files.all(), &applied(self.sources, edits)?).ok()?;
        self.read_again(map, at, before)
    }

    /// The files of a firewall, and those that they include.
    pub(super) fn files_of(&self, at: usize) -> Vec<SourceId> {
        self.files.get(at).and_then(Option::as_ref).map_or(Vec::new(), Files::all)
    }

    fn made(&self, map: SourceMap, at: usize, before: &Firewall) -> Option<Made> {
        self.read_again(map, at, before).map(|(made, _)| made)
    }

    fn read_again(
        &self,
        mut map: SourceMap,
        at: usize,
        before: &Firewall,
    ) -> Option<(Made, Vec<&'static Lint>)> {
        let files = self.files.get(at)?.as_ref()?;
        let mut loaded = load(before.dialect, &mut map, &files.ids, &files.environment());
        if worse(&loaded.findings, &self.said_before(at, before.dialect)?) {
            return None;
        }
        loaded.ruleset.elsewhere.clone_from(&before.rules.elsewhere);
        let firewall = Firewall { name: before.name.clone(), rules: loaded.ruleset, ..*before };
        let said = loaded.findings.iter().map(Finding::lint).collect();
        Some((Made { at, map, firewall }, said))
    }

    /// The lints of what reading the files as they are has to say.
    pub(super) fn said_before(&self, at: usize, dialect: Dialect) -> Option<Vec<&'static Lint>> {
        if let Some(said) = self.said.borrow().get(&at) {
            return Some(said.clone());
        }
        let files = self.files.get(at)?.as_ref()?;
        let mut map = Draft::new(self.sources).read(&files.all()).ok()?;
        let loaded = load(dialect, &mut map, &files.ids, &files.environment());
        let said: Vec<&'static Lint> = loaded.findings.iter().map(|finding| finding.lint()).collect();
        self.said.borrow_mut().insert(at, said.clone());
        Some(said)
    }
}

/// The work of reading and judging a firewall: what hangs on a condition is a case of its own.
pub(super) fn size(rules: &Ruleset) -> usize {
    const OF_CONDITION: usize = 4;
    rules.rules() + OF_CONDITION * rules.conditions.len()
}

/// Whether reading says anything more often than before.
fn worse(after: &[Finding], before: &[&Lint]) -> bool {
    let mut more: FxHashMap<&str, usize> = FxHashMap::default();
    for lint in before {
        *more.entry(lint.code).or_default() += 1;
    }
    after.iter().any(|finding| match more.get_mut(finding.code()) {
        Some(left) if *left > 0 => {
            *left -= 1;
            false
        }
        _ => true,
    })
}

/// The judge with the firewalls as they would be.
pub(super) fn judge_of<'b, 'a: 'b>(judge: &Judge<'a>, made: &'b [Made]) -> Option<Judge<'b>> {
    let (first, rest) = made.split_first()?;
    let with_first: Judge<'b> = judge.with(first.at, &first.firewall);
    Some(rest.iter().fold(with_first, |judge, made| judge.with(made.at, &made.firewall)))
}

/// What is still in trouble of what the group asks.
pub(super) fn left<'a>(judge: &Judge<'_>, group: &[Trouble<'a>]) -> Vec<Trouble<'a>> {
    let mut asked: Vec<&Trouble<'a>> = Vec::new();
    for trouble in group {
        let same = |other: &&Trouble<'a>| other.is_of_question(trouble);
        if !asked.iter().rev().take(64).any(same) {
            asked.push(trouble);
        }
    }
    let order: Vec<usize> = (0..asked.len()).collect();
    let found = cores::for_parts(judge, &order, OF_ONE_DESK, |desk, at| {
        let asked = asked[at];
        let mut found = Vec::new();
        look_at(desk, &asked.flow, &asked.near, &asked.whom, &mut found);
        found
    });
    let is_ours = |trouble: &Trouble<'a>| {
        group.iter().any(|other| other.is_of_question(trouble) && other.transport == trouble.transport)
    };
    found.into_iter().flatten().filter(|trouble| is_ours(trouble)).collect()
}

/// Whether all that the firewalls treat in another way than before is what the group names.
/// `whole` says that lines are about other ports than those of the finding, too.
pub(super) fn opens_no_more(
    before: &Judge<'_>,
    after: &Judge<'_>,
    made: &[Made],
    group: &[Trouble<'_>],
    whole: bool,
) -> bool {
    let mut families: Vec<Family> = group.iter().map(|trouble| trouble.near.family).collect();
    families.sort_unstable();
    families.dedup();
    let order: Vec<usize> = (0..made.len()).collect();
    let fine = cores::for_each(after, &order, |_, at| {
        let at = made[at].at;
        families.iter().all(|family| {
            let (Some(old), Some(new)) = (before.flow(at), after.flow(at)) else { return false };
            let mut spaces = after.spaces(*family, 0);
            spaces.allow(COMPARE_LIMIT);
            let mut compare = Compare { judge: after, spaces: &mut spaces, family: *family, group };
            compare.fine(at, old, new, whole) && !spaces.exhausted()
        })
    });
    fine.into_iter().all(|fine| fine) && made.iter().all(|made| closes_nothing(before, made, group))
}

/// What a change to a firewall's files does to packets.
pub(super) fn difference(before: &Ruleset, after: &Ruleset) -> Difference {
    compare_within(before, after, &Scope::default(), COMPARE_LIMIT)
}

/// Whether lines close nothing, wherever it goes, but what goes to an address that they translate, real or mapped.
fn closes_nothing(before: &Judge<'_>, made: &Made, group: &[Trouble<'_>]) -> bool {
    let Some(old) = before.firewall(made.at) else { return false };
    let difference = difference(&old.rules, &made.firewall.rules);
    let closed =
        difference.regions.iter().filter(|region| matches!(region.kind, Kind::Closed | Kind::MayClose));
    let to_translated = |region: &Region| {
        let of_family = group.iter().filter(|trouble| trouble.near.family == region.family);
        let ends = |trouble: &Trouble<'_>| trouble.public(before.site).or(&trouble.near.addresses);
        let ends = of_family.fold(Set::empty(), |set, trouble| set.or(&ends(trouble)));
        region.field(Field::dst(region.family)).is_some_and(|to| ends.covers(to))
    };
    difference.unknown.is_empty() && closed.into_iter().all(to_translated)
}

/// A firewall before and after.
struct Compare<'c, 'a, 't> {
    judge: &'c Judge<'a>,
    spaces: &'c mut Spaces,
    family: Family,
    group: &'c [Trouble<'t>],
}

impl Compare<'_, '_, '_> {
    fn fine(&mut self, firewall: usize, old: &Flow<'_>, new: &Flow<'_>, whole: bool) -> bool {
        let named = self.named(whole);
        let moves = |nat: &Nat| nat.destination && nat.port != NatPort::Keep;
        let about = if whole { Space::ALL } else { self.about(!new.rules().nats.iter().any(moves)) };
        for (crossing, from, to) in self.crossings(firewall) {
            let mut packets = about;
            for (field, set) in [(Field::src(self.family), from), (Field::dst(self.family), to)] {
                let side = self.spaces.test(field, &set);
                packets = self.spaces.and(packets, side);
            }
            let packets = Classes::one(Class { space: packets, ctrl: Ctrl::new(Way::Forward) });
            let hop = Hop {
                by_address: crossing.way == Way::Forward,
                iif: crossing.iif.clone(),
                oif: crossing.oif.clone(),
                fwd_oif: crossing.oif.clone(),
                state: Some(State::New),
                ..Hop::first(crossing.way)
            };
            let Ok(was) = old.run(self.spaces, &packets, &hop) else { return false };
            let Ok(is) = new.run(self.spaces, &packets, &hop) else { return false };
            let (was, is) = (was.passed.union(self.spaces), is.passed.union(self.spaces));
            let (opened, closed) = (self.spaces.minus(is, was), self.spaces.minus(was, is));
            let changed = self.spaces.or(opened, closed);
            if !self.spaces.covers(named, changed) {
                return false;
            }
        }
        true
    }

    /// The packets that the finding names; with `whole`, where lines translate whole addresses, all to those: what
    /// the access list lets through to the device's own address was meant to reach it.
    fn named(&mut self, whole: bool) -> Space {
        let mut named = Space::NONE;
        for trouble in self.group.iter().filter(|trouble| trouble.near.family == self.family) {
            let far = trouble.whom.party.places.iter();
            let mut far = far.fold(Set::empty(), |set, far| set.or(far.addresses(self.family)));
            // What is for anybody may be for neighbours, too: a line cannot leave them out.
            if trouble.whom.party.anybody {
                far = far.or(self.judge.addresses(trouble.near.zone, self.family));
            }
            let near = trouble.near.addresses.or(&trouble.public(self.judge.site));
            let (src, dst) = match trouble.flow.leg {
                Leg::ToDevice => (far, near),
                Leg::FromDevice => (near, far),
            };
            if whole {
                let public = trouble.public(self.judge.site);
                let public = self.spaces.test(Field::dst(self.family), &public);
                named = self.spaces.or(named, public);
            }
            let mut space = self.spaces.test(Field::Proto, &Set::one(number(trouble.transport).into()));
            let sides = [
                (Field::src(self.family), &src),
                (Field::dst(self.family), &dst),
                (Field::Dport, &whole_pairs(self.judge, trouble, trouble.ports())),
            ];
            for (field, set) in sides {
                let side = self.spaces.test(field, set);
                space = self.spaces.and(space, side);
            }
            named = self.spaces.or(named, space);
        }
        named
    }

    /// The packets that lines for the group can be about: those of its protocols, and where no port is
    /// translated, of its ports.
    fn about(&mut self, by_port: bool) -> Space {
        let protocols = self.group.iter().map(|trouble| u128::from(number(trouble.transport)));
        let protocols = Set::of(protocols.map(|number| (number, number)));
        let about = self.spaces.test(Field::Proto, &protocols);
        if !by_port {
            return about;
        }
        let ports = self
            .group
            .iter()
            .flat_map(|trouble| whole_pairs(self.judge, trouble, trouble.ports()).ranges().to_vec());
        let ports = self.spaces.test(Field::Dport, &Set::of(ports));
        self.spaces.and(about, ports)
    }

    /// How honest packets can cross the firewall that go where the finding's go, or come from where they come
    /// from.
    fn crossings(&self, firewall: usize) -> Vec<(Crossing, Set, Set)> {
        let site = self.judge.site;
        let mut pairs: Vec<(ZoneId, ZoneId, Option<usize>, Leg)> = Vec::new();
        for trouble in self.group.iter().filter(|trouble| trouble.near.family == self.family) {
            let hosted = site.firewalls.get(firewall).and_then(|firewall| firewall.host);
            let device = hosted.filter(|host| *host == trouble.flow.device);
            for zone in 0..site.zones.len() {
                let (from, to) = match trouble.flow.leg {
                    Leg::ToDevice => (zone, trouble.near.zone),
                    Leg::FromDevice => (trouble.near.zone, zone),
                };
                let pair = (from, to, device, trouble.flow.leg);
                if !pairs.contains(&pair) {
                    pairs.push(pair);
                }
            }
        }
        let public = site.devices.iter().flat_map(|device| &device.public_addresses);
        let public = public.map(|address| Family::of(*address)).filter(|(family, _)| *family == self.family);
        let mut mapped = Set::of(public.map(|(_, number)| (number, number)));
        if let Some(firewall) = self.judge.firewall(firewall) {
            mapped = mapped.or(&firewall.rules.own_set(self.family));
        }
        let mut crossings = Vec::new();
        for (from, to, device, leg) in pairs {
            let end = |zone, here| End { zone, device: if here { device } else { None } };
            let path = site.path(end(from, leg == Leg::FromDevice), end(to, leg == Leg::ToDevice));
            let crossing = path.into_iter().flatten().find(|crossing| crossing.firewall == firewall);
            if let Some(crossing) = crossing {
                let (src, dst) =
                    (self.judge.addresses(from, self.family), self.judge.addresses(to, self.family));
                crossings.push((crossing, src.clone(), dst.or(&mapped)));
            }
        }
        crossings
    }
}
