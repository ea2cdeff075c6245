//! Who fills which role at a site, worked out once.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{Party, PeerPlace, Site};
use crate::catalog::{Catalog, Product};

/// By role, devices first.
#[derive(Debug)]
pub(super) struct Fillers<'a>(FxHashMap<&'a str, Vec<Arc<Party>>>);

impl<'a> Fillers<'a> {
    /// Everybody at a site whose devices are these products.
    pub(super) fn of(site: &Site, catalog: &'a Catalog, products: &[Option<&'a Product>]) -> Self {
        let mut fillers = Fillers(FxHashMap::default());
        for (at, (device, product)) in site.devices.iter().zip(products).enumerate() {
            let Some(product) = product else { continue };
            let places = device.addresses.iter();
            let parties = places.filter_map(|address| site.party(device.name.clone(), *address, Some(at)));
            let roles = product.roles.iter().map(String::as_str);
            fillers.add(&roles.collect::<Vec<_>>(), parties);
        }
        for peer in &site.peers {
            let called = peer.name.as_ref().unwrap_or(&peer.role);
            let roles = catalog.implied_roles(&peer.role);
            match &peer.place {
                PeerPlace::Addresses(addresses) => {
                    let party = |address: &_| site.party(format!("{called} {address}"), *address, None);
                    fillers.add(&roles, addresses.iter().filter_map(party));
                }
                PeerPlace::Zone(zone) => {
                    let name = site.in_zone(called, *zone);
                    let party = Party { name, places: vec![site.whole(*zone)], anybody: false };
                    fillers.add(&roles, std::iter::once(party));
                }
            }
        }
        fillers
    }

    fn add(&mut self, roles: &[&'a str], parties: impl Iterator<Item = Party>) {
        for party in parties.map(Arc::new) {
            for role in roles {
                self.0.entry(role).or_default().push(Arc::clone(&party));
            }
        }
    }

    /// Those who fill a role.
    pub(super) fn of_role(&self, role: &str) -> &[Arc<Party>] {
        self.0.get(role).map_or(&[], Vec::as_slice)
    }
}
