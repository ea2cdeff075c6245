//! The lints of the language: what is wrong with rules whatever devices stand behind them.

mod compare;
mod not_quick;
mod translation;

use rustc_hash::FxHashSet;

use crate::dialect::Environment;
use crate::finding::Finding;
use crate::packet::{Family, Set};
use crate::rule::{PH405, PH420, PH423, PH425, PH426, PH427, PH428};
use crate::source::Span;

use super::ast::{
    Address, Host, Interface, InterfaceName, Peer, Port, PortMatch, PortOp, Rule, Statement, StatementKind,
};
use super::expand::{Flat, Where};
use super::parse::Config;
use super::table::interval;
use super::tree::{Node, Tree};

/// All findings about the rules of a firewall.
pub fn lint(configs: &[Config], tree: &Tree, env: &Environment) -> Vec<Finding> {
    let mut findings = Vec::new();
    for config in configs {
        lint_statements(&config.statements, &mut findings);
        for (name, span) in &config.unused_macros {
            findings.push(unused_macro(name, *span));
        }
    }
    let mut tables = FxHashSet::default();
    lint_nodes(&tree.nodes, tree, &mut tables, &mut findings);
    findings.extend(tree.uncalled.iter().map(|span| never_called(*span)));
    for interface in &tree.skipped {
        findings.extend(skipped(interface, env));
    }
    let rules = not_quick::filter_rules(&tree.nodes);
    not_quick::lint(&rules, &mut findings);
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

/// PH423: `2000 >< 2004` leaves its ends out, `2000 <> 2004` takes what lies outside.
fn range_without_ends(port: &PortMatch) -> Option<Finding> {
    let (a, b, inside) = match &port.op {
        PortOp::Inside(Port::Number(a), Port::Number(b)) => (*a, *b, true),
        PortOp::Outside(Port::Number(a), Port::Number(b)) => (*a, *b, false),
        _ => return None,
    };
    let message = if inside {
        format!("`{a} >< {b}` leaves out the ports {a} and {b}")
    } else {
        format!("`{a} <> {b}` matches the ports outside of {a} to {b}")
    };
    let help = if inside {
        format!(
            "Write `{a}:{b}` to match both ends too, or `{}:{}` to say what is meant.",
            u32::from(a) + 1,
            b.saturating_sub(1)
        )
    } else {
        format!(
            "Write `{a}:{b}` where the range itself is meant, or `{{ < {a}, > {b} }}` to say what is meant."
        )
    };
    Some(Finding::of(&PH423, port.span, message).help(help))
}

/// PH405
fn unused_macro(name: &str, span: Span) -> Finding {
    Finding::of(&PH405, span, format!("macro `{name}` is never used"))
        .label("defined here")
        .help("Remove it, or use it where its value is written out.")
}

/// Lints of rules in their places.
fn lint_nodes<'a>(
    nodes: &'a [Node<'a>],
    tree: &Tree,
    tables: &mut FxHashSet<&'a str>,
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
                    Some(body) => lint_nodes(body, tree, tables, findings),
                    None => findings.push(unknown_anchor(anchor.rule.span, &anchor.what)),
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

/// PH426
fn unknown_anchor(span: Span, what: &str) -> Finding {
    let name = what.split_once(' ').map_or(what, |(_, name)| name);
    let message = format!("the rules of anchor `{name}` are not in the file");
    let mut finding = Finding::of(&PH426, span, message)
        .label("whatever is loaded here can change the verdict")
        .help(
            "Have the rules checked too: put them in braces, or name their file with `load anchor`. Rules that must \
             hold whatever the anchor says come before it and are `quick`.",
        );
    finding.depends_on = vec![what.to_string()];
    finding
}

/// PH428
fn never_called(span: Span) -> Finding {
    Finding::of(&PH428, span, "no rule calls the anchor that is loaded here")
        .label("its rules decide nothing")
        .help("Add an `anchor` rule with this path where the rules are to be looked at, or remove the line.")
}

/// PH427
fn skipped(interface: &Interface, env: &Environment) -> Option<Finding> {
    let InterfaceName::Named(name) = &interface.name else { return None };
    let loopback = name.strip_prefix("lo").is_some_and(|unit| unit.bytes().all(|b| b.is_ascii_digit()));
    let known = env.own.iter().any(|own| own.interface == *name);
    let group = env.groups.iter().any(|(group, _)| group == name);
    if loopback || !(known || group) {
        return None;
    }
    Some(
        Finding::of(&PH427, interface.span, format!("no packet on `{name}` is filtered or translated"))
            .label("every rule for this interface is without effect")
            .help("Take the interface out of `set skip`, and pass with rules what may pass."),
    )
}
