//! Options, tables and queues.

use crate::source::{SourceId, Span};

use super::super::address::{self, Parsed};
use super::super::ast::{
    Address, Host, Modifiers, Queue, Reply, SetOption, StateOptions, StatementKind, Table,
};
use super::super::lexer::Kind;
use super::super::vocabulary;
use super::cursor::{Cursor, Result, refuse};
use super::{Order, Session, host, state};

/// `set …`, the word taken.
pub(super) fn set(cursor: &mut Cursor, session: &mut Session, start: Span) -> Result<SetOption> {
    let Some(word) = cursor.word() else {
        return cursor.fail("an option");
    };
    let span = cursor.span();
    cursor.advance();
    if !matches!(word, "require-order" | "skip" | "state-policy" | "state-defaults" | "ruleset-optimization")
    {
        session.order(Order::Option, start)?;
    }
    let name = |cursor: &mut Cursor, known: &[&str], name: &'static str| {
        let at = cursor.span();
        let value = cursor.string("a value")?;
        if known.contains(&value.as_str()) {
            return Ok(SetOption::Other);
        }
        refuse(at, format!("`{value}` is not a value of `{name}`"))
    };
    match word {
        "block-policy" => {
            session.block_policy = drop_or_return(cursor)?;
            Ok(SetOption::Other)
        }
        "fail-policy" => drop_or_return(cursor).map(|_| SetOption::Other),
        "skip" => {
            let interfaces = host::interfaces(cursor)?;
            if let Some(bad) = interfaces.iter().find(|interface| interface.negated) {
                return refuse(bad.span, "`set skip` takes no negated interface");
            }
            Ok(SetOption::Skip(interfaces.into()))
        }
        "state-policy" => {
            let Some("if-bound" | "group-bound" | "floating") = cursor.word() else {
                return cursor.fail("`if-bound` or `floating`");
            };
            cursor.advance();
            Ok(SetOption::Other)
        }
        "state-defaults" => state_defaults(cursor, session, span),
        "require-order" => {
            session.require_order = yes_no(cursor)?;
            Ok(SetOption::Other)
        }
        "reassemble" => {
            yes_no(cursor)?;
            cursor.eat("no-df");
            Ok(SetOption::Other)
        }
        "optimization" => name(
            cursor,
            &["normal", "high-latency", "satellite", "aggressive", "conservative", "default"],
            "optimization",
        ),
        "ruleset-optimization" => name(cursor, &["none", "basic", "profile"], "ruleset-optimization"),
        "debug" => name(
            cursor,
            &[
                "none", "urgent", "misc", "loud", "noisy", "emerg", "alert", "crit", "err", "warning",
                "notice", "info", "debug",
            ],
            "debug",
        ),
        "timeout" => Ok(SetOption::Timeouts(pairs(cursor, vocabulary::is_timeout, "timeout")?)),
        "limit" => pairs(cursor, vocabulary::is_limit, "limit").map(|_| SetOption::Other),
        "loginterface" => {
            if !cursor.eat("all") {
                cursor.string("an interface")?;
            }
            Ok(SetOption::Other)
        }
        "hostid" => {
            cursor.number_in("the host id", 1..=i64::from(u32::MAX))?;
            Ok(SetOption::Other)
        }
        "fingerprints" => cursor.string("a file").map(|_| SetOption::Other),
        "keepcounters" => Ok(SetOption::Other),
        "syncookies" => syncookies(cursor),
        _ => refuse(span, format!("`{word}` is not an option")),
    }
}

fn drop_or_return(cursor: &mut Cursor) -> Result<Reply> {
    let reply = match cursor.word() {
        Some("drop") => Reply::Drop,
        Some("return") => Reply::Return,
        _ => return cursor.fail("`drop` or `return`"),
    };
    cursor.advance();
    Ok(reply)
}

fn yes_no(cursor: &mut Cursor) -> Result<bool> {
    let on = match cursor.word() {
        Some("yes") => true,
        Some("no") => false,
        _ => return cursor.fail("`yes` or `no`"),
    };
    cursor.advance();
    Ok(on)
}

