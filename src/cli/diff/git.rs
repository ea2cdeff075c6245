//! Files of a git repository as they were: the only place where another program is run.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use super::Failure;
use crate::fence::plain;

/// Files that are larger are no configs, in bytes.
const LARGEST_FILE: u64 = 64 << 20;

/// The repository around a path.
pub(super) struct Repository {
    top: PathBuf,
}

/// Files of a revision in a folder of their own, which is gone when this is dropped.
pub(super) struct Tree {
    folder: PathBuf,
    name: String,
}

impl Tree {
    /// Where the files lie.
    pub(super) fn path(&self) -> &Path {
        &self.folder
    }

    /// What the revision is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // What cannot be taken away stays in the folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Repository {
    /// The repository that a path, or the current folder, is in.
    pub(super) fn here(path: Option<&Path>) -> Result<Repository, Failure> {
        let path = path.unwrap_or(Path::new("."));
        let folder = path.ancestors().find(|above| above.is_dir()).unwrap_or(Path::new("."));
        let top = git(folder, &["rev-parse", "--show-toplevel"])?;
        let top = String::from_utf8_lossy(&top).trim_end_matches(['\n', '\r']).to_string();
        Ok(Repository { top: PathBuf::from(top) })
    }

    /// The folder that the repository is in.
    pub(super) fn top(&self) -> &Path {
        &self.top
    }

    /// Paths as the repository names them, whether they are there now or were.
    pub(super) fn inside(&self, paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
        let inside = |path: &PathBuf| {
            let failed = |error| Failure::usage(format!("cannot find `{}`: {error}", path.display()));
            let absolute = std::path::absolute(path).map_err(failed)?;
            // Links above what may be gone are followed, as git does for its own folder.
            let there = absolute.ancestors().find_map(|above| {
                let real = above.canonicalize().ok()?;
                Some(real.join(absolute.strip_prefix(above).ok()?))
            });
            let full = plain(&there.unwrap_or(absolute));
            let inside = full.strip_prefix(&self.top);
            inside.map(Path::to_path_buf).map_err(|_| {
                Failure::usage(format!(
                    "`{}` is not in the repository `{}`",
                    path.display(),
                    self.top.display()
                ))
            })
        };
        paths.iter().map(inside).collect()
    }

    /// Paths of the repository as they can be opened from here, written as short as a user would.
    pub(super) fn paths_here(&self, paths: &[PathBuf]) -> Vec<PathBuf> {
        let here = std::env::current_dir().and_then(|here| here.canonicalize()).ok();
        let short = |path: &PathBuf| {
            let full = self.top.join(path);
            let below = here.as_ref().and_then(|here| full.strip_prefix(here).ok().map(Path::to_path_buf));
            match below {
                Some(below) if below.as_os_str().is_empty() => PathBuf::from("."),
                Some(below) => below,
                None => full,
            }
        };
        paths.iter().map(short).collect()
    }

    /// All files of a revision.
    pub(super) fn tree(&self, revision: &str) -> Result<Tree, Failure> {
        if revision.starts_with('-') {
            return Err(Failure::usage(format!("`{revision}` is no revision")));
        }
        let list = git(&self.top, &["ls-tree", "-r", "-z", "-l", "--full-tree", revision, "--"])?;
        let entries = list.split(|byte| *byte == 0).filter_map(|line| {
            let (about, path) = split_tab(line)?;
            let mut words = about.split_whitespace();
            let (mode, _, id, size) = (words.next()?, words.next()?, words.next()?, words.next()?);
            Some(Entry { is_link: link(mode)?, id: id.to_string(), size: size.parse().ok()?, path })
        });
        self.taken_out(revision, entries.collect())
    }

    /// All files that are staged.
    pub(super) fn staged(&self) -> Result<Tree, Failure> {
        let list = git(&self.top, &["ls-files", "-s", "-z", "--full-name"])?;
        let entries = list.split(|byte| *byte == 0).filter_map(|line| {
            let (about, path) = split_tab(line)?;
            let mut words = about.split_whitespace();
            let (mode, id, stage) = (words.next()?, words.next()?, words.next()?);
            (stage == "0").then_some(())?;
            Some(Entry { is_link: link(mode)?, id: id.to_string(), size: 0, path })
        });
        self.taken_out("staged", entries.collect())
    }

