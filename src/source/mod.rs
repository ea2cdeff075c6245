//! Files, byte spans and line numbers.
//!
//! All files of one run lie in one address space: a [`Span`] is a pair of `u32` offsets that also
//! tells the file, so that rules carry eight bytes and no name.

mod named;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::fence;

pub use named::Refusal;

/// A half-open range of bytes `[start, end)` in the address space of a [`SourceMap`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The span from `start` to `end`, both offsets in the source map's address space.
    pub fn new(start: u32, end: u32) -> Self {
        Self { start, end: end.max(start) }
    }

    /// The smallest span that holds both.
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// Names one file of a [`SourceMap`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SourceId(u32);

/// One file: its name as the user gave it, and its text.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// The path as it is shown to the user; `<stdin>` for standard input.
    pub path: PathBuf,
    /// The text. Bytes that are not UTF-8 stand here as `?`, byte for byte, and are listed in
    /// [`SourceFile::damage`], so that offsets stay those of the file.
    pub text: String,
    /// Offset of the first byte in the map's address space.
    pub base: u32,
    /// Where the file held NUL bytes or bytes that are not UTF-8: neighbouring ones are one span.
    pub damage: Vec<Span>,
    line_starts: Vec<u32>,
    /// How many characters start before each block of [`BLOCK`] bytes; empty where all are ASCII.
    chars_before: Vec<u32>,
}

/// How much is read of what is no regular file, in bytes.
const LARGEST_STREAM: u64 = 64 << 20;

/// Bytes between two counts of characters: a place in a line of any length costs no more than a block.
const BLOCK: usize = 4096;

/// A place for people: line and column count from 1, columns count characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl SourceFile {
    /// The span of the whole file.
    pub fn span(&self) -> Span {
        Span::new(self.base, self.base + self.text.len() as u32)
    }

    /// The line and column of an offset of the map's address space.
    pub fn place(&self, offset: u32) -> Place {
        let local = offset.saturating_sub(self.base).min(self.text.len() as u32);
        let line = self.line_starts.partition_point(|start| *start <= local) - 1;
        let mut at = local as usize;
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        let column = self.chars_until(at) - self.chars_until(self.line_starts[line] as usize);
        Place { line: line as u32 + 1, column: column + 1 }
    }

    /// How many characters start before a character boundary.
    fn chars_until(&self, at: usize) -> u32 {
        let starts = |bytes: &[u8]| bytes.iter().filter(|byte| is_char_start(**byte)).count() as u32;
        match self.chars_before.get(at / BLOCK) {
            None => at as u32,
            Some(before) => before + starts(&self.text.as_bytes()[at / BLOCK * BLOCK..at]),
        }
    }

    /// The span of line `line` (from 1), without its line end; the last line where there are fewer.
    pub fn line_span(&self, line: u32) -> Span {
        let index = (line.max(1) as usize - 1).min(self.line_starts.len() - 1);
        let start = self.line_starts[index] as usize;
        let end = self.line_starts.get(index + 1).map_or(self.text.len(), |next| *next as usize);
        let shown = self.text[start..end].trim_end_matches(['\n', '\r']).len();
        Span::new(self.base + start as u32, self.base + (start + shown) as u32)
    }

    /// Where each line starts, as offsets into the text.
    pub fn line_starts(&self) -> &[u32] {
        &self.line_starts
    }
}

/// Why a file could not be taken in.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The operating system could not read it.
    #[error("cannot read `{}`: {error}", .path.display())]
    Read {
        /// The path as given.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// All files of a run share 32-bit offsets.
    #[error("`{}` is too large: all files of one run together may hold at most 4 GiB", .0.display())]
    TooLarge(PathBuf),
    /// What is no regular file may have no end.
    #[error("`{}` is no regular file, and gives more than 64 MiB", .0.display())]
    Endless(PathBuf),
}

/// All files of one run. A copy shares their texts.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    files: Vec<Arc<SourceFile>>,
    /// The tree that stands for `/` where configs name files.
    root: Option<PathBuf>,
    /// Files that configs name, by real path and by the folder that they may name files of.
    named: FxHashMap<(PathBuf, PathBuf), SourceId>,
    /// Which files a file names.
    names: FxHashMap<SourceId, Vec<SourceId>>,
    /// The folder of the config that brought a named file in.
    homes: FxHashMap<SourceId, PathBuf>,
    /// Texts that stand for files, by real path.
    held: Arc<FxHashMap<PathBuf, String>>,
}

impl SourceMap {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a file from disk; `shown` is the path that reports name.
    pub fn read(&mut self, path: &Path, shown: &Path) -> Result<SourceId, SourceError> {
        let bytes = self.bytes(path, shown)?;
        self.add(shown, bytes)
    }

