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
    let own = before.rfind([';', '{', '}']).map_or(0, |at| at + 1);
    if !is_of_rule(&before[own..]) || is_joined(file.text.get(..line)?, comments) {
        return None;
    }
    let after = file.text.get(end..next)?.trim();
    let rest = after.strip_prefix(';').unwrap_or(after).trim_start();
    let is_last = rest.is_empty() || rest.starts_with(comments);
    let blanks = |text: &str| text.chars().take_while(|c| *c == ' ').count();
    let (from, to) = if is_last && own == 0 {
        (line, next)
    } else if is_last && before[..own].ends_with(';') {
        (line + own - 1, end)
    } else if after.starts_with(';') {
        let semicolon = end + file.text[end..next].find(';')?;
        (line + own + blanks(&before[own..]), semicolon + 1 + blanks(&file.text[semicolon + 1..next]))
    } else {
        return None;
    };
    let span = Span::new(file.base + from as u32, file.base + to as u32);
    Some(Edit { span, text: String::new() })
}

/// Whether what stands before a rule is only white space, the counters of a saved rule (`[3:180]`), or the command of
/// nftables that adds it.
fn is_of_rule(before: &str) -> bool {
    let before = before.trim();
    let counters = before.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let mut words = before.split_whitespace();
    before.is_empty()
        || counters.is_some_and(|numbers| numbers.bytes().all(|byte| byte.is_ascii_digit() || byte == b':'))
        || matches!((words.next(), words.next()), (Some("add" | "insert"), Some("rule")))
}

/// Whether the line behind some text goes on with what the text ends with.
fn is_joined(text: &str, comments: &[char]) -> bool {
    let lines = text.lines().rev().map(str::trim);
    let last = lines.filter(|line| !line.starts_with(comments)).find(|line| !line.is_empty());
    last.is_some_and(|line| line.ends_with(['\\', '|']) || line.ends_with("&&"))
}
