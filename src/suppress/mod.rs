//! What is found and not told: a comment in the config says so, the site file, or a baseline.

mod baseline;
mod comment;
mod line;
pub(crate) mod meaning;

use std::path::{Path, PathBuf};

use crate::dialect::Dialect;
use crate::finding::Finding;
use crate::rule::{Lint, PH009, PH010, PH615};
use crate::site::{Date, Ignore, Settings};
use crate::source::{SourceId, SourceMap, Span};

pub(crate) use baseline::{Baseline, BaselineError, File as BaselineFile};
use comment::Directive;

/// What was checked, as far as it matters for what is not told.
pub(crate) struct Checked<'a> {
    /// How to check the site.
    pub settings: &'a Settings,
    /// The files that were read, with their languages.
    pub files: Vec<(SourceId, Dialect)>,
    /// All that the site file speaks of was read: what nothing needed can be removed.
    pub whole: bool,
    /// The day.
    pub today: Date,
    /// Where the spans lead.
    pub sources: &'a SourceMap,
    /// Neither comments nor the site file keep anything back.
    pub everything: bool,
}

/// The findings that are told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// With the severities of this site.
    pub findings: Vec<Finding>,
    /// How many the site file accepts.
    pub ignored: usize,
    /// How many are left out by comments.
    pub suppressed: usize,
}

impl Checked<'_> {
    /// Leaves out what is not selected, what the site file accepts and what comments are for; sets severities; and says
    /// which of these were of no use.
    pub(crate) fn tell(&self, mut findings: Vec<Finding>) -> Told {
        let mut comments = if self.everything { Comments::default() } else { Comments::read(self) };
        let mut accepted = if self.everything { Vec::new() } else { self.accepted() };
        findings.append(&mut comments.broken);
        let mut told = Told::default();
        for finding in findings {
            if !self.settings.selection.has(finding.lint()) {
                continue;
            }
            let commented = comments.leave_out(&finding);
            let ignored = self.accepts(&mut accepted, &finding);
            match (ignored, commented) {
                (true, _) => told.ignored += 1,
                (false, true) => told.suppressed += 1,
                (false, false) => told.findings.push(finding),
            }
        }
        let useless = comments.useless(self).into_iter().chain(self.unused(&accepted));
        for finding in useless.filter(|finding| self.settings.selection.has(finding.lint())) {
            // What the site file accepts it may accept of these as well.
            match self.accepts(&mut accepted, &finding) {
                true => told.ignored += 1,
                false => told.findings.push(finding),
            }
        }
        for finding in &mut told.findings {
            if let Some(severity) = self.settings.severity.get(finding.lint()) {
                finding.severity = *severity;
            }
        }
        told
    }

    fn accepted(&self) -> Vec<Accepted<'_>> {
        let entries = self.settings.accepted.iter().filter(|entry| !entry.expired(self.today));
        entries
            .map(|entry| Accepted { entry, place: entry.file.as_deref().map(full), used: Vec::new() })
            .collect()
    }

    fn accepts(&self, accepted: &mut [Accepted<'_>], finding: &Finding) -> bool {
        if accepted.is_empty() {
            return false;
        }
        let file = finding.span.and_then(|span| self.sources.file_of(span)).map(|file| full(&file.path));
        let mut any = false;
        for entry in accepted {
            let covers = entry.entry.lints.contains(&finding.lint())
                && entry
                    .place
                    .as_ref()
                    .is_none_or(|place| file.as_ref().is_some_and(|file| file.starts_with(place)));
            if covers && !entry.used.contains(&finding.lint()) {
                entry.used.push(finding.lint());
            }
            any |= covers;
        }
        any
    }

    /// Entries of the site file that accept nothing.
    fn unused(&self, accepted: &[Accepted<'_>]) -> Vec<Finding> {
        let read: Vec<PathBuf> =
            self.files.iter().map(|(id, _)| full(&self.sources.file(*id).path)).collect();
        let was_read = |entry: &&Accepted<'_>| {
            self.whole || entry.place.as_ref().is_some_and(|place| read.contains(place))
        };
        let idle = |entry: &&Accepted<'_>| {
            entry.used.is_empty() && entry.entry.lints.iter().all(|lint| self.settings.selection.has(lint))
        };
        let unused = accepted.iter().filter(was_read).filter(idle).map(|entry| {
            let help = "Remove the entry: what it was written for is gone.";
            let finding = Finding::of(&PH615, entry.entry.span, "this entry accepts no finding");
            finding.label(format!("accepted because: {}", entry.entry.reason)).help(help)
        });
        unused.collect()
    }
}

