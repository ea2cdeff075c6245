//! `pinhole check`: lints configs against the catalog, the site and the general rules.

use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::color::ColorChoice;
use super::configs::{self, Reader};
use super::filter::{Words, filter};
use super::fix::{self, Wanted};
use super::input::{InputArgs, SiteArgs};
use super::listing;
use super::outputs::{self, Output};
use super::{Failure, MAX_FINDINGS};
use crate::catalog::Catalog;
use crate::finding::Finding;
use crate::model::Way;
use crate::report::{self, FileSummary, Format, HumanOptions, Report, RunSummary};
use crate::rule::Severity;
use crate::session::{Judged, Read, Session};
use crate::site::{Date, Site};
use crate::source::SourceMap;

/// Arguments of `pinhole check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Configs, or folders of configs; `-` is standard input. Without any: all configs of the site, or the
    /// current folder
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    site: SiteArgs,
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
    #[arg(long = "catalog", value_name = "DIR")]
    catalogs: Vec<PathBuf>,
    /// Form of the report: human, concise, json, jsonl, sarif, github, gitlab, junit or markdown; repeatable, with a
    /// file for all but one, as in `sarif=out.sarif` [default: human]
    #[arg(long = "format", value_name = "FORM[=FILE]", value_parser = Output::parse)]
    outputs: Vec<Output>,
    /// The least severity that makes the exit code 1 (default: error)
    #[arg(long, value_name = "SEVERITY", value_parser = severity())]
    fail_on: Option<Severity>,
    /// Only these rules, by code (`PH201`, or `PH2` for all that start so) or name
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    select: Vec<String>,
    /// Not these rules
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    ignore: Vec<String>,
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
}

pub(super) fn severity() -> impl TypedValueParser<Value = Severity> {
    PossibleValuesParser::new(Severity::ALL.map(Severity::name))
        .try_map(|word| Severity::named(&word).ok_or("no severity"))
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
pub fn run(args: &CheckArgs, color: ColorChoice, out: &mut impl Write) -> Result<u8, Failure> {
    if args.list_files {
        return listing::list(args.paths(), &args.input.options(), out);
    }
    let mut sources = SourceMap::new();
    let mut site = args.load_site(&mut sources)?;
    Words { select: &args.select, ignore: &args.ignore }.apply(&mut site.settings)?;
    let catalog = args.load_catalog(&site)?;
    let today = Date::today();
    if args.diff || args.fix {
        let done = mend(args, &site, &catalog, &sources, out)?;
        if args.diff {
            return Ok(done);
        }
    }
    let read = Reader { paths: &args.paths, input: &args.input, site: &site }.read(&mut sources);
    if read.configs.is_empty() && !read.failures.is_empty() {
        return Err(Failure::Several(read.failures));
    }
    let session = Session::new(site, catalog, read.configs, args.hook, &mut sources);
    let mut findings: Vec<Finding> = session.check(today, &sources);
    findings.extend(listing::findings(&read.unread, &mut sources)?);
    let unread = read.unread.iter().filter(|unread| unread.counts()).count();
    let unselected = session.site().settings.selection.left_out();
    let mut summary = RunSummary { unread, unselected, ..RunSummary::default() };
    summary.files.extend(session.reads().iter().flat_map(|read| files(read, &sources)));
    let settings = &session.site().settings;
    let told = filter(findings, settings, today, &sources);
    let mut findings = told.findings;
    summary.ignored = told.ignored;
    summary.failures = read.failures.iter().map(ToString::to_string).collect();
    report::sort(&mut findings, &sources);
    let report = Report { sources: &sources, findings: &findings, summary: &summary };
    let options = HumanOptions { color: color.on(&std::io::stdout()), max_findings: MAX_FINDINGS };
    outputs::write(&args.outputs, &report, &options, out)?;
    if !read.failures.is_empty() {
        return Err(Failure::Several(read.failures));
    }
    let fail_on = args.fail_on.or(settings.fail_on).unwrap_or(Severity::Error);
    Ok(u8::from(findings.iter().any(|finding| finding.severity >= fail_on)))
}

/// Makes the changes that findings offer: prints them, or writes the files. 1 where there are any to print.
fn mend(
    args: &CheckArgs,
    site: &Site,
    catalog: &Catalog,
    sources: &SourceMap,
    out: &mut impl Write,
) -> Result<u8, Failure> {
    let today = Date::today();
    let look = |sources: &mut SourceMap| {
        let read = Reader { paths: &args.paths, input: &args.input, site }.read(sources);
        if !read.failures.is_empty() {
            return Err(Failure::Several(read.failures));
        }
        let session = Session::new(site.clone(), catalog.clone(), read.configs, args.hook, sources);
        let mut told = filter(session.check(today, sources), &site.settings, today, sources).findings;
        report::sort(&mut told, sources);
        Ok(told)
    };
    let fixed = fix::fix(sources.clone(), Wanted { lints: None, careful: args.unsafe_fixes }, look)?;
    for (path, (before, after)) in fix::differing(&fixed.before, &fixed.sources) {
        if args.diff {
            out.write_all(fix::unified(path, before, after).as_bytes())?;
        } else {
            fix::replace(path, before, after)?;
        }
    }
    if args.fix {
        fix::tell(&fixed, out)?;
    }
    Ok(u8::from(args.diff && !fixed.mended.is_empty()))
}

/// The files of a firewall, and those that they include.
fn files(read: &Read, sources: &SourceMap) -> Vec<FileSummary> {
    let way = match read.judged {
        Judged::InSite => None,
        Judged::Alone => Some("by the general rules alone: no firewall of the site has it".to_string()),
        Judged::Way(Way::Forward) => Some("as traffic through the firewall (hook forward)".to_string()),
        Judged::Way(Way::Input) => Some("as traffic to the host itself (hook input)".to_string()),
        Judged::Way(Way::Output) => Some("as traffic from the host itself (hook output)".to_string()),
    };
    let summary = read.rules.iter().map(|(id, rules)| FileSummary {
        path: sources.file(*id).path.clone(),
        dialect: read.dialect.name(),
        rules: *rules,
        way: way.clone(),
    });
    summary.collect()
}

impl CheckArgs {
    /// The bundled catalog with those of the site file and of the command line on top.
    fn load_catalog(&self, site: &Site) -> Result<Catalog, Failure> {
        let mut folders = site.catalogs.iter().chain(&self.catalogs);
        let catalog = folders.try_fold(Catalog::bundled()?, |catalog, folder| catalog.load_dir(folder))?;
        if let Some((name, _)) = self.products.iter().find(|(name, _)| catalog.product(name).is_none()) {
            return Err(Failure::usage(match catalog.nearest_product(name) {
                Some(near) => format!("--product: the catalog has no `{name}`; did you mean `{near}`?"),
                None => format!("--product: the catalog has no `{name}`; `pinhole catalog list` prints all"),
            }));
        }
        Ok(catalog)
    }

    fn load_site(&self, sources: &mut SourceMap) -> Result<Site, Failure> {
        if !self.products.is_empty() {
            return Ok(Site::of_products(&self.products, self.mode.as_deref()));
        }
        self.site.load(self.paths().iter().map(|path| self.input.place(path)), sources)
    }

    /// Whether the output has colours.
    pub fn colors(&self) -> bool {
        outputs::on_stdout(&self.outputs) == Some(Format::Human) && !self.list_files
    }

    /// Where to look.
    fn paths(&self) -> &[PathBuf] {
        configs::places(&self.paths)
    }
}