    /// A map in which texts stand for files, whatever is on the disk: what an editor has and did not save yet.
    #[cfg(feature = "lsp")]
    pub(crate) fn holding(texts: impl IntoIterator<Item = (PathBuf, String)>) -> SourceMap {
        let held = texts.into_iter().map(|(path, text)| (real(&path), text)).collect();
        SourceMap { held: Arc::new(held), ..SourceMap::default() }
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(crate) fn bytes(&self, path: &Path, shown: &Path) -> Result<Vec<u8>, SourceError> {
        match self.held(path) {
            Some(text) => Ok(text.as_bytes().to_vec()),
            None => bytes_of(path, shown),
        }
    }

    fn held(&self, path: &Path) -> Option<&String> {
        if self.held.is_empty() { None } else { self.held.get(&real(path)) }
    }

    /// Takes in bytes under a name.
    pub fn add(&mut self, path: impl Into<PathBuf>, bytes: Vec<u8>) -> Result<SourceId, SourceError> {
        let path = path.into();
        let base = self.files.last().map_or(0, |file| u64::from(file.span().end) + 1);
        // One byte between files keeps the empty span at a file's end apart from the next file.
        if base + bytes.len() as u64 + 1 >= u64::from(u32::MAX) {
            return Err(SourceError::TooLarge(path));
        }
        let base = base as u32;
        let (text, damage) = sanitize(bytes, base);
        let line_starts = std::iter::once(0)
            .chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i as u32 + 1))
            .collect();
        let id = SourceId(self.files.len() as u32);
        let chars_before = count_chars(&text);
        self.files.push(Arc::new(SourceFile { path, text, base, damage, line_starts, chars_before }));
        Ok(id)
    }

    /// A copy with other texts for some files, under the same ids. Files that are not `wanted` are empty in it,
    /// but for those that configs name.
    ///
    /// # Errors
    /// Where the files do not fit into one address space any more.
    pub fn with_texts(
        &self,
        wanted: &[SourceId],
        texts: &FxHashMap<SourceId, String>,
    ) -> Result<SourceMap, SourceError> {
        let mut copy = SourceMap {
            files: Vec::new(),
            root: self.root.clone(),
            named: self.named.clone(),
            names: self.names.clone(),
            homes: self.homes.clone(),
            held: self.held.clone(),
        };
        for (id, file) in self.files() {
            let text = match texts.get(&id) {
                Some(text) => text.as_str(),
                None if wanted.contains(&id) || self.homes.contains_key(&id) => &file.text,
                None => "",
            };
            copy.add(&file.path, text.as_bytes().to_vec())?;
        }
        Ok(copy)
    }

    /// How many files there are.
    pub fn count(&self) -> usize {
        self.files.len()
    }

    /// The file that an offset lies in, by its id.
    pub fn id_at(&self, offset: u32) -> Option<SourceId> {
        let index = self.files.partition_point(|file| file.base <= offset).checked_sub(1)?;
        (offset <= self.files[index].span().end).then_some(SourceId(index as u32))
    }

    /// The file of an id of this map.
    pub fn file(&self, id: SourceId) -> &SourceFile {
        &self.files[id.0 as usize]
    }

    /// All files, in the order in which they were added.
    pub fn files(&self) -> impl Iterator<Item = (SourceId, &SourceFile)> {
        self.files.iter().enumerate().map(|(i, file)| (SourceId(i as u32), &**file))
    }

    /// The file that a span lies in.
    pub fn file_of(&self, span: Span) -> Option<&SourceFile> {
        let index = self.files.partition_point(|file| file.base <= span.start);
        index.checked_sub(1).map(|index| &*self.files[index])
    }

    /// The text under a span; empty where the span is of no file.
    pub fn text(&self, span: Span) -> &str {
        self.file_of(span)
            .and_then(|file| {
                file.text.get((span.start - file.base) as usize..(span.end - file.base) as usize)
            })
            .unwrap_or("")
    }
}

/// The one form of a path: the real one, or where there is no file, the absolute one.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_path_buf())
}

/// Opens a file that the user names. One who opens a named pipe waits for a writer, perhaps without end, so that
/// is refused. The pipes that a shell gives, `/dev/stdin` and `<(…)`, have one.
///
/// # Errors
/// Where the operating system cannot open it, and for a named pipe.
pub fn open(path: &Path) -> io::Result<File> {
    if is_named_pipe(path) {
        let why = "it is a named pipe; what a program writes is read from `-`, standard input";
        return Err(io::Error::new(io::ErrorKind::Unsupported, why));
    }
    fence::pass(path)?;
    File::open(path)
}

#[cfg(unix)]
fn is_named_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let is_pipe = path.metadata().is_ok_and(|meta| meta.file_type().is_fifo());
    // A link to an open pipe leads to no path.
    is_pipe && path.canonicalize().is_ok() && !["/dev", "/proc"].iter().any(|system| path.starts_with(system))
}

