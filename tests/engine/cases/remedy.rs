//! What help prints mends what the finding says.

use super::*;

/// What is missing is the translation: help says so, and with it nothing is blocked.
#[track_caller]
fn translates(form: &str, end: &str, words: &[&str], never: &[&str]) {
    let report = site(&format!("remedy/closed-{form}.toml"));
    let finding = report.the("PH101", "rtp");
    sure(finding);
    let remedy = finding.remedy();
    for word in words {
        assert!(remedy.contains(word), "`{word}` is not in: {remedy}");
    }
    for word in never {
        assert!(!remedy.contains(word), "`{word}` is in: {remedy}");
    }
    site(&format!("remedy/mended-{form}.toml")).silent("PH1").silent("PH531");
    if !finding.edits.is_empty() {
        edited("remedy", &format!("closed-{form}.toml"), &format!("closed.{end}"), finding).silent("PH1");
    }
}

/// The site with the edits of a finding made.
fn edited(place: &str, site: &str, config: &str, finding: &Finding) -> Report {
    let place = folder("fixtures/engine").join(place);
    let mut text = std::fs::read_to_string(place.join(config)).unwrap();
    let mut edits = finding.edits.clone();
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.start));
    for edit in edits {
        assert!(edit.file.ends_with(config), "{edit:?}");
        text.replace_range(edit.start..edit.end, &edit.text);
    }
    pasted(&place, site, config, &text)
}

/// The site with another text of its config.
fn pasted(place: &std::path::Path, site: &str, config: &str, text: &str) -> Report {
    let scratch = Scratch::new(config);
    let catalog = folder("fixtures/engine/catalog").display().to_string();
    let site = std::fs::read_to_string(place.join(site)).unwrap().replace("../catalog", &catalog);
    scratch.write("pinhole.toml", site).write(config, text);
    check(&scratch.0, &[])
}

#[test]
fn a_missing_dnat_nftables() {
    translates("nftables", "nft", &["dnat", "10.68.0.5", "12000-12999"], &["12000-12999 accept"]);
}

#[test]
fn a_missing_dnat_iptables() {
    translates("iptables", "rules", &["DNAT", "10.68.0.5", "12000:12999", "FORWARD"], &["STOP"]);
}

#[test]
fn a_missing_rdr() {
    translates("pf", "pf.conf", &["rdr on wan0", "-> 10.68.0.5", "12000:12999"], &[]);
}

#[test]
fn a_missing_rdr_to() {
    translates("openbsd", "openbsd.conf", &["rdr-to 10.68.0.5", "12000:12999"], &["rdr on"]);
}

#[test]
fn a_missing_static_nat() {
    translates("asa", "cfg", &["nat (lan0,wan0)", "static", "198.51.100.8"], &[]);
}

#[test]
fn the_mapped_address_before_8_3() {
    let report = site("remedy-mapped/site.toml");
    let finding = report.the("PH101", "rtp");
    let remedy = finding.remedy();
    assert!(remedy.contains("198.51.100.60"), "{remedy}");
    assert!(!remedy.contains("10.69.0.60"), "{remedy}");
    let rules: Vec<&str> = remedy.lines().map(str::trim).filter(|l| l.starts_with("access-list ")).collect();
    assert!(!rules.is_empty(), "{remedy}");
    let place = folder("fixtures/engine/remedy-mapped");
    let text = std::fs::read_to_string(place.join("edge.cfg")).unwrap();
    let text = text.replace("static (", &format!("{}\nstatic (", rules.join("\n")));
    pasted(&place, "site.toml", "edge.cfg", &text).silent("PH101").silent("PH102").silent("PH531");
}
