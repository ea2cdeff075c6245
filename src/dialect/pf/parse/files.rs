//! Other files that a file names: includes, anchors, tables.

use std::path::{Path, PathBuf};

use crate::finding::{Finding, Severity};
use crate::source::{SourceId, Span};

use super::Session;
use super::cursor::{self, Error, Refusal, refuse};

/// How deep files may include each other, and how many may be read in all.
const DEEPEST_INCLUDE: usize = 16;
const MOST_INCLUDES: usize = 1000;
/// The largest file that is read because another one names it, in bytes, and how much all of them may hold.
const LARGEST_INCLUDE: u64 = 64 << 20;
const MOST_INCLUDED: u64 = 256 << 20;

/// Where a file is that another one in `folder` names: `path` as it is written there.
///
/// Only regular files in the folder of the configuration, `top`, or below it are read, wherever links lead. What is
/// named by an absolute path lies on the system that loads the rules; here it is looked for beside the
/// configuration: `/etc/pf.anchors/a` as `etc/pf.anchors/a`, `pf.anchors/a`, or `a`.
fn locate(top: &Path, folder: &Path, path: &str) -> Option<PathBuf> {
    let real_top = if top.as_os_str().is_empty() { Path::new(".") } else { top }.canonicalize().ok()?;
    let names: Vec<_> = Path::new(path).components().skip_while(|c| !is_name(*c)).collect();
    let named = |at: usize| names[at..].iter().collect::<PathBuf>();
    let mut places = if Path::new(path).is_absolute() {
        let beside = (0..names.len()).map(|at| top.join(named(at)));
        std::iter::once(PathBuf::from(path)).chain(beside).collect()
    } else {
        vec![folder.join(path)]
    };
    places.retain(|place| {
        let inside = place.canonicalize().is_ok_and(|real| real.starts_with(&real_top));
        inside && std::fs::metadata(place).is_ok_and(|meta| meta.is_file() && meta.len() <= LARGEST_INCLUDE)
    });
    places.into_iter().next()
}

fn is_name(component: std::path::Component) -> bool {
    matches!(component, std::path::Component::Normal(_))
}

impl Session<'_> {
    /// Takes in a file that an `include` names. It has to be there if it is named beside the configuration; of
    /// one elsewhere nothing is known.
    pub(super) fn include_file(
        &mut self,
        folder: &Path,
        path: &str,
        span: Span,
    ) -> cursor::Result<Option<SourceId>> {
        let Some(place) = locate(&self.top, folder, path) else {
            let outside = Path::new(path).is_absolute() || path.split('/').any(|part| part == "..");
            if !outside {
                return refuse(span, format!("cannot read `{path}`"));
            }
            let message =
                format!("the rules of `{path}` are not known: it is not in the folder of the configuration");
            self.report(&Error { span, refusal: Refusal::Unresolved(message) });
            return Ok(None);
        };
        self.take_in(&place, path, span).map(Some)
    }

    /// Takes in the rules of an anchor. Where they cannot be read, they are not known.
    pub(super) fn anchor_file(
        &mut self,
        folder: &Path,
        path: &str,
        span: Span,
    ) -> cursor::Result<Option<SourceId>> {
        let Some(place) = locate(&self.top, folder, path) else {
            self.note_unread(span, format!("the rules of `{path}` are not known: it cannot be read here"));
            return Ok(None);
        };
        self.take_in(&place, path, span).map(Some)
    }

    fn take_in(&mut self, place: &Path, path: &str, span: Span) -> cursor::Result<SourceId> {
        if self.open_files.iter().any(|open| open == place) {
            return refuse(span, format!("`{path}` includes itself"));
        }
        let size = std::fs::metadata(place).map_or(0, |meta| meta.len());
        self.bytes_read = self.bytes_read.saturating_add(size);
        let too_many = self.open_files.len() >= DEEPEST_INCLUDE || self.files_read >= MOST_INCLUDES;
        if too_many || self.bytes_read > MOST_INCLUDED {
            return refuse(span, "too many files include each other");
        }
        self.sources.read(place, place).or_else(|error| refuse(span, error.to_string()))
    }

    /// The text of a table's file, where it can be read.
    pub(super) fn table_file(&mut self, folder: &Path, path: &str) -> Option<String> {
        if path == "/dev/null" {
            return Some(String::new());
        }
        let bytes = std::fs::read(locate(&self.top, folder, path)?).ok()?;
        self.bytes_read = self.bytes_read.saturating_add(bytes.len() as u64);
        if self.bytes_read > MOST_INCLUDED {
            return None;
        }
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    pub(super) fn note_unread_table(&mut self, span: Span, table: &str, path: &str) {
        self.note_unread(
            span,
            format!("the contents of table `{table}` are not known: `{path}` cannot be read here"),
        );
    }

    fn note_unread(&mut self, span: Span, message: String) {
        self.findings.push(Finding::new("PH002", Severity::Info, Some(span), message).help(
            "Put the file into the folder of the configuration, under the path that it is named by, to have it \
             read.",
        ));
    }
}
