//! The whole of it as a library: what was read, the site around it, and what is wrong.
//!
//! A [`Session`] is loaded once and does not change. A config that no site file speaks of is judged as a site with
//! one firewall that is made up from it: the same code, no second mode.

mod made_up;

use rustc_hash::FxHashSet;

use crate::budget::Resource;
use crate::catalog::Catalog;
use crate::dialect::{Dialect, Environment, Loaded};
use crate::finding::Finding;
use crate::judge::{Firewall, Judge};
use crate::lint::{self, Files, Workshop};
use crate::model::Way;
use crate::packet::Family;
use crate::progress;
use crate::site::{self, Date, Site};
use crate::source::{SourceId, SourceMap};
use crate::threads;

/// Configs without a site up to which what was worked out to find their reading is kept.
const REMEMBERED: usize = 4;

/// The files of one firewall, as they were read.
#[derive(Debug)]
pub(crate) struct Config {
    /// Index into the site's firewalls; `None` where the site has none for these files, or there is no site.
    pub firewall: Option<usize>,
    /// Their language.
    pub dialect: Dialect,
    /// The files that were asked for.
    pub files: Vec<SourceId>,
    /// What else is known of the firewall.
    pub environment: Environment,
    /// What came of reading them.
    pub loaded: Loaded,
}

/// How a config was judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Judged {
    /// As a firewall of the site.
    InSite,
    /// By the general rules alone: the site has no firewall with these files.
    Alone,
    /// By the general rules alone: no product was named, and no site file says who needs what.
    General,
    /// On a made-up site, this way through the firewall.
    Way(Way),
}

/// What was read of one firewall.
#[derive(Debug)]
pub(crate) struct Read {
    /// The language.
    pub dialect: Dialect,
    /// For each file, those that were asked for and those that they include, how many rules as written it holds.
    pub rules: Vec<(SourceId, usize)>,
    /// How it was judged.
    pub judged: Judged,
    /// Its rules are for IPv6 alone. A dump need not say so: then its addresses do, or its name.
    pub is_six: bool,
}

/// Everything that was read, with the site around it.
pub(crate) struct Session {
    site: Site,
    catalog: Catalog,
    /// By index of the site's firewalls; `None` for those whose files were not read.
    firewalls: Vec<Option<Firewall>>,
    /// Their files, likewise.
    files: Vec<Option<Files>>,
    /// Configs of no firewall of the site: each on a site of its own.
    alone: Vec<made_up::Alone>,
    reads: Vec<Read>,
    /// What reading had to say.
    findings: Vec<Finding>,
}

impl Session {
    /// Puts together what was read. `site` is that of the site file or, without one, that of the command line;
    /// `hook` says which way configs without a site file are judged, where it is not told from them.
    pub(crate) fn new(
        site: Site,
        catalog: Catalog,
        configs: Vec<Config>,
        hook: Option<Way>,
        sources: &mut SourceMap,
    ) -> Session {
        let mut session = Session {
            firewalls: site.firewalls.iter().map(|_| None).collect(),
            files: site.firewalls.iter().map(|_| None).collect(),
            site,
            catalog,
            alone: Vec::new(),
            reads: Vec::new(),
            findings: Vec::new(),
        };
        for config in configs {
            session.add(config, hook, sources);
        }
        session
    }

    fn add(&mut self, mut config: Config, hook: Option<Way>, sources: &mut SourceMap) {
        let found = std::mem::take(&mut config.loaded.findings);
        let counted = config.loaded.rules.clone();
        let rules =
            |id: SourceId| counted.iter().filter(|(other, _)| *other == id).map(|(_, rules)| rules).sum();
        let mut files: Vec<SourceId> = config.files.clone();
        files.extend(counted.iter().map(|(id, _)| *id).filter(|id| !config.files.contains(id)));
        let rules = files.into_iter().map(|id| (id, rules(id))).collect();
        let dialect = config.dialect;
        let is_six = config.loaded.ruleset.v6 && !config.loaded.ruleset.v4;
        let judged = match config.firewall {
            Some(id) => {
                let mut rules = std::mem::take(&mut config.loaded.ruleset);
                rules.elsewhere = elsewhere(&self.site, Some(id));
                let search = config.environment.budget.limit(Resource::Search);
                let name = self.site.firewalls[id].name.clone();
                self.firewalls[id] = Some(Firewall { name, dialect, rules, search });
                self.files[id] = Some(Files::of(&config.files, &config.environment, &found));
                Judged::InSite
            }
            None => {
                let unlisted = !self.site.firewalls.is_empty();
                let alone = if unlisted { Site::of_products(&[], None) } else { self.site.clone() };
                let mut alone = made_up::Alone::new(&alone, &self.catalog, (config, &found), hook, sources);
                let judged = match (unlisted, alone.is_for_devices()) {
                    (true, _) => Judged::Alone,
                    (false, true) => Judged::Way(alone.way()),
                    (false, false) => Judged::General,
                };
                if self.alone.len() >= REMEMBERED {
                    alone.forget();
                }
                self.alone.push(alone);
                judged
            }
        };
        self.findings.extend(found);
        self.reads.push(Read { dialect, rules, judged, is_six });
    }

