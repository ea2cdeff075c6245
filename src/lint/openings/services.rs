//! PH207 and PH209: services that anybody reaches, and rules that let in whoever sends from a port.

use rustc_hash::{FxHashMap, FxHashSet};

use super::measure::{MOST_AT_ONCE, by_rules, certainly, decided, is_most, naming};
use super::message::doubtful;
use super::{LIMIT, Lens, NEARLY_ALL};
use crate::analysis::Decider;
use crate::analysis::flow::Watch;
use crate::finding::Finding;
use crate::judge::Witness;
use crate::lint::{witness, words};
use crate::model::{Effect, Rule, RuleId, Ruleset, Step, Test, Verdict, Way};
use crate::packet::{Family, Field, Set, Space, Spaces, interface_name, proto};
use crate::rule::{PH207, PH209, Severity};
use crate::site::Service;
use crate::source::Span;

/// A rule that opens more of them over TCP, or over UDP, is a wide one, of which PH201 and PH202 speak.
const MANY: [usize; 2] = [9, 4];
/// So many ports from so high on are a range that programs choose from.
const WIDE: u128 = 100;
const HIGH: u128 = 1024;
/// Up to so many source ports are what a rule looks for.
pub(super) const FEW_SOURCES: u128 = 64;
/// Places that a finding names beside the first.
const SHOWN: usize = 5;
/// What people call the side towards the world.
const OUTSIDE: [&str; 8] = ["wan", "ext", "outside", "egress", "internet", "untrust", "isp", "ppp"];

/// Rules of which the same is to be said.
struct Found {
    severity: Severity,
    places: Vec<Span>,
    /// Lists of hosts that may stop some of it.
    lists: Vec<String>,
    witness: Option<Witness>,
}

/// What is to be said, in the order in which it was found.
#[derive(Default)]
struct Saying {
    order: Vec<String>,
    found: FxHashMap<String, Found>,
}

impl Saying {
    /// Adds what is to be said at a place, with the lists of hosts that may stop some of it.
    fn add(
        &mut self,
        (message, lists): (String, Vec<String>),
        severity: Severity,
        place: Span,
        witness: Option<Witness>,
    ) {
        let message = doubtful(&message, &lists);
        let found = self.found.entry(message.clone()).or_insert_with(|| {
            self.order.push(message);
            Found { severity, places: Vec::new(), lists, witness }
        });
        if !found.places.contains(&place) && found.places.len() <= SHOWN {
            found.places.push(place);
        }
    }

    fn findings(mut self, finish: impl Fn(String, &Found) -> Option<Finding>) -> Vec<Finding> {
        let order = std::mem::take(&mut self.order);
        let of = |message: String| finish(message.clone(), self.found.get(&message)?);
        order.into_iter().filter_map(of).collect()
    }
}

/// A rule as written, and what it opens: services by their places, and protocols.
struct Line {
    span: Span,
    open: Vec<(usize, u8)>,
    /// Lists of hosts that may stop some of it.
    lists: Vec<String>,
    witness: Option<Witness>,
}

fn said_of(services: &[Service], open: &[(usize, u8)]) -> String {
    let names = open.iter().map(|(at, protocol)| {
        let (service, word) = (&services[*at], if *protocol == proto::TCP { "tcp" } else { "udp" });
        format!("{} ({word} {})", service.name, words::ports(service.ports(*protocol)))
    });
    let names: Vec<String> = names.collect();
    let is = if names.len() == 1 { "is" } else { "are" };
    format!("{} {is} open to any source", words::some(&names, 4, "service"))
}

/// What one look at packets has shown.
struct Look {
    all: Space,
    /// What rules let pass.
    passed: Space,
    decided: Vec<(Decider, Space)>,
}

