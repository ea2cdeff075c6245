//! PH201, PH202 and PH203: openings that are too wide, judged by what they let through after the rules
//! before them.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{cores, witness, words};
use crate::analysis::Decider;
use crate::analysis::flow::{Class, Classes, Ctrl, Hop, Passage};
use crate::catalog::{ByDesign, Listener, Requirement, Transport};
use crate::finding::Finding;
use crate::judge::{Firewall, Judge, Witness, number};
use crate::model::{ChainId, Effect, Hook, Rule, RuleId, Ruleset, StageKind, Step, Test, Verdict, Way};
use crate::packet::{Family, Field, Set, Space, Spaces, State, interface, proto};
use crate::rule::{Lint, PH201, PH202, PH203, Severity};
use crate::site::{ZoneId, loopbacks, unicast};

/// What is found here.
pub(super) const LINTS: &[&Lint] = &[&PH201, &PH202, &PH203];

const ALL_PORTS: u128 = 65536;
/// So many ports of a protocol are all of them, but for a few that rules before name.
const NEARLY_ALL: u128 = 65_000;
/// Work for all openings of one firewall at once, in steps of [`Spaces`].
const LIMIT: u64 = 5_000_000;
/// Work for the openings of one rule, where all at once were too much.
const RULE_LIMIT: u64 = 1_000_000;
/// Work for each rule of a firewall on the average, where openings are worked out rule by rule.
const SHARE: u64 = 2_000;
/// So much of what was worked out for one rule is kept for the next, in nodes of [`Spaces::size`].
const KEPT: usize = 1_000_000;

/// Checks all firewalls of the site.
pub fn check(judge: &Judge<'_>) -> Vec<Finding> {
    let order: Vec<usize> = (0..judge.firewalls.len()).collect();
    let findings = cores::for_each(judge, &order, |_, at| {
        let Some(firewall) = judge.firewall(at) else { return Vec::new() };
        let lens = Lens { judge, firewall, at };
        let selection = &judge.site.settings.selection;
        let mut findings = Vec::new();
        if selection.has_any(&[&PH201, &PH202]) {
            findings.extend(lens.openings());
        }
        if let Some(close) = firewall.dialect.language().close.filter(|_| selection.has(&PH203)) {
            findings.extend(lens.default_accept(close));
        }
        findings
    });
    findings.into_iter().flatten().collect()
}

/// One firewall, and what is inside of it.
struct Lens<'l, 'a> {
    judge: &'l Judge<'a>,
    firewall: &'a Firewall,
    at: usize,
}

/// What a rule lets through to one kind of destination.
struct Opening {
    protocol: u8,
    /// All destination ports that can be reached through it.
    ports: Set,
    /// Those that no row of the catalog asks for.
    excess: Set,
    /// Where to.
    whom: String,
    /// It is open to most of the addresses that there are.
    any_source: bool,
    /// Towards the outside.
    outward: bool,
    /// A packet that gets through.
    witness: Option<Witness>,
}

/// A rule that accepts, and what it looks for.
struct Candidate {
    id: RuleId,
    every_protocol: bool,
    from_any_interface: bool,
}

impl Lens<'_, '_> {
    fn host(&self) -> Option<usize> {
        self.judge.site.firewalls.get(self.at).and_then(|firewall| firewall.host)
    }

    /// PH201 and PH202: rules that let much through.
    fn openings(&self) -> Vec<Finding> {
        let candidates = self.candidates();
        if candidates.is_empty() {
            return Vec::new();
        }
        let ways: &[Way] = match (self.host(), self.judge.site.is_made_up()) {
            (Some(_), _) => &[Way::Input],
            (None, true) => &[Way::Forward, Way::Input],
            (None, false) => &[Way::Forward],
        };
        let mut openings: Vec<Vec<Opening>> = candidates.iter().map(|_| Vec::new()).collect();
        let mut given_up: Vec<usize> = Vec::new();
        for family in [Family::V4, Family::V6] {
            for way in ways.iter().filter(|_| self.firewall.speaks(family)) {
                self.measure(family, *way, &candidates, &mut openings, &mut given_up);
            }
        }
        let rules = &self.firewall.rules;
        let all = candidates.iter().zip(&openings);
        let found = all
            .filter_map(|(candidate, openings)| self.judged(candidate, rules.rule(candidate.id), openings));
        // A line that stands for several rules says it once.
        let mut findings: Vec<Finding> = Vec::new();
        let mut said = FxHashSet::default();
        for finding in found {
            if said.insert((finding.code(), finding.span, finding.message.clone())) {
                findings.push(finding);
            }
        }
        let first = given_up.iter().min().map(|at| rules.rule(candidates[*at].id));
        given_up.sort_unstable();
        given_up.dedup();
        findings.extend(first.map(|rule| not_judged(rule, given_up.len())));
        findings
    }

