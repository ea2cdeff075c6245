//! Interfaces that are open by what is not written, and the box's own services on them.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::ast::{AccessGroup, AclKind, BoxService, ClearText, Direction};
use super::super::lower::{Levelled, levelled};
use super::super::resolve::Product;
use super::{Facts, permits};
use crate::finding::Finding;
use crate::packet::proto;
use crate::rule::{PH210, PH536, PH537, PH539, PH540, PH541, Severity};
use crate::source::Span;

/// Interfaces that a finding names.
const SHOWN: usize = 4;
/// Places that a finding names beside the first.
const MOST_RELATED: usize = 8;
/// Interfaces of which the first in the file are named.
const LOOKED_AT: usize = 64;

impl<'a> Facts<'_, '_, 'a> {
    pub(super) fn management(&mut self) {
        self.implicit_permits();
        self.open_services();
        self.every_icmp();
        self.clear_text();
    }

    /// Interfaces without a list, from which everything passes to lower ones.
    fn implicit_permits(&mut self) {
        let config = self.config;
        let is_filter = |group: &&AccessGroup<'a>| {
            self.acl(group.acl.text).is_none_or(|acl| acl.kind != Some(AclKind::EtherType))
        };
        let groups: Vec<_> = config.access_groups.iter().filter(is_filter).collect();
        if groups.iter().any(|group| group.direction == Direction::In && group.interface.is_none()) {
            return;
        }
        let bound = |direction: Direction| -> FxHashSet<&str> {
            let groups = groups.iter().filter(|group| group.direction == direction);
            groups.filter_map(|group| group.interface).map(|name| name.text).collect()
        };
        let (filtered_in, filtered_out) = (bound(Direction::In), bound(Direction::Out));
        let closed = config.interfaces.iter().filter(|known| known.shutdown || known.management_only);
        let closed: FxHashSet<&str> = closed.filter_map(|known| known.name).map(|name| name.text).collect();
        let mut interfaces = levelled(config);
        interfaces.retain(|known| !closed.contains(known.name));
        let lower = Lower::of(&interfaces, |known| !filtered_out.contains(known.name));
        let free = |known: &&Levelled<'a>| !filtered_in.contains(known.name);
        let mut found: Vec<(&Levelled<'a>, String)> = Vec::new();
        for from in interfaces.iter().filter(free) {
            let (names, count) = lower.than(from);
            if count > 0 {
                found.push((from, listed(&names, count)));
            }
        }
        if let Some(((from, to), others)) = found.split_first() {
            let mut finding =
                Finding::of(&PH536, from.span, format!("everything may pass from `{}` to {to}", from.name))
                    .label(format!("level {}, and no access-list", from.level))
                    .help(format!(
                        "Bind an access-list with what is needed: `access-group … in interface {}`.",
                        from.name
                    ));
            for (from, to) in others {
                finding =
                    finding.related(from.span, format!("everything may pass from `{}` to {to}", from.name));
            }
            self.findings.push(finding);
        }
        if let Some(line) = config.inter_interface {
            self.equal_levels(line, interfaces.iter().filter(free), &filtered_out);
        }
    }

