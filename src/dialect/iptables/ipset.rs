//! The output of `ipset save` (ipset(8), version 7).

use rustc_hash::FxHashMap;

use super::command::syntax_error;
use super::values;
use super::words::{self, Word};
use crate::dialect::names;
use crate::finding::Finding;
use crate::packet::{Family, Set, interface, interface_prefix};
use crate::rule::PH002;
use crate::source::{SourceFile, Span};

/// What one part of a set's entries is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    /// An address, or, where networks are allowed, one of those.
    Address,
    /// A protocol and a port.
    Port,
    /// A port of TCP or UDP (`bitmap:port`).
    PlainPort,
    /// An Ethernet address.
    Mac,
    /// An interface.
    Interface,
    /// A packet mark.
    Mark,
}

/// The value of one part of an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Value {
    /// Addresses, Ethernet addresses, interfaces, marks, or ports of TCP and UDP.
    Values(Set),
    /// A protocol, and its ports; ICMP has types and codes in place of ports: `type << 8 | code`.
    Ports(u8, u16, u16),
}

/// One entry of a set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    /// The parts, as the set's type has them.
    pub parts: Vec<Value>,
    /// An exception to larger networks.
    pub nomatch: bool,
    /// It goes away by itself.
    pub timeout: bool,
    /// Length of the prefix, where the entry is one network.
    pub prefix: u32,
}

/// One set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Ipset {
    /// Where it is created.
    pub span: Span,
    /// The family; `None` where the set has none.
    pub family: Option<Family>,
    /// What the parts are; empty for `list:set`.
    pub parts: Vec<Part>,
    /// The entries.
    pub entries: Vec<Entry>,
    /// The members of a `list:set`.
    pub members: Vec<String>,
    /// The type or an entry was not understood: contents are not known.
    pub unknown: bool,
    /// Length of the prefix that addresses are cut to (`netmask`).
    netmask: Option<u32>,
}

/// The sets that are known.
#[derive(Debug, Default)]
pub(super) struct Ipsets {
    /// The sets by name.
    pub sets: FxHashMap<String, Ipset>,
    /// A file was given: a set that is not in it does not exist.
    pub given: bool,
}

impl Ipsets {
    /// Reads a file into the sets.
    pub(super) fn read(&mut self, file: &SourceFile, findings: &mut Vec<Finding>) {
        self.given = true;
        let mut words = Vec::new();
        let mut at = 0;
        while at < file.text.len() {
            let end = file.text[at..].find('\n').map_or(file.text.len(), |len| at + len);
            let line = file.text[at..end].trim_end_matches('\r');
            let base = file.base + at as u32;
            at = end + 1;
            if line.trim_start().starts_with('#') || line.trim().is_empty() {
                continue;
            }
            words.clear();
            words::split(line, base, &mut words);
            let span = Span::new(base, base + line.len() as u32);
            if let Err(message) = self.line(&words, span) {
                let finding = syntax_error(span, message);
                findings.push(finding.help("The set's contents are taken as unknown."));
            }
        }
        for set in self.sets.values().filter(|set| set.unknown) {
            findings.push(
                Finding::of(&PH002, set.span, "the contents of this set are not understood")
                    .label("rules that use it depend on it"),
            );
        }
    }

