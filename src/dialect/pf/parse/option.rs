//! What stands after the addresses of a rule.

use crate::source::Span;

use super::super::ast::{
    Action, Divert, Flags, IcmpMatch, IdMatch, List, Options, RouteKind, Rule, State, StateKind,
};
use super::super::lexer::Kind;
use super::super::names;
use super::super::vocabulary;
use super::Session;
use super::cursor::{Cursor, Result, c_number, refuse};
use super::host;
use super::state::state;

/// The longest tag, in bytes.
const LONGEST_TAG: usize = 63;
/// The most labels that FreeBSD takes.
const MOST_LABELS: usize = 5;

/// All options of a filter rule, in any order, up to the end of the statement or a brace.
pub(super) fn filter_options(
    cursor: &mut Cursor,
    session: &mut Session,
    options: &mut Options,
) -> Result<()> {
    while !cursor.done() && !cursor.is_sign('{') {
        filter_option(cursor, session, options)?;
    }
    Ok(())
}

fn filter_option(cursor: &mut Cursor, session: &mut Session, options: &mut Options) -> Result<()> {
    let start = cursor.span();
    if cursor.is_sign('!') {
        return negated_option(cursor, options, start);
    }
    let Some(word) = cursor.word() else {
        return cursor.fail("a filter option");
    };
    cursor.advance();
    match word {
        "user" => {
            let more: Vec<IdMatch> = ids(cursor, "a user", false)?.into();
            options.rare_mut().users.splice(0..0, more);
        }
        "group" => {
            let more: Vec<IdMatch> = ids(cursor, "a group", true)?.into();
            options.rare_mut().groups.splice(0..0, more);
        }
        "flags" => once(&mut options.flags, flags(cursor)?, start, "flags")?,
        "icmp-type" | "icmp6-type" => {
            if !options.icmp.is_empty() {
                return refuse(start, format!("`{word}` is given twice"));
            }
            options.icmp = icmp(cursor, word == "icmp6-type")?;
        }
        "tos" => once(&mut options.rare_mut().tos, tos(cursor)?, start, "tos")?,
        "prio" => prio(cursor, session, options, start)?,
        "no" | "keep" | "modulate" | "synproxy" => {
            let state = state(cursor, word, start)?;
            once(&mut options.state, state, start, "state")?;
        }
        "fragment" => options.fragment = true,
        "allow-opts" => options.allow_opts = true,
        "label" => label(cursor, options, start)?,
        "queue" => once(&mut options.rare_mut().queue, queue(cursor)?, start, "queue")?,
        "tag" => options.rare_mut().tag = Some(tag(cursor)?),
        "tagged" => options.rare_mut().tagged = Some((false, tag(cursor)?)),
        "probability" => options.rare_mut().probability = Some(probability(cursor)?),
        "rtable" => options.rare_mut().rtable = Some(cursor.number_in("the routing table", 0..=65535)?),
        "divert-to" | "divert-reply" | "divert-packet" => {
            let divert = divert(cursor, word)?;
            once(&mut options.rare_mut().divert, divert, start, "divert")?;
        }
        "scrub" => scrub_in_parentheses(cursor, options)?,
        "set" => set(cursor, options)?,
        "nat-to" => once(&mut options.rare_mut().nat, host::pool(cursor)?, start, "nat-to")?,
        "rdr-to" => once(&mut options.rare_mut().rdr, host::pool(cursor)?, start, "rdr-to")?,
        "binat-to" => {
            options.rare_mut().binat = true;
            once(&mut options.rare_mut().nat, host::pool(cursor)?, start, "binat-to")?;
        }
        "af-to" => af_to(cursor, options, start)?,
        "route-to" | "reply-to" | "dup-to" => {
            let kind = match word {
                "route-to" => RouteKind::To,
                "reply-to" => RouteKind::Reply,
                _ => RouteKind::Dup,
            };
            once(&mut options.rare_mut().route, host::route(cursor, kind)?, start, word)?;
        }
        "fastroute" => {}
        "received-on" => once(&mut options.rare_mut().received_on, host::interface(cursor)?, start, word)?,
        "once" => options.rare_mut().once = true,
        "max-pkt-rate" => {
            let rate = rate(cursor)?;
            once(&mut options.rare_mut().max_packet_rate, rate, start, word)?;
        }
        "max-pkt-size" => options.rare_mut().max_packet_size = Some(cursor.number_in("the size", 1..=65535)?),
        "dnpipe" | "dnqueue" => dummynet(cursor, options, word)?,
        // pfSense writes its rule numbers and schedules into the rules
        "ridentifier" | "tracker" => {
            cursor.number("a number")?;
            options.generated = true;
        }
        "schedule" => {
            cursor.string("a schedule")?;
        }
        "state" | "source" => limiter(cursor, options, start)?,
        _ => {
            return Err(super::cursor::Error {
                span: start,
                refusal: super::cursor::Refusal::Syntax(format!("expected a filter option, found `{word}`")),
            });
        }
    }
    Ok(())
}

