//! Inspections: which connections get a helper that opens what their signalling announces.
//!
//! Source: *Cisco ASA Series Firewall CLI Configuration Guide*, "Getting Started with Application Layer
//! Protocol Inspection": default ports, engines that are on by default, families; "Service Policy": a
//! policy of an interface comes before the global one for the same feature.

use rustc_hash::FxHashMap;

use super::super::ast::{ClassMap, Match, PolicyMap, Ports, Protocol, Service};
use super::implicit::CLASSIFIED;
use super::{Lower, Use};
use crate::model::{ChainId, ChainKind, Condition, Effect, HelperId, Hook, Origin, StageKind, Verdict};
use crate::packet::{Field, Set};
use crate::source::Span;

/// One engine.
pub(in super::super) struct Engine {
    /// The words after `inspect`.
    pub name: &'static str,
    /// The helper's name in the model.
    pub helper: &'static str,
    /// Protocols and destination ports that `match default-inspection-traffic` selects for it.
    pub traffic: &'static [(u8, u16, u16)],
    /// Whether the default `global_policy` has it.
    pub default: bool,
    /// Whether it looks at IPv6.
    pub v6: bool,
}

const fn engine(
    name: &'static str,
    helper: &'static str,
    traffic: &'static [(u8, u16, u16)],
    default: bool,
    v6: bool,
) -> Engine {
    Engine { name, helper, traffic, default, v6 }
}

/// The engines that open connections for what they read.
pub(in super::super) const ENGINES: &[Engine] = &[
    engine("ctiqbe", "ctiqbe", &[(6, 2748, 2748)], false, false),
    engine("dcerpc", "dcerpc", &[(6, 135, 135)], false, false),
    engine("ftp", "ftp", &[(6, 21, 21)], true, true),
    engine("h323 h225", "Q.931", &[(6, 1720, 1720)], true, false),
    engine("h323 ras", "RAS", &[(17, 1718, 1719)], true, false),
    engine("mgcp", "mgcp", &[(17, 2427, 2427), (17, 2727, 2727)], false, false),
    engine("pptp", "pptp", &[(6, 1723, 1723)], false, false),
    engine("rsh", "rsh", &[(6, 514, 514)], true, false),
    engine("rtsp", "rtsp", &[(6, 554, 554)], true, false),
    engine("sip", "sip", &[(6, 5060, 5060), (17, 5060, 5060)], true, true),
    engine("skinny", "skinny", &[(6, 2000, 2000)], true, true),
    engine("sqlnet", "sqlnet", &[(6, 1521, 1521)], true, false),
    engine("sunrpc", "sunrpc", &[(6, 111, 111), (17, 111, 111)], true, false),
    engine("tftp", "tftp", &[(17, 69, 69)], true, false),
];

/// One inspection as it is applied.
pub(in super::super) struct Applied<'c, 'a> {
    /// The engine.
    pub engine: &'static Engine,
    /// The interface; `None` is all.
    pub interface: Option<&'a str>,
    /// What is selected; `None` is default inspection traffic.
    pub class: Option<&'c ClassMap<'a>>,
    /// The `inspect` line, or that of the policy where it is implied.
    pub span: Span,
    /// The files do not say whether the default policy stands.
    pub may_be_off: bool,
}

/// The policies that are applied: map, interface, line.
pub(super) fn policies<'c, 'a>(
    config: &'c super::Config<'a>,
) -> Vec<(&'c PolicyMap<'a>, Option<&'a str>, Span)> {
    let maps: FxHashMap<&str, &PolicyMap<'a>> =
        config.policy_maps.iter().map(|map| (map.name.text, map)).collect();
    let mut out = Vec::new();
    for service in &config.service_policies {
        let map = maps.get(service.policy.text);
        out.extend(map.map(|map| (*map, service.interface.map(|name| name.text), service.span)));
    }
    // A script that edits the default policy does not bind it again.
    if !out.iter().any(|(_, interface, _)| interface.is_none())
        && let Some(map) = config.policy_maps.iter().find(|map| map.name.text == "global_policy")
    {
        out.push((map, None, map.name.span));
    }
    out
}

/// Whether a policy-map is the default one with changes: only then are there lines that take back.
fn edits_default(map: &PolicyMap<'_>) -> bool {
    map.name.text == "global_policy"
        && map.classes.iter().any(|class| class.inspects.iter().any(|i| i.negated))
}

