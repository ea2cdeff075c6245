//! The tokens of one statement: where it ends, and what that costs where something is wrong.

use crate::source::Span;

use super::super::lexer::{Kind, LexError, Lexer, Macros, Token, is_statement_word};
use super::cursor::{Error, Refusal};
use super::{Scope, Session};

/// How the tokens of a statement ended.
pub(super) enum Ended {
    /// With the line.
    Line,
    /// With a `{` that opens an anchor's rules.
    Body,
    /// With the `}` that closes them, where a statement would start.
    Close,
    /// With the file.
    File,
}

/// Tokens with one taken back.
pub(super) struct Reader<'a> {
    lexer: Lexer<'a>,
    pending: Option<Token<'a>>,
}

impl<'a> Reader<'a> {
    /// Reads from a lexer.
    pub(super) fn new(lexer: Lexer<'a>) -> Self {
        Reader { lexer, pending: None }
    }

    fn next(&mut self, macros: &Macros) -> std::result::Result<Token<'a>, (LexError, Span)> {
        match self.pending.take() {
            Some(token) => Ok(token),
            None => self.lexer.next(macros),
        }
    }
}

impl Session<'_> {
    /// Takes the tokens of one statement. Line ends in braces belong to it.
    pub(super) fn collect<'a>(
        &mut self,
        reader: &mut Reader<'a>,
        tokens: &mut Vec<Token<'a>>,
        scope: &Scope,
    ) -> (Ended, Option<Error>) {
        let mut error = None;
        let mut open: Vec<Span> = Vec::new();
        let mut line_start = false;
        loop {
            let token = match reader.next(&self.macros) {
                Ok(token) => token,
                Err((problem, span)) => {
                    error = error.or(Some(lex_error(problem, span)));
                    // Keeps the span of the statement up to the place of the error.
                    let last = tokens.last().filter(|token| token.kind != Kind::Newline);
                    let kind = last.map_or(Kind::Sign('$'), |token| token.kind.clone());
                    tokens.push(Token { kind, span });
                    continue;
                }
            };
            match &token.kind {
                Kind::End => {
                    error = error.or_else(|| open.last().map(|span| unclosed(*span)));
                    return (Ended::File, error);
                }
                Kind::Newline if open.is_empty() && tokens.is_empty() => continue,
                Kind::Newline if open.is_empty() => return (Ended::Line, error),
                Kind::Sign('{') if may_open_body(tokens) => {
                    match reader.next(&self.macros) {
                        Ok(Token { kind: Kind::Newline, .. }) => return (Ended::Body, error),
                        Ok(next) => reader.pending = Some(next),
                        Err((problem, span)) => error = error.or(Some(lex_error(problem, span))),
                    }
                    open.push(token.span);
                }
                Kind::Sign('{') => open.push(token.span),
                Kind::Sign('}') if open.is_empty() && tokens.is_empty() => {
                    tokens.push(token);
                    return (Ended::Close, error);
                }
                Kind::Sign('}') => {
                    open.pop();
                }
                Kind::Word(word) if line_start && is_statement_word(word) => {
                    let span = open.last().copied().unwrap_or(token.span);
                    reader.pending = Some(token);
                    return (Ended::Line, error.or(Some(unclosed(span))));
                }
                Kind::Word(_) if scope.damaged(token.span) => {
                    let message = "bytes that are not UTF-8".to_string();
                    error = error.or(Some(Error { span: token.span, refusal: Refusal::Syntax(message) }));
                }
                _ => {}
            }
            line_start = token.kind == Kind::Newline;
            tokens.push(token);
        }
    }

    /// Skips to the `}` that matches a `{` just read.
    pub(super) fn skip_body(&mut self, reader: &mut Reader) {
        let mut depth = 1usize;
        while depth > 0 {
            match reader.next(&self.macros).map(|token| token.kind) {
                Ok(Kind::End) => return,
                Ok(Kind::Sign('{')) => depth += 1,
                Ok(Kind::Sign('}')) => depth -= 1,
                _ => {}
            }
        }
    }
}

fn lex_error(problem: LexError, span: Span) -> Error {
    let refusal = match problem {
        LexError::UndefinedMacro(name) => Refusal::Unresolved(format!("macro `{name}` is not defined")),
        LexError::TooMuch(exhausted) => Refusal::Budget("the text of this macro", exhausted),
        LexError::TooLong => Refusal::Syntax("a string is too long".into()),
        LexError::OpenQuote => Refusal::Syntax("the quotes are not closed".into()),
        LexError::Nul => Refusal::Syntax("a NUL byte".into()),
    };
    Error { span, refusal }
}

fn unclosed(span: Span) -> Error {
    Error { span, refusal: Refusal::Syntax("the brace is not closed".into()) }
}

/// Whether a `{` after these tokens may open an anchor's rules, and not a list.
fn may_open_body(tokens: &[Token]) -> bool {
    let anchor = match tokens {
        [Token { kind: Kind::Word(first), .. }, ..] if first == "anchor" => true,
        [Token { kind: Kind::Word(first), .. }, Token { kind: Kind::Word(second), .. }, ..] => {
            first == "ether" && second == "anchor"
        }
        [Token { kind: Kind::Sign('@'), .. }, ..] => {
            tokens.iter().any(|token| matches!(&token.kind, Kind::Word(word) if word == "anchor"))
        }
        _ => false,
    };
    let list = matches!(
        tokens.last().map(|token| &token.kind),
        Some(Kind::Word(word)) if matches!(
            word.as_ref(),
            "on" | "from" | "to" | "port" | "proto" | "os" | "user" | "group" | "icmp-type" | "icmp6-type"
        )
    );
    anchor && !list
}