/// Sets what may be given once only.
fn once<T>(slot: &mut Option<T>, value: T, span: Span, what: &str) -> Result<()> {
    if slot.replace(value).is_some() {
        return refuse(span, format!("`{what}` is given twice"));
    }
    Ok(())
}

/// `! tagged …` and `! received-on …`
fn negated_option(cursor: &mut Cursor, options: &mut Options, start: Span) -> Result<()> {
    cursor.advance();
    if cursor.eat("tagged") {
        options.rare_mut().tagged = Some((true, tag(cursor)?));
        return Ok(());
    }
    if cursor.eat("received-on") {
        let mut interface = host::interface(cursor)?;
        interface.negated = true;
        interface.span = cursor.since(start);
        return once(&mut options.rare_mut().received_on, interface, start, "received-on");
    }
    cursor.fail("`tagged` or `received-on`")
}

fn ids(cursor: &mut Cursor, what: &str, group: bool) -> Result<List<IdMatch>> {
    let number = |word: String| names::owner(&word, group).to_string();
    cursor.list(|cursor| {
        let op = host::unary(cursor);
        let first = cursor.string_or_number(what)?;
        let (op, second) = match (op, cursor.peek()) {
            (Some(op), _) => (op, None),
            (None, Kind::Inside | Kind::Outside) => {
                let op = if *cursor.peek() == Kind::Inside { "><" } else { "<>" };
                cursor.advance();
                (op, Some(cursor.string_or_number(what)?))
            }
            (None, _) => ("=", None),
        };
        if first == "unknown" && !matches!(op, "=" | "!=") {
            return refuse(cursor.last_span(), "`unknown` goes with `=` and `!=` only");
        }
        Ok(IdMatch { op, first: number(first), second: second.map(number) })
    })
}

fn flags(cursor: &mut Cursor) -> Result<Flags> {
    let start = cursor.span();
    if cursor.eat("any") {
        return Ok(Flags { set: 0, mask: 0 });
    }
    let set = if cursor.is_sign('/') { 0 } else { flag_letters(cursor)? };
    cursor.expect_sign('/')?;
    let mask = flag_letters(cursor)?;
    if set & !mask != 0 {
        return refuse(cursor.since(start), "the flags never match: some are set that the mask leaves out");
    }
    Ok(Flags { set, mask })
}

fn flag_letters(cursor: &mut Cursor) -> Result<u8> {
    let error = cursor.error("TCP flags");
    match cursor.peek() {
        Kind::Word(word) => match vocabulary::tcp_flags(word) {
            Some(bits) => {
                cursor.advance();
                Ok(bits)
            }
            None => Err(error),
        },
        _ => Err(error),
    }
}

