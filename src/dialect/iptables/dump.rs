//! Dumps: the input of `iptables-restore`, and what `iptables -S` prints.

use super::apply::{Place, Reader};
use super::ast::TableName;
use super::command::{Arg, load_error, syntax_error};
use super::family;
use super::words::{self, Word};
use crate::finding::Finding;
use crate::packet::Family;
use crate::rule::PH002;
use crate::source::Span;

/// Longest line that `iptables-restore` reads, its line end included.
const LINE_MAX: usize = 10239;

/// What `iptables-restore` is asked to do: iptables-restore(8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Restore {
    /// The family of the program.
    pub(super) family: Family,
    /// What is there stays (`--noflush`).
    pub(super) keep: bool,
}

/// How the lines of a dump are read.
pub(super) struct Dump<'r, 'c> {
    reader: &'r mut Reader<'c>,
    /// The families of the tables, those that come last first.
    families: Vec<&'static [Family]>,
    /// The open table: for each family that reads it its index, and where it begins.
    table: Option<(Vec<(usize, Family)>, Span)>,
    /// No `*table` line: a list of commands as `iptables -S` prints it.
    listing: bool,
    /// What is in the tables already stays, but for user chains that are named again.
    keep: bool,
    carriage: bool,
}

impl<'r, 'c> Dump<'r, 'c> {
    /// A reader of the lines of `text`. `forced` is their family, whatever they tell; `named` is what the name
    /// of the file tells.
    pub(super) fn new(
        reader: &'r mut Reader<'c>,
        forced: Option<Family>,
        named: Option<Family>,
        text: &str,
    ) -> Self {
        let listing = !text.lines().any(|line| line.trim_start_matches([' ', '\t']).starts_with('*'));
        let one = |family| if family == Family::V4 { &[Family::V4][..] } else { &[Family::V6][..] };
        let mut families = match listing {
            true => vec![one(forced.unwrap_or_else(|| family::of_listing(text, named)))],
            false => family::of_tables(text, named),
        };
        if let Some(forced) = forced {
            families.fill(one(forced));
        }
        families.reverse();
        Dump { reader, families, table: None, listing, keep: false, carriage: false }
    }

    /// A reader of what a script restores.
    pub(super) fn restored(reader: &'r mut Reader<'c>, restore: Restore, text: &str) -> Self {
        Dump { keep: restore.keep, ..Dump::new(reader, Some(restore.family), None, text) }
    }

