//! PH201, PH202 and PH203: openings that are too wide, judged by what they let through after the rules
//! before them.

use std::rc::Rc;

use super::judge::{Firewall, Judge, number};
use super::words;
use crate::analysis::{Decider, Engine, Entry, Scope};
use crate::catalog::{Listener, Transport};
use crate::dialect::Dialect;
use crate::finding::{Finding, Severity};
use crate::model::{ChainId, Effect, Hook, Rule, RuleId, Step, Test, Verdict, Way};
use crate::packet::{Dim, Family, Field, Region, Set, State, interface, proto};
use crate::site::{ZoneId, loopbacks, unicast};

const ALL_PORTS: u128 = 65536;

/// Checks all firewalls of the site.
pub fn check(judge: &Judge<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, firewall) in judge.firewalls.iter().enumerate() {
        let Some((firewall, engine)) = firewall.as_ref().zip(judge.engine(at)) else { continue };
        let lens = Lens::new(judge, at, firewall, engine);
        for (chain, listed) in firewall.rules.chains.iter().enumerate() {
            for (index, rule) in listed.rules.iter().enumerate() {
                let id = RuleId { chain: ChainId(chain as u32), index: index as u32 };
                findings.extend(lens.rule(id, rule));
            }
        }
    }
    findings
}

/// One firewall, and what is inside of it.
struct Lens<'a, 'j> {
    judge: &'a Judge<'j>,
    firewall: &'a Firewall,
    engine: Rc<Engine<'j>>,
    at: usize,
    way: Way,
}

/// What a rule lets through to one kind of destination.
struct Opening {
    protocol: u8,
    /// All destination ports that somebody can reach through it.
    ports: Set,
    /// Those that no row of the catalog asks for, at the destination where they are most.
    excess: Set,
    /// That destination.
    whom: String,
    /// It is open to most of the addresses that there are.
    any_source: bool,
    /// Towards the outside.
    outward: bool,
}

impl<'a, 'j> Lens<'a, 'j> {
    fn new(judge: &'a Judge<'j>, at: usize, firewall: &'a Firewall, engine: &Rc<Engine<'j>>) -> Self {
        let host = judge.site.firewalls.get(at).is_some_and(|firewall| firewall.host.is_some());
        let way = judge.site.single.unwrap_or(if host { Way::Input } else { Way::Forward });
        Lens { judge, firewall, engine: engine.clone(), at, way }
    }

    fn rule(&self, id: RuleId, rule: &Rule) -> Option<Finding> {
        let shape = self.shape(rule)?;
        let mut openings = Vec::new();
        for family in [Family::V4, Family::V6] {
            for protocol in [proto::TCP, proto::UDP] {
                openings.extend(self.opening(id, &shape, family, protocol));
            }
        }
        let wide = self.judge.site.settings.wide_range.into();
        let any =
            |opening: &&Opening| opening.ports.count() == ALL_PORTS && opening.any_source && !opening.outward;
        let all: Vec<u8> = openings.iter().filter(any).map(|opening| opening.protocol).collect();
        if !all.is_empty() {
            return Some(any_to_any(rule, &all));
        }
        if shape.every_protocol {
            return None;
        }
        let widest = openings
            .iter()
            .filter(|opening| opening.ports.count() >= wide)
            .max_by_key(|o| (o.excess.count(), o.ports.count()))?;
        Some(self.too_wide(rule, widest, wide))
    }

    /// What a rule that accepts wide looks for; `None` for all other rules.
    fn shape(&self, rule: &Rule) -> Option<Shape> {
        let rules = &self.firewall.rules;
        let steps = rules.steps_of(rule);
        let accepts = |step: &Step| {
            matches!(step, Step::Effect(Effect::Verdict(Verdict::Accept) | Effect::Pend(Verdict::Accept)))
        };
        if !steps.iter().any(accepts) {
            return None;
        }
        let mut shape = Shape { sides: Vec::new(), every_protocol: true };
        let mut ports = None;
        for step in steps {
            let Step::Test(test) = step else { continue };
            let Test::In { field, values, negate: false } = *test else { continue };
            let set = rules.values(values);
            match field {
                Field::State if !set.contains(State::New as u128) => return None,
                Field::IcmpType | Field::IcmpCode => return None,
                Field::Proto => {
                    if !set.contains(proto::TCP.into()) && !set.contains(proto::UDP.into()) {
                        return None;
                    }
                    shape.every_protocol = false;
                }
                // What a host sends to itself is nobody's opening.
                Field::Iif if loopbacks().covers(&set) => return None,
                Field::Dport => ports = Some(set.clone()),
                _ => {}
            }
            shape.sides.push((field, set));
        }
        // Narrow ports are no wide opening, and one trusted host is no range of ports.
        if ports.is_some_and(|ports| ports.count() < self.judge.site.settings.wide_range.into()) {
            return None;
        }
        Some(shape)
    }

