//! Taking definitions out of files: a line, a block in braces, or a line with those indented under it.

use super::Text;
use crate::dialect::Block;
use crate::finding::Edit;
use crate::source::{SourceMap, Span};

/// What takes the definition out that a name stands in; `None` where something else shares its lines.
pub fn definition(map: &SourceMap, name: Span, block: Block) -> Option<Edit> {
    let text = Text::of(map, name)?;
    let at = text.local(name.start);
    let start = text.line_start(at);
    let before = text.text.get(start..at)?;
    if before.contains([';', '{', '}']) || text.is_joined(start) {
        return None;
    }
    let end = match block {
        Block::Braces => end_of_braces(text, at)?,
        Block::Indent => end_of_indented(text, at),
    };
    // Of two blank lines around it one stays.
    let blank = |from: usize| text.line(from).trim().is_empty();
    let first = start == 0 || blank(text.line_start(start - 1)) || text.line(start - 1).ends_with('{');
    let end = if first && end < text.text.len() && blank(end) { text.next_line(end) } else { end };
    let base = map.file_of(name)?.base;
    Some(Edit { span: Span::new(base + start as u32, base + end as u32), text: String::new() })
}

/// Behind the block that begins on the line of an offset, or behind the line and those that it goes on to.
fn end_of_braces(text: Text<'_>, at: usize) -> Option<usize> {
    let (mut depth, mut quoted, mut comment, mut closed) = (0_usize, false, false, false);
    for (offset, byte) in text.text.bytes().enumerate().skip(at) {
        match byte {
            b'\n' if depth == 0 && !text.text[..offset].trim_end_matches('\r').ends_with('\\') => {
                return Some(offset + 1);
            }
            b'\n' => comment = false,
            _ if comment => {}
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'#' => comment = true,
            b'{' => depth += 1,
            b'}' => {
                depth = depth.checked_sub(1)?;
                closed = depth == 0;
            }
            b';' | b' ' | b'\t' | b'\r' => {}
            // Something else stands behind the block.
            _ if closed && depth == 0 => return None,
            _ => {}
        }
    }
    (depth == 0).then_some(text.text.len())
}

/// Behind the lines that are indented more than that of an offset.
fn end_of_indented(text: Text<'_>, at: usize) -> usize {
    let own = text.indent(at).len();
    let mut end = text.next_line(at);
    while end < text.text.len() && !text.line(end).trim().is_empty() && text.indent(end).len() > own {
        end = text.next_line(end);
    }
    end
}
