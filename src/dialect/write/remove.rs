//! Taking rules out of files: the whole line where a rule stands alone on it, else the rule alone.

use super::Text;
use crate::finding::Edit;
use crate::source::{SourceMap, Span};

/// What is left of a file's lines when a rule goes; `None` where it is not certain what belongs to the rule.
/// `comments` are the characters with which comments begin.
pub fn removal(map: &SourceMap, rule: Span, comments: &[char]) -> Option<Edit> {
    let file = map.file_of(rule).filter(|_| rule.start < rule.end)?;
    let text = Text::of(map, rule)?;
    let (start, end) = (text.local(rule.start), text.local(rule.end));
    let (line, own) = (text.line_start(start), text.statement(start)?);
    let next = if file.text.get(..end)?.ends_with('\n') { end } else { text.next_line(end) };
    let after = file.text.get(end..next)?.trim();
    let rest = after.strip_prefix(';').unwrap_or(after).trim_start();
    let is_last = rest.is_empty() || rest.starts_with(comments);
    let blanks = |from: usize| text.text[from..next].chars().take_while(|c| *c == ' ').count();
    let (from, to) = if is_last && own == line {
        (line, next)
    } else if is_last && file.text.get(..own)?.ends_with(';') {
        (own - 1, end)
    } else if after.starts_with(';') {
        let semicolon = end + file.text[end..next].find(';')?;
        (own + blanks(own), semicolon + 1 + blanks(semicolon + 1))
    } else {
        return None;
    };
    let span = Span::new(file.base + from as u32, file.base + to as u32);
    Some(Edit { span, text: String::new() })
}
