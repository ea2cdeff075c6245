//! Which product a host may be, by the ports that rules open to it.

use std::collections::BTreeSet;

use crate::catalog::{Catalog, Listener, Need, Product, Requirement, Transport};
use crate::packet::Set;

/// Functions that have to fit before a product is named.
const LEAST: usize = 3;
/// Products that are named.
const MOST: usize = 3;
/// With more ports than these open, a host tells nothing.
const WIDE: u128 = 60_000;

/// A product that may be it.
pub(super) struct Guess<'a> {
    /// The product.
    pub product: &'a Product,
    /// How many of its functions have their ports open.
    pub fits: usize,
    /// How many it has.
    pub of: usize,
}

/// The products that a host may be, the likeliest first.
pub(super) fn guesses<'a>(catalog: &'a Catalog, open: &[Set; 2]) -> Vec<Guess<'a>> {
    if open.iter().any(|ports| ports.count() > WIDE) {
        return Vec::new();
    }
    let mut found: Vec<Guess<'a>> =
        catalog.products().iter().filter_map(|product| guess(product, open)).collect();
    // As many of the functions as can be, and of two that have as many, the one that lacks least.
    found.sort_by_key(|guess| (std::cmp::Reverse(guess.fits), guess.of, guess.product.name.clone()));
    found.truncate(MOST);
    found
}

fn guess<'a>(product: &'a Product, open: &[Set; 2]) -> Option<Guess<'a>> {
    let own = |row: &&Requirement| {
        row.listener == Listener::Device
            && row.host.is_none()
            && !row.internal_only
            && !row.ports.is_empty()
            && row.severity == Need::Mandatory
    };
    let (mut all, mut fitting) = (BTreeSet::new(), BTreeSet::new());
    for row in product.requirements.iter().filter(own) {
        all.insert(row.service.as_str());
        let ports = Set::of_ports(&row.ports);
        let fits = row.transports.iter().any(|transport| match transport {
            Transport::Tcp => open[0].covers(&ports),
            Transport::Udp => open[1].covers(&ports),
        });
        if fits {
            fitting.insert(row.service.as_str());
        }
    }
    let enough = fitting.len() >= LEAST && fitting.len() * 2 > all.len();
    enough.then_some(Guess { product, fits: fitting.len(), of: all.len() })
}
