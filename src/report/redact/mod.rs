//! Reports for others to read: addresses and the names of hosts and devices become stand-ins.
//!
//! A report is made anonymous before it is written in any form: the texts of its files, its findings and all else
//! that it says. So excerpts fit their marks, fingerprints are those of what is shown, and no form is left out.
//! One original has one stand-in in the whole report. Stand-ins of addresses are of 198.18.0.0/15 (RFC 2544) and
//! 2001:db8::/32 (RFC 3849): what shared a /24, or a /64, still does, with the same last byte, or the same low
//! number, so that ranges and prefixes within it mean what they meant. Hardware addresses are numbered.

mod addresses;
mod fields;
mod hardware;
mod names;

use std::ops::Range;

use crate::finding::Finding;
use crate::source::{SourceError, SourceMap, Span};

use addresses::Addresses;
pub(crate) use fields::Redact;
use hardware::Hardware;
pub(crate) use names::Named;
use names::Names;

/// Replaces what a reader is not to know.
pub(crate) struct Redactor {
    names: Names,
    addresses: Addresses,
    hardware: Hardware,
}

impl Redactor {
    /// One that knows these names, and those of hosts that configs tell.
    pub(crate) fn new(named: Vec<Named>, sources: &SourceMap) -> Redactor {
        let mut names = Names::default();
        named.into_iter().for_each(|named| names.add(named));
        for (_, file) in sources.files().filter(|(_, file)| file.path.extension().is_none_or(|e| e != "toml"))
        {
            names::of_hosts(&file.text, &mut names);
        }
        Redactor { names, addresses: Addresses::default(), hardware: Hardware::default() }
    }

    /// A text with stand-ins.
    pub(crate) fn text(&mut self, text: &str) -> String {
        let pieces = self.pieces(text);
        put(text, &pieces)
    }

    /// What is replaced in a text, in order, and by what.
    fn pieces(&mut self, text: &str) -> Vec<(Range<usize>, String)> {
        let bytes = text.as_bytes();
        let mut pieces = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let found = self.names.at(text, at);
            let found = found.or_else(|| self.hardware.at(text, at)).or_else(|| self.addresses.at(text, at));
            let Some((end, stand_in)) = found.filter(|(end, _)| *end > at) else {
                at += 1;
                continue;
            };
            if text[at..end] != stand_in {
                pieces.push((at..end, stand_in));
            }
            at = end;
        }
        pieces
    }

    /// The files with stand-ins; the findings are moved to them, and what they say is replaced.
    ///
    /// # Errors
    /// Where the files do not fit into one address space any more.
    pub(crate) fn sources(
        &mut self,
        sources: &SourceMap,
        findings: &mut [Finding],
    ) -> Result<SourceMap, SourceError> {
        let mut copy = SourceMap::new();
        let mut moves = Vec::with_capacity(sources.count());
        for (_, file) in sources.files() {
            let pieces = self.pieces(&file.text);
            let mut path = file.path.clone();
            path.redact(self);
            let id = copy.add(path, put(&file.text, &pieces).into_bytes())?;
            moves.push(Moves::new(file.base, copy.file(id).base, &pieces));
        }
        let moved = |span: Span| {
            let file = moves.partition_point(|file| file.from <= span.start).checked_sub(1);
            file.map_or(span, |file| moves[file].span(span))
        };
        for finding in findings {
            finding.each_span(moved);
            finding.redact(self);
        }
        Ok(copy)
    }
}

