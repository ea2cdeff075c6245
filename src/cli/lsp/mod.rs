//! `pinhole lsp`: the server for editors, over standard input and output.
//!
//! One thread reads messages, the other answers them. Changes that have come in are all taken up before anything is
//! looked at; then comes what is found at once, and what takes longer when the editor is silent for a moment.

mod actions;
mod diagnostics;
mod hover;
mod mentions;
mod place;
mod view;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::time::Duration;

use clap::Args;
use gen_lsp_types as lsp;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use super::Failure;
use place::Encoding;
use view::{Depth, View};
use wire::Code;

/// How long an editor is silent before it is looked for what takes longer.
const SILENCE: Duration = Duration::from_millis(150);

/// Arguments of `pinhole lsp`.
#[derive(Args, Debug)]
pub(super) struct LspArgs {
    /// A folder with more products for the catalog; repeatable
    #[arg(long = "catalog", value_name = "DIR", env = "PINHOLE_CATALOG", value_delimiter = ':')]
    catalogs: Vec<PathBuf>,
    /// Speak over standard input and output, as it does anyhow: editors say so
    #[arg(long)]
    stdio: bool,
}

/// Runs `pinhole lsp`. The exit code is 0 where the editor said `shutdown` before `exit`, else 1.
pub(super) fn run(args: &LspArgs) -> Result<u8, Failure> {
    // What an editor gets is no terminal's: text goes there as it is.
    serve(args.catalogs.clone(), || io::stdin().lock(), &mut io::stdout().lock())
}

/// Answers the messages of an editor.
pub(super) fn serve<I: BufRead>(
    catalogs: Vec<PathBuf>,
    open: impl FnOnce() -> I + Send + 'static,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let (sender, messages) = channel();
    let read = move || {
        let mut input = open();
        loop {
            let read = wire::read(&mut input).transpose();
            let last = !matches!(read, Some(Ok(_)));
            let sent = read.is_none_or(|message| sender.send(message).is_ok());
            if last || !sent {
                break;
            }
        }
    };
    std::thread::Builder::new()
        .spawn(read)
        .map_err(|error| Failure::usage(format!("cannot start a thread: {error}")))?;
    let mut server = Server::new(catalogs, out);
    let ended = server.serve(&messages)?;
    Ok(u8::from(!ended))
}

/// A message, or why its body cannot be understood; an error ends the stream.
type Read = io::Result<Result<Json, String>>;

/// A document that an editor has open.
struct Document {
    /// As the editor names it.
    uri: lsp::Uri,
    version: i32,
    text: String,
}

/// What is left to look at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pending {
    Nothing,
    /// Texts changed.
    Glance,
    /// What is found at once was told.
    Check,
}

/// What an editor and the server agreed upon, and what both know.
struct Server<'o, W> {
    out: &'o mut W,
    catalogs: Vec<PathBuf>,
    encoding: Encoding,
    /// The editor said `initialize`.
    begun: bool,
    /// The editor said `shutdown`.
    shut: bool,
    documents: BTreeMap<PathBuf, Document>,
    pending: Pending,
    /// The documents as they were looked at last.
    view: Option<View>,
    told: diagnostics::Told,
    /// The files with diagnostics on the editor's screen.
    shown: BTreeSet<String>,
}

/// What a message comes to.
enum Next {
    Go,
    /// The end, and whether it was announced.
    End(bool),
}

impl<'o, W: Write> Server<'o, W> {
    fn new(catalogs: Vec<PathBuf>, out: &'o mut W) -> Self {
        Server {
            out,
            catalogs,
            encoding: Encoding::default(),
            begun: false,
            shut: false,
            documents: BTreeMap::new(),
            pending: Pending::Nothing,
            view: None,
            told: diagnostics::Told::default(),
            shown: BTreeSet::new(),
        }
    }

    /// Answers messages until the editor goes; whether it did so in order.
    fn serve(&mut self, messages: &Receiver<Read>) -> Result<bool, Failure> {
        loop {
            let read = match self.pending {
                Pending::Nothing => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Pending::Glance => messages.try_recv().map_err(|error| match error {
                    TryRecvError::Empty => RecvTimeoutError::Timeout,
                    TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
                }),
                Pending::Check => messages.recv_timeout(SILENCE),
            };
            match read {
                Ok(Ok(Ok(message))) => {
                    if let Next::End(announced) = self.take(message)? {
                        return Ok(announced);
                    }
                }
                Ok(Ok(Err(why))) => self.send(&wire::refusal(&Json::Null, Code::Parse, &why))?,
                Ok(Err(error)) => return Err(Failure::usage(format!("standard input: {error}"))),
                Err(RecvTimeoutError::Timeout) => self.work()?,
                Err(RecvTimeoutError::Disconnected) => return Ok(false),
            }
        }
    }

    /// Does the next part of what is left.
    fn work(&mut self) -> Result<(), Failure> {
        match self.pending {
            Pending::Nothing => Ok(()),
            Pending::Glance => {
                self.look(Depth::Glance);
                self.pending = Pending::Check;
                self.publish(Depth::Glance)
            }
            Pending::Check => self.settle(),
        }
    }

