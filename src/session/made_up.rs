//! Configs that no site file speaks of.

use super::{Config, elsewhere, environment_of_box};
use crate::budget::Resource;
use crate::catalog::Catalog;
use crate::dialect::load;
use crate::finding::Finding;
use crate::judge::{Firewall, Judge, WorkedOut};
use crate::lint::{self, Files};
use crate::model::{Hook, Ruleset, StageKind, Way};
use crate::packet::Family;
use crate::site::{Reading, Site};
use crate::source::SourceMap;

/// A config on a site of its own.
pub(super) struct Alone {
    site: Site,
    firewalls: [Option<Firewall>; 1],
    files: [Option<Files>; 1],
    /// What was worked out to find the reading.
    worked_out: WorkedOut,
}

impl Alone {
    /// Makes up a site around a config: of all readings of where the devices are, the one in which more of what
    /// they need passes.
    pub(super) fn new(
        site: &Site,
        catalog: &Catalog,
        (mut config, found): (Config, &[Finding]),
        hook: Option<Way>,
        sources: &mut SourceMap,
    ) -> Alone {
        let name =
            config.files.first().map_or(String::new(), |id| sources.file(*id).path.display().to_string());
        let dialect = config.dialect;
        let rules = std::mem::take(&mut config.loaded.ruleset);
        let search = config.environment.budget.limit(Resource::Search);
        let firewall = |rules| Firewall { name: name.clone(), dialect, rules, search };
        let files = [Some(Files::of(&config.files, &config.environment, found))];
        if site.devices.is_empty() {
            let reading = Reading::OnBox;
            let made = site.made_up(&name, &reading, &rules);
            return Alone::of(made, Some(firewall(rules)), files);
        }
        let own = owns(&rules, site);
        let hosts = hook.map_or(own || dialect.language().one_filter || holds(&rules, Hook::Input), |way| {
            way != Way::Forward
        });
        let routes = hook.map_or(!own, |way| way == Way::Forward);
        let host_alone = holds(&rules, Hook::Input) && !holds(&rules, Hook::Forward);
        let on_box = hosts.then(|| {
            let environment = environment_of_box(&config, site);
            let again = (!own).then(|| load(dialect, sources, &config.files, &environment));
            let found = again.as_ref().map_or(found, |again| &again.findings);
            let files = [Some(Files::of(&config.files, &environment, found))];
            let rules = again.map_or_else(|| rules.clone(), |again| again.ruleset);
            let made = site.made_up(&name, &Reading::OnBox, &rules);
            Alone::of(made, Some(firewall(rules)), files)
        });
        let behind = routes.then(|| Alone::behind(site, catalog, firewall(rules), files));
        let lacking = |alone: &Alone| lint::lacking(&alone.judge(catalog));
        match (on_box, behind) {
            (Some(on_box), Some((least, behind))) => {
                let (here, _) = lacking(&on_box);
                if here < least || here == least && host_alone { on_box } else { behind }
            }
            (Some(one), None) | (None, Some((_, one))) => one,
            (None, None) => Alone::of(site.clone(), None, [None]),
        }
    }

    /// A reading of which nothing was worked out yet.
    fn of(site: Site, firewall: Option<Firewall>, files: [Option<Files>; 1]) -> Alone {
        Alone { site, firewalls: [firewall], files, worked_out: WorkedOut::default() }
    }

    /// The devices behind the firewall: of all pairs of interfaces, those by which most of what they need passes.
    fn behind(
        site: &Site,
        catalog: &Catalog,
        mut firewall: Firewall,
        files: [Option<Files>; 1],
    ) -> (usize, Alone) {
        firewall.rules.elsewhere = elsewhere(site, None);
        let readings = site.readings(&firewall.rules, &firewall.interfaces());
        let made =
            |reading: &Reading, firewall: &Firewall| site.made_up(&firewall.name, reading, &firewall.rules);
        let firewalls = [Some(firewall)];
        let mut best: Option<((usize, usize), Site, WorkedOut)> = None;
        for reading in &readings {
            let Some(firewall) = &firewalls[0] else { continue };
            let made = made(reading, firewall);
            let judge = Judge::new(&made, catalog, &firewalls);
            let (lacking, worked_out) = (lint::lacking(&judge), judge.worked_out());
            if best.as_ref().is_none_or(|(least, ..)| lacking < *least) {
                best = Some((lacking, made, worked_out));
            }
        }
        let ((lacking, _), site, worked_out) =
            best.unwrap_or_else(|| ((0, 0), site.clone(), WorkedOut::default()));
        (lacking, Alone { site, firewalls, files, worked_out })
    }

    /// The judge over the config.
    pub(super) fn judge<'a>(&'a self, catalog: &'a Catalog) -> Judge<'a> {
        Judge::resumed(&self.site, catalog, &self.firewalls, self.worked_out.clone())
    }

    /// Forgets what was worked out.
    pub(super) fn forget(&mut self) {
        self.worked_out = WorkedOut::default();
    }

    /// The config's files.
    pub(super) fn files(&self) -> &[Option<Files>] {
        &self.files
    }

    /// The firewall, likewise.
    pub(super) fn firewalls(&self) -> &[Option<Firewall>] {
        &self.firewalls
    }

    /// Whether something is known of who needs what.
    pub(super) fn is_for_devices(&self) -> bool {
        !self.site.devices.is_empty()
    }

    /// Which way through the firewall is judged.
    pub(super) fn way(&self) -> Way {
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
