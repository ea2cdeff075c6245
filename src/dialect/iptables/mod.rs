//! iptables-save and ip6tables-save dumps, and scripts of `iptables` commands.
//!
//! What is modelled and what stays unknown is in this folder's README.

mod apply;
mod ast;
mod check;
mod command;
mod dump;
mod equal;
mod family;
mod finish;
mod globals;
mod hangs;
mod include;
mod ipset;
mod less;
mod listing;
mod lower;
mod marks;
mod matches;
mod mentions;
mod modules;
mod shell;
mod targets;
mod values;
mod words;
pub(super) mod write;

#[cfg(test)]
mod condition_tests;
#[cfg(test)]
mod readme_tests;
#[cfg(test)]
mod script_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod work_tests;

use super::{Answers, Block, Environment, Language, Lines, Loaded};
use crate::budget::Budget;
use crate::finding::Finding;
use crate::packet::Family;
use crate::rule::PH001;
use crate::source::{SourceFile, SourceId, SourceMap};

pub use ast::Config;
pub use shell::is_script;

/// What there is to know of the language.
pub static LANGUAGE: Language = Language {
    name: "iptables",
    load,
    mentions: mentions::mentions,
    hangs: hangs::hangs,
    marks: marks::MARKS,
    comments: &['#'],
    remarks: &["--comment"],
    block: Block::Braces,
    passes_over_commands: false,
    whole: "the output of `iptables-save`",
    close: Some("Set the policy to DROP, and accept what is needed before the end of the chain."),
    keeps_policies: true,
    names_parts: false,
    one_filter: false,
    rule: ("rule", "rules"),
    names_sets: &["--match-set"],
    has_chains: true,
    helpers_follow_sender: true,
    tells_idle_chains: false,
    lines: Lines {
        spots: |job| write::spot(job).into_iter().collect(),
        less: less::less,
        answers: Answers::ByState,
        filter_translates: false,
        of_interfaces: false,
    },
};

/// Reads a file into a tree in which the files before it are: the findings, and the number of rules as
/// written.
fn parse_into(
    config: &mut Config,
    file: &SourceFile,
    forced: Option<Family>,
    (sourced, budget): (&shell::Sourced<'_>, &Budget),
) -> (Vec<Finding>, usize) {
    let mut reader = apply::Reader::new(config, budget);
    reader.findings.extend(file.damage.iter().map(|span| {
        Finding::of(&PH001, *span, "bytes that are no text").help("Save the file as UTF-8 without NUL bytes.")
    }));
    if is_script(&file.text) {
        shell::Shell::new(&mut reader, (&file.text, file.base), forced, sourced).read();
    } else if listing::is_listing(&file.text) {
        let named = family::of_name(&file.path);
        listing::read(&mut reader, &file.text, file.base, forced, named);
    } else {
        let named = family::of_name(&file.path);
        dump::Dump::new(&mut reader, forced, named, &file.text).read(&file.text, file.base);
    }
    reader.finish();
    (reader.findings, reader.written)
}

/// Reads the files of one firewall into one ruleset.
pub fn load(sources: &mut SourceMap, files: &[SourceId], env: &Environment) -> Loaded {
    let mut config = Config::default();
    let found = include::read(sources, files, &env.budget);
    let sources = &*sources;
    let sourced = include::texts(sources, &found);
    let mut loaded = Loaded::default();
    for id in files {
        let (findings, written) =
            parse_into(&mut config, sources.file(*id), env.family, (&sourced, &env.budget));
        loaded.findings.extend(findings);
        loaded.rules.push((*id, written));
    }
    check::check(&config, &mut loaded.findings);
    let mut sets = ipset::Ipsets::default();
    for id in &env.ipsets {
        sets.read(sources.file(*id), &mut loaded.findings);
    }
    loaded.ruleset = lower::lower(&config, &sets, &env.own, &mut loaded.findings);
    loaded.ruleset.written = loaded.rules.iter().map(|(_, written)| written).sum();
    loaded
}
