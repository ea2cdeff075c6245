//! Interfaces that are open by what is not written, and the box's own services on them.

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::ast::{AccessGroup, AclKind, BoxService, Direction};
use super::super::lower::{Levelled, levelled};
use super::Facts;
use crate::finding::Finding;
use crate::packet::{Family, Set};
use crate::rule::{PH536, PH537};

/// Interfaces that a finding names.
const SHOWN: usize = 4;
/// Interfaces of which the first in the file are named.
const LOOKED_AT: usize = 64;

impl<'a> Facts<'_, '_, 'a> {
    pub(super) fn management(&mut self) {
        self.implicit_permits();
        self.open_services();
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
        for from in interfaces.iter().filter(|from| !filtered_in.contains(from.name)) {
            let (names, count) = lower.than(from);
            if count == 0 {
                continue;
            }
            let shown: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            let more = if count > names.len() {
                format!(" and {} more", count - names.len())
            } else {
                String::new()
            };
            let shown = shown.join(", ") + &more;
            self.findings.push(
                Finding::of(
                    &PH536,
                    from.span,
                    format!("everything may pass from `{}` to {shown}", from.name),
                )
                .label(format!("level {}, and no access-list", from.level))
                .help(format!(
                    "Bind an access-list with what is needed: `access-group … in interface {}`.",
                    from.name
                )),
            );
        }
    }

    /// Services of the box on an interface of level 0.
    fn open_services(&mut self) {
        let config = self.config;
        let outside = levelled(config).into_iter().filter(|interface| interface.level == 0);
        let outside: FxHashMap<&str, _> = outside.map(|interface| (interface.name, interface)).collect();
        for access in &config.accesses {
            let Some(interface) = outside.get(access.interface.text) else { continue };
            let off = match access.service {
                BoxService::Http => config.http_server.is_none(),
                BoxService::Snmp => config.no_snmp,
                // On the interface of the lowest level it works through a tunnel only.
                BoxService::Telnet => true,
                BoxService::Ssh => false,
            };
            let from = self.resolver.address(access.from);
            let everybody = from.v4 == Set::range(0, Family::V4.last()) || from.v6 == Set::full();
            // SNMP names its managers one by one.
            let bad = everybody || access.service == BoxService::Snmp;
            if off || !bad {
                continue;
            }
            let command = access.service.command();
            let whom = if everybody { "everybody" } else { "the outside" };
            self.findings.push(
                Finding::of(&PH537, access.span, format!("`{command}` opens the box to {whom} on `{}`", interface.name))
                .related(interface.span, "the interface of level 0")
                .help("Name the few addresses that manage the box, on an inside interface, and use SSH or a tunnel."),
            );
        }
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
