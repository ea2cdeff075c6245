//! Files that are mended.

use std::fs;
use std::io;
use std::path::Path;

use crate::cli::{Failure, save};

/// Replaces the text of a file, [`save::whole`]. Nothing is done where the file is not as it was read.
///
/// # Errors
/// Where it cannot be, or is another one by now.
pub(crate) fn replace(path: &Path, before: &str, after: &str) -> Result<(), Failure> {
    let fail = |error: io::Error| Failure::usage(format!("cannot write `{}`: {error}", path.display()));
    if fs::read(path).map_err(fail)? != before.as_bytes() {
        return Err(Failure::usage(format!(
            "`{}` is not written: it is no UTF-8, or has changed since it was read",
            path.display()
        )));
    }
    save::whole(path, |file| file.write_all(after.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

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