impl Lens<'_, '_> {
    /// PH207: services for a few that are open to any source. Where a product is named, its rows say what is meant for
    /// whom.
    pub(super) fn services(&self) -> Vec<Finding> {
        let site = self.judge.site;
        if !site.is_made_up() || !site.devices.is_empty() {
            return Vec::new();
        }
        let may = self.may_open();
        if may.is_empty() {
            return Vec::new();
        }
        let mut lines: Vec<Line> = Vec::new();
        let mut places: FxHashMap<(Span, bool), usize> = FxHashMap::default();
        self.each_way(|spaces, way| {
            let naming = naming(&self.firewall.rules, spaces.family(), way);
            if !may.iter().any(|id| naming.contains(&id.chain)) || self.lets_few_in(spaces.family(), way) {
                return;
            }
            for line in self.open_services(spaces, &may, way) {
                let at = *places.entry((line.span, line.lists.is_empty())).or_insert(lines.len());
                match lines.get_mut(at) {
                    Some(known) => {
                        known.open.extend(line.open);
                        known.lists.extend(line.lists);
                    }
                    None => lines.push(line),
                }
            }
        });
        let mut saying = Saying::default();
        let certain = lines.iter().filter(|line| line.lists.is_empty());
        let certain: FxHashSet<(Span, (usize, u8))> =
            certain.flat_map(|line| line.open.iter().map(|one| (line.span, *one))).collect();
        for Line { span, mut open, mut lists, witness } in lines {
            // What is open for certain to some is open.
            open.retain(|one| lists.is_empty() || !certain.contains(&(span, *one)));
            if open.is_empty() {
                continue;
            }
            open.sort_unstable();
            open.dedup();
            lists.sort_unstable();
            lists.dedup();
            let services = &site.settings.services;
            let severity = open.iter().map(|(at, _)| services[*at].severity).max();
            let said = (said_of(services, &open), lists);
            saying.add(said, severity.unwrap_or(Severity::Info), span, witness);
        }
        saying.findings(|message, found| {
            let notice = match found.severity {
                Severity::Info => "Anybody can try passwords and keys there.",
                _ => {
                    "Anybody can reach it. Such services ask for no login or a weak one, or send it so that it can be \
                     read on the way."
                }
            };
            self.of_places(&PH207, message, found, "lets everybody there").map(|finding| {
                finding.notice(notice).help(
                    "Accept it from the addresses that need it alone, or turn the service off where nobody does.",
                )
            })
        })
    }

    /// The services that rules open to any source on a way, rule by rule; `may` are those that may open one.
    fn open_services(&self, spaces: &mut Spaces, may: &FxHashSet<RuleId>, way: Way) -> Vec<Line> {
        let [tcp, udp] = [proto::TCP, proto::UDP]
            .map(|protocol| to_ports(spaces, Space::ALL, protocol, &self.all_services(protocol)));
        let asked = spaces.or(tcp, udp);
        // Of many rules, only what these look for: who lets it in by other interfaces is not counted then.
        let asked = if self.firewall.rules.rules() > MOST_AT_ONCE {
            let looked_for: Vec<Space> =
                may.iter().map(|id| self.looked_for(spaces, *id, &self.changed)).collect();
            let looked_for = spaces.union(looked_for);
            spaces.and(asked, looked_for)
        } else {
            asked
        };
        let strangers = self.strangers(spaces, way);
        let Some(look) = self.look(spaces, strangers, asked, way) else { return Vec::new() };
        // Each service with its packets, and those of it that rules let pass at all.
        let mut each: Vec<(usize, u8, Space, Space)> = Vec::new();
        for (at, service) in self.judge.site.settings.services.iter().enumerate() {
            for protocol in [proto::TCP, proto::UDP] {
                let to = service.ports(protocol);
                if !to.is_empty() {
                    let to = to_ports(spaces, Space::ALL, protocol, to);
                    each.push((at, protocol, to, spaces.and(look.passed, to)));
                }
            }
        }
        let mut lines = Vec::new();
        for (by, space) in &look.decided {
            let Decider::Rule(id) = *by else { continue };
            if !may.contains(&id) {
                continue;
            }
            let (part, lists) = certainly(spaces, look.all, *space);
            let ranges = self.ranges_of(id);
            let mut open: Vec<(usize, u8)> = Vec::new();
            let mut first = None;
            for (at, protocol, to, passed) in &each {
                // What happens to lie in a range of media ports is not what the rule is for.
                if ranges.covers(self.judge.site.settings.services[*at].ports(*protocol)) {
                    continue;
                }
                let here = spaces.and(part, *to);
                if self.is_open_to_any(spaces, (here, *passed), way) {
                    open.push((*at, *protocol));
                    first = first.or(Some(here));
                }
            }
            let count = |of: u8| open.iter().filter(|(_, protocol)| *protocol == of).count();
            let is_wide = count(proto::TCP) > MANY[0] || count(proto::UDP) > MANY[1];
            let Some(first) = first.filter(|_| !is_wide) else { continue };
            let witness = self.witness(spaces, first, way).filter(|_| lists.is_empty());
            lines.push(Line { span: self.firewall.rules.rule(id).span(), open, lists, witness });
        }
        if spaces.exhausted() { Vec::new() } else { lines }
    }

