//! Files are replaced whole, or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::cli::Failure;

/// Replaces the text of a file: a new file with its permissions and owner takes its place. Where the path is a link,
/// what it leads to is replaced, and the link stays. Nothing is done where the file is not as it was read.
///
/// # Errors
/// Where it cannot be, or is another one by now.
pub(crate) fn replace(path: &Path, before: &str, after: &str) -> Result<(), Failure> {
    let fail = |error: io::Error| Failure::usage(format!("cannot write `{}`: {error}", path.display()));
    let target = path.canonicalize().map_err(fail)?;
    if fs::read(&target).map_err(fail)? != before.as_bytes() {
        return Err(Failure::usage(format!(
            "`{}` is not written: it is no UTF-8, or has changed since it was read",
            path.display()
        )));
    }
    let (draft, file) = beside(&target).map_err(fail)?;
    let done = fill(file, &target, after).and_then(|()| fs::rename(&draft, &target));
    if done.is_err() {
        // What is half written helps nobody; the first error is the one that counts.
        let _ = fs::remove_file(&draft);
    }
    done.map_err(fail)
}

/// A new file in the folder of another one.
fn beside(target: &Path) -> io::Result<(PathBuf, File)> {
    const TRIES: u32 = 100;
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
    for number in 0..TRIES {
        let path = target.with_file_name(format!(".{name}.{}.{number}", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

fn fill(mut file: File, like: &Path, text: &str) -> io::Result<()> {
    let known = fs::metadata(like)?;
    owned_alike(&file, &known)?;
    file.set_permissions(known.permissions())?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(unix)]
fn owned_alike(file: &File, known: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let new = file.metadata()?;
    if (new.uid(), new.gid()) == (known.uid(), known.gid()) {
        return Ok(());
    }
    fchown(file, Some(known.uid()), Some(known.gid()))
}

#[cfg(not(unix))]
fn owned_alike(_: &File, _: &fs::Metadata) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("pinhole-write-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[cfg(unix)]
    #[test]
    fn permissions_and_links_stay() {
        use std::os::unix::fs::PermissionsExt;
        let folder = folder("links");
        let (file, link) = (folder.join("edge.rules"), folder.join("current.rules"));
        fs::write(&file, "one\r\ntwo").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(&file, &link).unwrap();
        replace(&link, "one\r\ntwo", "two").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_has_changed_is_left_alone() {
        let folder = folder("changed");
        let file = folder.join("edge.rules");
        fs::write(&file, "other").unwrap();
        assert!(replace(&file, "one", "two").is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "other");
        fs::remove_dir_all(&folder).unwrap();
    }
}
