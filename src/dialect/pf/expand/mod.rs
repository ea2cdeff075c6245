//! Lists multiplied out into single rules, in pfctl's order (parse.y, `expand_rule`).

mod check;
mod hosts;
mod label;
mod pool;

use crate::dialect::{Environment, over_budget};
use crate::finding::Finding;
use crate::model::Origin;
use crate::rule::{PH002, PH003, PH004, Severity};
use crate::source::Span;

use super::ast::{
    Action, Af, Direction, Flags, Flavour, IcmpMatch, IdMatch, Interface, InterfaceName, List, Peer,
    PortMatch, PortOp, Protocol, Rule, StateKind,
};

pub use self::hosts::{DRIVER_GROUPS, Resolved, Where, addresses, is_interface, own_addresses, own_nets};
pub use self::pool::{FlatPool, FlatPort};

/// What a rule costs that lists multiply out into, in nodes.
const NODES_A_RULE: usize = 4;

/// IP protocol numbers that the grammar treats by name.
pub mod protocol {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// ICMPv6.
    pub const ICMP6: u8 = 58;
    /// SCTP.
    pub const SCTP: u8 = 132;
}

/// `flags S/SA`: of SYN and ACK only SYN is set.
pub const SYN_OF_SYN_ACK: Flags = Flags { set: 0x02, mask: 0x12 };

/// One rule with no list left in it.
#[derive(Clone, Debug)]
pub struct Flat<'a> {
    /// The rule that it comes from.
    pub rule: &'a Rule,
    /// Its number among all that rules are multiplied out into.
    pub id: u32,
    /// The way; `binat-to` splits a rule without one into two.
    pub direction: Option<Direction>,
    /// The interface, and whether negated.
    pub interface: Option<(bool, &'a InterfaceName)>,
    /// The address family, where something settles it.
    pub af: Option<Af>,
    /// The protocol.
    pub protocol: Option<&'a Protocol>,
    /// The ICMP type.
    pub icmp: Option<IcmpMatch>,
    /// Source.
    pub src: Resolved<'a>,
    /// Source port.
    pub src_port: Option<&'a PortOp>,
    /// Destination.
    pub dst: Resolved<'a>,
    /// Destination port.
    pub dst_port: Option<&'a PortOp>,
    /// TCP flags: only TCP packets are asked for them.
    pub flags: Option<Flags>,
    /// Whether it keeps state; only `pass` rules say.
    pub state: Option<StateKind>,
    /// Source translation.
    pub nat: Option<Box<FlatPool<'a>>>,
    /// Destination translation.
    pub rdr: Option<Box<FlatPool<'a>>>,
    /// The element of a list that it stands for; the rule itself where there is none.
    pub element: Span,
    extras: Option<Box<Extras<'a>>>,
}

/// What few rules have, to keep the others small.
#[derive(Clone, Debug, Default)]
pub struct Extras<'a> {
    /// Operating system.
    pub os: Option<&'a str>,
    /// User.
    pub user: Option<&'a IdMatch>,
    /// Group.
    pub group: Option<&'a IdMatch>,
    /// `tag …`, its macros filled in.
    pub tag: Option<String>,
    /// `tagged …`, likewise, and whether negated.
    pub tagged: Option<(bool, String)>,
    /// Labels, likewise.
    pub labels: Vec<String>,
}

/// The extras of a rule that has none.
static NO_EXTRAS: Extras<'static> =
    Extras { os: None, user: None, group: None, tag: None, tagged: None, labels: Vec::new() };

impl<'a> Flat<'a> {
    /// Where what is made of it comes from.
    pub fn origin(&self) -> Origin {
        Origin::of(self.rule.span, self.element)
    }

    /// What few rules have.
    pub fn extras(&self) -> &Extras<'a> {
        self.extras.as_deref().unwrap_or(&NO_EXTRAS)
    }
}

impl<'a> Extras<'a> {
    /// Those of a rule, its lists and the macros in its texts left to be filled in.
    fn of(rule: &Rule) -> Option<Box<Extras<'a>>> {
        let rare = rule.options.rare();
        if rare.tag.is_none() && rare.tagged.is_none() && rare.labels.is_empty() {
            return None;
        }
        Some(Box::new(Extras {
            tag: rare.tag.clone(),
            tagged: rare.tagged.clone(),
            labels: rare.labels.clone(),
            ..Extras::default()
        }))
    }
}

