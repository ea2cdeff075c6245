//! Commands that change what stood before: `no …`, `clear configure …`, `access-list … rename`.
//!
//! Source: *Cisco ASA Series Command Reference*: `no` before a command takes out the line that says the
//! same; `clear configure` takes out all lines of a command; `access-list rename`.

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::ast::{Direction, Entry, Named, OldNat};
use super::super::literals;
use super::super::words::{Parsed, Words};
use super::Parser;
use crate::source::Span;

/// How often a list is put in order because an entry was taken out before one with a line number.
const SETTLED: u32 = 64;

/// Things that a `no` can take out one by one; numbers are places in the tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Held {
    /// An entry of an access-list.
    Entry(usize),
    /// An element of an object-group.
    Member(usize),
    Binding,
    Nat,
    OldNat,
    Access,
    Icmp,
    Policy,
    Route,
    Listener,
}

/// What is left of one kind: where the lines that say a thing stand, each with its ending, and which were taken out.
#[derive(Default)]
struct Lines {
    read: usize,
    places: FxHashMap<String, Vec<(String, u32)>>,
    gone: FxHashSet<u32>,
}

/// What a `no` found.
enum TakenOut {
    /// Lines that say the same.
    Same,
    /// Lines that say the same but for their ending, at these places.
    Near(Vec<u32>),
    /// None.
    Nothing,
}

/// What was taken out.
#[derive(Default)]
pub(super) struct Undo {
    lines: FxHashMap<Held, Lines>,
    settled: FxHashMap<usize, u32>,
}

impl Undo {
    /// What was taken out of a kind, which starts anew.
    pub(super) fn forget(&mut self, held: Held) -> FxHashSet<u32> {
        self.lines.remove(&held).map_or_else(FxHashSet::default, |lines| lines.gone)
    }

    fn gone(&self, held: Held) -> bool {
        self.lines.get(&held).is_some_and(|lines| !lines.gone.is_empty())
    }
}

impl<'a> Parser<'a> {
    /// Takes out the lines of a kind that say the same: a box holds each once, and writing it again changes nothing.
    fn take_out(&mut self, held: Held, line: Span) -> TakenOut {
        let (wanted, ending) = meaning(self.text_of(line));
        let mut lines = self.undo.lines.remove(&held).unwrap_or_default();
        for span in self.spans(held, lines.read) {
            let place = lines.read as u32;
            let (said, ending) = meaning(self.text_of(span));
            lines.places.entry(said).or_default().push((ending, place));
            lines.read += 1;
        }
        let mut found = TakenOut::Nothing;
        if let Some(known) = lines.places.get_mut(&wanted) {
            let same = known.extract_if(.., |(known, _)| *known == ending).map(|(_, place)| place);
            let before = lines.gone.len();
            lines.gone.extend(same);
            if lines.gone.len() > before {
                found = TakenOut::Same;
            } else if !known.is_empty() {
                found = TakenOut::Near(known.iter().map(|(_, place)| *place).collect());
            }
        }
        self.undo.lines.insert(held, lines);
        found
    }

    /// The lines of a kind from a place on.
    fn spans(&self, held: Held, from: usize) -> Vec<Span> {
        fn rest<T>(all: &[T], from: usize, span: impl Fn(&T) -> Span) -> Vec<Span> {
            all.iter().skip(from).map(span).collect()
        }
        let config = &self.config;
        match held {
            Held::Entry(at) => rest(&config.acls[at].entries, from, |entry| entry.span()),
            Held::Member(at) => rest(&config.groups[at].members, from, |(span, _)| *span),
            Held::Binding => rest(&config.access_groups, from, |group| group.span),
            Held::Nat => rest(&config.nats, from, |nat| nat.span),
            Held::OldNat => rest(&config.old_nats, from, OldNat::span),
            Held::Access => rest(&config.accesses, from, |access| access.span),
            Held::Icmp => rest(&config.icmp_rules, from, |rule| rule.span),
            Held::Policy => rest(&config.service_policies, from, |policy| policy.span),
            Held::Route => rest(&config.routes, from, |route| route.span),
            Held::Listener => rest(&config.listeners, from, |listener| listener.span),
        }
    }