    fn judged(&self, candidate: &Candidate, rule: &Rule, openings: &[Opening]) -> Option<Finding> {
        let wide = self.judge.site.settings.wide_range.into();
        let any = |opening: &&Opening| {
            opening.ports.count() >= NEARLY_ALL && opening.any_source && !opening.outward
        };
        let shown = openings.iter().find(any).and_then(|opening| opening.witness.as_ref());
        let mut all: Vec<u8> = openings.iter().filter(any).map(|opening| opening.protocol).collect();
        all.sort_unstable();
        all.dedup();
        if !all.is_empty() && candidate.from_any_interface {
            let mut finding = any_to_any(rule, &all);
            witness::show(&mut finding, shown, Some(self.at));
            return Some(finding);
        }
        if candidate.every_protocol {
            return None;
        }
        let widest = openings
            .iter()
            .filter(|opening| opening.ports.count() >= wide)
            .max_by_key(|o| (!o.outward, o.excess.count(), o.ports.count()))?;
        let mut finding = self.too_wide(rule, widest, wide);
        witness::show(&mut finding, widest.witness.as_ref(), Some(self.at));
        Some(finding)
    }

    /// The rules that accept many ports.
    fn candidates(&self) -> Vec<Candidate> {
        let mut found = Vec::new();
        for (chain, listed) in self.firewall.rules.chains.iter().enumerate() {
            for (index, rule) in listed.rules.iter().enumerate() {
                let id = RuleId { chain: ChainId(chain as u32), index: index as u32 };
                found.extend(self.candidate(id, rule));
            }
        }
        found
    }

    fn candidate(&self, id: RuleId, rule: &Rule) -> Option<Candidate> {
        let rules = &self.firewall.rules;
        let steps = rules.steps_of(rule);
        let accepts = |step: &Step| {
            matches!(step, Step::Effect(Effect::Verdict(Verdict::Accept) | Effect::Pend(Verdict::Accept)))
        };
        if !steps.iter().any(accepts) {
            return None;
        }
        let mut candidate = Candidate { id, every_protocol: true, from_any_interface: true };
        for step in steps {
            let Step::Test(Test::In { field, values, negate: false }) = *step else { continue };
            let set = rules.values(values);
            match field {
                Field::State if !set.contains(State::New as u128) => return None,
                Field::IcmpType | Field::IcmpCode => return None,
                Field::Proto => {
                    if !set.contains(proto::TCP.into()) && !set.contains(proto::UDP.into()) {
                        return None;
                    }
                    candidate.every_protocol = false;
                }
                // What a host sends to itself is nobody's opening.
                Field::Iif if loopbacks().covers(&set) => return None,
                Field::Iif | Field::Oif if self.judge.site.is_made_up() => {
                    candidate.from_any_interface = false
                }
                Field::Dport if set.count() < self.judge.site.settings.wide_range.into() => return None,
                _ => {}
            }
        }
        Some(candidate)
    }

