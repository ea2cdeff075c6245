//! `pinhole trace`: one packet's way through the rules of one firewall, or along the site's path.

use std::io::{BufRead, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use rustc_hash::FxHashSet;
use serde_json::{Value as Json, json};

use super::journal::Journal;
use super::journey;
use super::packets::{PacketLine, parse_words};
use super::{ConfigArgs, Failure};
use crate::analysis::{Cond, Decider, Outcome, Trip, interpret};
use crate::dialect::Loaded;
use crate::model::{Hook, Origin, Reply, Ruleset, Verdict, Way};
use crate::packet::{Family, Field, Packet, Value, interface_name, proto};
use crate::rule::PH005;
use crate::source::{SourceFile, SourceMap, Span};
use crate::{progress, report};

/// The longest line of packets that is read, in bytes.
const LONGEST_LINE: u64 = 1 << 20;

/// Arguments of `pinhole trace`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  pinhole trace edge.rules --packet \"src=192.0.2.1 dst=10.1.2.10 proto=tcp dport=1720 iif=eth0\"
  pinhole trace --from 203.0.113.9 --to mcu-1 tcp/1720

In the second form the packet goes through all firewalls of the site that are on its path; in place of a config stands
what it is: `tcp/1720`, `udp/5060`, `icmp`.")]
pub(super) struct TraceArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// One packet as `key=value` words, such as "src=192.0.2.1 dst=10.1.2.10 proto=tcp dport=1720 iif=eth0"
    #[arg(long, value_name = "PACKET", conflicts_with = "packets", required_unless_present_any = ["packets", "from"])]
    packet: Option<String>,
    /// A file of packets, one JSON object a line; `-` is standard input
    #[arg(long, value_name = "FILE")]
    packets: Option<PathBuf>,
    /// Who sends the packet: a device, a zone, a named peer of the site, an address, or `anybody`
    #[arg(long, value_name = "END", requires = "to", conflicts_with_all = ["packet", "packets"])]
    from: Option<String>,
    /// To whom
    #[arg(long, value_name = "END", requires = "from")]
    to: Option<String>,
    /// Its source port (default: 50000)
    #[arg(long, value_name = "PORT", requires = "from")]
    sport: Option<u16>,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t = TraceFormat::Human)]
    format: TraceFormat,
}

/// Forms of the answer.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TraceFormat {
    /// The packet's way, rule by rule
    Human,
    /// One JSON object a line
    Jsonl,
}

/// Runs `pinhole trace`.
pub(super) fn run(args: &TraceArgs, out: &mut impl Write) -> Result<u8, Failure> {
    if args.packets.as_deref() == Some(Path::new("-")) && args.config.reads_stdin() {
        return Err(Failure::usage("standard input can be a config or the packets, not both"));
    }
    if let (Some(from), Some(to)) = (&args.from, &args.to) {
        let ends = journey::Ends { from, to, sport: args.sport };
        return journey::run(&args.config, &ends, args.format, out);
    }
    let mut sources = SourceMap::new();
    let loaded = args.config.load(&mut sources)?;
    say_unread(&sources, &loaded)?;
    if let Some(words) = &args.packet {
        let line = parse_words(words).map_err(|error| Failure::usage(format!("--packet: {error}")))?;
        answer(args, &sources, &loaded, &line, "--packet", out)?;
        return Ok(0);
    }
    let Some(path) = &args.packets else { return Ok(0) };
    let mut input = super::open(path)?;
    for number in 1.. {
        let place = format!("{}:{number}", path.display());
        let Some(line) = next_line(&mut input, &place)? else { break };
        if line.trim().is_empty() {
            continue;
        }
        let packet: PacketLine =
            serde_json::from_str(&line).map_err(|error| Failure::usage(format!("{place}: {error}")))?;
        answer(args, &sources, &loaded, &packet, &place, out)?;
    }
    Ok(0)
}

