//! Hosts, ports, interfaces and protocols.

use std::net::IpAddr;

use crate::source::Span;

use super::super::address::{self, Parsed};
use super::super::ast::{
    Address, Af, Flavour, Host, Interface, InterfaceName, List, Modifiers, Peer, Pool, PoolOptions, PoolPort,
    Port, PortMatch, PortOp, Protocol, Route, RouteKind,
};
use super::super::lexer::Kind;
use super::super::{names, vocabulary};
use super::cursor::{Cursor, Error, Refusal, Result, c_number, refuse};

/// The longest name of an interface, and of a table, in bytes.
const LONGEST_INTERFACE: usize = 15;
const LONGEST_TABLE: usize = 31;

/// `on …`
pub(super) fn interfaces(cursor: &mut Cursor) -> Result<List<Interface>> {
    if cursor.eat("on") { cursor.list(interface) } else { Ok(List::Empty) }
}

/// One interface with an optional `!`.
pub(super) fn interface(cursor: &mut Cursor) -> Result<Interface> {
    let start = cursor.span();
    let negated = cursor.eat_sign('!');
    let name = if cursor.eat("any") {
        InterfaceName::Any
    } else if cursor.eat("rdomain") {
        InterfaceName::Rdomain(cursor.number("an rdomain")?)
    } else {
        let span = cursor.span();
        let name = cursor.string("an interface")?;
        if name.len() > LONGEST_INTERFACE {
            return refuse(span, format!("interface name `{name}` is longer than {LONGEST_INTERFACE} bytes"));
        }
        InterfaceName::Named(name)
    };
    Ok(Interface { span: cursor.since(start), negated, name })
}

/// `inet` or `inet6`.
pub(super) fn af(cursor: &mut Cursor) -> Option<Af> {
    if cursor.eat("inet") {
        Some(Af::V4)
    } else if cursor.eat("inet6") {
        Some(Af::V6)
    } else {
        None
    }
}

/// `proto …`
pub(super) fn protocols(cursor: &mut Cursor) -> Result<List<Protocol>> {
    if !cursor.eat("proto") {
        return Ok(List::Empty);
    }
    cursor.list(|cursor| {
        let span = cursor.span();
        let mut text = Box::default();
        let number = if let Kind::Number(_) = cursor.peek() {
            u8::try_from(cursor.number_in("the protocol", 0..=255)?).ok()
        } else {
            let name = cursor.name("a protocol")?;
            let number = names::protocol(name);
            if number.is_none() {
                text = name.into();
            }
            number
        };
        if number == Some(0) {
            return refuse(span, "protocol 0 cannot be used");
        }
        Ok(Protocol { span, number, text })
    })
}

/// `all`, or `from … to …`, with `os …` between them.
pub(super) fn from_to(cursor: &mut Cursor, flavour: Flavour) -> Result<(Peer, Vec<String>, Peer)> {
    if cursor.eat("all") {
        return Ok((Peer::default(), Vec::new(), Peer::default()));
    }
    let from = if cursor.eat("from") { peer(cursor, flavour)? } else { Peer::default() };
    let mut os = Vec::new();
    if cursor.eat("os") {
        os = cursor.list(|cursor| cursor.string("an operating system"))?.into();
    }
    let start = cursor.span();
    let to = if cursor.eat("to") { peer(cursor, flavour)? } else { Peer::default() };
    if to.hosts.iter().any(|host| host.address == Address::UrpfFailed) {
        return refuse(cursor.since(start), "`urpf-failed` is not a destination");
    }
    Ok((from, os, to))
}

/// Hosts and ports.
fn peer(cursor: &mut Cursor, flavour: Flavour) -> Result<Peer> {
    let mut peer = Peer::default();
    if cursor.word() != Some("port") {
        peer.hosts = hosts(cursor)?;
        if peer.hosts.iter().all(|host| host.address == Address::Any) && peer.hosts.len() == 1 {
            peer.hosts = List::Empty;
        }
    }
    if cursor.eat("port") {
        peer.ports = cursor.list(|cursor| port_match(cursor, flavour))?;
    }
    Ok(peer)
}

