//! `pinhole check`: lints configs against the catalog, the site and the general rules.

use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::color::{ColorChoice, Hyperlinks};
use super::configs::{self, ConfigPaths};
use super::filter::FilterArgs;
use super::fix::{self, Wanted};
use super::input::catalog_of;
use super::outputs::{self, Output};
use super::sites::{Gatherer, Group};
use super::timings::Clock;
use super::{Failure, MAX_FINDINGS, diff, listing, redact, save, views};
use crate::catalog::Catalog;
use crate::finding::Finding;
use crate::model::Way;
use crate::progress;
use crate::report::{
    self, FileSummary, Format, HumanOptions, Named, Redact, Redactor, Report, RunSummary, SiteSummary,
    SiteView, clean,
};
use crate::session::{Judged, Read, Session};
use crate::site::{Date, Settings, Site};
use crate::source::SourceMap;
use crate::suppress::{Baseline, Checked};

/// Arguments of `pinhole check`.
#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    configs: ConfigPaths,
    /// A product behind the firewall, such as `scopia-mcu@10.1.2.10`; repeatable, instead of a site file
    #[arg(long = "product", value_name = "NAME[@ADDRESS]", value_parser = product, conflicts_with = "site")]
    products: Vec<(String, Option<IpAddr>)>,
    /// The security mode that the products run in
    #[arg(long, value_name = "NAME", requires = "products")]
    mode: Option<String>,
    /// Which way through the firewall to judge; else it is told from the config
    #[arg(long, value_name = "WAY", value_parser = way())]
    hook: Option<Way>,
    /// A folder with more products for the catalog; repeatable
    #[arg(long = "catalog", value_name = "DIR", env = "PINHOLE_CATALOG", value_delimiter = ':')]
    catalogs: Vec<PathBuf>,
    /// Form of the report: human, concise, json, jsonl, sarif, github, gitlab, junit, markdown, evidence or html;
    /// repeatable, with a file for all but one, as in `sarif=out.sarif` [default: human]
    #[arg(long = "format", value_name = "FORM[=FILE]", value_parser = Output::parse, env = "PINHOLE_FORMAT", value_delimiter = ',')]
    outputs: Vec<Output>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Exit with 0 whatever is found
    #[arg(long)]
    exit_zero: bool,
    /// Print the changes that the findings offer as a unified diff, which `patch` takes, instead of the report
    #[arg(long, conflicts_with_all = ["fix", "outputs"])]
    diff: bool,
    /// Make the changes that the findings offer, and report what is left
    #[arg(long)]
    fix: bool,
    /// Changes, too, that take away what somebody may want: rules that log or count, and rules that another contradicts
    #[arg(long)]
    unsafe_fixes: bool,
    /// Print which files would be read, and why the others in folders would not; check nothing
    #[arg(long)]
    list_files: bool,
    /// Leave out the findings that this file has: a baseline, which `--write-baseline` wrote. Without it, that of
    /// the site file
    #[arg(long, value_name = "FILE", conflicts_with = "no_suppressions")]
    baseline: Option<PathBuf>,
    /// Write all findings to this file, to be left out from now on, and report none
    #[arg(long, value_name = "FILE", conflicts_with_all = ["baseline", "prune_baseline"])]
    write_baseline: Option<PathBuf>,
    /// Forget what is gone from the baseline
    #[arg(long, conflicts_with = "no_suppressions")]
    prune_baseline: bool,
    /// Report everything, whatever comments in the configs, the site file's `[[check.ignore]]` and the baseline say
    #[arg(long)]
    no_suppressions: bool,
    /// Put stand-ins in the place of addresses and of the names of hosts and devices, for a report that others read
    #[arg(long, conflicts_with_all = ["diff", "fix", "write_baseline", "list_files"])]
    redact: bool,
    /// Whether places in the human form are links that a terminal opens; they need colours
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    hyperlinks: Hyperlinks,
    /// Print how many findings each rule has
    #[arg(long)]
    statistics: bool,
    /// Print on standard error how long each part of the work took
    #[arg(long)]
    timings: bool,
}

fn way() -> impl TypedValueParser<Value = Way> {
    PossibleValuesParser::new(["forward", "input", "output"]).map(|word| match word.as_str() {
        "forward" => Way::Forward,
        "input" => Way::Input,
        _ => Way::Output,
    })
}

