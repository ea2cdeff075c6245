//! `pinhole rule`: the lints and their pages.

use std::io::Write;

use clap::Args;

use super::color::ColorChoice;
use super::{Failure, filter, markdown};
use crate::rule::{FRAMEWORKS, Framework, LINTS, Lint};

/// Arguments of `pinhole rule`.
#[derive(Args, Debug)]
pub(super) struct RuleArgs {
    /// A code (`PH201`), the start of codes (`PH2`) or a name; without any, all rules are listed
    #[arg(value_name = "RULE")]
    rule: Option<String>,
    /// List the controls of a security framework and the rules that serve them: `nist`, `pci`, `cis`
    #[arg(long, value_name = "NAME", conflicts_with = "rule")]
    framework: Option<String>,
}

/// Runs `pinhole rule`.
pub(super) fn run(args: &RuleArgs, color: ColorChoice, out: &mut impl Write) -> Result<u8, Failure> {
    if let Some(word) = &args.framework {
        return frameworks(word, out);
    }
    let Some(word) = &args.rule else {
        list(LINTS, out)?;
        return Ok(0);
    };
    match filter::find(word).map_err(Failure::usage)?.as_slice() {
        [lint] => print(lint, color.on(&std::io::stdout()), out)?,
        several => list(several, out)?,
    }
    Ok(0)
}

/// Lists the controls of the frameworks that a word means.
fn frameworks(word: &str, out: &mut impl Write) -> Result<u8, Failure> {
    let meant = Framework::select(word);
    if meant.is_empty() {
        let known: Vec<&str> = FRAMEWORKS.iter().map(|framework| framework.key).collect();
        let known = known.join(", ");
        return Err(Failure::usage(format!(
            "--framework: there is no framework `{word}`; these are known: {known}"
        )));
    }
    for framework in meant {
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
    write!(out, "\n{}", markdown::render(lint.text, color))?;
    Ok(())
}
