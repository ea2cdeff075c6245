//! Expansion as pfctl does it: each `.in` of `fixtures/pf/expansion` and the `.ok` beside it, in which pfctl's own
//! multiplying out is written down, give the same rules. What pfctl refuses stands in `fixtures/pf/refused`.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use super::pf_probe;

use std::path::{Path, PathBuf};

use pinhole::budget::Budget;
use pinhole::dialect::Environment;
use pinhole::dialect::pf::ast::{Statement, StatementKind};
use pinhole::dialect::pf::expand::Expander;
use pinhole::dialect::pf::parse::parse;
use pinhole::finding::Finding;
use pinhole::model::OwnAddress;
use pinhole::packet::Family;
use pinhole::source::SourceMap;

/// The interfaces of the other tests of pf, and a second address of the outer one.
fn environment() -> Environment {
    let mut env = pf_probe::environment();
    let (family, address) = Family::of([198, 51, 100, 2].into());
    env.own.insert(1, OwnAddress { interface: "em0".into(), family, address, prefix: 24 });
    env
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/pf").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// The rules of a file as text, and what reading and multiplying out had to say, with lines.
fn read(path: &Path) -> (Vec<String>, Vec<(Finding, u32)>) {
    let mut sources = SourceMap::new();
    let id = sources.read(path, path).unwrap();
    let config = parse(&mut sources, id, None, &Budget::default());
    let env = environment();
    let mut expander = Expander::new(&env, config.flavour);
    let mut rules = Vec::new();
    collect(&config.statements, &mut expander, &mut rules);
    let findings = config.findings.iter().chain(&expander.findings).map(|finding| {
        let span = finding.span.unwrap();
        (finding.clone(), sources.file_of(span).unwrap().place(span.start).line)
    });
    (rules, findings.collect())
}

fn collect<'a>(statements: &'a [Statement], expander: &mut Expander<'a>, out: &mut Vec<String>) {
    let mut number = 0;
    for statement in statements {
        let mut flats = Vec::new();
        match &statement.kind {
            StatementKind::Rule(rule) => expander.expand(rule, &mut number, &mut flats),
            StatementKind::Antispoof(rules) => {
                rules.iter().for_each(|rule| expander.expand(rule, &mut number, &mut flats));
            }
            StatementKind::Anchor(anchor) => expander.expand(&anchor.rule, &mut number, &mut flats),
            _ => {}
        }
        out.extend(flats.iter().map(ToString::to_string));
        if let StatementKind::Anchor(anchor) = &statement.kind {
            out.push(format!("anchor {:?} holds:", anchor.name));
            collect(anchor.body.as_deref().unwrap_or_default(), expander, out);
            out.push("end".into());
        }
    }
}

#[test]
fn both_files_of_a_pair_give_the_same_rules() {
    for input in files("expansion", "in") {
        let expected = input.with_extension("ok");
        let (rules, findings) = read(&input);
        assert!(findings.is_empty(), "{}: {findings:?}", input.display());
        let (normalized, findings) = read(&expected);
        assert!(findings.is_empty(), "{}: {findings:?}", expected.display());
        assert_eq!(rules, normalized, "{}", input.display());
        let lines = std::fs::read_to_string(&expected).unwrap();
        let single = lines.lines().filter(|line| !line.trim_start().starts_with('}')).count();
        let written = rules.iter().filter(|rule| !rule.ends_with("holds:") && *rule != "end").count();
        assert_eq!(single, written, "{}: one rule a line", expected.display());
    }
}

#[test]
fn what_pfctl_refuses_is_refused_at_its_place() {
    for input in files("refused", "in") {
        let text = std::fs::read_to_string(&input).unwrap();
        let first = text.lines().next().unwrap();
        let mut words = first.trim_start_matches("# ").split([' ', ':']);
        let code = words.next().unwrap();
        let line: u32 = words.nth(2).unwrap().parse().unwrap();
        let (_, findings) = read(&input);
        let found: Vec<(&str, u32)> =
            findings.iter().map(|(finding, line)| (finding.code(), *line)).collect();
        assert_eq!(found, [(code, line)], "{}: {findings:?}", input.display());
    }
}