    /// Leaves out what was taken out, and puts entries in order.
    pub(super) fn finish(&mut self) {
        for at in 0..self.config.acls.len() {
            self.order_entries(at);
        }
        for at in 0..self.config.groups.len() {
            let gone = self.undo.forget(Held::Member(at));
            leave(&mut self.config.groups[at].members, &gone);
        }
        self.leave_out();
    }

    /// Leaves out of the rows of single lines what was taken out of them.
    fn leave_out(&mut self) {
        let undo = &mut self.undo;
        let config = &mut self.config;
        leave(&mut config.access_groups, &undo.forget(Held::Binding));
        leave(&mut config.nats, &undo.forget(Held::Nat));
        leave(&mut config.old_nats, &undo.forget(Held::OldNat));
        leave(&mut config.accesses, &undo.forget(Held::Access));
        leave(&mut config.icmp_rules, &undo.forget(Held::Icmp));
        leave(&mut config.service_policies, &undo.forget(Held::Policy));
        leave(&mut config.routes, &undo.forget(Held::Route));
        leave(&mut config.listeners, &undo.forget(Held::Listener));
    }

    /// Puts a list in order if something was taken out of it, so that line numbers count what is left.
    /// False where that happened too often.
    pub(super) fn settle(&mut self, at: usize) -> bool {
        if !self.undo.gone(Held::Entry(at)) {
            return true;
        }
        let times = self.undo.settled.entry(at).or_default();
        *times += 1;
        if *times > SETTLED {
            return false;
        }
        self.order_entries(at);
        true
    }

    /// `clear configure access-list NAME` and `no access-list NAME`: the list is empty from here on.
    fn forget_acl(&mut self, name: &str) {
        if let Some(at) = self.acls.get(name).copied() {
            self.undo.forget(Held::Entry(at));
            self.places.remove(&at);
            let acl = &mut self.config.acls[at];
            acl.entries.clear();
            acl.kind = None;
        }
    }

    /// `access-list OLD rename NEW`: what names the old list up to here names it by the new name.
    pub(super) fn rename(&mut self, old: super::Named<'a>, new: super::Named<'a>) {
        if self.acls.contains_key(new.text) {
            return;
        }
        let Some(at) = self.acls.remove(old.text) else { return };
        self.acls.insert(new.text, at);
        self.config.acls[at].name = new;
        for group in self.config.access_groups.iter_mut().filter(|group| group.acl.text == old.text) {
            group.acl = super::Named { text: new.text, span: group.acl.span };
        }
    }

    /// `clear`, the word taken; false where nothing of the tree is cleared.
    pub(super) fn clear(&mut self, w: &mut Words<'_, 'a>) -> bool {
        // `clear xlate`, `clear conn`: the configuration stays.
        if !w.eat("configure") {
            return w.peek().is_some_and(|word| !"configure".starts_with(word));
        }
        let Some(what) = w.take() else { return false };
        self.leave_out();
        let config = &mut self.config;
        match what.text {
            "access-list" => match w.take() {
                Some(name) => self.forget_acl(name.text),
                None => {
                    let names: Vec<&str> = self.acls.keys().copied().collect();
                    names.into_iter().for_each(|name| self.forget_acl(name));
                }
            },
            "access-group" => self.config.access_groups.clear(),
            "nat" => {
                config.nats.clear();
                config.old_nats.retain(|nat| !matches!(nat, OldNat::Nat { .. }));
                config.objects.iter_mut().for_each(|object| object.nat = None);
            }
            "static" => config.old_nats.retain(|nat| !matches!(nat, OldNat::Static { .. })),
            "global" => config.old_nats.retain(|nat| !matches!(nat, OldNat::Global { .. })),
            "ssh" | "telnet" | "http" | "snmp-server" => {
                config
                    .accesses
                    .retain(|access| access.service.command().split(' ').next() != Some(what.text));
                config.clear_text.retain(|(_, said)| said.command() != what.text);
            }
            "icmp" => config.icmp_rules.clear(),
            "service-policy" => config.service_policies.clear(),
            "route" => config.routes.clear(),
            _ => return false,
        }
        true
    }

