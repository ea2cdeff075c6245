//! The tables of the README are true, and nothing that is read is missing in them.

use super::modules;
use super::*;
use crate::model::{About, Effect, NatAddr, NatPort, Nature, Ruleset, Step, Test, Verdict};
use crate::packet::Family;

const README: &str = include_str!("README.md");

/// The rows of a table: name, example, what it is said to be.
fn rows(heading: &str) -> Vec<(&'static str, &'static str, &'static str)> {
    let section = README.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let cells = section.lines().filter(|line| line.starts_with("| `")).map(|line| {
        let cells: Vec<&str> =
            line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect();
        (cells[0].trim_matches(['`', ' ']), cells[1], cells[2])
    });
    cells.collect()
}

/// The example in a chain and a family where it works.
fn loaded(name: &str, example: &str, target: bool) -> Ruleset {
    let module = modules::ALL.iter().find(|module| module.name == name && module.target == target).unwrap();
    let table = example.split("-t ").nth(1).map_or_else(
        || if module.tables & modules::FILTER != 0 { "filter" } else { "mangle" },
        |rest| rest.split(' ').next().unwrap(),
    );
    let rule = example.replace(&format!("-t {table} "), "");
    let chains = [
        ("PREROUTING", modules::PRE),
        ("INPUT", modules::IN),
        ("FORWARD", modules::FWD),
        ("OUTPUT", modules::OUT),
        ("POSTROUTING", modules::POST),
    ];
    let has: &[&str] = match table {
        "filter" => &["FORWARD", "INPUT", "OUTPUT"],
        "nat" => &["PREROUTING", "POSTROUTING"],
        "raw" => &["PREROUTING"],
        _ => &["PREROUTING", "POSTROUTING", "FORWARD"],
    };
    let works = |chain: &&&str| chains.iter().any(|(name, bit)| *name == **chain && module.hooks & bit != 0);
    let chain = has.iter().find(works).unwrap();
    let verdict = if target { "" } else { " -j ACCEPT" };
    let text = format!("*{table}\n-A {chain} {rule}{verdict}\nCOMMIT\n");
    let env = Environment { family: module.family.or(Some(Family::V4)), ..Environment::default() };
    let loaded = super::tests::load_text(&text, &env);
    let wrong: Vec<_> = loaded.findings.iter().filter(|finding| finding.code() != "PH002").collect();
    assert!(wrong.is_empty(), "{text}{wrong:?}");
    loaded.ruleset
}

fn kind_of_match(rules: &Ruleset) -> &'static str {
    let sure = rules.chains.iter().flat_map(|chain| &chain.rules).any(|rule| {
        !rules
            .steps_of(rule)
            .iter()
            .any(|step| matches!(step, Step::Test(Test::Unknown { .. } | Test::Never)))
    });
    match rules.conditions.first() {
        None => "exact",
        Some(condition) => match (condition.nature, &condition.about) {
            (Nature::Chance, _)
                if sure
                    || rules.conditions[0].name.starts_with("helper")
                    || condition.name.contains(" of the ") =>
            {
                "first"
            }
            (Nature::Chance, _) => "chance",
            (Nature::Rate { .. }, _) => "rate",
            (Nature::Forgery { .. }, _) => "forgery",
            (Nature::Stable, About::Nothing) => "global",
            (Nature::Stable, _) => "stable",
        },
    }
}

fn kind_of_target(rules: &Ruleset) -> &'static str {
    let effects: Vec<Effect> = rules
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::Effect(effect) => Some(*effect),
            _ => None,
        })
        .collect();
    let untold = |effect: &Effect| match effect {
        Effect::Forget(_) => true,
        Effect::Nat(nat) => {
            rules.nat(*nat).addr == NatAddr::Unknown || rules.nat(*nat).port == NatPort::Unknown
        }
        _ => false,
    };
    if effects.is_empty() {
        "nothing"
    } else if effects.iter().any(|effect| matches!(effect, Effect::Undefined(_))) {
        "undefined"
    } else if !rules.conditions.is_empty() {
        assert!(effects.contains(&Effect::Verdict(Verdict::Drop)));
        "open"
    } else if effects.iter().any(untold) {
        "value"
    } else {
        "exact"
    }
}

#[test]
fn every_row_is_true() {
    for (heading, target) in [("Matches", false), ("Targets", true)] {
        for (name, example, said) in rows(heading) {
            let rules = loaded(name, example, target);
            let is = if target { kind_of_target(&rules) } else { kind_of_match(&rules) };
            assert_eq!(is, said, "{heading}: {example}");
        }
    }
}

#[test]
fn nothing_that_is_read_is_missing() {
    for (heading, target) in [("Matches", false), ("Targets", true)] {
        let rows = rows(heading);
        for module in modules::ALL.iter().filter(|module| module.target == target) {
            assert!(rows.iter().any(|(name, ..)| *name == module.name), "{heading}: {}", module.name);
        }
    }
}
