//! Firewalls read again with lines put in, and judged again.

use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use super::Lack;
use super::draft::Draft;
use crate::analysis::Flow;
use crate::analysis::compare::{Difference, Kind, Region, Scope, compare_within};
use crate::analysis::flow::{Class, Classes, Ctrl, Hop};
use crate::dialect::{Environment, load};
use crate::finding::{Edit, Finding, applied};
use crate::judge::{Firewall, Judge, along};
use crate::lint::cores;
use crate::model::{Nat, NatPort, Ruleset, Way};
use crate::packet::{Family, Field, Set, Space, Spaces, State};
use crate::rule::{Lint, Severity};
use crate::site::{Crossing, End, Leg, ZoneId};
use crate::source::{SourceId, SourceMap, Span};

/// Work that comparing what is judged before and after may take, in steps of [`Spaces`].
const COMPARE_LIMIT: u64 = 4_000_000;
/// The same for all that goes through a firewall, for each way and family.
const DIFFERENCE_LIMIT: u64 = 1_000_000;
/// Boxes in which what lines open besides is told.
const MOST_BOXES: usize = 16;
/// Trials in one run.
const MOST_TRIALS: u32 = 60;
/// Work in all trials of one run: rules that are read, questions that are asked, [`size`].
const MOST_WORK: usize = 30_000;
/// The same for a request.
const MOST_WORK_OF_A_REQUEST: usize = 300_000;

/// The files of a firewall.
#[derive(Debug)]
pub(crate) struct Files {
    ids: Vec<SourceId>,
    /// The lints of what reading them as they are had to say.
    said: Vec<&'static Lint>,
    /// Each reading draws on its budget: one at a time.
    environment: Mutex<Environment>,
}

impl Files {
    /// Files as they were read, with what was found then.
    pub(crate) fn of(ids: &[SourceId], environment: &Environment, found: &[Finding]) -> Files {
        let said = found.iter().map(Finding::lint).collect();
        Files { ids: ids.to_vec(), said, environment: Mutex::new(environment.clone()) }
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
    /// Reading may have more to say than before.
    tolerant: bool,
    most_work: usize,
    trials: Cell<u32>,
    work: Cell<usize>,
}

/// A firewall as it would be.
pub(crate) struct Made {
    /// Index into the site's firewalls.
    pub at: usize,
    /// Its files.
    pub map: SourceMap,
    /// What came of reading them.
    pub firewall: Firewall,
    /// What reading has to say that it had not before.
    pub news: Vec<Finding>,
}

impl<'w> Workshop<'w> {
    /// The texts of all files.
    pub(crate) fn sources(&self) -> &'w SourceMap {
        self.sources
    }

    /// A workshop for the firewalls of a site, by their index.
    pub(crate) fn new(sources: &'w SourceMap, files: &'w [Option<Files>]) -> Self {
        Workshop {
            sources,
            files,
            tolerant: false,
            most_work: MOST_WORK,
            trials: Cell::new(0),
            work: Cell::new(0),
        }
    }

