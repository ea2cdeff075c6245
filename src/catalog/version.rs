//! Versions of products.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer};

/// A version of a product, such as `4.17.0`, `X8.9.2` or `stable-9584`: a word that may be empty, and numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Version {
    text: String,
    word: String,
    numbers: Vec<u64>,
}

impl Version {
    /// Reads a version; `None` where the text holds no number. What follows the numbers, such as `-rc1`, does not
    /// count.
    pub fn parse(text: &str) -> Option<Version> {
        let text = text.trim();
        let digit = text.find(|c: char| c.is_ascii_digit())?;
        let (word, rest) = text.split_at(digit);
        let word = word.trim_end_matches(['-', ' ', '.']).to_ascii_lowercase();
        let word = if word == "v" { String::new() } else { word };
        let mut numbers = Vec::new();
        for part in rest.split(['.', '-']) {
            let Ok(number) = part.parse() else { break };
            numbers.push(number);
        }
        let some = !numbers.is_empty();
        some.then(|| Version { text: text.to_string(), word, numbers })
    }

    /// Which of two versions came first; `None` where they are not numbered in the same way, as `stable-9584` and
    /// `2.0.9584` are not.
    pub fn compare(&self, other: &Version) -> Option<Ordering> {
        if self.word != other.word {
            return None;
        }
        let longest = self.numbers.len().max(other.numbers.len());
        let number = |version: &Version, index| version.numbers.get(index).copied().unwrap_or(0);
        let differing = (0..longest).map(|index| number(self, index).cmp(&number(other, index)));
        Some(differing.fold(Ordering::Equal, Ordering::then))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl JsonSchema for Version {
    fn schema_name() -> Cow<'static, str> {
        "Version".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A word, which may be empty, and numbers, such as `4.17.0`, `X8.9.2` or `stable-9584`",
            "type": "string",
            "pattern": "[0-9]",
        })
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Version::parse(&text)
            .ok_or_else(|| de::Error::custom(format!("`{text}` is no version; write it like `4.17.0`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(one: &str, other: &str) -> Option<Ordering> {
        Version::parse(one).unwrap().compare(&Version::parse(other).unwrap())
    }

    #[test]
    fn numbers_decide_and_words_have_to_agree() {
        assert_eq!(compare("4.17.0", "4.9"), Some(Ordering::Greater));
        assert_eq!(compare("v3", "3.0.0"), Some(Ordering::Equal));
        assert_eq!(compare("X8.9.2", "x14"), Some(Ordering::Less));
        assert_eq!(compare("stable-9584", "stable-10078"), Some(Ordering::Less));
        assert_eq!(compare("3.0.0-rc1", "3.0"), Some(Ordering::Equal));
        assert_eq!(compare("2022-01", "2021-12"), Some(Ordering::Greater));
        assert_eq!(compare("2.0.9584", "stable-7001"), None);
        assert_eq!(Version::parse("latest"), None);
    }
}