fn icmp(cursor: &mut Cursor, v6: bool) -> Result<List<IcmpMatch>> {
    cursor.list(|cursor| {
        let span = cursor.span();
        let word = cursor.string_or_number("an ICMP type")?;
        let kind = match c_number(&word) {
            Some(number) => u8::try_from(number).ok(),
            None => vocabulary::icmp_type(&word, v6),
        };
        let Some(kind) = kind else {
            return refuse(span, format!("`{word}` is not an ICMP type"));
        };
        let mut code = None;
        if cursor.eat("code") {
            let at = cursor.span();
            let word = cursor.string_or_number("an ICMP code")?;
            code = match c_number(&word) {
                Some(number) => u8::try_from(number).ok(),
                None => vocabulary::icmp_code(kind, &word, v6),
            };
            if code.is_none() {
                return refuse(at, format!("`{word}` is not a code of this ICMP type"));
            }
        }
        Ok(IcmpMatch { span: cursor.since(span), v6, kind, code })
    })
}

fn tos(cursor: &mut Cursor) -> Result<u8> {
    let span = cursor.span();
    let word = cursor.string_or_number("a TOS value")?;
    let value = vocabulary::tos(&word).map(i64::from).or_else(|| c_number(&word));
    match value.and_then(|value| u8::try_from(value).ok()) {
        Some(value) => Ok(value),
        None => refuse(span, format!("`{word}` is not a TOS value")),
    }
}

/// `prio n` as a condition. OpenBSD 5.0 knew no `set`: there, `prio` and `prio (a, b)` assign.
fn prio(cursor: &mut Cursor, session: &Session, options: &mut Options, start: Span) -> Result<()> {
    if cursor.is_sign('(') || session.prio_assigns {
        let text = prio_value(cursor)?;
        options.rare_mut().packet.push(text);
        return Ok(());
    }
    let prio = cursor.number_in("the priority", 0..=7)?;
    once(&mut options.rare_mut().prio, prio, start, "prio")
}

/// `prio 3` or `prio(3, 5)` as an assignment, the word taken.
fn prio_value(cursor: &mut Cursor) -> Result<String> {
    if !cursor.eat_sign('(') {
        return Ok(format!("prio {}", cursor.number_in("the priority", 0..=7)?));
    }
    let first = cursor.number_in("the priority", 0..=7)?;
    cursor.comma();
    let second = cursor.number_in("the priority", 0..=7)?;
    cursor.expect_sign(')')?;
    Ok(format!("prio({first}, {second})"))
}

fn label(cursor: &mut Cursor, options: &mut Options, start: Span) -> Result<()> {
    let label = cursor.string("a label")?;
    if options.rare().labels.len() >= MOST_LABELS {
        return refuse(start, format!("a rule has at most {MOST_LABELS} labels"));
    }
    // OPNsense labels each rule that it writes with a hash
    options.generated |= label.len() == 32 && label.bytes().all(|b| b.is_ascii_hexdigit());
    options.rare_mut().labels.push(label);
    Ok(())
}

/// `queue name` or `queue (name, name)`
fn queue(cursor: &mut Cursor) -> Result<String> {
    if !cursor.eat_sign('(') {
        return cursor.string("a queue");
    }
    let mut names = cursor.string("a queue")?;
    if !cursor.is_sign(')') {
        cursor.comma();
        names.push_str(", ");
        names.push_str(&cursor.string("a queue")?);
    }
    cursor.expect_sign(')')?;
    Ok(names)
}

fn tag(cursor: &mut Cursor) -> Result<String> {
    let span = cursor.span();
    let tag = cursor.strings("a tag")?;
    if tag.len() > LONGEST_TAG {
        return refuse(span, format!("the tag is longer than {LONGEST_TAG} bytes"));
    }
    Ok(tag)
}

/// `tag …`, `tagged …` and `rtable …` of a translation rule.
pub(super) fn tags(cursor: &mut Cursor, options: &mut Options) -> Result<()> {
    loop {
        if cursor.eat("tag") {
            options.rare_mut().tag = Some(tag(cursor)?);
        } else if cursor.eat("tagged") {
            options.rare_mut().tagged = Some((false, tag(cursor)?));
        } else if cursor.is_sign('!') && matches!(cursor.peek_at(1), Kind::Word(word) if word == "tagged") {
            cursor.advance();
            cursor.advance();
            options.rare_mut().tagged = Some((true, tag(cursor)?));
        } else if cursor.eat("rtable") {
            options.rare_mut().rtable = Some(cursor.number_in("the routing table", 0..=65535)?);
        } else {
            return Ok(());
        }
    }
}

