//! Shell scripts: which of them change a firewall, and by which tool.

use super::look::{Pattern, is_comment, lines};
use super::marks::OTHER_TOOLS;

/// Options of iptables that change rules.
const CHANGES: &[&str] = &[
    "-A",
    "-I",
    "-D",
    "-R",
    "-P",
    "-F",
    "-N",
    "-X",
    "-E",
    "--append",
    "--insert",
    "--delete",
    "--replace",
    "--policy",
    "--flush",
    "--new-chain",
    "--delete-chain",
];
const SHELLS: &[&str] =
    &["sh", "bash", "dash", "ksh", "ash", "zsh", "mksh", "openrc-run", "runscript", "rc.common"];

/// Who reads a file that begins with `#!`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Interpreter {
    /// A shell.
    Shell,
    /// `nft -f`.
    Nft,
    /// `iptables-restore`.
    Restore,
    /// `pfctl -f`.
    Pfctl,
    /// Another program.
    Other,
}

/// The interpreter that a text's first line names.
pub(super) fn interpreter(text: &str) -> Option<Interpreter> {
    let line = text.lines().next()?.strip_prefix("#!")?;
    let mut words = line.split_whitespace().map(|word| word.rsplit('/').next().unwrap_or(word));
    let mut name = words.next()?;
    while name == "env" || name == "busybox" || name.starts_with('-') || name.contains('=') {
        name = words.next()?;
    }
    Some(match name {
        "nft" => Interpreter::Nft,
        "pfctl" => Interpreter::Pfctl,
        _ if name.contains("tables") && name.ends_with("restore") => Interpreter::Restore,
        _ if SHELLS.contains(&name) || words.any(|word| SHELLS.contains(&word)) => Interpreter::Shell,
        _ => Interpreter::Other,
    })
}

/// Which tool a script changes the firewall with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tool {
    /// iptables, or its restore program.
    Iptables,
    /// Another one.
    Other,
}

/// What a script changes the firewall with, as far as single lines tell; iptables before others.
pub(super) fn tool(text: &str) -> Option<Tool> {
    let others: Vec<Pattern> = OTHER_TOOLS.iter().map(|text| Pattern::new(text)).collect();
    let mut found = None;
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if runs_iptables(line) {
            return Some(Tool::Iptables);
        }
        found = found.or_else(|| runs_other(line, &others).then_some(Tool::Other));
    }
    found
}

/// A command stands at the start of a line, or behind what joins or wraps commands.
fn runs_other(line: &str, others: &[Pattern]) -> bool {
    let parts = line.split([';', '|', '&', '(', '{', '`', '"', '\'']);
    parts.flat_map(lines).any(|words| {
        !is_comment(&words)
            && (0..words.len().min(4)).any(|from| others.iter().any(|other| other.matches(&words[from..])))
    })
}

/// Whether a line calls iptables, by its name or by a variable, to change rules.
fn runs_iptables(line: &str) -> bool {
    let ends = |c: char| c.is_whitespace() || "\"'`();&|<".contains(c);
    let mut tool = false;
    for word in line.split(ends).filter(|word| !word.is_empty()) {
        let bare = word.trim_matches(['$', '{', '}']);
        let name = bare.rsplit('/').next().unwrap_or(bare);
        match name.strip_prefix("iptables").or_else(|| name.strip_prefix("ip6tables")) {
            Some("" | "-legacy" | "-nft") => tool = true,
            Some("-restore" | "-legacy-restore" | "-nft-restore") => return true,
            _ if word.starts_with('$') && names_iptables(name) => tool = true,
            _ if tool && CHANGES.contains(&bare) => return true,
            _ => {}
        }
    }
    // A variable whose name tells nothing: `$FW -A INPUT`.
    let mut words = line.split_whitespace();
    let first = words.next().unwrap_or("").trim_start_matches('"');
    let chain = |word: &str| {
        matches!(
            word,
            "INPUT"
                | "OUTPUT"
                | "FORWARD"
                | "PREROUTING"
                | "POSTROUTING"
                | "nat"
                | "mangle"
                | "filter"
                | "raw"
        )
    };
    first.starts_with('$')
        && words.next().is_some_and(|option| CHANGES.contains(&option) || option == "-t")
        && words.next().is_some_and(chain)
}

/// Whether a variable is named after iptables: `IPT`, `IPTABLES`, `IP6T`, `ip6tables_cmd`.
fn names_iptables(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("iptables")
        || name.contains("ip6tables")
        || matches!(name.as_str(), "ipt" | "ip6t" | "ipt4" | "ipt6" | "ipt_cmd")
}
