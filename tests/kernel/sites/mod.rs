//! What `check` claims of random sites is what the kernel does to their packets.
//!
//! `PINHOLE_KERNEL_SITES` says how many; `PINHOLE_KERNEL_SITE_SEED` is the seed of the first of the fresh
//! ones, to see a site again.

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

/// Judges random sites.
pub(crate) fn run(lab: &mut Lab, folder: &Path) -> Tally {
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let each = number("PINHOLE_KERNEL_SITES").map_or(USUAL, |sites| sites.div_ceil(2));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_secs() << 8);
    let fresh = number("PINHOLE_KERNEL_SITE_SEED").unwrap_or(now);
    eprintln!("sites: {each} with seeds from 1, {each} with PINHOLE_KERNEL_SITE_SEED={fresh}");
    let catalog = common::catalog();
    let mut tally = Tally::default();
    for seed in (1..=each).chain(fresh..fresh + each) {
        let site = Site::draw(&mut Rng::new(seed), &catalog);
        let place = folder.join(format!("site-{seed}"));
        let before = tally.failures;
        if let Err(error) = hear(lab, &site, seed, &place, &catalog, &mut tally) {
            tally.failures += 1;
            eprintln!("FAILED site {seed}: {error}");
        }
        clear();
        if tally.failures == before {
            let _ = std::fs::remove_dir_all(&place);
        } else {
            eprintln!("site {seed} is in {}", place.display());
        }
    }
    tally
}

fn hear(
    lab: &mut Lab,
    site: &Site,
    seed: u64,
    place: &Path,
    catalog: &[CatalogRow],
    tally: &mut Tally,
) -> Result<(), String> {
    std::fs::create_dir_all(place).map_err(|error| error.to_string())?;
    for (name, text) in site.files() {
        std::fs::write(place.join(name), text).map_err(|error| error.to_string())?;
    }
    let report = common::check(place, &[]);
    clear();
    for at in 0..site.walls.len() {
        load(site, at)?;
    }
    stages::forget_inner()?;
    tally.sites += 1;
    let mut rng = Rng::new(!seed);
    let faults = claims::faults(lab, site, &report, catalog, &mut rng, tally)?;
    tally.failures += faults.len();
    for fault in faults.iter().take(TOLD) {
        eprintln!("FAILED site {seed}: {fault}");
    }
    Ok(())
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
