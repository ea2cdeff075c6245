//! `pinhole model`: the normalized rules of each file.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::Failure;
use super::input::{InputArgs, load_all};
use super::normalized::{self, StepWords};
use crate::dialect::{Dialect, Loaded};
use crate::discover;
use crate::finding::Finding;
use crate::model::{Chain, Hook, Rule, Ruleset, Stage, StageKind};
use crate::report;
use crate::rule::{Lint, PH001, PH002, PH003, PH004, PH005, PH006, Severity};
use crate::source::{SourceFile, SourceId, SourceMap, Span};

/// Arguments of `pinhole model`.
#[derive(Args, Debug)]
pub(super) struct ModelArgs {
    /// Configs, each a firewall of its own, or folders of configs; `-` is standard input
    #[arg(required = true, value_name = "CONFIG")]
    configs: Vec<PathBuf>,
    #[command(flatten)]
    input: InputArgs,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t = ModelFormat::Human)]
    format: ModelFormat,
}

/// Forms of the answer.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum ModelFormat {
    /// Chains and rules in words
    Human,
    /// One JSON object, version 1
    Json,
}

/// Runs `pinhole model`.
pub(super) fn run(args: &ModelArgs, out: &mut impl Write) -> Result<u8, Failure> {
    let mut sources = SourceMap::new();
    let found = discover::read(&args.configs, &args.input.options()?, &mut sources);
    let failures: Vec<Failure> = found.failures.into_iter().map(Failure::from).collect();
    if found.configs.is_empty() {
        return Err(Failure::Several(failures));
    }
    let mut loaded = Vec::new();
    for config in found.configs {
        let environment = args.input.environment(None, &mut sources)?;
        loaded.push((
            config.id,
            config.dialect,
            load_all(config.dialect, &mut sources, &[config.id], &environment),
        ));
    }
    let views: Vec<View> =
        loaded.iter().map(|(id, dialect, loaded)| View::new(&sources, *id, *dialect, loaded)).collect();
    match args.format {
        ModelFormat::Human => views.iter().try_for_each(|view| view.write(out))?,
        ModelFormat::Json => {
            write_json(&views, out)?;
            writeln!(out)?;
        }
    }
    if failures.is_empty() { Ok(0) } else { Err(Failure::Several(failures)) }
}

/// What became of one file.
#[derive(Serialize)]
struct View<'a> {
    path: String,
    dialect: &'static str,
    /// Rules as written.
    rules: usize,
    /// Rules after lists and groups are expanded.
    normalized: usize,
    syntax_errors: Vec<Note>,
    unsupported: Vec<Note>,
    /// What keeps the file from loading.
    load_errors: Vec<Note>,
    /// That nothing, or little, of the file was read.
    not_read: Vec<Note>,
    /// The names of unknown conditions.
    conditions: Vec<&'a str>,
    hooks: Vec<HookView<'a>>,
    /// Written behind the rest: a file may have a million rules.
    #[serde(skip)]
    chains: Rules<'a>,
}

/// Something that reading had to say.
#[derive(Serialize)]
struct Note {
    line: Option<u32>,
    text: String,
    message: String,
}

#[derive(Serialize)]
struct HookView<'a> {
    hook: &'static str,
    stages: Vec<StageView<'a>>,
}

#[derive(Serialize)]
struct StageView<'a> {
    chain: &'a str,
    kind: &'static str,
    families: Vec<&'static str>,
    priority: i32,
    policy: String,
    before_tracking: bool,
}

/// Rules and where they are written.
#[derive(Clone, Copy)]
struct Rules<'a> {
    sources: &'a SourceMap,
    rules: &'a Ruleset,
    file: &'a SourceFile,
}