    /// Another one, for one question that somebody waits for; where it is tolerant, reading may have more to say than
    /// before, but for errors.
    pub(in crate::lint) fn for_request(&self, tolerant: bool) -> Workshop<'w> {
        Workshop { tolerant, most_work: MOST_WORK_OF_A_REQUEST, ..Workshop::new(self.sources, self.files) }
    }

    /// What comes of trying more behind a change that is made already: its trials count here.
    pub(super) fn behind<T>(&self, map: &SourceMap, look: impl FnOnce(&Workshop<'_>) -> T) -> T {
        let workshop =
            Workshop { sources: map, trials: self.trials.clone(), work: self.work.clone(), ..*self };
        let found = look(&workshop);
        self.trials.set(workshop.trials.get());
        self.work.set(workshop.work.get());
        found
    }

    /// The files of a firewall, where they are all that their bytes say: what is not UTF-8 stands as something else in
    /// their texts, and would be read and written so.
    fn whole(&self, at: usize) -> Option<&Files> {
        let files = self.files.get(at)?.as_ref()?;
        files.all().iter().all(|id| self.sources.file(*id).damage.is_empty()).then_some(files)
    }

    /// Whether any more trial may be made.
    pub(crate) fn may_try_more(&self) -> bool {
        self.trials.get() < MOST_TRIALS
    }

    /// Whether one more trial may be made: one of so many rules and questions.
    pub(crate) fn may_try(&self, size: usize) -> bool {
        let work = self.work.get() + size;
        let may = self.may_try_more() && work <= self.most_work;
        if may {
            self.trials.set(self.trials.get() + 1);
            self.work.set(work);
        }
        may
    }

    /// Reads a firewall with what was put in; `None` where its files cannot be read so, or where reading finds
    /// more to say than before.
    pub(crate) fn read(&self, draft: &Draft<'_>, at: usize, before: &Firewall) -> Option<Made> {
        let files = self.whole(at)?;
        self.made(draft.read(&files.all()).ok()?, at, before)
    }

    /// The rules of a firewall with changed files, likewise.
    pub(crate) fn edited(&self, edits: &[Edit], at: usize, before: &Firewall) -> Option<Ruleset> {
        Some(self.changed(edits, at, before)?.firewall.rules)
    }

    /// A firewall with changed files, likewise.
    pub(super) fn changed(&self, edits: &[Edit], at: usize, before: &Firewall) -> Option<Made> {
        let files = self.whole(at)?;
        let map = self.sources.with_texts(&files.all(), &applied(self.sources, edits)?).ok()?;
        self.made(map, at, before)
    }

    /// The firewalls whose files changes touch, as they would be.
    pub(in crate::lint) fn with_edits(&self, judge: &Judge<'_>, edits: &[Edit]) -> Option<Vec<Made>> {
        let mut firewalls: Vec<usize> =
            edits.iter().map(|edit| self.firewall_at(edit.span)).collect::<Option<_>>()?;
        firewalls.sort_unstable();
        firewalls.dedup();
        let of = |at: &usize| self.changed(edits, *at, judge.firewall(*at)?);
        firewalls.iter().map(of).collect()
    }

    /// Likewise, with the lints of what reading it has to say.
    pub(super) fn changed_and_said(
        &self,
        edits: &[Edit],
        at: usize,
        before: &Firewall,
    ) -> Option<(Made, Vec<&'static Lint>)> {
        let files = self.whole(at)?;
        let map = self.sources.with_texts(&files.all(), &applied(self.sources, edits)?).ok()?;
        self.read_again(map, at, before)
    }

    /// The firewall to whose files a place belongs.
    pub(in crate::lint) fn firewall_at(&self, span: Span) -> Option<usize> {
        let id = self.sources.id_at(span.start)?;
        (0..self.files.len()).find(|at| self.files_of(*at).contains(&id))
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
        let files = self.whole(at)?;
        let mut loaded = load(before.dialect, &mut map, &files.ids, &files.environment());
        let news = news(&loaded.findings, &files.said);
        if news.iter().any(|finding| !self.tolerant || finding.severity == Severity::Error) {
            return None;
        }
        let news: Vec<Finding> = news.into_iter().cloned().collect();
        loaded.ruleset.elsewhere.clone_from(&before.rules.elsewhere);
        let firewall = Firewall { name: before.name.clone(), rules: loaded.ruleset, ..*before };
        let said = loaded.findings.iter().map(Finding::lint).collect();
        Some((Made { at, map, firewall, news }, said))
    }

    /// The lints of what reading the files as they are has to say.
    pub(super) fn said_before(&self, at: usize) -> Option<&'w [&'static Lint]> {
        Some(&self.files.get(at)?.as_ref()?.said)
    }
}

/// The work of reading and judging a firewall: what hangs on a condition is a case of its own.
pub(super) fn size(rules: &Ruleset) -> usize {
    const OF_CONDITION: usize = 4;
    rules.rules() + OF_CONDITION * rules.conditions.len()
}

/// What reading says more often than before.
fn news<'f>(after: &'f [Finding], before: &[&Lint]) -> Vec<&'f Finding> {
    let mut more: FxHashMap<&str, usize> = FxHashMap::default();
    for lint in before {
        *more.entry(lint.code).or_default() += 1;
    }
    let is_new = |finding: &&Finding| match more.get_mut(finding.code()) {
        Some(left) if *left > 0 => {
            *left -= 1;
            false
        }
        _ => true,
    };
    after.iter().filter(is_new).collect()
}

/// The judge with the firewalls as they would be.
pub(in crate::lint) fn judge_of<'b, 'a: 'b>(judge: &Judge<'a>, made: &'b [Made]) -> Option<Judge<'b>> {
    let (first, rest) = made.split_first()?;
    let with_first: Judge<'b> = judge.with(first.at, &first.firewall);
    Some(rest.iter().fold(with_first, |judge, made| judge.with(made.at, &made.firewall)))
}

