//! `pinhole diff`: what a change of configs opens and closes, and what it breaks and mends.

mod brief;
mod calls;
mod causes;
mod findings;
mod git;
mod html;
mod human;
mod json;
mod likely;
mod lines;
mod markdown;
mod moved;
mod names;
mod pairs;
mod sides;
mod summary;
mod text;
mod untold;
mod values;

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::Failure;
use super::filter::severity;
use super::input::{DialectArg, InputArgs, SiteArgs, own_address};
use crate::analysis::compare::Kind;
use crate::explain::Works;
use crate::report;
use crate::rule::Severity;
use crate::site::Prefix;

pub(super) use brief::effects;
use findings::Findings;
use pairs::Pair;
use sides::Sides;

/// Arguments of `pinhole diff`.
#[derive(Args, Debug)]
pub(super) struct DiffArgs {
    /// OLD and NEW: two configs, or two folders of configs. With `--git`, `--staged` or less than two paths: the
    /// files and folders of the repository to look at
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Compare a revision of the git repository with the working tree, or two revisions (`REV..REV`)
    #[arg(long, value_name = "REV[..REV]")]
    git: Option<String>,
    /// Compare what is staged for the next commit with HEAD
    #[arg(long, conflicts_with = "git")]
    staged: bool,
    /// Only tell whether both do the same, with a packet for each difference
    #[arg(long)]
    equal: bool,
    /// An interface of OLD that is called otherwise in NEW, such as `eth0=outside`; repeatable
    #[arg(long, value_name = "OLD=NEW", value_delimiter = ',', value_parser = map)]
    map: Vec<(String, String)>,
    /// The firewall of the site file to compare; else all
    #[arg(long, value_name = "NAME")]
    firewall: Option<String>,
    #[command(flatten)]
    input: InputArgs,
    /// The firewall language of OLD, where it is another one than that of NEW
    #[arg(long, value_enum, value_name = "NAME")]
    dialect_old: Option<DialectArg>,
    /// The firewall language of NEW
    #[arg(long, value_enum, value_name = "NAME")]
    dialect_new: Option<DialectArg>,
    /// An address of the firewall in OLD alone; repeatable
    #[arg(long, value_name = "NAME=ADDR/LEN", value_parser = own_address)]
    interface_old: Vec<(String, Prefix)>,
    /// An address of the firewall in NEW alone; repeatable
    #[arg(long, value_name = "NAME=ADDR/LEN", value_parser = own_address)]
    interface_new: Vec<(String, Prefix)>,
    /// A file written by `ipset save` that belongs to OLD alone; repeatable
    #[arg(long, value_name = "FILE")]
    ipset_old: Vec<PathBuf>,
    /// A file written by `ipset save` that belongs to NEW alone; repeatable
    #[arg(long, value_name = "FILE")]
    ipset_new: Vec<PathBuf>,
    #[command(flatten)]
    site: SiteArgs,
    /// Form of the report
    #[arg(long, value_enum, default_value_t)]
    format: DiffFormat,
    /// The least severity of a new finding that makes the exit code 1 (default: error)
    #[arg(long, value_name = "SEVERITY", value_parser = severity())]
    fail_on: Option<Severity>,
    /// Exit with 0 whatever is found
    #[arg(long)]
    exit_zero: bool,
}

/// Forms of the report.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
enum DiffFormat {
    /// Effects first, then findings, then the text that changed
    #[default]
    Human,
    /// One JSON object
    Json,
    /// A comment for a pull request
    Markdown,
    /// SARIF 2.1.0 with the new findings alone, for code scanning
    Sarif,
    /// One page, with nothing loaded from elsewhere
    Html,
}

impl DiffFormat {
    /// Whether the lines that changed are shown.
    fn shows_text(self) -> bool {
        match self {
            DiffFormat::Human | DiffFormat::Markdown | DiffFormat::Html => true,
            DiffFormat::Json | DiffFormat::Sarif => false,
        }
    }
}

fn map(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => Ok((old.to_string(), new.to_string())),
        _ => Err("write it as OLD=NEW, such as eth0=outside".to_string()),
    }
}

/// All that a report tells.
struct Told<'a> {
    sides: &'a Sides,
    pairs: &'a [Pair],
    findings: &'a Findings,
    equal: Option<bool>,
}

impl DiffArgs {
    /// Whether the output has colours.
    pub(super) fn colors(&self) -> bool {
        self.format == DiffFormat::Human
    }
}

/// Runs `pinhole diff`.
pub(super) fn run(args: &DiffArgs, color: bool, out: &mut impl Write) -> Result<u8, Failure> {
    let mut sides = Sides::read(args)?;
    let mut pairs = pairs::compare(args, &sides)?;
    let findings = if args.equal { Findings::default() } else { Findings::of(&mut sides)? };
    if args.format.shows_text() && !args.equal {
        pairs.iter_mut().for_each(|pair| pair.texts = text::of(&sides, pair));
    }
    let equal = pairs::equal(&pairs);
    let told = Told { sides: &sides, pairs: &pairs, findings: &findings, equal };
    match args.format {
        DiffFormat::Human if args.equal => human::equal(&told, out)?,
        DiffFormat::Human => human::write(&told, color, out)?,
        DiffFormat::Json => json::write(&told, out)?,
        DiffFormat::Markdown => markdown::write(&told, out)?,
        DiffFormat::Html => html::write(&told, out)?,
        DiffFormat::Sarif => {
            let new = findings::printed(&told.sides.new, &told.findings.broken, report::Format::Sarif)?;
            report::json(&new, out)?;
            writeln!(out)?;
        }
    }
    Failure::unless_closed(out.flush())?;
    Ok(args.exit_code(&told))
}

impl DiffArgs {
    /// 2 where part of the answer is not known, 1 where both differ (`--equal`), or where something is broken.
    fn exit_code(&self, told: &Told<'_>) -> u8 {
        let answered = self.equal && told.equal.is_some();
        let is_unknown =
            |pair: &Pair| !pair.unknown.is_empty() || pair.is_apart || self.equal && pair.is_unread;
        if !answered && told.pairs.iter().any(is_unknown) {
            return 2;
        }
        if self.exit_zero {
            return 0;
        }
        if self.equal {
            return u8::from(told.equal != Some(true));
        }
        let fail_on = self.fail_on.or(told.sides.new.fail_on).unwrap_or(Severity::Error);
        let fails = |change: &calls::Change| change.broken() && change.is == Works::No;
        let found = told.findings.broken.iter().any(|finding| finding.severity >= fail_on);
        u8::from(found || told.findings.calls.all.iter().any(fails))
    }

    /// What is known of one side beyond its files.
    fn input_of(&self, new: bool) -> InputArgs {
        let mut input = self.input.clone();
        let (dialect, interfaces, ipsets) = match new {
            false => (self.dialect_old, &self.interface_old, &self.ipset_old),
            true => (self.dialect_new, &self.interface_new, &self.ipset_new),
        };
        input.dialect = dialect.or(input.dialect);
        input.interfaces.extend(interfaces.iter().cloned());
        input.ipsets.extend(ipsets.iter().cloned());
        input
    }
}

/// The kinds of effects, in the order in which reports list them. That senders of what is refused are answered in another
/// way is none.
const KINDS: [Kind; 9] = [
    Kind::Opened,
    Kind::Closed,
    Kind::Retargeted,
    Kind::MayOpen,
    Kind::MayClose,
    Kind::MayChange,
    Kind::Answered,
    Kind::Kept,
    Kind::Helped,
];
