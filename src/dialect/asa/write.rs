//! Entries and translations written into configs of the ASA.

use std::net::{IpAddr, Ipv4Addr};

use crate::dialect::write::{Goal, Job, Spot, Text, Wanted, is_host, is_icmp, is_whole, word};
use crate::model::RuleId;
use crate::packet::{Family, Prefix, Set, proto};

/// How the names of chains begin that are access lists.
const LIST: &str = "access-list ";

/// Where the lines go.
pub(super) fn spots(job: &Job<'_>) -> Vec<Spot> {
    let spots = match job.goal {
        Goal::Pass => into_list(job),
        // A list of its own would refuse everything.
        Goal::Refuse => job.rule.filter(|rule| is_of_list(job, *rule)).and_then(|_| into_list(job)),
        Goal::Translate(to) => translation(job, to),
        Goal::Answer => None,
    };
    spots.unwrap_or_default()
}

/// Entries of the list that decides, before the one that does or at its end; a list of their own where the
/// interface has none.
fn into_list(job: &Job<'_>) -> Option<Vec<Spot>> {
    let rule = job.rule?;
    let span = job.span(rule);
    let text = Text::of(job.map, span)?;
    let at = text.local(span.start);
    let name = &job.rules.chain(rule.chain).name;
    match name.strip_prefix(LIST) {
        Some(list) => {
            let lines = written(job, list);
            if text.line(at).trim_start().starts_with(LIST) {
                return Some(vec![text.spot(text.line_start(at), &lines, String::new())]);
            }
            let of_list = |line: &str| {
                let mut words = line.split_whitespace();
                words.next() == Some("access-list") && words.next() == Some(list)
            };
            let (start, _) = text.lines().filter(|(_, line)| of_list(line)).last()?;
            let context = format!("at the end of access list {list}");
            Some(vec![text.spot(text.next_line(start), &lines, context)])
        }
        None => {
            // Whatever else comes in there by its security level would not any more.
            let interface = job.flows.iter().find_map(|(wanted, _)| wanted.iif.clone())?;
            let list = format!("{interface}_in");
            let taken = |line: &str| line.split_whitespace().any(|word| word == list);
            if text.text.contains(&list) && text.lines().any(|(_, line)| taken(line)) {
                return None;
            }
            let mut lines = written(job, &list);
            lines.push(format!("access-group {list} in interface {interface}"));
            Some(vec![end(text, &lines)])
        }
    }
}

/// What the list has to say; lists name addresses as they come before version 8.3.
fn written(job: &Job<'_>, list: &str) -> Vec<String> {
    let verb = if job.goal == Goal::Refuse { "deny" } else { "permit" };
    job.flows.iter().flat_map(|(wanted, set)| entries(wanted, set, list, verb)).collect()
}

fn is_of_list(job: &Job<'_>, rule: RuleId) -> bool {
    job.rules.chain(rule.chain).name.starts_with(LIST)
}

/// A translation of a device: of the whole of it, or of its ports where its public address is that of an
/// interface.
fn translation(job: &Job<'_>, to: IpAddr) -> Option<Vec<Spot>> {
    let (first, _) = job.flows.first()?;
    let (inside, outside) = (first.oif.clone()?, first.iif.clone()?);
    let public = first.dst?.address;
    let chain = job.rules.chains.first()?;
    let text = Text::of(job.map, chain.span)?;
    let old = is_old(text.text);
    let lines = match job.style {
        0 if old => vec![format!("static ({inside},{outside}) {public} {to} netmask 255.255.255.255")],
        0 => {
            vec![
                format!("object network {}", object(to)),
                format!(" host {to}"),
                format!(" nat ({inside},{outside}) static {public}"),
            ]
        }
        1 => {
            let own = format!("ip address {public} ");
            let is_own = text.lines().any(|(_, line)| line.trim_start().starts_with(&own));
            let public = if is_own { "interface".to_string() } else { public.to_string() };
            by_port(job.flows, &format!("({inside},{outside})"), &public, to, old)?
        }
        _ => return None,
    };
    Some(vec![end(text, &lines)])
}

/// One translation for each port; ranges have none.
fn by_port(
    flows: &[(Wanted, Set)],
    interfaces: &str,
    public: &str,
    to: IpAddr,
    old: bool,
) -> Option<Vec<String>> {
    const MOST: u128 = 16;
    if flows.iter().map(|(_, set)| set.count()).sum::<u128>() > MOST {
        return None;
    }
    let mut lines = Vec::new();
    for (wanted, set) in flows {
        let proto = word(wanted);
        for port in set.ranges().iter().flat_map(|(lo, hi)| *lo..=*hi) {
            if old {
                let mask = "netmask 255.255.255.255";
                lines.push(format!("static {interfaces} {proto} {public} {port} {to} {port} {mask}"));
            } else {
                lines.push(format!("object network {}-{proto}-{port}", object(to)));
                lines.push(format!(" host {to}"));
                lines.push(format!(" nat {interfaces} static {public} service {proto} {port} {port}"));
            }
        }
    }
    Some(lines)
}

fn object(to: IpAddr) -> String {
    Prefix::host(to).address.to_string().replace([':', '/'], "_")
}

/// Whether the config is of a version before 8.3, whose translations are `static` and `global`.
fn is_old(text: &str) -> bool {
    let version =
        text.lines().find_map(|line| line.strip_prefix("ASA Version ").or(line.strip_prefix("PIX Version ")));
    let Some(version) = version else {
        return text.lines().any(|line| line.starts_with("static (") || line.starts_with("global ("));
    };
    let mut numbers = version.split(['.', '(']).map(|part| part.trim().parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < (8, 3)
}

/// At the end of the config, before the line that says so.
fn end(text: Text<'_>, lines: &[String]) -> Spot {
    let last = text.lines().filter(|(_, line)| !line.trim().is_empty()).last();
    match last {
        Some((start, line)) if matches!(line.trim(), ": end" | "end") => {
            text.spot(start, lines, String::new())
        }
        _ => text.at_end(lines),
    }
}

/// Entries of an access list of the ASA.
pub(in crate::dialect) fn entries(wanted: &Wanted, set: &Set, list: &str, verb: &str) -> Vec<String> {
    // `any4` came with version 9.0, where `any` still does beside IPv4 addresses.
    let any = if wanted.family == Family::V4 { "any" } else { "any6" };
    let end = |address: Option<Prefix>| match address {
        None => any.to_string(),
        Some(host) if is_host(host) => format!("host {}", host.address),
        Some(net) => network(net),
    };
    let icmp = is_icmp(wanted);
    let port = |(lo, hi): &(u128, u128)| match lo == hi {
        _ if is_whole(wanted, set) => String::new(),
        true if icmp => format!(" {lo}"),
        true => format!(" eq {lo}"),
        false => format!(" range {lo} {hi}"),
    };
    let proto = match wanted.protocol {
        proto::ICMP => "icmp",
        proto::ICMPV6 => "icmp6",
        _ => word(wanted),
    };
    let rule = |range: &(u128, u128)| {
        let (src, dst) = (end(wanted.src), end(wanted.dst));
        format!("access-list {list} extended {verb} {proto} {src} {dst}{}", port(range))
    };
    set.ranges().iter().map(rule).collect()
}

/// IPv4 networks have a mask, IPv6 networks a length.
pub(super) fn network(net: Prefix) -> String {
    match net.address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(net.length)).unwrap_or(0);
            format!("{address} {}", Ipv4Addr::from(mask))
        }
        IpAddr::V6(_) => net.to_string(),
    }
}
