//! Interfaces that are open by what is not written, and the box's own services on them.

use rustc_hash::FxHashSet;

use super::super::ast::{BoxService, Direction};
use super::super::lower::levelled;
use super::Facts;
use crate::finding::{Finding, Severity};
use crate::packet::{Family, Set};

/// Interfaces that a finding names.
const SHOWN: usize = 4;

impl Facts<'_, '_, '_> {
    pub(super) fn management(&mut self) {
        self.implicit_permits();
        self.open_services();
    }

    /// Interfaces without a list, from which everything passes to lower ones.
    fn implicit_permits(&mut self) {
        let config = self.config;
        if config
            .access_groups
            .iter()
            .any(|group| group.direction == Direction::In && group.interface.is_none())
        {
            return;
        }
        let bound = |direction: Direction| -> FxHashSet<&str> {
            let groups = config.access_groups.iter().filter(|group| group.direction == direction);
            groups.filter_map(|group| group.interface).map(|name| name.text).collect()
        };
        let (filtered_in, filtered_out) = (bound(Direction::In), bound(Direction::Out));
        let closed = config.interfaces.iter().filter(|known| known.shutdown || known.management_only);
        let closed: FxHashSet<&str> = closed.filter_map(|known| known.name).map(|name| name.text).collect();
        let mut interfaces = levelled(config);
        interfaces.retain(|known| !closed.contains(known.name));
        for from in interfaces.iter().filter(|from| !filtered_in.contains(from.name)) {
            let lower =
                interfaces.iter().filter(|to| to.level < from.level && !filtered_out.contains(to.name));
            let lower: Vec<&str> = lower.map(|to| to.name).collect();
            if lower.is_empty() {
                continue;
            }
            let shown: Vec<String> = lower.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
            let more = if lower.len() > SHOWN {
                format!(" and {} more", lower.len() - SHOWN)
            } else {
                String::new()
            };
            let shown = shown.join(", ") + &more;
            self.findings.push(
                Finding::new(
                    "PH536",
                    Severity::Info,
                    Some(from.span),
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
        let outside: Vec<_> = levelled(config).into_iter().filter(|interface| interface.level == 0).collect();
        for access in &config.accesses {
            let Some(interface) = outside.iter().find(|known| known.name == access.interface.text) else {
                continue;
            };
            let off = match access.service {
                BoxService::Http => config.http_server.is_none(),
                BoxService::Snmp => config.no_snmp,
                BoxService::Telnet | BoxService::Ssh => false,
            };
            let from = self.resolver.address(access.from);
            let everybody = from.v4 == Set::range(0, Family::V4.last()) || from.v6 == Set::full();
            // SNMP names its managers one by one, and telnet is read on the way.
            let bad = everybody || matches!(access.service, BoxService::Telnet | BoxService::Snmp);
            if off || !bad {
                continue;
            }
            let command = access.service.command();
            let whom = if everybody { "everybody" } else { "the outside" };
            self.findings.push(
                Finding::new(
                    "PH537",
                    Severity::Warning,
                    Some(access.span),
                    format!("`{command}` opens the box to {whom} on `{}`", interface.name),
                )
                .related(interface.span, "the interface of level 0")
                .help("Name the few addresses that manage the box, on an inside interface, and use SSH or a tunnel."),
            );
        }
    }
}
