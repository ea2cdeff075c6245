//! The calls of a whole site: which of them work.

use super::ends::End;
use super::fate::Works;
use super::told::{Teller, ToldRule};
use super::{explain, sensible, whole_calls};
use crate::calls::{Call, Calls};
use crate::site::PeerPlace;

/// Calls of a site that are looked at, at the most.
const MOST: usize = 600;

/// A call between two ends of the site.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// The caller.
    pub from: String,
    /// The called end.
    pub to: String,
    /// The call's name.
    pub call: String,
    /// The call for people.
    pub title: String,
    /// Whether it works.
    pub works: Works,
    /// The first stage that keeps it from working.
    pub stage: Option<String>,
    /// The same for people.
    pub stage_title: String,
    /// The rule that decides there.
    pub rule: Option<ToldRule>,
    /// What people notice.
    pub symptom: String,
    /// What it depends on.
    pub depends_on: Vec<String>,
}

/// The calls between the devices of a site, and between them and those around: peers of the site file or, where it has
/// none, anybody. Calls that are a part of another one, such as SIP over one of the transports, are left out. Also whether
/// there were more than are looked at.
pub(crate) fn survey(teller: &Teller<'_, '_>, calls: &Calls) -> (Vec<State>, bool) {
    let judge = teller.judge;
    let (site, catalog) = (judge.site, judge.catalog);
    let devices: Vec<End> = (0..site.devices.len()).map(|at| End::device(site, at)).collect();
    let peers = site.peers.iter().filter_map(|peer| {
        let name = match (&peer.name, &peer.place) {
            (Some(name), _) => name.clone(),
            (None, PeerPlace::Zone(zone)) => site.in_zone(&peer.role, *zone),
            (None, PeerPlace::Addresses(all)) => {
                let all: Vec<String> = all.iter().map(ToString::to_string).collect();
                format!("{} {}", peer.role, all.join(", "))
            }
        };
        End::of_peer(site, catalog, name, peer)
    });
    let mut around: Vec<End> = peers.collect();
    if around.is_empty() {
        around.extend(End::find(site, catalog, "anybody", None));
    }
    let outer = around.iter().flat_map(|end| devices.iter().flat_map(move |own| [(end, own), (own, end)]));
    let inner = devices.iter().enumerate().flat_map(|(at, from)| {
        let others = devices.iter().enumerate().filter(move |(other, _)| *other != at);
        others.map(move |(_, to)| (from, to))
    });
    let mut states = Vec::new();
    for (from, to) in outer.chain(inner) {
        for call in whole_calls(&sensible(judge, calls, from, to)) {
            if states.len() == MOST {
                return (states, true);
            }
            states.extend(state(teller, call, from, to));
        }
    }
    (states, false)
}

fn state(teller: &Teller<'_, '_>, call: &Call, from: &End, to: &End) -> Option<State> {
    let explanation = explain(teller.judge, call, from, to).ok()?;
    let works = explanation.works;
    let mut state = State {
        from: from.name.clone(),
        to: to.name.clone(),
        call: call.name.clone(),
        title: call.title.clone(),
        works,
        stage: None,
        stage_title: String::new(),
        rule: None,
        symptom: String::new(),
        depends_on: explanation.depends_on.clone(),
    };
    if works != Works::Yes {
        let told = teller.tell(&explanation);
        if let Some(stage) = told.first.and_then(|at| told.stages.get(at)) {
            state.stage = Some(stage.stage.clone());
            state.stage_title.clone_from(&stage.title);
            state.rule.clone_from(&stage.rule);
        }
        state.symptom = told.symptom;
    }
    Some(state)
}
