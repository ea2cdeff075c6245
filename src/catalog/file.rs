//! One catalog file, and how its faults are shown.

use std::io;
use std::ops::Range;
use std::path::PathBuf;

use serde::Deserialize;

use crate::spelling::nearest;

/// Why a catalog cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The operating system could not read it.
    #[error("cannot read `{}`: {error}", .path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// There is nothing to load.
    #[error("`{}` holds no catalog: a folder with files that end in `.toml`", .0.display())]
    Empty(PathBuf),
    /// Likewise for calls.
    #[error("`{}` holds no calls: a folder with files that end in `.toml`", .0.display())]
    NoCalls(PathBuf),
    /// A file says something that it must not say.
    #[error("{}:{line}:{column}: {message}\n{excerpt}", .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong: one line, lower case, no full stop.
        message: String,
        /// The line, with the place marked beneath.
        excerpt: String,
    },
}

/// The file that holds a catalog's roles.
const ROLES: &str = "roles.toml";

/// One catalog file, or one of calls.
pub(crate) struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    pub(crate) fn new(path: PathBuf, text: String) -> Source {
        Source { path, text }
    }

    pub(super) fn is_roles(&self) -> bool {
        self.path.file_name().is_some_and(|name| name == ROLES)
    }

    pub(crate) fn parse<T: for<'de> Deserialize<'de>>(&self) -> Result<T, CatalogError> {
        toml::from_str(&self.text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            self.fault(&span, shorten(error.message()))
        })
    }

    /// The value of a key of the table whose span is given, or the span itself where the key is not there.
    pub(super) fn key(&self, table: &Range<usize>, key: &str) -> Range<usize> {
        let rest = self.text.get(table.start..).unwrap_or("");
        let mut start = table.start;
        for (index, line) in rest.split_inclusive('\n').enumerate() {
            if index > 0 && line.starts_with('[') {
                break;
            }
            if let Some((name, value)) = line.split_once('=')
                && name.trim() == key
            {
                let at = start + line.len() - value.trim_start().len();
                return at..at + value.trim().len();
            }
            start += line.len();
        }
        table.clone()
    }

    pub(crate) fn fault(&self, span: &Range<usize>, message: String) -> CatalogError {
        let mut at = span.start.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        let start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line_text: String =
            self.text[start..].lines().next().unwrap_or("").chars().take(EXCERPT).collect();
        let line = self.text[..start].matches('\n').count() + 1;
        let column = self.text[start..at].chars().count() + 1;
        let shown = line_text.chars().count();
        let marked =
            self.text.get(at..span.end.max(at)).unwrap_or("").lines().next().unwrap_or("").chars().count();
        let marks = marked.min((shown + 1).saturating_sub(column)).max(1);
        let gutter = line.to_string().len();
        let under =
            if column <= EXCERPT { " ".repeat(column - 1) + &"^".repeat(marks) } else { "…".to_string() };
        let excerpt = format!("{:gutter$} |\n{line} | {line_text}\n{:gutter$} | {under}", "", "");
        CatalogError::Invalid { path: self.path.clone(), line, column, message, excerpt }
    }
}

/// The characters of a line that an excerpt shows.
const EXCERPT: usize = 120;

/// The parser's message on one line, with the nearest right word in place of a list of all.
fn shorten(message: &str) -> String {
    let message = message.lines().collect::<Vec<_>>().join("; ");
    let Some((fault, expected)) = message.split_once(", expected one of ") else { return message };
    let Some(word) = fault.split('`').nth(1) else { return message };
    let right = expected.split('`').skip(1).step_by(2);
    format!("{fault}{}", did_you_mean(nearest(word, right)))
}

/// What a message adds where a word is near to a known one.
pub(crate) fn did_you_mean(name: Option<&str>) -> String {
    name.map_or(String::new(), |name| format!("; the nearest is `{name}`"))
}
