//! `pinhole mcp`: the server for assistants, over standard input and output (Model Context Protocol).
//!
//! Two eras of the protocol are spoken: revision 2026-07-28, in which each request says what it speaks, and the
//! earlier ones, which begin with `initialize`. What is asked is answered by the commands of the command line, so that
//! an assistant gets what a person would.

mod arguments;
mod tools;

use std::io::{self, BufRead, Read, Write};
use std::path::Path;

use clap::Args;
use serde_json::{Map, Value as Json, json};

use super::Failure;
use crate::fence;
use crate::report;
use tools::TOOLS;

/// The revision in which requests carry what they speak.
const MODERN: &str = "2026-07-28";
/// The revisions that begin with `initialize`, the newest first.
const LEGACY: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
/// The one in which a message may be a list of messages.
const BATCHES: &str = "2025-03-26";
/// The longest line, in bytes.
const LONGEST: u64 = 16 << 20;
/// How long a client may keep the list of tools: they are those of the program.
const KEPT: u64 = 3_600_000;
/// Before names of this protocol in `_meta`.
const PREFIX: &str = "io.modelcontextprotocol/";

const INSTRUCTIONS: &str = "pinhole reads firewall configs (iptables, nftables, pf, Cisco ASA) in the folder that it was \
started in, knows which ports conferencing products need, and tells what is wrong, what a change does, and why a call \
fails. It reads files below that folder alone, and changes nothing. Paths are relative to that folder. What it calls \
`depends` hangs on something that the files do not tell.";

/// Arguments of `pinhole mcp`.
#[derive(Args, Debug)]
pub(super) struct McpArgs {}

/// Runs `pinhole mcp`: answers until standard input ends.
pub(super) fn run(_: &McpArgs) -> Result<u8, Failure> {
    let mut out = io::stdout().lock();
    fence::confine(Path::new("."))
        .map_err(|error| Failure::usage(format!("cannot serve the current folder: {error}")))?;
    let mut input = io::stdin().lock();
    let mut server = Server::default();
    while let Some(line) = line(&mut input)? {
        let answer = match &line {
            Some(line) if line.trim_ascii().is_empty() => None,
            Some(line) => server.line(line),
            None => Some(refusal(&Json::Null, &Refused::new(Code::Parse, "a line is longer than 16 MiB"))),
        };
        if let Some(answer) = answer {
            report::json(&answer, &mut out)?;
            writeln!(out)?;
            out.flush()?;
        }
    }
    Ok(0)
}

/// The next line; within, `None` for one that is too long. `None` at the end.
fn line(input: &mut impl BufRead) -> io::Result<Option<Option<Vec<u8>>>> {
    let mut line = Vec::new();
    if input.by_ref().take(LONGEST).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.len() as u64 == LONGEST && !line.ends_with(b"\n") {
        skip(input)?;
        return Ok(Some(None));
    }
    Ok(Some(Some(line)))
}

/// Passes over the rest of a line.
fn skip(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let mut part = Vec::new();
        let read = input.by_ref().take(LONGEST).read_until(b'\n', &mut part)?;
        if read == 0 || part.ends_with(b"\n") {
            return Ok(());
        }
    }
}

/// Errors of JSON-RPC, and one of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Code {
    Parse = -32700,
    InvalidRequest = -32600,
    UnknownMethod = -32601,
    InvalidParams = -32602,
    UnsupportedVersion = -32022,
}

/// Why a request has no result.
struct Refused {
    code: Code,
    message: String,
    data: Option<Json>,
}

impl Refused {
    fn new(code: Code, message: impl Into<String>) -> Refused {
        Refused { code, message: message.into(), data: None }
    }
}

fn refusal(id: &Json, why: &Refused) -> Json {
    let mut error = json!({ "code": why.code as i32, "message": why.message });
    if let Some(data) = &why.data {
        error["data"] = data.clone();
    }
    json!({ "jsonrpc": "2.0", "id": id, "error": error })
}

/// What a client of the earlier revisions and the server agreed upon.
#[derive(Default)]
struct Server {
    agreed: Option<&'static str>,
}

/// Which era a request is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Era {
    Modern,
    Legacy,
}

impl Server {
    /// The answer to a line, if it wants one.
    fn line(&mut self, line: &[u8]) -> Option<Json> {
        let message = match serde_json::from_slice::<Json>(line) {
            Ok(message) => message,
            Err(error) => return Some(refusal(&Json::Null, &Refused::new(Code::Parse, error.to_string()))),
        };
        match message {
            Json::Array(messages) if self.agreed == Some(BATCHES) && !messages.is_empty() => {
                let answers: Vec<Json> =
                    messages.into_iter().filter_map(|message| self.message(message)).collect();
                (!answers.is_empty()).then_some(Json::Array(answers))
            }
            message => self.message(message),
        }
    }

