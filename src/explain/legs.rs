//! What the stages of a call ask of the network between two parties: rows of the catalog, turned to them.

use super::ends::{End, Side};
use crate::calls::Stage;
use crate::catalog::{Catalog, Confined, Initiator, Listener, Need, Product, Requirement, Transport};
use crate::judge::Judge;
use crate::packet::{Family, Set};
use crate::site::Leg;

/// One question: from one party to ports of another.
#[derive(Clone, Debug)]
pub(crate) struct Question<'a> {
    /// The device whose row it is.
    pub device: usize,
    /// The row.
    pub row: &'a Requirement,
    /// Towards that device, or from it.
    pub leg: Leg,
    /// Its transport.
    pub transport: Transport,
    /// The destination ports.
    pub ports: Set,
    /// The source ports, where the sender sends from those that it listens on.
    pub own: Option<Set>,
    /// The source ports that the sender's operating system may choose.
    pub chosen: Option<Set>,
    /// Nobody says which of the ports the far end listens on.
    pub guessed: bool,
    /// The receiver sends from its port as well, and first, after its document.
    pub symmetric: bool,
}

/// The site that is asked.
pub(super) struct Asker<'j, 'a> {
    /// Its judge.
    pub judge: &'j Judge<'a>,
}

impl<'a> Asker<'_, 'a> {
    /// What a stage asks for from one party to another; nothing where neither offers its services. `sender` and
    /// `receiver` are the roles that the call gives to them.
    pub(super) fn questions(
        &self,
        stage: &Stage,
        (from, sender): (Side<'_>, &[String]),
        (to, receiver): (Side<'_>, &[String]),
    ) -> Vec<Question<'a>> {
        let found = self.with_services(stage, &stage.services, (from, sender), (to, receiver));
        if !found.is_empty() || stage.or_services.is_empty() {
            return found;
        }
        self.with_services(stage, &stage.or_services, (from, sender), (to, receiver))
    }

    fn with_services(
        &self,
        stage: &Stage,
        services: &[String],
        (from, sender): (Side<'_>, &[String]),
        (to, receiver): (Side<'_>, &[String]),
    ) -> Vec<Question<'a>> {
        let offers =
            |row: &&'a Requirement| row.listener != Listener::Peer && row.initiator != Initiator::Device;
        let opens = |row: &&'a Requirement| row.initiator != Initiator::Peer;
        // Who relays for others is met as they are.
        let relays = !stage.source_services.is_empty();
        let there = self.rows(to.end, (from, relays), sender, services, &offers);
        let here = self.rows(from.end, (to, false), receiver, services, &opens);
        let mut questions = Vec::new();
        match (to.end.device, from.end.device) {
            (Some(device), _) if !there.is_empty() => {
                for row in there {
                    let ports = self.ports(device, row);
                    for question in of_row(stage, device, row, Leg::ToDevice) {
                        let (own, chosen) = self.sources(stage, from, &question, services);
                        questions.push(Question {
                            ports: ports.clone(),
                            own,
                            chosen,
                            symmetric: row.symmetric.is_some(),
                            ..question
                        });
                    }
                }
            }
            (_, Some(device)) => {
                for row in here {
                    for question in of_row(stage, device, row, Leg::FromDevice) {
                        let there = self.ports_there(stage, (device, row), question.transport, to.end);
                        let Some((ports, guessed)) = there else {
                            continue;
                        };
                        let (own, chosen) = self.sources(stage, from, &question, services);
                        questions.push(Question { ports, own, chosen, guessed, ..question });
                    }
                }
            }
            _ => {}
        }
        different(questions)
    }

    /// The rows of one end that are about these services and may be about the other end; what is there under a
    /// condition or for nobody's harm only where nothing else is.
    fn rows(
        &self,
        end: &End,
        (other, relays): (Side<'_>, bool),
        roles: &[String],
        services: &[String],
        wanted: &dyn Fn(&&'a Requirement) -> bool,
    ) -> Vec<&'a Requirement> {
        let (site, catalog): (_, &'a Catalog) = (self.judge.site, self.judge.catalog);
        let (Some(device), Some(product)) = (end.device, end.product(site, catalog)) else {
            return Vec::new();
        };
        let rows = product.requirements.iter().filter(|row| {
            services.contains(&row.service)
                && row.host.is_none()
                && may_leave(row, other.end.product(site, catalog))
                && site.is_on_side(row.zone, other.far.zone)
                && site.is_judged(device, product, row)
                && wanted(row)
                && (other.end.may_be(site, catalog, row, roles) || relays && named(catalog, row, roles))
        });
        let rows: Vec<&'a Requirement> = rows.collect();
        let plain = |row: &&Requirement| {
            row.condition.is_none() && matches!(row.severity, Need::Mandatory | Need::Recommended)
        };
        let alternatives = |row: &&Requirement| -> Vec<&'a Requirement> {
            let same =
                |other: &&&Requirement| other.service == row.service && other.transports == row.transports;
            rows.iter().filter(same).copied().collect()
        };
        let kept = rows.iter().filter(|row| plain(row) || !alternatives(row).iter().any(plain));
        kept.copied().collect()
    }

    fn ports(&self, device: usize, row: &Requirement) -> Set {
        let product = self.product(device);
        product.map_or(Set::empty(), |product| self.judge.site.ports_of(device, product, row))
    }

    fn product(&self, device: usize) -> Option<&'a Product> {
        self.judge.catalog.product(&self.judge.site.devices[device].product)
    }

    /// The ports of the far end to which a device's row goes, and whether they are guessed.
    fn ports_there(
        &self,
        stage: &Stage,
        (device, row): (usize, &Requirement),
        transport: Transport,
        to: &End,
    ) -> Option<(Set, bool)> {
        let told = (row.listener == Listener::Peer)
            .then(|| self.ports(device, row).minus(&Set::of_ports(&row.inbound)));
        if let Some(there) = to.device {
            // What it has for the service, whoever its own rows say is the peer.
            let offered = self.offered(there, stage, transport);
            return match told {
                Some(told) if offered.meets(&told) => Some((offered.and(&told), false)),
                Some(told) => Some((told, false)),
                None => Some((offered, false)).filter(|(ports, _)| !ports.is_empty()),
            };
        }
        if let Some(told) = told {
            return Some((told, false));
        }
        let own = self.ports(device, row);
        let well_known =
            own.single().filter(|port| *port < 1024 || matches!(port, 1719 | 1720 | 5060 | 5061));
        match (well_known, stage.ports.is_empty()) {
            (Some(_), _) => Some((own, false)),
            (None, false) => Some((Set::of_ports(&stage.ports), stage.ports.iter().any(|(lo, hi)| lo != hi))),
            (None, true) => Some((Set::range(1024, 65535), true)),
        }
    }

    /// The ports on which a device listens for a stage.
    fn offered(&self, device: usize, stage: &Stage, transport: Transport) -> Set {
        let Some(product) = self.product(device) else { return Set::empty() };
        let all = |services: &[String]| {
            let rows = product.requirements.iter().filter(|row| {
                services.contains(&row.service)
                    && row.listener != Listener::Peer
                    && row.initiator != Initiator::Device
                    && row.host.is_none()
                    && row.confined.is_none()
                    && row.transports.contains(&transport)
                    && self.judge.site.is_judged(device, product, row)
            });
            rows.fold(Set::empty(), |set, row| set.or(&self.ports(device, row)))
        };
        let own = all(&stage.services);
        if own.is_empty() { all(&stage.or_services) } else { own }
    }

    /// The source ports of a sender: its own for the service, where it sends from those, else those that its system
    /// chooses; neither where nobody says who it is.
    fn sources(
        &self,
        stage: &Stage,
        from: Side<'_>,
        question: &Question<'_>,
        services: &[String],
    ) -> (Option<Set>, Option<Set>) {
        let Some(device) = from.end.device else { return (None, None) };
        let Some(product) = self.product(device) else { return (None, None) };
        let services = if stage.source_services.is_empty() { services } else { &stage.source_services };
        let sends = |row: &&Requirement| {
            services.contains(&row.service)
                && row.listener == Listener::Device
                && row.transports.contains(&question.transport)
                && (row.initiator == Initiator::Either || !stage.source_services.is_empty())
                && self.judge.site.is_judged(device, product, row)
        };
        let own = product
            .requirements
            .iter()
            .filter(sends)
            .fold(Set::empty(), |set, row| set.or(&self.ports(device, row)));
        if question.transport == Transport::Udp && !own.is_empty() {
            return (Some(own), None);
        }
        (None, Some(self.judge.needs.chosen(device).clone()))
    }
}

impl Question<'_> {
    /// The source ports, as a question to the judge takes them.
    pub(crate) fn from(&self) -> Option<&Set> {
        self.own.as_ref().or(self.chosen.as_ref())
    }
}

