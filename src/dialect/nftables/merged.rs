//! Neighbouring tests for inequality that older versions of nft join into one.
//!
//! Up to 1.0.9, nft put matches on neighbouring bytes of a header together whatever their operator was (`rule.c`,
//! `stmt_reduce`): `tcp sport != 22 tcp dport != 23` was loaded as one comparison of four bytes, which holds unless
//! both are equal. Since 1.1.0 it leaves `!=` alone (nftables f35a0d78, "do mot merge payloads on negation"). 1.0.6 joins
//! them across other statements too, and takes a set of one element for its element.

use super::config::plain;
use super::headers::{Header, HeaderField};
use super::syntax::{ExprKind, RelOp, Rule, Stmt, StmtKind};

/// Fields that lie side by side and have four bytes together or fewer (`payload_can_merge`): headers, and the fields in
/// their order.
const NEIGHBOURS: &[(&[Header], &str, &str)] = &[
    (&[Header::Tcp, Header::Udp, Header::UdpLite, Header::Sctp, Header::Dccp, Header::Th], "sport", "dport"),
    (&[Header::Udp], "dport", "length"),
    (&[Header::Icmp, Header::Icmp6], "type", "code"),
    (&[Header::Ip], "length", "id"),
    (&[Header::Ip], "ttl", "protocol"),
    (&[Header::Ip6], "length", "nexthdr"),
    (&[Header::Ip6], "nexthdr", "hoplimit"),
];

/// The first two statements of a rule that are joined, by their places.
pub(super) fn pair(rule: &Rule) -> Option<(usize, usize)> {
    let mut run: Vec<(usize, &'static HeaderField)> = Vec::new();
    for (at, stmt) in rule.stmts.iter().enumerate() {
        let Some(field) = unequal(stmt) else { continue };
        if let Some((before, _)) = run.iter().find(|(_, known)| side_by_side(known, field)) {
            return Some((*before, at));
        }
        run.push((at, field));
    }
    None
}

/// The field of which a statement says that it is not one value.
fn unequal(stmt: &Stmt) -> Option<&'static HeaderField> {
    let StmtKind::Match(parts) = &stmt.kind else { return None };
    let (left, op, right) = (plain(&parts.0), parts.1, plain(&parts.2));
    let right = match &right.kind {
        ExprKind::Set(elements) if elements.len() == 1 => plain(&elements[0].key),
        _ => right,
    };
    let one_value = matches!(right.kind, ExprKind::Number(_) | ExprKind::Word | ExprKind::Text(_));
    match &left.kind {
        ExprKind::Header(field) if op == RelOp::Ne && one_value => Some(field),
        _ => None,
    }
}

fn side_by_side(one: &HeaderField, two: &HeaderField) -> bool {
    NEIGHBOURS.iter().any(|(headers, first, second)| {
        let names = [one.name, two.name];
        let meet = names == [*first, *second] || names == [*second, *first];
        meet && headers.contains(&one.header) && headers.contains(&two.header)
    })
}
