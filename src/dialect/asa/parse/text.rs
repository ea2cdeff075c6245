//! From the text of a file to the lines of a configuration: what terminals and listings put around them
//! is taken off here.
//!
//! A session that was recorded holds prompts (`fw/pri/act(config-if)# nameif outside`), marks of the pager
//! (`<--- More --->`, wiped with carriage returns), outputs of other commands, and lines that the terminal
//! broke. `show tech-support` heads each output with a banner of dashes.

use super::super::ast::Named;
use super::super::words::Words;
use super::{commands, split};
use crate::source::{SourceFile, Span};

/// The mark of the pager, which as many blanks wipe out, behind backspaces or a carriage return.
const MORE: &str = "<--- More --->";
/// Lines that the terminal may have made of one, beside the first.
const PIECES: usize = 4;

/// One line of a configuration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// The line without prompt and marks.
    pub text: &'a str,
    /// The offset of the text.
    pub start: u32,
}

/// The lines of a file that belong to a configuration.
pub(super) fn lines(file: &SourceFile) -> impl Iterator<Item = Line<'_>> {
    let mut next = file.base;
    // A lone carriage return ends a line too: old terminals, and the pager, write nothing else.
    let raw = file.text.split('\n').flat_map(move |line| {
        let mut at = next;
        next += line.len() as u32 + 1;
        line.trim_end_matches('\r').split('\r').map(move |text| {
            let line = Line { text, start: at };
            at += text.len() as u32 + 1;
            line
        })
    });
    let mut listing = Listing::Configuration;
    raw.filter_map(move |line| {
        let line = without_pager(line);
        if let Some(command) = banner(line.text) {
            listing = Listing::of(command);
            return None;
        }
        let Some(command) = after_prompt(line) else {
            return (listing == Listing::Configuration).then_some(line);
        };
        listing = Listing::of(command.text);
        (!leaves_configuration(command.text)).then_some(command)
    })
}

/// Commands of a session that are no configuration, with the least letters that tell them.
const SESSION: &[(&str, &str)] = &[
    ("show", "sh"),
    ("configure", "conf"),
    ("write", "wr"),
    ("terminal", "ter"),
    ("enable", "en"),
    ("copy", "cop"),
    ("ping", "pi"),
    ("more", "mor"),
];

/// Whether a command at a prompt leaves the configuration as it is.
fn leaves_configuration(command: &str) -> bool {
    let word = command.split_ascii_whitespace().next().unwrap_or("");
    let mut second = command.split_ascii_whitespace().skip(1);
    // `enable password` is a line of the configuration.
    SESSION.iter().any(|(whole, least)| short(word, least, whole))
        && !(word == "enable" && second.next() == Some("password"))
}

/// Whether a word is a command or a part of it that is long enough.
fn short(word: &str, least: &str, whole: &str) -> bool {
    word.starts_with(least) && whole.starts_with(word)
}

/// What the lines after a command are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listing {
    Configuration,
    Other,
}

impl Listing {
    /// The listing that a command gives; what is no listing leads on with configuration.
    fn of(command: &str) -> Self {
        let mut words = command.split_ascii_whitespace();
        let (first, second) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let config = short(second, "run", "running-config")
            || short(second, "start", "startup-config")
            || short(second, "access-l", "access-list")
            || matches!(second, "nat" | "configuration");
        if short(first, "sh", "show") && !config { Listing::Other } else { Listing::Configuration }
    }
}

