//! Calls: inspections that are missing, blind, by halves, or beside open ranges.

use super::super::ast::{Ace, Acl, Direction, Icmp, Ports, Protocol, Service};
use super::{Facts, permits, ports_of};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::finding::Finding;
use crate::packet::Set;
use crate::rule::{PH532, PH533, PH534, PH535};
use crate::source::Span;

/// A signalling protocol as the lints look at it.
struct Signalling {
    /// Its name for people.
    name: &'static str,
    /// Transports and port.
    port: (&'static [u8], u16),
    /// The inspection that opens what it announces.
    engine: &'static str,
    /// The protocol and number of ports that have to be open where no inspection opens them.
    needs: (u8, u32),
    /// What then does not work.
    notice: &'static str,
}

const H323: Signalling = Signalling {
    name: "H.323 call signalling",
    port: (&[6], 1720),
    engine: "h323 h225",
    needs: (6, 100),
    notice: "H.323 calls are set up and end at once: H.245 and media go to ports that nothing opens.",
};

const SIP: Signalling = Signalling {
    name: "SIP",
    port: (&[6, 17], 5060),
    engine: "sip",
    needs: (17, 100),
    notice: "SIP calls are set up without sound and picture: media goes to ports that nothing opens.",
};

/// Ports of UDP from which on an open range is one for media.
const MEDIA_RANGE: u32 = 1000;

/// What a list opens that matters for calls: the first entry for each.
#[derive(Default)]
struct Opened {
    /// Single ports of TCP and UDP.
    ports: FxHashMap<(u8, u16), Span>,
    /// The widest range above 1023 of TCP and of UDP.
    wide: FxHashMap<u8, (u32, Span)>,
}

impl Opened {
    /// The entry that opens at least this many ports of a protocol above 1023.
    fn wide(&self, protocol: u8, least: u32) -> Option<Span> {
        self.wide.get(&protocol).filter(|(count, _)| *count >= least).map(|(_, span)| *span)
    }

    fn add(&mut self, span: Span, protocol: u8, ports: Option<&Set>) {
        let count = match ports {
            Some(set) => {
                if set.count() < MEDIA_RANGE.into() {
                    for port in [1720, 5060, 5061].into_iter().filter(|port| set.contains(u128::from(*port)))
                    {
                        self.ports.entry((protocol, port)).or_insert(span);
                    }
                }
                set.and(&Set::range(1024, 65535)).count() as u32
            }
            None => 64_512,
        };
        let widest = self.wide.entry(protocol).or_insert((count, span));
        if count > widest.0 {
            *widest = (count, span);
        }
    }
}

impl<'c, 'a> Facts<'_, 'c, 'a> {
    pub(super) fn calls(&mut self) {
        let ended = self.ended();
        for (group, acl) in self.bound(Direction::In) {
            let interface = group.interface.map(|name| name.text);
            let opened = self.opened(acl, &ended);
            for signalling in [&H323, &SIP] {
                self.signalling(acl, interface, &opened, signalling);
            }
            self.encrypted(acl, &opened);
        }
        self.halves();
    }

    fn opened(&mut self, acl: &'c Acl<'a>, ended: &FxHashSet<&'a str>) -> Opened {
        let mut opened = Opened::default();
        let mut seen = FxHashSet::default();
        let on = |ace: &&Ace<'a>| ace.time_range.is_none_or(|range| !ended.contains(range.text));
        for ace in permits(acl).filter(|ace| matters(ace)).filter(on) {
            // A group that an earlier entry names opens nothing new.
            if let (Protocol::Group(name), Ports::Any) = (ace.service.protocol, ace.service.destination)
                && !seen.insert(name.text)
            {
                continue;
            }
            for product in &self.resolver.service(ace.service).products {
                for protocol in [6, 17] {
                    let open = product.protocol.as_ref().is_none_or(|set| set.contains(protocol.into()));
                    if open {
                        opened.add(ace.span, protocol, ports_of(product, protocol));
                    }
                }
            }
        }
        opened
    }

