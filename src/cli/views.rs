//! What a page shows of a site besides its findings: the port matrix, and the calls that do not work.

use std::collections::BTreeSet;

use super::Failure;
use crate::calls::Calls;
use crate::explain::matrix::{Filter, matrix};
use crate::explain::told::{Teller, Told};
use crate::explain::{End, Works, explain, sensible};
use crate::judge::Judge;
use crate::report::SiteView;
use crate::session::Session;
use crate::source::SourceMap;

/// Calls that are drawn.
const MOST: usize = 12;

/// What there is to show of a site; nothing of configs that have none.
pub(super) fn of(session: &Session, sources: &SourceMap) -> Result<SiteView, Failure> {
    let site = session.site();
    let mut view = SiteView { name: site.path.clone(), ..SiteView::default() };
    if site.is_made_up() || site.devices.is_empty() || site.firewalls.is_empty() {
        return Ok(view);
    }
    let judge = session.judge();
    let teller = Teller { judge: &judge, sources };
    view.devices = site.devices.iter().map(|device| device.name.clone()).collect();
    view.matrix = matrix(&judge, &Filter::default()).iter().map(|entry| teller.entry(entry)).collect();
    let calls = Calls::with(judge.catalog, &site.calls)?;
    view.ladders = ladders(&judge, &calls, &teller, &view);
    Ok(view)
}

/// The calls between a device and the zones that it cannot reach for something, or that cannot reach it.
fn ladders(judge: &Judge<'_>, calls: &Calls, teller: &Teller<'_, '_>, view: &SiteView) -> Vec<Told> {
    let mut ways: BTreeSet<(&str, &str)> = BTreeSet::new();
    for entry in view.matrix.iter().filter(|entry| entry.state != "open") {
        if view.devices.contains(&entry.to) {
            ways.insert((&entry.from_zone, &entry.to));
        }
        if view.devices.contains(&entry.from) {
            ways.insert((&entry.from, &entry.to_zone));
        }
    }
    let mut told: Vec<Told> = Vec::new();
    for (from, to) in ways {
        let ends = |word: &str, other: Option<&End>| End::find(judge.site, judge.catalog, word, other).ok();
        let Some(from) = ends(from, None) else { continue };
        let Some(to) = ends(to, Some(&from)) else { continue };
        let Some(call) = sensible(judge, calls, &from, &to).into_iter().next() else { continue };
        let Ok(explanation) = explain(judge, call, &from, &to) else { continue };
        if explanation.works != Works::Yes {
            told.push(teller.tell(&explanation));
        }
        if told.len() == MOST {
            break;
        }
    }
    told
}
