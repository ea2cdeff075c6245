//! From paths to sites: each config is of the nearest site file in its folder or above.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Failure;
use super::configs::{ConfigPaths, ReadAll, Reader, places};
use super::input::load_site;
use crate::discover::{self, Unread};
use crate::site::{self, Site};
use crate::source::SourceMap;

/// A site, and what was read of it.
pub(super) struct Group {
    /// The site; an empty one for configs that have none.
    pub site: Site,
    /// Its configs, the files in folders that were not read, and what could not be.
    pub read: ReadAll,
    /// All that lies in its folder was asked for.
    pub whole: bool,
}

/// What leads from paths to sites.
pub(super) struct Gatherer<'r> {
    /// Where to look, and how.
    pub configs: &'r ConfigPaths,
    /// The site of the command line.
    pub given: Option<Site>,
}

impl Gatherer<'_> {
    /// Reads the configs, site by site: first those without one, then by the names of the site files. What could not be
    /// read of no site is in the last value.
    pub(super) fn gather(mut self, sources: &mut SourceMap) -> Result<(Vec<Group>, Vec<Failure>), Failure> {
        if self.configs.none {
            return Ok((
                vec![Group { site: Site::default(), read: ReadAll::default(), whole: false }],
                Vec::new(),
            ));
        }
        let one = match self.given.take() {
            Some(site) => Some(site),
            None if self.configs.site.told_by().is_some() => Some(self.configs.site.load([], sources)?),
            None if self.configs.paths.is_empty() => self.here(sources)?,
            None => None,
        };
        if let Some(site) = one {
            let reader = Reader { paths: &self.configs.paths, input: &self.configs.input, site: &site };
            let mut read = reader.read(sources);
            let failures = std::mem::take(&mut read.failures);
            let whole = self.is_whole(&site);
            return Ok((vec![Group { site, read, whole }], failures));
        }
        let found = discover::read(places(&self.configs.paths), &self.configs.input.options()?, sources);
        let mut failures: Vec<Failure> = found.failures.into_iter().map(Failure::from).collect();
        let mut sites = Sites::default();
        let mut parts: BTreeMap<Option<PathBuf>, (Vec<discover::ConfigFile>, Vec<Unread>)> = BTreeMap::new();
        for config in found.configs {
            let path = sites.of(&sources.file(config.id).path);
            parts.entry(path).or_default().0.push(config);
        }
        for unread in found.unread {
            let path = sites.of(&unread.path);
            parts.entry(path).or_default().1.push(unread);
        }
        let mut groups = Vec::new();
        for (path, (configs, unread)) in parts {
            let site = match path.as_deref().map(|path| load_site(path, sources)) {
                None => Site::default(),
                Some(Ok(site)) => site,
                Some(Err(failure)) => {
                    failures.push(failure);
                    continue;
                }
            };
            let mut read = ReadAll { unread, ..ReadAll::default() };
            Reader { paths: &self.configs.paths, input: &self.configs.input, site: &site }
                .take(configs, &mut read, sources);
            failures.append(&mut read.failures);
            let whole = self.is_whole(&site);
            groups.push(Group { site, read, whole });
        }
        if groups.is_empty() {
            groups.push(Group { site: Site::default(), read: ReadAll::default(), whole: false });
        }
        Ok((groups, failures))
    }

    /// The site of the current folder, where it speaks of firewalls: all of them are meant.
    fn here(&self, sources: &mut SourceMap) -> Result<Option<Site>, Failure> {
        let Some(path) = site::find(Path::new(".")) else { return Ok(None) };
        let site = load_site(&path, sources)?;
        Ok(Some(site).filter(|site| !site.firewalls.is_empty()))
    }

    fn is_whole(&self, site: &Site) -> bool {
        let Some(path) = &site.path else { return false };
        let folder = path.canonicalize().ok().and_then(|path| path.parent().map(Path::to_path_buf));
        let Some(folder) = folder else { return false };
        let holds = |path: &PathBuf| path.canonicalize().is_ok_and(|path| folder.starts_with(path));
        self.configs.paths.is_empty() && !site.firewalls.is_empty()
            || places(&self.configs.paths).iter().any(holds)
    }
}

/// The site files of folders, each looked for once.
#[derive(Default)]
struct Sites {
    known: BTreeMap<PathBuf, Option<PathBuf>>,
}

impl Sites {
    fn of(&mut self, config: &Path) -> Option<PathBuf> {
        let folder = config.parent().unwrap_or(Path::new(""));
        if let Some(known) = self.known.get(folder) {
            return known.clone();
        }
        let found = site::find(config);
        self.known.insert(folder.to_path_buf(), found.clone());
        found
    }
}
