//! Lines into words, as `iptables-restore` splits them.
//!
//! Source: `add_param_to_argv` of iptables 1.8.9: blanks separate; `"` opens and closes a part in which
//! a backslash takes the next character as it is; a closing `"` ends the word. Single quotes and
//! backslashes outside of `"` are characters like any other.

use std::borrow::Cow;

use crate::source::Span;

/// One word of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Word<'a> {
    /// What the program gets to see.
    pub text: Cow<'a, str>,
    /// Where it is written.
    pub span: Span,
    /// Part of it stood in quotes, or is a variable's value: it is never a comment or a separator.
    pub quoted: bool,
    /// The variable in it whose value the file does not tell: the text is not what the program sees.
    pub unresolved: bool,
}

/// Splits a line of a dump into words; `base` is the offset of the line. False where a quote stays open.
pub(super) fn split<'a>(line: &'a str, base: u32, words: &mut Vec<Word<'a>>) -> bool {
    let bytes = line.as_bytes();
    let mut at = 0;
    loop {
        while at < bytes.len() && is_blank(bytes[at]) {
            at += 1;
        }
        if at >= bytes.len() {
            return true;
        }
        let start = at;
        while at < bytes.len() && !is_blank(bytes[at]) && bytes[at] != b'"' {
            at += 1;
        }
        let (text, quoted, closed) = if bytes.get(at) == Some(&b'"') {
            quoted_word(line, start, &mut at)
        } else {
            (Cow::Borrowed(&line[start..at]), false, true)
        };
        let span = Span::new(base + start as u32, base + at as u32);
        words.push(Word { text, span, quoted, unresolved: false });
        if !closed {
            return false;
        }
    }
}

/// A word from `start` whose first quote stands at `at`; leaves `at` after the word.
fn quoted_word<'a>(line: &'a str, start: usize, at: &mut usize) -> (Cow<'a, str>, bool, bool) {
    let bytes = line.as_bytes();
    let open = *at;
    let mut end = open + 1;
    while end < bytes.len() && bytes[end] != b'"' && bytes[end] != b'\\' {
        end += 1;
    }
    if bytes.get(end) == Some(&b'"') {
        *at = end + 1;
        let inside = &line[open + 1..end];
        let text = if start == open {
            Cow::Borrowed(inside)
        } else {
            Cow::Owned(line[start..open].to_string() + inside)
        };
        return (text, true, true);
    }
    let mut text = line[start..open].to_string();
    let mut from = open + 1;
    let mut closed = false;
    while end < bytes.len() {
        match bytes[end] {
            b'"' => {
                closed = true;
                break;
            }
            b'\\' => {
                text.push_str(&line[from..end]);
                from = end + 1;
                end = from + line[from..].chars().next().map_or(0, char::len_utf8);
            }
            _ => end += 1,
        }
    }
    text.push_str(&line[from.min(end)..end]);
    *at = if closed { end + 1 } else { end };
    (Cow::Owned(text), true, closed)
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> (Vec<String>, bool) {
        let mut words = Vec::new();
        let closed = split(line, 0, &mut words);
        (words.iter().map(|w| w.text.to_string()).collect(), closed)
    }

    #[test]
    fn blanks_separate_and_quotes_hold_together() {
        assert_eq!(
            texts("  -A  INPUT\t-j X "),
            (vec!["-A".into(), "INPUT".into(), "-j".into(), "X".into()], true)
        );
        assert_eq!(texts(r#"--comment "a -j ACCEPT" -j X"#).0, ["--comment", "a -j ACCEPT", "-j", "X"]);
        assert_eq!(texts(r#""a\"b\\c\'d""#).0, [r#"a"b\c'd"#]);
        assert_eq!(texts(r#""" x"#).0, ["", "x"]);
    }

    #[test]
    fn a_closing_quote_ends_the_word_and_an_opening_one_does_not() {
        assert_eq!(texts(r#"a"b c"d"#).0, ["ab c", "d"]);
        assert_eq!(texts(r"it's \x").0, ["it's", r"\x"]);
    }

    #[test]
    fn an_open_quote_is_told() {
        assert_eq!(texts(r#"x "a b"#), (vec!["x".into(), "a b".into()], false));
        assert_eq!(texts(r#""a\"#), (vec!["a".into()], false));
    }

    #[test]
    fn spans_cover_the_quotes() {
        let mut words = Vec::new();
        split(r#"-m "ä b" c"#, 100, &mut words);
        assert_eq!(words[1].span, Span::new(103, 109));
        assert_eq!(words[2].span, Span::new(110, 111));
    }
}
