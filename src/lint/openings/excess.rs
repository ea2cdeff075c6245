//! What has to be closed of rules that let too much through.

use super::{Lens, Opening};
use crate::analysis::Decider;
use crate::lint::mend::close::{Excess, Shut};
use crate::lint::{closable, cores};
use crate::model::{Effect, RuleId};
use crate::packet::{Family, Prefix, Set};
use crate::site::PeerPlace;

/// Devices beyond which it is not worked out what they lose with a rule for everything.
const MOST_DEVICES: usize = 64;

impl Lens<'_, '_> {
    /// The ports that a device does not need.
    pub(super) fn of_device(&self, rule: RuleId, opening: &Opening, protocols: &[u8]) -> Option<Excess> {
        let site = self.judge.site;
        let at = site.devices.iter().position(|device| device.name == opening.whom)?;
        let device = &site.devices[at];
        let on_box = self.host().is_some();
        let family = opening.family;
        let public = device.public_addresses.iter().map(|own| Family::of(*own));
        let public = public.filter(|(of, _)| *of == family).map(|(_, number)| (number, number));
        let to = opening.to.or(&Set::of(public));
        // All that comes to the box is for the device that it is.
        let families = if on_box { vec![Family::V4, Family::V6] } else { vec![family] };
        let shut = |family: Family, protocol: u8| Shut {
            family,
            protocol: Some(protocol),
            src: None,
            dst: (!on_box).then(|| to.clone()),
            ports: opening.excess.clone(),
        };
        let flows = families.iter().flat_map(|family| protocols.iter().map(|one| shut(*family, *one)));
        Some(Excess { flows: flows.collect(), spared: vec![at], ..self.nothing(rule) })
    }

    /// All that strangers may send.
    pub(super) fn of_outside(&self, rule: RuleId, openings: &[&Opening]) -> Option<Excess> {
        let site = self.judge.site;
        if site.is_made_up() || self.host().is_some() || site.devices.len() > MOST_DEVICES {
            return None;
        }
        // What is not tracked may be an answer as well.
        if self.firewall.rules.all_effects().any(|effect| effect == Effect::NoTrack) {
            return None;
        }
        let mut excess = self.nothing(rule);
        excess.spared = cores::devices(self.judge);
        excess.first_packets = !self.firewall.rules.stateful;
        let known = site.peers.iter().filter_map(|peer| match &peer.place {
            PeerPlace::Addresses(addresses) => Some(addresses),
            PeerPlace::Zone(_) => None,
        });
        let outside = |address: &&std::net::IpAddr| {
            site.zone_of(**address).is_none_or(|zone| site.is_everything_else(zone))
        };
        excess.kept.extend(known.flatten().filter(outside).map(|address| Prefix::host(*address)));
        closable::from_outside_alone(self.judge, &mut excess);
        excess.kept.sort_unstable();
        excess.kept.dedup();
        // What nobody has an address of in a family is a stranger's, too.
        let named = |family: Family| {
            let networks = site.zones.iter().flat_map(|zone| zone.networks.iter().map(|net| net.address));
            let own = site.devices.iter().flat_map(|device| device.addresses.iter().copied());
            networks.chain(own).any(|address| Family::of(address).0 == family)
        };
        let families = [Family::V4, Family::V6]
            .into_iter()
            .filter(|family| openings.iter().any(|opening| opening.family == *family) || !named(*family));
        let all = Set::range(0, 65535);
        let shut = |family| Shut { family, protocol: None, src: None, dst: None, ports: all.clone() };
        excess.flows = families.map(shut).collect();
        excess.nameless = [Family::V4, Family::V6].into_iter().filter(|family| !named(*family)).collect();
        Some(excess)
    }

    fn nothing(&self, rule: RuleId) -> Excess {
        Excess {
            firewall: self.at,
            by: Decider::Rule(rule),
            flows: Vec::new(),
            kept: Vec::new(),
            inside: Vec::new(),
            others_by: Set::empty(),
            refused_on: Vec::new(),
            spared: Vec::new(),
            first_packets: false,
            nameless: Vec::new(),
        }
    }
}