fn probability(cursor: &mut Cursor) -> Result<String> {
    let span = cursor.span();
    let word = cursor.string_or_number("a probability")?;
    let (digits, scale) = match word.strip_suffix('%') {
        Some(digits) => (digits, 0.01),
        None => (word.as_str(), 1.0),
    };
    match digits.parse::<f64>() {
        Ok(value) if (0.0..=1.0).contains(&(value * scale)) => Ok(word),
        _ => refuse(span, format!("`{word}` is not a probability")),
    }
}

pub(super) fn rate(cursor: &mut Cursor) -> Result<String> {
    let count = cursor.number_in("the rate", 0..=i64::from(u32::MAX))?;
    cursor.expect_sign('/')?;
    let seconds = cursor.number_in("the seconds", 0..=i64::from(u32::MAX))?;
    Ok(format!("{count}/{seconds}"))
}

fn divert(cursor: &mut Cursor, word: &str) -> Result<Divert> {
    let span = cursor.span();
    let divert = match word {
        "divert-reply" => return Ok(Divert::Reply),
        "divert-packet" => {
            cursor.expect("port")?;
            Divert::Packet(host::port_of(cursor)?)
        }
        _ if matches!(cursor.peek_at(1), Kind::Word(word) if word == "port") => {
            let address = cursor.string("an address")?;
            cursor.expect("port")?;
            Divert::To(Some(address), host::port_of(cursor)?)
        }
        _ => Divert::Packet(host::port_of(cursor)?),
    };
    if let Divert::To(_, port) | Divert::Packet(port) = &divert
        && *port == super::super::ast::Port::Number(0)
    {
        return refuse(span, "port 0 cannot be diverted to");
    }
    Ok(divert)
}

fn af_to(cursor: &mut Cursor, options: &mut Options, start: Span) -> Result<()> {
    let Some(af) = host::af(cursor) else {
        return cursor.fail("`inet` or `inet6`");
    };
    options.rare_mut().af_to = Some(af);
    cursor.expect("from")?;
    once(&mut options.rare_mut().nat, host::pool(cursor)?, start, "af-to")?;
    if cursor.eat("to") {
        options.rare_mut().rdr = Some(host::pool(cursor)?);
    }
    Ok(())
}

fn dummynet(cursor: &mut Cursor, options: &mut Options, word: &str) -> Result<()> {
    let text = if cursor.eat_sign('(') {
        let first = cursor.number("a pipe")?;
        if cursor.eat_sign(')') {
            format!("{word} {first}")
        } else {
            cursor.comma();
            let second = cursor.number("a pipe")?;
            cursor.expect_sign(')')?;
            format!("{word}({first}, {second})")
        }
    } else {
        format!("{word} {}", cursor.number("a pipe")?)
    };
    options.rare_mut().packet.push(text);
    Ok(())
}

/// `state limiter "name" (no-match)` and `source limiter …`, the first word taken.
fn limiter(cursor: &mut Cursor, options: &mut Options, start: Span) -> Result<()> {
    cursor.expect("limiter")?;
    let name = if cursor.eat("id") {
        format!("id {}", cursor.number("the id of a limiter")?)
    } else {
        cursor.string_or_number("a limiter")?
    };
    if cursor.is_sign('(') {
        cursor.in_parentheses(|cursor| cursor.string("an option of the limiter").map(|_| ()))?;
    }
    once(&mut options.rare_mut().limiter, name, start, "limiter")
}

/// `scrub (…)` of a filter rule, the word taken.
fn scrub_in_parentheses(cursor: &mut Cursor, options: &mut Options) -> Result<()> {
    cursor.expect_sign('(')?;
    scrub_options(cursor, options, false)?;
    cursor.expect_sign(')')
}

