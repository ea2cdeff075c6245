//! What `pinhole` says becomes of packets, asked as a user asks.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value as Json;

use crate::lab::{End, Fate};
use crate::netns::ADDRESSES;
use crate::packet::{self, Probe};
use crate::scenario::Scenario;
use crate::wire::{RST, TCP};

/// The answer for one packet.
#[derive(Debug)]
pub(crate) struct Prediction(Json);

/// Asks for all packets of a scenario; the answers are in their order.
pub(crate) fn predict(scenario: &Scenario, folder: &Path) -> Result<Vec<Prediction>, String> {
    let packets = folder.join("packets.jsonl");
    let lines: Vec<String> =
        scenario.cases.iter().enumerate().map(|(id, case)| case.probe.json(id).to_string()).collect();
    std::fs::write(&packets, lines.join("\n")).map_err(|error| format!("{}: {error}", packets.display()))?;
    let mut command = pinhole("trace", scenario);
    command.arg("--packets").arg(&packets).args(["--format", "jsonl"]);
    let run = command.output().map_err(|error| format!("pinhole: {error}"))?;
    if !run.status.success() {
        return Err(format!("pinhole trace: {}: {}", run.status, String::from_utf8_lossy(&run.stderr)));
    }
    let answers: Result<Vec<Prediction>, _> = run
        .stdout
        .split(|b| *b == b'\n')
        .filter(|l| !l.is_empty())
        .map(serde_json::from_slice)
        .map(|j| j.map(Prediction))
        .collect();
    let answers = answers.map_err(|error| format!("pinhole trace: {error}"))?;
    if answers.len() != scenario.cases.len() {
        return Err(format!("pinhole trace: {} answers for {} packets", answers.len(), scenario.cases.len()));
    }
    Ok(answers)
}

/// The codes of what `pinhole check` finds in reading that keeps a file from loading, here at least.
pub(crate) fn reading_errors(scenario: &Scenario) -> Result<Vec<String>, String> {
    let run = pinhole("check", scenario)
        .args(["--format", "json"])
        .output()
        .map_err(|e| format!("pinhole: {e}"))?;
    let report: Json = serde_json::from_slice(&run.stdout)
        .map_err(|error| format!("pinhole check: {error}: {}", String::from_utf8_lossy(&run.stderr)))?;
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    // A name that is not known here may be known where the file is loaded: PH003 says so, and is no error.
    let refuses = |f: &&Json| f["severity"] == "error" || f["code"] == "PH003";
    let errors = findings.iter().filter(refuses).filter_map(|f| f["code"].as_str());
    Ok(errors.filter(|code| code.starts_with("PH0")).map(str::to_string).collect())
}

fn pinhole(command: &str, scenario: &Scenario) -> Command {
    let mut pinhole = Command::new(env!("CARGO_BIN_EXE_pinhole"));
    pinhole.stdin(Stdio::null()).arg(command).arg(&scenario.path).arg("--no-site");
    pinhole.args(["--dialect", scenario.language.name()]);
    for (name, address, length) in ADDRESSES {
        pinhole.arg("--interface").arg(format!("{name}={address}/{length}"));
    }
    if let Some(ipset) = &scenario.ipset {
        pinhole.arg("--ipset").arg(ipset);
    }
    pinhole
}

impl Prediction {
    /// The verdict.
    pub(crate) fn verdict(&self) -> &str {
        self.0["verdict"].as_str().unwrap_or_default()
    }

    /// In what it differs from what the kernel did.
    pub(crate) fn against(&self, fate: &Fate, probe: &Probe) -> Option<String> {
        let agrees = match (self.verdict(), fate) {
            ("drop", Fate::Drop) => true,
            ("reject", Fate::Drop) => self.is_silent(probe),
            ("reject", Fate::Reject(reply)) => self.0["reply"].as_str().is_none_or(|said| said == reply),
            ("accept", Fate::Accept { src, dst }) => {
                self.end_agrees("snat_src", (probe.header.src, probe.header.sport), Some(src))
                    && self.end_agrees("dnat_dst", (probe.header.dst, probe.header.dport), dst.as_ref())
            }
            _ => false,
        };
        (!agrees).then(|| self.0.to_string())
    }

    /// Whether nobody hears of the refusal: a reset answers no reset, an ICMP error no ICMP error.
    fn is_silent(&self, probe: &Probe) -> bool {
        match self.0["reply"].as_str() {
            Some("tcp-reset") => probe.header.proto == TCP && probe.header.flags & RST != 0,
            _ => probe.header.is_icmp_error(),
        }
    }

    /// Whether an end is the one that was foretold; left out means that nothing was.
    fn end_agrees(&self, key: &str, sent: (std::net::IpAddr, u16), seen: Option<&End>) -> bool {
        let (Some(said), Some(seen)) = (self.0.get(key), seen) else { return true };
        let (address, port) = match said.as_str().map(packet::end) {
            None => sent,
            Some(Ok(end)) => end,
            Some(Err(_)) => return false,
        };
        seen.address == address && seen.port.is_none_or(|seen| seen == port)
    }
}
