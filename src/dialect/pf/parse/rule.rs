//! Rules: what stands before the addresses, and the translation rules of FreeBSD and macOS.

use crate::source::Span;

use super::super::ast::{
    Action, Address, Anchor, Direction, Host, Interface, InterfaceName, List, Modifiers, Options, Peer,
    Reply, RouteKind, Rule, StatementKind, TranslateKind,
};
use super::super::lexer::Kind;
use super::super::vocabulary;
use super::cursor::{Cursor, Result, refuse};
use super::host;
use super::option;
use super::{Order, Session};

/// ICMP code 3 of type 3 and code 4 of ICMPv6 type 1: port unreachable, the default of `return-icmp`.
const PORT_UNREACHABLE: (u8, u8) = (3, 4);

/// An empty rule that starts at a place.
fn blank(span: Span, action: Action) -> Rule {
    Rule {
        span,
        action,
        direction: None,
        quick: None,
        interfaces: List::Empty,
        af: None,
        protocols: List::Empty,
        from: Peer::default(),
        to: Peer::default(),
        options: Options::default(),
    }
}

/// `pass …`, `block …`, `match …`, the first word taken.
pub(super) fn filter(
    cursor: &mut Cursor,
    session: &mut Session,
    start: Span,
    word: &str,
) -> Result<StatementKind> {
    session.order(Order::Filter, start)?;
    let action = match word {
        "pass" => Action::Pass,
        "match" => Action::Match,
        _ => Action::Block(block_reply(cursor, session.block_policy)?),
    };
    let mut rule = blank(start, action);
    rule.direction = direction(cursor);
    log_and_quick(cursor, &mut rule)?;
    rule.interfaces = host::interfaces(cursor)?;
    old_route(cursor, &mut rule)?;
    conditions(cursor, session, &mut rule)?;
    option::filter_options(cursor, session, &mut rule.options)?;
    rule.span = cursor.since(start);
    option::defaults(session, &mut rule);
    Ok(StatementKind::Rule(Box::new(rule)))
}

/// `inet proto … from … to …`
fn conditions(cursor: &mut Cursor, session: &Session, rule: &mut Rule) -> Result<()> {
    rule.af = host::af(cursor);
    rule.protocols = host::protocols(cursor)?;
    let os;
    (rule.from, os, rule.to) = host::from_to(cursor, session.flavour)?;
    if !os.is_empty() {
        rule.options.rare_mut().os = os;
    }
    Ok(())
}

/// What follows `block`.
fn block_reply(cursor: &mut Cursor, policy: Reply) -> Result<Reply> {
    let (v4, v6) = PORT_UNREACHABLE;
    let word = cursor.word();
    let plain = match word {
        Some("drop") => Reply::Drop,
        Some("return") => Reply::Return,
        Some("return-rst") => Reply::Reset(None),
        Some("return-icmp" | "return-icmp6") => Reply::Icmp { v4, v6 },
        _ => return Ok(policy),
    };
    cursor.advance();
    if !cursor.eat_sign('(') {
        return Ok(plain);
    }
    let reply = match word {
        Some("return-rst") => {
            cursor.expect("ttl")?;
            let ttl = cursor.number_in("the TTL", 0..=255)?;
            Reply::Reset(u8::try_from(ttl).ok())
        }
        Some("return-icmp6") => Reply::Icmp { v4, v6: reply_code(cursor, true)? },
        Some("return-icmp") => {
            let v4 = reply_code(cursor, false)?;
            if cursor.is_sign(')') {
                Reply::Icmp { v4, v6 }
            } else {
                cursor.comma();
                Reply::Icmp { v4, v6: reply_code(cursor, true)? }
            }
        }
        _ => return cursor.fail("a direction, an interface or an address"),
    };
    cursor.expect_sign(')')?;
    Ok(reply)
}

fn reply_code(cursor: &mut Cursor, v6: bool) -> Result<u8> {
    let span = cursor.span();
    let word = cursor.string_or_number("an ICMP code")?;
    let code = match super::cursor::c_number(&word) {
        Some(number) => u8::try_from(number).ok(),
        None => vocabulary::icmp_code(if v6 { 1 } else { 3 }, &word, v6),
    };
    match code {
        Some(code) => Ok(code),
        None => refuse(span, format!("`{word}` is not the code of an ICMP unreachable")),
    }
}

/// `in` or `out`.
fn direction(cursor: &mut Cursor) -> Option<Direction> {
    if cursor.eat("in") {
        Some(Direction::In)
    } else if cursor.eat("out") {
        Some(Direction::Out)
    } else {
        None
    }
}

/// `log` and `quick`, in either order.
fn log_and_quick(cursor: &mut Cursor, rule: &mut Rule) -> Result<()> {
    if cursor.word() == Some("quick") {
        rule.quick = Some(cursor.span());
        cursor.advance();
    }
    log(cursor, rule)?;
    if rule.quick.is_none() && cursor.word() == Some("quick") {
        rule.quick = Some(cursor.span());
        cursor.advance();
    }
    Ok(())
}

