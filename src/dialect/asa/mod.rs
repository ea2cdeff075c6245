//! Cisco ASA running-configs.

pub mod ast;
mod lints;
mod literals;
mod lower;
mod parse;
mod resolve;
mod words;

use super::{Environment, Loaded};
use crate::source::{SourceId, SourceMap, Span};

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
