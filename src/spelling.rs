//! Words that are nearly right.

use strsim::osa_distance;

/// The candidate that a misspelt word most likely means: the fewest insertions, deletions, replacements and swaps of
/// neighbours apart, and no more than a third of the longer word's letters (at least one).
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: String = word.chars().take(64).map(|c| c.to_ascii_lowercase()).collect();
    let length = word.chars().count();
    candidates
        .into_iter()
        .map(|candidate| (osa_distance(&word, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(edits, candidate)| *edits <= (length.max(candidate.len()) / 3).max(1))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
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
}
