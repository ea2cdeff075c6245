//! pf.conf: OpenBSD's packet filter and its kin on FreeBSD, macOS, pfSense and OPNsense.
//!
//! [`parse`] makes the syntax tree of [`ast`], [`expand`] multiplies lists out into single rules as pfctl does.

pub mod address;
pub mod ast;
pub mod detect;
pub mod expand;
pub mod lexer;
pub mod names;
pub mod parse;
pub mod print;
pub mod words;

use super::{Environment, Loaded};
use crate::source::{SourceId, SourceMap};

/// Reads the files of one firewall into one ruleset.
pub fn load(sources: &mut SourceMap, files: &[SourceId], _env: &Environment) -> Loaded {
    let mut loaded = Loaded::default();
    for id in files {
        let config = parse::parse(sources, *id, None);
        loaded.findings.extend(config.findings);
    }
    loaded
}
