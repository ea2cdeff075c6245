//! pf.conf: OpenBSD's packet filter and its kin on FreeBSD, macOS, pfSense and OPNsense.
//!
//! [`parse`] makes the syntax tree of [`ast`], [`expand`] multiplies lists out into single rules as pfctl does,
//! [`tree`] puts them into their places, [`lower`] makes the normalized model of them, and [`lints`] says what is
//! wrong with them.

pub mod address;
pub mod ast;
pub mod detect;
pub mod expand;
mod hangs;
mod less;
pub mod lexer;
pub mod lints;
pub mod lower;
mod marks;
mod mentions;
pub mod names;
pub mod parse;
pub mod print;
pub mod queues;
pub mod table;
pub mod tree;
pub mod vocabulary;
pub(super) mod write;

use super::{Answers, Block, Environment, Language, Lines, Loaded};
use crate::finding::Finding;
use crate::source::{SourceId, SourceMap, Span};

/// What there is to know of the language.
pub static LANGUAGE: Language = Language {
    name: "pf",
    load,
    mentions: mentions::mentions,
    hangs: hangs::hangs,
    marks: marks::MARKS,
    comments: &['#'],
    remarks: &[],
    block: Block::Braces,
    passes_over_commands: false,
    whole: "pf.conf, or the outputs of `pfctl -sn` and `pfctl -sr`",
    close: Some("Begin the rules with `block all`, and let through what is needed after it."),
    keeps_policies: false,
    names_parts: true,
    one_filter: true,
    rule: ("rule", "rules"),
    names_sets: &["<"],
    has_chains: false,
    helpers_follow_sender: false,
    tells_idle_chains: false,
    lines: Lines {
        spots: |job| write::spot(job).into_iter().collect(),
        less: less::less,
        answers: Answers::ByRule,
        filter_translates: true,
        of_interfaces: false,
    },
};

/// Reads the files of one firewall into one ruleset: the rules of the first file, then those of the next.
pub fn load(sources: &mut SourceMap, files: &[SourceId], env: &Environment) -> Loaded {
    let mut configs: Vec<parse::Config> =
        files.iter().map(|id| parse::parse(sources, *id, None, &env.budget)).collect();
    let mut findings: Vec<Finding> =
        configs.iter_mut().flat_map(|config| std::mem::take(&mut config.findings)).collect();
    let sources = &*sources;
    let text_of = |span: Span| sources.text(span);
    let (tree, problems) = tree::grow(&configs, env, &text_of);
    findings.extend(problems);
    findings.extend(lints::lint(&configs, &tree, env));
    let ruleset = lower::lower(&tree, env);
    let rules = files.iter().zip(&configs).map(|(id, config)| (*id, config.written())).collect();
    Loaded { ruleset, findings, rules }
}