    /// What the candidates let through of a family on a way, after the rules before them; and which of them
    /// have more cases than are followed.
    fn measure(
        &self,
        family: Family,
        way: Way,
        candidates: &[Candidate],
        openings: &mut [Vec<Opening>],
        given_up: &mut Vec<usize>,
    ) {
        let mut spaces = self.judge.spaces(family, LIMIT);
        let all = self.strangers(&mut spaces, way);
        if let Some(found) = self.measured(&mut spaces, all, way, candidates) {
            return found.into_iter().for_each(|(at, found)| openings[at].extend(found));
        }
        let changed = changed(&self.firewall.rules);
        let mut left = LIMIT + SHARE * self.firewall.rules.rules() as u64;
        let mut kept: Option<(Spaces, Space)> = None;
        for (at, candidate) in candidates.iter().enumerate() {
            let (mut spaces, all) =
                kept.take().filter(|(spaces, _)| spaces.size() <= KEPT).unwrap_or_else(|| {
                    let mut spaces = self.judge.spaces(family, RULE_LIMIT);
                    let all = self.strangers(&mut spaces, way);
                    (spaces, all)
                });
            let before = spaces.work();
            spaces.allow(RULE_LIMIT.min(left));
            let looked_for = self.looked_for(&mut spaces, candidate, &changed);
            let looked_for = spaces.and(all, looked_for);
            match self.measured(&mut spaces, looked_for, way, std::slice::from_ref(candidate)) {
                Some(found) => openings[at].extend(found.into_iter().flat_map(|(_, found)| found)),
                None => given_up.push(at),
            }
            left = left.saturating_sub(spaces.work() - before);
            kept = Some((spaces, all));
        }
    }

    /// What candidates let through of some packets, each by its place; `None` where there are more cases than are
    /// followed.
    fn measured(
        &self,
        spaces: &mut Spaces,
        all: Space,
        way: Way,
        candidates: &[Candidate],
    ) -> Option<Vec<(usize, Vec<Opening>)>> {
        let passage = self.run(spaces, all, way)?;
        let passed = passage.passed.union(spaces);
        let passed = spaces.as_came(passed);
        let places: FxHashMap<RuleId, usize> =
            candidates.iter().enumerate().map(|(at, candidate)| (candidate.id, at)).collect();
        let mut found = Vec::new();
        for (by, space) in decided(spaces, &passage, passed) {
            let Decider::Rule(id) = by else { continue };
            let Some(at) = places.get(&id).copied() else { continue };
            let usual = spaces.usually(space);
            let others = spaces.minus(all, usual);
            let (may, may_not) = (spaces.possibly(usual), spaces.possibly(others));
            let certain = spaces.minus(may, may_not);
            let mut openings = Vec::new();
            for protocol in [proto::TCP, proto::UDP] {
                let of = spaces.test(Field::Proto, &Set::one(protocol.into()));
                let part = spaces.and(certain, of);
                if !part.is_none() {
                    self.opened(spaces, part, (protocol, way), &passage, &mut openings);
                }
            }
            found.push((at, openings));
        }
        (!spaces.exhausted()).then_some(found)
    }

    /// The packets that a rule can look for, by the fields that nothing changes before.
    fn looked_for(&self, spaces: &mut Spaces, candidate: &Candidate, changed: &FxHashSet<Field>) -> Space {
        let rules = &self.firewall.rules;
        let mut space = Space::ALL;
        for step in rules.steps_of(rules.rule(candidate.id)) {
            let Step::Test(Test::In { field, values, negate: false }) = *step else { break };
            let ends = [Field::Proto, Field::src(spaces.family()), Field::dst(spaces.family()), Field::Dport];
            if ends.contains(&field) && !changed.contains(&field) {
                let test = spaces.test(field, &rules.values(values));
                space = spaces.and(space, test);
            }
        }
        space
    }

    fn run(&self, spaces: &mut Spaces, all: Space, way: Way) -> Option<Passage> {
        let flow = self.judge.flow(self.at)?;
        let packets = Classes::one(Class { space: all, ctrl: Ctrl::new(way) });
        let hop = Hop { by_address: way == Way::Forward, state: Some(State::New), ..Hop::first(way) };
        flow.run(spaces, &packets, &hop).ok()
    }

