//! A baseline: findings that were there when somebody began to use pinhole, and are to be mended later.
//!
//! It is a JSON file with a line for each finding. Entries go by what a finding means, so that they outlive that its
//! lines move, and files go by their place below the baseline's folder.

use std::io;
use std::path::{Component, Path, PathBuf};

use rustc_hash::{FxHashMap, FxHashSet};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::meaning;
use crate::finding::Finding;
use crate::source::{self, SourceMap};

/// What is wrong with a baseline.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BaselineError {
    /// It cannot be read.
    #[error("cannot read the baseline `{}`: {error}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// It is none.
    #[error("`{}` is no baseline of pinhole: {error}", .path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: serde_json::Error,
    },
    /// It is of a later version.
    #[error("the baseline `{}` has version {version}, and this pinhole knows version 1", .path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
}

/// The findings that are known.
#[derive(Debug)]
pub(crate) struct Baseline {
    /// The folder that its files are named from.
    folder: PathBuf,
    entries: Vec<Entry>,
    /// How many findings each entry still stands for, by its key.
    left: FxHashMap<String, usize>,
}

/// One finding, or several that mean the same.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
struct Entry {
    /// Relative to the baseline's folder; empty where the finding has no place.
    file: String,
    code: String,
    message: String,
    /// What it means.
    key: String,
    /// How many mean the same; one where it is not written.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    count: usize,
}

fn one() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_one(count: &usize) -> bool {
    *count == 1
}

/// What stands in the file.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct File {
    version: u32,
    findings: Vec<Entry>,
}

impl Baseline {
    /// Reads a baseline.
    pub(crate) fn read(path: &Path) -> Result<Baseline, BaselineError> {
        let text =
            source::text_of(path).map_err(|error| BaselineError::Read { path: path.to_path_buf(), error })?;
        let file: File = serde_json::from_str(&text)
            .map_err(|error| BaselineError::Form { path: path.to_path_buf(), error })?;
        if file.version != 1 {
            return Err(BaselineError::Version { path: path.to_path_buf(), version: file.version });
        }
        let mut left: FxHashMap<String, usize> = FxHashMap::default();
        for entry in &file.findings {
            *left.entry(entry.key.clone()).or_default() += entry.count;
        }
        Ok(Baseline { folder: folder_of(path), entries: file.findings, left })
    }

    /// A baseline of all these findings, which is to stand in a file.
    pub(crate) fn of(path: &Path, findings: &[Finding], sources: &SourceMap) -> Baseline {
        let mut baseline =
            Baseline { folder: folder_of(path), entries: Vec::new(), left: FxHashMap::default() };
        let mut counts: FxHashMap<String, usize> = FxHashMap::default();
        let mut entries: Vec<Entry> =
            findings.iter().map(|finding| baseline.entry(finding, sources)).collect();
        entries.iter().for_each(|entry| *counts.entry(entry.key.clone()).or_default() += 1);
        entries.sort();
        entries.dedup_by(|one, other| one.key == other.key);
        entries.iter_mut().for_each(|entry| entry.count = counts.get(&entry.key).copied().unwrap_or(1));
        baseline.entries = entries;
        baseline
    }

    fn entry(&self, finding: &Finding, sources: &SourceMap) -> Entry {
        let file = finding.span.and_then(|span| sources.file_of(span));
        Entry {
            file: file.map_or(String::new(), |file| self.name(&file.path)),
            code: finding.code().to_string(),
            message: finding.message.clone(),
            key: self.key(finding, sources),
            count: 1,
        }
    }

    fn key(&self, finding: &Finding, sources: &SourceMap) -> String {
        meaning::of(finding, sources, |path| self.name(path))
    }

    fn name(&self, path: &Path) -> String {
        name(&self.folder, path)
    }

    /// Takes the findings away that are known, and says how many.
    pub(crate) fn leave_out(&mut self, findings: &mut Vec<Finding>, sources: &SourceMap) -> usize {
        let before = findings.len();
        let Baseline { folder, left, .. } = self;
        let key = |finding: &Finding| meaning::of(finding, sources, |path| name(folder, path));
        findings.retain(|finding| match left.get_mut(&key(finding)) {
            Some(left) if *left > 0 => {
                *left -= 1;
                false
            }
            _ => true,
        });
        before - findings.len()
    }

    /// How many findings of the baseline are gone, once [`Baseline::leave_out`] saw all that there are. Nothing is known of
    /// files that were not read, but that they are not there any more.
    pub(crate) fn stale(&self, sources: &SourceMap, whole: bool) -> usize {
        self.gone(sources, whole).map(|(_, left)| left).sum()
    }

    /// Forgets what is gone.
    pub(crate) fn prune(&mut self, sources: &SourceMap, whole: bool) {
        let gone: FxHashMap<String, usize> =
            self.gone(sources, whole).map(|(entry, left)| (entry.key.clone(), left)).collect();
        for entry in &mut self.entries {
            entry.count -= gone.get(&entry.key).copied().unwrap_or(0).min(entry.count);
        }
        self.entries.retain(|entry| entry.count > 0);
    }

    fn gone<'a>(&'a self, sources: &'a SourceMap, whole: bool) -> impl Iterator<Item = (&'a Entry, usize)> {
        let read: FxHashSet<String> = sources.files().map(|(_, file)| self.name(&file.path)).collect();
        let judged = move |entry: &&Entry| match entry.file.as_str() {
            "" => whole,
            file => read.contains(file) || !self.folder.join(file).exists(),
        };
        let left =
            |entry: &'a Entry| Some((entry, self.left.get(&entry.key).copied().filter(|left| *left > 0)?));
        self.entries.iter().filter(judged).filter_map(left)
    }

    /// The file's text.
    pub(crate) fn to_json(&self) -> Result<String, serde_json::Error> {
        let mut text = String::from("{\"version\":1,\"findings\":[");
        for (at, entry) in self.entries.iter().enumerate() {
            text += if at == 0 { "\n" } else { ",\n" };
            text += &serde_json::to_string(entry)?;
        }
        Ok(text + "\n]}\n")
    }

    /// How many findings it stands for.
    pub(crate) fn len(&self) -> usize {
        self.entries.iter().map(|entry| entry.count).sum()
    }
}

fn folder_of(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    super::full(folder.unwrap_or(Path::new(".")))
}

/// The name of a file, from a folder.
fn name(folder: &Path, path: &Path) -> String {
    let path = super::full(path);
    let shared = folder.components().zip(path.components()).take_while(|(one, other)| one == other).count();
    let up = folder.components().count() - shared;
    let parts = path.components().skip(shared).filter_map(|part| match part {
        Component::Normal(part) => Some(part.to_string_lossy().into_owned()),
        _ => None,
    });
    std::iter::repeat_n("..".to_string(), up).chain(parts).collect::<Vec<_>>().join("/")
}