/// All inspections that are applied, those of interfaces after global ones, and within a policy the
/// first class last: what comes later takes precedence.
pub(in super::super) fn applied<'c, 'a>(
    config: &'c super::Config<'a>,
    nowhere: Span,
) -> Vec<Applied<'c, 'a>> {
    let mut out: Vec<Applied<'c, 'a>> = Vec::new();
    let policies = policies(config);
    // A running-config shows the default policy; a part of one, or a script, does not.
    if policies.is_empty()
        && config.version.is_none()
        && config.service_policies.is_empty()
        && config.policy_maps.is_empty()
    {
        let defaults = ENGINES.iter().filter(|engine| engine.default);
        return defaults
            .map(|engine| Applied { engine, interface: None, class: None, span: nowhere, may_be_off: true })
            .collect();
    }
    let definitions: FxHashMap<&str, &ClassMap<'a>> =
        config.class_maps.iter().map(|map| (map.name.text, map)).collect();
    let (global, local): (Vec<_>, Vec<_>) =
        policies.into_iter().partition(|(_, interface, _)| interface.is_none());
    for (map, interface, span) in global.into_iter().chain(local) {
        let mut classes = Vec::new();
        for class in &map.classes {
            let definition = definitions.get(class.name.text).copied();
            // The class-maps of the default policy are there without being written.
            let default =
                matches!(class.name.text, "inspection_default" | "class-default") && definition.is_none();
            let implied = default && class.name.text == "inspection_default";
            if definition.is_none() && !default {
                continue;
            }
            for engine in ENGINES {
                let mut lines = class.inspects.iter().filter(|inspect| inspect.engine == engine.name);
                let last = lines.next_back();
                let on = match last {
                    Some(inspect) => !inspect.negated,
                    None => implied && engine.default && edits_default(map),
                };
                if on {
                    let span = last.map_or(span, |inspect| inspect.span);
                    let class = if implied { None } else { definition };
                    classes.push(Applied { engine, interface, class, span, may_be_off: false });
                }
            }
        }
        out.extend(classes.into_iter().rev());
    }
    out
}

impl<'c, 'a> Lower<'c, 'a> {
    /// The stage that gives connections their helpers.
    pub(super) fn inspections(&mut self) {
        let applied = applied(self.config, self.nowhere);
        if applied.is_empty() {
            return;
        }
        let chain = self.b.chain_of(ChainKind::BuiltIn, "inspection", self.nowhere);
        for inspection in &applied {
            let helper = self.b.helper(inspection.engine.helper);
            let fields: &[Field] =
                if inspection.interface.is_some() { &[Field::Iif, Field::Oif] } else { &[Field::Iif] };
            for field in fields {
                self.inspection(chain, inspection, helper, *field);
            }
        }
        self.stage(Hook::Forward, chain, StageKind::Filter, Verdict::Accept);
    }

    fn inspection(&mut self, chain: ChainId, inspection: &Applied<'c, 'a>, helper: HelperId, side: Field) {
        let matches: &[Match<'a>] = inspection.class.map_or(&[Match::Default], |class| &class.matches);
        let list = matches.iter().find_map(|what| match what {
            Match::Acl(name) => Some((*name, self.acl_chain(*name, Use::Inspect(helper)))),
            _ => None,
        });
        let by_default = matches.iter().any(|what| matches!(what, Match::Default));
        let traffic: Vec<(u8, u16, u16)> = if by_default {
            inspection.engine.traffic.to_vec()
        } else {
            // Without default ports all ports of the engine's protocols are inspected.
            let mut protocols: Vec<u8> =
                inspection.engine.traffic.iter().map(|(protocol, ..)| *protocol).collect();
            protocols.dedup();
            protocols.into_iter().map(|protocol| (protocol, 0, u16::MAX)).collect()
        };
        for (protocol, lo, hi) in traffic {
            if let Some(interface) = inspection.interface {
                self.on(side, interface);
            }
            self.b.is(Field::Proto, protocol.into());
            if (lo, hi) != (0, u16::MAX) {
                self.within(Field::Dport, Set::range(lo.into(), hi.into()));
            }
            if !inspection.engine.v6 {
                self.b.is(Field::Version, 4);
            }
            for what in matches {
                match *what {
                    Match::Any | Match::Default | Match::Acl(_) => {}
                    Match::Port(of, ports) => self.class_ports(of, ports),
                    Match::Other(_) => {
                        let name = inspection.class.map_or("", |class| class.name.text);
                        self.b.unknown(Condition::of(format!("class-map {name}"), CLASSIFIED));
                    }
                }
            }
            if inspection.may_be_off {
                self.b.unknown(Condition::global("policy-map global_policy"));
            }
            match list {
                None => self.step(Effect::Helper(helper)),
                Some((_, Some(list))) => self.step(Effect::Jump(list)),
                Some((name, None)) => {
                    self.b.unknown(Condition::elsewhere(format!("acl {}", name.text)));
                    self.step(Effect::Helper(helper));
                }
            }
            self.b.rule(chain, Origin::setting(inspection.span));
        }
    }

    fn class_ports(&mut self, protocol: u8, ports: Ports<'a>) {
        let service = Service { destination: ports, ..Service::of(Protocol::Number(protocol)) };
        let services = self.resolver.service(service);
        self.b.is(Field::Proto, protocol.into());
        if let Some(set) = services.products.first().and_then(|product| product.destination.clone()) {
            self.within(Field::Dport, set);
        }
        for (name, about) in services.guesses.iter().flat_map(|guess| &guess.conditions) {
            self.b.unknown(Condition::of(name, about.iter().copied()));
        }
    }

    /// Inspections of ICMP that make it stateful: line, and interfaces where it is not everywhere.
    pub(super) fn icmp_inspections(&self) -> Vec<(Span, Option<Set>)> {
        let mut out = Vec::new();
        for (map, interface, _) in policies(self.config) {
            for inspect in map.classes.iter().flat_map(|class| &class.inspects) {
                if inspect.engine == "icmp" && !inspect.negated {
                    out.push((inspect.span, interface.map(|name| self.interface_set(name))));
                }
            }
        }
        out
    }
}
