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
    let line = text.line_start(start);
    let next = if file.text.get(..end)?.ends_with('\n') { end } else { text.next_line(end) };
    let before = file.text.get(line..start)?;
    let after = file.text.get(end..next)?.trim();
    let rest = after.strip_prefix(';').unwrap_or(after).trim_start();
    let ends = rest.is_empty() || rest.starts_with(comments);
    let (from, to) = if is_no_rule(before) && ends {
        (line, next)
    } else if after.starts_with(';') {
        let semicolon = end + file.text[end..next].find(';')?;
        let blank = file.text[semicolon + 1..next].chars().take_while(|c| *c == ' ').count();
        (start, semicolon + 1 + blank)
    } else {
        return None;
    };
    let span = Span::new(file.base + from as u32, file.base + to as u32);
    Some(Edit { span, text: String::new() })
}

/// Whether what stands before a rule on its line is only white space, or the counters of a saved rule.
fn is_no_rule(before: &str) -> bool {
    let before = before.trim();
    let counters = before.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    before.is_empty()
        || counters.is_some_and(|numbers| numbers.bytes().all(|byte| byte.is_ascii_digit() || byte == b':'))
}