/// A host, or a list that may hold lists.
pub(super) fn hosts(cursor: &mut Cursor) -> Result<List<Host>> {
    if !cursor.is_sign('{') {
        return host(cursor).map(List::One);
    }
    let mut items = Vec::new();
    let mut depth = 0usize;
    loop {
        if cursor.eat_sign('{') {
            depth += 1;
            cursor.newlines();
            continue;
        }
        items.push(host(cursor)?);
        while depth > 0 {
            cursor.newlines();
            if !cursor.eat_sign('}') {
                break;
            }
            depth -= 1;
        }
        if depth == 0 {
            return Ok(items.into());
        }
        cursor.comma();
    }
}

/// One host with an optional `!`, a weight and a second form of interface after it.
pub(super) fn host(cursor: &mut Cursor) -> Result<Host> {
    let start = cursor.span();
    let negated = cursor.eat_sign('!');
    let scope = match cursor.peek() {
        Kind::Word(word) => {
            word.split_once('%').map(|(_, scope)| Box::new(InterfaceName::Named(scope.to_string())))
        }
        _ => None,
    };
    let address = if !negated && cursor.eat("any") { Address::Any } else { address(cursor)? };
    let scope = scope.filter(|_| matches!(address, Address::Net(_)));
    if cursor.eat("weight") {
        cursor.number_in("a weight", 1..=65535)?;
    }
    Ok(Host { span: cursor.since(start), negated, address, scope })
}

fn address(cursor: &mut Cursor) -> Result<Address> {
    let start = cursor.span();
    match cursor.peek() {
        Kind::Word(word) if word == "no-route" => {
            cursor.advance();
            Ok(Address::NoRoute)
        }
        Kind::Word(word) if word == "urpf-failed" => {
            cursor.advance();
            Ok(Address::UrpfFailed)
        }
        Kind::Word(word) if word == "route" => {
            cursor.advance();
            Ok(Address::RouteLabel(cursor.string("a route label")?))
        }
        Kind::Sign('<') => Ok(Address::Table(table_name(cursor)?)),
        Kind::Sign('(') => dynamic(cursor),
        Kind::Number(number) if *cursor.peek_at(1) == Kind::Sign('/') => {
            let word = number.to_string();
            cursor.advance();
            let prefix = prefix(cursor)?;
            literal(&word, prefix, cursor.since(start))
        }
        Kind::Word(_) | Kind::Text(_) => {
            let word = cursor.name("a host")?;
            if cursor.eat_sign('-') {
                return range(cursor, word, start);
            }
            let prefix = prefix(cursor)?;
            literal(word, prefix, cursor.since(start))
        }
        _ => cursor.fail("a host"),
    }
}

/// `/n`, where there is one; `@if` after it is cut off.
fn prefix(cursor: &mut Cursor) -> Result<Option<i64>> {
    if !cursor.eat_sign('/') {
        return Ok(None);
    }
    if let Kind::Word(word) = cursor.peek()
        && let Some((number, _)) = word.split_once('@')
        && let Ok(number) = number.parse()
    {
        cursor.advance();
        return Ok(Some(number));
    }
    cursor.number("a prefix length").map(Some)
}

/// An address, or else the name of a host or interface.
fn literal(word: &str, prefix: Option<i64>, span: Span) -> Result<Address> {
    let word = word.split_once('@').map_or(word, |(address, _)| address);
    match address::parse(word, prefix) {
        Parsed::Net(net) => return Ok(Address::Net(net)),
        Parsed::BadPrefix => {
            return refuse(
                span,
                format!("prefix length `/{}` is too long for `{word}`", prefix.unwrap_or(0)),
            );
        }
        Parsed::Malformed => return refuse(span, format!("`{word}` is not an address")),
        Parsed::Other => {}
    }
    let (name, modifiers) = modifiers(word, span)?;
    let prefix = checked_prefix(prefix, span)?;
    Ok(Address::Name { name, modifiers, prefix })
}

