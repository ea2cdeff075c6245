//! Files of which nothing, or little, was read: they must not pass as files in which nothing is wrong.

use rustc_hash::FxHashSet;

use super::{Dialect, Environment, Loaded};
use crate::finding::Finding;
use crate::model::Ruleset;
use crate::rule::{Lint, PH001, PH002, PH005, Severity};
use crate::source::{SourceFile, SourceId, SourceMap, Span};

/// A finding for each file in which there is no rule, whose lines were mostly not understood, or none of
/// whose rules is ever reached.
pub fn findings(
    dialect: Dialect,
    sources: &SourceMap,
    files: &[SourceId],
    env: &Environment,
    loaded: &Loaded,
) -> Vec<Finding> {
    let effect = InEffect::new(&loaded.ruleset);
    let seen: Vec<Seen> =
        files.iter().map(|id| Seen::new(dialect, sources, *id, files, loaded, &effect)).collect();
    let any_rule = seen.iter().any(|seen| seen.reached > 0);
    let found = seen.iter().filter_map(|seen| {
        let (message, help) = seen.fault(dialect)?;
        let severity = match seen.lacks_rules_alone() {
            true if any_rule => Severity::Info,
            true if seen.policies > 0 => Severity::Warning,
            _ if env.told => Severity::Error,
            _ => Severity::Warning,
        };
        Some(Finding::of(&PH005, seen.file.line_span(1), message).severity(severity).help(help))
    });
    found.collect()
}

/// What came of one file.
struct Seen<'a> {
    file: &'a SourceFile,
    /// Lines that are neither blank nor a comment.
    lines: usize,
    /// Those that were not understood.
    unread: usize,
    /// Rules as written.
    rules: usize,
    /// Normalized rules that are reached by some traffic.
    reached: usize,
    /// Policies that are written in the file.
    policies: usize,
}

impl<'a> Seen<'a> {
    fn new(
        dialect: Dialect,
        sources: &'a SourceMap,
        id: SourceId,
        files: &[SourceId],
        loaded: &Loaded,
        effect: &InEffect,
    ) -> Seen<'a> {
        let file = sources.file(id);
        // What a file includes counts for it: one that is not asked for by itself.
        let belongs = |span: &&Span| {
            let others = files.iter().any(|other| *other != id && holds(sources.file(*other), **span));
            !others
        };
        let rules = loaded.rules.iter().filter(|(other, _)| *other == id || !files.contains(other));
        Seen {
            file,
            lines: file.text.lines().filter(|line| is_content(dialect, line)).count(),
            unread: unread_lines(dialect, file, &loaded.findings),
            rules: rules.map(|(_, rules)| rules).sum(),
            reached: effect.rules.iter().filter(belongs).count(),
            policies: effect.policies.iter().filter(belongs).count(),
        }
    }

    /// Everything was understood, and there is no rule in it.
    fn lacks_rules_alone(&self) -> bool {
        self.lines > 0 && self.unread == 0 && self.rules == 0
    }

    /// What is wrong with the file as a whole, and what to do.
    fn fault(&self, dialect: Dialect) -> Option<(String, String)> {
        // Without policies, security levels decide.
        let no_rule = self.rules == 0 && (self.reached == 0 || dialect.language().close.is_some());
        let message = if self.lines == 0 {
            "there is no rule in the file: it is empty, or holds nothing but comments".to_string()
        } else if self.unread * 2 > self.lines {
            match self.lines {
                1 => "the only line of the file was not understood".to_string(),
                lines => format!("{} of {lines} lines were not understood", self.unread),
            }
        } else if no_rule && self.policies > 0 {
            "there is no rule in the file, only policies".to_string()
        } else if no_rule {
            match self.lines {
                1 => "there is no rule in the file: its only line holds none".to_string(),
                lines => format!("there is no rule in the file: none of its {lines} lines holds one"),
            }
        } else if self.reached == 0 && self.policies == 0 && !dialect.language().one_filter {
            // Where all rules are of one filter, those of which nothing is left decide nothing.
            let rules = if self.rules == 1 { "the only rule" } else { "none of the rules" };
            let not = if self.rules == 1 { "is not" } else { "is" };
            format!("{rules} in the file {not} reached by traffic through or to the firewall")
        } else {
            return None;
        };
        let whole = dialect.language().whole;
        Some((
            message,
            format!("Give the whole of {whole}; if it is in another language, name that with `--dialect`."),
        ))
    }
}

fn holds(file: &SourceFile, span: Span) -> bool {
    let whole = file.span();
    whole.start <= span.start && span.start <= whole.end
}

fn is_content(dialect: Dialect, line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with(dialect.language().comments)
}

/// How many lines with content a finding says are not understood. What commands do that are passed over
/// is not known either, though they are no syntax errors.
fn unread_lines(dialect: Dialect, file: &SourceFile, findings: &[Finding]) -> usize {
    let unknown = |lint: &Lint| *lint == PH001 || dialect.language().passes_over_commands && *lint == PH002;
    let mut lines: FxHashSet<u32> = FxHashSet::default();
    let mut last = 0;
    for span in findings.iter().filter(|finding| unknown(finding.lint())).flat_map(Finding::places) {
        if !holds(file, span) {
            continue;
        }
        let (first, end) = (file.place(span.start).line, file.place(span.end.max(span.start + 1) - 1).line);
        // A fault that spans many lines is counted once, however many others lie within it.
        lines.extend(first.max(if first <= last { last } else { 0 })..=end.max(first));
        last = last.max(end);
    }
    let text = |line: u32| {
        let span = file.line_span(line);
        &file.text[(span.start - file.base) as usize..(span.end - file.base) as usize]
    };
    lines.iter().filter(|line| is_content(dialect, text(**line))).count()
}

/// What traffic can come to: the rules of the chains that stages walk, and written policies.
struct InEffect {
    rules: Vec<Span>,
    policies: Vec<Span>,
}

impl InEffect {
    fn new(ruleset: &Ruleset) -> InEffect {
        let stages = ruleset.hooks.iter().flatten();
        let reached = ruleset.reached(stages.clone().map(|stage| stage.chain));
        let all = reached.into_iter().flat_map(|chain| &ruleset.chain(chain).rules);
        // What no line causes is not of the file.
        let rules = all.map(|rule| rule.span()).filter(|span| span.start < span.end).collect();
        let policies = stages
            .filter(|stage| stage.policy_origin.is_written())
            .map(|stage| stage.policy_origin.span())
            .collect();
        InEffect { rules, policies }
    }
}
