//! A release: versions that agree, what packages hold, and the steps of pipelines, taken out of their files and run.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::common::{Scratch, folder, read};

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn text_of(name: &str) -> String {
    std::fs::read_to_string(folder(name)).unwrap()
}

/// The versions that the changelog has a heading for, the newest first, each with its date.
fn released() -> Vec<(String, String)> {
    let text = text_of("CHANGELOG.md");
    let headings = text.lines().filter_map(|line| line.strip_prefix("## ["));
    headings
        .filter_map(|heading| heading.split_once("] - "))
        .map(|(version, date)| (version.to_string(), date.to_string()))
        .collect()
}

#[test]
fn versions_agree() {
    let (newest, date) = &released()[0];
    assert_eq!(newest, VERSION, "the changelog");
    assert!(date.len() == 10 && date.starts_with("20"), "{date}");
    for lock in ["Cargo.lock", "fuzz/Cargo.lock"] {
        assert!(text_of(lock).contains(&format!("name = \"pinhole\"\nversion = \"{VERSION}\"")), "{lock}");
    }
    // A wheel takes it from Cargo.toml.
    let project: toml::Value = toml::from_str(&text_of("pyproject.toml")).unwrap();
    assert_eq!(project["project"]["dynamic"].as_array().unwrap(), &[toml::Value::from("version")]);
    for (name, before) in [("docs/ci.md", "pinhole@v"), ("docs/pre-commit.md", "rev: v")] {
        let text = text_of(name);
        let named: Vec<&str> =
            text.split(before).skip(1).filter_map(|rest| rest.split_whitespace().next()).collect();
        assert_eq!(named, [VERSION], "{name}");
    }
}

#[test]
fn lints_say_which_version_brought_them() {
    let rules =
        Command::new(env!("CARGO_BIN_EXE_pinhole")).args(["rule", "--format", "json"]).output().unwrap();
    let rules: Vec<serde_json::Value> = read(std::str::from_utf8(&rules.stdout).unwrap());
    assert!(rules.len() > 100);
    // What is not released yet is of the version that comes.
    let unreleased = text_of("CHANGELOG.md").contains("\n## [Unreleased]\n");
    for rule in rules {
        let since = rule["since"].as_str().unwrap();
        let known = released().iter().any(|(version, _)| version == since);
        assert!(known || unreleased, "{}: {since}", rule["code"]);
    }
}

#[test]
fn the_crate_has_what_it_is_built_from_and_no_tests() {
    let listed = Command::new(env!("CARGO"))
        .current_dir(folder(""))
        .args(["package", "--list", "--offline", "--allow-dirty"])
        .output()
        .unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let listed = String::from_utf8(listed.stdout).unwrap();
    let listed: Vec<&str> = listed.lines().collect();
    for part in ["src", "rules", "docs"] {
        for entry in walkdir::WalkDir::new(folder(part)) {
            let path = entry.unwrap().into_path();
            let name = path.strip_prefix(folder("")).unwrap().to_str().unwrap().to_string();
            assert!(path.is_dir() || listed.contains(&name.as_str()), "{name}");
        }
    }
    for name in ["build.rs", "Cargo.lock", "README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"] {
        assert!(listed.contains(&name), "{name}");
    }
    let outside = ["tests/", "fixtures/", "benches/", "fuzz/", "ci/", ".github/"];
    let more: Vec<&&str> =
        listed.iter().filter(|name| outside.iter().any(|folder| name.starts_with(folder))).collect();
    assert_eq!(more, [&""; 0]);
}

