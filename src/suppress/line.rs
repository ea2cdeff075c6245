//! Where in a line of a config its comment is, and how far a statement goes.

use crate::dialect::{Block, Language};

/// What a place in a line is part of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    /// A comment, which begins with its sign at this byte of the line.
    Comment(usize),
    /// The comment of a rule in quotes, up to this byte of the line.
    Quoted(usize),
    /// Words that are a line of their own, such as a remark.
    Remark,
    /// Anything else.
    Code,
}

/// One line, taken apart.
pub(super) struct Line<'t> {
    text: &'t str,
    /// Where the comment begins; the end where there is none.
    pub code_end: usize,
    /// Braces that open on it and do not close, or the reverse.
    depth: i32,
    /// Texts in quotes: from behind the first to the last one.
    quotes: Vec<(usize, usize)>,
    language: &'static Language,
}

impl<'t> Line<'t> {
    /// Takes a line apart.
    pub(super) fn new(text: &'t str, language: &'static Language) -> Line<'t> {
        let mut line = Line { text, code_end: text.len(), depth: 0, quotes: Vec::new(), language };
        let whole = language.block == Block::Indent;
        let mut open: Option<(u8, usize)> = None;
        let mut escaped = false;
        for (at, byte) in text.bytes().enumerate() {
            if std::mem::take(&mut escaped) {
                continue;
            }
            match (open, byte) {
                (_, b'\\') => escaped = true,
                (Some((quote, from)), _) if quote == byte => {
                    line.quotes.push((from, at));
                    open = None;
                }
                (Some(_), _) => {}
                (None, b'"' | b'\'') if !whole => open = Some((byte, at + 1)),
                (None, b'{') => line.depth += 1,
                (None, b'}') => line.depth -= 1,
                (None, _) if line.begins_comment(at, byte, whole) => {
                    line.code_end = at;
                    break;
                }
                (None, _) => {}
            }
        }
        line.quotes.extend(open.map(|(_, from)| (from, text.len())));
        line
    }

    fn begins_comment(&self, at: usize, byte: u8, whole: bool) -> bool {
        self.language.comments.contains(&char::from(byte)) && (!whole || self.text[..at].trim().is_empty())
    }

    /// What a byte of the line is part of.
    pub(super) fn part(&self, at: usize) -> Part {
        if at >= self.code_end {
            return Part::Comment(self.code_end);
        }
        let mut words = self.text[..at].split_whitespace();
        if self.language.block == Block::Indent {
            return match words.any(|word| self.language.remarks.contains(&word)) {
                true => Part::Remark,
                false => Part::Code,
            };
        }
        let Some((from, to)) = self.quotes.iter().find(|(from, to)| (*from..*to).contains(&at)) else {
            return Part::Code;
        };
        let before = self.text[..from - 1].split_whitespace().next_back();
        match before.is_some_and(|word| self.language.remarks.contains(&word)) {
            true => Part::Quoted(*to),
            false => Part::Code,
        }
    }

    /// Whether nothing but a comment or a remark stands on it.
    pub(super) fn says_nothing(&self) -> bool {
        let code = self.text[..self.code_end].trim();
        let is_remark = |word| self.language.remarks.contains(&word);
        code.is_empty()
            || self.language.block == Block::Indent && code.split_whitespace().take(5).any(is_remark)
    }

    fn goes_on(&self) -> bool {
        self.text.trim_end().ends_with('\\')
    }

    fn is_indented(&self) -> bool {
        self.text.starts_with(' ')
    }
}

/// Which lines, counted from 0, are of the statement that begins on line `first`: those that it is continued on, and
/// those of the block that it opens. The end is not one of them.
pub(super) fn statement<'t>(
    first: usize,
    line: impl Fn(usize) -> Option<&'t str>,
    language: &'static Language,
) -> std::ops::Range<usize> {
    let mut end = first;
    let mut depth = 0;
    while let Some(text) = line(end) {
        let text = Line::new(text, language);
        if language.block == Block::Indent && end > first && !text.is_indented() {
            break;
        }
        end += 1;
        depth += text.depth;
        let goes_on = match language.block {
            Block::Indent => true,
            Block::Braces => depth > 0 || text.goes_on(),
        };
        if !goes_on {
            break;
        }
    }
    first..end.max(first + 1)
}
