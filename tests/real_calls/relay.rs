//! coturn as relay: its client is alice, what the relay talks to is bob.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::call::{BOB, SERVER, Seen};
use crate::lab::{Lab, Running, within};

/// The ports that the server gives relays from.
pub(crate) const RELAYS: (u16, u16) = (50000, 50009);
/// Where the other end listens.
pub(crate) const PEER: u16 = 3480;

/// Allocates a relay and sends through it.
pub(crate) fn call(lab: &Lab, transport: &str, folder: &Path) -> Result<Seen, String> {
    let own = folder.join("server");
    std::fs::create_dir_all(&own).map_err(|error| error.to_string())?;
    let mut server = lab.command("server", "turnserver");
    server.args(["-n", "--no-cli", "-L", SERVER, "-E", SERVER, "-a", "-u", "u:p", "-r", "lab", "--no-dtls"]);
    server.args(["--min-port", &RELAYS.0.to_string(), "--max-port", &RELAYS.1.to_string(), "--no-rfc5780"]);
    server.arg("--cert").arg(folder.join("crt.pem")).arg("--pkey").arg(folder.join("key.pem"));
    server.arg("-b").arg(own.join("db")).args(["--log-file", "stdout", "--pidfile"]).arg(own.join("pid"));
    server.env("OPENSSL_CONF", folder.join("openssl.cnf")).stdout(Stdio::null()).stderr(Stdio::null());
    let _server = Running(server.spawn().map_err(|error| error.to_string())?);
    let mut peer = lab.command("bob", "turnutils_peer");
    peer.args(["-L", BOB, "-p", &PEER.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
    let _peer = Running(peer.spawn().map_err(|error| error.to_string())?);
    let listens = || {
        let out = lab.command("server", "ss").args(["-lnt"]).output();
        out.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains(":5349"))
    };
    if !within(Duration::from_secs(10), listens) {
        return Err("coturn does not listen".to_string());
    }
    let mut client = lab.command("alice", "timeout");
    client.args(["12", "turnutils_uclient", "-v", "-u", "u", "-w", "p", "-e", BOB, "-r", &PEER.to_string()]);
    client.args(["-n", "5", "-m", "1", "-l", "100", "-c", "-X"]);
    match transport {
        "tcp" => client.arg("-t"),
        "tls" => client.args(["-t", "-S", "-p", "5349"]),
        _ => &mut client,
    };
    let out = client.arg(SERVER).output().map_err(|error| error.to_string())?;
    let log = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    let received = log.rsplit("tot_recv_msgs=").next().and_then(|rest| rest.split([',', ' ', '\n']).next());
    let allocated = log.contains("Received relay addr");
    Ok(Seen {
        allocated: Some(allocated),
        relayed: Some(allocated && received.and_then(|n| n.parse::<u32>().ok()).unwrap_or(0) > 0),
        log,
        ..Seen::default()
    })
}
