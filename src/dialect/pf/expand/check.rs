//! What pfctl refuses although the grammar has it.

use crate::source::Span;

use super::super::ast::{
    Action, Af, Direction, Divert, Flavour, PoolPort, PortOp, Reply, Rule, StateKind, TranslateKind,
};
use super::{Expander, Flat, Where, protocol};

/// A problem with a rule.
type Problem = (Span, String);

impl Expander<'_> {
    /// Checks a rule as written; says whether it can be multiplied out.
    pub(super) fn check_written(&mut self, rule: &Rule) -> bool {
        match written(rule) {
            Ok(()) => true,
            Err((span, message)) => {
                self.refuse(span, message);
                false
            }
        }
    }
}

fn written(rule: &Rule) -> Result<(), Problem> {
    let fail = |message: &str| Err((rule.span, message.to_string()));
    let options = &rule.options;
    let tcp = rule.protocols.is_empty()
        || rule.protocols.iter().any(|protocol| matches!(protocol.number, None | Some(protocol::TCP)));
    if options.flags.is_some_and(|flags| flags.mask != 0) && !tcp {
        return fail("`flags` applies to TCP only");
    }
    if !options.rare().os.is_empty() && !tcp {
        return fail("`os` applies to TCP only");
    }
    if let Some(state) = &options.state
        && state.kind != StateKind::No
        && rule.action != Action::Pass
    {
        return Err((state.span, "only `pass` rules keep state".into()));
    }
    if options.rare().once && !matches!(rule.action, Action::Pass | Action::Block(_)) {
        return fail("`once` applies to `pass` and `block` only");
    }
    if options.allow_opts && !matches!(rule.action, Action::Pass | Action::Anchor) {
        return fail("`allow-opts` applies to `pass` only");
    }
    translation_written(rule)?;
    routing_written(rule)
}

fn translation_written(rule: &Rule) -> Result<(), Problem> {
    let fail = |message: &str| Err((rule.span, message.to_string()));
    let options = &rule.options;
    if let Action::Translate { kind, .. } = rule.action {
        return pool_written(rule, kind);
    }
    if options.rare().af_to.is_some() && rule.direction != Some(Direction::In) {
        return fail("`af-to` needs the direction `in`");
    }
    if options.rare().af_to.is_some() && rule.action == Action::Match {
        return fail("`af-to` does not go with `match`");
    }
    if options.rare().af_to.is_some() && options.rare().route.is_some() {
        return fail("`af-to` does not go with routing options");
    }
    if options.rare().binat && rule.direction.is_some() {
        return fail("`binat-to` takes no direction");
    }
    let translates = (options.rare().nat.is_some() || options.rare().rdr.is_some()) && !options.rare().binat;
    if translates && rule.direction.is_none() {
        return fail("`nat-to` and `rdr-to` need a direction");
    }
    let stateless = options.state.as_ref().is_some_and(|state| state.kind == StateKind::No);
    if translates && stateless && rule.action != Action::Match {
        return fail("`nat-to` and `rdr-to` need state");
    }
    if let Some(rdr) = &options.rare().rdr
        && rdr.options.static_port
    {
        return Err((rdr.span, "`static-port` applies to source translation only".into()));
    }
    match &options.rare().nat {
        Some(nat) if nat.options.static_port && nat.port.is_some() => {
            Err((nat.span, "`static-port` does not go with a port".into()))
        }
        _ => Ok(()),
    }
}

/// The pool of a `nat`, `rdr` or `binat` rule.
fn pool_written(rule: &Rule, kind: TranslateKind) -> Result<(), Problem> {
    let Some(pool) = rule.options.rare().nat.as_ref().or(rule.options.rare().rdr.as_ref()) else {
        return Ok(());
    };
    let fail = |message: &str| Err((pool.span, message.to_string()));
    let portset = pool.options.other.iter().any(|option| option.starts_with("map-e-portset"));
    if kind != TranslateKind::Nat && pool.options.static_port {
        return fail("`static-port` applies to `nat` only");
    }
    if kind != TranslateKind::Nat && portset {
        return fail("`map-e-portset` applies to `nat` only");
    }
    if portset && pool.options.static_port {
        return fail("`map-e-portset` does not go with `static-port`");
    }
    if pool.port.is_some() && (pool.options.static_port || portset) {
        return fail("`static-port` and `map-e-portset` do not go with a port");
    }
    if kind == TranslateKind::Binat {
        let lists = [&*rule.from.hosts, &*rule.to.hosts, &*pool.hosts];
        if lists.iter().any(|hosts| hosts.len() > 1) {
            return fail("a `binat` rule takes one address in each place");
        }
        if rule.from.hosts.is_empty() {
            return fail("a `binat` rule needs an address after `from`");
        }
    }
    Ok(())
}

fn routing_written(rule: &Rule) -> Result<(), Problem> {
    let fail = |message: &str| Err((rule.span, message.to_string()));
    let options = &rule.options;
    if let Some(divert) = &options.rare().divert {
        match (divert, rule.direction) {
            _ if rule.action == Action::Match => {
                return fail("`divert-to` and its kin do not go with `match`");
            }
            (Divert::To(..), Some(Direction::Out)) => return fail("`divert-to` does not go with `out`"),
            (Divert::Reply, Some(Direction::In)) => return fail("`divert-reply` does not go with `in`"),
            _ => {}
        }
    }
    if let Some(route) = &options.rare().route {
        if rule.action == Action::Match {
            return fail("routing options do not go with `match`");
        }
        if rule.direction.is_none() && route.kind != super::super::ast::RouteKind::Dup {
            return fail("routing options need a direction");
        }
    }
    Ok(())
}

