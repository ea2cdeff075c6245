//! The folder outside of which nothing is read, where there is one: a program that others ask is given it at its start.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

static FENCE: OnceLock<PathBuf> = OnceLock::new();

/// From now on nothing outside of a folder is read. Only the first call counts: nobody can take a fence down.
///
/// # Errors
/// Where there is no such folder.
#[cfg(feature = "mcp")]
pub(crate) fn confine(folder: &Path) -> io::Result<()> {
    let folder = folder.canonicalize()?;
    FENCE.get_or_init(|| folder);
    Ok(())
}

/// Whether a file or folder may be read: where its real place is in the folder, links and all.
///
/// # Errors
/// Where it may not. Outside, nobody learns whether there is such a file.
pub(crate) fn pass(path: &Path) -> io::Result<()> {
    match FENCE.get() {
        None => Ok(()),
        Some(fence) => check(fence, path),
    }
}

fn check(fence: &Path, path: &Path) -> io::Result<()> {
    let outside =
        || io::Error::new(io::ErrorKind::PermissionDenied, "it lies outside the folder that is served");
    let absolute = plain(&std::path::absolute(path)?);
    let real = |path: &Path| path.canonicalize().is_ok_and(|real| real.starts_with(fence));
    // What is not there is told of the folder alone.
    let holder = absolute.ancestors().find(|above| above.exists());
    match absolute.starts_with(fence) && holder.is_some_and(real) {
        true => Ok(()),
        false => Err(outside()),
    }
}

/// A path without `.` and `..`, which cannot lead above its start.
pub(crate) fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn links_and_dots_do_not_lead_out() {
        let top = std::env::temp_dir().join(format!("pinhole-fence-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&top);
        std::fs::create_dir_all(top.join("in/below")).unwrap();
        std::fs::write(top.join("in/file"), "").unwrap();
        std::fs::write(top.join("secret"), "").unwrap();
        std::os::unix::fs::symlink("../secret", top.join("in/link")).unwrap();
        std::os::unix::fs::symlink("..", top.join("in/up")).unwrap();
        std::os::unix::fs::symlink("file", top.join("in/beside")).unwrap();
        let fence = top.join("in").canonicalize().unwrap();
        let passes = |name: &str| check(&fence, &fence.join(name)).is_ok();
        for name in ["", "file", "below", "below/../file", "beside", "none", "none/at/all"] {
            assert!(passes(name), "{name}");
        }
        for name in
            ["..", "link", "up", "up/secret", "../secret", "../none", "below/../../secret", "/etc/passwd"]
        {
            assert!(!passes(name), "{name}");
        }
        std::fs::remove_dir_all(&top).unwrap();
    }
}