    /// Does all that is left: what is asked is answered of the texts as they are.
    fn settle(&mut self) -> Result<(), Failure> {
        if self.pending == Pending::Nothing {
            return Ok(());
        }
        self.look(Depth::Check);
        self.pending = Pending::Nothing;
        self.publish(Depth::Check)
    }

    fn look(&mut self, depth: Depth) {
        let texts: Vec<(PathBuf, String)> =
            self.documents.iter().map(|(path, document)| (path.clone(), document.text.clone())).collect();
        self.view = Some(View::of(&texts, &self.catalogs, depth));
    }

    fn send(&mut self, message: &Json) -> Result<(), Failure> {
        Ok(wire::write(message, self.out)?)
    }

    fn publish(&mut self, depth: Depth) -> Result<(), Failure> {
        let Some(view) = &self.view else { return Ok(()) };
        let names: BTreeMap<PathBuf, &Document> =
            self.documents.iter().map(|(path, document)| (place::real(path), document)).collect();
        let mut all = self.told.of(view, depth, self.encoding, &names);
        // What was shown and is gone is taken away.
        for uri in &self.shown {
            all.entry(uri.clone()).or_default();
        }
        let versions: BTreeMap<&str, i32> =
            self.documents.values().map(|document| (document.uri.0.as_str(), document.version)).collect();
        let mut messages = Vec::new();
        for (uri, diagnostics) in &all {
            let version = versions.get(uri.as_str()).copied();
            let params = lsp::PublishDiagnosticsParams {
                uri: lsp::Uri(uri.clone()),
                version,
                diagnostics: diagnostics.clone(),
            };
            messages.push(wire::notice("textDocument/publishDiagnostics", json!(params)));
        }
        self.shown = all.into_iter().filter(|(_, some)| !some.is_empty()).map(|(uri, _)| uri).collect();
        messages.iter().try_for_each(|message| self.send(message))
    }

    /// Takes a message.
    fn take(&mut self, message: Json) -> Result<Next, Failure> {
        let method = message.get("method").and_then(Json::as_str).map(str::to_string);
        let id = message.get("id").filter(|id| id.is_number() || id.is_string()).cloned();
        let params = message.get("params").cloned().unwrap_or(Json::Null);
        match (method, id) {
            (Some(method), Some(id)) => {
                let answer = match self.request(&method, params) {
                    Ok(result) => wire::answer(&id, result),
                    Err(Refused::Failure(failure)) => return Err(failure),
                    Err(Refused::For(code, why)) => wire::refusal(&id, code, &why),
                };
                self.send(&answer)?;
            }
            (Some(method), None) if method == "exit" => return Ok(Next::End(self.shut)),
            // What cannot be understood of a notification cannot be answered.
            (Some(method), None) if self.begun && !self.shut => self.notification(&method, params),
            (Some(_), None) => {}
            // An answer to something that was never asked.
            (None, Some(_)) if message.get("result").or(message.get("error")).is_some() => {}
            (None, id) => {
                let id = id.unwrap_or(Json::Null);
                self.send(&wire::refusal(&id, Code::InvalidRequest, "this is no request"))?;
            }
        }
        Ok(Next::Go)
    }

    fn request(&mut self, method: &str, params: Json) -> Result<Json, Refused> {
        if method == "initialize" && !self.begun {
            return self.initialize(&params);
        }
        if !self.begun {
            return Err(Refused::For(Code::NotInitialized, "`initialize` comes first".to_string()));
        }
        if self.shut || method == "initialize" {
            return Err(Refused::For(Code::InvalidRequest, format!("`{method}` comes too late")));
        }
        match method {
            "shutdown" => {
                self.shut = true;
                Ok(Json::Null)
            }
            "textDocument/hover" => {
                let asked: lsp::HoverParams = parsed(params)?;
                self.at(&asked.text_document_position_params, |server, asked| json!(hover::at(server, asked)))
            }
            "textDocument/definition" => {
                let asked: lsp::DefinitionParams = parsed(params)?;
                self.at(&asked.text_document_position_params, |server, asked| {
                    json!(mentions::definitions(server, asked))
                })
            }
            "textDocument/references" => {
                let params: lsp::ReferenceParams = parsed(params)?;
                let declared = params.context.include_declaration;
                self.at(&params.text_document_position_params, |server, asked| {
                    json!(mentions::references(server, asked, declared))
                })
            }
            "textDocument/documentSymbol" => {
                let asked: lsp::DocumentSymbolParams = parsed(params)?;
                self.settle()?;
                Ok(json!(mentions::symbols(self, &place::path(&asked.text_document.uri.0))))
            }
            "textDocument/codeAction" => {
                let asked: lsp::CodeActionParams = parsed(params)?;
                self.settle()?;
                Ok(json!(actions::offered(self, &asked)))
            }
            _ => Err(Refused::For(Code::UnknownMethod, format!("there is no method `{method}`"))),
        }
    }