fn checked_prefix(prefix: Option<i64>, span: Span) -> Result<Option<u8>> {
    match prefix {
        None => Ok(None),
        Some(prefix) => match u8::try_from(prefix) {
            Ok(prefix) if prefix <= 128 => Ok(Some(prefix)),
            _ => refuse(span, format!("prefix length `/{prefix}` is too long")),
        },
    }
}

/// Splits `em0:network:0`. The counts that `pfctl -vsr` prints (`em0:2`, `em0:*`) say nothing.
fn modifiers(word: &str, span: Span) -> Result<(String, Modifiers)> {
    let mut parts = word.split(':');
    let name = parts.next().unwrap_or("").to_string();
    let mut found = Modifiers::default();
    for part in parts {
        match part {
            "network" => found.network = true,
            "broadcast" => found.broadcast = true,
            "peer" => found.peer = true,
            "0" => found.no_alias = true,
            "*" => {}
            _ if !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) => {}
            _ => return refuse(span, format!("`{word}` is neither an address nor an interface")),
        }
    }
    if u8::from(found.network) + u8::from(found.broadcast) + u8::from(found.peer) > 1 {
        return refuse(span, format!("`{word}` combines modifiers that exclude each other"));
    }
    if name.is_empty() {
        return refuse(span, format!("`{word}` is not an address"));
    }
    Ok((name, found))
}

/// `(em0:network)/24`
fn dynamic(cursor: &mut Cursor) -> Result<Address> {
    let start = cursor.span();
    cursor.expect_sign('(')?;
    let span = cursor.span();
    let word = cursor.string("an interface")?;
    let (name, modifiers) = modifiers(&word, span)?;
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return refuse(span, format!("`{name}` is not the name of an interface"));
    }
    cursor.expect_sign(')')?;
    let prefix = prefix(cursor)?;
    let prefix = checked_prefix(prefix, cursor.since(start))?;
    Ok(Address::Dynamic { name, modifiers, prefix })
}

/// The rest of `a - b`.
fn range(cursor: &mut Cursor, first: &str, start: Span) -> Result<Address> {
    let last = cursor.string("the last address")?;
    let span = cursor.since(start);
    let single = |word: &str| match address::parse(word, None) {
        Parsed::Net(net) => Some(net.address),
        _ => None,
    };
    match (single(first), single(&last)) {
        (Some(first), Some(last)) if same_family(first, last) && first <= last => {
            Ok(Address::Range(Box::new((first, last))))
        }
        _ => refuse(span, format!("`{first} - {last}` is not a range of addresses")),
    }
}

fn same_family(a: IpAddr, b: IpAddr) -> bool {
    Af::of(a) == Af::of(b)
}

/// `<name>`
pub(super) fn table_name(cursor: &mut Cursor) -> Result<String> {
    cursor.expect_sign('<')?;
    let span = cursor.span();
    let written = cursor.string("the name of a table")?;
    cursor.expect_sign('>')?;
    let name = match written.rsplit_once(':') {
        Some((name, count)) if count == "*" || count.parse::<u64>().is_ok() => name.to_string(),
        _ => written,
    };
    if name.len() > LONGEST_TABLE {
        return refuse(span, format!("table name `{name}` is longer than {LONGEST_TABLE} bytes"));
    }
    Ok(name)
}

