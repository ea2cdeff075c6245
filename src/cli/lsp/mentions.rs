//! From names to what they are of, and back.

use std::path::Path;

use gen_lsp_types as lsp;

use super::view::View;
use super::{Asked, Server, locations};
use crate::dialect::mentions::{Mention, Thing};
use crate::source::{SourceId, Span};

/// A name in one of the files of a firewall.
struct Named {
    file: SourceId,
    mention: Mention,
}

impl Named {
    /// Its place in the address space.
    fn span(&self, view: &View) -> Span {
        let base = view.sources.file(self.file).base;
        Span::new(base + self.mention.span.start, base + self.mention.span.end)
    }
}

/// The names in all files of the firewall that a file is of.
fn names(view: &View, path: &Path) -> Vec<Named> {
    let Some((dialect, files)) = view.beside(path) else { return Vec::new() };
    let of = |file: SourceId| {
        let mentions = (dialect.language().mentions)(&view.sources.file(file).text);
        mentions.into_iter().map(move |mention| Named { file, mention })
    };
    files.into_iter().flat_map(of).collect()
}

/// Where names of what is asked about stand.
fn spans<W>(server: &Server<'_, W>, asked: &Asked, wanted: impl Fn(&Mention) -> bool) -> Vec<lsp::Location> {
    let Some(view) = &server.view else { return Vec::new() };
    let names = names(view, &asked.path);
    let here = |named: &&Named| {
        let span = named.span(view);
        span.start <= asked.offset && asked.offset <= span.end
    };
    let Some(this) = names.iter().find(here) else { return Vec::new() };
    let same = names.iter().filter(|named| named.mention.same(&this.mention) && wanted(&named.mention));
    locations(server, view, same.map(|named| named.span(view)))
}

/// Where the thing is made whose name stands at a place.
pub(super) fn definitions<W>(server: &Server<'_, W>, asked: &Asked) -> Vec<lsp::Location> {
    spans(server, asked, |mention| mention.defines)
}

/// Where the thing is named.
pub(super) fn references<W>(server: &Server<'_, W>, asked: &Asked, declared: bool) -> Vec<lsp::Location> {
    spans(server, asked, |mention| declared || !mention.defines)
}

/// What a document makes.
#[expect(deprecated, reason = "the field is there, and stays empty")]
pub(super) fn symbols<W>(server: &Server<'_, W>, path: &Path) -> Vec<lsp::DocumentSymbol> {
    let Some(view) = &server.view else { return Vec::new() };
    let symbol = |named: Named| {
        let file = view.sources.file(named.file);
        let span = named.span(view);
        let line = file.line_span(file.place(span.start).line);
        let Mention { thing, scope, name, .. } = named.mention;
        let of = if scope.is_empty() { String::new() } else { format!(" of {scope}") };
        lsp::DocumentSymbol {
            name,
            detail: Some(format!("{}{of}", thing.name())),
            kind: kind(thing),
            tags: None,
            deprecated: None,
            range: server.encoding.range(file, line.to(span)),
            selection_range: server.encoding.range(file, span),
            children: None,
        }
    };
    let here = |named: &Named| named.mention.defines && view.sources.file(named.file).path == path;
    names(view, path).into_iter().filter(here).map(symbol).collect()
}

fn kind(thing: Thing) -> lsp::SymbolKind {
    match thing {
        Thing::Chain | Thing::AccessList => lsp::SymbolKind::Function,
        Thing::Set | Thing::Object => lsp::SymbolKind::Array,
        Thing::Macro | Thing::Tag => lsp::SymbolKind::Variable,
        Thing::Anchor => lsp::SymbolKind::Module,
        Thing::Interface => lsp::SymbolKind::Interface,
        Thing::TimeRange | Thing::Class => lsp::SymbolKind::Object,
    }
}