/// A text with pieces of it replaced.
fn put(text: &str, pieces: &[(Range<usize>, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (place, stand_in) in pieces {
        out.push_str(&text[done..place.start]);
        out.push_str(stand_in);
        done = place.end;
    }
    out.push_str(&text[done..]);
    out
}

/// Where the text of a file went.
struct Moves {
    /// Its base as it was.
    from: u32,
    /// And as it is.
    to: u32,
    /// What was replaced: places before and after.
    pieces: Vec<(Range<u32>, Range<u32>)>,
}

impl Moves {
    fn new(from: u32, to: u32, pieces: &[(Range<usize>, String)]) -> Moves {
        let (mut old, mut new) = (0, 0);
        let pieces = pieces.iter().map(|(place, stand_in)| {
            let before = place.start as u32..place.end as u32;
            let start = new + (before.start - old);
            let after = start..start + stand_in.len() as u32;
            (old, new) = (before.end, after.end);
            (before, after)
        });
        Moves { from, to, pieces: pieces.collect() }
    }

    /// A place within what was replaced goes to its start or to its end.
    fn span(&self, span: Span) -> Span {
        let place = |at: u32, inside: fn(&Range<u32>) -> u32| {
            let at = at.saturating_sub(self.from);
            let before = self.pieces.partition_point(|(before, _)| before.start < at).checked_sub(1);
            self.to
                + match before.map(|piece| &self.pieces[piece]) {
                    None => at,
                    Some((before, after)) if at < before.end => inside(after),
                    Some((before, after)) => after.end + (at - before.end),
                }
        };
        Span::new(place(span.start, |after| after.start), place(span.end, |after| after.end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor() -> Redactor {
        let named = [("firewall", "edge"), ("device", "mcu-1"), ("device", "mcu")];
        let named = named.map(|(kind, name)| Named { kind, name: name.to_string() });
        Redactor::new(named.to_vec(), &SourceMap::new())
    }

    #[test]
    fn one_original_has_one_stand_in_and_neighbours_stay_neighbours() {
        let mut by = redactor();
        assert_eq!(by.text("10.1.2.10,10.1.2.20 10.9.0.0/16"), "198.18.0.10,198.18.0.20 198.18.1.0/16");
        assert_eq!(
            by.text("x10.1.2.10.rules:3 10.9.0.0 255.255.0.0"),
            "x198.18.0.10.rules:3 198.18.1.0 255.255.0.0"
        );
        assert_eq!(by.text("10.9/16 010.001.002.010"), "198.18.1.0/16 198.18.0.10");
        let six = by.text("[fd00:1::5]:80 fd00:1::/64, FD00:1:0:0::5. fd00:2::abcd:ef01:2:3/128");
        assert_eq!(six, "[2001:db8:0:1::5]:80 2001:db8:0:1::/64, 2001:db8:0:1::5. 2001:db8:0:2::1:0/128");
    }

    #[test]
    fn what_everybody_knows_stays() {
        let text = "0.0.0.0/0 127.0.0.1 ::/0 ::1 224.0.0.5 ff02::1 255.255.255.255 255.255.252.0 0.0.3.255 1.8.10 12:30:45 a:14:1";
        assert_eq!(redactor().text(text), text);
    }

    #[test]
    fn names_are_whole_words_and_the_longest_is_meant() {
        let text = redactor().text("edge.rules: Edge knows mcu-1, mcu and knowledge");
        assert_eq!(text, "firewall-1.rules: firewall-1 knows device-1, device-2 and knowledge");
    }

    #[test]
    fn an_address_does_not_stand_for_itself() {
        assert_eq!(redactor().text("198.18.0.1 2001:db8:0:1::1"), "198.18.1.1 2001:db8:0:2::1");
    }

    #[test]
    fn hosts_of_configs_are_known() {
        let config = "hostname fw-berlin\nname 10.1.2.10 mcu-berlin\nobject network sbc-berlin\n host 10.1.2.11\n\
                      define turn_berlin = 10.1.2.12\nobject network net-berlin\n subnet 10.1.2.0 255.255.255.0\n fqdn v4 x.berlin.example\n";
        let mut sources = SourceMap::new();
        sources.add("fw.cfg", config.as_bytes().to_vec()).unwrap();
        let text = Redactor::new(Vec::new(), &sources).text(config);
        for name in ["fw-berlin", "mcu-berlin", "sbc-berlin", "turn_berlin", "x.berlin.example"] {
            assert!(!text.contains(name), "{name}: {text}");
        }
        assert!(text.contains("net-berlin"), "{text}");
    }

    #[test]
    fn places_move_with_the_text() {
        let text = "a 10.1.2.10 b fd00:1:2:3:4:5:6:7 c";
        let mut sources = SourceMap::new();
        sources.add("before", b"10.0.0.1".to_vec()).unwrap();
        let id = sources.add("f", text.as_bytes().to_vec()).unwrap();
        let base = sources.file(id).base;
        let span = |word: &str| {
            let at = base + text.find(word).unwrap() as u32;
            Span::new(at, at + word.len() as u32)
        };
        let lint = &crate::rule::PH101;
        let words = ["a", "10.1.2.10", "1.2", "b", "10.1.2.10 b", "fd00:1:2:3:4:5:6:7", "c"];
        let mut findings: Vec<Finding> =
            words.iter().map(|word| Finding::of(lint, span(word), "x")).collect();
        let copy = redactor().sources(&sources, &mut findings).unwrap();
        let seen: Vec<&str> = findings.iter().map(|finding| copy.text(finding.span.unwrap())).collect();
        let (four, six) = ("198.18.1.10", "2001:db8:0:1::1:0");
        assert_eq!(seen, ["a", four, four, "b", "198.18.1.10 b", six, "c"]);
    }
}
