//! The firewall languages: each has a syntax tree, a parser and a lowering into the model.

pub mod asa;
mod assume;
pub mod hangs;
mod interface;
pub mod iptables;
mod language;
pub mod mentions;
pub mod names;
pub mod nftables;
pub mod pf;
pub(crate) mod programs;
mod unread;
pub mod write;

pub use language::{Answers, Block, Dialect, Language, Lines, Marks};
pub use unread::findings as unread;

use crate::budget::{Budget, Exhausted};
use crate::finding::Finding;
use crate::model::{Assumption, OwnAddress, Ruleset};
use crate::rule::PH006;
use crate::source::{SourceId, SourceMap, Span};

/// What the files do not tell, and somebody else has to: the site file or the command line.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// The box's own addresses.
    pub own: Vec<OwnAddress>,
    /// pf interface groups: name and member interfaces.
    pub groups: Vec<(String, Vec<String>)>,
    /// Outputs of `ipset save`.
    pub ipsets: Vec<SourceId>,
    /// The family of iptables files, where it was forced (`ip6tables`); else it is read from the file.
    pub family: Option<crate::packet::Family>,
    /// What is so of that which no file tells.
    pub assumptions: Vec<Assumption>,
    /// Whether the user says which dialect the files are in: then a file that is not understood is an error.
    pub told: bool,
    /// What expansions and named files draw on. [`load`] begins it anew.
    pub budget: Budget,
}

/// What came of reading the files of one firewall.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The normalized rules.
    pub ruleset: Ruleset,
    /// What reading had to say: PH0xx, and the lints of the language.
    pub findings: Vec<Finding>,
    /// For each file given: how many rules as written it holds.
    pub rules: Vec<(SourceId, usize)>,
}

/// So many findings of one reading are told one by one: a file may be wrong in every line.
const TOLD_ALONE: usize = 1000;
/// How far back one is looked for that a further place can be added to.
const NEAR: usize = 16;

/// Adds a finding of reading; where there are very many, its place alone.
pub(crate) fn tell(findings: &mut Vec<Finding>, finding: Finding) {
    let near = findings.len().saturating_sub(NEAR);
    let alike = |known: &&mut Finding| known.lint() == finding.lint();
    match findings[near..].iter_mut().rev().find(alike).filter(|_| near >= TOLD_ALONE) {
        Some(known) => known.also.extend(finding.places()),
        None => findings.push(finding),
    }
}

/// Reads the files of one firewall, all of one dialect, into one ruleset.
///
/// `sources` grows where a dialect includes files (nftables `include`, pf `include` and table files).
pub fn load(dialect: Dialect, sources: &mut SourceMap, files: &[SourceId], env: &Environment) -> Loaded {
    env.budget.begin(files.iter().map(|id| sources.file(*id).text.len() as u64).sum());
    let mut loaded = (dialect.language().load)(sources, files, env);
    assume::apply(&mut loaded, &env.assumptions);
    loaded
}

/// A finding for what would have cost more than the budget: `what` was left out, and stays unknown. Each
/// place says it once.
pub fn over_budget(span: Span, what: &str, exhausted: Exhausted) -> Finding {
    Finding::of(&PH006, span, format!("{what} is beyond {exhausted}")).label("not expanded").help(format!(
        "Write it shorter, or give more with `--budget {}=N`: verdicts that depend on it are unknown.",
        exhausted.resource.name()
    ))
}
