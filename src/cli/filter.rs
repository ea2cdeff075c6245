//! Words for lints on the command line.

use super::Failure;
use crate::rule::Lint;
use crate::site::Settings;

/// What the command line adds to the settings of the site file.
#[derive(Debug, Default)]
pub(super) struct Words<'a> {
    /// Replaces the site file's `select`.
    pub select: &'a [String],
    /// Comes on top of the site file's `ignore`.
    pub ignore: &'a [String],
}

impl Words<'_> {
    /// The settings with what the command line says.
    pub(super) fn apply(&self, settings: &mut Settings) -> Result<(), Failure> {
        if !self.select.is_empty() {
            settings.selection.only = Some(resolve(self.select, "--select")?);
        }
        settings.selection.without.extend(resolve(self.ignore, "--ignore")?);
        Ok(())
    }
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
