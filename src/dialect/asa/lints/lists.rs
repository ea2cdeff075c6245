//! Lists, objects and groups that nothing uses.

use rustc_hash::FxHashSet;

use super::super::ast::{Acl, AclKind, Address, Entry, Match, Member, OldNat, Protocol, Service, Vpn};
use super::{Facts, active};
use crate::finding::Finding;
use crate::rule::{PH002, PH405, PH430, PH538};
use crate::source::Span;

impl<'c, 'a> Facts<'_, 'c, 'a> {
    pub(super) fn lists(&mut self) {
        if self.is_whole() {
            self.unbound();
            self.unused();
        } else {
            self.lists_alone();
        }
        self.without_version();
        self.snort();
    }

    /// Lists of FTD, of which the firewall's part alone is in the file.
    fn snort(&mut self) {
        for acl in &self.config.acls {
            let mut judged = active(acl).filter(|ace| ace.snort.is_some());
            let Some(first) = judged.next() else { continue };
            let name = acl.name.text;
            let message = match judged.count() {
                0 => format!("Snort may block what an entry of `{name}` permits"),
                more => format!("Snort may block what {} entries of `{name}` permit", more + 1),
            };
            self.findings
                .push(Finding::of(&PH002, first.span, message).label("permits, unless Snort blocks it").help(
                "The rules of Snort are not in this file: what these entries permit depends on `snort RULE`.",
            ));
        }
    }

    /// A file that holds lists and nothing that binds one: nothing of it decides about a packet.
    fn lists_alone(&mut self) {
        let config = self.config;
        let named = self.named_lists();
        let alone = |acl: &&Acl<'a>| {
            matches!(acl.kind, Some(AclKind::Extended | AclKind::V6))
                && !named.contains(acl.name.text)
                && !config.mentions.contains(acl.name.text)
        };
        let Some(first) = config.acls.iter().find(alone) else { return };
        let span = first.entries.first().map_or(first.name.span, Entry::span);
        let name = first.name.text;
        let message = match config.acls.iter().filter(alone).count() {
            1 => format!("access-list `{name}` is bound to nothing in this file"),
            count => format!("none of {count} access-lists is bound to anything in this file"),
        };
        self.findings.push(Finding::of(&PH430, span, message).label("decides about no packet here").help(
            "Give the whole running-config: interfaces, and `access-group` lines that bind the lists.",
        ));
    }

    /// Whether the file is more than lists or objects on their own: only then is something missing.
    fn is_whole(&self) -> bool {
        !self.config.access_groups.is_empty()
            || self.config.interfaces.iter().any(|known| known.name.is_some())
    }

    /// Lists that something in the tree names.
    fn named_lists(&self) -> FxHashSet<&'a str> {
        let config = self.config;
        let mut named: FxHashSet<&str> = config.access_groups.iter().map(|group| group.acl.text).collect();
        named.extend(config.class_maps.iter().flat_map(|map| &map.matches).filter_map(|what| match what {
            Match::Acl(name) => Some(name.text),
            _ => None,
        }));
        named.extend(config.vpn_filters.iter().map(|filter| filter.acl.text));
        named.extend(config.vpns.iter().filter_map(|vpn| match vpn {
            Vpn::Match { acl, .. } => Some(acl.text),
            _ => None,
        }));
        named.extend(config.old_nats.iter().filter_map(|nat| match nat {
            OldNat::Nat { what: Err(acl), .. } => Some(acl.text),
            OldNat::Static { real: Err(acl), .. } => Some(acl.text),
            _ => None,
        }));
        named
    }

    fn unbound(&mut self) {
        let named = self.named_lists();
        for acl in &self.config.acls {
            let shown = acl.entries.iter().all(|entry| matches!(entry, Entry::Extended(ace) if ace.shown));
            if named.contains(acl.name.text) || self.config.mentions.contains(acl.name.text) || shown {
                continue;
            }
            let kind = match acl.kind {
                Some(AclKind::EtherType | AclKind::WebType) => continue,
                Some(AclKind::Standard) => "standard access-list",
                _ => "access-list",
            };
            let count = acl.entries.len();
            let span = acl.entries.first().map_or(acl.name.span, Entry::span);
            self.findings.push(
                Finding::of(&PH430, span, format!("{kind} `{}` is bound to nothing", acl.name.text))
                    .label(if count == 1 { "a line that nothing reads".to_string() } else { format!("{count} lines that nothing reads") })
                    .help(format!(
                        "Bind it with `access-group {} in interface …`, or take it out. As it is, it neither permits nor denies anything.",
                        acl.name.text
                    )),
            );
        }
    }

    fn unused(&mut self) {
        let used = self.resolver.used();
        let config = self.config;
        let mut found: Vec<(Span, &str, &str)> = Vec::new();
        for object in config.objects.iter().filter(|object| object.nat.is_none()) {
            found.push((object.name.span, "object", object.name.text));
        }
        found.extend(config.services.iter().map(|object| (object.name.span, "object", object.name.text)));
        let in_time: rustc_hash::FxHashSet<&str> =
            config.acls.iter().flat_map(active).filter_map(|ace| Some(ace.time_range?.text)).collect();
        let idle = config.time_ranges.iter().filter(|range| !in_time.contains(range.name.text));
        found.extend(idle.map(|range| (range.name.span, "time-range", range.name.text)));
        found.extend(config.groups.iter().map(|group| (group.name.span, "object-group", group.name.text)));
        let within = self.within_groups();
        for (span, what, name) in found {
            // What an unused group holds goes with it.
            if within.contains(name) {
                continue;
            }
            if !used.contains(name) && !config.mentions.contains(name) {
                self.findings.push(
                    Finding::of(&PH405, span, format!("{what} `{name}` is not used"))
                        .label("nothing names it")
                        .help("Take it out, or name it where it was meant to be."),
                );
            }
        }
    }

    /// What groups hold.
    fn within_groups(&self) -> FxHashSet<&'a str> {
        let members = self.config.groups.iter().flat_map(|group| &group.members);
        let name = |(_, member): &(Span, Member<'a>)| match member {
            Member::Group(name) | Member::Address(Address::Object(name)) => Some(name.text),
            Member::Service(Service { protocol: Protocol::Object(name), .. }) => Some(name.text),
            _ => None,
        };
        members.filter_map(name).collect()
    }

    /// Translations in the form of before 8.3, or of after it, tell the version; both do not.
    fn without_version(&mut self) {
        let config = self.config;
        let old = !config.old_nats.is_empty();
        let new = !config.nats.is_empty() || config.objects.iter().any(|object| object.nat.is_some());
        if !(old && new) {
            return;
        }
        let bound = config.access_groups.first();
        if let (None, Some(group), false) = (config.version, bound, self.statics.is_empty()) {
            let version = super::super::lower::effective_version(config);
            self.findings.push(
                Finding::of(&PH538, group.span, "what the access-lists mean depends on the version, and the version line is missing")
                .label(format!("read as for {}.{}", version.major, version.minor))
                .related(self.statics[0].span, "this translation makes the difference")
                .help(
                    "Before 8.3 access-lists hold mapped addresses, from 8.3 on real ones. Keep the line `ASA Version …` \
                     at the top of the file.",
                ),
            );
        }
    }
}
