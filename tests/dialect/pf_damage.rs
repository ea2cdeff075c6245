//! Damaged and hostile pf.conf: nothing panics, nothing hangs, nothing is passed over in silence.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use crate::cpu;

use pinhole::dialect::{Dialect, Environment, Loaded, load};
use pinhole::source::SourceMap;
use proptest::prelude::*;

use crate::common::Scratch;

/// What any text may take of CPU time, in a debug build.
const MOST_SECONDS: f64 = 20.0;

fn read(bytes: Vec<u8>) -> (Loaded, Vec<u32>) {
    let mut sources = SourceMap::new();
    let id = sources.add("pf.conf", bytes).unwrap();
    let loaded = load(Dialect::Pf, &mut sources, &[id], &Environment::default());
    let line = |span| sources.file_of(span).map_or(0, |file| file.place(span.start).line);
    let lines = loaded.findings.iter().filter_map(|f| f.span.map(&line)).collect();
    (loaded, lines)
}

fn codes(text: &str) -> Vec<(&'static str, u32)> {
    let (loaded, lines) = read(text.as_bytes().to_vec());
    loaded.findings.iter().map(|f| f.code()).zip(lines).filter(|(code, _)| code.starts_with("PH0")).collect()
}

fn quickly(what: &str, bytes: Vec<u8>) -> Loaded {
    let start = cpu::nanoseconds();
    let (loaded, _) = read(bytes);
    let seconds = (cpu::nanoseconds() - start) as f64 / 1e9;
    assert!(seconds < MOST_SECONDS, "{what} took {seconds} s of CPU time");
    loaded
}

#[test]
fn an_error_costs_its_statement() {
    assert_eq!(codes("pass in\npass bananas\nblock in\n"), [("PH001", 2)]);
    assert_eq!(codes("pass from { 10.0.0.1\nblock in\nblock out\n"), [("PH001", 1)]);
    assert_eq!(codes("x = \"a\nblock in\n"), [("PH001", 1)]);
    assert_eq!(codes("}\nblock in\n"), [("PH001", 1)]);
    assert_eq!(codes("anchor {\n pass in\n"), [("PH001", 1)]);
    assert_eq!(codes("pass in on $nope\nblock\n"), [("PH003", 1)]);
    assert_eq!(codes("pass in proto tcp to port nosuchservice\n"), [("PH003", 1)]);
    assert_eq!(codes("pass in proto nosuchprotocol\n"), [("PH003", 1)]);
}

#[test]
fn damaged_bytes_are_told() {
    assert_eq!(codes("pass in\0\nblock\n"), [("PH001", 1)]);
    let (loaded, lines) = read(b"pass in on e\xffm0\nblock\n# \xff is fine in comments\n".to_vec());
    assert_eq!((loaded.findings[0].code(), lines[0]), ("PH001", 1));
    assert_eq!(loaded.findings.len(), 1);
    assert!(codes("pass in\r\nblock out\r\n").is_empty());
}

#[test]
fn rules_that_cannot_be_read_stay_as_unknown() {
    let named = |text: &str| -> Vec<String> {
        let (loaded, _) = read(text.as_bytes().to_vec());
        loaded.ruleset.conditions.iter().map(|condition| condition.name.clone()).collect()
    };
    assert_eq!(named("block all\npass bananas\n"), ["what `pass bananas` was meant to do"]);
    // Wherever it stands: the rules of a file are the same with a line more before them.
    assert_eq!(named("a = \"b\"\nblock all\n pass  bananas\n"), ["what `pass bananas` was meant to do"]);
    assert_eq!(
        named("pass bananas\npass apples\npass in\npass bananas\n"),
        ["what `pass bananas` and 1 more were meant to do", "what `pass bananas (2)` was meant to do"]
    );
}