/// Checks a rule that has no lists left (pfctl's `filter_consistent`, `rdr_consistent`).
pub(super) fn consistent(flat: &Flat, flavour: Flavour) -> Result<(), Problem> {
    let rule = flat.rule;
    let fail = |message: &str| Err((flat.element, message.to_string()));
    let number = match flat.protocol {
        None => Some(None),
        Some(protocol) => protocol.number.map(Some),
    };
    // of a protocol whose name is not known here, nothing can be said
    let Some(number) = number else { return Ok(()) };
    let has_ports = match number {
        Some(protocol::TCP | protocol::UDP) => true,
        Some(protocol::SCTP) => flavour == Flavour::FreeBsd,
        _ => false,
    };
    if !has_ports && (flat.src_port.is_some() || flat.dst_port.is_some()) && ports_are_checked(rule) {
        return fail("ports apply to TCP and UDP only: the rule needs `proto`");
    }
    if let Action::Translate { kind: TranslateKind::Rdr, .. } = rule.action {
        return redirect_consistent(flat, has_ports);
    }
    if matches!(rule.action, Action::Translate { .. }) {
        return Ok(());
    }
    let rare = rule.options.rare();
    if flavour == Flavour::OpenBsd && !has_ports && !(rare.users.is_empty() && rare.groups.is_empty()) {
        return fail("`user` and `group` apply to TCP and UDP only: the rule needs `proto`");
    }
    if flavour == Flavour::OpenBsd && number != Some(protocol::TCP) && !rare.os.is_empty() {
        return fail("`os` applies to TCP only: the rule needs `proto tcp`");
    }
    if flavour == Flavour::OpenBsd && rare.labels.len() > 1 {
        return fail("a rule has one label");
    }
    if let (Some(Divert::To(Some(address), _)), Some(af)) = (&rare.divert, flat.af)
        && address.parse().is_ok_and(|address| Af::of(address) != af)
    {
        return fail("the address of `divert-to` is not of the rule's address family");
    }
    if let Some(icmp) = flat.icmp {
        let wanted = if icmp.v6 { protocol::ICMP6 } else { protocol::ICMP };
        if number != Some(wanted) {
            return fail("ICMP types apply to the protocol `icmp` or `icmp6` only");
        }
        if flat.af.is_none() {
            return fail("ICMP types need `inet` or `inet6`");
        }
    }
    match (number, flat.af) {
        (Some(protocol::ICMP), Some(Af::V6)) => return fail("protocol `icmp` does not go with `inet6`"),
        (Some(protocol::ICMP6), Some(Af::V4)) => return fail("protocol `icmp6` does not go with `inet`"),
        _ => {}
    }
    if let Some(af) = rule.options.rare().af_to
        && flat.af == Some(af)
    {
        return fail("`af-to` needs another family than the rule's");
    }
    fragment_and_reply_consistent(flat, number)
}

fn fragment_and_reply_consistent(flat: &Flat, number: Option<u8>) -> Result<(), Problem> {
    let fail = |message: &str| Err((flat.element, message.to_string()));
    let transport =
        flat.src_port.is_some() || flat.dst_port.is_some() || flat.flags.is_some() || flat.icmp.is_some();
    if flat.rule.options.fragment && transport {
        return fail("fragments can be filtered by their IP header only");
    }
    if matches!(flat.rule.action, Action::Block(Reply::Reset(_))) && number != Some(protocol::TCP) {
        return fail("`return-rst` applies to TCP only");
    }
    let sloppy = flat.rule.options.state.as_ref().is_some_and(|state| state.is_sloppy());
    if sloppy && matches!(flat.state, Some(StateKind::Modulate | StateKind::Synproxy)) {
        return fail("`sloppy` does not go with `modulate` and `synproxy`");
    }
    Ok(())
}

/// `nat` and `binat` take ports without a protocol as they are.
fn ports_are_checked(rule: &Rule) -> bool {
    !matches!(rule.action, Action::Translate { kind: TranslateKind::Nat | TranslateKind::Binat, .. })
}

fn redirect_consistent(flat: &Flat, has_ports: bool) -> Result<(), Problem> {
    let fail = |message: &str| Err((flat.element, message.to_string()));
    let pool = flat.rule.options.rare().rdr.as_ref();
    if !has_ports && pool.is_some_and(|pool| pool.port.is_some()) {
        return fail("a port to redirect to needs the protocol TCP or UDP");
    }
    if let Some(PoolPort::From(_)) = pool.and_then(|pool| pool.port.as_ref())
        && flat.dst_port.is_none()
    {
        return fail("`:*` needs a destination port");
    }
    match flat.dst_port {
        None | Some(PortOp::Eq(_) | PortOp::Range(..)) => Ok(()),
        Some(_) => fail("`rdr` takes `=` and `:` on the destination port only"),
    }
}

/// A table cannot stand on either side of a binat rule.
pub(super) fn is_table(place: &Where) -> bool {
    matches!(place, Where::Table(_))
}
