//! The two sides of a change, as they are read.

use std::path::{Path, PathBuf};

use super::git::{Repository, Tree};
use super::{DiffArgs, Failure};
use crate::cli::configs::{Reader, places};
use crate::cli::input::{InputArgs, SiteArgs};
use crate::rule::Severity;
use crate::session::Config;
use crate::site::Site;
use crate::source::{SourceMap, Span};

/// One side.
pub(super) struct Side {
    /// All its files.
    pub sources: SourceMap,
    /// The site around them.
    pub site: Site,
    /// The configs, firewall by firewall.
    pub configs: Vec<Config>,
    /// The least severity that fails, by the site file.
    pub fail_on: Option<Severity>,
    /// The paths that are read.
    paths: Vec<PathBuf>,
    /// Where the files lie that were taken out of a repository.
    tree: Option<Tree>,
    /// The folder below which files of both sides have the same names, where folders are compared.
    pub base: PathBuf,
}

/// Both sides.
pub(super) struct Sides {
    /// Before the change.
    pub old: Side,
    /// After it.
    pub new: Side,
    /// Two files are compared, whatever they are called.
    pub files: bool,
}

/// Where to read one side.
struct Place {
    paths: Vec<PathBuf>,
    base: PathBuf,
    tree: Option<Tree>,
}

impl Sides {
    /// Reads both sides.
    pub(super) fn read(args: &DiffArgs) -> Result<Sides, Failure> {
        let from_git = args.git.is_some() || args.staged || args.paths.len() < 2;
        let (old, new, files) = if from_git { in_repository(args)? } else { on_disk(args)? };
        let old_site = match &old.tree {
            // A revision has a site of its own.
            Some(_) => SiteArgs { site: None, ..args.site.clone() },
            None => args.site.clone(),
        };
        let mut new = Side::begun(new, &args.site)?;
        let mut old = Side::begun(old, &old_site)?;
        if files {
            // Both files are those of one firewall, whatever they are called.
            if old.site.path.is_none() {
                old.site = new.site.clone();
            }
            let firewall = firewall_of(args, &new, &old)?;
            old.read_as(firewall, &args.input_of(false))?;
            new.read_as(firewall, &args.input_of(true))?;
        } else {
            old.read(&args.input_of(false))?;
            new.read(&args.input_of(true))?;
        }
        Ok(Sides { old, new, files })
    }
}

fn on_disk(args: &DiffArgs) -> Result<(Place, Place, bool), Failure> {
    let [old, new] = args.paths.as_slice() else {
        return Err(Failure::usage("give OLD and NEW, two configs or two folders"));
    };
    if old.is_dir() != new.is_dir() {
        return Err(Failure::usage("OLD and NEW are both configs or both folders"));
    }
    let place = |path: &PathBuf| Place { paths: vec![path.clone()], base: path.clone(), tree: None };
    Ok((place(old), place(new), !old.is_dir()))
}

fn in_repository(args: &DiffArgs) -> Result<(Place, Place, bool), Failure> {
    let here = args.paths.first().map(PathBuf::as_path);
    let repository = Repository::here(here).map_err(|failure| match (&args.git, args.staged) {
        (None, false) => Failure::usage("give OLD and NEW, or run it on files of a git repository"),
        _ => failure,
    })?;
    let paths = repository.inside(places(&args.paths))?;
    let revision = args.git.as_deref().unwrap_or("HEAD");
    let (old, new) = match revision.split_once("..") {
        Some((old, new)) => (old, Some(new.trim_start_matches('.'))),
        None => (revision, None),
    };
    let or_head = |name: &str| if name.is_empty() { "HEAD".to_string() } else { name.to_string() };
    let taken_out = |tree: Tree| {
        let base = tree.path().to_path_buf();
        let below: Vec<PathBuf> =
            paths.iter().map(|path| base.join(path)).filter(|path| path.exists()).collect();
        Place { paths: below, base, tree: Some(tree) }
    };
    let old = taken_out(repository.tree(&or_head(old))?);
    let new = match new {
        Some(new) => taken_out(repository.tree(&or_head(new))?),
        None if args.staged => taken_out(repository.staged()?),
        None => {
            let here = repository.paths_here(&paths);
            Place {
                paths: here.into_iter().filter(|path| path.exists()).collect(),
                base: repository.top().to_path_buf(),
                tree: None,
            }
        }
    };
    Ok((old, new, false))
}

/// The firewall of the site whose files are compared, where it is one of the site.
fn firewall_of(args: &DiffArgs, new: &Side, old: &Side) -> Result<Option<usize>, Failure> {
    let Some(wanted) = &args.firewall else {
        let mut paths = new.paths.iter().chain(&old.paths);
        return Ok(paths.find_map(|path| new.site.firewall_of(path)));
    };
    let found = new.site.firewalls.iter().position(|firewall| firewall.name == *wanted);
    match found {
        Some(id) => Ok(Some(id)),
        None => Err(Failure::usage(format!("--firewall: the site file has no `{wanted}`"))),
    }
}

impl Side {
    /// A side of which the site is known.
    fn begun(place: Place, site: &SiteArgs) -> Result<Side, Failure> {
        let mut sources = SourceMap::new();
        let site = site.load(place.paths.iter().map(PathBuf::as_path), &mut sources)?;
        Ok(Side {
            fail_on: site.settings.fail_on,
            configs: Vec::new(),
            paths: place.paths,
            tree: place.tree,
            base: place.base,
            sources,
            site,
        })
    }

    /// Reads folders and files, firewall by firewall.
    fn read(&mut self, input: &InputArgs) -> Result<(), Failure> {
        if self.paths.is_empty() {
            return Ok(());
        }
        let read = Reader { paths: &self.paths, input, site: &self.site }.read(&mut self.sources);
        // A folder that holds no config is a side without firewalls.
        let is_empty = |failure: &Failure| matches!(failure, Failure::NoConfig(_));
        let is_told = !read.configs.is_empty() && !read.failures.is_empty();
        if is_told || !read.failures.iter().all(is_empty) {
            return Err(Failure::Several(read.failures));
        }
        self.configs = read.configs;
        Ok(())
    }

    /// Reads files as those of a firewall of the site, or of none.
    fn read_as(&mut self, firewall: Option<usize>, input: &InputArgs) -> Result<(), Failure> {
        let firewall = firewall.filter(|id| *id < self.site.firewalls.len());
        self.configs = vec![input.config(&self.paths, &self.site, firewall, &mut self.sources)?];
        Ok(())
    }

    /// The name of a file for people: with the revision that it is of.
    pub(super) fn shown(&self, path: &Path) -> String {
        let text = path.to_string_lossy();
        match &self.tree {
            Some(_) => self.said(&text),
            None => text.strip_prefix("./").unwrap_or(&text).to_string(),
        }
    }

    /// A text without the folder where files of a revision lie.
    pub(super) fn said(&self, text: &str) -> String {
        match &self.tree {
            Some(tree) => text.replace(&format!("{}/", tree.path().display()), ""),
            None => text.to_string(),
        }
    }

    /// The revision that the side is, where it is one.
    pub(super) fn revision(&self) -> Option<&str> {
        self.tree.as_ref().map(Tree::name)
    }

    /// The file and line of a span.
    pub(super) fn place(&self, span: Span) -> Option<(String, u32)> {
        let file = self.sources.file_of(span)?;
        Some((self.shown(&file.path), file.place(span.start).line))
    }
}