/// Multiplies rules out.
pub struct Expander<'a> {
    env: &'a Environment,
    flavour: Flavour,
    /// How many rules there are by now.
    count: u32,
    /// Where there is something to say.
    pub findings: Vec<Finding>,
}

/// The lists of one rule, resolved.
struct Lists<'a> {
    src: List<Resolved<'a>>,
    dst: List<Resolved<'a>>,
    af: Option<Af>,
}

impl<'a> Expander<'a> {
    /// An expander for a file of a flavour.
    pub fn new(env: &'a Environment, flavour: Flavour) -> Self {
        Expander { env, flavour, count: 0, findings: Vec::new() }
    }

    /// Goes on with a file of another flavour.
    pub fn set_flavour(&mut self, flavour: Flavour) {
        self.flavour = flavour;
    }

    /// Multiplies a rule out. `number` counts the rules of its ruleset, for `$nr`.
    pub fn expand(&mut self, rule: &'a Rule, number: &mut usize, out: &mut Vec<Flat<'a>>) {
        if !self.check_written(rule) {
            return;
        }
        self.check_names(rule);
        let Some(lists) = self.lists(rule) else { return };
        let product = product(rule, &lists);
        // A rule without lists is what it is in the file.
        if let Err(exhausted) = self.env.budget.nodes((product - 1).saturating_mul(NODES_A_RULE)) {
            self.findings.push(over_budget(rule.span, "what the lists multiply out into", exhausted));
            return;
        }
        let before = out.len();
        let mut problem = None;
        self.each(rule, &lists, number, &mut problem, out);
        for flat in &mut out[before..] {
            flat.id = self.count;
            self.count += 1;
        }
        match problem {
            Some((span, message)) => self.refuse(span, message),
            None if out.len() == before => {
                self.refuse(
                    rule.span,
                    "the rule expands to no valid combination: the address families differ".into(),
                );
            }
            None => {}
        }
    }

    /// Reports what pfctl refuses to load.
    fn refuse(&mut self, span: Span, message: String) {
        self.findings.push(Finding::of(&PH004, span, message).label("pfctl refuses this"));
    }

    /// Reports that something is not looked at, because it is too much.
    pub fn give_up(&mut self, span: Span, message: String, label: &str) {
        self.findings.push(
            Finding::of(&PH002, span, message).severity(Severity::Warning).label(label).help(
                "Answers behind this place depend on what is not known here. Shorten it, or correct it.",
            ),
        );
    }

    /// Reports names that only the system that loads the rules can resolve, if it can.
    fn check_names(&mut self, rule: &Rule) {
        for protocol in rule.protocols.iter().filter(|protocol| protocol.number.is_none()) {
            self.unresolved(protocol.span, format!("protocol `{}` is not known", protocol.text));
        }
        for port in rule.from.ports.iter().chain(&rule.to.ports) {
            if let Some(name) = port.op.unknown() {
                self.unresolved(port.span, format!("service `{name}` is not known"));
            }
        }
    }

    fn unresolved(&mut self, span: Span, message: String) {
        self.findings.push(
            Finding::of(&PH003, span, message)
                .severity(Severity::Info)
                .label("pfctl refuses this unless the system that loads it knows the name")
                .help("Write the number."),
        );
    }