/// One port condition.
fn port_match(cursor: &mut Cursor, flavour: Flavour) -> Result<PortMatch> {
    let span = cursor.span();
    if let Some(op) = unary(cursor) {
        let port = port_of(cursor)?;
        let op = match op {
            "=" => PortOp::Eq(port),
            "!=" => PortOp::Ne(port),
            "<" => PortOp::Lt(port),
            "<=" => PortOp::Le(port),
            ">" => PortOp::Gt(port),
            _ => PortOp::Ge(port),
        };
        return Ok(PortMatch { span: cursor.since(span), op });
    }
    let word = cursor.string_or_number("a port")?;
    if let Some((first, last)) = word.split_once(':') {
        let (first, last) = (port(first, span)?, port(last, span)?);
        let op = if first == last { PortOp::Eq(first) } else { PortOp::Range(first, last) };
        return checked_range(PortMatch { span, op }, flavour);
    }
    let first = port(&word, span)?;
    let binary: fn(Port, Port) -> PortOp = match cursor.peek() {
        Kind::Inside => PortOp::Inside,
        Kind::Outside => PortOp::Outside,
        _ => return Ok(PortMatch { span, op: PortOp::Eq(first) }),
    };
    cursor.advance();
    let op = binary(first, port_of(cursor)?);
    checked_range(PortMatch { span: cursor.since(span), op }, flavour)
}

/// OpenBSD refuses ranges that hold nothing or everything; the others take them as they are.
fn checked_range(found: PortMatch, flavour: Flavour) -> Result<PortMatch> {
    let empty = match &found.op {
        PortOp::Range(Port::Number(a), Port::Number(b))
        | PortOp::Outside(Port::Number(a), Port::Number(b)) => a > b,
        PortOp::Inside(Port::Number(a), Port::Number(b)) => a >= b,
        _ => false,
    };
    if empty && flavour == Flavour::OpenBsd {
        return refuse(found.span, "the port range runs backwards");
    }
    Ok(found)
}

/// `=`, `!=`, `<`, `<=`, `>`, `>=`
pub(super) fn unary(cursor: &mut Cursor) -> Option<&'static str> {
    let op = match (cursor.peek(), cursor.peek_at(1)) {
        (Kind::Sign('!'), Kind::Sign('=')) => {
            cursor.advance();
            "!="
        }
        (Kind::Sign('='), _) => "=",
        (Kind::NotEqual, _) => "!=",
        (Kind::LessEqual, _) => "<=",
        (Kind::Sign('<'), _) => "<",
        (Kind::GreaterEqual, _) => ">=",
        (Kind::Sign('>'), _) => ">",
        _ => return None,
    };
    cursor.advance();
    Some(op)
}

/// Takes one port, without a range.
pub(super) fn port_of(cursor: &mut Cursor) -> Result<Port> {
    let span = cursor.span();
    let word = cursor.string_or_number("a port")?;
    if word.contains(':') {
        return refuse(span, "`:` cannot be used with another port operator");
    }
    port(&word, span)
}

fn port(word: &str, span: Span) -> Result<Port> {
    match c_number(word) {
        Some(number) => match u16::try_from(number) {
            Ok(number) => Ok(Port::Number(number)),
            Err(_) => refuse(span, format!("port `{word}` is not within 0 to 65535")),
        },
        None if word.is_empty() || word.starts_with('-') => {
            Err(Error { span, refusal: Refusal::Syntax(format!("expected a port, found `{word}`")) })
        }
        None => Ok(names::service(word).map_or_else(|| Port::Unknown(word.into()), Port::Number)),
    }
}

/// The addresses and ports of a translation, and how one is chosen.
pub(super) fn pool(cursor: &mut Cursor) -> Result<Pool> {
    let start = cursor.span();
    let hosts = cursor.list(|cursor| {
        if cursor.is_sign('(') && !matches!(cursor.peek_at(2), Kind::Sign(')')) {
            return cursor.fail("an address");
        }
        host(cursor)
    })?;
    if let Some(bad) = hosts.iter().find(|host| {
        host.negated || matches!(host.address, Address::Any | Address::NoRoute | Address::UrpfFailed)
    }) {
        return Err(Error {
            span: bad.span,
            refusal: Refusal::Syntax("expected an address to translate to".into()),
        });
    }
    let port = if cursor.eat("port") { Some(pool_port(cursor)?) } else { None };
    let options = pool_options(cursor)?;
    Ok(Pool { span: cursor.since(start), hosts: hosts.into(), port, options })
}

