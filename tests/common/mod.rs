//! What several tests share: pinhole run as a user runs it, and its report as data.

#![allow(dead_code, reason = "each test uses a part of it")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// What `check --format json` prints, as far as tests read it.
#[derive(Deserialize, Debug)]
pub(crate) struct Report {
    #[serde(default)]
    pub files: Vec<ReadFile>,
    pub findings: Vec<Finding>,
}

/// A config that was read.
#[derive(Deserialize, Debug)]
pub(crate) struct ReadFile {
    pub path: String,
    pub dialect: String,
}

#[derive(Deserialize, Debug)]
pub(crate) struct Finding {
    pub code: String,
    pub severity: String,
    pub message: String,
    pub file: Option<String>,
    pub line: Option<usize>,
    pub devices: Vec<String>,
    pub requirements: Vec<Row>,
    pub leg: Option<Leg>,
    pub depends_on: Vec<String>,
    pub related: Vec<Place>,
    pub help: String,
    /// Lines for the config, and where they go.
    #[serde(default)]
    pub mend: Vec<String>,
    #[serde(default)]
    pub edits: Vec<Edit>,
    pub witness: Option<serde_json::Value>,
}

/// The connections that a finding about rows is of.
#[derive(Deserialize, Debug)]
pub(crate) struct Leg {
    pub opened_by: String,
    pub peers: Vec<String>,
    pub some_source_ports: bool,
}

#[derive(Deserialize, Debug)]
pub(crate) struct Row {
    pub device: String,
    pub product: String,
    pub table: Option<String>,
    pub row: Option<String>,
    pub service: String,
    pub transport: String,
    pub ports: Vec<[u16; 2]>,
    pub blocked: Vec<[u16; 2]>,
}

#[derive(Deserialize, Debug)]
pub(crate) struct Place {
    pub file: Option<String>,
    pub line: Option<usize>,
    pub message: String,
}

/// Bytes of a file, and what comes in their place.
#[derive(Deserialize, Debug, Clone)]
pub(crate) struct Edit {
    pub file: String,
    pub start: usize,
    pub end: usize,
    pub text: String,
}

/// A row of `catalog export --format json`.
#[derive(Deserialize, Debug, Clone)]
pub(crate) struct CatalogRow {
    pub product: String,
    pub table: Option<String>,
    pub row: Option<String>,
    pub ports: Vec<[u16; 2]>,
    pub parity: Option<String>,
    pub transports: Vec<String>,
    pub direction: serde_json::Value,
    pub initiator: String,
    pub severity: String,
    pub service: String,
    pub peer: Option<String>,
    pub multicast: Option<String>,
    pub unicast: bool,
    pub since: Option<String>,
    pub until: Option<String>,
    pub future_use: bool,
    pub internal_only: bool,
}

/// What `trace --format jsonl` says of a packet.
#[derive(Deserialize, Debug)]
pub(crate) struct Traced {
    #[serde(default)]
    pub id: serde_json::Value,
    pub verdict: String,
    pub depends_on: Vec<String>,
    /// Where it goes, translated.
    #[serde(default)]
    pub dnat_dst: Option<String>,
}

impl Report {
    /// The findings of a code or of all codes that begin so.
    pub(crate) fn of<'a>(&'a self, code: &str) -> impl Iterator<Item = &'a Finding> + use<'a> {
        let code = code.to_string();
        self.findings.iter().filter(move |finding| finding.code.starts_with(&code))
    }

    /// What is said of a service under a code, or the start of one.
    pub(crate) fn about(&self, code: &str, service: &str) -> Vec<&Finding> {
        self.of(code).filter(|finding| finding.row(service).is_some()).collect()
    }

    /// What is said of a service under a code, which has to be one finding.
    pub(crate) fn the(&self, code: &str, service: &str) -> &Finding {
        match self.about(code, service).as_slice() {
            [finding] => finding,
            other => panic!("{} findings {code} about {service}\n{}", other.len(), self.told()),
        }
    }

    /// Asserts that nothing is said under a code, or the start of one.
    pub(crate) fn silent(&self, code: &str) -> &Self {
        assert!(self.of(code).next().is_none(), "{code} is said\n{}", self.told());
        self
    }

    /// Asserts that nothing hangs on a condition.
    pub(crate) fn certain(&self) -> &Self {
        assert!(self.findings.iter().all(|finding| finding.depends_on.is_empty()), "{}", self.told());
        self
    }

    /// All findings, one a line.
    pub(crate) fn told(&self) -> String {
        let line = |f: &Finding| {
            let place = format!("{}:{}", f.file.as_deref().unwrap_or("-"), f.line.unwrap_or(0));
            format!("{place} {} {} {} {:?}\n", f.severity, f.code, f.message, f.depends_on)
        };
        if self.findings.is_empty() {
            return "(no findings)".to_string();
        }
        self.findings.iter().map(line).collect()
    }
}

