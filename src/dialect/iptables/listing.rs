//! What `iptables -L` prints, with `-n`, `-v`, `-x`, `--line-numbers` and without, and so what `ufw show raw` does.
//!
//! Each line is put back into the words of the command that made it (the `print` functions of the libraries of
//! iptables 1.8.9). What is not read so leaves the rule under a condition.

mod line;

use rustc_hash::FxHashSet;

use super::apply::{Place, Reader};
use super::ast::TableName;
use super::command::Arg;
use super::words::Word;
use crate::finding::Finding;
use crate::packet::Family;
use crate::rule::PH002;
use crate::source::Span;

use line::Line;

/// Whether a text is what `iptables -L` prints: a line `Chain NAME (policy …)` or `(N references)`, and the heads
/// of its columns behind it.
pub(super) fn is_listing(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    while let Some(line) = lines.next() {
        if head(line).is_some() {
            return lines.next().is_some_and(is_columns);
        }
        if line.starts_with(['*', ':', '-']) {
            return false;
        }
    }
    false
}

/// `Chain NAME (policy DROP 0 packets, 0 bytes)`, `Chain NAME (2 references)`: the name, and the policy.
fn head(line: &str) -> Option<(&str, Option<&str>)> {
    let rest = line.strip_prefix("Chain ")?;
    let (name, rest) = rest.split_once(" (")?;
    match rest.strip_prefix("policy ") {
        Some(policy) => Some((name, policy.split([' ', ')']).next())),
        None => rest.contains("references)").then_some((name, None)),
    }
}

fn is_columns(line: &str) -> bool {
    line.contains("target")
        && line.contains("prot")
        && line.contains("source")
        && line.contains("destination")
}

/// One chain as it is listed.
struct Chain<'t> {
    name: &'t str,
    policy: Option<&'t str>,
    span: Span,
    columns: &'t str,
    /// The rules, with the offset of each.
    rules: Vec<(&'t str, u32)>,
}

/// The built-in chains in the order in which a table lists them.
const BUILT_IN: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];

/// Reads a listing.
pub(super) fn read(
    reader: &mut Reader<'_>,
    text: &str,
    base: u32,
    forced: Option<Family>,
    named: Option<Family>,
) {
    let mut tables: Vec<(Vec<Chain<'_>>, Option<Family>)> = Vec::new();
    let mut names: FxHashSet<&str> = FxHashSet::default();
    let (mut told, mut user, mut last) = (None, false, None);
    let mut begins = true;
    for line in text.split_inclusive('\n') {
        let at = base + (line.as_ptr() as usize - text.as_ptr() as usize) as u32;
        let line = line.trim_end();
        if let Some((name, policy)) = head(line) {
            let span = Span::new(at, at + line.len() as u32);
            let chain = Chain { name, policy, span, columns: "", rules: Vec::new() };
            // Built-in chains come first in a table, in the order of the hooks, and no name twice.
            let hook = policy.and_then(|_| BUILT_IN.iter().position(|chain| *chain == name));
            let before = hook.is_some_and(|hook| last.is_some_and(|last| hook <= last));
            let begins_new = begins || before || names.contains(name) || policy.is_some() && user;
            if begins_new {
                tables.push((Vec::new(), told));
                names.clear();
                (user, begins) = (false, false);
            }
            names.insert(name);
            last = if begins_new { hook } else { hook.or(last) };
            user |= policy.is_none();
            if let Some((chains, _)) = tables.last_mut() {
                chains.push(chain);
            }
        } else if let Some(family) = program_head(line) {
            begins |= told != Some(family);
            told = Some(family);
        } else if let Some(chain) = tables.last_mut().and_then(|(chains, _)| chains.last_mut()) {
            if is_columns(line) {
                chain.columns = line;
            } else if !line.is_empty() {
                chain.rules.push((line, at));
            }
        }
    }
    for (chains, told) in tables {
        let six = |chain: &Chain<'_>| chain.rules.iter().any(|(rule, _)| rule.contains("::"));
        let seen = chains.iter().any(six).then_some(Family::V6);
        let family = forced.or(told).or(seen).or(named).unwrap_or(Family::V4);
        table(reader, &chains, family);
    }
}

/// The heads of `ufw show raw`.
fn program_head(line: &str) -> Option<Family> {
    match line.trim() {
        "IPV4 (raw):" | "IPV4:" => Some(Family::V4),
        "IPV6 (raw):" | "IPV6:" => Some(Family::V6),
        _ => None,
    }
}

/// The table that has just these built-in chains.
fn name_of(chains: &[Chain<'_>]) -> TableName {
    let has = |name| chains.iter().any(|chain| chain.name == name && chain.policy.is_some());
    match (has("PREROUTING"), has("FORWARD"), has("POSTROUTING")) {
        (true, true, _) => TableName::Mangle,
        (true, false, true) | (false, false, true) => TableName::Nat,
        (true, false, false) => TableName::Raw,
        _ => TableName::Filter,
    }
}

fn table(reader: &mut Reader<'_>, chains: &[Chain<'_>], family: Family) {
    let Some(first) = chains.first() else { return };
    let table = reader.config.table_or_new(family, name_of(chains), first.span);
    let place = |span| Place { family, table, span, conditions: &[], unknown: None, restore: true };
    for chain in chains {
        let arg = Arg { text: chain.name, span: chain.span, unresolved: false };
        let Some(at) = reader.declare(arg, place(chain.span), true) else { continue };
        reader.config.tables[table].chains[at].span = chain.span;
        if let Some(policy) = chain.policy {
            reader.policy(at, policy, chain.span, place(chain.span));
        }
    }
    let plain = chains.iter().find(|chain| !chain.rules.is_empty() && !chain.columns.contains(" out "));
    if let Some(chain) = plain {
        reader.findings.push(
            Finding::of(&PH002, chain.span, "the interfaces of the rules are not listed")
                .label("each rule may be for some of them alone")
                .help("Give the output of `iptables-save`, or of `iptables -L -n -v`."),
        );
    }
    for chain in chains {
        for (text, at) in &chain.rules {
            rule(reader, chain, (text, *at), place(Span::new(*at, *at)));
        }
    }
}

fn rule(reader: &mut Reader<'_>, chain: &Chain<'_>, (text, at): (&str, u32), place: Place<'_>) {
    let indent = text.len() - text.trim_start().len();
    let span = Span::new(at + indent as u32, at + text.len() as u32);
    let verbose = chain.columns.contains(" out ");
    let Some(line) = Line::read(text, verbose, chain.columns.starts_with("num")) else {
        reader.findings.push(super::command::syntax_error(span, "the line is no rule of a listing"));
        return;
    };
    let mut unread = line.unread.clone();
    if !unread.is_empty() {
        reader.findings.push(
            Finding::of(&PH002, span, format!("`{unread}` of the listing is not read"))
                .label("stays as an unknown condition")
                .help("Give the output of `iptables-save`."),
        );
    }
    if !verbose {
        unread = format!("{unread} interfaces").trim_start().to_string();
    }
    let unknown = (!unread.is_empty()).then(|| reader.config.names.intern(&unread));
    let words: Vec<Word<'_>> = ["-A".to_string(), chain.name.to_string()]
        .into_iter()
        .chain(line.words)
        .map(|text| Word { text: text.into(), span, quoted: true, unresolved: false })
        .collect();
    reader.command(&words, Place { span, unknown, ..place });
}
