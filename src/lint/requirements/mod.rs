//! PH101 to PH108: what the devices need, and a firewall refuses. PH503 to PH505 and PH508: why a helper does not open it.

mod ask;
mod capacity;
mod helpers;
mod lost;
mod message;

use std::sync::Arc;

use super::cores;
use super::mend::{self, Workshop};
use crate::catalog::{Need, Transport};
use crate::finding::Finding;
use crate::judge::{Desk, Judge, Near, Share, Witness, together};
use crate::packet::{Family, Set};
use crate::rule::{
    Lint, PH101, PH102, PH103, PH104, PH105, PH106, PH107, PH108, PH503, PH504, PH505, PH508, Severity,
};
use crate::site::{Far, Flow, Party, Prefix, Site};

use ask::look_at;
pub(super) use lost::Lost;

/// Questions of one finding that one desk answers: they go the same ways.
const OF_ONE_DESK: usize = 32;

/// Legs beyond which nobody reads lines for them one by one, nor are they tried in no time.
const FEW_LEGS: usize = 200;

/// So many hosts are named one by one in a rule to add.
const FEW_HOSTS: u128 = 256;

/// What is found here.
pub(super) const LINTS: &[&Lint] =
    &[&PH101, &PH102, &PH103, &PH104, &PH105, &PH106, &PH107, &PH108, &PH503, &PH504, &PH505, &PH508];

/// What is wrong with a leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// All ports of a mandatory row are blocked.
    Mandatory,
    /// Part of the ports is.
    Part,
    /// All ports of a recommended row are.
    Recommended,
    /// All ports of an optional row are.
    Optional,
    /// It gets through, and the answers do not.
    Reply,
    /// Peers reach the device, and it does not reach them.
    OneDirection,
    /// The right ports are open, for the wrong transport.
    WrongTransport,
}

impl Fault {
    fn lint(self) -> &'static Lint {
        match self {
            Fault::Mandatory => &PH101,
            Fault::Part => &PH102,
            Fault::Recommended => &PH103,
            Fault::Optional => &PH104,
            Fault::Reply => &PH105,
            Fault::OneDirection => &PH106,
            Fault::WrongTransport => &PH107,
        }
    }
}

/// One leg of a row that does not get through.
#[derive(Clone)]
pub(super) struct Trouble<'a> {
    pub(super) fault: Fault,
    severity: Severity,
    /// It holds whatever the unknowns are.
    pub(super) certain: bool,
    pub(super) flow: Arc<Flow<'a>>,
    pub(super) transport: Transport,
    pub(super) near: Near,
    pub(super) whom: Whom,
    pub(super) asked: Set,
    pub(super) bad: Set,
    /// Who blocks, the largest share first.
    pub(super) blame: Vec<Share>,
    /// Who may let through what may be blocked.
    may_open: Vec<Share>,
    depends_on: Vec<String>,
    assumes: Vec<String>,
    pub(super) witness: Option<Witness>,
    /// It gets through from some source ports.
    partly: bool,
}

impl Trouble<'_> {
    /// Whether it is about the same leg, for the same address and party.
    pub(super) fn is_of_question(&self, other: &Trouble<'_>) -> bool {
        let (one, two) = (&self.flow, &other.flow);
        (one.device, one.leg, &one.ports) == (two.device, two.leg, &two.ports)
            && std::ptr::eq(one.requirement, two.requirement)
            && self.near == other.near
            && self.whom.party == other.whom.party
    }

    /// Whether it is the answers that are blocked.
    pub(super) fn reply(&self) -> bool {
        self.fault == Fault::Reply
    }

    /// The ports that a rule has to name.
    pub(super) fn ports(&self) -> &Set {
        if self.flow.any_port { &self.asked } else { &self.bad }
    }

    /// The addresses by which the outside knows the device, where the site says them.
    pub(super) fn public(&self, site: &Site) -> Set {
        mend::numbers(site.devices[self.flow.device].public_addresses.iter(), self.near.family)
    }
}

/// Checks all devices of the site.
pub(super) fn check(judge: &Judge<'_>, workshop: Option<&Workshop<'_>>) -> Vec<Finding> {
    let troubles = troubles(judge, &cores::devices(judge));
    let mut others = capacity::check(judge, &troubles);
    others.extend(helpers::check(judge, &troubles));
    let groups = group(troubles.into_iter());
    groups.into_iter().map(|group| message::word(judge, workshop, &group)).chain(others).collect()
}

/// Checks legs of rows, each between one address and one party.
pub(super) fn about<'a>(
    judge: &Judge<'a>,
    workshop: Option<&Workshop<'_>>,
    desk: &mut Desk<'_, 'a>,
    asked: Vec<(Flow<'a>, Near, Party)>,
) -> Vec<Finding> {
    let mut troubles = Vec::new();
    for (flow, near, party) in asked {
        look_at(desk, &Arc::new(flow), &near, &Whom::of(&[&party]), &mut troubles);
    }
    let groups = group(troubles.into_iter());
    groups.into_iter().map(|group| message::word(judge, workshop, &group)).collect()
}