/// What lines open besides what they are for: packets that a firewall treats in another way than before.
pub(crate) struct Beyond {
    /// Index into the site's firewalls.
    pub firewall: usize,
    /// From where to where.
    pub zones: (ZoneId, ZoneId),
    /// Boxes of packets: their addresses, protocol and ports, as far as these are limited.
    pub boxes: Vec<Vec<(Field, Set)>>,
}

/// What the firewalls treat in another way than before besides what is lacking; `None` where that cannot be told, or where
/// something is closed. `whole` says that lines are about other ports, too.
pub(super) fn beyond(
    before: &Judge<'_>,
    after: &Judge<'_>,
    made: &[Made],
    lacks: &[Lack],
    whole: bool,
) -> Option<Vec<Beyond>> {
    let mut families: Vec<Family> = lacks.iter().map(|lack| lack.near.family).collect();
    families.sort_unstable();
    families.dedup();
    let order: Vec<usize> = (0..made.len()).collect();
    let found = cores::for_each(after, &order, |_, at| {
        let at = made[at].at;
        let mut found = Vec::new();
        for family in &families {
            let mut spaces = after.spaces(*family, 0);
            spaces.allow(COMPARE_LIMIT);
            let mut compare = Compare { judge: after, spaces: &mut spaces, family: *family, lacks };
            found.extend(compare.beyond(at, before.flow(at)?, after.flow(at)?, whole)?);
        }
        Some(found)
    });
    let found: Vec<Vec<Beyond>> = found.into_iter().collect::<Option<_>>()?;
    made.iter().all(|made| closes_nothing(before, made, lacks)).then(|| found.into_iter().flatten().collect())
}

/// What a change to a firewall's files does to packets.
pub(super) fn difference(before: &Ruleset, after: &Ruleset) -> Difference {
    compare_within(before, after, &Scope::default(), DIFFERENCE_LIMIT)
}

/// Whether lines close nothing, wherever it goes, but what goes to an address that they translate, real or mapped.
fn closes_nothing(before: &Judge<'_>, made: &Made, lacks: &[Lack]) -> bool {
    let Some(old) = before.firewall(made.at) else { return false };
    let difference = difference(&old.rules, &made.firewall.rules);
    let closed =
        difference.regions.iter().filter(|region| matches!(region.kind, Kind::Closed | Kind::MayClose));
    let to_translated = |region: &Region| {
        let of_family = lacks.iter().filter(|lack| lack.near.family == region.family);
        let ends = of_family.fold(Set::empty(), |set, lack| set.or(&lack.public).or(&lack.near.addresses));
        region.field(Field::dst(region.family)).is_some_and(|to| ends.covers(to))
    };
    difference.unknown.is_empty() && closed.into_iter().all(to_translated)
}

/// A firewall before and after.
struct Compare<'c, 'a> {
    judge: &'c Judge<'a>,
    spaces: &'c mut Spaces,
    family: Family,
    lacks: &'c [Lack],
}

