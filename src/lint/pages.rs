//! The pages of the lints, compiled in from `rules/lints/`.

use serde::Deserialize;

use crate::codes::{Code, Codes};
use crate::dialect::Dialect;
use crate::finding::Severity;

/// The page of one lint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// Such as `PH101`; it never changes its meaning.
    pub code: &'static str,
    /// Such as `blocked-mandatory-port`.
    pub name: &'static str,
    /// What the page's head says besides.
    pub head: Head,
    /// The page without its head, in Markdown.
    pub text: &'static str,
}

/// The head of a page, in TOML.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The code, as in the file's name.
    pub code: String,
    /// The name, as in the file's name.
    pub name: String,
    /// The version of pinhole that has it first.
    pub since: String,
    /// How settled it is.
    pub status: Status,
    /// The dialects that it reads; none where it is about the site file.
    pub dialects: Vec<Dialect>,
    /// The severity, unless the site file changes it.
    pub severity: Severity,
    /// Earlier names, still understood.
    pub aliases: Vec<String>,
    /// Controls of security frameworks that it serves, such as `nist-sp-800-41r1:4.2`.
    pub frameworks: Vec<String>,
}

/// How settled a lint is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Its findings may still change.
    Preview,
    /// Its findings are what its page says.
    Stable,
    /// It will go.
    Deprecated,
}

impl Status {
    /// The word that pages use.
    pub fn name(self) -> &'static str {
        match self {
            Status::Preview => "preview",
            Status::Stable => "stable",
            Status::Deprecated => "deprecated",
        }
    }
}

impl Page {
    /// What the lint finds, in one line: the page's first paragraph.
    pub fn summary(&self) -> String {
        let first = self.text.trim_start().split("\n\n").next().unwrap_or("");
        first.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

macro_rules! files {
    ($($code:literal $name:literal)*) => {
        [$(($code, $name, include_str!(concat!("../../rules/lints/", $code, "-", $name, ".md")))),*]
    };
}

/// Code, name and file of every page, by code.
const FILES: &[(&str, &str, &str)] = &files! {
    "PH001" "syntax-error"
    "PH002" "unsupported-construct"
    "PH003" "unresolved-reference"
    "PH004" "load-would-fail"
    "PH005" "no-rules-read"
    "PH006" "beyond-budget"
    "PH007" "file-not-read"
    "PH101" "blocked-mandatory-port"
    "PH102" "partly-blocked-range"
    "PH103" "blocked-recommended-port"
    "PH104" "blocked-optional-port"
    "PH105" "blocked-reply"
    "PH106" "one-direction-only"
    "PH107" "wrong-transport"
    "PH201" "overly-broad-port-range"
    "PH202" "any-to-any"
    "PH203" "default-accept-policy"
    "PH204" "internal-port-exposed"
    "PH205" "management-open-to-any"
    "PH206" "stale-opening"
    "PH301" "service-forbidden-by-security-mode"
    "PH401" "shadowed-rule"
    "PH402" "redundant-rule"
    "PH403" "contradicted-rule"
    "PH404" "unreachable-chain"
    "PH405" "unused-object"
    "PH406" "duplicate-rule"
    "PH407" "mergeable-rules"
    "PH408" "rule-behind-established"
    "PH409" "repeats-the-policy"
    "PH410" "negated-state-list"
    "PH411" "syn-bit-test"
    "PH412" "port-without-protocol"
    "PH413" "chain-never-reached"
    "PH414" "base-chain-without-policy"
    "PH415" "accept-is-not-final"
    "PH416" "reload-doubles-rules"
    "PH419" "rule-without-statement"
    "PH420" "negated-list-matches-everything"
    "PH422" "block-not-quick"
    "PH423" "port-range-without-ends"
    "PH425" "undefined-table"
    "PH426" "unknown-anchor"
    "PH427" "skipped-interface"
    "PH428" "anchor-never-called"
    "PH430" "unbound-access-list"
    "PH433" "wildcard-mask"
    "PH434" "inactive-entry"
    "PH435" "expired-time-range"
    "PH436" "oversized-entry"
    "PH510" "helper-before-tracking"
    "PH511" "unknown-helper"
    "PH512" "helper-only-compared"
    "PH520" "filter-names-untranslated-port"
    "PH521" "stateless-without-way-back"
    "PH522" "redirection-skips-filter"
    "PH530" "needless-return-rule"
    "PH531" "address-of-the-wrong-side"
    "PH532" "missing-inspection"
    "PH533" "range-beside-inspection"
    "PH534" "blind-inspection"
    "PH535" "partial-call-inspection"
    "PH536" "implicit-permit"
    "PH537" "management-outside"
    "PH538" "missing-version"
    "PH601" "broken-site-file"
    "PH602" "unknown-product"
    "PH603" "unknown-role"
    "PH604" "unknown-security-mode"
    "PH605" "unknown-row"
    "PH606" "moved-fixed-row"
    "PH607" "address-outside-zones"
    "PH608" "unused-peer"
    "PH609" "expired-ignore"
    "PH610" "family-without-rules"
    "PH611" "unknown-condition"
    "PH612" "unfit-assumption"
    "PH613" "undecided-path"
    "PH614" "incomparable-version"
};

/// All pages, by code.
pub fn pages() -> Vec<Page> {
    FILES.iter().filter_map(|(code, name, file)| parse(code, name, file).ok()).collect()
}

/// The codes and names of all lints.
pub fn codes() -> Codes {
    let code = |page: Page| Code { code: page.code, name: page.name, aliases: page.head.aliases };
    Codes::new(pages().into_iter().map(code).collect())
}

fn parse(code: &'static str, name: &'static str, file: &'static str) -> Result<Page, String> {
    let (head, text) = file
        .strip_prefix("+++\n")
        .and_then(|rest| rest.split_once("\n+++\n"))
        .ok_or("a page starts with its head between two lines `+++`")?;
    let head: Head = toml::from_str(head).map_err(|error| error.to_string())?;
    if (head.code.as_str(), head.name.as_str()) != (code, name) {
        return Err(format!("the head is of {} {}", head.code, head.name));
    }
    Ok(Page { code, name, head, text })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::catalog::Catalog;
    use crate::site::{self, Date};
    use crate::source::SourceMap;

    #[test]
    fn every_page_is_listed_and_can_be_read() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/rules/lints");
        let on_disk: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let listed: BTreeSet<String> =
            FILES.iter().map(|(code, name, _)| format!("{code}-{name}.md")).collect();
        assert_eq!(listed, on_disk);
        for (code, name, file) in FILES {
            let page = parse(code, name, file).unwrap_or_else(|error| panic!("{code}: {error}"));
            assert!(!page.summary().is_empty() && page.summary().len() <= 160, "{code}: {}", page.summary());
            for heading in ["## What is wrong", "## Why it matters", "## What to do", "## Examples"] {
                assert!(page.text.contains(&format!("\n{heading}\n")), "{code} lacks `{heading}`");
            }
        }
    }

    #[test]
    fn codes_and_names_are_well_formed_and_unique() {
        let codes: Vec<&str> = FILES.iter().map(|(code, _, _)| *code).collect();
        assert!(codes.is_sorted_by(|a, b| a < b), "{codes:?}");
        assert!(
            codes
                .iter()
                .all(|code| code.len() == 5 && code.starts_with("PH") && code[2..].parse::<u16>().is_ok())
        );
        let pages = pages();
        let names: Vec<&str> = pages
            .iter()
            .flat_map(|page| page.head.aliases.iter().map(String::as_str).chain([page.name]))
            .collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        let kebab =
            |name: &&str| name.split('-').all(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase()));
        assert!(names.iter().all(kebab), "{names:?}");
    }

