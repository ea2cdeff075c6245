//! Typed reading of TOML tables, in which every mistake has a place.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::finding::Finding;
use crate::rule::PH601;
use crate::source::Span;
use crate::spelling::nearest;

/// A place in the site file.
pub(super) type At = Range<usize>;

/// The mistakes of one site file.
pub(super) struct Problems {
    base: u32,
    findings: Vec<Finding>,
}

impl Problems {
    /// No mistakes yet in a file that starts at `base` in the source map.
    pub(super) fn new(base: u32) -> Self {
        Problems { base, findings: Vec::new() }
    }

    /// Notes a mistake: what is wrong, what is to be seen there, and what to do.
    pub(super) fn add(
        &mut self,
        at: &At,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        let finding = Finding::of(&PH601, self.span(at), message);
        self.findings.push(finding.label(label).help(help));
    }

    /// Adds an earlier place to the last mistake.
    pub(super) fn see_also(&mut self, span: Option<Span>, message: &str) {
        if let (Some(span), Some(finding)) = (span, self.findings.pop()) {
            self.findings.push(finding.related(span, message));
        }
    }

    /// The place in the source map.
    pub(super) fn span(&self, at: &At) -> Span {
        Span::new(self.base + at.start as u32, self.base + at.end as u32)
    }

    /// The mistakes, in the order of the file.
    pub(super) fn into_findings(mut self) -> Vec<Finding> {
        self.findings.sort_by_key(|finding| finding.span);
        self.findings
    }
}

/// A value with its place.
pub(super) struct Placed<T> {
    pub value: T,
    pub at: At,
}

/// One table, and the keys that it may have.
pub(super) struct Table<'t, 'i> {
    table: &'t DeTable<'i>,
    /// Where the table stands; of `[[zone]]` its header.
    pub at: At,
    /// How messages name it, such as `[[zone]]`.
    pub what: &'static str,
    /// Keys that an unknown key was most likely meant to be: that they are missing has been said.
    misspelt: Vec<String>,
}

impl<'t, 'i> Table<'t, 'i> {
    /// Reads a table, and complains of all keys but the known ones.
    pub(super) fn new(
        table: &'t DeTable<'i>,
        at: At,
        what: &'static str,
        known: &[&str],
        problems: &mut Problems,
    ) -> Table<'t, 'i> {
        let mut misspelt = Vec::new();
        for key in table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
            let word = key.get_ref().as_ref();
            let help = match nearest(word, known.iter().copied()) {
                Some(near) => {
                    misspelt.push(near.to_string());
                    format!("Did you mean `{near}`?")
                }
                None => format!("{what} knows these keys: {}.", list(known)),
            };
            problems.add(&key.span(), format!("unknown key `{word}` in {what}"), "no such key", help);
        }
        Table { table, at, what, misspelt }
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&'t Spanned<DeValue<'i>>> {
        self.table.get(key)
    }

    /// The keys and values in the order of the file.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Placed<&'t str>, &'t Spanned<DeValue<'i>>)> {
        self.table
            .iter()
            .map(|(key, value)| (Placed { value: key.get_ref().as_ref(), at: key.span() }, value))
    }

    /// Text that has to be there and not be blank.
    pub(super) fn required(&self, key: &str, problems: &mut Problems) -> Option<Placed<String>> {
        match self.get(key) {
            Some(value) => text(value, key, problems),
            None => {
                self.missing(key, problems);
                None
            }
        }
    }

    /// Text that may be left out.
    pub(super) fn optional(&self, key: &str, problems: &mut Problems) -> Option<Placed<String>> {
        text(self.get(key)?, key, problems)
    }

    /// A list of texts; empty where the key is left out.
    pub(super) fn texts(&self, key: &str, problems: &mut Problems) -> Vec<Placed<String>> {
        self.get(key).map_or(Vec::new(), |value| texts(value, key, problems))
    }

    /// A list of tables; empty where the key is left out.
    pub(super) fn tables(&self, key: &str, problems: &mut Problems) -> Vec<(&'t DeTable<'i>, At)> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let Some(array) = array(value, key, "tables, each under a header in double brackets,", problems)
        else {
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in array.iter() {
            match item.get_ref() {
                DeValue::Table(table) => tables.push((table, item.span())),
                other => wrong_type(&item.span(), key, "tables", other, problems),
            }
        }
        tables
    }

    /// One table; `None` where the key is left out.
    pub(super) fn table(&self, key: &str, problems: &mut Problems) -> Option<(&'t DeTable<'i>, At)> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some((table, value.span())),
            other => {
                wrong_type(&value.span(), key, "a table", other, problems);
                None
            }
        }
    }

    /// A whole number in a range.
    pub(super) fn number(
        &self,
        key: &str,
        range: std::ops::RangeInclusive<u32>,
        problems: &mut Problems,
    ) -> Option<u32> {
        let value = self.get(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix()).ok(),
            other => {
                wrong_type(&value.span(), key, "a whole number", other, problems);
                return None;
            }
        };
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let help = format!("Write a number from {} to {}.", range.start(), range.end());
            problems.add(&value.span(), format!("`{key}` is out of range"), "out of range", help);
        }
        number
    }

    /// True or false.
    pub(super) fn flag(&self, key: &str, problems: &mut Problems) -> Option<bool> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            other => {
                wrong_type(&value.span(), key, "true or false", other, problems);
                None
            }
        }
    }

    /// Complains that a key is missing.
    pub(super) fn missing(&self, key: &str, problems: &mut Problems) {
        if self.misspelt.iter().any(|near| near == key) {
            return;
        }
        let (message, label) = (format!("{} has no `{key}`", self.what), format!("`{key}` is missing"));
        problems.add(&self.at, message, label, format!("Add the key `{key}`."));
    }
}

/// Text that is not blank.
pub(super) fn text(value: &Spanned<DeValue>, key: &str, problems: &mut Problems) -> Option<Placed<String>> {
    match value.get_ref() {
        DeValue::String(text) if text.trim().is_empty() => {
            problems.add(
                &value.span(),
                format!("`{key}` is empty"),
                "nothing in it",
                "Write a text that is not blank.",
            );
            None
        }
        DeValue::String(text) => Some(Placed { value: text.to_string(), at: value.span() }),
        other => {
            wrong_type(&value.span(), key, "a text in quotes", other, problems);
            None
        }
    }
}

/// A list of texts.
pub(super) fn texts(value: &Spanned<DeValue>, key: &str, problems: &mut Problems) -> Vec<Placed<String>> {
    let items = array(value, key, "texts in quotes", problems);
    items.into_iter().flat_map(|items| items.iter()).filter_map(|item| text(item, key, problems)).collect()
}

fn array<'t, 'i>(
    value: &'t Spanned<DeValue<'i>>,
    key: &str,
    of: &str,
    problems: &mut Problems,
) -> Option<&'t DeArray<'i>> {
    match value.get_ref() {
        DeValue::Array(array) => Some(array),
        other => {
            wrong_type(&value.span(), key, &format!("a list of {of}"), other, problems);
            None
        }
    }
}

/// Complains that a value is of the wrong type.
pub(super) fn wrong_type(at: &At, key: &str, wanted: &str, found: &DeValue, problems: &mut Problems) {
    let found = match found {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    problems.add(
        at,
        format!("`{key}` takes {}, not {found}", wanted.trim_end_matches(',')),
        format!("this is {found}"),
        format!("Write {} here.", wanted.trim_end_matches(',')),
    );
}

/// Words in backticks, with commas.
pub(super) fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