fn product(text: &str) -> Result<(String, Option<IpAddr>), String> {
    match text.split_once('@') {
        None => Ok((text.to_string(), None)),
        Some((name, address)) => {
            let address = address.parse().map_err(|_| format!("`{address}` is no IPv4 or IPv6 address"))?;
            Ok((name.to_string(), Some(address)))
        }
    }
}

/// Runs `pinhole check`.
pub(super) fn run(args: &CheckArgs, color: ColorChoice, out: &mut impl Write) -> Result<u8, Failure> {
    if args.list_files {
        return listing::list(args.paths(), &args.configs.input.options()?, out);
    }
    let mut sources = SourceMap::new();
    if args.diff || args.fix {
        progress::part("trying changes");
        let done = mend(args, &sources, out)?;
        if args.diff {
            return Ok(done);
        }
    }
    let mut clock = Clock::new(args.timings);
    progress::part("reading configs");
    let (groups, mut failures) = args.gather(&mut sources)?;
    clock.lap("read the configs");
    if groups.iter().all(|group| group.read.configs.is_empty()) && !failures.is_empty() {
        return Err(Failure::Several(failures));
    }
    let mut run = Run::new(args)?;
    let several = groups.len() > 1;
    progress::part(if several { "checking one site after the other" } else { "checking" });
    for group in groups {
        run.group(group, several, &mut sources, &mut clock)?;
    }
    if let Some(path) = &args.write_baseline {
        let written = Baseline::of(path, &run.findings, &sources);
        save_baseline(path, &written)?;
        let known = if written.len() == 1 { "finding is" } else { "findings are" };
        writeln!(out, "{} {known} known from now on: {}", written.len(), clean(&path.to_string_lossy()))?;
        return if failures.is_empty() { Ok(0) } else { Err(Failure::Several(failures)) };
    }
    run.finish(&sources)?;
    run.summary.failures = failures.iter().map(ToString::to_string).collect();
    if args.redact {
        run.redact(&mut sources)?;
        failures = run.summary.failures.iter().map(Failure::usage).collect();
    }
    let report =
        Report { sources: &sources, findings: &run.findings, summary: &run.summary, views: &run.views };
    let color = color.on(&std::io::stdout());
    let options = HumanOptions { color, links: color && args.hyperlinks.on(), max_findings: MAX_FINDINGS };
    outputs::write(&args.outputs, &report, &options, out)?;
    clock.lap("write the report");
    clock.tell();
    match failures.is_empty() {
        true => Ok(u8::from(run.failed && !args.exit_zero)),
        false => Err(Failure::Several(std::mem::take(&mut failures))),
    }
}

/// A run over one site after the other.
struct Run<'a> {
    args: &'a CheckArgs,
    today: Date,
    /// The baseline of the command line, which is for all sites.
    baseline: Option<(&'a Path, Baseline)>,
    findings: Vec<Finding>,
    summary: RunSummary,
    /// What pages show besides the findings, site by site.
    views: Vec<SiteView>,
    /// Names that are not for everybody.
    names: Vec<Named>,
    failed: bool,
    /// Everything was read that the sites speak of.
    whole: bool,
}

