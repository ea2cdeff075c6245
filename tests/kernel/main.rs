//! The kernel and pinhole agree on what becomes of packets.
//!
//! Rulesets are loaded into the kernel in network namespaces of the test's own, packets are sent
//! through them, and each verdict is held against that of `pinhole trace` and of the flow engine. Random
//! sites follow: what `pinhole check` says of their devices, and `pinhole explain` of calls with them, is held
//! against packets that cross one firewall or two. Where the machine lacks something, the test says `skipped`
//! and why, and passes.
//!
//! This test has no harness: the process runs itself again in the namespaces. An argument selects the
//! rulesets whose name contains it; `sites`, `calls` and `diffs` select what is said of sites, of calls, or of pairs
//! of rulesets alone.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test fails by a panic")]
#![cfg_attr(not(target_os = "linux"), expect(unused, reason = "there is nothing to test"))]

#[cfg(target_os = "linux")]
#[path = "../common/mod.rs"]
mod common;
#[cfg(target_os = "linux")]
mod coverage;
#[cfg(target_os = "linux")]
mod diffs;
#[cfg(target_os = "linux")]
mod flow;
#[cfg(target_os = "linux")]
mod judge;
#[cfg(target_os = "linux")]
mod lab;
#[cfg(target_os = "linux")]
mod netns;
#[cfg(target_os = "linux")]
#[path = "../common/one_packet.rs"]
mod one_packet;
#[cfg(target_os = "linux")]
mod packet;
#[cfg(target_os = "linux")]
mod predict;
#[cfg(target_os = "linux")]
mod random;
#[cfg(target_os = "linux")]
mod scenario;
#[cfg(target_os = "linux")]
mod sites;
#[cfg(target_os = "linux")]
#[path = "../common/splitmix.rs"]
mod splitmix;
#[cfg(target_os = "linux")]
mod stages;
#[cfg(target_os = "linux")]
mod wire;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    stages::run()
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("skipped: this is not Linux");
    ExitCode::SUCCESS
}