    fn message(&mut self, message: Json) -> Option<Json> {
        let method = message.get("method").and_then(Json::as_str);
        let id = message.get("id");
        let valid = id.is_none_or(|id| id.is_string() || id.is_i64() || id.is_u64());
        match (method, id) {
            (Some(method), Some(id)) if valid => {
                let none = Json::Null;
                let params = message.get("params").unwrap_or(&none);
                Some(match self.request(method, params) {
                    Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
                    Err(why) => refusal(id, &why),
                })
            }
            // Notifications: nothing is under way that could be cancelled.
            (Some(_), None) => None,
            // An answer to something that was never asked.
            (None, Some(_)) if message.get("result").or(message.get("error")).is_some() => None,
            _ => Some(refusal(&Json::Null, &Refused::new(Code::InvalidRequest, "this is no request"))),
        }
    }

    fn request(&mut self, method: &str, params: &Json) -> Result<Json, Refused> {
        if !params.is_null() && !params.is_object() {
            return Err(Refused::new(Code::InvalidParams, "`params` is no object"));
        }
        let era = self.era(method, params)?;
        match (method, era) {
            ("initialize", _) => self.initialize(params),
            ("ping", Era::Legacy) => Ok(json!({})),
            ("server/discover", Era::Modern) => Ok(kept(json!({
                "supportedVersions": [MODERN],
                "capabilities": { "tools": {} },
                "instructions": INSTRUCTIONS,
            }))),
            ("tools/list", era) => {
                let list = json!({ "tools": TOOLS.iter().map(tools::Tool::listed).collect::<Vec<Json>>() });
                Ok(if era == Era::Modern { kept(list) } else { list })
            }
            ("tools/call", era) => {
                let result = call(params)?;
                Ok(if era == Era::Modern { complete(result) } else { result })
            }
            _ => Err(Refused::new(Code::UnknownMethod, format!("there is no method `{method}`"))),
        }
    }

    /// Which era a request is of: it says so itself, or there was an `initialize`.
    fn era(&self, method: &str, params: &Json) -> Result<Era, Refused> {
        let meta = |name: &str| params.get("_meta")?.get(format!("{PREFIX}{name}"));
        match meta("protocolVersion") {
            Some(version) if version == MODERN => match meta("clientCapabilities") {
                Some(capabilities) if capabilities.is_object() => Ok(Era::Modern),
                _ => Err(Refused::new(
                    Code::InvalidParams,
                    format!("`_meta` has no `{PREFIX}clientCapabilities`"),
                )),
            },
            Some(version) => Err(Refused {
                code: Code::UnsupportedVersion,
                message: "Unsupported protocol version".to_string(),
                data: Some(json!({ "supported": [MODERN], "requested": version })),
            }),
            None if self.agreed.is_some() || matches!(method, "initialize" | "ping") => Ok(Era::Legacy),
            None if method == "server/discover" => {
                Err(Refused::new(Code::InvalidParams, format!("`_meta` has no `{PREFIX}protocolVersion`")))
            }
            None => {
                let why = format!("`initialize` comes first, or `_meta` says `{PREFIX}protocolVersion`");
                Err(Refused::new(Code::InvalidRequest, why))
            }
        }
    }

    /// The revision that the client asks for where it is known, else the newest.
    fn initialize(&mut self, params: &Json) -> Result<Json, Refused> {
        let Some(asked) = params.get("protocolVersion").and_then(Json::as_str) else {
            return Err(Refused::new(Code::InvalidParams, "`protocolVersion` is missing"));
        };
        let version = LEGACY.into_iter().find(|known| *known == asked).unwrap_or(LEGACY[0]);
        self.agreed = Some(version);
        Ok(json!({
            "protocolVersion": version,
            "capabilities": { "tools": {} },
            "serverInfo": server_info(),
            "instructions": INSTRUCTIONS,
        }))
    }
}

fn server_info() -> Json {
    json!({ "name": "pinhole", "version": env!("CARGO_PKG_VERSION") })
}

/// A result as the modern revision has it.
fn complete(mut result: Json) -> Json {
    result["resultType"] = json!("complete");
    result["_meta"] = json!({ format!("{PREFIX}serverInfo"): server_info() });
    result
}

/// The same, for what a client may keep.
fn kept(result: Json) -> Json {
    let mut result = complete(result);
    result["ttlMs"] = json!(KEPT);
    result["cacheScope"] = json!("public");
    result
}

/// Calls a tool. What is wrong with its arguments, or keeps it from its work, is a result that says so: the assistant
/// reads it and mends what it asked.
fn call(params: &Json) -> Result<Json, Refused> {
    let Some(name) = params.get("name").and_then(Json::as_str) else {
        return Err(Refused::new(Code::InvalidParams, "`name` is missing"));
    };
    let Some(tool) = TOOLS.iter().find(|tool| tool.name == name) else {
        return Err(Refused::new(Code::InvalidParams, format!("Unknown tool: {name}")));
    };
    let arguments = match params.get("arguments") {
        None | Some(Json::Null) => Json::Object(Map::new()),
        Some(arguments) => arguments.clone(),
    };
    let answer = (tool.call)(arguments);
    let mut result = json!({ "content": [{ "type": "text", "text": answer.text }] });
    if answer.failed {
        result["isError"] = json!(true);
    }
    if let Some(structured) = answer.structured {
        result["structuredContent"] = structured;
    }
    Ok(result)
}
