//! Folders: which files in them are configs, and why the others are none.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use walkdir::{DirEntry, WalkDir};

use super::form::{self, Form};
use super::marks::Near;
use super::sniff::{Told, sniff};
use super::{DiscoverError, Options};
use crate::dialect::Dialect;
use crate::fence;
use crate::source::SourceError;

/// How much of a file in a folder is read to see whether it is a config, in bytes.
const LOOK_AT: u64 = 256 * 1024;
/// How much of it where that much was comments.
const LOOK_PAST_COMMENTS: u64 = 64 << 20;

/// Files that say what to leave out, as `.gitignore` says it; the later ones have the last word.
const IGNORE_FILES: [&str; 3] = [".gitignore", ".ignore", ".pinholeignore"];

/// A file in a folder that was not read.
#[derive(Clone, Debug)]
pub(crate) struct Unread {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub why: Why,
}

/// Why a file in a folder was not read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Why {
    /// It is something near to a config.
    Near(Near),
    /// It is a config of another dialect than the one that was asked for.
    OtherDialect(Dialect),
    /// Its form keeps it from being read: what it would be, where that can be seen.
    Form(Form, Option<String>),
    /// Its name is that of source code or of a document.
    Name,
    /// An ignore file leaves it out.
    Ignored,
    /// The command line does.
    Excluded,
    /// Its name begins with a dot.
    Hidden,
    /// A link to a file outside of the folder.
    Link,
    /// A pipe, a device, a socket.
    Special,
    /// No firewall language was told.
    Unknown,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Near(near) => write!(f, "it looks like {}", near.name),
            Why::OtherDialect(dialect) => write!(f, "it is {}", dialect.name()),
            Why::Form(form, None) => write!(f, "it is {}", form.name()),
            Why::Form(form, Some(what)) => write!(f, "it is {}, and looks like {what}", form.name()),
            Why::Name => f.write_str("its name is that of a program or a document"),
            Why::Ignored => f.write_str("an ignore file leaves it out"),
            Why::Excluded => f.write_str("`--exclude` leaves it out"),
            Why::Hidden => f.write_str("it is hidden"),
            Why::Link => f.write_str("it is a link that leads out of the folder"),
            Why::Special => f.write_str("it is no regular file"),
            Why::Unknown => f.write_str("no firewall language is told by its text"),
        }
    }
}

impl Unread {
    /// Whether it smells of a firewall, so that leaving it out has to be said.
    pub(crate) fn smells(&self) -> bool {
        match &self.why {
            Why::Near(near) => near.firewall,
            Why::Form(_, Some(_)) => true,
            Why::Form(..) | Why::Link => names_a_firewall(&self.path),
            Why::OtherDialect(_)
            | Why::Name
            | Why::Ignored
            | Why::Excluded
            | Why::Hidden
            | Why::Special
            | Why::Unknown => false,
        }
    }

    /// Whether reports count it: programs, documents and hidden files are told by their names, and `--list-files`
    /// alone names them.
    pub(crate) fn counts(&self) -> bool {
        !matches!(self.why, Why::Name | Why::Hidden)
    }
}

/// Whether a file's name speaks of a firewall's config.
fn names_a_firewall(path: &Path) -> bool {
    const WORDS: [&str; 8] = [
        "iptables",
        "ip6tables",
        "nftables",
        "pf.conf",
        "firewall",
        "running-config",
        "startup-config",
        "access-list",
    ];
    const ENDS: [&str; 8] = ["rules", "v4", "v6", "nft", "pf", "asa", "acl", "cfg"];
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    WORDS.iter().any(|word| name.contains(word)) || name.split('.').skip(1).any(|end| ENDS.contains(&end))
}

/// What a folder holds.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Configs, sorted by name.
    pub configs: Vec<(PathBuf, Dialect)>,
    /// The other files.
    pub unread: Vec<Unread>,
    /// What could not be looked at.
    pub failures: Vec<DiscoverError>,
}

