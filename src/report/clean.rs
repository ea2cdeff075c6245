//! Text from configs, file names and site files is data: nothing in it may move the cursor, change colours,
//! or turn the direction of writing.
//!
//! [`clean`] makes such a text fit to be shown; [`json`] escapes it. [`Screen`] stands before standard output
//! and standard error, so that nothing gets past that was forgotten.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

/// Characters that turn the direction of writing or break lines unseen.
fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Characters that nobody sees, and that make equal what is not.
fn hides(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// Characters that a terminal obeys or a reader is deceived by. Line ends and tabs are none.
fn is_foul(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t') || turns(c) || hides(c)
}

/// Where the first of them is.
fn foul(text: &str) -> Option<usize> {
    let is_odd = |byte: &u8| !matches!(byte, b' '..=b'~' | b'\n' | b'\t');
    // Most of a text is plain, and without a way out of the loop many bytes are looked at in one step.
    let plain = |part: &&[u8]| !part.iter().fold(false, |odd, byte| odd | is_odd(byte));
    let from = text.as_bytes().chunks(64).take_while(plain).map(<[u8]>::len).sum::<usize>();
    let odd = from + text.as_bytes()[from..].iter().position(is_odd)?;
    text[odd..].find(is_foul).map(|at| odd + at)
}

/// Text from a config made fit for a terminal, byte for byte: control characters, which could move the
/// cursor or colour the rest, become `?`, and those that turn the direction of writing become `�`.
pub(crate) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push(c),
            // Two bytes each, as all that the excerpts count stays in place.
            '\u{61c}' | '\u{80}'..='\u{9f}' => out.push_str("??"),
            c if c.is_control() => out.push('?'),
            c if turns(c) || hides(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Where a link starts and what it leads to: `ESC ] 8 ; ; URI ESC \\`. An empty one ends it.
const LINK: &str = "\u{1b}]8;;";
const LINK_END: &str = "\u{1b}\\";
/// Longer links are not made.
const LONGEST_LINK: usize = 2000;

/// A text as a link to a file, as terminals take it; `None` where the file has no name that a link can have.
pub(super) fn link(file: &Path, text: &str) -> Option<String> {
    let path = file.canonicalize().ok()?;
    let mut uri = String::from("file://");
    for byte in path.to_str()?.bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'~' => uri.push(byte.into()),
            _ if byte.is_ascii_alphanumeric() => uri.push(byte.into()),
            _ => uri += &format!("%{byte:02X}"),
        }
    }
    (uri.len() <= LONGEST_LINK).then(|| format!("{LINK}{uri}{LINK_END}{text}{LINK}{LINK_END}"))
}

/// The length of the start or the end of a link at the start of a text.
fn linking(text: &str) -> usize {
    let Some(rest) = text.strip_prefix(LINK) else { return 0 };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '~' | '%' | ':');
    let uri = rest.len() - rest.trim_start_matches(fits).len();
    if uri > 0 && !rest.starts_with("file://") {
        return 0;
    }
    if rest[uri..].starts_with(LINK_END) { LINK.len() + uri + LINK_END.len() } else { 0 }
}

/// Writes JSON in which all that a terminal would obey is escaped.
pub(crate) fn json(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(out, Escaping(CompactFormatter)))?;
    Ok(())
}

/// A text as a JSON string, likewise.
pub(crate) fn json_text(text: &str) -> String {
    let mut out = Vec::new();
    match json(&text, &mut out) {
        Ok(()) => String::from_utf8(out).unwrap_or_default(),
        // Nothing keeps a text from being written to memory.
        Err(_) => "\"\"".to_string(),
    }
}

struct Escaping(CompactFormatter);

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = foul(rest) {
            self.0.write_string_fragment(out, &rest[..at])?;
            let Some(c) = rest[at..].chars().next() else { break };
            write!(out, "\\u{:04x}", u32::from(c))?;
            rest = &rest[at + c.len_utf8()..];
        }
        self.0.write_string_fragment(out, rest)
    }
}

/// A stream that people read: what [`clean`] or [`json`] should have taken away is `?` at the latest here.
/// Sequences that colour text and those of links to files pass where colours are on, as reports have them of their own.
pub(crate) struct Screen<W> {
    out: W,
    color: bool,
    /// The beginning of a character that was not written whole.
    begun: Vec<u8>,
}

impl<W: Write> Screen<W> {
    /// A screen before a stream.
    pub(crate) fn new(out: W, color: bool) -> Self {
        Screen { out, color, begun: Vec::new() }
    }