impl<'a> Run<'a> {
    fn new(args: &'a CheckArgs) -> Result<Run<'a>, Failure> {
        let baseline = match &args.baseline {
            Some(path) => Some((path.as_path(), Baseline::read(path)?)),
            None => None,
        };
        let summary = RunSummary { statistics: args.statistics, ..RunSummary::default() };
        Ok(Run {
            args,
            today: Date::today(),
            baseline,
            findings: Vec::new(),
            summary,
            views: Vec::new(),
            names: Vec::new(),
            failed: false,
            whole: true,
        })
    }

    /// Checks a site.
    fn group(
        &mut self,
        group: Group,
        several: bool,
        sources: &mut SourceMap,
        clock: &mut Clock,
    ) -> Result<(), Failure> {
        let Group { mut site, read, whole } = group;
        self.args.filter.apply(&mut site.settings)?;
        let catalog = self.args.load_catalog(&site)?;
        let session = Session::new(site, catalog, read.configs, self.args.hook, sources);
        clock.lap("put the sites together");
        if self.args.redact {
            self.names.extend(redact::names(session.site()));
        }
        let mut findings: Vec<Finding> = session.check(self.today, sources);
        clock.lap("look for findings");
        if outputs::any(&self.args.outputs, Format::Html) {
            self.views.push(views::of(&session, sources)?);
            clock.lap("draw what pages show");
        }
        findings.extend(listing::findings(&read.unread, sources)?);
        let settings = &session.site().settings;
        let whole = whole || session.is_whole();
        self.whole &= whole;
        let checked = Checked {
            settings,
            files: session.files(sources),
            whole,
            today: self.today,
            sources,
            everything: self.args.no_suppressions,
        };
        let mut told = checked.tell(findings);
        told.findings.retain(|finding| self.args.filter.is_certain_enough(finding));
        report::sort(&mut told.findings, sources);
        self.leave_out_known(settings, &mut told.findings, whole, sources)?;
        let fail_on = self.args.filter.fail_on(settings);
        self.failed |= told.findings.iter().any(|finding| finding.severity >= fail_on);
        let all = told.findings.len();
        if self.args.write_baseline.is_none() {
            told.findings.retain(|finding| self.args.filter.shows(finding));
        }
        let summary = &mut self.summary;
        summary.below += all - told.findings.len();
        summary.unread += read.unread.iter().filter(|unread| unread.counts()).count();
        summary.unselected = summary.unselected.max(settings.selection.left_out());
        summary.ignored += told.ignored;
        summary.suppressed += told.suppressed;
        self.add(&session, told.findings, several, sources);
        Ok(())
    }

    /// Adds the files of a site, by name in whatever order they were asked for, and what was found in them.
    fn add(&mut self, session: &Session, mut findings: Vec<Finding>, several: bool, sources: &SourceMap) {
        let summary = &mut self.summary;
        let (files_before, findings_before) = (summary.files.len(), self.findings.len());
        let mut read: Vec<FileSummary> =
            session.reads().iter().flat_map(|read| files(read, sources)).collect();
        read.sort_by(|one, other| one.path.cmp(&other.path));
        summary.files.extend(read);
        self.findings.append(&mut findings);
        if several {
            let path = session.site().path.clone();
            let (findings, files) = (findings_before..self.findings.len(), files_before..summary.files.len());
            summary.sites.push(SiteSummary { path, findings, files });
        }
    }

    /// Takes away what the baseline of the command line has or, without one, that of the site.
    fn leave_out_known(
        &mut self,
        settings: &Settings,
        findings: &mut Vec<Finding>,
        whole: bool,
        sources: &SourceMap,
    ) -> Result<(), Failure> {
        if self.args.no_suppressions || self.args.write_baseline.is_some() {
            return Ok(());
        }
        if let Some((_, baseline)) = &mut self.baseline {
            self.summary.baselined += baseline.leave_out(findings, sources);
            return Ok(());
        }
        if let Some(path) = &settings.baseline {
            let mut baseline = Baseline::read(path)?;
            self.summary.baselined += baseline.leave_out(findings, sources);
            self.put_away(path, &mut baseline, whole, sources)?;
        }
        Ok(())
    }

    /// When all was found: what the baseline of the command line has and nobody found.
    fn finish(&mut self, sources: &SourceMap) -> Result<(), Failure> {
        match self.baseline.take() {
            Some((path, mut baseline)) => self.put_away(path, &mut baseline, self.whole, sources),
            None => Ok(()),
        }
    }

    /// Makes all that was found and read fit for others to read.
    fn redact(&mut self, sources: &mut SourceMap) -> Result<(), Failure> {
        let mut by = Redactor::new(std::mem::take(&mut self.names), sources);
        *sources = by.sources(sources, &mut self.findings)?;
        self.summary.redact(&mut by);
        self.views.redact(&mut by);
        Ok(())
    }

    /// Counts what is gone from a baseline, or forgets it.
    fn put_away(
        &mut self,
        path: &Path,
        baseline: &mut Baseline,
        whole: bool,
        sources: &SourceMap,
    ) -> Result<(), Failure> {
        let stale = baseline.stale(sources, whole);
        if self.args.prune_baseline && stale > 0 {
            baseline.prune(sources, whole);
            return save_baseline(path, baseline);
        }
        self.summary.stale += stale;
        Ok(())
    }
}

fn save_baseline(path: &Path, baseline: &Baseline) -> Result<(), Failure> {
    let text = baseline.to_json()?;
    save::whole(path, |file| file.write_all(text.as_bytes()))
}

/// Makes the changes that findings offer: prints them, or writes the files. 1 where there are any to print.
fn mend(args: &CheckArgs, sources: &SourceMap, out: &mut impl Write) -> Result<u8, Failure> {
    let look = |sources: &mut SourceMap| {
        let (groups, failures) = args.gather(sources)?;
        if !failures.is_empty() {
            return Err(Failure::Several(failures));
        }
        let mut run = Run::new(args)?;
        let several = groups.len() > 1;
        for group in groups {
            run.group(group, several, sources, &mut Clock::new(false))?;
        }
        run.finish(sources)?;
        Ok(run.findings)
    };
    let mut fixed = fix::fix(sources.clone(), Wanted { lints: None, careful: args.unsafe_fixes }, look)?;
    for (path, (before, after)) in fix::differing(&fixed.before, &fixed.sources) {
        if args.diff {
            out.write_all(fix::unified(path, before, after).as_bytes())?;
        } else {
            fix::replace(path, before, after)?;
        }
    }
    if args.fix {
        fix::tell(&fixed, out)?;
        let [before, after] = [&mut fixed.before, &mut fixed.sources].map(|sources| args.gather(sources));
        for line in effects(&before?.0, &after?.0) {
            writeln!(out, "{}", clean(&line))?;
        }
    }
    Ok(u8::from(args.diff && !fixed.mended.is_empty()))
}

/// What changes did to packets, firewall by firewall.
fn effects(before: &[Group], after: &[Group]) -> Vec<String> {
    let mut told = Vec::new();
    for (old, new) in before.iter().zip(after) {
        for (was, is) in old.read.configs.iter().zip(&new.read.configs) {
            told.extend(diff::effects(&new.site, is.firewall, &was.loaded.ruleset, &is.loaded.ruleset));
        }
    }
    told
}

/// The files of a firewall, and those that they include.
fn files(read: &Read, sources: &SourceMap) -> Vec<FileSummary> {
    let way = match read.judged {
        Judged::InSite => None,
        Judged::Alone => Some("by the general rules alone: no firewall of the site has it"),
        Judged::General => {
            Some("by the general rules alone: no site file and no `--product` says who needs what")
        }
        Judged::Way(Way::Forward) => Some("as traffic through the firewall (hook forward)"),
        Judged::Way(Way::Input) => Some("as traffic to the host itself (hook input)"),
        Judged::Way(Way::Output) => Some("as traffic from the host itself (hook output)"),
    };
    let six = if read.is_six { "; its rules are for IPv6" } else { "" };
    let way = way.map(|way| format!("{way}{six}"));
    let summary = read.rules.iter().map(|(id, rules)| FileSummary {
        path: sources.file(*id).path.clone(),
        dialect: read.dialect.name(),
        rules: *rules,
        way: way.clone(),
    });
    summary.collect()
}

impl CheckArgs {
    /// Reads the configs, site by site.
    fn gather(&self, sources: &mut SourceMap) -> Result<(Vec<Group>, Vec<Failure>), Failure> {
        let given = match self.products.is_empty() {
            true => None,
            false => Some(Site::of_products(&self.products, self.mode.as_deref())),
        };
        let gatherer = Gatherer { configs: &self.configs, given };
        gatherer.gather(sources)
    }

    /// The bundled catalog with those of the site file and of the command line on top.
    fn load_catalog(&self, site: &Site) -> Result<Catalog, Failure> {
        let catalog = catalog_of(site, &self.catalogs)?;
        if let Some((name, _)) = self.products.iter().find(|(name, _)| catalog.product(name).is_none()) {
            return Err(Failure::usage(match catalog.nearest_product(name) {
                Some(near) => format!("--product: the catalog has no `{name}`; did you mean `{near}`?"),
                None => format!("--product: the catalog has no `{name}`; `pinhole catalog list` prints all"),
            }));
        }
        Ok(catalog)
    }

    /// Takes in the paths that a file lists.
    pub(super) fn take_list(&mut self) -> Result<(), Failure> {
        self.configs.take_list()
    }

    /// Whether the output has colours.
    pub(super) fn colors(&self) -> bool {
        outputs::on_stdout(&self.outputs) == Some(Format::Human) && !self.list_files
    }

    /// Where to look.
    fn paths(&self) -> &[PathBuf] {
        configs::places(&self.configs.paths)
    }
}
