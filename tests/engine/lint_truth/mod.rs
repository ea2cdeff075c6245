//! What `check` claims of a site is what happens to its packets.
//!
//! Sites are drawn as plain data, written in the four languages, and given to pinhole. An oracle walks single packets
//! through the drawn rules, for all answers to what the files leave open; it shares no code with pinhole. The rules
//! draw from small pools, so that a few packets stand for all.
//!
//! One test has a seed that stays the same, the other one a new seed each time, which it prints. Both take
//! `PINHOLE_TRUTH_CASES`, the number of sites; `PINHOLE_TRUTH_SEED` is the seed of the first site of the second
//! test, to see a site again: `PINHOLE_TRUTH_SEED=17 PINHOLE_TRUTH_CASES=1 cargo test --test engine lint_truth`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use crate::common;

mod changes;
mod claims;
mod oracle;
mod world;
mod write;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use common::{Scratch, check, trace};
use oracle::Answers;
use world::{Act, Draw, Place, World};

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// What is wrong with what pinhole says of a site.
type Probe = fn(&World, &Scratch) -> Vec<String>;

fn claims(world: &World, scratch: &Scratch) -> Vec<String> {
    lay_out(world, scratch);
    world.faults(&check(&scratch.0, &[]))
}

/// The files of a site, with the catalog.
fn lay_out(world: &World, scratch: &Scratch) {
    for (name, text) in world.files() {
        scratch.write(&name, text);
    }
    std::fs::create_dir_all(scratch.0.join("catalog")).unwrap();
    for (name, text) in write::catalog() {
        scratch.write(&format!("catalog/{name}"), text);
    }
}

/// Each firewall by itself: what `trace` says of packets.
fn traces(world: &World, scratch: &Scratch) -> Vec<String> {
    lay_out(world, scratch);
    let mut faults = Vec::new();
    for (at, wall) in world.walls.iter().enumerate() {
        let packets: Vec<_> = [true, false].iter().flat_map(|v4| world.strangers(at, *v4)).collect();
        let mut lines = String::new();
        for (packet, side) in &packets {
            let proto = if packet.tcp { "tcp" } else { "udp" };
            let way = match side {
                Some(side) => {
                    let (iif, oif) = (write::face(wall, *side), write::face(wall, 1 - side));
                    format!("\"hook\":\"forward\",\"iif\":\"{iif}\",\"oif\":\"{oif}\"")
                }
                None => "\"hook\":\"input\",\"iif\":\"eth0\"".to_string(),
            };
            let (src, dst, sport, dport) = (packet.src, packet.dst, packet.sport, packet.dport);
            writeln!(
                lines,
                "{{{way},\"src\":\"{src}\",\"dst\":\"{dst}\",\"proto\":\"{proto}\",\"sport\":{sport},\
                 \"dport\":{dport},\"state\":\"new\"}}"
            )
            .unwrap();
        }
        scratch.write("packets.jsonl", lines);
        let names = world.names(at);
        let mut args = vec!["--no-site".to_string(), "--packets".to_string(), "packets.jsonl".to_string()];
        for (name, addresses) in world.own(at) {
            args.extend(
                addresses.iter().flat_map(|own| ["--interface".to_string(), format!("{name}={own}")]),
            );
        }
        args.extend(names.iter().cloned());
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let given = BTreeMap::new();
        for ((packet, side), told) in packets.iter().zip(trace(&scratch.0, &args)) {
            let mut seen = *packet;
            world.translate(wall, *side, &mut seen);
            if claims::is_public(seen.dst) {
                continue;
            }
            let ends =
                Answers::with_rates(&given).all(|answers| world.passes(at, seen, *side, false, answers));
            let right = match (ends.contains(&true), ends.contains(&false)) {
                (true, false) => told.verdict == "accept",
                // Whether it is dropped or refused may be open.
                (false, _) if ends.len() > 1 => told.verdict != "accept",
                (false, _) => matches!(told.verdict.as_str(), "drop" | "reject"),
                (true, true) => told.verdict == "unknown",
            };
            if !right {
                faults.push(format!("{}: {} of {packet:?} by {side:?}: {ends:?}", names[0], told.verdict));
            }
        }
    }
    faults
}