/// Whether a row's peer is one of some roles.
fn named(catalog: &Catalog, row: &Requirement, roles: &[String]) -> bool {
    let Some(peer) = row.peer.as_deref() else { return true };
    roles.iter().any(|role| catalog.implied_roles(role).contains(&peer))
}

/// Whether a row is about others than the box itself and its cluster, or the other end is of the cluster.
fn may_leave(row: &Requirement, other: Option<&Product>) -> bool {
    let mate = || {
        let peer = row.peer.as_deref();
        other.zip(peer).is_some_and(|(other, role)| other.fills(role))
    };
    match row.confined {
        None => true,
        Some(Confined::Cluster) => mate(),
        Some(Confined::Box) => false,
    }
}

/// The families that both have addresses of.
pub(super) fn families(one: Side<'_>, two: Side<'_>) -> Vec<Family> {
    let both = |family: &Family| !one.addresses(*family).is_empty() && !two.addresses(*family).is_empty();
    [Family::V4, Family::V6].into_iter().filter(both).collect()
}

/// The questions about a row, one for each transport of the stage; nothing is said of ports yet.
fn of_row<'a>(stage: &Stage, device: usize, row: &'a Requirement, leg: Leg) -> Vec<Question<'a>> {
    let wanted = |transport: &&Transport| stage.transports.is_empty() || stage.transports.contains(transport);
    let question = |transport: &Transport| Question {
        device,
        row,
        leg,
        transport: *transport,
        ports: Set::empty(),
        own: None,
        chosen: None,
        guessed: false,
        symmetric: false,
    };
    row.transports.iter().filter(wanted).map(question).collect()
}

/// Those that ask for something, each once.
fn different<'a>(questions: Vec<Question<'a>>) -> Vec<Question<'a>> {
    let mut different: Vec<Question<'a>> = Vec::new();
    for question in questions.into_iter().filter(|question| !question.ports.is_empty()) {
        let same =
            |other: &Question<'a>| (other.transport, &other.ports) == (question.transport, &question.ports);
        if !different.iter().any(same) {
            different.push(question);
        }
    }
    different
}
