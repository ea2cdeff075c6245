//! Where a pf.conf names macros, tables, anchors and tags (pf.conf(5)).

use crate::dialect::mentions::{Mention, Mentions, Thing};

/// The names in a text.
pub(super) fn mentions(text: &str) -> Vec<Mention> {
    let mut found = Mentions::default();
    let pieces = pieces(text);
    for (at, piece) in pieces.iter().enumerate() {
        let word = |at: usize| pieces.get(at).map_or("", |piece| piece.1);
        let before = |back: usize| at.checked_sub(back).map_or("\n", word);
        let name = unquoted(*piece);
        let begins = matches!(before(1), "\n" | "{" | "}") || at == 0;
        match piece.1 {
            "=" if matches!(before(2), "\n" | "{" | "}") => {
                if let Some(name) = pieces.get(at.wrapping_sub(1)) {
                    found.note(Thing::Macro, "", *name, true);
                }
            }
            "$" => {
                if let Some(name) = pieces.get(at + 1) {
                    found.note(Thing::Macro, "", *name, false);
                }
            }
            "<" if word(at + 2) == ">" => {
                if let Some(name) = pieces.get(at + 1) {
                    found.note(Thing::Set, "", *name, before(1) == "table");
                }
            }
            _ => {}
        }
        match before(1) {
            "anchor" | "nat-anchor" | "rdr-anchor" | "binat-anchor" if !begins => {
                // What stands in braces is written here; `load anchor` brings it in.
                let made = before(2) == "load" || opens(&pieces[at + 1..]);
                found.note(Thing::Anchor, "", name, made);
            }
            "tag" => found.note(Thing::Tag, "", name, true),
            "tagged" if piece.1 != "!" => found.note(Thing::Tag, "", name, false),
            _ => {}
        }
    }
    found.done()
}

/// Whether a brace opens before the line ends that is no list of an anchor's conditions.
fn opens(rest: &[(usize, &str)]) -> bool {
    let line: Vec<&str> = rest.iter().map(|piece| piece.1).take_while(|piece| *piece != "\n").collect();
    line.last() == Some(&"{")
}

pub(super) fn unquoted((start, text): (usize, &str)) -> (usize, &str) {
    match text.strip_prefix(['"', '\'']) {
        Some(rest) => (start + 1, rest.trim_end_matches(['"', '\''])),
        None => (start, text),
    }
}

/// Words, quoted texts, signs and ends of lines, without comments; a line may go on behind a backslash.
pub(super) fn pieces(text: &str) -> Vec<(usize, &str)> {
    let mut pieces = Vec::new();
    let mut at = 0;
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/' | '*' | '%');
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let len = match c {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '\\' if rest.starts_with("\\\n") => 2,
            '"' | '\'' => rest[1..].find(c).map_or(rest.len(), |end| end + 2),
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let piece = &rest[..len];
        if piece == "\n" || !(c.is_whitespace() || c == '#' || piece == "\\\n") {
            pieces.push((at, piece));
        }
        at += len;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::mentions::tests::told;

    #[test]
    fn macros_tables_anchors_and_tags() {
        let text = "ext = \"em0\" # ext = no\ntable <bad> persist\nblock in on $ext from <bad>\nanchor \"ftp-proxy/*\"\nanchor \"x\" on $ext {\n pass tag T\n}\nload anchor x from \"/etc/x\"\npass tagged T\n";
        assert_eq!(
            told(&mentions(text)),
            "+macro ext, +set bad, macro ext, set bad, anchor ftp-proxy/*, +anchor x, macro ext, +tag T, +anchor x, tag T"
        );
    }

    #[test]
    fn texts_that_are_broken_come_to_an_end() {
        for text in ["\"", "=", "$", "<", "<a", "anchor", "tag", "é = 1", "\\", "table <", "= = ="] {
            mentions(text);
        }
    }
}