/// Draws sites from a seed on, and fails with the first one that is not judged right, made small.
fn search(probe: Probe, seed: u64, cases: u64) {
    let (next, failed) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let (next, failed) = (&next, &failed);
            scope.spawn(move || {
                loop {
                    let case = next.fetch_add(1, Ordering::Relaxed);
                    if case >= cases {
                        return;
                    }
                    let case = seed.wrapping_add(case);
                    let scratch = Scratch::new(&format!("truth-{seed}-{worker}"));
                    let faults = probe(&World::draw(&mut Draw(case)), &scratch);
                    if let Some(first) = faults.first() {
                        failed.lock().unwrap().push((case, faults.len(), first.clone()));
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.sort_by_key(|(case, faults, _)| (*faults, *case));
    if let Some((case, ..)) = failed.first() {
        let listed = failed.iter().take(20).map(|(case, _, first)| format!("seed {case}: {first}\n"));
        let listed: String = listed.collect();
        let share = format!("{} of {cases} sites are not judged right", failed.len());
        panic!("{share}\n{listed}\nseed {case}, made small:\n{}", small(probe, *case));
    }
}

/// A site that is not judged right, with as little as can be in it.
fn small(probe: Probe, case: u64) -> String {
    let scratch = Scratch::new(&format!("truth-small-{case}"));
    let mut world = World::draw(&mut Draw(case));
    let wrong = probe(&world, &scratch).first().map(|fault| gist(fault)).unwrap_or_default();
    let still = |less: &World| probe(less, &scratch).iter().any(|fault| gist(fault) == wrong);
    while let Some(less) = lesser(&world).into_iter().find(still) {
        world = less;
    }
    let mut story = probe(&world, &scratch).join("\n");
    for (name, text) in world.files() {
        write!(story, "\n--- {name}\n{text}").unwrap();
    }
    let told = check(&scratch.0, &[]).told();
    format!("{story}--- check\n{told}")
}

/// What a fault is about, and its first words: in a smaller site it is the same fault.
fn gist(fault: &str) -> String {
    let (what, words) = fault.split_once(": ").unwrap_or((fault, ""));
    let words: Vec<&str> = words.split(' ').take(3).collect();
    format!("{what}: {}", words.join(" "))
}

/// Sites that have one thing less.
fn lesser(world: &World) -> Vec<World> {
    let mut sites = Vec::new();
    let mut without = |change: &dyn Fn(&mut World)| {
        let mut less = world.clone();
        change(&mut less);
        sites.push(less);
    };
    for (at, wall) in world.walls.iter().enumerate() {
        if matches!(wall.place, Place::On(_)) {
            without(&|less| drop(less.walls.remove(at)));
        }
        for (rule, drawn) in wall.rules.iter().enumerate() {
            without(&|less| drop(less.walls[at].rules.remove(rule)));
            if let Act::Jump(inner) = &drawn.act {
                for n in 0..inner.len() {
                    without(&|less| {
                        if let Act::Jump(inner) = &mut less.walls[at].rules[rule].act {
                            inner.remove(n);
                        }
                    });
                }
            }
        }
        for rule in 0..wall.marks.len() {
            without(&|less| {
                less.walls[at].marks.remove(rule);
            });
        }
        if wall.rewrite.is_some() {
            without(&|less| less.walls[at].rewrite = None);
        }
        for rule in 0..wall.dnat.len() {
            without(&|less| {
                less.walls[at].dnat.remove(rule);
            });
        }
        if wall.snat.is_some() {
            without(&|less| less.walls[at].snat = None);
        }
        if wall.helper != [false; 2] {
            without(&|less| less.walls[at].helper = [false; 2]);
        }
    }
    if world.peers.len() > 1 {
        for peer in 0..world.peers.len() {
            without(&|less| {
                less.peers.remove(peer);
            });
        }
    }
    let last = world.devices.len() - 1;
    let named = world
        .walls
        .iter()
        .any(|wall| wall.place == Place::On(last) || wall.dnat.iter().any(|rule| rule.device == last));
    if last > 0 && !named {
        without(&|less| drop(less.devices.pop()));
    }
    for (at, device) in world.devices.iter().enumerate() {
        if device.addresses.len() > 1 {
            without(&|less| less.devices[at].addresses.truncate(1));
        }
        if device.high {
            without(&|less| less.devices[at].high = false);
        }
    }
    sites
}

/// A seed of its own for each run, which is printed even where the test passes.
fn fresh() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = number("PINHOLE_TRUTH_SEED").unwrap_or(now.as_micros() as u64 % 1_000_000_000);
    // What is printed by a macro is shown only where the test fails.
    let mut shown = std::io::stderr();
    writeln!(shown, "lint_truth: PINHOLE_TRUTH_SEED={seed}").unwrap();
    seed
}

fn cases() -> u64 {
    number("PINHOLE_TRUTH_CASES").unwrap_or(100)
}

#[test]
fn what_is_claimed_is_what_happens() {
    search(claims, 1, cases());
}

#[test]
fn what_is_claimed_is_what_happens_with_a_fresh_seed() {
    search(claims, fresh(), cases());
}

/// A device counted as its own neighbour, a second policy that was passed over, media that hangs on its call, a helper
/// that reads an address from which nobody signals.
#[test]
fn what_was_claimed_wrongly_once_is_right() {
    [5692, 5744, 5933, 6146, 6767, 7248, 57_790_224, 802_961_222]
        .into_iter()
        .for_each(|seed| search(claims, seed, 1));
}

/// The languages say what was drawn: else the other tests would ask about something else.
#[test]
fn what_is_written_is_what_was_drawn() {
    search(traces, 1, cases());
}

#[test]
fn what_a_change_is_said_to_do_is_what_it_does() {
    search(changes::changes, 1, cases());
}

#[test]
fn what_a_change_is_said_to_do_is_what_it_does_with_a_fresh_seed() {
    search(changes::changes, fresh(), cases());
}
