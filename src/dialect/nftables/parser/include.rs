//! `include` and `define`: what may stand in every block.

use std::rc::Rc;

use super::{Growth, Parser, Read, Reader, Variable};
use crate::dialect::nftables::lexer::Kind;
use crate::dialect::nftables::syntax::{Expr, ExprKind};
use crate::rule::Severity;
use crate::source::{Refusal, SourceId, Span};

/// How deep files may include files (nft: `MAX_INCLUDE_DEPTH`).
const MAX_INCLUDES: usize = 16;
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
        let Some(from) = self.reader.including.last().copied() else { return };
        match self.reader.sources.names_matching(from, pattern, self.reader.budget) {
            Ok(names) => names.iter().for_each(|name| self.reader.include(from, name, span, block)),
            Err(refusal) => self.reader.not_included(pattern, span, &refusal),
        }
    }
}

impl<'s> Reader<'s> {
    fn include(
        &mut self,
        from: SourceId,
        name: &str,
        span: Span,
        block: &mut impl FnMut(&mut Parser<'_, 's, '_>),
    ) {
        if self.cut.is_some() {
            return;
        }
        let id = match self.sources.read_named(from, name, self.budget) {
            Ok(id) => id,
            Err(refusal) => return self.not_included(name, span, &refusal),
        };
        if self.including.contains(&id) {
            return self.refused(span, format!("`{name}` includes itself"));
        }
        if self.including.len() > MAX_INCLUDES {
            return self.refused(span, format!("includes nest deeper than {MAX_INCLUDES} files"));
        }
        let (text, base) = (self.sources.file(id).text.clone(), self.sources.file(id).base);
        if self.included.insert(id) {
            self.damage(id);
        } else if let Err(exhausted) = self.budget.again(text.len()) {
            return self.exhausted(span, exhausted);
        }
        self.including.push(id);
        let mut parser = Parser::new(self, &text, base);
        block(&mut parser);
        if parser.at_kind(Kind::RBrace) {
            let failed = parser.unexpected("a statement");
            parser.reader.syntax_error(failed);
        }
        self.including.pop();
    }

    fn not_included(&mut self, name: &str, span: Span, refusal: &Refusal) {
        if let Refusal::Exhausted(exhausted) = refusal {
            return self.exhausted(span, *exhausted);
        }
        let mut finding = super::super::unresolved(span, format!("`{name}` is not read: {refusal}"))
            .severity(Severity::Info)
            .label("what it says is not known");
        if !refusal.help().is_empty() {
            finding = finding.help(refusal.help());
        }
        self.findings.push(finding);
    }

    /// The word that an expression is, where it is one.
    pub(crate) fn word_of(&self, expr: &Expr) -> Option<Box<str>> {
        match &expr.kind {
            ExprKind::Word => Some(self.sources.text(expr.span).into()),
            ExprKind::Text(text) => Some(text.clone()),
            ExprKind::Number(number) => Some(number.to_string().into()),
            ExprKind::Ref(value) => self.word_of(value),
            _ => None,
        }
    }
}
