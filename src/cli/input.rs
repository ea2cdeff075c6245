//! Arguments that name configs and what the configs do not tell.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap::builder::Resettable;
use clap::{Args, ValueEnum};

use super::Failure;
use crate::budget::{Budget, Limits, Resource};
use crate::catalog::{Catalog, CatalogError};
use crate::dialect::{Dialect, Environment, Loaded, load, unread};
use crate::discover;
use crate::model::OwnAddress;
use crate::packet::Family;
use crate::session::Config;
use crate::site::{self, Firewall, Prefix, Site};
use crate::source::{SourceId, SourceMap};

/// Firewall languages, as `--dialect` names them.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DialectArg {
    /// Dumps of `iptables-save`, scripts of `iptables` commands
    Iptables,
    /// Dumps of `ip6tables-save`, scripts of `ip6tables` commands
    Ip6tables,
    /// nftables, as text or JSON
    Nftables,
    /// pf.conf
    Pf,
    /// Running-configs of Cisco ASA
    Asa,
}

impl DialectArg {
    fn dialect(self) -> Dialect {
        match self {
            DialectArg::Iptables | DialectArg::Ip6tables => Dialect::Iptables,
            DialectArg::Nftables => Dialect::Nftables,
            DialectArg::Pf => Dialect::Pf,
            DialectArg::Asa => Dialect::Asa,
        }
    }
}

/// How to read configs, and what they do not tell.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct InputArgs {
    /// The firewall language of the configs; else it is told from their text
    #[arg(long, value_enum, value_name = "NAME")]
    pub(super) dialect: Option<DialectArg>,
    /// The name that reports give to standard input (`-`)
    #[arg(long, value_name = "NAME")]
    stdin_filename: Option<PathBuf>,
    /// Leave out what these patterns fit, as lines of `.gitignore` have it, from the current folder on; repeatable
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// Leave out files that are named, too, where a pattern or an ignore file says so
    #[arg(long)]
    force_exclude: bool,
    /// An address of the firewall itself, such as `eth0=192.0.2.1/24`; repeatable
    #[arg(long = "interface", value_name = "NAME=ADDR/LEN", value_parser = own_address)]
    pub(super) interfaces: Vec<(String, Prefix)>,
    /// A file written by `ipset save`; repeatable
    #[arg(long = "ipset", value_name = "FILE")]
    pub(super) ipsets: Vec<PathBuf>,
    /// The folder that stands for `/` of the firewall: absolute paths that configs name are read in it
    #[arg(long, value_name = "DIR", value_parser = folder)]
    root: Option<PathBuf>,
    /// How much a config may expand to beyond its own size (`steps`, `nodes` or `bytes`), and how long
    /// rules that do nothing are looked for (`search`), such as `nodes=2M`; repeatable
    #[arg(long = "budget", value_name = "KIND=N", value_delimiter = ',', value_parser = amount)]
    budget: Vec<(Resource, u64)>,
}

fn folder(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_dir() { Ok(path) } else { Err("it is no folder".to_string()) }
}

fn amount(text: &str) -> Result<(Resource, u64), String> {
    let of = |name: &str| Resource::ALL.into_iter().find(|resource| resource.name() == name);
    let (name, number) = text.split_once('=').ok_or("write it as KIND=N, such as nodes=2M")?;
    let resource = of(name).ok_or("the kinds are `steps`, `nodes`, `bytes` and `search`")?;
    let digits = number.trim_end_matches(['k', 'M', 'G']);
    let unit = match &number[digits.len()..] {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        _ => return Err(format!("`{number}` is no number")),
    };
    let amount = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(unit));
    amount.map(|amount| (resource, amount)).ok_or_else(|| format!("`{number}` is no number"))
}

pub(super) fn own_address(text: &str) -> Result<(String, Prefix), String> {
    let (name, address) =
        text.split_once('=').ok_or("write it as NAME=ADDR/LEN, such as eth0=192.0.2.1/24")?;
    if name.is_empty() {
        return Err("the interface has no name".to_string());
    }
    Ok((name.to_string(), site::parse_prefix(address)?))
}

impl InputArgs {
    /// How to look for configs.
    pub(super) fn options(&self) -> Result<discover::Options, Failure> {
        let exclude = discover::patterns(&self.exclude)
            .map_err(|error| Failure::usage(format!("--exclude: {error}")))?;
        Ok(discover::Options {
            dialect: self.dialect.map(DialectArg::dialect),
            stdin_name: self.stdin_filename.clone(),
            exclude,
            force_exclude: self.force_exclude,
        })
    }

