//! `include` and `define`: what may stand in every block.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Parser, Read, Reader};
use crate::dialect::nftables::lexer::Kind;
use crate::dialect::nftables::syntax::{Expr, ExprKind};
use crate::source::Span;

/// How deep files may include files (nft: `MAX_INCLUDE_DEPTH`).
const MAX_INCLUDES: usize = 16;
/// How many files one pattern may name.
const MAX_MATCHES: usize = 10_000;

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
        let value = self.initializer()?;
        let (text, span) = (self.text_of(name), self.span(name));
        if let Some(scope) = self.reader.scopes.last_mut() {
            let old = scope.insert(text.into(), Rc::new(value));
            if old.is_some() && !again {
                self.reader.refused(span, format!("`{text}` is defined twice"));
            }
        }
        self.finish()
    }

    fn include(&mut self, pattern: &str, span: Span, block: &mut impl FnMut(&mut Parser<'_, 's, '_>)) {
        let base = self.reader.including.last().and_then(|p| p.parent()).map(Path::to_path_buf);
        let wild = pattern.contains(['*', '?', '[']);
        let paths = match expand(&base.unwrap_or_default(), pattern) {
            Some(paths) => paths,
            None => {
                self.reader.refused(span, format!("`{pattern}` names more than {MAX_MATCHES} files"));
                return;
            }
        };
        if paths.is_empty() && !wild {
            self.reader.unresolved(span, format!("the included file `{pattern}` cannot be read"));
        }
        for path in paths {
            self.reader.include(&path, span, block);
        }
    }
}

impl<'s> Reader<'s> {
    fn include(&mut self, path: &Path, span: Span, block: &mut impl FnMut(&mut Parser<'_, 's, '_>)) {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        if self.including.contains(&real) {
            self.refused(span, format!("`{}` includes itself", path.display()));
            return;
        }
        if self.including.len() > MAX_INCLUDES {
            self.refused(span, format!("includes nest deeper than {MAX_INCLUDES} files"));
            return;
        }
        if !path.is_file() {
            self.unresolved(span, format!("the included file `{}` cannot be read", path.display()));
            return;
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

/// The files that a pattern names, sorted; `None` where there are too many.
fn expand(base: &Path, pattern: &str) -> Option<Vec<PathBuf>> {
    let mut paths = vec![if pattern.starts_with('/') { PathBuf::from("/") } else { base.to_path_buf() }];
    for part in pattern.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if !part.contains(['*', '?', '[']) {
            paths.iter_mut().for_each(|path| path.push(part));
            continue;
        }
        let mut next = Vec::new();
        for path in &paths {
            let dir = if path.as_os_str().is_empty() { Path::new(".") } else { path };
            let Ok(entries) = std::fs::read_dir(dir) else { continue };
            for entry in entries.flatten() {
                let name = entry.file_name();
                let Some(name) = name.to_str() else { continue };
                if (!name.starts_with('.') || part.starts_with('.')) && glob(part.as_bytes(), name.as_bytes())
                {
                    next.push(path.join(name));
                }
            }
            if next.len() > MAX_MATCHES {
                return None;
            }
        }
        next.sort();
        paths = next;
    }
    paths.retain(|path| path.exists());
    Some(paths)
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