    /// First packets of TCP and UDP from anybody, on all ways between different zones.
    fn strangers(&self, spaces: &mut Spaces, way: Way) -> Space {
        let family = spaces.family();
        let site = self.judge.site;
        let named = |zone: ZoneId, field: Field, spaces: &mut Spaces| {
            let firewall = site.firewalls.get(self.at);
            let names = firewall.into_iter().flat_map(|firewall| &firewall.interfaces);
            let names = names.filter(|(_, zones)| zones.contains(&zone)).map(|(name, _)| interface(name));
            let names = Set::of(names.map(|name| (name, name)));
            spaces.test(field, &names)
        };
        let mut ends = Space::NONE;
        match self.host() {
            Some(host) => {
                let own = site.devices[host].addresses.iter().map(|address| Family::of(*address));
                let own = Set::of(own.filter(|(f, _)| *f == family).map(|(_, number)| (number, number)));
                let dst = spaces.test(Field::dst(family), &own);
                let src = spaces.test(Field::src(family), &unicast(family).minus(&own));
                ends = spaces.and(src, dst);
            }
            None if site.is_made_up() => {
                let dst = spaces.test(Field::dst(family), &unicast(family));
                let src = spaces.test(Field::src(family), &unicast(family));
                ends = spaces.and(src, dst);
            }
            None => {
                let zones = self.zones();
                for from in &zones {
                    let from_side = named(*from, Field::Iif, spaces);
                    let src = spaces.test(Field::src(family), self.judge.addresses(*from, family));
                    let from_side = spaces.and(from_side, src);
                    for to in zones.iter().filter(|to| *to != from) {
                        let to_side = named(*to, Field::Oif, spaces);
                        // What is translated is addressed to whatever is translated.
                        let dst = match self.firewall.rules.nats.iter().any(|nat| nat.destination) {
                            true => spaces.test(Field::dst(family), &unicast(family)),
                            false => spaces.test(Field::dst(family), self.judge.addresses(*to, family)),
                        };
                        let to_side = spaces.and(to_side, dst);
                        let both = spaces.and(from_side, to_side);
                        ends = spaces.or(ends, both);
                    }
                }
            }
        }
        let anybody = self.anybody(spaces, way);
        spaces.and(ends, anybody)
    }

    /// The zones behind the firewall's interfaces.
    fn zones(&self) -> Vec<ZoneId> {
        let Some(firewall) = self.judge.site.firewalls.get(self.at) else { return Vec::new() };
        let mut zones: Vec<ZoneId> = firewall.interfaces.values().flatten().copied().collect();
        zones.sort_unstable();
        zones.dedup();
        zones
    }

    /// What packets of one protocol that a rule lets through can reach: to each kind of destination.
    fn opened(
        &self,
        spaces: &mut Spaces,
        part: Space,
        (protocol, way): (u8, Way),
        passage: &Passage,
        openings: &mut Vec<Opening>,
    ) {
        let family = spaces.family();
        let site = self.judge.site;
        let (Some(dst), Some(src), Some(dport)) =
            (spaces.level(Field::dst(family)), spaces.level(Field::src(family)), spaces.level(Field::Dport))
        else {
            return;
        };
        let mut rest = part;
        for (device, placed) in site.devices.iter().enumerate() {
            for address in placed.addresses.iter().map(|address| Family::of(*address)) {
                if address.0 != family {
                    continue;
                }
                let here = arriving(spaces, passage, rest, address.1);
                if here.is_none() {
                    continue;
                }
                rest = spaces.minus(rest, here);
                let ports = spaces.values(here, dport);
                let open = self.open_by_design(device, protocol);
                if !open.is_empty() && ports.minus(&open).count() < site.settings.wide_range.into() {
                    continue;
                }
                let sources = spaces.hull(here, src);
                openings.push(Opening {
                    protocol,
                    excess: ports.minus(&self.required(device, protocol)),
                    ports,
                    whom: placed.name.clone(),
                    any_source: self.is_any(&sources, family),
                    outward: false,
                    witness: self.witness(spaces, here, way),
                });
            }
        }
        if self.host().is_some() {
            return;
        }
        let Some(groups) = spaces.values_by(rest, dst, dport) else { return };
        let widest = groups.into_iter().max_by_key(|(_, ports)| ports.count());
        let Some((to, ports)) = widest else { return };
        let there = spaces.within(dst, &to);
        let there = spaces.and(rest, there);
        let sources = spaces.hull(there, src);
        let inside =
            |zone: &ZoneId| !site.is_everything_else(*zone) && self.judge.addresses(*zone, family).meets(&to);
        let outward = !site.is_made_up() && !self.zones().iter().any(inside);
        let whom = if outward { "the outside" } else { "addresses without a device" };
        openings.push(Opening {
            protocol,
            excess: ports.clone(),
            ports,
            whom: whom.to_string(),
            any_source: self.is_any(&sources, family),
            outward,
            witness: self.witness(spaces, there, way),
        });
    }