/// `log`, `log (all, user, matches, to pflog1)`
fn log(cursor: &mut Cursor, rule: &mut Rule) -> Result<()> {
    if !cursor.eat("log") {
        return Ok(());
    }
    let (mut flags, mut interface) = ([false; 3], None);
    if cursor.is_sign('(') {
        cursor.in_parentheses(|cursor| {
            match cursor.word() {
                Some("all") => flags[0] = true,
                Some("matches") => flags[1] = true,
                Some("user") => flags[2] = true,
                Some("to") => {
                    cursor.advance();
                    let span = cursor.span();
                    let name = cursor.string("a pflog interface")?;
                    if name.strip_prefix("pflog").and_then(|n| n.parse::<u8>().ok()).is_none() {
                        return refuse(span, format!("`{name}` is not a pflog interface"));
                    }
                    interface = Some(name);
                    return Ok(());
                }
                _ => return cursor.fail("`all`, `matches`, `user` or `to`"),
            }
            cursor.advance();
            Ok(())
        })?;
    }
    let mut parts: Vec<String> = ["all", "matches", "user"]
        .iter()
        .zip(flags)
        .filter(|(_, on)| *on)
        .map(|(w, _)| w.to_string())
        .collect();
    parts.extend(interface.map(|name| format!("to {name}")));
    rule.options.rare_mut().log = Some(parts.join(", "));
    Ok(())
}

/// Routing where FreeBSD and macOS have it: before the address family.
fn old_route(cursor: &mut Cursor, rule: &mut Rule) -> Result<()> {
    let kind = match cursor.word() {
        Some("fastroute") => {
            cursor.advance();
            return Ok(());
        }
        Some("route-to") => RouteKind::To,
        Some("reply-to") => RouteKind::Reply,
        Some("dup-to") => RouteKind::Dup,
        _ => return Ok(()),
    };
    cursor.advance();
    rule.options.rare_mut().route = Some(host::route(cursor, kind)?);
    Ok(())
}

/// `scrub …` and `no scrub …`, the words taken.
pub(super) fn scrub(
    cursor: &mut Cursor,
    session: &mut Session,
    start: Span,
    no: bool,
) -> Result<StatementKind> {
    session.order(Order::Scrub, start)?;
    let mut rule = blank(start, Action::Scrub { no });
    rule.direction = direction(cursor);
    log_and_quick(cursor, &mut rule)?;
    if let Some(quick) = rule.quick {
        return refuse(quick, "scrub rules do not support `quick`");
    }
    rule.interfaces = host::interfaces(cursor)?;
    conditions(cursor, session, &mut rule)?;
    option::scrub_options(cursor, &mut rule.options, true)?;
    if !no && !rule.options.rare_mut().packet.iter().any(|text| text.starts_with("fragment")) {
        rule.options.rare_mut().packet.push("fragment reassemble".into());
    }
    rule.span = cursor.since(start);
    Ok(StatementKind::Rule(Box::new(rule)))
}

/// `nat …`, `rdr …`, `binat …`, the words taken.
pub(super) fn translate(
    cursor: &mut Cursor,
    session: &mut Session,
    start: Span,
    kind: TranslateKind,
    no: bool,
) -> Result<StatementKind> {
    session.order(Order::Translate, start)?;
    let pass_span = cursor.span();
    let pass = cursor.eat("pass");
    if pass && no {
        return refuse(pass_span, "`pass` does not go with `no`");
    }
    let mut rule = blank(start, Action::Translate { kind, no, pass });
    log(cursor, &mut rule)?;
    rule.interfaces = host::interfaces(cursor)?;
    conditions(cursor, session, &mut rule)?;
    option::tags(cursor, &mut rule.options)?;
    let arrow = cursor.span();
    if *cursor.peek() == Kind::Arrow {
        cursor.advance();
        let pool = host::pool(cursor)?;
        if no {
            return refuse(cursor.since(arrow), "a translation rule with `no` has no `->`");
        }
        match kind {
            TranslateKind::Rdr => rule.options.rare_mut().rdr = Some(pool),
            _ => rule.options.rare_mut().nat = Some(pool),
        }
    } else if !no && cursor.done() {
        return refuse(cursor.since(start), "the translation rule has no `->` and no address");
    }
    rule.span = cursor.since(start);
    Ok(StatementKind::Rule(Box::new(rule)))
}

