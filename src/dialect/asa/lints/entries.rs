//! Single entries that do nothing, or not what they seem to do.

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::ast::{
    Acl, AclKind, Address, Direction, Entry, Host, Member, Named, Ports, Protocol, TimeRange,
};
use super::super::lower::now;
use super::{Facts, active, permits};
use crate::finding::Finding;
use crate::rule::{PH433, PH434, PH435, PH436, PH530};
use crate::source::Span;

/// Elements of one entry beyond which it is worth a word.
const ELEMENTS: u64 = 1_000_000;
/// Places that a finding names beside the first.
const RELATED: usize = 10;

impl<'c, 'a> Facts<'_, 'c, 'a> {
    pub(super) fn entries(&mut self) {
        let searched = self.config.others.iter().any(|other| other.command == "object-group-search");
        for acl in &self.config.acls {
            if matches!(acl.kind, Some(AclKind::Extended | AclKind::V6)) {
                self.inactive(acl);
                if !searched {
                    self.elements(acl);
                }
            }
        }
        self.masks();
        self.over();
        for (_, acl) in self.bound(Direction::In) {
            self.returns(acl);
        }
        self.wrong_side();
    }

    fn inactive(&mut self, acl: &'c Acl<'a>) {
        for entry in &acl.entries {
            if let Entry::Extended(ace) = entry
                && ace.inactive
                && !ace.shown
            {
                self.findings.push(
                    Finding::of(&PH434, ace.span, format!("the entry of `{}` is inactive", acl.name.text))
                        .label("as if it were not there")
                        .help("Take `inactive` away to put the entry to work, or take the entry out."),
                );
            }
        }
    }

    /// Groups within groups within an entry, multiplied.
    fn elements(&mut self, acl: &'c Acl<'a>) {
        for ace in active(acl) {
            let side = |address: Address<'a>| match address {
                Address::Group(name) => self.resolver.weight(name.text),
                _ => 1,
            };
            let ports = |ports: Ports<'a>| match ports {
                Ports::Group(name) => self.resolver.weight(name.text),
                _ => 1,
            };
            let protocol = match ace.service.protocol {
                Protocol::Group(name) => self.resolver.weight(name.text),
                _ => 1,
            };
            let factors = [
                side(ace.source),
                side(ace.destination),
                ports(ace.service.source),
                ports(ace.service.destination),
                protocol,
            ];
            let elements =
                factors.iter().fold(1u64, |product, factor| product.saturating_mul((*factor).max(1)));
            if elements > ELEMENTS {
                let number =
                    if elements == u64::MAX { "more than 10^19".to_string() } else { elements.to_string() };
                self.findings.push(
                    Finding::of(&PH436, ace.span, format!("the entry expands to {number} elements"))
                        .label(factors.map(|factor| factor.to_string()).join(" × "))
                        .notice("The box may run out of memory when it loads the list.")
                        .help("Turn on `object-group-search access-control`, or make the groups smaller."),
                );
            }
        }
    }

    /// Masks of IOS access-lists.
    fn masks(&mut self) {
        let mut found: Vec<(Span, Host<'a>, u32)> = Vec::new();
        let mut look = |span: Span, address: Address<'a>| {
            if let Address::Net(host, mask) = address {
                found.push((span, host, mask));
            }
        };
        for acl in &self.config.acls {
            for ace in active(acl) {
                look(ace.span, ace.source);
                look(ace.span, ace.destination);
            }
        }
        for group in &self.config.groups {
            for (span, member) in &group.members {
                if let Member::Address(address) = member {
                    look(*span, *address);
                }
            }
        }
        for object in &self.config.objects {
            if let Some(address) = object.address {
                look(object.name.span, address);
            }
        }
        for (span, host, mask) in found {
            let low_ones = mask != 0 && mask != u32::MAX && mask & mask.wrapping_add(1) == 0;
            let all_of_one = mask == 0 && !matches!(host, Host::V4(0));
            if !low_ones && !all_of_one {
                continue;
            }
            let dotted = std::net::Ipv4Addr::from(mask);
            let turned = std::net::Ipv4Addr::from(!mask);
            let message = if all_of_one {
                "the mask `0.0.0.0` after an address stands for every address".to_string()
            } else {
                format!("`{dotted}` is a wildcard mask of IOS")
            };
            let help = if all_of_one {
                "An ASA takes network masks. For one address write `host` and the address.".to_string()
            } else {
                format!(
                    "An ASA takes network masks, and here looks at the low bits of the address only. Write `{turned}`."
                )
            };
            let mut finding =
                Finding::of(&PH433, span, message).label("matches other addresses than meant").help(help);
            finding.careful = true;
            self.findings.push(finding);
        }
    }

    /// The names of time ranges that have ended.
    pub(super) fn ended(&self) -> FxHashSet<&'a str> {
        let now = now();
        let ended = |range: &&TimeRange<'a>| range.end.is_some_and(|(end, _)| end < now);
        self.config.time_ranges.iter().filter(ended).map(|range| range.name.text).collect()
    }

    /// Time ranges that have ended.
    fn over(&mut self) {
        let now = now();
        let mut over: FxHashMap<&str, Vec<Span>> = FxHashMap::default();
        over.extend(self.ended().into_iter().map(|name| (name, Vec::new())));
        if over.is_empty() {
            return;
        }
        for ace in self.config.acls.iter().flat_map(active) {
            let entries = ace.time_range.and_then(|name: Named<'_>| over.get_mut(name.text));
            if let Some(entries) = entries.filter(|entries| entries.len() < RELATED) {
                entries.push(ace.span);
            }
        }
        for range in &self.config.time_ranges {
            let Some((end, span)) = range.end.filter(|(end, _)| *end < now) else { continue };
            let days = (now - end) / 1440;
            let days = if days <= 1 { "a day".to_string() } else { format!("{days} days") };
            let message = format!("time-range `{}` ended {days} ago", range.name.text);
            let mut finding = Finding::of(&PH435, span, message)
                .help("The entries with this time-range do nothing any more. Take them out, or give the range another end.");
            for entry in over.get(range.name.text).into_iter().flatten() {
                finding = finding.related(*entry, "is off for good");
            }
            self.findings.push(finding);
        }
    }

    /// Entries for replies, which pass by their connection.
    fn returns(&mut self, acl: &'c Acl<'a>) {
        for ace in permits(acl) {
            let service_port = |port: u16| port < 1024 || matches!(port, 1720 | 5060 | 5061);
            let Ports::Eq(port) = ace.service.source else { continue };
            let open = match ace.service.destination {
                Ports::Any => true,
                Ports::Gt(from) => from >= 1023,
                Ports::Range(from, to) => from >= 1024 && to == u16::MAX,
                _ => false,
            };
            if open && service_port(port) {
                self.findings.push(
                    Finding::of(
                        &PH530,
                        ace.span,
                        format!("the entry lets in replies from port {port}, which pass without it"),
                    )
                    .label("opens the ports to everybody who sends from that port")
                    .help("An ASA keeps connections: replies need no entry. Take it out."),
                );
            }
        }
    }
}
