//! `include` and `define`: what may stand in every block.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustc_hash::FxHashSet;

use super::{Growth, Parser, Read, Reader, Variable};
use crate::dialect::nftables::lexer::Kind;
use crate::dialect::nftables::syntax::{Expr, ExprKind};
use crate::source::Span;

/// How deep files may include files (nft: `MAX_INCLUDE_DEPTH`).
const MAX_INCLUDES: usize = 16;
/// How many files may be included, and how many entries of folders are looked at for patterns.
const MAX_FILES: usize = 10_000;
const MAX_ENTRIES: usize = 100_000;
/// How often files may be read again, and how many bytes of them.
const MAX_AGAIN: u64 = 4_096;
const MAX_AGAIN_BYTES: u64 = 4 << 20;
/// How many bytes the variables in a variable may hold, and how deep they may nest.
const MAX_GROWTH: u64 = 4 << 20;
const MAX_NESTED: u32 = 16;

impl<'s> Parser<'_, 's, '_> {
    /// `include`, `define`, `redefine`, `undefine`, where one begins: true.
    ///
    /// An included file is read as if it stood here: `block` reads it, in the way of the block around.
    pub(super) fn common(&mut self, block: &mut impl FnMut(&mut Parser<'_, 's, '_>)) -> Read<bool> {
        match self.word() {
            Some("include") => {
                self.bump();
                let file = self.expect_kind(Kind::Quoted, "a file name in quotes")?;
                let span = self.span(file);
                let pattern = self.text_of(file).to_string();
                self.finish()?;
                self.include(&pattern, span, block);
                Ok(true)
            }
            Some(verb @ ("define" | "redefine")) => {
                self.bump();
                self.define(verb == "redefine")?;
                Ok(true)
            }
            Some("undefine") => {
                self.bump();
                let name = self.expect_kind(Kind::Word, "the name of a variable")?;
                let text = self.text_of(name);
                let removed = self.reader.scopes.last_mut().and_then(|scope| scope.remove(text));
                if removed.is_none() {
                    let span = self.span(name);
                    self.reader.unresolved(span, format!("`{text}` is not defined here"));
                }
                self.finish()?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn define(&mut self, again: bool) -> Read<()> {
        let name = self.expect_kind(Kind::Word, "the name of a variable")?;
        self.expect_kind(Kind::Assign, "`=`")?;
        self.reader.grown = Growth::default();
        let start = self.cur.start;
        let mut value = self.initializer()?;
        let (text, span) = (self.text_of(name), self.span(name));
        let inside = self.reader.grown;
        let mut growth =
            Growth { size: inside.size + (self.last_end - start) as u64, depth: inside.depth + 1 };
        if inside.size > MAX_GROWTH || growth.depth > MAX_NESTED {
            self.reader.stop(span, "a variable that holds too many others");
            value = Expr { span, kind: ExprKind::Text("".into()) };
            growth = Growth::default();
        }
        let value = match value.kind {
            ExprKind::Ref(value) => value,
            _ => Rc::new(value),
        };
        if let Some(scope) = self.reader.scopes.last_mut() {
            let old = scope.insert(text.into(), Variable { value, growth });
            if old.is_some() && !again {
                self.reader.refused(span, format!("`{text}` is defined twice"));
            }
        }
        self.finish()
    }

    fn include(&mut self, pattern: &str, span: Span, block: &mut impl FnMut(&mut Parser<'_, 's, '_>)) {
        let base = self.reader.including.last().and_then(|p| p.parent()).map(Path::to_path_buf);
        let paths = match self.reader.included.expand(&base.unwrap_or_default(), pattern) {
            Ok(paths) => paths,
            Err(Refused::TooMuch) => return self.reader.stop(span, "an include that names too many files"),
            Err(refused) => {
                return self
                    .reader
                    .unresolved(span, format!("the included file `{pattern}` {}", refused.reason()));
            }
        };
        for path in paths {
            self.reader.include(&path, span, block);
        }
    }
}

impl<'s> Reader<'s> {
    fn include(&mut self, path: &Path, span: Span, block: &mut impl FnMut(&mut Parser<'_, 's, '_>)) {
        if self.cut.is_some() {
            return;
        }
        let (real, size) = match self.included.may_read(path) {
            Ok(found) => found,
            Err(refused) => {
                return self.unresolved(
                    span,
                    format!("the included file `{}` {}", path.display(), refused.reason()),
                );
            }
        };
        if self.including.contains(&real) {
            self.refused(span, format!("`{}` includes itself", path.display()));
            return;
        }
        if self.including.len() > MAX_INCLUDES {
            self.refused(span, format!("includes nest deeper than {MAX_INCLUDES} files"));
            return;
        }
        if !self.included.count(&real, size) {
            return self.stop(span, "files that are included over and over");
        }
        let id = match self.sources.read(path, path) {
            Ok(id) => id,
            Err(error) => {
                self.unresolved(span, error.to_string());
                return;
            }
        };
        self.damage(id);
        let (text, base) = (self.sources.file(id).text.clone(), self.sources.file(id).base);
        self.including.push(real);
        let mut parser = Parser::new(self, &text, base);
        block(&mut parser);
        if parser.at_kind(Kind::RBrace) {
            let failed = parser.unexpected("a statement");
            parser.reader.syntax_error(failed);
        }
        self.including.pop();
    }

    /// The word that an expression is, where it is one.
    pub fn word_of(&self, expr: &Expr) -> Option<Box<str>> {
        match &expr.kind {
            ExprKind::Word => Some(self.sources.text(expr.span).into()),
            ExprKind::Text(text) => Some(text.clone()),
            ExprKind::Number(number) => Some(number.to_string().into()),
            ExprKind::Ref(value) => self.word_of(value),
            _ => None,
        }
    }
}

/// What was included so far.
#[derive(Default)]
pub(super) struct Included {
    /// The folder of the config: nothing outside is read.
    pub root: Option<PathBuf>,
    /// The files.
    read: FxHashSet<PathBuf>,
    /// How often one was read again, and how many bytes that were.
    again: u64,
    bytes: u64,
    /// How many entries of folders were looked at.
    entries: usize,
}

/// Why a file is not included.
enum Refused {
    /// It is not there, or is no plain file.
    Unreadable,
    /// It lies outside the folder of the config.
    Outside,
    /// There are too many.
    TooMuch,
}

impl Refused {
    fn reason(&self) -> &'static str {
        match self {
            Refused::Unreadable | Refused::TooMuch => "cannot be read",
            Refused::Outside => "is not read: it lies outside the folder of the config",
        }
    }
}

impl Included {
    /// Whether a path lies in the folder of the config, links followed.
    fn inside(&self, path: &Path) -> Result<PathBuf, Refused> {
        let real = path.canonicalize().map_err(|_| Refused::Unreadable)?;
        let root = self.root.as_deref().filter(|root| !root.as_os_str().is_empty());
        let root = match root {
            Some(root) => root.to_path_buf(),
            None => PathBuf::from(".").canonicalize().map_err(|_| Refused::Unreadable)?,
        };
        if real.starts_with(&root) { Ok(real) } else { Err(Refused::Outside) }
    }

    /// A file that may be read, and its size: a plain one (no pipe, no device) inside the folder of the config.
    fn may_read(&self, path: &Path) -> Result<(PathBuf, u64), Refused> {
        let real = self.inside(path)?;
        let facts = std::fs::metadata(&real).map_err(|_| Refused::Unreadable)?;
        if facts.is_file() { Ok((real, facts.len())) } else { Err(Refused::Unreadable) }
    }

    /// Counts a file; false where it is one too many.
    fn count(&mut self, path: &Path, size: u64) -> bool {
        if !self.read.insert(path.to_path_buf()) {
            self.again += 1;
            self.bytes += size;
        }
        self.read.len() <= MAX_FILES && self.again <= MAX_AGAIN && self.bytes <= MAX_AGAIN_BYTES
    }

    /// The files that a pattern names, sorted. A name without a pattern has to be there.
    fn expand(&mut self, base: &Path, pattern: &str) -> Result<Vec<PathBuf>, Refused> {
        let mut paths = vec![if pattern.starts_with('/') { PathBuf::from("/") } else { base.to_path_buf() }];
        let mut wild = false;
        for part in pattern.split('/').filter(|part| !part.is_empty() && *part != ".") {
            if !part.contains(['*', '?', '[']) {
                paths.iter_mut().for_each(|path| path.push(part));
                continue;
            }
            wild = true;
            let mut next = Vec::new();
            for path in &paths {
                self.matches(path, part, &mut next)?;
            }
            next.sort();
            paths = next;
        }
        if wild {
            paths.retain(|path| path.exists());
        }
        Ok(paths)
    }

    /// The entries of a folder that match.
    fn matches(&mut self, folder: &Path, part: &str, out: &mut Vec<PathBuf>) -> Result<(), Refused> {
        let dir = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        match self.inside(dir) {
            Ok(_) => {}
            Err(Refused::Unreadable) => return Ok(()),
            Err(refused) => return Err(refused),
        }
        let Ok(entries) = std::fs::read_dir(dir) else { return Ok(()) };
        for entry in entries.flatten() {
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                return Err(Refused::TooMuch);
            }
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if (!name.starts_with('.') || part.starts_with('.')) && glob(part.as_bytes(), name.as_bytes()) {
                out.push(folder.join(name));
            }
        }
        Ok(())
    }
}

/// Whether a name matches a pattern of `*`, `?` and `[…]` (glob(7)).
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            Some(b'?') => Some(p + 1),
            Some(b'[') => class(&pattern[p..], name[n]).map(|len| p + len),
            Some(c) if *c == name[n] => Some(p + 1),
            _ => None,
        };
        match (step, star) {
            (Some(next), _) => {
                p = next;
                n += 1;
            }
            (None, Some((at, from))) => {
                p = at + 1;
                n = from + 1;
                star = Some((at, n));
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

/// The length of a `[…]` that holds the byte.
fn class(pattern: &[u8], byte: u8) -> Option<usize> {
    let end = pattern.iter().skip(2).position(|c| *c == b']')? + 2;
    let (negate, body) = match &pattern[1..end] {
        [b'!' | b'^', rest @ ..] => (true, rest),
        body => (false, body),
    };
    let mut inside = false;
    let mut at = 0;
    while at < body.len() {
        if let [lo, b'-', hi, ..] = body[at..] {
            inside |= (lo..=hi).contains(&byte);
            at += 3;
        } else {
            inside |= body[at] == byte;
            at += 1;
        }
    }
    (inside != negate).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn globs() {
        let cases = [
            ("*.nft", "a.nft", true),
            ("*.nft", "a.conf", false),
            ("a?c", "abc", true),
            ("[a-c]*", "bx", true),
            ("[!a-c]*", "bx", false),
            ("*a*b", "xaxab", true),
            ("*a*b", "xaxac", false),
        ];
        for (pattern, name, want) in cases {
            assert_eq!(glob(pattern.as_bytes(), name.as_bytes()), want, "{pattern} {name}");
        }
    }
}
