//! Translation pools of a rule without lists.

use crate::source::Span;

use super::super::ast::{
    Action, Af, Direction, Flavour, Pool, PoolOptions, PoolPort, Port, PortMatch, PortOp, TranslateKind,
};
use super::check::is_table;
use super::hosts::{self, Problem};
use super::{Expander, Flat, Resolved, Where, clash};

/// The addresses that a translation chooses from, and its port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlatPool<'a> {
    /// The addresses, all of the rule's family.
    pub hosts: Vec<Resolved<'a>>,
    /// The port.
    pub port: FlatPort,
    /// How an address is chosen; `round-robin` filled in where pfctl does so.
    pub kind: Option<&'static str>,
    /// The options as written.
    pub options: &'a PoolOptions,
    /// Where the pool is written.
    pub span: Span,
}

/// The port of a translation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FlatPort {
    /// Stays for destinations; for sources, one of the system's choice.
    Default,
    /// Stays (`static-port`, `binat`).
    Static,
    /// One port.
    One(u16),
    /// A range, with its ends.
    Range(u16, u16),
    /// A service name that is not known here.
    Unknown(String),
}

impl<'a> Expander<'a> {
    /// Resolves the pools of a rule and lets them settle its family, as pfctl does.
    pub(super) fn pools(&self, flat: &mut Flat<'a>, dst_port: Option<&'a PortMatch>) -> Result<(), Problem> {
        let options = &flat.rule.options;
        let af_to = options.rare().af_to;
        if let Some(pool) = &options.rare().rdr {
            let port = port_of(pool, true, dst_port);
            let found = self.pool(pool, af_to.or(flat.af), port)?;
            flat.af = flat.af.or_else(|| family_of(&found.hosts, af_to));
            flat.rdr = Some(Box::new(found));
        }
        if let Some(pool) = &options.rare().nat {
            let binat = options.rare().binat
                || matches!(flat.rule.action, Action::Translate { kind: TranslateKind::Binat, .. });
            let port = if binat { FlatPort::Static } else { port_of(pool, false, None) };
            let found = self.pool(pool, af_to.or(flat.af), port)?;
            flat.af = flat.af.or_else(|| family_of(&found.hosts, af_to));
            if binat {
                one_to_one(flat, &found)?;
            }
            flat.nat = Some(Box::new(found));
        }
        self.route(flat)
    }

    /// The routing addresses settle the family too.
    fn route(&self, flat: &mut Flat<'a>) -> Result<(), Problem> {
        let Some(route) = &flat.rule.options.rare().route else { return Ok(()) };
        let mut hops = Vec::new();
        for host in &route.hosts {
            hosts::resolve(host, self.env, &mut hops)?;
        }
        if route.options.other.iter().any(|option| option == "prefer-ipv6-nexthop") {
            return Ok(());
        }
        if !hops.is_empty() && hops.iter().all(|hop| clash(flat.af, hop.af)) {
            let message = "no routing address is of the rule's address family".to_string();
            return Err((flat.rule.span, message));
        }
        flat.af = flat.af.or_else(|| hops.iter().find_map(|hop| hop.af));
        Ok(())
    }

