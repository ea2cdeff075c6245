//! The tree into the model.
//!
//! The way of a packet through the box, as *Cisco ASA Series Firewall CLI Configuration Guide* has it:
//! destinations are untranslated first; what belongs to a connection passes; a new connection passes the
//! access-list of the interface it comes in by, the global one, or the implicit rule of the security
//! levels; then the list of the interface it leaves by; then sources are translated. Traffic to the box
//! has rules of its own, and traffic from the box none.

mod acl;
mod implicit;
mod inspect;
mod levels;
mod lists;
mod nat;
mod reset;
mod routes;
mod to_box;
mod vpn;

use rustc_hash::{FxHashMap, FxHashSet};

pub(super) use inspect::{Applied, applied};
pub(super) use levels::{Levelled, levelled};

use super::ast::{Acl, AclKind, Address, Config, Direction, Entry, Named, Version};
use super::resolve::{Addresses, Resolver};
use crate::finding::Finding;
use crate::model::{
    Builder, ChainId, ChainKind, CondId, Condition, Effect, Hook, Idle, Origin, OwnAddress, Ruleset, Stage,
    StageKind, Step, Test, Timeout, Values, Verdict,
};
use crate::packet::{Family, Field, Set, State, interface, proto, states};
use crate::rule::{PH002, PH004};
use crate::source::Span;

/// From this version on access-lists hold real addresses and NAT is that of objects.
pub(super) const REAL_ADDRESSES: Version = Version { major: 8, minor: 3 };
/// From this version on one access-list holds both families.
pub(super) const BOTH_FAMILIES: Version = Version { major: 9, minor: 0 };

/// What an access-list is walked for; each gives a chain of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Use {
    /// To let pass or stop.
    Filter,
    /// The same on the way out, where the list's end is the end.
    Egress,
    /// On the way in, looking at addresses as they were before translation.
    FilterOriginal,
    /// To the box: denies stop, permits go on to the box's own rules.
    ControlPlane,
    /// To select for an inspection: the helper's place in the list.
    Inspect(crate::model::HelperId),
    /// A crypto map's list, for packets of the other end: they pass where they come through the tunnel.
    Tunnel(CondId),
    /// What comes out of a tunnel has to pass it.
    VpnFilter,
}

impl Use {
    /// Whether the list is written from this end, and the packet comes from the other one.
    fn is_reversed(self) -> bool {
        matches!(self, Use::Tunnel(_))
    }
}

