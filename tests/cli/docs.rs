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
        vec![
            "explain",
            "--site",
            site,
            "--from",
            "internet",
            "--to",
            "mcu-1",
            "tcp/22,1720",
            "--format",
            "json",
        ],
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
pub(crate) fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all: Vec<PathBuf> = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"]
        .map(|name| root.join(name))
        .to_vec();
    for folder in ["docs", "fixtures", "rules", "src"] {
        let entries =
            walkdir::WalkDir::new(root.join(folder)).into_iter().map(|entry| entry.unwrap().into_path());
        all.extend(entries.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    all.sort();
    all
}

/// The text of a document.
pub(crate) fn text_of(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// The text without blocks of code, and without code in lines.
fn prose(text: &str) -> String {
    let mut out = String::new();
    for (at, part) in text.split("\n```").enumerate() {
        match at % 2 {
            0 => out += part.strip_prefix('`').unwrap_or(part),
            _ => out += "\n",
        }
    }
    out.split('`').step_by(2).collect::<Vec<_>>().join("code")
}

/// The targets of links.
fn links(text: &str) -> Vec<String> {
    let text = prose(text);
    let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    links.map(|(link, _)| link.split(' ').next().unwrap().to_string()).collect()
}

/// The names by which links mean the headings of a document.
fn anchors(text: &str) -> Vec<String> {
    let blocks = text.split("\n```").step_by(2);
    let headings = blocks.flat_map(str::lines).filter(|line| line.starts_with('#'));
    let name = |line: &str| -> String {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(name).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut seen = 0;
    for path in documents() {
        for link in links(&text_of(&path)) {
            let place = format!("{}: {link}", path.display());
            if link.contains("://") {
                assert!(link.starts_with("https://") && !link.contains('…'), "{place}");
                continue;
            }
            seen += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let file = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(file.exists(), "{place}");
            assert!(anchor.is_empty() || anchors(&text_of(&file)).iter().any(|one| one == anchor), "{place}");
        }
    }
    assert!(seen > 50, "{seen}");
}

/// The codes of rules that a text speaks of.
fn codes(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("PH")
        .filter_map(|(at, _)| text.get(at..at + 5))
        .filter(|code| code.bytes().skip(2).all(|byte| byte.is_ascii_digit()))
}

#[test]
fn every_code_has_a_page() {
    let pages = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/lints")).unwrap();
    let pages: Vec<String> =
        pages.map(|page| page.unwrap().file_name().into_string().unwrap()[..5].to_string()).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let texts = ["src", "rules", "docs", "ci", "fixtures"].into_iter().flat_map(|folder| {
        walkdir::WalkDir::new(root.join(folder)).into_iter().map(|entry| entry.unwrap().into_path())
    });
    let others =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "action.yml"].map(|name| root.join(name));
    let mut seen = 0;
    for path in texts.chain(others).filter(|path| path.is_file() && !path.ends_with("tests.rs")) {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        for code in codes(&text) {
            seen += 1;
            assert!(pages.iter().any(|page| page == code), "{}: {code} has no page", path.display());
        }
    }
    assert!(seen > 500, "{seen}");
}

/// The pages that a book's summary lists.
fn listed(summary: &str) -> Vec<String> {
    links(summary).into_iter().filter(|link| !link.contains("://")).collect()
}

#[test]
fn the_book_has_every_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let in_docs = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut pages: Vec<String> = in_docs.map(|name| name.into_string().unwrap()).collect();
    pages.retain(|name| name.ends_with(".md") && name != "SUMMARY.md");
    pages.sort();
    let mut summary = listed(&read("docs/SUMMARY.md"));
    summary.sort();
    assert_eq!(summary, pages);
    let book = Scratch::new("book");
    let made = Command::new("bash")
        .arg(root.join("docs/book.sh"))
        .arg(&book.0)
        .env("PINHOLE", env!("CARGO_BIN_EXE_pinhole"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let summary = text_of(&book.0.join("SUMMARY.md"));
    let lints = std::fs::read_dir(root.join("rules/lints")).unwrap().count();
    let products = Catalog::bundled().unwrap().products().len();
    // Four languages, and three pages that list the others.
    assert_eq!(listed(&summary).len(), pages.len() + 4 + lints + products + 3);
    for page in listed(&summary) {
        let path = book.0.join(&page);
        let text = text_of(&path);
        assert!(text.starts_with("# ") && text.len() > 100, "{page}");
        for link in links(&text).iter().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let file = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(file.exists(), "{page}: {link}");
            assert!(
                anchor.is_empty() || anchors(&text_of(&file)).iter().any(|one| one == anchor),
                "{page}: {link}"
            );
        }
    }
}

/// What `pinhole WORDS --help` prints; `None` where there is no such command.
fn help(words: &[&str]) -> Option<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_pinhole")).args(words).arg("--help").output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

/// The commands that a text names: in blocks of what is typed, and in lines.
fn commands(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    for block in text.split("```console\n").skip(1) {
        let lines = block.split("```").next().unwrap().lines();
        all.extend(lines.filter_map(|line| line.strip_prefix("$ ")).map(str::to_string));
    }
    all.extend(text.match_indices("`pinhole ").filter_map(|(at, _)| {
        let code = text[at + 1..].split('`').next()?;
        Some(code.split_whitespace().collect::<Vec<_>>().join(" "))
    }));
    all
}

#[test]
fn commands_of_documents_are_those_that_there_are() {
    let mut known: std::collections::HashMap<Vec<String>, Option<String>> = std::collections::HashMap::new();
    let mut help = |words: &[&str]| -> Option<String> {
        let key = words.iter().map(|word| word.to_string()).collect();
        known.entry(key).or_insert_with(|| help(words)).clone()
    };
    let mut seen = 0;
    // What messages and comments name is there, too.
    let src = walkdir::WalkDir::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).into_iter();
    let src = src
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.extension().is_some_and(|end| end == "rs"));
    for path in documents().into_iter().chain(src) {
        for line in commands(&text_of(&path)) {
            for command in line.split(['|', '>', '&', ';']).map(|part| part.split('#').next().unwrap().trim())
            {
                let Some(words) = command.strip_prefix("pinhole ") else { continue };
                let words: Vec<&str> = words.split_whitespace().collect();
                if words[0] == "help"
                    || words[0].starts_with(['-', '{'])
                    || words[0].chars().all(char::is_uppercase)
                {
                    continue;
                }
                let two = words.get(1).filter(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()));
                let both = two.and_then(|two| help(&[words[0], two]));
                let help = both.or_else(|| help(&words[..1]));
                let help = help.unwrap_or_else(|| panic!("{}: {line}", path.display()));
                seen += 1;
                for option in words.iter().filter(|word| word.starts_with("--") && word.len() > 2) {
                    let option = option.split(['=', '`']).next().unwrap();
                    assert!(help.contains(option), "{}: `{command}` has no {option}", path.display());
                }
            }
        }
    }
    assert!(seen > 150, "{seen}");
}

