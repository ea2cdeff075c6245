//! How the process gets hold of sockets in three namespaces.
//!
//! A socket belongs to the namespace in which it was opened, wherever it is used. So the process runs
//! itself in the client's namespace, opens a tap there, and becomes, with the tap as standard input, a
//! process of the server's namespace, and then, with that tap as standard output, one of the firewall's.

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::coverage;
use crate::judge;
use crate::lab::{self, Lab};
use crate::netns::{self, Netns};

/// The stage that a process is, and the namespaces' names: `STAGE BASE`.
const STAGE: &str = "PINHOLE_KERNEL_STAGE";
/// What the whole test may take.
const TIME_LIMIT: Duration = Duration::from_secs(600);

/// The test, or one of its stages.
pub(crate) fn run() -> ExitCode {
    let Ok(stage) = std::env::var(STAGE) else { return start() };
    let error = match stage.split_once(' ') {
        Some(("client", base)) => {
            netns::set_silent();
            lab::tap().map(|tap| enter("server", base).stdin(OwnedFd::from(tap)).exec())
        }
        Some(("server", base)) => {
            netns::set_silent();
            lab::tap().map(|tap| enter("firewall", base).stdout(OwnedFd::from(tap)).exec())
        }
        Some(("reaper", base)) => {
            netns::remove_after(base);
            return ExitCode::SUCCESS;
        }
        Some(("inner", _)) => {
            netns::set_forwarding();
            return ExitCode::SUCCESS;
        }
        Some(("forget", _)) => match lab::forget_connections() {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => Err(std::io::Error::other(error)),
        },
        _ => {
            std::thread::spawn(end_with_the_test);
            netns::set_forwarding();
            match lab::inherited().and_then(|(client, server)| Lab::new(client, server)) {
                Ok(lab) => return judge::run(lab, filter().as_deref()),
                Err(error) => Err(error),
            }
        }
    };
    eprintln!("{stage}: {}", error.unwrap_or_else(|error| error));
    ExitCode::FAILURE
}

fn start() -> ExitCode {
    // what `cargo test` asks of every test program
    if std::env::args().any(|arg| arg == "--list") {
        return ExitCode::SUCCESS;
    }
    let faults = coverage::faults();
    if !faults.is_empty() {
        eprintln!("FAILED the random rulesets do not have all that is modelled:\n{}", faults.join("\n"));
        return ExitCode::FAILURE;
    }
    if let Some(why) = lacking() {
        eprintln!("skipped: {why}");
        return ExitCode::SUCCESS;
    }
    let netns = match Netns::new() {
        Ok(netns) => netns,
        Err(why) => {
            eprintln!("skipped: {why}");
            return ExitCode::SUCCESS;
        }
    };
    if let Err(why) = reaper(netns.base()).and_then(|()| set_up_inner(&netns)) {
        panic!("{why}");
    }
    let mut child = match enter("client", netns.base()).spawn() {
        Ok(child) => child,
        Err(error) => panic!("the test does not run itself: {error}"),
    };
    let deadline = Instant::now() + TIME_LIMIT;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return ExitCode::SUCCESS,
            Ok(Some(_)) => return ExitCode::FAILURE,
            _ if Instant::now() > deadline => {
                let _ = child.kill();
                panic!("the test took more than {} s", TIME_LIMIT.as_secs());
            }
            _ => sleep(Duration::from_millis(10)),
        }
    }
}

/// What the machine lacks.
fn lacking() -> Option<String> {
    let id = Command::new("id").arg("-u").stdin(Stdio::null()).output();
    if !id.is_ok_and(|id| id.stdout.trim_ascii() == b"0") {
        return Some("it needs root, to make network namespaces".to_string());
    }
    (!netns::has("ip")).then(|| "`ip` (iproute2) is not installed".to_string())
}

/// Starts what cleans up after this process, which nothing that ends this one ends.
fn reaper(base: &str) -> Result<(), String> {
    let mut reaper = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
    reaper.env(STAGE, format!("reaper {base}")).process_group(0);
    reaper.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    reaper.spawn().map(|_| ()).map_err(|error| error.to_string())
}

/// Ends the stage that sends packets, once the test that started it is gone or its time is over.
#[expect(clippy::exit, reason = "the stage blocks in a read that nothing else ends")]
fn end_with_the_test() {
    let base = base();
    let deadline = Instant::now() + TIME_LIMIT;
    while netns::is_alive(&base) && Instant::now() < deadline {
        sleep(Duration::from_millis(100));
    }
    std::process::exit(1);
}

fn set_up_inner(netns: &Netns) -> Result<(), String> {
    let run = enter("inner", netns.base()).status().map_err(|error| error.to_string())?;
    if run.success() { Ok(()) } else { Err("the inner firewall could not be set up".to_string()) }
}

/// Empties the connection table of the inner firewall.
pub(crate) fn forget_inner() -> Result<(), String> {
    let base = base();
    let mut forget = enter("inner", &base);
    let run = forget.env(STAGE, format!("forget {base}")).status().map_err(|error| error.to_string())?;
    if run.success() { Ok(()) } else { Err("the inner connection table could not be emptied".to_string()) }
}

/// What the names of the namespaces begin with, for the stages.
pub(crate) fn base() -> String {
    let stage = std::env::var(STAGE).unwrap_or_default();
    stage.split_once(' ').map_or(String::new(), |(_, base)| base.to_string())
}

/// This program, run in the namespace of a role.
fn enter(role: &str, base: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &format!("{base}-{role}")]);
    command.arg(std::env::current_exe().unwrap_or_default());
    command.args(std::env::args().skip(1)).env(STAGE, format!("{role} {base}"));
    command
}

/// The part of a name that selects rulesets.
fn filter() -> Option<String> {
    std::env::args().skip(1).find(|arg| !arg.starts_with('-'))
}