    /// Writes objects into a folder of their own.
    fn taken_out(&self, name: &str, entries: Vec<Entry>) -> Result<Tree, Failure> {
        let tree = Tree { folder: fresh_folder()?, name: name.to_string() };
        let mut child = Command::new("git")
            .current_dir(&self.top)
            .args(["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(not_run)?;
        let (Some(mut asking), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::usage("`git` gives no answers"));
        };
        let mut answers = BufReader::new(answers);
        let mut links: Vec<(PathBuf, usize, Vec<u8>)> = Vec::new();
        for Entry { is_link, id, size, path } in entries {
            let to = tree.folder.join(inside(&path)?);
            let failed = |error| Failure::usage(format!("cannot write `{}`: {error}", to.display()));
            if let Some(folder) = to.parent() {
                std::fs::create_dir_all(folder).map_err(failed)?;
            }
            if size > LARGEST_FILE {
                oversized(&to, size).map_err(failed)?;
                continue;
            }
            writeln!(asking, "{id}").and_then(|()| asking.flush()).map_err(not_run)?;
            match next_object(&mut answers).map_err(not_run)? {
                Object::Bytes(bytes) if is_link => links.push((to, path.components().count() - 1, bytes)),
                Object::Bytes(bytes) => std::fs::write(&to, bytes).map_err(failed)?,
                Object::TooLarge(size) => oversized(&to, size).map_err(failed)?,
                Object::Missing => {
                    let shown = path.display();
                    return Err(Failure::usage(format!("git: the contents of `{shown}` are missing")));
                }
            }
        }
        drop(asking);
        child.wait().map_err(not_run)?;
        // Behind all files, so that none is written through a link.
        for (at, above, to) in links {
            let failed = |error| Failure::usage(format!("cannot write `{}`: {error}", at.display()));
            make_link(&at, above, &to).map_err(failed)?;
        }
        Ok(tree)
    }
}

/// A file or a link of a revision.
struct Entry {
    is_link: bool,
    id: String,
    /// In bytes; 0 where it is not told.
    size: u64,
    path: PathBuf,
}

/// Whether a mode is that of a link; nothing where it is that of something else than a file or a link.
fn link(mode: &str) -> Option<bool> {
    match mode {
        "120000" => Some(true),
        mode => mode.starts_with("100").then_some(false),
    }
}

/// A path of a revision; trees can be made that name places outside of any folder.
fn inside(path: &Path) -> Result<&Path, Failure> {
    match path.components().all(|part| matches!(part, Component::Normal(_))) {
        true => Ok(path),
        false => Err(Failure::usage(format!(
            "git: the revision has a path that leads out of it, `{}`",
            path.display()
        ))),
    }
}

/// What is said of an entry, and its path.
fn split_tab(line: &[u8]) -> Option<(&str, PathBuf)> {
    let at = line.iter().position(|byte| *byte == b'\t')?;
    let (about, path) = (std::str::from_utf8(&line[..at]).ok()?, &line[at + 1..]);
    #[cfg(unix)]
    let path = PathBuf::from(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(path));
    #[cfg(not(unix))]
    let path = PathBuf::from(String::from_utf8_lossy(path).into_owned());
    Some((about, path))
}

/// A file of which nothing is read, because it is too large.
fn oversized(to: &Path, size: u64) -> std::io::Result<()> {
    std::fs::File::create(to)?.set_len(size)
}

/// A link, where it cannot lead out of the folder: `..` stands at its start, and no more often than it has folders `above`.
#[cfg(unix)]
fn make_link(at: &Path, above: usize, to: &[u8]) -> std::io::Result<()> {
    let to = Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(to));
    let ups =
        to.components().take_while(|part| matches!(part, Component::ParentDir | Component::CurDir)).count();
    let rest = to.components().skip(ups).all(|part| matches!(part, Component::Normal(_)));
    if rest && ups <= above && at.symlink_metadata().is_err() {
        std::os::unix::fs::symlink(to, at)?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn make_link(_: &Path, _: usize, _: &[u8]) -> std::io::Result<()> {
    Ok(())
}

/// What `git cat-file --batch` answers.
enum Object {
    Bytes(Vec<u8>),
    /// So many bytes.
    TooLarge(u64),
    Missing,
}

/// The next object that `git cat-file --batch` writes.
fn next_object(answers: &mut impl BufRead) -> std::io::Result<Object> {
    let mut head = String::new();
    answers.read_line(&mut head)?;
    let size = head.trim_end().rsplit(' ').next().and_then(|size| size.parse::<u64>().ok());
    let Some(size) = size else { return Ok(Object::Missing) };
    if size > LARGEST_FILE {
        std::io::copy(&mut answers.by_ref().take(size + 1), &mut std::io::sink())?;
        return Ok(Object::TooLarge(size));
    }
    let mut bytes = vec![0; size as usize];
    answers.read_exact(&mut bytes)?;
    answers.read_exact(&mut [0])?;
    Ok(Object::Bytes(bytes))
}

/// A folder for temporary files that nobody else has.
fn fresh_folder() -> Result<PathBuf, Failure> {
    let base = std::env::temp_dir();
    let base = base.canonicalize().unwrap_or(base);
    for number in 0..1000u32 {
        let folder = base.join(format!("pinhole-diff-{}-{number}", std::process::id()));
        match private_folder(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(Failure::usage(format!("cannot make `{}`: {error}", folder.display())));
            }
        }
    }
    Err(Failure::usage(format!("`{}` is full of folders of earlier runs", base.display())))
}

/// Makes a folder that nobody else can look into.
fn private_folder(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn git(folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, Failure> {
    let done = Command::new("git").current_dir(folder).args(arguments).output().map_err(not_run)?;
    if done.status.success() {
        return Ok(done.stdout);
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let said = said.lines().next().unwrap_or("it failed").trim_start_matches("fatal: ");
    Err(Failure::usage(format!("git: {said}")))
}

fn not_run(error: std::io::Error) -> Failure {
    Failure::usage(format!("cannot run `git`: {error}"))
}