    fn witness(&self, spaces: &Spaces, space: Space, way: Way) -> Option<Witness> {
        Some(Witness { firewall: self.at, way, packet: spaces.witness(space)? })
    }

    /// Whether sources are most of those that there are outside.
    fn is_any(&self, sources: &Set, family: Family) -> bool {
        sources.count() > unicast(family).count() / 2
    }

    /// The ports that the catalog asks to be open towards a device.
    fn required(&self, device: usize, protocol: u8) -> Set {
        self.ports_of(device, protocol, |_| true)
    }

    /// Those of them that are open to the world by design.
    fn open_by_design(&self, device: usize, protocol: u8) -> Set {
        self.ports_of(device, protocol, |row| row.by_design == Some(ByDesign::World))
    }

    fn ports_of(&self, device: usize, protocol: u8, counts: impl Fn(&Requirement) -> bool) -> Set {
        let site = self.judge.site;
        let Some(product) = self.judge.catalog.product(&site.devices[device].product) else {
            return Set::empty();
        };
        let rows = product.requirements.iter().filter(|row| {
            let speaks = row.transports.is_empty()
                || row.transports.iter().any(|t: &Transport| number(*t) == protocol);
            let here = row.listener == Listener::Device && row.host.is_none();
            let current = row.is_in(site.devices[device].version.as_ref());
            speaks && here && current && !row.internal_only && counts(row)
        });
        rows.fold(Set::empty(), |set, row| set.or(&site.ports_of(device, product, row)))
    }

    fn too_wide(&self, rule: &Rule, opening: &Opening, wide: u128) -> Finding {
        let what = if opening.protocol == proto::TCP { "tcp" } else { "udp" };
        let count = opening.ports.count();
        let range = match count {
            ALL_PORTS => format!("every {what} port"),
            _ => format!("{what} {}", words::ports(&opening.ports)),
        };
        let to = &opening.whom;
        let needed = count - opening.excess.count();
        let used = match needed {
            0 => "none".to_string(),
            _ if opening.excess.is_empty() => "all".to_string(),
            _ => needed.to_string(),
        };
        if opening.excess.count() < wide {
            let message = format!("{range} is open to {to}, as wide as the product asks for");
            return Finding::of(&PH201, rule.span, message)
                .severity(Severity::Info)
                .label(format!("opens {count} ports, {used} of them needed"))
                .help(self.narrower(to, opening.protocol));
        }
        let message = if self.judge.site.devices.is_empty() {
            format!("{range} is open: {count} ports in one rule")
        } else if self.is_device(to) {
            format!("{range} is open to {to}: {count} ports, of which it needs {used}")
        } else {
            format!("{range} is open to {to}: {count} ports")
        };
        let severity = if opening.outward { Severity::Info } else { Severity::Warning };
        Finding::of(&PH201, rule.span, message).severity(severity)
            .label(format!("opens {count} ports"))
            .notice(if opening.outward {
                "Calls work. So does everything else that devices behind the rule send out on these ports."
            } else {
                "Calls work. So does every other service on these ports that somebody offers behind the rule, now or later."
            })
            .help(self.narrower(to, opening.protocol))
    }

    fn is_device(&self, name: &str) -> bool {
        self.judge.site.devices.iter().any(|device| device.name == name)
    }

