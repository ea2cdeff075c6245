//! Packets that come from outside and claim an address of the inside.

use crate::finding::Finding;
use crate::rule::PH211;

use super::super::ast::{Action, Direction, InterfaceName, TranslateKind};
use super::super::expand::Flat;
use super::super::parse::is_loopback;
use super::super::tree::Node;
use super::compare::is_everyone;

/// PH211: the outside is known by its source translation, something is let in there from everybody, and no rule looks at
/// sources.
pub(super) fn lint<'a>(nodes: &'a [Node<'a>], rules: &[&'a Flat<'a>], findings: &mut Vec<Finding>) {
    if nodes.iter().any(|node| !matches!(node, Node::Rule(..))) || rules.iter().any(|flat| is_guard(flat)) {
        return;
    }
    let outside = nodes.iter().find_map(|node| match node {
        Node::Rule(flat, _) => translates(flat).then_some(flat.interface?),
        _ => None,
    });
    let Some((false, outside @ InterfaceName::Named(name))) = outside else { return };
    if is_loopback(name) {
        return;
    }
    let lets_in = |flat: &&&Flat| {
        flat.rule.action == Action::Pass
            && flat.direction != Some(Direction::Out)
            && flat.interface.is_none_or(|(negated, own)| !negated && own == outside)
            && is_everyone(&flat.src)
    };
    let Some(pass) = rules.iter().find(lets_in) else { return };
    findings.push(
        Finding::of(
            &PH211,
            pass.rule.span,
            format!("nothing keeps out what comes by `{name}` from an address of the inside"),
        )
        .label("lets in every source")
        .help("Write `antispoof quick for` the inside interfaces, or `block in quick from urpf-failed`."),
    );
}

/// Whether a rule gives packets that leave another source.
fn translates(flat: &Flat) -> bool {
    match flat.rule.action {
        Action::Translate { kind, no, .. } => kind == TranslateKind::Nat && !no,
        Action::Match | Action::Pass => flat.nat.is_some() && flat.direction != Some(Direction::In),
        Action::Block(_) | Action::Scrub { .. } | Action::Anchor => false,
    }
}

/// Whether a rule refuses some sources that come in.
fn is_guard(flat: &Flat) -> bool {
    matches!(flat.rule.action, Action::Block(_))
        && flat.direction != Some(Direction::Out)
        && !is_everyone(&flat.src)
}