pub(super) struct Lower<'c, 'a> {
    config: &'c Config<'a>,
    pub resolver: Resolver<'c, 'a>,
    b: Builder,
    findings: Vec<Finding>,
    acls: FxHashMap<&'a str, usize>,
    chains: FxHashMap<(usize, Use), ChainId>,
    /// The names of interfaces by that of `nameif`.
    interfaces: FxHashMap<&'a str, Set>,
    /// Interfaces with their levels.
    levels: Vec<Levelled<'a>>,
    /// Interfaces by level.
    ranks: levels::Ranks,
    /// Bridge-groups in routed mode by the names of their BVIs, and those whose BVI has a list for the way in.
    bridges: FxHashMap<&'a str, u16>,
    listed_bridges: FxHashSet<u16>,
    /// The ends of time-ranges, in minutes since 1970, where they have one.
    time_ranges: FxHashMap<&'a str, Option<i64>>,
    now: i64,
    /// Where denied TCP is answered by a reset, for each chain that denies.
    resets: FxHashMap<ChainId, reset::Answered>,
    /// The same for all ways; `None` inside is nowhere.
    all_resets: Option<Option<crate::model::TuplesId>>,
    answered: FxHashMap<reset::Rank, Set>,
    /// What becomes of packets out of a tunnel where lists filter them.
    vpn_chain: Option<ChainId>,
    /// Sets that are large have their place by where they lie, so that they are hashed once.
    large: FxHashMap<usize, Values>,
    /// The products of service groups, by where they lie and the fields that hold the ports.
    products: FxHashMap<(usize, Field, Field), Option<crate::model::TuplesId>>,
    /// The interfaces that each list is bound to in a direction; `None` inside is everywhere.
    bindings: FxHashMap<(&'a str, Direction), Vec<Option<&'a str>>>,
    /// Where rules point that the language implies.
    nowhere: Span,
    version: Version,
    /// Outbound lists that are walked after translation.
    late_egress: Option<ChainId>,
    /// Some destinations are translated on the way in.
    untranslates: bool,
}

/// What came of lowering.
pub(super) struct Lowered<'c, 'a> {
    pub ruleset: Ruleset,
    pub findings: Vec<Finding>,
    pub resolver: Resolver<'c, 'a>,
    /// Static translations that change addresses.
    pub statics: Vec<Static>,
}

/// A static translation, as far as the lints look at it.
pub(super) struct Static {
    /// Where it is written.
    pub span: Span,
    /// Real IPv4 addresses.
    pub real: Set,
    /// Mapped IPv4 addresses.
    pub mapped: Set,
    /// The names of the interface of the mapped side; `None` is any.
    pub interfaces: Option<Set>,
    /// The protocol, where ports are translated.
    pub protocol: Option<u8>,
    /// Real and mapped ports, where they are translated.
    pub ports: Option<((u16, u16), (u16, u16))>,
}

impl<'c, 'a> Lower<'c, 'a> {
    fn new(config: &'c Config<'a>, nowhere: Span) -> Self {
        let ends = config.time_ranges.iter().map(|range| (range.name.text, range.end.map(|(end, _)| end)));
        Lower {
            config,
            resolver: Resolver::new(config),
            b: Builder::new(),
            findings: Vec::new(),
            acls: config.acls.iter().enumerate().map(|(at, acl)| (acl.name.text, at)).collect(),
            chains: FxHashMap::default(),
            interfaces: interface_names(config),
            levels: levelled(config),
            ranks: levels::Ranks::default(),
            bridges: FxHashMap::default(),
            listed_bridges: FxHashSet::default(),
            time_ranges: ends.collect(),
            now: now(),
            resets: FxHashMap::default(),
            all_resets: None,
            answered: FxHashMap::default(),
            products: FxHashMap::default(),
            bindings: bindings(config),
            vpn_chain: None,
            large: FxHashMap::default(),
            nowhere,
            version: effective_version(config),
            late_egress: None,
            untranslates: false,
        }
    }
}

/// Lowers a configuration; `own` are addresses of the box that others tell.
pub(super) fn lower<'c, 'a>(config: &'c Config<'a>, own: &[OwnAddress], nowhere: Span) -> Lowered<'c, 'a> {
    let mut lower = Lower::new(config, nowhere);
    lower.rank();
    lower.find_bridges();
    lower.own_addresses(own);
    lower.routes();
    lower.check_bindings();
    let nat = lower.nat_rules();
    lower.untranslate(&nat);
    lower.through_the_box(&nat);
    lower.translate(&nat);
    if let Some(egress) = lower.late_egress {
        lower.stage(Hook::Postrouting, egress, StageKind::Filter, Verdict::Accept);
    }
    lower.box_rules();
    lower.unbound_lists();
    let outward = lower.outward();
    let ruleset = lower.b.ruleset();
    ruleset.stateful = true;
    ruleset.outward = outward;
    ruleset.keeps_ttl = true;
    ruleset.interfaces =
        Set::of(lower.levels.iter().map(|known| (interface(known.name), interface(known.name))));
    ruleset.v4 = true;
    ruleset.v6 = true;
    ruleset.written = config.rules;
    timeouts(config, ruleset);
    let mut findings = lower.findings;
    findings.append(&mut lower.resolver.findings);
    let statics = nat.iter().filter_map(nat::Translation::as_static).collect();
    Lowered { ruleset: lower.b.finish(), findings, resolver: lower.resolver, statics }
}

/// What `timeout` says. Source: *Cisco ASA Series Firewall CLI Configuration Guide*, "Configure Global Timeouts":
/// media that an inspection opened has timeouts of its own, and the one of H.225 counts when all its calls are over.
fn timeouts(config: &Config<'_>, ruleset: &mut Ruleset) {
    for (name, seconds, span) in &config.timeouts {
        let (of, besides): (Idle, &[&str]) = match *name {
            "conn" => (Idle::Tcp, &["Q.931"]),
            "udp" => (Idle::Udp, &["Q.931", "RAS", "sip"]),
            "h323" | "H323" => (Idle::Announced(&["Q.931", "RAS"]), &[]),
            "sip_media" => (Idle::Announced(&["sip"]), &[]),
            _ => continue,
        };
        // 0 is never; a later line holds all the same.
        let seconds = if *seconds == 0 { u32::MAX } else { *seconds };
        ruleset.set_timeout(Timeout { of, ports: None, besides, seconds, span: *span });
    }
}

/// The interfaces that each list is bound to, by its name and the direction.
fn bindings<'a>(config: &Config<'a>) -> FxHashMap<(&'a str, Direction), Vec<Option<&'a str>>> {
    let mut bindings: FxHashMap<_, Vec<_>> = FxHashMap::default();
    for group in &config.access_groups {
        let interface = group.interface.map(|name| name.text);
        bindings.entry((group.acl.text, group.direction)).or_default().push(interface);
    }
    bindings
}

/// Minutes since 1970.
pub(super) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as i64 / 60)
}

