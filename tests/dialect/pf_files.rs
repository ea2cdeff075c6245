//! Files that pf.conf names: what is read of them, and what never is.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use crate::common;

use std::path::Path;

use pinhole::dialect::{Dialect, Environment, Loaded, load};
use pinhole::rule::Severity;
use pinhole::source::SourceMap;

use common::Scratch;

fn read(path: &Path) -> Loaded {
    let mut sources = SourceMap::new();
    let id = sources.read(path, path).unwrap();
    load(Dialect::Pf, &mut sources, &[id], &Environment::default())
}

fn names(loaded: &Loaded) -> Vec<&str> {
    loaded.ruleset.conditions.iter().map(|condition| condition.name.as_str()).collect()
}

fn found(loaded: &Loaded) -> Vec<(&str, Severity)> {
    loaded.findings.iter().map(|finding| (finding.code(), finding.severity)).collect()
}

#[test]
fn nothing_outside_the_folder_is_read() {
    let folder = Scratch::new("outside");
    folder.file("secret", "token = \"hunter2\"\nhunter2\n");
    for path in ["../secret", "/proc/self/environ", "/proc/kmsg", "/dev/zero", "../../etc/passwd"] {
        let main = folder.file("etc/pf.conf", format!("include \"{path}\"\nblock\n"));
        let loaded = read(&main);
        assert_eq!(found(&loaded), [("PH003", Severity::Info)], "{path}");
        assert!(names(&loaded).contains(&format!("include {path}").as_str()), "{path}: {:?}", names(&loaded));
        let main = folder.file("etc/pf.conf", format!("table <t> file \"{path}\"\nblock from <t>\n"));
        let loaded = read(&main);
        assert_eq!(found(&loaded), [("PH002", Severity::Info)], "{path}");
        assert!(loaded.findings.iter().all(|finding| !finding.message.contains("hunter2")));
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(folder.0.join("secret"), folder.0.join("etc/link")).unwrap();
        let main = folder.file("etc/pf.conf", "table <t> file \"link\"\nblock from <t>\n");
        assert_eq!(found(&read(&main)), [("PH002", Severity::Info)], "links lead nowhere else");
    }
}

#[test]
fn what_a_table_file_holds_is_not_printed() {
    let folder = Scratch::new("table");
    folder.file("addresses", "10.0.0.1\n10.0.0.0/hunter2\n");
    let loaded = read(&folder.file("pf.conf", "table <t> file \"addresses\"\nblock from <t>\n"));
    let messages: Vec<&str> = loaded.findings.iter().map(|finding| finding.message.as_str()).collect();
    assert!(messages[0].contains("line 2") && !messages[0].contains("hunter2"), "{messages:?}");
}

#[test]
fn an_anchor_that_cannot_be_read_is_unknown_and_no_error() {
    let folder = Scratch::new("missing");
    let text = "load anchor \"x\" from \"/etc/pf.anchors/x.rules\"\nanchor \"x\"\n";
    let main = folder.file("pf.conf", text);
    let loaded = read(&main);
    assert_eq!(found(&loaded), [("PH002", Severity::Info), ("PH426", Severity::Info)]);
    assert_eq!(names(&loaded), ["anchor x"]);
    // As macOS has it: what is called are the children, which the file may hold.
    let all = ["scrub-anchor", "nat-anchor", "rdr-anchor", "dummynet-anchor", "anchor"];
    let called: String = all.map(|word| format!("{word} \"x.org/*\"\n")).concat();
    let load = "load anchor \"x.org\" from \"/etc/pf.anchors/x.org\"\n";
    let loaded = read(&folder.file("apple.conf", format!("{called}{load}")));
    assert!(found(&loaded).iter().all(|(_, severity)| *severity == Severity::Info), "{:?}", loaded.findings);
    // an absolute path is looked for beside the configuration
    folder.file("etc/pf.anchors/x.rules", "block\n");
    let loaded = read(&main);
    assert!(found(&loaded).is_empty() && names(&loaded).is_empty(), "{:?}", loaded.findings);
}

#[test]
fn loaded_anchors_are_relative_to_those_that_load_them() {
    let folder = Scratch::new("relative");
    folder.file("a.rules", "anchor \"b\"\nload anchor \"b\" from \"b.rules\"\n");
    folder.file("b.rules", "anchor \"c\"\n");
    let main = folder.file("pf.conf", "load anchor \"a\" from \"a.rules\"\nanchor \"a\"\n");
    assert_eq!(names(&read(&main)), ["anchor a/b/c"]);
    let main = folder.file("pf.conf", "load anchor \"a/x\" from \"b.rules\"\nanchor \"a/*\"\n");
    assert_eq!(names(&read(&main)), ["anchor a/x/c"]);
    let main = folder.file("pf.conf", "load anchor \"a\" from \"b.rules\"\nanchor \"b\"\n");
    assert!(found(&read(&main)).contains(&("PH428", Severity::Warning)));
}
