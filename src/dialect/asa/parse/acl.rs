//! `access-list`, `ipv6 access-list` and `access-group`.
//!
//! Source: *Cisco ASA Series Command Reference*, `access-list extended`, `access-list standard`,
//! `access-group`, `ipv6 access-list`.

use super::super::ast::{
    AccessGroup, Ace, Acl, AclKind, Action, Address, Direction, Entry, Families, GroupKind, Icmp, Identity,
    Named, Ports, Protocol, Service,
};
use super::super::literals;
use super::super::words::{Expected, Parsed, Words, prefix6, v4};
use super::Parser;
use super::undo::Held;
use crate::source::Span;

const LEVELS: [&str; 8] = [
    "emergencies",
    "alerts",
    "critical",
    "errors",
    "warnings",
    "notifications",
    "informational",
    "debugging",
];

/// What comes after the addresses of an entry.
#[derive(Default)]
struct Tail<'a> {
    time_range: Option<Named<'a>>,
    inactive: bool,
    log: bool,
    shown: bool,
    rule_id: Option<Named<'a>>,
}

/// The values of EtherType that are IP; `any` is every one.
const IPV4: &[&str] = &["any", "ipv4", "800", "0800"];
const IPV6: &[&str] = &["any", "ipv6", "86dd"];

impl<'a> Parser<'a> {
    /// A line that starts with `access-list`.
    pub(super) fn access_list(&mut self, w: &mut Words<'_, 'a>, indent: bool) -> Parsed<()> {
        w.take();
        if w.peek_at(1).is_some_and(|next| next.bytes().all(|b| b.is_ascii_digit()) || next == "ACL")
            && matches!(w.peek(), Some("deny-flow-max" | "alert-interval" | "cached"))
        {
            return Ok(());
        }
        let mut name = w.name("the name of an access-list")?;
        if let Some(plain) = name.text.strip_suffix(';') {
            // `access-list NAME; 3 elements; name hash: 0x…` heads a list in `show access-list`.
            name = Named { text: plain, span: Span::new(name.span.start, name.span.end - 1) };
            let at = self.acl(name, None);
            self.shown.insert(at);
            return Ok(());
        }
        let line = if w.eat("line") { Some(w.number::<u32>("a line number")?) } else { None };
        if w.eat("remark") {
            self.rule_name(w);
            let at = self.acl(name, None);
            self.insert(at, line, Entry::Remark(w.line));
            return Ok(());
        }
        if w.eat("rename") {
            let new = w.name("the new name")?;
            self.rename(name, new);
            return w.end();
        }
        match list_kind(w) {
            Ok(kind) => self.entry(name, kind, line, indent, w),
            Err(error) => {
                let at = self.acl(name, Some(AclKind::Extended));
                self.unread(at, line, w.line);
                Err(error)
            }
        }
    }

    /// `remark rule-id 268434432: L7 RULE: NAME` of FTD.
    fn rule_name(&mut self, w: &mut Words<'_, 'a>) {
        if w.eat("rule-id")
            && let Some(id) = w.take().and_then(|word| word.text.strip_suffix(':'))
            && let Some((_, name)) = self.text_of(w.line).split_once("RULE:")
        {
            self.config.rule_names.insert(id, name.trim());
        }
    }

    /// A line that starts with `ipv6 access-list`, both words taken.
    pub(super) fn ipv6_access_list(&mut self, w: &mut Words<'_, 'a>) -> Parsed<()> {
        let name = w.name("the name of an access-list")?;
        let line = if w.eat("line") { Some(w.number::<u32>("a line number")?) } else { None };
        if w.eat("remark") {
            let at = self.acl(name, None);
            self.insert(at, line, Entry::Remark(w.line));
            return Ok(());
        }
        self.entry(name, AclKind::V6, line, false, w)
    }

    pub(super) fn acl(&mut self, name: Named<'a>, kind: Option<AclKind>) -> usize {
        let acls = &mut self.config.acls;
        let at = *self.acls.entry(name.text).or_insert_with(|| {
            acls.push(Acl { name, kind, entries: Vec::new() });
            acls.len() - 1
        });
        if acls[at].kind.is_none() {
            acls[at].kind = kind;
        }
        at
    }

