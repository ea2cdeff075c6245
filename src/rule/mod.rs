//! The lints, each bound to its page in `rules/lints`.
//!
//! A page is all that a lint needs to exist: the build reads its head and makes a static of it, named by the code.
//! Whoever finds what the page describes makes a finding of it.

mod framework;
mod selection;

use std::fmt;

pub use framework::{FRAMEWORKS, Framework};
pub use selection::Selection;

use crate::spelling::nearest;

include!(concat!(env!("OUT_DIR"), "/rules.rs"));

/// What pinhole can find, and where that is described.
pub struct Lint {
    /// Such as `PH101`; it never changes its meaning.
    pub code: &'static str,
    /// Such as `blocked-mandatory-port`.
    pub name: &'static str,
    /// The version of pinhole that has it first.
    pub since: &'static str,
    /// How settled it is.
    pub status: Status,
    /// The names of the dialects that it reads; none where it is about the site file.
    pub dialects: &'static [&'static str],
    /// How bad its findings are, where they or the site file do not say otherwise.
    pub severity: Severity,
    /// Earlier names, still understood.
    pub aliases: &'static [&'static str],
    /// Controls of security frameworks that it serves, such as `nist-sp-800-41r1:4.2`.
    pub frameworks: &'static [&'static str],
    /// Whether a comment in a config can leave its findings out.
    pub suppressible: bool,
    /// What it finds, in one line: the page's first paragraph.
    pub summary: &'static str,
    /// The page without its head, in Markdown.
    pub text: &'static str,
}

/// How bad a finding is. The order is that of weight.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Probably wrong.
    Warning,
    /// Wrong: something is broken or dangerous.
    Error,
}

impl Severity {
    /// All of them, the lightest first.
    pub const ALL: [Severity; 3] = [Severity::Info, Severity::Warning, Severity::Error];

    /// The word that reports print.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }

    /// The severity of a word.
    pub fn named(word: &str) -> Option<Severity> {
        Severity::ALL.into_iter().find(|severity| severity.name() == word)
    }
}

/// How settled a lint is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Its findings may still change.
    Preview,
    /// Its findings are what its page says.
    Stable,
    /// It will go.
    Deprecated,
}

impl Status {
    /// The word that pages use.
    pub fn name(self) -> &'static str {
        match self {
            Status::Preview => "preview",
            Status::Stable => "stable",
            Status::Deprecated => "deprecated",
        }
    }
}

impl Lint {
    /// The lints that a word stands for: a code in either case, a name, or the start of a code with at least one
    /// digit, such as `PH2`. The error is the nearest word that would have been understood.
    pub fn select(word: &str) -> Result<Vec<&'static Lint>, Option<&'static str>> {
        let upper = word.to_ascii_uppercase();
        let prefix = upper.len() > 2 && upper.starts_with("PH");
        let is_meant = |lint: &&&Lint| {
            lint.name == word || lint.aliases.contains(&word) || prefix && lint.code.starts_with(&upper)
        };
        let found: Vec<&'static Lint> = LINTS.iter().filter(is_meant).copied().collect();
        if found.is_empty() {
            return Err(nearest(word, LINTS.iter().flat_map(|lint| [lint.code, lint.name])));
        }
        Ok(found)
    }
}

/// Lints are told apart by their codes.
impl PartialEq for Lint {
    fn eq(&self, other: &Lint) -> bool {
        self.code == other.code
    }
}

impl Eq for Lint {}

impl PartialOrd for Lint {
    fn partial_cmp(&self, other: &Lint) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Lint {
    fn cmp(&self, other: &Lint) -> std::cmp::Ordering {
        self.code.cmp(other.code)
    }
}

impl std::hash::Hash for Lint {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.code.hash(state);
    }
}

impl fmt::Debug for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

#[cfg(test)]
mod tests;