    /// The folder or file that a path stands for where the site file is looked for.
    pub(super) fn place<'a>(&'a self, path: &'a Path) -> &'a Path {
        match (path.as_os_str() == "-", &self.stdin_filename) {
            (true, Some(name)) => name,
            (true, None) => Path::new("."),
            (false, _) => path,
        }
    }

    /// Reads files as those of one firewall of a site, or of none, where its number is `None`. None of them may be missing.
    pub(super) fn config(
        &self,
        paths: &[PathBuf],
        site: &Site,
        firewall: Option<usize>,
        sources: &mut SourceMap,
    ) -> Result<Config, Failure> {
        let found = all_of(paths, &self.options()?, sources)?;
        let dialect = one_dialect(&found, sources)?;
        let environment = self.environment(firewall.map(|id| &site.firewalls[id]), sources)?;
        let files: Vec<SourceId> = found.iter().map(|config| config.id).collect();
        let loaded = load_all(dialect, sources, &files, &environment);
        Ok(Config { firewall, dialect, files, environment, loaded })
    }

    /// What the command line and the site file tell about the firewall. The command line wins where both
    /// give addresses of one interface.
    pub(super) fn environment(
        &self,
        firewall: Option<&Firewall>,
        sources: &mut SourceMap,
    ) -> Result<Environment, Failure> {
        let mut own: Vec<OwnAddress> =
            self.interfaces.iter().map(|(interface, prefix)| prefix.on(interface)).collect();
        let (mut groups, mut assumptions) = (Vec::new(), Vec::new());
        if let Some(firewall) = firewall {
            let given = |own: &OwnAddress| self.interfaces.iter().any(|(name, _)| *name == own.interface);
            own.extend(firewall.own_addresses().into_iter().filter(|own| !given(own)));
            assumptions.extend_from_slice(&firewall.assumptions);
            groups.extend(firewall.groups.iter().map(|(name, members)| (name.clone(), members.clone())));
        }
        let ipsets: Result<Vec<SourceId>, _> =
            self.ipsets.iter().map(|path| sources.read(path, path)).collect();
        let family = (self.dialect == Some(DialectArg::Ip6tables)).then_some(Family::V6);
        if let Some(root) = &self.root {
            sources.set_root(root.clone());
        }
        let limits = self.budget.iter().fold(Limits::default(), |limits, (r, n)| limits.with(*r, *n));
        Ok(Environment {
            own,
            groups,
            ipsets: ipsets?,
            family,
            assumptions,
            told: self.dialect.is_some(),
            budget: Budget::new(limits),
        })
    }
}

/// The site file that `PINHOLE_SITE` names.
fn variable() -> Option<&'static OsStr> {
    static NAMED: OnceLock<Option<OsString>> = OnceLock::new();
    let named = NAMED.get_or_init(|| std::env::var_os("PINHOLE_SITE").filter(|name| !name.is_empty()));
    named.as_deref()
}

/// The same as a default: what is said on the command line is never at odds with it.
pub(super) fn of_variable() -> Resettable<clap::builder::OsStr> {
    variable().map_or(Resettable::Reset, |name| Resettable::Value(name.into()))
}

/// Which site file to use.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct SiteArgs {
    /// The site file; else that of the variable PINHOLE_SITE, or `pinhole.toml` in the config's folder or above
    #[arg(long, value_name = "FILE", default_value = of_variable(), hide_default_value = true)]
    pub(super) site: Option<PathBuf>,
    /// Use no site file
    #[arg(long, conflicts_with = "site")]
    pub(super) no_site: bool,
}

impl SiteArgs {
    /// The site of the configs at some places, which may have none but not different ones.
    pub(super) fn load<'a>(
        &self,
        places: impl IntoIterator<Item = &'a Path>,
        sources: &mut SourceMap,
    ) -> Result<Site, Failure> {
        let Some(path) = self.path(places)? else { return Ok(Site::default()) };
        load_site(&path, sources)
    }

    /// Who says which site it is; `None` where nobody does.
    pub(super) fn told_by(&self) -> Option<&'static str> {
        if self.no_site {
            return Some("command line");
        }
        let named = self.site.as_deref()?.as_os_str();
        Some(if variable() == Some(named) { "environment" } else { "command line" })
    }

    /// The site file that is named.
    pub(super) fn named(&self) -> Option<&Path> {
        self.site.as_deref().filter(|_| !self.no_site)
    }

    fn path<'a>(&self, places: impl IntoIterator<Item = &'a Path>) -> Result<Option<PathBuf>, Failure> {
        if self.told_by().is_some() {
            return Ok(self.named().map(Path::to_path_buf));
        }
        let mut found: Vec<PathBuf> = places.into_iter().filter_map(site::find).collect();
        found.dedup();
        match found.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one.clone())),
            [one, other, ..] => Err(Failure::usage(format!(
                "the configs belong to different sites, `{}` and `{}`: do this for one after the other, or name one \
                 with `--site`",
                one.display(),
                other.display()
            ))),
        }
    }
}

