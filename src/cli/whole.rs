//! The whole site for commands that ask about it: its file, its catalog, its calls, and the configs of all firewalls.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Failure;
use super::input::{InputArgs, all_of, load_all, one_dialect};
use crate::calls::Calls;
use crate::catalog::Catalog;
use crate::lint::pages;
use crate::session::{Config, Session};
use crate::site::{self, Date, Site};
use crate::source::{SourceId, SourceMap};

/// Which site is asked about.
#[derive(Args, Debug)]
pub struct WholeArgs {
    /// The site file; else `pinhole.toml` of the current folder or the nearest one above it
    #[arg(long, value_name = "FILE")]
    site: Option<PathBuf>,
    /// A folder with more products for the catalog; repeatable
    #[arg(long = "catalog", value_name = "DIR")]
    catalogs: Vec<PathBuf>,
    /// A folder with more calls; repeatable
    #[arg(long = "calls", value_name = "DIR")]
    calls: Vec<PathBuf>,
    #[command(flatten)]
    input: InputArgs,
}

/// Findings about names in the site file that mean nothing: questions about the site would pass over them.
const NAMES: [&str; 4] = ["PH602", "PH603", "PH604", "PH605"];

/// The whole site.
pub struct Whole {
    /// What was read.
    pub session: Session,
    /// The calls that are known.
    pub calls: Calls,
}

impl WholeArgs {
    /// Reads the site and the configs of all its firewalls, none of which may be missing.
    pub fn load(&self, sources: &mut SourceMap) -> Result<Whole, Failure> {
        load(self.site.clone(), &self.catalogs, &self.calls, &self.input, sources)
    }
}

/// Reads a site and the configs of all its firewalls, none of which may be missing.
pub fn load(
    site: Option<PathBuf>,
    catalogs: &[PathBuf],
    calls: &[PathBuf],
    input: &InputArgs,
    sources: &mut SourceMap,
) -> Result<Whole, Failure> {
    let Some(path) = site.or_else(|| site::find(Path::new("."))) else {
        return Err(Failure::usage(
            "there is no site file: `pinhole.toml` says where firewalls and devices stand. Write one in this folder \
             (docs/site-file.md shows how), or name it with `--site`",
        ));
    };
    let id = sources.read(&path, &path)?;
    let site = site::load(sources, id, &pages::codes())
        .map_err(|findings| Failure::Site(Box::new(std::mem::take(sources)), findings))?;
    let mut catalog = Catalog::bundled()?;
    for folder in site.catalogs.iter().chain(catalogs) {
        catalog = catalog.load_dir(folder)?;
    }
    let mut wrong = site::doubts(&site, &catalog, Date::today());
    wrong.retain(|finding| NAMES.contains(&finding.code));
    if !wrong.is_empty() {
        return Err(Failure::Site(Box::new(std::mem::take(sources)), wrong));
    }
    let mut known = Calls::bundled(&catalog)?;
    for folder in site.calls.iter().chain(calls) {
        known = known.load_dir(folder, &catalog)?;
    }
    let configs: Result<Vec<Config>, Failure> =
        (0..site.firewalls.len()).map(|id| firewall(&site, id, input, sources)).collect();
    let session = Session::new(site, catalog, configs?, None, sources);
    Ok(Whole { session, calls: known })
}

/// Reads the config of a firewall.
fn firewall(site: &Site, id: usize, input: &InputArgs, sources: &mut SourceMap) -> Result<Config, Failure> {
    let firewall = &site.firewalls[id];
    let found = all_of(&firewall.configs, &input.options(), sources)?;
    let dialect = one_dialect(&found, sources)?;
    let environment = input.environment(Some(firewall), sources)?;
    let files: Vec<SourceId> = found.iter().map(|config| config.id).collect();
    let loaded = load_all(dialect, sources, &files, &environment);
    Ok(Config { firewall: Some(id), dialect, files, environment, loaded })
}