    /// `no …` where it changes the tree; false where it does not.
    pub(super) fn negated(&mut self, word: &'a str, w: &mut Words<'_, 'a>) -> Parsed<bool> {
        let config = &mut self.config;
        match word {
            "access-list" => self.no_entry(w)?,
            "access-group" => self.no_binding(w)?,
            "sysopt" if w.eat("connection") && w.eat("permit-vpn") => config.no_permit_vpn = Some(w.line),
            "same-security-traffic" => {
                w.keyword("permit")?;
                if w.eat("inter-interface") {
                    config.inter_interface = None;
                } else {
                    config.intra_interface = None;
                }
            }
            "snmp-server" if w.peek() == Some("enable") && w.peek_at(1).is_none() => config.no_snmp = true,
            "ssh" | "snmp-server" if matches!(w.peek(), Some("version" | "community")) => {
                config.clear_text.retain(|(_, said)| said.command() != word);
                return Ok(false);
            }
            "http" if w.eat("server") => config.http_server = None,
            "nat-control" => config.nat_control = None,
            "timeout" => {
                let of = w.peek();
                config.timeouts.retain(|(known, ..)| of.is_some_and(|of| of != *known));
            }
            "multicast-routing" => config.multicast = None,
            "management-access" => config.management_access = None,
            "service" => return Ok(self.resets(w, true)),
            "object" | "object-group" => {
                w.take();
                let name = w.name("a name")?;
                self.no_object(word, name.text, w.line);
            }
            _ => {
                let Some(held) = kind_of(word, w) else { return Ok(false) };
                let taken = |held: &Held| matches!(self.take_out(*held, w.line), TakenOut::Same);
                if !held.iter().any(taken) {
                    self.not_there(word, w.line);
                }
            }
        }
        Ok(true)
    }

    fn not_there(&mut self, word: &str, line: Span) {
        self.unsupported(
            line,
            format!("`no {word}` takes back a line that is not in this file"),
            "What stood before the file is not known. Give the running-config as it is after the change.",
        );
    }

    /// `no access-list NAME …`: the entry that says the same goes. Where there is only one that logs otherwise, which no
    /// list holds beside it, it may go or stay; where there is none, nobody knows what the list holds.
    fn no_entry(&mut self, w: &mut Words<'_, 'a>) -> Parsed<()> {
        let name = w.name("the name of an access-list")?;
        if w.done() {
            self.forget_acl(name.text);
            return Ok(());
        }
        let at = self.acl(name, None);
        let remark = w.peek() == Some("remark");
        match self.take_out(Held::Entry(at), w.line) {
            TakenOut::Same => {}
            TakenOut::Nothing | TakenOut::Near(_) if remark => {}
            TakenOut::Near(places) => {
                self.not_there("access-list", w.line);
                let no = Named { text: self.text_of(w.line), span: w.line };
                for place in places {
                    if let Some(Entry::Extended(ace)) = self.config.acls[at].entries.get_mut(place as usize) {
                        ace.taken_back = Some(no);
                    }
                }
            }
            TakenOut::Nothing => {
                self.not_there("access-list", w.line);
                self.unread(at, None, w.line);
            }
        }
        Ok(())
    }

    fn no_binding(&mut self, w: &mut Words<'_, 'a>) -> Parsed<()> {
        if let TakenOut::Same = self.take_out(Held::Binding, w.line) {
            return Ok(());
        }
        self.not_there("access-group", w.line);
        self.access_group(w)?;
        let unbound = self.config.access_groups.pop();
        self.config.unbound.extend(unbound.filter(|group| group.direction != Direction::ControlPlane));
        Ok(())
    }

