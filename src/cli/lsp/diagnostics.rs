//! Findings as diagnostics.

use std::collections::BTreeMap;
use std::path::PathBuf;

use gen_lsp_types as lsp;

use super::Document;
use super::place::{self, Encoding};
use super::view::{Depth, View};
use crate::finding::Finding;
use crate::lint;
use crate::report;
use crate::rule::Severity;
use crate::source::{SourceMap, Span};

/// Diagnostics of one file that an editor gets; nobody reads more.
const MOST: usize = 1000;

/// By the names of files: their diagnostics.
type All = BTreeMap<String, Vec<lsp::Diagnostic>>;

/// What was told last, as far as it takes longer to find: it is told again, in its new place, until it is looked for
/// anew.
#[derive(Default)]
pub(super) struct Told {
    slow: BTreeMap<PathBuf, (String, Vec<lsp::Diagnostic>)>,
}

impl Told {
    /// The diagnostics of all files.
    pub(super) fn of(
        &mut self,
        view: &View,
        depth: Depth,
        encoding: Encoding,
        documents: &BTreeMap<PathBuf, &Document>,
    ) -> All {
        let mut all: All = documents.values().map(|document| (document.uri.0.clone(), Vec::new())).collect();
        let name = |path: &std::path::Path| match documents.get(&place::real(path)) {
            Some(document) => document.uri.clone(),
            None => place::uri(path),
        };
        if depth == Depth::Check {
            self.slow =
                documents.iter().map(|(path, one)| (path.clone(), (one.text.clone(), Vec::new()))).collect();
        }
        for (sources, finding) in view.findings() {
            let writer = Writer { sources, encoding, name: &name };
            let Some((path, diagnostic)) = writer.write(finding) else { continue };
            if depth == Depth::Check
                && lint::SEARCHED.contains(&finding.lint())
                && let Some((_, slow)) = self.slow.get_mut(&place::real(&path))
            {
                slow.push(diagnostic.clone());
            }
            all.entry(name(&path).0).or_default().push(diagnostic);
        }
        if depth == Depth::Glance {
            for (path, document) in documents {
                let Some((before, slow)) = self.slow.get(path) else { continue };
                let kept = slow.iter().filter_map(|one| moved(one, before, &document.text));
                all.entry(document.uri.0.clone()).or_default().extend(kept);
            }
        }
        for (path, why) in &view.unread {
            let start = lsp::Range::new(lsp::Position::new(0, 0), lsp::Position::new(0, 0));
            let severity = lsp::DiagnosticSeverity::Error;
            all.entry(name(path).0).or_default().push(plain(start, severity, why.clone()));
        }
        all.values_mut().for_each(cap);
        all
    }
}

fn plain(range: lsp::Range, severity: lsp::DiagnosticSeverity, message: String) -> lsp::Diagnostic {
    lsp::Diagnostic {
        range,
        severity: Some(severity),
        code: None,
        code_description: None,
        source: Some("pinhole".to_string()),
        message: message.into(),
        tags: None,
        related_information: None,
        data: None,
    }
}

/// Leaves out what is too much, and says so.
fn cap(diagnostics: &mut Vec<lsp::Diagnostic>) {
    let Some(left) = diagnostics.len().checked_sub(MOST).filter(|left| *left > 0) else { return };
    diagnostics.truncate(MOST);
    let start = lsp::Range::new(lsp::Position::new(0, 0), lsp::Position::new(0, 0));
    let message = format!("there is more to say of this file, {left} times; `pinhole check` says all");
    diagnostics.push(plain(start, lsp::DiagnosticSeverity::Information, message));
}

/// A diagnostic where its lines are now; `None` where they changed.
fn moved(diagnostic: &lsp::Diagnostic, before: &str, after: &str) -> Option<lsp::Diagnostic> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let head = old.iter().zip(&new).take_while(|(one, other)| one == other).count();
    let most = old.len().min(new.len()) - head;
    let tail =
        old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(one, other)| one == other).count();
    let (first, last) = (diagnostic.range.start.line as usize, diagnostic.range.end.line as usize);
    if last < head {
        return Some(diagnostic.clone());
    }
    if first < old.len() - tail {
        return None;
    }
    let to = |line: u32| (line as usize + new.len()).checked_sub(old.len()).map(|line| line as u32);
    let mut moved = diagnostic.clone();
    moved.range.start.line = to(moved.range.start.line)?;
    moved.range.end.line = to(moved.range.end.line)?;
    Some(moved)
}

struct Writer<'w, N> {
    sources: &'w SourceMap,
    encoding: Encoding,
    name: &'w N,
}

impl<N: Fn(&std::path::Path) -> lsp::Uri> Writer<'_, N> {
    /// The file of a finding, and what an editor shows there. What has no place is no editor's.
    fn write(&self, finding: &Finding) -> Option<(PathBuf, lsp::Diagnostic)> {
        let (file, range) = place::placed(self.sources, self.encoding, finding.span?)?;
        let severity = match finding.severity {
            Severity::Error => lsp::DiagnosticSeverity::Error,
            Severity::Warning => lsp::DiagnosticSeverity::Warning,
            Severity::Info => lsp::DiagnosticSeverity::Information,
        };
        let mut diagnostic = plain(range, severity, report::told(finding));
        diagnostic.code = Some(finding.code().to_string().into());
        diagnostic.tags = finding.takes_out().then(|| vec![lsp::DiagnosticTag::Unnecessary]);
        let related: Vec<lsp::DiagnosticRelatedInformation> =
            finding.related.iter().filter_map(|label| self.related(label.span, &label.message)).collect();
        diagnostic.related_information = (!related.is_empty()).then_some(related);
        Some((file.path.clone(), diagnostic))
    }

    fn related(&self, span: Span, message: &str) -> Option<lsp::DiagnosticRelatedInformation> {
        let (file, range) = place::placed(self.sources, self.encoding, span)?;
        let location = lsp::Location::new((self.name)(&file.path), range);
        Some(lsp::DiagnosticRelatedInformation::new(location, report::clean(message)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_again_is_where_its_lines_are() {
        let at = |line| {
            let place = lsp::Position::new(line, 0);
            plain(lsp::Range::new(place, place), lsp::DiagnosticSeverity::Warning, String::new())
        };
        let line = |before: &str, after: &str, line| Some(moved(&at(line), before, after)?.range.start.line);
        assert_eq!(line("a\nb\nc", "a\nb\nc", 2), Some(2));
        assert_eq!(line("a\nb\nc", "a\nx\nb\nc", 2), Some(3));
        assert_eq!(line("a\nb\nc", "a\nx\nb\nc", 0), Some(0));
        assert_eq!(line("a\nb\nc", "c", 2), Some(0));
        assert_eq!(line("a\nb\nc", "a\nB\nc", 1), None);
        assert_eq!(line("a\na\na", "a\na", 2), None);
        assert_eq!(line("a", "", 0), None);
    }
}