    /// What the rule lets through of a protocol in a family, after the rules before it: to each device and to
    /// one address that no device has, from a few sources. What a sample shows is so; sources and addresses
    /// that no sample stands for may get more.
    fn opening(&self, id: RuleId, shape: &Shape, family: Family, protocol: u8) -> Option<Opening> {
        let speaks = match family {
            Family::V4 => self.firewall.rules.v4,
            Family::V6 => self.firewall.rules.v6,
        };
        let alien = |(field, _): &(Field, Set)| field.family().is_some_and(|f| f != family);
        let other = |(field, set): &(Field, Set)| *field == Field::Proto && !set.contains(protocol.into());
        if !speaks || shape.sides.iter().any(|side| alien(side) || other(side)) {
            return None;
        }
        let mut best: Option<Opening> = None;
        for target in self.targets(shape, family) {
            let Some(opening) = self.towards(id, shape, family, protocol, &target) else { continue };
            let size = |o: &Opening| (!o.outward, o.excess.count(), o.ports.count());
            let any = |o: &Opening| o.any_source && o.ports.count() == ALL_PORTS;
            if best.as_ref().is_none_or(|best| (any(&opening), size(&opening)) > (any(best), size(best))) {
                best = Some(opening);
            }
        }
        best
    }

    /// Where the rule can lead: the devices, one address inside that no device has, and one outside.
    fn targets(&self, shape: &Shape, family: Family) -> Vec<Target> {
        let site = self.judge.site;
        let wanted = shape.side(Field::dst(family)).unwrap_or_else(|| unicast(family)).and(&unicast(family));
        let mut targets = Vec::new();
        let mut taken = Set::empty();
        for (at, device) in site.devices.iter().enumerate() {
            for address in &device.addresses {
                let (f, number) = Family::of(*address);
                let zone = site.zone_of(*address);
                if let (true, Some(zone)) = (f == family && wanted.contains(number), zone) {
                    taken = taken.or(&Set::one(number));
                    targets.push(Target { address: number, zone, device: Some(at), outward: false });
                }
            }
        }
        // A host's own firewall leads to that host alone.
        let host = site.firewalls.get(self.at).and_then(|firewall| firewall.host);
        if host.is_some() {
            targets.retain(|target| target.device == host);
            return targets;
        }
        if site.single.is_some() {
            let free = wanted.minus(&taken);
            targets.extend(free.samples(1).into_iter().map(|address| Target {
                address,
                zone: 0,
                device: None,
                outward: false,
            }));
            return targets;
        }
        for zone in self.zones() {
            let free = site.addresses_of(zone, family).and(&wanted).minus(&taken);
            let outward = site.is_everything_else(zone);
            targets.extend(free.samples(1).into_iter().map(|address| Target {
                address,
                zone,
                device: None,
                outward,
            }));
        }
        targets
    }

    /// The zones behind the firewall's interfaces; those that a firewall on a host can hear from.
    fn zones(&self) -> Vec<ZoneId> {
        let Some(firewall) = self.judge.site.firewalls.get(self.at) else { return Vec::new() };
        let mut zones: Vec<ZoneId> = match firewall.host {
            Some(_) => (0..self.judge.site.zones.len()).collect(),
            None => firewall.interfaces.values().flatten().copied().collect(),
        };
        zones.sort_unstable();
        zones.dedup();
        zones
    }

