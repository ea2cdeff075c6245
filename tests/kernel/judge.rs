//! Loads rulesets, sends their packets, and compares.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use crate::diffs;
use crate::flow;
use crate::lab::{End, Fate, Lab};
use crate::netns::{has, run_with_input};
use crate::predict::{predict, reading_errors};
use crate::random;
use crate::scenario::{self, Case, Expected, Language, Scenario, Tool};
use crate::sites;

/// What tools say where the kernel, and not the ruleset, is at fault.
const LACKS: [&str; 5] = [
    "missing kernel module",
    "not supported",
    "No such file or directory",
    "Protocol wrong type",
    "can't initialize",
];

/// Failures of one ruleset that are told of.
const TOLD: usize = 4;

const EMPTY: &str = "*raw\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\nCOMMIT
*mangle\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\nCOMMIT
*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\nCOMMIT
*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n";

/// What was compared.
#[derive(Default)]
struct Tally {
    rulesets: usize,
    packets: usize,
    /// Packets of which the flow engine could not tell whether they pass.
    unsure: usize,
    failures: usize,
}

/// The whole test, in the firewall's namespace.
pub(crate) fn run(lab: Lab, filter: Option<&str>) -> ExitCode {
    let begun = Instant::now();
    let folder = std::env::temp_dir().join(format!("pinhole-kernel-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut court = Court { lab, folder, tally: Tally::default(), tools: installed() };
    court.hear_all(filter);
    if filter.is_none_or(|part| part == "sites") {
        let tally = sites::run(&mut court.lab, &court.folder);
        eprintln!("{tally:?}");
        court.tally.failures += tally.failures;
    }
    if filter.is_none_or(|part| part == "diffs") {
        let tally = diffs::run(&mut court.lab, &court.folder, &court.tools);
        eprintln!("{tally:?}");
        court.tally.failures += tally.failures;
    }
    if filter.is_none_or(|part| part == "calls") {
        let tally = sites::run_calls(&mut court.lab, &court.folder);
        eprintln!("{tally:?}");
        court.tally.failures += tally.failures;
    }
    if court.tally.failures == 0 {
        let _ = std::fs::remove_dir_all(&court.folder);
    } else {
        eprintln!("the random rulesets and sites are in {}", court.folder.display());
    }
    let Tally { rulesets, packets, unsure, failures } = court.tally;
    eprintln!(
        "kernel: {packets} packets through {rulesets} loaded rulesets ({unsure} unknown to the flow engine), \
         {failures} failures, {:.1} s",
        begun.elapsed().as_secs_f32()
    );
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The tools of the machine; tells which are not there.
fn installed() -> Vec<Tool> {
    let (there, lacking): (Vec<Tool>, Vec<Tool>) =
        Tool::ALL.into_iter().partition(|tool| has(tool.program()));
    for tool in lacking {
        eprintln!("skipped: all rulesets for `{}`, which is not installed", tool.program());
    }
    there
}

struct Court {
    lab: Lab,
    folder: PathBuf,
    tally: Tally,
    /// What is installed.
    tools: Vec<Tool>,
}

impl Court {
    fn hear_all(&mut self, filter: Option<&str>) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/kernel");
        let wanted = |scenario: &Scenario| filter.is_none_or(|part| scenario.name.contains(part));
        for folder in ["iptables", "nftables"] {
            match scenario::read_all(&root.join(folder)) {
                Ok(scenarios) => scenarios.iter().filter(|s| wanted(s)).for_each(|s| self.hear(s)),
                Err(error) => self.fail(&error),
            }
        }
        random::scenarios(&self.folder).iter().filter(|s| wanted(s)).for_each(|s| self.hear(s));
    }

    fn fail(&mut self, what: &str) {
        self.tally.failures += 1;
        eprintln!("FAILED {what}");
    }

    fn hear(&mut self, scenario: &Scenario) {
        if scenario.refused_by_all() {
            match reading_errors(scenario) {
                Ok(codes) if codes.is_empty() => {
                    self.fail(&format!("{}: pinhole check finds no error in it", scenario.name));
                }
                Ok(_) => {}
                Err(error) => self.fail(&format!("{}: {error}", scenario.name)),
            }
        }
        for tool in scenario.language.tools() {
            if !self.tools.contains(tool) {
                continue;
            }
            clear(scenario.language);
            match (load(scenario, *tool), scenario.refused_by(*tool)) {
                (Ok(()), false) => self.send_all(scenario, *tool),
                (Ok(()), true) => {
                    self.fail(&format!("{}: {} loads it", scenario.name, tool.program()));
                }
                (Err(_), true) => {}
                (Err(error), false) if LACKS.iter().any(|lack| error.contains(lack)) => {
                    eprintln!("skipped: {}: {}: {error}", scenario.name, tool.program());
                }
                (Err(error), false) => {
                    self.fail(&format!("{}: {} refuses it: {error}", scenario.name, tool.program()));
                }
            }
            clear(scenario.language);
        }
    }

    /// Counts a failure of a packet, and tells of the first few of a ruleset.
    fn fail_packet(&mut self, told: &mut usize, what: &str) {
        *told += 1;
        if *told <= TOLD {
            self.fail(what);
        } else {
            self.tally.failures += 1;
        }
    }

    fn send_all(&mut self, scenario: &Scenario, tool: Tool) {
        self.tally.rulesets += 1;
        let predictions = match predict(scenario, &self.folder) {
            Ok(predictions) => predictions,
            Err(error) => return self.fail(&format!("{}: {error}", scenario.name)),
        };
        let flows = match flow::ask(scenario) {
            Ok(flows) => flows,
            Err(error) => return self.fail(&format!("{}: {error}", scenario.name)),
        };
        let mut told = 0;
        for ((case, prediction), flow) in scenario.cases.iter().zip(&predictions).zip(&flows) {
            let place = format!("{}:{} ({})", scenario.name, case.line, tool.program());
            if let Some(torn) = flow.is_torn() {
                self.fail_packet(&mut told, &format!("{place}: {}: {torn}", case.probe));
            }
            if case.expected == Some(Expected::Unknown) {
                if !flow.is_unknown() {
                    self.fail_packet(
                        &mut told,
                        &format!("{place}: the flow engine is certain of what no ruleset can tell"),
                    );
                }
                if prediction.verdict() != "unknown" {
                    self.fail_packet(
                        &mut told,
                        &format!("{place}: pinhole says {prediction:?} of what no ruleset can tell"),
                    );
                }
                continue;
            }
            self.tally.packets += 1;
            let fate = match self.lab.probe(&case.probe) {
                Ok(fate) => fate,
                Err(error) => {
                    self.fail_packet(&mut told, &format!("{place}: {error}"));
                    continue;
                }
            };
            if let Some(expected) = &case.expected
                && !agrees(expected, &fate, case)
            {
                self.fail_packet(
                    &mut told,
                    &format!("{place}: {expected:?} is written, the kernel did {fate:?}"),
                );
            }
            self.tally.unsure += usize::from(flow.is_unknown());
            if let Some(said) = flow.against(&fate, &case.probe) {
                self.fail_packet(
                    &mut told,
                    &format!("{place}: {}\n  kernel: {fate:?}\n  flow: {said}", case.probe),
                );
            }
            if let Some(said) = prediction.against(&fate, &case.probe) {
                self.fail_packet(
                    &mut told,
                    &format!("{place}: {}\n  kernel: {fate:?}\n  pinhole: {said}", case.probe),
                );
            }
        }
    }
}

/// Removes all rules and sets.
pub(crate) fn clear(language: Language) {
    let _ = run_with_input("nft", &["flush", "ruleset"], "");
    let legacy = language.tools().iter().find(|tool| tool.program().contains("legacy"));
    if let Some(tool) = legacy {
        let _ = run_with_input(tool.program(), &[], EMPTY);
        let _ = run_with_input("ipset", &["destroy"], "");
    }
}

/// Loads a ruleset with its sets.
pub(crate) fn load(scenario: &Scenario, tool: Tool) -> Result<(), String> {
    if let Some(path) = &scenario.ipset {
        let sets = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        run_with_input("ipset", &["restore"], &sets)?;
    }
    let args: &[&str] = if tool == Tool::Nft { &["-f", "-"] } else { &[] };
    run_with_input(tool.program(), args, &scenario.text)
}

/// Whether the kernel did what is written.
fn agrees(expected: &Expected, fate: &Fate, case: &Case) -> bool {
    let header = &case.probe.header;
    match (expected, fate) {
        (Expected::Drop, Fate::Drop) => true,
        (Expected::Reject(said), Fate::Reject(reply)) => said.as_ref().is_none_or(|said| said == reply),
        (Expected::Accept { src, dst }, Fate::Accept { src: from, dst: to }) => {
            let ends = |said: &Option<End>, seen: &End, sent| {
                let stays = End { address: sent, port: None };
                let said = said.as_ref().unwrap_or(&stays);
                seen.address == said.address && (said.port.is_none() || said.port == seen.port)
            };
            ends(src, from, header.src) && to.as_ref().is_none_or(|to| ends(dst, to, header.dst))
        }
        _ => false,
    }
}