impl Finding {
    /// The first row of a service.
    pub(crate) fn row(&self, service: &str) -> Option<&Row> {
        self.requirements.iter().find(|row| row.service == service)
    }

    /// The place that it is about, and all others that it names.
    pub(crate) fn lines(&self) -> Vec<usize> {
        self.line.into_iter().chain(self.related.iter().filter_map(|place| place.line)).collect()
    }

    /// Everything that tells what to change.
    pub(crate) fn remedy(&self) -> String {
        let edits = self.edits.iter().map(|edit| edit.text.as_str());
        let lines: Vec<&str> = self.mend.iter().map(String::as_str).chain(edits).collect();
        format!("{}\n{}", self.help, lines.join("\n"))
    }
}

/// A folder of the repository.
pub(crate) fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs pinhole in a folder; the work has to be done.
pub(crate) fn pinhole(folder: &Path, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_pinhole"))
        .current_dir(folder)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "pinhole {}: {err}", args.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs `check` in a folder.
pub(crate) fn check(folder: &Path, args: &[&str]) -> Report {
    let args: Vec<&str> = ["check", "--format", "json"].iter().chain(args).copied().collect();
    read(&pinhole(folder, &args))
}

/// Runs `check` in a folder; `None` where it holds no config.
pub(crate) fn try_check(folder: &Path, args: &[&str]) -> Option<Report> {
    let output = Command::new(env!("CARGO_BIN_EXE_pinhole"))
        .current_dir(folder)
        .args(["check", "--format", "json"])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    if err.contains("holds no firewall config") {
        return None;
    }
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}: {err}", folder.display());
    Some(read(&String::from_utf8(output.stdout).unwrap()))
}

/// Traces packets of a file; the answers are in its order.
pub(crate) fn trace(folder: &Path, args: &[&str]) -> Vec<Traced> {
    let args: Vec<&str> = ["trace", "--format", "jsonl"].iter().chain(args).copied().collect();
    pinhole(folder, &args).lines().map(read).collect()
}

/// All rows of the bundled products.
pub(crate) fn catalog() -> Vec<CatalogRow> {
    read(&pinhole(&folder(""), &["catalog", "export", "--format", "json"]))
}

/// Has the real `patch` make the changes of a diff in a folder; `false` where this machine has none.
#[allow(clippy::print_stderr, reason = "what is skipped says so")]
pub(crate) fn patch(folder: &Path, diff: &str) -> bool {
    std::fs::write(folder.join("change.diff"), diff).unwrap();
    let ran = Command::new("patch").args(["-p1", "-i", "change.diff"]).current_dir(folder).output();
    let Ok(ran) = ran else {
        eprintln!("skipped: there is no `patch`");
        return false;
    };
    let text = String::from_utf8_lossy(&ran.stdout);
    // What fits only elsewhere, or only in part, is no success.
    assert!(ran.status.success() && !text.contains("fuzz") && !text.contains("offset"), "{text}\n{diff}");
    true
}

pub(crate) fn read<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A folder for one test, which goes when it is dropped.
pub(crate) struct Scratch(pub PathBuf, #[expect(dead_code, reason = "held for its end")] tempfile::TempDir);

impl Scratch {
    pub(crate) fn new(name: &str) -> Scratch {
        let folder = tempfile::Builder::new().prefix(&format!("pinhole-{name}-")).tempdir().unwrap();
        Scratch(folder.path().canonicalize().unwrap(), folder)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> &Scratch {
        self.file(name, text);
        self
    }

    /// Writes a file, with the folders that it is in, and says where it is.
    pub(crate) fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }
}