    fn towards(
        &self,
        id: RuleId,
        shape: &Shape,
        family: Family,
        protocol: u8,
        target: &Target,
    ) -> Option<Opening> {
        const SOURCES: usize = 3;
        let site = self.judge.site;
        let wanted = shape.side(Field::src(family)).unwrap_or_else(|| unicast(family)).and(&unicast(family));
        let origins: Vec<(Option<ZoneId>, Set)> = if site.single.is_some() {
            vec![(None, wanted.clone())]
        } else {
            let others = self.zones().into_iter().filter(|zone| *zone != target.zone);
            others.map(|zone| (Some(zone), site.addresses_of(zone, family).and(&wanted))).collect()
        };
        let wide: u128 = site.settings.wide_range.into();
        let mut ports = Set::empty();
        let (mut asked, mut passed) = (0, 0);
        for (zone, sources) in origins {
            let outside = zone.is_none_or(|zone| site.is_everything_else(zone));
            for source in sources.samples(SOURCES) {
                let open = self.open(id, shape, family, protocol, source, zone, target);
                if outside {
                    asked += 1;
                    passed += usize::from(open.count() == ALL_PORTS);
                }
                ports = ports.or(&open);
                // One source that gets wide through is enough, unless it might be everybody.
                if ports.count() >= wide && ports.count() < ALL_PORTS {
                    break;
                }
            }
        }
        if ports.is_empty() {
            return None;
        }
        let free = wanted.count() > unicast(family).count() / 2;
        let fixed =
            site.single.is_some() && (shape.side(Field::Iif).is_some() || shape.side(Field::Oif).is_some());
        let excess =
            target.device.map_or(ports.clone(), |device| ports.minus(&self.required(device, protocol)));
        let whom = match target.device {
            Some(device) => site.devices[device].name.clone(),
            None if target.outward => "the outside".to_string(),
            None => "addresses without a device".to_string(),
        };
        let any_source = free && !fixed && asked > 0 && asked == passed;
        Some(Opening { protocol, ports, excess, whom, any_source, outward: target.outward })
    }

    /// The ports that one source can reach on the target through the rule.
    #[allow(clippy::too_many_arguments)]
    fn open(
        &self,
        id: RuleId,
        shape: &Shape,
        family: Family,
        protocol: u8,
        source: u128,
        zone: Option<ZoneId>,
        target: &Target,
    ) -> Set {
        let mut region = Region::all(family)
            .with(Dim::Src, Set::one(source))
            .with(Dim::Dst, Set::one(target.address))
            .with(Dim::Proto, Set::one(protocol.into()))
            .with(Dim::State, Set::one(State::New as u128))
            .with(Dim::TcpFlags, Set::one(2))
            .with(Dim::Sport, Set::one(50_000));
        region.set(Dim::Dport, shape.side(Field::Dport).unwrap_or_else(|| Set::range(0, 0xffff)));
        let names = |zone: ZoneId| {
            let firewall = self.judge.site.firewalls.get(self.at)?;
            let names = firewall.interfaces.iter().filter(|(_, zones)| zones.contains(&zone));
            Some(Set::of(names.map(|(name, _)| (interface(name), interface(name)))))
                .filter(|set| !set.is_empty())
        };
        for (dim, field, zone) in [(Dim::Iif, Field::Iif, zone), (Dim::Oif, Field::Oif, Some(target.zone))] {
            let known = zone.and_then(names);
            let side = match (known, shape.side(field)) {
                (Some(known), Some(side)) => known.and(&side),
                (Some(known), None) => known,
                (None, Some(side)) => Set::of(side.samples(1).into_iter().map(|name| (name, name))),
                (None, None) => continue,
            };
            if side.is_empty() {
                return Set::empty();
            }
            region.set(dim, side);
        }
        let entries = Scope::new(&self.engine, region.clone()).run(&region, self.way, None);
        let through =
            |entry: &&Entry| entry.accepted() && entry.conds.is_empty() && entry.decider == Decider::Rule(id);
        entries
            .iter()
            .filter(through)
            .fold(Set::empty(), |set, entry| set.or(&entry.region.values(Dim::Dport)))
    }