/// The options of a scrub rule, with optional commas; normalized into pfctl's order.
pub(super) fn scrub_options(cursor: &mut Cursor, options: &mut Options, rule: bool) -> Result<()> {
    let mut slots: [Option<String>; 7] = Default::default();
    loop {
        let span = cursor.span();
        let negated =
            cursor.is_sign('!') && matches!(cursor.peek_at(1), Kind::Word(word) if word == "tagged");
        if rule && (negated || matches!(cursor.word(), Some("tagged" | "rtable"))) {
            tags(cursor, options)?;
            continue;
        }
        let Some(word) = cursor.word() else { break };
        let (slot, text) = match word {
            "random-id" | "no-df" => {
                cursor.advance();
                (usize::from(word == "no-df"), word.to_string())
            }
            "min-ttl" => {
                cursor.advance();
                (2, format!("min-ttl {}", cursor.number_in("min-ttl", 0..=255)?))
            }
            "max-mss" => {
                cursor.advance();
                (3, format!("max-mss {}", cursor.number_in("max-mss", 0..=65535)?))
            }
            "set-tos" => {
                cursor.advance();
                (4, format!("set-tos {:#04x}", tos(cursor)?))
            }
            "reassemble" => {
                cursor.advance();
                let at = cursor.span();
                let what = cursor.string("`tcp`")?;
                if !what.eq_ignore_ascii_case("tcp") {
                    return refuse(at, format!("`reassemble` takes `tcp`, not `{what}`"));
                }
                (5, "reassemble tcp".to_string())
            }
            "fragment" if rule => {
                cursor.advance();
                (6, fragment(cursor)?)
            }
            _ => break,
        };
        if slots[slot].replace(text).is_some() {
            return refuse(span, format!("`{word}` is given twice"));
        }
        cursor.comma();
    }
    options.rare_mut().packet.extend(slots.into_iter().flatten());
    Ok(())
}

fn fragment(cursor: &mut Cursor) -> Result<String> {
    if cursor.eat("no") {
        cursor.expect("reassemble")?;
        return Ok("fragment no reassemble".into());
    }
    for word in ["reassemble", "crop", "drop-ovl"] {
        if cursor.eat(word) {
            return Ok(format!("fragment {word}"));
        }
    }
    cursor.fail("`reassemble`, `crop` or `drop-ovl`")
}

/// `set prio 3`, `set (tos 0x10, queue q)`, the word taken.
fn set(cursor: &mut Cursor, options: &mut Options) -> Result<()> {
    if !cursor.is_sign('(') {
        return set_item(cursor, options);
    }
    cursor.in_parentheses(|cursor| set_item(cursor, options))
}

fn set_item(cursor: &mut Cursor, options: &mut Options) -> Result<()> {
    let span = cursor.span();
    let text = if cursor.eat("prio") {
        prio_value(cursor)?
    } else if cursor.eat("tos") {
        format!("tos {:#04x}", tos(cursor)?)
    } else if cursor.eat("delay") {
        format!("delay {}", cursor.number_in("the delay", 0..=65535)?)
    } else if cursor.eat("queue") {
        return once(&mut options.rare_mut().queue, queue(cursor)?, span, "queue");
    } else {
        return cursor.fail("`prio`, `tos`, `queue` or `delay`");
    };
    options.rare_mut().packet.push(text);
    Ok(())
}

/// `label …`, `rtable …` of antispoof.
pub(super) fn antispoof_options(cursor: &mut Cursor, options: &mut Options) -> Result<()> {
    options.generated = true;
    loop {
        let span = cursor.span();
        if cursor.eat("label") {
            label(cursor, options, span)?;
        } else if cursor.eat("rtable") {
            options.rare_mut().rtable = Some(cursor.number_in("the routing table", 0..=65535)?);
        } else if cursor.eat("ridentifier") || cursor.eat("tracker") {
            cursor.number("a number")?;
        } else {
            return Ok(());
        }
    }
}

/// `pass` keeps state without being told (pf.conf(5), STATEFUL FILTERING; OpenBSD since 4.1, FreeBSD since 7.0).
pub(super) fn defaults(session: &Session, rule: &mut Rule) {
    if rule.action == Action::Pass && rule.options.state.is_none() {
        let options = session.state_defaults.clone().map(Box::new);
        rule.options.state = Some(State { span: rule.span, kind: StateKind::Keep, options });
    }
}
