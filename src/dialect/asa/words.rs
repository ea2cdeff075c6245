//! A line as words, each with its place.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::ast::{Host, Named};
use crate::source::Span;

/// The words of one line, and how far they are read.
pub(super) struct Words<'w, 'a> {
    words: &'w [Named<'a>],
    at: usize,
    /// The whole line, without the white space around it.
    pub line: Span,
}

/// Why a line could not be read: what was expected, and where.
#[derive(Debug)]
pub(super) struct Expected {
    /// What should be there, as people say it.
    pub what: &'static str,
    /// The word that is there instead; the end of the line where there is none.
    pub span: Span,
}

/// What reading a part of a line gives.
pub(super) type Parsed<T> = Result<T, Expected>;

impl<'w, 'a> Words<'w, 'a> {
    pub(super) fn new(words: &'w [Named<'a>], line: Span) -> Self {
        Words { words, at: 0, line }
    }

    /// The next word, not taken.
    pub(super) fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).map(|word| word.text)
    }

    /// The word after `skip` more, not taken.
    pub(super) fn peek_at(&self, skip: usize) -> Option<&'a str> {
        self.words.get(self.at + skip).map(|word| word.text)
    }

    /// Whether two words follow each other in what is left.
    pub(super) fn has_pair(&self, first: &str, second: &str) -> bool {
        let rest = self.words.get(self.at..).unwrap_or_default();
        rest.windows(2).any(|pair| matches!(pair, [a, b] if a.text == first && b.text == second))
    }

    /// Takes the next word.
    pub(super) fn take(&mut self) -> Option<Named<'a>> {
        let word = self.words.get(self.at).copied()?;
        self.at += 1;
        Some(word)
    }

    /// Takes the next word if it is this one; letter case does not matter.
    pub(super) fn eat(&mut self, word: &str) -> bool {
        let hit = self.peek().is_some_and(|next| next.eq_ignore_ascii_case(word));
        self.at += usize::from(hit);
        hit
    }

    /// Whether all is read.
    pub(super) fn done(&self) -> bool {
        self.at >= self.words.len()
    }

    /// How far the words are read.
    pub(super) fn mark(&self) -> usize {
        self.at
    }

    /// Goes back to a mark.
    pub(super) fn reset(&mut self, mark: usize) {
        self.at = mark;
    }

    /// The place of the next word, or of the end of the line.
    pub(super) fn here(&self) -> Span {
        self.words.get(self.at).map_or(Span::new(self.line.end, self.line.end), |word| word.span)
    }

    /// An error at the next word.
    pub(super) fn expected<T>(&self, what: &'static str) -> Parsed<T> {
        Err(Expected { what, span: self.here() })
    }

    /// Takes the next word as a name.
    pub(super) fn name(&mut self, what: &'static str) -> Parsed<Named<'a>> {
        match self.take() {
            Some(word) => Ok(word),
            None => self.expected(what),
        }
    }

    /// Takes this very word.
    pub(super) fn keyword(&mut self, word: &'static str) -> Parsed<()> {
        if self.eat(word) { Ok(()) } else { self.expected(word) }
    }

    /// Takes a number.
    pub(super) fn number<N: std::str::FromStr>(&mut self, what: &'static str) -> Parsed<N> {
        let Some(number) = self.peek().and_then(|word| word.parse().ok()) else {
            return self.expected(what);
        };
        self.at += 1;
        Ok(number)
    }

    /// Takes an address, or a name that stands for one.
    pub(super) fn host(&mut self, what: &'static str) -> Parsed<Host<'a>> {
        match self.take() {
            Some(word) => Ok(host(word)),
            None => self.expected(what),
        }
    }

    /// The end of the line.
    pub(super) fn end(&self) -> Parsed<()> {
        if self.done() { Ok(()) } else { self.expected("the end of the line") }
    }
}

/// A word as an address; the ASA lets `0` stand for 0.0.0.0.
pub(super) fn host(word: Named<'_>) -> Host<'_> {
    if let Some(address) = v4(word.text) {
        return Host::V4(address);
    }
    match word.text.parse::<Ipv6Addr>() {
        Ok(address) => Host::V6(address.into()),
        Err(_) => Host::Name(word),
    }
}

/// A word as IPv4 address or mask.
pub(super) fn v4(word: &str) -> Option<u32> {
    if word == "0" {
        return Some(0);
    }
    word.parse::<Ipv4Addr>().ok().map(u32::from)
}

/// A word as IPv6 prefix.
pub(super) fn prefix6(word: &str) -> Option<(u128, u8)> {
    let (address, length) = word.split_once('/')?;
    let length: u8 = length.parse().ok()?;
    let address: Ipv6Addr = address.parse().ok()?;
    (length <= 128).then_some((address.into(), length))
}
