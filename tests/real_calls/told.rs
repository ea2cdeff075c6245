//! What `pinhole explain` says of a call, held against what was seen of it.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value as Json;

use crate::call::{ALICE, BOB, SERVER, Seen};
use crate::cases::{Case, Kind};
use crate::relay::RELAYS;

/// An explanation.
pub(crate) struct Told(Json);

/// Writes the site of a case beside its rules.
pub(crate) fn write_site(case: &Case, folder: &Path) -> std::io::Result<()> {
    let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/real-calls/catalog");
    let calls = catalog.with_file_name("calls");
    let mut site = format!(
        "catalog = [{:?}]\ncalls = [{:?}]\n",
        catalog.display().to_string(),
        calls.display().to_string()
    );
    // Who dials an address of ours that is translated comes from outside.
    let west = if case.dials.is_some() { "" } else { "networks = [\"10.10.0.0/24\"]\n" };
    let _ = writeln!(site, "[[zone]]\nname = \"west\"\n{west}");
    for (name, network) in [("east", "10.20.0.0/24"), ("core", "10.30.0.0/24")] {
        let _ = writeln!(site, "[[zone]]\nname = \"{name}\"\nnetworks = [\"{network}\"]");
    }
    let two = case.rules.len() > 1;
    if two {
        site += "[[zone]]\nname = \"between\"\nnetworks = [\"10.15.0.0/24\"]\n";
    }
    let (zone, own) = if two { ("between", "10.15.0.1/24") } else { ("east", "10.20.0.1/24") };
    let _ = writeln!(
        site,
        "[[firewall]]\nname = \"edge\"\nconfig = [\"edge/{}\"]\n\
         interfaces = {{ eth0 = \"west\", eth1 = \"{zone}\", eth2 = \"core\" }}\n\
         addresses = {{ eth0 = [\"10.10.0.1/24\"], eth1 = [\"{own}\"], eth2 = [\"10.30.0.1/24\"] }}",
        case.rules[0].file()
    );
    if two {
        let _ = writeln!(
            site,
            "[[firewall]]\nname = \"inner\"\nconfig = [\"inner/{}\"]\n\
             interfaces = {{ eth0 = \"between\", eth1 = \"east\" }}\n\
             addresses = {{ eth0 = [\"10.15.0.2/24\"], eth1 = [\"10.20.0.1/24\"] }}",
            case.rules[1].file()
        );
    }
    let mut device = |name: &str, product: &str, address: &str, more: &str| {
        let _ = writeln!(
            site,
            "[[device]]\nname = \"{name}\"\nproduct = \"{product}\"\naddresses = [\"{address}\"]\n{more}"
        );
    };
    match case.kind {
        Kind::Relay(_) => {
            device("bob", "relay-end", BOB, "");
            device(
                "server",
                "coturn",
                SERVER,
                &format!("ports = {{ relay = \"{}-{}\" }}", RELAYS.0, RELAYS.1),
            );
        }
        Kind::H323 { by_gatekeeper } => {
            let public = case
                .dials
                .map(|dials| format!("public-addresses = [\"{dials}\"]\nannounces = \"private\"\n"));
            device("alice", "h323-end", ALICE, "");
            device("bob", "h323-end", BOB, &public.unwrap_or_default());
            if by_gatekeeper {
                device("server", "h323-gatekeeper", SERVER, "mode = \"direct\"");
            }
        }
        Kind::Direct(_) | Kind::Registered(_) => {
            let public = case.dials.map(|dials| format!("public-addresses = [\"{dials}\"]"));
            device("alice", "baresip", ALICE, "");
            device("bob", "baresip", BOB, &public.unwrap_or_default());
        }
    }
    if matches!(case.kind, Kind::Registered(_)) {
        device("server", "kamailio", SERVER, "");
    }
    std::fs::write(folder.join("pinhole.toml"), site)
}