    /// Puts an entry at its line number, or at the end. The entries stay in the order of the file until
    /// all are read; their places are kept beside.
    pub(super) fn insert(&mut self, at: usize, line: Option<u32>, entry: Entry<'a>) {
        if line.is_some() && !self.settle(at) {
            let span = entry.span();
            let text = self.text_of(span);
            self.config.acls[at].entries.push(Entry::Unread(Named { text, span }));
            return;
        }
        let entries = &mut self.config.acls[at].entries;
        let last = entries.len() as u32;
        entries.push(entry);
        if let Some(line) = line.filter(|line| (1..=last).contains(line)) {
            let places = self.places.entry(at).or_default();
            places.resize(last as usize, NO_PLACE);
            places.push(line - 1);
        }
    }

    /// Puts the entries of a list where their line numbers say, without those that were taken out.
    pub(super) fn order_entries(&mut self, at: usize) {
        let gone = self.undo.forget(Held::Entry(at));
        let places = self.places.remove(&at);
        if gone.is_empty() && places.is_none() {
            return;
        }
        let entries = std::mem::take(&mut self.config.acls[at].entries);
        let left = |(index, entry)| (!gone.contains(&(index as u32))).then_some(entry);
        let entries: Vec<Option<Entry<'a>>> = entries.into_iter().enumerate().map(left).collect();
        let mut places = places.unwrap_or_default();
        places.resize(entries.len(), NO_PLACE);
        self.config.acls[at].entries = ordered(entries, &places).into_iter().flatten().collect();
    }