/// Says on standard error of which files nothing was read: answers about them would look like any other.
fn say_unread(sources: &SourceMap, loaded: &Loaded) -> Result<(), Failure> {
    progress::end();
    let mut err = report::Screen::new(std::io::stderr().lock(), false);
    for finding in loaded.findings.iter().filter(|finding| finding.lint() == &PH005) {
        let (path, _) = finding.span.map_or((String::new(), 0), |span| place(sources, span));
        writeln!(
            err,
            "{}: {}: {}",
            finding.severity.name(),
            report::clean(&path),
            report::clean(&finding.message)
        )?;
    }
    Ok(err.flush()?)
}

/// The next line of a stream, which has to end within a bearable length; `None` at the end.
fn next_line(input: &mut impl BufRead, place: &str) -> Result<Option<String>, Failure> {
    let mut line = Vec::new();
    let read = input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line);
    match read.map_err(|error| Failure::usage(format!("{place}: {error}")))? as u64 {
        0 => Ok(None),
        LONGEST_LINE => Err(Failure::usage(format!("{place}: the line is longer than 1 MiB"))),
        _ => match String::from_utf8(line) {
            Ok(line) => Ok(Some(line)),
            Err(_) => Err(Failure::usage(format!("{place}: the line is not UTF-8"))),
        },
    }
}

fn answer(
    args: &TraceArgs,
    sources: &SourceMap,
    loaded: &Loaded,
    line: &PacketLine,
    place: &str,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let trip = line.trip().map_err(|error| Failure::usage(format!("{place}: {error}")))?;
    let rules = &loaded.ruleset;
    match args.format {
        TraceFormat::Jsonl => {
            let outcomes = interpret(rules, &trip, &mut ());
            report::json(&jsonl(sources, rules, &trip, &outcomes, &line.id), out)?;
            writeln!(out)?;
        }
        TraceFormat::Human => {
            let mut journal = Journal::default();
            let outcomes = interpret(rules, &trip, &mut journal);
            print_human(sources, rules, &trip, &outcomes, &journal, out)?;
        }
    }
    Ok(())
}

/// The one verdict of all outcomes, or `unknown`.
pub(super) fn verdict_word(outcomes: &[Outcome]) -> &'static str {
    let word = |outcome: &Outcome| match outcome.verdict {
        Verdict::Accept => "accept",
        Verdict::Drop => "drop",
        Verdict::Reject(_) => "reject",
    };
    let mut words = outcomes.iter().map(word);
    match words.next() {
        Some(first) if words.all(|other| other == first) => first,
        _ => "unknown",
    }
}

pub(super) fn jsonl(
    sources: &SourceMap,
    rules: &Ruleset,
    trip: &Trip,
    outcomes: &[Outcome],
    id: &Json,
) -> Json {
    let verdict = verdict_word(outcomes);
    let mut answer = json!({ "id": id, "verdict": verdict });
    if verdict == "reject"
        && let Some(reply) = same(outcomes.iter().map(|o| reply_name(o.verdict, &trip.packet)))
    {
        answer["reply"] = json!(reply);
    }
    if verdict == "accept" {
        for (key, address, port) in [
            ("dnat_dst", Field::dst(trip.packet.family()), Field::Dport),
            ("snat_src", Field::src(trip.packet.family()), Field::Sport),
        ] {
            if let Some(end) =
                same(outcomes.iter().map(|o| rewritten(&trip.packet, &o.packet, address, port)))
                && let Some(end) = end
            {
                answer[key] = json!(end);
            }
        }
    }
    answer["depends_on"] =
        json!(if verdict == "unknown" { condition_names(rules, outcomes) } else { Vec::new() });
    if let Some(span) = outcomes.first().and_then(|o| place_of(o.decider, rules)) {
        answer["rule"] = rule_json(sources, span);
    }
    answer
}

/// Where what decided is written.
fn place_of(decider: Decider, rules: &Ruleset) -> Option<Span> {
    decider.origin(rules).and_then(Origin::text)
}

fn rule_json(sources: &SourceMap, span: Span) -> Json {
    let (path, line) = place(sources, span);
    json!({ "file": path, "line": line, "text": text(sources, span) })
}

