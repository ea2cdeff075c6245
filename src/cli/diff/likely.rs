//! Which packets people send: those that come from where they belong, and go where routers send them. Effects on
//! others are as true, and are told last.

use super::pairs::Pair;
use crate::analysis::compare::{Kind, Region};
use crate::model::Way;
use crate::packet::{Family, Field, Set, interface};
use crate::site::{Firewall, Site};

/// Whether no packet of a region comes from where it belongs and goes where it belongs, as far as the site tells.
pub(super) fn is_odd(site: &Site, pair: &Pair, region: &Region) -> bool {
    // How the end of a TTL is answered nobody plans.
    let at_end = region.field(Field::Ttl).is_some_and(|ttl| Set::range(0, 1).covers(ttl));
    if at_end && region.kind == Kind::Replied {
        return true;
    }
    let Some(firewall) = pair.firewall.and_then(|id| site.firewalls.get(id)) else { return false };
    if firewall.interfaces.is_empty() {
        return false;
    }
    let place = Place { site, firewall, family: region.family };
    let (src, dst) = (region.field(Field::src(region.family)), region.field(Field::dst(region.family)));
    let names = |field: Field| -> Vec<&String> {
        let set = region.field(field);
        let used = |name: &&String| set.is_none_or(|set| set.contains(interface(name)));
        firewall.interfaces.keys().filter(used).collect()
    };
    let likely = match region.way {
        Way::Forward => names(Field::Iif).into_iter().any(|iif| {
            let mut out = names(Field::Oif).into_iter();
            // What is translated is sent to an address on the side that it comes from.
            let turned = pair.translates && place.is_behind(iif, dst, false);
            let gets_there = |oif: &String| turned || place.is_behind(oif, dst, true);
            place.is_behind(iif, src, false) && out.any(|oif| oif != iif && gets_there(oif))
        }),
        Way::Input => {
            let mut iifs = names(Field::Iif).into_iter();
            iifs.any(|iif| place.is_behind(iif, src, false)) && place.is_own(dst)
        }
        Way::Output => {
            let mut oifs = names(Field::Oif).into_iter();
            oifs.any(|oif| place.is_behind(oif, dst, false)) && place.is_own(src)
        }
    };
    !likely
}

/// A firewall in its site.
struct Place<'s> {
    site: &'s Site,
    firewall: &'s Firewall,
    family: Family,
}

impl Place<'_> {
    /// Whether some of the addresses are behind an interface. Those by which devices are known elsewhere count
    /// where packets go, as does what is translated to them.
    fn is_behind(&self, name: &str, addresses: Option<&Set>, public: bool) -> bool {
        let Some(addresses) = addresses else { return true };
        let zones = self.firewall.interfaces.get(name).into_iter().flatten();
        let mut known = zones.map(|zone| self.site.addresses_of(*zone, self.family));
        let translated = || {
            let public = self.site.devices.iter().flat_map(|device| &device.public_addresses);
            let public = public.map(|address| Family::of(*address)).filter(|(of, _)| *of == self.family);
            Set::of(public.map(|(_, number)| (number, number)))
        };
        known.any(|zone| zone.meets(addresses)) || public && translated().meets(addresses)
    }

    /// Whether some of the addresses are the firewall's own, as far as these are known.
    fn is_own(&self, addresses: Option<&Set>) -> bool {
        let own = self.firewall.own_addresses();
        let own = own.iter().filter(|own| own.family == self.family).map(|own| (own.address, own.address));
        let own = Set::of(own);
        own.is_empty() || addresses.is_none_or(|addresses| addresses.meets(&own))
    }
}
