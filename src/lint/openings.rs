//! PH201, PH202 and PH203: openings that are too wide, judged by what they let through after the rules
//! before them.

use super::judge::{Firewall, Judge, number};
use super::words;
use crate::analysis::{Decider, Entry, Scope};
use crate::catalog::{Listener, Transport};
use crate::dialect::Dialect;
use crate::finding::{Finding, Severity};
use crate::model::{ChainId, Effect, Hook, Rule, RuleId, Step, Test, Verdict, Way};
use crate::packet::{Dim, Family, Field, Region, Set, State, proto};
use crate::site::unicast;

const ALL_PORTS: u128 = 65536;

/// Checks all firewalls of the site.
pub fn check(judge: &Judge<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, firewall) in judge.firewalls.iter().enumerate() {
        let Some(firewall) = firewall else { continue };
        let lens = Lens::new(judge, at, firewall);
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
    fn new(judge: &'a Judge<'j>, at: usize, firewall: &'a Firewall) -> Self {
        let host = judge.site.firewalls.get(at).is_some_and(|firewall| firewall.host.is_some());
        let way = judge.site.single.unwrap_or(if host { Way::Input } else { Way::Forward });
        Lens { judge, firewall, at, way }
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
        if let Some(opening) = openings.iter().find(any) {
            return Some(self.any_to_any(rule, opening));
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

    /// What the rule lets through of a protocol in a family, after the rules before it.
    fn opening(&self, id: RuleId, shape: &Shape, family: Family, protocol: u8) -> Option<Opening> {
        let speaks = match family {
            Family::V4 => self.firewall.rules.v4,
            Family::V6 => self.firewall.rules.v6,
        };
        if !speaks {
            return None;
        }
        let inward = self.region(shape, family, protocol, false);
        let entries = inward.map_or(Vec::new(), |region| self.entries(id, region));
        if !entries.is_empty() {
            return self.weigh(&entries, family, protocol, false);
        }
        let outward = self.region(shape, family, protocol, true)?;
        self.weigh(&self.entries(id, outward), family, protocol, true)
    }

    /// The packets that start connections, towards the inside or the outside, as far as the rule looks for them.
    fn region(&self, shape: &Shape, family: Family, protocol: u8, outward: bool) -> Option<Region> {
        let mut region = Region::all(family)
            .with(Dim::Proto, Set::one(protocol.into()))
            .with(Dim::State, Set::one(State::New as u128))
            .with(Dim::TcpFlags, Set::one(2))
            .with(Dim::Sport, Set::range(1024, 65535))
            .with(Dim::Src, unicast(family))
            .with(Dim::Dst, unicast(family));
        let site = self.judge.site;
        if site.single.is_some() && outward {
            return None;
        }
        if let Some(firewall) = site.firewalls.get(self.at).filter(|firewall| firewall.host.is_none()) {
            let zones = |outside: bool| {
                Set::of(
                    firewall
                        .interfaces
                        .iter()
                        .filter(|(_, zone)| site.is_everything_else(**zone) == outside)
                        .map(|(name, _)| (crate::packet::interface(name), crate::packet::interface(name))),
                )
            };
            region = region.within(Dim::Oif, &zones(outward))?;
            region = region.within(Dim::Iif, &zones(true).or(&zones(false)))?;
        }
        for (field, set) in &shape.sides {
            if field.family().is_some_and(|f| f != family) {
                return None;
            }
            // Translation and the hook change what these read as.
            let fixed = matches!(field, Field::Src4 | Field::Src6 | Field::Dport | Field::Proto | Field::Iif);
            if let (true, Some(dim)) = (fixed, Dim::of(*field)) {
                region = region.within(dim, set)?;
            } else if let (Field::Dst4 | Field::Dst6, true) = (field, self.firewall.rules.nats.is_empty()) {
                region = region.within(Dim::Dst, set)?;
            }
        }
        Some(region)
    }

    fn entries(&self, id: RuleId, region: Region) -> Vec<Entry> {
        let scope = Scope::new(&self.firewall.rules, region.clone());
        let mut entries = scope.run(&region, self.way, None);
        entries
            .retain(|entry| entry.accepted() && entry.conds.is_empty() && entry.decider == Decider::Rule(id));
        // From a zone to itself nothing crosses the firewall.
        entries.retain(|entry| match (entry.region.side(Dim::Iif), entry.region.side(Dim::Oif)) {
            (Some(iif), Some(oif)) => iif != oif || iif.single().is_none(),
            _ => true,
        });
        entries
    }

    fn weigh(&self, entries: &[Entry], family: Family, protocol: u8, outward: bool) -> Option<Opening> {
        if entries.is_empty() {
            return None;
        }
        let dport = |entry: &Entry| entry.region.values(Dim::Dport);
        let ports = entries.iter().fold(Set::empty(), |set, entry| set.or(&dport(entry)));
        let sources = entries.iter().fold(Set::empty(), |set, entry| set.or(&entry.region.values(Dim::Src)));
        let mut opening = Opening {
            protocol,
            excess: Set::empty(),
            whom: if outward {
                "the outside".to_string()
            } else {
                "addresses that no device has".to_string()
            },
            any_source: sources.count() > unicast(family).count() / 2 && self.from_outside(entries),
            outward,
            ports,
        };
        let mut others = entries.iter().any(|entry| entry.leaves.values(Dim::Dst).count() > 1);
        for (at, device) in self.judge.site.devices.iter().enumerate() {
            for address in &device.addresses {
                let (f, number) = Family::of(*address);
                if f != family {
                    continue;
                }
                let here = entries.iter().filter(|entry| entry.leaves.values(Dim::Dst).contains(number));
                let open = here.fold(Set::empty(), |set, entry| set.or(&dport(entry)));
                let excess = open.minus(&self.required(at, protocol));
                if excess.count() > opening.excess.count() || (opening.excess.is_empty() && !open.is_empty())
                {
                    opening.excess = excess;
                    opening.whom = device.name.clone();
                }
            }
        }
        let known = |entry: &Entry| {
            let dst = entry.leaves.values(Dim::Dst);
            dst.single().is_some_and(|dst| {
                self.judge
                    .site
                    .devices
                    .iter()
                    .flat_map(|d| &d.addresses)
                    .any(|a| Family::of(*a) == (family, dst))
            })
        };
        others |= entries.iter().any(|entry| !known(entry));
        // Addresses that no device has need nothing.
        if others && opening.ports.count() > opening.excess.count() {
            opening.excess = opening.ports.clone();
            opening.whom =
                if outward { "the outside".to_string() } else { "addresses that no device has".to_string() };
        }
        Some(opening)
    }

    /// Whether packets can come from a zone that is everything else, or from anywhere where no zones are known.
    fn from_outside(&self, entries: &[Entry]) -> bool {
        let site = self.judge.site;
        let Some(firewall) = site.firewalls.get(self.at).filter(|firewall| firewall.host.is_none()) else {
            return entries.iter().any(|entry| entry.region.side(Dim::Iif).is_none());
        };
        let outside = firewall.interfaces.iter().filter(|(_, zone)| site.is_everything_else(**zone));
        let mut names = outside.map(|(name, _)| crate::packet::interface(name));
        names.any(|name| entries.iter().any(|entry| entry.region.values(Dim::Iif).contains(name)))
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

    fn any_to_any(&self, rule: &Rule, opening: &Opening) -> Finding {
        let what = if opening.protocol == proto::TCP { "tcp" } else { "udp" };
        let message = format!("all ports of {what} are open from any source to the inside");
        Finding::new("PH202", Severity::Warning, Some(rule.span), message)
            .label("lets everything through that no rule before it stops")
            .notice("Calls work, and so does everything else: every service of every device behind the firewall can be reached.")
            .help("Replace it by rules that name the devices and the ports that they need; `pinhole catalog show PRODUCT` lists them.")
    }

    fn too_wide(&self, rule: &Rule, opening: &Opening, wide: u128) -> Finding {
        let what = if opening.protocol == proto::TCP { "tcp" } else { "udp" };
        let (ports, count) = (words::ports(&opening.ports), opening.ports.count());
        let to = &opening.whom;
        if opening.excess.count() < wide {
            let message = format!("{what} {ports} to {to} is as wide as the port guide asks for");
            return Finding::new("PH201", Severity::Info, Some(rule.span), message)
                .label(format!("{count} ports, all but {} of them needed", opening.excess.count()))
                .help(self.narrower(to, opening.protocol));
        }
        let message = match self.judge.site.devices.iter().any(|device| device.name == *to) {
            true => format!(
                "{what} {ports} is open to {to}, which needs all but {} of its {count} ports not at all",
                count - opening.excess.count()
            ),
            false => format!("{what} {ports} is open to {to}: {count} ports"),
        };
        let severity = if opening.outward { Severity::Info } else { Severity::Warning };
        Finding::new("PH201", severity, Some(rule.span), message)
            .label(format!("opens {count} ports"))
            .notice("Calls work. So does every other service on these ports, management among them, that a device behind the rule offers now or later.")
            .help(self.narrower(to, opening.protocol))
    }

    /// What to open instead.
    fn narrower(&self, whom: &str, protocol: u8) -> String {
        let site = self.judge.site;
        let Some(device) = site.devices.iter().position(|device| device.name == whom) else {
            return "Open the ports that are needed, to the addresses that need them.".to_string();
        };
        let Some(product) = self.judge.catalog.product(&site.devices[device].product) else {
            return String::new();
        };
        let wide = site.settings.wide_range.into();
        let mut movable = Vec::new();
        for row in &product.requirements {
            let ports = site.ports_of(device, product, row);
            if ports.count() >= wide
                && row.configurable
                && row.transports.iter().any(|t| number(*t) == protocol)
            {
                movable.push(format!("{} ({})", row.protocol, words::ports(&ports)));
            }
        }
        let needed = words::ports(&self.required(device, protocol));
        let hint = match movable.as_slice() {
            [] => String::new(),
            rows => format!(
                " The range of {} can be made smaller in the device's own settings; say so in the site file with `ports`.",
                rows.join(" and ")
            ),
        };
        format!("{whom} needs {} {needed}.{hint}", if protocol == proto::TCP { "tcp" } else { "udp" })
    }
}

/// What a rule looks for.
struct Shape {
    sides: Vec<(Field, Set)>,
    every_protocol: bool,
}

/// PH203: what no rule speaks of is let through.
pub fn default_accept(judge: &Judge<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, firewall) in judge.firewalls.iter().enumerate() {
        let Some(firewall) = firewall.as_ref().filter(|firewall| firewall.dialect != Dialect::Asa) else {
            continue;
        };
        let lens = Lens::new(judge, at, firewall);
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
            let entries = Scope::new(rules, region.clone()).run(&region, way, None);
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
            .with(Dim::Iif, Set::one(crate::packet::interface("no-such-if0")))
            .with(Dim::Oif, Set::one(crate::packet::interface("no-such-if1")))
            .with(Dim::Src, Set::one(src))
            .with(Dim::Dst, Set::one(dst))
            .with(Dim::Proto, Set::one(protocol.into()))
            .with(Dim::Sport, Set::one(50123))
            .with(Dim::Dport, Set::one(47))
            .with(Dim::TcpFlags, Set::one(2))
            .with(Dim::State, Set::one(State::New as u128))
    }
}
