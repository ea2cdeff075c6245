//! Rules written into rulesets of nftables.

use crate::dialect::write::{At, Goal, Job, Spot, Text, Wanted, braced, indented, is_whole, place, word};
use crate::model::{ChainId, Hook};
use crate::packet::{Family, Set, proto};
use crate::source::Span;

/// Where the rules go.
pub(super) fn spot(job: &Job<'_>) -> Option<Spot> {
    let Some(at) = job.at else { return new_chain(job) };
    match at {
        At::Rule(rule) => before(job, rule.chain, job.span(rule)),
        At::Start(chain) => {
            let first = job.rules.chain(chain).rules.first()?;
            let mut spot = before(job, chain, first.span())?;
            spot.context = format!("at the start of chain {}", job.rules.chain(chain).short_name());
            Some(spot)
        }
        At::End(chain) => end(job, chain),
    }
}

/// The rules for a chain, in the words of its table.
fn rules(job: &Job<'_>, chain: &str) -> Vec<String> {
    let both = chain.starts_with("inet ");
    job.flows.iter().map(|(wanted, set)| rule(wanted, set, job.goal, both)).collect()
}

/// Before a rule: a line before its own, or a statement on the same line.
fn before(job: &Job<'_>, chain: ChainId, span: Span) -> Option<Spot> {
    let text = Text::of(job.map, span)?;
    if is_json(text.text) {
        return None;
    }
    let name = &job.rules.chain(chain).name;
    let rules = rules(job, name);
    let (at, start) = (text.local(span.start), text.first_line(text.local(span.start)));
    let ahead = text.text[start..at].trim();
    if let Some(command) = command(text.line(start)) {
        let line = |rule: &String| format!("{command} {name} {rule}");
        let rules: Vec<String> = rules.iter().map(line).collect();
        return Some(text.spot(start, &indented(text.indent(start), &rules), String::new()));
    }
    if ahead.is_empty() {
        return Some(text.spot(start, &indented(text.indent(at), &rules), String::new()));
    }
    let statement: String = rules.iter().flat_map(|rule| [rule.as_str(), "; "]).collect();
    Some(Spot { file: text.file, at, text: statement, context: String::new() })
}

/// At the end of a chain: before its brace, or at the end of the file where commands built it.
fn end(job: &Job<'_>, chain: ChainId) -> Option<Spot> {
    let chain = job.rules.chain(chain);
    let text = Text::of(job.map, chain.span)?;
    if is_json(text.text) {
        return None;
    }
    let rules = rules(job, &chain.name);
    let name = chain.short_name();
    let at = text.local(chain.span.start);
    let word = text.line(at).split_whitespace().next().unwrap_or("");
    if matches!(word, "add" | "create" | "nft") {
        let nft = if word == "nft" { "nft " } else { "" };
        let line = |rule: &String| format!("{nft}add rule {} {rule}", chain.name);
        return Some(text.at_end(&rules.iter().map(line).collect::<Vec<_>>()));
    }
    let (open, close) = block(text.text, at)?;
    let context = format!("at the end of chain {name}");
    let start = text.line_start(close);
    if text.text[start..close].trim().is_empty() && start > open {
        let indent =
            match chain.rules.last().and_then(|rule| Text::of(job.map, rule.span()).map(|t| (t, rule))) {
                Some((of, rule)) if of.file == text.file => {
                    of.indent(of.local(rule.span().start)).to_string()
                }
                _ => format!("{}\t", text.indent(close)),
            };
        return Some(text.spot(start, &indented(&indent, &rules), context));
    }
    let before = text.text[open + 1..close].trim_end();
    let separator = if before.is_empty() || before.ends_with([';', '}', '\n']) { "" } else { "; " };
    let statement: String = rules.iter().flat_map(|rule| [rule.as_str(), "; "]).collect();
    Some(Spot { file: text.file, at: close, text: format!("{separator}{statement}"), context })
}

/// A table for translations, where there is none.
fn new_chain(job: &Job<'_>) -> Option<Spot> {
    if !matches!(job.goal, Goal::Translate(_)) || job.style != 0 {
        return None;
    }
    let chain = job.rules.chain(job.rules.stages(Hook::Forward).first()?.chain);
    let text = Text::of(job.map, chain.span)?;
    if is_json(text.text) {
        return None;
    }
    let family = if job.family == Family::V4 { "ip" } else { "ip6" };
    let mut lines = vec![
        format!("table {family} nat {{"),
        "\tchain prerouting {".to_string(),
        "\t\ttype nat hook prerouting priority dstnat; policy accept;".to_string(),
    ];
    lines.extend(indented("\t\t", &rules(job, family)));
    lines.extend(["\t}".to_string(), "}".to_string()]);
    Some(text.at_end(&lines))
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '['])
}

/// The command that a line adds a rule with.
fn command(line: &str) -> Option<&'static str> {
    let words: Vec<&str> = line.split_whitespace().take(3).collect();
    match words.as_slice() {
        ["add" | "insert", "rule", ..] => Some("add rule"),
        ["nft", "add" | "insert", "rule"] => Some("nft add rule"),
        _ => None,
    }
}

/// The braces of the block that begins behind an offset.
fn block(text: &str, from: usize) -> Option<(usize, usize)> {
    let (mut depth, mut open, mut quoted, mut comment) = (0, None, false, false);
    for (at, byte) in text.bytes().enumerate().skip(from) {
        match byte {
            b'\n' => (comment, quoted) = (false, false),
            _ if comment => {}
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'#' => comment = true,
            b'{' => {
                depth += 1;
                open = open.or(Some(at));
            }
            b'}' if depth == 1 => return open.map(|open| (open, at)),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// A rule of nftables; `both` says that its table holds both families.
pub(in crate::dialect) fn rule(wanted: &Wanted, set: &Set, goal: Goal, both: bool) -> String {
    let back = goal == Goal::Answer;
    let (src, dst, iif, oif) = wanted.sides(back);
    let ip = if wanted.family == Family::V4 { "ip" } else { "ip6" };
    let mut rule = String::new();
    for (field, name) in [("iifname", iif), ("oifname", oif)] {
        if let Some(name) = name {
            rule += &format!("{field} \"{name}\" ");
        }
    }
    if both && src.is_none() && dst.is_none() {
        let version = if wanted.family == Family::V4 { "ipv4" } else { "ipv6" };
        rule += &format!("meta nfproto {version} ");
    }
    for (field, address) in [("saddr", src), ("daddr", dst)] {
        if let Some(address) = address.map(place) {
            rule += &format!("{ip} {field} {address} ");
        }
    }
    let of = if both { format!("{ip} ") } else { String::new() };
    let port = match wanted.protocol {
        proto::ICMP => "icmp type",
        proto::ICMPV6 => "icmpv6 type",
        _ => &format!("{} {}", word(wanted), if back { "sport" } else { "dport" }),
    };
    let end = match goal {
        Goal::Pass => "accept".to_string(),
        Goal::Refuse => "drop".to_string(),
        Goal::Answer => "ct state established accept".to_string(),
        Goal::Translate(to) => format!("dnat {of}to {to}"),
    };
    if is_whole(wanted, set) {
        return format!("{rule}meta l4proto {} {end}", word(wanted));
    }
    format!("{rule}{port} {} {end}", braced(set, "-"))
}