    /// The rules that may accept a service from any source.
    fn may_open(&self) -> FxHashSet<RuleId> {
        let rules = &self.firewall.rules;
        let deciding = self.deciding();
        let accepts = |step: &Step| match step {
            Step::Effect(effect) => {
                matches!(effect, Effect::Verdict(Verdict::Accept) | Effect::Pend(Verdict::Accept))
            }
            Step::Lookup(_) => true,
            Step::Test(_) => false,
        };
        let all = [proto::TCP, proto::UDP].map(|protocol| self.all_services(protocol));
        let to_none = |step: &Step| match *step {
            Step::Test(Test::In { field: Field::Dport, values, negate: false })
                if !self.changed.contains(&Field::Dport) =>
            {
                let ports = rules.values(values);
                !all.iter().any(|services| services.meets(&ports))
            }
            Step::Test(_) | Step::Effect(_) | Step::Lookup(_) => false,
        };
        let may = |(id, rule): &(RuleId, &Rule)| {
            let steps = rules.steps_of(rule);
            deciding.contains(&id.chain)
                && !rules.chain(id.chain).kind.is_of_the_box()
                && steps.iter().any(accepts)
                && !self.is_for_known(steps)
                && !steps.iter().any(to_none)
                && !self.is_for_few(*id)
        };
        self.each_rule().filter(may).map(|(id, _)| id).collect()
    }

    /// The ports of all services.
    fn all_services(&self, protocol: u8) -> Set {
        let services = &self.judge.site.settings.services;
        services.iter().fold(Set::empty(), |all, of| all.or(of.ports(protocol)))
    }

    /// The wide ranges of high ports that a rule names.
    fn ranges_of(&self, id: RuleId) -> Set {
        let rules = &self.firewall.rules;
        let mut ranges = Vec::new();
        for step in rules.steps_of(rules.rule(id)) {
            if let Step::Test(Test::In { field: Field::Dport, values, negate: false }) = *step {
                let values = rules.values(values);
                let wide = values.ranges().iter().filter(|(lo, hi)| *lo >= HIGH && hi - lo >= WIDE - 1);
                ranges.extend(wide.copied());
            }
        }
        Set::of(ranges)
    }