fn state_defaults(cursor: &mut Cursor, session: &mut Session, span: Span) -> Result<SetOption> {
    let mut options = StateOptions::default();
    loop {
        state::state_option(cursor, &mut options)?;
        if cursor.done() {
            break;
        }
        cursor.comma();
    }
    if session.state_defaults.replace(options).is_some() {
        return refuse(span, "`state-defaults` is given twice");
    }
    Ok(SetOption::Other)
}

/// `timeout { a 1, b 2 }`
fn pairs(
    cursor: &mut Cursor,
    known: fn(&str) -> bool,
    what: &'static str,
) -> Result<Vec<(String, u32, Span)>> {
    let mut found = Vec::new();
    cursor.list(|cursor| {
        let span = cursor.span();
        let name = cursor.string(what)?;
        if !known(&name) {
            return refuse(span, format!("`{name}` is not a {what}"));
        }
        let number = cursor.span();
        let value = cursor.number_in(what, 0..=i64::from(u32::MAX))?;
        found.push((name, u32::try_from(value).unwrap_or(u32::MAX), span.to(number)));
        Ok(())
    })?;
    Ok(found)
}

fn syncookies(cursor: &mut Cursor) -> Result<SetOption> {
    let span = cursor.span();
    let value = cursor.string("`never`, `always` or `adaptive`")?;
    if !matches!(value.as_str(), "never" | "always" | "adaptive") {
        return refuse(span, format!("`{value}` is not a value of `syncookies`"));
    }
    if cursor.is_sign('(') {
        cursor.in_parentheses(|cursor| {
            let span = cursor.span();
            let name = cursor.string("`start` or `end`")?;
            let share = cursor.string("a percentage")?;
            let share: Option<f64> = share.strip_suffix('%').and_then(|share| share.parse().ok());
            let good = share.is_some_and(|share| share > 0.0 && share <= 100.0);
            if !good || !matches!(name.as_str(), "start" | "end") {
                return refuse(span, "an option of `syncookies` is `start n%` or `end n%`");
            }
            Ok(())
        })?;
    }
    Ok(SetOption::Other)
}

/// `table <name> …`, the word taken.
pub(super) fn table(
    cursor: &mut Cursor,
    session: &mut Session,
    from: SourceId,
    start: Span,
) -> Result<StatementKind> {
    let name = host::table_name(cursor)?;
    let mut table = Table {
        name,
        constant: false,
        persist: false,
        counters: false,
        entries: Vec::new(),
        unread: Vec::new(),
        initialized: false,
    };
    while !cursor.done() {
        let span = cursor.span();
        if cursor.is_sign('{') {
            table.initialized = true;
            contents(cursor, &mut table)?;
        } else if cursor.eat("file") {
            let path = cursor.string("a file")?;
            table.initialized = true;
            match session.table_file(from, &path) {
                Ok(text) => file_contents(&text, span, &path, &mut table)?,
                Err(why) => {
                    session.note_unread_table(cursor.since(span), &table.name, &path, &why);
                    table.unread.push(path);
                }
            }
        } else if cursor.eat("const") {
            table.constant = true;
        } else if cursor.eat("persist") {
            table.persist = true;
        } else if cursor.eat("counters") {
            table.counters = true;
        } else {
            return cursor.fail("`const`, `persist`, `counters`, `file` or `{`");
        }
    }
    session.table_defined(&table.name, cursor.since(start));
    Ok(StatementKind::Table(Box::new(table)))
}

fn contents(cursor: &mut Cursor, table: &mut Table) -> Result<()> {
    if empty_braces(cursor) {
        return Ok(());
    }
    let hosts = host::hosts(cursor)?;
    for host in &hosts {
        let what = match &host.address {
            Address::Net(_) | Address::Name { .. } => continue,
            Address::Any => "`any` cannot be an element of a table",
            Address::Range(..) => "a range of addresses cannot be an element of a table",
            Address::Dynamic { .. } => "a dynamic address cannot be an element of a table",
            Address::Table(_) => "a table cannot be an element of a table",
            Address::NoRoute => "`no-route` cannot be an element of a table",
            Address::UrpfFailed => "`urpf-failed` cannot be an element of a table",
            Address::RouteLabel(_) => "a route label cannot be an element of a table",
        };
        return refuse(host.span, what);
    }
    table.entries.extend(Vec::from(hosts));
    Ok(())
}

