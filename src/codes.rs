//! The codes of the lints, and the words by which users may name them.

/// One lint's code and the names that it goes by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Code {
    /// Such as `PH101`.
    pub code: &'static str,
    /// Such as `blocked-mandatory-port`.
    pub name: &'static str,
    /// Earlier names, still understood.
    pub aliases: Vec<String>,
}

/// All lints that a run knows.
#[derive(Clone, Debug, Default)]
pub struct Codes(Vec<Code>);

impl Codes {
    /// The lints, in any order.
    pub fn new(mut codes: Vec<Code>) -> Self {
        codes.sort_by_key(|entry| entry.code);
        Codes(codes)
    }

    /// The name of a code; empty where there is no such code.
    pub fn name(&self, code: &str) -> &'static str {
        self.0.iter().find(|entry| entry.code == code).map_or("", |entry| entry.name)
    }

    /// The codes that a word stands for: a code in either case, a name, or the start of a code with at
    /// least one digit, such as `PH2`. The error is the nearest word that would have been understood.
    pub fn select(&self, word: &str) -> Result<Vec<&'static str>, Option<&str>> {
        let upper = word.to_ascii_uppercase();
        let prefix = upper.len() > 2 && upper.starts_with("PH");
        let named = |entry: &&Code| entry.name == word || entry.aliases.iter().any(|alias| alias == word);
        let found: Vec<&'static str> = self
            .0
            .iter()
            .filter(|entry| named(entry) || prefix && entry.code.starts_with(&upper))
            .map(|entry| entry.code)
            .collect();
        if !found.is_empty() {
            return Ok(found);
        }
        Err(nearest(word, self.0.iter().flat_map(|entry| [entry.code, entry.name])))
    }
}

/// The candidate that a misspelt word most likely means: the fewest edits apart, and no more than a third
/// of the longer word's letters (at least one).
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.chars().take(64).map(|c| c.to_ascii_lowercase()).collect();
    candidates
        .into_iter()
        .map(|candidate| (edits(&word, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(edits, candidate)| *edits <= (word.len().max(candidate.len()) / 3).max(1))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// The number of insertions, deletions, replacements and swaps of neighbours between two words.
fn edits(a: &[char], b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word() {
        let keys = ["addresses", "name", "networks", "product"];
        assert_eq!(nearest("adress", keys), Some("addresses"));
        assert_eq!(nearest("adresses", keys), Some("addresses"));
        assert_eq!(nearest("nmae", keys), Some("name"));
        assert_eq!(nearest("Network", keys), Some("networks"));
        assert_eq!(nearest("zone", keys), None);
    }

    #[test]
    fn words_for_codes() {
        let code = |code, name| Code { code, name, aliases: vec![format!("old-{name}")] };
        let codes = Codes::new(vec![
            code("PH201", "overly-broad-port-range"),
            code("PH202", "any-to-any"),
            code("PH101", "x"),
        ]);
        assert_eq!(codes.select("ph201"), Ok(vec!["PH201"]));
        assert_eq!(codes.select("any-to-any"), Ok(vec!["PH202"]));
        assert_eq!(codes.select("old-any-to-any"), Ok(vec!["PH202"]));
        assert_eq!(codes.select("PH2"), Ok(vec!["PH201", "PH202"]));
        assert_eq!(codes.select("any-to-ayn"), Err(Some("any-to-any")));
        assert_eq!(codes.select("PH"), Err(None));
        assert_eq!(codes.name("PH202"), "any-to-any");
    }
}
