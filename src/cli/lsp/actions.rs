//! The changes that findings offer, as `pinhole check --fix` makes them.

use std::collections::HashMap;

use gen_lsp_types as lsp;

use super::view::{View, holds};
use super::{Server, place};
use crate::finding::Finding;
use crate::source::Span;

/// What can be done about what is found in a part of a document.
pub(super) fn offered<W>(server: &Server<'_, W>, asked: &lsp::CodeActionParams) -> Vec<lsp::CodeAction> {
    let path = place::path(&asked.text_document.uri.0);
    let (Some(view), Some(document)) = (&server.view, server.documents.get(&path)) else { return Vec::new() };
    let byte = |at| server.encoding.offset(&document.text, at);
    let (start, end) = (byte(asked.range.start), byte(asked.range.end));
    let (Some(start), Some(end)) = (view.offset(&path, start), view.offset(&path, end)) else {
        return Vec::new();
    };
    let range = Span::new(start, end);
    let wanted = asked
        .context
        .only
        .as_ref()
        .is_none_or(|only| only.iter().any(|kind| "quickfix".starts_with(kind.to_string().as_str())));
    if !wanted {
        return Vec::new();
    }
    let here = |finding: &&Finding| {
        finding.span.is_some_and(|span| {
            holds(span, range.start) || range.start <= span.start && span.start <= range.end
        })
    };
    let findings = view.groups.iter().flat_map(|group| &group.findings).filter(here);
    findings.filter_map(|finding| action(server, view, finding)).collect()
}

/// The change that a finding offers.
fn action<W>(server: &Server<'_, W>, view: &View, finding: &Finding) -> Option<lsp::CodeAction> {
    if finding.edits.is_empty() {
        return None;
    }
    let mut changes: HashMap<lsp::Uri, Vec<lsp::TextEdit>> = HashMap::new();
    for edit in &finding.edits {
        let (file, range) = place::placed(&view.sources, server.encoding, edit.span)?;
        let edits = changes.entry(server.uri(&file.path)).or_default();
        edits.push(lsp::TextEdit::new(range, edit.text.clone()));
    }
    let puts_in = finding.edits.iter().all(|edit| edit.span.start == edit.span.end);
    let goes = finding.edits.iter().all(|edit| edit.text.is_empty());
    let what = match (finding.takes_out(), finding.careful) {
        (true, true) => "take it out, and what it logs or counts with it",
        _ if goes => "take it out",
        _ if puts_in => "put in the lines that mend it",
        _ => "write it as was tried",
    };
    Some(lsp::CodeAction {
        title: format!("{} {}: {what}", finding.code(), finding.lint().name),
        kind: Some(lsp::CodeActionKind::QuickFix),
        diagnostics: None,
        is_preferred: Some(!finding.careful),
        disabled: None,
        edit: Some(lsp::WorkspaceEdit {
            changes: Some(changes),
            document_changes: None,
            change_annotations: None,
        }),
        command: None,
        data: None,
        tags: None,
    })
}
