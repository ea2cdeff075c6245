//! The support table in the README of a language: each row has an example, and what is said of it is looked up.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::path::Path;

use pinhole::dialect::Loaded;

/// The rows of a table: what of the language, and what is said of it.
pub(crate) struct Table(Vec<(String, String)>);

impl Table {
    /// The table of a language.
    pub(crate) fn of(language: &str) -> Table {
        let readme =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dialect").join(language).join("README.md");
        let readme = std::fs::read_to_string(readme).unwrap();
        let table = readme.split("| language | support |").nth(1).unwrap();
        let lines = table.lines().skip(2).take_while(|line| line.starts_with("| "));
        let row = |line: &str| {
            let (what, said) = line.trim_matches(['|', ' ']).split_once(" | ").unwrap();
            (what.to_string(), said.to_string())
        };
        Table(lines.map(row).collect())
    }

    /// Each row begins as one of the examples does.
    pub(crate) fn is_covered_by(&self, starts: &[&str]) {
        for (row, _) in &self.0 {
            assert!(starts.iter().any(|start| row.starts_with(start)), "no example for: {row}");
        }
    }

    /// What is said in the one row that begins so.
    pub(crate) fn said_of(&self, start: &str) -> &str {
        let said: Vec<&String> =
            self.0.iter().filter(|(row, _)| row.starts_with(start)).map(|(_, said)| said).collect();
        assert_eq!(said.len(), 1, "{start}");
        said[0]
    }
}

/// The codes of what reading had to say, but for what is not modelled.
pub(crate) fn faults(loaded: &Loaded) -> Vec<&str> {
    let codes = loaded.findings.iter().map(|finding| finding.code());
    codes.filter(|code| code.starts_with("PH0") && *code != "PH002").collect()
}
