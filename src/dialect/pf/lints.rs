//! The lints of the language: what is wrong with rules whatever devices stand behind them.

mod compare;
mod not_quick;
mod spoofed;
mod translation;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::dialect::Environment;
use crate::finding::Finding;
use crate::packet::{Family, Set};
use crate::rule::{PH405, PH420, PH423, PH425, PH426, PH427, PH428, PH429, Severity};
use crate::source::Span;

use super::ast::{
    Address, Host, Interface, InterfaceName, Peer, Port, PortMatch, PortOp, Rule, Statement, StatementKind,
};
use super::expand::{Flat, Where};
use super::parse::{Config, UnusedMacro};
use super::table::interval;
use super::tree::{Node, Tree};

/// All findings about the rules of a firewall.
pub fn lint(configs: &[Config], tree: &Tree, env: &Environment) -> Vec<Finding> {
    let mut findings = Vec::new();
    for config in configs {
        lint_statements(&config.statements, &mut findings);
        findings.extend(config.unused_tables.iter().map(unused_table));
        findings.extend(config.unused_macros.iter().map(unused_macro));
    }
    let (mut tables, mut anchors) = (FxHashSet::default(), Anchors::default());
    lint_nodes(&tree.nodes, tree, &mut tables, &mut anchors, &mut findings);
    findings.extend(anchors.all.into_iter().map(unknown_anchor));
    findings.extend(tree.uncalled.iter().map(|span| never_called(*span)));
    for interface in &tree.skipped {
        findings.extend(skipped(interface, env));
    }
    let rules = not_quick::filter_rules(&tree.nodes);
    not_quick::lint(&rules, &mut findings);
    spoofed::lint(&tree.nodes, &rules, &mut findings);
    translation::untranslated(&tree.nodes, &rules, &mut findings);
    translation::no_way_back(&rules, &mut findings);
    translation::past_the_filter(&tree.nodes, &rules, &mut findings);
    translation::announced_ports(&tree.nodes, &mut findings);
    findings
}

/// Lints of rules as they are written.
fn lint_statements(statements: &[Statement], findings: &mut Vec<Finding>) {
    for statement in statements {
        match &statement.kind {
            StatementKind::Rule(rule) => written(rule, findings),
            StatementKind::Anchor(anchor) => {
                written(&anchor.rule, findings);
                lint_statements(anchor.body.as_deref().unwrap_or_default(), findings);
            }
            StatementKind::Include { body: Some(body), .. }
            | StatementKind::LoadAnchor { body: Some(body), .. } => {
                lint_statements(body, findings);
            }
            _ => {}
        }
    }
}

fn written(rule: &Rule, findings: &mut Vec<Finding>) {
    for peer in [&rule.from, &rule.to] {
        findings.extend(negated_hosts(peer));
        for port in &peer.ports {
            findings.extend(range_without_ends(port));
        }
    }
    findings.extend(negated_interfaces(&rule.interfaces));
}

/// PH420: `{ 10/8, !10.1.2.3 }` is two rules, one for each element.
fn negated_hosts(peer: &Peer) -> Option<Finding> {
    let negated = peer.hosts.iter().find(|host| host.negated)?;
    let [first, .., last] = &*peer.hosts else { return None };
    if !matches_everything(&peer.hosts) {
        return None;
    }
    let span = first.span.to(last.span);
    Some(negated_list(span, negated.span, "address"))
}

fn negated_list(span: Span, negated: Span, what: &str) -> Finding {
    Finding::of(&PH420, span, format!("the list with a negated element matches every {what}"))
    .label("becomes one rule for each element, and any of them may match")
    .related(negated, format!("matches every other {what}"))
    .help(
        "Put the addresses into a table, where `!` takes addresses out: `table <name> { 10.0.0.0/8, !10.1.2.3 }`. \
         Or write two rules, the exception first and `quick`.",
    )
}

/// Whether one rule for each host together match every address of one family, as far as the text tells.
fn matches_everything(hosts: &[Host]) -> bool {
    [Family::V4, Family::V6].into_iter().any(|family| {
        let mut all = Set::empty();
        let mut concerned = false;
        for host in hosts {
            let Address::Net(net) = host.address else { continue };
            let Some((lo, hi)) = interval(net, family) else { continue };
            let set = Set::range(lo, hi);
            concerned |= host.negated;
            let everyone = Set::range(0, family.last());
            all = all.or(&if host.negated { everyone.minus(&set) } else { set });
        }
        concerned && all.covers(&Set::range(0, family.last()))
    }) || excluded_tables(hosts) > 1
}

