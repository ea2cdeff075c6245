//! From paths on the command line to config files and their dialects.

mod sniff;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

pub use sniff::sniff;

use crate::dialect::Dialect;
use crate::source::{SourceError, SourceId, SourceMap};

/// A config that was read into the source map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// The file.
    pub id: SourceId,
    /// Its dialect.
    pub dialect: Dialect,
}

/// How to look for configs.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The dialect of all files, where the user says it; it also narrows what is found in folders.
    pub dialect: Option<Dialect>,
    /// The name that reports give to standard input.
    pub stdin_name: Option<PathBuf>,
}

/// Why configs could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DiscoverError {
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
}

/// How much of a file in a folder is read to see whether it is a config, in bytes.
const LOOK_AT: u64 = 256 * 1024;

/// Reads the configs that paths lead to, in the order of the paths, each once. A folder stands for the
/// configs in it, sorted by name; `-` is standard input. What the source map holds already is not read again.
pub fn read(
    paths: &[PathBuf],
    options: &Options,
    sources: &mut SourceMap,
) -> Result<Vec<Config>, DiscoverError> {
    let mut reader = Reader { held: BTreeMap::new(), configs: Vec::new() };
    reader.held.extend(sources.files().filter_map(|(id, file)| Some((file.path.canonicalize().ok()?, id))));
    for path in paths {
        if path.as_os_str() == "-" {
            reader.configs.push(read_stdin(options, sources)?);
        } else if path.is_dir() {
            let found = walk(path, options)?;
            if found.is_empty() {
                return Err(DiscoverError::NoConfig(path.clone()));
            }
            for (file, dialect) in found {
                reader.add(&file, sources, |_, _| Ok(dialect))?;
            }
        } else {
            reader.add(path, sources, |id, sources| dialect_of(id, options, sources))?;
        }
    }
    Ok(reader.configs)
}

struct Reader {
    /// What the source map holds, by full path.
    held: BTreeMap<PathBuf, SourceId>,
    configs: Vec<Config>,
}

impl Reader {
    fn add(
        &mut self,
        path: &Path,
        sources: &mut SourceMap,
        dialect: impl FnOnce(SourceId, &SourceMap) -> Result<Dialect, DiscoverError>,
    ) -> Result<(), DiscoverError> {
        let full = path.canonicalize().ok();
        let held = full.as_ref().and_then(|full| self.held.get(full).copied());
        let id = match held {
            Some(id) => id,
            None => sources.read(path, path)?,
        };
        self.held.extend(full.map(|full| (full, id)));
        if self.configs.iter().all(|config| config.id != id) {
            self.configs.push(Config { id, dialect: dialect(id, sources)? });
        }
        Ok(())
    }
}

fn read_stdin(options: &Options, sources: &mut SourceMap) -> Result<Config, DiscoverError> {
    let path = options.stdin_name.clone().unwrap_or_else(|| "<stdin>".into());
    let mut bytes = Vec::new();
    std::io::stdin()
        .read_to_end(&mut bytes)
        .map_err(|error| SourceError::Read { path: path.clone(), error })?;
    let id = sources.add(path, bytes)?;
    Ok(Config { id, dialect: dialect_of(id, options, sources)? })
}

/// The dialect that the user says, or that the text looks like.
fn dialect_of(id: SourceId, options: &Options, sources: &SourceMap) -> Result<Dialect, DiscoverError> {
    let file = sources.file(id);
    options
        .dialect
        .or_else(|| sniff(&file.text, &file.path))
        .ok_or_else(|| DiscoverError::UnknownDialect(file.path.clone()))
}

/// The configs in a folder and below, but not in hidden folders, nor in those of builds.
fn walk(folder: &Path, options: &Options) -> Result<Vec<(PathBuf, Dialect)>, DiscoverError> {
    let mut found = Vec::new();
    let walk = WalkDir::new(folder).sort_by_file_name().into_iter();
    for entry in walk.filter_entry(|entry| entry.depth() == 0 || wanted(entry)) {
        let entry = entry.map_err(|error| DiscoverError::Folder {
            path: error.path().unwrap_or(folder).to_path_buf(),
            error: error.into(),
        })?;
        // A link to a file counts, one to a folder does not: it could lead round in a circle.
        if !entry.path().is_file() {
            continue;
        }
        let path = match entry.path().strip_prefix(".") {
            Ok(below) if folder == Path::new(".") => below,
            _ => entry.path(),
        };
        let start = start_of(path)?;
        if let Some(dialect) = sniff(&String::from_utf8_lossy(&start), path)
            && options.dialect.is_none_or(|only| only == dialect)
        {
            found.push((path.to_path_buf(), dialect));
        }
    }
    Ok(found)
}

fn start_of(path: &Path) -> Result<Vec<u8>, DiscoverError> {
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LOOK_AT).read_to_end(&mut start))
        .map_err(|error| SourceError::Read { path: path.to_path_buf(), error })?;
    Ok(start)
}

/// Ends of names of what is surely no config, though a config may be quoted in it.
const OTHER: &[&str] = &[
    "c", "css", "csv", "go", "h", "html", "js", "lock", "log", "md", "pdf", "png", "py", "rs", "rst", "snap",
    "toml", "ts", "xml", "yaml", "yml",
];

fn wanted(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    if entry.file_type().is_dir() {
        return !name.starts_with('.') && !["target", "node_modules"].contains(&name.as_ref());
    }
    let extension = entry.path().extension().map(|end| end.to_string_lossy().to_ascii_lowercase());
    !name.starts_with('.') && extension.is_none_or(|end| !OTHER.contains(&end.as_str()))
}

#[cfg(test)]
mod tests;