    fn entry(
        &mut self,
        name: Named<'a>,
        kind: AclKind,
        line: Option<u32>,
        indent: bool,
        w: &mut Words<'_, 'a>,
    ) -> Parsed<()> {
        let at = self.acl(name, Some(kind));
        self.config.rules += 1;
        let entry = match kind {
            AclKind::Standard => self.standard(w),
            AclKind::Extended | AclKind::V6 => self.extended(w).map(|ace| Entry::Extended(Box::new(ace))),
            AclKind::EtherType => Self::ether_type(w),
            AclKind::WebType => Ok(Entry::WebType(w.line)),
        };
        let mut entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                self.unread(at, line, w.line);
                return Err(error);
            }
        };
        if let Entry::Extended(ace) = &mut entry {
            ace.shown |= self.shown.contains(&at);
            if indent && ace.shown && line.is_some() {
                self.config.rules -= 1;
                return self.element(at, entry);
            }
            if ace.shown {
                // The lines of a shown list come in order, and count remarks that are not printed.
                self.insert(at, None, entry);
                return Ok(());
            }
        }
        self.insert(at, line, entry);
        Ok(())
    }

    /// An element that `show access-list` prints under its entry.
    fn element(&mut self, at: usize, element: Entry<'a>) -> Parsed<()> {
        match (self.config.acls[at].entries.last_mut(), element) {
            (Some(Entry::Extended(ace)), Entry::Extended(element)) => ace.elements.push(*element),
            (_, element) => self.config.acls[at].entries.push(element),
        }
        Ok(())
    }

    fn action(w: &mut Words<'_, 'a>) -> Parsed<Action> {
        if w.eat("permit") || w.eat("trust") {
            Ok(Action::Permit)
        } else {
            w.keyword("deny").map(|()| Action::Deny).or_else(|_| w.expected("`permit` or `deny`"))
        }
    }

    /// An entry of an EtherType list: what it says of IP.
    fn ether_type(w: &mut Words<'_, 'a>) -> Parsed<Entry<'a>> {
        let line = w.line;
        let action = Self::action(w)?;
        let what = w.name("an EtherType")?.text.to_ascii_lowercase();
        let what = what.strip_prefix("0x").unwrap_or(&what);
        Ok(Entry::EtherType(line, action, (IPV4.contains(&what), IPV6.contains(&what))))
    }

    pub(super) fn standard(&mut self, w: &mut Words<'_, 'a>) -> Parsed<Entry<'a>> {
        let line = w.line;
        let action = Self::action(w)?;
        let address = self.address(w)?;
        self.tail(w)?;
        Ok(Entry::Standard(line, action, address))
    }

    /// From the action on.
    pub(super) fn extended(&mut self, w: &mut Words<'_, 'a>) -> Parsed<Ace<'a>> {
        let span = w.line;
        let trust = w.peek() == Some("trust");
        let action = Self::action(w)?;
        let protocol = self.protocol(w)?;
        let mut identities = Vec::new();
        let from = way(w)?;
        identity(w, &mut identities, false)?;
        let source = self.address(w)?;
        resolved(w, &mut identities, false);
        let mut source_ports = Ports::Any;
        if self.ports_follow(w) {
            source_ports = self.ports(w)?;
        }
        let to = way(w)?;
        identity(w, &mut identities, true)?;
        let destination = self.address(w)?;
        resolved(w, &mut identities, true);
        let mut service =
            Service { protocol, source: source_ports, destination: Ports::Any, icmp: Icmp::Any };
        self.after_destination(w, &mut service)?;
        let tail = self.tail(w)?;
        Ok(Ace {
            span,
            action,
            service,
            source,
            destination,
            ways: (from, to),
            snort: tail.rule_id.filter(|_| action == Action::Permit && !trust),
            identities,
            time_range: tail.time_range,
            inactive: tail.inactive,
            taken_back: None,
            log: tail.log,
            shown: tail.shown,
            elements: Vec::new(),
        })
    }

    pub(super) fn protocol(&mut self, w: &mut Words<'_, 'a>) -> Parsed<Protocol<'a>> {
        if w.eat("object-group") {
            return Ok(Protocol::Group(w.name("the name of an object-group")?));
        }
        if w.eat("object") {
            return Ok(Protocol::Object(w.name("the name of an object")?));
        }
        let word = w.name("a protocol")?;
        Ok(match word.text {
            "ip" => Protocol::Ip,
            "tcp-udp" => Protocol::TcpUdp,
            text => literals::protocol(text).map_or(Protocol::Unknown(word), Protocol::Number),
        })
    }

    /// Whether the next words are a condition on ports and not an address: a group is one if it is
    /// known as one, or if nothing else lets the rest of the line be read.
    fn ports_follow(&self, w: &mut Words<'_, 'a>) -> bool {
        match w.peek() {
            Some("eq" | "neq" | "lt" | "gt") => true,
            Some("range") => {
                w.peek_at(1).is_some_and(|word| v4(word).is_none() && !word.contains([':', '.']))
            }
            Some("object-group") => match w.peek_at(1).map(|name| self.group_kinds.get(name)) {
                Some(Some(kind)) => matches!(kind, GroupKind::Ports | GroupKind::Service),
                // Not defined here: an address must follow the ports, and none follows the destination.
                _ => address_may_start(w.peek_at(2)) && w.peek_at(2) != Some("object-group"),
            },
            _ => false,
        }
    }

    /// A condition on ports.
    pub(super) fn ports(&mut self, w: &mut Words<'_, 'a>) -> Parsed<Ports<'a>> {
        if w.eat("object-group") {
            return Ok(Ports::Group(w.name("the name of an object-group")?));
        }
        let Some("eq" | "neq" | "lt" | "gt" | "range") = w.peek() else {
            return w.expected("`eq`, `neq`, `lt`, `gt` or `range`");
        };
        let operator = w.name("an operator")?;
        let first = w.name("a port")?;
        let second = if operator.text == "range" { Some(w.name("a port")?) } else { None };
        let Some(lo) = literals::port(first.text) else { return Ok(Ports::Unknown(first)) };
        let hi = match second {
            None => lo,
            Some(word) => match literals::port(word.text) {
                Some(hi) => hi,
                None => return Ok(Ports::Unknown(word)),
            },
        };
        Ok(match operator.text {
            "eq" => Ports::Eq(lo),
            "neq" => Ports::Neq(lo),
            "lt" => Ports::Lt(lo),
            "gt" => Ports::Gt(lo),
            _ => Ports::Range(lo, hi),
        })
    }

    /// Ports or ICMP type after the destination.
    fn after_destination(&mut self, w: &mut Words<'_, 'a>, service: &mut Service<'a>) -> Parsed<()> {
        let icmp = matches!(service.protocol, Protocol::Number(1 | 58));
        match w.peek() {
            Some("eq" | "neq" | "lt" | "gt" | "range") => service.destination = self.ports(w)?,
            Some("object-group") => {
                let kind = w.peek_at(1).and_then(|name| self.group_kinds.get(name)).copied();
                if kind == Some(GroupKind::Icmp) || (kind.is_none() && icmp) {
                    w.take();
                    service.icmp = Icmp::Group(w.name("the name of an object-group")?);
                } else {
                    service.destination = self.ports(w)?;
                }
            }
            Some(word) if icmp && !is_tail(word) => {
                service.icmp = icmp_type(w, service.protocol == Protocol::Number(58))?;
            }
            _ => {}
        }
        Ok(())
    }

    /// An address: one or two words.
    pub(super) fn address(&mut self, w: &mut Words<'_, 'a>) -> Parsed<Address<'a>> {
        let word = w.name("an address")?;
        Ok(match word.text {
            "any" => Address::Any,
            "any4" => Address::Any4,
            "any6" => Address::Any6,
            "host" => Address::Host(w.host("an address")?),
            "interface" => Address::Interface(w.name("the name of an interface")?),
            "object" => Address::Object(w.name("the name of an object")?),
            "object-group" | "object-group-network-service" => {
                Address::Group(w.name("the name of an object-group")?)
            }
            "range" => Address::Range(w.host("an address")?, w.host("an address")?),
            "fqdn" => {
                let families = families(w);
                Address::Fqdn(w.name("a domain name")?, families)
            }
            text => {
                if let Some((address, length)) = prefix6(text) {
                    return Ok(Address::Prefix(address, length));
                }
                let Some(mask) = w.peek().and_then(v4) else { return w.expected("a mask") };
                w.take();
                Address::Net(super::super::words::host(word), mask)
            }
        })
    }

    /// Everything after ports and ICMP type, and what `show access-list` appends.
    fn tail(&mut self, w: &mut Words<'_, 'a>) -> Parsed<Tail<'a>> {
        let mut tail = Tail::default();
        while let Some(word) = w.take() {
            match word.text {
                "log" => tail.log = log(w)?,
                "interval" => drop(w.number::<u32>("a number of seconds")?),
                "time-range" => tail.time_range = Some(w.name("the name of a time-range")?),
                "inactive" => tail.inactive = true,
                "(inactive)" => tail.shown = true,
                "(unresolved)" => {}
                "rule-id" => tail.rule_id = Some(w.name("the number of a rule")?),
                "event-log" => drop(w.name("`flow-start`, `flow-end` or `both`")?),
                text if text.starts_with("(hitcnt=") || text.starts_with("0x") => tail.shown = true,
                _ => {
                    return Err(Expected {
                        what: "`log`, `time-range`, `inactive` or the end of the line",
                        span: word.span,
                    });
                }
            }
        }
        Ok(tail)
    }

    /// `access-group`, the word taken.
    pub(super) fn access_group(&mut self, w: &mut Words<'_, 'a>) -> Parsed<()> {
        let span = w.line;
        let acl = w.name("the name of an access-list")?;
        let direction = match w.take().map(|word| word.text) {
            Some("in") => Direction::In,
            Some("out") => Direction::Out,
            Some("global") => {
                let direction = if w.eat("control-plane") { Direction::ControlPlane } else { Direction::In };
                w.end()?;
                let group = AccessGroup { span, acl, direction, interface: None, per_user_override: false };
                self.config.access_groups.push(group);
                return Ok(());
            }
            _ => return w.expected("`in`, `out` or `global`"),
        };
        w.keyword("interface")?;
        let interface = Some(w.name("the name of an interface")?);
        let (mut direction, mut per_user_override) = (direction, false);
        while let Some(word) = w.take() {
            match word.text {
                "control-plane" => direction = Direction::ControlPlane,
                "per-user-override" => per_user_override = true,
                _ => return Err(Expected { what: "the end of the line", span: word.span }),
            }
        }
        self.config.access_groups.push(AccessGroup { span, acl, direction, interface, per_user_override });
        Ok(())
    }
}

