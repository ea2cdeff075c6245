//! Files and places as editors name them: URIs, and lines and columns from 0.

use std::path::{Path, PathBuf};

use gen_lsp_types::{Position, Range, Uri};

use crate::source::{SourceFile, SourceMap, Span};

/// What columns count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Encoding {
    /// Units of UTF-16, as all editors can.
    #[default]
    Utf16,
    /// Bytes.
    Utf8,
}

impl Encoding {
    fn len(self, c: char) -> usize {
        match self {
            Encoding::Utf16 => c.len_utf16(),
            Encoding::Utf8 => c.len_utf8(),
        }
    }

    /// The place of an offset of the address space.
    pub(super) fn position(self, file: &SourceFile, offset: u32) -> Position {
        let starts = file.line_starts();
        let local = offset.saturating_sub(file.base).min(file.text.len() as u32);
        let line = starts.partition_point(|start| *start <= local).saturating_sub(1);
        let before = file.text.get(starts[line] as usize..local as usize).unwrap_or("");
        let column: usize = before.chars().map(|c| self.len(c)).sum();
        Position::new(line as u32, column as u32)
    }

    /// The place of a span.
    pub(super) fn range(self, file: &SourceFile, span: Span) -> Range {
        Range::new(self.position(file, span.start), self.position(file, span.end))
    }

    /// The byte of a place in a text. What lies beyond the end of a line is its end, and what lies beyond the last line
    /// is the end of the text.
    pub(super) fn offset(self, text: &str, place: Position) -> usize {
        let mut start = 0;
        for _ in 0..place.line {
            match text[start..].find('\n') {
                Some(end) => start += end + 1,
                None => return text.len(),
            }
        }
        let line = text[start..].split('\n').next().unwrap_or("").trim_end_matches('\r');
        let mut left = place.character as usize;
        for (at, c) in line.char_indices() {
            if left == 0 {
                return start + at;
            }
            left = left.saturating_sub(self.len(c));
        }
        start + line.len()
    }
}

/// The file that a URI names; what is on no disk keeps its URI as a name.
pub(super) fn path(uri: &str) -> PathBuf {
    let Some(rest) = uri.strip_prefix("file://") else { return PathBuf::from(uri) };
    let path = rest.find('/').map_or("", |at| &rest[at..]);
    let path = decoded(path);
    // `/C:/x` is `C:/x`.
    let drive = path.as_bytes().get(1..3).is_some_and(|two| two[0].is_ascii_alphabetic() && two[1] == b':');
    PathBuf::from(if cfg!(windows) && drive { &path[1..] } else { &path })
}

fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let digits = more.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                out.push(byte);
                rest = &more[2..];
            }
            None => {
                out.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The URI of a file.
pub(super) fn uri(path: &Path) -> Uri {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut out = String::from("file://");
    let text = path.to_string_lossy().replace('\\', "/");
    if !text.starts_with('/') {
        out.push('/');
    }
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                out.push(byte.into())
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    Uri(out)
}

/// The one form of a path.
pub(super) fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

/// The file of a span with its place.
pub(super) fn placed(sources: &SourceMap, encoding: Encoding, span: Span) -> Option<(&SourceFile, Range)> {
    let file = sources.file_of(span)?;
    Some((file, encoding.range(file, span)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_what_was_agreed_upon() {
        let text = "a\nx€𝄞y\r\nend";
        let mut sources = SourceMap::new();
        let id = sources.add("f", text.as_bytes().to_vec()).unwrap();
        let file = sources.file(id);
        for (encoding, column) in [(Encoding::Utf16, 4), (Encoding::Utf8, 8)] {
            let at = text.find('y').unwrap();
            let place = Position::new(1, column);
            assert_eq!(encoding.position(file, at as u32), place);
            assert_eq!(encoding.offset(text, place), at);
            assert_eq!(encoding.offset(text, Position::new(1, 999)), text.find('\r').unwrap());
            assert_eq!(encoding.offset(text, Position::new(u32::MAX, u32::MAX)), text.len());
        }
        // The middle of a character is its end.
        assert_eq!(Encoding::Utf16.offset(text, Position::new(1, 3)), text.find('y').unwrap());
    }

    #[test]
    fn uris_and_paths() {
        assert_eq!(path("file:///etc/pf%20a%C3%A4.conf"), Path::new("/etc/pf aä.conf"));
        assert_eq!(path("file://host/x"), Path::new("/x"));
        assert_eq!(path("untitled:Untitled-1"), Path::new("untitled:Untitled-1"));
        assert_eq!(path("file:///a%zz%4"), Path::new("/a%zz%4"));
        let there = Path::new("/tmp/a b/ä%.rules");
        assert_eq!(uri(there).0, "file:///tmp/a%20b/%C3%A4%25.rules");
        assert_eq!(path(&uri(there).0), there);
    }
}