    /// Reads all lines; `base` is the offset of the text.
    pub(super) fn read(&mut self, text: &str, base: u32) {
        let mut words = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let end = memchr::memchr(b'\n', &text.as_bytes()[at..]).map_or(text.len(), |len| at + len);
            self.line(text, (at, end), base, &mut words);
            at = end + 1;
        }
        if let Some((_, span)) = self.table.take()
            && !self.listing
        {
            self.reader.findings.push(
                load_error(span, "the table has no `COMMIT`")
                    .help("Add the line `COMMIT`. Without it, nothing of the table takes effect."),
            );
        }
    }

    fn line<'t>(
        &mut self,
        text: &'t str,
        (start, end): (usize, usize),
        base: u32,
        words: &mut Vec<Word<'t>>,
    ) {
        let mut line = &text[start..end];
        if let Some(rest) = line.strip_suffix('\r') {
            line = rest;
            self.carriage_return(Span::new(base + end as u32 - 1, base + end as u32));
        }
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        let trimmed = line[indent..].trim_end_matches([' ', '\t']);
        let from = base + (start + indent) as u32;
        let span = Span::new(from, from + trimmed.len() as u32);
        match trimmed.as_bytes() {
            [] => {}
            [b'#', ..] => {}
            _ if line.len() >= LINE_MAX => {
                let message = format!("a line of {} bytes, {LINE_MAX} are read", line.len());
                self.reader.findings.push(load_error(span, message));
            }
            [b'*', ..] => self.open_table(trimmed, span),
            b"COMMIT" if self.table.is_some() && !self.listing => self.table = None,
            [b':', ..] => self.chain(trimmed, span),
            _ => self.rule(trimmed, span, words),
        }
    }

    fn carriage_return(&mut self, span: Span) {
        if !std::mem::replace(&mut self.carriage, true) {
            self.reader.findings.push(
                load_error(span, "a line ends with a carriage return")
                    .help("Save the file with Unix line ends: names would carry the carriage return."),
            );
        }
    }

    fn open_table(&mut self, line: &str, span: Span) {
        let families = self.families.pop().unwrap_or(&[Family::V4]);
        if let Some((_, open)) = self.table.take() {
            self.reader
                .findings
                .push(load_error(span, "a table begins inside of another").related(open, "this one"));
        }
        let name = line[1..].split_ascii_whitespace().next().unwrap_or("");
        let Some(name) = TableName::of(name) else {
            self.reader.findings.push(load_error(span, format!("there is no table `{name}`")));
            // The rules are read as those of a table that no packet crosses, so that nothing is lost.
            let dead = |family: &Family| (self.reader.config.dead_table(*family, span), *family);
            self.table = Some((families.iter().map(dead).collect(), span));
            return;
        };
        let tables = families.iter().map(|family| (self.begin(*family, name, span), *family)).collect();
        self.table = Some((tables, span));
    }

    fn begin(&mut self, family: Family, name: TableName, span: Span) -> usize {
        if !self.keep
            && let Some(old) = self.reader.config.flush(family, name)
        {
            self.reader.findings.push(
                Finding::of(&PH002, span, format!("table `{}` is restored again", name.text()))
                    .label("replaces the rules restored before")
                    .related(old, "these rules are not in force")
                    .help("A restore flushes the tables it names. Keep one dump to a file and a host."),
            );
        }
        self.reader.config.table_or_new(family, name, span)
    }

    /// The tables that a line is in: one, or one for each family.
    fn places(&mut self, span: Span) -> Vec<Place<'static>> {
        if self.table.is_none() && self.listing {
            let families = self.families.pop().unwrap_or(&[Family::V4]);
            let table = |family: &Family| {
                (self.reader.config.table_or_new(*family, TableName::Filter, span), *family)
            };
            self.table = Some((families.iter().map(table).collect(), span));
        }
        let Some((tables, _)) = &self.table else {
            self.reader.findings.push(syntax_error(span, "a line outside of any table"));
            return Vec::new();
        };
        let place = |(table, family): &(usize, Family)| Place {
            family: *family,
            table: *table,
            span,
            conditions: &[],
            unknown: None,
            restore: true,
        };
        tables.iter().map(place).collect()
    }

    /// Does the same for each family that reads a line; what was said for the first is not said again.
    fn each(&mut self, span: Span, mut work: impl FnMut(&mut Reader<'c>, Place<'static>)) {
        let (said, written) = (self.reader.findings.len(), self.reader.written);
        for (at, place) in self.places(span).into_iter().enumerate() {
            let before = self.reader.findings.len();
            work(self.reader, place);
            if at > 0 {
                let new = self.reader.findings.split_off(before);
                let again = |finding: &Finding| self.reader.findings[said..].contains(finding);
                let new: Vec<Finding> = new.into_iter().filter(|finding| !again(finding)).collect();
                self.reader.findings.extend(new);
                self.reader.written = self.reader.written.min(written + 1);
            }
        }
    }

    /// `:CHAIN POLICY [packets:bytes]`.
    fn chain(&mut self, line: &str, span: Span) {
        let mut words = line[1..].split_ascii_whitespace();
        let (Some(name), policy) = (words.next(), words.next()) else {
            return self.reader.findings.push(syntax_error(span, "no chain after `:`"));
        };
        let part = |text: &str| {
            let at = span.start + 1 + offset(&line[1..], text);
            Span::new(at, at + text.len() as u32)
        };
        let arg = Arg { text: name, span: part(name), unresolved: false };
        let keep = self.keep;
        self.each(span, |reader, place| {
            let Some(chain) = reader.declare(arg, place, true) else { return };
            let table = &mut reader.config.tables[place.table];
            // A declaration empties a chain that is there, but for a built-in one of a table that was not flushed
            // (`ip46tables_restore_main` of iptables-restore.c).
            if !(keep && table.chains[chain].hook.is_some()) {
                table.chains[chain].clear();
            }
            table.chains[chain].span = span;
            match policy {
                None => {
                    reader.findings.push(syntax_error(span, format!("chain `{name}` is given no policy")))
                }
                Some("-") => {}
                Some(policy) => reader.policy(chain, policy, part(policy), place),
            }
        });
    }

    fn rule<'t>(&mut self, line: &'t str, span: Span, words: &mut Vec<Word<'t>>) {
        let (counters, rest) = match line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((counters, rest)) => (Some(counters), rest),
            None => (None, line),
        };
        if counters.is_some_and(|c| !is_counters(c)) {
            self.reader.findings.push(syntax_error(span, "counters are written as `[packets:bytes]`"));
        }
        words.clear();
        let closed = words::split(rest, span.start + (line.len() - rest.len()) as u32, words);
        if !closed {
            self.reader.findings.push(syntax_error(span, "a quote is not closed"));
        }
        const NOT_HERE: [&str; 6] = ["-t", "--table", "-w", "--wait", "-W", "--wait-interval"];
        if let Some(word) = words.iter().find(|w| !w.quoted && NOT_HERE.contains(&w.text.as_ref()))
            && !self.listing
        {
            self.reader
                .findings
                .push(load_error(word.span, format!("`{}` is not allowed in a dump", word.text)));
        }
        let first = words.first().map_or(span, |word| word.span);
        let whole = first.to(span);
        self.each(whole, |reader, place| {
            reader.command(words, place);
        });
    }
}

fn is_counters(text: &str) -> bool {
    text.split_once(':').is_some_and(|(packets, bytes)| {
        !packets.is_empty()
            && !bytes.is_empty()
            && (packets.bytes().chain(bytes.bytes())).all(|b| b.is_ascii_digit())
    })
}

/// Offset of a part of a text in it.
fn offset(text: &str, part: &str) -> u32 {
    (part.as_ptr() as usize - text.as_ptr() as usize) as u32
}