    /// The site.
    pub(crate) fn site(&self) -> &Site {
        &self.site
    }

    /// What was read, firewall by firewall.
    pub(crate) fn reads(&self) -> &[Read] {
        &self.reads
    }

    /// The files that were read and the parts that they brought in, with their languages.
    pub(crate) fn files(&self, sources: &SourceMap) -> Vec<(SourceId, Dialect)> {
        let mut seen = FxHashSet::default();
        let mut files = Vec::new();
        for read in &self.reads {
            let asked = read.rules.iter().map(|(id, _)| *id);
            let named = asked.clone().filter(|_| read.dialect.language().names_parts);
            let all = asked.chain(named.flat_map(|id| sources.brought_in(id)));
            files.extend(all.filter(|id| seen.insert(*id)).map(|id| (id, read.dialect)));
        }
        files
    }

    /// Whether the files of all firewalls of the site were read; not so where it has none.
    pub(crate) fn is_whole(&self) -> bool {
        !self.firewalls.is_empty() && self.firewalls.iter().all(Option::is_some)
    }

    /// The judge of the site.
    pub(crate) fn judge(&self) -> Judge<'_> {
        Judge::new(&self.site, &self.catalog, &self.firewalls)
    }

    /// The judges of all that was read: of the site, and of each config that is judged by itself.
    #[cfg(feature = "lsp")]
    pub(crate) fn judges(&self) -> Vec<Judge<'_>> {
        let alone = self.alone.iter().map(|alone| alone.judge(&self.catalog));
        let site = self.firewalls.iter().any(Option::is_some).then(|| self.judge());
        site.into_iter().chain(alone).collect()
    }

    /// Where remedies for the site are tried.
    pub(crate) fn workshop<'w>(&'w self, sources: &'w SourceMap) -> Workshop<'w> {
        Workshop::new(sources, &self.files)
    }

    /// Everything that is wrong, in no order. `sources` are the files that the session was made from.
    pub(crate) fn check(&self, today: Date, sources: &SourceMap) -> Vec<Finding> {
        let mut findings = self
            .look(today, sources, |judge, files| lint::check(judge, Some(&Workshop::new(sources, files))));
        let alone = self.alone.iter().map(|alone| (Workshop::new(sources, alone.files()), alone.firewalls()));
        let shops: Vec<lint::Shop<'_>> =
            alone.chain([(self.workshop(sources), self.firewalls.as_slice())]).collect();
        lint::settle(&shops, &mut findings);
        findings
    }

    /// What is wrong, as far as it is found at once: rules that do nothing are not looked for, and no remedy is tried.
    #[cfg(feature = "lsp")]
    pub(crate) fn glance(&self, today: Date, sources: &SourceMap) -> Vec<Finding> {
        let mut findings = self.look(today, sources, |judge, _| lint::glance(judge));
        // What was not proved is not offered.
        findings.iter_mut().for_each(|finding| finding.edits.clear());
        findings
    }

    fn look(
        &self,
        today: Date,
        sources: &SourceMap,
        look: impl Fn(&Judge<'_>, &[Option<Files>]) -> Vec<Finding> + Sync,
    ) -> Vec<Finding> {
        let mut findings = site::findings(&self.site, &self.catalog, today);
        findings.extend(self.findings.iter().cloned());
        progress::pieces(self.alone.len());
        let alone = threads::each(&self.alone, |alone| {
            let found = look(&alone.judge(&self.catalog), alone.files());
            progress::step();
            found
        });
        findings.extend(alone.into_iter().flatten());
        if self.firewalls.iter().any(Option::is_some) {
            findings.extend(look(&self.judge(), &self.files));
        }
        lint::once(&mut findings, sources);
        findings
    }
}

/// The addresses of devices that are certainly not the firewall's own.
fn elsewhere(site: &Site, firewall: Option<usize>) -> Vec<(Family, u128)> {
    let host = firewall.and_then(|firewall| site.firewalls[firewall].host);
    let others = site.devices.iter().enumerate().filter(|(at, _)| host != Some(*at));
    others.flat_map(|(_, device)| device.addresses.iter().map(|address| Family::of(*address))).collect()
}

/// What is known of a box on which the devices are: their addresses are its own.
fn environment_of_box(config: &Config, site: &Site) -> Environment {
    let mut environment = config.environment.clone();
    for address in site.devices.iter().flat_map(|device| &device.addresses) {
        let own = site::Prefix::host(*address).on("");
        if environment.own.iter().all(|known| known.address != own.address) {
            environment.own.push(own);
        }
    }
    environment
}