    fn line(&mut self, words: &[Word<'_>], span: Span) -> Result<(), String> {
        let text = |at: usize| words.get(at).map(|word| word.text.as_ref());
        match (text(0), text(1), text(2)) {
            (Some("create" | "-N"), Some(name), Some(kind)) => {
                self.sets.insert(name.to_string(), create(kind, &words[3..], span));
                Ok(())
            }
            (Some("add" | "-A"), Some(name), Some(entry)) => {
                let set = self.sets.get_mut(name).ok_or_else(|| format!("set `{name}` was not created"))?;
                set.add(entry, &words[3..]).inspect_err(|_| set.unknown = true)
            }
            _ => Err("a line is `create NAME TYPE …` or `add NAME ENTRY …`".to_string()),
        }
    }
}

fn create(kind: &str, options: &[Word<'_>], span: Span) -> Ipset {
    let (method, parts) = kind.split_once(':').unwrap_or((kind, ""));
    let mut family = Some(Family::V4);
    let mut netmask = None;
    for pair in options.windows(2) {
        match (pair[0].text.as_ref(), pair[1].text.as_ref()) {
            ("family", "inet6") => family = Some(Family::V6),
            ("netmask", len) => netmask = values::number(len, 128).map(|len| len as u32),
            _ => {}
        }
    }
    let mut unknown = options.iter().any(|word| word.text == "bitmask");
    let mut list = Vec::new();
    for part in parts.split(',').filter(|_| method != "list") {
        match part {
            "ip" | "net" => list.push(Part::Address),
            "port" if method == "bitmap" => list.push(Part::PlainPort),
            "port" => list.push(Part::Port),
            "mac" => list.push(Part::Mac),
            "iface" => list.push(Part::Interface),
            "mark" => list.push(Part::Mark),
            _ => unknown = true,
        }
    }
    let addressed = list.iter().any(|part| matches!(part, Part::Address | Part::Port));
    unknown |= !matches!(method, "hash" | "bitmap" | "list");
    Ipset {
        span,
        family: family.filter(|_| addressed),
        parts: list,
        entries: Vec::new(),
        members: Vec::new(),
        unknown,
        netmask,
    }
}

impl Ipset {
    fn add(&mut self, entry: &str, options: &[Word<'_>]) -> Result<(), String> {
        if self.parts.is_empty() {
            self.members.push(entry.to_string());
            return Ok(());
        }
        let wrong = || format!("`{entry}` is no entry of this set");
        let family = self.family.unwrap_or(Family::V4);
        let mut prefix = family.bits();
        let mut parts = Vec::with_capacity(self.parts.len());
        let mut texts = entry.split(',');
        for part in &self.parts {
            let text = match texts.next() {
                Some(text) => text,
                // An entry of bitmap:ip,mac may lack its second part: any does.
                None if *part == Part::Mac => {
                    parts.push(Value::Values(Set::full()));
                    continue;
                }
                None => return Err(wrong()),
            };
            parts.push(self.value(*part, text, family, &mut prefix).ok_or_else(wrong)?);
        }
        if texts.next().is_some() {
            return Err(wrong());
        }
        let timeout = options.windows(2).any(|pair| {
            pair[0].text == "timeout" && values::number(&pair[1].text, u64::MAX).is_none_or(|n| n > 0)
        });
        let nomatch = options.iter().any(|word| word.text == "nomatch");
        self.entries.push(Entry { parts, nomatch, timeout, prefix });
        Ok(())
    }

    fn value(&self, part: Part, text: &str, family: Family, prefix: &mut u32) -> Option<Value> {
        Some(match part {
            Part::Address => {
                let (lo, hi) = match text.split_once('-') {
                    Some((lo, hi)) => (values::address(lo, family)?, values::address(hi, family)?),
                    None => {
                        let (address, mask) = values::net(text, family).ok()?;
                        let len = values::prefix_len(mask, family)?;
                        *prefix = len;
                        family.prefix(address, len)
                    }
                };
                match self.netmask {
                    Some(len) => {
                        Value::Values(Set::range(family.prefix(lo, len).0, family.prefix(hi, len).1))
                    }
                    None => Value::Values(Set::range(lo, hi)),
                }
            }
            Part::PlainPort => {
                let (_, lo, hi) = ports(text, family)?;
                Value::Values(Set::range(lo.into(), hi.into()))
            }
            Part::Port => {
                let (protocol, lo, hi) = ports(text, family)?;
                Value::Ports(protocol, lo, hi)
            }
            Part::Mac => {
                let mac = values::mac(text)?;
                Value::Values(Set::one(mac.iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte))))
            }
            Part::Interface => {
                if text.starts_with("physdev:") {
                    return None;
                }
                match text.strip_suffix('+') {
                    Some(start) => {
                        let (lo, hi) = interface_prefix(start);
                        Value::Values(Set::range(lo, hi))
                    }
                    None => Value::Values(Set::one(interface(text))),
                }
            }
            Part::Mark => Value::Values(Set::one(values::number(text, u32::MAX.into())?.into())),
        })
    }
}

/// `[protocol:]port[-port]`; `icmp:type/code` or a name for ICMP.
fn ports(text: &str, family: Family) -> Option<(u8, u16, u16)> {
    let (protocol, text) = match text.split_once(':') {
        Some((protocol, rest)) => {
            let number = values::number(protocol, 255).map(|n| n as u8);
            (number.or_else(|| names::protocol(protocol))?, rest)
        }
        None => (names::proto::TCP, text),
    };
    if protocol == names::proto::ICMP || protocol == names::proto::ICMPV6 {
        let (kind, code, _) = values::icmp(text, family).ok()?;
        let number = u16::from(kind) << 8 | u16::from(code);
        return Some((protocol, number, number));
    }
    let (lo, hi) = text.split_once('-').unwrap_or((text, text));
    let (lo, hi) = (values::port(lo, protocol)?, values::port(hi, protocol)?);
    Some((protocol, lo.min(hi), lo.max(hi)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceMap;

    fn read(text: &str) -> (Ipsets, Vec<Finding>) {
        let mut map = SourceMap::new();
        let id = map.add("sets", text.as_bytes().to_vec()).unwrap();
        let (mut sets, mut findings) = (Ipsets::default(), Vec::new());
        sets.read(map.file(id), &mut findings);
        (sets, findings)
    }

    #[test]
    fn entries_have_the_parts_of_the_type() {
        let (sets, findings) = read(
            "create n hash:net family inet hashsize 1024 maxelem 65536\n\
             add n 10.0.0.0/8\nadd n 10.1.0.0/16 nomatch\n\
             create p hash:ip,port family inet6\nadd p 2001:db8::1,udp:5060-5061\nadd p 2001:db8::1,ipv6-icmp:128/0\n\
             create b bitmap:port range 0-1024\nadd b 80\n\
             create l list:set size 8\nadd l n\n\
             create t hash:ip timeout 300\nadd t 10.0.0.1 timeout 12\n",
        );
        assert_eq!(findings, []);
        let n = &sets.sets["n"];
        assert_eq!(n.family, Some(Family::V4));
        assert_eq!((n.entries[1].nomatch, n.entries[1].prefix), (true, 16));
        let p = &sets.sets["p"];
        assert_eq!(p.entries[0].parts[1], Value::Ports(17, 5060, 5061));
        assert_eq!(p.entries[1].parts[1], Value::Ports(58, 128 << 8, 128 << 8));
        assert_eq!(sets.sets["b"].entries[0].parts, [Value::Values(Set::one(80))]);
        assert_eq!(sets.sets["l"].members, ["n"]);
        assert!(sets.sets["t"].entries[0].timeout);
    }

    #[test]
    fn what_is_not_understood_makes_the_set_unknown() {
        let (sets, findings) =
            read("create s hash:ip\nadd s 10.0.0.1,80\nadd nosuch 1.2.3.4\ncreate x tree:foo\n");
        assert!(sets.sets["s"].unknown && sets.sets["x"].unknown);
        assert_eq!(findings.iter().filter(|f| f.code() == "PH001").count(), 2);
    }
}