    fn pool(&self, pool: &'a Pool, af: Option<Af>, port: FlatPort) -> Result<FlatPool<'a>, Problem> {
        let mut hosts = Vec::new();
        for host in &pool.hosts {
            hosts::resolve(host, self.env, &mut hosts)?;
        }
        let af = match (af, self.flavour) {
            (None, Flavour::FreeBsd) => hosts.first().and_then(|host| host.af),
            (af, _) => af,
        };
        hosts.retain(|host| !clash(af, host.af));
        let Some(first) = hosts.first() else {
            return Err((pool.span, "no address to translate to is of the rule's address family".into()));
        };
        if hosts.iter().any(|host| clash(first.af, host.af)) {
            return Err((pool.span, "the addresses to translate to are of different families".into()));
        }
        let several = hosts.len() > 1 || hosts.iter().any(|host| changes(&host.place));
        let kind = pool.options.kind.or(several.then_some("round-robin"));
        let dynamic_kind = matches!(kind, Some("round-robin"))
            || (self.flavour == Flavour::OpenBsd
                && matches!(kind, Some("least-states" | "random" | "source-hash")));
        if several && !dynamic_kind {
            let message =
                format!("`{}` does not go with several addresses to translate to", kind.unwrap_or_default());
            return Err((pool.span, message));
        }
        Ok(FlatPool { hosts, port, kind, options: &pool.options, span: pool.span })
    }
}

/// Tables, and interfaces with all their addresses.
fn changes(place: &Where) -> bool {
    match place {
        Where::Table(_) => true,
        Where::Dynamic { modifiers, .. } => !modifiers.no_alias,
        _ => false,
    }
}

/// The rule's family as its pool settles it; `af-to` translates from the other one.
fn family_of(hosts: &[Resolved], af_to: Option<Af>) -> Option<Af> {
    match af_to {
        Some(Af::V4) => Some(Af::V6),
        Some(Af::V6) => Some(Af::V4),
        None => hosts.iter().find_map(|host| host.af),
    }
}

/// The port of a pool. `a:*` spans as many ports as the rule's own range.
fn port_of(pool: &Pool, destination: bool, dst_port: Option<&PortMatch>) -> FlatPort {
    let width = match dst_port.map(|port| &port.op) {
        Some(PortOp::Range(Port::Number(a), Port::Number(b))) => b.saturating_sub(*a),
        _ => 0,
    };
    let unknown = |port: &Port| match port {
        Port::Number(_) => None,
        Port::Unknown(name) => Some(FlatPort::Unknown(name.to_string())),
    };
    match &pool.port {
        None if pool.options.static_port && !destination => FlatPort::Static,
        None => FlatPort::Default,
        Some(PoolPort::One(Port::Number(port))) => FlatPort::One(*port),
        Some(PoolPort::From(Port::Number(port))) if width == 0 => FlatPort::One(*port),
        Some(PoolPort::From(Port::Number(port))) => FlatPort::Range(*port, port.saturating_add(width)),
        Some(PoolPort::Range(Port::Number(a), Port::Number(b))) => FlatPort::Range(*a, *b),
        Some(PoolPort::One(port) | PoolPort::From(port)) => unknown(port).unwrap_or(FlatPort::Default),
        Some(PoolPort::Range(a, b)) => unknown(a).or_else(|| unknown(b)).unwrap_or(FlatPort::Default),
    }
}

/// Both sides of a one-to-one translation are single networks of the same size.
fn one_to_one(flat: &Flat, pool: &FlatPool) -> Result<(), Problem> {
    let fail = |message: &str| Err((pool.span, message.to_string()));
    if is_table(&flat.src.place) || pool.hosts.iter().any(|host| is_table(&host.place)) {
        return fail("a table cannot stand on either side of a one-to-one translation");
    }
    let [inside] = pool.hosts.as_slice() else {
        return fail("a one-to-one translation takes a single address");
    };
    match (&flat.src.place, &inside.place) {
        (Where::Net(a), Where::Net(b)) if a.prefix != b.prefix => {
            fail("both sides of a one-to-one translation have the same prefix length")
        }
        (Where::Any, _) => fail("a one-to-one translation needs a source address"),
        _ => Ok(()),
    }
}

/// Splits `binat-to` into its outgoing half and the incoming one, as pfctl does.
pub(super) fn split_binat<'a>(flat: Flat<'a>, out: &mut Vec<Flat<'a>>) {
    let Some(pool) = flat.nat.clone() else { return };
    let mut outgoing = flat.clone();
    outgoing.direction = Some(Direction::Out);
    let mut incoming = flat;
    incoming.direction = Some(Direction::In);
    incoming.nat = None;
    let inside = std::mem::replace(&mut incoming.src, incoming.dst.clone());
    if let Some(outside) = pool.hosts.first() {
        incoming.dst = outside.clone();
    }
    std::mem::swap(&mut incoming.src_port, &mut incoming.dst_port);
    incoming.rdr = Some(Box::new(FlatPool { hosts: vec![inside], ..*pool }));
    out.push(outgoing);
    out.push(incoming);
}
