//! From paths to the configs of firewalls.

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::Args;
use rustc_hash::FxHashMap;

use super::Failure;
use super::input::{InputArgs, SiteArgs, load_all};
use crate::discover::{self, Unread};
use crate::lint::cores;
use crate::session::Config;
use crate::site::Site;
use crate::source::{self, SourceId, SourceMap};

/// Configs that are worth a thread.
const LEAST: usize = 8;

/// Which configs, how to read them, and what stands around them.
#[derive(Args, Debug, Default)]
pub(super) struct ConfigPaths {
    /// Configs, or folders of configs; `-` is standard input. Without any: all configs of the site, or the
    /// current folder
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// A file with more paths, one a line; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub files_from: Option<PathBuf>,
    /// All paths were said to be in a list, and it has none.
    #[arg(skip)]
    pub none: bool,
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub site: SiteArgs,
}

/// What was read, and what could not be.
#[derive(Default)]
pub(super) struct ReadAll {
    /// The configs, firewall by firewall.
    pub configs: Vec<Config>,
    /// The files in folders that were not read.
    pub unread: Vec<Unread>,
    /// What could not be read though it was asked for.
    pub failures: Vec<Failure>,
}

impl ConfigPaths {
    /// Takes in the paths of the list, where there is one.
    pub(super) fn take_list(&mut self) -> Result<(), Failure> {
        let Some(list) = &self.files_from else { return Ok(()) };
        let bytes = source::bytes_of_stream(super::open(list)?, list)?;
        let text = String::from_utf8(bytes)
            .map_err(|error| Failure::usage(format!("cannot read `{}`: {error}", list.display())))?;
        self.paths.extend(text.lines().filter(|line| !line.is_empty()).map(PathBuf::from));
        self.none = self.paths.is_empty();
        Ok(())
    }
}

impl ReadAll {
    fn add(&mut self, read: Result<Config, Failure>) {
        match read {
            Ok(config) => self.configs.push(config),
            Err(failure) => self.failures.push(failure),
        }
    }
}

/// Reads configs, or those in folders.
pub(super) struct Reader<'r> {
    /// Where they are; without any, all configs of the site, or those in the current folder.
    pub paths: &'r [PathBuf],
    /// How to read them.
    pub input: &'r InputArgs,
    /// The site around them.
    pub site: &'r Site,
}

/// The paths to look at: the current folder where there are none.
pub(super) fn places(paths: &[PathBuf]) -> &[PathBuf] {
    static HERE: LazyLock<[PathBuf; 1]> = LazyLock::new(|| [PathBuf::from(".")]);
    if paths.is_empty() { HERE.as_slice() } else { paths }
}

impl Reader<'_> {
    /// Reads firewall by firewall. A file that the site gives to a firewall brings the firewall's other files with
    /// it; any other file is a firewall of its own.
    pub(super) fn read(&self, sources: &mut SourceMap) -> ReadAll {
        let mut all = ReadAll::default();
        if self.paths.is_empty() && !self.site.firewalls.is_empty() {
            for id in 0..self.site.firewalls.len() {
                all.add(self.firewall(id, sources));
            }
            return all;
        }
        let found = match self.input.options() {
            Ok(options) => discover::read(places(self.paths), &options, sources),
            Err(failure) => {
                all.failures.push(failure);
                return all;
            }
        };
        all.unread = found.unread;
        all.failures.extend(found.failures.into_iter().map(Failure::from));
        self.take(found.configs, &mut all, sources);
        all
    }

    /// Reads configs that were found, firewall by firewall.
    pub(super) fn take(
        &self,
        mut configs: Vec<discover::ConfigFile>,
        all: &mut ReadAll,
        sources: &mut SourceMap,
    ) {
        // The order of arguments is all one.
        configs.sort_by(|one, other| sources.file(one.id).path.cmp(&sources.file(other.id).path));
        let firewalls: Vec<Option<usize>> =
            configs.iter().map(|config| self.site.firewall_of(&sources.file(config.id).path)).collect();
        let order: Vec<usize> = (0..configs.len()).filter(|at| firewalls[*at].is_none()).collect();
        let mut alone = order.iter().zip(self.at_once(&configs, &order, sources));
        let mut done = Vec::new();
        for (config, firewall) in configs.iter().zip(firewalls) {
            match firewall {
                Some(id) if done.contains(&id) => {}
                Some(id) => {
                    done.push(id);
                    all.add(self.firewall(id, sources));
                }
                None => match alone.next() {
                    Some((_, Some(read))) => all.configs.push(read),
                    _ => all.add(self.alone(*config, sources)),
                },
            }
        }
        leave_out_parts(&mut all.configs, sources);
    }

    /// Reads configs of which each is a firewall of its own, on all cores. `None` for those that name other files, as
    /// those have to be taken in one after the other.
    fn at_once(
        &self,
        configs: &[discover::ConfigFile],
        order: &[usize],
        sources: &SourceMap,
    ) -> Vec<Option<Config>> {
        cores::spread(
            order,
            LEAST,
            || sources.clone(),
            |own, at| {
                let read = self.alone(configs[at], own).ok();
                if own.count() == sources.count() && own.brought_in(configs[at].id).is_empty() {
                    return read;
                }
                *own = sources.clone();
                None
            },
        )
    }

    fn alone(&self, config: discover::ConfigFile, sources: &mut SourceMap) -> Result<Config, Failure> {
        let environment = self.input.environment(None, sources)?;
        let files = vec![config.id];
        let loaded = load_all(config.dialect, sources, &files, &environment);
        Ok(Config { firewall: None, dialect: config.dialect, files, environment, loaded })
    }

    fn firewall(&self, id: usize, sources: &mut SourceMap) -> Result<Config, Failure> {
        self.input.config(&self.site.firewalls[id].configs, self.site, Some(id), sources)
    }
}

/// A file that another config brings in as a part is no firewall of its own. Of files that bring in each other, the first
/// is the config.
fn leave_out_parts(configs: &mut Vec<Config>, sources: &SourceMap) {
    let real = |id: SourceId| sources.file(id).path.canonicalize().ok();
    let parts = |config: &Config| match config.dialect.language().names_parts {
        true => config.files.iter().flat_map(|id| sources.brought_in(*id)).collect(),
        false => Vec::new(),
    };
    let brought: Vec<Vec<SourceId>> = configs.iter().map(parts).collect();
    if brought.iter().all(Vec::is_empty) {
        return;
    }
    let alone = configs.iter().enumerate().filter(|(_, config)| config.firewall.is_none());
    let places: FxHashMap<PathBuf, usize> =
        alone.filter_map(|(at, config)| Some((real(*config.files.first()?)?, at))).collect();
    let mut parts = vec![false; configs.len()];
    for (at, brought) in brought.iter().enumerate() {
        if !parts[at] {
            let held = brought.iter().filter_map(|id| places.get(&real(*id)?)).filter(|other| **other != at);
            held.for_each(|other| parts[*other] = true);
        }
    }
    let mut parts = parts.into_iter();
    configs.retain(|_| parts.next() != Some(true));
}