    /// PH209: new connections that are let in by the port that they come from.
    pub(super) fn by_source_port(&self) -> Vec<Finding> {
        if !self.judge.site.is_made_up() {
            return Vec::new();
        }
        let (rules, sports) = self.looking_for_sources();
        let mut saying = Saying::default();
        if rules.is_empty() {
            return Vec::new();
        }
        self.each_way(|spaces, way| {
            let asked = spaces.test(Field::Sport, &sports);
            let strangers = self.strangers_from(spaces, way, (1, 65535));
            let Some(look) = self.look(spaces, strangers, asked, way) else { return };
            for (by, space) in &look.decided {
                let Decider::Rule(id) = *by else { continue };
                if !rules.contains(&id) {
                    continue;
                }
                let (part, lists) = certainly(spaces, look.all, *space);
                let span = self.firewall.rules.rule(id).span();
                for protocol in [proto::TCP, proto::UDP] {
                    if let Some((message, here)) =
                        self.let_in_by_source(spaces, (part, look.passed), protocol, way)
                    {
                        let witness = self.witness(spaces, here, way).filter(|_| lists.is_empty());
                        saying.add((message, lists.clone()), Severity::Warning, span, witness);
                    }
                }
            }
        });
        saying.findings(|message, found| {
            self.of_places(&PH209, message, found, "takes new connections for answers").map(|finding| {
                finding
                    .notice("Senders choose the port that they send from: the rule keeps nobody out who knows it.")
                    .help("Let answers in because they belong to connections, by their state, and take this rule out.")
            })
        })
    }

    /// What is to be said of packets of a protocol that a rule lets in by their source ports, and the packets.
    fn let_in_by_source(
        &self,
        spaces: &mut Spaces,
        (part, passed): (Space, Space),
        protocol: u8,
        way: Way,
    ) -> Option<(String, Space)> {
        let any_port = Set::range(0, 65535);
        let here = to_ports(spaces, part, protocol, &any_port);
        let passed = to_ports(spaces, passed, protocol, &any_port);
        if !self.is_open_to_any(spaces, (here, passed), way) {
            return None;
        }
        let (from, to) = (spaces.level(Field::Sport)?, spaces.level(Field::Dport)?);
        let (from, to) = (spaces.hull(here, from), spaces.hull(here, to));
        if to.count() < self.judge.site.settings.wide_range.into() || from.count() > FEW_SOURCES {
            return None;
        }
        let word = if protocol == proto::TCP { "tcp" } else { "udp" };
        let to = match to.count() {
            65536 => format!("every {word} port"),
            count if count >= NEARLY_ALL => format!("nearly every {word} port"),
            _ => format!("{word} {}", words::ports(&to)),
        };
        let message = format!("whoever sends from {word} {} gets to {to}", words::ports(&from));
        (!spaces.exhausted()).then_some((message, here))
    }

    /// Looks at strangers of each family on each way.
    fn each_way(&self, mut each: impl FnMut(&mut Spaces, Way)) {
        for family in [Family::V4, Family::V6] {
            for way in [Way::Forward, Way::Input] {
                if self.firewall.speaks(family) {
                    let mut spaces = self.store(family, LIMIT);
                    each(&mut spaces, way);
                    self.charge(&spaces, 0);
                }
            }
        }
    }

    fn look(&self, spaces: &mut Spaces, strangers: Space, asked: Space, way: Way) -> Option<Look> {
        // Whatever is said is said of most sources.
        let unnamed = self.unnamed(spaces);
        let all = spaces.and(strangers, asked);
        let all = spaces.and(all, unnamed);
        let passage = self.run(spaces, all, way, Watch::default())?;
        let passed = passage.passed.union(spaces);
        let passed = spaces.as_came(passed);
        let mut decided = decided(spaces, &passage, passed);
        let passed = by_rules(spaces, &decided);
        // What levels let pass by themselves, and what goes down in level, is nobody's opening.
        let outwards = self.outwards(spaces);
        for (_, space) in &mut decided {
            *space = spaces.minus(*space, outwards);
        }
        let deciding = self.deciding();
        decided.retain(|(by, space)| match by {
            Decider::Rule(id) => {
                let of_box = self.firewall.rules.chain(id.chain).kind.is_of_the_box();
                !space.is_none() && !of_box && deciding.contains(&id.chain)
            }
            Decider::Policy(..) | Decider::End => false,
        });
        (!spaces.exhausted()).then_some(Look { all, passed, decided })
    }