/// Reads a site file.
pub(super) fn load_site(path: &Path, sources: &mut SourceMap) -> Result<Site, Failure> {
    let id = sources.read(path, path)?;
    site::load(sources, id).map_err(|findings| {
        let mut alone = SourceMap::new();
        // What is wrong with it is told on its own, whatever else is read.
        let base = sources.file(id).base;
        let text = sources.file(id).text.clone().into_bytes();
        let findings = findings.into_iter().map(|finding| finding.moved(base)).collect();
        match alone.add(path, text) {
            Ok(_) => Failure::Site(Box::new(alone), findings),
            Err(error) => error.into(),
        }
    })
}

/// The configs of one firewall.
#[derive(Args, Debug)]
pub(super) struct ConfigArgs {
    /// The config files of one firewall, all of one language; `-` is standard input
    #[arg(required = true, value_name = "CONFIG")]
    configs: Vec<PathBuf>,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    site: SiteArgs,
}

impl ConfigArgs {
    /// Whether a config comes from standard input.
    pub(super) fn reads_stdin(&self) -> bool {
        self.configs.iter().any(|path| path.as_os_str() == "-")
    }

    /// The words that name configs.
    pub(super) fn words(&self) -> &[PathBuf] {
        &self.configs
    }

    /// How to read configs.
    pub(super) fn input(&self) -> &InputArgs {
        &self.input
    }

    /// The site file that was named.
    pub(super) fn site_file(&self) -> Option<PathBuf> {
        self.site.named().map(Path::to_path_buf)
    }

    /// Reads the configs as those of one firewall.
    pub(super) fn load(&self, sources: &mut SourceMap) -> Result<Loaded, Failure> {
        let places: Vec<&Path> = self.configs.iter().map(|path| self.input.place(path)).collect();
        let site = self.site.load(places.iter().copied(), sources)?;
        let firewall = places.iter().find_map(|path| site.firewall_of(path));
        Ok(self.input.config(&self.configs, &site, firewall, sources)?.loaded)
    }
}

/// The configs of one firewall, of which none may be missing.
fn all_of(
    paths: &[PathBuf],
    options: &discover::Options,
    sources: &mut SourceMap,
) -> Result<Vec<discover::ConfigFile>, Failure> {
    let found = discover::read(paths, options, sources);
    if found.failures.is_empty() {
        return Ok(found.configs);
    }
    Err(Failure::Several(found.failures.into_iter().map(Failure::from).collect()))
}

/// Reads the files of one firewall, and says of which of them nothing was read.
pub(super) fn load_all(
    dialect: Dialect,
    sources: &mut SourceMap,
    files: &[SourceId],
    environment: &Environment,
) -> Loaded {
    let mut loaded = load(dialect, sources, files, environment);
    let unread = unread(dialect, sources, files, environment, &loaded);
    loaded.findings.extend(unread);
    loaded
}

/// The bundled catalog with those of the site file and of the command line on top; an empty one where nothing names a
/// product.
pub(super) fn catalog_of(site: &Site, more: &[PathBuf]) -> Result<Catalog, CatalogError> {
    let names_none = site.is_made_up() && site.devices.is_empty() && more.is_empty();
    if names_none { Ok(Catalog::default()) } else { Catalog::with(site.catalogs.iter().chain(more)) }
}

/// The dialect of the configs of one firewall.
fn one_dialect(configs: &[discover::ConfigFile], sources: &SourceMap) -> Result<Dialect, Failure> {
    let Some(first) = configs.first() else {
        return Err(Failure::usage("there is no config to read"));
    };
    match configs.iter().find(|other| other.dialect != first.dialect) {
        None => Ok(first.dialect),
        Some(other) => Err(Failure::usage(format!(
            "`{}` is {} and `{}` is {}: the files of one firewall are all of one language",
            sources.file(first.id).path.display(),
            first.dialect.name(),
            sources.file(other.id).path.display(),
            other.dialect.name()
        ))),
    }
}