    /// The fenced examples of a page: language, whether it is an example of the fault, and text.
    fn examples(page: &Page) -> Vec<(&str, bool, &str)> {
        let mut found = Vec::new();
        for block in page.text.split("\n```").skip(1).step_by(2) {
            let (info, text) = block.split_once('\n').unwrap();
            let (language, kind) = info.split_once(' ').unwrap_or_else(|| panic!("{}: {info}", page.code));
            assert!(["fail", "pass"].contains(&kind), "{}: {info}", page.code);
            found.push((language, kind == "fail", text));
        }
        found
    }

    #[test]
    fn examples_about_the_site_file_are_what_they_say() {
        let catalog = Catalog::bundled().unwrap();
        let today = Date { year: 2026, month: 1, day: 1 };
        let about_the_site = |page: &&Page| page.head.dialects.is_empty() && page.code.starts_with("PH6");
        for page in pages().iter().filter(about_the_site) {
            let examples = examples(page);
            assert!(
                examples.iter().any(|e| e.1) && examples.iter().any(|e| !e.1),
                "{} lacks examples",
                page.code
            );
            for (language, fails, text) in examples {
                assert_eq!(language, "toml", "{}", page.code);
                let mut sources = SourceMap::new();
                let id = sources.add("pinhole.toml", text.as_bytes().to_vec()).unwrap();
                let found = match site::load(&sources, id, &codes()) {
                    Ok(site) => site::doubts(&site, &catalog, today),
                    Err(findings) => findings,
                };
                let wanted = if fails { vec![(page.code, page.head.severity)] } else { Vec::new() };
                let found: Vec<_> = found.iter().map(|finding| (finding.code, finding.severity)).collect();
                assert_eq!(found, wanted, "{}:\n{text}", page.code);
            }
        }
    }

    #[test]
    fn a_head_with_an_unknown_key_is_an_error() {
        let head = "+++\ncode = \"PH601\"\nname = \"n\"\nsince = \"0.1.0\"\nstatus = \"stable\"\ndialects = []\n\
                    severity = \"error\"\naliases = []\nframeworks = []\n";
        assert!(parse("PH601", "n", Box::leak(format!("{head}+++\ntext").into_boxed_str())).is_ok());
        assert!(parse("PH602", "n", Box::leak(format!("{head}+++\ntext").into_boxed_str())).is_err());
        assert!(
            parse("PH601", "n", Box::leak(format!("{head}more = 1\n+++\ntext").into_boxed_str())).is_err()
        );
        assert!(parse("PH601", "n", "text").is_err());
    }
}
