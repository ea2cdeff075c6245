//! What `check` claims of random sites, and `explain` of calls there, is what the kernel does to their packets.
//!
//! `PINHOLE_KERNEL_SITES` says how many are checked, `PINHOLE_KERNEL_CALLS` at how many calls are explained;
//! `PINHOLE_KERNEL_SITE_SEED` is the seed of the first of the fresh ones, to see a site again.

mod calls;
mod claims;
mod world;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::common::{self, CatalogRow};
use crate::lab::Lab;
use crate::netns::run_with_input;
use crate::random::Rng;
use crate::stages;
use world::{Form, Site};

/// Sites of each kind, where nothing else is wished: with the same seeds always, and with new ones.
const USUAL: u64 = 6;
/// The same, for calls.
const USUAL_CALLS: u64 = 3;
/// Faults of one site that are told of.
const TOLD: usize = 3;

/// What was sent, and what was wrong.
#[derive(Default, Debug)]
pub(crate) struct Tally {
    /// Sites that were loaded.
    pub sites: usize,
    /// Rows that are said to be blocked for certain, and packets sent for them.
    pub blocked: (usize, usize),
    /// Packets of blocked rows that arrive, and do not from other source ports.
    pub partly: usize,
    /// Mandatory rows of which nothing is said, and packets.
    pub open: (usize, usize),
    /// Rows whose answers are said to be blocked, and packets.
    pub silent: (usize, usize),
    /// Answers that had to come back.
    pub answered: usize,
    /// Witness packets.
    pub witnesses: usize,
    /// Rows of which `check` says that it depends.
    pub unsure: usize,
    pub failures: usize,
}

/// Judges what `check` says of random sites.
pub(crate) fn run(lab: &mut Lab, folder: &Path) -> Tally {
    let catalog = common::catalog();
    let mut tally = Tally::default();
    let each = number("PINHOLE_KERNEL_SITES").map_or(USUAL, |sites| sites.div_ceil(2));
    tally.failures = each_site("sites", each, folder, &catalog, |site, place, rng| {
        let report = common::check(place, &[]);
        ready(site)?;
        tally.sites += 1;
        claims::faults(lab, site, &report, &catalog, rng, &mut tally)
    });
    tally
}

/// Judges what `explain` says of calls at random sites.
pub(crate) fn run_calls(lab: &mut Lab, folder: &Path) -> calls::Tally {
    let catalog = common::catalog();
    let mut tally = calls::Tally::default();
    let each = number("PINHOLE_KERNEL_CALLS").map_or(USUAL_CALLS, |sites| sites.div_ceil(2));
    tally.failures = each_site("calls", each, folder, &catalog, |site, place, rng| {
        ready(site)?;
        tally.sites += 1;
        calls::faults(lab, site, place, rng, &mut tally)
    });
    tally
}

/// Has sites heard, by the same seeds always and by new ones; the answer is how many faults they have.
fn each_site(
    what: &str,
    each: u64,
    folder: &Path,
    catalog: &[CatalogRow],
    mut hear: impl FnMut(&Site, &Path, &mut Rng) -> Result<Vec<String>, String>,
) -> usize {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_secs() << 8);
    let fresh = number("PINHOLE_KERNEL_SITE_SEED").unwrap_or(now);
    eprintln!("{what}: {each} with seeds from 1, {each} with PINHOLE_KERNEL_SITE_SEED={fresh}");
    let mut failures = 0;
    for seed in (1..=each).chain(fresh..fresh + each) {
        let site = Site::draw(&mut Rng::new(seed), catalog);
        let place = folder.join(format!("{what}-{seed}"));
        let heard = write(&site, &place).and_then(|()| hear(&site, &place, &mut Rng::new(!seed)));
        let faults = heard.unwrap_or_else(|error| vec![error]);
        clear();
        failures += faults.len();
        for fault in faults.iter().take(TOLD) {
            eprintln!("FAILED {what}, seed {seed}: {fault}");
        }
        if faults.is_empty() {
            let _ = std::fs::remove_dir_all(&place);
        } else {
            eprintln!("the site of seed {seed} is in {}", place.display());
        }
    }
    failures
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|number| number.parse().ok())
}

fn write(site: &Site, place: &Path) -> Result<(), String> {
    std::fs::create_dir_all(place).map_err(|error| error.to_string())?;
    site.files().into_iter().try_for_each(|(name, text)| {
        std::fs::write(place.join(name), text).map_err(|error| error.to_string())
    })
}

/// Loads the firewalls, which know no connections.
fn ready(site: &Site) -> Result<(), String> {
    clear();
    (0..site.walls.len()).try_for_each(|at| load(site, at))?;
    stages::forget_inner()
}

fn load(site: &Site, at: usize) -> Result<(), String> {
    let text = site.rules(at);
    let (program, args): (&str, &[&str]) = match (site.walls[at].form, site.v6) {
        (Form::Nftables, _) => ("nft", &["-f", "-"]),
        (Form::Iptables, false) => ("iptables-nft-restore", &[]),
        (Form::Iptables, true) => ("ip6tables-nft-restore", &[]),
    };
    if at == 0 { run_with_input(program, args, &text) } else { in_inner(program, args, &text) }
}

fn in_inner(program: &str, args: &[&str], input: &str) -> Result<(), String> {
    let name = format!("{}-inner", stages::base());
    let args: Vec<&str> = ["netns", "exec", &name, program].iter().chain(args).copied().collect();
    run_with_input("ip", &args, input)
}

fn clear() {
    let _ = run_with_input("nft", &["flush", "ruleset"], "");
    let _ = in_inner("nft", &["flush", "ruleset"], "");
}
