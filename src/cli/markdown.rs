//! Markdown for a terminal: headings, bold, code.

/// The text with its marks made visible; without colours the text stays as it is.
pub(super) fn render(text: &str, color: bool) -> String {
    if !color {
        return text.to_string();
    }
    let mut out = String::with_capacity(text.len() + 256);
    let mut fenced = false;
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
            out += &format!("\u{1b}[2m{line}\u{1b}[0m\n");
        } else if fenced {
            out += &format!("\u{1b}[36m{line}\u{1b}[0m\n");
        } else if line.starts_with('#') {
            out += &format!("\u{1b}[1;4m{}\u{1b}[0m\n", line.trim_start_matches('#').trim());
        } else {
            out += &inline(line);
            out.push('\n');
        }
    }
    out
}

/// `**bold**` and `` `code` `` within one line; a mark without its partner stays.
fn inline(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(['`', '*']) {
        let (mark, style) = if rest[at..].starts_with('`') { ("`", "36") } else { ("**", "1") };
        let inner = rest[at..].strip_prefix(mark).and_then(|tail| Some((tail, tail.find(mark)?)));
        match inner {
            Some((tail, end)) if end > 0 => {
                out += &format!("{}\u{1b}[{style}m{}\u{1b}[0m", &rest[..at], &tail[..end]);
                rest = &tail[end + mark.len()..];
            }
            _ => {
                out += &rest[..=at];
                rest = &rest[at + 1..];
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_styles() {
        let text = "# Title\n\nuse `a * b` and **both** 2 * 3 `open\n```toml\nx = `1`\n```\n";
        insta::assert_snapshot!(render(text, true).replace('\u{1b}', "^"), @r"
        ^[1;4mTitle^[0m

        use ^[36ma * b^[0m and ^[1mboth^[0m 2 * 3 `open
        ^[2m```toml^[0m
        ^[36mx = `1`^[0m
        ^[2m```^[0m
        ");
        assert_eq!(render(text, false), text);
    }
}