/// How many legs of mandatory rows do not get through, for some party; and how much trouble there is in all.
pub(super) fn lacking(judge: &Judge<'_>) -> (usize, usize) {
    let troubles = troubles(judge, &cores::devices(judge));
    let mandatory = troubles.iter().filter(|trouble| trouble.flow.requirement.severity == Need::Mandatory);
    let mut rows: Vec<_> = mandatory
        .map(|trouble| {
            (
                trouble.flow.device,
                &trouble.flow.requirement.service,
                &trouble.flow.requirement.row,
                trouble.flow.leg,
            )
        })
        .collect();
    rows.sort_unstable();
    rows.dedup();
    (rows.len(), troubles.len())
}

/// Every leg of a row that does not get through.
fn troubles<'a>(judge: &Judge<'a>, devices: &[usize]) -> Vec<Trouble<'a>> {
    let troubles = cores::for_each(judge, devices, |desk, device| {
        let mut troubles = Vec::new();
        for (near, flow) in judge.flows(device) {
            ask::look(desk, &Arc::new(flow), &near, &mut troubles);
        }
        troubles
    });
    troubles.into_iter().flatten().collect()
}

/// What is still in trouble of what a group asks.
fn left<'a>(judge: &Judge<'_>, group: &[Trouble<'a>]) -> Vec<Trouble<'a>> {
    let mut asked: Vec<&Trouble<'a>> = Vec::new();
    for trouble in group {
        let same = |other: &&Trouble<'a>| other.is_of_question(trouble);
        if !asked.iter().rev().take(64).any(same) {
            asked.push(trouble);
        }
    }
    let order: Vec<usize> = (0..asked.len()).collect();
    let found = cores::for_parts(judge, &order, OF_ONE_DESK, |desk, at| {
        let asked = asked[at];
        let mut found = Vec::new();
        look_at(desk, &asked.flow, &asked.near, &asked.whom, &mut found);
        found
    });
    let is_ours = |trouble: &Trouble<'a>| {
        group.iter().any(|other| other.is_of_question(trouble) && other.transport == trouble.transport)
    };
    found.into_iter().flatten().filter(|trouble| is_ours(trouble)).collect()
}

/// Parties that fare alike.
#[derive(Clone)]
pub(super) struct Whom {
    /// All of them as one.
    pub(super) party: Party,
    /// The name of each.
    names: Vec<String>,
}

impl Whom {
    fn of(parties: &[&Party]) -> Whom {
        let names = parties.iter().map(|party| party.name.clone()).collect();
        let places: Vec<&Far> = parties.iter().flat_map(|party| &party.places).collect();
        let one = match parties {
            [one] => (*one).clone(),
            _ => {
                Party { name: String::new(), places: together(&places).into_iter().collect(), anybody: false }
            }
        };
        Whom { party: one, names }
    }
}

/// Troubles of one cause: one code, one rule that decides, one direction.
fn group<'a>(troubles: impl Iterator<Item = Trouble<'a>>) -> Vec<Vec<Trouble<'a>>> {
    let mut groups: Vec<Vec<Trouble>> = Vec::new();
    for trouble in troubles {
        let same = |group: &Vec<Trouble>| {
            let first = &group[0];
            let by = |t: &Trouble| t.blame.first().map(|blame| (blame.firewall, blame.by));
            first.fault == trouble.fault
                && (first.certain, first.severity, first.flow.leg, first.flow.either_way)
                    == (trouble.certain, trouble.severity, trouble.flow.leg, trouble.flow.either_way)
                && by(first) == by(&trouble)
                && (first.fault != Fault::WrongTransport || first.transport == trouble.transport)
                && first.partly == trouble.partly
        };
        match groups.iter_mut().find(|group| same(group)) {
            Some(group) => group.push(trouble),
            None => groups.push(vec![trouble]),
        }
    }
    groups
}

pub(super) fn host(family: Family, number: u128) -> Prefix {
    Prefix { address: family.address(number), length: family.bits() as u8 }
}

/// Where a party is, for a rule: one host, the networks of a zone, or anywhere.
pub(super) fn ends(judge: &Judge<'_>, party: &Party, family: Family) -> Vec<Option<Prefix>> {
    let [far] = party.places.as_slice() else { return vec![None] };
    let addresses = far.addresses(family);
    let networks = judge.site.zones[far.zone].networks.iter();
    let networks: Vec<Prefix> = networks.filter(|net| Family::of(net.address).0 == family).copied().collect();
    let whole =
        || Set::of(networks.iter().map(|net| family.prefix(Family::of(net.address).1, net.length.into())));
    if addresses.count() <= FEW_HOSTS && (networks.is_empty() || !addresses.covers(&whole())) {
        let hosts = addresses.ranges().iter().flat_map(|(lo, hi)| *lo..=*hi);
        return hosts.map(|number| Some(host(family, number))).collect();
    }
    if networks.is_empty() { vec![None] } else { networks.into_iter().map(Some).collect() }
}
