//! The calls of the site that a change breaks and mends.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

use super::Failure;
use super::sides::{Side, Sides};
use crate::calls::Calls;
use crate::catalog::Catalog;
use crate::explain::Works;
use crate::explain::survey::{State, survey};
use crate::explain::told::Teller;
use crate::session::Session;

/// What a report says where there were more calls.
pub(super) const MORE: &str = "The site has more calls than were looked at.";

/// The calls of one side.
#[derive(Default)]
pub(super) struct Surveyed {
    states: Vec<State>,
    /// There are more than were looked at.
    more: bool,
}

/// A call that fares otherwise after the change.
pub(super) struct Change {
    /// How it fared before.
    pub was: Works,
    /// How it fares now.
    pub is: Works,
    /// Where it is worse now, what is known of it now; else what was known of it before.
    pub state: State,
}

/// What becomes of the calls of a site.
#[derive(Default)]
pub(super) struct CallChanges {
    /// Those that fare worse, then those that fare better, each in the order of the site.
    pub all: Vec<Change>,
    /// There are calls that were looked at on both sides.
    pub any: bool,
    /// There are more calls than were looked at.
    pub more: bool,
}

impl Change {
    /// It fares worse than before.
    pub(super) fn broken(&self) -> bool {
        self.is > self.was
    }

    /// The side that its state is of.
    pub(super) fn side<'s>(&self, sides: &'s Sides) -> &'s Side {
        if self.broken() { &sides.new } else { &sides.old }
    }

    /// In one sentence.
    pub(super) fn sentence(&self, side: &Side) -> String {
        let State { from, to, title, stage_title, rule, depends_on, .. } = &self.state;
        let fares = |works: Works| match works {
            Works::Yes => "works",
            Works::Depends => "may fail",
            Works::No => "fails",
        };
        let at = if stage_title.is_empty() { String::new() } else { format!(" at: {stage_title}") };
        let rule = rule.as_ref().map_or(String::new(), |rule| {
            format!(" ({}:{}: {})", side.said(&rule.file), rule.line, rule.text)
        });
        let on = match depends_on.is_empty() {
            true => String::new(),
            false => format!(", depending on {}", depends_on.join(", ")),
        };
        let (from, to) = (from.as_str(), to.as_str());
        match self.broken() {
            true => format!("{title} from {from} to {to} {}{at}{rule}{on}", fares(self.is)),
            false => format!("{title} from {from} to {to} {}; it {} before{at}{rule}", fares(self.is), {
                if self.was == Works::No { "failed" } else { "could fail" }
            }),
        }
    }

    /// As data.
    pub(super) fn json(&self, side: &Side) -> Json {
        let State { from, to, call, stage, rule, symptom, depends_on, .. } = &self.state;
        let rule = rule
            .as_ref()
            .map(|rule| json!({ "file": side.said(&rule.file), "line": rule.line, "text": rule.text }));
        json!({
            "change": if self.broken() { "broken" } else { "mended" },
            "from": from, "to": to, "call": call, "was": self.was, "is": self.is,
            "stage": stage, "rule": rule, "symptom": symptom, "depends_on": depends_on,
        })
    }
}

/// Looks at the calls of a side.
pub(super) fn of(session: &Session, side: &Side, catalog: &Catalog) -> Result<Surveyed, Failure> {
    let site = session.site();
    if site.devices.is_empty() || site.path.is_none() {
        return Ok(Surveyed::default());
    }
    let calls = Calls::with(catalog, &site.calls)?;
    let judge = session.judge();
    let (states, more) = survey(&Teller { judge: &judge, sources: &side.sources }, &calls);
    Ok(Surveyed { states, more })
}

impl CallChanges {
    /// What is otherwise after the change, of the calls that both sides have.
    pub(super) fn between(old: Surveyed, new: Surveyed) -> CallChanges {
        let (any, more) = (!old.states.is_empty() && !new.states.is_empty(), old.more || new.more);
        let key = |state: &State| (state.from.clone(), state.to.clone(), state.call.clone());
        let mut before: HashMap<_, State> =
            old.states.into_iter().map(|state| (key(&state), state)).collect();
        let changes = new.states.into_iter().filter_map(|state| {
            let old = before.remove(&key(&state))?;
            let (was, is) = (old.works, state.works);
            (was != is).then(|| Change { was, is, state: if is > was { state } else { old } })
        });
        let (mut all, better): (Vec<Change>, Vec<Change>) = changes.partition(Change::broken);
        all.extend(better);
        CallChanges { all, any, more }
    }
}
