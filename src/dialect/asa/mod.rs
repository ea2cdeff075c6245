//! Cisco ASA running-configs.

pub mod ast;
mod literals;
mod parse;
mod words;

use super::{Environment, Loaded};
use crate::source::{SourceId, SourceMap};

/// Reads the files of one firewall into one ruleset.
pub fn load(sources: &mut SourceMap, files: &[SourceId], _env: &Environment) -> Loaded {
    let (_config, findings) = parse::parse(files.iter().map(|id| sources.file(*id)));
    Loaded { findings, ..Loaded::default() }
}
