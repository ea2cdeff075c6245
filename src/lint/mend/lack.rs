//! What lines are sought for.

use crate::judge::{Judge, Near, Share, Witness, number};
use crate::lint::requirements::{Fault, Trouble, ends, host};
use crate::packet::Set;
use crate::site::{Leg, Party, Prefix};

/// Packets that do not get through, or whose answers do not.
#[derive(Clone)]
pub(in crate::lint) struct Lack {
    /// Who opens the connections.
    pub leg: Leg,
    /// The near end, and the device there, where one of ours is.
    pub near: Near,
    pub device: Option<usize>,
    /// The addresses by which the outside knows it, where the site says them.
    pub public: Set,
    /// The far end.
    pub party: Party,
    /// How lines name the near end and the far one; `None` for any.
    pub near_ends: Vec<Option<Prefix>>,
    pub far_ends: Vec<Option<Prefix>>,
    /// The protocol number.
    pub protocol: u8,
    /// The destination ports, or types of ICMP.
    pub ports: Set,
    /// Lines name all of these ports, whoever decides about which.
    pub together: bool,
    /// Ports of which each goes in a pair with one of those.
    pub partners: Set,
    /// Who stops them, the largest share first.
    pub blame: Vec<Share>,
    /// It is the answers that are stopped.
    pub reply: bool,
    /// One of the packets.
    pub witness: Option<Witness>,
}

impl Lack {
    /// What is lacking where a row is in trouble.
    pub(in crate::lint) fn of(judge: &Judge<'_>, trouble: &Trouble<'_>) -> Lack {
        let family = trouble.near.family;
        // Where ports were opened for the wrong transport, that rule stands first, and decides nothing.
        let decide = trouble.blame.iter().skip(usize::from(trouble.fault == Fault::WrongTransport));
        Lack {
            leg: trouble.flow.leg,
            near: trouble.near.clone(),
            device: Some(trouble.flow.device),
            public: trouble.public(judge.site),
            party: trouble.whom.party.clone(),
            near_ends: vec![trouble.near.addresses.single().map(|number| host(family, number))],
            far_ends: ends(judge, &trouble.whom.party, family),
            protocol: number(trouble.transport),
            ports: trouble.ports().clone(),
            together: trouble.flow.any_port,
            partners: partners(judge, trouble),
            blame: decide.cloned().collect(),
            reply: trouble.reply(),
            witness: trouble.witness.clone(),
        }
    }

    /// The ports that lines take for some of its own: a stream of RTP together with its RTCP, where the device needs both
    /// for the same peers. Nobody writes every other port of a range.
    pub(super) fn in_pairs(&self, ports: &Set) -> Set {
        let partners =
            ports.ranges().iter().filter(|(lo, hi)| lo == hi).map(|(port, _)| (port ^ 1, port ^ 1));
        ports.or(&Set::of(partners).and(&self.partners))
    }
}

/// The ports of the rows of the other parity that the same peers need.
fn partners(judge: &Judge<'_>, trouble: &Trouble<'_>) -> Set {
    let row = trouble.flow.requirement;
    let product = judge.catalog.product(&judge.site.devices[trouble.flow.device].product);
    let (Some(product), true, Leg::ToDevice) = (product, row.parity.is_some(), trouble.flow.leg) else {
        return Set::empty();
    };
    let beside = product.requirements.iter().filter(|other| {
        other.parity.is_some()
            && other.parity != row.parity
            && (&other.peer, &other.transports) == (&row.peer, &row.transports)
    });
    beside.fold(Set::empty(), |set, other| set.or(&judge.site.ports_of(trouble.flow.device, product, other)))
}
