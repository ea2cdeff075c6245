//! The modules depend on each other one way only.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::path::{Path, PathBuf};

/// For each module, the modules of the crate that it may use.
const ALLOWED: &[(&str, &[&str])] = &[
    ("budget", &[]),
    ("fence", &[]),
    ("threads", &[]),
    ("progress", &[]),
    ("source", &["budget", "fence"]),
    ("packet", &[]),
    ("spelling", &[]),
    ("rule", &["spelling"]),
    ("finding", &["rule", "source"]),
    ("ports", &[]),
    ("model", &["packet", "source"]),
    ("dialect", &["budget", "finding", "model", "packet", "rule", "source", "spelling"]),
    ("discover", &["dialect", "fence", "source"]),
    ("analysis", &["budget", "model", "packet", "source", "threads"]),
    ("catalog", &["fence", "ports", "source", "spelling"]),
    ("site", &["catalog", "fence", "finding", "model", "packet", "ports", "rule", "source", "spelling"]),
    ("calls", &["catalog", "fence", "ports", "site", "source", "spelling"]),
    ("judge", &["analysis", "catalog", "dialect", "model", "packet", "site"]),
    (
        "lint",
        &[
            "analysis", "catalog", "dialect", "finding", "judge", "model", "packet", "ports", "rule", "site",
            "source", "threads",
        ],
    ),
    ("droplog", &[]),
    (
        "explain",
        &[
            "analysis", "calls", "catalog", "droplog", "finding", "judge", "lint", "model", "packet", "rule",
            "site", "source", "spelling",
        ],
    ),
    (
        "session",
        &[
            "budget", "catalog", "dialect", "finding", "judge", "lint", "model", "packet", "progress",
            "site", "source", "threads",
        ],
    ),
    ("suppress", &["dialect", "fence", "finding", "rule", "site", "source"]),
    ("report", &["explain", "finding", "ports", "rule", "source", "suppress"]),
];

/// What may use all of them.
const ON_TOP: &[&str] = &["cli", "lib", "main"];

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// The modules of the crate that a text names after `crate::`.
fn used(text: &str) -> Vec<&str> {
    let ends = |rest: &str| rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    text.split("crate::").skip(1).map(|rest| &rest[..ends(rest)]).filter(|word| !word.is_empty()).collect()
}

#[test]
fn dependencies_run_one_way() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    files(&src, &mut all);
    let mut wrong = Vec::new();
    for path in all {
        let inside = path.strip_prefix(&src).unwrap();
        let module =
            inside.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        if ON_TOP.contains(&module) {
            continue;
        }
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("{} is in no room that this test knows", inside.display()));
            continue;
        };
        // Tests may look further.
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        if inside.file_name().is_some_and(|name| name == "tests.rs")
            || inside.to_str().unwrap().contains("/tests/")
        {
            continue;
        }
        wrong.extend(
            used(text)
                .into_iter()
                .filter(|name| *name != module && !allowed.contains(name))
                .map(|name| format!("{} uses {name}", inside.display())),
        );
        let named = ["Iptables", "Nftables", "Pf", "Asa"].map(|name| format!("Dialect::{name}"));
        if module == "lint" && named.iter().any(|name| text.contains(name)) {
            wrong.push(format!("{} names a dialect", inside.display()));
        }
        if module == "dialect" {
            let own = inside.components().nth(1).unwrap().as_os_str().to_str().unwrap();
            let others = ["iptables", "nftables", "pf", "asa"]
                .into_iter()
                .filter(|other| *other != own && own != "mod.rs");
            for other in others {
                if text.contains(&format!("dialect::{other}"))
                    || text.contains(&format!("super::super::{other}"))
                {
                    wrong.push(format!("{} uses the dialect {other}", inside.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
