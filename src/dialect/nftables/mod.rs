//! Nftables rulesets, as text and as JSON.

mod config;
mod declarations;
mod eval;
mod hangs;
mod headers;
mod json;
mod less;
mod lexer;
mod lints;
mod lower;
mod marks;
mod mentions;
mod merged;
mod parser;
mod syntax;
mod types;
pub(super) mod write;

use super::{Answers, Block, Environment, Language, Lines, Loaded};
use crate::finding::Finding;
use crate::rule::{PH002, PH003, PH004, Severity};
use crate::source::{SourceId, SourceMap, Span};

/// What there is to know of the language.
pub static LANGUAGE: Language = Language {
    name: "nftables",
    load,
    mentions: mentions::mentions,
    hangs: hangs::hangs,
    marks: marks::MARKS,
    comments: &['#'],
    remarks: &["comment"],
    block: Block::Braces,
    passes_over_commands: false,
    whole: "the output of `nft list ruleset`",
    close: Some("Give the base chain `policy drop;`, and accept what is needed before its end."),
    keeps_policies: false,
    names_parts: true,
    one_filter: false,
    rule: ("rule", "rules"),
    names_sets: &["@"],
    has_chains: true,
    helpers_follow_sender: true,
    tells_idle_chains: true,
    lines: Lines {
        spots: |job| write::spot(job).into_iter().collect(),
        less: less::less,
        answers: Answers::ByState,
        filter_translates: false,
        of_interfaces: false,
    },
};

/// Reads the files of one firewall into one ruleset.
pub fn load(sources: &mut SourceMap, files: &[SourceId], env: &Environment) -> Loaded {
    let mut reader = parser::Reader::new(sources, &env.budget);
    let mut rules = Vec::new();
    for id in files {
        let before = reader.commands.len();
        if json::is_json(&reader.sources.file(*id).text) {
            json::file(&mut reader, *id);
        } else {
            reader.file(*id);
        }
        rules.push((*id, reader.commands[before..].iter().map(syntax::Command::rules).sum()));
    }
    let (commands, mut findings, cut) = (reader.commands, reader.findings, reader.cut.or(reader.lost));
    let mut config = config::apply(commands, &env.budget);
    config.cut = config.cut.or(cut);
    findings.append(&mut config.findings);
    let (ruleset, mut lowered) = lower::lower(sources, &config, env, lower::any_lacks(&findings));
    findings.append(&mut lowered);
    Loaded { ruleset, findings, rules }
}

/// A finding for something that nft refuses.
fn refusal(span: Span, message: impl Into<String>) -> Finding {
    Finding::of(&PH004, span, message).label("nft refuses this").help(
        "Mend it: nft loads either the whole file or nothing, so that none of its rules would be in force.",
    )
}

/// A finding for something that is more work than is done for one file.
fn too_much(span: Span, what: &str) -> Finding {
    Finding::of(&PH002, span, format!("{what}: it was not read to its end"))
        .severity(Severity::Warning)
        .label("here the work was stopped")
        .help("Answers that rest on it are given as depending on it. Split the ruleset, or write it shorter.")
}

/// A finding for a name that leads nowhere.
fn unresolved(span: Span, message: impl Into<String>) -> Finding {
    Finding::of(&PH003, span, message)
        .label("not defined in the files given")
        .help("Define it before this place, or give the file that defines it as well.")
}

/// A name where none is written.
fn unnamed(span: Span) -> syntax::Name {
    syntax::Name { text: "".into(), span }
}