/// The place of an entry that was put at the end.
const NO_PLACE: u32 = u32::MAX;

/// Entries in the order that comes of putting one after the other at its place.
fn ordered<T>(entries: Vec<T>, places: &[u32]) -> Vec<T> {
    // Seen from the last one back, each entry takes the free slot of its number: a tree of counts of
    // free slots finds it.
    let size = entries.len();
    let mut free = vec![0u32; size + 1];
    for slot in 1..=size {
        free[slot] += 1;
        let above = slot + (slot & slot.wrapping_neg());
        if above <= size {
            free[above] += free[slot];
        }
    }
    let top = size.next_power_of_two();
    let mut slots: Vec<Option<T>> = (0..size).map(|_| None).collect();
    for (index, entry) in entries.into_iter().enumerate().rev() {
        let mut wanted = places[index].min(index as u32);
        let mut at = 0;
        let mut step = top;
        while step > 0 {
            if at + step <= size && free[at + step] <= wanted {
                at += step;
                wanted -= free[at];
            }
            step /= 2;
        }
        slots[at] = Some(entry);
        let mut used = at + 1;
        while used <= size {
            free[used] -= 1;
            used += used & used.wrapping_neg();
        }
    }
    slots.into_iter().flatten().collect()
}

/// `v4` or `v6` before a domain name.
pub(super) fn families(w: &mut Words<'_, '_>) -> Families {
    if w.eat("v4") {
        Families::V4
    } else if w.eat("v6") {
        Families::V6
    } else {
        Families::Both
    }
}