/// One object for all files.
fn write_json(views: &[View<'_>], out: &mut impl Write) -> Result<(), Failure> {
    out.write_all(b"{\"version\":1,\"files\":[")?;
    for (at, view) in views.iter().enumerate() {
        let mut head = Vec::new();
        report::json(view, &mut head)?;
        // What is left open is closed behind the chains.
        head.pop();
        out.write_all(if at == 0 { b"" } else { b"," })?;
        out.write_all(&head)?;
        out.write_all(b",\"chains\":[")?;
        let mut text = String::new();
        for (at, chain) in view.chains.rules.chains.iter().enumerate() {
            out.write_all(if at == 0 { b"" } else { b"," })?;
            view.chains.write_json(chain, &mut text, out)?;
        }
        out.write_all(b"]}")?;
    }
    Ok(out.write_all(b"]}")?)
}

impl<'a> Rules<'a> {
    fn line(&self, span: Span) -> Option<u32> {
        self.sources.file_of(span).map(|file| file.place(span.start).line)
    }

    /// Writes a chain, rule after rule; `text` is a place to put them together in.
    fn write_json(&self, chain: &Chain, text: &mut String, out: &mut impl Write) -> Result<(), Failure> {
        text.clear();
        text.push_str("{\"name\":");
        normalized::quoted(text, |text| text.push_str(&chain.name));
        push_line(text, self.line(chain.span));
        text.push_str(",\"rules\":[");
        for (at, rule) in chain.rules.iter().enumerate() {
            text.push_str(if at == 0 { "{" } else { ",{" });
            if let Some(file) = self.other_file(rule.span()) {
                text.push_str("\"file\":");
                normalized::quoted(text, |text| text.push_str(&file));
            }
            push_line(text, self.line(rule.span()));
            text.push_str(",\"steps\":");
            normalized::list(text, self.steps(rule), |text, step| step.push_json(text));
            text.push('}');
            out.write_all(text.as_bytes())?;
            text.clear();
        }
        text.push_str("]}");
        Ok(out.write_all(text.as_bytes())?)
    }

    fn other_file(&self, span: Span) -> Option<String> {
        let file = self.sources.file_of(span).filter(|file| file.base != self.file.base)?;
        Some(file.path.display().to_string())
    }

    fn steps(&self, rule: &Rule) -> impl Iterator<Item = StepWords<'a>> + use<'a> {
        let rules = self.rules;
        rules.steps_of(rule).iter().map(move |step| StepWords { rules, step: *step })
    }
}

impl<'a> View<'a> {
    fn new(sources: &'a SourceMap, id: SourceId, dialect: Dialect, loaded: &'a Loaded) -> View<'a> {
        let rules = &loaded.ruleset;
        let notes = |lints: &[&Lint]| {
            let of_lints = loaded.findings.iter().filter(|finding| lints.contains(&finding.lint()));
            let places = |finding: &'a Finding| {
                let also = finding.also.iter().map(|span| Some(*span));
                std::iter::once(finding.span).chain(also).map(move |span| (finding, span))
            };
            of_lints.flat_map(places).map(|(finding, span)| note(sources, finding, span)).collect()
        };
        let hooks = [Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting];
        let hooks = hooks.into_iter().filter(|hook| !rules.stages(*hook).is_empty()).map(|hook| HookView {
            hook: super::trace::hook_name(hook),
            stages: rules.stages(hook).iter().map(|stage| stage_view(rules, stage)).collect(),
        });
        View {
            path: sources.file(id).path.display().to_string(),
            dialect: dialect.name(),
            rules: rules.written,
            normalized: rules.rules(),
            syntax_errors: notes(&[&PH001]),
            unsupported: notes(&[&PH002]),
            load_errors: notes(&[&PH003, &PH004]),
            not_read: notes(&[&PH005, &PH006]),
            conditions: distinct_conditions(rules),
            hooks: hooks.collect(),
            chains: Rules { sources, rules, file: sources.file(id) },
        }
    }

    fn write(&self, out: &mut impl Write) -> Result<(), Failure> {
        let (path, dialect, rules) = (&self.path, self.dialect, self.rules);
        let plural = if rules == 1 { "" } else { "s" };
        writeln!(out, "{path} ({dialect}): {rules} rule{plural} as written, {} normalized", self.normalized)?;
        for (kind, notes) in [
            (Severity::Error.name(), &self.syntax_errors),
            (Severity::Error.name(), &self.load_errors),
            ("not read", &self.not_read),
            ("not modelled", &self.unsupported),
        ] {
            for note in notes {
                let line = note.line.map_or(String::new(), |line| format!("line {line}, "));
                writeln!(out, "  {line}{kind}: {}", note.message)?;
            }
        }
        for hook in &self.hooks {
            writeln!(out, "\n{}", hook.hook)?;
            for stage in &hook.stages {
                let families = stage.families.join(" and ");
                let (chain, kind, policy) = (stage.chain, stage.kind, &stage.policy);
                writeln!(
                    out,
                    "  {chain}: {kind}, {families}, priority {}, at the end: {policy}",
                    stage.priority
                )?;
            }
        }
        let mut text = String::new();
        for chain in &self.chains.rules.chains {
            writeln!(out, "\nchain {}", chain.name)?;
            for rule in &chain.rules {
                text.clear();
                self.push_rule(rule, &mut text);
                out.write_all(text.as_bytes())?;
            }
        }
        Ok(writeln!(out)?)
    }
}

