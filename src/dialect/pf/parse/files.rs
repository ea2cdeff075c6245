//! Other files that a file names: includes, anchors, tables.

use std::path::{Path, PathBuf};

use crate::finding::{Finding, Severity};
use crate::source::{SourceId, Span};

use super::Session;
use super::cursor::{self, Error, Refusal, refuse};

/// How deep files may include each other, and how many may be read in all.
const DEEPEST_INCLUDE: usize = 16;
const MOST_INCLUDES: usize = 1000;
/// The largest file that is read because another one names it, in bytes.
const LARGEST_INCLUDE: u64 = 64 << 20;

impl Session<'_> {
    /// Takes in another file. A file beside this one has to be there; of one elsewhere on the system that
    /// loads the rules, nothing is known.
    pub(super) fn open(&mut self, folder: &Path, path: &str, span: Span) -> cursor::Result<Option<SourceId>> {
        let Some(place) = self.place(folder, path) else {
            let message = format!("the rules of `{path}` are not known: the file is elsewhere");
            self.report(&Error { span, refusal: Refusal::Unresolved(message) });
            return Ok(None);
        };
        if self.open_files.contains(&place) {
            return refuse(span, format!("`{path}` includes itself"));
        }
        if self.open_files.len() >= DEEPEST_INCLUDE || self.files_read >= MOST_INCLUDES {
            return refuse(span, "too many files include each other");
        }
        if !readable(&place) {
            return refuse(span, format!("cannot read `{path}`"));
        }
        match self.sources.read(&place, &place) {
            Ok(id) => Ok(Some(id)),
            Err(error) => refuse(span, error.to_string()),
        }
    }

    /// Where a named file lies: beside this one where its path is relative. An absolute path names a file of
    /// the system that loads the rules, which is this one only if the config lies in the same directory tree.
    fn place(&self, folder: &Path, path: &str) -> Option<PathBuf> {
        let path = Path::new(path);
        if path.is_relative() {
            return Some(folder.join(path));
        }
        let top = |path: &Path| path.components().nth(1).map(|c| c.as_os_str().to_os_string());
        (folder.is_absolute() && top(folder) == top(path)).then(|| path.to_path_buf())
    }

    /// The text of a table's file, where it can be read.
    pub(super) fn read_beside(&mut self, folder: &Path, path: &str) -> Option<String> {
        if path == "/dev/null" {
            return Some(String::new());
        }
        let place = self.place(folder, path)?;
        if !readable(&place) {
            return None;
        }
        let bytes = std::fs::read(place).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    pub(super) fn note_unread_table(&mut self, span: Span, table: &str, path: &str) {
        self.findings.push(
            Finding::new(
                "PH002",
                Severity::Info,
                Some(span),
                format!("the contents of table `{table}` are not known: `{path}` cannot be read here"),
            )
            .help(
                "Put the file beside the configuration, under the path that it is named by, to have it read.",
            ),
        );
    }
}

/// Whether a file is a regular one of a bearable size.
fn readable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() <= LARGEST_INCLUDE)
}