/// Looks through a folder and what is below, but not through hidden folders, nor those of builds.
pub(super) fn walk(folder: &Path, options: &Options) -> Walked {
    let mut walked = Walked::default();
    if let Err(error) = fence::pass(folder) {
        walked.failures.push(DiscoverError::Folder { path: folder.to_path_buf(), error });
        return walked;
    }
    let real = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    let mut ignores = Ignores::above(&real);
    let mut entries = WalkDir::new(folder).sort_by_file_name().into_iter();
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                walked.failures.push(DiscoverError::Folder {
                    path: error.path().unwrap_or(folder).to_path_buf(),
                    error: error.into(),
                });
                continue;
            }
        };
        let path = shown(folder, entry.path());
        let is_dir = entry.file_type().is_dir();
        if entry.depth() > 0 && passed_over(&entry) {
            if is_dir {
                entries.skip_current_dir();
            } else {
                walked.unread.push(Unread { path, why: Why::Hidden });
            }
            continue;
        }
        let inside = entry.path().strip_prefix(folder).unwrap_or(entry.path());
        let full = real.join(inside);
        ignores.leave(entry.depth());
        let left_out = if excludes(options, &full, is_dir) {
            Some(Why::Excluded)
        } else {
            ignores.leaves_out(&full, is_dir).then_some(Why::Ignored)
        };
        if let Some(why) = left_out.filter(|_| entry.depth() > 0) {
            walked.unread.push(Unread { path: path.to_path_buf(), why });
            if is_dir {
                entries.skip_current_dir();
            }
            continue;
        }
        if is_dir {
            ignores.enter(&full, entry.depth());
            continue;
        }
        match judge(&entry, &path, &real, options) {
            Ok(Ok(dialect)) => walked.configs.push((path, dialect)),
            Ok(Err(why)) => walked.unread.push(Unread { path, why }),
            Err(error) => walked.failures.push(SourceError::Read { path, error }.into()),
        }
    }
    walked
}

/// Whether the command line leaves a path out.
fn excludes(options: &Options, path: &Path, is_dir: bool) -> bool {
    let patterns = options.exclude.as_ref().filter(|patterns| path.starts_with(patterns.path()));
    patterns.is_some_and(|patterns| patterns.matched_path_or_any_parents(path, is_dir).is_ignore())
}

/// Why a file that is named would be left out if its folder were walked.
pub(super) fn left_out(path: &Path, options: &Options) -> Option<Why> {
    let full = path.canonicalize().ok()?;
    if excludes(options, &full, false) {
        return Some(Why::Excluded);
    }
    let mut ignores = Ignores::above(&full);
    if !full.ancestors().any(|above| above.join(".git").exists()) {
        let here = std::env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_default();
        let below = |folder: &&Path| folder.starts_with(&here);
        let folders: Vec<&Path> = full.ancestors().skip(1).take_while(below).collect();
        folders.into_iter().rev().for_each(|folder| ignores.enter(folder, 0));
    }
    let matched =
        ignores.stack.iter().rev().map(|(_, rules)| rules.matched_path_or_any_parents(&full, false));
    let decides = matched.into_iter().find(|found| !found.is_none());
    decides.is_some_and(|found| found.is_ignore()).then_some(Why::Ignored)
}

/// The path for reports: without `./` where the current folder is walked.
fn shown(folder: &Path, path: &Path) -> PathBuf {
    match path.strip_prefix(".") {
        Ok(below) if folder == Path::new(".") && !below.as_os_str().is_empty() => below.to_path_buf(),
        _ => path.to_path_buf(),
    }
}

/// Hidden files, and hidden folders and those of builds, of which nothing is told.
fn passed_over(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    name.starts_with('.') || entry.file_type().is_dir() && ["target", "node_modules"].contains(&name.as_ref())
}

/// Ends of names of what is surely no config, though a config may be quoted in it.
const OTHER: &[&str] = &[
    "c", "cc", "cpp", "css", "go", "h", "html", "java", "js", "lock", "md", "pdf", "png", "py", "rb", "rs",
    "rst", "snap", "toml", "ts",
];

