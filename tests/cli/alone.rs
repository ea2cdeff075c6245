//! It opens no socket, and runs no program but `git`, for revisions: the system calls are looked at.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]
#![expect(clippy::print_stdout, reason = "what is skipped is said")]

use std::process::Command;

use crate::common::{Scratch, folder};

/// The programs that a command ran, and the sockets that it opened.
fn asked(args: &[&str]) -> Option<(Vec<String>, Vec<String>)> {
    let place = Scratch::new("alone");
    let calls = place.0.join("calls");
    let traced = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=execve,socket,socketpair", "-e", "signal=none", "-o"])
        .arg(&calls)
        .arg(env!("CARGO_BIN_EXE_pinhole"))
        .args(args)
        .current_dir(folder(""))
        .output();
    if !traced.is_ok_and(|traced| traced.status.code().is_some_and(|code| code < 2)) {
        println!("skipped: there is no strace that works, or {args:?} did not");
        return None;
    }
    let calls = std::fs::read_to_string(calls).unwrap();
    let of = |name: &str| -> Vec<String> {
        let done = calls.lines().filter(|line| line.contains(name) && !line.contains("= -1"));
        done.map(str::to_string).collect()
    };
    Some((of("execve("), of("socket")))
}

#[test]
fn it_opens_no_socket_and_runs_no_program() {
    let site = "fixtures/scenarios/h245-blocked/pinhole.toml";
    let rules = "fixtures/scenarios/h245-blocked/edge.rules";
    for args in [
        vec!["check", "fixtures/scenarios/h245-blocked", "--exit-zero"],
        vec!["explain", "--site", site, "--from", "internet", "--to", "mcu-1", "--call", "h323"],
        vec!["matrix", "--site", site],
        vec!["trace", rules, "--packet", "src=192.0.2.1 dst=10.1.2.10 proto=tcp dport=80"],
        vec!["diff", "--no-site", rules, "fixtures/scenarios/answers-blocked/edge.rules"],
        vec!["tidy", rules],
        vec!["init", "fixtures/scenarios/h245-blocked", "--stdout"],
        vec!["catalog", "list"],
    ] {
        let Some((programs, sockets)) = asked(&args) else { return };
        assert_eq!((programs.len(), sockets.len()), (1, 0), "{args:?}: {programs:?} {sockets:?}");
    }
}

#[test]
fn a_revision_is_asked_of_git() {
    if !folder(".git").exists() {
        return;
    }
    let args =
        ["diff", "--git", "HEAD", "--exit-zero", "--no-site", "fixtures/changes/iptables-sip/new.rules"];
    let Some((programs, _)) = asked(&args) else { return };
    let git: Vec<&String> = programs.iter().skip(1).filter(|call| !call.contains("git")).collect();
    assert!(programs.len() > 1 && git.is_empty(), "{programs:?}");
}
