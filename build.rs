//! Embeds what is found in folders, so that nothing else has to name it: every product under `rules/catalog`, every call
//! in `rules/calls`, and for every page in `rules/lints` the lint that its head describes.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde::Deserialize;

/// The head of a page, as `rule::Lint` has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    code: String,
    name: String,
    since: String,
    status: Status,
    dialects: Vec<String>,
    severity: Severity,
    aliases: Vec<String>,
    frameworks: Vec<String>,
    suppressible: Option<bool>,
}

/// As `rule::Status`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Preview,
    Stable,
    Deprecated,
}

/// As `rule::Severity`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Info,
    Warning,
    Error,
}

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("catalog.rs"), data(&root, "rules/catalog")?)?;
    fs::write(out.join("calls.rs"), data(&root, "rules/calls")?)?;
    fs::write(out.join("rules.rs"), lints(&root)?)?;
    println!("cargo::rustc-env=PINHOLE_VERSION={}", version(&root)?);
    Ok(())
}

/// The version with the commit that it was built from: of a release build, or where `PINHOLE_COMMIT` says it. Other builds
/// do not look, so that a commit alone builds nothing anew.
fn version(root: &Path) -> Result<String, Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=PINHOLE_COMMIT");
    let version = env::var("CARGO_PKG_VERSION")?;
    let told = env::var("PINHOLE_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = match told {
        Some(commit) => Some(commit),
        None if env::var("PROFILE")? == "release" => commit(root),
        None => return Ok(format!("{version} (development build)")),
    };
    Ok(match commit {
        Some(commit) => format!("{version} ({})", &commit[..commit.len().min(12)]),
        None => version,
    })
}

/// The commit that is checked out; `None` where the source is in no repository.
fn commit(root: &Path) -> Option<String> {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).current_dir(root).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_string())
    };
    println!("cargo::rerun-if-changed={}", git(&["rev-parse", "--git-path", "logs/HEAD"])?);
    git(&["rev-parse", "HEAD"])
}

/// The list of a folder's files of data: name and text.
fn data(root: &Path, folder: &str) -> Result<String, Box<dyn Error>> {
    let mut list = String::from("&[\n");
    for file in found(root, folder, "toml")? {
        let name = file.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
        writeln!(list, "    ({name:?}, include_str!({:?})),", root.join(file))?;
    }
    list.push(']');
    Ok(list)
}

/// A static for each lint, and the list of them by code.
fn lints(root: &Path) -> Result<String, Box<dyn Error>> {
    let (mut statics, mut list) = (String::new(), String::new());
    for file in found(root, "rules/lints", "md")? {
        let (code, text) = lint(root, &file).map_err(|error| format!("{}: {error}", file.display()))?;
        statics += &text;
        writeln!(list, "    &{code},")?;
    }
    Ok(format!("{statics}\n/// All lints, by code.\npub static LINTS: &[&Lint] = &[\n{list}];\n"))
}

/// The code of a lint, and its static.
fn lint(root: &Path, file: &Path) -> Result<(String, String), Box<dyn Error>> {
    let page = root.join(file);
    let text = fs::read_to_string(&page)?;
    let (head, body) = text
        .strip_prefix("+++\n")
        .and_then(|rest| rest.split_once("\n+++\n"))
        .ok_or("a page starts with its head between two lines `+++`")?;
    let head: Head = toml::from_str(head)?;
    let Head { code, name, since, status, dialects, severity, aliases, frameworks, suppressible } = head;
    let suppressible = suppressible.unwrap_or(true);
    if file.file_stem().is_none_or(|stem| *stem != *format!("{code}-{name}")) {
        return Err(format!("the head is of {code} {name}").into());
    }
    let summary = body.trim_start().split("\n\n").next().unwrap_or_default();
    let summary = summary.split_whitespace().collect::<Vec<_>>().join(" ");
    let start = text.len() - body.trim_start().len();
    let text = format!(
        "
#[doc = {summary:?}]
pub static {code}: Lint = Lint {{
    code: {code:?},
    name: {name:?},
    since: {since:?},
    status: Status::{status:?},
    dialects: &{dialects:?},
    severity: Severity::{severity:?},
    aliases: &{aliases:?},
    frameworks: &{frameworks:?},
    suppressible: {suppressible},
    summary: {summary:?},
    text: include_str!({page:?}).split_at({start}).1,
}};
"
    );
    Ok((code, text))
}

/// The files of a folder and of those in it that end so, relative to the root and in order; also tells cargo to look
/// at each folder.
fn found(root: &Path, folder: &str, ending: &str) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        println!("cargo::rerun-if-changed={}", folder.display());
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == ending) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