    /// The ports that the catalog asks to be open towards a device.
    fn required(&self, device: usize, protocol: u8) -> Set {
        let site = self.judge.site;
        let Some(product) = self.judge.catalog.product(&site.devices[device].product) else {
            return Set::empty();
        };
        let rows = product.requirements.iter().filter(|row| {
            let speaks = row.transports.is_empty()
                || row.transports.iter().any(|t: &Transport| number(*t) == protocol);
            speaks && row.listener == Listener::Device && !row.internal_only && row.host.is_none()
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
            let message = format!("{range} is open to {to}, as wide as the port guide asks for");
            return Finding::new("PH201", Severity::Info, Some(rule.span), message)
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
        Finding::new("PH201", severity, Some(rule.span), message)
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
            if ports.count() < wide || !speaks || row.listener != Listener::Device || row.internal_only {
                continue;
            }
            help += &format!(
                " {} is the range of {} (port guide, table {}).",
                words::ports(&ports),
                row.protocol,
                row.table
            );
            if row.configurable {
                help += " It can be made smaller in the device's own settings; say so in the site file with `ports`.";
            } else if let Some(condition) = &row.condition {
                help += &format!(" It is needed only where {condition}.");
            }
        }
        help
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
    Finding::new("PH202", Severity::Warning, Some(rule.span), message)
        .label("lets everything through that no rule before it stops")
        .notice(
            "Calls work, and so does everything else: every service of every device behind the firewall can be reached.",
        )
        .help(
            "Replace it by rules that name the devices and the ports that they need; `pinhole catalog show PRODUCT` \
             lists them.",
        )
}

/// What a rule looks for.
struct Shape {
    sides: Vec<(Field, Set)>,
    every_protocol: bool,
}

impl Shape {
    /// The values of a field that the rule looks for; `None` where it does not look at it.
    fn side(&self, field: Field) -> Option<Set> {
        let sides = self.sides.iter().filter(|(f, _)| *f == field);
        sides.map(|(_, set)| set.clone()).reduce(|a, b| a.and(&b))
    }
}

/// Where an opening leads.
struct Target {
    address: u128,
    zone: ZoneId,
    device: Option<usize>,
    outward: bool,
}

/// PH203: what no rule speaks of is let through.
pub fn default_accept(judge: &Judge<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, firewall) in judge.firewalls.iter().enumerate() {
        let Some(firewall) = firewall.as_ref().filter(|firewall| firewall.dialect != Dialect::Asa) else {
            continue;
        };
        let Some(engine) = judge.engine(at) else { continue };
        let lens = Lens::new(judge, at, firewall, engine);
        for (hook, way) in [(Hook::Forward, Way::Forward), (Hook::Input, Way::Input)] {
            findings.extend(lens.falls_through(hook, way));
        }
    }
    findings.dedup_by(|a, b| a.span == b.span);
    findings
}

impl Lens<'_, '_> {
    /// A packet that no rule is likely to speak of, and the policy that lets it through.
    fn falls_through(&self, hook: Hook, way: Way) -> Option<Finding> {
        let rules = &self.firewall.rules;
        let family = if rules.v4 { Family::V4 } else { Family::V6 };
        let passes = |protocol: u8| {
            let region = self.stranger(family, protocol);
            let entries = Scope::new(&self.engine, region.clone()).run(&region, way, None);
            !entries.is_empty()
                && entries.iter().all(|e| e.accepted() && !matches!(e.decider, Decider::Rule(_)))
        };
        if !passes(proto::TCP) || !passes(proto::UDP) {
            return None;
        }
        // In pf every packet meets the rules on its way in, whatever its way.
        let hook = if self.firewall.dialect == Dialect::Pf { Hook::Prerouting } else { hook };
        let filters = rules
            .stages(hook)
            .iter()
            .filter(|stage| stage.kind == crate::model::StageKind::Filter && stage.sees(family));
        let stage = filters.min_by_key(|stage| stage.priority.abs())?;
        let first = rules.chain(stage.chain).rules.first().map(|rule| rule.span);
        let span = if self.firewall.dialect == Dialect::Pf {
            first.unwrap_or(stage.policy_span)
        } else {
            stage.policy_span
        };
        let what = if way == Way::Forward { "forwarded traffic" } else { "traffic to the firewall itself" };
        let finding = Finding::new(
            "PH203",
            Severity::Warning,
            Some(span),
            format!("{what} that no rule speaks of is let through"),
        )
        .label(if stage.policy_written {
            "the policy accepts"
        } else {
            "without a policy, what no rule decides is accepted"
        })
        .notice("Calls work, and every service that somebody starts later is open from its first minute.")
        .help(match self.firewall.dialect {
            Dialect::Pf => "Begin the rules with `block all`, and let through what is needed after it.",
            Dialect::Nftables => {
                "Give the base chain `policy drop;`, and accept what is needed before its end."
            }
            _ => "Set the policy to DROP, and accept what is needed before the end of the chain.",
        });
        Some(finding)
    }

    /// One packet between addresses set aside for documentation, on ports and interfaces that nobody uses.
    fn stranger(&self, family: Family, protocol: u8) -> Region {
        let (src, dst) = match family {
            Family::V4 => (0xc633_6453, 0xcb00_714d),
            Family::V6 => (0x2001_0db8_ffff_fffe << 64 | 0x53, 0x2001_0db8_ffff_fffd << 64 | 0x4d),
        };
        Region::all(family)
            .with(Dim::Iif, Set::one(interface("no-such-if0")))
            .with(Dim::Oif, Set::one(interface("no-such-if1")))
            .with(Dim::Src, Set::one(src))
            .with(Dim::Dst, Set::one(dst))
            .with(Dim::Proto, Set::one(protocol.into()))
            .with(Dim::Sport, Set::one(50123))
            .with(Dim::Dport, Set::one(47))
            .with(Dim::TcpFlags, Set::one(2))
            .with(Dim::State, Set::one(State::New as u128))
    }
}
