//! Where the rows of a product stand.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A document, page or file that rows are taken from.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Document {
    /// The name by which rows of the product mean it.
    pub id: String,
    /// Its title; for a file, repository and path.
    pub document: String,
    /// Version, commit or edition.
    pub revision: Option<String>,
    /// The day of that revision or, where it has none, of the copy that was read: `2026-08-20`, `2026-08` or `2026`.
    #[schemars(regex(pattern = r"^[0-9]{4}(-[0-9]{2}){0,2}$"))]
    pub date: Option<String>,
    /// It is not the vendor's or project's own word, or a copy of which parts could not be read.
    #[serde(default)]
    pub secondary: bool,
}

impl Document {
    /// Whether the date is a year, a month or a day.
    pub(super) fn dated(&self) -> bool {
        self.date.as_deref().is_none_or(|date| {
            let digits = |part: &str, count| part.len() == count && part.bytes().all(|b| b.is_ascii_digit());
            let mut parts = date.split('-');
            let year = parts.next().is_some_and(|year| digits(year, 4));
            let rest: Vec<&str> = parts.collect();
            year && rest.len() < 3 && rest.iter().all(|part| digits(part, 2))
        })
    }
}
