//! Expressions.

use std::rc::Rc;

use super::stateful::Stateful;
use super::{Failed, MAX_OPERATORS, Parser, Read, number};
use crate::dialect::nftables::lexer::Kind;
use crate::dialect::nftables::syntax::{BinOp, Data, Elem, Expr, ExprKind, Name, RelOp};
use crate::source::Span;

/// Words that begin a statement, and are no values unless quoted.
const STATEMENTS: &[&str] = &[
    "accept",
    "drop",
    "continue",
    "return",
    "jump",
    "goto",
    "queue",
    "counter",
    "log",
    "limit",
    "quota",
    "reject",
    "masquerade",
    "notrack",
    "comment",
    "vmap",
    "map",
];

/// Where an expression stands: what may be in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Left of an operator: fields of the packet, and constants.
    Left,
    /// Right of an operator, and in sets: constants.
    Right,
    /// What a statement sets: fields, maps, and keywords as constants.
    Value,
}

impl Parser<'_, '_, '_> {
    /// `a . b`, each with bit operators.
    pub(super) fn left(&mut self) -> Read<Expr> {
        self.concat(Place::Left)
    }

    fn concat(&mut self, place: Place) -> Read<Expr> {
        let start = self.cur.start;
        let first = self.part(place)?;
        if !self.at_kind(Kind::Dot) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.eat_kind(Kind::Dot) {
            self.newlines_in_set();
            parts.push(self.part(place)?);
        }
        Ok(Expr { span: self.since(start), kind: ExprKind::Concat(Box::new(parts)) })
    }

    fn newlines_in_set(&mut self) {
        if self.depth > 0 && self.open > 0 {
            self.newlines();
        }
    }

    /// One part of a concatenation; right of an operator with ranges and prefixes.
    fn part(&mut self, place: Place) -> Read<Expr> {
        let start = self.cur.start;
        let low = self.bits(place)?;
        if place == Place::Left {
            return Ok(low);
        }
        if self.at_kind(Kind::Dash) {
            self.bump();
            let high = self.bits(place)?;
            let kind = ExprKind::Range(Box::new((low, high)));
            return Ok(Expr { span: self.since(start), kind });
        }
        if self.at_kind(Kind::Slash) && self.ahead().kind == Kind::Number {
            self.bump();
            let len = self.number()?.min(u64::from(u32::MAX)) as u32;
            let kind = ExprKind::Prefix(Box::new((low, len)));
            return Ok(Expr { span: self.since(start), kind });
        }
        Ok(low)
    }

    /// Bit operators, from the loosest: `|`, `^`, `&`, shifts.
    fn bits(&mut self, place: Place) -> Read<Expr> {
        let start = self.cur.start;
        let first = self.primary(place)?;
        self.operators(place, start, first, 0, &mut 0)
    }

    /// The operator that is looked at, and how tightly it binds.
    fn operator(&self) -> Option<(u8, BinOp)> {
        Some(match (self.cur.kind, self.word()) {
            (Kind::Pipe, _) | (_, Some("or")) => (0, BinOp::Or),
            (Kind::Caret, _) | (_, Some("xor")) => (1, BinOp::Xor),
            (Kind::Amp, _) | (_, Some("and")) => (2, BinOp::And),
            (Kind::Shl, _) | (_, Some("lshift")) => (3, BinOp::Shl),
            (Kind::Shr, _) | (_, Some("rshift")) => (3, BinOp::Shr),
            _ => return None,
        })
    }

    /// Goes on behind `left` with operators that bind at least as tightly as `least`.
    fn operators(
        &mut self,
        place: Place,
        start: usize,
        mut left: Expr,
        least: u8,
        count: &mut usize,
    ) -> Read<Expr> {
        while let Some((level, op)) = self.operator().filter(|(level, _)| *level >= least) {
            self.bump();
            *count += 1;
            if *count > MAX_OPERATORS {
                let span = self.span(self.cur);
                return Err(Failed { span, message: format!("more than {MAX_OPERATORS} operators") });
            }
            let from = self.cur.start;
            let right = self.primary(place)?;
            let right = self.operators(place, from, right, level + 1, count)?;
            let kind = ExprKind::Binary(op, Box::new((left, right)));
            left = Expr { span: self.since(start), kind };
        }
        Ok(left)
    }

    fn primary(&mut self, place: Place) -> Read<Expr> {
        let start = self.cur.start;
        if self.at_kind(Kind::LParen) {
            self.bump();
            let inner = self.nested(|p| p.bits(place))?;
            self.expect_kind(Kind::RParen, "`)`")?;
            return Ok(inner);
        }
        if self.at_kind(Kind::Dollar) {
            return self.variable();
        }
        if place != Place::Right
            && let Some(kind) = self.selector(place)?
        {
            return Ok(Expr { span: self.since(start), kind });
        }
        self.constant()
    }

    fn constant(&mut self) -> Read<Expr> {
        let token = self.cur;
        let kind = match token.kind {
            Kind::Number => match number(self.text_of(token)) {
                Some(number) => ExprKind::Number(number),
                None => ExprKind::Word,
            },
            Kind::Word => match self.text_of(token) {
                "exists" => ExprKind::Bool(true),
                "missing" => ExprKind::Bool(false),
                word if STATEMENTS.contains(&word) => return Err(self.unexpected("a value")),
                _ => ExprKind::Word,
            },
            Kind::Quoted | Kind::Wildcard => ExprKind::Word,
            _ => return Err(self.unexpected("a value")),
        };
        self.bump();
        Ok(Expr { span: self.span(token), kind })
    }

    /// `$name`, as its value.
    pub(super) fn variable(&mut self) -> Read<Expr> {
        let dollar = self.bump();
        let token = self.expect_kind(Kind::Word, "the name of a variable")?;
        let span = Span::new(self.span(dollar).start, self.span(token).end);
        let name = self.text_of(token);
        let Some(value) = self.reader.variable(name) else {
            self.reader.unresolved(span, format!("`${name}` is not defined here"));
            let value = Rc::new(Expr { span, kind: ExprKind::Text("".into()) });
            return Ok(Expr { span, kind: ExprKind::Ref(value) });
        };
        Ok(Expr { span, kind: ExprKind::Ref(value) })
    }

    /// The word that a variable holds.
    pub(super) fn name_of_variable(&mut self) -> Read<Name> {
        let expr = self.variable()?;
        let text = self.reader.word_of(&expr).unwrap_or_default();
        Ok(Name { text, span: expr.span })
    }

    /// The right side of a comparison: constants, a list of flags, a set, or the name of one.
    pub(super) fn right(&mut self) -> Read<Expr> {
        match self.cur.kind {
            Kind::LBrace => return self.set(),
            Kind::At => return self.set_ref(),
            _ => {}
        }
        let start = self.cur.start;
        let first = self.concat(Place::Right)?;
        self.list(start, first, Place::Right)
    }

    /// Goes on with `, b, c`.
    fn list(&mut self, start: usize, first: Expr, place: Place) -> Read<Expr> {
        if !self.at_kind(Kind::Comma) {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.eat_kind(Kind::Comma) {
            items.push(self.bits(place)?);
        }
        Ok(Expr { span: self.since(start), kind: ExprKind::List(Box::new(items)) })
    }

    /// `@name`
    pub(super) fn set_ref(&mut self) -> Read<Expr> {
        let start = self.bump().start;
        let name = self.name()?;
        Ok(Expr { span: self.since(start), kind: ExprKind::SetRef(name.text) })
    }

    /// A set, `@name`, or a variable that holds one of the two.
    pub(super) fn set_or_ref(&mut self) -> Read<Expr> {
        match self.cur.kind {
            Kind::LBrace => self.set(),
            Kind::At => self.set_ref(),
            Kind::Dollar => self.variable(),
            _ => Err(self.unexpected("a set")),
        }
    }

    /// `{ a, b : c }`
    pub(super) fn set(&mut self) -> Read<Expr> {
        let start = self.cur.start;
        let elements = self.nested(Self::elements)?;
        Ok(Expr { span: self.since(start), kind: ExprKind::Set(Rc::new(elements)) })
    }

    /// The elements between braces.
    pub(super) fn elements(&mut self) -> Read<Vec<Elem>> {
        self.expect_kind(Kind::LBrace, "`{`")?;
        let mut elements = Vec::new();
        loop {
            self.newlines();
            if self.eat_kind(Kind::RBrace) {
                break;
            }
            elements.push(self.element()?);
            self.newlines();
            if !self.eat_kind(Kind::Comma) {
                self.expect_kind(Kind::RBrace, "`,` or `}`")?;
                break;
            }
        }
        elements.shrink_to_fit();
        Ok(elements)
    }

    fn element(&mut self) -> Read<Elem> {
        let key = match self.cur.kind {
            Kind::LBrace => self.set()?,
            Kind::Star => {
                let token = self.bump();
                Expr { span: self.span(token), kind: ExprKind::Star }
            }
            _ => self.concat(Place::Right)?,
        };
        let mut open = self.element_options()?;
        if !self.eat_kind(Kind::Colon) {
            return Ok(Elem { key, data: None, open });
        }
        self.newlines();
        let data = match self.verdict()? {
            Some(verdict) => Data::Verdict(verdict),
            None if self.at_kind(Kind::LBrace) => Data::Value(self.set()?),
            None => Data::Value(self.concat(Place::Right)?),
        };
        open |= self.element_options()?;
        Ok(Elem { key, data: Some(Box::new(data)), open })
    }

    /// `timeout 1m expires 30s comment "x" counter limit rate …` behind an element: true where it can
    /// end or fail.
    pub(super) fn element_options(&mut self) -> Read<bool> {
        let mut open = false;
        loop {
            match self.word() {
                Some("timeout" | "expires") => {
                    self.bump();
                    self.string_or_number()?;
                    open = true;
                }
                Some("comment") => {
                    self.bump();
                    self.string()?;
                }
                Some("counter" | "limit" | "quota" | "last" | "ct") => match self.stateful()? {
                    Some(stateful) => open |= matches!(stateful, Stateful::Meter(_)),
                    // `ct` begins other things than `ct count`.
                    None => return Ok(open),
                },
                _ => return Ok(open),
            }
        }
    }

    /// A relational operator, where one is written.
    pub(super) fn rel_op(&mut self) -> RelOp {
        let op = match (self.cur.kind, self.word()) {
            (Kind::Eq, _) | (_, Some("eq")) => RelOp::Eq,
            (Kind::Ne, _) | (_, Some("ne")) => RelOp::Ne,
            (Kind::Lt, _) | (_, Some("lt")) => RelOp::Lt,
            (Kind::Gt, _) | (_, Some("gt")) => RelOp::Gt,
            (Kind::Le, _) | (_, Some("le")) => RelOp::Le,
            (Kind::Ge, _) | (_, Some("ge")) => RelOp::Ge,
            (Kind::Bang, _) | (_, Some("not")) => RelOp::Neg,
            _ => return RelOp::Implicit,
        };
        self.bump();
        op
    }

    /// The value that a statement sets: fields, maps, ranges, prefixes, lists.
    pub(super) fn value(&mut self) -> Read<Expr> {
        let start = self.cur.start;
        let key = self.concat(Place::Value)?;
        if self.eat("map") {
            let map = self.set_or_ref()?;
            let kind = ExprKind::Map(Box::new((key, map)));
            return Ok(Expr { span: self.since(start), kind });
        }
        self.list(start, key, Place::Value)
    }

    /// What `define` gives a variable.
    pub(super) fn initializer(&mut self) -> Read<Expr> {
        let start = self.cur.start;
        if self.at_kind(Kind::Dash) {
            self.bump();
            let text = format!("-{}", self.number()?);
            return Ok(Expr { span: self.since(start), kind: ExprKind::Text(text.into()) });
        }
        self.right()
    }
}
