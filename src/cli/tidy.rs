//! `pinhole tidy`: takes out the rules that do nothing, and proves the rest equal.

use std::io::Write;

use clap::Args;

use super::configs::{ConfigPaths, ReadAll, Reader};
use super::fix::{self, Wanted};
use super::{Failure, configs};
use crate::analysis::compare::{Scope, compare};
use crate::catalog::Catalog;
use crate::finding::Finding;
use crate::model::Ruleset;
use crate::report::clean;
use crate::rule::{Lint, PH401, PH402, PH403, PH406};
use crate::session::Session;
use crate::site::{Date, Site};
use crate::source::SourceMap;

/// The lints whose rules go.
const LINTS: [&Lint; 4] = [&PH401, &PH402, &PH403, &PH406];

/// Arguments of `pinhole tidy`.
#[derive(Args, Debug)]
pub(super) struct TidyArgs {
    #[command(flatten)]
    configs: ConfigPaths,
    /// Print the changes as a unified diff, which `patch` takes
    #[arg(long, conflicts_with = "write")]
    diff: bool,
    /// Write the files
    #[arg(long)]
    write: bool,
}

/// Runs `pinhole tidy`.
pub(super) fn run(args: &TidyArgs, out: &mut impl Write) -> Result<u8, Failure> {
    if args.configs.none {
        writeln!(out, "no config is listed")?;
        return Ok(0);
    }
    let mut sources = SourceMap::new();
    let paths = configs::places(&args.configs.paths);
    let mut site =
        args.configs.site.load(paths.iter().map(|path| args.configs.input.place(path)), &mut sources)?;
    site.settings.selection.only = Some(LINTS.to_vec());
    site.settings.selection.without.clear();
    let wanted = Wanted { lints: Some(&LINTS), careful: true };
    let mut fixed =
        fix::fix(sources, wanted, |sources| Ok(findings(&site, args.read(&site, sources)?, sources)))?;
    whole(&fixed.before)?;
    let [before, after] = {
        let before = args.read(&site, &mut fixed.before)?;
        [before, args.read(&site, &mut fixed.sources)?].map(|read| rulesets(&read))
    };
    let proved = before.iter().zip(&after).all(|(before, after)| {
        let difference = compare(before, after, &Scope::default());
        difference.regions.is_empty() && difference.unknown.is_empty()
    });
    let changes = fix::differing(&fixed.before, &fixed.sources);
    for (path, (before, after)) in &changes {
        if args.diff {
            out.write_all(fix::unified(path, before, after).as_bytes())?;
            continue;
        }
        if args.write && proved {
            fix::replace(path, before, after)?;
        }
        let (lines, bytes) = (lines(before) - lines(after), before.len() - after.len());
        let what = if args.write && proved { "went" } else { "can go" };
        writeln!(out, "{}: {} and {bytes} bytes {what}", clean(&path.display().to_string()), counted(lines))?;
    }
    if args.diff {
        return Ok(0);
    }
    let left = fixed.left.iter().filter(|finding| LINTS.contains(&finding.lint())).count();
    let rules = match (fixed.mended.iter().map(|mended| mended.changes).sum::<usize>(), left) {
        (0, 0) => "no rule does nothing".to_string(),
        (0, _) => "no rule is taken out".to_string(),
        (1, _) => "1 rule does nothing".to_string(),
        (count, _) => format!("{count} rules do nothing"),
    };
    let rest = match (changes.is_empty(), proved) {
        (true, _) => "",
        (false, true) => "; without what is taken out, every packet fares as before",
        (false, false) => {
            "; that all packets fare as before was not proved as a whole, and nothing is written"
        }
    };
    writeln!(out, "{rules}{rest}")?;
    match left {
        0 => {}
        1 => writeln!(out, "1 finding is left that no proved edit settles: `pinhole check` names it")?,
        _ => {
            writeln!(out, "{left} findings are left that no proved edit settles: `pinhole check` names them")?
        }
    }
    Ok(0)
}

impl TidyArgs {
    /// Takes in the paths that a file lists.
    pub(super) fn take_list(&mut self) -> Result<(), Failure> {
        self.configs.take_list()
    }

    fn read(&self, site: &Site, sources: &mut SourceMap) -> Result<ReadAll, Failure> {
        let mut read = Reader { paths: &self.configs.paths, input: &self.configs.input, site }.read(sources);
        if read.failures.is_empty() {
            Ok(read)
        } else {
            Err(Failure::Several(std::mem::take(&mut read.failures)))
        }
    }
}

/// Refuses files that are not all that their bytes say: nothing is put right in them.
fn whole(sources: &SourceMap) -> Result<(), Failure> {
    match sources.files().find(|(_, file)| !file.damage.is_empty()) {
        Some((_, file)) => Err(Failure::usage(format!(
            "`{}` is not looked at: save it as UTF-8 without NUL bytes first",
            clean(&file.path.display().to_string())
        ))),
        None => Ok(()),
    }
}

fn rulesets(read: &ReadAll) -> Vec<Ruleset> {
    read.configs.iter().map(|config| config.loaded.ruleset.clone()).collect()
}

fn findings(site: &Site, read: ReadAll, sources: &mut SourceMap) -> Vec<Finding> {
    let session = Session::new(site.clone(), Catalog::default(), read.configs, None, sources);
    session.check(Date::today(), sources)
}

fn lines(text: &str) -> usize {
    text.lines().count()
}

fn counted(lines: usize) -> String {
    if lines == 1 { "1 line".to_string() } else { format!("{lines} lines") }
}