/// `"line":1`, behind what stands before it.
fn push_line(text: &mut String, line: Option<u32>) {
    text.push_str(if text.ends_with('{') { "\"line\":" } else { ",\"line\":" });
    match line {
        Some(line) => normalized::push_number(text, line.into()),
        None => text.push_str("null"),
    }
}

/// Columns of line numbers.
const LINE_WIDTH: usize = 7;

impl View<'_> {
    /// One line for a rule.
    fn push_rule(&self, rule: &Rule, text: &mut String) {
        if let Some(line) = self.chains.line(rule.span()) {
            normalized::push_number(text, line.into());
        }
        let pad = LINE_WIDTH.saturating_sub(text.len());
        text.insert_str(0, &"       "[..pad]);
        if let Some(file) = self.chains.other_file(rule.span()) {
            text.push_str(&format!(" ({file})"));
        }
        let start = text.len();
        for step in self.chains.steps(rule) {
            text.push_str(match (text.len() == start, step.is_effect()) {
                (true, _) => "  ",
                (false, true) => " ",
                (false, false) => "; ",
            });
            step.push(text);
        }
        text.push('\n');
    }
}

fn stage_view<'a>(rules: &'a Ruleset, stage: &Stage) -> StageView<'a> {
    let mut policy = String::new();
    normalized::push_verdict(&mut policy, stage.policy);
    StageView {
        chain: &rules.chain(stage.chain).name,
        kind: match stage.kind {
            StageKind::Filter => "filter",
            StageKind::DstNat => "destination translation",
            StageKind::SrcNat => "source translation",
        },
        families: [("IPv4", stage.v4), ("IPv6", stage.v6)]
            .iter()
            .filter(|(_, sees)| *sees)
            .map(|f| f.0)
            .collect(),
        priority: stage.priority,
        policy,
        before_tracking: stage.before_tracking,
    }
}

fn note(sources: &SourceMap, finding: &Finding, span: Option<Span>) -> Note {
    let place = span.and_then(|span| Some((span, sources.file_of(span)?)));
    Note {
        line: place.map(|(span, file)| file.place(span.start).line),
        text: place.map_or(String::new(), |(span, _)| sources.text(span).chars().take(400).collect()),
        message: finding.message.clone(),
    }
}

/// The names of the unknown conditions, each once, in the order of their first appearance.
fn distinct_conditions(rules: &Ruleset) -> Vec<&str> {
    let mut seen = rustc_hash::FxHashSet::default();
    rules
        .conditions
        .iter()
        .map(|condition| condition.name.as_str())
        .filter(|name| seen.insert(*name))
        .collect()
}
