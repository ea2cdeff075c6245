//! Cisco ASA running-configs.

pub mod ast;
mod hangs;
mod less;
mod lints;
mod literals;
mod lower;
mod marks;
mod mentions;
mod parse;
mod resolve;
mod words;
pub(super) mod write;

use super::{Answers, Block, Environment, Language, Lines, Loaded};
use crate::source::{SourceId, SourceMap, Span};

/// What there is to know of the language.
pub static LANGUAGE: Language = Language {
    name: "asa",
    load,
    mentions: mentions::mentions,
    hangs: hangs::hangs,
    marks: marks::MARKS,
    comments: &['!', ':'],
    remarks: &["remark", "description"],
    block: Block::Indent,
    passes_over_commands: true,
    whole: "the output of `show running-config`, with its `nameif` and `access-group` lines",
    close: None,
    keeps_policies: false,
    names_parts: false,
    one_filter: false,
    rule: ("entry", "entries"),
    names_sets: &[],
    has_chains: false,
    helpers_follow_sender: false,
    tells_idle_chains: false,
    lines: Lines {
        spots: write::spots,
        less: less::less,
        answers: Answers::OfItself,
        filter_translates: false,
        of_interfaces: true,
    },
};

/// Reads the files of one firewall into one ruleset.
pub fn load(sources: &mut SourceMap, files: &[SourceId], env: &Environment) -> Loaded {
    let nowhere = files.first().map_or(Span::default(), |id| {
        let base = sources.file(*id).base;
        Span::new(base, base)
    });
    let broken: Vec<_> = files.iter().map(|id| parse::broken(sources.file(*id))).collect();
    let (config, mut findings, rules) = parse::parse(files.iter().map(|id| sources.file(*id)), &broken);
    let mut lowered = lower::lower(&config, &env.own, nowhere);
    findings.append(&mut lowered.findings);
    findings.append(&mut lints::check(&config, &mut lowered, nowhere));
    let rules = files.iter().copied().zip(rules).collect();
    Loaded { ruleset: lowered.ruleset, findings, rules }
}
