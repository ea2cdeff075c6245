//! The hooks, run by pre-commit itself in a repository, where it is installed; it is skipped elsewhere.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]
#![expect(clippy::print_stdout, reason = "what is skipped is said")]

use crate::common;

use std::path::Path;
use std::process::{Command, Output};

use common::{Scratch, folder};

fn git(at: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"])
        .args(args)
        .current_dir(at)
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_string()
}

/// Runs a hook over all files, with the pinhole of this build in front of all others.
fn run(at: &Path, hook: &str) -> Output {
    let bin = Path::new(env!("CARGO_BIN_EXE_pinhole")).parent().unwrap().to_path_buf();
    let path = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths(std::iter::once(bin).chain(std::env::split_paths(&path))).unwrap();
    Command::new("pre-commit")
        .args(["run", "--all-files", "--verbose", hook])
        .current_dir(at)
        .env("PATH", path)
        .env("PRE_COMMIT_HOME", at.join(".cache"))
        .output()
        .unwrap()
}

/// A repository with the hooks, and its revision.
fn hooks() -> (Scratch, String) {
    let hooks = Scratch::new("hooks");
    std::fs::copy(folder(".pre-commit-hooks.yaml"), hooks.0.join(".pre-commit-hooks.yaml")).unwrap();
    git(&hooks.0, &["init", "--quiet"]);
    git(&hooks.0, &["add", "."]);
    git(&hooks.0, &["commit", "--quiet", "-m", "hooks"]);
    let revision = git(&hooks.0, &["rev-parse", "HEAD"]);
    (hooks, revision)
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn hooks_check_what_is_committed() {
    if Command::new("pre-commit").arg("--version").output().is_err() {
        println!("skipped: there is no pre-commit");
        return;
    }
    let (hooks, revision) = hooks();
    let configs = Scratch::new("configs");
    configs.write(
        ".pre-commit-config.yaml",
        format!(
            "repos:\n- repo: {}\n  rev: {revision}\n  hooks:\n  - id: pinhole-system\n    args: [--fail-on, warning]\n  - \
             id: pinhole-all\n  - id: pinhole-diff\n",
            hooks.0.display()
        ),
    );
    configs.write("README.md", "Not a config: `iptables -A INPUT`.\n").write(".gitignore", ".cache\n");
    configs
        .write("pf.conf", "block all\npass in proto tcp from 192.0.2.1 to 192.0.2.2 port 22\npass out all\n");
    git(&configs.0, &["init", "--quiet"]);
    git(&configs.0, &["add", "."]);
    git(&configs.0, &["commit", "--quiet", "-m", "configs"]);
    for hook in ["pinhole-system", "pinhole-all"] {
        let clean = run(&configs.0, hook);
        assert!(clean.status.success(), "{hook}: {}", text(&clean));
    }
    configs.write("pf.conf", "block all\npass all\n");
    git(&configs.0, &["add", "."]);
    let open = run(&configs.0, "pinhole-system");
    assert!(!open.status.success() && text(&open).contains("PH202"), "{}", text(&open));
    let change = run(&configs.0, "pinhole-diff");
    assert!(text(&change).contains("pf.conf"), "{}", text(&change));
}

/// The README shows what somebody sees who commits the rule that stops H.245.
#[test]
fn a_commit_looks_as_the_readme_shows_it() {
    if Command::new("pre-commit").arg("--version").output().is_err() {
        println!("skipped: there is no pre-commit");
        return;
    }
    let readme = std::fs::read_to_string(folder("README.md")).unwrap();
    let shown = readme.split("$ git commit -m \"H.245\"\n```\n\n```text\n").nth(1).unwrap();
    let shown = shown.split("```").next().unwrap();
    let (hooks, revision) = hooks();
    let configs = Scratch::new("configs");
    configs.write(
        ".pre-commit-config.yaml",
        format!(
            "repos:\n- repo: {}\n  rev: {revision}\n  hooks:\n  - id: pinhole-system\n    args: [--format, concise]\n",
            hooks.0.display()
        ),
    );
    for name in ["edge.rules", "pinhole.toml"] {
        let text = std::fs::read(folder("fixtures/scenarios/h245-blocked").join(name)).unwrap();
        configs.write(name, text);
    }
    configs.write(".gitignore", ".cache\n");
    git(&configs.0, &["init", "--quiet"]);
    git(&configs.0, &["add", "."]);
    // The first run tells of an environment that is made.
    run(&configs.0, "pinhole-system");
    let again = run(&configs.0, "pinhole-system");
    assert!(!again.status.success());
    // `--verbose` adds how long it took.
    let seen: Vec<String> =
        text(&again).lines().filter(|line| !line.starts_with("- duration")).map(str::to_string).collect();
    assert_eq!(seen.join("\n").trim(), shown.trim());
}
