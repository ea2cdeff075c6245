//! Which findings are told, and how severe they are here.

use std::path::{Path, PathBuf};

use super::Failure;
use crate::finding::Finding;
use crate::rule::Lint;
use crate::site::{Date, Settings};
use crate::source::SourceMap;

/// The findings that are told.
pub struct Filtered {
    /// With the severities of this site.
    pub findings: Vec<Finding>,
    /// How many the site file accepts.
    pub ignored: usize,
}

/// What the command line adds to the settings of the site file.
#[derive(Debug, Default)]
pub struct Words<'a> {
    /// Replaces the site file's `select`.
    pub select: &'a [String],
    /// Comes on top of the site file's `ignore`.
    pub ignore: &'a [String],
}

impl Words<'_> {
    /// The settings with what the command line says.
    pub fn apply(&self, settings: &mut Settings) -> Result<(), Failure> {
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
pub fn find(word: &str) -> Result<Vec<&'static Lint>, String> {
    Lint::select(word).map_err(|near| match near {
        Some(near) => format!("there is no rule `{word}`; did you mean `{near}`?"),
        None => format!("there is no rule `{word}`; `pinhole rule` lists all"),
    })
}

/// Leaves out what is not selected and what the site file accepts, and sets severities.
pub fn filter(findings: Vec<Finding>, settings: &Settings, today: Date, sources: &SourceMap) -> Filtered {
    let accepted: Vec<(&[&Lint], Option<PathBuf>)> = settings
        .accepted
        .iter()
        .filter(|entry| !entry.expired(today))
        .map(|entry| (entry.lints.as_slice(), entry.file.as_deref().map(full)))
        .collect();
    let mut out = Filtered { findings: Vec::new(), ignored: 0 };
    for mut finding in findings {
        let lint = finding.lint();
        if !settings.selection.has(lint) {
            continue;
        }
        let file = || finding.span.and_then(|span| sources.file_of(span)).map(|file| full(&file.path));
        let covers = |(lints, place): &(&[&Lint], Option<PathBuf>)| {
            lints.contains(&lint)
                && place.as_ref().is_none_or(|place| file().is_some_and(|file| file.starts_with(place)))
        };
        if accepted.iter().any(covers) {
            out.ignored += 1;
            continue;
        }
        if let Some(severity) = settings.severity.get(lint) {
            finding.severity = *severity;
        }
        out.findings.push(finding);
    }
    out
}

/// A path in its one form, for comparing.
fn full(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::{PH101, PH201, PH202, PH301, Selection, Severity};
    use crate::site::Ignore;
    use crate::source::Span;

    #[test]
    fn selection_acceptance_and_severity() {
        let mut sources = SourceMap::new();
        sources.add("site/a.rules", b"aa".to_vec()).unwrap();
        sources.add("site/b.rules", b"bb".to_vec()).unwrap();
        let at = |lint, start| Finding::of(lint, Span::new(start, start + 1), "m").severity(Severity::Info);
        let findings = || vec![at(&PH101, 0), at(&PH201, 0), at(&PH201, 3), at(&PH202, 3), at(&PH301, 3)];
        let day = |day| Date { year: 2026, month: 5, day };
        let settings = Settings {
            selection: Selection { only: Some(vec![&PH101, &PH201, &PH202]), without: vec![&PH202] },
            severity: [(&PH101, Severity::Error)].into(),
            accepted: vec![Ignore {
                lints: vec![&PH201],
                file: Some("site/a.rules".into()),
                reason: "known".into(),
                expires: Some(day(10)),
                span: Span::default(),
            }],
            ..Settings::default()
        };
        let told = |today| {
            let out = filter(findings(), &settings, today, &sources);
            let told: Vec<(&str, Severity)> = out.findings.iter().map(|f| (f.code(), f.severity)).collect();
            (told, out.ignored)
        };
        let (first, other) = (("PH101", Severity::Error), ("PH201", Severity::Info));
        assert_eq!(told(day(10)), (vec![first, other], 1));
        assert_eq!(told(day(11)), (vec![first, other, other], 0));
    }
}