pub(super) fn place(sources: &SourceMap, span: Span) -> (String, u32) {
    let of = |file: &SourceFile| (file.path.display().to_string(), file.place(span.start).line);
    sources.file_of(span).map_or((String::new(), 0), of)
}

/// The text of a rule on one line.
pub(super) fn text(sources: &SourceMap, span: Span) -> String {
    let text = sources.text(span);
    let short: String = text.chars().take(400).collect();
    let cut = if short.len() < text.len() { "…" } else { "" };
    format!("{}{cut}", short.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The one value of all, where they agree.
fn same<T: PartialEq>(mut values: impl Iterator<Item = T>) -> Option<T> {
    let first = values.next()?;
    values.all(|other| other == first).then_some(first)
}

/// The new end of a translated packet: `Some(None)` where it stays, `None` where it cannot be known.
fn rewritten(before: &Packet, after: &Packet, address: Field, port: Field) -> Option<Option<String>> {
    if before.get(address) == after.get(address) && before.get(port) == after.get(port) {
        return Some(None);
    }
    let family = after.family();
    let ip = family.address(after.get(address).known()?);
    Some(Some(match (after.get(port), family) {
        (Value::Absent, _) => ip.to_string(),
        (Value::Known(port), Family::V4) => format!("{ip}:{port}"),
        (Value::Known(port), Family::V6) => format!("[{ip}]:{port}"),
        (Value::Among(..), _) => return None,
    }))
}

fn condition_names(rules: &Ruleset, outcomes: &[Outcome]) -> Vec<String> {
    // Most outcomes hang on the same ones.
    let conds: FxHashSet<&Cond> = outcomes.iter().flat_map(|outcome| outcome.conds.iter()).collect();
    let mut names: Vec<String> = conds.into_iter().map(|cond| cond.name(rules)).collect();
    names.sort();
    names.dedup();
    names
}

/// Names in a row, as many as can be read.
fn listed(names: &[String]) -> String {
    const MOST: usize = 20;
    let shown = names[..names.len().min(MOST)].join(", ");
    if names.len() > MOST { format!("{shown} and {} more", names.len() - MOST) } else { shown }
}

/// The name of what a refused sender sees.
pub(super) fn reply_name(verdict: Verdict, packet: &Packet) -> Option<String> {
    let Verdict::Reject(reply) = verdict else { return None };
    let v6 = packet.family() == Family::V6;
    let (kind, code) = match reply {
        Reply::TcpReset => return Some("tcp-reset".to_string()),
        Reply::ResetOrUnreachable if packet.protocol() == proto::TCP => return Some("tcp-reset".to_string()),
        Reply::ResetOrUnreachable => (if v6 { 1 } else { 3 }, if v6 { 4 } else { 3 }),
        Reply::Icmp { kind, code } => (kind, code),
    };
    let odd = format!("icmp{}-type-{kind}-code-{code}", if v6 { "6" } else { "" });
    let unreachable = kind == if v6 { 1 } else { 3 };
    let name = match (v6, code) {
        _ if !unreachable => return Some(odd),
        (false, 0) => "icmp-net-unreachable",
        (false, 1) => "icmp-host-unreachable",
        (false, 2) => "icmp-proto-unreachable",
        (false, 3) => "icmp-port-unreachable",
        (false, 9) => "icmp-net-prohibited",
        (false, 10) => "icmp-host-prohibited",
        (false, 13) => "icmp-admin-prohibited",
        (true, 0) => "icmp6-no-route",
        (true, 1) => "icmp6-adm-prohibited",
        (true, 3) => "icmp6-addr-unreachable",
        (true, 4) => "icmp6-port-unreachable",
        (true, 5) => "icmp6-policy-fail",
        (true, 6) => "icmp6-reject-route",
        _ => return Some(odd),
    };
    Some(name.to_string())
}

/// The word for a hook.
pub(super) fn hook_name(hook: Hook) -> &'static str {
    match hook {
        Hook::Prerouting => "prerouting",
        Hook::Input => "input",
        Hook::Forward => "forward",
        Hook::Output => "output",
        Hook::Postrouting => "postrouting",
    }
}

/// Ways to decide about one packet that are written out.
const MOST_OUTCOMES: usize = 6;

pub(super) fn print_human(
    sources: &SourceMap,
    rules: &Ruleset,
    trip: &Trip,
    outcomes: &[Outcome],
    journal: &Journal,
    out: &mut impl Write,
) -> Result<(), Failure> {
    writeln!(out, "packet: {}", describe(&trip.packet, trip.way))?;
    journal.write(sources, rules, out)?;
    let word = verdict_word(outcomes);
    writeln!(out)?;
    match word {
        "unknown" => {
            writeln!(out, "verdict: unknown, depends on {}", listed(&condition_names(rules, outcomes)))?
        }
        "reject" => {
            let reply = same(outcomes.iter().map(|o| reply_name(o.verdict, &trip.packet))).flatten();
            writeln!(out, "verdict: reject{}", reply.map_or(String::new(), |r| format!(" ({r})")))?;
        }
        _ => writeln!(out, "verdict: {word}")?,
    }
    let mut said: Vec<(String, bool)> = Vec::new();
    for outcome in outcomes.iter().take(MOST_OUTCOMES) {
        let by = match place_of(outcome.decider, rules) {
            None if matches!(outcome.decider, Decider::Policy(..)) && outcome.verdict == Verdict::Accept => {
                "no rule: what none of them decides is let through".to_string()
            }
            None if outcome.decider != Decider::End => "the system itself, without a rule".to_string(),
            Some(span) => {
                let (path, line) = place(sources, span);
                format!("{path}:{line}: {}", text(sources, span))
            }
            None if outcome.conds.contains(&Cond::Limit) => {
                "nobody: there are more ways through the rules than are followed".to_string()
            }
            None if outcome.verdict == Verdict::Accept => "no rule and no policy refuses it".to_string(),
            None if outcome.verdict == Verdict::Reject(Reply::time_exceeded(trip.packet.family())) => {
                "the system: the packet is to be passed on, and its TTL is at its end".to_string()
            }
            None => "the system: no router passes on packets from this source".to_string(),
        };
        let prefix = if word == "unknown" {
            format!("{} ", verdict_word(std::slice::from_ref(outcome)))
        } else {
            String::new()
        };
        let leaves = outcome.packet != trip.packet && outcome.verdict == Verdict::Accept;
        let line = (format!("by: {prefix}{by}"), leaves);
        if said.contains(&line) && (!leaves || word != "unknown") {
            continue;
        }
        let or = if said.is_empty() || word == "unknown" { "     " } else { "  or " };
        writeln!(out, "{or}{}", line.0)?;
        said.push(line);
        if leaves {
            writeln!(out, "leaves: {}", describe(&outcome.packet, outcome.way))?;
        }
    }
    Ok(())
}

/// A packet in one line.
fn describe(packet: &Packet, way: Way) -> String {
    let family = packet.family();
    let end = |address: Field, port: Field| {
        let ip = packet.get(address).known().map_or("?".to_string(), |a| family.address(a).to_string());
        match packet.get(port) {
            Value::Known(port) => format!("{ip} port {port}"),
            _ => ip,
        }
    };
    let name = |field: Field| packet.get(field).known().filter(|n| *n != 0).map(interface_name);
    let mut line = format!(
        "{} {} → {}, {}",
        crate::dialect::names::protocol_name(packet.protocol()).unwrap_or("protocol"),
        end(Field::src(family), Field::Sport),
        end(Field::dst(family), Field::Dport),
        way.name()
    );
    if let Some(iif) = name(Field::Iif).filter(|_| way != Way::Output) {
        line += &format!(", in by {iif}");
    }
    if let Some(oif) = name(Field::Oif).filter(|_| way != Way::Input) {
        line += &format!(", out by {oif}");
    }
    line
}
