//! Which dialect a text is in, by its first lines.

use std::path::Path;

use crate::dialect::Dialect;

/// How much of a text is looked at, in bytes: enough to come past any comment at the top.
const LOOK_AT: usize = 256 * 1024;
/// After this many points for one dialect, the rest of the text does not matter.
const ENOUGH: u32 = 40;

/// The dialect that most of the lines speak; where none does, the one that the file's name tells.
pub fn sniff(text: &str, path: &Path) -> Option<Dialect> {
    let mut end = text.len().min(LOOK_AT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let start = text[..end].trim_start_matches('\u{feff}');
    if start.trim_start().starts_with('{') && start.contains("\"nftables\"") {
        return Some(Dialect::Nftables);
    }
    let all = [Dialect::Iptables, Dialect::Nftables, Dialect::Pf, Dialect::Asa];
    let mut points = [0; 4];
    for line in start.lines() {
        for (index, dialect) in all.into_iter().enumerate() {
            points[index] += speaks(dialect, line);
        }
        if points.iter().any(|count| *count >= ENOUGH) {
            break;
        }
    }
    let most = *points.iter().max()?;
    let best = all.into_iter().zip(points).find(|(_, count)| *count == most).map(|(dialect, _)| dialect);
    best.filter(|_| most > 0).or_else(|| by_name(path))
}

/// How surely a line is of a dialect: 0 not, 1 it may be, 4 it is.
fn speaks(dialect: Dialect, line: &str) -> u32 {
    let line = line.trim();
    let mut words = line.split_whitespace();
    let (first, second, third) =
        (words.next().unwrap_or(""), words.next().unwrap_or(""), words.next().unwrap_or(""));
    match dialect {
        Dialect::Iptables => iptables(line, first, second, third),
        Dialect::Nftables => nftables(line, first, second, third),
        Dialect::Pf => pf(line, first, second, third),
        Dialect::Asa => asa(line, first, second, third),
    }
}

const IPTABLES_TABLES: &[&str] = &["*filter", "*nat", "*mangle", "*raw", "*security"];
const IPTABLES_TOOLS: &[&str] =
    &["iptables", "ip6tables", "iptables-legacy", "ip6tables-legacy", "iptables-nft", "ip6tables-nft"];

fn iptables(line: &str, first: &str, second: &str, third: &str) -> u32 {
    let tool = |word: &str| IPTABLES_TOOLS.contains(&word.rsplit('/').next().unwrap_or(word));
    let by_tool =
        tool(first) && second.starts_with('-') || first == "sudo" && tool(second) && third.starts_with('-');
    let header = first == "#" && line.contains("tables-save v");
    let chain = first.starts_with(':') && first.len() > 1 && matches!(second, "ACCEPT" | "DROP" | "-");
    // Counters may stand before a rule: `[12:3456] -A INPUT`.
    let rule = |word: &str| matches!(word, "-A" | "-I" | "-N" | "-P");
    if IPTABLES_TABLES.contains(&line) || header || chain || by_tool {
        4
    } else if line == "COMMIT" || rule(first) || first.starts_with('[') && rule(second) {
        2
    } else {
        0
    }
}

const NFT_FAMILIES: &[&str] = &["ip", "ip6", "inet", "arp", "bridge", "netdev"];
const NFT_OBJECTS: &[&str] =
    &["table", "chain", "rule", "set", "map", "element", "flowtable", "counter", "ct"];

fn nftables(line: &str, first: &str, second: &str, third: &str) -> u32 {
    let command =
        matches!(first, "add" | "create" | "insert" | "replace" | "delete" | "destroy" | "flush" | "nft");
    let shebang = first.starts_with("#!") && line.contains("nft");
    let hook = first == "type" && third == "hook";
    let table = first == "table" && (NFT_FAMILIES.contains(&second) && !third.is_empty() || third == "{");
    if shebang || hook || table || command && (NFT_OBJECTS.contains(&second) || second == "ruleset") {
        4
    } else if first == "chain" && third == "{" || first == "define" && third == "=" {
        2
    } else {
        u32::from(
            matches!(first, "ct" | "iifname" | "oifname" | "tcp" | "udp" | "ip" | "ip6" | "meta")
                && ends_rule(line),
        )
    }
}

fn ends_rule(line: &str) -> bool {
    ["accept", "drop", "reject", "return", "counter"].iter().any(|word| line.contains(word))
}

/// What may follow `pass`, `block` and `match` in pf.conf(5).
const PF_AFTER: &[&str] = &[
    "in",
    "out",
    "log",
    "quick",
    "on",
    "all",
    "from",
    "to",
    "inet",
    "inet6",
    "proto",
    "drop",
    "return",
    "return-rst",
    "return-icmp",
    "return-icmp6",
];
const PF_SET: &[&str] = &[
    "skip",
    "block-policy",
    "debug",
    "fingerprints",
    "hostid",
    "limit",
    "loginterface",
    "optimization",
    "reassemble",
    "ruleset-optimization",
    "state-defaults",
    "state-policy",
    "syncookies",
    "timeout",
    "require-order",
    "keepcounters",
    "state-hash",
];

fn pf(line: &str, first: &str, second: &str, third: &str) -> u32 {
    let next = second.split(['(', '{']).next().unwrap_or("");
    match first {
        "pass" | "block" | "match" if PF_AFTER.contains(&next) => 4,
        "pass" | "block" if second.is_empty() || second == "\\" => 2,
        "queue" if matches!(third, "on" | "parent" | "bandwidth") => 2,
        "set" if PF_SET.contains(&next) => 4,
        "scrub" if second.is_empty() || PF_AFTER.contains(&next) || next == "fragment" => 4,
        "nat" | "rdr" | "binat" | "no" if matches!(next, "on" | "pass" | "nat" | "rdr" | "binat") => 4,
        "nat-anchor" | "rdr-anchor" | "binat-anchor" | "antispoof" | "altq" => 4,
        "anchor" if second.starts_with('"') || second.starts_with(|c: char| c.is_alphanumeric()) => 2,
        "load" if second == "anchor" => 4,
        "table" if second.starts_with('<') => 4,
        _ => {
            // A macro: `ext_if = "em0"`.
            let named = first.chars().all(|c| c.is_alphanumeric() || c == '_') && !first.is_empty();
            u32::from(named && second == "=" && line.contains('"') || macro_without_spaces(first))
        }
    }
}

fn macro_without_spaces(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, value)| {
        !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_') && value.starts_with('"')
    })
}

