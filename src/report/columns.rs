//! Text in columns, as wide as a terminal shows it.

use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};
use unicode_width::UnicodeWidthStr;

/// How many columns a text takes.
pub(crate) fn columns(text: &str) -> usize {
    text.width()
}

/// A text with blanks behind it, up to a number of columns.
pub(crate) fn padded(text: &str, width: usize) -> String {
    format!("{text}{:blanks$}", "", blanks = width.saturating_sub(columns(text)))
}

/// Text in lines of at most so many columns, broken at blanks alone: names and addresses stay whole. Of no words there
/// is one empty line.
pub(crate) fn wrap(text: &str, room: usize) -> Vec<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let options = Options::new(room)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit)
        .break_words(false);
    textwrap::wrap(&words.join(" "), options).into_iter().map(|line| line.into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(padded("会議", 6), "会議  ");
        assert_eq!(wrap("会議 会議 x", 9), ["会議 会議", "x"]);
        assert_eq!(wrap("", 9), [""]);
        assert_eq!(wrap("scopia-elite-5200", 9), ["scopia-elite-5200"]);
    }
}
