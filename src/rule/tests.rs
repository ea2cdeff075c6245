use std::collections::BTreeSet;

use super::*;

#[test]
fn words_for_lints() {
    let select =
        |word| Lint::select(word).map(|lints| lints.iter().map(|lint| lint.code).collect::<Vec<_>>());
    assert_eq!(select("ph201"), Ok(vec!["PH201"]));
    assert_eq!(select("any-to-any"), Ok(vec!["PH202"]));
    assert_eq!(select("PH30"), Ok(vec!["PH301"]));
    assert_eq!(select("any-to-ayn"), Err(Some("any-to-any")));
    assert_eq!(select("PH"), Err(None));
}

#[test]
fn codes_and_names_are_well_formed_and_unique() {
    let codes: Vec<&str> = LINTS.iter().map(|lint| lint.code).collect();
    assert!(codes.is_sorted_by(|a, b| a < b), "{codes:?}");
    let is_code = |code: &&str| code.len() == 5 && code.starts_with("PH") && code[2..].parse::<u16>().is_ok();
    assert!(codes.iter().all(is_code));
    let names: Vec<&str> =
        LINTS.iter().flat_map(|lint| lint.aliases.iter().copied().chain([lint.name])).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    let kebab =
        |name: &&str| name.split('-').all(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase()));
    assert!(names.iter().all(kebab), "{names:?}");
}

#[test]
fn every_page_is_whole() {
    for lint in LINTS {
        let Lint { code, summary, text, .. } = lint;
        assert!(
            !summary.is_empty() && summary.len() <= 160 && text.starts_with(&summary[..20]),
            "{code}: {summary}"
        );
        for heading in ["## What is wrong", "## Why it matters", "## What to do", "## Examples"] {
            assert!(text.contains(&format!("\n{heading}\n")), "{code} lacks `{heading}`");
        }
    }
}
