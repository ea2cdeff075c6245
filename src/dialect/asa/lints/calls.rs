//! Calls: inspections that are missing, blind, by halves, or beside open ranges.

use super::super::ast::{Acl, Direction};
use super::{Facts, permits, ports_of};
use crate::finding::{Finding, Severity};
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
    needs: (u8, u128),
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
const MEDIA_RANGE: u128 = 1000;

impl<'c, 'a> Facts<'_, 'c, 'a> {
    pub(super) fn calls(&mut self) {
        for (group, acl) in self.bound(Direction::In) {
            let interface = group.interface.map(|name| name.text);
            for signalling in [&H323, &SIP] {
                self.signalling(acl, interface, signalling);
            }
            self.encrypted(acl);
        }
        self.halves();
    }

    /// The `inspect` line that applies to traffic by an interface; `Err` where the files do not say.
    fn inspected(&self, engine: &str, interface: Option<&str>) -> Result<Option<Span>, ()> {
        let mut lines = self.inspections.iter().filter(|applied| applied.engine.name == engine);
        if self.inspections.iter().any(|applied| applied.unsure) {
            return Err(());
        }
        let line = lines.find(|applied| applied.interface.is_none() || interface.is_none() || applied.interface == interface);
        Ok(line.map(|applied| applied.span))
    }

    /// The entry that opens one port, and not all of them.
    fn opens(&mut self, acl: &'c Acl<'a>, protocols: &[u8], port: u16) -> Option<Span> {
        for ace in permits(acl) {
            let services = self.resolver.service(ace.service);
            let named = |product| {
                protocols.iter().any(|protocol| {
                    ports_of(product, *protocol).is_some_and(|set| set.contains(port.into()) && set.count() < MEDIA_RANGE)
                })
            };
            if services.products.iter().any(named) {
                return Some(ace.span);
            }
        }
        None
    }

    fn signalling(&mut self, acl: &'c Acl<'a>, interface: Option<&str>, signalling: &Signalling) {
        let (protocols, port) = signalling.port;
        let Some(entry) = self.opens(acl, protocols, port) else { return };
        let Ok(inspected) = self.inspected(signalling.engine, interface) else { return };
        let (protocol, ports) = signalling.needs;
        match inspected {
            None if self.wide(acl, protocol, ports).is_none() => self.findings.push(
                Finding::new(
                    "PH532",
                    Severity::Warning,
                    Some(entry),
                    format!("`{}` lets {} in, and nothing opens the ports that it announces", acl.name.text, signalling.name),
                )
                .label(format!("no `inspect {}` applies here", signalling.engine))
                .notice(signalling.notice)
                .help(format!(
                    "Add `inspect {}` to the class of default inspection traffic of the policy in use, or open the ports \
                     of the devices.",
                    signalling.engine
                )),
            ),
            Some(inspect) => {
                if let Some(wide) = self.wide(acl, 17, MEDIA_RANGE) {
                    self.findings.push(
                        Finding::new(
                            "PH533",
                            Severity::Info,
                            Some(wide),
                            format!("a wide range of ports is open beside the inspection of {}", signalling.name),
                        )
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
    fn encrypted(&mut self, acl: &'c Acl<'a>) {
        let Some(entry) = self.opens(acl, &[6], 5061) else { return };
        if self.wide(acl, 17, SIP.needs.1).is_some() {
            return;
        }
        self.findings.push(
            Finding::new(
                "PH534",
                Severity::Warning,
                Some(entry),
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
            self.inspections.iter().filter(|applied| !applied.unsure && applied.engine.name == engine).map(|applied| applied.span).next()
        };
        let (line, there, gone, notice) = match (on("h323 h225"), on("h323 ras")) {
            (Some(line), None) => {
                (line, "h323 h225", "h323 ras", "Calls that go through a gatekeeper on other ports than 1720 are not inspected.")
            }
            (None, Some(line)) => {
                (line, "h323 ras", "h323 h225", "Calls are set up, and H.245 and media go to ports that nothing opens.")
            }
            _ => return,
        };
        self.findings.push(
            Finding::new("PH535", Severity::Warning, Some(line), format!("`inspect {there}` is on and `inspect {gone}` is not"))
                .label("one half of H.323")
                .notice(notice)
                .help(format!("Add `inspect {gone}` to the same class.")),
        );
    }
}