    /// What to open instead.
    fn narrower(&self, whom: &str, protocol: u8) -> String {
        let site = self.judge.site;
        let device = site.devices.iter().position(|device| device.name == whom);
        let product = device.and_then(|at| self.judge.catalog.product(&site.devices[at].product));
        let (Some(device), Some(product)) = (device, product) else {
            return "Open the ports that are needed, to the addresses that need them.".to_string();
        };
        let word = if protocol == proto::TCP { "tcp" } else { "udp" };
        let needed = self.required(device, protocol);
        if needed.is_empty() {
            return format!(
                "Take {word} out of the rule, or limit it to the devices that need it: {whom} does not."
            );
        }
        let mut help = format!("{whom} needs {word} {}.", words::all_ports(&needed));
        let wide = site.settings.wide_range.into();
        for row in &product.requirements {
            let ports = site.ports_of(device, product, row);
            let speaks = row.transports.iter().any(|t| number(*t) == protocol);
            let used = !row.internal_only && row.is_in(site.devices[device].version.as_ref());
            if ports.count() < wide || !speaks || row.listener != Listener::Device || !used {
                continue;
            }
            help += &format!(
                " {} is the range of {} ({}).",
                words::ports(&ports),
                row.protocol,
                words::document(product, row)
            );
            if row.configurable {
                help += " It can be made smaller in the device's own settings; say so in the site file with `ports`.";
            } else if let Some(condition) = &row.condition {
                help += &format!(" It is needed only where {condition}.");
            }
        }
        help
    }

    /// PH203: what no rule speaks of is let through.
    fn default_accept(&self, close: &str) -> Vec<Finding> {
        let mut findings: Vec<Finding> = Vec::new();
        for (hook, way) in [(Hook::Forward, Way::Forward), (Hook::Input, Way::Input)] {
            let found =
                [Family::V4, Family::V6].into_iter().find_map(|family| self.falls_through(family, hook, way));
            let found = found.map(|finding| finding.help(close));
            findings.extend(found.filter(|found| findings.iter().all(|known| known.span != found.span)));
        }
        findings
    }

    /// Whether some packet of a new connection reaches an accepting policy for certain, whatever is unknown.
    fn falls_through(&self, family: Family, hook: Hook, way: Way) -> Option<Finding> {
        let rules = &self.firewall.rules;
        // Where there is one filter, every packet meets it on its way in, whatever its way.
        let one = self.firewall.dialect.language().one_filter;
        let hook = if one { Hook::Prerouting } else { hook };
        let is_filter = |stage: &&crate::model::Stage| stage.kind == StageKind::Filter && stage.sees(family);
        let filters: Vec<_> = rules.stages(hook).iter().filter(is_filter).collect();
        if !self.firewall.speaks(family)
            || filters.is_empty()
            || filters.iter().any(|s| s.policy != Verdict::Accept)
        {
            return None;
        }
        let mut spaces = self.judge.spaces(family, LIMIT);
        let all = self.anybody(&mut spaces, way);
        let passage = self.run(&mut spaces, all, way)?;
        let passed = passage.passed.union(&mut spaces);
        let passed = spaces.as_came(passed);
        let by_policy = decided(&mut spaces, &passage, passed)
            .into_iter()
            .filter(|(by, _)| !matches!(by, Decider::Rule(_)))
            .map(|(_, space)| space)
            .collect::<Vec<_>>();
        let through = spaces.union(by_policy);
        let otherwise = spaces.minus(all, through);
        let (may, may_not) = (spaces.possibly(through), spaces.possibly(otherwise));
        let certain = spaces.minus(may, may_not);
        if certain.is_none() || spaces.exhausted() || self.blocks_named(&mut spaces, passed, way) {
            return None;
        }
        let stage = filters.into_iter().min_by_key(|stage| stage.priority.abs())?;
        let what = if way == Way::Forward { "forwarded traffic" } else { "traffic to the firewall itself" };
        let message = format!("{what} that no rule speaks of is let through");
        let label = match stage.policy_written {
            true => "the policy accepts",
            false => "without a policy, what no rule decides is accepted",
        };
        let notice =
            "Calls work, and every service that somebody starts later is open from its first minute.";
        Some(Finding::of(&PH203, stage.policy_span, message).label(label).notice(notice))
    }

    /// Whether the rules block everything on all interfaces that they name.
    fn blocks_named(&self, spaces: &mut Spaces, passed: Space, way: Way) -> bool {
        let named = self.firewall.interfaces();
        if named.is_empty() || way == Way::Output {
            return false;
        }
        let on = spaces.test(Field::Iif, &named);
        !spaces.meets(passed, on)
    }

