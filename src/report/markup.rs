//! Text from configs in Markdown and HTML: it is shown as it is, and nothing in it is markup.

use super::clean;

/// Text for Markdown, on one line, also within a table.
pub(crate) fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '@' | '~' | '!' => {
                out.push('\\');
                out.push(c);
            }
            '\t' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Text for Markdown as code within a line, which nothing in it ends.
pub(crate) fn code(text: &str) -> String {
    let text = clean(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let (ticks, blank) = ("`".repeat(longest + 1), if text.contains('`') { " " } else { "" });
    format!("{ticks}{blank}{text}{blank}{ticks}")
}

/// A fence for a block of Markdown that none of its lines closes.
pub(crate) fn fence(lines: &[String]) -> String {
    let longest = lines.iter().flat_map(|line| line.split(|c| c != '`').map(str::len)).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

/// Text for HTML and SVG, also within the value of an attribute.
pub(crate) fn html(text: &str) -> String {
    clean(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
