//! What fuzzing does with arbitrary bytes, done with those that once were too much, and with what fixtures are made of.

#![expect(clippy::expect_used, reason = "a test fails by a panic")]

use std::path::{Path, PathBuf};

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "it is a crate as well")]
mod fuzz;

use crate::common::folder;

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { vec![entry.path()] })
        .collect()
}

/// What is done with the bytes of a target.
fn work(target: &str) -> Option<fn(&[u8])> {
    Some(match target {
        "iptables" => |data| fuzz::config("iptables", data),
        "nftables" => |data| fuzz::config("nftables", data),
        "pf" => |data| fuzz::config("pf", data),
        "asa" => |data| fuzz::config("asa", data),
        "site" => fuzz::site,
        "catalog" => fuzz::catalog,
        "calls" => fuzz::calls,
        "log" => fuzz::log,
        "packets" => fuzz::packets,
        "changes" => fuzz::changes,
        "editor" => fuzz::editor,
        _ => return None,
    })
}

#[test]
fn every_target_has_seeds_or_fixtures() {
    for target in files(&folder("fuzz/fuzz_targets")) {
        let name = target.file_stem().and_then(|name| name.to_str()).expect("a name");
        assert!(work(name).is_some(), "{name}");
    }
}

#[test]
fn what_was_too_much_once_is_not_any_more() {
    for file in files(&folder("fuzz/seeds")) {
        let target =
            file.parent().and_then(Path::file_name).and_then(|name| name.to_str()).expect("a target");
        let bytes = std::fs::read(&file).expect("bytes");
        work(target).unwrap_or_else(|| panic!("there is no target `{target}`"))(&bytes);
    }
}
