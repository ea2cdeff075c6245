//! What is for terminals alone: colours, links, and what is said of work that lasts.

#![expect(clippy::print_stdout, reason = "what is skipped is said")]

use std::process::Command;

use crate::common::Scratch;

const RULES: &str = "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n";
const VARIABLES: [&str; 6] =
    ["NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "FORCE_HYPERLINK", "COLORTERM", "TERM_PROGRAM"];

fn place() -> Scratch {
    let place = Scratch::new("terminal");
    place.write("edge.rules", RULES);
    place
}

/// Runs a line of a shell, on a terminal if it is to be so; both streams together there.
fn shell(place: &Scratch, line: &str, terminal: bool, variables: &[(&str, &str)]) -> Option<String> {
    let line = line.replace("pinhole", env!("CARGO_BIN_EXE_pinhole"));
    let mut command = match terminal {
        true => Command::new("script"),
        false => Command::new("sh"),
    };
    match terminal {
        true => command.args(["-qec", &line, "/dev/null"]),
        false => command.args(["-c", &line]),
    };
    for name in VARIABLES {
        command.env_remove(name);
    }
    command.current_dir(&place.0).env("TERM", "xterm").envs(variables.iter().copied());
    let Ok(ran) = command.output() else {
        println!("skipped: there is no script");
        return None;
    };
    let text = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    Some(text.replace("\r\n", "\n"))
}

#[test]
fn work_that_lasts_is_spoken_of_on_a_terminal_alone() {
    let place = place();
    let plain = shell(&place, "pinhole check --color never edge.rules", false, &[]).unwrap();
    let plain = plain.replace("edge.rules", "<stdin>");
    // Input that takes its time.
    let line = "(sleep 2; cat edge.rules) | pinhole check --color never --dialect iptables -";
    let Some(shown) = shell(&place, line, true, &[]) else { return };
    assert!(shown.contains("\r\u{1b}[Kreading configs, 1 s"), "{shown:?}");
    // The line is gone when the report comes, and the report is whole.
    let (line, report) = shown.rsplit_once("\r\u{1b}[K").unwrap();
    assert!(!line.contains('\n') && report == plain, "{shown:?}");
    let file = "(sleep 2; cat edge.rules) | pinhole check --dialect iptables - > report.txt";
    let aside = shell(&place, file, true, &[]).unwrap();
    assert!(aside.starts_with("\r\u{1b}[K") && aside.ends_with("\r\u{1b}[K"), "{aside:?}");
    assert_eq!(std::fs::read_to_string(place.0.join("report.txt")).unwrap(), plain);
    for (line, terminal, variables) in [
        ("(sleep 2; cat edge.rules) | pinhole check --color never --dialect iptables -", false, &[][..]),
        (
            "(sleep 2; cat edge.rules) | pinhole check --color never --dialect iptables - --no-progress",
            true,
            &[],
        ),
        (
            "(sleep 2; cat edge.rules) | pinhole check --color never --dialect iptables - 2>/dev/null",
            true,
            &[],
        ),
        (
            "(sleep 2; cat edge.rules) | pinhole check --color never --dialect iptables -",
            true,
            &[("TERM", "dumb")],
        ),
        ("cat edge.rules | pinhole check --color never --dialect iptables -", true, &[]),
    ] {
        assert_eq!(shell(&place, line, terminal, variables).unwrap(), plain, "{line}");
    }
    // What keeps it from its work is said on a line of its own.
    let broken =
        shell(&place, "(sleep 2; printf '\\0') | pinhole check -", true, &[("NO_COLOR", "1")]).unwrap();
    assert!(broken.rsplit_once("\r\u{1b}[K").unwrap().1.starts_with("error: "), "{broken:?}");
}

#[test]
fn three_variables_speak_of_colours() {
    let place = place();
    let colored = |terminal: bool, variables: &[(&str, &str)]| {
        Some(shell(&place, "pinhole check edge.rules", terminal, variables)?.contains("\u{1b}[1;33m"))
    };
    assert_eq!(colored(false, &[]), Some(false));
    for force in ["FORCE_COLOR", "CLICOLOR_FORCE"] {
        assert_eq!(colored(false, &[(force, "1")]), Some(true), "{force}");
        assert_eq!(colored(false, &[(force, "0")]), Some(false), "{force}");
        assert_eq!(colored(false, &[(force, "1"), ("NO_COLOR", "1")]), Some(false), "{force}");
    }
    if let Some(on_terminal) = colored(true, &[]) {
        assert!(on_terminal);
        assert_eq!(colored(true, &[("NO_COLOR", "1")]), Some(false));
    }
}

#[test]
fn places_are_links_where_terminals_open_them() {
    let place = place();
    let link = format!("\u{1b}]8;;file://{}/edge.rules\u{1b}\\edge.rules:", place.0.display());
    let run = |args: &str| shell(&place, &format!("pinhole check edge.rules {args}"), false, &[]).unwrap();
    assert!(run("--color always --hyperlinks always").contains(&link));
    for args in ["", "--color always", "--color always --hyperlinks never", "--hyperlinks always"] {
        assert!(!run(args).contains("\u{1b}]8"), "{args}");
    }
    // A name is data: it opens no link of its own.
    place.write("x\u{1b}]8;;y\u{1b}\\.rules", RULES);
    let all = shell(&place, "pinhole check . --color always --hyperlinks always", false, &[]).unwrap();
    assert!(all.contains("x?]8;;y?\\.rules") && all.contains("x%1B%5D8%3B%3By%1B%5C.rules"), "{all:?}");
}
