//! Which rules count, on the command line.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::Failure;
use crate::finding::Finding;
use crate::rule::{Lint, Severity};
use crate::site::Settings;

/// How sure a finding is.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Certainty {
    /// It holds whatever the files do not tell
    Definite,
    /// It may depend on that
    #[default]
    Possible,
}

/// What the command line adds to the settings of the site file.
#[derive(Args, Debug, Default)]
pub(super) struct FilterArgs {
    /// The least severity that makes the exit code 1 (default: error)
    #[arg(long, value_name = "SEVERITY", value_parser = severity(), env = "PINHOLE_FAIL_ON")]
    pub fail_on: Option<Severity>,
    /// Print no findings that are less severe; they fail the run as before, and are counted
    #[arg(long, value_name = "SEVERITY", value_parser = severity())]
    pub min_severity: Option<Severity>,
    /// Which findings to report: `possible` are those, too, that depend on what the files do not tell
    #[arg(long, value_enum, default_value_t)]
    pub certainty: Certainty,
    /// Only these rules, by code (`PH201`, or `PH2` for all that start so) or name
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub select: Vec<String>,
    /// Not these rules
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub ignore: Vec<String>,
}

impl FilterArgs {
    /// The settings with what the command line says: `--select` replaces the site file's `select`, `--ignore` comes on
    /// top of its `ignore`.
    pub(super) fn apply(&self, settings: &mut Settings) -> Result<(), Failure> {
        if !self.select.is_empty() {
            settings.selection.only = Some(resolve(&self.select, "--select")?);
        }
        settings.selection.without.extend(resolve(&self.ignore, "--ignore")?);
        Ok(())
    }

    /// Whether to report a finding at all.
    pub(super) fn is_certain_enough(&self, finding: &Finding) -> bool {
        self.certainty == Certainty::Possible || finding.depends_on.is_empty()
    }

    /// Whether to print a finding.
    pub(super) fn shows(&self, finding: &Finding) -> bool {
        self.min_severity.is_none_or(|least| finding.severity >= least)
    }

    /// The least severity that fails.
    pub(super) fn fail_on(&self, settings: &Settings) -> Severity {
        self.fail_on.or(settings.fail_on).unwrap_or(Severity::Error)
    }
}

pub(super) fn severity() -> impl TypedValueParser<Value = Severity> {
    PossibleValuesParser::new(Severity::ALL.map(Severity::name))
        .try_map(|word| Severity::named(&word).ok_or("no severity"))
}

fn resolve(words: &[String], option: &str) -> Result<Vec<&'static Lint>, Failure> {
    let mut found = Vec::new();
    for word in words {
        found.extend(find(word).map_err(|error| Failure::usage(format!("{option}: {error}")))?);
    }
    Ok(found)
}

/// The lints that a word names.
pub(super) fn find(word: &str) -> Result<Vec<&'static Lint>, String> {
    Lint::select(word).map_err(|near| match near {
        Some(near) => format!("there is no rule `{word}`; did you mean `{near}`?"),
        None => format!("there is no rule `{word}`; `pinhole rule` lists all"),
    })
}
