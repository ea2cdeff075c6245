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

    /// Each row says with a word of the vocabulary, or a code, what its examples show, and nothing that none shows. `shown`
    /// are the words of the examples of rows that begin so; what refuses, or cannot be read, may leave more behind.
    pub(crate) fn says_what_is_shown(&self, vocabulary: &[&str], shown: &[(&str, Vec<&str>)]) {
        for (row, said) in &self.0 {
            let of = || shown.iter().filter(|(start, _)| row.starts_with(start)).map(|(_, words)| words);
            let said = said.to_lowercase();
            let codes = said.match_indices("ph0").map(|(at, _)| said[at..].get(..5).unwrap().to_uppercase());
            for word in vocabulary.iter().filter(|word| said.contains(**word)) {
                assert!(of().flatten().any(|shown| shown == word), "no example is {word}: {row}");
            }
            for code in codes {
                assert!(of().flatten().any(|shown| **shown == code), "no example is {code}: {row}");
            }
            for words in of() {
                assert!(said.contains(&words[0].to_lowercase()), "{} is not said: {row}", words[0]);
            }
        }
    }

    /// Each row shows all that it names: `examples` are those of the rows that begin so, with what was said of them.
    pub(crate) fn is_shown_by(&self, examples: &[(&str, String)]) {
        for (row, said) in &self.0 {
            let of = examples.iter().filter(|(start, _)| row.starts_with(start));
            shows(row, said, &of.map(|(_, text)| text.clone()).collect::<Vec<_>>());
        }
    }
}

/// Everything in code font in a row stands in one of its examples, or in what is said of one: the condition or the
/// finding.
fn shows(row: &str, said: &str, examples: &[String]) {
    let code = [row, said].into_iter().flat_map(|cell| cell.split('`').skip(1).step_by(2));
    for span in code {
        let words: Vec<&str> = span.split([' ', '…']).filter(|word| !is_left_open(word)).collect();
        let shown = examples.iter().any(|text| words.iter().all(|word| has_word(text, word)));
        assert!(shown, "no example of `{span}`: {row}");
    }
}

/// What stands for a name or a text, and options of the program itself.
fn is_left_open(word: &str) -> bool {
    let name = word.trim_matches(|c: char| !c.is_alphanumeric());
    let open = !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase());
    open || word.is_empty() || word.starts_with("--")
}

fn has_word(text: &str, word: &str) -> bool {
    let of_word = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let open = word.strip_suffix("-*");
    let word = open.unwrap_or(word);
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back().is_some_and(of_word) && word.starts_with(of_word);
        let after = text[at + word.len()..].chars().next().is_some_and(of_word) && word.ends_with(of_word);
        !before && (!after || open.is_some())
    })
}

/// The words of an example, of the conditions that it leaves, and of what is found.
pub(crate) fn told(text: &str, loaded: &Loaded) -> String {
    let conditions = loaded.ruleset.conditions.iter().map(|condition| condition.name.to_string());
    let found = loaded.findings.iter().map(|finding| format!("{finding:?}"));
    let rest: Vec<String> = conditions.chain(found).collect();
    format!("{text}\n{}", rest.join("\n"))
}

/// The codes of what reading had to say, but for what is not modelled.
pub(crate) fn faults(loaded: &Loaded) -> Vec<&str> {
    let codes = loaded.findings.iter().map(|finding| finding.code());
    codes.filter(|code| code.starts_with("PH0") && *code != "PH002").collect()
}
