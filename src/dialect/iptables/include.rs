//! Files that scripts read: `. file`, `iptables-restore < file`.
//!
//! Only regular files in the folder of the script or below are read, and only where the script names them plainly.

use std::path::{Path, PathBuf};

use super::shell::{self, Sourced};
use crate::source::{SourceId, SourceMap};

/// How many files, and how long, are read for the scripts of a firewall.
const FILES_MAX: usize = 64;
const BYTES_MAX: u64 = 8 << 20;

/// The files that the scripts name, with the names that they use.
pub fn read(sources: &mut SourceMap, files: &[SourceId]) -> Vec<(String, SourceId)> {
    let mut found: Vec<(String, SourceId)> = Vec::new();
    let mut waiting: Vec<(SourceId, PathBuf)> = Vec::new();
    for id in files {
        let file = sources.file(*id);
        let folder = match file.path.parent() {
            Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
            Some(folder) => folder,
            None => continue,
        };
        if shell::is_script(&file.text) && file.path.is_file() {
            waiting.push((*id, folder.to_path_buf()));
        }
    }
    while let Some((id, folder)) = waiting.pop() {
        let names: Vec<String> = names(&sources.file(id).text).map(str::to_string).collect();
        for name in names {
            if found.len() >= FILES_MAX || found.iter().any(|(known, _)| *known == name) {
                continue;
            }
            let Some(path) = inside(&folder, &name) else { continue };
            if let Ok(id) = sources.read(&path, &path) {
                found.push((name, id));
                waiting.push((id, folder.clone()));
            }
        }
    }
    found
}

/// The texts of files that were read.
pub fn texts<'t>(sources: &'t SourceMap, found: &[(String, SourceId)]) -> Sourced<'t> {
    let text = |(name, id): &(String, SourceId)| {
        let file = sources.file(*id);
        (name.clone(), (file.text.as_str(), file.base))
    };
    found.iter().map(text).collect()
}

/// The names of files in a script, as the shell takes them.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .flat_map(|line| {
            let words: Vec<&str> =
                line.split([' ', '\t', ';', '\r']).filter(|word| !word.is_empty()).collect();
            let pairs = words
                .windows(2)
                .filter(|pair| matches!(pair[0], "." | "source" | "<") || pair[0].ends_with("-restore"));
            let stuck = words.iter().filter_map(|word| word.strip_prefix('<'));
            let names: Vec<&str> = pairs.map(|pair| pair[1]).chain(stuck).collect();
            names
        })
        .map(|name| name.trim_matches(['"', '\'']))
        .filter(|name| {
            !name.is_empty() && !name.contains(['$', '`', '*', '?', '<', '>', '|', '&', '(', '\\'])
        })
}

/// The path of a regular file in a folder or below.
fn inside(folder: &Path, name: &str) -> Option<PathBuf> {
    let path = folder.join(name);
    let (full, root) = (path.canonicalize().ok()?, folder.canonicalize().ok()?);
    let meta = full.metadata().ok()?;
    (full.starts_with(root) && meta.is_file() && meta.len() <= BYTES_MAX).then_some(path)
}
