//! Rules written into dumps and scripts of iptables.

use std::net::IpAddr;

use crate::dialect::write::{At, Goal, Job, Spot, Text, Wanted, indented, is_whole, place, ports, word};
use crate::model::{ChainId, Hook};
use crate::packet::{Family, Set, proto};

/// Where the rules go.
pub(super) fn spot(job: &Job<'_>) -> Option<Spot> {
    let lines: Vec<String> =
        job.flows.iter().flat_map(|(wanted, set)| rules(wanted, set, job.goal)).collect();
    let Some(at) = job.at else { return new_table(job, &lines) };
    match at {
        At::Rule(rule) => before(job, rule.chain, job.span(rule).start, &lines),
        At::Start(chain) => {
            let first = job.rules.chain(chain).rules.first()?;
            let mut spot = before(job, chain, first.span().start, &lines)?;
            spot.context = format!("at the start of chain {}", job.rules.chain(chain).short_name());
            Some(spot)
        }
        At::End(chain) => end(job, chain, &lines),
    }
}

/// Before a rule, as that is written: a line of a dump, or a command.
fn before(job: &Job<'_>, chain: ChainId, offset: u32, rules: &[String]) -> Option<Spot> {
    let text = Text::of(job.map, crate::source::Span::new(offset, offset))?;
    let at = text.local(offset);
    let name = job.rules.chain(chain).short_name();
    let line = text.line(at);
    let start = text.line_start(at);
    if is_of_dump(line) {
        return Some(text.spot(start, &written("-A", name, rules), String::new()));
    }
    let head = head(line)?;
    let start = text.first_line(at);
    let indent = text.indent(start);
    // What a script puts in last comes first.
    if line.contains(" -I ") || line.contains(" --insert ") {
        let rules = indented(indent, &written(&format!("{head} -I"), name, rules));
        return Some(text.spot(text.behind(at), &rules, String::new()));
    }
    let rules = indented(indent, &written(&format!("{head} -A"), name, rules));
    Some(text.spot(start, &rules, String::new()))
}

/// At the end of a chain: before the end of its table in a dump, behind its last command in a script.
fn end(job: &Job<'_>, chain: ChainId, rules: &[String]) -> Option<Spot> {
    let chain = job.rules.chain(chain);
    let name = chain.short_name();
    let context = format!("at the end of chain {name}");
    let text = Text::of(job.map, chain.span).or_else(|| Text::of(job.map, chain.rules.last()?.span()))?;
    let at = text.local(chain.span.start);
    if text.line(at).trim_start().starts_with(':') {
        let commit = text.lines().find(|(start, line)| *start > at && line.trim() == "COMMIT")?;
        return Some(text.spot(commit.0, &written("-A", name, rules), context));
    }
    let is_of_chain = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let adds = |pair: &[&str]| {
            matches!(pair[0], "-A" | "-P" | "-N" | "--append" | "--policy") && pair[1] == name
        };
        words.windows(2).any(adds) && table_of(&words) == table(&chain.name)
    };
    let (start, line) = text.lines().filter(|(_, line)| is_of_chain(line)).last()?;
    let head = head(line)?;
    let rules = indented(text.indent(start), &written(&format!("{head} -A"), name, rules));
    Some(text.spot(text.behind(start), &rules, context))
}

/// A table for translations, where the file has none.
fn new_table(job: &Job<'_>, rules: &[String]) -> Option<Spot> {
    if !matches!(job.goal, Goal::Translate(_)) || job.style != 0 {
        return None;
    }
    let stage = job.rules.stages(Hook::Forward).iter().find(|stage| stage.sees(job.family))?;
    let text = Text::of(job.map, stage.policy_origin.span())?;
    let at = text.local(stage.policy_origin.span().start);
    if text.line(at).trim_start().starts_with(':') {
        let mut lines = vec!["*nat".to_string(), ":PREROUTING ACCEPT [0:0]".to_string()];
        lines.extend(written("-A", "PREROUTING", rules));
        lines.push("COMMIT".to_string());
        return Some(text.at_end(&lines));
    }
    let command = if job.family == Family::V4 { "iptables" } else { "ip6tables" };
    Some(text.spot(
        text.behind(at),
        &written(&format!("{command} -t nat -A"), "PREROUTING", rules),
        String::new(),
    ))
}

fn written(command: &str, chain: &str, rules: &[String]) -> Vec<String> {
    rules.iter().map(|rule| format!("{command} {chain} {rule}")).collect()
}

/// Whether a line is one of a dump, with or without counters.
fn is_of_dump(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with('-') || line.starts_with('[')
}

/// The command of a line of a script, up to what it does to a chain.
fn head(line: &str) -> Option<&str> {
    let does = |word: &&str| {
        matches!(*word, "-A" | "-I" | "-P" | "-N" | "--append" | "--insert" | "--policy" | "--new-chain")
    };
    let word = line.split_whitespace().find(does)?;
    let at = line.find(&format!(" {word} "))?;
    Some(line[..at].trim())
}

fn table(chain: &str) -> &str {
    chain.split(' ').next().unwrap_or("filter")
}

fn table_of<'w>(words: &[&'w str]) -> &'w str {
    let at = words.iter().position(|word| matches!(*word, "-t" | "--table"));
    at.and_then(|at| words.get(at + 1)).copied().unwrap_or("filter")
}

/// Rules of iptables behind `-A CHAIN`.
pub(in crate::dialect) fn rules(wanted: &Wanted, set: &Set, goal: Goal) -> Vec<String> {
    let back = goal == Goal::Answer;
    let (src, dst, iif, oif) = wanted.sides(back);
    let mut ends = String::new();
    for (flag, name) in [("-i", iif), ("-o", oif)] {
        if let Some(name) = name {
            ends += &format!(" {flag} {name}");
        }
    }
    for (flag, address) in [("-s", src), ("-d", dst)] {
        if let Some(address) = address.map(place) {
            ends += &format!(" {flag} {address}");
        }
    }
    let (proto, matches) = match wanted.protocol {
        proto::ICMP => ("icmp", "icmp"),
        proto::ICMPV6 => ("ipv6-icmp", "icmp6"),
        _ => (word(wanted), word(wanted)),
    };
    let port = match wanted.protocol {
        proto::ICMP => "--icmp-type",
        proto::ICMPV6 => "--icmpv6-type",
        _ if back => "--sport",
        _ => "--dport",
    };
    let end = match goal {
        Goal::Pass => "-j ACCEPT".to_string(),
        Goal::Refuse => "-j DROP".to_string(),
        Goal::Answer => "-m conntrack --ctstate ESTABLISHED -j ACCEPT".to_string(),
        Goal::Translate(IpAddr::V4(to)) => format!("-j DNAT --to-destination {to}"),
        Goal::Translate(IpAddr::V6(to)) => format!("-j DNAT --to-destination {to}"),
    };
    if is_whole(wanted, set) {
        return vec![format!("{ends} -p {proto} {end}").trim().to_string()];
    }
    let rule =
        |ports: &String| format!("{ends} -p {proto} -m {matches} {port} {ports} {end}").trim().to_string();
    ports(set, ":").iter().map(rule).collect()
}