/// For each interface its names: that of `nameif` and that of the hardware.
fn interface_names<'a>(config: &Config<'a>) -> FxHashMap<&'a str, Set> {
    let mut names: FxHashMap<&str, Set> = FxHashMap::default();
    for known in &config.interfaces {
        let Some(name) = known.name else { continue };
        let both = [name.text, known.hardware.text].map(|name| (interface(name), interface(name)));
        let set = names.entry(name.text).or_insert_with(Set::empty);
        *set = set.or(&Set::of(both));
    }
    names
}

/// The version, or what the commands tell of it: translation changed its form with 8.3.
pub(super) fn effective_version(config: &Config<'_>) -> Version {
    match config.version {
        Some((version, _)) => version,
        None if !config.old_nats.is_empty() || config.nat_control.is_some() => Version { major: 8, minor: 2 },
        None => Version { major: 9, minor: 0 },
    }
}

impl<'c, 'a> Lower<'c, 'a> {
    /// Access-lists of `access-group` hold the addresses as seen on the interface, not the real ones.
    fn mapped_addresses(&self) -> bool {
        self.version < REAL_ADDRESSES
    }

    fn own_addresses(&mut self, own: &[OwnAddress]) {
        let mut all = own.to_vec();
        for interface in &self.config.interfaces {
            let Some(name) = interface.name else { continue };
            let mut add = |family, address, prefix| {
                for name in [name.text, interface.hardware.text] {
                    all.push(OwnAddress { interface: name.to_string(), family, address, prefix });
                }
            };
            if let Some((host, mask)) = interface.v4
                && let Some((Family::V4, address)) = self.resolver.host(host)
            {
                add(Family::V4, address, mask.leading_ones());
            }
            for (address, length) in &interface.v6 {
                add(Family::V6, *address, (*length).into());
            }
        }
        self.b.ruleset().own = all;
        let mut synonyms: Vec<Set> = self.interfaces.values().cloned().collect();
        synonyms.sort_unstable_by_key(Set::first);
        self.b.ruleset().synonyms = synonyms;
    }

    /// Access-groups of lists that are not there or cannot be bound.
    fn check_bindings(&mut self) {
        for group in &self.config.access_groups {
            let Some(acl) = self.acls.get(group.acl.text).map(|at| &self.config.acls[*at]) else {
                self.resolver.missing(group.acl, "access-list");
                continue;
            };
            let why = match acl.kind {
                Some(AclKind::Standard) => "a standard list selects routes and not traffic",
                Some(AclKind::WebType) => "a webtype list selects web portals and not traffic",
                None => "it holds nothing but remarks",
                _ => continue,
            };
            self.findings.push(
                Finding::of(&PH004, group.span, format!("access-list `{}` cannot be bound: {why}", acl.name.text))
                    .related(acl.name.span, "the list")
                    .help("The ASA refuses the line, and the interface is left as without it. Bind an extended access-list."),
            );
        }
        let config = self.config;
        let bound = config.access_groups.iter().filter_map(|group| group.interface);
        let policies = config.service_policies.iter().filter_map(|policy| policy.interface);
        let accesses = config.accesses.iter().map(|access| access.interface);
        let objects =
            config.objects.iter().filter_map(|object| object.nat.as_ref()).map(|nat| nat.interfaces);
        let nats =
            config.nats.iter().map(|nat| nat.interfaces).chain(objects).flat_map(|(a, b)| [a, b]).flatten();
        for name in bound.chain(policies).chain(accesses).chain(nats) {
            self.resolver.check_interface(name);
        }
    }

    /// The names under which packets know an interface: that of `nameif`, and that of the hardware.
    fn interface_set(&self, name: &str) -> Set {
        self.interfaces.get(name).cloned().unwrap_or_else(|| Set::one(interface(name)))
    }

    /// Tests that a packet comes in by, or leaves by, an interface.
    fn on(&mut self, field: Field, name: &str) {
        let set = self.interface_set(name);
        self.within(field, set);
    }