/// How many different tables a list excludes: two already leave only what is in both.
fn excluded_tables(hosts: &[Host]) -> usize {
    let names: FxHashSet<&str> = hosts
        .iter()
        .filter(|host| host.negated)
        .filter_map(|host| match &host.address {
            Address::Table(name) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    names.len()
}

fn negated_interfaces(interfaces: &[Interface]) -> Option<Finding> {
    let negated = interfaces.iter().find(|interface| interface.negated)?;
    let [first, .., last] = interfaces else { return None };
    Some(negated_list(first.span.to(last.span), negated.span, "interface"))
}

/// The ports of traceroute, as many write them: 33433 and up.
const TRACEROUTE: std::ops::RangeInclusive<u16> = 33433..=33434;

/// PH423: `2000 >< 2004` leaves its ends out, `2000 <> 2004` takes what lies outside.
fn range_without_ends(port: &PortMatch) -> Option<Finding> {
    let (a, b, inside) = match &port.op {
        PortOp::Inside(Port::Number(a), Port::Number(b)) => (*a, *b, true),
        PortOp::Outside(Port::Number(a), Port::Number(b)) => (*a, *b, false),
        _ => return None,
    };
    if inside && b <= a.saturating_add(1) {
        let message = format!("`{a} >< {b}` matches no port");
        return Some(
            Finding::of(&PH423, port.span, message)
                .severity(Severity::Warning)
                .label("the ends do not belong to it, and nothing lies between them")
                .help(format!("Write `{a}:{b}` to match the ends.")),
        );
    }
    if inside && TRACEROUTE.contains(&a) {
        return None;
    }
    let (message, help) = match inside {
        true => (
            format!("`{a} >< {b}` leaves out the ports {a} and {b}"),
            format!("Write `{a}:{b}` to match both ends too, or `{}:{}` to say what is meant.", a + 1, b - 1),
        ),
        false => (
            format!("`{a} <> {b}` matches the ports outside of {a} to {b}"),
            format!(
                "Write `{a}:{b}` where the range itself is meant, or `{{ < {a}, > {b} }}` to say what is meant."
            ),
        ),
    };
    Some(Finding::of(&PH423, port.span, message).help(help))
}

/// PH405
fn unused_macro(unused: &UnusedMacro) -> Finding {
    let UnusedMacro { name, span, again } = unused;
    match again {
        Some(again) => {
            Finding::of(&PH405, *span, format!("macro `{name}` is defined again before anything uses it"))
                .label("this value is used nowhere")
                .related(*again, "takes its place")
                .help("Remove the definition that is not meant.")
        }
        None => Finding::of(&PH405, *span, format!("macro `{name}` is never used"))
            .label("defined here")
            .help("Remove it, or use it where its value is written out."),
    }
}

/// Lints of rules in their places.
fn lint_nodes<'a>(
    nodes: &'a [Node<'a>],
    tree: &Tree,
    tables: &mut FxHashSet<&'a str>,
    anchors: &mut Anchors<'a>,
    findings: &mut Vec<Finding>,
) {
    for node in nodes {
        match node {
            Node::Rule(flat, scope) => {
                undefined_tables(flat, |name| tree.table(*scope, name).is_some(), tables, findings)
            }
            Node::Anchor(anchor) => {
                for flat in &anchor.flats {
                    undefined_tables(flat, |name| tree.table(anchor.scope, name).is_some(), tables, findings);
                }
                match &anchor.body {
                    Some(body) => lint_nodes(body, tree, tables, anchors, findings),
                    None => anchors.add(&anchor.what, anchor.rule.span),
                }
            }
            Node::Unknown { .. } => {}
        }
    }
}