fn without_pager(mut line: Line<'_>) -> Line<'_> {
    while let Some(rest) = line.text.trim_start().strip_prefix(MORE) {
        let rest = rest.trim_start_matches('\u{8}');
        let blanks = rest.bytes().take(MORE.len()).take_while(|byte| *byte == b' ').count();
        let text = rest[blanks..].trim_start_matches('\u{8}');
        line = Line { text, start: line.start + (line.text.len() - text.len()) as u32 };
    }
    line
}

/// The command that a banner of `show tech-support` names.
fn banner(line: &str) -> Option<&str> {
    let inner = line.trim();
    let rest = inner.trim_start_matches('-');
    (inner.len() - rest.len() >= 5)
        .then(|| rest.trim_matches(|c| c == '-' || c == ' '))
        .filter(|c| !c.is_empty())
}

/// The command after a prompt: `NAME# `, `NAME> `, `NAME/pri/act(config-if)# `.
fn after_prompt(line: Line<'_>) -> Option<Line<'_>> {
    let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/');
    let text = line.text.trim_start();
    let end = text.bytes().position(|byte| !name(byte)).filter(|end| *end > 0)?;
    let (mode, rest) = match text[end..].strip_prefix('(') {
        Some(inner) => inner.split_once(')')?,
        None => ("", &text[end..]),
    };
    let command = rest.strip_prefix(['#', '>'])?;
    // `name#word` may be anything, `name(config)#word` is not.
    let plain = command.is_empty() || command.starts_with(' ') || mode.starts_with("config");
    let text = command.trim_start();
    plain.then(|| Line { text, start: line.start + (line.text.len() - text.len()) as u32 })
}

/// An entry of an access-list with the lines after it that may be the rest of it.
pub(in super::super) struct Broken {
    /// The offset of its first line.
    pub start: u32,
    /// The lines as one, put together without and with a blank between.
    texts: [String; 2],
    /// Offsets and lengths of the pieces.
    pieces: Vec<(u32, usize)>,
}

impl Broken {
    /// The lines that it takes beside the first.
    pub(super) fn more(&self) -> usize {
        self.pieces.len() - 1
    }

    /// The words of the line as one, with their places in the file.
    pub(super) fn words<'b>(&'b self, blank: bool, words: &mut Vec<Named<'b>>) -> Span {
        let text = &self.texts[usize::from(blank)];
        split(text, 0, words);
        let place = |mut at: usize, end: bool| {
            for (start, len) in &self.pieces {
                if at < *len || (end && at == *len) {
                    return start + at as u32;
                }
                at -= len + usize::from(blank);
            }
            self.pieces.last().map_or(self.start, |(start, len)| start + *len as u32)
        };
        for word in words.iter_mut() {
            let span = word.span;
            word.span = Span::new(place(span.start as usize, false), place(span.end as usize, true));
        }
        let last = self.pieces.last().map_or(self.start, |(start, len)| start + *len as u32);
        Span::new(self.start, last)
    }
}

/// Entries that a terminal may have broken: what follows them is no command of its own.
pub(in super::super) fn broken(file: &SourceFile) -> Vec<Broken> {
    let mut out = Vec::new();
    let mut lines = lines(file).peekable();
    let mut words = Vec::new();
    while let Some(first) = lines.next() {
        if !first.text.starts_with("access-list ") {
            continue;
        }
        let mut pieces = vec![first];
        while pieces.len() <= PIECES
            && let Some(next) = lines.next_if(|next| continues(*next, &mut words))
        {
            pieces.push(next);
        }
        if pieces.len() > 1 {
            let texts =
                ["", " "].map(|glue| pieces.iter().map(|piece| piece.text).collect::<Vec<_>>().join(glue));
            let pieces = pieces.iter().map(|piece| (piece.start, piece.text.len())).collect();
            out.push(Broken { start: first.start, texts, pieces });
        }
    }
    out
}

/// Whether a line can be the rest of the one before: no command, no comment, no mark between listings.
fn continues<'a>(line: Line<'a>, words: &mut Vec<Named<'a>>) -> bool {
    split(line.text, line.start, words);
    let Some(first) = words.first() else { return false };
    let marked = first.text.starts_with(['!', ':', '#', '-']);
    let says = line.text.bytes().any(|byte| byte.is_ascii_alphanumeric());
    says && !marked && commands::look_up(&Words::new(words, first.span)).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceMap;

    fn read(text: &str) -> Vec<String> {
        let mut sources = SourceMap::new();
        let id = sources.add("config", text.as_bytes().to_vec()).unwrap();
        let file = sources.file(id);
        let all: Vec<_> = lines(file).filter(|line| !line.text.trim().is_empty()).collect();
        for line in &all {
            let at = (line.start - file.base) as usize;
            assert_eq!(&file.text[at..at + line.text.len()], line.text);
        }
        all.iter().map(|line| line.text.to_string()).collect()
    }

    #[test]
    fn prompts_and_pagers_are_no_part_of_a_line() {
        assert_eq!(
            read("edge-1/sec/stby(config-if)# nameif dmz\nedge-1# conf t\nedge-1> name 192.0.2.1 x\n"),
            ["nameif dmz", "name 192.0.2.1 x"]
        );
        assert_eq!(
            read("<--- More --->\r              \r nameif dmz\r\n<--- More --->              names\rend"),
            [" nameif dmz", "names", "end"]
        );
        let wiped = format!("<--- More --->{0}{1}{0} names\n", "\u{8}".repeat(14), " ".repeat(14));
        assert_eq!(read(&wiped), [" names"], "wiped with backspaces");
        assert_eq!(read("access-list a#b remark"), ["access-list a#b remark"]);
    }

    #[test]
    fn only_listings_of_configurations_are_read() {
        let text = "------------------ show version ------------------\nuptime 3 days\n\
                    ------------------ show running-config ------------------\nnames\n\
                    fw# show conn\nTCP outside\nfw# sh run access-list\naccess-list A\n";
        assert_eq!(read(text), ["names", "access-list A"]);
    }
}
