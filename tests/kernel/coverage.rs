//! What the model has stands in the random rulesets: each match and target of the support tables, each header field.

use std::path::Path;

use crate::random;
use crate::scenario::Language;

/// Rulesets of each language that are looked through.
const SEEDS: u64 = 300;

/// What is in no ruleset, and why.
const LEFT: &[(&str, &str)] = &[
    ("-j TEE --gateway", "its copy would be taken for the packet"),
    ("-j SECMARK --selctx", "needs a security module with that context"),
    (
        "-j RATEEST --rateest-name",
        "one that is not asked does nothing, and the kernel keeps its name for the time of its timer",
    ),
    ("-j LED --led-trigger-id", "needs hardware"),
    ("-j ULOG", "Linux has it no more"),
    ("include", "rulesets go to nft by standard input"),
    ("replace", "takes a handle, which no file tells before it is loaded"),
    ("rename", "takes a chain that is there before the file is loaded"),
    ("destroy", "nft before 1.0.7 has it not"),
    ("last", "nft before 1.0.7 has it not"),
    ("dup", "its copy would be taken for the packet"),
    ("secmark", "needs a security module with that context"),
    ("masquerade random", "which port it takes nobody can tell"),
];

/// What else of nftables the model has, as rulesets write it.
const MORE: &[&str] = &[
    "meta mark",
    "iifname",
    "oifname",
    "iif",
    "oif",
    "meta protocol",
    "meta l4proto",
    "meta nfproto",
    "meta length",
    "meta pkttype",
    "ct state",
    "ct mark",
    "ct direction",
    "ct status",
    "ct original ip saddr",
    "ct original ip daddr",
    "ct original ip6 saddr",
    "tcp option maxseg size",
    "exthdr",
    "ip dscp set",
    "ip6 dscp set",
    "ip ttl set",
    "ip6 hoplimit set",
    "masquerade random",
];

/// What is modelled and in no ruleset without a reason, and reasons for what is in one.
pub(crate) fn faults() -> Vec<String> {
    let iptables: Vec<String> = [Language::Iptables, Language::Ip6tables]
        .into_iter()
        .flat_map(|language| random::texts(language, SEEDS))
        .collect();
    let nftables = random::texts(Language::Nftables, SEEDS);
    let mut wanted = Vec::new();
    for (phrases, texts) in [(of_iptables(), &iptables), (of_nftables(), &nftables)] {
        let lines: Vec<Vec<&str>> = texts.iter().flat_map(|text| text.lines()).map(words).collect();
        wanted.extend(phrases.into_iter().map(|phrase| {
            let there = is_written(&words(&phrase), &lines);
            (phrase, there)
        }));
    }
    assert!(wanted.len() > 150, "{wanted:?}");
    let left = |phrase: &str| LEFT.iter().any(|(what, _)| *what == phrase);
    let mut faults: Vec<String> = Vec::new();
    for (phrase, there) in &wanted {
        match (there, left(phrase)) {
            (false, false) => faults.push(format!("no ruleset has `{phrase}`")),
            (true, true) => faults.push(format!("`{phrase}` is said to be in no ruleset")),
            _ => {}
        }
    }
    let unknown = LEFT.iter().filter(|(what, _)| wanted.iter().all(|(phrase, _)| phrase != what));
    faults.extend(unknown.map(|(what, _)| format!("`{what}` is in no table")));
    faults
}

fn words(line: &str) -> Vec<&str> {
    line.split([' ', '\t', ';', ',', '(', ')']).filter(|word| !word.is_empty()).collect()
}

/// Whether a line has the first words in a row, and those that begin with `--` anywhere behind them.
fn is_written(phrase: &[&str], lines: &[Vec<&str>]) -> bool {
    let (row, options): (Vec<&str>, Vec<&str>) = phrase.iter().partition(|word| !word.starts_with("--"));
    lines.iter().any(|line| {
        let at = line.windows(row.len()).position(|window| window == row);
        at.is_some_and(|at| options.iter().all(|option| line[at..].contains(option)))
    })
}

/// The matches and targets that the README says are modelled: each with each of the options of its example.
fn of_iptables() -> Vec<String> {
    let readme = source("src/dialect/iptables/README.md");
    let mut all = Vec::new();
    for (heading, sign, kinds) in
        [("\n## Matches", "-m", &["exact", "first"][..]), ("\n## Targets", "-j", &["exact", "nothing"])]
    {
        let section = readme.split(heading).nth(1).unwrap().split("\n## ").next().unwrap();
        for line in section.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let [name, example, is] = cells[..] else { panic!("{line}") };
            if !kinds.contains(&is) {
                continue;
            }
            let name = name.trim_matches('`');
            let of = example.trim_matches('`').split(&format!("{sign} {name}")).nth(1).unwrap_or_default();
            let options: Vec<&str> = of.split(' ').filter(|word| word.starts_with("--")).collect();
            match options.is_empty() {
                true => all.push(format!("{sign} {name}")),
                false => all.extend(options.iter().map(|option| format!("{sign} {name} {option}"))),
            }
        }
    }
    all
}

/// The header fields that the model has, and what the README says is modelled or has no effect.
fn of_nftables() -> Vec<String> {
    let mut all: Vec<String> = MORE.iter().map(|phrase| phrase.to_string()).collect();
    let fields = source("src/dialect/nftables/headers.rs");
    let fields = fields.split("fields! {").nth(1).unwrap().split("\n};").next().unwrap();
    for header in fields.split(';') {
        let Some((name, fields)) = header.split_once(": \"") else { continue };
        let name = match name.trim() {
            "Icmp6" => "icmpv6".to_string(),
            other => other.to_lowercase(),
        };
        // Names stand between quotes, and behind each what it is in the model.
        let parts: Vec<&str> = fields.split('"').collect();
        for field in parts.chunks(2) {
            let [field, seen] = field else { continue };
            if !seen.trim_end_matches([',', ' ', '\n']).ends_with("Not") {
                all.push(format!("{name} {field}"));
            }
        }
    }
    let readme = source("src/dialect/nftables/README.md");
    let table = readme.split("| language | support |").nth(1).unwrap().split("\n\n").next().unwrap();
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let Some((what, said)) = row.trim_matches(['|', ' ']).split_once(" | ") else { continue };
        if !said.starts_with("modelled")
            && what != "`counter`, `log`, `last`, `dup`, `secmark`, `ct expectation`"
        {
            continue;
        }
        let spans = what.split('`').skip(1).step_by(2);
        let plain =
            spans.filter(|span| span.bytes().all(|byte| byte.is_ascii_lowercase() || b" 6".contains(&byte)));
        all.extend(plain.map(str::to_string));
    }
    all.sort();
    all.dedup();
    all
}

fn source(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}