#[test]
fn hostile_sizes_end() {
    let mut line = b"pass in from { ".to_vec();
    for i in 0..700_000u32 {
        line.extend_from_slice(format!("10.{}.{}.{} ", i >> 16 & 255, i >> 8 & 255, i & 255).as_bytes());
    }
    line.extend_from_slice(b"}\n");
    let loaded = quickly("a line of 10 MB", line);
    assert!(
        loaded.findings.iter().any(|f| f.code() == "PH006"),
        "a rule that multiplies out too far is told"
    );

    quickly("braces", "{".repeat(2_000_000).into_bytes());
    quickly("closing braces", "}\n".repeat(300_000).into_bytes());
    quickly(
        "lists in lists",
        format!("pass from {}10.0.0.1{}\n", "{ ".repeat(300_000), " }".repeat(300_000)).into_bytes(),
    );
    quickly("quotes", "\"\n'".repeat(300_000).into_bytes());
    quickly("a word", "a".repeat(10_000_000).into_bytes());
    quickly("backslashes", "\\".repeat(5_000_000).into_bytes());
    quickly("anchors", format!("{}{}", "anchor {\n".repeat(100_000), "}\n".repeat(100_000)).into_bytes());
    let deep = format!("{}pass\n{}", "anchor on { em0 em1 } {\n".repeat(60), "}\n".repeat(60));
    quickly("anchors that double", deep.into_bytes());
    let tagged =
        format!("{}pass tag A\npass tagged A\n{}", "anchor on { em0 em1 } {\n".repeat(60), "}\n".repeat(60));
    quickly("anchors that double, in order", tagged.into_bytes());
    let mut macros = String::from("a = \"x x x x x x x x\"\n");
    for _ in 0..40 {
        macros.push_str("a = $a $a\n");
    }
    quickly("macros that double", macros.into_bytes());
    let lists = "{ ".to_string()
        + &(1..2000).map(|n| format!("10.0.{}.{} ", n / 256, n % 256)).collect::<String>()
        + "}";
    quickly("a product", format!("pass proto tcp from {lists} to {lists} port {{ 1 2 3 }}\n").into_bytes());
    let mut product = String::from("pass in proto tcp\n");
    for _ in 0..200 {
        product
            .push_str(&format!("pass proto tcp from {lists} to {{ 10.1.0.1 10.1.0.2 10.1.0.3 10.1.0.4 }}\n"));
    }
    quickly("many products", product.into_bytes());
}

#[test]
fn includes_are_bounded() {
    let folder = Scratch::new("pf");
    for n in 0..12 {
        let next = format!("include \"f{0}.conf\"\ninclude \"f{0}.conf\"\ninclude \"f{0}.conf\"\n", n + 1);
        folder.write(&format!("f{n}.conf"), next);
    }
    folder
        .write("f12.conf", "pass in\n")
        .write("self.conf", "include \"self.conf\"\npass in\n")
        .write("table.conf", "table <t> file \"addresses\"\npass in from <t>\n")
        .write("addresses", "10.0.0.1 # one\n!10.0.0.2\n");
    let run = |name: &str| {
        let path = folder.0.join(name);
        let mut sources = SourceMap::new();
        let id = sources.read(&path, &path).unwrap();
        load(Dialect::Pf, &mut sources, &[id], &Environment::default())
    };
    let circle = run("self.conf");
    assert_eq!(circle.findings.iter().map(|f| f.code()).collect::<Vec<_>>(), ["PH004"]);
    let many = run("f0.conf");
    assert!(many.findings.iter().any(|f| f.code() == "PH006"));
    let table = run("table.conf");
    assert!(table.findings.is_empty() && table.ruleset.conditions.is_empty(), "{:?}", table.findings);
}

/// Texts that look like pf.conf, broken at random.
fn texts() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "pass",
        "block",
        "match",
        "in",
        "out",
        "quick",
        "log",
        "on",
        "em0",
        "proto",
        "tcp",
        "udp",
        "{",
        "}",
        "(",
        ")",
        "from",
        "to",
        "any",
        "port",
        "80",
        "1:2",
        "><",
        "<>",
        "!",
        "<t>",
        "10.0.0.0/8",
        "::1",
        "keep",
        "state",
        "no",
        "nat-to",
        "rdr-to",
        "->",
        "nat",
        "rdr",
        "binat",
        "anchor",
        "set",
        "skip",
        "table",
        "antispoof",
        "for",
        ",",
        "=",
        "\"x\"",
        "$x",
        "x",
        "\\",
        "\n",
        "\n",
        "\n",
        "#",
        "flags",
        "S/SA",
        "tag",
        "tagged",
        "a",
        "inet",
        "inet6",
        "include",
        "load",
        "queue",
        "altq",
        "scrub",
        "-",
        "0x",
        "\"",
        "'",
        "\0",
        "é",
    ]);
    prop::collection::vec(words, 0..60).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics_and_every_span_is_in_the_file(text in texts()) {
        let mut sources = SourceMap::new();
        let id = sources.add("pf.conf", text.clone().into_bytes()).unwrap();
        let loaded = load(Dialect::Pf, &mut sources, &[id], &Environment::default());
        for finding in &loaded.findings {
            let span = finding.span.unwrap();
            prop_assert!(span.end as usize <= text.len() && span.start <= span.end, "{finding:?}");
        }
    }
}
