//! From paths on the command line to config files and their dialects.

mod form;
mod look;
mod marks;
mod shell;
mod sniff;
mod walk;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

pub(crate) use form::Form;
pub(crate) use marks::Near;
pub(crate) use sniff::{Told, sniff};
pub(crate) use walk::{Unread, Why};

use crate::dialect::Dialect;
use crate::source::{SourceError, SourceId, SourceMap, bytes_of_stream};

/// A config that was read into the source map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ConfigFile {
    /// The file.
    pub id: SourceId,
    /// Its dialect.
    pub dialect: Dialect,
}

/// How to look for configs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// The dialect of all files, where the user says it; it also narrows what is found in folders.
    pub dialect: Option<Dialect>,
    /// The name that reports give to standard input.
    pub stdin_name: Option<PathBuf>,
    /// What to leave out.
    pub exclude: Option<Gitignore>,
    /// Files that are named are left out, too, where `exclude` or an ignore file says so.
    pub force_exclude: bool,
}

impl Options {
    /// Why a file that is named is not read all the same.
    fn left_out(&self, path: &Path) -> Option<Why> {
        self.force_exclude.then(|| walk::left_out(path, self)).flatten()
    }
}

/// Patterns of what to leave out, which hold from the current folder on.
pub(crate) fn patterns(lines: &[String]) -> Result<Option<Gitignore>, ignore::Error> {
    if lines.is_empty() {
        return Ok(None);
    }
    let here = std::env::current_dir().and_then(|here| here.canonicalize()).map_err(ignore::Error::Io)?;
    let mut builder = GitignoreBuilder::new(here);
    for line in lines {
        builder.add_line(None, line)?;
    }
    builder.build().map(Some)
}

/// What paths lead to.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The configs, in the order of the paths, each once.
    pub configs: Vec<ConfigFile>,
    /// The files in folders that were not read.
    pub unread: Vec<Unread>,
    /// What could not be read though it was asked for.
    pub failures: Vec<DiscoverError>,
}

/// Why configs could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiscoverError {
    /// A file could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A folder could not be listed.
    #[error("cannot list `{}`: {error}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// A folder has no config in it.
    #[error("`{}` holds no firewall config that pinhole knows", .0.display())]
    NoConfig(PathBuf),
    /// A file is in none of the known languages.
    #[error("cannot tell which firewall language `{}` is written in; name it with `--dialect`", .0.display())]
    UnknownDialect(PathBuf),
    /// A file is in a language near to the known ones.
    #[error("`{}` looks like {}. {} If it is something else, name its language with `--dialect`.", .0.display(), .1.name, .1.instead)]
    Near(PathBuf, Near),
    /// A file has no content, and its name tells no language.
    #[error("`{}` is empty: there is no config in it", .0.display())]
    Empty(PathBuf),
    /// A file in a folder that smells of a firewall, where the folder holds nothing else.
    #[error("`{}` was not read: {}", .0.path.display(), .0.why)]
    Unread(Unread),
    /// A file is no text as it stands.
    #[error("`{}` is {}: {}", .0.display(), .1.name(), .1.help())]
    Form(PathBuf, Form),
}

/// Reads the configs that paths lead to, in the order of the paths, each once. A folder stands for the
/// configs in it, sorted by name; `-` is standard input. What the source map holds already is not read again.
/// What cannot be read does not stop the rest.
pub(crate) fn read(paths: &[PathBuf], options: &Options, sources: &mut SourceMap) -> Found {
    let mut reader = Reader { held: BTreeMap::new(), found: Found::default() };
    reader.held.extend(sources.files().filter_map(|(id, file)| Some((file.path.canonicalize().ok()?, id))));
    for path in paths {
        if path.is_dir() {
            reader.folder(path, options, sources);
        } else if let Some(why) = options.left_out(path) {
            reader.found.unread.push(Unread { path: path.clone(), why });
        } else if let Err(error) = reader.file(path, options, sources) {
            reader.found.failures.push(error);
        }
    }
    reader.found
}

struct Reader {
    /// What the source map holds, by full path.
    held: BTreeMap<PathBuf, SourceId>,
    found: Found,
}

impl Reader {
    fn folder(&mut self, folder: &Path, options: &Options, sources: &mut SourceMap) {
        let walked = walk::walk(folder, options);
        if walked.configs.is_empty() && walked.failures.is_empty() {
            let smelling = walked.unread.iter().filter(|unread| unread.smells()).cloned();
            self.found.failures.push(DiscoverError::NoConfig(folder.to_path_buf()));
            self.found.failures.extend(smelling.map(DiscoverError::Unread));
        }
        self.found.unread.extend(walked.unread);
        self.found.failures.extend(walked.failures);
        for (path, dialect) in walked.configs {
            match self.take(&path, sources) {
                Ok(id) => self.add(id, dialect),
                Err(error) => self.found.failures.push(error),
            }
        }
    }

    fn file(&mut self, path: &Path, options: &Options, sources: &mut SourceMap) -> Result<(), DiscoverError> {
        let id = match path.as_os_str() == "-" {
            true => {
                let name = options.stdin_name.as_deref().unwrap_or(Path::new("<stdin>"));
                add_text(name, bytes_of_stream(std::io::stdin().lock(), name)?, sources)?
            }
            false => self.take(path, sources)?,
        };
        let dialect = dialect_of(id, options, sources)?;
        self.add(id, dialect);
        Ok(())
    }

    /// Reads a file, unless it is held.
    fn take(&mut self, path: &Path, sources: &mut SourceMap) -> Result<SourceId, DiscoverError> {
        let full = path.canonicalize().ok();
        let held = full.as_ref().and_then(|full| self.held.get(full).copied());
        let id = match held {
            Some(id) => id,
            None => add_text(path, sources.bytes(path, path)?, sources)?,
        };
        self.held.extend(full.map(|full| (full, id)));
        Ok(id)
    }

    fn add(&mut self, id: SourceId, dialect: Dialect) {
        if self.found.configs.iter().all(|config| config.id != id) {
            self.found.configs.push(ConfigFile { id, dialect });
        }
    }
}

/// Takes in what may be text.
fn add_text(path: &Path, bytes: Vec<u8>, sources: &mut SourceMap) -> Result<SourceId, DiscoverError> {
    match form::of(&bytes) {
        Some(form) => Err(DiscoverError::Form(path.to_path_buf(), form)),
        None => Ok(sources.add(path, bytes)?),
    }
}

/// The dialect that the user says, or that the text looks like.
fn dialect_of(id: SourceId, options: &Options, sources: &SourceMap) -> Result<Dialect, DiscoverError> {
    let file = sources.file(id);
    let path = || file.path.clone();
    if let Some(dialect) = options.dialect {
        return Ok(dialect);
    }
    match sniff(&file.text, &file.path) {
        Told::Config(dialect) | Told::ByName { dialect, .. } => Ok(dialect),
        Told::Near(near) => Err(DiscoverError::Near(path(), near)),
        Told::Empty => Err(DiscoverError::Empty(path())),
        Told::Unknown => Err(DiscoverError::UnknownDialect(path())),
    }
}

#[cfg(test)]
mod tests;
