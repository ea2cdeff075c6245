//! Files that a config names: includes, anchors, tables, scripts.
//!
//! A config may come from a stranger, and its report may be published. So a named file is read only where it
//! lies in the folder of the config that the user gave, or in the tree given by [`SourceMap::set_root`]. It has
//! to be a regular file of a bearable size, and a refusal tells nothing of what is in it, nor, outside of these
//! places, whether it is there.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustc_hash::FxHashSet;

use super::{SourceError, SourceId, SourceMap};
use crate::budget::{Budget, Exhausted};
use crate::fence::{self, plain};

/// The largest file that is read because a config names it, in bytes.
const LARGEST: u64 = 64 << 20;
/// The longest name of a file, in bytes: Linux's `PATH_MAX`.
const LONGEST_NAME: usize = 4096;
/// What finding a file costs, in steps, and what looking at an entry of a folder does.
const STEPS_A_FILE: usize = 500;
const STEPS_AN_ENTRY: usize = 20;
/// How many files one pattern may name.
const MOST_MATCHES: usize = 10_000;
/// Where files are no files.
const SYSTEM: [&str; 3] = ["/proc", "/sys", "/dev"];

/// Why a file that a config names is not read.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It is neither in the config's folder nor in the tree given.
    #[error("it lies outside the config's folder")]
    Outside,
    /// It is not there.
    #[error("there is no such file")]
    Missing,
    /// A folder, a pipe, a device, a file of the system itself.
    #[error("it is no regular file")]
    NotRegular,
    /// It is larger than what a config may name.
    #[error("it is larger than 64 MiB")]
    TooLarge,
    /// The pattern names too many files.
    #[error("it names more than {MOST_MATCHES} files")]
    TooMany,
    /// The operating system could not read it.
    #[error("{0}")]
    Unreadable(io::Error),
    /// Nothing is left of the firewall's budget.
    #[error("{0} is used up")]
    Exhausted(Exhausted),
    /// All files of a run share 32-bit offsets.
    #[error("all files of one run together may hold at most 4 GiB")]
    NoRoom,
}

impl Refusal {
    /// What the user can do about it, in whole sentences; empty where that is plain.
    pub fn help(&self) -> &'static str {
        match self {
            Refusal::Outside => {
                "Files that a config names are read only from its own folder and below, or from the tree that \
                 `--root DIR` gives: an absolute path such as `/etc/x` is then read as `DIR/etc/x`."
            }
            Refusal::Exhausted(_) => "Give more with `--budget`, if the config is meant to be so large.",
            _ => "",
        }
    }
}

impl SourceMap {
    /// Sets the folder that stands for `/` of the system that loads the configs: absolute paths are looked
    /// up in it.
    pub fn set_root(&mut self, root: PathBuf) {
        self.root = Some(root);
    }

    /// Takes in a file that another one names; a relative name is one beside `from`. A file that is named
    /// twice is taken in once: two includes of one file give one id, which a parser holds against those that
    /// it is in the middle of. Each time its bytes are drawn from the budget.
    pub fn read_named(&mut self, from: SourceId, name: &str, budget: &Budget) -> Result<SourceId, Refusal> {
        budget.steps(STEPS_A_FILE).map_err(Refusal::Exhausted)?;
        let id = self.take_named(from, name, budget)?;
        self.names.entry(from).or_default().push(id);
        Ok(id)
    }

    /// The files that a file names, and that those name.
    pub fn brought_in(&self, id: SourceId) -> Vec<SourceId> {
        let (mut found, mut seen, mut open) = (Vec::new(), FxHashSet::default(), vec![id]);
        while let Some(id) = open.pop() {
            let new = self.names.get(&id).into_iter().flatten().filter(|id| seen.insert(**id));
            let at = found.len();
            found.extend(new);
            open.extend_from_slice(&found[at..]);
        }
        found
    }

