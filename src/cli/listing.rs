//! Files in folders: which are read, which are not, and why.

use std::io::Write;
use std::path::PathBuf;

use super::Failure;
use crate::discover::{self, Options, Unread, Why};
use crate::finding::Finding;
use crate::report::clean;
use crate::rule::PH007;
use crate::source::{SourceMap, Span};

/// Prints all files that paths lead to, each with its language or with the reason why it is not read.
pub(super) fn list(paths: &[PathBuf], options: &Options, out: &mut impl Write) -> Result<u8, Failure> {
    let mut sources = SourceMap::new();
    let found = discover::read(paths, options, &mut sources);
    let read = found
        .configs
        .iter()
        .map(|config| (sources.file(config.id).path.clone(), config.dialect.name().to_string()));
    let unread = found.unread.iter().map(|unread| (unread.path.clone(), format!("not read: {}", unread.why)));
    let mut lines: Vec<(PathBuf, String)> = read.chain(unread).collect();
    lines.sort();
    for (path, what) in lines {
        writeln!(out, "{}: {}", clean(&path.to_string_lossy()), clean(&what))?;
    }
    let failures: Vec<Failure> = found.failures.into_iter().map(Failure::from).collect();
    if failures.is_empty() { Ok(0) } else { Err(Failure::Several(failures)) }
}

/// A finding for each file in a folder that smells of a firewall and was not read.
pub(super) fn findings(unread: &[Unread], sources: &mut SourceMap) -> Result<Vec<Finding>, Failure> {
    let mut findings = Vec::new();
    for unread in unread.iter().filter(|unread| unread.smells()) {
        // Its text is not shown, only its name: the place is that of an empty file.
        let id = sources.add(&unread.path, Vec::new())?;
        let start = sources.file(id).base;
        let finding =
            Finding::of(&PH007, Span::new(start, start), format!("the file was not read: {}", unread.why));
        findings.push(finding.help(help(&unread.why)));
    }
    Ok(findings)
}

/// What to do about a file that was not read.
fn help(why: &Why) -> String {
    const LEAVE_OUT: &str = "A line in `.pinholeignore` leaves it out for good.";
    match why {
        Why::Near(near) => format!("{} {LEAVE_OUT}", near.instead),
        Why::Form(form, _) => {
            let help = form.help();
            format!("If it is a config, {help}. {LEAVE_OUT}")
        }
        Why::Link => format!("Name the file on the command line to have it read. {LEAVE_OUT}"),
        Why::OtherDialect(_)
        | Why::Name
        | Why::Ignored
        | Why::Excluded
        | Why::Hidden
        | Why::Special
        | Why::Unknown => LEAVE_OUT.to_string(),
    }
}