/// Takes `{ }`.
fn empty_braces(cursor: &mut Cursor) -> bool {
    let mut ahead = 1;
    while *cursor.peek_at(ahead) == Kind::Newline {
        ahead += 1;
    }
    if *cursor.peek_at(ahead) != Kind::Sign('}') {
        return false;
    }
    for _ in 0..=ahead {
        cursor.advance();
    }
    true
}

/// Addresses of a table file: separated by blanks, `#` and `;` start comments (pfctl(8), `-T`).
fn file_contents(text: &str, span: Span, path: &str, table: &mut Table) -> Result<()> {
    for (at, line) in text.lines().enumerate() {
        let line = line.split(['#', ';']).next().unwrap_or("");
        let mut negated = false;
        for word in line.split_whitespace() {
            let bare = word.trim_start_matches('!');
            negated |= bare.len() < word.len();
            if bare.is_empty() {
                continue;
            }
            let address = file_address(bare);
            let Some(address) = address else {
                return refuse(
                    span,
                    format!("`{path}` holds something that is not an address in line {}", at + 1),
                );
            };
            table.entries.push(Host { span, negated, address, scope: None });
            negated = false;
        }
    }
    Ok(())
}

fn file_address(word: &str) -> Option<Address> {
    let (bare, prefix) = match word.split_once('/') {
        Some((bare, prefix)) => (bare, Some(prefix.parse().ok()?)),
        None => (word, None),
    };
    match address::parse(bare, prefix) {
        Parsed::Net(net) => Some(Address::Net(net)),
        Parsed::Other => {
            let prefix = prefix.and_then(|prefix| u8::try_from(prefix).ok());
            Some(Address::Name { name: bare.to_string(), modifiers: Modifiers::default(), prefix })
        }
        Parsed::Malformed | Parsed::BadPrefix => None,
    }
}

/// `altq on …`, the word taken.
pub(super) fn altq(cursor: &mut Cursor, session: &mut Session, start: Span) -> Result<StatementKind> {
    session.order(Order::Queue, start)?;
    let mut queue = Queue { interfaces: host::interfaces(cursor)?.into(), ..Queue::default() };
    let mut scheduler = None;
    queue_options(cursor, &mut queue, &mut scheduler)?;
    cursor.expect("queue")?;
    queue.children = children(cursor)?;
    if scheduler.is_none() {
        return refuse(cursor.since(start), "`altq` names no scheduler");
    }
    session.altq(&queue);
    Ok(StatementKind::Queue(Box::new(queue)))
}

/// `queue name …`, the word taken: of ALTQ, or of OpenBSD.
pub(super) fn queue(cursor: &mut Cursor, session: &mut Session, start: Span) -> Result<StatementKind> {
    session.order(Order::Queue, start)?;
    let name = cursor.string("the name of a queue")?;
    let interfaces = host::interfaces(cursor)?.into();
    let mut queue = Queue { name: Some(name), interfaces, ..Queue::default() };
    let mut scheduler = None;
    let priority = queue_options(cursor, &mut queue, &mut scheduler)?;
    if !cursor.done() {
        queue.children = children(cursor)?;
    }
    let span = cursor.since(start);
    let most = match scheduler.as_deref() {
        Some("cbq") => 7,
        Some("priq") => 15,
        _ => 255,
    };
    if priority > most {
        return refuse(span, format!("the priority of this queue is at most {most}"));
    }
    session.queue(&queue, span)?;
    Ok(StatementKind::Queue(Box::new(queue)))
}

fn children(cursor: &mut Cursor) -> Result<Vec<String>> {
    cursor.list(|cursor| cursor.string("the name of a queue")).map(Vec::from)
}

