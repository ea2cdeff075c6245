//! The whole site for commands that ask about it: its file, its catalog, its calls, and the configs of all firewalls.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Failure;
use super::input::{InputArgs, catalog_of, of_variable};
use crate::calls::Calls;
use crate::rule::{Lint, PH602, PH603, PH604, PH605};
use crate::session::{Config, Session};
use crate::site::{self, Date};
use crate::source::SourceMap;

/// Which site is asked about.
#[derive(Args, Debug)]
pub(super) struct WholeArgs {
    /// The site file; else that of the variable PINHOLE_SITE, or `pinhole.toml` of the current folder or the nearest
    /// one above it
    #[arg(long, value_name = "FILE", default_value = of_variable(), hide_default_value = true)]
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
const NAMES: [&Lint; 4] = [&PH602, &PH603, &PH604, &PH605];

/// The whole site.
pub(super) struct Whole {
    /// What was read.
    pub session: Session,
    /// The calls that are known.
    pub calls: Calls,
}

impl WholeArgs {
    /// Reads the site and the configs of all its firewalls, none of which may be missing.
    pub(super) fn load(&self, sources: &mut SourceMap) -> Result<Whole, Failure> {
        load(self.site.clone(), &self.catalogs, &self.calls, &self.input, sources)
    }
}

/// Reads a site and the configs of all its firewalls, none of which may be missing.
pub(super) fn load(
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
    let site = site::load(sources, id)
        .map_err(|findings| Failure::Site(Box::new(std::mem::take(sources)), findings))?;
    let catalog = catalog_of(&site, catalogs)?;
    let mut wrong = site::findings(&site, &catalog, Date::today());
    wrong.retain(|finding| NAMES.contains(&finding.lint()));
    if !wrong.is_empty() {
        return Err(Failure::Site(Box::new(std::mem::take(sources)), wrong));
    }
    let known = Calls::with(&catalog, site.calls.iter().chain(calls))?;
    let firewalls = site.firewalls.iter().enumerate();
    let configs: Result<Vec<Config>, Failure> =
        firewalls.map(|(id, firewall)| input.config(&firewall.configs, &site, Some(id), sources)).collect();
    let session = Session::new(site, catalog, configs?, None, sources);
    Ok(Whole { session, calls: known })
}