    fn no_object(&mut self, word: &str, name: &'a str, line: Span) {
        let config = &mut self.config;
        let found = if let Some(at) = self.groups.get(name).filter(|_| word == "object-group") {
            config.groups[*at].members.clear();
            self.undo.forget(Held::Member(*at));
            true
        } else if let Some(at) = self.objects.get(name).filter(|_| word == "object") {
            (config.objects[*at].address, config.objects[*at].nat) = (None, None);
            true
        } else if let Some(at) = self.services.get(name).filter(|_| word == "object") {
            config.services[*at].service = None;
            true
        } else {
            false
        };
        if !found {
            self.not_there(word, line);
        }
    }

    /// `no` before an element of an object-group.
    pub(super) fn no_member(&mut self, at: usize, w: &mut Words<'_, 'a>) {
        if !matches!(self.take_out(Held::Member(at), w.line), TakenOut::Same) {
            self.not_there(w.peek().unwrap_or_default(), w.line);
            self.config.groups[at].damaged = true;
        }
    }
}

/// The kinds of lines that `no WORD` takes out.
fn kind_of(word: &str, w: &Words<'_, '_>) -> Option<&'static [Held]> {
    Some(match word {
        "nat" => &[Held::Nat, Held::OldNat],
        "static" | "global" => &[Held::OldNat],
        // `no ssh stricthostkeycheck` and the like say nothing of who may come.
        "ssh" | "telnet" | "http" if w.peek().is_some_and(|word| word.contains(['.', ':'])) => {
            &[Held::Access]
        }
        "snmp-server" if matches!(w.peek(), Some("host" | "host-group")) => &[Held::Access],
        "icmp" if w.peek() != Some("unreachable") => &[Held::Icmp],
        "service-policy" => &[Held::Policy],
        "route" => &[Held::Route],
        "dhcpd" | "dhcprelay" if w.peek() == Some("enable") => &[Held::Listener],
        "interface" | "class-map" | "policy-map" | "time-range" => &[],
        _ => return None,
    })
}

/// What a line says, without `no`, place and default words, and with numbers for the names of ports; and what an entry of
/// an access-list says behind addresses and ports.
fn meaning(line: &str) -> (String, String) {
    let (mut said, mut ending) = (String::with_capacity(line.len()), String::new());
    let mut words = line.split_ascii_whitespace().peekable();
    words.next_if_eq(&"no");
    let list = words.peek() == Some(&"access-list");
    let mut place = 0usize;
    while let Some(word) = words.next() {
        place += 1;
        if list && place == 3 && word == "line" {
            words.next();
            place = 2;
            continue;
        }
        if list && place == 3 && word == "extended" {
            continue;
        }
        if list && place > 3 && (!ending.is_empty() || matches!(word, "log" | "time-range" | "inactive")) {
            ending.push_str(word);
            ending.push(' ');
            continue;
        }
        said.push_str(&literals::port(word).map_or_else(|| word.to_string(), |port| port.to_string()));
        said.push(' ');
    }
    (said, ending)
}

fn leave<T>(all: &mut Vec<T>, gone: &FxHashSet<u32>) {
    if gone.is_empty() {
        return;
    }
    let mut at = 0u32;
    all.retain(|_| {
        at += 1;
        !gone.contains(&(at - 1))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_mean_the_same_however_they_are_written() {
        let written = "access-list out line 3 extended permit tcp any host 192.0.2.1 eq www";
        assert_eq!(meaning(written), meaning("no access-list out permit tcp any host 192.0.2.1  eq 80"));
        assert_ne!(meaning(written), meaning("access-list out extended permit tcp any host 192.0.2.1 eq 81"));
        let logs = meaning("access-list out permit tcp any host 192.0.2.1 eq 80 log 6 interval 60");
        assert_eq!(logs, (meaning(written).0, "log 6 interval 60 ".to_string()));
        assert_eq!(meaning("no ssh 192.0.2.0 255.255.255.0 out"), meaning("ssh 192.0.2.0 255.255.255.0 out"));
    }
}