/// The options of a queue; gives its priority.
fn queue_options(cursor: &mut Cursor, queue: &mut Queue, scheduler: &mut Option<String>) -> Result<i64> {
    let mut seen: Vec<&str> = Vec::new();
    let mut priority = 0;
    while let Some(word) = cursor.word() {
        let span = cursor.span();
        match word {
            "bandwidth" => {
                queue.bandwidth = true;
                cursor.advance();
                curve(cursor)?;
                loop {
                    let comma = cursor.is_sign(',');
                    let ahead = cursor.peek_at(usize::from(comma));
                    if !matches!(ahead, Kind::Word(word) if word == "min" || word == "max") {
                        break;
                    }
                    cursor.comma();
                    cursor.advance();
                    curve(cursor)?;
                }
            }
            "priority" => {
                cursor.advance();
                priority = cursor.number_in("the priority", 0..=255)?;
            }
            "qlimit" | "tbrsize" | "flows" | "quantum" | "hogs" | "buckets" | "target" | "interval" => {
                queue.flows |= word == "flows";
                cursor.advance();
                cursor.number_in("the value", 0..=65535)?;
            }
            "parent" => {
                cursor.advance();
                queue.parent = Some(cursor.string("the name of a queue")?);
            }
            "default" => {
                queue.default = true;
                cursor.advance();
            }
            "cbq" | "priq" | "hfsc" | "fairq" | "codel" => {
                cursor.advance();
                *scheduler = Some(word.to_string());
                if cursor.is_sign('(') {
                    scheduler_options(cursor)?;
                }
            }
            _ => return Ok(priority),
        }
        if seen.contains(&word) {
            return refuse(span, format!("`{word}` is given twice"));
        }
        seen.push(word);
    }
    Ok(priority)
}

/// `10M burst 20M for 10ms`
fn curve(cursor: &mut Cursor) -> Result<()> {
    bandwidth(cursor)?;
    if cursor.eat("burst") {
        bandwidth(cursor)?;
        cursor.expect("for")?;
        cursor.string("a time")?;
    }
    Ok(())
}

fn bandwidth(cursor: &mut Cursor) -> Result<()> {
    let span = cursor.span();
    let word = cursor.string_or_number("a bandwidth")?;
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%');
    let unit = &word[digits.len()..];
    let known = matches!(
        unit,
        "" | "b"
            | "Kb"
            | "Mb"
            | "Gb"
            | "%"
            | "K"
            | "M"
            | "G"
            | "KB"
            | "MB"
            | "GB"
            | "Kbit"
            | "Mbit"
            | "Gbit"
            | "KBit"
            | "MBit"
            | "GBit"
    );
    if !known || digits.parse::<f64>().is_err() {
        return refuse(span, format!("`{word}` is not a bandwidth"));
    }
    Ok(())
}

/// `(default linkshare(20% 20 5%) upperlimit 1Mb)`
fn scheduler_options(cursor: &mut Cursor) -> Result<()> {
    let mut curves: Vec<&str> = Vec::new();
    cursor.in_parentheses(|cursor| {
        let span = cursor.span();
        let Some(word) = cursor.word() else {
            return cursor.fail("an option of the scheduler");
        };
        cursor.advance();
        match word {
            "linkshare" | "realtime" | "upperlimit" => {
                if curves.contains(&word) {
                    return refuse(span, format!("`{word}` is given twice"));
                }
                curves.push(word);
                if !cursor.eat_sign('(') {
                    return bandwidth(cursor);
                }
                bandwidth(cursor)?;
                cursor.comma();
                cursor.number("a time")?;
                cursor.comma();
                bandwidth(cursor)?;
                cursor.expect_sign(')')
            }
            "default" | "borrow" | "red" | "ecn" | "rio" | "codel" | "root" | "wrr" | "flowvalve"
            | "cleardscp" => Ok(()),
            "hogs" | "buckets" | "qlimit" | "target" | "interval" => {
                cursor.string_or_number("a value").map(|_| ())
            }
            _ => refuse(span, format!("`{word}` is not an option of the scheduler")),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_files_hold_comments_and_negations() {
        let mut table = Table {
            name: "t".into(),
            constant: false,
            persist: false,
            counters: false,
            entries: Vec::new(),
            unread: Vec::new(),
            initialized: true,
        };
        file_contents("# x\n10.0.0.0/8 ! 10.1.0.0/16\n!::1 ; y\n", Span::default(), "f", &mut table).unwrap();
        let read: Vec<(bool, Address)> =
            table.entries.into_iter().map(|host| (host.negated, host.address)).collect();
        let net = |word: &str| file_address(word).unwrap();
        assert_eq!(read, vec![(false, net("10.0.0.0/8")), (true, net("10.1.0.0/16")), (true, net("::1"))]);
    }
}