    /// Interfaces of one level, which `same-security-traffic permit inter-interface` joins.
    fn equal_levels<'l>(
        &mut self,
        line: Span,
        free: impl Iterator<Item = &'l Levelled<'a>>,
        filtered_out: &FxHashSet<&str>,
    ) where
        'a: 'l,
    {
        let mut levels: BTreeMap<u8, Vec<&Levelled<'a>>> = BTreeMap::new();
        for known in free.filter(|known| known.group.is_none() && !filtered_out.contains(known.name)) {
            levels.entry(known.level).or_default().push(known);
        }
        levels.retain(|_, known| known.len() > 1);
        let Some(first) = levels.values().next() else { return };
        let names: Vec<&str> = first.iter().take(SHOWN).map(|known| known.name).collect();
        let message = format!("everything may pass between {}", listed(&names, first.len()));
        let mut finding =
            Finding::of(&PH540, line, message).label("joins interfaces of the same level").help(
                "Bind access-lists with what is needed to these interfaces, or give them different levels.",
            );
        for known in levels.values().flatten().take(MOST_RELATED) {
            finding = finding.related(known.span, format!("level {}, and no access-list", known.level));
        }
        self.findings.push(finding);
    }

    /// Services of the box, to everybody on an interface: on level 0 that is the world.
    fn open_services(&mut self) {
        let config = self.config;
        let interfaces: FxHashMap<&str, Levelled<'a>> =
            levelled(config).into_iter().map(|interface| (interface.name, interface)).collect();
        let mut inside: Vec<(Span, &str, &str)> = Vec::new();
        for access in &config.accesses {
            let Some(interface) = interfaces.get(access.interface.text) else { continue };
            let outside = interface.level == 0;
            let off = match access.service {
                BoxService::Http => config.http_server.is_none(),
                BoxService::Snmp => config.no_snmp || access.secure,
                // On the interface of the lowest level it works through a tunnel only.
                BoxService::Telnet => outside,
                BoxService::Ssh => false,
            };
            let from = self.resolver.address(access.from);
            let everybody = from.is_most();
            // SNMP names its managers one by one.
            let bad = everybody || outside && access.service == BoxService::Snmp;
            if off || !bad {
                continue;
            }
            let command = access.service.command();
            if !outside {
                inside.push((access.span, command, interface.name));
                continue;
            }
            let whom = if everybody { "everybody" } else { "the outside" };
            self.findings.push(
                Finding::of(&PH537, access.span, format!("`{command}` opens the box to {whom} on `{}`", interface.name))
                .related(interface.span, "the interface of level 0")
                .help("Name the few addresses that manage the box, on an inside interface, and use SSH or a tunnel."),
            );
        }
        let Some(((span, command, name), others)) = inside.split_first() else { return };
        let message = format!("`{command}` opens the box to everybody who comes by `{name}`");
        let mut finding =
            Finding::of(&PH541, *span, message).help("Name the few addresses that manage the box.");
        for (span, command, name) in others.iter().take(MOST_RELATED) {
            finding = finding.related(*span, format!("`{command}` does on `{name}`"));
        }
        self.findings.push(finding);
    }

    /// PH210: entries that let all of ICMP in from the world.
    fn every_icmp(&mut self) {
        let outside: FxHashSet<&str> =
            levelled(self.config).iter().filter(|known| known.level == 0).map(|known| known.name).collect();
        let mut found: Vec<Span> = Vec::new();
        for (group, acl) in self.bound(Direction::In) {
            if group.interface.is_some_and(|interface| !outside.contains(interface.text)) {
                continue;
            }
            for ace in permits(acl) {
                let services = self.resolver.service(ace.service);
                let is_whole = |product: &Product| {
                    let icmp = product.protocol.as_ref().is_some_and(|set| {
                        set.count() == 1
                            && [proto::ICMP, proto::ICMPV6].iter().any(|p| set.contains((*p).into()))
                    });
                    icmp && product.icmp_type.is_none()
                };
                if !services.products.iter().any(is_whole) {
                    continue;
                }
                let [from, to] = [ace.source, ace.destination].map(|side| self.resolver.address(side));
                if from.is_most() && to.is_most() && !found.contains(&ace.span) {
                    found.push(ace.span);
                }
            }
        }
        let Some((first, others)) = found.split_first() else { return };
        let mut finding = Finding::of(&PH210, *first, "every type of ICMP is let in from any source to any address")
            .label("names no type")
            .help(
                "Permit the types that are needed: `unreachable`, `time-exceeded`, and `echo` to what may be pinged. \
                 Answers to pings from inside come back by `inspect icmp`.",
            );
        for other in others.iter().take(MOST_RELATED) {
            finding = finding.related(*other, "so does this entry");
        }
        self.findings.push(finding);
    }

    /// PH539: what is read on the way, or tried by everybody.
    fn clear_text(&mut self) {
        let config = self.config;
        let lowest = levelled(config).into_iter().filter(|known| known.level == 0);
        let lowest: FxHashSet<&str> = lowest.map(|known| known.name).collect();
        let mut found: Vec<(Span, Severity, String, &str)> = Vec::new();
        for access in &config.accesses {
            let name = access.interface.text;
            match access.service {
                BoxService::Telnet if !lowest.contains(name) => found.push((
                    access.span,
                    Severity::Warning,
                    format!("`telnet` on `{name}` sends passwords in the clear"),
                    "Use `ssh` for it.",
                )),
                BoxService::Snmp if !access.secure && !config.no_snmp && !lowest.contains(name) => found
                    .push((
                        access.span,
                        Severity::Info,
                        format!("SNMP on `{name}` sends its community in the clear"),
                        "Use version 3 with a user, authentication and encryption.",
                    )),
                BoxService::Telnet | BoxService::Snmp | BoxService::Ssh | BoxService::Http => {}
            }
        }
        found.extend(config.clear_text.iter().map(|(span, what)| match what {
            ClearText::FirstSsh => (
                *span,
                Severity::Warning,
                "version 1 of SSH can be read by whoever is on the way".to_string(),
                "Allow version 2 alone: `ssh version 2`.",
            ),
            ClearText::KnownCommunity => (
                *span,
                Severity::Warning,
                "the SNMP community is the one that everybody tries first".to_string(),
                "Use version 3 with a user, authentication and encryption, or a community that nobody guesses.",
            ),
        }));
        // One cause, one finding: managers of SNMP are many.
        let mut said: FxHashMap<String, usize> = FxHashMap::default();
        for (span, severity, message, help) in found {
            if let Some(at) = said.get(&message) {
                let finding: &mut Finding = &mut self.findings[*at];
                if finding.related.len() < MOST_RELATED {
                    finding.related.push(crate::finding::Label { span, message: "likewise".to_string() });
                }
                continue;
            }
            said.insert(message.clone(), self.findings.len());
            self.findings.push(Finding::of(&PH539, span, message).severity(severity).help(help));
        }
    }
}

