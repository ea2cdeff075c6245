//! Reads running-configs and `show access-list` output into the tree of [`super::ast`].
//!
//! The language is one of lines. A line that opens a block (`interface`, `object network`, …) is
//! followed by lines of the block; running-configs indent them, scripts often do not. As on the box
//! itself, a line is tried in the open block first and at the top level then.

mod acl;
mod broken;
mod commands;
mod interface;
mod manage;
mod nat;
mod object;
mod policy;
mod text;
mod undo;

use rustc_hash::{FxHashMap, FxHashSet};

use super::ast::{Config, GroupKind, Named, Other, Support, Version, VpnFilter};
use super::words::{Expected, Parsed, Words};
use crate::finding::Finding;
use crate::rule::{PH001, PH002};
use crate::source::{SourceFile, Span};
pub(super) use text::broken;
use text::{Broken, Line};

/// The block that is open; numbers are places in the tree.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    None,
    Interface(usize),
    Network(usize),
    Service(usize),
    Group(usize),
    Class(usize),
    Policy(usize),
    TimeRange(usize),
    Webvpn,
    /// Of a command that is not in the tree; whether lines at the margin can belong to it.
    Other(bool),
}

/// Whether a line belongs to the open block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sub {
    Done,
    NotMine,
}

/// The state of reading.
pub(super) struct Parser<'a> {
    config: Config<'a>,
    findings: Vec<Finding>,
    block: Block,
    /// The open block has had indented lines.
    indented: bool,
    /// The open block ends unless an indented line follows.
    closing: bool,
    acls: FxHashMap<&'a str, usize>,
    /// Places that line numbers give to entries, for each access-list that has such.
    places: FxHashMap<usize, Vec<u32>>,
    /// Access-lists that have had a header of `show access-list`.
    shown: FxHashSet<usize>,
    objects: FxHashMap<&'a str, usize>,
    services: FxHashMap<&'a str, usize>,
    groups: FxHashMap<&'a str, usize>,
    group_kinds: FxHashMap<&'a str, GroupKind>,
    class_maps: FxHashMap<&'a str, usize>,
    policy_maps: FxHashMap<&'a str, usize>,
    interfaces: FxHashMap<&'a str, usize>,
    /// The classes of each policy-map.
    classes: FxHashMap<(usize, &'a str), usize>,
    /// The open class of the open policy-map.
    open_class: usize,
    webvpn_port: u16,
    files: Vec<&'a SourceFile>,
    undo: undo::Undo,
    /// The second word of the command that opened a block of no interest: a group-policy's name.
    subject: Option<&'a str>,
    /// Lines whose command is known, and others.
    lines: (usize, usize),
}

/// Reads the files of one firewall, one after the other.
///
/// Gives the tree, what there is to say, and for each file how many rules it holds.
///
/// `broken` are the entries of each file that terminals broke, as [`text::broken`] finds them.
pub(super) fn parse<'a>(
    files: impl IntoIterator<Item = &'a SourceFile>,
    broken: &'a [Vec<Broken>],
) -> (Config<'a>, Vec<Finding>, Vec<usize>) {
    let mut parser = Parser {
        config: Config::default(),
        findings: Vec::new(),
        block: Block::None,
        indented: false,
        closing: false,
        acls: FxHashMap::default(),
        places: FxHashMap::default(),
        shown: FxHashSet::default(),
        objects: FxHashMap::default(),
        services: FxHashMap::default(),
        groups: FxHashMap::default(),
        group_kinds: FxHashMap::default(),
        class_maps: FxHashMap::default(),
        policy_maps: FxHashMap::default(),
        interfaces: FxHashMap::default(),
        classes: FxHashMap::default(),
        open_class: 0,
        webvpn_port: 443,
        files: Vec::new(),
        undo: undo::Undo::default(),
        subject: None,
        lines: (0, 0),
    };
    let mut rules = Vec::new();
    for (file, broken) in files.into_iter().zip(broken) {
        let before = parser.config.rules;
        parser.files.push(file);
        parser.file(file, broken);
        rules.push(parser.config.rules - before);
    }
    parser.finish();
    (parser.config, parser.findings, rules)
}

impl<'a> Parser<'a> {
    fn file(&mut self, file: &'a SourceFile, broken: &'a [Broken]) {
        if let Some(span) = file.damage.first() {
            self.findings.push(
                Finding::of(&PH001, *span, "bytes that are not text")
                    .help("The file holds NUL bytes or is not UTF-8. Lines with such bytes were read as far as possible."),
            );
        }
        self.block = Block::None;
        self.scan_groups(file);
        self.lines = (0, 0);
        let mut words = Vec::new();
        let mut broken = broken.iter().peekable();
        let mut lines = text::lines(file);
        while let Some(Line { text, start }) = lines.next() {
            if let Some(pieces) = broken.next_if(|broken| broken.start == start) {
                self.broken_entry(pieces);
                lines.by_ref().take(pieces.more()).for_each(drop);
                continue;
            }
            split(text, start, &mut words);
            let Some((first, last)) = words.first().zip(words.last()) else { continue };
            let span = first.span.to(last.span);
            let indent = first.span.start > start;
            self.line(&words, span, indent);
            if self.config.foreign.is_some() {
                break;
            }
        }
        self.understood(file);
    }