    fn put(&mut self, text: &str) -> io::Result<()> {
        let mut rest = text;
        while let Some(at) = foul(rest) {
            self.out.write_all(&rest.as_bytes()[..at])?;
            let coloring = if self.color { coloring(&rest[at..]).max(linking(&rest[at..])) } else { 0 };
            // The end of a line, as some files have it: a diff of theirs is none without.
            let coloring = if rest[at..].starts_with("\r\n") { 2 } else { coloring };
            if coloring > 0 {
                self.out.write_all(&rest.as_bytes()[at..at + coloring])?;
                rest = &rest[at + coloring..];
            } else {
                self.out.write_all(b"?")?;
                rest = &rest[at + rest[at..].chars().next().map_or(1, char::len_utf8)..];
            }
        }
        self.out.write_all(rest.as_bytes())
    }
}

/// The length of a sequence at the start of a text that sets colours: `ESC [ 1 ; 31 m`.
fn coloring(text: &str) -> usize {
    let Some(rest) = text.strip_prefix("\u{1b}[") else { return 0 };
    let numbers = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').len();
    if rest[numbers..].starts_with('m') { 2 + numbers + 1 } else { 0 }
}

/// Where the last escape sequence or character of a text begins, if it is not whole.
fn cut(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(16);
    let link = bytes.len().saturating_sub(LINK.len() + LONGEST_LINK + LINK_END.len());
    let opened = bytes[link..].windows(LINK.len()).rposition(|some| some == LINK.as_bytes());
    let opened = opened.map(|at| link + at).filter(|at| {
        !bytes[at + LINK.len()..].windows(LINK_END.len()).any(|some| some == LINK_END.as_bytes())
    });
    let begun = bytes[tail..].iter().rposition(|byte| *byte == 0x1b).map(|at| tail + at);
    let begun =
        begun.filter(|at| !bytes[*at..].contains(&b'm') && !bytes[*at..].starts_with(LINK_END.as_bytes()));
    opened.or(begun).unwrap_or(bytes.len())
}

impl<W: Write> Write for Screen<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = std::mem::take(&mut self.begun);
        all.extend_from_slice(bytes);
        let mut end = if self.color { cut(&all) } else { all.len() };
        match std::str::from_utf8(&all[..end]) {
            Ok(text) => self.put(text)?,
            Err(error) if error.error_len().is_none() => {
                end = error.valid_up_to();
                self.put(&String::from_utf8_lossy(&all[..end]))?;
            }
            Err(_) => self.put(&String::from_utf8_lossy(&all[..end]))?,
        }
        self.begun = all.split_off(end);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.begun);
        self.put(&String::from_utf8_lossy(&rest))?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a screen shows of a text that is written in pieces of a size.
    fn shown(text: &str, color: bool, piece: usize) -> String {
        let mut out = Vec::new();
        let mut screen = Screen::new(&mut out, color);
        text.as_bytes().chunks(piece).for_each(|piece| screen.write_all(piece).unwrap());
        screen.flush().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn nothing_that_a_terminal_obeys_gets_past_a_screen() {
        let text = "a\u{1b}[31mb\u{1b}]0;x\u{7}c\u{9b}2Jd\u{202e}e\u{7f}f\tg\nä\r";
        for piece in 1..text.len() {
            assert_eq!(shown(text, false, piece), "a?[31mb?]0;x?c?2Jd?e?f\tg\nä?");
            assert_eq!(shown(text, true, piece), "a\u{1b}[31mb?]0;x?c?2Jd?e?f\tg\nä?");
        }
    }

    #[test]
    fn links_to_files_get_past_a_screen_with_colours() {
        let folder = std::env::temp_dir().join(format!("pinhole links\u{1b}{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let link = link(&folder, "here").unwrap();
        std::fs::remove_dir(&folder).unwrap();
        assert!(link.starts_with("\u{1b}]8;;file:///") && link.contains("pinhole%20links%1B"), "{link:?}");
        let text = format!("a {link} b\u{1b}]8;;x y\u{1b}\\ \u{1b}]8;;https://x\u{1b}\\");
        for piece in 1..text.len() {
            let told = format!("a {link} b?]8;;x y?\\ ?]8;;https://x?\\");
            assert_eq!(shown(&text, true, piece), told, "{piece}");
        }
        assert!(!shown(&text, false, 7).contains('\u{1b}'));
    }

    #[test]
    fn json_escapes_what_turns_or_controls() {
        let mut out = Vec::new();
        json(&"\u{1b}[m \u{9b} \u{202e}\u{61c} \"ä\" \u{7f}", &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "\"\\u001b[m \\u009b \\u202e\\u061c \\\"ä\\\" \\u007f\"");
        assert_eq!(
            serde_json::from_str::<String>(&text).unwrap(),
            "\u{1b}[m \u{9b} \u{202e}\u{61c} \"ä\" \u{7f}"
        );
    }

    #[test]
    fn cleaning_keeps_the_number_of_bytes() {
        let text = "a\u{1b}\u{85}\u{2028}\u{61c}\u{2066}\u{200b}\u{feff}\t€";
        assert_eq!(clean(text).len(), text.len());
        assert!(!clean(text).contains(is_foul));
    }
}