/// Some names of so many, in words.
fn listed(names: &[&str], count: usize) -> String {
    let shown: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match (count - names.len().min(count), shown.as_slice()) {
        (0, [one, last]) => format!("{one} and {last}"),
        (0, _) => shown.join(", "),
        (more, _) => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Interfaces by level, with their places in the file: all by the level towards others, and the members of
/// each bridge-group by their own.
struct Lower<'a> {
    all: Vec<(u8, usize, &'a str)>,
    groups: FxHashMap<u16, Vec<(u8, usize, &'a str)>>,
}

impl<'a> Lower<'a> {
    fn of(interfaces: &[Levelled<'a>], open: impl Fn(&Levelled<'a>) -> bool) -> Self {
        let mut lower = Lower { all: Vec::new(), groups: FxHashMap::default() };
        for (at, known) in interfaces.iter().enumerate().filter(|(_, known)| open(known)) {
            lower.all.extend(known.routed.map(|level| (level, at, known.name)));
            if let Some(group) = known.group {
                lower.groups.entry(group).or_default().push((known.level, at, known.name));
            }
        }
        lower.all.sort_unstable();
        lower.groups.values_mut().for_each(|members| members.sort_unstable());
        lower
    }

    /// The first interfaces to which everything passes from one, and how many there are.
    fn than(&self, from: &Levelled<'a>) -> (Vec<&'a str>, usize) {
        let members = from.group.and_then(|group| self.groups.get(&group)).map_or(&[][..], Vec::as_slice);
        let members = &members[..members.partition_point(|(level, ..)| *level < from.level)];
        let below = |level| self.all.partition_point(|(other, ..)| *other < level);
        // Members of one bridge-group have one level towards others, and are not among those below it.
        let others = &self.all[..from.routed.map_or(0, below)];
        let mut names: Vec<(usize, &str)> =
            members.iter().take(LOOKED_AT).map(|(_, at, name)| (*at, *name)).collect();
        names.extend(others.iter().take(LOOKED_AT).map(|(_, at, name)| (*at, *name)));
        names.sort_unstable();
        names.truncate(SHOWN);
        (names.into_iter().map(|(_, name)| name).collect(), members.len() + others.len())
    }
}