impl<'c> Compare<'c, '_> {
    fn beyond(
        &mut self,
        firewall: usize,
        old: &Flow<'_>,
        new: &Flow<'_>,
        whole: bool,
    ) -> Option<Vec<Beyond>> {
        let named = self.named(whole);
        let moves = |nat: &Nat| nat.destination && nat.port != NatPort::Keep;
        let about = if whole { Space::ALL } else { self.about(!new.rules().nats.iter().any(moves)) };
        let mut found = Vec::new();
        for (crossing, zones) in self.crossings(firewall) {
            let (from, to) = self.ends(firewall, zones);
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
            let was = old.run(self.spaces, &packets, &hop).ok()?.passed.union(self.spaces);
            let is = new.run(self.spaces, &packets, &hop).ok()?.passed.union(self.spaces);
            let (opened, closed) = (self.spaces.minus(is, was), self.spaces.minus(was, is));
            let changed = self.spaces.or(opened, closed);
            let besides = self.spaces.minus(changed, named);
            if !besides.is_none() {
                found.push(Beyond { firewall, zones, boxes: self.boxes(besides)? });
            }
        }
        (!self.spaces.exhausted()).then_some(found)
    }

    /// Packets by what people ask for.
    fn boxes(&mut self, packets: Space) -> Option<Vec<Vec<(Field, Set)>>> {
        let family = self.family;
        let fields = [Field::src(family), Field::dst(family), Field::Proto, Field::Dport, Field::IcmpType];
        let levels: Vec<_> = fields.into_iter().filter_map(|field| self.spaces.level(field)).collect();
        let packets = self.spaces.only(packets, &levels);
        let rows = self.spaces.rows(packets, MOST_BOXES)?;
        Some(rows.into_iter().map(|row| row.fields).collect())
    }

    /// The addresses of senders in one zone, and those by which hosts of another one are reached.
    fn ends(&self, firewall: usize, (from, to): (ZoneId, ZoneId)) -> (Set, Set) {
        let devices = self.judge.site.devices.iter();
        let public = devices.flat_map(|device| &device.public_addresses);
        let mut mapped = super::numbers(public, self.family);
        if let Some(firewall) = self.judge.firewall(firewall) {
            mapped = mapped.or(&firewall.rules.own_set(self.family));
        }
        let of = |zone| self.judge.addresses(zone, self.family);
        (of(from).clone(), of(to).or(&mapped))
    }

    /// What is lacking in this family.
    fn of_family(&self) -> impl Iterator<Item = &'c Lack> + use<'c> {
        let family = self.family;
        self.lacks.iter().filter(move |lack| lack.near.family == family)
    }

    /// The packets that are lacking; with `whole`, where lines translate whole addresses, all to those: what the
    /// access list lets through to the device's own address was meant to reach it.
    fn named(&mut self, whole: bool) -> Space {
        let mut named = Space::NONE;
        for lack in self.of_family() {
            let far = lack.party.places.iter();
            let mut far = far.fold(Set::empty(), |set, far| set.or(far.addresses(self.family)));
            // What is for anybody may be for neighbours, too: a line cannot leave them out.
            if lack.party.anybody {
                far = far.or(self.judge.addresses(lack.near.zone, self.family));
            }
            let near = lack.near.addresses.or(&lack.public);
            let (src, dst) = match lack.leg {
                Leg::ToDevice => (far, near),
                Leg::FromDevice => (near, far),
            };
            if whole {
                let public = self.spaces.test(Field::dst(self.family), &lack.public);
                named = self.spaces.or(named, public);
            }
            let mut space = self.spaces.test(Field::Proto, &Set::one(lack.protocol.into()));
            let sides = [
                (Field::src(self.family), &src),
                (Field::dst(self.family), &dst),
                (along(lack.protocol), &lack.in_pairs(&lack.ports)),
            ];
            for (field, set) in sides {
                let side = self.spaces.test(field, set);
                space = self.spaces.and(space, side);
            }
            named = self.spaces.or(named, space);
        }
        named
    }

    /// The packets that lines can be about: those of the protocols, and where no port is translated, of the ports.
    fn about(&mut self, by_port: bool) -> Space {
        let mut about = Space::NONE;
        for lack in self.lacks {
            let mut space = self.spaces.test(Field::Proto, &Set::one(lack.protocol.into()));
            if by_port {
                let ports = self.spaces.test(along(lack.protocol), &lack.in_pairs(&lack.ports));
                space = self.spaces.and(space, ports);
            }
            about = self.spaces.or(about, space);
        }
        about
    }

    /// How honest packets can cross the firewall that go where those go that are lacking, or come from where they come
    /// from.
    fn crossings(&self, firewall: usize) -> Vec<(Crossing, (ZoneId, ZoneId))> {
        let site = self.judge.site;
        let mut pairs: Vec<(ZoneId, ZoneId, Option<usize>, Leg)> = Vec::new();
        for lack in self.of_family() {
            let hosted = site.firewalls.get(firewall).and_then(|firewall| firewall.host);
            let device = hosted.filter(|host| Some(*host) == lack.device);
            for zone in 0..site.zones.len() {
                let (from, to) = match lack.leg {
                    Leg::ToDevice => (zone, lack.near.zone),
                    Leg::FromDevice => (lack.near.zone, zone),
                };
                let pair = (from, to, device, lack.leg);
                if !pairs.contains(&pair) {
                    pairs.push(pair);
                }
            }
        }
        let mut crossings = Vec::new();
        for (from, to, device, leg) in pairs {
            let end = |zone, here| End { zone, device: if here { device } else { None } };
            let path = site.path(end(from, leg == Leg::FromDevice), end(to, leg == Leg::ToDevice));
            let crossing = path.into_iter().flatten().find(|crossing| crossing.firewall == firewall);
            crossings.extend(crossing.map(|crossing| (crossing, (from, to))));
        }
        crossings
    }
}