#[test]
fn commands_of_findings_can_be_typed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let bin = Path::new(env!("CARGO_BIN_EXE_pinhole")).parent().unwrap().display().to_string();
    let path = format!("{bin}:{}", std::env::var("PATH").unwrap());
    let mut lines = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(root.join("fixtures/scenarios")).unwrap() {
        let name = format!("fixtures/scenarios/{}", entry.unwrap().file_name().to_str().unwrap());
        let args = ["check", "--no-suppressions", "--exit-zero", "--color", "never", &name];
        let output =
            Command::new(env!("CARGO_BIN_EXE_pinhole")).current_dir(root).args(args).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let commands =
            text.lines().filter_map(|line| line.strip_prefix("  try: ").or(line.strip_prefix("  docs: ")));
        lines.extend(commands.map(str::to_string));
    }
    let (docs, tries): (Vec<&String>, Vec<&String>) =
        lines.iter().partition(|line| line.starts_with("pinhole rule "));
    assert!(docs.len() > 10 && tries.len() > 20, "{lines:?}");
    // The packets are many of one kind.
    for line in docs.into_iter().chain(tries.into_iter().step_by(3)) {
        let ran =
            Command::new("bash").args(["-c", line]).current_dir(root).env("PATH", &path).output().unwrap();
        let err = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(ran.status.code() == Some(0) && err.is_empty() && ran.stdout.len() > 40, "{line}: {err}");
    }
}