    /// Says so where most of a file is in no language of an ASA.
    fn understood(&mut self, file: &SourceFile) {
        let (known, unknown) = self.lines;
        if unknown > known {
            let message = format!("{unknown} of {} lines are no commands of an ASA", known + unknown);
            self.findings.push(
                Finding::of(&PH001, file.line_span(1), message)
                    .help("The file is in another language, or what `show running-config` printed was cut."),
            );
        }
    }

    /// The text of a place in the files.
    fn text_of(&self, span: Span) -> &'a str {
        let at = self.files.partition_point(|file| file.base <= span.start);
        let file = at.checked_sub(1).and_then(|at| self.files.get(at));
        let text = file.and_then(|file| {
            file.text.get((span.start - file.base) as usize..(span.end - file.base) as usize)
        });
        text.unwrap_or("")
    }

    /// The kinds of all groups, before anything else is read: an entry cannot be understood without them.
    fn scan_groups(&mut self, file: &'a SourceFile) {
        for Line { text, .. } in text::lines(file) {
            let Some(rest) = text.trim_start().strip_prefix("object-group ") else { continue };
            let mut words = rest.split_ascii_whitespace();
            let (kind, name, tail) = (words.next(), words.next(), words.next());
            if let (Some(kind), Some(name)) = (kind, name) {
                self.group_kinds.insert(name, object::group_kind(kind, tail));
            }
        }
    }

    fn line(&mut self, words: &[Named<'a>], span: Span, indent: bool) {
        let first = words[0].text;
        if first.starts_with('!') {
            // In a running-config a lone mark at the margin ends a block; before another indented line it is a comment.
            self.closing |= first == "!" && !indent && self.indented;
            return;
        }
        if std::mem::take(&mut self.closing) && !indent {
            self.close();
        }
        if first.starts_with(':') || first.bytes().all(|byte| matches!(byte, b'#' | b'-')) {
            return;
        }
        self.lines.0 += 1;
        let mut w = Words::new(words, span);
        if first.eq_ignore_ascii_case("access-list") {
            if !indent {
                self.close();
            }
            return self.run(&mut w, |p, w| p.access_list(w, indent));
        }
        if self.block != Block::None {
            self.indented |= indent;
            let mark = w.mark();
            match self.sub(&mut w) {
                Ok(Sub::Done) => return,
                Ok(Sub::NotMine) => w.reset(mark),
                Err(error) if indent => return self.error(error, span),
                // A line at the margin that does not fit the block is one of the top level.
                Err(error) => {
                    w.reset(mark);
                    if commands::look_up(&w).is_none() {
                        return self.error(error, span);
                    }
                }
            }
            let loose = self.block == Block::Other(true) && !self.indented && commands::look_up(&w).is_none();
            if indent || loose {
                return self.unknown_in_block(&mut w);
            }
            self.close();
        }
        self.run(&mut w, Self::top);
    }

    fn close(&mut self) {
        self.block = Block::None;
        self.indented = false;
    }

    fn open(&mut self, block: Block) {
        self.block = block;
        self.indented = false;
    }

    fn run<'w>(
        &mut self,
        w: &mut Words<'w, 'a>,
        read: impl FnOnce(&mut Self, &mut Words<'w, 'a>) -> Parsed<()>,
    ) {
        let span = w.line;
        if let Err(error) = read(self, w) {
            self.error(error, span);
        }
    }

    fn error(&mut self, error: Expected, line: Span) {
        let text = self.text_of(line);
        let command = text.split_ascii_whitespace().find(|word| *word != "no");
        if matches!(command, Some("nat" | "static" | "global" | "access-group")) {
            self.config.unread.get_or_insert(Named { text, span: line });
        }
        let message = if error.span.start >= line.end {
            format!("the line ends where {} should be", error.what)
        } else {
            format!("expected {}", error.what)
        };
        self.findings.push(
            Finding::of(&PH001, line, message)
                .related(error.span, "here")
                .help("This line was left out; all others were read."),
        );
    }

    fn unsupported(&mut self, span: Span, message: impl Into<String>, help: &str) {
        self.findings.push(Finding::of(&PH002, span, message).help(help));
    }

    /// A line of the open block.
    fn sub(&mut self, w: &mut Words<'_, 'a>) -> Parsed<Sub> {
        if w.peek().is_some_and(|word| word.starts_with("description")) && self.block != Block::None {
            return Ok(Sub::Done);
        }
        match self.block {
            Block::None => Ok(Sub::NotMine),
            Block::Interface(at) => self.interface_line(at, w),
            Block::Network(at) => self.network_line(at, w),
            Block::Service(at) => self.service_line(at, w),
            Block::Group(at) => self.group_line(at, w),
            Block::Class(at) => self.class_line(at, w),
            Block::Policy(at) => self.policy_line(at, w),
            Block::TimeRange(at) => self.time_range_line(at, w),
            Block::Webvpn => self.webvpn_line(w),
            Block::Other(_) => Ok(Sub::NotMine),
        }
    }

    /// A line of a block that means nothing to the tree.
    fn unknown_in_block(&mut self, w: &mut Words<'_, 'a>) {
        let decides = !matches!(self.block, Block::Other(_) | Block::Webvpn | Block::Interface(_));
        if decides {
            let word = w.peek().unwrap_or_default();
            self.unsupported(
                w.line,
                format!("`{word}` is not known in this block"),
                "The line was left out. If it decides about traffic, the answer may be incomplete.",
            );
        }
        if w.eat("vpn-filter") {
            w.eat("value");
            if let (Some(acl), Some(policy)) = (w.take().filter(|name| name.text != "none"), self.subject) {
                self.config.vpn_filters.push(VpnFilter { span: w.line, policy, acl });
            }
        }
        self.mention(w);
    }

    /// Remembers the words of a line that is not in the tree.
    fn mention(&mut self, w: &mut Words<'_, 'a>) {
        while let Some(word) = w.take() {
            self.config.mentions.insert(word.text);
        }
    }

    /// A line of the top level.
    fn top(&mut self, w: &mut Words<'_, 'a>) -> Parsed<()> {
        let mark = w.mark();
        let negated = w.eat("no");
        if self.known(w, negated)? {
            return Ok(());
        }
        w.reset(mark);
        self.classify(w);
        Ok(())
    }

    /// A command that is not in the tree: looks it up in the table, and opens its block.
    fn classify(&mut self, w: &mut Words<'_, 'a>) {
        let first = w.peek().unwrap_or_default();
        let (command, support) = match commands::look_up(w) {
            Some(command) => (command.words, command.support),
            None => (first, Support::Unknown),
        };
        if support == Support::Unknown {
            self.lines.0 -= 1;
            self.lines.1 += 1;
        }
        self.subject = w.peek_at(1);
        self.other(w.line, command, support);
        self.open(Block::Other(commands::opens_block(command)));
        self.mention(w);
    }

    /// A finding for a line that is not in the tree, unless it says nothing about traffic.
    fn other(&mut self, span: Span, command: &'a str, support: Support) {
        let what = match support {
            Support::Unknown => Some("unknown command"),
            Support::NotModelled => Some("not in the model:"),
            Support::Modelled | Support::Irrelevant => None,
        };
        if let Some(what) = what {
            let help = match commands::note(command) {
                "" => "It may decide about traffic. The answers leave it out.".to_string(),
                note => format!("It may decide about traffic ({note}). The answers leave it out."),
            };
            self.unsupported(span, format!("{what} `{command}`"), &help);
        }
        self.config.others.push(Other { span, command, support });
    }

    /// PIX 6 speaks another language: nothing after its version is read.
    fn foreign(&mut self, version: Named<'a>, line: Span) {
        let message = format!("the configuration is of PIX {}, which is not read", version.text);
        self.findings
            .push(Finding::of(&PH001, line, message).label("nothing after this line was read").help(
            "PIX 7 and ASA are read. PIX 6 has conduits, `fixup` and other commands that mean other things.",
        ));
        self.config.foreign = Some(Named { text: self.text_of(line), span: line });
    }

    fn version(&mut self, product: &str, w: &mut Words<'_, 'a>) -> Parsed<bool> {
        if !w.eat("Version") {
            return Ok(false);
        }
        let line = w.line;
        let word = w.name("a version")?;
        match version(word.text) {
            // Versions of FTD count for themselves; all are later than 9.0.
            Some(version) if product == "NGFW" => {
                self.config.version = Some((Version { major: 9, minor: version.minor }, line));
            }
            Some(version) if version.major < 7 => self.foreign(word, line),
            Some(version) => self.config.version = Some((version, line)),
            None => self.unsupported(
                line,
                format!("`{}` is no version number", word.text),
                "The version decides whether access-lists hold real or mapped addresses. Version 9 is assumed.",
            ),
        }
        Ok(true)
    }
}

/// `9.6(3)8` as major and minor number.
fn version(word: &str) -> Option<Version> {
    let (major, rest) = word.split_once('.')?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    Some(Version { major: major.parse().ok()?, minor: rest[..digits].parse().ok()? })
}

/// The words of a line; a NUL counts as white space.
fn split<'a>(line: &'a str, start: u32, words: &mut Vec<Named<'a>>) {
    words.clear();
    let bytes = line.as_bytes();
    let blank = |b: u8| b.is_ascii_whitespace() || b == 0;
    let mut at = 0;
    while at < bytes.len() {
        if blank(bytes[at]) {
            at += 1;
            continue;
        }
        let end = bytes[at..].iter().position(|b| blank(*b)).map_or(bytes.len(), |len| at + len);
        words.push(Named { text: &line[at..end], span: Span::new(start + at as u32, start + end as u32) });
        at = end;
    }
}

#[cfg(test)]
mod tests;