/// Writes a script that can be run.
fn program(place: &Scratch, name: &str, text: &str) {
    let path = place.file(name, text);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A folder in which `bin` has the pinhole of this build.
fn place(name: &str) -> Scratch {
    let place = Scratch::new(name);
    let pinhole = format!("#!/bin/sh\nexec {} \"$@\"\n", env!("CARGO_BIN_EXE_pinhole"));
    program(&place, "bin/pinhole", &pinhole);
    place
}

/// Runs a script as pipelines do, with variables.
fn bash(place: &Scratch, at: &Path, script: &str, variables: &[(&str, &str)]) -> Output {
    let path = format!("{}:{}", place.0.join("bin").display(), std::env::var("PATH").unwrap());
    Command::new("bash")
        .args(["-e", "-o", "pipefail", "-c", script])
        .current_dir(at)
        .env("PATH", path)
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The script of a step of a file, which has this name.
fn step(file: &str, name: &str) -> String {
    let text = text_of(file);
    let step = text.split(&format!("- name: {name}\n")).nth(1).unwrap();
    let (_, script) = step.split_once("run: |\n").unwrap();
    let depth = script.len() - script.trim_start_matches(' ').len();
    let inside = |line: &&str| line.trim().is_empty() || line.starts_with(&" ".repeat(depth));
    script.lines().take_while(inside).fold(String::new(), |text, line| text + line.trim_start() + "\n")
}

/// What packages take is made by the command that the documents name.
#[test]
fn packages_bring_manual_pages_and_completions() {
    let place = place("assets");
    let made = bash(&place, &place.0, &format!("{} bin/pinhole", folder("ci/assets").display()), &[]);
    assert!(made.status.success(), "{}", told(&made));
    let cargo: toml::Value = toml::from_str(&text_of("Cargo.toml")).unwrap();
    let assets = cargo["package"]["metadata"]["deb"]["assets"].as_array().unwrap();
    let mut made_there = 0;
    for asset in assets {
        let from = asset[0].as_str().unwrap();
        if from == "target/release/pinhole" {
            continue;
        }
        let is_made = from.starts_with("target/");
        made_there += usize::from(is_made);
        let at = if is_made { place.0.join(from) } else { folder(from) };
        let (parent, name) = (at.parent().unwrap(), at.file_name().unwrap().to_str().unwrap());
        let end = name.strip_prefix('*').unwrap_or(name);
        let found = std::fs::read_dir(parent).unwrap().map(|entry| entry.unwrap());
        let found = found.filter(|entry| entry.file_name().to_str().unwrap().ends_with(end));
        assert!(found.filter(|entry| entry.metadata().unwrap().len() > 100).count() > 0, "{from}");
    }
    assert!(made_there >= 4, "{made_there}");
    // maturin looks for the name of the library.
    let share = format!("{}.data/data/share", cargo["lib"]["name"].as_str().unwrap());
    for name in ["man/man1/pinhole.1", "man/man1/pinhole-check.1", "bash-completion/completions/pinhole"] {
        assert!(place.0.join(&share).join(name).exists(), "{name}");
    }
}

const RULES: &str = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A FORWARD -i eth0 -o eth1 -p tcp \
                     -m tcp --dport 1720 -j ACCEPT\nCOMMIT\n";

/// Packs a release, as the workflow does.
fn pack(place: &Scratch, target: &str) {
    for name in ["README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "ci/assets"] {
        place.write(&format!("source/{name}"), text_of(name));
    }
    program(place, "source/ci/assets", &text_of("ci/assets"));
    let pinhole = std::fs::read_to_string(place.0.join("bin/pinhole")).unwrap();
    program(place, &format!("source/target/{target}/release/pinhole"), &pinhole);
    let script = step(".github/workflows/release.yml", "Pack");
    let pack = [("TARGET", target), ("RUNNER_OS", "Linux"), ("SOURCE_DATE_EPOCH", "1700000000")];
    let packed = bash(place, &place.0.join("source"), &script, &pack);
    assert!(packed.status.success(), "{}", told(&packed));
}

/// A checkout of a change that opens everything, and the commit that it is of.
fn pull_request(place: &Scratch) -> String {
    place.write("origin/firewalls/edge.rules", RULES);
    let git = "git -c user.name=t -c user.email=t@example.org";
    let prepared = bash(
        place,
        &place.0,
        &format!(
            "cd origin && git init --quiet -b main && git add . && {git} commit --quiet -m base && git rev-parse HEAD && \
             git checkout --quiet -b feature && sed -i 's/-i eth0.*/-j ACCEPT/' firewalls/edge.rules && {git} commit \
             --quiet -a -m change && git clone --quiet --depth=1 --branch feature \"file://$PWD\" ../checkout"
        ),
        &[],
    );
    assert!(prepared.status.success(), "{}", told(&prepared));
    String::from_utf8(prepared.stdout).unwrap().trim().to_string()
}

/// What the release workflow packs is what the action takes; and what this one does on a pull request.
#[test]
fn the_action_takes_a_release_checks_and_comments() {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return;
    }
    const TARGET: &str = "x86_64-unknown-linux-musl";
    let place = place("action");
    let at = |name: &str| place.0.join(name).display().to_string();
    pack(&place, TARGET);
    // A hub that knows it, and takes comments.
    let hub = "#!/bin/sh\necho \"$@\" >> \"$HUB/calls\"\ncase \"$1 $2\" in\n'release download') cp \
               \"$HUB\"/source/pinhole-*.tar.gz* . ;;\n'pr comment') cp \"$5\" \"$HUB/comment\" ;;\nesac\n";
    program(&place, "bin/gh", hub);
    let mut variables = vec![("RUNNER_OS", "Linux"), ("RUNNER_ARCH", "X64"), ("VERSION", "v1.2.3")];
    let paths = ["", "github-path", "summary", "temp"].map(at);
    std::fs::create_dir(&paths[3]).unwrap();
    variables.extend(
        ["HUB", "GITHUB_PATH", "GITHUB_STEP_SUMMARY", "RUNNER_TEMP"]
            .into_iter()
            .zip(paths.iter().map(String::as_str)),
    );
    variables.extend([("REPOSITORY", "someone/pinhole"), ("SOURCE", "/nowhere"), ("GH_TOKEN", "token")]);
    let installed = bash(&place, &place.0, &step("action.yml", "Install pinhole"), &variables);
    assert!(installed.status.success(), "{}", told(&installed));
    let bin = std::fs::read_to_string(&paths[1]).unwrap();
    assert!(Path::new(bin.trim()).join("pinhole").exists(), "{bin}");
    // Where there is no release, it is built.
    program(&place, "bin/cargo", "#!/bin/sh\nmkdir -p \"$6/bin\" && cp \"$HUB/bin/pinhole\" \"$6/bin/\"\n");
    std::fs::remove_file(Path::new(bin.trim()).join("pinhole")).unwrap();
    let mut from_source = variables.clone();
    from_source.push(("VERSION", "source"));
    let built = bash(&place, &place.0, &step("action.yml", "Install pinhole"), &from_source);
    assert!(built.status.success(), "{}", told(&built));
    assert!(Path::new(bin.trim()).join("pinhole").exists());
    let base = pull_request(&place);
    variables.extend([("PATHS", "firewalls"), ("FAIL_ON", "warning"), ("SARIF", "pinhole.sarif")]);
    variables.extend([("BASE", base.as_str()), ("NUMBER", "7")]);
    let checkout = place.0.join("checkout");
    let checked = bash(&place, &checkout, &step("action.yml", "Check"), &variables);
    assert_eq!(checked.status.code(), Some(1), "{}", told(&checked));
    assert!(told(&checked).contains("::warning file=firewalls/edge.rules,line=5"), "{}", told(&checked));
    let summary = std::fs::read_to_string(&paths[2]).unwrap();
    assert!(summary.contains("PH202"), "{summary}");
    let sarif: serde_json::Value = read(&std::fs::read_to_string(checkout.join("pinhole.sarif")).unwrap());
    assert!(sarif["runs"][0]["results"].as_array().unwrap().iter().any(|result| result["ruleId"] == "PH202"));
    let commented = bash(&place, &checkout, &step("action.yml", "Comment"), &variables);
    assert!(commented.status.success(), "{}", told(&commented));
    let comment = std::fs::read_to_string(place.0.join("comment")).unwrap();
    assert!(comment.contains("opens") && comment.contains("edge.rules"), "{comment}");
    let calls = std::fs::read_to_string(place.0.join("calls")).unwrap();
    assert!(calls.contains("release download v1.2.3 --repo someone/pinhole"), "{calls}");
    assert!(calls.contains("pr comment 7 "), "{calls}");
}

#[test]
fn the_template_for_gitlab_reports_and_tells_what_changes() {
    let place = place("gitlab");
    let base = pull_request(&place);
    let checkout = place.0.join("checkout");
    let template = text_of("ci/gitlab.yml");
    let lines: Vec<&str> = template.lines().filter_map(|line| line.strip_prefix("    - pinhole ")).collect();
    let [check, diff] = lines[..] else { panic!("{lines:?}") };
    let variables = [("PINHOLE_PATHS", "firewalls"), ("CI_MERGE_REQUEST_DIFF_BASE_SHA", base.as_str())];
    let checked = bash(&place, &checkout, &format!("pinhole {check} --fail-on warning"), &variables);
    assert_eq!(checked.status.code(), Some(1), "{}", told(&checked));
    let of = |name: &str| std::fs::read_to_string(checkout.join(name)).unwrap();
    assert!(of("gl-code-quality-report.json").contains("PH202") && of("pinhole.xml").contains("PH202"));
    let fetched = bash(&place, &checkout, &format!("git fetch --quiet --depth=1 origin {base}"), &[]);
    assert!(fetched.status.success(), "{}", told(&fetched));
    let changed = bash(&place, &checkout, &format!("pinhole {diff}"), &variables);
    assert!(changed.status.success() && of("pinhole-diff.md").contains("opens"), "{}", told(&changed));
    for name in ["gl-code-quality-report.json", "pinhole.xml", "pinhole-diff.md"] {
        assert!(template.matches(name).count() >= 2, "{name}");
    }
}