    fn take_named(&mut self, from: SourceId, name: &str, budget: &Budget) -> Result<SourceId, Refusal> {
        self.settle(from);
        let (shown, real) = self.locate(from, name)?;
        let key = (real, self.home(from));
        if let Some(id) = self.named.get(&key) {
            budget.bytes(self.file(*id).text.len()).map_err(Refusal::Exhausted)?;
            return Ok(*id);
        }
        let bytes = match self.held(&key.0) {
            Some(text) => {
                budget.bytes(text.len()).map_err(Refusal::Exhausted)?;
                text.clone().into_bytes()
            }
            None => read_regular(&key.0, budget)?,
        };
        let id = self.add(shown, bytes).map_err(|error| match error {
            SourceError::Read { error, .. } => Refusal::Unreadable(error),
            SourceError::TooLarge(_) | SourceError::Endless(_) => Refusal::NoRoom,
        })?;
        self.homes.insert(id, key.1.clone());
        self.named.insert(key, id);
        Ok(id)
    }

    /// The names of the files that a pattern with `*`, `?` and `[…]` stands for, sorted, as
    /// [`SourceMap::read_named`] takes them. A name without wildcards stands for itself.
    pub fn names_matching(
        &self,
        from: SourceId,
        pattern: &str,
        budget: &Budget,
    ) -> Result<Vec<String>, Refusal> {
        let mut names = vec![if pattern.starts_with('/') { "/".to_string() } else { String::new() }];
        for part in pattern.split('/').filter(|part| !part.is_empty() && *part != ".") {
            if !part.contains(['*', '?', '[']) {
                names.iter_mut().for_each(|name| push(name, part));
                continue;
            }
            let mut next = Vec::new();
            for name in &names {
                let folder = if name.is_empty() { "." } else { name };
                let entries = match self.locate(from, folder) {
                    Ok((_, real)) => real.read_dir().ok(),
                    Err(Refusal::Missing) => None,
                    Err(refusal) => return Err(refusal),
                };
                for entry in entries.into_iter().flatten().flatten() {
                    budget.steps(STEPS_AN_ENTRY).map_err(Refusal::Exhausted)?;
                    let Some(found) = entry.file_name().to_str().map(str::to_string) else { continue };
                    let hidden = found.starts_with('.') && !part.starts_with('.');
                    if !hidden && glob(part.as_bytes(), found.as_bytes()) {
                        let mut name = name.clone();
                        push(&mut name, &found);
                        next.push(name);
                    }
                }
                if next.len() > MOST_MATCHES {
                    return Err(Refusal::TooMany);
                }
            }
            next.sort();
            names = next;
        }
        if pattern.contains(['*', '?', '[']) {
            names.retain(|name| !matches!(self.locate(from, name), Err(Refusal::Missing)));
        }
        Ok(names)
    }

    /// Where a named file lies: the path for reports, and the real one.
    fn locate(&self, from: SourceId, name: &str) -> Result<(PathBuf, PathBuf), Refusal> {
        if name.len() > LONGEST_NAME {
            return Err(Refusal::Missing);
        }
        let home = self.home(from);
        let root = self.root.as_deref().and_then(|root| root.canonicalize().ok());
        let shown = match (Path::new(name).strip_prefix("/"), &self.root) {
            (Ok(below), Some(root)) => root.join(plain(below)),
            (Ok(_), None) => PathBuf::from(name),
            (Err(_), _) => folder_of(&self.file(from).path).join(name),
        };
        let places = [Some(home.as_path()), root.as_deref()];
        let inside = |path: &Path| places.iter().flatten().any(|place| path.starts_with(place));
        // Outside, nobody learns even whether the file is there.
        let absolute = std::path::absolute(&shown).map_err(Refusal::Unreadable)?;
        let holder = absolute.ancestors().skip(1).find_map(|above| above.canonicalize().ok());
        if !inside(&plain(&absolute)) && !holder.is_some_and(|holder| inside(&holder)) {
            return Err(Refusal::Outside);
        }
        let real = shown.canonicalize().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Refusal::Missing,
            _ => Refusal::Unreadable(error),
        })?;
        if !inside(&real) {
            return Err(Refusal::Outside);
        }
        if SYSTEM.iter().any(|system| real.starts_with(system)) {
            return Err(Refusal::NotRegular);
        }
        Ok((shown, real))
    }

    /// Makes a config that the user gave known as a file that others may name: one that includes itself is
    /// found out.
    fn settle(&mut self, id: SourceId) {
        if self.homes.contains_key(&id) {
            return;
        }
        let home = self.home(id);
        if let Ok(real) = self.file(id).path.canonicalize() {
            self.named.entry((real, home.clone())).or_insert(id);
        }
        self.homes.insert(id, home);
    }

    /// The real folder that a file may name files of: its own, or that of the config which brought it in.
    fn home(&self, id: SourceId) -> PathBuf {
        let own = || {
            let folder = folder_of(&self.file(id).path);
            folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf())
        };
        self.homes.get(&id).cloned().unwrap_or_else(own)
    }
}

