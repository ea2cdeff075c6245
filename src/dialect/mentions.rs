//! Where a config names things: what an editor follows.
//!
//! Names are read off the words of a text, statement by statement and without its syntax tree: in an editor a file is
//! broken most of the time, and what stands elsewhere in it is to be found all the same.

use crate::source::Span;

/// What a name is of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Thing {
    /// A chain of rules.
    Chain,
    /// A set, map or table of addresses.
    Set,
    /// An object or a group of objects.
    Object,
    /// A macro or a variable.
    Macro,
    /// An anchor.
    Anchor,
    /// An access-list.
    AccessList,
    /// A name of an interface.
    Interface,
    /// A time range.
    TimeRange,
    /// A class of traffic, or a policy.
    Class,
    /// A tag of packets.
    Tag,
}

impl Thing {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Thing::Chain => "chain",
            Thing::Set => "set",
            Thing::Object => "object",
            Thing::Macro => "macro",
            Thing::Anchor => "anchor",
            Thing::AccessList => "access list",
            Thing::Interface => "interface",
            Thing::TimeRange => "time range",
            Thing::Class => "class",
            Thing::Tag => "tag",
        }
    }
}

/// A name in a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mention {
    /// What it is of.
    pub thing: Thing,
    /// The table that it is in; empty where names are not of tables.
    pub scope: String,
    /// The name.
    pub name: String,
    /// Where it stands, in bytes of the text.
    pub span: Span,
    /// It is here that the thing is made.
    pub defines: bool,
}

impl Mention {
    /// Whether two names are of one thing.
    pub fn same(&self, other: &Mention) -> bool {
        (self.thing, &self.scope, &self.name) == (other.thing, &other.scope, &other.name)
    }
}

/// A word of a line and where it starts in the text.
pub(super) type Word<'t> = (usize, &'t str);

/// The lines of a text, each with the words that stand before a comment.
pub(super) fn lines<'t>(text: &'t str, comments: &'static [char]) -> impl Iterator<Item = Vec<Word<'t>>> {
    let mut start = 0;
    text.split_inclusive('\n').map(move |line| {
        let from = start;
        start += line.len();
        words(line, from, comments)
    })
}

fn words<'t>(line: &'t str, start: usize, comments: &'static [char]) -> Vec<Word<'t>> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        let trimmed = rest.trim_start();
        if trimmed.is_empty() || trimmed.starts_with(comments) {
            return words;
        }
        let quote = trimmed.chars().next().filter(|c| matches!(c, '"' | '\''));
        let end = match quote {
            Some(quote) => trimmed[1..].find(quote).map_or(trimmed.trim_end().len(), |at| at + 2),
            None => trimmed.find(char::is_whitespace).unwrap_or(trimmed.len()),
        };
        let at = start + line.len() - trimmed.len();
        let (skip, word) = match quote {
            Some(quote) => (1, trimmed[1..end].trim_end_matches(quote)),
            None => (0, &trimmed[..end]),
        };
        words.push((at + skip, word));
        rest = &trimmed[end..];
    }
}

/// Puts names together.
#[derive(Default)]
pub(super) struct Mentions {
    all: Vec<Mention>,
}

impl Mentions {
    /// Notes a name.
    pub(super) fn note(&mut self, thing: Thing, scope: &str, (start, name): Word<'_>, defines: bool) {
        if name.is_empty() {
            return;
        }
        let span = Span::new(start as u32, (start + name.len()) as u32);
        self.all.push(Mention { thing, scope: scope.to_string(), name: name.to_string(), span, defines });
    }

    /// All names in their order.
    pub(super) fn done(mut self) -> Vec<Mention> {
        self.all.sort_by_key(|mention| mention.span);
        self.all
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::Mention;

    /// Names on one line; `+` stands before those that define.
    pub(in crate::dialect) fn told(mentions: &[Mention]) -> String {
        let told = mentions.iter().map(|mention| {
            let scope = if mention.scope.is_empty() { String::new() } else { format!("{} ", mention.scope) };
            let plus = if mention.defines { "+" } else { "" };
            format!("{plus}{} {scope}{}", mention.thing.name(), mention.name)
        });
        told.collect::<Vec<_>>().join(", ")
    }
}