/// PH425
fn undefined_tables<'a>(
    flat: &Flat<'a>,
    defined: impl Fn(&str) -> bool,
    seen: &mut FxHashSet<&'a str>,
    findings: &mut Vec<Finding>,
) {
    for host in [&flat.src, &flat.dst] {
        let Where::Table(name) = host.place else { continue };
        // tables of the optimizer and of pfctl itself are defined by it
        if name.starts_with("__automatic_") || defined(name) || !seen.insert(name) {
            continue;
        }
        findings.push(
            Finding::of(&PH425, host.span, format!("table `{name}` is used and never defined"))
            .label("empty, until something fills it at run time")
            .help(format!(
                "Define it: `table <{name}> persist` where a program fills it, or with its addresses in braces."
            )),
        );
    }
}

/// An anchor whose rules are not in the files, and the rules that call it.
struct Elsewhere<'a> {
    name: &'a str,
    whats: Vec<String>,
    calls: Vec<Span>,
    /// One of them is for filter rules.
    filters: bool,
}

/// All of them, by their names.
#[derive(Default)]
struct Anchors<'a> {
    all: Vec<Elsewhere<'a>>,
    places: FxHashMap<&'a str, usize>,
}

impl<'a> Anchors<'a> {
    fn add(&mut self, what: &'a str, span: Span) {
        let (kind, name) = what.split_once(' ').unwrap_or(("anchor", what));
        let at = *self.places.entry(name).or_insert_with(|| {
            self.all.push(Elsewhere { name, whats: Vec::new(), calls: Vec::new(), filters: false });
            self.all.len() - 1
        });
        let known = &mut self.all[at];
        known.calls.push(span);
        known.filters |= kind == "anchor";
        if !known.whats.iter().any(|other| other == what) {
            known.whats.push(what.to_string());
        }
    }
}

/// PH426: one for each name, whatever is called by it.
fn unknown_anchor(anchor: Elsewhere<'_>) -> Finding {
    const SHOWN: usize = 3;
    let message = format!("the rules of anchor `{}` are not in the file", anchor.name);
    let help = match anchor.filters {
        true => {
            "Have the rules checked too: put them in braces, or name their file with `load anchor`. Rules that must \
             hold whatever the anchor says come before it and are `quick`."
        }
        false => {
            "Translations of a program are put there while it runs. Where they are in a file, name it with \
             `load anchor`, to have them checked too."
        }
    };
    let label = match anchor.filters {
        true => "whatever is loaded here can change the verdict",
        false => "whatever is loaded here can translate packets",
    };
    let (first, others) =
        anchor.calls.split_first().map_or((None, &[][..]), |(first, rest)| (Some(*first), rest));
    let mut finding = Finding::of(&PH426, first, message).label(label).help(help);
    for span in others.iter().take(SHOWN) {
        finding = finding.related(*span, "calls it as well");
    }
    finding.depends_on = anchor.whats;
    finding
}

/// PH428
fn never_called(span: Span) -> Finding {
    Finding::of(&PH428, span, "no rule calls the anchor that is loaded here")
        .label("its rules decide nothing")
        .help("Add an `anchor` rule with this path where the rules are to be looked at, or remove the line.")
}

/// PH429
fn unused_table((name, span): &(String, Span)) -> Finding {
    Finding::of(&PH429, *span, format!("no rule uses the table `{name}`"))
        .label("defined, and never looked up")
        .help("Remove it, or check whether a rule was to look it up.")
}

/// Interfaces on which nothing is lost: the loopback, and those that show or copy what is filtered elsewhere.
const WITHOUT_TRAFFIC: [&str; 5] = ["lo", "enc", "pflog", "pfsync", "bridge"];

/// PH427
fn skipped(interface: &Interface, env: &Environment) -> Option<Finding> {
    let InterfaceName::Named(name) = &interface.name else { return None };
    let is_unit = |rest: &str| rest.bytes().all(|b| b.is_ascii_digit());
    if WITHOUT_TRAFFIC.iter().any(|kind| name.strip_prefix(kind).is_some_and(is_unit)) {
        return None;
    }
    let known = env.own.iter().any(|own| own.interface == *name);
    let group = env.groups.iter().any(|(group, _)| group == name);
    let severity = if known || group { PH427.severity } else { Severity::Info };
    Some(
        Finding::of(&PH427, interface.span, format!("no packet on `{name}` is filtered or translated"))
            .severity(severity)
            .label("every rule for this interface is without effect")
            .help("Take the interface out of `set skip`, and pass with rules what may pass."),
    )
}