/// The folder that a file is in; the current one for standard input.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn push(name: &mut String, part: &str) {
    if !name.is_empty() && !name.ends_with('/') {
        name.push('/');
    }
    name.push_str(part);
}

/// The bytes of a regular file, drawn from the budget before they are read.
fn read_regular(path: &Path, budget: &Budget) -> Result<Vec<u8>, Refusal> {
    fence::pass(path).map_err(Refusal::Unreadable)?;
    // Before it is opened, as opening a pipe waits for whoever writes to it.
    let regular = |meta: io::Result<std::fs::Metadata>| match meta {
        Ok(meta) if meta.is_file() => Ok(meta.len()),
        Ok(_) => Err(Refusal::NotRegular),
        Err(error) => Err(Refusal::Unreadable(error)),
    };
    regular(path.metadata())?;
    let file = std::fs::File::open(path).map_err(Refusal::Unreadable)?;
    let len = regular(file.metadata())?;
    if len > LARGEST {
        return Err(Refusal::TooLarge);
    }
    budget.bytes(len as usize).map_err(Refusal::Exhausted)?;
    let mut bytes = Vec::with_capacity(len as usize);
    file.take(LARGEST).read_to_end(&mut bytes).map_err(Refusal::Unreadable)?;
    Ok(bytes)
}

