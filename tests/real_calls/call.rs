//! One call: the network for it, the programs, and what became of it.

use std::path::Path;
use std::time::Duration;

use crate::cases::{Case, Kind};
use crate::lab::{Lab, done};
use crate::phone::{Phone, RTP, Setup};
use crate::{h323, proxy, relay};

/// What takes longer does not come any more.
const SOON: Duration = Duration::from_millis(1800);

/// The addresses of both ends, and of the server that they may use.
pub(crate) const ALICE: &str = "10.10.0.5";
pub(crate) const BOB: &str = "10.20.0.5";
pub(crate) const SERVER: &str = "10.30.0.20";

/// What was seen of a call. What could not come to pass is `None`.
#[derive(Default, Debug)]
pub(crate) struct Seen {
    /// Alice and bob registered.
    pub registered: Vec<(&'static str, bool)>,
    /// The call rang, and its answer came back.
    pub placed: Option<bool>,
    /// The connection for call control was there, and each end had what the other said on it.
    pub controlled: Option<bool>,
    /// Alice learned that bob hung up.
    pub ended: Option<bool>,
    /// Bob got sound.
    pub to_bob: Option<bool>,
    /// Alice got sound.
    pub to_alice: Option<bool>,
    /// A relay was given.
    pub allocated: Option<bool>,
    /// What was sent through the relay came back.
    pub relayed: Option<bool>,
    /// What the programs said, for reports.
    pub log: String,
}

/// Makes the network of a case, loads its rules, and makes the call.
pub(crate) fn make(
    case: &Case,
    number: usize,
    folder: &Path,
    rules: &[std::path::PathBuf],
) -> Result<Seen, String> {
    let mut lab = Lab::new(number);
    wire(&mut lab, case, rules)?;
    match case.kind {
        Kind::Direct(transport) => direct(&lab, case, transport, folder),
        Kind::Registered(transport) => registered(&lab, transport, folder),
        Kind::Relay(transport) => relay::call(&lab, transport, folder),
        Kind::H323 { by_gatekeeper } => h323::call_bob(&lab, by_gatekeeper, case.dials.unwrap_or(BOB)),
    }
}

/// The edge has alice at eth0, bob or the inner firewall before him at eth1, and the server at eth2.
fn wire(lab: &mut Lab, case: &Case, rules: &[std::path::PathBuf]) -> Result<(), String> {
    for name in ["alice", "edge", "bob", "server"] {
        lab.add(name)?;
    }
    lab.forwards("edge")?;
    lab.link(("edge", "eth0", "10.10.0.1/24"), ("alice", "eth0", "10.10.0.5/24"))?;
    lab.link(("edge", "eth2", "10.30.0.1/24"), ("server", "eth0", "10.30.0.20/24"))?;
    let last = if rules.len() == 1 { "edge" } else { "inner" };
    if last == "inner" {
        add_inner(lab)?;
    }
    lab.link((last, "eth1", "10.20.0.1/24"), ("bob", "eth0", "10.20.0.5/24"))?;
    for (name, via) in [("alice", "10.10.0.1"), ("bob", "10.20.0.1"), ("server", "10.30.0.1")] {
        lab.route(name, "default", via)?;
    }
    for (file, name) in rules.iter().zip(["edge", "inner"]) {
        lab.load(name, file)?;
    }
    if let Some(end) = case.other_port {
        other_port(lab, end)?;
    }
    lab.count("alice", RTP)?;
    lab.count("bob", RTP)
}

fn add_inner(lab: &mut Lab) -> Result<(), String> {
    lab.add("inner")?;
    lab.forwards("inner")?;
    lab.link(("edge", "eth1", "10.15.0.1/24"), ("inner", "eth0", "10.15.0.2/24"))?;
    lab.route("edge", "10.20.0.0/24", "10.15.0.2")?;
    lab.route("inner", "default", "10.15.0.1")
}

/// Lets an end send its sound from another port than it listens on.
fn other_port(lab: &Lab, end: &str) -> Result<(), String> {
    let rule = format!(
        "table ip odd {{\nchain out {{\ntype filter hook output priority 0;\nudp sport {RTP} udp sport set 30000\n}}\n}}\n"
    );
    done(lab.command(end, "nft").arg(rule))
}

fn direct(lab: &Lab, case: &Case, transport: &str, folder: &Path) -> Result<Seen, String> {
    let phone =
        |name, address| Phone::start(lab, folder, &Setup { name, address, transport, registrar: None });
    let (mut alice, mut bob) = (phone("alice", ALICE)?, phone("bob", BOB)?);
    let port = if transport == "tls" { 5061 } else { 5060 };
    let dialled = case.dials.unwrap_or(BOB);
    let mut seen = Seen::default();
    talk(lab, &mut alice, &mut bob, &format!("sip:bob@{dialled}:{port};transport={transport}"), &mut seen);
    Ok(seen)
}

fn registered(lab: &Lab, transport: &str, folder: &Path) -> Result<Seen, String> {
    let _proxy = proxy::start(lab, folder, SERVER)?;
    let phone = |name, address| {
        Phone::start(lab, folder, &Setup { name, address, transport, registrar: Some(SERVER) })
    };
    let (mut alice, mut bob) = (phone("alice", ALICE)?, phone("bob", BOB)?);
    let mut seen = Seen::default();
    for (name, phone) in [("alice", &mut alice), ("bob", &mut bob)] {
        seen.registered.push((name, phone.registers(SOON)));
    }
    let port = if transport == "tls" { 5061 } else { 5060 };
    if seen.registered.iter().all(|(_, ok)| *ok) {
        talk(lab, &mut alice, &mut bob, &format!("sip:bob@{SERVER}:{port};transport={transport}"), &mut seen);
    }
    seen.log = format!("alice: {}\nbob: {}", alice.log(), bob.log());
    Ok(seen)
}

/// Alice calls, bob answers, both speak, and bob hangs up.
fn talk(lab: &Lab, alice: &mut Phone, bob: &mut Phone, to: &str, seen: &mut Seen) {
    alice.say("dial", to);
    let rang = bob.event("CALL_INCOMING", SOON);
    if rang {
        bob.say("accept", "");
    }
    let placed = rang && alice.event("CALL_ESTABLISHED", SOON);
    seen.placed = Some(placed);
    if placed {
        std::thread::sleep(Duration::from_millis(1200));
        // Fifty packets a second are sent: a few may be lost where a rule waits for the other side.
        seen.to_bob = Some(lab.counted("bob") >= 10);
        seen.to_alice = Some(lab.counted("alice") >= 10);
        bob.say("hangup", "");
        seen.ended = Some(alice.event("CALL_CLOSED", SOON));
    }
    seen.log = format!("alice: {}\nbob: {}", alice.log(), bob.log());
}