/// An ICMP type and perhaps a code.
pub(super) fn icmp_type<'a>(w: &mut Words<'_, 'a>, v6: bool) -> Parsed<Icmp<'a>> {
    let word = w.name("an ICMP type")?;
    let Some(kind) = literals::icmp_type(word.text, v6) else { return Ok(Icmp::Unknown(word)) };
    let code = w.peek().and_then(|word| word.parse().ok());
    if code.is_some() {
        w.take();
    }
    Ok(Icmp::Type(kind, code))
}

/// The level and interval of `log`; whether the entry logs.
fn log(w: &mut Words<'_, '_>) -> Parsed<bool> {
    let off = w.eat("disable");
    if !off && let Some(word) = w.peek() {
        let level = word == "default"
            || LEVELS.contains(&word)
            || (word.len() == 1 && word.as_bytes()[0].is_ascii_digit());
        if level {
            w.take();
        }
    }
    Ok(!off)
}

/// Users and security groups before an address.
fn identity<'a>(w: &mut Words<'_, 'a>, identities: &mut Vec<Identity<'a>>, destination: bool) -> Parsed<()> {
    loop {
        let kind = match w.peek() {
            Some("user") => "user",
            Some("user-group") => "user-group",
            Some("object-group-user") => "object-group-user",
            Some("object-group-security") => "object-group-security",
            Some("security-group") => "security-group",
            _ => return Ok(()),
        };
        w.take();
        if kind == "security-group" && !w.eat("name") {
            w.keyword("tag")?;
        }
        identities.push(Identity { kind, name: w.name("a name")?, destination });
    }
}

/// The name that an address was resolved from, printed in brackets by `show access-list`.
fn resolved<'a>(w: &mut Words<'_, 'a>, identities: &mut Vec<Identity<'a>>, destination: bool) {
    let name = w.peek().and_then(|word| word.strip_prefix('(')?.strip_suffix(')'));
    if let Some(text) = name.filter(|name| !name.starts_with("hitcnt") && *name != "inactive")
        && let Some(Named { span, .. }) = w.take()
        && text != "unresolved"
    {
        identities.push(Identity { kind: "fqdn", name: Named { text, span }, destination });
    }
}

/// `ifc NAME` before an address (FTD).
fn way<'a>(w: &mut Words<'_, 'a>) -> Parsed<Option<Named<'a>>> {
    if w.eat("ifc") { w.name("the name of an interface").map(Some) } else { Ok(None) }
}

/// The kind of a list, by the word before `permit` or `deny`, which is taken.
pub(super) fn list_kind(w: &mut Words<'_, '_>) -> Parsed<AclKind> {
    let kind = match w.peek() {
        Some("standard") => AclKind::Standard,
        Some("ethertype") => AclKind::EtherType,
        Some("webtype") => AclKind::WebType,
        // `advanced` is what FTD writes.
        Some("extended" | "advanced") => AclKind::Extended,
        Some("permit" | "deny") => return Ok(AclKind::Extended),
        _ => return w.expected("`extended`, `standard`, `remark`, `permit` or `deny`"),
    };
    w.take();
    Ok(kind)
}

fn address_may_start(word: Option<&str>) -> bool {
    word.is_some_and(|word| {
        matches!(word, "any" | "any4" | "any6" | "host" | "interface" | "object" | "object-group")
            || word.contains(['.', ':'])
    })
}

fn is_tail(word: &str) -> bool {
    matches!(word, "log" | "interval" | "time-range" | "inactive" | "rule-id" | "event-log")
        || word.starts_with('(')
        || word.starts_with("0x")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_one_insertion_after_the_other() {
        let mut seed = 1u32;
        for size in 0..40 {
            let places: Vec<u32> = (0..size)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    if seed.is_multiple_of(3) { NO_PLACE } else { (seed >> 8) % 40 }
                })
                .collect();
            let mut plain = Vec::new();
            for (entry, place) in places.iter().enumerate() {
                plain.insert((*place as usize).min(entry), entry);
            }
            assert_eq!(ordered((0..size as usize).collect(), &places), plain);
        }
    }
}