fn judge(
    entry: &DirEntry,
    path: &Path,
    folder: &Path,
    options: &Options,
) -> io::Result<Result<Dialect, Why>> {
    if entry.path_is_symlink() {
        match path.canonicalize() {
            Ok(target) if !target.starts_with(folder) => return Ok(Err(Why::Link)),
            // A link to a folder could lead round in a circle.
            Ok(target) if target.is_dir() => return Ok(Err(Why::Special)),
            Ok(_) => {}
            Err(error) => return Err(error),
        }
    }
    if !path.metadata()?.is_file() {
        return Ok(Err(Why::Special));
    }
    let extension = path.extension().map(|end| end.to_string_lossy().to_ascii_lowercase());
    if extension.is_some_and(|end| OTHER.contains(&end.as_str())) {
        return Ok(Err(Why::Name));
    }
    let start = start_of(path, LOOK_AT)?;
    if let Some(form) = form::of(&start) {
        return Ok(Err(Why::Form(form, form.text(&start).and_then(|text| looks_like(&text, path)))));
    }
    let mut told = sniff(&String::from_utf8_lossy(&start), path);
    if matches!(told, Told::Empty | Told::ByName { .. }) && start.len() as u64 == LOOK_AT {
        told = sniff(&String::from_utf8_lossy(&start_of(path, LOOK_PAST_COMMENTS)?), path);
    }
    Ok(match told {
        Told::Config(dialect) | Told::ByName { dialect, sure: true } => match options.dialect {
            Some(only) if only != dialect => Err(Why::OtherDialect(dialect)),
            _ => Ok(dialect),
        },
        Told::Near(near) => Err(Why::Near(near)),
        Told::ByName { sure: false, .. } | Told::Empty | Told::Unknown => Err(Why::Unknown),
    })
}

/// What a text that cannot be read as it is would be, where it smells of a firewall.
fn looks_like(text: &str, path: &Path) -> Option<String> {
    match sniff(text, path) {
        Told::Config(dialect) => Some(dialect.name().to_string()),
        Told::Near(near) if near.firewall => Some(near.name.to_string()),
        _ => None,
    }
}

fn start_of(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    fence::pass(path)?;
    File::open(path)?.take(most).read_to_end(&mut start)?;
    Ok(start)
}

/// The ignore files that hold where the walk is.
struct Ignores {
    /// Those of folders above the one that is walked have depth 0.
    stack: Vec<(usize, Gitignore)>,
}

impl Ignores {
    /// Those above a folder, up to the root of its repository.
    fn above(folder: &Path) -> Ignores {
        let mut ignores = Ignores { stack: Vec::new() };
        let top = folder.ancestors().position(|above| above.join(".git").exists()).unwrap_or(0);
        let above: Vec<&Path> = folder.ancestors().skip(1).take(top).collect();
        above.into_iter().rev().for_each(|above| ignores.enter(above, 0));
        ignores
    }

    fn enter(&mut self, folder: &Path, depth: usize) {
        let there: Vec<PathBuf> = IGNORE_FILES
            .iter()
            .map(|name| folder.join(name))
            .filter(|path| path.is_file() && fence::pass(path).is_ok())
            .collect();
        if there.is_empty() {
            return;
        }
        let mut builder = GitignoreBuilder::new(folder);
        // A line that cannot be understood leaves nothing out, as git has it.
        there.iter().for_each(|path| drop(builder.add(path)));
        if let Ok(rules) = builder.build() {
            self.stack.push((depth, rules));
        }
    }

    /// Forgets what held only below a folder that the walk has left.
    fn leave(&mut self, depth: usize) {
        while self.stack.last().is_some_and(|(at, _)| *at >= depth.max(1)) {
            self.stack.pop();
        }
    }

    /// The nearest ignore file that speaks of a path decides.
    fn leaves_out(&self, path: &Path, is_dir: bool) -> bool {
        let found = self
            .stack
            .iter()
            .rev()
            .map(|(_, rules)| rules.matched(path, is_dir))
            .find(|found| !found.is_none());
        found.is_some_and(|found| found.is_ignore())
    }
}