/// The head of an anchor, its keyword taken. The body is read by the caller, where `{` ends the statement.
pub(super) fn anchor(
    cursor: &mut Cursor,
    session: &mut Session,
    start: Span,
    kind: Option<TranslateKind>,
) -> Result<Anchor> {
    session.order(if kind.is_some() { Order::Translate } else { Order::Filter }, start)?;
    let name_span = cursor.span();
    let name = match cursor.peek() {
        Kind::Text(_) => Some(cursor.string("a name")?),
        Kind::Word(word) if !vocabulary::is_keyword(word) => Some(cursor.string("a name")?),
        _ => None,
    };
    if let Some(name) = &name {
        check_anchor_name(name, name_span)?;
    }
    let mut rule = blank(start, Action::Anchor);
    if kind.is_none() {
        rule.direction = direction(cursor);
        if cursor.word() == Some("quick") {
            rule.quick = Some(cursor.span());
            cursor.advance();
        }
    }
    rule.interfaces = host::interfaces(cursor)?;
    conditions(cursor, session, &mut rule)?;
    if kind.is_none() {
        option::filter_options(cursor, session, &mut rule.options)?;
        if let Some(state) = &rule.options.state {
            return refuse(state.span, "anchors have no state options");
        }
        if rule.options.rare_mut().route.is_some() {
            return refuse(cursor.since(start), "anchors have no routing options");
        }
    } else {
        option::tags(cursor, &mut rule.options)?;
        check_translation_anchor(&rule, kind)?;
    }
    rule.span = cursor.since(start);
    Ok(Anchor { rule, kind, name, body: None })
}

fn check_anchor_name(name: &str, span: Span) -> Result<()> {
    if name.is_empty() {
        return refuse(span, "an anchor's name cannot be empty");
    }
    if name.starts_with('_') || name.contains("/_") {
        return refuse(span, "anchor names that start with `_` are reserved");
    }
    if name.ends_with('/') {
        return refuse(span, format!("`{name}` is not an anchor's name"));
    }
    Ok(())
}

fn check_translation_anchor(rule: &Rule, kind: Option<TranslateKind>) -> Result<()> {
    use super::super::ast::PortOp;
    match kind {
        Some(TranslateKind::Rdr) => {
            if let Some(port) = rule.from.ports.first() {
                return refuse(port.span, "an `rdr-anchor` takes no source port");
            }
            match &*rule.to.ports {
                [] => Ok(()),
                [port] if matches!(port.op, PortOp::Eq(_)) => Ok(()),
                [port] => refuse(port.span, "an `rdr-anchor` takes no port operator"),
                [_, second, ..] => refuse(second.span, "an `rdr-anchor` takes no list of ports"),
            }
        }
        Some(TranslateKind::Binat) => {
            if let [_, second, ..] = &*rule.protocols {
                return refuse(second.span, "a `binat-anchor` takes no list of protocols");
            }
            let peers = [&rule.from, &rule.to];
            if peers.iter().any(|peer| !peer.hosts.is_empty() || !peer.ports.is_empty()) {
                return refuse(rule.span, "a `binat-anchor` takes no `from` and no `to`");
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// `antispoof …`, the word taken: for each interface a rule that blocks its networks on every other interface
/// and, unless it is a loopback interface, one that blocks its own addresses (pf.conf(5), BLOCKING SPOOFED
/// TRAFFIC).
pub(super) fn antispoof(cursor: &mut Cursor, session: &mut Session, start: Span) -> Result<StatementKind> {
    session.order(Order::Filter, start)?;
    let mut rule = blank(start, Action::Block(Reply::Drop));
    rule.direction = Some(Direction::In);
    log_and_quick(cursor, &mut rule)?;
    cursor.expect("for")?;
    let interfaces = cursor.list(|cursor| {
        let dynamic = cursor.eat_sign('(');
        let interface = host::interface(cursor)?;
        if interface.negated {
            return refuse(interface.span, "`antispoof` takes no negated interface");
        }
        if dynamic {
            cursor.expect_sign(')')?;
        }
        Ok((interface, dynamic))
    })?;
    rule.af = host::af(cursor);
    option::antispoof_options(cursor, &mut rule.options)?;
    rule.span = cursor.since(start);
    let mut rules = Vec::new();
    for (interface, dynamic) in &interfaces {
        let InterfaceName::Named(name) = &interface.name else { continue };
        let network = Modifiers { network: true, ..Modifiers::default() };
        let mut elsewhere = rule.clone();
        elsewhere.from = source(interface, name, network, *dynamic);
        elsewhere.interfaces = List::One(Interface { negated: true, ..interface.clone() });
        rules.push(elsewhere);
        if !is_loopback(name) {
            let mut own = rule.clone();
            own.from = source(interface, name, Modifiers::default(), *dynamic);
            rules.push(own);
        }
    }
    Ok(StatementKind::Antispoof(rules))
}

/// The addresses of an interface as a source.
fn source(interface: &Interface, name: &str, modifiers: Modifiers, dynamic: bool) -> Peer {
    let name = name.to_string();
    let address = if dynamic {
        Address::Dynamic { name, modifiers, prefix: None }
    } else {
        Address::Name { name, modifiers, prefix: None }
    };
    Peer {
        hosts: List::One(Host { span: interface.span, negated: false, address, scope: None }),
        ports: List::Empty,
    }
}

/// Loopback interfaces are called `lo` and a number.
pub(in super::super) fn is_loopback(name: &str) -> bool {
    name.strip_prefix("lo").is_some_and(|unit| unit.bytes().all(|b| b.is_ascii_digit()))
}

/// A statement that decides nothing about routed packets: read as far as to know where it ends.
pub(super) fn ignore(cursor: &mut Cursor) -> Result<StatementKind> {
    while !cursor.done() {
        cursor.advance();
    }
    Ok(StatementKind::Ignored)
}
