//! What `--redact` has to know of a site: the names that are not for everybody.

use super::whole::Whole;
use crate::report::{Named, Redactor};
use crate::site::Site;
use crate::source::SourceMap;

/// The names of firewalls, devices and peers. Those of a made-up site are products.
pub(super) fn names(site: &Site) -> Vec<Named> {
    if site.is_made_up() {
        return Vec::new();
    }
    let named = |kind: &'static str| move |name: &String| Named { kind, name: name.clone() };
    let firewalls = site.firewalls.iter().map(|firewall| &firewall.name).map(named("firewall"));
    let devices = site.devices.iter().map(|device| &device.name).map(named("device"));
    let peers = site.peers.iter().filter_map(|peer| peer.name.as_ref()).map(named("peer"));
    firewalls.chain(devices).chain(peers).collect()
}

/// What replaces the names and addresses of a site.
pub(super) fn of(whole: &Whole, sources: &SourceMap) -> Redactor {
    Redactor::new(names(whole.session.site()), sources)
}