fn asa(line: &str, first: &str, second: &str, third: &str) -> u32 {
    let sure = match first {
        "ASA" | "PIX" => second == "Version",
        "access-list" => !second.is_empty(),
        "access-group" => matches!(third, "in" | "out" | "global") || second == "global",
        "object" => matches!(second, "network" | "service"),
        "object-group" => {
            matches!(second, "network" | "service" | "protocol" | "icmp-type" | "user" | "security")
        }
        "nameif" | "security-level" | "same-security-traffic" => true,
        "nat" | "static" | "global" => second.starts_with('('),
        ":" => matches!(second, "Saved" | "end"),
        _ => line == ":end",
    };
    let maybe = match first {
        "hostname" | "interface" | "policy-map" | "class-map" | "service-policy" | "network-object"
        | "port-object" | "service-object" | "group-object" | "inspect" | "icmp" | "passwd" => {
            !second.is_empty()
        }
        "ip" => second == "address",
        "enable" => second == "password",
        "tunnel-group" | "crypto" | "route" | "username" | "group-policy" | "logging" => !second.is_empty(),
        _ => matches!(line, "names" | "end" | "!"),
    };
    if sure { 4 } else { u32::from(maybe) }
}

/// The dialect that a file's name tells.
fn by_name(path: &Path) -> Option<Dialect> {
    let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
    let extension = path.extension().map(|end| end.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref() {
        Some("nft" | "nftables") => Some(Dialect::Nftables),
        Some("iptables" | "ip6tables") => Some(Dialect::Iptables),
        Some("pf") => Some(Dialect::Pf),
        Some("asa") => Some(Dialect::Asa),
        _ if name == "pf.conf" => Some(Dialect::Pf),
        _ if name == "nftables.conf" => Some(Dialect::Nftables),
        _ => None,
    }
}