#[cfg(not(unix))]
fn is_named_pipe(_: &Path) -> bool {
    false
}

/// The bytes of a file. Pipes may be read too, as a shell gives them for `<(…)`, but not without end.
fn bytes_of(path: &Path, shown: &Path) -> Result<Vec<u8>, SourceError> {
    let failed = |error| SourceError::Read { path: shown.to_path_buf(), error };
    let file = open(path).map_err(failed)?;
    if file.metadata().is_ok_and(|meta| meta.is_file() && meta.len() > 0) {
        let mut bytes = Vec::new();
        (&file).read_to_end(&mut bytes).map_err(failed)?;
        return Ok(bytes);
    }
    bytes_of_stream(file, shown)
}

/// The text of a file that a site file or the command line names: not one without end, nor one that waits for a writer.
///
/// # Errors
/// Where it cannot be read, and where it is no UTF-8 or larger than 64 MiB.
pub fn text_of(path: &Path) -> io::Result<String> {
    let bytes = bytes_of_stream(open(path)?, path).map_err(|error| match error {
        SourceError::Read { error, .. } => error,
        error => io::Error::new(io::ErrorKind::FileTooLarge, error.to_string()),
    })?;
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The bytes of a stream, which has to end within 64 MiB.
pub fn bytes_of_stream(stream: impl Read, shown: &Path) -> Result<Vec<u8>, SourceError> {
    let mut bytes = Vec::new();
    stream
        .take(LARGEST_STREAM + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| SourceError::Read { path: shown.to_path_buf(), error })?;
    match bytes.len() as u64 <= LARGEST_STREAM {
        true => Ok(bytes),
        false => Err(SourceError::Endless(shown.to_path_buf())),
    }
}

fn is_char_start(byte: u8) -> bool {
    byte & 0xc0 != 0x80
}

/// For each block the number of characters that start before it; nothing where all are ASCII.
fn count_chars(text: &str) -> Vec<u32> {
    if text.is_ascii() {
        return Vec::new();
    }
    let mut count = 0;
    let mut before = Vec::with_capacity(text.len() / BLOCK + 1);
    for block in text.as_bytes().chunks(BLOCK) {
        before.push(count);
        count += block.iter().filter(|byte| is_char_start(**byte)).count() as u32;
    }
    // A file that ends with a block has its end in the next one.
    before.push(count);
    before
}

/// Replaces what is not UTF-8 byte for byte, and says where; NUL bytes stay but are listed too.
fn sanitize(bytes: Vec<u8>, base: u32) -> (String, Vec<Span>) {
    let mut damage: Vec<Span> = Vec::new();
    let mut note = |start: usize, end: usize| {
        let span = Span::new(base + start as u32, base + end as u32);
        match damage.last_mut() {
            Some(last) if last.end == span.start => last.end = span.end,
            _ => damage.push(span),
        }
    };
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let mut bytes = error.into_bytes();
            let mut at = 0;
            while let Err(error) = std::str::from_utf8(&bytes[at..]) {
                let start = at + error.valid_up_to();
                let end = error.error_len().map_or(bytes.len(), |len| start + len);
                bytes[start..end].fill(b'?');
                note(start, end);
                at = end;
            }
            String::from_utf8(bytes).unwrap_or_default()
        }
    };
    if memchr_nul(&text) {
        for (at, _) in text.bytes().enumerate().filter(|(_, b)| *b == 0) {
            note(at, at + 1);
        }
        damage.sort_unstable();
    }
    (text, damage)
}

fn memchr_nul(text: &str) -> bool {
    text.as_bytes().contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_long_lines_count_characters() {
        for c in ["a", "ä", "€"] {
            let text = format!("x\n{}", c.repeat(3 * BLOCK));
            let mut map = SourceMap::new();
            let id = map.add("long", text.into_bytes()).unwrap();
            for count in [0, 1, 1365, 1366, 2048, 4095, 4096, 4097, 3 * BLOCK] {
                let place = Place { line: 2, column: count as u32 + 1 };
                assert_eq!(map.file(id).place((2 + count * c.len()) as u32), place, "{c}");
            }
        }
    }

    #[test]
    fn spans_tell_file_line_and_column() {
        let mut map = SourceMap::new();
        map.add("a", b"one\ntw\xc3\xb6 x\n".to_vec()).unwrap();
        let b = map.add("b", b"bad \xff\xfe\0 end".to_vec()).unwrap();
        let a = map.file(SourceId(0));
        assert_eq!(a.place(8), Place { line: 2, column: 4 });
        assert_eq!(map.text(a.line_span(2)), "twö x");
        let b = map.file(b);
        assert_eq!(b.text, "bad ??\0 end");
        assert_eq!(b.damage, vec![Span::new(b.base + 4, b.base + 7)]);
        assert_eq!(map.file_of(b.damage[0]).unwrap().path, Path::new("b"));
    }
}
