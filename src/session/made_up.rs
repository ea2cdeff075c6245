//! Configs that no site file speaks of.

use super::{Config, elsewhere, read_again};
use crate::catalog::Catalog;
use crate::judge::{Firewall, Judge};
use crate::lint;
use crate::model::{Hook, Ruleset, StageKind, Way};
use crate::packet::Family;
use crate::site::{Reading, Site};
use crate::source::SourceMap;

/// A config on a site of its own.
pub struct Alone {
    site: Site,
    firewalls: [Option<Firewall>; 1],
}

impl Alone {
    /// Makes up a site around a config: of all readings of where the devices are, the one in which more of what
    /// they need passes.
    pub fn new(
        site: &Site,
        catalog: &Catalog,
        mut config: Config,
        hook: Option<Way>,
        sources: &mut SourceMap,
    ) -> Alone {
        let name = config.files.first().map_or(String::new(), |id| sources.file(*id).path.display().to_string());
        let dialect = config.dialect;
        let rules = std::mem::take(&mut config.loaded.ruleset);
        let firewall = |rules| Firewall { name: name.clone(), dialect, rules };
        if site.devices.is_empty() {
            let reading = Reading::OnBox;
            let made = site.made_up(&name, &reading, &rules);
            return Alone { site: made, firewalls: [Some(firewall(rules))] };
        }
        let own = owns(&rules, site);
        let mut best: Option<(usize, Alone)> = None;
        let mut consider = |alone: Alone| {
            let lacking = lint::lacking(&alone.judge(catalog));
            if best.as_ref().is_none_or(|(least, _)| lacking < *least) {
                best = Some((lacking, alone));
            }
        };
        let on_box = match hook {
            Some(way) => way != Way::Forward,
            None => own || holds(&rules, Hook::Input),
        };
        let behind = hook.map_or(!own, |way| way == Way::Forward);
        let likely_behind = holds(&rules, Hook::Forward);
        let mut readings: Vec<Reading> = Vec::new();
        if behind {
            readings = site.readings(&rules, &firewall(Ruleset::default()).named(&rules));
        }
        if on_box || readings.is_empty() {
            let at = if likely_behind { readings.len() } else { 0 };
            readings.insert(at, Reading::OnBox);
        }
        let mut rules = Some(rules);
        for reading in &readings {
            let rules = match (reading, own) {
                (Reading::OnBox, false) => read_again(&config, site, sources),
                _ => match rules.take() {
                    Some(rules) => rules,
                    None => continue,
                },
            };
            let made = site.made_up(&name, reading, &rules);
            let mut rules = rules;
            rules.elsewhere = elsewhere(&made, Some(0));
            consider(Alone { site: made, firewalls: [Some(firewall(rules))] });
        }
        match best {
            Some((_, alone)) => alone,
            None => Alone { site: site.clone(), firewalls: [None] },
        }
    }

    /// The judge over the config.
    pub fn judge<'a>(&'a self, catalog: &'a Catalog) -> Judge<'a> {
        Judge::new(&self.site, catalog, &self.firewalls)
    }

    /// Which way through the firewall is judged.
    pub fn way(&self) -> Way {
        match self.site.firewalls.first() {
            Some(firewall) if firewall.host.is_none() && !firewall.interfaces.is_empty() => Way::Forward,
            _ => Way::Input,
        }
    }
}

/// Whether a device of the site is the box itself.
fn owns(rules: &Ruleset, site: &Site) -> bool {
    let own = |address: &std::net::IpAddr| {
        let (family, number) = Family::of(*address);
        rules.own.iter().any(|own| own.family == family && own.address == number)
    };
    site.devices.iter().flat_map(|device| &device.addresses).any(own)
}

/// Whether a hook has rules that filter.
fn holds(rules: &Ruleset, hook: Hook) -> bool {
    let filters = rules.stages(hook).iter().filter(|stage| stage.kind == StageKind::Filter);
    filters.map(|stage| rules.chain(stage.chain).rules.len()).sum::<usize>() > 0
}