/// An entry of the site file, and the lints of which it accepted a finding.
struct Accepted<'a> {
    entry: &'a Ignore,
    place: Option<PathBuf>,
    used: Vec<&'static Lint>,
}

/// All comments of all files.
#[derive(Default)]
struct Comments {
    /// Ordered by where that begins which they are for.
    all: Vec<Entry>,
    broken: Vec<Finding>,
}

struct Entry {
    directive: Directive,
    expired: bool,
    /// The lints of which it left a finding out.
    used: Vec<&'static Lint>,
    /// The end of what this or an earlier one is for.
    reach: u32,
}

impl Comments {
    fn read(checked: &Checked<'_>) -> Comments {
        let mut comments = Comments::default();
        for (id, dialect) in &checked.files {
            let found = comment::read(checked.sources.file(*id), *dialect);
            comments.broken.extend(found.broken);
            let expired = |directive: &Directive| directive.until.is_some_and(|last| last < checked.today);
            comments.all.extend(found.all.into_iter().map(|directive| Entry {
                expired: expired(&directive),
                used: Vec::new(),
                reach: 0,
                directive,
            }));
        }
        comments.all.sort_by_key(|entry| entry.directive.target);
        let mut reach = 0;
        for entry in &mut comments.all {
            reach = reach.max(entry.directive.target.end);
            entry.reach = reach;
        }
        comments
    }

    /// Whether a comment leaves a finding out.
    fn leave_out(&mut self, finding: &Finding) -> bool {
        let Some(span) = finding.span else { return false };
        let last = self.all.partition_point(|entry| entry.directive.target.start <= span.end);
        let mut any = false;
        for entry in self.all[..last].iter_mut().rev().take_while(|entry| entry.reach >= span.start) {
            let directive = &entry.directive;
            if directive.lints.contains(&finding.lint()) && meets(directive.target, span) {
                if !entry.used.contains(&finding.lint()) {
                    entry.used.push(finding.lint());
                }
                any |= !entry.expired;
            }
        }
        any
    }

    /// Comments whose last day is over, and those that leave nothing out.
    fn useless(&self, checked: &Checked<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for entry in &self.all {
            let directive = &entry.directive;
            let because = format!("left out because: {}", directive.reason);
            let finding = if let (true, Some(last)) = (entry.expired, directive.until) {
                let help =
                    "Look at what it hid: mend the cause and remove the comment, or give it a new last day.";
                Finding::of(&PH010, directive.span, format!("this comment expired after {last}")).help(help)
            } else {
                let idle = entry.idle(checked.settings);
                if idle.is_empty() {
                    continue;
                }
                let (message, help) = match idle.len() == directive.words.len() {
                    true => (
                        "this comment leaves no finding out".to_string(),
                        "Remove the comment: what it was written for is gone.",
                    ),
                    false => (
                        format!("this comment leaves out no finding of {}", idle.join(", ")),
                        "Remove what is not needed from its brackets.",
                    ),
                };
                let mut finding = Finding::of(&PH009, directive.span, message).help(help);
                if idle.len() == directive.words.len() {
                    finding.edits.extend(directive.removal.clone());
                }
                finding
            };
            findings.push(finding.label(because));
        }
        findings
    }
}

impl Entry {
    /// The words in its brackets by which nothing was left out, of those whose lints were all asked.
    fn idle(&self, settings: &Settings) -> Vec<String> {
        let mut at = 0;
        let mut idle = Vec::new();
        for (word, count) in &self.directive.words {
            let lints = &self.directive.lints[at..at + count];
            at += count;
            let asked = lints.iter().all(|lint| settings.selection.has(lint));
            if asked && !lints.iter().any(|lint| self.used.contains(lint)) {
                idle.push(format!("`{word}`"));
            }
        }
        idle
    }
}

/// Whether two places have something in common; one that is empty is where it stands.
fn meets(target: Span, span: Span) -> bool {
    span.start <= target.end && (span.end > target.start || span.start == target.start)
}

/// A path in its one form, for comparing.
fn full(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

#[cfg(test)]
mod tests;
