//! `pinhole rule`: the lints and their pages.

use std::io::Write;

use clap::Args;

use super::color::ColorChoice;
use super::{Failure, filter, markdown};
use crate::lint::pages::{self, Page};

/// Arguments of `pinhole rule`.
#[derive(Args, Debug)]
pub struct RuleArgs {
    /// A code (`PH201`), the start of codes (`PH2`) or a name; without any, all rules are listed
    #[arg(value_name = "RULE")]
    rule: Option<String>,
}

/// Runs `pinhole rule`.
pub fn run(args: &RuleArgs, color: ColorChoice, out: &mut impl Write) -> Result<u8, Failure> {
    let all = pages::pages();
    let Some(word) = &args.rule else {
        list(&all, out)?;
        return Ok(0);
    };
    let found = filter::find(word, &pages::codes()).map_err(Failure::usage)?;
    let chosen: Vec<Page> = all.into_iter().filter(|page| found.contains(&page.code)).collect();
    match chosen.as_slice() {
        [page] => print(page, color.on(&std::io::stdout()), out)?,
        several => list(several, out)?,
    }
    Ok(0)
}

fn list(pages: &[Page], out: &mut impl Write) -> Result<(), Failure> {
    let width = pages.iter().map(|page| page.name.len()).max().unwrap_or(0);
    for page in pages {
        writeln!(
            out,
            "{}  {:width$}  {:7}  {}",
            page.code,
            page.name,
            page.head.severity.name(),
            page.summary()
        )?;
    }
    Ok(())
}

fn print(page: &Page, color: bool, out: &mut impl Write) -> Result<(), Failure> {
    let head = &page.head;
    write!(out, "{}", markdown::render(&format!("# {} {}\n", page.code, page.name), color))?;
    let dialects = match head.dialects.iter().map(|dialect| dialect.name()).collect::<Vec<_>>() {
        none if none.is_empty() => "the site file".to_string(),
        some => some.join(", "),
    };
    writeln!(
        out,
        "{}, {}, since {}; reads {dialects}",
        head.severity.name(),
        head.status.name(),
        head.since
    )?;
    if !head.aliases.is_empty() {
        writeln!(out, "also known as {}", head.aliases.join(", "))?;
    }
    if !head.frameworks.is_empty() {
        writeln!(out, "serves {}", head.frameworks.join(", "))?;
    }
    write!(out, "\n{}", markdown::render(page.text.trim_start(), color))?;
    Ok(())
}
