//! Entries that could not be read, and those that a terminal broke into several lines.

use super::super::ast::{Ace, AclKind, Address, Entry, Host, Icmp, Named, Ports, Protocol, Service};
use super::super::words::Words;
use super::Parser;
use super::acl::list_kind;
use super::text::Broken;
use crate::finding::Finding;
use crate::rule::PH001;
use crate::source::Span;

impl<'a> Parser<'a> {
    /// Whether a line is an entry without anything unknown in it: what two broken lines give may be nonsense.
    pub(super) fn is_entry(&mut self, w: &mut Words<'_, 'a>) -> bool {
        w.take();
        let (Some(_), true) = (w.take(), !w.eat("line") || w.number::<u32>("a line number").is_ok()) else {
            return false;
        };
        if w.eat("remark") {
            return true;
        }
        match list_kind(w) {
            Ok(AclKind::Extended) => self.extended(w).is_ok_and(|ace| self.is_plain(&ace)),
            Ok(AclKind::Standard) => self.standard(w).is_ok(),
            _ => false,
        }
    }

    /// Whether all literals are known ones.
    fn is_plain(&self, ace: &Ace<'a>) -> bool {
        let Service { protocol, source, destination, icmp } = &ace.service;
        let host = |host: Host<'_>| match host {
            Host::Name(name) => self.config.names.contains_key(name.text),
            Host::V4(_) | Host::V6(_) => true,
        };
        let address = |address: Address<'_>| match address {
            Address::Host(of) | Address::Net(of, _) => host(of),
            Address::Range(from, to) => host(from) && host(to),
            _ => true,
        };
        let ports = |ports: &Ports<'_>| !matches!(ports, Ports::Unknown(_));
        !matches!(protocol, Protocol::Unknown(_))
            && !matches!(icmp, Icmp::Unknown(_))
            && ports(source)
            && ports(destination)
            && address(ace.source)
            && address(ace.destination)
    }

    /// An entry that a terminal broke into several lines: read as one where that gives one entry, else
    /// nobody knows what the list does there.
    pub(super) fn broken_entry(&mut self, broken: &'a Broken) {
        let (mut words, mut spaced) = (Vec::new(), Vec::new());
        let span = broken.words(false, &mut words);
        broken.words(true, &mut spaced);
        let good = self.is_entry(&mut Words::new(&words, span));
        let good_spaced = self.is_entry(&mut Words::new(&spaced, span));
        let texts = |words: &[Named<'a>]| words.iter().map(|word| word.text).collect::<Vec<_>>();
        let remark = words.get(2).is_some_and(|word| word.text == "remark");
        if good && (!good_spaced || remark || texts(&words) == texts(&spaced)) {
            return self.line(&words, span, false);
        }
        if good_spaced && !good {
            return self.line(&spaced, span, false);
        }
        let Some(name) = words.get(1).copied() else { return };
        self.close();
        self.config.rules += 1;
        let at = self.acl(name, Some(AclKind::Extended));
        self.unread(at, None, span);
        self.findings.push(
            Finding::of(&PH001, span, "the entry is broken into several lines")
                .label("these lines do not read as one entry")
                .help("Set the terminal to a wide line (`terminal width 511`) and show the configuration again."),
        );
    }

    /// Remembers that an entry stands there which could not be read.
    pub(super) fn unread(&mut self, at: usize, line: Option<u32>, span: Span) {
        let text = self.text_of(span);
        self.insert(at, line, Entry::Unread(Named { text, span }));
    }
}
