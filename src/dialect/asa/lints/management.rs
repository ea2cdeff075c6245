//! Interfaces that are open by what is not written, and the box's own services on them.

use super::super::ast::{BoxService, Direction};
use super::super::lower::levelled;
use super::Facts;
use crate::finding::{Finding, Severity};
use crate::packet::{Family, Set};

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
        let bound = |name: &str, direction: Direction| {
            config
                .access_groups
                .iter()
                .any(|group| group.direction == direction && group.interface.is_some_and(|i| i.text == name))
        };
        let interfaces = levelled(config);
        let closed = |name: &str| {
            config
                .interfaces
                .iter()
                .any(|i| i.name.is_some_and(|n| n.text == name) && (i.shutdown || i.management_only))
        };
        for from in interfaces.iter().filter(|from| !bound(from.name, Direction::In) && !closed(from.name)) {
            let lower = interfaces
                .iter()
                .filter(|to| to.level < from.level && !bound(to.name, Direction::Out) && !closed(to.name));
            let lower: Vec<String> = lower.map(|to| format!("`{}`", to.name)).collect();
            if lower.is_empty() {
                continue;
            }
            let shown = if lower.len() > 4 {
                format!("{} and {} more", lower[..4].join(", "), lower.len() - 4)
            } else {
                lower.join(", ")
            };
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
