//! What other people's crates are, as `deny.toml` has it: the part of `cargo deny` that needs no database.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::common::{folder, read};

/// More is no small tree.
const MOST: usize = 150;

/// Whether the parts of a licence's name that may be chosen among, or that all have to be kept, are allowed.
fn allowed(expression: &str, licences: &[&str]) -> bool {
    let plain = expression.replace(['(', ')'], "").replace('/', " OR ");
    plain.split(" AND ").all(|part| part.split(" OR ").any(|one| licences.contains(&one.trim())))
}

fn words(value: &toml::Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
}

#[test]
fn crates_are_few_free_and_from_one_place() {
    let rules: toml::Value = toml::from_str(&std::fs::read_to_string(folder("deny.toml")).unwrap()).unwrap();
    let (licences, twice) = (words(&rules["licenses"]["allow"]), words(&rules["bans"]["skip"]));
    let output = Command::new(env!("CARGO"))
        .current_dir(folder(""))
        .args(["metadata", "--offline", "--locked", "--format-version", "1"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = read(std::str::from_utf8(&output.stdout).unwrap());
    let packages = metadata["packages"].as_array().unwrap();
    assert!((2..MOST).contains(&packages.len()), "{} crates", packages.len());
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        versions.entry(name).or_default().insert(package["version"].as_str().unwrap());
        let licence = package["license"].as_str().unwrap_or("none");
        assert!(allowed(licence, &licences), "{name} has the licence {licence}");
        let source = package["source"].as_str();
        let known = source.is_none_or(|source| source.starts_with("registry+https://github.com/rust-lang/"));
        assert!(known, "{name} is from {source:?}");
        assert!(source.is_some() || name == "pinhole", "{name} is from a folder");
    }
    let doubled: Vec<&str> =
        versions.iter().filter(|(_, versions)| versions.len() > 1).map(|(name, _)| *name).collect();
    assert_eq!(doubled, twice, "crates of which there are several versions");
}

#[test]
fn a_licence_is_a_choice_or_all_of_several() {
    let licences = ["MIT", "Unicode-3.0"];
    for (expression, is) in [
        ("MIT", true),
        ("Apache-2.0/MIT", true),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("GPL-3.0", false),
        ("MIT AND GPL-3.0", false),
    ] {
        assert_eq!(allowed(expression, &licences), is, "{expression}");
    }
}