impl Told {
    /// Asks.
    pub(crate) fn ask(case: &Case, folder: &Path) -> Result<Told, String> {
        let (from, call) = match case.kind {
            Kind::Direct(transport) => ("alice", format!("sip-{transport}")),
            Kind::Registered(transport) => ("alice", format!("registered-{transport}")),
            Kind::Relay(_) => ("west", "webrtc".to_string()),
            Kind::H323 { by_gatekeeper: true } => ("alice", "h323".to_string()),
            Kind::H323 { by_gatekeeper: false } => ("alice", "h323-direct".to_string()),
        };
        let mut explain = Command::new(env!("CARGO_BIN_EXE_pinhole"));
        explain.current_dir(folder).args(["explain", "--format", "json", "--from", from, "--to", "bob"]);
        let out = explain.args(["--call", &call]).output().map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&out.stdout);
        serde_json::from_str(&text)
            .map(Told)
            .map_err(|_| format!("explain says {}", String::from_utf8_lossy(&out.stderr)))
    }

    /// What is said of a stage between two, where it matters who: `yes`, `no` or `depends`, and on what.
    fn of(&self, stage: &str, ends: [Option<&str>; 2]) -> Option<(String, String)> {
        let is = |row: &Json, key: &str, name: Option<&str>| name.is_none_or(|name| row[key] == name);
        let between = |row: &&Json| is(row, "from", ends[0]) && is(row, "to", ends[1]);
        let stages = self.0["stages"].as_array()?.iter().filter(|row| row["stage"] == stage);
        let rows: Vec<&Json> = stages.filter(between).collect();
        let worst =
            ["no", "depends", "yes"].into_iter().find(|word| rows.iter().any(|row| row["works"] == *word));
        let on = rows.iter().flat_map(|row| row["depends_on"].as_array().into_iter().flatten());
        let on: Vec<&str> = on.filter_map(Json::as_str).collect();
        Some((worst?.to_string(), on.join(", ")))
    }
}

/// Where the explanation and what was seen part, in words; and how many answers were certain.
pub(crate) fn compare(case: &Case, told: &Told, seen: &Seen) -> (Vec<String>, usize) {
    let mut wrong = Vec::new();
    let mut certain = 0;
    let mut hold = |stage: &str, ends: [Option<&str>; 2], came: Option<bool>| {
        let Some(came) = came else { return };
        match told.of(stage, ends) {
            None => wrong.push(format!("{stage} {ends:?}: nothing is said, seen: {came}")),
            Some((works, on)) => {
                certain += usize::from(works != "depends");
                if works == "yes" && !came || works == "no" && came || works == "depends" && on.is_empty() {
                    wrong.push(format!("{stage} {ends:?}: said {works} ({on}), seen {came}"));
                }
            }
        }
    };
    let (alice, bob, server) = (Some("alice"), Some("bob"), Some("server"));
    let register = if matches!(case.kind, Kind::H323 { .. }) { "ras" } else { "register" };
    for (name, registered) in &seen.registered {
        hold(register, [Some(name), server], Some(*registered));
    }
    match case.kind {
        Kind::Direct(_) => {
            hold("sip", [alice, bob], seen.placed);
            hold("sip", [bob, alice], seen.ended);
        }
        Kind::Registered(_) => {
            hold("register", [server, bob], seen.placed);
            hold("register", [server, alice], seen.ended);
        }
        Kind::H323 { .. } => {
            hold("q931", [alice, bob], seen.placed);
            hold("h245", [alice, bob], seen.controlled);
        }
        Kind::Relay(transport) => {
            hold(&format!("turn-{transport}"), [None, server], seen.allocated);
            hold("relay", [server, bob], seen.relayed.filter(|_| seen.allocated == Some(true)));
        }
    }
    hold("media", [alice, bob], seen.to_bob);
    hold("media", [bob, alice], seen.to_alice);
    (wrong, certain)
}
