//! The tools: each asks a command, and answers as it does, in words and as data.

use std::io::Write;
use std::path::Path;

use clap::Parser;
use schemars::{JsonSchema, schema_for};
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use super::arguments::{self, Spoken, Words};
use crate::catalog::{Catalog, export};
use crate::cli::{Cli, Failure, filter};
use crate::fence;
use crate::report;
use crate::rule::{LINTS, Lint};

/// Rows of the catalog that one answer has.
const MOST_ROWS: usize = 400;

/// A tool.
pub(super) struct Tool {
    /// By which it is called.
    pub name: &'static str,
    title: &'static str,
    description: &'static str,
    schema: fn() -> Json,
    /// Calls it.
    pub call: fn(Json) -> ToolResult,
}

/// What a tool answers.
pub(super) struct ToolResult {
    /// In words.
    pub text: String,
    /// As data: an object.
    pub structured: Option<Json>,
    /// It could not do its work.
    pub failed: bool,
}

impl ToolResult {
    fn failure(text: impl Into<String>) -> ToolResult {
        ToolResult { text: text.into(), structured: None, failed: true }
    }
}

/// All tools.
pub(super) static TOOLS: [Tool; 7] = [
    Tool {
        name: "check",
        title: "Check firewall configs",
        description: "Finds what is wrong with firewall configs: ports that conferencing products need and that are \
                      blocked, openings that are too wide, rules that do nothing, mistakes in the language.",
        schema: schema::<arguments::Check>,
        call: ask::<arguments::Check>,
    },
    Tool {
        name: "explain",
        title: "Explain a call, or answer a change request",
        description: "Tells why a call works or does not, stage by stage and firewall by firewall, with the rule that \
                      decides and what mends it; or whether some traffic gets through, and which lines let it through. \
                      Needs a site file.",
        schema: schema::<arguments::Explain>,
        call: ask::<arguments::Explain>,
    },
    Tool {
        name: "diff",
        title: "Compare two configs",
        description: "Tells which traffic a change of configs opens and closes, and which calls it breaks and mends.",
        schema: schema::<arguments::Diff>,
        call: ask::<arguments::Diff>,
    },
    Tool {
        name: "trace",
        title: "Follow a packet",
        description: "Follows one packet through the rules of a firewall, or along the site's whole path, and names the \
                      rule that decides.",
        schema: schema::<arguments::Trace>,
        call: ask::<arguments::Trace>,
    },
    Tool {
        name: "matrix",
        title: "Print the port matrix",
        description: "Lists who must reach whom on which ports at the site, and whether they can. Needs a site file.",
        schema: schema::<arguments::Matrix>,
        call: ask::<arguments::Matrix>,
    },
    Tool {
        name: "catalog_search",
        title: "Search the port catalog",
        description: "Tells which conferencing products use a port, or which ports a product needs, with the document \
                      that says so.",
        schema: schema::<arguments::CatalogSearch>,
        call: search,
    },
    Tool {
        name: "rule",
        title: "Read a lint rule's page",
        description: "Prints the page of a lint rule by its code or name, or lists the rules.",
        schema: schema::<arguments::Rule>,
        call: rule,
    },
];

impl Tool {
    /// As `tools/list` has it.
    pub(super) fn listed(&self) -> Json {
        json!({
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": (self.schema)(),
            "annotations": { "readOnlyHint": true, "openWorldHint": false },
        })
    }
}

fn schema<A: JsonSchema>() -> Json {
    let mut schema = schema_for!(A).to_value();
    if let Some(object) = schema.as_object_mut() {
        // The name of a type of ours, and what is said of it.
        object.remove("title");
        object.remove("description");
    }
    schema
}

fn parsed<A: DeserializeOwned>(arguments: Json) -> Result<A, ToolResult> {
    serde_json::from_value(arguments)
        .map_err(|error| ToolResult::failure(format!("the arguments are wrong: {error}")))
}

/// Asks a command.
fn ask<A: Spoken + DeserializeOwned>(arguments: Json) -> ToolResult {
    let words = parsed::<A>(arguments).and_then(|arguments| arguments.words().map_err(ToolResult::failure));
    let words = match words {
        Ok(words) => words,
        Err(answer) => return answer,
    };
    for path in &words.paths {
        if path == "-" {
            return ToolResult::failure("`-` is no file: standard input is where you speak");
        }
        if let Err(error) = fence::pass(Path::new(path)) {
            return ToolResult::failure(format!("cannot read `{}`: {error}", report::clean(path)));
        }
    }
    let form = if A::LINES { "jsonl" } else { "json" };
    let data = run(A::COMMAND, form, &words);
    let told = run(A::COMMAND, "human", &words);
    let structured = objects(&data.out);
    let mut text = told.out;
    if let Some(failure) = told.failure {
        if !text.is_empty() {
            text.push('\n');
        }
        text += &failure;
    }
    ToolResult { text, structured, failed: data.failure.is_some() }
}

/// What a command printed, and what kept it from its work.
struct Ran {
    out: String,
    failure: Option<String>,
}