/// Whether a name matches a pattern of `*`, `?` and `[…]` (glob(7)).
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            Some(b'?') => Some(p + 1),
            Some(b'[') => class(&pattern[p..], name[n]).map(|len| p + len),
            Some(c) if *c == name[n] => Some(p + 1),
            _ => None,
        };
        match (step, star) {
            (Some(next), _) => {
                p = next;
                n += 1;
            }
            (None, Some((at, from))) => {
                p = at + 1;
                n = from + 1;
                star = Some((at, n));
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

/// The length of a `[…]` that holds the byte.
fn class(pattern: &[u8], byte: u8) -> Option<usize> {
    let end = pattern.iter().skip(2).position(|c| *c == b']')? + 2;
    let (negate, body) = match &pattern[1..end] {
        [b'!' | b'^', rest @ ..] => (true, rest),
        body => (false, body),
    };
    let mut inside = false;
    let mut at = 0;
    while at < body.len() {
        if let [lo, b'-', hi, ..] = body[at..] {
            inside |= (lo..=hi).contains(&byte);
            at += 3;
        } else {
            inside |= body[at] == byte;
            at += 1;
        }
    }
    (inside != negate).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Limits, Resource};

    /// A folder for one test: `in/` holds a config, `out/` what it must not see, `root/` a tree.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Place {
            let top = std::env::temp_dir().join(format!("pinhole-named-{}-{name}", std::process::id()));
            let _ = std::fs::remove_dir_all(&top);
            for (path, text) in [
                ("in/pf.conf", "top"),
                ("in/sub/a.conf", "a"),
                ("in/sub/b.conf", "b"),
                ("in/sub/.hidden.conf", "h"),
                ("out/secret", "secret"),
                ("root/etc/x.conf", "x"),
            ] {
                let path = top.join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            Place(top)
        }

        fn map(&self) -> (SourceMap, SourceId) {
            let mut map = SourceMap::new();
            let config = self.0.join("in/pf.conf");
            let id = map.read(&config, &config).unwrap();
            (map, id)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn read(map: &mut SourceMap, from: SourceId, name: &str) -> Result<String, String> {
        let id = map.read_named(from, name, &Budget::default()).map_err(|refusal| refusal.to_string())?;
        Ok(map.file(id).text.clone())
    }

    #[test]
    fn only_the_configs_own_folder_is_read() {
        let place = Place::new("folder");
        let (mut map, top) = place.map();
        assert_eq!(read(&mut map, top, "sub/a.conf").as_deref(), Ok("a"));
        let sub = map.read_named(top, "sub/a.conf", &Budget::default()).unwrap();
        assert_eq!(map.files().count(), 2, "a file is taken in once");
        // Beside the file that names it, in the folder of the config at the top.
        assert_eq!(read(&mut map, sub, "b.conf").as_deref(), Ok("b"));
        assert_eq!(read(&mut map, sub, "../pf.conf").as_deref(), Ok("top"));
        let inside = place.0.join("in/sub/b.conf");
        assert_eq!(read(&mut map, top, inside.to_str().unwrap()).as_deref(), Ok("b"));

        let outside = Err("it lies outside the config's folder".to_string());
        for name in ["../out/secret", "../out/none", "/etc/passwd", "/no/such/file", "/proc/self/environ"] {
            assert_eq!(read(&mut map, sub, &name.replace("../", "../../")), outside, "{name}");
            assert_eq!(read(&mut map, top, name), outside, "{name}");
        }
        assert_eq!(read(&mut map, top, "none.conf"), Err("there is no such file".to_string()));
        assert_eq!(read(&mut map, top, "sub"), Err("it is no regular file".to_string()));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn links_and_system_files_lead_nowhere() {
        let place = Place::new("links");
        let (mut map, top) = place.map();
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, place.0.join(name)).unwrap();
        link("../out/secret", "in/link");
        link("/proc", "in/proc");
        link("/dev/zero", "in/zero");
        for name in ["link", "proc/self/environ", "zero"] {
            assert_eq!(
                read(&mut map, top, name),
                Err("it lies outside the config's folder".to_string()),
                "{name}"
            );
        }
        let made = std::process::Command::new("mkfifo").arg(place.0.join("in/fifo")).status();
        if made.is_ok_and(|status| status.success()) {
            assert_eq!(read(&mut map, top, "fifo"), Err("it is no regular file".to_string()));
        }
        // Nothing of the system itself, even where the whole system is the tree.
        map.set_root(PathBuf::from("/"));
        assert_eq!(read(&mut map, top, "/proc/self/environ"), Err("it is no regular file".to_string()));
        assert_eq!(read(&mut map, top, "/dev/zero"), Err("it is no regular file".to_string()));
    }

    #[test]
    fn a_root_stands_for_the_system_that_loads_the_config() {
        let place = Place::new("root");
        let (mut map, top) = place.map();
        map.set_root(place.0.join("root"));
        assert_eq!(read(&mut map, top, "/etc/x.conf").as_deref(), Ok("x"));
        assert_eq!(read(&mut map, top, "/../../etc/x.conf").as_deref(), Ok("x"));
        assert_eq!(read(&mut map, top, "/etc/none"), Err("there is no such file".to_string()));
        assert_eq!(map.names_matching(top, "/e*/*.conf", &Budget::default()).unwrap(), ["/etc/x.conf"]);
    }

    #[test]
    fn patterns_and_budgets() {
        let place = Place::new("patterns");
        let (mut map, top) = place.map();
        assert_eq!(
            map.names_matching(top, "s*/*.conf", &Budget::default()).unwrap(),
            ["sub/a.conf", "sub/b.conf"]
        );
        assert_eq!(map.names_matching(top, "./sub/.*", &Budget::default()).unwrap(), ["sub/.hidden.conf"]);
        assert!(map.names_matching(top, "s*/none", &Budget::default()).unwrap().is_empty());
        assert_eq!(map.names_matching(top, "sub/none", &Budget::default()).unwrap(), ["sub/none"]);
        assert!(map.names_matching(top, "../out/*", &Budget::default()).is_err());
        let little = Budget::new(Limits::default().with(Resource::Bytes, 1));
        assert!(map.read_named(top, "sub/a.conf", &little).is_ok());
        let refused = map.read_named(top, "sub/a.conf", &little).unwrap_err();
        assert_eq!(refused.to_string(), "the budget of 1 bytes is used up");
        assert!(refused.help().contains("--budget"));
    }

    #[test]
    fn globs() {
        let cases = [
            ("*.nft", "a.nft", true),
            ("*.nft", "a.conf", false),
            ("a?c", "abc", true),
            ("[a-c]*", "bx", true),
            ("[!a-c]*", "bx", false),
            ("*a*b", "xaxab", true),
            ("*a*b", "xaxac", false),
        ];
        for (pattern, name, want) in cases {
            assert_eq!(glob(pattern.as_bytes(), name.as_bytes()), want, "{pattern} {name}");
        }
    }
}