    /// Whether packets come from most of the addresses that there are, by the side towards the world or by all sides, and
    /// do not leave towards it.
    fn is_open_to_any(&self, spaces: &mut Spaces, (here, passed): (Space, Space), way: Way) -> bool {
        let family = spaces.family();
        let (Some(src), Some(iif), Some(oif)) =
            (spaces.level(Field::src(family)), spaces.level(Field::Iif), spaces.level(Field::Oif))
        else {
            return false;
        };
        if here.is_none() || !is_most(&spaces.hull(here, src), family) {
            return false;
        }
        if !self.has_free_sides() {
            return true;
        }
        let outside = self.outside();
        let by = spaces.hull(here, iif);
        if way == Way::Forward {
            let to = spaces.hull(here, oif);
            let all = to.covers(&self.real_interfaces(Field::Oif));
            if !all && (outside.is_empty() || outside.covers(&to)) {
                return false;
            }
        }
        if !outside.is_empty() {
            return by.meets(outside);
        }
        let missing = self.real_interfaces(Field::Iif).minus(&by);
        let there = spaces.hull(passed, iif);
        self.are_named(&missing) && missing.minus(&there).is_empty()
    }

    /// The interfaces that lead to the world, as far as the rules tell: sources are translated for packets that leave by
    /// them, or they are called so.
    fn outside(&self) -> &Set {
        self.outside.get_or_init(|| towards_the_world(&self.firewall.rules))
    }

    /// The rules that look for a few source ports, and all of these.
    fn looking_for_sources(&self) -> (FxHashSet<RuleId>, Set) {
        let rules = &self.firewall.rules;
        let (mut found, mut ports) = (FxHashSet::default(), Vec::new());
        for (id, rule) in self.each_rule() {
            for step in rules.steps_of(rule) {
                if let Step::Test(Test::In { field: Field::Sport, values, negate: false }) = *step
                    && rules.values(values).count() <= FEW_SOURCES
                {
                    found.insert(id);
                    ports.extend_from_slice(rules.values(values).ranges());
                }
            }
        }
        (found, Set::of(ports))
    }

    fn of_places(
        &self,
        lint: &'static crate::rule::Lint,
        message: String,
        found: &Found,
        label: &str,
    ) -> Option<Finding> {
        let (first, others) = found.places.split_first()?;
        let mut finding = Finding::of(lint, *first, message).severity(found.severity).label(label);
        finding.depends_on.clone_from(&found.lists);
        for span in others {
            finding = finding.related(*span, "so does this rule");
        }
        witness::show(&mut finding, found.witness.as_ref(), Some(self.at));
        Some(finding)
    }
}

/// The interfaces that lead to the world, [`Lens::outside`].
fn towards_the_world(rules: &Ruleset) -> Set {
    let mut names = Set::empty();
    for rule in rules.chains.iter().flat_map(|chain| &chain.rules) {
        let steps = rules.steps_of(rule);
        let translates =
            |step: &Step| matches!(step, Step::Effect(Effect::Nat(nat)) if !rules.nat(*nat).destination);
        let translates = steps.iter().any(translates);
        for step in steps {
            let Step::Test(Test::In { field: Field::Iif | Field::Oif, values, negate: false }) = *step else {
                continue;
            };
            let set = rules.values(values);
            let called = set.single().is_some_and(|name| {
                let name = interface_name(name).to_ascii_lowercase();
                OUTSIDE.iter().any(|word| name.starts_with(word))
            });
            if called || translates && set.count() <= FEW_SOURCES {
                names = names.or(&set);
            }
        }
    }
    names
}

/// Of packets, those of a protocol to some ports.
fn to_ports(spaces: &mut Spaces, packets: Space, protocol: u8, ports: &Set) -> Space {
    let of = spaces.test(Field::Proto, &Set::one(protocol.into()));
    let to = spaces.test(Field::Dport, ports);
    let both = spaces.and(of, to);
    spaces.and(packets, both)
}