    /// The `inspect` line that applies to traffic by an interface; `Err` where the files do not say.
    fn inspected(&self, engine: &str, interface: Option<&str>) -> Result<Option<Span>, ()> {
        let mut lines = self.inspections.iter().filter(|applied| applied.engine.name == engine);
        if self.inspections.iter().any(|applied| applied.may_be_off) {
            return Err(());
        }
        let line = lines.find(|applied| {
            applied.interface.is_none() || interface.is_none() || applied.interface == interface
        });
        Ok(line.map(|applied| applied.span))
    }

    fn signalling(
        &mut self,
        acl: &'c Acl<'a>,
        interface: Option<&str>,
        opened: &Opened,
        signalling: &Signalling,
    ) {
        let (protocols, port) = signalling.port;
        let Some(entry) = protocols.iter().find_map(|protocol| opened.ports.get(&(*protocol, port)).copied())
        else {
            return;
        };
        let Ok(inspected) = self.inspected(signalling.engine, interface) else { return };
        let (protocol, ports) = signalling.needs;
        match inspected {
            None if opened.wide(protocol, ports).is_none() => self.findings.push(
                Finding::of(&PH532, entry, format!("`{}` lets {} in, and nothing opens the ports that it announces", acl.name.text, signalling.name))
                .label(format!("no `inspect {}` applies here", signalling.engine))
                .notice(signalling.notice)
                .help(format!(
                    "Add `inspect {}` to the class of default inspection traffic of the policy in use, or open the ports \
                     of the devices.",
                    signalling.engine
                )),
            ),
            Some(inspect) => {
                if let Some(wide) = opened.wide(17, MEDIA_RANGE) {
                    self.findings.push(
                        Finding::of(&PH533, wide, format!("a wide range of ports is open beside the inspection of {}", signalling.name))
                        .related(inspect, "opens what calls need, for as long as they last")
                        .related(entry, "the signalling")
                        .help("Close the range, or turn the inspection off where devices do without it."),
                    );
                }
            }
            None => {}
        }
    }

    /// SIP over TLS: the inspection sees nothing of it.
    fn encrypted(&mut self, acl: &'c Acl<'a>, opened: &Opened) {
        let Some(entry) = opened.ports.get(&(6, 5061)).copied() else { return };
        if opened.wide(17, SIP.needs.1).is_some() {
            return;
        }
        self.findings.push(
            Finding::of(
                &PH534,
                entry,
                format!("`{}` lets SIP over TLS in, which no inspection can read", acl.name.text),
            )
            .label("port 5061 is encrypted")
            .notice("Calls over TLS are set up without sound and picture.")
            .help("Open the media ports of the devices, or let TLS end at a proxy whose SIP is inspected."),
        );
    }

    /// One half of H.323 without the other.
    fn halves(&mut self) {
        let on = |engine: &str| {
            self.inspections
                .iter()
                .filter(|applied| !applied.may_be_off && applied.engine.name == engine)
                .map(|applied| applied.span)
                .next()
        };
        let (line, there, gone, notice) = match (on("h323 h225"), on("h323 ras")) {
            (Some(line), None) => (
                line,
                "h323 h225",
                "h323 ras",
                "Calls that go through a gatekeeper on other ports than 1720 are not inspected.",
            ),
            (None, Some(line)) => (
                line,
                "h323 ras",
                "h323 h225",
                "Calls are set up, and H.245 and media go to ports that nothing opens.",
            ),
            _ => return,
        };
        self.findings.push(
            Finding::of(&PH535, line, format!("`inspect {there}` is on and `inspect {gone}` is not"))
                .label("one half of H.323")
                .notice(notice)
                .help(format!("Add `inspect {gone}` to the same class.")),
        );
    }
}

/// Whether an entry can say anything about calls: not where it is about one other port.
fn matters(ace: &Ace<'_>) -> bool {
    let Service { protocol, destination, icmp, .. } = &ace.service;
    match (protocol, destination) {
        (Protocol::Number(6 | 17), Ports::Eq(port)) => matches!(port, 1720 | 5060 | 5061),
        (Protocol::Number(number), _) => matches!(number, 6 | 17),
        _ => *icmp == Icmp::Any,
    }
}