    /// Tests that a field is in a set.
    fn within(&mut self, field: Field, set: Set) {
        if set.is_empty() {
            return self.b.test(Test::Never);
        }
        let values = self.values(set);
        self.b.field(field, values, false);
    }

    fn values(&mut self, set: Set) -> Values {
        if set.ranges().len() < 8 {
            return self.b.values(set);
        }
        let place = set.ranges().as_ptr() as usize;
        if let Some(values) = self.large.get(&place) {
            return *values;
        }
        let values = self.b.values(set.clone());
        // Only a set that the builder keeps stays where it is.
        if let Values::Set(id) = values
            && self.b.ruleset().set(id).ranges().as_ptr() as usize == place
        {
            self.large.insert(place, values);
        }
        values
    }

    fn verdict(&mut self, chain: ChainId, verdict: Verdict, origin: impl Into<Origin>) {
        self.b.effect(Effect::Verdict(verdict));
        self.b.rule(chain, origin);
    }

    /// Nobody knows what happens to the packets of the rule that is being made.
    fn undefined(&mut self, chain: ChainId, condition: Condition, origin: impl Into<Origin>) {
        let cond = self.b.condition(condition);
        self.step(Effect::Undefined(cond));
        self.b.rule(chain, origin);
    }

    /// What the box does without being told.
    fn system(&self) -> Origin {
        Origin::system(self.nowhere)
    }

    fn stage(&mut self, hook: Hook, chain: ChainId, kind: StageKind, policy: Verdict) {
        let stage = Stage {
            chain,
            kind,
            v4: true,
            v6: true,
            policy,
            policy_origin: self.system(),
            priority: self.b.ruleset().hooks[hook as usize].len() as i32,
            before_tracking: false,
        };
        self.b.stage(hook, stage);
    }

    /// What belongs to a connection passes: TCP, UDP and SCTP always, ICMP where it is inspected.
    ///
    /// *Firewall CLI Configuration Guide*, "Access Rules for Returning Traffic".
    fn established(&mut self, chain: ChainId) {
        let live = [State::Established, State::Related];
        let carried = Set::of([proto::TCP, proto::UDP, proto::SCTP].map(|p| (p.into(), p.into())));
        self.within(Field::State, states(&live));
        self.within(Field::Proto, carried);
        self.verdict(chain, Verdict::Accept, self.system());
        for (span, interfaces) in self.icmp_inspections() {
            for field in [Field::Iif, Field::Oif] {
                self.within(Field::State, states(&live));
                self.within(Field::Proto, Set::of([(1, 1), (58, 58)]));
                if let Some(names) = &interfaces {
                    self.within(field, names.clone());
                }
                self.verdict(chain, Verdict::Accept, Origin::setting(span));
                if interfaces.is_none() {
                    break;
                }
            }
        }
    }

    /// Filter stages for traffic through the box, in order.
    fn through_the_box(&mut self, nat: &[nat::Translation]) {
        let ingress = self.b.chain_of(ChainKind::BuiltIn, "ingress", self.nowhere);
        self.foreign(ingress);
        self.established(ingress);
        self.unread(ingress);
        self.first_packets(ingress);
        self.forbidden_ways(ingress);
        self.spoofed(ingress);
        self.ether_lists(ingress, Direction::In);
        self.tunnels(ingress);
        self.ingress_lists(ingress);
        self.security_levels(ingress);
        self.stage(Hook::Forward, ingress, StageKind::Filter, Verdict::Drop);
        self.bridge_stage(Direction::In);
        self.reverse_path(nat);
        self.bridge_stage(Direction::Out);
        let bound = |group: &super::ast::AccessGroup<'_>| group.direction == Direction::Out;
        if self.config.access_groups.iter().chain(&self.config.unbound).any(bound) {
            let egress = self.b.chain_of(ChainKind::BuiltIn, "egress", self.nowhere);
            self.established(egress);
            self.ether_lists(egress, Direction::Out);
            self.egress_lists(egress);
            // Before 8.3 an outbound list sees the packet as it leaves, after translation.
            if self.mapped_addresses() {
                self.late_egress = Some(egress);
            } else {
                self.stage(Hook::Forward, egress, StageKind::Filter, Verdict::Accept);
            }
        }
        self.inspections();
    }

