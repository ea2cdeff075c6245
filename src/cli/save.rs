//! Files that are written whole or not at all.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::Failure;

/// Writes a file beside the one that it replaces in the end, with its permissions and owner: whoever reads it sees the old
/// one or the new one. Where the path is a link, what it leads to is replaced. What is no regular file, such as `/dev/stdout`, is written to as it is.
pub(super) fn whole(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Failure> {
    let done = match path.metadata() {
        Ok(meta) if !meta.is_file() => File::create(path).and_then(|file| through(file, write).map(drop)),
        _ => replace(path, write),
    };
    done.map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))
}

fn through(file: File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<File> {
    let mut file = BufWriter::new(file);
    write(&mut file)?;
    file.into_inner().map_err(io::IntoInnerError::into_error)
}

fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    // A link stays one, and what it leads to is replaced.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let (draft, file) = beside(&path)?;
    let done = fill(file, &path, write).and_then(|()| std::fs::rename(&draft, &path));
    if done.is_err() {
        // What is half written helps nobody; the first error is the one that counts.
        let _ = std::fs::remove_file(&draft);
    }
    done
}

/// A new file in the folder of another one.
fn beside(path: &Path) -> io::Result<(PathBuf, File)> {
    const TRIES: u32 = 100;
    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?.to_string_lossy();
    let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
    for number in 0..TRIES {
        let draft = path.with_file_name(format!(".{name}.{}.{number}", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&draft) {
            Ok(file) => return Ok((draft, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

/// Writes a file that takes the place of another, with its permissions and owner.
fn fill(file: File, like: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    if let Ok(known) = like.metadata() {
        owned_alike(&file, &known)?;
        file.set_permissions(known.permissions())?;
    }
    through(file, write)?.sync_all()
}

#[cfg(unix)]
fn owned_alike(file: &File, known: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let new = file.metadata()?;
    if (new.uid(), new.gid()) == (known.uid(), known.gid()) {
        return Ok(());
    }
    fchown(file, Some(known.uid()), Some(known.gid()))
}

#[cfg(not(unix))]
fn owned_alike(_: &File, _: &Metadata) -> io::Result<()> {
    Ok(())
}