    /// Resolves the host lists and settles the address family.
    fn lists(&mut self, rule: &'a Rule) -> Option<Lists<'a>> {
        let src = self.resolve_peer(&rule.from)?;
        let dst = self.resolve_peer(&rule.to)?;
        let mut af = rule.af;
        if let Action::Translate { .. } = rule.action {
            af = af.or(src.first().and_then(|host| host.af)).or(dst.first().and_then(|host| host.af));
        } else {
            af = af.or_else(|| self.settled(&src)).or_else(|| self.settled(&dst));
        }
        Some(Lists { src, dst, af })
    }

    fn resolve_peer(&mut self, peer: &'a Peer) -> Option<List<Resolved<'a>>> {
        match hosts::resolve_all(&peer.hosts, self.env) {
            Ok(hosts) => Some(hosts),
            Err((span, message)) => {
                self.refuse(span, message);
                None
            }
        }
    }

    /// The family that a list settles. OpenBSD wants every host to have it, the others overlook hosts
    /// that have none, such as tables (`decide_address_family`).
    fn settled(&self, hosts: &[Resolved]) -> Option<Af> {
        let mut families = hosts.iter().map(|host| host.af);
        match self.flavour {
            Flavour::OpenBsd => {
                let first = families.next()??;
                families.all(|af| af == Some(first)).then_some(first)
            }
            Flavour::FreeBsd => {
                let mut families = families.flatten();
                let first = families.next()?;
                families.all(|af| af == first).then_some(first)
            }
        }
    }

    /// Runs the loops. The order of the inner ones differs between the families.
    fn each(
        &self,
        rule: &'a Rule,
        lists: &Lists<'a>,
        number: &mut usize,
        problem: &mut Option<(Span, String)>,
        out: &mut Vec<Flat<'a>>,
    ) {
        let all_ends = self.ends(rule, lists);
        for interface in options(&rule.interfaces) {
            for protocol in options(&rule.protocols) {
                for icmp in options(&rule.options.icmp) {
                    for &ends in &all_ends {
                        let found = Found { interface, protocol, icmp: icmp.copied(), ends };
                        self.combine(rule, lists.af, &found, number, problem, out);
                    }
                }
            }
        }
    }

    /// The hosts and ports of both ends, in the order in which pfctl goes through them.
    fn ends<'l>(&self, rule: &'a Rule, lists: &'l Lists<'a>) -> Vec<Ends<'a, 'l>> {
        let (src_ports, dst_ports) = (options(&rule.from.ports), options(&rule.to.ports));
        let dsts_and_ports = || match self.flavour {
            Flavour::OpenBsd => {
                lists.dst.iter().flat_map(|dst| src_ports.clone().map(move |port| (dst, port))).collect()
            }
            Flavour::FreeBsd => src_ports
                .clone()
                .flat_map(|port| lists.dst.iter().map(move |dst| (dst, port)))
                .collect::<Vec<_>>(),
        };
        let mut all = Vec::new();
        for src in &lists.src {
            for (dst, src_port) in dsts_and_ports() {
                all.extend(dst_ports.clone().map(|dst_port| Ends { src, src_port, dst, dst_port }));
            }
        }
        all
    }

    /// One combination of the outer lists: a rule for each operating system, user and group, if the families fit.
    fn combine(
        &self,
        rule: &'a Rule,
        rule_af: Option<Af>,
        found: &Found<'a, '_>,
        number: &mut usize,
        problem: &mut Option<(Span, String)>,
        out: &mut Vec<Flat<'a>>,
    ) {
        let (src, dst) = (found.ends.src, found.ends.dst);
        if clash(rule_af, src.af) || clash(rule_af, dst.af) || clash(src.af, dst.af) {
            return;
        }
        let scope = src.scope.or(dst.scope);
        let elsewhere = |named: &InterfaceName| scope.is_some_and(|scope| scope != named);
        if dst.scope.is_some_and(elsewhere) || found.interface.is_some_and(|on| elsewhere(&on.name)) {
            return;
        }
        let mut flat = found.flat(rule);
        flat.interface = flat.interface.or(scope.map(|scope| (false, scope)));
        flat.af = rule_af;
        if let Err(error) = self.pools(&mut flat, found.ends.dst_port) {
            problem.get_or_insert(error);
            return;
        }
        if clash(flat.af, src.af) || clash(flat.af, dst.af) {
            return;
        }
        flat.af = flat.af.or(src.af).or(dst.af);
        if let Err(error) = check::consistent(&flat, self.flavour) {
            problem.get_or_insert(error);
            return;
        }
        let rare = rule.options.rare();
        if rare.os.is_empty() && rare.users.is_empty() && rare.groups.is_empty() {
            return finish(flat, number, out);
        }
        for os in options(&rare.os) {
            for user in options(&rare.users) {
                for group in options(&rare.groups) {
                    let mut flat = flat.clone();
                    let extras = flat.extras.get_or_insert_default();
                    (extras.os, extras.user, extras.group) = (os.map(String::as_str), user, group);
                    finish(flat, number, out);
                }
            }
        }
    }
}

/// Numbers a rule and puts it out.
fn finish<'a>(mut flat: Flat<'a>, number: &mut usize, out: &mut Vec<Flat<'a>>) {
    label::fill(&mut flat, *number);
    *number += 1;
    if flat.rule.options.rare().binat {
        pool::split_binat(flat, out);
    } else {
        out.push(flat);
    }
}