    /// Of a file in another language nothing is known.
    fn foreign(&mut self, chain: ChainId) {
        if let Some(line) = self.config.foreign {
            self.undefined(chain, Condition::elsewhere(line.text), Origin::setting(line.span));
        }
    }

    /// Where translation or a binding could not be read, what becomes of new connections is not known.
    fn unread(&mut self, chain: ChainId) {
        if let Some(line) = self.config.unread {
            self.undefined(chain, Condition::elsewhere(line.text), Origin::setting(line.span));
        }
    }

    /// Lists that nothing walks are chains too, so that what they say can be seen, and what they name is checked.
    fn unbound_lists(&mut self) {
        let walked: FxHashSet<usize> = self.chains.keys().map(|(at, _)| *at).collect();
        for (at, acl) in self.config.acls.iter().enumerate() {
            match acl.kind {
                Some(AclKind::Extended | AclKind::V6) if !walked.contains(&at) => {
                    self.acl_chain(acl.name, Use::Filter);
                }
                Some(AclKind::Standard) => self.standard_list(acl),
                Some(AclKind::WebType) => {
                    let message = format!("webtype access-list `{}` is not in the model", acl.name.text);
                    self.findings.push(
                        Finding::of(&PH002, acl.entries.first().map(Entry::span), message).help(
                            "It says nothing of routed IP packets through the box. The answers leave it out.",
                        ),
                    );
                }
                _ => {}
            }
        }
    }

    /// A standard list selects destinations, for routes and split tunnels.
    fn standard_list(&mut self, acl: &'c Acl<'a>) {
        let name = format!("access-list {}", acl.name.text);
        let chain = self.b.chain_of(ChainKind::AccessList, name, acl.name.span);
        for entry in &acl.entries {
            let Entry::Standard(span, action, address) = entry else { continue };
            let set = self.resolver.address(*address);
            for family in [Family::V4, Family::V6] {
                for alternative in Self::alternatives(&set, family) {
                    self.b.is(Field::Version, if family == Family::V4 { 4 } else { 6 });
                    if let Alternative::In(set) = alternative {
                        self.within(Field::dst(family), set);
                    }
                    let verdict = match action {
                        super::ast::Action::Permit => Verdict::Accept,
                        super::ast::Action::Deny => Verdict::Drop,
                    };
                    self.verdict(chain, verdict, *span);
                }
            }
        }
    }

    /// Whether a list decides about IP packets, once it is bound.
    fn is_filter(acl: &Acl<'_>) -> bool {
        matches!(acl.kind, Some(AclKind::Extended | AclKind::V6))
    }

    /// Whether an access-list has lines of its own that a running-config would have.
    fn is_written(acl: &Acl<'_>) -> bool {
        acl.entries.iter().any(|entry| matches!(entry, Entry::Extended(ace) if !ace.shown))
    }

    fn step(&mut self, effect: Effect) {
        self.b.step(Step::Effect(effect));
    }

    /// Alternatives of an address for one family: sets and masks that are known, then what is not.
    fn alternatives(addresses: &Addresses, family: Family) -> Vec<Alternative> {
        let mut out = Vec::new();
        let (set, bits) = match family {
            Family::V4 => (&addresses.v4, family.last()),
            Family::V6 => (&addresses.v6, u128::MAX),
        };
        if let [(0, hi)] = set.ranges()
            && *hi == bits
        {
            return vec![Alternative::All];
        }
        if !set.is_empty() {
            out.push(Alternative::In(set.clone()));
        }
        if family == Family::V4 {
            out.extend(addresses.masked.iter().map(|(mask, value)| Alternative::Masked(*mask, *value)));
        }
        let of_family =
            addresses.unknown.iter().filter(|of| if family == Family::V4 { of.v4 } else { of.v6 });
        out.extend(of_family.map(|unknown| Alternative::Unknown(unknown.name.clone())));
        out
    }
}

/// One way in which an address can match.
#[derive(Clone, Debug)]
enum Alternative {
    All,
    In(Set),
    Masked(u32, u32),
    /// Unknown, by the name of the condition about the address field.
    Unknown(String),
}

impl Alternative {
    /// Makes one unknown alternative of all that are no set, where there are too many to write out.
    fn shorten(all: &mut Vec<Alternative>, written: Address<'_>) {
        let (Address::Group(name) | Address::Object(name)) = written else { return };
        all.retain(|alternative| matches!(alternative, Alternative::All | Alternative::In(_)));
        all.push(Alternative::Unknown(format!("object-group {}", name.text)));
    }
}
