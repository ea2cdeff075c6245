//! Files that are written whole or not at all.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::Failure;

/// Writes a file beside the one that it replaces in the end: whoever reads it sees the old one or the new one. What is
/// no regular file, such as `/dev/stdout`, is written to as it is.
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
    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    let mut beside = OsString::from(".");
    beside.push(name);
    beside.push(format!(".{}.new", std::process::id()));
    let beside = path.with_file_name(beside);
    let written = File::create(&beside).and_then(|file| through(file, write)?.sync_all());
    let replaced = written.and_then(|()| {
        if let Ok(meta) = path.metadata() {
            std::fs::set_permissions(&beside, meta.permissions())?;
        }
        std::fs::rename(&beside, &path)
    });
    if replaced.is_err() {
        // The error that is told is the one that came first.
        let _ = std::fs::remove_file(&beside);
    }
    replaced
}