    /// First packets of TCP and UDP from anybody to anybody.
    fn anybody(&self, spaces: &mut Spaces, way: Way) -> Space {
        let family = spaces.family();
        let real = loopbacks().not().and(&Set::range(1, u128::MAX));
        let mut fields = vec![
            (Field::src(family), unicast(family)),
            (Field::dst(family), unicast(family)),
            (Field::Iif, real.clone()),
            (Field::Proto, Set::of([proto::TCP, proto::UDP].map(|p| (p.into(), p.into())))),
            (Field::State, Set::one(State::New as u128)),
            (Field::TcpFlags, Set::one(2)),
            (Field::Sport, Set::range(1024, 65535)),
        ];
        if way == Way::Forward {
            fields.push((Field::Oif, real));
        }
        fields.into_iter().fold(Space::ALL, |all, (field, set)| {
            let side = spaces.test(field, &set);
            spaces.and(all, side)
        })
    }
}

/// PH202 for a rule that opens all ports of these protocols.
fn any_to_any(rule: &Rule, protocols: &[u8]) -> Finding {
    let what = match (protocols.contains(&proto::TCP), protocols.contains(&proto::UDP)) {
        (true, true) => "tcp and udp",
        (true, false) => "tcp",
        _ => "udp",
    };
    let message = format!("all ports of {what} are open from any source to the inside");
    Finding::of(&PH202, rule.span, message)
        .label("lets everything through that no rule before it stops")
        .notice(
            "Calls work, and so does everything else: every service of every device behind the firewall can be reached.",
        )
        .help(
            "Replace it by rules that name the devices and the ports that they need; `pinhole catalog show PRODUCT` \
             lists them.",
        )
}

/// Of packets, those that arrive at an address.
fn arriving(spaces: &mut Spaces, passage: &Passage, packets: Space, address: u128) -> Space {
    let field = Field::dst(spaces.family());
    let mut arriving = Space::NONE;
    for class in passage.passed.iter() {
        let at = class.ctrl.reads(spaces, field, &Set::one(address));
        let there = spaces.and(class.space, at);
        let there = spaces.as_came(there);
        arriving = spaces.or(arriving, there);
    }
    spaces.and(packets, arriving)
}

/// Who lets packets pass: each by what names it best.
/// The fields that packets can get other values of on their way.
fn changed(rules: &Ruleset) -> FxHashSet<Field> {
    let effects = rules.steps.iter().filter_map(|step| match step {
        Step::Effect(effect) => Some(*effect),
        Step::Test(_) | Step::Lookup(_) => None,
    });
    let mut changed: FxHashSet<Field> = effects.filter_map(written).collect();
    let entries = rules.maps.iter().flat_map(|map| &map.entries);
    changed.extend(entries.filter_map(|entry| written(entry.effect)));
    if !rules.nats.is_empty() {
        changed.extend(Field::ALL);
    }
    changed
}

fn written(effect: Effect) -> Option<Field> {
    match effect {
        Effect::Forget(field) | Effect::Set(field, _) => Some(field),
        _ => None,
    }
}

/// What is said of rules that have more cases than are followed: nothing is said of them as certain.
fn not_judged(first: &Rule, count: usize) -> Finding {
    let message = match count {
        1 => "how much this rule opens was not worked out: it has more cases than the analysis follows"
            .to_string(),
        _ => format!(
            "how much {count} rules open, this one first, was not worked out: they have more cases than the analysis follows"
        ),
    };
    Finding::of(&PH201, first.span, message)
        .severity(Severity::Info)
        .label("not judged")
        .help("Ask for one packet with `pinhole trace`, which follows any ruleset.")
}

fn decided(spaces: &mut Spaces, passage: &Passage, passed: Space) -> Vec<(Decider, Space)> {
    let mut rest = passed;
    let mut found = Vec::new();
    for pass in passage.best_first() {
        let part = spaces.and(rest, pass.space);
        if !part.is_none() {
            rest = spaces.minus(rest, part);
            found.push((pass.by, part));
        }
    }
    found
}