    /// Answers a question about a place, of the texts as they are.
    fn at(
        &mut self,
        asked: &lsp::TextDocumentPositionParams,
        answer: impl FnOnce(&Self, &Asked) -> Json,
    ) -> Result<Json, Refused> {
        self.settle()?;
        let path = place::path(&asked.text_document.uri.0);
        let Some(document) = self.documents.get(&path) else { return Ok(Json::Null) };
        let byte = self.encoding.offset(&document.text, asked.position);
        let offset = self.view.as_ref().and_then(|view| view.offset(&path, byte));
        Ok(offset.map_or(Json::Null, |offset| answer(self, &Asked { path, offset })))
    }

    fn initialize(&mut self, params: &Json) -> Result<Json, Refused> {
        self.begun = true;
        let offered = params.pointer("/capabilities/general/positionEncodings").and_then(Json::as_array);
        if offered.is_some_and(|offered| offered.iter().any(|one| one == "utf-8")) {
            self.encoding = Encoding::Utf8;
        }
        Ok(json!({
            "serverInfo": { "name": "pinhole", "version": env!("CARGO_PKG_VERSION") },
            "capabilities": {
                "positionEncoding": match self.encoding {
                    Encoding::Utf8 => "utf-8",
                    Encoding::Utf16 => "utf-16",
                },
                "textDocumentSync": { "openClose": true, "change": 2, "save": { "includeText": false } },
                "hoverProvider": true,
                "definitionProvider": true,
                "referencesProvider": true,
                "documentSymbolProvider": true,
                "codeActionProvider": { "codeActionKinds": ["quickfix"] },
            },
        }))
    }

    fn notification(&mut self, method: &str, params: Json) {
        match method {
            "textDocument/didOpen" => {
                let Ok(opened) = serde_json::from_value::<lsp::DidOpenTextDocumentParams>(params) else {
                    return;
                };
                let lsp::TextDocumentItem { uri, version, text, .. } = opened.text_document;
                self.documents.insert(place::path(&uri.0), Document { uri, version, text });
                self.pending = Pending::Glance;
            }
            "textDocument/didChange" => {
                let Ok(changed) = serde_json::from_value::<lsp::DidChangeTextDocumentParams>(params) else {
                    return;
                };
                self.change(changed);
            }
            "textDocument/didClose" => {
                let Ok(closed) = serde_json::from_value::<lsp::DidCloseTextDocumentParams>(params) else {
                    return;
                };
                self.documents.remove(&place::path(&closed.text_document.uri.0));
                self.pending = Pending::Glance;
            }
            "textDocument/didSave" | "workspace/didChangeWatchedFiles" if !self.documents.is_empty() => {
                self.pending = Pending::Glance;
            }
            _ => {}
        }
    }

    fn change(&mut self, changed: lsp::DidChangeTextDocumentParams) {
        let asked = changed.text_document;
        let uri = asked.text_document_identifier.uri;
        let Some(document) = self.documents.get_mut(&place::path(&uri.0)) else { return };
        document.version = asked.version;
        for change in changed.content_changes {
            use lsp::TextDocumentContentChangeEvent as Event;
            match change {
                Event::TextDocumentContentChangeWholeDocument(whole) => document.text = whole.text,
                Event::TextDocumentContentChangePartial(part) => {
                    let start = self.encoding.offset(&document.text, part.range.start);
                    let end = self.encoding.offset(&document.text, part.range.end);
                    document.text.replace_range(start..end.max(start), &part.text);
                }
            }
        }
        self.pending = Pending::Glance;
    }
}

/// A place that is asked about.
struct Asked {
    /// The document.
    path: PathBuf,
    /// The place in the address space of the view.
    offset: u32,
}

/// Why a request has no result.
enum Refused {
    For(Code, String),
    /// The server cannot go on.
    Failure(Failure),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Refused::Failure(failure)
    }
}

fn parsed<P: DeserializeOwned>(params: Json) -> Result<P, Refused> {
    serde_json::from_value(params).map_err(|error| Refused::For(Code::InvalidParams, error.to_string()))
}

/// The places of spans.
fn locations<W>(
    server: &Server<'_, W>,
    view: &View,
    spans: impl IntoIterator<Item = crate::source::Span>,
) -> Vec<lsp::Location> {
    let place = |span| {
        let (file, range) = place::placed(&view.sources, server.encoding, span)?;
        Some(lsp::Location::new(server.uri(&file.path), range))
    };
    spans.into_iter().filter_map(place).collect()
}

impl<W> Server<'_, W> {
    /// The name of a file; for a document, the editor's own.
    fn uri(&self, path: &std::path::Path) -> lsp::Uri {
        let own = self.documents.get(path).or_else(|| {
            let real = place::real(path);
            self.documents.iter().find(|(path, _)| place::real(path) == real).map(|(_, document)| document)
        });
        own.map_or_else(|| place::uri(path), |document| document.uri.clone())
    }
}