fn pool_port(cursor: &mut Cursor) -> Result<PoolPort> {
    let span = cursor.span();
    let word = cursor.string_or_number("a port")?;
    let Some((first, last)) = word.split_once(':') else {
        return Ok(PoolPort::One(port(&word, span)?));
    };
    let first = port(first, span)?;
    if last == "*" {
        return Ok(PoolPort::From(first));
    }
    let last = port(last, span)?;
    Ok(if first == last { PoolPort::One(first) } else { PoolPort::Range(first, last) })
}

/// `round-robin`, `sticky-address`, …
pub(super) fn pool_options(cursor: &mut Cursor) -> Result<PoolOptions> {
    let mut options = PoolOptions::default();
    loop {
        let span = cursor.span();
        let kind = match cursor.word() {
            Some("bitmask") => "bitmask",
            Some("random") => "random",
            Some("source-hash") => "source-hash",
            Some("round-robin") => "round-robin",
            Some("least-states") => "least-states",
            Some("static-port") => {
                cursor.advance();
                if std::mem::replace(&mut options.static_port, true) {
                    return refuse(span, "`static-port` is given twice");
                }
                continue;
            }
            Some(word @ ("sticky-address" | "endpoint-independent" | "prefer-ipv6-nexthop")) => {
                cursor.advance();
                if options.other.iter().any(|known| known == word) {
                    return refuse(span, format!("`{word}` is given twice"));
                }
                options.other.push(word.to_string());
                continue;
            }
            Some("map-e-portset") => {
                cursor.advance();
                options.other.push(map_e(cursor)?);
                continue;
            }
            _ => return Ok(options),
        };
        cursor.advance();
        if options.kind.replace(kind).is_some() {
            return refuse(span, "the pool type is given twice");
        }
        if kind == "source-hash"
            && let Kind::Word(_) | Kind::Text(_) = cursor.peek()
            && cursor.word().is_none_or(|word| !vocabulary::is_keyword(word))
        {
            hash_key(cursor)?;
        }
    }
}

fn hash_key(cursor: &mut Cursor) -> Result<()> {
    let span = cursor.span();
    let key = cursor.string("a key")?;
    match key.strip_prefix("0x") {
        Some(hex) if hex.len() != 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) => {
            refuse(span, "a hexadecimal key has 32 digits")
        }
        _ => Ok(()),
    }
}

fn map_e(cursor: &mut Cursor) -> Result<String> {
    let offset = cursor.number_in("the PSID offset", 1..=15)?;
    cursor.expect_sign('/')?;
    let length = cursor.number_in("the PSID length", 1..=(16 - offset).min(15))?;
    cursor.expect_sign('/')?;
    let psid = cursor.number_in("the PSID", 0..=65535)?;
    Ok(format!("map-e-portset {offset}/{length}/{psid}"))
}

/// `route-to …` and its kin, the keyword taken.
pub(super) fn route(cursor: &mut Cursor, kind: RouteKind) -> Result<Route> {
    let mut interfaces = Vec::new();
    let hosts = cursor.list(|cursor| {
        // `(em0 192.0.2.1)`, or a bare interface where the family still has it
        if cursor.is_sign('(') && !matches!(cursor.peek_at(2), Kind::Sign(')')) {
            cursor.advance();
            interfaces.push(cursor.string("an interface")?);
            let hop = host(cursor)?;
            cursor.expect_sign(')')?;
            return Ok(hop);
        }
        host(cursor)
    })?;
    let options = pool_options(cursor)?;
    Ok(Route { kind, interfaces, hosts: hosts.into(), options })
}