/// The elements of a list, or one nothing where the list is empty.
fn options<T>(items: &[T]) -> impl Iterator<Item = Option<&T>> + Clone {
    let none = items.is_empty().then_some(None);
    none.into_iter().chain(items.iter().map(Some))
}

fn clash(a: Option<Af>, b: Option<Af>) -> bool {
    a.is_some() && b.is_some() && a != b
}

/// How many combinations the lists have.
fn product(rule: &Rule, lists: &Lists) -> usize {
    let options = &rule.options;
    [
        rule.interfaces.len(),
        rule.protocols.len(),
        options.icmp.len(),
        lists.src.len(),
        lists.dst.len(),
        rule.from.ports.len(),
        rule.to.ports.len(),
        options.rare().os.len(),
        options.rare().users.len(),
        options.rare().groups.len(),
    ]
    .iter()
    .fold(1usize, |all, len| all.saturating_mul((*len).max(1)))
}

/// One element of each of the outer lists.
struct Found<'a, 'l> {
    interface: Option<&'a Interface>,
    protocol: Option<&'a Protocol>,
    icmp: Option<IcmpMatch>,
    ends: Ends<'a, 'l>,
}

/// A host and a port of each end.
#[derive(Clone, Copy)]
struct Ends<'a, 'l> {
    src: &'l Resolved<'a>,
    src_port: Option<&'a PortMatch>,
    dst: &'l Resolved<'a>,
    dst_port: Option<&'a PortMatch>,
}

impl<'a> Found<'a, '_> {
    fn flat(&self, rule: &'a Rule) -> Flat<'a> {
        let number = self.protocol.map(|protocol| protocol.number);
        let tcp = matches!(number, None | Some(None | Some(protocol::TCP)));
        let state = rule.options.state.as_ref().map(|state| match state.kind {
            StateKind::Modulate | StateKind::Synproxy if !tcp => StateKind::Keep,
            kind => kind,
        });
        let implied = rule.action == Action::Pass
            && !rule.options.fragment
            && state.is_some_and(|state| state != StateKind::No);
        let flags = rule.options.flags.or(implied.then_some(SYN_OF_SYN_ACK));
        Flat {
            rule,
            id: 0,
            direction: rule.direction,
            interface: self.interface.map(|interface| (interface.negated, &interface.name)),
            af: None,
            protocol: self.protocol,
            icmp: self.icmp,
            src: self.ends.src.clone(),
            src_port: self.ends.src_port.map(|port| &port.op),
            dst: self.ends.dst.clone(),
            dst_port: self.ends.dst_port.map(|port| &port.op),
            flags: flags.filter(|flags| tcp && flags.mask != 0),
            state,
            nat: None,
            rdr: None,
            element: self.element(rule),
            extras: Extras::of(rule),
        }
    }

    /// The element that tells this rule from its siblings: the last list with more than one element.
    fn element(&self, rule: &Rule) -> Span {
        let of = |many: bool, span: Option<Span>| if many { span } else { None };
        of(rule.to.ports.len() > 1, self.ends.dst_port.map(|port| port.span))
            .or(of(rule.to.hosts.len() > 1, Some(self.ends.dst.span)))
            .or(of(rule.from.ports.len() > 1, self.ends.src_port.map(|port| port.span)))
            .or(of(rule.from.hosts.len() > 1, Some(self.ends.src.span)))
            .or(of(rule.options.icmp.len() > 1, self.icmp.map(|icmp| icmp.span)))
            .or(of(rule.protocols.len() > 1, self.protocol.map(|protocol| protocol.span)))
            .or(of(rule.interfaces.len() > 1, self.interface.map(|interface| interface.span)))
            .unwrap_or(rule.span)
    }
}
