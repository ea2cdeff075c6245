//! What the documents show is so.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::path::{Path, PathBuf};
use std::process::Command;

use pinhole::calls::Calls;
use pinhole::catalog::Catalog;
use pinhole::site::{self, Date};
use pinhole::source::SourceMap;

use crate::common::Scratch;

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The TOML examples of a document, in order.
fn examples(document: &str) -> Vec<&str> {
    let blocks = document.split("\n```toml\n").skip(1);
    blocks.map(|block| block.split_once("\n```").unwrap().0).collect()
}

#[test]
fn the_site_file_of_its_document_is_sound() {
    let document = read("docs/site-file.md");
    let mut sources = SourceMap::new();
    let id = sources.add("pinhole.toml", examples(&document)[0].as_bytes().to_vec()).unwrap();
    let site = site::load(&sources, id).unwrap();
    let today = Date { year: 2026, month: 1, day: 1 };
    assert_eq!(site::findings(&site, &Catalog::bundled().unwrap(), today), []);
    assert_eq!((site.zones.len(), site.firewalls.len(), site.devices.len(), site.peers.len()), (4, 3, 2, 2));
}

#[test]
fn the_catalog_of_its_document_can_be_loaded() {
    let document = read("docs/catalog.md");
    let folder = Scratch::new("docs");
    for (name, text) in ["acme-room-kit.toml", "roles.toml"].iter().zip(examples(&document)) {
        folder.write(name, text);
    }
    let catalog = Catalog::bundled().unwrap().load_dir(&folder.0);
    let product = catalog.unwrap().product("room-kit").unwrap().clone();
    assert!(product.fills("media-entity"));
    assert_eq!(product.requirements[0].ports, [(1720, 1720)]);
}

#[test]
fn the_call_of_its_document_can_be_loaded() {
    let document = read("docs/calls.md");
    let folder = Scratch::new("docs");
    folder.write("intercom.toml", examples(&document)[0]);
    let catalog = Catalog::bundled().unwrap();
    let calls = Calls::bundled(&catalog).unwrap().load_dir(&folder.0, &catalog);
    assert_eq!(calls.unwrap().call("intercom").unwrap().stages.len(), 2);
}

/// The keys of all objects in a JSON value.
fn keys(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(object) => {
            for (key, value) in object {
                found.push(key.clone());
                keys(value, found);
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
        _ => {}
    }
}

#[test]
fn every_key_of_the_json_forms_is_documented() {
    let document = read("docs/json.md") + &read("docs/trace.md");
    let config = "fixtures/scenarios/partners-only/edge.rules";
    let site = "fixtures/scenarios/h245-blocked/pinhole.toml";
    let packet = "src=203.0.113.7 dst=10.1.2.10 proto=tcp dport=5060 iif=eth0 oif=eth1";
    for args in [
        vec!["check", config, "--format", "json"],
        vec!["catalog", "export", "--format", "json"],
        vec!["catalog", "modes", "--format", "json"],
        vec!["catalog", "sources", "--format", "json"],
        vec!["explain", "--site", site, "--from", "internet", "--to", "mcu-1", "--format", "json"],
        vec!["matrix", "--site", site, "--format", "json"],
        vec!["trace", config, "--packet", packet, "--format", "jsonl"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_pinhole"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(&args)
            .output()
            .unwrap();
        let value = serde_json::from_slice(&output.stdout).unwrap();
        let mut found = Vec::new();
        keys(&value, &mut found);
        assert!(!found.is_empty());
        found.retain(|key| !document.contains(&format!("`{key}`")));
        assert_eq!(found, [""; 0], "{args:?}");
    }
}

/// All documents.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|name| root.join(name)).to_vec();
    let docs = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    all.extend(docs.filter(|path| path.extension().is_some_and(|end| end == "md")));
    all.sort();
    all
}

#[test]
fn links_lead_somewhere() {
    for path in documents() {
        let text = std::fs::read_to_string(&path).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            let link = link.split('#').next().unwrap();
            if link.contains("://") || link.is_empty() || link.bytes().all(|byte| byte.is_ascii_digit()) {
                continue;
            }
            assert!(path.parent().unwrap().join(link).exists(), "{}: {link}", path.display());
        }
    }
}

/// What `pinhole WORDS --help` prints; `None` where there is no such command.
fn help(words: &[&str]) -> Option<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_pinhole")).args(words).arg("--help").output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

#[test]
fn commands_of_documents_are_those_that_there_are() {
    let mut seen = 0;
    for path in documents() {
        let text = std::fs::read_to_string(&path).unwrap();
        for block in text.split("```console\n").skip(1) {
            let lines = block.split("```").next().unwrap().lines();
            for line in lines.filter_map(|line| line.strip_prefix("$ ")) {
                for command in
                    line.split(['|', '>', '&', ';']).map(|part| part.split('#').next().unwrap().trim())
                {
                    let Some(words) = command.strip_prefix("pinhole ") else { continue };
                    let words: Vec<&str> = words.split_whitespace().collect();
                    let two = words.get(1).filter(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()));
                    let both = two.and_then(|two| help(&[words[0], two]));
                    let help = both.or_else(|| help(&words[..1]));
                    let help = help.unwrap_or_else(|| panic!("{}: {line}", path.display()));
                    seen += 1;
                    for option in words.iter().filter(|word| word.starts_with("--") && word.len() > 2) {
                        let option = option.split('=').next().unwrap();
                        assert!(help.contains(option), "{}: `{command}` has no {option}", path.display());
                    }
                }
            }
        }
    }
    assert!(seen > 30, "{seen}");
}
