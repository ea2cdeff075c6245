//! `pinhole rule`: the lints and their pages.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::catalog::json;
use super::color::ColorChoice;
use super::{Failure, filter, markdown, save};
use crate::rule::{FRAMEWORKS, Framework, LINTS, Lint, Severity};

/// Arguments of `pinhole rule`.
#[derive(Args, Debug)]
pub(super) struct RuleArgs {
    /// A code (`PH201`), the start of codes (`PH2`) or a name; without any, all rules are listed
    #[arg(value_name = "RULE")]
    rule: Option<String>,
    /// List the controls of a security framework and the rules that serve them: `nist`, `pci`, `cis`
    #[arg(long, value_name = "NAME", conflicts_with = "rule")]
    framework: Option<String>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t)]
    format: RuleFormat,
    /// Write the pages of all rules into this folder, in Markdown
    #[arg(long, value_name = "DIR", conflicts_with_all = ["rule", "framework", "format"])]
    pages: Option<PathBuf>,
}

/// Forms of the output.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
enum RuleFormat {
    /// A list, or a page
    #[default]
    Human,
    /// A list of objects, with the pages
    Json,
}

/// A lint rule, as `--format json` writes it. The names of the fields are stable.
#[derive(Serialize, JsonSchema)]
pub(super) struct Told<'a> {
    code: &'a str,
    name: &'a str,
    /// Other names that are understood.
    aliases: &'a [&'a str],
    /// In one sentence.
    summary: &'a str,
    /// Unless the site file says otherwise.
    severity: Severity,
    /// `preview`, `stable` or `deprecated`.
    status: &'a str,
    /// The first version that has it.
    since: &'a str,
    /// The languages of which it can speak; empty for the site file.
    dialects: &'a [&'a str],
    /// The controls that it serves.
    frameworks: &'a [&'a str],
    /// Whether a comment in a config can leave its findings out.
    suppressible: bool,
    /// Its page, in Markdown.
    page: &'a str,
}

/// Runs `pinhole rule`.
pub(super) fn run(args: &RuleArgs, color: ColorChoice, out: &mut impl Write) -> Result<u8, Failure> {
    if let Some(folder) = &args.pages {
        return pages(folder);
    }
    let found = match (&args.framework, &args.rule) {
        (Some(word), _) if args.format == RuleFormat::Human => return frameworks(word, out),
        (Some(word), _) => serving(word)?,
        (None, Some(word)) => filter::find(word).map_err(Failure::usage)?,
        (None, None) => LINTS.to_vec(),
    };
    if args.format == RuleFormat::Json {
        let told: Vec<Told<'_>> = found.iter().map(|lint| told(lint)).collect();
        json(&told, out)?;
        return Ok(0);
    }
    match found.as_slice() {
        [lint] => print(lint, color.on(&std::io::stdout()), out)?,
        several => list(several, out)?,
    }
    Ok(0)
}

/// Writes all pages.
fn pages(folder: &Path) -> Result<u8, Failure> {
    for lint in LINTS {
        let mut page = Vec::new();
        print(lint, false, &mut page)?;
        save::whole(&folder.join(format!("{}-{}.md", lint.code, lint.name)), |file| file.write_all(&page))?;
    }
    Ok(0)
}

fn told(lint: &'static Lint) -> Told<'static> {
    Told {
        code: lint.code,
        name: lint.name,
        aliases: lint.aliases,
        summary: lint.summary,
        severity: lint.severity,
        status: lint.status.name(),
        since: lint.since,
        dialects: lint.dialects,
        frameworks: lint.frameworks,
        suppressible: lint.suppressible,
        page: lint.text,
    }
}

/// The lints that serve some control of the frameworks that a word means, each once, by code.
fn serving(word: &str) -> Result<Vec<&'static Lint>, Failure> {
    let meant = meant(word)?;
    let serves = |lint: &&&'static Lint| {
        meant.iter().any(|framework| {
            framework.controls.iter().any(|(control, _)| framework.lints(control).contains(*lint))
        })
    };
    Ok(LINTS.iter().filter(serves).copied().collect())
}

/// The frameworks that a word means.
fn meant(word: &str) -> Result<Vec<&'static Framework>, Failure> {
    let meant = Framework::select(word);
    if meant.is_empty() {
        let known: Vec<&str> = FRAMEWORKS.iter().map(|framework| framework.key).collect();
        let known = known.join(", ");
        return Err(Failure::usage(format!(
            "--framework: there is no framework `{word}`; these are known: {known}"
        )));
    }
    Ok(meant)
}

/// Lists the controls of the frameworks that a word means.
fn frameworks(word: &str, out: &mut impl Write) -> Result<u8, Failure> {
    for framework in meant(word)? {
        writeln!(out, "{} ({})", framework.title, framework.key)?;
        for (control, what) in framework.controls {
            writeln!(out, "  {control:6} {what}")?;
            for lint in framework.lints(control) {
                writeln!(out, "         {} {}", lint.code, lint.name)?;
            }
        }
    }
    Ok(0)
}

fn list(lints: &[&Lint], out: &mut impl Write) -> Result<(), Failure> {
    let width = lints.iter().map(|lint| lint.name.len()).max().unwrap_or(0);
    for Lint { code, name, severity, summary, .. } in lints {
        writeln!(out, "{code}  {name:width$}  {:7}  {summary}", severity.name())?;
    }
    Ok(())
}

fn print(lint: &Lint, color: bool, out: &mut impl Write) -> Result<(), Failure> {
    write!(out, "{}", markdown::render(&format!("# {} {}\n", lint.code, lint.name), color))?;
    let dialects = match lint.dialects {
        [] => "the site file".to_string(),
        some => some.join(", "),
    };
    let (severity, status) = (lint.severity.name(), lint.status.name());
    writeln!(out, "{severity}, {status}, since {}; reads {dialects}", lint.since)?;
    if !lint.aliases.is_empty() {
        writeln!(out, "also known as {}", lint.aliases.join(", "))?;
    }
    if !lint.frameworks.is_empty() {
        writeln!(out, "serves {}", lint.frameworks.join(", "))?;
    }
    if !lint.suppressible {
        writeln!(out, "told whatever comments in configs say")?;
    }
    write!(out, "\n{}", markdown::render(lint.text, color))?;
    Ok(())
}