fn run(command: &str, form: &str, words: &Words) -> Ran {
    let line = ["pinhole", "--color=never", command].into_iter().map(str::to_string);
    let line = line.chain([format!("--format={form}")]).chain(words.options.iter().cloned());
    let line = line.chain(["--".to_string()]).chain(words.operands.iter().cloned());
    let cli = match Cli::try_parse_from(line) {
        Ok(cli) => cli,
        Err(error) => return Ran { out: String::new(), failure: Some(lines(&error.render().to_string())) },
    };
    let mut out = Vec::new();
    let mut screen = report::Screen::new(&mut out, false);
    let done = crate::cli::run(&cli, &mut screen).and_then(|code| Ok(screen.flush().map(|()| code)?));
    let failure = done.err().map(|failure| told(&failure));
    Ran { out: String::from_utf8_lossy(&out).into_owned(), failure }
}

/// Text of many lines, fit to be shown.
fn lines(text: &str) -> String {
    text.lines().map(report::clean).collect::<Vec<_>>().join("\n")
}

/// A failure with all that is wrong.
fn told(failure: &Failure) -> String {
    match failure {
        Failure::Site(sources, findings) => {
            let mut text = Vec::new();
            // Memory takes all that is written.
            let _ = report::fatal(sources, findings, false, &mut text);
            format!("{}{failure}", String::from_utf8_lossy(&text))
        }
        other => other.to_string(),
    }
}

/// What was printed as one object: one that is, or a list under a name.
fn objects(printed: &str) -> Option<Json> {
    let all: Result<Vec<Json>, _> = serde_json::Deserializer::from_str(printed).into_iter().collect();
    match all.ok()?.as_slice() {
        [] => None,
        [one @ Json::Object(_)] => Some(one.clone()),
        [Json::Array(rows)] => Some(json!({ "rows": rows })),
        several => Some(json!({ "rows": several })),
    }
}

/// Looks rows of the catalog up.
fn search(arguments: Json) -> ToolResult {
    let asked: arguments::CatalogSearch = match parsed(arguments) {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    let catalog = match Catalog::bundled() {
        Ok(catalog) => catalog,
        Err(error) => return ToolResult::failure(error.to_string()),
    };
    if asked.port.is_none() && asked.product.is_none() {
        return ToolResult::failure("give a `port`, a `product`, or both");
    }
    let word = asked.product.map(|word| word.to_lowercase());
    let mut rows = Vec::new();
    for row in export::rows(&catalog).into_iter().map(|row| json!(row)) {
        let product = row["product"].as_str().unwrap_or("");
        let title = catalog.product(product).map_or(String::new(), |product| product.title.to_lowercase());
        let named = word.as_ref().is_none_or(|word| product.contains(word) || title.contains(word));
        let uses = asked.port.is_none_or(|port| {
            let ports = row["ports"].as_array();
            ports.is_some_and(|ports| {
                ports.iter().any(|range| {
                    let end = |at: usize| range[at].as_u64();
                    end(0) <= Some(port.into()) && Some(port.into()) <= end(1)
                })
            })
        });
        if named && uses {
            rows.push(row);
        }
    }
    let left = rows.len().saturating_sub(MOST_ROWS);
    rows.truncate(MOST_ROWS);
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    match (lines.is_empty(), left) {
        (true, _) => lines.push("nothing in the catalog is like that".to_string()),
        (false, 0) => {}
        (false, left) => lines.push(format!("and {left} more rows: ask for one product")),
    }
    ToolResult {
        text: lines.join("\n"),
        structured: Some(json!({ "rows": rows, "left": left })),
        failed: false,
    }
}

/// A row of the catalog on one line.
fn line(row: &Json) -> String {
    let word = |key: &str| row[key].as_str().unwrap_or("").to_string();
    let ports: Vec<String> = row["ports"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|range| match range[0] == range[1] {
            true => range[0].to_string(),
            false => format!("{}-{}", range[0], range[1]),
        })
        .collect();
    let transports: Vec<&str> =
        row["transports"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let line = format!(
        "{}: {} {} ({}, opened by {}, {})",
        word("product"),
        transports.join("/"),
        ports.join(", "),
        word("service"),
        word("initiator"),
        word("severity")
    );
    match row["blocked"].as_str() {
        Some(blocked) => format!("{line}: when blocked, {blocked}"),
        None => line,
    }
}

/// Lists rules, or prints the page of one.
fn rule(arguments: Json) -> ToolResult {
    let asked: arguments::Rule = match parsed(arguments) {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    let found = match &asked.rule {
        None => LINTS.to_vec(),
        Some(word) => match filter::find(word) {
            Ok(found) => found,
            Err(error) => return ToolResult::failure(error),
        },
    };
    let about = |lint: &&Lint| {
        json!({
            "code": lint.code, "name": lint.name, "severity": lint.severity, "summary": lint.summary,
            "dialects": lint.dialects, "frameworks": lint.frameworks,
        })
    };
    let (text, structured) = match found.as_slice() {
        [one] => {
            let mut data = about(one);
            data["page"] = json!(one.text);
            (format!("# {} {}\n\n{}", one.code, one.name, one.text), data)
        }
        several => {
            let lines: Vec<String> =
                several.iter().map(|lint| format!("{} {}: {}", lint.code, lint.name, lint.summary)).collect();
            (lines.join("\n"), json!({ "rules": several.iter().map(about).collect::<Vec<_>>() }))
        }
    };
    ToolResult { text, structured: Some(structured), failed: false }
}
